/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left of this program's rights once a guest runs: a guest that takes
 * over a device's code has what its file descriptors stand for, and no more.
 */
#ifndef _LAUNCHER_SANDBOX_H
#define _LAUNCHER_SANDBOX_H

#include "util.h"

/* For the thread that calls it and those that it starts later. */
struct sandbox_rights {
	const char *root;	/* all that root shall see of file systems, or NULL: everything */
	bool other_users_files;	/* root has to reach them: CAP_DAC_OVERRIDE stays */
};

/*
 * Gives up capabilities and, as root, moves to namespaces of its own, those that
 * this kernel and the caller's own rights allow. True when @r->root is "/" and
 * the working folder now.
 */
bool sandbox_drop(const struct sandbox_rights *r);
/* From now on, in all threads, no system calls but those that a running guest needs. */
int sandbox_filter(struct fault *f);

#endif /* _LAUNCHER_SANDBOX_H */
