// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A interrupt controllers of a PC, with the edge/level control
 * registers of the chipset (ports 0x4d0, 0x4d1).
 *
 * The slave's output is the master's input 2. A rising edge is remembered until
 * it is acknowledged even if the line falls before: devices may pulse.
 */
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "lapic.h"

#define PIC_CASCADE	2

/**
 * struct lodge_pic - the PIC pair of a VM
 * @vm: whose
 * @lock: @chip, writing @output
 * @chip: master, slave; @chip.priority is the input served first
 * @output: the master's INTR
 */
struct lodge_pic {
	struct lodge_vm *vm;
	raw_spinlock_t lock;
	struct lodge_pic_state chip[2];
	bool output;
};

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
	u32 rank = pic_rank(chip, chip->irr & ~chip->imr);
	u8 isr = chip->isr;

	if (rank == 8)
		return -1;
	if (chip->special_mask)
		isr &= ~chip->imr;
	/* Fully nested over the cascade: the slave may interrupt itself */
	if (chip->special_fully_nested && master)
		isr &= ~BIT(PIC_CASCADE);
	return rank < pic_rank(chip, isr) ? (chip->priority + rank) & 7 : -1;
}

static void pic_update(struct lodge_pic *pic)
{
	struct lodge_pic_state *master = &pic->chip[0];
	bool was = pic->output;

	master->irr &= ~BIT(PIC_CASCADE);
	if (pic_pending(&pic->chip[1], false) >= 0)
		master->irr |= BIT(PIC_CASCADE);
	WRITE_ONCE(pic->output, pic_pending(master, true) >= 0);
	if (pic->output)
		lodge_lapic_lint0(pic->vm, !was);
}

static void pic_input(struct lodge_pic_state *chip, u8 bit, bool level)
{
	bool rising = level && !(chip->lines & bit);

	if (level)
		chip->lines |= bit;
	else
		chip->lines &= ~bit;
	if (rising || (level && chip->elcr & bit))
		chip->irr |= bit;
	else if (!level && chip->elcr & bit)
		chip->irr &= ~bit;
}

/**
 * lodge_pic_set_line - an input changes
 * @pic: any context
 * @irq: 0 to 15, not 2
 * @level: asserted
 */
void lodge_pic_set_line(struct lodge_pic *pic, u32 irq, bool level)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pic_input(&pic->chip[irq >> 3], BIT(irq & 7), level);
	pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

/* The processor's or a poll's acknowledge of input @irq. */
static void pic_intack(struct lodge_pic_state *chip, u32 irq)
{
	if (!chip->auto_eoi)
		chip->isr |= BIT(irq);
	else if (chip->rotate_auto_eoi)
		chip->priority = (irq + 1) & 7;
	if (!(chip->elcr & BIT(irq)))
		chip->irr &= ~BIT(irq);
}

/* One chip's acknowledge; without a request left it is a spurious input 7. */
static u32 pic_take(struct lodge_pic_state *chip, bool master)
{
	int irq = pic_pending(chip, master);

	if (irq < 0)
		return 7;
	pic_intack(chip, irq);
	return irq;
}

static u8 pic_ack(struct lodge_pic *pic)
{
	u32 irq = pic_take(&pic->chip[0], true);

	if (irq != PIC_CASCADE)
		return pic->chip[0].base + irq;
	return pic->chip[1].base + pic_take(&pic->chip[1], false);
}

bool lodge_pic_output(struct lodge_pic *pic)
{
	return READ_ONCE(pic->output);
}

int lodge_pic_ack(struct lodge_pic *pic)
{
	unsigned long flags;
	int vector = -1;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if (pic->output) {
		vector = pic_ack(pic);
		pic_update(pic);
	}
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	return vector;
}

/* ICW1: level inputs ask again, edges are forgotten. */
static void pic_init(struct lodge_pic_state *chip, u8 icw1)
{
	struct lodge_pic_state fresh = {
		.irr = chip->lines & chip->elcr,
		.lines = chip->lines,
		.base = chip->base,
		.elcr = chip->elcr,
		.init_step = 1,
		.icw4_needed = icw1 & 1,
	};

	*chip = fresh;
}

static void pic_eoi(struct lodge_pic_state *chip, u32 irq, bool rotate)
{
	chip->isr &= ~BIT(irq);
	if (rotate)
		chip->priority = (irq + 1) & 7;
}

static void pic_eoi_highest(struct lodge_pic_state *chip, bool rotate)
{
	u8 isr = chip->special_mask ? chip->isr & ~chip->imr : chip->isr;
	u32 rank = pic_rank(chip, isr);

	if (rank < 8)
		pic_eoi(chip, (chip->priority + rank) & 7, rotate);
}

static void pic_ocw2(struct lodge_pic_state *chip, u8 value)
{
	bool rotate = value & BIT(7);

	switch (value >> 5) {
	case 0:		/* rotate in automatic EOI mode: clear, set */
	case 4:
		chip->rotate_auto_eoi = rotate;
		break;
	case 1:		/* non-specific EOI, and rotate */
	case 5:
		pic_eoi_highest(chip, rotate);
		break;
	case 3:		/* specific EOI, and rotate */
	case 7:
		pic_eoi(chip, value & 7, rotate);
		break;
	case 6:		/* set priority: the lowest is named */
		chip->priority = (value + 1) & 7;
		break;
	}
}

