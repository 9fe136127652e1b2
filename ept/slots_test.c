// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: memory slots as pure data. */
#include <kunit/test.h>
#include <linux/slab.h>

#include "lodge.h"
#include "table.h"

#define MIB	0x100000ull
#define GIB	0x40000000ull
#define USER	0x7f0000000000ull

static struct lodge_slot slot_args(u32 id, u64 gpa, u64 bytes)
{
	return (struct lodge_slot) {
		.size = sizeof(struct lodge_slot),
		.slot = id,
		.gpa = gpa,
		.bytes = bytes,
		.user_addr = USER + gpa,
	};
}

struct slots_ctx {
	struct lodge_memslots *slots;
};

static int start(struct kunit *test)
{
	struct slots_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return -ENOMEM;
	test->priv = ctx;
	ctx->slots = kvzalloc(sizeof(*ctx->slots), GFP_KERNEL);
	return ctx->slots ? 0 : -ENOMEM;
}

static void stop(struct kunit *test)
{
	struct slots_ctx *ctx = test->priv;

	if (ctx)
		kvfree(ctx->slots);
}

/* Replace the test's array as lodge_slot_set() does. */
static int change(struct kunit *test, struct lodge_slot args)
{
	struct slots_ctx *ctx = test->priv;
	struct lodge_memslots *new = lodge_slots_change(ctx->slots, &args);

	if (IS_ERR(new))
		return PTR_ERR(new);
	kvfree(ctx->slots);
	ctx->slots = new;
	return 0;
}

static struct lodge_memslots *slots_of(struct kunit *test)
{
	return ((struct slots_ctx *)test->priv)->slots;
}

static void expect_sorted(struct kunit *test)
{
	struct lodge_memslots *slots = slots_of(test);
	u32 i;

	for (i = 1; i < slots->count; i++)
		KUNIT_EXPECT_LE(test, slots->slot[i - 1].gpa +
				slots->slot[i - 1].bytes, slots->slot[i].gpa);
}

static void good_slot(struct kunit *test)
{
	struct lodge_slot args = slot_args(0, 0, 640 * 1024);

	KUNIT_EXPECT_EQ(test, 0, lodge_slot_check(&args, 40));
	args.flags = LODGE_SLOT_READONLY;
	args.slot = LODGE_MAX_SLOTS - 1;
	KUNIT_EXPECT_EQ(test, 0, lodge_slot_check(&args, 40));
}

static void unknown_flags(struct kunit *test)
{
	struct lodge_slot args = slot_args(0, 0, PAGE_SIZE);

	args.flags = LODGE_SLOT_LOG_DIRTY << 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
	args.flags = ~0u;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
	args.bytes = 0;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
}

static void number_out_of_range(struct kunit *test)
{
	struct lodge_slot args = slot_args(LODGE_MAX_SLOTS, 0, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
	args.slot = ~0u;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
}

static void unaligned(struct kunit *test)
{
	struct lodge_slot args = slot_args(0, 1, PAGE_SIZE);

	args.user_addr = USER;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
	args = slot_args(0, 0, PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
	args = slot_args(0, 0, PAGE_SIZE);
	args.user_addr++;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
}

static void wraps(struct kunit *test)
{
	struct lodge_slot args = slot_args(0, -PAGE_SIZE, 2 * PAGE_SIZE);

	args.user_addr = USER;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 52));
	args = slot_args(0, PAGE_SIZE, -PAGE_SIZE);
	args.user_addr = USER;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 52));
	args = slot_args(0, 0, 2 * PAGE_SIZE);
	args.user_addr = -PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EFAULT, lodge_slot_check(&args, 52));
}

static void beyond_the_address_width(struct kunit *test)
{
	struct lodge_slot args = slot_args(0, BIT_ULL(40) - PAGE_SIZE, PAGE_SIZE);

	args.user_addr = USER;
	KUNIT_EXPECT_EQ(test, 0, lodge_slot_check(&args, 40));
	args.bytes += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
	args = slot_args(0, BIT_ULL(40), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_slot_check(&args, 40));
}

static void kernel_memory(struct kunit *test)
{
	struct lodge_slot args = slot_args(0, 0, PAGE_SIZE);

	args.user_addr = PAGE_OFFSET;
	KUNIT_EXPECT_EQ(test, -EFAULT, lodge_slot_check(&args, 40));
	args.user_addr = TASK_SIZE_MAX - PAGE_SIZE;
	args.bytes = BIT_ULL(63);
	KUNIT_EXPECT_NE(test, 0, lodge_slot_check(&args, 40));
}

