// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four vCPUs against a host that does with their memory what it may: no write
 * is missing in the log, and no page is read or written after it was taken.
 * LODGE_STORM_SECONDS: how long the storm lasts; 8 by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif

#define VCPUS		4
#define SLOT		1
#define BASE		0x40000000ull
#define PAGE		4096ul
#define STACK(i)	(0xf000 - (i) * 0x400)
#define LIST(i)		(GUEST_DATA + (i) * 0x8000)

struct runner {
	struct guest g;		/* shares all but the vCPU */
	pthread_t thread;
	long result;
};

FIXTURE(storm)
{
	struct runner vcpu[VCPUS];
	__u8 *mem;
	size_t bytes;
};

static void wake(int sig)
{
}

FIXTURE_SETUP(storm)
{
	struct sigaction action = { .sa_handler = wake };
	int i;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, guest_create(&self->vcpu[0].g));
	for (i = 1; i < VCPUS; i++)
		ASSERT_EQ(0, guest_join(&self->vcpu[i].g, &self->vcpu[0].g, i));
}

FIXTURE_TEARDOWN(storm)
{
	int i;

	for (i = 1; i < VCPUS; i++)
		guest_leave(&self->vcpu[i].g);
	guest_destroy(&self->vcpu[0].g);
	munmap(self->mem, self->bytes);
}

static __u32 seed = 1;

