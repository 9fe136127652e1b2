// SPDX-License-Identifier: GPL-2.0-only
/* The VMCS but for the neutral guest state in the log. */
#include "vmx.h"

void vmx_dump(struct lodge_vcpu *vcpu)
{
#define F(field) { #field, field }
	static const struct {
		char name[32];
		u32 field;
	} fields[] = {
		F(VM_EXIT_REASON), F(EXIT_QUALIFICATION), F(VM_INSTRUCTION_ERROR),
		F(VM_EXIT_INTR_INFO), F(IDT_VECTORING_INFO_FIELD), F(GUEST_PHYSICAL_ADDRESS),
		F(PIN_BASED_VM_EXEC_CONTROL), F(CPU_BASED_VM_EXEC_CONTROL),
		F(SECONDARY_VM_EXEC_CONTROL), F(VM_EXIT_CONTROLS), F(VM_ENTRY_CONTROLS),
		F(VM_ENTRY_INTR_INFO_FIELD), F(GUEST_INTERRUPTIBILITY_INFO),
		F(GUEST_ACTIVITY_STATE), F(GUEST_PENDING_DBG_EXCEPTIONS), F(EPT_POINTER),
		F(VIRTUAL_PROCESSOR_ID), F(GUEST_CR0), F(GUEST_CR4), F(GUEST_IA32_EFER),
		F(GUEST_IA32_PAT), F(HOST_RIP), F(HOST_RSP), F(HOST_CR0), F(HOST_CR3), F(HOST_CR4),
		F(HOST_GS_BASE), F(HOST_TR_BASE), F(HOST_GDTR_BASE), F(HOST_IDTR_BASE),
		F(HOST_IA32_EFER),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		pr_err("lodge: VMCS: %-28s %lx\n", fields[i].name, vmcs_read(fields[i].field));
}
