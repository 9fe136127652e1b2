// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory as the host pages it: on demand, ahead, huge, shared, by userfaultfd. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define SLOT	1
#define BASE	0x40000000ull
#define PAGE	4096ul
#define PAGES	1024ul
#define BYTES	(PAGES * PAGE)

/* RCX pages from RBX on, RSI bytes apart: the sum of their first words in R8. */
GUEST64(read_pages,
	"xor %r8, %r8\n 1: add (%rbx), %r8\n add %rsi, %rbx\n loop 1b\n" END);
/* The same, and R9 is added to each. */
GUEST64(write_pages, "1: add %r9, (%rbx)\n add %rsi, %rbx\n loop 1b\n" END);
/* R9 is stored in each, without a look at what was there: that may be a fault of its own. */
GUEST64(fill_pages, "1: mov %r9, (%rbx)\n add %rsi, %rbx\n loop 1b\n" END);

FIXTURE(paging)
{
	struct guest g;
	__u8 *area;		/* with room to align in */
	__u8 *mem;		/* at a multiple of 2M */
};

static __u8 *aligned(__u8 *p, size_t to)
{
	return (__u8 *)(((unsigned long)p + to - 1) & -to);
}

FIXTURE_SETUP(paging)
{
	ASSERT_EQ(0, guest_create(&self->g));
	self->area = mmap(NULL, MIB(70), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, self->area);
	madvise(self->area, MIB(70), MADV_NOHUGEPAGE);
	self->mem = aligned(self->area, MIB(2));
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, BASE, BYTES, self->mem));
}

FIXTURE_TEARDOWN(paging)
{
	guest_destroy(&self->g);
	munmap(self->area, MIB(70));
}

static __u64 vm_stat(struct guest *g, const char *name)
{
	return stats_of(g->vm, LODGE_VM_STATS, name);
}

/* Faults that touching @count pages took, or -1. */
static long touch(struct guest *g, const __u8 *program, size_t bytes, __u64 first, __u64 count,
		  __u64 apart)
{
	__u64 before = guest_stat(g, "exits.fault");
	struct lodge_regs regs;

	if (guest_load(g, program, bytes, true) || guest_get_regs(g, &regs))
		return -1;
	regs.gpr[LODGE_RBX] = BASE + first * apart;
	regs.gpr[LODGE_RCX] = count;
	regs.gpr[LODGE_RSI] = apart;
	regs.gpr[LODGE_R9] = 1;
	if (guest_set_regs(g, &regs) || guest_run_to_end(g) < 0)
		return -1;
	return guest_stat(g, "exits.fault") - before;
}

#define TOUCH(g, program, first, count, apart)						\
	touch(g, program, program##_end - (program), first, count, apart)

static int prefault(struct guest *g, __u64 gpa, __u64 bytes, __u64 *done)
{
	struct lodge_prefault args = { .size = sizeof(args), .gpa = gpa, .bytes = bytes };
	int ret = call(g->vm, LODGE_PREFAULT, &args);

	*done = args.done;
	return ret;
}

/* Memory that the host has is mapped a window at a time. */
TEST_F(paging, present_pages_take_few_faults)
{
	long faults;

	memset(self->mem, 0, BYTES);
	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, 1, PAGE));
	faults = TOUCH(&self->g, write_pages, 0, PAGES, PAGE);
	EXPECT_LT(0, faults);
	EXPECT_GT(24, faults);
	EXPECT_LE(PAGES, vm_stat(&self->g, "mapped.4k"));
	EXPECT_EQ(0, TOUCH(&self->g, write_pages, 0, PAGES, PAGE));
}

TEST_F(paging, prefault)
{
	__u64 done;

	ASSERT_EQ(0, prefault(&self->g, BASE, BYTES, &done));
	EXPECT_EQ(BYTES, done);
	/* What the program itself needs comes first. */
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, 1, PAGE));
	EXPECT_EQ(0, TOUCH(&self->g, write_pages, 0, PAGES, PAGE));
	/* And again after the host took some of it. */
	madvise(self->mem + 8 * PAGE, 8 * PAGE, MADV_DONTNEED);
	ASSERT_EQ(0, prefault(&self->g, BASE, BYTES, &done));
	EXPECT_EQ(0, TOUCH(&self->g, write_pages, 0, PAGES, PAGE));
	EXPECT_EQ(1, self->mem[9 * PAGE]);
}

