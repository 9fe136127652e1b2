// SPDX-License-Identifier: GPL-2.0-only
/* Loaders for Linux and guest memory; hostile files too. */
#include <stdlib.h>

#include "boot.h"
#include "kernel_files.h"
#include "ktap.h"

#define FILE_BYTES	0x3000

static struct memory mem;
static struct boot_images images;
static struct boot_entry entry;
static struct fault fault;
static __u8 file[FILE_BYTES];

static void setup(__u64 bytes)
{
	CHECK(memory_init(&mem, bytes) == 0);
	memset(file, 0, sizeof(file));
	memset(&images, 0, sizeof(images));
	memset(&entry, 0, sizeof(entry));
	images.kernel.data = file;
	images.kernel.bytes = sizeof(file);
	images.kernel_path = "kernel";
	images.rsdp = GUEST_ACPI;
}

static void add_initrd(void *data, __u64 bytes)
{
	static struct boot_module modules[4];

	if (!images.modules)
		images.module = modules;
	modules[images.modules++].file = (struct blob){ data, bytes };
}

static void make_bzimage(void)
{
	setup(MIB(64));
	file[0x1f1] = 1;
	put_le16(file + 0x1fe, 0xaa55);
	file[0x201] = 0x66;
	memcpy(file + 0x202, "HdrS", 4);
	put_le16(file + 0x206, 0x20f);
	file[0x211] = 1;
	put_le32(file + 0x22c, 0x7fffffff);
	put_le32(file + 0x230, 0x200000);
	file[0x234] = 1;
	put_le16(file + 0x236, 1);
	put_le32(file + 0x238, 2047);
	put_le64(file + 0x258, 0x1000000);
	put_le32(file + 0x260, 0x100000);
	file[0x400] = 0x5a;
}

/* One loadable segment at 16 MiB and one note segment. */
static void make_elf(void)
{
	setup(MIB(64));
	kernel_elf(file, 0x1000000);
	file[KERNEL_TEXT] = 0xa5;
}

static int load(void)
{
	int ret = boot_load(&mem, &images, &entry, &fault);

	return ret;
}

static int load_once(void)
{
	int ret = load();

	memory_destroy(&mem);
	return ret;
}

static void bzimage_good(void)
{
	make_bzimage();
	CHECK(load() == 0);
	CHECK(entry.mode == BOOT_LONG);
	CHECK(entry.rip == 0x1000200);
	CHECK(entry.rsi == GUEST_ZERO_PAGE);
	CHECK(mem.host[0x1000000] == 0x5a);
	CHECK(!strcmp((char *)mem.host + GUEST_CMDLINE, "console=ttyS0"));
	CHECK(get_le32(mem.host + GUEST_ZERO_PAGE + 0x228) == GUEST_CMDLINE);
	CHECK(get_le64(mem.host + GUEST_ZERO_PAGE + 0x70) == GUEST_ACPI);
	CHECK(mem.host[GUEST_ZERO_PAGE + 0x1e8] == 5);
	memory_destroy(&mem);
}

/* What devices add follows what the user wrote, or the default. */
static void bzimage_cmdline(void)
{
	make_bzimage();
	images.cmdline_more = " more";
	CHECK(load() == 0);
	CHECK(!strcmp((char *)mem.host + GUEST_CMDLINE, "console=ttyS0 more"));
	images.cmdline = "";
	CHECK(load() == 0);
	CHECK(!strcmp((char *)mem.host + GUEST_CMDLINE, " more"));
	images.cmdline = "x";
	put_le32(file + 0x238, 5);
	CHECK(load_once() == -1);
}

static void bzimage_page_tables(void)
{
	make_bzimage();
	CHECK(load() == 0);
	CHECK(get_le64(mem.host + GUEST_PAGE_TABLES) == GUEST_PAGE_TABLES + 0x1003);
	CHECK(get_le64(mem.host + GUEST_PAGE_TABLES + 0x2000) == 0x83);
	CHECK(get_le64(mem.host + GUEST_PAGE_TABLES + 0x5ff8) == 0xffe00083);
	CHECK(get_le64(mem.host + GUEST_GDT + 0x10) == 0x00af9b000000ffffull);
	memory_destroy(&mem);
}

