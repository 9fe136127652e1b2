// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: routing of lines and messages, ports and addresses, chip state. */
#include "cpu_test.h"
#include "irqchip_test.h"

int lodge_test_machine_init(struct kunit *test)
{
	struct lodge_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	struct lodge_vcpu *vcpu;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, vm);
	test->priv = vm;
	vm->tsc_khz = tsc_khz;
	lodge_chips_create(vm);
	KUNIT_ASSERT_EQ(test, 0, lodge_regions_create(vm));
	for (i = 0; i < TEST_VCPUS; i++) {
		vcpu = fake_vcpu(test);
		vcpu->vm = vm;
		vcpu->id = i;
		give(vcpu, X86_FEATURE_X2APIC);
		give(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
		KUNIT_ASSERT_EQ(test, 0, lodge_lapic_create(vcpu));
		vm->vcpus[i] = vcpu;
		lodge_lapic_write(vcpu->lapic, APIC_SPIV, APIC_SPIV_APIC_ENABLED | 0xff);
		vcpu->requests = 0;
	}
	return 0;
}

void lodge_test_machine_exit(struct kunit *test)
{
	struct lodge_vm *vm = test->priv;
	u32 i;

	if (!vm)
		return;
	lodge_pit_destroy(vm);
	for (i = 0; i < TEST_VCPUS && vm->vcpus[i]; i++)
		lodge_lapic_destroy(vm->vcpus[i]);
	if (vm->regions)
		lodge_regions_destroy(vm);
}

void lodge_test_redir(struct lodge_vm *vm, u32 pin, u64 entry)
{
	lodge_ioapic_write(vm, 0, 0x11 + 2 * pin);
	lodge_ioapic_write(vm, 0x10, entry >> 32);
	lodge_ioapic_write(vm, 0, 0x10 + 2 * pin);
	lodge_ioapic_write(vm, 0x10, entry);
}

u64 lodge_test_redir_read(struct lodge_vm *vm, u32 pin)
{
	u64 low;

	lodge_ioapic_write(vm, 0, 0x10 + 2 * pin);
	low = lodge_ioapic_read(vm, 0x10);
	lodge_ioapic_write(vm, 0, 0x11 + 2 * pin);
	return low | (u64)lodge_ioapic_read(vm, 0x10) << 32;
}

static void timer_line_is_pin_2(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 2, 0x41);
	KUNIT_EXPECT_EQ(test, 0, lodge_irq_line(vm, 0, true));
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static void cascade_line_leads_nowhere(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 2, 0x41);
	KUNIT_EXPECT_EQ(test, 0, lodge_irq_line(vm, 2, true));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0, lodge_pic_read(vm, 0x20));
}

static void line_reaches_both_chips(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 9, 0x51);
	lodge_irq_line(vm, 9, true);
	KUNIT_EXPECT_EQ(test, 2, lodge_pic_read(vm, 0xa0));
	KUNIT_EXPECT_EQ(test, 0x51, test_take(test, 0));
}

static void no_such_line(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_ioapic_state state;

	KUNIT_EXPECT_EQ(test, 0, lodge_irq_line(vm, 23, true));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_line(vm, 24, true));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_line(vm, U32_MAX, true));
	lodge_ioapic_get(vm, &state);
	KUNIT_EXPECT_EQ(test, BIT(23), (unsigned long)state.lines);
}

static void msi_physical(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	KUNIT_EXPECT_EQ(test, 0, lodge_irq_msi(vm, 0xfee02000, 0x45));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x45, test_take(test, 2));
	/* nobody there */
	KUNIT_EXPECT_EQ(test, 0, lodge_irq_msi(vm, 0xfee3f000, 0x45));
	KUNIT_EXPECT_EQ(test, 0, lodge_irq_msi(vm, 0xfeefe000, 0x45));
}

static void msi_broadcast(struct kunit *test)
{
	u32 i;

	lodge_irq_msi(test_vm(test), 0xfeeff000, 0x46);
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0x46, test_take(test, i));
}

static void msi_bad_address(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_msi(vm, 0xfec00000, 0x45));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_msi(vm, 0xfef00000, 0x45));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_msi(vm, 0, 0x45));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_msi(vm, 0x1fee00000, 0x45));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_irq_msi(vm, U64_MAX, 0x45));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
}

static void msi_bad_vector_is_the_receivers_error(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 1);

	lodge_lapic_write(lapic, APIC_LVTERR, 0xfe);
	KUNIT_EXPECT_EQ(test, 0, lodge_irq_msi(test_vm(test), 0xfee01000, 15));
	KUNIT_EXPECT_EQ(test, 0xfe, test_take(test, 1));
	lodge_lapic_write(lapic, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, 0x40u, lodge_lapic_read(lapic, APIC_ESR));
}

static void msi_hint_picks_the_least_busy(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	for (i = 0; i < TEST_VCPUS; i++) {
		lodge_lapic_write(test_lapic(test, i), APIC_LDR, BIT(i) << 24);
		lodge_lapic_write(test_lapic(test, i), APIC_TASKPRI, 0x40 - 0x10 * i);
	}
	/* logical, hint, to 0, 1 and 2 */
	lodge_irq_msi(vm, 0xfee0700c, 0x61);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 3));
	KUNIT_EXPECT_EQ(test, 0x61, test_take(test, 2));
}

