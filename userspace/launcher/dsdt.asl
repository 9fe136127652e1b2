/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices that ACPI cannot find by itself. Fixed hardware (power
 * management, reset, timers) is in the FADT, processors are in the MADT.
 */
DefinitionBlock ("", "DSDT", 2, "LODGE ", "LODGEDSD", 1)
{
	/* SLP_TYP 5 written to PM1a control means "power off": acpi_pm.c */
	Name (\_S5, Package () { 5, 5, 0, 0 })

	Scope (\_SB)
	{
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3F8, 0x3F8, 0, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC0)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 0, 2)
			})
		}

		Device (PEVT)
		{
			Name (_HID, "QEMU0001")
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x505, 0x505, 0, 1)
			})
		}
	}
}
