/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are: what devices, memory, loaders and firmware tables agree
 * on. Ports, lines and addresses of one device only are in its own header.
 */
#ifndef _LAUNCHER_LAYOUT_H
#define _LAUNCHER_LAYOUT_H

#include "util.h"

/*
 * Guest physical addresses
 *
 *	0		RAM, up to 3 GiB of it
 *	0xc0000000	32-bit memory of PCI devices
 *	0xe0000000	PCI configuration space (ECAM)
 *	0xfea00000	virtio-mmio devices
 *	0xfec00000	I/O APIC; 0xfed00000 HPET; 0xfee00000 local APICs
 *	0xff000000	firmware, test device
 *	4 GiB		the rest of RAM
 *	above RAM	64-bit memory of PCI devices: layout_mmio64()
 */
#define MEMORY_LOW_MAX		GIB(3)
#define MEMORY_HIGH		GIB(4)

#define PCI_MMIO32_BASE		0xc0000000ull
#define PCI_MMIO32_END		0xe0000000ull	/* first address behind it */
#define PCI_MMIO64_ALIGN	GIB(64)
#define PCI_MMIO64_BYTES	GIB(4)

/* The guest may use the first PCI_BUSES MiB of what is reserved. */
#define PCI_ECAM_BASE		0xe0000000ull
#define PCI_ECAM_RESERVED	MIB(256)
#define PCI_BUSES		1
#define PCI_SLOTS		32

/* Announced on the command line: a page for each device. */
#define VIRTIO_MMIO_BASE	0xfea00000ull
#define VIRTIO_MMIO_BYTES	0x200

#define HPET_BASE		0xfed00000ull
#define HPET_BYTES		0x400

/* Ports of PCI devices; all fixed ports are below, the test device's too. */
#define PCI_IO_BASE		0xc000
#define PCI_IO_END		0x10000

/* Interrupt lines, the same numbers as GSI and as ISA IRQ. */
#define HPET_TIMER_GSI		2	/* legacy replacement, as the PIT's */
#define RTC_GSI			8
/*
 * INTx: pin A..D (0..3) of a slot. Both lines are level-triggered and reach
 * the PIC pair too, so that the interrupt line register, _PRT and the MP
 * table can all say the same.
 */
#define PCI_INTX_GSI(slot, pin)	(10 + (((slot) + (pin)) & 1))
#define PCI_INTX_LINES		2

/* Where PCI's 64-bit memory begins in a guest with this much RAM. */
static inline __u64 layout_mmio64(__u64 ram)
{
	return align_up(ram + (MEMORY_HIGH - MEMORY_LOW_MAX), PCI_MMIO64_ALIGN);
}

#endif /* _LAUNCHER_LAYOUT_H */
