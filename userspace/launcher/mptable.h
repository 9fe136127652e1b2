/* SPDX-License-Identifier: GPL-2.0-only */
/* The MP table, for kernels that know no ACPI. */
#ifndef _LAUNCHER_MPTABLE_H
#define _LAUNCHER_MPTABLE_H

#include "memory.h"

/* Builds the floating pointer at GUEST_MPTABLE and the configuration behind it. */
void mptable_build(const struct memory *m, unsigned int cpus);

#endif /* _LAUNCHER_MPTABLE_H */
