// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bare-metal guest: what does a Multiboot kernel find? Started by
 *
 *	lodge run --exit-dev 0xf4 --test-dev -m 64M -c N -i "MODULE one two" \
 *		-i MODULE -p "N words" -k guest_multiboot
 *
 * with N CPUs and any MODULE that begins with "module"; prints KTAP on the
 * serial port and writes the number of failed checks to port 0xf4.
 */
#include "real_mode.h"

#define BDA_TICKS	(*(volatile u32 *)at(0x46c))

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static int starts(const volatile void *s, const char *with)
{
	const volatile char *p = s;

	while (*with)
		if (*p++ != *with++)
			return 0;
	return 1;
}

/* What begins behind the first space of @s. */
static const char *arguments(const char *s)
{
	while (*s && *s != ' ')
		s++;
	return *s ? s + 1 : s;
}

static u32 magic, *info;
static u32 cpus;

/* The command line begins with the number of CPUs. */
static int command_line(void)
{
	const char *args = arguments((const char *)info[4]);

	while (*args >= '0' && *args <= '9')
		cpus = cpus * 10 + *args++ - '0';
	return (info[0] & 4) && cpus && equal(args, " words");
}

static int loader_magic(void)
{
	return magic == 0x2badb002;
}

static int loader_name(void)
{
	return (info[0] & 0x200) && equal((const char *)info[16], "lodge");
}

static int memory_sizes(void)
{
	return (info[0] & 1) && info[1] == 639 && info[2] == 63 * 1024;
}

static int memory_map(void)
{
	u32 row = info[12], end = row + info[11], usable = 0;

	for (; row < end; row += *(u32 *)row + 4)
		if (*(u32 *)(row + 20) == 1)
			usable += *(u32 *)(row + 12);
	return (info[0] & 0x40) && row == end && usable == (63 << 20) + 0x9fc00;
}

static int modules(void)
{
	const u32 *mod = (const u32 *)info[6];

	return (info[0] & 8) && info[5] == 2 && starts(at(mod[0]), "module") &&
	       starts(at(mod[4]), "module") && mod[1] - mod[0] == mod[5] - mod[4] &&
	       equal(arguments((const char *)mod[2]), "one two") &&
	       !*arguments((const char *)mod[6]);
}

static int a20(void)
{
	volatile u32 *low = at(0x600000), *high = at(0x700000);

	*low = 1;
	*high = 2;
	return *low == 1;
}

/* Timer, keyboard and cascade; clock and FPU: what a BIOS leaves open. */
static int pic_masks(void)
{
	return in8(0x21) == 0xf8 && in8(0xa1) == 0xde;
}

static int vectors(void)
{
	volatile u32 *ivt = at(0);
	u32 i;

	for (i = 0; i < 256; i++)
		if (ivt[i] >> 16 != 0xf000)
			return 0;
	return 1;
}

static int bios_data(void)
{
	volatile u16 *bda = at(0x400);

	return bda[0] == 0x3f8 && bda[7] == 0x9fc0 &&
	       *(volatile u16 *)at(0x413) == 639;
}

static u64 fw_cfg(u16 key, int bytes)
{
	u64 v = 0;
	int i;

	out16(0x510, key);
	for (i = 0; i < bytes; i++)
		v |= (u64)in8(0x511) << (i * 8);
	return v;
}

static int firmware_config(void)
{
	return fw_cfg(0, 4) == 0x554d4551 && fw_cfg(3, 8) == 64 << 20 &&
	       fw_cfg(5, 2) == cpus && fw_cfg(15, 2) == cpus && fw_cfg(5, 4) == cpus &&
	       fw_cfg(0x1234, 8) == 0;
}

