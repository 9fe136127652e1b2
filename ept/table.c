// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second-level tables: one walker for both entry formats.
 *
 * Walks hold no lock, only RCU. An absent entry is 0. What may happen to an
 * entry:
 *
 * - 0 to table: compare-and-exchange, no lock. Only in tables above level 1,
 *   which live as long as the VM: so nothing is ever added to a lost table.
 * - 0 to leaf, leaf to 0, leaf to a leaf that allows more: the table's lock,
 *   and for 0 to leaf the notifier's count and sequence checked under it.
 * - table to 0: only a level 1 table, to make way for a 2M leaf. It is
 *   detached and emptied under its own lock, and freed after a TLB flush and a
 *   grace period.
 *
 * The size of a mapping never changes in one step: what is there goes, then
 * the TLBs are flushed, then comes the new leaf. Hardware may set accessed and
 * dirty marks in a leaf at any time.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "lodge.h"
#include "table.h"

#define ENTRIES		512

static u64 *entry_of(struct lodge_table *table, u64 gpa)
{
	int shift = PAGE_SHIFT + 9 * (table->level - 1);

	return &table->entries[(gpa >> shift) % ENTRIES];
}

static struct lodge_table *table_at(struct lodge_mmu *mmu, u64 entry, int level)
{
	u64 pfn = mmu->format->pfn(entry, level);

	return (struct lodge_table *)page_private(pfn_to_page(pfn));
}

static bool is_table(struct lodge_mmu *mmu, u64 entry, int level)
{
	return mmu->format->present(entry) && !mmu->format->is_leaf(entry, level);
}

static struct lodge_table *table_alloc(struct lodge_mmu *mmu, int level)
{
	struct lodge_table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	struct page *page;

	if (!table)
		return NULL;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page) {
		kfree(table);
		return NULL;
	}
	spin_lock_init(&table->lock);
	table->level = level;
	table->hpa = page_to_phys(page);
	table->entries = page_address(page);
	set_page_private(page, (unsigned long)table);
	atomic_long_inc(&mmu->table_pages);
	return table;
}

static void table_release(struct lodge_table *table)
{
	struct page *page = virt_to_page(table->entries);

	set_page_private(page, 0);
	__free_page(page);
	kfree(table);
}

static void table_free(struct lodge_mmu *mmu, struct lodge_table *table)
{
	atomic_long_dec(&mmu->table_pages);
	table_release(table);
}

static void table_free_rcu(struct rcu_head *rcu)
{
	table_release(container_of(rcu, struct lodge_table, rcu));
}

/**
 * lodge_table_free_deferred() - free a table that was detached
 * @mmu: guest memory
 * @table: from lodge_table_make_way(), NULL allowed; TLBs have been flushed
 *	since
 */
void lodge_table_free_deferred(struct lodge_mmu *mmu, struct lodge_table *table)
{
	if (!table)
		return;
	atomic_long_dec(&mmu->table_pages);
	WRITE_ONCE(mmu->deferred, true);
	call_rcu(&table->rcu, table_free_rcu);
}

/**
 * lodge_tables_create() - the top table
 * @mmu: guest memory with format and levels set
 */
int lodge_tables_create(struct lodge_mmu *mmu)
{
	mmu->root = table_alloc(mmu, mmu->levels);
	if (!mmu->root)
		return -ENOMEM;
	mmu->root_hpa = mmu->root->hpa | _PAGE_ENC;
	return 0;
}

/* Recursion is as deep as the tables: five at most. */
static void free_subtree(struct lodge_mmu *mmu, struct lodge_table *table)
{
	u64 entry;
	int i;

	for (i = 0; i < ENTRIES; i++) {
		entry = table->entries[i];
		if (!mmu->format->present(entry))
			continue;
		if (mmu->format->is_leaf(entry, table->level))
			atomic_long_dec(&mmu->mapped[table->level]);
		else
			free_subtree(mmu, table_at(mmu, entry, table->level));
	}
	table_free(mmu, table);
	cond_resched();
}

