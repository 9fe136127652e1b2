// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC: 24 pins, version 0x20, which has the EOI register.
 *
 * A pin's line is asserted or not; polarity is the device's affair. The lock
 * is held while a message is delivered, which takes no other lock of ours.
 */
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "lodge.h"

#define IOAPIC_VERSION		(0x20u | (LODGE_IOAPIC_PINS - 1) << 16)
#define IOAPIC_ALL_PINS		GENMASK(LODGE_IOAPIC_PINS - 1, 0)

/* MMIO offsets */
#define IOAPIC_SELECT		0x00
#define IOAPIC_WINDOW		0x10
#define IOAPIC_EOI		0x40

/* Redirection entry */
#define REDIR_LOGICAL		BIT_ULL(11)
#define REDIR_BUSY		BIT_ULL(12)
#define REDIR_REMOTE_IRR	BIT_ULL(14)
#define REDIR_LEVEL		BIT_ULL(15)
#define REDIR_MASKED		BIT_ULL(16)
#define REDIR_BITS		(0xff00000000000000ull | GENMASK_ULL(16, 0))
#define REDIR_READ_ONLY		(REDIR_BUSY | REDIR_REMOTE_IRR)

/**
 * struct lodge_ioapic - the I/O APIC of a VM
 * @vm: whose
 * @lock: @state
 * @state: @state.lines holds the inputs; @state.irr is made when asked for
 */
struct lodge_ioapic {
	struct lodge_vm *vm;
	raw_spinlock_t lock;
	struct lodge_ioapic_state state;
};

/* Fixed and lowest priority wait for an EOI when level-triggered. */
static bool redir_level(u64 entry)
{
	return entry & REDIR_LEVEL && ((entry >> 8) & 7) <= LODGE_DM_LOWEST;
}

static void ioapic_deliver(struct lodge_ioapic *ioapic, u32 pin)
{
	u64 *entry = &ioapic->state.redir[pin];
	struct lodge_irq irq = {
		.dest = *entry >> 56,
		.vector = *entry,
		.delivery = (*entry >> 8) & 7,
		.logical = *entry & REDIR_LOGICAL,
		.level = redir_level(*entry),
		.assert = true,
	};

	if (irq.delivery == LODGE_DM_SIPI)
		return;
	if (lodge_irq_deliver(ioapic->vm, NULL, &irq) && irq.level)
		*entry |= REDIR_REMOTE_IRR;
}

/* Deliver what a level-triggered pin has to say, once per EOI. */
static void ioapic_check_level(struct lodge_ioapic *ioapic, u32 pin)
{
	u64 entry = ioapic->state.redir[pin];

	if (ioapic->state.lines & BIT(pin) && redir_level(entry) &&
	    !(entry & (REDIR_MASKED | REDIR_REMOTE_IRR)))
		ioapic_deliver(ioapic, pin);
}

/**
 * lodge_ioapic_set_line - an input changes
 * @ioapic: any context
 * @pin: below LODGE_IOAPIC_PINS
 * @level: asserted
 *
 * Edges of a masked pin are lost, as in the chip.
 */
