/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio devices, or rings of theirs, that this program serves itself, by chains
 * that the kernel takes from them. One thread per device waits for doorbells and for whatever
 * files the device adds, and calls the device under its lock.
 *
 * Locks: the machine's, then v->user_lock. A device calls nothing that takes the
 * machine's.
 */
#ifndef _LAUNCHER_VIRTIO_USER_H
#define _LAUNCHER_VIRTIO_USER_H

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "virtio.h"

/* Elements [0, outs) are the driver's data, [outs, outs + ins) room for ours. */
struct virtio_chain {
	struct lodge_ring_chain c;
	struct iovec iov[LODGE_RING_IOVS];
};

/**
 * struct virtio_user - a kind of device; under v->user_lock
 * @features: its own
 * @owns: is that ring ours? NULL: all are
 * @serve: rings may have chains
 * @ready: @events (EPOLL*) for what virtio_user_watch() was given
 * @reset: rings and all that was taken from them are forgotten; may be NULL
 * @destroy: the thread has ended; may be NULL
 */
struct virtio_user {
	__u64 features;
	bool (*owns)(const struct virtio *v, unsigned int ring);
	void (*serve)(struct virtio *v);
	void (*ready)(struct virtio *v, void *cookie, unsigned int events);
	void (*reset)(struct virtio *v);
	void (*destroy)(struct virtio *v);
};

/* The next chain of a ring; false when there is none. */
bool virtio_take(struct virtio *v, unsigned int ring, struct virtio_chain *chain);
/* @more: others follow, for which the driver's interrupt waits. */
void virtio_give(struct virtio *v, struct virtio_chain *chain, __u32 written, bool more);
/* Bytes of the driver's data from @at on. */
size_t virtio_chain_read(const struct virtio_chain *chain, size_t at, void *to, size_t bytes);
size_t virtio_chain_write(const struct virtio_chain *chain, size_t at, const void *from,
			  size_t bytes);
/* The part of one direction from @at on, at most @bytes: elements in @out. */
unsigned int virtio_chain_slice(const struct virtio_chain *chain, bool ins, size_t at,
				size_t bytes, struct iovec out[LODGE_RING_IOVS]);
size_t virtio_chain_bytes(const struct virtio_chain *chain, bool ins);
/* Calls ->ready() with @cookie, which is not NULL. 0 or -errno */
int virtio_user_watch(struct virtio *v, int fd, unsigned int events, void *cookie);

/* A Unix socket of that type that does not block, and @path's address */
int virtio_unix_socket(const char *path, int type, struct sockaddr_un *addr);
/* One that listens there, or -1; a name that nobody listens at any more is taken over. */
int virtio_listen(const char *path, int type);

/* A device's init() begins with it: 0, or -1 with @f filled */
int virtio_user_init(struct virtio *v, const struct virtio_user *user, struct fault *f);
/* virtio.c */
void *virtio_user_thread(void *arg);
void virtio_user_reset(struct virtio *v);
void virtio_user_destroy(struct virtio *v);

#endif /* _LAUNCHER_VIRTIO_USER_H */
