/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the local APIC: what its registers, its timer, the routing and the
 * tests share.
 *
 * Registers have an index: bits 9:4 of the xAPIC offset, which is also the
 * distance from MSR 0x800 in x2APIC mode. Everything but the two MMIO
 * functions in lapic.c works on indexes.
 */
#ifndef LODGE_LAPIC_H
#define LODGE_LAPIC_H

#include "lodge.h"

/* Register indexes (SDM table 11-1) */
#define LAPIC_ID		0x02
#define LAPIC_VERSION		0x03
#define LAPIC_TPR		0x08
#define LAPIC_APR		0x09
#define LAPIC_PPR		0x0a
#define LAPIC_EOI		0x0b
#define LAPIC_RRD		0x0c
#define LAPIC_LDR		0x0d
#define LAPIC_DFR		0x0e
#define LAPIC_SVR		0x0f
#define LAPIC_ISR		0x10
#define LAPIC_TMR		0x18
#define LAPIC_IRR		0x20
#define LAPIC_ESR		0x28
#define LAPIC_ICR		0x30
#define LAPIC_ICR2		0x31
#define LAPIC_LVT_TIMER		0x32
#define LAPIC_LVT_THERMAL	0x33
#define LAPIC_LVT_PERF		0x34
#define LAPIC_LVT_LINT0		0x35
#define LAPIC_LVT_LINT1		0x36
#define LAPIC_LVT_ERROR		0x37
#define LAPIC_TMICT		0x38
#define LAPIC_TMCCT		0x39
#define LAPIC_TDCR		0x3e
#define LAPIC_REGS		0x40

/* Integrated APIC, six LVT entries, no EOI-broadcast suppression */
#define LAPIC_VERSION_VALUE	(0x14u | 5u << 16)

#define LAPIC_SVR_ENABLE	BIT(8)
#define LAPIC_LVT_MASKED	BIT(16)
#define LAPIC_TIMER_MODE	(3u << 17)
#define LAPIC_TIMER_PERIODIC	BIT(17)
#define LAPIC_TIMER_DEADLINE	BIT(18)

#define LAPIC_BASE_BSP		BIT_ULL(8)
#define LAPIC_BASE_ENABLE	BIT_ULL(11)

/* Bit numbers of the ESR (SDM 11.5.3) */
#define LAPIC_ERR_SEND_VECTOR	5
#define LAPIC_ERR_RECV_VECTOR	6
#define LAPIC_ERR_REGISTER	7

/* Bit numbers of lodge_lapic.pending */
#define LAPIC_PENDING_INIT	0
#define LAPIC_PENDING_SIPI	1

/**
 * struct lodge_lapic_timer - the timer of a local APIC
 * @hr: fires at @target
 * @target: CLOCK_MONOTONIC when the count reaches zero next, 0: stopped
 * @period: ns from the initial count to zero, not below LODGE_MIN_PERIOD_NS
 * @deadline: IA32_TSC_DEADLINE, guest TSC
 *
 * Written by the vCPU's own thread while @hr is inactive, and by the callback
 * of @hr.
 */
struct lodge_lapic_timer {
	struct hrtimer hr;
	u64 target;
	u64 period;
	u64 deadline;
};

/**
 * struct lodge_lapic - the local APIC of a vCPU
 * @vcpu: whose
 * @base: IA32_APIC_BASE
 * @irr: requested vectors; set from any context, atomically
 * @isr: vectors in service; the vCPU's own thread
 * @tmr: level-triggered vectors; changed before the IRR bit is set
 * @errors: ESR bits since the guest last wrote the ESR; any context
 * @pending: LAPIC_PENDING_*; any context, consumed in ring 2
 * @sipi_vector: valid while LAPIC_PENDING_SIPI
 * @regs: the registers that are plain storage, by index; written by the
 *	vCPU's own thread, read by others
 * @timer: the timer
 */
struct lodge_lapic {
	struct lodge_vcpu *vcpu;
	u64 base;
	DECLARE_BITMAP(irr, 256);
	DECLARE_BITMAP(isr, 256);
	DECLARE_BITMAP(tmr, 256);
	unsigned long errors;
	unsigned long pending;
	u8 sipi_vector;
	u32 regs[LAPIC_REGS];
	struct lodge_lapic_timer timer;
};

static inline u32 lapic_reg(const struct lodge_lapic *lapic, u32 index)
{
	return READ_ONCE(lapic->regs[index]);
}

static inline void lapic_set_reg(struct lodge_lapic *lapic, u32 index, u32 value)
{
	WRITE_ONCE(lapic->regs[index], value);
}

static inline bool lapic_enabled(const struct lodge_lapic *lapic)
{
	return READ_ONCE(lapic->base) & LAPIC_BASE_ENABLE;
}

/* Enabled for fixed and lowest-priority interrupts? */
static inline bool lodge_lapic_listens(const struct lodge_lapic *lapic)
{
	return lapic_enabled(lapic) &&
	       lapic_reg(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE;
}

static inline u32 lapic_timer_mode(const struct lodge_lapic *lapic)
{
	return lapic_reg(lapic, LAPIC_LVT_TIMER) & LAPIC_TIMER_MODE;
}

/* lapic.c; the vCPU's own thread unless another context is named */

u32 lodge_lapic_read(struct lodge_lapic *lapic, u32 index);
void lodge_lapic_write(struct lodge_lapic *lapic, u32 index, u32 value);
bool lodge_lapic_mmio_read(struct lodge_lapic *lapic, u64 gpa, u32 bytes,
			   u64 *value);
bool lodge_lapic_mmio_write(struct lodge_lapic *lapic, u64 gpa, u32 bytes,
			    u64 value);
/* Any context: the source of an LVT entry fires. */
void lodge_lapic_local(struct lodge_lapic *lapic, u32 index);
/* Any context: the PIC's output is high, @rising: since now. */
void lodge_lapic_lint0(struct lodge_vm *vm, bool rising);
/* Any context: is @dest, logical, this one (SDM 11.6.2.2)? */
bool lodge_lapic_match_logical(struct lodge_lapic *lapic, u8 dest);
/* Any context: take a message; false when it takes none of this kind now. */
bool lodge_lapic_accept(struct lodge_lapic *lapic, const struct lodge_irq *irq);
/* Any context: processor priority, for lowest-priority arbitration. */
u8 lodge_lapic_ppr(struct lodge_lapic *lapic);
/* Consume what LODGE_REQ_MP announced: did an INIT, which SIPI (or -1) arrive? */
bool lodge_lapic_take_init(struct lodge_lapic *lapic);
int lodge_lapic_take_sipi(struct lodge_lapic *lapic);

/* lapic_timer.c; the vCPU's own thread */

void lodge_lapic_timer_init(struct lodge_lapic *lapic);
void lodge_lapic_timer_stop(struct lodge_lapic *lapic);
/* Initial count: start. @count: ticks to the first expiry, 0 stops */
void lodge_lapic_timer_start(struct lodge_lapic *lapic, u32 count);
/* The LVT entry is about to change its mode. */
void lodge_lapic_timer_mode(struct lodge_lapic *lapic, u32 mode);
/* The divide configuration is about to change. */
void lodge_lapic_timer_divide(struct lodge_lapic *lapic, u32 value);
u32 lodge_lapic_timer_count(struct lodge_lapic *lapic);
/* Guest TSC cycles as ns, at most a year. */
u64 lodge_tsc_to_ns(u64 cycles, u32 khz);

#endif /* LODGE_LAPIC_H */
