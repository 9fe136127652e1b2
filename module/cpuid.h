/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID as pure functions over a description of the host.
 */
#ifndef LODGE_CPUID_H
#define LODGE_CPUID_H

#include "../uapi/lodge.h"

struct lodge_cpuid_table;

enum lodge_cpuid_reg { LODGE_EAX, LODGE_EBX, LODGE_ECX, LODGE_EDX };

/**
 * struct lodge_cpuid_host - what the supported table is made from
 * @read: CPUID of the host, less what its kernel turned off
 * @xcr0: XCR0 bits a guest may have
 * @phys_bits: guest physical address width
 * @stable_tsc: the TSC neither stops nor changes its rate
 */
struct lodge_cpuid_host {
	void (*read)(u32 leaf, u32 subleaf, u32 regs[4]);
	u64 xcr0;
	u8 phys_bits;
	bool stable_tsc;
};

/* The number of entries, or -ENOSPC. */
int lodge_cpuid_build(const struct lodge_cpuid_host *host,
		      struct lodge_cpuid_entry *entries, u32 room);
/* 0, or -EINVAL; sorts @table. */
int lodge_cpuid_prepare(struct lodge_cpuid_table *table);
const struct lodge_cpuid_entry *
lodge_cpuid_lookup(const struct lodge_cpuid_table *table, u32 leaf, u32 subleaf);
/* As lookup, and what a CPU answers outside its ranges. */
const struct lodge_cpuid_entry *
lodge_cpuid_resolve(const struct lodge_cpuid_table *table, u32 leaf, u32 subleaf);
u32 lodge_xsave_size(const struct lodge_cpuid_table *table, u64 xcr0, bool compact);
u64 lodge_cr4_reserved(const u32 *features);

#endif /* LODGE_CPUID_H */
