// SPDX-License-Identifier: GPL-2.0-only
/* virtio-vsock between a driver that is played here and real Unix sockets. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ktap.h"
#include "virtio_user.h"

#define HEADER		sizeof(struct virtio_vsock_hdr)
#define CID		7
#define ALLOC		1000u
#define PACKETS		64
#define PATH		"build/test-vsock"

struct packet {
	struct virtio_vsock_hdr h;
	__u8 data[4096];
};

static struct virtio device;
static struct packet sent[1];		/* by the driver */
static bool has_sent;
static struct packet got[PACKETS];	/* by the driver */
static unsigned int room, filled;

/* What the kernel would do */

int lodge_ring_take(int dev, struct lodge_ring_chain *chain)
{
	struct lodge_iov *iov = (void *)(unsigned long)chain->iovs;

	(void)dev;
	if (chain->ring == 1 && has_sent) {
		has_sent = false;
		chain->outs = 2;
		iov[0] = (struct lodge_iov){ (unsigned long)&sent->h, HEADER };
		iov[1] = (struct lodge_iov){ (unsigned long)sent->data, sent->h.len };
		return 0;
	}
	if (chain->ring || room == PACKETS)
		return -EAGAIN;
	chain->id = room;
	chain->ins = 2;
	iov[0] = (struct lodge_iov){ (unsigned long)&got[room].h, HEADER };
	iov[1] = (struct lodge_iov){ (unsigned long)got[room].data, sizeof(got[0].data) };
	room++;
	return 0;
}

int lodge_ring_give(int dev, const struct lodge_ring_chain *chain)
{
	(void)dev;
	if (!chain->ring)
		filled = chain->id + 1;
	return 0;
}

int lodge_ring_kick(int dev, __u32 ring)
{
	(void)dev;
	(void)ring;
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

/* Lets the device do what it can. */
static void turn(void)
{
	struct epoll_event event[16];
	int n, i, turns;

	device.user->serve(&device);
	for (turns = 0; turns < 20; turns++) {
		n = epoll_wait(device.epoll, event, 16, 10);
		for (i = 0; i < n; i++)
			if (event[i].data.ptr)
				device.user->ready(&device, event[i].data.ptr, event[i].events);
		if (!n)
			break;
	}
}

static void tell(__u16 op, __u32 port, const char *data, __u32 taken)
{
	sent->h = (struct virtio_vsock_hdr){
		.src_cid = CID, .dst_cid = 2, .src_port = 1234, .dst_port = port,
		.len = data ? strlen(data) : 0, .type = VIRTIO_VSOCK_TYPE_STREAM, .op = op,
		.buf_alloc = ALLOC, .fwd_cnt = taken,
		.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? 3 : 0,
	};
	if (data)
		memcpy(sent->data, data, sent->h.len);
	has_sent = true;
	turn();
}

/* The next packet that the driver finds is @op. */
static unsigned int seen;
static struct packet *next(__u16 op)
{
	struct packet *p = &got[seen];

	if (seen == filled || p->h.op != op || p->h.src_cid != 2 || p->h.dst_cid != CID)
		return NULL;
	seen++;
	return p;
}

static int unix_socket(const char *path, bool listening)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	if (listening)
		unlink(path);
	if (listening ? bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 8) :
	    connect(fd, (void *)&addr, sizeof(addr)))
		return -1;
	return fd;
}

static bool reads(int fd, const char *want)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[64] = "";
	ssize_t bytes;

	if (poll(&p, 1, 1000) != 1)
		return false;
	bytes = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	return bytes == (ssize_t)strlen(want) && !strcmp(text, want);
}

static void begin(void)
{
	static const struct vsock_option option = { .cid = CID, .path = PATH };
	struct fault f;

	memset(&device, 0, sizeof(device));
	device.fd = -1;
	has_sent = false;
	room = 0;
	filled = 0;
	seen = 0;
	unlink(PATH);
	CHECK(!virtio_vsock_init(&device, &option, &f));
}

static void end(void)
{
	virtio_user_destroy(&device);
	close(device.backend);
	CHECK(access(PATH, F_OK));
}

static void from_guest(void)
{
	int listener = unix_socket(PATH "_5000", true), fd;
	struct packet *p;

	begin();
	tell(VIRTIO_VSOCK_OP_REQUEST, 5001, NULL, 0);
	CHECK((p = next(VIRTIO_VSOCK_OP_RST)) && p->h.src_port == 5001 && p->h.dst_port == 1234);
	tell(VIRTIO_VSOCK_OP_REQUEST, 5000, NULL, 0);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0 && (p = next(VIRTIO_VSOCK_OP_RESPONSE)) && p->h.src_port == 5000);
	CHECK(p->h.buf_alloc >= 65536);
	tell(VIRTIO_VSOCK_OP_RW, 5000, "to the host", 0);
	CHECK(reads(fd, "to the host"));
	CHECK(write(fd, "to the guest", 12) == 12);
	turn();
	CHECK((p = next(VIRTIO_VSOCK_OP_RW)) && p->h.len == 12 &&
	      !memcmp(p->data, "to the guest", 12));
	tell(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 5000, NULL, 12);
	CHECK((p = next(VIRTIO_VSOCK_OP_CREDIT_UPDATE)) && p->h.fwd_cnt == 11);
	/* Both directions end one after the other. */
	shutdown(fd, SHUT_WR);
	turn();
	CHECK((p = next(VIRTIO_VSOCK_OP_SHUTDOWN)) && p->h.flags == VIRTIO_VSOCK_SHUTDOWN_SEND);
	tell(VIRTIO_VSOCK_OP_RW, 5000, "last", 12);
	CHECK(reads(fd, "last"));
	tell(VIRTIO_VSOCK_OP_SHUTDOWN, 5000, NULL, 12);
	CHECK(next(VIRTIO_VSOCK_OP_RST) && reads(fd, "") && seen == filled);
	close(fd);
	close(listener);
	end();
}

