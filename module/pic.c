// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A interrupt controllers of a PC, with the edge/level control
 * registers of the chipset (ports 0x4d0, 0x4d1).
 *
 * The slave's output is the master's input 2. A rising edge is remembered until
 * it is acknowledged even if the line falls before: devices may pulse.
 */
#include "lapic.h"

#define PIC_CASCADE	2

/* Rank of the highest-priority bit in @mask, 0 is the highest; 8 for none. */
static u32 pic_rank(const struct lodge_pic_state *chip, u8 mask)
{
	u32 rank = 0;

	while (rank < 8 && !(mask & BIT((chip->priority + rank) & 7)))
		rank++;
	return rank;
}

/* The input to be acknowledged next, or -1. */
static int pic_pending(const struct lodge_pic_state *chip, bool master)
{
	u8 isr = chip->isr;
	u32 rank;

	if (!(chip->irr & ~chip->imr))
		return -1;
	rank = pic_rank(chip, chip->irr & ~chip->imr);
	if (chip->special_mask)
		isr &= ~chip->imr;
	/* Fully nested over the cascade: the slave may interrupt itself */
	if (chip->special_fully_nested && master)
		isr &= ~BIT(PIC_CASCADE);
	return rank < pic_rank(chip, isr) ? (chip->priority + rank) & 7 : -1;
}

/* INTR is wired to LINT0 of the boot processor and to pin 0 of the I/O APIC. */
static void pic_set_output(struct lodge_vm *vm, bool level)
{
	bool was = vm->chips.pic_output;

	if (!level && !was)
		return;
	WRITE_ONCE(vm->chips.pic_output, level);
	lodge_ioapic_set_line(vm, 0, level);
	if (level)
		lodge_lapic_lint0(vm, !was);
}

static void pic_update(struct lodge_vm *vm)
{
	struct lodge_pic_state *chip = vm->chips.pic;

	chip[0].irr &= ~BIT(PIC_CASCADE);
	if (pic_pending(&chip[1], false) >= 0)
		chip[0].irr |= BIT(PIC_CASCADE);
	pic_set_output(vm, pic_pending(&chip[0], true) >= 0);
}

/* An input changes; @irq: 0 to 15, not 2 */
void lodge_pic_set_line(struct lodge_vm *vm, u32 irq, bool level)
{
	struct lodge_pic_state *chip = &vm->chips.pic[irq >> 3];
	u8 bit = BIT(irq & 7);

	if (level && (chip->elcr & bit || !(chip->lines & bit)))
		chip->irr |= bit;
	else if (!level && chip->elcr & bit)
		chip->irr &= ~bit;
	chip->lines = (chip->lines & ~bit) | (level ? bit : 0);
	pic_update(vm);
}

/* The processor's or a poll's acknowledge of what is pending, or -1. */
static int pic_take(struct lodge_pic_state *chip, bool master)
{
	int irq = pic_pending(chip, master);

	if (irq < 0)
		return -1;
	if (!chip->auto_eoi)
		chip->isr |= BIT(irq);
	else if (chip->rotate_auto_eoi)
		chip->priority = (irq + 1) & 7;
	if (!(chip->elcr & BIT(irq)))
		chip->irr &= ~BIT(irq);
	return irq;
}

/* INTA cycles: the vector, or -1 when INTR is low. INTR falls in between. */
int lodge_pic_ack(struct lodge_vm *vm)
{
	struct lodge_pic_state *chip = vm->chips.pic;
	int irq;

	if (!vm->chips.pic_output)
		return -1;
	pic_set_output(vm, false);
	irq = pic_take(chip, true);
	if (irq == PIC_CASCADE)
		irq = pic_take(++chip, false);
	pic_update(vm);
	/* Without a request left it is a spurious input 7. */
	return chip->base + (irq < 0 ? 7 : irq);
}

/* ICW1: level inputs ask again, edges are forgotten. */
static void pic_init(struct lodge_pic_state *chip, u8 icw1)
{
	*chip = (struct lodge_pic_state) {
		.irr = chip->lines & chip->elcr,
		.lines = chip->lines,
		.base = chip->base,
		.elcr = chip->elcr,
		.init_step = 1,
		.icw4_needed = icw1 & 1,
	};
}

/* Specific, or what a non-specific one finds in service with top priority */
static void pic_eoi(struct lodge_pic_state *chip, u8 ocw2)
{
	u8 isr = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
	u32 rank = pic_rank(chip, isr), irq = (chip->priority + rank) & 7;

	if (ocw2 & BIT(6))
		irq = ocw2 & 7;
	else if (rank == 8)
		return;
	chip->isr &= ~BIT(irq);
	if (ocw2 & BIT(7))
		chip->priority = (irq + 1) & 7;
}

