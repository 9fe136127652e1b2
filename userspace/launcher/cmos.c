// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real-time clock (MC146818) and its memory. The clock is the host's, in UTC,
 * until the guest sets it.
 *
 * Nothing ticks: flags follow from the time that has passed since they were
 * last looked at, and a timer runs only while an enabled interrupt is awaited.
 * It is in the launcher because it is slow by nature and nothing hot uses it.
 */
#include <time.h>

#include "devices.h"

#define REG_SECONDS	0
#define REG_ALARM	1		/* seconds; minutes at 3, hours at 5 */
#define REG_YEAR	9
#define REG_A		0x0a
#define REG_B		0x0b
#define REG_C		0x0c
#define REG_D		0x0d
#define REG_CENTURY	0x32

#define A_UPDATING	0x80
#define A_DEFAULT	0x26		/* 32768 Hz, 1024 Hz periodic */
#define A_RATE		0x0f
#define B_SET		0x80
#define B_24H		0x02
#define B_BINARY	0x04
#define C_IRQ		0x80
#define C_PERIODIC	0x40		/* enabled by the same bits of B */
#define C_ALARM		0x20
#define C_UPDATE	0x10
#define C_CAUSES	0x70
#define D_VALID		0x80
#define HOUR_PM		0x80
#define ALARM_ANY	0xc0

#define HZ		32768
#define UPDATE_NS	244000		/* UIP precedes an update by this */
#define DAY		86400

__u64 cmos_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static __u64 guest_ns(const struct cmos *c)
{
	return c->now() + c->offset;
}

/* The guest's clock in ticks of its crystal, and a period in those. */
static __u64 ticks(const struct cmos *c)
{
	__u64 ns = guest_ns(c);

	return ns / NS_PER_SECOND * HZ + ns % NS_PER_SECOND * HZ / NS_PER_SECOND;
}

static __u64 period(const struct cmos *c)
{
	unsigned int rate = c->ram[REG_A] & A_RATE;

	/* Rates 1 and 2 repeat 8 and 9 (the data sheet's table of rates). */
	return rate ? 1u << ((rate < 3 ? rate + 7 : rate) - 1) : 0;
}

static __u8 encode(const struct cmos *c, unsigned int v)
{
	return (c->ram[REG_B] & B_BINARY) ? v : (v / 10 % 10) << 4 | v % 10;
}

static unsigned int decode(const struct cmos *c, __u8 v)
{
	return (c->ram[REG_B] & B_BINARY) ? v : (v >> 4) * 10 + (v & 15);
}

