// SPDX-License-Identifier: GPL-2.0-only
/*
 * One entry and exit: what is flushed into the VMCB before, what is switched
 * around it, and what is taken out of it after.
 */
#include <linux/mem_encrypt.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "ops.h"
#include "svm.h"

#define DR7_ENABLES	0xff
#define REGS_ALL	(BIT(LODGE_NR_REGS) - 1)
#define REGS_VOLATILE	(BIT(LODGE_CR0) | BIT(LODGE_CR3))

/*
 * ASID 0 is the host's. When a CPU has handed out all others it starts over
 * with a new generation and an empty TLB (APM 15.16). A generation also ends
 * when SVM was off, so nothing the CPU may have cached of the VMCB counts.
 */
static void new_asid(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct svm_control *control = &svm->vmcb->control;

	if (c->next_asid >= svm_features.asids) {
		c->asid_generation++;
		c->next_asid = 1;
		control->tlb_control = SVM_TLB_FLUSH_ALL;
	}
	svm->asid_generation = c->asid_generation;
	control->asid = c->next_asid++;
	svm_dirty(&svm->vcpu, SVM_C_ALL);
}

static void flush_registers(struct svm_vcpu *svm)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;
	struct svm_save *save = &svm->vmcb->save;

	save->rax = vcpu->regs[LODGE_RAX];
	save->rsp = vcpu->regs[LODGE_RSP];
	save->rip = vcpu->regs[LODGE_RIP];
	save->rflags = vcpu->regs[LODGE_RFLAGS] | X86_EFLAGS_FIXED;
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

static void store_registers(struct svm_vcpu *svm)
{
	struct lodge_vcpu *vcpu = &svm->vcpu;
	struct svm_save *save = &svm->vmcb->save;

	vcpu->regs[LODGE_RAX] = save->rax;
	vcpu->regs[LODGE_RSP] = save->rsp;
	vcpu->regs[LODGE_RIP] = save->rip;
	vcpu->regs[LODGE_RFLAGS] = save->rflags;
	vcpu->cr2 = save->cr2;
	vcpu->regs_valid = REGS_ALL & ~REGS_VOLATILE;
}

/* Writes of the guest exit, so the MSR holds what was loaded here. */
static void prepare_spec_ctrl(struct svm_vcpu *svm)
{
	struct svm_entry *entry = &svm->entry;

	if (svm_features.v_spec_ctrl) {
		svm->vmcb->save.spec_ctrl = svm->vcpu.msr.spec_ctrl;
	} else if (svm_features.spec_ctrl) {
		entry->guest_spec_ctrl = svm->vcpu.msr.spec_ctrl;
		entry->host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
		entry->switch_spec_ctrl = entry->guest_spec_ctrl !=
					  entry->host_spec_ctrl;
	}
}

/* svm_vcpu_put() puts the host's back: nothing but userspace looks at it. */
static void load_tsc_aux(struct svm_vcpu *svm, struct svm_cpu *c)
{
	u64 value = (u32)svm->vcpu.msr.tsc_aux;

	if (unlikely(svm_features.tsc_aux && c->tsc_aux != value)) {
		c->tsc_aux = value;
		wrmsrq(MSR_TSC_AUX, value);
	}
}

#define READ_DB(n)							\
({									\
	unsigned long db__;						\
									\
	asm volatile("mov %%db" #n ", %0" : "=r" (db__));		\
	db__;								\
})

static void write_db(const unsigned long *dr)
{
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

/* DR6 and DR7 are in the VMCB; DR0 to DR3 matter while DR7 enables one. */
static void load_debug(struct svm_vcpu *svm)
{
	unsigned long dr[4];
	int i;

	if (this_cpu_read(cpu_dr7)) {
		set_debugreg(0, 7);
		svm->host_dr[0] = READ_DB(0);
		svm->host_dr[1] = READ_DB(1);
		svm->host_dr[2] = READ_DB(2);
		svm->host_dr[3] = READ_DB(3);
	}
	for (i = 0; i < 4; i++)
		dr[i] = svm->vcpu.dr[i];
	write_db(dr);
}

/*
 * #VMEXIT leaves DR7 without breakpoints and the guest's DR6 (APM 15.6). What
 * the guest had in DR0 to DR3 may stay where the host uses none.
 */
static void restore_debug(struct svm_vcpu *svm)
{
	unsigned long dr7 = this_cpu_read(cpu_dr7);

	if (unlikely(svm->vmcb->save.dr6 != DR6_RESERVED))
		set_debugreg(DR6_RESERVED, 6);
	if (likely(!dr7))
		return;
	if (svm->vcpu.dr7 & DR7_ENABLES)
		write_db(svm->host_dr);
	set_debugreg(dr7, 7);
}

/*
 * VMLOAD put back the LDT that was in use when the vCPU was loaded. The process
 * may have changed it since: take it from the GDT, where it is current.
 */
static void restore_ldt(struct svm_vcpu *svm, struct svm_cpu *c)
{
	if (unlikely(svm->host_ldt | c->host->save.ldtr.selector))
		asm volatile("lldt %0" : : "m" (svm->host_ldt));
}

static void before_entry(struct svm_vcpu *svm, struct svm_cpu *c)
{
	if (unlikely(svm->asid_generation != c->asid_generation))
		new_asid(svm, c);
	flush_registers(svm);
	load_tsc_aux(svm, c);
	prepare_spec_ctrl(svm);
	if (unlikely(svm->vcpu.dr7 & DR7_ENABLES))
		load_debug(svm);
	asm volatile("sldt %0" : "=m" (svm->host_ldt));
	svm->entry.host_pa = __sme_pa(c->host);
	/* Still there after svm_enter(): the guest was not entered. */
	svm->vmcb->control.exit_code = SVM_EXIT_INVALID;
}

static void after_exit(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct svm_control *control = &svm->vmcb->control;

	restore_ldt(svm, c);
	restore_debug(svm);
	control->tlb_control = 0;
	control->clean = SVM_C_ALL;
	store_registers(svm);
	svm_complete_events(&svm->vcpu);
}

enum lodge_next svm_run(struct lodge_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	struct svm_vcpu *svm = to_svm(vcpu);
	svm_handler handler;

	before_entry(svm, c);
	lodge_context_enter();
	svm_enter(&svm->entry);
	lodge_context_exit();
	after_exit(svm, c);
	lodge_count(vcpu, LODGE_STAT_EXITS);
	handler = svm_exit_handler(svm->vmcb->control.exit_code);
	return handler(vcpu);
}
