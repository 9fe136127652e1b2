// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: the log of written pages, and slots that change under vCPUs. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define SLOT	1
#define BASE	0x40000000ull
#define PAGES	192ul			/* three words of the log */
#define BYTES	(PAGES * 4096)
#define PORT	"$0x510"

/* A byte to each of the pages whose numbers RSI points to, up to -1. */
GUEST64(write_list,
	"1: lodsl\n cmp $-1, %eax\n je 2f\n shl $12, %eax\n add $0x40000000, %eax\n"
	"incb 5(%rax)\n jmp 1b\n 2:" END);

GUEST64(read_all,
	"mov $0x40000000, %ebx\n mov $192, %ecx\n"
	"1: mov (%rbx), %al\n add $4096, %ebx\n loop 1b\n" END);

/* The kernel writes the byte: the emulator's store of a string input. */
GUEST64(string_input,
	"mov $0x40003ffe, %edi\n mov " PORT ", %dx\n insb\n" END);

/* All pages, again and again. Bochs never leaves a guest with interrupts off. */
GUEST64(count_all,
	"sti\n 1: mov $0x40000000, %ebx\n mov $192, %ecx\n"
	"2: incq 8(%rbx)\n add $4096, %ebx\n loop 2b\n jmp 1b\n");

FIXTURE(memory)
{
	struct guest g;
	__u8 *mem;
	__u64 log[PAGES / 64];
};

static int set_slot(struct guest *g, __u32 flags, void *mem)
{
	struct lodge_slot args = {
		.size = sizeof(args), .flags = flags, .slot = SLOT, .gpa = BASE,
		.bytes = mem ? BYTES : 0, .user_addr = (unsigned long)mem,
	};

	return call(g->vm, LODGE_SET_SLOT, &args);
}

static int get_log(struct guest *g, __u64 first, __u64 pages, __u64 *log)
{
	struct lodge_dirty args = {
		.size = sizeof(args), .slot = SLOT, .first = first, .pages = pages,
		.bitmap = (unsigned long)log,
	};

	return call(g->vm, LODGE_GET_DIRTY, &args);
}

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, guest_create(&self->g));
	self->mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, set_slot(&self->g, LODGE_SLOT_LOG_DIRTY, self->mem));
}

FIXTURE_TEARDOWN(memory)
{
	guest_destroy(&self->g);
	munmap(self->mem, BYTES);
}

static int write_pages(struct guest *g, const __u32 *list, size_t bytes)
{
	struct lodge_regs regs;

	memcpy(g->mem + GUEST_DATA, list, bytes);
	if (guest_load64(g, write_list) || guest_get_regs(g, &regs))
		return -1;
	regs.gpr[LODGE_RSI] = GUEST_DATA;
	if (guest_set_regs(g, &regs))
		return -1;
	return guest_run_to_end(g) < 0 ? -1 : 0;
}

TEST_F(memory, written_pages_are_logged)
{
	static const __u32 first[] = { 0, 63, 64, 100, 191, -1 }, second[] = { 100, -1 };
	__u64 *log = self->log;

	ASSERT_EQ(0, write_pages(&self->g, first, sizeof(first)));
	ASSERT_EQ(0, get_log(&self->g, 0, PAGES, log));
	EXPECT_EQ(1ull << 63 | 1, log[0]);
	EXPECT_EQ(1ull << 36 | 1, log[1]);
	EXPECT_EQ(1ull << 63, log[2]);
	ASSERT_EQ(0, get_log(&self->g, 0, PAGES, log));
	EXPECT_EQ(0, log[0] | log[1] | log[2]);
	/* A page that was cleaned is logged again. */
	ASSERT_EQ(0, write_pages(&self->g, second, sizeof(second)));
	ASSERT_EQ(0, get_log(&self->g, 0, PAGES, log));
	EXPECT_EQ(0, log[0] | log[2]);
	EXPECT_EQ(1ull << 36, log[1]);
	EXPECT_EQ(2, self->mem[100 * 4096 + 5]);
}

TEST_F(memory, reading_is_not_writing)
{
	memset(self->mem, 1, BYTES);
	ASSERT_EQ(0, guest_load64(&self->g, read_all));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	/* Pages that the host has come many to a fault. */
	EXPECT_GT(PAGES / 4, guest_stat(&self->g, "exits.fault"));
	EXPECT_LE(PAGES, stats_of(self->g.vm, LODGE_VM_STATS, "mapped.4k"));
	EXPECT_LT(3, stats_of(self->g.vm, LODGE_VM_STATS, "tables.pages"));
	ASSERT_EQ(0, get_log(&self->g, 0, PAGES, self->log));
	EXPECT_EQ(0, self->log[0] | self->log[1] | self->log[2]);
}

