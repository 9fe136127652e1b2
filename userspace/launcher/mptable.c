// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MP table (MultiProcessor Specification 1.4, chapter 4), for kernels that
 * know no ACPI. It says what the MADT and _PRT say.
 */
#include "acpi.h"
#include "mptable.h"

#define POINTER_BYTES		16
#define HEADER_BYTES		44

#define ENTRY_CPU		0
#define ENTRY_BUS		1
#define ENTRY_IOAPIC		2
#define ENTRY_IO_INT		3
#define ENTRY_LOCAL_INT		4

#define BUS_PCI			0
#define BUS_ISA			1

#define INT_VECTORED		0
#define INT_NMI			1
#define INT_EXTINT		3
#define INT_FLAGS_BUS		0x0000
#define INT_FLAGS_LEVEL_HIGH	0x000d
#define INT_FLAGS_LEVEL_LOW	0x000f

#define CPU_ENABLED		BIT(0)
#define CPU_BOOT		BIT(1)
#define LAPIC_VERSION		0x14
#define IOAPIC_VERSION		0x11
#define ALL_LAPICS		0xff

/**
 * struct writer - the configuration so far
 * @p: where the next entry goes
 * @entries: how many there are
 */
struct writer {
	__u8 *p;
	unsigned int entries;
};

static __u8 *add(struct writer *w, __u8 type, unsigned int bytes)
{
	__u8 *entry = w->p;

	memset(entry, 0, bytes);
	entry[0] = type;
	w->p += bytes;
	w->entries++;
	return entry;
}

static void add_cpu(struct writer *w, unsigned int id)
{
	__u8 *e = add(w, ENTRY_CPU, 20);

	e[1] = id;
	e[2] = LAPIC_VERSION;
	e[3] = CPU_ENABLED | (id ? 0 : CPU_BOOT);
	put_le32(e + 4, 0x600);		/* family 6 */
	put_le32(e + 8, 0x201);		/* APIC and FPU */
}

static void add_bus(struct writer *w, __u8 id, const char *type)
{
	__u8 *e = add(w, ENTRY_BUS, 8);

	e[1] = id;
	memcpy(e + 2, type, 6);
}

static void add_ioapic(struct writer *w)
{
	__u8 *e = add(w, ENTRY_IOAPIC, 8);

	/* Its id, 0, is what the register says; old kernels give it another. */
	e[2] = IOAPIC_VERSION;
	e[3] = 1;
	put_le32(e + 4, ACPI_IOAPIC_ADDR);
}

static void add_int(struct writer *w, __u8 entry, __u8 type, __u16 flags, __u8 bus, __u8 irq,
		    __u8 apic, __u8 pin)
{
	__u8 *e = add(w, entry, 8);

	e[1] = type;
	put_le16(e + 2, flags);
	e[4] = bus;
	e[5] = irq;
	e[6] = apic;
	e[7] = pin;
}

static bool is_pci_line(unsigned int irq)
{
	unsigned int i;

	for (i = 0; i < PCI_INTX_LINES; i++)
		if (irq == PCI_INTX_GSI(i, 0))
			return true;
	return false;
}

/* Line 2 is the cascade, and where the timer arrives. */
static void add_isa_lines(struct writer *w)
{
	unsigned int irq;

	for (irq = 0; irq < 16; irq++)
		if (irq != 2 && !is_pci_line(irq))
			add_int(w, ENTRY_IO_INT, INT_VECTORED,
				irq == ACPI_SCI_GSI ? INT_FLAGS_LEVEL_HIGH : INT_FLAGS_BUS,
				BUS_ISA, irq, 0, irq ? irq : 2);
}

static void add_pci_lines(struct writer *w)
{
	unsigned int slot, pin;

	for (slot = 0; slot < PCI_SLOTS; slot++)
		for (pin = 0; pin < 4; pin++)
			add_int(w, ENTRY_IO_INT, INT_VECTORED, INT_FLAGS_LEVEL_LOW, BUS_PCI,
				slot << 2 | pin, 0, PCI_INTX_GSI(slot, pin));
}

static void finish(__u8 *t, const struct writer *w)
{
	__u32 bytes = w->p - t;

	memset(t, 0, HEADER_BYTES);
	memcpy(t, "PCMP", 4);
	put_le16(t + 4, bytes);
	t[6] = 4;		/* version 1.4 */
	memcpy(t + 8, "LODGE   ", 8);
	memcpy(t + 16, "LODGE PC    ", 12);
	put_le16(t + 34, w->entries);
	put_le32(t + 36, ACPI_LAPIC_ADDR);
	t[7] = acpi_checksum(t, bytes);
}

void mptable_build(const struct memory *m, unsigned int cpus)
{
	__u8 *pointer = m->host + GUEST_MPTABLE, *t = pointer + POINTER_BYTES;
	struct writer w = { .p = t + HEADER_BYTES };
	unsigned int i;

	for (i = 0; i < cpus; i++)
		add_cpu(&w, i);
	add_bus(&w, BUS_PCI, "PCI   ");
	add_bus(&w, BUS_ISA, "ISA   ");
	add_ioapic(&w);
	add_isa_lines(&w);
	add_pci_lines(&w);
	add_int(&w, ENTRY_LOCAL_INT, INT_EXTINT, INT_FLAGS_BUS, BUS_ISA, 0, ALL_LAPICS, 0);
	add_int(&w, ENTRY_LOCAL_INT, INT_NMI, INT_FLAGS_BUS, BUS_ISA, 0, ALL_LAPICS, 1);
	finish(t, &w);
	memset(pointer, 0, POINTER_BYTES);
	memcpy(pointer, "_MP_", 4);
	put_le32(pointer + 4, GUEST_MPTABLE + POINTER_BYTES);
	pointer[8] = 1;		/* in units of 16 bytes */
	pointer[9] = 4;
	pointer[10] = acpi_checksum(pointer, POINTER_BYTES);
}
