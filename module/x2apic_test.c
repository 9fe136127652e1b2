// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the local APIC in x2APIC mode (SDM 11.12), and beside xAPIC mode. */
#include "irqchip_test.h"

static int rd(struct kunit *test, u32 id, u32 msr, u64 *value)
{
	return lodge_x2apic_read(test_vm(test)->vcpus[id], msr, value);
}

static int wr(struct kunit *test, u32 id, u32 msr, u64 value)
{
	return lodge_x2apic_write(test_vm(test)->vcpus[id], msr, value);
}

static u64 value_of(struct kunit *test, u32 id, u32 msr)
{
	u64 value = 0xdead;

	KUNIT_EXPECT_EQ(test, 0, rd(test, id, msr, &value));
	return value;
}

static void enter(struct kunit *test, u32 id)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[id];

	KUNIT_ASSERT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00c00, false));
}

static int x2_init(struct kunit *test)
{
	int i, ret = lodge_test_machine_init(test);

	for (i = 0; !ret && i < TEST_VCPUS; i++)
		enter(test, i);
	return ret;
}

/* SDM table 11-6: which MSRs can be read (1), written (2), both (3) */
static u8 access_of(u32 msr)
{
	switch (msr) {
	case 0x802 ... 0x803:
	case 0x80a:
	case 0x80d:
	case 0x810 ... 0x827:
	case 0x839:
		return 1;
	case 0x80b:
	case 0x83f:
		return 2;
	case 0x808:
	case 0x80f:
	case 0x828:
	case 0x830:
	case 0x832 ... 0x838:
	case 0x83e:
		return 3;
	default:
		return 0;
	}
}

static void every_msr(struct kunit *test)
{
	u64 value;
	u32 msr;

	for (msr = 0x7ff; msr <= 0x900; msr++) {
		u8 how = access_of(msr);

		KUNIT_EXPECT_EQ_MSG(test, how & 1 ? 0 : -EINVAL, rd(test, 1, msr, &value),
				    "read %#x", msr);
		/* 0x10: a vector that may be sent */
		KUNIT_EXPECT_EQ_MSG(test, how & 2 ? 0 : -EINVAL,
				    wr(test, 1, msr, msr == 0x83f ? 0x10 : 0), "write %#x", msr);
	}
}

static void every_reserved_bit(struct kunit *test)
{
	static const struct { u32 msr; u64 bits; } good[] = {
		{ 0x808, 0xff }, { 0x80b, 0 }, { 0x80f, 0x13ff }, { 0x828, 0 },
		{ 0x830, 0xffffffff000ccfff }, { 0x832, 0x710ff }, { 0x833, 0x117ff },
		{ 0x834, 0x117ff }, { 0x835, 0x1f7ff }, { 0x836, 0x1f7ff },
		{ 0x837, 0x110ff }, { 0x838, 0xffffffff }, { 0x83e, 0xb }, { 0x83f, 0xff },
	};
	u32 i, bit;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		for (bit = 0; bit < 64; bit++)
			KUNIT_EXPECT_EQ_MSG(test, good[i].bits & BIT_ULL(bit) ? 0 : -EINVAL,
					    wr(test, 1, good[i].msr, BIT_ULL(bit)),
					    "%#x bit %u", good[i].msr, bit);
}

static void deadline_bit_is_reserved_unless_offered(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	KUNIT_EXPECT_EQ(test, 0, wr(test, 1, 0x832, 0x40000));
	vcpu->features[X86_FEATURE_TSC_DEADLINE_TIMER / 32] &=
		~BIT(X86_FEATURE_TSC_DEADLINE_TIMER % 32);
	KUNIT_EXPECT_EQ(test, -EINVAL, wr(test, 1, 0x832, 0x40000));
}

static void other_modes_have_no_msrs(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00000, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, rd(test, 1, 0x802, &value));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00800, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, rd(test, 1, 0x802, &value));
	KUNIT_EXPECT_EQ(test, -EINVAL, wr(test, 1, 0x80b, 0));
}

static void page_is_gone(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u64 value;

	KUNIT_EXPECT_FALSE(test, test_load(vcpu, 0xfee00030, 4, &value));
	KUNIT_EXPECT_FALSE(test, test_store(vcpu, 0xfee00080, 4, 0x20));
	KUNIT_EXPECT_EQ(test, 0ull, value_of(test, 1, 0x808));
}

static void id_and_ldr_are_derived(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[3];

	KUNIT_EXPECT_EQ(test, 3ull, value_of(test, 3, 0x802));
	KUNIT_EXPECT_EQ(test, 8ull, value_of(test, 3, 0x80d));
	vcpu->id = 0x2a;
	KUNIT_EXPECT_EQ(test, 0x2aull, value_of(test, 3, 0x802));
	KUNIT_EXPECT_EQ(test, 0x20400ull, value_of(test, 3, 0x80d));
	vcpu->id = 3;
}

