// SPDX-License-Identifier: GPL-2.0-only
/* The VMCS in the log: for states that cannot be, and entries that fail. */
#include <linux/printk.h>
#include <linux/ratelimit.h>

#include "ops.h"
#include "vmx.h"

static void dump_segments(struct lodge_vcpu *vcpu)
{
	static const char *const names[LODGE_NR_SEGS] = {
		"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr",
	};
	int i;

	for (i = 0; i < LODGE_NR_SEGS; i++)
		pr_err("lodge: %-4s %04x rights %05x limit %08x base %016lx\n",
		       names[i], vmcs_read16(GUEST_ES_SELECTOR + i * 2),
		       vmcs_read32(GUEST_ES_AR_BYTES + i * 2),
		       vmcs_read32(GUEST_ES_LIMIT + i * 2),
		       vmcs_readl(GUEST_ES_BASE + i * 2));
	pr_err("lodge: gdtr limit %08x base %016lx idtr limit %08x base %016lx\n",
	       vmcs_read32(GUEST_GDTR_LIMIT), vmcs_readl(GUEST_GDTR_BASE),
	       vmcs_read32(GUEST_IDTR_LIMIT), vmcs_readl(GUEST_IDTR_BASE));
}

static void dump_controls(void)
{
	pr_err("lodge: exit %08x qualification %016lx error %u intr %08x vectoring %08x\n",
	       vmcs_read32(VM_EXIT_REASON), vmcs_readl(EXIT_QUALIFICATION),
	       vmcs_read32(VM_INSTRUCTION_ERROR), vmcs_read32(VM_EXIT_INTR_INFO),
	       vmcs_read32(IDT_VECTORING_INFO_FIELD));
	pr_err("lodge: pin %08x primary %08x secondary %08x exit %08x entry %08x\n",
	       vmcs_read32(PIN_BASED_VM_EXEC_CONTROL),
	       vmcs_read32(CPU_BASED_VM_EXEC_CONTROL),
	       vmcs_read32(SECONDARY_VM_EXEC_CONTROL),
	       vmcs_read32(VM_EXIT_CONTROLS), vmcs_read32(VM_ENTRY_CONTROLS));
	pr_err("lodge: inject %08x interruptibility %x activity %x pending debug %lx\n",
	       vmcs_read32(VM_ENTRY_INTR_INFO_FIELD),
	       vmcs_read32(GUEST_INTERRUPTIBILITY_INFO),
	       vmcs_read32(GUEST_ACTIVITY_STATE),
	       vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS));
	pr_err("lodge: eptp %016llx vpid %u gpa %016llx\n",
	       vmcs_read64(EPT_POINTER), vmcs_read16(VIRTUAL_PROCESSOR_ID),
	       vmcs_read64(GUEST_PHYSICAL_ADDRESS));
}

static void dump_guest(void)
{
	pr_err("lodge: rip %016lx rsp %016lx rflags %08lx dr7 %08lx\n",
	       vmcs_readl(GUEST_RIP), vmcs_readl(GUEST_RSP),
	       vmcs_readl(GUEST_RFLAGS), vmcs_readl(GUEST_DR7));
	pr_err("lodge: cr0 %08lx (%08lx) cr3 %016lx cr4 %08lx (%08lx) efer %llx pat %016llx\n",
	       vmcs_readl(GUEST_CR0), vmcs_readl(CR0_READ_SHADOW),
	       vmcs_readl(GUEST_CR3), vmcs_readl(GUEST_CR4),
	       vmcs_readl(CR4_READ_SHADOW), vmcs_read64(GUEST_IA32_EFER),
	       vmcs_read64(GUEST_IA32_PAT));
}

static void dump_host(void)
{
	pr_err("lodge: host rip %016lx rsp %016lx cr0 %08lx cr3 %016lx cr4 %08lx\n",
	       vmcs_readl(HOST_RIP), vmcs_readl(HOST_RSP), vmcs_readl(HOST_CR0),
	       vmcs_readl(HOST_CR3), vmcs_readl(HOST_CR4));
	pr_err("lodge: host gs %016lx tr %016lx gdt %016lx idt %016lx efer %llx\n",
	       vmcs_readl(HOST_GS_BASE), vmcs_readl(HOST_TR_BASE),
	       vmcs_readl(HOST_GDTR_BASE), vmcs_readl(HOST_IDTR_BASE),
	       vmcs_read64(HOST_IA32_EFER));
}

/* Users can make this happen: not more often than the log bears. */
void vmx_dump(struct lodge_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, 2);

	if (!__ratelimit(&limit))
		return;
	pr_err("lodge: VM '%s' vCPU %u: VMCS\n", vcpu->vm->name, vcpu->id);
	dump_controls();
	dump_guest();
	dump_segments(vcpu);
	dump_host();
}
