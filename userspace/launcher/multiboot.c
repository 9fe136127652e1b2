// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multiboot kernels (Multiboot specification 0.6.96): by the addresses in
 * their header or as ELF files of either class. As QEMU does it, the command
 * line begins with the kernel's file name, and modules follow the kernel.
 */
#include <errno.h>

#include "elf.h"

#define HEADER_SEARCH		8192
#define HEADER_MAGIC		0x1badb002u
#define HEADER_BYTES		12
#define HEADER_ADDR_BYTES	32
#define HEADER_UNKNOWN		0x0000fff8u	/* features one may not boot without */
#define HEADER_HAS_ADDR		BIT(16)

#define LOADER_MAGIC		0x2badb002u
#define LOADER_NAME		"lodge"

/* Multiboot information: flags, and where its fields are */
#define INFO_MEMORY		BIT(0)
#define INFO_CMDLINE		BIT(2)
#define INFO_MODULES		BIT(3)
#define INFO_MMAP		BIT(6)
#define INFO_LOADER_NAME	BIT(9)
#define MODULE_BYTES		16
#define MMAP_BYTES		24

/* The block of information: GDT, the structure itself, memory map, modules, texts. */
#define BLOCK_GDT		0
#define BLOCK_INFO		0x40
#define BLOCK_MMAP		0xc0
#define BLOCK_MODULES		(BLOCK_MMAP + MEMORY_RANGES * MMAP_BYTES)
#define BLOCK_LOW		0x9000		/* where it goes if the kernel does not */

/* The lowest address to load at: above the real-mode vectors and BIOS data. */
#define KERNEL_FLOOR		0x600

/**
 * struct header - what the kernel wants
 * @offset: of the header in the file
 * @flags: HEADER_*
 */
struct header {
	__u64 offset;
	__u32 flags;
	__u32 header_addr;
	__u32 load_addr;
	__u32 load_end;
	__u32 bss_end;
	__u32 entry;
};

/**
 * struct writer - the block of information while it is filled
 * @host: guest memory from address 0
 * @block: its address
 * @next: address of the next text
 */
struct writer {
	__u8 *host;
	__u64 block;
	__u64 next;
};

static bool read_header(const struct blob *k, struct header *h)
{
	__u64 end = k->bytes < HEADER_SEARCH ? k->bytes : HEADER_SEARCH;

	for (h->offset = 0; h->offset + HEADER_BYTES <= end; h->offset += 4) {
		const __u8 *p = k->data + h->offset;

		h->flags = get_le32(p + 4);
		if (get_le32(p) != HEADER_MAGIC || h->flags + get_le32(p + 8) + HEADER_MAGIC)
			continue;
		if (!(h->flags & HEADER_HAS_ADDR))
			return true;
		if (h->offset + HEADER_ADDR_BYTES > end)
			return false;
		h->header_addr = get_le32(p + 12);
		h->load_addr = get_le32(p + 16);
		h->load_end = get_le32(p + 20);
		h->bss_end = get_le32(p + 24);
		h->entry = get_le32(p + 28);
		return true;
	}
	return false;
}

bool multiboot_matches(const struct blob *kernel)
{
	struct header h;

	if (!read_header(kernel, &h))
		return false;
	/* The protocol knows 32-bit images only: in others, PVH comes first. */
	return (h.flags & HEADER_HAS_ADDR) || !elf_matches(kernel) || kernel->data[4] != 2 ||
	       !pvh_matches(kernel);
}

static int load_by_address(const struct memory *m, const struct blob *k, const struct header *h,
			   struct elf_image *image, __u64 *entry, struct fault *f)
{
	__u64 before = (__u64)h->header_addr - h->load_addr;
	__u64 from, load, bytes;
	__u8 *to;

	if (h->header_addr < h->load_addr || before > h->offset)
		return elf_bad(f, "its Multiboot header is not where it says");
	from = h->offset - before;
	load = h->load_end ? (__u64)h->load_end - h->load_addr : k->bytes - from;
	if ((h->load_end && h->load_end < h->load_addr) || load > k->bytes - from)
		return elf_bad(f, "its Multiboot header wants more than there is in the file");
	bytes = h->bss_end ? (__u64)h->bss_end - h->load_addr : load;
	if ((h->bss_end && h->bss_end < h->load_addr) || bytes < load)
		return elf_bad(f, "its Multiboot header ends the kernel before its data");
	to = h->load_addr < KERNEL_FLOOR ? NULL : boot_ram_at(m, h->load_addr, bytes);
	if (!to)
		return fault_set(f, "kernel", "its Multiboot header wants it where no RAM is free",
				 "give the guest more memory with -m", ENOSPC);
	memcpy(to, k->data + from, load);
	memset(to + load, 0, bytes - load);
	*image = (struct elf_image){ h->load_addr, h->load_addr + bytes };
	*entry = h->entry;
	return 0;
}

/* The entry point is a virtual address; what counts is where it was loaded. */
static __u64 physical_entry(const struct elf *elf)
{
	struct elf_segment s;
	struct fault ignored;
	unsigned int i;

	for (i = 0; i < elf->phdrs; i++)
		if (!elf_read_segment(elf, i, &s, &ignored) && s.type == ELF_PT_LOAD &&
		    (s.flags & ELF_PF_X) && elf->entry >= s.vaddr &&
		    elf->entry - s.vaddr < s.filesz)
			return elf->entry - s.vaddr + s.paddr;
	return elf->entry;
}

