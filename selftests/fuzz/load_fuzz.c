// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the launcher reads before a guest runs, and what others send it: kernel
 * files of every format, options, requests on the control socket.
 *
 *	load_fuzz [ROUNDS [SEED]]
 *
 * Files begin as good ones and are damaged and cut. Guest memory and file are
 * allocated to the byte, so that the sanitizer sees what is outside of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "boot.h"
#include "json.h"
#include "options.h"
#include "../../userspace/tests/kernel_files.h"

#define FILE_BYTES	0x3000
#define GUEST_BYTES	MIB(8)
#define WORDS		12

const char *__asan_default_options(void);

/* The launcher keeps what it parses until it ends. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static __u64 state;
static struct memory mem = { .bytes = GUEST_BYTES, .low = GUEST_BYTES, .fd = -1 };

static __u32 next(__u32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 20) % below;
}

static void make_bzimage(__u8 *file)
{
	file[0x1f1] = next(3);
	put_le16(file + 0x1fe, 0xaa55);
	file[0x201] = 0x66;
	memcpy(file + 0x202, "HdrS", 4);
	put_le16(file + 0x206, 0x200 + next(16));
	file[0x211] = 1;
	put_le32(file + 0x22c, 0x7fffffff);
	put_le32(file + 0x230, 0x200000);
	file[0x234] = next(2);
	put_le16(file + 0x236, next(4));
	put_le32(file + 0x238, next(4096));
	put_le64(file + 0x258, 0x200000);
	put_le32(file + 0x260, 0x10000);
}

static void make_elf(__u8 *file)
{
	kernel_elf(file, 0x200000);
}

static void make_elf32(__u8 *file)
{
	kernel_elf32(file, 0x200000, next(8));
}

static void make_addressed(__u8 *file)
{
	kernel_multiboot(file + 0x40, 0x10000 | next(8));
	put_le32(file + 0x4c, 0x200040);
	put_le32(file + 0x50, 0x200000);
	put_le32(file + 0x5c, 0x200100);
}

/* Half of it where headers are. */
static void damage(__u8 *file, __u32 bytes)
{
	static const __u32 extreme[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff };
	__u32 count = next(6), at;

	while (count-- && bytes > 8) {
		at = next(next(2) || bytes < 0x300 ? bytes - 7 : 0x2f8);
		if (next(2))
			put_le32(file + at, extreme[next(ARRAY_SIZE(extreme))]);
		else
			file[at] = next(256);
	}
}

static void load(void)
{
	static void (*const make[])(__u8 *file) = {
		make_bzimage, make_elf, make_addressed, make_elf32,
	};
	static __u8 good[FILE_BYTES];
	struct boot_module module[3] = { 0 };
	struct boot_images images = {
		.kernel_path = "kernel", .module = module, .modules = next(4),
		.cmdline = next(2) ? "a b" : NULL, .rsdp = GUEST_ACPI,
	};
	struct boot_entry entry;
	struct fault f;
	unsigned int i;

	memset(good, 0, sizeof(good));
	make[next(ARRAY_SIZE(make))](good);
	images.kernel.bytes = next(4) ? FILE_BYTES : 1 + next(FILE_BYTES);
	damage(good, images.kernel.bytes);
	images.kernel.data = malloc(images.kernel.bytes);
	memcpy(images.kernel.data, good, images.kernel.bytes);
	for (i = 0; i < images.modules; i++) {
		module[i].file.bytes = 1 + next(5000);
		module[i].file.data = calloc(1, module[i].file.bytes);
		module[i].cmdline = next(2) ? "file one" : "file";
	}
	boot_load(&mem, &images, &entry, &f);
	for (i = 0; i < images.modules; i++)
		free(module[i].file.data);
	free(images.kernel.data);
}

/* Words that mean something, cut, joined and damaged. */
static char *make_word(void)
{
	static const char *const words[] = {
		"-k", "-i", "-p", "-m", "-c", "-d", "-n", "--serial", "--timeout", "--exit-dev",
		"--balloon=", "--share", "--vsock", "--transport", "--cpu-features", "--tsc-khz",
		"--name", "--panic", "--sandbox", "--timeline=", "512M,huge=2M,shared,prefault",
		"4,pin=0-3,8", "64M,file=/x,node=0,bind=1-2", "disk,format=qcow2,root,direct,ro",
		"rate=200:1M,queues=4", "user,fwd=tcp:80:8080", "tap=tap0,mac=02:00:00:00:00:01",
		"bridge=br0", "3,socket=/s", "/dir:tag,ro", "-avx2,+aes", "pci",
		"18446744073709551615",
	};
	char *word = calloc(1, 300);
	__u32 at = 0, i;

	for (i = next(3) + 1; i; i--)
		at += snprintf(word + at, 300 - at, "%s%.*s", next(2) && at ? "," : "",
			       (int)next(60), words[next(ARRAY_SIZE(words))]);
	for (i = next(3); i && at; i--)
		word[next(at)] = 1 + next(255);
	return word;
}

static void parse_options(void)
{
	char *argv[WORDS + 2] = { (char *)"run" };
	int argc = 1 + next(WORDS), i;
	struct run_options o;
	struct fault f;

	for (i = 1; i < argc; i++)
		argv[i] = make_word();
	options_parse(&o, argc, argv, &f);
	free(o.module);
	for (i = 1; i < argc; i++)
		free(argv[i]);
}

static void read_request(void)
{
	static const char alphabet[] = "{}[]:,\"\\ vebrtsu01-9.x\n";
	char text[64], value[16];
	__u32 bytes = next(sizeof(text)), i;
	char *exact = malloc(bytes + 1);
	__u64 number;

	for (i = 0; i < bytes; i++)
		text[i] = next(8) ? alphabet[next(sizeof(alphabet) - 1)] : (char)next(256);
	if (next(2) && bytes > 10)
		memcpy(text, "{\"verb\":\"", 9);
	memcpy(exact, text, bytes);
	exact[bytes] = '\0';
	json_get(exact, "verb", value, sizeof(value));
	json_get_number(exact, "verb", &number);
	free(exact);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 10000;

	state = (argc > 2 ? strtoul(argv[2], NULL, 0) : 1) * 2 + 1;
	mem.host = malloc(GUEST_BYTES);
	while (rounds--) {
		load();
		parse_options();
		read_request();
	}
	free(mem.host);
	return 0;
}
