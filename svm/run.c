// SPDX-License-Identifier: GPL-2.0-only
/*
 * One entry and exit: what is flushed into the VMCB before, what is switched
 * around it, and what is taken out of it after.
 */
#include <linux/mem_encrypt.h>
#include <asm/desc.h>

#include "svm.h"

#define REGS_ALL	(BIT(LODGE_NR_REGS) - 1)
#define REGS_VOLATILE	(BIT(LODGE_CR0) | BIT(LODGE_CR3))

/*
 * ASID 0 is the host's. When a CPU has handed out all others it starts over
 * with a new generation and an empty TLB (APM 15.16). A generation also ends
 * when SVM was off, so nothing the CPU may have cached of the VMCB counts.
 */
static void new_asid(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	if (c->next_asid >= svm_asids) {
		c->asid_generation++;
		c->next_asid = 1;
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	svm->asid_generation = c->asid_generation;
	control->asid = c->next_asid++;
	svm_dirty(&svm->vcpu, SVM_C_ALL);
}

static void flush_registers(struct lodge_vcpu *vcpu)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	save->rax = vcpu->regs[LODGE_RAX];
	save->rsp = vcpu->regs[LODGE_RSP];
	save->rip = vcpu->regs[LODGE_RIP];
	save->rflags = lodge_hw_rflags(vcpu);
	if (save->cr2 != vcpu->cr2) {
		save->cr2 = vcpu->cr2;
		svm_dirty(vcpu, SVM_C_CR2);
	}
	if (save->dr6 != vcpu->dr6) {
		save->dr6 = vcpu->dr6;
		svm_dirty(vcpu, SVM_C_DR);
	}
	vcpu->regs_dirty = 0;
}

static void store_registers(struct lodge_vcpu *vcpu)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	vcpu->regs[LODGE_RAX] = save->rax;
	vcpu->regs[LODGE_RSP] = save->rsp;
	vcpu->regs[LODGE_RIP] = save->rip;
	vcpu->regs[LODGE_RFLAGS] = save->rflags;
	vcpu->cr2 = save->cr2;
	vcpu->regs_valid = REGS_ALL & ~REGS_VOLATILE;
}

/* svm_vcpu_put() puts the host's back: nothing but userspace looks at it. */
static void load_tsc_aux(struct lodge_vcpu *vcpu, struct svm_cpu *c)
{
	u64 value = (u32)vcpu->msr.tsc_aux;

	if (unlikely(c->tsc_aux != value) && (boot_cpu_has(X86_FEATURE_RDTSCP) ||
					      boot_cpu_has(X86_FEATURE_RDPID))) {
		c->tsc_aux = value;
		wrmsrq(MSR_TSC_AUX, value);
	}
}

/** svm_stay() - before the first entry of a stay in ring 1 */
void svm_stay(struct lodge_vcpu *vcpu)
{
	store_ldt(to_svm(vcpu)->host_ldt);
}

static void before_entry(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;

	if (unlikely(svm->asid_generation != c->asid_generation))
		new_asid(svm, c);
	load_tsc_aux(vcpu, c);
	flush_registers(vcpu);
	lodge_debug_enter(vcpu);
	/* Still there after svm_enter(): the guest was not entered. */
	svm->vmcb->control.exit_code = SVM_EXIT_INVALID;
}

/*
 * Writes of the guest exit, so the MSR holds what was loaded here; where the
 * VMCB has it there is nothing to load. RCU: as vmx/run.c says.
 */
static void enter_guest(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;
	u64 guest = 0, host = 0;

	if (boot_cpu_has(X86_FEATURE_V_SPEC_CTRL)) {
		svm->vmcb->save.spec_ctrl = vcpu->msr.spec_ctrl;
	} else if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL)) {
		guest = vcpu->msr.spec_ctrl;
		host = this_cpu_read(x86_spec_ctrl_current);
	}
	context_tracking_guest_enter();
	svm_enter(vcpu->regs, __sme_pa(c->host), guest, host, __sme_pa(svm->vmcb));
	context_tracking_guest_exit();
}

/*
 * VMLOAD put back the LDT that was in use when the vCPU was loaded. The process
 * may have changed it since: it is taken from the GDT, where it is current.
 */
static void after_exit(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	if (unlikely(svm->host_ldt | c->host->save.ldtr.selector))
		asm volatile("lldt %0" : : "m" (svm->host_ldt));
	if (unlikely(svm->vmcb->save.dr6 != DR6_RESERVED))
		native_set_debugreg(6, DR6_RESERVED);
	lodge_debug_leave(&svm->vcpu);
	control->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	control->clean = SVM_C_ALL;
	store_registers(&svm->vcpu);
	control->event_inj = 0;
	if (unlikely(svm->at_iret | svm->stepping | svm->soft) ||
	    unlikely(control->exit_int_info & SVM_EVTINJ_VALID))
		svm_complete_events(&svm->vcpu);
}

enum lodge_next svm_run(struct lodge_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	before_entry(svm, c);
	enter_guest(svm, c);
	after_exit(svm, c);
	lodge_exited(vcpu, vcpu->regs[LODGE_RIP]);
	return svm_handle_exit(vcpu);
}
