// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCB of a vCPU: made, set up, moved between host CPUs; and the table of
 * all operations.
 */
#include <linux/mem_encrypt.h>

#include "svm.h"

/* Always on. SVM's own instructions do not exist for the guest. */
static const u8 always_intercepted[] = {
	INTERCEPT_CR4_WRITE, INTERCEPT_CR8_READ, INTERCEPT_CR8_WRITE, INTERCEPT_SELECTIVE_CR0,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_DB, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_UD,
	INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_AC, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_MC,
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI,
	INTERCEPT_INIT, INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_RSM, INTERCEPT_INVD,
	INTERCEPT_HLT, INTERCEPT_INVLPGA, INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT,
	INTERCEPT_TASK_SWITCH, INTERCEPT_SHUTDOWN, INTERCEPT_VMRUN, INTERCEPT_VMMCALL,
	INTERCEPT_VMLOAD, INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT,
	INTERCEPT_WBINVD, INTERCEPT_MONITOR, INTERCEPT_MWAIT, INTERCEPT_MWAIT_COND,
	INTERCEPT_XSETBV, INTERCEPT_RDPRU,
};

/* At 0x90: the kernel's name for it differs between releases. */
static u64 *misc_ctl(struct vmcb_control_area *control)
{
	return (void *)control + 0x90;
}

void svm_vcpu_free(struct lodge_vcpu *vcpu)
{
	free_page((unsigned long)to_svm(vcpu)->vmcb);
}

int svm_vcpu_init(struct lodge_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *control;
	int i;

	svm->last_cpu = -1;
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;
	control = svm_control(vcpu);
	for (i = 0; i < ARRAY_SIZE(always_intercepted); i++)
		svm_intercept(vcpu, always_intercepted[i], true);
	control->intercepts[INTERCEPT_DR] = ~0;
	/* PAUSEs of a loop, and cycles between two of them (APM 15.14.4). */
	if (boot_cpu_has(X86_FEATURE_PAUSEFILTER) && boot_cpu_has(X86_FEATURE_PFTHRESHOLD)) {
		svm_intercept(vcpu, INTERCEPT_PAUSE, true);
		control->pause_filter_count = 3000;
		control->pause_filter_thresh = 128;
	}
	control->iopm_base_pa = __sme_pa(svm_iopm);
	control->msrpm_base_pa = __sme_pa(svm_msrpm);
	control->int_ctl = V_INTR_MASKING_MASK;
	*misc_ctl(control) = 1;		/* nested paging */
	control->nested_cr3 = __sme_set(vcpu->vm->mmu.root_hpa);
	vcpu->regs_valid = BIT(LODGE_NR_REGS) - 1;
	return 0;
}

/* The tolerated fault is that of a machine which reboots. */
void svm_vcpu_load(struct lodge_vcpu *vcpu, int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->last_cpu != cpu) {
		svm->last_cpu = cpu;
		svm->asid_generation = 0;
		svm->vmcb->control.clean = 0;
	}
	lodge_isolate(vcpu);
	svm_load_tsc_ratio(c, vcpu->vm->tsc_ratio ?: SVM_TSC_ONE);
	asm volatile("1: vmsave %0\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : : "a" (__sme_pa(c->host)) : "memory");
}

void svm_vcpu_put(struct lodge_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);

	if (unlikely(c->tsc_aux != c->host_tsc_aux)) {
		c->tsc_aux = c->host_tsc_aux;
		wrmsrq(MSR_TSC_AUX, c->host_tsc_aux);
	}
}

/* There is none. */
void svm_drain_log(struct lodge_vcpu *vcpu)
{
}

/* Without flush by ASID, a new one is as good as an empty TLB. */
void svm_flush_tlb(struct lodge_vcpu *vcpu)
{
	if (boot_cpu_has(X86_FEATURE_FLUSHBYASID))
		svm_control(vcpu)->tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	else
		to_svm(vcpu)->asid_generation = 0;
}

/* Instructions that the guest's CPUID hides are undefined. */
void svm_cpuid_changed(struct lodge_vcpu *vcpu)
{
	svm_intercept(vcpu, INTERCEPT_RDTSCP, !lodge_guest_has(vcpu, X86_FEATURE_RDTSCP));
	svm_intercept(vcpu, INTERCEPT_INVPCID, boot_cpu_has(X86_FEATURE_INVPCID) &&
		      !lodge_guest_has(vcpu, X86_FEATURE_INVPCID));
}

/* What is not reached by the setters of registers, segments, MSRs and events. */
void svm_reset(struct lodge_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	memset(svm_save(vcpu), 0, sizeof(struct vmcb_save_area));
	control->event_inj = 0;
	control->exit_int_info = 0;
	control->next_rip = 0;
	svm->stepping = false;
	svm->soft = false;
	svm_close_windows(vcpu);
	svm_dirty(vcpu, SVM_C_ALL);
	vcpu->regs_valid = BIT(LODGE_NR_REGS) - 1;
}

const struct lodge_ops svm_ops = {
	.name = "AMD-V",
	.rival = "kvm_amd",
	.backend = LODGE_BACKEND_SVM,
	.vcpu_bytes = sizeof(struct svm_vcpu),
	.pt_format = &lodge_npt_format,
#define LODGE_OP(ret, op, args) .op = svm_##op,
	LODGE_OPS
#undef LODGE_OP
};
