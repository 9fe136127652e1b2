// SPDX-License-Identifier: GPL-2.0-only
/*
 * "lodge trace": the exits of a running guest, one line each, as perf script
 * prints events: tools that read its output read this.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "control.h"
#include "json.h"
#include "timeline.h"
#include "trace_dat.h"

#define READ_EVERY_US	5000

static const char usage[] =
"usage: lodge trace [OPTION]... NAME|PID\n"
"\n"
"Records the exits of a running guest until it ends, or until Ctrl-C.\n"
"\n"
"  -o, --output FILE    where to (default: stdout). With a name that ends in .dat\n"
"                       as trace-cmd report and KernelShark read it, each vCPU as\n"
"                       a CPU; else as lines of text as perf script prints them\n"
"  -t, --time SEC       for SEC seconds\n"
"  -h, --help           this text\n";

/**
 * struct tracer - a trace that is being recorded
 * @khz: ticks of the TSC in a millisecond
 */
struct tracer {
	const char *output;
	unsigned int seconds;
	FILE *to;
	struct trace_dat *dat;
	__u32 khz;
	__u64 lost;
	struct guest_info info;
	struct control_answer answer;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void print_record(struct tracer *t, unsigned int vcpu, const struct lodge_trace_record *r)
{
	unsigned long long ns = trace_ns(r->tsc, t->khz);

	fprintf(t->to, "lodge-vcpu%-3u %7llu [%03u] %6llu.%09llu: ", vcpu, t->info.pid, vcpu,
		ns / 1000000000, ns % 1000000000);
	if (r->reason == LODGE_TRACE_INJECT)
		fprintf(t->to, "lodge:lodge_inject: vector=%llu\n", r->info);
	else if (r->reason == LODGE_TRACE_LOST)
		fprintf(t->to, "lodge:lodge_lost: records=%llu\n", r->info);
	else
		fprintf(t->to,
			"lodge:lodge_exit: reason=%s rip=%#llx info=%#llx%s ticks=%u cpl=%u%s\n",
			reason_name(r->reason), r->rip, r->info & ~LODGE_INFO_WRITE,
			r->info & LODGE_INFO_WRITE ? " write" : "", r->ticks,
			r->state & LODGE_STATE_CPL,
			r->state & LODGE_STATE_LONG ? " long" :
			r->state & LODGE_STATE_PROTECTED ? " protected" : " real");
}

/* Whether one of them had so much that there is more. */
static bool read_some(struct tracer *t)
{
	static struct lodge_trace_record batch[1024];
	bool more = false;
	unsigned int i;
	ssize_t got, j;

	for (i = 0; i < t->answer.fds; i++) {
		got = read(t->answer.fd[i], batch, sizeof(batch));
		more |= got == sizeof(batch);
		for (j = 0; j < got / (ssize_t)sizeof(*batch); j++) {
			if (batch[j].reason == LODGE_TRACE_LOST)
				t->lost += batch[j].info;
			if (t->dat)
				trace_dat_add(t->dat, i, &batch[j]);
			else
				print_record(t, i, &batch[j]);
		}
	}
	return more;
}

static void record(struct tracer *t)
{
	__u64 end = timeline_now() + t->seconds * 1000ull * t->khz;

	while (!interrupted && (!t->seconds || timeline_now() < end) &&
	       (!kill(t->info.pid, 0) || errno == EPERM))
		if (!read_some(t))
			usleep(READ_EVERY_US);
	while (!interrupted && read_some(t))
		;
	read_some(t);
}

/* The clock's rate comes with the statistics. */
static int ask(struct tracer *t, const char *guest, struct fault *f)
{
	static __u64 blob[LODGE_STATS_ROOM / sizeof(__u64)];
	int fd = control_open(guest, &t->info, f), ret;
	const struct lodge_stats_header *header = (const void *)blob;

	if (fd < 0)
		return -1;
	ret = control_ask(fd, "{\"verb\":\"stats\"}", &t->answer);
	if (!ret && t->answer.fds)
		ret = lodge_stats_read(t->answer.fd[0], blob, sizeof(blob));
	while (t->answer.fds)
		close(t->answer.fd[--t->answer.fds]);
	if (ret > 0)
		ret = control_ask(fd, "{\"verb\":\"trace\",\"state\":1,\"records\":65536}",
				  &t->answer);
	close(fd);
	t->khz = header->tsc_khz;
	if (ret < 0 || !t->answer.fds || !t->khz)
		return fault_set(f, guest, "cannot be traced",
				 "only one trace or timeline at a time", ret < 0 ? ret : EBUSY);
	return 0;
}

static int open_output(struct tracer *t, struct fault *f)
{
	size_t length = t->output ? strlen(t->output) : 0;

	t->to = length ? fopen(t->output, "we") : stdout;
	if (!t->to)
		return fault_set(f, t->output, "cannot write the trace", NULL, errno);
	if (length > 4 && !strcmp(t->output + length - 4, ".dat"))
		t->dat = trace_dat_new(t->answer.fds, t->info.pid, t->khz);
	return 0;
}

static int parse(struct tracer *t, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "time", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	__u64 seconds;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "o:t:h", options, NULL)) != -1) {
		if (opt == 'h' || opt == '?')
			return opt;
		if (opt == 't' && !parse_number(optarg, 1, 86400, &seconds))
			return '?';
		if (opt == 't')
			t->seconds = seconds;
		else
			t->output = optarg;
	}
	return optind + 1 == argc ? 0 : '?';
}

int command_trace(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	static struct tracer t;
	int ret = parse(&t, argc, argv);
	struct fault f;

	if (ret) {
		fputs(usage, ret == 'h' ? stdout : stderr);
		return ret == 'h' ? STATUS_OK : STATUS_ERROR;
	}
	if (ask(&t, argv[optind], &f) || open_output(&t, &f)) {
		fault_print(&f);
		return STATUS_ERROR;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	record(&t);
	if (t.dat)
		trace_dat_write(t.dat, t.to);
	if (t.lost)
		fprintf(stderr, "lodge: trace: %llu records went by too fast\n", t.lost);
	if (fflush(t.to) || ferror(t.to)) {
		fault_set(&f, t.output ?: "stdout", "cannot write the trace", NULL, errno);
		fault_print(&f);
		return STATUS_ERROR;
	}
	return STATUS_OK;
}
