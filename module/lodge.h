/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of Lodge and what the rooms of the house may ask of each other.
 *
 * A vCPU lives in three rings. Ring 1 (interrupts off, guest FPU loaded):
 * enter, exit, fast path. Ring 2 (interrupts on): work that may sleep. Ring 3:
 * userspace. Functions say which ring they may be called from.
 */
#ifndef LODGE_H
#define LODGE_H

/* What most files use comes from here. */
#include <linux/context_tracking.h>
#include <linux/math64.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/ratelimit.h>
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>
#include <asm/processor.h>
#include <asm/pvclock.h>
#include <asm/special_insns.h>
#include <asm/tsc.h>
#include <uapi/asm/kvm_para.h>

#include "../uapi/lodge.h"
#include "../ept/ept.h"
#include "compat.h"
#include "irqchip.h"
#include "stats.h"
#include "translate.h"

/* What a handler wants next. */
enum lodge_next {
	LODGE_REENTER,		/* back into the guest */
	LODGE_IRQ,		/* a host interrupt may wait: open interrupts, go on */
	LODGE_HANDLE,		/* ring 2 has to look at vcpu->exit */
	LODGE_USER,		/* vcpu->run says why */
};

/* Registers a vendor may fetch on demand; the first 16 are enum lodge_gpr. */
enum lodge_reg {
	LODGE_RIP = 16,
	LODGE_RFLAGS,
	LODGE_CR0,
	LODGE_CR3,
	LODGE_CR4,
	LODGE_NR_REGS
};

/* Work for ring 2; what vcpu->exit describes. */
enum lodge_exit_kind {
	LODGE_K_NONE,		/* only pending work: signals, requests, HLT */
	LODGE_K_SPIN,		/* waits for another vCPU, by the look of it */
	LODGE_K_FAULT,		/* second-level fault: .fault */
	LODGE_K_EMULATE,	/* emulate the instruction at RIP */
	LODGE_K_STRING_IO,	/* same: INS or OUTS, whose permission was checked */
	LODGE_K_FETCH,		/* code page not present: touch it and retry */
	LODGE_K_TASK,		/* hardware task switch: .task */
};

/* What asked for a task switch, as SDM table 28-2 numbers it. */
enum lodge_task_source { LODGE_TASK_CALL, LODGE_TASK_IRET, LODGE_TASK_JMP, LODGE_TASK_GATE };

/*
 * @len, @shadowed: by the vendor, of an instruction that exited: its length, 0 when
 * it cannot be known in ring 1; was it executed in an interrupt shadow?
 * @code: what lodge_peek_code() found
 */
struct lodge_exit {
	enum lodge_exit_kind kind;
	u8 len;
	bool shadowed;
	u64 value;		/* on its way to or from a device, in ring 1 */
	u64 code[2];
	struct {
		u64 gpa;
		u32 access;	/* LODGE_ACCESS_* */
	} fault;
	struct {
		u16 selector;
		u8 source;	/* enum lodge_task_source */
		bool has_error;
		u32 error;
	} task;
};

/* Event types as both manuals number them (SDM 25.8.3, APM 15.20). */
enum lodge_event_type {
	LODGE_EV_INTERRUPT = 0,
	LODGE_EV_NMI = 2,
	LODGE_EV_EXCEPTION = 3,
	LODGE_EV_SOFT_INTERRUPT = 4,		/* by an instruction, as what follows */
	LODGE_EV_PRIV_SOFT_EXCEPTION = 5,	/* INT1 */
	LODGE_EV_SOFT_EXCEPTION = 6,		/* INT3, INTO */
};

struct lodge_event {
	bool valid;
	u8 type;		/* enum lodge_event_type */
	u8 vector;
	bool has_error;
	u8 insn_len;		/* soft events: bytes RIP moves by on delivery */
	u32 error;
};

/* Bits of vcpu->requests. Those below LODGE_REQ_RING2 are served in ring 1. */
enum lodge_request {
	LODGE_REQ_EVENT,	/* look for something to inject */
	LODGE_REQ_TLB,		/* flush this vCPU's second-level translations */
	LODGE_REQ_RING2,
	LODGE_REQ_STOP = LODGE_REQ_RING2, /* VM is dead */
	LODGE_REQ_POST,		/* signal eventfds of posted writes */
	LODGE_REQ_MP,		/* INIT or SIPI arrived */
	LODGE_REQ_TRIPLE,	/* triple fault: shut down */
	LODGE_REQ_PV,		/* write the paravirtual clock's pages */
	LODGE_REQ_RING,		/* serve the virtio ring that was rung */
};

