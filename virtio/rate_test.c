// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/time64.h>

#include "virtio.h"

/* As fast as it may: what that comes to in ten seconds, and at the beginning. */
static void steady(struct kunit *test)
{
	struct lodge_bucket b = { .per_second = 1000 };
	u64 now = 1000 * NSEC_PER_SEC, end = now + 10 * NSEC_PER_SEC, burst = 0, done = 0;

	for (; !lodge_bucket_wait(&b, now); burst++)
		lodge_bucket_use(&b, now, 1);
	/* A bucket lasts a tenth of a second, and the one that overflows it counts. */
	KUNIT_EXPECT_EQ(test, burst, 101);
	while (now < end) {
		now += lodge_bucket_wait(&b, now);
		lodge_bucket_use(&b, now, 1);
		done++;
	}
	KUNIT_EXPECT_GE(test, done, 9990);
	KUNIT_EXPECT_LE(test, done, 10010);
}

/* One that is more than a bucket is let through, and paid for afterwards. */
static void large(struct kunit *test)
{
	struct lodge_bucket b = { .per_second = 1000 };

	lodge_bucket_use(&b, 0, 5000);
	KUNIT_EXPECT_EQ(test, lodge_bucket_wait(&b, 0), 4900 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, lodge_bucket_wait(&b, 4900 * NSEC_PER_MSEC), 0);
	/* Time in which nothing is used is not saved up. */
	lodge_bucket_use(&b, 1000 * NSEC_PER_SEC, 200);
	KUNIT_EXPECT_EQ(test, lodge_bucket_wait(&b, 1000 * NSEC_PER_SEC), 100 * NSEC_PER_MSEC);
}

static void unlimited(struct kunit *test)
{
	struct lodge_bucket b = { 0 };

	lodge_bucket_use(&b, 5, ~0ull);
	KUNIT_EXPECT_EQ(test, lodge_bucket_wait(&b, 5), 0);
}

/* The slowest and the fastest, and the most that a chain can have. */
static void extremes(struct kunit *test)
{
	struct lodge_bucket slow = { .per_second = 1 }, fast = { .per_second = ~0ull };

	lodge_bucket_use(&slow, 0, U32_MAX);
	KUNIT_EXPECT_EQ(test, lodge_bucket_wait(&slow, 0),
			U32_MAX * (u64)NSEC_PER_SEC - 100 * NSEC_PER_MSEC);
	lodge_bucket_use(&fast, 0, 2ull * U32_MAX);
	KUNIT_EXPECT_EQ(test, lodge_bucket_wait(&fast, 0), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(steady),
	KUNIT_CASE(large),
	KUNIT_CASE(unlimited),
	KUNIT_CASE(extremes),
	{}
};

static struct kunit_suite suite = { .name = "lodge_rate", .test_cases = cases };

kunit_test_suite(suite);
