// SPDX-License-Identifier: GPL-2.0-only
/*
 * SMBIOS (DMTF DSP0134, version 3.0): a 64-bit entry point at the beginning of
 * the F segment, where it is searched for, and the structures behind it.
 */
#include <stdio.h>

#include "acpi.h"
#include "smbios.h"

#define ENTRY_BYTES		24
#define STRUCTURES		(GUEST_SMBIOS + 0x40)

#define TYPE_BIOS		0
#define TYPE_SYSTEM		1
#define TYPE_CHASSIS		3
#define TYPE_CPU		4
#define TYPE_MEMORY_ARRAY	16
#define TYPE_MEMORY_DEVICE	17
#define TYPE_MEMORY_MAPPED	19
#define TYPE_BOOT		32
#define TYPE_END		127

#define HANDLE(type)		((type) << 8)	/* of the first of a type */
#define HANDLE_NONE		0xfffe

#define BIOS_NO_CHARACTERISTICS	BIT(3)
#define BIOS_EXT_ACPI		BIT(0)
#define BIOS_EXT_VIRTUAL	BIT(4)	/* in the second extension byte */
#define MEMORY_KIB		0x80000000u	/* in the array's capacity */
#define MEMORY_SIZE_EXTENDED	0x7fff

/**
 * struct writer - the structures so far
 * @p: where the next byte goes
 * @start: of the structure that is being written
 * @strings: how many it has
 */
struct writer {
	__u8 *p;
	__u8 *start;
	unsigned int strings;
};

/* A structure of @bytes, zeroed; its strings follow. */
static __u8 *begin(struct writer *w, __u8 type, unsigned int number, __u8 bytes)
{
	w->start = w->p;
	w->strings = 0;
	memset(w->p, 0, bytes);
	w->p[0] = type;
	w->p[1] = bytes;
	put_le16(w->p + 2, HANDLE(type) + number);
	w->p += bytes;
	return w->start;
}

/* The field at @offset names the next string. */
static void string(struct writer *w, unsigned int offset, const char *text)
{
	size_t bytes = strlen(text) + 1;

	w->start[offset] = ++w->strings;
	memcpy(w->p, text, bytes);
	w->p += bytes;
}

static void end(struct writer *w)
{
	*w->p++ = 0;
	if (!w->strings)
		*w->p++ = 0;
}

static void add_bios(struct writer *w)
{
	__u8 *s = begin(w, TYPE_BIOS, 0, 24);

	put_le16(s + 6, 0xf000);
	put_le64(s + 10, BIOS_NO_CHARACTERISTICS);
	s[18] = BIOS_EXT_ACPI;
	s[19] = BIOS_EXT_VIRTUAL;
	s[20] = 0;		/* release 0.1 */
	s[21] = 1;
	s[22] = 0xff;		/* no embedded controller */
	s[23] = 0xff;
	string(w, 4, "Lodge");
	string(w, 5, LODGE_VERSION);
	string(w, 8, "01/01/2026");
	end(w);
}

static void add_system(struct writer *w)
{
	__u8 *s = begin(w, TYPE_SYSTEM, 0, 27);

	s[24] = 6;		/* woken by the power switch */
	string(w, 4, "Lodge");
	string(w, 5, "Lodge PC");
	string(w, 6, LODGE_VERSION);
	end(w);
}

static void add_chassis(struct writer *w)
{
	__u8 *s = begin(w, TYPE_CHASSIS, 0, 22);

	s[5] = 1;		/* "other" */
	s[9] = 3;		/* boot-up, power and thermal state: safe */
	s[10] = 3;
	s[11] = 3;
	s[12] = 2;		/* security status unknown */
	string(w, 4, "Lodge");
	end(w);
}

