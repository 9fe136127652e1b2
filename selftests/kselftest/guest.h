/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kselftests share: a VM with one vCPU and a little memory, tiny guest
 * programs in real or long mode, and ioctls that return -errno.
 */
#ifndef _SELFTESTS_GUEST_H
#define _SELFTESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "../../uapi/lodge.h"

#define KIB(n)		((size_t)(n) << 10)
#define MIB(n)		((size_t)(n) << 20)

/* The guest's memory, from guest physical address 0. */
#define GUEST_BYTES	MIB(2)
#define GUEST_TABLES	0x2000ul	/* six pages: identity, 4 GiB */
#define GUEST_GDT	0x8000ul
#define GUEST_IDT	0x9000ul
#define GUEST_STACK	0xfff0ul
#define GUEST_CODE	0x10000ul
#define GUEST_HANDLER	0x10100ul	/* offset 0x100 of every program */
#define GUEST_DATA	0x20000ul
#define GUEST_NOTHING	0xd0000000ul	/* no slot: MMIO */
#define GUEST_END	0xf4		/* programs write here when done */

/**
 * struct guest - a VM with one vCPU
 * @dev: /dev/lodge
 * @vm: VM descriptor
 * @vcpu: vCPU descriptor
 * @info: LODGE_GET_INFO's answer
 * @run: the vCPU's run area
 * @mem: GUEST_BYTES of memory in slot 0
 */
struct guest {
	int dev;
	int vm;
	int vcpu;
	struct lodge_info info;
	struct lodge_run *run;
	__u8 *mem;
};

/*
 * A guest program: bytes from NAME to NAME_end, made by the assembler. It is
 * loaded at GUEST_CODE and starts at its first byte.
 */
#define GUEST_PROGRAM(name, mode, text)					\
	extern const __u8 name[], name##_end[];				\
	asm(".pushsection .rodata\n" #name ":\n" mode "\n" text "\n"	\
	    #name "_end:\n.code64\n.popsection\n")

#define GUEST16(name, text)	GUEST_PROGRAM(name, ".code16", text)
#define GUEST64(name, text)	GUEST_PROGRAM(name, ".code64", text)

/* Where interrupt and exception handlers of a program begin. */
#define HANDLER(name)		"\n.org " #name " + 0x100\n"
#define END			"out %al, $0xf4\n"

#define guest_load16(g, name)	guest_load(g, name, name##_end - name, false)
#define guest_load64(g, name)	guest_load(g, name, name##_end - name, true)

/* ioctl() that returns -errno. */
int call(int fd, unsigned long request, const void *args);

/* These return 0, or -errno of the first step that failed. */
int guest_create(struct guest *g);
/* Its TSC counts @tsc_half halves of what the host's does; 0: the same. */
int guest_create_tsc(struct guest *g, unsigned int tsc_half);
int guest_add_vcpu(struct guest *g, __u32 id);
/* @g is @of's VM by another vCPU, its own; guest_leave() takes back that alone. */
int guest_join(struct guest *g, const struct guest *of, __u32 id);
void guest_leave(struct guest *g);
void guest_destroy(struct guest *g);
int guest_load(struct guest *g, const void *code, size_t bytes, bool long_mode);
int guest_get_regs(struct guest *g, struct lodge_regs *regs);
void guest_say_where(struct guest *g);
int guest_set_regs(struct guest *g, const struct lodge_regs *regs);
int guest_get_sregs(struct guest *g, struct lodge_sregs *sregs);
int guest_set_sregs(struct guest *g, const struct lodge_sregs *sregs);
int guest_slot(struct guest *g, __u32 slot, __u64 gpa, __u64 bytes, void *mem);

/* Long mode: vector goes to GUEST_HANDLER. */
void guest_gate(struct guest *g, int vector);
/* LODGE_RUN: 0 or -errno; -EINTR only after an alarm or with immediate_exit. */
int guest_run(struct guest *g);
/* Run until the program writes to GUEST_END; the value, or -1 for another exit. */
int guest_run_to_end(struct guest *g);
/* The register @gpr, -1 when it cannot be read. */
__u64 guest_gpr(struct guest *g, int gpr);
/* Statistics: -1 when there is none of this name; of a histogram, the sum of its buckets. */
#define STATS_ROOM	16384
const struct lodge_stats_desc *stats_find(const void *blob, const char *name);
__u64 stats_value(int fd, const char *name);
__u64 stats_of(int fd, unsigned long request, const char *name);
__u64 guest_stat(struct guest *g, const char *name);
/* Software-enable the local APIC, or interrupts do not arrive. */
int guest_enable_lapic(struct guest *g);
/* SIGALRM after @ms, again until guest_run() saw it, and no restart of LODGE_RUN. */
void alarm_ms(unsigned int ms);

#endif /* _SELFTESTS_GUEST_H */
