// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest (APM 15.20), what was being delivered when
 * the guest exited (APM 15.7.2), and the windows in which more may be injected.
 *
 * Without virtual NMIs, NMI masking is kept here: IRET is intercepted from the
 * injection on. The intercept comes before IRET is executed, and the mask has
 * to hold until it has been, so the vCPU stays "at IRET" until RIP has moved.
 */
#include "svm.h"

#define WINDOW	(V_IRQ_MASK | V_INTR_PRIO_MASK | V_IGN_TPR_MASK)

/* INT n, and INT3, INTO and INT1, which the VMCB calls exceptions. */
bool svm_event_is_soft(const struct lodge_event *event)
{
	return event->type >= LODGE_EV_SOFT_INTERRUPT ||
	       (event->type == LODGE_EV_EXCEPTION &&
		(event->vector == X86_TRAP_BP || event->vector == X86_TRAP_OF));
}

/* EVENTINJ has no types 5 and 6: VMRUN would refuse them (APM 15.20). */
u32 svm_encode_event(const struct lodge_event *event)
{
	struct lodge_event plain = *event;

	if (plain.type > LODGE_EV_SOFT_INTERRUPT)
		plain.type = LODGE_EV_EXCEPTION;
	return lodge_encode_event(&plain);
}

u32 svm_get_shadow(struct lodge_vcpu *vcpu)
{
	return (svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK ? LODGE_SHADOW_STI : 0) |
	       (to_svm(vcpu)->nmi_masked ? LODGE_SHADOW_NMI : 0);
}

void svm_set_shadow(struct lodge_vcpu *vcpu, u32 shadow)
{
	svm_control(vcpu)->int_state = shadow ? SVM_INTERRUPT_SHADOW_MASK : 0;
}

void svm_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->nmi_masked = masked;
	svm->at_iret = false;
	svm_intercept(vcpu, INTERCEPT_IRET, masked);
}

/* IRET intercepted: let it be executed, the mask ends when RIP has moved. */
void svm_iret_reached(struct lodge_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_intercept(vcpu, INTERCEPT_IRET, false);
	svm->at_iret = true;
	svm->iret_rip = vcpu->regs[LODGE_RIP];
	if (atomic_read(&vcpu->nmi_pending))
		set_bit(LODGE_REQ_EVENT, &vcpu->requests);
}

static void set_window(struct lodge_vcpu *vcpu, u32 bits)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	control->int_ctl = (control->int_ctl & ~WINDOW) | bits;
	svm_dirty(vcpu, SVM_C_INT_CTL);
	svm_intercept(vcpu, INTERCEPT_VINTR, bits);
}

/* A virtual interrupt whose delivery is intercepted and that never arrives. */
void svm_open_interrupt_window(struct lodge_vcpu *vcpu)
{
	if (!(svm_control(vcpu)->int_ctl & V_IRQ_MASK))
		set_window(vcpu, WINDOW);
}

void svm_close_windows(struct lodge_vcpu *vcpu)
{
	set_window(vcpu, 0);
}

/* The CPU knows nothing of it: V_TPR is not used. */
void svm_update_apic(struct lodge_vcpu *vcpu)
{
}

static void start_step(struct svm_vcpu *svm)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;
	u64 rflags = vcpu->regs[LODGE_RFLAGS];

	if (svm->stepping)
		return;
	svm->stepping = true;
	svm->step_rip = vcpu->regs[LODGE_RIP];
	svm->step_iret = svm->at_iret;
	svm->step_tf = rflags & X86_EFLAGS_TF;
	lodge_reg_write(vcpu, LODGE_RFLAGS, rflags | X86_EFLAGS_TF);
}

/*
 * Give RFLAGS.TF back. An IRET that was executed has loaded the guest's own
 * RFLAGS already.
 */
