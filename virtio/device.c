// SPDX-License-Identifier: GPL-2.0-only
/* A virtio device's file descriptor, its ioctls and the threads that serve it. */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../module/lodge.h"
#include "../module/ioctl.h"
#include "virtio.h"

/* Not in every kernel's header. */
#define VIRTIO_F_NOTIFICATION_DATA	38

#define RING_FEATURES	(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |		\
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |		\
			 BIT_ULL(VIRTIO_F_VERSION_1) |			\
			 BIT_ULL(VIRTIO_F_RING_PACKED) |		\
			 BIT_ULL(VIRTIO_F_NOTIFICATION_DATA) |	\
			 BIT_ULL(VIRTIO_F_RING_RESET))

static const struct lodge_virtio_ops *const kinds[] = {
	&lodge_virtio_blk,
	&lodge_virtio_console,
	&lodge_virtio_net,
	&lodge_virtio_rng,
};

static const struct file_operations virtio_fops;

static struct lodge_queue *queue_of(struct lodge_virtio *dev, u32 index)
{
	return index < dev->count ? &dev->queue[array_index_nospec(index, dev->count)] : NULL;
}

/* One ring at a time can wait for this vCPU to come to ring 2. */
void lodge_virtio_doorbell(struct lodge_vcpu *vcpu, struct lodge_virtio *dev, u64 value)
{
	struct lodge_queue *queue = queue_of(dev, (u16)value);

	if (!queue || queue == vcpu->rung)
		return;
	if (vcpu->rung || !(READ_ONCE(queue->direct) || READ_ONCE(queue->event))) {
		lodge_queue_ring(queue);
		return;
	}
	kref_get(&dev->ref);
	vcpu->rung = queue;
	set_bit(LODGE_REQ_RING, &vcpu->requests);
}

struct lodge_virtio *lodge_virtio_get_fd(struct lodge_vm *vm, int fd)
{
	struct lodge_virtio *dev = ERR_PTR(-EINVAL);
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &virtio_fops) {
		dev = file->private_data;
		if (dev->vm == vm)
			kref_get(&dev->ref);
		else
			dev = ERR_PTR(-EINVAL);
	}
	fput(file);
	return dev;
}

static void free_device(struct kref *ref)
{
	struct lodge_virtio *dev = container_of(ref, struct lodge_virtio, ref);

	if (dev->event)
		eventfd_ctx_put(dev->event);
	kvfree_rcu(dev, rcu);
}

void lodge_virtio_put(struct lodge_virtio *dev)
{
	kref_put(&dev->ref, free_device);
}

/* Serving */

static int on_event(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct lodge_queue_poll *poll = container_of(entry, struct lodge_queue_poll, entry);
	__poll_t events = key_to_poll(key);

	if (!events || events & (poll->queue->dev->ops->events(poll->queue) | EPOLLERR | EPOLLHUP))
		lodge_queue_ring(poll->queue);
	return 0;
}

struct attach {
	poll_table table;
	struct lodge_queue *queue;
	int used;
};

/* A file has one wait queue, or one for each direction. */
static void on_attach(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct attach *attach = container_of(table, struct attach, table);
	struct lodge_queue_poll *poll;

	if (attach->used == ARRAY_SIZE(attach->queue->poll))
		return;
	poll = &attach->queue->poll[attach->used++];
	init_waitqueue_func_entry(&poll->entry, on_event);
	poll->queue = attach->queue;
	poll->head = head;
	add_wait_queue(head, &poll->entry);
}

/* Under dev->lock. */
static void attach(struct lodge_queue *queue)
{
	const struct lodge_virtio_ops *ops = queue->dev->ops;
	struct attach attach = { .queue = queue };

	queue->attached = true;
	if (!ops->events || !queue->backend || !ops->events(queue))
		return;
	init_poll_funcptr(&attach.table, on_attach);
	vfs_poll(queue->backend, &attach.table);
	lodge_queue_ring(queue);
}

