/* SPDX-License-Identifier: GPL-2.0-only */
/* KUnit: the fake machine that instructions are emulated on. */
#ifndef LODGE_EMULATE_TEST_H
#define LODGE_EMULATE_TEST_H

#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "../uapi/lodge.h"
#include "insn.h"

#define CF	0x001
#define PF	0x004
#define AF	0x010
#define ZF	0x040
#define SF	0x080
#define DF	0x400
#define OF	0x800
#define FLAGS	(CF | PF | AF | ZF | SF | OF)

#define BASE	0x1000		/* linear address of mem[] */

/* The machine: 256 bytes, one port, and the things that can go wrong. */
struct machine {
	struct lodge_emul e;
	u8 mem[256];
	u64 port_value;
	u16 port;
	int reads;
	int writes;
	int write_probes;
	int ports;
	u64 readonly;		/* linear page-fault address for writes, or 0 */
	int pending_read;	/* this read, from 1, waits for userspace */
	int last_seg;
	u64 last_offset;
	u64 system[11][2];	/* by enum lodge_seg and lodge_system */
	u64 xsave[(576 + 256 + 512) / 8];
};

struct machine *lodge_new_machine(struct kunit *test);
int lodge_run_insn(struct kunit *test, struct machine *m, const u8 *bytes, u32 count);

#define RUN(test, m, ...)						\
({									\
	static const u8 bytes__[] = { __VA_ARGS__ };			\
									\
	lodge_run_insn(test, m, bytes__, sizeof(bytes__));		\
})

static inline u64 mem(const struct machine *m, u32 offset, u32 bytes)
{
	u64 value = 0;

	memcpy(&value, m->mem + offset, bytes);
	return value;
}

#endif /* LODGE_EMULATE_TEST_H */
