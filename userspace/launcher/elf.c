// SPDX-License-Identifier: GPL-2.0-only
/* ELF executables: headers, program headers, loading. */
#include <errno.h>

#include "elf.h"

#define ELF_HEADER_BYTES(wide)	((wide) ? 64u : 52u)
#define ELF_PHDR_BYTES(wide)	((wide) ? 56u : 32u)
#define ELF_MACHINE_386		3
#define ELF_MACHINE_X86_64	62
#define ELF_MAX_PHDRS		128

int elf_bad(struct fault *f, const char *why)
{
	return fault_set(f, "kernel", why,
			 "give a vmlinux with CONFIG_PVH, a bzImage, or a Multiboot kernel",
			 ENOEXEC);
}

bool elf_matches(const struct blob *file)
{
	return file->bytes >= ELF_HEADER_BYTES(false) && !memcmp(file->data, "\177ELF", 4);
}

int elf_open(struct elf *elf, const struct blob *file, struct fault *f)
{
	const __u8 *e = file->data;
	bool wide = e[4] == 2;
	__u16 machine = get_le16(e + 18), phdr_bytes;

	if ((e[4] != 1 && !wide) || e[5] != 1 ||
	    (machine != ELF_MACHINE_386 && machine != ELF_MACHINE_X86_64))
		return elf_bad(f, "not an ELF file for x86");
	if (file->bytes < ELF_HEADER_BYTES(wide))
		return elf_bad(f, "the file is cut short");
	elf->file = file;
	elf->wide = wide;
	elf->entry = wide ? get_le64(e + 24) : get_le32(e + 24);
	elf->phoff = wide ? get_le64(e + 32) : get_le32(e + 28);
	phdr_bytes = get_le16(e + (wide ? 54 : 42));
	elf->phdrs = get_le16(e + (wide ? 56 : 44));
	if (phdr_bytes != ELF_PHDR_BYTES(wide) || !elf->phdrs || elf->phdrs > ELF_MAX_PHDRS)
		return elf_bad(f, "strange program headers");
	if (elf->phoff > file->bytes || elf->phdrs * phdr_bytes > file->bytes - elf->phoff)
		return elf_bad(f, "the file is cut short");
	return 0;
}

static void read_wide(struct elf_segment *s, const __u8 *p)
{
	*s = (struct elf_segment){
		.type = get_le32(p),
		.flags = get_le32(p + 4),
		.offset = get_le64(p + 8),
		.vaddr = get_le64(p + 16),
		.paddr = get_le64(p + 24),
		.filesz = get_le64(p + 32),
		.memsz = get_le64(p + 40),
	};
}

static void read_narrow(struct elf_segment *s, const __u8 *p)
{
	*s = (struct elf_segment){
		.type = get_le32(p),
		.offset = get_le32(p + 4),
		.vaddr = get_le32(p + 8),
		.paddr = get_le32(p + 12),
		.filesz = get_le32(p + 16),
		.memsz = get_le32(p + 20),
		.flags = get_le32(p + 24),
	};
}

int elf_read_segment(const struct elf *elf, unsigned int i, struct elf_segment *s,
		     struct fault *f)
{
	const struct blob *file = elf->file;
	const __u8 *p = file->data + elf->phoff + i * ELF_PHDR_BYTES(elf->wide);

	if (elf->wide)
		read_wide(s, p);
	else
		read_narrow(s, p);
	if (s->type != ELF_PT_LOAD && s->type != ELF_PT_NOTE)
		return 0;
	if (s->offset > file->bytes || s->filesz > file->bytes - s->offset)
		return elf_bad(f, "a segment lies outside the file");
	return 0;
}

static int load_segment(const struct memory *m, const struct elf *elf,
			const struct elf_segment *s, __u64 floor, struct elf_image *image,
			struct fault *f)
{
	__u8 *to = boot_ram_at(m, s->paddr, s->memsz);

	if (s->filesz > s->memsz || s->paddr < floor)
		return elf_bad(f, "a segment has an impossible address or size");
	if (!to)
		return fault_set(f, "kernel", "wants to be where no RAM is free",
				 "give the guest more memory with -m", ENOSPC);
	memcpy(to, elf->file->data + s->offset, s->filesz);
	memset(to + s->filesz, 0, s->memsz - s->filesz);
	if (s->paddr < image->low)
		image->low = s->paddr;
	if (s->paddr < m->low && s->paddr + s->memsz > image->high)
		image->high = s->paddr + s->memsz;
	return 0;
}

int elf_load(const struct memory *m, const struct elf *elf, __u64 floor,
	     struct elf_image *image, struct fault *f)
{
	struct elf_segment s;
	unsigned int i;

	*image = (struct elf_image){ .low = ~0ull, .high = 0 };
	for (i = 0; i < elf->phdrs; i++) {
		if (elf_read_segment(elf, i, &s, f))
			return -1;
		if (s.type == ELF_PT_LOAD && s.memsz &&
		    load_segment(m, elf, &s, floor, image, f))
			return -1;
	}
	if (!image->high)
		return elf_bad(f, "nothing to load in this ELF file");
	return 0;
}
