// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCS of a vCPU: made, set up, moved between host CPUs; the host's state
 * around it; and the table of all operations.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <asm/cpu_entry_area.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include "ops.h"
#include "vmx.h"

#define PAT_RESET	0x0007040600070406ull
#define NO_VMCS		(~0ull)

/* VPID 0 is the host's (SDM 29.1). */
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS) = { 1 };
static DEFINE_SPINLOCK(vpid_lock);

static u16 alloc_vpid(void)
{
	unsigned long vpid;

	spin_lock(&vpid_lock);
	vpid = find_first_zero_bit(vpids, VMX_NR_VPIDS);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpids);
	else
		vpid = 0;
	spin_unlock(&vpid_lock);
	return vpid;
}

static void free_vpid(u16 vpid)
{
	spin_lock(&vpid_lock);
	if (vpid)
		__clear_bit(vpid, vpids);
	spin_unlock(&vpid_lock);
}

static struct lodge_vcpu *vmx_vcpu_alloc(void)
{
	static atomic64_t serial;
	struct vmx_vcpu *vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);

	if (!vmx)
		return ERR_PTR(-ENOMEM);
	vmx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->vpid = alloc_vpid();
	if (!vmx->vmcs || !vmx->vpid) {
		free_page((unsigned long)vmx->vmcs);
		free_vpid(vmx->vpid);
		kfree(vmx);
		return ERR_PTR(-ENOMEM);
	}
	*(u32 *)vmx->vmcs = vmx_caps.revision;
	vmx->serial = atomic64_inc_return(&serial);
	vmx->active_cpu = -1;
	return &vmx->vcpu;
}

/**
 * vmx_vacate() - a VMCS leaves the CPU on which it is active
 * @c: this CPU; interrupts off
 * @vmx: whose VMCS
 */
void vmx_vacate(struct vmx_cpu *c, struct vmx_vcpu *vmx)
{
	vmx_vmclear(vmx->vmcs);
	if (c->current_vcpu == vmx)
		c->current_vcpu = NULL;
	list_del(&vmx->link);
	vmx->launched = false;
	/* Another CPU may take it as soon as it sees this. */
	smp_store_release(&vmx->active_cpu, -1);
}

static void vacate_here(void *arg)
{
	struct vmx_vcpu *vmx = arg;

	if (vmx->active_cpu == smp_processor_id())
		vmx_vacate(this_cpu_ptr(&vmx_cpu), vmx);
}

/*
 * Interrupts on. A CPU that went down in the meantime has vacated all it had
 * (vmx_cpu_disable()), so that a call which does not reach it is not missed.
 */
static void vacate_anywhere(struct vmx_vcpu *vmx)
{
	/* Pairs with vmx_vacate(): -1 means that the VMCLEAR is done. */
	int cpu = smp_load_acquire(&vmx->active_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, vacate_here, vmx, 1);
}

static void vmx_vcpu_free(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vacate_anywhere(vmx);
	free_page((unsigned long)vmx->vmcs);
	free_vpid(vmx->vpid);
	kfree(vmx);
}

