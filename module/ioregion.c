// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O regions: port and MMIO ranges that are answered without an exit to
 * userspace, as the launcher declared them (see "I/O regions" in the design).
 *
 * A space's regions are a sorted array under RCU, replaced as a whole under
 * vm->lock. The pages that a domain shares with userspace are hostile: the
 * ring's head is read once and checked, and our own tail is kept elsewhere.
 */
#include <linux/vmalloc.h>

#include "lodge.h"
#include "../virtio/virtio.h"

#define SPACES			2
#define AREA_BYTES		(LODGE_DOMAIN_SHADOW + PAGE_SIZE)
#define SIGNAL_DELAY_NS		NSEC_PER_MSEC
#define PM_TIMER_HZ		3579545
#define PM_TIMER_MASK		0xffffff

static_assert(sizeof(struct lodge_post_ring) <= LODGE_DOMAIN_SHADOW);

/*
 * @area: ring and shadow page, set once; lives as long as the VM
 * @lock: producers; a few instructions, ring 1
 * @tail: ours; the ring's tail is a copy
 */
struct domain {
	void *area;
	raw_spinlock_t lock;
	u32 tail;
	struct eventfd_ctx __rcu *eventfd;
};

/* @rung: a doorbell that ring 2 has yet to signal (PREEMPT_RT) */
struct region {
	struct rcu_head rcu;
	struct lodge_region args;
	struct domain *domain;
	struct eventfd_ctx *doorbell;
	struct lodge_virtio *virtio;
	bool rung;
};

/*
 * Sorted by address, without overlaps, and @beyond behind them. @recent: index of one that was
 * found, or of the next above an address that none has.
 */
struct space {
	struct rcu_head rcu;
	u32 count;
	u32 recent;
	struct region *region[];
};

/**
 * struct lodge_regions - the I/O regions of a VM
 * @spaces: by LODGE_SPACE_*
 * @domains: ordering domains
 * @posted: bit per domain that was posted to and not signalled
 * @timer: signals the posted domains at the latest then
 * @poster: vCPU that posted last
 */
struct lodge_regions {
	struct space __rcu *spaces[SPACES];
	struct domain domains[LODGE_MAX_DOMAINS];
	unsigned long posted;
	struct hrtimer timer;
	struct lodge_vcpu *poster;
};

/* eventfds take sleeping locks on PREEMPT_RT: there, ring 2 signals. */
static bool may_signal_here(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT);
}

static void signal_posted(struct lodge_regions *regions)
{
	unsigned long posted = xchg(&regions->posted, 0);
	struct eventfd_ctx *eventfd;
	unsigned int i;

	guard(rcu)();
	for_each_set_bit(i, &posted, LODGE_MAX_DOMAINS) {
		eventfd = rcu_dereference(regions->domains[i].eventfd);
		if (eventfd)
			lodge_eventfd_signal(eventfd);
	}
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct lodge_regions *regions = container_of(timer, struct lodge_regions, timer);

	if (may_signal_here())
		signal_posted(regions);
	else if (READ_ONCE(regions->poster))
		lodge_request(regions->poster, LODGE_REQ_POST);
	return HRTIMER_NORESTART;
}

