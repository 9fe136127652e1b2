/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel finds of a BIOS, though none has run. */
#ifndef _LAUNCHER_BIOS_H
#define _LAUNCHER_BIOS_H

#include "memory.h"

/* Interrupt vectors, BIOS data areas and the handlers of bios.S. */
void bios_place(const struct memory *m);
/* The values in the clock's memory that tell how much there is. */
void bios_fill_cmos(__u8 cmos[128], const struct memory *m, unsigned int cpus);
/* PIC and PIT as a BIOS leaves them; a negative errno. */
int bios_init_chips(int vm);
/* The same for MTRRs, and for the local APIC of vCPU 0. */
int bios_init_vcpu(int vcpu, unsigned int id, unsigned int phys_bits);

/* bios.S: its labels are the handlers. */
extern const __u8 bios_code[], bios_code_end[];
extern const __u8 bios_iret[], bios_tick[], bios_key[], bios_eoi_master[], bios_eoi_slave[],
	bios_equipment[], bios_memory[], bios_unsupported[], bios_reset[];

#endif /* _LAUNCHER_BIOS_H */
