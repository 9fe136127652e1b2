// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what is injected next, in the order of SDM 6.9 and APM 8.5, and
 * what an exception on top of another one becomes (SDM table 6-5).
 */
#include "ops.h"

#define CONTRIBUTORY	(BIT(X86_TRAP_DE) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | \
			 BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP))
/* Those that push an error code, outside real mode (SDM table 6-1) */
#define WITH_ERROR	((CONTRIBUTORY & ~BIT(X86_TRAP_DE)) | BIT(X86_TRAP_DF) | \
			 BIT(X86_TRAP_PF) | BIT(X86_TRAP_AC))

static bool contributory(u8 vector)
{
	return BIT(vector & 31) & CONTRIBUTORY;
}

static bool is_exception(const struct lodge_event *event)
{
	return event->valid && (event->type == LODGE_EV_EXCEPTION ||
				event->type == LODGE_EV_SOFT_EXCEPTION ||
				event->type == LODGE_EV_PRIV_SOFT_EXCEPTION);
}

/* What @second raised while @first is delivered becomes; -1: a triple fault. */
int lodge_merge_exceptions(u8 first, u8 second)
{
	if (first == X86_TRAP_DF)
		return -1;
	if (first == X86_TRAP_PF ? second == X86_TRAP_PF || contributory(second) :
				   contributory(first) && contributory(second))
		return X86_TRAP_DF;
	return second;
}

void lodge_queue_exception(struct lodge_vcpu *vcpu, u8 vector, u32 error)
{
	const struct lodge_event *first = NULL;
	int merged = vector;

	if (is_exception(&vcpu->exception))
		first = &vcpu->exception;
	else if (is_exception(&vcpu->inflight))
		first = &vcpu->inflight;
	if (first)
		merged = lodge_merge_exceptions(first->vector, vector);
	if (is_exception(&vcpu->inflight))
		vcpu->inflight.valid = false;
	if (merged < 0) {
		set_bit(LODGE_REQ_TRIPLE, &vcpu->requests);
		return;
	}
	vcpu->exception = (struct lodge_event) {
		.valid = true,
		.type = LODGE_EV_EXCEPTION,
		.vector = merged,
		.has_error = BIT(merged & 31) & WITH_ERROR &&
			     (merged == X86_TRAP_DF ||
			      lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PE),
		.error = merged == X86_TRAP_DF ? 0 : error,
	};
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
}

void lodge_queue_fault(struct lodge_vcpu *vcpu, const struct lodge_exception *fault)
{
	if (fault->vector == X86_TRAP_PF)
		vcpu->cr2 = fault->cr2;
	lodge_queue_exception(vcpu, fault->vector, fault->error);
}

void lodge_queue_debug(struct lodge_vcpu *vcpu, u64 dr6)
{
	vcpu->dr6 = (vcpu->dr6 & ~(u64)DR_TRAP_BITS) | dr6;
	lodge_queue_exception(vcpu, X86_TRAP_DB, 0);
}

/* One is about to be served and one waits; lodge_prepare_events() knows more. */
void lodge_queue_nmi(struct lodge_vcpu *vcpu)
{
	atomic_add_unless(&vcpu->nmi_pending, 1, 2);
	lodge_request(vcpu, LODGE_REQ_EVENT);
}

static void inject(struct lodge_vcpu *vcpu, struct lodge_event *event)
{
	lodge_count(vcpu, LODGE_STAT_INJECT);
	if (static_branch_unlikely(&lodge_watched))
		lodge_watch_inject(vcpu, event);
	lodge_op(inject)(vcpu, event);
	event->valid = false;
}

/* Faults push RFLAGS with RF set; #DB, #DF and INT3 do not (SDM 6.8.3). */
static void inject_exception(struct lodge_vcpu *vcpu)
{
	u8 vector = vcpu->exception.vector;

	if (vector != X86_TRAP_DB && vector != X86_TRAP_DF &&
	    vcpu->exception.type == LODGE_EV_EXCEPTION)
		lodge_reg_write(vcpu, LODGE_RFLAGS,
				lodge_reg_read(vcpu, LODGE_RFLAGS) | X86_EFLAGS_RF);
	inject(vcpu, &vcpu->exception);
}

static __always_inline bool interrupt_allowed(struct lodge_vcpu *vcpu)
{
	return (lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_IF) &&
	       !(lodge_op(get_shadow)(vcpu) & LODGE_SHADOWS);
}

/* What was interrupted goes on, unless an exception's handler now masks it. */
static bool inflight_deliverable(struct lodge_vcpu *vcpu)
{
	if (!vcpu->inflight.valid)
		return false;
	return vcpu->inflight.type != LODGE_EV_INTERRUPT || interrupt_allowed(vcpu);
}

static bool inject_interrupt(struct lodge_vcpu *vcpu)
{
	struct lodge_event event = { .valid = true, .type = LODGE_EV_INTERRUPT };
	int vector;

	if (!interrupt_allowed(vcpu))
		return false;
	vector = lodge_ack_interrupt(vcpu);
	if (vector < 0)
		return false;
	event.vector = vector;
	inject(vcpu, &event);
	lodge_pv_eoi_offer(vcpu, vector);
	return true;
}

/* Some CPUs let an NMI in behind STI and some do not (SDM 27.3.1.5). */
static bool inject_nmi(struct lodge_vcpu *vcpu)
{
	struct lodge_event event = {
		.valid = true, .type = LODGE_EV_NMI, .vector = X86_TRAP_NMI,
	};

	if (!atomic_read(&vcpu->nmi_pending) || lodge_op(get_shadow)(vcpu))
		return false;
	atomic_dec(&vcpu->nmi_pending);
	inject(vcpu, &event);
	return true;
}

/* Inject what is due, ask to hear of the rest; ring 1, before an entry. */
void lodge_prepare_events(struct lodge_vcpu *vcpu)
{
	/* What came since the exit may have to wait for an EOI that exits. */
	if (unlikely(vcpu->pv.eoi_offered))
		lodge_pv_eoi_sync(vcpu, true, false);
	/* A CPU keeps one of those that come while they are masked (SDM 6.7.1). */
	if (atomic_read(&vcpu->nmi_pending) == 2 && (lodge_op(get_shadow)(vcpu) & LODGE_SHADOW_NMI))
		atomic_dec(&vcpu->nmi_pending);
	if (vcpu->exception.valid)
		inject_exception(vcpu);
	else if (inflight_deliverable(vcpu))
		inject(vcpu, &vcpu->inflight);
	else if (!inject_nmi(vcpu))
		inject_interrupt(vcpu);

	if (atomic_read(&vcpu->nmi_pending))
		lodge_op(open_nmi_window)(vcpu);
	if (vcpu->inflight.valid || lodge_must_inject(vcpu))
		lodge_op(open_interrupt_window)(vcpu);
	lodge_op(update_apic)(vcpu);
}
