// SPDX-License-Identifier: GPL-2.0-only
/* CPUID: where a vCPU sits. One socket, one thread per core. */
#include "machine.h"

#define LEAF1_HTT	BIT(28)

/* Bits needed to number @cpus. */
static unsigned int id_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while ((1u << bits) < cpus)
		bits++;
	return bits;
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
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct lodge_cpuid_entry *e = &entries[i];

		switch (e->leaf) {
		case 0x1:
			e->ebx = (e->ebx & 0xffff) | (1u << id_bits(cpus)) << 16 | id << 24;
			e->edx = cpus > 1 ? e->edx | LEAF1_HTT : e->edx & ~LEAF1_HTT;
			break;
		case 0x4:
			if (e->eax & 0x1f)
				e->eax = (e->eax & 0x3fff) | ((1u << id_bits(cpus)) - 1) << 26;
			break;
		case 0xb:
			set_extended(e, id, cpus);
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
