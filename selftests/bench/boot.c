// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_boot STATUS COMMAND [ARG...]: what COMMAND takes from its start to its end,
 * with STATUS, in TSC ticks that the CPU was not idle.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "idle.h"

int main(int argc, char **argv)
{
	unsigned long long idle_from, idle_ns;
	double rate = tsc_rate();
	unsigned long begin, ticks;
	clockid_t idle;
	pid_t pid, idler = start_idler(&idle);
	int status;

	if (argc < 3)
		errx(1, "usage: bench_boot STATUS COMMAND [ARG...]");
	idle_from = ns(idle);
	begin = tsc();
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	ticks = tsc() - begin;
	idle_ns = ns(idle) - idle_from;
	kill(idler, SIGKILL);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != atoi(argv[1]))
		errx(1, "%s: status %#x", argv[2], status);
	printf("%.0f\n", ticks - rate * idle_ns);
	return 0;
}
