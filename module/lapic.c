// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC of a vCPU: registers, priorities, local interrupts (SDM 11).
 *
 * The vCPU's own thread owns the registers and the ISR. Others only set bits:
 * in the IRR, in the pending errors, in the pending INIT and SIPI; so nothing
 * here takes a lock. Who sets a bit then calls lodge_request(), whose barrier
 * makes the bit visible before the vCPU can go to sleep or into the guest.
 */
#include <linux/moduleparam.h>

#include "lapic.h"
#include "ops.h"

int lodge_apicv = -1;
module_param_named(apicv, lodge_apicv, int, 0444);
MODULE_PARM_DESC(apicv, "what the CPU does of the local APIC, where it can: 0 nothing, 1 the task priority, 2 registers and interrupts as well (default: 1)");

/* Integrated APIC, six LVT entries, can do without EOI broadcasts */
#define LAPIC_VERSION		(0x14u | 5u << 16 | APIC_LVR_DIRECTED_EOI)

static_assert(offsetof(struct lodge_lapic, irr) ==
	      offsetof(struct lodge_lapic, regs[APIC_IRR >> 4]));

/* Who may do what: read and write by MMIO in xAPIC, by MSR in x2APIC mode */
#define XR	BIT(0)
#define XW	BIT(1)
#define MR	BIT(2)
#define MW	BIT(3)
#define RO	(XR | MR)
#define RW	(RO | XW | MW)

/* SDM tables 11-1 and 11-6, with the bits that a register can hold. */
static const struct {
	u8 how;
	u32 bits;
} lapic_regs[LAPIC_REGS] = {
	[APIC_ID >> 4] = { RO, ~0u },
	[APIC_LVR >> 4] = { RO, LAPIC_VERSION },
	[APIC_TASKPRI >> 4] = { RW, 0xff },
	[APIC_ARBPRI >> 4] = { XR, 0 },
	[APIC_PROCPRI >> 4] = { RO, 0xff },
	[APIC_EOI >> 4] = { XW | MW, 0 },
	[APIC_RRR >> 4] = { XR, 0 },
	[APIC_LDR >> 4] = { RO | XW, 0xff000000 },
	[APIC_DFR >> 4] = { XR | XW, ~0u },
	[APIC_SPIV >> 4] = { RW, 0x13ff },
	[APIC_ISR >> 4 ... (APIC_IRR >> 4) + 7] = { RO, ~0u },
	[APIC_ESR >> 4] = { RW, 0xff },
	[APIC_ICR >> 4] = { RW, 0xccfff },
	[APIC_ICR2 >> 4] = { XR | XW, 0xff000000 },
	[APIC_LVTT >> 4] = { RW, 0x700ff },
	[APIC_LVTTHMR >> 4] = { RW, 0x107ff },
	[APIC_LVTPC >> 4] = { RW, 0x107ff },
	[APIC_LVT0 >> 4] = { RW, 0x1a7ff },
	[APIC_LVT1 >> 4] = { RW, 0x1a7ff },
	[APIC_LVTERR >> 4] = { RW, 0x100ff },
	[APIC_TMICT >> 4] = { RW, ~0u },
	[APIC_TMCCT >> 4] = { RO, ~0u },
	[APIC_TDCR >> 4] = { RW, 0xb },
	[APIC_SELF_IPI >> 4] = { MW, 0xff },
};

static u32 lapic_bits(const struct lodge_lapic *lapic, u32 offset)
{
	u32 bits = lapic_regs[offset >> 4].bits;

	if (offset == APIC_ICR2 && lapic_x2(lapic))
		return ~0u;
	if (offset == APIC_LVTT && !lodge_guest_has(lapic->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER))
		bits &= ~APIC_LVT_TIMER_TSCDEADLINE;
	return bits;
}

static int lapic_highest(const unsigned long *map)
{
	unsigned long bit = find_last_bit(map, 256);

	return bit < 256 ? bit : -1;
}

