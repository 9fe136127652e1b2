/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs at AP_REAL in real mode on the second CPU, with DS = SS = 0. Each test
 * leaves a word in RESULTS; DONE gets 1 at the end.
 */
#include "layout.h"

#define RESULT(n)	(REAL_RESULTS + 2 * (n))

	.code16
	.globl	real_code, real_code_end
/* Addresses in here are relative to AP_REAL. */
#define AT(label)	(AP_REAL + (label) - real_code)

real_code:
	/* 0: arithmetic; 1: the flags it left */
	mov	$0x7fff, %ax
	add	$1, %ax
	pushf
	mov	%ax, RESULT(0)
	popw	RESULT(1)

	/* 2: INT n by the table at 0, with IRET */
	movw	$AT(interrupt), 0x60 * 4
	movw	$0, 0x60 * 4 + 2
	movw	$0, RESULT(2)
	int	$0x60

	/* 3: what INT pushed: IP of the next instruction */
	mov	REAL_SCRATCH, %ax
	sub	$AT(after_int3), %ax
	movw	$AT(pushed), 0x61 * 4
	movw	$0, 0x61 * 4 + 2
	int	$0x61
after_int3:
	mov	REAL_SCRATCH, %ax
	sub	$AT(after_int3), %ax
	mov	%ax, RESULT(3)

	/* 4: #DE comes by vector 0 and points to the instruction */
	movw	$AT(divide), 0
	movw	$0, 2
	xor	%cx, %cx
	mov	$1, %ax
	xor	%dx, %dx
	movw	$0xdead, RESULT(4)
divide_at:
	div	%cx
	nop

	/* 5: far call and far return, through another segment */
	movw	$0, RESULT(5)
	lcall	$(AP_REAL >> 4), $(far_target - real_code)

	/* 6: segments shift by four */
	mov	$0x1234, %ax
	mov	%ax, REAL_SCRATCH
	mov	$(REAL_SCRATCH >> 4), %ax
	mov	%ax, %es
	mov	%es:0, %ax
	mov	%ax, RESULT(6)

	/* 7: REP MOVSW across segments */
	xor	%ax, %ax
	mov	%ax, %es
	movw	$0x55aa, REAL_SCRATCH
	movw	$0x77cc, REAL_SCRATCH + 2
	mov	$REAL_SCRATCH, %si
	mov	$REAL_SCRATCH + 16, %di
	mov	$2, %cx
	cld
	rep movsw
	mov	REAL_SCRATCH + 18, %ax
	mov	%ax, RESULT(7)

	/* 8: ports */
	mov	$0x5a, %al
	out	%al, $0xe0
	xor	%ax, %ax
	in	$0xe0, %al
	mov	%ax, RESULT(8)

	/* 9: string port output of a word */
	movw	$0x4321, REAL_SCRATCH
	mov	$REAL_SCRATCH, %si
	mov	$0xe0, %dx
	outsw
	in	%dx, %ax
	mov	%ax, RESULT(9)

	/* 10: big real mode: a 4 GiB limit from protected mode survives */
	lgdtl	AT(pointer)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	mov	$16, %bx
	mov	%bx, %fs
	and	$0xfe, %al
	mov	%eax, %cr0
	xor	%bx, %bx
	mov	%bx, %fs
	mov	$0x200000, %ebx
	movl	$0xcafe, %fs:(%ebx)
	addr32 mov %fs:(%ebx), %ax
	mov	%ax, RESULT(10)

	/* 11: a device's memory through that segment */
	mov	$0xff000000, %ebx
	movl	$0x12345678, %eax
	addr32 movl %eax, %fs:(%ebx)
	addr32 mov %fs:2(%ebx), %ax
	mov	%ax, RESULT(11)

	/* 12: 32-bit operands */
	mov	$0x10000, %eax
	add	$0xffff, %eax
	shr	$8, %eax
	mov	%ax, RESULT(12)

	/* 13: an offset beyond the limit: #GP by vector 13, no error code */
	movw	$AT(general), 13 * 4
	movw	$0, 13 * 4 + 2
	movw	$0, RESULT(13)
	mov	%sp, REAL_SCRATCH + 8
	mov	$0x10000, %ebx
