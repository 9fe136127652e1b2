// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest state that lives in the VMCS: segments, tables, control and debug
 * registers.
 *
 * The guest owns the bits of CR0 and CR4 that need nobody's attention and
 * changes them without an exit; the others are in the read shadow as the guest
 * wants them and in the register as VMX operation wants them (SDM 25.6.6).
 */
#include "vmx.h"

#define TYPE_ACCESSED	1
#define TYPE_BUSY	2

#define CR0_GUEST	(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_AM | \
			 X86_CR0_WP)
#define CR4_GUEST	(X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PGE | \
			 X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | \
			 X86_CR4_FSGSBASE)

/*
 * The VMCS's form of the attributes (SDM 25.4.1). VM entry wants a loaded segment
 * accessed, TR busy, and G to agree with the limit (SDM 27.3.1.2).
 */
u32 vmx_access_rights(const struct lodge_segment *seg, int which)
{
	struct lodge_segment fit = *seg;

	if (seg->unusable)
		return VMX_AR_UNUSABLE_MASK;
	if (which == LODGE_TR)
		fit.type |= TYPE_BUSY;
	else if (seg->s)
		fit.type |= TYPE_ACCESSED;
	if ((seg->limit & 0xfff) != 0xfff)
		fit.g = false;
	else if (seg->limit >> 20)
		fit.g = true;
	return lodge_pack_rights(&fit);
}

/* A null selector says so by being unusable; the other bits are leftovers. */
void vmx_unpack_rights(u32 ar, struct lodge_segment *seg)
{
	lodge_unpack_rights(ar, seg);
	seg->unusable = !!(ar & VMX_AR_UNUSABLE_MASK);
	seg->present &= !seg->unusable;
}

/* The VMCS has the segments in the order of enum lodge_seg, GDTR and IDTR, two apart. */
static unsigned long nth(unsigned long first, int seg)
{
	return first + seg * 2;
}

void vmx_get_segment(struct lodge_vcpu *vcpu, int seg, struct lodge_segment *out)
{
	*out = (struct lodge_segment) {
		.base = vmcs_read(nth(GUEST_ES_BASE, seg)),
		.limit = vmcs_read(nth(GUEST_ES_LIMIT, seg)),
	};
	if (seg >= LODGE_GDTR)
		return;
	out->selector = vmcs_read(nth(GUEST_ES_SELECTOR, seg));
	vmx_unpack_rights(vmcs_read(nth(GUEST_ES_AR_BYTES, seg)), out);
}

void vmx_set_segment(struct lodge_vcpu *vcpu, int seg, const struct lodge_segment *in)
{
	vmcs_write(nth(GUEST_ES_BASE, seg), in->base);
	vmcs_write(nth(GUEST_ES_LIMIT, seg), in->limit);
	if (seg >= LODGE_GDTR)
		return;
	vmcs_write(nth(GUEST_ES_SELECTOR, seg), in->selector);
	vmcs_write(nth(GUEST_ES_AR_BYTES, seg), vmx_access_rights(in, seg));
}

static u64 merge(u64 shadow, u64 hardware, u64 guest_owned)
{
	return (shadow & ~guest_owned) | (hardware & guest_owned);
}

static u64 cr4_guest_bits(struct lodge_vcpu *vcpu)
{
	return CR4_GUEST & ~vcpu->cr4_guest_rsvd;
}

void vmx_fetch_reg(struct lodge_vcpu *vcpu, int reg)
{
	static const u16 fields[] = {
		[LODGE_RSP] = GUEST_RSP, [LODGE_RIP] = GUEST_RIP, [LODGE_RFLAGS] = GUEST_RFLAGS,
		[LODGE_CR0] = GUEST_CR0, [LODGE_CR3] = GUEST_CR3, [LODGE_CR4] = GUEST_CR4,
	};
	u64 value = vmcs_read(fields[reg]);

	if (reg == LODGE_CR0)
		value = merge(vmcs_read(CR0_READ_SHADOW), value, CR0_GUEST);
	else if (reg == LODGE_CR4)
		value = merge(vmcs_read(CR4_READ_SHADOW), value, cr4_guest_bits(vcpu));
	vcpu->regs[reg] = value;
}