static int load_image(const struct memory *m, const struct blob *k, struct elf_image *image,
		      __u64 *entry, struct fault *f)
{
	struct header h;
	struct elf elf;

	if (!read_header(k, &h) || (h.flags & HEADER_UNKNOWN))
		return elf_bad(f, "its Multiboot header wants what does not exist here");
	if (h.flags & HEADER_HAS_ADDR)
		return load_by_address(m, k, &h, image, entry, f);
	if (!elf_matches(k))
		return elf_bad(f, "a Multiboot header without addresses, and no ELF file");
	if (elf_open(&elf, k, f) || elf_load(m, &elf, KERNEL_FLOOR, image, f))
		return -1;
	*entry = physical_entry(&elf);
	if (*entry >> 32)
		return elf_bad(f, "its entry point is above 4 GiB");
	return 0;
}

/* Modules go to pages of their own behind the kernel; @next is what is free after them. */
static int load_modules(const struct memory *m, const struct boot_images *images, __u64 *next,
			struct fault *f)
{
	unsigned int i;

	for (i = 0; i < images->modules; i++) {
		const struct blob *file = &images->module[i].file;
		__u8 *to = *next < m->low ? memory_at(m, *next, file->bytes) : NULL;

		if (!to)
			return fault_set(f, images->module[i].cmdline,
					 "does not fit in guest memory behind the kernel",
					 "give the guest more memory with -m", ENOSPC);
		memcpy(to, file->data, file->bytes);
		*next = align_up(*next + file->bytes, 4096);
	}
	return 0;
}

static __u64 block_bytes(const struct boot_images *images)
{
	__u64 bytes = BLOCK_MODULES + images->modules * MODULE_BYTES + sizeof(LOADER_NAME);
	unsigned int i;

	bytes += strlen(images->kernel_path) + 1;
	bytes += (images->cmdline ? strlen(images->cmdline) : 0) + 1;
	for (i = 0; i < images->modules; i++)
		bytes += strlen(images->module[i].cmdline) + 1;
	return bytes;
}

/* Low memory is what small kernels look into first; some of them live there. */
static __u64 place_block(const struct memory *m, const struct elf_image *image, __u64 behind,
			 __u64 bytes)
{
	__u64 low = BLOCK_LOW;

	if (image->low < low + bytes && image->high > low)
		low = align_up(image->high, 4096);
	if (bytes <= GUEST_EBDA && low <= GUEST_EBDA - bytes)
		return low;
	return behind < m->low && memory_at(m, behind, bytes) ? behind : 0;
}

static __u32 add_text(struct writer *w, const char *first, const char *second)
{
	__u64 start = w->next, len = strlen(first);

	memcpy(w->host + w->next, first, len);
	w->next += len;
	if (second) {
		w->host[w->next++] = ' ';
		len = strlen(second);
		memcpy(w->host + w->next, second, len);
		w->next += len;
	}
	w->host[w->next++] = '\0';
	return start;
}

static __u32 add_mmap(const struct writer *w, const struct memory *m)
{
	struct memory_range range[MEMORY_RANGES];
	__u8 *row = w->host + w->block + BLOCK_MMAP;
	unsigned int n = memory_ranges(m, range), i;

	for (i = 0; i < n; i++, row += MMAP_BYTES) {
		put_le32(row, MMAP_BYTES - 4);
		put_le64(row + 4, range[i].addr);
		put_le64(row + 12, range[i].bytes);
		put_le32(row + 20, range[i].type);
	}
	return n * MMAP_BYTES;
}

static void add_modules(struct writer *w, const struct boot_images *images, __u64 start)
{
	__u8 *row = w->host + w->block + BLOCK_MODULES;
	unsigned int i;

	for (i = 0; i < images->modules; i++, row += MODULE_BYTES) {
		__u64 end = start + images->module[i].file.bytes;

		put_le32(row, start);
		put_le32(row + 4, end);
		put_le32(row + 8, add_text(w, images->module[i].cmdline, NULL));
		put_le32(row + 12, 0);
		start = align_up(end, 4096);
	}
}

static void fill_block(const struct memory *m, const struct boot_images *images, __u64 block,
		       __u64 modules)
{
	struct writer w = {
		.host = m->host,
		.block = block,
		.next = block + BLOCK_MODULES + images->modules * MODULE_BYTES,
	};
	__u8 *info = m->host + block + BLOCK_INFO;

	memset(m->host + block, 0, BLOCK_MODULES);
	put_le32(info, INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER_NAME);
	put_le32(info + 4, GUEST_EBDA >> 10);
	put_le32(info + 8, (m->low - GUEST_KERNEL) >> 10);
	put_le32(info + 16, add_text(&w, images->kernel_path,
				     images->cmdline ? images->cmdline : ""));
	put_le32(info + 20, images->modules);
	put_le32(info + 24, block + BLOCK_MODULES);
	add_modules(&w, images, modules);
	put_le32(info + 44, add_mmap(&w, m));
	put_le32(info + 48, block + BLOCK_MMAP);
	put_le32(info + 64, add_text(&w, LOADER_NAME, NULL));
}

int multiboot_load(const struct memory *m, const struct boot_images *images,
		   struct boot_entry *entry, struct fault *f)
{
	struct elf_image image = { 0 };
	__u64 modules, next, block;

	if (load_image(m, &images->kernel, &image, &entry->rip, f))
		return -1;
	modules = align_up(image.high > GUEST_KERNEL ? image.high : GUEST_KERNEL, 4096);
	next = modules;
	if (load_modules(m, images, &next, f))
		return -1;
	block = place_block(m, &image, next, block_bytes(images));
	if (!block)
		return fault_set(f, "kernel", "leaves no room for the Multiboot information",
				 "give the guest more memory with -m", ENOSPC);
	fill_block(m, images, block, modules);
	entry->mode = BOOT_PROTECTED;
	entry->cs = 0x08;
	entry->gdt = block + BLOCK_GDT;
	entry->rax = LOADER_MAGIC;
	entry->rbx = block + BLOCK_INFO;
	return 0;
}
