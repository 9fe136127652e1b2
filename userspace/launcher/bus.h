/* SPDX-License-Identifier: GPL-2.0-only */
/* Which device answers at a port or a guest physical address. */
#ifndef _LAUNCHER_BUS_H
#define _LAUNCHER_BUS_H

#include "util.h"

#define BUS_MAX_RANGES	256

/**
 * struct bus_ops - how a device answers
 * @read: value at @offset of the range
 * @write: store @value at @offset of the range
 * @width: widest access the device takes; wider ones arrive in pieces, low
 *	address first
 */
struct bus_ops {
	__u64 (*read)(void *dev, __u64 offset, unsigned int bytes);
	void (*write)(void *dev, __u64 offset, unsigned int bytes, __u64 value);
	unsigned int width;
};

struct bus_range {
	__u64 base;
	__u64 bytes;
	const struct bus_ops *ops;
	void *dev;
};

/* Ranges are sorted by address and do not overlap. */
struct bus {
	struct bus_range range[BUS_MAX_RANGES];
	unsigned int count;
};

/* -EEXIST when it overlaps another range, -ENOSPC when the table is full. */
int bus_add(struct bus *bus, __u64 base, __u64 bytes, const struct bus_ops *ops, void *dev);
/* Removes the range that begins at @base. */
void bus_remove(struct bus *bus, __u64 base);
/* The range that holds all of the access, or NULL. */
const struct bus_range *bus_find(const struct bus *bus, __u64 addr, unsigned int bytes);
/* False, and all ones, when nothing is there. */
bool bus_read(const struct bus *bus, __u64 addr, unsigned int bytes, __u64 *value);
bool bus_write(const struct bus *bus, __u64 addr, unsigned int bytes, __u64 value);

#endif /* _LAUNCHER_BUS_H */
