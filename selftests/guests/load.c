// SPDX-License-Identifier: GPL-2.0-only
/*
 * load SECONDS, in a Linux guest: every CPU computes, switches between threads
 * and waits for timers, and all of them look after the clocks, which never go
 * backwards on a CPU nor from one to the next.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_CPUS	64
#define NS		1000000000ll
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME };

#define CLOCKS		ARRAY_SIZE(clocks)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long last[CLOCKS], worst;
static unsigned long reads, backwards;
static long long end;

/**
 * struct worker - two threads on a CPU
 * @to: a pipe that wakes the second
 * @from: and one that answers
 */
struct worker {
	int cpu;
	int to[2];
	int from[2];
	unsigned long rounds;
};

static long long now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static void look(void)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < CLOCKS; i++) {
		long long t = now(clocks[i]);

		if (t < last[i]) {
			backwards++;
			if (last[i] - t > worst)
				worst = last[i] - t;
		}
		last[i] = t;
		reads++;
	}
	pthread_mutex_unlock(&lock);
}

static void stay(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *answer(void *arg)
{
	struct worker *w = arg;
	char c;

	stay(w->cpu);
	while (read(w->to[0], &c, 1) == 1) {
		look();
		if (write(w->from[1], &c, 1) != 1)
			break;
	}
	return NULL;
}

static void *work(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct worker *w = arg;
	volatile unsigned int sum = 0;
	unsigned int i;
	char c = 0;

	stay(w->cpu);
	while (now(CLOCK_MONOTONIC) < end) {
		for (i = 0; i < 2000; i++)
			sum += i * i;
		look();
		if (write(w->to[1], &c, 1) != 1 || read(w->from[0], &c, 1) != 1)
			exit(2);
		if (!(++w->rounds & 63))
			nanosleep(&pause, NULL);
	}
	close(w->to[1]);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[MAX_CPUS];
	static pthread_t threads[2 * MAX_CPUS];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	bool idle = false;

	if (cpus > MAX_CPUS)
		cpus = MAX_CPUS;
	end = now(CLOCK_MONOTONIC) + atoi(argc > 1 ? argv[1] : "1") * NS;
	for (i = 0; i < cpus; i++) {
		workers[i].cpu = i;
		if (pipe(workers[i].to) || pipe(workers[i].from) ||
		    pthread_create(&threads[2 * i], NULL, work, &workers[i]) ||
		    pthread_create(&threads[2 * i + 1], NULL, answer, &workers[i]))
			return 2;
	}
	for (i = 0; i < 2 * cpus; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < cpus; i++)
		idle |= !workers[i].rounds;
	printf("load: %ld CPUs, %lu clock reads, %lu backwards, worst %lld ns\n",
	       cpus, reads, backwards, worst);
	return backwards || idle;
}
