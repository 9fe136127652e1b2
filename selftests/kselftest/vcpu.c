// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls that read and write a vCPU's state. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define MSR_STAR	0xc0000081
#define MSR_PAT		0x277
#define MSR_EFER	0xc0000080
#define MSR_NONE	0x12345678

GUEST64(vcpu_nop, "nop\n" END);

FIXTURE(vcpu)
{
	struct guest g;
};

FIXTURE_SETUP(vcpu)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(vcpu)
{
	guest_destroy(&self->g);
}

/* SDM table 10-1: what a processor is after reset. */
TEST_F(vcpu, power_on_state)
{
	struct lodge_sregs sregs;
	struct lodge_regs regs;

	ASSERT_EQ(0, guest_get_regs(&self->g, &regs));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	EXPECT_EQ(0xfff0, regs.rip);
	EXPECT_EQ(2, regs.rflags);
	EXPECT_EQ(0, regs.gpr[LODGE_RAX]);
	EXPECT_EQ(0x60000010, sregs.cr0);
	EXPECT_EQ(0, sregs.cr4);
	EXPECT_EQ(0, sregs.efer);
	EXPECT_EQ(1, sregs.xcr0);
	EXPECT_EQ(0xf000, sregs.seg[LODGE_CS].selector);
	EXPECT_EQ(0xffff0000, sregs.seg[LODGE_CS].base);
	EXPECT_EQ(0xffff, sregs.seg[LODGE_DS].limit);
	EXPECT_EQ(0xfee00900, sregs.apic_base);
}

TEST_F(vcpu, regs_round_trip)
{
	struct lodge_regs regs, again;
	int i;

	for (i = 0; i < 16; i++)
		regs.gpr[i] = 0x0123456789abcdefull * (i + 1);
	regs.rip = 0xfff8;
	regs.rflags = 0x246;
	ASSERT_EQ(0, guest_set_regs(&self->g, &regs));
	ASSERT_EQ(0, guest_get_regs(&self->g, &again));
	EXPECT_EQ(0, memcmp(&regs, &again, sizeof(regs)));
}

TEST_F(vcpu, rflags_reserved_bits)
{
	struct lodge_regs regs = { .rflags = ~0ull };

	ASSERT_EQ(0, guest_set_regs(&self->g, &regs));
	ASSERT_EQ(0, guest_get_regs(&self->g, &regs));
	EXPECT_EQ(0x3f7fd7, regs.rflags);
}

TEST_F(vcpu, sregs_round_trip)
{
	struct lodge_sregs sregs, again;

	ASSERT_EQ(0, guest_load64(&self->g, vcpu_nop));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	EXPECT_EQ(GUEST_TABLES, sregs.cr3);
	EXPECT_EQ(0x500, sregs.efer);
	EXPECT_EQ(1, sregs.seg[LODGE_CS].l);
	sregs.seg[LODGE_FS].base = 0x7fff12345678ull;
	sregs.cr2 = 0x1234;
	sregs.cr8 = 5;
	ASSERT_EQ(0, guest_set_sregs(&self->g, &sregs));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &again));
	EXPECT_EQ(sregs.seg[LODGE_FS].base, again.seg[LODGE_FS].base);
	EXPECT_EQ(0x1234, again.cr2);
	EXPECT_EQ(5, again.cr8);
	EXPECT_EQ(sregs.cr0, again.cr0);
	EXPECT_EQ(sregs.cr4, again.cr4);
}

/* Each of these is #GP in a guest, so it is EINVAL here and changes nothing. */
TEST_F(vcpu, sregs_refusals)
{
	struct lodge_sregs good, bad, after;

	ASSERT_EQ(0, guest_load64(&self->g, vcpu_nop));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &good));
#define REFUSED(member, value) do {					\
		bad = good;						\
		bad.member = (value);					\
		EXPECT_EQ(-EINVAL, guest_set_sregs(&self->g, &bad)) {	\
			TH_LOG(#member " = " #value);			\
		}							\
	} while (0)
	REFUSED(cr0, 1ull << 32 | good.cr0);
	REFUSED(cr0, 0x80000010);		/* PG without PE */
	REFUSED(cr0, good.cr0 | 1u << 29);	/* NW without CD */
	REFUSED(cr4, ~0ull);
	REFUSED(cr4, good.cr4 | 1u << 13);	/* VMXE */
	REFUSED(cr4, good.cr4 & ~0x20ull);	/* long mode without PAE */
	REFUSED(cr3, ~0ull);
	REFUSED(cr8, 16);
	REFUSED(efer, ~0ull);
	REFUSED(efer, good.efer | 1u << 12);	/* SVME */
	REFUSED(efer, 0x100);			/* PG and LME without LMA */
	REFUSED(xcr0, 0);
	REFUSED(xcr0, 5);			/* AVX without SSE */
	REFUSED(xcr0, ~0ull);
	REFUSED(apic_base, 1ull << 63);
