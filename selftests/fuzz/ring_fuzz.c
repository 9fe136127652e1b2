// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtqueue engine against a driver that means no good, in userspace.
 *
 *	ring_fuzz [ROUNDS [SEED]]
 *
 * A round is a ring of noise that is served until it breaks or has nothing more;
 * after each 64 a correct driver fills rings, of which every chain must come back
 * as it was made. Every address that
 * the engine hands out or touches has to be in a slot, and those it writes in a
 * writable one.
 *
 * To be built with -fsanitize=address,undefined together with ring.c and
 * packed.c of virtio/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/uaccess.h>
#include "../../ept/ept.h"
#include "../../virtio/ring.h"

#define SLOT_BYTES	65536
#define FRESH		16		/* descriptors that a round makes */
#define RO_GPA		0x100000ull	/* read-only slot */
#define GAP_GPA		0x20000ull	/* between two slots that are not neighbours here */

struct slot {
	u64 gpa;
	bool readonly;
	u8 *memory;
};

static struct slot slots[] = {
	{ 0x10000, false, NULL },
	{ GAP_GPA, false, NULL },
	{ RO_GPA, true, NULL },
};

static u64 state = 88172645463325252ull;
static unsigned int fault_in;	/* accesses until one fails; 0: none does */

/* xorshift64 */
static u64 rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fail(const char *what)
{
	fprintf(stderr, "ring_fuzz: %s\n", what);
	abort();
}

static const struct slot *slot_of(const void *at, unsigned long bytes)
{
	const u8 *p = at;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slots); i++)
		if (p >= slots[i].memory && bytes <= SLOT_BYTES &&
		    p + bytes <= slots[i].memory + SLOT_BYTES)
			return &slots[i];
	return NULL;
}

void *lodge_gpa_to_user(struct lodge_vm *vm, u64 gpa, bool write, u64 *contiguous)
{
	unsigned int i;

	(void)vm;
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		if (gpa < slots[i].gpa || gpa - slots[i].gpa >= SLOT_BYTES)
			continue;
		if (write && slots[i].readonly)
			return NULL;
		*contiguous = SLOT_BYTES - (gpa - slots[i].gpa);
		return slots[i].memory + (gpa - slots[i].gpa);
	}
	return NULL;
}

int lodge_copy_guest(struct lodge_vm *vm, u64 gpa, void *to, u32 bytes, bool write, bool atomic)
{
	u64 contiguous;
	void *from;
	u32 now;

	for (; bytes; bytes -= now, gpa += now, to = (u8 *)to + now) {
		from = lodge_gpa_to_user(vm, gpa, false, &contiguous);
		if (!from)
			return -ENXIO;
		now = min_t(u64, bytes, contiguous);
		if (copy_from_user(to, from, now))
			return -EFAULT;
	}
	return 0;
}

static bool faults(void)
{
	return fault_in && !--fault_in;
}

unsigned long copy_from_user(void *to, const void *from, unsigned long bytes)
{
	if (!slot_of(from, bytes))
		fail("read outside guest memory");
	if (faults())
		return bytes;
	memcpy(to, from, bytes);
	return 0;
}

/* What was written and not logged. */
static struct {
	const u8 *at;
	unsigned long bytes;
} unlogged[8];
static unsigned int writes;

/* A log that is off by one loses a page of the guest's when it migrates. */
void lodge_mark_dirty(struct lodge_vm *vm, u64 gpa, u32 bytes)
{
	u64 contiguous;
	u8 *at = lodge_gpa_to_user(vm, gpa, true, &contiguous);
	unsigned int i;

	if (!at || contiguous < bytes)
		fail("logged what is no writable memory");
	for (i = 0; i < writes; i++)
		if (unlogged[i].at >= at && unlogged[i].at + unlogged[i].bytes <= at + bytes)
			unlogged[i--] = unlogged[--writes];
}

