// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory as the kernel touches it: through the owner's user addresses,
 * so that the host's memory manager sees every access.
 */
#include <linux/uaccess.h>

#include "lodge.h"
#include "table.h"

/**
 * lodge_gpa_to_user() - where an address of the guest is in the owner's memory
 * @vm: VM; vm->mmu.srcu is held for reading as long as the result is used
 * @gpa: guest physical address
 * @write: a read-only slot will not do
 * @contiguous: out: bytes from there to the end of the slot
 *
 * Return: a user address that access_ok() has seen, or NULL.
 */
void __user *lodge_gpa_to_user(struct lodge_vm *vm, u64 gpa, bool write,
			       u64 *contiguous)
{
	const struct lodge_memslots *slots;
	const struct lodge_memslot *slot;

	slots = srcu_dereference(vm->mmu.slots, &vm->mmu.srcu);
	slot = lodge_slot_find(slots, gpa);
	if (!slot || (write && (slot->flags & LODGE_SLOT_READONLY)))
		return NULL;
	*contiguous = slot->bytes - (gpa - slot->gpa);
	return (void __user *)(slot->user_addr + (gpa - slot->gpa));
}

/* How one piece within one slot is copied; @user is the guest's side. */
typedef int (*copy_fn)(void __user *user, void *kernel, u32 bytes);

static int copy_in(void __user *user, void *kernel, u32 bytes)
{
	return copy_from_user(kernel, user, bytes) ? -EFAULT : 0;
}

static int copy_out(void __user *user, void *kernel, u32 bytes)
{
	return copy_to_user(user, kernel, bytes) ? -EFAULT : 0;
}

static int copy_in_atomic(void __user *user, void *kernel, u32 bytes)
{
	unsigned long left;

	pagefault_disable();
	left = __copy_from_user_inatomic(kernel, user, bytes);
	pagefault_enable();
	return left ? -EAGAIN : 0;
}

static int copy_out_atomic(void __user *user, void *kernel, u32 bytes)
{
	unsigned long left;

	pagefault_disable();
	left = __copy_to_user_inatomic(user, kernel, bytes);
	pagefault_enable();
	return left ? -EAGAIN : 0;
}

/* Slot by slot: neighbours need not be neighbours in the owner's memory. */
static int copy_guest(struct lodge_vm *vm, u64 gpa, void *kernel, u32 bytes,
		      bool write, copy_fn copy)
{
	void __user *user;
	u64 contiguous;
	int ret = 0;
	u32 now;
	int idx;

	idx = srcu_read_lock(&vm->mmu.srcu);
	while (bytes && !ret) {
		user = lodge_gpa_to_user(vm, gpa, write, &contiguous);
		if (!user) {
			ret = -ENXIO;
			break;
		}
		now = min_t(u64, bytes, contiguous);
		ret = copy(user, kernel, now);
		gpa += now;
		kernel += now;
		bytes -= now;
	}
	srcu_read_unlock(&vm->mmu.srcu, idx);
	return ret;
}

/**
 * lodge_read_guest() - read guest memory; ring 2
 * @vm: VM of the current mm
 * @gpa: guest physical address
 * @to: kernel buffer
 * @bytes: how many
 *
 * Return: 0, -EFAULT when the host has no memory there, -ENXIO without a slot.
 */
int lodge_read_guest(struct lodge_vm *vm, u64 gpa, void *to, u32 bytes)
{
	return copy_guest(vm, gpa, to, bytes, false, copy_in);
}

/**
 * lodge_write_guest() - write guest memory; ring 2
 * @vm: VM of the current mm
 * @gpa: guest physical address
 * @from: kernel buffer
 * @bytes: how many
 *
 * Return: as lodge_read_guest(); a read-only slot counts as none.
 */
int lodge_write_guest(struct lodge_vm *vm, u64 gpa, const void *from, u32 bytes)
{
	return copy_guest(vm, gpa, (void *)from, bytes, true, copy_out);
}

/**
 * lodge_read_guest_atomic() - read guest memory without faulting; ring 1
 * @vm: VM of the current mm
 * @gpa: guest physical address
 * @to: kernel buffer
 * @bytes: how many
 *
 * Return: 0, -EAGAIN when the host page is absent, -ENXIO without a slot.
 */
int lodge_read_guest_atomic(struct lodge_vm *vm, u64 gpa, void *to, u32 bytes)
{
	return copy_guest(vm, gpa, to, bytes, false, copy_in_atomic);
}

/**
 * lodge_write_guest_atomic() - write guest memory without faulting; ring 1
 * @vm: VM of the current mm
 * @gpa: guest physical address
 * @from: kernel buffer
 * @bytes: how many
 *
 * Return: as lodge_read_guest_atomic(). After -EAGAIN a part may be written.
 */
int lodge_write_guest_atomic(struct lodge_vm *vm, u64 gpa, const void *from,
			     u32 bytes)
{
	return copy_guest(vm, gpa, (void *)from, bytes, true, copy_out_atomic);
}
