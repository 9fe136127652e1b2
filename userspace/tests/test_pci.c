// SPDX-License-Identifier: GPL-2.0-only
/* PCI: configuration space, BARs, INTx and MSI-X, against a hostile guest too. */
#include <errno.h>

#include "ktap.h"
#include "pci.h"

#define NO_DEVICE	0xffffffff

static struct bus pio, mmio;
static struct pci pci;
static struct pci_device dev, dev2;
static int level[24];
static unsigned int msis, moves, changes, cf9_writes;
static __u64 msi_addr, last_offset, last_value;
static __u32 msi_data;
static unsigned int last_bytes;

static void on_irq(void *arg, unsigned int gsi, int on)
{
	(void)arg;
	level[gsi] = on;
}

static void on_msi(void *arg, __u64 addr, __u32 data)
{
	(void)arg;
	msis++;
	msi_addr = addr;
	msi_data = data;
}

static void on_moved(struct pci_device *d, unsigned int bar)
{
	(void)d;
	(void)bar;
	moves++;
}

static void on_msix(struct pci_device *d, unsigned int vector)
{
	(void)d;
	(void)vector;
	changes++;
}

static __u64 bar_read(void *arg, __u64 offset, unsigned int bytes)
{
	(void)arg;
	(void)bytes;
	return 0x40 + offset;
}

static void bar_write(void *arg, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)arg;
	last_offset = offset;
	last_bytes = bytes;
	last_value = value;
}

static void cf9_write(void *arg, __u64 offset, unsigned int bytes, __u64 value)
{
	bar_write(arg, offset, bytes, value);
	cf9_writes++;
}

static const struct bus_ops bar_ops = { bar_read, bar_write, 8 };
static const struct bus_ops cf9 = { bar_read, cf9_write, 1 };
static const struct pci_device_ops dev_ops = { .moved = on_moved, .msix_changed = on_msix };

static void setup(void)
{
	struct pci_host host = {
		.pio = &pio, .mmio = &mmio, .ram = GIB(1), .phys_bits = 40,
		.irq = on_irq, .msi = on_msi,
	};

	memset(&pio, 0, sizeof(pio));
	memset(&mmio, 0, sizeof(mmio));
	memset(level, 0, sizeof(level));
	msis = 0;
	changes = 0;
	cf9_writes = 0;
	CHECK(pci_init(&pci, &host) == 0);
	pci.cf9 = &cf9;
	pci_device_init(&dev, 0x1af4, 0x1041, 0x02000001, &dev_ops);
	pci_add_bar(&dev, 0, 0x4000, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &bar_ops, NULL);
	pci_add_bar(&dev, 2, 64, PCI_BAR_IO, &bar_ops, NULL);
	pci_add_msix(&dev, 3, 3);
	pci_use_intx(&dev);
	CHECK(pci_add(&pci, &dev) == 0 && dev.slot == 1);
	moves = 0;
}

static __u32 get(unsigned int slot, unsigned int offset, unsigned int bytes)
{
	__u64 v;

	bus_write(&pio, 0xcf8, 4, BIT(31) | slot << 11 | (offset & 0xfc));
	CHECK(bus_read(&pio, 0xcfc + offset % 4, bytes, &v));
	return v;
}

static void put(unsigned int slot, unsigned int offset, unsigned int bytes, __u32 value)
{
	bus_write(&pio, 0xcf8, 4, BIT(31) | slot << 11 | (offset & 0xfc));
	bus_write(&pio, 0xcfc + offset % 4, bytes, value);
}

static void host_bridge(void)
{
	setup();
	CHECK(get(0, 0, 4) == 0x00081b36 && get(0, 0x0a, 2) == 0x0600);
	CHECK(get(0, 0, 2) == 0x1b36 && get(0, 1, 1) == 0x1b && get(0, 0x0e, 1) == 0);
	put(0, 0, 4, 0);
	CHECK(get(0, 0, 4) == 0x00081b36);
}

