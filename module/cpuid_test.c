// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: what CPUID offers and answers, on made-up hosts. */
#include <kunit/test.h>
#include <linux/module.h>

#include "cpu_test.h"
#include "cpuid.h"

#define F(feature)	BIT(X86_FEATURE_##feature & 31)
#define XCR0_AVX	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM)
#define XCR0_FULL	(XCR0_AVX | XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)
#define NESTED_1_ECX	BIT(5)
#define NESTED_EXT_ECX	BIT(2)

/* Everything set, as on a CPU that has all there will ever be. */
static void read_all(u32 leaf, u32 subleaf, u32 regs[4])
{
	memset(regs, 0xff, 4 * sizeof(*regs));
	if (leaf == 0) {
		regs[LODGE_EAX] = 0x20;
		regs[LODGE_EBX] = 0x756e6547;
	} else if (leaf == 0x80000000) {
		regs[LODGE_EAX] = 0x80000021;
	} else if (leaf == 0xd && subleaf == 2) {
		regs[LODGE_EAX] = 256;
		regs[LODGE_EBX] = 576;
		regs[LODGE_ECX] = 0;
	} else if (leaf == 0xd && subleaf == 9) {
		regs[LODGE_EAX] = 8;
		regs[LODGE_EBX] = 2688;
		regs[LODGE_ECX] = 2;
	}
}

/* A CPU that ends early. */
static void read_old(u32 leaf, u32 subleaf, u32 regs[4])
{
	memset(regs, 0, 4 * sizeof(*regs));
	if (leaf == 0)
		regs[LODGE_EAX] = 0x6;
	else if (leaf == 0x80000000)
		regs[LODGE_EAX] = 0x80000008;
}

static struct lodge_cpuid_table *build(struct kunit *test, u64 xcr0, bool stable,
				       void (*read)(u32, u32, u32 *))
{
	struct lodge_cpuid_host host = {
		.read = read, .xcr0 = xcr0, .phys_bits = 40, .stable_tsc = stable,
	};
	struct lodge_cpuid_table *table;
	int count;

	table = kunit_kzalloc(test, struct_size(table, entries, LODGE_MAX_CPUID),
			      GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	count = lodge_cpuid_build(&host, table->entries, LODGE_MAX_CPUID);
	KUNIT_ASSERT_GT(test, count, 0);
	table->count = count;
	KUNIT_ASSERT_EQ(test, 0, lodge_cpuid_prepare(table));
	return table;
}

static const struct lodge_cpuid_entry *
entry(struct kunit *test, const struct lodge_cpuid_table *table, u32 leaf, u32 sub)
{
	const struct lodge_cpuid_entry *e = lodge_cpuid_lookup(table, leaf, sub);

	KUNIT_ASSERT_NOT_NULL(test, e);
	return e;
}

static void nested_is_hidden(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_FULL, true, read_all);

	KUNIT_EXPECT_EQ(test, 0ul, entry(test, t, 1, 0)->ecx & NESTED_1_ECX);
	KUNIT_EXPECT_EQ(test, 0ul, entry(test, t, 0x80000001, 0)->ecx & NESTED_EXT_ECX);
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 0x8000000a, 0));
}

static void unsupported_is_hidden(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_FULL, true, read_all);
	const struct lodge_cpuid_entry *e = entry(test, t, 1, 0);

	KUNIT_EXPECT_EQ(test, 0ul, e->ecx & (F(MWAIT) | F(PDCM)));
	KUNIT_EXPECT_EQ(test, 0ul, e->edx & (F(ACPI) | F(DS) | F(HT)));
	e = entry(test, t, 7, 0);
	KUNIT_EXPECT_EQ(test, 0ul, e->ebx & (F(HLE) | F(RTM) | F(MPX) | BIT(25)));
	KUNIT_EXPECT_EQ(test, 0ul, e->ecx & (F(WAITPKG) | F(ENQCMD)));
	KUNIT_EXPECT_EQ(test, 0ul, e->edx & F(AMX_TILE));
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 0xa, 0));
	KUNIT_EXPECT_EQ(test, 0ul, entry(test, t, 0xd, 1)->eax & F(XSAVES));
}