/* Does logging cost faults? */
static bool marked_by_cpu(void)
{
	int fd = open("/sys/module/lodge/parameters/dirty_marks", O_RDONLY);
	char c = 0;
	ssize_t n = read(fd, &c, 1);

	close(fd);
	return n == 1 && c == 'Y';
}

/* Does the CPU list what it marks? */
static bool marks_are_listed(void)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	bool found = false;
	char line[4096];

	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "vmx flags", 9) && strstr(line, " pml");
	if (file)
		fclose(file);
	return found && marked_by_cpu();
}

TEST_F(paging, prefault_is_not_logged)
{
	struct lodge_slot slot = {
		.size = sizeof(slot), .flags = LODGE_SLOT_LOG_DIRTY, .slot = SLOT, .gpa = BASE,
		.bytes = BYTES, .user_addr = (unsigned long)self->mem,
	};
	__u64 log[PAGES / 64] = {}, done;
	struct lodge_dirty dirty = {
		.size = sizeof(dirty), .slot = SLOT, .pages = PAGES, .bitmap = (unsigned long)log,
	};
	unsigned long i;

	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, 1, PAGE));
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_SLOT, &slot));
	ASSERT_EQ(0, prefault(&self->g, BASE, BYTES, &done));
	EXPECT_LE(PAGES, vm_stat(&self->g, "mapped.4k"));
	ASSERT_EQ(0, call(self->g.vm, LODGE_GET_DIRTY, &dirty));
	for (i = 0; i < PAGES / 64; i++)
		ASSERT_EQ(0, log[i]);
	/* The log's own faults, if any, never leave the inner loop. */
	ASSERT_EQ(0, TOUCH(&self->g, read_pages, 0, PAGES, PAGE));
	done = guest_stat(&self->g, "ring2");
	EXPECT_EQ(marked_by_cpu() ? 0 : 64, TOUCH(&self->g, write_pages, 64, 64, PAGE));
	EXPECT_GT(8, guest_stat(&self->g, "ring2") - done);
	ASSERT_EQ(0, call(self->g.vm, LODGE_GET_DIRTY, &dirty));
	EXPECT_EQ(0, log[0] | log[2]);
	EXPECT_EQ(~0ull, log[1]);
}

/* Twice what a CPU that lists its marks has room for: its list is emptied in between. */
TEST_F(paging, more_than_a_list_is_logged)
{
	struct lodge_slot slot = {
		.size = sizeof(slot), .flags = LODGE_SLOT_LOG_DIRTY, .slot = SLOT, .gpa = BASE,
		.bytes = BYTES, .user_addr = (unsigned long)self->mem,
	};
	__u64 log[PAGES / 64] = {}, done, other;
	struct lodge_dirty dirty = {
		.size = sizeof(dirty), .slot = SLOT, .pages = PAGES, .bitmap = (unsigned long)log,
	};
	unsigned long i, round;

	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_SLOT, &slot));
	ASSERT_EQ(0, prefault(&self->g, BASE, BYTES, &done));
	for (round = 0; round < 2; round++) {
		other = guest_stat(&self->g, "exits.other");
		ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, PAGES, PAGE));
		if (marks_are_listed())
			EXPECT_LT(0, guest_stat(&self->g, "exits.other") - other);
		ASSERT_EQ(0, call(self->g.vm, LODGE_GET_DIRTY, &dirty));
		for (i = 0; i < PAGES / 64; i++)
			ASSERT_EQ(~0ull, log[i]);
		ASSERT_EQ(0, call(self->g.vm, LODGE_GET_DIRTY, &dirty));
		for (i = 0; i < PAGES / 64; i++)
			ASSERT_EQ(0, log[i]);
	}
}

