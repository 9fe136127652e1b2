// SPDX-License-Identifier: GPL-2.0-only
/* The PCI bus: configuration space, BARs, interrupts (PCI 3.0, PCIe 7.2.2). */
#include <errno.h>

#include "pci.h"

#define ADDRESS_ENABLE		BIT(31)
#define COMMAND_IO		0x0001
#define COMMAND_MEMORY		0x0002
#define COMMAND_WRITABLE	0x0547	/* and bus master, parity, SERR, INTx off */
#define COMMAND_INTX_OFF	0x0400
#define STATUS_INTX		0x08	/* low byte */
#define STATUS_CAPABILITIES	0x10
#define CACHE_LINE		0x0c
#define FIRST_CAPABILITY	0x40

#define CAP_MSIX		0x11
#define MSIX_CONTROL		2
#define MSIX_ENABLE		0x8000
#define MSIX_MASK_ALL		0x4000
#define MSIX_ENTRY		16
#define MSIX_ENTRY_CONTROL	12
#define MSIX_MASKED		0x1

#define BRIDGE_VENDOR		0x1b36	/* the generic host bridge */
#define BRIDGE_ID		0x0008
#define BRIDGE_CLASS		0x06000000

/* BARs */

static __u64 bar_flags_mask(const struct pci_bar *b)
{
	return (b->flags & PCI_BAR_IO) ? 3 : 15;
}

static __u64 bar_get(const struct pci_device *d, unsigned int i)
{
	const __u8 *at = d->config + PCI_BAR0 + i * 4;
	__u64 v = (d->bar[i].flags & PCI_BAR_MEM64) ? get_le64(at) : get_le32(at);

	return v & ~bar_flags_mask(&d->bar[i]);
}

static void bar_put(struct pci_device *d, unsigned int i, __u64 addr, __u8 *config)
{
	put_le32(config + PCI_BAR0 + i * 4, addr | d->bar[i].flags);
	if (d->bar[i].flags & PCI_BAR_MEM64)
		put_le32(config + PCI_BAR0 + i * 4 + 4, addr >> 32);
}

static bool in_window(const struct pci_window *w, __u64 addr, __u64 bytes)
{
	return addr >= w->base && addr < w->end && bytes <= w->end - addr;
}

/* Where the guest wants the BAR to be; the bridge passes its windows only. */
static __u64 bar_wanted(const struct pci_device *d, unsigned int i)
{
	const struct pci_window *w = d->pci->window;
	const struct pci_bar *b = &d->bar[i];
	__u16 command = get_le16(d->config + PCI_COMMAND);
	__u64 addr = bar_get(d, i);

	if (b->flags & PCI_BAR_IO)
		return (command & COMMAND_IO) &&
		       in_window(&w[PCI_WINDOW_IO], addr, b->bytes) ? addr : PCI_UNMAPPED;
	return (command & COMMAND_MEMORY) &&
	       (in_window(&w[PCI_WINDOW_MMIO32], addr, b->bytes) ||
		in_window(&w[PCI_WINDOW_MMIO64], addr, b->bytes)) ? addr : PCI_UNMAPPED;
}

static void bar_move(struct pci_device *d, unsigned int i, __u64 addr)
{
	struct pci_bar *b = &d->bar[i];
	struct bus *bus = (b->flags & PCI_BAR_IO) ? d->pci->host.pio : d->pci->host.mmio;

	if (b->addr != PCI_UNMAPPED)
		bus_remove(bus, b->addr);
	/* Where another device is, the older one answers. */
	if (addr != PCI_UNMAPPED && bus_add(bus, addr, b->bytes, b->ops, b->arg))
		addr = PCI_UNMAPPED;
	if (addr == b->addr)
		return;
	b->addr = addr;
	if (d->ops && d->ops->moved)
		d->ops->moved(d, i);
}

/*
 * All devices, not just the one that was written to: a range that was in the
 * way of another's may have gone. So first all leave, then all arrive.
 */