#define LODGE_RING1_REQUESTS	(BIT(LODGE_REQ_RING2) - 1)

/* Where a vCPU is, for kicks and for the MMU (vcpu->mode). */
enum lodge_mode {
	LODGE_OUTSIDE,
	LODGE_IN_GUEST,		/* in ring 1: it looks for requests before each entry */
	LODGE_EXITING,		/* in ring 1, and an interrupt waits for it */
};

/* Interrupt shadow bits: same encoding as VMX interruptibility (SDM 25.4.2). */
#define LODGE_SHADOW_STI	BIT(0)
#define LODGE_SHADOW_MOVSS	BIT(1)
#define LODGE_SHADOW_NMI	BIT(3)	/* of an NMI, until IRET: masks others */
#define LODGE_SHADOWS		(LODGE_SHADOW_STI | LODGE_SHADOW_MOVSS)

#define LODGE_RFLAGS_DEFINED	0x3f7fd5ull	/* without bit 1, which is always set */

/* Debug register bits the kernel has no name for (SDM 17.2). */
#define LODGE_DR6_BD		BIT(13)
#define LODGE_DR6_BT		BIT(15)
#define LODGE_DR7_GD		BIT(13)

struct msr_row;

/* Guest MSRs that are plain storage or need the core's attention. */
struct lodge_msr_state {
	const struct msr_row *recent;	/* that was asked for last */
	u64 pat;
	u64 misc_enable;
	u64 tsc_aux;
	u64 tsc_adjust;
	u64 spec_ctrl;
	u64 mtrr_def;
	u64 mtrr_fixed[11];
	u64 mtrr_var[16];
	u64 mcg_status;
	u64 mc_banks[4 * 4];
	u64 bios_sign;
};

/* Sorted by leaf and subleaf; replaced as a whole with the vCPU stopped. */
struct lodge_cpuid_table {
	u32 count;
	bool repeat_last;	/* leaves out of range read as the last basic one */
	u16 hint[16];		/* indexes of entries that were asked for */
	struct lodge_cpuid_entry entries[];
};

/* One completed access of an emulation that is being replayed. */
struct lodge_replay_access {
	u64 addr;
	u8 bytes;
	u8 space;
	bool write;
	u64 value;
};

#define LODGE_REPLAY_MAX	16

/* Where a load's value goes. */
struct lodge_load {
	u8 bytes;		/* that are read; 0: there is no load */
	u8 to;			/* bytes of the register; 1 and 2 leave its others alone */
	u8 reg;
	bool sign;
};

/**
 * struct lodge_replay - accesses already done by an unfinished instruction
 *
 * An instruction that needs userspace in its middle is emulated again from its
 * start; accesses found here are answered from here, in order, instead of
 * being done twice. Empty between instructions.
 */
struct lodge_replay {
	u8 count;
	u8 next;
	bool waiting;		/* the last entry waits for userspace */
	struct lodge_replay_access access[LODGE_REPLAY_MAX];
};

/* Who wrote a TSC last, and what offset that made: see module/msr.c. */
struct lodge_tsc_sync {
	raw_spinlock_t lock;	/* both */
	u64 offset;
	const struct lodge_vcpu *writer;
};

struct lodge_vm {
	struct kref ref;
	struct mm_struct *mm;		/* grabbed; users are checked at entry */
	struct lodge_owner *owner;	/* who made it */
	struct mutex lock;		/* slots, regions, vCPU creation */
	char name[32];
	bool dead;
	struct lodge_vcpu *vcpus[LODGE_MAX_VCPUS];	/* set once, release */
	struct lodge_mmu mmu;
	struct lodge_chips chips;
	struct lodge_regions *regions;
	struct lodge_irqfds irqfds;
	u32 tsc_khz;			/* the guest's */
	u64 tsc_ratio;			/* to the host's, lodge_tsc_fraction bits; 0: 1 */
	u64 tsc_base;			/* lodge_scale_tsc() when the VM was made */
	u64 created_ns;
	struct lodge_tsc_sync tsc_sync;
	u32 last_yield;			/* vCPU that a spinning one gave way to */
};

