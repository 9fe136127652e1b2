// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux bzImage by the 64-bit boot protocol.
 *
 * Offsets are those of Documentation/x86/boot.rst and zero-page.rst; the
 * setup header lies at the same place in the file and in the zero page.
 */
#include <errno.h>

#include "boot.h"

#define HDR_START		0x1f1
#define HDR_SETUP_SECTS		0x1f1
#define HDR_BOOT_FLAG		0x1fe
#define HDR_JUMP_LEN		0x201
#define HDR_MAGIC		0x202
#define HDR_VERSION		0x206
#define HDR_LOADER		0x210
#define HDR_LOADFLAGS		0x211
#define HDR_RAMDISK		0x218
#define HDR_RAMDISK_BYTES	0x21c
#define HDR_CMDLINE		0x228
#define HDR_INITRD_MAX		0x22c
#define HDR_ALIGN		0x230
#define HDR_RELOCATABLE		0x234
#define HDR_XLOADFLAGS		0x236
#define HDR_CMDLINE_MAX		0x238
#define HDR_PREF_ADDRESS	0x258
#define HDR_INIT_BYTES		0x260
#define HDR_END			0x264

#define ZERO_PAGE_RSDP		0x070
#define ZERO_PAGE_E820_COUNT	0x1e8
#define ZERO_PAGE_E820		0x2d0

#define LOADED_HIGH		0x01
#define XLF_KERNEL_64		0x01
#define ENTRY_64		0x200
#define MAGIC_HDRS		0x53726448

bool bzimage_matches(const struct blob *kernel)
{
	return kernel->bytes >= HDR_END && get_le16(kernel->data + HDR_BOOT_FLAG) == 0xaa55 &&
	       get_le32(kernel->data + HDR_MAGIC) == MAGIC_HDRS;
}

static int bzimage_check(const struct blob *kernel, __u64 *setup, struct fault *f)
{
	const __u8 *k = kernel->data;
	__u64 sects = k[HDR_SETUP_SECTS] ? k[HDR_SETUP_SECTS] : 4;

	if (get_le16(k + HDR_VERSION) < 0x20c || !(k[HDR_LOADFLAGS] & LOADED_HIGH) ||
	    !(get_le16(k + HDR_XLOADFLAGS) & XLF_KERNEL_64))
		return fault_set(f, "kernel", "has no 64-bit entry point",
				 "give an x86-64 kernel, Linux 3.8 or later", ENOEXEC);
	*setup = (sects + 1) * 512;
	if (kernel->bytes <= *setup + ENTRY_64)
		return fault_set(f, "kernel", "the file is cut short", NULL, ENOEXEC);
	return 0;
}

/* Where the kernel goes: where it likes best, or anywhere if it can move. */
static int bzimage_place(const struct memory *m, const __u8 *k, __u64 bytes, __u64 *gpa,
			 __u64 *end, struct fault *f)
{
	__u64 need = get_le32(k + HDR_INIT_BYTES);
	__u64 align = get_le32(k + HDR_ALIGN);
	__u64 where = get_le64(k + HDR_PREF_ADDRESS);

	if (need < bytes)
		need = bytes;
	if (where < GUEST_KERNEL || where >= m->low || need > m->low - where) {
		if (!k[HDR_RELOCATABLE] || !align || (align & (align - 1)))
			where = m->low;
		else
			where = align_up(GUEST_KERNEL, align);
	}
	if (where >= m->low || need > m->low - where)
		return fault_set(f, "kernel", "does not fit in guest memory",
				 "give the guest more memory with -m", ENOSPC);
	*gpa = where;
	*end = where + need;
	return 0;
}

static void fill_e820(const struct memory *m, __u8 *zero)
{
	struct memory_range range[MEMORY_RANGES];
	unsigned int n = memory_ranges(m, range);
	__u8 *row = zero + ZERO_PAGE_E820;
	unsigned int i;

	for (i = 0; i < n; i++, row += 20) {
		put_le64(row, range[i].addr);
		put_le64(row + 8, range[i].bytes);
		put_le32(row + 16, range[i].type);
	}
	zero[ZERO_PAGE_E820_COUNT] = n;
}

static void fill_zero_page(const struct memory *m, const struct boot_images *images,
			   const struct boot_initrd *initrd)
{
	__u8 *zero = m->host + GUEST_ZERO_PAGE;
	const __u8 *k = images->kernel.data;
	__u64 end = HDR_MAGIC + k[HDR_JUMP_LEN];

	if (end < HDR_END)
		end = HDR_END;
	memset(zero, 0, 4096);
	if (end > images->kernel.bytes)
		end = images->kernel.bytes;
	memcpy(zero + HDR_START, k + HDR_START, end - HDR_START);
	zero[HDR_LOADER] = 0xff;	/* a loader without a number of its own */
	put_le32(zero + HDR_RAMDISK, initrd->gpa);
	put_le32(zero + HDR_RAMDISK_BYTES, initrd->bytes);
	put_le32(zero + HDR_CMDLINE, GUEST_CMDLINE);
	put_le64(zero + ZERO_PAGE_RSDP, images->rsdp);
	fill_e820(m, zero);
}

int bzimage_load(const struct memory *m, const struct boot_images *images,
		 struct boot_entry *entry, struct fault *f)
{
	const __u8 *k = images->kernel.data;
	__u64 setup, gpa, end, bytes;
	struct boot_initrd initrd;

	if (bzimage_check(&images->kernel, &setup, f))
		return -1;
	bytes = images->kernel.bytes - setup;
	if (bzimage_place(m, k, bytes, &gpa, &end, f) ||
	    boot_place_initrd(m, images, end, (__u64)get_le32(k + HDR_INITRD_MAX) + 1, &initrd,
			      f) ||
	    boot_place_cmdline(m, images, get_le32(k + HDR_CMDLINE_MAX), f))
		return -1;
	memcpy(m->host + gpa, k + setup, bytes);
	fill_zero_page(m, images, &initrd);
	entry->mode = BOOT_LONG;
	entry->rip = gpa + ENTRY_64;
	entry->rsi = GUEST_ZERO_PAGE;
	return 0;
}
