/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations, and what the guest and its hosts agree on.
 *
 * OPERATION(name, samples, times, setup): the guest measures it @samples times,
 * @times in a row each; what is reported is the median of a sample divided by
 * @times. HOST_OPERATION(name, samples): the host does.
 */
#ifndef BENCH_OPERATIONS_H
#define BENCH_OPERATIONS_H

#define OPERATIONS						\
	OPERATION(empty, 255, 1, PLAIN)				\
	OPERATION(cpuid, 255, 1, PLAIN)				\
	OPERATION(cpuid_ring, 255, 1, RING)			\
	OPERATION(cpuid_events, 255, 1, EVENTS)			\
	OPERATION(hypercall, 255, 1, PLAIN)			\
	OPERATION(rdmsr, 255, 1, PLAIN)				\
	OPERATION(wrmsr, 255, 1, PLAIN)				\
	OPERATION(out_user, 255, 1, PLAIN)			\
	OPERATION(in_user, 255, 1, PLAIN)			\
	OPERATION(mmio_user, 255, 1, PLAIN)			\
	OPERATION(regs_user, 255, 1, REGISTERS)			\
	OPERATION(eoi_x2apic, 255, 1, PLAIN)			\
	OPERATION(eoi_xapic, 255, 1, PLAIN)			\
	OPERATION(self_ipi_x2apic, 255, 1, PLAIN)		\
	OPERATION(self_ipi_xapic, 255, 1, PLAIN)		\
	OPERATION(in_pic, 255, 1, PLAIN)			\
	OPERATION(out_pic, 255, 1, PLAIN)			\
	OPERATION(in_pit, 255, 1, PLAIN)			\
	OPERATION(in_pm_timer, 255, 1, PLAIN)			\
	OPERATION(in_shadow, 255, 1, PLAIN)			\
	OPERATION(out_post, 33, 256, PLAIN)			\
	OPERATION(doorbell_pio, 255, 1, PLAIN)			\
	OPERATION(doorbell_mmio, 255, 1, PLAIN)			\
	OPERATION(doorbell_back, 63, 1, BACK_END)		\
	OPERATION(deadline, 255, 1, PLAIN)			\
	OPERATION(timer_count, 255, 1, PLAIN)			\
	OPERATION(hlt_timer, 63, 1, PLAIN)			\
	OPERATION(ipi_halted, 63, 1, TWO_CPUS)			\
	OPERATION(ipi_running, 63, 1, TWO_CPUS)			\
	OPERATION(cr8, 255, 1, PLAIN)				\
	OPERATION(cr0_wp, 255, 1, PLAIN)			\
	OPERATION(cr4_pge, 255, 1, PLAIN)			\
	OPERATION(dr7, 255, 1, PLAIN)				\
	OPERATION(pause, 33, 4096, PLAIN)			\
	OPERATION(touch_4k, 16, 512, PAGES_4K)			\
	OPERATION(touch_2m, 16, 1, PAGES_2M)			\
	OPERATION(write_logged, 16, 512, PAGES_LOGGED)		\
	OPERATION(write_protected, 16, 512, PAGES_LOGGED)

#define HOST_OPERATIONS						\
	HOST_OPERATION(vm_life, 15)				\
	HOST_OPERATION(vcpu_create, 15)				\
	HOST_OPERATION(syscall, 63)				\
	HOST_OPERATION(thread_wake, 63)				\
	HOST_OPERATION(timer_wake, 63)

#define OPERATION(name, samples, times, setup) OP_##name,
enum operation { OPERATIONS OP_COUNT };
#undef OPERATION

#define HOST_OPERATION(name, samples) HOST_OP_##name,
enum host_operation_id { HOST_OPERATIONS HOST_OP_COUNT };
#undef HOST_OPERATION

enum setup {
	PLAIN,
	TWO_CPUS,
	BACK_END,		/* somebody serves PORT_BACK */
	REGISTERS,		/* userspace reads and writes registers at each exit */
	RING,			/* the hypervisor's own trace is on */
	EVENTS,			/* ftrace records each entry and exit */
	PAGES_4K,		/* memory at PAGES, in small pages, or in large ones */
	PAGES_2M,
	PAGES_LOGGED,		/* small, and protected anew at each OUT */
};

#define MAX_SAMPLES	1024

/* Guest memory: the guest's image is at 1 MiB. */
#define MEMORY_BYTES	(2u << 20)
#define TABLES		0x2000u		/* six pages: 4 GiB as they are */
#define STACKS		0x10000u	/* below, and 4 KiB apart */
#define BOX		0x20000u
#define RING		0x24000u	/* of which Lodge's back end is told */
#define RING_AVAIL	(RING + 0x400)
#define RING_USED	(RING + 0x800)
#define RING_ENTRIES	16
#define RING_NUMBER	1
#define SELECTOR_CODE	8
#define SELECTOR_DATA	16
#define PAGES		(64ul << 20)
#define PAGES_BYTES	(32ul << 20)

/* Ports and addresses */
#define PORT_PIC_MASK	0x21
#define PORT_PIT_STATUS	0x61
#define PORT_PM_TIMER	0x608
#define PORT_POST	0x520	/* OUT is kept for userspace */
#define PORT_DOORBELL	0x510
#define PORT_BACK	0x514
#define PORT_USER	0x500
#define PORT_END	0xf4
#define MMIO_DOORBELL	0xfd000000u
#define MMIO_USER	0xfd001000u

/* At BOX */
struct box {
	unsigned int operation;
	unsigned int samples;
	unsigned int times;
	unsigned int shadow;		/* port */
	unsigned int trace;
	volatile unsigned int served;	/* TSC, when a back end saw the doorbell */
	unsigned int result[MAX_SAMPLES];
};

#endif /* BENCH_OPERATIONS_H */