/* Words of X86_FEATURE_*, and one for the paravirtual features' leaf. */
#define LODGE_PV_WORD		NCAPINTS
#define LODGE_PV(feature)	(LODGE_PV_WORD * 32 + KVM_FEATURE_##feature)

/**
 * struct lodge_pv - what a vCPU agreed with its guest: owned by pvclock.c
 * @clock, @wall, @steal, @eoi: the MSRs
 * @time: the clock's page as it was written last
 * @clock_cpu: the CPU that @time was made on, -1
 * @floor: ns that the guest may have read, when the TSC is not stable
 * @last_tsc: the guest's TSC when it lost its CPU
 * @delay: run_delay of @delay_of that is in the guest's steal time already
 * @wall_due: the guest waits for the wall clock
 * @eoi_offered: the interrupt in service may end by clearing the guest's bit
 * @kicked: leave HLT, or do not enter it; any context
 */
struct lodge_pv {
	u64 clock;
	u64 wall;
	u64 steal;
	u64 eoi;
	struct pvclock_vcpu_time_info time;
	int clock_cpu;
	u64 floor;
	u64 last_tsc;
	u64 delay;
	const struct task_struct *delay_of;
	bool wall_due;
	bool eoi_offered;
	bool kicked;
};

/* Guest FPU: owned by module/fpu.c. */
struct lodge_fpu {
	struct xregs_state *area;	/* XSAVE area, 64-byte aligned, standard format */
	u64 xcr0;			/* guest XCR0 */
	bool loaded;			/* between enter and leave */
	u32 pkru;
	u32 host_pkru;
};

/* A MOV to or from device memory, or another instruction: then there is no load. */
struct lodge_move {
	u64 code[2];
	struct lodge_insn insn;
	struct lodge_load load;		/* a load's; of a store @bytes count, and @reg */
};

/* What an IN, OUT, INS or OUTS that exited does. */
struct lodge_pio {
	u16 port;
	u8 bytes;
	bool in;
	bool string;
};

struct lodge_vcpu {
	/* hot: everything an exit touches */
	u64 regs[LODGE_NR_REGS];
	unsigned long regs_valid;	/* bit per enum lodge_reg; GPRs but RSP always are */
	unsigned long regs_dirty;
	unsigned long requests;
	enum lodge_mode mode;
	int cpu;			/* where it is loaded, -1 if not */
	struct lodge_vm *vm;
	struct lodge_run *run;
	u64 efer;
	struct lodge_event exception;	/* pending: to be injected next */
	struct lodge_event inflight;	/* was being delivered at the exit */
	atomic_t nmi_pending;		/* 0 to 2 */
	struct lodge_exit exit;
	struct lodge_lapic *lapic;
	struct lodge_cpuid_table *cpuid;
	struct lodge_stats stats;
	struct lodge_watch watch;

	/* warm */
	struct lodge_msr_state msr;
	struct lodge_pv pv;
	struct lodge_fpu fpu;
	u64 cr2;
	u64 tsc_offset;
	u64 dr[4];
	u64 dr6;
	u64 dr7;
	unsigned long host_dr[4];	/* while DR0 to DR3 are the guest's */
	u64 serial;			/* lodge_isolate() */
	unsigned long quiescent;	/* jiffies when RCU was told last */
	u8 maxphyaddr;
	struct lodge_fault_cache fault_cache;
	struct lodge_replay replay;
	struct lodge_load load;		/* that userspace serves */
	struct lodge_move moves[8];	/* by the low bits of RIP */
	struct lodge_queue *rung;	/* its device is held; LODGE_REQ_RING */

	/* cold */
	u32 id;
	u32 mp_state;			/* LODGE_MP_* */
	u8 sipi_vector;
	struct mutex lock;		/* every vCPU ioctl */
	struct rcuwait wait;		/* HLT sleeps here */
	u32 poll_ns;			/* after having stayed awake this long */
	struct pid __rcu *runner;	/* thread that is, or was last, in LODGE_RUN */
	bool preempted;			/* it could run and has no CPU */
	struct preempt_notifier preempt;
	u64 cr4_guest_rsvd;		/* CR4 bits this guest's CPUID lacks */
	u64 xcr0_mask;			/* XCR0 bits this guest's CPUID offers */
	u32 features[NCAPINTS + 1];	/* offered and supported; X86_FEATURE_*, LODGE_PV() */
};

/* Registers */

void lodge_fetch_reg(struct lodge_vcpu *vcpu, enum lodge_reg reg);

