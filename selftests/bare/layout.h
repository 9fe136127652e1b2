/* SPDX-License-Identifier: GPL-2.0-only */
/* What assembly and C agree on. */
#ifndef BARE_LAYOUT_H
#define BARE_LAYOUT_H

#define MAX_CPUS	8
#define STACK_SHIFT	14
#define STACK_BYTES	(1 << STACK_SHIFT)

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x18
#define SEL_CODE16	0x20
#define SEL_DATA16	0x28
#define SEL_USER32	0x33
#define SEL_USER_DATA	0x3b
#define SEL_USER64	0x43
#define SEL_ABSENT	0x48
#define SEL_TSS		0x50

/* Where SIPI sends a CPU; what it does there; where tests of real mode lie. */
#define AP_START	0x8000
#define AP_MODE		0x7ff0
#define AP_REAL		0x9000
#define REAL_RESULTS	0x7000
#define REAL_DONE	0x7080
#define REAL_SCRATCH	0x7100

#endif /* BARE_LAYOUT_H */
