// SPDX-License-Identifier: GPL-2.0-only
/* Clocks: forward only, on and across CPUs, and at the same pace. */
#include "bare.h"

#define APIC	0xfee00000ul
#define ROUNDS	20000

static volatile u64 last_tsc;
static volatile u32 lock, backwards, turns[MAX_CPUS], stop;
static unsigned int cpus;

static void take(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		pause();
}

static void give(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

/* All CPUs read the TSC in turn; none may see less than the one before. */
static void turn(unsigned int cpu)
{
	u64 now;

	take();
	now = rdtsc();
	if (now < last_tsc)
		backwards++;
	last_tsc = now;
	turns[cpu]++;
	give();
}

/* With IF=1, for Bochs: see pause(). No interrupt is on its way. */
static void ap_clock(unsigned int cpu)
{
	irq_on();
	while (!stop)
		turn(cpu);
}

static u32 least_turns(void)
{
	u32 least = ~0u;
	unsigned int i;

	for (i = 0; i < cpus; i++)
		if (turns[i] < least)
			least = turns[i];
	return least;
}

static u64 pit_ticks(u64 *tsc)
{
	u64 begin;
	u16 ticks = 0xe000;

	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);
	outb(0x42, ticks & 0xff);
	outb(0x42, ticks >> 8);
	begin = rdtsc();
	wait_for(inb(0x61) & 0x20);
	*tsc = rdtsc() - begin;
	return ticks;
}

static void test_pace(void)
{
	u64 tsc, first, second, start;
	u32 before, after;

	pit_ticks(&first);
	mmio_write(APIC + 0x3e0, 0xb);
	mmio_write(APIC + 0x320, 0x10000);
	mmio_write(APIC + 0x380, 0xffffffff);
	before = mmio_read(APIC + 0x390);
	start = rdtsc();
	pit_ticks(&second);
	after = mmio_read(APIC + 0x390);
	tsc = rdtsc() - start;
	/* 57344 ticks of 1193182 Hz are 48 ms. Emulated hosts are busy hosts. */
	check(first > second / 2 && first < second * 2, "the PIT and the TSC agree twice");
	check(before > after, "the APIC's timer ran meanwhile");
	check(tsc >= second, "and the TSC");
}

void tests(void)
{
	unsigned int i;
	u64 a, b;

	for (i = 0, a = rdtsc(), b = a; i < ROUNDS && b >= a; i++) {
		a = b;
		b = rdtsc();
	}
	check(i == ROUNDS, "the TSC never goes backwards on a CPU");
	irq_on();
	ap_main = ap_clock;
	cpus = start_cpus(4);
	check(cpus == 4, "four CPUs run");
	/* A CPU that the host does not run takes no turn: go on until all did. */
	for (i = 0; i < ROUNDS * 500 && least_turns() < 100; i++)
		turn(0);
	stop = 1;
	irq_off();
	check(least_turns() >= 100, "every CPU took its turns");
	if (!check(!backwards, "the TSC never goes backwards across CPUs"))
		print("# %u times\n", backwards);
	test_pace();
}
