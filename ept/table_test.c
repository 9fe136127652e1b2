// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the table walker, and faults against the notifier. */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "lodge.h"
#include "table.h"

#define MIB	0x100000ull
#define GIB	0x40000000ull
#define USER	0x7f0000000000ull
#define RX	(LODGE_ACCESS_READ | LODGE_ACCESS_EXEC)
#define RWX	(RX | LODGE_ACCESS_WRITE)

void (*lodge_between)(void);

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

/* Tables without a VM: no hardware ever walks them. */
static struct lodge_mmu *make(struct kunit *test)
{
	const struct format_case *c = test->param_value;
	struct lodge_mmu *mmu = test->priv;

	mmu->format = c ? c->format : &lodge_ept_format;
	mmu->levels = 4;
	mmu->max_leaf = 3;
	spin_lock_init(&mmu->notifier_lock);
	KUNIT_ASSERT_EQ(test, 0, lodge_tables_create(mmu));
	return mmu;
}

static int start(struct kunit *test)
{
	struct lodge_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);

	test->priv = vm ? &vm->mmu : NULL;
	return vm ? 0 : -ENOMEM;
}

/* Whatever the test did: counters and tables agree. */
static void stop(struct kunit *test)
{
	struct lodge_mmu *mmu = test->priv;
	int level;

	if (!mmu || !mmu->format)
		return;
	lodge_tables_destroy(mmu);
	KUNIT_EXPECT_EQ(test, 0L, atomic_long_read(&mmu->table_pages));
	for (level = 1; level <= 3; level++)
		KUNIT_EXPECT_EQ(test, 0L, atomic_long_read(&mmu->mapped[level]));
}

static struct lodge_mapping mapping(struct lodge_mmu *mmu, u64 gpa, int level)
{
	return (struct lodge_mapping) {
		.gpa = gpa,
		.hva = USER + gpa,
		.pfn = 0x1000000 + (gpa >> PAGE_SHIFT),
		.count = 1,
		.level = level,
		.access = RWX,
		.seq = lodge_notifier_snapshot(mmu),
	};
}

static int map(struct lodge_mmu *mmu, u64 gpa, int level)
{
	struct lodge_mapping m = mapping(mmu, gpa, level);

	return lodge_table_map(mmu, &m);
}

static bool zap(struct lodge_mmu *mmu, u64 start, u64 end)
{
	return lodge_table_range(mmu, start, end, lodge_leaf_zap, true);
}

static bool mapped(struct lodge_mmu *mmu, u64 gpa)
{
	return lodge_table_allows(mmu, gpa, LODGE_ACCESS_READ);
}

static long leaves(struct lodge_mmu *mmu, int level)
{
	return atomic_long_read(&mmu->mapped[level]);
}

static long tables(struct lodge_mmu *mmu)
{
	return atomic_long_read(&mmu->table_pages);
}

static void empty(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	int level;

	KUNIT_EXPECT_EQ(test, 0ull, lodge_table_lookup(mmu, 0, &level));
	KUNIT_EXPECT_EQ(test, 4, level);
	KUNIT_EXPECT_FALSE(test, mapped(mmu, BIT_ULL(48) - 1));
	KUNIT_EXPECT_EQ(test, 1L, tables(mmu));
	KUNIT_EXPECT_EQ(test, (u64)__pa(mmu->root->entries), mmu->root_hpa & ~_PAGE_ENC);
	KUNIT_EXPECT_FALSE(test, zap(mmu, 0, ~0ull));
}

static void small_leaf(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, 5 * GIB + 0x3000, 1);
	u64 entry;
	int level;

	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	entry = lodge_table_lookup(mmu, m.gpa + 0xfff, &level);
	KUNIT_EXPECT_EQ(test, 1, level);
	KUNIT_EXPECT_EQ(test, m.pfn, lodge_pt_pfn(entry));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, m.gpa, RWX));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, m.gpa - 1));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, m.gpa + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 4L, tables(mmu));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
}

static void tables_are_shared(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	u64 gpa;

	for (gpa = 0; gpa < 2 * MIB; gpa += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, 0, map(mmu, gpa, 1));
	KUNIT_EXPECT_EQ(test, 4L, tables(mmu));
	KUNIT_EXPECT_EQ(test, 512L, leaves(mmu, 1));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 2 * MIB, 1));
	KUNIT_EXPECT_EQ(test, 5L, tables(mmu));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, BIT_ULL(48) - PAGE_SIZE, 1));
	KUNIT_EXPECT_EQ(test, 8L, tables(mmu));
}

