// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MMU notifier: the host takes pages back, ages them, or goes away.
 *
 * An invalidation raises the count, then walks and zaps under each table's
 * lock, flushes, and when the host is done raises the sequence, which tells of
 * what addresses it was, and lowers the count. A fault takes a snapshot of the
 * sequence, asks the host for the page, publishes missing tables, and checks
 * count and sequence under the lock of the table it writes to. So either the
 * fault sees the count, or the walk sees the table and takes its lock after the
 * leaf was written.
 *
 * Whoever zaps may drop the table's lock before it has flushed. Another
 * invalidation of the same page then finds nothing to zap, and still may not
 * return before the TLBs forgot the page: it flushes too as long as
 * mmu->zappers says that someone is between zap and flush.
 */
#include "lodge.h"
#include "table.h"

/** lodge_notifier_snapshot() - to be taken before the host is asked for a page */
unsigned long lodge_notifier_snapshot(struct lodge_mmu *mmu)
{
	/* Slots and host page tables are read after it. */
	return smp_load_acquire(&mmu->notifier_seq);
}

/*
 * lodge_notifier_begin() - no leaf for these user addresses from now on. Any context but
 * interrupts. The caller zaps what is there already.
 */
void lodge_notifier_begin(struct lodge_mmu *mmu, unsigned long start, unsigned long end)
{
	spin_lock(&mmu->notifier_lock);
	if (!mmu->notifier_count) {
		mmu->notifier_start = start;
		mmu->notifier_end = end;
	} else {
		mmu->notifier_start = min(mmu->notifier_start, start);
		mmu->notifier_end = max(mmu->notifier_end, end);
	}
	WRITE_ONCE(mmu->notifier_count, mmu->notifier_count + 1);
	spin_unlock(&mmu->notifier_lock);
	/* Pairs with lodge_notifier_retry(): the count first, then the walk. */
	smp_mb();
}

/*
 * lodge_notifier_end() - the reverse, with the same addresses. Faults there that looked before
 * must look again
 */
void lodge_notifier_end(struct lodge_mmu *mmu, unsigned long start, unsigned long end)
{
	unsigned long seq;

	guard(spinlock)(&mmu->notifier_lock);
	seq = mmu->notifier_seq;
	mmu->notifier_ended[seq % LODGE_NOTIFIER_MEMORY] = (struct lodge_user_range) { start, end };
	/* Who takes this for a snapshot sees what was done before it. */
	smp_store_release(&mmu->notifier_seq, seq + 1);
	/* Pairs with lodge_notifier_retry(): who misses the count sees this. */
	smp_wmb();
	WRITE_ONCE(mmu->notifier_count, mmu->notifier_count - 1);
}

/* Is one of these addresses barred, or was it since @seq? What is forgotten may have been. */
static bool touched(struct lodge_mmu *mmu, unsigned long start, unsigned long end,
		    unsigned long seq)
{
	const struct lodge_user_range *r;

	if (mmu->notifier_count && start < mmu->notifier_end && end > mmu->notifier_start)
		return true;
	if (mmu->notifier_seq - seq > LODGE_NOTIFIER_MEMORY)
		return true;
	for (; seq != mmu->notifier_seq; seq++) {
		r = &mmu->notifier_ended[seq % LODGE_NOTIFIER_MEMORY];
		if (start < r->end && end > r->start)
			return true;
	}
	return false;
}

/*
 * lodge_notifier_retry() - did the host change its mind, so that a leaf for these user addresses
 * must not be installed? What it did elsewhere since @seq is no reason: a storm there would starve
 * the fault. The lock of the table to be written to is held
 */
bool lodge_notifier_retry(struct lodge_mmu *mmu, unsigned long start, unsigned long end,
			  unsigned long seq)
{
	bool quiet;

	/* Pairs with lodge_notifier_begin(): tables first, then the count. */
	smp_mb();
	quiet = !READ_ONCE(mmu->notifier_count);
	/* Pairs with lodge_notifier_end(). */
	smp_rmb();
	if (likely(quiet && READ_ONCE(mmu->notifier_seq) == seq))
		return false;
	guard(spinlock)(&mmu->notifier_lock);
	return touched(mmu, start, end, seq);
}

/** lodge_zap_begin() - leaves or tables are about to be removed */
void lodge_zap_begin(struct lodge_mmu *mmu)
{
	atomic_inc(&mmu->zappers);
	/* Who sees an entry gone sees the count. */
	smp_mb__after_atomic();
}

