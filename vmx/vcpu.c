// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCS of a vCPU: made, set up, moved between host CPUs; the host's state
 * around it; and the table of all operations.
 */
#include <linux/idr.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/segment.h>

#include "lapic.h"
#include "vmx.h"

#define NO_VMCS		(~0ull)

static DEFINE_IDA(vpids);

/* A VMCS leaves this CPU, where it is active; interrupts off. */
void vmx_vacate(struct vmx_cpu *c, struct vmx_vcpu *vmx)
{
	vmx_vmclear(vmx->vmcs);
	if (c->current_vcpu == vmx)
		c->current_vcpu = NULL;
	list_del(&vmx->link);
	vmx->enter_flags &= ~BIT(VMX_ENTER_RESUME);
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

void vmx_vcpu_free(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->vmcs)
		vacate_anywhere(vmx);
	free_page((unsigned long)vmx->vmcs);
	free_page((unsigned long)vmx->log);
	if (vmx->vpid > 0)
		ida_free(&vpids, vmx->vpid);
}

static void write_zeros(const u16 *fields, size_t count)
{
	while (count--)
		vmcs_write(fields[count], 0);
}

static void init_controls(struct vmx_vcpu *vmx)
{
	static const u16 zero[] = {
		PAGE_FAULT_ERROR_CODE_MASK, PAGE_FAULT_ERROR_CODE_MATCH, CR3_TARGET_COUNT,
		VM_EXIT_MSR_STORE_COUNT, VM_EXIT_MSR_LOAD_COUNT, VM_ENTRY_MSR_LOAD_COUNT,
		/* These the host's put back themselves: vmx_vcpu_put(). */
		HOST_DS_SELECTOR, HOST_ES_SELECTOR, HOST_FS_SELECTOR, HOST_GS_SELECTOR,
		HOST_FS_BASE,
	};
	const struct vmx_controls *controls = &vmx_caps.controls;
	int i;

	write_zeros(zero, ARRAY_SIZE(zero));
	vmx->controls = *controls;
	vmcs_write(PIN_BASED_VM_EXEC_CONTROL, controls->pin);
	vmcs_write(CPU_BASED_VM_EXEC_CONTROL, controls->primary);
	vmcs_write(SECONDARY_VM_EXEC_CONTROL, controls->secondary);
	vmcs_write(VM_EXIT_CONTROLS, controls->exit);
	vmcs_write(VM_ENTRY_CONTROLS, controls->entry);
	/* #AC and #DB loops end only by an exit (CVE-2015-5307, -8104). */
	vmcs_write(EXCEPTION_BITMAP, BIT(X86_TRAP_DB) | BIT(X86_TRAP_UD) | BIT(X86_TRAP_AC) |
		   BIT(X86_TRAP_MC));
	vmcs_write(VMCS_LINK_POINTER, NO_VMCS);
	vmcs_write(MSR_BITMAP, __pa(vmx_msr_bitmap));
	vmcs_write(EPT_POINTER, vmx->eptp);
	vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	if (lodge_apicv) {
		vmcs_write(VIRTUAL_APIC_PAGE_ADDR, __pa(vmx->vcpu.lapic->page));
		vmcs_write(TPR_THRESHOLD, 0);
	}
	for (i = 0; i < ARRAY_SIZE(vmx->eoi_exits) && vmx->vcpu.lapic->delivers; i++)
		vmcs_write(EOI_EXIT_BITMAP0 + i * 2, 0);
	if (vmx->vcpu.lapic->delivers)
		vmcs_write(GUEST_INTR_STATUS, 0);
	if (lodge_tsc_fraction)
		vmcs_write(TSC_MULTIPLIER,
			   vmx->vcpu.vm->tsc_ratio ?: 1ull << lodge_tsc_fraction);
	if (controls->secondary & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, ~0ull);
	/* Cycles between two PAUSEs of a loop, and of a loop that is too long (SDM 25.6.13). */
	if (controls->secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write(PLE_GAP, 128);
		vmcs_write(PLE_WINDOW, 4096);
	}
	if (controls->secondary & SECONDARY_EXEC_ENABLE_PML) {
		vmcs_write(PML_ADDRESS, __pa(vmx->log));
		vmcs_write(GUEST_PML_INDEX, VMX_LOG_ENTRIES - 1);
	}
	vmcs_write(HOST_CR0, read_cr0());
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_write(HOST_RIP, (unsigned long)vmx_exited);
	if (vmx_caps.perf_global) {
		vmcs_write(GUEST_IA32_PERF_GLOBAL_CTRL, 0);
		vmcs_write(HOST_IA32_PERF_GLOBAL_CTRL, 0);
	}
}

/* What an exit loads that is this CPU's own (SDM 28.5). */
static void load_cpu_state(int cpu)
{
	static const struct {
		u32 msr;
		u32 field;
	} msrs[] = {
		{ MSR_GS_BASE, HOST_GS_BASE }, { MSR_EFER, HOST_IA32_EFER },
		{ MSR_IA32_CR_PAT, HOST_IA32_PAT }, { MSR_IA32_SYSENTER_CS, HOST_IA32_SYSENTER_CS },
		{ MSR_IA32_SYSENTER_ESP, HOST_IA32_SYSENTER_ESP },
		{ MSR_IA32_SYSENTER_EIP, HOST_IA32_SYSENTER_EIP },
	};
	struct desc_ptr idt;
	u64 value;
	int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		rdmsrq(msrs[i].msr, value);
		vmcs_write(msrs[i].field, value);
	}
	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	vmcs_write(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
}

