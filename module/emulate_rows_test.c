// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: rows of the emulator's table, on the machine of emulate_test.c. */
#include "emulate_test.h"

/* One instruction on [rbx]: registers and memory before and after. */
struct row {
	const char *name;
	u8 bytes[10];
	u8 count;
	u64 rax, rcx, rdx, mem;
	u64 flags;
	u64 want_rax, want_rcx, want_rdx, want_mem;
	u64 want_flags;
};

#define X(...)	{ __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ })

static const struct row rows[] = {
	/* name, bytes, RAX, RCX, RDX, memory, flags: before, then after */
	{ "mul byte", X(0xf6, 0x23), 0x1180, 1, 2, 0x10, 0, 0x800, 1, 2, 0x10, CF | OF },
	{ "mul word", X(0x66, 0xf7, 0x23), 0x1111, 1, 0x22222222, 0x3333, 0,
	  0xc963, 1, 0x22220369, 0x3333, CF | OF },
	{ "mul dword", X(0xf7, 0x23), 0x11111111, 1, ~0ull, 0x33333333, 0,
	  0x962fc963, 1, 0x369d036, 0x33333333, CF | OF },
	{ "mul small", X(0xf7, 0x23), 3, 1, 9, 5, CF | OF, 15, 1, 0, 5, 0 },
	{ "imul byte", X(0xf6, 0x2b), 0xff, 1, 2, 2, CF, 0xfffe, 1, 2, 2, 0 },
	{ "imul qword", X(0x48, 0xf7, 0x2b), ~0ull, 1, 2, 5, 0, -5, 1, ~0ull, 5, 0 },
	{ "imul two", X(0x66, 0x0f, 0xaf, 0x03), 0x12345678, 1, 2, 51, 0,
	  0x123439e8, 1, 2, 51, CF | OF },
	{ "imul imm8", X(0x6b, 0x03, 51), 0, 1, 2, 0x12345678, 0,
	  0xa06d39e8, 1, 2, 0x12345678, CF | OF },
	{ "imul imm", X(0x48, 0x69, 0x03, 0xfe, 0xff, 0xff, 0xff), 0, 1, 2, 7, 0,
	  -14, 1, 2, 7, 0 },
	{ "div byte", X(0xf6, 0x33), 0x0105, 1, 2, 0x10, 0, 0x0510, 1, 2, 0x10, 0 },
	{ "div qword", X(0x48, 0xf7, 0x33), 1, 1, 2, 4, 0,
	  0x8000000000000000ull, 1, 1, 4, 0 },
	{ "idiv dword", X(0xf7, 0x3b), 0xfffffff9, 1, 0xffffffff, 2, 0,
	  0xfffffffd, 1, 0xffffffff, 2, 0 },
	{ "bsf", X(0x0f, 0xbc, 0x03), 9, 1, 2, 0x50, ZF, 4, 1, 2, 0x50, 0 },
	{ "bsf none", X(0x48, 0x0f, 0xbc, 0x03), 9, 1, 2, 0, 0, 9, 1, 2, 0, ZF },
	{ "bsr", X(0x48, 0x0f, 0xbd, 0x03), 9, 1, 2, 1ull << 47, 0, 47, 1, 2, 1ull << 47, 0 },
	{ "tzcnt none", X(0x66, 0xf3, 0x0f, 0xbc, 0x03), 9, 1, 2, 0, 0, 16, 1, 2, 0, CF },
	{ "lzcnt", X(0xf3, 0x0f, 0xbd, 0x03), 9, 1, 2, 0x80000000, CF,
	  0, 1, 2, 0x80000000, ZF },
	{ "popcnt", X(0xf3, 0x0f, 0xb8, 0x03), 9, 1, 2, 0xf0f0, CF | OF, 8, 1, 2, 0xf0f0, 0 },
	{ "shld cl", X(0x0f, 0xa5, 0x03), 0xaaaaaaaa, 3, 2, 0x12345678, 0,
	  0xaaaaaaaa, 3, 2, 0x91a2b3c5, SF | PF | OF },
	{ "shld imm", X(0x48, 0x0f, 0xa4, 0x03, 4), 0xfull << 60, 3, 2, 1, 0,
	  0xfull << 60, 3, 2, 0x1f, 0 },
	{ "shrd cl", X(0x0f, 0xad, 0x03), 0x55555555, 3, 2, 0x12345678, 0,
	  0x55555555, 3, 2, 0xa2468acf, SF | PF | OF },
	{ "shrd 0", X(0x0f, 0xac, 0x03, 32), 5, 3, 2, 7, CF, 5, 3, 2, 7, CF },
	{ "xlat", X(0xd7), 0xff03, 1, 2, 0x44332211, 0, 0xff44, 1, 2, 0x44332211, 0 },
	{ "cmpxchg8b hit", X(0xf0, 0x0f, 0xc7, 0x0b), 0x1111, 7, 0x2222, 0x222200001111ull, 0,
	  0x1111, 7, 0x2222, 0x700001000ull, ZF },
	{ "cmpxchg8b miss", X(0x0f, 0xc7, 0x0b), 0x1112, 7, 0x2222, 0x222200001111ull, ZF,
	  0x1111, 7, 0x2222, 0x222200001111ull, 0 },
	{ "smsw", X(0x0f, 0x01, 0x23), 0, 1, 2, ~0ull, 0, 0, 1, 2, 0xffffffffffff1234ull, 0 },
	{ "sldt", X(0x0f, 0x00, 0x03), 0, 1, 2, 0, 0, 0, 1, 2, 0x60, 0 },
	{ "str", X(0x0f, 0x00, 0x0b), 0, 1, 2, 0, 0, 0, 1, 2, 0x68, 0 },
	{ "mov mem, ds", X(0x48, 0x8c, 0x1b), 0, 1, 2, ~0ull, 0,
	  0, 1, 2, 0xffffffffffff0018ull, 0 },
	{ "adc", X(0x11, 0x03), 1, 1, 2, 0xffffffff, CF, 1, 1, 2, 1, CF | AF },
	{ "sbb", X(0x19, 0x03), 0, 1, 2, 0, CF, 0, 1, 2, 0xffffffff, CF | PF | AF | SF },
	{ "and", X(0x21, 0x03), 0xff00, 1, 2, 0x0ff0, CF, 0xff00, 1, 2, 0x0f00, PF },
	{ "sub", X(0x48, 0x29, 0x03), 1, 1, 2, 1, 0, 1, 1, 2, 0, PF | ZF },
	{ "xor", X(0x31, 0x03), 5, 1, 2, 5, 0, 5, 1, 2, 0, PF | ZF },
	{ "neg", X(0x48, 0xf7, 0x1b), 0, 1, 2, 1, 0, 0, 1, 2, ~0ull, CF | PF | AF | SF },
	{ "inc word", X(0x66, 0xff, 0x03), 0, 1, 2, 0xaffff, 0, 0, 1, 2, 0xa0000, PF | AF | ZF },
	{ "rol", X(0xd1, 0x03), 0, 1, 2, 0x80000000, 0, 0, 1, 2, 1, CF | OF },
	{ "ror cl", X(0xd3, 0x0b), 0, 4, 2, 0x12345678, 0, 0, 4, 2, 0x81234567, CF | OF },
	{ "rcl", X(0xd1, 0x13), 0, 1, 2, 1, CF, 0, 1, 2, 3, 0 },
	{ "rcr", X(0xd1, 0x1b), 0, 1, 2, 1, 0, 0, 1, 2, 0, CF },
	{ "shr imm", X(0xc1, 0x2b, 4), 0, 1, 2, 0x123, 0, 0, 1, 2, 0x12, PF },
	{ "sar", X(0xd1, 0x3b), 0, 1, 2, 0x80000001, 0, 0, 1, 2, 0xc0000000, CF | PF | SF },
	{ "btc", X(0x0f, 0xba, 0x3b, 33), 0, 1, 2, 0, 0, 0, 1, 2, 2, 0 },
	{ "btr", X(0x0f, 0xba, 0x33, 1), 0, 1, 2, 6, 0, 0, 1, 2, 4, CF },
	{ "movbe store", X(0x0f, 0x38, 0xf1, 0x03), 0x11223344, 1, 2, 0, 0,
	  0x11223344, 1, 2, 0x44332211, 0 },
	{ "movnti", X(0x48, 0x0f, 0xc3, 0x03), 0x1122334455667788ull, 1, 2, 0, 0,
	  0x1122334455667788ull, 1, 2, 0x1122334455667788ull, 0 },
	{ "clflush", X(0x0f, 0xae, 0x3b), 0, 1, 2, 9, 0, 0, 1, 2, 9, 0 },
};

