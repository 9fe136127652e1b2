// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's operations of the host: to make and to end VMs, and what a
 * thread of the host costs to wake, which is part of waking a vCPU.
 */
#include <err.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "idle.h"
#include "operations.h"
#include "vmm.h"

#define ENTRY		0x1000
#define NAP_NS		1000000

static void nap(void)
{
	struct timespec t = { .tv_nsec = NAP_NS };

	nanosleep(&t, NULL);
}

/* Create, run to the first exit, destroy. */
static void measure_vm_life(unsigned int *result, unsigned int samples)
{
	unsigned char *memory = guest_memory();
	double rate = tsc_rate();
	struct access access;
	clockid_t idle;
	pid_t idler = start_idler(&idle);
	unsigned int i;

	/* out %al, $PORT_END */
	memory[ENTRY] = 0xe6;
	memory[ENTRY + 1] = PORT_END;
	vmm_open();
	for (i = 0; i < samples; i++) {
		unsigned long long idle_from = ns(idle);
		unsigned long begin = tsc();
		int vm = vmm_create(), vcpu;
		void *run;

		vmm_memory(vm, 0, 0, memory, MEMORY_BYTES);
		vcpu = vmm_vcpu(vm, 0);
		vmm_start(vcpu, ENTRY, 0);
		run = vmm_map(vcpu);
		if (vmm_run(vcpu, run, &access) != STOP_OUT)
			errx(1, "not the exit that was wanted");
		vmm_unmap(run);
		close(vcpu);
		close(vm);
		result[i] = tsc() - begin - rate * (ns(idle) - idle_from);
	}
	kill(idler, SIGKILL);
}

static void measure_vcpu_create(unsigned int *result, unsigned int samples)
{
	unsigned int i;

	vmm_open();
	for (i = 0; i < samples; i++) {
		int vm = vmm_create(), vcpu;
		unsigned long begin = tsc();

		vcpu = vmm_vcpu(vm, 0);
		result[i] = tsc() - begin;
		close(vcpu);
		close(vm);
	}
}

static void measure_syscall(unsigned int *result, unsigned int samples)
{
	unsigned int i;

	for (i = 0; i < samples; i++) {
		unsigned long begin = tsc();

		syscall(SYS_getppid);
		result[i] = tsc() - begin;
	}
}

static volatile unsigned int go, done;
static volatile unsigned long woken;

static void futex(volatile unsigned int *word, int op, unsigned int value)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void *sleeper(void *arg)
{
	unsigned int i;

	for (i = 0;; i++) {
		while (go == i)
			futex(&go, FUTEX_WAIT, i);
		woken = tsc();
		done = i + 1;
		futex(&done, FUTEX_WAKE, 1);
	}
	return NULL;
}

/* From before the call that wakes to the sleeper's first instruction */
static void measure_thread_wake(unsigned int *result, unsigned int samples)
{
	unsigned long begin;
	pthread_t thread;
	unsigned int i;

	if (pthread_create(&thread, NULL, sleeper, NULL))
		errx(1, "pthread_create");
	for (i = 0; i < samples; i++) {
		nap();
		begin = tsc();
		go = i + 1;
		futex(&go, FUTEX_WAKE, 1);
		while (done == i)
			futex(&done, FUTEX_WAIT, i);
		result[i] = woken - begin;
	}
}

/* From the time that was asked for to the first instruction after it */
static void measure_timer_wake(unsigned int *result, unsigned int samples)
{
	unsigned long long deadline;
	double rate = tsc_rate();
	struct timespec t;
	unsigned int i;

	prctl(PR_SET_TIMERSLACK, 1);
	for (i = 0; i < samples; i++) {
		deadline = ns(CLOCK_MONOTONIC) + NAP_NS;
		t = (struct timespec) { .tv_sec = deadline / SECOND_NS,
					.tv_nsec = deadline % SECOND_NS };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		result[i] = rate * (ns(CLOCK_MONOTONIC) - deadline);
	}
}

#define HOST_OPERATION(name, samples) { #name, samples, measure_##name },
const struct host_operation host_operations[HOST_OP_COUNT] = { HOST_OPERATIONS };
#undef HOST_OPERATION
