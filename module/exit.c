// SPDX-License-Identifier: GPL-2.0-only
/*
 * Neutral exits. A vendor decodes its exit reason and calls one of these in
 * ring 1; what needs to sleep is left in vcpu->exit for lodge_handle_exit().
 */
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "insn.h"
#include "lodge.h"
#include "backend.h"

#define HYPERCALL_ENOSYS	(-1000l)

static enum lodge_next handle(struct lodge_vcpu *vcpu, enum lodge_exit_kind kind)
{
	vcpu->exit.kind = kind;
	return LODGE_HANDLE;
}

/* Is the guest in a 64-bit code segment? Operands are 32 bits wide if not. */
static bool code64(struct lodge_vcpu *vcpu)
{
	struct lodge_segment cs;

	if (!lodge_long_mode(vcpu))
		return false;
	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	return cs.l;
}

/**
 * lodge_advance() - leave the current instruction behind
 * @vcpu: loaded vCPU
 * @len: its length in bytes
 *
 * Ends the interrupt shadow and raises the single-step trap (SDM 17.3.1.4).
 */
void lodge_advance(struct lodge_vcpu *vcpu, unsigned int len)
{
	u64 rip = lodge_reg_read(vcpu, LODGE_RIP) + len;

	if (!lodge_long_mode(vcpu))
		rip = (u32)rip;
	lodge_reg_write(vcpu, LODGE_RIP, rip);
	if (lodge_op(get_shadow)(vcpu))
		lodge_op(set_shadow)(vcpu, 0);
	if (unlikely(lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_TF))
		lodge_queue_debug(vcpu, DR_STEP);
}

