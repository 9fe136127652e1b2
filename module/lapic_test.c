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
	wr(test, from, APIC_ICR2, dest << 24);
	wr(test, from, APIC_ICR, icr);
}

/* The ESR since the last look */
static u32 errors(struct kunit *test, u32 id)
{
	wr(test, id, APIC_ESR, 0);
	return rd(test, id, APIC_ESR);
}

static void power_up_values(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	lodge_lapic_reset(vm->vcpus[2], false);
	KUNIT_EXPECT_EQ(test, 2u << 24, rd(test, 2, APIC_ID));
	KUNIT_EXPECT_EQ(test, 0x1050014u, rd(test, 2, APIC_LVR));
	KUNIT_EXPECT_EQ(test, 0xffu, rd(test, 2, APIC_SPIV));
	KUNIT_EXPECT_EQ(test, U32_MAX, rd(test, 2, APIC_DFR));
	KUNIT_EXPECT_EQ(test, 0u, rd(test, 2, APIC_LDR));
	for (i = APIC_LVTT; i <= APIC_LVTERR; i += 16)
		KUNIT_EXPECT_EQ(test, 0x10000u, rd(test, 2, i));
	KUNIT_EXPECT_EQ(test, 0xfee00800ull, lodge_lapic_get_base(vm->vcpus[2]));
	KUNIT_EXPECT_EQ(test, 0xfee00900ull, lodge_lapic_get_base(vm->vcpus[0]));
}

static void write_masks(struct kunit *test)
{
	static const struct { u32 index, value; } want[] = {
		{ APIC_TASKPRI, 0xff }, { APIC_LDR, 0xff000000 },
		{ APIC_DFR, U32_MAX }, { APIC_SPIV, 0x13ff },
		{ APIC_ICR2, 0xff000000 }, { APIC_TDCR, 0xb },
		{ APIC_LVTT, 0x100ff }, { APIC_LVTTHMR, 0x107ff },
		{ APIC_LVTPC, 0x107ff }, { APIC_LVT0, 0x1a7ff },
		{ APIC_LVT1, 0x1a7ff }, { APIC_LVTERR, 0x100ff },
		{ APIC_ID, 1 << 24 }, { APIC_LVR, 0x1050014 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		wr(test, 1, want[i].index, U32_MAX);
		KUNIT_EXPECT_EQ_MSG(test, want[i].value,
				    rd(test, 1, want[i].index), "%#x",
				    want[i].index);
	}
}

static void priorities(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_irq_msi(vm, 0xfee01000, 0x45);
	lodge_irq_msi(vm, 0xfee01000, 0x61);
	KUNIT_EXPECT_EQ(test, BIT(1), (unsigned long)rd(test, 1, APIC_IRR + 0x30));
	KUNIT_EXPECT_EQ(test, 0x61, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0x60u, rd(test, 1, APIC_PROCPRI));
	KUNIT_EXPECT_EQ(test, BIT(1), (unsigned long)rd(test, 1, APIC_ISR + 0x30));
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
	KUNIT_EXPECT_EQ(test, 0x50u, rd(test, 1, APIC_TASKPRI));
	KUNIT_EXPECT_EQ(test, 5, lodge_lapic_get_cr8(vcpu));
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0x5f);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	wr(test, 1, APIC_TASKPRI, 0x4f);
	KUNIT_EXPECT_EQ(test, 0x4fu, rd(test, 1, APIC_PROCPRI));
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0x5f, test_take(test, 1));
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
	wr(test, 1, APIC_LVTT, 0x40);
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x55);
	wr(test, 1, APIC_SPIV, 0xff);
	KUNIT_EXPECT_EQ(test, 0x10040u, rd(test, 1, APIC_LVTT));
	wr(test, 1, APIC_LVTT, 0x40);
	KUNIT_EXPECT_EQ(test, 0x10040u, rd(test, 1, APIC_LVTT));
	/* what was accepted stays, nothing new but NMI, INIT, SIPI comes */
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x66);
	KUNIT_EXPECT_EQ(test, 0x55, test_take(test, 1));
	test_eoi(test, 1);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x400);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&test_vm(test)->vcpus[1]->nmi_pending));
}

