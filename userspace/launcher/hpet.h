/* SPDX-License-Identifier: GPL-2.0-only */
/* High precision event timers (IA-PC HPET 1.0a). */
#ifndef _LAUNCHER_HPET_H
#define _LAUNCHER_HPET_H

#include "bus.h"
#include "layout.h"
#include "timer.h"

#define HPET_TIMERS	3
/* Low half of the capabilities, also for the ACPI table: 64 bits wide, legacy. */
#define HPET_ID		(0x8086a001u | (HPET_TIMERS - 1) << 8)
#define HPET_TICK_NS	10

struct hpet;

/* @line: 1 + the line that it holds up, level-triggered; or 0 */
struct hpet_timer {
	struct hpet *hpet;
	__u64 config;
	__u64 comparator;
	__u64 period;
	struct timer timer;
	unsigned int line;
};

/**
 * struct hpet - the block of timers
 * @timers: what lets time pass
 * @irq: sets a line
 * @legacy: it has taken the lines of PIT and RTC, or given them back
 * @arg: first argument of both
 * @config: enable and legacy replacement
 * @status: level-triggered timers that interrupt
 * @counter: its value at @start (ns), or while it stands
 */
struct hpet {
	struct timers *timers;
	void (*irq)(void *arg, unsigned int gsi, int level);
	void (*legacy)(void *arg, bool on);
	void *arg;
	__u64 config;
	__u64 status;
	__u64 counter;
	__u64 start;
	struct hpet_timer timer[HPET_TIMERS];
};

extern const struct bus_ops hpet_ops;
void hpet_init(struct hpet *h, struct timers *timers,
	       void (*irq)(void *arg, unsigned int gsi, int level),
	       void (*legacy)(void *arg, bool on), void *arg);
/* With the whole machine: nobody is told that the lines are given back. */
void hpet_reset(struct hpet *h);
/* Whether it has those lines. */
bool hpet_legacy(const struct hpet *h);

#endif /* _LAUNCHER_HPET_H */
