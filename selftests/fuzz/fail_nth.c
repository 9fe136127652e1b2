// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each ioctl, and whole runs of a guest, with each allocation and each copy from
 * and to user memory failing in turn, until the call comes through without. A
 * call that failed says so by an error that means something, and has changed
 * nothing: the same call without a failure succeeds after it. Needs the kernel's
 * fault injection; skipped elsewhere. fail_nth [CASE...]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../kselftest/guest.h"

#define MAX_POINTS	3000
#define RINGS_AT	0x40000ul
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/**
 * struct sweep - a call that is to be failed
 * @prepare: before each try, with nothing failing; 0 or -errno
 * @call: 0 or more, or -errno; a descriptor that it returns is closed
 * @undo: after a success, so that it can succeed again
 * @breaks: a ring that cannot be read or written is dead until it is set anew
 */
struct sweep {
	const char *name;
	int (*prepare)(struct guest *g);
	int (*call)(struct guest *g);
	int (*undo)(struct guest *g);
	bool makes_fd;
	bool breaks;
};

static int nth = -1;
static int event, device, backend, sockets[2] = { -1, -1 };
static __u32 taken;
static __u8 buffer[16384] __attribute__((aligned(64)));

static bool set_nth(unsigned int n)
{
	char text[16];
	int bytes = snprintf(text, sizeof(text), "%u", n), tries = 0;

	/* This write may be what fails. */
	while (pwrite(nth, text, bytes, 0) != bytes)
		if (tries++ == 10)
			return false;
	return true;
}

/* Did the failure come? What is left of the count says; so does a failing read. */
static bool end_nth(void)
{
	char text[16] = "";
	ssize_t bytes = pread(nth, text, sizeof(text) - 1, 0);

	set_nth(0);
	return bytes > 0 && atoi(text) == 0;
}

static void put_file(const char *attr, const char *file, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", attr, file);
	fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

/* Allocations that may sleep fail as well, and silently. */
static bool allow_failures(void)
{
	static const char *const attrs[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		put_file(attrs[i], "verbose", "0");
		if (i < 2)
			put_file(attrs[i], "ignore-gfp-wait", "N");
	}
	put_file("fail_page_alloc", "ignore-gfp-highmem", "N");
	put_file("fail_page_alloc", "min-order", "0");
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	return nth >= 0;
}

/* Structs that most calls have in common */

#define CALL(fd, request, type, ...) ({						\
	struct type args_ = { .size = sizeof(args_), __VA_ARGS__ };		\
	call(fd, request, &args_); })

#define AT(memory)	((unsigned long)(memory))

static int get_info(struct guest *g)
{
	return CALL(g->dev, LODGE_GET_INFO, lodge_info);
}

static int get_supported(struct guest *g)
{
	return CALL(g->dev, LODGE_GET_SUPPORTED_CPUID, lodge_cpuid, .count = 128,
		    .entries = AT(buffer));
}

static int get_msr_list(struct guest *g)
{
	return CALL(g->dev, LODGE_GET_MSR_LIST, lodge_msr_list, .count = 256,
		    .indexes = AT(buffer));
}

static int create_vm(struct guest *g)
{
	return CALL(g->dev, LODGE_CREATE_VM, lodge_create_vm, .name = "nth");
}

static int create_vcpu(struct guest *g)
{
	return CALL(g->vm, LODGE_CREATE_VCPU, lodge_create_vcpu, .id = 1);
}

static int set_slot(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_SLOT, lodge_slot, .slot = 1, .gpa = MIB(16), .bytes = MIB(1),
		    .user_addr = AT(g->mem));
}

static int set_logged(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_SLOT, lodge_slot, .flags = LODGE_SLOT_LOG_DIRTY, .slot = 1,
		    .gpa = MIB(16), .bytes = MIB(1), .user_addr = AT(g->mem));
}

static int delete_slot(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_SLOT, lodge_slot, .slot = 1);
}

static int get_dirty(struct guest *g)
{
	return CALL(g->vm, LODGE_GET_DIRTY, lodge_dirty, .slot = 1, .pages = 256,
		    .bitmap = AT(buffer));
}

static int prefault(struct guest *g)
{
	return CALL(g->vm, LODGE_PREFAULT, lodge_prefault, .gpa = MIB(1), .bytes = KIB(256));
}

static int watch(struct guest *g)
{
	return CALL(g->vm, LODGE_WATCH, lodge_watch_pages, .access = LODGE_ACCESS_WRITE,
		    .gpa = MIB(1), .bytes = KIB(64), .bitmap = AT(buffer));
}