/* The own thread only: look for something to inject before the next entry. */
static void lapic_look_again(struct lodge_lapic *lapic)
{
	set_bit(LODGE_REQ_EVENT, &lapic->vcpu->requests);
}

/* The same, and what the CPU knows of the registers is out of date. */
static void lapic_changed(struct lodge_lapic *lapic)
{
	lapic->changed = true;
	lapic_look_again(lapic);
}

/* SDM 11.8.3.1 */
u8 lodge_lapic_ppr(struct lodge_lapic *lapic)
{
	u8 tpr = lapic_tpr(lapic);
	int isr = max(lapic_highest(lapic->isr), 0);

	return tpr >> 4 >= isr >> 4 ? tpr : isr & 0xf0;
}

/* The highest vector above the processor's priority, or -1. */
static int lapic_deliverable(struct lodge_lapic *lapic)
{
	int vector = lapic_highest(lapic->irr);

	if (vector < 0 || !lapic_enabled(lapic))
		return -1;
	return vector >> 4 > lodge_lapic_ppr(lapic) >> 4 ? vector : -1;
}

static void lapic_error(struct lodge_lapic *lapic, u32 error)
{
	/* The test ends the recursion of an error LVT with a bad vector. */
	if (!test_and_set_bit(__ffs(error), &lapic->errors))
		lodge_lapic_local(lapic, APIC_LVTERR);
}

/* Messages and local sources: the TMR tells what EOI has to do (SDM 11.8.4). */
static bool lapic_accept_fixed(struct lodge_lapic *lapic, u8 vector, bool level)
{
	if (!lapic_listens(lapic))
		return false;
	if (vector < 16) {
		lapic_error(lapic, APIC_ESR_RECVILL);
		return false;
	}
	if (test_bit(vector, lapic->tmr) != level)
		change_bit(vector, lapic->tmr);
	if (!test_and_set_bit(vector, lapic->irr))
		lodge_request(lapic->vcpu, LODGE_REQ_EVENT);
	return true;
}

bool lodge_lapic_accept(struct lodge_lapic *lapic, u32 icr)
{
	enum lodge_request request = LODGE_REQ_MP;

	if (!lapic_enabled(lapic))
		return false;
	switch (icr & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		return lapic_accept_fixed(lapic, icr, icr & APIC_INT_LEVELTRIG);
	case APIC_DM_NMI:
		lodge_queue_nmi(lapic->vcpu);
		return true;
	case APIC_DM_INIT:
		/* A SIPI from before the INIT is void. */
		clear_bit(LAPIC_PENDING_SIPI, &lapic->pending);
		set_bit(LAPIC_PENDING_INIT, &lapic->pending);
		break;
	case APIC_DM_STARTUP:
		WRITE_ONCE(lapic->sipi_vector, icr);
		set_bit(LAPIC_PENDING_SIPI, &lapic->pending);
		break;
	case APIC_DM_EXTINT:
		set_bit(LAPIC_PENDING_EXTINT, &lapic->pending);
		request = LODGE_REQ_EVENT;
		break;
	default:		/* SMI: there is no SMM to enter */
		return false;
	}
	lodge_request(lapic->vcpu, request);
	return true;
}

/* SDM 11.4.4.1: real mode at vector << 12 */
static void lapic_start(struct lodge_vcpu *vcpu, u8 vector)
{
	struct lodge_segment cs;

	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	lodge_op(set_segment)(vcpu, LODGE_CS, &cs);
	lodge_reg_write(vcpu, LODGE_RIP, 0);
	vcpu->sipi_vector = vector;
	WRITE_ONCE(vcpu->mp_state, LODGE_MP_RUNNABLE);
}

/*
 * Ring 2: apply the INIT and the SIPI that LODGE_REQ_MP told of. INIT goes first:
 * one that came later has voided the SIPI. A SIPI to a processor that does not wait
 * for one is dropped.
 */
