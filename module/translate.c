// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest addresses: segmentation (SDM volume 3, chapter 3 and 5.3) and paging
 * (chapter 4).
 */
#include <asm/msr-index.h>

#include "translate.h"

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)

#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RESERVED	BIT(3)
#define PF_FETCH	BIT(4)
#define PF_PKEY		BIT(5)

#define CHECKED		(LODGE_ACCESS_READ | LODGE_ACCESS_WRITE | LODGE_ACCESS_EXEC)

/* How often a walk starts again because the guest changed an entry. */
#define MAX_RETRIES	8

/* Bits low to high, both included. */
static u64 bits(unsigned int high, unsigned int low)
{
	return low > high ? 0 : (~0ull >> (63 - high)) & (~0ull << low);
}

/* One walk in progress. */
struct walker {
	const struct lodge_paging *paging;
	u64 gva;
	u32 access;
	bool pae;		/* 8-byte entries */
	bool long_mode;
	int level;		/* of the entry at hand; 1: page table */
	int top;
	u64 entry_gpa[5];	/* by level - 1 */
	u64 entry[5];
};

static u32 entry_bytes(const struct walker *w)
{
	return w->pae ? 8 : 4;
}

static unsigned int index_width(const struct walker *w)
{
	return w->pae ? 9 : 10;
}

static unsigned int level_shift(const struct walker *w)
{
	return 12 + (w->level - 1) * index_width(w);
}

static u64 address_bits(const struct walker *w)
{
	return w->pae ? bits(w->paging->maxphyaddr - 1, 12) : bits(31, 12);
}

static bool is_leaf(const struct walker *w, u64 entry)
{
	if (w->level == 1)
		return true;
	if (!(entry & PTE_PS))
		return false;
	if (!w->pae)
		return w->paging->cr4 & X86_CR4_PSE;
	return w->level == 2 || (w->level == 3 && w->long_mode);
}

/* PAE's page-directory-pointer table: four entries, without rights. */
static bool pae_pdpte(const struct walker *w)
{
	return w->pae && !w->long_mode && w->level == 3;
}

/* Reserved bits of a present entry (SDM 4.3, 4.4.2, 4.5.4). */
static u64 reserved_bits(const struct walker *w, u64 entry)
{
	unsigned int maxphy = w->paging->maxphyaddr;
	u64 mask;

	if (!w->pae) {
		if (w->level == 1 || !is_leaf(w, entry))
			return 0;
		/* PSE-36: bits 20:13 are address bits 39:32. */
		return bits(21, maxphy < 32 ? 13 : maxphy < 40 ? maxphy - 32 + 13 : 21);
	}
	mask = bits(51, maxphy);
	if (!w->long_mode)
		mask |= bits(62, 52);
	if (!(w->paging->efer & EFER_NX) || pae_pdpte(w))
		mask |= PTE_NX;
	if (pae_pdpte(w))
		return mask | bits(8, 5) | bits(2, 1);
	if (w->level >= 4)
		return mask | PTE_PS;
	if (w->level > 1 && is_leaf(w, entry))
		mask |= bits(level_shift(w) - 1, 13);
	return mask;
}

/* Fetches are told apart only where they can be forbidden. */
static int page_fault(const struct walker *w, struct lodge_walk *walk, u32 error)
{
	const struct lodge_paging *p = w->paging;

	if (w->access & LODGE_ACCESS_WRITE)
		error |= PF_WRITE;
	if (w->access & LODGE_ACCESS_USER)
		error |= PF_USER;
	if (w->access & LODGE_ACCESS_EXEC &&
	    ((w->pae && p->efer & EFER_NX) || p->cr4 & X86_CR4_SMEP))
		error |= PF_FETCH;
	walk->error = error;
	return -EFAULT;
}

/* Rights: the AND over all levels. */
static u32 entry_access(const struct walker *w, u64 entry)
{
	if (pae_pdpte(w))
		return CHECKED | LODGE_ACCESS_USER;
	return LODGE_ACCESS_READ | (entry & PTE_W ? LODGE_ACCESS_WRITE : 0) |
	       (entry & PTE_U ? LODGE_ACCESS_USER : 0) |
	       (w->pae && entry & PTE_NX ? 0 : LODGE_ACCESS_EXEC);
}

/* Access rights (SDM 4.6.1). */
static bool allowed(const struct walker *w, u32 rights)
{
	const struct lodge_paging *p = w->paging;
	bool user = w->access & LODGE_ACCESS_USER;
	bool exec = w->access & LODGE_ACCESS_EXEC;

	if (user && !(rights & LODGE_ACCESS_USER))
		return false;
	if (!user && rights & LODGE_ACCESS_USER &&
	    (exec ? p->cr4 & X86_CR4_SMEP : p->cr4 & X86_CR4_SMAP && !p->ac))
		return false;
	if (exec && !(rights & LODGE_ACCESS_EXEC))
		return false;
	return !(w->access & LODGE_ACCESS_WRITE) || rights & LODGE_ACCESS_WRITE ||
	       (!user && !(p->cr0 & X86_CR0_WP));
}

/* Protection keys guard data accesses to user pages (SDM 4.6.2). */
static bool key_allows(const struct walker *w, u32 rights, u64 leaf)
{
	const struct lodge_paging *p = w->paging;
	u32 denied = p->pkru >> (leaf >> 59 & 15) * 2;

	if (!w->long_mode || !(p->cr4 & X86_CR4_PKE) || !(rights & LODGE_ACCESS_USER) ||
	    w->access & LODGE_ACCESS_EXEC)
		return true;
	if (denied & 1)
		return false;
	if (!(w->access & LODGE_ACCESS_WRITE) || !(denied & 2))
		return true;
	return !(w->access & LODGE_ACCESS_USER) && !(p->cr0 & X86_CR0_WP);
}