static void mapping_twice(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
}

static void large_leaves(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, 4 * MIB + 0x5000, 2);
	u64 entry;
	int level;

	/* The fault was in the middle; the leaf begins where it must. */
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	entry = lodge_table_lookup(mmu, 4 * MIB, &level);
	KUNIT_EXPECT_EQ(test, 2, level);
	KUNIT_EXPECT_EQ(test, m.pfn - 5, lodge_pt_pfn(entry));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 6 * MIB - 1));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, 6 * MIB));
	KUNIT_EXPECT_EQ(test, 3L, tables(mmu));

	KUNIT_ASSERT_EQ(test, 0, map(mmu, 3 * GIB + 77 * MIB, 3));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 4 * GIB - 1));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 2));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 3));
}

static void small_over_large(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	KUNIT_ASSERT_EQ(test, 0, map(mmu, 0, 2));
	KUNIT_EXPECT_EQ(test, -EBUSY, map(mmu, MIB, 1));
	KUNIT_EXPECT_NULL(test, lodge_table_make_way(mmu, MIB, 1));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, 0));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 2));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
}

static void large_over_small(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_table *old;

	KUNIT_ASSERT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_ASSERT_EQ(test, 0, map(mmu, 2 * MIB, 1));
	KUNIT_EXPECT_EQ(test, -EBUSY, map(mmu, 0, 2));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, MIB));
	old = lodge_table_make_way(mmu, 0, 2);
	KUNIT_ASSERT_NOT_NULL(test, old);
	KUNIT_EXPECT_TRUE(test, old->detached);
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, MIB));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 2 * MIB));
	lodge_table_free_deferred(mmu, old);
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 0, 2));
	KUNIT_EXPECT_EQ(test, 4L, tables(mmu));
	/* Nothing is in the way any more but the leaf, which goes. */
	KUNIT_EXPECT_NULL(test, lodge_table_make_way(mmu, 0, 2));
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 2));
	KUNIT_EXPECT_NULL(test, lodge_table_make_way(mmu, 0, 2));
}

static void huge_gives_in_to_tables(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, 4 * MIB, 3);

	KUNIT_ASSERT_EQ(test, 0, map(mmu, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_EQ(test, 2, m.level);
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 2));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 0));
}

static void large_is_not_executable(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	mmu->nx_large = true;
	KUNIT_ASSERT_EQ(test, 0, map(mmu, 0, 2));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, 0, LODGE_ACCESS_WRITE));
	KUNIT_EXPECT_FALSE(test, lodge_table_allows(mmu, 0, LODGE_ACCESS_EXEC));
	/* An instruction fetch asks for a small one, and small it stays. */
	KUNIT_EXPECT_EQ(test, -EBUSY, map(mmu, 0, 1));
	lodge_table_make_way(mmu, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 0, 1));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, 0, LODGE_ACCESS_EXEC));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 2));
	KUNIT_EXPECT_EQ(test, 2L, leaves(mmu, 1));
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 2));
	/* Until they are gone. */
	zap(mmu, 0, 2 * MIB);
	KUNIT_EXPECT_EQ(test, -EBUSY, map(mmu, MIB, 2));
	lodge_table_free_deferred(mmu, lodge_table_make_way(mmu, MIB, 2));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 2));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 2));
}

static void access_grows(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);

	m.access = RX;
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, lodge_table_allows(mmu, MIB, LODGE_ACCESS_WRITE));
	m.access = RWX;
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, LODGE_ACCESS_WRITE));
	/* A read fault that comes late takes nothing away. */
	m.access = RX;
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, LODGE_ACCESS_WRITE));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
}

static void another_page(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);

	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	m.pfn++;
	KUNIT_EXPECT_EQ(test, -EBUSY, lodge_table_map(mmu, &m));
	lodge_table_make_way(mmu, MIB, 1);
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
}

