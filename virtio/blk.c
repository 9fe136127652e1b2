// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block device (virtio 1.2, 5.2) on a regular file or a block device. Data goes
 * between the file and guest memory without a copy of ours, asynchronously
 * where the file was opened for direct I/O.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/uaccess.h>
#include <uapi/linux/virtio_blk.h>

#include "../module/lodge.h"
#include "virtio.h"

#define SECTOR		512u
#define MAX_RANGES	16	/* of one discard; announced by the launcher */

/* 5.2.6: virtio_blk_req's beginning, and virtio_blk_discard_write_zeroes */
struct blk_header {
	u32 type;
	u32 reserved;
	u64 sector;
};

struct blk_range {
	u64 sector;
	u32 num_sectors;
	u32 flags;
};

#define READ_FEATURES	(BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | \
			 BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | \
			 BIT_ULL(VIRTIO_BLK_F_MQ))
#define TRIM_FEATURES	(BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES))

static int blk_create(struct lodge_virtio *dev, const struct lodge_create_virtio *args)
{
	struct file *file = dev->backend;
	fmode_t need = FMODE_CAN_READ;
	umode_t mode;

	if (!file)
		return -EBADF;
	mode = file_inode(file)->i_mode;
	if (!S_ISREG(mode) && !S_ISBLK(mode))
		return -EINVAL;
	if (!(args->flags & LODGE_VIRTIO_READONLY))
		need |= FMODE_CAN_WRITE;
	if ((file->f_mode & need) != need || !file->f_op->read_iter ||
	    (need & FMODE_CAN_WRITE && !file->f_op->write_iter))
		return -EBADF;
	if (args->sectors > LLONG_MAX / SECTOR)
		return -EINVAL;
	dev->blk.sectors = args->sectors;
	memcpy(dev->blk.serial, args->serial, sizeof(dev->blk.serial));
	return 0;
}

/* Requests to a block device's driver wait for nothing but room among others. */
static bool is_direct_bdev(const struct lodge_virtio *dev)
{
	return S_ISBLK(file_inode(dev->backend)->i_mode) && dev->backend->f_flags & O_DIRECT;
}

/* Or for data that is in the page cache; without it no file may be asked. */
static bool blk_here(const struct lodge_queue *queue)
{
	const struct file *file = queue->dev->backend;

	return is_direct_bdev(queue->dev) ||
	       (file->f_mode & FMODE_NOWAIT && !(file->f_flags & O_DIRECT));
}

static u64 blk_features(const struct lodge_virtio *dev)
{
	if (dev->flags & LODGE_VIRTIO_READONLY)
		return READ_FEATURES | BIT_ULL(VIRTIO_BLK_F_RO);
	return READ_FEATURES | (dev->backend->f_op->fallocate ? TRIM_FEATURES : 0);
}

/* The last byte that the device may write (5.2.6). The result of serve(). */
static u32 finish(struct lodge_vreq *req, u32 written, int error)
{
	const struct iovec *last = &req->chain.iov[req->chain.outs + req->chain.ins - 1];
	u8 status = VIRTIO_BLK_S_OK;

	if (error)
		status = error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
	/* Where memory is gone nobody misses the status. */
	if (put_user(status, (u8 __user *)last->iov_base + last->iov_len - 1))
		return 0;
	return error ? 1 : written + 1;
}

static bool on_disk(const struct lodge_virtio *dev, u64 sector, u64 count)
{
	return count <= dev->blk.sectors && sector <= dev->blk.sectors - count;
}

static bool is_write(const struct lodge_vreq *req)
{
	return req->kiocb.ki_flags & IOCB_WRITE;
}

static u32 data_bytes(const struct lodge_vreq *req)
{
	return is_write(req) ? req->chain.readable - sizeof(struct blk_header) :
	       req->chain.writable - 1;
}

static u32 blk_finish(struct lodge_vreq *req)
{
	u32 bytes = data_bytes(req);

	return finish(req, is_write(req) ? 0 : bytes, req->result == bytes ? 0 : -EIO);
}

static void completed(struct kiocb *kiocb, long result)
{
	struct lodge_vreq *req = container_of(kiocb, struct lodge_vreq, kiocb);

	if (is_write(req))
		kiocb_end_write(kiocb);
	lodge_vreq_complete(req, result);
}

/* Without VIRTIO_BLK_F_FLUSH a write is stable once it is done (5.2.6.2). */
static void prepare(struct lodge_vreq *req, struct file *file, u64 sector, bool write)
{
	init_sync_kiocb(&req->kiocb, file);
	req->kiocb.ki_pos = sector * SECTOR;
	req->kiocb.ki_complete = completed;
	if (write)
		req->kiocb.ki_flags |= IOCB_WRITE;
	if (write && !lodge_virtio_has(req->queue->dev, VIRTIO_BLK_F_FLUSH))
		req->kiocb.ki_flags |= IOCB_DSYNC;
}

