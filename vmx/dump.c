// SPDX-License-Identifier: GPL-2.0-only
/* The VMCS but for the neutral guest state in the log. */
#include "vmx.h"

void vmx_dump(struct lodge_vcpu *vcpu)
{
	static const struct {
		char name[24];
		u32 field;
	} fields[] = {
		{ "exit reason", VM_EXIT_REASON }, { "qualification", EXIT_QUALIFICATION },
		{ "instruction error", VM_INSTRUCTION_ERROR },
		{ "exit interruption", VM_EXIT_INTR_INFO },
		{ "vectoring", IDT_VECTORING_INFO_FIELD },
		{ "guest physical", GUEST_PHYSICAL_ADDRESS },
		{ "pin", PIN_BASED_VM_EXEC_CONTROL }, { "primary", CPU_BASED_VM_EXEC_CONTROL },
		{ "secondary", SECONDARY_VM_EXEC_CONTROL }, { "exit", VM_EXIT_CONTROLS },
		{ "entry", VM_ENTRY_CONTROLS }, { "inject", VM_ENTRY_INTR_INFO_FIELD },
		{ "interruptibility", GUEST_INTERRUPTIBILITY_INFO },
		{ "activity", GUEST_ACTIVITY_STATE },
		{ "pending debug", GUEST_PENDING_DBG_EXCEPTIONS },
		{ "ept pointer", EPT_POINTER }, { "vpid", VIRTUAL_PROCESSOR_ID },
		{ "guest cr0", GUEST_CR0 }, { "guest cr4", GUEST_CR4 },
		{ "guest efer", GUEST_IA32_EFER }, { "guest pat", GUEST_IA32_PAT },
		{ "host rip", HOST_RIP }, { "host rsp", HOST_RSP }, { "host cr0", HOST_CR0 },
		{ "host cr3", HOST_CR3 }, { "host cr4", HOST_CR4 }, { "host gs", HOST_GS_BASE },
		{ "host tr", HOST_TR_BASE }, { "host gdt", HOST_GDTR_BASE },
		{ "host idt", HOST_IDTR_BASE }, { "host efer", HOST_IA32_EFER },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		pr_err("lodge: VMCS: %-18s %lx\n", fields[i].name, vmcs_read(fields[i].field));
}
