// SPDX-License-Identifier: GPL-2.0-only
/*
 * --test-dev: what bare-metal test kernels know as QEMU's ISA test device.
 *
 *	0xe0-0xe3	a latch of 4 bytes, at any width; again at 0xe8-0xeb
 *	0xe4		write an address: that page leaves the guest's page
 *			tables, and comes back at the next access
 *	0x2000+n	write 0 or not 0: the level of interrupt line n
 *	0xff000000	64 KiB of memory behind which there is no RAM: every
 *			access comes here
 */
#include <sys/mman.h>

#include <lodge/liblodge.h>

#include "machine.h"

static __u64 latch_read(void *dev, __u64 offset, unsigned int bytes)
{
	const struct test_dev *t = dev;
	__u64 v = 0;

	memcpy(&v, t->latch + offset, bytes);
	return v;
}

static void latch_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct test_dev *t = dev;

	memcpy(t->latch + offset, &value, bytes);
}

static __u64 read_nothing(void *dev, __u64 offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return ~0ull;
}

static void flush_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct test_dev *t = dev;
	void *page = memory_at(&t->machine->mem, value & ~0xfffull, 4096);

	(void)offset;
	if (!page || bytes != 4)
		return;
	/* The protection changes, so the hypervisor must forget the page. */
	mprotect(page, 4096, PROT_NONE);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void irq_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct test_dev *t = dev;

	(void)bytes;
	lodge_irq_line(t->machine->vm, offset, value != 0);
}

static __u64 iomem_read(void *dev, __u64 offset, unsigned int bytes)
{
	const struct test_dev *t = dev;
	__u64 v = 0;

	memcpy(&v, t->iomem + offset, bytes);
	return v;
}

static void iomem_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct test_dev *t = dev;

	memcpy(t->iomem + offset, &value, bytes);
}

static const struct bus_ops latch_ops = { latch_read, latch_write, 4 };
static const struct bus_ops flush_ops = { read_nothing, flush_write, 4 };
static const struct bus_ops irq_ops = { read_nothing, irq_write, 1 };
static const struct bus_ops iomem_ops = { iomem_read, iomem_write, 8 };

int test_dev_init(struct test_dev *t, struct machine *m)
{
	int ret;

	memset(t, 0, sizeof(*t));
	t->machine = m;
	ret = bus_add(&m->pio, 0xe0, sizeof(t->latch), &latch_ops, t);
	ret |= bus_add(&m->pio, 0xe4, 4, &flush_ops, t);
	ret |= bus_add(&m->pio, 0xe8, sizeof(t->latch), &latch_ops, t);
	ret |= bus_add(&m->pio, 0x2000, TEST_DEV_LINES, &irq_ops, t);
	ret |= bus_add(&m->mmio, 0xff000000, TEST_DEV_IOMEM, &iomem_ops, t);
	return ret;
}