static void add_cpu(struct writer *w, unsigned int cpu)
{
	__u8 *s = begin(w, TYPE_CPU, cpu, 48);
	char socket[16];

	snprintf(socket, sizeof(socket), "CPU %u", cpu);
	s[5] = 3;		/* central processor */
	s[6] = 1;		/* family "other" */
	s[24] = 0x41;		/* populated, enabled */
	s[25] = 1;		/* upgrade "other" */
	put_le16(s + 26, 0xffff);	/* no cache structures */
	put_le16(s + 28, 0xffff);
	put_le16(s + 30, 0xffff);
	s[35] = 1;		/* cores, enabled, threads */
	s[36] = 1;
	s[37] = 1;
	put_le16(s + 38, BIT(2));	/* 64-bit */
	put_le16(s + 40, 1);
	put_le16(s + 42, 1);
	put_le16(s + 44, 1);
	put_le16(s + 46, 1);
	string(w, 4, socket);
	string(w, 7, "Lodge");
	end(w);
}

static void add_memory_array(struct writer *w, __u64 bytes)
{
	__u8 *s = begin(w, TYPE_MEMORY_ARRAY, 0, 23);

	s[4] = 1;		/* location "other", system memory, multi-bit ECC */
	s[5] = 3;
	s[6] = 6;
	put_le32(s + 7, bytes >> 10 < MEMORY_KIB ? bytes >> 10 : MEMORY_KIB);
	put_le16(s + 11, HANDLE_NONE);
	put_le16(s + 13, 1);
	put_le64(s + 15, bytes >> 10 < MEMORY_KIB ? 0 : bytes);
	end(w);
}

static void add_memory_device(struct writer *w, __u64 bytes)
{
	__u8 *s = begin(w, TYPE_MEMORY_DEVICE, 0, 40);
	__u64 mib = bytes >> 20;

	put_le16(s + 4, HANDLE(TYPE_MEMORY_ARRAY));
	put_le16(s + 6, HANDLE_NONE);
	put_le16(s + 8, 0xffff);	/* widths unknown */
	put_le16(s + 10, 0xffff);
	put_le16(s + 12, mib < MEMORY_SIZE_EXTENDED ? mib : MEMORY_SIZE_EXTENDED);
	s[14] = 9;		/* DIMM */
	s[18] = 7;		/* RAM */
	put_le16(s + 19, BIT(1));
	put_le32(s + 28, mib < MEMORY_SIZE_EXTENDED ? 0 : mib);
	string(w, 16, "DIMM 0");
	string(w, 23, "Lodge");
	end(w);
}

static void add_memory_mapped(struct writer *w, unsigned int number, __u64 base, __u64 bytes)
{
	__u8 *s = begin(w, TYPE_MEMORY_MAPPED, number, 31);
	bool wide = (base + bytes) >> 42;

	put_le32(s + 4, wide ? 0xffffffff : base >> 10);
	put_le32(s + 8, wide ? 0xffffffff : (base + bytes - 1) >> 10);
	put_le16(s + 12, HANDLE(TYPE_MEMORY_ARRAY));
	s[14] = 1;
	put_le64(s + 15, wide ? base : 0);
	put_le64(s + 23, wide ? base + bytes - 1 : 0);
	end(w);
}

static void add_boot(struct writer *w)
{
	begin(w, TYPE_BOOT, 0, 11);	/* "no errors" is 0 */
	end(w);
}

static void build_entry(__u8 *t, __u64 bytes)
{
	memset(t, 0, ENTRY_BYTES);
	memcpy(t, "_SM3_", 5);
	t[6] = ENTRY_BYTES;
	t[7] = 3;		/* version 3.0.0 */
	t[10] = 1;		/* revision of this structure */
	put_le32(t + 12, bytes);
	put_le64(t + 16, STRUCTURES);
	t[5] = acpi_checksum(t, ENTRY_BYTES);
}

void smbios_build(const struct memory *m, unsigned int cpus)
{
	struct writer w = { .p = m->host + STRUCTURES };
	unsigned int i;

	add_bios(&w);
	add_system(&w);
	add_chassis(&w);
	for (i = 0; i < cpus; i++)
		add_cpu(&w, i);
	add_memory_array(&w, m->bytes);
	add_memory_device(&w, m->bytes);
	add_memory_mapped(&w, 0, 0, m->low);
	if (m->bytes > m->low)
		add_memory_mapped(&w, 1, MEMORY_HIGH, m->bytes - m->low);
	add_boot(&w);
	begin(&w, TYPE_END, 0, 4);
	end(&w);
	build_entry(m->host + GUEST_SMBIOS, w.p - (m->host + STRUCTURES));
}
