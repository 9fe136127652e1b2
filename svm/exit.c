// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exit code to handler (APM appendix C). A handler takes from the VMCB what its
 * exit needs and calls the neutral one.
 *
 * CPUs without decode assists do not say which general register an access to a
 * control or debug register uses: the instruction is read and decoded.
 */
#include <asm/mce.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/trapnr.h>

#include "insn.h"
#include "ops.h"
#include "svm.h"

#define IOIO_IN			BIT(0)
#define IOIO_STRING		BIT(2)
#define IOIO_SIZE_SHIFT		4
#define NPF_WRITE		BIT(1)
#define NPF_FETCH		BIT(4)
#define CR_IS_MOV		BIT_ULL(63)	/* decode assists (APM 15.8.1) */
#define GPR_MASK		0xf
#define TASK_IRET		BIT_ULL(36)
#define TASK_JMP		BIT_ULL(38)
#define TASK_HAS_ERROR		BIT_ULL(44)

static u32 exit_code(struct lodge_vcpu *vcpu)
{
	return svm_control(vcpu)->exit_code;
}

/**
 * svm_insn_len() - bytes of the instruction that exited
 * @vcpu: vCPU; ring 1, or ring 2 with the vCPU loaded
 *
 * Return: the length, or 0 when only ring 2 can find out.
 */
unsigned int svm_insn_len(struct lodge_vcpu *vcpu)
{
	struct svm_control *control = svm_control(vcpu);
	u64 rip = svm_save(vcpu)->rip, next = rip;

	if (svm_features.nrips)
		next = control->next_rip;
	else if (control->exit_code == SVM_EXIT_IOIO)
		next = control->exit_info_2;
	if (next - rip - 1 < LODGE_INSN_MAX)
		return next - rip;
	return lodge_insn_len_atomic(vcpu);
}

enum lodge_next svm_on_unexpected(struct lodge_vcpu *vcpu)
{
	return lodge_on_unexpected(vcpu, exit_code(vcpu),
				   svm_control(vcpu)->exit_info_1);
}

/* The guest's instruction, while it is still there: 0, or what to do instead. */
static int decode(struct lodge_vcpu *vcpu, struct lodge_insn *insn,
		  enum lodge_next *next)
{
	u8 bytes[LODGE_INSN_MAX];
	int ret = lodge_fetch_insn(vcpu, bytes, true);

	if (ret > 0)
		ret = lodge_decode(insn, bytes, ret, lodge_code_size(vcpu));
	else
		ret = -EAGAIN;
	if (!ret && insn->opcode[0] == 0x0f)
		return 0;
	*next = LODGE_HANDLE;
	vcpu->exit.kind = LODGE_K_FETCH;
	if (ret != -EAGAIN)
		*next = svm_on_unexpected(vcpu);
	return -EAGAIN;
}

/* SMSW stores CR0, as much as fits; memory gets 16 bits. */
static enum lodge_next on_smsw(struct lodge_vcpu *vcpu,
			       const struct lodge_insn *insn)
{
	u64 cr0 = lodge_reg_read(vcpu, LODGE_CR0);

	if (insn->modrm < 0xc0) {
		vcpu->exit.kind = LODGE_K_EMULATE;
		return LODGE_HANDLE;
	}
	if (insn->opsize == 2)
		cr0 = (vcpu->regs[insn->rm] & ~0xffffull) | (u16)cr0;
	lodge_reg_write(vcpu, insn->rm, cr0);
	lodge_advance(vcpu, insn->length);
	return LODGE_REENTER;
}

static enum lodge_next on_lmsw(struct lodge_vcpu *vcpu,
			       const struct lodge_insn *insn)
{
	if (insn->modrm < 0xc0) {
		vcpu->exit.kind = LODGE_K_EMULATE;
		return LODGE_HANDLE;
	}
	return lodge_on_lmsw(vcpu, lodge_reg_read(vcpu, insn->rm));
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
		if ((insn.modrm >> 3 & 7) == 4)
			return on_smsw(vcpu, &insn);
		if ((insn.modrm >> 3 & 7) == 6)
			return on_lmsw(vcpu, &insn);
		break;
	}
	return svm_on_unexpected(vcpu);
}