/**
 * lodge_tables_destroy() - free all tables
 * @mmu: guest memory that nobody walks any more, hardware included
 */
void lodge_tables_destroy(struct lodge_mmu *mmu)
{
	if (mmu->root)
		free_subtree(mmu, mmu->root);
	mmu->root = NULL;
	/* The callbacks of deferred frees are this module's code. */
	if (mmu->deferred)
		rcu_barrier();
}

/* May a leaf that is there stay as it is? */
static bool leaf_allows(struct lodge_mmu *mmu, u64 entry, u32 access)
{
	if ((access & LODGE_ACCESS_WRITE) && !mmu->format->writable(entry))
		return false;
	return !(access & LODGE_ACCESS_EXEC) || mmu->format->executable(entry);
}

/* Large leaves and executable pages do not go together on every CPU. */
static u32 leaf_access(struct lodge_mmu *mmu, struct lodge_mapping *m)
{
	if (mmu->nx_large && m->level > 1)
		return m->access & ~LODGE_ACCESS_EXEC;
	return m->access;
}

/*
 * Write the leaf under the lock of its table. The entry may turn into a table
 * meanwhile, and hardware may mark it: hence compare-and-exchange.
 */
static int write_leaf(struct lodge_mmu *mmu, u64 *entry, struct lodge_mapping *m)
{
	const struct lodge_pt_format *format = mmu->format;
	u64 pages = lodge_level_bytes(m->level) >> PAGE_SHIFT;
	u32 access = leaf_access(mmu, m);
	u64 pfn = m->pfn & ~(pages - 1);
	u64 new = format->leaf(pfn, m->level, access);
	u64 old = READ_ONCE(*entry);

	do {
		if (!format->present(old))
			continue;
		if (is_table(mmu, old, m->level))
			return -EAGAIN;
		if (format->pfn(old, m->level) != pfn)
			return -EBUSY;
		if (leaf_allows(mmu, old, access))
			return 0;
	} while (!try_cmpxchg64(entry, &old, new));

	if (!format->present(old))
		atomic_long_inc(&mmu->mapped[m->level]);
	return 0;
}

/*
 * The page is marked dirty while the notifier holds still, so that its file
 * system does not see a page dirtied that it has cleaned and write-protected.
 * Its own dirty accounting was done when the host mapped the page writable.
 */
static void mark_dirty(struct lodge_mapping *m)
{
	struct folio *folio;

	if (!m->page || !(m->access & LODGE_ACCESS_WRITE))
		return;
	folio = page_folio(m->page);
	if (!folio_test_dirty(folio))
		folio_set_dirty(folio);
}

static int install(struct lodge_mmu *mmu, struct lodge_table *table,
		   struct lodge_mapping *m)
{
	u64 bytes = lodge_level_bytes(m->level);
	unsigned long start = m->hva & ~(bytes - 1);
	int ret = -EAGAIN;

	spin_lock(&table->lock);
	if (!table->detached &&
	    !lodge_notifier_retry(mmu, start, start + bytes, m->seq)) {
		ret = write_leaf(mmu, entry_of(table, m->gpa), m);
		if (!ret)
			mark_dirty(m);
	}
	spin_unlock(&table->lock);
	return ret;
}

/*
 * A table is where a large leaf would go. A 1G leaf never replaces it, nor a
 * 2M leaf when executable pages have to stay small.
 */
static bool keep_table(struct lodge_mmu *mmu, int level)
{
	return level > 2 || mmu->nx_large;
}

/*
 * One attempt from the top. -ENOENT: a table is missing and there was no
 * @spare to be published.
 */
static int map_once(struct lodge_mmu *mmu, struct lodge_mapping *m,
		    struct lodge_table **spare)
{
	struct lodge_table *table = mmu->root;
	u64 *entry;
	u64 old;

