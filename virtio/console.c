// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console (virtio 1.2, 5.3): of one port on a terminal, another character device
 * or a Unix socket that was opened for non-blocking I/O; or of several, whose
 * owner serves the rings for control (the second pair), because he knows when
 * there is something behind a port.
 */
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <uapi/linux/virtio_console.h>

#include "../module/lodge.h"
#include "virtio.h"

#define MAX_BYTES	65536u

static int console_create(struct lodge_virtio *dev, const struct lodge_create_virtio *args)
{
	u32 i;

	if (dev->event ? dev->backend || dev->count % 2 || dev->count < 4 : dev->count != 2)
		return -EINVAL;
	if (!dev->event && lodge_virtio_need_stream(dev->backend))
		return -EBADF;
	for (i = 0; i < dev->count; i += 2)
		dev->queue[i].pull = true;
	return 0;
}

static u64 console_features(const struct lodge_virtio *dev)
{
	return dev->event ? BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT) : 0;
}

static __poll_t console_events(const struct lodge_queue *queue)
{
	return queue->pull ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM;
}

static int console_pull(struct lodge_queue *queue)
{
	struct file *file = queue->backend;
	struct lodge_vreq *req;
	ssize_t ret = lodge_queue_pop(queue, &req);

	if (ret <= 0)
		return ret;
	if (req->chain.outs || !req->chain.writable)
		return -EPROTO;
	iov_iter_init(&req->iter, ITER_DEST, req->chain.iov, req->chain.ins,
		      min(req->chain.writable, MAX_BYTES));
	ret = -EAGAIN;
	if (file) {
		init_sync_kiocb(&req->kiocb, file);
		ret = file->f_op->read_iter(&req->kiocb, &req->iter);
	}
	if (ret > 0)
		return lodge_queue_push(queue, req, ret) ?: 1;
	/* The end of it: the owner looks who comes next. */
	if (!ret && queue->dev->event)
		lodge_eventfd_signal(queue->dev->event);
	/* Nothing there, or nobody at the other end: when there is, we are woken. */
	lodge_queue_unpop(queue, req);
	return -EAGAIN;
}

/* What was written of a chain is remembered while the rest has to wait. */
static long console_serve(struct lodge_queue *queue, struct lodge_vreq *req)
{
	struct file *file = queue->backend;
	ssize_t ret = 0;

	iov_iter_init(&req->iter, ITER_SOURCE, req->chain.iov, req->chain.outs,
		      req->chain.readable);
	iov_iter_advance(&req->iter, min_t(size_t, queue->done_bytes, req->chain.readable));
	while (file && iov_iter_count(&req->iter)) {
		init_sync_kiocb(&req->kiocb, file);
		ret = file->f_op->write_iter(&req->kiocb, &req->iter);
		if (ret <= 0)
			break;
		queue->done_bytes += ret;
	}
	/* Without another end there is none to wait for: what is said is lost. */
	if (ret == -EAGAIN && !(vfs_poll(file, NULL) & EPOLLHUP))
		return -EAGAIN;
	queue->done_bytes = 0;
	return 0;
}

static bool console_here(const struct lodge_queue *queue)
{
	return !queue->pull;
}

const struct lodge_virtio_ops lodge_virtio_console = {
	.id = LODGE_VIRTIO_CONSOLE,
	.max_queues = LODGE_MAX_RINGS,
	.depth = 1,
	.features_of = console_features,
	.owner_rings = true,
	.create = console_create,
	.serve = console_serve,
	.pull = console_pull,
	.events = console_events,
	.here = console_here,
};