static enum lodge_next on_cr(struct lodge_vcpu *vcpu)
{
	u32 code = exit_code(vcpu);
	u64 info = svm_control(vcpu)->exit_info_1;
	bool write = code & 0x10;
	int cr = code & 0xf;

	if (code == SVM_EXIT_CR0_SEL_WRITE) {
		write = true;
		cr = 0;
	}
	if (!svm_features.decode_assists || !(info & CR_IS_MOV))
		return on_cr_insn(vcpu, cr);
	if (write)
		return lodge_on_cr_write(vcpu, cr, info & GPR_MASK);
	return lodge_on_cr_read(vcpu, cr, info & GPR_MASK);
}

static enum lodge_next on_dr(struct lodge_vcpu *vcpu)
{
	u32 code = exit_code(vcpu);
	struct lodge_insn insn;
	enum lodge_next next;

	if (svm_features.decode_assists)
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
	return lodge_on_exception(vcpu, X86_TRAP_DB, false, 0);
}

static enum lodge_next on_ac(struct lodge_vcpu *vcpu)
{
	return lodge_on_exception(vcpu, X86_TRAP_AC, true, 0);
}

/* The host's machine check: its handler is told that userspace was running. */
static enum lodge_next on_mc(struct lodge_vcpu *vcpu)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
	vcpu->exit.kind = LODGE_K_NONE;
	return LODGE_HANDLE;
}

static enum lodge_next on_irq(struct lodge_vcpu *vcpu)
{
	return LODGE_IRQ;
}

/* NMI, SMI and INIT were pending and reached the host at STGI. */
static enum lodge_next on_taken(struct lodge_vcpu *vcpu)
{
	return LODGE_REENTER;
}

static enum lodge_next on_vintr(struct lodge_vcpu *vcpu)
{
	svm_close_interrupt_window(vcpu);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return LODGE_REENTER;
}

static enum lodge_next on_iret(struct lodge_vcpu *vcpu)
{
	svm_iret_reached(vcpu);
	return LODGE_REENTER;
}

/**
 * svm_decode_ioio() - what an intercepted IN, OUT, INS or OUTS does
 * @info: EXITINFO1
 * @io: result
 */
void svm_decode_ioio(u64 info, struct svm_ioio *io)
{
	*io = (struct svm_ioio) {
		.port = info >> 16,
		.bytes = info >> IOIO_SIZE_SHIFT & 7,
		.in = info & IOIO_IN,
		.string = info & IOIO_STRING,
	};
}

static enum lodge_next on_ioio(struct lodge_vcpu *vcpu)
{
	struct svm_ioio io;

	svm_decode_ioio(svm_control(vcpu)->exit_info_1, &io);
	return lodge_on_pio(vcpu, io.port, io.bytes, !io.in, io.string);
}

static enum lodge_next on_msr(struct lodge_vcpu *vcpu)
{
	if (svm_control(vcpu)->exit_info_1 & 1)
		return lodge_on_wrmsr(vcpu);
	return lodge_on_rdmsr(vcpu);
}

/* There is no performance counter, so every number is out of range. */
static enum lodge_next on_rdpmc(struct lodge_vcpu *vcpu)
{
	return lodge_gp(vcpu);
}

/**
 * svm_npf_access() - access of a nested page fault as LODGE_ACCESS_*
 * @info: EXITINFO1 (APM 15.25.6)
 */
u32 svm_npf_access(u64 info)
{
	if (info & NPF_WRITE)
		return LODGE_ACCESS_WRITE;
	return info & NPF_FETCH ? LODGE_ACCESS_EXEC : LODGE_ACCESS_READ;
}

static enum lodge_next on_npf(struct lodge_vcpu *vcpu)
{
	struct svm_control *control = svm_control(vcpu);

	return lodge_on_fault(vcpu, control->exit_info_2,
			      svm_npf_access(control->exit_info_1));
}

/* APM 15.14.1. Neither IRET nor JMP nor on the way to a handler: CALL */
static enum lodge_next on_task_switch(struct lodge_vcpu *vcpu)
{
	struct svm_control *control = svm_control(vcpu);
	u64 info = control->exit_info_2;
	enum lodge_task_source source = LODGE_TASK_CALL;

