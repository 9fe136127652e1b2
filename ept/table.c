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
 *   and for what allows more the notifier's count and sequence checked under it.
 * - leaf with LODGE_PT_MAY_WRITE to the same, writable: compare-and-exchange.
 *   Who comes to take the page back, or to protect it, finds the one or the
 *   other, and flushes.
 * - table to 0: only a level 1 table, to make way for a 2M leaf. It is
 *   detached and emptied under its own lock, and freed after a TLB flush and a
 *   grace period.
 *
 * The size of a mapping never changes in one step: what is there goes, then
 * the TLBs are flushed, then comes the new leaf. Hardware may set accessed and
 * dirty marks in a leaf at any time.
 */
#include "lodge.h"
#include "table.h"

#define ENTRIES		512

static u64 *entry_of(struct lodge_table *table, u64 gpa)
{
	int shift = PAGE_SHIFT + 9 * (table->level - 1);

	return &table->entries[(gpa >> shift) % ENTRIES];
}

static __always_inline struct lodge_table *table_at(u64 entry)
{
	return (struct lodge_table *)page_private(pfn_to_page(lodge_pt_pfn(entry)));
}

static struct lodge_table *table_alloc(struct lodge_mmu *mmu, int level)
{
	struct lodge_table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	struct page *page = table ? alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO) : NULL;

	if (!page) {
		kfree(table);
		return NULL;
	}
	spin_lock_init(&table->lock);
	table->level = level;
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

/** lodge_table_free_deferred() - free what lodge_table_make_way() gave, after the TLB flush */
void lodge_table_free_deferred(struct lodge_mmu *mmu, struct lodge_table *table)
{
	if (!table)
		return;
	atomic_long_dec(&mmu->table_pages);
	WRITE_ONCE(mmu->deferred, true);
	call_rcu(&table->rcu, table_free_rcu);
}

/** lodge_tables_create() - the top table */
int lodge_tables_create(struct lodge_mmu *mmu)
{
	mmu->root = table_alloc(mmu, mmu->levels);
	if (!mmu->root)
		return -ENOMEM;
	mmu->root_hpa = __pa(mmu->root->entries) | _PAGE_ENC;
	return 0;
}

/* Recursion is as deep as the tables: five at most. */
static void free_subtree(struct lodge_mmu *mmu, struct lodge_table *table)
{
	u64 entry;
	int i;

	for (i = 0; i < ENTRIES; i++) {
		entry = table->entries[i];
		if (lodge_pt_is_table(mmu->format, entry, table->level))
			free_subtree(mmu, table_at(entry));
		else if (entry)
			atomic_long_dec(&mmu->mapped[table->level]);
	}
	table_free(mmu, table);
	cond_resched();
}

/** lodge_tables_destroy() - free all tables, which nobody walks any more, hardware included */
void lodge_tables_destroy(struct lodge_mmu *mmu)
{
	if (mmu->root)
		free_subtree(mmu, mmu->root);
	mmu->root = NULL;
	/* The callbacks of deferred frees are this module's code. */
	if (mmu->deferred)
		rcu_barrier();
}

/*
 * Write a leaf under the lock of its table. The entry may turn into a table
 * meanwhile, and hardware may mark it: hence compare-and-exchange. 1 for a new
 * leaf, 0 for one that was there, or -errno.
 */
static int write_leaf(struct lodge_mmu *mmu, u64 *entry, u64 pfn, int level, u32 access)
{
	u64 new = lodge_pt_leaf(mmu->format, pfn, level, access);
	u64 old = READ_ONCE(*entry);

	do {
		if (!old)
			continue;
		if (lodge_pt_is_table(mmu->format, old, level))
			return -EAGAIN;
		if (lodge_pt_pfn(old) != pfn)
			return -EBUSY;
		if (lodge_pt_allows(mmu->format, old, access))
			return 0;
	} while (!try_cmpxchg64(entry, &old, new));
	return !old;
}

/*
 * The page is marked dirty while the notifier holds still, so that its file
 * system does not see a page dirtied that it has cleaned and write-protected.
 * Its own dirty accounting was done when the host mapped the page writable.
 */
static void mark_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_test_dirty(folio))
		folio_set_dirty(folio);
}

/* Large leaves and executable pages do not go together on every CPU. */
static int write_leaves(struct lodge_mmu *mmu, u64 *entry, struct lodge_mapping *m)
{
	bool write = m->access & (LODGE_ACCESS_WRITE | LODGE_ACCESS_MAY_WRITE);
	u32 denied = mmu->nx_large && m->level > 1 ? LODGE_ACCESS_EXEC : 0;
	u64 pfn = m->pfn & ~((lodge_level_bytes(m->level) >> PAGE_SHIFT) - 1);
	int i, ret = 0, added = 0;

	for (i = 0; i < m->count; i++) {
		if (i)
			pfn = page_to_pfn(m->pages[i]);
		ret = write_leaf(mmu, entry + i, pfn, m->level, m->access & ~denied);
		if (ret < 0)
			break;
		added += ret;
		if (write && m->pages)
			mark_dirty(m->pages[i]);
	}
	if (added)
		atomic_long_add(added, &mmu->mapped[m->level]);
	m->mapped = i;
	return i ? 0 : ret;
}

