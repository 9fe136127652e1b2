// SPDX-License-Identifier: GPL-2.0-only
/*
 * One entry and exit: what is flushed into the VMCS before, what is switched
 * around it, and what is taken out of it after.
 */
#include "vmx.h"

#define REGS_GPR	(GENMASK(15, 0) & ~BIT(LODGE_RSP))
#define PDPTE_RESERVED	0x1e6ull	/* SDM table 4-8 */
#define PDPTE_ENTRIES	4
#define VM_INSTRUCTION	BIT_ULL(32)	/* reason: not an exit, a VMfail */

/* PDPTEs that VM entry would refuse are not present. */
void vmx_sanitize_pdptrs(u64 *pdptr, u8 maxphyaddr)
{
	u64 reserved = PDPTE_RESERVED | ~GENMASK_ULL(maxphyaddr - 1, 0);
	int i;

	for (i = 0; i < PDPTE_ENTRIES; i++)
		if ((pdptr[i] & _PAGE_PRESENT) && (pdptr[i] & reserved))
			pdptr[i] = 0;
}

static bool pae_paging(struct lodge_vcpu *vcpu)
{
	return (lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PG) &&
	       (lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_PAE) && !lodge_long_mode(vcpu);
}

/*
 * Under EPT the CPU loads them by itself at MOV to CR3 only; after a change that
 * was made here they are read for it (SDM 27.3.2.4). False: ring 2 has to bring
 * the page in first.
 */
static noinline bool load_pdptrs(struct vmx_vcpu *vmx)
{
	struct lodge_vcpu *vcpu = &vmx->vcpu;
	u64 pdptr[PDPTE_ENTRIES] = {};
	int i, ret;

	if (!pae_paging(vcpu))
		return true;
	ret = lodge_read_pdptes(vcpu, lodge_reg_read(vcpu, LODGE_CR3), pdptr);
	if (ret == -EAGAIN)
		return false;
	if (ret)
		memset(pdptr, 0, sizeof(pdptr));
	vmx_sanitize_pdptrs(pdptr, boot_cpu_data.x86_phys_bits);
	for (i = 0; i < PDPTE_ENTRIES; i++)
		vmcs_write(GUEST_PDPTR0 + i * 2, pdptr[i]);
	return true;
}

/*
 * vmx_guest_spec() - SPEC_CTRL while the guest runs, when the guest's or the host's has changed.
 * Protections of the host that the guest did not ask for do no harm, and two WRMSRs are saved. Not
 * so where IBRS is set on each entry to the kernel: there it costs the guest dearly.
 */