static void pic_ocw3(struct lodge_pic_state *chip, u8 value)
{
	if (value & BIT(2))
		chip->poll = 1;
	if (value & BIT(1))
		chip->read_isr = value & 1;
	if (value & BIT(6))
		chip->special_mask = !!(value & BIT(5));
}

static void pic_command(struct lodge_pic_state *chip, u8 value)
{
	if (value & BIT(4))
		pic_init(chip, value);
	else if (value & BIT(3))
		pic_ocw3(chip, value);
	else
		pic_ocw2(chip, value);
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
		chip->special_fully_nested = !!(value & BIT(4));
		chip->auto_eoi = !!(value & BIT(1));
		chip->init_step = 0;
		break;
	}
}

static u8 pic_elcr_mask(bool slave)
{
	/* The timer, keyboard, cascade, RTC and FPU inputs are always edges */
	return slave ? 0xde : 0xf8;
}

/**
 * lodge_pic_write - the guest writes a port
 * @pic: any context
 * @port: 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1
 * @value: any
 */
void lodge_pic_write(struct lodge_pic *pic, u16 port, u8 value)
{
	bool elcr = port >= 0x4d0;
	bool slave = elcr ? port & 1 : port & 0x80;
	struct lodge_pic_state *chip = &pic->chip[slave];
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if (elcr)
		chip->elcr = value & pic_elcr_mask(slave);
	else if (port & 1)
		pic_data(chip, value);
	else
		pic_command(chip, value);
	pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

/* The read after a poll command is an acknowledge. */
static u8 pic_poll(struct lodge_pic_state *chip, bool master)
{
	int irq = pic_pending(chip, master);

	chip->poll = 0;
	if (irq < 0)
		return 0;
	pic_intack(chip, irq);
	return 0x80 | irq;
}

static u8 pic_read(struct lodge_pic *pic, u16 port)
{
	bool slave = port & 0x80;
	struct lodge_pic_state *chip = &pic->chip[slave];
	u8 value;

	if (port >= 0x4d0)
		return pic->chip[port & 1].elcr;
	if (chip->poll) {
		value = pic_poll(chip, !slave);
		pic_update(pic);
		return value;
	}
	if (port & 1)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

/**
 * lodge_pic_read - the guest reads a port
 * @pic: any context
 * @port: as for lodge_pic_write()
 */
u8 lodge_pic_read(struct lodge_pic *pic, u16 port)
{
	unsigned long flags;
	u8 value;

	raw_spin_lock_irqsave(&pic->lock, flags);
	value = pic_read(pic, port);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	return value;
}

/**
 * lodge_pic_reset - power-on state
 * @pic: any context
 *
 * The inputs stay: they are the devices', not the chip's.
 */
void lodge_pic_reset(struct lodge_pic *pic)
{
	unsigned long flags;
	int i;

	raw_spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < 2; i++) {
		u8 lines = pic->chip[i].lines;

		memset(&pic->chip[i], 0, sizeof(pic->chip[i]));
		pic->chip[i].lines = lines;
		/* Undefined in the chip; a spurious vector 0 helps nobody */
		pic->chip[i].imr = 0xff;
	}
	pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

struct lodge_pic *lodge_pic_create(struct lodge_vm *vm)
{
	struct lodge_pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);

	if (!pic)
		return NULL;
	pic->vm = vm;
	raw_spin_lock_init(&pic->lock);
	lodge_pic_reset(pic);
	return pic;
}

void lodge_pic_destroy(struct lodge_pic *pic)
{
	kfree(pic);
}

void lodge_pic_get(struct lodge_pic *pic, struct lodge_pic_state state[2])
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	memcpy(state, pic->chip, sizeof(pic->chip));
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

static bool pic_state_valid(const struct lodge_pic_state *state, bool slave)
{
	return !(state->base & 7) && !(state->elcr & ~pic_elcr_mask(slave)) &&
	       state->init_step <= 3 && state->icw4_needed <= 1 &&
	       state->auto_eoi <= 1 && state->rotate_auto_eoi <= 1 &&
	       state->special_mask <= 1 && state->special_fully_nested <= 1 &&
	       state->read_isr <= 1 && state->poll <= 1 &&
	       state->priority <= 7 && !state->pad;
}

/**
 * lodge_pic_set - LODGE_SET_CHIP
 * @pic: any context
 * @state: master and slave, from userspace, not trusted
 *
 * Return: 0, or -EINVAL when the chips cannot be in that state
 */
int lodge_pic_set(struct lodge_pic *pic, const struct lodge_pic_state state[2])
{
	unsigned long flags;

	if (!pic_state_valid(&state[0], false) ||
	    !pic_state_valid(&state[1], true))
		return -EINVAL;
	raw_spin_lock_irqsave(&pic->lock, flags);
	memcpy(pic->chip, state, sizeof(pic->chip));
	pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	return 0;
}
