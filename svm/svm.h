/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD-V: the VMCB and what the files of svm/ share.
 *
 * The VMCB is spelled out here (APM appendix B) and not taken from the kernel,
 * whose names for it change between releases; exit codes come from its UAPI.
 */
#ifndef LODGE_SVM_H
#define LODGE_SVM_H

#include <linux/build_bug.h>
#include <linux/percpu.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <uapi/asm/svm.h>

#include "../module/lodge.h"
#include "entry.h"

struct svm_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
};

/* APM table B-1 */
struct svm_control {
	u32 intercepts[6];
	u8 reserved_018[0x24];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_base;
	u64 msrpm_base;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 int_ctl;
	u32 int_vector;
	u64 int_state;
	u32 exit_code;
	u32 exit_code_hi;
	u64 exit_info_1;
	u64 exit_info_2;
	u32 exit_int_info;
	u32 exit_int_info_err;
	u64 nested_ctl;
	u8 reserved_098[0x10];
	u32 event_inj;
	u32 event_inj_err;
	u64 nested_cr3;
	u64 virt_ext;
	u32 clean;
	u32 reserved_0c4;
	u64 next_rip;
	u8 insn_len;
	u8 insn_bytes[15];
	u8 reserved_0e0[0x320];
};

/* APM table B-2 */
struct svm_save {
	struct svm_seg es;
	struct svm_seg cs;
	struct svm_seg ss;
	struct svm_seg ds;
	struct svm_seg fs;
	struct svm_seg gs;
	struct svm_seg gdtr;
	struct svm_seg ldtr;
	struct svm_seg idtr;
	struct svm_seg tr;
	u8 reserved_0a0[0x2b];
	u8 cpl;
	u8 reserved_0cc[4];
	u64 efer;
	u8 reserved_0d8[0x70];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_180[0x58];
	u64 rsp;
	u8 reserved_1e0[0x18];
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_248[0x20];
	u64 g_pat;
	u64 debugctl;
	u8 reserved_278[0x68];
	u64 spec_ctrl;
	u8 reserved_2e8[0x918];
};

struct svm_vmcb {
	struct svm_control control;
	struct svm_save save;
};

static_assert(offsetof(struct svm_control, pause_threshold) == 0x3c);
static_assert(offsetof(struct svm_control, asid) == 0x58);
static_assert(offsetof(struct svm_control, exit_code) == 0x70);
static_assert(offsetof(struct svm_control, nested_ctl) == 0x90);
static_assert(offsetof(struct svm_control, event_inj) == 0xa8);
static_assert(offsetof(struct svm_control, next_rip) == 0xc8);
static_assert(sizeof(struct svm_control) == 0x400);
static_assert(offsetof(struct svm_save, cpl) == 0xcb);
static_assert(offsetof(struct svm_save, efer) == 0xd0);
static_assert(offsetof(struct svm_save, cr4) == 0x148);
static_assert(offsetof(struct svm_save, rip) == 0x178);
static_assert(offsetof(struct svm_save, rsp) == 0x1d8);
static_assert(offsetof(struct svm_save, rax) == 0x1f8);
static_assert(offsetof(struct svm_save, cr2) == 0x240);
static_assert(offsetof(struct svm_save, g_pat) == 0x268);
static_assert(offsetof(struct svm_save, spec_ctrl) == 0x2e0);
static_assert(sizeof(struct svm_vmcb) == 0x1000);

/* Intercepts, as bit numbers counted from the first word (APM table B-1). */
enum svm_intercept {
	SVM_I_CR0_READ = 0,
	SVM_I_CR8_READ = 8,
	SVM_I_CR4_WRITE = 20,
	SVM_I_CR8_WRITE = 24,
	SVM_I_DR0_READ = 32,
	SVM_I_DR0_WRITE = 48,
	SVM_I_EXCEPTION = 64,
	SVM_I_INTR = 96,
	SVM_I_NMI,
	SVM_I_SMI,
	SVM_I_INIT,
	SVM_I_VINTR,
	SVM_I_CR0_SEL_WRITE,
	SVM_I_RDPMC = 111,
	SVM_I_CPUID = 114,
	SVM_I_RSM,
	SVM_I_IRET,
	SVM_I_INVD = 118,
	SVM_I_HLT = 120,
	SVM_I_INVLPGA = 122,
	SVM_I_IOIO,
	SVM_I_MSR,
	SVM_I_TASK_SWITCH,
	SVM_I_SHUTDOWN = 127,
	SVM_I_VMRUN,
	SVM_I_VMMCALL,
	SVM_I_VMLOAD,
	SVM_I_VMSAVE,
	SVM_I_STGI,
	SVM_I_CLGI,
	SVM_I_SKINIT,
	SVM_I_RDTSCP,
	SVM_I_WBINVD = 137,
	SVM_I_MONITOR,
	SVM_I_MWAIT,
	SVM_I_MWAIT_ARMED,
	SVM_I_XSETBV,
	SVM_I_RDPRU,
	SVM_I_INVPCID = 162,
};

