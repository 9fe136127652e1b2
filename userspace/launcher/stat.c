// SPDX-License-Identifier: GPL-2.0-only
/* "lodge stat": statistics of a running guest, read from the descriptors it hands out. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "control.h"
#include "json.h"

static const char usage[] =
"usage: lodge stat [OPTION]... NAME|PID\n"
"\n"
"Shows what a running guest has done since it began. Time is taken only while\n"
"somebody asks for it, so that the columns of time want --interval.\n"
"\n"
"  -i, --interval SEC   look for SEC seconds, and show what happened in them\n"
"  -e, --exits          exits by reason, their time, and how times are spread\n"
"  -v, --vcpus          a line for each vCPU\n"
"  -r, --rings          virtqueues: counters, then times that half and 99 of 100\n"
"                       stay below: from the doorbell to who serves it, of a\n"
"                       request, from its end to the interrupt\n"
"  -j, --json           every value, as one object\n"
"  -h, --help           this text\n";

/* As a descriptor gives it. */
union blob {
	struct lodge_stats_header header;
	__u8 bytes[LODGE_STATS_ROOM];
	__u64 align;
};

/**
 * struct stat - what is asked, and the answer
 * @fd: the guest's control socket
 * @now: of the VM, then of each vCPU; with @seconds: the growth of the counters
 */
struct stat {
	int fd;
	unsigned int seconds;
	bool exits;
	bool vcpus;
	bool rings;
	bool json;
	struct guest_info info;
	struct control_answer answer;
	union blob now[CONTROL_FDS];
};

static double to_us(const void *stats, __u64 ticks)
{
	const struct lodge_stats_header *h = stats;

	return h->tsc_khz ? ticks * 1000.0 / h->tsc_khz : 0;
}

/* What has grown since @before, in the place of what is now. */
static void subtract(void *now, const void *before)
{
	const struct lodge_stats_desc *d;
	const __u64 *old;
	__u64 *value;
	__u32 i, j;

	for (i = 0; (d = lodge_stats_desc(now, i)); i++) {
		value = (__u64 *)lodge_stats_values(now, d);
		old = lodge_stats_values(before, d);
		for (j = 0; d->kind != LODGE_STAT_GAUGE && j < d->count; j++)
			value[j] -= old[j];
	}
}

