// SPDX-License-Identifier: GPL-2.0-only
/* What a BIOS leaves in memory: ACPI, SMBIOS and MP tables, vectors, data. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "acpi.h"
#include "bios.h"
#include "fw_cfg.h"
#include "ktap.h"
#include "mptable.h"
#include "smbios.h"

static struct memory mem;

static void setup(__u64 bytes)
{
	CHECK(memory_init(&mem, bytes) == 0);
}

static const __u8 *table_at(__u64 gpa)
{
	const __u8 *t = mem.host + gpa;

	CHECK(gpa >= GUEST_ACPI && gpa + get_le32(t + 4) <= GUEST_ACPI_END);
	CHECK(acpi_checksum(t, get_le32(t + 4)) == 0);
	return t;
}

/* The table of that signature, found as a kernel finds it. */
static const __u8 *find(__u64 rsdp, const char *signature)
{
	const __u8 *xsdt = table_at(get_le64(mem.host + rsdp + 24));
	__u32 i;

	for (i = 36; i < get_le32(xsdt + 4); i += 8) {
		const __u8 *t = table_at(get_le64(xsdt + i));

		if (!memcmp(t, signature, 4))
			return t;
	}
	CHECK(!"table not found");
	return xsdt;
}

static void acpi_pointers(void)
{
	const __u8 *rsdp, *rsdt, *xsdt, *fadt, *facs;
	__u64 gpa;
	__u32 i;

	setup(MIB(16));
	gpa = acpi_build(&mem, 3, 40);
	CHECK(gpa >= 0xe0000 && gpa < 0x100000 && !(gpa & 15));
	rsdp = mem.host + gpa;
	CHECK(!memcmp(rsdp, "RSD PTR ", 8) && rsdp[15] == 2);
	CHECK(acpi_checksum(rsdp, 20) == 0 && acpi_checksum(rsdp, 36) == 0);
	rsdt = table_at(get_le32(rsdp + 16));
	xsdt = table_at(get_le64(rsdp + 24));
	CHECK(!memcmp(rsdt, "RSDT", 4) && !memcmp(xsdt, "XSDT", 4));
	CHECK(get_le32(rsdt + 4) - 36 == (get_le32(xsdt + 4) - 36) / 2);
	for (i = 0; i < (get_le32(rsdt + 4) - 36) / 4; i++)
		CHECK(get_le32(rsdt + 36 + i * 4) == get_le64(xsdt + 36 + i * 8));
	fadt = find(gpa, "FACP");
	CHECK(!memcmp(table_at(get_le64(fadt + 140)), "DSDT", 4));
	CHECK(get_le64(fadt + 140) == get_le32(fadt + 40));
	facs = mem.host + get_le32(fadt + 36);
	CHECK(!(get_le32(fadt + 36) & 63) && !memcmp(facs, "FACS", 4));
	CHECK(get_le32(facs + 4) == 64);
	memory_destroy(&mem);
}

static void acpi_fadt(void)
{
	const __u8 *t;

	setup(MIB(16));
	t = find(acpi_build(&mem, 1, 40), "FACP");
	CHECK(get_le64(t + 120) == 0xcf9 && t[128] == 6 && (get_le32(t + 112) & BIT(10)));
	CHECK(get_le16(t + 46) == ACPI_SCI_GSI);
	CHECK(get_le32(t + 56) == get_le64(t + 152) && get_le32(t + 64) == get_le64(t + 176));
	CHECK(get_le32(t + 76) == get_le64(t + 212) && get_le32(t + 76) == ACPI_PM_TIMER);
	CHECK(!(get_le32(t + 112) & BIT(4)));	/* a power button */
	memory_destroy(&mem);
}

static void acpi_madt(void)
{
	unsigned int of_type[256] = { 0 };
	const __u8 *t, *p, *end;

	setup(MIB(16));
	t = find(acpi_build(&mem, 64, 40), "APIC");
	CHECK(get_le32(t + 36) == 0xfee00000);
	end = t + get_le32(t + 4);
	for (p = t + 44; p + 2 <= end && p[1]; p += p[1]) {
		if (p[0] == 0)
			CHECK(p[2] == of_type[0] && p[3] == of_type[0] && p[4] == 1);
		if (p[0] == 1)
			CHECK(get_le32(p + 4) == 0xfec00000 && get_le32(p + 8) == 0);
		if (p[0] == 2 && p[3] == 0)
			CHECK(get_le32(p + 4) == 2);
		if (p[0] == 2 && p[3] == ACPI_SCI_GSI)
			CHECK((get_le16(p + 8) & 0xc) == 0xc);
		of_type[p[0]]++;
	}
	CHECK(p == end && of_type[0] == 64 && of_type[1] == 1 && of_type[4] == 1);
	CHECK(of_type[2] == 2 + PCI_INTX_LINES);
	memory_destroy(&mem);
}