/* VMCB clean bits (APM 15.15.3) */
enum svm_clean {
	SVM_C_INTERCEPTS = BIT(0),	/* and TSC offset */
	SVM_C_PERMISSIONS = BIT(1),
	SVM_C_ASID = BIT(2),
	SVM_C_INT_CTL = BIT(3),
	SVM_C_NESTED = BIT(4),		/* nested paging, PAT */
	SVM_C_CR = BIT(5),		/* and EFER */
	SVM_C_DR = BIT(6),
	SVM_C_DT = BIT(7),
	SVM_C_SEG = BIT(8),		/* CS, DS, SS, ES, CPL */
	SVM_C_CR2 = BIT(9),
	SVM_C_ALL = 0x3ff,
};

#define SVM_TLB_FLUSH_ALL	1
#define SVM_TLB_FLUSH_ASID	3

#define SVM_INT_V_IRQ		BIT(8)
#define SVM_INT_V_PRIO		(0xf << 16)
#define SVM_INT_V_IGN_TPR	BIT(20)
#define SVM_INT_V_MASKING	BIT(24)
#define SVM_INT_WINDOW		(SVM_INT_V_IRQ | SVM_INT_V_PRIO | SVM_INT_V_IGN_TPR)

#define SVM_SHADOW		BIT(0)		/* int_state */
#define SVM_NESTED_PAGING	BIT(0)		/* nested_ctl */
#define SVM_EVENT_HAS_ERROR	BIT(11)
#define SVM_EVENT_VALID		BIT(31)

#define SVM_EXIT_INVALID	0xffffffffu
#define SVM_EXIT_BUSY		0xfffffffeu

/* Kept out of the CPU's CR0: the host decides how memory is cached. */
#define SVM_CR0_HIDDEN		(X86_CR0_CD | X86_CR0_NW)

/* What entry.S takes; offsets are in entry.h. */
struct svm_entry {
	u64 vmcb_pa;
	u64 host_pa;
	u64 *regs;
	u64 guest_spec_ctrl;
	u64 host_spec_ctrl;
	u64 switch_spec_ctrl;
};

static_assert(offsetof(struct svm_entry, vmcb_pa) == SVM_ENTRY_VMCB);
static_assert(offsetof(struct svm_entry, host_pa) == SVM_ENTRY_HOST);
static_assert(offsetof(struct svm_entry, regs) == SVM_ENTRY_REGS);
static_assert(offsetof(struct svm_entry, guest_spec_ctrl) == SVM_ENTRY_GUEST_SPEC);
static_assert(offsetof(struct svm_entry, host_spec_ctrl) == SVM_ENTRY_HOST_SPEC);
static_assert(offsetof(struct svm_entry, switch_spec_ctrl) == SVM_ENTRY_SWITCH_SPEC);

/**
 * struct svm_features - what this CPU offers beyond the minimum
 * @asids: number of ASIDs, that of the host included
 */
struct svm_features {
	u32 asids;
	bool nrips;
	bool flush_by_asid;
	bool decode_assists;
	bool v_spec_ctrl;
	bool spec_ctrl;
	bool ibpb;
	bool tsc_aux;
};

extern struct svm_features svm_features;

/**
 * struct svm_cpu - one host CPU
 * @hsave: where VMRUN keeps the host's state
 * @host: what VMSAVE stores of the host and entry.S loads back
 * @asid_generation: of the ASIDs handed out; a vCPU whose generation differs
 *	needs a new one
 * @last_vcpu: serial of the vCPU that was loaded here last
 * @tsc_aux: value the MSR holds now
 */
