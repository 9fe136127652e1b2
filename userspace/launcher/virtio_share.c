// SPDX-License-Identifier: GPL-2.0-only
/*
 * A folder of the host's as a 9P file system: messages go
 * between the ring and diod, a 9P2000.L server with a socket for its only client.
 * It knows neither the guest's memory nor /dev/lodge.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_9p.h>
#include <linux/virtio_config.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio_user.h"

#define SERVER		"/usr/sbin/diod"
#define SERVER_FD	3
#define CONFIG_FD	4
#define TATTACH		104
#define TFLUSH		108
#define HEADER		7		/* size[4] type[1] tag[2] */
#define LARGEST		(1u << 20)	/* message */
#define PENDING		64
#define NO_TAG		0x10000u
#define NO_UID		0xffffffffu

/**
 * struct request - one that the server has not answered
 * @tag: its number, or NO_TAG: free
 * @flushes: the tag that it asks to be forgotten, or NO_TAG
 */
struct request {
	__u32 tag;
	__u32 flushes;
	struct virtio_chain chain;
};

/**
 * struct share - a shared folder
 * @path: what the server exports
 * @fd: the server's other end; -1: it is gone
 * @server: its process, as a descriptor; it is never waited for
 * @out: a message that is not yet sent, @out_bytes from @out_at on
 * @in: what has come of an answer: @in_bytes
 */
struct share {
	char path[4096];
	int fd;
	int server;
	struct request pending[PENDING];
	size_t out_at;
	size_t out_bytes;
	size_t in_bytes;
	__u8 out[LARGEST + 4096];
	__u8 in[LARGEST + HEADER];
};

static struct request *find(struct share *s, __u32 tag)
{
	unsigned int i;

	for (i = 0; i < PENDING; i++)
		if (s->pending[i].tag == tag)
			return &s->pending[i];
	return NULL;
}

static void answer(struct virtio *v, struct request *r, const void *message, size_t bytes)
{
	virtio_give(v, &r->chain, virtio_chain_write(&r->chain, 0, message, bytes), false);
	r->tag = NO_TAG;
}

/* It would end with its socket, but may crash then: a thread of its uses what is freed. */
static void end_server(struct share *s)
{
	if (s->fd < 0)
		return;
	pidfd_send_signal(s->server, SIGKILL, NULL, 0);
	close(s->server);
	close(s->fd);
	s->fd = -1;
}

/* Nobody is there any more: what waits is given back, and mounts see errors. */
static void server_gone(struct virtio *v)
{
	struct share *s = v->priv;
	unsigned int i;

	end_server(s);
	for (i = 0; i < PENDING; i++)
		if (s->pending[i].tag != NO_TAG)
			answer(v, &s->pending[i], NULL, 0);
}

/* From the server */

static void take_answer(struct virtio *v, const __u8 *message, size_t bytes)
{
	struct share *s = v->priv;
	struct request *r = find(s, get_le16(message + 5)), *flushed;

	if (!r)
		return;
	/* One that was flushed may never be answered, but its buffer has to go back. */
	flushed = r->flushes != NO_TAG ? find(s, r->flushes) : NULL;
	if (flushed)
		answer(v, flushed, NULL, 0);
	answer(v, r, message, bytes);
}

static void receive(struct virtio *v)
{
	struct share *s = v->priv;
	size_t want;
	ssize_t got;

	while (s->fd >= 0) {
		want = s->in_bytes < HEADER ? HEADER : get_le32(s->in);
		if (want < HEADER || want > sizeof(s->in)) {
			server_gone(v);
			return;
		}
		got = recv(s->fd, s->in + s->in_bytes, want - s->in_bytes, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) {
			server_gone(v);
			return;
		}
		s->in_bytes += got;
		if (s->in_bytes < HEADER || s->in_bytes < get_le32(s->in))
			continue;
		take_answer(v, s->in, s->in_bytes);
		s->in_bytes = 0;
	}
}

/* To the server */

/*
 * The guest need not know where the folder is: size tag fid afid uname aname uid.
 * Linux names no uid at first, and the server knows no names: it is ours then.
 */
static size_t set_path(const struct share *s, __u8 *message, size_t bytes)
{
	size_t uname = HEADER + 8, aname, length = strlen(s->path), rest;

	if (bytes < uname + 2)
		return bytes;
	aname = uname + 2 + get_le16(message + uname);
	if (bytes < aname + 2)
		return bytes;
	rest = aname + 2 + get_le16(message + aname);
	if (bytes < rest)
		return bytes;
	if (bytes == rest + 4 && get_le32(message + rest) == NO_UID)
		put_le32(message + rest, geteuid());
	memmove(message + aname + 2 + length, message + rest, bytes - rest);
	memcpy(message + aname + 2, s->path, length);
	put_le16(message + aname, length);
	bytes = aname + 2 + length + (bytes - rest);
	put_le32(message, bytes);
	return bytes;
}

