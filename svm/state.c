// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest state that lives in the VMCB: segments, tables, control and debug
 * registers.
 *
 * The guest reads CR0, CR3 and CR4 and writes CR3 and CR0.TS and MP without an
 * exit. All other writes of CR0 and CR4 exit, so regs[LODGE_CR4] never grows
 * stale.
 */
#include "svm.h"

#define TYPE_BUSY	2

/* The VMCB leaves out the four bits of the limit (APM 15.5.1); unusable is not present. */
u16 svm_attrib(const struct lodge_segment *seg)
{
	u16 rights = seg->unusable ? 0 : lodge_pack_rights(seg);

	return (rights & 0xff) | (rights >> 4 & 0xf00);
}

/* Some CPUs do not store G; the limit tells. */
void svm_unpack_segment(const struct vmcb_seg *in, struct lodge_segment *out)
{
	*out = (struct lodge_segment) {
		.base = in->base, .limit = in->limit, .selector = in->selector,
	};
	lodge_unpack_rights((in->attrib & 0xff) | (in->attrib & 0xf00) << 4, out);
	out->g |= in->limit > 0xfffff;
	out->unusable = !out->present;
}

static struct vmcb_seg *segment(struct lodge_vcpu *vcpu, int seg)
{
	struct vmcb_save_area *save = svm_save(vcpu);
	struct vmcb_seg *system[] = { &save->ldtr, &save->tr, &save->gdtr, &save->idtr };

	/* ES to GS are in the order of enum lodge_seg. */
	return seg <= LODGE_GS ? &save->es + seg : system[seg - LODGE_LDTR];
}

void svm_fetch_reg(struct lodge_vcpu *vcpu, int reg)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	if (reg == LODGE_CR0)
		vcpu->regs[reg] = (save->cr0 & ~SVM_CR0_HIDDEN) | to_svm(vcpu)->cr0_hidden;
	else if (reg == LODGE_CR3)
		vcpu->regs[reg] = save->cr3;
}

u32 svm_fetch_insn(struct lodge_vcpu *vcpu)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	if (!(vcpu->regs_valid & BIT(LODGE_CR3)))
		vcpu->regs[LODGE_CR3] = save->cr3;
	vcpu->regs_valid |= BIT(LODGE_CR3);
	vcpu->exit.shadowed = svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK;
	return save->cpl | (save->cs.attrib & SVM_SELECTOR_L_MASK ? LODGE_INSN_CODE64 : 0);
}

void svm_get_segment(struct lodge_vcpu *vcpu, int seg, struct lodge_segment *out)
{
	svm_unpack_segment(segment(vcpu, seg), out);
	if (seg == LODGE_SS)
		out->dpl = svm_save(vcpu)->cpl;
	if (seg == LODGE_TR)
		out->type |= TYPE_BUSY;
	if (seg >= LODGE_GDTR)
		out->unusable = false;
}

void svm_set_segment(struct lodge_vcpu *vcpu, int seg, const struct lodge_segment *in)
{
	*segment(vcpu, seg) = (struct vmcb_seg) {
		.selector = in->selector,
		.attrib = svm_attrib(in),
		.limit = in->limit,
		.base = in->base,
	};
	if (seg == LODGE_SS)
		svm_save(vcpu)->cpl = in->dpl & 3;
	svm_dirty(vcpu, seg >= LODGE_GDTR ? SVM_C_DT : SVM_C_SEG);
}

static void update_reg(struct lodge_vcpu *vcpu, int reg, u64 value)
{
	vcpu->regs[reg] = value;
	vcpu->regs_valid |= BIT(reg);
	svm_dirty(vcpu, SVM_C_CR);
}

/*
 * While the guest has set a bit that the CPU's copy lacks, reads exit; so do all
 * writes: the selective intercept compares with that copy (APM 15.9).
 */
void svm_set_cr0(struct lodge_vcpu *vcpu, u64 value)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->cr0_hidden = value & SVM_CR0_HIDDEN;
	svm_save(vcpu)->cr0 = value & ~SVM_CR0_HIDDEN;
	svm_intercept(vcpu, INTERCEPT_CR0_READ, svm->cr0_hidden);
	svm_intercept(vcpu, INTERCEPT_CR0_WRITE, svm->cr0_hidden);
	update_reg(vcpu, LODGE_CR0, value);
}

void svm_set_cr3(struct lodge_vcpu *vcpu, u64 value)
{
	svm_save(vcpu)->cr3 = value;
	update_reg(vcpu, LODGE_CR3, value);
}

/* With CR4.MCE clear a machine check of the host would shut down the CPU. */
void svm_set_cr4(struct lodge_vcpu *vcpu, u64 value)
{
	svm_save(vcpu)->cr4 = value | (native_read_cr4() & X86_CR4_MCE);
	update_reg(vcpu, LODGE_CR4, value);
}

/* VMRUN wants EFER.SVME set (APM 15.5.1); the guest does not see it. */
void svm_set_efer(struct lodge_vcpu *vcpu, u64 value)
{
	vcpu->efer = value;
	svm_save(vcpu)->efer = value | EFER_SVME;
	svm_dirty(vcpu, SVM_C_CR);
}

void svm_set_tsc_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	svm_control(vcpu)->tsc_offset = offset;
	svm_dirty(vcpu, SVM_C_INTERCEPTS);
}

void svm_sync_dr7(struct lodge_vcpu *vcpu)
{
	svm_save(vcpu)->dr7 = vcpu->dr7;
	svm_dirty(vcpu, SVM_C_DR);
}

int svm_cpl(struct lodge_vcpu *vcpu)
{
	return svm_save(vcpu)->cpl;
}

bool svm_code64(struct lodge_vcpu *vcpu)
{
	return svm_save(vcpu)->cs.attrib & SVM_SELECTOR_L_MASK;
}
