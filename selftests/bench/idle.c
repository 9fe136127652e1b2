// SPDX-License-Identifier: GPL-2.0-only
/* Time that a counting host spends idle is no instructions: it is told apart. */
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "idle.h"

#define RATE_NS		20000000

unsigned long long ns(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		err(1, "clock");
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

double tsc_rate(void)
{
	unsigned long begin = tsc();
	unsigned long long from = ns(CLOCK_MONOTONIC_RAW), to;

	do {
		to = ns(CLOCK_MONOTONIC_RAW);
	} while (to - from < RATE_NS);
	return (double)(tsc() - begin) / (to - from);
}

pid_t start_idler(clockid_t *clock)
{
	struct sched_param param = { 0 };
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sched_setscheduler(0, SCHED_IDLE, &param))
			err(1, "SCHED_IDLE");
		for (;;)
			;
	}
	if (clock_getcpuclockid(pid, clock))
		errx(1, "the idler has no clock");
	return pid;
}