void lodge_lapic_accept_events(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *lapic = vcpu->lapic;

	if (test_and_clear_bit(LAPIC_PENDING_INIT, &lapic->pending))
		lodge_vcpu_reset(vcpu, true);
	if (test_and_clear_bit(LAPIC_PENDING_SIPI, &lapic->pending) &&
	    vcpu->mp_state == LODGE_MP_WAIT_SIPI)
		lapic_start(vcpu, READ_ONCE(lapic->sipi_vector));
}

void lodge_lapic_local(struct lodge_lapic *lapic, u32 offset)
{
	u32 lvt = lapic_reg(lapic, offset), mode = lvt & APIC_MODE_MASK;

	if (lvt & APIC_LVT_MASKED || mode == APIC_DM_STARTUP)
		return;
	if (mode == APIC_DM_EXTINT)
		lodge_request(lapic->vcpu, LODGE_REQ_EVENT);
	else
		lodge_lapic_accept(lapic, mode | (u8)lvt);
}

/* Does the PIC's output reach the processor (SDM 11.5.1, MP virtual wire)? */
static bool lapic_extint_open(struct lodge_lapic *lapic)
{
	u32 lint0 = lapic_reg(lapic, APIC_LVT0);

	return !lapic_enabled(lapic) ||
	       (lint0 & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

void lodge_lapic_lint0(struct lodge_vm *vm, bool rising)
{
	struct lodge_vcpu *vcpu = READ_ONCE(vm->vcpus[0]);

	if (!vcpu)
		return;
	if (lapic_extint_open(vcpu->lapic))
		lodge_request(vcpu, LODGE_REQ_EVENT);
	else if (rising)
		lodge_lapic_local(vcpu->lapic, APIC_LVT0);
}

/* The PIC pair is wired to LINT0 of the boot processor, and to the I/O APIC. */
static bool lapic_extint(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->vm->chips.pic_output) &&
	       ((!vcpu->id && lapic_extint_open(vcpu->lapic)) ||
		test_bit(LAPIC_PENDING_EXTINT, &vcpu->lapic->pending));
}

/* Is there one for the processor? RFLAGS.IF and shadows are the caller's. */
bool lodge_has_interrupt(struct lodge_vcpu *vcpu)
{
	return lapic_deliverable(vcpu->lapic) >= 0 || lapic_extint(vcpu);
}

/* The same, but for those that the CPU delivers by itself */
bool lodge_must_inject(struct lodge_vcpu *vcpu)
{
	return vcpu->lapic->delivers ? lapic_extint(vcpu) : lodge_has_interrupt(vcpu);
}

/* The class that the TPR has to sink below before the highest request is taken, or 0. */
u8 lodge_lapic_threshold(struct lodge_vcpu *vcpu)
{
	int class = lapic_highest(vcpu->lapic->irr) >> 4;

	return class <= lapic_tpr(vcpu->lapic) >> 4 ? max(class, 0) : 0;
}

/* Ring 1, INTA cycle: the vector to be injected now, or -1 when there is none. */
int lodge_ack_interrupt(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	int vector = -1;

	if (lapic_extint(vcpu)) {
		clear_bit(LAPIC_PENDING_EXTINT, &lapic->pending);
		vector = lodge_irq_ack_pic(vcpu->vm);
	}
	if (vector >= 0 || lapic->delivers)
		return vector;
	vector = lapic_deliverable(lapic);
	if (vector < 0)
		return -1;
	__set_bit(vector, lapic->isr);
	clear_bit(vector, lapic->irr);
	return vector;
}

/* What waits may be let in; or it waits for the TPR alone now (lodge_lapic_threshold()). */
static __always_inline void lapic_priority_changed(struct lodge_lapic *lapic)
{
	if (lapic_highest(lapic->irr) >= 0)
		lapic_look_again(lapic);
}

static __always_inline void lapic_eoi_done(struct lodge_lapic *lapic, u8 vector)
{
	if (test_bit(vector, lapic->tmr) && !(lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI))
		lodge_irq_eoi(lapic->vcpu->vm, vector);
	lapic_priority_changed(lapic);
}

void lodge_lapic_eoi_done(struct lodge_lapic *lapic, u8 vector)
{
	lapic_eoi_done(lapic, vector);
}

void lodge_lapic_eoi(struct lodge_lapic *lapic)
{
	int vector = lapic_highest(lapic->isr);

	if (vector < 0)
		return;
	__clear_bit(vector, lapic->isr);
	lapic_eoi_done(lapic, vector);
}

/* SDM 11.12.10.2: cluster in 31:16, a bit per member in 15:0 */
static u32 lapic_x2_ldr(u32 id)
{
	return id >> 4 << 16 | BIT(id & 0xf);
}

bool lodge_lapic_match_logical(struct lodge_lapic *lapic, u32 dest)
{
	u32 ldr = lapic_reg(lapic, APIC_LDR) >> 24;

	if (lapic_x2(lapic)) {
		ldr = lapic_x2_ldr(lapic->vcpu->id);
		return dest >> 16 == ldr >> 16 && dest & ldr & 0xffff;
	}
	if (dest > 0xff)
		return false;
	switch (lapic_reg(lapic, APIC_DFR) >> 28) {
	case 0xf:	/* flat: a bit per processor */
		return ldr & dest;
	case 0:		/* cluster: number in 7:4, a bit per member in 3:0 */
		return (dest >> 4 == 0xf || dest >> 4 == ldr >> 4) && ldr & dest & 0xf;
	default:
		return false;
	}
}

static void lapic_send_ipi(struct lodge_lapic *lapic, u32 icr)
{
	u32 dest = lapic_reg(lapic, APIC_ICR2), shorthand = icr & LAPIC_SHORTHAND;

	if (!lapic_x2(lapic))
		dest = lodge_irq_dest8(dest >> 24);
	switch (icr & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		if ((u8)icr < 16) {
			lapic_error(lapic, APIC_ESR_SENDILL);
			return;
		}
		break;
	case APIC_DM_INIT:
		/* INIT level de-assert is for arbitration buses (SDM 11.6.1). */
		if ((icr & (APIC_INT_LEVELTRIG | APIC_INT_ASSERT)) == APIC_INT_LEVELTRIG)
			return;
		fallthrough;
	case APIC_DM_STARTUP:	/* SDM table 11-3: not to oneself */
		if (shorthand == APIC_DEST_SELF || shorthand == APIC_DEST_ALLINC)
			return;
		break;
	case APIC_DM_REMRD:
	case APIC_DM_EXTINT:	/* reserved */
		return;
	}
	/* The trigger mode counts for INIT alone. */
	lodge_irq_deliver(lapic->vcpu->vm, lapic->vcpu, dest, icr & ~APIC_INT_LEVELTRIG);
}

static void lapic_write_tpr(struct lodge_lapic *lapic, u32 value)
{
	WRITE_ONCE(*lapic->tpr, value);
	lapic_priority_changed(lapic);
}

static void lapic_write_lvt(struct lodge_lapic *lapic, u32 offset, u32 value)
{
	if (!(lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED))
		value |= APIC_LVT_MASKED;
	if (offset == APIC_LVTT) {
		/* Mode 3 is reserved; it counts once. */
		if ((value & LAPIC_TIMER_MODE) == LAPIC_TIMER_MODE)
			value &= ~LAPIC_TIMER_MODE;
		lodge_lapic_timer_mode(lapic, value & LAPIC_TIMER_MODE);
	}
	lapic_set_reg(lapic, offset, value);
	/* The PIC may have been waiting behind LINT0. */
	if (offset == APIC_LVT0)
		lapic_look_again(lapic);
}

/* @value: no other bits than lapic_bits() */
static void lapic_store(struct lodge_lapic *lapic, u32 offset, u32 value)
{
	u32 i;

	switch (offset) {
	case APIC_TASKPRI:
		lapic_write_tpr(lapic, value);
		return;
	case APIC_EOI:
		lodge_lapic_eoi(lapic);
		return;
	case APIC_DFR:
		lapic_set_reg(lapic, offset, value | APIC_DFR_CLUSTER);
		break;
	case APIC_SPIV:
		lapic_set_reg(lapic, offset, value);
		/* SDM 11.4.7.2: masked, and not to be unmasked until enabled */
		for (i = APIC_LVTT; i <= APIC_LVTERR && !(value & APIC_SPIV_APIC_ENABLED); i += 16)
			lapic_set_reg(lapic, i, lapic_reg(lapic, i) | APIC_LVT_MASKED);
		break;
	case APIC_ESR:
		/* SDM 11.5.3: a write shows what came since the last one */
		lapic_set_reg(lapic, offset, xchg(&lapic->errors, 0));
		break;
	case APIC_ICR:
		lapic_set_reg(lapic, offset, value);
		lapic_send_ipi(lapic, value);
		return;
	case APIC_SELF_IPI:
		lapic_send_ipi(lapic, APIC_DEST_SELF | value);
		return;
	case APIC_LVTT ... APIC_LVTERR:
		lapic_write_lvt(lapic, offset, value);
		break;
	case APIC_TMICT:
		/* SDM 11.5.4.1 */
		if (lapic_timer_mode(lapic) == APIC_LVT_TIMER_TSCDEADLINE)
			break;
		lapic_set_reg(lapic, offset, value);
		lodge_lapic_timer_start(lapic, value);
		break;
	case APIC_TDCR:
		lodge_lapic_timer_divide(lapic, value);
		break;
	default:
		lapic_set_reg(lapic, offset, value);
	}
	if (lapic->delivers)
		lapic_changed(lapic);
}

/* Read without side effects; a register that is not there reads as zero. */
static u32 lapic_peek(struct lodge_lapic *lapic, u32 offset)
{
	u32 id = lapic->vcpu->id;

	switch (offset) {
	case APIC_ID:
		return lapic_x2(lapic) ? id : id << 24;
	case APIC_LVR:
		return LAPIC_VERSION;
	case APIC_TASKPRI:
		return lapic_tpr(lapic);
	case APIC_PROCPRI:
		return lodge_lapic_ppr(lapic);
	case APIC_LDR:
		return lapic_x2(lapic) ? lapic_x2_ldr(id) : lapic_reg(lapic, offset);
	case APIC_TMCCT:
		return lodge_lapic_timer_count(lapic);
	default:
		return lapic_reg(lapic, offset);
	}
}

void lodge_lapic_write(struct lodge_lapic *lapic, u32 offset, u32 value)
{
	u8 how = lapic_regs[offset >> 4].how;

	if (how & XW)
		lapic_store(lapic, offset, value & lapic_bits(lapic, offset));
	else if (!(how & XR))
		lapic_error(lapic, APIC_ESR_ILLREGA);
}

u32 lodge_lapic_read(struct lodge_lapic *lapic, u32 offset)
{
	if (!(lapic_regs[offset >> 4].how & (XR | XW)))
		lapic_error(lapic, APIC_ESR_ILLREGA);
	return lapic_peek(lapic, offset);
}

bool lodge_lapic_mmio(struct lodge_lapic *lapic, u64 gpa, u32 bytes, bool write, u64 *value)
{
	u32 offset = gpa & 0xfff;

	if (!lapic_in_page(lapic, gpa))
		return false;
	/* Registers take aligned 32-bit accesses; others do nothing (SDM 11.4.1). */
	if (bytes != 4 || offset & 0xf || offset >= LAPIC_REGS * 16)
		*value = 0;
	else if (write)
		lodge_lapic_write(lapic, offset, *value);
	else
		*value = lodge_lapic_read(lapic, offset);
	return true;
}

/* The offset of the register behind @msr, or -EINVAL: #GP (SDM 11.12.1.3) */
static int lapic_msr_offset(struct lodge_lapic *lapic, u32 msr, u8 how)
{
	u32 index = msr - APIC_BASE_MSR;

	if (!lapic_x2(lapic) || index >= LAPIC_REGS)
		return -EINVAL;
	index = array_index_nospec(index, LAPIC_REGS);
	return lapic_regs[index].how & how ? index << 4 : -EINVAL;
}

int lodge_x2apic_read(struct lodge_vcpu *vcpu, u32 msr, u64 *value)
{
	int offset = lapic_msr_offset(vcpu->lapic, msr, MR);

	if (offset < 0)
		return offset;
	*value = lapic_peek(vcpu->lapic, offset);
	if (offset == APIC_ICR)
		*value |= (u64)lapic_reg(vcpu->lapic, APIC_ICR2) << 32;
	return 0;
}

int lodge_x2apic_write(struct lodge_vcpu *vcpu, u32 msr, u64 value)
{
	int offset = lapic_msr_offset(vcpu->lapic, msr, MW);
	struct lodge_lapic *lapic = vcpu->lapic;
	u64 allowed;

	if (offset < 0)
		return offset;
	allowed = lapic_bits(lapic, offset);
	/* Read-only bits of LVT entries are not reserved ones. */
	if (offset >= APIC_LVTT && offset <= APIC_LVTERR)
		allowed |= APIC_SEND_PENDING;
	if (offset == APIC_LVT0 || offset == APIC_LVT1)
		allowed |= APIC_LVT_REMOTE_IRR;
	if (offset == APIC_ICR)
		allowed |= GENMASK_ULL(63, 32);
	if (offset == APIC_ESR)
		allowed = 0;
	if (value & ~allowed)
		return -EINVAL;
	if (offset == APIC_ICR)
		lapic_set_reg(lapic, APIC_ICR2, value >> 32);
	lapic_store(lapic, offset, value & lapic_bits(lapic, offset));
	return 0;
}

u8 lodge_lapic_get_cr8(struct lodge_vcpu *vcpu)
{
	return lapic_tpr(vcpu->lapic) >> 4;
}

int lodge_lapic_set_cr8(struct lodge_vcpu *vcpu, u64 cr8)
{
	if (cr8 > 15)
		return -EINVAL;
	lapic_write_tpr(vcpu->lapic, cr8 << 4);
	return 0;
}

u64 lodge_lapic_get_base(struct lodge_vcpu *vcpu)
{
	return vcpu->lapic->base;
}

/* SDM 11.4.7.1 */
static void lapic_power_up(struct lodge_lapic *lapic)
{
	u32 i;

	lodge_lapic_timer_stop(lapic);
	for (i = 0; i < LAPIC_REGS; i++)
		WRITE_ONCE(lapic->regs[i], 0);
	WRITE_ONCE(*lapic->tpr, 0);
	for (i = APIC_LVTT; i <= APIC_LVTERR; i += 16)
		lapic_set_reg(lapic, i, APIC_LVT_MASKED);
	lapic_set_reg(lapic, APIC_DFR, APIC_DFR_FLAT);
	lapic_set_reg(lapic, APIC_SPIV, 0xff);
	WRITE_ONCE(lapic->errors, 0);
	clear_bit(LAPIC_PENDING_EXTINT, &lapic->pending);
	lapic_changed(lapic);
}

/*
 * Write IA32_APIC_BASE; -EINVAL where the processor says #GP. x2APIC mode is entered
 * from xAPIC mode and left by disabling, which finds the APIC as after power-up when
 * it is enabled again (SDM 11.4.3, 11.12.5). @host: from an ioctl, any mode follows
 * any other
 */
int lodge_lapic_set_base(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u64 bits = GENMASK_ULL(max_t(u8, vcpu->maxphyaddr, 36) - 1, 12) | XAPIC_ENABLE |
		   MSR_IA32_APICBASE_BSP;
	u64 was = lapic->base, mode = value & (XAPIC_ENABLE | X2APIC_ENABLE);

	if (lodge_guest_has(vcpu, X86_FEATURE_X2APIC))
		bits |= X2APIC_ENABLE;
	if (value & ~bits || mode == X2APIC_ENABLE)
		return -EINVAL;
	if (!host && mode && (was ^ value) & X2APIC_ENABLE &&
	    !(mode & X2APIC_ENABLE && was & XAPIC_ENABLE))
		return -EINVAL;
	/* Who is the boot processor is a fact, not a setting. */
	value &= ~(u64)MSR_IA32_APICBASE_BSP;
	if (!vcpu->id)
		value |= MSR_IA32_APICBASE_BSP;
	if (was & XAPIC_ENABLE && !mode)
		lapic_power_up(lapic);
	if ((was ^ value) & X2APIC_ENABLE)
		lapic_set_reg(lapic, APIC_ICR2, 0);
	WRITE_ONCE(lapic->base, value);
	lapic_changed(lapic);
	return 0;
}

/* Power-up; @init: keep IA32_APIC_BASE and what arrived since (SDM 11.4.7.3). */
void lodge_lapic_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_lapic *lapic = vcpu->lapic;

	lapic_power_up(lapic);
	if (init)
		return;
	WRITE_ONCE(lapic->base, APIC_DEFAULT_PHYS_BASE | XAPIC_ENABLE |
		   (vcpu->id ? 0 : MSR_IA32_APICBASE_BSP));
	WRITE_ONCE(lapic->pending, 0);
	/* Where no firmware runs: the virtual wire as it would leave it */
	if (!vcpu->id)
		lapic_set_reg(lapic, APIC_LVT0, APIC_DM_EXTINT);
}

