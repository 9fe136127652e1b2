/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD-V: what the files of svm/ share. The VMCB's layout is the kernel's (APM appendix B). */
#ifndef LODGE_SVM_H
#define LODGE_SVM_H

#include "backend.h"

/* It needs more than it includes. */
#include <asm/svm.h>

/* VMCB clean bits (APM 15.15.3) */
enum svm_clean {
	SVM_C_INTERCEPTS = BIT(0),	/* and TSC offset */
	SVM_C_INT_CTL = BIT(3),
	SVM_C_NESTED = BIT(4),		/* nested paging, PAT */
	SVM_C_CR = BIT(5),		/* and EFER */
	SVM_C_DR = BIT(6),
	SVM_C_DT = BIT(7),
	SVM_C_SEG = BIT(8),		/* CS, DS, SS, ES, CPL */
	SVM_C_CR2 = BIT(9),
	SVM_C_ALL = 0x3ff,
};

#define SVM_TSC_FRACTION	32	/* bits of TSC_RATIO (APM 15.30.5) */
#define SVM_TSC_ONE		BIT_ULL(SVM_TSC_FRACTION)

#define SVM_EXIT_INVALID	0xffffffffu
#define SVM_EXIT_BUSY		0xfffffffeu

/* Kept out of the CPU's CR0: the host decides how memory is cached. */
#define SVM_CR0_HIDDEN		(X86_CR0_CD | X86_CR0_NW)

/**
 * struct svm_cpu - one host CPU
 * @hsave: where VMRUN keeps the host's state
 * @host: what VMSAVE stores of the host and entry.S loads back
 * @asid_generation: of the ASIDs handed out; a vCPU whose generation differs
 *	needs a new one
 * @tsc_aux, @tsc_ratio: values the MSRs hold now
 */
struct svm_cpu {
	void *hsave;
	struct vmcb *host;
	u64 asid_generation;
	u32 next_asid;
	u64 host_tsc_aux;
	u64 tsc_aux;
	u64 tsc_ratio;
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/**
 * struct svm_vcpu - a vCPU
 * @last_cpu: where it was loaded last
 * @cr0_hidden: guest CR0 bits that the CPU's copy does not have
 * @host_ldt: the host's LDT selector at the last entry
 * @nmi_masked: an NMI was delivered and its IRET is not done
 * @at_iret: that IRET is next, at @iret_rip
 * @stepping: RFLAGS.TF is ours, for the instruction at @step_rip
 * @step_iret: that instruction is IRET
 * @step_tf: what the guest had in its place
 * @soft: RIP was moved over the INT instruction of an injected event, from
 *	@soft_rip to @soft_next
 */
struct svm_vcpu {
	struct lodge_vcpu vcpu;
	struct vmcb *vmcb;
	u64 asid_generation;
	int last_cpu;
	u64 cr0_hidden;
	u16 host_ldt;
	bool nmi_masked;
	bool at_iret;
	u64 iret_rip;
	bool stepping;
	bool step_iret;
	u64 step_rip;
	u64 step_tf;
	bool soft;
	u64 soft_rip;
	u64 soft_next;
};

static_assert(!offsetof(struct svm_vcpu, vcpu));

static inline struct svm_vcpu *to_svm(struct lodge_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

static inline struct vmcb_control_area *svm_control(struct lodge_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->control;
}

static inline struct vmcb_save_area *svm_save(struct lodge_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->save;
}

/* Its low half: kernels differ in the width of the field. */
static inline u32 svm_exit_code(struct lodge_vcpu *vcpu)
{
	return svm_control(vcpu)->exit_code;
}

/* The CPU may have cached these groups of the VMCB: it has to read them anew. */
static inline void svm_dirty(struct lodge_vcpu *vcpu, u32 groups)
{
	svm_control(vcpu)->clean &= ~groups;
}

/* @bit: INTERCEPT_* */
static inline void svm_intercept(struct lodge_vcpu *vcpu, int bit, bool on)
{
	u32 *word = &svm_control(vcpu)->intercepts[bit / 32];

	*word = (*word & ~BIT(bit % 32)) | on << bit % 32;
	svm_dirty(vcpu, SVM_C_INTERCEPTS);
}

/* Every operation is a function svm_NAME(). */
#define LODGE_OP(ret, op, args) ret svm_##op args;
LODGE_OPS
#undef LODGE_OP

/* probe.c */
extern u32 svm_asids;			/* that of the host included */
extern void *svm_iopm;
extern u8 *svm_msrpm;

/* enable.c; interrupts off or a CPU that stays */
void svm_load_tsc_ratio(struct svm_cpu *c, u64 ratio);

/* entry.S */
void svm_enter(u64 *regs, u64 host_pa, u64 guest_spec_ctrl, u64 host_spec_ctrl, u64 vmcb_pa);

/* exit.c */
lodge_handler svm_exit_handler(u32 code);
enum lodge_next svm_handle_exit(struct lodge_vcpu *vcpu);
enum lodge_next svm_on_unexpected(struct lodge_vcpu *vcpu);
/* EXITINFO1 of an I/O intercept (APM 15.10.2) */
static inline struct lodge_pio svm_decode_io(u64 info)
{
	return (struct lodge_pio) {
		.port = info >> 16, .bytes = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT,
		.in = info & SVM_IOIO_TYPE_MASK, .string = info & SVM_IOIO_STR_MASK,
	};
}

u32 svm_npf_access(u64 info);

/* state.c */
u16 svm_attrib(const struct lodge_segment *seg);
void svm_unpack_segment(const struct vmcb_seg *in, struct lodge_segment *out);

/* msr.c */
int svm_msr_bit(u32 index);
void svm_msrpm_build(u8 *map, const u32 *passthrough);

/* event.c */
u32 svm_encode_event(const struct lodge_event *event);
bool svm_event_is_soft(const struct lodge_event *event);
void svm_close_windows(struct lodge_vcpu *vcpu);
void svm_complete_events(struct lodge_vcpu *vcpu);
bool svm_step_done(struct lodge_vcpu *vcpu, u64 *dr6);
void svm_iret_reached(struct lodge_vcpu *vcpu);

#endif /* LODGE_SVM_H */
