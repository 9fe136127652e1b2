// SPDX-License-Identifier: GPL-2.0-only
/* Timers of devices, run by the front end's thread under the machine's lock. */
#include <sys/timerfd.h>
#include <time.h>

#include "timer.h"

__u64 timer_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

void timers_init(struct timers *ts, int fd, __u64 (*now)(void))
{
	*ts = (struct timers){ .fd = fd, .now = now };
}

/* The descriptor wakes for the first timer; zero would disarm it. */
static void arm(struct timers *ts)
{
	struct itimerspec spec = { 0 };
	__u64 first = 0;
	unsigned int i;

	if (ts->fd < 0)
		return;
	for (i = 0; i < ts->count; i++)
		if (ts->timer[i]->when && (!first || ts->timer[i]->when < first))
			first = ts->timer[i]->when;
	spec.it_value.tv_sec = first / NS_PER_SECOND;
	spec.it_value.tv_nsec = first % NS_PER_SECOND;
	timerfd_settime(ts->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void timer_add(struct timers *ts, struct timer *t, void (*fire)(void *arg), void *arg)
{
	*t = (struct timer){ .fire = fire, .arg = arg };
	if (ts->count < TIMERS_MAX)
		ts->timer[ts->count++] = t;
}

void timer_set(struct timers *ts, struct timer *t, __u64 delay)
{
	__u64 now = ts->now();

	t->when = delay < ~0ull - now ? now + delay : ~0ull;
	arm(ts);
}

void timer_stop(struct timers *ts, struct timer *t)
{
	if (!t->when)
		return;
	t->when = 0;
	arm(ts);
}

void timers_run(struct timers *ts)
{
	__u64 now = ts->now();
	unsigned int i;

	for (i = 0; i < ts->count; i++) {
		struct timer *t = ts->timer[i];

		if (!t->when || t->when > now)
			continue;
		t->when = 0;
		t->fire(t->arg);
	}
	arm(ts);
}
