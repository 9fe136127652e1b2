// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: I/O regions against a guest and a consumer that mean no good. */
#include <kunit/test.h>
#include <linux/module.h>

#include "lodge.h"

#define PORT	0x3f8

struct fixture {
	struct lodge_vm vm;
	struct lodge_vcpu vcpu;
};

static int set_up(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct lodge_domain domain = { .domain = 1, .eventfd = -1 };

	KUNIT_ASSERT_NOT_NULL(test, f);
	mutex_init(&f->vm.lock);
	f->vcpu.vm = &f->vm;
	f->vcpu.id = 3;
	f->vm.created_ns = ktime_get_ns();
	KUNIT_ASSERT_EQ(test, 0, lodge_regions_create(&f->vm));
	test->priv = f;
	mutex_lock(&f->vm.lock);
	KUNIT_ASSERT_EQ(test, 0, lodge_domain_set(&f->vm, &domain));
	return 0;
}

static void tear_down(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	mutex_unlock(&f->vm.lock);
	lodge_regions_destroy(&f->vm);
}

static struct lodge_region uart(u32 read, u32 write)
{
	return (struct lodge_region) {
		.space = LODGE_SPACE_PIO, .domain = 1, .addr = PORT, .bytes = 8,
		.read = read, .write = write, .shadow = 0x100, .eventfd = -1,
	};
}

static int set(struct kunit *test, struct lodge_region region)
{
	struct fixture *f = test->priv;

	return lodge_region_set(&f->vm, &region);
}

static bool access(struct kunit *test, u64 port, u32 bytes, bool write, u64 *value)
{
	struct fixture *f = test->priv;
	bool done;

	rcu_read_lock();
	done = lodge_region_access(&f->vcpu, LODGE_SPACE_PIO, port, bytes, write, value);
	rcu_read_unlock();
	return done;
}

static bool out(struct kunit *test, u64 port, u32 bytes, u64 value)
{
	return access(test, port, bytes, true, &value);
}

static bool in(struct kunit *test, u64 port, u32 bytes, u64 *value)
{
	return access(test, port, bytes, false, value);
}

static struct lodge_post_ring *ring(struct kunit *test)
{
	struct fixture *f = test->priv;

	return lodge_domain_area(&f->vm, 1);
}

static u8 *shadow(struct kunit *test)
{
	return (u8 *)ring(test) + LODGE_DOMAIN_SHADOW + 0x100;
}

static void nothing_declared(struct kunit *test)
{
	u64 value;

	KUNIT_EXPECT_FALSE(test, in(test, PORT, 1, &value));
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 0));
}

static void shadow_reads(struct kunit *test)
{
	u64 value = 0;

	KUNIT_ASSERT_EQ(test, 0, set(test, uart(LODGE_READ_SHADOW, LODGE_WRITE_EXIT)));
	memcpy(shadow(test), "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	KUNIT_EXPECT_TRUE(test, in(test, PORT + 5, 1, &value));
	KUNIT_EXPECT_EQ(test, 0x66ull, value);
	KUNIT_EXPECT_TRUE(test, in(test, PORT, 4, &value));
	KUNIT_EXPECT_EQ(test, 0x44332211ull, value);
	KUNIT_EXPECT_TRUE(test, in(test, PORT + 1, 2, &value));
	KUNIT_EXPECT_EQ(test, 0x3322ull, value);
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 0));
}

static void accesses_across_the_edge(struct kunit *test)
{
	u64 value;

	KUNIT_ASSERT_EQ(test, 0, set(test, uart(LODGE_READ_SHADOW, LODGE_WRITE_LATCH)));
	KUNIT_EXPECT_FALSE(test, in(test, PORT + 7, 2, &value));
	KUNIT_EXPECT_FALSE(test, in(test, PORT - 1, 2, &value));
	KUNIT_EXPECT_FALSE(test, in(test, PORT - 1, 1, &value));
	KUNIT_EXPECT_FALSE(test, in(test, PORT + 8, 1, &value));
	KUNIT_EXPECT_FALSE(test, out(test, PORT + 6, 4, 0));
	KUNIT_EXPECT_TRUE(test, in(test, PORT + 7, 1, &value));
}

