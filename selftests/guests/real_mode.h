/* SPDX-License-Identifier: GPL-2.0-only */
/* The way to real mode and back: labels of multiboot.c's assembly. */
#ifndef _GUESTS_REAL_MODE_H
#define _GUESTS_REAL_MODE_H

#include "bare.h"

extern u8 real_start[], real_end[], wake_start[], wake_end[];
u32 real_mode(void);

#endif /* _GUESTS_REAL_MODE_H */
