// SPDX-License-Identifier: GPL-2.0-only
/* The helpers that guest.h describes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest.h"

#define CR0_LONG	0x80010031ull	/* PG WP NE ET PE */
#define CR4_LONG	0x620ull	/* OSXMMEXCPT OSFXSR PAE */
#define EFER_LONG	0x500ull	/* LMA LME */

#define LAPIC_SPIV	0xf0

/* Without the device nothing here can run: 4 means skipped. */
static void __attribute__((constructor)) need_device(void)
{
	if (access("/dev/lodge", R_OK | W_OK) == 0)
		return;
	printf("TAP version 13\n1..0 # SKIP no /dev/lodge\n");
	fflush(stdout);
	_exit(4);
}

int call(int fd, unsigned long request, const void *args)
{
	int ret = ioctl(fd, request, args);

	return ret < 0 ? -errno : ret;
}

int guest_slot(struct guest *g, __u32 slot, __u64 gpa, __u64 bytes, void *mem)
{
	struct lodge_slot args = {
		.size = sizeof(args), .slot = slot, .gpa = gpa, .bytes = bytes,
		.user_addr = (unsigned long)mem,
	};

	return call(g->vm, LODGE_SET_SLOT, &args);
}

int guest_add_vcpu(struct guest *g, __u32 id)
{
	struct lodge_create_vcpu args = { .size = sizeof(args), .id = id };

	return call(g->vm, LODGE_CREATE_VCPU, &args);
}

int guest_join(struct guest *g, const struct guest *of, __u32 id)
{
	*g = *of;
	g->vcpu = guest_add_vcpu(g, id);
	if (g->vcpu < 0)
		return g->vcpu;
	g->run = mmap(NULL, g->info.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	return g->run == MAP_FAILED ? -errno : 0;
}

void guest_leave(struct guest *g)
{
	munmap(g->run, g->info.run_size);
	close(g->vcpu);
}

static int create_vm(struct guest *g, unsigned int tsc_half)
{
	struct lodge_create_vm args = { .size = sizeof(args), .name = "selftest" };

	g->info.size = sizeof(g->info);
	g->dev = open("/dev/lodge", O_RDWR | O_CLOEXEC);
	if (g->dev < 0)
		return -errno;
	if (call(g->dev, LODGE_GET_INFO, &g->info))
		return -errno;
	if (tsc_half)
		args.tsc_khz = g->info.tsc_khz / 2 * tsc_half;
	g->vm = call(g->dev, LODGE_CREATE_VM, &args);
	return g->vm < 0 ? g->vm : 0;
}

int guest_create(struct guest *g)
{
	return guest_create_tsc(g, 0);
}

int guest_create_tsc(struct guest *g, unsigned int tsc_half)
{
	int ret;

	memset(g, 0, sizeof(*g));
	ret = create_vm(g, tsc_half);
	if (ret)
		return ret;
	g->mem = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->mem == MAP_FAILED)
		return -errno;
	ret = guest_slot(g, 0, 0, GUEST_BYTES, g->mem);
	if (ret)
		return ret;
	g->vcpu = guest_add_vcpu(g, 0);
	if (g->vcpu < 0)
		return g->vcpu;
	g->run = mmap(NULL, g->info.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      g->vcpu, 0);
	return g->run == MAP_FAILED ? -errno : 0;
}

void guest_destroy(struct guest *g)
{
	guest_leave(g);
	munmap(g->mem, GUEST_BYTES);
	close(g->vm);
	close(g->dev);
}

int guest_get_regs(struct guest *g, struct lodge_regs *regs)
{
	struct lodge_get_regs args = { .size = sizeof(args) };
	int ret = call(g->vcpu, LODGE_GET_REGS, &args);

	*regs = args.regs;
	return ret;
}

int guest_set_regs(struct guest *g, const struct lodge_regs *regs)
{
	struct lodge_get_regs args = { .size = sizeof(args), .regs = *regs };

	return call(g->vcpu, LODGE_SET_REGS, &args);
}

