// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two entry formats of second-level page tables: EPT (SDM 29.3.2) and
 * nested paging (APM 15.25), which is ordinary x86 paging.
 *
 * Leaves are born accessed, and dirty when writable: the host page was marked
 * so in the same moment, and hardware is spared a locked update of the entry.
 */
#include "table.h"

#define EPT_WB		(6ull << 3)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)

/*
 * Write without read is a misconfiguration: each leaf has read. All of it is
 * ordinary memory that the host maps write-back; bit 6 keeps the guest's PAT
 * from making an uncached alias of it.
 */
const struct lodge_pt_format lodge_ept_format = {
	.present = GENMASK_ULL(2, 0),
	.leaf = BIT_ULL(0) | EPT_WB | BIT_ULL(6) | EPT_ACCESSED,
	.table = GENMASK_ULL(2, 0) | EPT_ACCESSED,
	.write = BIT_ULL(1),
	.exec = BIT_ULL(2),
	.accessed = EPT_ACCESSED,
	.dirty = EPT_DIRTY,
};

/*
 * Guest accesses count as user's (APM 15.25.5). PWT, PCD and PAT stay 0: the
 * host's PAT entry 0, write-back (APM 15.25.8).
 */
const struct lodge_pt_format lodge_npt_format = {
	.present = _PAGE_PRESENT,
	.leaf = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED | _PAGE_NX,
	.table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED,
	.write = _PAGE_RW,
	.exec = _PAGE_NX,
	.accessed = _PAGE_ACCESSED,
	.dirty = _PAGE_DIRTY,
	.as_host = true,
};

u32 lodge_mmu_phys_bits(const struct lodge_pt_format *format)
{
	return min_t(u32, boot_cpu_data.x86_phys_bits, PAGE_SHIFT + 9 * lodge_pt_levels(format));
}
