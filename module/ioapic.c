// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC: 24 pins, version 0x20, which has the EOI register.
 *
 * A pin's line is asserted or not; polarity is the device's affair. The lock
 * is held while a message is delivered, which takes no other lock of ours.
 */
#include "lodge.h"

#define IOAPIC_VERSION		(0x20u | (LODGE_IOAPIC_PINS - 1) << 16)
#define IOAPIC_ALL_PINS		GENMASK(LODGE_IOAPIC_PINS - 1, 0)
#define IOAPIC_ID_BITS		0x0f000000u

/* MMIO offsets */
#define IOAPIC_SELECT		0x00
#define IOAPIC_WINDOW		0x10
#define IOAPIC_EOI		0x40

/* Redirection entry; its bits 11:0 and 15 are as in the ICR. */
#define REDIR_BUSY		BIT_ULL(12)
#define REDIR_REMOTE_IRR	BIT_ULL(14)
#define REDIR_MASKED		BIT_ULL(16)
#define REDIR_MESSAGE		0x0fffu
#define REDIR_BITS		(0xff00000000000000ull | GENMASK_ULL(16, 0))
#define REDIR_READ_ONLY		(REDIR_BUSY | REDIR_REMOTE_IRR)

/* Fixed and lowest priority wait for an EOI when level-triggered. */
static bool redir_level(u64 entry)
{
	return entry & APIC_INT_LEVELTRIG && (entry & APIC_MODE_MASK) <= APIC_DM_LOWEST;
}

static void ioapic_deliver(struct lodge_vm *vm, u32 pin)
{
	u64 *entry = &vm->chips.ioapic.redir[pin];
	u32 icr = *entry & REDIR_MESSAGE;

	if ((icr & APIC_MODE_MASK) == APIC_DM_STARTUP)
		return;
	if (redir_level(*entry))
		icr |= APIC_INT_LEVELTRIG;
	if (lodge_irq_deliver(vm, NULL, lodge_irq_dest8(*entry >> 56), icr) &&
	    icr & APIC_INT_LEVELTRIG)
		*entry |= REDIR_REMOTE_IRR;
}

/* Deliver what a level-triggered pin has to say, once per EOI. */
static void ioapic_check_level(struct lodge_vm *vm, u32 pin)
{
	u64 entry = vm->chips.ioapic.redir[pin];

	if (vm->chips.ioapic.lines & BIT(pin) && redir_level(entry) &&
	    !(entry & (REDIR_MASKED | REDIR_REMOTE_IRR)))
		ioapic_deliver(vm, pin);
}

/* An input changes. Edges of a masked pin are lost, as in the chip. */
void lodge_ioapic_set_line(struct lodge_vm *vm, u32 pin, bool level)
{
	struct lodge_ioapic_state *ioapic = &vm->chips.ioapic;
	bool rising = level && !(ioapic->lines & BIT(pin));

	ioapic->lines = (ioapic->lines & ~BIT(pin)) | level << pin;
	if (redir_level(ioapic->redir[pin]))
		ioapic_check_level(vm, pin);
	else if (rising && !(ioapic->redir[pin] & REDIR_MASKED))
		ioapic_deliver(vm, pin);
}

void lodge_ioapic_eoi(struct lodge_vm *vm, u8 vector)
{
	u64 *entry = vm->chips.ioapic.redir;
	u32 pin;

	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++, entry++) {
		if ((u8)*entry != vector || !(*entry & REDIR_REMOTE_IRR))
			continue;
		*entry &= ~REDIR_REMOTE_IRR;
		ioapic_check_level(vm, pin);
	}
}

static void ioapic_write_redir(struct lodge_vm *vm, u32 pin, bool high, u32 value)
{
	u64 *entry = &vm->chips.ioapic.redir[pin];
	u64 bits = (high ? GENMASK_ULL(63, 32) : U32_MAX) & REDIR_BITS & ~REDIR_READ_ONLY;

	*entry = (*entry & ~bits) | ((high ? (u64)value << 32 : value) & bits);
	/* How software clears Remote IRR by hand: through edge and back */
	if (!redir_level(*entry))
		*entry &= ~REDIR_REMOTE_IRR;
	ioapic_check_level(vm, pin);
}

/* Registers 0x10 and on are halves of redirection entries. */
static bool is_redir(u32 index, u32 *pin)
{
	*pin = array_index_nospec((index - 0x10) / 2, LODGE_IOAPIC_PINS);
	return index - 0x10 < 2 * LODGE_IOAPIC_PINS;
}

u32 lodge_ioapic_read(struct lodge_vm *vm, u32 offset)
{
	struct lodge_ioapic_state *ioapic = &vm->chips.ioapic;
	u32 index = ioapic->select, pin;

	if (offset == IOAPIC_SELECT)
		return index;
	if (offset != IOAPIC_WINDOW)
		return 0;
	if (is_redir(index, &pin))
		return ioapic->redir[pin] >> (index % 2 * 32);
	if (index == 1)
		return IOAPIC_VERSION;
	/* The arbitration id, 2, is loaded with the id. */
	return index == 0 || index == 2 ? ioapic->id : 0;
}

void lodge_ioapic_write(struct lodge_vm *vm, u32 offset, u32 value)
{
	struct lodge_ioapic_state *ioapic = &vm->chips.ioapic;
	u32 index = ioapic->select, pin;

	if (offset == IOAPIC_SELECT)
		ioapic->select = value & 0xff;
	else if (offset == IOAPIC_EOI)
		lodge_ioapic_eoi(vm, value);
	else if (offset == IOAPIC_WINDOW && is_redir(index, &pin))
		ioapic_write_redir(vm, pin, index % 2, value);
	else if (offset == IOAPIC_WINDOW && !index)
		ioapic->id = value & IOAPIC_ID_BITS;
}

/* Power-on. The inputs stay: they are the devices', not the chip's. */
void lodge_ioapic_reset(struct lodge_vm *vm)
{
	struct lodge_ioapic_state *ioapic = &vm->chips.ioapic;
	u32 pin;

	ioapic->id = 0;
	ioapic->select = 0;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		ioapic->redir[pin] = REDIR_MASKED;
}

void lodge_ioapic_get(struct lodge_vm *vm, void *to)
{
	struct lodge_ioapic_state *state = to;
	u32 pin;

	*state = vm->chips.ioapic;
	state->irr = 0;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		if (redir_level(state->redir[pin]))
			state->irr |= state->lines & BIT(pin);
}

static bool redir_valid(u64 entry)
{
	return !(entry & (~REDIR_BITS | REDIR_BUSY)) &&
	       (redir_level(entry) || !(entry & REDIR_REMOTE_IRR));
}

int lodge_ioapic_set(struct lodge_vm *vm, const void *from)
{
	const struct lodge_ioapic_state *state = from;
	u32 pin;

	if (state->id & ~IOAPIC_ID_BITS || state->select > 0xff ||
	    (state->lines | state->irr) & ~IOAPIC_ALL_PINS)
		return -EINVAL;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		if (!redir_valid(state->redir[pin]))
			return -EINVAL;
	vm->chips.ioapic = *state;
	for (pin = 0; pin < LODGE_IOAPIC_PINS; pin++)
		ioapic_check_level(vm, pin);
	return 0;
}
