/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio devices. Configuration space and status are here, the rings are in
 * the kernel (LODGE_CREATE_VIRTIO), served by threads of ours that block there.
 * Everything but those threads runs under the machine's lock.
 */
#ifndef _LAUNCHER_VIRTIO_H
#define _LAUNCHER_VIRTIO_H

#include <pthread.h>

#include <lodge/liblodge.h>

#include "pci.h"
#include "virtio_options.h"

#define VIRTIO_CONFIG_BYTES	256
#define VIRTIO_RING_ENTRIES	256
#define VIRTIO_NO_VECTOR	0xffff

struct machine;
struct virtio;
struct virtio_blk_config;
struct virtio_user;

/* What the driver told about a ring. */
struct virtio_ring {
	__u32 entries;
	__u64 desc;
	__u64 driver;
	__u64 device;
	__u16 vector;
	bool ready;
};

/* @rings: bit per ring that it serves, unless that is this program */
struct virtio_thread {
	struct virtio *virtio;
	__u64 rings;
	pthread_t thread;
	bool started;
};

/**
 * struct virtio_transport - how the guest sees the device
 * @add: give it an address and an interrupt: 0 or -errno
 * @config_changed: interrupt: configuration or status changed
 * @reset: the device was reset
 */
struct virtio_transport {
	int (*add)(struct virtio *v);
	void (*config_changed)(struct virtio *v);
	void (*reset)(struct virtio *v);
};

/**
 * struct virtio - a device
 * @name: for threads and messages
 * @id: LODGE_VIRTIO_*
 * @rings: how many; @served: of those the kernel serves, where @user has the rest
 * @together: bit per ring of those, when one thread is for all; 0: one for each
 * @backend: file behind it, or -1
 * @fd: the kernel's part
 * @withheld: features that the kernel has and the back end has not
 * @offered: features offered; @picked: what the driver picked so far
 * @status: device status field
 * @config: device-specific configuration
 * @config_written: the driver wrote to it; NULL: it cannot
 * @features_picked: the driver has picked its features; may be NULL
 * @feature_select: half of @offered that is read; @driver_select: of @picked
 * @queue_select: the ring that registers concern
 * @config_vector: MSI-X vector for configuration changes
 * @doorbell: of virtio-pci, by port and by address; 0 while it is unmapped
 * @window_cap: offset of its capability for access by configuration space
 * @user: how this program serves rings, or NULL: the kernel serves all
 * @event: doorbells of those, an eventfd or -1
 * @user_lock, @epoll, @priv: virtio_user.c's, and the device's own
 * @user_broke: a ring of those is broken; @user_changed: @config was changed
 * @number: counts devices; @base, @gsi: virtio-mmio's place
 */
struct virtio {
	struct machine *machine;
	const struct virtio_transport *transport;
	char name[24];
	unsigned int id;
	unsigned int rings;
	unsigned int served;
	__u64 together;
	int backend;
	int fd;
	__u64 withheld;
	__u64 offered;
	__u64 picked;
	__u8 status;
	__u8 config[VIRTIO_CONFIG_BYTES];
	unsigned int config_bytes;
	struct virtio_ring ring[LODGE_MAX_RINGS];
	struct virtio_thread thread[LODGE_MAX_RINGS];
	void (*features_picked)(struct virtio *v);
	void (*config_written)(struct virtio *v, unsigned int offset, unsigned int bytes,
			       __u64 value);

	__u32 feature_select;
	__u32 driver_select;
	__u32 queue_select;
	__u16 config_vector;
	unsigned int number;
	__u64 base;
	unsigned int gsi;
	struct pci_device pci;
	__u64 doorbell[2];
	unsigned int window_cap;
	bool stop;

	const struct virtio_user *user;
	int event;
	pthread_mutex_t user_lock;
	int epoll;
	void *priv;
	bool user_broke;
	bool user_changed;
};

/* All devices that were asked for; -1 with @f filled when one cannot be. */
int virtio_init(struct machine *m, const struct virtio_options *o, struct fault *f);
int virtio_start(struct machine *m, struct fault *f);
void virtio_reset_all(struct machine *m);
/* False when a thread does not end. */
bool virtio_stop(struct machine *m);
void virtio_destroy(struct machine *m);

/**
 * struct balloon_state - bytes of the guest's memory
 * @wanted: that it shall have
 * @bytes: that it has
 * @free: of those, when it told last; @available: without swapping
 */
struct balloon_state {
	__u64 wanted;
	__u64 bytes;
	__u64 free;
	__u64 available;
};

/* The guest shall have @bytes. -ENODEV: no balloon; under the machine's lock */
int virtio_balloon_set(struct machine *m, __u64 bytes);
int virtio_balloon_get(struct machine *m, struct balloon_state *state);

/**
 * struct ring_state - what a ring has done since it was made
 * @device: its device's name; @ring: its number there
 * @values: by enum lodge_ring_stat
 */
struct ring_state {
	const char *device;
	unsigned int ring;
	__u64 values[LODGE_RING_STAT_COUNT];
};

/* Ring @number of all there are, or -ENOENT. */
int virtio_ring_state(struct machine *m, unsigned int number, struct ring_state *state);

/* virtio.c, for the transports */
extern const struct virtio_transport virtio_pci;
extern const struct virtio_transport virtio_mmio;
void virtio_set_status(struct virtio *v, __u8 status);
void virtio_pick(struct virtio *v, __u32 value);
__u32 virtio_offer(const struct virtio *v);
/* The selected ring, or NULL. */
struct virtio_ring *virtio_selected(struct virtio *v);
void virtio_ring_ready(struct virtio *v, bool ready);
/* The driver broke the rules; takes the machine's lock. */
void virtio_broke(struct virtio *v);
/* The driver is to look at @config; takes it, too. */
void virtio_config_changed(struct virtio *v);
void virtio_config_write(struct virtio *v, __u64 offset, unsigned int bytes, __u64 value);
__u64 virtio_config_read(const struct virtio *v, __u64 offset, unsigned int bytes);
/* @space: LODGE_SPACE_* */
int virtio_set_doorbell(struct virtio *v, __u32 space, __u64 addr, __u32 read, __u32 write);
void virtio_clear_region(struct virtio *v, __u32 space, __u64 addr);

/* The devices: fill @create, @v->config and @v->rings; -1 with @f filled. */
int virtio_blk_init(struct virtio *v, const struct disk_option *o,
		    struct lodge_create_virtio *create, struct fault *f);
void virtio_blk_config(struct virtio_blk_config *c, __u64 sectors, __u32 block,
		       unsigned int queues, unsigned int ranges);
int virtio_nbd_init(struct virtio *v, const struct disk_option *o, struct fault *f);
int virtio_console_init(struct virtio *v, const struct console_option *o, unsigned int ports,
			struct fault *f);
int virtio_balloon_init(struct virtio *v, __u64 bytes, struct fault *f);
int virtio_share_init(struct virtio *v, const struct share_option *o, struct fault *f);
int virtio_vsock_init(struct virtio *v, const struct vsock_option *o, struct fault *f);
/* @path: of a socket; only its two rings, of which neither is ours */
int virtio_link_init(struct virtio *v, const char *path, struct fault *f);
int virtio_net_init(struct virtio *v, const struct net_option *o,
		    struct lodge_create_virtio *create, struct fault *f);

#endif /* _LAUNCHER_VIRTIO_H */