int lodge_lapic_create(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);

	if (!lapic)
		return -ENOMEM;
	lapic->vcpu = vcpu;
	lapic->tpr = &lapic->regs[APIC_TASKPRI >> 4];
	if (lodge_apicv > LODGE_APICV_NONE) {
		lapic->page = (u32 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!lapic->page) {
			kfree(lapic);
			return -ENOMEM;
		}
		lapic->tpr = &lapic->page[APIC_TASKPRI >> 2];
		lapic->delivers = lodge_apicv == LODGE_APICV_DELIVERY;
	}
	lodge_lapic_timer_init(lapic);
	vcpu->lapic = lapic;
	lodge_lapic_reset(vcpu, false);
	return 0;
}

void lodge_lapic_destroy(struct lodge_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return;
	lodge_lapic_timer_stop(vcpu->lapic);
	free_page((unsigned long)vcpu->lapic->page);
	kfree(vcpu->lapic);
	vcpu->lapic = NULL;
}

/*
 * The register page for LODGE_GET_LAPIC. In x2APIC mode the ID, the LDR and the
 * destination in the second half of the ICR have 32 bits.
 */
void lodge_lapic_get_state(struct lodge_vcpu *vcpu, u8 *regs)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u32 offset, value;

	memset(regs, 0, LAPIC_REGS * 16);
	for (offset = 0; offset < LAPIC_REGS * 16; offset += 16) {
		value = lapic_peek(lapic, offset);
		if (offset == APIC_ESR)
			value |= READ_ONCE(lapic->errors);
		memcpy(regs + offset, &value, sizeof(value));
	}
}

