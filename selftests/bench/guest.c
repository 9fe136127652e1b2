// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of the benchmark: does what the box says and counts TSC ticks, which
 * in a counting host are instructions, the host's and its own together.
 */
#include <linux/virtio_ring.h>

#include "../bare/bare.h"
#include "irq.h"
#include "operations.h"

#define MSR_APIC_BASE	0x1b
#define MSR_TSC_ADJUST	0x3b
#define MSR_DEADLINE	0x6e0
#define MSR_X2APIC	0x800
#define APIC_BASE_X2APIC 0xc00
#define XAPIC		0xfee00000ul

/* Registers of the local APIC, as offsets of x2APIC mode's MSRs */
#define APIC_EOI	0x0b
#define APIC_SPIV	0x0f
#define APIC_ICR	0x30
#define APIC_LVT_TIMER	0x32
#define APIC_TMICT	0x38
#define APIC_TDCR	0x3e
#define APIC_SELF_IPI	0x3f

#define SPIV_ENABLE	0x1ff
#define ICR_SELF	0x40000
#define LVT_DEADLINE	0x40000
#define LVT_MASKED	0x10000
#define VECTOR		0x40
#define VECTOR_BACK	0x41

#define CODE_SEGMENT	0x00af9b000000fffful
#define DATA_SEGMENT	0x00cf93000000fffful
#define CPUID_DEADLINE	(1u << 24)
#define CR0_WP		0x10000
#define CR4_PGE		0x80

#define DIVIDE_BY_1	0xb

/* More than any wake-up takes, in ns of the local APIC's timer and in TSC ticks */
#define NAP_NS		3000000
#define SLEEP		400000

static struct box *const box = (struct box *)(u64)BOX;

static struct gate gates[256] __aligned(16);
bool is_intel;

static inline u32 tsc(void)
{
	u32 low;

	asm volatile("rdtsc" : "=a"(low) :: "edx", "memory");
	return low;
}

static inline u64 tsc64(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) :: "memory");
	return low | (u64)high << 32;
}

/* When interrupts came last, and how many: irq.S */
volatile u32 first_tsc, first_count;
volatile u32 back_tsc, back_count;

static void x2apic_write(u32 reg, u64 value)
{
	wrmsr(MSR_X2APIC + reg, value);
}

static void xapic_write(u32 reg, u32 value)
{
	mmio_write(XAPIC + reg * 16, value);
}

static void use_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	x2apic_write(APIC_SPIV, SPIV_ENABLE);
}

static void use_xapic(void)
{
	xapic_write(APIC_SPIV, SPIV_ENABLE);
}

/* With interrupts off: halts until one came, which is served. */
static void halt(void)
{
	asm volatile("sti\n\thlt\n\tcli" ::: "memory");
}

/* The last one may be looked at instruction by instruction (lab --trace). */
static inline void mark(u32 i)
{
	if (box->trace && i == box->samples - 1)
		asm volatile("xchg %%bx, %%bx" ::: "memory");
}