static void bzimage_initrd_high(void)
{
	__u8 initrd[5] = "abcd";

	make_bzimage();
	add_initrd(initrd, sizeof(initrd));
	CHECK(load() == 0);
	CHECK(get_le32(mem.host + GUEST_ZERO_PAGE + 0x218) == MIB(64) - 4096);
	CHECK(get_le32(mem.host + GUEST_ZERO_PAGE + 0x21c) == 5);
	CHECK(!memcmp(mem.host + MIB(64) - 4096, "abcd", 5));
	memory_destroy(&mem);
}

/* Linux reads archives one after the other, each at a multiple of 4 bytes. */
static void bzimage_initrds(void)
{
	__u8 first[5] = "abcd", second[3] = "ef";

	make_bzimage();
	add_initrd(first, sizeof(first));
	add_initrd(second, sizeof(second));
	CHECK(load() == 0);
	CHECK(get_le32(mem.host + GUEST_ZERO_PAGE + 0x21c) == 11);
	CHECK(!memcmp(mem.host + MIB(64) - 4096, "abcd\0\0\0\0ef", 11));
	memory_destroy(&mem);
}

static void bzimage_initrd_limit(void)
{
	__u8 initrd[4] = "abc";

	make_bzimage();
	put_le32(file + 0x22c, MIB(32) - 1);
	add_initrd(initrd, sizeof(initrd));
	CHECK(load() == 0);
	CHECK(get_le32(mem.host + GUEST_ZERO_PAGE + 0x218) == MIB(32) - 4096);
	memory_destroy(&mem);
}

static void bzimage_initrd_too_big(void)
{
	__u8 *initrd = calloc(1, MIB(48));

	make_bzimage();
	add_initrd(initrd, MIB(48));
	CHECK(load_once() == -1);
	free(initrd);
}

static void bzimage_relocates(void)
{
	make_bzimage();
	put_le64(file + 0x258, GIB(1));
	CHECK(load() == 0);
	CHECK(entry.rip == 0x200200);
	memory_destroy(&mem);
}

static void bzimage_fixed_outside(void)
{
	make_bzimage();
	put_le64(file + 0x258, ~0ull);
	file[0x234] = 0;
	CHECK(load_once() == -1);
}

static void bzimage_bad_align(void)
{
	make_bzimage();
	put_le64(file + 0x258, 0);
	put_le32(file + 0x230, 3);
	CHECK(load_once() == -1);
}

static void bzimage_init_size_huge(void)
{
	make_bzimage();
	put_le32(file + 0x260, 0xffffffff);
	CHECK(load_once() == -1);
}

/* Without a 64-bit entry point, by the 32-bit protocol. */
static void bzimage_32bit_only(void)
{
	make_bzimage();
	put_le16(file + 0x236, 0);
	CHECK(load() == 0);
	CHECK(entry.mode == BOOT_PROTECTED && entry.rip == 0x1000000);
	CHECK(entry.rsi == GUEST_ZERO_PAGE);
	CHECK(get_le64(mem.host + GUEST_GDT + 0x10) == 0x00cf9b000000ffffull);
	memory_destroy(&mem);
}

/* Fields that came later are whatever they are. */
static void bzimage_old(void)
{
	make_bzimage();
	put_le16(file + 0x206, 0x202);
	put_le32(file + 0x22c, 0);
	put_le32(file + 0x238, 0);
	put_le32(file + 0x260, 0xffffffff);
	CHECK(load() == 0);
	CHECK(entry.mode == BOOT_PROTECTED && entry.rip == GUEST_KERNEL);
	CHECK(mem.host[GUEST_KERNEL] == 0x5a);
	memory_destroy(&mem);
	make_bzimage();
	put_le16(file + 0x206, 0x201);
	CHECK(load_once() == -1);
	make_bzimage();
	file[0x211] = 0;
	CHECK(load_once() == -1);
}

