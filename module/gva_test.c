// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: page walks on tables in a fake memory, segments, canonical addresses. */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "translate.h"

#define P	0x001ull
#define W	0x002ull
#define U	0x004ull
#define A	0x020ull
#define D	0x040ull
#define PS	0x080ull
#define NX	BIT_ULL(63)
#define KEY(n)	((u64)(n) << 59)

#define ERR_P	0x01u
#define ERR_W	0x02u
#define ERR_U	0x04u
#define ERR_R	0x08u
#define ERR_I	0x10u
#define ERR_K	0x20u

#define CR0_PG_WP	0x80010001ull
#define CR0_PG		0x80000001ull
#define CR4_PSE		BIT_ULL(4)
#define CR4_PAE		BIT_ULL(5)
#define CR4_LA57	BIT_ULL(12)
#define CR4_SMEP	BIT_ULL(20)
#define CR4_SMAP	BIT_ULL(21)
#define CR4_PKE		BIT_ULL(22)
#define LMA	BIT_ULL(10)
#define NXE	BIT_ULL(11)

#define RD	LODGE_ACCESS_READ
#define WR	LODGE_ACCESS_WRITE
#define EX	LODGE_ACCESS_EXEC
#define USR	LODGE_ACCESS_USER

/* Eight pages from guest physical 0 on. */
#define PAGES	8

struct fake {
	struct lodge_paging paging;
	struct lodge_walk walk;
	u8 mem[PAGES * 4096];
	int marks;
	int busy;		/* so many marks find another entry */
};

static int on_read(void *ctx, u64 gpa, u64 *entry, u32 bytes)
{
	struct fake *f = ctx;

	if (gpa + bytes > sizeof(f->mem))
		return -EIO;
	memcpy(entry, f->mem + gpa, bytes);
	return 0;
}

static int on_mark(void *ctx, u64 gpa, u64 old, u64 bits, u32 bytes)
{
	struct fake *f = ctx;
	u64 now = 0;

	f->marks++;
	if (f->busy && f->busy--)
		return -EAGAIN;
	memcpy(&now, f->mem + gpa, bytes);
	if (now != old)
		return -EAGAIN;
	now |= bits;
	memcpy(f->mem + gpa, &now, bytes);
	return 0;
}

static void set(struct fake *f, u64 gpa, u64 entry)
{
	memcpy(f->mem + gpa, &entry, 8);
}

static u64 get(struct fake *f, u64 gpa)
{
	u64 entry;

	memcpy(&entry, f->mem + gpa, 8);
	return entry;
}

static struct fake *new_fake(struct kunit *test)
{
	struct fake *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->paging.cr0 = CR0_PG_WP;
	f->paging.cr3 = 0x1000;
	f->paging.maxphyaddr = 40;
	f->paging.read = on_read;
	f->paging.ctx = f;
	return f;
}

#define GVA	0x0000008040201abcull	/* index 1 at each of four levels */

/* Four levels at 0x1000 to 0x4000; GVA is 0x5000abc with @leaf's rights. */
static struct fake *four_levels(struct kunit *test, u64 leaf)
{
	struct fake *f = new_fake(test);

	f->paging.cr4 = CR4_PAE;
	f->paging.efer = LMA | NXE;
	set(f, 0x1008, 0x2000 | P | W | U);
	set(f, 0x2008, 0x3000 | P | W | U);
	set(f, 0x3008, 0x4000 | P | W | U);
	set(f, 0x4008, 0x5000000 | leaf);
	return f;
}

static int walk(struct fake *f, u64 gva, u32 access)
{
	return lodge_walk_tables(&f->paging, gva, access, &f->walk);
}

static void expect_ok(struct kunit *test, struct fake *f, u64 gva, u32 access,
		      u64 gpa)
{
	KUNIT_EXPECT_EQ(test, 0, walk(f, gva, access));
	KUNIT_EXPECT_EQ(test, gpa, f->walk.gpa);
}

static void expect_pf(struct kunit *test, struct fake *f, u64 gva, u32 access,
		      u32 error)
{
	KUNIT_EXPECT_EQ(test, -EFAULT, walk(f, gva, access));
	KUNIT_EXPECT_EQ(test, error, f->walk.error);
}

static void no_paging(struct kunit *test)
{
	struct fake *f = new_fake(test);

	f->paging.cr0 = 1;
	expect_ok(test, f, 0xfee00020, WR | USR, 0xfee00020);
	expect_ok(test, f, 0x1fee00020ull, RD, 0xfee00020);
}

