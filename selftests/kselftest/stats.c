// SPDX-License-Identifier: GPL-2.0-only
/* The statistics fd: what it says of itself, what it counts, what it costs. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

GUEST64(some_exits, "mov $100, %esi\n"
	"1: xor %eax, %eax\ncpuid\ndec %esi\njnz 1b\n"
	"mov $7, %ecx\n1: in $0xee, %al\nloop 1b\n"
	"mov $0xd0000000, %edx\nmovb $1, (%rdx)\n" END);
GUEST64(many_exits, "mov $2000, %esi\n1: xor %eax, %eax\ncpuid\ndec %esi\njnz 1b\n" END);
GUEST64(forever, "1: jmp 1b\n");
GUEST64(sleeper, "sti\nhlt\n" END);

FIXTURE(stats)
{
	struct guest g;
};

FIXTURE_SETUP(stats)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(stats)
{
	guest_destroy(&self->g);
}

static int open_stats(int fd, unsigned long request, __u32 flags)
{
	struct lodge_open_stats args = { .size = sizeof(args), .flags = flags };

	return call(fd, request, &args);
}

static int run_some_exits(struct guest *g)
{
	int runs = 0, ret;

	if (guest_load64(g, some_exits))
		return -1;
	do {
		ret = guest_run(g);
		runs++;
	} while (!ret && !(g->run->exit_reason == LODGE_EXIT_IO &&
			   g->run->io.port == GUEST_END) && runs < 100);
	return ret ? -1 : runs;
}

static void check_blob(struct __test_metadata *_metadata, int fd, int vcpu)
{
	__u8 blob[STATS_ROOM];
	const struct lodge_stats_header *header = (void *)blob;
	const struct lodge_stats_desc *desc;
	__u32 i;

	ASSERT_LT((int)sizeof(*header), pread(fd, blob, sizeof(blob), 0));
	EXPECT_EQ(vcpu, header->vcpu);
	EXPECT_LT(0, header->tsc_khz);
	EXPECT_STREQ("selftest", header->name);
	EXPECT_LT(20, header->descs);
	ASSERT_LE(header->desc_offset + header->descs * header->desc_bytes, header->value_offset);
	for (i = 0; i < header->descs; i++) {
		desc = (void *)blob + header->desc_offset + i * header->desc_bytes;
		EXPECT_NE(NULL, memchr(desc->name, 0, sizeof(desc->name)));
		EXPECT_EQ(desc, stats_find(blob, desc->name));
		EXPECT_LE(desc->kind, LODGE_STAT_LOG2);
		EXPECT_LE(desc->unit, LODGE_UNIT_NS);
		EXPECT_EQ(desc->kind == LODGE_STAT_LOG2, desc->count > 1);
		EXPECT_LE(header->value_offset + desc->offset + desc->count * 8, header->bytes);
	}
}

TEST_F(stats, describe_themselves)
{
	int vm = open_stats(self->g.vm, LODGE_VM_STATS, 0);
	int vcpu = open_stats(self->g.vcpu, LODGE_VCPU_STATS, 0);

	ASSERT_LE(0, vm);
	ASSERT_LE(0, vcpu);
	check_blob(_metadata, vm, -1);
	check_blob(_metadata, vcpu, 0);
	EXPECT_EQ(~0ull, stats_value(vcpu, "mapped.4k"));
	EXPECT_EQ(~0ull, stats_value(vcpu, "no such thing"));
	EXPECT_NE(~0ull, stats_value(vm, "mapped.4k"));
	close(vm);
	close(vcpu);
}

TEST_F(stats, pieces_make_the_whole)
{
	int fd = open_stats(self->g.vm, LODGE_VM_STATS, 0);
	__u8 whole[STATS_ROOM], piece[STATS_ROOM];
	ssize_t bytes = pread(fd, whole, sizeof(whole), 0), at;

	ASSERT_LT(0, bytes);
	for (at = 0; at < bytes; at++)
		ASSERT_EQ(1, read(fd, piece + at, 1));
	EXPECT_EQ(0, memcmp(whole, piece, bytes));
	EXPECT_EQ(0, read(fd, piece, 1));
	EXPECT_EQ(0, pread(fd, piece, 1, bytes + 1000));
	EXPECT_EQ(bytes - 5, pread(fd, piece, sizeof(piece), 5));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(10, read(fd, piece, 10));
	close(fd);
}

TEST_F(stats, hostile_use)
{
	int fd = open_stats(self->g.vm, LODGE_VM_STATS, 0);
	__u8 byte;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, (void *)-4096l, 64, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(fd, &byte, 1, -1));
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(-ENOTTY, call(fd, LODGE_VM_STATS, &byte));
	EXPECT_EQ(-ENOTTY, call(fd, LODGE_RUN, NULL));
	EXPECT_EQ(-EINVAL, open_stats(self->g.vm, LODGE_VM_STATS, 2));
	close(fd);
}

TEST_F(stats, exits_by_reason)
{
	ASSERT_LT(0, run_some_exits(&self->g));
	EXPECT_EQ(100, guest_stat(&self->g, "exits.cpuid"));
	EXPECT_EQ(8, guest_stat(&self->g, "exits.pio"));
	EXPECT_EQ(1, guest_stat(&self->g, "exits.mmio"));
	EXPECT_EQ(9, guest_stat(&self->g, "user"));
	EXPECT_LE(1, guest_stat(&self->g, "exits.fault"));
	EXPECT_LE(1, guest_stat(&self->g, "faults.4k") + guest_stat(&self->g, "faults.2m"));
	EXPECT_EQ(100, stats_of(self->g.vm, LODGE_VM_STATS, "exits.cpuid"));
	/* Nobody asked for time. */
	EXPECT_EQ(0, guest_stat(&self->g, "hist.exit"));
	EXPECT_EQ(0, guest_stat(&self->g, "ticks.cpuid"));
	EXPECT_EQ(0, guest_stat(&self->g, "time.guest"));
}