int guest_get_sregs(struct guest *g, struct lodge_sregs *sregs)
{
	struct lodge_get_sregs args = { .size = sizeof(args) };
	int ret = call(g->vcpu, LODGE_GET_SREGS, &args);

	*sregs = args.sregs;
	return ret;
}

int guest_set_sregs(struct guest *g, const struct lodge_sregs *sregs)
{
	struct lodge_get_sregs args = { .size = sizeof(args), .sregs = *sregs };

	return call(g->vcpu, LODGE_SET_SREGS, &args);
}

static __u64 *guest_table(struct guest *g, unsigned int n)
{
	return (__u64 *)(g->mem + GUEST_TABLES + n * 4096);
}

/* Four page directories of 2 MiB pages, identity. */
static void make_tables(struct guest *g)
{
	unsigned int i;

	guest_table(g, 0)[0] = (GUEST_TABLES + 4096) | 7;
	for (i = 0; i < 4; i++)
		guest_table(g, 1)[i] = (GUEST_TABLES + (i + 2) * 4096) | 7;
	for (i = 0; i < 2048; i++)
		guest_table(g, 2)[i] = ((__u64)i << 21) | 0x87;
}

static void flat_segment(struct lodge_segment *s, __u16 selector, bool code)
{
	*s = (struct lodge_segment) {
		.limit = 0xffffffff, .selector = selector, .type = code ? 11 : 3,
		.s = 1, .present = 1, .l = code, .db = !code, .g = 1,
	};
}

static void long_sregs(struct guest *g, struct lodge_sregs *sregs)
{
	__u64 *gdt = (__u64 *)(g->mem + GUEST_GDT);
	int i;

	make_tables(g);
	gdt[1] = 0x00af9b000000ffffull;
	gdt[2] = 0x00cf93000000ffffull;
	for (i = LODGE_ES; i <= LODGE_GS; i++)
		flat_segment(&sregs->seg[i], 0x10, false);
	flat_segment(&sregs->seg[LODGE_CS], 8, true);
	sregs->seg[LODGE_TR].type = 11;
	sregs->gdt = (struct lodge_dtable) { .base = GUEST_GDT, .limit = 0x17 };
	sregs->idt = (struct lodge_dtable) { .base = GUEST_IDT, .limit = 0xfff };
	sregs->cr0 = CR0_LONG;
	sregs->cr3 = GUEST_TABLES;
	sregs->cr4 = CR4_LONG;
	sregs->efer = EFER_LONG;
}

int guest_load(struct guest *g, const void *code, size_t bytes, bool long_mode)
{
	struct lodge_regs regs = { .rflags = 2 };
	struct lodge_sregs sregs;
	int ret = guest_get_sregs(g, &sregs);

	if (ret)
		return ret;
	memcpy(g->mem + GUEST_CODE, code, bytes);
	regs.gpr[LODGE_RSP] = GUEST_STACK;
	if (long_mode) {
		long_sregs(g, &sregs);
		regs.rip = GUEST_CODE;
	} else {
		sregs.seg[LODGE_CS].base = GUEST_CODE;
		sregs.seg[LODGE_CS].selector = GUEST_CODE >> 4;
	}
	ret = guest_set_sregs(g, &sregs);
	return ret ? ret : guest_set_regs(g, &regs);
}

void guest_gate(struct guest *g, int vector)
{
	__u64 *gate = (__u64 *)(g->mem + GUEST_IDT + vector * 16);

	gate[0] = (GUEST_HANDLER & 0xffff) | 8 << 16 | 0x8e00ull << 32 |
		  (GUEST_HANDLER >> 16) << 48;
	gate[1] = 0;
}

static volatile sig_atomic_t alarmed;

/* EINTR may also come of the kernel's own work on the way to userspace. */
int guest_run(struct guest *g)
{
	int ret;

	do {
		ret = call(g->vcpu, LODGE_RUN, NULL);
	} while (ret == -EINTR && !alarmed && !g->run->immediate_exit);
	if (alarmed)
		setitimer(ITIMER_REAL, &(struct itimerval) {}, NULL);
	return ret;
}