/* What a transition keeps (SDM 11.12.5.1); disabling forgets everything. */
static void transitions(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00000, false));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00800, false));
	lodge_lapic_write(vcpu->lapic, APIC_TASKPRI, 0x30);
	lodge_lapic_write(vcpu->lapic, APIC_LDR, 0x55000000);
	lodge_lapic_write(vcpu->lapic, APIC_ICR2, 0x77000000);
	enter(test, 1);
	KUNIT_EXPECT_EQ(test, 0x30ull, value_of(test, 1, 0x808));
	KUNIT_EXPECT_EQ(test, 2ull, value_of(test, 1, 0x80d));
	KUNIT_EXPECT_EQ(test, 0ull, value_of(test, 1, 0x830));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00000, false));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00800, false));
	KUNIT_EXPECT_EQ(test, 0u, lodge_lapic_read(vcpu->lapic, APIC_LDR));
	KUNIT_EXPECT_EQ(test, 0u, lodge_lapic_read(vcpu->lapic, APIC_TASKPRI));
	/* INIT keeps the mode */
	enter(test, 1);
	lodge_lapic_reset(vcpu, true);
	KUNIT_EXPECT_EQ(test, 1ull, value_of(test, 1, 0x802));
	KUNIT_EXPECT_EQ(test, 0xffull, value_of(test, 1, 0x80f));
}

static void icr_is_one_register(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0x300004041));
	KUNIT_EXPECT_EQ(test, 0x300004041ull, value_of(test, 0, 0x830));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 3));
	/* nobody has these ids */
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0xff00004042));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0x10300004042));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0xfffffffe00004042));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 3));
}

static void self_ipi(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, wr(test, 2, 0x83f, 0xf1));
	KUNIT_EXPECT_EQ(test, 0xf1, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	/* illegal: the sender's error */
	KUNIT_EXPECT_EQ(test, 0, wr(test, 2, 0x83f, 0x0f));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 2, 0x828, 0));
	KUNIT_EXPECT_EQ(test, 0x20ull, value_of(test, 2, 0x828));
}

static void broadcast(struct kunit *test)
{
	u32 i;

	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0xffffffff00004051));
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0x51, test_take(test, i));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0xffffffff00004862));	/* logical */
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0x62, test_take(test, i));
	/* a device's 0xff is everybody, whatever mode they are in */
	lodge_irq_msi(test_vm(test), 0xfeeff000, 0x73);
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0x73, test_take(test, i));
}

static void clusters(struct kunit *test)
{
	struct lodge_vm *vm = test_vm(test);
	u32 i;

	/* members 1 and 3 of cluster 0 */
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0x0000000a00004841));
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, i & 1 ? 0x41 : -1, test_take(test, i));
	/* vCPU 3 as if it were number 0x21: member 1 of cluster 2 */
	vm->vcpus[0x21] = vm->vcpus[3];
	vm->vcpus[0x21]->id = 0x21;
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0x0002ffff00004852));
	KUNIT_EXPECT_EQ(test, 0x52, test_take(test, 3));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 1));
	/* clusters that no vCPU can be in */
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0x0004ffff00004863));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0xfffffffe00004863));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 3));
	vm->vcpus[3]->id = 3;
	vm->vcpus[0x21] = NULL;
}

static void lowest_priority_of_a_cluster(struct kunit *test)
{
	u32 i;

	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, 0, wr(test, i, 0x808, 0x40 - 0x10 * i));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 3, 0x830, 0x0000000700004951));
	for (i = 0; i < TEST_VCPUS; i++)
		KUNIT_EXPECT_EQ(test, i == 2 ? 0x51 : -1, test_take(test, i));
}

/* The modes side by side: each receiver compares as its own mode does. */
static void mixed_modes(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];

	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00000, false));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, 0xfee00800, false));
	lodge_lapic_write(vcpu->lapic, APIC_SPIV, 0x1ff);
	lodge_lapic_write(vcpu->lapic, APIC_LDR, 0x40000000);
	KUNIT_EXPECT_EQ(test, 0, wr(test, 0, 0x830, 0x0000004400004841));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0x41, test_take(test, 2));
	KUNIT_EXPECT_EQ(test, -1, test_take(test, 0));
	/* from xAPIC mode, 0xff is everybody */
	lodge_lapic_write(vcpu->lapic, APIC_ICR2, 0xff000000);
	lodge_lapic_write(vcpu->lapic, APIC_ICR, 0x4052);
	KUNIT_EXPECT_EQ(test, 0x52, test_take(test, 0));
	KUNIT_EXPECT_EQ(test, 0x52, test_take(test, 3));
}