static void nothing_in_nothing(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, lodge_slot_find(slots_of(test), 0));
	KUNIT_EXPECT_NULL(test, lodge_slot_find(slots_of(test), ~0ull));
	KUNIT_EXPECT_EQ(test, -ENOENT, change(test, slot_args(0, 0, 0)));
}

static void borders(struct kunit *test)
{
	const struct lodge_memslot *slot;

	KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(7, MIB, MIB)));
	KUNIT_EXPECT_NULL(test, lodge_slot_find(slots_of(test), MIB - 1));
	slot = lodge_slot_find(slots_of(test), MIB);
	KUNIT_ASSERT_NOT_NULL(test, slot);
	KUNIT_EXPECT_EQ(test, 7u, slot->id);
	KUNIT_EXPECT_PTR_EQ(test, slot,
			    lodge_slot_find(slots_of(test), 2 * MIB - 1));
	KUNIT_EXPECT_NULL(test, lodge_slot_find(slots_of(test), 2 * MIB));
}

static void stays_sorted(struct kunit *test)
{
	static const u64 order[] = { 5, 1, 9, 3, 7, 0, 8, 2, 6, 4 };
	int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(i, order[i] * MIB,
								MIB)));
		expect_sorted(test);
	}
	for (i = 0; i < ARRAY_SIZE(order); i++)
		KUNIT_EXPECT_EQ(test, (u32)i,
				lodge_slot_find(slots_of(test),
						order[i] * MIB + 5)->id);
	KUNIT_EXPECT_EQ(test, 10ull, slots_of(test)->generation);
}

static void overlap(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(0, 4 * MIB, 4 * MIB)));
	KUNIT_EXPECT_EQ(test, -EEXIST, change(test, slot_args(1, 4 * MIB, MIB)));
	KUNIT_EXPECT_EQ(test, -EEXIST, change(test, slot_args(1, 7 * MIB, 4 * MIB)));
	KUNIT_EXPECT_EQ(test, -EEXIST, change(test, slot_args(1, MIB, 3 * MIB + PAGE_SIZE)));
	KUNIT_EXPECT_EQ(test, -EEXIST, change(test, slot_args(1, 0, 64 * MIB)));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(1, 3 * MIB, MIB)));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(2, 8 * MIB, MIB)));
	KUNIT_EXPECT_EQ(test, 3u, slots_of(test)->count);
}

static void replace(struct kunit *test)
{
	struct lodge_slot args = slot_args(1, 2 * MIB, 4 * MIB);

	KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(0, 0, MIB)));
	KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(1, MIB, 2 * MIB)));
	args.flags = LODGE_SLOT_READONLY;
	KUNIT_EXPECT_EQ(test, 0, change(test, args));
	KUNIT_EXPECT_EQ(test, 2u, slots_of(test)->count);
	KUNIT_EXPECT_NULL(test, lodge_slot_find(slots_of(test), MIB));
	KUNIT_EXPECT_EQ(test, LODGE_SLOT_READONLY,
			lodge_slot_find(slots_of(test), 5 * MIB)->flags);
	/* It may move past others, not onto them. */
	KUNIT_EXPECT_EQ(test, -EEXIST, change(test, slot_args(0, 3 * MIB, MIB)));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(0, 6 * MIB, MIB)));
	expect_sorted(test);
}

static void delete(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(0, 0, MIB)));
	KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(1, MIB, MIB)));
	KUNIT_EXPECT_EQ(test, -ENOENT, change(test, slot_args(2, 0, 0)));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(0, 0, 0)));
	KUNIT_EXPECT_NULL(test, lodge_slot_find(slots_of(test), 0));
	KUNIT_EXPECT_NOT_NULL(test, lodge_slot_find(slots_of(test), MIB));
	KUNIT_EXPECT_EQ(test, -ENOENT, change(test, slot_args(0, 0, 0)));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(1, 0, 0)));
	KUNIT_EXPECT_EQ(test, 0u, slots_of(test)->count);
}

/* The log of a slot goes with it when others change, and ends when it does. */
static void logs_move_along(struct kunit *test)
{
	unsigned long *log = kvcalloc(1, sizeof(*log), GFP_KERNEL);
	struct lodge_memslots *slots;

	KUNIT_ASSERT_NOT_NULL(test, log);
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(5, 4 * MIB, MIB)));
	slots_of(test)->slot[0].dirty = log;
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(1, MIB, MIB)));
	slots = slots_of(test);
	KUNIT_EXPECT_NULL(test, slots->slot[0].dirty);
	KUNIT_EXPECT_PTR_EQ(test, log, slots->slot[1].dirty);
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(5, 8 * MIB, MIB)));
	KUNIT_EXPECT_NULL(test, slots_of(test)->slot[1].dirty);
	kvfree(log);
}

