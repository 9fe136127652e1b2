// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: local APIC registers, priorities, IPIs, INIT and SIPI. */
#include "irqchip_test.h"

static u32 rd(struct kunit *test, u32 id, u32 index)
{
	return lodge_lapic_read(test_lapic(test, id), index);
}

static void wr(struct kunit *test, u32 id, u32 index, u32 value)
{
	lodge_lapic_write(test_lapic(test, id), index, value);
}

static void ipi(struct kunit *test, u32 from, u8 dest, u32 icr)
{
	wr(test, from, LAPIC_ICR2, dest << 24);
	wr(test, from, LAPIC_ICR, icr);
}

/* The ESR since the last look */
static u32 errors(struct kunit *test, u32 id)
{
	wr(test, id, LAPIC_ESR, 0);
	return rd(test, id, LAPIC_ESR);
}

static void power_up_values(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	lodge_lapic_reset(vm->vcpus[2], false);
	KUNIT_EXPECT_EQ(test, 2u << 24, rd(test, 2, LAPIC_ID));
	KUNIT_EXPECT_EQ(test, 0x50014u, rd(test, 2, LAPIC_VERSION));
	KUNIT_EXPECT_EQ(test, 0xffu, rd(test, 2, LAPIC_SVR));
	KUNIT_EXPECT_EQ(test, U32_MAX, rd(test, 2, LAPIC_DFR));
	KUNIT_EXPECT_EQ(test, 0u, rd(test, 2, LAPIC_LDR));
	for (i = LAPIC_LVT_TIMER; i <= LAPIC_LVT_ERROR; i++)
		KUNIT_EXPECT_EQ(test, 0x10000u, rd(test, 2, i));
	KUNIT_EXPECT_EQ(test, 0xfee00800ull, lodge_lapic_get_base(vm->vcpus[2]));
	KUNIT_EXPECT_EQ(test, 0xfee00900ull, lodge_lapic_get_base(vm->vcpus[0]));
}

static void write_masks(struct kunit *test)
{
	static const struct { u32 index, value; } want[] = {
		{ LAPIC_TPR, 0xff }, { LAPIC_LDR, 0xff000000 },
		{ LAPIC_DFR, U32_MAX }, { LAPIC_SVR, 0x1ff },
		{ LAPIC_ICR2, 0xff000000 }, { LAPIC_TDCR, 0xb },
		{ LAPIC_LVT_TIMER, 0x100ff }, { LAPIC_LVT_THERMAL, 0x107ff },
		{ LAPIC_LVT_PERF, 0x107ff }, { LAPIC_LVT_LINT0, 0x1a7ff },
		{ LAPIC_LVT_LINT1, 0x1a7ff }, { LAPIC_LVT_ERROR, 0x100ff },
		{ LAPIC_ID, 1 << 24 }, { LAPIC_VERSION, 0x50014 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		wr(test, 1, want[i].index, U32_MAX);
		KUNIT_EXPECT_EQ_MSG(test, want[i].value,
				    rd(test, 1, want[i].index), "%#x",
				    want[i].index << 4);
	}
}

static void priorities(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_irq_msi(vm, 0xfee01000, 0x45);
	lodge_irq_msi(vm, 0xfee01000, 0x61);
	KUNIT_EXPECT_EQ(test, BIT(1), (unsigned long)rd(test, 1, LAPIC_IRR + 3));
	KUNIT_EXPECT_EQ(test, 0x61, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0x60u, rd(test, 1, LAPIC_PPR));
	KUNIT_EXPECT_EQ(test, BIT(1), (unsigned long)rd(test, 1, LAPIC_ISR + 3));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	/* same class as what is in service: waits; a higher class nests */
	lodge_irq_msi(vm, 0xfee01000, 0x6f);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	lodge_irq_msi(vm, 0xfee01000, 0x70);
	KUNIT_EXPECT_EQ(test, 0x70, test_take(test, 1));
	test_eoi(test, 1);
	test_eoi(test, 1);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x6f, test_take(test, 1));
	test_eoi(test, 1);
	KUNIT_EXPECT_EQ(test, 0x45, test_take(test, 1));
}

static void task_priority_holds_back(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	lodge_lapic_set_cr8(vcpu, 5);
	KUNIT_EXPECT_EQ(test, 0x50u, rd(test, 1, LAPIC_TPR));
	KUNIT_EXPECT_EQ(test, 5, lodge_lapic_get_cr8(vcpu));
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0x5f);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	wr(test, 1, LAPIC_TPR, 0x4f);
	KUNIT_EXPECT_EQ(test, 0x4fu, rd(test, 1, LAPIC_PPR));
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x5f, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0x50u, rd(test, 1, LAPIC_APR));
}

