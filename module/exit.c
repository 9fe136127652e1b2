// SPDX-License-Identifier: GPL-2.0-only
/*
 * Neutral exits. A vendor decodes its exit reason and calls one of these in
 * ring 1; what needs to sleep is left in vcpu->exit for lodge_handle_exit().
 */
#include "cpuid.h"
#include "backend.h"

/* The third bytes of VMCALL and VMMCALL. */
#define INSN_VMCALL	0xc1
#define INSN_VMMCALL	0xd9

static enum lodge_next handle(struct lodge_vcpu *vcpu, enum lodge_exit_kind kind)
{
	vcpu->exit.kind = kind;
	return LODGE_HANDLE;
}

/* Is the guest in a 64-bit code segment? Operands are 32 bits wide if not. */
static bool code64(struct lodge_vcpu *vcpu)
{
	return lodge_long_mode(vcpu) && lodge_op(code64)(vcpu);
}

/*
 * Ends the interrupt shadow and raises the single-step trap (SDM 17.3.1.4). RIP and
 * RFLAGS are valid.
 */
static __always_inline void advance(struct lodge_vcpu *vcpu, unsigned int len, bool shadowed)
{
	u64 rip = vcpu->regs[LODGE_RIP] + len;

	vcpu->regs[LODGE_RIP] = lodge_long_mode(vcpu) ? rip : (u32)rip;
	vcpu->regs_dirty |= BIT(LODGE_RIP);
	if (unlikely(shadowed))
		lodge_op(set_shadow)(vcpu, 0);
	if (unlikely(vcpu->regs[LODGE_RFLAGS] & X86_EFLAGS_TF))
		lodge_queue_debug(vcpu, DR_STEP);
}

/**
 * lodge_advance() - leave the current instruction behind
 * @vcpu: loaded vCPU
 * @len: its length in bytes
 */
void lodge_advance(struct lodge_vcpu *vcpu, unsigned int len)
{
	lodge_reg_read(vcpu, LODGE_RIP);
	lodge_reg_read(vcpu, LODGE_RFLAGS);
	advance(vcpu, len, lodge_op(get_shadow)(vcpu) & LODGE_SHADOWS);
}

/** lodge_advance_fetched() - the same after lodge_op(fetch_insn), nothing else was done since */
void lodge_advance_fetched(struct lodge_vcpu *vcpu, unsigned int len)
{
	advance(vcpu, len, vcpu->exit.shadowed);
}

/*
 * What an instruction does, and whether it may: 0; -EINVAL for #GP; -ENXIO for
 * #UD; -EAGAIN: ring 2 has to do what vcpu->exit says before it is executed
 * again; -EINTR: it raised an exception of its own.
 */
typedef int (*action)(struct lodge_vcpu *vcpu, u64 a, u64 b);

static __always_inline enum lodge_next perform(struct lodge_vcpu *vcpu, action act, u64 a, u64 b)
{
	int ret;

	if (unlikely(!vcpu->exit.len))
		return handle(vcpu, LODGE_K_FETCH);
	ret = act(vcpu, a, b);
	if (likely(!ret)) {
		advance(vcpu, vcpu->exit.len, vcpu->exit.shadowed);
		return LODGE_REENTER;
	}
	switch (ret) {
	case -EINTR:
		return LODGE_REENTER;
	case -EAGAIN:
		return LODGE_HANDLE;
	case -ENXIO:
		return lodge_on_undefined(vcpu);
	default:
		return lodge_gp(vcpu);
	}
}

static int do_cpuid(struct lodge_vcpu *vcpu, u64 a, u64 b)
{
	lodge_reason(vcpu, LODGE_REASON_CPUID, (u32)vcpu->regs[LODGE_RAX]);
	lodge_cpuid_execute(vcpu);
	return 0;
}

static int do_rdmsr(struct lodge_vcpu *vcpu, u64 a, u64 b)
{
	lodge_reason(vcpu, LODGE_REASON_RDMSR, (u32)vcpu->regs[LODGE_RCX]);
	if (lodge_get_msr(vcpu, vcpu->regs[LODGE_RCX], &vcpu->exit.value, false))
		return -EINVAL;
	vcpu->regs[LODGE_RAX] = (u32)vcpu->exit.value;
	vcpu->regs[LODGE_RDX] = vcpu->exit.value >> 32;
	return 0;
}

static int do_wrmsr(struct lodge_vcpu *vcpu, u64 a, u64 b)
{
	lodge_reason(vcpu, LODGE_REASON_WRMSR, (u32)vcpu->regs[LODGE_RCX]);
	return lodge_set_msr(vcpu, vcpu->regs[LODGE_RCX], lodge_edx_eax(vcpu), false);
}

