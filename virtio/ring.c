// SPDX-License-Identifier: GPL-2.0-only
/* Virtqueues: what both formats share, and split rings (virtio 1.2, 2.7). */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../ept/ept.h"
#include "ring.h"

int lodge_ring_get16(u16 *to, const void __user *at)
{
	return get_user(*to, (const u16 __user *)at) ? -EFAULT : 0;
}

/* @at is in the device's part, or among a packed ring's descriptors. */
static void mark(struct lodge_vring *ring, const void __user *at, u32 bytes)
{
	u64 in_table = at - ring->desc;

	if (ring->packed && in_table < ring->entries * sizeof(struct lodge_packed_desc))
		lodge_mark_dirty(ring->vm, ring->desc_gpa + in_table, bytes);
	else
		lodge_mark_dirty(ring->vm, ring->device_gpa + (at - ring->device), bytes);
}

int lodge_ring_put16(struct lodge_vring *ring, u16 value, void __user *at)
{
	if (put_user(value, (u16 __user *)at))
		return -EFAULT;
	mark(ring, at, sizeof(value));
	return 0;
}

int lodge_ring_put(struct lodge_vring *ring, const void *from, void __user *at, u32 bytes)
{
	if (copy_to_user(at, from, bytes))
		return -EFAULT;
	mark(ring, at, bytes);
	return 0;
}

void lodge_chain_mark(struct lodge_vring *ring, const struct lodge_chain *chain)
{
	u32 i;

	for (i = chain->outs; i < chain->outs + chain->ins; i++)
		lodge_mark_dirty(ring->vm, chain->gpa[i], chain->iov[i].iov_len);
}

/*
 * A descriptor's memory, slot by slot. Empty ones are of no use but harmless;
 * what the device writes comes after what it reads (2.7.4.2).
 */
int lodge_chain_add(struct lodge_vring *ring, struct lodge_chain *chain, u64 gpa, u32 bytes,
		    bool write)
{
	u32 *total = write ? &chain->writable : &chain->readable;
	struct iovec *iov;
	u64 contiguous;

	if ((!write && chain->ins) || bytes > U32_MAX - *total)
		return -EPROTO;
	*total += bytes;
	for (; bytes; bytes -= iov->iov_len, gpa += iov->iov_len) {
		if (chain->outs + chain->ins == LODGE_CHAIN_IOVS)
			return -EPROTO;
		iov = &chain->iov[chain->outs + chain->ins];
		chain->gpa[chain->outs + chain->ins] = gpa;
		iov->iov_base = lodge_gpa_to_user(ring->vm, gpa, write, &contiguous);
		if (!iov->iov_base)
			return -EPROTO;
		iov->iov_len = min_t(u64, bytes, contiguous);
		if (write)
			chain->ins++;
		else
			chain->outs++;
	}
	return 0;
}

/* A copy of an indirect table: its descriptors, or -EPROTO, -EFAULT */
int lodge_ring_table(struct lodge_vring *ring, u64 gpa, u32 bytes)
{
	u32 count = bytes / sizeof(struct lodge_desc), i;
	const struct lodge_desc __user *at;
	u64 contiguous;

	if (!ring->indirect || !count || bytes % sizeof(struct lodge_desc) ||
	    count > LODGE_CHAIN_IOVS)
		return -EPROTO;
	/* As a rule it is in one piece, and short. */
	at = lodge_gpa_to_user(ring->vm, gpa, false, &contiguous);
	if (at && contiguous >= bytes) {
		for (i = 0; i < count; i++)
			if (copy_from_user(&ring->table[i], at + i, sizeof(*at)))
				return -EFAULT;
		return count;
	}
	switch (lodge_read_guest(ring->vm, gpa, ring->table, bytes)) {
	case 0:
		return count;
	case -EFAULT:
		return -EFAULT;
	default:
		return -EPROTO;
	}
}

static struct lodge_avail __user *avail_of(const struct lodge_vring *ring)
{
	return ring->driver;
}

static struct lodge_used __user *used_of(const struct lodge_vring *ring)
{
	return ring->device;
}