TEST_F(paging, prefault_refusals)
{
	struct lodge_prefault args = { .size = 16, .gpa = BASE };
	struct guest *g = &self->g;
	__u64 done;

	EXPECT_EQ(-EINVAL, call(g->vm, LODGE_PREFAULT, &args));
	args.size = sizeof(args);
	args.flags = 1;
	EXPECT_EQ(-EINVAL, call(g->vm, LODGE_PREFAULT, &args));
	EXPECT_EQ(-EINVAL, prefault(g, BASE + 1, PAGE, &done));
	EXPECT_EQ(-EINVAL, prefault(g, BASE, PAGE + 1, &done));
	EXPECT_EQ(-EINVAL, prefault(g, -PAGE, 2 * PAGE, &done));
	EXPECT_EQ(0, prefault(g, BASE, 0, &done));
	EXPECT_EQ(-ENXIO, prefault(g, BASE - PAGE, PAGE, &done));
	EXPECT_EQ(0, done);
	EXPECT_EQ(-ENXIO, prefault(g, BASE + BYTES - 2 * PAGE, -(BASE + BYTES), &done));
	EXPECT_EQ(2 * PAGE, done);
	ASSERT_EQ(0, mprotect(self->mem + 4 * PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(-EFAULT, prefault(g, BASE, BYTES, &done));
	EXPECT_EQ(4 * PAGE, done);
	ASSERT_EQ(0, munmap(self->mem + 2 * PAGE, PAGE));
	EXPECT_EQ(-EFAULT, prefault(g, BASE, BYTES, &done));
	EXPECT_EQ(2 * PAGE, done);
	EXPECT_EQ(-ENXIO, prefault(g, 1ull << 62, PAGE, &done));
}

/* What was never written is the zero page, until it is. */
TEST_F(paging, reading_takes_no_memory)
{
	unsigned char in_core[PAGES];

	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, PAGES, PAGE));
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_R8));
	ASSERT_EQ(0, mincore(self->mem, BYTES, in_core));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 5, 1, PAGE));
	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, PAGES, PAGE));
	EXPECT_EQ(1, guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(1, self->mem[5 * PAGE]);
	EXPECT_EQ(0, self->mem[6 * PAGE]);
}

static long read_number(const char *path)
{
	char text[32] = {};
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 ? atol(text) : -1;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	close(fd);
	return n < 0 ? -errno : 0;
}

/*
 * Each huge page of the host's is one leaf, and one fault. LODGE_HUGE_PAGES: how
 * many; 32 by default, 512 at most, which are 1 GiB.
 */
TEST_F_TIMEOUT(paging, transparent_huge_pages, 300)
{
	long pages = getenv("LODGE_HUGE_PAGES") ? atol(getenv("LODGE_HUGE_PAGES")) : 32;
	size_t bytes = MIB(2) * pages;
	__u8 *area = mmap(NULL, bytes + MIB(2), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	__u8 *mem = aligned(area, MIB(2));
	long huge, faults;

	if (!(self->g.info.caps & LODGE_CAP_2M_PAGES))
		SKIP(return, "no 2M pages on this CPU");
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, madvise(mem, bytes, MADV_HUGEPAGE));
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, BASE, bytes, mem));
	faults = TOUCH(&self->g, fill_pages, 0, bytes / PAGE, PAGE);
	huge = vm_stat(&self->g, "mapped.2m");
	TH_LOG("%ld of %ld pages are huge; %ld faults", huge, pages, faults);
	EXPECT_LT(pages / 2, huge);
	EXPECT_LT(0, faults);
	EXPECT_GE(huge + (pages - huge) * 512 + 16, faults);
	/* Taken apart by the host, and still the same memory. */
	ASSERT_EQ(0, mprotect(mem + PAGE, PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(mem + PAGE, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, bytes / PAGE, PAGE));
	EXPECT_EQ(2, mem[0] & mem[PAGE] & mem[bytes - PAGE]);
	munmap(area, bytes + MIB(2));
}

/* The log sees small pages; without it they are large again. */
TEST_F(paging, huge_pages_come_back_after_the_log)
{
	struct lodge_slot slot = {
		.size = sizeof(slot), .slot = SLOT, .gpa = BASE, .bytes = BYTES,
		.user_addr = (unsigned long)self->mem,
	};
	__u64 huge;

	ASSERT_EQ(0, madvise(self->mem, BYTES, MADV_HUGEPAGE));
	ASSERT_LE(0, TOUCH(&self->g, fill_pages, 0, PAGES, PAGE));
	huge = vm_stat(&self->g, "mapped.2m");
	if (!huge)
		SKIP(return, "no 2M pages");
	slot.flags = LODGE_SLOT_LOG_DIRTY;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_SLOT, &slot));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, PAGES, PAGE));
	EXPECT_EQ(huge - BYTES / MIB(2), vm_stat(&self->g, "mapped.2m"));
	slot.flags = 0;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_SLOT, &slot));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, PAGES, PAGE));
	EXPECT_EQ(huge, vm_stat(&self->g, "mapped.2m"));
	EXPECT_EQ(3, self->mem[0] & self->mem[BYTES - PAGE]);
}

