// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <lodge/liblodge.h>

#include "memory.h"

#define PREFAULT_BYTES	MIB(64)	/* at a time, so that a signal is soon seen */

static int no_memory(struct fault *f, const struct memory_options *o, int error)
{
	if (o->huge == MIB(2))
		return fault_set(f, "-m", "the host has not that many free huge pages",
				 "echo N >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
				 error);
	if (o->huge)
		return fault_set(f, "-m", "the host has not that many free huge pages",
				 "echo N >/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages",
				 error);
	return fault_set(f, "memory", "cannot reserve it", "ask for less with -m", error);
}

/* The descriptor to map: -1 for anonymous memory, -2 and @f when there is none. */
static int open_backing(const struct memory_options *o, struct fault *f)
{
	unsigned int flags = MFD_CLOEXEC;
	int fd;

	if (!*o->file && !o->shared)
		return -1;
	if (o->huge)
		flags |= MFD_HUGETLB | (unsigned int)__builtin_ctzll(o->huge) << MFD_HUGE_SHIFT;
	if (*o->file)
		fd = open(o->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	else
		fd = memfd_create("lodge-memory", flags);
	/* A file that is longer stays so. */
	if (fd >= 0 && (lseek(fd, 0, SEEK_END) >= (off_t)o->bytes || !ftruncate(fd, o->bytes)))
		return fd;
	fault_set(f, *o->file ? o->file : "-m shared", "cannot be made as large as the memory",
		  NULL, errno);
	if (fd >= 0)
		close(fd);
	return -2;
}

/* Room at a multiple of the page size, whose surplus is given back. */
static void *reserve(__u64 bytes, __u64 align)
{
	__u8 *map = mmap(NULL, bytes + align, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	__u8 *start = (__u8 *)(((unsigned long)map + align - 1) & -align);

	if (map == MAP_FAILED)
		return map;
	if (start > map)
		munmap(map, start - map);
	munmap(start + bytes, map + align - start);
	return start;
}

static int set_nodes(const struct memory *m, const struct memory_options *o, struct fault *f)
{
	int mode = o->prefer ? 1 : 2;	/* MPOL_PREFERRED, MPOL_BIND */

	if (!o->nodes || !syscall(SYS_mbind, m->host, m->bytes, mode, &o->nodes, 65ul, 0ul))
		return 0;
	return fault_set(f, "-m", "the host has no such NUMA node, or no NUMA",
			 "ls -d /sys/devices/system/node/node*", errno);
}

static int advise(const struct memory *m, const struct memory_options *o, struct fault *f)
{
	int thp = o->thp == THP_OFF ? MADV_NOHUGEPAGE : MADV_HUGEPAGE;

	/* Guest memory is not worth a core dump. */
	madvise(m->host, m->bytes, MADV_DONTDUMP);
	if (!o->huge && madvise(m->host, m->bytes, thp) && o->thp == THP_ON)
		return fault_set(f, "-m thp=on", "this kernel has no transparent huge pages",
				 "leave it away", errno);
	if (o->merge && madvise(m->host, m->bytes, MADV_MERGEABLE))
		return fault_set(f, "-m merge", "this kernel does not merge pages",
				 "it needs CONFIG_KSM", errno);
	return 0;
}

int memory_create(struct memory *m, const struct memory_options *o, struct fault *f)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	__u64 align = o->huge ? o->huge : MIB(2);
	void *room;

	*m = (struct memory) { .fd = open_backing(o, f) };
	if (m->fd == -2)
		return -1;
	if (m->fd >= 0)
		flags = MAP_SHARED;
	else if (o->huge)
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			__builtin_ctzll(o->huge) << MAP_HUGE_SHIFT;
	room = reserve(o->bytes, align);
	if (room == MAP_FAILED)
		return no_memory(f, o, errno);
	m->host = room;
	m->bytes = o->bytes;
	m->low = o->bytes < MEMORY_LOW_MAX ? o->bytes : MEMORY_LOW_MAX;
	if (mmap(room, o->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, m->fd, 0) == MAP_FAILED)
		return no_memory(f, o, errno);
	return set_nodes(m, o, f) || advise(m, o, f) ? -1 : 0;
}

int memory_init(struct memory *m, __u64 bytes)
{
	struct memory_options o = { .bytes = bytes };
	struct fault f = { 0 };

	return memory_create(m, &o, &f) ? -f.error : 0;
}

void memory_destroy(struct memory *m)
{
	if (m->host)
		munmap(m->host, m->bytes);
	if (m->host && m->fd >= 0)
		close(m->fd);
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
	/* What is in a file is not gone with its mapping. */
	if (host && bytes)
		madvise(host, bytes, m->fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
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

static int prefault(int vm, __u64 gpa, __u64 bytes)
{
	__u64 done, now;
	int ret;

	while (bytes) {
		now = bytes < PREFAULT_BYTES ? bytes : PREFAULT_BYTES;
		ret = lodge_prefault(vm, gpa, now, &done);
		if (ret < 0 && ret != -EINTR)
			return ret;
		gpa += done;
		bytes -= done;
	}
	return 0;
}

int memory_prefault(const struct memory *m, int vm)
{
	int ret = prefault(vm, 0, m->low);

	return ret < 0 ? ret : prefault(vm, MEMORY_HIGH, m->bytes - m->low);
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
