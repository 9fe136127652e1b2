// SPDX-License-Identifier: GPL-2.0-only
/* The local APIC in both modes, its timer, and interrupts between CPUs. */
#include "bare.h"

#define APIC		0xfee00000ul
#define APIC_ID		0x20
#define APIC_VERSION	0x30
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_TMR	0x180
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR_HIGH	0x310
#define APIC_LVT_TIMER	0x320
#define APIC_LVT_LINT0	0x350
#define APIC_LVT_LINT1	0x360
#define APIC_LVT_ERROR	0x370
#define APIC_INITIAL	0x380
#define APIC_CURRENT	0x390
#define APIC_DIVIDE	0x3e0
#define APIC_SELF	0x3f0

#define FIXED		0x0000
#define LOWEST		0x0100
#define NMI		0x0400
#define ASSERT		0x4000
#define LOGICAL		0x0800
#define TO_SELF		0x40000
#define TO_ALL		0x80000
#define TO_OTHERS	0xc0000

#define VECTOR		0x55
#define OTHER		0x66
#define ERROR_VECTOR	0x77
#define SPURIOUS	0xff

#define FRESH		0x3000000	/* memory that nothing uses */

static bool x2apic;
static volatile u32 seen[MAX_CPUS][256];
static volatile u32 order[8], ordered;
static unsigned int cpus;

static u32 apic_read(u32 reg)
{
	return x2apic ? rdmsr(0x800 + (reg >> 4)) : mmio_read(APIC + reg);
}

static void apic_write(u32 reg, u32 v)
{
	if (x2apic)
		wrmsr(0x800 + (reg >> 4), v);
	else
		mmio_write(APIC + reg, v);
}

static u32 my_id(void)
{
	return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

static void count(struct frame *f)
{
	__atomic_fetch_add(&seen[my_id() % MAX_CPUS][f->vector], 1, __ATOMIC_SEQ_CST);
	if (f->vector != VEC_NMI)
		apic_write(APIC_EOI, 0);
}

/* Counts without EOI, so that the vector stays in service. */
static void hold(struct frame *f)
{
	seen[my_id() % MAX_CPUS][f->vector]++;
}

static void note_order(struct frame *f)
{
	order[ordered++ % 8] = f->vector;
	apic_write(APIC_EOI, 0);
}

static void send(u32 destination, u32 command)
{
	if (x2apic) {
		wrmsr(0x830, (u64)destination << 32 | command);
		return;
	}
	mmio_write(APIC + APIC_ICR_HIGH, destination << 24);
	mmio_write(APIC + APIC_ICR, command);
	while (mmio_read(APIC + APIC_ICR) & 0x1000)
		pause();
}

static void clear(void)
{
	memset((void *)seen, 0, sizeof(seen));
	ordered = 0;
}

/* How many CPUs, as a bit mask, got @vector exactly once. */
static u32 who_got(unsigned int vector)
{
	u32 mask = 0;
	unsigned int i;

	for (i = 0; i < cpus; i++) {
		if (seen[i][vector] == 1)
			mask |= 1 << i;
		else if (seen[i][vector])
			return ~0u;
	}
	return mask;
}

static void check_sent(u32 destination, u32 command, u32 expected, const char *name)
{
	unsigned int vector = (command & 0x700) == NMI ? VEC_NMI : command & 0xff;

	clear();
	send(destination, command);
	irq_on();
	wait_for(who_got(vector) == expected);
	for (volatile int i = 0; i < 20000; i++)
		;
	irq_off();
	if (!check(who_got(vector) == expected, "%s: %s", x2apic ? "x2APIC" : "xAPIC", name))
		print("# CPUs %x, not %x\n", who_got(vector), expected);
}

static void ap_loop(unsigned int cpu)
{
	if (rdmsr(0x1b) & 0x400)
		wrmsr(0x80f, 0x1ff);
	else
		mmio_write(APIC + APIC_SVR, 0x1ff);
	for (;;)
		asm volatile("sti; hlt" ::: "memory");
}

static void test_registers(void)
{
	const char *mode = x2apic ? "x2APIC" : "xAPIC";
	u32 version = apic_read(APIC_VERSION);
	u32 i, left;

	check(my_id() == 0, "%s: ID", mode);
	check((version & 0xff) >= 0x10 && (version & 0xff) < 0x20, "%s: version", mode);
	check((version >> 16 & 0xff) >= 3, "%s: LVT entries", mode);
	apic_write(APIC_TPR, 0x5a);
	check(apic_read(APIC_TPR) == 0x5a, "%s: TPR keeps all eight bits", mode);
	check(apic_read(APIC_PPR) == 0x5a, "%s: PPR follows TPR", mode);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, 0x10000 | VECTOR);
	check(apic_read(APIC_LVT_LINT0) == (0x10000 | VECTOR), "%s: LVT LINT0 is kept", mode);
	apic_write(APIC_DIVIDE, 0xb);
	check(apic_read(APIC_DIVIDE) == 0xb, "%s: divide configuration", mode);
	apic_write(APIC_SVR, 0xff);
	check(apic_read(APIC_LVT_LINT0) & 0x10000, "%s: LVTs are masked when disabled", mode);
	apic_write(APIC_LVT_LINT0, VECTOR);
	check(apic_read(APIC_LVT_LINT0) & 0x10000, "%s: and cannot be unmasked", mode);
	apic_write(APIC_SVR, 0x1ff);
	for (i = 0, left = 0; i < 8; i++)
		left |= apic_read(APIC_ISR + i * 16) | apic_read(APIC_IRR + i * 16);
	check(!left, "%s: nothing in service or requested", mode);
}

