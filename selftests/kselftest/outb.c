// SPDX-License-Identifier: GPL-2.0-only
/* outb PORT VALUE: runs in a guest, whose kernel may have no /dev/port. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

int main(int argc, char **argv)
{
	if (argc != 3 || iopl(3)) {
		perror("outb");
		return 1;
	}
	outb(strtoul(argv[2], NULL, 0), strtoul(argv[1], NULL, 0));
	return 0;
}
