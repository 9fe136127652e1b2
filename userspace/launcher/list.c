// SPDX-License-Identifier: GPL-2.0-only
/* "lodge list": the guests that can be reached. */
#include <getopt.h>

#include "commands.h"
#include "control.h"
#include "json.h"

static const char usage[] =
"usage: lodge list [--json]\n"
"\n"
"Lists the running guests of this user; as root, those in /run/lodge as well.\n"
"With --json, one object per line.\n";

static bool print_row(void *arg, const struct guest_info *g)
{
	(void)arg;
	printf("%-31s %7llu %4llu %7lluM %8llu.%llu s\n", *g->name ? g->name : "-", g->pid,
	       g->cpus, g->memory >> 20, g->uptime_ms / 1000, g->uptime_ms % 1000 / 100);
	return false;
}

static bool print_json(void *arg, const struct guest_info *g)
{
	(void)arg;
	fputs("{\"name\":", stdout);
	json_string(stdout, g->name);
	printf(",\"pid\":%llu,\"cpus\":%llu,\"memory\":%llu,\"uptime_ms\":%llu}\n", g->pid, g->cpus,
	       g->memory, g->uptime_ms);
	return false;
}

int command_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool json = false;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		if (opt == 'h')
			fputs(usage, stdout);
		if (opt != 'j')
			return opt == 'h' ? STATUS_OK : STATUS_ERROR;
		json = true;
	}
	if (!json)
		printf("%-31s %7s %4s %8s %12s\n", "NAME", "PID", "CPUS", "MEMORY", "UP");
	control_find(json ? print_json : print_row, NULL);
	return STATUS_OK;
}
