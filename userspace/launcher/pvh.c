// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF kernels by the PVH protocol: the Xen note of type 18 names a 32-bit
 * entry point, which gets the address of struct hvm_start_info in EBX.
 */
#include <errno.h>

#include "elf.h"

#define NOTE_PHYS32_ENTRY	18

#define START_INFO_MAGIC	0x336ec578
#define START_INFO_MODULE	(GUEST_START_INFO + 0x100)
#define START_INFO_MEMMAP	(GUEST_START_INFO + 0x200)

/* Looks for the entry note in one note segment. */
static bool find_in_segment(const __u8 *p, __u64 left, __u64 *entry)
{
	while (left >= 12) {
		__u64 name = align_up(get_le32(p), 4);
		__u64 desc = align_up(get_le32(p + 4), 4);
		__u32 bytes = get_le32(p + 4);

		if (name > left - 12 || desc > left - 12 - name)
			return false;
		if (get_le32(p + 8) == NOTE_PHYS32_ENTRY && get_le32(p) == 4 &&
		    !memcmp(p + 12, "Xen", 4) && (bytes == 4 || bytes == 8)) {
			*entry = bytes == 8 ? get_le64(p + 12 + name) : get_le32(p + 12 + name);
			return true;
		}
		p += 12 + name + desc;
		left -= 12 + name + desc;
	}
	return false;
}

static int find_entry(const struct elf *elf, __u64 *entry, struct fault *f)
{
	struct elf_segment s;
	unsigned int i;

	for (i = 0; i < elf->phdrs; i++) {
		if (elf_read_segment(elf, i, &s, f))
			return -1;
		if (s.type == ELF_PT_NOTE &&
		    find_in_segment(elf->file->data + s.offset, s.filesz, entry))
			return 0;
	}
	return elf_bad(f, "neither a PVH entry point nor a Multiboot header in this ELF file");
}

bool pvh_matches(const struct blob *kernel)
{
	struct fault ignored;
	struct elf elf;
	__u64 entry;

	return elf_matches(kernel) && !elf_open(&elf, kernel, &ignored) &&
	       !find_entry(&elf, &entry, &ignored);
}

static void fill_start_info(const struct memory *m, const struct boot_images *images,
			    const struct boot_initrd *initrd)
{
	struct memory_range range[MEMORY_RANGES];
	unsigned int n = memory_ranges(m, range), i;
	__u8 *info = m->host + GUEST_START_INFO;
	__u8 *row = m->host + START_INFO_MEMMAP;

	memset(info, 0, 4096);
	put_le32(info, START_INFO_MAGIC);
	put_le32(info + 4, 1);		/* version 1: with a memory map */
	put_le64(info + 24, GUEST_CMDLINE);
	put_le64(info + 32, images->rsdp);
	put_le64(info + 40, START_INFO_MEMMAP);
	put_le32(info + 48, n);
	if (initrd->bytes) {
		put_le32(info + 12, 1);
		put_le64(info + 16, START_INFO_MODULE);
		put_le64(m->host + START_INFO_MODULE, initrd->gpa);
		put_le64(m->host + START_INFO_MODULE + 8, initrd->bytes);
	}
	for (i = 0; i < n; i++, row += 24) {
		put_le64(row, range[i].addr);
		put_le64(row + 8, range[i].bytes);
		put_le32(row + 16, range[i].type);
	}
}

int pvh_load(const struct memory *m, const struct boot_images *images,
	     struct boot_entry *entry, struct fault *f)
{
	struct boot_initrd initrd;
	struct elf_image image;
	struct elf elf;

	if (elf_open(&elf, &images->kernel, f) || find_entry(&elf, &entry->rip, f) ||
	    elf_load(m, &elf, GUEST_KERNEL, &image, f))
		return -1;
	if (entry->rip < image.low || entry->rip >= image.high)
		return elf_bad(f, "its PVH entry point lies outside the kernel");
	if (boot_place_initrd(m, images, image.high, m->low, &initrd, f) ||
	    boot_place_cmdline(m, images, GUEST_CMDLINE_MAX - 1, f))
		return -1;
	fill_start_info(m, images, &initrd);
	entry->mode = BOOT_PROTECTED;
	entry->rbx = GUEST_START_INFO;
	return 0;
}