static int install(struct lodge_mmu *mmu, struct lodge_table *table, struct lodge_mapping *m)
{
	u64 bytes = lodge_level_bytes(m->level);
	unsigned long start = m->hva & ~(bytes - 1);

	guard(spinlock)(&table->lock);
	if (table->detached || lodge_notifier_retry(mmu, start, start + m->count * bytes, m->seq))
		return -EAGAIN;
	return write_leaves(mmu, entry_of(table, m->gpa), m);
}

static bool in_use(struct lodge_table *table)
{
	int i;

	for (i = 0; i < ENTRIES; i++)
		if (READ_ONCE(table->entries[i]))
			return true;
	return false;
}

/*
 * A table is where a large leaf would go. A 1G leaf never replaces it, nor a
 * 2M leaf small ones when executable pages have to stay so.
 */
static bool keep_table(struct lodge_mmu *mmu, struct lodge_table *table)
{
	return table->level > 1 || (mmu->nx_large && in_use(table));
}

/*
 * One attempt from the top. -ENOENT: a table is missing and there was no
 * @spare to be published.
 */
static int map_once(struct lodge_mmu *mmu, struct lodge_mapping *m, struct lodge_table **spare)
{
	struct lodge_table *table = mmu->root;
	u64 *entry, old, new;

	for (;;) {
		entry = entry_of(table, m->gpa);
		old = READ_ONCE(*entry);
		if (table->level == m->level) {
			if (!lodge_pt_is_table(mmu->format, old, m->level)) {
				lodge_step();
				return install(mmu, table, m);
			}
			if (!keep_table(mmu, table_at(old)))
				return -EBUSY;
			m->level--;
		}
		if (lodge_pt_is_table(mmu->format, old, table->level)) {
			table = table_at(old);
			continue;
		}
		if (old)
			return -EBUSY;
		if (!*spare)
			return -ENOENT;
		(*spare)->level = table->level - 1;
		new = lodge_pt_table(mmu->format, __pa((*spare)->entries));
		if (!try_cmpxchg64(entry, &old, new))
			continue;
		table = *spare;
		*spare = NULL;
	}
}

/*
 * lodge_table_map() - map pages, with the tables that takes: the first, and as many of the others
 * as nothing keeps from it. -EAGAIN when the host changed its mind since @m->seq; -EBUSY when
 * another mapping is in the way, see lodge_table_make_way(); -ENOMEM
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

static void log_write(struct lodge_mmu *mmu, u64 gpa)
{
	lodge_mark_dirty(container_of(mmu, struct lodge_vm, mmu), gpa, 1);
}

/* Count it out; hardware may be marking it until the very moment it is gone. */
bool lodge_leaf_zap(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	u64 old = xchg(entry, 0);

	if ((old & LODGE_PT_LOGGED) && (old & mmu->format->dirty))
		log_write(mmu, gpa);
	atomic_long_dec(&mmu->mapped[level]);
	return true;
}

bool lodge_leaf_young(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	return READ_ONCE(*entry) & mmu->format->accessed;
}

/* Clear bits of a leaf; false when none was set. */
static bool leaf_clear(u64 *entry, u64 bits)
{
	u64 old = READ_ONCE(*entry);

	do {
		if (!(old & bits))
			return false;
	} while (!try_cmpxchg64(entry, &old, old & ~bits));
	return true;
}

/* Writes fault again; who clears a log's bits does it before. */
bool lodge_leaf_protect(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	return leaf_clear(entry, mmu->format->write);
}

/* The CPU will mark it, and list it, again; as above. */
bool lodge_leaf_unmark(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	return leaf_clear(entry, mmu->format->dirty);
}

/* The mark goes to the log; who clears the log's bits does it after. */
bool lodge_leaf_clean(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	if (!lodge_leaf_unmark(mmu, entry, gpa, level))
		return false;
	log_write(mmu, gpa);
	return true;
}

bool lodge_leaf_age(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	return leaf_clear(entry, mmu->format->accessed);
}

/* Leaves of one table from @gpa on, as far as @end and the table go. */
static bool table_leaves(struct lodge_mmu *mmu, struct lodge_table *table, u64 gpa, u64 end,
			 lodge_leaf_op op)
{
	u64 *entry = entry_of(table, gpa);
	u64 *stop = table->entries + ENTRIES;
	u64 bytes = lodge_level_bytes(table->level);
	bool any = false;

	guard(spinlock)(&table->lock);
	for (; entry < stop && gpa < end; entry++, gpa += bytes)
		if (lodge_pt_is_leaf(mmu->format, READ_ONCE(*entry), table->level))
			any |= op(mmu, entry, gpa, table->level);
	return any;
}