static int unwatch(struct guest *g)
{
	return CALL(g->vm, LODGE_WATCH, lodge_watch_pages, .gpa = MIB(1), .bytes = KIB(64));
}

static int irq_line(struct guest *g)
{
	return CALL(g->vm, LODGE_IRQ_LINE, lodge_irq_line, .gsi = 3, .level = 1);
}

static int msi(struct guest *g)
{
	return CALL(g->vm, LODGE_SIGNAL_MSI, lodge_msi, .addr = 0xfee00000, .data = 0x40);
}

static int irqfd(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_IRQFD, lodge_irqfd, .fd = event, .gsi = 3);
}

static int no_irqfd(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_IRQFD, lodge_irqfd, .flags = LODGE_IRQFD_DEASSIGN,
		    .fd = event);
}

static int domain(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_DOMAIN, lodge_domain, .domain = 1, .eventfd = event);
}

static int doorbell(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_REGION, lodge_region, .addr = 0x200, .bytes = 4,
		    .write = LODGE_WRITE_DOORBELL, .eventfd = event);
}

static int no_doorbell(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_REGION, lodge_region, .flags = LODGE_REGION_DELETE,
		    .addr = 0x200, .bytes = 4);
}

static int get_chip(struct guest *g)
{
	return CALL(g->vm, LODGE_GET_CHIP, lodge_chip, .chip = LODGE_CHIP_IOAPIC);
}

static int set_chip(struct guest *g)
{
	return CALL(g->vm, LODGE_SET_CHIP, lodge_chip, .chip = LODGE_CHIP_IOAPIC);
}

static int vm_stats(struct guest *g)
{
	return CALL(g->vm, LODGE_VM_STATS, lodge_open_stats, .flags = LODGE_STATS_TIMING);
}

static int reset_vm(struct guest *g)
{
	return CALL(g->vm, LODGE_RESET_VM, lodge_reset);
}

static int create_blk(struct guest *g)
{
	return CALL(g->vm, LODGE_CREATE_VIRTIO, lodge_create_virtio, .device = LODGE_VIRTIO_BLK,
		    .rings = 1, .fd = backend, .gsi = 5, .sectors = 64);
}

static int create_rng(struct guest *g)
{
	return CALL(g->vm, LODGE_CREATE_VIRTIO, lodge_create_virtio, .device = LODGE_VIRTIO_RNG,
		    .rings = 1, .fd = -1, .gsi = 5);
}

static int create_user(struct guest *g)
{
	return CALL(g->vm, LODGE_CREATE_VIRTIO, lodge_create_virtio, .flags = LODGE_VIRTIO_USER,
		    .device = LODGE_VIRTIO_9P, .rings = 1, .fd = event, .gsi = 5);
}

static int prepare_socket(struct guest *g)
{
	if (sockets[0] >= 0)
		return 0;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sockets) ? -errno : 0;
}

static int create_socket_device(struct guest *g, __u32 kind)
{
	return CALL(g->vm, LODGE_CREATE_VIRTIO, lodge_create_virtio, .device = kind, .rings = 2,
		    .fd = sockets[0], .gsi = 5);
}

static int create_net(struct guest *g)
{
	return create_socket_device(g, LODGE_VIRTIO_NET);
}

static int create_console(struct guest *g)
{
	return create_socket_device(g, LODGE_VIRTIO_CONSOLE);
}

static int get_regs(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_REGS, lodge_get_regs);
}

static int set_regs(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_REGS, lodge_get_regs);
}

static int get_sregs(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_SREGS, lodge_get_sregs);
}

static int get_xsave(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_XSAVE, lodge_xsave, .bytes = sizeof(buffer),
		    .addr = AT(buffer));
}

static int set_xsave(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_XSAVE, lodge_xsave, .bytes = sizeof(buffer),
		    .addr = AT(buffer));
}

static int get_msrs(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_MSRS, lodge_msrs, .count = 2, .entries = AT(buffer));
}

static int set_msrs(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_MSRS, lodge_msrs, .count = 2, .entries = AT(buffer));
}

static int get_cpuid(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_CPUID, lodge_cpuid, .count = 128, .entries = AT(buffer));
}

static int set_cpuid(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_CPUID, lodge_cpuid, .count = 1, .entries = AT(buffer));
}

static int get_events(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_EVENTS, lodge_events);
}

static int set_events(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_EVENTS, lodge_events);
}