static __u32 next(__u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* vCPU @i is to run the program that is loaded, with these registers. */
static int prepare(struct runner *r, int i, const __u8 *program, size_t bytes, __u64 *gpr)
{
	struct lodge_mp_state mp = { .size = sizeof(mp), .state = LODGE_MP_RUNNABLE };
	struct lodge_regs regs;
	int ret = guest_load(&r->g, program, bytes, true);

	ret = ret ? ret : call(r->g.vcpu, LODGE_SET_MP_STATE, &mp);
	ret = ret ? ret : guest_get_regs(&r->g, &regs);
	if (ret)
		return ret;
	memcpy(&regs.gpr, gpr, sizeof(regs.gpr));
	regs.gpr[LODGE_RSP] = STACK(i);
	return guest_set_regs(&r->g, &regs);
}

/*
 * The log
 */

#define LOGGED		1024ul		/* pages, a quarter for each vCPU */
#define SHARE		(LOGGED / VCPUS)
#define WORDS		(LOGGED / 64)
#define ROUNDS		200
#define MOST		64		/* pages that a vCPU writes in a round */

/* A word to each of the pages whose numbers RSI points to, up to -1. */
GUEST64(write_list,
	"1: lodsl\n cmp $-1, %eax\n je 2f\n shl $12, %eax\n add $0x40000000, %eax\n"
	"incq 16(%rax)\n jmp 1b\n 2:" END);

static volatile bool running;

static void *run_list(void *arg)
{
	struct runner *r = arg;

	r->result = guest_run_to_end(&r->g);
	return NULL;
}

static void make_list(struct runner *r, int i, __u64 *written)
{
	__u32 *list = (__u32 *)(r->g.mem + LIST(i));
	__u32 n = 1 + next(MOST), page;

	while (n--) {
		page = i * SHARE + next(SHARE);
		*list++ = page;
		written[page / 64] |= 1ull << page % 64;
	}
	*list = -1;
}

static int harvest(struct guest *g, __u64 *found)
{
	__u64 log[WORDS];
	struct lodge_dirty args = {
		.size = sizeof(args), .slot = SLOT, .pages = LOGGED, .bitmap = (unsigned long)log,
	};
	int ret = call(g->vm, LODGE_GET_DIRTY, &args);
	unsigned int i;

	for (i = 0; !ret && i < WORDS; i++)
		found[i] |= log[i];
	return ret;
}

struct harvester {
	struct guest *g;
	__u8 *mem;
	__u64 found[WORDS];
	int result;
};

static void *harvest_all_the_time(void *arg)
{
	struct harvester *h = arg;

	/* The host takes pages meanwhile, whose marks go with them. */
	while (running && !h->result) {
		madvise(h->mem + next(LOGGED / 16) * 16 * PAGE, 16 * PAGE, MADV_PAGEOUT);
		h->result = harvest(h->g, h->found);
	}
	return NULL;
}

/* One round; how many pages the log has beyond those that were written, or -1. */
static int log_round(struct runner *vcpu, __u8 *mem, __u64 *written)
{
	struct harvester h = { .g = &vcpu[0].g, .mem = mem };
	unsigned int i, extra = 0;
	pthread_t thread;

	running = true;
	pthread_create(&thread, NULL, harvest_all_the_time, &h);
	for (i = 0; i < VCPUS; i++)
		pthread_create(&vcpu[i].thread, NULL, run_list, &vcpu[i]);
	for (i = 0; i < VCPUS; i++) {
		pthread_join(vcpu[i].thread, NULL);
		if (vcpu[i].result < 0)
			h.result = -EIO;
	}
	running = false;
	pthread_join(thread, NULL);
	if (h.result || harvest(h.g, h.found))
		return -1;
	for (i = 0; i < WORDS; i++) {
		if (written[i] & ~h.found[i])
			return -1;
		extra += __builtin_popcountll(h.found[i] & ~written[i]);
	}
	return extra;
}

/* The union of what concurrent harvests find is what was written. */
TEST_F_TIMEOUT(storm, the_log_is_exact, 300)
{
	struct lodge_slot slot = {
		.size = sizeof(slot), .flags = LODGE_SLOT_LOG_DIRTY, .slot = SLOT, .gpa = BASE,
		.bytes = LOGGED * PAGE,
	};
	struct runner *vcpu = self->vcpu;
	int round, i, extra;

	self->bytes = LOGGED * PAGE;
	self->mem = mmap(NULL, self->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	slot.user_addr = (unsigned long)self->mem;
	ASSERT_EQ(0, call(vcpu[0].g.vm, LODGE_SET_SLOT, &slot));
	for (round = 0; round < ROUNDS; round++) {
		__u64 written[WORDS] = {};

		for (i = 0; i < VCPUS; i++) {
			__u64 gpr[16] = { [LODGE_RSI] = LIST(i) };

			make_list(&vcpu[i], i, written);
			ASSERT_EQ(0, prepare(&vcpu[i], i, write_list,
					     write_list_end - write_list, gpr));
		}
		extra = log_round(vcpu, self->mem, written);
		ASSERT_LE(0, extra);
		ASSERT_GE(LOGGED / 100, extra);
	}
}

/*
 * The storm. Of two regions the first is anonymous memory that the host may
 * move, merge, swap and copy, but whose contents it has to keep: each vCPU has a
 * share of it, and every page there counts its rounds. The second is shared
 * memory of which the host has two copies: it puts one under the guest and
 * poisons the other, so whoever still has the old page reads poison or spoils it.
 */
#define KEPT_PAGES	1024ul
#define SWAPPED_PAGES	64ul
#define KEPT_BYTES	(KEPT_PAGES * PAGE)
#define SWAPPED_BYTES	(SWAPPED_PAGES * PAGE)
#define CHUNK_PAGES	8ul
#define CHUNKS		(SWAPPED_PAGES / CHUNK_PAGES)
#define CHUNK_BYTES	(CHUNK_PAGES * PAGE)
#define POISON		0xdeaddeaddeaddeadull

/*
 * RDI, RCX: the first page of the share and how many; R8: the round; RBX, RDX:
 * the other region; R9: poison; RSI: where rounds are counted. AL at the end: 1:
 * a page of its own is not as it was left, 2: poison. Bochs never leaves a guest
 * with interrupts off.
 */
GUEST64(weather,
	"sti\n 1: mov %rdi, %r10\n mov %rcx, %r11\n"
	"2: mov 24(%r10), %rax\n cmp %r8, %rax\n jne 7f\n inc %rax\n mov %rax, 24(%r10)\n"
	"add $4096, %r10\n dec %r11\n jne 2b\n inc %r8\n"
	"mov %rbx, %r10\n mov %rdx, %r11\n"
	"4: mov (%r10), %rax\n cmp %r9, %rax\n je 8f\n mov %r8, (%r10)\n"
	"add $4096, %r10\n dec %r11\n jne 4b\n mov %r8, (%rsi)\n jmp 1b\n"
	"7: mov $1, %al\n" END "8: mov $2, %al\n" END);

static void *run_weather(void *arg)
{
	struct runner *r = arg;

	while (running) {
		r->result = call(r->g.vcpu, LODGE_RUN, NULL);
		/* Memory that is away for a moment is asked for again. */
		if (r->result == -EINTR ||
		    (!r->result && r->g.run->exit_reason == LODGE_EXIT_MEMORY)) {
			r->result = 0;
			continue;
		}
		guest_say_where(&r->g);
		if (!r->result)
			r->result = r->g.run->exit_reason;
		break;
	}
	return NULL;
}

struct sky {
	__u8 *kept;
	__u8 *map;		/* what the guest has of the two files */
	__u8 *move;		/* where its slot goes next, and now the other of the two */
	__u8 *own[2];		/* what the host sees them by */
	int file[2];
	int under[CHUNKS];	/* which the guest has */
	struct guest *g;
	unsigned long spoiled;
	int failed;
};

static int open_sky(struct sky *s)
{
	int i, n;

	s->kept = mmap(NULL, KEPT_BYTES + MIB(2), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->kept == MAP_FAILED)
		return -errno;
	s->kept = (__u8 *)(((unsigned long)s->kept + MIB(2) - 1) & -MIB(2));
	for (i = 0; i < 2; i++) {
		s->file[i] = memfd_create("storm", MFD_CLOEXEC);
		if (s->file[i] < 0 || ftruncate(s->file[i], SWAPPED_BYTES))
			return -errno;
		s->own[i] = mmap(NULL, SWAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
				 s->file[i], 0);
	}
	s->map = mmap(NULL, SWAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s->file[0], 0);
	s->move = mmap(NULL, SWAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s->file[1], 0);
	for (n = 0; n < SWAPPED_BYTES; n += 8)
		*(__u64 *)(s->own[1] + n) = POISON;
	return guest_slot(s->g, SLOT, BASE, KEPT_BYTES, s->kept) ?:
	       guest_slot(s->g, SLOT + 1, BASE + KEPT_BYTES, SWAPPED_BYTES, s->map);
}

static void fill(__u8 *to, __u64 value)
{
	unsigned long i;

	for (i = 0; i < CHUNK_BYTES; i += 8)
		*(volatile __u64 *)(to + i) = value;
}

static void check_poison(struct sky *s, const __u8 *p)
{
	unsigned long i;

	for (i = 0; i < CHUNK_BYTES; i += 8)
		s->spoiled += *(const volatile __u64 *)(p + i) != POISON;
}

static void put_under(struct sky *s, __u8 *map, int chunk, int which, bool gap)
{
	__u8 *at = map + chunk * CHUNK_BYTES;

	if (gap)
		munmap(at, CHUNK_BYTES);
	if (mmap(at, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->file[which],
		 chunk * CHUNK_BYTES) != at)
		s->failed = errno;
}

/* The old chunk is poisoned as soon as the host says that it is gone. */
static void swap_chunk(struct sky *s, bool gap)
{
	int chunk = next(CHUNKS), old = s->under[chunk], new = !old;
	size_t offset = chunk * CHUNK_BYTES;

	check_poison(s, s->own[new] + offset);
	fill(s->own[new] + offset, 0);
	put_under(s, s->map, chunk, new, gap);
	put_under(s, s->move, chunk, old, gap);
	fill(s->own[old] + offset, POISON);
	s->under[chunk] = new;
}

/* The same memory at another user address, and poison at the old. */
static void move_slot(struct sky *s)
{
	__u8 *old = s->map;
	int i;

	s->map = s->move;
	s->move = old;
	for (i = 0; i < CHUNKS; i++)
		put_under(s, s->map, i, s->under[i], false);
	if (guest_slot(s->g, SLOT + 1, BASE + KEPT_BYTES, SWAPPED_BYTES, s->map))
		s->failed = errno;
	for (i = 0; i < CHUNKS; i++)
		put_under(s, s->move, i, !s->under[i], false);
}

static void write_word(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, word, strlen(word)) < 0 && errno == ENOMEM)
		usleep(1);
	close(fd);
}

