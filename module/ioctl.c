// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table engine: copies structs in and out by the rules at the top of
 * uapi/lodge.h, takes the locks that the row names and calls its handler.
 *
 * Lock order: vm->lock, then vcpu->lock. No handler faults user memory under
 * a spinlock, and none is called with user memory that may still change: the
 * struct is fetched once.
 */

#include "lodge.h"
#include "ioctl.h"

/* Every struct of an ioctl begins like this. */
struct header {
	u32 size;
	u32 flags;
};

#define SMALL_WORDS	20	/* what is this short lives on the stack */

/** lodge_ioctl_find() - the row of an ioctl, or NULL */
const struct lodge_ioctl *lodge_ioctl_find(const struct lodge_ioctl *rows, unsigned int count,
					   unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

/** lodge_ioctl_check_size() - -EINVAL below the minimum; -E2BIG above any struct to come */
int lodge_ioctl_check_size(const struct lodge_ioctl *row, u32 size)
{
	if (size < row->min_bytes)
		return -EINVAL;
	return size > PAGE_SIZE ? -E2BIG : 0;
}

/** lodge_ioctl_check_flags() - does this ioctl know all of these flags? 0 or -EINVAL */
int lodge_ioctl_check_flags(const struct lodge_ioctl *row, u32 flags)
{
	return flags & ~row->flags ? -EINVAL : 0;
}

/* @args is zeroed. A tail that is unknown here must be zero: -E2BIG. */
static int copy_in(const struct lodge_ioctl *row, struct header *args, void __user *from)
{
	u32 size;
	int ret;

	if (get_user(size, (u32 __user *)from))
		return -EFAULT;
	ret = lodge_ioctl_check_size(row, size) ?:
	      copy_struct_from_user(args, row->bytes, from, size);
	if (ret)
		return ret;
	args->size = size;	/* what was checked, not what was read again */
	return lodge_ioctl_check_flags(row, args->flags);
}

static int copy_out(const struct lodge_ioctl *row, const struct header *args, u32 size,
		    void __user *to)
{
	u32 known = min_t(u32, size, row->bytes);

	if (copy_to_user(to, args, known))
		return -EFAULT;
	return clear_user(to + known, size - known) ? -EFAULT : 0;
}

static int call(const struct lodge_ioctl *row, struct lodge_target *target, void *args)
{
	if (target->vcpu)
		return row->vcpu(target->vcpu, args);
	if (target->virtio)
		return row->virtio(target->virtio, args);
	return target->vm ? row->vm(target->vm, args) : row->dev(args);
}

/* vcpu->lock is held for the whole of LODGE_RUN: only a kill may be waited for. */
static int call_handler(const struct lodge_ioctl *row, struct lodge_target *target, void *args)
{
	struct lodge_vcpu *vcpu = target->vcpu;
	struct mutex *lock;	/* that of @row */
	int ret;

	if (row->lock == LODGE_LOCK_NONE)
		return call(row, target, args);
	lock = row->lock == LODGE_LOCK_VM ? &target->vm->lock : &vcpu->lock;
	if (mutex_lock_killable(lock))
		return -EINTR;
	if (row->lock == LODGE_LOCK_LOADED)
		lodge_vcpu_load(vcpu);
	ret = call(row, target, args);
	if (row->lock == LODGE_LOCK_LOADED)
		lodge_vcpu_put(vcpu);
	mutex_unlock(lock);
	return ret;
}

static long call_with_struct(const struct lodge_ioctl *row, struct lodge_target *target,
			     struct header *args, void __user *user)
{
	int ret = copy_in(row, args, user);
	u32 size = args->size;

	if (ret)
		return ret;
	/* What cannot be told must not happen: a descriptor would be lost. */
	if (row->copy != LODGE_COPY_IN && copy_out(row, args, size, user))
		return -EFAULT;
	ret = call_handler(row, target, args);
	if (row->copy == LODGE_COPY_IN || (ret < 0 && row->copy != LODGE_COPY_ALWAYS))
		return ret;
	return copy_out(row, args, size, user) ?: ret;
}

static noinline long ioctl_with_struct(const struct lodge_ioctl *row, struct lodge_target *target,
				       unsigned long arg)
{
	u64 small[SMALL_WORDS] = {};
	void *args = small;
	long ret;

	if (row->bytes > sizeof(small))
		args = kzalloc(row->bytes, GFP_KERNEL_ACCOUNT);
	if (!args)
		return -ENOMEM;
	ret = call_with_struct(row, target, args, (void __user *)arg);
	if (args != small)
		kfree(args);
	return ret;
}

/*
 * lodge_ioctl() - do an ioctl: the handler's result, or -ENOTTY, -EIO, -EFAULT, -EINVAL, -E2BIG,
 * -ENOMEM, -EINTR. Guest memory belongs to one mm, and a killed VM answers nothing any more.
 */
long lodge_ioctl(const struct lodge_ioctl *rows, unsigned int count, struct lodge_target *target,
		 unsigned int cmd, unsigned long arg)
{
	const struct lodge_ioctl *row = lodge_ioctl_find(rows, count, cmd);
	struct lodge_vm *vm = target->vm;

	if (!row)
		return -ENOTTY;
	if (vm && (vm->mm != current->mm || READ_ONCE(vm->dead)))
		return -EIO;
	return ioctl_with_struct(row, target, arg);
}

/*
 * lodge_array_out() - give an array of @count elements to the caller, who has room for *@room;
 * *@room becomes @count. -ENOSPC when there is not room for all; -EFAULT
 */
int lodge_array_out(u64 to, u32 *room, const void *from, u32 count, size_t each)
{
	bool fits = *room >= count;

	*room = count;
	if (!fits)
		return -ENOSPC;
	return copy_to_user(u64_to_user_ptr(to), from, count * each) ? -EFAULT : 0;
}