TEST_F(stats, histograms_count_every_exit)
{
	int fd = open_stats(self->g.vm, LODGE_VM_STATS, LODGE_STATS_TIMING);
	int second = open_stats(self->g.vcpu, LODGE_VCPU_STATS, LODGE_STATS_TIMING);
	__u64 begin = __builtin_ia32_rdtsc(), known;
	int runs;

	ASSERT_LE(0, second);
	close(second);		/* the other one still wants to know */
	runs = run_some_exits(&self->g);
	ASSERT_LT(0, runs);
	EXPECT_EQ(stats_value(fd, "exits"), stats_value(fd, "hist.exit"));
	/* A run that the kernel cut short was one, too. */
	EXPECT_LE(runs - 1, stats_value(fd, "hist.user"));
	EXPECT_LT(0, stats_value(fd, "hist.ring2"));
	EXPECT_LE(stats_value(fd, "hist.ring2"), stats_value(fd, "ring2"));
	EXPECT_LT(0, stats_value(fd, "ticks.cpuid"));
	EXPECT_LT(0, stats_value(fd, "ticks.pio"));
	EXPECT_LT(0, stats_value(fd, "ticks.mmio"));
	EXPECT_EQ(0, stats_value(fd, "time.halt"));
	known = stats_value(fd, "time.guest") + stats_value(fd, "time.user") +
		stats_value(fd, "ticks.cpuid") + stats_value(fd, "ticks.pio");
	EXPECT_GT(__builtin_ia32_rdtsc() - begin, known);
	close(fd);
}

TEST_F(stats, sleep_is_halt_time)
{
	int fd = open_stats(self->g.vcpu, LODGE_VCPU_STATS, LODGE_STATS_TIMING);

	ASSERT_EQ(0, guest_load64(&self->g, sleeper));
	alarm_ms(50);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	EXPECT_EQ(1, stats_value(fd, "exits.hlt"));
	EXPECT_LE(1, stats_value(fd, "hist.halt"));
	EXPECT_LT(stats_value(fd, "ticks.hlt"), stats_value(fd, "time.halt"));
	close(fd);
}

/* A reader keeps what it reads, and nothing else. */
TEST_F(stats, outlive_the_vm)
{
	int fd = open_stats(self->g.vm, LODGE_VM_STATS, LODGE_STATS_TIMING);
	struct guest other;

	ASSERT_EQ(0, guest_create(&other));
	close(fd);
	fd = open_stats(other.vm, LODGE_VM_STATS, LODGE_STATS_TIMING);
	ASSERT_LT(0, run_some_exits(&other));
	guest_destroy(&other);
	EXPECT_EQ(100, stats_value(fd, "exits.cpuid"));
	EXPECT_LT(0, stats_value(fd, "tables.pages") + 1);
	close(fd);
}