/* @kib: size of a huge page. */
static __u8 *map_hugetlb(unsigned long kib, unsigned int count)
{
	int order = __builtin_ctzl(kib) + 10;
	char path[96], text[16];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages", kib);
	snprintf(text, sizeof(text), "%u", count);
	if (write_text(path, text) || read_number(path) < count)
		return MAP_FAILED;
	return mmap(NULL, (kib << 10) * count, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | order << MAP_HUGE_SHIFT, -1, 0);
}

static void unmap_hugetlb(__u8 *mem, unsigned long kib, unsigned int count)
{
	char path[96];

	munmap(mem, (kib << 10) * count);
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages", kib);
	write_text(path, "0");
}

TEST_F(paging, hugetlb)
{
	__u8 *mem = map_hugetlb(2048, 4);

	if (mem == MAP_FAILED || !(self->g.info.caps & LODGE_CAP_2M_PAGES))
		SKIP(return, "no 2M pages");
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, BASE, MIB(8), mem));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, 4 * 512, PAGE));
	EXPECT_EQ(4, vm_stat(&self->g, "mapped.2m"));
	EXPECT_EQ(1, mem[MIB(8) - PAGE]);
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, 0, 0, NULL));
	EXPECT_EQ(0, vm_stat(&self->g, "mapped.2m"));
	unmap_hugetlb(mem, 2048, 4);
}

TEST_F(paging, hugetlb_1g)
{
	__u8 *mem = map_hugetlb(1048576, 1);

	if (mem == MAP_FAILED || !(self->g.info.caps & LODGE_CAP_1G_PAGES))
		SKIP(return, "no 1G page to be had");
	ASSERT_EQ(0, guest_slot(&self->g, SLOT, BASE, MIB(1024), mem));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, 512, MIB(2)));
	EXPECT_EQ(1, vm_stat(&self->g, "mapped.1g"));
	EXPECT_EQ(1, mem[MIB(1022)]);
	unmap_hugetlb(mem, 1048576, 1);
}

/* Wait until the host has merged pages; false after half a minute. */
static bool merged(long at_least)
{
	int i;

	for (i = 0; i < 300; i++) {
		if (read_number("/sys/kernel/mm/ksm/pages_sharing") >= at_least)
			return true;
		usleep(100000);
	}
	return false;
}

TEST_F(paging, merged_pages)
{
	const unsigned long half = BYTES / 2;
	unsigned long i;

	for (i = 0; i < PAGES / 2; i++)
		self->mem[i * PAGE] = 1 + i % 250;
	memcpy(self->mem + half, self->mem, half);
	if (madvise(self->mem, BYTES, MADV_MERGEABLE) ||
	    write_text("/sys/kernel/mm/ksm/sleep_millisecs", "1") ||
	    write_text("/sys/kernel/mm/ksm/pages_to_scan", "2000") ||
	    write_text("/sys/kernel/mm/ksm/run", "1"))
		SKIP(return, "no KSM");
	EXPECT_TRUE(merged(PAGES / 2));
	/* Reading leaves them merged; what one writes, no other sees. */
	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, PAGES, PAGE));
	EXPECT_LE(PAGES / 2, read_number("/sys/kernel/mm/ksm/pages_sharing"));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 3, 7, PAGE));
	for (i = 0; i < PAGES / 2; i++) {
		ASSERT_EQ((__u8)(1 + i % 250 + (i >= 3 && i < 10)), self->mem[i * PAGE]);
		ASSERT_EQ(1 + i % 250, self->mem[half + i * PAGE]);
	}
	write_text("/sys/kernel/mm/ksm/run", "2");
}

/*
 * Watched pages
 */

static int watch(struct guest *g, __u32 flags, __u32 access, __u64 gpa, __u64 pages, __u64 *hits)
{
	struct lodge_watch_pages args = {
		.size = sizeof(args), .flags = flags, .access = access, .gpa = gpa,
		.bytes = pages * PAGE, .bitmap = (unsigned long)hits,
	};

	return call(g->vm, LODGE_WATCH, &args);
}

static int load_touch(struct guest *g, const __u8 *program, size_t bytes, __u64 first, __u64 count)
{
	struct lodge_regs regs;
	int ret = guest_load(g, program, bytes, true);

	ret = ret ? ret : guest_get_regs(g, &regs);
	regs.gpr[LODGE_RBX] = BASE + first * PAGE;
	regs.gpr[LODGE_RCX] = count;
	regs.gpr[LODGE_RSI] = PAGE;
	regs.gpr[LODGE_R9] = 1;
	return ret ? ret : guest_set_regs(g, &regs);
}

