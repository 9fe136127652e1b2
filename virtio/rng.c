// SPDX-License-Identifier: GPL-2.0-only
/* Entropy device (virtio 1.2, 5.4). */
#include <linux/random.h>

#include "virtio.h"

/* A driver that wants more may ask again. */
#define MAX_BYTES	1024u

static long rng_serve(struct lodge_queue *queue, struct lodge_vreq *req)
{
	struct lodge_chain *chain = &req->chain;
	u32 done = 0, now, room = min(chain->writable, MAX_BYTES);
	u8 bytes[64];

	iov_iter_init(&req->iter, ITER_DEST, chain->iov + chain->outs, chain->ins, room);
	for (; done < room; done += now) {
		now = min_t(u32, room - done, sizeof(bytes));
		get_random_bytes(bytes, now);
		if (copy_to_iter(bytes, now, &req->iter) != now)
			break;
	}
	memzero_explicit(bytes, sizeof(bytes));
	return done;
}

static bool rng_here(const struct lodge_queue *queue)
{
	return true;
}

const struct lodge_virtio_ops lodge_virtio_rng = {
	.id = LODGE_VIRTIO_RNG,
	.max_queues = 1,
	.depth = 1,
	.serve = rng_serve,
	.here = rng_here,
};