static int do_nothing(struct lodge_vcpu *vcpu, u64 a, u64 b)
{
	return 0;
}

enum lodge_next lodge_on_hlt(struct lodge_vcpu *vcpu)
{
	enum lodge_next next = perform(vcpu, do_nothing, 0, 0);

	if (unlikely(next != LODGE_REENTER))
		return next;
	lodge_reason(vcpu, LODGE_REASON_HLT, 0);
	vcpu->mp_state = LODGE_MP_HALTED;
	if (!vcpu->exception.valid && !lodge_runnable(vcpu))
		return handle(vcpu, LODGE_K_NONE);
	vcpu->mp_state = LODGE_MP_RUNNABLE;
	WRITE_ONCE(vcpu->pv.kicked, false);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return LODGE_REENTER;
}

/* A spinning guest: let others on this CPU have their turn. */
enum lodge_next lodge_on_pause(struct lodge_vcpu *vcpu)
{
	enum lodge_next next = perform(vcpu, do_nothing, 0, 0);

	lodge_reason(vcpu, LODGE_REASON_PAUSE, 0);
	return next == LODGE_REENTER ? handle(vcpu, LODGE_K_SPIN) : next;
}

static int do_hypercall(struct lodge_vcpu *vcpu, u64 a, u64 b)
{
	u64 mask = code64(vcpu) ? ~0ull : U32_MAX, ret = -EPERM;

	lodge_reason(vcpu, LODGE_REASON_HYPERCALL, vcpu->regs[LODGE_RAX]);
	if (!lodge_op(cpl)(vcpu))
		ret = lodge_pv_hypercall(vcpu, mask);
	vcpu->regs[LODGE_RAX] = ret & mask;
	return 0;
}

/* RIP moves on first: the exit is a point between instructions. */
static noinline enum lodge_next port_by_user(struct lodge_vcpu *vcpu, u16 port, u32 bytes, bool in)
{
	advance(vcpu, vcpu->exit.len, vcpu->exit.shadowed);
	if (in)
		vcpu->load = (struct lodge_load){ bytes, bytes, LODGE_RAX };
	return lodge_user_access(vcpu, LODGE_SPACE_PIO, port, bytes, !in,
				 vcpu->regs[LODGE_RAX] & lodge_mask(bytes));
}

static noinline enum lodge_next port_string(struct lodge_vcpu *vcpu, u16 port, bool in)
{
	lodge_reason(vcpu, LODGE_REASON_PIO, port | (in ? 0 : LODGE_INFO_WRITE));
	return handle(vcpu, LODGE_K_STRING_IO);
}

static noinline enum lodge_next port_in(struct lodge_vcpu *vcpu, u16 port, u32 bytes)
{
	u64 *rax = &vcpu->regs[LODGE_RAX], *value = &vcpu->exit.value;

	lodge_reason(vcpu, LODGE_REASON_PIO, port);
	if (!lodge_port_access(vcpu, port, bytes, false, value))
		return port_by_user(vcpu, port, bytes, true);
	if (bytes == 1)
		*(u8 *)rax = *value;
	else if (bytes == 2)
		*(u16 *)rax = *value;
	else
		*rax = (u32)*value;
	advance(vcpu, vcpu->exit.len, vcpu->exit.shadowed);
	return LODGE_REENTER;
}

static noinline enum lodge_next port_out(struct lodge_vcpu *vcpu, u16 port, u32 bytes)
{
	lodge_reason(vcpu, LODGE_REASON_PIO, port | LODGE_INFO_WRITE);
	vcpu->exit.value = (u32)vcpu->regs[LODGE_RAX];
	if (!lodge_port_access(vcpu, port, bytes, true, &vcpu->exit.value))
		return port_by_user(vcpu, port, bytes, false);
	advance(vcpu, vcpu->exit.len, vcpu->exit.shadowed);
	return LODGE_REENTER;
}

enum lodge_next lodge_on_pio(struct lodge_vcpu *vcpu, u16 port, u32 bytes, bool in, bool string)
{
	if (unlikely(string))
		return port_string(vcpu, port, in);
	if (unlikely(!vcpu->exit.len))
		return handle(vcpu, LODGE_K_FETCH);
	return in ? port_in(vcpu, port, bytes) : port_out(vcpu, port, bytes);
}

enum lodge_next lodge_on_fault(struct lodge_vcpu *vcpu, u64 gpa, u32 access, bool operand)
{
	enum lodge_next next;

