// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCB of a vCPU: made, set up, moved between host CPUs; and the table of
 * all operations.
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/slab.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/trapnr.h>

#include "ops.h"
#include "svm.h"

#define PAT_RESET		0x0007040600070406ull

/* Always on. SVM's own instructions do not exist for the guest. */
static const u8 always_intercepted[] = {
	SVM_I_CR4_WRITE, SVM_I_CR8_READ, SVM_I_CR8_WRITE, SVM_I_CR0_SEL_WRITE,
	SVM_I_EXCEPTION + X86_TRAP_DB, SVM_I_EXCEPTION + X86_TRAP_AC,
	SVM_I_EXCEPTION + X86_TRAP_MC,
	SVM_I_INTR, SVM_I_NMI, SVM_I_SMI, SVM_I_INIT, SVM_I_RDPMC, SVM_I_CPUID,
	SVM_I_RSM, SVM_I_INVD, SVM_I_HLT, SVM_I_INVLPGA, SVM_I_IOIO, SVM_I_MSR,
	SVM_I_TASK_SWITCH, SVM_I_SHUTDOWN, SVM_I_VMRUN, SVM_I_VMMCALL,
	SVM_I_VMLOAD, SVM_I_VMSAVE, SVM_I_STGI, SVM_I_CLGI, SVM_I_SKINIT,
	SVM_I_WBINVD, SVM_I_MONITOR, SVM_I_MWAIT, SVM_I_MWAIT_ARMED,
	SVM_I_XSETBV, SVM_I_RDPRU,
};

static struct lodge_vcpu *svm_vcpu_alloc(void)
{
	static atomic64_t serial;
	struct svm_vcpu *svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);

	if (!svm)
		return ERR_PTR(-ENOMEM);
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb) {
		kfree(svm);
		return ERR_PTR(-ENOMEM);
	}
	svm->serial = atomic64_inc_return(&serial);
	svm->last_cpu = -1;
	return &svm->vcpu;
}

static void svm_vcpu_free(struct lodge_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	free_page((unsigned long)svm->vmcb);
	kfree(svm);
}

static int svm_vcpu_init(struct lodge_vcpu *vcpu)
{
	struct svm_control *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);
	int i;

	for (i = 0; i < ARRAY_SIZE(always_intercepted); i++)
		svm_intercept(vcpu, always_intercepted[i], true);
	for (i = 0; i < 8; i++) {
		svm_intercept(vcpu, SVM_I_DR0_READ + i, true);
		svm_intercept(vcpu, SVM_I_DR0_WRITE + i, true);
	}
	control->iopm_base = __sme_pa(svm_iopm);
	control->msrpm_base = __sme_pa(svm_msrpm);
	control->int_ctl = SVM_INT_V_MASKING;
	control->nested_ctl = SVM_NESTED_PAGING;
	control->nested_cr3 = __sme_set(vcpu->vm->mmu.root_hpa);
	svm->entry.vmcb_pa = __sme_pa(svm->vmcb);
	svm->entry.regs = vcpu->regs;
	vcpu->regs_valid = BIT(LODGE_NR_REGS) - 1;
	return 0;
}

/*
 * No branch that another vCPU, perhaps another VM's, has trained may be
 * predicted here. The tolerated fault is that of a machine which reboots.
 */
static void svm_vcpu_load(struct lodge_vcpu *vcpu, int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->last_cpu != cpu) {
		svm->last_cpu = cpu;
		svm->asid_generation = 0;
		svm->vmcb->control.clean = 0;
	}
	if (c->last_vcpu != svm->serial) {
		c->last_vcpu = svm->serial;
		if (svm_features.ibpb)
			wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	}
	asm volatile("1: vmsave %0\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : "a" (__sme_pa(c->host)) : "memory");
}

static void svm_vcpu_put(struct lodge_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);

	if (unlikely(c->tsc_aux != c->host_tsc_aux)) {
		c->tsc_aux = c->host_tsc_aux;
		wrmsrq(MSR_TSC_AUX, c->host_tsc_aux);
	}
}

/* Without flush by ASID, a new one is as good as an empty TLB. */
void svm_flush_tlb(struct lodge_vcpu *vcpu)
{
	if (svm_features.flush_by_asid)
		svm_control(vcpu)->tlb_control = SVM_TLB_FLUSH_ASID;
	else
		to_svm(vcpu)->asid_generation = 0;
}

/* Instructions that the guest's CPUID hides are undefined. */
static void svm_cpuid_changed(struct lodge_vcpu *vcpu)
{
	svm_intercept(vcpu, SVM_I_RDTSCP,
		      !lodge_guest_has(vcpu, X86_FEATURE_RDTSCP));
	svm_intercept(vcpu, SVM_I_INVPCID,
		      boot_cpu_has(X86_FEATURE_INVPCID) &&
		      !lodge_guest_has(vcpu, X86_FEATURE_INVPCID));
}

/* What is not reached by the setters of registers, segments and events. */
static void svm_reset(struct lodge_vcpu *vcpu)
{
	struct svm_control *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	memset(svm_save(vcpu), 0, sizeof(struct svm_save));
	svm_save(vcpu)->g_pat = PAT_RESET;
	control->event_inj = 0;
	control->exit_int_info = 0;
	control->next_rip = 0;
	svm->stepping = false;
	svm->soft = false;
	svm_close_interrupt_window(vcpu);
	svm_dirty(vcpu, SVM_C_ALL);
	vcpu->regs_valid = BIT(LODGE_NR_REGS) - 1;
}

const struct lodge_ops svm_ops = {
	.name = "AMD-V",
	.rival = "kvm_amd",
	.backend = LODGE_BACKEND_SVM,
	.pt_format = &lodge_npt_format,
	.probe = svm_probe,
	.setup = svm_setup,
	.teardown = svm_teardown,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.emergency = svm_emergency,
	.vcpu_alloc = svm_vcpu_alloc,
	.vcpu_free = svm_vcpu_free,
	.vcpu_init = svm_vcpu_init,
	.vcpu_load = svm_vcpu_load,
	.vcpu_put = svm_vcpu_put,
	.run = svm_run,
	.fetch_reg = svm_fetch_reg,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_dtable = svm_get_dtable,
	.set_dtable = svm_set_dtable,
	.set_cr0 = svm_set_cr0,
	.set_cr3 = svm_set_cr3,
	.set_cr4 = svm_set_cr4,
	.set_efer = svm_set_efer,
	.set_tsc_offset = svm_set_tsc_offset,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.insn_len = svm_insn_len,
	.get_shadow = svm_get_shadow,
	.set_shadow = svm_set_shadow,
	.nmi_masked = svm_nmi_masked,
	.set_nmi_masked = svm_set_nmi_masked,
	.interrupt_allowed = svm_interrupt_allowed,
	.nmi_allowed = svm_nmi_allowed,
	.open_interrupt_window = svm_open_interrupt_window,
	.open_nmi_window = svm_open_nmi_window,
	.inject = svm_inject,
	.flush_tlb = svm_flush_tlb,
	.cpuid_changed = svm_cpuid_changed,
	.reset = svm_reset,
	.sync_dr7 = svm_sync_dr7,
	.cpl = svm_cpl,
	.dump = svm_dump,
};