struct svm_cpu {
	void *hsave;
	struct svm_vmcb *host;
	u64 asid_generation;
	u32 next_asid;
	u64 last_vcpu;
	u64 host_tsc_aux;
	u64 tsc_aux;
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/**
 * struct svm_vcpu - a vCPU
 * @serial: never reused, unlike the address
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
	struct svm_vmcb *vmcb;
	struct svm_entry entry;
	u64 serial;
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
	unsigned long host_dr[4];
};

static inline struct svm_vcpu *to_svm(struct lodge_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

static inline struct svm_control *svm_control(struct lodge_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->control;
}

static inline struct svm_save *svm_save(struct lodge_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->save;
}

/* The CPU may have cached these groups of the VMCB: it has to read them anew. */
static inline void svm_dirty(struct lodge_vcpu *vcpu, u32 groups)
{
	svm_control(vcpu)->clean &= ~groups;
}

static inline void svm_intercept(struct lodge_vcpu *vcpu, enum svm_intercept bit,
				 bool on)
{
	u32 *word = &svm_control(vcpu)->intercepts[bit / 32];

	if (on)
		*word |= BIT(bit % 32);
	else
		*word &= ~BIT(bit % 32);
	svm_dirty(vcpu, SVM_C_INTERCEPTS);
}

/* probe.c */

int svm_probe(void);
int svm_setup(void);
void svm_teardown(void);
extern void *svm_iopm;
extern u8 *svm_msrpm;

/* enable.c */

int svm_cpu_enable(void);
void svm_cpu_disable(void);
void svm_emergency(void);

/* vcpu.c */

void svm_flush_tlb(struct lodge_vcpu *vcpu);

/* entry.S: interrupts off before and after */

void svm_enter(struct svm_entry *entry);

/* run.c */

enum lodge_next svm_run(struct lodge_vcpu *vcpu);

/* exit.c */

typedef enum lodge_next (*svm_handler)(struct lodge_vcpu *vcpu);

/* The IOIO intercept's EXITINFO1 (APM 15.10.2) */
struct svm_ioio {
	u16 port;
	u8 bytes;
	bool in;
	bool string;
};

svm_handler svm_exit_handler(u32 code);
enum lodge_next svm_on_unexpected(struct lodge_vcpu *vcpu);
void svm_decode_ioio(u64 info, struct svm_ioio *io);
u32 svm_npf_access(u64 info);
unsigned int svm_insn_len(struct lodge_vcpu *vcpu);

/* state.c */

u16 svm_attrib(const struct lodge_segment *seg);
void svm_unpack_segment(const struct svm_seg *in, struct lodge_segment *out);
void svm_fetch_reg(struct lodge_vcpu *vcpu, int reg);
void svm_get_segment(struct lodge_vcpu *vcpu, int seg, struct lodge_segment *out);
void svm_set_segment(struct lodge_vcpu *vcpu, int seg,
		     const struct lodge_segment *in);
void svm_get_dtable(struct lodge_vcpu *vcpu, bool idt, struct lodge_dtable *out);
void svm_set_dtable(struct lodge_vcpu *vcpu, bool idt,
		    const struct lodge_dtable *in);
void svm_set_cr0(struct lodge_vcpu *vcpu, u64 value);
void svm_set_cr3(struct lodge_vcpu *vcpu, u64 value);
void svm_set_cr4(struct lodge_vcpu *vcpu, u64 value);
void svm_set_efer(struct lodge_vcpu *vcpu, u64 value);
void svm_set_tsc_offset(struct lodge_vcpu *vcpu, u64 offset);
void svm_sync_dr7(struct lodge_vcpu *vcpu);
int svm_cpl(struct lodge_vcpu *vcpu);

/* msr.c */

int svm_msrpm_bit(u32 index);
void svm_msrpm_build(u8 *map, const u32 *passthrough);
int svm_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value);
int svm_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value);

/* event.c */

u32 svm_encode_event(const struct lodge_event *event);
void svm_decode_event(u32 info, u32 error, struct lodge_event *event);
bool svm_event_is_soft(const struct lodge_event *event);
u32 svm_get_shadow(struct lodge_vcpu *vcpu);
void svm_set_shadow(struct lodge_vcpu *vcpu, u32 shadow);
bool svm_nmi_masked(struct lodge_vcpu *vcpu);
void svm_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked);
bool svm_interrupt_allowed(struct lodge_vcpu *vcpu);
bool svm_nmi_allowed(struct lodge_vcpu *vcpu);
void svm_open_interrupt_window(struct lodge_vcpu *vcpu);
void svm_close_interrupt_window(struct lodge_vcpu *vcpu);
void svm_open_nmi_window(struct lodge_vcpu *vcpu);
void svm_inject(struct lodge_vcpu *vcpu, const struct lodge_event *event);
void svm_complete_events(struct lodge_vcpu *vcpu);
bool svm_step_done(struct lodge_vcpu *vcpu, u64 *dr6);
void svm_iret_reached(struct lodge_vcpu *vcpu);

/* dump.c */

void svm_dump(struct lodge_vcpu *vcpu);

#endif /* LODGE_SVM_H */