/* All of them, filled from both ends, with a hole behind each. */
static void as_many_as_may_be(struct kunit *test)
{
	u32 i, at;

	for (i = 0; i < LODGE_MAX_SLOTS; i++) {
		at = i & 1 ? LODGE_MAX_SLOTS - 1 - i / 2 : i / 2;
		KUNIT_ASSERT_EQ(test, 0, change(test, slot_args(at, at * 2 * MIB,
								MIB)));
	}
	expect_sorted(test);
	for (i = 0; i < LODGE_MAX_SLOTS; i++) {
		KUNIT_ASSERT_EQ(test, i,
				lodge_slot_find(slots_of(test), i * 2 * MIB)->id);
		KUNIT_ASSERT_NULL(test, lodge_slot_find(slots_of(test),
							(i * 2 + 1) * MIB));
	}
}

static void user_ranges(struct kunit *test)
{
	struct lodge_memslot slot = {
		.gpa = GIB, .bytes = MIB, .user_addr = USER,
	};
	u64 from, to;

	KUNIT_EXPECT_FALSE(test, lodge_slot_gpa_range(&slot, 0, USER, &from, &to));
	KUNIT_EXPECT_FALSE(test, lodge_slot_gpa_range(&slot, USER + MIB, ~0ul,
						      &from, &to));
	KUNIT_EXPECT_TRUE(test, lodge_slot_gpa_range(&slot, 0, ~0ul, &from, &to));
	KUNIT_EXPECT_EQ(test, GIB, from);
	KUNIT_EXPECT_EQ(test, GIB + MIB, to);
	KUNIT_EXPECT_TRUE(test, lodge_slot_gpa_range(&slot, USER + 0x1800,
						     USER + 0x1801, &from, &to));
	KUNIT_EXPECT_EQ(test, GIB + 0x1000, from);
	KUNIT_EXPECT_EQ(test, GIB + 0x2000, to);
}

static void room_for_large_leaves(struct kunit *test)
{
	struct lodge_memslot slot = {
		.gpa = 0, .bytes = 3 * MIB, .user_addr = USER,
	};

	KUNIT_EXPECT_EQ(test, 2, lodge_slot_max_level(&slot, MIB, 3));
	KUNIT_EXPECT_EQ(test, 1, lodge_slot_max_level(&slot, MIB, 1));
	/* The second 2M is cut off by the slot's end. */
	KUNIT_EXPECT_EQ(test, 1, lodge_slot_max_level(&slot, 2 * MIB, 3));
	/* The first one by its start. */
	slot.gpa = MIB;
	slot.user_addr = USER + MIB;
	KUNIT_EXPECT_EQ(test, 1, lodge_slot_max_level(&slot, MIB, 3));
	KUNIT_EXPECT_EQ(test, 2, lodge_slot_max_level(&slot, 2 * MIB, 3));
	/* Guest and user addresses do not agree modulo 2M. */
	slot.user_addr = USER;
	KUNIT_EXPECT_EQ(test, 1, lodge_slot_max_level(&slot, 2 * MIB, 3));
	slot.gpa = 4 * GIB;
	slot.bytes = 2 * GIB;
	KUNIT_EXPECT_EQ(test, 3, lodge_slot_max_level(&slot, 5 * GIB + 77, 3));
	KUNIT_EXPECT_EQ(test, 2, lodge_slot_max_level(&slot, 5 * GIB + 77, 2));
}

/* What was written to a slot of before may be longer than the slot of now. */
static void marks_stay_in_the_log(struct kunit *test)
{
	struct lodge_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	unsigned long *dirty = kunit_kcalloc(test, 2, sizeof(*dirty), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	KUNIT_ASSERT_NOT_NULL(test, dirty);
	KUNIT_ASSERT_EQ(test, 0, init_srcu_struct(&vm->mmu.srcu));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(1, MIB, 64 * PAGE_SIZE)));
	slots_of(test)->slot[0].dirty = dirty;
	rcu_assign_pointer(vm->mmu.slots, slots_of(test));
	lodge_mark_dirty(vm, MIB + 62 * PAGE_SIZE + 8, 100 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 3ul << 62, dirty[0]);
	KUNIT_EXPECT_EQ(test, 0ul, dirty[1]);
	dirty[0] = 0;
	lodge_mark_dirty(vm, MIB + PAGE_SIZE - 1, 2);
	KUNIT_EXPECT_EQ(test, 3ul, dirty[0]);
	lodge_mark_dirty(vm, MIB, 0);
	KUNIT_EXPECT_EQ(test, 3ul, dirty[0]);
	cleanup_srcu_struct(&vm->mmu.srcu);
}

