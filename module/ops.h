/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vendor boundary: every operation that VMX and SVM implement, once.
 * Called as lodge_op(name)(args), through static calls.
 */
#ifndef LODGE_OPS_H
#define LODGE_OPS_H

#include <linux/static_call.h>

#include "lodge.h"

/*
 * LODGE_OP(return type, name, arguments)
 *
 * probe:	can this CPU and firmware do it? 0, or -errno with one log line
 *		that names the remedy. Module load, sleeps
 * setup, teardown: once per module, after probe; allocate per-CPU areas
 * cpu_enable:	VMXON or EFER.SVME on this CPU; interrupts off; -EBUSY if owned
 * cpu_disable:	the reverse; also vacates what is loaded here
 * emergency:	as cpu_disable, from crash context: no locks, NMI-safe
 * vcpu_init:	control structures for a zeroed vCPU (vm and id are set)
 * vcpu_free:	the reverse, also of a half or nothing; the vCPU is loaded nowhere
 * vcpu_load:	make current on this CPU (preemption off)
 * vcpu_put:	leave this CPU (preemption off)
 * stay:	a stay in ring 1 begins, before its first run
 * run:		one entry and exit and its fast path; ring 1
 * fetch_reg:	fill regs[reg] from hardware; vCPU loaded
 * fetch_insn:	what looking at the instruction at RIP takes: RIP, RFLAGS and CR3 in
 *		regs[], and exit.shadowed; the privilege level, and LODGE_INSN_CODE64
 *		where CS.L; vCPU loaded
 * get_segment, set_segment: also LODGE_GDTR and LODGE_IDTR; vCPU loaded
 * set_cr0, set_cr3, set_cr4, set_efer: program checked values, update regs[]
 * set_tsc_offset: guest TSC = host TSC, scaled by the VM's ratio, + offset
 * get_msr, set_msr: MSRs that live in hardware state: segment bases, SYSENTER,
 *		SYSCALL, PAT, ...; -EINVAL when not one of ours
 * get_shadow:	LODGE_SHADOW_* that hold events off
 * set_shadow:	LODGE_SHADOWS of them
 * set_nmi_masked: LODGE_SHADOW_NMI
 * open_interrupt_window, open_nmi_window: exit as soon as it may
 * inject:	deliver this event at the next entry
 * update_apic:	tell the CPU what it has to know of the local APIC, whose registers,
 *		priorities or requests changed; ring 1, before an entry
 * drain_log:	what the CPU listed of its writes, for lodge_mark_list(); a stay ends
 * flush_tlb:	forget this vCPU's translations before the next entry; ring 1
 * cpuid_changed: guest CPUID was set: recompute intercepts; ring 2, loaded
 * reset:	control structures to power-on state; ring 2, loaded
 * get_dr7, set_dr7 live in the control structure: sync_dr7 pushes vcpu->dr7
 * cpl:		current privilege level
 * code64:	CS.L, which counts in long mode
 * dump:	log the VMCS or VMCB; any ring, loaded
 */
#define LODGE_INSN_CODE64	BIT(2)
#define LODGE_OPS							\
	LODGE_OP(int, probe, (void))					\
	LODGE_OP(int, setup, (void))					\
	LODGE_OP(void, teardown, (void))				\
	LODGE_OP(int, cpu_enable, (void))				\
	LODGE_OP(void, cpu_disable, (void))				\
	LODGE_OP(void, emergency, (void))				\
	LODGE_OP(int, vcpu_init, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, vcpu_free, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, vcpu_load, (struct lodge_vcpu *vcpu, int cpu))	\
	LODGE_OP(void, vcpu_put, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, stay, (struct lodge_vcpu *vcpu))			\
	LODGE_OP(enum lodge_next, run, (struct lodge_vcpu *vcpu))	\
	LODGE_OP(void, fetch_reg, (struct lodge_vcpu *vcpu, int reg))	\
	LODGE_OP(u32, fetch_insn, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, get_segment, (struct lodge_vcpu *vcpu, int seg,	\
				     struct lodge_segment *out))	\
	LODGE_OP(void, set_segment, (struct lodge_vcpu *vcpu, int seg,	\
				     const struct lodge_segment *in))	\
	LODGE_OP(void, set_cr0, (struct lodge_vcpu *vcpu, u64 value))	\
	LODGE_OP(void, set_cr3, (struct lodge_vcpu *vcpu, u64 value))	\
	LODGE_OP(void, set_cr4, (struct lodge_vcpu *vcpu, u64 value))	\
	LODGE_OP(void, set_efer, (struct lodge_vcpu *vcpu, u64 value))	\
	LODGE_OP(void, set_tsc_offset, (struct lodge_vcpu *vcpu, u64 offset)) \
	LODGE_OP(int, get_msr, (struct lodge_vcpu *vcpu, u32 index, u64 *value)) \
	LODGE_OP(int, set_msr, (struct lodge_vcpu *vcpu, u32 index, u64 value)) \
	LODGE_OP(u32, get_shadow, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, set_shadow, (struct lodge_vcpu *vcpu, u32 shadow)) \
	LODGE_OP(void, set_nmi_masked, (struct lodge_vcpu *vcpu, bool masked)) \
	LODGE_OP(void, open_interrupt_window, (struct lodge_vcpu *vcpu)) \
	LODGE_OP(void, open_nmi_window, (struct lodge_vcpu *vcpu))	\
	LODGE_OP(void, inject, (struct lodge_vcpu *vcpu,		\
				const struct lodge_event *event))	\
	LODGE_OP(void, update_apic, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, drain_log, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, flush_tlb, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, cpuid_changed, (struct lodge_vcpu *vcpu))	\
	LODGE_OP(void, reset, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, sync_dr7, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(int, cpl, (struct lodge_vcpu *vcpu))			\
	LODGE_OP(bool, code64, (struct lodge_vcpu *vcpu))		\
	LODGE_OP(void, dump, (struct lodge_vcpu *vcpu))

/**
 * struct lodge_ops - one vendor
 * @name: for logs
 * @rival: KVM's module for the same hardware
 * @backend: LODGE_BACKEND_*
 * @vcpu_bytes: its vCPU, which begins with struct lodge_vcpu
 * @pt_format: its second-level page-table entries
 */
struct lodge_ops {
	const char *name;
	const char *rival;
	u32 backend;
	u32 vcpu_bytes;
	const struct lodge_pt_format *pt_format;
#define LODGE_OP(ret, op, args) ret (*op) args;
	LODGE_OPS
#undef LODGE_OP
};

extern const struct lodge_ops vmx_ops;
extern const struct lodge_ops svm_ops;
/* The one in use; set once at load. */
extern const struct lodge_ops *lodge_ops;
/* Largest second-level leaf: 1, 2 or 3; a vendor's probe may change it (vm.c). */
extern int lodge_max_leaf;
/* Second-level entries have dirty marks, and they are to be used; the same. */
extern bool lodge_dirty_marks;
/* The CPU lists what it marks so: lodge_op(drain_log); the same. */
extern bool lodge_dirty_lists;

#define LODGE_OP(ret, op, args)						\
	DECLARE_STATIC_CALL(lodge_##op, *(((struct lodge_ops *)0)->op));
LODGE_OPS
#undef LODGE_OP

#define lodge_op(op)	static_call(lodge_##op)

#endif /* LODGE_OPS_H */