static void every_row(struct kunit *test)
{
	const u64 before = 0x202;
	struct machine *m;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		m = lodge_new_machine(test);
		m->e.cr0 = 0x1234;
		m->e.rflags = before | r->flags;
		m->e.gpr[LODGE_RAX] = r->rax;
		m->e.gpr[LODGE_RCX] = r->rcx;
		m->e.gpr[LODGE_RDX] = r->rdx;
		m->system[LODGE_DS][0] = 0x18;
		m->system[LODGE_LDTR][0] = 0x60;
		m->system[LODGE_TR][0] = 0x68;
		m->system[LODGE_SYS_CR0][0] = 0x1234;
		memcpy(m->mem, &r->mem, 8);
		KUNIT_EXPECT_EQ_MSG(test, 0, lodge_run_insn(test, m, r->bytes, r->count), "%s",
				    r->name);
		KUNIT_EXPECT_EQ_MSG(test, r->want_rax, m->e.gpr[LODGE_RAX], "%s", r->name);
		KUNIT_EXPECT_EQ_MSG(test, r->want_rcx, m->e.gpr[LODGE_RCX], "%s", r->name);
		KUNIT_EXPECT_EQ_MSG(test, r->want_rdx, m->e.gpr[LODGE_RDX], "%s", r->name);
		KUNIT_EXPECT_EQ_MSG(test, r->want_mem, mem(m, 0, 8), "%s", r->name);
		KUNIT_EXPECT_EQ_MSG(test, before | r->want_flags, m->e.rflags, "%s", r->name);
	}
}

