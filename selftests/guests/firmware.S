/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A firmware image of 64 KiB, for
 *
 *	lodge run --exit-dev 0xf4 --firmware FILE
 *
 * It starts at the reset vector in real mode, compares itself below 4 GiB with
 * its copy below 1 MiB, finds the one read-only and the other writable, and
 * ends with 0 or with the number of the check that failed.
 */
#define IMAGE_SEG	0xf000
#define IMAGE_LOW	0xf0000
#define IMAGE_HIGH	0xffff0000
#define IMAGE_BYTES	0x10000
#define SCRATCH		0x100

	.text
	.code16
	.globl	entry
entry:

hello:
	.asciz	"firmware: started\n"

start:
	mov	%cs, %ax
	mov	%ax, %ds
	xor	%ax, %ax
	mov	%ax, %ss
	mov	$0x1000, %sp
	mov	$0x3f8, %dx
	mov	$hello, %si
1:	lodsb
	test	%al, %al
	jz	2f
	out	%al, %dx
	jmp	1b

	/* 1: a call to a place in RAM, and back: the stack works */
2:	mov	$1, %bx
	call	returns
	cmp	$0x1234, %ax
	jne	failed

	/* Into protected mode, with flat segments */
	inc	%bx
	cli
	lgdtl	gdt_pointer
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$8, $(IMAGE_LOW + protected - entry)

returns:
	mov	$0x1234, %ax
	ret

failed:
	mov	%bl, %al
	out	%al, $0xf4
1:	hlt
	jmp	1b

	.code32
protected:
	mov	$16, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss

	/* 2: both copies are the same */
	mov	$IMAGE_LOW, %esi
	mov	$IMAGE_HIGH, %edi
	mov	$(IMAGE_BYTES / 4), %ecx
	cld
	repe cmpsl
	jne	failed32

	/* 3: the high one cannot be written */
	inc	%bx
	mov	(IMAGE_HIGH + SCRATCH), %eax
	notl	(IMAGE_HIGH + SCRATCH)
	cmp	%eax, (IMAGE_HIGH + SCRATCH)
	jne	failed32

	/* 4: the low one can, and the high one does not change with it */
	inc	%bx
	notl	(IMAGE_LOW + SCRATCH)
	cmp	%eax, (IMAGE_LOW + SCRATCH)
	je	failed32
	cmp	%eax, (IMAGE_HIGH + SCRATCH)
	jne	failed32

	/* 5: interrupt controllers are as after power-on, for us to set up */
	inc	%bx
	in	$0x21, %al
	cmp	$0xff, %al
	jne	failed32
	xor	%ebx, %ebx
failed32:
	mov	%bl, %al
	out	%al, $0xf4
1:	hlt
	jmp	1b

	.balign	8
gdt:
	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	IMAGE_LOW + gdt - entry

	.code16
	.org	IMAGE_BYTES - 16
	ljmp	$IMAGE_SEG, $(start - entry)
	.org	IMAGE_BYTES

	.section .note.GNU-stack, "", @progbits