static int get_lapic(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_LAPIC, lodge_lapic_state);
}

static int get_mp(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_MP_STATE, lodge_mp_state);
}

static int set_mp(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_MP_STATE, lodge_mp_state);
}

static int get_debug(struct guest *g)
{
	return CALL(g->vcpu, LODGE_GET_DEBUGREGS, lodge_debugregs);
}

static int set_debug(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_DEBUGREGS, lodge_debugregs, .dr6 = 0xffff0ff0,
		    .dr7 = 0x400);
}

static int translate(struct guest *g)
{
	return CALL(g->vcpu, LODGE_TRANSLATE, lodge_translate, .gva = 0x1000);
}

static int nmi(struct guest *g)
{
	return CALL(g->vcpu, LODGE_NMI, lodge_nmi);
}

static int vcpu_stats(struct guest *g)
{
	return CALL(g->vcpu, LODGE_VCPU_STATS, lodge_open_stats, .flags = LODGE_STATS_TIMING);
}

static int reset_vcpu(struct guest *g)
{
	return CALL(g->vcpu, LODGE_RESET_VCPU, lodge_reset);
}

static int open_trace(struct guest *g)
{
	return CALL(g->vcpu, LODGE_TRACE, lodge_open_trace, .records = 1024);
}

static int set_sregs(struct guest *g)
{
	return CALL(g->vcpu, LODGE_SET_SREGS, lodge_get_sregs, .sregs = g->run->sregs);
}

static int set_lapic(struct guest *g)
{
	return call(g->vcpu, LODGE_SET_LAPIC, buffer);
}

static int map_run(struct guest *g)
{
	void *at = mmap(NULL, g->info.run_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			g->vcpu, 0);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, g->info.run_size);
	return 0;
}

static int map_domain(struct guest *g)
{
	void *at = mmap(NULL, g->info.domain_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, g->vm, g->info.domain_size);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, g->info.domain_size);
	return 0;
}

static int read_stats(struct guest *g)
{
	return pread(device, buffer, sizeof(buffer), 0) > 0 ? 0 : -errno;
}

static int read_trace(struct guest *g)
{
	return read(device, buffer, sizeof(buffer)) > 0 ? 0 : -errno;
}

/* Virtio rings */

#define RING	.ring = 0, .entries = 16, .desc = RINGS_AT, .driver = RINGS_AT + 0x400,	\
		.device = RINGS_AT + 0x800

static int features(struct guest *g)
{
	return CALL(device, LODGE_SET_FEATURES, lodge_virtio_features, .features = 1ull << 32);
}

static int set_ring(struct guest *g)
{
	return CALL(device, LODGE_SET_RING, lodge_ring, .flags = LODGE_RING_ENABLED, RING);
}

static int stop_ring(struct guest *g)
{
	return CALL(device, LODGE_SET_RING, lodge_ring, .ring = 0);
}

static int get_ring(struct guest *g)
{
	return CALL(device, LODGE_GET_RING, lodge_ring, .ring = 0);
}

static int ring_irq(struct guest *g)
{
	return CALL(device, LODGE_SET_RING_IRQ, lodge_ring_irq, .flags = LODGE_RING_IRQ_MSI,
		    .addr = 0xfee00000, .data = 0x40);
}

static int isr(struct guest *g)
{
	return CALL(device, LODGE_CHANGE_ISR, lodge_virtio_isr, .set = 1);
}

static int ring_stats(struct guest *g)
{
	return CALL(device, LODGE_RING_STATS, lodge_ring_stats, .count = 7, .values = AT(buffer));
}

static int kick(struct guest *g)
{
	return CALL(device, LODGE_RING_KICK, lodge_ring_kick);
}

static int set_backend(struct guest *g)
{
	return CALL(device, LODGE_SET_BACKEND, lodge_ring_backend, .fd = -1);
}

static int reset_device(struct guest *g)
{
	return CALL(device, LODGE_VIRTIO_RESET, lodge_reset);
}

static int take(struct guest *g)
{
	struct lodge_ring_chain chain = { .size = sizeof(chain), .iovs = AT(buffer) };
	int ret = call(device, LODGE_RING_TAKE, &chain);

	taken = chain.id;
	return ret;
}

static int give(struct guest *g)
{
	return CALL(device, LODGE_RING_GIVE, lodge_ring_chain, .id = taken);
}

