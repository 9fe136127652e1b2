// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the 8259A pair. */
#include "irqchip_test.h"

/* As every PC does: bases 0x30 and 0x38, everything unmasked. */
static struct lodge_vm *setup(struct kunit *test, u8 icw4)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_pic_write(vm, 0x20, 0x11);
	lodge_pic_write(vm, 0x21, 0x30);
	lodge_pic_write(vm, 0x21, 4);
	lodge_pic_write(vm, 0x21, icw4);
	lodge_pic_write(vm, 0xa0, 0x11);
	lodge_pic_write(vm, 0xa1, 0x38);
	lodge_pic_write(vm, 0xa1, 2);
	lodge_pic_write(vm, 0xa1, icw4);
	lodge_pic_write(vm, 0x21, 0);
	lodge_pic_write(vm, 0xa1, 0);
	return vm;
}

static void pulse(struct lodge_vm *vm, u32 irq)
{
	lodge_pic_set_line(vm, irq, true);
	lodge_pic_set_line(vm, irq, false);
}

static void priorities_nest(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	pulse(vm, 4);
	KUNIT_EXPECT_TRUE(test, vm->chips.pic_output);
	KUNIT_EXPECT_EQ(test, 0x34, lodge_pic_ack(vm));
	pulse(vm, 5);
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
	pulse(vm, 1);
	KUNIT_EXPECT_EQ(test, 0x31, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, 0x35, lodge_pic_ack(vm));
}

static void slave_goes_through_the_cascade(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	pulse(vm, 12);
	pulse(vm, 3);
	KUNIT_EXPECT_EQ(test, 0x3c, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, 4, lodge_pic_read(vm, 0x20));
	lodge_pic_write(vm, 0xa0, 0x20);
	lodge_pic_write(vm, 0x20, 0x62);
	KUNIT_EXPECT_EQ(test, 0x33, lodge_pic_ack(vm));
}

static void masks(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_pic_write(vm, 0x21, 0x04);
	pulse(vm, 9);
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
	lodge_pic_write(vm, 0x21, 0);
	KUNIT_EXPECT_TRUE(test, vm->chips.pic_output);
	lodge_pic_write(vm, 0xa1, 0x02);
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
	KUNIT_EXPECT_EQ(test, 0x02, lodge_pic_read(vm, 0xa1));
}

static void level_follows_the_line(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_pic_write(vm, 0x4d1, 0x04);
	lodge_pic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, 0x3a, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0xa0, 0x20);
	lodge_pic_write(vm, 0x20, 0x20);
	KUNIT_EXPECT_TRUE(test, vm->chips.pic_output);
	lodge_pic_set_line(vm, 10, false);
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
}

static void elcr_keeps_edges_of_isa(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_pic_write(vm, 0x4d0, 0xff);
	lodge_pic_write(vm, 0x4d1, 0xff);
	KUNIT_EXPECT_EQ(test, 0xf8, lodge_pic_read(vm, 0x4d0));
	KUNIT_EXPECT_EQ(test, 0xde, lodge_pic_read(vm, 0x4d1));
}

static void automatic_eoi(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 3);

	pulse(vm, 6);
	pulse(vm, 7);
	KUNIT_EXPECT_EQ(test, 0x36, lodge_pic_ack(vm));
	KUNIT_EXPECT_EQ(test, 0x37, lodge_pic_ack(vm));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
}

static void automatic_eoi_rotates(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 3);

	lodge_pic_write(vm, 0x20, 0x80);
	pulse(vm, 3);
	KUNIT_EXPECT_EQ(test, 0x33, lodge_pic_ack(vm));
	pulse(vm, 3);
	pulse(vm, 4);
	KUNIT_EXPECT_EQ(test, 0x34, lodge_pic_ack(vm));
	KUNIT_EXPECT_EQ(test, 0x33, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0x00);
}

static void rotation_on_eoi(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	pulse(vm, 0);
	KUNIT_EXPECT_EQ(test, 0x30, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0xa0);
	pulse(vm, 0);
	pulse(vm, 1);
	KUNIT_EXPECT_EQ(test, 0x31, lodge_pic_ack(vm));
	/* specific, rotating: 1 becomes the lowest */
	lodge_pic_write(vm, 0x20, 0xe1);
	KUNIT_EXPECT_EQ(test, 0x30, lodge_pic_ack(vm));
}

static void set_priority(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_pic_write(vm, 0x20, 0xc0 | 4);	/* 5 is the highest */
	pulse(vm, 0);
	pulse(vm, 5);
	KUNIT_EXPECT_EQ(test, 0x35, lodge_pic_ack(vm));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
}

