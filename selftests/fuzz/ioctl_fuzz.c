// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stateful fuzzer of /dev/lodge. A program is a chain of seeds: the first makes
 * it, each further one changes a few of its operations. Programs that reach
 * places of the module where none was before are kept, and get longer chains; the
 * kernel tells by KCOV, where it has that. Every program runs in a process of its
 * own, by one thread, or by several at once while another writes to all they use.
 *
 * What a program does depends on nothing but its chain, which is said before it
 * begins. When several threads run, in what order they do it is the host's affair.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ioctl_fuzz.h"

#define CORPUS		2048
#define COVER_WORDS	(64u << 10)
#define KCOV_INIT	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_DISABLE	_IO('c', 101)
#define SLOW_SECONDS	60

struct chain {
	__u32 count;
	__u64 seed[MAX_CHAIN];
};

static struct chain corpus[CORPUS];
static __u32 kept;
static int kmsg = -1;
static bool verbose;

/* Programs */

static __u8 pick_action(struct rng *r)
{
	static const __u8 others[] = {
		CLOSE, DUP, MEMORY, MEMORY, MEMORY, RUN_AREA, RUN_AREA, RUN_AREA, DOMAIN_AREA,
		RING_MEMORY, RING_MEMORY, RING_MEMORY, CODE, CODE, SIGNAL_EVENT, SIGNAL_EVENT,
		READ, READ, MAP, POLL, ANY_IOCTL, ANY_IOCTL, FORK
	};

	return chance(r, 75) ? IOCTL : others[below(r, sizeof(others))];
}

static void make_op(struct rng *r, struct op *op)
{
	op->action = pick_action(r);
	op->ioctl = below(r, table_size);
	if (chance(r, 15))
		while (table[op->ioctl].cmd != LODGE_RUN)
			op->ioctl = (op->ioctl + 1) % table_size;
	op->slot = chance(r, 75) ? 0 : below(r, EACH);
	op->field = 0;
	op->seed = draw(r);
	op->again = 0;
}

static void make_program(struct program *p, __u64 seed)
{
	struct rng r = { seed };
	__u32 i;

	p->count = 16 + below(&r, 200);
	p->threads = chance(&r, 50) ? 1 : 2 + below(&r, MAX_THREADS - 1);
	p->bare = chance(&r, 5);
	for (i = 0; i < p->count; i++)
		make_op(&r, &p->op[i]);
}

static void insert_op(struct rng *r, struct program *p)
{
	__u32 at = below(r, p->count + 1);

	if (p->count == MAX_OPS)
		return;
	memmove(&p->op[at + 1], &p->op[at], (p->count - at) * sizeof(p->op[0]));
	p->count++;
	if (chance(r, 70))
		make_op(r, &p->op[at]);
	else
		p->op[at] = p->op[below(r, p->count)];
}

static void remove_op(struct rng *r, struct program *p)
{
	__u32 at = below(r, p->count);

	if (p->count == 1)
		return;
	p->count--;
	memmove(&p->op[at], &p->op[at + 1], (p->count - at) * sizeof(p->op[0]));
}

static void change_program(struct program *p, __u64 seed)
{
	struct rng r = { seed };
	int changes = 1 + below(&r, 4);
	struct op *op, other;

	while (changes--) {
		op = &p->op[below(&r, p->count)];
		switch (below(&r, 6)) {
		case 0:
			insert_op(&r, p);
			break;
		case 1:
			remove_op(&r, p);
			break;
		case 2:
			make_op(&r, op);
			break;
		case 3:
			op->seed = draw(&r);
			break;
		case 4:
			op->field = 1 + below(&r, 12);
			op->again = draw(&r);
			break;
		default:
			other = *op;
			*op = p->op[0];
			p->op[0] = other;
		}
	}
	if (chance(&r, 10))
		p->threads = 1 + below(&r, MAX_THREADS);
}

static void program_of(struct program *p, const struct chain *c)
{
	__u32 i;

	make_program(p, c->seed[0]);
	for (i = 1; i < c->count; i++)
		change_program(p, c->seed[i]);
}

/* Running one */

struct worker {
	pthread_t thread;
	const struct program *program;
	__u32 index;
	int kcov;
	__u64 *cover;
};

