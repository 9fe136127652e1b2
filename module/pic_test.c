// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the 8259A pair. */
#include "irqchip_test.h"

/* As every PC does: bases 0x30 and 0x38, everything unmasked. */
static struct lodge_pic *setup(struct kunit *test, u8 icw4)
{
	struct lodge_pic *pic = test_vm(test)->chips.pic;

	lodge_pic_write(pic, 0x20, 0x11);
	lodge_pic_write(pic, 0x21, 0x30);
	lodge_pic_write(pic, 0x21, 4);
	lodge_pic_write(pic, 0x21, icw4);
	lodge_pic_write(pic, 0xa0, 0x11);
	lodge_pic_write(pic, 0xa1, 0x38);
	lodge_pic_write(pic, 0xa1, 2);
	lodge_pic_write(pic, 0xa1, icw4);
	lodge_pic_write(pic, 0x21, 0);
	lodge_pic_write(pic, 0xa1, 0);
	return pic;
}

static void pulse(struct lodge_pic *pic, u32 irq)
{
	lodge_pic_set_line(pic, irq, true);
	lodge_pic_set_line(pic, irq, false);
}

static void priorities_nest(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	pulse(pic, 4);
	KUNIT_EXPECT_TRUE(test, lodge_pic_output(pic));
	KUNIT_EXPECT_EQ(test, 0x34, lodge_pic_ack(pic));
	pulse(pic, 5);
	KUNIT_EXPECT_FALSE(test, lodge_pic_output(pic));
	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, 0x31, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, 0x35, lodge_pic_ack(pic));
}

static void slave_goes_through_the_cascade(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	pulse(pic, 12);
	pulse(pic, 3);
	KUNIT_EXPECT_EQ(test, 0x3c, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, 4, lodge_pic_read(pic, 0x20));
	lodge_pic_write(pic, 0xa0, 0x20);
	lodge_pic_write(pic, 0x20, 0x62);
	KUNIT_EXPECT_EQ(test, 0x33, lodge_pic_ack(pic));
}

static void masks(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_pic_write(pic, 0x21, 0x04);
	pulse(pic, 9);
	KUNIT_EXPECT_FALSE(test, lodge_pic_output(pic));
	lodge_pic_write(pic, 0x21, 0);
	KUNIT_EXPECT_TRUE(test, lodge_pic_output(pic));
	lodge_pic_write(pic, 0xa1, 0x02);
	KUNIT_EXPECT_FALSE(test, lodge_pic_output(pic));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
	KUNIT_EXPECT_EQ(test, 0x02, lodge_pic_read(pic, 0xa1));
}

static void level_follows_the_line(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_pic_write(pic, 0x4d1, 0x04);
	lodge_pic_set_line(pic, 10, true);
	KUNIT_EXPECT_EQ(test, 0x3a, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0xa0, 0x20);
	lodge_pic_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_TRUE(test, lodge_pic_output(pic));
	lodge_pic_set_line(pic, 10, false);
	KUNIT_EXPECT_FALSE(test, lodge_pic_output(pic));
}

static void elcr_keeps_edges_of_isa(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_pic_write(pic, 0x4d0, 0xff);
	lodge_pic_write(pic, 0x4d1, 0xff);
	KUNIT_EXPECT_EQ(test, 0xf8, lodge_pic_read(pic, 0x4d0));
	KUNIT_EXPECT_EQ(test, 0xde, lodge_pic_read(pic, 0x4d1));
}

static void automatic_eoi(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 3);

	pulse(pic, 6);
	pulse(pic, 7);
	KUNIT_EXPECT_EQ(test, 0x36, lodge_pic_ack(pic));
	KUNIT_EXPECT_EQ(test, 0x37, lodge_pic_ack(pic));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
}

static void automatic_eoi_rotates(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 3);

	lodge_pic_write(pic, 0x20, 0x80);
	pulse(pic, 3);
	KUNIT_EXPECT_EQ(test, 0x33, lodge_pic_ack(pic));
	pulse(pic, 3);
	pulse(pic, 4);
	KUNIT_EXPECT_EQ(test, 0x34, lodge_pic_ack(pic));
	KUNIT_EXPECT_EQ(test, 0x33, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0x00);
}

