/* SPDX-License-Identifier: GPL-2.0-only */
/* Timers of devices, run by the front end's thread under the machine's lock. */
#ifndef _LAUNCHER_TIMER_H
#define _LAUNCHER_TIMER_H

#include "util.h"

#define NS_PER_SECOND	1000000000ull
#define TIMERS_MAX	8

/**
 * struct timer - something to do later
 * @when: CLOCK_MONOTONIC ns; 0: never
 * @fire: what to do; it may set the timer again
 * @arg: its argument
 */
struct timer {
	__u64 when;
	void (*fire)(void *arg);
	void *arg;
};

/**
 * struct timers - all of them
 * @fd: timerfd that becomes readable when one is due, or -1
 * @now: the clock
 */
struct timers {
	int fd;
	__u64 (*now)(void);
	struct timer *timer[TIMERS_MAX];
	unsigned int count;
};

void timers_init(struct timers *ts, int fd, __u64 (*now)(void));
/* Fires what is due. */
void timers_run(struct timers *ts);
/* Once, before anything else is done with @t. */
void timer_add(struct timers *ts, struct timer *t, void (*fire)(void *arg), void *arg);
/* @delay in ns; it replaces what was set before. */
void timer_set(struct timers *ts, struct timer *t, __u64 delay);
void timer_stop(struct timers *ts, struct timer *t);
__u64 timer_clock(void);

#endif /* _LAUNCHER_TIMER_H */
