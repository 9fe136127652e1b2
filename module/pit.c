// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 timer of a PC and port 0x61, which gates and shows its channel 2.
 *
 * Nothing counts: a channel remembers when its count was loaded, and what it
 * shows follows from the ticks since then. Channel 0 alone interrupts, at GSI
 * 0: an hrtimer pulses the line at each rising edge of its output.
 *
 * The hrtimer's callback takes the lock, so nobody may wait for the callback
 * under the lock: it finds out itself whether it came too late.
 */
#include <linux/bcd.h>

#include "lodge.h"

#define PIT_HZ			1193182u

/* lodge_pit_channel.rw_mode and count_latched */
#define PIT_LOW			1
#define PIT_HIGH		2
#define PIT_WORD		3

/* Port 0x61 */
#define SPEAKER_GATE		BIT(0)
#define SPEAKER_WRITABLE	0x0f
#define SPEAKER_REFRESH		BIT(4)
#define SPEAKER_OUT		BIT(5)
#define REFRESH_NS		15085

/* Rounded up: when the time has passed, so have the ticks. */
static u64 ticks_to_ns(u64 ticks)
{
	return mul_u64_u32_div(ticks, NSEC_PER_SEC, PIT_HZ) + 1;
}

static u32 pit_range(const struct lodge_pit_channel *ch)
{
	return ch->bcd ? 10000 : 0x10000;
}

static u16 to_bcd(u32 value)
{
	return bin2bcd(value % 100) | bin2bcd(value / 100) << 8;
}

/* Digits above 9 have no meaning; they count as what they weigh. */
static u32 from_bcd(u16 value)
{
	return (bcd2bin(value & 0xff) + bcd2bin(value >> 8) * 100) % 10000;
}

static bool pit_periodic(const struct lodge_pit_channel *ch)
{
	return ch->mode == 2 || ch->mode == 3;
}

/* Modes 1 and 5 start at a rising gate and ignore its level. */
static bool pit_triggered(const struct lodge_pit_channel *ch)
{
	return ch->mode == 1 || ch->mode == 5;
}

u16 lodge_pit_count(const struct lodge_pit_channel *ch, u64 elapsed)
{
	u32 range = pit_range(ch), count = ch->count, value;

	if (!count)
		return 0;
	if (ch->mode == 2)
		value = count - elapsed % count;
	else if (ch->mode == 3)		/* by two, twice per period */
		value = count - 2 * elapsed % count;
	else				/* wraps and goes on */
		value = count + range - elapsed % range;
	value %= range;
	return ch->bcd ? to_bcd(value) : value;
}

bool lodge_pit_out(const struct lodge_pit_channel *ch, u64 elapsed)
{
	u32 count = ch->count;

	if (!count)
		return ch->mode != 0;
	if (pit_periodic(ch) && !ch->gate)
		return true;
	switch (ch->mode) {
	case 0:
	case 1:
		return elapsed >= count;
	case 2:
		return elapsed % count != count - 1;
	case 3:
		return elapsed % count < (count + 1) / 2;
	default:
		return elapsed != count;
	}
}

static u64 pit_elapsed(struct lodge_pit *pit, u32 i)
{
	struct lodge_pit_channel *ch = &pit->state.channel[i];

	if (!ch->gate && !pit_triggered(ch))
		return ch->elapsed;
	return mul_u64_u32_div(ktime_get_ns() - pit->start[i], PIT_HZ, NSEC_PER_SEC);
}

/* Ticks enough to tell the channel's state: not more than two rounds. */
static u64 pit_elapsed_short(struct lodge_pit *pit, u32 i)
{
	struct lodge_pit_channel *ch = &pit->state.channel[i];
	u64 elapsed = pit_elapsed(pit, i);

	if (!ch->count)
		return 0;
	if (pit_periodic(ch))
		return elapsed % ch->count;
	if (elapsed <= ch->count)
		return elapsed;
	/* Past the strobe of modes 4 and 5, also when a round ends there */
	return ch->count + 1 + (elapsed - ch->count - 1) % pit_range(ch);
}

static void pit_set_elapsed(struct lodge_pit *pit, u32 i, u64 elapsed)
{
	pit->state.channel[i].elapsed = elapsed;
	pit->start[i] = ktime_get_ns() - (elapsed ? ticks_to_ns(elapsed) : 0);
}

static enum hrtimer_restart pit_fired(struct hrtimer *timer)
{
	struct lodge_vm *vm = container_of(timer, struct lodge_vm, chips.pit.timer);
	struct lodge_pit *pit = &vm->chips.pit;