static void divide_errors(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	memset(m->mem, 0, 8);
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x48, 0xf7, 0x33));
	KUNIT_EXPECT_EQ(test, 0, (int)m->e.fault.vector);
	/* 0x200 / 2 does not fit in AL, nor does -0x100 / 1 with a sign. */
	m->e.fault.vector = 99;
	m->mem[0] = 2;
	m->e.gpr[LODGE_RAX] = 0x200;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0xf6, 0x33));
	KUNIT_EXPECT_EQ(test, 0, (int)m->e.fault.vector);
	m->e.gpr[LODGE_RAX] = 0xff00;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf6, 0x3b));
	KUNIT_EXPECT_EQ(test, 0x80, (int)m->e.gpr[LODGE_RAX]);
	m->mem[0] = 1;
	m->e.gpr[LODGE_RAX] = 0xff00;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0xf6, 0x3b));
}

static void stack_forms(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->system[LODGE_FS][0] = 0x33;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x6a, 0xf9));		/* push -7 */
	KUNIT_EXPECT_EQ(test, -7ll, (s64)mem(m, 0x78, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x41, 0x51));		/* push r9 */
	KUNIT_EXPECT_EQ(test, 0x9999999999999999ull, mem(m, 0x70, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xa0));		/* push fs */
	KUNIT_EXPECT_EQ(test, 0x33ull, mem(m, 0x68, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xa9));		/* pop gs */
	KUNIT_EXPECT_EQ(test, 0x33ull, m->system[LODGE_GS][0]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x58));			/* pop rax */
	KUNIT_EXPECT_EQ(test, 0x9999999999999999ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x59));		/* pop cx */
	KUNIT_EXPECT_EQ(test, 0x111111111111fff9ull, m->e.gpr[LODGE_RCX]);
	KUNIT_EXPECT_EQ(test, BASE + 0x7aull, m->e.gpr[LODGE_RSP]);
}

