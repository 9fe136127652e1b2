// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPU state for userspace, by ioctl and by the run page. Whatever comes in is
 * copied first and checked as a whole, so that a refusal changes nothing.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/trapnr.h>

#include "lodge.h"
#include "ioctl.h"
#include "ops.h"
#include "translate.h"

#define RFLAGS_DEFINED	0x3f7fd5ull
#define DR6_FIXED	0xffff0ff0ull
#define DR7_RESERVED	0xd000ull	/* bits 15, 14 and 12: always zero */
#define SYNC_GROUPS	(LODGE_SYNC_REGS | LODGE_SYNC_SREGS)

/**
 * lodge_rflags_fix() - reserved bits as the CPU wants them (SDM 3.4.3)
 * @rflags: any value
 */
u64 lodge_rflags_fix(u64 rflags)
{
	return (rflags & RFLAGS_DEFINED) | X86_EFLAGS_FIXED;
}

/**
 * lodge_get_regs() - general registers, RIP and RFLAGS
 * @vcpu: loaded vCPU; ring 2
 * @regs: where to
 */
void lodge_get_regs(struct lodge_vcpu *vcpu, struct lodge_regs *regs)
{
	int i;

	for (i = LODGE_RAX; i <= LODGE_R15; i++)
		regs->gpr[i] = lodge_reg_read(vcpu, i);
	regs->rip = lodge_reg_read(vcpu, LODGE_RIP);
	regs->rflags = lodge_reg_read(vcpu, LODGE_RFLAGS);
}

/**
 * lodge_set_regs() - general registers, RIP and RFLAGS
 * @vcpu: loaded vCPU; ring 2
 * @regs: any values
 */
void lodge_set_regs(struct lodge_vcpu *vcpu, const struct lodge_regs *regs)
{
	int i;

	for (i = LODGE_RAX; i <= LODGE_R15; i++)
		lodge_reg_write(vcpu, i, regs->gpr[i]);
	lodge_reg_write(vcpu, LODGE_RIP, regs->rip);
	lodge_reg_write(vcpu, LODGE_RFLAGS, lodge_rflags_fix(regs->rflags));
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);	/* IF may have changed */
}

/**
 * lodge_get_sregs() - segments, control registers and their like
 * @vcpu: loaded vCPU; ring 2
 * @sregs: where to, zeroed
 */
void lodge_get_sregs(struct lodge_vcpu *vcpu, struct lodge_sregs *sregs)
{
	int seg;

	for (seg = 0; seg < LODGE_NR_SEGS; seg++)
		lodge_op(get_segment)(vcpu, seg, &sregs->seg[seg]);
	lodge_op(get_dtable)(vcpu, false, &sregs->gdt);
	lodge_op(get_dtable)(vcpu, true, &sregs->idt);
	sregs->cr0 = lodge_reg_read(vcpu, LODGE_CR0);
	sregs->cr2 = vcpu->cr2;
	sregs->cr3 = lodge_reg_read(vcpu, LODGE_CR3);
	sregs->cr4 = lodge_reg_read(vcpu, LODGE_CR4);
	sregs->cr8 = lodge_lapic_get_cr8(vcpu);
	sregs->efer = vcpu->efer;
	sregs->apic_base = lodge_lapic_get_base(vcpu);
	sregs->xcr0 = vcpu->fpu.xcr0;
}

static bool segment_valid(const struct lodge_segment *s)
{
	if (s->type > 15 || s->dpl > 3)
		return false;
	return s->s <= 1 && s->present <= 1 && s->avl <= 1 && s->l <= 1 &&
	       s->db <= 1 && s->g <= 1 && s->unusable <= 1;
}

