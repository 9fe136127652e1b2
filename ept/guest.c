// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory as the kernel touches it: through the owner's user addresses,
 * so that the host's memory manager sees every access.
 */
#include "lodge.h"
#include "table.h"

static const struct lodge_memslot *slot_for(struct lodge_vm *vm, u64 gpa, bool write)
{
	const struct lodge_memslot *slot;

	slot = lodge_slot_find(srcu_dereference(vm->mmu.slots, &vm->mmu.srcu), gpa);
	return slot && write && (slot->flags & LODGE_SLOT_READONLY) ? NULL : slot;
}

/*
 * lodge_gpa_to_user() - where an address of the guest is in the owner's memory, and how many bytes
 * of its slot begin there. vm->mmu.srcu is held as long as the result is used, which access_ok()
 * has seen, or is NULL. A read-only slot will not do for @write; lodge_mark_dirty() after it
 */
void __user *lodge_gpa_to_user(struct lodge_vm *vm, u64 gpa, bool write, u64 *contiguous)
{
	const struct lodge_memslot *slot = slot_for(vm, gpa, write);

	if (!slot)
		return NULL;
	*contiguous = slot->bytes - (gpa - slot->gpa);
	return (void __user *)(slot->user_addr + (gpa - slot->gpa));
}

/*
 * lodge_mark_dirty() - log a write that went through lodge_gpa_to_user(), after it was done and
 * under the same srcu read lock: whoever collects the log sees the write or the mark. What went to
 * a slot of before, as a chain that was under way, may be longer than the slot that is there now.
 */
void lodge_mark_dirty(struct lodge_vm *vm, u64 gpa, u32 bytes)
{
	const struct lodge_memslot *slot = slot_for(vm, gpa, true);
	u64 page, end;

	if (likely(!slot || !slot->dirty))
		return;
	end = min(gpa - slot->gpa + bytes, slot->bytes);
	for (page = (gpa - slot->gpa) >> PAGE_SHIFT; page < DIV_ROUND_UP(end, PAGE_SIZE); page++)
		set_bit(page, slot->dirty);
}

/** lodge_mark_list() - log what the CPU has listed; any ring */
void lodge_mark_list(struct lodge_vm *vm, const u64 *gpas, u32 count)
{
	guard(srcu)(&vm->mmu.srcu);
	while (count--)
		lodge_mark_dirty(vm, gpas[count], 1);
}

/* Copy between @user, the guest's side, and @kernel; 0 when all of it was copied. */
static unsigned long copy(void __user *user, void *kernel, u32 bytes, bool write, bool atomic)
{
	unsigned long left;

	if (!atomic)
		return write ? copy_to_user(user, kernel, bytes) :
			       copy_from_user(kernel, user, bytes);
	pagefault_disable();
	left = write ? __copy_to_user_inatomic(user, kernel, bytes) :
		       __copy_from_user_inatomic(kernel, user, bytes);
	pagefault_enable();
	return left;
}

/*
 * lodge_copy_guest() - in the owner's mm: 0, or -ENXIO without a slot. In ring 2 also -EFAULT when
 * the host has no memory there; in ring 1, with @atomic, also -EAGAIN when the host page is absent.
 * What failed may have been done in part. For @write, a read-only slot counts as none. Slot by
 * slot: neighbours need not be neighbours in the owner's memory.
 */
int lodge_copy_guest(struct lodge_vm *vm, u64 gpa, void *kernel, u32 bytes, bool write, bool atomic)
{
	void __user *user;
	u64 contiguous;
	int ret = 0;
	u32 now;

	guard(srcu)(&vm->mmu.srcu);
	for (; bytes && !ret; gpa += now, kernel += now, bytes -= now) {
		user = lodge_gpa_to_user(vm, gpa, write, &contiguous);
		if (!user)
			return -ENXIO;
		now = min_t(u64, bytes, contiguous);
		if (copy(user, kernel, now, write, atomic))
			ret = atomic ? -EAGAIN : -EFAULT;
		if (write)
			lodge_mark_dirty(vm, gpa, now);
	}
	return ret;
}
