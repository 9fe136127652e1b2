// SPDX-License-Identifier: GPL-2.0-only
/* Which device answers at a port or a guest physical address. */
#include <errno.h>

#include "bus.h"

/* Index of the first range that ends above @addr. */
static unsigned int bus_lower_bound(const struct bus *bus, __u64 addr)
{
	unsigned int lo = 0, hi = bus->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		const struct bus_range *r = &bus->range[mid];

		if (r->base + r->bytes - 1 < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int bus_add(struct bus *bus, __u64 base, __u64 bytes, const struct bus_ops *ops, void *dev)
{
	unsigned int i = bus_lower_bound(bus, base);
	struct bus_range *r = &bus->range[i];

	if (!bytes || base + bytes < base)
		return -EINVAL;
	if (i < bus->count && r->base < base + bytes)
		return -EEXIST;
	if (bus->count == BUS_MAX_RANGES)
		return -ENOSPC;
	memmove(r + 1, r, (bus->count - i) * sizeof(*r));
	*r = (struct bus_range){ base, bytes, ops, dev };
	bus->count++;
	return 0;
}

void bus_remove(struct bus *bus, __u64 base)
{
	unsigned int i = bus_lower_bound(bus, base);
	struct bus_range *r = &bus->range[i];

	if (i == bus->count || r->base != base)
		return;
	bus->count--;
	memmove(r, r + 1, (bus->count - i) * sizeof(*r));
}

const struct bus_range *bus_find(const struct bus *bus, __u64 addr, unsigned int bytes)
{
	unsigned int i = bus_lower_bound(bus, addr);
	const struct bus_range *r = &bus->range[i];

	if (i == bus->count || addr < r->base || bytes > r->bytes - (addr - r->base))
		return NULL;
	return r;
}

static __u64 ones(unsigned int bytes)
{
	return bytes >= 8 ? ~0ull : (1ull << (bytes * 8)) - 1;
}

bool bus_read(const struct bus *bus, __u64 addr, unsigned int bytes, __u64 *value)
{
	const struct bus_range *r = bus_find(bus, addr, bytes);
	unsigned int done, piece;

	*value = ones(bytes);
	if (!r)
		return false;
	piece = bytes < r->ops->width ? bytes : r->ops->width;
	*value = 0;
	for (done = 0; done < bytes; done += piece) {
		__u64 v = r->ops->read(r->dev, addr - r->base + done, piece);

		*value |= (v & ones(piece)) << (done * 8);
	}
	return true;
}

bool bus_write(const struct bus *bus, __u64 addr, unsigned int bytes, __u64 value)
{
	const struct bus_range *r = bus_find(bus, addr, bytes);
	unsigned int done, piece;

	if (!r)
		return false;
	piece = bytes < r->ops->width ? bytes : r->ops->width;
	for (done = 0; done < bytes; done += piece)
		r->ops->write(r->dev, addr - r->base + done, piece,
			      (value >> (done * 8)) & ones(piece));
	return true;
}
