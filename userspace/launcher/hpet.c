// SPDX-License-Identifier: GPL-2.0-only
/*
 * High precision event timers (IA-PC HPET 1.0a).
 *
 * Only the front end's timer ticks: the counter is the host's monotonic clock
 * in steps of 10 ns. It is in the launcher because guests use it as the clock
 * that others are compared with and, until their local APICs tick, as a timer.
 */
#include "hpet.h"

#define REG_ID			0x000
#define REG_CONFIG		0x010
#define REG_STATUS		0x020
#define REG_COUNTER		0x0f0
#define REG_TIMER		0x100	/* and every 0x20 */
#define TIMER_CONFIG		0x00
#define TIMER_COMPARATOR	0x08

#define FS_PER_NS		1000000ull
#define CONFIG_ENABLE		0x1
#define CONFIG_LEGACY		0x2

#define TIMER_LEVEL		0x0002
#define TIMER_ENABLE		0x0004
#define TIMER_PERIODIC		0x0008
#define TIMER_SET_VALUE		0x0040
#define TIMER_32BIT		0x0100
#define TIMER_ROUTE_SHIFT	9
#define TIMER_ROUTE		0x3e00
#define TIMER_WRITABLE		(TIMER_LEVEL | TIMER_ENABLE | TIMER_PERIODIC | TIMER_SET_VALUE | \
				 TIMER_32BIT | TIMER_ROUTE)
/* Periodic, 64 bits wide, and any of the lines 20 to 23. */
#define TIMER_FIXED		0x00f0000000000030ull
#define TIMER_LINES		0x00f00000u

/* A guest that asks for more gets fewer, or the front end would do nothing else. */
#define SHORTEST_NS		50000

bool hpet_legacy(const struct hpet *h)
{
	return (h->config & (CONFIG_ENABLE | CONFIG_LEGACY)) == (CONFIG_ENABLE | CONFIG_LEGACY);
}

static __u64 counter(const struct hpet *h)
{
	if (!(h->config & CONFIG_ENABLE))
		return h->counter;
	return h->counter + (h->timers->now() - h->start) / HPET_TICK_NS;
}

static unsigned int number(const struct hpet_timer *t)
{
	return t - t->hpet->timer;
}

static __u64 width(const struct hpet_timer *t)
{
	return (t->config & TIMER_32BIT) ? 0xffffffffull : ~0ull;
}

/* The line that it interrupts by, or -1. */
static int line_of(const struct hpet_timer *t)
{
	unsigned int gsi = (t->config & TIMER_ROUTE) >> TIMER_ROUTE_SHIFT;

	if ((t->hpet->config & CONFIG_LEGACY) && number(t) < 2)
		return number(t) ? RTC_GSI : 0;
	return TIMER_LINES >> gsi & 1 ? (int)gsi : -1;
}

/* A level interrupt lasts as long as its status bit, and moves with its route. */
static void update_line(struct hpet_timer *t)
{
	bool on = (t->config & TIMER_ENABLE) && (t->config & TIMER_LEVEL) &&
		  (t->hpet->status & BIT(number(t)));
	unsigned int line = on ? line_of(t) + 1 : 0;
	struct hpet *h = t->hpet;

	if (line == t->line)
		return;
	if (t->line)
		h->irq(h->arg, t->line - 1, 0);
	t->line = line;
	if (line)
		h->irq(h->arg, line - 1, 1);
}

static void interrupt(struct hpet_timer *t)
{
	struct hpet *h = t->hpet;
	int gsi = line_of(t);

	if (t->config & TIMER_LEVEL) {
		h->status |= BIT(number(t));
		update_line(t);
	} else if (gsi >= 0) {
		h->irq(h->arg, gsi, 1);
		h->irq(h->arg, gsi, 0);
	}
}

static void schedule(struct hpet_timer *t)
{
	struct hpet *h = t->hpet;
	__u64 ticks = (t->comparator - counter(h)) & width(t);

	if (!(h->config & CONFIG_ENABLE) || !(t->config & TIMER_ENABLE))
		timer_stop(h->timers, &t->timer);
	else
		timer_set(h->timers, &t->timer,
			  ticks < ~0ull / HPET_TICK_NS ? ticks * HPET_TICK_NS : ~0ull);
}

/* The next period's end in the future: those that were missed are lost. */
static void next_period(struct hpet_timer *t)
{
	__u64 least = SHORTEST_NS / HPET_TICK_NS;
	__u64 late = (counter(t->hpet) - t->comparator) & width(t);
	__u64 periods = late / t->period + 1;

	if (t->period < least)
		periods += least / t->period;
	t->comparator = (t->comparator + periods * t->period) & width(t);
}

static void hpet_fire(void *arg)
{
	struct hpet_timer *t = arg;

	interrupt(t);
	/* That the counter may come round to it again is not waited for. */
	if (!(t->config & TIMER_PERIODIC) || !t->period)
		return;
	next_period(t);
	schedule(t);
}

