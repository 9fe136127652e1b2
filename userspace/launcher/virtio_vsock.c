// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-vsock (virtio 1.2, 5.10): streams between the guest and Unix sockets of
 * the host, in the way that Firecracker made common. It is here and not in the
 * kernel because every connection ends in a socket of this process anyway, with
 * this user's rights; vhost-vsock would need /dev/vhost-vsock and a host-wide
 * name space of context numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virtio_user.h"

#define RX		0
#define TX		1
#define EVENT		2
#define HEADER		sizeof(struct virtio_vsock_hdr)
#define HOST_CID	2
#define FIRST_PORT	0x40000000u	/* of connections that begin at the host */
#define BUFFER		(256u << 10)	/* what the guest may send ahead */
#define MAX_CONNS	1024
#define BATCH		64		/* packets of one stream in a row */

enum conn_state {
	GREETING,		/* the host's end has yet to say where it wants to go */
	ASKED,			/* the guest has yet to accept */
	OPEN,
	CLOSED,			/* nothing but a reset is left to be sent */
};

/**
 * struct conn - a stream
 * @port: the host's; @peer: the guest's
 * @owed: BIT(VIRTIO_VSOCK_OP_*) that the guest has yet to be told
 * @readable: there may be something to read; @writable: room to write
 * @eof: the host's end sends no more; @peer_eof: the guest's sends no more
 * @sent: bytes for the guest; @peer_alloc, @peer_taken: its room
 * @taken: bytes of the guest's that are written; @told: when it heard last
 * @buffer: what is not, @used bytes from @start on
 */
struct conn {
	struct conn *next;
	int fd;
	enum conn_state state;
	__u32 port;
	__u32 peer;
	unsigned int owed;
	bool readable;
	bool writable;
	bool eof;
	bool peer_eof;
	__u32 sent;
	__u32 peer_alloc;
	__u32 peer_taken;
	__u32 taken;
	__u32 told;
	__u32 start;
	__u32 used;
	__u8 buffer[BUFFER];
};

/**
 * struct vsock - the device
 * @listener: for connections from the host
 * @path: its name
 * @conn: all streams; @conns: how many
 * @port: for the next one that begins at the host
 * @refused: the header that a reset answers, when @refuse
 * @spare: room in the guest that was taken and not used, when @has_spare
 */
struct vsock {
	__u64 cid;
	int listener;
	const char *path;
	struct conn *conn;
	unsigned int conns;
	__u32 port;
	struct virtio_vsock_hdr refused;
	bool refuse;
	struct virtio_chain spare;
	bool has_spare;
};

static struct conn *conn_new(struct virtio *v, int fd, enum conn_state state)
{
	struct vsock *s = v->priv;
	struct conn *c = s->conns < MAX_CONNS ? malloc(sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	memset(c, 0, offsetof(struct conn, buffer));
	c->fd = fd;
	c->state = state;
	c->readable = true;
	c->writable = true;
	if (virtio_user_watch(v, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c)) {
		free(c);
		return NULL;
	}
	c->next = s->conn;
	s->conn = c;
	s->conns++;
	return c;
}

static struct conn *conn_find(struct vsock *s, __u32 port, __u32 peer)
{
	struct conn *c = s->conn;

