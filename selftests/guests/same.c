// SPDX-License-Identifier: GPL-2.0-only
/*
 * same PID...: how many pages of the processes' mergeable memory another page
 * is equal to: those that KSM could do without.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE	4096

static unsigned long *hashes;
static size_t count, room;

static void add(const unsigned long *page)
{
	unsigned long hash = 0;
	size_t i;

	for (i = 0; i < PAGE / 8; i++)
		hash = (hash ^ page[i]) * 0x9e3779b97f4a7c15ul + (hash >> 29);
	if (count == room) {
		room = room ? 2 * room : 65536;
		hashes = realloc(hashes, room * sizeof(*hashes));
		if (!hashes)
			exit(2);
	}
	hashes[count++] = hash;
}

static int open_proc(const char *pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return open(path, O_RDONLY);
}

/* What was never touched is not there to be merged. */
static void add_range(int mem, int pagemap, unsigned long at, unsigned long end)
{
	unsigned long page[PAGE / 8], entry;

	for (; at < end; at += PAGE)
		if (pread(pagemap, &entry, 8, at / PAGE * 8) == 8 && entry >> 63 &&
		    pread(mem, page, PAGE, at) == PAGE)
			add(page);
}

static void add_process(const char *pid)
{
	int mem = open_proc(pid, "mem"), pagemap = open_proc(pid, "pagemap");
	FILE *smaps = fdopen(open_proc(pid, "smaps"), "r");
	unsigned long from, to, start = 0, end = 0;
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " mg")) {
			add_range(mem, pagemap, start, end);
		}
	}
	if (smaps)
		fclose(smaps);
	close(pagemap);
	close(mem);
}

static int compare(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	size_t i, same = 0;

	while (*++argv)
		add_process(*argv);
	qsort(hashes, count, sizeof(*hashes), compare);
	for (i = 1; i < count; i++)
		same += hashes[i] == hashes[i - 1];
	printf("%zu\n", same);
	return argc < 2;
}
