/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to ept/: the table walker, the notifier's count and sequence, and
 * slot arrays as pure data.
 */
#ifndef LODGE_TABLE_H
#define LODGE_TABLE_H

#include <linux/mm.h>

#include "ept.h"

/**
 * struct lodge_table - one page of entries; page->private points here
 * @lock: leaves in @entries, @detached
 * @level: 1 to 5; a leaf in a level 1 table maps 4K
 * @detached: no entry points here any more; nothing may be added
 * @entries: 512 of them
 * @rcu: walkers look at entries without a lock
 */
struct lodge_table {
	spinlock_t lock;		/* leaves, detached */
	int level;
	bool detached;
	u64 *entries;
	struct rcu_head rcu;
};

/**
 * struct lodge_mapping - leaves to be
 * @gpa: guest physical address of the fault's page
 * @hva: user address of that page
 * @pfn: host frame of that page
 * @pages: it and those that follow, to be marked dirty when writable; NULL: only @pfn
 * @count: how many, all under one level 1 table; 1 for a large leaf
 * @mapped: out: how many of them are
 * @level: largest leaf allowed; on success the level used
 * @access: LODGE_ACCESS_* the leaf allows, and LODGE_ACCESS_MAY_WRITE, LODGE_ACCESS_LOGGED
 * @seq: lodge_notifier_snapshot() from before @pfn was looked up
 */
struct lodge_mapping {
	u64 gpa;
	unsigned long hva;
	u64 pfn;
	struct page **pages;
	unsigned int count;
	unsigned int mapped;
	int level;
	u32 access;
	unsigned long seq;
};

#define LODGE_PT_ADDRESS	GENMASK_ULL(51, 12)
#define LODGE_PT_LARGE		BIT_ULL(7)	/* in both formats */
/*
 * Ours, in both: the host allows writes as long as this leaf is there, and has
 * its page marked dirty; only the log wants to know of the first.
 */
#define LODGE_PT_MAY_WRITE	BIT_ULL(11)
#define LODGE_ACCESS_MAY_WRITE	0x100u
/* Ours, too: born clean, and hardware's mark of the first write is one for the log. */
#define LODGE_PT_LOGGED		BIT_ULL(52)
#define LODGE_ACCESS_LOGGED	0x200u

static inline int lodge_pt_levels(const struct lodge_pt_format *f)
{
	return f->as_host && pgtable_l5_enabled() ? 5 : 4;
}

/* _PAGE_ENC is the host's own memory encryption, and 0 where there is none. */
static inline u64 lodge_pt_leaf(const struct lodge_pt_format *f, u64 pfn, int level, u32 access)
{
	u64 entry = pfn << PAGE_SHIFT | _PAGE_ENC | f->leaf | (level > 1 ? LODGE_PT_LARGE : 0);

	if (access & LODGE_ACCESS_WRITE)
		entry |= f->write | f->dirty;
	if (access & (LODGE_ACCESS_WRITE | LODGE_ACCESS_MAY_WRITE))
		entry |= LODGE_PT_MAY_WRITE;
	if (access & LODGE_ACCESS_LOGGED)
		entry = (entry & ~f->dirty) | LODGE_PT_LOGGED;
	return access & LODGE_ACCESS_EXEC ? entry ^ f->exec : entry;
}

static inline u64 lodge_pt_table(const struct lodge_pt_format *f, u64 hpa)
{
	return hpa | _PAGE_ENC | f->table;
}

static inline bool lodge_pt_is_leaf(const struct lodge_pt_format *f, u64 entry, int level)
{
	return (entry & f->present) && (level == 1 || (entry & LODGE_PT_LARGE));
}

static inline bool lodge_pt_is_table(const struct lodge_pt_format *f, u64 entry, int level)
{
	return (entry & f->present) && !lodge_pt_is_leaf(f, entry, level);
}

