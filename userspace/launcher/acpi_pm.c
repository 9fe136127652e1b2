// SPDX-License-Identifier: GPL-2.0-only
/* ACPI fixed hardware: PM1a event and control registers, PM timer (ACPI 4.8). */
#include "acpi.h"
#include "devices.h"

#define CONTROL_SCI_EN		0x0001
#define CONTROL_SLP_TYP_SHIFT	10
#define CONTROL_SLP_TYP		7
#define CONTROL_SLP_EN		0x2000

#define PM_TIMER_HZ		3579545ull
#define PM_TIMER_MASK		0xffffff

void acpi_pm_init(struct acpi_pm *pm, struct machine *m)
{
	memset(pm, 0, sizeof(*pm));
	pm->machine = m;
	pm->control = CONTROL_SCI_EN;
	clock_gettime(CLOCK_MONOTONIC, &pm->start);
}

static __u32 acpi_pm_timer(const struct acpi_pm *pm)
{
	struct timespec now;
	__u64 ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (now.tv_sec - pm->start.tv_sec) * 1000000000ull + now.tv_nsec - pm->start.tv_nsec;
	/* In two parts: the product of nanoseconds overflows within hours. */
	return (ns / 1000000000 * PM_TIMER_HZ +
		ns % 1000000000 * PM_TIMER_HZ / 1000000000) & PM_TIMER_MASK;
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
	pm->control = (value & ~CONTROL_SLP_EN) | CONTROL_SCI_EN;
	if ((value & CONTROL_SLP_EN) &&
	    ((value >> CONTROL_SLP_TYP_SHIFT) & CONTROL_SLP_TYP) == ACPI_SLEEP_S5)
		machine_event(pm->machine, EVENT_POWEROFF, 0);
}

static void acpi_pm_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	struct acpi_pm *pm = dev;

	if (offset == 0) {
		pm->status &= ~value;	/* write 1 to clear */
		if (bytes == 4)
			pm->enable = value >> 16;
	} else if (offset == 2) {
		pm->enable = value;
	} else if (offset == ACPI_PM1_CONTROL - ACPI_PM1_EVENT && bytes >= 2) {
		acpi_pm_control(pm, value);
	}
}

const struct bus_ops acpi_pm_ops = {
	.read = acpi_pm_read,
	.write = acpi_pm_write,
	.width = 4,
};
