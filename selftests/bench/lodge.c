// SPDX-License-Identifier: GPL-2.0-only
/* The benchmark's hypervisor is Lodge. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <pthread.h>
#include <sys/mman.h>

#include <lodge/liblodge.h>

#include "operations.h"
#include "vmm.h"

#define DOMAIN		0

const char *const vmm_name = "lodge";
const unsigned int vmm_shadow = 0x530;

static int lodge;
static struct lodge_info info;
static struct lodge_io_domain domain;

static int check(int ret, const char *what)
{
	if (ret < 0) {
		errno = -ret;
		err(1, "%s", what);
	}
	return ret;
}

void vmm_open(void)
{
	lodge = check(lodge_open(NULL), "/dev/lodge");
	check(lodge_get_info(lodge, &info), "LODGE_GET_INFO");
}

int vmm_create(void)
{
	return check(lodge_create_vm(lodge, "bench", 0), "LODGE_CREATE_VM");
}

static void set_slot(int vm, unsigned int flags, unsigned int slot, unsigned long gpa, void *memory,
		     size_t bytes)
{
	struct lodge_slot s = {
		.flags = flags, .slot = slot, .gpa = gpa, .bytes = bytes,
		.user_addr = (unsigned long)memory,
	};

	check(lodge_set_slot(vm, &s), "LODGE_SET_SLOT");
}

void vmm_memory(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t bytes)
{
	set_slot(vm, 0, slot, gpa, memory, bytes);
}

void vmm_log(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t bytes)
{
	set_slot(vm, LODGE_SLOT_LOG_DIRTY, slot, gpa, memory, bytes);
}

void vmm_clean(int vm, unsigned int slot)
{
	__u64 bits[PAGES_BYTES / 4096 / 64];

	check(lodge_get_dirty(vm, slot, 0, PAGES_BYTES / 4096, bits), "LODGE_GET_DIRTY");
}

int vmm_vcpu(int vm, unsigned int id)
{
	return check(lodge_create_vcpu(vm, id), "LODGE_CREATE_VCPU");
}

static void region(int vm, struct lodge_region r)
{
	check(lodge_set_region(vm, &r), "LODGE_SET_REGION");
}

void vmm_regions(int vm, int eventfd)
{
	check(lodge_set_domain(vm, DOMAIN, -1), "LODGE_SET_DOMAIN");
	check(lodge_map_domain(vm, &info, DOMAIN, &domain), "the domain");
	region(vm, (struct lodge_region) {
		.space = LODGE_SPACE_PIO, .addr = vmm_shadow, .bytes = 1,
		.domain = DOMAIN, .read = LODGE_READ_SHADOW, .eventfd = -1 });
	region(vm, (struct lodge_region) {
		.space = LODGE_SPACE_PIO, .addr = PORT_PM_TIMER, .bytes = 4,
		.read = LODGE_READ_PM_TIMER, .eventfd = -1 });
	region(vm, (struct lodge_region) {
		.space = LODGE_SPACE_PIO, .addr = PORT_POST, .bytes = 1,
		.domain = DOMAIN, .write = LODGE_WRITE_POST, .eventfd = -1 });
	region(vm, (struct lodge_region) {
		.space = LODGE_SPACE_PIO, .addr = PORT_DOORBELL, .bytes = 4,
		.write = LODGE_WRITE_DOORBELL, .eventfd = eventfd });
	region(vm, (struct lodge_region) {
		.space = LODGE_SPACE_MMIO, .addr = MMIO_DOORBELL, .bytes = 4,
		.write = LODGE_WRITE_DOORBELL, .eventfd = eventfd });
}

static void *back_end(void *dev)
{
	check(lodge_ring_serve((long)dev, 1 << RING_NUMBER), "LODGE_RING_SERVE");
	return NULL;
}

/* A console's, of which /dev/null takes all */
void vmm_back_end(int vm, int vcpu, volatile unsigned int *served)
{
	struct lodge_create_virtio create = {
		.device = LODGE_VIRTIO_CONSOLE, .rings = 2, .fd = open("/dev/null", O_RDWR),
		.gsi = LODGE_VIRTIO_NO_GSI,
	};
	struct lodge_ring ring = {
		.flags = LODGE_RING_ENABLED, .ring = RING_NUMBER, .entries = RING_ENTRIES,
		.desc = RING, .driver = RING_AVAIL, .device = RING_USED,
	};
	long dev = check(lodge_create_virtio(vm, &create), "LODGE_CREATE_VIRTIO");
	pthread_t thread;

	check(lodge_set_features(dev, 1ull << VIRTIO_F_VERSION_1), "LODGE_SET_FEATURES");
	check(lodge_set_ring(dev, &ring), "LODGE_SET_RING");
	region(vm, (struct lodge_region) {
		.space = LODGE_SPACE_PIO, .addr = PORT_BACK, .bytes = 4,
		.write = LODGE_WRITE_DOORBELL, .eventfd = dev });
	if (pthread_create(&thread, NULL, back_end, (void *)dev))
		errx(1, "pthread_create");
}

