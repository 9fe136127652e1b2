// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory. */
#include <errno.h>
#include <sys/mman.h>

#include <lodge/liblodge.h>

#include "memory.h"

int memory_init(struct memory *m, __u64 bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	/* Guest memory is not worth a core dump, and huge pages make it faster. */
	madvise(map, bytes, MADV_DONTDUMP);
	madvise(map, bytes, MADV_HUGEPAGE);
	m->host = map;
	m->bytes = bytes;
	m->low = bytes < MEMORY_LOW_MAX ? bytes : MEMORY_LOW_MAX;
	return 0;
}

void memory_destroy(struct memory *m)
{
	if (m->host)
		munmap(m->host, m->bytes);
	m->host = NULL;
}

void *memory_at(const struct memory *m, __u64 gpa, __u64 bytes)
{
	__u64 high = m->bytes - m->low;

	if (gpa < m->low && bytes <= m->low - gpa)
		return m->host + gpa;
	if (gpa < MEMORY_HIGH)
		return NULL;
	gpa -= MEMORY_HIGH;
	if (gpa < high && bytes <= high - gpa)
		return m->host + m->low + gpa;
	return NULL;
}

void memory_discard(const struct memory *m, void *host, __u64 bytes)
{
	(void)m;
	if (host && bytes)
		madvise(host, bytes, MADV_DONTNEED);
}

int memory_register(const struct memory *m, int vm)
{
	struct lodge_slot slot = {
		.slot = 0,
		.gpa = 0,
		.bytes = m->low,
		.user_addr = (unsigned long)m->host,
	};
	int ret = lodge_set_slot(vm, &slot);

	if (ret < 0 || m->bytes == m->low)
		return ret;
	slot.slot = 1;
	slot.gpa = MEMORY_HIGH;
	slot.bytes = m->bytes - m->low;
	slot.user_addr += m->low;
	return lodge_set_slot(vm, &slot);
}

unsigned int memory_ranges(const struct memory *m, struct memory_range out[MEMORY_RANGES])
{
	unsigned int n = 0;

	out[n++] = (struct memory_range){ 0, GUEST_EBDA, MEMORY_RAM };
	out[n++] = (struct memory_range){ GUEST_EBDA, 0xa0000 - GUEST_EBDA, MEMORY_RESERVED };
	out[n++] = (struct memory_range){ GUEST_ACPI, GUEST_KERNEL - GUEST_ACPI,
					  MEMORY_RESERVED };
	out[n++] = (struct memory_range){ GUEST_KERNEL, m->low - GUEST_KERNEL, MEMORY_RAM };
	out[n++] = (struct memory_range){ PCI_ECAM_BASE, PCI_ECAM_RESERVED, MEMORY_RESERVED };
	if (m->bytes > m->low)
		out[n++] = (struct memory_range){ MEMORY_HIGH, m->bytes - m->low, MEMORY_RAM };
	return n;
}
