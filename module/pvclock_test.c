// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the paravirtual clock's arithmetic, hypercalls, what never steps back. */
#include <linux/sched.h>
#include <asm/pvclock.h>

#include "cpu_test.h"

static u64 second_in_ns(u32 khz)
{
	u32 mul;
	s8 shift;

	lodge_pv_scale(khz, &mul, &shift);
	return pvclock_scale_delta((u64)khz * 1000, mul, shift);
}

static void a_second_is_a_second(struct kunit *test)
{
	static const u32 khz[] = {
		1000, 33333, 999999, 1000000, 1000001, 1593000, 2000000, 2399998, 3000000,
		4294967, 5700000, 10000000,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(khz); i++) {
		KUNIT_EXPECT_GE(test, second_in_ns(khz[i]), 999999998ull);
		KUNIT_EXPECT_LE(test, second_in_ns(khz[i]), 1000000000ull);
	}
}

static void multiplier_has_all_its_bits(struct kunit *test)
{
	u32 khz, mul;
	s8 shift;

	for (khz = 500; khz < 16000000; khz += khz / 7) {
		lodge_pv_scale(khz, &mul, &shift);
		KUNIT_EXPECT_TRUE(test, mul & BIT(31));
	}
}

static u64 call(struct lodge_vcpu *vcpu, u64 number)
{
	vcpu->regs[LODGE_RAX] = number;
	return lodge_pv_hypercall(vcpu, ~0ull);
}

/* The signature promises nothing that is not advertised. */
static void unknown_hypercalls(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 number;

	for (number = 0; number < 64; number++)
		KUNIT_EXPECT_EQ(test, -1000ll, (s64)call(vcpu, number));
	KUNIT_EXPECT_EQ(test, -1000ll, (s64)call(vcpu, 0x4c000000));
	KUNIT_EXPECT_EQ(test, -1000ll, (s64)call(vcpu, ~0ull));
	give(vcpu, LODGE_PV(PV_UNHALT));
	KUNIT_EXPECT_EQ(test, -1000ll, (s64)call(vcpu, BIT_ULL(32) | 5));
}

static void kick_wakes_without_interrupts(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	give(vcpu, LODGE_PV(PV_UNHALT));
	vcpu->mp_state = LODGE_MP_HALTED;
	vcpu->regs[LODGE_RCX] = 63;
	KUNIT_EXPECT_EQ(test, 0ull, call(vcpu, 5));
	KUNIT_EXPECT_FALSE(test, vcpu->pv.kicked);
	vcpu->regs[LODGE_RCX] = BIT_ULL(40);
	KUNIT_EXPECT_EQ(test, 0ull, call(vcpu, 5));
	vcpu->regs[LODGE_RCX] = 0;
	KUNIT_EXPECT_EQ(test, 0ull, call(vcpu, 5));
	KUNIT_EXPECT_TRUE(test, vcpu->pv.kicked);
	KUNIT_EXPECT_TRUE(test, lodge_runnable(vcpu));
}

static void ipi_refuses_other_modes(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	give(vcpu, LODGE_PV(PV_SEND_IPI));
	vcpu->regs[LODGE_RBX] = ~0ull;
	vcpu->regs[LODGE_RCX] = ~0ull;
	vcpu->regs[LODGE_RDX] = ~0ull;
	vcpu->regs[LODGE_RSI] = APIC_DM_INIT | 0x31;
	KUNIT_EXPECT_EQ(test, (s64)-EINVAL, (s64)call(vcpu, 10));
	vcpu->regs[LODGE_RSI] = 0x31;
	vcpu->regs[LODGE_RDX] = 64;
	KUNIT_EXPECT_EQ(test, 0ull, call(vcpu, 10));
}

/* A TSC that moves takes the clock's page along; nothing is due when it is off. */
static void tsc_moves(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_pv_tsc_moved(vcpu, 77);
	KUNIT_EXPECT_EQ(test, 77ull, vcpu->pv.time.tsc_timestamp);
	KUNIT_EXPECT_FALSE(test, test_bit(LODGE_REQ_PV, &vcpu->requests));
	vcpu->pv.clock = 0x1001;
	lodge_pv_tsc_moved(vcpu, 3);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_PV, &vcpu->requests));
	lodge_pv_reset(vcpu);
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->pv.clock);
	KUNIT_EXPECT_EQ(test, -1, vcpu->pv.clock_cpu);
}

/* A CPU whose TSC is behind: the guest's goes on; one that is ahead is left alone. */
static void tsc_never_steps_back(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 now;

	preempt_disable();
	vcpu->pv.last_tsc = rdtsc() + BIT_ULL(50);
	lodge_pv_load(vcpu);
	now = rdtsc() + vcpu->tsc_offset;
	KUNIT_EXPECT_GE(test, now, vcpu->pv.last_tsc);
	lodge_pv_put(vcpu);
	KUNIT_EXPECT_GE(test, vcpu->pv.last_tsc, now);
	now = vcpu->tsc_offset;
	lodge_pv_load(vcpu);
	KUNIT_EXPECT_EQ(test, now, vcpu->tsc_offset);
	preempt_enable();
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_second_is_a_second),
	KUNIT_CASE(multiplier_has_all_its_bits),
	KUNIT_CASE(unknown_hypercalls),
	KUNIT_CASE(kick_wakes_without_interrupts),
	KUNIT_CASE(ipi_refuses_other_modes),
	KUNIT_CASE(tsc_moves),
	KUNIT_CASE(tsc_never_steps_back),
	{}
};

static struct kunit_suite suite = { .name = "lodge_pvclock", .test_cases = cases };

kunit_test_suite(suite);