static void zapping(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	u64 gpa;

	for (gpa = MIB; gpa < 5 * MIB; gpa += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test, 0, map(mmu, gpa, 1));
	KUNIT_EXPECT_TRUE(test, zap(mmu, 2 * MIB - PAGE_SIZE, 4 * MIB + PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 2 * MIB - PAGE_SIZE - 1));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, 2 * MIB - PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, 4 * MIB + PAGE_SIZE - 1));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 4 * MIB + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1024L - 514, leaves(mmu, 1));
	KUNIT_EXPECT_FALSE(test, zap(mmu, 2 * MIB, 4 * MIB));
}

static void zapping_part_of_large(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	KUNIT_ASSERT_EQ(test, 0, map(mmu, 0, 2));
	KUNIT_ASSERT_EQ(test, 0, map(mmu, 2 * MIB, 2));
	KUNIT_ASSERT_EQ(test, 0, map(mmu, GIB, 3));
	KUNIT_EXPECT_TRUE(test, zap(mmu, MIB, MIB + PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, 0));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, 2 * MIB));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, GIB));
	KUNIT_EXPECT_TRUE(test, zap(mmu, 2 * GIB - PAGE_SIZE, 2 * GIB));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, GIB));
}

static void zapping_everything(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	int i;

	for (i = 12; i < 48; i++)
		KUNIT_ASSERT_EQ(test, 0, map(mmu, BIT_ULL(i), 1));
	KUNIT_ASSERT_EQ(test, 0, map(mmu, BIT_ULL(48) - PAGE_SIZE, 1));
	KUNIT_EXPECT_TRUE(test, zap(mmu, 0, ~0ull));
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 1));
}

static void ageing(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	KUNIT_ASSERT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_ASSERT_EQ(test, 0, map(mmu, 2 * MIB, 2));
	KUNIT_EXPECT_TRUE(test, lodge_table_range(mmu, 0, 4 * MIB,
						  lodge_leaf_young, false));
	KUNIT_EXPECT_TRUE(test, lodge_table_range(mmu, 0, 4 * MIB,
						  lodge_leaf_age, false));
	KUNIT_EXPECT_FALSE(test, lodge_table_range(mmu, 0, 4 * MIB,
						   lodge_leaf_young, false));
	KUNIT_EXPECT_FALSE(test, lodge_table_range(mmu, 0, 4 * MIB,
						   lodge_leaf_age, false));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, RWX));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, 3 * MIB, RWX));
}

static void five_levels(struct kunit *test)
{
	struct lodge_mmu *mmu = test->priv;

	mmu->format = &lodge_npt_format;
	mmu->levels = 5;
	spin_lock_init(&mmu->notifier_lock);
	KUNIT_ASSERT_EQ(test, 0, lodge_tables_create(mmu));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, BIT_ULL(51), 1));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, BIT_ULL(48), 2));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, 0));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, BIT_ULL(51)));
	KUNIT_EXPECT_EQ(test, 8L, tables(mmu));
	KUNIT_EXPECT_TRUE(test, zap(mmu, BIT_ULL(50), BIT_ULL(52)));
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 1));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 2));
}

/* The host: what it invalidated is not mapped until it says so. */
static int invalidate(struct lodge_mmu *mmu, u64 start, u64 bytes)
{
	u64 gpa;
	int bad = 0;

	lodge_notifier_begin(mmu, USER + start, USER + start + bytes);
	zap(mmu, start, start + bytes);
	for (gpa = start; gpa < start + bytes; gpa += PAGE_SIZE)
		bad += mapped(mmu, gpa);
	lodge_notifier_end(mmu, USER + start, USER + start + bytes);
	return bad;
}

static void no_leaf_while_invalidating(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	lodge_notifier_begin(mmu, USER + MIB, USER + 2 * MIB);
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 2 * MIB - PAGE_SIZE, 1));
	/* Neighbours are not held up. */
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB - PAGE_SIZE, 1));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 2 * MIB, 1));
	lodge_notifier_end(mmu, USER + MIB, USER + 2 * MIB);
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, 3L, leaves(mmu, 1));
}

/* Snapshot; the host changes its mind completely; install. */
static void stale_snapshot(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);

	lodge_notifier_begin(mmu, m.hva, m.hva + PAGE_SIZE);
	lodge_notifier_end(mmu, m.hva, m.hva + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, MIB));
	m.seq = lodge_notifier_snapshot(mmu);
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
}

/* The fault began inside an invalidation that ended before the install. */
static void snapshot_inside(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m;

	lodge_notifier_begin(mmu, USER, USER + 4 * MIB);
	m = mapping(mmu, MIB, 1);
	lodge_notifier_end(mmu, USER, USER + 4 * MIB);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
}

