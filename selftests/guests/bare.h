/* SPDX-License-Identifier: GPL-2.0-only */
/* What a bare-metal guest in C needs: an entry, ports, addresses, the serial port. */
#ifndef _GUESTS_BARE_H
#define _GUESTS_BARE_H

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* The compiler must not know that small addresses are no objects of its. */
static inline volatile void *at(u32 addr)
{
	volatile void *p;

	asm("" : "=r"(p) : "0"(addr));
	return p;
}

static inline void out8(u16 port, u8 v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline u8 in8(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void out16(u16 port, u16 v)
{
	asm volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline u16 in16(u16 port)
{
	u16 v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void out32(u16 port, u32 v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline u32 in32(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void print(const char *s)
{
	for (; *s; s++) {
		while (!(in8(0x3fd) & 0x20))
			;
		out8(0x3f8, *s);
	}
}

static void print_number(u32 v)
{
	char text[11], *p = text + 10;

	*p = '\0';
	do {
		*--p = '0' + v % 10;
		v /= 10;
	} while (v);
	print(p);
}

/* Where a Multiboot loader begins: start() is called with its EBX and EAX. */
asm(".section .header, \"a\"\n"
"	.balign	4\n"
"	.long	0x1badb002, 3, -(0x1badb002 + 3)\n"
".text\n"
".globl entry\n"
"entry:	mov	$stack_end, %esp\n"
"	push	%eax\n"
"	push	%ebx\n"
"	call	start\n"
".bss\n"
"	.balign	16\n"
"	.skip	8192\n"
"stack_end:\n"
".text\n");

#endif /* _GUESTS_BARE_H */