static void pic_ocw2(struct lodge_pic_state *chip, u8 value)
{
	if (value & BIT(5))
		pic_eoi(chip, value);
	else if (!(value & BIT(6)))	/* in automatic EOI mode */
		chip->rotate_auto_eoi = value >> 7;
	else if (value & BIT(7))	/* set priority: the lowest is named */
		chip->priority = (value + 1) & 7;
}

static void pic_ocw3(struct lodge_pic_state *chip, u8 value)
{
	if (value & BIT(2))
		chip->poll = 1;
	if (value & BIT(1))
		chip->read_isr = value & 1;
	if (value & BIT(6))
		chip->special_mask = value >> 5 & 1;
}

static void pic_data(struct lodge_pic_state *chip, u8 value)
{
	switch (chip->init_step) {
	case 0:		/* OCW1 */
		chip->imr = value;
		break;
	case 1:		/* ICW2 */
		chip->base = value & 0xf8;
		chip->init_step = 2;
		break;
	case 2:		/* ICW3: the cascade is wired and cannot be chosen */
		chip->init_step = chip->icw4_needed ? 3 : 0;
		break;
	case 3:		/* ICW4 */
		chip->special_fully_nested = value >> 4 & 1;
		chip->auto_eoi = value >> 1 & 1;
		chip->init_step = 0;
		break;
	}
}

/*
 * What each byte of a state may hold. The timer, keyboard, cascade, RTC and FPU
 * inputs are always edges.
 */
#define PIC_BITS(elcr_bits) {						\
	.irr = 0xff, .imr = 0xff, .isr = 0xff, .lines = 0xff, .base = 0xf8, \
	.elcr = (elcr_bits), .init_step = 3, .icw4_needed = 1,		\
	.auto_eoi = 1, .rotate_auto_eoi = 1, .special_mask = 1,		\
	.special_fully_nested = 1, .read_isr = 1, .poll = 1, .priority = 7, \
}

static const struct lodge_pic_state pic_bits[2] = { PIC_BITS(0xf8), PIC_BITS(0xde) };

/* @port: 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1 */
void lodge_pic_write(struct lodge_vm *vm, u16 port, u8 value)
{
	bool slave = port >= 0x4d0 ? port & 1 : port & 0x80;
	struct lodge_pic_state *chip = &vm->chips.pic[slave];

	if (port >= 0x4d0)
		chip->elcr = value & pic_bits[slave].elcr;
	else if (port & 1)
		pic_data(chip, value);
	else if (value & BIT(4))
		pic_init(chip, value);
	else if (value & BIT(3))
		pic_ocw3(chip, value);
	else
		pic_ocw2(chip, value);
	pic_update(vm);
}

/* The read after a poll command is an acknowledge. */
static noinline u8 pic_poll(struct lodge_vm *vm, bool slave)
{
	struct lodge_pic_state *chip = &vm->chips.pic[slave];
	int irq = pic_take(chip, !slave);

	chip->poll = 0;
	pic_update(vm);
	return irq < 0 ? 0 : 0x80 | irq;
}

u8 lodge_pic_read(struct lodge_vm *vm, u16 port)
{
	bool slave = port & 0x80;
	struct lodge_pic_state *chip = &vm->chips.pic[slave];

	if (port >= 0x4d0)
		return vm->chips.pic[port & 1].elcr;
	if (unlikely(chip->poll))
		return pic_poll(vm, slave);
	if (port & 1)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

/* Power-on. The inputs stay: they are the devices', not the chip's. */
void lodge_pic_reset(struct lodge_vm *vm)
{
	struct lodge_pic_state *chip;

	for (chip = vm->chips.pic; chip < vm->chips.pic + 2; chip++)
		/* The mask is undefined; a spurious vector 0 helps nobody. */
		*chip = (struct lodge_pic_state) { .lines = chip->lines, .imr = 0xff };
	pic_update(vm);
}

void lodge_pic_get(struct lodge_vm *vm, void *state)
{
	memcpy(state, vm->chips.pic, sizeof(vm->chips.pic));
}

int lodge_pic_set(struct lodge_vm *vm, const void *state)
{
	const u8 *bytes = state, *bits = (const u8 *)pic_bits;
	u32 i;

	for (i = 0; i < sizeof(pic_bits); i++)
		if (bytes[i] & ~bits[i])
			return -EINVAL;
	memcpy(vm->chips.pic, state, sizeof(pic_bits));
	pic_update(vm);
	return 0;
}
