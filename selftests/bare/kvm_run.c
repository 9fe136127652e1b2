// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_run [-c CPUS] PROGRAM: runs a bare-metal guest on KVM, on the machine that
 * `lodge run --test-dev --exit-dev 0xf4' gives it, to see whether KVM agrees.
 * Exit status: that of the exit device, 124 when the guest takes over
 * KVM_RUN_SECONDS (default 60), 125 for errors, 126 when the guest died.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/elf.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY		(64u << 20)
#define EXIT_MEMORY	0xff000000ull
#define MAX_CPUS	8

static int kvm, vm;
static int run_bytes;
static unsigned char *memory;
static unsigned char exit_memory[65536];
static unsigned int latch;

static int ask(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		err(125, "%s", what);
	return ret;
}

/* Entry point of the program, whose segments are put in place. */
static unsigned int load(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	unsigned char *file;
	struct elf64_hdr *header;
	struct elf64_phdr *segment;
	int i;

	if (fd < 0 || fstat(fd, &st))
		err(125, "%s", path);
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		err(125, "%s", path);
	header = (void *)file;
	segment = (void *)(file + header->e_phoff);
	for (i = 0; i < header->e_phnum; i++, segment++)
		if (segment->p_type == PT_LOAD)
			memcpy(memory + segment->p_paddr, file + segment->p_offset,
			       segment->p_filesz);
	return header->e_entry;
}

/* As on a PC: the timer, line 0, is input 2 of the I/O APIC. */
static void set_routes(void)
{
	static struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[40];
	} table;
	struct kvm_irq_routing_entry *e = table.entry;
	unsigned int line;

	for (line = 0; line < 24; line++) {
		if (line < 16 && line != 2) {
			e->gsi = line;
			e->type = KVM_IRQ_ROUTING_IRQCHIP;
			e->u.irqchip.irqchip = line < 8 ? KVM_IRQCHIP_PIC_MASTER :
							  KVM_IRQCHIP_PIC_SLAVE;
			e++->u.irqchip.pin = line & 7;
		}
		if (line != 2) {
			e->gsi = line;
			e->type = KVM_IRQ_ROUTING_IRQCHIP;
			e->u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
			e++->u.irqchip.pin = line ? line : 2;
		}
	}
	table.head.nr = e - table.entry;
	ask(vm, KVM_SET_GSI_ROUTING, &table, "KVM_SET_GSI_ROUTING");
}

static void create_vm(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	unsigned long map = 0xfffbc000;

	vm = ask(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	ask(vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000, "KVM_SET_TSS_ADDR");
	ask(vm, KVM_SET_IDENTITY_MAP_ADDR, &map, "KVM_SET_IDENTITY_MAP_ADDR");
	ask(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	ask(vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	set_routes();
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(125, "memory");
	region.userspace_addr = (unsigned long)memory;
	ask(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

static void set_cpuid(int vcpu, unsigned int id, unsigned int cpus)
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
			e->ebx = (e->ebx & 0xffff) | cpus << 16 | id << 24;
			e->ecx |= 1u << 31 | 1 << 24;	/* hypervisor, TSC deadline */
		} else if (e->function == 0xb) {
			e->edx = id;
		}
	}
	ask(vcpu, KVM_SET_CPUID2, &table, "KVM_SET_CPUID2");
}

/* PVH: 32-bit flat protected mode, paging off. */
static void set_entry(int vcpu, unsigned int entry)
{
	struct kvm_segment flat = { .limit = ~0u, .present = 1, .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };
	struct kvm_sregs sregs;

	ask(vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	flat.type = 3;
	flat.selector = 0x10;
	sregs.ds = flat;
	sregs.es = flat;
	sregs.ss = flat;
	flat.type = 11;
	flat.selector = 8;
	sregs.cs = flat;
	sregs.cr0 = 0x11;
	ask(vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	ask(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void port_write(unsigned int port, unsigned int value)
{
	struct kvm_irq_level line = { .irq = port - 0x2000, .level = !!value };

	if (port == 0x3f8) {
		putchar(value & 0xff);
	} else if (port == 0xf4) {
		fflush(stdout);
		_exit((value << 1 | 1) & 0xff);
	} else if (port >= 0xe0 && port < 0xe4) {
		latch = value;
	} else if (port >= 0x2000 && port < 0x2018) {
		ask(vm, KVM_IRQ_LINE, &line, "KVM_IRQ_LINE");
	}
}

static void do_port(struct kvm_run *run)
{
	unsigned char *data = (unsigned char *)run + run->io.data_offset;
	unsigned int i, value;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			value = 0;
			memcpy(&value, data, run->io.size);
			port_write(run->io.port, value);
			continue;
		}
		value = ~0u;
		if (run->io.port == 0x3fd)
			value = 0x60;
		else if (run->io.port >= 0xe0 && run->io.port < 0xe4)
			value = latch;
		memcpy(data, &value, run->io.size);
	}
}

static void do_mmio(struct kvm_run *run)
{
	unsigned long long at = run->mmio.phys_addr - EXIT_MEMORY;

	if (at > sizeof(exit_memory) - run->mmio.len) {
		memset(run->mmio.data, 0xff, 8);
		return;
	}
	if (run->mmio.is_write)
		memcpy(exit_memory + at, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, exit_memory + at, run->mmio.len);
}

static void __attribute__((noreturn)) died(struct kvm_run *run)
{
	fflush(stdout);
	errx(126, "exit reason %u, suberror %u", run->exit_reason,
	     run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? run->internal.suberror : 0);
}

static void *run_vcpu(void *arg)
{
	int vcpu = (long)arg;
	struct kvm_run *run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		err(125, "run page");
	for (;;) {
		/* A CPU that waited for SIPI returns once in vain. */
		if (ioctl(vcpu, KVM_RUN, 0) < 0) {
			if (errno != EAGAIN && errno != EINTR)
				err(125, "KVM_RUN");
			continue;
		}
		if (run->exit_reason == KVM_EXIT_IO)
			do_port(run);
		else if (run->exit_reason == KVM_EXIT_MMIO)
			do_mmio(run);
		else
			died(run);
	}
	return NULL;
}

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: kvm_run [-c CPUS] PROGRAM\n", stderr);
	exit(125);
}

int main(int argc, char **argv)
{
	const char *limit = getenv("KVM_RUN_SECONDS");
	unsigned int cpus = 1, entry;
	int option, i, vcpu[MAX_CPUS];
	pthread_t thread;

	while ((option = getopt(argc, argv, "c:")) != -1) {
		if (option != 'c')
			usage();
		cpus = atoi(optarg);
	}
	if (optind != argc - 1 || !cpus || cpus > MAX_CPUS)
		usage();
	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0)
		err(125, "/dev/kvm");
	create_vm();
	entry = load(argv[optind]);
	run_bytes = ask(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	for (i = 0; i < (int)cpus; i++) {
		vcpu[i] = ioctl(vm, KVM_CREATE_VCPU, i);
		if (vcpu[i] < 0)
			err(125, "KVM_CREATE_VCPU");
		set_cpuid(vcpu[i], i, cpus);
	}
	set_entry(vcpu[0], entry);
	for (i = 0; i < (int)cpus; i++)
		if (pthread_create(&thread, NULL, run_vcpu, (void *)(long)vcpu[i]))
			errx(125, "pthread_create");
	sleep(limit ? atoi(limit) : 60);
	fflush(stdout);
	errx(124, "the guest takes too long");
}