/* Ring 1, or ring 2 with the vCPU loaded. @reg: enum lodge_gpr or lodge_reg */
static inline u64 lodge_reg_read(struct lodge_vcpu *vcpu, int reg)
{
	if (unlikely(!(vcpu->regs_valid & BIT(reg))))
		lodge_fetch_reg(vcpu, reg);
	return vcpu->regs[reg];
}

/* For GPRs, RIP and RFLAGS: control registers go by lodge_set_cr*(). */
static inline void lodge_reg_write(struct lodge_vcpu *vcpu, int reg, u64 value)
{
	vcpu->regs[reg] = value;
	vcpu->regs_valid |= BIT(reg);
	vcpu->regs_dirty |= BIT(reg);
}

static inline u64 lodge_edx_eax(struct lodge_vcpu *vcpu)
{
	return (u32)vcpu->regs[LODGE_RAX] | vcpu->regs[LODGE_RDX] << 32;
}

/* A load's register gets its value; a 32-bit one clears the upper half. */
static inline void lodge_finish_load(struct lodge_vcpu *vcpu, struct lodge_load load, u64 value)
{
	u64 mask = GENMASK_ULL(load.to * 8 - 1, 0);

	if (load.sign)
		value = sign_extend64(value, load.bytes * 8 - 1);
	else
		value &= GENMASK_ULL(load.bytes * 8 - 1, 0);
	value &= mask;
	if (load.to < 4)
		value |= lodge_reg_read(vcpu, load.reg) & ~mask;
	lodge_reg_write(vcpu, load.reg, value);
}

static inline bool lodge_long_mode(struct lodge_vcpu *vcpu)
{
	return vcpu->efer & BIT(10);	/* EFER.LMA */
}

static inline void lodge_count(struct lodge_vcpu *vcpu, enum lodge_stat_id id)
{
	vcpu->stats.count[id]++;
}

/* stats.c: what takes time, behind a branch that is not there while nobody asks */

DECLARE_STATIC_KEY_FALSE(lodge_watched);
DECLARE_STATIC_KEY_FALSE(lodge_timed);	/* not for traces alone */
int lodge_watch_get(void);		/* nests; sleeps. 0: for tracepoints */
void lodge_watch_put(void);
void lodge_watch_exit(struct lodge_vcpu *vcpu, u64 rip);
void lodge_watch_reason(struct lodge_vcpu *vcpu, enum lodge_reason reason, u64 info);
void lodge_watch_ring2(struct lodge_vcpu *vcpu);
void lodge_watch_phase(struct lodge_vcpu *vcpu, enum lodge_phase phase);
void lodge_watch_entry(struct lodge_vcpu *vcpu);
/* Preemption off, or the thread in LODGE_RUN: how long it waited for its CPU */
void lodge_count_ready(struct lodge_vcpu *vcpu);
void lodge_watch_inject(struct lodge_vcpu *vcpu, const struct lodge_event *event);
int lodge_anon_fd(const char *name, const struct file_operations *fops, void *private);
int lodge_stats_fd(struct lodge_vm *vm, struct lodge_vcpu *vcpu, u32 flags);

/* trace.c: the tracepoints and the rings, for stats.c */
void lodge_trace_state(struct lodge_vcpu *vcpu);
void lodge_trace_record(struct lodge_vcpu *vcpu, u64 ticks);
void lodge_trace_info(struct lodge_vcpu *vcpu);
int lodge_trace_fd(struct lodge_vcpu *vcpu, void *args);

/*
 * By the vendors, after each exit: nothing of the guest is pending any more.
 * @rip: evaluated when it is wanted
 */
#define lodge_exited(vcpu, rip) do {				\
	lodge_count(vcpu, LODGE_STAT_EXITS);			\
	if (static_branch_unlikely(&lodge_watched))		\
		lodge_watch_exit(vcpu, rip);			\
} while (0)

/* What the exit was about. @info: port, MSR, GPA ... as LODGE_TRACE documents */
static inline void lodge_reason(struct lodge_vcpu *vcpu, enum lodge_reason reason, u64 info)
{
	vcpu->stats.exits[reason]++;
	if (static_branch_unlikely(&lodge_watched))
		lodge_watch_reason(vcpu, reason, info);
}

static inline void lodge_phase(struct lodge_vcpu *vcpu, enum lodge_phase phase)
{
	if (static_branch_unlikely(&lodge_watched))
		lodge_watch_phase(vcpu, phase);
}

