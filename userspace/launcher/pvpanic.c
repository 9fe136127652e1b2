// SPDX-License-Identifier: GPL-2.0-only
/* pvpanic: the guest's kernel says that it has panicked. */
#include "devices.h"

#define PVPANIC_PANICKED	0x01

static __u64 pvpanic_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return PVPANIC_PANICKED;	/* the events that are supported */
}

static void pvpanic_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)offset;
	(void)bytes;
	if (value & PVPANIC_PANICKED)
		machine_event(dev, EVENT_PANIC, 0);
}

const struct bus_ops pvpanic_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
	.width = 1,
};
