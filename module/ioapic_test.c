// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the I/O APIC. */
#include "irqchip_test.h"

static void edge_interrupts_once(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 4, 0x44);
	lodge_ioapic_set_line(vm, 4, true);
	lodge_ioapic_set_line(vm, 4, true);
	KUNIT_EXPECT_EQ(test, 0x44, test_take(test, 0));
	test_eoi(test, 0);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	lodge_ioapic_set_line(vm, 4, false);
	lodge_ioapic_set_line(vm, 4, true);
	KUNIT_EXPECT_EQ(test, 0x44, test_take(test, 0));
}

static void masked_edge_is_lost(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 4, 0x44 | REDIR_MASKED);
	lodge_ioapic_set_line(vm, 4, true);
	lodge_test_redir(vm, 4, 0x44);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static void level_waits_for_eoi(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_TRUE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
	/* raised again before the EOI: no second interrupt yet */
	lodge_ioapic_set_line(vm, 10, false);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	test_eoi(test, 0);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
	lodge_ioapic_set_line(vm, 10, false);
	test_eoi(test, 0);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_FALSE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
}

static void level_is_delivered_when_unmasked(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL | REDIR_MASKED);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
}

static void masked_level_is_not_repeated_by_eoi(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL | REDIR_MASKED);
	test_eoi(test, 0);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static void eoi_register(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	lodge_ioapic_set_line(vm, 10, false);
	lodge_ioapic_write(vm, 0x40, 0x5b);
	KUNIT_EXPECT_TRUE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
	lodge_ioapic_write(vm, 0x40, 0x5a);
	KUNIT_EXPECT_FALSE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
}

/* SVR bit 12: the EOI stays in the local APIC, software tells the I/O APIC. */
static void directed_eoi(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_lapic_write(test_lapic(test, 0), APIC_SPIV, 0x11ff);
	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
	test_eoi(test, 0);
	KUNIT_EXPECT_TRUE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	lodge_ioapic_write(vm, 0x40, 0x5a);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
}

/* Pin 0 is the PIC's: whoever the entry names acknowledges there. */
static void extint_pin(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_lapic_write(test_lapic(test, 0), APIC_LVT0, APIC_LVT_MASKED);
	lodge_pic_write(vm, 0x20, 0x11);
	lodge_pic_write(vm, 0x21, 0x30);
	lodge_pic_write(vm, 0x21, 4);
	lodge_pic_write(vm, 0x21, 1);
	lodge_pic_write(vm, 0x21, 0);
	lodge_test_redir(vm, 0, 2ull << 56 | 0x700);
	lodge_irq_line(vm, 3, true);
	lodge_irq_line(vm, 1, true);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x31, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 2));
	/* the one that was left makes INTR rise again */
	lodge_pic_write(vm, 0x20, 0x20);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 2, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x33, test_take(test, 2));
}

static void pin_reaches_a_set(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	for (i = 0; i < TEST_VCPUS; i++)
		lodge_lapic_write(test_lapic(test, i), APIC_LDR, BIT(i) << 24);
	lodge_test_redir(vm, 14, 0xdull << 56 | 0x886);
	lodge_ioapic_set_line(vm, 14, true);
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, i == 1 ? -1 : 0x86, test_take(test, i));
	/* 0xff is everybody, in physical mode too */
	lodge_test_redir(vm, 15, 0xffull << 56 | 0x97);
	lodge_ioapic_set_line(vm, 15, true);
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0x97, test_take(test, i));
}

static void arbitration_id_follows(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_ioapic_write(vm, 0, 0);
	lodge_ioapic_write(vm, 0x10, 0x05000000);
	lodge_ioapic_write(vm, 0, 2);
	lodge_ioapic_write(vm, 0x10, 0);
	KUNIT_EXPECT_EQ(test, 0x05000000u, lodge_ioapic_read(vm, 0x10));
}

static void edge_and_back_clears_remote_irr(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	lodge_test_redir(vm, 10, 0x5a | REDIR_MASKED);
	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL | REDIR_MASKED);
	KUNIT_EXPECT_FALSE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
}

static void level_that_nobody_took_is_not_in_service(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 63ull << 56 | 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_FALSE(test, lodge_test_redir_read(vm, 10) & REDIR_REMOTE);
	/* a bad vector neither */
	lodge_test_redir(vm, 11, 0x0a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 11, true);
	KUNIT_EXPECT_FALSE(test, lodge_test_redir_read(vm, 11) & REDIR_REMOTE);
}

