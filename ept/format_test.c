// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: second-level entries of both formats. */
#include <kunit/test.h>

#include "table.h"

#define RW	(LODGE_ACCESS_READ | LODGE_ACCESS_WRITE)
#define RX	(LODGE_ACCESS_READ | LODGE_ACCESS_EXEC)
#define RWX	(RW | LODGE_ACCESS_EXEC)

struct format_case {
	const char *name;
	const struct lodge_pt_format *format;
};

static const struct format_case formats[] = {
	{ "ept", &lodge_ept_format },
	{ "npt", &lodge_npt_format },
};

static void describe(const struct format_case *c, char *to)
{
	strscpy(to, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(format, formats, describe);

static const struct lodge_pt_format *format_of(struct kunit *test)
{
	return ((const struct format_case *)test->param_value)->format;
}

static void zero_is_absent(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);

	KUNIT_EXPECT_FALSE(test, 0 & format->present);
	KUNIT_EXPECT_FALSE(test, lodge_pt_is_leaf(format, 0, 1));
	KUNIT_EXPECT_FALSE(test, lodge_pt_is_leaf(format, 0, 2));
}

static void pfn_survives(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	static const u64 pfns[] = { 0, 1, 0x12345, 0xfffff, 0x3ffffffffull };
	u64 pfn;
	int i, level;

	for (level = 1; level <= 3; level++)
		for (i = 0; i < ARRAY_SIZE(pfns); i++) {
			pfn = ALIGN_DOWN(pfns[i],
					 lodge_level_bytes(level) >> PAGE_SHIFT);
			KUNIT_EXPECT_EQ(test, pfn,
					lodge_pt_pfn(lodge_pt_leaf(format, pfn, level, RWX)));
		}
}

static void leaf_is_leaf(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	u64 entry;
	int level;

	for (level = 1; level <= 3; level++) {
		entry = lodge_pt_leaf(format, 0x40000, level, LODGE_ACCESS_READ);
		KUNIT_EXPECT_TRUE(test, entry & format->present);
		KUNIT_EXPECT_TRUE(test, lodge_pt_is_leaf(format, entry, level));
	}
}

static void table_is_not_leaf(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	u64 entry = lodge_pt_table(format, 0x1234000);
	int level;

	KUNIT_EXPECT_TRUE(test, entry & format->present);
	for (level = 2; level <= 5; level++) {
		KUNIT_EXPECT_FALSE(test, lodge_pt_is_leaf(format, entry, level));
		KUNIT_EXPECT_EQ(test, 0x1234ull, lodge_pt_pfn(entry));
	}
}

static void table_restricts_nothing(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	u64 entry = lodge_pt_table(format, 0x1000);

	KUNIT_EXPECT_TRUE(test, lodge_pt_allows(format, entry, LODGE_ACCESS_WRITE));
	KUNIT_EXPECT_TRUE(test, lodge_pt_allows(format, entry, LODGE_ACCESS_EXEC));
}

static void access_is_obeyed(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	u64 entry;
	u32 access;
	int level;

	for (level = 1; level <= 3; level++)
		for (access = LODGE_ACCESS_READ; access <= RWX; access++) {
			entry = lodge_pt_leaf(format, 0x40000, level, access);
			KUNIT_EXPECT_EQ(test, lodge_pt_allows(format, entry, LODGE_ACCESS_WRITE),
					!!(access & LODGE_ACCESS_WRITE));
			KUNIT_EXPECT_EQ(test, lodge_pt_allows(format, entry, LODGE_ACCESS_EXEC),
					!!(access & LODGE_ACCESS_EXEC));
		}
}

static void marks(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	u64 entry = lodge_pt_leaf(format, 0x40000, 1, RX);

	KUNIT_EXPECT_TRUE(test, entry & format->accessed);
	KUNIT_EXPECT_FALSE(test, entry & format->dirty);
	entry = lodge_pt_leaf(format, 0x40000, 1, RW);
	KUNIT_EXPECT_TRUE(test, entry & format->accessed);
	KUNIT_EXPECT_TRUE(test, entry & format->dirty);
}

static void ageing_keeps_the_rest(struct kunit *test)
{
	struct lodge_mmu *mmu = kunit_kzalloc(test, sizeof(*mmu), GFP_KERNEL);
	const struct lodge_pt_format *format = format_of(test);
	u64 entry = lodge_pt_leaf(format, 0x40000, 2, RWX);
	u64 old = entry;

	KUNIT_ASSERT_NOT_NULL(test, mmu);
	mmu->format = format;
	KUNIT_EXPECT_TRUE(test, lodge_leaf_age(mmu, &old, 0, 2));
	KUNIT_EXPECT_FALSE(test, old & format->accessed);
	KUNIT_EXPECT_TRUE(test, lodge_pt_allows(format, old, RWX));
	KUNIT_EXPECT_TRUE(test, old & format->dirty);
	KUNIT_EXPECT_EQ(test, 1, hweight64(entry ^ old));
	KUNIT_EXPECT_FALSE(test, lodge_leaf_age(mmu, &old, 0, 2));
}

static void phys_bits(struct kunit *test)
{
	const struct lodge_pt_format *format = format_of(test);
	u32 bits = lodge_mmu_phys_bits(format);

	KUNIT_EXPECT_GE(test, bits, 32u);
	KUNIT_EXPECT_LE(test, bits, 52u);
	KUNIT_EXPECT_LE(test, bits, 12u + 9 * lodge_pt_levels(format));
}

/* SDM 29.3.2: R, W, X, write-back, IPAT, large, accessed, dirty; bit 11 is ours */
static void ept_bits(struct kunit *test)
{
	const struct lodge_pt_format *format = &lodge_ept_format;

	KUNIT_EXPECT_EQ(test, 0x12345b77ull, lodge_pt_leaf(format, 0x12345, 1, RWX));
	KUNIT_EXPECT_EQ(test, 0x12200175ull | BIT(7), lodge_pt_leaf(format, 0x12200, 2, RX));
	KUNIT_EXPECT_EQ(test, 0x40000171ull | BIT(7),
			lodge_pt_leaf(format, 0x40000, 3, LODGE_ACCESS_READ));
	KUNIT_EXPECT_EQ(test, 0x5107ull, lodge_pt_table(format, 0x5000));
	KUNIT_EXPECT_EQ(test, 4, lodge_pt_levels(format));
}

/* SDM 29.3.3.1: write without read is a misconfiguration */
static void ept_never_misconfigured(struct kunit *test)
{
	u64 entry;
	u32 access;

	for (access = 0; access < 16; access++) {
		entry = lodge_pt_leaf(&lodge_ept_format, 1, 1, access);
		KUNIT_EXPECT_TRUE(test, entry & 1);
		KUNIT_EXPECT_EQ(test, 6ull, (entry >> 3) & 7);
	}
}

/* APM 15.25.5: every guest access is a user access for the nested walk */
static void npt_bits(struct kunit *test)
{
	const struct lodge_pt_format *format = &lodge_npt_format;

	KUNIT_EXPECT_EQ(test, 0x12345867ull | _PAGE_ENC,
			lodge_pt_leaf(format, 0x12345, 1, RWX));
	KUNIT_EXPECT_EQ(test, 0x122000a5ull | _PAGE_ENC,
			lodge_pt_leaf(format, 0x12200, 2, RX));
	KUNIT_EXPECT_EQ(test, 0x40000867ull | _PAGE_ENC | BIT(7) | BIT_ULL(63),
			lodge_pt_leaf(format, 0x40000, 3, RW));
	KUNIT_EXPECT_EQ(test, 0x5027ull | _PAGE_ENC, lodge_pt_table(format, 0x5000));
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(zero_is_absent, format_gen_params),
	KUNIT_CASE_PARAM(pfn_survives, format_gen_params),
	KUNIT_CASE_PARAM(leaf_is_leaf, format_gen_params),
	KUNIT_CASE_PARAM(table_is_not_leaf, format_gen_params),
	KUNIT_CASE_PARAM(table_restricts_nothing, format_gen_params),
	KUNIT_CASE_PARAM(access_is_obeyed, format_gen_params),
	KUNIT_CASE_PARAM(marks, format_gen_params),
	KUNIT_CASE_PARAM(ageing_keeps_the_rest, format_gen_params),
	KUNIT_CASE_PARAM(phys_bits, format_gen_params),
	KUNIT_CASE(ept_bits),
	KUNIT_CASE(ept_never_misconfigured),
	KUNIT_CASE(npt_bits),
	{}
};

static struct kunit_suite suite = {
	.name = "lodge_pt_format",
	.test_cases = cases,
};

kunit_test_suite(suite);
