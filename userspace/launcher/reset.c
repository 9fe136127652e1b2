// SPDX-License-Identifier: GPL-2.0-only
/* Two more ways to reset a PC: port 0x92 and the reset register 0xcf9. */
#include "devices.h"

#define PORT92_RESET	0x01
#define PORT92_A20	0x02
#define CF9_RESET	0x04

void reset_init(struct reset_ports *r, struct machine *m)
{
	r->machine = m;
	r->port92 = PORT92_A20;
	r->cf9 = 0;
}

static __u64 port92_read(void *dev, __u64 offset, unsigned int bytes)
{
	const struct reset_ports *r = dev;

	(void)offset;
	(void)bytes;
	return r->port92;
}

static void port92_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct reset_ports *r = dev;

	(void)offset;
	(void)bytes;
	r->port92 = value & ~PORT92_RESET;
	if (value & PORT92_RESET)
		machine_event(r->machine, EVENT_RESET, 0);
}

static __u64 cf9_read(void *dev, __u64 offset, unsigned int bytes)
{
	const struct reset_ports *r = dev;

	(void)offset;
	(void)bytes;
	return r->cf9;
}

static void cf9_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct reset_ports *r = dev;

	(void)offset;
	(void)bytes;
	r->cf9 = value & ~CF9_RESET;
	if (value & CF9_RESET)
		machine_event(r->machine, EVENT_RESET, 0);
}

const struct bus_ops port92_ops = {
	.read = port92_read,
	.write = port92_write,
	.width = 1,
};

const struct bus_ops cf9_ops = {
	.read = cf9_read,
	.write = cf9_write,
	.width = 1,
};