static void absent_is_ones(void)
{
	unsigned int slot;
	__u64 v;

	setup();
	for (slot = 2; slot < 32; slot++)
		CHECK(get(slot, 0, 4) == NO_DEVICE && get(slot, 0x0e, 1) == 0xff);
	/* Functions, other buses, and the latch without its enable bit. */
	bus_write(&pio, 0xcf8, 4, 0x80000100);
	CHECK(bus_read(&pio, 0xcfc, 4, &v) && v == NO_DEVICE);
	bus_write(&pio, 0xcf8, 4, 0x80010000);
	CHECK(bus_read(&pio, 0xcfc, 4, &v) && v == NO_DEVICE);
	bus_write(&pio, 0xcf8, 4, 0x00000000);
	CHECK(bus_read(&pio, 0xcfc, 4, &v) && v == NO_DEVICE);
	CHECK(bus_write(&pio, 0xcfc, 4, 0));
}

static void latch(void)
{
	__u64 v;

	setup();
	bus_write(&pio, 0xcf8, 4, 0x80000800);
	CHECK(bus_read(&pio, 0xcf8, 4, &v) && v == 0x80000800);
	/* Nothing but a whole double word is the latch. */
	bus_write(&pio, 0xcf8, 1, 0);
	bus_write(&pio, 0xcfa, 2, 0);
	bus_write(&pio, 0xcfb, 1, 1);
	CHECK(bus_read(&pio, 0xcf8, 4, &v) && v == 0x80000800);
	CHECK(bus_read(&pio, 0xcf8, 2, &v) && v == 0xffff);
	bus_write(&pio, 0xcf9, 1, 6);
	CHECK(cf9_writes == 1 && last_value == 6);
	/* Across the two registers: the address is not touched, nor the data. */
	CHECK(bus_write(&pio, 0xcfa, 4, 0) && bus_read(&pio, 0xcfa, 4, &v) && v == NO_DEVICE);
	CHECK(bus_read(&pio, 0xcf8, 4, &v) && v == 0x80000800);
	CHECK(!bus_write(&pio, 0xcfe, 4, 0) && !bus_read(&pio, 0xcff, 2, &v));
}

static void ecam(void)
{
	__u64 at = PCI_ECAM_BASE + 0x8000, v;

	setup();
	CHECK(bus_read(&mmio, at, 4, &v) && v == 0x10411af4);
	CHECK(bus_read(&mmio, at, 8, &v) && (__u32)v == 0x10411af4);
	CHECK(bus_read(&mmio, at + 1, 2, &v) && v == 0x411a);
	bus_write(&mmio, at + 4, 8, 0);
	CHECK(!(get(1, PCI_COMMAND, 2) & 3));
	/* The end of the space, behind it, no such device, no such bus. */
	CHECK(bus_read(&mmio, at + 0xfc, 4, &v) && v == 0);
	CHECK(bus_read(&mmio, at + 0xfe, 4, &v) && v == NO_DEVICE);
	CHECK(bus_read(&mmio, at + 0x100, 4, &v) && v == NO_DEVICE);
	CHECK(bus_read(&mmio, at + 0xffc, 4, &v) && v == NO_DEVICE);
	CHECK(bus_read(&mmio, at + 0x1000, 4, &v) && v == NO_DEVICE);
	CHECK(!bus_read(&mmio, PCI_ECAM_BASE + MIB(PCI_BUSES), 4, &v));
	bus_write(&mmio, at + 0xfe, 4, ~0u);
	bus_write(&mmio, at + 0x1000, 8, ~0ull);
	CHECK(get(1, 0, 4) == 0x10411af4);
}

static void bars_placed(void)
{
	__u64 v;

	setup();
	CHECK(get(1, 0x10, 4) == (PCI_MMIO32_BASE | 0xc) && get(1, 0x14, 4) == 0);
	CHECK(get(1, 0x18, 4) == (PCI_IO_BASE | 1));
	CHECK((get(1, PCI_COMMAND, 2) & 3) == 3 && get(1, PCI_INTX_PIN, 1) == 1);
	CHECK(get(1, PCI_INTX_LINE, 1) == PCI_INTX_GSI(1, 0));
	CHECK(bus_read(&mmio, PCI_MMIO32_BASE + 8, 4, &v) && v == 0x48);
	CHECK(bus_write(&pio, PCI_IO_BASE + 4, 2, 0x1234) && last_offset == 4 && last_bytes == 2);
}