static const u8 *find_table(const char *signature)
{
	u32 rsdp = 0xe0000, rsdt, i;

	while (rsdp < 0x100000 && !starts(at(rsdp), "RSD PTR "))
		rsdp += 16;
	if (rsdp == 0x100000)
		return 0;
	rsdt = *(u32 *)(rsdp + 16);
	for (i = rsdt + 36; i < rsdt + *(u32 *)(rsdt + 4); i += 4)
		if (starts(at(*(u32 *)i), signature))
			return (const u8 *)*(u32 *)i;
	return 0;
}

static int acpi_tables(void)
{
	const u8 *fadt = find_table("FACP");

	return fadt && find_table("APIC") && starts(at(*(u32 *)(fadt + 36)), "FACS");
}

static int latch(void)
{
	out32(0xe0, 0x12345678);
	if (in32(0xe0) != 0x12345678 || in8(0xe0) != 0x78 || in16(0xe2) != 0x1234)
		return 0;
	out8(0xe3, 0xff);
	out16(0xe0, 0xaaaa);
	return in32(0xe0) == 0xff34aaaa && in32(0xe8) == 0xff34aaaa;
}

static int exiting_memory(void)
{
	volatile u32 *m = at(0xff000000);

	m[0] = 0x89abcdef;
	m[0xfffc / 4] = 1;
	return m[0] == 0x89abcdef && ((volatile u8 *)m)[1] == 0xcd &&
	       m[0xfffc / 4] == 1 && m[1] == 0;
}

/* A page that was flushed comes back with what it held. */
static int flushed_page(void)
{
	volatile u32 *page = at(0x300000);

	*page = 0x600d600d;
	out32(0xe4, (u32)page);
	out32(0xe4, 0xfffff000);
	return *page == 0x600d600d;
}

/* Lines 5 and 10 of the device are seen in the PIC's request registers. */
static int lines(void)
{
	int up, down;

	out8(0x20, 0x0a);
	out8(0xa0, 0x0a);
	out8(0x2005, 1);
	out8(0x200a, 1);
	up = (in8(0x20) & 0x20) && (in8(0xa0) & 0x04);
	out8(0x2005, 0);
	out8(0x200a, 0);
	down = !(in8(0xa0) & 0x04);
	return up && down;
}

/*
 * Into real mode at 0x7000 with the vectors that the loader left, wait there
 * for a tick of the timer, ask for the size of memory, and come back.
 */
asm(".code32\n"
"real_mode:	pushal\n"
"	mov	%esp, saved_esp\n"
"	lgdt	real_gdt_descr\n"
"	ljmp	$8, $0x7000\n"
"real_back:	mov	$0x18, %ax\n"
"	mov	%ax, %ds\n"
"	mov	%ax, %es\n"
"	mov	%ax, %ss\n"
"	mov	saved_esp, %esp\n"
"	popal\n"
"	mov	real_result, %eax\n"
"	ret\n"
".code16\n"
"real_start:	mov	$0x10, %ax\n"
"	mov	%ax, %ds\n"
"	mov	%ax, %ss\n"
"	mov	%cr0, %eax\n"
"	and	$0xfe, %al\n"
"	mov	%eax, %cr0\n"
"	ljmp	$0, $(0x7000 + 1f - real_start)\n"
"1:	xor	%ax, %ax\n"
"	mov	%ax, %ds\n"
"	mov	%ax, %ss\n"
"	mov	$0x6ff0, %sp\n"
"	mov	0x46c, %ecx\n"
"	sti\n"
"2:	hlt\n"
"	cmp	0x46c, %ecx\n"
"	je	2b\n"
"	cli\n"
"	int	$0x12\n"
"	mov	%ax, 0x6ff8\n"
"	mov	$0x13, %ah\n"
"	clc\n"
"	int	$0x13\n"
"	setc	0x6ffa\n"
"	mov	%cr0, %eax\n"
"	or	$1, %al\n"
"	mov	%eax, %cr0\n"
"	ljmpl	$0x20, $real_back\n"
"real_end:\n"
".code32\n"
".data\n"
"real_gdt:	.quad	0, 0x00009b000000ffff, 0x000093000000ffff\n"
"	.quad	0x00cf93000000ffff, 0x00cf9b000000ffff\n"
"real_gdt_descr:	.word	. - real_gdt - 1\n"
"	.long	real_gdt\n"
"saved_esp:	.long	0\n"
"real_result:	.long	1\n"
".text\n");