static void rotation_on_eoi(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	pulse(pic, 0);
	KUNIT_EXPECT_EQ(test, 0x30, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0xa0);
	pulse(pic, 0);
	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, 0x31, lodge_pic_ack(pic));
	/* specific, rotating: 1 becomes the lowest */
	lodge_pic_write(pic, 0x20, 0xe1);
	KUNIT_EXPECT_EQ(test, 0x30, lodge_pic_ack(pic));
}

static void set_priority(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_pic_write(pic, 0x20, 0xc0 | 4);	/* 5 is the highest */
	pulse(pic, 0);
	pulse(pic, 5);
	KUNIT_EXPECT_EQ(test, 0x35, lodge_pic_ack(pic));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
}

static void special_mask(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, 0x31, lodge_pic_ack(pic));
	pulse(pic, 6);
	KUNIT_EXPECT_FALSE(test, lodge_pic_output(pic));
	lodge_pic_write(pic, 0x21, 0x02);
	lodge_pic_write(pic, 0x20, 0x68);
	KUNIT_EXPECT_EQ(test, 0x36, lodge_pic_ack(pic));
	/* the non-specific EOI does not see the masked one */
	lodge_pic_write(pic, 0x20, 0x20);
	lodge_pic_write(pic, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, 0x02, lodge_pic_read(pic, 0x20));
}

static void special_fully_nested(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 0x11);

	pulse(pic, 12);
	KUNIT_EXPECT_EQ(test, 0x3c, lodge_pic_ack(pic));
	pulse(pic, 8);
	KUNIT_EXPECT_EQ(test, 0x38, lodge_pic_ack(pic));
}

static void poll(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_pic_write(pic, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_read(pic, 0x20));
	pulse(pic, 5);
	lodge_pic_write(pic, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, 0x85, lodge_pic_read(pic, 0x20));
	KUNIT_EXPECT_FALSE(test, lodge_pic_output(pic));
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_read(pic, 0x21));
}

static void cascade_request_goes_with_its_cause(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	pulse(pic, 9);
	/* A poll of the slave takes its request, the master's goes with it */
	lodge_pic_write(pic, 0xa0, 0x0c);
	KUNIT_EXPECT_EQ(test, 0x81, lodge_pic_read(pic, 0xa0));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
	/* a request forgotten by the slave's ICW1 is no spurious one either */
	lodge_pic_write(pic, 0xa0, 0x20);
	pulse(pic, 10);
	KUNIT_EXPECT_TRUE(test, lodge_pic_output(pic));
	lodge_pic_write(pic, 0xa0, 0x11);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
}

static void init_forgets_edges(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_pic_set_line(pic, 3, true);
	lodge_pic_write(pic, 0x4d0, 0x20);
	lodge_pic_set_line(pic, 5, true);
	setup(test, 1);
	/* the edge on 3 is gone although the line is high; the level on 5 not */
	KUNIT_EXPECT_EQ(test, 0x35, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0x65);
	lodge_pic_set_line(pic, 5, false);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(pic));
}

static void virtual_wire(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);
	struct lodge_lapic *lapic = test_lapic(test, 0);

	lodge_lapic_write(lapic, LAPIC_LVT_LINT0, 0x700);
	pulse(pic, 4);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_FALSE(test, lodge_has_interrupt(test_vm(test)->vcpus[1]));
	KUNIT_EXPECT_EQ(test, 0x34, test_take(test, 0));
	lodge_pic_write(pic, 0x20, 0x20);
	/* masked: it waits, and comes when unmasked */
	lodge_lapic_write(lapic, LAPIC_LVT_LINT0, 0x10700);
	pulse(pic, 5);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	lodge_lapic_write(lapic, LAPIC_LVT_LINT0, 0x700);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x35, test_take(test, 0));
}

