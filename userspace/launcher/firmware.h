/* SPDX-License-Identifier: GPL-2.0-only */
/* --firmware: an image that runs from the reset vector. */
#ifndef _LAUNCHER_FIRMWARE_H
#define _LAUNCHER_FIRMWARE_H

#include "boot.h"

#define FIRMWARE_END		GIB(4)
#define FIRMWARE_BYTES_MAX	MIB(8)
#define FIRMWARE_SHADOW		0xe0000	/* where a PC sees its last 128 KiB, too */

/* Reads an image; @b is page aligned and a whole number of pages. */
int firmware_read(struct blob *b, const char *path, struct fault *f);
/* Copies the image's end to where real mode finds it. */
void firmware_place(const struct memory *m, const struct blob *firmware);
/* Maps the image read-only, ending at 4 GiB; a negative errno. */
int firmware_map(int vm, const struct blob *firmware);

#endif /* _LAUNCHER_FIRMWARE_H */