void lodge_ioapic_set_line(struct lodge_ioapic *ioapic, u32 pin, bool level)
{
	struct lodge_ioapic_state *state = &ioapic->state;
	unsigned long flags;
	bool rising;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	rising = level && !(state->lines & BIT(pin));
	if (level)
		state->lines |= BIT(pin);
	else
		state->lines &= ~BIT(pin);
	if (redir_level(state->redir[pin]))
		ioapic_check_level(ioapic, pin);
	else if (rising && !(state->redir[pin] & REDIR_MASKED))
		ioapic_deliver(ioapic, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

static void ioapic_eoi(struct lodge_ioapic *ioapic, u8 vector)
{
	u64 *entry;
	u32 pin;

	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++) {
		entry = &ioapic->state.redir[pin];
		if ((u8)*entry != vector || !(*entry & REDIR_REMOTE_IRR))
			continue;
		*entry &= ~REDIR_REMOTE_IRR;
		ioapic_check_level(ioapic, pin);
	}
}

/* The EOI that local APICs broadcast for level-triggered vectors. */
void lodge_ioapic_eoi(struct lodge_ioapic *ioapic, u8 vector)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic_eoi(ioapic, vector);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

static void ioapic_write_redir(struct lodge_ioapic *ioapic, u32 pin, bool high,
			       u32 value)
{
	u64 *entry = &ioapic->state.redir[pin];
	u64 written = high ? (u64)value << 32 : value;
	u64 half = high ? 0xffffffff00000000ull : 0xffffffffull;
	u64 bits = half & REDIR_BITS & ~REDIR_READ_ONLY;

	*entry = (*entry & ~bits) | (written & bits);
	/* How software clears Remote IRR by hand: through edge and back */
	if (!redir_level(*entry))
		*entry &= ~REDIR_REMOTE_IRR;
	ioapic_check_level(ioapic, pin);
}

static u32 ioapic_read_register(struct lodge_ioapic *ioapic, u32 index)
{
	u32 pin = (index - 0x10) / 2;

	switch (index) {
	case 0:
	case 2:		/* arbitration id: loaded with the id */
		return ioapic->state.id;
	case 1:
		return IOAPIC_VERSION;
	case 0x10 ... 0x10 + 2 * LODGE_IOAPIC_PINS - 1:
		return ioapic->state.redir[pin] >> (index % 2 * 32);
	default:
		return 0;
	}
}

static void ioapic_write_register(struct lodge_ioapic *ioapic, u32 index,
				  u32 value)
{
	switch (index) {
	case 0:
		ioapic->state.id = value & 0x0f000000;
		break;
	case 0x10 ... 0x10 + 2 * LODGE_IOAPIC_PINS - 1:
		ioapic_write_redir(ioapic, (index - 0x10) / 2, index % 2, value);
		break;
	}
}

/**
 * lodge_ioapic_read - the guest reads
 * @ioapic: any context
 * @offset: in the page
 */
u32 lodge_ioapic_read(struct lodge_ioapic *ioapic, u32 offset)
{
	unsigned long flags;
	u32 value = 0;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (offset == IOAPIC_SELECT)
		value = ioapic->state.select;
	else if (offset == IOAPIC_WINDOW)
		value = ioapic_read_register(ioapic, ioapic->state.select);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return value;
}

/**
 * lodge_ioapic_write - the guest writes
 * @ioapic: any context
 * @offset: in the page
 * @value: any
 */
void lodge_ioapic_write(struct lodge_ioapic *ioapic, u32 offset, u32 value)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (offset == IOAPIC_SELECT)
		ioapic->state.select = value & 0xff;
	else if (offset == IOAPIC_WINDOW)
		ioapic_write_register(ioapic, ioapic->state.select, value);
	else if (offset == IOAPIC_EOI)
		ioapic_eoi(ioapic, value);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/**
 * lodge_ioapic_reset - power-on state
 * @ioapic: any context
 *
 * The inputs stay: they are the devices', not the chip's.
 */
void lodge_ioapic_reset(struct lodge_ioapic *ioapic)
{
	unsigned long flags;
	u32 pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->state.id = 0;
	ioapic->state.select = 0;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		ioapic->state.redir[pin] = REDIR_MASKED;
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

struct lodge_ioapic *lodge_ioapic_create(struct lodge_vm *vm)
{
	struct lodge_ioapic *ioapic = kzalloc(sizeof(*ioapic),
					      GFP_KERNEL_ACCOUNT);

	if (!ioapic)
		return NULL;
	ioapic->vm = vm;
	raw_spin_lock_init(&ioapic->lock);
	lodge_ioapic_reset(ioapic);
	return ioapic;
}

void lodge_ioapic_destroy(struct lodge_ioapic *ioapic)
{
	kfree(ioapic);
}

/**
 * lodge_ioapic_get - LODGE_GET_CHIP
 * @ioapic: any context
 * @state: filled; irr says which pins ask for a level interrupt
 */
void lodge_ioapic_get(struct lodge_ioapic *ioapic,
		      struct lodge_ioapic_state *state)
{
	unsigned long flags;
	u32 pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	*state = ioapic->state;
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	state->irr = 0;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		if (state->lines & BIT(pin) && redir_level(state->redir[pin]))
			state->irr |= BIT(pin);
}

static bool redir_valid(u64 entry)
{
	if (entry & (~REDIR_BITS | REDIR_BUSY))
		return false;
	return redir_level(entry) || !(entry & REDIR_REMOTE_IRR);
}

/**
 * lodge_ioapic_set - LODGE_SET_CHIP
 * @ioapic: any context
 * @state: from userspace, not trusted
 *
 * Return: 0, or -EINVAL when the chip cannot be in that state
 */
int lodge_ioapic_set(struct lodge_ioapic *ioapic,
		     const struct lodge_ioapic_state *state)
{
	unsigned long flags;
	u32 pin;

	if (state->id & ~0x0f000000u || state->select > 0xff ||
	    (state->lines | state->irr) & ~IOAPIC_ALL_PINS)
		return -EINVAL;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		if (!redir_valid(state->redir[pin]))
			return -EINVAL;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->state = *state;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		ioapic_check_level(ioapic, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return 0;
}
