/* SPDX-License-Identifier: GPL-2.0-only */
/* Of idle.c */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include <sys/types.h>
#include <time.h>

#define SECOND_NS	1000000000ull

static inline unsigned long tsc(void)
{
	return __builtin_ia32_rdtsc();
}

unsigned long long ns(clockid_t clock);
double tsc_rate(void);			/* TSC ticks in a nanosecond */
/*
 * A process that runs when nobody else wants to: what its @clock counts, the CPU
 * would else have been idle. It ends with its parent.
 */
pid_t start_idler(clockid_t *clock);

#endif /* BENCH_IDLE_H */
