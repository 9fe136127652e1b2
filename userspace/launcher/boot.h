/* SPDX-License-Identifier: GPL-2.0-only */
/* Loading a kernel into guest memory. */
#ifndef _LAUNCHER_BOOT_H
#define _LAUNCHER_BOOT_H

#include "memory.h"

#define BOOT_MAX_INITRDS	16
#define BOOT_CS			0x10	/* selectors of the Linux boot protocol */
#define BOOT_DS			0x18
#define BOOT_TR			0x20

/**
 * struct blob - a file in memory
 * @data: its bytes
 * @bytes: how many
 */
struct blob {
	__u8 *data;
	__u64 bytes;
};

enum boot_mode {
	BOOT_LONG,		/* 64-bit boot protocol: RSI = zero page */
	BOOT_PVH,		/* 32-bit protected mode: EBX = hvm_start_info */
};

/**
 * struct boot_images - everything that makes a guest start
 * @kernel: bzImage or ELF file
 * @initrd: all initrds, each padded to 4 bytes, one after the other
 * @cmdline: the kernel command line
 * @rsdp: guest physical address of the ACPI root pointer
 */
struct boot_images {
	struct blob kernel;
	struct blob initrd;
	const char *cmdline;
	__u64 rsdp;
};

/**
 * struct boot_entry - how vCPU 0 starts
 * @mode: BOOT_LONG or BOOT_PVH
 * @rip: first instruction
 * @info: what RSI or RBX holds
 */
struct boot_entry {
	enum boot_mode mode;
	__u64 rip;
	__u64 info;
};

int blob_read(struct blob *b, const char *path, struct fault *f);
int blob_append(struct blob *b, const char *path, struct fault *f);
void blob_free(struct blob *b);

/* Puts everything in its place; -1 with @f filled when it cannot be. */
int boot_load(const struct memory *m, const struct boot_images *images,
	      struct boot_entry *entry, struct fault *f);

/* For boot_load() and the tests. */
bool bzimage_matches(const struct blob *kernel);
int bzimage_load(const struct memory *m, const struct boot_images *images,
		 struct boot_entry *entry, struct fault *f);
bool elf_matches(const struct blob *kernel);
int elf_load(const struct memory *m, const struct boot_images *images,
	     struct boot_entry *entry, struct fault *f);
/* Copies the initrd as high as possible below @limit; its address in @gpa. */
int boot_place_initrd(const struct memory *m, const struct blob *initrd, __u64 floor,
		      __u64 limit, __u64 *gpa, struct fault *f);
int boot_place_cmdline(const struct memory *m, const char *cmdline, __u64 max,
		       struct fault *f);

#endif /* _LAUNCHER_BOOT_H */
