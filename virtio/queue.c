// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue: chains from the ring to the device and back. Whoever serves it runs
 * in the owner's mm; doorbells and completions only set @rung and wake him.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "../module/lodge.h"
#include "virtio.h"

/* Then others have their turn, and the driver hears of what is done. */
#define CHAINS_PER_RUN	64
#define PUBLISH_NS	(20 * NSEC_PER_USEC)

/* @hist: LODGE_RING_WAIT, _SERVICE or _REPORT */
static void count_time(struct lodge_queue *queue, enum lodge_ring_stat hist, u64 ns)
{
	queue->stats[hist + min(fls64(ns), LODGE_RING_BUCKETS - 1)]++;
}

void lodge_queue_seen(struct lodge_queue *queue)
{
	u64 since = xchg(&queue->rung_at, 0);

	if (since)
		count_time(queue, LODGE_RING_WAIT, ktime_get_ns() - since);
}

void lodge_queue_ring(struct lodge_queue *queue)
{
	struct eventfd_ctx *event = READ_ONCE(queue->event);

	if (!READ_ONCE(queue->rung_at))
		WRITE_ONCE(queue->rung_at, ktime_get_ns());
	if (event) {
		lodge_eventfd_signal(event);
		return;
	}
	WRITE_ONCE(queue->rung, 1);
	/* rcuwait_wake_up() has the barrier that orders this before the look at the task. */
	rcuwait_wake_up(&queue->dev->wait[READ_ONCE(queue->server)]);
}

void lodge_queue_init(struct lodge_virtio *dev, u32 index)
{
	struct lodge_queue *queue = &dev->queue[index];

	queue->dev = dev;
	queue->index = index;
	mutex_init(&queue->lock);
	raw_spin_lock_init(&queue->irq_lock);
	init_llist_head(&queue->done);
	queue->server = index;
	lodge_rate_init(queue);
}

void lodge_queue_free(struct lodge_queue *queue)
{
	kvfree(queue->requests);
	kfree(queue->ring.table);
	queue->requests = NULL;
	queue->ring.table = NULL;
}

static int make_requests(struct lodge_queue *queue)
{
	u32 depth = queue->dev->ops->depth, i;

	if (queue->requests)
		return 0;
	queue->requests = kvcalloc(depth, sizeof(*queue->requests), GFP_KERNEL_ACCOUNT);
	queue->ring.table = kcalloc(LODGE_CHAIN_IOVS, sizeof(*queue->ring.table),
				    GFP_KERNEL_ACCOUNT);
	if (!queue->requests || !queue->ring.table) {
		lodge_queue_free(queue);
		return -ENOMEM;
	}
	for (i = 0; i < depth; i++) {
		queue->requests[i].queue = queue;
		queue->requests[i].next = queue->free;
		queue->free = &queue->requests[i];
	}
	return 0;
}

static struct lodge_ring_pos position(u16 value, bool packed)
{
	return (struct lodge_ring_pos) {
		.index = packed ? value & ~LODGE_RING_WRAP : value,
		.wrap = packed && value & LODGE_RING_WRAP,
	};
}

static int enable(struct lodge_queue *queue, const struct lodge_ring *args)
{
	const struct lodge_virtio *dev = queue->dev;
	bool owned = dev->ops == &lodge_virtio_user || args->flags & LODGE_RING_USER;
	bool packed = lodge_virtio_has(dev, VIRTIO_F_RING_PACKED);
	struct lodge_vring ring = {
		.vm = dev->vm, .packed = packed, .entries = args->entries,
		.event_idx = lodge_virtio_has(dev, VIRTIO_RING_F_EVENT_IDX),
		.indirect = lodge_virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC),
		.desc_gpa = args->desc, .driver_gpa = args->driver, .device_gpa = args->device,
		.next = position(args->next, packed), .used = position(args->used, packed),
		.avail = args->next,
	};
	int ret;

	if (queue->enabled)
		return -EBUSY;
	ret = lodge_vring_check(&ring) ?: make_requests(queue);
	if (ret)
		return ret;
	ring.table = queue->ring.table;
	queue->ring = ring;
	queue->generation = 0;
	queue->done_bytes = 0;
	queue->failed = false;
	queue->broken = false;
	queue->enabled = true;
	WRITE_ONCE(queue->event, owned ? dev->event : NULL);
	if (owned)
		lodge_user_start(queue);
	return 0;
}

int lodge_queue_enable(struct lodge_queue *queue, const struct lodge_ring *args)
{
	int ret;

	if (mutex_lock_killable(&queue->lock))
		return -EINTR;
	ret = enable(queue, args);
	mutex_unlock(&queue->lock);
	if (!ret)
		lodge_queue_ring(queue);
	return ret;
}

static void put_request(struct lodge_queue *queue, struct lodge_vreq *req)
{
	req->next = queue->free;
	queue->free = req;
}