static void bars_update(struct pci *pci)
{
	unsigned int pass, slot, i;

	for (pass = 0; pass < 2; pass++)
		for (slot = 0; slot < PCI_SLOTS; slot++)
			for (i = 0; pci->device[slot] && i < PCI_BARS; i++) {
				struct pci_device *d = pci->device[slot];
				__u64 addr = d->bar[i].bytes ? bar_wanted(d, i) : PCI_UNMAPPED;

				if (d->bar[i].addr != addr)
					bar_move(d, i, pass ? addr : PCI_UNMAPPED);
			}
}

static int window_take(struct pci_window *w, __u64 bytes, __u64 *addr)
{
	__u64 at = align_up(w->next, bytes);

	if (at < w->next || !in_window(w, at, bytes))
		return -ENOSPC;
	w->next = at + bytes;
	*addr = at;
	return 0;
}

static int bar_place(struct pci *pci, struct pci_device *d, unsigned int i)
{
	const struct pci_bar *b = &d->bar[i];
	bool io = b->flags & PCI_BAR_IO;
	__u64 addr;
	int ret;

	if (!b->bytes)
		return 0;
	ret = window_take(&pci->window[io ? PCI_WINDOW_IO : PCI_WINDOW_MMIO32], b->bytes, &addr);
	if (ret && (b->flags & PCI_BAR_MEM64))
		ret = window_take(&pci->window[PCI_WINDOW_MMIO64], b->bytes, &addr);
	if (!ret)
		bar_put(d, i, addr, d->first);
	return ret;
}

/* Interrupts */

static void intx_update(struct pci_device *d)
{
	bool on = d->intx && !(get_le16(d->config + PCI_COMMAND) & COMMAND_INTX_OFF);
	unsigned int gsi = PCI_INTX_GSI(d->slot, 0);
	unsigned int *asserted = &d->pci->asserted[gsi % PCI_INTX_LINES];

	d->config[PCI_STATUS] &= ~STATUS_INTX;
	if (d->intx)
		d->config[PCI_STATUS] |= STATUS_INTX;
	if (on == d->intx_driven)
		return;
	d->intx_driven = on;
	*asserted += on ? 1 : -1;
	if (*asserted == on)
		d->pci->host.irq(d->pci->host.arg, gsi, on);
}

void pci_set_intx(struct pci_device *d, bool level)
{
	d->intx = level;
	intx_update(d);
}

static __u16 msix_control(const struct pci_device *d)
{
	return d->msix_cap ? get_le16(d->config + d->msix_cap + MSIX_CONTROL) : 0;
}

bool pci_msix_enabled(const struct pci_device *d)
{
	return msix_control(d) & MSIX_ENABLE;
}

bool pci_msix_route(const struct pci_device *d, unsigned int vector, __u64 *addr, __u32 *data)
{
	const __u8 *entry = d->msix + vector * MSIX_ENTRY;

	if ((msix_control(d) & (MSIX_ENABLE | MSIX_MASK_ALL)) != MSIX_ENABLE ||
	    vector >= d->msix_vectors || (entry[MSIX_ENTRY_CONTROL] & MSIX_MASKED))
		return false;
	*addr = get_le64(entry);
	*data = get_le32(entry + 8);
	return true;
}

void pci_msix_notify(struct pci_device *d, unsigned int vector)
{
	__u64 addr;
	__u32 data;

	if (pci_msix_route(d, vector, &addr, &data))
		d->pci->host.msi(d->pci->host.arg, addr, data);
	else if (vector < d->msix_vectors && pci_msix_enabled(d))
		d->msix[PCI_MSIX_PBA + vector / 8] |= BIT(vector % 8);
}

