/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations, and what the guest and its hosts agree on.
 *
 * OPERATION(name, samples, times): the guest measures it @samples times, @times
 * in a row each; what is reported is the median of a sample divided by @times.
 */
#ifndef BENCH_OPERATIONS_H
#define BENCH_OPERATIONS_H

#define OPERATIONS				\
	OPERATION(empty, 255, 1)		\
	OPERATION(cpuid, 255, 1)		\
	OPERATION(hypercall, 255, 1)		\
	OPERATION(rdmsr, 255, 1)		\
	OPERATION(wrmsr, 255, 1)		\
	OPERATION(out_user, 255, 1)		\
	OPERATION(mmio_user, 255, 1)		\
	OPERATION(in_shadow, 255, 1)		\
	OPERATION(out_post, 33, 256)		\
	OPERATION(doorbell_pio, 255, 1)		\
	OPERATION(doorbell_mmio, 255, 1)

#define OPERATION(name, samples, times) OP_##name,
enum operation { OPERATIONS OP_COUNT };
#undef OPERATION

#define MAX_SAMPLES	1024

/* Guest memory: the guest's image is at 1 MiB. */
#define MEMORY_BYTES	(8u << 20)
#define BOX		0x20000u

/* Ports and addresses */
#define PORT_PIC_MASK	0x21
#define PORT_POST	0x520	/* OUT is kept for userspace */
#define PORT_DOORBELL	0x510
#define PORT_USER	0x500
#define PORT_END	0xf4	/* the value: 0, or the exception that was raised */
#define MMIO_DOORBELL	0xfd000000u
#define MMIO_USER	0xfd001000u

/* At BOX */
struct box {
	unsigned int operation;
	unsigned int samples;
	unsigned int times;
	unsigned int shadow;		/* port */
	unsigned int result[MAX_SAMPLES];
};

#endif /* BENCH_OPERATIONS_H */
