// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the timer of the local APIC. Sleeps are long for slow hosts. */
#include <linux/delay.h>
#include <asm/tsc.h>

#include "irqchip_test.h"

static void start(struct kunit *test, u32 lvt, u32 divide, u32 count)
{
	struct lodge_lapic *lapic = test_lapic(test, 1);

	lodge_lapic_write(lapic, APIC_TDCR, divide);
	lodge_lapic_write(lapic, APIC_LVTT, lvt);
	lodge_lapic_write(lapic, APIC_TMICT, count);
}

static u32 left(struct kunit *test)
{
	return lodge_lapic_read(test_lapic(test, 1), APIC_TMCCT);
}

static void one_shot(struct kunit *test)
{
	start(test, 0x81, 0xb, 5000000);
	msleep(50);
	KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
	test_eoi(test, 1);
	KUNIT_EXPECT_EQ(test, 0u, left(test));
	msleep(20);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void periodic(struct kunit *test)
{
	u32 i;

	start(test, 0x81 | APIC_LVT_TIMER_PERIODIC, 0xb, 2000000);
	for (i = 0; i < 3; i++) {
		msleep(30);
		KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
		test_eoi(test, 1);
		KUNIT_EXPECT_GT(test, left(test), 0u);
	}
	lodge_lapic_write(test_lapic(test, 1), APIC_TMICT, 0);
	test_take(test, 1);
	test_eoi(test, 1);
	msleep(20);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void count_goes_down(struct kunit *test)
{
	u32 first, second;

	start(test, 0x10081, 0x3, 1000000000);	/* by 16: 16 s */
	first = left(test);
	msleep(20);
	second = left(test);
	KUNIT_EXPECT_LE(test, first, 1000000000u);
	KUNIT_EXPECT_LT(test, second, first - 1000000);
	KUNIT_EXPECT_GT(test, second, 500000000u);
}

static void divide_changes_on_the_way(struct kunit *test)
{
	u32 before, after;

	start(test, 0x10081, 0xa, U32_MAX);	/* by 128 */
	before = left(test);
	lodge_lapic_write(test_lapic(test, 1), APIC_TDCR, 0x3);
	after = left(test);
	KUNIT_EXPECT_LE(test, after, before);
	KUNIT_EXPECT_GT(test, after, before / 2);
}

static void masked_fires_silently(struct kunit *test)
{
	start(test, 0x10081, 0xb, 1000000);
	msleep(20);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0u, left(test));
}

static void shortest_period_is_no_storm(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 1);

	start(test, 0x81 | APIC_LVT_TIMER_PERIODIC, 0xb, 1);
	KUNIT_EXPECT_EQ(test, (u64)LODGE_MIN_PERIOD_NS, lapic->timer.period);
	KUNIT_EXPECT_LE(test, left(test), 1u);
	msleep(20);
	KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
	/* A one-shot that becomes periodic is bounded too. */
	start(test, 0x81, 0xb, 1);
	lodge_lapic_write(lapic, APIC_LVTT, 0x81 | APIC_LVT_TIMER_PERIODIC);
	KUNIT_EXPECT_EQ(test, (u64)LODGE_MIN_PERIOD_NS, lapic->timer.period);
}

static void deadline(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 tsc;

	vcpu->tsc_offset = -rdtsc();
	start(test, 0x81 | APIC_LVT_TIMER_TSCDEADLINE, 0xb, 1000);
	KUNIT_EXPECT_EQ(test, 0u, left(test));
	tsc = rdtsc() + vcpu->tsc_offset + tsc_khz * 10ull;
	lodge_lapic_set_deadline(vcpu, tsc);
	KUNIT_EXPECT_EQ(test, tsc, lodge_lapic_get_deadline(vcpu));
	msleep(100);
	KUNIT_EXPECT_EQ(test, 0ull, lodge_lapic_get_deadline(vcpu));
	KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
}

static void deadline_in_the_past(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	start(test, 0x81 | APIC_LVT_TIMER_TSCDEADLINE, 0xb, 0);
	lodge_lapic_set_deadline(vcpu, 1);
	KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_lapic_get_deadline(vcpu));
	test_eoi(test, 1);
	/* the far future is no past, and 0 disarms */
	lodge_lapic_set_deadline(vcpu, U64_MAX);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, U64_MAX, lodge_lapic_get_deadline(vcpu));
	lodge_lapic_set_deadline(vcpu, 0);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&vcpu->lapic->timer.hr));
}

static void deadline_moves_with_the_tsc(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	start(test, 0x81 | APIC_LVT_TIMER_TSCDEADLINE, 0xb, 0);
	lodge_lapic_set_deadline(vcpu, U64_MAX / 2);
	vcpu->tsc_offset = U64_MAX / 2 - rdtsc();
	lodge_lapic_tsc_changed(vcpu);
	KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
}

static void modes_exclude_each_other(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	lodge_lapic_set_deadline(vcpu, 5);	/* ignored */
	KUNIT_EXPECT_EQ(test, 0ull, lodge_lapic_get_deadline(vcpu));
	start(test, 0x81, 0xb, U32_MAX);
	lodge_lapic_write(vcpu->lapic, APIC_LVTT,
			  0x81 | APIC_LVT_TIMER_TSCDEADLINE);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&vcpu->lapic->timer.hr));
	KUNIT_EXPECT_EQ(test, 0u, lodge_lapic_read(vcpu->lapic, APIC_TMICT));
	lodge_lapic_set_deadline(vcpu, U64_MAX);
	lodge_lapic_write(vcpu->lapic, APIC_LVTT, 0x81);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&vcpu->lapic->timer.hr));
	/* the reserved mode counts once */
	lodge_lapic_write(vcpu->lapic, APIC_LVTT, 0x60081);
	KUNIT_EXPECT_EQ(test, 0x81u,
			lodge_lapic_read(vcpu->lapic, APIC_LVTT));
}