#undef REFUSED
	ASSERT_EQ(0, guest_get_sregs(&self->g, &after));
	EXPECT_EQ(0, memcmp(&good, &after, sizeof(good)));
	EXPECT_EQ(0, guest_run_to_end(&self->g));
}

static struct lodge_xsave xsave_args(void *area, __u32 bytes)
{
	return (struct lodge_xsave) {
		.size = sizeof(struct lodge_xsave), .bytes = bytes,
		.addr = (unsigned long)area,
	};
}

TEST_F(vcpu, xsave_round_trip)
{
	__u8 area[16384] __attribute__((aligned(64))) = {}, again[16384];
	struct lodge_xsave args = xsave_args(area, sizeof(area));

	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_XSAVE, &args));
	ASSERT_LE(576, args.bytes);
	ASSERT_GE(sizeof(area), args.bytes);
	memset(area + 160, 0x5a, 256);		/* XMM0 to XMM15 */
	area[512] |= 3;				/* XSTATE_BV: x87, SSE */
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
	args.addr = (unsigned long)again;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_XSAVE, &args));
	EXPECT_EQ(0, memcmp(area + 160, again + 160, 256));
}

TEST_F(vcpu, xsave_refusals)
{
	__u8 area[16384] __attribute__((aligned(64))) = {};
	struct lodge_xsave args = xsave_args(area, 8);
	__u32 bytes;

	EXPECT_GT(0, call(self->g.vcpu, LODGE_GET_XSAVE, &args));
	EXPECT_LE(576, args.bytes);
	bytes = args.bytes;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_XSAVE, &args));
	args.bytes = 575;
	EXPECT_GT(0, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
	args.bytes = bytes;
	area[519] = 0x40;			/* XSTATE_BV bit 62 */
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
	area[519] = 0;
	area[527] = 0x80;			/* XCOMP_BV: compacted */
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
	area[527] = 0;
	area[536] = 1;				/* reserved header byte */
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
	area[536] = 0;
	memset(area + 24, 0xff, 4);		/* MXCSR */
	area[512] = 3;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
	args.addr = 0;
	EXPECT_EQ(-EFAULT, call(self->g.vcpu, LODGE_SET_XSAVE, &args));
}

static struct lodge_msrs msrs_args(struct lodge_msr_entry *entries, __u32 count)
{
	return (struct lodge_msrs) {
		.size = sizeof(struct lodge_msrs), .count = count,
		.entries = (unsigned long)entries,
	};
}

TEST_F(vcpu, msrs)
{
	struct lodge_msr_entry entries[] = {
		{ .index = MSR_STAR, .value = 0x0023001000000000ull },
		{ .index = MSR_PAT, .value = 0x0007040600070406ull },
		{ .index = MSR_NONE },
		{ .index = MSR_STAR },
	};
	struct lodge_msrs args = msrs_args(entries, 2);

	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_MSRS, &args));
	EXPECT_EQ(2, args.done);
	entries[0].value = 0;
	entries[1].value = 0;
	args.count = 4;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_GET_MSRS, &args));
	EXPECT_EQ(2, args.done);
	EXPECT_EQ(0x0023001000000000ull, entries[0].value);
	EXPECT_EQ(0x0007040600070406ull, entries[1].value);
}

TEST_F(vcpu, msr_refusals)
{
	static const struct lodge_msr_entry bad[] = {
		{ .index = MSR_EFER, .value = ~0ull },
		{ .index = MSR_EFER, .value = 1 << 12 },	/* SVME */
		{ .index = MSR_PAT, .value = 2 },		/* reserved type */
		{ .index = 0xc0000082, .value = 1ull << 47 },	/* LSTAR */
		{ .index = 0xc0000100, .value = 1ull << 63 },	/* FS base */
		{ .index = 0xc0000102, .value = 0xff00000000000000ull },
		{ .index = 0x175, .value = 1ull << 62 },	/* SYSENTER_ESP */
		{ .index = 0x2ff, .value = ~0ull },		/* MTRR default */
		{ .index = 0x200, .value = 0xff },		/* MTRR base type */
		{ .index = 0x480, .value = 0 },			/* VMX_BASIC */
		{ .index = 0xc0010117, .value = 0 },		/* VM_HSAVE_PA */
		{ .index = 0xffffffff, .value = 0 },
	};
	struct lodge_msr_entry entry;
	struct lodge_msrs args = msrs_args(&entry, 1);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		entry = bad[i];
		EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_MSRS, &args)) {
			TH_LOG("MSR %#x = %#llx", entry.index, entry.value);
		}
		EXPECT_EQ(0, args.done);
	}
	args.count = LODGE_MAX_MSRS + 1;
	EXPECT_GT(0, call(self->g.vcpu, LODGE_SET_MSRS, &args));
	args.count = ~0u;
	EXPECT_GT(0, call(self->g.vcpu, LODGE_GET_MSRS, &args));
	args.count = 1;
	args.entries = 0;
	EXPECT_EQ(-EFAULT, call(self->g.vcpu, LODGE_SET_MSRS, &args));
}

