// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: what control registers refuse, without hardware. */
#include <linux/sched.h>
#include <asm/fpu/types.h>
#include <asm/processor-flags.h>

#include "cpu_test.h"

static void cr0_combinations(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, lodge_cr0_valid(0));
	KUNIT_EXPECT_TRUE(test, lodge_cr0_valid(X86_CR0_PE));
	KUNIT_EXPECT_TRUE(test, lodge_cr0_valid(X86_CR0_PE | X86_CR0_PG));
	KUNIT_EXPECT_TRUE(test, lodge_cr0_valid(X86_CR0_CD | X86_CR0_NW));
	KUNIT_EXPECT_TRUE(test, lodge_cr0_valid(X86_CR0_CD));
	KUNIT_EXPECT_FALSE(test, lodge_cr0_valid(X86_CR0_PG));
	KUNIT_EXPECT_FALSE(test, lodge_cr0_valid(X86_CR0_NW));
	KUNIT_EXPECT_FALSE(test, lodge_cr0_valid(X86_CR0_PE | BIT_ULL(32)));
	KUNIT_EXPECT_FALSE(test, lodge_cr0_valid(BIT_ULL(63)));
}

static int set_masked_xcr0(struct kunit *test, u64 mask, u64 value)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	int ret;

	vcpu->fpu.xcr0 = XFEATURE_MASK_FP;
	vcpu->xcr0_mask = mask;
	ret = lodge_set_xcr0(vcpu, value);
	KUNIT_EXPECT_EQ(test, ret ? (u64)XFEATURE_MASK_FP : value, vcpu->fpu.xcr0);
	return ret;
}

static int set_xcr0(struct kunit *test, u64 value)
{
	return set_masked_xcr0(test, ~0ull, value);
}

static void xcr0_is_what_cpuid_offers(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, set_masked_xcr0(test, 1, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_masked_xcr0(test, 1, 3));
}

static void xcr0_needs_x87(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, set_xcr0(test, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 2));
}

static void xcr0_avx_needs_sse(struct kunit *test)
{
	if (!(lodge_xcr0 & XFEATURE_MASK_YMM))
		kunit_skip(test, "the host has no AVX");
	KUNIT_EXPECT_EQ(test, 0, set_xcr0(test, 7));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 5));
}

static void xcr0_avx512_is_all_or_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 7 | BIT(5)));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 7 | BIT(6) | BIT(7)));
	KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 3 | XFEATURE_MASK_AVX512));
	if (!(lodge_xcr0 & XFEATURE_MASK_AVX512))
		kunit_skip(test, "the host has no AVX-512");
	KUNIT_EXPECT_EQ(test, 0, set_xcr0(test, 7 | XFEATURE_MASK_AVX512));
}

static void xcr0_unknown_bits_are_refused(struct kunit *test)
{
	int i;

	for (i = 0; i < 64; i++)
		if (!(lodge_xcr0 & BIT_ULL(i)))
			KUNIT_EXPECT_EQ(test, -EINVAL, set_xcr0(test, 1 | BIT_ULL(i)));
}

static void debug_registers_alias(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->dr[2] = 0x2222;
	vcpu->dr6 = 0x6666;
	vcpu->dr7 = 0x7777;
	KUNIT_EXPECT_EQ(test, 0x2222ull, lodge_get_dr(vcpu, 2));
	KUNIT_EXPECT_EQ(test, 0x6666ull, lodge_get_dr(vcpu, 4));
	KUNIT_EXPECT_EQ(test, 0x6666ull, lodge_get_dr(vcpu, 6));
	KUNIT_EXPECT_EQ(test, 0x7777ull, lodge_get_dr(vcpu, 5));
	KUNIT_EXPECT_EQ(test, 0x7777ull, lodge_get_dr(vcpu, 7));
}

/* The vendor is not there: setters that are refused do not ask it. */
static void efer_is_what_cpuid_offers(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	KUNIT_EXPECT_EQ(test, (u64)EFER_LMA, lodge_efer_offered(vcpu));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_efer(vcpu, EFER_LME));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_efer(vcpu, EFER_NX));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_efer(vcpu, EFER_FFXSR));
	give(vcpu, X86_FEATURE_LM);
	give(vcpu, X86_FEATURE_NX);
	give(vcpu, X86_FEATURE_SYSCALL);
	give(vcpu, X86_FEATURE_FXSR_OPT);
	KUNIT_EXPECT_EQ(test, (u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | EFER_FFXSR),
			lodge_efer_offered(vcpu));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_efer(vcpu, EFER_SVME));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_efer(vcpu, BIT_ULL(63)));
	vcpu->regs[LODGE_CR0] |= X86_CR0_PG;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_efer(vcpu, EFER_LME));
}

