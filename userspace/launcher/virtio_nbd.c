// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk whose image only qemu-nbd understands (qcow2, vmdk, vdi, ...): the ring
 * is ours, and requests go to it by the NBD protocol over a Unix socket. It is
 * the program that knows these formats best, and parses them apart from us.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virtio_user.h"

#define SERVER		"/usr/bin/qemu-nbd"
#define LISTEN_FD	3		/* where a server that is handed its socket finds it */
#define SECTOR		512
#define HEADER		sizeof(struct virtio_blk_outhdr)
#define PENDING		64
#define RANGES		1		/* of one discard */

/* The protocol; all of it is big-endian. */
#define NBD_MAGIC	0x4e42444d41474943ull	/* "NBDMAGIC" */
#define NBD_OPTIONS	0x49484156454f5054ull	/* "IHAVEOPT" */
#define NBD_EXPORT_NAME	1
#define NBD_FIXED	1
#define NBD_NO_ZEROES	2
#define NBD_REQUEST	0x25609513
#define NBD_REPLY	0x67446698
#define NBD_FLAG_FLUSH	0x04
#define NBD_FLAG_TRIM	0x20
#define NBD_FLAG_ZEROES	0x40

enum nbd_command {
	NBD_READ,
	NBD_WRITE,
	NBD_DISCONNECT,
	NBD_FLUSH,
	NBD_TRIM,
	NBD_WRITE_ZEROES = 6,
	NBD_NONE,		/* answered without the server */
};

struct nbd_request {
	__u32 magic;
	__u16 flags;
	__u16 command;
	__u64 handle;
	__u64 offset;
	__u32 bytes;
} __attribute__((packed));

struct nbd_reply {
	__u32 magic;
	__u32 error;
	__u64 handle;
} __attribute__((packed));

/* @orphan: its ring was reset; @bytes: of the data */
struct request {
	bool used;
	bool orphan;
	enum nbd_command command;
	__u32 bytes;
	struct virtio_chain chain;
};

/**
 * struct nbd - a disk
 * @fd: the server's other end; -1: it is gone
 * @sending: the request that is being sent, or NULL: @sent bytes of it are
 * @head: its header
 * @answered: whose data is being received, or NULL: @received bytes of it are
 * @reply: what has come of the next answer: @reply_bytes
 */
struct nbd {
	int fd;
	__u64 sectors;
	char serial[LODGE_VIRTIO_SERIAL];
	struct virtio_user ops;
	struct request request[PENDING];
	struct request *sending;
	size_t sent;
	struct nbd_request head;
	struct request *answered;
	size_t received;
	struct nbd_reply reply;
	size_t reply_bytes;
};

/* The status is the last byte that the device may write (5.2.6). */
static void finish(struct virtio *v, struct request *r, __u8 status)
{
	size_t room = virtio_chain_bytes(&r->chain, true);
	bool data = r->command == NBD_READ || r->command == NBD_NONE;

	r->used = false;
	if (r->orphan)
		return;
	if (room)
		virtio_chain_write(&r->chain, room - 1, &status, 1);
	virtio_give(v, &r->chain, !room ? 0 : status || !data ? 1 : r->bytes + 1, false);
}

static void server_gone(struct virtio *v)
{
	struct nbd *n = v->priv;
	unsigned int i;

	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	n->sending = NULL;
	n->answered = NULL;
	for (i = 0; i < PENDING; i++)
		if (n->request[i].used)
			finish(v, &n->request[i], VIRTIO_BLK_S_IOERR);
}

/* From the server */

