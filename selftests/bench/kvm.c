// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's hypervisor is KVM. It has no shadow of a port: there the
 * nearest is a port of its own chips, which the guest reads instead.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "idle.h"
#include "operations.h"
#include "vmm.h"

#define TSS		0xfffbd000ul
#define IDENTITY_MAP	0xfffbc000ull

const char *const vmm_name = "kvm";
const unsigned int vmm_shadow = PORT_PIC_MASK;

static int kvm;
static int run_bytes;
static struct kvm_coalesced_mmio_ring *ring;

static int ask(int fd, unsigned long request, const void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(1, "%s", what);
	return ret;
}

void vmm_open(void)
{
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	run_bytes = ask(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
}

int vmm_create(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	unsigned long long map = IDENTITY_MAP;
	int vm = ask(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");

	ask(vm, KVM_SET_TSS_ADDR, (void *)TSS, "KVM_SET_TSS_ADDR");
	ask(vm, KVM_SET_IDENTITY_MAP_ADDR, &map, "KVM_SET_IDENTITY_MAP_ADDR");
	ask(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	ask(vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	return vm;
}

static void set_region(int vm, unsigned int flags, unsigned int slot, unsigned long gpa,
		       void *memory, size_t bytes)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = bytes,
		.userspace_addr = (unsigned long)memory,
	};

	ask(vm, KVM_SET_USER_MEMORY_REGION, &r, "KVM_SET_USER_MEMORY_REGION");
}

void vmm_memory(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t bytes)
{
	set_region(vm, 0, slot, gpa, memory, bytes);
}

void vmm_log(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t bytes)
{
	set_region(vm, KVM_MEM_LOG_DIRTY_PAGES, slot, gpa, memory, bytes);
}

void vmm_clean(int vm, unsigned int slot)
{
	unsigned long long bits[PAGES_BYTES / 4096 / 64];
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bits };

	ask(vm, KVM_GET_DIRTY_LOG, &log, "KVM_GET_DIRTY_LOG");
}

static void set_cpuid(int vcpu, unsigned int id)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} table;
	unsigned int i;

	table.head.nent = 256;
	ask(kvm, KVM_GET_SUPPORTED_CPUID, &table, "KVM_GET_SUPPORTED_CPUID");
	for (i = 0; i < table.head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &table.entry[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffff) | 2 << 16 | id << 24;
			e->ecx |= 1u << 31 | 1 << 24;	/* hypervisor, TSC deadline */
		} else if (e->function == 0xb) {
			e->edx = id;
		}
	}
	ask(vcpu, KVM_SET_CPUID2, &table, "KVM_SET_CPUID2");
}

int vmm_vcpu(int vm, unsigned int id)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, id);

	if (vcpu < 0)
		err(1, "KVM_CREATE_VCPU");
	set_cpuid(vcpu, id);
	return vcpu;
}

static void doorbell(int vm, int eventfd, unsigned long addr, unsigned int bytes,
		     unsigned int flags)
{
	struct kvm_ioeventfd d = {
		.addr = addr, .len = bytes, .fd = eventfd, .flags = flags,
	};

	ask(vm, KVM_IOEVENTFD, &d, "KVM_IOEVENTFD");
}

/* A doorbell without a length is served without decoding the instruction. */
void vmm_regions(int vm, int eventfd)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = PORT_POST, .size = 1, .pio = 1 };

	ask(vm, KVM_REGISTER_COALESCED_MMIO, &zone, "KVM_REGISTER_COALESCED_MMIO");
	doorbell(vm, eventfd, PORT_DOORBELL, 4, KVM_IOEVENTFD_FLAG_PIO);
	doorbell(vm, eventfd, MMIO_DOORBELL, 0, 0);
}

static int bell;

static void *back_end(void *served)
{
	unsigned long long count;

	while (read(bell, &count, sizeof(count)) == sizeof(count))
		*(volatile unsigned int *)served = tsc();
	return NULL;
}

/* The guest's TSC is ours. */
void vmm_back_end(int vm, int vcpu, volatile unsigned int *served)
{
	unsigned long long offset = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (unsigned long)&offset,
	};
	pthread_t thread;

	ask(vcpu, KVM_SET_DEVICE_ATTR, &attr, "KVM_VCPU_TSC_OFFSET");
	bell = eventfd(0, 0);
	doorbell(vm, bell, PORT_BACK, 4, KVM_IOEVENTFD_FLAG_PIO);
	if (pthread_create(&thread, NULL, back_end, (void *)served))
		errx(1, "pthread_create");
}

void vmm_start(int vcpu, unsigned int entry, unsigned int cpu)
{
	struct kvm_segment data = {
		.limit = ~0u, .selector = SELECTOR_DATA, .type = 3, .s = 1, .present = 1,
		.db = 1, .g = 1,
	};
	struct kvm_segment code = {
		.limit = ~0u, .selector = SELECTOR_CODE, .type = 11, .s = 1, .present = 1,
		.l = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = entry, .rflags = 2, .rdi = cpu, .rsp = stack_of(cpu),
	};
	struct kvm_mp_state running = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	ask(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr0 = CR0;
	sregs.cr3 = TABLES;
	sregs.cr4 = CR4;
	sregs.efer = EFER;
	ask(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	ask(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	ask(vcpu, KVM_SET_MP_STATE, &running, "KVM_SET_MP_STATE");
}

void *vmm_map(int vcpu)
{
	void *run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		err(1, "the run area");
	ring = run + KVM_COALESCED_MMIO_PAGE_OFFSET * sysconf(_SC_PAGESIZE);
	return run;
}

void vmm_unmap(void *run)
{
	munmap(run, run_bytes);
}

void vmm_want_registers(void *area)
{
	struct kvm_run *run = area;

	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
}

void vmm_change_registers(void *area)
{
	struct kvm_run *run = area;

	run->s.regs.regs.r15++;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

void vmm_drain(void)
{
	unsigned int bytes = sysconf(_SC_PAGESIZE) - sizeof(*ring);
	unsigned int entries = bytes / sizeof(ring->coalesced_mmio[0]);
	unsigned int first = ring->first, last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);

	while (first != last)
		first = (first + 1) % entries;
	__atomic_store_n(&ring->first, first, __ATOMIC_RELEASE);
}

bool vmm_trace(int vcpu)
{
	return false;
}

const char *const vmm_events[2] = { "kvm/kvm_entry", "kvm/kvm_exit" };

enum stop vmm_run(int vcpu, void *area, struct access *access)
{
	struct kvm_run *run = area;

	if (ioctl(vcpu, KVM_RUN, 0) < 0) {
		/* A CPU that waited for SIPI returns once in vain. */
		if (errno != EAGAIN && errno != EINTR)
			err(1, "KVM_RUN");
		return STOP_AGAIN;
	}
	if (run->exit_reason == KVM_EXIT_IO) {
		access->addr = run->io.port;
		access->bytes = run->io.size;
		access->data = area + run->io.data_offset;
		return run->io.direction == KVM_EXIT_IO_OUT ? STOP_OUT : STOP_IN;
	}
	if (run->exit_reason != KVM_EXIT_MMIO)
		errx(1, "exit reason %u", run->exit_reason);
	access->addr = run->mmio.phys_addr;
	access->bytes = run->mmio.len;
	access->data = run->mmio.data;
	return STOP_MMIO;
}