static void detach(struct lodge_queue *queue)
{
	struct lodge_queue_poll *poll = queue->poll;

	for (; poll < queue->poll + ARRAY_SIZE(queue->poll); poll++) {
		if (poll->head)
			remove_wait_queue(poll->head, &poll->entry);
		poll->head = NULL;
	}
	queue->attached = false;
}

static int claim(struct lodge_virtio *dev, unsigned long rings)
{
	u32 i;

	if (!rings || fls64(rings) > dev->count || dev->ops == &lodge_virtio_user)
		return -EINVAL;
	if (mutex_lock_killable(&dev->lock))
		return -EINTR;
	if (dev->served & rings) {
		mutex_unlock(&dev->lock);
		return -EBUSY;
	}
	dev->served |= rings;
	for_each_set_bit(i, &rings, dev->count) {
		WRITE_ONCE(dev->queue[i].server, __ffs(rings));
		attach(&dev->queue[i]);
		WRITE_ONCE(dev->queue[i].direct, dev->ops->here && dev->ops->here(&dev->queue[i]));
	}
	mutex_unlock(&dev->lock);
	return 0;
}

/* Nothing outlives the thread: a process that ends has no I/O under way. */
static void leave(struct lodge_virtio *dev, unsigned long rings)
{
	u32 i;

	mutex_lock(&dev->lock);
	for_each_set_bit(i, &rings, dev->count) {
		WRITE_ONCE(dev->queue[i].direct, false);
		detach(&dev->queue[i]);
	}
	mutex_unlock(&dev->lock);
	for_each_set_bit(i, &rings, dev->count)
		lodge_queue_wait_idle(&dev->queue[i]);
	mutex_lock(&dev->lock);
	dev->served &= ~rings;
	mutex_unlock(&dev->lock);
}

static bool any_rung(const struct lodge_virtio *dev, unsigned long rings)
{
	u32 i;

	for_each_set_bit(i, &rings, dev->count)
		if (READ_ONCE(dev->queue[i].rung))
			return true;
	return false;
}

static int serve_rings(struct lodge_virtio *dev, unsigned long rings)
{
	struct rcuwait *wait = &dev->wait[__ffs(rings)];
	int ret;
	u32 i;

	for (;;) {
		for_each_set_bit(i, &rings, dev->count) {
			ret = lodge_queue_run(&dev->queue[i]);
			if (ret)
				return ret;
		}
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
		rcuwait_wait_event(wait, any_rung(dev, rings), TASK_INTERRUPTIBLE);
	}
}

static int ring_serve(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring_serve *serve = args;
	int ret = claim(dev, serve->rings);

	if (ret)
		return ret;
	ret = serve_rings(dev, serve->rings);
	leave(dev, serve->rings);
	return ret;
}

/* Control */

static bool any_enabled(const struct lodge_virtio *dev)
{
	u32 i;

	for (i = 0; i < dev->count; i++)
		if (READ_ONCE(dev->queue[i].enabled))
			return true;
	return false;
}

static int set_features(struct lodge_virtio *dev, void *args)
{
	struct lodge_virtio_features *features = args;
	int ret = 0;

	if (features->features & ~dev->offered ||
	    !(features->features & BIT_ULL(VIRTIO_F_VERSION_1)))
		return -EINVAL;
	if (mutex_lock_killable(&dev->lock))
		return -EINTR;
	if (any_enabled(dev))
		ret = -EBUSY;
	else
		dev->features = features->features;
	mutex_unlock(&dev->lock);
	return ret;
}

/* By the line, if there is one, until userspace says otherwise. */
static void reset_irq(struct lodge_queue *queue)
{
	bool line = queue->dev->gsi != LODGE_VIRTIO_NO_GSI;
	unsigned long flags;

	raw_spin_lock_irqsave(&queue->irq_lock, flags);
	queue->irq_held = false;
	queue->irq = (struct lodge_ring_irq) { .flags = line ? 0 : LODGE_RING_IRQ_HOLD };
	raw_spin_unlock_irqrestore(&queue->irq_lock, flags);
}