	while (c && (c->state == GREETING || c->port != port || c->peer != peer))
		c = c->next;
	return c;
}

/* Those that are closed and of which the guest knows. */
static void sweep(struct vsock *s, bool all)
{
	struct conn **at = &s->conn, *c;

	while ((c = *at)) {
		if (!all && (c->state != CLOSED || c->owed)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		close(c->fd);
		free(c);
		s->conns--;
	}
}

static void conn_reset(struct conn *c)
{
	c->owed = c->state == GREETING ? 0 : BIT(VIRTIO_VSOCK_OP_RST);
	c->state = CLOSED;
}

/* From the guest to the host */

/* What could be written is the guest's to send anew: it hears of it in time. */
static void flush(struct conn *c)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t done;

	while (c->writable && c->used) {
		iov[0].iov_base = c->buffer + c->start;
		iov[0].iov_len = c->used < BUFFER - c->start ? c->used : BUFFER - c->start;
		iov[1].iov_base = c->buffer;
		iov[1].iov_len = c->used - iov[0].iov_len;
		done = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done < 0 && errno != EAGAIN) {
			conn_reset(c);
			return;
		}
		c->writable = done > 0;
		done = done > 0 ? done : 0;
		c->start = (c->start + done) % BUFFER;
		c->used -= done;
		c->taken += done;
	}
	if (c->taken - c->told >= BUFFER / 2)
		c->owed |= BIT(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	if (c->peer_eof && !c->used)
		shutdown(c->fd, SHUT_WR);
	if (c->peer_eof && c->eof && !c->used)
		conn_reset(c);
}

/* More than it was told that there is room for resets the stream. */
static void receive(struct conn *c, const struct virtio_chain *chain, __u32 bytes)
{
	__u32 end = (c->start + c->used) % BUFFER, first = BUFFER - end;

	if (c->state != OPEN || bytes > BUFFER - c->used ||
	    bytes > virtio_chain_bytes(chain, false) - HEADER) {
		conn_reset(c);
		return;
	}
	if (first > bytes)
		first = bytes;
	virtio_chain_read(chain, HEADER, c->buffer + end, first);
	virtio_chain_read(chain, HEADER + first, c->buffer, bytes - first);
	c->used += bytes;
}

/* The guest wants to go to port N of the host: to the socket PATH_N. */
static struct conn *connect_host(struct virtio *v, const struct virtio_vsock_hdr *h)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vsock *s = v->priv;
	struct conn *c = NULL;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.96s_%u", s->path, h->dst_port);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		c = conn_new(v, fd, OPEN);
	if (!c) {
		close(fd);
		return NULL;
	}
	c->port = h->dst_port;
	c->peer = h->src_port;
	c->owed = BIT(VIRTIO_VSOCK_OP_RESPONSE);
	return c;
}

static void shut_down(struct conn *c, __u32 flags)
{
	if (flags & VIRTIO_VSOCK_SHUTDOWN_SEND)
		c->peer_eof = true;
	/* It reads no more: what we have for it is for nobody. */
	if (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		shutdown(c->fd, SHUT_RD);
		c->eof = true;
		c->owed &= ~BIT(VIRTIO_VSOCK_OP_SHUTDOWN);
	}
}

static void accepted(struct conn *c)
{
	char text[32];
	int bytes = snprintf(text, sizeof(text), "OK %u\n", c->port);

	if (c->state != ASKED || send(c->fd, text, bytes, MSG_NOSIGNAL) != bytes)
		conn_reset(c);
	else
		c->state = OPEN;
}

static void handle(struct conn *c, const struct virtio_vsock_hdr *h,
		   const struct virtio_chain *chain)
{
	c->peer_alloc = h->buf_alloc;
	c->peer_taken = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		accepted(c);
		break;
	case VIRTIO_VSOCK_OP_RW:
		receive(c, chain, h->len);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		shut_down(c, h->flags);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		c->owed |= BIT(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_RST:
		conn_reset(c);
		c->owed = 0;
		return;
	default:
		conn_reset(c);
	}
	if (c->state == OPEN)
		flush(c);
}

static void packet(struct virtio *v, const struct virtio_chain *chain)
{
	struct vsock *s = v->priv;
	struct virtio_vsock_hdr h;
	struct conn *c;

	if (virtio_chain_read(chain, 0, &h, HEADER) != HEADER || h.dst_cid != HOST_CID ||
	    h.src_cid != s->cid)
		return;
	c = h.type == VIRTIO_VSOCK_TYPE_STREAM ? conn_find(s, h.dst_port, h.src_port) : NULL;
	if (!c && h.op == VIRTIO_VSOCK_OP_REQUEST && h.type == VIRTIO_VSOCK_TYPE_STREAM)
		c = connect_host(v, &h);
	else if (c && h.op == VIRTIO_VSOCK_OP_REQUEST)
		h.op = VIRTIO_VSOCK_OP_INVALID;
	if (c && h.op != VIRTIO_VSOCK_OP_REQUEST) {
		handle(c, &h, chain);
	} else if (c) {
		c->peer_alloc = h.buf_alloc;
		c->peer_taken = h.fwd_cnt;
	} else if (h.op != VIRTIO_VSOCK_OP_RST) {
		s->refused = h;
		s->refuse = true;
	}
}

