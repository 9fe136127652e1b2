/* SPDX-License-Identifier: GPL-2.0-only */
/* The small devices of the PC. Each is in the file of its name. */
#ifndef _LAUNCHER_DEVICES_H
#define _LAUNCHER_DEVICES_H

#include <time.h>

#include "bus.h"
#include "timer.h"

/* Something a device, a vCPU or the console tells the front end. */
enum machine_event {
	EVENT_NONE,
	EVENT_POWEROFF,
	EVENT_RESET,
	EVENT_SLEEP,		/* to RAM, until EVENT_WAKE */
	EVENT_WAKE,
	EVENT_TRIPLE_FAULT,
	EVENT_PANIC,
	EVENT_EXIT_DEV,		/* value: what the guest wrote */
	EVENT_KILLED,
	EVENT_ERROR,
};

struct machine;

/* Stops the guest until the front end has decided; the first event counts. */
void machine_event(struct machine *m, enum machine_event event, __u64 value);

/**
 * struct cmos - cmos.c: real-time clock and its memory, ports 0x70 and 0x71
 * @irq: the interrupt line changed; @arg is its first argument
 * @now: the host's clock, in ns since 1970
 * @offset: what the guest's clock is ahead of it
 * @second: of the guest's clock, when the flags were last brought up to date
 * @tick: of the guest's crystal, likewise
 * @line: level of the interrupt line
 */
struct cmos {
	__u8 index;
	__u8 ram[128];
	struct timers *timers;
	struct timer timer;
	void (*irq)(void *arg, int level);
	void *arg;
	__u64 (*now)(void);
	__s64 offset;
	__u64 second;
	__u64 tick;
	int line;
};

#define CMOS_PORT	0x70
extern const struct bus_ops cmos_ops;
__u64 cmos_clock(void);
void cmos_init(struct cmos *c, struct timers *timers, void (*irq)(void *arg, int level), void *arg);
void cmos_reset(struct cmos *c);

/*
 * i8042.c: keyboard controller without a keyboard, ports 0x60 and 0x64;
 * @irq: the keyboard's interrupt line changed
 */
struct i8042 {
	struct machine *machine;
	void (*irq)(void *arg, int level);
	__u8 command;		/* that waits for its data byte */
	__u8 config;
	__u8 port;		/* output port */
	__u8 status;
	__u8 output;
	int line;
};

#define I8042_DATA	0x60
#define I8042_COMMAND	0x64
#define I8042_GSI	1
extern const struct bus_ops i8042_data_ops;
extern const struct bus_ops i8042_command_ops;
/* @irq's first argument is @m. */
void i8042_init(struct i8042 *k, struct machine *m, void (*irq)(void *arg, int level));
void i8042_reset(struct i8042 *k);

/* reset.c: port 0x92 and the reset register 0xcf9 */
struct reset_ports {
	struct machine *machine;
	__u8 port92;
	__u8 cf9;
};

#define RESET_PORT92	0x92
extern const struct bus_ops port92_ops;
extern const struct bus_ops cf9_ops;
void reset_init(struct reset_ports *r, struct machine *m);

/* acpi_pm.c: fixed ACPI hardware; @sci: its interrupt line changed */
struct acpi_pm {
	struct machine *machine;
	void (*sci)(void *arg, int level);
	__u16 status;
	__u16 enable;
	__u16 control;
	__u64 start;
	int line;
	bool asleep;
};

#define ACPI_PM_BYTES	12
extern const struct bus_ops acpi_pm_ops;
/* @sci's first argument is @m. */
void acpi_pm_init(struct acpi_pm *pm, struct machine *m, void (*sci)(void *arg, int level));
void acpi_pm_reset(struct acpi_pm *pm);
/* The machine stands still: from now on an enabled event wakes it. */
void acpi_pm_sleep(struct acpi_pm *pm);
/* Presses the power button; false when the guest does not listen to it. */
bool acpi_pm_power_button(struct acpi_pm *pm);
/* The real-time clock interrupts, which is an event here too. */
void acpi_pm_alarm(struct acpi_pm *pm);

/* pvpanic.c */
#define PVPANIC_PORT	0x505
extern const struct bus_ops pvpanic_ops;	/* dev: struct machine */

/* silent.c: ports where debugging output goes, and nowhere else */
#define SILENT_POST	0x80
extern const struct bus_ops silent_ops;

/* exit_dev.c */
#define EXIT_DEV_BYTES	4
extern const struct bus_ops exit_dev_ops;	/* dev: struct machine */

/* debug_port.c: with --firmware; silent otherwise */
#define DEBUG_PORT	0x402
extern const struct bus_ops debug_port_ops;

/* test_dev.c */
#define TEST_DEV_LINES	24
#define TEST_DEV_IOMEM	KIB(64)
struct test_dev {
	struct machine *machine;
	__u8 latch[4];
	__u8 iomem[TEST_DEV_IOMEM];
};

int test_dev_init(struct test_dev *t, struct machine *m);

#endif /* _LAUNCHER_DEVICES_H */