static void end_step(struct svm_vcpu *svm)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;
	u64 rflags = vcpu->regs[LODGE_RFLAGS];
	bool done = vcpu->regs[LODGE_RIP] != svm->step_rip;

	svm->stepping = false;
	if (!done || !svm->step_iret)
		lodge_reg_write(vcpu, LODGE_RFLAGS, (rflags & ~(u64)X86_EFLAGS_TF) | svm->step_tf);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
}

/**
 * svm_step_done() - #DB: was it our own single step?
 * @vcpu: vCPU that exited by #DB
 * @dr6: its causes; ours is taken out
 *
 * Return: true when nothing is left for the guest.
 */
bool svm_step_done(struct lodge_vcpu *vcpu, u64 *dr6)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->stepping)
		return false;
	end_step(svm);
	if (svm->step_tf)
		return false;
	*dr6 &= ~(u64)DR_STEP;
	return !(*dr6 & DR_TRAP_BITS);
}

/*
 * What keeps the NMI out decides how its end is noticed: a masked one by the
 * IRET intercept; one behind another event by an interrupt of our own, which
 * ends the guest's run after that event is delivered and before its handler's
 * first instruction; a shadow, or an IRET about to be executed, by a step.
 */
void svm_open_nmi_window(struct lodge_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->nmi_masked && !svm->at_iret)
		return;
	if (svm_control(vcpu)->event_inj & SVM_EVTINJ_VALID) {
		set_bit(LODGE_REQ_EVENT, &vcpu->requests);
		return;
	}
	start_step(svm);
}

/*
 * The return address of a software event is behind its instruction. CPUs with
 * NRIPS take it from next_rip, the others from RIP (APM 15.20).
 */
static void move_over_soft(struct svm_vcpu *svm, const struct lodge_event *event)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;

	if (!svm_event_is_soft(event) || !event->insn_len)
		return;
	svm->soft = true;
	svm->soft_rip = vcpu->regs[LODGE_RIP];
	svm->soft_next = svm->soft_rip + event->insn_len;
	lodge_reg_write(vcpu, LODGE_RIP, svm->soft_next);
	svm_control(vcpu)->next_rip = svm->soft_next;
}

void svm_inject(struct lodge_vcpu *vcpu, const struct lodge_event *event)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	control->event_inj = svm_encode_event(event);
	control->event_inj_err = event->error;
	if (event->type == LODGE_EV_NMI)
		svm_set_nmi_masked(vcpu, true);
	move_over_soft(to_svm(vcpu), event);
}

/*
 * Not delivered after all. A software event is dropped, with RIP at its
 * instruction: the guest executes that again.
 */
static void take_back(struct svm_vcpu *svm, u32 info, u32 error)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;
	struct lodge_event event;

	lodge_decode_event(info, error, &event);
	if (!event.valid)
		return;
	if (event.type == LODGE_EV_NMI)
		svm_set_nmi_masked(vcpu, false);
	if (svm_event_is_soft(&event)) {
		if (svm->soft && vcpu->regs[LODGE_RIP] == svm->soft_next)
			lodge_reg_write(vcpu, LODGE_RIP, svm->soft_rip);
		return;
	}
	vcpu->inflight = event;
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
}

/**
 * svm_complete_events() - after an exit that may have come in a delivery's way
 * @vcpu: vCPU, its registers stored
 */
void svm_complete_events(struct lodge_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	if (unlikely(svm->at_iret && vcpu->regs[LODGE_RIP] != svm->iret_rip)) {
		svm->at_iret = false;
		svm->nmi_masked = false;
		if (atomic_read(&vcpu->nmi_pending))
			set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	}
	if (unlikely(svm->stepping) && svm_exit_code(vcpu) != SVM_EXIT_EXCP_BASE + X86_TRAP_DB)
		end_step(svm);
	if (unlikely(control->exit_int_info & SVM_EVTINJ_VALID))
		take_back(svm, control->exit_int_info, control->exit_int_info_err);
	svm->soft = false;
}
