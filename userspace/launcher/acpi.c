// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables of the guest (ACPI specification 6.4, chapter 5).
 *
 * Real (not hardware-reduced) ACPI, always in ACPI mode: a guest powers off
 * through PM1a control and resets through the reset register.
 */
#include "acpi.h"
#include "dsdt.h"

#define HEADER_BYTES	36
#define RSDP_BYTES	36
#define FADT_BYTES	276
#define FACS_BYTES	64

/* FADT: IA-PC boot architecture flags and fixed feature flags. */
#define BOOT_ARCH_LEGACY	BIT(0)
#define BOOT_ARCH_NO_VGA	BIT(2)
#define FADT_WBINVD		BIT(0)
#define FADT_PROC_C1		BIT(2)
#define FADT_NO_POWER_BUTTON	BIT(4)
#define FADT_NO_SLEEP_BUTTON	BIT(5)
#define FADT_RESET_REG		BIT(10)

#define ADDRESS_SPACE_IO	1

/* Where the next table goes. */
struct builder {
	const struct memory *mem;
	__u64 next;
};

__u8 acpi_checksum(const void *table, __u64 bytes)
{
	const __u8 *p = table;
	__u8 sum = 0;

	while (bytes--)
		sum += *p++;
	return -sum;
}

/* Room for a table, zeroed; aligned for FACS, which wants 64 bytes. */
static __u64 take(struct builder *b, __u64 bytes)
{
	__u64 gpa = b->next;

	if (bytes > GUEST_ACPI_END - gpa)
		return 0;
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

static __u64 build_dsdt(struct builder *b)
{
	__u64 gpa = take(b, sizeof(dsdt_aml_code));

	if (gpa)
		memcpy(b->mem->host + gpa, dsdt_aml_code, sizeof(dsdt_aml_code));
	return gpa;
}

static __u64 build_facs(struct builder *b)
{
	__u64 gpa = take(b, FACS_BYTES);

	if (gpa) {
		memcpy(b->mem->host + gpa, "FACS", 4);
		put_le32(b->mem->host + gpa + 4, FACS_BYTES);
		b->mem->host[gpa + 32] = 2;
	}
	return gpa;
}

/* Generic address structure of an I/O port (ACPI 5.2.3.2). */
static void put_port(__u8 *gas, __u8 bits, __u16 port)
{
	gas[0] = ADDRESS_SPACE_IO;
	gas[1] = bits;
	gas[3] = bits == 32 ? 3 : bits / 8;
	put_le64(gas + 4, port);
}

static __u64 build_fadt(struct builder *b, __u64 facs, __u64 dsdt)
{
	__u64 gpa = take(b, FADT_BYTES);
	__u8 *t = b->mem->host + gpa;

	if (!gpa || !facs || !dsdt)
		return 0;
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
	put_le16(t + 109, BOOT_ARCH_LEGACY | BOOT_ARCH_NO_VGA);
	put_le32(t + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON |
		 FADT_NO_SLEEP_BUTTON | FADT_RESET_REG);
	put_port(t + 116, 8, ACPI_RESET_PORT);
	t[128] = ACPI_RESET_VALUE;
	t[131] = 4;		/* minor version */
	put_le64(t + 140, dsdt);
	put_port(t + 148, 32, ACPI_PM1_EVENT);
	put_port(t + 172, 16, ACPI_PM1_CONTROL);
	put_port(t + 208, 32, ACPI_PM_TIMER);
	finish(b, gpa, "FACP", 6, FADT_BYTES);
	return gpa;
}

static __u8 *madt_override(__u8 *p, __u8 irq, __u32 gsi, __u16 flags)
{
	p[0] = 2;
	p[1] = 10;
	p[3] = irq;
	put_le32(p + 4, gsi);
	put_le16(p + 8, flags);
	return p + 10;
}

static __u64 build_madt(struct builder *b, unsigned int cpus)
{
	__u32 bytes = HEADER_BYTES + 8 + cpus * 8 + 12 + 2 * 10 + 6;
	__u64 gpa = take(b, bytes);
	__u8 *t = b->mem->host + gpa, *p = t + HEADER_BYTES + 8;
	unsigned int i;

	if (!gpa)
		return 0;
	put_le32(t + 36, ACPI_LAPIC_ADDR);
	put_le32(t + 40, 1);	/* there is a PIC pair too */
	for (i = 0; i < cpus; i++, p += 8) {
		p[1] = 8;
		p[2] = i;
		p[3] = i;
		put_le32(p + 4, 1);
	}
	p[0] = 1;		/* I/O APIC */
	p[1] = 12;
	p[2] = 0;
	put_le32(p + 4, ACPI_IOAPIC_ADDR);
	p += 12;
	p = madt_override(p, 0, 2, 0);
	p = madt_override(p, ACPI_SCI_GSI, ACPI_SCI_GSI, 0x000d);	/* level, high */
	p[0] = 4;		/* NMI at LINT1 of every CPU */
	p[1] = 6;
	p[2] = 0xff;
	p[5] = 1;
	finish(b, gpa, "APIC", 5, bytes);
	return gpa;
}

static __u64 build_xsdt(struct builder *b, __u64 fadt, __u64 madt)
{
	__u32 bytes = HEADER_BYTES + 16;
	__u64 gpa = take(b, bytes);

	if (!gpa || !fadt || !madt)
		return 0;
	put_le64(b->mem->host + gpa + HEADER_BYTES, fadt);
	put_le64(b->mem->host + gpa + HEADER_BYTES + 8, madt);
	finish(b, gpa, "XSDT", 1, bytes);
	return gpa;
}

__u64 acpi_build(const struct memory *m, unsigned int cpus)
{
	struct builder b = { .mem = m, .next = GUEST_ACPI };
	__u64 gpa, facs, dsdt, xsdt;
	__u8 *rsdp;

	if (m->low < GUEST_ACPI_END)
		return 0;
	gpa = take(&b, RSDP_BYTES);
	facs = build_facs(&b);
	dsdt = build_dsdt(&b);
	xsdt = build_fadt(&b, facs, dsdt);
	xsdt = build_xsdt(&b, xsdt, build_madt(&b, cpus));
	if (!xsdt)
		return 0;
	rsdp = m->host + gpa;
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "LODGE ", 6);
	rsdp[15] = 2;
	put_le32(rsdp + 20, RSDP_BYTES);
	put_le64(rsdp + 24, xsdt);
	rsdp[8] = acpi_checksum(rsdp, 20);
	rsdp[32] = acpi_checksum(rsdp, RSDP_BYTES);
	return gpa;
}