/** lodge_regions_create() - a new VM has no I/O regions: 0 or -ENOMEM */
int lodge_regions_create(struct lodge_vm *vm)
{
	struct lodge_regions *regions = kzalloc(sizeof(*regions), GFP_KERNEL_ACCOUNT);
	int i;

	if (!regions)
		return -ENOMEM;
	for (i = 0; i < LODGE_MAX_DOMAINS; i++)
		raw_spin_lock_init(&regions->domains[i].lock);
	hrtimer_setup(&regions->timer, timer_fired, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	vm->regions = regions;
	return 0;
}

static void put_eventfd(struct eventfd_ctx *eventfd)
{
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

static void free_region(struct region *region)
{
	if (!region)
		return;
	put_eventfd(region->doorbell);
	if (region->virtio)
		lodge_virtio_put(region->virtio);
	kfree(region);
}

static void free_region_rcu(struct rcu_head *rcu)
{
	free_region(container_of(rcu, struct region, rcu));
}

/** lodge_regions_destroy() - the reverse; no vCPU runs any more. Sleeps */
void lodge_regions_destroy(struct lodge_vm *vm)
{
	struct lodge_regions *regions = vm->regions;
	struct space *space;
	u32 i, j;

	hrtimer_cancel(&regions->timer);
	signal_posted(regions);
	for (i = 0; i < SPACES; i++) {
		space = rcu_dereference_protected(regions->spaces[i], true);
		for (j = 0; space && j < space->count; j++)
			free_region(space->region[j]);
		kfree(space);
	}
	rcu_barrier();		/* regions replaced a moment ago */
	for (i = 0; i < LODGE_MAX_DOMAINS; i++) {
		put_eventfd(rcu_dereference_protected(regions->domains[i].eventfd, true));
		vfree(regions->domains[i].area);
	}
	kfree(regions);
	vm->regions = NULL;
}

/*
 * lodge_domain_set() - make an ordering domain, or change its eventfd; vm->lock held. 0; -EINVAL
 * (number, not an eventfd), -EBADF, -ENOMEM
 */
int lodge_domain_set(struct lodge_vm *vm, void *from)
{
	const struct lodge_domain *args = from;
	struct eventfd_ctx *eventfd = NULL;
	struct domain *domain;

	if (args->domain >= LODGE_MAX_DOMAINS || args->eventfd < -1)
		return -EINVAL;
	domain = &vm->regions->domains[args->domain];
	if (args->eventfd >= 0) {
		eventfd = eventfd_ctx_fdget(args->eventfd);
		if (IS_ERR(eventfd))
			return PTR_ERR(eventfd);
	}
	if (!domain->area)
		/* Zeroed before lodge_region_mmap() can see it. */
		smp_store_release(&domain->area, vmalloc_user(AREA_BYTES));
	if (!domain->area) {
		put_eventfd(eventfd);
		return -ENOMEM;
	}
	eventfd = rcu_replace_pointer(domain->eventfd, eventfd, lockdep_is_held(&vm->lock));
	if (eventfd) {
		synchronize_rcu();
		eventfd_ctx_put(eventfd);
	}
	return 0;
}

/** lodge_domain_area() - a domain's pages, set once and kept: no lock. NULL if there are none */
void *lodge_domain_area(struct lodge_vm *vm, u32 number)
{
	/* Pairs with lodge_domain_set(). */
	return smp_load_acquire(&vm->regions->domains[number].area);
}

/** lodge_region_mmap() - those pages, by mmap() on a VM fd. -ENXIO: domain not made; -EINVAL */
int lodge_region_mmap(struct lodge_vm *vm, struct vm_area_struct *vma)
{
	unsigned long pages = AREA_BYTES >> PAGE_SHIFT;
	unsigned long number = vma->vm_pgoff / pages;
	void *area;

	if (vma->vm_pgoff % pages || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	area = number < LODGE_MAX_DOMAINS ? lodge_domain_area(vm, number) : NULL;
	return area ? remap_vmalloc_range(vma, area, 0) : -ENXIO;
}

static bool uses_shadow(const struct lodge_region *args)
{
	return args->read == LODGE_READ_SHADOW || args->write == LODGE_WRITE_LATCH ||
	       args->write == LODGE_WRITE_LATCH_SAME;
}

static bool uses_domain(const struct lodge_region *args)
{
	return uses_shadow(args) || args->write == LODGE_WRITE_POST;
}

static bool range_valid(const struct lodge_region *args)
{
	u64 end;

	if (args->space >= SPACES || !args->bytes ||
	    check_add_overflow(args->addr, args->bytes - 1, &end))
		return false;
	return args->space == LODGE_SPACE_MMIO || end <= 0xffff;
}

static bool modes_valid(struct lodge_vm *vm, const struct lodge_region *args)
{
	bool doorbell = args->write == LODGE_WRITE_DOORBELL;

	if (args->read > LODGE_READ_ISR || args->write > LODGE_WRITE_ISR_ACK)
		return false;
	if ((args->flags & LODGE_REGION_MATCH) && !doorbell)
		return false;
	if (args->read == LODGE_READ_PM_TIMER && args->bytes > 4)
		return false;
	if (uses_domain(args) &&
	    (args->domain >= LODGE_MAX_DOMAINS || !vm->regions->domains[args->domain].area))
		return false;
	return !uses_shadow(args) ||
	       (args->bytes <= PAGE_SIZE && args->shadow <= PAGE_SIZE - args->bytes);
}

/* A doorbell is an eventfd or a virtio device; the status is a device's. */
static int bind(struct lodge_vm *vm, struct region *region)
{
	const struct lodge_region *args = &region->args;
	bool doorbell = args->write == LODGE_WRITE_DOORBELL;

	if (!doorbell && args->write != LODGE_WRITE_ISR_ACK && args->read != LODGE_READ_ISR)
		return 0;
	region->virtio = lodge_virtio_get_fd(vm, args->eventfd);
	if (region->virtio == ERR_PTR(-EINVAL) && doorbell && args->read != LODGE_READ_ISR) {
		region->virtio = NULL;
		region->doorbell = eventfd_ctx_fdget(args->eventfd);
	}
	return PTR_ERR_OR_ZERO(region->virtio) ?: PTR_ERR_OR_ZERO(region->doorbell);
}

static struct region *make_region(struct lodge_vm *vm, const struct lodge_region *args)
{
	struct region *region;
	int ret;

	if (!modes_valid(vm, args))
		return ERR_PTR(-EINVAL);
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	region->args = *args;
	ret = bind(vm, region);
	if (ret) {
		kfree(region);
		return ERR_PTR(ret);
	}
	if (uses_domain(args))
		region->domain = &vm->regions->domains[args->domain];
	return region;
}

static u64 last_of(const struct region *region)
{
	return region->args.addr + region->args.bytes - 1;
}

/* Index of the first region that ends at or after @addr. */
static u32 position(const struct space *space, u64 addr)
{
	u32 low = 0, high = space ? space->count : 0;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (last_of(space->region[middle]) < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* No access is in it. */
static struct region beyond = { .args.addr = ~0ull };

/* Publish a copy with the region at @at replaced by @new, removed, or @new inserted there. */
static int replace(struct lodge_regions *regions, u32 number, u32 at, bool exists,
		   struct region *new)
{
	struct space *old = rcu_dereference_protected(regions->spaces[number], true);
	u32 before = old ? old->count : 0, rest = before - at - exists;
	struct space *space;

	space = kmalloc(struct_size(space, region, before + 2), GFP_KERNEL_ACCOUNT);
	if (!space)
		return -ENOMEM;
	space->recent = 0;
	if (at)
		memcpy(space->region, old->region, at * sizeof(new));
	space->count = at;
	if (new)
		space->region[space->count++] = new;
	if (rest)
		memcpy(&space->region[space->count], &old->region[at + exists], rest * sizeof(new));
	space->count += rest;
	space->region[space->count] = &beyond;
	rcu_assign_pointer(regions->spaces[number], space);
	if (exists)
		call_rcu(&old->region[at]->rcu, free_region_rcu);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/*
 * lodge_region_set() - declare, replace or delete an I/O region; vm->lock held. 0; -EINVAL;
 * -EEXIST (overlap); -ENOENT (delete); -ENOSPC; -EBADF; -ENOMEM
 */
int lodge_region_set(struct lodge_vm *vm, void *from)
{
	const struct lodge_region *args = from;
	bool delete = args->flags & LODGE_REGION_DELETE, exists = false;
	struct region *found, *new = NULL;
	struct space *old;
	u32 at;
	int ret;

	if (!range_valid(args))
		return -EINVAL;
	old = rcu_dereference_protected(vm->regions->spaces[args->space], true);
	at = position(old, args->addr);
	if (old && at < old->count) {
		found = old->region[at];
		exists = found->args.addr == args->addr && found->args.bytes == args->bytes;
		if (!exists && !delete && found->args.addr <= args->addr + args->bytes - 1)
			return -EEXIST;
	}
	if (delete && !exists)
		return -ENOENT;
	if (!exists && old && old->count >= LODGE_MAX_REGIONS)
		return -ENOSPC;
	if (!delete)
		new = make_region(vm, args);
	if (IS_ERR(new))
		return PTR_ERR(new);
	ret = replace(vm->regions, args->space, at, exists, new);
	if (ret)
		free_region(new);
	return ret;
}

static __always_inline bool fits(const struct region *region, u64 addr, u32 bytes)
{
	u64 offset = addr - region->args.addr;

	return offset < region->args.bytes && bytes <= region->args.bytes - offset &&
	       (likely(!(region->args.flags & LODGE_REGION_EXACT)) || region->args.bytes == bytes);
}

static void *shadow_of(const struct region *region, u64 addr)
{
	return region->domain->area + LODGE_DOMAIN_SHADOW + region->args.shadow +
	       (addr - region->args.addr);
}

/* Userspace may write at the same time: whole accesses where aligned. */
static u64 shadow_load(const void *at, u32 bytes)
{
	u64 value = 0;
	u32 i;

	if (bytes == 4 && IS_ALIGNED((unsigned long)at, 4))
		return READ_ONCE(*(const u32 *)at);
	if (bytes == 1)
		return READ_ONCE(*(const u8 *)at);
	for (i = 0; i < bytes; i++)
		value |= (u64)READ_ONCE(((const u8 *)at)[i]) << i * 8;
	return value;
}

static void shadow_store(void *at, u32 bytes, u64 value)
{
	u32 i;

	if (bytes == 4 && IS_ALIGNED((unsigned long)at, 4)) {
		WRITE_ONCE(*(u32 *)at, value);
		return;
	}
	for (i = 0; i < bytes; i++)
		WRITE_ONCE(((u8 *)at)[i], value >> i * 8);
}

static noinline u64 pm_timer(const struct lodge_vm *vm)
{
	u64 ns = ktime_get_ns() - vm->created_ns;

	return mul_u64_u32_div(ns, PM_TIMER_HZ, NSEC_PER_SEC) & PM_TIMER_MASK;
}

static noinline bool read_other(struct lodge_vcpu *vcpu, struct region *region, u64 addr,
				u64 *value)
{
	switch (region->args.read) {
	case LODGE_READ_PM_TIMER:
		*value = pm_timer(vcpu->vm) >> (addr - region->args.addr) * 8;
		return true;
	case LODGE_READ_ISR:
		*value = lodge_virtio_isr(region->virtio, 0, 0);
		return true;
	default:
		return false;
	}
}

static __always_inline bool read_region(struct lodge_vcpu *vcpu, struct region *region, u64 addr,
					u32 bytes, u64 *value)
{
	if (region->args.read != LODGE_READ_SHADOW)
		return read_other(vcpu, region, addr, value);
	*value = shadow_load(shadow_of(region, addr), bytes);
	return true;
}

/* Once in a while, when a post finds the ring empty. */
static void announce(struct lodge_vcpu *vcpu, struct domain *domain)
{
	struct lodge_regions *regions = vcpu->vm->regions;

	WRITE_ONCE(regions->poster, vcpu);
	set_bit(domain - regions->domains, &regions->posted);
	/* Not queued while it fires: it may have missed the bit just set. */
	if (!hrtimer_is_queued(&regions->timer))
		hrtimer_start(&regions->timer, ns_to_ktime(SIGNAL_DELAY_NS), HRTIMER_MODE_REL_HARD);
}

/*
 * One entry; false when the ring is full. A head beyond the tail, which only a
 * broken consumer writes, looks the same.
 */
static bool append(struct domain *domain, const struct lodge_post *post, bool *first)
{
	struct lodge_post_ring *ring = domain->area;
	u32 head = READ_ONCE(ring->head), tail = domain->tail;

	if (tail - head >= LODGE_POST_ENTRIES)
		return false;
	ring->entries[tail % LODGE_POST_ENTRIES] = *post;
	domain->tail = tail + 1;
	/* The entry before the tail that makes it the consumer's. */
	smp_store_release(&ring->tail, tail + 1);
	*first = head == tail;
	return true;
}

static noinline bool post(struct lodge_vcpu *vcpu, struct region *region, u64 addr, u32 bytes,
			  u64 value)
{
	struct lodge_post entry = {
		.addr = addr, .value = value, .bytes = bytes,
		.space = region->args.space, .vcpu = vcpu->id,
	};
	struct domain *domain = region->domain;
	bool first = false, done;
	unsigned long irq;

	raw_spin_lock_irqsave(&domain->lock, irq);
	done = append(domain, &entry, &first);
	raw_spin_unlock_irqrestore(&domain->lock, irq);
	if (!done)
		return false;
	lodge_count(vcpu, LODGE_STAT_POSTED);
	if (first)
		announce(vcpu, domain);
	return true;
}

static noinline bool latch_same(struct region *region, u64 addr, u32 bytes, u64 value)
{
	void *at = shadow_of(region, addr);

	if ((shadow_load(at, bytes) ^ value) & region->args.mask)
		return false;
	shadow_store(at, bytes, value);
	return true;
}

static bool ring_doorbell(struct lodge_vcpu *vcpu, struct region *region, u32 bytes, u64 value)
{
	if ((region->args.flags & LODGE_REGION_MATCH) &&
	    ((region->args.match ^ value) & lodge_mask(bytes)))
		return false;
	lodge_count(vcpu, LODGE_STAT_DOORBELL);
	if (region->virtio) {
		lodge_virtio_doorbell(vcpu, region->virtio, value);
	} else if (may_signal_here()) {
		lodge_eventfd_signal(region->doorbell);
	} else {
		WRITE_ONCE(region->rung, true);
		lodge_request(vcpu, LODGE_REQ_POST);
	}
	return true;
}

static noinline bool write_region(struct lodge_vcpu *vcpu, struct region *region, u64 addr,
				  u32 bytes, u64 value)
{
	value &= lodge_mask(bytes);
	switch (region->args.write) {
	case LODGE_WRITE_POST:
		return post(vcpu, region, addr, bytes, value);
	case LODGE_WRITE_LATCH:
		shadow_store(shadow_of(region, addr), bytes, value);
		return true;
	case LODGE_WRITE_LATCH_SAME:
		return latch_same(region, addr, bytes, value);
	case LODGE_WRITE_DOORBELL:
		return ring_doorbell(vcpu, region, bytes, value);
	case LODGE_WRITE_ISR_ACK:
		lodge_virtio_isr(region->virtio, 0, value);
		return true;
	default:
		return false;
	}
}

static __always_inline bool access(struct lodge_vcpu *vcpu, struct region *region, u64 addr,
				   u32 bytes, bool write, u64 *value)
{
	if (write)
		return write_region(vcpu, region, addr, bytes, *value);
	return read_region(vcpu, region, addr, bytes, value);
}

/* Not where the last one was. */
static noinline bool search(struct lodge_vcpu *vcpu, struct space *space, u64 addr, u32 bytes,
			    bool write, u64 *value)
{
	u32 at = position(space, addr);

	WRITE_ONCE(space->recent, at);
	if (!fits(space->region[at], addr, bytes))
		return false;
	return access(vcpu, space->region[at], addr, bytes, write, value);
}

/*
 * lodge_region_access() - 1 to 8 bytes by the guest; ring 1, where interrupts are off and RCU waits
 * for that, or under rcu_read_lock(). false: an exit
 */
bool lodge_region_access(struct lodge_vcpu *vcpu, u32 number, u64 addr, u32 bytes, bool write,
			 u64 *value)
{
	struct space *space = rcu_dereference_check(vcpu->vm->regions->spaces[number],
						    rcu_read_lock_sched_held());
	struct region *region;
	u32 at;

	if (!space)
		return false;
	at = READ_ONCE(space->recent);
	region = space->region[at];
	if (fits(region, addr, bytes))
		return access(vcpu, region, addr, bytes, write, value);
	if (addr < region->args.addr && (!at || addr > last_of(space->region[at - 1])))
		return false;
	return search(vcpu, space, addr, bytes, write, value);
}

static void signal_doorbells(struct lodge_regions *regions)
{
	struct space *space;
	u32 number, i;

	for (number = 0; number < SPACES; number++) {
		space = rcu_dereference(regions->spaces[number]);
		for (i = 0; space && i < space->count; i++)
			if (xchg(&space->region[i]->rung, false))
				lodge_eventfd_signal(space->region[i]->doorbell);
	}
}

/** lodge_regions_signal() - signal what was posted or rung and is not yet; ring 2 */
void lodge_regions_signal(struct lodge_vm *vm)
{
	struct lodge_regions *regions = vm->regions;

	if (may_signal_here() && !READ_ONCE(regions->posted))
		return;
	guard(rcu)();
	if (!may_signal_here())
		signal_doorbells(regions);
	signal_posted(regions);
}
