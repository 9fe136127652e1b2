// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of the guest that hardware holds: in the VMCS, in the CPU while the vCPU
 * is loaded (KERNEL_GS_BASE), and in the CPU until it returns to userspace (those
 * of SYSCALL, TSC_AUX), which the host itself only uses there.
 *
 * One bitmap (SDM 25.6.9) serves all vCPUs: what is open in it is switched with
 * the guest, whoever it is.
 */
#include <linux/irqflags.h>
#include <asm/msr.h>

#include "vmx.h"

#define RANGE_MSRS	0x2000
#define RANGE_HIGH	0xc0000000u
#define BITMAP_HIGH	0x400
#define BITMAP_WRITE	0x800

u8 *vmx_msr_bitmap;

const u32 vmx_user_msr_index[VMX_NR_USER_MSRS] = {
	[VMX_STAR] = MSR_STAR,
	[VMX_LSTAR] = MSR_LSTAR,
	[VMX_CSTAR] = MSR_CSTAR,
	[VMX_SFMASK] = MSR_SYSCALL_MASK,
	[VMX_TSC_AUX] = MSR_TSC_AUX,
};

/**
 * vmx_msr_bit() - place of an MSR in the bitmap
 * @index: MSR
 * @write: of WRMSR, else of RDMSR
 *
 * Return: bit number; -EINVAL when the bitmap does not cover the MSR, access to
 * which always exits.
 */
int vmx_msr_bit(u32 index, bool write)
{
	int bytes = write ? BITMAP_WRITE : 0;

	if (index - RANGE_HIGH < RANGE_MSRS)
		return (bytes + BITMAP_HIGH) * 8 + (index - RANGE_HIGH);
	if (index < RANGE_MSRS)
		return bytes * 8 + index;
	return -EINVAL;
}

/*
 * Open are the MSRs that entry and exit switch or that are switched with the
 * vCPU. Those of SYSCALL are not: what the guest wrote would have to be read
 * back each time. Address checks are the CPU's own.
 */
static bool may_open(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_IA32_SYSENTER_CS:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return true;
	}
	return false;
}

static void open_bit(u8 *bitmap, int bit)
{
	bitmap[bit / 8] &= ~BIT(bit % 8);
}

/**
 * vmx_msr_bitmap_build() - open the bitmap
 * @bitmap: a page of ones
 * @passthrough: MSRs that may be open, ends with 0
 */
void vmx_msr_bitmap_build(u8 *bitmap, const u32 *passthrough)
{
	for (; *passthrough; passthrough++) {
		if (!may_open(*passthrough))
			continue;
		open_bit(bitmap, vmx_msr_bit(*passthrough, false));
		open_bit(bitmap, vmx_msr_bit(*passthrough, true));
	}
}

static int user_msr(u32 index)
{
	int i;

	for (i = 0; i < VMX_NR_USER_MSRS; i++)
		if (vmx_user_msr_index[i] == index)
			return i;
	return -EINVAL;
}

static u64 read_kernel_gs_base(struct vmx_vcpu *vmx)
{
	unsigned long flags;

	local_irq_save(flags);
	if (vmx->host_saved)
		rdmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	local_irq_restore(flags);
	return vmx->kernel_gs_base;
}

static void write_kernel_gs_base(struct vmx_vcpu *vmx, u64 value)
{
	unsigned long flags;

	local_irq_save(flags);
	vmx->kernel_gs_base = value;
	if (vmx->host_saved)
		wrmsrq(MSR_KERNEL_GS_BASE, value);
	local_irq_restore(flags);
}

int vmx_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i = user_msr(index);

	if (i >= 0) {
		*value = vmx->user_msr[i];
		return 0;
	}
	switch (index) {
	case MSR_FS_BASE:
		*value = vmcs_readl(GUEST_FS_BASE);
		return 0;
	case MSR_GS_BASE:
		*value = vmcs_readl(GUEST_GS_BASE);
		return 0;
	case MSR_KERNEL_GS_BASE:
		*value = read_kernel_gs_base(vmx);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		*value = vmcs_read32(GUEST_SYSENTER_CS);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		*value = vmcs_readl(GUEST_SYSENTER_ESP);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		*value = vmcs_readl(GUEST_SYSENTER_EIP);
		return 0;
	case MSR_IA32_CR_PAT:
		*value = vmcs_read64(GUEST_IA32_PAT);
		return 0;
	}
	return -EINVAL;
}

static bool holds_address(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return true;
	}
	return false;
}

/* WRMSR and VM entry in the host refuse what is not canonical there. */
static bool canonical(u64 value)
{
	return sign_extend64(value, boot_cpu_data.x86_virt_bits - 1) == value;
}

static int set_vmcs_msr(struct vmx_vcpu *vmx, u32 index, u64 value)
{
	switch (index) {
	case MSR_FS_BASE:
		vmcs_writel(GUEST_FS_BASE, value);
		return 0;
	case MSR_GS_BASE:
		vmcs_writel(GUEST_GS_BASE, value);
		return 0;
	case MSR_KERNEL_GS_BASE:
		write_kernel_gs_base(vmx, value);
		return 0;
	case MSR_IA32_SYSENTER_CS:
		vmcs_write32(GUEST_SYSENTER_CS, value);
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		vmcs_writel(GUEST_SYSENTER_ESP, value);
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		vmcs_writel(GUEST_SYSENTER_EIP, value);
		return 0;
	case MSR_IA32_CR_PAT:
		vmcs_write64(GUEST_IA32_PAT, value);
		return 0;
	}
	return -EINVAL;
}

int vmx_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i = user_msr(index);

	if (holds_address(index) && !canonical(value))
		return -EINVAL;
	if (i < 0)
		return set_vmcs_msr(vmx, index, value);
	if (i == VMX_SFMASK || i == VMX_TSC_AUX)
		value = (u32)value;
	vmx->user_msr[i] = value;
	vmx->todo |= VMX_TODO_USER_MSRS;
	return 0;
}

/**
 * vmx_restore_user_msrs() - give the CPU the host's values back
 * @c: this CPU
 */
void vmx_restore_user_msrs(struct vmx_cpu *c)
{
	unsigned long flags;
	int i;

	/* vmx_cpu_disable() may come by interrupt and do the same. */
	local_irq_save(flags);
	if (c->user_return_armed) {
		c->user_return_armed = false;
		user_return_notifier_unregister(&c->user_return);
	}
	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		if (c->msr[i] == c->host_msr[i])
			continue;
		wrmsrq(vmx_user_msr_index[i], c->host_msr[i]);
		c->msr[i] = c->host_msr[i];
	}
	local_irq_restore(flags);
}

static void on_user_return(struct user_return_notifier *notifier)
{
	vmx_restore_user_msrs(container_of(notifier, struct vmx_cpu, user_return));
}

/**
 * vmx_load_user_msrs() - give the CPU the guest's values
 * @vmx: vCPU about to be entered; interrupts off
 * @c: this CPU
 */
void vmx_load_user_msrs(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	int i;

	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		if (c->msr[i] == vmx->user_msr[i] ||
		    (i == VMX_TSC_AUX && !vmx_caps.rdtscp))
			continue;
		if (!c->user_return_armed) {
			c->user_return_armed = true;
			c->user_return.on_user_return = on_user_return;
			user_return_notifier_register(&c->user_return);
		}
		wrmsrq(vmx_user_msr_index[i], vmx->user_msr[i]);
		c->msr[i] = vmx->user_msr[i];
	}
}