static void special_mask(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	pulse(vm, 1);
	KUNIT_EXPECT_EQ(test, 0x31, lodge_pic_ack(vm));
	pulse(vm, 6);
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
	lodge_pic_write(vm, 0x21, 0x02);
	lodge_pic_write(vm, 0x20, 0x68);
	KUNIT_EXPECT_EQ(test, 0x36, lodge_pic_ack(vm));
	/* the non-specific EOI does not see the masked one */
	lodge_pic_write(vm, 0x20, 0x20);
	lodge_pic_write(vm, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, 0x02, lodge_pic_read(vm, 0x20));
}

static void special_fully_nested(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 0x11);

	pulse(vm, 12);
	KUNIT_EXPECT_EQ(test, 0x3c, lodge_pic_ack(vm));
	pulse(vm, 8);
	KUNIT_EXPECT_EQ(test, 0x38, lodge_pic_ack(vm));
}

static void poll(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_pic_write(vm, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_read(vm, 0x20));
	pulse(vm, 5);
	lodge_pic_write(vm, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, 0x85, lodge_pic_read(vm, 0x20));
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_read(vm, 0x21));
}

static void cascade_request_goes_with_its_cause(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	pulse(vm, 9);
	/* A poll of the slave takes its request, the master's goes with it */
	lodge_pic_write(vm, 0xa0, 0x0c);
	KUNIT_EXPECT_EQ(test, 0x81, lodge_pic_read(vm, 0xa0));
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
	/* a request forgotten by the slave's ICW1 is no spurious one either */
	lodge_pic_write(vm, 0xa0, 0x20);
	pulse(vm, 10);
	KUNIT_EXPECT_TRUE(test, vm->chips.pic_output);
	lodge_pic_write(vm, 0xa0, 0x11);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
}

static void init_forgets_edges(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_pic_set_line(vm, 3, true);
	lodge_pic_write(vm, 0x4d0, 0x20);
	lodge_pic_set_line(vm, 5, true);
	setup(test, 1);
	/* the edge on 3 is gone although the line is high; the level on 5 not */
	KUNIT_EXPECT_EQ(test, 0x35, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0x65);
	lodge_pic_set_line(vm, 5, false);
	KUNIT_EXPECT_EQ(test, -1, lodge_pic_ack(vm));
}

static void virtual_wire(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);
	struct lodge_lapic *lapic = test_lapic(test, 0);

	lodge_lapic_write(lapic, APIC_LVT0, 0x700);
	pulse(vm, 4);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_FALSE(test, lodge_has_interrupt(test_vm(test)->vcpus[1]));
	KUNIT_EXPECT_EQ(test, 0x34, test_take(test, 0));
	lodge_pic_write(vm, 0x20, 0x20);
	/* masked: it waits, and comes when unmasked */
	lodge_lapic_write(lapic, APIC_LVT0, 0x10700);
	pulse(vm, 5);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	lodge_lapic_write(lapic, APIC_LVT0, 0x700);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x35, test_take(test, 0));
}

static void lint0_as_plain_interrupt(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);

	lodge_lapic_write(test_lapic(test, 0), APIC_LVT0, 0x77);
	pulse(vm, 0);
	KUNIT_EXPECT_EQ(test, 0x77, test_take(test, 0));
	lodge_lapic_write(test_lapic(test, 0), APIC_LVT0, 0x400);
	KUNIT_EXPECT_EQ(test, 0x30, lodge_pic_ack(vm));
	lodge_pic_write(vm, 0x20, 0x20);
	pulse(vm, 0);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&test_vm(test)->vcpus[0]->nmi_pending));
}

static void no_apic_means_pic(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[0];

	lodge_lapic_write(vcpu->lapic, APIC_LVT0, 0x10700);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, APIC_DEFAULT_PHYS_BASE, false));
	pulse(vm, 1);
	KUNIT_EXPECT_EQ(test, 0x31, test_take(test, 0));
}

static void any_state_from_any_writes(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	struct lodge_pic_state state[2];
	u32 seed = 1, i;

	for (i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		lodge_pic_write(vm, ports[seed % 6], seed >> 16);
		lodge_pic_set_line(vm, seed >> 28, seed & BIT(20));
		lodge_pic_ack(vm);
		lodge_pic_read(vm, ports[(seed >> 8) % 6]);
	}
	/* What the guest can reach userspace can restore */
	memcpy(state, vm->chips.pic, sizeof(state));
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_set(vm, state));
}

static void state_is_not_trusted(struct kunit *test)
{
	struct lodge_vm *vm = setup(test, 1);
	struct lodge_pic_state good[2], bad[2];

	memcpy(good, vm->chips.pic, sizeof(good));
#define EXPECT_BAD(i, field, value) do {				\
		memcpy(bad, good, sizeof(bad));				\
		bad[i].field = (value);					\
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_pic_set(vm, bad)); \
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
	memcpy(bad, vm->chips.pic, sizeof(bad));
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