/* No more than the guest has room for; no more than we have. */
static void credit(void)
{
	int listener = unix_socket(PATH "_5000", true), fd, i;
	static char data[601];
	unsigned int bytes = 0;
	struct packet *p;

	begin();
	tell(VIRTIO_VSOCK_OP_REQUEST, 5000, NULL, 0);
	fd = accept(listener, NULL, NULL);
	CHECK(next(VIRTIO_VSOCK_OP_RESPONSE));
	memset(data, 'x', 600);
	CHECK(write(fd, data, 600) == 600 && write(fd, data, 600) == 600 &&
	      write(fd, data, 600) == 600);
	turn();
	while ((p = next(VIRTIO_VSOCK_OP_RW)))
		bytes += p->h.len;
	CHECK(bytes == ALLOC);
	tell(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5000, NULL, 600);
	while ((p = next(VIRTIO_VSOCK_OP_RW)))
		bytes += p->h.len;
	CHECK(bytes == ALLOC + 600);
	/* More taken than it was sent: nothing for it */
	tell(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5000, NULL, 6000);
	CHECK(seen == filled);
	/* It sends without looking: a socket's buffers and ours are full some time. */
	for (i = 0; i < 2000 && seen == filled; i++) {
		tell(VIRTIO_VSOCK_OP_RW, 5000, data, 600);
		while (next(VIRTIO_VSOCK_OP_CREDIT_UPDATE))
			;
	}
	CHECK(i < 2000 && next(VIRTIO_VSOCK_OP_RST));
	close(fd);
	close(listener);
	end();
}

static void from_host(void)
{
	struct packet *p;
	__u32 port;
	char text[32];
	int fd;

	begin();
	fd = unix_socket(PATH, false);
	CHECK(fd >= 0 && write(fd, "CONN", 4) == 4);
	turn();
	CHECK(seen == filled && write(fd, "ECT 80\nearly", 12) == 12);
	turn();
	CHECK((p = next(VIRTIO_VSOCK_OP_REQUEST)) && p->h.dst_port == 80 && seen == filled);
	port = p->h.src_port;
	sent->h.src_port = 80;
	sent->h = (struct virtio_vsock_hdr){
		.src_cid = CID, .dst_cid = 2, .src_port = 80, .dst_port = port,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = VIRTIO_VSOCK_OP_RESPONSE,
		.buf_alloc = ALLOC,
	};
	has_sent = true;
	turn();
	snprintf(text, sizeof(text), "OK %u\n", port);
	CHECK(reads(fd, text));
	CHECK((p = next(VIRTIO_VSOCK_OP_RW)) && p->h.len == 5 && !memcmp(p->data, "early", 5));
	close(fd);
	turn();
	CHECK(next(VIRTIO_VSOCK_OP_SHUTDOWN));
	/* Greetings that are none */
	fd = unix_socket(PATH, false);
	CHECK(write(fd, "HELLO 80\n", 9) == 9);
	turn();
	CHECK(reads(fd, "") && seen == filled);
	close(fd);
	fd = unix_socket(PATH, false);
	CHECK(write(fd, "CONNECT 0000000000000000000000000080\n", 37) == 37);
	turn();
	CHECK(seen == filled);
	close(fd);
	end();
}

/* Whatever comes, the device and its streams hold. */
static void noise(void)
{
	static const __u16 ops[] = { 0, 1, 1, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 999 };
	int listener = unix_socket(PATH "_5000", true), i, fd = -1;
	unsigned int state = 1;

	begin();
	fcntl(listener, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 20000; i++) {
		state = state * 1103515245 + 12345;
		sent->h = (struct virtio_vsock_hdr){
			.src_cid = state >> 8 & 31 ? CID : state, .dst_cid = 2,
			.src_port = state >> 9 & 3, .dst_port = 5000 + !(state >> 11 & 7),
			.len = state >> 12 & 4095, .type = 1 + !(state >> 20 & 63),
			.op = ops[(state >> 16) % ARRAY_SIZE(ops)], .flags = state >> 21 & 3,
			.buf_alloc = state >> 5, .fwd_cnt = state >> 3,
		};
		has_sent = true;
		device.user->serve(&device);
		room = 0;
		if (!(i % 16)) {
			close(fd);
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			turn();
		}
		if (!(i % 1000))
			virtio_user_reset(&device);
	}
	virtio_user_reset(&device);
	room = 0;
	filled = 0;
	seen = 0;
	tell(VIRTIO_VSOCK_OP_REQUEST, 4999, NULL, 0);
	CHECK(next(VIRTIO_VSOCK_OP_RST));
	close(fd);
	close(listener);
	end();
}

static const struct test tests[] = {
	{ "streams from the guest", from_guest },
	{ "credit", credit },
	{ "streams from the host", from_host },
	{ "noise", noise },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
