// SPDX-License-Identifier: GPL-2.0-only
/* RTC, HPET, ACPI events and the timers under them, with a clock of our own. */
#include "devices.h"
#include "events.h"
#include "hpet.h"
#include "ktap.h"

#define MS		1000000ull
#define ENABLE		0x010
#define STATUS		0x020
#define COUNTER		0x0f0
#define CONFIG(n)	(0x100 + (n) * 0x20)
#define COMPARE(n)	(0x108 + (n) * 0x20)

static struct timers timers;
static struct cmos cmos;
static struct hpet hpet;
static struct acpi_pm pm;
static __u64 host_ns;
static int level[24];
static unsigned int rises[24];

static __u64 now(void)
{
	return host_ns;
}

static void on_irq(void *arg, unsigned int gsi, int on)
{
	(void)arg;
	rises[gsi] += on && !level[gsi];
	level[gsi] = on;
}

static void on_rtc(void *arg, int on)
{
	on_irq(arg, RTC_GSI, on);
}

static void on_sci(void *arg, int on)
{
	on_irq(arg, 9, on);
}

static bool replaced;

static void on_legacy(void *arg, bool on)
{
	(void)arg;
	replaced = on;
}

static void setup(void)
{
	memset(level, 0, sizeof(level));
	memset(rises, 0, sizeof(rises));
	host_ns = 951782399 * NS_PER_SECOND;	/* 2000-02-28 23:59:59 UTC, a Monday */
	timers_init(&timers, -1, now);
	cmos_init(&cmos, &timers, on_rtc, NULL);
	cmos.now = now;
	cmos_reset(&cmos);
	hpet_init(&hpet, &timers, on_irq, on_legacy, NULL);
	replaced = false;
	hpet_reset(&hpet);
}

/* Lets time pass, timer by timer. */
static void pass(__u64 ns)
{
	__u64 end = host_ns + ns;
	unsigned int i;

	for (;;) {
		__u64 next = end;

		for (i = 0; i < timers.count; i++)
			if (timers.timer[i]->when && timers.timer[i]->when < next)
				next = timers.timer[i]->when;
		host_ns = next > host_ns ? next : host_ns;
		timers_run(&timers);
		if (next == end)
			return;
	}
}

static __u8 get(__u8 index)
{
	cmos_ops.write(&cmos, 0, 1, 0x80 | index);
	return cmos_ops.read(&cmos, 1, 1);
}

static void put(__u8 index, __u8 value)
{
	cmos_ops.write(&cmos, 0, 1, index);
	cmos_ops.write(&cmos, 1, 1, value);
}

static void rtc_formats(void)
{
	setup();
	CHECK(get(0) == 0x59 && get(2) == 0x59 && get(4) == 0x23 && get(6) == 2);
	CHECK(get(7) == 0x28 && get(8) == 2 && get(9) == 0 && get(0x32) == 0x20);
	CHECK(get(0x0d) == 0x80 && get(0x0b) == 2);
	put(0x0b, 0x04);
	CHECK(get(0) == 59 && get(4) == (11 | 0x80));
	pass(NS_PER_SECOND);
	CHECK(get(0) == 0 && get(4) == 12 && get(7) == 29 && get(8) == 2 && get(0x32) == 20);
}

static void rtc_says_when_it_updates(void)
{
	setup();
	CHECK(!(get(0x0a) & 0x80));
	pass(999 * MS + 900000);
	CHECK(get(0x0a) & 0x80);
	put(0x0b, 0x82);
	CHECK(!(get(0x0a) & 0x80));
	/* The bit is not the guest's. */
	put(0x0a, 0xff);
	CHECK(!(get(0x0a) & 0x80));
}

static void rtc_is_set(void)
{
	setup();
	put(0x0b, 0x82);
	put(0x32, 0x20);
	put(9, 0x37);
	put(8, 0x12);
	put(7, 0x31);
	put(4, 0x23);
	put(2, 0x59);
	put(0, 0x58);
	pass(5 * NS_PER_SECOND);
	CHECK(get(0) == 0x58);
	put(0x0b, 0x02);
	pass(NS_PER_SECOND);
	CHECK(get(0) == 0x59 && get(8) == 0x12);
	pass(NS_PER_SECOND);
	CHECK(get(0) == 0 && get(7) == 1 && get(8) == 1 && get(9) == 0x38 && get(6) == 6);
	put(2, 0x30);
	CHECK(get(2) == 0x30 && get(0) == 0);
}