static void reserved_registers_are_errors(struct kunit *test)
{
	static const u32 reserved[] = { 0, 0x10, 0x40, 0x70, 0x290, 0x2f0, 0x3a0, 0x3d0, 0x3f0 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(reserved); i++) {
		KUNIT_EXPECT_EQ(test, 0u, rd(test, 0, reserved[i]));
		KUNIT_EXPECT_EQ(test, 0x80u, errors(test, 0));
		wr(test, 0, reserved[i], U32_MAX);
		KUNIT_EXPECT_EQ(test, 0x80u, errors(test, 0));
	}
	/* read-only and write-only ones are none */
	wr(test, 0, APIC_PROCPRI, 1);
	wr(test, 0, APIC_TMCCT, 1);
	wr(test, 0, APIC_IRR, 1);
	rd(test, 0, APIC_EOI);
	KUNIT_EXPECT_EQ(test, 0u, errors(test, 0));
}

static void error_interrupt_ends(struct kunit *test)
{
	wr(test, 0, APIC_LVTERR, 0xe0);
	ipi(test, 0, 1, 0x05);
	KUNIT_EXPECT_EQ(test, 0xe0, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x20u, errors(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	/* an error vector that is itself an error must not recurse */
	wr(test, 0, APIC_LVTERR, 0x05);
	ipi(test, 0, 1, 0x05);
	KUNIT_EXPECT_EQ(test, 0x60u, errors(test, 0));
}

static void only_aligned_words(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 value = 1;

	KUNIT_EXPECT_TRUE(test, test_store(vcpu, 0xfee00080, 4, 0x20));
	KUNIT_EXPECT_TRUE(test, test_store(vcpu, 0xfee00080, 1, 0x30));
	KUNIT_EXPECT_TRUE(test, test_store(vcpu, 0xfee00080, 8, 0x30));
	KUNIT_EXPECT_TRUE(test, test_store(vcpu, 0xfee00084, 4, 0x30));
	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xfee00080, 4, &value));
	KUNIT_EXPECT_EQ(test, 0x20ull, value);
	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xfee00083, 2, &value));
	KUNIT_EXPECT_EQ(test, 0ull, value);
	/* beyond the last register, to the end of the page */
	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xfee00400, 4, &value));
	KUNIT_EXPECT_TRUE(test, test_store(vcpu, 0xfee00ff0, 4, 1));
	KUNIT_EXPECT_FALSE(test, test_store(vcpu, 0xfee01000, 4, 1));
}

static int set_base(struct kunit *test, u64 value)
{
	return lodge_lapic_set_base(test_vm(test)->vcpus[1], value, false);
}

static void base_moves_and_disables(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, set_base(test, 0xd0000900));
	/* not the boot processor, whatever was written */
	KUNIT_EXPECT_EQ(test, 0xd0000800ull, lodge_lapic_get_base(vcpu));
	KUNIT_EXPECT_TRUE(test, test_load(vcpu, 0xd0000020, 4, &value));
	KUNIT_EXPECT_FALSE(test, test_load(vcpu, 0xfee00020, 4, &value));
	KUNIT_EXPECT_EQ(test, 0, set_base(test, 0xfee00000));
	KUNIT_EXPECT_FALSE(test, test_load(vcpu, 0xfee00020, 4, &value));
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0x400);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&vcpu->nmi_pending));
	/* CR8 is the processor's, with or without a local APIC */
	lodge_lapic_set_cr8(vcpu, 15);
	KUNIT_EXPECT_EQ(test, 15, lodge_lapic_get_cr8(vcpu));
	KUNIT_EXPECT_EQ(test, 0, set_base(test, 0xfee00800));
	KUNIT_EXPECT_EQ(test, 0xffu, rd(test, 1, APIC_SPIV));
}