static void enter_and_leave(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RBP] = BASE + 0x40;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc8, 0x10, 0x00, 0x00));
	KUNIT_EXPECT_EQ(test, BASE + 0x78ull, m->e.gpr[LODGE_RBP]);
	KUNIT_EXPECT_EQ(test, BASE + 0x68ull, m->e.gpr[LODGE_RSP]);
	KUNIT_EXPECT_EQ(test, BASE + 0x40ull, mem(m, 0x78, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc9));
	KUNIT_EXPECT_EQ(test, BASE + 0x40ull, m->e.gpr[LODGE_RBP]);
	KUNIT_EXPECT_EQ(test, BASE + 0x80ull, m->e.gpr[LODGE_RSP]);
	/* Two levels: the outer frame pointer is copied, then this one. */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc8, 0x00, 0x00, 0x02));
	KUNIT_EXPECT_EQ(test, 0x3f3e3d3c3b3a3938ull, mem(m, 0x70, 8));
	KUNIT_EXPECT_EQ(test, BASE + 0x78ull, mem(m, 0x68, 8));
	KUNIT_EXPECT_EQ(test, BASE + 0x68ull, m->e.gpr[LODGE_RSP]);
}

static void pusha_popa(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);
	u64 saved[8];

	m->e.code = LODGE_CODE32;
	m->e.stack32 = true;
	memcpy(saved, m->e.gpr, sizeof(saved));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x60));
	KUNIT_EXPECT_EQ(test, 0x77777777ull, mem(m, 0x60, 4));
	KUNIT_EXPECT_EQ(test, BASE + 0x80ull, mem(m, 0x6c, 4));
	memset(m->e.gpr, 0xee, 4 * 8);
	m->e.gpr[LODGE_RDI] = 0;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x61));
	KUNIT_EXPECT_EQ(test, 0x11111111ull, m->e.gpr[LODGE_RCX]);
	KUNIT_EXPECT_EQ(test, 0x77777777ull, m->e.gpr[LODGE_RDI]);
	KUNIT_EXPECT_EQ(test, BASE + 0x80ull, m->e.gpr[LODGE_RSP]);
}

/* IF needs CPL <= IOPL, IOPL needs CPL 0; RF and VM never come from the stack. */
static void popf_privilege(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.rflags = 0x10002;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x9c));
	KUNIT_EXPECT_EQ(test, 2ull, mem(m, 0x78, 8));
	memset(m->mem + 0x78, 0xff, 8);
	m->e.rflags = 2;
	m->e.cpl = 3;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x9d));
	KUNIT_EXPECT_EQ(test, 0x244dd7ull, m->e.rflags);
	m->e.cpl = 0;
	m->e.gpr[LODGE_RSP] -= 8;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x9d));
	KUNIT_EXPECT_EQ(test, 0x247fd7ull, m->e.rflags);
	m->e.code = LODGE_CODE16;
	m->e.rflags = 0x20002;
	m->e.cpl = 3;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x9d));
	KUNIT_EXPECT_EQ(test, 13, (int)m->e.fault.vector);
}

static void calls_and_returns(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xe8, 0x10, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0x115ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 0x105ull, mem(m, 0x78, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc2, 0x08, 0x00));
	KUNIT_EXPECT_EQ(test, 0x105ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, BASE + 0x88ull, m->e.gpr[LODGE_RSP]);
}

static void far_pointers(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->system[LODGE_CS][0] = 0x10;
	/* lcall [rbx]: 0x03020100 in segment 0x0504 */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xff, 0x1b));
	KUNIT_EXPECT_EQ(test, 0x03020100ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 0x0504ull, m->system[LODGE_CS][0]);
	KUNIT_EXPECT_EQ(test, 0x10ull, mem(m, 0x7c, 4));
	KUNIT_EXPECT_EQ(test, 0x102ull, mem(m, 0x78, 4));
	/* rex.w ljmp [rbx] */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x48, 0xff, 0x2b));
	KUNIT_EXPECT_EQ(test, 0x0706050403020100ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 0x0908ull, m->system[LODGE_CS][0]);
	/* lfs; lss holds nothing off */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xb4, 0x03));
	KUNIT_EXPECT_EQ(test, 0x0504ull, m->system[LODGE_FS][0]);
	KUNIT_EXPECT_EQ(test, 0x03020100ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xb2, 0x03));
	KUNIT_EXPECT_FALSE(test, m->e.shadow);
	/* A gate is not for us. */
	m->mem[4] = 0x50;
	m->mem[5] = 0;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, RUN(test, m, 0xff, 0x2b));
}