/* What the list names can be read, and what was read can be written. */
TEST_F(vcpu, every_msr)
{
	struct lodge_msr_entry entries[LODGE_MAX_MSRS] = {};
	__u32 indexes[LODGE_MAX_MSRS];
	struct lodge_msr_list list = {
		.size = sizeof(list), .count = LODGE_MAX_MSRS,
		.indexes = (unsigned long)indexes,
	};
	struct lodge_msrs args = msrs_args(entries, 0);
	unsigned int i;

	ASSERT_EQ(0, call(self->g.dev, LODGE_GET_MSR_LIST, &list));
	for (i = 0; i < list.count; i++)
		entries[i].index = indexes[i];
	args.count = list.count;
	EXPECT_EQ(0, call(self->g.vcpu, LODGE_GET_MSRS, &args)) {
		TH_LOG("cannot read MSR %#x", indexes[args.done]);
	}
	EXPECT_EQ(0, call(self->g.vcpu, LODGE_SET_MSRS, &args)) {
		TH_LOG("cannot write MSR %#x", indexes[args.done]);
	}
}

static struct lodge_cpuid cpuid_args(struct lodge_cpuid_entry *entries, __u32 count)
{
	return (struct lodge_cpuid) {
		.size = sizeof(struct lodge_cpuid), .count = count,
		.entries = (unsigned long)entries,
	};
}

TEST_F(vcpu, cpuid_round_trip)
{
	struct lodge_cpuid_entry entries[LODGE_MAX_CPUID], again[LODGE_MAX_CPUID];
	struct lodge_cpuid args = cpuid_args(entries, LODGE_MAX_CPUID);
	struct lodge_cpuid got = cpuid_args(again, LODGE_MAX_CPUID);

	ASSERT_EQ(0, call(self->g.dev, LODGE_GET_SUPPORTED_CPUID, &args));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_CPUID, &args));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_CPUID, &got));
	EXPECT_EQ(args.count, got.count);
	EXPECT_EQ(0, memcmp(entries, again, args.count * sizeof(entries[0])));
}

TEST_F(vcpu, cpuid_refusals)
{
	struct lodge_cpuid_entry entries[LODGE_MAX_CPUID + 1] = {};
	struct lodge_cpuid args = cpuid_args(entries, LODGE_MAX_CPUID + 1);

	EXPECT_GT(0, call(self->g.vcpu, LODGE_SET_CPUID, &args));
	args.count = ~0u;
	EXPECT_GT(0, call(self->g.vcpu, LODGE_SET_CPUID, &args));
	args = cpuid_args(NULL, 1);
	EXPECT_EQ(-EFAULT, call(self->g.vcpu, LODGE_SET_CPUID, &args));
	args = cpuid_args(entries, 0);
	EXPECT_EQ(-ENOSPC, call(self->g.vcpu, LODGE_GET_CPUID, &args));
	EXPECT_LT(0, args.count);
	/* An entry with an unknown flag, and one leaf twice. */
	args = cpuid_args(entries, 1);
	entries[0].flags = 1u << 31;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_CPUID, &args));
}

TEST_F(vcpu, events_round_trip)
{
	struct lodge_events args = {
		.size = sizeof(args), .exception = 13, .error_code = 0x18,
		.flags = LODGE_EVENT_EXCEPTION | LODGE_EVENT_ERROR_CODE |
			 LODGE_EVENT_NMI_PENDING,
	};
	struct lodge_events again = { .size = sizeof(again) };

	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_EVENTS, &again));
	EXPECT_EQ(args.flags, again.flags);
	EXPECT_EQ(13, again.exception);
	EXPECT_EQ(0x18, again.error_code);
}

