// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio devices: status, features and rings as the driver sets them, and the
 * threads that serve the rings (virtio 1.2, 2.1 to 2.2 and 3.1).
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "virtio_user.h"

#define JOIN_TRIES	50		/* of 100 ms */

/* Rings */

static void needs_reset(struct virtio *v)
{
	if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		v->transport->config_changed(v);
}

struct virtio_ring *virtio_selected(struct virtio *v)
{
	return v->queue_select < v->rings ? &v->ring[v->queue_select] : NULL;
}

static void ring_enable(struct virtio *v, unsigned int i)
{
	bool packed = v->picked & BIT_ULL(VIRTIO_F_RING_PACKED);
	bool ours = v->user && (!v->user->owns || v->user->owns(v, i));
	const struct virtio_ring *r = &v->ring[i];
	struct lodge_ring ring = {
		.flags = LODGE_RING_ENABLED | (ours ? LODGE_RING_USER : 0),
		.ring = i,
		.entries = r->entries,
		.desc = r->desc,
		.driver = r->driver,
		.device = r->device,
		.next = packed ? LODGE_RING_WRAP : 0,
		.used = packed ? LODGE_RING_WRAP : 0,
	};

	if (lodge_set_ring(v->fd, &ring) < 0)
		needs_reset(v);
}