general_at:
	addr32 mov %ds:(%ebx), %al
after_general:

	/* 14: CPUID exits in real mode, too */
	xor	%eax, %eax
	cpuid
	mov	%bx, RESULT(14)

	/* 15: PUSHA, POPA, ENTER, LEAVE */
	mov	%sp, %bp
	mov	%sp, %bx
	pusha
	popa
	enter	$8, $0
	leave
	sub	%sp, %bx
	mov	%bx, RESULT(15)

	/* 16: LOOP */
	mov	$5, %cx
	xor	%ax, %ax
1:	inc	%ax
	loop	1b
	mov	%ax, RESULT(16)

	/* 17: CR0 reads without PE, PG */
	mov	%cr0, %eax
	and	$1, %ax
	mov	%ax, RESULT(17)

	/* 18: SMSW, LMSW to protected mode and back by CR0 */
	smsw	%ax
	or	$1, %ax
	lmsw	%ax
	smsw	%bx
	mov	%cr0, %eax
	and	$0xfe, %al
	mov	%eax, %cr0
	and	$1, %bx
	mov	%bx, RESULT(18)

	/* 19: PUSHF and POPF keep IF and DF */
	pushf
	pop	%ax
	or	$0x400, %ax
	push	%ax
	popf
	pushf
	pop	%ax
	cld
	and	$0x400, %ax
	mov	%ax, RESULT(19)

	/* 20: a word at the last byte of a segment wraps or faults: #GP */
	movw	$AT(general2), 13 * 4
	movw	$0, RESULT(20)
	mov	$0xffff, %bx
	mov	(%bx), %ax
after_general2:

	/* 21: protected mode with 16-bit code, then an interrupt table moved by LIDT */
	movl	$REAL_SCRATCH, AT(idt_pointer16) + 2
	lidtl	AT(idt_pointer16)
	movw	$0, RESULT(21)
	movw	$AT(moved), REAL_SCRATCH + 4
	movw	$0, REAL_SCRATCH + 6
	int	$1
	movl	$0, AT(idt_pointer16) + 2
	lidtl	AT(idt_pointer16)

	movw	$1, REAL_DONE
1:	hlt
	jmp	1b

interrupt:
	movw	$0x6060, RESULT(2)
	iret

pushed:
	push	%bp
	mov	%sp, %bp
	mov	2(%bp), %ax
	mov	%ax, REAL_SCRATCH
	pop	%bp
	iret

divide:
	push	%bp
	mov	%sp, %bp
	push	%ax
	mov	2(%bp), %ax
	sub	$AT(divide_at), %ax
	mov	%ax, RESULT(4)
	addw	$2, 2(%bp)
	pop	%ax
	pop	%bp
	iret

general:
	push	%bp
	mov	%sp, %bp
	push	%ax
	mov	2(%bp), %ax
	sub	$AT(general_at), %ax
	add	$0x1300, %ax
	mov	%ax, RESULT(13)
	movw	$AT(after_general), 2(%bp)
	pop	%ax
	pop	%bp
	iret

general2:
	push	%bp
	mov	%sp, %bp
	movw	$0x20, RESULT(20)
	movw	$AT(after_general2), 2(%bp)
	pop	%bp
	iret

moved:
	movw	$0x2121, RESULT(21)
	iret

far_target:
	mov	%cs, %ax
	mov	%ax, RESULT(5)
	lret

	.balign	8
pointer:
	.word	23
	.long	AT(table)
idt_pointer16:
	.word	0x3ff
	.long	0
	.balign	8
table:
	.quad	0
	.quad	0x00009b000000ffff
	.quad	0x00cf93000000ffff
real_code_end:
	.section .note.GNU-stack, "", @progbits