static int reset(struct lodge_virtio *dev, void *args)
{
	u32 i;

	if (mutex_lock_killable(&dev->lock))
		return -EINTR;
	for (i = 0; i < dev->count; i++) {
		lodge_queue_disable(&dev->queue[i]);
		reset_irq(&dev->queue[i]);
	}
	lodge_virtio_isr(dev, 0, ~0u);
	dev->features = 0;
	mutex_unlock(&dev->lock);
	return 0;
}

static int set_ring(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring *ring = args;
	struct lodge_queue *queue = queue_of(dev, ring->ring);
	int ret = 0;

	if (!queue || (ring->flags & LODGE_RING_USER &&
		       !(dev->event && ring->flags & LODGE_RING_ENABLED)))
		return -EINVAL;
	if (mutex_lock_killable(&dev->lock))
		return -EINTR;
	if (!(ring->flags & LODGE_RING_ENABLED))
		lodge_queue_disable(queue);
	else if (dev->features)
		ret = lodge_queue_enable(queue, ring);
	else
		ret = -EINVAL;
	mutex_unlock(&dev->lock);
	return ret;
}

static int get_ring(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring *ring = args;
	struct lodge_queue *queue = queue_of(dev, ring->ring);
	const struct lodge_vring *v;

	if (!queue)
		return -EINVAL;
	if (mutex_lock_killable(&queue->lock))
		return -EINTR;
	v = &queue->ring;
	ring->flags = (queue->enabled ? LODGE_RING_ENABLED : 0) |
		      (queue->broken ? LODGE_RING_BROKEN : 0);
	ring->entries = v->entries;
	ring->desc = v->desc_gpa;
	ring->driver = v->driver_gpa;
	ring->device = v->device_gpa;
	ring->next = v->next.index | (v->next.wrap ? LODGE_RING_WRAP : 0);
	ring->used = v->used.index | (v->used.wrap ? LODGE_RING_WRAP : 0);
	mutex_unlock(&queue->lock);
	return 0;
}

/* Under dev->lock; @file becomes what was there before. */
static void swap_backend(struct lodge_queue *queue, struct file **file)
{
	bool attached = queue->attached;

	detach(queue);
	mutex_lock(&queue->lock);
	swap(queue->backend, *file);
	queue->done_bytes = 0;
	mutex_unlock(&queue->lock);
	if (attached)
		attach(queue);
	/* What waited for the old one. */
	lodge_queue_ring(queue);
}

static int set_backend(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring_backend *backend = args;
	struct lodge_queue *queue = queue_of(dev, backend->ring);
	struct file *file = backend->fd < 0 ? NULL : fget(backend->fd);
	int ret = 0;

	if (!queue || !dev->ops->events)
		ret = -EINVAL;
	else if (backend->fd >= 0)
		ret = lodge_virtio_need_stream(file);
	if (!ret && mutex_lock_killable(&dev->lock))
		ret = -EINTR;
	if (!ret) {
		if (queue->backend != file)
			swap_backend(queue, &file);
		mutex_unlock(&dev->lock);
	}
	if (file)
		fput(file);
	return ret;
}

static int set_irq(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring_irq *irq = args;
	struct lodge_queue *queue = queue_of(dev, irq->ring);

	return queue ? lodge_queue_set_irq(queue, irq) : -EINVAL;
}

static int change_isr(struct lodge_virtio *dev, void *args)
{
	struct lodge_virtio_isr *isr = args;

	isr->old = lodge_virtio_isr(dev, isr->set, isr->clear);
	return 0;
}

static int ring_kick(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring_kick *kick = args;
	struct lodge_queue *queue = queue_of(dev, kick->ring);

	if (!queue || kick->pad)
		return -EINVAL;
	lodge_queue_ring(queue);
	return 0;
}

static int user_chain(struct lodge_virtio *dev, struct lodge_ring_chain *chain, bool back)
{
	struct lodge_queue *queue = queue_of(dev, chain->ring);

	return queue && dev->event ? lodge_user_chain(queue, chain, back) : -EINVAL;
}