TEST_F(vcpu, events_refusals)
{
	struct lodge_events args = {
		.size = sizeof(args), .exception = 32,
		.flags = LODGE_EVENT_EXCEPTION,
	};

	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
	args.exception = 2;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
	args.flags = LODGE_EVENT_ERROR_CODE;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
	args.flags = LODGE_EVENT_SOFT;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
	args.flags = LODGE_EVENT_INTERRUPT;
	args.interrupt = 3;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
}

TEST_F(vcpu, lapic_round_trip)
{
	struct lodge_lapic_state lapic = { .size = sizeof(lapic) }, again;
	__u32 version;

	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_LAPIC, &lapic));
	memcpy(&version, &lapic.regs[0x30], sizeof(version));
	EXPECT_LE(0x10, version & 0xff);
	ASSERT_EQ(0, guest_enable_lapic(&self->g));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_LAPIC, &lapic));
	EXPECT_EQ(1, lapic.regs[0xf1] & 1);
	again = lapic;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_LAPIC, &lapic));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_LAPIC, &again));
	EXPECT_EQ(0, memcmp(&lapic, &again, sizeof(lapic)));
}

TEST_F(vcpu, lapic_takes_garbage)
{
	struct lodge_lapic_state lapic = { .size = sizeof(lapic) };

	ASSERT_EQ(0, guest_load64(&self->g, vcpu_nop));
	memset(lapic.regs, 0xff, sizeof(lapic.regs));
	call(self->g.vcpu, LODGE_SET_LAPIC, &lapic);
	EXPECT_EQ(0, guest_run_to_end(&self->g));
}

TEST_F(vcpu, mp_state)
{
	struct lodge_mp_state args = { .size = sizeof(args) };

	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_MP_STATE, &args));
	EXPECT_EQ(LODGE_MP_RUNNABLE, args.state);
	args.state = LODGE_MP_HALTED;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_MP_STATE, &args));
	args.state = 99;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_MP_STATE, &args));
	EXPECT_EQ(LODGE_MP_HALTED, args.state);
	args.state = LODGE_MP_WAIT_SIPI + 1;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_MP_STATE, &args));
	args.state = LODGE_MP_WAIT_SIPI;
	args.sipi_vector = 256;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_MP_STATE, &args));
}

TEST_F(vcpu, second_vcpu_waits_for_sipi)
{
	struct lodge_mp_state args = { .size = sizeof(args) };
	int vcpu = guest_add_vcpu(&self->g, 1);

	ASSERT_LE(0, vcpu);
	ASSERT_EQ(0, call(vcpu, LODGE_GET_MP_STATE, &args));
	EXPECT_EQ(LODGE_MP_WAIT_SIPI, args.state);
	alarm_ms(50);
	EXPECT_EQ(-EINTR, call(vcpu, LODGE_RUN, NULL));
}

TEST_F(vcpu, debugregs)
{
	struct lodge_debugregs args = { .size = sizeof(args) };

	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_DEBUGREGS, &args));
	EXPECT_EQ(0xffff0ff0, args.dr6);
	EXPECT_EQ(0x400, args.dr7);
	args.db[0] = 0x1000;
	args.db[3] = 0xffff800000000000ull;
	args.dr7 = 0x403;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_DEBUGREGS, &args));
	memset(args.db, 0, sizeof(args.db));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_DEBUGREGS, &args));
	EXPECT_EQ(0x1000, args.db[0]);
	EXPECT_EQ(0xffff800000000000ull, args.db[3]);
	EXPECT_EQ(0x403, args.dr7);
	args.dr7 = 1ull << 32;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_DEBUGREGS, &args));
	args.dr7 = 0x400;
	args.dr6 = 1ull << 32;
	EXPECT_EQ(-EINVAL, call(self->g.vcpu, LODGE_SET_DEBUGREGS, &args));
}

TEST_F(vcpu, translate)
{
	struct lodge_translate args = { .size = sizeof(args), .gva = GUEST_CODE };

	ASSERT_EQ(0, guest_load64(&self->g, vcpu_nop));
	args.gva = GUEST_CODE + 5;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_TRANSLATE, &args));
	EXPECT_EQ(GUEST_CODE + 5, args.gpa);
	EXPECT_EQ(LODGE_ACCESS_READ | LODGE_ACCESS_WRITE | LODGE_ACCESS_EXEC |
		  LODGE_ACCESS_USER, args.access);
	args.gva = 0x8000000000ull;
	EXPECT_EQ(-EFAULT, call(self->g.vcpu, LODGE_TRANSLATE, &args));
	args.gva = 0x123456789abcdef0ull;
	EXPECT_EQ(-EFAULT, call(self->g.vcpu, LODGE_TRANSLATE, &args));
}

