// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX operation on this CPU: entered with the first VM, left with the last (SDM
 * 24.7), and left in a hurry when the host crashes. And the instructions that
 * only work in it: all of them may fault when somebody else took the CPU out of
 * VMX operation, as a machine that goes down does.
 */
#include "vmx.h"

/* Those that take the physical address of a region */
#define VMX_REGION_INSN(insn)						\
int vmx_##insn(void *region)						\
{									\
	u64 pa = __pa(region);						\
									\
	asm goto("1: " #insn " %[pa]\n"				\
		 "jbe %l[failed]\n"					\
		 VMX_EXTABLE						\
		 : : [pa] "m" (pa) : "cc", "memory" : failed);		\
	return 0;							\
failed:									\
	return -EIO;							\
}

static VMX_REGION_INSN(vmxon)
VMX_REGION_INSN(vmclear)
VMX_REGION_INSN(vmptrld)

static void vmx_vmxoff(void)
{
	asm volatile("1: vmxoff\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
}

/**
 * vmx_invept() - forget what was cached of second-level translations
 * @eptp: EPT pointer whose translations go; 0 for all
 *
 * Translations of guest linear addresses go with them, those of every VPID
 * (SDM 29.4.3.1).
 */
int vmx_invept(u64 eptp)
{
	u64 operand[2] = { eptp };	/* and zeros */
	unsigned long type = eptp ? VMX_EPT_EXTENT_CONTEXT : VMX_EPT_EXTENT_GLOBAL;

	asm goto("1: invept %[operand], %[type]\n"
		 "jbe %l[failed]\n"
		 VMX_EXTABLE
		 : : [operand] "m" (operand), [type] "r" (type)
		 : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

/* Not inline: the callers' fast path is one branch that is not taken. */
noinline void vmx_access_failed(unsigned long field, bool write)
{
	struct vmx_vcpu *vmx = this_cpu_read(vmx_cpu.current_vcpu);

	if (READ_ONCE(lodge_rebooting))
		return;
	pr_err_ratelimited("lodge: VM%s of field %#lx failed\n",
			   write ? "WRITE" : "READ", field);
	if (vmx)
		lodge_vm_bug(vmx->vcpu.vm, "VMCS access failed");
}

static void read_host_msrs(struct vmx_cpu *c)
{
	int i;

	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		if (i == VMX_TSC_AUX && !vmx_caps.rdtscp)
			continue;
		rdmsrq(vmx_user_msr_index[i], c->host_msr[i]);
		c->msr[i] = c->host_msr[i];
	}
}

int vmx_cpu_enable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	int ret;

	if (native_read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	lodge_cr4_set_vmxe(true);
	ret = vmx_vmxon(c->vmxon);
	if (ret) {
		lodge_cr4_set_vmxe(false);
		return ret;
	}
	c->current_vcpu = NULL;
	read_host_msrs(c);
	/* Another hypervisor may have left translations behind (SDM 29.4.3.4). */
	return vmx_invept(0);
}

/* What is still in the CPU's caches of a VMCS has to reach memory first. */
void vmx_cpu_disable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx, *next;

	vmx_restore_user_msrs(c);
	list_for_each_entry_safe(vmx, next, &c->vcpus, link)
		vmx_vacate(c, vmx);
	vmx_vmxoff();
	lodge_cr4_set_vmxe(false);
}

/*
 * VMX operation blocks INIT, and a crash kernel could not start other CPUs. The
 * crash may have come in the middle of a change to the list of VMCSs: leave
 * them, nobody will read them any more.
 */
void vmx_emergency(void)
{
	if (!(native_read_cr4() & X86_CR4_VMXE))
		return;
	vmx_vmxoff();
	lodge_cr4_set_vmxe(false);
}