static void segment_loads(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	memcpy(m->mem, "\x28\x00\x58\x00", 4);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8e, 0x23));		/* mov fs */
	KUNIT_EXPECT_EQ(test, 0x28ull, m->system[LODGE_FS][0]);
	KUNIT_EXPECT_FALSE(test, m->e.shadow);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8e, 0x13));		/* mov ss */
	KUNIT_EXPECT_TRUE(test, m->e.shadow);
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x8e, 0x63, 0x02));	/* not there */
	KUNIT_EXPECT_EQ(test, 11, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x8e, 0x0b));	/* mov cs */
	KUNIT_EXPECT_EQ(test, 6, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x8e, 0x33));	/* no such register */
	KUNIT_EXPECT_EQ(test, 6, (int)m->e.fault.vector);
}

static void system_tables(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->system[LODGE_IDTR][0] = 0xfff;
	m->system[LODGE_IDTR][1] = 0x8877665544332211ull;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x01, 0x0b));	/* sidt */
	KUNIT_EXPECT_EQ(test, 0x6655443322110fffull, mem(m, 0, 8));
	KUNIT_EXPECT_EQ(test, 0x8877ull, mem(m, 8, 2));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x01, 0x13));	/* lgdt */
	KUNIT_EXPECT_EQ(test, 0xfffull, m->system[LODGE_GDTR][0]);
	KUNIT_EXPECT_EQ(test, 0x8877665544332211ull, m->system[LODGE_GDTR][1]);
	/* 16-bit operands load 24 bits of base. */
	m->e.code = LODGE_CODE16;
	m->e.gpr[LODGE_RBX] = BASE;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x01, 0x1f));	/* lidt */
	KUNIT_EXPECT_EQ(test, 0x332211ull, m->system[LODGE_IDTR][1]);
	m->e.code = LODGE_CODE64;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x00, 0x1b));	/* ltr */
	KUNIT_EXPECT_EQ(test, 0x0fffull, m->system[LODGE_TR][0]);
	m->e.cpl = 3;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x00, 0x1b));
	KUNIT_EXPECT_EQ(test, 13, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x01, 0x0b));
	m->e.cr4 |= 0x800;						/* UMIP */
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x01, 0x0b));
}

static void lmsw_cannot_clear_pe(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->mem[0] = 0xe;
	m->mem[1] = 0xff;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x01, 0x33));
	KUNIT_EXPECT_EQ(test, 0x8000003full, m->system[LODGE_SYS_CR0][0]);
	m->e.cpl = 1;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x01, 0x33));
}

static void alignment(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RBX] = BASE + 8;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x48, 0x0f, 0xc7, 0x0b)); /* cmpxchg16b */
	KUNIT_EXPECT_EQ(test, 13, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x28, 0x03));	/* movaps */
	KUNIT_EXPECT_EQ(test, 13, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x10, 0x03));	/* movups */
	/* #AC: CPL 3, CR0.AM and RFLAGS.AC together */
	m->e.gpr[LODGE_RBX] = BASE + 2;
	m->e.cpl = 3;
	m->e.cr0 |= 1 << 18;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8b, 0x03));
	m->e.rflags |= 1 << 18;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x8b, 0x03));
	KUNIT_EXPECT_EQ(test, 17, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x8b, 0x03));
}

static u64 xmm(const struct machine *m, int reg, int half)
{
	return m->xsave[20 + reg * 2 + half];
}