/* @req->iter is at the data. */
static long read_write(struct lodge_vreq *req, u64 sector, bool write)
{
	struct lodge_virtio *dev = req->queue->dev;
	bool cached;
	u32 bytes;
	long ret;

	prepare(req, dev->backend, sector, write);
	bytes = data_bytes(req);
	if (bytes % SECTOR || !on_disk(dev, sector, bytes / SECTOR))
		return finish(req, 0, -EIO);
	if (write && dev->flags & LODGE_VIRTIO_READONLY)
		return finish(req, 0, -EIO);
	if (!bytes)
		return finish(req, 0, 0);
	iov_iter_truncate(&req->iter, bytes);
	cached = req->queue->here && !is_direct_bdev(dev);
	if (cached)
		req->kiocb.ki_flags |= IOCB_NOWAIT;
	if (write)
		ret = lodge_start_write(dev->backend, &req->kiocb, &req->iter);
	else
		ret = vfs_iocb_iter_read(dev->backend, &req->kiocb, &req->iter);
	if (ret == -EIOCBQUEUED)
		return ret;
	if (cached && ret != bytes)
		return -EAGAIN;
	req->result = ret;
	return blk_finish(req);
}

/* On a vCPU's thread reads of what is at hand, and what is only submitted. */
static bool is_for_here(const struct lodge_virtio *dev, u32 type)
{
	return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ||
	       (type == VIRTIO_BLK_T_OUT && is_direct_bdev(dev) &&
		lodge_virtio_has(dev, VIRTIO_BLK_F_FLUSH));
}

static int flush(struct lodge_virtio *dev)
{
	return dev->flags & LODGE_VIRTIO_READONLY ? 0 : vfs_fsync(dev->backend, 1);
}

static int trim_range(struct lodge_virtio *dev, const struct blk_range *range,
		      bool zeroes)
{
	loff_t start = range->sector * SECTOR, bytes = (loff_t)range->num_sectors * SECTOR;
	int ret = -EOPNOTSUPP;

	/* Discard has no flags; write zeroes has one (5.2.6.2). */
	if (range->flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0))
		return -EOPNOTSUPP;
	if (!on_disk(dev, range->sector, range->num_sectors))
		return -EIO;
	if (!bytes)
		return 0;
	if (zeroes && !(range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
		ret = vfs_fallocate(dev->backend, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    start, bytes);
	if (ret == -EOPNOTSUPP)
		ret = vfs_fallocate(dev->backend, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    start, bytes);
	return ret;
}

/* @req->iter is at the ranges. */
static int trim(struct lodge_vreq *req, bool zeroes)
{
	struct blk_range range[MAX_RANGES];
	size_t bytes = iov_iter_count(&req->iter);
	struct lodge_virtio *dev = req->queue->dev;
	int ret = 0, i;

	if (!lodge_virtio_has(dev, zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD))
		return -EOPNOTSUPP;
	if (!bytes || bytes > sizeof(range) || bytes % sizeof(range[0]) ||
	    !copy_from_iter_full(range, bytes, &req->iter))
		return -EIO;
	for (i = 0; i < bytes / sizeof(range[0]) && !ret; i++)
		ret = trim_range(dev, &range[i], zeroes);
	return ret;
}

static u32 get_id(struct lodge_vreq *req)
{
	struct lodge_virtio *dev = req->queue->dev;
	u32 bytes = min_t(u32, req->chain.writable - 1, sizeof(dev->blk.serial));

	iov_iter_truncate(&req->iter, bytes);
	if (copy_to_iter(dev->blk.serial, bytes, &req->iter) != bytes)
		return finish(req, 0, -EIO);
	return finish(req, bytes, 0);
}

static void data_in(struct lodge_vreq *req)
{
	struct lodge_chain *chain = &req->chain;

	iov_iter_init(&req->iter, ITER_DEST, chain->iov + chain->outs, chain->ins,
		      chain->writable);
}

/* A driver puts it in one piece, as a rule. */
static bool get_header(struct lodge_vreq *req, struct blk_header *header)
{
	const struct iovec *iov = req->chain.iov;

	iov_iter_init(&req->iter, ITER_SOURCE, iov, req->chain.outs, req->chain.readable);
	if (unlikely(iov->iov_len < sizeof(*header)))
		return copy_from_iter_full(header, sizeof(*header), &req->iter);
	iov_iter_advance(&req->iter, sizeof(*header));
	return !copy_from_user(header, iov->iov_base, sizeof(*header));
}

static long blk_serve(struct lodge_queue *queue, struct lodge_vreq *req)
{
	struct lodge_chain *chain = &req->chain;
	struct blk_header header;

	/* Neither a header nor room for a status: nothing can be said at all. */
	if (chain->readable < sizeof(header) || !chain->writable)
		return -EPROTO;
	if (!get_header(req, &header))
		return finish(req, 0, -EIO);
	if (queue->here && !is_for_here(queue->dev, header.type))
		return -EAGAIN;
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		data_in(req);
		return read_write(req, header.sector, false);
	case VIRTIO_BLK_T_OUT:
		return read_write(req, header.sector, true);
	case VIRTIO_BLK_T_FLUSH:
		return finish(req, 0, flush(queue->dev));
	case VIRTIO_BLK_T_GET_ID:
		data_in(req);
		return get_id(req);
	case VIRTIO_BLK_T_DISCARD:
		return finish(req, 0, trim(req, false));
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return finish(req, 0, trim(req, true));
	default:
		return finish(req, 0, -EOPNOTSUPP);
	}
}

const struct lodge_virtio_ops lodge_virtio_blk = {
	.id = LODGE_VIRTIO_BLK,
	.max_queues = LODGE_MAX_RINGS,
	.depth = LODGE_QUEUE_DEPTH,
	.create = blk_create,
	.features_of = blk_features,
	.serve = blk_serve,
	.finish = blk_finish,
	.here = blk_here,
};
