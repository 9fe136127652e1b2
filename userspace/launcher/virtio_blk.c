// SPDX-License-Identifier: GPL-2.0-only
/* virtio-blk: what is behind a disk, and its configuration (virtio 1.2, 5.2.4). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "virtio.h"

#define SECTOR		512
#define SEGMENTS	126		/* with header and status, what the rings take */
#define TRIM_RANGES	16

static int open_disk(struct virtio *v, const struct disk_option *o, struct fault *f)
{
	int flags = (o->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;

	v->backend = open(o->path, flags | (o->direct ? O_DIRECT : 0));
	if (v->backend >= 0)
		return 0;
	if (errno == EINVAL && o->direct)
		return fault_set(f, o->path, "its file system has no direct I/O",
				 "leave out \"direct\"", errno);
	return fault_set(f, o->path, "cannot open the disk", "is the path right? see -d", errno);
}

static int measure(int fd, __u64 *bytes, __u32 *block)
{
	struct stat st;
	int size = SECTOR;

	*block = SECTOR;
	if (fstat(fd, &st))
		return -1;
	*bytes = st.st_size;
	if (!S_ISBLK(st.st_mode))
		return 0;
	if (!ioctl(fd, BLKSSZGET, &size) && size >= SECTOR)
		*block = size;
	return ioctl(fd, BLKGETSIZE64, bytes);
}

void virtio_blk_config(struct virtio_blk_config *c, __u64 sectors, __u32 block,
		       unsigned int queues, unsigned int ranges)
{
	c->capacity = sectors;
	c->seg_max = SEGMENTS;
	c->blk_size = block;
	c->num_queues = queues;
	c->max_discard_sectors = 1u << 22;
	c->max_discard_seg = ranges;
	c->discard_sector_alignment = block / SECTOR;
	c->max_write_zeroes_sectors = 1u << 22;
	c->max_write_zeroes_seg = ranges;
	c->write_zeroes_may_unmap = 1;
}

int virtio_blk_init(struct virtio *v, const struct disk_option *o,
		    struct lodge_create_virtio *create, struct fault *f)
{
	__u64 bytes;
	__u32 block;

	if (open_disk(v, o, f))
		return -1;
	if (measure(v->backend, &bytes, &block))
		return fault_set(f, o->path, "cannot tell its size", NULL, errno);
	v->id = LODGE_VIRTIO_BLK;
	v->rings = o->queues;
	v->config_bytes = sizeof(struct virtio_blk_config);
	virtio_blk_config((struct virtio_blk_config *)v->config, bytes / SECTOR, block, o->queues,
			  TRIM_RANGES);
	create->sectors = bytes / SECTOR;
	create->rate_ops = o->rate.ops;
	create->rate_bytes = o->rate.bytes;
	create->flags = o->readonly ? LODGE_VIRTIO_READONLY : 0;
	memcpy(create->serial, o->serial, sizeof(create->serial));
	return 0;
}
