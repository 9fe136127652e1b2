// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_boot COMMAND [ARG...]: what COMMAND takes from its start to its end, in
 * TSC ticks that the CPU was not idle. Its status is ignored: guests end in
 * their own ways.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
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

	if (argc < 2)
		errx(1, "usage: bench_boot COMMAND [ARG...]");
	idle_from = ns(idle);
	begin = tsc();
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	if (waitpid(pid, NULL, 0) != pid)
		err(1, "waitpid");
	ticks = tsc() - begin;
	idle_ns = ns(idle) - idle_from;
	kill(idler, SIGKILL);
	printf("%.0f\n", ticks - rate * idle_ns);
	return 0;
}