/* From every place to every other: what was found last, or not, misleads nobody. */
static void gaps_and_regions(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_SHADOW, LODGE_WRITE_EXIT);
	u64 value, from, to;
	int i;

	r.bytes = 2;
	for (i = 0; i < 3; i++, r.addr += 4)
		KUNIT_ASSERT_EQ(test, 0, set(test, r));
	for (from = PORT - 2; from < PORT + 14; from++)
		for (to = PORT - 2; to < PORT + 14; to++) {
			in(test, from, 1, &value);
			KUNIT_EXPECT_EQ(test, to >= PORT && to < PORT + 12 && to % 4 < 2,
					in(test, to, 1, &value));
		}
	/* The last one goes while it is the one found last. */
	r.addr -= 4;
	KUNIT_EXPECT_TRUE(test, in(test, r.addr, 1, &value));
	r.flags = LODGE_REGION_DELETE;
	KUNIT_ASSERT_EQ(test, 0, set(test, r));
	KUNIT_EXPECT_FALSE(test, in(test, r.addr, 1, &value));
	KUNIT_EXPECT_TRUE(test, in(test, PORT + 5, 1, &value));
}

static void exact_accesses_only(struct kunit *test)
{
	struct lodge_region latch = uart(LODGE_READ_SHADOW, LODGE_WRITE_LATCH);
	u64 value;

	latch.flags = LODGE_REGION_EXACT;
	latch.bytes = 4;
	KUNIT_ASSERT_EQ(test, 0, set(test, latch));
	KUNIT_EXPECT_TRUE(test, out(test, PORT, 4, 0x80000800));
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 0));
	KUNIT_EXPECT_FALSE(test, out(test, PORT + 1, 1, 6));
	KUNIT_EXPECT_FALSE(test, out(test, PORT + 2, 2, 0));
	KUNIT_EXPECT_FALSE(test, out(test, PORT + 2, 4, 0));
	KUNIT_EXPECT_FALSE(test, in(test, PORT, 2, &value));
	KUNIT_EXPECT_TRUE(test, in(test, PORT, 4, &value));
	KUNIT_EXPECT_EQ(test, 0x80000800ull, value);
}

static void posts(struct kunit *test)
{
	struct lodge_post_ring *r = ring(test);

	KUNIT_ASSERT_EQ(test, 0, set(test, uart(LODGE_READ_EXIT, LODGE_WRITE_POST)));
	KUNIT_EXPECT_TRUE(test, out(test, PORT, 1, 0xffffff41));
	KUNIT_EXPECT_TRUE(test, out(test, PORT + 2, 2, 0x1234));
	KUNIT_EXPECT_EQ(test, 2u, r->tail);
	KUNIT_EXPECT_EQ(test, (u64)PORT, r->entries[0].addr);
	KUNIT_EXPECT_EQ(test, 0x41ull, r->entries[0].value);
	KUNIT_EXPECT_EQ(test, 1u, r->entries[0].bytes);
	KUNIT_EXPECT_EQ(test, 3, (int)r->entries[0].vcpu);
	KUNIT_EXPECT_EQ(test, 0x1234ull, r->entries[1].value);
}

static void full_ring_is_an_exit(struct kunit *test)
{
	struct lodge_post_ring *r = ring(test);
	int i;

	KUNIT_ASSERT_EQ(test, 0, set(test, uart(LODGE_READ_EXIT, LODGE_WRITE_POST)));
	for (i = 0; i < LODGE_POST_ENTRIES; i++)
		KUNIT_ASSERT_TRUE(test, out(test, PORT, 1, i));
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 0));
	r->head = 1;
	KUNIT_EXPECT_TRUE(test, out(test, PORT, 1, 7));
	KUNIT_EXPECT_EQ(test, 7ull, r->entries[0].value);
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 0));
}