/* Vectors @from to before @to may have been unmasked, or lead elsewhere. */
static void msix_update(struct pci_device *d, unsigned int from, unsigned int to)
{
	unsigned int v;

	for (v = from; v < to && v < d->msix_vectors; v++) {
		__u8 *pending = &d->msix[PCI_MSIX_PBA + v / 8];

		if (d->ops && d->ops->msix_changed)
			d->ops->msix_changed(d, v);
		if (!(*pending & BIT(v % 8)))
			continue;
		*pending &= ~BIT(v % 8);
		pci_msix_notify(d, v);
	}
}

static __u64 msix_read(void *dev, __u64 offset, unsigned int bytes)
{
	const struct pci_device *d = dev;
	__u64 v = 0;

	memcpy(&v, d->msix + offset, bytes);
	return v;
}

static void msix_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct pci_device *d = dev;

	/* Pending bits are read-only. */
	if (offset + bytes > d->msix_vectors * MSIX_ENTRY)
		return;
	memcpy(d->msix + offset, &value, bytes);
	msix_update(d, offset / MSIX_ENTRY, (offset + bytes - 1) / MSIX_ENTRY + 1);
}

static const struct bus_ops msix_ops = {
	.read = msix_read,
	.write = msix_write,
	.width = 8,
};

static void msix_reset(struct pci_device *d)
{
	unsigned int v;

	memset(d->msix, 0, sizeof(d->msix));
	for (v = 0; v < d->msix_vectors; v++)
		d->msix[v * MSIX_ENTRY + MSIX_ENTRY_CONTROL] = MSIX_MASKED;
}

/* Configuration space */

static __u64 config_read(struct pci_device *d, unsigned int offset, unsigned int bytes)
{
	__u64 v = 0;

	if (offset + bytes > PCI_CONFIG_BYTES)
		return ~0ull;
	if (d->ops && d->ops->config_read)
		d->ops->config_read(d, offset, bytes);
	memcpy(&v, d->config + offset, bytes);
	return v;
}

static void config_write(struct pci_device *d, unsigned int offset, unsigned int bytes,
			 __u64 value)
{
	__u8 was[PCI_CONFIG_BYTES];
	unsigned int i;

	if (offset + bytes > PCI_CONFIG_BYTES)
		return;
	memcpy(was, d->config, sizeof(was));
	for (i = offset; i < offset + bytes; i++, value >>= 8)
		d->config[i] = (d->config[i] & ~d->writable[i]) | (value & d->writable[i]);
	if (memcmp(was + PCI_COMMAND, d->config + PCI_COMMAND, 2))
		intx_update(d);
	if (memcmp(was + PCI_COMMAND, d->config + PCI_COMMAND, 2) ||
	    memcmp(was + PCI_BAR0, d->config + PCI_BAR0, PCI_BARS * 4))
		bars_update(d->pci);
	if (d->msix_cap && memcmp(was + d->msix_cap, d->config + d->msix_cap, 4))
		msix_update(d, 0, d->msix_vectors);
	if (d->ops && d->ops->config_written)
		d->ops->config_written(d, offset, bytes);
}

/* The device at @where (bus, slot, function in bits 8, 3 and 0), or NULL. */
static struct pci_device *device_at(const struct pci *pci, unsigned int where)
{
	return where < PCI_SLOTS << 3 && !(where & 7) ? pci->device[where >> 3] : NULL;
}

/* The device that the latch selects, for the data port. */
static struct pci_device *latched(const struct pci *pci, unsigned int *offset)
{
	__u32 address = __atomic_load_n(pci->address, __ATOMIC_RELAXED);

	*offset = (address & 0xfc) + *offset % 4;
	return address & ADDRESS_ENABLE ? device_at(pci, address >> 8 & 0xffff) : NULL;
}

/*
 * Only a whole double word at 0xcf8 is the latch: PCI 3.0, 3.2.2.3.2. A byte at
 * 0xcf9 is the reset register.
 */