void vmm_start(int vcpu, unsigned int entry, unsigned int cpu)
{
	struct lodge_segment data = {
		.limit = ~0u, .selector = SELECTOR_DATA, .type = 3, .s = 1, .present = 1,
		.db = 1, .g = 1,
	};
	struct lodge_segment code = {
		.limit = ~0u, .selector = SELECTOR_CODE, .type = 11, .s = 1, .present = 1,
		.l = 1, .g = 1,
	};
	struct lodge_mp_state running = { .state = LODGE_MP_RUNNABLE };
	struct lodge_regs regs = { .rip = entry, .rflags = 2 };
	struct lodge_sregs sregs;
	int i;

	check(lodge_get_sregs(vcpu, &sregs), "LODGE_GET_SREGS");
	for (i = LODGE_ES; i <= LODGE_GS; i++)
		sregs.seg[i] = i == LODGE_CS ? code : data;
	sregs.seg[LODGE_TR].type = 11;
	sregs.cr0 = CR0;
	sregs.cr3 = TABLES;
	sregs.cr4 = CR4;
	sregs.efer = EFER;
	check(lodge_set_sregs(vcpu, &sregs), "LODGE_SET_SREGS");
	regs.gpr[LODGE_RDI] = cpu;
	regs.gpr[LODGE_RSP] = stack_of(cpu);
	check(lodge_set_regs(vcpu, &regs), "LODGE_SET_REGS");
	check(lodge_set_mp_state(vcpu, &running), "LODGE_SET_MP_STATE");
}

void *vmm_map(int vcpu)
{
	struct lodge_run *run;

	check(lodge_map_run(vcpu, &info, &run), "the run area");
	return run;
}

void vmm_unmap(void *run)
{
	munmap(run, info.run_size);
}

void vmm_want_registers(void *area)
{
	struct lodge_run *run = area;

	run->wanted = LODGE_SYNC_REGS;
}

void vmm_change_registers(void *area)
{
	struct lodge_run *run = area;

	run->regs.gpr[LODGE_R15]++;
	run->dirty = LODGE_SYNC_REGS;
}

static void drop(void *arg, const struct lodge_post *post)
{
}

void vmm_drain(void)
{
	lodge_drain(&domain, drop, NULL);
}

bool vmm_trace(int vcpu)
{
	check(lodge_trace(vcpu, 0, 64), "LODGE_TRACE");
	return true;
}

const char *const vmm_events[2] = { "lodge/lodge_entry", "lodge/lodge_exit" };

enum stop vmm_run(int vcpu, void *area, struct access *access)
{
	struct lodge_run *run = area;
	int ret = lodge_run(vcpu);

	if (ret == -EINTR)
		return STOP_AGAIN;
	check(ret, "LODGE_RUN");
	if (run->exit_reason == LODGE_EXIT_IO) {
		access->addr = run->io.port;
		access->bytes = run->io.bytes;
		access->data = run->data;
		return run->io.is_write ? STOP_OUT : STOP_IN;
	}
	if (run->exit_reason != LODGE_EXIT_MMIO)
		errx(1, "exit reason %u", run->exit_reason);
	access->addr = run->mmio.gpa;
	access->bytes = run->mmio.bytes;
	access->data = run->data;
	return STOP_MMIO;
}