/* What the CPU does to a leaf when the guest writes. */
static bool cpu_marks(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	*entry |= mmu->format->dirty;
	return true;
}

static bool marked(struct lodge_mmu *mmu, u64 gpa)
{
	int level;

	return lodge_table_lookup(mmu, gpa, &level) & mmu->format->dirty;
}

/* Where the CPU lists what it marks, other leaves are not looked at, nor forgotten. */
static void only_what_is_listed(struct kunit *test)
{
	struct lodge_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	unsigned long *dirty = kunit_kcalloc(test, 2, sizeof(*dirty), GFP_KERNEL);
	static const u64 pages[] = { MIB + 3 * PAGE_SIZE, MIB + 70 * PAGE_SIZE };
	/* What cannot be handed out stays in the log. */
	struct lodge_dirty args = { .slot = 1, .pages = 128, .bitmap = ~0xfffull };
	struct lodge_mapping m = {
		.count = 1, .level = 1,
		.access = LODGE_ACCESS_READ | LODGE_ACCESS_WRITE | LODGE_ACCESS_LOGGED,
	};
	int i;

	KUNIT_ASSERT_NOT_NULL(test, vm);
	KUNIT_ASSERT_NOT_NULL(test, dirty);
	mutex_init(&vm->lock);
	vm->mmu.format = &lodge_ept_format;
	vm->mmu.levels = 4;
	vm->mmu.dirty_marks = true;
	vm->mmu.dirty_lists = true;
	spin_lock_init(&vm->mmu.notifier_lock);
	KUNIT_ASSERT_EQ(test, 0, init_srcu_struct(&vm->mmu.srcu));
	KUNIT_ASSERT_EQ(test, 0, lodge_tables_create(&vm->mmu));
	KUNIT_EXPECT_EQ(test, 0, change(test, slot_args(1, MIB, 128 * PAGE_SIZE)));
	slots_of(test)->slot[0].dirty = dirty;
	rcu_assign_pointer(vm->mmu.slots, slots_of(test));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		m.gpa = pages[i];
		m.pfn = pages[i] >> PAGE_SHIFT;
		KUNIT_EXPECT_EQ(test, 0, lodge_table_map(&vm->mmu, &m));
	}
	lodge_table_range(&vm->mmu, MIB, 2 * MIB, cpu_marks, false);
	mutex_lock(&vm->lock);
	lodge_mark_list(vm, pages, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, lodge_dirty_get(vm, &args));
	KUNIT_EXPECT_FALSE(test, marked(&vm->mmu, pages[0]));
	KUNIT_EXPECT_TRUE(test, marked(&vm->mmu, pages[1]));
	KUNIT_EXPECT_EQ(test, BIT(3), dirty[0]);
	KUNIT_EXPECT_EQ(test, 0ul, dirty[1]);
	args.first = 64;
	args.pages = 64;
	lodge_mark_list(vm, pages, 2);
	KUNIT_EXPECT_EQ(test, -EFAULT, lodge_dirty_get(vm, &args));
	KUNIT_EXPECT_FALSE(test, marked(&vm->mmu, pages[1]));
	KUNIT_EXPECT_EQ(test, BIT(6), dirty[1]);
	mutex_unlock(&vm->lock);
	lodge_tables_destroy(&vm->mmu);
	cleanup_srcu_struct(&vm->mmu.srcu);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(good_slot),
	KUNIT_CASE(unknown_flags),
	KUNIT_CASE(number_out_of_range),
	KUNIT_CASE(unaligned),
	KUNIT_CASE(wraps),
	KUNIT_CASE(beyond_the_address_width),
	KUNIT_CASE(kernel_memory),
	KUNIT_CASE(nothing_in_nothing),
	KUNIT_CASE(borders),
	KUNIT_CASE(stays_sorted),
	KUNIT_CASE(overlap),
	KUNIT_CASE(replace),
	KUNIT_CASE(delete),
	KUNIT_CASE(logs_move_along),
	KUNIT_CASE(as_many_as_may_be),
	KUNIT_CASE(user_ranges),
	KUNIT_CASE(room_for_large_leaves),
	KUNIT_CASE(marks_stay_in_the_log),
	KUNIT_CASE(only_what_is_listed),
	{}
};

static struct kunit_suite suite = {
	.name = "lodge_slots",
	.init = start,
	.exit = stop,
	.test_cases = cases,
};

kunit_test_suite(suite);