static void eoi_and_priorities(struct kunit *test)
{
	lodge_irq_msi(test_vm(test), 0xfee01000, 0x61);
	KUNIT_EXPECT_EQ(test, 0x61, test_take(test, 1));
	KUNIT_EXPECT_EQ(test, 0x60ull, value_of(test, 1, 0x80a));
	KUNIT_EXPECT_EQ(test, 2ull, value_of(test, 1, 0x813));
	KUNIT_EXPECT_EQ(test, -EINVAL, wr(test, 1, 0x80b, 1));
	KUNIT_EXPECT_EQ(test, 0x60ull, value_of(test, 1, 0x80a));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 1, 0x80b, 0));
	KUNIT_EXPECT_EQ(test, 0ull, value_of(test, 1, 0x80a));
}

static void timer_by_msr(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, wr(test, 1, 0x83e, 3));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 1, 0x832, 0x10040));
	KUNIT_EXPECT_EQ(test, 0, wr(test, 1, 0x838, 1000000000));
	KUNIT_EXPECT_GT(test, value_of(test, 1, 0x839), 900000000ull);
	KUNIT_EXPECT_EQ(test, -EINVAL, wr(test, 1, 0x839, 1));
}

static void state_round_trips(struct kunit *test)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[1];
	u8 *a = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u8 *b = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u64 base = lodge_lapic_get_base(vcpu);
	u32 value;

	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, 0, wr(test, 1, 0x830, 0x1234567800000861));
	lodge_irq_msi(vcpu->vm, 0xfee01000, 0x71);
	lodge_lapic_get_state(vcpu, a);
	memcpy(&value, a + APIC_ID, 4);
	KUNIT_EXPECT_EQ(test, 1u, value);
	memcpy(&value, a + APIC_ICR2, 4);
	KUNIT_EXPECT_EQ(test, 0x12345678u, value);
	lodge_lapic_reset(vcpu, false);
	/* not a state of xAPIC mode */
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_state(vcpu, a));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_base(vcpu, base, true));
	KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_state(vcpu, a));
	lodge_lapic_get_state(vcpu, b);
	KUNIT_EXPECT_EQ(test, 0, memcmp(a, b, 1024));
	KUNIT_EXPECT_EQ(test, 0x71, test_take(test, 1));
	/* the LDR follows from the id */
	value = 4;
	memcpy(a + APIC_LDR, &value, 4);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_state(vcpu, a));
}

static void any_writes_leave_a_state(struct kunit *test)
{
	u8 *page = kunit_kzalloc(test, 1024, GFP_KERNEL);
	u32 seed = 11, i;
	u64 value;

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < 20000; i++) {
		u32 from;

		seed = seed * 1664525 + 1013904223;
		from = (seed >> 28) % TEST_VCPUS;
		wr(test, from, 0x800 + (seed >> 8) % 0x40,
		   i & 1 ? seed >> 20 : (u64)seed << 32 | seed >> 12);
		rd(test, from, 0x800 + (seed >> 16) % 0x40, &value);
		test_take(test, from);
	}
	for (i = 0; i < TEST_VCPUS; i++) {
		lodge_lapic_get_state(test_vm(test)->vcpus[i], page);
		KUNIT_EXPECT_EQ(test, 0, lodge_lapic_set_state(test_vm(test)->vcpus[i], page));
	}
}

static struct kunit_case x2apic_cases[] = {
	KUNIT_CASE(every_msr),
	KUNIT_CASE(every_reserved_bit),
	KUNIT_CASE(deadline_bit_is_reserved_unless_offered),
	KUNIT_CASE(other_modes_have_no_msrs),
	KUNIT_CASE(page_is_gone),
	KUNIT_CASE(id_and_ldr_are_derived),
	KUNIT_CASE(transitions),
	KUNIT_CASE(icr_is_one_register),
	KUNIT_CASE(self_ipi),
	KUNIT_CASE(broadcast),
	KUNIT_CASE(clusters),
	KUNIT_CASE(lowest_priority_of_a_cluster),
	KUNIT_CASE(mixed_modes),
	KUNIT_CASE(eoi_and_priorities),
	KUNIT_CASE(timer_by_msr),
	KUNIT_CASE(state_round_trips),
	KUNIT_CASE(any_writes_leave_a_state),
	{}
};

static struct kunit_suite x2apic_suite = {
	.name = "lodge_x2apic",
	.init = x2_init,
	.exit = lodge_test_machine_exit,
	.test_cases = x2apic_cases,
};

kunit_test_suite(x2apic_suite);