int lodge_queue_pop(struct lodge_queue *queue, struct lodge_vreq **req)
{
	int ret;

	*req = queue->free;
	if (!*req)
		return -EAGAIN;
	ret = lodge_vring_pop(&queue->ring, &(*req)->chain);
	if (ret <= 0)
		return ret;
	queue->free = (*req)->next;
	(*req)->began = ktime_get_ns();
	queue->stats[LODGE_RING_CHAINS]++;
	return 1;
}

void lodge_queue_unpop(struct lodge_queue *queue, struct lodge_vreq *req)
{
	lodge_vring_unpop(&queue->ring, &req->chain);
	queue->stats[LODGE_RING_CHAINS]--;
	put_request(queue, req);
}

int lodge_queue_push(struct lodge_queue *queue, struct lodge_vreq *req, u32 written)
{
	int ret = lodge_vring_push(&queue->ring, &req->chain, written);
	u64 now = ktime_get_ns();

	count_time(queue, LODGE_RING_SERVICE, now - req->began);
	if (!queue->pushed_at)
		queue->pushed_at = now;
	queue->stats[LODGE_RING_BYTES] += req->chain.readable + written;
	lodge_rate_use(queue, (u64)req->chain.readable + written);
	put_request(queue, req);
	return ret;
}

int lodge_queue_publish(struct lodge_queue *queue)
{
	int ret = lodge_vring_publish(&queue->ring);

	if (ret > 0) {
		queue->stats[LODGE_RING_INTERRUPTS]++;
		count_time(queue, LODGE_RING_REPORT, ktime_get_ns() - queue->pushed_at);
		lodge_queue_interrupt(queue);
	}
	queue->pushed_at = 0;
	return min(ret, 0);
}

void lodge_vreq_complete(struct lodge_vreq *req, long result)
{
	struct lodge_queue *queue = req->queue;
	struct lodge_virtio *dev = queue->dev;

	req->result = result;
	llist_add(&req->done, &queue->done);
	/* Who submitted it and is not through yet finds it. */
	if (!in_task() || READ_ONCE(queue->runner) != current)
		lodge_queue_ring(queue);
	/* From here on the device may go, but for an RCU grace period. */
	rcu_read_lock();
	if (atomic_dec_and_test(&queue->inflight))
		wake_up_all(&dev->idle);
	rcu_read_unlock();
}

/* What completed goes into the ring. */
static int reap(struct lodge_queue *queue)
{
	struct llist_node *done = llist_reverse_order(llist_del_all(&queue->done));
	struct lodge_vreq *req, *next;
	int ret = queue->failed ? -EPROTO : 0;
	u32 written;

	llist_for_each_entry_safe(req, next, done, done) {
		written = queue->dev->ops->finish(req);
		if (!ret) {
			ret = lodge_queue_push(queue, req, written);
			continue;
		}
		lodge_chain_mark(&queue->ring, &req->chain);
		put_request(queue, req);
	}
	return ret;
}

void lodge_queue_wait_idle(struct lodge_queue *queue)
{
	wait_event(queue->dev->idle, !atomic_read(&queue->inflight));
}

static void release(struct lodge_queue *queue)
{
	if (queue->dev->ops->release)
		queue->dev->ops->release(queue);
}

int lodge_queue_map(struct lodge_queue *queue)
{
	struct lodge_mmu *mmu = &queue->dev->vm->mmu;
	u64 generation = srcu_dereference(mmu->slots, &mmu->srcu)->generation + 1;

	if (queue->generation == generation)
		return 0;
	/* Chains that are kept are at the old addresses. */
	release(queue);
	queue->generation = generation;
	return lodge_vring_map(&queue->ring);
}

/* What is in flight may end in the ring: a driver waits for its reset to end. */
void lodge_queue_disable(struct lodge_queue *queue)
{
	struct srcu_struct *srcu = &queue->dev->vm->mmu.srcu;
	bool was;
	int idx;

	mutex_lock(&queue->lock);
	was = queue->enabled;
	queue->enabled = false;
	release(queue);
	mutex_unlock(&queue->lock);
	lodge_queue_wait_idle(queue);
	if (!was)
		return;
	mutex_lock(&queue->lock);
	idx = srcu_read_lock(srcu);
	if (lodge_queue_map(queue)) {
		/* Nobody is to blame, and nobody is told. */
		queue->failed = true;
		queue->broken = true;
	}
	if (!reap(queue))
		lodge_queue_publish(queue);
	srcu_read_unlock(srcu, idx);
	mutex_unlock(&queue->lock);
}

