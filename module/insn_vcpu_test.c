// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the log of accesses that an unfinished instruction has done. */
#include <kunit/test.h>
#include <linux/string.h>

#include "lodge.h"

static const struct lodge_replay_access read4 = {
	.addr = 0xfee00020, .bytes = 4, .space = LODGE_SPACE_MMIO,
};

static const struct lodge_replay_access write4 = {
	.addr = 0xfee00020, .bytes = 4, .space = LODGE_SPACE_MMIO, .write = true,
};

static struct lodge_vcpu *fake_vcpu(struct kunit *test)
{
	struct lodge_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->run = kunit_kzalloc(test, sizeof(*vcpu->run), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vcpu->run);
	return vcpu;
}

static void replayed_in_order(struct kunit *test)
{
	struct lodge_replay *log = &fake_vcpu(test)->replay;
	u64 value = 0;

	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &read4, &value));
	lodge_replay_add(log, &read4, 0x11);
	lodge_replay_add(log, &read4, 0x22);
	lodge_replay_add(log, &write4, 0x33);
	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &read4, &value));
	log->next = 0;
	KUNIT_EXPECT_TRUE(test, lodge_replay_take(log, &read4, &value));
	KUNIT_EXPECT_EQ(test, 0x11ull, value);
	KUNIT_EXPECT_TRUE(test, lodge_replay_take(log, &read4, &value));
	KUNIT_EXPECT_EQ(test, 0x22ull, value);
	KUNIT_EXPECT_TRUE(test, lodge_replay_take(log, &write4, &value));
	KUNIT_EXPECT_EQ(test, 0x22ull, value);
	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &write4, &value));
}

/* Registers changed meanwhile: what comes after is not from this instruction. */
static void another_access_voids_the_rest(struct kunit *test)
{
	struct lodge_replay *log = &fake_vcpu(test)->replay;
	struct lodge_replay_access other = read4;
	u64 value = 0;

	lodge_replay_add(log, &read4, 0x11);
	lodge_replay_add(log, &read4, 0x22);
	lodge_replay_add(log, &read4, 0x33);
	log->next = 0;
	KUNIT_EXPECT_TRUE(test, lodge_replay_take(log, &read4, &value));
	other.bytes = 8;
	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &other, &value));
	KUNIT_EXPECT_EQ(test, 1, (int)log->count);
	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &read4, &value));
}

static void space_and_direction_matter(struct kunit *test)
{
	struct lodge_replay *log = &fake_vcpu(test)->replay;
	struct lodge_replay_access port = read4;
	u64 value = 0;

	lodge_replay_add(log, &read4, 0x11);
	log->next = 0;
	port.space = LODGE_SPACE_PIO;
	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &port, &value));
	lodge_replay_add(log, &read4, 0x11);
	log->next = 0;
	KUNIT_EXPECT_FALSE(test, lodge_replay_take(log, &write4, &value));
	KUNIT_EXPECT_EQ(test, 0, (int)log->count);
}

/* The answer comes from a page that userspace may write at any time. */
static void answer_is_masked(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value = 0;

	lodge_replay_add(&vcpu->replay, &read4, 0);
	vcpu->replay.waiting = true;
	memset(vcpu->run->data, 0xff, 8);
	lodge_replay_complete(vcpu);
	KUNIT_EXPECT_FALSE(test, vcpu->replay.waiting);
	KUNIT_EXPECT_TRUE(test, lodge_replay_take(&vcpu->replay, &read4, &value));
	KUNIT_EXPECT_EQ(test, 0xffffffffull, value);
}

static void answer_to_a_write_is_ignored(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_replay_add(&vcpu->replay, &write4, 0x55);
	vcpu->replay.waiting = true;
	memset(vcpu->run->data, 0xff, 8);
	lodge_replay_complete(vcpu);
	KUNIT_EXPECT_EQ(test, 0x55ull, vcpu->replay.access[0].value);
	KUNIT_EXPECT_EQ(test, 0, (int)vcpu->replay.next);
}

static void no_answer_is_waited_for(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	lodge_replay_complete(vcpu);
	KUNIT_EXPECT_EQ(test, 0, (int)vcpu->replay.count);
	vcpu->replay.waiting = true;
	lodge_replay_complete(vcpu);
	KUNIT_EXPECT_EQ(test, 0, (int)vcpu->replay.count);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(replayed_in_order),
	KUNIT_CASE(another_access_voids_the_rest),
	KUNIT_CASE(space_and_direction_matter),
	KUNIT_CASE(answer_is_masked),
	KUNIT_CASE(answer_to_a_write_is_ignored),
	KUNIT_CASE(no_answer_is_waited_for),
	{ }
};

static struct kunit_suite lodge_replay_suite = {
	.name = "lodge_replay",
	.test_cases = cases,
};

kunit_test_suite(lodge_replay_suite);