static bool lapic_value_valid(struct lodge_lapic *lapic, u32 offset, u32 value)
{
	if (offset == APIC_ID || offset == APIC_LVR || (offset == APIC_LDR && lapic_x2(lapic)))
		return value == lapic_peek(lapic, offset);
	if (offset == APIC_DFR && ~value & APIC_DFR_CLUSTER)
		return false;
	if (offset == APIC_LVTT && (value & LAPIC_TIMER_MODE) == LAPIC_TIMER_MODE)
		return false;
	/* Nothing is kept where nothing can be read. */
	return !(value & ~(lapic_regs[offset >> 4].how & RO ? lapic_bits(lapic, offset) : 0));
}

static int lapic_parse_state(struct lodge_lapic *lapic, const u8 *regs, u32 *to)
{
	u32 i;

	for (i = 0; i < LAPIC_REGS; i++) {
		memcpy(&to[i], regs + i * 16, sizeof(*to));
		if (memchr_inv(regs + i * 16 + 4, 0, 12) ||
		    !lapic_value_valid(lapic, i << 4, to[i]))
			return -EINVAL;
	}
	/* Vectors below 16 are exceptions'. */
	if ((to[APIC_ISR >> 4] | to[APIC_TMR >> 4] | to[APIC_IRR >> 4]) & 0xffff)
		return -EINVAL;
	return to[APIC_TMCCT >> 4] > to[APIC_TMICT >> 4] ? -EINVAL : 0;
}

