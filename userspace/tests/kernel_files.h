/* SPDX-License-Identifier: GPL-2.0-only */
/* Small kernel files, for the loaders' tests and their fuzzer. */
#ifndef _TESTS_KERNEL_FILES_H
#define _TESTS_KERNEL_FILES_H

#include <string.h>

#include "util.h"

#define KERNEL_TEXT	0x1000	/* where the segment is in the file */

/* One loadable segment of 0x1000 bytes at @base, with as much bss, and a PVH note. */
static inline void kernel_elf(__u8 *file, __u64 base)
{
	__u8 *ph = file + 64;

	memcpy(file, "\177ELF\2\1\1", 7);
	put_le16(file + 18, 62);
	put_le64(file + 32, 64);
	put_le16(file + 54, 56);
	put_le16(file + 56, 2);
	put_le32(ph, 1);
	put_le64(ph + 8, KERNEL_TEXT);
	put_le64(ph + 24, base);
	put_le64(ph + 32, 0x1000);
	put_le64(ph + 40, 0x2000);
	ph += 56;
	put_le32(ph, 4);
	put_le64(ph + 8, 0x2000);
	put_le64(ph + 32, 20);
	put_le32(file + 0x2000, 4);
	put_le32(file + 0x2004, 4);
	put_le32(file + 0x2008, 18);
	memcpy(file + 0x200c, "Xen", 4);
	put_le32(file + 0x2010, base + 0x40);
}

/* A Multiboot header, and what it may be in: the same in 32 bits, linked at 0xc0100000. */
static inline void kernel_multiboot(__u8 *p, __u32 flags)
{
	put_le32(p, 0x1badb002);
	put_le32(p + 4, flags);
	put_le32(p + 8, -(0x1badb002 + flags));
}

static inline void kernel_elf32(__u8 *file, __u32 base, __u32 flags)
{
	__u8 *ph = file + 52;

	memcpy(file, "\177ELF\1\1\1", 7);
	put_le16(file + 18, 3);
	put_le32(file + 24, 0xc0100010);
	put_le32(file + 28, 52);
	put_le16(file + 42, 32);
	put_le16(file + 44, 1);
	put_le32(ph, 1);
	put_le32(ph + 4, KERNEL_TEXT);
	put_le32(ph + 8, 0xc0100000);
	put_le32(ph + 12, base);
	put_le32(ph + 16, 0x1000);
	put_le32(ph + 20, 0x2000);
	put_le32(ph + 24, 5);
	kernel_multiboot(file + KERNEL_TEXT, flags);
}

#endif /* _TESTS_KERNEL_FILES_H */
