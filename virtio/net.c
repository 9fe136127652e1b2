// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network device (virtio 1.2, 5.1) on a tap that hands out virtio_net headers
 * of HEADER bytes, as the device's own: checksums and segmentation are between
 * the guest and the tap, whose offloads the owner sets. A Unix socket of packets
 * does as well: what is at its other end may be anything, another guest's device
 * for one. Without a back end it is as if the cable was pulled.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio_byteorder.h>
#include <uapi/linux/if_ether.h>
#include <uapi/linux/virtio_net.h>

#include "virtio.h"

#define HEADER		sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define LARGEST		(HEADER + ETH_HLEN + 4 + 65535)
#define GATHER_IOVS	256

#define FEATURES (BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) |	\
		  BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) |	\
		  BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4) |	\
		  BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_ECN) |	\
		  BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | BIT_ULL(VIRTIO_NET_F_MAC) |		\
		  BIT_ULL(VIRTIO_NET_F_STATUS) | BIT_ULL(VIRTIO_NET_F_MTU))

/*
 * The size of a packet is known once it was read. So chains that hold the
 * largest are kept ready, and those it did not need serve the next: @count of
 * @req from @first on, whose memory is @bytes in @iovs of @iov from @first_iov on.
 */
struct lodge_net_rx {
	u32 first;
	u32 count;
	u32 first_iov;
	u32 iovs;
	u32 bytes;
	struct lodge_vreq *req[LODGE_QUEUE_DEPTH];
	struct iovec iov[GATHER_IOVS];
};

/* The back end of @pair, a reference; the first's has no number in @fds. */
static struct file *get_tap(const struct lodge_virtio *dev, u64 fds, u32 pair)
{
	s32 __user *user = u64_to_user_ptr(fds);
	s32 fd;

	if (!pair)
		return dev->backend ? get_file(dev->backend) : NULL;
	return get_user(fd, user + pair - 1) ? NULL : fget(fd);
}

static int create_pair(struct lodge_virtio *dev, u64 fds, u32 pair)
{
	struct lodge_queue *queue = &dev->queue[pair * 2];
	struct file *tap = get_tap(dev, fds, pair);
	struct lodge_net_rx *rx;

	/* The first one's may come later. */
	if (!tap && pair)
		return -EBADF;
	queue[0].backend = tap;
	queue[1].backend = tap ? get_file(tap) : NULL;
	if (tap && lodge_virtio_need_stream(tap))
		return -EBADF;
	queue[0].pull = true;
	rx = kzalloc(sizeof(*rx), GFP_KERNEL_ACCOUNT);
	queue[0].priv = rx;
	return rx ? 0 : -ENOMEM;
}

/* Pairs, and the control ring, which is its owner's, as are the taps. */
static int net_create(struct lodge_virtio *dev, const struct lodge_create_virtio *args)
{
	u32 pairs = dev->count / 2, i;
	int ret = 0;

	if (!pairs || dev->count % 2 != !!dev->event || (pairs > 1 && !dev->event))
		return -EINVAL;
	for (i = 0; i < pairs && !ret; i++)
		ret = create_pair(dev, args->fds, i);
	return ret;
}

static u64 net_features(const struct lodge_virtio *dev)
{
	return FEATURES | (dev->event ? BIT_ULL(VIRTIO_NET_F_CTRL_VQ) |
					BIT_ULL(VIRTIO_NET_F_MQ) : 0);
}

static __poll_t net_events(const struct lodge_queue *queue)
{
	return queue->pull ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM;
}

static void prepare(struct lodge_vreq *req, struct file *tap)
{
	init_sync_kiocb(&req->kiocb, tap);
	req->kiocb.ki_flags |= IOCB_NOWAIT;
}

/* A packet that the tap does not take is lost, as on any network. */
static long transmit(struct lodge_queue *queue, struct lodge_vreq *req)
{
	struct file *tap = queue->backend;
	ssize_t ret;

	if (req->chain.readable < HEADER || req->chain.readable > LARGEST)
		return req->chain.readable < HEADER ? -EPROTO : 0;
	if (!tap)
		return 0;
	prepare(req, tap);
	iov_iter_init(&req->iter, ITER_SOURCE, req->chain.iov, req->chain.outs,
		      req->chain.readable);
	ret = tap->f_op->write_iter(&req->kiocb, &req->iter);
	return ret == -EAGAIN ? -EAGAIN : 0;
}

/* For another chain, behind those that are kept; they move when they have come to the end. */
static bool has_room(struct lodge_net_rx *rx)
{
	if (rx->iovs + LODGE_CHAIN_IOVS > GATHER_IOVS)
		return false;
	if (rx->first + rx->count == LODGE_QUEUE_DEPTH ||
	    rx->first_iov + rx->iovs + LODGE_CHAIN_IOVS > GATHER_IOVS) {
		memmove(rx->req, rx->req + rx->first, rx->count * sizeof(rx->req[0]));
		memmove(rx->iov, rx->iov + rx->first_iov, rx->iovs * sizeof(rx->iov[0]));
		rx->first = 0;
		rx->first_iov = 0;
	}
	return true;
}

static void keep(struct lodge_net_rx *rx, struct lodge_vreq *req)
{
	const struct lodge_chain *chain = &req->chain;

	memcpy(&rx->iov[rx->first_iov + rx->iovs], chain->iov, chain->ins * sizeof(rx->iov[0]));
	rx->iovs += chain->ins;
	rx->bytes += chain->writable;
	rx->req[rx->first + rx->count++] = req;
}

