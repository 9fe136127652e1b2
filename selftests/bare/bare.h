/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bare-metal guest: no libc, no operating system. Tests call check(); what
 * comes out of the serial port is KTAP.
 */
#ifndef BARE_H
#define BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

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
extern u8 trap_stubs[];
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

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As check(), but skipped on a lax CPU that fails it. */
#define check_cpu(good, name)						\
do {									\
	bool is_good = (good);						\
	if (!is_good && lax_cpu)					\
		skip("not checked by this CPU", name);			\
	else								\
		check(is_good, name);					\
} while (0)
void skip(const char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void done(void);
/* CPU 0 only: starts the others and waits for them. Returns how many there are. */
unsigned int start_cpus(unsigned int wanted);
void set_gate(unsigned int vector, void *to, unsigned int dpl, unsigned int ist);
/* Runs @f at CPL 3 with @arg; returns what it returns. Traps by TRY() work. */
u64 in_user_mode(u64 (*f)(u64), u64 arg);

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

static inline void outb(u16 port, u8 v)
{
	asm volatile("outb %0, %1" :: "a"(v), "Nd"(port));
}

static inline void outw(u16 port, u16 v)
{
	asm volatile("outw %0, %1" :: "a"(v), "Nd"(port));
}

static inline void outl(u16 port, u32 v)
{
	asm volatile("outl %0, %1" :: "a"(v), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
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

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) :: "memory");
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

static inline void pause(void)
{
	asm volatile("pause" ::: "memory");
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