enum lodge_next lodge_on_cpuid(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);
	u32 eax = lodge_eax(vcpu), ecx = vcpu->regs[LODGE_RCX], ebx, edx;

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_count(vcpu, LODGE_STAT_CPUID);
	lodge_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	lodge_reg_write(vcpu, LODGE_RAX, eax);
	lodge_reg_write(vcpu, LODGE_RBX, ebx);
	lodge_reg_write(vcpu, LODGE_RCX, ecx);
	lodge_reg_write(vcpu, LODGE_RDX, edx);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_rdmsr(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);
	u64 value;

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_count(vcpu, LODGE_STAT_MSR);
	if (lodge_get_msr(vcpu, vcpu->regs[LODGE_RCX], &value, false))
		return lodge_gp(vcpu);
	lodge_set_edx_eax(vcpu, value);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_wrmsr(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_count(vcpu, LODGE_STAT_MSR);
	if (lodge_set_msr(vcpu, vcpu->regs[LODGE_RCX], lodge_edx_eax(vcpu), false))
		return lodge_gp(vcpu);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_hlt(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_count(vcpu, LODGE_STAT_HLT);
	lodge_advance(vcpu, len);
	vcpu->mp_state = LODGE_MP_HALTED;
	if (vcpu->exception.valid || lodge_runnable(vcpu)) {
		vcpu->mp_state = LODGE_MP_RUNNABLE;
		set_bit(LODGE_REQ_EVENT, &vcpu->requests);
		return LODGE_REENTER;
	}
	return handle(vcpu, LODGE_K_NONE);
}

/* A spinning guest: let others on this CPU have their turn. */
enum lodge_next lodge_on_pause(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_advance(vcpu, len);
	return handle(vcpu, LODGE_K_NONE);
}

enum lodge_next lodge_on_hypercall(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_count(vcpu, LODGE_STAT_HYPERCALL);
	lodge_reg_write(vcpu, LODGE_RAX, HYPERCALL_ENOSYS);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

/* AL, AX or EAX; a 32-bit result clears the upper half (SDM 3.4.1.1). */
static void set_accumulator(struct lodge_vcpu *vcpu, u32 value, u8 bytes)
{
	u64 rax = vcpu->regs[LODGE_RAX];

	if (bytes == 4)
		rax = value;
	else
		rax = (rax & ~GENMASK_ULL(bytes * 8 - 1, 0)) |
		      (value & GENMASK(bytes * 8 - 1, 0));
	lodge_reg_write(vcpu, LODGE_RAX, rax);
}

static bool pio_in_kernel(struct lodge_vcpu *vcpu, u16 port, u8 bytes, bool write)
{
	u32 value = lodge_eax(vcpu) & GENMASK(bytes * 8 - 1, 0);
	u64 wide = 0;

	if (write)
		return lodge_chip_pio_write(vcpu, port, bytes, value) ||
		       lodge_region_write(vcpu, LODGE_SPACE_PIO, port, bytes, value);
	if (!lodge_chip_pio_read(vcpu, port, bytes, &value)) {
		if (!lodge_region_read(vcpu, LODGE_SPACE_PIO, port, bytes, &wide))
			return false;
		value = wide;
	}
	set_accumulator(vcpu, value, bytes);
	return true;
}

enum lodge_next lodge_on_pio(struct lodge_vcpu *vcpu, u16 port, u8 bytes,
			     bool write, bool string)
{
	unsigned int len;

	lodge_count(vcpu, LODGE_STAT_PIO);
	if (unlikely(string))
		return handle(vcpu, LODGE_K_EMULATE);
	len = lodge_op(insn_len)(vcpu);
	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	if (pio_in_kernel(vcpu, port, bytes, write)) {
		lodge_advance(vcpu, len);
		return LODGE_REENTER;
	}
	/* RIP moves on first: the exit is a point between instructions. */
	lodge_advance(vcpu, len);
	return lodge_user_pio(vcpu, port, bytes, write);
}

/* The IN that userspace answered. */
void lodge_finish_pio_in(struct lodge_vcpu *vcpu, u32 value, u8 bytes)
{
	set_accumulator(vcpu, value, bytes);
}

enum lodge_next lodge_on_fault(struct lodge_vcpu *vcpu, u64 gpa, u32 access)
{
	lodge_count(vcpu, LODGE_STAT_FAULT);
	vcpu->exit.fault.gpa = gpa;
	vcpu->exit.fault.access = access;
	return handle(vcpu, LODGE_K_FAULT);
}

enum lodge_next lodge_on_cr_read(struct lodge_vcpu *vcpu, int cr, int gpr)
{
	unsigned int len = lodge_op(insn_len)(vcpu);
	u64 value;

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	switch (cr) {
	case 0:
		value = lodge_reg_read(vcpu, LODGE_CR0);
		break;
	case 3:
		value = lodge_reg_read(vcpu, LODGE_CR3);
		break;
	case 4:
		value = lodge_reg_read(vcpu, LODGE_CR4);
		break;
	case 8:
		value = lodge_lapic_get_cr8(vcpu);
		break;
	default:
		return lodge_on_undefined(vcpu);
	}
	lodge_reg_write(vcpu, gpr, code64(vcpu) ? value : (u32)value);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_cr_write(struct lodge_vcpu *vcpu, int cr, int gpr)
{
	unsigned int len = lodge_op(insn_len)(vcpu);
	u64 value = lodge_reg_read(vcpu, gpr);
	int ret;

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	if (!code64(vcpu))
		value = (u32)value;
	switch (cr) {
	case 0:
		ret = lodge_set_cr0(vcpu, value);
		break;
	case 3:
		ret = lodge_set_cr3(vcpu, value);
		break;
	case 4:
		ret = lodge_set_cr4(vcpu, value);
		break;
	case 8:
		ret = lodge_set_cr8(vcpu, value);
		break;
	default:
		return lodge_on_undefined(vcpu);
	}
	if (ret)
		return lodge_gp(vcpu);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

static enum lodge_next set_cr0(struct lodge_vcpu *vcpu, u64 value)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	if (lodge_set_cr0(vcpu, value))
		return lodge_gp(vcpu);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_clts(struct lodge_vcpu *vcpu)
{
	return set_cr0(vcpu, lodge_reg_read(vcpu, LODGE_CR0) & ~X86_CR0_TS);
}

/* LMSW loads PE, MP, EM and TS and cannot clear PE. */
enum lodge_next lodge_on_lmsw(struct lodge_vcpu *vcpu, u16 msw)
{
	u64 cr0 = lodge_reg_read(vcpu, LODGE_CR0);

	return set_cr0(vcpu, (cr0 & ~0xeull) | (msw & 0xf));
}

enum lodge_next lodge_on_dr(struct lodge_vcpu *vcpu, int dr, int gpr, bool write)
{
	unsigned int len = lodge_op(insn_len)(vcpu);
	u64 value;

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	if ((dr == 4 || dr == 5) && (lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_DE))
		return lodge_on_undefined(vcpu);
	if (vcpu->dr7 & LODGE_DR7_GD) {
		lodge_queue_debug(vcpu, LODGE_DR6_BD);
		vcpu->dr7 &= ~(u64)LODGE_DR7_GD;
		lodge_op(sync_dr7)(vcpu);
		return LODGE_REENTER;
	}
	if (!write) {
		lodge_reg_write(vcpu, gpr, lodge_get_dr(vcpu, dr));
	} else {
		value = lodge_reg_read(vcpu, gpr);
		if (lodge_set_dr(vcpu, dr, code64(vcpu) ? value : (u32)value))
			return lodge_gp(vcpu);
	}
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_xsetbv(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	if (lodge_op(cpl)(vcpu) || (u32)vcpu->regs[LODGE_RCX] ||
	    lodge_set_xcr0(vcpu, lodge_edx_eax(vcpu)))
		return lodge_gp(vcpu);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

/* Guest memory is coherent and no device is assigned: nothing to write back. */
enum lodge_next lodge_on_invd(struct lodge_vcpu *vcpu)
{
	unsigned int len = lodge_op(insn_len)(vcpu);

	if (unlikely(!len))
		return handle(vcpu, LODGE_K_FETCH);
	lodge_advance(vcpu, len);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_undefined(struct lodge_vcpu *vcpu)
{
	lodge_queue_exception(vcpu, X86_TRAP_UD);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_exception(struct lodge_vcpu *vcpu, u8 vector,
				   bool has_error, u32 error)
{
	if (has_error)
		lodge_queue_exception_e(vcpu, vector, error);
	else
		lodge_queue_exception(vcpu, vector);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_triple_fault(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = LODGE_EXIT_SHUTDOWN;
	return LODGE_USER;
}

enum lodge_next lodge_on_task_switch(struct lodge_vcpu *vcpu, u16 selector,
				     enum lodge_task_source source, bool has_error, u32 error)
{
	vcpu->exit.task.selector = selector;
	vcpu->exit.task.source = source;
	vcpu->exit.task.has_error = has_error;
	vcpu->exit.task.error = error;
	return handle(vcpu, LODGE_K_TASK);
}

enum lodge_next lodge_on_unexpected(struct lodge_vcpu *vcpu, u64 reason, u64 info)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, 1);

	if (__ratelimit(&limit)) {
		pr_err("lodge: VM '%s': exit %#llx (%#llx) was not expected\n",
		       vcpu->vm->name, reason, info);
		lodge_dump(vcpu);
	}
	return lodge_user_internal(vcpu, LODGE_INTERNAL_EXIT, reason, info);
}

enum lodge_next lodge_on_fail_entry(struct lodge_vcpu *vcpu, u64 reason, u64 info)
{
	struct lodge_run *run = vcpu->run;

	run->exit_reason = LODGE_EXIT_FAIL_ENTRY;
	run->fail.reason = reason;
	run->fail.info = info;
	return LODGE_USER;
}

static enum lodge_next handle_fault(struct lodge_vcpu *vcpu)
{
	u64 gpa = vcpu->exit.fault.gpa;
	u32 access = vcpu->exit.fault.access;

	switch (lodge_mmu_fault(vcpu, gpa, access)) {
	case LODGE_FAULT_DONE:
	case LODGE_FAULT_RETRY:
		return LODGE_REENTER;
	case LODGE_FAULT_MMIO:
		lodge_count(vcpu, LODGE_STAT_MMIO);
		return lodge_emulate_current(vcpu);
	default:
		return lodge_user_memory(vcpu, gpa, access, -EFAULT);
	}
}

/* Touch the code page; the guest then repeats the instruction. */
static enum lodge_next handle_fetch(struct lodge_vcpu *vcpu)
{
	u8 bytes[LODGE_INSN_MAX];
	int count = lodge_fetch_insn(vcpu, bytes, false);

	if (count > 0)
		return LODGE_REENTER;
	return lodge_user_internal(vcpu, LODGE_INTERNAL_EMULATION,
				   lodge_reg_read(vcpu, LODGE_RIP), -count);
}

/**
 * lodge_handle_exit() - ring 2: do what ring 1 left in vcpu->exit
 * @vcpu: loaded vCPU, interrupts on
 */
enum lodge_next lodge_handle_exit(struct lodge_vcpu *vcpu)
{
	switch (vcpu->exit.kind) {
	case LODGE_K_FAULT:
		return handle_fault(vcpu);
	case LODGE_K_EMULATE:
		return lodge_emulate_current(vcpu);
	case LODGE_K_FETCH:
		return handle_fetch(vcpu);
	case LODGE_K_TASK:
		return lodge_task_switch(vcpu);
	case LODGE_K_NONE:
		break;
	}
	return LODGE_REENTER;
}