static void bars_sized(void)
{
	setup();
	put(1, PCI_COMMAND, 2, 0);
	put(1, 0x10, 4, ~0u);
	put(1, 0x14, 4, ~0u);
	put(1, 0x18, 4, ~0u);
	put(1, 0x20, 4, ~0u);
	CHECK(get(1, 0x10, 4) == 0xffffc00c && get(1, 0x14, 4) == ~0u);
	CHECK(get(1, 0x18, 4) == 0xffffffc1 && get(1, 0x20, 4) == 0);
	/* Byte by byte comes to the same. */
	put(1, 0x10, 4, 0);
	put(1, 0x11, 1, 0xff);
	CHECK(get(1, 0x10, 4) == 0x0000c00c);
}

static void bars_move(void)
{
	__u64 v;

	setup();
	put(1, 0x10, 4, 0xd0000000);
	CHECK(moves == 2 && dev.bar[0].addr == 0xd0000000);
	CHECK(!bus_read(&mmio, PCI_MMIO32_BASE, 4, &v));
	CHECK(bus_read(&mmio, 0xd0003ffc, 4, &v));
	/* To the 64-bit window, in two steps; and behind its end. */
	put(1, 0x10, 4, 0);
	put(1, 0x14, 4, layout_mmio64(GIB(1)) >> 32);
	CHECK(dev.bar[0].addr == layout_mmio64(GIB(1)));
	put(1, 0x14, 4, (layout_mmio64(GIB(1)) + PCI_MMIO64_BYTES) >> 32);
	CHECK(dev.bar[0].addr == PCI_UNMAPPED);
	put(1, PCI_COMMAND, 2, 0);
	CHECK(dev.bar[2].addr == PCI_UNMAPPED && dev.bar[3].addr == PCI_UNMAPPED);
	pci_reset(&pci, false);
	CHECK(dev.bar[0].addr == PCI_MMIO32_BASE && dev.bar[2].addr == PCI_IO_BASE);
	pci_reset(&pci, true);
	CHECK(dev.bar[0].addr == PCI_UNMAPPED && get(1, 0x18, 4) == 1);
}

static void bars_out_of_range(void)
{
	static const __u32 bad[] = {
		0, 0x1000, 0xbfffc000, 0xe0000000, 0xfec00000, 0xfee00000, 0xffffc000,
	};
	unsigned int i;

	setup();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put(1, 0x10, 4, bad[i]);
		CHECK(dev.bar[0].addr == PCI_UNMAPPED);
	}
	put(1, 0x10, 4, 0xdfffc000);
	CHECK(dev.bar[0].addr == 0xdfffc000);
	put(1, 0x14, 4, ~0u);
	CHECK(dev.bar[0].addr == PCI_UNMAPPED);
	put(1, 0x18, 4, 0x3f8);
	CHECK(dev.bar[2].addr == PCI_UNMAPPED);
	put(1, 0x18, 4, 0xffc0);
	CHECK(dev.bar[2].addr == 0xffc0);
	put(1, 0x18, 4, 0x1ffc0);
	CHECK(dev.bar[2].addr == PCI_UNMAPPED);
}

static void bars_overlap(void)
{
	setup();
	pci_device_init(&dev2, 1, 2, 0xff000000, NULL);
	pci_add_bar(&dev2, 0, 0x1000, PCI_BAR_MEM32, &bar_ops, NULL);
	CHECK(pci_add(&pci, &dev2) == 0 && dev2.bar[0].addr != PCI_UNMAPPED);
	put(2, 0x10, 4, 0xc0001000);
	CHECK(dev2.bar[0].addr == PCI_UNMAPPED && dev.bar[0].addr == 0xc0000000);
	/* It appears as soon as the other one goes out of the way. */
	put(1, 0x10, 4, 0xd0000000);
	CHECK(dev2.bar[0].addr == 0xc0001000 && dev.bar[0].addr == 0xd0000000);
	/* One BAR of a device over another of its own. */
	put(1, 0x1c, 4, 0xd0000000);
	CHECK(dev.bar[3].addr == PCI_UNMAPPED && dev.bar[0].addr == 0xd0000000);
}