static void base_reserved_bits(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u32 bit;

	for (bit = 0; bit < 64; bit++)
		if (bit < 8 || bit == 9 || bit >= 40)
			KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
					    set_base(test, 0xfee00800 | BIT_ULL(bit)),
					    "bit %u", bit);
	KUNIT_EXPECT_EQ(test, 0, set_base(test, 0xfffee00800));
	vcpu->maxphyaddr = 39;
	KUNIT_EXPECT_EQ(test, -EINVAL, set_base(test, 0xfffee00800));
}

/* SDM figure 11-27, every transition; 0xc00 is x2APIC mode */
static void base_modes(struct kunit *test)
{
	static const u16 mode[] = { 0, 0x800, 0xc00, 0x400 };
	static const int allowed[3][4] = {
		{ 0, 0, -EINVAL, -EINVAL },
		{ 0, 0, 0, -EINVAL },
		{ 0, -EINVAL, 0, -EINVAL },
	};
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u32 from, to;

	for (from = 0; from < 3; from++)
		for (to = 0; to < 4; to++) {
			/* userspace restores whatever a guest can be in */
			KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, mode[from], true));
			KUNIT_EXPECT_EQ_MSG(test, allowed[from][to], set_base(test, mode[to]),
					    "%#x to %#x", mode[from], mode[to]);
			KUNIT_EXPECT_EQ(test, mode[allowed[from][to] ? from : to],
					(u16)lodge_lapic_get_base(vcpu));
		}
	/* a guest that was not told of x2APIC mode has a reserved bit there */
	vcpu->features[X86_FEATURE_X2APIC / 32] = 0;
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0x800, true));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_base(test, 0xc00));
}

static void ipi_physical_and_shorthands(struct kunit *test)
{
	ipi(test, 0, 3, 0x4041);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 3));
	KUNIT_EXPECT_EQ(test, 0x4041u, rd(test, 0, APIC_ICR));
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
		wr(test, i, APIC_LDR, BIT(i) << 24);
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
		wr(test, i, APIC_DFR, 0);
		wr(test, i, APIC_LDR, (i / 2 * 0x30 | BIT(i % 2)) << 24);
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
	wr(test, 1, APIC_DFR, 0x50000000);
	ipi(test, 0, 0x02, 0x4842);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void lowest_priority_skips_the_deaf(struct kunit *test)
{
	u32 i;

	for (i = 0; i < TEST_VCPUS; i++)
		wr(test, i, APIC_LDR, BIT(i) << 24);
	wr(test, 0, APIC_SPIV, 0xff);
	wr(test, 1, APIC_TASKPRI, 0x20);
	ipi(test, 3, 0x07, 0x4941);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
}

static void lowest_priority_is_fair(struct kunit *test)
{
	u32 i, turn;

	for (i = 0; i < TEST_VCPUS; i++)
		wr(test, i, APIC_LDR, BIT(i) << 24);
	for (turn = 0; turn < 2 * TEST_VCPUS; turn++) {
		ipi(test, 0, 0x0f, 0x4941);
		for (i = 0; i < TEST_VCPUS; i++) {
			KUNIT_EXPECT_EQ(test, i == turn % TEST_VCPUS ? 0x41 : -1,
					test_take(test, i));
			test_eoi(test, i);
		}
	}
	/* the less busy goes first, in turn or not */
	wr(test, 0, APIC_TASKPRI, 0x20);
	ipi(test, 0, 0x03, 0x4941);
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 1));
}

static void reserved_delivery_modes(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	ipi(test, 0, 1, 0x4241);	/* SMI: no SMM here */
	ipi(test, 0, 1, 0x4341);
	ipi(test, 0, 1, 0x4741);
	KUNIT_EXPECT_EQ(test, 0ul, vm->vcpus[1]->requests);
	KUNIT_EXPECT_EQ(test, 0ul, test_lapic(test, 1)->pending);
	KUNIT_EXPECT_EQ(test, 0u, errors(test, 0));
}

static void init_at_a_deaf_or_missing_apic(struct kunit *test)
{
	wr(test, 1, APIC_SPIV, 0xff);	/* software-disabled: INIT and SIPI arrive */
	ipi(test, 0, 1, 0x4500);
	ipi(test, 0, 1, 0x4607);
	KUNIT_EXPECT_TRUE(test, test_init(test, 1));
	KUNIT_EXPECT_EQ(test, 7, test_sipi(test, 1));
	KUNIT_EXPECT_EQ(test, 0, set_base(test, 0xfee00000));
	ipi(test, 0, 1, 0x4500);
	KUNIT_EXPECT_FALSE(test, test_init(test, 1));
}