	guard(raw_spinlock_irqsave)(&vm->chips.lock);
	/* Stopped, or programmed anew, while we were on our way here? */
	if (!pit->armed || hrtimer_is_queued(timer))
		return HRTIMER_NORESTART;
	lodge_irq_set_line(vm, 0, true);
	lodge_irq_set_line(vm, 0, false);
	pit->armed = pit->period != 0;
	if (!pit->armed)
		return HRTIMER_NORESTART;
	/* Ticks the host was too busy for are lost. */
	hrtimer_forward_now(timer, ns_to_ktime(pit->period));
	return HRTIMER_RESTART;
}

/* Channel 0 changed: when does its output rise next? Its gate is open. */
static void pit_program(struct lodge_pit *pit)
{
	struct lodge_pit_channel *ch = &pit->state.channel[0];
	u64 elapsed = pit_elapsed(pit, 0), when = ch->count;

	hrtimer_try_to_cancel(&pit->timer);
	pit->armed = false;
	pit->period = 0;
	if (!ch->count || pit_triggered(ch))
		return;
	if (pit_periodic(ch)) {
		when = elapsed - elapsed % ch->count + ch->count;
		pit->period = ticks_to_ns(ch->count);
		if (pit->period < LODGE_MIN_PERIOD_NS) {
			pr_info_ratelimited("lodge: PIT period of %llu ns is taken as %u ns\n",
					    pit->period, LODGE_MIN_PERIOD_NS);
			pit->period = LODGE_MIN_PERIOD_NS;
		}
	} else if (elapsed >= ch->count) {
		return;
	}
	pit->armed = true;
	hrtimer_start(&pit->timer, ns_to_ktime(pit->start[0] + ticks_to_ns(when)),
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

static void pit_load(struct lodge_pit *pit, u32 i, u16 value)
{
	struct lodge_pit_channel *ch = &pit->state.channel[i];

	ch->count = (ch->bcd ? from_bcd(value) : value) ?: pit_range(ch);
	/* Until its trigger comes a one-shot looks as if it had ended. */
	pit_set_elapsed(pit, i, pit_triggered(ch) ? ch->count + 1 : 0);
}

static void pit_write_count(struct lodge_pit *pit, u32 i, u8 value)
{
	struct lodge_pit_channel *ch = &pit->state.channel[i];

	if (ch->rw_mode == PIT_LOW) {
		pit_load(pit, i, value);
	} else if (ch->rw_mode == PIT_HIGH) {
		pit_load(pit, i, value << 8);
	} else if (ch->write_state) {
		ch->write_state = 0;
		pit_load(pit, i, ch->write_latch | value << 8);
	} else {
		ch->write_state = 1;
		ch->write_latch = value;
		/* In mode 0 the first byte stops the count and lowers OUT. */
		if (!ch->mode)
			ch->count = 0;
	}
	if (!i)
		pit_program(pit);
}

/* What is latched stays until it is read. */
static void pit_latch(struct lodge_pit *pit, u32 i, bool count, bool status)
{
	struct lodge_pit_channel *ch = &pit->state.channel[i];
	u64 elapsed = pit_elapsed(pit, i);

	if (count && !ch->count_latched) {
		ch->latched = lodge_pit_count(ch, elapsed);
		ch->count_latched = ch->rw_mode;
	}
	if (status && !ch->status_latched) {
		ch->status = lodge_pit_out(ch, elapsed) << 7 | !ch->count << 6 |
			     ch->rw_mode << 4 | ch->mode << 1 | ch->bcd;
		ch->status_latched = 1;
	}
}

static void pit_write_control(struct lodge_pit *pit, u8 value)
{
	u32 i = value >> 6, mode = value >> 1 & 7;

	if (i == 3) {		/* read-back: who, and what not */
		for (i = 0; i < 3; i++)
			if (value & BIT(i + 1))
				pit_latch(pit, i, !(value & BIT(5)), !(value & BIT(4)));
		return;
	}
	if (!(value & 0x30)) {
		pit_latch(pit, i, true, false);
		return;
	}
	pit->state.channel[i] = (struct lodge_pit_channel) {
		.rw_mode = value >> 4 & 3,
		.mode = mode > 5 ? mode - 4 : mode,	/* 6 and 7 are 2 and 3 */
		.bcd = value & 1,
		.gate = pit->state.channel[i].gate,
	};
	if (!i)
		pit_program(pit);
}

static u8 pit_read_count(struct lodge_pit *pit, u32 i)
{
	struct lodge_pit_channel *ch = &pit->state.channel[i];
	bool high = ch->rw_mode == PIT_HIGH;
	u16 count = ch->latched;

	if (ch->status_latched) {
		ch->status_latched = 0;
		return ch->status;
	}
	if (ch->count_latched) {
		high = ch->count_latched == PIT_HIGH;
		ch->count_latched = ch->count_latched == PIT_WORD ? PIT_HIGH : 0;
	} else {
		count = lodge_pit_count(ch, pit_elapsed(pit, i));
		if (ch->rw_mode == PIT_WORD) {
			high = ch->read_state;
			ch->read_state ^= 1;
		}
	}
	return high ? count >> 8 : count;
}

static void pit_write_speaker(struct lodge_pit *pit, u8 value)
{
	struct lodge_pit_channel *ch = &pit->state.channel[2];
	bool gate = value & SPEAKER_GATE, changed = gate != ch->gate;
	u64 elapsed = pit_elapsed(pit, 2);

	pit->state.speaker = value & SPEAKER_WRITABLE;
	ch->gate = gate;
	/* Rising: modes 0 and 4 go on, the others begin. */
	if (gate && (pit_periodic(ch) || pit_triggered(ch)))
		elapsed = 0;
	if (changed && (gate || !pit_triggered(ch)))
		pit_set_elapsed(pit, 2, elapsed);
}

/* @port: 0x40 to 0x43, or 0x61 */
u8 lodge_pit_read(struct lodge_vm *vm, u16 port)
{
	struct lodge_pit *pit = &vm->chips.pit;
	u8 value = pit->state.speaker;

	if (port != 0x61)
		return port == 0x43 ? 0 : pit_read_count(pit, port & 3);
	if (lodge_pit_out(&pit->state.channel[2], pit_elapsed(pit, 2)))
		value |= SPEAKER_OUT;
	/* Software measures time by the memory refresh's toggling. */
	if (div_u64(ktime_get_ns(), REFRESH_NS) & 1)
		value |= SPEAKER_REFRESH;
	return value;
}

void lodge_pit_write(struct lodge_vm *vm, u16 port, u8 value)
{
	struct lodge_pit *pit = &vm->chips.pit;

	if (port == 0x61)
		pit_write_speaker(pit, value);
	else if (port == 0x43)
		pit_write_control(pit, value);
	else
		pit_write_count(pit, port & 3, value);
}

/* Power-on: no channel counts. */
void lodge_pit_reset(struct lodge_vm *vm)
{
	struct lodge_pit *pit = &vm->chips.pit;
	u32 i;

	memset(&pit->state, 0, sizeof(pit->state));
	for (i = 0; i < 3; i++) {
		pit->state.channel[i].rw_mode = PIT_WORD;
		pit->state.channel[i].gate = i != 2;
		pit->start[i] = ktime_get_ns();
	}
	pit_program(pit);
}

void lodge_pit_create(struct lodge_vm *vm)
{
	hrtimer_setup(&vm->chips.pit.timer, pit_fired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

void lodge_pit_destroy(struct lodge_vm *vm)
{
	hrtimer_cancel(&vm->chips.pit.timer);
}

void lodge_pit_get(struct lodge_vm *vm, void *to)
{
	struct lodge_pit_state *state = to;
	u32 i;

	*state = vm->chips.pit.state;
	for (i = 0; i < 3; i++)
		state->channel[i].elapsed = pit_elapsed_short(&vm->chips.pit, i);
}

static bool channel_valid(const struct lodge_pit_channel *ch, bool gate)
{
	return ch->count <= pit_range(ch) && ch->count_latched <= PIT_WORD &&
	       ch->status_latched <= 1 && ch->read_state <= 1 && ch->write_state <= 1 &&
	       ch->rw_mode >= PIT_LOW && ch->rw_mode <= PIT_WORD && ch->mode <= 5 &&
	       ch->bcd <= 1 && ch->gate == gate && ch->elapsed <= 0x20001;
}

int lodge_pit_set(struct lodge_vm *vm, const void *from)
{
	const struct lodge_pit_state *state = from;
	struct lodge_pit *pit = &vm->chips.pit;
	u32 i;

	if (state->speaker & ~SPEAKER_WRITABLE || state->pad)
		return -EINVAL;
	for (i = 0; i < 3; i++)
		if (!channel_valid(&state->channel[i], i != 2 || state->speaker & SPEAKER_GATE))
			return -EINVAL;
	pit->state = *state;
	for (i = 0; i < 3; i++)
		pit_set_elapsed(pit, i, state->channel[i].elapsed);
	pit_program(pit);
	return 0;
}