static void always_there(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, 0, false, read_old);
	const struct lodge_cpuid_entry *e = entry(test, t, 1, 0);

	KUNIT_EXPECT_NE(test, 0ul, e->ecx & F(HYPERVISOR));
	KUNIT_EXPECT_NE(test, 0ul, e->edx & F(APIC));
	KUNIT_EXPECT_NE(test, 0ul, e->ecx & F(X2APIC));
	KUNIT_EXPECT_EQ(test, 4u, entry(test, t, 6, 0)->eax);
}

static void signature(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, 0, false, read_old);
	const struct lodge_cpuid_entry *e = entry(test, t, 0x40000000, 0);

	KUNIT_EXPECT_EQ(test, 0x40000001u, e->eax);
	KUNIT_EXPECT_EQ(test, 0, memcmp(&e->ebx, "KVMKVMKVM\0\0\0", 12));
	e = entry(test, t, 0x40000100, 0);
	KUNIT_EXPECT_EQ(test, 0x40000100u, e->eax);
	KUNIT_EXPECT_EQ(test, 0, memcmp(&e->ebx, "LodgeLodgeLo", 12));
}

/* Clock 0 and 3, no I/O delay 1, steal 5, EOI 6, kick 7, IPI 11; stable 24 */
static void paravirtual_features(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, 0, false, read_all);

	KUNIT_EXPECT_EQ(test, 0x8ebu, entry(test, t, 0x40000001, 0)->eax);
	KUNIT_EXPECT_EQ(test, 0u, entry(test, t, 0x40000001, 0)->edx);
	t = build(test, 0, true, read_old);
	KUNIT_EXPECT_EQ(test, 0x10008ebu, entry(test, t, 0x40000001, 0)->eax);
}

static void deadline_wants_stable_tsc(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_AVX, true, read_all);

	KUNIT_EXPECT_NE(test, 0ul,
			entry(test, t, 1, 0)->ecx & F(TSC_DEADLINE_TIMER));
	KUNIT_EXPECT_EQ(test, (u32)BIT(8), entry(test, t, 0x80000007, 0)->edx);
	t = build(test, XCR0_AVX, false, read_all);
	KUNIT_EXPECT_EQ(test, 0ul,
			entry(test, t, 1, 0)->ecx & F(TSC_DEADLINE_TIMER));
	KUNIT_EXPECT_EQ(test, 0u, entry(test, t, 0x80000007, 0)->edx);
}

static void vectors_follow_xcr0(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_AVX, true, read_all);

	KUNIT_EXPECT_NE(test, 0ul, entry(test, t, 7, 0)->ebx & F(AVX2));
	KUNIT_EXPECT_EQ(test, 0ul, entry(test, t, 7, 0)->ebx & F(AVX512F));
	KUNIT_EXPECT_EQ(test, 0ul, entry(test, t, 7, 0)->ecx & F(PKU));
	KUNIT_EXPECT_EQ(test, (u32)XCR0_AVX, entry(test, t, 0xd, 0)->eax);
	KUNIT_EXPECT_EQ(test, 0u, entry(test, t, 0xd, 9)->eax);
	t = build(test, 0, true, read_all);
	KUNIT_EXPECT_EQ(test, 0ul,
			entry(test, t, 1, 0)->ecx & (F(XSAVE) | F(AVX) | F(FMA)));
	KUNIT_EXPECT_EQ(test, 0ul, entry(test, t, 7, 0)->ebx & F(AVX2));
}

