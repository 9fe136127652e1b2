// SPDX-License-Identifier: GPL-2.0-only
/* Loading a kernel: files, initrd, command line, GDT and page tables. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"

#define PTE_PRESENT	0x001ull
#define PTE_WRITE	0x002ull
#define PTE_LARGE	0x080ull

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

int blob_append(struct blob *b, const char *path, struct fault *f)
{
	__u64 start = align_up(b->bytes, 4);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	__u8 *data;
	int ret;

	if (fd < 0)
		return fault_set(f, path, "cannot open it", "check the path and its permissions",
				 errno);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		close(fd);
		return fault_set(f, path, "not a regular file with contents", NULL, EINVAL);
	}
	data = realloc(b->data, align_up(start + st.st_size, 4));
	if (!data) {
		close(fd);
		return fault_set(f, path, "no memory to hold it", NULL, ENOMEM);
	}
	b->data = data;
	memset(data + b->bytes, 0, align_up(start + st.st_size, 4) - b->bytes);
	ret = read_all(fd, data + start, st.st_size);
	close(fd);
	if (ret)
		return fault_set(f, path, "cannot read it", NULL, ret);
	b->bytes = start + st.st_size;
	return 0;
}

int blob_read(struct blob *b, const char *path, struct fault *f)
{
	memset(b, 0, sizeof(*b));
	return blob_append(b, path, f);
}

void blob_free(struct blob *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

int boot_place_initrd(const struct memory *m, const struct blob *initrd, __u64 floor,
		      __u64 limit, __u64 *gpa, struct fault *f)
{
	*gpa = 0;
	if (!initrd->bytes)
		return 0;
	if (limit > m->low)
		limit = m->low;
	if (limit < initrd->bytes || ((limit - initrd->bytes) & ~0xfffull) < floor)
		return fault_set(f, "initrd", "does not fit in guest memory beside the kernel",
				 "give the guest more memory with -m", ENOSPC);
	*gpa = (limit - initrd->bytes) & ~0xfffull;
	memcpy(m->host + *gpa, initrd->data, initrd->bytes);
	return 0;
}

int boot_place_cmdline(const struct memory *m, const char *cmdline, __u64 max, struct fault *f)
{
	__u64 len = strlen(cmdline);

	if (len > max || len >= GUEST_CMDLINE_MAX)
		return fault_set(f, "command line", "longer than this kernel takes",
				 "shorten what is given with -p", E2BIG);
	memcpy(m->host + GUEST_CMDLINE, cmdline, len + 1);
	return 0;
}

static void place_gdt(const struct memory *m)
{
	__u8 *gdt = m->host + GUEST_GDT;

	memset(gdt, 0, 0x30);
	put_le64(gdt + BOOT_CS, 0x00af9b000000ffffull);	/* 64-bit code */
	put_le64(gdt + BOOT_DS, 0x00cf93000000ffffull);	/* flat data */
	put_le64(gdt + BOOT_TR, 0x00008b0000000067ull);	/* busy TSS */
}

/* PVH starts in 32-bit code: same selectors, other code segment. */
static void place_gdt32(const struct memory *m)
{
	place_gdt(m);
	put_le64(m->host + GUEST_GDT + BOOT_CS, 0x00cf9b000000ffffull);
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

int boot_load(const struct memory *m, const struct boot_images *images,
	      struct boot_entry *entry, struct fault *f)
{
	int ret;

	if (elf_matches(&images->kernel))
		ret = elf_load(m, images, entry, f);
	else if (bzimage_matches(&images->kernel))
		ret = bzimage_load(m, images, entry, f);
	else
		return fault_set(f, "kernel", "neither a bzImage nor an ELF file",
				 "give an x86-64 Linux kernel (vmlinuz or vmlinux)", ENOEXEC);
	if (ret)
		return ret;
	if (entry->mode == BOOT_LONG) {
		place_gdt(m);
		place_page_tables(m);
	} else {
		place_gdt32(m);
	}
	return 0;
}