unsigned long copy_to_user(void *to, const void *from, unsigned long bytes)
{
	const struct slot *slot = slot_of(to, bytes);

	if (!slot || slot->readonly)
		fail("write outside writable guest memory");
	if (faults())
		return bytes;
	memcpy(to, from, bytes);
	if (writes == ARRAY_SIZE(unlogged))
		fail("writes that were not logged");
	unlogged[writes].at = to;
	unlogged[writes++].bytes = bytes;
	return 0;
}

static void check_chain(const struct lodge_chain *c)
{
	u64 sums[2] = { 0, 0 };
	unsigned int i;

	if (c->outs + c->ins > LODGE_CHAIN_IOVS)
		fail("too many pieces");
	for (i = 0; i < c->outs + c->ins; i++) {
		u64 contiguous;

		if (lodge_gpa_to_user(NULL, c->gpa[i], false, &contiguous) != c->iov[i].iov_base)
			fail("a piece with another's address");
		const struct slot *slot = slot_of(c->iov[i].iov_base, c->iov[i].iov_len);

		if (!slot || !c->iov[i].iov_len)
			fail("a piece outside guest memory");
		if (i >= c->outs && slot->readonly)
			fail("a read-only piece to be written");
		sums[i >= c->outs] += c->iov[i].iov_len;
	}
	if (sums[0] != c->readable || sums[1] != c->writable)
		fail("pieces do not add up");
}

/* Mostly what a driver might have meant, sometimes anything. */
static u64 some_gpa(void)
{
	static const u64 edge[] = {
		0, ~0ull, ~0ull - 15, 0x1fff0, 0x1ffff, 0x2fff8, RO_GPA, RO_GPA + SLOT_BYTES - 1,
		1ull << 63, 0x10000, GAP_GPA - 1,
	};

	switch (rnd() % 16) {
	case 0:
		return rnd();
	case 1:
		return edge[rnd() % ARRAY_SIZE(edge)];
	case 2:
		return RO_GPA + rnd() % SLOT_BYTES;
	default:
		return 0x10000 + rnd() % (2 * SLOT_BYTES);
	}
}

static u32 some_length(void)
{
	static const u32 edge[] = { 0, 1, 15, 16, 17, 4096, 65536, 0x7fffffff, ~0u, ~0u - 15 };

	return rnd() % 8 ? rnd() % 512 : edge[rnd() % ARRAY_SIZE(edge)];
}

static void make_ring(struct lodge_vring *r, struct lodge_desc *table)
{
	memset(r, 0, sizeof(*r));
	r->table = table;
	r->packed = rnd() & 1;
	r->event_idx = rnd() & 1;
	r->indirect = rnd() & 3;
	r->entries = 1u << rnd() % 9;
	if (r->packed && rnd() & 1)
		r->entries = 1 + rnd() % 256;
	r->desc_gpa = 0x10000;
	r->driver_gpa = 0x14000;
	r->device_gpa = 0x16000;
	r->next.wrap = r->packed;
	r->used.wrap = r->packed;
}

static void noise_desc(struct lodge_vring *r, unsigned int i)
{
	static const u16 usual[] = { 0, 2, 2, 2, 2, 1, 3, 4 };
	struct lodge_desc d = {
		.addr = some_gpa(),
		.len = rnd() % 3 ? some_length() : (rnd() % 200) * 16,
		.flags = rnd() % 8 ? usual[rnd() % 8] : rnd(),
		.next = rnd() % 8 ? rnd() % r->entries : rnd(),
	};
	/* In a packed ring the flags are last, and say whose it is. */
	if (r->packed)
		d.next = usual[rnd() % 8] | (rnd() % 4 ? 0x80 : 0x8080);
	memcpy(slots[0].memory + i * sizeof(d), &d, sizeof(d));
}