static void sse_moves(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	/* In its initial state the area's bytes mean nothing. */
	memset(m->xsave, 0xdd, 512);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x11, 0x0b));	/* movups [rbx], xmm1 */
	KUNIT_EXPECT_EQ(test, 0ull, mem(m, 0, 8) | mem(m, 8, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x0f, 0x6f, 0x4b, 0x20)); /* movdqa */
	KUNIT_EXPECT_EQ(test, 0x2726252423222120ull, xmm(m, 1, 0));
	KUNIT_EXPECT_EQ(test, 0x2f2e2d2c2b2a2928ull, xmm(m, 1, 1));
	KUNIT_EXPECT_EQ(test, 2ull, m->xsave[64]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x0f, 0xe7, 0x4b, 0x10)); /* movntdq */
	KUNIT_EXPECT_EQ(test, 0x2726252423222120ull, mem(m, 0x10, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf3, 0x44, 0x0f, 0x10, 0x4b, 0x40)); /* movss */
	KUNIT_EXPECT_EQ(test, 0x43424140ull, xmm(m, 9, 0));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x16, 0x4b, 0x40));	/* movhps: low stays */
	KUNIT_EXPECT_EQ(test, 0x2726252423222120ull, xmm(m, 1, 0));
	KUNIT_EXPECT_EQ(test, 0x4746454443424140ull, xmm(m, 1, 1));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x0f, 0x17, 0x0b));	/* movhpd store */
	KUNIT_EXPECT_EQ(test, 0x4746454443424140ull, mem(m, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x48, 0x0f, 0x6e, 0x4b, 0x50)); /* movq */
	KUNIT_EXPECT_EQ(test, 0x5756555453525150ull, xmm(m, 1, 0));
	KUNIT_EXPECT_EQ(test, 0ull, xmm(m, 1, 1));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x0f, 0x7e, 0x4b, 0x08)); /* movd store */
	KUNIT_EXPECT_EQ(test, 0x53525150ull, mem(m, 8, 4));
	KUNIT_EXPECT_EQ(test, 0ull, mem(m, 12, 4));
}

static void avx_moves(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);
	u64 *high = m->xsave + 576 / 8 + 2;	/* of YMM1 */

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc5, 0xfd, 0x6f, 0x4b, 0x20)); /* vmovdqa ymm1 */
	KUNIT_EXPECT_EQ(test, 0x2726252423222120ull, xmm(m, 1, 0));
	KUNIT_EXPECT_EQ(test, 0x3736353433323130ull, high[0]);
	KUNIT_EXPECT_EQ(test, 0x3f3e3d3c3b3a3938ull, high[1]);
	KUNIT_EXPECT_EQ(test, 6ull, m->xsave[64]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc5, 0xfc, 0x11, 0x4b, 0x41)); /* vmovups */
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0xc5, 0xfc, 0x29, 0x4b, 0x10));
	KUNIT_EXPECT_EQ(test, 13, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc5, 0xfc, 0x29, 0x4b, 0x40));
	KUNIT_EXPECT_EQ(test, 0x3f3e3d3c3b3a3938ull, mem(m, 0x58, 8));
	/* 128 bits clear the rest, legacy SSE does not. */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x10, 0x0b));
	KUNIT_EXPECT_EQ(test, 0x3f3e3d3c3b3a3938ull, high[1]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc5, 0xf8, 0x10, 0x0b));
	KUNIT_EXPECT_EQ(test, 0ull, high[0] | high[1]);
	/* vmovhps xmm1, xmm2, [rbx]: the low half is XMM2's */
	m->xsave[20 + 4] = 0x1234;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc5, 0xe8, 0x16, 0x0b));
	KUNIT_EXPECT_EQ(test, 0x1234ull, xmm(m, 1, 0));
	KUNIT_EXPECT_EQ(test, 0x0706050403020100ull, xmm(m, 1, 1));
	/* A third register where there is none; EVEX */
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, RUN(test, m, 0xc5, 0xe8, 0x10, 0x0b));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, RUN(test, m, 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x03));
}

/* The x87 stack's top is not register 0: MMX makes it so. */
static void mmx_moves(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);
	u16 *word = (u16 *)m->xsave;
	int i;

	m->xsave[64] = 1;
	word[1] = 3 << 11;
	for (i = 0; i < 8; i++)
		m->xsave[4 + i * 2] = 0x100 + ((i + 3) & 7);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x7f, 0x33));	/* movq [rbx], mm6 */
	KUNIT_EXPECT_EQ(test, 0x106ull, mem(m, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, (int)word[1]);
	KUNIT_EXPECT_EQ(test, 0xff, (int)(word[2] & 0xff));
	KUNIT_EXPECT_EQ(test, 0x102ull, m->xsave[8]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x6f, 0x53, 0x08));	/* movq mm2, [rbx+8] */
	KUNIT_EXPECT_EQ(test, 0x0f0e0d0c0b0a0908ull, m->xsave[8]);
	KUNIT_EXPECT_EQ(test, 0xffffull, m->xsave[9] & 0xffff);
	word[1] = 0x80;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x6f, 0x53, 0x08));
	KUNIT_EXPECT_EQ(test, 16, (int)m->e.fault.vector);
}

