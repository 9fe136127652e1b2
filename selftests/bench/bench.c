// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_kvm, bench_lodge [OPERATION...]: measure what operations of a guest cost.
 * Each has a process and a VM of its own, and gives one line:
 *
 *	VMM OPERATION MEDIAN LEAST MOST
 *
 * in TSC ticks per operation. What the measuring itself takes is subtracted.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"
#include "vmm.h"

#define GUEST		"/selftests/bench_guest"
#define UART		0x3f8
#define UART_LSR	(UART + 5)
#define UART_IDLE	0x60

static const struct {
	const char *name;
	unsigned int samples;
	unsigned int times;
} operations[] = {
#define OPERATION(name, samples, times) { #name, samples, times },
	OPERATIONS
#undef OPERATION
};

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

static void *populated(size_t bytes, int advice)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, bytes, advice))
		err(1, "memory");
	memset(p, 0, bytes);
	return p;
}

/* Until the guest ends. What it says matters only when it ends badly. */
static void run(int vcpu)
{
	void *area = vmm_map(vcpu);
	struct access access;
	char said[512] = "";
	size_t length = 0;

	for (;;) {
		switch (vmm_run(vcpu, area, &access)) {
		case STOP_OUT:
			if (access.addr == PORT_END && *(char *)access.data)
				errx(1, "the guest: %s", said);
			if (access.addr == PORT_END)
				return;
			if (access.addr == UART && length < sizeof(said) - 1)
				said[length++] = *(char *)access.data;
			break;
		case STOP_IN:
			if (access.addr == UART_LSR)
				*(char *)access.data = UART_IDLE;
			break;
		default:
			break;
		}
		vmm_drain();
	}
}

static int compare(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(unsigned int n)
{
	unsigned int samples = operations[n].samples, times = operations[n].times;
	unsigned int *result = box->result;

	qsort(result, samples, sizeof(*result), compare);
	printf("%s %s %u %u %u\n", vmm_name, operations[n].name, result[samples / 2] / times,
	       result[0] / times, result[samples - 1] / times);
	fflush(stdout);
}

static void measure(unsigned int n)
{
	int vm, vcpu;

	memory = populated(MEMORY_BYTES, MADV_NOHUGEPAGE);
	box = (void *)(memory + BOX);
	box->operation = n;
	box->samples = operations[n].samples;
	box->times = operations[n].times;
	box->shadow = vmm_shadow;
	vmm_open();
	vm = vmm_create();
	vmm_memory(vm, 0, 0, memory, MEMORY_BYTES);
	vcpu = vmm_vcpu(vm, 0);
	vmm_regions(vm, eventfd(0, EFD_NONBLOCK));
	vmm_start(vcpu, load(GUEST));
	run(vcpu);
	report(n);
}

/* In a process of its own: 0, or what went wrong has been said. */
static int measure_apart(unsigned int n)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		measure(n);
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		warnx("%s: failed with status %#x", operations[n].name, status);
		return 1;
	}
	return 0;
}

static int measure_named(const char *name)
{
	unsigned int n;

	for (n = 0; n < OP_COUNT; n++)
		if (!strcmp(operations[n].name, name))
			return measure_apart(n);
	warnx("no such operation: %s", name);
	return 1;
}

int main(int argc, char **argv)
{
	int i, failed = 0;

	for (i = 1; i < argc; i++)
		failed |= measure_named(argv[i]);
	for (i = 0; argc < 2 && i < OP_COUNT; i++)
		failed |= measure_apart(i);
	return failed;
}
