/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark asks of a hypervisor. kvm.c and lodge.c do the same by the
 * same steps, each by the cheapest way that its hypervisor has. Whatever fails
 * ends the program.
 */
#ifndef BENCH_VMM_H
#define BENCH_VMM_H

#include <stdbool.h>
#include <stddef.h>

enum stop {
	STOP_OUT,		/* access.addr and .data */
	STOP_IN,
	STOP_MMIO,
	STOP_AGAIN,		/* nothing to do: run again */
};

struct access {
	unsigned long addr;
	unsigned int bytes;
	void *data;
};

#include "operations.h"

#define CR0	0x80010033ul	/* PG, WP, NE, ET, MP, PE */
#define CR4	0x620ul		/* OSXMMEXCPT, OSFXSR, PAE */
#define EFER	0x500ul		/* LMA, LME */

/* As after a call */
static inline unsigned long stack_of(unsigned int cpu)
{
	return STACKS - cpu * 4096 - 8;
}

extern const char *const vmm_name;
extern const unsigned int vmm_shadow;		/* port whose reads need no userspace */

void vmm_open(void);
int vmm_create(void);				/* VM, with its interrupt chips */
void vmm_memory(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t bytes);
/* The same, and writes are logged; and begin that log anew. */
void vmm_log(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t bytes);
void vmm_clean(int vm, unsigned int slot);
int vmm_vcpu(int vm, unsigned int id);
/* vmm_shadow, PORT_POST, and the doorbells on an eventfd */
void vmm_regions(int vm, int eventfd);
/*
 * Who serves PORT_BACK: the ring, before the guest goes on; or a thread that waits
 * for an eventfd, which leaves the TSC in @served.
 */
void vmm_back_end(int vm, int vcpu, volatile unsigned int *served);
/* Long mode, paging by TABLES, the first argument and a stack; it may run */
void vmm_start(int vcpu, unsigned int entry, unsigned int cpu);
void *vmm_map(int vcpu);
void vmm_unmap(void *run);
/* Registers are to be in the run area at each exit; they are read and written. */
void vmm_want_registers(void *run);
void vmm_change_registers(void *run);
/* Writes that were posted since the last call, all of them */
void vmm_drain(void);
/* A trace of the vCPU's exits, if there is such a thing beside ftrace's: false */
bool vmm_trace(int vcpu);
/* Events of each entry and exit, below /sys/kernel/tracing/events */
extern const char *const vmm_events[2];
enum stop vmm_run(int vcpu, void *run, struct access *access);

#endif /* BENCH_VMM_H */