/* Head and tail are the consumer's to scribble on. */
static void hostile_consumer(struct kunit *test)
{
	struct lodge_post_ring *r = ring(test);

	KUNIT_ASSERT_EQ(test, 0, set(test, uart(LODGE_READ_EXIT, LODGE_WRITE_POST)));
	r->head = 1;
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 1));
	r->head = -LODGE_POST_ENTRIES;
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 1));
	r->head = 0x80000000;
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 1));
	r->head = 0;
	r->tail = 0xdeadbeef;
	KUNIT_EXPECT_TRUE(test, out(test, PORT, 1, 1));
	KUNIT_EXPECT_EQ(test, 1u, r->tail);
	KUNIT_EXPECT_EQ(test, 1ull, r->entries[0].value);
}

static void latches(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, set(test, uart(LODGE_READ_SHADOW, LODGE_WRITE_LATCH)));
	KUNIT_EXPECT_TRUE(test, out(test, PORT + 4, 4, 0xa1b2c3d4));
	KUNIT_EXPECT_EQ(test, 0xd4, (int)shadow(test)[4]);
	KUNIT_EXPECT_EQ(test, 0xa1, (int)shadow(test)[7]);
	KUNIT_EXPECT_EQ(test, 0, (int)shadow(test)[8]);
}

static void latch_same_value(struct kunit *test)
{
	struct lodge_region region = uart(LODGE_READ_EXIT, LODGE_WRITE_LATCH_SAME);

	region.mask = 0x0f;
	KUNIT_ASSERT_EQ(test, 0, set(test, region));
	shadow(test)[1] = 0x05;
	KUNIT_EXPECT_TRUE(test, out(test, PORT + 1, 1, 0x05));
	KUNIT_EXPECT_TRUE(test, out(test, PORT + 1, 1, 0xf5));
	KUNIT_EXPECT_FALSE(test, out(test, PORT + 1, 1, 0x04));
	KUNIT_EXPECT_EQ(test, 0xf5, (int)shadow(test)[1]);
}

static void bad_ranges(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_EXIT, LODGE_WRITE_EXIT);

	r.bytes = 0;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.addr = 0xffff;
	r.bytes = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.bytes = 1;
	KUNIT_EXPECT_EQ(test, 0, set(test, r));
	r.space = LODGE_SPACE_MMIO;
	r.addr = ~0ull;
	r.bytes = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.space = 2;
	r.addr = 0;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.space = U32_MAX;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
}

static void bad_modes(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_SHADOW, LODGE_WRITE_EXIT);

	r.shadow = 4096 - 7;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.shadow = U32_MAX - 3;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.shadow = 4096 - 8;
	KUNIT_EXPECT_EQ(test, 0, set(test, r));
	r.domain = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.domain = U32_MAX;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, uart(LODGE_READ_ISR + 1, LODGE_WRITE_EXIT)));
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, uart(LODGE_READ_EXIT, LODGE_WRITE_ISR_ACK + 1)));
	r = uart(LODGE_READ_EXIT, LODGE_WRITE_POST);
	r.flags = LODGE_REGION_MATCH;
	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	KUNIT_EXPECT_EQ(test, -EBADF,
			set(test, uart(LODGE_READ_EXIT, LODGE_WRITE_DOORBELL)));
}

static void overlaps(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_EXIT, LODGE_WRITE_EXIT);

	KUNIT_ASSERT_EQ(test, 0, set(test, r));
	r.addr = PORT + 7;
	KUNIT_EXPECT_EQ(test, -EEXIST, set(test, r));
	r.addr = PORT - 7;
	KUNIT_EXPECT_EQ(test, -EEXIST, set(test, r));
	r.addr = PORT + 2;
	r.bytes = 1;
	KUNIT_EXPECT_EQ(test, -EEXIST, set(test, r));
	r.addr = 0;
	r.bytes = 0x10000;
	KUNIT_EXPECT_EQ(test, -EEXIST, set(test, r));
	r = uart(LODGE_READ_EXIT, LODGE_WRITE_EXIT);
	r.addr = PORT + 8;
	KUNIT_EXPECT_EQ(test, 0, set(test, r));
	r.space = LODGE_SPACE_MMIO;
	r.addr = PORT + 4;
	KUNIT_EXPECT_EQ(test, 0, set(test, r));
}

