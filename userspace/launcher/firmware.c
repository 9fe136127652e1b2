// SPDX-License-Identifier: GPL-2.0-only
/* --firmware: an image that runs from the reset vector. */
#include <errno.h>
#include <stdlib.h>

#include <lodge/liblodge.h>

#include "firmware.h"

#define SLOT_FIRMWARE	2	/* 0 and 1 are RAM */

int firmware_read(struct blob *b, const char *path, struct fault *f)
{
	void *pages;

	if (blob_read(b, path, f))
		return -1;
	if (b->bytes % 4096 || b->bytes > FIRMWARE_BYTES_MAX)
		return fault_set(f, path, "a firmware image has whole 4 KiB pages, up to 8 MiB",
				 "pad it at its beginning: its end is what the CPU starts in",
				 EINVAL);
	pages = aligned_alloc(4096, b->bytes);
	if (!pages)
		return fault_set(f, path, "no memory to hold it", NULL, ENOMEM);
	memcpy(pages, b->data, b->bytes);
	free(b->data);
	b->data = pages;
	return 0;
}

void firmware_place(const struct memory *m, const struct blob *firmware)
{
	__u64 bytes = GUEST_KERNEL - FIRMWARE_SHADOW;

	if (bytes > firmware->bytes)
		bytes = firmware->bytes;
	memset(m->host + FIRMWARE_SHADOW, 0, GUEST_KERNEL - FIRMWARE_SHADOW);
	memcpy(m->host + GUEST_KERNEL - bytes, firmware->data + firmware->bytes - bytes, bytes);
}

int firmware_map(int vm, const struct blob *firmware)
{
	struct lodge_slot slot = {
		.flags = LODGE_SLOT_READONLY,
		.slot = SLOT_FIRMWARE,
		.gpa = FIRMWARE_END - firmware->bytes,
		.bytes = firmware->bytes,
		.user_addr = (unsigned long)firmware->data,
	};

	return lodge_set_slot(vm, &slot);
}
