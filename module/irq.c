// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt routing: from lines, messages and IPIs to local APICs, and from
 * ports and addresses to the chips.
 */
#include <linux/build_bug.h>
#include <linux/string.h>

#include "lapic.h"

/* MSI address and data (SDM 11.11) */
#define MSI_ADDRESS		0xfee
#define MSI_LOGICAL		BIT(2)
#define MSI_HINT		BIT(3)
#define MSI_ASSERT		BIT(14)
#define MSI_LEVEL		BIT(15)

static bool irq_matches(struct lodge_vcpu *vcpu, struct lodge_vcpu *source,
			const struct lodge_irq *irq)
{
	switch (irq->shorthand) {
	case LODGE_SH_SELF:
		return vcpu == source;
	case LODGE_SH_ALL:
		return true;
	case LODGE_SH_OTHERS:
		return vcpu != source;
	}
	if (irq->logical)
		return lodge_lapic_match_logical(vcpu->lapic, irq->dest);
	return irq->dest == 0xff || irq->dest == vcpu->id;
}

/* SDM 11.6.2.4; of equals, the lowest APIC id */
static unsigned int deliver_lowest(struct lodge_vm *vm,
				   struct lodge_vcpu *source,
				   const struct lodge_irq *irq)
{
	struct lodge_vcpu *vcpu, *best = NULL;
	int i;

	for_each_lodge_vcpu(i, vcpu, vm) {
		if (!irq_matches(vcpu, source, irq) ||
		    !lodge_lapic_listens(vcpu->lapic))
			continue;
		if (!best || lodge_lapic_ppr(vcpu->lapic) <
			     lodge_lapic_ppr(best->lapic))
			best = vcpu;
	}
	return best && lodge_lapic_accept(best->lapic, irq);
}

static unsigned int deliver_physical(struct lodge_vm *vm,
				     const struct lodge_irq *irq)
{
	struct lodge_vcpu *vcpu = NULL;

	if (irq->dest < LODGE_MAX_VCPUS)
		vcpu = READ_ONCE(vm->vcpus[irq->dest]);
	return vcpu && lodge_lapic_accept(vcpu->lapic, irq);
}

/**
 * lodge_irq_deliver - send a message on the APIC bus
 * @vm: any context
 * @source: vCPU whose ICR sends it, or NULL
 * @irq: message
 *
 * Return: how many local APICs took it
 */
unsigned int lodge_irq_deliver(struct lodge_vm *vm, struct lodge_vcpu *source,
			       const struct lodge_irq *irq)
{
	struct lodge_vcpu *vcpu;
	unsigned int taken = 0;
	int i;

	if (!irq->shorthand && !irq->logical && irq->dest != 0xff)
		return deliver_physical(vm, irq);
	if (irq->delivery == LODGE_DM_LOWEST)
		return deliver_lowest(vm, source, irq);
	for_each_lodge_vcpu(i, vcpu, vm)
		if (irq_matches(vcpu, source, irq))
			taken += lodge_lapic_accept(vcpu->lapic, irq);
	return taken;
}

/**
 * lodge_irq_line - set the level of an interrupt line
 * @vm: any context
 * @gsi: 0 to 15 reach both the PIC and the I/O APIC, 16 to 23 the I/O APIC
 * @level: asserted
 *
 * As on every PC the timer's line, GSI 0, is at pin 2 of the I/O APIC. Input 2
 * of the PIC is the cascade, hence GSI 2 leads nowhere.
 *
 * Return: 0, or -EINVAL when there is no such line
 */
int lodge_irq_line(struct lodge_vm *vm, u32 gsi, bool level)
{
	if (gsi >= LODGE_NR_GSIS)
		return -EINVAL;
	if (gsi == 2)
		return 0;
	if (gsi < 16)
		lodge_pic_set_line(vm->chips.pic, gsi, level);
	lodge_ioapic_set_line(vm->chips.ioapic, gsi ? gsi : 2, level);
	return 0;
}

/**
 * lodge_irq_msi - a device writes a message (SDM 11.11)
 * @vm: any context
 * @addr: 0xfeexxxxx
 * @data: vector, delivery mode, trigger
 *
 * A message with a bad vector is the receiving local APIC's error, one to
 * nobody is lost: neither is the sender's to know.
 *
 * Return: 0, or -EINVAL when @addr is not an interrupt address
 */