static __u64 ports_read(void *dev, __u64 port, unsigned int bytes)
{
	unsigned int offset = port;
	struct pci *pci = dev;
	struct pci_device *d;

	if (port == 0 && bytes == 4)
		return __atomic_load_n(pci->address, __ATOMIC_RELAXED);
	if (port == 1 && bytes == 1 && pci->cf9)
		return pci->cf9->read(pci->cf9_dev, 0, 1);
	if (port < 4)
		return ~0ull;
	d = latched(pci, &offset);
	return d ? config_read(d, offset, bytes) : ~0ull;
}

static void ports_write(void *dev, __u64 port, unsigned int bytes, __u64 value)
{
	unsigned int offset = port;
	struct pci *pci = dev;
	struct pci_device *d;

	if (port == 0 && bytes == 4) {
		__atomic_store_n(pci->address, value, __ATOMIC_RELAXED);
	} else if (port == 1 && bytes == 1 && pci->cf9) {
		pci->cf9->write(pci->cf9_dev, 0, 1, value);
	} else if (port >= 4) {
		d = latched(pci, &offset);
		if (d)
			config_write(d, offset, bytes, value);
	}
}

static __u64 ecam_read(void *dev, __u64 offset, unsigned int bytes)
{
	struct pci_device *d = device_at(dev, offset >> 12);

	return d ? config_read(d, offset & 0xfff, bytes) : ~0ull;
}

static void ecam_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct pci_device *d = device_at(dev, offset >> 12);

	if (d)
		config_write(d, offset & 0xfff, bytes, value);
}

static const struct bus_ops ports_ops = {
	.read = ports_read,
	.write = ports_write,
	.width = 4,
};

static const struct bus_ops ecam_ops = {
	.read = ecam_read,
	.write = ecam_write,
	.width = 4,
};

/* Setting up */

void pci_device_init(struct pci_device *d, __u16 vendor, __u16 id, __u32 class_rev,
		     const struct pci_device_ops *ops)
{
	unsigned int i;

	memset(d, 0, sizeof(*d));
	d->ops = ops;
	d->cap_end = FIRST_CAPABILITY;
	for (i = 0; i < PCI_BARS; i++)
		d->bar[i].addr = PCI_UNMAPPED;
	put_le16(d->config + PCI_VENDOR, vendor);
	put_le16(d->config + PCI_VENDOR + 2, id);
	put_le32(d->config + PCI_CLASS, class_rev);
	put_le16(d->writable + PCI_COMMAND, COMMAND_WRITABLE);
	d->writable[CACHE_LINE] = 0xff;
	d->writable[PCI_INTX_LINE] = 0xff;
}

void pci_add_bar(struct pci_device *d, unsigned int i, __u64 bytes, unsigned int flags,
		 const struct bus_ops *ops, void *arg)
{
	struct pci_bar *b = &d->bar[i];
	__u64 mask;

	*b = (struct pci_bar){ bytes, flags, ops, arg, PCI_UNMAPPED };
	mask = ~(bytes - 1) & ~bar_flags_mask(b);
	put_le32(d->config + PCI_BAR0 + i * 4, flags);
	put_le32(d->writable + PCI_BAR0 + i * 4, mask);
	if (flags & PCI_BAR_MEM64)
		put_le32(d->writable + PCI_BAR0 + i * 4 + 4, mask >> 32);
}

unsigned int pci_add_cap(struct pci_device *d, __u8 id, unsigned int bytes)
{
	unsigned int at = d->cap_end;

	if (bytes > PCI_CONFIG_BYTES - at)
		return 0;
	d->config[at] = id;
	d->config[d->cap_last ? d->cap_last + 1 : PCI_CAPABILITIES] = at;
	d->config[PCI_STATUS] |= STATUS_CAPABILITIES;
	d->cap_last = at;
	d->cap_end = align_up(at + bytes, 4);
	return at;
}

