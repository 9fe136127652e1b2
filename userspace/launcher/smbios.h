/* SPDX-License-Identifier: GPL-2.0-only */
/* SMBIOS: what the machine is, for people (dmidecode) and their tools. */
#ifndef _LAUNCHER_SMBIOS_H
#define _LAUNCHER_SMBIOS_H

#include "memory.h"

/* Builds the entry point at GUEST_SMBIOS and the structures behind it. */
void smbios_build(const struct memory *m, unsigned int cpus);

#endif /* _LAUNCHER_SMBIOS_H */