/* One chain of one piece that the device writes. */
static void fill_ring(struct guest *g)
{
	struct { __u64 addr; __u32 len; __u16 flags, next; } *desc = (void *)(g->mem + RINGS_AT);
	volatile __u16 *avail = (void *)(g->mem + RINGS_AT + 0x400);

	memset(g->mem + RINGS_AT, 0, 4096);
	desc->addr = 0x50000;
	desc->len = 64;
	desc->flags = 2;
	avail[1] = 1;
}

static int new_device(struct guest *g, int (*create)(struct guest *g))
{
	close(device);
	device = create(g);
	return device < 0 ? device : features(g);
}

static int prepare_rng(struct guest *g)
{
	return new_device(g, create_rng);
}

static int prepare_console(struct guest *g)
{
	int ret = prepare_socket(g);

	return ret ? ret : new_device(g, create_console);
}

static int prepare_user(struct guest *g)
{
	int ret = new_device(g, create_user);

	fill_ring(g);
	return ret ? ret : set_ring(g);
}

static int prepare_taken(struct guest *g)
{
	int ret = prepare_user(g);

	return ret ? ret : take(g);
}

/*
 * It has one chain to serve, and one that ends the call. A signal would as well, and
 * its delivery might be what fails.
 */
static int serve(struct guest *g)
{
	int ret = CALL(device, LODGE_RING_SERVE, lodge_ring_serve, .rings = 1);

	return ret == -EPROTO ? 0 : ret;
}

static int prepare_serve(struct guest *g)
{
	int ret = prepare_rng(g);

	fill_ring(g);
	*(__u64 *)(g->mem + RINGS_AT + 16) = GUEST_NOTHING;
	((__u16 *)(g->mem + RINGS_AT + 0x400))[1] = 2;
	((__u16 *)(g->mem + RINGS_AT + 0x400))[3] = 1;
	((__u32 *)(g->mem + RINGS_AT + 16))[2] = 64;
	ret = ret ? ret : set_ring(g);
	return ret ? ret : kick(g);
}

/* Before a call */

/* A closed vCPU cannot be had again, so each has a VM of its own. */
static int fresh_guest(struct guest *g)
{
	guest_destroy(g);
	return guest_create(g);
}

static int no_memory(struct guest *g)
{
	return madvise(g->mem + MIB(1), MIB(1), MADV_DONTNEED);
}

static int prepare_msrs(struct guest *g)
{
	struct lodge_msr_entry entries[2] = { { .index = 0x174 }, { .index = 0x277 } };

	memcpy(buffer, entries, sizeof(entries));
	return get_msrs(g);
}

static int prepare_sregs(struct guest *g)
{
	struct lodge_sregs sregs;
	int ret = guest_get_sregs(g, &sregs);

	g->run->sregs = sregs;
	return ret;
}

static int prepare_lapic(struct guest *g)
{
	*(struct lodge_lapic_state *)buffer = (struct lodge_lapic_state) {
		.size = sizeof(struct lodge_lapic_state) };
	return call(g->vcpu, LODGE_GET_LAPIC, buffer);
}

static int prepare_xsave(struct guest *g)
{
	memset(buffer, 0, sizeof(buffer));
	return get_xsave(g);
}

static int prepare_cpuid(struct guest *g)
{
	int ret = fresh_guest(g);

	return ret ? ret : get_cpuid(g);
}

static int close_device(struct guest *g)
{
	return close(device);
}

static int prepare_stats(struct guest *g)
{
	device = vm_stats(g);
	return device < 0 ? device : 0;
}

GUEST64(ender, END "1: hlt\n jmp 1b\n");
/* Faults, ports one by one and by strings, memory that is no memory. */
GUEST64(busy,
	"mov $0x100000, %ebx\n 1: incl (%rbx)\n add $0x10000, %ebx\n cmp $0x180000, %ebx\n jne 1b\n"
	"cpuid\n mov $0x300, %edx\n in %dx, %al\n mov $0x140000, %esi\n mov $8, %ecx\n"
	"rep outsb\n mov $0x150000, %edi\n mov $8, %ecx\n rep insb\n"
	"mov $0xd0000000, %ebx\n mov %eax, (%rbx)\n mov (%rbx), %eax\n"
	"mov $0x10, %ecx\n rdmsr\n mov $0x160000, %esi\n mov $0xd0000000, %edi\n movsq\n"
	"mov $0xfee00080, %ebx\n mov %eax, (%rbx)\n"
	"mov $0x4b564d01, %ecx\n mov $0x170001, %eax\n xor %edx, %edx\n wrmsr\n" END);