static void rtc_periodic(void)
{
	unsigned int i;

	setup();
	pass(10 * MS);
	CHECK(get(0x0c) == 0x40 && get(0x0c) == 0 && !rises[8]);
	put(0x0a, 0x2f);
	put(0x0b, 0x42);
	pass(490 * MS);
	get(0x0c);
	memset(rises, 0, sizeof(rises));
	for (i = 0; i < 4; i++) {
		pass(499 * MS);
		CHECK(rises[8] == i);
		pass(2 * MS);
		CHECK(rises[8] == i + 1 && level[8]);
		CHECK((get(0x0c) & 0xc0) == 0xc0 && !level[8]);
		host_ns -= 1 * MS;
	}
	/* One that is not acknowledged stays up, and costs nothing. */
	pass(NS_PER_SECOND);
	CHECK(level[8] && !cmos.timer.when);
	put(0x0b, 0x02);
	CHECK(!level[8] && !cmos.timer.when);
}

static void rtc_update_and_alarm(void)
{
	setup();
	put(1, 0x01);
	put(3, 0x00);
	put(5, 0x00);
	put(0x0b, 0x32);
	get(0x0c);
	pass(NS_PER_SECOND);
	CHECK(level[8] && (get(0x0c) & 0xb0) == 0x90 && !level[8]);
	pass(NS_PER_SECOND);
	CHECK(level[8] && (get(0x0c) & 0xb0) == 0xb0);
	/* "Any" hour and minute; the alarm alone. */
	put(1, 0x03);
	put(3, 0xff);
	put(5, 0xc0);
	put(0x0b, 0x22);
	pass(NS_PER_SECOND);
	CHECK(!level[8]);
	pass(NS_PER_SECOND);
	CHECK(level[8] && (get(0x0c) & 0xa0) == 0xa0);
	pass(59 * NS_PER_SECOND);
	CHECK(!level[8]);
	pass(NS_PER_SECOND);
	CHECK(level[8]);
}

static void rtc_hostile(void)
{
	unsigned int i;

	setup();
	/* Nonsense for a date and every rate; the host's clock set back. */
	for (i = 0; i < 256; i++) {
		put(i % 14, i * 37);
		put(0x0a, i);
		put(0x0b, i * 11);
		get(i % 14);
		pass(MS);
	}
	host_ns = NS_PER_SECOND;
	get(0x0c);
	pass(NS_PER_SECOND);
	CHECK(get(0x0d) == 0x80);
	put(0x0d, 0);
	put(0x0c, 0xff);
	CHECK(get(0x0d) == 0x80);
}

static void rtc_memory(void)
{
	setup();
	put(0x40, 0x5a);
	CHECK(get(0x40) == 0x5a && cmos_ops.read(&cmos, 0, 1) == 0xff);
}

static __u64 hget(__u64 reg)
{
	return hpet_ops.read(&hpet, reg, 8);
}

static void hput(__u64 reg, __u64 value)
{
	hpet_ops.write(&hpet, reg, 8, value);
}

static void hpet_counts(void)
{
	setup();
	CHECK(hget(0) == (10000000ull << 32 | 0x8086a201) && hget(ENABLE) == 0);
	hput(COUNTER, 0x123400000000);
	pass(MS);
	CHECK(hget(COUNTER) == 0x123400000000);
	hput(ENABLE, 1);
	pass(MS);
	CHECK(hget(COUNTER) == 0x123400000000 + 100000);
	CHECK((__u32)hpet_ops.read(&hpet, COUNTER, 4) == 100000);
	CHECK((hpet_ops.read(&hpet, COUNTER + 4, 4) & 0xffffffff) == 0x1234);
	hput(COUNTER, 0);	/* not while it runs */
	CHECK(hget(COUNTER) == 0x123400000000 + 100000);
	hput(ENABLE, 0);
	pass(MS);
	CHECK(hget(COUNTER) == 0x123400000000 + 100000);
}

