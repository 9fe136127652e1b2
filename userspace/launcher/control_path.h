/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LAUNCHER_CONTROL_PATH_H
#define _LAUNCHER_CONTROL_PATH_H

#include "util.h"

/* Folders that sockets are in, by preference: $XDG_RUNTIME_DIR/lodge, /run/lodge. */
bool control_dir(unsigned int n, char *path, size_t room);

#endif /* _LAUNCHER_CONTROL_PATH_H */
