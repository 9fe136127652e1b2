// SPDX-License-Identifier: GPL-2.0-only
/* Multiboot kernels, good and hostile. */
#include "boot.h"
#include "kernel_files.h"
#include "ktap.h"

#define FILE_BYTES	0x3000
#define HEADER		0x40	/* of a file by addresses */
#define PATH		"dir/test.flat"

static struct memory mem;
static struct boot_images images;
static struct boot_entry entry;
static struct fault fault;
static struct boot_module modules[40];
static __u8 file[FILE_BYTES];

static void setup(void)
{
	CHECK(memory_init(&mem, MIB(16)) == 0);
	memset(file, 0, sizeof(file));
	memset(&images, 0, sizeof(images));
	images.kernel = (struct blob){ file, sizeof(file) };
	images.kernel_path = PATH;
	images.module = modules;
}

/* The whole file from 2 MiB on, entered at its byte 0x100; no bss. */
static void make_addressed(void)
{
	setup();
	kernel_multiboot(file + HEADER, 0x10000);
	put_le32(file + HEADER + 12, 0x200000 + HEADER);
	put_le32(file + HEADER + 16, 0x200000);
	put_le32(file + HEADER + 20, 0);
	put_le32(file + HEADER + 24, 0);
	put_le32(file + HEADER + 28, 0x200100);
	file[0x100] = 0xc3;
}

/* A segment of 0x1000 bytes and as much bss, linked at 0xc0100000. */
static void make_elf32(__u32 paddr)
{
	setup();
	kernel_elf32(file, paddr, 0);
	file[KERNEL_TEXT + 0x10] = 0xf4;
}

static void make_elf64(void)
{
	__u8 *ph = file + 64;

	setup();
	memcpy(file, "\177ELF\2\1\1", 7);
	put_le16(file + 18, 62);
	put_le64(file + 24, 0x100010);
	put_le64(file + 32, 64);
	put_le16(file + 54, 56);
	put_le16(file + 56, 2);
	put_le32(ph, 1);
	put_le32(ph + 4, 5);
	put_le64(ph + 8, KERNEL_TEXT);
	put_le64(ph + 16, 0x100000);
	put_le64(ph + 24, 0x100000);
	put_le64(ph + 32, 0x1000);
	put_le64(ph + 40, 0x1000);
	kernel_multiboot(file + KERNEL_TEXT, 0);
}

static int load(void)
{
	return boot_load(&mem, &images, &entry, &fault);
}

static void refused(void)
{
	CHECK(load() == -1);
	memory_destroy(&mem);
}

static const __u8 *info(void)
{
	return mem.host + entry.rbx;
}

static const char *text_at(const __u8 *field)
{
	return (const char *)mem.host + get_le32(field);
}

static void entry_state(void)
{
	CHECK(entry.mode == BOOT_PROTECTED && entry.rax == 0x2badb002);
	CHECK(get_le64(mem.host + entry.gdt + entry.cs) == 0x00cf9b000000ffffull);
	CHECK(get_le64(mem.host + entry.gdt + entry.cs + 8) == 0x00cf93000000ffffull);
	CHECK(entry.rbx + 0x100 < MIB(16) && (get_le32(info()) & 0x24d) == 0x24d);
}

static void addressed_good(void)
{
	make_addressed();
	CHECK(load() == 0);
	entry_state();
	CHECK(entry.rip == 0x200100 && mem.host[0x200100] == 0xc3);
	CHECK(get_le32(info() + 4) == 639 && get_le32(info() + 8) == 15 * 1024);
	CHECK(!strcmp(text_at(info() + 16), PATH " "));
	CHECK(!strcmp(text_at(info() + 64), "lodge"));
	CHECK(get_le32(info() + 20) == 0);
	memory_destroy(&mem);
}

static void memory_map(void)
{
	const __u8 *row, *end;
	__u64 usable = 0;

	make_addressed();
	CHECK(load() == 0);
	row = mem.host + get_le32(info() + 48);
	end = row + get_le32(info() + 44);
	for (; row < end; row += get_le32(row) + 4)
		if (get_le32(row + 20) == 1)
			usable += get_le64(row + 12);
	CHECK(row == end && usable == MIB(15) + 0x9fc00);
	memory_destroy(&mem);
}

static void command_line(void)
{
	make_addressed();
	images.cmdline = "one two";
	CHECK(load() == 0);
	CHECK(!strcmp(text_at(info() + 16), PATH " one two"));
	memory_destroy(&mem);
}

static void addressed_bss(void)
{
	make_addressed();
	put_le32(file + HEADER + 20, 0x200000 + 0x200);
	put_le32(file + HEADER + 24, 0x200000 + 0x400);
	memset(mem.host + 0x200000, 0xff, 0x1000);
	memset(file + 0x1f0, 0x11, 0x20);
	CHECK(load() == 0);
	CHECK(mem.host[0x2001ff] == 0x11 && mem.host[0x200200] == 0);
	CHECK(mem.host[0x2003ff] == 0 && mem.host[0x200400] == 0xff);
	memory_destroy(&mem);
}

