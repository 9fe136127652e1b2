// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit reason to handler (SDM appendix C). A handler reads from the VMCS what
 * its exit needs and calls the neutral one.
 */
#include "lapic.h"
#include "vmx.h"

#define REASON_BASIC		0xffff
#define REASON_GETSEC		11
#define REASON_PCONFIG		65
#define CR_NUMBER		0xf
#define GPR_SHIFT		8
#define GPR_MASK		0xf
#define TASK_SOURCE_SHIFT	30
#define QUAL_NMI_UNBLOCKED	BIT(12)
#define QUAL_OPERAND		(EPT_VIOLATION_GVA_IS_VALID | EPT_VIOLATION_GVA_TRANSLATED)
#define APIC_OFFSET		0x3f0
#define DB_CAUSES		(DR_TRAP_BITS | LODGE_DR6_BD | DR_STEP)

enum cr_access { CR_WRITE, CR_READ, CR_CLTS, CR_LMSW };

static u64 qualification(void)
{
	return vmcs_read(EXIT_QUALIFICATION);
}

/* What leaving an instruction behind takes. */
static __always_inline void read_insn(struct lodge_vcpu *vcpu)
{
	vcpu->regs[LODGE_RIP] = vmcs_read(GUEST_RIP);
	vcpu->regs[LODGE_RFLAGS] = vmcs_read(GUEST_RFLAGS);
	vcpu->regs_valid |= BIT(LODGE_RIP) | BIT(LODGE_RFLAGS);
	vcpu->exit.len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	vcpu->exit.shadowed = vmcs_read(GUEST_INTERRUPTIBILITY_INFO) & LODGE_SHADOWS;
}

enum lodge_next vmx_on_unexpected(struct lodge_vcpu *vcpu)
{
	return lodge_on_unexpected(vcpu, to_vmx(vcpu)->exit_reason, qualification());
}

/* A trap that INT1 raised has its address behind the instruction (SDM 28.2.2). */
static enum lodge_next on_db(struct lodge_vcpu *vcpu, u32 info)
{
	u64 causes = qualification() & DB_CAUSES;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		lodge_reg_write(vcpu, LODGE_RIP, vcpu->regs[LODGE_RIP] + vcpu->exit.len);
	lodge_queue_debug(vcpu, causes);
	return LODGE_IRQ;	/* as lodge_on_exception() */
}

/* NMIs are the host's and were taken by it in vmx_run(). */
static enum lodge_next on_exception(struct lodge_vcpu *vcpu)
{
	u32 info = to_vmx(vcpu)->intr_info;
	u8 vector = info & INTR_INFO_VECTOR_MASK;
	u32 error = 0;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		return LODGE_REENTER;
	if (vector == X86_TRAP_MC)
		return lodge_on_machine_check(vcpu);
	if ((info & INTR_INFO_UNBLOCK_NMI) && vector != X86_TRAP_DF)
		vmx_iret_unblocked(to_vmx(vcpu));
	if (vector == X86_TRAP_DB)
		return on_db(vcpu, info);
	if (vector == X86_TRAP_UD)
		return lodge_on_ud(vcpu);
	if (info & INTR_INFO_DELIVER_CODE_MASK)
		error = vmcs_read(VM_EXIT_INTR_ERROR_CODE);
	return lodge_on_exception(vcpu, vector, error);
}

static enum lodge_next on_window(struct lodge_vcpu *vcpu)
{
	vmx_close_windows(vcpu);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return LODGE_REENTER;
}

/* The CPU has ended it; the I/O APIC has to hear of that. */
static enum lodge_next on_eoi(struct lodge_vcpu *vcpu)
{
	lodge_lapic_eoi_done(vcpu->lapic, qualification());
	return LODGE_REENTER;
}

/* A WRMSR that left its value in the page and is over (SDM 30.5): a self-IPI that fails */
static enum lodge_next on_apic_write(struct lodge_vcpu *vcpu)
{
	u32 offset = qualification() & APIC_OFFSET;

	lodge_x2apic_write(vcpu, APIC_BASE_MSR + (offset >> 4), vcpu->lapic->page[offset >> 2]);
	return LODGE_REENTER;
}

