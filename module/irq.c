// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt routing: from lines, messages and IPIs to local APICs, and from
 * ports and addresses to the chips.
 */
#include "lapic.h"

/* MSI address and data (SDM 11.11); the data's bits are as in the ICR. */
#define MSI_ADDRESS		0xfee
#define MSI_LOGICAL		BIT(2)
#define MSI_HINT		BIT(3)
#define MSI_DATA		0xc7ffu

static bool irq_matches(struct lodge_vcpu *vcpu, struct lodge_vcpu *source, u32 dest, u32 icr)
{
	switch (icr & LAPIC_SHORTHAND) {
	case APIC_DEST_SELF:
		return vcpu == source;
	case APIC_DEST_ALLINC:
		return true;
	case APIC_DEST_ALLBUT:
		return vcpu != source;
	}
	if (dest == LODGE_BROADCAST)
		return true;
	return icr & APIC_DEST_LOGICAL ? lodge_lapic_match_logical(vcpu->lapic, dest) :
					 dest == vcpu->id;
}

/* Of whom to look at: @first, and how many. APIC ids are vCPU numbers. */
static u32 irq_range(u32 dest, u32 icr, u32 *first)
{
	u32 count = LODGE_MAX_VCPUS;

	*first = 0;
	if (icr & LAPIC_SHORTHAND || dest == LODGE_BROADCAST)
		return count;
	if (!(icr & APIC_DEST_LOGICAL)) {
		*first = dest;
		count = 1;
	} else if (dest > 0xff) {	/* a cluster in x2APIC mode */
		*first = dest >> 16 << 4;
		count = 16;
	}
	if (*first >= LODGE_MAX_VCPUS)
		return 0;
	*first = array_index_nospec(*first, LODGE_MAX_VCPUS);
	return min(count, LODGE_MAX_VCPUS - *first);
}

/*
 * SDM 11.6.2.4. What competes is smaller for a less busy processor; of equals
 * the one wins that comes first after the last winner.
 */
static u32 irq_rank(struct lodge_vcpu *vcpu, u32 turn)
{
	return lodge_lapic_ppr(vcpu->lapic) << 8 | (u8)(vcpu->id - turn - 1);
}

/*
 * Send a message on the APIC bus, any context: how many local APICs took it.
 * @source: vCPU whose ICR sends it, or NULL. @dest: APIC id or logical destination
 * of 32 bits, LODGE_BROADCAST. @icr: the rest, as in the low half of the ICR
 */
unsigned int lodge_irq_deliver(struct lodge_vm *vm, struct lodge_vcpu *source, u32 dest, u32 icr)
{
	u32 turn = READ_ONCE(vm->chips.turn), best_rank = U32_MAX, rank, first, i, count;
	bool lowest = (icr & APIC_MODE_MASK) == APIC_DM_LOWEST;
	struct lodge_vcpu *vcpu, *best = NULL;
	unsigned int taken = 0;

	/* Most go to one, by its number. */
	if (dest < LODGE_MAX_VCPUS &&
	    !(icr & (LAPIC_SHORTHAND | APIC_DEST_LOGICAL | APIC_MODE_MASK))) {
		vcpu = READ_ONCE(vm->vcpus[array_index_nospec(dest, LODGE_MAX_VCPUS)]);
		return vcpu && lodge_lapic_accept(vcpu->lapic, icr);
	}
	count = irq_range(dest, icr, &first);
	for (i = first; i < first + count; i++) {
		vcpu = READ_ONCE(vm->vcpus[i]);
		if (!vcpu || !irq_matches(vcpu, source, dest, icr))
			continue;
		if (!lowest) {
			taken += lodge_lapic_accept(vcpu->lapic, icr);
			continue;
		}
		rank = irq_rank(vcpu, turn);
		if (lapic_listens(vcpu->lapic) && rank < best_rank) {
			best = vcpu;
			best_rank = rank;
		}
	}
	if (!best)
		return taken;
	WRITE_ONCE(vm->chips.turn, best->id);
	return lodge_lapic_accept(best->lapic, icr);
}