/* Fraction bits of the ratio by which the CPU scales the TSC; 0: it cannot. Set by probe */
extern u8 lodge_tsc_fraction;

/* What a guest reads, but for its offset, when the host's TSC is @host. */
static inline u64 lodge_scale_tsc(const struct lodge_vm *vm, u64 host)
{
	return likely(!vm->tsc_ratio) ? host :
	       mul_u64_u64_shr(host, vm->tsc_ratio, lodge_tsc_fraction);
}

static inline u64 lodge_guest_tsc(struct lodge_vcpu *vcpu)
{
	return lodge_scale_tsc(vcpu->vm, rdtsc()) + READ_ONCE(vcpu->tsc_offset);
}

/* run.c: the loop, requests and kicks */

int lodge_vcpu_run(struct lodge_vcpu *vcpu);
void lodge_run_init(struct lodge_vcpu *vcpu);
void lodge_set_runner(struct lodge_vcpu *vcpu, struct pid *pid);
void lodge_vcpu_load(struct lodge_vcpu *vcpu);
void lodge_vcpu_put(struct lodge_vcpu *vcpu);
void lodge_request(struct lodge_vcpu *vcpu, enum lodge_request req);
void lodge_kick(struct lodge_vcpu *vcpu);
void lodge_request_all_sync(struct lodge_vm *vm, enum lodge_request req);
void lodge_yield(struct lodge_vcpu *vcpu);
void lodge_virtio_serve(struct lodge_vcpu *vcpu, bool here);	/* virtio/queue.c */
bool lodge_runnable(struct lodge_vcpu *vcpu);
void lodge_vm_bug(struct lodge_vm *vm, const char *why);

/* exit.c: neutral exits. Vendors call lodge_on_*() in ring 1. */

