// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-balloon (virtio 1.2, 5.5): the guest gives pages up, asks for them back
 * when it must, and reports free ones. The rings are ours, because what becomes
 * of this process's memory is decided by this process: no module may do that.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>

#include "machine.h"
#include "virtio_user.h"

#define INFLATE		0
#define DEFLATE		1
#define STATS		2
#define RINGS		4
#define PAGE		4096ull
#define BATCH		256

struct balloon {
	struct virtio_chain held;	/* the driver's statistics, until new ones are wanted */
	bool holding;
	__u64 stat[VIRTIO_BALLOON_S_NR];
};

static struct virtio_balloon_config *config_of(struct virtio *v)
{
	return (struct virtio_balloon_config *)v->config;
}

/* A page may come in any order; those in a row are given up at once. */
static void inflate(struct virtio *v, const struct virtio_chain *chain)
{
	struct memory *mem = &v->machine->mem;
	__u64 first = 0, pages = 0;
	__u32 pfn[BATCH];
	size_t at = 0, got, i;

	while ((got = virtio_chain_read(chain, at, pfn, sizeof(pfn)))) {
		for (i = 0; i < got / sizeof(pfn[0]); i++) {
			if (pages && pfn[i] == first + pages) {
				pages++;
				continue;
			}
			memory_discard(mem, memory_at(mem, first * PAGE, pages * PAGE),
				       pages * PAGE);
			first = pfn[i];
			pages = 1;
		}
		at += got;
	}
	memory_discard(mem, memory_at(mem, first * PAGE, pages * PAGE), pages * PAGE);
}

static void report(struct virtio *v, const struct virtio_chain *chain)
{
	unsigned int i;

	for (i = chain->c.outs; i < chain->c.outs + chain->c.ins; i++)
		memory_discard(&v->machine->mem, chain->iov[i].iov_base, chain->iov[i].iov_len);
}

/* The driver's statistics stay with us; when they come back it makes new ones. */
static void take_stats(struct virtio *v, struct balloon *b)
{
	struct virtio_balloon_stat stat;
	size_t at;

	while (!b->holding && virtio_take(v, STATS, &b->held)) {
		b->holding = true;
		for (at = 0; virtio_chain_read(&b->held, at, &stat, sizeof(stat)) == sizeof(stat);
		     at += sizeof(stat))
			if (stat.tag < VIRTIO_BALLOON_S_NR)
				b->stat[stat.tag] = stat.val;
	}
}

static void serve(struct virtio *v)
{
	bool stats = v->picked & BIT_ULL(VIRTIO_BALLOON_F_STATS_VQ);
	struct virtio_chain chain;

	while (virtio_take(v, INFLATE, &chain)) {
		inflate(v, &chain);
		virtio_give(v, &chain, 0, false);
	}
	while (virtio_take(v, DEFLATE, &chain))
		virtio_give(v, &chain, 0, false);
	if (stats)
		take_stats(v, v->priv);
	/* Rings are counted without those that were not negotiated. */
	while (virtio_take(v, STATS + stats, &chain)) {
		report(v, &chain);
		virtio_give(v, &chain, 0, false);
	}
}

static void reset(struct virtio *v)
{
	struct balloon *b = v->priv;

	b->holding = false;
	config_of(v)->actual = 0;
}

static void destroy(struct virtio *v)
{
	free(v->priv);
}

/* How much it has given up is what the driver tells; the rest is ours. */
static void config_written(struct virtio *v, unsigned int offset, unsigned int bytes, __u64 value)
{
	size_t at = offsetof(struct virtio_balloon_config, actual);

	if (offset >= at && offset + bytes <= at + sizeof(__u32))
		memcpy(v->config + offset, &value, bytes);
}

static const struct virtio_user balloon = {
	.features = BIT_ULL(VIRTIO_BALLOON_F_STATS_VQ) |
		    BIT_ULL(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
		    BIT_ULL(VIRTIO_BALLOON_F_REPORTING),
	.serve = serve,
	.reset = reset,
	.destroy = destroy,
};

static struct virtio *find(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->virtios; i++)
		if (m->virtio[i]->id == LODGE_VIRTIO_BALLOON)
			return m->virtio[i];
	return NULL;
}

int virtio_balloon_set(struct machine *m, __u64 bytes)
{
	struct virtio *v = find(m);

	if (!v)
		return -ENODEV;
	if (bytes > m->mem.bytes)
		return -EINVAL;
	config_of(v)->num_pages = (m->mem.bytes - bytes) / PAGE;
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		v->transport->config_changed(v);
	return 0;
}

int virtio_balloon_get(struct machine *m, struct balloon_state *state)
{
	struct virtio *v = find(m);
	struct balloon *b;

	if (!v)
		return -ENODEV;
	b = v->priv;
	pthread_mutex_lock(&v->user_lock);
	state->wanted = m->mem.bytes - config_of(v)->num_pages * PAGE;
	state->bytes = m->mem.bytes - config_of(v)->actual * PAGE;
	state->free = b->stat[VIRTIO_BALLOON_S_MEMFREE];
	state->available = b->stat[VIRTIO_BALLOON_S_AVAIL];
	/* For the next time somebody asks */
	if (b->holding)
		virtio_give(v, &b->held, 0, false);
	b->holding = false;
	pthread_mutex_unlock(&v->user_lock);
	return 0;
}

int virtio_balloon_init(struct virtio *v, __u64 bytes, struct fault *f)
{
	__u64 all = v->machine->mem.bytes;

	if (virtio_user_init(v, &balloon, f))
		return -1;
	v->priv = calloc(1, sizeof(struct balloon));
	if (!v->priv)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	if (bytes > all)
		return fault_set(f, "--balloon", "larger than the guest's memory", "see -m", 0);
	v->id = LODGE_VIRTIO_BALLOON;
	v->rings = RINGS;
	v->config_written = config_written;
	v->config_bytes = sizeof(struct virtio_balloon_config);
	config_of(v)->num_pages = bytes ? (all - bytes) / PAGE : 0;
	return 0;
}