void hpet_init(struct hpet *h, struct timers *timers,
	       void (*irq)(void *arg, unsigned int gsi, int level),
	       void (*legacy)(void *arg, bool on), void *arg)
{
	unsigned int i;

	memset(h, 0, sizeof(*h));
	h->timers = timers;
	h->irq = irq;
	h->legacy = legacy;
	h->arg = arg;
	for (i = 0; i < HPET_TIMERS; i++) {
		h->timer[i].hpet = h;
		timer_add(timers, &h->timer[i].timer, hpet_fire, &h->timer[i]);
	}
}

void hpet_reset(struct hpet *h)
{
	unsigned int i;

	h->config = 0;
	h->status = 0;
	h->counter = 0;
	for (i = 0; i < HPET_TIMERS; i++) {
		update_line(&h->timer[i]);
		timer_stop(h->timers, &h->timer[i].timer);
		h->timer[i].config = TIMER_FIXED;
		h->timer[i].comparator = ~0ull;
		h->timer[i].period = 0;
	}
}

static void write_config(struct hpet *h, __u64 value)
{
	__u64 now = counter(h);
	bool was = hpet_legacy(h);
	unsigned int i;

	h->config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
	if (hpet_legacy(h) != was)
		h->legacy(h->arg, !was);
	h->counter = now;
	h->start = h->timers->now();
	for (i = 0; i < HPET_TIMERS; i++) {
		update_line(&h->timer[i]);
		schedule(&h->timer[i]);
	}
}

static void write_timer_config(struct hpet_timer *t, __u64 value)
{
	t->config = (value & TIMER_WRITABLE) | TIMER_FIXED;
	t->comparator &= width(t);
	update_line(t);
	schedule(t);
}

/*
 * A periodic timer takes its period; the comparator itself only when the bit
 * for that was set just before (HPET 1.0a, 2.3.9.2.2).
 */
static void write_comparator(struct hpet_timer *t, __u64 value)
{
	value &= width(t);
	if (!(t->config & TIMER_PERIODIC) || (t->config & TIMER_SET_VALUE))
		t->comparator = value;
	if (t->config & TIMER_PERIODIC)
		t->period = value;
	t->config &= ~(__u64)TIMER_SET_VALUE;
	schedule(t);
}

static struct hpet_timer *timer_at(struct hpet *h, unsigned int reg)
{
	unsigned int n = (reg - REG_TIMER) / 0x20;

	return reg >= REG_TIMER && n < HPET_TIMERS ? &h->timer[n] : NULL;
}

static __u64 read_register(struct hpet *h, unsigned int reg)
{
	struct hpet_timer *t = timer_at(h, reg);

	switch (t ? reg % 0x20 : reg) {
	case TIMER_COMPARATOR:
		return t ? t->comparator : 0;
	case REG_ID:
		return t ? t->config : HPET_ID | (HPET_TICK_NS * FS_PER_NS) << 32;
	case REG_CONFIG:
		return t ? 0 : h->config;
	case REG_STATUS:
		return h->status;
	case REG_COUNTER:
		return counter(h);
	default:
		return 0;
	}
}

static void write_register(struct hpet *h, unsigned int reg, __u64 value)
{
	struct hpet_timer *t = timer_at(h, reg);
	unsigned int i;

	if (t && reg % 0x20 == TIMER_CONFIG) {
		write_timer_config(t, value);
	} else if (t && reg % 0x20 == TIMER_COMPARATOR) {
		write_comparator(t, value);
	} else if (reg == REG_CONFIG) {
		write_config(h, value);
	} else if (reg == REG_COUNTER && !(h->config & CONFIG_ENABLE)) {
		h->counter = value;
	} else if (reg == REG_STATUS) {
		h->status &= ~value;
		for (i = 0; i < HPET_TIMERS; i++)
			update_line(&h->timer[i]);
	}
}

/* Registers are 64 bits wide; halves and smaller pieces may be accessed alone. */
static __u64 hpet_read(void *dev, __u64 offset, unsigned int bytes)
{
	if (offset % 8 + bytes > 8)
		return ~0ull;
	return read_register(dev, offset & ~7ull) >> offset % 8 * 8;
}

static void hpet_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	unsigned int reg = offset & ~7ull, shift = offset % 8 * 8;
	__u64 mask = bytes < 8 ? (1ull << bytes * 8) - 1 : ~0ull;
	__u64 old = reg == REG_STATUS ? 0 : read_register(dev, reg);
	struct hpet_timer *t = timer_at(dev, reg);

	if (offset % 8 + bytes > 8)
		return;
	/* The other half of what is written, which is not what is read here. */
	if (t && reg % 0x20 == TIMER_COMPARATOR && (t->config & TIMER_PERIODIC) &&
	    !(t->config & TIMER_SET_VALUE))
		old = t->period;
	write_register(dev, reg, (old & ~(mask << shift)) | (value & mask) << shift);
}

const struct bus_ops hpet_ops = {
	.read = hpet_read,
	.write = hpet_write,
	.width = 8,
};