/* The rest is that of the rounds before. */
static void noise(struct lodge_vring *r)
{
	unsigned int fresh = min_t(u32, r->entries, FRESH), i, bytes;

	for (i = 0; i < fresh; i++)
		noise_desc(r, r->entries > FRESH ? rnd() % r->entries : i);
	for (i = 0; i < FRESH / 4; i++) {
		u64 word = rnd();

		bytes = rnd() % (SLOT_BYTES - 8);
		memcpy(slots[rnd() % 3].memory + bytes, &word, 8);
	}
	for (i = 0; !r->packed && i < fresh; i++) {
		u16 head = rnd() % 16 ? rnd() % r->entries : rnd();

		bytes = r->entries > FRESH ? rnd() % r->entries : i;
		memcpy(slots[0].memory + 0x4004 + bytes * 2, &head, 2);
	}
	/* The index jumps now and then. */
	r->next.index = r->packed ? rnd() % r->entries : rnd();
	r->used.index = r->next.index;
	r->avail = r->next.index;
	if (!r->packed) {
		u16 idx = r->next.index + (rnd() % 4 ? rnd() % (r->entries + 1) : rnd());

		memcpy(slots[0].memory + 0x4002, &idx, 2);
	}
	if (rnd() % 16 == 0)
		r->driver_gpa = some_gpa() & ~3ull;
	if (rnd() % 16 == 0)
		r->device_gpa = some_gpa() & ~3ull;
	if (rnd() % 16 == 0)
		r->desc_gpa = some_gpa() & ~15ull;
	fault_in = rnd() % 4 ? 0 : 1 + rnd() % 200;
}

/* Returns how many chains the engine took. */
static unsigned int noisy_round(void)
{
	struct lodge_desc table[LODGE_CHAIN_IOVS];
	struct lodge_chain chain;
	unsigned int taken = 0;
	struct lodge_vring r;

	make_ring(&r, table);
	noise(&r);
	if (lodge_vring_check(&r) || lodge_vring_map(&r))
		return 0;
	for (; taken < 600; taken++) {
		if (rnd() % 8 == 0)
			noise_desc(&r, rnd() % r.entries);
		if (lodge_vring_disarm(&r) || lodge_vring_pop(&r, &chain) != 1)
			break;
		check_chain(&chain);
		if (rnd() % 8 == 0)
			lodge_vring_unpop(&r, &chain);
		else if (lodge_vring_push(&r, &chain, rnd()))
			break;
		if (rnd() % 2 && lodge_vring_publish(&r) < 0)
			break;
	}
	lodge_vring_publish(&r);
	lodge_vring_arm(&r);
	return taken;
}

/* A correct driver of a split ring with chains of random shape. */
struct driver {
	u16 avail;
	u16 used;
	struct lodge_chain made[256];
};

static void make_split(struct driver *d, u32 entries, unsigned int slot)
{
	struct lodge_chain *c = &d->made[slot];
	struct lodge_desc desc;
	u16 head = slot;

	/* One descriptor out, one in: two tables' worth, side by side. */
	memset(c, 0, offsetof(struct lodge_chain, iov));
	c->readable = rnd() % 100;
	c->writable = 1 + rnd() % 100;
	desc = (struct lodge_desc){ GAP_GPA + slot * 256, c->readable, 1, slot + entries / 2 };
	memcpy(slots[0].memory + slot * sizeof(desc), &desc, sizeof(desc));
	desc = (struct lodge_desc){ GAP_GPA + slot * 256 + 128, c->writable, 2, 0 };
	memcpy(slots[0].memory + (slot + entries / 2) * sizeof(desc), &desc, sizeof(desc));
	memcpy(slots[0].memory + 0x4004 + d->avail % entries * 2, &head, 2);
	d->avail++;
	memcpy(slots[0].memory + 0x4002, &d->avail, 2);
}

