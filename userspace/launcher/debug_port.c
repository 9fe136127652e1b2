// SPDX-License-Identifier: GPL-2.0-only
/* Port 0x402, where firmware for virtual machines says what it does: to stderr. */
#include <stdio.h>

#include "devices.h"

#define DEBUG_PORT_PRESENT	0xe9	/* what it reads as */

static __u64 debug_port_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return DEBUG_PORT_PRESENT;
}

static void debug_port_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	fputc(value & 0xff, stderr);
}

const struct bus_ops debug_port_ops = {
	.read = debug_port_read,
	.write = debug_port_write,
	.width = 1,
};