static bool offers_la57(struct guest *g)
{
	static struct lodge_cpuid_entry entries[LODGE_MAX_CPUID];
	struct lodge_cpuid args = {
		.size = sizeof(args), .count = LODGE_MAX_CPUID, .entries = (unsigned long)entries,
	};
	__u32 i;

	if (call(g->dev, LODGE_GET_SUPPORTED_CPUID, &args))
		return false;
	for (i = 0; i < args.count; i++)
		if (entries[i].leaf == 7 && !entries[i].subleaf)
			return entries[i].ecx & 1 << 16;
	return false;
}

/* Bit 55 is beyond what four levels reach. LA57 stays set in long mode; MSRs have 57 bits. */
GUEST64(five_levels,
	"mov $0x80000000020000, %rbx\n mov (%rbx), %r8\n"
	"mov %rbx, %rax\n mov %rbx, %rdx\n shr $32, %rdx\n mov $0xc0000082, %ecx\n wrmsr\n"
	"mov %cr4, %rax\n btr $12, %rax\n mov %rax, %cr4\n" END
	"mov $0x800000d0000000, %rbx\n mov %eax, (%rbx)\n" END
	HANDLER(five_levels) "incl %r9d\n pop %rax\n addq $3, (%rsp)\n iretq\n");

#define TABLE5	0xa000ul

TEST_F(vcpu, five_levels_of_tables)
{
	struct lodge_translate args = { .size = sizeof(args), .gva = 1ull << 55 | GUEST_DATA };
	__u64 *table = (__u64 *)(self->g.mem + TABLE5);
	struct lodge_sregs sregs;

	ASSERT_EQ(0, guest_load64(&self->g, five_levels));
	guest_gate(&self->g, 13);
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	table[0] = GUEST_TABLES | 7;
	table[0x80] = GUEST_TABLES | 7;
	sregs.cr4 |= 1 << 12;
	sregs.cr3 = TABLE5;
	if (!offers_la57(&self->g)) {
		EXPECT_EQ(-EINVAL, guest_set_sregs(&self->g, &sregs));
		return;
	}
	*(__u64 *)(self->g.mem + GUEST_DATA) = 0x123456789abcdef0ull;
	ASSERT_EQ(0, guest_set_sregs(&self->g, &sregs));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0x123456789abcdef0ull, guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(1, guest_gpr(&self->g, LODGE_R9));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_TRANSLATE, &args));
	EXPECT_EQ(GUEST_DATA, args.gpa);
	ASSERT_EQ(0, guest_run(&self->g));
	EXPECT_EQ(LODGE_EXIT_MMIO, self->g.run->exit_reason);
	EXPECT_EQ(GUEST_NOTHING, self->g.run->mmio.gpa);
	sregs.seg[LODGE_FS].base = 1ull << 56;
	EXPECT_EQ(-EINVAL, guest_set_sregs(&self->g, &sregs));
}

/* Tables outside guest memory are nobody's memory. */
TEST_F(vcpu, translate_by_wild_tables)
{
	struct lodge_translate args = { .size = sizeof(args), .gva = GUEST_CODE };
	struct lodge_sregs sregs;

	ASSERT_EQ(0, guest_load64(&self->g, vcpu_nop));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	sregs.cr3 = GUEST_NOTHING;
	ASSERT_EQ(0, guest_set_sregs(&self->g, &sregs));
	EXPECT_GT(0, call(self->g.vcpu, LODGE_TRANSLATE, &args));
}

TEST_F(vcpu, stats_count)
{
	ASSERT_EQ(0, guest_load64(&self->g, vcpu_nop));
	ASSERT_EQ(0, guest_run_to_end(&self->g));
	EXPECT_LE(1, guest_stat(&self->g, "exits.pio"));
	EXPECT_LE(1, guest_stat(&self->g, "user"));
	EXPECT_LE(1, guest_stat(&self->g, "exits.fault"));
	EXPECT_LE(guest_stat(&self->g, "exits.pio"),
		  guest_stat(&self->g, "exits"));
}

TEST_F(vcpu, unknown_ioctls)
{
	int nr;

	for (nr = 0x58; nr < 0x100; nr++)
		EXPECT_EQ(-ENOTTY, call(self->g.vcpu, _IO('L', nr), NULL)) {
			TH_LOG("ioctl %#x", nr);
		}
}

TEST_F(vcpu, run_area_mapping)
{
	int vcpu = self->g.vcpu;
	size_t bytes = self->g.info.run_size;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes + 4096, PROT_READ, MAP_SHARED, vcpu, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ, MAP_SHARED, vcpu, 4096));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, vcpu, 0));
}

TEST_HARNESS_MAIN