	for (;;) {
		entry = entry_of(table, m->gpa);
		old = READ_ONCE(*entry);
		if (table->level == m->level) {
			if (!is_table(mmu, old, m->level))
				return install(mmu, table, m);
			if (!keep_table(mmu, m->level))
				return -EBUSY;
			m->level--;
		}
		if (mmu->format->is_leaf(old, table->level))
			return -EBUSY;
		if (!mmu->format->present(old)) {
			if (!*spare)
				return -ENOENT;
			(*spare)->level = table->level - 1;
			if (!try_cmpxchg64(entry, &old,
					   mmu->format->table((*spare)->hpa)))
				continue;
			table = *spare;
			*spare = NULL;
			continue;
		}
		table = table_at(mmu, old, table->level);
	}
}

/**
 * lodge_table_map() - map a page, with the tables that takes
 * @mmu: guest memory
 * @m: what and where
 *
 * Return: 0; -EAGAIN when the host changed its mind since @m->seq; -EBUSY when
 * another mapping is in the way, see lodge_table_make_way(); -ENOMEM.
 */
int lodge_table_map(struct lodge_mmu *mmu, struct lodge_mapping *m)
{
	struct lodge_table *spare = NULL;
	int ret;

	for (;;) {
		rcu_read_lock();
		ret = map_once(mmu, m, &spare);
		rcu_read_unlock();
		if (ret != -ENOENT)
			break;
		spare = table_alloc(mmu, 0);
		if (!spare)
			return -ENOMEM;
	}
	if (spare)
		table_free(mmu, spare);
	return ret;
}

/* Count it out; hardware may be marking it until the very moment it is gone. */
bool lodge_leaf_zap(struct lodge_mmu *mmu, u64 *entry, int level)
{
	xchg(entry, 0);
	atomic_long_dec(&mmu->mapped[level]);
	return true;
}

bool lodge_leaf_young(struct lodge_mmu *mmu, u64 *entry, int level)
{
	return mmu->format->accessed(READ_ONCE(*entry));
}

bool lodge_leaf_age(struct lodge_mmu *mmu, u64 *entry, int level)
{
	u64 old = READ_ONCE(*entry);

	do {
		if (!mmu->format->accessed(old))
			return false;
	} while (!try_cmpxchg64(entry, &old, mmu->format->age(old)));
	return true;
}

/* Leaves of one table from @gpa on, as far as @end and the table go. */
static bool table_leaves(struct lodge_mmu *mmu, struct lodge_table *table,
			 u64 gpa, u64 end, lodge_leaf_op op)
{
	u64 *entry = entry_of(table, gpa);
	u64 *stop = table->entries + ENTRIES;
	u64 bytes = lodge_level_bytes(table->level);
	bool any = false;

	spin_lock(&table->lock);
	for (; entry < stop && gpa < end; entry++, gpa += bytes)
		if (mmu->format->is_leaf(READ_ONCE(*entry), table->level))
			any |= op(mmu, entry, table->level);
	spin_unlock(&table->lock);
	return any;
}

/*
 * Do the lowest table over *@gpa and move *@gpa behind it. A large leaf is one
 * entry among tables and done by itself.
 */
static bool range_step(struct lodge_mmu *mmu, u64 *gpa, u64 end,
		       lodge_leaf_op op)
{
	struct lodge_table *table = mmu->root;
	u64 start = *gpa;
	u64 old = 0;
	u64 bytes;

	while (table->level > 1) {
		old = READ_ONCE(*entry_of(table, start));
		if (!is_table(mmu, old, table->level))
			break;
		table = table_at(mmu, old, table->level);
	}
	bytes = lodge_level_bytes(max(table->level, 2));
	*gpa = ALIGN_DOWN(start, bytes) + bytes;
	if (!mmu->format->present(old))
		return false;
	return table_leaves(mmu, table, start, min(end, *gpa), op);
}

