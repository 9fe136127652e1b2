// SPDX-License-Identifier: GPL-2.0-only
/*
 * spin [SECONDS]: a guest that executes `jmp .', until killed or for a while.
 * Prints "running" before. Exit status: 0, or 1 when the guest cannot run, with
 * the error number on stderr.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

GUEST64(forever, "sti\n jmp .\n");

int main(int argc, char **argv)
{
	struct guest g;
	int ret = guest_create(&g);

	if (!ret)
		ret = guest_load64(&g, forever);
	if (ret) {
		fprintf(stderr, "spin: errno %d\n", -ret);
		return 1;
	}
	puts("running");
	fflush(stdout);
	if (argc > 1)
		alarm_ms(atoi(argv[1]) * 1000);
	ret = guest_run(&g);
	return ret == -EINTR ? 0 : 1;
}
