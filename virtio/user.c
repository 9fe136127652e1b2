// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings that are given to the owner: he hears of doorbells by an eventfd, takes
 * chains as pieces of his own memory, and gives them back. What belongs in no
 * kernel (file servers, image formats, what only he may do to his memory) shares
 * the engine that way, with its checks and both formats.
 */
#include <linux/eventfd.h>
#include <linux/nospec.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "../module/lodge.h"
#include "virtio.h"

/* Those of rings and transports are the engine's (virtio 1.2, 2.2). */
#define DEVICE_FEATURES		(GENMASK_ULL(23, 0) | GENMASK_ULL(63, 50))

static int user_create(struct lodge_virtio *dev, const struct lodge_create_virtio *args)
{
	struct eventfd_ctx *event;

	if (args->features & ~DEVICE_FEATURES || args->flags & LODGE_VIRTIO_READONLY)
		return -EINVAL;
	if (!dev->backend)
		return -EBADF;
	event = eventfd_ctx_fileget(dev->backend);
	if (IS_ERR(event))
		return PTR_ERR(event);
	dev->event = event;
	dev->user_features = args->features;
	return 0;
}

static u64 user_features(const struct lodge_virtio *dev)
{
	return dev->user_features;
}

/* What was taken before is of another ring's life. */
void lodge_user_start(struct lodge_queue *queue)
{
	u32 depth = queue->dev->ops->depth, i;

	queue->epoch++;
	queue->armed = true;
	queue->free = NULL;
	for (i = 0; i < depth; i++) {
		queue->requests[i].taken = false;
		queue->requests[i].next = queue->free;
		queue->free = &queue->requests[i];
	}
}

static u32 id_of(const struct lodge_queue *queue, const struct lodge_vreq *req)
{
	return queue->epoch * LODGE_QUEUE_DEPTH + (req - queue->requests);
}

static struct lodge_vreq *find_taken(struct lodge_queue *queue, u32 id)
{
	u32 depth = queue->dev->ops->depth;
	u32 index = array_index_nospec(id % LODGE_QUEUE_DEPTH, depth);
	struct lodge_vreq *req = &queue->requests[index];

	return queue->enabled && req->taken && id == id_of(queue, req) ? req : NULL;
}

/* 1; 0: there is none, and the eventfd will tell when there is; or the ring's error */
static int next_chain(struct lodge_queue *queue, struct lodge_vreq **req)
{
	int ret;

	do {
		ret = lodge_queue_pop(queue, req);
		if (ret == -EAGAIN) {
			queue->starved = true;
			return 0;
		}
		if (ret)
			return ret;
		queue->armed = true;
		ret = lodge_vring_arm(&queue->ring);
	} while (ret > 0);
	return ret;
}

static int fail(struct lodge_queue *queue)
{
	queue->stats[LODGE_RING_ERRORS]++;
	queue->failed = true;
	queue->broken = true;
	return -EPROTO;
}

static int take(struct lodge_queue *queue, struct lodge_ring_chain *args)
{
	struct lodge_vreq *req;
	int ret = lodge_queue_map(queue) ?: next_chain(queue, &req);

	static_assert(sizeof(struct iovec) == sizeof(struct lodge_iov));
	static_assert(LODGE_CHAIN_IOVS == LODGE_RING_IOVS);
	if (ret == 1 && queue->armed) {
		queue->armed = false;
		lodge_queue_seen(queue);
		ret = lodge_vring_disarm(&queue->ring) ?: 1;
	}
	if (ret <= 0)
		return ret ? fail(queue) : -EAGAIN;
	args->outs = req->chain.outs;
	args->ins = req->chain.ins;
	args->id = id_of(queue, req);
	if (copy_to_user(u64_to_user_ptr(args->iovs), req->chain.iov,
			 (args->outs + args->ins) * sizeof(struct iovec))) {
		lodge_queue_unpop(queue, req);
		return -EFAULT;
	}
	req->taken = true;
	return 0;
}

static int give(struct lodge_queue *queue, struct lodge_ring_chain *args)
{
	struct lodge_vreq *req = find_taken(queue, args->id);
	int ret;

	if (!req)
		return -ENOENT;
	if (args->written > req->chain.writable)
		return -EINVAL;
	req->taken = false;
	ret = lodge_queue_map(queue) ?: lodge_queue_push(queue, req, args->written);
	if (!ret && !(args->flags & LODGE_CHAIN_MORE))
		ret = lodge_queue_publish(queue);
	if (queue->starved)
		lodge_queue_ring(queue);
	queue->starved = false;
	return ret ? fail(queue) : 0;
}

/* Takes the lock. 0, -EAGAIN, -EPROTO, -EFAULT, -ENOENT, -EINVAL, -EINTR */
int lodge_user_chain(struct lodge_queue *queue, struct lodge_ring_chain *args, bool back)
{
	struct srcu_struct *srcu = &queue->dev->vm->mmu.srcu;
	int ret = back ? -ENOENT : -EAGAIN, idx;

	if (mutex_lock_killable(&queue->lock))
		return -EINTR;
	if (queue->enabled && !queue->failed && queue->event) {
		idx = srcu_read_lock(srcu);
		ret = back ? give(queue, args) : take(queue, args);
		srcu_read_unlock(srcu, idx);
	}
	mutex_unlock(&queue->lock);
	return ret;
}

const struct lodge_virtio_ops lodge_virtio_user = {
	.max_queues = LODGE_MAX_RINGS,
	.depth = LODGE_QUEUE_DEPTH,
	.create = user_create,
	.features_of = user_features,
};
