/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts of the benchmark's guest only say when they came. */
	.macro	handler name
	.globl	\name\()_entry
\name\()_entry:
	push	%rax
	push	%rdx
	rdtsc
	mov	%eax, \name\()_tsc
	incl	\name\()_count
	pop	%rdx
	pop	%rax
	iretq
	.endm

	.text
	handler	first
	handler	back

	.section .note.GNU-stack, "", @progbits
