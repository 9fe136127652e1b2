// SPDX-License-Identifier: GPL-2.0-only
/* virtio-console: a pseudo-terminal, whose other end is for whoever opens it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "virtio.h"

int virtio_console_init(struct virtio *v, struct fault *f)
{
	struct termios raw;
	char name[64];
	int other;

	v->backend = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (v->backend < 0 || grantpt(v->backend) || unlockpt(v->backend) ||
	    ptsname_r(v->backend, name, sizeof(name)))
		return fault_set(f, "--console", "cannot make a pseudo-terminal",
				 "is /dev/pts mounted?", errno);
	/* The guest's own terminal driver echoes and edits lines. */
	other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other >= 0) {
		if (!tcgetattr(other, &raw)) {
			cfmakeraw(&raw);
			tcsetattr(other, TCSANOW, &raw);
		}
		close(other);
	}
	fprintf(stderr, "lodge: console: %s\n", name);
	v->id = LODGE_VIRTIO_CONSOLE;
	v->rings = 2;
	v->config_bytes = 12;
	return 0;
}
