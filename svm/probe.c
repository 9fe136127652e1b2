// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU offers, and what is allocated once per module: the permission
 * maps and each host CPU's save areas.
 */
#include "svm.h"

#define CPUID_SVM	0x8000000a
#define VM_CR_SVMDIS	BIT(4)

#define IOPM_BYTES	(3 * PAGE_SIZE)
#define MSRPM_BYTES	(2 * PAGE_SIZE)

u32 svm_asids;
void *svm_iopm;
u8 *svm_msrpm;
DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

/* Firmware turns SVM off in VM_CR, which it may have locked (APM 15.4). */
static bool disabled_by_firmware(void)
{
	u64 vm_cr;

	return !rdmsrq_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS);
}

int svm_probe(void)
{
	const char *why = NULL;

	svm_asids = cpuid_eax(0x80000000) < CPUID_SVM ? 0 : cpuid_ebx(CPUID_SVM);
	if (disabled_by_firmware())
		why = "AMD-V is disabled by the firmware: enable SVM in the firmware setup";
	else if (!boot_cpu_has(X86_FEATURE_NPT))
		why = "AMD-V without nested paging: enable it, or use a newer CPU";
	else if (svm_asids < 2)
		why = "no address space for guests: update what runs this machine";
	if (why) {
		pr_err("lodge: %s\n", why);
		return -ENODEV;
	}
	lodge_apicv = LODGE_APICV_NONE;
	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		lodge_tsc_fraction = SVM_TSC_FRACTION;
	if (!boot_cpu_has(X86_FEATURE_GBPAGES))
		lodge_max_leaf = min(lodge_max_leaf, 2);
	return 0;
}

int svm_setup(void)
{
	int cpu;

	svm_iopm = alloc_pages_exact(IOPM_BYTES, GFP_KERNEL);
	svm_msrpm = alloc_pages_exact(MSRPM_BYTES, GFP_KERNEL);
	if (!svm_iopm || !svm_msrpm)
		goto failed;
	memset(svm_iopm, 0xff, IOPM_BYTES);
	memset(svm_msrpm, 0xff, MSRPM_BYTES);
	svm_msrpm_build(svm_msrpm, lodge_msr_passthrough);
	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		c->hsave = (void *)get_zeroed_page(GFP_KERNEL);
		c->host = (void *)get_zeroed_page(GFP_KERNEL);
		if (!c->hsave || !c->host)
			goto failed;
	}
	return 0;
failed:
	svm_teardown();
	return -ENOMEM;
}

/* Also after a setup that failed half way: nothing is freed twice. */
void svm_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		free_page((unsigned long)c->hsave);
		free_page((unsigned long)c->host);
	}
	if (svm_iopm)
		free_pages_exact(svm_iopm, IOPM_BYTES);
	if (svm_msrpm)
		free_pages_exact(svm_msrpm, MSRPM_BYTES);
}
