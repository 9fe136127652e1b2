/* SPDX-License-Identifier: GPL-2.0-only */
/* Loading a kernel or a firmware image into guest memory. */
#ifndef _LAUNCHER_BOOT_H
#define _LAUNCHER_BOOT_H

#include "memory.h"

#define BOOT_CMDLINE	"console=ttyS0"	/* for Linux, when none is given */

/**
 * struct blob - a file in memory
 * @data: its bytes
 * @bytes: how many
 */
struct blob {
	__u8 *data;
	__u64 bytes;
};

/**
 * struct boot_module - a file beside the kernel: an initrd, a Multiboot module
 * @file: its contents
 * @cmdline: as the user wrote it: a path, perhaps a space and arguments
 */
struct boot_module {
	struct blob file;
	const char *cmdline;
};

enum boot_mode {
	BOOT_LONG,		/* 64-bit, paging on; see boot_place_tables() */
	BOOT_PROTECTED,		/* 32-bit, flat segments, no paging */
	BOOT_REAL,		/* real mode at CS:RIP */
	BOOT_RESET,		/* real mode at the reset vector: state as after power-on */
};

/**
 * struct boot_images - everything that makes a guest start
 * @kernel: bzImage or ELF or Multiboot file
 * @kernel_path: its name as the user wrote it
 * @firmware: what to run from the reset vector; then there is no kernel
 * @module: @modules files
 * @cmdline: the kernel command line, or NULL for what suits the kernel
 * @cmdline_more: what Linux has to be told besides, or NULL
 * @rsdp: guest physical address of the ACPI root pointer
 */
struct boot_images {
	struct blob kernel;
	const char *kernel_path;
	struct blob firmware;
	struct boot_module *module;
	unsigned int modules;
	const char *cmdline;
	const char *cmdline_more;
	__u64 rsdp;
};

/**
 * struct boot_entry - how vCPU 0 starts
 * @mode: BOOT_*; the rest is not for BOOT_RESET, nor for BOOT_REAL behind @rip
 * @cs: code selector; data's and the task's are the next two
 * @rip: first instruction
 * @gdt: address of GUEST_GDT_BYTES
 * @rax: and the other registers that hold something
 */
struct boot_entry {
	enum boot_mode mode;
	__u16 cs;
	__u64 rip;
	__u64 gdt;
	__u64 rax;
	__u64 rbx;
	__u64 rsi;
};

#define GUEST_GDT_BYTES	0x30

int blob_read(struct blob *b, const char *path, struct fault *f);
void blob_free(struct blob *b);
/*
 * Adds the file that @text names. What follows its first space is arguments,
 * unless a file of the whole name exists.
 */
int boot_add_module(struct boot_images *images, const char *text, struct fault *f);

/* Puts everything in its place; -1 with @f filled when it cannot be. */
int boot_load(const struct memory *m, const struct boot_images *images,
	      struct boot_entry *entry, struct fault *f);

/* For boot_load() and the tests: one format each. */
bool bzimage_matches(const struct blob *kernel);
int bzimage_load(const struct memory *m, const struct boot_images *images,
		 struct boot_entry *entry, struct fault *f);
bool pvh_matches(const struct blob *kernel);	/* an ELF file with the entry note */
int pvh_load(const struct memory *m, const struct boot_images *images,
	     struct boot_entry *entry, struct fault *f);
bool multiboot_matches(const struct blob *kernel);
int multiboot_load(const struct memory *m, const struct boot_images *images,
		   struct boot_entry *entry, struct fault *f);

/* What the loaders share */

/**
 * struct boot_initrd - where Linux finds its initial RAM disk
 * @gpa: address, 0 when there is none
 * @bytes: of all modules, each padded to 4 bytes as cpio archives want it
 */
struct boot_initrd {
	__u64 gpa;
	__u64 bytes;
};

/* Like memory_at(), but not where a PC has its EBDA, video memory and ROMs. */
void *boot_ram_at(const struct memory *m, __u64 gpa, __u64 bytes);
/* Puts all modules as high as possible below @limit and above @floor. */
int boot_place_initrd(const struct memory *m, const struct boot_images *images, __u64 floor,
		      __u64 limit, struct boot_initrd *initrd, struct fault *f);
/* Puts the command line for Linux at GUEST_CMDLINE; @max is its length at most. */
int boot_place_cmdline(const struct memory *m, const struct boot_images *images, __u64 max,
		       struct fault *f);
/* The GDT at @entry->gdt, and page tables for BOOT_LONG. */
void boot_place_tables(const struct memory *m, const struct boot_entry *entry);

#endif /* _LAUNCHER_BOOT_H */