static void eoi_without_interrupt(struct kunit *test)
{
	test_eoi(test, 0);
	test_eoi(test, 0);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0u, errors(test, 0));
}

static void software_disable(struct kunit *test)
{
	wr(test, 1, LAPIC_LVT_TIMER, 0x40);
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x55);
	wr(test, 1, LAPIC_SVR, 0xff);
	KUNIT_EXPECT_EQ(test, 0x10040u, rd(test, 1, LAPIC_LVT_TIMER));
	wr(test, 1, LAPIC_LVT_TIMER, 0x40);
	KUNIT_EXPECT_EQ(test, 0x10040u, rd(test, 1, LAPIC_LVT_TIMER));
	/* what was accepted stays, nothing new but NMI, INIT, SIPI comes */
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x66);
	KUNIT_EXPECT_EQ(test, 0x55, test_take(test, 1));
	test_eoi(test, 1);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x400);
	KUNIT_EXPECT_EQ(test, 1, test_vm(test)->vcpus[1]->nmi_pending);
}

static void reserved_registers_are_errors(struct kunit *test)
{
	static const u32 reserved[] = { 0, 1, 4, 7, 0x29, 0x2f, 0x3a, 0x3d, 0x3f };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(reserved); i++) {
		KUNIT_EXPECT_EQ(test, 0u, rd(test, 0, reserved[i]));
		KUNIT_EXPECT_EQ(test, 0x80u, errors(test, 0));
		wr(test, 0, reserved[i], U32_MAX);
		KUNIT_EXPECT_EQ(test, 0x80u, errors(test, 0));
	}
	/* read-only and write-only ones are none */
	wr(test, 0, LAPIC_PPR, 1);
	wr(test, 0, LAPIC_TMCCT, 1);
	wr(test, 0, LAPIC_IRR, 1);
	rd(test, 0, LAPIC_EOI);
	KUNIT_EXPECT_EQ(test, 0u, errors(test, 0));
}

static void error_interrupt_ends(struct kunit *test)
{
	wr(test, 0, LAPIC_LVT_ERROR, 0xe0);
	ipi(test, 0, 1, 0x05);
	KUNIT_EXPECT_EQ(test, 0xe0, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x20u, errors(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	/* an error vector that is itself an error must not recurse */
	wr(test, 0, LAPIC_LVT_ERROR, 0x05);
	ipi(test, 0, 1, 0x05);
	KUNIT_EXPECT_EQ(test, 0x60u, errors(test, 0));
}

static void only_aligned_words(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 1);
	u64 value = 1;

	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_write(lapic, 0xfee00080, 4, 0x20));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_write(lapic, 0xfee00080, 1, 0x30));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_write(lapic, 0xfee00080, 8, 0x30));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_write(lapic, 0xfee00084, 4, 0x30));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_read(lapic, 0xfee00080, 4, &value));
	KUNIT_EXPECT_EQ(test, 0x20ull, value);
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_read(lapic, 0xfee00083, 2, &value));
	KUNIT_EXPECT_EQ(test, 0ull, value);
	/* beyond the last register, to the end of the page */
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_read(lapic, 0xfee00400, 4, &value));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_write(lapic, 0xfee00ff0, 4, 1));
	KUNIT_EXPECT_FALSE(test, lodge_lapic_mmio_write(lapic, 0xfee01000, 4, 1));
}

static void base_moves_and_disables(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 value;

	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_base(vcpu, 0xfee00c00));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_base(vcpu, 0xfee00801));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			lodge_lapic_set_base(vcpu, BIT_ULL(36) | 0x800));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xd0000900));
	/* not the boot processor, whatever was written */
	KUNIT_EXPECT_EQ(test, 0xd0000800ull, lodge_lapic_get_base(vcpu));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_read(vcpu->lapic, 0xd0000020,
						      4, &value));
	KUNIT_EXPECT_FALSE(test, lodge_lapic_mmio_read(vcpu->lapic, 0xfee00020,
						       4, &value));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00000));
	KUNIT_EXPECT_FALSE(test, lodge_lapic_mmio_read(vcpu->lapic, 0xfee00020,
						       4, &value));
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0x400);
	KUNIT_EXPECT_EQ(test, 0, vcpu->nmi_pending);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00800));
	KUNIT_EXPECT_EQ(test, 0xffu, rd(test, 1, LAPIC_SVR));
}