int lodge_irq_msi(struct lodge_vm *vm, u64 addr, u32 data)
{
	struct lodge_irq irq = {
		.dest = (addr >> 12) & 0xff,
		.vector = data,
		.delivery = (data >> 8) & 7,
		.logical = addr & MSI_LOGICAL,
		.level = data & MSI_LEVEL,
		.assert = !(data & MSI_LEVEL) || data & MSI_ASSERT,
	};

	if (addr >> 20 != MSI_ADDRESS)
		return -EINVAL;
	/* The redirection hint asks for one of a logical set. */
	if (addr & MSI_HINT && irq.logical && irq.delivery == LODGE_DM_FIXED)
		irq.delivery = LODGE_DM_LOWEST;
	if (irq.assert && irq.delivery != LODGE_DM_SIPI)
		lodge_irq_deliver(vm, NULL, &irq);
	return 0;
}

enum chip_port { PORT_NONE, PORT_PIC, PORT_PIT };

static enum chip_port chip_port(u16 port)
{
	switch (port) {
	case 0x20 ... 0x21:
	case 0xa0 ... 0xa1:
	case 0x4d0 ... 0x4d1:
		return PORT_PIC;
	case 0x40 ... 0x43:
	case 0x61:
		return PORT_PIT;
	default:
		return PORT_NONE;
	}
}

static u8 port_read(struct lodge_vm *vm, u16 port)
{
	switch (chip_port(port)) {
	case PORT_PIC:
		return lodge_pic_read(vm->chips.pic, port);
	case PORT_PIT:
		return lodge_pit_read(vm->chips.pit, port);
	default:
		return 0xff;
	}
}

static void port_write(struct lodge_vm *vm, u16 port, u8 value)
{
	switch (chip_port(port)) {
	case PORT_PIC:
		lodge_pic_write(vm->chips.pic, port, value);
		break;
	case PORT_PIT:
		lodge_pit_write(vm->chips.pit, port, value);
		break;
	default:
		break;
	}
}

/**
 * lodge_chip_pio_read - IN from a chip's port
 * @vcpu: rings 1 and 2
 * @port: first port
 * @bytes: 1, 2 or 4; wider accesses are split as an 8-bit bus does
 * @value: out
 *
 * Return: false when the first port is no chip's
 */
bool lodge_chip_pio_read(struct lodge_vcpu *vcpu, u16 port, u8 bytes, u32 *value)
{
	u32 i;

	if (chip_port(port) == PORT_NONE)
		return false;
	*value = 0;
	for (i = 0; i < bytes && i < 4; i++)
		*value |= (u32)port_read(vcpu->vm, port + i) << 8 * i;
	return true;
}

/**
 * lodge_chip_pio_write - OUT to a chip's port
 * @vcpu: rings 1 and 2
 * @port: first port
 * @bytes: as for lodge_chip_pio_read()
 * @value: to be written
 *
 * Return: false when the first port is no chip's
 */
bool lodge_chip_pio_write(struct lodge_vcpu *vcpu, u16 port, u8 bytes, u32 value)
{
	u32 i;

	if (chip_port(port) == PORT_NONE)
		return false;
	for (i = 0; i < bytes && i < 4; i++)
		port_write(vcpu->vm, port + i, value >> 8 * i);
	return true;
}

static bool in_ioapic(u64 gpa)
{
	return gpa >> 12 == LODGE_IOAPIC_BASE >> 12;
}

/* The select register is a byte, the others take 32-bit accesses alone. */
static bool ioapic_access_ok(u64 gpa, u32 bytes)
{
	return bytes == 4 || (bytes < 4 && !(gpa & 0xfff));
}

/**
 * lodge_chip_mmio_read - load from the local APIC's or the I/O APIC's page
 * @vcpu: rings 1 and 2
 * @gpa: where
 * @bytes: 1 to 8
 * @value: out
 *
 * Return: false when the address is no chip's
 */
bool lodge_chip_mmio_read(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 *value)
{
	if (lodge_lapic_mmio_read(vcpu->lapic, gpa, bytes, value))
		return true;
	if (!in_ioapic(gpa))
		return false;
	*value = 0;
	if (ioapic_access_ok(gpa, bytes))
		*value = lodge_ioapic_read(vcpu->vm->chips.ioapic, gpa & 0xfff);
	return true;
}