/*
 * LODGE_SET_LAPIC, not trusted; IA32_APIC_BASE says which mode @regs are of, and
 * IA32_TSC_DEADLINE has to be set after this. -EINVAL when a register cannot hold
 * its value; nothing is changed then.
 */
int lodge_lapic_set_state(struct lodge_vcpu *vcpu, const u8 *regs)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u32 state[LAPIC_REGS], i, count;

	if (lapic_parse_state(lapic, regs, state))
		return -EINVAL;
	lodge_lapic_timer_stop(lapic);
	for (i = 0; i < LAPIC_REGS; i++)
		if (lapic_regs[i].how & XW || (i >= APIC_ISR >> 4 && i < APIC_ESR >> 4))
			WRITE_ONCE(lapic->regs[i], state[i]);
	WRITE_ONCE(*lapic->tpr, state[APIC_TASKPRI >> 4]);
	WRITE_ONCE(lapic->errors, state[APIC_ESR >> 4]);
	count = state[APIC_TMCCT >> 4];
	if (!count && lapic_timer_mode(lapic) == APIC_LVT_TIMER_PERIODIC)
		count = state[APIC_TMICT >> 4];
	if (lapic_timer_mode(lapic) != APIC_LVT_TIMER_TSCDEADLINE)
		lodge_lapic_timer_start(lapic, count);
	lapic_changed(lapic);
	return 0;
}

