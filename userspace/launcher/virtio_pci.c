// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-pci, modern (virtio 1.2, 4.1). Interrupts are messages: the kernel is
 * told where each ring's vector leads, and holds those that are masked. There
 * is no INTx pin.
 */
#include <errno.h>
#include <linux/virtio_pci.h>

#include "machine.h"
#include "virtio.h"

#define VENDOR		0x1af4
#define MODERN_ID	0x1040
#define CAP_VENDOR	0x09

/* BAR 0 */
#define COMMON		0x0000
#define ISR		0x1000
#define DEVICE		0x2000
#define NOTIFY		0x3000
#define BAR_BYTES	0x4000
#define MSIX_BAR	2
/* A doorbell of one port: an exit that tells all, and no instruction to decode */
#define PORT_BAR	4
#define PORT_BYTES	4

/* Behind what older headers know of the common configuration. */
#define QUEUE_RESET	0x3a
#define COMMON_BYTES	0x3c

/* The registers as they are now; QUEUE_RESET and its neighbour read as 0. */
static void common_fill(struct virtio *v, struct virtio_pci_common_cfg *c)
{
	const struct virtio_ring *r = virtio_selected(v);

	*c = (struct virtio_pci_common_cfg){
		.device_feature_select = v->feature_select,
		.device_feature = virtio_offer(v),
		.guest_feature_select = v->driver_select,
		.guest_feature = v->driver_select < 2 ? v->picked >> v->driver_select * 32 : 0,
		.msix_config = v->config_vector,
		.num_queues = v->rings,
		.device_status = v->status,
		.queue_select = v->queue_select,
	};
	if (!r)
		return;
	c->queue_size = r->entries;
	c->queue_msix_vector = r->vector;
	c->queue_enable = r->ready;
	c->queue_desc_lo = r->desc;
	c->queue_desc_hi = r->desc >> 32;
	c->queue_avail_lo = r->driver;
	c->queue_avail_hi = r->driver >> 32;
	c->queue_used_lo = r->device;
	c->queue_used_hi = r->device >> 32;
}

static __u64 common_read(struct virtio *v, __u64 offset, unsigned int bytes)
{
	__u8 image[COMMON_BYTES + 8] = { 0 };
	__u64 value = 0;

	common_fill(v, (struct virtio_pci_common_cfg *)image);
	if (offset < COMMON_BYTES)
		memcpy(&value, image + offset, bytes);
	return value;
}

static void update_irq(struct virtio *v, unsigned int i)
{
	struct lodge_ring_irq irq = { .ring = i, .flags = LODGE_RING_IRQ_HOLD };

	if (pci_msix_route(&v->pci, v->ring[i].vector, &irq.addr, &irq.data))
		irq.flags = LODGE_RING_IRQ_MSI;
	lodge_set_ring_irq(v->fd, &irq);
}

/* A vector that does not exist reads back as none (4.1.5.1.2). */
static __u16 vector(const struct virtio *v, __u16 value)
{
	return value < v->pci.msix_vectors ? value : VIRTIO_NO_VECTOR;
}

/* A ring that is in use keeps its place (4.1.4.3.2), but may change its vector. */
static void ring_write(struct virtio *v, const struct virtio_pci_common_cfg *c, __u64 offset)
{
	struct virtio_ring *r = virtio_selected(v);

	if (!r)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_MSIX:
		r->vector = vector(v, c->queue_msix_vector);
		update_irq(v, v->queue_select);
		return;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (c->queue_enable == 1)
			virtio_ring_ready(v, true);
		return;
	case QUEUE_RESET:
		virtio_ring_ready(v, false);
		return;
	}
	if (r->ready || offset < VIRTIO_PCI_COMMON_Q_SIZE)
		return;
	r->entries = c->queue_size;
	r->desc = c->queue_desc_lo | (__u64)c->queue_desc_hi << 32;
	r->driver = c->queue_avail_lo | (__u64)c->queue_avail_hi << 32;
	r->device = c->queue_used_lo | (__u64)c->queue_used_hi << 32;
}