static void test_errors(void)
{
	const char *mode = x2apic ? "x2APIC" : "xAPIC";

	clear();
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	check(!apic_read(APIC_ESR), "%s: ESR clears", mode);
	apic_write(APIC_LVT_ERROR, ERROR_VECTOR);
	if (x2apic)
		wrmsr(0x83f, 5);
	else
		send(0, TO_SELF | ASSERT | 5);
	irq_on();
	wait_for(seen[0][ERROR_VECTOR]);
	irq_off();
	check(seen[0][ERROR_VECTOR] == 1, "%s: vector 5 raises the error interrupt", mode);
	apic_write(APIC_ESR, 0);
	check(apic_read(APIC_ESR) & 0x20, "%s: ESR: send illegal vector", mode);
	apic_write(APIC_ESR, 0);
	check(!apic_read(APIC_ESR), "%s: ESR is empty after a second write", mode);
	apic_write(APIC_LVT_ERROR, 0x10000);
}

static void test_priorities(void)
{
	const char *mode = x2apic ? "x2APIC" : "xAPIC";

	clear();
	handlers[0x41] = note_order;
	handlers[0x61] = note_order;
	handlers[0x81] = note_order;
	send(0, TO_SELF | ASSERT | 0x41);
	send(0, TO_SELF | ASSERT | 0x81);
	send(0, TO_SELF | ASSERT | 0x61);
	check(apic_read(APIC_IRR + 0x20) & 2 && apic_read(APIC_IRR + 0x40) & 2,
	      "%s: IRR shows what waits", mode);
	irq_on();
	wait_for(ordered == 3);
	irq_off();
	check(ordered == 3 && order[0] == 0x81 && order[1] == 0x61 && order[2] == 0x41,
	      "%s: highest vector first", mode);
	clear();
	apic_write(APIC_TPR, 0x70);
	send(0, TO_SELF | ASSERT | 0x61);
	send(0, TO_SELF | ASSERT | 0x81);
	irq_on();
	irq_off();
	check(ordered == 1 && order[0] == 0x81, "%s: TPR holds back the lower class", mode);
	apic_write(APIC_TPR, 0);
	irq_on();
	irq_off();
	check(ordered == 2 && order[1] == 0x61, "%s: lowering TPR lets it in", mode);
	clear();
	handlers[VECTOR] = hold;
	send(0, TO_SELF | ASSERT | VECTOR);
	irq_on();
	wait_for(seen[0][VECTOR]);
	check(apic_read(APIC_ISR + 0x20) & 1 << (VECTOR & 31), "%s: ISR while in service", mode);
	check(apic_read(APIC_PPR) == (VECTOR & 0xf0), "%s: PPR while in service", mode);
	send(0, TO_SELF | ASSERT | VECTOR);
	asm volatile("nop; nop; nop");
	check(seen[0][VECTOR] == 1, "%s: the same vector waits for EOI", mode);
	send(0, TO_SELF | ASSERT | 0x81);
	wait_for(ordered);
	check(ordered == 1, "%s: a higher class does not", mode);
	apic_write(APIC_EOI, 0);
	wait_for(seen[0][VECTOR] == 2);
	check(seen[0][VECTOR] == 2, "%s: it comes after EOI", mode);
	apic_write(APIC_EOI, 0);
	irq_off();
	handlers[VECTOR] = count;
	WRITE_CR(8, 9);
	clear();
	send(0, TO_SELF | ASSERT | 0x81);
	irq_on();
	irq_off();
	check(!ordered, "%s: CR8 holds back an interrupt", mode);
	irq_on();
	WRITE_CR(8, 0);
	wait_for(ordered);
	irq_off();
	check(ordered == 1, "%s: lowering CR8 lets it in", mode);
}

