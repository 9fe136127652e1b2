// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU offers, and what is allocated once per module: the MSR bitmap
 * and each host CPU's VMXON region.
 *
 * A capability MSR says which bits of a control must be one (low half) and which
 * may be one (high half; SDM A.3). The TRUE ones tell of bits that older CPUs
 * wanted set and that we want clear.
 */

#include "vmx.h"

#define CR4_FRED		BIT_ULL(32)
#define BASIC_TRUE_MSRS		BIT_ULL(55)
#define BASIC_MEMORY_TYPE	GENMASK_ULL(53, 50)
#define BASIC_WRITE_BACK	(6ull << 50)
#define CPUID_PERFMON		0xa
#define TSC_FRACTION		48		/* SDM 25.6.5 */

#define PIN_REQUIRED	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | \
			 PIN_BASED_VIRTUAL_NMIS)
/* Set and cleared as events come and go. */
#define WINDOWS		(CPU_BASED_INTR_WINDOW_EXITING | \
			 CPU_BASED_NMI_WINDOW_EXITING)
#define PRIMARY_REQUIRED						\
	(WINDOWS | CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_HLT_EXITING | \
	 CPU_BASED_MWAIT_EXITING | CPU_BASED_RDPMC_EXITING |		\
	 CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING |	\
	 CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING |	\
	 CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_MONITOR_EXITING |	\
	 CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
#define CR8_EXITING	(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING)
#define SECONDARY_REQUIRED						\
	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_VPID |	\
	 SECONDARY_EXEC_UNRESTRICTED_GUEST)
#define SECONDARY_OPTIONAL						\
	(SECONDARY_EXEC_WBINVD_EXITING | SECONDARY_EXEC_ENABLE_RDTSCP |	\
	 SECONDARY_EXEC_ENABLE_INVPCID | SECONDARY_EXEC_ENCLS_EXITING |	\
	 SECONDARY_EXEC_PAUSE_LOOP_EXITING | SECONDARY_EXEC_TSC_SCALING | \
	 SECONDARY_EXEC_ENABLE_PML | VMX_APICV)
#define EXIT_REQUIRED							\
	(VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_LOAD_IA32_EFER |	\
	 VM_EXIT_LOAD_IA32_PAT)
#define EXIT_OPTIONAL	VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL
#define ENTRY_REQUIRED							\
	(VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_IA32E_MODE |		\
	 VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT)
#define ENTRY_OPTIONAL	VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL

#define EPT_REQUIRED							\
	(VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_INVEPT_BIT | \
	 VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT)

struct vmx_caps vmx_caps;
DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

/* One 32-bit control: what is required, what is taken when possible, what the CPU insists on. */
int vmx_negotiate_one(u64 msr, u32 required, u32 optional, u32 *value)
{
	u32 must = msr, may = msr >> 32;

	if (required & ~may)
		return -ENODEV;
	*value = ((required | optional) & may) | must;
	return 0;
}

/* As much of the local APIC as the CPU can do and lodge_apicv lets it */
static void pick_apicv(struct vmx_controls *c)
{
	int most = !(c->primary & CPU_BASED_TPR_SHADOW) ? LODGE_APICV_NONE :
		   (c->secondary & VMX_APICV) != VMX_APICV ? LODGE_APICV_TPR :
		   LODGE_APICV_DELIVERY;

	lodge_apicv = min(lodge_apicv < 0 ? LODGE_APICV_TPR : lodge_apicv, most);
	c->primary &= ~(lodge_apicv ? CR8_EXITING : CPU_BASED_TPR_SHADOW);
	c->secondary &= lodge_apicv == LODGE_APICV_DELIVERY ?
			~SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE : ~VMX_APICV;
}

