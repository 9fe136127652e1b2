// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: what MSRs read, and which writes give #GP. */
#include <linux/module.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>

#include "cpu_test.h"

#define GP	(-EINVAL)

static int rd(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	return lodge_get_msr(vcpu, index, value, false);
}

static int wr(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	return lodge_set_msr(vcpu, index, value, false);
}

static void unknown_gives_gp(struct kunit *test)
{
	static const u32 unknown[] = {
		0x2, 0x9, 0x1c, 0x20, 0x480, 0x491, 0x606, 0x800, 0x8ff, 0x1000,
		0x20000000, 0x40000000, 0x4b564d05, 0x7fffffff, 0xc0000079,
		0xc0000105, 0xc0010117, 0xc0020000, 0xffffffff,
	};
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;
	int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		KUNIT_EXPECT_EQ(test, GP, rd(vcpu, unknown[i], &value));
		KUNIT_EXPECT_EQ(test, GP, wr(vcpu, unknown[i], 0));
		KUNIT_EXPECT_EQ(test, GP, lodge_set_msr(vcpu, unknown[i], 0, true));
	}
}

static void constants_are_read_only(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value = 99;

	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_FEAT_CTL, &value));
	KUNIT_EXPECT_EQ(test, 1ull, value);
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_FEAT_CTL, 5));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_FEAT_CTL, 1));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_msr(vcpu, MSR_IA32_FEAT_CTL, 1, true));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, 0xfe, &value));
	KUNIT_EXPECT_EQ(test, 0x508ull, value);
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0xfe, 0x508));
}

static void ignored_writes(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0xc0010003, ~0ull));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, 0xc0010003, &value));
	KUNIT_EXPECT_EQ(test, 0ull, value);
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0xc0011029, 0));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, 0xc0011029, &value));
	KUNIT_EXPECT_EQ(test, 2ull, value);
}

static void features_gate(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_IA32_SPEC_CTRL, &value));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_SPEC_CTRL, 0));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_PRED_CMD, 0));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_FLUSH_CMD, 0));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_TSC_AUX, &value));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_IA32_TSC_ADJUST, &value));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_IA32_TSC_DEADLINE, &value));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_IA32_ARCH_CAPABILITIES, &value));
	give(vcpu, X86_FEATURE_SPEC_CTRL);
	give(vcpu, X86_FEATURE_TSC_ADJUST);
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_SPEC_CTRL, &value));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_TSC_ADJUST, &value));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_IA32_PRED_CMD, 0));
}

/* Userspace may save what the guest's CPUID hides. */
static void host_passes_gates(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, lodge_get_msr(vcpu, MSR_TSC_AUX, &value, true));
	KUNIT_EXPECT_EQ(test, 0,
			lodge_get_msr(vcpu, MSR_IA32_SPEC_CTRL, &value, true));
	KUNIT_EXPECT_EQ(test, 0,
			lodge_set_msr(vcpu, MSR_IA32_TSC_ADJUST, 7, true));
	KUNIT_EXPECT_EQ(test, 7ull, vcpu->msr.tsc_adjust);
}

static void speculation_bits(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	give(vcpu, X86_FEATURE_SPEC_CTRL);
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_SPEC_CTRL, BIT(2)));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_SPEC_CTRL, BIT(1)));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_SPEC_CTRL, ~0ull));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_PRED_CMD, 2));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_PRED_CMD, BIT_ULL(63)));
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->msr.spec_ctrl);
}

static void addresses_are_canonical(struct kunit *test)
{
	static const u32 addresses[] = {
		MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE,
		MSR_KERNEL_GS_BASE, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		KUNIT_EXPECT_EQ(test, GP, wr(vcpu, addresses[i], BIT_ULL(47)));
		KUNIT_EXPECT_EQ(test, GP, wr(vcpu, addresses[i], BIT_ULL(63)));
		KUNIT_EXPECT_EQ(test, GP, lodge_set_msr(vcpu, addresses[i],
							0x8000000000000000, true));
	}
}

static void pat_types(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_CR_PAT, 0x0007040600070402));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_CR_PAT, 0x0307040600070406));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_CR_PAT, 0x0807040600070406));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_CR_PAT, ~0ull));
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->msr.pat);
}

static void mtrr_storage(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x200, 0x80000006));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x201, 0xff80000800));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x20f, 0));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x26f, 0x0605040100060504));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x2ff, 0xc06));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, 0x26f, &value));
	KUNIT_EXPECT_EQ(test, 0x0605040100060504ull, value);
	KUNIT_EXPECT_EQ(test, 0xc06ull, vcpu->msr.mtrr_def);
	KUNIT_EXPECT_EQ(test, 0xff80000800ull, vcpu->msr.mtrr_var[1]);
}

static void mtrr_bounds(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, 0x210, &value));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, 0x251, &value));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, 0x25a, &value));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, 0x270, &value));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x200, 2));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x200, 0x106));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x200, BIT_ULL(40) | 6));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x201, 0x400));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x2ff, BIT(12)));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x2ff, 7));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x250, 0x0606060606060602));
}

