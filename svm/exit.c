// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit code to handler (APM appendix C). A handler takes from the VMCB what its
 * exit needs and calls the neutral one.
 *
 * CPUs without decode assists do not say which general register an access to a
 * control or debug register uses: the instruction is read and decoded.
 */
#include "svm.h"

#define NPF_WRITE		BIT(1)
#define NPF_FETCH		BIT(4)
#define NPF_OPERAND		BIT_ULL(32)
#define CR_IS_MOV		BIT_ULL(63)	/* decode assists (APM 15.8.1) */
#define GPR_MASK		0xf
#define TASK_IRET		BIT_ULL(36)
#define TASK_JMP		BIT_ULL(38)
#define TASK_HAS_ERROR		BIT_ULL(44)

/* What leaving an instruction behind takes; a length of 0: only ring 2 can find out. */
static __always_inline void read_insn(struct lodge_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	u64 rip = vcpu->regs[LODGE_RIP], len = 0;

	if (boot_cpu_has(X86_FEATURE_NRIPS))
		len = control->next_rip - rip;
	else if (svm_exit_code(vcpu) == SVM_EXIT_IOIO)
		len = control->exit_info_2 - rip;
	vcpu->exit.len = likely(len - 1 < LODGE_INSN_MAX) ? len : lodge_insn_len_atomic(vcpu);
	vcpu->exit.shadowed = control->int_state & SVM_INTERRUPT_SHADOW_MASK;
}

enum lodge_next svm_on_unexpected(struct lodge_vcpu *vcpu)
{
	return lodge_on_unexpected(vcpu, svm_exit_code(vcpu), svm_control(vcpu)->exit_info_1);
}

/* The guest's instruction, while it is still there: 0, or what to do instead. */
static int decode(struct lodge_vcpu *vcpu, struct lodge_insn *insn, enum lodge_next *next)
{
	struct lodge_fetch fetch;
	int ret;

	lodge_fetch_code(vcpu, &fetch, true);
	ret = lodge_decode(insn, fetch.bytes, fetch.count, lodge_code_size(vcpu));
	if (!ret && insn->opcode[0] == 0x0f)
		return 0;
	*next = LODGE_HANDLE;
	vcpu->exit.kind = LODGE_K_FETCH;
	if (ret != -EAGAIN)
		*next = svm_on_unexpected(vcpu);
	return -EAGAIN;
}

static enum lodge_next on_cr_insn(struct lodge_vcpu *vcpu, int cr)
{
	struct lodge_insn insn;
	enum lodge_next next;

	if (decode(vcpu, &insn, &next))
		return next;
	switch (insn.opcode[1]) {
	case 0x20:
		return lodge_on_cr_read(vcpu, cr, insn.rm);
	case 0x22:
		return lodge_on_cr_write(vcpu, cr, insn.rm);
	case 0x06:
		return lodge_on_clts(vcpu);
	case 0x01:
		if ((insn.modrm >> 3 & 5) == 4)
			return lodge_on_msw(vcpu);
		break;
	}
	return svm_on_unexpected(vcpu);
}

static enum lodge_next on_cr(struct lodge_vcpu *vcpu)
{
	u32 code = svm_exit_code(vcpu);
	u64 info = svm_control(vcpu)->exit_info_1;

	if (code == SVM_EXIT_CR0_SEL_WRITE)
		code = SVM_EXIT_WRITE_CR0;
	if (!boot_cpu_has(X86_FEATURE_DECODEASSISTS) || !(info & CR_IS_MOV))
		return on_cr_insn(vcpu, code & 0xf);
	if (code & 0x10)
		return lodge_on_cr_write(vcpu, code & 0xf, info & GPR_MASK);
	return lodge_on_cr_read(vcpu, code & 0xf, info & GPR_MASK);
}

static enum lodge_next on_dr(struct lodge_vcpu *vcpu)
{
	u32 code = svm_exit_code(vcpu);
	struct lodge_insn insn;
	enum lodge_next next;

