// SPDX-License-Identifier: GPL-2.0-only
/* Devices behind which there are programs: qemu-nbd and diod, if there are. */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ktap.h"
#include "virtio_user.h"

#define IMAGE		"build/test.qcow2"
#define FOLDER		"build/test-folder"
#define BYTES		65536

static struct virtio device;
static __u8 out[2 * BYTES], in[2 * BYTES];
static unsigned int out_bytes, in_bytes;
static bool available, given;
static __u32 written;

/* What the kernel would do: one chain, in pieces of which none is aligned. */

static unsigned int cut(struct lodge_iov *iov, __u8 *at, unsigned int bytes)
{
	unsigned int n = 0, piece;

	for (piece = 13; bytes; piece = 7001, n++) {
		piece = piece > bytes ? bytes : piece;
		iov[n] = (struct lodge_iov){ (unsigned long)at, piece };
		at += piece;
		bytes -= piece;
	}
	return n;
}

int lodge_ring_take(int dev, struct lodge_ring_chain *chain)
{
	struct lodge_iov *iov = (void *)(unsigned long)chain->iovs;

	(void)dev;
	if (!available || chain->ring)
		return -EAGAIN;
	available = false;
	chain->outs = cut(iov, out, out_bytes);
	chain->ins = cut(iov + chain->outs, in, in_bytes);
	return 0;
}

int lodge_ring_give(int dev, const struct lodge_ring_chain *chain)
{
	(void)dev;
	given = true;
	written = chain->written;
	return 0;
}

int lodge_virtio_reset(int dev)
{
	(void)dev;
	return 0;
}

void virtio_broke(struct virtio *v)
{
	(void)v;
}

void virtio_config_changed(struct virtio *v)
{
	(void)v;
}

/* Five seconds for the chain to come back. */
static bool serve(unsigned int outs, unsigned int ins)
{
	struct epoll_event event[4];
	int n, i, turns;

	out_bytes = outs;
	in_bytes = ins;
	available = true;
	given = false;
	device.user->serve(&device);
	for (turns = 0; turns < 50 && !given; turns++) {
		n = epoll_wait(device.epoll, event, 4, 100);
		for (i = 0; i < n; i++)
			if (event[i].data.ptr)
				device.user->ready(&device, event[i].data.ptr, event[i].events);
	}
	return given;
}

static void end(void)
{
	virtio_user_destroy(&device);
	close(device.backend);
}

/* The status, or -1: the request did not come back. */
static int request(__u32 type, __u64 sector, unsigned int data, unsigned int room)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };

	memcpy(out, &header, sizeof(header));
	in[room] = 0xee;
	return serve(sizeof(header) + data, room + 1) ? in[room] : -1;
}