void guest_say_where(struct guest *g)
{
	struct lodge_get_sregs s = { .size = sizeof(s) };
	struct lodge_regs regs;

	if (guest_get_regs(g, &regs) || call(g->vcpu, LODGE_GET_SREGS, &s))
		return;
	fprintf(stderr, "# rip %#llx rsp %#llx cr2 %#llx cr3 %#llx idt %#llx gdt %#llx tr %#llx\n",
		regs.rip, regs.gpr[LODGE_RSP], s.sregs.cr2, s.sregs.cr3, s.sregs.idt.base,
		s.sregs.gdt.base, s.sregs.seg[LODGE_TR].base);
}

int guest_run_to_end(struct guest *g)
{
	int ret = guest_run(g);

	if (ret == 0 && g->run->exit_reason == LODGE_EXIT_IO &&
	    g->run->io.port == GUEST_END && g->run->io.is_write)
		return g->run->data[0];
	guest_say_where(g);
	fprintf(stderr, "# LODGE_RUN: %s, exit %u\n", strerror(-ret),
		g->run->exit_reason);
	if (ret == 0 && g->run->exit_reason == LODGE_EXIT_FAIL_ENTRY)
		fprintf(stderr, "# refused: %#llx %#llx\n",
			g->run->fail.reason, g->run->fail.info);
	if (ret == 0 && g->run->exit_reason == LODGE_EXIT_INTERNAL)
		fprintf(stderr, "# internal: %u %#llx %#llx\n",
			g->run->internal.code, g->run->internal.info[0],
			g->run->internal.info[1]);
	return -1;
}

__u64 guest_gpr(struct guest *g, int gpr)
{
	struct lodge_regs regs;

	return guest_get_regs(g, &regs) ? ~0ull : regs.gpr[gpr];
}

const struct lodge_stats_desc *stats_find(const void *blob, const char *name)
{
	const struct lodge_stats_header *header = blob;
	const struct lodge_stats_desc *desc;
	__u32 i;

	for (i = 0; i < header->descs; i++) {
		desc = blob + header->desc_offset + i * header->desc_bytes;
		if (!strcmp(desc->name, name))
			return desc;
	}
	return NULL;
}

__u64 stats_value(int fd, const char *name)
{
	const struct lodge_stats_desc *desc;
	__u8 blob[STATS_ROOM];
	__u64 sum = 0, *value;
	__u32 i;

	if (pread(fd, blob, sizeof(blob), 0) <= 0)
		return ~0ull;
	desc = stats_find(blob, name);
	if (!desc)
		return ~0ull;
	value = (void *)blob + ((struct lodge_stats_header *)blob)->value_offset + desc->offset;
	for (i = 0; i < desc->count; i++)
		sum += value[i];
	return sum;
}

__u64 stats_of(int fd, unsigned long request, const char *name)
{
	struct lodge_open_stats args = { .size = sizeof(args) };
	int stats = call(fd, request, &args);
	__u64 value = stats < 0 ? ~0ull : stats_value(stats, name);

	close(stats);
	return value;
}

__u64 guest_stat(struct guest *g, const char *name)
{
	return stats_of(g->vcpu, LODGE_VCPU_STATS, name);
}

int guest_enable_lapic(struct guest *g)
{
	struct lodge_lapic_state lapic = { .size = sizeof(lapic) };
	__u32 spiv = 0x1ff;
	int ret = call(g->vcpu, LODGE_GET_LAPIC, &lapic);

	if (ret)
		return ret;
	memcpy(&lapic.regs[LAPIC_SPIV], &spiv, sizeof(spiv));
	return call(g->vcpu, LODGE_SET_LAPIC, &lapic);
}

static void on_alarm(int sig)
{
	alarmed = 1;
}

void alarm_ms(unsigned int ms)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval once = {
		.it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 },
		/* The first may come just before LODGE_RUN. */
		.it_interval = { .tv_usec = 100000 },
	};

	alarmed = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
}
