// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: which guest physical addresses are which user addresses.
 *
 * A sorted array, replaced as a whole under vm->lock and read under SRCU. To
 * remove or replace a slot, its user addresses are barred as by the MMU
 * notifier, its leaves zapped while the slot can still be found (a notifier
 * that comes meanwhile finds it, too), and then the new array is published.
 */
#include "lodge.h"
#include "table.h"

/** lodge_slot_find() - the slot an address is in */
const struct lodge_memslot *lodge_slot_find(const struct lodge_memslots *slots, u64 gpa)
{
	const struct lodge_memslot *slot;
	u32 low = 0, high = slots->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		slot = &slots->slot[middle];
		if (gpa < slot->gpa)
			high = middle;
		else if (gpa - slot->gpa >= slot->bytes)
			low = middle + 1;
		else
			return slot;
	}
	return NULL;
}

/** lodge_slot_check() - -EINVAL, or -EFAULT when the memory cannot be the caller's */
int lodge_slot_check(const struct lodge_slot *args, u32 phys_bits)
{
	u64 end;

	if (args->flags & ~(LODGE_SLOT_READONLY | LODGE_SLOT_LOG_DIRTY) || args->pad ||
	    args->slot >= LODGE_MAX_SLOTS)
		return -EINVAL;
	if (!args->bytes)
		return 0;
	if (!PAGE_ALIGNED(args->gpa | args->bytes | args->user_addr))
		return -EINVAL;
	if (check_add_overflow(args->gpa, args->bytes, &end) || end > BIT_ULL(phys_bits))
		return -EINVAL;
	if (check_add_overflow(args->user_addr, args->bytes, &end) ||
	    !access_ok((void __user *)args->user_addr, args->bytes))
		return -EFAULT;
	return 0;
}

static struct lodge_memslot *find_id(struct lodge_memslots *slots, u32 id)
{
	u32 i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

static bool overlaps(const struct lodge_memslots *slots, const struct lodge_slot *args)
{
	const struct lodge_memslot *slot;
	u32 i;

	for (i = 0; i < slots->count; i++) {
		slot = &slots->slot[i];
		if (slot->id != args->slot && slot->gpa < args->gpa + args->bytes &&
		    args->gpa < slot->gpa + slot->bytes)
			return true;
	}
	return false;
}

/* @old without the slot @args names, and with @args in its place. */
static void merge(struct lodge_memslots *new, const struct lodge_memslots *old,
		  const struct lodge_slot *args)
{
	u32 i;

	for (i = 0; i < old->count; i++)
		if (old->slot[i].id != args->slot)
			new->slot[new->count++] = old->slot[i];
	if (!args->bytes)
		return;
	for (i = new->count++; i && new->slot[i - 1].gpa > args->gpa; i--)
		new->slot[i] = new->slot[i - 1];
	new->slot[i] = (struct lodge_memslot) {
		.gpa = args->gpa, .bytes = args->bytes, .user_addr = args->user_addr,
		.id = args->slot, .flags = args->flags,
	};
}

/*
 * lodge_slots_change() - a new array, for kvfree(), with one slot set, replaced or deleted; or
 * -ENOENT, -EEXIST, -ENOMEM
 */
struct lodge_memslots *lodge_slots_change(struct lodge_memslots *old, const struct lodge_slot *args)
{
	struct lodge_memslots *new;

