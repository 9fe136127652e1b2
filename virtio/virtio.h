/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio devices that are served in the kernel: a file descriptor, its queues
 * and the threads of the owner that serve them.
 *
 * Locks: dev->lock (control), then queue->lock (the ring), then the slots'
 * SRCU. vm->lock is never taken inside: who changes slots waits for SRCU.
 */
#ifndef LODGE_VIRTIO_H
#define LODGE_VIRTIO_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/rcuwait.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <uapi/linux/virtio_config.h>

#include "../uapi/lodge.h"
#include "ring.h"

struct lodge_vcpu;
struct lodge_virtio;
struct lodge_queue;

/* Requests that may be under way in one queue, at most. */
#define LODGE_QUEUE_DEPTH	64

/* @per_second: how much; 0: no limit. @full_at: ns, when all may be used at once */
struct lodge_bucket {
	u64 per_second;
	u64 full_at;
};

/* All queues of a device share them. */
struct lodge_rate {
	spinlock_t lock;	/* both buckets */
	struct lodge_bucket ops;
	struct lodge_bucket bytes;
};

/**
 * struct lodge_vreq - a chain being served
 * @queue: its queue
 * @next: of the free ones
 * @done: of those that completed and wait for the worker
 * @kiocb: for the back end's file
 * @iter: the data
 * @result: of the asynchronous operation
 * @began: ns, when it was taken from the ring
 * @taken: the owner has it (user.c)
 * @chain: memory
 */
struct lodge_vreq {
	struct lodge_queue *queue;
	struct lodge_vreq *next;
	struct llist_node done;
	struct kiocb kiocb;
	struct iov_iter iter;
	long result;
	u64 began;
	bool taken;
	struct lodge_chain chain;
};

/**
 * struct lodge_virtio_ops - a kind of device
 * @id: LODGE_VIRTIO_*
 * @max_queues: at most so many
 * @depth: requests of each, at most LODGE_QUEUE_DEPTH
 * @features: what it can do beyond the rings' own features
 * @create: check and take the arguments: 0 or -errno. NULL: nothing to do
 * @features_of: the features of this one. NULL: all of @features
 * @serve: serve one chain, with the queue's lock and SRCU held. Returns bytes
 *	written to it; -EIOCBQUEUED: lodge_vreq_complete() will be called;
 *	-EAGAIN: the back end is not ready, try when it is; -EPROTO: the driver
 *	broke the rules
 * @pull: for queues with @pull set, instead of @serve: take chains as the back
 *	end has something for them. Returns 1; 0: there are no chains; -EAGAIN: the
 *	back end has nothing; -EPROTO
 * @release: unpop what @pull keeps from one call to the next
 * @finish: bytes written, of a request that completed. NULL: none is queued
 * @owner_rings: the owner may serve some of its rings (LODGE_RING_USER)
 * @events: EPOLL* events of the back end that concern a queue. NULL: none
 * @here: may this queue be served by a vCPU's thread, right after its doorbell?
 *	@serve is called with queue->here then, and rather than sleep for long it
 *	returns -EAGAIN. NULL: no
 */
struct lodge_virtio_ops {
	u32 id;
	u32 max_queues;
	u32 depth;
	u64 features;
	bool owner_rings;
	int (*create)(struct lodge_virtio *dev, const struct lodge_create_virtio *args);
	u64 (*features_of)(const struct lodge_virtio *dev);
	long (*serve)(struct lodge_queue *queue, struct lodge_vreq *req);
	int (*pull)(struct lodge_queue *queue);
	void (*release)(struct lodge_queue *queue);
	u32 (*finish)(struct lodge_vreq *req);
	__poll_t (*events)(const struct lodge_queue *queue);
	bool (*here)(const struct lodge_queue *queue);
};

struct lodge_queue_poll {
	wait_queue_entry_t entry;
	wait_queue_head_t *head;	/* NULL: not waiting */
	struct lodge_queue *queue;
};