static void good_split(void)
{
	struct lodge_desc table[LODGE_CHAIN_IOVS];
	static struct driver d;
	struct lodge_chain chain;
	struct lodge_vring r;
	unsigned int i, slot;

	make_ring(&r, table);
	r.packed = false;
	r.next.wrap = false;
	r.used.wrap = false;
	r.entries = 2u << rnd() % 7;
	d.avail = rnd();
	d.used = d.avail;
	r.next.index = d.avail;
	r.used.index = d.avail;
	r.avail = d.avail;
	memcpy(slots[0].memory + 0x4002, &d.avail, 2);
	if (lodge_vring_check(&r) || lodge_vring_map(&r))
		fail("a good ring was refused");
	for (i = 0; i < 300; i++) {
		struct lodge_used_elem elem;

		slot = rnd() % (r.entries / 2);
		make_split(&d, r.entries, slot);
		if (lodge_vring_pop(&r, &chain) != 1 || chain.id != slot ||
		    chain.readable != d.made[slot].readable ||
		    chain.writable != d.made[slot].writable)
			fail("a good chain did not come through");
		check_chain(&chain);
		if (lodge_vring_push(&r, &chain, chain.writable) || lodge_vring_publish(&r) < 0)
			fail("cannot push");
		memcpy(&elem, slots[0].memory + 0x6004 + d.used % r.entries * 8, sizeof(elem));
		d.used++;
		if (elem.id != slot || elem.len != chain.writable ||
		    memcmp(slots[0].memory + 0x6002, &d.used, 2))
			fail("the used ring is wrong");
		if (lodge_vring_pop(&r, &chain) || lodge_vring_arm(&r))
			fail("a chain out of nothing");
	}
}

/* The same for a packed ring: chains of one to three descriptors. */
static void good_packed(void)
{
	struct lodge_desc table[LODGE_CHAIN_IOVS];
	unsigned int i, n, count;
	struct lodge_chain chain;
	struct lodge_vring r;
	bool wrap = true, used_wrap = true;
	u32 at = 0, used = 0;

	make_ring(&r, table);
	r.packed = true;
	r.next.wrap = true;
	r.used.wrap = true;
	r.entries = 3 + rnd() % 60;
	memset(slots[0].memory, 0, r.entries * 16);
	if (lodge_vring_check(&r) || lodge_vring_map(&r))
		fail("a good packed ring was refused");
	for (i = 0; i < 300; i++) {
		struct lodge_packed_desc d;

		count = 1 + rnd() % 3;
		for (n = 0; n < count; n++) {
			d = (struct lodge_packed_desc){ GAP_GPA + i * 16, 8 + n, i, 0 };
			d.flags = (n + 1 < count ? 1 : 2) | (wrap ? 0x80 : 0x8000);
			memcpy(slots[0].memory + at * 16, &d, 16);
			if (++at == r.entries) {
				at = 0;
				wrap = !wrap;
			}
		}
		if (lodge_vring_pop(&r, &chain) != 1 || chain.id != i || chain.descs != count ||
		    chain.outs != count - 1 || chain.ins != 1)
			fail("a good packed chain did not come through");
		if (lodge_vring_push(&r, &chain, 7) || lodge_vring_publish(&r) < 0)
			fail("cannot push to a packed ring");
		memcpy(&d, slots[0].memory + used * 16, 16);
		if (d.id != i || d.len != 7 || (d.flags & 0x8080) != (used_wrap ? 0x8080 : 0))
			fail("the used descriptor is wrong");
		used += count;
		if (used >= r.entries) {
			used -= r.entries;
			used_wrap = !used_wrap;
		}
		if (lodge_vring_pop(&r, &chain))
			fail("a packed chain out of nothing");
	}
}

/*
 * What a driver may not do, one by one. @desc are the ring's first descriptors;
 * the chain begins at the first. @indirect: a table at GAP_GPA.
 */
struct crime {
	const char *what;
	struct lodge_desc desc[2];
	struct lodge_desc indirect[2];
	u64 driver_gpa;
	u64 device_gpa;
	u16 jump;
	u16 head;
};