static int ring_take(struct lodge_virtio *dev, void *args)
{
	return user_chain(dev, args, false);
}

static int ring_give(struct lodge_virtio *dev, void *args)
{
	return user_chain(dev, args, true);
}

static int ring_stats(struct lodge_virtio *dev, void *args)
{
	struct lodge_ring_stats *stats = args;
	struct lodge_queue *queue = queue_of(dev, stats->ring);
	u32 count = min_t(u32, stats->count, LODGE_RING_STAT_COUNT);

	if (!queue)
		return -EINVAL;
	stats->count = LODGE_RING_STAT_COUNT;
	return copy_to_user(u64_to_user_ptr(stats->values), queue->stats,
			    count * sizeof(queue->stats[0])) ? -EFAULT : 0;
}

const struct lodge_ioctl lodge_virtio_ioctls[] = {
	LODGE_IOCTL(virtio, RING_SERVE, lodge_ring_serve, rings, 0, NONE, IN, ring_serve),
	LODGE_IOCTL(virtio, SET_FEATURES, lodge_virtio_features, features, 0, NONE, IN,
		    set_features),
	LODGE_IOCTL(virtio, VIRTIO_RESET, lodge_reset, flags, 0, NONE, IN, reset),
	LODGE_IOCTL(virtio, SET_RING, lodge_ring, ring, LODGE_RING_ENABLED | LODGE_RING_USER, NONE,
		    IN, set_ring),
	LODGE_IOCTL(virtio, GET_RING, lodge_ring, ring, 0, NONE, INOUT, get_ring),
	LODGE_IOCTL(virtio, SET_RING_IRQ, lodge_ring_irq, ring,
		    LODGE_RING_IRQ_HOLD | LODGE_RING_IRQ_MSI, NONE, IN, set_irq),
	LODGE_IOCTL(virtio, CHANGE_ISR, lodge_virtio_isr, clear, 0, NONE, INOUT, change_isr),
	LODGE_IOCTL(virtio, RING_TAKE, lodge_ring_chain, iovs, 0, NONE, INOUT, ring_take),
	LODGE_IOCTL(virtio, RING_GIVE, lodge_ring_chain, written, LODGE_CHAIN_MORE, NONE, IN,
		    ring_give),
	LODGE_IOCTL(virtio, SET_BACKEND, lodge_ring_backend, fd, 0, NONE, IN, set_backend),
	LODGE_IOCTL(virtio, RING_KICK, lodge_ring_kick, ring, 0, NONE, IN, ring_kick),
	LODGE_IOCTL(virtio, RING_STATS, lodge_ring_stats, values, 0, NONE, INOUT, ring_stats),
};

const unsigned int lodge_virtio_ioctl_count = ARRAY_SIZE(lodge_virtio_ioctls);

static long virtio_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_virtio *dev = file->private_data;
	struct lodge_target target = { .vm = dev->vm, .virtio = dev };

	return lodge_ioctl(lodge_virtio_ioctls, lodge_virtio_ioctl_count, &target, cmd, arg);
}

/* Nobody serves: who does holds the file. */
static void destroy(struct lodge_virtio *dev)
{
	u32 i;

	lodge_virtio_isr(dev, 0, ~0u);
	for (i = 0; i < dev->count; i++)
		lodge_queue_destroy(&dev->queue[i]);
	if (dev->backend)
		fput(dev->backend);
	lodge_vm_put(dev->vm);
	lodge_virtio_put(dev);
}

static int virtio_release(struct inode *inode, struct file *file)
{
	destroy(file->private_data);
	return 0;
}

static const struct file_operations virtio_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = virtio_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = virtio_release,
	.llseek = noop_llseek,
};

/* Creation */

static const struct lodge_virtio_ops *kind_of(u32 id, u32 flags)
{
	int i;

	if (flags & LODGE_VIRTIO_USER)
		return id ? &lodge_virtio_user : NULL;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i]->id == id)
			return kinds[i];
	return NULL;
}

