// SPDX-License-Identifier: GPL-2.0-only
/*
 * EFER.SVME on this CPU: set with the first VM, cleared with the last (APM
 * 15.4), and cleared in a hurry when the host crashes.
 */
#include <linux/mem_encrypt.h>

#include "svm.h"

/* It counts in guests alone. */
void svm_load_tsc_ratio(struct svm_cpu *c, u64 ratio)
{
	if (!lodge_tsc_fraction || c->tsc_ratio == ratio)
		return;
	c->tsc_ratio = ratio;
	wrmsrq(MSR_AMD64_TSC_RATIO, ratio);
}

int svm_cpu_enable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	u64 efer;

	rdmsrq(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (wrmsrq_safe(MSR_EFER, efer | EFER_SVME))
		return -EIO;
	wrmsrq(MSR_VM_HSAVE_PA, __sme_pa(c->hsave));
	/* Another hypervisor may have filled the TLB under any ASID since. */
	c->asid_generation++;
	c->next_asid = svm_asids;
	if (boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID))
		rdmsrq(MSR_TSC_AUX, c->host_tsc_aux);
	c->tsc_aux = c->host_tsc_aux;
	c->tsc_ratio = 0;
	svm_load_tsc_ratio(c, SVM_TSC_ONE);
	return 0;
}

/* On a machine that goes down EFER.SVME may already be gone: no fault counts. */
void svm_cpu_disable(void)
{
	u64 efer;

	svm_load_tsc_ratio(this_cpu_ptr(&svm_cpu), SVM_TSC_ONE);
	wrmsrq_safe(MSR_VM_HSAVE_PA, 0);
	if (!rdmsrq_safe(MSR_EFER, &efer))
		wrmsrq_safe(MSR_EFER, efer & ~EFER_SVME);
}

/*
 * The crash may have come between CLGI and STGI, and with GIF clear neither
 * INIT nor NMI would reach this CPU (APM 15.17). STGI needs EFER.SVME.
 */
void svm_emergency(void)
{
	asm volatile("1: stgi\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b) : : : "memory");
	svm_cpu_disable();
}
