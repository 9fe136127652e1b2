// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: the ioctl tables and the rules on sizes and flags. */
#include <kunit/test.h>
#include <linux/module.h>

#include "lodge.h"
#include "ioctl.h"

static int no_handler(void *args)
{
	return 0;
}

/* A struct of 32 bytes of which 16 are needed, with two flags. */
static const struct lodge_ioctl row = {
	.cmd = 1, .dev = no_handler, .bytes = 32, .min_bytes = 16, .flags = 0x5,
};

static void size_below_minimum(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_ioctl_check_size(&row, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_ioctl_check_size(&row, 4));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_ioctl_check_size(&row, 15));
}

static void size_accepted(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, lodge_ioctl_check_size(&row, 16));
	KUNIT_EXPECT_EQ(test, 0, lodge_ioctl_check_size(&row, 31));
	KUNIT_EXPECT_EQ(test, 0, lodge_ioctl_check_size(&row, 32));
	KUNIT_EXPECT_EQ(test, 0, lodge_ioctl_check_size(&row, PAGE_SIZE));
}

static void size_absurd(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -E2BIG, lodge_ioctl_check_size(&row, PAGE_SIZE + 1));
	KUNIT_EXPECT_EQ(test, -E2BIG, lodge_ioctl_check_size(&row, 1u << 31));
	KUNIT_EXPECT_EQ(test, -E2BIG, lodge_ioctl_check_size(&row, U32_MAX));
}

static void flags_checked(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, lodge_ioctl_check_flags(&row, 0));
	KUNIT_EXPECT_EQ(test, 0, lodge_ioctl_check_flags(&row, 0x5));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_ioctl_check_flags(&row, 0x2));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_ioctl_check_flags(&row, 0x80000005));
}

static void unknown_number(struct kunit *test)
{
	struct lodge_target target = {};

	KUNIT_EXPECT_PTR_EQ(test, (const struct lodge_ioctl *)NULL,
			    lodge_ioctl_find(&row, 1, 2));
	KUNIT_EXPECT_EQ(test, (long)-ENOTTY, lodge_ioctl(&row, 1, &target, 2, 0));
}

static void dead_or_foreign_vm(struct kunit *test)
{
	struct lodge_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	struct lodge_target target = { .vm = vm };

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vm->mm = (struct mm_struct *)vm;	/* nobody's */
	KUNIT_EXPECT_EQ(test, (long)-EIO, lodge_ioctl(&row, 1, &target, 1, 0));
	vm->mm = current->mm;
	vm->dead = true;
	KUNIT_EXPECT_EQ(test, (long)-EIO, lodge_ioctl(&row, 1, &target, 1, 0));
}

static void check_table(struct kunit *test, const struct lodge_ioctl *rows,
			unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		const struct lodge_ioctl *r = &rows[i];

		KUNIT_EXPECT_NOT_NULL(test, r->dev);
		KUNIT_EXPECT_PTR_EQ(test, r, lodge_ioctl_find(rows, count, r->cmd));
		KUNIT_EXPECT_EQ(test, 'L', (int)_IOC_TYPE(r->cmd));
		KUNIT_EXPECT_EQ(test, 0u, (u32)_IOC_SIZE(r->cmd));
		KUNIT_EXPECT_LE(test, r->min_bytes, r->bytes);
		KUNIT_EXPECT_LE(test, (size_t)r->bytes, PAGE_SIZE);
		KUNIT_EXPECT_GE(test, (int)r->min_bytes, 8);
	}
}

static void tables_are_sane(struct kunit *test)
{
	check_table(test, lodge_dev_ioctls, lodge_dev_ioctl_count);
	check_table(test, lodge_vm_ioctls, lodge_vm_ioctl_count);
	check_table(test, lodge_vcpu_ioctls, lodge_vcpu_ioctl_count);
}

static void tables_are_complete(struct kunit *test)
{
	unsigned int nr;

	for (nr = 0x01; nr <= 0x04; nr++)
		KUNIT_EXPECT_NOT_NULL(test, lodge_ioctl_find(lodge_dev_ioctls,
							     lodge_dev_ioctl_count,
							     _IO('L', nr)));
	for (nr = 0x20; nr <= 0x2b; nr++)
		KUNIT_EXPECT_NOT_NULL(test, lodge_ioctl_find(lodge_vm_ioctls,
							     lodge_vm_ioctl_count,
							     _IO('L', nr)));
	for (nr = 0x41; nr <= 0x56; nr++)	/* without LODGE_RUN */
		KUNIT_EXPECT_NOT_NULL(test, lodge_ioctl_find(lodge_vcpu_ioctls,
							     lodge_vcpu_ioctl_count,
							     _IO('L', nr)));
}

/* A device fd has no locks to take. */
static void locks_fit_the_fd(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < lodge_dev_ioctl_count; i++)
		KUNIT_EXPECT_EQ(test, LODGE_LOCK_NONE, lodge_dev_ioctls[i].lock);
	for (i = 0; i < lodge_vm_ioctl_count; i++)
		KUNIT_EXPECT_LE(test, lodge_vm_ioctls[i].lock, LODGE_LOCK_VM);
	for (i = 0; i < lodge_vcpu_ioctl_count; i++)
		KUNIT_EXPECT_NE(test, lodge_vcpu_ioctls[i].lock, LODGE_LOCK_VM);
}

static void arrays_need_room(struct kunit *test)
{
	u32 data[2] = {}, room = 1;

	KUNIT_EXPECT_EQ(test, -ENOSPC, lodge_array_out(0, &room, data, 2, 4));
	KUNIT_EXPECT_EQ(test, 2u, room);
	room = 0;
	KUNIT_EXPECT_EQ(test, 0, lodge_array_out(0, &room, data, 0, 4));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(size_below_minimum),
	KUNIT_CASE(size_accepted),
	KUNIT_CASE(size_absurd),
	KUNIT_CASE(flags_checked),
	KUNIT_CASE(unknown_number),
	KUNIT_CASE(dead_or_foreign_vm),
	KUNIT_CASE(tables_are_sane),
	KUNIT_CASE(tables_are_complete),
	KUNIT_CASE(locks_fit_the_fd),
	KUNIT_CASE(arrays_need_room),
	{}
};

static struct kunit_suite suite = { .name = "lodge_ioctl", .test_cases = cases };

kunit_test_suite(suite);
