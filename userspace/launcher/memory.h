/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest memory: one mapping, low part from 0, the rest from 4 GiB. */
#ifndef _LAUNCHER_MEMORY_H
#define _LAUNCHER_MEMORY_H

#include "layout.h"
#include "util.h"

#define MEMORY_MIN	MIB(2)
#define MEMORY_MAX	GIB(4096)

/* Fixed places in the first MiB. */
#define GUEST_START_INFO	0x6000	/* PVH: hvm_start_info and its lists */
#define GUEST_ZERO_PAGE		0x7000	/* bzImage: boot_params */
#define GUEST_GDT		0x8000
#define GUEST_PAGE_TABLES	0x9000	/* six pages */
#define GUEST_CMDLINE		0x20000
#define GUEST_CMDLINE_MAX	0x10000
#define GUEST_EBDA		0x9fc00
#define GUEST_ACPI		0xe0000	/* also where an RSDP is searched for */
#define GUEST_ACPI_END		0xf0000
#define GUEST_SMBIOS		0xf0000	/* searched for from here on, as the next */
#define GUEST_SMBIOS_END	0xf4000
#define GUEST_MPTABLE		0xf4000
#define GUEST_BIOS		0xff000	/* bios.S: 4 KiB up to the reset vector */
#define GUEST_KERNEL		0x100000

enum memory_thp { THP_DEFAULT, THP_ON, THP_OFF };

/**
 * struct memory_options - what "-m" asked for
 * @text: as it was written, or NULL
 * @bytes: size
 * @huge: bytes of the reserved huge pages to take, 0 for others
 * @thp: transparent huge pages, on by default
 * @shared: a memfd, so that another process could map it
 * @merge: the host may merge equal pages
 * @prefault: take all of it before the guest starts
 * @prefer: of @nodes take what there is; otherwise from nowhere else
 * @nodes: bit per NUMA node, 0 for any
 * @file: take this file, or ""
 */
struct memory_options {
	const char *text;
	__u64 bytes;
	__u64 huge;
	enum memory_thp thp;
	bool shared;
	bool merge;
	bool prefault;
	bool prefer;
	__u64 nodes;
	char file[256];
};

/**
 * struct memory - the guest's RAM
 * @host: the mapping, aligned as the largest pages it can have
 * @fd: what it maps, or -1
 * @bytes: all of it
 * @low: bytes that are found from guest physical address 0
 */
struct memory {
	__u8 *host;
	int fd;
	__u64 bytes;
	__u64 low;
};

/**
 * struct memory_range - a row of the firmware memory map
 * @addr: guest physical address
 * @bytes: length
 * @type: MEMORY_RAM or MEMORY_RESERVED (the numbers of E820 and of PVH)
 */
struct memory_range {
	__u64 addr;
	__u64 bytes;
	__u32 type;
};

#define MEMORY_RAM	1
#define MEMORY_RESERVED	2
#define MEMORY_RANGES	6

/* SIZE[,WORD]...; -1 and @f when it makes no sense. */
int memory_parse(struct memory_options *o, const char *text, struct fault *f);
int memory_create(struct memory *m, const struct memory_options *o, struct fault *f);
/* The same with nothing but a size: 0, or a negative errno. */
int memory_init(struct memory *m, __u64 bytes);
void memory_destroy(struct memory *m);
/* The host address of a range that lies in RAM as a whole; NULL otherwise. */
void *memory_at(const struct memory *m, __u64 gpa, __u64 bytes);
/* Gives memory back to the host; it reads as zeroes afterwards. @host may be NULL. */
void memory_discard(const struct memory *m, void *host, __u64 bytes);
/* Tells the hypervisor; a negative errno when it fails. */
int memory_register(const struct memory *m, int vm);
/* Take all of it from the host now; the same. */
int memory_prefault(const struct memory *m, int vm);
unsigned int memory_ranges(const struct memory *m, struct memory_range out[MEMORY_RANGES]);

#endif /* _LAUNCHER_MEMORY_H */