static __u64 run_delay(void)
{
	unsigned long long delay = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f || fscanf(f, "%*u %llu", &delay) != 1)
		delay = 0;
	if (f)
		fclose(f);
	return delay;
}

/* Both sides at one moment: nothing was waited for in between. */
static void delays(struct guest *g, int fd, __u64 *host, __u64 *ready)
{
	__u64 before;

	g->run->immediate_exit = 1;
	do {
		before = run_delay();
		call(g->vcpu, LODGE_RUN, NULL);
		*ready = stats_value(fd, "time.ready");
		*host = run_delay();
	} while (*host != before);
	g->run->immediate_exit = 0;
}

TEST_F(stats, ready_time_is_the_schedulers)
{
	int fd = open_stats(self->g.vcpu, LODGE_VCPU_STATS, 0), i, cpu = 0;
	__u64 host[2], ready[2];
	pid_t rival[2];
	cpu_set_t one;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(one), &one));
	/* Bochs: what is waited for takes it minutes, on its one CPU. */
	if (CPU_COUNT(&one) < 2)
		SKIP(return, "one CPU");
	while (!CPU_ISSET(cpu, &one))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	ASSERT_EQ(0, guest_load64(&self->g, forever));
	delays(&self->g, fd, &host[0], &ready[0]);
	for (i = 0; i < 2; i++) {
		rival[i] = fork();
		while (!rival[i])
			;
	}
	/* Until there is something to compare. */
	for (i = 0; i < 50 && run_delay() - host[0] < 200000000; i++) {
		alarm_ms(200);
		ASSERT_EQ(-EINTR, guest_run(&self->g));
	}
	delays(&self->g, fd, &host[1], &ready[1]);
	for (i = 0; i < 2; i++) {
		kill(rival[i], SIGKILL);
		waitpid(rival[i], NULL, 0);
	}
	host[1] -= host[0];
	ready[1] -= ready[0];
	ASSERT_LT(0, host[1]);
	EXPECT_GT(host[1] / 100, (__u64)llabs((long long)(host[1] - ready[1]))) {
		TH_LOG("ready %llu, run_delay %llu", ready[1], host[1]);
	}
	EXPECT_LT(0, stats_value(fd, "hist.ready"));
	close(fd);
}

static int open_trace(struct guest *g, __u32 records)
{
	struct lodge_open_trace args = {
		.size = sizeof(args), .flags = LODGE_TRACE_STATE, .records = records,
	};

	return call(g->vcpu, LODGE_TRACE, &args);
}

TEST_F(stats, trace_every_exit)
{
	int fd = open_trace(&self->g, 4096), seen[256] = {}, i;
	struct lodge_trace_record rec[512];
	__u64 last = 0, exits = 0;
	ssize_t bytes;

	ASSERT_LE(0, fd);
	ASSERT_LT(0, run_some_exits(&self->g));
	bytes = read(fd, rec, sizeof(rec));
	ASSERT_LT(0, bytes);
	ASSERT_EQ(0, bytes % sizeof(rec[0]));
	for (i = 0; i < bytes / sizeof(rec[0]); i++) {
		seen[rec[i].reason]++;
		exits += rec[i].reason < LODGE_REASON_COUNT;
		EXPECT_LE(last, rec[i].tsc);
		last = rec[i].tsc;
		EXPECT_LT(0, rec[i].ticks);
		EXPECT_EQ(LODGE_STATE_PROTECTED | LODGE_STATE_LONG, rec[i].state);
		EXPECT_LE(GUEST_CODE, rec[i].rip);
		EXPECT_GT(GUEST_CODE + 0x100, rec[i].rip);
		if (rec[i].reason == LODGE_REASON_MMIO)
			EXPECT_EQ(GUEST_NOTHING, rec[i].info);
		if (rec[i].reason == LODGE_REASON_PIO)
			EXPECT_TRUE(rec[i].info == 0xee ||
				    rec[i].info == (GUEST_END | LODGE_INFO_WRITE));
	}
	EXPECT_EQ(100, seen[LODGE_REASON_CPUID]);
	EXPECT_EQ(8, seen[LODGE_REASON_PIO]);
	EXPECT_EQ(1, seen[LODGE_REASON_MMIO]);
	EXPECT_EQ(guest_stat(&self->g, "exits"), exits);
	EXPECT_EQ(-1, read(fd, rec, sizeof(rec)));
	EXPECT_EQ(EAGAIN, errno);
	close(fd);
}

