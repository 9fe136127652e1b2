// SPDX-License-Identifier: GPL-2.0-only
/* CPUID: where a vCPU sits. One socket, one thread per core. */
#include "machine.h"

#define LEAF1_HTT	BIT(28)
#define EXT1_CMP_LEGACY	BIT(1)		/* AMD: what HTT counts are cores */
#define VENDOR_AMD	0x68747541	/* "Auth" */

/* Bits needed to number @cpus. */
static unsigned int id_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while ((1u << bits) < cpus)
		bits++;
	return bits;
}

/*
 * Who shares a cache: all of them the third level, nobody the others. Bits 14
 * to 25 of leaf 4 and of AMD's leaf 0x8000001d; 26 and up only exist in leaf 4.
 */
static void set_cache(struct lodge_cpuid_entry *e, unsigned int cpus)
{
	__u32 sharers = (e->eax >> 5 & 7) < 3 ? 1 : 1u << id_bits(cpus);

	if (e->eax & 0x1f)
		e->eax = (e->eax & 0x3fff) | (sharers - 1) << 14;
}

static void set_extended(struct lodge_cpuid_entry *e, unsigned int id, unsigned int cpus)
{
	/* Leaf 0xb, SDM volume 2, CPUID: level types 1 (thread) and 2 (core). */
	e->edx = id;
	if (e->subleaf == 0) {
		e->eax = 0;
		e->ebx = 1;
		e->ecx = 0x100;
	} else if (e->subleaf == 1) {
		e->eax = id_bits(cpus);
		e->ebx = cpus;
		e->ecx = 0x201;
	} else {
		e->eax = 0;
		e->ebx = 0;
		e->ecx = e->subleaf;
	}
}

void cpuid_set_topology(struct lodge_cpuid_entry *entries, unsigned int count, unsigned int id,
			unsigned int cpus)
{
	bool amd = false;
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct lodge_cpuid_entry *e = &entries[i];

		switch (e->leaf) {
		case 0x0:
			amd = e->ebx == VENDOR_AMD;
			break;
		case 0x1:
			e->ebx = (e->ebx & 0xffff) | (1u << id_bits(cpus)) << 16 | id << 24;
			e->edx = cpus > 1 ? e->edx | LEAF1_HTT : e->edx & ~LEAF1_HTT;
			break;
		case 0x4:
			set_cache(e, cpus);
			if (e->eax & 0x1f)
				e->eax |= ((1u << id_bits(cpus)) - 1) << 26;
			break;
		case 0x8000001d:
			set_cache(e, cpus);
			break;
		case 0xb:
		case 0x1f:
			set_extended(e, id, cpus);
			break;
		case 0x80000001:
			if (cpus > 1 && amd)
				e->ecx |= EXT1_CMP_LEGACY;
			break;
		case 0x80000008:
			e->ecx = (e->ecx & ~0xf0ffu) | (cpus - 1) | id_bits(cpus) << 12;
			break;
		case 0x8000001e:
			e->eax = id;
			e->ebx = id & 0xff;
			e->ecx = 0;
			break;
		}
	}
}