static void common_write(struct virtio *v, __u64 offset, unsigned int bytes, __u64 value)
{
	__u8 image[COMMON_BYTES + 8] = { 0 };
	struct virtio_pci_common_cfg *c = (struct virtio_pci_common_cfg *)image;

	if (offset + bytes > COMMON_BYTES)
		return;
	common_fill(v, c);
	memcpy(image + offset, &value, bytes);
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		v->feature_select = c->device_feature_select;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		v->driver_select = c->guest_feature_select;
		break;
	case VIRTIO_PCI_COMMON_GF:
		virtio_pick(v, c->guest_feature);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		v->config_vector = vector(v, c->msix_config);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		virtio_set_status(v, c->device_status);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		v->queue_select = c->queue_select;
		break;
	default:
		ring_write(v, c, offset);
	}
}

static __u64 bar_read(void *dev, __u64 offset, unsigned int bytes)
{
	struct virtio *v = dev;

	if (offset < ISR)
		return common_read(v, offset, bytes);
	/* Reading the interrupt status clears it. */
	if (offset == ISR)
		return lodge_change_isr(v->fd, 0, ~0u) & 0xff;
	if (offset >= DEVICE && offset < NOTIFY)
		return virtio_config_read(v, offset - DEVICE, bytes);
	return 0;
}

static void bar_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct virtio *v = dev;

	if (offset < ISR)
		common_write(v, offset, bytes, value);
	else if (offset >= DEVICE && offset < NOTIFY)
		virtio_config_write(v, offset - DEVICE, bytes, value);
	else if (offset == NOTIFY)
		lodge_ring_kick(v->fd, value & 0xffff);
}

static __u64 port_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)dev;
	(void)offset;
	(void)bytes;
	return 0;
}

static void port_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct virtio *v = dev;

	(void)bytes;
	if (!offset)
		lodge_ring_kick(v->fd, value & 0xffff);
}

static const struct bus_ops port_ops = {
	.read = port_read,
	.write = port_write,
	.width = 4,
};

static const struct bus_ops bar_ops = {
	.read = bar_read,
	.write = bar_write,
	.width = 4,
};

/* The doorbells are where the guest has put the BARs. */
static void moved(struct pci_device *d, unsigned int bar)
{
	__u32 space = bar == PORT_BAR ? LODGE_SPACE_PIO : LODGE_SPACE_MMIO;
	__u64 at = d->bar[bar].addr;
	struct virtio *v = d->arg;
	__u64 *doorbell = &v->doorbell[space];

	if (bar && bar != PORT_BAR)
		return;
	if (*doorbell)
		virtio_clear_region(v, space, *doorbell);
	*doorbell = at == PCI_UNMAPPED ? 0 : at + (bar ? 0 : NOTIFY);
	if (*doorbell)
		virtio_set_doorbell(v, space, *doorbell, LODGE_READ_EXIT, LODGE_WRITE_DOORBELL);
}

static void msix_changed(struct pci_device *d, unsigned int vector)
{
	struct virtio *v = d->arg;
	unsigned int i;

	for (i = 0; i < v->rings; i++)
		if (v->ring[i].vector == vector)
			update_irq(v, i);
}

/*
 * The window in configuration space, for firmware that maps no BAR (4.1.4.9):
 * where it leads, or false.
 */
static bool window(const struct virtio *v, unsigned int offset, unsigned int bytes, __u64 *at)
{
	const __u8 *cap = v->pci.config + v->window_cap;

	*at = get_le32(cap + VIRTIO_PCI_CAP_OFFSET);
	return offset == v->window_cap + sizeof(struct virtio_pci_cap) &&
	       bytes == get_le32(cap + VIRTIO_PCI_CAP_LENGTH) && !cap[VIRTIO_PCI_CAP_BAR] &&
	       !(*at % bytes) && *at <= BAR_BYTES - bytes;
}