/* Before DRIVER_OK nothing is taken from a ring (3.1.1). */
void virtio_ring_ready(struct virtio *v, bool ready)
{
	struct lodge_ring off = { .ring = v->queue_select };
	struct virtio_ring *r = virtio_selected(v);

	if (!r || r->ready == ready)
		return;
	r->ready = ready;
	if (!(v->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (ready)
		ring_enable(v, v->queue_select);
	else
		lodge_set_ring(v->fd, &off);
}

/* Features and status */

__u32 virtio_offer(const struct virtio *v)
{
	return v->feature_select < 2 ? v->offered >> v->feature_select * 32 : 0;
}

void virtio_pick(struct virtio *v, __u32 value)
{
	unsigned int shift = v->driver_select * 32;

	if (v->driver_select >= 2 || v->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	v->picked &= ~(0xffffffffull << shift);
	v->picked |= (__u64)value << shift;
}

static void device_reset(struct virtio *v)
{
	unsigned int i;

	if (v->user)
		virtio_user_reset(v);
	else
		lodge_virtio_reset(v->fd);
	v->status = 0;
	v->picked = 0;
	v->feature_select = 0;
	v->driver_select = 0;
	v->queue_select = 0;
	v->config_vector = VIRTIO_NO_VECTOR;
	for (i = 0; i < v->rings; i++)
		v->ring[i] = (struct virtio_ring){
			.entries = VIRTIO_RING_ENTRIES,
			.vector = VIRTIO_NO_VECTOR,
		};
	v->transport->reset(v);
}

void virtio_set_status(struct virtio *v, __u8 status)
{
	__u8 new = status & ~v->status;
	unsigned int i;

	if (!status) {
		device_reset(v);
		return;
	}
	/* Bits are only ever added; ours is not the driver's to clear (2.1.1). */
	v->status |= status & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (new & VIRTIO_CONFIG_S_FEATURES_OK && lodge_set_features(v->fd, v->picked) < 0)
		v->status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	else if (new & VIRTIO_CONFIG_S_FEATURES_OK && v->features_picked)
		v->features_picked(v);
	if (!(new & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	for (i = 0; i < v->rings; i++)
		if (v->ring[i].ready)
			ring_enable(v, i);
}

void virtio_config_write(struct virtio *v, __u64 offset, unsigned int bytes, __u64 value)
{
	if (v->config_written && offset + bytes <= v->config_bytes)
		v->config_written(v, offset, bytes, value);
}

__u64 virtio_config_read(const struct virtio *v, __u64 offset, unsigned int bytes)
{
	__u64 value = 0;

	if (offset < v->config_bytes)
		memcpy(&value, v->config + offset, bytes);
	return value;
}

int virtio_set_doorbell(struct virtio *v, __u32 space, __u64 addr, __u32 read, __u32 write)
{
	struct lodge_region region = {
		.space = space,
		.addr = addr,
		.bytes = 4,
		.read = read,
		.write = write,
		.eventfd = v->fd,
	};

	return lodge_set_region(v->machine->vm, &region);
}

void virtio_clear_region(struct virtio *v, __u32 space, __u64 addr)
{
	struct lodge_region region = {
		.flags = LODGE_REGION_DELETE,
		.space = space,
		.addr = addr,
		.bytes = 4,
		.eventfd = -1,
	};

	lodge_set_region(v->machine->vm, &region);
}

/* Threads */

void virtio_broke(struct virtio *v)
{
	pthread_mutex_lock(&v->machine->lock);
	needs_reset(v);
	pthread_mutex_unlock(&v->machine->lock);
}

void virtio_config_changed(struct virtio *v)
{
	pthread_mutex_lock(&v->machine->lock);
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		v->transport->config_changed(v);
	pthread_mutex_unlock(&v->machine->lock);
}

static void *serve(void *arg)
{
	struct virtio_thread *t = arg;
	struct virtio *v = t->virtio;
	int ret = 0;

	while (!__atomic_load_n(&v->stop, __ATOMIC_RELAXED)) {
		ret = lodge_ring_serve(v->fd, t->rings);
		if (ret == -EPROTO)
			virtio_broke(v);
		else if (ret != -EINTR)
			break;
	}
	/* EIO: the VM was killed, which its vCPUs have reported. */
	if (ret != -EINTR && ret != -EPROTO && ret != -EIO)
		fprintf(stderr, "lodge: %s: rings %#llx are not served: %s\n", v->name, t->rings,
			strerror(-ret));
	return NULL;
}

/* For the rings that the kernel serves, and one for those that are ours. */
static unsigned int threads(const struct virtio *v)
{
	unsigned int kernel = v->user ? v->served : v->rings;

	return (v->together ? 1 : kernel) + !!v->user;
}

static int thread_start(struct virtio *v, unsigned int number)
{
	bool ours = v->user && number == threads(v) - 1;
	struct virtio_thread *t = &v->thread[number];
	char name[16];
	int ret;

	*t = (struct virtio_thread){
		.virtio = v,
		.rings = v->together ? v->together : 1ull << number,
	};
	ret = pthread_create(&t->thread, NULL, ours ? virtio_user_thread : serve, t);
	if (ret)
		return ret;
	t->started = true;
	snprintf(name, sizeof(name), "%.11s.%u", v->name, number % LODGE_MAX_RINGS);
	pthread_setname_np(t->thread, name);
	return 0;
}

/* Kicks until it ends: a kick just before LODGE_RING_SERVE does nothing. */
static bool thread_join(struct virtio_thread *t)
{
	struct timespec ts;
	int tries;

	for (tries = 0; t->started && tries < JOIN_TRIES; tries++) {
		pthread_kill(t->thread, SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 100000000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		if (!pthread_timedjoin_np(t->thread, NULL, &ts))
			t->started = false;
	}
	return !t->started;
}

int virtio_start(struct machine *m, struct fault *f)
{
	unsigned int i, ring;
	int ret;

	for (i = 0; i < m->virtios; i++)
		for (ring = 0; ring < threads(m->virtio[i]); ring++) {
			ret = thread_start(m->virtio[i], ring);
			if (ret)
				return fault_set(f, m->virtio[i]->name, "cannot start a thread",
						 NULL, ret);
		}
	return 0;
}

bool virtio_stop(struct machine *m)
{
	unsigned int i, ring;
	bool ok = true;

	for (i = 0; i < m->virtios; i++)
		__atomic_store_n(&m->virtio[i]->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < m->virtios; i++)
		for (ring = 0; ring < threads(m->virtio[i]); ring++)
			ok &= thread_join(&m->virtio[i]->thread[ring]);
	return ok;
}

/* Creation */

static int finish(struct virtio *v, struct lodge_create_virtio *create, struct fault *f)
{
	int ret;

	if (v->transport == &virtio_mmio && !virtio_mmio_place(v->number, &v->base, &v->gsi))
		return fault_set(f, v->name, "no interrupt line is left", "use --transport pci",
				 ENOSPC);
	create->fd = v->backend;
	if (v->user && !v->served) {
		create->flags |= LODGE_VIRTIO_USER;
		create->features = v->user->features;
		create->fd = v->event;
	} else if (v->user && v->served < v->rings) {
		create->flags |= LODGE_VIRTIO_EVENT;
		create->event = v->event;
	}
	create->device = v->id;
	create->rings = v->rings;
	create->gsi = v->transport == &virtio_mmio ? v->gsi : LODGE_VIRTIO_NO_GSI;
	v->fd = lodge_create_virtio(v->machine->vm, create);
	if (v->fd < 0)
		return fault_set(f, v->name, "the hypervisor refused the device", NULL, v->fd);
	v->offered = create->features & ~v->withheld;
	if (!v->machine->config.virtio->packed)
		v->offered &= ~BIT_ULL(VIRTIO_F_RING_PACKED);
	ret = v->transport->add(v);
	if (ret < 0)
		return fault_set(f, v->name, "no room for another device", NULL, ret);
	device_reset(v);
	return 0;
}

static struct virtio *new_device(struct machine *m, const struct virtio_options *o,
				 const char *kind, unsigned int number)
{
	struct virtio *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->machine = m;
	v->transport = o->mmio ? &virtio_mmio : &virtio_pci;
	v->backend = -1;
	v->fd = -1;
	v->epoll = -1;
	v->event = -1;
	v->number = m->virtios;
	snprintf(v->name, sizeof(v->name), "%.8s%u", kind, number);
	m->virtio[m->virtios++] = v;
	return v;
}

static int init_one(struct machine *m, const struct virtio_options *o, const char *kind,
		    unsigned int number, struct fault *f)
{
	struct lodge_create_virtio create = { 0 };
	struct virtio *v = new_device(m, o, kind, number);
	int ret = 0;

	if (!v)
		return fault_set(f, kind, "no memory", NULL, ENOMEM);
	if (!strcmp(kind, "disk")) {
		ret = *o->disk[number].format ? virtio_nbd_init(v, &o->disk[number], f) :
		      virtio_blk_init(v, &o->disk[number], &create, f);
	} else if (!strcmp(kind, "net")) {
		ret = virtio_net_init(v, &o->net[number], &create, f);
	} else if (!strcmp(kind, "console")) {
		ret = virtio_console_init(v, o->console, o->consoles, f);
	} else if (!strcmp(kind, "balloon")) {
		ret = virtio_balloon_init(v, o->balloon_bytes, f);
	} else if (!strcmp(kind, "share")) {
		ret = virtio_share_init(v, &o->share[number], f);
	} else if (!strcmp(kind, "vsock")) {
		ret = virtio_vsock_init(v, &o->vsock, f);
	} else {
		v->id = LODGE_VIRTIO_RNG;
		v->rings = 1;
	}
	return ret ? ret : finish(v, &create, f);
}

int virtio_init(struct machine *m, const struct virtio_options *o, struct fault *f)
{
	unsigned int i;

	for (i = 0; i < o->disks; i++)
		if (init_one(m, o, "disk", i, f))
			return -1;
	for (i = 0; i < o->nets; i++)
		if (init_one(m, o, "net", i, f))
			return -1;
	if (o->consoles && init_one(m, o, "console", 0, f))
		return -1;
	for (i = 0; i < o->shares; i++)
		if (init_one(m, o, "share", i, f))
			return -1;
	if (o->balloon && init_one(m, o, "balloon", 0, f))
		return -1;
	if (o->vsock.cid && init_one(m, o, "vsock", 0, f))
		return -1;
	return o->rng ? init_one(m, o, "rng", 0, f) : 0;
}

void virtio_reset_all(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->virtios; i++)
		device_reset(m->virtio[i]);
}

int virtio_ring_state(struct machine *m, unsigned int number, struct ring_state *state)
{
	unsigned int i;

	for (i = 0; i < m->virtios; number -= m->virtio[i++]->rings)
		if (number < m->virtio[i]->rings) {
			state->device = m->virtio[i]->name;
			state->ring = number;
			return lodge_ring_stats(m->virtio[i]->fd, number, state->values,
						LODGE_RING_STAT_COUNT);
		}
	return -ENOENT;
}

void virtio_destroy(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->virtios; i++) {
		if (m->virtio[i]->user)
			virtio_user_destroy(m->virtio[i]);
		if (m->virtio[i]->fd >= 0)
			close(m->virtio[i]->fd);
		if (m->virtio[i]->backend >= 0)
			close(m->virtio[i]->backend);
		free(m->virtio[i]);
	}
	m->virtios = 0;
}
