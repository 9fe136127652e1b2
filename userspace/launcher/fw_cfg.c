// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's firmware configuration device, read-only and without DMA: test kernels
 * and firmware written for QEMU ask it for the number of CPUs and the size of
 * memory (QEMU docs/specs/fw_cfg). Port 0x510 selects an item, 0x511 reads it
 * byte by byte; behind its end there are zeroes.
 */
#include <endian.h>

#include "fw_cfg.h"

#define KEY_SIGNATURE	0x0000
#define KEY_ID		0x0001
#define KEY_RAM_SIZE	0x0003
#define KEY_NB_CPUS	0x0005
#define KEY_MAX_CPUS	0x000f
#define KEY_DIRECTORY	0x0019
#define KEY_FILES	0x0020
#define ID_PORTS	1	/* the interface with ports, no DMA */

#define DIRECTORY_ENTRY	64
#define NAME_BYTES	56
#define E820_BYTES	20

static void add_item(struct fw_cfg *c, __u16 key, const void *data, unsigned int bytes)
{
	struct fw_cfg_item *item = &c->item[c->items++];

	item->key = key;
	item->bytes = bytes;
	memcpy(item->data, data, bytes);
}

static void add_number(struct fw_cfg *c, __u16 key, __u64 value, unsigned int bytes)
{
	add_item(c, key, &value, bytes);
}

/* Memory as firmware wants it: RAM alone, the holes are its own business. */
static void add_e820(struct fw_cfg *c, const struct memory *m)
{
	__u8 map[2 * E820_BYTES] = { 0 };
	unsigned int rows = m->bytes > m->low ? 2 : 1;

	put_le64(map + 8, m->low);
	put_le32(map + 16, MEMORY_RAM);
	put_le64(map + E820_BYTES, MEMORY_HIGH);
	put_le64(map + E820_BYTES + 8, m->bytes - m->low);
	put_le32(map + E820_BYTES + 16, MEMORY_RAM);
	add_item(c, KEY_FILES, map, rows * E820_BYTES);
}

/* The one file there is; big-endian, unlike all else. */
static void add_directory(struct fw_cfg *c, const char *name)
{
	__u8 directory[4 + DIRECTORY_ENTRY] = { 0 };

	put_le32(directory, htobe32(1));
	put_le32(directory + 4, htobe32(c->item[c->items - 1].bytes));
	put_le16(directory + 8, htobe16(KEY_FILES));
	memcpy(directory + sizeof(directory) - NAME_BYTES, name, strlen(name));
	add_item(c, KEY_DIRECTORY, directory, sizeof(directory));
}

void fw_cfg_init(struct fw_cfg *c, const struct memory *m, unsigned int cpus)
{
	memset(c, 0, sizeof(*c));
	add_item(c, KEY_SIGNATURE, "QEMU", 4);
	add_number(c, KEY_ID, ID_PORTS, 4);
	add_number(c, KEY_RAM_SIZE, m->bytes, 8);
	add_number(c, KEY_NB_CPUS, cpus, 2);
	add_number(c, KEY_MAX_CPUS, cpus, 2);
	add_e820(c, m);
	add_directory(c, "etc/e820");
}

static __u64 fw_cfg_read(void *dev, __u64 offset, unsigned int bytes)
{
	struct fw_cfg *c = dev;

	if (offset != 1 || bytes != 1)
		return ~0ull;
	if (!c->selected || c->next >= c->selected->bytes)
		return 0;
	return c->selected->data[c->next++];
}

static void fw_cfg_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct fw_cfg *c = dev;
	unsigned int i;

	if (offset || bytes != 2)
		return;
	c->selected = NULL;
	c->next = 0;
	for (i = 0; i < c->items; i++)
		if (c->item[i].key == value)
			c->selected = &c->item[i];
}

const struct bus_ops fw_cfg_ops = {
	.read = fw_cfg_read,
	.write = fw_cfg_write,
	.width = 2,
};