/* @body, box->samples times; @before is not counted. */
#define MEASURE(before, body)					\
do {								\
	u32 i, begin;						\
								\
	for (i = 0; i < box->samples; i++) {			\
		before;						\
		mark(i);					\
		begin = tsc();					\
		body;						\
		box->result[i] = tsc() - begin;			\
		mark(i);					\
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

static void op_in_user(void)
{
	MEASURE(, inb(PORT_USER));
}

static void op_regs_user(void)
{
	op_out_user();
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

static void op_in_pic(void)
{
	MEASURE(, inb(PORT_PIC_MASK));
}

static void op_out_pic(void)
{
	MEASURE(, outb(PORT_PIC_MASK, 0xff));
}

static void op_in_pit(void)
{
	MEASURE(, inb(PORT_PIT_STATUS));
}

static void op_in_pm_timer(void)
{
	MEASURE(, inl(PORT_PM_TIMER));
}

/* The interrupt is in service when its end is measured. */
static void op_eoi_x2apic(void)
{
	use_x2apic();
	MEASURE(x2apic_write(APIC_SELF_IPI, VECTOR); irq_on(); irq_off(),
		x2apic_write(APIC_EOI, 0));
}

static void op_eoi_xapic(void)
{
	use_xapic();
	MEASURE(xapic_write(APIC_ICR, ICR_SELF | VECTOR); irq_on(); irq_off(),
		xapic_write(APIC_EOI, 0));
}

/* From sending to the handler. */
#define MEASURE_IPI(send, end)					\
do {								\
	u32 i, begin;						\
								\
	irq_on();						\
	for (i = 0; i < box->samples; i++) {			\
		mark(i);					\
		begin = tsc();					\
		send;						\
		while (first_count == i)			\
			;					\
		box->result[i] = first_tsc - begin;		\
		mark(i);					\
		end;						\
	}							\
	irq_off();						\
} while (0)

static void op_self_ipi_x2apic(void)
{
	use_x2apic();
	MEASURE_IPI(x2apic_write(APIC_SELF_IPI, VECTOR), x2apic_write(APIC_EOI, 0));
}

static void op_self_ipi_xapic(void)
{
	use_xapic();
	MEASURE_IPI(xapic_write(APIC_ICR, ICR_SELF | VECTOR), xapic_write(APIC_EOI, 0));
}

/* What this hypervisor does not offer has no samples. */
static bool use_deadline(void)
{
	use_x2apic();
	if (!(cpuid_ecx(1) & CPUID_DEADLINE)) {
		box->samples = 0;
		return false;
	}
	x2apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR_BACK);
	return true;
}

static void op_deadline(void)
{
	u64 now;

	if (use_deadline())
		MEASURE(now = tsc64(), wrmsr(MSR_DEADLINE, now + (1ull << 31)));
}

static void op_timer_count(void)
{
	use_x2apic();
	x2apic_write(APIC_TDCR, DIVIDE_BY_1);
	x2apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR);
	MEASURE(, x2apic_write(APIC_TMICT, 0x70000000 + i));
}

/* Let others run, and go on with a fresh share of the CPU. */
static void nap(void)
{
	x2apic_write(APIC_TMICT, NAP_NS);
	halt();
	x2apic_write(APIC_EOI, 0);
}

static void use_nap(void)
{
	use_x2apic();
	x2apic_write(APIC_TDCR, DIVIDE_BY_1);
	x2apic_write(APIC_LVT_TIMER, VECTOR_BACK);
}

static void fill_ring(void)
{
	struct vring_desc *desc = (void *)(u64)RING;

	/* A byte to write, and no interrupts */
	*desc = (struct vring_desc) { .addr = BOX, .len = 1 };
	((volatile u16 *)(u64)RING_AVAIL)[0] = VRING_AVAIL_F_NO_INTERRUPT;
}

/*
 * From the doorbell to the first instruction of a thread that waited for it; or,
 * where that comes first, until the guest goes on with what it asked for done.
 */
static void op_doorbell_back(void)
{
	volatile u16 *avail = (void *)(u64)RING_AVAIL, *used = (void *)(u64)RING_USED;
	u32 i, begin, end;

	fill_ring();
	use_nap();
	for (i = 0; i < box->samples; i++) {
		nap();
		box->served = 0;
		avail[1] = i + 1;
		x2apic_write(APIC_TMICT, NAP_NS);
		mark(i);
		begin = tsc();
		outl(PORT_BACK, RING_NUMBER);
		end = tsc();
		mark(i);
		if (used[1] != (u16)(i + 1))
			end = 0;
		halt();
		x2apic_write(APIC_EOI, 0);
		box->result[i] = end || box->served ? (end ?: box->served) - begin : ~0u;
	}
}

/* From the deadline to the first instruction of its handler. */
static void op_hlt_timer(void)
{
	u32 i;

	if (!use_deadline())
		return;
	for (i = 0; i < box->samples; i++) {
		u64 deadline = tsc64() + SLEEP;

		wrmsr(MSR_DEADLINE, deadline);
		halt();
		x2apic_write(APIC_EOI, 0);
		box->result[i] = back_tsc - deadline;
	}
}

/* What the second CPU does. */
static void answer(void)
{
	use_x2apic();
	for (;;) {
		halt();
		x2apic_write(APIC_EOI, 0);
		x2apic_write(APIC_ICR, VECTOR_BACK);
	}
}

/* The other has gone to sleep when the nap is over. */
static void op_ipi_halted(void)
{
	u32 i, begin;

	use_nap();
	for (i = 0; i < box->samples; i++) {
		nap();
		begin = tsc();
		x2apic_write(APIC_ICR, 1ull << 32 | VECTOR);
		halt();
		x2apic_write(APIC_EOI, 0);
		box->result[i] = first_tsc - begin;
	}
}

static void spin(void)
{
	u32 seen = 0;

	use_x2apic();
	irq_on();
	for (;;) {
		if (first_count == seen)
			continue;
		seen = first_count;
		x2apic_write(APIC_EOI, 0);
	}
}

/*
 * The other could run and waits for this CPU: from the sender's side the same as
 * running, but for the interrupt between CPUs that a counting host, which has
 * one, cannot show.
 */
static void op_ipi_running(void)
{
	use_nap();
	MEASURE(nap(), x2apic_write(APIC_ICR, 1ull << 32 | VECTOR));
	if (first_count + 1 < box->samples)
		box->samples = 0;
}

static void op_cpuid_ring(void)
{
	op_cpuid();
}

static void op_cpuid_events(void)
{
	op_cpuid();
}

static void op_cr8(void)
{
	MEASURE(, WRITE_CR(8, i & 1));
}

static void op_cr0_wp(void)
{
	u64 cr0 = READ_CR(0);

	MEASURE(cr0 ^= CR0_WP, WRITE_CR(0, cr0));
}

static void op_cr4_pge(void)
{
	u64 cr4 = READ_CR(4);

	MEASURE(cr4 ^= CR4_PGE, WRITE_CR(4, cr4));
}

/* After an exit: KVM lets pass what comes until the next. */
static void op_dr7(void)
{
	u32 a, b, c, d;

	MEASURE(cpuid(0, 0, &a, &b, &c, &d), asm volatile("mov %0, %%dr7" :: "r"(0x400ul)));
}

static void op_pause(void)
{
	MEASURE_MANY(asm volatile("pause"));
}

static void op_touch_4k(void)
{
	u64 at = PAGES;

	MEASURE_MANY(({ mmio_write(at, 1); at += 4096; }));
}

static void op_touch_2m(void)
{
	u64 at = PAGES;

	MEASURE(, ({ mmio_write(at, 1); at += 0x200000; }));
}

static void write_pages(void)
{
	u64 at = PAGES, end = at + box->times * 4096;

	for (; at < end; at += 4096)
		mmio_write(at, 1);
}

/* The host asks for the log before each sample: the first write to each page is one to log. */
static void op_write_logged(void)
{
	write_pages();
	MEASURE(outb(PORT_USER, 1), write_pages());
}

/* The same, on a host that was told to protect pages for it. */
static void op_write_protected(void)
{
	op_write_logged();
}

static void gate_to(unsigned int vector, void *to)
{
	u64 addr = (u64)to;

	gates[vector] = (struct gate) {
		.low = addr, .mid = addr >> 16, .high = addr >> 32,
		.selector = SELECTOR_CODE, .type = 0x8e,
	};
}

static void load_tables(void)
{
	static const u64 segments[] = { 0, CODE_SEGMENT, DATA_SEGMENT };
	struct {
		u16 limit;
		u64 base;
	} __packed gdt = { sizeof(segments) - 1, (u64)segments },
		   idt = { sizeof(gates) - 1, (u64)gates };

	asm volatile("lgdt %0" :: "m"(gdt));
	asm volatile("lidt %0" :: "m"(idt));
	gate_to(VECTOR, first_entry);
	gate_to(VECTOR_BACK, back_entry);
}

/* Each CPU begins here, in long mode; an exception is the end of it. */
__noreturn void start(unsigned int cpu)
{
#define OPERATION(name, samples, times, setup) op_##name,
	static void (*const operations[])(void) = { OPERATIONS };
#undef OPERATION

	load_tables();
	if (cpu && box->operation == OP_ipi_halted)
		answer();
	else if (cpu)
		spin();
	is_intel = cpuid_ebx(0) == 0x756e6547;
	operations[box->operation]();
	for (;;)
		outb(PORT_END, 0);
}