static void hpet_one_shot(void)
{
	setup();
	hput(ENABLE, 1);
	hput(CONFIG(2), 4 | 20 << 9);
	hput(COMPARE(2), hget(COUNTER) + 100000);
	pass(MS - 10);
	CHECK(!rises[20]);
	pass(20);
	CHECK(rises[20] == 1 && !level[20]);
	pass(NS_PER_SECOND);
	CHECK(rises[20] == 1);
	/* A comparator in the past waits for the counter to come round. */
	hput(COMPARE(2), hget(COUNTER) - 1);
	pass(NS_PER_SECOND);
	CHECK(rises[20] == 1);
	/* In 32 bits that is 43 seconds. */
	hput(CONFIG(2), 4 | 20 << 9 | 0x100);
	pass(42 * NS_PER_SECOND);
	CHECK(rises[20] == 2);
}

static void hpet_periodic(void)
{
	setup();
	hput(ENABLE, 3);
	CHECK(hpet_legacy(&hpet) && replaced);
	hput(CONFIG(0), 4 | 8 | 0x40 | 0x100);
	/* As Linux does it: the first time, then the period, in low halves. */
	hpet_ops.write(&hpet, COMPARE(0), 4, hget(COUNTER) + 400000);
	CHECK(!(hget(CONFIG(0)) & 0x40));
	hpet_ops.write(&hpet, COMPARE(0), 4, 400000);
	pass(4 * MS);
	CHECK(rises[0] == 1);
	pass(40 * MS);
	CHECK(rises[0] == 11 && !rises[8]);
	/* Periods that were slept through do not come in a burst. */
	host_ns += NS_PER_SECOND;
	timers_run(&timers);
	CHECK(rises[0] == 12);
	pass(8 * MS);
	CHECK(rises[0] == 14);
	hput(CONFIG(0), 0);
	pass(NS_PER_SECOND);
	CHECK(rises[0] == 14);
	hput(ENABLE, 2);
	CHECK(!replaced);
}

static void hpet_level(void)
{
	setup();
	hput(ENABLE, 1);
	hput(CONFIG(1), 4 | 2 | 21 << 9);
	hput(COMPARE(1), hget(COUNTER) + 10);
	pass(MS);
	CHECK(level[21] && hget(STATUS) == 2);
	hput(CONFIG(1), 4 | 2 | 22 << 9);
	CHECK(!level[21] && level[22]);
	hput(STATUS, 1);
	CHECK(level[22]);
	hput(STATUS, 2);
	CHECK(!level[22] && hget(STATUS) == 0);
	pass(NS_PER_SECOND);
	CHECK(rises[22] == 1);
}

static void hpet_hostile(void)
{
	unsigned int i;
	__u64 off;

	setup();
	hput(ENABLE, 3);
	/* A period of one tick does not fire at every tick. */
	hput(CONFIG(0), 4 | 8 | 0x40);
	hput(COMPARE(0), 1);
	hput(COMPARE(0), 1);
	pass(10 * MS);
	CHECK(rises[0] <= 10 * MS / 50000 + 1);
	hput(COMPARE(0), 0);
	pass(10 * MS);
	/* Lines that are not offered, all ones everywhere, odd accesses. */
	hput(ENABLE, 1);
	memset(rises, 0, sizeof(rises));
	hput(CONFIG(0), 4 | 5 << 9);
	hput(COMPARE(0), hget(COUNTER) + 1);
	pass(MS);
	CHECK(!rises[5] && !rises[0]);
	for (off = 0; off < HPET_BYTES; off++)
		for (i = 1; i <= 8; i *= 2) {
			hpet_ops.write(&hpet, off, i, ~0ull);
			hpet_ops.read(&hpet, off, i);
		}
	pass(MS);
	hpet_reset(&hpet);
	for (i = 0; i < 24; i++)
		CHECK(!level[i]);
	pass(NS_PER_SECOND);
	CHECK(hget(COUNTER) == 0);
}