/* One-shot and periodic differ only in what happens at zero. */
static void count_goes_on_in_the_other_mode(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 1);
	u32 before;

	start(test, 0x10081, 0x3, 1000000000);
	msleep(20);
	before = left(test);
	lodge_lapic_write(lapic, APIC_LVTT, 0x10081 | APIC_LVT_TIMER_PERIODIC);
	KUNIT_EXPECT_LE(test, left(test), before);
	KUNIT_EXPECT_GT(test, left(test), 1u);
	/* one that has ended does not begin again */
	start(test, 0x10081, 0xb, 1000);
	msleep(20);
	lodge_lapic_write(lapic, APIC_LVTT, 0x10081 | APIC_LVT_TIMER_PERIODIC);
	KUNIT_EXPECT_EQ(test, 0u, left(test));
	KUNIT_EXPECT_EQ(test, 1000u, lodge_lapic_read(lapic, APIC_TMICT));
}

static void deadline_is_never_early(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 deadline, guest;
	u32 i;

	vcpu->tsc_offset = -rdtsc();
	start(test, 0x81 | APIC_LVT_TIMER_TSCDEADLINE, 0xb, 0);
	for (i = 0; i < 20; i++) {
		deadline = rdtsc() + vcpu->tsc_offset + 200 * (tsc_khz / 1000);
		lodge_lapic_set_deadline(vcpu, deadline);
		do {
			cpu_relax();
			guest = rdtsc() + vcpu->tsc_offset;
		} while (!lodge_has_interrupt(vcpu) && guest < deadline + tsc_khz * 1000ull);
		KUNIT_EXPECT_GE(test, rdtsc() + vcpu->tsc_offset, deadline);
		KUNIT_EXPECT_EQ(test, 0x81, test_take(test, 1));
		test_eoi(test, 1);
	}
}

static void deadline_mode_not_offered(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	vcpu->features[X86_FEATURE_TSC_DEADLINE_TIMER / 32] = 0;
	lodge_lapic_write(vcpu->lapic, APIC_LVTT, 0x40081);
	KUNIT_EXPECT_EQ(test, 0x81u, lodge_lapic_read(vcpu->lapic, APIC_LVTT));
}

static void reset_stops(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	start(test, 0x81 | APIC_LVT_TIMER_PERIODIC, 0xb, 1000000);
	lodge_lapic_reset(vcpu, true);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&vcpu->lapic->timer.hr));
	msleep(20);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void state_keeps_what_is_left(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u8 *page = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u32 count = 400000000, now;

	KUNIT_ASSERT_NOT_NULL(test, page);
	start(test, 0x81, 0xb, 1000000000);
	lodge_lapic_get_state(vcpu, page);
	memcpy(page + APIC_TMCCT, &count, 4);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_state(vcpu, page));
	now = left(test);
	KUNIT_EXPECT_LE(test, now, count);
	KUNIT_EXPECT_GT(test, now, 0u);
	/* one that had ended stays ended */
	count = 0;
	memcpy(page + APIC_TMCCT, &count, 4);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_state(vcpu, page));
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&vcpu->lapic->timer.hr));
}

static void tsc_conversion(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 1000000001ull, lodge_tsc_to_ns(1000, 1));
	KUNIT_EXPECT_EQ(test, 1001ull, lodge_tsc_to_ns(3000, 3000000));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_tsc_to_ns(U64_MAX, 0));
	KUNIT_EXPECT_EQ(test, 86400ull * NSEC_PER_SEC + 1,
			lodge_tsc_to_ns(U64_MAX, 1));
	KUNIT_EXPECT_EQ(test, 86400ull * NSEC_PER_SEC + 1,
			lodge_tsc_to_ns(U64_MAX, U32_MAX));
}

static struct kunit_case timer_cases[] = {
	KUNIT_CASE(one_shot),
	KUNIT_CASE(periodic),
	KUNIT_CASE(count_goes_down),
	KUNIT_CASE(divide_changes_on_the_way),
	KUNIT_CASE(masked_fires_silently),
	KUNIT_CASE(shortest_period_is_no_storm),
	KUNIT_CASE(deadline),
	KUNIT_CASE(deadline_in_the_past),
	KUNIT_CASE(deadline_moves_with_the_tsc),
	KUNIT_CASE(modes_exclude_each_other),
	KUNIT_CASE(count_goes_on_in_the_other_mode),
	KUNIT_CASE(deadline_is_never_early),
	KUNIT_CASE(deadline_mode_not_offered),
	KUNIT_CASE(reset_stops),
	KUNIT_CASE(state_keeps_what_is_left),
	KUNIT_CASE(tsc_conversion),
	{}
};

static struct kunit_suite timer_suite = {
	.name = "lodge_lapic_timer",
	.init = lodge_test_machine_init,
	.exit = lodge_test_machine_exit,
	.test_cases = timer_cases,
};

kunit_test_suite(timer_suite);