static void acpi_hpet_and_mcfg(void)
{
	const __u8 *t;
	__u64 rsdp;

	setup(MIB(16));
	rsdp = acpi_build(&mem, 1, 40);
	t = find(rsdp, "HPET");
	CHECK(get_le64(t + 44) == HPET_BASE && t[40] == 0);
	t = find(rsdp, "MCFG");
	CHECK(get_le64(t + 44) == PCI_ECAM_BASE && t[54] == 0 && t[55] == PCI_BUSES - 1);
	memory_destroy(&mem);
}

/* The value of Name (@name, QWord) in the DSDT. */
static __u64 dsdt_qword(const char *name, unsigned int phys_bits)
{
	const __u8 *fadt = find(acpi_build(&mem, 1, phys_bits), "FACP");
	const __u8 *dsdt = table_at(get_le64(fadt + 140));
	__u32 i;

	for (i = 36; i + 14 <= get_le32(dsdt + 4); i++)
		if (dsdt[i] == 8 && !memcmp(dsdt + i + 1, name, 4) && dsdt[i + 5] == 0xe)
			return get_le64(dsdt + i + 6);
	CHECK(!"name not found");
	return 0;
}

static void acpi_high_window(void)
{
	setup(GIB(4));
	CHECK(dsdt_qword("M64B", 40) == layout_mmio64(GIB(4)));
	CHECK(dsdt_qword("M64L", 40) == PCI_MMIO64_BYTES);
	CHECK(dsdt_qword("M64L", 36) == 0);
	memory_destroy(&mem);
}

static void write_table(const char *path, const __u8 *t)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(t, get_le32(t + 4), 1, f) == 1 && !fclose(f));
}

/* ACPICA itself finds nothing wrong. */
static void acpi_disassembles(void)
{
	static const char *const names[] = { "FACP", "APIC", "HPET", "MCFG" };
	char dir[] = "/tmp/lodge-acpi-XXXXXX", path[64], command[256];
	const __u8 *fadt;
	unsigned int i;
	__u64 rsdp;

	if (system("iasl -v >/dev/null 2>&1"))
		return;		/* not there: nothing to compare with */
	setup(MIB(16));
	rsdp = acpi_build(&mem, 3, 40);
	CHECK(mkdtemp(dir));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s.dat", dir, names[i]);
		write_table(path, find(rsdp, names[i]));
	}
	fadt = find(rsdp, "FACP");
	snprintf(path, sizeof(path), "%s/DSDT.dat", dir);
	write_table(path, table_at(get_le64(fadt + 140)));
	snprintf(command, sizeof(command), "cd %s && iasl -d *.dat >log 2>&1 && test -e DSDT.dsl",
		 dir);
	CHECK(system(command) == 0);
	snprintf(command, sizeof(command), "cd %s && ! grep -iE '%s' log *.dsl", dir,
		 "error:|warning:|invalid|incorrect|unknown");
	CHECK(system(command) == 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK(system(command) == 0);
	memory_destroy(&mem);
}

static void smbios_structures(void)
{
	unsigned int of_type[256] = { 0 };
	const __u8 *entry, *p, *end;

	setup(GIB(4));
	smbios_build(&mem, 64);
	entry = mem.host + GUEST_SMBIOS;
	CHECK(!memcmp(entry, "_SM3_", 5) && acpi_checksum(entry, entry[6]) == 0);
	p = mem.host + get_le64(entry + 16);
	end = p + get_le32(entry + 12);
	CHECK(end <= mem.host + GUEST_SMBIOS_END);
	while (p < end) {
		of_type[p[0]]++;
		for (p += p[1]; p[0] || p[1]; p++)
			;
		p += 2;
	}
	CHECK(p == end && of_type[0] == 1 && of_type[1] == 1 && of_type[3] == 1);
	CHECK(of_type[4] == 64 && of_type[16] == 1 && of_type[17] == 1);
	CHECK(of_type[19] == 2 && of_type[32] == 1 && of_type[127] == 1);
	memory_destroy(&mem);
}