/* From the host to the guest */

static bool room(struct virtio *v)
{
	struct vsock *s = v->priv;

	if (!s->has_spare)
		s->has_spare = virtio_take(v, RX, &s->spare);
	return s->has_spare;
}

/* The spare chain, with @bytes behind the header. */
static void tell(struct virtio *v, struct virtio_vsock_hdr *h, __u32 bytes)
{
	struct vsock *s = v->priv;

	h->src_cid = HOST_CID;
	h->dst_cid = s->cid;
	h->len = bytes;
	h->buf_alloc = BUFFER;
	virtio_chain_write(&s->spare, 0, h, HEADER);
	virtio_give(v, &s->spare, HEADER + bytes, false);
	s->has_spare = false;
}

static void tell_conn(struct virtio *v, struct conn *c, __u16 op, __u32 bytes)
{
	struct virtio_vsock_hdr h = {
		.src_port = c->port, .dst_port = c->peer,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .fwd_cnt = c->taken,
		.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0,
	};

	c->told = c->taken;
	c->owed &= ~(BIT(op) | BIT(VIRTIO_VSOCK_OP_CREDIT_UPDATE));
	tell(v, &h, bytes);
}

/* "CONNECT N\n"; not a byte more is read, as the rest is the stream. */
static void greet(struct vsock *s, struct conn *c)
{
	unsigned int port;
	ssize_t got;
	char end;

	while (!c->used || c->buffer[c->used - 1] != '\n') {
		got = recv(c->fd, c->buffer + c->used, 1, MSG_DONTWAIT);
		if (got != 1 || ++c->used == 31) {
			if (got >= 0 || errno != EAGAIN)
				conn_reset(c);
			c->readable = false;
			return;
		}
	}
	c->buffer[c->used] = 0;
	c->used = 0;
	if (sscanf((char *)c->buffer, "CONNECT %u%c", &port, &end) != 2 || end != '\n') {
		conn_reset(c);
		return;
	}
	do {
		s->port = s->port < FIRST_PORT ? FIRST_PORT : s->port + 1;
	} while (conn_find(s, s->port, port));
	c->port = s->port;
	c->peer = port;
	c->state = ASKED;
	c->owed = BIT(VIRTIO_VSOCK_OP_REQUEST);
}

/* One packet of data: true when there may be more. */
static bool send_data(struct virtio *v, struct conn *c)
{
	struct vsock *s = v->priv;
	__u32 credit = c->peer_alloc - (c->sent - c->peer_taken);
	struct iovec iov[LODGE_RING_IOVS];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t got;

	/* A guest that claims to have taken what it was not sent has no credit. */
	if (credit > c->peer_alloc || !credit || virtio_chain_bytes(&s->spare, true) <= HEADER)
		return false;
	msg.msg_iovlen = virtio_chain_slice(&s->spare, true, HEADER, credit, iov);
	got = recvmsg(c->fd, &msg, MSG_DONTWAIT);
	if (got > 0) {
		c->sent += got;
		tell_conn(v, c, VIRTIO_VSOCK_OP_RW, got);
		return true;
	}
	c->readable = false;
	if (!got) {
		c->eof = true;
		c->owed |= BIT(VIRTIO_VSOCK_OP_SHUTDOWN);
	} else if (errno != EAGAIN) {
		conn_reset(c);
	}
	return false;
}