static void bzimage_cut_short(void)
{
	make_bzimage();
	file[0x1f1] = 64;
	CHECK(load_once() == -1);
}

static void bzimage_long_cmdline(void)
{
	static char long_cmdline[257];

	make_bzimage();
	put_le32(file + 0x238, 4);
	CHECK(load_once() == -1);
	make_bzimage();
	images.cmdline = long_cmdline;
	put_le16(file + 0x206, 0x202);
	memset(long_cmdline, 'x', 256);
	CHECK(load_once() == -1);
}

static void every_short_file(void)
{
	__u64 n;

	make_bzimage();
	for (n = 0; n < 0x270; n++) {
		images.kernel.bytes = n;
		CHECK(load() == -1);
	}
	memory_destroy(&mem);
	make_elf();
	for (n = 0; n < 0x2014; n++) {
		images.kernel.bytes = n;
		CHECK(load() == -1);
	}
	memory_destroy(&mem);
}

/* Whatever becomes of a header, nothing outside guest memory is touched. */
static void damaged_files(void)
{
	static __u8 good[FILE_BYTES];
	unsigned int i;

	make_bzimage();
	memcpy(good, file, sizeof(good));
	for (i = 0; i < 3000; i++) {
		memcpy(file, good, sizeof(good));
		ktap_damage(file + 0x1f1, 0x73, 1 + i % 3);
		load();
	}
	memory_destroy(&mem);
	make_elf();
	memcpy(good, file, sizeof(good));
	for (i = 0; i < 3000; i++) {
		memcpy(file, good, sizeof(good));
		ktap_damage(file + (i & 1 ? 0x2000 : 0), i & 1 ? 24 : 180, 1 + i % 3);
		load();
	}
	memory_destroy(&mem);
}

static void elf_good(void)
{
	make_elf();
	CHECK(load() == 0);
	CHECK(entry.mode == BOOT_PROTECTED);
	CHECK(entry.rip == 0x1000040);
	CHECK(mem.host[0x1000000] == 0xa5);
	CHECK(get_le32(mem.host + entry.rbx) == 0x336ec578);
	CHECK(get_le64(mem.host + entry.rbx + 24) == GUEST_CMDLINE);
	CHECK(get_le32(mem.host + entry.rbx + 48) == 5);
	CHECK(get_le32(mem.host + entry.rbx + 12) == 0);
	memory_destroy(&mem);
}

static void elf_bss_is_zero(void)
{
	make_elf();
	mem.host[0x1001800] = 0xff;
	CHECK(load() == 0);
	CHECK(mem.host[0x1001800] == 0);
	memory_destroy(&mem);
}

static void elf_no_note(void)
{
	make_elf();
	put_le32(file + 0x2008, 17);
	CHECK(load_once() == -1);
}

static void elf_note_sizes_overflow(void)
{
	make_elf();
	put_le32(file + 0x2000, 0xffffffff);
	CHECK(load_once() == -1);
	make_elf();
	put_le32(file + 0x2004, 0xfffffffe);
	CHECK(load_once() == -1);
}

static void elf_entry_outside(void)
{
	make_elf();
	put_le32(file + 0x2010, 0x40);
	CHECK(load_once() == -1);
}

static void elf_segment_outside_file(void)
{
	make_elf();
	put_le64(file + 64 + 8, ~0ull - 16);
	CHECK(load_once() == -1);
}

static void elf_segment_outside_memory(void)
{
	make_elf();
	put_le64(file + 64 + 24, ~0ull - 0xfff);
	CHECK(load_once() == -1);
	make_elf();
	put_le64(file + 64 + 40, ~0ull);
	CHECK(load_once() == -1);
}

static void elf_segment_over_tables(void)
{
	make_elf();
	put_le64(file + 64 + 24, GUEST_ZERO_PAGE);
	CHECK(load_once() == -1);
}

static void elf_filesz_over_memsz(void)
{
	make_elf();
	put_le64(file + 64 + 40, 0x10);
	CHECK(load_once() == -1);
}

