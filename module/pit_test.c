// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the 8254 and port 0x61. */
#include <linux/delay.h>

#include "irqchip_test.h"

/* By the ports and the ioctls: those take the lock, and channel 0 may fire. */
static void pit_write(struct lodge_vm *vm, u16 port, u8 value)
{
	test_out(vm->vcpus[0], port, 1, value);
}

static u8 pit_read(struct lodge_vm *vm, u16 port)
{
	u64 value;

	test_in(vm->vcpus[0], port, 1, &value);
	return value;
}

static void pit_get(struct lodge_vm *vm, struct lodge_pit_state *state)
{
	struct lodge_chip chip = { .chip = LODGE_CHIP_PIT };

	lodge_chip_get(vm, &chip);
	memcpy(state, chip.data, sizeof(*state));
}

static int pit_set(struct lodge_vm *vm, const struct lodge_pit_state *state)
{
	struct lodge_chip chip = { .chip = LODGE_CHIP_PIT };

	memcpy(chip.data, state, sizeof(*state));
	return lodge_chip_set(vm, &chip);
}

static void program(struct lodge_vm *vm, u32 channel, u8 mode, u16 count)
{
	pit_write(vm, 0x43, channel << 6 | 0x30 | mode << 1);
	pit_write(vm, 0x40 + channel, count);
	pit_write(vm, 0x40 + channel, count >> 8);
}

static u16 read_word(struct lodge_vm *vm, u32 channel)
{
	u16 low = pit_read(vm, 0x40 + channel);

	return low | pit_read(vm, 0x40 + channel) << 8;
}

static void counts_down_and_wraps(struct kunit *test)
{
	struct lodge_pit_channel ch = { .count = 100, .gate = 1 };

	KUNIT_EXPECT_EQ(test, 100, lodge_pit_count(&ch, 0));
	KUNIT_EXPECT_EQ(test, 1, lodge_pit_count(&ch, 99));
	KUNIT_EXPECT_EQ(test, 0, lodge_pit_count(&ch, 100));
	KUNIT_EXPECT_EQ(test, 0xffff, lodge_pit_count(&ch, 101));
	KUNIT_EXPECT_EQ(test, 100, lodge_pit_count(&ch, 0x10000));
	ch.count = 0x10000;
	KUNIT_EXPECT_EQ(test, 0, lodge_pit_count(&ch, 0));
	KUNIT_EXPECT_EQ(test, 0xffff, lodge_pit_count(&ch, 1));
	ch.count = 0;
	KUNIT_EXPECT_EQ(test, 0, lodge_pit_count(&ch, U64_MAX));
}

static void counts_in_bcd(struct kunit *test)
{
	struct lodge_pit_channel ch = { .count = 100, .gate = 1, .bcd = 1 };

	KUNIT_EXPECT_EQ(test, 0x100, lodge_pit_count(&ch, 0));
	KUNIT_EXPECT_EQ(test, 0x99, lodge_pit_count(&ch, 1));
	KUNIT_EXPECT_EQ(test, 0x9999, lodge_pit_count(&ch, 101));
	ch.count = 10000;
	KUNIT_EXPECT_EQ(test, 0, lodge_pit_count(&ch, 0));
}

static void periodic_modes_reload(struct kunit *test)
{
	struct lodge_pit_channel ch = { .count = 10, .gate = 1, .mode = 2 };

	KUNIT_EXPECT_EQ(test, 10, lodge_pit_count(&ch, 0));
	KUNIT_EXPECT_EQ(test, 1, lodge_pit_count(&ch, 9));
	KUNIT_EXPECT_EQ(test, 10, lodge_pit_count(&ch, 10));
	ch.mode = 3;
	KUNIT_EXPECT_EQ(test, 8, lodge_pit_count(&ch, 1));
	KUNIT_EXPECT_EQ(test, 10, lodge_pit_count(&ch, 5));
	/* a count of 1 is not allowed, and must not divide by zero */
	ch.count = 1;
	KUNIT_EXPECT_EQ(test, 1, lodge_pit_count(&ch, 12345));
}

static void output_of_each_mode(struct kunit *test)
{
	/* OUT at 0, 4, 5, 9 and 10 ticks for a count of 10, gate high */
	static const u8 want[6] = {
		0x10, 0x10, 0x17, 0x13, 0x0f, 0x0f,
	};
	static const u64 when[] = { 0, 4, 5, 9, 10 };
	struct lodge_pit_channel ch = { .count = 10, .gate = 1 };
	u32 i;

	for (ch.mode = 0; ch.mode < 6; ch.mode++) {
		u8 got = 0;

		for (i = 0; i < ARRAY_SIZE(when); i++)
			got |= lodge_pit_out(&ch, when[i]) << i;
		KUNIT_EXPECT_EQ_MSG(test, want[ch.mode], got, "mode %u", ch.mode);
	}
}

