// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of a VM: vCPUs, memory slots, chips, statistics. */
#include <errno.h>
#include <sys/mman.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define SLOT	1		/* slot 0 is the guest's */
#define HIGH	0x100000000ull

FIXTURE(vm)
{
	struct guest g;
};

FIXTURE_SETUP(vm)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(vm)
{
	guest_destroy(&self->g);
}

TEST_F(vm, vcpu_ids)
{
	int vcpu = guest_add_vcpu(&self->g, LODGE_MAX_VCPUS - 1);

	EXPECT_LE(0, vcpu);
	EXPECT_EQ(-EEXIST, guest_add_vcpu(&self->g, 0));
	EXPECT_EQ(-EINVAL, guest_add_vcpu(&self->g, LODGE_MAX_VCPUS));
	EXPECT_EQ(-EINVAL, guest_add_vcpu(&self->g, ~0u));
	close(vcpu);
	/* vCPUs live as long as their VM. */
	EXPECT_EQ(-EEXIST, guest_add_vcpu(&self->g, LODGE_MAX_VCPUS - 1));
}

TEST_F(vm, every_vcpu)
{
	int i;

	for (i = 1; i < LODGE_MAX_VCPUS; i++)
		ASSERT_LE(0, guest_add_vcpu(&self->g, i));
}

TEST_F(vm, slot_life)
{
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, HIGH, GUEST_BYTES, self->g.mem));
	/* The same slot again moves it; its old place is free. */
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, 2 * HIGH, GUEST_BYTES, self->g.mem));
	ASSERT_EQ(0, guest_slot(&self->g, SLOT + 1, HIGH, GUEST_BYTES, self->g.mem));
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, 0, 0, NULL));
	ASSERT_EQ(0, guest_slot(&self->g, SLOT + 1, 0, 0, NULL));
}

TEST_F(vm, slots_overlap)
{
	struct guest *g = &self->g;

	EXPECT_EQ(-EEXIST, guest_slot(g, SLOT, GUEST_BYTES - 4096, 8192, g->mem));
	EXPECT_EQ(-EEXIST, guest_slot(g, SLOT, 0, 4096, g->mem));
	EXPECT_EQ(0, guest_slot(g, SLOT, GUEST_BYTES, 4096, g->mem));
}

TEST_F(vm, slot_refusals)
{
	struct guest *g = &self->g;
	char *kernel = (char *)0xffff888000000000ul;
	char *hole = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, hole);
	EXPECT_EQ(-EINVAL, guest_slot(g, SLOT, HIGH + 1, 4096, g->mem));
	EXPECT_EQ(-EINVAL, guest_slot(g, SLOT, HIGH, 4095, g->mem));
	EXPECT_EQ(-EINVAL, guest_slot(g, SLOT, HIGH, 4096, g->mem + 1));
	EXPECT_EQ(-EINVAL, guest_slot(g, LODGE_MAX_SLOTS, HIGH, 4096, g->mem));
	EXPECT_EQ(-EFAULT, guest_slot(g, SLOT, HIGH, 4096, kernel));
	EXPECT_EQ(-EINVAL, guest_slot(g, SLOT, -4096ull, 8192, g->mem));
	EXPECT_EQ(-EINVAL, guest_slot(g, SLOT, 1ull << g->info.phys_bits, 4096, g->mem));
	EXPECT_EQ(-EINVAL, guest_slot(g, SLOT, HIGH, 1ull << 63, g->mem));
	EXPECT_EQ(-ENOENT, guest_slot(g, SLOT, 0, 0, NULL));
	/* Not mapped, or not all of it */
	EXPECT_EQ(-EFAULT, guest_slot(g, SLOT, HIGH, 4096, NULL));
	EXPECT_EQ(0, munmap(hole + 4096, 4096));
	EXPECT_EQ(-EFAULT, guest_slot(g, SLOT, HIGH, 3 * 4096, hole));
	EXPECT_EQ(-EFAULT, guest_slot(g, SLOT, HIGH, 4096, hole + 4096));
	EXPECT_EQ(0, munmap(hole, 3 * 4096));
	/* And none of them left anything behind. */
	EXPECT_EQ(0, guest_slot(g, SLOT, HIGH, 4096, g->mem));
}

