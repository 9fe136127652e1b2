/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's firmware configuration device, read-only: ports 0x510 and 0x511. */
#ifndef _LAUNCHER_FW_CFG_H
#define _LAUNCHER_FW_CFG_H

#include "bus.h"
#include "memory.h"

#define FW_CFG_PORT	0x510
#define FW_CFG_BYTES	2
#define FW_CFG_ITEMS	8

struct fw_cfg_item {
	__u16 key;
	__u16 bytes;
	__u8 data[68];
};

/**
 * struct fw_cfg - the device
 * @selected: what is read, or NULL
 * @next: offset of the next byte
 */
struct fw_cfg {
	struct fw_cfg_item item[FW_CFG_ITEMS];
	unsigned int items;
	const struct fw_cfg_item *selected;
	unsigned int next;
};

extern const struct bus_ops fw_cfg_ops;
void fw_cfg_init(struct fw_cfg *c, const struct memory *m, unsigned int cpus);

#endif /* _LAUNCHER_FW_CFG_H */