static void output_before_a_count(struct kunit *test)
{
	struct lodge_pit_channel ch = { .gate = 1 };

	KUNIT_EXPECT_FALSE(test, lodge_pit_out(&ch, 5));
	ch.mode = 2;
	KUNIT_EXPECT_TRUE(test, lodge_pit_out(&ch, 5));
	ch.gate = 0;
	ch.count = 10;
	KUNIT_EXPECT_TRUE(test, lodge_pit_out(&ch, 9));
}

/* The way guests measure their TSC: channel 2, mode 0, bit 5 of port 0x61. */
static void calibration_by_channel_2(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u64 start, took;

	pit_write(vm, 0x61, 1);
	pit_write(vm, 0x43, 0xb0);
	KUNIT_EXPECT_EQ(test, 0, pit_read(vm, 0x61) & 0x20);
	start = ktime_get_ns();
	pit_write(vm, 0x42, 11932 & 0xff);	/* 10 ms */
	pit_write(vm, 0x42, 11932 >> 8);
	while (!(pit_read(vm, 0x61) & 0x20) &&
	       ktime_get_ns() - start < NSEC_PER_SEC)
		cpu_relax();
	took = ktime_get_ns() - start;
	KUNIT_EXPECT_GE(test, took, 10000000ull);
	KUNIT_EXPECT_LT(test, took, 500000000ull);
	KUNIT_EXPECT_EQ(test, 0x21, pit_read(vm, 0x61) & 0x2f);
}

static void gate_stops_the_count(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u16 before;

	pit_write(vm, 0x61, 1);
	program(vm, 2, 0, 0xffff);
	usleep_range(100, 500);
	pit_write(vm, 0x61, 0);
	before = read_word(vm, 2);
	KUNIT_EXPECT_LT(test, before, 0xffff);
	usleep_range(100, 500);
	KUNIT_EXPECT_EQ(test, before, read_word(vm, 2));
	pit_write(vm, 0x61, 1);
	usleep_range(100, 500);
	KUNIT_EXPECT_LT(test, read_word(vm, 2), before);
}

static void one_shot_needs_its_trigger(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	program(vm, 2, 1, 0xffff);
	KUNIT_EXPECT_TRUE(test, pit_read(vm, 0x61) & 0x20);
	pit_write(vm, 0x61, 1);
	KUNIT_EXPECT_FALSE(test, pit_read(vm, 0x61) & 0x20);
	pit_write(vm, 0x61, 0);
	KUNIT_EXPECT_FALSE(test, pit_read(vm, 0x61) & 0x20);
}

static void latch_holds_until_read(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u16 first;

	program(vm, 0, 2, 0);
	pit_write(vm, 0x43, 0x00);
	usleep_range(50, 500);
	pit_write(vm, 0x43, 0x00);	/* ignored */
	first = read_word(vm, 0);
	pit_write(vm, 0x43, 0x00);
	KUNIT_EXPECT_NE(test, first, read_word(vm, 0));
}

static void read_back(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	program(vm, 1, 3, 0x1234);
	pit_write(vm, 0x43, 0xe4);	/* status of channel 1 */
	KUNIT_EXPECT_EQ(test, 0x36, pit_read(vm, 0x41) & 0x7f);
	pit_write(vm, 0x43, 0x78);	/* no count yet */
	pit_write(vm, 0x43, 0xc4);	/* both: status comes first */
	KUNIT_EXPECT_EQ(test, 0x78, pit_read(vm, 0x41) & 0x7e);
	KUNIT_EXPECT_EQ(test, 0, read_word(vm, 1));
}

static void single_byte_counts(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_pit_state state;

	pit_write(vm, 0x43, 0x54);	/* channel 1, low, mode 2 */
	pit_write(vm, 0x41, 0x12);
	pit_get(vm, &state);
	KUNIT_EXPECT_EQ(test, 0x12u, state.channel[1].count);
	pit_write(vm, 0x43, 0x6e);	/* high, mode 7 is 3 */
	pit_write(vm, 0x41, 0x12);
	pit_get(vm, &state);
	KUNIT_EXPECT_EQ(test, 0x1200u, state.channel[1].count);
	KUNIT_EXPECT_EQ(test, 3, state.channel[1].mode);
	pit_write(vm, 0x43, 0x71);	/* word, BCD */
	pit_write(vm, 0x41, 0xff);
	pit_write(vm, 0x41, 0xff);
	pit_get(vm, &state);
	KUNIT_EXPECT_LE(test, state.channel[1].count, 10000u);
}