static void four_level_4k(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W | U);

	expect_ok(test, f, GVA, RD | USR, 0x5000abc);
	KUNIT_EXPECT_EQ(test, RD | WR | EX | USR, f->walk.access);
	expect_pf(test, f, GVA + 0x1000, RD, 0);
	expect_pf(test, f, GVA + 0x1000, WR | USR, ERR_W | ERR_U);
	expect_pf(test, f, GVA + 0x1000, EX, ERR_I);
}

static void four_level_large(struct kunit *test)
{
	struct fake *f = four_levels(test, 0);

	set(f, 0x3008, 0x40000000 | PS | P | W);
	expect_ok(test, f, GVA, WR, 0x40000000 + (GVA & 0x1fffff));
	set(f, 0x2008, 0x80000000ull | PS | P | W);
	expect_ok(test, f, GVA, WR, 0x80000000ull + (GVA & 0x3fffffff));
}

static void five_levels(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W);

	f->paging.cr4 |= CR4_LA57;
	f->paging.cr3 = 0x6000;
	set(f, 0x6008, 0x1000 | P | W);
	expect_ok(test, f, GVA + (1ull << 48), RD, 0x5000abc);
	expect_pf(test, f, GVA, RD, 0);
}

static void non_canonical(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W);

	KUNIT_EXPECT_EQ(test, -EFAULT, walk(f, GVA | 1ull << 47, RD));
	KUNIT_EXPECT_EQ(test, -EFAULT, walk(f, GVA | 1ull << 48, RD));
	KUNIT_EXPECT_TRUE(test, lodge_canonical(0xffff800000000000ull, false));
	KUNIT_EXPECT_FALSE(test, lodge_canonical(0x0000800000000000ull, false));
	KUNIT_EXPECT_TRUE(test, lodge_canonical(0x0000800000000000ull, true));
	KUNIT_EXPECT_FALSE(test, lodge_canonical(0x0100000000000000ull, true));
}

static void write_protection(struct kunit *test)
{
	struct fake *f = four_levels(test, P);

	expect_pf(test, f, GVA, WR, ERR_P | ERR_W);
	f->paging.cr0 = CR0_PG;
	expect_ok(test, f, GVA, WR, 0x5000abc);
	/* WP off is for supervisors only. */
	set(f, 0x4008, 0x5000000 | P | U);
	expect_pf(test, f, GVA, WR | USR, ERR_P | ERR_W | ERR_U);
}

static void rights_of_upper_levels(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W | U);

	set(f, 0x1008, 0x2000 | P | W);
	expect_pf(test, f, GVA, RD | USR, ERR_P | ERR_U);
	set(f, 0x1008, 0x2000 | P | U);
	expect_pf(test, f, GVA, WR, ERR_P | ERR_W);
	set(f, 0x1008, 0x2000 | P | W | U | NX);
	expect_pf(test, f, GVA, EX, ERR_P | ERR_I);
	KUNIT_EXPECT_EQ(test, RD | WR | USR, f->walk.access);
}

static void no_execute(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W | U | NX);

	expect_pf(test, f, GVA, EX | USR, ERR_P | ERR_U | ERR_I);
	expect_ok(test, f, GVA, RD | USR, 0x5000abc);
	/* Without EFER.NXE the bit is reserved and fetches look like reads. */
	f->paging.efer = LMA;
	expect_pf(test, f, GVA, EX | USR, ERR_P | ERR_U | ERR_R);
}

static void smep(struct kunit *test)
{
	struct fake *f = four_levels(test, P | U);

	expect_ok(test, f, GVA, EX, 0x5000abc);
	f->paging.cr4 |= CR4_SMEP;
	expect_pf(test, f, GVA, EX, ERR_P | ERR_I);
	expect_ok(test, f, GVA, EX | USR, 0x5000abc);
	expect_ok(test, f, GVA, RD, 0x5000abc);
}

static void smap(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W | U);

	f->paging.cr4 |= CR4_SMAP;
	expect_pf(test, f, GVA, RD, ERR_P);
	expect_pf(test, f, GVA, WR, ERR_P | ERR_W);
	expect_ok(test, f, GVA, RD | USR, 0x5000abc);
	f->paging.ac = true;
	expect_ok(test, f, GVA, WR, 0x5000abc);
}

