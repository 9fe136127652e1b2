// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC of a vCPU: registers, priorities, local interrupts (SDM 11).
 *
 * The vCPU's own thread owns the registers and the ISR. Others only set bits:
 * in the IRR, in the pending errors, in the pending INIT and SIPI; so nothing
 * here takes a lock. Who sets a bit then calls lodge_request(), whose barrier
 * makes the bit visible before the vCPU can go to sleep or into the guest.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "lapic.h"
#include "ops.h"

#define LVT_DELIVERY(lvt)	(((lvt) >> 8) & 7)

/* Bits that software can set in a register; 0: read-only or not there. */
static const u32 lapic_bits[LAPIC_REGS] = {
	[LAPIC_TPR] = 0xff,
	[LAPIC_LDR] = 0xff000000,
	[LAPIC_DFR] = 0xffffffff,
	[LAPIC_SVR] = 0x1ff,
	[LAPIC_ICR] = 0xccfff,
	[LAPIC_ICR2] = 0xff000000,
	[LAPIC_LVT_TIMER] = 0x700ff,
	[LAPIC_LVT_THERMAL] = 0x107ff,
	[LAPIC_LVT_PERF] = 0x107ff,
	[LAPIC_LVT_LINT0] = 0x1a7ff,
	[LAPIC_LVT_LINT1] = 0x1a7ff,
	[LAPIC_LVT_ERROR] = 0x100ff,
	[LAPIC_TMICT] = 0xffffffff,
	[LAPIC_TDCR] = 0xb,
};

static int lapic_highest(const unsigned long *map)
{
	unsigned long bit = find_last_bit(map, 256);

	return bit < 256 ? bit : -1;
}

static u32 lapic_map_word(const unsigned long *map, u32 word)
{
	return READ_ONCE(map[word / 2]) >> (word % 2 * 32);
}

/* The own thread only: look for something to inject before the next entry. */
static void lapic_look_again(struct lodge_lapic *lapic)
{
	set_bit(LODGE_REQ_EVENT, &lapic->vcpu->requests);
}