TEST_F(vm, every_slot)
{
	unsigned int i;

	for (i = 1; i < LODGE_MAX_SLOTS; i++)
		ASSERT_EQ(0, guest_slot(&self->g, i, HIGH + i * 8192ull, 4096,
					self->g.mem));
}

TEST_F(vm, irq_line)
{
	struct lodge_irq_line args = { .size = sizeof(args), .gsi = 4, .level = 1 };

	EXPECT_EQ(0, call(self->g.vm, LODGE_IRQ_LINE, &args));
	args.level = 0;
	EXPECT_EQ(0, call(self->g.vm, LODGE_IRQ_LINE, &args));
	args.level = 2;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_IRQ_LINE, &args));
	args.level = 0;
	args.gsi = LODGE_IOAPIC_PINS;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_IRQ_LINE, &args));
	args.gsi = ~0u;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_IRQ_LINE, &args));
}

TEST_F(vm, msi)
{
	struct lodge_msi args = {
		.size = sizeof(args), .addr = 0xfee00000, .data = 0x40,
	};

	EXPECT_LE(0, call(self->g.vm, LODGE_SIGNAL_MSI, &args));
	args.addr = 0x1000;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SIGNAL_MSI, &args));
}

TEST_F(vm, irqfd_refusals)
{
	struct lodge_irqfd args = { .size = sizeof(args), .fd = -1, .gsi = 4 };

	EXPECT_EQ(-EBADF, call(self->g.vm, LODGE_SET_IRQFD, &args));
	args.fd = self->g.vm;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_IRQFD, &args));
	args.fd = eventfd(0, 0);
	args.gsi = LODGE_IOAPIC_PINS;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_IRQFD, &args));
	args.gsi = 4;
	args.flags = LODGE_IRQFD_DEASSIGN;
	EXPECT_GT(0, call(self->g.vm, LODGE_SET_IRQFD, &args));
	args.flags = 0;
	EXPECT_EQ(0, call(self->g.vm, LODGE_SET_IRQFD, &args));
	args.flags = LODGE_IRQFD_DEASSIGN;
	EXPECT_EQ(0, call(self->g.vm, LODGE_SET_IRQFD, &args));
	close(args.fd);
}

TEST_F(vm, chips_round_trip)
{
	struct lodge_chip chip = { .size = sizeof(chip) }, again;
	__u32 i;

	for (i = LODGE_CHIP_PIC; i <= LODGE_CHIP_PIT; i++) {
		chip.chip = i;
		ASSERT_EQ(0, call(self->g.vm, LODGE_GET_CHIP, &chip));
		ASSERT_EQ(0, call(self->g.vm, LODGE_SET_CHIP, &chip));
		again = chip;
		ASSERT_EQ(0, call(self->g.vm, LODGE_GET_CHIP, &again));
		/* The PIT counts on. */
		if (i != LODGE_CHIP_PIT)
			EXPECT_EQ(0, memcmp(&chip, &again, sizeof(chip)));
	}
	chip.chip = LODGE_CHIP_PIT + 1;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_GET_CHIP, &chip));
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_CHIP, &chip));
}

TEST_F(vm, chips_take_garbage)
{
	struct lodge_chip chip = { .size = sizeof(chip) };
	struct lodge_irq_line line = { .size = sizeof(line), .level = 1 };
	__u32 i;

	memset(chip.data, 0xff, sizeof(chip.data));
	for (i = LODGE_CHIP_PIC; i <= LODGE_CHIP_PIT; i++) {
		chip.chip = i;
		call(self->g.vm, LODGE_SET_CHIP, &chip);
	}
	for (line.gsi = 0; line.gsi < LODGE_IOAPIC_PINS; line.gsi++)
		EXPECT_EQ(0, call(self->g.vm, LODGE_IRQ_LINE, &line));
}

TEST_F(vm, reset)
{
	struct lodge_chip chip = { .size = sizeof(chip), .chip = LODGE_CHIP_IOAPIC };
	struct lodge_ioapic_state *ioapic = (void *)chip.data;
	struct lodge_reset reset = { .size = sizeof(reset) };

	ASSERT_EQ(0, call(self->g.vm, LODGE_GET_CHIP, &chip));
	ioapic->redir[3] = 0x40;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_CHIP, &chip));
	ASSERT_EQ(0, call(self->g.vm, LODGE_GET_CHIP, &chip));
	EXPECT_EQ(0x40, ioapic->redir[3]);
	ASSERT_EQ(0, call(self->g.vm, LODGE_RESET_VM, &reset));
	ASSERT_EQ(0, call(self->g.vm, LODGE_GET_CHIP, &chip));
	EXPECT_EQ(0x10000, ioapic->redir[3]);
}