/* Every field of the header, with values that must not be believed. */
static void addressed_hostile(void)
{
	static const struct {
		unsigned int field;
		__u32 value;
	} bad[] = {
		{ 12, 0 }, { 12, 0x1fffff }, { 12, 0xffffffff }, { 12, 0x200000 + HEADER + 4 },
		{ 16, 0 }, { 16, 0x100 }, { 16, 0xffffffff }, { 16, 0x200000 + HEADER + 1 },
		{ 20, 1 }, { 20, 0x1fffff }, { 20, 0x203001 }, { 20, 0xffffffff },
		{ 24, 1 }, { 24, 0x202fff }, { 24, 0xffffffff }, { 24, 0x1000001 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		make_addressed();
		put_le32(file + HEADER + bad[i].field, bad[i].value);
		refused();
	}
}

static void addressed_low(void)
{
	static const __u32 at[] = { 0x0, 0x500, 0x9d000, 0xa0000, 0xe0000, 0xfe000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		make_addressed();
		put_le32(file + HEADER + 12, at[i] + HEADER);
		put_le32(file + HEADER + 16, at[i]);
		refused();
	}
}

/* A kernel where the information usually lies keeps its bytes. */
static void information_gives_way(void)
{
	static const __u32 at[] = { 0x8000, 0x9000, 0xa000, 0x9c000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		make_addressed();
		memset(file + 0x80, 0x5a, sizeof(file) - 0x80);
		put_le32(file + HEADER + 12, at[i] + HEADER);
		put_le32(file + HEADER + 16, at[i]);
		CHECK(load() == 0);
		entry_state();
		CHECK(!memcmp(mem.host + at[i], file, sizeof(file)));
		memory_destroy(&mem);
	}
}

static void header_places(void)
{
	make_elf32(0x100000);
	memset(file + KERNEL_TEXT, 0, 12);
	kernel_multiboot(file + 8192 - 12, 0);
	CHECK(multiboot_matches(&images.kernel));
	memset(file + 8192 - 12, 0, 12);
	kernel_multiboot(file + 8192 - 8, 0);
	CHECK(!multiboot_matches(&images.kernel));
	memory_destroy(&mem);
	make_addressed();
	put_le32(file + HEADER + 8, 0);
	CHECK(!multiboot_matches(&images.kernel));
	memory_destroy(&mem);
}

static void unknown_features(void)
{
	make_addressed();
	kernel_multiboot(file + HEADER, 0x10008);
	refused();
	make_addressed();
	kernel_multiboot(file + HEADER, 0x10007);
	CHECK(load() == 0);
	memory_destroy(&mem);
}

static void elf32_good(void)
{
	make_elf32(0x100000);
	mem.host[0x101800] = 0xff;
	CHECK(load() == 0);
	entry_state();
	CHECK(entry.rip == 0x100010 && mem.host[0x100010] == 0xf4);
	CHECK(mem.host[0x101800] == 0);
	memory_destroy(&mem);
}

static void elf32_low(void)
{
	make_elf32(0x8000);
	CHECK(load() == 0);
	entry_state();
	CHECK(entry.rip == 0x8010 && mem.host[0x8010] == 0xf4);
	CHECK(entry.rbx < 0x8000 || entry.rbx >= 0xa000);
	memory_destroy(&mem);
}

static void elf64_good(void)
{
	make_elf64();
	CHECK(load() == 0);
	entry_state();
	CHECK(entry.rip == 0x100010);
	memory_destroy(&mem);
}

/* With both kinds of entry, a 64-bit image is entered by PVH. */
static void elf64_with_pvh(void)
{
	__u8 *ph = file + 64 + 56, *note = file + 0x2000;

	make_elf64();
	put_le32(ph, 4);
	put_le64(ph + 8, 0x2000);
	put_le64(ph + 32, 20);
	put_le32(note, 4);
	put_le32(note + 4, 4);
	put_le32(note + 8, 18);
	memcpy(note + 12, "Xen", 4);
	put_le32(note + 16, 0x100020);
	CHECK(load() == 0);
	CHECK(entry.rip == 0x100020 && entry.rax == 0);
	memory_destroy(&mem);
}

static void elf_hostile(void)
{
	static const struct {
		unsigned int field;
		__u32 value;
	} bad[] = {
		{ 28, 0xffffffff }, { 28, FILE_BYTES - 8 }, { 42, 0 }, { 44, 0 }, { 44, 0xffff },
		{ 52 + 4, 0xfffffff0 }, { 52 + 12, 0xfffff000 }, { 52 + 12, 0x10 },
		{ 52 + 12, 0x9f000 }, { 52 + 12, 0xf0000 }, { 52 + 16, 0xffffffff },
		{ 52 + 16, 0x2001 }, { 52 + 20, 0xffffffff }, { 52 + 20, 0xfff },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		make_elf32(0x100000);
		if (bad[i].field == 42 || bad[i].field == 44)
			put_le16(file + bad[i].field, bad[i].value);
		else
			put_le32(file + bad[i].field, bad[i].value);
		refused();
	}
}

static void elf_nothing_to_load(void)
{
	make_elf32(0x100000);
	put_le32(file + 52, 2);
	refused();
}

static void addresses_in_no_elf(void)
{
	setup();
	kernel_multiboot(file, 0);
	refused();
}

static void add_module(const char *cmdline, const char *text)
{
	modules[images.modules++] = (struct boot_module){
		.file = { (__u8 *)text, strlen(text) },
		.cmdline = cmdline,
	};
}

static void module_list(void)
{
	static char name[40][8];
	const __u8 *row;
	unsigned int i;

	make_addressed();
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		memcpy(name[i], "mod  x", 7);
		name[i][3] = '0' + i / 10;
		name[i][4] = '0' + i % 10;
		add_module(name[i], name[i]);
	}
	CHECK(load() == 0);
	CHECK(get_le32(info() + 20) == ARRAY_SIZE(name));
	row = mem.host + get_le32(info() + 24);
	for (i = 0; i < ARRAY_SIZE(name); i++, row += 16) {
		CHECK(!(get_le32(row) & 0xfff) && get_le32(row) >= 0x200000 + FILE_BYTES);
		CHECK(get_le32(row + 4) - get_le32(row) == 6);
		CHECK(!memcmp(mem.host + get_le32(row), name[i], 6));
		CHECK(!strcmp(text_at(row + 8), name[i]));
	}
	memory_destroy(&mem);
}