static int prepare_trace(struct guest *g)
{
	int ret = guest_load64(g, ender);

	device = open_trace(g);
	if (ret || device < 0)
		return ret ? ret : device;
	return guest_run(g);
}

static int prepare_busy(struct guest *g)
{
	int ret = fresh_guest(g);

	return ret ? ret : guest_load64(g, busy);
}

/* One LODGE_RUN after another. Memory that cannot be had now may be had next. */
static int run_busy(struct guest *g)
{
	struct lodge_run *run = g->run;
	int ret, exits = 0;

	for (;;) {
		ret = call(g->vcpu, LODGE_RUN, NULL);
		if (ret)
			return ret;
		if (run->exit_reason == LODGE_EXIT_MEMORY)
			return run->memory.error ? run->memory.error : -EFAULT;
		/* Code or page tables could not be read. The guest is where it was. */
		if (run->exit_reason == LODGE_EXIT_INTERNAL &&
		    run->internal.code == LODGE_INTERNAL_EMULATION)
			return -EFAULT;
		if (run->exit_reason == LODGE_EXIT_IO && run->io.is_write &&
		    run->io.port == GUEST_END)
			return 0;
		if ((run->exit_reason != LODGE_EXIT_IO && run->exit_reason != LODGE_EXIT_MMIO) ||
		    exits++ > 100) {
			printf("# exit %u, code %u\n", run->exit_reason, run->internal.code);
			return -EPROTO;
		}
	}
}

static int prepare_emulated(struct guest *g)
{
	int ret = prepare_busy(g);

	return ret ? ret : no_memory(g);
}

static const struct sweep sweeps[] = {
	{ "GET_INFO", NULL, get_info },
	{ "GET_SUPPORTED_CPUID", NULL, get_supported },
	{ "GET_MSR_LIST", NULL, get_msr_list },
	{ "CREATE_VM", NULL, create_vm, NULL, true },
	{ "CREATE_VCPU", fresh_guest, create_vcpu, NULL, true },
	{ "SET_SLOT", NULL, set_slot, delete_slot },
	{ "SET_SLOT logged", NULL, set_logged, delete_slot },
	{ "SET_SLOT delete", set_slot, delete_slot },
	{ "GET_DIRTY", set_logged, get_dirty, delete_slot },
	{ "PREFAULT", no_memory, prefault },
	{ "WATCH", no_memory, watch, unwatch },
	{ "IRQ_LINE", NULL, irq_line },
	{ "SIGNAL_MSI", NULL, msi },
	{ "SET_IRQFD", NULL, irqfd, no_irqfd },
	{ "SET_IRQFD deassign", irqfd, no_irqfd },
	{ "SET_DOMAIN", fresh_guest, domain },
	{ "SET_REGION", NULL, doorbell, no_doorbell },
	{ "SET_REGION delete", doorbell, no_doorbell },
	{ "GET_CHIP", NULL, get_chip },
	{ "SET_CHIP", NULL, set_chip },
	{ "VM_STATS", NULL, vm_stats, NULL, true },
	{ "RESET_VM", NULL, reset_vm },
	{ "CREATE_VIRTIO disk", NULL, create_blk, NULL, true },
	{ "CREATE_VIRTIO entropy", NULL, create_rng, NULL, true },
	{ "CREATE_VIRTIO network", prepare_socket, create_net, NULL, true },
	{ "CREATE_VIRTIO console", prepare_socket, create_console, NULL, true },
	{ "CREATE_VIRTIO owner's", NULL, create_user, NULL, true },
	{ "GET_REGS", NULL, get_regs },
	{ "SET_REGS", NULL, set_regs },
	{ "GET_SREGS", NULL, get_sregs },
	{ "SET_SREGS", prepare_sregs, set_sregs },
	{ "GET_XSAVE", NULL, get_xsave },
	{ "SET_XSAVE", prepare_xsave, set_xsave },
	{ "GET_MSRS", prepare_msrs, get_msrs },
	{ "SET_MSRS", prepare_msrs, set_msrs },
	{ "GET_CPUID", NULL, get_cpuid },
	{ "SET_CPUID", prepare_cpuid, set_cpuid },
	{ "GET_EVENTS", NULL, get_events },
	{ "SET_EVENTS", NULL, set_events },
	{ "GET_LAPIC", NULL, get_lapic },
	{ "SET_LAPIC", prepare_lapic, set_lapic },
	{ "GET_MP_STATE", NULL, get_mp },
	{ "SET_MP_STATE", NULL, set_mp },
	{ "GET_DEBUGREGS", NULL, get_debug },
	{ "SET_DEBUGREGS", NULL, set_debug },
	{ "TRANSLATE", NULL, translate },
	{ "NMI", NULL, nmi },
	{ "VCPU_STATS", NULL, vcpu_stats, NULL, true },
	{ "RESET_VCPU", NULL, reset_vcpu },
	{ "TRACE", NULL, open_trace, NULL, true },
	{ "mmap of the run area", NULL, map_run },
	{ "mmap of a domain", domain, map_domain },
	{ "read of statistics", prepare_stats, read_stats, close_device },
	{ "read of a trace", prepare_trace, read_trace, close_device },
	{ "SET_FEATURES", prepare_rng, features },
	{ "SET_RING", prepare_rng, set_ring, stop_ring },
	{ "SET_RING stop", prepare_user, stop_ring },
	{ "GET_RING", prepare_rng, get_ring },
	{ "SET_RING_IRQ", prepare_rng, ring_irq },
	{ "CHANGE_ISR", prepare_rng, isr },
	{ "RING_STATS", prepare_rng, ring_stats },
	{ "RING_KICK", prepare_user, kick },
	{ "SET_BACKEND", prepare_console, set_backend },
	{ "RING_TAKE", prepare_user, take, .breaks = true },
	{ "RING_GIVE", prepare_taken, give, .breaks = true },
	{ "VIRTIO_RESET", prepare_user, reset_device },
	{ "RING_SERVE", prepare_serve, serve, .breaks = true },
	{ "RUN", prepare_busy, run_busy },
	{ "RUN without memory", prepare_emulated, run_busy },
};