/* All controls of a new VMCS. @msrs: the TRUE ones where they exist */
int vmx_negotiate(const struct vmx_cap_msrs *msrs, struct vmx_controls *c)
{
	if (vmx_negotiate_one(msrs->pin, PIN_REQUIRED, 0, &c->pin) ||
	    vmx_negotiate_one(msrs->primary, PRIMARY_REQUIRED, CPU_BASED_TPR_SHADOW,
			      &c->primary) ||
	    vmx_negotiate_one(msrs->secondary, SECONDARY_REQUIRED, SECONDARY_OPTIONAL,
			      &c->secondary) ||
	    vmx_negotiate_one(msrs->exit, EXIT_REQUIRED, EXIT_OPTIONAL, &c->exit) ||
	    vmx_negotiate_one(msrs->entry, ENTRY_REQUIRED, ENTRY_OPTIONAL, &c->entry))
		return -ENODEV;
	c->primary &= ~WINDOWS;
	c->entry &= ~VM_ENTRY_IA32E_MODE;
	pick_apicv(c);
	/* The two halves of PERF_GLOBAL_CTRL's switch only make sense together. */
	if (!(c->exit & EXIT_OPTIONAL) || !(c->entry & ENTRY_OPTIONAL)) {
		c->exit &= ~EXIT_OPTIONAL;
		c->entry &= ~ENTRY_OPTIONAL;
	}
	return 0;
}

/* Four levels, write-back, and a way to forget translations (SDM A.10). */
bool vmx_ept_sufficient(u64 ept_vpid)
{
	return (ept_vpid & EPT_REQUIRED) == EPT_REQUIRED;
}

static u64 read_cap(u32 msr)
{
	u64 value;

	return rdmsrq_safe(msr, &value) ? 0 : value;
}

/* The last two exist where the bits that announce them may be set. */
static void read_cap_msrs(struct vmx_cap_msrs *msrs)
{
	u32 exact = 0;

	msrs->basic = read_cap(MSR_IA32_VMX_BASIC);
	if (msrs->basic & BASIC_TRUE_MSRS)
		exact = MSR_IA32_VMX_TRUE_PINBASED_CTLS - MSR_IA32_VMX_PINBASED_CTLS;
	msrs->pin = read_cap(MSR_IA32_VMX_PINBASED_CTLS + exact);
	msrs->primary = read_cap(MSR_IA32_VMX_PROCBASED_CTLS + exact);
	msrs->exit = read_cap(MSR_IA32_VMX_EXIT_CTLS + exact);
	msrs->entry = read_cap(MSR_IA32_VMX_ENTRY_CTLS + exact);
	msrs->secondary = read_cap(MSR_IA32_VMX_PROCBASED_CTLS2);
	msrs->ept_vpid = read_cap(MSR_IA32_VMX_EPT_VPID_CAP);
}

/* IA32_FEATURE_CONTROL (SDM 24.7): the kernel locks it when firmware did not. */
static bool disabled_by_firmware(void)
{
	u64 needed = FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;

	return (read_cap(MSR_IA32_FEAT_CTL) & needed) != needed;
}

static bool has_perf_global(void)
{
	return boot_cpu_data.cpuid_level >= CPUID_PERFMON && (cpuid_eax(CPUID_PERFMON) & 0xff) >= 2;
}

/* Which of the host's mitigations this CPU needs around a guest. */
static void read_mitigations(struct vmx_caps *caps)
{
	if (!lodge_mitigate())
		return;
	if (boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF) || boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA))
		caps->enter_flags |= BIT(VMX_ENTER_VERW);
	if (boot_cpu_has(X86_FEATURE_CLEAR_BHB_VMEXIT))
		caps->enter_flags |= BIT(VMX_ENTER_CLEAR_BHB);
	caps->flush_l1d = boot_cpu_has_bug(X86_BUG_L1TF) && boot_cpu_has(X86_FEATURE_FLUSH_L1D);
}

