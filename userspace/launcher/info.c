// SPDX-License-Identifier: GPL-2.0-only
/* "lodge info": what a running guest is, and where its memory is. */
#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#include "commands.h"
#include "control.h"
#include "json.h"

static const char usage[] =
"usage: lodge info [OPTION]... NAME|PID\n"
"\n"
"Shows what a running guest is.\n"
"\n"
"  -m, --mem            where its memory is: on the host, swapped out, merged with\n"
"                       equal pages (KSM), in huge pages; the tables that map it;\n"
"                       and what the guest has touched since this was last asked\n"
"  -i, --interval SEC   with --mem: what it touches in the SEC seconds from now on\n"
"  -j, --json           in bytes, as one object\n"
"  -h, --help           this text\n";

static const struct row {
	const char *key;
	const char *label;
} rows[] = {
	{ "resident", "resident" },
	{ "swapped", "swapped out" },
	{ "merged", "merged" },
	{ "huge", "in huge pages" },
	{ "tables", "page tables" },
	{ "accessed", "working set" },
};

struct info {
	struct guest_info guest;
	struct control_answer answer;
	bool mem;
	bool json;
	__u64 seconds;
	__u64 value[ARRAY_SIZE(rows)];
	__u64 ms;		/* in which the guest accessed what it did */
};

/* Who says nothing for a while is sent away: so each time anew. */
static int ask(struct info *info, const char *name, struct fault *f)
{
	int fd = control_open(name, &info->guest, f), ret;
	unsigned int i;
	bool good;

	if (fd < 0)
		return -1;
	ret = info->mem ? control_ask(fd, "{\"verb\":\"memory\"}", &info->answer) : 0;
	close(fd);
	if (ret < 0)
		return fault_set(f, name, "does not answer", NULL, ret);
	good = !info->mem || json_get_number(info->answer.line, "accessed_ms", &info->ms);
	for (i = 0; info->mem && i < ARRAY_SIZE(rows); i++)
		good &= json_get_number(info->answer.line, rows[i].key, &info->value[i]);
	return good ? 0 : fault_set(f, name, "does not tell of its memory", NULL, EPROTO);
}

static void print_json(const struct info *info)
{
	const struct guest_info *g = &info->guest;
	unsigned int i;

	fputs("{\"name\":", stdout);
	json_string(stdout, g->name);
	printf(",\"pid\":%llu,\"cpus\":%llu,\"memory\":%llu,\"uptime_ms\":%llu", g->pid, g->cpus,
	       g->memory, g->uptime_ms);
	for (i = 0; info->mem && i < ARRAY_SIZE(rows); i++)
		printf(",\"%s\":%llu", rows[i].key, info->value[i]);
	if (info->mem)
		printf(",\"accessed_ms\":%llu", info->ms);
	puts("}");
}

static void print(const struct info *info)
{
	const struct guest_info *g = &info->guest;
	unsigned int i;

	printf("%-14s %s\n", "name", *g->name ? g->name : "-");
	printf("%-14s %llu\n", "pid", g->pid);
	printf("%-14s %llu\n", "CPUs", g->cpus);
	printf("%-14s %.1f MiB\n", "memory", g->memory / 1048576.0);
	printf("%-14s %.1f s\n", "up", g->uptime_ms / 1e3);
	for (i = 0; info->mem && i < ARRAY_SIZE(rows); i++)
		printf("%-14s %.1f MiB%s", rows[i].label, info->value[i] / 1048576.0,
		       i + 1 < ARRAY_SIZE(rows) ? "\n" : "");
	if (info->mem)
		printf(" in %.1f s\n", info->ms / 1e3);
}

/* An option's letter when it ends the program. */
static int parse(struct info *info, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mem", no_argument, NULL, 'm' },
		{ "interval", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "mi:jh", options, NULL)) != -1) {
		if (opt == 'h' || opt == '?')
			return opt;
		if (opt == 'i' && !parse_number(optarg, 1, 86400, &info->seconds))
			return '?';
		info->mem |= opt == 'm';
		info->json |= opt == 'j';
	}
	return optind + 1 == argc && (info->mem || !info->seconds) ? 0 : '?';
}

int command_info(int argc, char **argv)
{
	struct info info = {};
	int ret = parse(&info, argc, argv);
	struct fault f;

	if (ret) {
		fputs(usage, ret == 'h' ? stdout : stderr);
		return ret == 'h' ? STATUS_OK : STATUS_ERROR;
	}
	ret = ask(&info, argv[optind], &f);
	if (!ret && info.seconds) {
		sleep(info.seconds);
		ret = ask(&info, argv[optind], &f);
	}
	if (ret) {
		fault_print(&f);
		return STATUS_ERROR;
	}
	if (info.json)
		print_json(&info);
	else
		print(&info);
	return STATUS_OK;
}