static bool lapic_software_enabled(struct lodge_lapic *lapic)
{
	return lapic_reg(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE;
}

/* SDM 11.8.3.1 */
u8 lodge_lapic_ppr(struct lodge_lapic *lapic)
{
	u32 tpr = lapic_reg(lapic, LAPIC_TPR);
	int isr = max(lapic_highest(lapic->isr), 0);

	return tpr >> 4 >= isr >> 4 ? tpr : isr & 0xf0;
}

/* SDM 11.6.2.4: what competes in lowest-priority arbitration */
static u8 lapic_apr(struct lodge_lapic *lapic)
{
	u32 tpr = lapic_reg(lapic, LAPIC_TPR);
	u32 isr = max(lapic_highest(lapic->isr), 0);
	u32 irr = max(lapic_highest(lapic->irr), 0);

	if (tpr >> 4 >= irr >> 4 && tpr >> 4 > isr >> 4)
		return tpr;
	return max3(tpr, isr, irr) & 0xf0;
}

/* The highest vector above the processor's priority, or -1. */
static int lapic_deliverable(struct lodge_lapic *lapic)
{
	int vector = lapic_highest(lapic->irr);

	if (vector < 0 || !lapic_enabled(lapic))
		return -1;
	return vector >> 4 > lodge_lapic_ppr(lapic) >> 4 ? vector : -1;
}

static void lapic_error(struct lodge_lapic *lapic, int bit)
{
	/* The test ends the recursion of an error LVT with a bad vector. */
	if (!test_and_set_bit(bit, &lapic->errors))
		lodge_lapic_local(lapic, LAPIC_LVT_ERROR);
}

/* Messages and local sources: the TMR tells what EOI has to do (SDM 11.8.4). */
static bool lapic_accept_fixed(struct lodge_lapic *lapic, u8 vector, bool level)
{
	if (!lapic_software_enabled(lapic))
		return false;
	if (vector < 16) {
		lapic_error(lapic, LAPIC_ERR_RECV_VECTOR);
		return false;
	}
	if (test_bit(vector, lapic->tmr) != level)
		change_bit(vector, lapic->tmr);
	if (!test_and_set_bit(vector, lapic->irr))
		lodge_request(lapic->vcpu, LODGE_REQ_EVENT);
	return true;
}

static void lapic_accept_init(struct lodge_lapic *lapic)
{
	/* A SIPI from before the INIT is void. */
	clear_bit(LAPIC_PENDING_SIPI, &lapic->pending);
	set_bit(LAPIC_PENDING_INIT, &lapic->pending);
	lodge_request(lapic->vcpu, LODGE_REQ_MP);
}

static void lapic_accept_sipi(struct lodge_lapic *lapic, u8 vector)
{
	WRITE_ONCE(lapic->sipi_vector, vector);
	set_bit(LAPIC_PENDING_SIPI, &lapic->pending);
	lodge_request(lapic->vcpu, LODGE_REQ_MP);
}

bool lodge_lapic_take_init(struct lodge_lapic *lapic)
{
	return test_and_clear_bit(LAPIC_PENDING_INIT, &lapic->pending);
}

int lodge_lapic_take_sipi(struct lodge_lapic *lapic)
{
	if (!test_and_clear_bit(LAPIC_PENDING_SIPI, &lapic->pending))
		return -1;
	return READ_ONCE(lapic->sipi_vector);
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

/**
 * lodge_lapic_accept_events - apply the INIT and the SIPI that arrived
 * @vcpu: ring 2, loaded, own thread
 *
 * INIT goes first: one that came later has voided the SIPI. A SIPI to a
 * processor that does not wait for one is dropped.
 */
void lodge_lapic_accept_events(struct lodge_vcpu *vcpu)
{
	int vector;

	if (lodge_lapic_take_init(vcpu->lapic))
		lodge_vcpu_reset(vcpu, true);
	vector = lodge_lapic_take_sipi(vcpu->lapic);
	if (vector >= 0 && vcpu->mp_state == LODGE_MP_WAIT_SIPI)
		lapic_start(vcpu, vector);
}

bool lodge_lapic_accept(struct lodge_lapic *lapic, const struct lodge_irq *irq)
{
	if (!lapic_enabled(lapic))
		return false;
	switch (irq->delivery) {
	case LODGE_DM_FIXED:
	case LODGE_DM_LOWEST:
		return lapic_accept_fixed(lapic, irq->vector, irq->level);
	case LODGE_DM_NMI:
		lodge_queue_nmi(lapic->vcpu);
		return true;
	case LODGE_DM_INIT:
		/* INIT level de-assert is for arbitration buses (SDM 11.6.1) */
		if (irq->level && !irq->assert)
			return false;
		lapic_accept_init(lapic);
		return true;
	case LODGE_DM_SIPI:
		lapic_accept_sipi(lapic, irq->vector);
		return true;
	default:
		return false;
	}
}

void lodge_lapic_local(struct lodge_lapic *lapic, u32 index)
{
	u32 lvt = lapic_reg(lapic, index);
	struct lodge_irq irq = {
		.vector = lvt,
		.delivery = LVT_DELIVERY(lvt),
		.assert = true,
	};

	if (lvt & LAPIC_LVT_MASKED || irq.delivery == LODGE_DM_SIPI)
		return;
	if (irq.delivery == LODGE_DM_EXTINT)
		lodge_request(lapic->vcpu, LODGE_REQ_EVENT);
	else
		lodge_lapic_accept(lapic, &irq);
}

/* Does the PIC's output reach the processor (SDM 11.5.1, MP virtual wire)? */
static bool lapic_extint_open(struct lodge_lapic *lapic)
{
	u32 lint0 = lapic_reg(lapic, LAPIC_LVT_LINT0);

	if (!lapic_enabled(lapic))
		return true;
	return !(lint0 & LAPIC_LVT_MASKED) &&
	       LVT_DELIVERY(lint0) == LODGE_DM_EXTINT;
}

void lodge_lapic_lint0(struct lodge_vm *vm, bool rising)
{
	struct lodge_vcpu *vcpu = READ_ONCE(vm->vcpus[0]);

	if (!vcpu)
		return;
	if (lapic_extint_open(vcpu->lapic))
		lodge_request(vcpu, LODGE_REQ_EVENT);
	else if (rising)
		lodge_lapic_local(vcpu->lapic, LAPIC_LVT_LINT0);
}

/* The PIC pair is wired to LINT0 of the boot processor alone. */
static bool lapic_extint(struct lodge_vcpu *vcpu)
{
	return !vcpu->id && lapic_extint_open(vcpu->lapic) &&
	       lodge_pic_output(vcpu->vm->chips.pic);
}

/**
 * lodge_has_interrupt - does a controller have an interrupt for this vCPU?
 * @vcpu: any ring, its own thread
 *
 * RFLAGS.IF and the interrupt shadow are the caller's to check.
 */
bool lodge_has_interrupt(struct lodge_vcpu *vcpu)
{
	return lapic_deliverable(vcpu->lapic) >= 0 || lapic_extint(vcpu);
}

/**
 * lodge_ack_interrupt - the processor takes the interrupt (INTA cycle)
 * @vcpu: ring 1, its own thread; the vector is to be injected now
 *
 * Return: vector, or -1 when there is none any more
 */
int lodge_ack_interrupt(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	int vector = -1;

	if (lapic_extint(vcpu))
		vector = lodge_pic_ack(vcpu->vm->chips.pic);
	if (vector >= 0)
		return vector;
	vector = lapic_deliverable(lapic);
	if (vector < 0)
		return -1;
	__set_bit(vector, lapic->isr);
	clear_bit(vector, lapic->irr);
	return vector;
}

bool lodge_lapic_match_logical(struct lodge_lapic *lapic, u8 dest)
{
	u32 ldr = lapic_reg(lapic, LAPIC_LDR) >> 24;

	if (dest == 0xff)
		return true;
	switch (lapic_reg(lapic, LAPIC_DFR) >> 28) {
	case 0xf:	/* flat: a bit per processor */
		return ldr & dest;
	case 0:		/* cluster: number in 7:4, a bit per member in 3:0 */
		return (dest >> 4 == 0xf || dest >> 4 == ldr >> 4) &&
		       ldr & dest & 0xf;
	default:
		return false;
	}
}

static void lapic_send_ipi(struct lodge_lapic *lapic, u32 icr)
{
	struct lodge_irq irq = {
		.dest = lapic_reg(lapic, LAPIC_ICR2) >> 24,
		.vector = icr,
		.delivery = (icr >> 8) & 7,
		.logical = icr & BIT(11),
		.assert = icr & BIT(14),
		.shorthand = (icr >> 18) & 3,
	};
	bool fixed = irq.delivery <= LODGE_DM_LOWEST;
	bool start = irq.delivery == LODGE_DM_INIT ||
		     irq.delivery == LODGE_DM_SIPI;

	/* The trigger mode counts for INIT alone (SDM 11.6.1). */
	irq.level = irq.delivery == LODGE_DM_INIT && icr & BIT(15);
	if (fixed && irq.vector < 16) {
		lapic_error(lapic, LAPIC_ERR_SEND_VECTOR);
		return;
	}
	/* SDM table 11-3: not to oneself */
	if (start && (irq.shorthand == LODGE_SH_SELF ||
		      irq.shorthand == LODGE_SH_ALL))
		return;
	lodge_irq_deliver(lapic->vcpu->vm, lapic->vcpu, &irq);
}

static void lapic_eoi(struct lodge_lapic *lapic)
{
	int vector = lapic_highest(lapic->isr);

	if (vector < 0)
		return;
	__clear_bit(vector, lapic->isr);
	if (test_bit(vector, lapic->tmr))
		lodge_ioapic_eoi(lapic->vcpu->vm->chips.ioapic, vector);
	if (lapic_deliverable(lapic) >= 0)
		lapic_look_again(lapic);
}

static void lapic_write_tpr(struct lodge_lapic *lapic, u32 value)
{
	lapic_set_reg(lapic, LAPIC_TPR, value & 0xff);
	if (lapic_deliverable(lapic) >= 0)
		lapic_look_again(lapic);
}

static void lapic_write_svr(struct lodge_lapic *lapic, u32 value)
{
	u32 i;

	lapic_set_reg(lapic, LAPIC_SVR, value & lapic_bits[LAPIC_SVR]);
	if (value & LAPIC_SVR_ENABLE)
		return;
	/* SDM 11.4.7.2: masked, and not to be unmasked until enabled */
	for (i = LAPIC_LVT_TIMER; i <= LAPIC_LVT_ERROR; i++)
		lapic_set_reg(lapic, i, lapic_reg(lapic, i) | LAPIC_LVT_MASKED);
}

static void lapic_write_lvt(struct lodge_lapic *lapic, u32 index, u32 value)
{
	value &= lapic_bits[index];
	if (!lapic_software_enabled(lapic))
		value |= LAPIC_LVT_MASKED;
	if (index == LAPIC_LVT_TIMER) {
		/* Mode 3 is reserved; it counts once. */
		if ((value & LAPIC_TIMER_MODE) == LAPIC_TIMER_MODE)
			value &= ~LAPIC_TIMER_MODE;
		lodge_lapic_timer_mode(lapic, value & LAPIC_TIMER_MODE);
	}
	lapic_set_reg(lapic, index, value);
	/* The PIC may have been waiting behind LINT0. */
	if (index == LAPIC_LVT_LINT0)
		lapic_look_again(lapic);
}

static void lapic_write_tmict(struct lodge_lapic *lapic, u32 value)
{
	/* SDM 11.5.4.1 */
	if (lapic_timer_mode(lapic) == LAPIC_TIMER_DEADLINE)
		return;
	lapic_set_reg(lapic, LAPIC_TMICT, value);
	lodge_lapic_timer_start(lapic, value);
}

static bool lapic_read_only(u32 index)
{
	switch (index) {
	case LAPIC_ID:
	case LAPIC_VERSION:
	case LAPIC_APR:
	case LAPIC_PPR:
	case LAPIC_RRD:
	case LAPIC_ISR ... LAPIC_IRR + 7:
	case LAPIC_TMCCT:
		return true;
	default:
		return false;
	}
}

/**
 * lodge_lapic_write - the guest writes a register
 * @lapic: of the vCPU that executes
 * @index: below LAPIC_REGS
 * @value: any
 */
void lodge_lapic_write(struct lodge_lapic *lapic, u32 index, u32 value)
{
	switch (index) {
	case LAPIC_TPR:
		lapic_write_tpr(lapic, value);
		break;
	case LAPIC_EOI:
		lapic_eoi(lapic);
		break;
	case LAPIC_DFR:
		lapic_set_reg(lapic, index, value | 0x0fffffff);
		break;
	case LAPIC_LDR:
	case LAPIC_ICR2:
		lapic_set_reg(lapic, index, value & lapic_bits[index]);
		break;
	case LAPIC_SVR:
		lapic_write_svr(lapic, value);
		break;
	case LAPIC_ESR:
		/* SDM 11.5.3: a write shows what came since the last one */
		lapic_set_reg(lapic, index, xchg(&lapic->errors, 0));
		break;
	case LAPIC_ICR:
		value &= lapic_bits[index];
		lapic_set_reg(lapic, index, value);
		lapic_send_ipi(lapic, value);
		break;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		lapic_write_lvt(lapic, index, value);
		break;
	case LAPIC_TMICT:
		lapic_write_tmict(lapic, value);
		break;
	case LAPIC_TDCR:
		lodge_lapic_timer_divide(lapic, value & lapic_bits[index]);
		break;
	default:
		if (!lapic_read_only(index))
			lapic_error(lapic, LAPIC_ERR_REGISTER);
	}
}

/* Read without side effects; false: no such register. */
static bool lapic_peek(struct lodge_lapic *lapic, u32 index, u32 *value)
{
	*value = 0;
	switch (index) {
	case LAPIC_ID:
		*value = lapic->vcpu->id << 24;
		return true;
	case LAPIC_VERSION:
		*value = LAPIC_VERSION_VALUE;
		return true;
	case LAPIC_APR:
		*value = lapic_apr(lapic);
		return true;
	case LAPIC_PPR:
		*value = lodge_lapic_ppr(lapic);
		return true;
	case LAPIC_EOI:
	case LAPIC_RRD:
		return true;
	case LAPIC_ISR ... LAPIC_ISR + 7:
		*value = lapic_map_word(lapic->isr, index - LAPIC_ISR);
		return true;
	case LAPIC_TMR ... LAPIC_TMR + 7:
		*value = lapic_map_word(lapic->tmr, index - LAPIC_TMR);
		return true;
	case LAPIC_IRR ... LAPIC_IRR + 7:
		*value = lapic_map_word(lapic->irr, index - LAPIC_IRR);
		return true;
	case LAPIC_TMCCT:
		*value = lodge_lapic_timer_count(lapic);
		return true;
	default:
		*value = lapic_reg(lapic, index);
		return lapic_bits[index] || index == LAPIC_ESR;
	}
}

/**
 * lodge_lapic_read - the guest reads a register
 * @lapic: of the vCPU that executes
 * @index: below LAPIC_REGS
 */
u32 lodge_lapic_read(struct lodge_lapic *lapic, u32 index)
{
	u32 value;

	if (!lapic_peek(lapic, index, &value))
		lapic_error(lapic, LAPIC_ERR_REGISTER);
	return value;
}

static bool lapic_in_page(struct lodge_lapic *lapic, u64 gpa)
{
	return lapic_enabled(lapic) && !((gpa ^ lapic->base) >> 12);
}

/* Registers take aligned 32-bit accesses; others do nothing (SDM 11.4.1). */
static bool lapic_access_ok(u64 gpa, u32 bytes)
{
	return bytes == 4 && !(gpa & 0xf) && (gpa & 0xfff) >> 4 < LAPIC_REGS;
}

bool lodge_lapic_mmio_read(struct lodge_lapic *lapic, u64 gpa, u32 bytes,
			   u64 *value)
{
	if (!lapic_in_page(lapic, gpa))
		return false;
	*value = 0;
	if (lapic_access_ok(gpa, bytes))
		*value = lodge_lapic_read(lapic, (gpa & 0xfff) >> 4);
	return true;
}

bool lodge_lapic_mmio_write(struct lodge_lapic *lapic, u64 gpa, u32 bytes,
			    u64 value)
{
	if (!lapic_in_page(lapic, gpa))
		return false;
	if (lapic_access_ok(gpa, bytes))
		lodge_lapic_write(lapic, (gpa & 0xfff) >> 4, value);
	return true;
}

u8 lodge_lapic_get_cr8(struct lodge_vcpu *vcpu)
{
	return lapic_reg(vcpu->lapic, LAPIC_TPR) >> 4;
}

void lodge_lapic_set_cr8(struct lodge_vcpu *vcpu, u8 cr8)
{
	lapic_write_tpr(vcpu->lapic, cr8 << 4);
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
		lapic_set_reg(lapic, i, 0);
	for (i = LAPIC_LVT_TIMER; i <= LAPIC_LVT_ERROR; i++)
		lapic_set_reg(lapic, i, LAPIC_LVT_MASKED);
	lapic_set_reg(lapic, LAPIC_DFR, 0xffffffff);
	lapic_set_reg(lapic, LAPIC_SVR, 0xff);
	/* No firmware will run: leave the virtual wire as it would. */
	if (!lapic->vcpu->id)
		lapic_set_reg(lapic, LAPIC_LVT_LINT0, LODGE_DM_EXTINT << 8);
	bitmap_zero(lapic->irr, 256);
	bitmap_zero(lapic->isr, 256);
	bitmap_zero(lapic->tmr, 256);
	WRITE_ONCE(lapic->errors, 0);
}

/**
 * lodge_lapic_set_base - write IA32_APIC_BASE
 * @vcpu: own thread, or stopped
 * @value: as written; x2APIC mode is not offered
 *
 * Return: 0, or -EINVAL where the processor says #GP
 */
int lodge_lapic_set_base(struct lodge_vcpu *vcpu, u64 value)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u64 address = GENMASK_ULL(max_t(u8, vcpu->maxphyaddr, 36) - 1, 12);

	if (value & ~(address | LAPIC_BASE_ENABLE | LAPIC_BASE_BSP))
		return -EINVAL;
	/* Who is the boot processor is a fact, not a setting. */
	value &= ~LAPIC_BASE_BSP;
	if (!vcpu->id)
		value |= LAPIC_BASE_BSP;
	/* SDM 11.4.3: enabling it again finds it as after power-up */
	if (lapic_enabled(lapic) && !(value & LAPIC_BASE_ENABLE))
		lapic_power_up(lapic);
	WRITE_ONCE(lapic->base, value);
	lapic_look_again(lapic);
	return 0;
}

/**
 * lodge_lapic_reset - power-up state, or what INIT leaves
 * @vcpu: ring 2, own thread or stopped
 * @init: keep IA32_APIC_BASE and what arrived since (SDM 11.4.7.3)
 */
void lodge_lapic_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_lapic *lapic = vcpu->lapic;

	lapic_power_up(lapic);
	if (init)
		return;
	WRITE_ONCE(lapic->base, LODGE_APIC_BASE | LAPIC_BASE_ENABLE |
		   (vcpu->id ? 0 : LAPIC_BASE_BSP));
	WRITE_ONCE(lapic->pending, 0);
}

