// SPDX-License-Identifier: GPL-2.0-only
/* liblodge: reading statistics descriptors. */
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* Whoever gave the descriptor need not be a friend: nothing leads out of @blob. */
static int sane(const void *blob, size_t bytes)
{
	const struct lodge_stats_header *h = blob;
	const struct lodge_stats_desc *d;
	__u32 i;

	if (bytes < sizeof(*h) || h->bytes > bytes || h->desc_bytes < sizeof(*d) ||
	    h->desc_bytes % 8 || h->desc_offset % 8 || h->value_offset % 8 ||
	    h->value_offset > h->bytes || h->desc_offset > h->bytes ||
	    h->descs > (h->bytes - h->desc_offset) / h->desc_bytes)
		return 0;
	for (i = 0; i < h->descs; i++) {
		d = lodge_stats_desc(blob, i);
		if (!memchr(d->name, 0, sizeof(d->name)) || d->offset % 8 ||
		    d->offset > h->bytes - h->value_offset ||
		    d->count > (h->bytes - h->value_offset - d->offset) / 8)
			return 0;
	}
	return !!memchr(h->name, 0, sizeof(h->name));
}

int lodge_stats_read(int fd, void *blob, size_t room)
{
	ssize_t got = pread(fd, blob, room, 0);

	if (got < 0)
		return -errno;
	return sane(blob, got) ? (int)got : -EPROTO;
}

const struct lodge_stats_desc *lodge_stats_desc(const void *blob, __u32 n)
{
	const struct lodge_stats_header *h = blob;

	if (n >= h->descs)
		return NULL;
	return (const void *)((const __u8 *)blob + h->desc_offset + (size_t)n * h->desc_bytes);
}

const __u64 *lodge_stats_values(const void *blob, const struct lodge_stats_desc *desc)
{
	const struct lodge_stats_header *h = blob;

	return (const void *)((const __u8 *)blob + h->value_offset + desc->offset);
}

__u64 lodge_stats_get(const void *blob, const char *name)
{
	const struct lodge_stats_desc *d;
	__u32 i;

	for (i = 0; (d = lodge_stats_desc(blob, i)); i++)
		if (!strcmp(d->name, name) && d->count)
			return *lodge_stats_values(blob, d);
	return 0;
}