static u64 leaf_gpa(const struct walker *w, u64 entry)
{
	u64 inside = bits(level_shift(w) - 1, 0);
	u64 base = entry & address_bits(w) & ~inside;

	if (!w->pae && w->level == 2)
		base |= (entry & bits(20, 13)) << 19;
	return base | (w->gva & inside);
}

/* Accessed at each level, dirty in the leaf, as the CPU's own walk would. */
static int mark_entries(const struct walker *w)
{
	const struct lodge_paging *p = w->paging;
	int level, rc;
	u64 want;

	for (level = w->top; level >= w->level; level--) {
		want = PTE_A;
		if (level == w->level && w->access & LODGE_ACCESS_WRITE)
			want |= PTE_D;
		if ((w->pae && !w->long_mode && level == 3) || (w->entry[level - 1] & want) == want)
			continue;
		rc = p->mark(p->ctx, w->entry_gpa[level - 1], w->entry[level - 1], want,
			     entry_bytes(w));
		if (rc)
			return rc;
	}
	return 0;
}

/* Read and check the entry at w->level; *table is its table, then what it names. */
static int step_down(struct walker *w, u64 *table, struct lodge_walk *walk)
{
	u64 index = w->gva >> level_shift(w) & ((1u << index_width(w)) - 1);
	u64 gpa = *table + index * entry_bytes(w);
	u64 entry = 0;
	int rc;

	rc = w->paging->read(w->paging->ctx, gpa, &entry, entry_bytes(w));
	if (rc)
		return rc;
	w->entry_gpa[w->level - 1] = gpa;
	w->entry[w->level - 1] = entry;
	if (!(entry & PTE_P))
		return page_fault(w, walk, 0);
	if (entry & reserved_bits(w, entry))
		return page_fault(w, walk, PF_PRESENT | PF_RESERVED);
	walk->access &= entry_access(w, entry);
	*table = entry & address_bits(w);
	return 0;
}

static int walk_once(struct walker *w, struct lodge_walk *walk)
{
	const struct lodge_paging *p = w->paging;
	u64 table = p->cr3 & (w->long_mode ? bits(p->maxphyaddr - 1, 12) :
			      w->pae ? bits(31, 5) : bits(31, 12));
	u64 entry;
	int rc;

	walk->access = CHECKED | LODGE_ACCESS_USER;
	for (w->level = w->top; ; w->level--) {
		rc = step_down(w, &table, walk);
		if (rc)
			return rc;
		entry = w->entry[w->level - 1];
		if (is_leaf(w, entry))
			break;
	}
	walk->gpa = leaf_gpa(w, entry);
	if (!(w->access & CHECKED))
		return 0;
	if (!allowed(w, walk->access))
		return page_fault(w, walk, PF_PRESENT);
	if (!key_allows(w, walk->access, entry))
		return page_fault(w, walk, PF_PRESENT | PF_PKEY);
	return p->mark ? mark_entries(w) : 0;
}

int lodge_walk_tables(const struct lodge_paging *paging, u64 gva, u32 access,
		      struct lodge_walk *walk)
{
	struct walker w = { .paging = paging, .gva = gva, .access = access };
	int retries = MAX_RETRIES;
	int rc;

	walk->error = 0;
	if (!(paging->cr0 & X86_CR0_PG)) {
		walk->gpa = (u32)gva;
		walk->access = CHECKED | LODGE_ACCESS_USER;
		return 0;
	}
	w.long_mode = paging->efer & EFER_LMA;
	w.pae = w.long_mode || paging->cr4 & X86_CR4_PAE;
	if (w.long_mode) {
		w.top = paging->cr4 & X86_CR4_LA57 ? 5 : 4;
		if (!lodge_canonical(gva, w.top == 5))
			return -EFAULT;
	} else {
		w.top = w.pae ? 3 : 2;
		w.gva = (u32)gva;
	}
	do
		rc = walk_once(&w, walk);
	while (rc == -EAGAIN && paging->mark && --retries);
	return rc;
}

bool lodge_canonical(u64 addr, bool la57)
{
	unsigned int shift = la57 ? 7 : 16;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

/* Data that grows down: valid offsets are above the limit (SDM 5.3). */
static bool in_limit(const struct lodge_segment *s, u64 offset, u64 last)
{
	if ((s->type & 0xc) != 4)
		return last <= s->limit;
	return offset > s->limit && last <= (s->db ? 0xffffffffull : 0xffff);
}

static bool type_allows(const struct lodge_segment *s, bool write)
{
	bool second = s->type & 2;	/* code: readable, data: writable */

	if (s->unusable || !s->present || !s->s)
		return false;
	return s->type & 8 ? !write && second : !write || second;
}

int lodge_segment_linear(const struct lodge_segmode *mode, const struct lodge_segment *s,
			 int seg, u64 offset, u32 bytes, bool write, u64 *out)
{
	int vector = seg == LODGE_SS ? X86_TRAP_SS : X86_TRAP_GP;

	if (mode->code == LODGE_CODE64) {
		*out = offset + (seg == LODGE_FS || seg == LODGE_GS ? s->base : 0);
		return lodge_canonical(*out, mode->la57) &&
		       lodge_canonical(*out + bytes - 1, mode->la57) ? 0 : vector;
	}
	*out = (u32)(s->base + offset);
	if (mode->protected && !type_allows(s, write))
		return X86_TRAP_GP;
	return in_limit(s, offset, offset + bytes - 1) ? 0 : vector;
}
