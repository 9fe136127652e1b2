/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices that ACPI cannot find by itself. Fixed hardware (power
 * management, power button, reset, timers) is in the FADT, processors are in
 * the MADT. Addresses and lines are those of layout.h.
 */
DefinitionBlock ("", "DSDT", 2, "LODGE ", "LODGEDSD", 1)
{
	/* SLP_TYP 5 written to PM1a control means "power off": acpi_pm.c */
	Name (\_S5, Package () { 5, 5, 0, 0 })

	Scope (\_SB)
	{
		/* Base and length of PCI's 64-bit window; acpi.c fills them in. */
		Name (M64B, 0x1122334455667788)
		Name (M64L, 0x1122334455667788)

		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_CBA, 0xE0000000)

			Name (CRS1, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0xCF8, 0xCF8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					EntireRange, 0, 0x0000, 0x0CF7, 0, 0x0CF8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					EntireRange, 0, 0x0D00, 0xFFFF, 0, 0xF300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xC0000000, 0xDFFFFFFF, 0, 0x20000000)
			})
			Name (CRS2, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					Cacheable, ReadWrite,
					0, 0x100000000, 0x1FFFFFFFF, 0, 0x100000000, , , HIGH)
			})

			Method (_CRS, 0, Serialized)
			{
				If (M64L == 0)
				{
					Return (CRS1)
				}
				CreateQWordField (CRS2, \_SB.PCI0.HIGH._MIN, MINI)
				CreateQWordField (CRS2, \_SB.PCI0.HIGH._MAX, MAXI)
				CreateQWordField (CRS2, \_SB.PCI0.HIGH._LEN, LENG)
				MINI = M64B
				MAXI = M64B + M64L - 1
				LENG = M64L
				Return (ConcatenateResTemplate (CRS1, CRS2))
			}

			/* The OS keeps everything but what it would have to ask for. */
			Method (_OSC, 4, NotSerialized)
			{
				CreateDWordField (Arg3, 0, CDW1)
				If (Arg0 != ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766"))
				{
					CDW1 |= 0x04
					Return (Arg3)
				}
				CreateDWordField (Arg3, 8, CDW3)
				If (CDW3 != 0)
				{
					CDW1 |= 0x10
				}
				CDW3 = 0
				Return (Arg3)
			}

			Name (ROUT, Package (128) {})

			/* Pin A to D of slot S is line 10 + ((S + pin) & 1). */
			Method (_PRT, 0, Serialized)
			{
				Local0 = 0
				While (Local0 < 128)
				{
					Local1 = Local0 >> 2
					Local2 = Local0 & 3
					Local3 = Package (4) { 0, 0, 0, 0 }
					Local3[0] = (Local1 << 16) | 0xFFFF
					Local3[1] = Local2
					Local3[3] = 10 + ((Local1 + Local2) & 1)
					ROUT[Local0] = Local3
					Local0++
				}
				Return (ROUT)
			}
		}

		/* What no driver claims but is taken: ECAM. */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xE0000000, 0x10000000)
			})
		}

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

		Device (KBD0)
		{
			Name (_HID, EisaId ("PNP0303"))
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x60, 0x60, 0, 1)
				IO (Decode16, 0x64, 0x64, 0, 1)
				IRQNoFlags () { 1 }
			})
		}

		Device (RTC0)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 0, 2)
				IRQNoFlags () { 8 }
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