static void ipi_physical_and_shorthands(struct kunit *test)
{
	ipi(test, 0, 3, 0x4041);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 3));
	KUNIT_EXPECT_EQ(test, 0x4041u, rd(test, 0, LAPIC_ICR));
	ipi(test, 0, 0, 0x44042);	/* self */
	KUNIT_EXPECT_EQ(test, 0x42, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	ipi(test, 0, 0, 0x84053);	/* all */
	KUNIT_EXPECT_EQ(test, 0x53, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x53, test_take(test, 2));
	ipi(test, 1, 0, 0xc4064);	/* all but self */
	KUNIT_EXPECT_EQ(test, 0x64, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x64, test_take(test, 3));
	KUNIT_EXPECT_EQ(test, 0x53, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	ipi(test, 0, 200, 0x4041);	/* nobody */
}

static void ipi_logical_flat(struct kunit *test)
{
	u32 i;

	for (i = 0; i < TEST_VCPUS; i++)
		wr(test, i, LAPIC_LDR, BIT(i) << 24);
	ipi(test, 0, 0x0a, 0x4841);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 3));
	ipi(test, 0, 0, 0x4842);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	ipi(test, 0, 0xff, 0x4855);
	KUNIT_EXPECT_EQ(test, 0x55, test_take(test, 0));
}

static void ipi_logical_cluster(struct kunit *test)
{
	u32 i;

	/* cluster 0: members 1 and 2; cluster 3: members 1 and 2 */
	for (i = 0; i < TEST_VCPUS; i++) {
		wr(test, i, LAPIC_DFR, 0);
		wr(test, i, LAPIC_LDR, (i / 2 * 0x30 | BIT(i % 2)) << 24);
	}
	ipi(test, 0, 0x32, 0x4841);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 3));
	ipi(test, 0, 0xf1, 0x4842);	/* first of every cluster */
	KUNIT_EXPECT_EQ(test, 0x42, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x42, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	/* a DFR that is neither matches nothing */
	wr(test, 1, LAPIC_DFR, 0x50000000);
	ipi(test, 0, 0x02, 0x4842);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void lowest_priority_skips_the_deaf(struct kunit *test)
{
	u32 i;

	for (i = 0; i < TEST_VCPUS; i++)
		wr(test, i, LAPIC_LDR, BIT(i) << 24);
	wr(test, 0, LAPIC_SVR, 0xff);
	wr(test, 1, LAPIC_TPR, 0x20);
	ipi(test, 3, 0x07, 0x4941);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void nmi_ipi(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	ipi(test, 0, 0, 0xc4400);
	KUNIT_EXPECT_EQ(test, 0, vm->vcpus[0]->nmi_pending);
	for (i = 1; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 1, vm->vcpus[i]->nmi_pending);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_EVENT));
}

static void init_then_sipi(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 1);

	ipi(test, 0, 1, 0xc500);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_MP));
	ipi(test, 0, 1, 0x8500);	/* de-assert: nothing */
	ipi(test, 0, 1, 0x4699);
	KUNIT_EXPECT_TRUE(test, lodge_lapic_take_init(lapic));
	KUNIT_EXPECT_FALSE(test, lodge_lapic_take_init(lapic));
	/* the reset that INIT does keeps the SIPI that came after it */
	lodge_lapic_reset(test_vm(test)->vcpus[1], true);
	KUNIT_EXPECT_EQ(test, 0x99, lodge_lapic_take_sipi(lapic));
	KUNIT_EXPECT_EQ(test, -1, lodge_lapic_take_sipi(lapic));
}

static void init_voids_an_earlier_sipi(struct kunit *test)
{
	ipi(test, 0, 1, 0x4699);
	ipi(test, 0, 1, 0x4500);
	KUNIT_EXPECT_TRUE(test, lodge_lapic_take_init(test_lapic(test, 1)));
	KUNIT_EXPECT_EQ(test, -1, lodge_lapic_take_sipi(test_lapic(test, 1)));
}

static void init_not_to_oneself(struct kunit *test)
{
	u32 i;

	ipi(test, 0, 0, 0x44500);
	ipi(test, 0, 0, 0x84500);
	ipi(test, 0, 0, 0x84610);
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0ul, test_lapic(test, i)->pending);
	ipi(test, 0, 0, 0xc4500);
	KUNIT_EXPECT_EQ(test, 0ul, test_lapic(test, 0)->pending);
	KUNIT_EXPECT_TRUE(test, lodge_lapic_take_init(test_lapic(test, 3)));
}

