// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs that fault in memory of their own wait for no lock of the module: the
 * kernel tells of each wait for a lock, and its stack says whose lock that was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define TRACING		"/sys/kernel/tracing/"
#define WAITS		"events/lock/contention_begin/"
#define VCPUS		4
#define SLOT		1
#define BASE		0x40000000ull
#define SHARE		MIB(16)
#define PAGE		4096ul
#define SLOT_CHANGES	20

/* A word to each page from RDI on, RCX pages. */
GUEST64(touch, "1: mov %ecx, (%rdi)\n add $4096, %rdi\n dec %ecx\n jnz 1b\n" END);

FIXTURE(locks)
{
	struct guest g[VCPUS];
	__u8 *mem;
};

static int put(const char *file, const char *text)
{
	char path[96];
	int fd, ret;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* Names of the modules stand only behind offsets. */
static int trace_waits(void)
{
	if (access(TRACING "trace", F_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return put(WAITS "trigger", "stacktrace") || put("options/sym-offset", "1") ||
	       put("buffer_size_kb", "4096");
}

/* The lock's own functions, and the tracer's, are on top of the stack. */
static bool of_the_lock(const char *frame)
{
	static const char * const words[] = {
		"lock", "mutex", "rwsem", "down_", "rt_", "trace", "trigger", "stack",
	};
	unsigned int i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(frame, words[i]))
			return true;
	return false;
}

/* How many waits were for a lock that the module took; *@all: for any. */
static int waits_of_ours(int *all)
{
	FILE *trace = fopen(TRACING "trace", "r");
	bool looking = false;
	char line[256];
	int ours = 0;

	*all = 0;
	while (trace && fgets(line, sizeof(line), trace)) {
		if (strstr(line, "<stack trace>")) {
			looking = true;
			++*all;
		} else if (looking && !strncmp(line, " => ", 4)) {
			ours += !!strstr(line, "[lodge]");
			looking = !strstr(line, "[lodge]") && of_the_lock(line);
		}
	}
	if (!trace)
		return -1;
	fclose(trace);
	put("trace", "\n");
	return ours;
}

FIXTURE_SETUP(locks)
{
	int i;

	ASSERT_EQ(0, guest_create(&self->g[0]));
	for (i = 1; i < VCPUS; i++)
		ASSERT_EQ(0, guest_join(&self->g[i], &self->g[0], i));
	self->mem = mmap(NULL, VCPUS * SHARE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	madvise(self->mem, VCPUS * SHARE, MADV_NOHUGEPAGE);
	ASSERT_EQ(0, guest_slot(&self->g[0], SLOT, BASE, VCPUS * SHARE, self->mem));
	if (trace_waits())
		SKIP(return, "this kernel does not tell of waits for locks");
}

FIXTURE_TEARDOWN(locks)
{
	int i;

	put(WAITS "trigger", "!stacktrace");
	for (i = 1; i < VCPUS; i++)
		guest_leave(&self->g[i]);
	guest_destroy(&self->g[0]);
	munmap(self->mem, VCPUS * SHARE);
}

/* Threads that come and go change the process's mappings: none does beside a fault. */
static pthread_barrier_t together;

static void *run_thread(void *arg)
{
	long ret;

	pthread_barrier_wait(&together);
	ret = guest_run_to_end(arg);
	pthread_barrier_wait(&together);
	return (void *)ret;
}

/* All vCPUs at once, each over its own share; how many came to the end. */
static int touch_all(FIXTURE_DATA(locks) *self)
{
	struct lodge_mp_state mp = { .size = sizeof(mp), .state = LODGE_MP_RUNNABLE };
	pthread_t thread[VCPUS];
	struct lodge_regs regs;
	int i, ended = 0;
	void *ret;

	for (i = 0; i < VCPUS; i++) {
		if (guest_load64(&self->g[i], touch) || guest_get_regs(&self->g[i], &regs))
			return -1;
		regs.gpr[LODGE_RDI] = BASE + i * SHARE;
		regs.gpr[LODGE_RCX] = SHARE / PAGE;
		if (guest_set_regs(&self->g[i], &regs) ||
		    call(self->g[i].vcpu, LODGE_SET_MP_STATE, &mp))
			return -1;
	}
	pthread_barrier_init(&together, NULL, VCPUS);
	for (i = 0; i < VCPUS; i++)
		pthread_create(&thread[i], NULL, run_thread, &self->g[i]);
	for (i = 0; i < VCPUS; i++) {
		pthread_join(thread[i], &ret);
		ended += (long)ret >= 0;
	}
	return ended;
}

TEST_F_TIMEOUT(locks, faults_wait_for_none_of_ours, 120)
{
	int all;

	put("trace", "\n");
	/* pages that the host has yet to find, then pages that it has */
	ASSERT_EQ(VCPUS, touch_all(self));
	EXPECT_EQ(0, waits_of_ours(&all));
	ASSERT_EQ(0, guest_slot(&self->g[0], SLOT, BASE, 0, self->mem));
	ASSERT_EQ(0, guest_slot(&self->g[0], SLOT, BASE, VCPUS * SHARE, self->mem));
	ASSERT_EQ(VCPUS, touch_all(self));
	EXPECT_EQ(0, waits_of_ours(&all));
	TH_LOG("waits for the kernel's locks: %d", all);
}

static void *change_slots(void *arg)
{
	struct guest *g = arg;
	int i;

	for (i = 0; i < SLOT_CHANGES; i++)
		guest_slot(g, SLOT + 1, 2 * BASE, i % 2 ? PAGE : 0, g->mem);
	return NULL;
}

/* What the test above would see of a lock that is shared. */
TEST_F_TIMEOUT(locks, a_wait_for_ours_is_seen, 120)
{
	pthread_t thread;
	int all, i, seen = 0;

	put("trace", "\n");
	for (i = 0; i < 10 && !seen; i++) {
		pthread_create(&thread, NULL, change_slots, &self->g[0]);
		change_slots(&self->g[1]);
		pthread_join(thread, NULL);
		seen = waits_of_ours(&all);
	}
	EXPECT_LT(0, seen);
}

TEST_HARNESS_MAIN