static bool finished;

static void on_signal(int sig)
{
}

static void begin_cover(struct worker *w)
{
	w->kcov = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (w->kcov < 0 || ioctl(w->kcov, KCOV_INIT, COVER_WORDS))
		return;
	w->cover = mmap(NULL, COVER_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, w->kcov, 0);
	if (w->cover == MAP_FAILED || ioctl(w->kcov, KCOV_ENABLE, 0))
		w->cover = NULL;
}

/* Places that no program reached before. */
static void end_cover(struct worker *w)
{
	__u64 n, i;
	__u32 bit;

	if (!w->cover)
		return;
	ioctl(w->kcov, KCOV_DISABLE, 0);
	n = w->cover[0] < COVER_WORDS - 1 ? w->cover[0] : COVER_WORDS - 1;
	for (i = 1; i <= n; i++) {
		bit = (w->cover[i] ^ w->cover[i] >> 18) % COVER_BITS;
		if (!(__atomic_fetch_or(&tally->cover[bit / 8], 1 << bit % 8,
					__ATOMIC_RELAXED) & 1 << bit % 8))
			__atomic_fetch_add(&tally->places, 1, __ATOMIC_RELAXED);
	}
}

static void *work(void *data)
{
	struct worker *w = data;
	const struct program *p = w->program;
	__u32 i;

	begin_cover(w);
	for (i = w->index; i < p->count; i += p->threads)
		do_op(&p->op[i]);
	end_cover(w);
	return NULL;
}

static void *disturb_all(void *data)
{
	struct rng r = { *(__u64 *)data };

	while (!__atomic_load_n(&finished, __ATOMIC_RELAXED))
		disturb(&r);
	return NULL;
}

/* Nobody waits in the kernel for long: a signal every two milliseconds. */
static void *kick_all(void *data)
{
	struct worker *workers = data;
	__u32 i;

	while (!__atomic_load_n(&finished, __ATOMIC_RELAXED)) {
		usleep(2000);
		for (i = 0; i < workers->program->threads; i++)
			pthread_kill(workers[i].thread, SIGUSR1);
	}
	return NULL;
}

static void run_program(const struct program *p)
{
	struct worker workers[MAX_THREADS] = { 0 };
	__u64 seed = p->op[0].seed;
	pthread_t kicker, disturber;
	__u32 i;

	signal(SIGUSR2, SIG_IGN);
	sigaction(SIGUSR1, &(struct sigaction) { .sa_handler = on_signal }, NULL);
	make_world(p->bare);
	for (i = 0; i < p->threads; i++) {
		workers[i] = (struct worker) { .program = p, .index = i };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			_exit(3);
	}
	pthread_create(&kicker, NULL, kick_all, workers);
	if (p->threads > 1)
		pthread_create(&disturber, NULL, disturb_all, &seed);
	for (i = 0; i < p->threads; i++)
		pthread_join(workers[i].thread, NULL);
	__atomic_store_n(&finished, true, __ATOMIC_RELAXED);
	/* The rest ends with the process: with its descriptors in any state. */
	_exit(0);
}

/* All programs */

static void name_chain(const struct chain *c, char *text, size_t room)
{
	size_t at = 0;
	__u32 i;

	for (i = 0; i < c->count; i++)
		at += snprintf(text + at, room - at, "%s%llx", i ? "." : "",
			       (unsigned long long)c->seed[i]);
}

static bool parse_chain(const char *text, struct chain *c)
{
	char *end;

	for (c->count = 0; c->count < MAX_CHAIN; text = end + 1) {
		c->seed[c->count++] = strtoull(text, &end, 16);
		if (end == text)
			return false;
		if (*end != '.')
			return *end == '\0';
	}
	return false;
}

static void announce(const char *name)
{
	char line[192];
	int bytes = snprintf(line, sizeof(line), "<6>test_ioctl_fuzz --seed %s\n", name);

	/* The last thing that the log of a host that died says. */
	if (kmsg >= 0 && write(kmsg, line, bytes) != bytes)
		kmsg = -1;
	if (verbose)
		printf("# %s\n", name);
	fflush(stdout);
}