static bool means_something(const struct sweep *s, int error)
{
	return error == -ENOMEM || error == -EFAULT || error == -EINTR || error == -EAGAIN ||
	       (s->breaks && error == -EPROTO);
}

/* What came of it is undone, so that the next try finds what this one did. */
static void clean(const struct sweep *s, struct guest *g, int ret)
{
	if (s->makes_fd)
		close(ret);
	else if (s->undo)
		s->undo(g);
}

/* 1: there are more points; 0: came through; -1: wrong */
static int try_point(const struct sweep *s, struct guest *g, unsigned int n)
{
	int ret = s->prepare ? s->prepare(g) : 0;
	bool failed;

	if (ret || !set_nth(n)) {
		printf("# %s: cannot be prepared: %s\n", s->name, strerror(-ret));
		return -1;
	}
	ret = s->call(g);
	failed = end_nth();
	if (ret < 0 && !(failed && means_something(s, ret))) {
		printf("# %s: point %u: %s\n", s->name, n, strerror(-ret));
		return -1;
	}
	if (ret < 0) {
		if (s->breaks)
			s->prepare(g);
		ret = s->call(g);
		if (ret < 0) {
			printf("# %s: after point %u: %s\n", s->name, n, strerror(-ret));
			return -1;
		}
	}
	clean(s, g, ret);
	return failed;
}

/* Points that failed, or -1. */
static int sweep(const struct sweep *s)
{
	struct guest g;
	unsigned int n;
	int ret = guest_create(&g);

	device = -1;
	for (n = 1; !ret && n < MAX_POINTS; n++) {
		ret = try_point(s, &g, n);
		if (ret <= 0)
			break;
		ret = 0;
	}
	guest_destroy(&g);
	return ret || n == MAX_POINTS ? -1 : (int)n - 1;
}

static bool asked_for(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	unsigned int i, count = ARRAY_SIZE(sweeps), number = 0, total = 0, bad = 0;
	int points;

	printf("TAP version 13\n");
	if (!allow_failures()) {
		printf("1..0 # SKIP no fault injection in this kernel\n");
		return 4;
	}
	event = eventfd(0, EFD_NONBLOCK);
	backend = memfd_create("disk", 0);
	if (ftruncate(backend, 64 * 512))
		return 1;
	for (i = 0; i < count; i++) {
		if (!asked_for(sweeps[i].name, argc, argv))
			continue;
		points = sweep(&sweeps[i]);
		bad += points < 0;
		total += points < 0 ? 0 : points;
		printf("%sok %u %s # %d points\n", points < 0 ? "not " : "", ++number,
		       sweeps[i].name, points);
		fflush(stdout);
	}
	printf("1..%u\n# %u points failed in turn\n", number, total);
	return bad || (argc == 1 && total < 350);
}