static void send_self(u32 vector)
{
	if (x2apic)
		apic_write(APIC_SELF, vector);
	else
		send(0, TO_SELF | ASSERT | vector);
}

/*
 * Where the CPU delivers by itself, nothing but these rules keeps an interrupt out,
 * and nobody sees it come: the host, whose interrupts end the guest's run in between,
 * and whose memory may be missing where the frame is pushed.
 */
static void test_delivery(u64 fresh)
{
	const char *mode = x2apic ? "x2APIC" : "xAPIC";
	u64 stack;

	clear();
	irq_on();
	irq_off();
	send_self(VECTOR);
	for (volatile int i = 0; i < 500000; i++)
		;
	check(!seen[0][VECTOR], "%s: a request waits for IF", mode);
	irq_on();
	irq_off();
	check(seen[0][VECTOR] == 1, "%s: and comes then", mode);
	clear();
	check(TRY("ud2", OUT()) == VEC_UD, "%s: an exception before", mode);
	send_self(VECTOR);
	asm volatile("mov %%rsp, %0; mov %1, %%rsp; sti; nop; cli; mov %0, %%rsp"
		     : "=&r" (stack) : "r" (fresh) : "memory");
	check(seen[0][VECTOR] == 1, "%s: a stack that was never touched", mode);
	send_self(OTHER);
	irq_on();
	irq_off();
	check(seen[0][OTHER] == 1, "%s: and the next one", mode);
}

static void test_ipis(void)
{
	u32 all = (1 << cpus) - 1, others = all & ~1u;

	check_sent(0, TO_SELF | ASSERT | VECTOR, 1, "IPI to self");
	check_sent(0, TO_ALL | ASSERT | VECTOR, all, "IPI to all");
	check_sent(0, TO_OTHERS | ASSERT | VECTOR, others, "IPI to all others");
	check_sent(1, ASSERT | VECTOR, 2, "IPI to CPU 1");
	check_sent(cpus - 1, ASSERT | VECTOR, 1 << (cpus - 1), "IPI to the last CPU");
	check_sent(0, ASSERT | VECTOR, 1, "IPI to its own ID");
	check_sent(x2apic ? ~0u : 0xff, ASSERT | VECTOR, all, "IPI to the broadcast ID");
	check_sent(0, TO_OTHERS | ASSERT | NMI, others, "NMI to all others");
	check_sent(1, ASSERT | NMI | 0x55, 2, "NMI to CPU 1, vector ignored");
	check_sent(200, ASSERT | VECTOR, 0, "IPI to nobody");
	clear();
	send(1, ASSERT | LOWEST | VECTOR);
	wait_for(seen[1][VECTOR]);
	check(who_got(VECTOR) == 2, "%s: lowest priority to one CPU", x2apic ? "x2APIC" : "xAPIC");
}