static void protection_keys(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W | U | KEY(3));

	f->paging.pkru = 1u << 6;		/* access disabled */
	expect_ok(test, f, GVA, RD | USR, 0x5000abc);
	f->paging.cr4 |= CR4_PKE;
	expect_pf(test, f, GVA, RD | USR, ERR_P | ERR_U | ERR_K);
	expect_ok(test, f, GVA, EX | USR, 0x5000abc);
	f->paging.pkru = 2u << 6;		/* writes disabled */
	expect_ok(test, f, GVA, RD | USR, 0x5000abc);
	expect_pf(test, f, GVA, WR, ERR_P | ERR_W | ERR_K);
	f->paging.cr0 = CR0_PG;
	expect_ok(test, f, GVA, WR, 0x5000abc);
	/* Supervisor pages have no key. */
	f->paging.pkru = ~0u;
	set(f, 0x4008, 0x5000000 | P | W | KEY(3));
	expect_ok(test, f, GVA, RD, 0x5000abc);
}

static void reserved_address_bits(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W | 1ull << 40);

	expect_pf(test, f, GVA, RD, ERR_P | ERR_R);
	f->paging.maxphyaddr = 41;
	expect_ok(test, f, GVA, RD, 0x10005000abcull);
	f->paging.maxphyaddr = 52;
	set(f, 0x4008, 1ull << 51 | P);
	expect_ok(test, f, GVA, RD, 1ull << 51 | 0xabc);
	/* Bits 52 to 62 are the guest's own. */
	set(f, 0x4008, 0x5000000 | P | 0x7ffull << 52);
	expect_ok(test, f, GVA, RD, 0x5000abc);
}

static void reserved_large_bits(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W);

	set(f, 0x3008, 0x40002000 | PS | P);
	expect_pf(test, f, GVA, RD, ERR_P | ERR_R);
	set(f, 0x3008, 0x40001000 | PS | P);	/* PAT */
	expect_ok(test, f, GVA, RD, 0x40000000 + (GVA & 0x1fffff));
	set(f, 0x2008, 0x40200000 | PS | P);
	expect_pf(test, f, GVA, RD, ERR_P | ERR_R);
	set(f, 0x1008, 0x2000 | PS | P);
	expect_pf(test, f, GVA, WR, ERR_P | ERR_W | ERR_R);
}

static void table_outside_memory(struct kunit *test)
{
	struct fake *f = four_levels(test, P);

	set(f, 0x2008, 0xfee00000 | P);
	KUNIT_EXPECT_EQ(test, -EIO, walk(f, GVA, RD));
	f->paging.cr3 = ~0ull;
	KUNIT_EXPECT_EQ(test, -EIO, walk(f, GVA, RD));
}

/* Entry 1 of each level names its own table. */
static void tables_that_name_themselves(struct kunit *test)
{
	struct fake *f = four_levels(test, 0);

	set(f, 0x1008, 0x1000 | P | W);
	expect_ok(test, f, GVA, RD, 0x1abc);
}

static void two_levels(struct kunit *test)
{
	struct fake *f = new_fake(test);

	/* 0x00401234: entry 1, entry 1 */
	set(f, 0x1000, (0x2000 | P | W | U) << 32);
	set(f, 0x2000, (0x80003000ull | P | W | U) << 32);
	expect_ok(test, f, 0x00401234, WR | USR, 0x80003234ull);
	expect_ok(test, f, 0xffffffff00401234ull, RD, 0x80003234ull);
	/* No NX in these tables: the error code never has I/D, but with SMEP. */
	expect_pf(test, f, 0x00402000, EX, 0);
	f->paging.cr4 = CR4_SMEP;
	expect_pf(test, f, 0x00402000, EX, ERR_I);
}

static void two_levels_4m(struct kunit *test)
{
	struct fake *f = new_fake(test);
	u64 pde = 0xc0000000ull | PS | P | W;

	f->paging.cr4 = CR4_PSE;
	set(f, 0x1000, pde << 32);
	expect_ok(test, f, 0x00401234, RD, 0xc0001234ull);
	/* PSE-36: bit 13 is address bit 32; bit 21 is reserved. */
	set(f, 0x1000, (pde | 1 << 13) << 32);
	expect_ok(test, f, 0x00401234, RD, 0x1c0001234ull);
	set(f, 0x1000, (pde | 1 << 21) << 32);
	expect_pf(test, f, 0x00401234, RD, ERR_P | ERR_R);
	f->paging.maxphyaddr = 36;
	set(f, 0x1000, (pde | 1 << 17) << 32);
	expect_pf(test, f, 0x00401234, RD, ERR_P | ERR_R);
	/* Without CR4.PSE it is a table. */
	f->paging.cr4 = 0;
	set(f, 0x1000, (0x2000 | PS | P | W) << 32);
	set(f, 0x2000, (0x3000 | P) << 32);
	expect_ok(test, f, 0x00401234, RD, 0x3234);
}