static void channel_0_interrupts(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 2, 0x41);
	program(test_vm(test), 0, 2, 1193);
	msleep(50);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 0));
	test_eoi(test, 0);
	msleep(50);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 0));
	test_eoi(test, 0);
	/* one-shot: mode 4, as a tickless guest programs it */
	program(test_vm(test), 0, 4, 1193);
	msleep(50);
	test_take(test, 0);
	test_eoi(test, 0);
	msleep(20);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static void fast_channel_0_is_slowed(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	/* Reprogramming races with the callback; neither may hang */
	for (i = 0; i < 3000; i++)
		program(vm, 0, i % 6, i % 3 + 1);
	program(vm, 0, 2, 1);
	msleep(20);
	lodge_chips_reset(vm);
	lodge_test_redir(test_vm(test), 2, 0x41);
	msleep(20);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static void refresh_toggles(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 seen = 0, i;

	for (i = 0; i < 1000 && seen != 3; i++) {
		seen |= 1 << !!(pit_read(vm, 0x61) & 0x10);
		udelay(2);
	}
	KUNIT_EXPECT_EQ(test, 3u, seen);
}

static void state_keeps_what_is_left(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_pit_state state;

	pit_write(vm, 0x61, 0);
	program(vm, 2, 0, 1000);
	pit_get(vm, &state);
	state.channel[2].elapsed = 400;
	KUNIT_EXPECT_EQ(test, 0, pit_set(vm, &state));
	KUNIT_EXPECT_EQ(test, 600, read_word(vm, 2));
	state.speaker = 1;
	state.channel[2].gate = 1;
	state.channel[2].elapsed = 0x20000;
	KUNIT_EXPECT_EQ(test, 0, pit_set(vm, &state));
	KUNIT_EXPECT_TRUE(test, pit_read(vm, 0x61) & 0x20);
}

static void any_state_from_any_writes(struct kunit *test)
{
	static const u16 ports[] = { 0x40, 0x41, 0x42, 0x43, 0x61, 0x43 };
	struct lodge_vm *vm = test_vm(test);
	struct lodge_pit_state state;
	u32 seed = 7, i, bad = 0;

	for (i = 0; i < 10000; i++) {
		seed = seed * 1664525 + 1013904223;
		pit_write(vm, ports[(seed >> 8) % 6], seed >> 16);
		pit_read(vm, ports[(seed >> 12) % 6]);
		pit_get(vm, &state);
		/* What the guest can reach userspace can restore */
		if (i % 16 == 0 && pit_set(vm, &state))
			bad++;
	}
	KUNIT_EXPECT_EQ(test, 0u, bad);
}

static void state_is_not_trusted(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_pit_state good, bad;

	pit_get(vm, &good);
#define EXPECT_BAD(field, value) do {					\
		bad = good;						\
		bad.field = (value);					\
		KUNIT_EXPECT_EQ(test, -EINVAL, pit_set(vm, &bad)); \
	} while (0)
	EXPECT_BAD(channel[0].count, 0x10001);
	EXPECT_BAD(channel[0].count, U32_MAX);
	EXPECT_BAD(channel[1].count_latched, 4);
	EXPECT_BAD(channel[1].status_latched, 2);
	EXPECT_BAD(channel[2].read_state, 2);
	EXPECT_BAD(channel[2].write_state, 2);
	EXPECT_BAD(channel[0].rw_mode, 0);
	EXPECT_BAD(channel[0].rw_mode, 4);
	EXPECT_BAD(channel[0].mode, 6);
	EXPECT_BAD(channel[0].bcd, 2);
	EXPECT_BAD(channel[0].gate, 0);
	EXPECT_BAD(channel[2].gate, 1);
	EXPECT_BAD(channel[0].elapsed, U64_MAX);
	EXPECT_BAD(speaker, 0x10);
	EXPECT_BAD(speaker, 1);
	EXPECT_BAD(pad, 1);
#undef EXPECT_BAD
	KUNIT_EXPECT_EQ(test, 0, pit_set(vm, &good));
}

static struct kunit_case pit_cases[] = {
	KUNIT_CASE(counts_down_and_wraps),
	KUNIT_CASE(counts_in_bcd),
	KUNIT_CASE(periodic_modes_reload),
	KUNIT_CASE(output_of_each_mode),
	KUNIT_CASE(output_before_a_count),
	KUNIT_CASE(calibration_by_channel_2),
	KUNIT_CASE(gate_stops_the_count),
	KUNIT_CASE(one_shot_needs_its_trigger),
	KUNIT_CASE(latch_holds_until_read),
	KUNIT_CASE(read_back),
	KUNIT_CASE(single_byte_counts),
	KUNIT_CASE(channel_0_interrupts),
	KUNIT_CASE(fast_channel_0_is_slowed),
	KUNIT_CASE(refresh_toggles),
	KUNIT_CASE(state_keeps_what_is_left),
	KUNIT_CASE(any_state_from_any_writes),
	KUNIT_CASE(state_is_not_trusted),
	{}
};

static struct kunit_suite pit_suite = {
	.name = "lodge_pit",
	.init = lodge_test_machine_init,
	.exit = lodge_test_machine_exit,
	.test_cases = pit_cases,
};

kunit_test_suite(pit_suite);