static void widths(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_AVX, true, read_all);

	KUNIT_EXPECT_EQ(test, 40u | 57 << 8, entry(test, t, 0x80000008, 0)->eax);
	KUNIT_EXPECT_TRUE(test, entry(test, t, 7, 0)->ecx & F(LA57));
	KUNIT_EXPECT_EQ(test, 0xdu, entry(test, t, 0, 0)->eax);
}

static void old_host_has_less(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, 0, false, read_old);

	KUNIT_EXPECT_EQ(test, 6u, entry(test, t, 0, 0)->eax);
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 7, 0));
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 0xd, 0));
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 0x8000001e, 0));
}

static void no_room(struct kunit *test)
{
	struct lodge_cpuid_host host = { .read = read_all, .phys_bits = 40 };
	struct lodge_cpuid_entry e[3];

	KUNIT_EXPECT_EQ(test, -ENOSPC, lodge_cpuid_build(&host, e, 3));
	KUNIT_EXPECT_EQ(test, -ENOSPC, lodge_cpuid_build(&host, e, 0));
}

static void lookup_by_subleaf(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_FULL, true, read_all);

	KUNIT_EXPECT_EQ(test, 256u, entry(test, t, 0xd, 2)->eax);
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 0xd, 62));
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(t, 0xd, U32_MAX));
	/* Leaf 1 has no subleaves: ECX does not matter. */
	KUNIT_EXPECT_NOT_NULL(test, lodge_cpuid_lookup(t, 1, 77));
}

static void beyond_the_last_leaf(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_FULL, true, read_all);
	const struct lodge_cpuid_entry *last = entry(test, t, 0xd, 2);

	KUNIT_ASSERT_TRUE(test, t->repeat_last);
	KUNIT_EXPECT_PTR_EQ(test, last, lodge_cpuid_resolve(t, 0x1000, 2));
	KUNIT_EXPECT_PTR_EQ(test, last, lodge_cpuid_resolve(t, 0x80001000, 2));
	KUNIT_EXPECT_NULL(test, lodge_cpuid_resolve(t, 0x5, 0));
	t->repeat_last = false;
	KUNIT_EXPECT_NULL(test, lodge_cpuid_resolve(t, 0x1000, 2));
}

/* Whatever was asked for before, in whichever order */
static void hints_change_no_answer(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	const struct lodge_cpuid_entry *e;
	u32 i, leaf, subleaf;

	vcpu->cpuid = build(test, XCR0_FULL, true, read_all);
	for (i = 0; i < 4096; i++) {
		leaf = (i * 7 & 0x1f) | (i & 0x200 ? 0x80000000 : 0) | (i & 0x400 ? 0x1000 : 0);
		subleaf = i >> 5 & 3;
		vcpu->regs[LODGE_RAX] = leaf;
		vcpu->regs[LODGE_RCX] = subleaf;
		lodge_cpuid_execute(vcpu);
		e = lodge_cpuid_resolve(vcpu->cpuid, leaf, subleaf);
		if (!e || e->leaf != 0x8000001e)	/* the vCPU's number */
			KUNIT_ASSERT_EQ(test, e ? e->eax : 0ull, vcpu->regs[LODGE_RAX]);
	}
}

static void xsave_sizes(struct kunit *test)
{
	struct lodge_cpuid_table *t = build(test, XCR0_FULL, true, read_all);
	u64 avx = XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM;

	KUNIT_EXPECT_EQ(test, 576u, lodge_xsave_size(t, 1, false));
	KUNIT_EXPECT_EQ(test, 832u, lodge_xsave_size(t, avx, false));
	KUNIT_EXPECT_EQ(test, 2696u,
			lodge_xsave_size(t, avx | XFEATURE_MASK_PKRU, false));
	KUNIT_EXPECT_EQ(test, 840u,
			lodge_xsave_size(t, avx | XFEATURE_MASK_PKRU, true));
	KUNIT_EXPECT_EQ(test, 576u, lodge_xsave_size(t, BIT_ULL(62), false));
}