void lodge_irq_set_line(struct lodge_vm *vm, u32 gsi, bool level)
{
	if (gsi == 2)
		return;
	if (gsi < 16)
		lodge_pic_set_line(vm, gsi, level);
	lodge_ioapic_set_line(vm, gsi ? gsi : 2, level);
}

/*
 * Set the level of an interrupt line, any context; -EINVAL when there is no such
 * line. GSIs 0 to 15 reach both the PIC and the I/O APIC, 16 to 23 the I/O APIC.
 * As on every PC the timer's line, GSI 0, is at pin 2 of the I/O APIC, whose pin 0
 * is the PIC's. Input 2 of the PIC is the cascade, hence GSI 2 leads nowhere.
 */
int lodge_irq_line(struct lodge_vm *vm, u32 gsi, bool level)
{
	if (gsi >= LODGE_NR_GSIS)
		return -EINVAL;
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	lodge_irq_set_line(vm, array_index_nospec(gsi, LODGE_NR_GSIS), level);
	return 0;
}

/*
 * A device writes a message (SDM 11.11), any context; -EINVAL when @addr is not an
 * interrupt address. A message with a bad vector is the receiving local APIC's
 * error, one to nobody is lost: neither is the sender's to know.
 */
int lodge_irq_msi(struct lodge_vm *vm, u64 addr, u32 data)
{
	u32 icr = data & MSI_DATA;

	if (addr >> 20 != MSI_ADDRESS)
		return -EINVAL;
	if ((icr & (APIC_INT_LEVELTRIG | APIC_INT_ASSERT)) == APIC_INT_LEVELTRIG ||
	    (icr & APIC_MODE_MASK) == APIC_DM_STARTUP)
		return 0;
	if (addr & MSI_LOGICAL) {
		icr |= APIC_DEST_LOGICAL;
		/* The redirection hint asks for one of a logical set. */
		if (addr & MSI_HINT && (icr & APIC_MODE_MASK) == APIC_DM_FIXED)
			icr |= APIC_DM_LOWEST;
	}
	lodge_irq_deliver(vm, NULL, lodge_irq_dest8(addr >> 12), icr);
	return 0;
}

void lodge_irq_eoi(struct lodge_vm *vm, u8 vector)
{
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	lodge_ioapic_eoi(vm, vector);
}

int lodge_irq_ack_pic(struct lodge_vm *vm)
{
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	return lodge_pic_ack(vm);
}

static bool pit_port(u16 port)
{
	return (port & ~3) == 0x40 || port == 0x61;
}

static bool pic_port(u16 port)
{
	return (port & ~0x81) == 0x20 || (port & ~1) == 0x4d0;
}

static bool chip_port(u16 port)
{
	return pic_port(port) || pit_port(port);
}

static void chip_write(struct lodge_vm *vm, u16 port, u8 value)
{
	if (pic_port(port))
		lodge_pic_write(vm, port, value);
	else if (pit_port(port))
		lodge_pit_write(vm, port, value);
}

static u8 chip_read(struct lodge_vm *vm, u16 port)
{
	if (pic_port(port))
		return lodge_pic_read(vm, port);
	return pit_port(port) ? lodge_pit_read(vm, port) : 0xff;
}

/* Split into bytes, as an 8-bit bus does. Not inline: the way to regions is shorter without. */
static noinline bool chip_pio(struct lodge_vm *vm, u16 port, u32 bytes, bool write, u64 *value)
{
	u8 *byte = (u8 *)value, *end = byte + min(bytes, 4u);
	unsigned long flags;

	if (!write)
		*value = 0;
	raw_spin_lock_irqsave(&vm->chips.lock, flags);
	for (; byte < end; byte++, port++)
		if (write)
			chip_write(vm, port, *byte);
		else
			*byte = chip_read(vm, port);
	raw_spin_unlock_irqrestore(&vm->chips.lock, flags);
	return true;
}

