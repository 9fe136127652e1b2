/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of virtio devices share: a ring in the guest's memory, and its ioctls. */
#ifndef _KSELFTEST_VIRTIO_H
#define _KSELFTEST_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "guest.h"

#define V1		(1ull << VIRTIO_F_VERSION_1)
#define ENTRIES		8
#define BELL		0x5000		/* port */

/* Of the guest's memory */
#define DESC		0x30000ul
#define AVAIL		0x31000ul
#define USED		0x32000ul
#define HEADER		0x33000ul
#define STATUS		0x33100ul
#define TABLE		0x34000ul
#define DATA		0x40000ul

static inline int create(int vm, int fd, struct lodge_create_virtio with)
{
	with.size = sizeof(with);
	with.fd = fd;
	return call(vm, LODGE_CREATE_VIRTIO, &with);
}

static inline int set_features(int dev, __u64 features)
{
	struct lodge_virtio_features arg = { .size = sizeof(arg), .features = features };

	return call(dev, LODGE_SET_FEATURES, &arg);
}

static inline struct lodge_ring good_ring(void)
{
	return (struct lodge_ring) {
		.size = sizeof(struct lodge_ring), .flags = LODGE_RING_ENABLED,
		.entries = ENTRIES, .desc = DESC, .driver = AVAIL, .device = USED,
	};
}

static inline int set_ring(int dev, struct lodge_ring ring)
{
	return call(dev, LODGE_SET_RING, &ring);
}

static inline int ring_off(int dev)
{
	return set_ring(dev, (struct lodge_ring) { .size = sizeof(struct lodge_ring) });
}

static inline __u32 ring_flags(int dev)
{
	struct lodge_ring ring = { .size = sizeof(ring) };

	return call(dev, LODGE_GET_RING, &ring) ? ~0u : ring.flags;
}

static inline int serve(int dev, __u64 rings)
{
	struct lodge_ring_serve arg = { .size = sizeof(arg), .rings = rings };

	return call(dev, LODGE_RING_SERVE, &arg);
}

/* Signals it until it ends: one that comes just before LODGE_RING_SERVE does nothing. */
static inline void join_server(pthread_t thread)
{
	struct timespec now;

	do {
		pthread_kill(thread, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &now);
		now.tv_sec++;
	} while (pthread_timedjoin_np(thread, NULL, &now));
}

static inline int kick(int dev, __u32 ring)
{
	struct lodge_ring_kick arg = { .size = sizeof(arg), .ring = ring };

	return call(dev, LODGE_RING_KICK, &arg);
}

static inline int set_backend(int dev, __u32 ring, int fd)
{
	struct lodge_ring_backend arg = { .size = sizeof(arg), .ring = ring, .fd = fd };

	return call(dev, LODGE_SET_BACKEND, &arg);
}

static inline __u64 stat_of(int dev, int id)
{
	__u64 values[LODGE_RING_STAT_COUNT] = {};
	struct lodge_ring_stats arg = {
		.size = sizeof(arg), .count = LODGE_RING_STAT_COUNT,
		.values = (unsigned long)values,
	};

	return call(dev, LODGE_RING_STATS, &arg) ? ~0ull : values[id];
}

static inline void set_desc(struct guest *g, int i, __u64 addr, __u32 len, __u16 flags, __u16 next)
{
	struct vring_desc desc = { addr, len, flags, next };

	memcpy(g->mem + DESC + i * sizeof(desc), &desc, sizeof(desc));
}

#endif /* _KSELFTEST_VIRTIO_H */