/* Each watched page stops the guest once, before it is written to. */
TEST_F(paging, watched_writes)
{
	struct guest *g = &self->g;
	__u64 hits = 0, i;

	memset(self->mem, 0, BYTES);
	ASSERT_EQ(0, watch(g, 0, LODGE_ACCESS_WRITE, BASE + 4 * PAGE, 3, NULL));
	ASSERT_LE(0, TOUCH(g, read_pages, 0, 16, PAGE));
	ASSERT_EQ(0, load_touch(g, write_pages, write_pages_end - write_pages, 0, 16));
	for (i = 4; i < 7; i++) {
		ASSERT_EQ(0, guest_run(g));
		ASSERT_EQ(LODGE_EXIT_WATCH, g->run->exit_reason);
		EXPECT_EQ(BASE + i * PAGE, g->run->memory.gpa & -PAGE);
		EXPECT_EQ(LODGE_ACCESS_WRITE, g->run->memory.access);
		EXPECT_EQ(0, self->mem[i * PAGE]);
		EXPECT_EQ(1, self->mem[(i - 1) * PAGE]);
	}
	ASSERT_LE(0, guest_run_to_end(g));
	EXPECT_EQ(1, self->mem[6 * PAGE]);
	ASSERT_EQ(0, watch(g, 0, 0, BASE, 16, &hits));
	EXPECT_EQ(7 << 4, hits);
	ASSERT_EQ(0, watch(g, 0, 0, BASE, 16, &hits));
	EXPECT_EQ(0, hits);
}

/* Whatever the guest touches between two calls. */
TEST_F(paging, working_set)
{
	struct guest *g = &self->g;
	__u64 hits[PAGES / 64] = {}, done;

	ASSERT_EQ(0, watch(g, LODGE_WATCH_COUNT, LODGE_ACCESS_READ, BASE, PAGES, NULL));
	ASSERT_EQ(0, prefault(g, BASE, BYTES, &done));
	ASSERT_LE(0, TOUCH(g, read_pages, 60, 8, PAGE));
	ASSERT_LE(0, TOUCH(g, write_pages, 1000, 1, PAGE));
	ASSERT_EQ(0, watch(g, LODGE_WATCH_COUNT, LODGE_ACCESS_READ, BASE, PAGES, hits));
	EXPECT_EQ(0xfull << 60, hits[0]);
	EXPECT_EQ(0xf, hits[1]);
	EXPECT_EQ(1ull << 1000 % 64, hits[1000 / 64]);
	ASSERT_LE(0, TOUCH(g, read_pages, 0, 1, PAGE));
	ASSERT_EQ(0, watch(g, 0, 0, BASE, PAGES, hits));
	EXPECT_EQ(1, hits[0]);
	EXPECT_EQ(0, hits[1] | hits[1000 / 64]);
}

/* The same by the CPU's own marks, and the guest does not fault. */
TEST_F(paging, accessed_pages)
{
	struct guest *g = &self->g;
	__u64 hits[PAGES / 64] = {}, done, i;

	ASSERT_EQ(0, prefault(g, BASE, BYTES, &done));
	ASSERT_LE(0, TOUCH(g, read_pages, 0, 1, PAGE));
	ASSERT_EQ(0, watch(g, LODGE_WATCH_ACCESSED, 0, BASE, PAGES, hits));
	for (i = 0; i < PAGES / 64; i++)
		EXPECT_EQ(~0ull, hits[i]);
	EXPECT_EQ(0, TOUCH(g, read_pages, 60, 8, PAGE));
	EXPECT_EQ(0, TOUCH(g, write_pages, 1000, 1, PAGE));
	for (done = 0; done < 2; done++) {
		ASSERT_EQ(0, watch(g, LODGE_WATCH_ACCESSED, 0, BASE, PAGES, hits));
		EXPECT_EQ(done ? 0 : 0xfull << 60, hits[0]);
		EXPECT_EQ(done ? 0 : 0xf, hits[1]);
		EXPECT_EQ(0, hits[2]);
		EXPECT_EQ(done ? 0 : 1ull << 1000 % 64, hits[1000 / 64]);
	}
	/* A translation that the TLB had does not hide it. */
	EXPECT_EQ(0, TOUCH(g, read_pages, 60, 1, PAGE));
	ASSERT_EQ(0, watch(g, LODGE_WATCH_ACCESSED, 0, BASE, 61, hits));
	EXPECT_EQ(1ull << 60, hits[0]);
}

