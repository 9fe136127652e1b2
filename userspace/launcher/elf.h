/* SPDX-License-Identifier: GPL-2.0-only */
/* ELF executables, 32-bit and 64-bit; nothing in the file is trusted. */
#ifndef _LAUNCHER_ELF_H
#define _LAUNCHER_ELF_H

#include "boot.h"

#define ELF_PT_LOAD	1
#define ELF_PT_NOTE	4
#define ELF_PF_X	1

/**
 * struct elf - a file whose headers are good
 * @file: its contents
 * @wide: 64-bit format
 * @entry: e_entry, as it is in the file
 * @phoff: where @phdrs program headers are
 */
struct elf {
	const struct blob *file;
	bool wide;
	__u64 entry;
	__u64 phoff;
	unsigned int phdrs;
};

/**
 * struct elf_segment - a program header
 *
 * The contents of PT_LOAD and PT_NOTE segments lie within the file.
 */
struct elf_segment {
	__u32 type;
	__u32 flags;
	__u64 offset;
	__u64 vaddr;
	__u64 paddr;
	__u64 filesz;
	__u64 memsz;
};

/**
 * struct elf_image - what elf_load() has put into guest memory
 * @low: lowest address
 * @high: first address behind it, in low memory
 */
struct elf_image {
	__u64 low;
	__u64 high;
};

bool elf_matches(const struct blob *file);
int elf_open(struct elf *elf, const struct blob *file, struct fault *f);
int elf_read_segment(const struct elf *elf, unsigned int i, struct elf_segment *s,
		     struct fault *f);
/* Loads every PT_LOAD segment, if all of them lie at or above @floor. */
int elf_load(const struct memory *m, const struct elf *elf, __u64 floor,
	     struct elf_image *image, struct fault *f);
/* Fills @f and returns -1. */
int elf_bad(struct fault *f, const char *why);

#endif /* _LAUNCHER_ELF_H */
