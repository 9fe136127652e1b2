/* SPDX-License-Identifier: GPL-2.0-only */
/* A whole guest: entered by PVH in 32-bit mode, it writes 3 to port 0xf4. */
	.section .note.pvh, "a", @note
	.long	4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	entry

	.text
	.code32
	.globl	entry
entry:
	mov	$3, %eax
	out	%al, $0xf4
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
