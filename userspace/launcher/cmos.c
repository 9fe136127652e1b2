// SPDX-License-Identifier: GPL-2.0-only
/* Real-time clock (MC146818) and its memory. The clock is the host's, in UTC. */
#include "devices.h"

#define REG_A		0x0a
#define REG_B		0x0b
#define REG_C		0x0c
#define REG_D		0x0d
#define REG_CENTURY	0x32
#define REG_B_BINARY	0x04
#define REG_B_24H	0x02
#define REG_D_VALID	0x80
#define REG_A_DEFAULT	0x26	/* 32768 Hz, never "update in progress" */
#define HOUR_PM		0x80

static time_t host_time(void)
{
	return time(NULL);
}

void cmos_init(struct cmos *c)
{
	memset(c, 0, sizeof(*c));
	c->ram[REG_A] = REG_A_DEFAULT;
	c->ram[REG_B] = REG_B_24H;
	c->now = host_time;
}

static __u8 encode(const struct cmos *c, int v)
{
	return (c->ram[REG_B] & REG_B_BINARY) ? v : (v / 10) << 4 | v % 10;
}

static __u8 encode_hour(const struct cmos *c, int hour)
{
	int h12 = hour % 12 ? hour % 12 : 12;

	if (c->ram[REG_B] & REG_B_24H)
		return encode(c, hour);
	return encode(c, h12) | (hour >= 12 ? HOUR_PM : 0);
}

static __u8 cmos_get(const struct cmos *c)
{
	time_t now = c->now();
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (c->index) {
	case 0:
		return encode(c, tm.tm_sec % 60);
	case 2:
		return encode(c, tm.tm_min);
	case 4:
		return encode_hour(c, tm.tm_hour);
	case 6:
		return encode(c, tm.tm_wday + 1);
	case 7:
		return encode(c, tm.tm_mday);
	case 8:
		return encode(c, tm.tm_mon + 1);
	case 9:
		return encode(c, tm.tm_year % 100);
	case REG_CENTURY:
		return encode(c, 19 + tm.tm_year / 100);
	case REG_C:
		return 0;
	case REG_D:
		return REG_D_VALID;
	default:
		return c->ram[c->index];
	}
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
	else if (c->index != REG_C && c->index != REG_D)
		c->ram[c->index] = c->index == REG_A ? value & 0x7f : value;
}

const struct bus_ops cmos_ops = {
	.read = cmos_read,
	.write = cmos_write,
	.width = 1,
};