/* Behind the rings: the index to be notified at (2.7.7 and 2.7.10). */
static void __user *used_event(const struct lodge_vring *ring)
{
	return &avail_of(ring)->ring[ring->entries];
}

static void __user *avail_event(const struct lodge_vring *ring)
{
	return &used_of(ring)->ring[ring->entries];
}

/*
 * Chains are followed through a table in guest memory or through a copy of an
 * indirect one. @left bounds loops: no chain is longer than its table.
 */
struct walk {
	const struct lodge_desc *copy;
	u32 size;
	u32 left;
};

static int read_desc(const struct lodge_vring *ring, const struct walk *walk, u32 index,
		     struct lodge_desc *desc)
{
	if (index >= walk->size)
		return -EPROTO;
	if (walk->copy)
		*desc = walk->copy[index];
	else if (copy_from_user(desc, (struct lodge_desc __user *)ring->desc + index,
				sizeof(*desc)))
		return -EFAULT;
	return 0;
}

/* The table is the rest of the chain; there is no table in a table (2.7.5.3). */
static int enter_table(struct lodge_vring *ring, struct walk *walk,
		       const struct lodge_desc *desc)
{
	int count;

	if (walk->copy || desc->flags & VRING_DESC_F_NEXT)
		return -EPROTO;
	count = lodge_ring_table(ring, desc->addr, desc->len);
	if (count < 0)
		return count;
	*walk = (struct walk) { .copy = ring->table, .size = count, .left = count };
	return 0;
}

static int follow(struct lodge_vring *ring, struct lodge_chain *chain, u32 index)
{
	struct walk walk = { .size = ring->entries, .left = ring->entries };
	struct lodge_desc desc;
	int ret;

	do {
		if (!walk.left--)
			return -EPROTO;
		ret = read_desc(ring, &walk, index, &desc);
		if (ret)
			return ret;
		index = desc.next;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			ret = enter_table(ring, &walk, &desc);
			desc.flags = VRING_DESC_F_NEXT;
			index = 0;
		} else {
			ret = lodge_chain_add(ring, chain, desc.addr, desc.len,
					      desc.flags & VRING_DESC_F_WRITE);
		}
	} while (!ret && desc.flags & VRING_DESC_F_NEXT);
	return ret;
}

/* The driver's index moved on: 1; not: 0; by more than there is room for: -EPROTO */
static int look(struct lodge_vring *ring)
{
	u16 avail;

	if (lodge_ring_get16(&avail, &avail_of(ring)->idx))
		return -EFAULT;
	if ((u16)(avail - ring->next.index) > ring->entries)
		return -EPROTO;
	ring->avail = avail;
	/* The index before the entries it covers. */
	smp_rmb();
	return avail != ring->next.index;
}

static int split_pop(struct lodge_vring *ring, struct lodge_chain *chain)
{
	u16 head, slot = ring->next.index & (ring->entries - 1);
	int ret;

	if (ring->avail == ring->next.index) {
		ret = look(ring);
		if (ret <= 0)
			return ret;
	}
	if (lodge_ring_get16(&head, &avail_of(ring)->ring[slot]))
		return -EFAULT;
	chain->id = head;
	ret = follow(ring, chain, head);
	if (ret)
		return ret;
	ring->next.index++;
	return 1;
}

static int split_push(struct lodge_vring *ring, const struct lodge_chain *chain, u32 written)
{
	struct lodge_used_elem elem = { .id = chain->id, .len = written };
	u16 slot = ring->used.index & (ring->entries - 1);

	if (lodge_ring_put(ring, &elem, &used_of(ring)->ring[slot], sizeof(elem)))
		return -EFAULT;
	ring->used.index++;
	ring->told++;
	return 0;
}