static void msi_odd_modes_do_nothing(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_irq_msi(vm, 0xfee01000, 0x245);	/* SMI */
	lodge_irq_msi(vm, 0xfee01000, 0x345);	/* reserved */
	lodge_irq_msi(vm, 0xfee01000, 0x645);	/* SIPI */
	lodge_irq_msi(vm, 0xfee01000, 0x8045);	/* level, de-asserted */
	KUNIT_EXPECT_EQ(test, 0ul, vm->vcpus[1]->requests);
	KUNIT_EXPECT_EQ(test, 0ul, test_lapic(test, 1)->pending);
}

static void ports_are_claimed(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[0];
	u32 port, claimed = 0;
	u64 value;

	for (port = 0; port <= 0xffff; port++)
		claimed += test_in(vcpu, port, 1, &value);
	KUNIT_EXPECT_EQ(test, 11u, claimed);
	KUNIT_EXPECT_FALSE(test, test_in(vcpu, 0x1f, 4, &value));
	KUNIT_EXPECT_FALSE(test, test_out(vcpu, 0xffff, 4, 0));
}

static void wide_port_accesses_are_split(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[0];
	u64 value;

	/* ICW1 and ICW2 by one OUT */
	KUNIT_EXPECT_TRUE(test, test_out(vcpu, 0x20, 2, 0x3011));
	test_out(vcpu, 0x21, 1, 4);
	test_out(vcpu, 0x21, 1, 1);
	test_out(vcpu, 0x21, 2, 0x12ab);
	KUNIT_EXPECT_TRUE(test, test_in(vcpu, 0x21, 4, &value));
	KUNIT_EXPECT_EQ(test, 0xffffffabull, value);
	KUNIT_EXPECT_TRUE(test, test_in(vcpu, 0x21, 255, &value));
}

static void addresses_are_claimed(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 value;

	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xfee00020, 4, &value));
	KUNIT_EXPECT_EQ(test, 1ull << 24, value);
	KUNIT_EXPECT_TRUE(test, test_store(vcpu, 0xfec00000, 1, 1));
	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xfec00010, 4, &value));
	KUNIT_EXPECT_EQ(test, 0x170020ull, value);
	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xfec00010, 8, &value));
	KUNIT_EXPECT_EQ(test, 0ull, value);
	KUNIT_EXPECT_FALSE(test, test_load(vcpu, 0xfec01000, 4, &value));
	KUNIT_EXPECT_FALSE(test, test_load(vcpu, 0xfee01000, 4, &value));
	KUNIT_EXPECT_FALSE(test, test_store(vcpu, 0x1fee00000, 4, 0));
	KUNIT_EXPECT_FALSE(test, test_store(vcpu, U64_MAX, 8, 0));
}

static void chip_state_round_trips(struct kunit *test)
{
	struct lodge_chip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, chip);
	for (i = LODGE_CHIP_PIC; i <= LODGE_CHIP_PIT; i++) {
		chip->chip = i;
		memset(chip->data, 0xa5, sizeof(chip->data));
		KUNIT_EXPECT_EQ(test, 0, lodge_chip_get(vm, chip));
		KUNIT_EXPECT_EQ(test, 0, chip->data[511]);
		KUNIT_EXPECT_EQ(test, 0, lodge_chip_set(vm, chip));
	}
}

static void chip_state_is_not_trusted(struct kunit *test)
{
	struct lodge_chip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, chip);
	for (i = LODGE_CHIP_PIC; i <= LODGE_CHIP_PIT + 1; i++) {
		chip->chip = i;
		memset(chip->data, 0xff, sizeof(chip->data));
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_chip_set(vm, chip));
	}
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_chip_get(vm, chip));
	chip->chip = U32_MAX;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_chip_get(vm, chip));
	chip->chip = LODGE_CHIP_PIC;
	KUNIT_EXPECT_EQ(test, 0, lodge_chip_get(vm, chip));
	chip->data[511] = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_chip_set(vm, chip));
	chip->data[511] = 0;
	chip->pad = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_chip_set(vm, chip));
}

static void reset_keeps_the_lines(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_ioapic_state state;

	lodge_test_redir(vm, 10, 0x41 | REDIR_LEVEL);
	lodge_irq_line(vm, 10, true);
	lodge_chips_reset(vm);
	lodge_ioapic_get(vm, &state);
	KUNIT_EXPECT_EQ(test, BIT(10), (unsigned long)state.lines);
	KUNIT_EXPECT_EQ(test, REDIR_MASKED, state.redir[10]);
	KUNIT_EXPECT_FALSE(test, vm->chips.pic_output);
}

static struct kunit_case irq_cases[] = {
	KUNIT_CASE(timer_line_is_pin_2),
	KUNIT_CASE(cascade_line_leads_nowhere),
	KUNIT_CASE(line_reaches_both_chips),
	KUNIT_CASE(no_such_line),
	KUNIT_CASE(msi_physical),
	KUNIT_CASE(msi_broadcast),
	KUNIT_CASE(msi_bad_address),
	KUNIT_CASE(msi_bad_vector_is_the_receivers_error),
	KUNIT_CASE(msi_hint_picks_the_least_busy),
	KUNIT_CASE(msi_odd_modes_do_nothing),
	KUNIT_CASE(ports_are_claimed),
	KUNIT_CASE(wide_port_accesses_are_split),
	KUNIT_CASE(addresses_are_claimed),
	KUNIT_CASE(chip_state_round_trips),
	KUNIT_CASE(chip_state_is_not_trusted),
	KUNIT_CASE(reset_keeps_the_lines),
	{}
};

static struct kunit_suite irq_suite = {
	.name = "lodge_irq",
	.init = lodge_test_machine_init,
	.exit = lodge_test_machine_exit,
	.test_cases = irq_cases,
};

kunit_test_suite(irq_suite);
