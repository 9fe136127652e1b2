/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back.
 *
 * VMRUN and #VMEXIT switch RAX, RSP, RIP and what the VMCB lists; VMLOAD and
 * VMSAVE switch FS, GS, TR, LDTR, KERNEL_GS_BASE and the SYSCALL and SYSENTER
 * MSRs; the other general registers are switched here.
 *
 * Between CLGI and STGI nothing can interrupt, NMIs included, so that none is
 * taken with the guest's GS base. The host's RFLAGS.IF has to be set at VMRUN:
 * with V_INTR_MASKING it decides whether a host interrupt ends the guest's run
 * (APM 15.21.1). STI stands far from VMRUN, since its shadow would otherwise
 * be saved as the guest's.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

#include "entry.h"

/* Places in vcpu->regs[] (enum lodge_gpr); RAX and RSP are in the VMCB. */
#define RCX	(1 * 8)
#define RDX	(2 * 8)
#define RBX	(3 * 8)
#define RBP	(5 * 8)
#define RSI	(6 * 8)
#define RDI	(7 * 8)
#define R8	(8 * 8)
#define R9	(9 * 8)
#define R10	(10 * 8)
#define R11	(11 * 8)
#define R12	(12 * 8)
#define R13	(13 * 8)
#define R14	(14 * 8)
#define R15	(15 * 8)

/* WRMSR SPEC_CTRL from the field at \offset; clobbers RAX, RCX, RDX. */
.macro SVM_WRITE_SPEC_CTRL entry:req offset:req
	cmpq	$0, SVM_ENTRY_SWITCH_SPEC(\entry)
	je	.Lno_spec_ctrl_\@
	movl	$MSR_IA32_SPEC_CTRL, %ecx
	movl	\offset(\entry), %eax
	movl	\offset + 4(\entry), %edx
	wrmsr
.Lno_spec_ctrl_\@:
.endm

#define SVM_IBPB				\
	movl	$MSR_IA32_PRED_CMD, %ecx;	\
	movl	$PRED_CMD_IBPB, %eax;		\
	xorl	%edx, %edx;			\
	wrmsr

	.section .noinstr.text, "ax"

/*
 * void svm_enter(struct svm_entry *entry)
 *
 * Without EFER.SVME, which a reboot may have cleared behind our back, CLGI
 * faults and the guest is not entered: exit_code stays what the caller put.
 */
SYM_FUNC_START(svm_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi

.Lclgi:
	clgi
	sti
	SVM_WRITE_SPEC_CTRL %rdi, SVM_ENTRY_GUEST_SPEC
	mov	SVM_ENTRY_VMCB(%rdi), %rax
	vmload	%rax

	mov	SVM_ENTRY_REGS(%rdi), %rdi
	mov	RCX(%rdi), %rcx
	mov	RDX(%rdi), %rdx
	mov	RBX(%rdi), %rbx
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	mov	R8(%rdi), %r8
	mov	R9(%rdi), %r9
	mov	R10(%rdi), %r10
	mov	R11(%rdi), %r11
	mov	R12(%rdi), %r12
	mov	R13(%rdi), %r13
	mov	R14(%rdi), %r14
	mov	R15(%rdi), %r15
	mov	RDI(%rdi), %rdi

	/* Last before the guest: leave nothing in the CPU's buffers (TSA). */
	ALTERNATIVE "jmp .Lskip_verw", "", X86_FEATURE_CLEAR_CPU_BUF_VM
	verw	svm_verw_selector(%rip)
.Lskip_verw:
	vmrun	%rax

	/* RAX is the VMCB again. RSP is ours. The rest is the guest's. */
	vmsave	%rax
	push	%rdi
	mov	8(%rsp), %rdi
	mov	SVM_ENTRY_REGS(%rdi), %rdi
	mov	%rcx, RCX(%rdi)
	mov	%rdx, RDX(%rdi)
	mov	%rbx, RBX(%rdi)
	mov	%rbp, RBP(%rdi)
	mov	%rsi, RSI(%rdi)
	mov	%r8, R8(%rdi)
	mov	%r9, R9(%rdi)
	mov	%r10, R10(%rdi)
	mov	%r11, R11(%rdi)
	mov	%r12, R12(%rdi)
	mov	%r13, R13(%rdi)
	mov	%r14, R14(%rdi)
	mov	%r15, R15(%rdi)
	pop	%rax
	mov	%rax, RDI(%rdi)

	/* The host's GS base, before anything per CPU. */
	mov	(%rsp), %rbx
	mov	SVM_ENTRY_HOST(%rbx), %rax
	vmload	%rax

	/*
	 * No RET and no indirect branch may come before these, in this order:
	 * the return stack is the guest's, predictors may be.
	 */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	SVM_WRITE_SPEC_CTRL %rbx, SVM_ENTRY_HOST_SPEC
	ALTERNATIVE_2 "", __stringify(SVM_IBPB), X86_FEATURE_ENTRY_IBPB, \
		      __stringify(SVM_IBPB), X86_FEATURE_IBPB_ON_VMEXIT
	CALL_UNTRAIN_RET

	/* Values of the guest must not steer speculation of the host. */
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%ebx, %ebx
	xorl	%ebp, %ebp
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d

	/* A pending NMI is taken at STGI, interrupts when the caller opens. */
	cli
	stgi

.Lout:
	pop	%rdi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

	_ASM_EXTABLE(.Lclgi, .Lout)
SYM_FUNC_END(svm_enter)

	.section .rodata
	.balign	2
/* VERW clears buffers only with a memory operand. */
SYM_DATA_LOCAL(svm_verw_selector, .word __KERNEL_DS)