static void simd_is_off(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.cr0 |= 8;							/* TS */
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, 7, (int)m->e.fault.vector);
	m->e.cr0 |= 4;							/* EM */
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, 6, (int)m->e.fault.vector);
	m->e.cr0 = 0x80000031;
	m->e.xcr0 = 3;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0xc5, 0xf8, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, 6, (int)m->e.fault.vector);
	m->e.cr4 = 0;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, 6, (int)m->e.fault.vector);
}

/* Sixteen bytes are two accesses, and both are asked for before the first. */
static void vector_pieces(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->pending_read = 2;
	KUNIT_EXPECT_EQ(test, -EINPROGRESS, RUN(test, m, 0x0f, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, 0ull, m->xsave[64]);
	m->e.gpr[LODGE_RBX] = BASE + 256 - 8;
	m->reads = 0;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x0f, 0x10, 0x03));
	KUNIT_EXPECT_EQ(test, 0, m->reads);
}

static void breakpoints(struct kunit *test)
{
	const u64 dr[4] = { 0x1000, 0x1008, 0x1010, 0x60 };
	/* 0: write, 4 bytes; 1: access, 8 bytes; 2: access, off; 3: I/O */
	const u64 dr7 = 0x45 | 0xdull << 16 | 0xbull << 20 | 0xfull << 24 | 0x2ull << 28;

	KUNIT_EXPECT_EQ(test, 1ull, lodge_breakpoints(dr, dr7, 0x1003, 1, LODGE_BP_WRITE));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_breakpoints(dr, dr7, 0x1003, 1, LODGE_BP_ACCESS));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_breakpoints(dr, dr7, 0x1004, 4, LODGE_BP_WRITE));
	KUNIT_EXPECT_EQ(test, 3ull, lodge_breakpoints(dr, dr7, 0xffc, 16, LODGE_BP_WRITE));
	KUNIT_EXPECT_EQ(test, 2ull, lodge_breakpoints(dr, dr7, 0x100f, 4, LODGE_BP_ACCESS));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_breakpoints(dr, dr7, 0x1010, 8, LODGE_BP_WRITE));
	KUNIT_EXPECT_EQ(test, 8ull, lodge_breakpoints(dr, dr7, 0x5f, 2, LODGE_BP_IO));
	KUNIT_EXPECT_EQ(test, 0ull, lodge_breakpoints(dr, dr7, 0x61, 1, LODGE_BP_IO));
}

static void data_breakpoint_is_noted(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.dr[2] = BASE;
	m->e.dr7 = 0x20 | 0x1ull << 24;		/* G2: one byte, write */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8b, 0x03));
	KUNIT_EXPECT_EQ(test, 0ull, m->e.dr6);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x89, 0x03));
	KUNIT_EXPECT_EQ(test, 4ull, m->e.dr6);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_row),
	KUNIT_CASE(divide_errors),
	KUNIT_CASE(stack_forms),
	KUNIT_CASE(enter_and_leave),
	KUNIT_CASE(pusha_popa),
	KUNIT_CASE(popf_privilege),
	KUNIT_CASE(calls_and_returns),
	KUNIT_CASE(far_pointers),
	KUNIT_CASE(segment_loads),
	KUNIT_CASE(system_tables),
	KUNIT_CASE(lmsw_cannot_clear_pe),
	KUNIT_CASE(alignment),
	KUNIT_CASE(sse_moves),
	KUNIT_CASE(avx_moves),
	KUNIT_CASE(mmx_moves),
	KUNIT_CASE(simd_is_off),
	KUNIT_CASE(vector_pieces),
	KUNIT_CASE(breakpoints),
	KUNIT_CASE(data_breakpoint_is_noted),
	{ }
};

static struct kunit_suite lodge_emulate_rows_suite = {
	.name = "lodge_emulate_rows",
	.test_cases = cases,
};

kunit_test_suite(lodge_emulate_rows_suite);