static void machine_check_banks(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_MCG_CAP, &value));
	KUNIT_EXPECT_EQ(test, 4ull, value);
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x400, ~0ull));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x40d, 0));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x401, 1));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x401, 0));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, 0x400, 0x8000000000000000));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x404, ~0ull & ~BIT_ULL(10)));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x402, ~0ull));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, 0x403, 0x8000000000000000));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_msr(vcpu, 0x401, 1, true));
	KUNIT_EXPECT_EQ(test, 1ull, vcpu->msr.mc_banks[1]);
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, 0x410, &value));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_MCG_STATUS, 8));
}

static void microcode_revision(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, 0,
			lodge_set_msr(vcpu, MSR_IA32_UCODE_REV, 0xdeull << 32, true));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_IA32_UCODE_REV, 0));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_UCODE_REV, &value));
	KUNIT_EXPECT_EQ(test, 0xdeull << 32, value);
}

static void tsc_aux_is_32_bits(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	give(vcpu, X86_FEATURE_RDTSCP);
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_TSC_AUX, BIT_ULL(32)));
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->msr.tsc_aux);
}

static void tsc_runs(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 first, second;

	vcpu->tsc_offset = 1000;
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_TSC, &first));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_TSC, &second));
	KUNIT_EXPECT_GE(test, second, first);
}

/* Both vCPUs are given the same time, a moment apart: it becomes the same. */
static void tsc_writes_are_synchronised(struct kunit *test)
{
	struct lodge_vcpu *a = fake_vcpu(test), *b = fake_vcpu(test);

	b->vm = a->vm;
	KUNIT_EXPECT_EQ(test, 0, wr(a, MSR_IA32_TSC, 1000));
	KUNIT_EXPECT_EQ(test, 0, wr(b, MSR_IA32_TSC, 2000));
	KUNIT_EXPECT_EQ(test, a->tsc_offset, b->tsc_offset);
	KUNIT_EXPECT_EQ(test, a->msr.tsc_adjust, a->tsc_offset);
	/* Two seconds away is another time. */
	KUNIT_EXPECT_EQ(test, 0, wr(b, MSR_IA32_TSC, 1000 + 4000ull * tsc_khz));
	KUNIT_EXPECT_NE(test, a->tsc_offset, b->tsc_offset);
	/* What one vCPU writes twice, it means. */
	KUNIT_EXPECT_EQ(test, 0, wr(b, MSR_IA32_TSC, 0));
	KUNIT_EXPECT_EQ(test, b->msr.tsc_adjust, b->tsc_offset);
}

static void tsc_adjust_moves_the_tsc(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	give(vcpu, X86_FEATURE_TSC_ADJUST);
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_IA32_TSC_ADJUST, 5000));
	KUNIT_EXPECT_EQ(test, 5000ull, vcpu->tsc_offset);
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_TSC_ADJUST, &value));
	KUNIT_EXPECT_EQ(test, 5000ull, value);
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_IA32_TSC_ADJUST, 0));
	KUNIT_EXPECT_EQ(test, 0ull, vcpu->tsc_offset);
}

static void misc_enable_keeps_what_is_read_only(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	vcpu->msr.misc_enable = 0x1801;
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_IA32_MISC_ENABLE, 0x400c50809));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_IA32_MISC_ENABLE, &value));
	KUNIT_EXPECT_EQ(test, 0x400c51809ull, value);
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_MISC_ENABLE, BIT_ULL(1)));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_IA32_MISC_ENABLE, BIT_ULL(63)));
}

static void paravirtual_ones_are_offered(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 0x1001));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_KVM_WALL_CLOCK, &value));
	give(vcpu, LODGE_PV(CLOCKSOURCE2));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_KVM_SYSTEM_TIME_NEW, 0x1001));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_KVM_SYSTEM_TIME_NEW, &value));
	KUNIT_EXPECT_EQ(test, 0x1001ull, value);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_PV, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, GP, rd(vcpu, MSR_KVM_SYSTEM_TIME, &value));
	give(vcpu, LODGE_PV(CLOCKSOURCE));
	KUNIT_EXPECT_EQ(test, 0, rd(vcpu, MSR_KVM_SYSTEM_TIME, &value));
	KUNIT_EXPECT_EQ(test, 0x1001ull, value);
	give(vcpu, LODGE_PV(STEAL_TIME));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_KVM_STEAL_TIME, 0x2021));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_KVM_STEAL_TIME, 0x2041));
	give(vcpu, LODGE_PV(PV_EOI));
	KUNIT_EXPECT_EQ(test, GP, wr(vcpu, MSR_KVM_PV_EOI_EN, 0x2003));
	KUNIT_EXPECT_EQ(test, 0, wr(vcpu, MSR_KVM_PV_EOI_EN, 0x2005));
}

