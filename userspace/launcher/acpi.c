// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables of the guest (ACPI specification 6.4, chapter 5).
 *
 * Real (not hardware-reduced) ACPI, always in ACPI mode: a guest powers off
 * through PM1a control and resets through the reset register.
 */
#include <assert.h>

#include "acpi.h"
#include "dsdt.h"
#include "hpet.h"
#include "hpet.h"

#define HEADER_BYTES	36
#define RSDP_BYTES	36
#define FADT_BYTES	276
#define FACS_BYTES	64
#define HPET_TABLE_BYTES	56
#define MCFG_BYTES	60

#define AML_NAME	0x08
#define AML_QWORD	0x0e

#define HPET_MIN_TICK	100

/* FADT: IA-PC boot architecture flags and fixed feature flags. */
#define BOOT_ARCH_LEGACY	BIT(0)
#define BOOT_ARCH_8042		BIT(1)
#define BOOT_ARCH_NO_VGA	BIT(2)
#define FADT_WBINVD		BIT(0)
#define FADT_PROC_C1		BIT(2)
#define FADT_NO_SLEEP_BUTTON	BIT(5)	/* while the power button is there */
#define FADT_RESET_REG		BIT(10)

#define ADDRESS_SPACE_MEMORY	0
#define ADDRESS_SPACE_IO	1

/* MADT: structure types, and interrupt flags (ACPI 5.2.12.5) */
#define MADT_LAPIC		0
#define MADT_IOAPIC		1
#define MADT_OVERRIDE		2
#define MADT_LAPIC_NMI		4
#define MADT_BUS_DEFAULT	0x0000
#define MADT_LEVEL_HIGH		0x000d
#define MADT_LEVEL_LOW		0x000f
#define MADT_ALL_CPUS		0xff

#define TABLES_MAX		8

/* dsdt.asl says the same. */
static_assert(PCI_MMIO32_BASE == 0xc0000000 && PCI_MMIO32_END == 0xe0000000, "dsdt.asl");
static_assert(PCI_ECAM_BASE == 0xe0000000 && PCI_ECAM_RESERVED == 0x10000000, "dsdt.asl");
static_assert(PCI_BUSES == 1 && PCI_SLOTS == 32, "dsdt.asl");
static_assert(PCI_INTX_GSI(0, 0) == 10 && PCI_INTX_GSI(2, 3) == 11, "dsdt.asl");

/**
 * struct builder - the tables so far
 * @next: where the next one goes
 * @table: those that RSDT and XSDT list
 * @full: something did not fit
 */
struct builder {
	const struct memory *mem;
	__u64 next;
	__u64 table[TABLES_MAX];
	unsigned int tables;
	bool full;
};

__u8 acpi_checksum(const void *table, __u64 bytes)
{
	const __u8 *p = table;
	__u8 sum = 0;

	while (bytes--)
		sum += *p++;
	return -sum;
}

/*
 * Room for a table, zeroed; aligned for FACS, which wants 64 bytes. Without
 * room, tables go over the first one: none of them will be used.
 */
static __u64 take(struct builder *b, __u64 bytes)
{
	__u64 gpa = b->next;

	if (bytes > GUEST_ACPI_END - gpa) {
		b->full = true;
		gpa = GUEST_ACPI;
	}
	b->next = align_up(gpa + bytes, 64);
	memset(b->mem->host + gpa, 0, bytes);
	return gpa;
}

static void finish(const struct builder *b, __u64 gpa, const char *signature, __u8 revision,
		   __u32 bytes)
{
	__u8 *t = b->mem->host + gpa;

	memcpy(t, signature, 4);
	put_le32(t + 4, bytes);
	t[8] = revision;
	memcpy(t + 10, "LODGE ", 6);
	memcpy(t + 16, "LODGEVM ", 8);
	put_le32(t + 24, 1);
	memcpy(t + 28, "LODG", 4);
	put_le32(t + 32, 1);
	t[9] = 0;
	t[9] = acpi_checksum(t, bytes);
}

/* Ends a table that RSDT and XSDT list. */
static void finish_listed(struct builder *b, __u64 gpa, const char *signature, __u8 revision,
			  __u32 bytes)
{
	finish(b, gpa, signature, revision, bytes);
	b->table[b->tables++] = gpa;
}