/* Eight words of 32 vectors, in the page as far apart as all registers. */
static u32 *in_page(struct lodge_lapic *lapic, u32 map, int word)
{
	return lapic->page + (map >> 2) + word * 4;
}

u16 lodge_lapic_lend(struct lodge_lapic *lapic)
{
	int i, rvi = 0, svi = max(lapic_highest(lapic->isr), 0);
	u32 *reg = lapic->regs, irr;

	if (!svi && bitmap_empty(lapic->irr, 256))
		return 0;
	for (i = 0; i < 8; i++) {
		irr = xchg(&reg[(APIC_IRR >> 4) + i], 0);
		if (irr)
			rvi = i * 32 + __fls(irr);
		*in_page(lapic, APIC_IRR, i) = irr;
		*in_page(lapic, APIC_ISR, i) = reg[(APIC_ISR >> 4) + i];
		*in_page(lapic, APIC_TMR, i) = reg[(APIC_TMR >> 4) + i];
	}
	return svi << 8 | rvi;
}

void lodge_lapic_take_back(struct lodge_lapic *lapic)
{
	unsigned long irr, bit;
	int i;

	for (i = 0; i < 8; i++) {
		lapic->regs[(APIC_ISR >> 4) + i] = *in_page(lapic, APIC_ISR, i);
		irr = *in_page(lapic, APIC_IRR, i);
		for_each_set_bit(bit, &irr, 32)
			set_bit(i * 32 + bit, lapic->irr);
		*in_page(lapic, APIC_ISR, i) = 0;
		*in_page(lapic, APIC_IRR, i) = 0;
	}
}

/* Not what is made when it is read, nor a register of 64 bits. */
bool lodge_lapic_shown(u32 index)
{
	return lapic_regs[index].how & MR && index != APIC_ICR >> 4 && index != APIC_TMCCT >> 4;
}

void lodge_lapic_show(struct lodge_lapic *lapic)
{
	u32 i;

	for (i = 0; i < LAPIC_REGS; i++)
		if (lodge_lapic_shown(i) && (i < APIC_ISR >> 4 || i >= APIC_ESR >> 4))
			lapic->page[i * 4] = lapic_peek(lapic, i << 4);
	lapic->changed = false;
}