/**
 * struct lodge_queue - a ring and who serves it
 * @dev: device
 * @index: number
 * @lock: the ring and everything up to @irq_lock; sleeps
 * @ring: the virtqueue
 * @generation: of the slots that @ring was mapped with
 * @enabled: has a ring and is served
 * @failed: the driver broke the rules; nothing happens until it is set anew
 * @broken: ... and the thread that serves it was told
 * @free: requests not in use
 * @requests: all of them; made when first enabled
 * @backend: file that it is about, or NULL; dev->lock as well
 * @event: signalled when it is rung, while the owner serves it; else NULL
 * @priv: the device's, from kmalloc()
 * @pull: see lodge_virtio_ops
 * @done_bytes: of the first chain, when the back end took only so many; 0 for a new one
 * @here: a vCPU's thread serves it right now
 * @epoch: how often it was enabled; @armed: the doorbell is asked for;
 *	@starved: a chain waits until one is given back (user.c)
 * @stats: by enum lodge_ring_stat
 * @pushed_at: ns, when the first chain ended that was not published; 0: none
 * @runner: who serves it right now and need not be woken
 * @direct: a vCPU's thread may serve it; a thread of the owner's does otherwise
 * @rate_timer: rings when the device's limits allow it
 * @irq_lock: the interrupt, any context
 * @irq: how it is raised
 * @irq_held: one is due and will be raised when @irq lets it
 * @rung: there may be work
 * @rung_at: ns, since when; 0: it was seen
 * @server: index of the thread in dev->wait that serves it
 * @inflight: requests whose completion is awaited
 * @done: requests that completed
 * @attached: ... by a thread; dev->lock
 * @poll: then on the back end's wait queues
 */
struct lodge_queue {
	struct lodge_virtio *dev;
	u32 index;
	struct mutex lock;	/* up to irq_lock */
	struct lodge_vring ring;
	u64 generation;
	bool enabled;
	bool failed;
	bool broken;
	struct lodge_vreq *free;
	struct lodge_vreq *requests;
	struct file *backend;
	struct eventfd_ctx *event;
	void *priv;
	bool pull;
	u32 done_bytes;
	bool here;
	u32 epoch;
	bool armed;
	bool starved;
	u64 stats[LODGE_RING_STAT_COUNT];
	u64 pushed_at;
	struct task_struct *runner;
	struct hrtimer rate_timer;
	bool direct;

	raw_spinlock_t irq_lock;	/* the next two */
	struct lodge_ring_irq irq;
	bool irq_held;

	int rung;
	u64 rung_at;
	u32 server;
	atomic_t inflight;
	struct llist_head done;
	bool attached;
	struct lodge_queue_poll poll[2];
};

/**
 * struct lodge_virtio - a device
 * @ref: the file and every I/O region that rings it
 * @rcu: completions may still wake @idle
 * @vm: VM; the file's reference
 * @ops: what kind it is
 * @backend: file of the back end, or NULL
 * @flags: LODGE_VIRTIO_*
 * @offered: features the driver may pick from
 * @features: those it picked
 * @lock: control: features, rings set and stopped, who serves which queue, and
 *	what is behind it
 * @served: bit per queue that a thread serves
 * @idle: woken when a queue has nothing in flight any more
 * @isr_lock: @isr and @gsi's level; any context
 * @isr: interrupt status
 * @gsi: the device's line, or LODGE_VIRTIO_NO_GSI
 * @event: for the rings that are the owner's to serve, or NULL
 * @user_features: such a device's own
 * @rate: limits
 * @blk: of disks
 * @wait: threads that serve, by their lowest queue
 * @count: queues
 * @queue: queues
 */
struct lodge_virtio {
	struct kref ref;
	struct rcu_head rcu;
	struct lodge_vm *vm;
	const struct lodge_virtio_ops *ops;
	struct file *backend;
	u32 flags;
	u64 offered;
	u64 features;
	struct mutex lock;	/* control */
	unsigned long served;
	wait_queue_head_t idle;
	raw_spinlock_t isr_lock;	/* isr, and the level of gsi */
	u32 isr;
	u32 gsi;
	struct eventfd_ctx *event;
	u64 user_features;
	struct lodge_rate rate;
	struct {
		u64 sectors;
		char serial[LODGE_VIRTIO_SERIAL];
	} blk;
	struct rcuwait wait[LODGE_MAX_RINGS];
	u32 count;
	struct lodge_queue queue[];
};