/* One chain: 1; 0 when there is none; -EAGAIN when something else comes first. */
static int serve_one(struct lodge_queue *queue)
{
	struct lodge_vreq *req;
	long ret;

	if (!lodge_rate_allows(queue))
		return -EAGAIN;
	if (queue->pull)
		return queue->dev->ops->pull(queue);
	ret = lodge_queue_pop(queue, &req);
	if (ret <= 0)
		return ret;
	/* The device may complete it before serve() returns. */
	atomic_inc(&queue->inflight);
	ret = queue->dev->ops->serve(queue, req);
	if (ret == -EIOCBQUEUED)
		return 1;
	/* The decrement is a barrier before the look at who waits. */
	if (atomic_dec_and_test(&queue->inflight) && waitqueue_active(&queue->dev->idle))
		wake_up_all(&queue->dev->idle);
	if (ret == -EAGAIN)
		lodge_queue_unpop(queue, req);
	return ret < 0 ? ret : lodge_queue_push(queue, req, ret) ?: 1;
}

/* 1: more to do; 0: nothing left, or not before the back end is ready */
static int serve_some(struct lodge_queue *queue)
{
	u64 start = ktime_get_ns();
	int ret, i;

	for (i = 0; i < CHAINS_PER_RUN; i++) {
		ret = serve_one(queue);
		if (ret == -EAGAIN)
			return queue->here;
		if (ret < 0)
			return ret;
		if (!ret)
			break;
		if (ktime_get_ns() - start > PUBLISH_NS) {
			/* A vCPU has other things to do; its guest waits. */
			if (queue->here)
				break;
			ret = lodge_queue_publish(queue);
			if (ret)
				return ret;
			start = ktime_get_ns();
		}
	}
	return i < CHAINS_PER_RUN ? lodge_vring_arm(&queue->ring) : 1;
}

static int serve(struct lodge_queue *queue)
{
	int ret = lodge_queue_map(queue), more;

	ret = ret ?: lodge_vring_disarm(&queue->ring);
	ret = ret ?: reap(queue);
	if (ret)
		return ret;
	more = serve_some(queue);
	/* What completed at once; chains may have waited for its requests. */
	if (!more && !queue->free && !llist_empty(&queue->done))
		more = 1;
	ret = llist_empty(&queue->done) ? 0 : reap(queue);
	ret = ret ?: lodge_queue_publish(queue);
	if (more > 0 && queue->here)
		lodge_queue_ring(queue);
	else if (more > 0)
		WRITE_ONCE(queue->rung, 1);
	return min(more, 0) ?: ret;
}

/* Under the lock, by whoever's thread it is. */
static void run(struct lodge_queue *queue)
{
	struct srcu_struct *srcu = &queue->dev->vm->mmu.srcu;
	int idx;

	queue->stats[LODGE_RING_RUNS]++;
	if (!queue->enabled || queue->failed || queue->event)
		return;
	WRITE_ONCE(queue->runner, current);
	idx = srcu_read_lock(srcu);
	queue->failed = serve(queue);
	srcu_read_unlock(srcu, idx);
	WRITE_ONCE(queue->runner, NULL);
	/* Completions that still relied on us. */
	if (!llist_empty(&queue->done))
		lodge_queue_ring(queue);
}

int lodge_queue_run(struct lodge_queue *queue)
{
	int ret = 0;

	if (!READ_ONCE(queue->rung))
		return 0;
	if (mutex_lock_killable(&queue->lock))
		return -EINTR;
	/* Cleared before we look; a full barrier. */
	xchg(&queue->rung, 0);
	lodge_queue_seen(queue);
	run(queue);
	if (queue->failed && !queue->broken) {
		queue->stats[LODGE_RING_ERRORS]++;
		queue->broken = true;
		ret = -EPROTO;
	}
	mutex_unlock(&queue->lock);
	return ret;
}

/* By a vCPU's thread; false when the queue's own has to look. */
static bool run_here(struct lodge_queue *queue)
{
	bool done;

	if (!mutex_trylock(&queue->lock))
		return false;
	queue->here = true;
	queue->stats[LODGE_RING_HERE]++;
	run(queue);
	queue->here = false;
	done = queue->failed == queue->broken;
	mutex_unlock(&queue->lock);
	return done;
}

/**
 * lodge_virtio_serve() - the ring that this vCPU rang; ring 2
 * @vcpu: vCPU
 * @here: by this thread, if its device can
 */
void lodge_virtio_serve(struct lodge_vcpu *vcpu, bool here)
{
	struct lodge_queue *queue = vcpu->rung;

	if (!queue)
		return;
	vcpu->rung = NULL;
	if (!here || READ_ONCE(queue->event) || !run_here(queue))
		lodge_queue_ring(queue);
	lodge_virtio_put(queue->dev);
}

/* What completed is not told to anybody: this may be another process. */
void lodge_queue_destroy(struct lodge_queue *queue)
{
	mutex_lock(&queue->lock);
	queue->enabled = false;
	mutex_unlock(&queue->lock);
	lodge_queue_wait_idle(queue);
	hrtimer_cancel(&queue->rate_timer);
	lodge_queue_free(queue);
	kfree(queue->priv);
	if (queue->backend)
		fput(queue->backend);
}
