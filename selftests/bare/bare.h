/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bare-metal guest: no libc, no operating system. Tests call check(); what
 * comes out of the serial port is KTAP.
 */
#ifndef BARE_H
#define BARE_H

#include <stdbool.h>
#include <stddef.h>

#include "layout.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#ifndef __packed
#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#define __noreturn	__attribute__((noreturn))
#endif
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* The always-exiting memory and the ports of the test device. */
#define EXIT_MEMORY	0xff000000ul
#define LATCH_PORT	0xe0
#define LINE_PORT	0x2000
#define EXIT_PORT	0xf4

#define VEC_DE	0
#define VEC_DB	1
#define VEC_NMI	2
#define VEC_BP	3
#define VEC_OF	4
#define VEC_UD	6
#define VEC_DF	8
#define VEC_TS	10
#define VEC_NP	11
#define VEC_SS	12
#define VEC_GP	13
#define VEC_PF	14
#define VEC_AC	17

#define NO_TRAP	(-1)

#define barrier() asm volatile("" ::: "memory")

struct gate {
	u16 low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 mid;
	u32 high;
	u32 zero;
};

struct frame {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* The last exception that TRY() caught. */
struct caught {
	int vector;
	u32 error;
	u64 rip;
	u64 cr2;
	u64 dr6;
	u64 rflags;
};

extern volatile struct caught caught;
extern volatile u64 fixup;
/* Called for a vector instead of the default; return: the trap is dealt with. */
extern void (*handlers[256])(struct frame *f);
extern volatile u32 cpu_count;
extern u64 page_l4[512], page_l2[2048], gdt[], tss_descriptor[2];
extern u8 trap_stubs[], ap_start[], ap_end[], leave_user[], syscall_target[];
extern u8 real_code[], real_code_end[];
extern struct gate idt[256];

extern bool is_intel;
/*
 * QEMU's TCG lets pass some of what a CPU faults by itself, where no hypervisor
 * sees it: such checks are skipped there.
 */
extern bool lax_cpu;

/*
 * Runs @insn; evaluates to the vector of the exception it raised or NO_TRAP.
 * On the first CPU only.
 */
#define TRY(insn, outputs, inputs...)					\
({									\
	caught.vector = NO_TRAP;					\
	barrier();							\
	asm volatile("movq $771f, fixup\n\t" insn "\n771:\n\t"		\
		     "movq $0, fixup" : outputs : inputs);		\
	barrier();							\
	caught.vector;							\
})
#define OUT(x...) x

/* What every program defines. */
void tests(void);
/* Runs on the other CPUs once start_cpus() was called; NULL: they halt. */
extern void (*volatile ap_main)(unsigned int cpu);

void print(const char *format, ...) __printf(1, 2);
bool check(bool good, const char *format, ...) __printf(2, 3);
/* As check(), but skipped on a lax CPU that fails it. */
#define check_cpu(good, name)						\
do {									\
	bool is_good = (good);						\
	if (!is_good && lax_cpu)					\
		skip("not checked by this CPU", name);			\
	else								\
		check(is_good, name);					\
} while (0)
void skip(const char *why, const char *format, ...) __printf(2, 3);
void done(void) __noreturn;
/* CPU 0 only: starts the others and waits for them. Returns how many there are. */
unsigned int start_cpus(unsigned int wanted);
void set_gate(unsigned int vector, void *to, unsigned int dpl, unsigned int ist);
/* Runs @f at CPL 3 with @arg; returns what it returns. Traps by TRY() work. */
u64 in_user_mode(u64 (*f)(u64), u64 arg);
u64 enter_user(u64 (*f)(u64), u64 arg, void *stack);

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

static inline void outb(u16 port, u8 v)
{
	asm volatile("out %0, %1" :: "a"(v), "Nd"(port));
}

static inline void outw(u16 port, u16 v)
{
	asm volatile("out %0, %1" :: "a"(v), "Nd"(port));
}

static inline void outl(u16 port, u32 v)
{
	asm volatile("out %0, %1" :: "a"(v), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("in %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	asm volatile("in %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("in %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return low | (u64)high << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

/* The vector raised, or NO_TRAP. */
static inline int try_rdmsr(u32 msr, u64 *v)
{
	u32 low = 0, high = 0;
	int vector = TRY("rdmsr", OUT("+a"(low), "+d"(high)), "c"(msr));

	*v = low | (u64)high << 32;
	return vector;
}

static inline int try_wrmsr(u32 msr, u64 v)
{
	return TRY("wrmsr", , "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline void cpuid(u32 leaf, u32 sub, u32 *a, u32 *b, u32 *c, u32 *d)
{
	asm volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(sub));
}

static inline u32 cpuid_ecx(u32 leaf)
{
	u32 a, b, c, d;

	cpuid(leaf, 0, &a, &b, &c, &d);
	return c;
}

static inline u32 cpuid_edx(u32 leaf)
{
	u32 a, b, c, d;

	cpuid(leaf, 0, &a, &b, &c, &d);
	return d;
}

static inline u32 cpuid_ebx(u32 leaf)
{
	u32 a, b, c, d;

	cpuid(leaf, 0, &a, &b, &c, &d);
	return b;
}

static inline u32 cpuid_eax(u32 leaf)
{
	u32 a, b, c, d;

	cpuid(leaf, 0, &a, &b, &c, &d);
	return a;
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	asm volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) :: "memory");
	return low | (u64)high << 32;
}

#define READ_CR(n)							\
({									\
	u64 cr_value;							\
	asm volatile("mov %%cr" #n ", %0" : "=r"(cr_value) :: "memory");	\
	cr_value;							\
})
#define WRITE_CR(n, v)	asm volatile("mov %0, %%cr" #n :: "r"((u64)(v)) : "memory")
#define TRY_CR(n, v)	TRY("mov %0, %%cr" #n, , "r"((u64)(v)) : "memory")

static inline void irq_on(void)
{
	asm volatile("sti; nop" ::: "memory");
}

static inline void irq_off(void)
{
	asm volatile("cli" ::: "memory");
}

/*
 * In a loop that waits. IN goes to the launcher now and then, so that a host with
 * one CPU can run the others: Bochs never leaves a guest with IF=0 by itself.
 */
static inline void pause(void)
{
	static u32 count;

	asm volatile("pause" ::: "memory");
	if (!(++count & 1023))
		inb(LATCH_PORT);
}

static inline u32 mmio_read(u64 addr)
{
	return *(volatile u32 *)addr;
}

static inline void mmio_write(u64 addr, u32 v)
{
	*(volatile u32 *)addr = v;
}

/* Waits until @condition holds or a great while has passed; the condition. */
#define wait_for(condition)						\
({									\
	u64 wait_left = 20000000;					\
	while (!(condition) && --wait_left)				\
		pause();						\
	!!(condition);							\
})

#endif /* BARE_H */