void vmx_guest_spec(struct vmx_vcpu *vmx)
{
	u64 value = vmx->vcpu.msr.spec_ctrl;

	if (!cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		value |= vmx->host_spec;
	vmx->guest_spec = cpu_feature_enabled(X86_FEATURE_MSR_SPEC_CTRL) ? value : vmx->host_spec;
}

/*
 * Once per stay in ring 1. With interrupts off no context switch changes the
 * page tables, CR4, DR7 or SPEC_CTRL, and an NMI's handler leaves the counters
 * as it found them.
 */
static void update_host_state(struct vmx_vcpu *vmx)
{
	u64 perf;

	vmx->host_spec = raw_cpu_read(x86_spec_ctrl_current);
	vmx_guest_spec(vmx);
	vmx->tidy = vmx->host.debugctl || this_cpu_read(cpu_dr7) || (vmx->todo & VMX_TODO_APIC);
	vmx_update(HOST_CR3, vmx->host_cr3, __native_read_cr3());
	vmx_update(HOST_CR4, vmx->host_cr4, native_read_cr4());
	if (!vmx_caps.perf_global)
		return;
	/* PEBS in the guest would write its records to guest addresses. */
	rdmsrq(MSR_CORE_PERF_GLOBAL_CTRL, perf);
	vmx_update(HOST_IA32_PERF_GLOBAL_CTRL, vmx->host_perf, perf);
}

/* Rare work. False: not now, vcpu->exit says why. */
static noinline bool do_todo(struct vmx_vcpu *vmx)
{
	if ((vmx->todo & VMX_TODO_PDPTRS) && !load_pdptrs(vmx)) {
		vmx_cancel_injection(&vmx->vcpu);
		return false;
	}
	if (vmx->todo & VMX_TODO_HOST)
		vmx_save_host(vmx);
	if (vmx->todo & VMX_TODO_USER_MSRS)
		vmx_load_user_msrs(vmx, this_cpu_ptr(&vmx_cpu));
	if (vmx->todo & VMX_TODO_STAY) {
		update_host_state(vmx);
		/* What ring 2 and the host touched may be in the L1 data cache. */
		if (vmx_caps.flush_l1d)
			wrmsrq(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	}
	vmx->todo &= VMX_TODO_APIC;
	if (vmx->todo)
		vmx_apic_enter(vmx);
	return true;
}

static noinline void flush_more(struct lodge_vcpu *vcpu)
{
	if (vcpu->regs_dirty & BIT(LODGE_RSP))
		vmcs_write(GUEST_RSP, vcpu->regs[LODGE_RSP]);
	if (vcpu->regs_dirty & BIT(LODGE_RFLAGS))
		vmcs_write(GUEST_RFLAGS, lodge_hw_rflags(vcpu));
}

static __always_inline void flush_registers(struct lodge_vcpu *vcpu)
{
	if (likely(vcpu->regs_dirty & BIT(LODGE_RIP)))
		vmcs_write(GUEST_RIP, vcpu->regs[LODGE_RIP]);
	if (unlikely(vcpu->regs_dirty & (BIT(LODGE_RSP) | BIT(LODGE_RFLAGS))))
		flush_more(vcpu);
	vcpu->regs_dirty = 0;
}

/** vmx_stay() - before the first entry of a stay in ring 1 */
void vmx_stay(struct lodge_vcpu *vcpu)
{
	to_vmx(vcpu)->todo |= VMX_TODO_STAY;
}

static __always_inline bool before_entry(struct vmx_vcpu *vmx)
{
	if (unlikely(vmx->todo) && !do_todo(vmx))
		return false;
	flush_registers(&vmx->vcpu);
	lodge_debug_enter(&vmx->vcpu);
	return true;
}

/*
 * On a nohz_full CPU RCU does not watch in the guest, so that one which never exits holds up no
 * grace period.
 * An NMI that ended the guest's run has masked NMIs and waits to be handled by
 * the host's own gate; nothing that faults or executes IRET may come before.
 */
static __always_inline int enter_guest(struct vmx_vcpu *vmx)
{
	struct lodge_vcpu *vcpu = &vmx->vcpu;
	int ret;

	if (native_read_cr2() != vcpu->cr2)
		native_write_cr2(vcpu->cr2);
	context_tracking_guest_enter();
	ret = vmx_enter(vcpu->regs, vmx->enter_flags, vmx->guest_spec, vmx->host_spec,
			&vmx->host_rsp);
	context_tracking_guest_exit();
	if (unlikely(ret))
		return ret;
	vcpu->cr2 = native_read_cr2();
	vmx->exit_reason = vmcs_read(VM_EXIT_REASON);
	if (vmx->exit_reason != EXIT_REASON_EXCEPTION_NMI)
		return ret;
	vmx->intr_info = vmcs_read(VM_EXIT_INTR_INFO);
	if ((vmx->intr_info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		asm volatile("int $2" : : : "memory");
	return ret;
}

static noinline void tidy(struct vmx_vcpu *vmx)
{
	if (vmx->host.debugctl)
		wrmsrq(MSR_IA32_DEBUGCTLMSR, vmx->host.debugctl);
	lodge_debug_leave(&vmx->vcpu);
	if (vmx->todo & VMX_TODO_APIC)
		vmx_apic_exit(vmx);
}

static __always_inline void after_exit(struct vmx_vcpu *vmx)
{
	if (unlikely(vmx->tidy))
		tidy(vmx);
	vmx->enter_flags |= BIT(VMX_ENTER_RESUME);
	vmx->shadow_read = false;
	vmx->vcpu.regs_valid = REGS_GPR;
}

/* The CPU did not even try: a control or a host field is wrong, or no VMX. */
static noinline enum lodge_next not_entered(struct vmx_vcpu *vmx, int failure)
{
	u64 error = 0;

	lodge_debug_leave(&vmx->vcpu);
	if (failure == VMX_FAILED)
		error = vmcs_read(VM_INSTRUCTION_ERROR);
	if (!READ_ONCE(lodge_rebooting))
		lodge_dump(&vmx->vcpu);
	return lodge_on_fail_entry(&vmx->vcpu, VM_INSTRUCTION | error, 0);
}

noinstr enum lodge_next vmx_run(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	enum lodge_next next;
	int failure;

	instrumentation_begin();
	if (unlikely(!before_entry(vmx))) {
		next = LODGE_HANDLE;
		goto out;
	}
	instrumentation_end();
	failure = enter_guest(vmx);
	instrumentation_begin();
	if (unlikely(failure)) {
		next = not_entered(vmx, failure);
		goto out;
	}
	after_exit(vmx);
	lodge_exited(vcpu, vmcs_read(GUEST_RIP));
	next = vmx_handle_exit(vcpu);
out:
	instrumentation_end();
	return next;
}