static void read_only_bits(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 5, U64_MAX);
	KUNIT_EXPECT_EQ(test, 0xff0000000001afffull,
			lodge_test_redir_read(vm, 5));
	lodge_ioapic_write(vm, 0, 0);
	lodge_ioapic_write(vm, 0x10, U32_MAX);
	KUNIT_EXPECT_EQ(test, 0x0f000000u,
			lodge_ioapic_read(vm, 0x10));
	lodge_ioapic_write(vm, 0, 1);
	lodge_ioapic_write(vm, 0x10, U32_MAX);
	KUNIT_EXPECT_EQ(test, 0x170020u,
			lodge_ioapic_read(vm, 0x10));
}

static void every_register_survives(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 index, offset;

	for (index = 0; index < 0x200; index++) {
		lodge_ioapic_write(vm, 0, index);
		KUNIT_EXPECT_EQ(test, index & 0xff, lodge_ioapic_read(vm, 0));
		lodge_ioapic_write(vm, 0x10, U32_MAX);
		lodge_ioapic_read(vm, 0x10);
	}
	for (offset = 1; offset < 0x1000; offset++) {
		lodge_ioapic_write(vm, offset, U32_MAX);
		lodge_ioapic_read(vm, offset);
	}
	lodge_ioapic_write(vm, 0, 0xff);
	KUNIT_EXPECT_EQ(test, 0u, lodge_ioapic_read(vm, 0x10));
}

static void nmi_pin(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	/* level makes no sense for an NMI: an edge */
	lodge_test_redir(vm, 3, 1ull << 56 | 0x400 | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 3, true);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&vm->vcpus[1]->nmi_pending));
	KUNIT_EXPECT_FALSE(test, lodge_test_redir_read(vm, 3) & REDIR_REMOTE);
}

static void state_is_not_trusted(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_ioapic_state good, bad;

	lodge_ioapic_get(vm, &good);
#define EXPECT_BAD(field, value) do {					\
		bad = good;						\
		bad.field = (value);					\
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_ioapic_set(vm, &bad)); \
	} while (0)
	EXPECT_BAD(id, 1);
	EXPECT_BAD(select, 0x100);
	EXPECT_BAD(lines, BIT(24));
	EXPECT_BAD(irr, BIT(31));
	EXPECT_BAD(redir[0], BIT_ULL(12));
	EXPECT_BAD(redir[0], BIT_ULL(17));
	EXPECT_BAD(redir[23], BIT_ULL(55));
	EXPECT_BAD(redir[23], REDIR_REMOTE);
#undef EXPECT_BAD
	lodge_ioapic_get(vm, &bad);
	KUNIT_EXPECT_EQ(test, 0, memcmp(&good, &bad, sizeof(good)));
}

static void state_restores_a_pending_level(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_ioapic_state state;

	lodge_ioapic_get(vm, &state);
	state.lines = BIT(7) | BIT(8);
	state.redir[7] = 0x71 | REDIR_LEVEL;
	state.redir[8] = 0x81 | REDIR_LEVEL | REDIR_REMOTE;
	KUNIT_EXPECT_EQ(test, 0, lodge_ioapic_set(vm, &state));
	KUNIT_EXPECT_EQ(test, 0x71, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static struct kunit_case ioapic_cases[] = {
	KUNIT_CASE(edge_interrupts_once),
	KUNIT_CASE(masked_edge_is_lost),
	KUNIT_CASE(level_waits_for_eoi),
	KUNIT_CASE(level_is_delivered_when_unmasked),
	KUNIT_CASE(masked_level_is_not_repeated_by_eoi),
	KUNIT_CASE(eoi_register),
	KUNIT_CASE(directed_eoi),
	KUNIT_CASE(extint_pin),
	KUNIT_CASE(pin_reaches_a_set),
	KUNIT_CASE(arbitration_id_follows),
	KUNIT_CASE(edge_and_back_clears_remote_irr),
	KUNIT_CASE(level_that_nobody_took_is_not_in_service),
	KUNIT_CASE(read_only_bits),
	KUNIT_CASE(every_register_survives),
	KUNIT_CASE(nmi_pin),
	KUNIT_CASE(state_is_not_trusted),
	KUNIT_CASE(state_restores_a_pending_level),
	{}
};

static struct kunit_suite ioapic_suite = {
	.name = "lodge_ioapic",
	.init = lodge_test_machine_init,
	.exit = lodge_test_machine_exit,
	.test_cases = ioapic_cases,
};

kunit_test_suite(ioapic_suite);