/* 0, or what is wrong with how @pid ended. */
static const char *await(pid_t pid)
{
	time_t begin = time(NULL);
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (time(NULL) - begin > SLOW_SECONDS) {
			kill(pid, SIGKILL);
			return "does not end";
		}
		usleep(500);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	return WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "failed";
}

static bool try_chain(const struct chain *c)
{
	static struct program program;
	const char *wrong;
	char name[128];
	pid_t pid;

	program_of(&program, c);
	name_chain(c, name, sizeof(name));
	announce(name);
	pid = fork();
	if (pid == 0)
		run_program(&program);
	wrong = pid < 0 ? strerror(errno) : await(pid);
	if (wrong)
		printf("# --seed %s --count 1: %s\n", name, wrong);
	return !wrong;
}

/* Half of all are new, the others descend of one that was worth keeping. */
static void next_chain(struct rng *r, struct chain *c)
{
	c->count = 0;
	if (kept && chance(r, 60))
		*c = corpus[chance(r, 50) ? kept - 1 - below(r, kept > 16 ? 16 : kept) :
			    below(r, kept)];
	if (c->count == MAX_CHAIN)
		c->count--;
	c->seed[c->count++] = draw(r) >> 32;
}

static bool fuzz(__u64 seed, __u64 ioctls, __u32 seconds)
{
	time_t end = time(NULL) + seconds;
	struct rng r = { seed };
	struct chain c;
	__u32 places;

	while (tally->ioctls < ioctls && time(NULL) < end) {
		next_chain(&r, &c);
		places = tally->places;
		if (!try_chain(&c))
			return false;
		if (tally->places > places && kept < CORPUS)
			corpus[kept++] = c;
	}
	return true;
}

static __u32 count_succeeded(bool say)
{
	__u32 i, n = 0;

	for (i = 0; i < table_size; i++) {
		n += !!tally->succeeded[i];
		if (say && !tally->succeeded[i])
			printf("# never succeeded: %s\n", table[i].name);
	}
	return n;
}

static int help(void)
{
	fprintf(stderr, "usage: ioctl_fuzz [--random SEED] [--ioctls N] [--seconds N] [-v]\n"
		"       ioctl_fuzz --seed SEED[.SEED...] [--count N]: one program, N times\n");
	return 2;
}

static void prepare(char **argv)
{
	if (personality(0xffffffff) != ADDR_NO_RANDOMIZE) {
		personality(ADDR_NO_RANDOMIZE);
		execv("/proc/self/exe", argv);
	}
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit) { 0 });
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "random", 1, NULL, 'r' }, { "ioctls", 1, NULL, 'i' },
		{ "seconds", 1, NULL, 's' }, { "seed", 1, NULL, 'S' }, { "count", 1, NULL, 'c' },
		{ "verbose", 0, NULL, 'v' }, { }
	};
	__u64 ioctls = ~0ull, random = 1;
	__u32 seconds = 5, count = 0;
	struct chain c = { 0 };
	bool good = true;
	int o;

	while ((o = getopt_long(argc, argv, "v", options, NULL)) != -1)
		switch (o) {
		case 'r':
			random = strtoull(optarg, NULL, 0);
			break;
		case 'i':
			ioctls = strtoull(optarg, NULL, 0);
			break;
		case 's':
			seconds = atoi(optarg);
			break;
		case 'c':
			count = atoi(optarg);
			break;
		case 'v':
			verbose = true;
			break;
		case 'S':
			if (parse_chain(optarg, &c))
				break;
			return help();
		default:
			return help();
		}
	prepare(argv);
	printf("TAP version 13\n1..1\n# --random %#llx\n", (unsigned long long)random);
	if (c.count)
		for (o = 0; o < (count ?: 1) && good; o++)
			good = try_chain(&c);
	else
		good = fuzz(random, ioctls, seconds);
	printf("# %llu ioctls, %u of %u kinds succeeded, %u places, %u programs kept\n",
	       (unsigned long long)tally->ioctls, count_succeeded(verbose), table_size,
	       tally->places, kept);
	printf("%sok 1 ioctl_fuzz\n", good ? "" : "not ");
	return !good;
}
