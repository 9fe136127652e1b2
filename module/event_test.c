// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: exceptions on exceptions, pending NMIs, requests and kicks. */
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "cpu_test.h"

/* SDM table 6-5, every pair that is not benign, and some that are. */
static void merge_follows_the_table(struct kunit *test)
{
	static const u8 contributory[] = {
		X86_TRAP_DE, X86_TRAP_TS, X86_TRAP_NP, X86_TRAP_SS, X86_TRAP_GP
	};
	int i, j;

	for (i = 0; i < ARRAY_SIZE(contributory); i++) {
		u8 first = contributory[i];

		for (j = 0; j < ARRAY_SIZE(contributory); j++)
			KUNIT_EXPECT_EQ(test, X86_TRAP_DF,
					lodge_merge_exceptions(first, contributory[j]));
		KUNIT_EXPECT_EQ(test, X86_TRAP_PF,
				lodge_merge_exceptions(first, X86_TRAP_PF));
		KUNIT_EXPECT_EQ(test, X86_TRAP_DF,
				lodge_merge_exceptions(X86_TRAP_PF, first));
		KUNIT_EXPECT_EQ(test, (int)first,
				lodge_merge_exceptions(X86_TRAP_UD, first));
		KUNIT_EXPECT_EQ(test, X86_TRAP_DB,
				lodge_merge_exceptions(first, X86_TRAP_DB));
	}
	KUNIT_EXPECT_EQ(test, X86_TRAP_DF,
			lodge_merge_exceptions(X86_TRAP_PF, X86_TRAP_PF));
}

static void anything_on_double_fault_is_triple(struct kunit *test)
{
	int vector;

	for (vector = 0; vector < 32; vector++)
		KUNIT_EXPECT_EQ(test, -1, lodge_merge_exceptions(X86_TRAP_DF, vector));
}

static void exception_is_queued_once(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_queue_exception(vcpu, X86_TRAP_GP, 0x18);
	KUNIT_EXPECT_TRUE(test, vcpu->exception.valid);
	KUNIT_EXPECT_EQ(test, X86_TRAP_GP, (int)vcpu->exception.vector);
	KUNIT_EXPECT_TRUE(test, vcpu->exception.has_error);
	KUNIT_EXPECT_EQ(test, 0x18u, vcpu->exception.error);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_EVENT, &vcpu->requests));
}

static void real_mode_pushes_no_error_code(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->regs[LODGE_CR0] = 0;
	lodge_queue_exception(vcpu, X86_TRAP_GP, 0x18);
	KUNIT_EXPECT_FALSE(test, vcpu->exception.has_error);
}

static void two_faults_make_a_double_fault(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_queue_exception(vcpu, X86_TRAP_GP, 0x18);
	lodge_queue_exception(vcpu, X86_TRAP_NP, 0x20);
	KUNIT_EXPECT_EQ(test, X86_TRAP_DF, (int)vcpu->exception.vector);
	KUNIT_EXPECT_TRUE(test, vcpu->exception.has_error);
	KUNIT_EXPECT_EQ(test, 0u, vcpu->exception.error);
}

static void third_fault_shuts_down(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_queue_exception(vcpu, X86_TRAP_DF, 0);
	lodge_queue_exception(vcpu, X86_TRAP_GP, 0);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_TRIPLE, &vcpu->requests));
}

static void fault_during_delivery_counts(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->inflight = (struct lodge_event) {
		.valid = true, .type = LODGE_EV_EXCEPTION, .vector = X86_TRAP_PF,
	};
	lodge_queue_fault(vcpu, &(struct lodge_exception){ X86_TRAP_PF, 2, 0xdead000 });
	KUNIT_EXPECT_EQ(test, X86_TRAP_DF, (int)vcpu->exception.vector);
	KUNIT_EXPECT_EQ(test, 0xdead000ull, vcpu->cr2);
	KUNIT_EXPECT_FALSE(test, vcpu->inflight.valid);
}

static void interrupt_in_flight_is_kept(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->inflight = (struct lodge_event) {
		.valid = true, .type = LODGE_EV_INTERRUPT, .vector = 0x31,
	};
	lodge_queue_exception(vcpu, X86_TRAP_GP, 0);
	KUNIT_EXPECT_EQ(test, X86_TRAP_GP, (int)vcpu->exception.vector);
	KUNIT_EXPECT_TRUE(test, vcpu->inflight.valid);
}

static void page_fault_keeps_error_and_address(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_queue_fault(vcpu, &(struct lodge_exception){ X86_TRAP_PF, 7, 0x1234 });
	KUNIT_EXPECT_EQ(test, 0x1234ull, vcpu->cr2);
	KUNIT_EXPECT_EQ(test, 7u, vcpu->exception.error);
}

static void debug_sets_its_causes(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->dr6 = 0xffff0ff0 | 3;
	lodge_queue_debug(vcpu, DR_STEP);
	KUNIT_EXPECT_EQ(test, X86_TRAP_DB, (int)vcpu->exception.vector);
	KUNIT_EXPECT_EQ(test, 0xffff0ff0ull | DR_STEP, vcpu->dr6);
}

/* One in service, one waiting: a third is lost (SDM 6.7.1). */
static void nmis_collapse_to_two(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	int i;

	for (i = 0; i < 5; i++)
		lodge_queue_nmi(vcpu);
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&vcpu->nmi_pending));
}

static void kick_marks_a_running_vcpu_once(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	preempt_disable();
	vcpu->cpu = smp_processor_id();
	vcpu->mode = LODGE_IN_GUEST;
	lodge_kick(vcpu);
	KUNIT_EXPECT_EQ(test, LODGE_EXITING, (int)vcpu->mode);
	vcpu->mode = LODGE_OUTSIDE;
	lodge_kick(vcpu);
	KUNIT_EXPECT_EQ(test, LODGE_OUTSIDE, (int)vcpu->mode);
	preempt_enable();
}

static struct kunit_case cases[] = {
	KUNIT_CASE(merge_follows_the_table),
	KUNIT_CASE(anything_on_double_fault_is_triple),
	KUNIT_CASE(exception_is_queued_once),
	KUNIT_CASE(real_mode_pushes_no_error_code),
	KUNIT_CASE(two_faults_make_a_double_fault),
	KUNIT_CASE(third_fault_shuts_down),
	KUNIT_CASE(fault_during_delivery_counts),
	KUNIT_CASE(interrupt_in_flight_is_kept),
	KUNIT_CASE(page_fault_keeps_error_and_address),
	KUNIT_CASE(debug_sets_its_causes),
	KUNIT_CASE(nmis_collapse_to_two),
	KUNIT_CASE(kick_marks_a_running_vcpu_once),
	{}
};

static struct kunit_suite suite = { .name = "lodge_event", .test_cases = cases };

kunit_test_suite(suite);