/* An upgrade to writable is an install, too. */
static void stale_upgrade(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);

	m.access = RX;
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	m.access = RWX;
	lodge_notifier_begin(mmu, m.hva, m.hva + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
	lodge_notifier_end(mmu, m.hva, m.hva + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, lodge_table_allows(mmu, MIB, LODGE_ACCESS_WRITE));
}

static void large_leaf_touches_the_range(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	/* Only the last page of the 2M that the fault at its start would map */
	lodge_notifier_begin(mmu, USER + 2 * MIB - PAGE_SIZE, USER + 2 * MIB);
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 0, 2));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 2 * MIB, 2));
	lodge_notifier_end(mmu, USER + 2 * MIB - PAGE_SIZE, USER + 2 * MIB);
}

static void overlapping_invalidations(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	lodge_notifier_begin(mmu, USER + MIB, USER + 2 * MIB);
	lodge_notifier_begin(mmu, USER + 8 * MIB, USER + 9 * MIB);
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 8 * MIB, 1));
	lodge_notifier_end(mmu, USER + MIB, USER + 2 * MIB);
	/* Which of the two ended is not known: both stay barred. */
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 8 * MIB, 1));
	lodge_notifier_end(mmu, USER + 8 * MIB, USER + 9 * MIB);
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB, 1));
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 8 * MIB, 1));
	/* The next one starts with a range of its own. */
	lodge_notifier_begin(mmu, USER + 16 * MIB, USER + 17 * MIB);
	KUNIT_EXPECT_EQ(test, 0, map(mmu, 2 * MIB, 1));
	lodge_notifier_end(mmu, USER + 16 * MIB, USER + 17 * MIB);
}

static struct lodge_table *table_over(struct lodge_mmu *mmu, u64 gpa, int level)
{
	struct lodge_table *table = mmu->root;
	u64 entry;

	while (table->level > level) {
		entry = table->entries[gpa / lodge_level_bytes(table->level) % 512];
		table = (void *)page_private(pfn_to_page(lodge_pt_pfn(entry)));
	}
	return table;
}

/* Disjoint memory: with each lock but that of its own 2M taken, a fault still comes through. */
static void no_lock_is_shared(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_table *table[4];
	int i, ret;

	KUNIT_ASSERT_EQ(test, 0, map(mmu, 0, 1));
	KUNIT_ASSERT_EQ(test, 0, map(mmu, 2 * MIB, 1));
	for (i = 0; i < 4; i++)
		table[i] = table_over(mmu, 0, i + 1);
	/* One by one: sparse does not follow locks through a loop. */
	spin_lock_nested(&table[0]->lock, 0);
	spin_lock_nested(&table[1]->lock, 1);
	spin_lock_nested(&table[2]->lock, 2);
	spin_lock_nested(&table[3]->lock, 3);
	spin_lock(&mmu->notifier_lock);
	ret = map(mmu, 2 * MIB + PAGE_SIZE, 1);
	spin_unlock(&mmu->notifier_lock);
	spin_unlock(&table[3]->lock);
	spin_unlock(&table[2]->lock);
	spin_unlock(&table[1]->lock);
	spin_unlock(&table[0]->lock);
	KUNIT_EXPECT_EQ(test, 0, ret);
	KUNIT_EXPECT_PTR_NE(test, table[0], table_over(mmu, 2 * MIB, 1));
}

/* What ends elsewhere keeps no fault from its page, as long as it is known to be elsewhere. */
static void storms_elsewhere(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);
	int i;

	for (i = 0; i < LODGE_NOTIFIER_MEMORY; i++)
		invalidate(mmu, i & 1 ? MIB - PAGE_SIZE : MIB + PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	/* All of a large page counts. */
	m = mapping(mmu, 8 * MIB, 2);
	invalidate(mmu, 10 * MIB - PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
	/* As long as it is remembered, and when it is not any more. */
	m = mapping(mmu, MIB, 1);
	invalidate(mmu, MIB, PAGE_SIZE);
	for (i = 1; i < 2 * LODGE_NOTIFIER_MEMORY; i++) {
		KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
		invalidate(mmu, 4 * MIB, MIB);
	}
	m.seq = lodge_notifier_snapshot(mmu);
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
}

static void everything_is_barred(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);

	lodge_notifier_begin(mmu, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 0, 1));
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 4 * MIB, 2));
	KUNIT_EXPECT_EQ(test, -EAGAIN, map(mmu, 64 * GIB, 3));
	lodge_notifier_end(mmu, 0, ULONG_MAX);
}