static void init_controls(struct vmx_vcpu *vmx)
{
	const struct vmx_controls *controls = &vmx_caps.controls;

	vmx->controls = *controls;
	vmcs_write32(PIN_BASED_VM_EXEC_CONTROL, controls->pin);
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, controls->primary);
	vmcs_write32(SECONDARY_VM_EXEC_CONTROL, controls->secondary);
	vmcs_write32(VM_EXIT_CONTROLS, controls->exit);
	vmcs_write32(VM_ENTRY_CONTROLS, controls->entry);
	/* #AC and #DB loops end only by an exit (CVE-2015-5307, -8104). */
	vmcs_write32(EXCEPTION_BITMAP, BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) |
		     BIT(X86_TRAP_MC));
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write32(CR3_TARGET_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write64(VMCS_LINK_POINTER, NO_VMCS);
	vmcs_write64(MSR_BITMAP, __pa(vmx_msr_bitmap));
	vmcs_write64(EPT_POINTER, vmx->eptp);
	vmcs_write16(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	if (controls->secondary & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write64(ENCLS_EXITING_BITMAP, ~0ull);
}

/* The same on all CPUs. DS, ES, FS and GS are put back by restore_host(). */
static void init_host_state(void)
{
	u64 value;

	vmcs_writel(HOST_CR0, read_cr0());
	vmcs_write16(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write16(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write16(HOST_DS_SELECTOR, 0);
	vmcs_write16(HOST_ES_SELECTOR, 0);
	vmcs_write16(HOST_FS_SELECTOR, 0);
	vmcs_write16(HOST_GS_SELECTOR, 0);
	vmcs_write16(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_writel(HOST_FS_BASE, 0);
	vmcs_writel(HOST_RIP, (unsigned long)vmx_exited);
	rdmsrq(MSR_EFER, value);
	vmcs_write64(HOST_IA32_EFER, value);
	rdmsrq(MSR_IA32_CR_PAT, value);
	vmcs_write64(HOST_IA32_PAT, value);
	if (vmx_caps.perf_global) {
		vmcs_write64(GUEST_IA32_PERF_GLOBAL_CTRL, 0);
		vmcs_write64(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	}
}

/* What an exit loads that is this CPU's own (SDM 28.5). */
static void load_cpu_state(int cpu)
{
	struct desc_ptr idt;
	u64 value;

	store_idt(&idt);
	vmcs_writel(HOST_IDTR_BASE, idt.address);
	vmcs_writel(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	vmcs_writel(HOST_TR_BASE,
		    (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	rdmsrq(MSR_GS_BASE, value);
	vmcs_writel(HOST_GS_BASE, value);
	rdmsrq(MSR_IA32_SYSENTER_CS, value);
	vmcs_write32(HOST_IA32_SYSENTER_CS, value);
	rdmsrq(MSR_IA32_SYSENTER_ESP, value);
	vmcs_writel(HOST_IA32_SYSENTER_ESP, value);
	rdmsrq(MSR_IA32_SYSENTER_EIP, value);
	vmcs_writel(HOST_IA32_SYSENTER_EIP, value);
}

/*
 * Take the VMCS to this CPU. What is cached here of this VM's translations may
 * be older than a flush that the vCPU made elsewhere.
 */
static void activate(struct vmx_vcpu *vmx, struct vmx_cpu *c, int cpu)
{
	unsigned long flags;

	vacate_anywhere(vmx);
	local_irq_save(flags);
	list_add(&vmx->link, &c->vcpus);
	vmx->active_cpu = cpu;
	local_irq_restore(flags);
}

static void make_current(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	c->current_vcpu = vmx;
	if (vmx_vmptrld(vmx->vmcs) && !READ_ONCE(lodge_rebooting))
		lodge_vm_bug(vmx->vcpu.vm, "VMPTRLD failed");
}

/*
 * No branch that another vCPU, perhaps another VM's, has trained may be
 * predicted here.
 */
static void vmx_vcpu_load(struct lodge_vcpu *vcpu, int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool moved = vmx->active_cpu != cpu;

	if (moved)
		activate(vmx, c, cpu);
	if (c->current_vcpu != vmx)
		make_current(vmx, c);
	if (moved) {
		load_cpu_state(cpu);
		vmx_invept(vmx->eptp);
	}
	if (c->last_vcpu != vmx->serial) {
		c->last_vcpu = vmx->serial;
		if (vmx_caps.ibpb)
			wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	}
	vmx->todo |= VMX_TODO_HOST | VMX_TODO_USER_MSRS;
	if (vmx_caps.flush_l1d)
		vmx->todo |= VMX_TODO_L1D;
}

/**
 * vmx_save_host() - keep what exits lose of the host's state
 * @vmx: vCPU, about to be entered for the first time since it was loaded;
 *	interrupts off
 */
void vmx_save_host(struct vmx_vcpu *vmx)
{
	struct vmx_host *host = &vmx->host;
	u64 fs_base;

	store_ldt(host->ldt);
	savesegment(fs, host->fs);
	savesegment(gs, host->gs);
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	rdmsrq(MSR_FS_BASE, fs_base);
	if (host->fs_base != fs_base) {
		host->fs_base = fs_base;
		vmcs_writel(HOST_FS_BASE, fs_base);
	}
	rdmsrq(MSR_IA32_DEBUGCTLMSR, host->debugctl);
	rdmsrq(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	wrmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	vmx->host_saved = true;
}

static void restore_segments(const struct vmx_host *host)
{
	if (unlikely(host->ldt))
		asm volatile("lldt %0" : : "m" (host->ldt));
	if (unlikely(host->fs)) {
		loadsegment(fs, host->fs);
		wrmsrq(MSR_FS_BASE, host->fs_base);
	}
	if (unlikely(host->gs))
		load_gs_index(host->gs);
	if (unlikely(host->ds | host->es)) {
		loadsegment(ds, host->ds);
		loadsegment(es, host->es);
	}
}

/*
 * An exit leaves GDTR and IDTR with a limit of 64 KiB and TR with 103 bytes
 * (SDM 28.5.2). The IDT's limit does not matter: no vector is beyond it.
 */
static void vmx_vcpu_put(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long flags;

	if (!vmx->host_saved)
		return;
	local_irq_save(flags);
	rdmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	restore_segments(&vmx->host);
	wrmsrq(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base);
	invalidate_tss_limit();
	load_fixmap_gdt(smp_processor_id());
	vmx->host_saved = false;
	local_irq_restore(flags);
}

static int vmx_vcpu_init(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct lodge_mmu *mmu = &vcpu->vm->mmu;
	int cpu;

	vmx->eptp = mmu->root_hpa | vmx_caps.eptp |
		    (mmu->levels == 5 ? VMX_EPTP_PWL_5 : VMX_EPTP_PWL_4);
	if (vmx_vmclear(vmx->vmcs))
		return -EIO;
	cpu = get_cpu();
	vmx_vcpu_load(vcpu, cpu);
	init_controls(vmx);
	init_host_state();
	vmx_vcpu_put(vcpu);
	put_cpu();
	return 0;
}

/* Translations of guest linear addresses go with those of physical ones. */
void vmx_flush_tlb(struct lodge_vcpu *vcpu)
{
	vmx_invept(to_vmx(vcpu)->eptp);
}

/* Instructions that the guest's CPUID hides are undefined. */
static void vmx_cpuid_changed(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 secondary = vmx_caps.controls.secondary;

	if (!lodge_guest_has(vcpu, X86_FEATURE_RDTSCP) &&
	    !lodge_guest_has(vcpu, X86_FEATURE_RDPID))
		secondary &= ~SECONDARY_EXEC_ENABLE_RDTSCP;
	if (!lodge_guest_has(vcpu, X86_FEATURE_INVPCID))
		secondary &= ~SECONDARY_EXEC_ENABLE_INVPCID;
	vmx_control(SECONDARY_VM_EXEC_CONTROL, &vmx->controls.secondary, secondary);
	vmx_update_masks(vcpu);
}

/* What is not reached by the setters of registers, segments and events. */
static void vmx_reset(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmcs_write64(GUEST_IA32_PAT, PAT_RESET);
	vmcs_write64(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write32(GUEST_SYSENTER_CS, 0);
	vmcs_writel(GUEST_SYSENTER_ESP, 0);
	vmcs_writel(GUEST_SYSENTER_EIP, 0);
	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmx->interruptibility = 0;
	vmx->read = VMX_READ_SHADOW;
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx->injected.valid = false;
	vmx_close_windows(vcpu);
	memset(vmx->user_msr, 0, sizeof(vmx->user_msr));
	vmx->kernel_gs_base = 0;
	vmx->todo |= VMX_TODO_USER_MSRS;
	vcpu->regs_valid = BIT(LODGE_NR_REGS) - 1;
	vcpu->regs_dirty = BIT(LODGE_RSP) | BIT(LODGE_RIP) | BIT(LODGE_RFLAGS);
	vmx_update_masks(vcpu);
}

const struct lodge_ops vmx_ops = {
	.name = "VT-x",
	.rival = "kvm_intel",
	.backend = LODGE_BACKEND_VMX,
	.pt_format = &lodge_ept_format,
	.probe = vmx_probe,
	.setup = vmx_setup,
	.teardown = vmx_teardown,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.emergency = vmx_emergency,
	.vcpu_alloc = vmx_vcpu_alloc,
	.vcpu_free = vmx_vcpu_free,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_load = vmx_vcpu_load,
	.vcpu_put = vmx_vcpu_put,
	.run = vmx_run,
	.fetch_reg = vmx_fetch_reg,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.get_dtable = vmx_get_dtable,
	.set_dtable = vmx_set_dtable,
	.set_cr0 = vmx_set_cr0,
	.set_cr3 = vmx_set_cr3,
	.set_cr4 = vmx_set_cr4,
	.set_efer = vmx_set_efer,
	.set_tsc_offset = vmx_set_tsc_offset,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.insn_len = vmx_insn_len,
	.get_shadow = vmx_get_shadow,
	.set_shadow = vmx_set_shadow,
	.nmi_masked = vmx_nmi_masked,
	.set_nmi_masked = vmx_set_nmi_masked,
	.interrupt_allowed = vmx_interrupt_allowed,
	.nmi_allowed = vmx_nmi_allowed,
	.open_interrupt_window = vmx_open_interrupt_window,
	.open_nmi_window = vmx_open_nmi_window,
	.inject = vmx_inject,
	.flush_tlb = vmx_flush_tlb,
	.cpuid_changed = vmx_cpuid_changed,
	.reset = vmx_reset,
	.sync_dr7 = vmx_sync_dr7,
	.cpl = vmx_cpl,
	.dump = vmx_dump,
};
