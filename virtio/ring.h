/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtqueue from the device's side (virtio 1.2, 2.6 to 2.8): what a driver
 * wrote into guest memory becomes chains of user addresses, or an error.
 *
 * Each shared value is read once, and nothing that was read is trusted. No
 * lock of its own: one thread at a time, in the owner's mm, with the slots'
 * SRCU held for reading from lodge_vring_map() to the last use of an address.
 */
#ifndef LODGE_RING_H
#define LODGE_RING_H

#include <linux/types.h>
#include <linux/uio.h>
#include <linux/virtio_ring.h>

struct lodge_vm;

/*
 * What is in guest memory (virtio 1.2, 2.7 and 2.8). The standard's structs are
 * little-endian, which is what this CPU is.
 */
struct lodge_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

struct lodge_used_elem {
	u32 id;
	u32 len;
};

struct lodge_avail {
	u16 flags;
	u16 idx;
	u16 ring[];
};

struct lodge_used {
	u16 flags;
	u16 idx;
	struct lodge_used_elem ring[];
};

struct lodge_packed_desc {
	u64 addr;
	u32 len;
	u16 id;
	u16 flags;
};

struct lodge_packed_event {
	u16 off_wrap;
	u16 flags;
};

/* Pieces of memory in one chain; devices announce fewer to their drivers. */
#define LODGE_CHAIN_IOVS	130
#define LODGE_RING_MAX		32768u

/**
 * struct lodge_chain - one buffer that the driver made available
 * @id: what the driver knows it by
 * @descs: ring entries it takes (packed rings)
 * @outs: leading elements of @iov, which the device reads
 * @ins: those that follow, which the device writes
 * @readable: bytes of the @outs
 * @writable: bytes of the @ins
 * @iov: in the owner's address space
 * @gpa: the same in the guest's
 */
struct lodge_chain {
	u16 id;
	u16 descs;
	u16 outs;
	u16 ins;
	u32 readable;
	u32 writable;
	struct iovec iov[LODGE_CHAIN_IOVS];
	u64 gpa[LODGE_CHAIN_IOVS];
};

/* An index, and for packed rings whether the ring was passed an odd time. */
struct lodge_ring_pos {
	u16 index;
	bool wrap;
};

/**
 * struct lodge_vring - a virtqueue
 * @vm: whose memory it is in
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC was
 * @entries: at most LODGE_RING_MAX; a power of two unless packed
 * @desc_gpa: descriptors
 * @driver_gpa: available ring, or the driver's event suppression
 * @device_gpa: used ring, or the device's event suppression
 * @desc: the same as user addresses
 * @driver: the same
 * @device: the same
 * @next: what the driver makes available next
 * @used: where the next used buffer is told
 * @avail: the available index as last read (split)
 * @told: buffers used since lodge_vring_publish() last looked
 * @first: of those, the one whose flags are written last; @first_flags: they
 *	(packed)
 * @table: a copy of one indirect table, LODGE_CHAIN_IOVS descriptors
 */
struct lodge_vring {
	struct lodge_vm *vm;
	bool packed;
	bool event_idx;
	bool indirect;
	u32 entries;
	u64 desc_gpa;
	u64 driver_gpa;
	u64 device_gpa;
	void __user *desc;
	void __user *driver;
	void __user *device;
	struct lodge_ring_pos next;
	struct lodge_ring_pos used;
	u16 avail;
	u32 told;
	u16 first;
	u16 first_flags;
	struct lodge_desc *table;
};

/* Sizes and alignment (virtio 1.2, 2.7 and 2.8): 0 or -EINVAL */
int lodge_vring_check(const struct lodge_vring *ring);
/* Find the parts in memory, again after each slot change: 0 or -EPROTO */
int lodge_vring_map(struct lodge_vring *ring);
/* The next chain: 1; 0 when there is none; -EPROTO or -EFAULT */
int lodge_vring_pop(struct lodge_vring *ring, struct lodge_chain *chain);
/* Give the chain that was popped last back, as if it had not been. */
void lodge_vring_unpop(struct lodge_vring *ring, const struct lodge_chain *chain);
/* Log the pages that may have been written; lodge_vring_push() does. */
void lodge_chain_mark(struct lodge_vring *ring, const struct lodge_chain *chain);
/* @written bytes of the chain are the driver's: 0 or -EFAULT */
int lodge_vring_push(struct lodge_vring *ring, const struct lodge_chain *chain, u32 written);
/* Let the driver see what was pushed: 1 if it wants an interrupt, 0, -EFAULT */
int lodge_vring_publish(struct lodge_vring *ring);
/* Ask for a doorbell: 1 if something became available meanwhile, 0, -EFAULT */
int lodge_vring_arm(struct lodge_vring *ring);
/* Ask for no doorbells: 0 or -EFAULT */
int lodge_vring_disarm(struct lodge_vring *ring);

/* What both formats need; ring.c */
int lodge_chain_add(struct lodge_vring *ring, struct lodge_chain *chain, u64 gpa, u32 bytes,
		    bool write);
int lodge_ring_table(struct lodge_vring *ring, u64 gpa, u32 bytes);
int lodge_ring_get16(u16 *to, const void __user *at);
int lodge_ring_put16(struct lodge_vring *ring, u16 value, void __user *at);
int lodge_ring_put(struct lodge_vring *ring, const void *from, void __user *at, u32 bytes);

/* packed.c: the same for packed rings */
int lodge_packed_pop(struct lodge_vring *ring, struct lodge_chain *chain);
void lodge_packed_unpop(struct lodge_vring *ring, const struct lodge_chain *chain);
int lodge_packed_push(struct lodge_vring *ring, const struct lodge_chain *chain, u32 written);
int lodge_packed_publish(struct lodge_vring *ring);
int lodge_packed_arm(struct lodge_vring *ring);
int lodge_packed_disarm(struct lodge_vring *ring);

#endif /* LODGE_RING_H */
