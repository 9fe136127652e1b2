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
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "lodge.h"

struct lodge_irqfds {
	spinlock_t lock;	/* both lists, and irqfd->dying */
	struct list_head used;
	struct list_head dying;
	struct work_struct reap;
};

struct irqfd {
	struct list_head list;
	struct lodge_vm *vm;
	struct eventfd_ctx *eventfd;
	wait_queue_entry_t wait;
	poll_table poll;
	bool waiting;		/* on the eventfd's wait queue */
	bool dying;
	bool msi;
	u32 gsi;
	u64 addr;
	u32 data;
};

/* A pulse on a line, or a message; any context. */
static void raise_irq(const struct irqfd *irqfd)
{
	if (irqfd->msi) {
		lodge_irq_msi(irqfd->vm, irqfd->addr, irqfd->data);
	} else {
		lodge_irq_line(irqfd->vm, irqfd->gsi, true);
		lodge_irq_line(irqfd->vm, irqfd->gsi, false);
	}
}

/* Under irqfds->lock. */
static void bury(struct lodge_irqfds *irqfds, struct irqfd *irqfd)
{
	if (irqfd->dying)
		return;
	irqfd->dying = true;
	list_move_tail(&irqfd->list, &irqfds->dying);
	schedule_work(&irqfds->reap);
}

static struct irqfd *next_dying(struct lodge_irqfds *irqfds)
{
	struct irqfd *irqfd;
	unsigned long irq;

	spin_lock_irqsave(&irqfds->lock, irq);
	irqfd = list_first_entry_or_null(&irqfds->dying, struct irqfd, list);
	if (irqfd)
		list_del(&irqfd->list);
	spin_unlock_irqrestore(&irqfds->lock, irq);
	return irqfd;
}

static void reap(struct work_struct *work)
{
	struct lodge_irqfds *irqfds = container_of(work, struct lodge_irqfds, reap);
	struct irqfd *irqfd;
	u64 count;

	while ((irqfd = next_dying(irqfds))) {
		/* On return no wake-up is under way and none will come. */
		if (irqfd->waiting)
			eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait,
						      &count);
		eventfd_ctx_put(irqfd->eventfd);
		kfree(irqfd);
	}
}

/* Called with the eventfd's wait-queue lock held and interrupts off. */
static int woken(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	struct lodge_irqfds *irqfds = irqfd->vm->irqfds;
	__poll_t events = key_to_poll(key);
	unsigned long irq;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		raise_irq(irqfd);
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&irqfds->lock, irq);
		bury(irqfds, irqfd);
		spin_unlock_irqrestore(&irqfds->lock, irq);
	}
	return 0;
}

static void queue(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	irqfd->waiting = true;
	add_wait_queue(head, &irqfd->wait);
}

/**
 * lodge_irqfds_create() - a new VM has no irqfds
 * @vm: VM
 *
 * Return: 0 or -ENOMEM.
 */
int lodge_irqfds_create(struct lodge_vm *vm)
{
	struct lodge_irqfds *irqfds;

	irqfds = kzalloc(sizeof(*irqfds), GFP_KERNEL_ACCOUNT);
	if (!irqfds)
		return -ENOMEM;
	spin_lock_init(&irqfds->lock);
	INIT_LIST_HEAD(&irqfds->used);
	INIT_LIST_HEAD(&irqfds->dying);
	INIT_WORK(&irqfds->reap, reap);
	vm->irqfds = irqfds;
	return 0;
}

/**
 * lodge_irqfds_destroy() - the reverse; on return nothing raises interrupts
 * @vm: VM; sleeps
 */
void lodge_irqfds_destroy(struct lodge_vm *vm)
{
	struct lodge_irqfds *irqfds = vm->irqfds;
	struct irqfd *irqfd, *next;

	spin_lock_irq(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->used, list)
		bury(irqfds, irqfd);
	spin_unlock_irq(&irqfds->lock);
	flush_work(&irqfds->reap);
	kfree(irqfds);
	vm->irqfds = NULL;
}

/* Under irqfds->lock. */
static struct irqfd *find(struct lodge_irqfds *irqfds,
			  const struct eventfd_ctx *eventfd)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &irqfds->used, list)
		if (irqfd->eventfd == eventfd)
			return irqfd;
	return NULL;
}

static struct irqfd *make(struct lodge_vm *vm, const struct lodge_irqfd *args)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	irqfd->vm = vm;
	irqfd->msi = args->flags & LODGE_IRQFD_MSI;
	irqfd->gsi = args->gsi;
	irqfd->addr = args->addr;
	irqfd->data = args->data;
	init_waitqueue_func_entry(&irqfd->wait, woken);
	init_poll_funcptr(&irqfd->poll, queue);
	return irqfd;
}

/* One irqfd per eventfd. */
static int insert(struct lodge_irqfds *irqfds, struct irqfd *irqfd)
{
	int ret = -EBUSY;

	spin_lock_irq(&irqfds->lock);
	if (!find(irqfds, irqfd->eventfd)) {
		list_add_tail(&irqfd->list, &irqfds->used);
		ret = 0;
	}
	spin_unlock_irq(&irqfds->lock);
	return ret;
}

static int assign(struct lodge_vm *vm, const struct lodge_irqfd *args)
{
	struct irqfd *irqfd = make(vm, args);
	struct file *file;
	int ret = -EBADF;

	if (!irqfd)
		return -ENOMEM;
	file = fget(args->fd);
	if (!file)
		goto free;
	irqfd->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->eventfd)) {
		ret = PTR_ERR(irqfd->eventfd);
		goto put_file;
	}
	ret = insert(vm->irqfds, irqfd);
	if (ret) {
		eventfd_ctx_put(irqfd->eventfd);
		goto put_file;
	}
	/* The file is open until fput(), so it cannot hang up meanwhile. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		raise_irq(irqfd);
	fput(file);
	return 0;
put_file:
	fput(file);
free:
	kfree(irqfd);
	return ret;
}

static int deassign(struct lodge_vm *vm, const struct lodge_irqfd *args)
{
	struct lodge_irqfds *irqfds = vm->irqfds;
	struct eventfd_ctx *eventfd;
	struct irqfd *irqfd;

	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	spin_lock_irq(&irqfds->lock);
	irqfd = find(irqfds, eventfd);
	if (irqfd)
		bury(irqfds, irqfd);
	spin_unlock_irq(&irqfds->lock);
	eventfd_ctx_put(eventfd);
	if (!irqfd)
		return -ENOENT;
	flush_work(&irqfds->reap);
	return 0;
}

/**
 * lodge_irqfd_set() - bind an eventfd to an interrupt, or undo it
 * @vm: VM, its lock held
 * @args: what userspace wants
 *
 * Return: 0; -EINVAL (line, not an eventfd); -EBADF; -EBUSY (the eventfd has
 * one already); -ENOENT (nothing to undo); -ENOMEM.
 */
int lodge_irqfd_set(struct lodge_vm *vm, const struct lodge_irqfd *args)
{
	if (args->flags & LODGE_IRQFD_DEASSIGN)
		return deassign(vm, args);
	if (!(args->flags & LODGE_IRQFD_MSI) && args->gsi >= LODGE_NR_GSIS)
		return -EINVAL;
	return assign(vm, args);
}