static void trigger_mode_register(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm->chips.ioapic, 10, true);
	KUNIT_EXPECT_EQ(test, BIT(26), (unsigned long)rd(test, 0, LAPIC_TMR + 2));
	lodge_irq_msi(vm, 0xfee00000, 0x5a);
	KUNIT_EXPECT_EQ(test, 0u, rd(test, 0, LAPIC_TMR + 2));
}

static void every_write_survives(struct kunit *test)
{
	u32 seed = 3, i;
	u8 *page = kunit_kzalloc(test, 1024, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < 20000; i++) {
		u32 from;

		seed = seed * 1664525 + 1013904223;
		from = (seed >> 28) % TEST_VCPUS;
		wr(test, from, (seed >> 8) % LAPIC_REGS,
		   seed * 2654435761u ^ seed >> 7);
		rd(test, from, (seed >> 16) % LAPIC_REGS);
		test_take(test, from);
	}
	/* What the guest can reach userspace can restore */
	for (i = 0; i < TEST_VCPUS; i++) {
		lodge_lapic_get_state(test_vm(test)->vcpus[i], page);
		KUNIT_EXPECT_EQ(test, 0,
				lodge_lapic_set_state(test_vm(test)->vcpus[i], page));
	}
}

static void state_round_trips(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u8 *a = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u8 *b = kunit_kzalloc(test, 1024, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0xf1);
	KUNIT_EXPECT_EQ(test, 0xf1, test_take(test, 1));
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0x41);
	rd(test, 1, 0x3f);
	wr(test, 1, LAPIC_TPR, 0x20);
	lodge_lapic_get_state(vcpu, a);
	lodge_lapic_reset(vcpu, false);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_state(vcpu, a));
	lodge_lapic_get_state(vcpu, b);
	KUNIT_EXPECT_EQ(test, 0, memcmp(a, b, 1024));
	test_eoi(test, 1);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0x80u, errors(test, 1));
}

static void state_is_not_trusted(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	static const struct { u32 index, value; } bad[] = {
		{ LAPIC_ID, 0 }, { LAPIC_VERSION, 0 }, { LAPIC_TPR, 0x100 },
		{ LAPIC_EOI, 1 }, { LAPIC_LDR, 1 }, { LAPIC_DFR, 0 },
		{ LAPIC_SVR, 0x200 }, { LAPIC_ISR, 1 }, { LAPIC_IRR, 0x8000 },
		{ LAPIC_TMR, 2 }, { LAPIC_ESR, 0x100 }, { LAPIC_ICR, 0x1000 },
		{ LAPIC_ICR2, 1 }, { LAPIC_LVT_TIMER, 0x60000 },
		{ LAPIC_LVT_LINT0, 0x20000 }, { LAPIC_LVT_ERROR, 0x100 },
		{ LAPIC_TMCCT, 1 }, { LAPIC_TDCR, 4 }, { 0, 1 }, { 0x3f, 1 },
	};
	u8 *page = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		lodge_lapic_get_state(vcpu, page);
		memcpy(page + bad[i].index * 16, &bad[i].value, 4);
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    lodge_lapic_set_state(vcpu, page), "%#x",
				    bad[i].index << 4);
	}
	lodge_lapic_get_state(vcpu, page);
	page[1023] = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_state(vcpu, page));
}

static struct kunit_case lapic_cases[] = {
	KUNIT_CASE(power_up_values),
	KUNIT_CASE(write_masks),
	KUNIT_CASE(priorities),
	KUNIT_CASE(task_priority_holds_back),
	KUNIT_CASE(eoi_without_interrupt),
	KUNIT_CASE(software_disable),
	KUNIT_CASE(reserved_registers_are_errors),
	KUNIT_CASE(error_interrupt_ends),
	KUNIT_CASE(only_aligned_words),
	KUNIT_CASE(base_moves_and_disables),
	KUNIT_CASE(ipi_physical_and_shorthands),
	KUNIT_CASE(ipi_logical_flat),
	KUNIT_CASE(ipi_logical_cluster),
	KUNIT_CASE(lowest_priority_skips_the_deaf),
	KUNIT_CASE(nmi_ipi),
	KUNIT_CASE(init_then_sipi),
	KUNIT_CASE(init_voids_an_earlier_sipi),
	KUNIT_CASE(init_not_to_oneself),
	KUNIT_CASE(trigger_mode_register),
	KUNIT_CASE(every_write_survives),
	KUNIT_CASE(state_round_trips),
	KUNIT_CASE(state_is_not_trusted),
	{}
};

static struct kunit_suite lapic_suite = {
	.name = "lodge_lapic",
	.init = lodge_test_machine_init,
	.exit = lodge_test_machine_exit,
	.test_cases = lapic_cases,
};

kunit_test_suite(lapic_suite);
