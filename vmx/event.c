// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest (SDM 27.6), what was being delivered when
 * the guest exited (SDM 28.2.4), and the windows in which more may be injected.
 */
#include "lapic.h"
#include "vmx.h"

#define ERROR_MASK	0x7fff		/* SDM 27.2.1.3 */

/* The VMCS field, read at most once an exit. */
u32 vmx_interruptibility(struct vmx_vcpu *vmx)
{
	if (!vmx->shadow_read) {
		vmx->interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
		vmx->shadow_read = true;
	}
	return vmx->interruptibility;
}

static void set_interruptibility(struct vmx_vcpu *vmx, u32 clear, u32 set)
{
	u32 old = vmx_interruptibility(vmx);

	vmx_update(GUEST_INTERRUPTIBILITY_INFO, vmx->interruptibility, (old & ~clear) | set);
}

u32 vmx_get_shadow(struct lodge_vcpu *vcpu)
{
	return vmx_interruptibility(to_vmx(vcpu)) & (LODGE_SHADOWS | LODGE_SHADOW_NMI);
}

/* VM entry wants a single step to be pending behind a shadow (SDM 27.3.1.5). */
void vmx_set_shadow(struct lodge_vcpu *vcpu, u32 shadow)
{
	set_interruptibility(to_vmx(vcpu), LODGE_SHADOWS, shadow & LODGE_SHADOWS);
	if ((shadow & LODGE_SHADOWS) && (lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_TF))
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS,
			   vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS) | DR_STEP);
}

void vmx_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked)
{
	set_interruptibility(to_vmx(vcpu), LODGE_SHADOW_NMI, masked ? LODGE_SHADOW_NMI : 0);
}

static void set_primary(struct vmx_vcpu *vmx, u32 clear, u32 set)
{
	vmx_update(CPU_BASED_VM_EXEC_CONTROL, vmx->controls.primary,
		   (vmx->controls.primary & ~clear) | set);
}

void vmx_open_interrupt_window(struct lodge_vcpu *vcpu)
{
	set_primary(to_vmx(vcpu), 0, CPU_BASED_INTR_WINDOW_EXITING);
}

/* An NMI window may open inside STI's shadow; the other window may not. */
void vmx_open_nmi_window(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx_interruptibility(vmx) & LODGE_SHADOW_STI)
		vmx_open_interrupt_window(vcpu);
	else
		set_primary(vmx, 0, CPU_BASED_NMI_WINDOW_EXITING);
}

/* A window is asked for anew by whoever still needs one. */
void vmx_close_windows(struct lodge_vcpu *vcpu)
{
	set_primary(to_vmx(vcpu), CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING, 0);
}

/* What the CPU answers for is a matter of the guest's APIC mode. */
static void update_registers(struct vmx_vcpu *vmx)
{
	bool x2apic = lapic_x2(vmx->vcpu.lapic);
	u32 mode = x2apic ? SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE : 0;

	if ((vmx->controls.secondary ^ mode) & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) {
		vmx_update(SECONDARY_VM_EXEC_CONTROL, vmx->controls.secondary,
			   vmx->controls.secondary ^ SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE);
		vmcs_write(MSR_BITMAP, __pa(x2apic ? vmx_x2apic_bitmap : vmx_msr_bitmap));
	}
	lodge_lapic_show(vmx->vcpu.lapic);
}

/* VM entry refuses a threshold above the TPR (SDM 27.2.1.1): neither may change alone. */
void vmx_update_apic(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (lodge_apicv == LODGE_APICV_TPR)
		vmx_update(TPR_THRESHOLD, vmx->tpr_threshold, lodge_lapic_threshold(vcpu));
	else if (vcpu->lapic->delivers && vcpu->lapic->changed)
		update_registers(vmx);
}

/* EOIs of level-triggered interrupts are the I/O APIC's business, too. */
void vmx_apic_enter(struct vmx_vcpu *vmx)
{
	struct lodge_lapic *lapic = vmx->vcpu.lapic;
	u16 status = lodge_lapic_lend(lapic);
	int i;

	for (i = 0; i < ARRAY_SIZE(vmx->eoi_exits) && status; i++)
		vmx_update(EOI_EXIT_BITMAP0 + i * 2, vmx->eoi_exits[i], lapic->tmr[i]);
	vmx_update(GUEST_INTR_STATUS, vmx->apic_status, status);
}

/* Without anything before and after there was nothing to lend. */
void vmx_apic_exit(struct vmx_vcpu *vmx)
{
	u16 lent = vmx->apic_status;

	vmx->apic_status = vmcs_read(GUEST_INTR_STATUS);
	if (lent | vmx->apic_status)
		lodge_lapic_take_back(vmx->vcpu.lapic);
}

/* Delivery ends the interrupt shadow; VM entry refuses the two together. */
void vmx_inject(struct lodge_vcpu *vcpu, const struct lodge_event *event)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->injected = *event;
	if (event->has_error)
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, event->error & ERROR_MASK);
	/* INT n, INT1, INT3, INTO: the CPU wants to know the instruction's length. */
	if (event->type >= LODGE_EV_SOFT_INTERRUPT)
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, event->insn_len ?: 1);
	set_interruptibility(vmx, LODGE_SHADOWS, 0);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, lodge_encode_event(event));
}

static void requeue(struct vmx_vcpu *vmx, const struct lodge_event *event)
{
	struct lodge_vcpu *vcpu = &vmx->vcpu;

	vcpu->inflight = *event;
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	/* It will be delivered again, and an NMI masks NMIs only then. */
	if (event->type == LODGE_EV_NMI)
		vmx_set_nmi_masked(vcpu, false);
}

void vmx_cancel_injection(struct lodge_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!(vmcs_read(VM_ENTRY_INTR_INFO_FIELD) & INTR_INFO_VALID_MASK))
		return;
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	requeue(vmx, &vmx->injected);
}

/* The exit interrupted a delivery: @info is IDT-vectoring information. */
void vmx_requeue(struct vmx_vcpu *vmx, u32 info)
{
	struct lodge_event event;

	lodge_decode_event(info, 0, &event);
	if (event.has_error)
		event.error = vmcs_read(IDT_VECTORING_ERROR_CODE);
	if (event.type >= LODGE_EV_SOFT_INTERRUPT)
		event.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	requeue(vmx, &event);
}

/*
 * The guest's IRET unmasked NMIs and then faulted. It is repeated, so the mask
 * has to be there again (SDM 28.2.3). Nothing is said when a delivery was
 * interrupted.
 */
void vmx_iret_unblocked(struct vmx_vcpu *vmx)
{
	if (!vmx->vectoring)
		vmx_set_nmi_masked(&vmx->vcpu, true);
}
