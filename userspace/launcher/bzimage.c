// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux bzImage by the 64-bit boot protocol, or by the 32-bit one if the kernel
 * knows no better. Its real-mode code does not run.
 *
 * Offsets are those of Documentation/x86/boot.rst and zero-page.rst; the
 * setup header lies at the same place in the file and in the zero page. What a
 * version of the protocol does not know yet is not read.
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
#define HDR_CODE32_START	0x214
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

/* Versions of the protocol, by what came with them */
#define V_CMDLINE_POINTER	0x202
#define V_INITRD_MAX		0x203
#define V_RELOCATABLE		0x205
#define V_CMDLINE_MAX		0x206
#define V_PREF_ADDRESS		0x20a
#define V_XLOADFLAGS		0x20c

#define OLD_CMDLINE_MAX		255
#define OLD_INITRD_MAX		0x37ffffff

#define ZERO_PAGE_RSDP		0x070
#define ZERO_PAGE_E820_COUNT	0x1e8
#define ZERO_PAGE_E820		0x2d0

#define LOADED_HIGH		0x01
#define XLF_KERNEL_64		0x01
#define ENTRY_64		0x200
#define MAGIC_HDRS		0x53726448

/**
 * struct wishes - what the header asks for
 * @setup: bytes of the file before the kernel proper
 * @wide: there is a 64-bit entry point
 * @start: where the kernel likes to be
 * @need: bytes that it needs there
 * @align: to which it can be moved, or 0
 */
struct wishes {
	__u64 setup;
	bool wide;
	__u64 start;
	__u64 need;
	__u64 align;
	__u64 initrd_max;
	__u64 cmdline_max;
};

bool bzimage_matches(const struct blob *kernel)
{
	return kernel->bytes >= HDR_END && get_le16(kernel->data + HDR_BOOT_FLAG) == 0xaa55 &&
	       get_le32(kernel->data + HDR_MAGIC) == MAGIC_HDRS;
}

static int read_wishes(const struct blob *kernel, struct wishes *w, struct fault *f)
{
	const __u8 *k = kernel->data;
	__u16 version = get_le16(k + HDR_VERSION);

	*w = (struct wishes){
		.setup = ((k[HDR_SETUP_SECTS] ? k[HDR_SETUP_SECTS] : 4) + 1) * 512,
		.wide = version >= V_XLOADFLAGS &&
			(get_le16(k + HDR_XLOADFLAGS) & XLF_KERNEL_64),
		.start = version >= V_PREF_ADDRESS ? get_le64(k + HDR_PREF_ADDRESS) : GUEST_KERNEL,
		.need = version >= V_PREF_ADDRESS ? get_le32(k + HDR_INIT_BYTES) : 0,
		.align = version >= V_RELOCATABLE && k[HDR_RELOCATABLE] ?
			 get_le32(k + HDR_ALIGN) : 0,
		.initrd_max = version >= V_INITRD_MAX ? get_le32(k + HDR_INITRD_MAX) :
			      OLD_INITRD_MAX,
		.cmdline_max = version >= V_CMDLINE_MAX ? get_le32(k + HDR_CMDLINE_MAX) :
			       OLD_CMDLINE_MAX,
	};
	if (version < V_CMDLINE_POINTER || !(k[HDR_LOADFLAGS] & LOADED_HIGH))
		return fault_set(f, "kernel", "is too old, or a zImage",
				 "give a bzImage of Linux 2.4 or later", ENOEXEC);
	if (kernel->bytes <= w->setup + (w->wide ? ENTRY_64 : 0))
		return fault_set(f, "kernel", "the file is cut short", NULL, ENOEXEC);
	if (w->need < kernel->bytes - w->setup)
		w->need = kernel->bytes - w->setup;
	return 0;
}

/* Where the kernel goes: where it likes best, or anywhere if it can move. */
static int find_place(const struct memory *m, const struct wishes *w, __u64 *gpa,
		      struct fault *f)
{
	*gpa = w->start;
	if (*gpa < GUEST_KERNEL || *gpa >= m->low || w->need > m->low - *gpa) {
		if (!w->align || (w->align & (w->align - 1)))
			*gpa = m->low;
		else
			*gpa = align_up(GUEST_KERNEL, w->align);
	}
	if (*gpa >= m->low || w->need > m->low - *gpa)
		return fault_set(f, "kernel", "does not fit in guest memory",
				 "give the guest more memory with -m", ENOSPC);
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
	const struct blob *kernel = &images->kernel;
	struct boot_initrd initrd;
	struct wishes w;
	__u64 gpa;

	if (read_wishes(kernel, &w, f) || find_place(m, &w, &gpa, f) ||
	    boot_place_initrd(m, images, gpa + w.need, w.initrd_max + 1, &initrd, f) ||
	    boot_place_cmdline(m, images, w.cmdline_max, f))
		return -1;
	memcpy(m->host + gpa, kernel->data + w.setup, kernel->bytes - w.setup);
	fill_zero_page(m, images, &initrd);
	put_le32(m->host + GUEST_ZERO_PAGE + HDR_CODE32_START, gpa);
	entry->mode = w.wide ? BOOT_LONG : BOOT_PROTECTED;
	entry->rip = gpa + (w.wide ? ENTRY_64 : 0);
	entry->rsi = GUEST_ZERO_PAGE;
	return 0;
}
