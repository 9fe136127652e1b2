// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watched pages: the guest's next access to each is told of, once.
 *
 * A slot that is watched has a byte for each page: the accesses that are waited
 * for, or that one came. A fault clears what it hit, so that the access then
 * goes on; pages that are still armed are mapped without what is watched. Bytes
 * are armed first, and leaves zapped after, between lodge_notifier_begin() and
 * lodge_notifier_end(): a fault that looked before does not install.
 */
#include <linux/swap.h>

#include "lodge.h"
#include "table.h"

#define COUNTED		0x40	/* no exit */
#define HIT		0x80
#define ACCESS		(LODGE_ACCESS_READ | LODGE_ACCESS_WRITE | LODGE_ACCESS_EXEC)

/* Under vm->mmu.srcu; NULL: not watched. */
static u8 *byte_of(struct lodge_vm *vm, u64 gpa)
{
	const struct lodge_memslot *slot;

	slot = lodge_slot_find(srcu_dereference(vm->mmu.slots, &vm->mmu.srcu), gpa);
	return slot && slot->watch ? &slot->watch[(gpa - slot->gpa) >> PAGE_SHIFT] : NULL;
}

/*
 * lodge_watch_hit() - is this access one to tell userspace of? It ends the watch of its page. Where
 * reads are watched, every access counts. Ring 2
 */
bool lodge_watch_hit(struct lodge_vm *vm, u64 gpa, u32 access)
{
	u8 *byte, old;

	guard(srcu)(&vm->mmu.srcu);
	byte = byte_of(vm, gpa);
	old = byte ? READ_ONCE(*byte) : 0;
	while (old & (access | LODGE_ACCESS_READ))
		if (try_cmpxchg(byte, &old, HIT))
			break;
	return (old & (access | LODGE_ACCESS_READ)) && !(old & COUNTED);
}

/** lodge_watch_denied() - LODGE_ACCESS_* that a leaf of this page may not allow now */
u32 lodge_watch_denied(struct lodge_vm *vm, u64 gpa)
{
	u8 *byte;

	guard(srcu)(&vm->mmu.srcu);
	byte = byte_of(vm, gpa);
	return byte ? READ_ONCE(*byte) & ACCESS : 0;
}

static void change(u8 *byte, u8 keep, u8 set)
{
	u8 old = READ_ONCE(*byte);

	while (!try_cmpxchg(byte, &old, (old & keep) | set))
		;
}

/*
 * Hand out a word for each 64 pages: what was hit, which is forgotten; without @watch, whose leaves
 * are marked.
 */
static int report(struct lodge_mmu *mmu, u64 gpa, u64 pages, u8 *watch, u64 __user *to)
{
	u64 first, i, at, word;

	for (first = 0; first < pages; first += 64) {
		word = 0;
		for (i = first; i < min(first + 64, pages); i++) {
			at = gpa + i * PAGE_SIZE;
			if (watch ? READ_ONCE(watch[i]) & HIT :
				    lodge_table_range(mmu, at, at + 1, lodge_leaf_young, false))
				word |= BIT_ULL(i - first);
		}
		if (put_user(word, to + first / 64))
			return -EFAULT;
		for (; watch && word; word &= word - 1)
			change(&watch[first + __ffs64(word)], 0xff & ~HIT, 0);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* The mark goes, and the host hears of it. */
static bool pass_on(struct lodge_mmu *mmu, u64 *entry, u64 gpa, int level)
{
	if (!lodge_leaf_age(mmu, entry, gpa, level))
		return false;
	folio_mark_accessed(page_folio(pfn_to_page(lodge_pt_pfn(READ_ONCE(*entry)))));
	return true;
}

/* Pages whose leaves are marked, which then are not any more. */
static int report_accessed(struct lodge_vm *vm, u64 gpa, u64 pages, u64 __user *to)
{
	int ret = report(&vm->mmu, gpa, pages, NULL, to);

	/* What a TLB remembers gets no new mark. */
	if (!ret && lodge_table_range(&vm->mmu, gpa, gpa + pages * PAGE_SIZE, pass_on, true))
		lodge_request_all_sync(vm, LODGE_REQ_TLB);
	return ret;
}

/* The bytes of @slot, which are made when there are none. */
static u8 *watch_of(struct lodge_mmu *mmu, struct lodge_memslots *old, u64 gpa)
{
	const struct lodge_memslot *slot = lodge_slot_find(old, gpa);
	struct lodge_memslots *new;
	u8 *watch = slot->watch;

	if (watch)
		return watch;
	watch = kvzalloc(slot->bytes >> PAGE_SHIFT, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	new = kvmalloc(struct_size(new, slot, old->count), GFP_KERNEL_ACCOUNT);
	if (!watch || !new) {
		kvfree(watch);
		kvfree(new);
		return NULL;
	}
	memcpy(new, old, struct_size(new, slot, old->count));
	new->generation++;
	new->slot[slot - old->slot].watch = watch;
	lodge_slots_publish(mmu, old, new);
	return watch;
}

/*
 * lodge_watch_set() - LODGE_WATCH; vm->lock held. -EINVAL, -ENXIO (not in one slot), -EFAULT,
 * -ENOMEM
 */
int lodge_watch_set(struct lodge_vm *vm, void *data)
{
	const struct lodge_watch_pages *args = data;
	u64 pages = args->bytes >> PAGE_SHIFT, offset, i;
	struct lodge_mmu *mmu = &vm->mmu;
	const struct lodge_memslot *slot;
	struct lodge_memslots *slots;
	unsigned long user;
	u8 *watch;
	int ret;

	if (!PAGE_ALIGNED(args->gpa | args->bytes) || args->access & ~ACCESS || args->pad)
		return -EINVAL;
	slots = rcu_dereference_protected(mmu->slots, lockdep_is_held(&vm->lock));
	slot = lodge_slot_find(slots, args->gpa);
	if (!slot || args->bytes > slot->bytes - (args->gpa - slot->gpa))
		return -ENXIO;
	if (args->flags & LODGE_WATCH_ACCESSED)
		return args->flags != LODGE_WATCH_ACCESSED || args->access ? -EINVAL :
		       report_accessed(vm, args->gpa, pages, u64_to_user_ptr(args->bitmap));
	watch = watch_of(mmu, slots, args->gpa);
	if (!watch)
		return -ENOMEM;
	slots = rcu_dereference_protected(mmu->slots, lockdep_is_held(&vm->lock));
	slot = lodge_slot_find(slots, args->gpa);
	offset = args->gpa - slot->gpa;
	watch += offset >> PAGE_SHIFT;
	ret = args->bitmap ?
	      report(mmu, args->gpa, pages, watch, u64_to_user_ptr(args->bitmap)) : 0;
	if (ret)
		return ret;
	for (i = 0; i < pages; i++) {
		change(&watch[i], HIT, args->access |
		       (args->flags & LODGE_WATCH_COUNT ? COUNTED : 0));
		if (!(i % PTRS_PER_PTE))
			cond_resched();
	}
	WRITE_ONCE(mmu->watching, true);
	user = slot->user_addr + offset;
	lodge_notifier_begin(mmu, user, user + args->bytes);
	lodge_gpa_zap(mmu, args->gpa, args->bytes);
	lodge_notifier_end(mmu, user, user + args->bytes);
	return 0;
}
