// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU offers, and what is allocated once per module: the permission
 * maps and each host CPU's save areas.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "ops.h"
#include "svm.h"

#define CPUID_SVM		0x8000000a
#define CPUID_NESTED_PAGING	BIT(0)
#define CPUID_NRIPS		BIT(3)
#define CPUID_FLUSH_BY_ASID	BIT(6)
#define CPUID_DECODE_ASSISTS	BIT(7)
#define CPUID_V_SPEC_CTRL	BIT(20)
#define VM_CR_SVMDIS		BIT(4)

#define IOPM_BYTES		(3 * PAGE_SIZE)
#define MSRPM_BYTES		(2 * PAGE_SIZE)

struct svm_features svm_features;
void *svm_iopm;
u8 *svm_msrpm;
DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

/* Firmware turns SVM off in VM_CR, which it may have locked (APM 15.4). */
static bool disabled_by_firmware(void)
{
	u64 vm_cr;

	return !rdmsrq_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS);
}

static void read_features(void)
{
	u32 eax, asids, ecx, edx;

	cpuid(CPUID_SVM, &eax, &asids, &ecx, &edx);
	svm_features = (struct svm_features) {
		.asids = asids,
		.nrips = edx & CPUID_NRIPS,
		.flush_by_asid = edx & CPUID_FLUSH_BY_ASID,
		.decode_assists = edx & CPUID_DECODE_ASSISTS,
		.v_spec_ctrl = edx & CPUID_V_SPEC_CTRL,
		.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL),
		.ibpb = boot_cpu_has(X86_FEATURE_IBPB) && !cpu_mitigations_off(),
		.tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) ||
			   boot_cpu_has(X86_FEATURE_RDPID),
	};
}

int svm_probe(void)
{
	if (disabled_by_firmware()) {
		pr_err("lodge: AMD-V is disabled by the firmware: enable SVM in the firmware setup\n");
		return -ENODEV;
	}
	if (cpuid_eax(0x80000000) < CPUID_SVM ||
	    !(cpuid_edx(CPUID_SVM) & CPUID_NESTED_PAGING)) {
		pr_err("lodge: this CPU has AMD-V without nested paging: use a newer one, or enable npt in the hypervisor that runs this machine\n");
		return -ENODEV;
	}
	read_features();
	if (svm_features.asids < 2) {
		pr_err("lodge: this CPU offers no address space for guests: update the hypervisor that runs this machine\n");
		return -ENODEV;
	}
	if (!boot_cpu_has(X86_FEATURE_GBPAGES))
		lodge_max_leaf = min(lodge_max_leaf, 2);
	return 0;
}

static int alloc_cpu(int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

	c->hsave = (void *)get_zeroed_page(GFP_KERNEL);
	c->host = (void *)get_zeroed_page(GFP_KERNEL);
	return c->hsave && c->host ? 0 : -ENOMEM;
}

static int alloc_maps(void)
{
	svm_iopm = alloc_pages_exact(IOPM_BYTES, GFP_KERNEL);
	svm_msrpm = alloc_pages_exact(MSRPM_BYTES, GFP_KERNEL);
	if (!svm_iopm || !svm_msrpm)
		return -ENOMEM;
	memset(svm_iopm, 0xff, IOPM_BYTES);
	memset(svm_msrpm, 0xff, MSRPM_BYTES);
	svm_msrpm_build(svm_msrpm, lodge_msr_passthrough);
	return 0;
}

int svm_setup(void)
{
	int cpu, ret = alloc_maps();

	for_each_possible_cpu(cpu)
		if (!ret)
			ret = alloc_cpu(cpu);
	if (ret)
		svm_teardown();
	return ret;
}

/* Also after a setup that failed half way. */
void svm_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		free_page((unsigned long)c->hsave);
		free_page((unsigned long)c->host);
		c->hsave = NULL;
		c->host = NULL;
	}
	if (svm_iopm)
		free_pages_exact(svm_iopm, IOPM_BYTES);
	if (svm_msrpm)
		free_pages_exact(svm_msrpm, MSRPM_BYTES);
	svm_iopm = NULL;
	svm_msrpm = NULL;
}