static bool receive_head(struct virtio *v)
{
	struct nbd *n = v->priv;
	__u64 handle;
	ssize_t got;

	got = recv(n->fd, (__u8 *)&n->reply + n->reply_bytes, sizeof(n->reply) - n->reply_bytes,
		   MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		server_gone(v);
		return false;
	}
	n->reply_bytes += got;
	if (n->reply_bytes < sizeof(n->reply))
		return true;
	n->reply_bytes = 0;
	handle = be64toh(n->reply.handle);
	if (be32toh(n->reply.magic) != NBD_REPLY || handle >= PENDING ||
	    !n->request[handle].used) {
		server_gone(v);
		return false;
	}
	n->answered = &n->request[handle];
	n->received = 0;
	if (n->reply.error || n->answered->command != NBD_READ) {
		finish(v, n->answered, n->reply.error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
		n->answered = NULL;
	}
	return true;
}

static bool receive_data(struct virtio *v, struct request *r)
{
	struct nbd *n = v->priv;
	struct iovec iov[LODGE_RING_IOVS];
	struct msghdr msg = { .msg_iov = iov };
	static __u8 waste[65536];
	ssize_t got;

	msg.msg_iovlen = virtio_chain_slice(&r->chain, true, n->received,
					    r->bytes - n->received, iov);
	if (r->orphan) {
		iov[0] = (struct iovec){ waste, r->bytes - n->received };
		if (iov[0].iov_len > sizeof(waste))
			iov[0].iov_len = sizeof(waste);
		msg.msg_iovlen = 1;
	}
	got = recvmsg(n->fd, &msg, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		server_gone(v);
		return false;
	}
	n->received += got;
	if (n->received == r->bytes) {
		n->answered = NULL;
		finish(v, r, VIRTIO_BLK_S_OK);
	}
	return true;
}

/* To the server */

/* True when nothing is left to be sent. */
static bool flush(struct virtio *v)
{
	struct nbd *n = v->priv;
	struct iovec iov[LODGE_RING_IOVS + 1];
	struct msghdr msg = { .msg_iov = iov };
	size_t all, skip;
	ssize_t done;

	while (n->fd >= 0 && n->sending) {
		struct request *r = n->sending;

		all = sizeof(n->head) + (r->command == NBD_WRITE ? r->bytes : 0);
		skip = n->sent < sizeof(n->head) ? n->sent : sizeof(n->head);
		iov[0].iov_base = (__u8 *)&n->head + skip;
		iov[0].iov_len = sizeof(n->head) - skip;
		skip = n->sent - skip;
		msg.msg_iovlen = 1;
		if (r->command == NBD_WRITE)
			msg.msg_iovlen += virtio_chain_slice(&r->chain, false, HEADER + skip,
							     r->bytes - skip, iov + 1);
		done = sendmsg(n->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN)
			return false;
		if (done <= 0) {
			server_gone(v);
			break;
		}
		n->sent += done;
		if (n->sent == all)
			n->sending = NULL;
	}
	return true;
}

static void start(struct nbd *n, struct request *r, __u64 offset)
{
	n->head = (struct nbd_request){
		.magic = htobe32(NBD_REQUEST),
		.command = htobe16(r->command),
		.handle = htobe64(r - n->request),
		.offset = htobe64(offset),
		.bytes = htobe32(r->bytes),
	};
	n->sent = 0;
	n->sending = r;
}

static int trim(struct nbd *n, struct request *r, __u64 *sector)
{
	struct virtio_blk_discard_write_zeroes range;

	if (virtio_chain_read(&r->chain, sizeof(struct virtio_blk_outhdr), &range,
			      sizeof(range)) != sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	if (range.flags & ~(r->command == NBD_TRIM ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) ||
	    range.num_sectors > n->sectors || range.num_sectors >= 1u << 23)
		return VIRTIO_BLK_S_UNSUPP;
	*sector = range.sector;
	r->bytes = range.num_sectors * SECTOR;
	return VIRTIO_BLK_S_OK;
}

/* What is wanted, and of which size: a status, or OK: the server is asked. */
static int parse(struct virtio *v, struct request *r, __u64 *sector)
{
	size_t out = virtio_chain_bytes(&r->chain, false), in = virtio_chain_bytes(&r->chain, true);
	struct virtio_blk_outhdr h;
	struct nbd *n = v->priv;

	if (virtio_chain_read(&r->chain, 0, &h, sizeof(h)) != sizeof(h) || !in)
		return VIRTIO_BLK_S_IOERR;
	*sector = h.sector;
	r->bytes = 0;
	switch (h.type) {
	case VIRTIO_BLK_T_IN:
		r->command = NBD_READ;
		r->bytes = in - 1;
		break;
	case VIRTIO_BLK_T_OUT:
		r->command = NBD_WRITE;
		r->bytes = out - sizeof(h);
		break;
	case VIRTIO_BLK_T_FLUSH:
		r->command = NBD_FLUSH;
		*sector = 0;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (!(v->picked & BIT_ULL(h.type == VIRTIO_BLK_T_DISCARD ?
					  VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES)))
			return VIRTIO_BLK_S_UNSUPP;
		r->command = h.type == VIRTIO_BLK_T_DISCARD ? NBD_TRIM : NBD_WRITE_ZEROES;
		return trim(n, r, sector);
	case VIRTIO_BLK_T_GET_ID:
		r->bytes = virtio_chain_write(&r->chain, 0, n->serial,
					      in - 1 < sizeof(n->serial) ? in - 1 :
					      sizeof(n->serial));
		return VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
	return VIRTIO_BLK_S_OK;
}

static void take(struct virtio *v, struct request *r)
{
	struct nbd *n = v->priv;
	__u64 sector = 0;
	int status;

	r->used = true;
	r->orphan = false;
	r->command = NBD_NONE;
	status = parse(v, r, &sector);
	if (!status && (r->bytes % SECTOR || r->bytes / SECTOR > n->sectors ||
			sector > n->sectors - r->bytes / SECTOR) && r->command != NBD_NONE)
		status = VIRTIO_BLK_S_IOERR;
	if (!status && r->command == NBD_WRITE && v->offered & BIT_ULL(VIRTIO_BLK_F_RO))
		status = VIRTIO_BLK_S_IOERR;
	if (!status && n->fd < 0)
		status = VIRTIO_BLK_S_IOERR;
	if (status || r->command == NBD_NONE || (!r->bytes && r->command != NBD_FLUSH))
		finish(v, r, status);
	else
		start(n, r, sector * SECTOR);
}

static struct request *unused(struct nbd *n)
{
	unsigned int i;

	for (i = 0; i < PENDING; i++)
		if (!n->request[i].used)
			return &n->request[i];
	return NULL;
}

static void serve(struct virtio *v)
{
	struct nbd *n = v->priv;
	struct request *r;

	while (flush(v) && (r = unused(n)) && virtio_take(v, 0, &r->chain))
		take(v, r);
}

static void ready(struct virtio *v, void *cookie, unsigned int events)
{
	struct nbd *n = cookie;

	(void)events;
	while (n->fd >= 0 && (n->answered ? receive_data(v, n->answered) : receive_head(v)))
		;
	serve(v);
}

/* What the server still has comes back in time, to nobody's memory. */
static void reset(struct virtio *v)
{
	struct nbd *n = v->priv;
	unsigned int i;

	for (i = 0; i < PENDING; i++)
		n->request[i].orphan = true;
}

static void destroy(struct virtio *v)
{
	struct nbd *n = v->priv;

	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

static const struct virtio_user nbd = {
	.features = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
		    BIT_ULL(VIRTIO_BLK_F_FLUSH),
	.serve = serve,
	.ready = ready,
	.reset = reset,
	.destroy = destroy,
};

/* Setting up; what the server says before the first request */

static bool get(int fd, void *to, size_t bytes)
{
	return recv(fd, to, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

/* The fixed newstyle negotiation, by the option that every server knows. */
static int negotiate(struct virtio *v)
{
	struct nbd *n = v->priv;
	struct {
		__be64 magic;
		__be64 options;
		__be16 flags;
	} __attribute__((packed)) hello;
	struct {
		__be32 flags;
		__be64 options;
		__be32 option;
		__be32 bytes;
	} __attribute__((packed)) choice = {
		.flags = htobe32(NBD_FIXED | NBD_NO_ZEROES),
		.options = htobe64(NBD_OPTIONS),
		.option = htobe32(NBD_EXPORT_NAME),
	};
	struct {
		__be64 bytes;
		__be16 flags;
	} __attribute__((packed)) export;
	__u16 flags;

	if (!get(n->fd, &hello, sizeof(hello)) || be64toh(hello.magic) != NBD_MAGIC ||
	    be64toh(hello.options) != NBD_OPTIONS || !(be16toh(hello.flags) & NBD_NO_ZEROES) ||
	    send(n->fd, &choice, sizeof(choice), MSG_NOSIGNAL) != sizeof(choice) ||
	    !get(n->fd, &export, sizeof(export)))
		return -1;
	flags = be16toh(export.flags);
	n->sectors = be64toh(export.bytes) / SECTOR;
	if (flags & NBD_FLAG_TRIM)
		n->ops.features |= BIT_ULL(VIRTIO_BLK_F_DISCARD);
	if (flags & NBD_FLAG_ZEROES)
		n->ops.features |= BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	return 0;
}

/* The server is handed its socket as systemd would; it ends with its client. */
static void run_server(const struct disk_option *o, int sock)
{
	char format[80], pid[16];

	/* Ctrl-C is for the launcher. */
	setpgid(0, 0);
	snprintf(format, sizeof(format), "--format=%s", o->format);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (sock == LISTEN_FD)
		fcntl(sock, F_SETFD, 0);
	else
		dup2(sock, LISTEN_FD);
	execl(SERVER, SERVER, format, "--discard=unmap",
	      o->direct ? "--cache=none" : "--cache=writeback", o->path,
	      o->readonly ? "--read-only" : NULL, NULL);
	_exit(127);
}

static int connect_server(struct nbd *n, const struct disk_option *o)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t bytes = sizeof(addr.sun_family);
	pid_t pid = -1;

	/* A name of the kernel's choice, in no folder */
	if (!bind(sock, (struct sockaddr *)&addr, bytes) && !listen(sock, 1)) {
		bytes = sizeof(addr);
		n->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!getsockname(sock, (struct sockaddr *)&addr, &bytes) &&
		    !connect(n->fd, (struct sockaddr *)&addr, bytes))
			pid = fork();
	}
	if (!pid)
		run_server(o, sock);
	close(sock);
	return pid > 0 ? 0 : -1;
}

int virtio_nbd_init(struct virtio *v, const struct disk_option *o, struct fault *f)
{
	struct nbd *n = calloc(1, sizeof(*n));

	if (!n)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	n->fd = -1;
	n->ops = nbd;
	v->priv = n;
	memcpy(n->serial, o->serial, sizeof(n->serial));
	if (virtio_user_init(v, &n->ops, f))
		return -1;
	if (access(SERVER, X_OK))
		return fault_set(f, SERVER, "format= needs it", "install qemu-utils", errno);
	if (connect_server(n, o) || negotiate(v))
		return fault_set(f, o->path, "qemu-nbd does not serve it",
				 "is it there, in that format, and not in use?", 0);
	if (o->readonly)
		n->ops.features |= BIT_ULL(VIRTIO_BLK_F_RO);
	if (virtio_user_watch(v, n->fd, EPOLLIN | EPOLLOUT | EPOLLET, n))
		return fault_set(f, o->path, "cannot wait for its server", NULL, errno);
	v->id = LODGE_VIRTIO_BLK;
	v->rings = 1;
	v->config_bytes = sizeof(struct virtio_blk_config);
	virtio_blk_config((struct virtio_blk_config *)v->config, n->sectors, SECTOR, 1, RANGES);
	return 0;
}
