// SPDX-License-Identifier: GPL-2.0-only
/* --exit-dev: a port by which a test in the guest ends the launcher. */
#include "devices.h"

static __u64 exit_dev_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return 0;
}

static void exit_dev_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)offset;
	(void)bytes;
	machine_event(dev, EVENT_EXIT_DEV, value);
}

const struct bus_ops exit_dev_ops = {
	.read = exit_dev_read,
	.write = exit_dev_write,
	.width = 4,
};
