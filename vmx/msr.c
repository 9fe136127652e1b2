// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of the guest that hardware holds: in the VMCS, in the CPU while the vCPU
 * is loaded (KERNEL_GS_BASE), and in the CPU until it returns to userspace (those
 * of SYSCALL, TSC_AUX), which the host itself only uses there.
 *
 * One bitmap (SDM 25.6.9) serves all vCPUs: what is open in it is switched with
 * the guest, whoever it is.
 */
#include "lapic.h"
#include "vmx.h"

#define RANGE_MSRS	0x2000
#define RANGE_HIGH	0xc0000000u
#define BITMAP_HIGH	0x400
#define BITMAP_WRITE	0x800

u8 *vmx_msr_bitmap;
u8 *vmx_x2apic_bitmap;

const u32 vmx_user_msr_index[VMX_NR_USER_MSRS] = {
	[VMX_STAR] = MSR_STAR,
	[VMX_LSTAR] = MSR_LSTAR,
	[VMX_CSTAR] = MSR_CSTAR,
	[VMX_SFMASK] = MSR_SYSCALL_MASK,
	[VMX_TSC_AUX] = MSR_TSC_AUX,
};

/**
 * vmx_msr_bit() - place of an MSR in the bitmap
 * @index: MSR
 * @write: of WRMSR, else of RDMSR
 *
 * Return: bit number; -EINVAL when the bitmap does not cover the MSR, access to
 * which always exits.
 */
int vmx_msr_bit(u32 index, bool write)
{
	int bytes = write ? BITMAP_WRITE : 0;

	if (index - RANGE_HIGH < RANGE_MSRS)
		return (bytes + BITMAP_HIGH) * 8 + (index - RANGE_HIGH);
	if (index < RANGE_MSRS)
		return bytes * 8 + index;
	return -EINVAL;
}

/* Where the VMCS has what entry and exit switch, 0 for other MSRs. */
static u32 field(u32 index)
{
	static const struct {
		u32 index;
		u32 field;
	} fields[] = {
		{ MSR_FS_BASE, GUEST_FS_BASE }, { MSR_GS_BASE, GUEST_GS_BASE },
		{ MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS }, { MSR_IA32_CR_PAT, GUEST_IA32_PAT },
		{ MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP },
		{ MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].index == index)
			return fields[i].field;
	return 0;
}

/**
 * vmx_msr_bitmap_build() - open the bitmap
 * @bitmap: a page of ones
 * @passthrough: MSRs that may be open, ends with 0
 *
 * Open are those that entry and exit switch or that are switched with the vCPU.
 * Those of SYSCALL are not: what the guest wrote would have to be read back each
 * time. Address checks are the CPU's own; those of PAT are not.
 */
void vmx_msr_bitmap_build(u8 *bitmap, const u32 *passthrough)
{
	int write;

	for (; *passthrough; passthrough++) {
		if (*passthrough != MSR_KERNEL_GS_BASE &&
		    (*passthrough == MSR_IA32_CR_PAT || !field(*passthrough)))
			continue;
		for (write = 0; write < 2; write++)
			__clear_bit(vmx_msr_bit(*passthrough, write), (unsigned long *)bitmap);
	}
}

/* Writes that the CPU knows are those of TPR, EOI and self-IPI (SDM 30.5). */
void vmx_x2apic_bitmap_build(u8 *bitmap)
{
	static const u8 writes[] = { APIC_TASKPRI >> 4, APIC_EOI >> 4, APIC_SELF_IPI >> 4 };
	u32 i;

	for (i = 0; i < LAPIC_REGS; i++)
		if (lodge_lapic_shown(i))
			__clear_bit(vmx_msr_bit(APIC_BASE_MSR + i, false), (unsigned long *)bitmap);
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		__clear_bit(vmx_msr_bit(APIC_BASE_MSR + writes[i], true), (unsigned long *)bitmap);
}

static int user_msr(u32 index)
{
	int i;

	for (i = 0; i < VMX_NR_USER_MSRS; i++)
		if (vmx_user_msr_index[i] == index)
			return i;
	return -EINVAL;
}

/* In the CPU while host state is saved; interrupts off, since a switch ends that. */
static void kernel_gs_base(struct vmx_vcpu *vmx, u64 *value, bool write)
{
	guard(irqsave)();
	if (write)
		vmx->kernel_gs_base = *value;
	if (write && vmx->host_saved)
		wrmsrq(MSR_KERNEL_GS_BASE, *value);
	else if (vmx->host_saved)
		rdmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	*value = vmx->kernel_gs_base;
}

int vmx_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i = user_msr(index);

	if (i >= 0)
		*value = vmx->user_msr[i];
	else if (index == MSR_KERNEL_GS_BASE)
		kernel_gs_base(vmx, value, false);
	else if (field(index))
		*value = vmcs_read(field(index));
	else
		return -EINVAL;
	return 0;
}

int vmx_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i = user_msr(index);

	if (i >= 0) {
		vmx->user_msr[i] = value;
		vmx->todo |= VMX_TODO_USER_MSRS;
	} else if (index == MSR_KERNEL_GS_BASE) {
		kernel_gs_base(vmx, &value, true);
	} else if (index == MSR_IA32_SPEC_CTRL) {
		vmx_guest_spec(vmx);	/* vcpu->msr has it */
	} else if (field(index)) {
		vmcs_write(field(index), value);
	} else {
		return -EINVAL;
	}
	return 0;
}

/**
 * vmx_restore_user_msrs() - give the CPU the host's values back
 * @c: this CPU
 */
void vmx_restore_user_msrs(struct vmx_cpu *c)
{
	int i;

	/* vmx_cpu_disable() may come by interrupt and do the same. */
	guard(irqsave)();
	if (c->user_return_armed) {
		c->user_return_armed = false;
		user_return_notifier_unregister(&c->user_return);
	}
	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		if (c->msr[i] == c->host_msr[i])
			continue;
		wrmsrq(vmx_user_msr_index[i], c->host_msr[i]);
		c->msr[i] = c->host_msr[i];
	}
}

static void on_user_return(struct user_return_notifier *notifier)
{
	vmx_restore_user_msrs(container_of(notifier, struct vmx_cpu, user_return));
}

/**
 * vmx_load_user_msrs() - give the CPU the guest's values
 * @vmx: vCPU about to be entered; interrupts off
 * @c: this CPU
 *
 * Those of SYSCALL wait for EFER.SCE: without it the instruction is undefined.
 */
void vmx_load_user_msrs(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	int i = vmx->vcpu.efer & EFER_SCE ? 0 : VMX_TSC_AUX;

	for (; i < VMX_NR_USER_MSRS; i++) {
		if (c->msr[i] == vmx->user_msr[i] || (i == VMX_TSC_AUX && !vmx_caps.rdtscp))
			continue;
		if (!c->user_return_armed) {
			c->user_return_armed = true;
			c->user_return.on_user_return = on_user_return;
			user_return_notifier_register(&c->user_return);
		}
		wrmsrq(vmx_user_msr_index[i], vmx->user_msr[i]);
		c->msr[i] = vmx->user_msr[i];
	}
}