void pci_add_msix(struct pci_device *d, unsigned int bar, unsigned int vectors)
{
	unsigned int at = pci_add_cap(d, CAP_MSIX, 12);

	d->msix_cap = at;
	d->msix_vectors = vectors < PCI_MSIX_MAX ? vectors : PCI_MSIX_MAX;
	put_le16(d->config + at + MSIX_CONTROL, d->msix_vectors - 1);
	put_le32(d->config + at + 4, bar);
	put_le32(d->config + at + 8, PCI_MSIX_PBA | bar);
	put_le16(d->writable + at + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL);
	pci_add_bar(d, bar, sizeof(d->msix), PCI_BAR_MEM32, &msix_ops, d);
	msix_reset(d);
}

void pci_use_intx(struct pci_device *d)
{
	d->config[PCI_INTX_PIN] = 1;
}

static void device_reset(struct pci_device *d, bool bare)
{
	unsigned int i;

	memcpy(d->config, d->first, sizeof(d->config));
	for (i = 0; bare && i < PCI_BARS; i++)
		if (d->bar[i].bytes)
			bar_put(d, i, 0, d->config);
	if (bare)
		put_le16(d->config + PCI_COMMAND, 0);
	msix_reset(d);
	pci_set_intx(d, false);
	if (d->ops && d->ops->reset)
		d->ops->reset(d);
}

void pci_reset(struct pci *pci, bool bare)
{
	unsigned int slot;

	__atomic_store_n(pci->address, 0, __ATOMIC_RELAXED);
	for (slot = 0; slot < PCI_SLOTS; slot++)
		if (pci->device[slot])
			device_reset(pci->device[slot], bare);
	bars_update(pci);
}

int pci_add(struct pci *pci, struct pci_device *d)
{
	unsigned int i, slot = 0;
	__u16 command = 0;

	while (slot < PCI_SLOTS && pci->device[slot])
		slot++;
	if (slot == PCI_SLOTS)
		return -ENOSPC;
	d->pci = pci;
	d->slot = slot;
	memcpy(d->first, d->config, sizeof(d->first));
	for (i = 0; i < PCI_BARS; i++) {
		if (bar_place(pci, d, i))
			return -ENOSPC;
		if (d->bar[i].bytes)
			command |= (d->bar[i].flags & PCI_BAR_IO) ? COMMAND_IO : COMMAND_MEMORY;
	}
	put_le16(d->first + PCI_COMMAND, command);
	if (d->config[PCI_INTX_PIN])
		d->first[PCI_INTX_LINE] = PCI_INTX_GSI(slot, 0);
	memcpy(d->config, d->first, sizeof(d->config));
	pci->device[slot] = d;
	bars_update(pci);
	return 0;
}

int pci_init(struct pci *pci, const struct pci_host *host)
{
	__u64 base = layout_mmio64(host->ram);
	int ret;

	memset(pci, 0, sizeof(*pci));
	pci->host = *host;
	pci->address = &pci->own;
	pci->window[PCI_WINDOW_IO] =
		(struct pci_window){ PCI_IO_BASE, PCI_IO_END, PCI_IO_BASE };
	pci->window[PCI_WINDOW_MMIO32] =
		(struct pci_window){ PCI_MMIO32_BASE, PCI_MMIO32_END, PCI_MMIO32_BASE };
	if (base + PCI_MMIO64_BYTES <= 1ull << host->phys_bits)
		pci->window[PCI_WINDOW_MMIO64] =
			(struct pci_window){ base, base + PCI_MMIO64_BYTES, base };
	ret = bus_add(host->pio, PCI_CONFIG_PORT, PCI_CONFIG_PORTS, &ports_ops, pci);
	if (!ret)
		ret = bus_add(host->mmio, PCI_ECAM_BASE, MIB(PCI_BUSES), &ecam_ops, pci);
	if (ret)
		return ret;
	pci_device_init(&pci->bridge, BRIDGE_VENDOR, BRIDGE_ID, BRIDGE_CLASS, NULL);
	return pci_add(pci, &pci->bridge);
}