/**
 * lodge_chip_mmio_write - store to the local APIC's or the I/O APIC's page
 * @vcpu: rings 1 and 2
 * @gpa: where
 * @bytes: 1 to 8
 * @value: to be written
 *
 * Return: false when the address is no chip's
 */
bool lodge_chip_mmio_write(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 value)
{
	if (lodge_lapic_mmio_write(vcpu->lapic, gpa, bytes, value))
		return true;
	if (!in_ioapic(gpa))
		return false;
	if (ioapic_access_ok(gpa, bytes))
		lodge_ioapic_write(vcpu->vm->chips.ioapic, gpa & 0xfff, value);
	return true;
}

int lodge_chips_create(struct lodge_vm *vm)
{
	struct lodge_chips *chips = &vm->chips;

	chips->ioapic = lodge_ioapic_create(vm);
	chips->pic = lodge_pic_create(vm);
	chips->pit = lodge_pit_create(vm);
	if (chips->ioapic && chips->pic && chips->pit)
		return 0;
	lodge_chips_destroy(vm);
	return -ENOMEM;
}

void lodge_chips_destroy(struct lodge_vm *vm)
{
	/* First who sends, then who is sent to */
	lodge_pit_destroy(vm->chips.pit);
	lodge_pic_destroy(vm->chips.pic);
	lodge_ioapic_destroy(vm->chips.ioapic);
	memset(&vm->chips, 0, sizeof(vm->chips));
}

void lodge_chips_reset(struct lodge_vm *vm)
{
	lodge_pit_reset(vm->chips.pit);
	lodge_pic_reset(vm->chips.pic);
	lodge_ioapic_reset(vm->chips.ioapic);
}

union chip_state {
	struct lodge_pic_state pic[2];
	struct lodge_ioapic_state ioapic;
	struct lodge_pit_state pit;
};

static size_t chip_bytes(u32 chip)
{
	static_assert(sizeof(union chip_state) <=
		      sizeof_field(struct lodge_chip, data));
	switch (chip) {
	case LODGE_CHIP_PIC:
		return sizeof(struct lodge_pic_state[2]);
	case LODGE_CHIP_IOAPIC:
		return sizeof(struct lodge_ioapic_state);
	case LODGE_CHIP_PIT:
		return sizeof(struct lodge_pit_state);
	default:
		return 0;
	}
}

/**
 * lodge_chip_get - LODGE_GET_CHIP
 * @vm: any ring
 * @chip: @chip.chip names it; the rest of @chip.data is zeroed
 *
 * Return: 0, or -EINVAL when there is no such chip
 */
int lodge_chip_get(struct lodge_vm *vm, struct lodge_chip *chip)
{
	size_t bytes = chip_bytes(chip->chip);
	union chip_state state = {};

	if (!bytes || chip->pad)
		return -EINVAL;
	switch (chip->chip) {
	case LODGE_CHIP_PIC:
		lodge_pic_get(vm->chips.pic, state.pic);
		break;
	case LODGE_CHIP_IOAPIC:
		lodge_ioapic_get(vm->chips.ioapic, &state.ioapic);
		break;
	case LODGE_CHIP_PIT:
		lodge_pit_get(vm->chips.pit, &state.pit);
		break;
	}
	/* @data is not aligned for the structs: copy */
	memset(chip->data, 0, sizeof(chip->data));
	memcpy(chip->data, &state, bytes);
	return 0;
}

/**
 * lodge_chip_set - LODGE_SET_CHIP
 * @vm: any ring
 * @chip: from userspace, not trusted
 *
 * Return: 0, or -EINVAL: no such chip, or a state it cannot have; nothing is
 * changed then
 */
int lodge_chip_set(struct lodge_vm *vm, const struct lodge_chip *chip)
{
	size_t bytes = chip_bytes(chip->chip);
	union chip_state state;

	if (!bytes || chip->pad ||
	    memchr_inv(chip->data + bytes, 0, sizeof(chip->data) - bytes))
		return -EINVAL;
	memcpy(&state, chip->data, bytes);
	switch (chip->chip) {
	case LODGE_CHIP_PIC:
		return lodge_pic_set(vm->chips.pic, state.pic);
	case LODGE_CHIP_IOAPIC:
		return lodge_ioapic_set(vm->chips.ioapic, &state.ioapic);
	default:
		return lodge_pit_set(vm->chips.pit, &state.pit);
	}
}
