// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: which rings are rings at all. What is in them needs a user's memory:
 * see selftests/fuzz/ring_fuzz.c and selftests/kselftest/virtio.c.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "ring.h"

static const struct lodge_vring split = {
	.entries = 256, .desc_gpa = 0x1000, .driver_gpa = 0x2002, .device_gpa = 0x3004,
};

static const struct lodge_vring packed = {
	.packed = true, .entries = 7, .desc_gpa = 0x1010, .driver_gpa = 0x2004,
	.device_gpa = 0x3004,
};

#define EXPECT_RING(test, want, from, change)				\
do {									\
	struct lodge_vring ring = from;					\
									\
	change;								\
	KUNIT_EXPECT_EQ(test, want, lodge_vring_check(&ring));		\
} while (0)

static void test_sizes(struct kunit *test)
{
	EXPECT_RING(test, 0, split, );
	EXPECT_RING(test, 0, split, ring.entries = 1);
	EXPECT_RING(test, 0, split, ring.entries = LODGE_RING_MAX);
	EXPECT_RING(test, -EINVAL, split, ring.entries = 2 * LODGE_RING_MAX);
	EXPECT_RING(test, -EINVAL, split, ring.entries = 0);
	EXPECT_RING(test, -EINVAL, split, ring.entries = 3);
	EXPECT_RING(test, -EINVAL, split, ring.entries = U32_MAX);
	EXPECT_RING(test, 0, packed, );
	EXPECT_RING(test, 0, packed, ring.entries = LODGE_RING_MAX);
	EXPECT_RING(test, -EINVAL, packed, ring.entries = LODGE_RING_MAX + 1);
	EXPECT_RING(test, -EINVAL, packed, ring.entries = 0);
}

static void test_alignment(struct kunit *test)
{
	EXPECT_RING(test, -EINVAL, split, ring.desc_gpa += 8);
	EXPECT_RING(test, -EINVAL, split, ring.driver_gpa += 1);
	EXPECT_RING(test, -EINVAL, split, ring.device_gpa += 2);
	EXPECT_RING(test, -EINVAL, packed, ring.desc_gpa += 8);
	EXPECT_RING(test, -EINVAL, packed, ring.driver_gpa += 2);
	EXPECT_RING(test, -EINVAL, packed, ring.device_gpa += 2);
}

static void test_positions(struct kunit *test)
{
	EXPECT_RING(test, 0, split, ring.next.index = 256);
	EXPECT_RING(test, -EINVAL, split, ring.next.index = 257);
	EXPECT_RING(test, 0, split, (ring.next.index = 5, ring.used.index = 65535 - 250));
	EXPECT_RING(test, -EINVAL, split, (ring.next.index = 5, ring.used.index = 6));
	EXPECT_RING(test, 0, packed, ring.next.index = 6);
	EXPECT_RING(test, -EINVAL, packed, ring.next.index = 7);
	EXPECT_RING(test, -EINVAL, packed, ring.used.index = 7);
}

static struct kunit_case lodge_ring_cases[] = {
	KUNIT_CASE(test_sizes),
	KUNIT_CASE(test_alignment),
	KUNIT_CASE(test_positions),
	{}
};

static struct kunit_suite lodge_ring_suite = {
	.name = "lodge_ring",
	.test_cases = lodge_ring_cases,
};

kunit_test_suite(lodge_ring_suite);