static void lint1_is_whatever_its_lvt_says(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 2);

	lodge_lapic_local(lapic, APIC_LVT1);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&lapic->vcpu->nmi_pending));
	wr(test, 2, APIC_LVT1, APIC_DM_NMI);
	lodge_lapic_local(lapic, APIC_LVT1);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&lapic->vcpu->nmi_pending));
	wr(test, 2, APIC_LVT1, 0x61);
	lodge_lapic_local(lapic, APIC_LVT1);
	KUNIT_EXPECT_EQ(test, 0x61, test_take(test, 2));
}

static void nmi_ipi(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	ipi(test, 0, 0, 0xc4400);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&vm->vcpus[0]->nmi_pending));
	for (i = 1; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 1, atomic_read(&vm->vcpus[i]->nmi_pending));
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_EVENT));
}

static void init_then_sipi(struct kunit *test)
{
	ipi(test, 0, 1, 0xc500);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 1, LODGE_REQ_MP));
	ipi(test, 0, 1, 0x8500);	/* de-assert: nothing */
	ipi(test, 0, 1, 0x4699);
	KUNIT_EXPECT_TRUE(test, test_init(test, 1));
	KUNIT_EXPECT_FALSE(test, test_init(test, 1));
	/* the reset that INIT does keeps the SIPI that came after it */
	lodge_lapic_reset(test_vm(test)->vcpus[1], true);
	KUNIT_EXPECT_EQ(test, 0x99, test_sipi(test, 1));
	KUNIT_EXPECT_EQ(test, -1, test_sipi(test, 1));
}

static void init_voids_an_earlier_sipi(struct kunit *test)
{
	ipi(test, 0, 1, 0x4699);
	ipi(test, 0, 1, 0x4500);
	KUNIT_EXPECT_TRUE(test, test_init(test, 1));
	KUNIT_EXPECT_EQ(test, -1, test_sipi(test, 1));
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
	KUNIT_EXPECT_TRUE(test, test_init(test, 3));
}

static void trigger_mode_register(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, BIT(26), (unsigned long)rd(test, 0, APIC_TMR + 0x20));
	lodge_irq_msi(vm, 0xfee00000, 0x5a);
	KUNIT_EXPECT_EQ(test, 0u, rd(test, 0, APIC_TMR + 0x20));
}

/* The class the TPR has to sink below, as long as it keeps the request out. */
static void threshold_is_the_request(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[0];

	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_threshold(vcpu));
	wr(test, 0, APIC_TASKPRI, 0x8f);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_threshold(vcpu));
	lodge_irq_msi(vcpu->vm, 0xfee00000, 0x61);
	KUNIT_EXPECT_EQ(test, 6, lodge_lapic_threshold(vcpu));
	test_asked(test, 0, LODGE_REQ_EVENT);
	/* a lower TPR that still keeps it out may be below the old threshold */
	wr(test, 0, APIC_TASKPRI, 0x60);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 6, lodge_lapic_threshold(vcpu));
	lodge_irq_msi(vcpu->vm, 0xfee00000, 0x91);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_threshold(vcpu));
	KUNIT_EXPECT_EQ(test, 0x91, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 6, lodge_lapic_threshold(vcpu));
	/* the guest may have raised the TPR unseen while another was in service */
	wr(test, 0, APIC_TASKPRI, 0);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_threshold(vcpu));
	*test_lapic(test, 0)->tpr = 0x80;
	test_asked(test, 0, LODGE_REQ_EVENT);
	test_eoi(test, 0);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 6, lodge_lapic_threshold(vcpu));
	lodge_lapic_reset(vcpu, true);
	KUNIT_EXPECT_TRUE(test, test_asked(test, 0, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_threshold(vcpu));
}