static void power_button(void)
{
	setup();
	acpi_pm_init(&pm, NULL, on_sci);
	CHECK(!acpi_pm_power_button(&pm) && !level[9]);
	CHECK(acpi_pm_ops.read(&pm, 0, 2) == 0x100);
	acpi_pm_ops.write(&pm, 0, 2, 0x100);
	CHECK(acpi_pm_ops.read(&pm, 0, 2) == 0);
	/* Enabled by its byte alone; only what exists can be. */
	acpi_pm_ops.write(&pm, 3, 1, 0xff);
	CHECK(acpi_pm_ops.read(&pm, 2, 2) == 0x500);
	CHECK(acpi_pm_power_button(&pm) && level[9] && rises[9] == 1);
	acpi_pm_ops.write(&pm, 1, 1, 0x01);
	CHECK(!level[9] && last_event == EVENT_NONE);
	/* Status and enable at once; a button pressed before it is enabled. */
	acpi_pm_ops.write(&pm, 0, 4, 0x00000000);
	acpi_pm_power_button(&pm);
	acpi_pm_ops.write(&pm, 0, 4, 0x01000000);
	CHECK(level[9]);
	acpi_pm_ops.write(&pm, 0, 4, 0x04000100);
	CHECK(!level[9]);
	acpi_pm_alarm(&pm);
	CHECK(level[9] && acpi_pm_ops.read(&pm, 0, 2) == 0x400);
	acpi_pm_reset(&pm);
	CHECK(!level[9] && acpi_pm_ops.read(&pm, 0, 4) == 0);
}

static void power_off_byte_wise(void)
{
	setup();
	acpi_pm_init(&pm, NULL, on_sci);
	acpi_pm_ops.write(&pm, 5, 1, 0x14);
	CHECK(last_event == EVENT_NONE);
	acpi_pm_ops.write(&pm, 5, 1, 0x34);
	CHECK(last_event == EVENT_POWEROFF);
	/* Across registers, and into the timer, which cannot be written. */
	acpi_pm_ops.write(&pm, 9, 2, 0xffff);
	acpi_pm_ops.write(&pm, 6, 4, ~0u);
	CHECK(acpi_pm_ops.read(&pm, 8, 4) <= 0xffffff);
}

/* An event that is enabled wakes; one that came before the sleep does, too. */
static void sleep_and_wake(void)
{
	setup();
	acpi_pm_init(&pm, NULL, on_sci);
	acpi_pm_ops.write(&pm, 2, 2, 0x400);
	acpi_pm_ops.write(&pm, 4, 2, 0x2400);
	CHECK(last_event == EVENT_SLEEP);
	acpi_pm_sleep(&pm);
	acpi_pm_power_button(&pm);
	CHECK(last_event == EVENT_SLEEP);
	acpi_pm_alarm(&pm);
	CHECK(last_event == EVENT_WAKE);
	acpi_pm_reset(&pm);
	CHECK(acpi_pm_ops.read(&pm, 0, 2) == 0x8000);
	last_event = EVENT_NONE;
	acpi_pm_ops.write(&pm, 2, 2, 0x400);
	acpi_pm_alarm(&pm);
	CHECK(last_event == EVENT_NONE);
	acpi_pm_sleep(&pm);
	CHECK(last_event == EVENT_WAKE);
}

static const struct test tests[] = {
	{ "rtc: formats", rtc_formats },
	{ "rtc: update in progress", rtc_says_when_it_updates },
	{ "rtc: the guest sets it", rtc_is_set },
	{ "rtc: periodic interrupt", rtc_periodic },
	{ "rtc: update and alarm interrupts", rtc_update_and_alarm },
	{ "rtc: against a hostile guest", rtc_hostile },
	{ "rtc: memory", rtc_memory },
	{ "hpet: counter", hpet_counts },
	{ "hpet: one-shot", hpet_one_shot },
	{ "hpet: periodic", hpet_periodic },
	{ "hpet: level-triggered", hpet_level },
	{ "hpet: against a hostile guest", hpet_hostile },
	{ "acpi_pm: power button", power_button },
	{ "acpi_pm: power-off by bytes", power_off_byte_wise },
	{ "acpi_pm: sleep and wake", sleep_and_wake },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