static void set_logical(unsigned int cpu)
{
	mmio_write(APIC + APIC_LDR, 1u << (24 + cpu));
}

/* The other CPUs take their LDR from here. */
static volatile u32 ldr_model, ldr_done;

static void take_ldr(struct frame *f)
{
	unsigned int cpu = my_id();

	mmio_write(APIC + APIC_DFR, ldr_model ? 0xffffffff : 0x0fffffff);
	if (ldr_model)
		set_logical(cpu);
	else		/* two CPUs to a cluster */
		mmio_write(APIC + APIC_LDR, (cpu / 2) << 28 | 1u << (24 + cpu % 2));
	apic_write(APIC_EOI, 0);
	__atomic_fetch_add(&ldr_done, 1, __ATOMIC_SEQ_CST);
}

static void set_models(bool flat)
{
	ldr_model = flat;
	ldr_done = 0;
	send(0, TO_ALL | ASSERT | 0x45);
	irq_on();
	wait_for(ldr_done == cpus);
	irq_off();
}

static void test_logical(void)
{
	u32 all = (1 << cpus) - 1, got;

	handlers[0x45] = take_ldr;
	set_models(true);
	check(apic_read(APIC_LDR) == 1u << 24 && apic_read(APIC_DFR) == 0xffffffff,
	      "xAPIC: LDR and DFR are kept");
	check_sent(1, LOGICAL | ASSERT | VECTOR, 1, "flat: CPU 0");
	check_sent(2, LOGICAL | ASSERT | VECTOR, 2, "flat: CPU 1");
	check_sent(0xff, LOGICAL | ASSERT | VECTOR, all, "flat: all");
	check_sent(0xa & all, LOGICAL | ASSERT | VECTOR, 0xa & all, "flat: CPUs 1 and 3");
	check_sent(0x80, LOGICAL | ASSERT | VECTOR, 0, "flat: nobody");
	clear();
	send(0xff, LOGICAL | LOWEST | ASSERT | VECTOR);
	irq_on();
	wait_for(who_got(VECTOR));
	irq_off();
	got = who_got(VECTOR);
	check(got && !(got & (got - 1)), "flat: lowest priority reaches exactly one");
	set_models(false);
	check_sent(0x01, LOGICAL | ASSERT | VECTOR, 1, "cluster 0, first");
	check_sent(0x03, LOGICAL | ASSERT | VECTOR, 3 & all, "cluster 0, both");
	check_sent(0x12, LOGICAL | ASSERT | VECTOR, 8 & all, "cluster 1, second");
	check_sent(0x31, LOGICAL | ASSERT | VECTOR, 0, "a cluster with nobody");
	check_sent(0xff, LOGICAL | ASSERT | VECTOR, all, "cluster broadcast");
	set_models(true);
}