static void config_read(struct pci_device *d, unsigned int offset, unsigned int bytes)
{
	struct virtio *v = d->arg;
	__u64 at, value;

	if (!window(v, offset, bytes, &at))
		return;
	value = bar_read(v, at, bytes);
	memcpy(d->config + offset, &value, bytes);
}

static void config_written(struct pci_device *d, unsigned int offset, unsigned int bytes)
{
	struct virtio *v = d->arg;
	__u64 at, value = 0;

	if (!window(v, offset, bytes, &at))
		return;
	memcpy(&value, d->config + offset, bytes);
	bar_write(v, at, bytes, value);
}

static const struct pci_device_ops pci_ops = {
	.moved = moved,
	.config_read = config_read,
	.config_written = config_written,
	.msix_changed = msix_changed,
};

static unsigned int add_cap(struct pci_device *d, __u8 type, __u8 bar, __u32 offset,
			    __u32 length, unsigned int bytes)
{
	unsigned int at = pci_add_cap(d, CAP_VENDOR, bytes);

	d->config[at + VIRTIO_PCI_CAP_LEN] = bytes;
	d->config[at + VIRTIO_PCI_CAP_CFG_TYPE] = type;
	d->config[at + VIRTIO_PCI_CAP_BAR] = bar;
	put_le32(d->config + at + VIRTIO_PCI_CAP_OFFSET, offset);
	put_le32(d->config + at + VIRTIO_PCI_CAP_LENGTH, length);
	return at;
}

static __u32 class_of(unsigned int id)
{
	switch (id) {
	case LODGE_VIRTIO_NET:
		return 0x020000;
	case LODGE_VIRTIO_BLK:
		return 0x010000;
	case LODGE_VIRTIO_CONSOLE:
		return 0x078000;
	case LODGE_VIRTIO_BALLOON:
		return 0x050000;
	default:
		return 0x00ff00;
	}
}

static int add(struct virtio *v)
{
	struct pci_device *d = &v->pci;

	pci_device_init(d, VENDOR, MODERN_ID + v->id, class_of(v->id) << 8 | 1, &pci_ops);
	d->arg = v;
	put_le16(d->config + PCI_SUBSYSTEM, VENDOR);
	put_le16(d->config + PCI_SUBSYSTEM + 2, v->id);
	pci_add_bar(d, 0, BAR_BYTES, PCI_BAR_MEM64, &bar_ops, v);
	pci_add_msix(d, MSIX_BAR, v->rings + 1);
	pci_add_bar(d, PORT_BAR, PORT_BYTES, PCI_BAR_IO, &port_ops, v);
	add_cap(d, VIRTIO_PCI_CAP_COMMON_CFG, 0, COMMON, COMMON_BYTES, 16);
	add_cap(d, VIRTIO_PCI_CAP_ISR_CFG, 0, ISR, 1, 16);
	add_cap(d, VIRTIO_PCI_CAP_DEVICE_CFG, 0, DEVICE, VIRTIO_CONFIG_BYTES, 16);
	/*
	 * All rings at one address: the multiplier stays 0. A driver takes the
	 * first doorbell that it can reach (4.1.4.1).
	 */
	add_cap(d, VIRTIO_PCI_CAP_NOTIFY_CFG, PORT_BAR, 0, PORT_BYTES, 20);
	add_cap(d, VIRTIO_PCI_CAP_NOTIFY_CFG, 0, NOTIFY, 4, 20);
	v->window_cap = add_cap(d, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, 20);
	d->writable[v->window_cap + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(d->writable + v->window_cap + VIRTIO_PCI_CAP_OFFSET, 0xff, 12);
	return pci_add(&v->machine->pci, d);
}

static void config_changed(struct virtio *v)
{
	pci_msix_notify(&v->pci, v->config_vector);
}

/* Vectors are forgotten, what the guest made of the table is not. */
static void reset(struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < v->rings; i++)
		update_irq(v, i);
}

const struct virtio_transport virtio_pci = {
	.add = add,
	.config_changed = config_changed,
	.reset = reset,
};