	if (info & TASK_IRET)
		source = LODGE_TASK_IRET;
	else if (info & TASK_JMP)
		source = LODGE_TASK_JMP;
	else if (vcpu->inflight.valid)
		source = LODGE_TASK_GATE;
	return lodge_on_task_switch(vcpu, control->exit_info_1, source, info & TASK_HAS_ERROR,
				    info);
}

/* The CPU refused the VMCB (APM 15.5.1), or was no longer able to enter. */
static enum lodge_next on_invalid(struct lodge_vcpu *vcpu)
{
	if (!READ_ONCE(lodge_rebooting))
		svm_dump(vcpu);
	return lodge_on_fail_entry(vcpu, exit_code(vcpu),
				   svm_control(vcpu)->exit_info_1);
}

static const svm_handler handlers[] = {
	[SVM_EXIT_READ_CR0] = on_cr,
	[SVM_EXIT_READ_CR8] = on_cr,
	[SVM_EXIT_WRITE_CR0] = on_cr,
	[SVM_EXIT_WRITE_CR4] = on_cr,
	[SVM_EXIT_WRITE_CR8] = on_cr,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR7] = on_dr,
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR7] = on_dr,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_DB] = on_db,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_AC] = on_ac,
	[SVM_EXIT_EXCP_BASE + X86_TRAP_MC] = on_mc,
	[SVM_EXIT_INTR] = on_irq,
	[SVM_EXIT_NMI] = on_taken,
	[SVM_EXIT_SMI] = on_taken,
	[SVM_EXIT_INIT] = on_taken,
	[SVM_EXIT_VINTR] = on_vintr,
	[SVM_EXIT_CR0_SEL_WRITE] = on_cr,
	[SVM_EXIT_RDPMC] = on_rdpmc,
	[SVM_EXIT_CPUID] = lodge_on_cpuid,
	[SVM_EXIT_RSM] = lodge_on_undefined,
	[SVM_EXIT_IRET] = on_iret,
	[SVM_EXIT_INVD] = lodge_on_invd,
	[SVM_EXIT_PAUSE] = lodge_on_pause,
	[SVM_EXIT_HLT] = lodge_on_hlt,
	[SVM_EXIT_INVLPGA] = lodge_on_undefined,
	[SVM_EXIT_IOIO] = on_ioio,
	[SVM_EXIT_MSR] = on_msr,
	[SVM_EXIT_TASK_SWITCH] = on_task_switch,
	[SVM_EXIT_SHUTDOWN] = lodge_on_triple_fault,
	[SVM_EXIT_VMRUN] = lodge_on_undefined,
	[SVM_EXIT_VMMCALL] = lodge_on_hypercall,
	[SVM_EXIT_VMLOAD] = lodge_on_undefined,
	[SVM_EXIT_VMSAVE] = lodge_on_undefined,
	[SVM_EXIT_STGI] = lodge_on_undefined,
	[SVM_EXIT_CLGI] = lodge_on_undefined,
	[SVM_EXIT_SKINIT] = lodge_on_undefined,
	[SVM_EXIT_RDTSCP] = lodge_on_undefined,
	[SVM_EXIT_WBINVD] = lodge_on_invd,
	[SVM_EXIT_MONITOR] = lodge_on_undefined,
	[SVM_EXIT_MWAIT] = lodge_on_undefined,
	[SVM_EXIT_MWAIT_COND] = lodge_on_undefined,
	[SVM_EXIT_XSETBV] = lodge_on_xsetbv,
	[SVM_EXIT_RDPRU] = lodge_on_undefined,
	[SVM_EXIT_INVPCID] = lodge_on_undefined,
};

/**
 * svm_exit_handler() - who handles this exit code
 * @code: EXITCODE
 *
 * Return: never NULL.
 */
svm_handler svm_exit_handler(u32 code)
{
	if (code < ARRAY_SIZE(handlers))
		return handlers[code] ?: svm_on_unexpected;
	switch (code) {
	case SVM_EXIT_NPF:
		return on_npf;
	case SVM_EXIT_INVALID:
	case SVM_EXIT_BUSY:
		return on_invalid;
	}
	return svm_on_unexpected;
}