static void cr3_rules(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->efer = EFER_LME | EFER_LMA;
	KUNIT_EXPECT_EQ(test, 0, lodge_set_cr3(vcpu, BIT_ULL(39)));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr3(vcpu, BIT_ULL(40)));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr3(vcpu, X86_CR3_PCID_NOFLUSH));
	vcpu->regs[LODGE_CR4] = X86_CR4_PCIDE;
	clear_bit(LODGE_REQ_TLB, &vcpu->requests);
	KUNIT_EXPECT_EQ(test, 0, lodge_set_cr3(vcpu, X86_CR3_PCID_NOFLUSH | 0x1001));
	KUNIT_EXPECT_FALSE(test, test_bit(LODGE_REQ_TLB, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_cr3(vcpu, 0x2002));
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_TLB, &vcpu->requests));
}

static void cr4_rules(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->cr4_guest_rsvd = ~(u64)(X86_CR4_PAE | X86_CR4_PCIDE | X86_CR4_SMEP);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr4(vcpu, X86_CR4_SMAP));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr4(vcpu, BIT_ULL(63)));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr4(vcpu, X86_CR4_PCIDE));
	vcpu->efer = EFER_LME | EFER_LMA;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr4(vcpu, 0));
	vcpu->regs[LODGE_CR3] = 0x1001;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_cr4(vcpu, X86_CR4_PAE | X86_CR4_PCIDE));
	vcpu->regs[LODGE_CR3] = 0x1000;
	KUNIT_EXPECT_EQ(test, 0, lodge_set_cr4(vcpu, X86_CR4_PAE | X86_CR4_PCIDE));
}

static void cr8_rules(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_cr8(vcpu, 16));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_lapic_set_cr8(vcpu, BIT_ULL(63)));
}

static void debug_registers_have_fixed_bits(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	KUNIT_EXPECT_EQ(test, 0, lodge_set_dr(vcpu, 6, 0));
	KUNIT_EXPECT_EQ(test, 0xffff0ff0ull, lodge_get_dr(vcpu, 6));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_dr(vcpu, 4, U32_MAX));
	KUNIT_EXPECT_EQ(test, 0xffffefffull, lodge_get_dr(vcpu, 6));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_dr(vcpu, 7, 0));
	KUNIT_EXPECT_EQ(test, 0x400ull, lodge_get_dr(vcpu, 7));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_dr(vcpu, 5, U32_MAX));
	KUNIT_EXPECT_EQ(test, 0xffff27ffull, lodge_get_dr(vcpu, 7));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_dr(vcpu, 6, BIT_ULL(32)));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_set_dr(vcpu, 7, BIT_ULL(63)));
	KUNIT_EXPECT_EQ(test, 0, lodge_set_dr(vcpu, 0, BIT_ULL(63)));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(cr0_combinations),
	KUNIT_CASE(xcr0_is_what_cpuid_offers),
	KUNIT_CASE(xcr0_needs_x87),
	KUNIT_CASE(xcr0_avx_needs_sse),
	KUNIT_CASE(xcr0_avx512_is_all_or_nothing),
	KUNIT_CASE(xcr0_unknown_bits_are_refused),
	KUNIT_CASE(debug_registers_alias),
	KUNIT_CASE(debug_registers_have_fixed_bits),
	KUNIT_CASE(efer_is_what_cpuid_offers),
	KUNIT_CASE(cr3_rules),
	KUNIT_CASE(cr4_rules),
	KUNIT_CASE(cr8_rules),
	{}
};

/* Suites run before the module's own init. */
static int learn_xcr0(struct kunit_suite *unused)
{
	return lodge_fpu_init();
}

static struct kunit_suite suite = {
	.name = "lodge_cr",
	.suite_init = learn_xcr0,
	.test_cases = cases,
};

kunit_test_suite(suite);