static void dirty_page(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	m.pages = &page;
	m.pfn = page_to_pfn(page);
	m.access = RX;
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(page_folio(page)));
	m.access = RWX;
	invalidate(mmu, 0, 2 * MIB);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, folio_test_dirty(page_folio(page)));
	m.seq = lodge_notifier_snapshot(mmu);
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(page_folio(page)));
	zap(mmu, 0, ~0ull);
	folio_clear_dirty(page_folio(page));
	__free_page(page);
}

/* Protected for the log: writable at once, if the host allows it, and only then. */
static void protected_for_the_log(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);

	KUNIT_EXPECT_FALSE(test, lodge_table_allow_write(mmu, MIB));
	m.access = RX;
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, lodge_table_allow_write(mmu, MIB));
	m.access |= LODGE_ACCESS_MAY_WRITE;
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_FALSE(test, lodge_table_allows(mmu, MIB, LODGE_ACCESS_WRITE));
	KUNIT_EXPECT_TRUE(test, lodge_table_allow_write(mmu, MIB + 5));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, RWX));
	/* A fault that comes late takes nothing away. */
	KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, RWX));
	KUNIT_EXPECT_TRUE(test, lodge_table_range(mmu, MIB, MIB + 1, lodge_leaf_protect, false));
	KUNIT_EXPECT_FALSE(test, lodge_table_range(mmu, 0, GIB, lodge_leaf_protect, false));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, RX));
	KUNIT_EXPECT_FALSE(test, lodge_table_allows(mmu, MIB, LODGE_ACCESS_WRITE));
	KUNIT_EXPECT_TRUE(test, lodge_table_allow_write(mmu, MIB));
	KUNIT_EXPECT_EQ(test, 1L, leaves(mmu, 1));
	zap(mmu, 0, GIB);
	KUNIT_EXPECT_FALSE(test, lodge_table_allow_write(mmu, MIB));
}

/* Memory for tables, of @bytes mapped by leaves of @level, in hundred-thousandths. */
static u64 overhead(struct kunit *test, u64 bytes, int level)
{
	struct lodge_mmu *mmu = test->priv;
	u64 gpa;

	for (gpa = 0; gpa < bytes; gpa += lodge_level_bytes(level))
		KUNIT_ASSERT_EQ_MSG(test, 0, map(mmu, gpa, level), "%#llx", gpa);
	return tables(mmu) * (PAGE_SIZE + sizeof(struct lodge_table)) * 100000 / bytes;
}

static void tables_are_small(struct kunit *test)
{
	make(test);
	KUNIT_EXPECT_GT(test, 10ull, overhead(test, 256 * MIB, 2));
	zap(test->priv, 0, GIB);
	KUNIT_EXPECT_GT(test, 250ull, overhead(test, 128 * MIB, 1));
}

/* What the CPU does to a leaf when the guest writes. */
static bool cpu_marks(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	*entry |= mmu->format->dirty;
	return true;
}

static bool each(struct lodge_mmu *mmu, u64 page, lodge_leaf_op op)
{
	return lodge_table_range(mmu, MIB + page * PAGE_SIZE, MIB + page * PAGE_SIZE + 1, op,
				 false);
}