static void lint0_as_plain_interrupt(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);

	lodge_lapic_write(test_lapic(test, 0), LAPIC_LVT_LINT0, 0x77);
	pulse(pic, 0);
	KUNIT_EXPECT_EQ(test, 0x77, test_take(test, 0));
	lodge_lapic_write(test_lapic(test, 0), LAPIC_LVT_LINT0, 0x400);
	KUNIT_EXPECT_EQ(test, 0x30, lodge_pic_ack(pic));
	lodge_pic_write(pic, 0x20, 0x20);
	pulse(pic, 0);
	KUNIT_EXPECT_EQ(test, 1, test_vm(test)->vcpus[0]->nmi_pending);
}

static void no_apic_means_pic(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[0];

	lodge_lapic_write(vcpu->lapic, LAPIC_LVT_LINT0, 0x10700);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, LODGE_APIC_BASE));
	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, 0x31, test_take(test, 0));
}

static void any_state_from_any_writes(struct kunit *test)
{
	struct lodge_pic *pic = test_vm(test)->chips.pic;
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	struct lodge_pic_state state[2];
	u32 seed = 1, i;

	for (i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		lodge_pic_write(pic, ports[seed % 6], seed >> 16);
		lodge_pic_set_line(pic, seed >> 28, seed & BIT(20));
		lodge_pic_ack(pic);
		lodge_pic_read(pic, ports[(seed >> 8) % 6]);
	}
	/* What the guest can reach userspace can restore */
	lodge_pic_get(pic, state);
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_set(pic, state));
}

static void state_is_not_trusted(struct kunit *test)
{
	struct lodge_pic *pic = setup(test, 1);
	struct lodge_pic_state good[2], bad[2];

	lodge_pic_get(pic, good);
#define EXPECT_BAD(i, field, value) do {				\
		memcpy(bad, good, sizeof(bad));				\
		bad[i].field = (value);					\
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_pic_set(pic, bad)); \
	} while (0)
	EXPECT_BAD(0, base, 0x31);
	EXPECT_BAD(0, elcr, 0x04);
	EXPECT_BAD(1, elcr, 0x01);
	EXPECT_BAD(0, init_step, 4);
	EXPECT_BAD(1, icw4_needed, 2);
	EXPECT_BAD(0, auto_eoi, 2);
	EXPECT_BAD(0, rotate_auto_eoi, 2);
	EXPECT_BAD(0, special_mask, 2);
	EXPECT_BAD(0, special_fully_nested, 2);
	EXPECT_BAD(0, read_isr, 2);
	EXPECT_BAD(0, poll, 2);
	EXPECT_BAD(1, priority, 8);
	EXPECT_BAD(1, pad, 1);
#undef EXPECT_BAD
	lodge_pic_get(pic, bad);
	KUNIT_EXPECT_EQ(test, 0, memcmp(good, bad, sizeof(good)));
}

static struct kunit_case pic_cases[] = {
	KUNIT_CASE(priorities_nest),
	KUNIT_CASE(slave_goes_through_the_cascade),
	KUNIT_CASE(masks),
	KUNIT_CASE(level_follows_the_line),
	KUNIT_CASE(elcr_keeps_edges_of_isa),
	KUNIT_CASE(automatic_eoi),
	KUNIT_CASE(automatic_eoi_rotates),
	KUNIT_CASE(rotation_on_eoi),
	KUNIT_CASE(set_priority),
	KUNIT_CASE(special_mask),
	KUNIT_CASE(special_fully_nested),
	KUNIT_CASE(poll),
	KUNIT_CASE(cascade_request_goes_with_its_cause),
	KUNIT_CASE(init_forgets_edges),
	KUNIT_CASE(virtual_wire),
	KUNIT_CASE(lint0_as_plain_interrupt),
	KUNIT_CASE(no_apic_means_pic),
	KUNIT_CASE(any_state_from_any_writes),
	KUNIT_CASE(state_is_not_trusted),
	{}
};

static struct kunit_suite pic_suite = {
	.name = "lodge_pic",
	.init = lodge_test_machine_init,
	.exit = lodge_test_machine_exit,
	.test_cases = pic_cases,
};

kunit_test_suite(pic_suite);