TEST_F(paging, accessed_huge_page)
{
	struct guest *g = &self->g;
	__u64 hits[PAGES / 64] = {};

	ASSERT_EQ(0, madvise(self->mem, BYTES, MADV_HUGEPAGE));
	ASSERT_LE(0, TOUCH(g, fill_pages, 0, PAGES, PAGE));
	if (vm_stat(g, "mapped.2m") < BYTES / MIB(2))
		SKIP(return, "no 2M pages");
	ASSERT_EQ(0, watch(g, LODGE_WATCH_ACCESSED, 0, BASE, PAGES, hits));
	EXPECT_EQ(0, TOUCH(g, read_pages, 700, 1, PAGE));
	ASSERT_EQ(0, watch(g, LODGE_WATCH_ACCESSED, 0, BASE, PAGES, hits));
	EXPECT_EQ(0, hits[0] | hits[7]);
	EXPECT_EQ(~0ull, hits[8]);
	EXPECT_EQ(~0ull, hits[15]);
}

TEST_F(paging, watched_code)
{
	struct guest *g = &self->g;

	ASSERT_LE(0, TOUCH(g, read_pages, 0, 1, PAGE));
	ASSERT_EQ(0, watch(g, 0, LODGE_ACCESS_EXEC, GUEST_CODE, 1, NULL));
	ASSERT_EQ(0, load_touch(g, read_pages, read_pages_end - read_pages, 0, 1));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_WATCH, g->run->exit_reason);
	EXPECT_EQ(GUEST_CODE, g->run->memory.gpa & -PAGE);
	EXPECT_EQ(LODGE_ACCESS_EXEC, g->run->memory.access);
	ASSERT_LE(0, guest_run_to_end(g));
}

TEST_F(paging, watch_refusals)
{
	struct guest *g = &self->g;
	__u64 hits;

	EXPECT_EQ(-EINVAL, watch(g, 4, LODGE_ACCESS_READ, BASE, 1, NULL));
	EXPECT_EQ(-EINVAL, watch(g, LODGE_WATCH_ACCESSED, LODGE_ACCESS_READ, BASE, 1, &hits));
	EXPECT_EQ(-EINVAL, watch(g, LODGE_WATCH_ACCESSED | LODGE_WATCH_COUNT, 0, BASE, 1, &hits));
	EXPECT_EQ(-EFAULT, watch(g, LODGE_WATCH_ACCESSED, 0, BASE, 1, NULL));
	EXPECT_EQ(-EINVAL, watch(g, 0, 8, BASE, 1, NULL));
	EXPECT_EQ(-EINVAL, watch(g, 0, LODGE_ACCESS_READ, BASE + 1, 1, NULL));
	EXPECT_EQ(-ENXIO, watch(g, 0, LODGE_ACCESS_READ, BASE - PAGE, 1, NULL));
	EXPECT_EQ(-ENXIO, watch(g, 0, LODGE_ACCESS_READ, BASE, PAGES + 1, NULL));
	EXPECT_EQ(-ENXIO, watch(g, 0, LODGE_ACCESS_READ, BASE + PAGE, -1ull / PAGE, NULL));
	EXPECT_EQ(0, watch(g, 0, LODGE_ACCESS_READ, BASE, 0, NULL));
	ASSERT_EQ(0, watch(g, LODGE_WATCH_COUNT, LODGE_ACCESS_READ, BASE, 8, NULL));
	ASSERT_LE(0, TOUCH(g, read_pages, 2, 1, PAGE));
	EXPECT_EQ(-EFAULT, watch(g, 0, 0, BASE, 8, (__u64 *)8));
	ASSERT_EQ(0, watch(g, 0, 0, BASE, 8, &hits));
	EXPECT_EQ(1 << 2, hits);
	/* It ends with its slot. */
	ASSERT_EQ(0, watch(g, 0, LODGE_ACCESS_READ, BASE, 8, NULL));
	ASSERT_EQ(0, guest_slot(g, SLOT, BASE, BYTES, self->mem));
	EXPECT_LE(0, TOUCH(g, read_pages, 0, 8, PAGE));
}

/*
 * What becomes of memory that a slot is made of
 */

#define FILE_PAGES	16ul

/* The sum of all pages' first words, or -1. */
static __u64 sum_pages(struct guest *g)
{
	return TOUCH(g, read_pages, 0, FILE_PAGES, PAGE) < 0 ? -1 : guest_gpr(g, LODGE_R8);
}