static void protect_some(struct sky *s)
{
	__u8 *at = s->kept + next(KEPT_PAGES - 16) * PAGE;

	mprotect(at, 16 * PAGE, next(2) ? PROT_READ : PROT_NONE);
	if (mprotect(at, 16 * PAGE, PROT_READ | PROT_WRITE))
		s->failed = errno;
}

/* Both have every page; the child goes, and its copies with it. */
static void fork_and_exit(struct sky *s)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		s->failed = errno;
}

/* Not every kernel knows all, and none has to do it. */
static void advise(struct sky *s, int advice, unsigned long pages)
{
	__u8 *at = s->kept + next(KEPT_PAGES / pages) * pages * PAGE;

	madvise(at, pages * PAGE, advice);
}

static void swap(struct sky *s)
{
	swap_chunk(s, next(2));
}

static void collapse(struct sky *s)
{
	advise(s, MADV_HUGEPAGE, 512);
	advise(s, MADV_COLLAPSE, 512);
}

static void use_small(struct sky *s)
{
	advise(s, MADV_NOHUGEPAGE, 16);
}

static void page_out(struct sky *s)
{
	advise(s, MADV_PAGEOUT, 64);
}

static void cool(struct sky *s)
{
	advise(s, MADV_COLD, 64);
}

static void merge(struct sky *s)
{
	advise(s, next(2) ? MADV_MERGEABLE : MADV_UNMERGEABLE, 64);
}