static const struct crime crimes[] = {
	{ "a loop", .desc = { { 0x12000, 8, 1, 1 }, { 0x12000, 8, 1, 0 } } },
	{ "a loop of nothing", .desc = { { 0x12000, 0, 1, 0 } } },
	{ "next beyond the ring", .desc = { { 0x12000, 8, 1, 8 } } },
	{ "head beyond the ring", .head = 8 },
	{ "memory that is not there", .desc = { { 0x9000, 8, 0, 0 } } },
	{ "memory that ends in the middle", .desc = { { 0x2fffc, 8, 0, 0 } } },
	{ "a wrapping address", .desc = { { ~0ull - 3, 8, 0, 0 } } },
	{ "a length of 4 GiB - 1", .desc = { { 0x12000, ~0u, 0, 0 } } },
	{ "lengths that overflow", .desc = { { 0x12000, 8, 1, 1 }, { 0x12000, ~0u, 0, 0 } } },
	{ "writing to read-only memory", .desc = { { RO_GPA, 8, 2, 0 } } },
	{ "reading after writing", .desc = { { 0x12000, 8, 3, 1 }, { 0x12000, 8, 0, 0 } } },
	{ "a table with a successor", .desc = { { GAP_GPA, 16, 5, 1 } },
	  .indirect = { { 0x12000, 8, 0, 0 } } },
	{ "an empty table", .desc = { { GAP_GPA, 0, 4, 0 } } },
	{ "a table and a half", .desc = { { GAP_GPA, 24, 4, 0 } } },
	{ "a table of 4 GiB - 16", .desc = { { GAP_GPA, ~0u - 15, 4, 0 } } },
	{ "a table that is not there", .desc = { { 0x9000, 16, 4, 0 } } },
	{ "a table in a table", .desc = { { GAP_GPA, 16, 4, 0 } },
	  .indirect = { { GAP_GPA, 16, 4, 0 } } },
	{ "a loop in a table", .desc = { { GAP_GPA, 32, 4, 0 } },
	  .indirect = { { 0x12000, 8, 1, 1 }, { 0x12000, 8, 1, 0 } } },
	{ "next beyond the table", .desc = { { GAP_GPA, 16, 4, 0 } },
	  .indirect = { { 0x12000, 8, 1, 1 } } },
	{ "an index that jumps", .jump = 9 },
	{ "an index that goes back", .jump = 0xffff },
	{ "a ring outside memory", .driver_gpa = 0x9000 },
	{ "a ring that ends in the middle", .driver_gpa = 0x2fff8 },
	{ "a used ring in read-only memory", .device_gpa = RO_GPA },
};

static void commit(const struct crime *crime)
{
	struct lodge_desc table[LODGE_CHAIN_IOVS];
	u16 idx = crime->jump ? crime->jump : 1;
	struct lodge_chain chain;
	struct lodge_vring r;

	make_ring(&r, table);
	r.packed = false;
	r.next.wrap = false;
	r.used.wrap = false;
	r.indirect = true;
	r.entries = 8;
	if (crime->driver_gpa)
		r.driver_gpa = crime->driver_gpa;
	if (crime->device_gpa)
		r.device_gpa = crime->device_gpa;
	memset(slots[0].memory, 0, 128);
	memcpy(slots[0].memory, crime->desc, sizeof(crime->desc));
	memcpy(slots[1].memory, crime->indirect, sizeof(crime->indirect));
	memcpy(slots[0].memory + 0x4002, &idx, 2);
	memcpy(slots[0].memory + 0x4004, &crime->head, 2);
	if (lodge_vring_check(&r))
		fail("the crime's ring was refused");
	if (!lodge_vring_map(&r) && lodge_vring_pop(&r, &chain) != -EPROTO)
		fail(crime->what);
}

static void all_crimes(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(crimes); i++)
		commit(&crimes[i]);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000, i, taken = 0;

	if (argc > 2)
		state = strtoull(argv[2], NULL, 0) | 1;
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		/* Each its own allocation, so that the sanitizer sees their ends. */
		slots[i].memory = calloc(1, SLOT_BYTES);
		if (!slots[i].memory)
			return 1;
	}
	all_crimes();
	for (i = 0; i < rounds; i++) {
		taken += noisy_round();
		fault_in = 0;
		if (writes)
			fail("a write that was not logged");
		if (i % 64 == 0) {
			good_split();
			good_packed();
		}
	}
	if (rounds >= 1000 && taken < rounds / 4)
		fail("the noise is too loud: hardly a chain came through");
	printf("ring_fuzz: %lu rounds, %lu chains\n", rounds, taken);
	for (i = 0; i < ARRAY_SIZE(slots); i++)
		free(slots[i].memory);
	return 0;
}