static struct fake *pae(struct kunit *test, u64 leaf)
{
	struct fake *f = new_fake(test);

	/* CR3 has bits 31:5; 0x40201abc: index 1 at each of three levels */
	f->paging.cr3 = 0x1fe0;
	f->paging.cr4 = CR4_PAE;
	set(f, 0x1fe8, 0x3000 | P);
	set(f, 0x3008, 0x4000 | P | W | U);
	set(f, 0x4008, leaf);
	return f;
}

static void pae_4k(struct kunit *test)
{
	struct fake *f = pae(test, 0x123456000ull | P | W | U);

	/* The top level has no rights of its own. */
	expect_ok(test, f, 0x40201abc, WR | USR, 0x123456abcull);
	expect_pf(test, f, 0x80201abc, RD, 0);
	set(f, 0x3008, 0x200000 | PS | P);
	expect_ok(test, f, 0x40201abc, RD, 0x201abc);
}

static void pae_reserved(struct kunit *test)
{
	struct fake *f = pae(test, 0x5000 | P | W | 1ull << 52);

	expect_pf(test, f, 0x40201abc, RD, ERR_P | ERR_R);
	set(f, 0x4008, 0x5000 | P | NX);
	expect_pf(test, f, 0x40201abc, RD, ERR_P | ERR_R);
	f->paging.efer = NXE;
	expect_ok(test, f, 0x40201abc, RD, 0x5abc);
	expect_pf(test, f, 0x40201abc, EX, ERR_P | ERR_I);
	set(f, 0x1fe8, 0x3000 | P | W);
	expect_pf(test, f, 0x40201abc, RD, ERR_P | ERR_R);
	set(f, 0x1fe8, 0x3000 | P | PS);
	expect_pf(test, f, 0x40201abc, RD, ERR_P | ERR_R);
}

static void accessed_and_dirty(struct kunit *test)
{
	struct fake *f = four_levels(test, P | W);

	f->paging.mark = on_mark;
	expect_ok(test, f, GVA, RD, 0x5000abc);
	KUNIT_EXPECT_EQ(test, 4, f->marks);
	KUNIT_EXPECT_EQ(test, 0x2000 | P | W | U | A, get(f, 0x1008));
	KUNIT_EXPECT_EQ(test, 0x5000000 | P | W | A, get(f, 0x4008));
	expect_ok(test, f, GVA, WR, 0x5000abc);
	KUNIT_EXPECT_EQ(test, 5, f->marks);
	KUNIT_EXPECT_EQ(test, 0x5000000 | P | W | A | D, get(f, 0x4008));
	expect_ok(test, f, GVA, WR, 0x5000abc);
	KUNIT_EXPECT_EQ(test, 5, f->marks);
}

static void no_marks_on_faults_or_queries(struct kunit *test)
{
	struct fake *f = four_levels(test, P);

	f->paging.mark = on_mark;
	expect_pf(test, f, GVA, WR, ERR_P | ERR_W);
	/* A query passes whatever the rights are. */
	f->paging.cr4 |= CR4_SMAP;
	expect_ok(test, f, GVA, 0, 0x5000abc);
	KUNIT_EXPECT_EQ(test, RD | EX, f->walk.access);
	KUNIT_EXPECT_EQ(test, 0, f->marks);
}

static void entries_that_change(struct kunit *test)
{
	struct fake *f = four_levels(test, P);

	f->paging.mark = on_mark;
	f->busy = 3;
	expect_ok(test, f, GVA, RD, 0x5000abc);
	/* A guest that never stops changing them is not waited for. */
	f = four_levels(test, P);
	f->paging.mark = on_mark;
	f->busy = 1000;
	KUNIT_EXPECT_EQ(test, -EAGAIN, walk(f, GVA, RD));
	KUNIT_EXPECT_EQ(test, 8, f->marks);
}

/* Bases and limits of flat and small segments. */
static struct lodge_segment data_segment(u64 base, u32 limit)
{
	return (struct lodge_segment){
		.base = base, .limit = limit, .type = 3, .s = 1, .present = 1,
		.db = 1,
	};
}

static int linear(const struct lodge_segment *s, int seg, enum lodge_code code,
		  bool protected, u64 offset, u32 bytes, bool write, u64 *out)
{
	const struct lodge_segmode mode = { code, protected, false };

	return lodge_segment_linear(&mode, s, seg, offset, bytes, write, out);
}