static struct lodge_vreq *take_first(struct lodge_net_rx *rx)
{
	struct lodge_vreq *req = rx->req[rx->first++];

	rx->count--;
	rx->first_iov += req->chain.ins;
	rx->iovs -= req->chain.ins;
	rx->bytes -= req->chain.writable;
	return req;
}

/* Without mergeable buffers each packet has to fit one chain. 0 or -errno */
static int gather(struct lodge_queue *queue, struct lodge_net_rx *rx)
{
	bool merge = lodge_virtio_has(queue->dev, VIRTIO_NET_F_MRG_RXBUF);
	struct lodge_vreq *req;
	int ret;

	while (rx->bytes < (merge ? LARGEST : 1) && has_room(rx)) {
		ret = lodge_queue_pop(queue, &req);
		if (ret <= 0)
			return ret == -EAGAIN ? 0 : ret;
		/* Room for a header, and nothing for the device to read. */
		if (req->chain.outs || req->chain.writable < HEADER)
			return -EPROTO;
		keep(rx, req);
	}
	return 0;
}

static int set_buffers(struct lodge_net_rx *rx, struct iov_iter *iter, u32 buffers)
{
	size_t at = offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);
	struct iovec *iov = rx->iov + rx->first_iov;
	u16 value = buffers;

	if (likely(iov->iov_len >= HEADER))
		return put_user(value, (u16 __user *)(iov->iov_base + at));
	iov_iter_init(iter, ITER_DEST, iov, rx->iovs, HEADER);
	iov_iter_advance(iter, at);
	return copy_to_iter(&value, sizeof(value), iter) == sizeof(value) ? 0 : -EFAULT;
}

/* The features that a packet with this header asks of its receiver; ~0: it means nothing. */
static u64 wants(const struct virtio_net_hdr *h, u32 payload)
{
	bool csum = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	u64 bits = h->flags ? BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) : 0;
	u32 csum_end = __virtio16_to_cpu(true, h->csum_start) +
		       __virtio16_to_cpu(true, h->csum_offset) + 2;

	if (h->flags & ~(VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID) ||
	    (csum && csum_end > payload))
		return ~0ull;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return bits;
	if (!csum || !h->gso_size || __virtio16_to_cpu(true, h->hdr_len) > payload)
		return ~0ull;
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		bits |= BIT_ULL(VIRTIO_NET_F_GUEST_ECN);
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return bits | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return bits | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6);
	default:
		return ~0ull;
	}
}

/* A tap's headers are the host's own; at the other end of a socket may be anybody. */
static bool acceptable(const struct lodge_queue *queue, const struct lodge_net_rx *rx, u32 bytes)
{
	struct virtio_net_hdr h;
	struct iov_iter iter;

	if (!sock_from_file(queue->backend))
		return true;
	iov_iter_init(&iter, ITER_SOURCE, rx->iov + rx->first_iov, rx->iovs, HEADER);
	return copy_from_iter(&h, sizeof(h), &iter) == sizeof(h) &&
	       !(wants(&h, bytes - HEADER) & ~queue->dev->features);
}

/* The packet of @bytes is in the first chains: give those back. */
static int deliver(struct lodge_queue *queue, struct lodge_net_rx *rx, u32 bytes)
{
	u32 used = 0, left, now;
	struct lodge_vreq *req;
	struct iov_iter iter;
	int ret;

	for (left = bytes; left; used++)
		left -= min(left, rx->req[rx->first + used]->chain.writable);
	ret = set_buffers(rx, &iter, used);
	for (left = bytes; left && !ret; left -= now) {
		req = take_first(rx);
		now = min(left, req->chain.writable);
		ret = lodge_queue_push(queue, req, now);
	}
	return ret;
}

static int net_pull(struct lodge_queue *queue)
{
	struct file *tap = queue->backend;
	struct lodge_net_rx *rx = queue->priv;
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t ret = gather(queue, rx);

	if (ret || !rx->count)
		return ret;
	if (!tap)
		return -EAGAIN;
	init_sync_kiocb(&kiocb, tap);
	kiocb.ki_flags |= IOCB_NOWAIT;
	iov_iter_init(&iter, ITER_DEST, rx->iov + rx->first_iov, rx->iovs, rx->bytes);
	ret = tap->f_op->read_iter(&kiocb, &iter);
	if (ret == -EAGAIN)
		return -EAGAIN;
	/* A back end that is gone has no more. */
	if (ret <= 0)
		return -EAGAIN;
	/* What fills all there is was most likely cut off. */
	if (ret < HEADER || ret == rx->bytes || !acceptable(queue, rx, ret))
		return 1;
	return deliver(queue, rx, ret) ?: 1;
}

/* In reverse, so that the ring is as if they had never been taken. */
static void net_release(struct lodge_queue *queue)
{
	struct lodge_net_rx *rx = queue->priv;

	if (!rx)
		return;
	while (rx->count)
		lodge_queue_unpop(queue, rx->req[rx->first + --rx->count]);
	rx->iovs = 0;
	rx->bytes = 0;
}

static bool net_here(const struct lodge_queue *queue)
{
	return !queue->pull;
}

const struct lodge_virtio_ops lodge_virtio_net = {
	.id = LODGE_VIRTIO_NET,
	.max_queues = LODGE_MAX_RINGS,
	.depth = LODGE_QUEUE_DEPTH,
	.features_of = net_features,
	.owner_rings = true,
	.create = net_create,
	.serve = transmit,
	.pull = net_pull,
	.release = net_release,
	.events = net_events,
	.here = net_here,
};