/* False when it cannot be a message. */
static bool take_message(struct share *s, struct request *r)
{
	size_t bytes = virtio_chain_read(&r->chain, 0, s->out, LARGEST);

	if (bytes < HEADER || get_le32(s->out) < HEADER || get_le32(s->out) > bytes)
		return false;
	bytes = get_le32(s->out);
	r->tag = get_le16(s->out + 5);
	r->flushes = NO_TAG;
	if (s->out[4] == TFLUSH && bytes >= HEADER + 2)
		r->flushes = get_le16(s->out + HEADER);
	s->out_bytes = s->out[4] == TATTACH ? set_path(s, s->out, bytes) : bytes;
	s->out_at = 0;
	return true;
}

/* True when nothing is left to be sent. */
static bool flush(struct virtio *v)
{
	struct share *s = v->priv;
	ssize_t done;

	while (s->fd >= 0 && s->out_bytes) {
		done = send(s->fd, s->out + s->out_at, s->out_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done < 0 && errno == EAGAIN)
			return false;
		if (done < 0) {
			server_gone(v);
			break;
		}
		s->out_at += done;
		s->out_bytes -= done;
	}
	s->out_bytes = 0;
	return true;
}

static void serve(struct virtio *v)
{
	struct share *s = v->priv;
	struct request *r;

	while (flush(v) && (r = find(s, NO_TAG)) && virtio_take(v, 0, &r->chain))
		if (s->fd < 0 || !take_message(s, r))
			answer(v, r, NULL, 0);
}

static void ready(struct virtio *v, void *cookie, unsigned int events)
{
	(void)cookie;
	(void)events;
	receive(v);
	serve(v);
}

/* Answers to what was asked before are for nobody; the tags start anew. */
static void reset(struct virtio *v)
{
	struct share *s = v->priv;
	unsigned int i;

	for (i = 0; i < PENDING; i++)
		s->pending[i].tag = NO_TAG;
}

static void destroy(struct virtio *v)
{
	struct share *s = v->priv;

	end_server(s);
	free(s);
}

static const struct virtio_user share = {
	.features = BIT_ULL(VIRTIO_9P_MOUNT_TAG),
	.serve = serve,
	.ready = ready,
	.reset = reset,
	.destroy = destroy,
};

/*
 * What is exported, in the server's own words, which are Lua's: its option for
 * read-only exports does nothing. No path has a NUL, and few have "]==]".
 */
static int write_config(const char *path, bool readonly)
{
	int fd = memfd_create("diod.conf", MFD_CLOEXEC);

	if (strstr(path, "]==]") ||
	    dprintf(fd, "exports = { { path=[==[%s]==], opts=\"%s\" } }\n", path,
		    readonly ? "ro" : "") < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void run_server(int sock, int config)
{
	static char *const argv[] = {
		"diod", "--foreground", "--no-auth", "--no-userdb", "--logdest", "/dev/null",
		"--config-file", "/proc/self/fd/4", "--rfdno", "3", "--wfdno", "3", NULL,
	};

	/* Ctrl-C is for the launcher, with which the server ends. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(sock, SERVER_FD);
	dup2(config, CONFIG_FD);
	execv(SERVER, argv);
	_exit(127);
}

/* Neither descriptor may be a number that one of them is to have there. */
static int hand_over(struct share *s, bool readonly, int end)
{
	int sock = fcntl(end, F_DUPFD_CLOEXEC, CONFIG_FD + 1);
	int file = write_config(s->path, readonly);
	int config = fcntl(file, F_DUPFD_CLOEXEC, CONFIG_FD + 1);
	pid_t pid = sock < 0 || config < 0 ? -1 : fork();

	if (!pid)
		run_server(sock, config);
	s->server = pid < 0 ? -1 : pidfd_open(pid, 0);
	close(end);
	close(sock);
	close(file);
	close(config);
	return pid < 0 ? -1 : 0;
}

static int open_server(struct virtio *v, const struct share_option *o, struct fault *f)
{
	struct share *s = v->priv;
	struct stat st;
	int pair[2];

	if (!realpath(o->path, s->path) || stat(s->path, &st) || !S_ISDIR(st.st_mode))
		return fault_set(f, o->path, "not a folder", "see --share", errno);
	if (access(SERVER, X_OK))
		return fault_set(f, SERVER, "--share needs it", "install diod", errno);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return fault_set(f, o->text, "cannot make sockets", NULL, errno);
	s->fd = pair[0];
	if (hand_over(s, o->readonly, pair[1]))
		return fault_set(f, SERVER, "cannot start it", NULL, errno);
	if (virtio_user_watch(v, s->fd, EPOLLIN | EPOLLOUT | EPOLLET, s))
		return fault_set(f, o->text, "cannot wait for its server", NULL, errno);
	return 0;
}

int virtio_share_init(struct virtio *v, const struct share_option *o, struct fault *f)
{
	struct virtio_9p_config *c = (struct virtio_9p_config *)v->config;
	struct share *s;

	if (virtio_user_init(v, &share, f))
		return -1;
	s = calloc(1, sizeof(*s));
	if (!s)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	v->priv = s;
	s->fd = -1;
	v->id = LODGE_VIRTIO_9P;
	v->rings = 1;
	c->tag_len = strlen(o->tag);
	memcpy(c->tag, o->tag, c->tag_len);
	v->config_bytes = sizeof(*c) + c->tag_len;
	return open_server(v, o, f);
}