static int split_publish(struct lodge_vring *ring)
{
	u16 now = ring->used.index, before = now - ring->told, event;

	/* The entries before the index that covers them. */
	smp_wmb();
	if (lodge_ring_put16(ring, now, &used_of(ring)->idx))
		return -EFAULT;
	/* The index before we look whether the driver waits for it (2.7.7.2). */
	smp_mb();
	if (!ring->event_idx)
		return lodge_ring_get16(&event, &avail_of(ring)->flags) ? -EFAULT :
		       !(event & VRING_AVAIL_F_NO_INTERRUPT);
	if (lodge_ring_get16(&event, used_event(ring)))
		return -EFAULT;
	return vring_need_event(event, now, before);
}

static int split_arm(struct lodge_vring *ring)
{
	int ret;

	if (ring->event_idx)
		ret = lodge_ring_put16(ring, ring->next.index, avail_event(ring));
	else
		ret = lodge_ring_put16(ring, 0, &used_of(ring)->flags);
	/* Our wish before another look at the index (2.7.10). */
	smp_mb();
	return ret ?: look(ring);
}

/* With event indexes the driver stays silent until it passes the last one. */
static int split_disarm(struct lodge_vring *ring)
{
	if (ring->event_idx)
		return 0;
	return lodge_ring_put16(ring, VRING_USED_F_NO_NOTIFY, &used_of(ring)->flags);
}

int lodge_vring_check(const struct lodge_vring *ring)
{
	bool power = !(ring->entries & (ring->entries - 1));

	if (!ring->entries || ring->entries > LODGE_RING_MAX || (!ring->packed && !power))
		return -EINVAL;
	if (ring->desc_gpa % 16 || ring->driver_gpa % (ring->packed ? 4 : 2) ||
	    ring->device_gpa % 4)
		return -EINVAL;
	if (ring->packed && (ring->next.index >= ring->entries ||
			     ring->used.index >= ring->entries))
		return -EINVAL;
	return ring->packed || (u16)(ring->next.index - ring->used.index) <= ring->entries ?
	       0 : -EINVAL;
}

static int map_part(struct lodge_vring *ring, void __user **part, u64 gpa, u64 bytes, bool write)
{
	u64 contiguous;

	*part = lodge_gpa_to_user(ring->vm, gpa, write, &contiguous);
	return *part && contiguous >= bytes ? 0 : -EPROTO;
}

int lodge_vring_map(struct lodge_vring *ring)
{
	u64 desc = (u64)ring->entries * sizeof(struct lodge_desc), driver = 4, device = 4;
	int ret;

	if (!ring->packed) {
		driver = 6 + 2ull * ring->entries;
		device = 6 + 8ull * ring->entries;
	}
	ret = map_part(ring, &ring->desc, ring->desc_gpa, desc, ring->packed);
	ret = ret ?: map_part(ring, &ring->driver, ring->driver_gpa, driver, false);
	return ret ?: map_part(ring, &ring->device, ring->device_gpa, device, true);
}

int lodge_vring_pop(struct lodge_vring *ring, struct lodge_chain *chain)
{
	memset(chain, 0, offsetof(struct lodge_chain, iov));
	return ring->packed ? lodge_packed_pop(ring, chain) : split_pop(ring, chain);
}

void lodge_vring_unpop(struct lodge_vring *ring, const struct lodge_chain *chain)
{
	if (ring->packed)
		lodge_packed_unpop(ring, chain);
	else
		ring->next.index--;
}

int lodge_vring_push(struct lodge_vring *ring, const struct lodge_chain *chain, u32 written)
{
	lodge_chain_mark(ring, chain);
	return ring->packed ? lodge_packed_push(ring, chain, written) :
	       split_push(ring, chain, written);
}

int lodge_vring_publish(struct lodge_vring *ring)
{
	int ret;

	if (!ring->told)
		return 0;
	ret = ring->packed ? lodge_packed_publish(ring) : split_publish(ring);
	ring->told = 0;
	return ret;
}

int lodge_vring_arm(struct lodge_vring *ring)
{
	return ring->packed ? lodge_packed_arm(ring) : split_arm(ring);
}

int lodge_vring_disarm(struct lodge_vring *ring)
{
	return ring->packed ? lodge_packed_disarm(ring) : split_disarm(ring);
}
