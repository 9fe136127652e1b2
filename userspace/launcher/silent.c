// SPDX-License-Identifier: GPL-2.0-only
/* Ports that software writes to without expecting anything of them. */
#include "devices.h"

static __u64 silent_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return ~0ull;
}

static void silent_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	(void)value;
}

const struct bus_ops silent_ops = {
	.read = silent_read,
	.write = silent_write,
	.width = 4,
};
