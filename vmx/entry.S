/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into the guest and out of it.
 *
 * After an exit, in this order, before any RET or indirect branch: guest
 * registers are stored and zeroed, the return stack buffer is filled, the
 * host's SPEC_CTRL is put back, the branch history is cleared, and an LFENCE
 * stops speculation past all of it.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/ibt.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

#include "entry.h"

/* Offsets in lodge_vcpu.regs, in the order of enum lodge_gpr. */
#define GPR(n)		((n) * 8)

/* Stack slot while the guest runs. */
#define SLOT_REGS	0

	.section .rodata
	.balign 2
.Lverw_selector:
	.word __KERNEL_DS

	.text

/*
 * int vmx_enter(u64 *regs, u64 flags, u64 guest_spec_ctrl, u64 host_spec_ctrl,
 *		 u64 *host_rsp)
 *
 * Interrupts off, VMCS current, RSP, RIP and RFLAGS of the guest in it.
 * @host_rsp remembers what HOST_RSP holds. Returns VMX_EXITED, VMX_FAILED or
 * VMX_FAULTED.
 */
SYM_FUNC_START(vmx_enter)
	.irp	reg, rbp, r15, r14, r13, r12, rbx, rcx, rdx, rsi, rdi
	push	%\reg
	.endr

	cmp	%rsp, (%r8)
	je	.Lhost_rsp_same
	mov	$VMX_FIELD_HOST_RSP, %eax
.Lvmwrite:
	vmwrite	%rsp, %rax
	jbe	.Lfailed
	mov	%rsp, (%r8)
.Lhost_rsp_same:

	/* From here to the entry neither RET nor indirect branch. */
	cmp	%rcx, %rdx
	je	.Lguest_spec_same
	mov	%edx, %eax
	shr	$32, %rdx
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	wrmsr
.Lguest_spec_same:

	/* ZF: no VERW. CF: VMRESUME. BT leaves ZF, MOV leaves both alone. */
	test	$(1 << VMX_ENTER_VERW), %sil
	bt	$VMX_ENTER_RESUME, %esi
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	GPR(\n)(%rdi), %r\n
	.endr
	mov	GPR(0)(%rdi), %rax
	mov	GPR(1)(%rdi), %rcx
	mov	GPR(2)(%rdi), %rdx
	mov	GPR(3)(%rdi), %rbx
	mov	GPR(5)(%rdi), %rbp
	mov	GPR(6)(%rdi), %rsi
	mov	GPR(7)(%rdi), %rdi
	jz	.Lno_verw
	/* The memory form alone clears the buffers; it changes only ZF. */
	verw	.Lverw_selector(%rip)
.Lno_verw:
	jnc	.Lvmlaunch
.Lvmresume:
	vmresume
	jmp	.Lfailed
.Lvmlaunch:
	vmlaunch
	/*
	 * Executed only when the entry failed, and then taken: VMfail sets CF or
	 * ZF. What follows is HOST_RIP, with the same stack.
	 */
	jbe	.Lfailed

SYM_INNER_LABEL(vmx_exited, SYM_L_GLOBAL)
	ENDBR
	push	%rax
	mov	8 + SLOT_REGS(%rsp), %rax
	pop	GPR(0)(%rax)
	mov	%rcx, GPR(1)(%rax)
	mov	%rdx, GPR(2)(%rax)
	mov	%rbx, GPR(3)(%rax)
	mov	%rbp, GPR(5)(%rax)
	mov	%rsi, GPR(6)(%rax)
	mov	%rdi, GPR(7)(%rax)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, GPR(\n)(%rax)
	.endr
	mov	$VMX_EXITED, %ebx

	/* RBX holds the result; no other register keeps a guest's value. */
.Lleave:
	.irp	reg, eax, ecx, edx, ebp, esi, edi, r8d, r9d, r10d, r11d, r12d, r13d, r14d, r15d
	xor	%\reg, %\reg
	.endr

	/* The kernel's FILL_RETURN_BUFFER is a loop: unrolled, it takes half as many. */
	ALTERNATIVE_2 "jmp .Lrsb_done", \
		      "jmp .Lrsb_one", X86_FEATURE_RSB_VMEXIT_LITE, \
		      "", X86_FEATURE_RSB_VMEXIT
	.rept	RSB_CLEAR_LOOPS - 1
	__FILL_RETURN_SLOT
	.endr
	add	$(8 * (RSB_CLEAR_LOOPS - 1)), %rsp
.Lrsb_one:
	__FILL_RETURN_SLOT
	add	$8, %rsp
.Lrsb_done:

	.irp	reg, rdi, rsi, rdx, rcx
	pop	%\reg
	.endr
	cmp	%rcx, %rdx
	je	.Lhost_spec_same
	mov	%ecx, %eax
	mov	%rcx, %rdx
	shr	$32, %rdx
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	wrmsr
.Lhost_spec_same:

	/* More taken branches than the history of any affected CPU is used for. */
	test	$(1 << VMX_ENTER_CLEAR_BHB), %sil
	jz	.Lbhb_done
	mov	$12, %ecx
.Lbhb_outer:
	mov	$7, %eax
.Lbhb_inner:
	jmp	.Lbhb_next
	int3
.Lbhb_next:
	sub	$1, %eax
	jnz	.Lbhb_inner
	sub	$1, %ecx
	jnz	.Lbhb_outer
.Lbhb_done:
	/* Neither the WRMSR nor the loop is skipped by a wrong prediction. */
	lfence

	mov	%ebx, %eax
	.irp	reg, rbx, r12, r13, r14, r15, rbp
	pop	%\reg
	.endr
	RET

.Lfaulted:
	mov	$VMX_FAULTED, %ebx
	jmp	.Lleave
.Lfailed:
	mov	$VMX_FAILED, %ebx
	jmp	.Lleave

	_ASM_EXTABLE(.Lvmwrite, .Lfaulted)
	_ASM_EXTABLE(.Lvmresume, .Lfaulted)
	_ASM_EXTABLE(.Lvmlaunch, .Lfaulted)
SYM_FUNC_END(vmx_enter)
