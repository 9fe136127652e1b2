// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-mmio (virtio 1.2, 4.2), announced on the kernel's command line. The
 * doorbell and both interrupt registers are answered in the kernel.
 */
#include <linux/virtio_mmio.h>

#include "machine.h"
#include "virtio.h"

#define MMIO_MAGIC	0x74726976	/* "virt" */
#define MMIO_VENDOR	0x45474f4c	/* "LOGE" */
#define ISR_CONFIG	2

#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET	0x0c0
#endif

static __u32 ring_read(struct virtio *v, __u64 offset)
{
	const struct virtio_ring *r = virtio_selected(v);

	if (!r)
		return 0;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return VIRTIO_RING_ENTRIES;
	case VIRTIO_MMIO_QUEUE_READY:
		return r->ready;
	default:
		return 0;
	}
}

static __u64 mmio_read(void *dev, __u64 offset, unsigned int bytes)
{
	struct virtio *v = dev;

	if (offset >= VIRTIO_MMIO_CONFIG)
		return virtio_config_read(v, offset - VIRTIO_MMIO_CONFIG, bytes);
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return v->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return virtio_offer(v);
	case VIRTIO_MMIO_STATUS:
		return v->status;
	default:
		return ring_read(v, offset);
	}
}

static void set_low(__u64 *to, __u32 value)
{
	*to = (*to & ~0xffffffffull) | value;
}

static void set_high(__u64 *to, __u32 value)
{
	*to = (*to & 0xffffffff) | (__u64)value << 32;
}

/* A ring that is in use keeps its place (4.2.2.2). */
static void ring_write(struct virtio *v, __u64 offset, __u32 value)
{
	struct virtio_ring *r = virtio_selected(v);

	if (!r || r->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		r->entries = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&r->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&r->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&r->driver, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&r->driver, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&r->device, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&r->device, value);
		break;
	}
}

static void mmio_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct virtio *v = dev;

	if (offset >= VIRTIO_MMIO_CONFIG)
		virtio_config_write(v, offset - VIRTIO_MMIO_CONFIG, bytes, value);
	if (bytes != 4 || offset >= VIRTIO_MMIO_CONFIG)
		return;
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		v->feature_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_pick(v, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		v->driver_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		v->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		virtio_ring_ready(v, value & 1);
		break;
	case VIRTIO_MMIO_QUEUE_RESET:
		virtio_ring_ready(v, false);
		break;
	case VIRTIO_MMIO_STATUS:
		virtio_set_status(v, value);
		break;
	default:
		ring_write(v, offset, value);
	}
}

static const struct bus_ops mmio_ops = {
	.read = mmio_read,
	.write = mmio_write,
	.width = 4,
};

static int mmio_add(struct virtio *v)
{
	int ret = bus_add(&v->machine->mmio, v->base, VIRTIO_MMIO_BYTES, &mmio_ops, v);

	if (!ret)
		ret = virtio_set_doorbell(v, LODGE_SPACE_MMIO, v->base + VIRTIO_MMIO_QUEUE_NOTIFY,
					  LODGE_READ_EXIT, LODGE_WRITE_DOORBELL);
	if (!ret)
		ret = virtio_set_doorbell(v, LODGE_SPACE_MMIO,
					  v->base + VIRTIO_MMIO_INTERRUPT_STATUS,
					  LODGE_READ_ISR, LODGE_WRITE_EXIT);
	if (!ret)
		ret = virtio_set_doorbell(v, LODGE_SPACE_MMIO, v->base + VIRTIO_MMIO_INTERRUPT_ACK,
					  LODGE_READ_EXIT, LODGE_WRITE_ISR_ACK);
	return ret;
}

static void mmio_config_changed(struct virtio *v)
{
	lodge_change_isr(v->fd, ISR_CONFIG, 0);
}

static void mmio_reset(struct virtio *v)
{
	(void)v;
}

const struct virtio_transport virtio_mmio = {
	.add = mmio_add,
	.config_changed = mmio_config_changed,
	.reset = mmio_reset,
};