/* Gives Name (@name, ...) in the DSDT, a QWord constant there, its value. */
static void patch_qword(__u8 *aml, __u64 bytes, const char *name, __u64 value)
{
	__u64 i;

	for (i = HEADER_BYTES; i + 14 <= bytes; i++)
		if (aml[i] == AML_NAME && !memcmp(aml + i + 1, name, 4) &&
		    aml[i + 5] == AML_QWORD)
			put_le64(aml + i + 6, value);
}

static __u64 build_dsdt(struct builder *b, unsigned int phys_bits)
{
	__u64 gpa = take(b, sizeof(dsdt_aml_code));
	__u64 base = layout_mmio64(b->mem->bytes);
	__u8 *t = b->mem->host + gpa;

	if (base + PCI_MMIO64_BYTES > 1ull << phys_bits)
		base = 0;
	memcpy(t, dsdt_aml_code, sizeof(dsdt_aml_code));
	patch_qword(t, sizeof(dsdt_aml_code), "M64B", base);
	patch_qword(t, sizeof(dsdt_aml_code), "M64L", base ? PCI_MMIO64_BYTES : 0);
	t[9] = 0;
	t[9] = acpi_checksum(t, sizeof(dsdt_aml_code));
	return gpa;
}

/* FACS is the second table. */
__u32 acpi_waking_vector(const struct memory *m)
{
	return get_le32(m->host + align_up(GUEST_ACPI + RSDP_BYTES, 64) + 12);
}

static __u64 build_facs(struct builder *b)
{
	__u64 gpa = take(b, FACS_BYTES);
	__u8 *t = b->mem->host + gpa;

	memcpy(t, "FACS", 4);
	put_le32(t + 4, FACS_BYTES);
	t[32] = 2;
	return gpa;
}

/* Generic address structure (ACPI 5.2.3.2) of @bits at a port. */
static void put_port(__u8 *gas, __u8 bits, __u16 port)
{
	gas[0] = ADDRESS_SPACE_IO;
	gas[1] = bits;
	gas[3] = bits == 32 ? 3 : bits / 8;
	put_le64(gas + 4, port);
}

static void build_fadt(struct builder *b, __u64 facs, __u64 dsdt)
{
	__u64 gpa = take(b, FADT_BYTES);
	__u8 *t = b->mem->host + gpa;

	put_le32(t + 36, facs);
	put_le32(t + 40, dsdt);
	put_le16(t + 46, ACPI_SCI_GSI);
	put_le32(t + 56, ACPI_PM1_EVENT);
	put_le32(t + 64, ACPI_PM1_CONTROL);
	put_le32(t + 76, ACPI_PM_TIMER);
	t[88] = 4;		/* PM1 event */
	t[89] = 2;		/* PM1 control */
	t[91] = 4;		/* PM timer */
	put_le16(t + 96, 0xfff);	/* no C2 */
	put_le16(t + 98, 0xfff);	/* no C3 */
	t[108] = 0x32;		/* century in CMOS */
	put_le16(t + 109, BOOT_ARCH_LEGACY | BOOT_ARCH_8042 | BOOT_ARCH_NO_VGA);
	put_le32(t + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_RESET_REG);
	put_port(t + 116, 8, ACPI_RESET_PORT);
	t[128] = ACPI_RESET_VALUE;
	t[131] = 4;		/* minor version */
	put_le64(t + 140, dsdt);
	put_port(t + 148, 32, ACPI_PM1_EVENT);
	put_port(t + 172, 16, ACPI_PM1_CONTROL);
	put_port(t + 208, 32, ACPI_PM_TIMER);
	finish_listed(b, gpa, "FACP", 6, FADT_BYTES);
}

static __u8 *madt_override(__u8 *p, __u8 irq, __u32 gsi, __u16 flags)
{
	p[0] = MADT_OVERRIDE;
	p[1] = 10;
	p[3] = irq;
	put_le32(p + 4, gsi);
	put_le16(p + 8, flags);
	return p + 10;
}