/**
 * lodge_lapic_create - give a vCPU its local APIC
 * @vcpu: its id is the APIC id
 */
int lodge_lapic_create(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);

	if (!lapic)
		return -ENOMEM;
	lapic->vcpu = vcpu;
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
	kfree(vcpu->lapic);
	vcpu->lapic = NULL;
}

/**
 * lodge_lapic_get_state - the register page for LODGE_GET_LAPIC
 * @vcpu: stopped
 * @regs: 1024 bytes
 */
void lodge_lapic_get_state(struct lodge_vcpu *vcpu, u8 *regs)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u32 i, value;

	memset(regs, 0, LAPIC_REGS * 16);
	for (i = 0; i < LAPIC_REGS; i++) {
		lapic_peek(lapic, i, &value);
		if (i == LAPIC_ESR)
			value |= READ_ONCE(lapic->errors);
		memcpy(regs + i * 16, &value, sizeof(value));
	}
}

static bool lapic_value_valid(struct lodge_lapic *lapic, u32 index, u32 value)
{
	switch (index) {
	case LAPIC_ID:
		return value == lapic->vcpu->id << 24;
	case LAPIC_VERSION:
		return value == LAPIC_VERSION_VALUE;
	case LAPIC_APR:		/* follow from the others */
	case LAPIC_PPR:
	case LAPIC_ESR:
		return value <= 0xff;
	case LAPIC_DFR:
		return (value & 0x0fffffff) == 0x0fffffff;
	case LAPIC_ISR:
	case LAPIC_TMR:
	case LAPIC_IRR:
		return !(value & 0xffff);
	case LAPIC_ISR + 1 ... LAPIC_ISR + 7:
	case LAPIC_TMR + 1 ... LAPIC_TMR + 7:
	case LAPIC_IRR + 1 ... LAPIC_IRR + 7:
	case LAPIC_TMCCT:
		return true;
	case LAPIC_LVT_TIMER:
		if ((value & LAPIC_TIMER_MODE) == LAPIC_TIMER_MODE)
			return false;
		fallthrough;
	default:
		return !(value & ~lapic_bits[index]);
	}
}

