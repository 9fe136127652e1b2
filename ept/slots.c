// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: which guest physical addresses are which user addresses.
 *
 * A sorted array, replaced as a whole under vm->lock and read under SRCU. To
 * remove or replace a slot, its user addresses are barred as by the MMU
 * notifier, its leaves zapped while the slot can still be found (a notifier
 * that comes meanwhile finds it, too), and then the new array is published.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lodge.h"
#include "table.h"

/**
 * lodge_slot_find() - the slot an address is in
 * @slots: array
 * @gpa: guest physical address
 */
const struct lodge_memslot *lodge_slot_find(const struct lodge_memslots *slots,
					    u64 gpa)
{
	const struct lodge_memslot *slot;
	u32 low = 0;
	u32 high = slots->count;
	u32 middle;

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

/**
 * lodge_slot_check() - is this a slot at all?
 * @args: from userspace
 * @phys_bits: guest physical address width
 *
 * Return: 0, -EINVAL, or -EFAULT when the memory cannot be the caller's.
 */
int lodge_slot_check(const struct lodge_slot *args, u32 phys_bits)
{
	u64 end;

	if (args->flags & ~LODGE_SLOT_READONLY || args->pad ||
	    args->slot >= LODGE_MAX_SLOTS)
		return -EINVAL;
	if (!args->bytes)
		return 0;
	if (!PAGE_ALIGNED(args->gpa | args->bytes | args->user_addr))
		return -EINVAL;
	if (check_add_overflow(args->gpa, args->bytes, &end) ||
	    end > BIT_ULL(phys_bits))
		return -EINVAL;
	if (check_add_overflow(args->user_addr, args->bytes, &end) ||
	    !access_ok((void __user *)args->user_addr, args->bytes))
		return -EFAULT;
	return 0;
}

static const struct lodge_memslot *find_id(const struct lodge_memslots *slots,
					   u32 id)
{
	u32 i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i].id == id)
			return &slots->slot[i];
	return NULL;
}

static bool overlaps(const struct lodge_memslots *slots,
		     const struct lodge_slot *args)
{
	const struct lodge_memslot *slot;
	u32 i;

	for (i = 0; i < slots->count; i++) {
		slot = &slots->slot[i];
		if (slot->id != args->slot &&
		    slot->gpa < args->gpa + args->bytes &&
		    args->gpa < slot->gpa + slot->bytes)
			return true;
	}
	return false;
}

static void append(struct lodge_memslots *slots, const struct lodge_slot *args)
{
	slots->slot[slots->count++] = (struct lodge_memslot) {
		.gpa = args->gpa,
		.bytes = args->bytes,
		.user_addr = args->user_addr,
		.id = args->slot,
		.flags = args->flags,
	};
}

/* @old without the slot @args names, and with @args in its place. */
static void merge(struct lodge_memslots *new, const struct lodge_memslots *old,
		  const struct lodge_slot *args)
{
	bool pending = args->bytes;
	u32 i;

	for (i = 0; i < old->count; i++) {
		if (old->slot[i].id == args->slot)
			continue;
		if (pending && args->gpa < old->slot[i].gpa) {
			append(new, args);
			pending = false;
		}
		new->slot[new->count++] = old->slot[i];
	}
	if (pending)
		append(new, args);
}

/**
 * lodge_slots_change() - a new array with one slot set, replaced or deleted
 * @old: array to start from
 * @args: checked by lodge_slot_check()
 *
 * Return: the array, to be freed with kvfree(), or -ENOENT, -EEXIST, -ENOMEM.
 */
struct lodge_memslots *lodge_slots_change(const struct lodge_memslots *old,
					  const struct lodge_slot *args)
{
	struct lodge_memslots *new;

	if (!args->bytes && !find_id(old, args->slot))
		return ERR_PTR(-ENOENT);
	if (args->bytes && overlaps(old, args))
		return ERR_PTR(-EEXIST);
	new = kvzalloc(struct_size(new, slot, old->count + 1),
		       GFP_KERNEL_ACCOUNT);
	if (!new)
		return ERR_PTR(-ENOMEM);
	new->generation = old->generation + 1;
	merge(new, old, args);
	return new;
}

/**
 * lodge_slot_gpa_range() - which part of a slot has these user addresses?
 * @slot: slot
 * @start: first user address
 * @end: behind the last
 * @gpa: out: first guest physical address, page aligned
 * @gpa_end: out: behind the last
 *
 * Return: false when there is none.
 */
bool lodge_slot_gpa_range(const struct lodge_memslot *slot, unsigned long start,
			  unsigned long end, u64 *gpa, u64 *gpa_end)
{
	unsigned long first = max(start, slot->user_addr) & PAGE_MASK;
	unsigned long last = min(end, slot->user_addr + slot->bytes);

	if (first >= last)
		return false;
	*gpa = slot->gpa + (first - slot->user_addr);
	*gpa_end = slot->gpa + (PAGE_ALIGN(last) - slot->user_addr);
	return true;
}

/**
 * lodge_slot_max_level() - the largest leaf the slot has room for
 * @slot: slot
 * @gpa: address in it
 * @level: largest leaf allowed otherwise
 */
int lodge_slot_max_level(const struct lodge_memslot *slot, u64 gpa, int level)
{
	u64 bytes, start;

	for (; level > 1; level--) {
		bytes = lodge_level_bytes(level);
		start = ALIGN_DOWN(gpa, bytes);
		if (IS_ALIGNED(slot->gpa - slot->user_addr, bytes) &&
		    start >= slot->gpa &&
		    start + bytes <= slot->gpa + slot->bytes)
			break;
	}
	return level;
}

static void slot_zap(struct lodge_mmu *mmu, const struct lodge_memslot *slot)
{
	bool zapped;

	lodge_zap_begin(mmu);
	zapped = lodge_table_range(mmu, slot->gpa, slot->gpa + slot->bytes,
				   lodge_leaf_zap, true);
	lodge_zap_end(mmu, zapped);
}

/**
 * lodge_slot_set() - LODGE_SET_SLOT
 * @vm: VM, vm->lock held
 * @args: a copy of userspace's struct
 *
 * On return neither the guest nor the kernel uses the old slot any more.
 */
int lodge_slot_set(struct lodge_vm *vm, const struct lodge_slot *args)
{
	struct lodge_mmu *mmu = &vm->mmu;
	const struct lodge_memslot *gone;
	struct lodge_memslots *old, *new;
	int ret;

	ret = lodge_slot_check(args, lodge_mmu_phys_bits(mmu->format));
	if (ret)
		return ret;
	old = rcu_dereference_protected(mmu->slots, lockdep_is_held(&vm->lock));
	new = lodge_slots_change(old, args);
	if (IS_ERR(new))
		return PTR_ERR(new);

	gone = find_id(old, args->slot);
	if (gone) {
		lodge_notifier_begin(mmu, gone->user_addr,
				     gone->user_addr + gone->bytes);
		slot_zap(mmu, gone);
	}
	rcu_assign_pointer(mmu->slots, new);
	if (gone)
		lodge_notifier_end(mmu);
	synchronize_srcu_expedited(&mmu->srcu);
	kvfree(old);
	return 0;
}
