// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: every exit is counted once, whatever its handling runs into. */
#include "cpu_test.h"

static u64 entries(struct lodge_vcpu *vcpu, enum lodge_hist_id id)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < LODGE_HIST_BUCKETS; i++)
		sum += vcpu->stats.hist[id][i];
	return sum;
}

static void exit_for(struct lodge_vcpu *vcpu, enum lodge_reason reason)
{
	lodge_watch_phase(vcpu, LODGE_PHASE_GUEST);
	lodge_watch_exit(vcpu, 0);
	lodge_watch_reason(vcpu, reason, 0);
}

static void one_exit_one_entry(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	int i;

	for (i = 0; i < 10; i++)
		exit_for(vcpu, LODGE_REASON_CPUID);
	KUNIT_EXPECT_EQ(test, 9ull, entries(vcpu, LODGE_HIST_EXIT));
	lodge_watch_phase(vcpu, LODGE_PHASE_USER);
	KUNIT_EXPECT_EQ(test, 10ull, entries(vcpu, LODGE_HIST_EXIT));
	KUNIT_EXPECT_GT(test, vcpu->stats.ticks[LODGE_REASON_CPUID], 0ull);
	KUNIT_EXPECT_GT(test, vcpu->stats.count[LODGE_STAT_GUEST_TICKS], 0ull);
	/* Nothing was known before the first entry, and no trip is over yet. */
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->stats.ticks[LODGE_REASON_OTHER]);
	KUNIT_EXPECT_EQ(test, 0ull, entries(vcpu, LODGE_HIST_USER));
}

/* Sleep and userspace are in the middle of it, and are not its time. */
static void interrupted_handling(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	exit_for(vcpu, LODGE_REASON_HLT);
	lodge_watch_ring2(vcpu);
	lodge_watch_phase(vcpu, LODGE_PHASE_HALT);
	KUNIT_EXPECT_EQ(test, 1ull, entries(vcpu, LODGE_HIST_RING2));
	lodge_watch_phase(vcpu, LODGE_PHASE_KERNEL);
	lodge_watch_phase(vcpu, LODGE_PHASE_USER);
	lodge_watch_phase(vcpu, LODGE_PHASE_KERNEL);
	lodge_watch_phase(vcpu, LODGE_PHASE_GUEST);
	KUNIT_EXPECT_EQ(test, 1ull, entries(vcpu, LODGE_HIST_EXIT));
	KUNIT_EXPECT_EQ(test, 1ull, entries(vcpu, LODGE_HIST_HALT));
	KUNIT_EXPECT_EQ(test, 1ull, entries(vcpu, LODGE_HIST_USER));
	KUNIT_EXPECT_EQ(test, 1ull, entries(vcpu, LODGE_HIST_RING2));
}

/* Times that no sane clock gives have a bucket, too. */
static void clock_goes_wild(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	exit_for(vcpu, LODGE_REASON_PIO);
	vcpu->watch.since = rdtsc() + (1ull << 40);	/* a CPU that is ahead */
	lodge_watch_phase(vcpu, LODGE_PHASE_GUEST);
	KUNIT_EXPECT_EQ(test, 1ull, vcpu->stats.hist[LODGE_HIST_EXIT][0]);
	lodge_watch_exit(vcpu, 0);
	vcpu->watch.since = rdtsc() - (1ull << 50);
	lodge_watch_phase(vcpu, LODGE_PHASE_GUEST);
	KUNIT_EXPECT_EQ(test, 2ull, entries(vcpu, LODGE_HIST_EXIT));
}

/* Time of before is nobody's, and no trip of then goes on. */
static void not_from_the_beginning(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->watch.phase = LODGE_PHASE_HALT;
	vcpu->watch.since = 1;
	vcpu->watch.ring2 = 1;
	lodge_watch_phase(vcpu, LODGE_PHASE_KERNEL);
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->stats.count[LODGE_STAT_HALT_TICKS]);
	lodge_watch_phase(vcpu, LODGE_PHASE_GUEST);
	KUNIT_EXPECT_EQ(test, 0ull, entries(vcpu, LODGE_HIST_RING2));
	KUNIT_EXPECT_EQ(test, 0ull, entries(vcpu, LODGE_HIST_EXIT));
	lodge_watch_entry(vcpu);
	lodge_watch_exit(vcpu, 0);
	lodge_watch_entry(vcpu);
	KUNIT_EXPECT_EQ(test, 1ull, entries(vcpu, LODGE_HIST_EXIT));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(one_exit_one_entry),
	KUNIT_CASE(interrupted_handling),
	KUNIT_CASE(clock_goes_wild),
	KUNIT_CASE(not_from_the_beginning),
	{}
};

static int watch(struct kunit *test)
{
	return lodge_watch_get();
}

static void watch_no_more(struct kunit *test)
{
	lodge_watch_put();
}

static struct kunit_suite suite = {
	.name = "lodge_stats", .test_cases = cases, .init = watch, .exit = watch_no_more,
};

kunit_test_suite(suite);
