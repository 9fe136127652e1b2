/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the local APIC: what its registers, its timer, the routing and the
 * tests share. Registers go by their xAPIC offset (asm/apicdef.h); an offset
 * over 16 is the distance from MSR 0x800 in x2APIC mode.
 */
#ifndef LODGE_LAPIC_H
#define LODGE_LAPIC_H

#include "lodge.h"

#define LAPIC_REGS		0x40

#define LAPIC_TIMER_MODE	(3u << 17)
#define LAPIC_SHORTHAND		APIC_DEST_ALLBUT	/* its mask, and the last */

/* Bit numbers of lodge_lapic.pending */
#define LAPIC_PENDING_INIT	0
#define LAPIC_PENDING_SIPI	1
#define LAPIC_PENDING_EXTINT	2

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
 * @vcpu: whose; its id is the APIC id
 * @base: IA32_APIC_BASE
 * @errors: ESR bits since the guest last wrote the ESR; any context
 * @pending: LAPIC_PENDING_*; set in any context
 * @sipi_vector: valid while LAPIC_PENDING_SIPI
 * @delivers: the CPU delivers requested vectors and takes EOIs (lodge_apicv)
 * @changed: registers in @page are out of date
 * @page: what the CPU knows of the registers, laid out as they are; NULL: it
 *	knows none
 * @tpr: the TPR: in @page, where the guest changes it unseen, or in @regs
 * @regs: the registers that are plain storage, by offset over 16; written by
 *	the vCPU's own thread, read by others
 * @below_isr: the registers before the bit maps, which are in their places
 * @isr: vectors in service; the vCPU's own thread
 * @tmr: level-triggered vectors; changed before the IRR bit is set
 * @irr: requested vectors; set from any context, atomically
 * @timer: the timer
 */
struct lodge_lapic {
	struct lodge_vcpu *vcpu;
	u64 base;
	unsigned long errors;
	unsigned long pending;
	u8 sipi_vector;
	bool delivers;
	bool changed;
	u32 *page;
	u32 *tpr;
	union {
		u32 regs[LAPIC_REGS];
		struct {
			u32 below_isr[APIC_ISR >> 4];
			DECLARE_BITMAP(isr, 256);
			DECLARE_BITMAP(tmr, 256);
			DECLARE_BITMAP(irr, 256);
		};
	};
	struct lodge_lapic_timer timer;
};

static inline u32 lapic_reg(const struct lodge_lapic *lapic, u32 offset)
{
	return READ_ONCE(lapic->regs[offset >> 4]);
}

static inline void lapic_set_reg(struct lodge_lapic *lapic, u32 offset, u32 value)
{
	WRITE_ONCE(lapic->regs[offset >> 4], value);
}

static inline u8 lapic_tpr(const struct lodge_lapic *lapic)
{
	return READ_ONCE(*lapic->tpr);
}

static inline bool lapic_enabled(const struct lodge_lapic *lapic)
{
	return READ_ONCE(lapic->base) & XAPIC_ENABLE;
}

static inline bool lapic_x2(const struct lodge_lapic *lapic)
{
	return READ_ONCE(lapic->base) & X2APIC_ENABLE;
}

/* Enabled for fixed and lowest-priority interrupts? */
static inline bool lapic_listens(const struct lodge_lapic *lapic)
{
	return lapic_enabled(lapic) && lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

/* The page is there in xAPIC mode alone. */
static inline bool lapic_in_page(const struct lodge_lapic *lapic, u64 gpa)
{
	return lapic_enabled(lapic) && !lapic_x2(lapic) && !((gpa ^ lapic->base) >> 12);
}

static inline u32 lapic_timer_mode(const struct lodge_lapic *lapic)
{
	return lapic_reg(lapic, APIC_LVTT) & LAPIC_TIMER_MODE;
}

/* lapic.c; the vCPU's own thread unless another context is named */

/* The guest's access in xAPIC mode; @offset is below 0x400. */
u32 lodge_lapic_read(struct lodge_lapic *lapic, u32 offset);
void lodge_lapic_write(struct lodge_lapic *lapic, u32 offset, u32 value);
/* false: @gpa is not in the page */
bool lodge_lapic_mmio(struct lodge_lapic *lapic, u64 gpa, u32 bytes, bool write, u64 *value);
/* What a write of the EOI register does; a paravirtual EOI ends here too. */
void lodge_lapic_eoi(struct lodge_lapic *lapic);
/* The rest of it, when the CPU has taken @vector out of service */
void lodge_lapic_eoi_done(struct lodge_lapic *lapic, u8 vector);
/*
 * Where the CPU delivers: while it is in the guest, what is requested and in service
 * is in the page. Lending gives the highest vectors, RVI and SVI (SDM 25.4.2).
 */
u16 lodge_lapic_lend(struct lodge_lapic *lapic);
void lodge_lapic_take_back(struct lodge_lapic *lapic);
/* Bring the page's other registers up to date. */
void lodge_lapic_show(struct lodge_lapic *lapic);
/* Does RDMSR of x2APIC register @index, below LAPIC_REGS, give what is in the page? */
bool lodge_lapic_shown(u32 index);
/* Any context: the source of an LVT entry fires. */
void lodge_lapic_local(struct lodge_lapic *lapic, u32 offset);
/* Any context: the PIC's output is high, @rising: since now. */
void lodge_lapic_lint0(struct lodge_vm *vm, bool rising);
/* Any context: is @dest, logical and no broadcast, this one? */
bool lodge_lapic_match_logical(struct lodge_lapic *lapic, u32 dest);
/* Any context: take a message; false when it takes none of this kind now. */
bool lodge_lapic_accept(struct lodge_lapic *lapic, u32 icr);
/* Any context: processor priority, for lowest-priority arbitration. */
u8 lodge_lapic_ppr(struct lodge_lapic *lapic);

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
/* Guest TSC cycles as ns, rounded up, at most a day. */
u64 lodge_tsc_to_ns(u64 cycles, u32 khz);

#endif /* LODGE_LAPIC_H */