static void image(void)
{
	static struct disk_option option = { .path = IMAGE, .format = "qcow2", .serial = "S" };
	struct virtio_blk_discard_write_zeroes range = { .sector = 8, .num_sectors = 8 };
	struct fault f;
	int i;

	if (system("qemu-img create -q -f qcow2 " IMAGE " 4M"))
		return;
	memset(&device, 0, sizeof(device));
	CHECK(!virtio_nbd_init(&device, &option, &f));
	device.picked = ~0ull;
	CHECK(((struct virtio_blk_config *)device.config)->capacity == 8192);
	for (i = 0; i < BYTES; i++)
		out[sizeof(struct virtio_blk_outhdr) + i] = i * 7 + (i >> 8);
	CHECK(request(VIRTIO_BLK_T_OUT, 3, BYTES, 0) == VIRTIO_BLK_S_OK && written == 1);
	CHECK(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0) == VIRTIO_BLK_S_OK);
	CHECK(request(VIRTIO_BLK_T_IN, 3, 0, BYTES) == VIRTIO_BLK_S_OK && written == BYTES + 1);
	CHECK(!memcmp(in, out + sizeof(struct virtio_blk_outhdr), BYTES));
	memcpy(out + sizeof(struct virtio_blk_outhdr), &range, sizeof(range));
	CHECK(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof(range), 0) == VIRTIO_BLK_S_OK);
	CHECK(request(VIRTIO_BLK_T_IN, 8, 0, 512) == VIRTIO_BLK_S_OK && !in[0] && !in[511]);
	CHECK(request(VIRTIO_BLK_T_GET_ID, 0, 0, 20) == VIRTIO_BLK_S_OK && in[0] == 'S');
	CHECK(request(VIRTIO_BLK_T_IN, 8191, 0, 1024) == VIRTIO_BLK_S_IOERR);
	CHECK(request(VIRTIO_BLK_T_IN, ~0ull, 0, 512) == VIRTIO_BLK_S_IOERR);
	CHECK(request(VIRTIO_BLK_T_OUT, 0, 511, 0) == VIRTIO_BLK_S_IOERR);
	CHECK(request(99, 0, 0, 0) == VIRTIO_BLK_S_UNSUPP && serve(3, 1) && serve(16, 0));
	/* An answer to what was asked before a reset goes nowhere. */
	in_bytes = BYTES + 1;
	out_bytes = sizeof(struct virtio_blk_outhdr);
	memset(out, 0, out_bytes);
	memset(in, 0xaa, sizeof(in));
	available = true;
	device.user->serve(&device);
	virtio_user_reset(&device);
	CHECK(request(VIRTIO_BLK_T_GET_ID, 0, 0, 1) == VIRTIO_BLK_S_OK && in[2] == 0xaa);
	CHECK(request(VIRTIO_BLK_T_IN, 3, 0, 512) == VIRTIO_BLK_S_OK && in[513] == 0xaa);
	end();
}

static unsigned int message(__u8 type, __u16 tag, const void *body, unsigned int bytes)
{
	put_le32(out, 7 + bytes);
	out[4] = type;
	put_le16(out + 5, tag);
	memcpy(out + 7, body, bytes);
	return 7 + bytes;
}

/* One answer of @type */
static bool answered(unsigned int outs, __u8 type)
{
	return serve(outs, 8192) && written >= 7 && get_le32(in) == written && in[4] == type;
}

static void folder(void)
{
	static struct share_option option = { .path = FOLDER, .tag = "t", .readonly = true };
	static const char version[] = "\0\0\1\0\10\0009P2000.L";
	static const char attach[] = "\1\0\0\0\377\377\377\377\6\0nobody\0\0\377\377\377\377";
	static const char walk[] = "\1\0\0\0\2\0\0\0\1\0\4\0file";
	static const char make[] = "\1\0\0\0\3\0new\0\0\0\0\377\1\0\0\0\0\0\0";
	struct fault f;

	if (access("/usr/sbin/diod", X_OK) ||
	    system("mkdir -p " FOLDER "; echo text >" FOLDER "/file"))
		return;
	memset(&device, 0, sizeof(device));
	CHECK(!virtio_share_init(&device, &option, &f));
	virtio_user_reset(&device);
	CHECK(answered(message(100, 0xffff, version, sizeof(version) - 1), 101));
	CHECK(answered(message(104, 1, attach, sizeof(attach) - 1), 105));
	CHECK(answered(message(110, 2, walk, sizeof(walk) - 1), 111));
	CHECK(answered(message(12, 3, "\2\0\0\0\0\0\0\0", 8), 13));
	CHECK(answered(message(116, 4, "\2\0\0\0\0\0\0\0\0\0\0\0\100\0\0\0", 16), 117));
	CHECK(get_le32(in + 7) == 5 && !memcmp(in + 11, "text\n", 5));
	CHECK(answered(message(14, 5, make, sizeof(make) - 1), 7) && access(FOLDER "/new", F_OK));
	/* What is no message comes back empty, and the others go on. */
	put_le32(out, 5);
	CHECK(serve(100, 100) && !written);
	put_le32(out, 200);
	CHECK(serve(100, 100) && !written && serve(3, 0) && serve(0, 100));
	CHECK(answered(message(116, 6, "\2\0\0\0\0\0\0\0\0\0\0\0\100\0\0\0", 16), 117));
	end();
}

static const struct test tests[] = {
	{ "an image behind qemu-nbd", image },
	{ "a folder behind diod", folder },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
