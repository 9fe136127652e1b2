// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two entry formats of second-level page tables: EPT (SDM 29.3.2) and
 * nested paging (APM 15.25), which is ordinary x86 paging.
 *
 * Leaves are born accessed, and dirty when writable: the host page was marked
 * so in the same moment, and hardware is spared a locked update of the entry.
 */
#include <linux/bits.h>
#include <linux/pgtable.h>

#include "ept.h"

#define ADDRESS		GENMASK_ULL(51, 12)
#define LARGE		BIT_ULL(7)	/* in both formats */

#define EPT_READ	BIT_ULL(0)
#define EPT_WRITE	BIT_ULL(1)
#define EPT_EXEC	BIT_ULL(2)
#define EPT_WB		(6ull << 3)
/*
 * All of it is ordinary memory that the host maps write-back; a guest's PAT
 * must not create an uncached alias.
 */
#define EPT_IGNORE_PAT	BIT_ULL(6)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)

#define NPT_PRESENT	BIT_ULL(0)
#define NPT_WRITE	BIT_ULL(1)
#define NPT_USER	BIT_ULL(2)	/* guest accesses count as user's, APM 15.25.5 */
#define NPT_ACCESSED	BIT_ULL(5)
#define NPT_DIRTY	BIT_ULL(6)
#define NPT_NX		BIT_ULL(63)

static u64 large_bit(int level)
{
	return level > 1 ? LARGE : 0;
}

static u64 ept_leaf(u64 pfn, int level, u32 access)
{
	u64 entry = pfn << PAGE_SHIFT;

	/* Write without read is a misconfiguration: read is always there. */
	entry |= EPT_READ | EPT_WB | EPT_IGNORE_PAT | EPT_ACCESSED;
	entry |= large_bit(level);
	if (access & LODGE_ACCESS_WRITE)
		entry |= EPT_WRITE | EPT_DIRTY;
	if (access & LODGE_ACCESS_EXEC)
		entry |= EPT_EXEC;
	return entry;
}

static u64 ept_table(u64 hpa)
{
	return hpa | EPT_READ | EPT_WRITE | EPT_EXEC | EPT_ACCESSED;
}

static bool ept_present(u64 entry)
{
	return entry & (EPT_READ | EPT_WRITE | EPT_EXEC);
}

static bool ept_is_leaf(u64 entry, int level)
{
	return ept_present(entry) && (level == 1 || (entry & LARGE));
}

static bool ept_writable(u64 entry)
{
	return entry & EPT_WRITE;
}

static bool ept_executable(u64 entry)
{
	return entry & EPT_EXEC;
}

static u64 ept_pfn(u64 entry, int level)
{
	return (entry & ADDRESS) >> PAGE_SHIFT;
}

static bool ept_accessed(u64 entry)
{
	return entry & EPT_ACCESSED;
}

static bool ept_dirty(u64 entry)
{
	return entry & EPT_DIRTY;
}

static u64 ept_age(u64 entry)
{
	return entry & ~EPT_ACCESSED;
}

static int ept_levels(void)
{
	return 4;
}

const struct lodge_pt_format lodge_ept_format = {
	.leaf = ept_leaf,
	.table = ept_table,
	.present = ept_present,
	.is_leaf = ept_is_leaf,
	.writable = ept_writable,
	.executable = ept_executable,
	.pfn = ept_pfn,
	.accessed = ept_accessed,
	.dirty = ept_dirty,
	.age = ept_age,
	.levels = ept_levels,
};

/* PWT, PCD and PAT stay 0: the host's PAT entry 0, write-back (APM 15.25.8). */
static u64 npt_leaf(u64 pfn, int level, u32 access)
{
	u64 entry = pfn << PAGE_SHIFT;

	entry |= _PAGE_ENC | NPT_PRESENT | NPT_USER | NPT_ACCESSED;
	entry |= large_bit(level);
	if (access & LODGE_ACCESS_WRITE)
		entry |= NPT_WRITE | NPT_DIRTY;
	if (!(access & LODGE_ACCESS_EXEC))
		entry |= NPT_NX;
	return entry;
}

static u64 npt_table(u64 hpa)
{
	return hpa | _PAGE_ENC | NPT_PRESENT | NPT_WRITE | NPT_USER |
	       NPT_ACCESSED;
}

static bool npt_present(u64 entry)
{
	return entry & NPT_PRESENT;
}

static bool npt_is_leaf(u64 entry, int level)
{
	return npt_present(entry) && (level == 1 || (entry & LARGE));
}

static bool npt_writable(u64 entry)
{
	return entry & NPT_WRITE;
}

static bool npt_executable(u64 entry)
{
	return !(entry & NPT_NX);
}

static u64 npt_pfn(u64 entry, int level)
{
	return (entry & ADDRESS & ~_PAGE_ENC) >> PAGE_SHIFT;
}

static bool npt_accessed(u64 entry)
{
	return entry & NPT_ACCESSED;
}

static bool npt_dirty(u64 entry)
{
	return entry & NPT_DIRTY;
}

static u64 npt_age(u64 entry)
{
	return entry & ~NPT_ACCESSED;
}

/* Nested tables have as many levels as the host's own (APM 15.25.3). */
static int npt_levels(void)
{
	return pgtable_l5_enabled() ? 5 : 4;
}

const struct lodge_pt_format lodge_npt_format = {
	.leaf = npt_leaf,
	.table = npt_table,
	.present = npt_present,
	.is_leaf = npt_is_leaf,
	.writable = npt_writable,
	.executable = npt_executable,
	.pfn = npt_pfn,
	.accessed = npt_accessed,
	.dirty = npt_dirty,
	.age = npt_age,
	.levels = npt_levels,
};

u32 lodge_mmu_phys_bits(const struct lodge_pt_format *format)
{
	u32 mapped = PAGE_SHIFT + 9 * format->levels();

	return min_t(u32, boot_cpu_data.x86_phys_bits, mapped);
}