	if (lodge_gpa_is_device(vcpu, gpa)) {
		next = operand ? lodge_on_mmio(vcpu, gpa, access & LODGE_ACCESS_WRITE) :
				 LODGE_HANDLE;
		if (next != LODGE_HANDLE)
			return next;
	} else if ((access & LODGE_ACCESS_WRITE) && lodge_mmu_fix_write(vcpu->vm, gpa)) {
		lodge_reason(vcpu, LODGE_REASON_FAULT, gpa);
		return LODGE_REENTER;
	}
	vcpu->exit.fault.gpa = gpa;
	vcpu->exit.fault.access = access;
	return handle(vcpu, LODGE_K_FAULT);
}

static int do_cr_read(struct lodge_vcpu *vcpu, u64 cr, u64 gpr)
{
	static const u8 regs[] = { [0] = LODGE_CR0, [3] = LODGE_CR3, [4] = LODGE_CR4 };
	u64 value;

	lodge_reason(vcpu, LODGE_REASON_CR, cr);
	if (cr == 8)
		value = lodge_lapic_get_cr8(vcpu);
	else if (cr < ARRAY_SIZE(regs) && regs[cr])
		value = lodge_reg_read(vcpu, regs[cr]);
	else
		return -ENXIO;
	lodge_reg_write(vcpu, gpr, code64(vcpu) ? value : (u32)value);
	return 0;
}

enum lodge_next lodge_on_cr_read(struct lodge_vcpu *vcpu, int cr, int gpr)
{
	return perform(vcpu, do_cr_read, cr, gpr);
}

static int do_cr_write(struct lodge_vcpu *vcpu, u64 cr, u64 value)
{
	lodge_reason(vcpu, LODGE_REASON_CR, cr | LODGE_INFO_WRITE);
	switch (cr) {
	case 0:
		return lodge_set_cr0(vcpu, value);
	case 3:
		return lodge_set_cr3(vcpu, value);
	case 4:
		return lodge_set_cr4(vcpu, value);
	case 8:
		return lodge_lapic_set_cr8(vcpu, value);
	}
	return -ENXIO;
}

enum lodge_next lodge_on_cr_write(struct lodge_vcpu *vcpu, int cr, int gpr)
{
	u64 value = lodge_reg_read(vcpu, gpr);

	return perform(vcpu, do_cr_write, cr, code64(vcpu) ? value : (u32)value);
}

enum lodge_next lodge_on_clts(struct lodge_vcpu *vcpu)
{
	return perform(vcpu, do_cr_write, 0, lodge_reg_read(vcpu, LODGE_CR0) & ~X86_CR0_TS);
}

enum lodge_next lodge_on_msw(struct lodge_vcpu *vcpu)
{
	return handle(vcpu, LODGE_K_EMULATE);
}

/* DR4 and DR5 are DR6 and DR7, or nothing (SDM 17.2.2); GD: SDM 17.2.4. */
static int check_dr(struct lodge_vcpu *vcpu, u64 dr)
{
	if ((dr == 4 || dr == 5) && (lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_DE))
		return -ENXIO;
	if (!(vcpu->dr7 & LODGE_DR7_GD))
		return 0;
	lodge_queue_debug(vcpu, LODGE_DR6_BD);
	vcpu->dr7 &= ~(u64)LODGE_DR7_GD;
	lodge_op(sync_dr7)(vcpu);
	return -EINTR;
}

static int do_dr_read(struct lodge_vcpu *vcpu, u64 dr, u64 gpr)
{
	int ret = check_dr(vcpu, dr);

	if (!ret)
		lodge_reg_write(vcpu, gpr, lodge_get_dr(vcpu, dr));
	return ret;
}

static int do_dr_write(struct lodge_vcpu *vcpu, u64 dr, u64 gpr)
{
	u64 value = lodge_reg_read(vcpu, gpr);

	return check_dr(vcpu, dr) ?: lodge_set_dr(vcpu, dr, code64(vcpu) ? value : (u32)value);
}

enum lodge_next lodge_on_dr(struct lodge_vcpu *vcpu, int dr, int gpr, bool write)
{
	lodge_reason(vcpu, LODGE_REASON_DR, dr | (write ? LODGE_INFO_WRITE : 0));
	return write ? perform(vcpu, do_dr_write, dr, gpr) : perform(vcpu, do_dr_read, dr, gpr);
}

static int do_xsetbv(struct lodge_vcpu *vcpu, u64 a, u64 b)
{
	if (lodge_op(cpl)(vcpu) || (u32)vcpu->regs[LODGE_RCX])
		return -EINVAL;
	return lodge_set_xcr0(vcpu, lodge_edx_eax(vcpu));
}

#define ON_INSN(name, action)							\
enum lodge_next lodge_on_##name(struct lodge_vcpu *vcpu)			\
{										\
	return perform(vcpu, action, 0, 0);					\
}