/* The guest stops at a page that is not there; then it is. */
static void expect_gone(struct __test_metadata *_metadata, struct guest *g, __u64 page)
{
	ASSERT_EQ(0, load_touch(g, write_pages, write_pages_end - write_pages, page, 1));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_MEMORY, g->run->exit_reason);
	EXPECT_EQ(BASE + page * PAGE, g->run->memory.gpa & -PAGE);
	EXPECT_EQ(-EFAULT, g->run->memory.error);
}

TEST_F(paging, the_file_behind_it)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct guest *g = &self->g;
	__u8 *mem, *sealed;

	ASSERT_EQ(0, ftruncate(fd, FILE_PAGES * PAGE));
	mem = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, guest_slot(g, SLOT, BASE, FILE_PAGES * PAGE, mem));
	ASSERT_LE(0, TOUCH(g, write_pages, 0, FILE_PAGES, PAGE));
	EXPECT_EQ(FILE_PAGES, sum_pages(g));
	/* A hole in it */
	ASSERT_EQ(0, madvise(mem + 4 * PAGE, PAGE, MADV_REMOVE));
	EXPECT_EQ(FILE_PAGES - 1, sum_pages(g));
	/* Shorter, and long again */
	ASSERT_EQ(0, ftruncate(fd, 8 * PAGE));
	expect_gone(_metadata, g, 8);
	ASSERT_EQ(0, ftruncate(fd, FILE_PAGES * PAGE));
	ASSERT_LE(0, guest_run_to_end(g));
	EXPECT_EQ(8, sum_pages(g));
	/* What nobody may write to any more */
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE));
	sealed = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, sealed);
	ASSERT_EQ(0, guest_slot(g, SLOT, BASE, FILE_PAGES * PAGE, sealed));
	EXPECT_EQ(8, sum_pages(g));
	expect_gone(_metadata, g, 0);
	EXPECT_EQ(1, mem[0]);
	munmap(sealed, FILE_PAGES * PAGE);
	munmap(mem, FILE_PAGES * PAGE);
	close(fd);
}

TEST_F(paging, moved_and_freed)
{
	struct guest *g = &self->g;
	__u8 *mem = self->mem, *to = self->mem + MIB(8);

	ASSERT_LE(0, TOUCH(g, write_pages, 0, FILE_PAGES, PAGE));
	ASSERT_EQ(to, mremap(mem + 4 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	expect_gone(_metadata, g, 4);
	EXPECT_EQ(1, *to);
	ASSERT_EQ(mem + 4 * PAGE, mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
					 mem + 4 * PAGE));
	ASSERT_LE(0, guest_run_to_end(g));
	EXPECT_EQ(FILE_PAGES + 1, sum_pages(g));
	/* Freed when the host likes; what is written after that stays. */
	ASSERT_EQ(0, madvise(mem, FILE_PAGES * PAGE, MADV_FREE));
	ASSERT_LE(0, TOUCH(g, fill_pages, 0, FILE_PAGES, PAGE));
	madvise(mem, FILE_PAGES * PAGE, MADV_PAGEOUT);
	EXPECT_EQ(FILE_PAGES, sum_pages(g));
}

/*
 * userfaultfd
 */

#define UFFD_PAGES	256ul

struct pager {
	int fd;
	__u8 *mem;
	bool protect;
	bool stop;
	unsigned int came[UFFD_PAGES];
	unsigned int wrong;
	pthread_t thread;
};

static int open_uffd(__u8 *mem, __u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)mem, UFFD_PAGES * PAGE }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -1;
	return fd;
}

