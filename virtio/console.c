// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console (virtio 1.2, 5.3) of one port on a terminal or another character
 * device that was opened for non-blocking I/O.
 */
#include <linux/fs.h>
#include <linux/poll.h>

#include "virtio.h"

#define MAX_BYTES	65536u

static int console_create(struct lodge_virtio *dev, const struct lodge_create_virtio *args)
{
	int ret = lodge_virtio_need_stream(dev->backend);

	if (ret)
		return ret;
	if (dev->count != 2)
		return -EINVAL;
	dev->queue[0].pull = true;
	return 0;
}

static __poll_t console_events(const struct lodge_queue *queue)
{
	return queue->pull ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM;
}

static int console_pull(struct lodge_queue *queue)
{
	struct file *file = queue->dev->backend;
	struct lodge_vreq *req;
	ssize_t ret = lodge_queue_pop(queue, &req);

	if (ret <= 0)
		return ret;
	if (req->chain.outs || !req->chain.writable)
		return -EPROTO;
	init_sync_kiocb(&req->kiocb, file);
	iov_iter_init(&req->iter, ITER_DEST, req->chain.iov, req->chain.ins,
		      min(req->chain.writable, MAX_BYTES));
	ret = file->f_op->read_iter(&req->kiocb, &req->iter);
	if (ret > 0)
		return lodge_queue_push(queue, req, ret) ?: 1;
	/* Nothing there, or nobody at the other end: when there is, we are woken. */
	lodge_queue_unpop(queue, req);
	return -EAGAIN;
}

/* What was written of a chain is remembered while the rest has to wait. */
static long console_serve(struct lodge_queue *queue, struct lodge_vreq *req)
{
	struct file *file = queue->dev->backend;
	ssize_t ret = 0;

	iov_iter_init(&req->iter, ITER_SOURCE, req->chain.iov, req->chain.outs,
		      req->chain.readable);
	iov_iter_advance(&req->iter, min_t(size_t, queue->done_bytes, req->chain.readable));
	while (iov_iter_count(&req->iter)) {
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
	.max_queues = 2,
	.depth = 1,
	.create = console_create,
	.serve = console_serve,
	.pull = console_pull,
	.events = console_events,
	.here = console_here,
};