TEST_F(memory, a_range_leaves_the_rest)
{
	static const __u32 list[] = { 1, 65, 130, -1 };
	__u64 word;

	ASSERT_EQ(0, write_pages(&self->g, list, sizeof(list)));
	ASSERT_EQ(0, get_log(&self->g, 64, 64, &word));
	EXPECT_EQ(2, word);
	ASSERT_EQ(0, get_log(&self->g, 0, PAGES, self->log));
	EXPECT_EQ(2, self->log[0]);
	EXPECT_EQ(0, self->log[1]);
	EXPECT_EQ(4, self->log[2]);
}

TEST_F(memory, kernel_writes_are_logged)
{
	struct guest *g = &self->g;

	ASSERT_EQ(0, guest_load64(g, string_input));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_IO, g->run->exit_reason);
	g->run->data[0] = 0x5a;
	ASSERT_LE(0, guest_run_to_end(g));
	EXPECT_EQ(0x5a, self->mem[0x3ffe]);
	ASSERT_EQ(0, get_log(g, 0, PAGES, self->log));
	EXPECT_EQ(1 << 3, self->log[0]);
}

TEST_F(memory, log_refusals)
{
	static const __u32 list[] = { 7, -1 };
	struct guest *g = &self->g;
	struct lodge_dirty args = { .size = sizeof(args), .bitmap = (unsigned long)self->log };

	EXPECT_EQ(-EINVAL, call(g->vm, LODGE_GET_DIRTY, &args));	/* not logged */
	args.slot = SLOT + 1;
	EXPECT_EQ(-ENOENT, call(g->vm, LODGE_GET_DIRTY, &args));
	args.slot = SLOT;
	EXPECT_EQ(0, call(g->vm, LODGE_GET_DIRTY, &args));	/* nothing asked for */
	args.pad = 1;
	EXPECT_EQ(-EINVAL, call(g->vm, LODGE_GET_DIRTY, &args));
	EXPECT_EQ(-EINVAL, get_log(g, 1, 64, self->log));
	EXPECT_EQ(-EINVAL, get_log(g, 0, PAGES + 1, self->log));
	EXPECT_EQ(-EINVAL, get_log(g, 64, -64ull, self->log));
	EXPECT_EQ(-EINVAL, get_log(g, 1ull << 63, 1ull << 63, self->log));
	/* What could not be handed out is not lost. */
	ASSERT_EQ(0, write_pages(g, list, sizeof(list)));
	EXPECT_EQ(-EFAULT, get_log(g, 0, PAGES, (__u64 *)8));
	ASSERT_EQ(0, get_log(g, 0, PAGES, self->log));
	EXPECT_EQ(1 << 7, self->log[0]);
}

TEST_F(memory, log_ends_with_its_slot)
{
	static const __u32 list[] = { 7, -1 };

	ASSERT_EQ(0, write_pages(&self->g, list, sizeof(list)));
	ASSERT_EQ(0, set_slot(&self->g, 0, self->mem));
	EXPECT_EQ(-EINVAL, get_log(&self->g, 0, PAGES, self->log));
	ASSERT_EQ(0, set_slot(&self->g, LODGE_SLOT_LOG_DIRTY, self->mem));
	ASSERT_EQ(0, get_log(&self->g, 0, PAGES, self->log));
	EXPECT_EQ(0, self->log[0]);
	ASSERT_EQ(0, set_slot(&self->g, 0, NULL));
	EXPECT_EQ(-ENOENT, get_log(&self->g, 0, PAGES, self->log));
}

static volatile bool stop;

static void wake(int sig)
{
}

/* Until told to stop; exits to userspace change nothing here. */
static void *run_thread(void *arg)
{
	struct guest *g = arg;

	while (!stop && call(g->vcpu, LODGE_RUN, NULL) != -EIO)
		;
	return NULL;
}

static pthread_t start(struct guest *g)
{
	struct sigaction action = { .sa_handler = wake };
	pthread_t thread;

	stop = false;
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, run_thread, g);
	return thread;
}

static void finish(struct guest *g, pthread_t thread)
{
	stop = true;
	g->run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
}

static void copy_dirty(struct guest *g, const __u8 *from, __u8 *to)
{
	__u64 log[PAGES / 64];
	unsigned long i;

	if (get_log(g, 0, PAGES, log))
		return;
	for (i = 0; i < PAGES; i++)
		if (log[i / 64] >> (i % 64) & 1)
			memcpy(to + i * 4096, from + i * 4096, 4096);
}

