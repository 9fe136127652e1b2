// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds: an eventfd that raises an interrupt in the guest, straight from the
 * wake-up of whoever signals it.
 *
 * An irqfd is on one of two lists under irqfds->lock: in use, or dying. It
 * dies when it is deassigned, when its VM goes, or when the eventfd's last
 * file is closed. Only the work takes dying ones apart, because leaving a wait
 * queue is not possible from within its wake-up. Lock order: the eventfd's
 * wait-queue lock, then irqfds->lock.
 */
#include <linux/file.h>
#include <linux/poll.h>

#include "lodge.h"

struct irqfd {
	struct list_head list;
	struct lodge_vm *vm;
	struct eventfd_ctx *eventfd;
	wait_queue_entry_t wait;
	poll_table poll;
	bool dying;
	struct lodge_irqfd args;
};

/* A pulse on a line, or a message; any context. */
static void raise_irq(const struct irqfd *irqfd)
{
	const struct lodge_irqfd *args = &irqfd->args;

	if (args->flags & LODGE_IRQFD_MSI) {
		lodge_irq_msi(irqfd->vm, args->addr, args->data);
	} else {
		lodge_irq_line(irqfd->vm, args->gsi, true);
		lodge_irq_line(irqfd->vm, args->gsi, false);
	}
}

/* Under irqfds->lock. */
static void bury(struct irqfd *irqfd)
{
	struct lodge_irqfds *irqfds = &irqfd->vm->irqfds;

	if (irqfd->dying)
		return;
	irqfd->dying = true;
	list_move_tail(&irqfd->list, &irqfds->dying);
	schedule_work(&irqfds->reap);
}

static void reap(struct work_struct *work)
{
	struct lodge_irqfds *irqfds = container_of(work, struct lodge_irqfds, reap);
	struct irqfd *irqfd, *next;
	LIST_HEAD(dying);
	u64 count;

	spin_lock_irq(&irqfds->lock);
	list_splice_init(&irqfds->dying, &dying);
	spin_unlock_irq(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &dying, list) {
		/* On return no wake-up is under way and none will come. */
		eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
		eventfd_ctx_put(irqfd->eventfd);
		kfree(irqfd);
	}
}

/* Called with the eventfd's wait-queue lock held and interrupts off. */
static int woken(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	struct lodge_irqfds *irqfds = &irqfd->vm->irqfds;
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		raise_irq(irqfd);
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&irqfds->lock, flags);
		bury(irqfd);
		spin_unlock_irqrestore(&irqfds->lock, flags);
	}
	return 0;
}

static void queue(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	add_wait_queue(head, &container_of(poll, struct irqfd, poll)->wait);
}

void lodge_irqfds_create(struct lodge_vm *vm)
{
	spin_lock_init(&vm->irqfds.lock);
	INIT_LIST_HEAD(&vm->irqfds.used);
	INIT_LIST_HEAD(&vm->irqfds.dying);
	INIT_WORK(&vm->irqfds.reap, reap);
}

/* Sleeps; on return nothing raises interrupts. */
void lodge_irqfds_destroy(struct lodge_vm *vm)
{
	struct irqfd *irqfd, *next;

	spin_lock_irq(&vm->irqfds.lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds.used, list)
		bury(irqfd);
	spin_unlock_irq(&vm->irqfds.lock);
	flush_work(&vm->irqfds.reap);
}

/* Under irqfds->lock. */
static struct irqfd *find(struct lodge_irqfds *irqfds, const struct eventfd_ctx *eventfd)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &irqfds->used, list)
		if (irqfd->eventfd == eventfd)
			return irqfd;
	return NULL;
}

static int assign(struct lodge_vm *vm, const struct lodge_irqfd *args, struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->args = *args;
	init_waitqueue_func_entry(&irqfd->wait, woken);
	init_poll_funcptr(&irqfd->poll, queue);
	irqfd->eventfd = eventfd_ctx_fileget(file);
	ret = PTR_ERR_OR_ZERO(irqfd->eventfd);
	if (ret)
		goto free;
	spin_lock_irq(&vm->irqfds.lock);
	if (find(&vm->irqfds, irqfd->eventfd))
		ret = -EBUSY;
	else
		list_add_tail(&irqfd->list, &vm->irqfds.used);
	spin_unlock_irq(&vm->irqfds.lock);
	if (ret)
		goto put;
	/* The file is open, so it cannot hang up meanwhile. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		raise_irq(irqfd);
	return 0;
put:
	eventfd_ctx_put(irqfd->eventfd);
free:
	kfree(irqfd);
	return ret;
}

static int deassign(struct lodge_vm *vm, struct file *file)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fileget(file);
	struct lodge_irqfds *irqfds = &vm->irqfds;
	struct irqfd *irqfd;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	spin_lock_irq(&irqfds->lock);
	irqfd = find(irqfds, eventfd);
	if (irqfd)
		bury(irqfd);
	spin_unlock_irq(&irqfds->lock);
	eventfd_ctx_put(eventfd);
	if (!irqfd)
		return -ENOENT;
	flush_work(&irqfds->reap);
	return 0;
}

/*
 * LODGE_SET_IRQFD, VM locked: -EINVAL (line, not an eventfd); -EBADF; -EBUSY (the
 * eventfd has one already); -ENOENT (nothing to undo); -ENOMEM.
 */
int lodge_irqfd_set(struct lodge_vm *vm, void *from)
{
	const struct lodge_irqfd *args = from;
	bool undo = args->flags & LODGE_IRQFD_DEASSIGN;
	struct file *file;
	int ret;

	if (!undo && !(args->flags & LODGE_IRQFD_MSI) && args->gsi >= LODGE_NR_GSIS)
		return -EINVAL;
	file = fget(args->fd);
	if (!file)
		return -EBADF;
	ret = undo ? deassign(vm, file) : assign(vm, args, file);
	fput(file);
	return ret;
}
