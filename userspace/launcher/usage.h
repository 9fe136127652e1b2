/* SPDX-License-Identifier: GPL-2.0-only */
/* Where guest memory is. */
#ifndef _LAUNCHER_USAGE_H
#define _LAUNCHER_USAGE_H

#include <stdio.h>

#include "memory.h"

/**
 * struct memory_usage - all in bytes
 * @resident: on the host
 * @swapped: on its swap devices
 * @merged: shared with equal pages (KSM)
 * @huge: of @resident, in huge pages of any kind
 * @tables: second-level page tables
 * @accessed: by the guest since this was asked last
 */
struct memory_usage {
	__u64 resident;
	__u64 swapped;
	__u64 merged;
	__u64 huge;
	__u64 tables;
	__u64 accessed;
};

/* Opens what usage_get() reads: a sandbox lets nothing be opened. */
void usage_open(void);
/* 0 or a negative errno; one thread at a time. */
int usage_get(struct memory_usage *u, const struct memory *m, int vm);
/*
 * Adds what /proc/PID/smaps tells of the mappings within @start and @end; false when this kernel
 * does not tell what was merged.
 */
bool usage_parse(struct memory_usage *u, FILE *smaps, unsigned long start, unsigned long end);

#endif /* _LAUNCHER_USAGE_H */