u32 vmx_fetch_insn(struct lodge_vcpu *vcpu)
{
	const unsigned long regs = BIT(LODGE_RIP) | BIT(LODGE_RFLAGS) | BIT(LODGE_CR3);

	if (!(vcpu->regs_valid & regs)) {
		vcpu->regs[LODGE_RIP] = vmcs_read(GUEST_RIP);
		vcpu->regs[LODGE_RFLAGS] = vmcs_read(GUEST_RFLAGS);
		vcpu->regs[LODGE_CR3] = vmcs_read(GUEST_CR3);
		vcpu->regs_valid |= regs;
	}
	vcpu->exit.shadowed = vmcs_read(GUEST_INTERRUPTIBILITY_INFO) & LODGE_SHADOWS;
	return VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES)) |
	       (vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK ? LODGE_INSN_CODE64 : 0);
}

static void update_reg(struct lodge_vcpu *vcpu, int reg, u64 value)
{
	vcpu->regs[reg] = value;
	vcpu->regs_valid |= BIT(reg);
	to_vmx(vcpu)->todo |= VMX_TODO_PDPTRS;
}

/* In hardware as VMX operation wants it. Memory is write-back whatever CD and NW say. */
void vmx_set_cr0(struct lodge_vcpu *vcpu, u64 value)
{
	u64 must = vmx_caps.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	u64 hardware = (value & ~(u64)(X86_CR0_CD | X86_CR0_NW)) | must;

	vmcs_write(CR0_READ_SHADOW, value);
	vmcs_write(GUEST_CR0, hardware & vmx_caps.cr0_fixed1);
	update_reg(vcpu, LODGE_CR0, value);
}

void vmx_set_cr3(struct lodge_vcpu *vcpu, u64 value)
{
	vmcs_write(GUEST_CR3, value);
	update_reg(vcpu, LODGE_CR3, value);
}

/* The same. With CR4.MCE clear a machine check of the host would shut down the CPU. */
void vmx_set_cr4(struct lodge_vcpu *vcpu, u64 value)
{
	u64 mce = native_read_cr4() & X86_CR4_MCE;
	u64 hardware = (value & ~(u64)X86_CR4_MCE) | mce | vmx_caps.cr4_fixed0;

	vmcs_write(CR4_READ_SHADOW, value);
	vmcs_write(GUEST_CR4, hardware & vmx_caps.cr4_fixed1);
	update_reg(vcpu, LODGE_CR4, value);
}

/*
 * Say which bits the guest owns, once its CPUID is known. Bits that change owner
 * are in hardware and in the shadow alike.
 */
void vmx_update_masks(struct lodge_vcpu *vcpu)
{
	u64 cr4 = lodge_reg_read(vcpu, LODGE_CR4);

	vmcs_write(CR0_GUEST_HOST_MASK, ~(u64)CR0_GUEST);
	vmcs_write(CR4_GUEST_HOST_MASK, ~cr4_guest_bits(vcpu));
	vmx_set_cr4(vcpu, cr4);
}

void vmx_set_efer(struct lodge_vcpu *vcpu, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 entry = vmx->controls.entry & ~VM_ENTRY_IA32E_MODE;

	if (value & EFER_LMA)
		entry |= VM_ENTRY_IA32E_MODE;
	vcpu->efer = value;
	vmcs_write(GUEST_IA32_EFER, value);
	vmx_update(VM_ENTRY_CONTROLS, vmx->controls.entry, entry);
	vmx->todo |= VMX_TODO_PDPTRS | VMX_TODO_USER_MSRS;
}

void vmx_set_tsc_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	vmcs_write(TSC_OFFSET, offset);
}

void vmx_sync_dr7(struct lodge_vcpu *vcpu)
{
	vmcs_write(GUEST_DR7, vcpu->dr7);
}

/* SS.DPL is the current privilege level in every mode (SDM 25.4.1). */
int vmx_cpl(struct lodge_vcpu *vcpu)
{
	return VMX_AR_DPL(vmcs_read(GUEST_SS_AR_BYTES));
}

bool vmx_code64(struct lodge_vcpu *vcpu)
{
	return vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}