/* Ticks of the timer in one millionth of the TSC's count, or so. */
static void test_timer(void)
{
	const char *mode = x2apic ? "x2APIC" : "xAPIC";
	u32 a, b;

	clear();
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
	check(!apic_read(APIC_CURRENT), "%s: a timer that was not started reads 0", mode);
	apic_write(APIC_INITIAL, 100000);
	check(apic_read(APIC_INITIAL) == 100000, "%s: initial count is kept", mode);
	irq_on();
	wait_for(seen[0][VECTOR]);
	check(seen[0][VECTOR] == 1, "%s: one-shot timer fires", mode);
	for (volatile int i = 0; i < 100000; i++)
		;
	check(seen[0][VECTOR] == 1, "%s: once", mode);
	check(!apic_read(APIC_CURRENT), "%s: and its count is 0", mode);
	apic_write(APIC_INITIAL, 0x7fffffff);
	a = apic_read(APIC_CURRENT);
	b = apic_read(APIC_CURRENT);
	check(a <= 0x7fffffff && a > 0x40000000 && b <= a, "%s: the count goes down", mode);
	apic_write(APIC_INITIAL, 0);
	check(!apic_read(APIC_CURRENT), "%s: initial count 0 stops it", mode);
	clear();
	apic_write(APIC_LVT_TIMER, 0x20000 | VECTOR);
	apic_write(APIC_INITIAL, 100000);
	wait_for(seen[0][VECTOR] >= 4);
	check(seen[0][VECTOR] >= 4, "%s: periodic timer fires again and again", mode);
	apic_write(APIC_LVT_TIMER, 0x30000 | VECTOR);
	irq_off();
	irq_on();
	a = seen[0][VECTOR];
	for (volatile int i = 0; i < 300000; i++)
		;
	check(seen[0][VECTOR] == a, "%s: a masked timer is silent", mode);
	apic_write(APIC_INITIAL, 0);
	irq_off();
	if (!(cpuid_ecx(1) & 1 << 24)) {
		skip("no TSC deadline", "%s: TSC deadline", mode);
		return;
	}
	clear();
	apic_write(APIC_LVT_TIMER, 0x40000 | VECTOR);
	asm volatile("mfence" ::: "memory");
	wrmsr(0x6e0, rdtsc() + 1000000);
	check(rdmsr(0x6e0), "%s: TSC deadline is armed", mode);
	irq_on();
	wait_for(seen[0][VECTOR]);
	check(seen[0][VECTOR] == 1, "%s: TSC deadline fires once", mode);
	check(!rdmsr(0x6e0), "%s: and reads 0 then", mode);
	wrmsr(0x6e0, 1);
	wait_for(seen[0][VECTOR] == 2);
	check(seen[0][VECTOR] == 2, "%s: a deadline in the past fires at once", mode);
	wrmsr(0x6e0, rdtsc() + 100000000000ull);
	wrmsr(0x6e0, 0);
	check(!rdmsr(0x6e0), "%s: writing 0 disarms it", mode);
	apic_write(APIC_LVT_TIMER, 0x10000);
	wrmsr(0x6e0, 12345);
	check(!rdmsr(0x6e0), "%s: no deadline in one-shot mode", mode);
	irq_off();
}

static void test_halt_wake(void)
{
	const char *mode = x2apic ? "x2APIC" : "xAPIC";

	clear();
	apic_write(APIC_LVT_TIMER, VECTOR);
	apic_write(APIC_INITIAL, 3000000);
	asm volatile("sti; hlt; cli" ::: "memory");
	check(seen[0][VECTOR] == 1, "%s: the timer wakes HLT", mode);
	clear();
	send(0, TO_SELF | ASSERT | VECTOR);
	asm volatile("sti; hlt; cli" ::: "memory");
	check(seen[0][VECTOR] == 1, "%s: what waits ends HLT at once", mode);
}

static void test_base(void)
{
	u64 base = rdmsr(0x1b);

	check((base & ~0xd00ull) == APIC, "APIC_BASE");
	check(base & 0x100, "APIC_BASE.BSP on the first CPU");
	check(base & 0x800, "APIC_BASE.EN after reset");
	wrmsr(0x1b, (base & 0xfff) | 0xfed50000);
	check(mmio_read(0xfed50000 + APIC_VERSION) == mmio_read(0xfed50000 + APIC_VERSION) &&
	      (mmio_read(0xfed50000 + APIC_VERSION) & 0xff) < 0x20, "the APIC's page moves");
	wrmsr(0x1b, base);
	check((mmio_read(APIC + APIC_VERSION) & 0xff) < 0x20, "and back");
}

