/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* Lodge: virtio devices, the structs of their ioctls. Included by lodge.h. */
#ifndef _UAPI_LODGE_VIRTIO_H
#define _UAPI_LODGE_VIRTIO_H

#include <linux/types.h>

/* Virtio: kinds of devices, by their numbers in the standard */
#define LODGE_VIRTIO_NET	1
#define LODGE_VIRTIO_BLK	2
#define LODGE_VIRTIO_CONSOLE	3
#define LODGE_VIRTIO_RNG	4
#define LODGE_VIRTIO_BALLOON	5
#define LODGE_VIRTIO_9P		9
#define LODGE_VIRTIO_VSOCK	19

#define LODGE_MAX_RINGS		64
#define LODGE_VIRTIO_SERIAL	20
#define LODGE_VIRTIO_NO_GSI	0xffffffffu

/**
 * struct lodge_create_virtio - a device whose rings the kernel serves
 * @flags: LODGE_VIRTIO_READONLY; LODGE_VIRTIO_USER: the rings are the owner's to
 *	serve, by LODGE_RING_TAKE and LODGE_RING_GIVE, whatever the device;
 *	LODGE_VIRTIO_EVENT: those set with LODGE_RING_USER are
 * @device: LODGE_VIRTIO_*
 * @rings: how many, at most LODGE_MAX_RINGS
 * @fd: back end: a file or block device for BLK, a tap or socket for NET, a
 *	terminal or socket for CONSOLE; with LODGE_VIRTIO_USER an eventfd that
 *	doorbells signal; -1: none, or not yet (LODGE_SET_BACKEND)
 * @event: with LODGE_VIRTIO_EVENT: such an eventfd; else 0
 * @fds: for NET with several pairs of rings: user address of __s32[], the back
 *	ends of all but the first
 * @gsi: interrupt line, or LODGE_VIRTIO_NO_GSI
 * @sectors: of 512 bytes, for BLK
 * @features: out: feature bits the driver may pick from; in, with
 *	LODGE_VIRTIO_USER: the device's own of them
 * @serial: for BLK, padded with zeroes
 * @rate_ops: chains per second that the device serves at most; 0: no limit
 * @rate_bytes: the same of bytes. Both may be exceeded for a tenth of a second
 */
struct lodge_create_virtio {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 rings;
	__s32 fd;
	__u32 gsi;
	__u64 sectors;
	__u64 features;
	__u8 serial[LODGE_VIRTIO_SERIAL];
	__s32 event;
	__u64 rate_ops;
	__u64 rate_bytes;
	__u64 fds;
};

#define LODGE_VIRTIO_READONLY	0x1u
#define LODGE_VIRTIO_USER	0x2u
#define LODGE_VIRTIO_EVENT	0x4u

/* @rings: bit per ring that the calling thread serves until a signal comes */
struct lodge_ring_serve {
	__u32 size;
	__u32 flags;
	__u64 rings;
};

/* @features: what the driver picked, VIRTIO_F_VERSION_1 among them */
struct lodge_virtio_features {
	__u32 size;
	__u32 flags;
	__u64 features;
};

/**
 * struct lodge_ring - a ring in guest memory
 * @flags: LODGE_RING_ENABLED, and perhaps LODGE_RING_USER: the owner serves it;
 *	or 0 to stop it
 * @ring: number
 * @entries: its size
 * @desc: guest physical address of the descriptors
 * @driver: of the available ring, or the driver's event suppression
 * @device: of the used ring, or the device's event suppression
 * @next: index of what is made available next; packed rings have the wrap
 *	counter in LODGE_RING_WRAP, which is set in a new one
 * @used: index of what is used next, the same way
 */
struct lodge_ring {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__u32 entries;
	__u64 desc;
	__u64 driver;
	__u64 device;
	__u16 next;
	__u16 used;
	__u32 pad;
};

#define LODGE_RING_ENABLED	0x1u
#define LODGE_RING_BROKEN	0x2u	/* the driver broke the rules */
#define LODGE_RING_USER		0x4u
#define LODGE_RING_WRAP		0x8000u

/**
 * struct lodge_ring_irq - how a ring interrupts: by the device's line, or
 * @flags: LODGE_RING_IRQ_MSI: by message; LODGE_RING_IRQ_HOLD: not before this
 *	is set anew
 */
struct lodge_ring_irq {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__u32 data;
	__u64 addr;
	__u64 pad;
};

#define LODGE_RING_IRQ_HOLD	0x1u
#define LODGE_RING_IRQ_MSI	0x2u

/* The interrupt status and with it the line; @old: out, the status before */
struct lodge_virtio_isr {
	__u32 size;
	__u32 flags;
	__u32 set;
	__u32 clear;
	__u32 old;
	__u32 pad;
};

/* As if the guest had rung. */
struct lodge_ring_kick {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__u32 pad;
};

/* What is behind a ring of a network device or console from now on; @fd: -1: nothing */
struct lodge_ring_backend {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__s32 fd;
};

/* A piece of the owner's memory */
struct lodge_iov {
	__u64 addr;
	__u64 bytes;
};

#define LODGE_RING_IOVS		130

/**
 * struct lodge_ring_chain - a buffer of a ring that the owner serves
 * @flags: LODGE_CHAIN_MORE: GIVE: the driver need not see it before the next one
 * @ring: number
 * @id: TAKE: out: what GIVE wants
 * @iovs: TAKE: user address of struct lodge_iov[LODGE_RING_IOVS], to be filled
 * @outs: TAKE: out: leading elements there, which the device reads
 * @ins: TAKE: out: those that follow, which the device writes
 * @written: GIVE: bytes of the latter that were written
 */
struct lodge_ring_chain {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__u32 id;
	__u64 iovs;
	__u32 outs;
	__u32 ins;
	__u32 written;
	__u32 pad;
};

#define LODGE_CHAIN_MORE	0x1u

#define LODGE_RING_BUCKETS	32

/* @values: user address of __u64[@count]; order is enum lodge_ring_stat */
struct lodge_ring_stats {
	__u32 size;
	__u32 flags;
	__u32 ring;
	__u32 count;
	__u64 values;
};

enum lodge_ring_stat {
	LODGE_RING_CHAINS,		/* taken from the ring */
	LODGE_RING_BYTES,		/* read and written */
	LODGE_RING_RUNS,		/* times its thread looked at it */
	LODGE_RING_INTERRUPTS,
	LODGE_RING_ERRORS,		/* rules that the driver broke */
	LODGE_RING_HERE,		/* times a vCPU's thread served it */
	LODGE_RING_THROTTLED,		/* times that its device's limits stopped it */
	LODGE_RING_COUNTERS,

	/* Then histograms of nanoseconds, LODGE_RING_BUCKETS each, as LODGE_STAT_LOG2: */
	LODGE_RING_WAIT = LODGE_RING_COUNTERS,	/* from the doorbell to its server's look */
	LODGE_RING_SERVICE = LODGE_RING_WAIT + LODGE_RING_BUCKETS,	/* of a chain */
	LODGE_RING_REPORT = LODGE_RING_SERVICE + LODGE_RING_BUCKETS,	/* then to the interrupt */
	LODGE_RING_STAT_COUNT = LODGE_RING_REPORT + LODGE_RING_BUCKETS
};

#endif /* _UAPI_LODGE_VIRTIO_H */
