// SPDX-License-Identifier: GPL-2.0-only
/* Packed virtqueues (virtio 1.2, 2.8). */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "ring.h"

#define AVAIL		BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED		BIT(VRING_PACKED_DESC_F_USED)
#define EVENT_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

static struct lodge_packed_desc __user *desc_at(const struct lodge_vring *ring, u32 index)
{
	return (struct lodge_packed_desc __user *)ring->desc + index;
}

/* Both are laid out alike; what is ours is at @device, the driver's at @driver. */
static struct lodge_packed_event __user *event_at(void __user *at)
{
	return at;
}

static void advance(const struct lodge_vring *ring, struct lodge_ring_pos *pos, u32 count)
{
	u32 index = pos->index + count;

	if (index >= ring->entries) {
		index -= ring->entries;
		pos->wrap = !pos->wrap;
	}
	pos->index = index;
}

/* The flags decide whose the descriptor is (2.8.1). */
static int available(const struct lodge_vring *ring, struct lodge_ring_pos pos)
{
	u16 flags;

	if (lodge_ring_get16(&flags, &desc_at(ring, pos.index)->flags))
		return -EFAULT;
	/* The flags before the rest that they cover. */
	smp_rmb();
	return !!(flags & AVAIL) == pos.wrap && !!(flags & USED) != pos.wrap;
}

/* Here the table is read from its start to its end (2.8.7). */
static int add_table(struct lodge_vring *ring, struct lodge_chain *chain,
		     const struct lodge_packed_desc *desc)
{
	const struct lodge_packed_desc *table = (void *)ring->table;
	int ret = 0, count, i;

	static_assert(sizeof(*table) == sizeof(*ring->table));
	if (desc->flags & VRING_DESC_F_NEXT)
		return -EPROTO;
	count = lodge_ring_table(ring, desc->addr, desc->len);
	if (count < 0)
		return count;
	for (i = 0; i < count && !ret; i++)
		ret = lodge_chain_add(ring, chain, table[i].addr, table[i].len,
				      table[i].flags & VRING_DESC_F_WRITE);
	return ret;
}

int lodge_packed_pop(struct lodge_vring *ring, struct lodge_chain *chain)
{
	struct lodge_ring_pos pos = ring->next;
	struct lodge_packed_desc desc;
	int ret = available(ring, pos);

	if (ret <= 0)
		return ret;
	do {
		/* A chain is no longer than the ring. */
		if (chain->descs == ring->entries)
			return -EPROTO;
		if (copy_from_user(&desc, desc_at(ring, pos.index), sizeof(desc)))
			return -EFAULT;
		chain->descs++;
		advance(ring, &pos, 1);
		if (desc.flags & VRING_DESC_F_INDIRECT)
			ret = add_table(ring, chain, &desc);
		else
			ret = lodge_chain_add(ring, chain, desc.addr, desc.len,
					      desc.flags & VRING_DESC_F_WRITE);
	} while (!ret && desc.flags & VRING_DESC_F_NEXT);
	if (ret)
		return ret;
	chain->id = desc.id;
	ring->next = pos;
	return 1;
}

void lodge_packed_unpop(struct lodge_vring *ring, const struct lodge_chain *chain)
{
	u32 index = ring->next.index;

	if (index < chain->descs) {
		index += ring->entries;
		ring->next.wrap = !ring->next.wrap;
	}
	ring->next.index = index - chain->descs;
}

/* One used descriptor stands for the whole chain (2.8.6). */
int lodge_packed_push(struct lodge_vring *ring, const struct lodge_chain *chain, u32 written)
{
	struct lodge_packed_desc __user *desc = desc_at(ring, ring->used.index);
	u16 flags = (ring->used.wrap ? AVAIL | USED : 0) | (written ? VRING_DESC_F_WRITE : 0);

	if (lodge_ring_put(ring, &written, &desc->len, sizeof(written)) ||
	    lodge_ring_put16(ring, chain->id, &desc->id))
		return -EFAULT;
	/*
	 * The driver looks at them in order: until the first one is handed over
	 * by lodge_packed_publish(), it sees none.
	 */
	if (!ring->told) {
		ring->first = ring->used.index;
		ring->first_flags = flags;
	} else if (lodge_ring_put16(ring, flags, &desc->flags)) {
		return -EFAULT;
	}
	advance(ring, &ring->used, chain->descs);
	ring->told += chain->descs;
	return 0;
}

int lodge_packed_publish(struct lodge_vring *ring)
{
	struct lodge_packed_event __user *driver = event_at(ring->driver);
	u16 now = ring->used.index, before = now - ring->told, flags, event;

	/* All the rest before what hands it over. */
	smp_wmb();
	if (lodge_ring_put16(ring, ring->first_flags, &desc_at(ring, ring->first)->flags))
		return -EFAULT;
	/* What was used before we look whether the driver waits for it. */
	smp_mb();
	if (lodge_ring_get16(&flags, &driver->flags))
		return -EFAULT;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !ring->event_idx)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	/* The flags before the index they make valid. */
	smp_rmb();
	if (lodge_ring_get16(&event, &driver->off_wrap))
		return -EFAULT;
	if (!!(event & EVENT_WRAP) == ring->used.wrap)
		event &= ~EVENT_WRAP;
	else
		event = (event & ~EVENT_WRAP) - ring->entries;
	return vring_need_event(event, now, before);
}

int lodge_packed_arm(struct lodge_vring *ring)
{
	struct lodge_packed_event __user *device = event_at(ring->device);
	u16 flags = VRING_PACKED_EVENT_FLAG_ENABLE, where;

	if (ring->event_idx) {
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		where = ring->next.index | (ring->next.wrap ? EVENT_WRAP : 0);
		if (lodge_ring_put16(ring, where, &device->off_wrap))
			return -EFAULT;
		/* The index before the flags that make it valid. */
		smp_wmb();
	}
	if (lodge_ring_put16(ring, flags, &device->flags))
		return -EFAULT;
	/* Our wish before another look. */
	smp_mb();
	return available(ring, ring->next);
}

int lodge_packed_disarm(struct lodge_vring *ring)
{
	return lodge_ring_put16(ring, VRING_PACKED_EVENT_FLAG_DISABLE,
				&event_at(ring->device)->flags);
}