/*
 * lodge_zap_end() - TLBs forget what was removed, by us or by others. Spins until running vCPUs
 * have left the guest; does not sleep.
 */
void lodge_zap_end(struct lodge_mmu *mmu, bool zapped)
{
	/* Our walk read absent entries without a lock. */
	smp_mb();
	if (zapped || atomic_read(&mmu->zappers) > 1)
		lodge_request_all_sync(container_of(mmu, struct lodge_vm, mmu), LODGE_REQ_TLB);
	/* Who sees us gone may rely on the flush. */
	atomic_dec_return(&mmu->zappers);
}

/* Do @op to all leaves that map these user addresses. */
static bool user_range(struct lodge_mmu *mmu, unsigned long start, unsigned long end,
		       lodge_leaf_op op, bool may_sleep)
{
	const struct lodge_memslots *slots;
	u64 gpa, gpa_end;
	bool any = false;
	u32 i;

	guard(srcu)(&mmu->srcu);
	slots = srcu_dereference(mmu->slots, &mmu->srcu);
	for (i = 0; i < slots->count; i++)
		if (lodge_slot_gpa_range(&slots->slot[i], start, end, &gpa, &gpa_end))
			any |= lodge_table_range(mmu, gpa, gpa_end, op, may_sleep);
	return any;
}

static struct lodge_mmu *mmu_of(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct lodge_mmu, notifier);
}

static int invalidate_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct lodge_mmu *mmu = mmu_of(notifier);
	bool zapped;

	lodge_notifier_begin(mmu, range->start, range->end);
	lodge_zap_begin(mmu);
	zapped = user_range(mmu, range->start, range->end, lodge_leaf_zap,
			    mmu_notifier_range_blockable(range));
	lodge_zap_end(mmu, zapped);
	return 0;
}

static void invalidate_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	lodge_notifier_end(mmu_of(notifier), range->start, range->end);
}

/* Kernels differ in whether these return int or bool. */
#define young_t typeof(((struct mmu_notifier_ops *)0)->clear_young(NULL, NULL, 0, 0))

/*
 * No flush, as for the host's own entries on this architecture: a translation
 * that stays cached makes a page look older than it is, no worse. The caller
 * holds a page-table lock: no sleep.
 */
static young_t clear_young(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long start,
			   unsigned long end)
{
	return user_range(mmu_of(notifier), start, end, lodge_leaf_age, false);
}

static young_t test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
			  unsigned long address)
{
	return user_range(mmu_of(notifier), address, address + PAGE_SIZE, lodge_leaf_young, false);
}

/*
 * The owner's memory is going away before the VM's last file: nothing may be
 * mapped ever again, so the count stays raised.
 */
static void release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct lodge_mmu *mmu = mmu_of(notifier);
	struct lodge_vm *vm = container_of(mmu, struct lodge_vm, mmu);

	if (!READ_ONCE(mmu->registered))
		return;
	WRITE_ONCE(vm->dead, true);
	lodge_notifier_begin(mmu, 0, ULONG_MAX);
	lodge_request_all_sync(vm, LODGE_REQ_STOP);
	lodge_zap_begin(mmu);
	lodge_zap_end(mmu, user_range(mmu, 0, ULONG_MAX, lodge_leaf_zap, true));
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = invalidate_start,
	.invalidate_range_end = invalidate_end,
	.clear_flush_young = clear_young,
	.clear_young = clear_young,
	.test_young = test_young,
	.release = release,
};

/** lodge_notifier_register() - follow the owner's memory from now on */
int lodge_notifier_register(struct lodge_vm *vm)
{
	int ret;

	vm->mmu.notifier.ops = &notifier_ops;
	WRITE_ONCE(vm->mmu.registered, true);
	ret = mmu_notifier_register(&vm->mmu.notifier, vm->mm);
	if (ret)
		WRITE_ONCE(vm->mmu.registered, false);
	return ret;
}

/*
 * lodge_mmu_stop() - no notifier call is under way or will come after. When no vCPU can run any
 * more, and before they are freed: until then the notifier may kick them. Sleeps
 */
void lodge_mmu_stop(struct lodge_vm *vm)
{
	if (!vm->mmu.registered)
		return;
	/* Unregistering calls release(), which has nothing to stop any more. */
	WRITE_ONCE(vm->mmu.registered, false);
	mmu_notifier_unregister(&vm->mmu.notifier, vm->mm);
}
