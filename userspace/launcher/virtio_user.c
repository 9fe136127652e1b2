// SPDX-License-Identifier: GPL-2.0-only
/* Virtio devices that this program serves: chains, and the thread that waits. */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "virtio_user.h"

#define EVENTS	16

bool virtio_take(struct virtio *v, unsigned int ring, struct virtio_chain *chain)
{
	int ret;

	chain->c = (struct lodge_ring_chain){
		.ring = ring,
		.iovs = (unsigned long)chain->iov,
	};
	ret = lodge_ring_take(v->fd, &chain->c);
	if (ret == -EPROTO)
		v->user_broke = true;
	return !ret;
}

void virtio_give(struct virtio *v, struct virtio_chain *chain, __u32 written, bool more)
{
	chain->c.written = written;
	chain->c.flags = more ? LODGE_CHAIN_MORE : 0;
	if (lodge_ring_give(v->fd, &chain->c) == -EPROTO)
		v->user_broke = true;
}

unsigned int virtio_chain_slice(const struct virtio_chain *chain, bool ins, size_t at,
				size_t bytes, struct iovec out[LODGE_RING_IOVS])
{
	unsigned int i = ins ? chain->c.outs : 0, n = 0;
	unsigned int end = i + (ins ? chain->c.ins : chain->c.outs);

	for (; i < end && bytes; i++) {
		struct iovec piece = chain->iov[i];

		if (at >= piece.iov_len) {
			at -= piece.iov_len;
			continue;
		}
		piece.iov_base = (__u8 *)piece.iov_base + at;
		piece.iov_len -= at;
		at = 0;
		if (piece.iov_len > bytes)
			piece.iov_len = bytes;
		bytes -= piece.iov_len;
		out[n++] = piece;
	}
	return n;
}

size_t virtio_chain_bytes(const struct virtio_chain *chain, bool ins)
{
	unsigned int i = ins ? chain->c.outs : 0, end = i + (ins ? chain->c.ins : chain->c.outs);
	size_t bytes = 0;

	for (; i < end; i++)
		bytes += chain->iov[i].iov_len;
	return bytes;
}

size_t virtio_chain_read(const struct virtio_chain *chain, size_t at, void *to, size_t bytes)
{
	struct iovec iov[LODGE_RING_IOVS];
	unsigned int n = virtio_chain_slice(chain, false, at, bytes, iov), i;
	size_t done = 0;

	for (i = 0; i < n; done += iov[i++].iov_len)
		memcpy((__u8 *)to + done, iov[i].iov_base, iov[i].iov_len);
	return done;
}

size_t virtio_chain_write(const struct virtio_chain *chain, size_t at, const void *from,
			  size_t bytes)
{
	struct iovec iov[LODGE_RING_IOVS];
	unsigned int n = virtio_chain_slice(chain, true, at, bytes, iov), i;
	size_t done = 0;

	for (i = 0; i < n; done += iov[i++].iov_len)
		memcpy(iov[i].iov_base, (const __u8 *)from + done, iov[i].iov_len);
	return done;
}

int virtio_unix_socket(const char *path, int type, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", path);
	return socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int virtio_listen(const char *path, int type)
{
	struct sockaddr_un addr;
	int fd = virtio_unix_socket(path, type, &addr);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
	fd = virtio_unix_socket(path, type, &addr);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof(addr)) && !listen(fd, 64))
		return fd;
	close(fd);
	return -1;
}

int virtio_user_watch(struct virtio *v, int fd, unsigned int events, void *cookie)
{
	struct epoll_event event = { .events = events, .data.ptr = cookie };

	return epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int virtio_user_init(struct virtio *v, const struct virtio_user *user, struct fault *f)
{
	v->user = user;
	pthread_mutex_init(&v->user_lock, NULL);
	v->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	v->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (v->event < 0 || v->epoll < 0 || virtio_user_watch(v, v->event, EPOLLIN, NULL))
		return fault_set(f, v->name, "cannot wait for its rings", NULL, errno);
	return 0;
}

static void dispatch(struct virtio *v, const struct epoll_event *event)
{
	__u64 rung;

	if (event->data.ptr)
		v->user->ready(v, event->data.ptr, event->events);
	else if (read(v->event, &rung, sizeof(rung)) == sizeof(rung))
		v->user->serve(v);
}

void *virtio_user_thread(void *arg)
{
	struct virtio_thread *t = arg;
	struct virtio *v = t->virtio;
	struct epoll_event event[EVENTS];
	bool broke, changed;
	int n, i;

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED)) {
		n = epoll_wait(v->epoll, event, EVENTS, -1);
		pthread_mutex_lock(&v->user_lock);
		for (i = 0; i < n; i++)
			dispatch(v, &event[i]);
		broke = v->user_broke;
		changed = v->user_changed;
		v->user_broke = false;
		v->user_changed = false;
		pthread_mutex_unlock(&v->user_lock);
		if (broke)
			virtio_broke(v);
		if (changed)
			virtio_config_changed(v);
	}
	return NULL;
}

void virtio_user_reset(struct virtio *v)
{
	pthread_mutex_lock(&v->user_lock);
	lodge_virtio_reset(v->fd);
	if (v->user->reset)
		v->user->reset(v);
	pthread_mutex_unlock(&v->user_lock);
}

void virtio_user_destroy(struct virtio *v)
{
	if (v->user->destroy && v->priv)
		v->user->destroy(v);
	if (v->epoll >= 0)
		close(v->epoll);
	if (v->event >= 0)
		close(v->event);
}