/* No mark is lost: it is cleaned off into the log, or goes there with its leaf. */
static void marked_for_the_log(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_memslots *slots = kunit_kzalloc(test, struct_size(slots, slot, 1), GFP_KERNEL);
	struct lodge_mapping m = mapping(mmu, MIB, 1);
	unsigned long log = 0;
	int i, idx, level;

	KUNIT_ASSERT_NOT_NULL(test, slots);
	KUNIT_ASSERT_EQ(test, 0, init_srcu_struct(&mmu->srcu));
	slots->count = 1;
	slots->slot[0] = (struct lodge_memslot) {
		.gpa = MIB, .bytes = BITS_PER_LONG * PAGE_SIZE, .dirty = &log,
	};
	rcu_assign_pointer(mmu->slots, slots);
	idx = srcu_read_lock(&mmu->srcu);
	for (i = 0; i < 8; i++) {
		m = mapping(mmu, MIB + i * PAGE_SIZE, 1);
		m.access |= i < 7 ? LODGE_ACCESS_LOGGED : 0;
		KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &m));
	}
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB, RWX));
	KUNIT_EXPECT_FALSE(test, lodge_table_lookup(mmu, MIB, &level) & mmu->format->dirty);
	KUNIT_EXPECT_FALSE(test, each(mmu, 2, lodge_leaf_clean));
	each(mmu, 2, cpu_marks);
	KUNIT_EXPECT_EQ(test, 0ul, log);
	KUNIT_EXPECT_TRUE(test, each(mmu, 2, lodge_leaf_clean));
	KUNIT_EXPECT_FALSE(test, each(mmu, 2, lodge_leaf_clean));
	KUNIT_EXPECT_TRUE(test, lodge_table_allows(mmu, MIB + 2 * PAGE_SIZE, RWX));
	each(mmu, 3, cpu_marks);
	each(mmu, 3, lodge_leaf_zap);
	each(mmu, 4, lodge_leaf_zap);
	KUNIT_EXPECT_EQ(test, BIT(2) | BIT(3), log);
	/* With its table, and one whose slot is not logged. */
	each(mmu, 6, cpu_marks);
	each(mmu, 7, cpu_marks);
	lodge_table_free_deferred(mmu, lodge_table_make_way(mmu, 0, 2));
	KUNIT_EXPECT_EQ(test, BIT(2) | BIT(3) | BIT(6), log);
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 1));
	srcu_read_unlock(&mmu->srcu, idx);
	cleanup_srcu_struct(&mmu->srcu);
}