/* ES, CS, SS and DS have bases of 32 bits (SDM 27.3.1.2). */
static bool bases_valid(const struct lodge_sregs *s)
{
	static const u8 wide[] = { LODGE_FS, LODGE_GS, LODGE_LDTR, LODGE_TR };
	int i;

	for (i = LODGE_ES; i <= LODGE_DS; i++)
		if (!s->seg[i].unusable && s->seg[i].base >> 32)
			return false;
	for (i = 0; i < ARRAY_SIZE(wide); i++)
		if (!lodge_canonical(s->seg[wide[i]].base, false))
			return false;
	return lodge_canonical(s->gdt.base, false) &&
	       lodge_canonical(s->idt.base, false);
}

/* EFER.LMA is what LME and paging make it; long mode needs PAE (SDM 9.8.5). */
static bool mode_valid(const struct lodge_sregs *s)
{
	bool lma = (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG);
	const struct lodge_segment *cs = &s->seg[LODGE_CS];

	if (lma != !!(s->efer & EFER_LMA))
		return false;
	if (lma && !(s->cr4 & X86_CR4_PAE))
		return false;
	if (!lma && (s->cr4 & X86_CR4_PCIDE))
		return false;
	return !lma || !cs->l || !cs->db;
}

/**
 * lodge_sregs_check() - could a CPU be in this state?
 * @s: state
 * @rules: what this vCPU supports
 *
 * Return: 0 or -EINVAL.
 */
int lodge_sregs_check(const struct lodge_sregs *s,
		      const struct lodge_sregs_rules *rules)
{
	int seg;

	for (seg = 0; seg < LODGE_NR_SEGS; seg++)
		if (!segment_valid(&s->seg[seg]))
			return -EINVAL;
	if (!bases_valid(s) || !lodge_cr0_valid(s->cr0) || s->cr8 > 15)
		return -EINVAL;
	if ((s->cr4 & rules->cr4_rsvd) || (s->efer & ~rules->efer) ||
	    (s->xcr0 & ~rules->xcr0) || s->cr3 >> rules->maxphyaddr)
		return -EINVAL;
	return mode_valid(s) && lodge_xcr0_valid(s->xcr0) ? 0 : -EINVAL;
}

/* Checked values: nothing can fail from here on. */
static void apply_sregs(struct lodge_vcpu *vcpu, const struct lodge_sregs *s)
{
	int seg;

	for (seg = 0; seg < LODGE_NR_SEGS; seg++)
		lodge_op(set_segment)(vcpu, seg, &s->seg[seg]);
	lodge_op(set_dtable)(vcpu, false, &s->gdt);
	lodge_op(set_dtable)(vcpu, true, &s->idt);
	lodge_op(set_efer)(vcpu, s->efer);
	lodge_op(set_cr4)(vcpu, s->cr4);
	lodge_op(set_cr0)(vcpu, s->cr0 | X86_CR0_ET);
	lodge_op(set_cr3)(vcpu, s->cr3);
	vcpu->cr2 = s->cr2;
	lodge_lapic_set_cr8(vcpu, s->cr8);
	vcpu->fpu.xcr0 = s->xcr0;
	set_bit(LODGE_REQ_TLB, &vcpu->requests);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
}

/**
 * lodge_set_sregs() - segments, control registers and their like
 * @vcpu: loaded vCPU; ring 2
 * @sregs: private copy of what userspace wants
 *
 * Return: 0, or -EINVAL, having changed nothing.
 */
int lodge_set_sregs(struct lodge_vcpu *vcpu, const struct lodge_sregs *sregs)
{
	struct lodge_sregs_rules rules = {
		.cr4_rsvd = vcpu->cr4_guest_rsvd,
		.efer = lodge_efer_offered(vcpu),
		.xcr0 = vcpu->xcr0_mask,
		.maxphyaddr = vcpu->maxphyaddr,
	};
	int ret = lodge_sregs_check(sregs, &rules);

	if (ret)
		return ret;
	/* The one setter that may still refuse comes first. */
	ret = lodge_lapic_set_base(vcpu, sregs->apic_base);
	if (ret)
		return ret;
	apply_sregs(vcpu, sregs);
	return 0;
}