enum lodge_next lodge_on_cpuid(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_rdmsr(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_wrmsr(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_hlt(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_pause(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_hypercall(struct lodge_vcpu *vcpu);
/* Arguments: the members of struct lodge_pio, in registers */
enum lodge_next lodge_on_pio(struct lodge_vcpu *vcpu, u16 port, u32 bytes, bool in, bool string);
/* @operand: @gpa is the instruction's, not of a page table on the way to it */
enum lodge_next lodge_on_fault(struct lodge_vcpu *vcpu, u64 gpa, u32 access, bool operand);
enum lodge_next lodge_on_cr_read(struct lodge_vcpu *vcpu, int cr, int gpr);
enum lodge_next lodge_on_cr_write(struct lodge_vcpu *vcpu, int cr, int gpr);
enum lodge_next lodge_on_clts(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_msw(struct lodge_vcpu *vcpu);		/* LMSW, SMSW */
enum lodge_next lodge_on_dr(struct lodge_vcpu *vcpu, int dr, int gpr, bool write);
enum lodge_next lodge_on_xsetbv(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_invd(struct lodge_vcpu *vcpu);	/* INVD, WBINVD */
/* The instruction does not exist in this guest: #UD */
enum lodge_next lodge_on_undefined(struct lodge_vcpu *vcpu);
enum lodge_next lodge_on_ud(struct lodge_vcpu *vcpu);
/* #AC, #DB, #MC ... that the vendor intercepts and gives back to the guest */
enum lodge_next lodge_on_exception(struct lodge_vcpu *vcpu, u8 vector, u32 error);
enum lodge_next lodge_on_triple_fault(struct lodge_vcpu *vcpu);
/* @has_error, @error: of the event that went through a task gate */
enum lodge_next lodge_on_task_switch(struct lodge_vcpu *vcpu, u16 selector,
				     enum lodge_task_source source, bool has_error, u32 error);
enum lodge_next lodge_on_unexpected(struct lodge_vcpu *vcpu, u64 reason, u64 info);
enum lodge_next lodge_on_fail_entry(struct lodge_vcpu *vcpu, u64 reason, u64 info);
/* Ring 2: what ring 1 left in vcpu->exit. */
enum lodge_next lodge_handle_exit(struct lodge_vcpu *vcpu);
enum lodge_next lodge_complete_user(struct lodge_vcpu *vcpu);
enum lodge_next lodge_user_access(struct lodge_vcpu *vcpu, u32 space, u64 addr, u32 bytes,
				  bool write, u64 value);
enum lodge_next lodge_user_internal(struct lodge_vcpu *vcpu, u32 code, u64 info0, u64 info1);
enum lodge_next lodge_user_memory(struct lodge_vcpu *vcpu, u32 reason);
/* Leave the instruction behind: RIP, interrupt shadow, single step. */
void lodge_advance(struct lodge_vcpu *vcpu, unsigned int len);
void lodge_advance_fetched(struct lodge_vcpu *vcpu, unsigned int len);
/* Ring 2: emulate the instruction at RIP; may end in LODGE_USER. */
enum lodge_next lodge_emulate_current(struct lodge_vcpu *vcpu);
void lodge_queue_fault(struct lodge_vcpu *vcpu, const struct lodge_exception *fault);
/* task.c, ring 2: the task switch that vcpu->exit describes */
enum lodge_next lodge_task_switch(struct lodge_vcpu *vcpu);
/*
 * Ring 2: load a segment register, LDTR or TR as MOV, LLDT and LTR do. 0; -EFAULT
 * with @fault; -EOPNOTSUPP: @selector is a gate's or a task's; or as above
 */
int lodge_load_segment(struct lodge_vcpu *vcpu, int seg, u16 selector,
		       struct lodge_exception *fault);
/* The exception a descriptor earns, 0 for none. @task: as part of a task switch */
u8 lodge_segment_fault(const struct lodge_segment *s, int seg, u8 cpl, bool task);
/*
 * Ring 2: take userspace's answer from run->data, if one is waited for
 * (replay.waiting); lodge_emulate_current() must follow before the guest runs.
 */
void lodge_replay_complete(struct lodge_vcpu *vcpu);
/* insn_vcpu.c alone, and its tests */
void lodge_replay_clear(struct lodge_replay *log);
bool lodge_replay_take(struct lodge_replay *log,
		       const struct lodge_replay_access *access, u64 *value);
void lodge_replay_add(struct lodge_replay *log,
		      const struct lodge_replay_access *access, u64 value);

/* event.c: what is injected, in the order SDM 6.9 and APM 8.5 give */

/* @error: of vectors that have one */
void lodge_queue_exception(struct lodge_vcpu *vcpu, u8 vector, u32 error);
/* @dr6: cause bits to be merged into DR6 (SDM 17.2.3) */
void lodge_queue_debug(struct lodge_vcpu *vcpu, u64 dr6);
void lodge_queue_nmi(struct lodge_vcpu *vcpu);	/* any context */
int lodge_merge_exceptions(u8 first, u8 second);
/* Ring 1, before entry, when LODGE_REQ_EVENT was set. */
void lodge_prepare_events(struct lodge_vcpu *vcpu);

static inline enum lodge_next lodge_gp(struct lodge_vcpu *vcpu)
{
	lodge_queue_exception(vcpu, 13, 0);
	return LODGE_REENTER;
}

/*
 * cr.c: control registers: 0; -EINVAL where the manuals say #GP; -EAGAIN: ring 2
 * has to do what vcpu->exit says first. vCPU loaded
 */

bool lodge_cr0_valid(u64 cr0);
int lodge_set_cr0(struct lodge_vcpu *vcpu, u64 value);
int lodge_set_cr3(struct lodge_vcpu *vcpu, u64 value);
int lodge_set_cr4(struct lodge_vcpu *vcpu, u64 value);
int lodge_read_pdptes(struct lodge_vcpu *vcpu, u64 cr3, u64 pdpte[4]);
int lodge_set_efer(struct lodge_vcpu *vcpu, u64 value);
u64 lodge_efer_offered(struct lodge_vcpu *vcpu);
int lodge_set_xcr0(struct lodge_vcpu *vcpu, u64 value);
int lodge_set_dr(struct lodge_vcpu *vcpu, int dr, u64 value);
u64 lodge_get_dr(struct lodge_vcpu *vcpu, int dr);

/* cpuid.c */

struct lodge_cpuid_table *lodge_cpuid_supported(void);
int lodge_cpuid_set(struct lodge_vcpu *vcpu, struct lodge_cpuid_table *table);
/* Ring 1. Live bits (OSXSAVE, APIC, sizes) are computed here. */
void lodge_cpuid_execute(struct lodge_vcpu *vcpu);
int lodge_cpuid_set_default(struct lodge_vcpu *vcpu);
bool lodge_stable_tsc(void);
u8 lodge_phys_bits(void);

/* Does the guest's CPUID offer X86_FEATURE_*, and do we support it? */
static inline bool lodge_guest_has(struct lodge_vcpu *vcpu, unsigned int x86_feature)
{
	return vcpu->features[x86_feature / 32] & BIT(x86_feature % 32);
}

/* msr.c: 0, or -EINVAL for #GP. @host: from an ioctl, may write read-only ones */

int lodge_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value, bool host);
int lodge_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host);
int lodge_msr_list(u32 *indexes, u32 room);
void lodge_msr_reset(struct lodge_vcpu *vcpu);
/* MSRs the guest may reach without an exit; ends with 0. */
extern const u32 lodge_msr_passthrough[];

/* pvclock.c: the paravirtual ABI; where no ring is named, ring 1 or 2 */

void lodge_pv_scale(u32 khz, u32 *mul, s8 *shift);
void lodge_pv_reset(struct lodge_vcpu *vcpu);
void lodge_pv_changed(struct lodge_vcpu *vcpu, u32 index);
void lodge_pv_tsc_moved(struct lodge_vcpu *vcpu, u64 delta);
u64 lodge_pv_hypercall(struct lodge_vcpu *vcpu, u64 mask);
void lodge_pv_update(struct lodge_vcpu *vcpu);		/* ring 2 */
void lodge_pv_load(struct lodge_vcpu *vcpu);		/* preemption off */
void lodge_pv_put(struct lodge_vcpu *vcpu);		/* preemption off */
void lodge_pv_eoi_offer(struct lodge_vcpu *vcpu, u8 vector);	/* ring 1 */
void lodge_pv_eoi_sync(struct lodge_vcpu *vcpu, bool atomic, bool end);

/* fpu.c: all of it between ring 2 and ring 1 */

int lodge_fpu_init(void);
int lodge_fpu_create(struct lodge_vcpu *vcpu);
void lodge_fpu_destroy(struct lodge_vcpu *vcpu);
void lodge_fpu_reset(struct lodge_vcpu *vcpu);
/* XCR0 bits a guest may have; set at load */
extern u64 lodge_xcr0;
u64 lodge_get_xcr0(struct lodge_vcpu *vcpu);
bool lodge_xcr0_valid(u64 xcr0);	/* combinations, whoever offers them */
/*
 * Both with interrupts off, and they stay off: the kernel's FPU section would
 * otherwise hold off soft interrupts, and ticks would not count as guest time.
 */
void lodge_fpu_enter(struct lodge_vcpu *vcpu);
void lodge_fpu_leave(struct lodge_vcpu *vcpu);
int lodge_fpu_get(struct lodge_vcpu *vcpu, void *args);
int lodge_fpu_set(struct lodge_vcpu *vcpu, void *args);
extern u32 lodge_zmmh_offset;		/* of that part of the XSAVE area */

/* mmio.c */

bool lodge_peek_code(struct lodge_vcpu *vcpu);
unsigned int lodge_short_length(u64 code);
bool lodge_decode_move(const u64 code[2], struct lodge_insn *insn);
void lodge_move_operands(struct lodge_vcpu *vcpu, const struct lodge_insn *insn, u64 *linear,
			 u64 *value);
enum lodge_next lodge_on_mmio(struct lodge_vcpu *vcpu, u64 gpa, bool write);

/* gva.c: guest virtual addresses */

/*
 * Walk the guest's tables. 0; -EFAULT: the guest gets #PF with ->error;
 * -EAGAIN: the guest changes them under us: enter it again; -EIO: a table is
 * outside guest memory; -ENODATA: the host has not what a slot promises at
 * vcpu->exit.fault, for lodge_user_memory(). @access: LODGE_ACCESS_* wanted, USER added at CPL 3;
 * 0 checks nothing and leaves accessed bits alone. Ring 2
 */
int lodge_gva_to_gpa(struct lodge_vcpu *vcpu, u64 gva, u32 access, struct lodge_walk *walk);
/**
 * struct lodge_fetch - instruction bytes, and why there are no more
 * @bytes: the first @count are code
 * @count: at most 15
 * @status: 0 when 15 bytes were read or the segment ends there, else -errno
 * @error: #PF error code when @status is -EFAULT
 * @gva: where it faulted
 */
struct lodge_fetch {
	u8 bytes[LODGE_INSN_MAX];
	u8 count;
	int status;
	u32 error;
	u64 gva;
};

void lodge_fetch_code(struct lodge_vcpu *vcpu, struct lodge_fetch *fetch, bool atomic);
/* Default operand size of the code at CS:RIP */
enum lodge_code lodge_code_size(struct lodge_vcpu *vcpu);
/*
 * Tables that the CPU itself accesses, whatever the privilege level. Ring 2: 0;
 * -EFAULT with @fault; -EAGAIN: enter the guest again; -EIO: not memory; -ENODATA: as above
 */
int lodge_system_memory(struct lodge_vcpu *vcpu, u64 linear, void *data, u32 bytes, bool write,
			struct lodge_exception *fault);
/* Length of the instruction at RIP, 0 if it cannot be known in ring 1. */
unsigned int lodge_insn_len_atomic(struct lodge_vcpu *vcpu);

/* ioregion.c */

int lodge_regions_create(struct lodge_vm *vm);
void lodge_regions_destroy(struct lodge_vm *vm);
int lodge_region_set(struct lodge_vm *vm, void *args);
int lodge_domain_set(struct lodge_vm *vm, void *args);
void *lodge_domain_area(struct lodge_vm *vm, u32 number);
int lodge_region_mmap(struct lodge_vm *vm, struct vm_area_struct *vma);
bool lodge_region_access(struct lodge_vcpu *vcpu, u32 space, u64 addr, u32 bytes, bool write,
			 u64 *value);
/* By a chip or a region: 1 to 8 bytes by the guest, rings 1 and 2; false: neither */
bool lodge_port_access(struct lodge_vcpu *vcpu, u16 port, u32 bytes, bool write, u64 *value);
bool lodge_mmio_access(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, bool write, u64 *value);
bool lodge_device_access(struct lodge_vcpu *vcpu, u32 space, u64 addr, u32 bytes, bool write,
			 u64 *value);
void lodge_regions_signal(struct lodge_vm *vm);

/* irqfd.c */

void lodge_irqfds_create(struct lodge_vm *vm);
void lodge_irqfds_destroy(struct lodge_vm *vm);
int lodge_irqfd_set(struct lodge_vm *vm, void *args);

/* dev.c, vm.c, vcpu.c, state.c */

extern struct miscdevice lodge_device;
int lodge_vm_create_fd(void *args);
struct lodge_owner *lodge_owner_get(void);
void lodge_owner_put(struct lodge_owner *o);
int lodge_owner_get_vcpu(struct lodge_owner *o);
void lodge_owner_put_vcpu(struct lodge_owner *o);
void lodge_vm_put(struct lodge_vm *vm);
int lodge_set_tsc_khz(struct lodge_vm *vm, u32 khz);

int lodge_vcpu_create_fd(struct lodge_vm *vm, void *args);
void lodge_vcpu_destroy(struct lodge_vcpu *vcpu);	/* with the VM */
void lodge_vcpu_reset(struct lodge_vcpu *vcpu, bool init);
void lodge_get_regs(struct lodge_vcpu *vcpu, struct lodge_regs *regs);
void lodge_set_regs(struct lodge_vcpu *vcpu, const struct lodge_regs *regs);
void lodge_get_sregs(struct lodge_vcpu *vcpu, struct lodge_sregs *sregs);
int lodge_set_sregs(struct lodge_vcpu *vcpu, const struct lodge_sregs *sregs);
int lodge_run_sync_in(struct lodge_vcpu *vcpu);
void lodge_run_sync_out(struct lodge_vcpu *vcpu);

/* hardware.c: who owns VMX or SVM */

int lodge_hardware_init(void);
void lodge_hardware_exit(void);
int lodge_hardware_get(void);	/* first VM enables; -EBUSY when owned */
void lodge_hardware_put(void);	/* last VM disables */
bool lodge_mitigate(void);	/* is the host to be guarded against its guests? */
bool lodge_mitigated(void);	/* LODGE_CAP_UNTRUSTED */
extern bool lodge_rebooting;

static inline struct lodge_vcpu *lodge_next_vcpu(struct lodge_vm *vm, int *i)
{
	for (; *i < LODGE_MAX_VCPUS; (*i)++)
		if (READ_ONCE(vm->vcpus[*i]))
			return READ_ONCE(vm->vcpus[*i]);
	return NULL;
}

#define for_each_lodge_vcpu(i, vcpu, vm)				\
	for ((i) = 0; ((vcpu) = lodge_next_vcpu(vm, &(i))); (i)++)

#endif /* LODGE_H */