extern const struct lodge_virtio_ops lodge_virtio_blk;
extern const struct lodge_virtio_ops lodge_virtio_console;
extern const struct lodge_virtio_ops lodge_virtio_net;
extern const struct lodge_virtio_ops lodge_virtio_rng;
extern const struct lodge_virtio_ops lodge_virtio_user;

static inline bool lodge_virtio_has(const struct lodge_virtio *dev, unsigned int bit)
{
	return dev->features & BIT_ULL(bit);
}

/* queue.c: all under queue->lock unless said otherwise */

void lodge_queue_init(struct lodge_virtio *dev, u32 index);
void lodge_queue_free(struct lodge_queue *queue);
/* Takes the lock. 0, -EINVAL, -EBUSY (is enabled), -ENOMEM, -EINTR */
int lodge_queue_enable(struct lodge_queue *queue, const struct lodge_ring *args);
/* Takes the lock; on return nothing is in flight and the ring is not touched. */
void lodge_queue_disable(struct lodge_queue *queue);
void lodge_queue_wait_idle(struct lodge_queue *queue);
/* Take the lock, serve what is there: 0, -EPROTO once when it broke, -EINTR */
int lodge_queue_run(struct lodge_queue *queue);
/* There may be work. Any context, no lock */
void lodge_queue_ring(struct lodge_queue *queue);
/* Whoever serves it looks at it now. */
void lodge_queue_seen(struct lodge_queue *queue);
/* The device is closed: on return nothing is in flight, nor ever will be. */
void lodge_queue_destroy(struct lodge_queue *queue);
/* A request and the next chain: 1, 0, -EAGAIN (no free request), -EPROTO */
int lodge_queue_pop(struct lodge_queue *queue, struct lodge_vreq **req);
int lodge_queue_push(struct lodge_queue *queue, struct lodge_vreq *req, u32 written);
/* The ring's parts, where the slots have them now; under SRCU: 0 or -EPROTO */
int lodge_queue_map(struct lodge_queue *queue);
/* Let the driver see what was pushed, and interrupt it if it wants that. */
int lodge_queue_publish(struct lodge_queue *queue);
/* Give it back as if it had not been popped; only the last one popped. */
void lodge_queue_unpop(struct lodge_queue *queue, struct lodge_vreq *req);
/* An asynchronous request came to its end. Any context, no lock */
void lodge_vreq_complete(struct lodge_vreq *req, long result);

/* rate.c: under queue->lock */

u64 lodge_bucket_wait(const struct lodge_bucket *bucket, u64 now);
void lodge_bucket_use(struct lodge_bucket *bucket, u64 now, u64 amount);
void lodge_rate_init(struct lodge_queue *queue);
bool lodge_rate_allows(struct lodge_queue *queue);
/* A chain of @bytes was served. */
void lodge_rate_use(struct lodge_queue *queue, u64 bytes);

/* user.c */

void lodge_user_start(struct lodge_queue *queue);
/* Take a chain from the owner's ring or give it @back; takes the lock. */
int lodge_user_chain(struct lodge_queue *queue, struct lodge_ring_chain *args, bool back);

/* interrupt.c: any context, no lock */

void lodge_queue_interrupt(struct lodge_queue *queue);
int lodge_queue_set_irq(struct lodge_queue *queue, const struct lodge_ring_irq *irq);
/* Change the interrupt status and the line with it; the old status. */
u32 lodge_virtio_isr(struct lodge_virtio *dev, u32 set, u32 clear);

/* Rings 1 and 2: the ring will be served, here or by its thread. */
void lodge_virtio_doorbell(struct lodge_vcpu *vcpu, struct lodge_virtio *dev, u64 value);

/* device.c: for I/O regions. -EINVAL: @fd is not a device of @vm; -EBADF */

struct lodge_virtio *lodge_virtio_get_fd(struct lodge_vm *vm, int fd);
void lodge_virtio_put(struct lodge_virtio *dev);	/* any context */
/* The back end is a character device or a Unix socket, for both ways: 0 or -EBADF */
int lodge_virtio_need_stream(struct file *file);
int lodge_virtio_create_fd(struct lodge_vm *vm, void *args);

#endif /* LODGE_VIRTIO_H */