TEST_F(stats, trace_says_what_it_lost)
{
	int fd = open_trace(&self->g, 64);
	struct lodge_trace_record rec[128];
	ssize_t n;

	ASSERT_LE(0, fd);
	ASSERT_LT(0, run_some_exits(&self->g));
	n = read(fd, rec, sizeof(rec));
	ASSERT_LT(1, n / (int)sizeof(rec[0]));
	EXPECT_EQ(LODGE_TRACE_LOST, rec[0].reason);
	EXPECT_EQ(guest_stat(&self->g, "exits"), rec[0].info + n / sizeof(rec[0]) - 1);
	EXPECT_EQ(LODGE_REASON_PIO, rec[n / sizeof(rec[0]) - 1].reason);
	close(fd);
}

/* Ticks for 2,000 exits, the least of a few runs. */
static __u64 cost(struct guest *g)
{
	__u64 least = ~0ull, ticks;
	int i;

	for (i = 0; i < 5; i++) {
		if (guest_load64(g, many_exits))
			return 0;
		ticks = __builtin_ia32_rdtsc();
		if (guest_run_to_end(g) < 0)
			return 0;
		ticks = __builtin_ia32_rdtsc() - ticks;
		least = ticks < least ? ticks : least;
	}
	return least;
}

/* Where a tick is an instruction: what watching adds to each exit (150, 195 on VMX). */
#define WATCH_MAX	200
#define TRACE_MAX	250
TEST_F(stats, watching_is_cheap)
{
	const char *cpu = getenv("LAB_CPU"), *count = getenv("LAB_COUNT");
	__u64 off, timing, trace;
	int fd;

	if (!cpu || (!strcmp(cpu, "amd") && (!count || strcmp(count, "1"))))
		SKIP(return, "ticks are not instructions here");
	off = cost(&self->g);
	fd = open_stats(self->g.vm, LODGE_VM_STATS, LODGE_STATS_TIMING);
	ASSERT_LE(0, fd);
	timing = cost(&self->g) - off;
	close(fd);
	fd = call(self->g.vcpu, LODGE_TRACE, &(struct lodge_open_trace) {
		.size = sizeof(struct lodge_open_trace), .records = 65536,
	});
	ASSERT_LE(0, fd);
	trace = cost(&self->g) - off;
	close(fd);
	TH_LOG("of %llu, per exit: timing %llu, trace %llu", off / 2000, timing / 2000,
	       trace / 2000);
	ASSERT_LT(0, off);
	EXPECT_GE(WATCH_MAX, timing / 2000);
	EXPECT_GE(TRACE_MAX, trace / 2000);
}

TEST_F(stats, trace_hostile_use)
{
	static const __u32 bad[] = { 0, 1, 63, 100, 65537, 1 << 17, 1u << 31, ~0u };
	int fd, i;
	__u8 bytes[64];
	struct guest other;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, open_trace(&self->g, bad[i]));
	ASSERT_EQ(0, guest_create(&other));
	fd = open_trace(&other, 65536);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, open_trace(&other, 64));
	EXPECT_EQ(-1, read(fd, bytes, 31));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(fd, bytes, 32));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, write(fd, bytes, 32));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(-ENOTTY, call(fd, LODGE_TRACE, bytes));
	ASSERT_LT(0, run_some_exits(&other));
	EXPECT_EQ(-1, read(fd, (void *)-4096l, 64));
	EXPECT_EQ(EFAULT, errno);
	guest_destroy(&other);
	EXPECT_EQ(64, read(fd, bytes, 64));
	close(fd);
	/* One at a time, as often as you like. */
	for (i = 0; i < 5; i++) {
		fd = open_trace(&self->g, 64);
		EXPECT_LE(0, fd);
		close(fd);
	}
}

TEST_HARNESS_MAIN