/*
 * What is cached on a new CPU of this VM's translations may be older than a
 * flush that the vCPU made elsewhere.
 */
void vmx_vcpu_load(struct lodge_vcpu *vcpu, int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool moved = vmx->active_cpu != cpu;
	unsigned long flags;

	if (moved) {
		vacate_anywhere(vmx);
		local_irq_save(flags);
		list_add(&vmx->link, &c->vcpus);
		vmx->active_cpu = cpu;
		local_irq_restore(flags);
	}
	if (c->current_vcpu != vmx) {
		c->current_vcpu = vmx;
		if (vmx_vmptrld(vmx->vmcs) && !READ_ONCE(lodge_rebooting))
			lodge_vm_bug(vcpu->vm, "VMPTRLD failed");
	}
	if (moved) {
		load_cpu_state(cpu);
		vmx_invept(vmx->eptp);
	}
	lodge_isolate(vcpu);
	vmx->todo |= VMX_TODO_HOST;
	if (vcpu->efer & EFER_SCE || c->msr[VMX_TSC_AUX] != vmx->user_msr[VMX_TSC_AUX])
		vmx->todo |= VMX_TODO_USER_MSRS;
}

/* Before the first entry since the load: keep what exits lose. Interrupts off */
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
	vmx_update(HOST_FS_BASE, host->fs_base, fs_base);
	rdmsrq(MSR_IA32_DEBUGCTLMSR, host->debugctl);
	rdmsrq(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	wrmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	vmx->host_saved = true;
}

static noinline void restore_segments(const struct vmx_host *host)
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
void vmx_vcpu_put(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->host_saved)
		return;
	guard(irqsave)();
	rdmsrq(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	if (unlikely(vmx->host.ldt | vmx->host.fs | vmx->host.gs | vmx->host.ds | vmx->host.es))
		restore_segments(&vmx->host);
	wrmsrq(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base);
	invalidate_tss_limit();
	load_fixmap_gdt(smp_processor_id());
	vmx->host_saved = false;
}

/* VPID 0 is the host's (SDM 29.1). */
int vmx_vcpu_init(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct lodge_mmu *mmu = &vcpu->vm->mmu;
	int cpu;

	vmx->active_cpu = -1;
	vmx->enter_flags = vmx_caps.enter_flags;
	vmx->todo = vcpu->lapic->delivers ? VMX_TODO_APIC : 0;
	vmx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->log = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	vmx->vpid = ida_alloc_range(&vpids, 1, VMX_NR_VPIDS - 1, GFP_KERNEL);
	if (!vmx->vmcs || !vmx->log || vmx->vpid < 0)
		return -ENOMEM;
	*(u32 *)vmx->vmcs = vmx_caps.revision;
	vmx->eptp = mmu->root_hpa | vmx_caps.eptp |
		    (mmu->levels == 5 ? VMX_EPTP_PWL_5 : VMX_EPTP_PWL_4);
	if (vmx_vmclear(vmx->vmcs))
		return -EIO;
	cpu = get_cpu();
	vmx_vcpu_load(vcpu, cpu);
	init_controls(vmx);
	vmx_vcpu_put(vcpu);
	put_cpu();
	return 0;
}

/* It is filled from its end (SDM 29.3.6); full, the index is -1. */
void vmx_drain_log(struct lodge_vcpu *vcpu)
{
	u16 first = vmcs_read(GUEST_PML_INDEX) + 1;

	if (first == VMX_LOG_ENTRIES)
		return;
	lodge_mark_list(vcpu->vm, to_vmx(vcpu)->log + first, VMX_LOG_ENTRIES - first);
	vmcs_write(GUEST_PML_INDEX, VMX_LOG_ENTRIES - 1);
}

/* Translations of guest linear addresses go with those of physical ones. */
void vmx_flush_tlb(struct lodge_vcpu *vcpu)
{
	vmx_invept(to_vmx(vcpu)->eptp);
}

/* Instructions that the guest's CPUID hides are undefined. */
void vmx_cpuid_changed(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 secondary = vmx_caps.controls.secondary |
			(vmx->controls.secondary & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE);

	if (!lodge_guest_has(vcpu, X86_FEATURE_RDTSCP) && !lodge_guest_has(vcpu, X86_FEATURE_RDPID))
		secondary &= ~SECONDARY_EXEC_ENABLE_RDTSCP;
	if (!lodge_guest_has(vcpu, X86_FEATURE_INVPCID))
		secondary &= ~SECONDARY_EXEC_ENABLE_INVPCID;
	vmx_update(SECONDARY_VM_EXEC_CONTROL, vmx->controls.secondary, secondary);
	vmx_update_masks(vcpu);
}

/* What is not reached by the setters of registers, segments and events. */
void vmx_reset(struct lodge_vcpu *vcpu)
{
	static const u16 zero[] = {
		GUEST_IA32_DEBUGCTL, GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP,
		GUEST_ACTIVITY_STATE, GUEST_INTERRUPTIBILITY_INFO, GUEST_PENDING_DBG_EXCEPTIONS,
		VM_ENTRY_INTR_INFO_FIELD,
	};
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	write_zeros(zero, ARRAY_SIZE(zero));
	vmx->interruptibility = 0;
	vmx->shadow_read = true;
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
	.vcpu_bytes = sizeof(struct vmx_vcpu),
	.pt_format = &lodge_ept_format,
#define LODGE_OP(ret, op, args) .op = vmx_##op,
	LODGE_OPS
#undef LODGE_OP
};