static int protect(struct pager *p, unsigned long first, unsigned long count, bool on)
{
	struct uffdio_writeprotect args = {
		.range = { (unsigned long)p->mem + first * PAGE, count * PAGE },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(p->fd, UFFDIO_WRITEPROTECT, &args);
}

static int bring(struct pager *p, unsigned long i)
{
	static __u64 page[PAGE / 8];
	struct uffdio_copy args = {
		.dst = (unsigned long)p->mem + i * PAGE, .src = (unsigned long)page, .len = PAGE,
	};

	page[0] = i + 1;
	return ioctl(p->fd, UFFDIO_COPY, &args);
}

/* Serve each page as the guest comes to it, and none a second time. */
static void *serve(void *arg)
{
	struct pager *p = arg;
	struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };
	struct uffd_msg msg;
	unsigned long i;

	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		poll(&poll_fd, 1, 20);
		if (read(p->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		i = (msg.arg.pagefault.address - (unsigned long)p->mem) / PAGE;
		if (msg.event != UFFD_EVENT_PAGEFAULT || i >= UFFD_PAGES ||
		    !(msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) != !p->protect ||
		    (p->protect ? protect(p, i, 1, false) : bring(p, i)))
			p->wrong++;
		else
			p->came[i]++;
	}
	return NULL;
}

static void end_pager(struct pager *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	pthread_join(p->thread, NULL);
	close(p->fd);
}

/* A guest that runs while its memory still arrives. */
TEST_F(paging, post_copy)
{
	static struct pager p;
	unsigned long i;

	memset(&p, 0, sizeof(p));
	p.mem = self->mem;
	p.fd = open_uffd(self->mem, UFFDIO_REGISTER_MODE_MISSING);
	if (p.fd < 0)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, serve, &p));
	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, UFFD_PAGES, PAGE));
	EXPECT_EQ(UFFD_PAGES * (UFFD_PAGES + 1) / 2, guest_gpr(&self->g, LODGE_R8));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, UFFD_PAGES, PAGE));
	end_pager(&p);
	EXPECT_EQ(0, p.wrong);
	for (i = 0; i < UFFD_PAGES; i++) {
		ASSERT_EQ(1, p.came[i]);
		ASSERT_EQ(i + 2, *(__u64 *)(self->mem + i * PAGE));
	}
}

TEST_F(paging, uffd_write_protect)
{
	static struct pager p;
	unsigned long i;

	memset(&p, 0, sizeof(p));
	p.mem = self->mem;
	p.protect = true;
	memset(self->mem, 0, UFFD_PAGES * PAGE);
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, UFFD_PAGES, PAGE));
	p.fd = open_uffd(self->mem, UFFDIO_REGISTER_MODE_WP);
	if (p.fd < 0)
		SKIP(return, "no userfaultfd for writes");
	ASSERT_EQ(0, protect(&p, 0, UFFD_PAGES, true));
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, serve, &p));
	ASSERT_LE(0, TOUCH(&self->g, read_pages, 0, UFFD_PAGES, PAGE));
	EXPECT_EQ(UFFD_PAGES, guest_gpr(&self->g, LODGE_R8));
	ASSERT_LE(0, TOUCH(&self->g, write_pages, 0, UFFD_PAGES / 2, PAGE));
	end_pager(&p);
	EXPECT_EQ(0, p.wrong);
	for (i = 0; i < UFFD_PAGES; i++)
		ASSERT_EQ(i < UFFD_PAGES / 2, p.came[i]);
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(1, self->mem[(UFFD_PAGES - 1) * PAGE]);
}

static void *run_once(void *arg)
{
	struct guest *g = arg;

	return (void *)(long)call(g->vcpu, LODGE_RUN, NULL);
}

static void wake(int sig)
{
}

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Nobody serves the page: the kick ends the wait. Returns how long that took. */
static __u64 kick_waiting(struct guest *g, int uffd, long *result)
{
	struct pollfd poll_fd = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;
	pthread_t thread;
	__u64 begin;

	pthread_create(&thread, NULL, run_once, g);
	/* The message says that the vCPU waits. */
	poll(&poll_fd, 1, 20000);
	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		*result = 1;
	begin = now_ns();
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, (void **)result);
	return now_ns() - begin;
}

TEST_F(paging, kick_ends_a_wait_for_userfaultfd)
{
	struct sigaction action = { .sa_handler = wake };
	__u64 best = ~0ull, took;
	struct lodge_regs regs;
	int uffd, i;
	long ret;

	uffd = open_uffd(self->mem, UFFDIO_REGISTER_MODE_MISSING);
	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, guest_load64(&self->g, read_pages));
	ASSERT_EQ(0, guest_get_regs(&self->g, &regs));
	regs.gpr[LODGE_RBX] = BASE;
	regs.gpr[LODGE_RCX] = 1;
	ASSERT_EQ(0, guest_set_regs(&self->g, &regs));
	/* The host may be busy; not each time. */
	for (i = 0; i < 10; i++) {
		took = kick_waiting(&self->g, uffd, &ret);
		ASSERT_EQ(-EINTR, ret);
		best = took < best ? took : best;
	}
	EXPECT_GT(10000000, best);
	/* A prefault that waits there ends, too. */
	alarm_ms(50);
	ASSERT_EQ(-EINTR, prefault(&self->g, BASE, BYTES, &took));
	EXPECT_EQ(0, took);
	close(uffd);
}

TEST_HARNESS_MAIN