static struct lodge_virtio *alloc(struct lodge_vm *vm, const struct lodge_virtio_ops *ops,
				  const struct lodge_create_virtio *args)
{
	struct lodge_virtio *dev;
	u32 i;

	dev = kvzalloc(struct_size(dev, queue, args->rings), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return NULL;
	kref_init(&dev->ref);
	mutex_init(&dev->lock);
	init_waitqueue_head(&dev->idle);
	raw_spin_lock_init(&dev->isr_lock);
	dev->ops = ops;
	dev->flags = args->flags;
	dev->gsi = args->gsi;
	dev->count = args->rings;
	spin_lock_init(&dev->rate.lock);
	dev->rate.ops.per_second = args->rate_ops;
	dev->rate.bytes.per_second = args->rate_bytes;
	for (i = 0; i < LODGE_MAX_RINGS; i++)
		rcuwait_init(&dev->wait[i]);
	for (i = 0; i < dev->count; i++) {
		lodge_queue_init(dev, i);
		reset_irq(&dev->queue[i]);
	}
	kref_get(&vm->ref);
	dev->vm = vm;
	return dev;
}

/*
 * Files whose wait queues live as long as they do: character devices, and of
 * sockets those that are between processes.
 */
static bool waits_safely(struct file *file)
{
	struct socket *sock = sock_from_file(file);

	return sock ? READ_ONCE(sock->ops)->family == PF_UNIX : S_ISCHR(file_inode(file)->i_mode);
}

int lodge_virtio_need_stream(struct file *file)
{
	fmode_t both = FMODE_READ | FMODE_WRITE;

	return file && waits_safely(file) && file->f_op->read_iter &&
	       file->f_op->write_iter && (file->f_mode & both) == both ? 0 : -EBADF;
}

/* For rings that the owner serves beside those that the kernel does. */
static int set_event(struct lodge_virtio *dev, const struct lodge_create_virtio *args)
{
	struct eventfd_ctx *event;

	if (!(args->flags & LODGE_VIRTIO_EVENT))
		return args->event ? -EINVAL : 0;
	if (!dev->ops->owner_rings)
		return -EINVAL;
	event = eventfd_ctx_fdget(args->event);
	if (IS_ERR(event))
		return PTR_ERR(event);
	dev->event = event;
	return 0;
}

static int set_up(struct lodge_virtio *dev, struct lodge_create_virtio *args)
{
	int ret = set_event(dev, args);
	u32 i;

	if (ret)
		return ret;
	if (args->fd >= 0) {
		dev->backend = fget(args->fd);
		if (!dev->backend)
			return -EBADF;
	}
	if (dev->ops->create)
		ret = dev->ops->create(dev, args);
	if (ret)
		return ret;
	for (i = 0; i < dev->count && dev->backend; i++)
		if (!dev->queue[i].backend)
			dev->queue[i].backend = get_file(dev->backend);
	/* Those whose requests do not overtake each other. */
	if (!dev->ops->finish && !dev->event)
		dev->offered = BIT_ULL(VIRTIO_F_IN_ORDER);
	dev->offered |= RING_FEATURES |
		       (dev->ops->features_of ? dev->ops->features_of(dev) : dev->ops->features);
	args->features = dev->offered;
	return 0;
}

int lodge_virtio_create_fd(struct lodge_vm *vm, void *from)
{
	struct lodge_create_virtio *args = from;
	const struct lodge_virtio_ops *ops = kind_of(args->device, args->flags);
	struct lodge_virtio *dev;
	int ret;

	if (!ops || !args->rings || args->rings > ops->max_queues ||
	    (args->gsi >= LODGE_NR_GSIS && args->gsi != LODGE_VIRTIO_NO_GSI))
		return -EINVAL;
	dev = alloc(vm, ops, args);
	if (!dev)
		return -ENOMEM;
	ret = set_up(dev, args);
	if (!ret)
		ret = anon_inode_getfd("[lodge-virtio]", &virtio_fops, dev, O_RDWR | O_CLOEXEC);
	if (ret < 0)
		destroy(dev);
	return ret;
}
