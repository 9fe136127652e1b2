/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Real-mode interrupt handlers, for kernels that turn interrupts on before
 * they have handlers of their own: the 4 KiB up to the reset vector, at
 * f000:f000. Nothing here is a BIOS service but the sizes of memory and
 * equipment; other services fail with the carry flag set.
 */
#define BDA_SEG			0x40
#define BDA_EQUIPMENT		0x10
#define BDA_MEMORY		0x13
#define BDA_TICKS		0x6c
#define BDA_MIDNIGHT		0x70
#define TICKS_PER_DAY		0x1800b0
#define FLAGS_ON_STACK		6	/* behind BP, IP and CS */
#define FLAG_CARRY		1

	.section .rodata
	.code16
	.balign	16
	.globl	bios_code, bios_code_end
	.globl	bios_iret, bios_tick, bios_key, bios_eoi_master, bios_eoi_slave
	.globl	bios_equipment, bios_memory, bios_unsupported, bios_reset

bios_code:
bios_iret:
	iret

bios_tick:			/* IRQ 0: count, call the user's hook */
	push	%ds
	push	%ax
	mov	$BDA_SEG, %ax
	mov	%ax, %ds
	incl	BDA_TICKS
	cmpl	$TICKS_PER_DAY, BDA_TICKS
	jb	1f
	movl	$0, BDA_TICKS
	movb	$1, BDA_MIDNIGHT
1:	int	$0x1c
	mov	$0x20, %al
	out	%al, $0x20
	pop	%ax
	pop	%ds
	iret

bios_key:			/* IRQ 1: the key is taken and forgotten */
	push	%ax
	in	$0x60, %al
	jmp	1f

bios_eoi_slave:
	push	%ax
	mov	$0x20, %al
	out	%al, $0xa0
	jmp	1f

bios_eoi_master:
	push	%ax
1:	mov	$0x20, %al
	out	%al, $0x20
	pop	%ax
	iret

bios_equipment:			/* INT 11h */
	push	%ds
	mov	$BDA_SEG, %ax
	mov	%ax, %ds
	mov	BDA_EQUIPMENT, %ax
	pop	%ds
	iret

bios_memory:			/* INT 12h */
	push	%ds
	mov	$BDA_SEG, %ax
	mov	%ax, %ds
	mov	BDA_MEMORY, %ax
	pop	%ds
	iret

bios_unsupported:
	push	%bp
	mov	%sp, %bp
	orb	$FLAG_CARRY, FLAGS_ON_STACK(%bp)
	pop	%bp
	iret

bios_reset:
	mov	$0xcf9, %dx
	mov	$0x06, %al
	out	%al, %dx
1:	hlt
	jmp	1b

	.org	bios_code + 0xff0	/* a jump to f000:fff0 is a reset, too */
	jmp	bios_reset
	.org	bios_code + 0xff5
	.ascii	"01/01/26"
	.org	bios_code + 0xffe
	.byte	0xfc			/* model: an AT */
	.org	bios_code + 0x1000
bios_code_end:

	.section .note.GNU-stack, "", @progbits
