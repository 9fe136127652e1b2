// SPDX-License-Identifier: GPL-2.0-only
/* Where guest memory is, as the host's kernel and the hypervisor tell. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <lodge/liblodge.h>

#include "usage.h"

#define CHUNK	GIB(1)		/* asked about at once */
#define PAGE	4096ull

static int smaps_fd = -1, merging_fd = -1;

void usage_open(void)
{
	smaps_fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	merging_fd = open("/proc/self/ksm_merging_pages", O_RDONLY | O_CLOEXEC);
}

/* From its start; to be closed. */
static FILE *read_again(int fd)
{
	return lseek(fd, 0, SEEK_SET) ? NULL : fdopen(dup(fd), "r");
}

/* The value of a line "KEY:   N kB" in bytes, if it is one. */
static __u64 field(const char *line, const char *key)
{
	size_t n = strlen(key);
	unsigned long long kib;

	if (strncmp(line, key, n) || line[n] != ':' || sscanf(line + n + 1, "%llu kB", &kib) != 1)
		return 0;
	return kib << 10;
}

bool usage_parse(struct memory_usage *u, FILE *smaps, unsigned long start, unsigned long end)
{
	static const char *const huge[] = { "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped" };
	unsigned long from, to;
	bool ours = false, merged = false;
	char line[256];
	unsigned int i;
	__u64 reserved;

	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			ours = from >= start && to <= end;
			continue;
		}
		if (!ours)
			continue;
		reserved = field(line, "Shared_Hugetlb") + field(line, "Private_Hugetlb");
		u->resident += field(line, "Rss") + reserved;
		u->huge += reserved;
		u->swapped += field(line, "Swap");
		u->merged += field(line, "KSM");
		merged |= !strncmp(line, "KSM:", 4);
		for (i = 0; i < ARRAY_SIZE(huge); i++)
			u->huge += field(line, huge[i]);
	}
	return merged;
}

/* Before 6.7 the process as a whole has a count; guest memory is all that it lets be merged. */
static __u64 merged_pages(void)
{
	FILE *file = read_again(merging_fd);
	unsigned long long pages = 0;

	if (!file || fscanf(file, "%llu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages;
}

static int count_accessed(int vm, __u64 gpa, __u64 bytes, __u64 *sum)
{
	static __u64 bits[CHUNK / PAGE / 64];
	__u64 now, i;
	int ret;

	for (; bytes; bytes -= now, gpa += now) {
		now = bytes < CHUNK ? bytes : CHUNK;
		ret = lodge_accessed(vm, gpa, now, bits);
		if (ret < 0)
			return ret;
		for (i = 0; i < (now / PAGE + 63) / 64; i++)
			*sum += __builtin_popcountll(bits[i]) * PAGE;
	}
	return 0;
}

static int count_tables(int vm, __u64 *bytes)
{
	static union {
		__u8 room[LODGE_STATS_ROOM];
		__u64 align;
	} blob;
	int fd = lodge_vm_stats(vm, 0), ret;

	if (fd < 0)
		return fd;
	ret = lodge_stats_read(fd, &blob, sizeof(blob));
	close(fd);
	*bytes = ret < 0 ? 0 : lodge_stats_get(&blob, "tables.pages") * PAGE;
	return ret < 0 ? ret : 0;
}

int usage_get(struct memory_usage *u, const struct memory *m, int vm)
{
	unsigned long start = (unsigned long)m->host;
	FILE *smaps;
	int ret;

	memset(u, 0, sizeof(*u));
	ret = count_tables(vm, &u->tables);
	ret = ret < 0 ? ret : count_accessed(vm, 0, m->low, &u->accessed);
	ret = ret < 0 ? ret : count_accessed(vm, MEMORY_HIGH, m->bytes - m->low, &u->accessed);
	if (ret < 0)
		return ret;
	smaps = read_again(smaps_fd);
	if (!smaps)
		return -errno;
	if (!usage_parse(u, smaps, start, start + m->bytes))
		u->merged = merged_pages() * PAGE;
	fclose(smaps);
	return 0;
}