/* In the order that a stream has: its beginning, its end, what goes between. */
static void serve_conn(struct virtio *v, struct conn *c)
{
	static const __u16 order[] = {
		VIRTIO_VSOCK_OP_RST, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_CREDIT_UPDATE, VIRTIO_VSOCK_OP_SHUTDOWN,
	};
	unsigned int i, n;

	if (c->state == GREETING && c->readable)
		greet(v->priv, c);
	for (n = 0; c->state == OPEN && c->readable && !c->eof && n < BATCH; n++)
		if (c->owed & BIT(VIRTIO_VSOCK_OP_RESPONSE) || !room(v) || !send_data(v, c))
			break;
	/* The others' turn, then ours again */
	if (n == BATCH)
		lodge_ring_kick(v->fd, RX);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (c->owed & BIT(order[i]) && room(v))
			tell_conn(v, c, order[i], 0);
	if (c->state == OPEN && c->eof && c->peer_eof && !c->used)
		conn_reset(c);
}

static void serve_host(struct virtio *v)
{
	struct vsock *s = v->priv;
	struct conn *c;

	for (c = s->conn; c; c = c->next)
		serve_conn(v, c);
	/* Resets that the closing of streams has left. */
	for (c = s->conn; c; c = c->next)
		if (c->state == CLOSED && c->owed && room(v))
			tell_conn(v, c, VIRTIO_VSOCK_OP_RST, 0);
	sweep(s, false);
}

static void refuse(struct virtio *v)
{
	struct vsock *s = v->priv;
	struct virtio_vsock_hdr h = {
		.src_port = s->refused.dst_port, .dst_port = s->refused.src_port,
		.type = s->refused.type, .op = VIRTIO_VSOCK_OP_RST,
	};

	tell(v, &h, 0);
	s->refuse = false;
}

/* A packet is taken when there is room for the answer it may need (5.10.6.1). */
static void serve(struct virtio *v)
{
	struct vsock *s = v->priv;
	struct virtio_chain chain;

	for (;;) {
		if (s->refuse && !room(v))
			break;
		if (s->refuse)
			refuse(v);
		if (!virtio_take(v, TX, &chain))
			break;
		packet(v, &chain);
		virtio_give(v, &chain, 0, false);
	}
	serve_host(v);
}

static void ready(struct virtio *v, void *cookie, unsigned int events)
{
	struct vsock *s = v->priv;
	struct conn *c;
	int fd;

	if (cookie == s) {
		fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && !conn_new(v, fd, GREETING))
			close(fd);
	}
	for (c = s->conn; c; c = c->next) {
		if (c != cookie)
			continue;
		c->readable |= !!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR));
		c->writable |= !!(events & (EPOLLOUT | EPOLLHUP | EPOLLERR));
		if (c->state == OPEN)
			flush(c);
	}
	serve(v);
}

static void reset(struct virtio *v)
{
	struct vsock *s = v->priv;

	sweep(s, true);
	s->refuse = false;
	s->has_spare = false;
}

static void destroy(struct virtio *v)
{
	struct vsock *s = v->priv;

	sweep(s, true);
	if (s->listener >= 0) {
		close(s->listener);
		unlink(s->path);
	}
	free(s);
}

static const struct virtio_user vsock = {
	.serve = serve,
	.ready = ready,
	.reset = reset,
	.destroy = destroy,
};

int virtio_vsock_init(struct virtio *v, const struct vsock_option *o, struct fault *f)
{
	struct vsock *s;

	if (virtio_user_init(v, &vsock, f))
		return -1;
	s = calloc(1, sizeof(*s));
	if (!s)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	v->priv = s;
	s->cid = o->cid;
	s->path = o->path;
	v->id = LODGE_VIRTIO_VSOCK;
	v->rings = 3;
	v->config_bytes = sizeof(struct virtio_vsock_config);
	memcpy(v->config, &s->cid, sizeof(s->cid));
	s->listener = virtio_listen(s->path, SOCK_STREAM);
	if (s->listener < 0 || virtio_user_watch(v, s->listener, EPOLLIN, s))
		return fault_set(f, s->path, "cannot listen there",
				 "choose another: --vsock CID,socket=PATH", errno);
	return 0;
}