static void hot_loops(void)
{
	unsigned int i;

	setup();
	for (i = 0; i < 100000; i++)
		put(1, 0x10 + i % 0x18, 1 + i % 2, i * 0x9e3779b1);
	for (i = 0; i < 100000; i++)
		put(1, PCI_COMMAND, 2, i);
	CHECK(pio.count <= 2 && mmio.count <= 3);
	pci_reset(&pci, false);
	CHECK(pio.count == 2 && mmio.count == 3);
}

static void capabilities(void)
{
	unsigned int at;

	setup();
	CHECK(get(1, PCI_STATUS, 2) == 0x10 && get(0, PCI_STATUS, 2) == 0);
	at = get(1, PCI_CAPABILITIES, 1);
	CHECK(at == 0x40 && get(1, at, 1) == 0x11 && get(1, at + 1, 1) == 0);
	CHECK(get(1, at + 2, 2) == 2 && get(1, at + 4, 4) == 3 && get(1, at + 8, 4) == 0x803);
	pci_device_init(&dev2, 1, 2, 0xff000000, NULL);
	CHECK(pci_add_cap(&dev2, 9, 16) == 0x40 && pci_add_cap(&dev2, 9, 13) == 0x50);
	CHECK(dev2.config[0x34] == 0x40 && dev2.config[0x41] == 0x50);
	CHECK(pci_add_cap(&dev2, 5, 4) == 0x60 && dev2.config[0x51] == 0x60);
	CHECK(pci_add_cap(&dev2, 9, 0x9c) == 0x64 && pci_add_cap(&dev2, 9, 4) == 0);
}

static void intx(void)
{
	unsigned int gsi = PCI_INTX_GSI(1, 0);

	setup();
	pci_set_intx(&dev, true);
	CHECK(level[gsi] == 1 && get(1, PCI_STATUS, 2) == 0x18);
	put(1, PCI_COMMAND, 2, 0x403);
	CHECK(level[gsi] == 0 && get(1, PCI_STATUS, 2) == 0x18);
	put(1, PCI_COMMAND, 2, 3);
	CHECK(level[gsi] == 1);
	pci_set_intx(&dev, false);
	CHECK(level[gsi] == 0 && get(1, PCI_STATUS, 2) == 0x10);
	pci_set_intx(&dev, true);
	pci_reset(&pci, false);
	CHECK(level[gsi] == 0 && pci.asserted[gsi % PCI_INTX_LINES] == 0);
}

static void intx_shared(void)
{
	unsigned int gsi = PCI_INTX_GSI(1, 0);

	setup();
	CHECK(pci_add(&pci, &dev2) == 0);
	dev2.slot = 3;		/* on the same line as slot 1 */
	pci_set_intx(&dev, true);
	pci_set_intx(&dev2, true);
	pci_set_intx(&dev, false);
	CHECK(level[gsi] == 1);
	pci_set_intx(&dev2, false);
	CHECK(level[gsi] == 0);
}

static void msix_entry(unsigned int v, __u64 addr, __u32 data, __u32 control)
{
	__u64 at = dev.bar[3].addr + v * 16;

	bus_write(&mmio, at, 8, addr);
	bus_write(&mmio, at + 8, 4, data);
	bus_write(&mmio, at + 12, 4, control);
}