/* A copy kept up by the log alone is the same when all is still. */
TEST_F(memory, nothing_is_lost_while_it_runs)
{
	static __u8 copy[BYTES];
	pthread_t thread;
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, count_all));
	thread = start(&self->g);
	for (i = 0; i < 100; i++) {
		copy_dirty(&self->g, self->mem, copy);
		usleep(500);
	}
	finish(&self->g, thread);
	copy_dirty(&self->g, self->mem, copy);
	EXPECT_NE(0, *(__u64 *)(self->mem + 8));
	EXPECT_EQ(0, memcmp(copy, self->mem, BYTES));
}

/* Deleted, read-only, logged, elsewhere: the guest meets MMIO and goes on. */
TEST_F(memory, slots_change_while_it_runs)
{
	__u8 *other = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	int i;

	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, guest_load64(&self->g, count_all));
	thread = start(&self->g);
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, set_slot(&self->g, LODGE_SLOT_READONLY, self->mem));
		EXPECT_EQ(0, set_slot(&self->g, 0, NULL));
		EXPECT_EQ(0, set_slot(&self->g, LODGE_SLOT_LOG_DIRTY, self->mem));
		EXPECT_EQ(0, set_slot(&self->g, 0, other));
	}
	/* On return of the ioctl nobody writes to the old memory any more. */
	EXPECT_EQ(0, set_slot(&self->g, 0, self->mem));
	memset(other, 0, BYTES);
	usleep(20000);
	finish(&self->g, thread);
	for (i = 0; i < BYTES; i++)
		ASSERT_EQ(0, other[i]);
	munmap(other, BYTES);
}

static int churn(struct guest *g, __u8 *mem, int count)
{
	struct lodge_prefault prefault = { .size = sizeof(prefault), .bytes = 4096 };
	int i, ret = 0;

	for (i = 0; i < count && !ret; i++) {
		prefault.gpa = BASE + MIB(64) + i * 8192ull;
		ret = guest_slot(g, SLOT + 1 + i, prefault.gpa, 4096, mem + i % PAGES * 4096);
		ret = ret ? ret : call(g->vm, LODGE_PREFAULT, &prefault);
	}
	while (i-- && !ret)
		ret = guest_slot(g, SLOT + 1 + i, 0, 0, NULL);
	return ret;
}

TEST_F_TIMEOUT(memory, a_thousand_slots_come_and_go_while_it_runs, 120)
{
	struct guest *g = &self->g;
	__u64 tables, mapped;
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(g, count_all));
	ASSERT_EQ(0, churn(g, self->mem, 100));
	mapped = stats_of(g->vm, LODGE_VM_STATS, "mapped.4k");
	thread = start(g);
	EXPECT_EQ(0, churn(g, self->mem, 1000));
	tables = stats_of(g->vm, LODGE_VM_STATS, "tables.pages");
	EXPECT_EQ(0, churn(g, self->mem, 1000));
	EXPECT_EQ(tables, stats_of(g->vm, LODGE_VM_STATS, "tables.pages"));
	finish(g, thread);
	EXPECT_GE(mapped + PAGES + GUEST_BYTES / 4096,
		  stats_of(g->vm, LODGE_VM_STATS, "mapped.4k"));
	EXPECT_NE(0, *(__u64 *)(self->mem + 8));
}

/* Taken at any moment, and given back: the guest goes on with what it finds. */
TEST_F_TIMEOUT(memory, freed_at_any_moment, 120)
{
	const size_t page = 4096;
	unsigned int seed = 1, i;
	__u64 count, tries = 0;
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(&self->g, count_all));
	thread = start(&self->g);
	for (i = 0; i < 1000; i++) {
		__u8 *at = self->mem + rand_r(&seed) % (PAGES - 16) * page;
		size_t bytes = (1 + rand_r(&seed) % 16) * page;

		switch (rand_r(&seed) % 3) {
		case 0:
			munmap(at, bytes);
			break;
		case 1:
			mprotect(at, bytes, PROT_NONE);
			break;
		default:
			madvise(at, bytes, MADV_DONTNEED);
		}
		ASSERT_EQ(at, mmap(at, bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	}
	count = *(volatile __u64 *)(self->mem + 8);
	while (*(volatile __u64 *)(self->mem + 8) == count && tries++ < 20000)
		usleep(1000);
	EXPECT_GT(20000, tries);
	finish(&self->g, thread);
}

TEST_HARNESS_MAIN