static enum lodge_next on_cr(struct lodge_vcpu *vcpu)
{
	u64 info = qualification();
	int cr = info & CR_NUMBER, gpr = info >> GPR_SHIFT & GPR_MASK;

	switch ((enum cr_access)((info & CONTROL_REG_ACCESS_TYPE) >> 4)) {
	case CR_WRITE:
		return lodge_on_cr_write(vcpu, cr, gpr);
	case CR_READ:
		return lodge_on_cr_read(vcpu, cr, gpr);
	case CR_CLTS:
		return lodge_on_clts(vcpu);
	case CR_LMSW:
		return lodge_on_msw(vcpu);
	}
	return vmx_on_unexpected(vcpu);
}

static enum lodge_next on_dr(struct lodge_vcpu *vcpu)
{
	u64 info = qualification();

	/* The exit may come before the check of the privilege level. */
	if (vmx_cpl(vcpu))
		return lodge_gp(vcpu);
	return lodge_on_dr(vcpu, info & DEBUG_REG_ACCESS_NUM, info >> GPR_SHIFT & GPR_MASK,
			   !(info & TYPE_MOV_FROM_DR));
}

static enum lodge_next on_io(struct lodge_vcpu *vcpu)
{
	struct lodge_pio io = vmx_decode_io(qualification());

	return lodge_on_pio(vcpu, io.port, io.bytes, io.in, io.string);
}

/* Qualification of an EPT violation as LODGE_ACCESS_* (SDM table 28-7) */
u32 vmx_ept_access(u64 qualification)
{
	if (qualification & EPT_VIOLATION_ACC_WRITE)
		return LODGE_ACCESS_WRITE;
	return qualification & EPT_VIOLATION_ACC_INSTR ? LODGE_ACCESS_EXEC : LODGE_ACCESS_READ;
}

static enum lodge_next on_ept_violation(struct lodge_vcpu *vcpu)
{
	u64 info = qualification();

	if (unlikely(info & QUAL_NMI_UNBLOCKED))
		vmx_iret_unblocked(to_vmx(vcpu));
	return lodge_on_fault(vcpu, vmcs_read(GUEST_PHYSICAL_ADDRESS), vmx_ept_access(info),
			      (info & QUAL_OPERAND) == QUAL_OPERAND);
}

/* It is drained when this stay is over. */
static enum lodge_next on_log_full(struct lodge_vcpu *vcpu)
{
	if (qualification() & QUAL_NMI_UNBLOCKED)
		vmx_iret_unblocked(to_vmx(vcpu));
	return LODGE_IRQ;
}

static enum lodge_next on_task_switch(struct lodge_vcpu *vcpu)
{
	const struct lodge_event *event = &vcpu->inflight;
	u64 info = qualification();

	return lodge_on_task_switch(vcpu, info, info >> TASK_SOURCE_SHIFT & 3,
				    event->valid && event->has_error, event->error);
}

/* The CPU refused the guest's state (SDM 27.8). */
static enum lodge_next on_entry_failure(struct lodge_vcpu *vcpu)
{
	u32 reason = to_vmx(vcpu)->exit_reason;

	if ((reason & REASON_BASIC) == EXIT_REASON_MCE_DURING_VMENTRY)
		lodge_machine_check();
	lodge_dump(vcpu);
	return lodge_on_fail_entry(vcpu, reason, qualification());
}