/* All APIC ids are below 255, so there are no x2APIC structures (ACPI 5.2.12.12). */
static void build_madt(struct builder *b, unsigned int cpus)
{
	__u32 bytes = HEADER_BYTES + 8 + cpus * 8 + 12 + (2 + PCI_INTX_LINES) * 10 + 6;
	__u64 gpa = take(b, bytes);
	__u8 *t = b->mem->host + gpa, *p = t + HEADER_BYTES + 8;
	unsigned int i;

	put_le32(t + 36, ACPI_LAPIC_ADDR);
	put_le32(t + 40, 1);	/* there is a PIC pair too */
	for (i = 0; i < cpus; i++, p += 8) {
		p[0] = MADT_LAPIC;
		p[1] = 8;
		p[2] = i;
		p[3] = i;
		put_le32(p + 4, 1);
	}
	p[0] = MADT_IOAPIC;
	p[1] = 12;
	p[2] = 0;
	put_le32(p + 4, ACPI_IOAPIC_ADDR);
	p += 12;
	p = madt_override(p, 0, 2, MADT_BUS_DEFAULT);
	p = madt_override(p, ACPI_SCI_GSI, ACPI_SCI_GSI, MADT_LEVEL_HIGH);
	for (i = 0; i < PCI_INTX_LINES; i++)
		p = madt_override(p, PCI_INTX_GSI(i, 0), PCI_INTX_GSI(i, 0), MADT_LEVEL_LOW);
	p[0] = MADT_LAPIC_NMI;
	p[1] = 6;
	p[2] = MADT_ALL_CPUS;
	p[5] = 1;		/* LINT1 */
	finish_listed(b, gpa, "APIC", 5, bytes);
}

static void build_hpet(struct builder *b)
{
	__u64 gpa = take(b, HPET_TABLE_BYTES);
	__u8 *t = b->mem->host + gpa;

	put_le32(t + 36, HPET_ID);
	t[40] = ADDRESS_SPACE_MEMORY;
	put_le64(t + 44, HPET_BASE);
	put_le16(t + 53, HPET_MIN_TICK);
	finish_listed(b, gpa, "HPET", 1, HPET_TABLE_BYTES);
}

static void build_mcfg(struct builder *b)
{
	__u64 gpa = take(b, MCFG_BYTES);
	__u8 *t = b->mem->host + gpa;

	put_le64(t + 44, PCI_ECAM_BASE);
	t[55] = PCI_BUSES - 1;
	finish_listed(b, gpa, "MCFG", 1, MCFG_BYTES);
}

/* The list of tables, by addresses of 4 bytes (RSDT) or 8 (XSDT). */
static __u64 build_list(struct builder *b, const char *signature, unsigned int width)
{
	__u32 bytes = HEADER_BYTES + b->tables * width;
	__u64 gpa = take(b, bytes);
	unsigned int i;

	for (i = 0; i < b->tables; i++)
		memcpy(b->mem->host + gpa + HEADER_BYTES + i * width, &b->table[i], width);
	finish(b, gpa, signature, 1, bytes);
	return gpa;
}

static void build_rsdp(const struct builder *b, __u64 gpa, __u64 rsdt, __u64 xsdt)
{
	__u8 *t = b->mem->host + gpa;

	memcpy(t, "RSD PTR ", 8);
	memcpy(t + 9, "LODGE ", 6);
	t[15] = 2;
	put_le32(t + 16, rsdt);
	put_le32(t + 20, RSDP_BYTES);
	put_le64(t + 24, xsdt);
	t[8] = acpi_checksum(t, 20);
	t[32] = acpi_checksum(t, RSDP_BYTES);
}

__u64 acpi_build(const struct memory *m, unsigned int cpus, unsigned int phys_bits)
{
	struct builder b = { .mem = m, .next = GUEST_ACPI };
	__u64 rsdp, facs, dsdt, rsdt, xsdt;

	if (m->low < GUEST_KERNEL)
		return 0;
	rsdp = take(&b, RSDP_BYTES);
	facs = build_facs(&b);
	dsdt = build_dsdt(&b, phys_bits);
	build_fadt(&b, facs, dsdt);
	build_madt(&b, cpus);
	build_hpet(&b);
	build_mcfg(&b);
	rsdt = build_list(&b, "RSDT", 4);
	xsdt = build_list(&b, "XSDT", 8);
	build_rsdp(&b, rsdp, rsdt, xsdt);
	return b.full ? 0 : rsdp;
}