static void msix(void)
{
	__u64 v;

	setup();
	CHECK(bus_read(&mmio, dev.bar[3].addr + 12, 4, &v) && v == 1);
	pci_msix_notify(&dev, 1);
	CHECK(!msis && !pci_msix_enabled(&dev));
	put(1, 0x42, 2, 0x8000);
	CHECK(changes == 3 && pci_msix_enabled(&dev) && get(1, 0x42, 2) == 0x8002);
	msix_entry(1, 0xfee00000, 0x4041, 0);
	pci_msix_notify(&dev, 1);
	CHECK(msis == 1 && msi_addr == 0xfee00000 && msi_data == 0x4041);
	/* Masked: pending, sent once when unmasked; so with the function's mask. */
	bus_write(&mmio, dev.bar[3].addr + 28, 4, 1);
	pci_msix_notify(&dev, 1);
	pci_msix_notify(&dev, 1);
	CHECK(msis == 1 && bus_read(&mmio, dev.bar[3].addr + 2048, 8, &v) && v == 2);
	bus_write(&mmio, dev.bar[3].addr + 28, 4, 0);
	CHECK(msis == 2 && bus_read(&mmio, dev.bar[3].addr + 2048, 8, &v) && v == 0);
	put(1, 0x42, 2, 0xc000);
	pci_msix_notify(&dev, 1);
	CHECK(msis == 2);
	put(1, 0x42, 2, 0x8000);
	CHECK(msis == 3);
}

static void msix_hostile(void)
{
	__u64 at, v;

	setup();
	at = dev.bar[3].addr;
	put(1, 0x42, 2, 0x8000);
	pci_msix_notify(&dev, 3);
	pci_msix_notify(&dev, 127);
	pci_msix_notify(&dev, ~0u);
	CHECK(bus_read(&mmio, at + 2048, 8, &v) && v == 0);
	/* Behind the table, onto the pending bits, across the table's end. */
	bus_write(&mmio, at + 48, 8, ~0ull);
	bus_write(&mmio, at + 2048, 8, ~0ull);
	bus_write(&mmio, at + 46, 4, ~0u);
	CHECK(bus_read(&mmio, at + 48, 8, &v) && v == 0);
	CHECK(bus_read(&mmio, at + 2048, 8, &v) && v == 0);
	CHECK(bus_read(&mmio, at + 4088, 8, &v) && !bus_read(&mmio, at + 4092, 8, &v));
	bus_write(&mmio, at + 13, 1, 0xff);
	bus_write(&mmio, at + 12, 1, 0);
	pci_msix_notify(&dev, 0);
	CHECK(msis == 1 && msi_addr == 0);
}

static void no_room(void)
{
	static struct pci_device many[PCI_SLOTS];
	unsigned int i;

	setup();
	pci_device_init(&dev2, 1, 2, 0xff000000, NULL);
	pci_add_bar(&dev2, 0, GIB(1), PCI_BAR_MEM32, &bar_ops, NULL);
	CHECK(pci_add(&pci, &dev2) == -ENOSPC);
	pci_device_init(&dev2, 1, 2, 0xff000000, NULL);
	pci_add_bar(&dev2, 0, GIB(1), PCI_BAR_MEM64, &bar_ops, NULL);
	CHECK(pci_add(&pci, &dev2) == 0 && dev2.bar[0].addr == layout_mmio64(GIB(1)));
	for (i = 3; i < PCI_SLOTS; i++) {
		pci_device_init(&many[i], 1, 2, 0xff000000, NULL);
		CHECK(pci_add(&pci, &many[i]) == 0);
	}
	pci_device_init(&many[0], 1, 2, 0xff000000, NULL);
	CHECK(pci_add(&pci, &many[0]) == -ENOSPC);
}

static const struct test tests[] = {
	{ "pci: host bridge", host_bridge },
	{ "pci: absent devices read all ones", absent_is_ones },
	{ "pci: the latch at 0xcf8", latch },
	{ "pci: memory-mapped configuration", ecam },
	{ "pci: BARs are placed", bars_placed },
	{ "pci: BARs tell their size", bars_sized },
	{ "pci: BARs move", bars_move },
	{ "pci: BARs out of range", bars_out_of_range },
	{ "pci: BARs over one another", bars_overlap },
	{ "pci: hot loops", hot_loops },
	{ "pci: capabilities", capabilities },
	{ "pci: INTx", intx },
	{ "pci: shared INTx", intx_shared },
	{ "pci: MSI-X", msix },
	{ "pci: MSI-X against a hostile guest", msix_hostile },
	{ "pci: no slot, no addresses", no_room },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
