/* SPDX-License-Identifier: GPL-2.0-only */
/* What bench.c and host.c share. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

#include "operations.h"

unsigned char *guest_memory(void);
void report(const char *name, unsigned int *result, unsigned int samples, unsigned int times);

/* host.c: what is measured without a guest's help */
struct host_operation {
	const char *name;
	unsigned int samples;
	void (*measure)(unsigned int *result, unsigned int samples);
};

extern const struct host_operation host_operations[HOST_OP_COUNT];

#endif /* BENCH_H */