/**
 * lodge_run_sync_in() - load the register groups that userspace marked dirty
 * @vcpu: loaded vCPU, start of LODGE_RUN
 *
 * Other threads may write to the page meanwhile: copy, then check the copy.
 *
 * Return: 0 or -EINVAL.
 */
int lodge_run_sync_in(struct lodge_vcpu *vcpu)
{
	struct lodge_run *run = vcpu->run;
	u32 dirty = READ_ONCE(run->dirty);
	struct lodge_sregs sregs;
	struct lodge_regs regs;
	int ret = 0;

	if (likely(!dirty))
		return 0;
	if (dirty & ~SYNC_GROUPS)
		return -EINVAL;
	regs = run->regs;
	sregs = run->sregs;
	barrier();	/* the copies are not to be read again from the page */
	if (dirty & LODGE_SYNC_SREGS)
		ret = lodge_set_sregs(vcpu, &sregs);
	if (ret)
		return ret;
	if (dirty & LODGE_SYNC_REGS)
		lodge_set_regs(vcpu, &regs);
	WRITE_ONCE(run->dirty, 0);
	return 0;
}

/**
 * lodge_run_sync_out() - store the register groups that userspace wants
 * @vcpu: loaded vCPU, end of LODGE_RUN
 */
void lodge_run_sync_out(struct lodge_vcpu *vcpu)
{
	struct lodge_run *run = vcpu->run;
	u32 wanted = READ_ONCE(run->wanted) & SYNC_GROUPS;

	if (wanted & LODGE_SYNC_REGS)
		lodge_get_regs(vcpu, &run->regs);
	if (wanted & LODGE_SYNC_SREGS)
		lodge_get_sregs(vcpu, &run->sregs);
	WRITE_ONCE(run->valid, wanted);
}

int lodge_do_get_regs(struct lodge_target *target, void *args)
{
	lodge_get_regs(target->vcpu, &((struct lodge_get_regs *)args)->regs);
	return 0;
}

int lodge_do_set_regs(struct lodge_target *target, void *args)
{
	lodge_set_regs(target->vcpu, &((struct lodge_get_regs *)args)->regs);
	return 0;
}

int lodge_do_get_sregs(struct lodge_target *target, void *args)
{
	struct lodge_get_sregs *get = args;

	memset(&get->sregs, 0, sizeof(get->sregs));
	lodge_get_sregs(target->vcpu, &get->sregs);
	return 0;
}

int lodge_do_set_sregs(struct lodge_target *target, void *args)
{
	return lodge_set_sregs(target->vcpu,
			       &((struct lodge_get_sregs *)args)->sregs);
}

/* The list, copied; NULL for an empty one, or ERR_PTR. */
static struct lodge_msr_entry *copy_msrs(const struct lodge_msrs *msrs)
{
	if (msrs->count > LODGE_MAX_MSRS)
		return ERR_PTR(-E2BIG);
	if (!msrs->count)
		return NULL;
	return memdup_user(u64_to_user_ptr(msrs->entries),
			   msrs->count * sizeof(struct lodge_msr_entry));
}