static void read_caps(const struct vmx_cap_msrs *msrs)
{
	struct vmx_caps *caps = &vmx_caps;

	caps->revision = vmx_basic_vmcs_revision_id(msrs->basic);
	rdmsrq(MSR_IA32_VMX_CR0_FIXED0, caps->cr0_fixed0);
	rdmsrq(MSR_IA32_VMX_CR0_FIXED1, caps->cr0_fixed1);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED0, caps->cr4_fixed0);
	rdmsrq(MSR_IA32_VMX_CR4_FIXED1, caps->cr4_fixed1);
	caps->eptp = VMX_EPTP_MT_WB;
	if (msrs->ept_vpid & VMX_EPT_AD_BIT)
		caps->eptp |= VMX_EPTP_AD_ENABLE_BIT;
	else
		lodge_dirty_marks = false;
	if (!lodge_dirty_marks)
		caps->controls.secondary &= ~SECONDARY_EXEC_ENABLE_PML;
	lodge_dirty_lists = caps->controls.secondary & SECONDARY_EXEC_ENABLE_PML;
	if (!has_perf_global()) {
		caps->controls.exit &= ~EXIT_OPTIONAL;
		caps->controls.entry &= ~ENTRY_OPTIONAL;
	}
	if (caps->controls.secondary & SECONDARY_EXEC_TSC_SCALING)
		lodge_tsc_fraction = TSC_FRACTION;
	caps->perf_global = caps->controls.entry & ENTRY_OPTIONAL;
	caps->rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	read_mitigations(caps);
}

static void limit_leaf(u64 ept_vpid)
{
	if (!(ept_vpid & VMX_EPT_1GB_PAGE_BIT))
		lodge_max_leaf = min(lodge_max_leaf, 2);
	if (!(ept_vpid & VMX_EPT_2MB_PAGE_BIT))
		lodge_max_leaf = 1;
}

int vmx_probe(void)
{
	const char *why = NULL;
	struct vmx_cap_msrs msrs;

	if (disabled_by_firmware())
		why = "VT-x is disabled by the firmware: enable it there, then power off and on";
	else if (native_read_cr4() & CR4_FRED)
		why = "VT-x under FRED event delivery is not supported: boot with fred=off";
	else if (!LODGE_CR4_IS_OURS)
		why = "Linux 6.19 and later keep VT-x to themselves: boot an older one";
	if (!why) {
		read_cap_msrs(&msrs);
		if ((msrs.basic & BASIC_MEMORY_TYPE) != BASIC_WRITE_BACK ||
		    vmx_negotiate(&msrs, &vmx_caps.controls) || !vmx_ept_sufficient(msrs.ept_vpid))
			why = "VT-x without EPT, VPID, NMIs or unrestricted guest: use a newer CPU";
	}
	if (why) {
		pr_err("lodge: %s\n", why);
		return -ENODEV;
	}
	read_caps(&msrs);
	limit_leaf(msrs.ept_vpid);
	return 0;
}

int vmx_setup(void)
{
	int cpu;

	BUILD_BUG_ON(sizeof(struct exception_table_entry) != 12);
	BUILD_BUG_ON(offsetof(struct exception_table_entry, fixup) != 4);
	BUILD_BUG_ON(VMX_FIELD_HOST_RSP != HOST_RSP);
	BUILD_BUG_ON(LODGE_R15 != 15);
	vmx_msr_bitmap = (u8 *)__get_free_pages(GFP_KERNEL, 1);
	if (!vmx_msr_bitmap)
		return -ENOMEM;
	memset(vmx_msr_bitmap, 0xff, PAGE_SIZE);
	vmx_msr_bitmap_build(vmx_msr_bitmap, lodge_msr_passthrough);
	vmx_x2apic_bitmap = vmx_msr_bitmap + PAGE_SIZE;
	memcpy(vmx_x2apic_bitmap, vmx_msr_bitmap, PAGE_SIZE);
	vmx_x2apic_bitmap_build(vmx_x2apic_bitmap);
	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);

		INIT_LIST_HEAD(&c->vcpus);
		c->vmxon = (void *)get_zeroed_page(GFP_KERNEL);
		if (!c->vmxon) {
			vmx_teardown();
			return -ENOMEM;
		}
		*(u32 *)c->vmxon = vmx_caps.revision;
	}
	return 0;
}

/* Also after a setup that failed half way. */
void vmx_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_page((unsigned long)per_cpu_ptr(&vmx_cpu, cpu)->vmxon);
	free_pages((unsigned long)vmx_msr_bitmap, 1);
}