static void elf_headers_outside(void)
{
	make_elf();
	put_le64(file + 32, ~0ull - 8);
	CHECK(load_once() == -1);
	make_elf();
	put_le16(file + 56, 0xffff);
	CHECK(load_once() == -1);
}

static void elf_other_machine(void)
{
	make_elf();
	put_le16(file + 18, 183);
	CHECK(load_once() == -1);
}

static void not_a_kernel(void)
{
	setup(MIB(16));
	CHECK(load_once() == -1);
}

static void memory_map_small(void)
{
	struct memory_range r[MEMORY_RANGES];

	setup(MIB(16));
	CHECK(memory_ranges(&mem, r) == 5);
	CHECK(r[3].addr == MIB(1) && r[3].bytes == MIB(15));
	CHECK(memory_at(&mem, MIB(16) - 1, 1) == mem.host + MIB(16) - 1);
	CHECK(!memory_at(&mem, MIB(16) - 1, 2));
	CHECK(!memory_at(&mem, MIB(16), 1));
	CHECK(!memory_at(&mem, GIB(4), 1));
	memory_destroy(&mem);
}

static void memory_map_high(void)
{
	struct memory_range r[MEMORY_RANGES];

	setup(GIB(4));
	CHECK(memory_ranges(&mem, r) == 6);
	CHECK(r[4].addr == PCI_ECAM_BASE && r[4].type == MEMORY_RESERVED);
	CHECK(r[5].addr == GIB(4) && r[5].bytes == GIB(1));
	CHECK(!memory_at(&mem, GIB(3), 1));
	CHECK(!memory_at(&mem, GIB(3) - 1, 2));
	CHECK(memory_at(&mem, GIB(4), 1) == mem.host + GIB(3));
	CHECK(!memory_at(&mem, GIB(5), 1));
	CHECK(!memory_at(&mem, ~0ull, 1));
	memory_destroy(&mem);
}

static const struct test tests[] = {
	{ "bzimage: loads", bzimage_good },
	{ "bzimage: command line", bzimage_cmdline },
	{ "bzimage: page tables and GDT", bzimage_page_tables },
	{ "bzimage: initrd as high as possible", bzimage_initrd_high },
	{ "bzimage: several initrds", bzimage_initrds },
	{ "bzimage: initrd below its limit", bzimage_initrd_limit },
	{ "bzimage: initrd too big", bzimage_initrd_too_big },
	{ "bzimage: relocates when it must", bzimage_relocates },
	{ "bzimage: fixed address outside memory", bzimage_fixed_outside },
	{ "bzimage: alignment no power of two", bzimage_bad_align },
	{ "bzimage: init_size of 4 GiB", bzimage_init_size_huge },
	{ "bzimage: no 64-bit entry point", bzimage_32bit_only },
	{ "bzimage: old boot protocols", bzimage_old },
	{ "bzimage: setup longer than the file", bzimage_cut_short },
	{ "bzimage: command line too long", bzimage_long_cmdline },
	{ "files cut off at every length", every_short_file },
	{ "files with damaged headers", damaged_files },
	{ "pvh: loads", elf_good },
	{ "elf: bss is cleared", elf_bss_is_zero },
	{ "pvh: no entry note", elf_no_note },
	{ "pvh: note sizes overflow", elf_note_sizes_overflow },
	{ "pvh: entry outside the kernel", elf_entry_outside },
	{ "elf: segment outside the file", elf_segment_outside_file },
	{ "elf: segment outside memory", elf_segment_outside_memory },
	{ "pvh: segment over the boot tables", elf_segment_over_tables },
	{ "elf: file size over memory size", elf_filesz_over_memsz },
	{ "elf: program headers outside", elf_headers_outside },
	{ "elf: other machine", elf_other_machine },
	{ "neither bzImage nor ELF", not_a_kernel },
	{ "memory: small guest", memory_map_small },
	{ "memory: guest above 4 GiB", memory_map_high },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