static int read_all(struct stat *s, union blob *to)
{
	unsigned int i;
	int ret;

	for (i = 0; i < s->answer.fds; i++) {
		ret = lodge_stats_read(s->answer.fd[i], &to[i], sizeof(*to));
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int collect(struct stat *s)
{
	static union blob before[CONTROL_FDS];
	unsigned int i;
	int ret;

	if (s->seconds) {
		ret = read_all(s, before);
		if (ret < 0)
			return ret;
		sleep(s->seconds);
	}
	ret = read_all(s, s->now);
	for (i = 0; !ret && s->seconds && i < s->answer.fds; i++)
		subtract(&s->now[i], &before[i]);
	return ret;
}

static void print_exits(const void *vm)
{
	__u64 all = lodge_stats_get(vm, "exits"), count, ticks;
	const struct lodge_stats_desc *d;
	char name[sizeof(d->name)];
	__u32 i;

	printf("\n%-14s %12s %7s %12s %10s\n", "EXITS", "COUNT", "SHARE", "TIME us", "EACH us");
	for (i = 0; (d = lodge_stats_desc(vm, i)); i++) {
		count = *lodge_stats_values(vm, d);
		if (strncmp(d->name, "exits.", 6) || !count)
			continue;
		snprintf(name, sizeof(name), "ticks.%.24s", d->name + 6);
		ticks = lodge_stats_get(vm, name);
		printf("%-14s %12llu %6.1f%% %12.0f %10.3f\n", d->name + 6, count,
		       all ? count * 100.0 / all : 0, to_us(vm, ticks), to_us(vm, ticks) / count);
	}
}

static void print_histogram(const void *vm, const struct lodge_stats_desc *d)
{
	const __u64 *bucket = lodge_stats_values(vm, d);
	double from, to;
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < d->count; i++)
		sum += bucket[i];
	if (!sum)
		return;
	printf("\n%-26s %12s %7s\n", d->name, "COUNT", "SHARE");
	for (i = 0; i < d->count; i++) {
		if (!bucket[i])
			continue;
		from = i ? 1ull << (i - 1) : 0;
		to = 1ull << i;
		from = d->unit == LODGE_UNIT_NS ? from / 1000 : from * to_us(vm, 1);
		to = d->unit == LODGE_UNIT_NS ? to / 1000 : to * to_us(vm, 1);
		printf("%10.2f - %10.2f us %12llu %6.1f%%\n", from, to, bucket[i],
		       bucket[i] * 100.0 / sum);
	}
}

static void print_vcpus(const struct stat *s)
{
	unsigned int i;

	printf("\n%-5s %12s %10s %10s %12s %12s %12s\n", "VCPU", "EXITS", "USER", "INJECTED",
	       "GUEST ms", "HALT ms", "READY ms");
	for (i = 1; i < s->answer.fds; i++) {
		const void *v = &s->now[i];

		printf("%-5u %12llu %10llu %10llu %12.1f %12.1f %12.1f\n", i - 1,
		       lodge_stats_get(v, "exits"), lodge_stats_get(v, "user"),
		       lodge_stats_get(v, "injected"),
		       to_us(v, lodge_stats_get(v, "time.guest")) / 1000,
		       to_us(v, lodge_stats_get(v, "time.halt")) / 1000,
		       lodge_stats_get(v, "time.ready") / 1e6);
	}
}

static const char *const ring_names[LODGE_RING_COUNTERS] = CONTROL_RING_NAMES;
static const char *const ring_times[CONTROL_RING_TIME_COUNT] = CONTROL_RING_TIMES;

struct ring_answer {
	char device[32];
	__u64 ring;
	__u64 values[LODGE_RING_COUNTERS];
	__u64 times[CONTROL_RING_TIME_COUNT][LODGE_RING_BUCKETS];
};

static void get_buckets(const char *line, const char *name, __u64 *bucket)
{
	char text[1024] = "", *p = text;
	unsigned int i;

	json_get(line, name, text, sizeof(text));
	for (i = 0; i < LODGE_RING_BUCKETS; i++)
		bucket[i] = strtoull(p, &p, 10);
}

static bool get_ring(const struct stat *s, unsigned int number, struct ring_answer *r)
{
	struct control_answer answer;
	char request[64];
	unsigned int i;

	snprintf(request, sizeof(request), "{\"verb\":\"ring\",\"number\":%u}", number);
	if (control_ask(s->fd, request, &answer) ||
	    !json_get(answer.line, "device", r->device, sizeof(r->device)) ||
	    !json_get_number(answer.line, "ring", &r->ring))
		return false;
	for (i = 0; i < LODGE_RING_COUNTERS; i++)
		if (!json_get_number(answer.line, ring_names[i], &r->values[i]))
			return false;
	for (i = 0; i < CONTROL_RING_TIME_COUNT; i++)
		get_buckets(answer.line, ring_times[i], r->times[i]);
	return true;
}

/* Microseconds that @percent of what was counted stayed below. */
static double quantile(const __u64 *bucket, unsigned int percent)
{
	__u64 sum = 0, seen = 0;
	unsigned int i;

	for (i = 0; i < LODGE_RING_BUCKETS; i++)
		sum += bucket[i];
	for (i = 0; i < LODGE_RING_BUCKETS - 1; i++) {
		seen += bucket[i];
		if (seen * 100.0 >= (double)sum * percent)
			break;
	}
	return sum ? (1ull << i) / 1000.0 : 0;
}

static void print_ring_times(const struct stat *s)
{
	struct ring_answer r;
	unsigned int i, n;

	printf("\n%-12s %4s", "TIMES-us", "RING");
	for (i = 0; i < CONTROL_RING_TIME_COUNT; i++)
		printf(" %8s-50%% %8s-99%%", ring_times[i], ring_times[i]);
	putchar('\n');
	for (n = 0; get_ring(s, n, &r); n++) {
		printf("%-12s %4llu", r.device, r.ring);
		for (i = 0; i < CONTROL_RING_TIME_COUNT; i++)
			printf(" %12.3f %12.3f", quantile(r.times[i], 50),
			       quantile(r.times[i], 99));
		putchar('\n');
	}
}

static void print_rings(const struct stat *s)
{
	struct ring_answer r;
	unsigned int i, n;

	printf("\n%-12s %4s", "DEVICE", "RING");
	for (i = 0; i < LODGE_RING_COUNTERS; i++)
		printf(" %12s", ring_names[i]);
	putchar('\n');
	for (n = 0; get_ring(s, n, &r); n++) {
		printf("%-12s %4llu", r.device, r.ring);
		for (i = 0; i < LODGE_RING_COUNTERS; i++)
			printf(" %12llu", r.values[i]);
		putchar('\n');
	}
	print_ring_times(s);
}

static void print_json_values(const char *name, const __u64 *value, __u32 count)
{
	__u32 i;

	printf(",\"%s\":", name);
	for (i = 0; i < count; i++)
		printf("%s%llu", i ? "," : count > 1 ? "[" : "", value[i]);
	fputs(count > 1 ? "]" : "", stdout);
}

static void print_json_rings(const struct stat *s)
{
	struct ring_answer r;
	unsigned int i, n;

	fputs(",\"rings\":[", stdout);
	for (n = 0; get_ring(s, n, &r); n++) {
		printf("%s{\"device\":\"%s\",\"ring\":%llu", n ? "," : "", r.device, r.ring);
		for (i = 0; i < LODGE_RING_COUNTERS; i++)
			print_json_values(ring_names[i], &r.values[i], 1);
		for (i = 0; i < CONTROL_RING_TIME_COUNT; i++)
			print_json_values(ring_times[i], r.times[i], LODGE_RING_BUCKETS);
		putchar('}');
	}
	putchar(']');
}

static void print_json(const struct stat *s)
{
	const struct lodge_stats_desc *d;
	unsigned int n;
	__u32 i;

	fputs("{\"name\":", stdout);
	json_string(stdout, s->info.name);
	printf(",\"pid\":%llu,\"tsc_khz\":%u,\"stats\":[", s->info.pid,
	       s->now[0].header.tsc_khz);
	for (n = 0; n < s->answer.fds; n++) {
		printf("%s{\"vcpu\":%d", n ? "," : "", (int)n - 1);
		for (i = 0; (d = lodge_stats_desc(&s->now[n], i)); i++)
			print_json_values(d->name, lodge_stats_values(&s->now[n], d), d->count);
		putchar('}');
	}
	putchar(']');
	if (s->rings)
		print_json_rings(s);
	puts("}");
}

static void print_summary(const struct stat *s)
{
	static const char *const names[] = {
		"exits", "ring2", "user", "injected", "emulated", "posted", "doorbells",
		"faults.4k", "faults.2m", "faults.1g", "mapped.4k", "mapped.2m", "mapped.1g",
		"tables.pages",
	};
	const struct guest_info *g = &s->info;
	unsigned int i;

	printf("%s: pid %llu, %llu CPUs, %llu MiB, up %llu.%llu s\n",
	       *g->name ? g->name : "(no name)", g->pid, g->cpus, g->memory >> 20,
	       g->uptime_ms / 1000, g->uptime_ms % 1000 / 100);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf("%-14s %12llu\n", names[i], lodge_stats_get(&s->now[0], names[i]));
}

static void print(const struct stat *s)
{
	const struct lodge_stats_desc *d;
	const void *vm = &s->now[0];
	__u32 i;

	if (s->json) {
		print_json(s);
		return;
	}
	print_summary(s);
	if (s->vcpus)
		print_vcpus(s);
	if (s->rings)
		print_rings(s);
	if (!s->exits)
		return;
	print_exits(vm);
	for (i = 0; (d = lodge_stats_desc(vm, i)); i++)
		if (d->kind == LODGE_STAT_LOG2)
			print_histogram(vm, d);
}

/* For all but rings the descriptors are all that is needed. */
static int ask(struct stat *s, const char *guest, struct fault *f)
{
	char request[64];
	int ret;

	s->fd = control_open(guest, &s->info, f);
	if (s->fd < 0)
		return -1;
	snprintf(request, sizeof(request), "{\"verb\":\"stats\",\"timing\":%d}", s->seconds > 0);
	ret = control_ask(s->fd, request, &s->answer);
	if (ret < 0 || !s->answer.fds)
		return fault_set(f, guest, "does not answer", NULL, ret < 0 ? ret : EPROTO);
	ret = collect(s);
	return ret < 0 ? fault_set(f, guest, "gave no statistics", NULL, ret) : 0;
}

static int parse(struct stat *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "exits", no_argument, NULL, 'e' },
		{ "vcpus", no_argument, NULL, 'v' },
		{ "rings", no_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	__u64 seconds;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "i:evrjh", options, NULL)) != -1) {
		if (opt == 'h' || opt == '?')
			return opt;
		if (opt == 'i' && !parse_number(optarg, 1, 86400, &seconds))
			return '?';
		if (opt == 'i')
			s->seconds = seconds;
		s->exits |= opt == 'e';
		s->vcpus |= opt == 'v';
		s->rings |= opt == 'r';
		s->json |= opt == 'j';
	}
	return optind + 1 == argc ? 0 : '?';
}

int command_stat(int argc, char **argv)
{
	static struct stat stat;
	int ret = parse(&stat, argc, argv);
	struct fault f;

	if (ret) {
		fputs(usage, ret == 'h' ? stdout : stderr);
		return ret == 'h' ? STATUS_OK : STATUS_ERROR;
	}
	if (ask(&stat, argv[optind], &f)) {
		fault_print(&f);
		return STATUS_ERROR;
	}
	print(&stat);
	return STATUS_OK;
}