TEST_F(vm, domain_and_region_refusals)
{
	struct lodge_domain domain = {
		.size = sizeof(domain), .domain = LODGE_MAX_DOMAINS, .eventfd = -1,
	};
	struct lodge_region region = {
		.size = sizeof(region), .space = LODGE_SPACE_PIO, .addr = 0x3f8,
		.bytes = 8, .read = LODGE_READ_SHADOW, .eventfd = -1,
	};

	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_DOMAIN, &domain));
	domain.domain = 0;
	domain.eventfd = self->g.vm;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_DOMAIN, &domain));
	/* A shadow needs a domain that exists. */
	EXPECT_GT(0, call(self->g.vm, LODGE_SET_REGION, &region));
	domain.eventfd = -1;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_DOMAIN, &domain));
	EXPECT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
	region.addr = 0x3fc;
	EXPECT_GT(0, call(self->g.vm, LODGE_SET_REGION, &region));
	region.addr = 0xfffc;
	EXPECT_GT(0, call(self->g.vm, LODGE_SET_REGION, &region));
	region.addr = 0x400;
	region.shadow = 4090;
	EXPECT_GT(0, call(self->g.vm, LODGE_SET_REGION, &region));
	region.shadow = 0;
	region.space = 2;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_REGION, &region));
	region.space = LODGE_SPACE_PIO;
	region.read = 99;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_REGION, &region));
	region.read = LODGE_READ_EXIT;
	region.write = LODGE_WRITE_DOORBELL;
	EXPECT_GT(0, call(self->g.vm, LODGE_SET_REGION, &region));
	region.write = LODGE_WRITE_EXIT;
	region.bytes = 0;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_REGION, &region));
}

TEST_F(vm, region_life)
{
	struct lodge_region region = {
		.size = sizeof(region), .space = LODGE_SPACE_MMIO,
		.addr = GUEST_NOTHING, .bytes = 4096, .eventfd = -1,
	};
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
		EXPECT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
		region.flags = LODGE_REGION_DELETE;
		EXPECT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
		EXPECT_EQ(-ENOENT, call(self->g.vm, LODGE_SET_REGION, &region));
		region.flags = 0;
	}
	for (i = 0; i < LODGE_MAX_REGIONS; i++) {
		region.addr = GUEST_NOTHING + i * 4096;
		ASSERT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
	}
	region.addr += 4096;
	EXPECT_EQ(-ENOSPC, call(self->g.vm, LODGE_SET_REGION, &region));
}

TEST_F(vm, domain_mapping)
{
	struct lodge_domain domain = { .size = sizeof(domain), .eventfd = -1 };
	size_t bytes = self->g.info.domain_size;
	int prot = PROT_READ | PROT_WRITE;
	__u8 *map;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, prot, MAP_SHARED, self->g.vm, 0));
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_DOMAIN, &domain));
	map = mmap(NULL, bytes, prot, MAP_SHARED, self->g.vm, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[LODGE_DOMAIN_SHADOW] = 7;
	map[bytes - 1] = 7;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, prot, MAP_SHARED, self->g.vm, bytes));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * bytes, prot, MAP_SHARED, self->g.vm, 0));
	/* The pages outlive the descriptors. */
	guest_destroy(&self->g);
	EXPECT_EQ(7, map[LODGE_DOMAIN_SHADOW]);
	ASSERT_EQ(0, guest_create(&self->g));
}

TEST_F(vm, unknown_ioctls)
{
	int nr;

	for (nr = 0x2e; nr < 0x100; nr++) {
		if (_IO('L', nr) == LODGE_CREATE_VIRTIO)
			continue;
		EXPECT_EQ(-ENOTTY, call(self->g.vm, _IO('L', nr), NULL)) {
			TH_LOG("ioctl %#x", nr);
		}
	}
}

TEST_HARNESS_MAIN
