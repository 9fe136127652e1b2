/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest addresses: logical to linear (segmentation), linear to physical
 * (paging), as pure functions over a description of the CPU's mode.
 */
#ifndef LODGE_TRANSLATE_H
#define LODGE_TRANSLATE_H

#include "insn.h"

/* Beside LODGE_ACCESS_*: by the CPU itself, at privilege level 0 */
#define LODGE_ACCESS_IMPLICIT	0x10u

struct lodge_walk {
	u64 gpa;
	u32 access;		/* LODGE_ACCESS_* that the tables allow */
	u32 error;		/* #PF error code when -EFAULT */
};

/**
 * struct lodge_paging - what a walk of the guest's tables depends on
 * @ac: RFLAGS.AC, which lifts SMAP from explicit supervisor accesses
 * @pkru: looked at when CR4.PKE is set
 * @maxphyaddr: physical address width; address bits above are reserved
 * @read: @bytes (4 or 8) of table at @gpa: 0 or -errno, which ends the walk
 * @mark: set @bits in the entry at @gpa if it still is @old: 0, or -EAGAIN when
 *	it is not. NULL: accessed and dirty bits are left alone
 * @ctx: theirs
 */
struct lodge_paging {
	u64 cr0;
	u64 cr3;
	u64 cr4;
	u64 efer;
	u32 pkru;
	u8 maxphyaddr;
	bool ac;
	int (*read)(void *ctx, u64 gpa, u64 *entry, u32 bytes);
	int (*mark)(void *ctx, u64 gpa, u64 old, u64 bits, u32 bytes);
	void *ctx;
};

/*
 * 0; -EFAULT: #PF with walk->error; or what @read returned. @access:
 * LODGE_ACCESS_*; without READ, WRITE and EXEC nothing is checked or marked.
 */
int lodge_walk_tables(const struct lodge_paging *paging, u64 gva, u32 access,
		      struct lodge_walk *walk);

/* The mode that decides how segments are used. */
struct lodge_segmode {
	enum lodge_code code;
	bool protected;		/* CR0.PE without RFLAGS.VM: types are checked */
	bool la57;
};

/* 0, or the exception's vector, whose error code is 0. @seg: enum lodge_seg */
int lodge_segment_linear(const struct lodge_segmode *mode, const struct lodge_segment *s,
			 int seg, u64 offset, u32 bytes, bool write, u64 *out);

bool lodge_canonical(u64 addr, bool la57);

#endif /* LODGE_TRANSLATE_H */