/* A local APIC whose interrupts the CPU delivers */
static struct lodge_lapic *delivering(struct kunit *test)
{
	struct lodge_lapic *lapic = test_lapic(test, 0);

	if (!lapic->page)
		lapic->page = (u32 *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, lapic->page);
	lapic->delivers = true;
	return lapic;
}

/* Requests stay in the IRR for the CPU, but those of the PIC. */
static void what_the_cpu_delivers_is_not_injected(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_vcpu *vcpu = vm->vcpus[0];

	delivering(test);
	lodge_irq_msi(vm, 0xfee00000, 0x61);
	KUNIT_EXPECT_TRUE(test, lodge_has_interrupt(vcpu));
	KUNIT_EXPECT_FALSE(test, lodge_must_inject(vcpu));
	KUNIT_EXPECT_EQ(test, -1, lodge_ack_interrupt(vcpu));
	KUNIT_EXPECT_EQ(test, 2u, rd(test, 0, APIC_IRR + 0x30));
	wr(test, 0, APIC_LVT0, APIC_DM_EXTINT);
	vm->chips.pic_output = true;
	KUNIT_EXPECT_TRUE(test, lodge_must_inject(vcpu));
	vm->chips.pic_output = false;
}

static u32 *paged(struct lodge_lapic *lapic, u32 map, u8 vector)
{
	return &lapic->page[(map >> 2) + (vector >> 5 << 2)];
}

/* What is lent is in the page alone, and what arrives meanwhile is not lost. */
static void requests_are_lent(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_lapic *lapic = delivering(test);

	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_lend(lapic));
	lodge_irq_msi(vm, 0xfee00000, 0x61);
	lodge_irq_msi(vm, 0xfee00000, 0x3f);
	lodge_irq_msi(vm, 0xfee00000, 0xff | 0xc000);
	__set_bit(0x44, lapic->isr);
	KUNIT_EXPECT_EQ(test, 0x44ff, lodge_lapic_lend(lapic));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(lapic->irr, 256));
	KUNIT_EXPECT_EQ(test, 1u << 31, *paged(lapic, APIC_IRR, 0xff));
	KUNIT_EXPECT_EQ(test, 1u << 31, *paged(lapic, APIC_TMR, 0xff));
	KUNIT_EXPECT_EQ(test, 2u, *paged(lapic, APIC_IRR, 0x61));
	KUNIT_EXPECT_EQ(test, 1u << 4, *paged(lapic, APIC_ISR, 0x44));
	/* the CPU takes one, ends another, and two arrive */
	*paged(lapic, APIC_IRR, 0xff) = 0;
	*paged(lapic, APIC_ISR, 0xff) = 1u << 31;
	*paged(lapic, APIC_ISR, 0x44) = 0;
	lodge_irq_msi(vm, 0xfee00000, 0x61);
	lodge_irq_msi(vm, 0xfee00000, 0x71);
	lodge_lapic_take_back(lapic);
	KUNIT_EXPECT_EQ(test, 3, (int)bitmap_weight(lapic->irr, 256));
	KUNIT_EXPECT_TRUE(test, test_bit(0x3f, lapic->irr) && test_bit(0x61, lapic->irr) &&
			  test_bit(0x71, lapic->irr));
	KUNIT_EXPECT_EQ(test, 1, (int)bitmap_weight(lapic->isr, 256));
	KUNIT_EXPECT_TRUE(test, test_bit(0xff, lapic->isr));
	test_eoi(test, 0);
	KUNIT_EXPECT_EQ(test, 0x71, lodge_lapic_lend(lapic));
	KUNIT_EXPECT_EQ(test, 0u, *paged(lapic, APIC_ISR, 0xff));
	lodge_lapic_take_back(lapic);
	bitmap_zero(lapic->irr, 256);
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_lend(lapic));
	KUNIT_EXPECT_EQ(test, 0u, *paged(lapic, APIC_IRR, 0x71));
}

