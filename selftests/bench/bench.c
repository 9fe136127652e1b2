// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_kvm, bench_lodge [-t] [OPERATION...]: measure what operations of a guest
 * cost; -t: mark the last of each for the lab's --trace.
 * Each has a process and a VM of its own, and gives one line:
 *
 *	VMM OPERATION MEDIAN LEAST MOST
 *
 * in TSC ticks per operation; `empty' is what the measuring itself takes.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/elf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "operations.h"
#include "vmm.h"

#define GUEST		"/selftests/bench_guest"

static const struct {
	const char *name;
	unsigned int samples;
	unsigned int times;
	enum setup setup;
} operations[] = {
#define OPERATION(name, samples, times, setup) { #name, samples, times, setup },
	OPERATIONS
#undef OPERATION
};

static bool trace;
static unsigned char *memory;
static struct box *box;

/* Entry point of the guest, whose segments are put in place. */
static unsigned int load(const char *path)
{
	int i, fd = open(path, O_RDONLY);
	const struct elf64_phdr *segment;
	const struct elf64_hdr *header;
	struct stat st;
	void *file;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		err(1, "%s", path);
	header = file;
	segment = file + header->e_phoff;
	for (i = 0; i < header->e_phnum; i++, segment++) {
		if (segment->p_type != PT_LOAD)
			continue;
		if (segment->p_paddr + segment->p_memsz > MEMORY_BYTES)
			errx(1, "%s: does not fit", path);
		memcpy(memory + segment->p_paddr, file + segment->p_offset, segment->p_filesz);
	}
	return header->e_entry;
}

/* The guest's memory, there already, with page tables in it */
unsigned char *guest_memory(void)
{
	unsigned char *p = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long *table = (void *)(p + TABLES);
	unsigned int i;

	if (p == MAP_FAILED || madvise(p, MEMORY_BYTES, MADV_NOHUGEPAGE))
		err(1, "memory");
	memset(p, 0, MEMORY_BYTES);
	table[0] = (TABLES + 4096) | 7;
	for (i = 0; i < 4; i++)
		table[512 + i] = (TABLES + (2 + i) * 4096) | 7;
	for (i = 0; i < 2048; i++)
		table[1024 + i] = (unsigned long)i << 21 | 0x87;
	return p;
}

/* Until the guest ends. @logging: the VM whose log begins anew at each exit, or -1 */
static void run(int vcpu, bool registers, int logging)
{
	void *area = vmm_map(vcpu);
	struct access access;

	if (registers)
		vmm_want_registers(area);
	for (;;) {
		if (vmm_run(vcpu, area, &access) == STOP_OUT && access.addr == PORT_END)
			return;
		vmm_drain();
		if (logging >= 0)
			vmm_clean(logging, 1);
		if (registers)
			vmm_change_registers(area);
	}
}

static void *run_second(void *vcpu)
{
	run((long)vcpu, false, -1);
	return NULL;
}

static void start_second(int vm, unsigned int entry)
{
	long vcpu = vmm_vcpu(vm, 1);
	pthread_t thread;

	vmm_start(vcpu, entry, 1);
	if (pthread_create(&thread, NULL, run_second, (void *)vcpu))
		errx(1, "pthread_create");
}

static int compare(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void report(const char *name, unsigned int *result, unsigned int samples, unsigned int times)
{
	if (!samples)
		return;
	qsort(result, samples, sizeof(*result), compare);
	printf("%s %s %u %u %u\n", vmm_name, name, result[samples / 2] / times,
	       result[0] / times, result[samples - 1] / times);
	fflush(stdout);
}

static void add_pages(int vm, enum setup setup)
{
	int advice = setup == PAGES_2M ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
	char *pages = mmap(NULL, 2 * PAGES_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		err(1, "memory");
	pages = (char *)(((unsigned long)pages + PAGES_BYTES - 1) & ~(PAGES_BYTES - 1));
	if (mprotect(pages, PAGES_BYTES, PROT_READ | PROT_WRITE) ||
	    madvise(pages, PAGES_BYTES, advice))
		err(1, "memory");
	memset(pages, 0, PAGES_BYTES);
	if (setup == PAGES_LOGGED)
		vmm_log(vm, 1, PAGES, pages, PAGES_BYTES);
	else
		vmm_memory(vm, 1, PAGES, pages, PAGES_BYTES);
}

/* Both events: on, or off again */
static void trace_events(bool on)
{
	char path[64];
	unsigned int i;
	int fd;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/enable", vmm_events[i]);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
			err(1, "%s", path);
		close(fd);
	}
}

static void measure(unsigned int n)
{
	enum setup setup = operations[n].setup;
	unsigned int entry;
	int vm, vcpu;

	memory = guest_memory();
	box = (void *)(memory + BOX);
	box->operation = n;
	box->samples = operations[n].samples;
	box->times = operations[n].times;
	box->shadow = vmm_shadow;
	box->trace = trace;
	vmm_open();
	vm = vmm_create();
	vmm_memory(vm, 0, 0, memory, MEMORY_BYTES);
	if (setup >= PAGES_4K)
		add_pages(vm, setup);
	vcpu = vmm_vcpu(vm, 0);
	vmm_regions(vm, eventfd(0, EFD_NONBLOCK));
	entry = load(GUEST);
	vmm_start(vcpu, entry, 0);
	if (setup == TWO_CPUS)
		start_second(vm, entry);
	if (setup == BACK_END)
		vmm_back_end(vm, vcpu, &box->served);
	if (setup == RING && !vmm_trace(vcpu))
		return;
	if (setup == EVENTS)
		trace_events(true);
	run(vcpu, setup == REGISTERS, setup == PAGES_LOGGED ? vm : -1);
	if (setup == EVENTS)
		trace_events(false);
	report(operations[n].name, box->result, box->samples, box->times);
}

static void measure_host(unsigned int n)
{
	unsigned int result[MAX_SAMPLES];

	host_operations[n].measure(result, host_operations[n].samples);
	report(host_operations[n].name, result, host_operations[n].samples, 1);
}

static unsigned int count(void)
{
	return OP_COUNT + HOST_OP_COUNT;
}

static const char *name_of(unsigned int n)
{
	return n < OP_COUNT ? operations[n].name : host_operations[n - OP_COUNT].name;
}

/* In a process of its own: 0, or what went wrong has been said. */
static int measure_apart(unsigned int n)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		if (n < OP_COUNT)
			measure(n);
		else
			measure_host(n - OP_COUNT);
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		warnx("%s: failed with status %#x", name_of(n), status);
		return 1;
	}
	return 0;
}

static int measure_named(const char *name)
{
	unsigned int n;

	for (n = 0; n < count(); n++)
		if (!strcmp(name_of(n), name))
			return measure_apart(n);
	warnx("no such operation: %s", name);
	return 1;
}

int main(int argc, char **argv)
{
	int failed = 0, first = 1;
	unsigned int i;

	if (argc > 1 && !strcmp(argv[1], "-t")) {
		trace = true;
		first++;
	}
	for (i = first; i < (unsigned int)argc; i++)
		failed |= measure_named(argv[i]);
	for (i = 0; argc == first && i < count(); i++)
		failed |= measure_apart(i);
	return failed;
}