static void test_x2apic_rules(void)
{
	u64 base = rdmsr(0x1b), v;
	static const struct { const char *name; u32 msr; u64 value; } bad[] = {
		{ "ID is read-only", 0x802, 1 }, { "version is read-only", 0x803, 1 },
		{ "TPR, bit 8", 0x808, 0x100 }, { "PPR is read-only", 0x80a, 0 },
		{ "EOI of 1", 0x80b, 1 }, { "LDR is read-only", 0x80d, 1 },
		{ "DFR is gone", 0x80e, 0 }, { "SVR, bit 31", 0x80f, 1u << 31 },
		{ "ISR is read-only", 0x810, 0 }, { "IRR is read-only", 0x820, 0 },
		{ "ESR of 1", 0x828, 1 }, { "ICR high is gone", 0x831, 0 },
		{ "ICR, bit 31", 0x830, 1u << 31 }, { "LVT timer, bit 31", 0x832, 1u << 31 },
		{ "current count is read-only", 0x839, 0 },
		{ "divide, bit 2", 0x83e, 4 }, { "self IPI, bit 8", 0x83f, 0x100 },
		{ "a register that is not there", 0x804, 0 },
		{ "TPR, bit 32", 0x808, 1ull << 32 },
	};
	unsigned int i;

	check(try_rdmsr(0x802, &v) == VEC_GP, "x2APIC MSRs fault in xAPIC mode");
	check(try_wrmsr(0x808, 0) == VEC_GP, "x2APIC MSR writes fault in xAPIC mode");
	wrmsr(0x1b, base | 0xc00);
	check(rdmsr(0x1b) == (base | 0xc00), "x2APIC mode is entered");
	check(try_wrmsr(0x1b, base) == VEC_GP, "x2APIC to xAPIC directly: #GP");
	check(rdmsr(0x1b) == (base | 0xc00), "and nothing changed");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		check(try_wrmsr(bad[i].msr, bad[i].value) == VEC_GP, "x2APIC #GP: %s", bad[i].name);
	check(try_rdmsr(0x80b, &v) == VEC_GP, "x2APIC #GP: EOI is write-only");
	check(try_rdmsr(0x83f, &v) == VEC_GP, "x2APIC #GP: self IPI is write-only");
	check(try_rdmsr(0x80e, &v) == VEC_GP, "x2APIC #GP: no DFR to read");
	check(rdmsr(0x80d) == 1, "x2APIC: LDR follows the ID");
}

static volatile u32 in_x2apic;

static void enter_x2apic(struct frame *f)
{
	mmio_write(APIC + APIC_EOI, 0);
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	__atomic_fetch_add(&in_x2apic, 1, __ATOMIC_SEQ_CST);
}

static void test_x2apic(void)
{
	handlers[0x46] = enter_x2apic;
	send(0, TO_OTHERS | ASSERT | 0x46);
	wait_for(in_x2apic == cpus - 1);
	test_x2apic_rules();
	x2apic = true;
	apic_write(APIC_SVR, 0x1ff);
	test_registers();
	test_errors();
	test_priorities();
	test_delivery(FRESH + 0x200000);
	test_ipis();
	clear();
	wrmsr(0x83f, VECTOR);
	irq_on();
	wait_for(seen[0][VECTOR]);
	irq_off();
	check(seen[0][VECTOR] == 1, "x2APIC: self IPI register");
	check_sent(1 | 1 << 1, LOGICAL | ASSERT | VECTOR, 3, "cluster 0, CPUs 0 and 1");
	check_sent(0x10001, LOGICAL | ASSERT | VECTOR, 0, "a cluster with nobody");
	check_sent(~0u, LOGICAL | ASSERT | VECTOR, (1 << cpus) - 1, "logical broadcast");
	test_timer();
	test_halt_wake();
}

void tests(void)
{
	handlers[VECTOR] = count;
	handlers[OTHER] = count;
	handlers[ERROR_VECTOR] = count;
	handlers[VEC_NMI] = count;
	ap_main = ap_loop;
	mmio_write(APIC + APIC_SVR, 0x1ff);
	mmio_write(APIC + APIC_LVT_LINT0, 0x10000);
	cpus = start_cpus(4);
	check(cpus == 4, "four CPUs run");
	wait_for(false);
	test_base();
	test_registers();
	test_errors();
	test_priorities();
	test_delivery(FRESH);
	test_ipis();
	test_logical();
	test_timer();
	test_halt_wake();
	if (cpuid_ecx(1) & 1 << 21)
		test_x2apic();
	else
		skip("no x2APIC", "x2APIC");
}