/* The lowest table over @gpa, but not below @level, and its entry's value. Under RCU. */
static __always_inline struct lodge_table *walk(struct lodge_mmu *mmu, u64 gpa, int level,
						u64 *old)
{
	struct lodge_table *table = mmu->root;

	for (;;) {
		*old = READ_ONCE(*entry_of(table, gpa));
		if (table->level <= level || !lodge_pt_is_table(mmu->format, *old, table->level))
			return table;
		table = table_at(*old);
	}
}

/*
 * Do the lowest table over *@gpa and move *@gpa behind it. A large leaf is one
 * entry among tables and done by itself.
 */
static bool range_step(struct lodge_mmu *mmu, u64 *gpa, u64 end, lodge_leaf_op op)
{
	u64 start = *gpa, old, bytes;
	struct lodge_table *table = walk(mmu, start, 1, &old);

	bytes = lodge_level_bytes(max(table->level, 2));
	*gpa = ALIGN_DOWN(start, bytes) + bytes;
	if (table->level > 1 && !old)
		return false;
	lodge_step();
	return table_leaves(mmu, table, start, min(end, *gpa), op);
}

/*
 * lodge_table_range() - do @op to each leaf that touches a range, under its table's lock, and to
 * zap or clean under mmu->srcu, too. Did it return true for any? @may_sleep: go easy on the host
 * between tables
 */
bool lodge_table_range(struct lodge_mmu *mmu, u64 start, u64 end, lodge_leaf_op op, bool may_sleep)
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

/* Take the level 1 table over @gpa out of @entry, empty it and bar it. */
static struct lodge_table *detach(struct lodge_mmu *mmu, u64 *entry, u64 gpa, u64 old)
{
	struct lodge_table *table;
	int i;

	do {
		if (!lodge_pt_is_table(mmu->format, old, 2))
			return NULL;
	} while (!try_cmpxchg64(entry, &old, 0));

	table = table_at(old);
	guard(spinlock)(&table->lock);
	table->detached = true;
	for (i = 0; i < ENTRIES; i++)
		if (table->entries[i])
			lodge_leaf_zap(mmu, &table->entries[i],
				       ALIGN_DOWN(gpa, PMD_SIZE) + i * PAGE_SIZE, 1);
	return table;
}

/*
 * lodge_table_make_way() - remove what keeps a leaf from being mapped: another leaf over @gpa, or a
 * level 1 table, which is returned for lodge_table_free_deferred(). Taking something away is never
 * wrong, so races with other faults need no care. Between lodge_zap_begin() and lodge_zap_end(),
 * under mmu->srcu
 */
struct lodge_table *lodge_table_make_way(struct lodge_mmu *mmu, u64 gpa, int level)
{
	struct lodge_table *table;
	u64 old;

	guard(rcu)();
	table = walk(mmu, gpa, level == 2 ? 2 : 1, &old);
	if (lodge_pt_is_table(mmu->format, old, table->level))
		return detach(mmu, entry_of(table, gpa), gpa, old);
	if (old)
		table_leaves(mmu, table, gpa, gpa + 1, lodge_leaf_zap);
	return NULL;
}

/** lodge_table_lookup() - the leaf that maps @gpa, and its level; 0 when there is none */
u64 lodge_table_lookup(struct lodge_mmu *mmu, u64 gpa, int *level)
{
	u64 entry;

	guard(rcu)();
	*level = walk(mmu, gpa, 1, &entry)->level;
	return entry;
}

/** lodge_table_allows() - is there a leaf that allows this access? */
bool lodge_table_allows(struct lodge_mmu *mmu, u64 gpa, u32 access)
{
	int level;

	return lodge_pt_allows(mmu->format, lodge_table_lookup(mmu, gpa, &level), access);
}

/*
 * lodge_table_allow_write() - make a leaf writable that was protected for the log only. Any
 * context; false: there is none such. Whoever logs it does that after it: see collect()
 */
bool lodge_table_allow_write(struct lodge_mmu *mmu, u64 gpa)
{
	const struct lodge_pt_format *f = mmu->format;
	struct lodge_table *table;
	u64 old;

	guard(rcu)();
	table = walk(mmu, gpa, 1, &old);
	lodge_step();
	if (!lodge_pt_is_leaf(f, old, table->level) || !(old & LODGE_PT_MAY_WRITE))
		return false;
	return (old & f->write) ||
	       try_cmpxchg64(entry_of(table, gpa), &old, old | f->write | f->dirty);
}