static int prepare_two(struct kunit *test, struct lodge_cpuid_entry a,
		       struct lodge_cpuid_entry b)
{
	struct lodge_cpuid_table *table;

	table = kunit_kzalloc(test, struct_size(table, entries, 2), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	table->count = 2;
	table->entries[0] = a;
	table->entries[1] = b;
	return lodge_cpuid_prepare(table);
}

#define LEAF(l, s, f) \
	((struct lodge_cpuid_entry){ .leaf = (l), .subleaf = (s), .flags = (f) })

static void hostile_tables(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, prepare_two(test, LEAF(7, 1, 1), LEAF(7, 0, 1)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			prepare_two(test, LEAF(1, 0, 0), LEAF(1, 0, 0)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			prepare_two(test, LEAF(1, 0, 0), LEAF(1, 5, 0)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			prepare_two(test, LEAF(7, 0, 1), LEAF(7, 0, 1)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			prepare_two(test, LEAF(7, 0, 1), LEAF(7, 1, 0)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			prepare_two(test, LEAF(7, 0, 2), LEAF(8, 0, 0)));
}

static void empty_table(struct kunit *test)
{
	struct lodge_cpuid_table table = {};

	KUNIT_EXPECT_EQ(test, 0, lodge_cpuid_prepare(&table));
	KUNIT_EXPECT_NULL(test, lodge_cpuid_lookup(&table, 0, 0));
	table.repeat_last = true;
	KUNIT_EXPECT_NULL(test, lodge_cpuid_resolve(&table, 1, 0));
}

static void cr4_follows_features(struct kunit *test)
{
	u32 features[NCAPINTS] = {};

	KUNIT_EXPECT_EQ(test, ~(u64)X86_CR4_PCE, lodge_cr4_reserved(features));
	features[CPUID_1_EDX] = F(PAE);
	features[CPUID_7_0_EBX] = F(SMEP);
	KUNIT_EXPECT_EQ(test, ~(u64)(X86_CR4_PCE | X86_CR4_PAE | X86_CR4_SMEP),
			lodge_cr4_reserved(features));
	memset(features, 0xff, sizeof(features));
	KUNIT_EXPECT_NE(test, 0ull, lodge_cr4_reserved(features) &
			(BIT_ULL(13) | BIT_ULL(14)));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_cr4_reserved(features) & X86_CR4_LA57);
}

/* Whatever CPU this runs on. */
static void real_host(struct kunit *test)
{
	struct lodge_cpuid_table *table = lodge_cpuid_supported();

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_EXPECT_GT(test, table->count, 10u);
	KUNIT_EXPECT_LE(test, table->count, (u32)LODGE_MAX_CPUID);
	kvfree(table);
	KUNIT_EXPECT_GE(test, (int)lodge_phys_bits(), 32);
	KUNIT_EXPECT_LE(test, (int)lodge_phys_bits(), 48);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(nested_is_hidden),
	KUNIT_CASE(unsupported_is_hidden),
	KUNIT_CASE(always_there),
	KUNIT_CASE(signature),
	KUNIT_CASE(paravirtual_features),
	KUNIT_CASE(deadline_wants_stable_tsc),
	KUNIT_CASE(vectors_follow_xcr0),
	KUNIT_CASE(widths),
	KUNIT_CASE(old_host_has_less),
	KUNIT_CASE(no_room),
	KUNIT_CASE(lookup_by_subleaf),
	KUNIT_CASE(beyond_the_last_leaf),
	KUNIT_CASE(hints_change_no_answer),
	KUNIT_CASE(xsave_sizes),
	KUNIT_CASE(hostile_tables),
	KUNIT_CASE(empty_table),
	KUNIT_CASE(cr4_follows_features),
	KUNIT_CASE(real_host),
	{}
};

static struct kunit_suite suite = { .name = "lodge_cpuid", .test_cases = cases };

kunit_test_suite(suite);
