/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of the bare-metal guests: by PVH in 32-bit mode on the first CPU, by
 * SIPI on the others. Each ends in long mode with 4 GiB mapped one to one.
 */
#include "layout.h"

	.section .note.pvh, "a", @note
	.long	4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	entry

	.text
	.code32
	.globl	entry
entry:
	cld
	cli
	xor	%ebp, %ebp		/* index of this CPU */

/* EBP: index. Paging, long mode, our GDT. */
to_long:
	mov	%ebp, %eax
	shl	$STACK_SHIFT, %eax
	lea	stacks + STACK_BYTES(%eax), %esp
	mov	%cr4, %eax
	or	$0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	mov	%eax, %cr4
	mov	$page_l4, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x101, %eax		/* LME, SCE */
	wrmsr
	mov	$0x80000033, %eax
	mov	%eax, %cr0
	lgdtl	gdt_pointer
	ljmp	$SEL_CODE64, $in_long

	.code64
in_long:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	lidt	idt_pointer(%rip)
	mov	%ebp, %edi
	call	start_cpu
1:	hlt
	jmp	1b

/*
 * Copied to AP_START: where SIPI sends the other CPUs, and where tests of real
 * mode begin: AP_MODE chooses.
 */
	.code16
	.globl	ap_start, ap_end
ap_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$AP_START, %sp
	cmpw	$0, AP_MODE
	je	1f
	ljmp	$0, $AP_REAL
1:
	lgdtl	AP_START + (ap_gdt_pointer - ap_start)
	mov	%cr0, %eax
	and	$0x9fffffff, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE32, $ap_protected
	.balign	4
ap_gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_end:

	.code32
ap_protected:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$1, %ebp
	lock xadd %ebp, cpu_count
	jmp	to_long

	.code64
	.altmacro
	.macro	trap_stub n
	.balign	16
	.if	!((\n == 8) || (\n >= 10 && \n <= 14) || (\n == 17) || (\n == 21))
	push	$0
	.endif
	push	$\n
	jmp	trap_common
	.endm

	.balign	16
	.globl	trap_stubs
trap_stubs:
	.set	i, 0
	.rept	256
	trap_stub %i
	.set	i, i + 1
	.endr

trap_common:
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%r11
	push	%r10
	push	%r9
	push	%r8
	push	%rdi
	push	%rsi
	push	%rbp
	push	%rbx
	push	%rdx
	push	%rcx
	push	%rax
	mov	%rsp, %rdi
	cld
	call	trap
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	add	$16, %rsp
	iretq

/*
 * enter_user(f, arg, stack): calls f(arg) at CPL 3, which comes back by INT 0x80
 * to leave_user, to the frame that is left here.
 */
	.globl	enter_user, leave_user
enter_user:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, user_return
	push	$SEL_USER_DATA
	push	%rdx
	push	$2
	push	$SEL_USER64
	push	$user_start
	mov	%rdi, %rax
	mov	%rsi, %rdi
	iretq
user_start:
	call	*%rax
	int	$0x80
leave_user:
	mov	user_return, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	mov	$SEL_DATA, %ecx
	mov	%ecx, %ss
	ret

/* Where SYSCALL goes in the test of it. */
	.globl	syscall_target
syscall_target:
	add	$41, %rax
	sysretq

	.data
	.balign	16
	.globl	gdt, tss_descriptor
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* SEL_CODE64 */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad	0x00009b000000ffff	/* SEL_CODE16 */
	.quad	0x000093000000ffff	/* SEL_DATA16 */
	.quad	0x00cffb000000ffff	/* SEL_USER32 */
	.quad	0x00cff3000000ffff	/* SEL_USER_DATA */
	.quad	0x00affb000000ffff	/* SEL_USER64 */
	.quad	0x00cf13000000ffff	/* SEL_ABSENT: data, not present */
tss_descriptor:
	.quad	0, 0			/* SEL_TSS */
gdt_end:
	.globl	gdt_pointer
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt
	.globl	idt_pointer
idt_pointer:
	.word	256 * 16 - 1
	.quad	idt

	.globl	cpu_count
cpu_count:
	.long	1

	.balign	4096
	.globl	page_l4, page_l2
page_l4:
	.quad	page_l3 + 7
	.fill	511, 8, 0
page_l3:
	.set	i, 0
	.rept	4
	.quad	page_l2 + i * 4096 + 7
	.set	i, i + 1
	.endr
	.fill	508, 8, 0
page_l2:
	.set	i, 0
	.rept	2048
	.quad	i * 0x200000 + 0x87
	.set	i, i + 1
	.endr

	.bss
	.balign	4096
stacks:
	.skip	MAX_CPUS << STACK_SHIFT
user_return:
	.skip	8

	.section .note.GNU-stack, "", @progbits