static int lapic_parse_state(struct lodge_lapic *lapic, const u8 *regs, u32 *to)
{
	u32 i;

	for (i = 0; i < LAPIC_REGS; i++) {
		memcpy(&to[i], regs + i * 16, sizeof(*to));
		if (memchr_inv(regs + i * 16 + 4, 0, 12) ||
		    !lapic_value_valid(lapic, i, to[i]))
			return -EINVAL;
	}
	return to[LAPIC_TMCCT] > to[LAPIC_TMICT] ? -EINVAL : 0;
}

static void lapic_load_map(unsigned long *map, const u32 *words)
{
	bitmap_from_arr32(map, words, 256);
}

/**
 * lodge_lapic_set_state - LODGE_SET_LAPIC
 * @vcpu: stopped
 * @regs: 1024 bytes, from userspace and not trusted
 *
 * IA32_TSC_DEADLINE is an MSR and has to be set after this.
 *
 * Return: 0, or -EINVAL when a register cannot hold its value; nothing is
 * changed then
 */
int lodge_lapic_set_state(struct lodge_vcpu *vcpu, const u8 *regs)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u32 state[LAPIC_REGS], i, count;

	if (lapic_parse_state(lapic, regs, state))
		return -EINVAL;
	lodge_lapic_timer_stop(lapic);
	for (i = 0; i < LAPIC_REGS; i++)
		if (lapic_bits[i] || i == LAPIC_ESR)
			lapic_set_reg(lapic, i, state[i]);
	lapic_load_map(lapic->isr, &state[LAPIC_ISR]);
	lapic_load_map(lapic->tmr, &state[LAPIC_TMR]);
	lapic_load_map(lapic->irr, &state[LAPIC_IRR]);
	WRITE_ONCE(lapic->errors, state[LAPIC_ESR]);
	count = state[LAPIC_TMCCT];
	if (!count && lapic_timer_mode(lapic) == LAPIC_TIMER_PERIODIC)
		count = state[LAPIC_TMICT];
	if (lapic_timer_mode(lapic) != LAPIC_TIMER_DEADLINE)
		lodge_lapic_timer_start(lapic, count);
	lapic_look_again(lapic);
	return 0;
}
