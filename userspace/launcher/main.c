// SPDX-License-Identifier: GPL-2.0-only
/* lodge(1): commands. */
#include <errno.h>
#include <stdio.h>

#include "commands.h"
#include "util.h"

static const char usage[] =
"usage: lodge COMMAND [ARG]...\n"
"\n"
"  lodge check            say whether this machine can run guests\n"
"  lodge run [KERNEL]     run a guest\n"
"  lodge list             guests that are running\n"
"  lodge info GUEST       what a guest is, and where its memory is\n"
"  lodge stat GUEST       what a guest does, and what it costs\n"
"  lodge trace GUEST      every exit of a guest, as text or for trace-cmd\n"
"  lodge balloon GUEST    how much memory a guest has; more or less of it\n"
"  lodge help [COMMAND]   this text, or a command's\n"
"  lodge --version        version\n"
"\n"
"lodge COMMAND --help explains a command.\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "check", command_check },
	{ "run", command_run },
	{ "list", command_list },
	{ "info", command_info },
	{ "stat", command_stat },
	{ "trace", command_trace },
	{ "balloon", command_balloon },
};

static const struct command *find_command(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	struct fault f = { name, "no such command", "lodge help", EINVAL };

	fault_print(&f);
	return STATUS_ERROR;
}

static int show_help(const char *name)
{
	const struct command *c;
	char *argv[3];

	if (!name || !strcmp(name, "--help") || !strcmp(name, "-h")) {
		fputs(usage, stdout);
		return STATUS_OK;
	}
	c = find_command(name);
	if (!c)
		return unknown(name);
	argv[0] = (char *)name;
	argv[1] = (char *)"-h";
	argv[2] = NULL;
	return c->run(2, argv);
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		fputs(usage, stderr);
		return STATUS_ERROR;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("lodge %s\n", LODGE_VERSION);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return show_help(argc > 2 ? argv[2] : NULL);
	c = find_command(argv[1]);
	return c ? c->run(argc - 1, argv + 1) : unknown(argv[1]);
}
