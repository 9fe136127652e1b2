// SPDX-License-Identifier: GPL-2.0-only
/* VMs come and go; what the kernel used for them comes back, all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

/* Caches grow by less, and a page for each VM is more. */
#define SLACK	KIB(200)
#define ROUNDS	3

FIXTURE(leaks)
{
	int event;
};

FIXTURE_SETUP(leaks)
{
	self->event = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, self->event);
}

FIXTURE_TEARDOWN(leaks)
{
	close(self->event);
}

/* Bytes that the kernel uses for itself. */
static long kernel_bytes(void)
{
	static const char *const names[] = { "SUnreclaim:", "PageTables:", "SecPageTables:",
					     "VmallocUsed:", "Percpu:", "KernelStack:" };
	char line[128], name[32];
	long sum = 0, value;
	unsigned int i;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %ld", name, &value) != 2)
			continue;
		for (i = 0; i < ARRAY_SIZE(names); i++)
			if (!strcmp(name, names[i]))
				sum += value * 1024;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Much is freed a little later: wait while it is more than @enough, two seconds at most. */
static long settled_bytes(long enough)
{
	long now = kernel_bytes();
	int i;

	for (i = 0; i < 20 && now > enough; i++) {
		usleep(100000);
		now = kernel_bytes();
	}
	return now;
}

GUEST64(toucher, "mov $0x100000, %eax\n 1: incl (%rax)\n add $4096, %eax\n"
	"cmp $0x180000, %eax\n jne 1b\n" END);

/* One with something of everything that a VM can own. */
static int one_vm(int event)
{
	struct lodge_irqfd irqfd = { .size = sizeof(irqfd), .fd = event, .gsi = 3 };
	struct lodge_domain domain = { .size = sizeof(domain), .domain = 1, .eventfd = event };
	struct lodge_region region = { .size = sizeof(region), .addr = 0x200, .bytes = 4,
				       .write = LODGE_WRITE_DOORBELL, .eventfd = event };
	struct lodge_create_virtio rng = { .size = sizeof(rng), .device = LODGE_VIRTIO_RNG,
					   .rings = 1, .fd = -1, .gsi = LODGE_VIRTIO_NO_GSI };
	struct guest g;
	int ret = guest_create(&g), dev, vcpu;

	if (ret)
		return ret;
	vcpu = guest_add_vcpu(&g, 1);
	dev = call(g.vm, LODGE_CREATE_VIRTIO, &rng);
	ret = vcpu < 0 || dev < 0 || call(g.vm, LODGE_SET_IRQFD, &irqfd) ||
	      call(g.vm, LODGE_SET_DOMAIN, &domain) || call(g.vm, LODGE_SET_REGION, &region) ||
	      guest_load64(&g, toucher) || guest_run_to_end(&g) < 0;
	close(vcpu);
	close(dev);
	guest_destroy(&g);
	return ret;
}

/* VMs of a round; LODGE_VMS says how many. */
static int vms(void)
{
	const char *text = getenv("LODGE_VMS");

	return text ? atoi(text) : 60;
}

static int many_vms(int event, int count)
{
	int ret = 0;

	while (!ret && count--)
		ret = one_vm(event);
	return ret;
}

/* Caches fill once. A leak grows each time. */
TEST_F_TIMEOUT(leaks, vms_leave_nothing, 900)
{
	long before, after;
	int round;

	ASSERT_EQ(0, many_vms(self->event, 20));
	for (round = 0; round < ROUNDS; round++) {
		before = settled_bytes(0);
		ASSERT_EQ(0, many_vms(self->event, vms()));
		after = settled_bytes(before + SLACK);
		if (after <= before + SLACK)
			break;
	}
	EXPECT_GT(ROUNDS, round) {
		TH_LOG("%ld KiB before, %ld KiB after", before / 1024, after / 1024);
	}
}

TEST_HARNESS_MAIN