static void replace_and_delete(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_SHADOW, LODGE_WRITE_LATCH);
	u64 value;

	KUNIT_ASSERT_EQ(test, 0, set(test, r));
	KUNIT_EXPECT_TRUE(test, in(test, PORT, 1, &value));
	KUNIT_EXPECT_EQ(test, 0, set(test, uart(LODGE_READ_EXIT, LODGE_WRITE_LATCH)));
	KUNIT_EXPECT_FALSE(test, in(test, PORT, 1, &value));
	KUNIT_EXPECT_TRUE(test, out(test, PORT, 1, 0));
	r.flags = LODGE_REGION_DELETE;
	r.bytes = 4;
	KUNIT_EXPECT_EQ(test, -ENOENT, set(test, r));
	r.bytes = 8;
	KUNIT_EXPECT_EQ(test, 0, set(test, r));
	KUNIT_EXPECT_EQ(test, -ENOENT, set(test, r));
	KUNIT_EXPECT_FALSE(test, out(test, PORT, 1, 0));
}

static void as_many_as_allowed(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_SHADOW, LODGE_WRITE_EXIT);
	u64 value;
	int i;

	r.bytes = 1;
	for (i = 0; i < LODGE_MAX_REGIONS; i++) {
		r.addr = (i * 37) % LODGE_MAX_REGIONS;	/* in no order */
		KUNIT_ASSERT_EQ(test, 0, set(test, r));
	}
	for (i = 0; i < LODGE_MAX_REGIONS; i++)
		KUNIT_EXPECT_TRUE(test, in(test, i, 1, &value));
	r.addr = LODGE_MAX_REGIONS;
	KUNIT_EXPECT_EQ(test, -ENOSPC, set(test, r));
	r.addr = 0;
	KUNIT_EXPECT_EQ(test, 0, set(test, r));
}

static void clock_runs(struct kunit *test)
{
	struct lodge_region r = uart(LODGE_READ_PM_TIMER, LODGE_WRITE_EXIT);
	u64 first, second;

	KUNIT_EXPECT_EQ(test, -EINVAL, set(test, r));
	r.bytes = 4;
	KUNIT_ASSERT_EQ(test, 0, set(test, r));
	KUNIT_EXPECT_TRUE(test, in(test, PORT, 4, &first));
	KUNIT_EXPECT_TRUE(test, in(test, PORT, 4, &second));
	KUNIT_EXPECT_LE(test, first, 0xffffffull);
	KUNIT_EXPECT_GE(test, second, first);
}

static void bad_domains(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct lodge_domain domain = { .domain = LODGE_MAX_DOMAINS, .eventfd = -1 };

	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_domain_set(&f->vm, &domain));
	domain.domain = U32_MAX;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_domain_set(&f->vm, &domain));
	domain.domain = 2;
	domain.eventfd = -2;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_domain_set(&f->vm, &domain));
	domain.eventfd = INT_MAX;
	KUNIT_EXPECT_EQ(test, -EBADF, lodge_domain_set(&f->vm, &domain));
	KUNIT_EXPECT_NULL(test, lodge_domain_area(&f->vm, 2));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(nothing_declared),
	KUNIT_CASE(shadow_reads),
	KUNIT_CASE(accesses_across_the_edge),
	KUNIT_CASE(gaps_and_regions),
	KUNIT_CASE(exact_accesses_only),
	KUNIT_CASE(posts),
	KUNIT_CASE(full_ring_is_an_exit),
	KUNIT_CASE(hostile_consumer),
	KUNIT_CASE(latches),
	KUNIT_CASE(latch_same_value),
	KUNIT_CASE(bad_ranges),
	KUNIT_CASE(bad_modes),
	KUNIT_CASE(overlaps),
	KUNIT_CASE(replace_and_delete),
	KUNIT_CASE(as_many_as_allowed),
	KUNIT_CASE(clock_runs),
	KUNIT_CASE(bad_domains),
	{}
};

static struct kunit_suite suite = {
	.name = "lodge_ioregion",
	.init = set_up,
	.exit = tear_down,
	.test_cases = cases,
};

kunit_test_suite(suite);
