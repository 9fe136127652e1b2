/* SPDX-License-Identifier: GPL-2.0-only */
/* What the vendors' back ends do alike. */
#ifndef LODGE_BACKEND_H
#define LODGE_BACKEND_H

#include "ops.h"

#define LODGE_DR7_ENABLES	0xff

typedef enum lodge_next (*lodge_handler)(struct lodge_vcpu *vcpu);

/* Events as both control structures hold them (SDM 25.8.3, APM 15.20). */
u32 lodge_encode_event(const struct lodge_event *event);
void lodge_decode_event(u32 info, u32 error, struct lodge_event *event);

/* Attributes of a segment as bits 55:40 of its descriptor, those of the limit 0. */
u16 lodge_pack_rights(const struct lodge_segment *seg);
void lodge_unpack_rights(u16 rights, struct lodge_segment *seg);

/* Ring 1: no branch that another vCPU has trained may be predicted. */
void lodge_isolate(struct lodge_vcpu *vcpu);
void lodge_load_debug(struct lodge_vcpu *vcpu);
void lodge_restore_debug(struct lodge_vcpu *vcpu);

/*
 * RFLAGS an entry takes, whatever userspace asked for. Virtual-8086 mode is one
 * of protected mode: VMX refuses it elsewhere (SDM 27.3.1.4), SVM does not (APM
 * 15.5.1 says nothing of it), and nothing a guest executes gets there.
 */
static inline u64 lodge_hw_rflags(struct lodge_vcpu *vcpu)
{
	u64 flags = (vcpu->regs[LODGE_RFLAGS] & LODGE_RFLAGS_DEFINED) | X86_EFLAGS_FIXED;

	if (unlikely(flags & X86_EFLAGS_VM) &&
	    (lodge_long_mode(vcpu) || !(lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PE)))
		flags &= ~(u64)X86_EFLAGS_VM;
	return flags;
}

/* Around an entry. An exit leaves DR7 without breakpoints (SDM 28.5.1, APM 15.6). */
static inline void lodge_debug_enter(struct lodge_vcpu *vcpu)
{
	if (unlikely(vcpu->dr7 & LODGE_DR7_ENABLES))
		lodge_load_debug(vcpu);
}

static inline void lodge_debug_leave(struct lodge_vcpu *vcpu)
{
	if (unlikely(this_cpu_read(cpu_dr7)))
		lodge_restore_debug(vcpu);
}

/* A machine check that ended the guest's run is the host's. */
void lodge_machine_check(void);
enum lodge_next lodge_on_machine_check(struct lodge_vcpu *vcpu);
/* A host interrupt, not acknowledged: the CPU takes it once interrupts are on. */
enum lodge_next lodge_on_host_interrupt(struct lodge_vcpu *vcpu);
/* NMI, SMI, INIT: the host has had it already. */
enum lodge_next lodge_on_taken(struct lodge_vcpu *vcpu);
/* Guest state and the back end's control structure in the log, at most so often. */
void lodge_dump(struct lodge_vcpu *vcpu);

#endif /* LODGE_BACKEND_H */
