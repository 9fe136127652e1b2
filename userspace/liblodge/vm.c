// SPDX-License-Identifier: GPL-2.0-only
/* liblodge: ioctls and mappings of a VM's descriptor. */
#include <sys/mman.h>

#include "internal.h"

int lodge_create_vcpu(int vm, __u32 id)
{
	struct lodge_create_vcpu arg = { .size = sizeof(arg), .id = id };

	return call(vm, LODGE_CREATE_VCPU, &arg);
}

int lodge_set_slot(int vm, const struct lodge_slot *slot)
{
	struct lodge_slot arg = *slot;

	arg.size = sizeof(arg);
	return call(vm, LODGE_SET_SLOT, &arg);
}

int lodge_get_dirty(int vm, __u32 slot, __u64 first, __u64 pages, __u64 *bitmap)
{
	struct lodge_dirty arg = {
		.size = sizeof(arg), .slot = slot, .first = first, .pages = pages,
		.bitmap = user_ptr(bitmap),
	};

	return call(vm, LODGE_GET_DIRTY, &arg);
}

int lodge_prefault(int vm, __u64 gpa, __u64 bytes, __u64 *done)
{
	struct lodge_prefault arg = { .size = sizeof(arg), .gpa = gpa, .bytes = bytes };
	int ret = call(vm, LODGE_PREFAULT, &arg);

	*done = arg.done;
	return ret;
}

int lodge_accessed(int vm, __u64 gpa, __u64 bytes, __u64 *bitmap)
{
	struct lodge_watch_pages arg = {
		.size = sizeof(arg), .flags = LODGE_WATCH_ACCESSED, .gpa = gpa, .bytes = bytes,
		.bitmap = user_ptr(bitmap),
	};

	return call(vm, LODGE_WATCH, &arg);
}

int lodge_irq_line(int vm, __u32 gsi, __u32 level)
{
	struct lodge_irq_line arg = { .size = sizeof(arg), .gsi = gsi, .level = level };

	return call(vm, LODGE_IRQ_LINE, &arg);
}

int lodge_signal_msi(int vm, __u64 addr, __u32 data)
{
	struct lodge_msi arg = { .size = sizeof(arg), .addr = addr, .data = data };

	return call(vm, LODGE_SIGNAL_MSI, &arg);
}

int lodge_set_irqfd(int vm, const struct lodge_irqfd *irqfd)
{
	struct lodge_irqfd arg = *irqfd;

	arg.size = sizeof(arg);
	return call(vm, LODGE_SET_IRQFD, &arg);
}

int lodge_set_domain(int vm, __u32 domain, int eventfd)
{
	struct lodge_domain arg = {
		.size = sizeof(arg),
		.domain = domain,
		.eventfd = eventfd,
	};

	return call(vm, LODGE_SET_DOMAIN, &arg);
}

int lodge_set_region(int vm, const struct lodge_region *region)
{
	struct lodge_region arg = *region;

	arg.size = sizeof(arg);
	return call(vm, LODGE_SET_REGION, &arg);
}

int lodge_get_chip(int vm, struct lodge_chip *chip)
{
	chip->size = sizeof(*chip);
	return call(vm, LODGE_GET_CHIP, chip);
}

int lodge_set_chip(int vm, const struct lodge_chip *chip)
{
	struct lodge_chip arg = *chip;

	arg.size = sizeof(arg);
	return call(vm, LODGE_SET_CHIP, &arg);
}

int lodge_reset_vm(int vm)
{
	struct lodge_reset arg = { .size = sizeof(arg) };

	return call(vm, LODGE_RESET_VM, &arg);
}

int lodge_vm_stats(int vm, __u32 flags)
{
	struct lodge_open_stats arg = { .size = sizeof(arg), .flags = flags };

	return call(vm, LODGE_VM_STATS, &arg);
}

int lodge_map_domain(int vm, const struct lodge_info *info, __u32 domain,
		     struct lodge_io_domain *out)
{
	off_t offset = (off_t)domain * info->domain_size;
	void *map;

	if (info->domain_size <= LODGE_DOMAIN_SHADOW)
		return -EPROTO;
	map = mmap(NULL, info->domain_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm, offset);
	if (map == MAP_FAILED)
		return -errno;
	out->ring = map;
	out->shadow = (__u8 *)map + LODGE_DOMAIN_SHADOW;
	out->bytes = info->domain_size;
	return 0;
}

void lodge_unmap_domain(struct lodge_io_domain *domain)
{
	if (domain->ring)
		munmap(domain->ring, domain->bytes);
	domain->ring = NULL;
	domain->shadow = NULL;
}

unsigned int lodge_drain(struct lodge_io_domain *domain,
			 void (*fn)(void *arg, const struct lodge_post *post), void *arg)
{
	struct lodge_post_ring *ring = domain->ring;
	unsigned int done = 0;
	__u32 head, tail;

	if (!ring)
		return 0;
	head = ring->head;
	/*
	 * The kernel signals only the first write into an empty ring. The
	 * sequentially consistent pair (store head, load tail) makes sure that
	 * either we see a write made meanwhile or the kernel sees it empty.
	 */
	while (head != (tail = __atomic_load_n(&ring->tail, __ATOMIC_SEQ_CST))) {
		for (; head != tail; head++, done++)
			fn(arg, &ring->entries[head % LODGE_POST_ENTRIES]);
		__atomic_store_n(&ring->head, head, __ATOMIC_SEQ_CST);
	}
	return done;
}
