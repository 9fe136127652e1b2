// SPDX-License-Identifier: GPL-2.0-only
/* What every bare-metal guest needs: output, traps, the other CPUs. */
#include <stdarg.h>

#include "bare.h"

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap;
} __packed;

struct gate idt[256] __aligned(16);
volatile struct caught caught;
volatile u64 fixup;
void (*handlers[256])(struct frame *f);
void (*volatile ap_main)(unsigned int cpu);
bool is_intel;
bool lax_cpu;

static struct tss tss = { .iomap = sizeof(tss) };
static u8 kernel_stack[8192] __aligned(16);
static u8 ist_stack[8192] __aligned(16);
static u8 user_stack[8192] __aligned(16);
static volatile u32 cpus_ready = 1;
static unsigned int number;
static unsigned int failures;

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *start = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) :: "memory");
	return start;
}

void *memset(void *to, int value, size_t bytes)
{
	void *start = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const u8 *x = a, *y = b;

	for (; bytes; bytes--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

static void put(char c)
{
	while (!(inb(0x3fd) & 0x20))
		;
	outb(0x3f8, c);
}

static void put_number(u64 value, unsigned int base, bool negative)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		put('-');
	while (n)
		put(digits[--n]);
}

/* One conversion after its %: s, d, u or x, with any number of l. */
static const char *put_argument(const char *p, va_list *args)
{
	bool wide = false;

	for (; *p == 'l'; p++)
		wide = true;
	if (*p == 's') {
		const char *s = va_arg(*args, const char *);

		while (*s)
			put(*s++);
	} else if (*p == 'd') {
		long v = wide ? va_arg(*args, long) : va_arg(*args, int);

		put_number(v < 0 ? -v : v, 10, v < 0);
	} else {
		u64 v = wide ? va_arg(*args, u64) : va_arg(*args, u32);

		put_number(v, *p == 'x' ? 16 : 10, false);
	}
	return p;
}

static void vprint(const char *p, va_list *args)
{
	for (; *p; p++) {
		if (*p == '%')
			p = put_argument(p + 1, args);
		else
			put(*p);
	}
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(format, &args);
	va_end(args);
}

bool check(bool good, const char *format, ...)
{
	va_list args;

	failures += !good;
	print("%sok %u ", good ? "" : "not ", ++number);
	va_start(args, format);
	vprint(format, &args);
	va_end(args);
	put('\n');
	return good;
}

void skip(const char *why, const char *format, ...)
{
	va_list args;

	print("ok %u ", ++number);
	va_start(args, format);
	vprint(format, &args);
	va_end(args);
	print(" # SKIP %s\n", why);
}

void done(void)
{
	print("1..%u\n", number);
	outb(EXIT_PORT, failures ? 1 : 0);
	for (;;)
		asm volatile("hlt");
}

/* Called by every stub of start.S. */
void trap(struct frame *f)
{
	if (handlers[f->vector]) {
		handlers[f->vector](f);
		return;
	}
	if (!fixup) {
		print("not ok %u vector %lu, error %lx at %lx, cr2 %lx\n", ++number,
		      f->vector, f->error, f->rip, READ_CR(2));
		failures++;
		done();
	}
	caught.vector = f->vector;
	caught.error = f->error;
	caught.rip = f->rip;
	caught.rflags = f->rflags;
	caught.cr2 = READ_CR(2);
	asm volatile("mov %%dr6, %0" : "=r"(caught.dr6));
	f->rip = fixup;
	f->rflags &= ~0x100ul;
	fixup = 0;
}

void set_gate(unsigned int vector, void *to, unsigned int dpl, unsigned int ist)
{
	u64 addr = (u64)to;

	idt[vector] = (struct gate) {
		.low = addr, .mid = addr >> 16, .high = addr >> 32,
		.selector = SEL_CODE64, .ist = ist, .type = 0x8e | dpl << 5,
	};
}

static void set_tss(void)
{
	u64 base = (u64)&tss;

	tss.rsp[0] = (u64)kernel_stack + sizeof(kernel_stack);
	tss.ist[0] = (u64)ist_stack + sizeof(ist_stack);
	tss_descriptor[0] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
			    (base >> 24 & 0xff) << 56;
	tss_descriptor[1] = base >> 32;
	asm volatile("ltr %w0" :: "r"(SEL_TSS));
}

u64 in_user_mode(u64 (*f)(u64), u64 arg)
{
	set_gate(0x80, leave_user, 3, 0);
	return enter_user(f, arg, user_stack + sizeof(user_stack));
}

unsigned int start_cpus(unsigned int wanted)
{
	unsigned int tries;
	u64 base = rdmsr(0x1b);

	memcpy((void *)AP_START, ap_start, ap_end - ap_start);
	*(volatile u16 *)AP_MODE = 0;
	if (base & 0x400) {
		wrmsr(0x830, 0x000c4500);
		wrmsr(0x830, 0x000c4600 | AP_START >> 12);
	} else {
		mmio_write(0xfee000f0, 0x1ff);
		mmio_write(0xfee00300, 0x000c4500);
		mmio_write(0xfee00300, 0x000c4600 | AP_START >> 12);
	}
	/* Where the host has one CPU, the others wait for their turn. */
	for (tries = 0; tries < 2 && cpus_ready < wanted; tries++)
		wait_for(cpus_ready >= wanted);
	return cpus_ready;
}

/* From start.S, on each CPU. */
void start_cpu(unsigned int cpu)
{
	unsigned int i;

	if (cpu) {
		__atomic_fetch_add(&cpus_ready, 1, __ATOMIC_SEQ_CST);
		while (!ap_main)
			pause();
		ap_main(cpu);
		return;
	}
	is_intel = cpuid_ebx(0) == 0x756e6547;
	for (i = 0; i < 256; i++)
		set_gate(i, trap_stubs + i * 16, i == VEC_BP || i == VEC_OF ? 3 : 0, 0);
	set_tss();
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lax_cpu = try_wrmsr(0xc0000082, 1ull << 48) == NO_TRAP;
	print("KTAP version 1\n");
	tests();
	done();
}
