// SPDX-License-Identifier: GPL-2.0-only
/* ACPI fixed hardware: PM1a event and control registers, PM timer (ACPI 4.8). */
#include "acpi.h"
#include "devices.h"

#define STATUS_POWER_BUTTON	0x0100
#define STATUS_RTC		0x0400
#define STATUS_WAKE		0x8000
#define ENABLE_EVENTS		0x0521	/* timer, global lock, power button, RTC */
#define CONTROL_SCI_EN		0x0001
#define CONTROL_SLP_TYP_SHIFT	10
#define CONTROL_SLP_TYP		7
#define CONTROL_SLP_EN		0x2000

#define PM_TIMER_HZ		3579545ull
#define PM_TIMER_MASK		0xffffff

void acpi_pm_init(struct acpi_pm *pm, struct machine *m, void (*sci)(void *arg, int level))
{
	memset(pm, 0, sizeof(*pm));
	pm->machine = m;
	pm->sci = sci;
	pm->start = timer_clock();
	acpi_pm_reset(pm);
}

/* The SCI is level-triggered: up as long as an enabled event is pending. */
static void acpi_pm_update(struct acpi_pm *pm)
{
	bool pending = pm->status & pm->enable & ENABLE_EVENTS;
	int line = pending && (pm->control & CONTROL_SCI_EN);

	if (pending && pm->asleep)
		machine_event(pm->machine, EVENT_WAKE, 0);
	if (line == pm->line)
		return;
	pm->line = line;
	pm->sci(pm->machine, line);
}

void acpi_pm_reset(struct acpi_pm *pm)
{
	pm->status = pm->asleep ? STATUS_WAKE : 0;
	pm->asleep = false;
	pm->enable = 0;
	pm->control = CONTROL_SCI_EN;
	acpi_pm_update(pm);
}

void acpi_pm_sleep(struct acpi_pm *pm)
{
	pm->asleep = true;
	acpi_pm_update(pm);
}

bool acpi_pm_power_button(struct acpi_pm *pm)
{
	pm->status |= STATUS_POWER_BUTTON;
	acpi_pm_update(pm);
	return pm->enable & STATUS_POWER_BUTTON;
}

void acpi_pm_alarm(struct acpi_pm *pm)
{
	pm->status |= STATUS_RTC;
	acpi_pm_update(pm);
}

static __u32 acpi_pm_timer(const struct acpi_pm *pm)
{
	__u64 ns = timer_clock() - pm->start;

	/* In two parts: the product of nanoseconds overflows within hours. */
	return (ns / NS_PER_SECOND * PM_TIMER_HZ +
		ns % NS_PER_SECOND * PM_TIMER_HZ / NS_PER_SECOND) & PM_TIMER_MASK;
}

static __u64 acpi_pm_read(void *dev, __u64 offset, unsigned int bytes)
{
	struct acpi_pm *pm = dev;
	__u8 image[ACPI_PM_BYTES] = { 0 };
	__u64 v = 0;

	put_le16(image, pm->status);
	put_le16(image + 2, pm->enable);
	put_le16(image + 4, pm->control);
	put_le32(image + 8, acpi_pm_timer(pm));
	memcpy(&v, image + offset, bytes);
	return v;
}

static void acpi_pm_control(struct acpi_pm *pm, __u16 value)
{
	unsigned int state = (value >> CONTROL_SLP_TYP_SHIFT) & CONTROL_SLP_TYP;

	pm->control = (value & ~CONTROL_SLP_EN) | CONTROL_SCI_EN;
	if (!(value & CONTROL_SLP_EN))
		return;
	if (state == ACPI_SLEEP_S5)
		machine_event(pm->machine, EVENT_POWEROFF, 0);
	else if (state == ACPI_SLEEP_S3)
		machine_event(pm->machine, EVENT_SLEEP, 0);
}

/* Registers may be written byte by byte, or two at once. */
static void acpi_pm_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct acpi_pm *pm = dev;
	__u8 image[ACPI_PM_BYTES] = { 0 };
	__u16 control;

	put_le16(image + 2, pm->enable);
	put_le16(image + 4, pm->control);
	memcpy(image + offset, &value, bytes);
	pm->status &= ~get_le16(image);		/* write 1 to clear */
	pm->enable = get_le16(image + 2) & ENABLE_EVENTS;
	control = get_le16(image + 4);
	if (offset < 6 && offset + bytes > 4)
		acpi_pm_control(pm, control);
	acpi_pm_update(pm);
}

const struct bus_ops acpi_pm_ops = {
	.read = acpi_pm_read,
	.write = acpi_pm_write,
	.width = 4,
};