/* Several at once: as many as nothing keeps from it. */
static void several_pages(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct lodge_mapping m = mapping(mmu, MIB, 1);
	struct page *pages[4];
	int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = alloc_page(GFP_KERNEL);
	m.pages = pages;
	m.count = ARRAY_SIZE(pages);
	m.pfn = page_to_pfn(pages[0]);
	m.access = RX;
	lodge_notifier_begin(mmu, m.hva + 3 * PAGE_SIZE, m.hva + 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_table_map(mmu, &m));
	lodge_notifier_end(mmu, m.hva + 3 * PAGE_SIZE, m.hva + 4 * PAGE_SIZE);
	m.seq = lodge_notifier_snapshot(mmu);
	KUNIT_EXPECT_EQ(test, 0, map(mmu, MIB + 2 * PAGE_SIZE, 1));
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_TRUE(test, mapped(mmu, MIB + PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, mapped(mmu, MIB + 3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 3L, leaves(mmu, 1));
	zap(mmu, 0, GIB);
	KUNIT_EXPECT_EQ(test, 0, lodge_table_map(mmu, &m));
	KUNIT_EXPECT_EQ(test, 4L, leaves(mmu, 1));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		u64 entry = lodge_table_lookup(mmu, MIB + i * PAGE_SIZE, &m.level);

		KUNIT_EXPECT_EQ(test, (u64)page_to_pfn(pages[i]), lodge_pt_pfn(entry));
		KUNIT_EXPECT_FALSE(test, folio_test_dirty(page_folio(pages[i])));
	}
	zap(mmu, 0, GIB);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		__free_page(pages[i]);
}

/*
 * Every interleaving of a fault and an invalidation, of its page or of the one
 * beside it. One side runs, and between its steps, inside the walker too, the
 * other does as many of its own as the schedule says; then the roles change.
 */
enum fault_kind { FRESH, UPGRADE, LOGGED, FRESH_BESIDE, UPGRADE_BESIDE, FAULT_KINDS };
enum { HOST_BEGIN, HOST_ZAP, HOST_CHANGE, HOST_END, HOST_STEPS };
enum { FAULT_LOOK, FAULT_FIND, FAULT_MAP, FAULT_STEPS };

static struct walk {
	struct kunit *test;
	struct lodge_mmu *mmu;
	enum fault_kind kind;
	struct lodge_mapping m;
	u64 pfn;		/* where the host has the page now */
	int host, fault;	/* steps that were done */
	bool host_drives;
	int point;		/* of the driver */
	const int *at;		/* point before which each step of the other is done */
	int ret;
} walker;

static bool beside(const struct walk *w)
{
	return w->kind >= FRESH_BESIDE;
}

static void host_step(struct walk *w)
{
	u64 at = MIB + (beside(w) ? PAGE_SIZE : 0);

	switch (w->host++) {
	case HOST_BEGIN:
		lodge_notifier_begin(w->mmu, USER + at, USER + at + PAGE_SIZE);
		break;
	case HOST_ZAP:
		zap(w->mmu, at, at + PAGE_SIZE);
		break;
	case HOST_CHANGE:
		KUNIT_EXPECT_FALSE(w->test, mapped(w->mmu, at));
		w->pfn += !beside(w);
		break;
	case HOST_END:
		KUNIT_EXPECT_FALSE(w->test, mapped(w->mmu, at));
		lodge_notifier_end(w->mmu, USER + at, USER + at + PAGE_SIZE);
	}
}

static void fault_step(struct walk *w)
{
	switch (w->fault++) {
	case FAULT_LOOK:
		w->m.seq = lodge_notifier_snapshot(w->mmu);
		break;
	case FAULT_FIND:
		w->m.pfn = w->pfn;
		break;
	case FAULT_MAP:
		w->ret = w->kind == LOGGED ? lodge_table_allow_write(w->mmu, MIB) :
					     lodge_table_map(w->mmu, &w->m);
	}
}

/* The driver is between two steps. */
static void other_side(void)
{
	struct walk *w = &walker;
	int *done = w->host_drives ? &w->fault : &w->host;
	int steps = w->host_drives ? FAULT_STEPS : HOST_STEPS;
	int point = w->point++;

	lodge_between = NULL;
	while (*done < steps && w->at[*done] <= point) {
		if (w->host_drives)
			fault_step(w);
		else
			host_step(w);
	}
	lodge_between = other_side;
}

static void drive(struct walk *w)
{
	int steps = w->host_drives ? HOST_STEPS : FAULT_STEPS, i;

	lodge_between = other_side;
	for (i = 0; i < steps; i++) {
		other_side();
		if (w->host_drives)
			host_step(w);
		else
			fault_step(w);
	}
	lodge_between = NULL;
	while (w->host < HOST_STEPS)
		host_step(w);
	while (w->fault < FAULT_STEPS)
		fault_step(w);
}

static void one_schedule(struct kunit *test, struct lodge_mmu *mmu, enum fault_kind kind,
			 bool host_drives, const int *at)
{
	struct walk *w = &walker;
	u64 entry;
	int level;

	*w = (struct walk) {
		.test = test, .mmu = mmu, .kind = kind, .m = mapping(mmu, MIB, 1),
		.pfn = 0x1000, .host_drives = host_drives, .at = at,
	};
	w->m.pfn = w->pfn;
	w->m.access = kind == LOGGED ? RX | LODGE_ACCESS_MAY_WRITE : RX;
	if (kind != FRESH && kind != FRESH_BESIDE)
		KUNIT_ASSERT_EQ(test, 0, lodge_table_map(mmu, &w->m));
	w->m.access = RWX;
	drive(w);
	entry = lodge_table_lookup(mmu, MIB, &level);
	if (entry)
		KUNIT_EXPECT_EQ(test, w->pfn, lodge_pt_pfn(entry));
	/* A fault that begins after all of it is not held up, and none by what is beside it. */
	if (beside(w) || (kind != LOGGED && !host_drives && !at[HOST_END]))
		KUNIT_EXPECT_TRUE(test, !w->ret && entry);
	zap(mmu, 0, GIB);
}

#define POINTS	8	/* the most a driver comes by: before its steps, and inside the walker */

static void every_interleaving(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	int at[HOST_STEPS], kind, code, i, n = 0;

	for (kind = 0; kind < 2 * FAULT_KINDS; kind++) {
		for (code = 0; code < int_pow(POINTS, HOST_STEPS); code++) {
			for (i = 0; i < HOST_STEPS; i++)
				at[i] = code / (int)int_pow(POINTS, i) % POINTS;
			if (at[0] > at[1] || at[1] > at[2] || at[2] > at[3])
				continue;
			one_schedule(test, mmu, kind / 2, kind % 2, at);
			n++;
		}
	}
	KUNIT_EXPECT_EQ(test, 2 * FAULT_KINDS * 330, n);
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 1));
}