/**
 * lodge_table_range() - do something to each leaf that touches a range
 * @mmu: guest memory
 * @start: first guest physical address
 * @end: behind the last
 * @op: what; called under a table's lock
 * @may_sleep: go easy on the host between tables
 *
 * Return: whether @op said true for any leaf.
 */
bool lodge_table_range(struct lodge_mmu *mmu, u64 start, u64 end,
		       lodge_leaf_op op, bool may_sleep)
{
	bool any = false;

	end = min(end, lodge_level_bytes(mmu->levels + 1));
	while (start < end) {
		rcu_read_lock();
		any |= range_step(mmu, &start, end, op);
		rcu_read_unlock();
		if (may_sleep)
			cond_resched();
	}
	return any;
}

/* Take a level 1 table out of @entry, empty it and bar it. */
static struct lodge_table *detach(struct lodge_mmu *mmu, u64 *entry, u64 old)
{
	struct lodge_table *table;
	int i;

	do {
		if (!is_table(mmu, old, 2))
			return NULL;
	} while (!try_cmpxchg64(entry, &old, 0));

	table = table_at(mmu, old, 2);
	spin_lock(&table->lock);
	table->detached = true;
	for (i = 0; i < ENTRIES; i++)
		if (mmu->format->present(table->entries[i]))
			lodge_leaf_zap(mmu, &table->entries[i], 1);
	spin_unlock(&table->lock);
	return table;
}

/**
 * lodge_table_make_way() - remove what keeps a leaf from being mapped
 * @mmu: guest memory; between lodge_zap_begin() and lodge_zap_end()
 * @gpa: of the leaf
 * @level: of the leaf
 *
 * That is another leaf over @gpa, or a level 1 table. Taking something away is
 * never wrong, so races with other faults need no care.
 *
 * Return: a table to be freed after the TLB flush by
 * lodge_table_free_deferred(), or NULL.
 */
struct lodge_table *lodge_table_make_way(struct lodge_mmu *mmu, u64 gpa,
					 int level)
{
	struct lodge_table *table = mmu->root;
	struct lodge_table *detached = NULL;
	u64 *entry;
	u64 old;

	rcu_read_lock();
	for (;;) {
		entry = entry_of(table, gpa);
		old = READ_ONCE(*entry);
		if (!is_table(mmu, old, table->level))
			break;
		if (table->level == 2 && level == 2) {
			detached = detach(mmu, entry, old);
			break;
		}
		table = table_at(mmu, old, table->level);
	}
	if (mmu->format->is_leaf(old, table->level))
		table_leaves(mmu, table, gpa, gpa + 1, lodge_leaf_zap);
	rcu_read_unlock();
	return detached;
}

/**
 * lodge_table_lookup() - the leaf that maps an address
 * @mmu: guest memory
 * @gpa: guest physical address
 * @level: out: of the leaf
 *
 * Return: the entry, 0 when there is none.
 */
u64 lodge_table_lookup(struct lodge_mmu *mmu, u64 gpa, int *level)
{
	struct lodge_table *table = mmu->root;
	u64 entry;

	rcu_read_lock();
	for (;;) {
		entry = READ_ONCE(*entry_of(table, gpa));
		if (!is_table(mmu, entry, table->level))
			break;
		table = table_at(mmu, entry, table->level);
	}
	*level = table->level;
	rcu_read_unlock();
	return entry;
}

/**
 * lodge_table_allows() - is there a leaf that allows this access?
 * @mmu: guest memory
 * @gpa: guest physical address
 * @access: LODGE_ACCESS_*
 */
bool lodge_table_allows(struct lodge_mmu *mmu, u64 gpa, u32 access)
{
	int level;
	u64 entry = lodge_table_lookup(mmu, gpa, &level);

	return mmu->format->present(entry) && leaf_allows(mmu, entry, access);
}
