// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of the benchmark: does what the box says and counts TSC ticks, which
 * in a counting host are instructions, the host's and its own together.
 */
#include "../bare/bare.h"
#include "operations.h"

#define MSR_TSC_ADJUST	0x3b

static struct box *const box = (struct box *)(u64)BOX;

static inline u32 tsc(void)
{
	u32 low;

	asm volatile("rdtsc" : "=a"(low) :: "edx", "memory");
	return low;
}

/* @body, box->samples times; @before is not counted. */
#define MEASURE(before, body)					\
do {								\
	u32 i, begin;						\
								\
	for (i = 0; i < box->samples; i++) {			\
		before;						\
		begin = tsc();					\
		body;						\
		box->result[i] = tsc() - begin;			\
	}							\
} while (0)

/* The same, @body box->times times for each result. */
#define MEASURE_MANY(body)					\
do {								\
	u32 i, left, begin;					\
								\
	for (i = 0; i < box->samples; i++) {			\
		left = box->times;				\
		begin = tsc();					\
		while (left--)					\
			body;					\
		box->result[i] = tsc() - begin;			\
	}							\
} while (0)

static void op_empty(void)
{
	MEASURE(, );
}

static void op_cpuid(void)
{
	u32 a, b, c, d;

	MEASURE(, cpuid(0, 0, &a, &b, &c, &d));
}

/* One that neither knows. */
static void op_hypercall(void)
{
	u64 rax;

	if (is_intel)
		MEASURE(, asm volatile("vmcall" : "=a"(rax) : "a"(0x1234) : "memory"));
	else
		MEASURE(, asm volatile("vmmcall" : "=a"(rax) : "a"(0x1234) : "memory"));
}

static void op_rdmsr(void)
{
	MEASURE(, rdmsr(MSR_TSC_ADJUST));
}

static void op_wrmsr(void)
{
	MEASURE(, wrmsr(MSR_TSC_ADJUST, 0));
}

static void op_out_user(void)
{
	MEASURE(, outb(PORT_USER, 1));
}

static void op_mmio_user(void)
{
	MEASURE(, mmio_write(MMIO_USER, 1));
}

static void op_in_shadow(void)
{
	u16 port = box->shadow;

	MEASURE(, inb(port));
}

static void op_out_post(void)
{
	MEASURE_MANY(outb(PORT_POST, 1));
}

static void op_doorbell_pio(void)
{
	MEASURE(, outl(PORT_DOORBELL, 0));
}

static void op_doorbell_mmio(void)
{
	MEASURE(, mmio_write(MMIO_DOORBELL, 0));
}

void tests(void)
{
#define OPERATION(name, samples, times) op_##name,
	static void (*const operations[])(void) = { OPERATIONS };
#undef OPERATION

	operations[box->operation]();
}