/* The CPU ended a level-triggered interrupt: it comes again while its line is high. */
static void eoi_by_the_cpu_is_broadcast(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	struct lodge_lapic *lapic = test_lapic(test, 0);

	lodge_test_redir(vm, 10, 0x5a | REDIR_LEVEL);
	lodge_ioapic_set_line(vm, 10, true);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
	bitmap_zero(lapic->isr, 256);
	lodge_lapic_eoi_done(lapic, 0x5b);
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	lodge_lapic_eoi_done(lapic, 0x5a);
	KUNIT_EXPECT_EQ(test, 0x5a, test_take(test, 0));
}

/* Each change is shown before the next entry, and the bit maps are left alone. */
static void registers_are_shown(struct kunit *test)
{
	struct lodge_lapic *lapic = delivering(test);

	lodge_lapic_show(lapic);
	KUNIT_EXPECT_FALSE(test, lapic->changed);
	test_asked(test, 0, LODGE_REQ_EVENT);
	wr(test, 0, APIC_LVTERR, 0x77);
	KUNIT_EXPECT_TRUE(test, lapic->changed && test_asked(test, 0, LODGE_REQ_EVENT));
	__set_bit(0x44, lapic->isr);
	lodge_lapic_show(lapic);
	KUNIT_EXPECT_EQ(test, 0x77u, lapic->page[APIC_LVTERR >> 2]);
	KUNIT_EXPECT_EQ(test, 0x50014u, lapic->page[APIC_LVR >> 2] & 0xffffff);
	KUNIT_EXPECT_EQ(test, 0u, *paged(lapic, APIC_ISR, 0x44));
	lodge_lapic_reset(lapic->vcpu, true);
	KUNIT_EXPECT_TRUE(test, lapic->changed);
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
		wr(test, from, (seed >> 8) % LAPIC_REGS * 16,
		   seed * 2654435761u ^ seed >> 7);
		rd(test, from, (seed >> 16) % LAPIC_REGS * 16);
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
	rd(test, 1, 0x3f0);
	wr(test, 1, APIC_TASKPRI, 0x20);
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
		{ APIC_ID, 0 }, { APIC_LVR, 0 }, { APIC_TASKPRI, 0x100 },
		{ APIC_EOI, 1 }, { APIC_LDR, 1 }, { APIC_DFR, 0 },
		{ APIC_SPIV, 0x400 }, { APIC_ISR, 1 }, { APIC_IRR, 0x8000 },
		{ APIC_TMR, 2 }, { APIC_ESR, 0x100 }, { APIC_ICR, 0x1000 },
		{ APIC_ICR2, 1 }, { APIC_LVTT, 0x60000 },
		{ APIC_LVT0, 0x20000 }, { APIC_LVTERR, 0x100 },
		{ APIC_TMCCT, 1 }, { APIC_TDCR, 4 }, { 0, 1 }, { 0x3f0, 1 },
	};
	u8 *page = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		lodge_lapic_get_state(vcpu, page);
		memcpy(page + bad[i].index, &bad[i].value, 4);
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    lodge_lapic_set_state(vcpu, page), "%#x",
				    bad[i].index);
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
	KUNIT_CASE(base_reserved_bits),
	KUNIT_CASE(base_modes),
	KUNIT_CASE(ipi_physical_and_shorthands),
	KUNIT_CASE(ipi_logical_flat),
	KUNIT_CASE(ipi_logical_cluster),
	KUNIT_CASE(lowest_priority_skips_the_deaf),
	KUNIT_CASE(lowest_priority_is_fair),
	KUNIT_CASE(reserved_delivery_modes),
	KUNIT_CASE(init_at_a_deaf_or_missing_apic),
	KUNIT_CASE(lint1_is_whatever_its_lvt_says),
	KUNIT_CASE(nmi_ipi),
	KUNIT_CASE(init_then_sipi),
	KUNIT_CASE(init_voids_an_earlier_sipi),
	KUNIT_CASE(init_not_to_oneself),
	KUNIT_CASE(trigger_mode_register),
	KUNIT_CASE(threshold_is_the_request),
	KUNIT_CASE(what_the_cpu_delivers_is_not_injected),
	KUNIT_CASE(requests_are_lent),
	KUNIT_CASE(eoi_by_the_cpu_is_broadcast),
	KUNIT_CASE(registers_are_shown),
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
