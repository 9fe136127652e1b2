// SPDX-License-Identifier: GPL-2.0-only
/* Loading: files, initrd, command line, GDT and page tables. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bios.h"
#include "elf.h"
#include "firmware.h"

#define PTE_PRESENT	0x001ull
#define PTE_WRITE	0x002ull
#define PTE_LARGE	0x080ull

#define GDT_CODE64	0x00af9b000000ffffull
#define GDT_CODE32	0x00cf9b000000ffffull
#define GDT_DATA	0x00cf93000000ffffull
#define GDT_TSS_BUSY	0x00008b0000000067ull

static int read_all(int fd, __u8 *to, __u64 bytes)
{
	while (bytes) {
		ssize_t n = read(fd, to, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		bytes -= n;
	}
	return 0;
}

static int read_open_file(struct blob *b, int fd, const char *path, struct fault *f)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return fault_set(f, path, "not a regular file with contents", NULL, EINVAL);
	b->data = malloc(st.st_size);
	if (!b->data)
		return fault_set(f, path, "no memory to hold it", NULL, ENOMEM);
	b->bytes = st.st_size;
	ret = read_all(fd, b->data, st.st_size);
	return ret ? fault_set(f, path, "cannot read it", NULL, ret) : 0;
}

int blob_read(struct blob *b, const char *path, struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	memset(b, 0, sizeof(*b));
	if (fd < 0)
		return fault_set(f, path, "cannot open it", "check the path and its permissions",
				 errno);
	ret = read_open_file(b, fd, path, f);
	close(fd);
	return ret;
}

void blob_free(struct blob *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

int boot_add_module(struct boot_images *images, const char *text, struct fault *f)
{
	char path[4096];
	const char *space = access(text, F_OK) ? strchr(text, ' ') : NULL;
	size_t len = space ? (size_t)(space - text) : strlen(text);
	struct boot_module *grown;

	if (len >= sizeof(path))
		return fault_set(f, "-i", "the path is too long", NULL, ENAMETOOLONG);
	memcpy(path, text, len);
	path[len] = '\0';
	grown = realloc(images->module, (images->modules + 1) * sizeof(*grown));
	if (!grown)
		return fault_set(f, "-i", "no memory", NULL, ENOMEM);
	images->module = grown;
	grown[images->modules].cmdline = text;
	/* The name that a fault tells must outlive this function. */
	if (blob_read(&grown[images->modules].file, path, f))
		return fault_set(f, text, f->why, f->hint, f->error);
	images->modules++;
	return 0;
}

void *boot_ram_at(const struct memory *m, __u64 gpa, __u64 bytes)
{
	if (gpa < GUEST_KERNEL && (gpa >= GUEST_EBDA || bytes > GUEST_EBDA - gpa))
		return NULL;
	return memory_at(m, gpa, bytes);
}

int boot_place_initrd(const struct memory *m, const struct boot_images *images, __u64 floor,
		      __u64 limit, struct boot_initrd *initrd, struct fault *f)
{
	unsigned int i;
	__u64 to;

	*initrd = (struct boot_initrd){ 0 };
	if (!images->modules)
		return 0;
	for (i = 0; i < images->modules; i++)
		initrd->bytes = align_up(initrd->bytes, 4) + images->module[i].file.bytes;
	if (limit > m->low)
		limit = m->low;
	if (limit < initrd->bytes || ((limit - initrd->bytes) & ~0xfffull) < floor)
		return fault_set(f, "initrd", "does not fit in guest memory beside the kernel",
				 "give the guest more memory with -m", ENOSPC);
	initrd->gpa = (limit - initrd->bytes) & ~0xfffull;
	memset(m->host + initrd->gpa, 0, initrd->bytes);
	for (i = 0, to = initrd->gpa; i < images->modules; i++) {
		const struct blob *file = &images->module[i].file;

		memcpy(m->host + to, file->data, file->bytes);
		to = align_up(to + file->bytes, 4);
	}
	return 0;
}

int boot_place_cmdline(const struct memory *m, const struct boot_images *images, __u64 max,
		       struct fault *f)
{
	const char *cmdline = images->cmdline ? images->cmdline : BOOT_CMDLINE;
	const char *more = images->cmdline_more ? images->cmdline_more : "";
	__u64 len = strlen(cmdline), more_len = strlen(more);

	if (len + more_len > max || len + more_len >= GUEST_CMDLINE_MAX)
		return fault_set(f, "command line", "longer than this kernel takes",
				 "shorten what is given with -p", E2BIG);
	memcpy(m->host + GUEST_CMDLINE, cmdline, len);
	memcpy(m->host + GUEST_CMDLINE + len, more, more_len + 1);
	return 0;
}

/* The first 4 GiB one to one, by 2 MiB pages. */
static void place_page_tables(const struct memory *m)
{
	__u8 *table = m->host + GUEST_PAGE_TABLES;
	__u64 i;

	memset(table, 0, 6 * 4096);
	put_le64(table, (GUEST_PAGE_TABLES + 0x1000) | PTE_PRESENT | PTE_WRITE);
	for (i = 0; i < 4; i++)
		put_le64(table + 0x1000 + i * 8, (GUEST_PAGE_TABLES + 0x2000 + i * 0x1000) |
			 PTE_PRESENT | PTE_WRITE);
	for (i = 0; i < 2048; i++)
		put_le64(table + 0x2000 + i * 8, (i << 21) | PTE_PRESENT | PTE_WRITE | PTE_LARGE);
}

void boot_place_tables(const struct memory *m, const struct boot_entry *entry)
{
	__u8 *gdt = m->host + entry->gdt;

	memset(gdt, 0, GUEST_GDT_BYTES);
	put_le64(gdt + entry->cs, entry->mode == BOOT_LONG ? GDT_CODE64 : GDT_CODE32);
	put_le64(gdt + entry->cs + 8, GDT_DATA);
	put_le64(gdt + entry->cs + 16, GDT_TSS_BUSY);
	if (entry->mode == BOOT_LONG)
		place_page_tables(m);
}

/*
 * Multiboot comes first: some of its kernels are ELF files too. One that has a
 * PVH entry as well is entered by that when it is a 64-bit image, which
 * Multiboot does not provide for.
 */
static int load_kernel(const struct memory *m, const struct boot_images *images,
		       struct boot_entry *entry, struct fault *f)
{
	const struct blob *kernel = &images->kernel;

	if (bzimage_matches(kernel))
		return bzimage_load(m, images, entry, f);
	if (multiboot_matches(kernel))
		return multiboot_load(m, images, entry, f);
	if (elf_matches(kernel))
		return pvh_load(m, images, entry, f);
	return fault_set(f, "kernel", "neither a bzImage nor an ELF nor a Multiboot file",
			 "give a Linux kernel (vmlinuz or vmlinux) or a Multiboot kernel", ENOEXEC);
}

int boot_load(const struct memory *m, const struct boot_images *images,
	      struct boot_entry *entry, struct fault *f)
{
	*entry = (struct boot_entry){ .cs = 0x10, .gdt = GUEST_GDT };
	if (images->firmware.bytes) {
		entry->mode = BOOT_RESET;
		firmware_place(m, &images->firmware);
		return 0;
	}
	bios_place(m);
	if (load_kernel(m, images, entry, f))
		return -1;
	boot_place_tables(m, entry);
	return 0;
}