int lodge_do_get_msrs(struct lodge_target *target, void *args)
{
	struct lodge_msrs *msrs = args;
	struct lodge_msr_entry *entries = copy_msrs(msrs);
	int ret = 0;
	u32 i;

	if (IS_ERR_OR_NULL(entries))
		return PTR_ERR_OR_ZERO(entries);
	for (i = 0; i < msrs->count; i++) {
		ret = lodge_get_msr(target->vcpu, entries[i].index,
				    &entries[i].value, true);
		if (ret)
			break;
	}
	msrs->done = i;
	if (copy_to_user(u64_to_user_ptr(msrs->entries), entries,
			 i * sizeof(*entries)))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

int lodge_do_set_msrs(struct lodge_target *target, void *args)
{
	struct lodge_msrs *msrs = args;
	struct lodge_msr_entry *entries = copy_msrs(msrs);
	int ret = 0;
	u32 i;

	if (IS_ERR_OR_NULL(entries))
		return PTR_ERR_OR_ZERO(entries);
	for (i = 0; i < msrs->count; i++) {
		ret = lodge_set_msr(target->vcpu, entries[i].index,
				    entries[i].value, true);
		if (ret)
			break;
	}
	msrs->done = i;
	kfree(entries);
	return ret;
}

static void get_exception(const struct lodge_event *event,
			  struct lodge_events *events)
{
	events->flags |= LODGE_EVENT_EXCEPTION;
	events->exception = event->vector;
	if (event->has_error) {
		events->flags |= LODGE_EVENT_ERROR_CODE;
		events->error_code = event->error;
	}
	if (event->type == LODGE_EV_SOFT_EXCEPTION ||
	    event->type == LODGE_EV_PRIV_SOFT_EXCEPTION)
		events->flags |= LODGE_EVENT_SOFT;
}

static void get_inflight(const struct lodge_event *event,
			 struct lodge_events *events)
{
	switch (event->type) {
	case LODGE_EV_SOFT_INTERRUPT:
		events->flags |= LODGE_EVENT_SOFT;
		fallthrough;
	case LODGE_EV_INTERRUPT:
		events->flags |= LODGE_EVENT_INTERRUPT;
		events->interrupt = event->vector;
		break;
	case LODGE_EV_NMI:
		events->flags |= LODGE_EVENT_NMI_INJECTED;
		break;
	default:
		get_exception(event, events);
	}
}

int lodge_do_get_events(struct lodge_target *target, void *args)
{
	struct lodge_vcpu *vcpu = target->vcpu;
	struct lodge_events *events = args;
	u32 shadow = lodge_op(get_shadow)(vcpu);

	if (vcpu->inflight.valid)
		get_inflight(&vcpu->inflight, events);
	if (vcpu->exception.valid)
		get_exception(&vcpu->exception, events);
	if (READ_ONCE(vcpu->nmi_pending))
		events->flags |= LODGE_EVENT_NMI_PENDING;
	if (lodge_op(nmi_masked)(vcpu))
		events->flags |= LODGE_EVENT_NMI_MASKED;
	if (shadow & LODGE_SHADOW_STI)
		events->flags |= LODGE_EVENT_STI_SHADOW;
	if (shadow & LODGE_SHADOW_MOVSS)
		events->flags |= LODGE_EVENT_MOVSS_SHADOW;
	return 0;
}

/**
 * lodge_events_check() - may these events be on their way together?
 * @events: from userspace
 *
 * Return: 0 or -EINVAL.
 */
int lodge_events_check(const struct lodge_events *events)
{
	u32 flags = events->flags;
	bool soft = flags & LODGE_EVENT_SOFT;
	bool exception = flags & LODGE_EVENT_EXCEPTION;
	bool interrupt = flags & LODGE_EVENT_INTERRUPT;

	if (exception && (events->exception > 31 ||
			  events->exception == X86_TRAP_NMI))
		return -EINVAL;
	if ((flags & LODGE_EVENT_ERROR_CODE) && (!exception || soft))
		return -EINVAL;
	if (soft && exception == interrupt)
		return -EINVAL;
	if (soft && exception && events->exception != X86_TRAP_BP &&
	    events->exception != X86_TRAP_OF)
		return -EINVAL;
	if (interrupt && (events->interrupt < 16 && !soft))
		return -EINVAL;
	return interrupt && (flags & LODGE_EVENT_NMI_INJECTED) ? -EINVAL : 0;
}

/* An instruction whose delivery was cut short is delivered again from RIP. */
static void set_inflight(struct lodge_vcpu *vcpu, const struct lodge_events *events)
{
	bool soft = events->flags & LODGE_EVENT_SOFT;
	struct lodge_event event = { .valid = true };

	if (events->flags & LODGE_EVENT_INTERRUPT) {
		event.type = soft ? LODGE_EV_SOFT_INTERRUPT : LODGE_EV_INTERRUPT;
		event.vector = events->interrupt;
		event.insn_len = soft ? 2 : 0;
	} else if (events->flags & LODGE_EVENT_NMI_INJECTED) {
		event.type = LODGE_EV_NMI;
		event.vector = X86_TRAP_NMI;
	} else {
		event.valid = false;
	}
	vcpu->inflight = event;
}

static void set_exception(struct lodge_vcpu *vcpu, const struct lodge_events *events)
{
	bool soft = (events->flags & LODGE_EVENT_SOFT) &&
		    (events->flags & LODGE_EVENT_EXCEPTION);

	vcpu->exception = (struct lodge_event) {
		.valid = events->flags & LODGE_EVENT_EXCEPTION,
		.type = soft ? LODGE_EV_SOFT_EXCEPTION : LODGE_EV_EXCEPTION,
		.vector = events->exception,
		.has_error = events->flags & LODGE_EVENT_ERROR_CODE,
		.error = events->error_code,
		.insn_len = soft,
	};
}

int lodge_do_set_events(struct lodge_target *target, void *args)
{
	struct lodge_vcpu *vcpu = target->vcpu;
	const struct lodge_events *events = args;
	int ret = lodge_events_check(events);
	u32 shadow = 0;

	if (ret)
		return ret;
	set_inflight(vcpu, events);
	set_exception(vcpu, events);
	WRITE_ONCE(vcpu->nmi_pending, !!(events->flags & LODGE_EVENT_NMI_PENDING));
	lodge_op(set_nmi_masked)(vcpu, events->flags & LODGE_EVENT_NMI_MASKED);
	if (events->flags & LODGE_EVENT_STI_SHADOW)
		shadow |= LODGE_SHADOW_STI;
	if (events->flags & LODGE_EVENT_MOVSS_SHADOW)
		shadow |= LODGE_SHADOW_MOVSS;
	lodge_op(set_shadow)(vcpu, shadow);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return 0;
}

int lodge_do_get_debugregs(struct lodge_target *target, void *args)
{
	struct lodge_debugregs *regs = args;
	int i;

	for (i = 0; i < 4; i++)
		regs->db[i] = lodge_get_dr(target->vcpu, i);
	regs->dr6 = lodge_get_dr(target->vcpu, 6);
	regs->dr7 = lodge_get_dr(target->vcpu, 7);
	return 0;
}

/**
 * lodge_debugregs_check() - could the registers hold this (SDM 17.2)?
 * @regs: from userspace
 *
 * Return: 0 or -EINVAL.
 */
int lodge_debugregs_check(const struct lodge_debugregs *regs)
{
	if (regs->dr6 >> 32 || regs->dr7 >> 32)
		return -EINVAL;
	return regs->dr7 & DR7_RESERVED ? -EINVAL : 0;
}

int lodge_do_set_debugregs(struct lodge_target *target, void *args)
{
	const struct lodge_debugregs *regs = args;
	int ret = lodge_debugregs_check(regs);
	int i;

	if (ret)
		return ret;
	for (i = 0; i < 4; i++)
		lodge_set_dr(target->vcpu, i, regs->db[i]);
	lodge_set_dr(target->vcpu, 6, regs->dr6);
	lodge_set_dr(target->vcpu, 7, regs->dr7);
	return 0;
}

int lodge_do_get_mp_state(struct lodge_target *target, void *args)
{
	struct lodge_mp_state *state = args;

	state->state = target->vcpu->mp_state;
	state->sipi_vector = target->vcpu->sipi_vector;
	return 0;
}

int lodge_do_set_mp_state(struct lodge_target *target, void *args)
{
	const struct lodge_mp_state *state = args;

	if (state->state > LODGE_MP_WAIT_SIPI || state->sipi_vector > 0xff)
		return -EINVAL;
	target->vcpu->sipi_vector = state->sipi_vector;
	target->vcpu->mp_state = state->state;
	return 0;
}