static void mp_table(void)
{
	static const __u8 bytes[] = { 20, 8, 8, 8, 8 };
	unsigned int of_type[5] = { 0 }, i, entries;
	const __u8 *pointer, *t, *p;

	setup(MIB(16));
	mptable_build(&mem, 64);
	pointer = mem.host + GUEST_MPTABLE;
	CHECK(!memcmp(pointer, "_MP_", 4) && acpi_checksum(pointer, 16) == 0);
	t = mem.host + get_le32(pointer + 4);
	CHECK(!memcmp(t, "PCMP", 4) && acpi_checksum(t, get_le16(t + 4)) == 0);
	CHECK(t + get_le16(t + 4) <= mem.host + GUEST_BIOS);
	entries = get_le16(t + 34);
	for (p = t + 44, i = 0; i < entries && p[0] < 5; i++) {
		of_type[p[0]]++;
		p += bytes[p[0]];
	}
	CHECK(p == t + get_le16(t + 4));
	CHECK(of_type[0] == 64 && of_type[1] == 2 && of_type[2] == 1 && of_type[4] == 2);
	CHECK(of_type[3] == 16 - 1 - PCI_INTX_LINES + PCI_SLOTS * 4);
	memory_destroy(&mem);
}

static __u64 vector(unsigned int n)
{
	return (__u64)get_le16(mem.host + n * 4 + 2) * 16 + get_le16(mem.host + n * 4);
}

static void vectors_and_data(void)
{
	unsigned int i;

	setup(MIB(16));
	bios_place(&mem);
	for (i = 0; i < 256; i++)
		CHECK(vector(i) >= GUEST_BIOS && vector(i) < GUEST_KERNEL);
	CHECK(mem.host[vector(0)] == 0xcf);		/* IRET */
	CHECK(vector(8) != vector(0) && vector(8) != vector(9) && vector(0x70) == vector(0x77));
	CHECK(get_le16(mem.host + 0x400) == 0x3f8 && get_le16(mem.host + 0x413) == 639);
	CHECK(get_le16(mem.host + 0x40e) == GUEST_EBDA >> 4 && mem.host[GUEST_EBDA] == 1);
	CHECK(mem.host[0xffff0] == 0xe9 || mem.host[0xffff0] == 0xeb);	/* JMP */
	CHECK(mem.host[0xffffe] == 0xfc);
	memory_destroy(&mem);
}

static __u64 read_key(struct fw_cfg *c, __u16 key, unsigned int bytes)
{
	__u64 v = 0;
	unsigned int i;

	fw_cfg_ops.write(c, 0, 2, key);
	for (i = 0; i < bytes; i++)
		v |= fw_cfg_ops.read(c, 1, 1) << i * 8;
	return v;
}

static void firmware_config(void)
{
	struct fw_cfg c;
	unsigned int i;

	setup(GIB(4));
	fw_cfg_init(&c, &mem, 64);
	CHECK(fw_cfg_ops.read(&c, 1, 1) == 0);
	CHECK(read_key(&c, 0, 4) == 0x554d4551 && read_key(&c, 1, 4) == 1);
	CHECK(read_key(&c, 3, 8) == GIB(4) && read_key(&c, 5, 2) == 64);
	CHECK(read_key(&c, 0x19, 4) == 0x01000000);
	CHECK(read_key(&c, 0x20, 8) == 0 && read_key(&c, 0x4242, 8) == 0);
	/* For ever, the end of an item is not the end of its buffer. */
	read_key(&c, 0x19, 8);
	for (i = 0; i < 100000; i++)
		fw_cfg_ops.read(&c, 1, 1);
	CHECK(fw_cfg_ops.read(&c, 1, 1) == 0);
	fw_cfg_ops.write(&c, 1, 1, 5);
	CHECK(fw_cfg_ops.read(&c, 0, 2) == ~0ull);
	memory_destroy(&mem);
}

static const struct test tests[] = {
	{ "acpi: pointers and checksums", acpi_pointers },
	{ "acpi: FADT", acpi_fadt },
	{ "acpi: MADT of 64 CPUs", acpi_madt },
	{ "acpi: HPET and MCFG", acpi_hpet_and_mcfg },
	{ "acpi: PCI's window above RAM", acpi_high_window },
	{ "acpi: every table disassembles", acpi_disassembles },
	{ "smbios: structures", smbios_structures },
	{ "mp table: entries", mp_table },
	{ "real-mode vectors and BIOS data", vectors_and_data },
	{ "fw_cfg: items", firmware_config },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