/* Whatever a guest writes wherever: it is refused or it stays in the vCPU. */
static void random_writes(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u32 index, seed = 1;
	u64 value;
	int i;

	for (i = 0; i < 10000; i++) {
		seed = seed * 1664525 + 1013904223;
		index = seed >> 19 | (i % 3 ? 0 : i % 2 ? 0xc0000000 : 0xc0010000);
		value = (u64)seed << (seed & 31);
		/* Those of the vendor and of the timer have no one behind them here. */
		if ((index >= MSR_IA32_SYSENTER_CS && index <= MSR_IA32_SYSENTER_EIP) ||
		    index == MSR_IA32_APICBASE || index >> 8 == 0xc00000)
			continue;
		if (!wr(vcpu, index, value))
			KUNIT_EXPECT_NE(test, 1, rd(vcpu, index, &value));
	}
	KUNIT_EXPECT_PTR_EQ(test, vcpu, vcpu->vm->vcpus[0]);
}

/* Ascending, which also proves the table sorted; none twice; all known. */
static void list_is_sorted(struct kunit *test)
{
	u32 *list = kunit_kcalloc(test, LODGE_MAX_MSRS, sizeof(*list), GFP_KERNEL);
	int i, count;

	KUNIT_ASSERT_NOT_NULL(test, list);
	count = lodge_msr_list(list, LODGE_MAX_MSRS);
	KUNIT_ASSERT_GT(test, count, 40);
	KUNIT_ASSERT_LE(test, count, LODGE_MAX_MSRS);
	for (i = 1; i < count; i++)
		KUNIT_EXPECT_LT(test, list[i - 1], list[i]);
	KUNIT_EXPECT_EQ(test, count, lodge_msr_list(list, 0));
}

static void passthrough_ends(struct kunit *test)
{
	int i;

	for (i = 0; lodge_msr_passthrough[i]; i++)
		KUNIT_ASSERT_LT(test, i, 32);
	KUNIT_EXPECT_GT(test, i, 0);
}

/* Ratios as the CPU takes them, whose last bit may be missing. */
static void tsc_rates(struct kunit *test)
{
	struct lodge_vm *vm = fake_vcpu(test)->vm;
	u8 was = lodge_tsc_fraction;

	lodge_tsc_fraction = 0;
	KUNIT_EXPECT_EQ(test, 0, lodge_set_tsc_khz(vm, 0));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_tsc_khz(vm, tsc_khz));
	KUNIT_EXPECT_EQ(test, 12345ull, lodge_scale_tsc(vm, 12345));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, lodge_set_tsc_khz(vm, tsc_khz + 1));
	for (lodge_tsc_fraction = 32; lodge_tsc_fraction <= 48; lodge_tsc_fraction += 16) {
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_tsc_khz(vm, 1));
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_tsc_khz(vm, U32_MAX));
		KUNIT_EXPECT_EQ(test, 0, lodge_set_tsc_khz(vm, tsc_khz * 2));
		KUNIT_EXPECT_EQ(test, 2000ull << 40, lodge_scale_tsc(vm, 1000ull << 40));
		KUNIT_EXPECT_EQ(test, tsc_khz * 2, vm->tsc_khz);
		KUNIT_EXPECT_EQ(test, 0, lodge_set_tsc_khz(vm, tsc_khz / 4));
		KUNIT_EXPECT_LE(test, lodge_scale_tsc(vm, 4000000), 1000000ull);
		KUNIT_EXPECT_GE(test, lodge_scale_tsc(vm, 4000000), 999990ull);
	}
	lodge_tsc_fraction = was;
}

static struct kunit_case cases[] = {
	KUNIT_CASE(unknown_gives_gp),
	KUNIT_CASE(constants_are_read_only),
	KUNIT_CASE(ignored_writes),
	KUNIT_CASE(features_gate),
	KUNIT_CASE(host_passes_gates),
	KUNIT_CASE(speculation_bits),
	KUNIT_CASE(addresses_are_canonical),
	KUNIT_CASE(pat_types),
	KUNIT_CASE(mtrr_storage),
	KUNIT_CASE(mtrr_bounds),
	KUNIT_CASE(machine_check_banks),
	KUNIT_CASE(microcode_revision),
	KUNIT_CASE(tsc_aux_is_32_bits),
	KUNIT_CASE(tsc_runs),
	KUNIT_CASE(tsc_writes_are_synchronised),
	KUNIT_CASE(tsc_adjust_moves_the_tsc),
	KUNIT_CASE(misc_enable_keeps_what_is_read_only),
	KUNIT_CASE(paravirtual_ones_are_offered),
	KUNIT_CASE(random_writes),
	KUNIT_CASE(list_is_sorted),
	KUNIT_CASE(passthrough_ends),
	KUNIT_CASE(tsc_rates),
	{}
};

static struct kunit_suite suite = { .name = "lodge_msr", .test_cases = cases };

kunit_test_suite(suite);