/* Pages move about in the host. */
static void compact(struct sky *s)
{
	write_word("/proc/sys/vm/compact_memory", "1");
}

static void (*const ops[])(struct sky *s) = {
	swap, swap, move_slot, protect_some, fork_and_exit, collapse, use_small, page_out, cool,
	merge, compact,
};

#define OPS	ARRAY_SIZE(ops)

static __u64 rounds(struct runner *r, int i)
{
	return *(volatile __u64 *)(r->g.mem + LIST(i));
}

static time_t storm_seconds(void)
{
	const char *text = getenv("LODGE_STORM_SECONDS");

	return text ? atoi(text) : 8;
}

static void start_weather(struct runner *vcpu)
{
	int i;

	running = true;
	for (i = 0; i < VCPUS; i++)
		pthread_create(&vcpu[i].thread, NULL, run_weather, &vcpu[i]);
}

static void end_weather(struct runner *vcpu)
{
	int i;

	running = false;
	for (i = 0; i < VCPUS; i++) {
		vcpu[i].g.run->immediate_exit = 1;
		pthread_kill(vcpu[i].thread, SIGUSR1);
	}
	for (i = 0; i < VCPUS; i++)
		pthread_join(vcpu[i].thread, NULL);
}

/* Until the time is over and each vCPU has come round, or one has found fault. */
static bool goes_on(struct runner *vcpu, time_t end)
{
	bool all = true;
	int i;

	for (i = 0; i < VCPUS; i++) {
		if (__atomic_load_n(&vcpu[i].result, __ATOMIC_RELAXED) > 0)
			return false;
		all &= rounds(&vcpu[i], i) > 2;
	}
	return time(NULL) < (all ? end : end + 60);
}

TEST_F_TIMEOUT(storm, nothing_is_stale, 900)
{
	struct runner *vcpu = self->vcpu;
	struct sky s = { .g = &vcpu[0].g };
	unsigned long n = 0;
	time_t end;
	int i;

	ASSERT_EQ(0, open_sky(&s));
	self->mem = s.kept;
	self->bytes = KEPT_BYTES;
	write_word("/sys/kernel/mm/ksm/sleep_millisecs", "0");
	write_word("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	write_word("/sys/kernel/mm/ksm/run", "1");
	for (i = 0; i < VCPUS; i++) {
		__u64 gpr[16] = {
			[LODGE_RDI] = BASE + i * KEPT_BYTES / VCPUS,
			[LODGE_RCX] = KEPT_PAGES / VCPUS, [LODGE_RBX] = BASE + KEPT_BYTES,
			[LODGE_RDX] = SWAPPED_PAGES, [LODGE_R9] = POISON, [LODGE_RSI] = LIST(i),
		};

		ASSERT_EQ(0, prepare(&vcpu[i], i, weather, weather_end - weather, gpr));
	}
	start_weather(vcpu);
	/* Each at least once. */
	for (end = time(NULL) + storm_seconds(); goes_on(vcpu, end) || n < OPS; n++)
		ops[n < OPS ? n : next(OPS)](&s);
	end_weather(vcpu);
	write_word("/sys/kernel/mm/ksm/run", "2");
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(0, vcpu[i].result)
			TH_LOG("vCPU %d says %u", i, vcpu[i].g.run->data[0]);
		EXPECT_LT(2, rounds(&vcpu[i], i));
	}
	for (i = 0; i < CHUNKS; i++)
		check_poison(&s, s.own[!s.under[i]] + i * CHUNK_BYTES);
	EXPECT_EQ(0, s.spoiled);
	EXPECT_EQ(0, s.failed);
	TH_LOG("%lu gusts, %llu rounds", n, rounds(&vcpu[0], 0));
}

TEST_HARNESS_MAIN