static void segments_in_64_bit_code(struct kunit *test)
{
	struct lodge_segment s = data_segment(0x1000, 0);
	u64 out;

	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_DS, LODGE_CODE64, true, 0x5000, 8, true, &out));
	KUNIT_EXPECT_EQ(test, 0x5000ull, out);
	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_GS, LODGE_CODE64, true, 0x5000, 8, true, &out));
	KUNIT_EXPECT_EQ(test, 0x6000ull, out);
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_DS, LODGE_CODE64, true,
					 0x800000000000ull, 1, false, &out));
	KUNIT_EXPECT_EQ(test, 12, linear(&s, LODGE_SS, LODGE_CODE64, true,
					 0x7ffffffffffeull, 4, false, &out));
}

static void segment_limits(struct kunit *test)
{
	struct lodge_segment s = data_segment(0x10000, 0xffff);
	u64 out;

	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_DS, LODGE_CODE16, true, 0xfffe, 2, true, &out));
	KUNIT_EXPECT_EQ(test, 0x1fffeull, out);
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_DS, LODGE_CODE16, true, 0xffff, 2, true, &out));
	KUNIT_EXPECT_EQ(test, 12, linear(&s, LODGE_SS, LODGE_CODE16, false, 0xffff, 2, true, &out));
	/* Linear addresses wrap at 4 GiB. */
	s = data_segment(0xfffff000, 0xffffffff);
	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_DS, LODGE_CODE32, true, 0x2000, 4, true, &out));
	KUNIT_EXPECT_EQ(test, 0x1000ull, out);
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_DS, LODGE_CODE32, true,
					 0xfffffffe, 4, true, &out));
}

static void expand_down_segments(struct kunit *test)
{
	struct lodge_segment s = data_segment(0, 0xfff);
	u64 out;

	s.type = 7;
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_DS, LODGE_CODE32, true, 0xfff, 1, true, &out));
	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_DS, LODGE_CODE32, true, 0x1000, 4, true, &out));
	s.db = 0;
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_DS, LODGE_CODE32, true, 0xfffd, 4, true, &out));
}

static void segment_types(struct kunit *test)
{
	struct lodge_segment s = data_segment(0, 0xffffffff);
	u64 out;

	s.type = 1;			/* read-only data */
	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_DS, LODGE_CODE32, true, 0, 4, false, &out));
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_DS, LODGE_CODE32, true, 0, 4, true, &out));
	s.type = 9;			/* code, execute-only */
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_CS, LODGE_CODE32, true, 0, 4, false, &out));
	s.type = 11;			/* code, readable */
	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_CS, LODGE_CODE32, true, 0, 4, false, &out));
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_CS, LODGE_CODE32, true, 0, 4, true, &out));
	/* Real mode writes through CS too. */
	KUNIT_EXPECT_EQ(test, 0, linear(&s, LODGE_CS, LODGE_CODE16, false, 0, 4, true, &out));
	s = data_segment(0, 0xffffffff);
	s.unusable = 1;
	KUNIT_EXPECT_EQ(test, 13, linear(&s, LODGE_ES, LODGE_CODE32, true, 0, 4, false, &out));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(no_paging),
	KUNIT_CASE(four_level_4k),
	KUNIT_CASE(four_level_large),
	KUNIT_CASE(five_levels),
	KUNIT_CASE(non_canonical),
	KUNIT_CASE(write_protection),
	KUNIT_CASE(rights_of_upper_levels),
	KUNIT_CASE(no_execute),
	KUNIT_CASE(smep),
	KUNIT_CASE(smap),
	KUNIT_CASE(protection_keys),
	KUNIT_CASE(reserved_address_bits),
	KUNIT_CASE(reserved_large_bits),
	KUNIT_CASE(table_outside_memory),
	KUNIT_CASE(tables_that_name_themselves),
	KUNIT_CASE(two_levels),
	KUNIT_CASE(two_levels_4m),
	KUNIT_CASE(pae_4k),
	KUNIT_CASE(pae_reserved),
	KUNIT_CASE(accessed_and_dirty),
	KUNIT_CASE(no_marks_on_faults_or_queries),
	KUNIT_CASE(entries_that_change),
	KUNIT_CASE(segments_in_64_bit_code),
	KUNIT_CASE(segment_limits),
	KUNIT_CASE(expand_down_segments),
	KUNIT_CASE(segment_types),
	{ }
};

static struct kunit_suite lodge_gva_suite = {
	.name = "lodge_gva",
	.test_cases = cases,
};

kunit_test_suite(lodge_gva_suite);
