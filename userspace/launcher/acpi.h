/* SPDX-License-Identifier: GPL-2.0-only */
/* ACPI tables of the guest. */
#ifndef _LAUNCHER_ACPI_H
#define _LAUNCHER_ACPI_H

#include "memory.h"

#define ACPI_SCI_GSI		9
#define ACPI_PM1_EVENT		0x600	/* status and enable, 2 bytes each */
#define ACPI_PM1_CONTROL	0x604
#define ACPI_PM_TIMER		0x608
#define ACPI_SLEEP_S3		1
#define ACPI_SLEEP_S5		5
#define ACPI_RESET_PORT		0xcf9
#define ACPI_RESET_VALUE	0x06
#define ACPI_IOAPIC_ADDR	0xfec00000u
#define ACPI_LAPIC_ADDR		0xfee00000u

/**
 * acpi_build() - build all tables at GUEST_ACPI
 * @m: guest memory
 * @cpus: number of vCPUs; their APIC ids are 0 and up
 * @phys_bits: width of guest physical addresses: is there a 64-bit PCI window?
 *
 * Return: the RSDP's address; 0 when memory is too small.
 */
__u64 acpi_build(const struct memory *m, unsigned int cpus, unsigned int phys_bits);
/* Where the guest wants to be when it wakes: real mode, from FACS (ACPI 5.2.10). */
__u32 acpi_waking_vector(const struct memory *m);
__u8 acpi_checksum(const void *table, __u64 bytes);

#endif /* _LAUNCHER_ACPI_H */
