// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer of the local APIC (SDM 11.5.4): one-shot, periodic, TSC deadline.
 *
 * It counts at 1 GHz before division, so that a tick is a nanosecond. The
 * hrtimer fires in hard interrupt context and only sets the IRR bit. Whoever
 * reprograms waits for a callback under way, with interrupts off too: the
 * callback waits for nobody.
 */
#include "lapic.h"

/* SDM figure 11-10: bits 3, 1, 0; 111 divides by 1, 000 by 2 */
static u32 timer_shift(struct lodge_lapic *lapic)
{
	u32 tdcr = lapic_reg(lapic, APIC_TDCR);

	return (((tdcr & 3) | (tdcr & 8) >> 1) + 1) & 7;
}

u64 lodge_tsc_to_ns(u64 cycles, u32 khz)
{
	/* A day at most: the product stays in range, the callback goes on */
	u64 day = (u64)khz * 1000 * 86400;

	return khz ? mul_u64_u32_div(min(cycles, day), 1000000, khz) + 1 : 0;
}

static u64 timer_deadline_left(struct lodge_lapic *lapic)
{
	u64 now = lodge_guest_tsc(lapic->vcpu);
	u64 deadline = READ_ONCE(lapic->timer.deadline);

	return deadline > now ? lodge_tsc_to_ns(deadline - now, lapic->vcpu->vm->tsc_khz) : 0;
}

static enum hrtimer_restart timer_fired(struct hrtimer *hr)
{
	struct lodge_lapic *lapic = container_of(hr, struct lodge_lapic, timer.hr);
	struct lodge_lapic_timer *timer = &lapic->timer;
	u32 mode = lapic_timer_mode(lapic);
	u64 left = mode == APIC_LVT_TIMER_TSCDEADLINE ? timer_deadline_left(lapic) : 0;

	/* The clocks drift against each other; an early interrupt is a wrong one. */
	if (left) {
		hrtimer_forward_now(hr, ns_to_ktime(left));
		return HRTIMER_RESTART;
	}
	WRITE_ONCE(timer->deadline, 0);
	lodge_lapic_local(lapic, APIC_LVTT);
	if (mode != APIC_LVT_TIMER_PERIODIC) {
		WRITE_ONCE(timer->target, 0);
		return HRTIMER_NORESTART;
	}
	/* Expiries missed while the host was busy are lost, not made up for. */
	hrtimer_forward_now(hr, ns_to_ktime(timer->period));
	WRITE_ONCE(timer->target, ktime_to_ns(hrtimer_get_expires(hr)));
	return HRTIMER_RESTART;
}

void lodge_lapic_timer_init(struct lodge_lapic *lapic)
{
	hrtimer_setup(&lapic->timer.hr, timer_fired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

void lodge_lapic_timer_stop(struct lodge_lapic *lapic)
{
	hrtimer_cancel(&lapic->timer.hr);
	lapic->timer.target = 0;
	lapic->timer.deadline = 0;
}

static void timer_arm(struct lodge_lapic *lapic, u64 ns)
{
	struct lodge_lapic_timer *timer = &lapic->timer;

	timer->target = ktime_get_ns() + ns;
	hrtimer_start(&timer->hr, ns_to_ktime(timer->target), HRTIMER_MODE_ABS_PINNED_HARD);
}

void lodge_lapic_timer_start(struct lodge_lapic *lapic, u32 count)
{
	u32 shift = timer_shift(lapic);
	u64 period = (u64)lapic_reg(lapic, APIC_TMICT) << shift, first = (u64)count << shift;

	lodge_lapic_timer_stop(lapic);
	if (!count)
		return;
	if (lapic_timer_mode(lapic) == APIC_LVT_TIMER_PERIODIC && period < LODGE_MIN_PERIOD_NS) {
		pr_info_ratelimited("lodge: vCPU %u: local APIC timer period of %llu ns is taken as %u ns\n",
				    lapic->vcpu->id, period, LODGE_MIN_PERIOD_NS);
		first = LODGE_MIN_PERIOD_NS;
	}
	lapic->timer.period = max_t(u64, period, LODGE_MIN_PERIOD_NS);
	timer_arm(lapic, first);
}

void lodge_lapic_timer_mode(struct lodge_lapic *lapic, u32 mode)
{
	/* SDM 11.5.4.1: to or from TSC deadline disarms */
	if (!((lapic_timer_mode(lapic) ^ mode) & APIC_LVT_TIMER_TSCDEADLINE))
		return;
	lodge_lapic_timer_stop(lapic);
	lapic_set_reg(lapic, APIC_TMICT, 0);
}

void lodge_lapic_timer_divide(struct lodge_lapic *lapic, u32 value)
{
	u32 count = lodge_lapic_timer_count(lapic);

	if (value == lapic_reg(lapic, APIC_TDCR))
		return;
	lapic_set_reg(lapic, APIC_TDCR, value);
	/* What is left to count goes on at the new rate. */
	if (count)
		lodge_lapic_timer_start(lapic, count);
}

u32 lodge_lapic_timer_count(struct lodge_lapic *lapic)
{
	u64 target = READ_ONCE(lapic->timer.target), now = ktime_get_ns(), left = target - now;
	u64 period = lapic->timer.period;
	u32 mode = lapic_timer_mode(lapic);

	if (!target || mode == APIC_LVT_TIMER_TSCDEADLINE)
		return 0;
	if (now >= target) {
		if (mode != APIC_LVT_TIMER_PERIODIC)
			return 0;
		left = period - (now - target) % period;
	}
	return min_t(u64, DIV_ROUND_UP_ULL(left, 1u << timer_shift(lapic)),
		     lapic_reg(lapic, APIC_TMICT));
}

/* 0 when none is armed, as the MSR reads after it fired. */
u64 lodge_lapic_get_deadline(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->lapic->timer.deadline);
}

static void timer_arm_deadline(struct lodge_lapic *lapic, u64 tsc)
{
	u64 left;

	lodge_lapic_timer_stop(lapic);
	if (!tsc)
		return;
	lapic->timer.deadline = tsc;
	left = timer_deadline_left(lapic);
	if (left) {
		timer_arm(lapic, left);
		return;
	}
	lapic->timer.deadline = 0;
	lodge_lapic_local(lapic, APIC_LVTT);
}

/* 0 disarms, the past fires at once; ignored in the other modes (SDM 11.5.4.1). */
void lodge_lapic_set_deadline(struct lodge_vcpu *vcpu, u64 tsc)
{
	if (lapic_timer_mode(vcpu->lapic) == APIC_LVT_TIMER_TSCDEADLINE)
		timer_arm_deadline(vcpu->lapic, tsc);
}

void lodge_lapic_tsc_changed(struct lodge_vcpu *vcpu)
{
	u64 deadline = lodge_lapic_get_deadline(vcpu);

	if (deadline)
		timer_arm_deadline(vcpu->lapic, deadline);
}