	if (boot_cpu_has(X86_FEATURE_DECODEASSISTS))
		insn.rm = svm_control(vcpu)->exit_info_1 & GPR_MASK;
	else if (decode(vcpu, &insn, &next))
		return next;
	return lodge_on_dr(vcpu, code & 7, insn.rm, code & 0x10);
}

static enum lodge_next on_db(struct lodge_vcpu *vcpu)
{
	u64 dr6 = svm_save(vcpu)->dr6;

	if (svm_step_done(vcpu, &dr6))
		return LODGE_REENTER;
	vcpu->dr6 = dr6;
	return lodge_on_exception(vcpu, X86_TRAP_DB, 0);
}

static enum lodge_next on_ac(struct lodge_vcpu *vcpu)
{
	return lodge_on_exception(vcpu, X86_TRAP_AC, 0);
}

static enum lodge_next on_vintr(struct lodge_vcpu *vcpu)
{
	svm_close_windows(vcpu);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return LODGE_REENTER;
}

/*
 * What waits for a window may have it by now. Bochs enters a guest with IF=1
 * without a look at V_IRQ, so that it would wait for ever.
 */
static enum lodge_next on_intr(struct lodge_vcpu *vcpu)
{
	if (svm_control(vcpu)->int_ctl & V_IRQ_MASK)
		on_vintr(vcpu);
	return lodge_on_host_interrupt(vcpu);
}

static enum lodge_next on_iret(struct lodge_vcpu *vcpu)
{
	svm_iret_reached(vcpu);
	return LODGE_REENTER;
}

static enum lodge_next on_io(struct lodge_vcpu *vcpu)
{
	struct lodge_pio io = svm_decode_io(svm_control(vcpu)->exit_info_1);

	return lodge_on_pio(vcpu, io.port, io.bytes, io.in, io.string);
}

static enum lodge_next on_msr(struct lodge_vcpu *vcpu)
{
	return svm_control(vcpu)->exit_info_1 & 1 ? lodge_on_wrmsr(vcpu) : lodge_on_rdmsr(vcpu);
}

/* EXITINFO1 of a nested page fault as LODGE_ACCESS_* (APM 15.25.6) */
u32 svm_npf_access(u64 info)
{
	if (info & NPF_WRITE)
		return LODGE_ACCESS_WRITE;
	return info & NPF_FETCH ? LODGE_ACCESS_EXEC : LODGE_ACCESS_READ;
}

static enum lodge_next on_npf(struct lodge_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	return lodge_on_fault(vcpu, control->exit_info_2, svm_npf_access(control->exit_info_1),
			      control->exit_info_1 & NPF_OPERAND);
}

/* APM 15.14.1. Neither IRET nor JMP nor on the way to a handler: CALL */
static enum lodge_next on_task_switch(struct lodge_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	u64 info = control->exit_info_2;
	enum lodge_task_source source = LODGE_TASK_CALL;
	u64 len = control->next_rip - svm_save(vcpu)->rip;

	if (info & TASK_IRET)
		source = LODGE_TASK_IRET;
	else if (info & TASK_JMP)
		source = LODGE_TASK_JMP;
	else if (control->exit_int_info & SVM_EVTINJ_VALID)
		source = LODGE_TASK_GATE;
	/* For INT n Bochs leaves an older event there; only instructions have a next RIP. */
	if (boot_cpu_has(X86_FEATURE_NRIPS) && len - 1 < LODGE_INSN_MAX)
		vcpu->inflight.valid = false;
	return lodge_on_task_switch(vcpu, control->exit_info_1, source, info & TASK_HAS_ERROR,
				    info);
}

/* The CPU refused the VMCB (APM 15.5.1), or was no longer able to enter. */
static enum lodge_next on_invalid(struct lodge_vcpu *vcpu)
{
	if (!READ_ONCE(lodge_rebooting))
		lodge_dump(vcpu);
	return lodge_on_fail_entry(vcpu, svm_exit_code(vcpu), svm_control(vcpu)->exit_info_1);
}