static void module_too_big(void)
{
	make_addressed();
	add_module("m", "x");
	modules[0].file.bytes = MIB(14);
	refused();
}

static void texts_too_long(void)
{
	static char text[MIB(15)];

	memset(text, 'x', sizeof(text) - 1);
	make_addressed();
	images.cmdline = text;
	refused();
	/* What does not fit below 640 KiB goes behind the kernel. */
	make_addressed();
	text[MIB(1)] = '\0';
	images.cmdline = text;
	CHECK(load() == 0);
	CHECK(entry.rbx > 0x200000 && strlen(text_at(info() + 16)) > MIB(1));
	memory_destroy(&mem);
}

static void every_short_file(void)
{
	__u64 n;

	make_elf32(0x100000);
	for (n = 0; n < 0x2000; n++) {
		images.kernel.bytes = n;
		CHECK(load() == -1);
	}
	memory_destroy(&mem);
	make_addressed();
	for (n = 0; n < HEADER + 32; n++) {
		images.kernel.bytes = n;
		CHECK(load() == -1);
	}
	memory_destroy(&mem);
}

/* Whatever becomes of a header, nothing outside guest memory is touched. */
static void damaged_files(void)
{
	static void (*const make[])(void) = { make_addressed, make_elf64 };
	static __u8 good[FILE_BYTES];
	unsigned int i, n;

	for (n = 0; n < ARRAY_SIZE(make); n++) {
		make[n]();
		add_module("m", "x");
		memcpy(good, file, sizeof(good));
		for (i = 0; i < 3000; i++) {
			memcpy(file, good, sizeof(good));
			ktap_damage(file, 180, 1 + i % 3);
			load();
		}
		memory_destroy(&mem);
	}
}

static const struct test tests[] = {
	{ "addresses: loads", addressed_good },
	{ "addresses: data and bss", addressed_bss },
	{ "addresses: hostile headers", addressed_hostile },
	{ "addresses: where a PC has no RAM to give", addressed_low },
	{ "memory map", memory_map },
	{ "command line", command_line },
	{ "the information gives way to the kernel", information_gives_way },
	{ "where a header may be", header_places },
	{ "unknown features", unknown_features },
	{ "elf32: loads at physical addresses", elf32_good },
	{ "elf32: in low memory", elf32_low },
	{ "elf64: loads", elf64_good },
	{ "elf64: a PVH entry is better", elf64_with_pvh },
	{ "elf: hostile headers", elf_hostile },
	{ "elf: nothing to load", elf_nothing_to_load },
	{ "no addresses and no ELF file", addresses_in_no_elf },
	{ "modules: forty of them", module_list },
	{ "modules: too big", module_too_big },
	{ "texts that do not fit", texts_too_long },
	{ "files cut off at every length", every_short_file },
	{ "files with damaged headers", damaged_files },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