ON_INSN(cpuid, do_cpuid)
ON_INSN(rdmsr, do_rdmsr)
ON_INSN(wrmsr, do_wrmsr)
ON_INSN(hypercall, do_hypercall)
ON_INSN(xsetbv, do_xsetbv)
/* INVD, WBINVD: guest memory is coherent and no device is assigned. */
ON_INSN(invd, do_nothing)

enum lodge_next lodge_on_undefined(struct lodge_vcpu *vcpu)
{
	lodge_queue_exception(vcpu, X86_TRAP_UD, 0);
	return LODGE_REENTER;
}

/*
 * The other vendor's hypercall instruction, three bytes as well, is one here,
 * too: test kernels made for KVM, which rewrites it, know just one of them.
 */
enum lodge_next lodge_on_ud(struct lodge_vcpu *vcpu)
{
	struct lodge_fetch fetch;
	const u8 *bytes = fetch.bytes;

	lodge_fetch_code(vcpu, &fetch, true);
	if (unlikely(!fetch.count))
		return handle(vcpu, LODGE_K_FETCH);
	if (fetch.count < 3 || bytes[0] != 0x0f || bytes[1] != 0x01 ||
	    (bytes[2] != INSN_VMCALL && bytes[2] != INSN_VMMCALL))
		return lodge_on_exception(vcpu, X86_TRAP_UD, 0);
	do_hypercall(vcpu, 0, 0);
	lodge_advance(vcpu, 3);
	return LODGE_REENTER;
}

/*
 * A delivery may raise the next one before the CPU would take a host interrupt
 * (SDM table 6-2): it is taken here, or a guest would keep the CPU for itself.
 */
enum lodge_next lodge_on_exception(struct lodge_vcpu *vcpu, u8 vector, u32 error)
{
	lodge_reason(vcpu, LODGE_REASON_EXCEPTION, vector);
	lodge_queue_exception(vcpu, vector, error);
	return LODGE_IRQ;
}

enum lodge_next lodge_on_triple_fault(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = LODGE_EXIT_SHUTDOWN;
	return LODGE_USER;
}

enum lodge_next lodge_on_task_switch(struct lodge_vcpu *vcpu, u16 selector,
				     enum lodge_task_source source, bool has_error, u32 error)
{
	lodge_reason(vcpu, LODGE_REASON_TASK, selector);
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

	switch (lodge_mmu_fault(vcpu, gpa, vcpu->exit.fault.access)) {
	case LODGE_FAULT_DONE:
	case LODGE_FAULT_RETRY:
		lodge_reason(vcpu, LODGE_REASON_FAULT, gpa);
		return LODGE_REENTER;
	case LODGE_FAULT_MMIO:
		lodge_reason(vcpu, LODGE_REASON_MMIO, gpa);
		return lodge_emulate_current(vcpu);
	case LODGE_FAULT_WATCHED:
		lodge_reason(vcpu, LODGE_REASON_FAULT, gpa);
		return lodge_user_memory(vcpu, LODGE_EXIT_WATCH);
	default:
		return lodge_user_memory(vcpu, LODGE_EXIT_MEMORY);
	}
}

/*
 * Touch the code page; the guest then repeats the instruction. One that its
 * tables do not map any more came from a TLB: the guest gets its page fault.
 */
static enum lodge_next handle_fetch(struct lodge_vcpu *vcpu)
{
	struct lodge_fetch fetch;

	lodge_fetch_code(vcpu, &fetch, false);
	if (fetch.count)
		return LODGE_REENTER;
	switch (fetch.status) {
	case -EFAULT:
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
		fallthrough;
	case -EAGAIN:
		return LODGE_REENTER;
	case -ENODATA:
		return lodge_user_memory(vcpu, LODGE_EXIT_MEMORY);
	}
	return lodge_user_internal(vcpu, LODGE_INTERNAL_EMULATION,
				   lodge_reg_read(vcpu, LODGE_RIP), -fetch.status);
}

/* Ring 2: do what ring 1 left in vcpu->exit. */
enum lodge_next lodge_handle_exit(struct lodge_vcpu *vcpu)
{
	switch (vcpu->exit.kind) {
	case LODGE_K_FAULT:
		return handle_fault(vcpu);
	case LODGE_K_EMULATE:
	case LODGE_K_STRING_IO:
		return lodge_emulate_current(vcpu);
	case LODGE_K_FETCH:
		return handle_fetch(vcpu);
	case LODGE_K_TASK:
		return lodge_task_switch(vcpu);
	case LODGE_K_SPIN:
		lodge_yield(vcpu);
		break;
	case LODGE_K_NONE:
		break;
	}
	return LODGE_REENTER;
}