static __u8 encode_hour(const struct cmos *c, unsigned int hour)
{
	if (c->ram[REG_B] & B_24H)
		return encode(c, hour);
	return encode(c, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned int decode_hour(const struct cmos *c, __u8 v)
{
	if (c->ram[REG_B] & B_24H)
		return decode(c, v);
	return decode(c, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* Time registers from the clock ... */
static void show_time(struct cmos *c)
{
	time_t now = guest_ns(c) / NS_PER_SECOND;
	struct tm tm;

	if (c->ram[REG_B] & B_SET)
		return;
	gmtime_r(&now, &tm);
	c->ram[REG_SECONDS] = encode(c, tm.tm_sec % 60);
	c->ram[2] = encode(c, tm.tm_min);
	c->ram[4] = encode_hour(c, tm.tm_hour);
	c->ram[6] = encode(c, tm.tm_wday + 1);
	c->ram[7] = encode(c, tm.tm_mday);
	c->ram[8] = encode(c, tm.tm_mon + 1);
	c->ram[REG_YEAR] = encode(c, tm.tm_year % 100);
	c->ram[REG_CENTURY] = encode(c, 19 + tm.tm_year / 100);
}

/* ... and the clock from the time registers. */
static void take_time(struct cmos *c)
{
	struct tm tm = {
		.tm_sec = decode(c, c->ram[REG_SECONDS]),
		.tm_min = decode(c, c->ram[2]),
		.tm_hour = decode_hour(c, c->ram[4]),
		.tm_mday = decode(c, c->ram[7]),
		.tm_mon = decode(c, c->ram[8]) - 1,
		.tm_year = decode(c, c->ram[REG_YEAR]) +
			   (decode(c, c->ram[REG_CENTURY]) - 19) * 100,
	};
	time_t t = timegm(&tm);

	/* A clock before 1970 stands at its beginning. */
	c->offset = (t > 0 ? t : 0) * NS_PER_SECOND - c->now();
	c->second = guest_ns(c) / NS_PER_SECOND;
	c->tick = ticks(c);
}

/* Whether an alarm register matches. */
static bool matches(const struct cmos *c, unsigned int reg, unsigned int v)
{
	__u8 alarm = c->ram[reg];

	if ((alarm & ALARM_ANY) == ALARM_ANY)
		return true;
	return (reg == REG_ALARM + 4 ? decode_hour(c, alarm) : decode(c, alarm)) == v;
}

static bool alarm_between(const struct cmos *c, __u64 from, __u64 to)
{
	__u64 t;

	if (to - from > DAY)
		from = to - DAY;
	for (t = from + 1; t <= to; t++)
		if (matches(c, REG_ALARM, t % 60) && matches(c, REG_ALARM + 2, t / 60 % 60) &&
		    matches(c, REG_ALARM + 4, t / 3600 % 24))
			return true;
	return false;
}

/* Sets the flags that time has set, and the line that follows from them. */
static void update(struct cmos *c)
{
	__u64 second = guest_ns(c) / NS_PER_SECOND, tick = ticks(c), every = period(c);
	__u8 *flags = &c->ram[REG_C];
	bool line;

	/* Neither backwards nor in reset: the host may set its clock. */
	if (!(c->ram[REG_B] & B_SET) && second > c->second) {
		*flags |= C_UPDATE;
		if (alarm_between(c, c->second, second))
			*flags |= C_ALARM;
	}
	if (every && tick / every > c->tick / every)
		*flags |= C_PERIODIC;
	c->second = second;
	c->tick = tick;
	line = *flags & c->ram[REG_B] & C_CAUSES;
	*flags = (*flags & C_CAUSES) | (line ? C_IRQ : 0);
	if (line != c->line) {
		c->line = line;
		c->irq(c->arg, line);
	}
}

/* The line stays up until register C is read: no timer until then. */
static void schedule(struct cmos *c)
{
	__u8 wanted = c->ram[REG_B] & C_CAUSES;
	__u64 ns = guest_ns(c), every = period(c), delay = 0, next;

	if (wanted & (C_ALARM | C_UPDATE) && !(c->ram[REG_B] & B_SET))
		delay = NS_PER_SECOND - ns % NS_PER_SECOND;
	if (wanted & C_PERIODIC && every) {
		next = every - ticks(c) % every;
		next = next * NS_PER_SECOND / HZ + 1;
		delay = delay && delay < next ? delay : next;
	}
	if (c->line || !delay)
		timer_stop(c->timers, &c->timer);
	else
		timer_set(c->timers, &c->timer, delay);
}

static void cmos_fire(void *arg)
{
	update(arg);
	schedule(arg);
}

void cmos_init(struct cmos *c, struct timers *timers, void (*irq)(void *arg, int level), void *arg)
{
	memset(c, 0, sizeof(*c));
	c->now = cmos_clock;
	c->timers = timers;
	c->irq = irq;
	c->arg = arg;
	timer_add(timers, &c->timer, cmos_fire, c);
}

void cmos_reset(struct cmos *c)
{
	c->index = 0;
	c->offset = 0;
	memset(c->ram, 0, sizeof(c->ram));
	c->ram[REG_A] = A_DEFAULT;
	c->ram[REG_B] = B_24H;
	c->second = guest_ns(c) / NS_PER_SECOND;
	c->tick = ticks(c);
	update(c);
	schedule(c);
}

static __u8 cmos_get(struct cmos *c)
{
	__u8 v;

	switch (c->index) {
	case REG_A:
		v = c->ram[REG_A];
		if (!(c->ram[REG_B] & B_SET) &&
		    guest_ns(c) % NS_PER_SECOND >= NS_PER_SECOND - UPDATE_NS)
			v |= A_UPDATING;
		return v;
	case REG_C:
		/* Reading shows the causes, and takes them back. */
		update(c);
		v = c->ram[REG_C];
		c->ram[REG_C] = 0;
		update(c);
		schedule(c);
		return v;
	case REG_D:
		return D_VALID;
	default:
		show_time(c);
		return c->ram[c->index];
	}
}

static void cmos_set_b(struct cmos *c, __u8 value)
{
	bool was_set = c->ram[REG_B] & B_SET;

	show_time(c);
	/* The format may change with it: what was written is in the new one. */
	c->ram[REG_B] = value;
	if (was_set && !(value & B_SET))
		take_time(c);
}

static bool is_time(__u8 reg)
{
	return reg == REG_CENTURY || reg == 7 || reg == 8 || reg == REG_YEAR ||
	       (reg <= 6 && !(reg & 1));
}

static void cmos_put(struct cmos *c, __u8 value)
{
	update(c);
	if (c->index == REG_A) {
		c->ram[REG_A] = value & ~A_UPDATING;
	} else if (c->index == REG_B) {
		cmos_set_b(c, value);
	} else if (is_time(c->index)) {
		show_time(c);
		c->ram[c->index] = value;
		if (!(c->ram[REG_B] & B_SET))
			take_time(c);
	} else if (c->index != REG_C && c->index != REG_D) {
		c->ram[c->index] = value;
	}
	update(c);
	schedule(c);
}

static __u64 cmos_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)bytes;
	return offset ? cmos_get(dev) : 0xff;
}

static void cmos_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct cmos *c = dev;

	(void)bytes;
	/* Bit 7 of the index port masks NMIs, which nothing here raises. */
	if (!offset)
		c->index = value & 0x7f;
	else
		cmos_put(c, value);
}

const struct bus_ops cmos_ops = {
	.read = cmos_read,
	.write = cmos_write,
	.width = 1,
};