static int real_mode_ticks(void)
{
	volatile u8 *to = at(0x7000);
	u32 i, before = BDA_TICKS;

	for (i = 0; i < (u32)(real_end - real_start); i++)
		to[i] = real_start[i];
	return real_mode() == 1 && BDA_TICKS != before &&
	       *(volatile u16 *)at(0x6ff8) == 639 && *(volatile u8 *)at(0x6ffa) == 1;
}

/* Where the guest wakes up, in real mode: says so, and ends with what was kept. */
asm(".pushsection .rodata\n"
".code16\n"
"wake_start:\n"
"	mov	%cs, %ax\n"
"	mov	%ax, %ds\n"
"	mov	$(wake_text - wake_start), %si\n"
"	mov	$0x3f8, %dx\n"
"	cld\n"
"1:	lodsb\n"
"	out	%al, %dx\n"
"	cmp	$10, %al\n"
"	jne	1b\n"
"	mov	0xff0, %eax\n"
"	out	%eax, $0xf4\n"
"2:	hlt\n"
"	jmp	2b\n"
"wake_text:	.ascii	\"ok 18 sleep and wake\\n\"\n"
"wake_end:\n"
".code32\n"
".popsection\n");

static void cmos_write(u8 reg, u8 v)
{
	out8(0x70, reg);
	out8(0x71, v);
}

/* S3 until the next second, by the clock's alarm. */
static void sleep_and_wake(u32 failed)
{
	const u8 *fadt = find_table("FACP");
	volatile u8 *to = at(0x6000);
	u32 i;

	if (!fadt)
		return;
	for (i = 0; i < (u32)(wake_end - wake_start); i++)
		to[i] = wake_start[i];
	*(volatile u32 *)at(0x6ff0) = failed;
	*(volatile u32 *)at(*(const u32 *)(fadt + 36) + 12) = 0x6000;
	for (i = 1; i < 6; i += 2)
		cmos_write(i, 0xc0);
	cmos_write(0xb, 0x22);
	out8(0x70, 0xc);
	in8(0x71);
	out16(*(const u32 *)(fadt + 56) + 2, 0x400);
	out16(*(const u32 *)(fadt + 64), 0x2400);
	for (;;)
		*(volatile u32 *)at(0x6ff0) = 99;
}

static const struct {
	const char *name;
	int (*check)(void);
} checks[] = {
	{ "loader's magic number", loader_magic },
	{ "command line", command_line },
	{ "loader's name", loader_name },
	{ "memory sizes", memory_sizes },
	{ "memory map", memory_map },
	{ "modules", modules },
	{ "A20 is open", a20 },
	{ "PIC masks", pic_masks },
	{ "real-mode vectors", vectors },
	{ "BIOS data", bios_data },
	{ "firmware configuration", firmware_config },
	{ "ACPI tables", acpi_tables },
	{ "test device: latch", latch },
	{ "test device: memory that exits", exiting_memory },
	{ "test device: page flush", flushed_page },
	{ "test device: interrupt lines", lines },
	{ "real mode: timer and BIOS calls", real_mode_ticks },
};

__attribute__((used)) static void start(u32 *ebx, u32 eax)
{
	u32 i, failed = 0;

	magic = eax;
	info = ebx;
	print("KTAP version 1\n1..");
	print_number(ARRAY_SIZE(checks) + 1);
	print("\n");
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!checks[i].check()) {
			failed++;
			print("not ");
		}
		print("ok ");
		print_number(i + 1);
		print(" ");
		print(checks[i].name);
		print("\n");
	}
	sleep_and_wake(failed);
	for (;;)
		out32(0xf4, 99);
}
