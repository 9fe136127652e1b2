/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI: one bus with a host bridge, single-function devices in its slots.
 *
 * A device fills a struct pci_device and hands it over:
 *
 *	pci_device_init(d, vendor, id, class, &ops);
 *	pci_add_bar(d, 0, 4096, PCI_BAR_MEM64, &my_ops, my);
 *	pci_add_msix(d, 2, vectors);
 *	at = pci_add_cap(d, 0x09, 16);
 *	d->config[at + 2] = ...; d->writable[at + 12] = 0xff;
 *	pci_use_intx(d);
 *	pci_add(pci, d);
 *
 * From then on its BAR ranges are called through the buses wherever the guest
 * puts them, and it interrupts by pci_msix_notify() or pci_set_intx(). All of
 * it, the callbacks too, runs under the machine's lock.
 */
#ifndef _LAUNCHER_PCI_H
#define _LAUNCHER_PCI_H

#include "bus.h"
#include "layout.h"

#define PCI_CONFIG_PORT		0xcf8	/* address, and data at 0xcfc */
#define PCI_CONFIG_PORTS	8
#define PCI_CONFIG_BYTES	256
#define PCI_BARS		6
#define PCI_UNMAPPED		(~0ull)
#define PCI_MSIX_MAX		128

#define PCI_BAR_IO		0x1	/* the low bits of a BAR as it is read */
#define PCI_BAR_MEM32		0x0
#define PCI_BAR_MEM64		0x4	/* takes the next BAR's place too */
#define PCI_BAR_PREFETCH	0x8

#define PCI_VENDOR		0x00	/* offsets in the configuration space */
#define PCI_COMMAND		0x04
#define PCI_STATUS		0x06
#define PCI_CLASS		0x08	/* with the revision as its low byte */
#define PCI_SUBSYSTEM		0x2c
#define PCI_BAR0		0x10
#define PCI_CAPABILITIES	0x34
#define PCI_INTX_LINE		0x3c
#define PCI_INTX_PIN		0x3d

struct pci_device;

/**
 * struct pci_device_ops - what a device may want to know; each may be NULL
 * @reset: the machine is reset; the configuration space is as it was at first
 * @moved: BAR @bar is now at bar[].addr, or at PCI_UNMAPPED
 * @msix_changed: what pci_msix_route() says about @vector may be different now
 * @config_read: called before @bytes are read from config[] at @offset
 * @config_written: called after writable bits among them were written
 */
struct pci_device_ops {
	void (*reset)(struct pci_device *d);
	void (*moved)(struct pci_device *d, unsigned int bar);
	void (*msix_changed)(struct pci_device *d, unsigned int vector);
	void (*config_read)(struct pci_device *d, unsigned int offset, unsigned int bytes);
	void (*config_written)(struct pci_device *d, unsigned int offset, unsigned int bytes);
};

/**
 * struct pci_bar - a range of ports or memory
 * @bytes: its length, a power of two; 0: none
 * @flags: PCI_BAR_*
 * @ops: who answers there; @arg is its first argument
 * @addr: where it is, or PCI_UNMAPPED
 */
struct pci_bar {
	__u64 bytes;
	unsigned int flags;
	const struct bus_ops *ops;
	void *arg;
	__u64 addr;
};

/**
 * struct pci_device - a device
 * @ops: its wishes
 * @arg: its own
 * @slot: where it is, after pci_add()
 * @config: configuration space
 * @writable: bits that the guest may write
 * @first: @config as it is after power-on
 * @bar: its ranges
 * @cap_end: where the next capability goes; @cap_last: where the last one is
 * @msix_cap: offset of that capability, or 0
 * @msix_vectors: how many
 * @msix: the MSI-X table, then (from PCI_MSIX_PBA) the pending bits
 * @intx: it asserts its INTx pin
 * @intx_driven: ... and the bus has been told so
 */
struct pci_device {
	const struct pci_device_ops *ops;
	void *arg;
	struct pci *pci;
	unsigned int slot;
	__u8 config[PCI_CONFIG_BYTES];
	__u8 writable[PCI_CONFIG_BYTES];
	__u8 first[PCI_CONFIG_BYTES];
	struct pci_bar bar[PCI_BARS];
	unsigned int cap_end;
	unsigned int cap_last;
	unsigned int msix_cap;
	unsigned int msix_vectors;
	__u8 msix[4096];
	bool intx;
	bool intx_driven;
};

#define PCI_MSIX_PBA	2048

/**
 * struct pci_host - what the bus needs from its surroundings
 * @arg: first argument of the functions
 * @pio: ports; @mmio: guest physical addresses
 * @ram: bytes of RAM
 * @phys_bits: width of guest physical addresses
 * @irq: an INTx line changed to @level
 * @msi: a message-signalled interrupt
 */
struct pci_host {
	void *arg;
	struct bus *pio;
	struct bus *mmio;
	__u64 ram;
	unsigned int phys_bits;
	void (*irq)(void *arg, unsigned int gsi, int level);
	void (*msi)(void *arg, __u64 addr, __u32 data);
};

/* A range of addresses that the bus answers, filled from @next on. */
struct pci_window {
	__u64 base;
	__u64 end;
	__u64 next;
};

enum { PCI_WINDOW_IO, PCI_WINDOW_MMIO32, PCI_WINDOW_MMIO64, PCI_WINDOWS };

/**
 * struct pci - the bus
 * @address: the latch at port 0xcf8; in @own or on a page shared with the
 *	hypervisor
 * @cf9: who answers at port 0xcf9, in the middle of it; @cf9_dev its argument
 * @asserted: how many devices drive each interrupt line
 */
struct pci {
	struct pci_host host;
	__u32 *address;
	__u32 own;
	const struct bus_ops *cf9;
	void *cf9_dev;
	struct pci_device *device[PCI_SLOTS];
	struct pci_device bridge;
	struct pci_window window[PCI_WINDOWS];
	unsigned int asserted[PCI_INTX_LINES];
};

/* With its host bridge; -EEXIST when ports or ECAM overlap another device. */
int pci_init(struct pci *pci, const struct pci_host *host);
/* Puts a device into the next slot; -ENOSPC: no slot or no addresses left. */
int pci_add(struct pci *pci, struct pci_device *d);
/* BARs and command register as a BIOS leaves them, or (@bare) as at power-on. */
void pci_reset(struct pci *pci, bool bare);

void pci_device_init(struct pci_device *d, __u16 vendor, __u16 id, __u32 class_rev,
		     const struct pci_device_ops *ops);
void pci_add_bar(struct pci_device *d, unsigned int i, __u64 bytes, unsigned int flags,
		 const struct bus_ops *ops, void *arg);
/* Offset of a new capability of @bytes with its first two filled; 0: no room. */
unsigned int pci_add_cap(struct pci_device *d, __u8 id, unsigned int bytes);
/* MSI-X with its table and pending bits in BAR @bar of 4 KiB. */
void pci_add_msix(struct pci_device *d, unsigned int bar, unsigned int vectors);
/* The device has an INTA pin. */
void pci_use_intx(struct pci_device *d);

/* Level of the INTx pin; held back while the guest has disabled it. */
void pci_set_intx(struct pci_device *d, bool level);
bool pci_msix_enabled(const struct pci_device *d);
/* False when the vector is masked or MSI-X is off. */
bool pci_msix_route(const struct pci_device *d, unsigned int vector, __u64 *addr, __u32 *data);
/* Interrupts, or becomes pending while masked. */
void pci_msix_notify(struct pci_device *d, unsigned int vector);

#endif /* _LAUNCHER_PCI_H */