static const lodge_handler handlers[] = {
	[EXIT_REASON_EXCEPTION_NMI] = on_exception,
	[EXIT_REASON_EXTERNAL_INTERRUPT] = lodge_on_host_interrupt,
	[EXIT_REASON_TRIPLE_FAULT] = lodge_on_triple_fault,
	[EXIT_REASON_INTERRUPT_WINDOW] = on_window,
	[EXIT_REASON_NMI_WINDOW] = on_window,
	[EXIT_REASON_TASK_SWITCH] = on_task_switch,
	[EXIT_REASON_CPUID] = lodge_on_cpuid,
	[REASON_GETSEC] = lodge_on_undefined,
	[EXIT_REASON_HLT] = lodge_on_hlt,
	[EXIT_REASON_INVD] = lodge_on_invd,
	[EXIT_REASON_RDPMC] = lodge_gp,	/* there is no counter */
	[EXIT_REASON_VMCALL] = lodge_on_hypercall,
	[EXIT_REASON_VMCLEAR ... EXIT_REASON_VMON] = lodge_on_undefined,
	[EXIT_REASON_CR_ACCESS] = on_cr,
	[EXIT_REASON_DR_ACCESS] = on_dr,
	[EXIT_REASON_IO_INSTRUCTION] = on_io,
	[EXIT_REASON_MSR_READ] = lodge_on_rdmsr,
	[EXIT_REASON_MSR_WRITE] = lodge_on_wrmsr,
	[EXIT_REASON_MWAIT_INSTRUCTION] = lodge_on_undefined,
	[EXIT_REASON_MONITOR_INSTRUCTION] = lodge_on_undefined,
	[EXIT_REASON_PAUSE_INSTRUCTION] = lodge_on_pause,
	[EXIT_REASON_TPR_BELOW_THRESHOLD] = on_window,
	[EXIT_REASON_EOI_INDUCED] = on_eoi,
	[EXIT_REASON_EPT_VIOLATION] = on_ept_violation,
	[EXIT_REASON_INVEPT] = lodge_on_undefined,
	[EXIT_REASON_INVVPID] = lodge_on_undefined,
	[EXIT_REASON_WBINVD] = lodge_on_invd,
	[EXIT_REASON_XSETBV] = lodge_on_xsetbv,
	[EXIT_REASON_APIC_WRITE] = on_apic_write,
	[EXIT_REASON_VMFUNC] = lodge_on_undefined,
	[EXIT_REASON_ENCLS] = lodge_on_undefined,
	[EXIT_REASON_PML_FULL] = on_log_full,
	[EXIT_REASON_XSAVES ... REASON_PCONFIG] = lodge_on_undefined,
	[EXIT_REASON_UMWAIT] = lodge_on_undefined,
	[EXIT_REASON_TPAUSE] = lodge_on_undefined,
};

/* Never NULL. @reason: with its flags */
lodge_handler vmx_exit_handler(u32 reason)
{
	u32 basic = reason & REASON_BASIC;

	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return on_entry_failure;
	if (basic < ARRAY_SIZE(handlers) && handlers[basic])
		return handlers[basic];
	return vmx_on_unexpected;
}

static noinline enum lodge_next handle_other(struct lodge_vcpu *vcpu)
{
	u32 reason = to_vmx(vcpu)->exit_reason;

	if (vmx_may_vector(reason))
		vmx_complete_events(to_vmx(vcpu));
	return vmx_exit_handler(reason)(vcpu);
}

/*
 * The hottest by name: no indirect branch. An exit caused by an instruction has
 * interrupted no delivery: nothing is read for those.
 */
enum lodge_next vmx_handle_exit(struct lodge_vcpu *vcpu)
{
	u32 reason = to_vmx(vcpu)->exit_reason;

	if (reason == EXIT_REASON_EPT_VIOLATION) {
		vmx_complete_events(to_vmx(vcpu));
		return on_ept_violation(vcpu);
	}
	if (reason == EXIT_REASON_EXTERNAL_INTERRUPT)
		return lodge_on_host_interrupt(vcpu);
	read_insn(vcpu);
	switch (reason) {
	case EXIT_REASON_MSR_WRITE:
		return lodge_on_wrmsr(vcpu);
	case EXIT_REASON_IO_INSTRUCTION:
		return on_io(vcpu);
	case EXIT_REASON_CPUID:
		return lodge_on_cpuid(vcpu);
	case EXIT_REASON_HLT:
		return lodge_on_hlt(vcpu);
	case EXIT_REASON_MSR_READ:
		return lodge_on_rdmsr(vcpu);
	case EXIT_REASON_VMCALL:
		return lodge_on_hypercall(vcpu);
	}
	return handle_other(vcpu);
}