	if (!args->bytes && !find_id(old, args->slot))
		return ERR_PTR(-ENOENT);
	if (args->bytes && overlaps(old, args))
		return ERR_PTR(-EEXIST);
	new = kvzalloc(struct_size(new, slot, old->count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->generation = old->generation + 1;
	merge(new, old, args);
	return new;
}

/** lodge_slot_gpa_range() - which whole pages of a slot have these user addresses, if any? */
bool lodge_slot_gpa_range(const struct lodge_memslot *slot, unsigned long start, unsigned long end,
			  u64 *gpa, u64 *gpa_end)
{
	unsigned long first = max(start, slot->user_addr) & PAGE_MASK;
	unsigned long last = min(end, slot->user_addr + slot->bytes);

	if (first >= last)
		return false;
	*gpa = slot->gpa + (first - slot->user_addr);
	*gpa_end = slot->gpa + (PAGE_ALIGN(last) - slot->user_addr);
	return true;
}

/** lodge_slot_max_level() - the largest leaf the slot has room for */
int lodge_slot_max_level(const struct lodge_memslot *slot, u64 gpa, int level)
{
	u64 bytes, start;

	for (; level > 1; level--) {
		bytes = lodge_level_bytes(level);
		start = ALIGN_DOWN(gpa, bytes);
		if (IS_ALIGNED(slot->gpa - slot->user_addr, bytes) && start >= slot->gpa &&
		    start + bytes <= slot->gpa + slot->bytes)
			break;
	}
	return level;
}

/** lodge_gpa_zap() - the guest faults on these addresses again. Sleeps */
void lodge_gpa_zap(struct lodge_mmu *mmu, u64 gpa, u64 bytes)
{
	guard(srcu)(&mmu->srcu);
	lodge_zap_begin(mmu);
	lodge_zap_end(mmu, lodge_table_range(mmu, gpa, gpa + bytes, lodge_leaf_zap, true));
}

/** lodge_slots_publish() - on return nobody looks at the old array, which is gone. Sleeps */
void lodge_slots_publish(struct lodge_mmu *mmu, struct lodge_memslots *old,
			 struct lodge_memslots *new)
{
	rcu_assign_pointer(mmu->slots, new);
	WRITE_ONCE(mmu->generation, new->generation);
	synchronize_srcu_expedited(&mmu->srcu);
	kvfree(old);
}

/* On return neither the guest nor the kernel uses the old slot any more. */
static void replace_slots(struct lodge_mmu *mmu, struct lodge_memslots *old,
			  struct lodge_memslots *new, const struct lodge_memslot *gone)
{
	struct lodge_memslot was = {};

	if (gone) {
		was = *gone;
		lodge_notifier_begin(mmu, was.user_addr, was.user_addr + was.bytes);
		lodge_gpa_zap(mmu, was.gpa, was.bytes);
	}
	lodge_slots_publish(mmu, old, new);
	if (gone)
		lodge_notifier_end(mmu, was.user_addr, was.user_addr + was.bytes);
	kvfree(was.dirty);
	kvfree(was.watch);
}

/* Is there something at all of these addresses? What becomes of it later, faults will see. */
static bool is_mapped(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	while (start < end) {
		vma = find_vma(mm, start);
		if (!vma || vma->vm_start > start)
			break;
		start = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return start >= end;
}

/** lodge_slot_set() - LODGE_SET_SLOT; vm->lock held, in the owner's mm */
int lodge_slot_set(struct lodge_vm *vm, void *from)
{
	const struct lodge_slot *args = from;
	struct lodge_mmu *mmu = &vm->mmu;
	struct lodge_memslots *old, *new;
	unsigned long *dirty = NULL;
	int ret;

	ret = lodge_slot_check(args, lodge_mmu_phys_bits(mmu->format));
	if (ret)
		return ret;
	if (!is_mapped(vm->mm, args->user_addr, args->user_addr + args->bytes))
		return -EFAULT;
	if (args->bytes && (args->flags & LODGE_SLOT_LOG_DIRTY)) {
		dirty = kvcalloc(BITS_TO_LONGS(args->bytes >> PAGE_SHIFT), sizeof(*dirty),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!dirty)
			return -ENOMEM;
		WRITE_ONCE(mmu->listing, mmu->dirty_lists);
	}
	old = rcu_dereference_protected(mmu->slots, lockdep_is_held(&vm->lock));
	new = lodge_slots_change(old, args);
	if (IS_ERR(new)) {
		kvfree(dirty);
		return PTR_ERR(new);
	}
	if (dirty)
		find_id(new, args->slot)->dirty = dirty;
	replace_slots(mmu, old, new, find_id(old, args->slot));
	return 0;
}

/** lodge_slots_free() - an array that nobody reads any more, and what its slots have */
void lodge_slots_free(struct lodge_memslots *slots)
{
	u32 i;

	for (i = 0; slots && i < slots->count; i++) {
		kvfree(slots->slot[i].dirty);
		kvfree(slots->slot[i].watch);
	}
	kvfree(slots);
}

/* Do @op to the leaves of some pages of a slot, which may end before them. */
static bool leaves(struct lodge_vm *vm, const struct lodge_memslot *slot, u64 page, u64 end_page,
		   lodge_leaf_op op)
{
	u64 start = page * PAGE_SIZE, end = min(end_page * PAGE_SIZE, slot->bytes);

	guard(srcu)(&vm->mmu.srcu);
	return lodge_table_range(&vm->mmu, slot->gpa + start, slot->gpa + end, op, true);
}

/*
 * Hand out and clear words of the log: what cannot be handed out counts as written again. Only
 * where the CPU's marks alone tell of writes are all leaves looked at. A mark that goes after its
 * bit was of a write that is in what the caller copies.
 */
static int collect(struct lodge_vm *vm, const struct lodge_memslot *slot, u64 word, u64 words,
		   unsigned long *copy, u64 __user *to)
{
	u64 first = word * BITS_PER_LONG, bits = words * BITS_PER_LONG;
	bool marks = vm->mmu.dirty_marks, lists = vm->mmu.dirty_lists, stale = false;
	unsigned long i, end;

	/* What others have zapped and not flushed yet, a TLB may let the guest write to. */
	lodge_zap_begin(&vm->mmu);
	if (marks && !lists)
		stale = leaves(vm, slot, first, first + bits, lodge_leaf_clean);
	for (i = 0; i < words; i++)
		copy[i] = READ_ONCE(slot->dirty[word + i]) ? xchg(&slot->dirty[word + i], 0) : 0;
	if (!marks || lists)
		for_each_set_bitrange(i, end, copy, bits)
			stale |= leaves(vm, slot, first + i, first + end,
					lists ? lodge_leaf_unmark : lodge_leaf_protect);
	lodge_zap_end(&vm->mmu, stale);
	if (!copy_to_user(to, copy, words * sizeof(*copy)))
		return 0;
	for_each_set_bit(i, copy, bits)
		set_bit(first + i, slot->dirty);
	return -EFAULT;
}

/*
 * lodge_dirty_get() - LODGE_GET_DIRTY; vm->lock held. -EINVAL, -ENOENT (slot), -EFAULT, -ENOMEM.
 * The CPU's marks become bits; bits go, then permission to write where there are no marks, then
 * stale TLB entries, and then the caller copies pages: a write is in what he copies, or sets its
 * bit again.
 */
int lodge_dirty_get(struct lodge_vm *vm, void *from)
{
	const struct lodge_dirty *args = from;
	struct lodge_memslots *slots;
	struct lodge_memslot *slot;
	u64 word, end, now, pages;
	unsigned long *copy;
	int ret = 0;

	slots = rcu_dereference_protected(vm->mmu.slots, lockdep_is_held(&vm->lock));
	slot = find_id(slots, args->slot);
	if (!slot)
		return -ENOENT;
	pages = slot->bytes >> PAGE_SHIFT;
	if (args->pad || !slot->dirty || args->first % BITS_PER_LONG || args->first > pages ||
	    args->pages > pages - args->first)
		return -EINVAL;
	copy = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	/* On return each vCPU's list was drained: it is outside, or has been. */
	if (vm->mmu.dirty_lists)
		lodge_request_all_sync(vm, LODGE_REQ_EVENT);
	end = BITS_TO_LONGS(args->first + args->pages);
	for (word = args->first / BITS_PER_LONG; word < end && !ret; word += now) {
		now = min_t(u64, end - word, PAGE_SIZE / sizeof(*copy));
		ret = collect(vm, slot, word, now, copy, u64_to_user_ptr(args->bitmap) +
			      (word - args->first / BITS_PER_LONG) * sizeof(*copy));
	}
	free_page((unsigned long)copy);
	return ret;
}