static const lodge_handler handlers[] = {
	[SVM_EXIT_READ_CR0] = on_cr,
	[SVM_EXIT_READ_CR8] = on_cr,
	[SVM_EXIT_WRITE_CR0] = on_cr,
	[SVM_EXIT_WRITE_CR4] = on_cr,
	[SVM_EXIT_WRITE_CR8] = on_cr,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR7] = on_dr,
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR7] = on_dr,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_DB] = on_db,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_UD] = lodge_on_ud,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_AC] = on_ac,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_MC] = lodge_on_machine_check,
	[SVM_EXIT_INTR] = on_intr,
	[SVM_EXIT_NMI ... SVM_EXIT_INIT] = lodge_on_taken,
	[SVM_EXIT_VINTR] = on_vintr,
	[SVM_EXIT_CR0_SEL_WRITE] = on_cr,
	[SVM_EXIT_RDPMC] = lodge_gp,	/* there is no counter */
	[SVM_EXIT_CPUID] = lodge_on_cpuid,
	[SVM_EXIT_RSM] = lodge_on_undefined,
	[SVM_EXIT_IRET] = on_iret,
	[SVM_EXIT_INVD] = lodge_on_invd,
	[SVM_EXIT_PAUSE] = lodge_on_pause,
	[SVM_EXIT_HLT] = lodge_on_hlt,
	[SVM_EXIT_INVLPGA] = lodge_on_undefined,
	[SVM_EXIT_IOIO] = on_io,
	[SVM_EXIT_MSR] = on_msr,
	[SVM_EXIT_TASK_SWITCH] = on_task_switch,
	[SVM_EXIT_SHUTDOWN] = lodge_on_triple_fault,
	[SVM_EXIT_VMRUN] = lodge_on_undefined,
	[SVM_EXIT_VMMCALL] = lodge_on_hypercall,
	[SVM_EXIT_VMLOAD ... SVM_EXIT_RDTSCP] = lodge_on_undefined,
	[SVM_EXIT_WBINVD] = lodge_on_invd,
	[SVM_EXIT_MONITOR ... SVM_EXIT_MWAIT_COND] = lodge_on_undefined,
	[SVM_EXIT_XSETBV] = lodge_on_xsetbv,
	[SVM_EXIT_RDPRU] = lodge_on_undefined,
	[SVM_EXIT_INVPCID] = lodge_on_undefined,
};

/* Never NULL. */
lodge_handler svm_exit_handler(u32 code)
{
	if (code < ARRAY_SIZE(handlers))
		return handlers[code] ?: svm_on_unexpected;
	if (code == SVM_EXIT_NPF)
		return on_npf;
	return code >= SVM_EXIT_BUSY ? on_invalid : svm_on_unexpected;
}

/* The hottest by name: no indirect branch. */
enum lodge_next svm_handle_exit(struct lodge_vcpu *vcpu)
{
	u32 code = svm_exit_code(vcpu);

	switch (code) {
	case SVM_EXIT_NPF:
		return on_npf(vcpu);
	case SVM_EXIT_INTR:
		return on_intr(vcpu);
	}
	/* Exceptions and events are none. */
	if (code < SVM_EXIT_EXCP_BASE || code > SVM_EXIT_VINTR)
		read_insn(vcpu);
	switch (code) {
	case SVM_EXIT_MSR:
		return on_msr(vcpu);
	case SVM_EXIT_IOIO:
		return on_io(vcpu);
	case SVM_EXIT_CPUID:
		return lodge_on_cpuid(vcpu);
	case SVM_EXIT_HLT:
		return lodge_on_hlt(vcpu);
	case SVM_EXIT_VMMCALL:
		return lodge_on_hypercall(vcpu);
	}
	return svm_exit_handler(code)(vcpu);
}