static inline u64 lodge_pt_pfn(u64 entry)
{
	return (entry & LODGE_PT_ADDRESS & ~_PAGE_ENC) >> PAGE_SHIFT;
}

/* May a leaf that is there stay as it is? */
static inline bool lodge_pt_allows(const struct lodge_pt_format *f, u64 entry, u32 access)
{
	return (entry & f->present) && (!(access & LODGE_ACCESS_WRITE) || (entry & f->write)) &&
	       (!(access & LODGE_ACCESS_MAY_WRITE) || (entry & LODGE_PT_MAY_WRITE)) &&
	       (!(access & LODGE_ACCESS_EXEC) || ((entry ^ f->leaf) & f->exec));
}

static inline u64 lodge_level_bytes(int level)
{
	return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

/* Where the other side may be in between: a test does what it would. */
extern void (*lodge_between)(void);

static inline void lodge_step(void)
{
	if (LODGE_KUNIT && lodge_between)
		lodge_between();
}

/* table.c */

int lodge_tables_create(struct lodge_mmu *mmu);
void lodge_tables_destroy(struct lodge_mmu *mmu);
int lodge_table_map(struct lodge_mmu *mmu, struct lodge_mapping *m);
struct lodge_table *lodge_table_make_way(struct lodge_mmu *mmu, u64 gpa, int level);
void lodge_table_free_deferred(struct lodge_mmu *mmu, struct lodge_table *table);
u64 lodge_table_lookup(struct lodge_mmu *mmu, u64 gpa, int *level);
bool lodge_table_allows(struct lodge_mmu *mmu, u64 gpa, u32 access);
bool lodge_table_allow_write(struct lodge_mmu *mmu, u64 gpa);

/* What is done to each leaf of a range, under its table's lock. */
typedef bool (*lodge_leaf_op)(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);

bool lodge_leaf_zap(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);
bool lodge_leaf_protect(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);
bool lodge_leaf_unmark(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);
bool lodge_leaf_clean(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);
bool lodge_leaf_age(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);
bool lodge_leaf_young(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level);
bool lodge_table_range(struct lodge_mmu *mmu, u64 start, u64 end, lodge_leaf_op op, bool may_sleep);

/* notifier.c */

unsigned long lodge_notifier_snapshot(struct lodge_mmu *mmu);
void lodge_notifier_begin(struct lodge_mmu *mmu, unsigned long start, unsigned long end);
void lodge_notifier_end(struct lodge_mmu *mmu, unsigned long start, unsigned long end);
bool lodge_notifier_retry(struct lodge_mmu *mmu, unsigned long start,
			  unsigned long end, unsigned long seq);
void lodge_zap_begin(struct lodge_mmu *mmu);
void lodge_zap_end(struct lodge_mmu *mmu, bool zapped);
int lodge_notifier_register(struct lodge_vm *vm);

/* slots.c */

const struct lodge_memslot *lodge_slot_find(const struct lodge_memslots *slots, u64 gpa);
int lodge_slot_check(const struct lodge_slot *args, u32 phys_bits);
struct lodge_memslots *lodge_slots_change(struct lodge_memslots *old,
					  const struct lodge_slot *args);
void lodge_slots_free(struct lodge_memslots *slots);
void lodge_slots_publish(struct lodge_mmu *mmu, struct lodge_memslots *old,
			 struct lodge_memslots *new);
void lodge_gpa_zap(struct lodge_mmu *mmu, u64 gpa, u64 bytes);
bool lodge_slot_gpa_range(const struct lodge_memslot *slot, unsigned long start,
			  unsigned long end, u64 *gpa, u64 *gpa_end);
int lodge_slot_max_level(const struct lodge_memslot *slot, u64 gpa, int level);

/* watch.c */

bool lodge_watch_hit(struct lodge_vm *vm, u64 gpa, u32 access);
u32 lodge_watch_denied(struct lodge_vm *vm, u64 gpa);

#endif /* LODGE_TABLE_H */
