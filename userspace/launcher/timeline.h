/* SPDX-License-Identifier: GPL-2.0-only */
/* The boot of a guest, step by step, out of the trace of its exits. */
#ifndef _LAUNCHER_TIMELINE_H
#define _LAUNCHER_TIMELINE_H

#include <pthread.h>
#include <stdio.h>

#include <lodge/liblodge.h>

#include "util.h"

#define TIMELINE_BIN_MS	50
#define TIMELINE_BINS	12000		/* ten minutes */

enum timeline_step {
	STEP_VM,
	STEP_LOADED,
	STEP_STARTED,
	STEP_EXIT,
	STEP_PRIVILEGED,
	STEP_PROTECTED,
	STEP_LONG,
	STEP_INTERRUPT,
	STEP_USER,
	STEP_SECOND_CPU,
	STEP_COUNT
};

/**
 * struct timeline - what has been seen so far
 * @khz: ticks of the TSC in a millisecond
 * @start: TSC when the launcher began
 * @step: ticks from @start until each step was seen first, 0: not yet
 * @record: the exit that showed it
 * @bin: exits in each TIMELINE_BIN_MS
 * @bins: how many of these there are
 * @lost: exits that were not seen
 */
struct timeline {
	__u32 khz;
	__u64 start;
	__u64 step[STEP_COUNT];
	struct lodge_trace_record record[STEP_COUNT];
	__u32 bin[TIMELINE_BINS];
	unsigned int bins;
	__u64 exits;
	__u64 lost;
	/* for the thread that reads */
	int fd[LODGE_MAX_VCPUS];
	unsigned int fds;
	bool stop;			/* atomic */
	bool started;
	pthread_t thread;
};

static inline __u64 timeline_now(void)
{
	return __builtin_ia32_rdtsc();
}

void timeline_note(struct timeline *t, enum timeline_step step, __u64 tsc);
void timeline_add(struct timeline *t, unsigned int vcpu, const struct lodge_trace_record *r);
void timeline_print(const struct timeline *t, FILE *to);
void timeline_svg(const struct timeline *t, FILE *to);
/* Reads the vCPUs' traces from now on; -errno. */
int timeline_start(struct timeline *t, const int *vcpu, unsigned int vcpus, __u32 khz);
void timeline_stop(struct timeline *t);

/* Names of enum lodge_reason and LODGE_TRACE_*; never NULL. */
const char *reason_name(unsigned int reason);

#endif /* _LAUNCHER_TIMELINE_H */