#define RACE_WINDOW	(8 * MIB)
#define RACE_ROUNDS	20000

struct racer {
	struct lodge_mmu *mmu;
	u32 seed;
	int done;
};

static u32 next(struct racer *racer)
{
	racer->seed = racer->seed * 1664525 + 1013904223;
	return racer->seed >> 8;
}

/* A vCPU: faults at both sizes all over the window. */
static int map_race(void *arg)
{
	struct racer *racer = arg;
	u64 gpa;
	int i, level, ret;

	for (i = 0; i < RACE_ROUNDS; i++) {
		gpa = ALIGN_DOWN(next(racer) % RACE_WINDOW, PAGE_SIZE);
		level = next(racer) % 16 ? 1 : 2;
		ret = map(racer->mmu, gpa, level);
		if (ret == -EBUSY)
			lodge_table_free_deferred(racer->mmu,
						  lodge_table_make_way(racer->mmu,
								       gpa, level));
		if (!(i % 256))
			cond_resched();
	}
	/* All that this thread did is done when the test sees it. */
	smp_store_release(&racer->done, 1);
	return 0;
}

static void faults_against_notifier(struct kunit *test)
{
	struct lodge_mmu *mmu = make(test);
	struct racer racers[3] = {};
	struct racer host = { .seed = 7 };
	int i, running, bad = 0;

	for (i = 0; i < ARRAY_SIZE(racers); i++) {
		racers[i].mmu = mmu;
		racers[i].seed = i;
		if (IS_ERR(kthread_run(map_race, &racers[i], "lodge-race")))
			racers[i].done = 1;
	}
	do {
		bad += invalidate(mmu, next(&host) % 7 * MIB, MIB);
		cond_resched();
		for (running = 0, i = 0; i < ARRAY_SIZE(racers); i++) {
			/* Pairs with map_race(). */
			running += !smp_load_acquire(&racers[i].done);
		}
	} while (running);
	KUNIT_EXPECT_EQ(test, 0, bad);
	zap(mmu, 0, ~0ull);
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 1));
	KUNIT_EXPECT_EQ(test, 0L, leaves(mmu, 2));
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(empty, format_gen_params),
	KUNIT_CASE_PARAM(small_leaf, format_gen_params),
	KUNIT_CASE_PARAM(tables_are_shared, format_gen_params),
	KUNIT_CASE_PARAM(mapping_twice, format_gen_params),
	KUNIT_CASE_PARAM(large_leaves, format_gen_params),
	KUNIT_CASE_PARAM(small_over_large, format_gen_params),
	KUNIT_CASE_PARAM(large_over_small, format_gen_params),
	KUNIT_CASE_PARAM(huge_gives_in_to_tables, format_gen_params),
	KUNIT_CASE_PARAM(large_is_not_executable, format_gen_params),
	KUNIT_CASE_PARAM(access_grows, format_gen_params),
	KUNIT_CASE_PARAM(another_page, format_gen_params),
	KUNIT_CASE_PARAM(zapping, format_gen_params),
	KUNIT_CASE_PARAM(zapping_part_of_large, format_gen_params),
	KUNIT_CASE_PARAM(zapping_everything, format_gen_params),
	KUNIT_CASE_PARAM(ageing, format_gen_params),
	KUNIT_CASE(five_levels),
	KUNIT_CASE(no_leaf_while_invalidating),
	KUNIT_CASE(stale_snapshot),
	KUNIT_CASE(snapshot_inside),
	KUNIT_CASE(stale_upgrade),
	KUNIT_CASE(large_leaf_touches_the_range),
	KUNIT_CASE(overlapping_invalidations),
	KUNIT_CASE(no_lock_is_shared),
	KUNIT_CASE(storms_elsewhere),
	KUNIT_CASE(everything_is_barred),
	KUNIT_CASE(dirty_page),
	KUNIT_CASE_PARAM(protected_for_the_log, format_gen_params),
	KUNIT_CASE_PARAM(marked_for_the_log, format_gen_params),
	KUNIT_CASE(several_pages),
	KUNIT_CASE(tables_are_small),
	KUNIT_CASE_PARAM(every_interleaving, format_gen_params),
	KUNIT_CASE_PARAM(faults_against_notifier, format_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "lodge_pt_table",
	.init = start,
	.exit = stop,
	.test_cases = cases,
};

kunit_test_suite(suite);
