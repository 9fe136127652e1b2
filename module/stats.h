/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is counted of a vCPU, and where its time goes. Counters are always on;
 * times are taken while somebody wants them.
 */
#ifndef LODGE_STATS_H
#define LODGE_STATS_H

#include "../uapi/lodge.h"

/* Counters that are no exit's reason; the last ones are ticks or ns. */
enum lodge_stat_id {
	LODGE_STAT_EXITS, LODGE_STAT_RING2, LODGE_STAT_USER, LODGE_STAT_INJECT,
	LODGE_STAT_EMULATED, LODGE_STAT_POSTED, LODGE_STAT_DOORBELL, LODGE_STAT_TLB_FLUSH,
	LODGE_STAT_FAULT_4K, LODGE_STAT_FAULT_2M, LODGE_STAT_FAULT_1G,
	LODGE_STAT_GUEST_TICKS, LODGE_STAT_RING2_TICKS, LODGE_STAT_USER_TICKS,
	LODGE_STAT_HALT_TICKS, LODGE_STAT_READY_NS, LODGE_STAT_COUNT
};

/* LODGE_HIST_EXIT: from an exit to the next entry, HLT or userspace */
enum lodge_hist_id {
	LODGE_HIST_EXIT, LODGE_HIST_RING2, LODGE_HIST_USER, LODGE_HIST_HALT, LODGE_HIST_READY,
	LODGE_HIST_COUNT
};

#define LODGE_HIST_BUCKETS	40

/* What the reasons of exits are called */
#define LODGE_REASONS(x)								\
	x(OTHER, "other") x(HOST_IRQ, "host-irq") x(PIO, "pio") x(FAULT, "fault")	\
	x(MMIO, "mmio") x(CPUID, "cpuid") x(RDMSR, "rdmsr") x(WRMSR, "wrmsr")		\
	x(HLT, "hlt") x(PAUSE, "pause") x(HYPERCALL, "hypercall") x(CR, "cr")		\
	x(DR, "dr") x(EXCEPTION, "exception") x(TASK, "task-switch")

/* All of it __u64: a VM's are the sums of its vCPUs'. */
struct lodge_stats {
	u64 exits[LODGE_REASON_COUNT];
	u64 count[LODGE_STAT_COUNT];
	u64 ticks[LODGE_REASON_COUNT];
	u64 hist[LODGE_HIST_COUNT][LODGE_HIST_BUCKETS];
};

/* Where a vCPU spends its time; LODGE_PHASE_KERNEL: rings 1 and 2. */
enum lodge_phase {
	LODGE_PHASE_NONE, LODGE_PHASE_GUEST, LODGE_PHASE_KERNEL, LODGE_PHASE_HALT,
	LODGE_PHASE_USER,
};

/**
 * struct lodge_watch - a vCPU that is watched; written by its thread alone
 * @phase: enum lodge_phase, since @since, a TSC value
 * @open: an exit's handling is under way
 * @reason: what that exit, or the last one, was about
 * @state: with @wants_state: LODGE_STATE_* at that exit, whose RIP is @rip
 * @wants_state: the ring's, set and cleared with it
 * @ring2: when ring 2 began with it, 0: not yet
 * @ring: where exits are recorded; set and cleared by trace.c, read with preemption off
 * @delay: run_delay of @delay_of that has been counted
 */
struct lodge_watch {
	u8 phase;
	bool open;
	u8 reason;
	u8 state;
	bool wants_state;
	u64 since;
	u64 ring2;
	u64 rip;
	u64 info;
	struct lodge_trace_ring __rcu *ring;
	u64 delay;
	const struct task_struct *delay_of;
};

#endif /* LODGE_STATS_H */