/* The select register is a byte, the others take 32-bit accesses alone. As above. */
static noinline bool ioapic_mmio(struct lodge_vm *vm, u64 gpa, u32 bytes, bool write, u64 *value)
{
	u32 offset = gpa & 0xfff;

	if (gpa >> 12 != LODGE_IOAPIC_BASE >> 12)
		return false;
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	if (bytes > 4 || (bytes < 4 && offset))
		*value = 0;
	else if (write)
		lodge_ioapic_write(vm, offset, *value);
	else
		*value = lodge_ioapic_read(vm, offset);
	return true;
}

bool lodge_port_access(struct lodge_vcpu *vcpu, u16 port, u32 bytes, bool write, u64 *value)
{
	if (chip_port(port))
		return chip_pio(vcpu->vm, port, bytes, write, value);
	return lodge_region_access(vcpu, LODGE_SPACE_PIO, port, bytes, write, value);
}

bool lodge_mmio_access(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, bool write, u64 *value)
{
	if (lapic_in_page(vcpu->lapic, gpa))
		return lodge_lapic_mmio(vcpu->lapic, gpa, bytes, write, value);
	if (gpa >> 12 == LODGE_IOAPIC_BASE >> 12)
		return ioapic_mmio(vcpu->vm, gpa, bytes, write, value);
	return lodge_region_access(vcpu, LODGE_SPACE_MMIO, gpa, bytes, write, value);
}

bool lodge_device_access(struct lodge_vcpu *vcpu, u32 space, u64 addr, u32 bytes, bool write,
			 u64 *value)
{
	return space == LODGE_SPACE_PIO ? lodge_port_access(vcpu, addr, bytes, write, value) :
					  lodge_mmio_access(vcpu, addr, bytes, write, value);
}

void lodge_chips_create(struct lodge_vm *vm)
{
	raw_spin_lock_init(&vm->chips.lock);
	lodge_pit_create(vm);
	lodge_chips_reset(vm);
}

void lodge_chips_reset(struct lodge_vm *vm)
{
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	vm->chips.turn = LODGE_MAX_VCPUS - 1;
	lodge_pit_reset(vm);
	lodge_ioapic_reset(vm);
	lodge_pic_reset(vm);
}

static const struct {
	size_t bytes;
	void (*get)(struct lodge_vm *vm, void *state);
	int (*set)(struct lodge_vm *vm, const void *state);
} chips[] = {
	[LODGE_CHIP_PIC] = { sizeof(struct lodge_pic_state[2]), lodge_pic_get, lodge_pic_set },
	[LODGE_CHIP_IOAPIC] = { sizeof(struct lodge_ioapic_state), lodge_ioapic_get,
				lodge_ioapic_set },
	[LODGE_CHIP_PIT] = { sizeof(struct lodge_pit_state), lodge_pit_get, lodge_pit_set },
};

/* Room for any state, aligned as lodge_chip.data is not. */
struct chip_state {
	u64 words[sizeof_field(struct lodge_chip, data) / sizeof(u64)];
};

/* LODGE_GET_CHIP: -EINVAL when there is no such chip */
int lodge_chip_get(struct lodge_vm *vm, void *args)
{
	struct chip_state state = {};
	struct lodge_chip *chip = args;

	if (chip->chip >= ARRAY_SIZE(chips) || chip->pad)
		return -EINVAL;
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	chips[array_index_nospec(chip->chip, ARRAY_SIZE(chips))].get(vm, &state);
	memcpy(chip->data, &state, sizeof(state));
	return 0;
}

/* LODGE_SET_CHIP: -EINVAL too when it cannot be in that state; nothing is changed then */
int lodge_chip_set(struct lodge_vm *vm, void *args)
{
	const struct lodge_chip *chip = args;
	u32 index = array_index_nospec(chip->chip, ARRAY_SIZE(chips));
	struct chip_state state;

	if (chip->chip >= ARRAY_SIZE(chips) || chip->pad ||
	    memchr_inv(chip->data + chips[index].bytes, 0, sizeof(chip->data) - chips[index].bytes))
		return -EINVAL;
	memcpy(&state, chip->data, sizeof(state));
	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	return chips[index].set(vm, &state);
}
