// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF kernels by the PVH protocol: the Xen note of type 18 names a 32-bit
 * entry point, which gets the address of struct hvm_start_info in EBX.
 */
#include <errno.h>

#include "boot.h"

#define ELF_HEADER_BYTES	64
#define ELF_PHDR_BYTES		56
#define ELF_PT_LOAD		1
#define ELF_PT_NOTE		4
#define ELF_MACHINE_X86_64	62
#define ELF_MAX_PHDRS		128

#define NOTE_PHYS32_ENTRY	18

#define START_INFO_MAGIC	0x336ec578
#define START_INFO_BYTES	56
#define START_INFO_MODULE	(GUEST_START_INFO + 0x100)
#define START_INFO_MEMMAP	(GUEST_START_INFO + 0x200)

/* The fields of a program header that are used here. */
struct segment {
	__u32 type;
	__u64 offset;
	__u64 paddr;
	__u64 filesz;
	__u64 memsz;
};

static int bad_elf(struct fault *f, const char *why)
{
	return fault_set(f, "kernel", why, "give an x86-64 vmlinux with CONFIG_PVH, or a bzImage",
			 ENOEXEC);
}

bool elf_matches(const struct blob *kernel)
{
	return kernel->bytes >= ELF_HEADER_BYTES && !memcmp(kernel->data, "\177ELF", 4);
}

/* Program header @i, whose bytes in the file are known to be there. */
static int read_segment(const struct blob *k, unsigned int i, struct segment *s, struct fault *f)
{
	const __u8 *p = k->data + get_le64(k->data + 32) + i * ELF_PHDR_BYTES;

	s->type = get_le32(p);
	s->offset = get_le64(p + 8);
	s->paddr = get_le64(p + 24);
	s->filesz = get_le64(p + 32);
	s->memsz = get_le64(p + 40);
	if (s->type != ELF_PT_LOAD && s->type != ELF_PT_NOTE)
		return 0;
	if (s->offset > k->bytes || s->filesz > k->bytes - s->offset)
		return bad_elf(f, "a segment lies outside the file");
	return 0;
}

static int check_header(const struct blob *k, unsigned int *phdrs, struct fault *f)
{
	const __u8 *e = k->data;
	__u64 phoff = get_le64(e + 32);

	*phdrs = get_le16(e + 56);
	if (e[4] != 2 || e[5] != 1 || get_le16(e + 18) != ELF_MACHINE_X86_64)
		return bad_elf(f, "not an ELF file for x86-64");
	if (get_le16(e + 54) != ELF_PHDR_BYTES || !*phdrs || *phdrs > ELF_MAX_PHDRS)
		return bad_elf(f, "strange program headers");
	if (phoff > k->bytes || *phdrs * ELF_PHDR_BYTES > k->bytes - phoff)
		return bad_elf(f, "the file is cut short");
	return 0;
}

/* Looks for the entry note in one note segment. */
static bool find_note(const __u8 *p, __u64 left, __u64 *entry)
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

static int load_segment(const struct memory *m, const struct blob *k, const struct segment *s,
			__u64 *end, struct fault *f)
{
	__u8 *to;

	if (!s->memsz)
		return 0;
	to = memory_at(m, s->paddr, s->memsz);
	if (s->filesz > s->memsz || s->paddr < GUEST_KERNEL)
		return bad_elf(f, "a segment has an impossible address or size");
	if (!to)
		return fault_set(f, "kernel", "does not fit in guest memory",
				 "give the guest more memory with -m", ENOSPC);
	memcpy(to, k->data + s->offset, s->filesz);
	memset(to + s->filesz, 0, s->memsz - s->filesz);
	if (s->paddr < m->low && s->paddr + s->memsz > *end)
		*end = s->paddr + s->memsz;
	return 0;
}

static int load_segments(const struct memory *m, const struct blob *k, __u64 *entry, __u64 *end,
			 struct fault *f)
{
	unsigned int phdrs, i;
	bool found = false;

	if (check_header(k, &phdrs, f))
		return -1;
	for (i = 0; i < phdrs; i++) {
		struct segment s;

		if (read_segment(k, i, &s, f))
			return -1;
		if (s.type == ELF_PT_LOAD && load_segment(m, k, &s, end, f))
			return -1;
		if (s.type == ELF_PT_NOTE && !found)
			found = find_note(k->data + s.offset, s.filesz, entry);
	}
	if (!found)
		return bad_elf(f, "no PVH entry point in this ELF file");
	if (*entry < GUEST_KERNEL || *entry >= *end)
		return bad_elf(f, "its PVH entry point lies outside the kernel");
	return 0;
}

static void fill_start_info(const struct memory *m, const struct boot_images *images,
			    __u64 initrd)
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
	if (images->initrd.bytes) {
		put_le32(info + 12, 1);
		put_le64(info + 16, START_INFO_MODULE);
		put_le64(m->host + START_INFO_MODULE, initrd);
		put_le64(m->host + START_INFO_MODULE + 8, images->initrd.bytes);
	}
	for (i = 0; i < n; i++, row += 24) {
		put_le64(row, range[i].addr);
		put_le64(row + 8, range[i].bytes);
		put_le32(row + 16, range[i].type);
	}
}

int elf_load(const struct memory *m, const struct boot_images *images,
	     struct boot_entry *entry, struct fault *f)
{
	__u64 start = 0, end = GUEST_KERNEL, initrd;

	if (load_segments(m, &images->kernel, &start, &end, f) ||
	    boot_place_initrd(m, &images->initrd, end, m->low, &initrd, f) ||
	    boot_place_cmdline(m, images->cmdline, GUEST_CMDLINE_MAX - 1, f))
		return -1;
	fill_start_info(m, images, initrd);
	entry->mode = BOOT_PVH;
	entry->rip = start;
	entry->info = GUEST_START_INFO;
	return 0;
}
