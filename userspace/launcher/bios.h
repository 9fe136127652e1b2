/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel finds of a BIOS, though none has run. */
#ifndef _LAUNCHER_BIOS_H
#define _LAUNCHER_BIOS_H

#include "memory.h"

/* Interrupt vectors, BIOS data areas and the handlers of bios.S. */
void bios_place(const struct memory *m);
/* The values in the clock's memory that tell how much there is. */
void bios_fill_cmos(__u8 cmos[128], const struct memory *m, unsigned int cpus);
/* PIC, PIT and vCPU 0's local APIC as a BIOS leaves them; a negative errno. */
int bios_init_chips(int vm);
int bios_init_lapic(int vcpu);

/* bios.S: its labels are the handlers. */
extern const __u8 bios_code[], bios_code_end[];
extern const __u8 bios_iret[], bios_tick[], bios_key[], bios_eoi_master[], bios_eoi_slave[],
	bios_equipment[], bios_memory[], bios_unsupported[], bios_reset[];

#endif /* _LAUNCHER_BIOS_H */
