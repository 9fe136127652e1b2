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

/* Places in vcpu->regs[] (enum lodge_gpr); RAX and RSP are in the VMCB. */
#define GPR(n)		((n) * 8)

/* Stack slots while the guest runs. */
#define SLOT_REGS	0
#define SLOT_HOST	8
#define SLOT_GUEST_SPEC	16
#define SLOT_HOST_SPEC	24
#define SLOTS		32

/* SPEC_CTRL, where guest and host differ; clobbers RAX, RCX, RDX. */
.macro SVM_SPEC_CTRL to:req
	mov	SLOT_GUEST_SPEC(%rsp), %rax
	cmp	SLOT_HOST_SPEC(%rsp), %rax
	je	.Lsame_spec_\@
	mov	\to(%rsp), %eax
	mov	\to + 4(%rsp), %edx
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	wrmsr
.Lsame_spec_\@:
.endm

#define SVM_IBPB				\
	movl	$MSR_IA32_PRED_CMD, %ecx;	\
	movl	$PRED_CMD_IBPB, %eax;		\
	xorl	%edx, %edx;			\
	wrmsr

	.section .noinstr.text, "ax"

/*
 * void svm_enter(u64 *regs, u64 host_pa, u64 guest_spec_ctrl, u64 host_spec_ctrl,
 *		  u64 vmcb_pa)
 *
 * Interrupts off before and after. Without EFER.SVME, which a reboot may have
 * cleared behind our back, CLGI faults and the guest is not entered: exit_code
 * stays what the caller put.
 */
SYM_FUNC_START(svm_enter)
	.irp	reg, rbp, r15, r14, r13, r12, rbx, rcx, rdx, rsi, rdi
	push	%\reg
	.endr

.Lclgi:
	clgi
	sti
	SVM_SPEC_CTRL SLOT_GUEST_SPEC
	mov	%r8, %rax
	vmload	%rax

	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	GPR(\n)(%rdi), %r\n
	.endr
	mov	GPR(1)(%rdi), %rcx
	mov	GPR(2)(%rdi), %rdx
	mov	GPR(3)(%rdi), %rbx
	mov	GPR(5)(%rdi), %rbp
	mov	GPR(6)(%rdi), %rsi
	mov	GPR(7)(%rdi), %rdi

	/* Last before the guest: leave nothing in the CPU's buffers (TSA). */
	ALTERNATIVE "jmp .Lskip_verw", "", X86_FEATURE_CLEAR_CPU_BUF_VM
	verw	svm_verw_selector(%rip)
.Lskip_verw:
	vmrun	%rax

	/* RAX is the VMCB again. RSP is ours. The rest is the guest's. */
	vmsave	%rax
	push	%rdi
	mov	8 + SLOT_REGS(%rsp), %rdi
	pop	GPR(7)(%rdi)
	mov	%rcx, GPR(1)(%rdi)
	mov	%rdx, GPR(2)(%rdi)
	mov	%rbx, GPR(3)(%rdi)
	mov	%rbp, GPR(5)(%rdi)
	mov	%rsi, GPR(6)(%rdi)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, GPR(\n)(%rdi)
	.endr

	/* The host's GS base, before anything per CPU. */
	mov	SLOT_HOST(%rsp), %rax
	vmload	%rax

	/*
	 * No RET and no indirect branch may come before these, in this order:
	 * the return stack is the guest's, predictors may be.
	 */
	/* The kernel's FILL_RETURN_BUFFER is a loop: unrolled, it takes half as many. */
	ALTERNATIVE "jmp .Lrsb_done", "", X86_FEATURE_RSB_VMEXIT
	.rept	RSB_CLEAR_LOOPS
	__FILL_RETURN_SLOT
	.endr
	add	$(8 * RSB_CLEAR_LOOPS), %rsp
.Lrsb_done:
	SVM_SPEC_CTRL SLOT_HOST_SPEC
	ALTERNATIVE_2 "", __stringify(SVM_IBPB), X86_FEATURE_ENTRY_IBPB, \
		      __stringify(SVM_IBPB), X86_FEATURE_IBPB_ON_VMEXIT
	CALL_UNTRAIN_RET

	/* Values of the guest must not steer speculation of the host. */
	.irp	reg, eax, ecx, edx, ebx, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\reg, %\reg
	.endr

	/* A pending NMI is taken at STGI, interrupts when the caller opens. */
	cli
	stgi

.Lout:
	add	$SLOTS, %rsp
	.irp	reg, rbx, r12, r13, r14, r15, rbp
	pop	%\reg
	.endr
	RET

	_ASM_EXTABLE(.Lclgi, .Lout)
SYM_FUNC_END(svm_enter)

	.section .rodata
	.balign	2
/* VERW clears buffers only with a memory operand. */
SYM_DATA_LOCAL(svm_verw_selector, .word __KERNEL_DS)
