// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: arithmetic and the instruction emulator, on a fake machine. */
#include "emulate_test.h"

static struct machine *machine(struct lodge_emul *e)
{
	return container_of(e, struct machine, e);
}

static int on_linear(struct lodge_emul *e, int seg, u64 offset, u32 bytes,
		     bool write, u64 *out)
{
	machine(e)->last_seg = seg;
	machine(e)->last_offset = offset;
	*out = offset;
	return 0;
}

static int page_fault(struct lodge_emul *e, u64 linear, u32 error)
{
	e->fault.cr2 = linear;
	return lodge_raise(&e->fault, 14, error);
}

static bool outside(u64 linear, u32 bytes)
{
	return linear < BASE || linear + bytes > BASE + 256;
}

static int on_probe(struct lodge_emul *e, u64 linear, u32 bytes, bool write)
{
	struct machine *m = machine(e);

	m->write_probes += write;
	if (outside(linear, bytes) || (write && linear == m->readonly))
		return page_fault(e, linear, write ? 3 : 0);
	return 0;
}

static int on_access(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes, bool write)
{
	struct machine *m = machine(e);
	u8 *at = m->mem + linear - BASE;

	if (outside(linear, bytes))
		return page_fault(e, linear, write ? 2 : 0);
	if (!write && ++m->reads == m->pending_read)
		return -EINPROGRESS;
	if (!write)
		*value = 0;
	m->writes += write;
	memcpy(write ? at : (u8 *)value, write ? (u8 *)value : at, bytes);
	return 0;
}

static int on_pio(struct lodge_emul *e, u16 port, u64 *value, u32 bytes,
		  bool write)
{
	struct machine *m = machine(e);

	m->ports++;
	m->port = port;
	if (write)
		m->port_value = *value;
	else
		*value = m->port_value++;
	return 0;
}

static int on_system(struct lodge_emul *e, int what, u64 value[2], bool write)
{
	u64 *state = machine(e)->system[what];

	/* Selector 0x50 is a gate, 0x58 is not present. */
	if (write && what < LODGE_GDTR && value[0] == 0x50)
		return -EOPNOTSUPP;
	if (write && what < LODGE_GDTR && value[0] == 0x58)
		return lodge_raise(&e->fault, 11, 0x58);
	memcpy(write ? state : value, write ? value : state, 16);
	return 0;
}

struct machine *lodge_new_machine(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->e.code = LODGE_CODE64;
	m->e.rip = 0x100;
	m->e.rflags = 2;
	m->e.linear = on_linear;
	m->e.probe = on_probe;
	m->e.access = on_access;
	m->e.pio = on_pio;
	m->e.system = on_system;
	m->e.cr0 = 0x80000031;
	m->e.cr4 = 0x40200;	/* OSXSAVE, OSFXSR */
	m->e.xcr0 = 7;
	m->e.xsave = (u8 *)m->xsave;
	for (i = 0; i < 256; i++)
		m->mem[i] = i;
	for (i = 0; i < 16; i++)
		m->e.gpr[i] = 0x1111111111111111ull * i;
	m->e.gpr[LODGE_RBX] = BASE;
	m->e.gpr[LODGE_RSP] = BASE + 0x80;
	return m;
}

int lodge_run_insn(struct kunit *test, struct machine *m, const u8 *bytes, u32 count)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, lodge_decode(&insn, bytes, count, m->e.code));
	KUNIT_ASSERT_EQ(test, (u32)insn.length, count);
	return lodge_emulate(&m->e, &insn);
}

static void expect_alu(struct kunit *test, enum lodge_insn_op op, u32 bytes,
		       u64 dst, u64 src, u64 result, u64 flags)
{
	u64 rflags = 0x202;

	KUNIT_EXPECT_EQ(test, result, lodge_alu(op, bytes, dst, src, &rflags));
	KUNIT_EXPECT_EQ(test, flags, rflags & FLAGS);
	KUNIT_EXPECT_EQ(test, 0x202ull, rflags & ~(u64)FLAGS);
}

static void alu_add(struct kunit *test)
{
	expect_alu(test, LODGE_OP_ADD, 1, 0xff, 1, 0, CF | PF | AF | ZF);
	expect_alu(test, LODGE_OP_ADD, 1, 0x7f, 1, 0x80, AF | SF | OF);
	expect_alu(test, LODGE_OP_ADD, 2, 0x7fff, 1, 0x8000, PF | AF | SF | OF);
	expect_alu(test, LODGE_OP_ADD, 4, 0x80000000, 0x80000000, 0,
		   CF | PF | ZF | OF);
	expect_alu(test, LODGE_OP_ADD, 8, ~0ull, 2, 1, CF | AF);
	expect_alu(test, LODGE_OP_ADD, 4, 0x1ffffffff, 0, 0xffffffff, PF | SF);
}

static void alu_sub_and_cmp(struct kunit *test)
{
	expect_alu(test, LODGE_OP_SUB, 1, 0, 1, 0xff, CF | PF | AF | SF);
	expect_alu(test, LODGE_OP_SUB, 1, 0x80, 1, 0x7f, AF | OF);
	expect_alu(test, LODGE_OP_CMP, 4, 5, 5, 0, PF | ZF);
	expect_alu(test, LODGE_OP_CMP, 8, 1, 2, ~0ull, CF | PF | AF | SF);
}

static void alu_carry_chain(struct kunit *test)
{
	u64 rflags = CF;

	KUNIT_EXPECT_EQ(test, 0ull, lodge_alu(LODGE_OP_ADC, 1, 0xff, 0, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | PF | AF | ZF), rflags);
	KUNIT_EXPECT_EQ(test, 0xffull, lodge_alu(LODGE_OP_ADC, 1, 0xff, 0xff, &rflags));
	KUNIT_EXPECT_TRUE(test, rflags & CF);
	KUNIT_EXPECT_EQ(test, 0ull, lodge_alu(LODGE_OP_SBB, 8, 0, ~0ull, &rflags));
	KUNIT_EXPECT_TRUE(test, rflags & CF);
	KUNIT_EXPECT_TRUE(test, rflags & ZF);
}

static void alu_logic(struct kunit *test)
{
	expect_alu(test, LODGE_OP_AND, 4, 0xf0f0, 0x0ff0, 0x00f0, PF);
	expect_alu(test, LODGE_OP_OR, 2, 0x8000, 1, 0x8001, SF);
	expect_alu(test, LODGE_OP_XOR, 8, 5, 5, 0, PF | ZF);
	expect_alu(test, LODGE_OP_TEST, 1, 0x80, 0xff, 0x80, SF);
}

static void alu_unary(struct kunit *test)
{
	u64 rflags = CF;

	KUNIT_EXPECT_EQ(test, 0ull, lodge_alu(LODGE_OP_INC, 1, 0xff, 0, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | PF | AF | ZF), rflags);
	rflags = 0;
	KUNIT_EXPECT_EQ(test, 0xffffull, lodge_alu(LODGE_OP_DEC, 2, 0, 0, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(PF | AF | SF), rflags);
	KUNIT_EXPECT_EQ(test, 0x80ull, lodge_alu(LODGE_OP_NEG, 1, 0x80, 0, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | SF | OF), rflags);
	KUNIT_EXPECT_EQ(test, 0xf0ull, lodge_alu(LODGE_OP_NOT, 1, 0x0f, 0, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | SF | OF), rflags);
}

static void shifts(struct kunit *test)
{
	u64 rflags = 0;

	KUNIT_EXPECT_EQ(test, 0x02ull, lodge_shift(LODGE_OP_SHL, 1, 0x81, 0, 1, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | OF), rflags);
	KUNIT_EXPECT_EQ(test, 0xc0ull, lodge_shift(LODGE_OP_SAR, 1, 0x81, 0, 1, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | PF | SF), rflags);
	KUNIT_EXPECT_EQ(test, 0x40ull, lodge_shift(LODGE_OP_SHR, 1, 0x81, 0, 1, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | OF), rflags);
	/* A count of 32 is none at all for 4 bytes; flags stay. */
	KUNIT_EXPECT_EQ(test, 7ull, lodge_shift(LODGE_OP_SHL, 4, 7, 0, 32, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | OF), rflags);
	KUNIT_EXPECT_EQ(test, 7ull << 32, lodge_shift(LODGE_OP_SHL, 8, 7, 0, 32, &rflags));
}

static void rotates(struct kunit *test)
{
	u64 rflags = ZF;

	KUNIT_EXPECT_EQ(test, 0x03ull, lodge_shift(LODGE_OP_ROL, 1, 0x81, 0, 1, &rflags));
	KUNIT_EXPECT_EQ(test, (u64)(CF | ZF | OF), rflags);
	KUNIT_EXPECT_EQ(test, 0x1832ull, lodge_shift(LODGE_OP_ROR, 2, 0x8321, 0, 4, &rflags));
	KUNIT_EXPECT_FALSE(test, rflags & CF);
	/* Nine bits go round: 8 and carry. */
	rflags = CF;
	KUNIT_EXPECT_EQ(test, 0x55ull, lodge_shift(LODGE_OP_RCL, 1, 0x55, 0, 9, &rflags));
	KUNIT_EXPECT_TRUE(test, rflags & CF);
	KUNIT_EXPECT_EQ(test, 0xaaull, lodge_shift(LODGE_OP_RCR, 1, 0x55, 0, 1, &rflags));
	KUNIT_EXPECT_TRUE(test, rflags & CF);
}

static void conditions(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, lodge_condition(0x4, ZF));	/* E */
	KUNIT_EXPECT_FALSE(test, lodge_condition(0x5, ZF));	/* NE */
	KUNIT_EXPECT_TRUE(test, lodge_condition(0x7, 0));	/* A */
	KUNIT_EXPECT_FALSE(test, lodge_condition(0x7, CF));
	KUNIT_EXPECT_TRUE(test, lodge_condition(0xc, SF));	/* L */
	KUNIT_EXPECT_FALSE(test, lodge_condition(0xc, SF | OF));
	KUNIT_EXPECT_TRUE(test, lodge_condition(0xf, SF | OF));	/* G */
	KUNIT_EXPECT_TRUE(test, lodge_condition(0xe, ZF | SF | OF)); /* LE */
}

static void mov_sizes(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RAX] = 0xa1a2a3a4a5a6a7a8ull;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x88, 0x03));
	KUNIT_EXPECT_EQ(test, 0x030201a8ull, mem(m, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x89, 0x43, 0x10));
	KUNIT_EXPECT_EQ(test, 0x1312a7a8ull, mem(m, 0x10, 4));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x48, 0x89, 0x43, 0x20));
	KUNIT_EXPECT_EQ(test, 0xa1a2a3a4a5a6a7a8ull, mem(m, 0x20, 8));
	KUNIT_EXPECT_EQ(test, 0, m->reads);
	KUNIT_EXPECT_EQ(test, 0x10aull, m->e.rip);
}

static void mov_load_extends(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RCX] = ~0ull;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8a, 0x4b, 0x21));	/* CL */
	KUNIT_EXPECT_EQ(test, 0xffffffffffffff21ull, m->e.gpr[LODGE_RCX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x8b, 0x4b, 0x21));
	KUNIT_EXPECT_EQ(test, 0xffffffffffff2221ull, m->e.gpr[LODGE_RCX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8b, 0x4b, 0x21));
	KUNIT_EXPECT_EQ(test, 0x24232221ull, m->e.gpr[LODGE_RCX]);
}

static void high_byte_registers(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RAX] = 0x1234;
	/* mov [rbx], ah; mov ch, [rbx+0x40] */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x88, 0x23));
	KUNIT_EXPECT_EQ(test, 0x12ull, mem(m, 0, 1));
	m->e.gpr[LODGE_RCX] = 0;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8a, 0x6b, 0x40));
	KUNIT_EXPECT_EQ(test, 0x4000ull, m->e.gpr[LODGE_RCX]);
	/* With REX the same field is SPL. */
	m->e.gpr[LODGE_RSP] = 0x99;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x40, 0x88, 0x23));
	KUNIT_EXPECT_EQ(test, 0x99ull, mem(m, 0, 1));
}

static void mov_immediate_and_moffs(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x48, 0xc7, 0x03, 0xfe, 0xff, 0xff, 0xff));
	KUNIT_EXPECT_EQ(test, -2ll, (s64)mem(m, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xa1, 0x40, 0x10, 0, 0, 0, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0x43424140ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xa2, 0x50, 0x10, 0, 0, 0, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0x5140ull, mem(m, 0x50, 2));
}

static void movzx_movsx_movsxd(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->mem[0] = 0x80;
	m->mem[1] = 0xff;
	m->e.gpr[LODGE_RAX] = ~0ull;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xb6, 0x03));
	KUNIT_EXPECT_EQ(test, 0x80ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x48, 0x0f, 0xbe, 0x03));
	KUNIT_EXPECT_EQ(test, 0xffffffffffffff80ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xbf, 0x03));
	KUNIT_EXPECT_EQ(test, 0xffffff80ull, m->e.gpr[LODGE_RAX]);
	m->mem[3] = 0x80;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x48, 0x63, 0x03));
	KUNIT_EXPECT_EQ(test, 0xffffffff8002ff80ull, m->e.gpr[LODGE_RAX]);
}

static void movbe_swaps(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x38, 0xf0, 0x43, 0x10));
	KUNIT_EXPECT_EQ(test, 0x10111213ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x0f, 0x38, 0xf1, 0x03));
	KUNIT_EXPECT_EQ(test, 0x03021312ull, mem(m, 0, 4));
}

static void cmov_reads_and_clears(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RAX] = ~0ull;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x44, 0x03));	/* CMOVE */
	KUNIT_EXPECT_EQ(test, 0xffffffffull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 1, m->reads);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x45, 0x03));
	KUNIT_EXPECT_EQ(test, 0x03020100ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0x95, 0x03));	/* SETNE */
	KUNIT_EXPECT_EQ(test, 1ull, mem(m, 0, 1));
}

static void read_modify_write(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x83, 0x03, 0x01));	/* ADD */
	KUNIT_EXPECT_EQ(test, 0x03020101ull, mem(m, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf0, 0x80, 0x0b, 0xf0));	/* OR */
	KUNIT_EXPECT_EQ(test, 0xf1ull, mem(m, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf6, 0x13));		/* NOT */
	KUNIT_EXPECT_EQ(test, 0x0eull, mem(m, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xfe, 0x0b));		/* DEC */
	KUNIT_EXPECT_EQ(test, 0x0dull, mem(m, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc0, 0x23, 0x04));	/* SHL */
	KUNIT_EXPECT_EQ(test, 0xd0ull, mem(m, 0, 1));
}

static void compare_does_not_write(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x80, 0x7b, 0x05, 0x05));
	KUNIT_EXPECT_TRUE(test, m->e.rflags & ZF);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf6, 0x43, 0x05, 0x02));
	KUNIT_EXPECT_TRUE(test, m->e.rflags & ZF);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x3b, 0x03));
	KUNIT_EXPECT_EQ(test, 0, m->writes);
	KUNIT_EXPECT_EQ(test, 0, m->write_probes);
}

static void xchg_xadd(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RAX] = 0x55;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x87, 0x03));
	KUNIT_EXPECT_EQ(test, 0x03020100ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0x55ull, mem(m, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf0, 0x0f, 0xc1, 0x03));
	KUNIT_EXPECT_EQ(test, 0x55ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0x03020155ull, mem(m, 0, 4));
	/* XADD EAX, EAX leaves the sum. */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xc1, 0xc0));
	KUNIT_EXPECT_EQ(test, 0xaaull, m->e.gpr[LODGE_RAX]);
}

static void cmpxchg_both_ways(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RAX] = 0x03020100;
	m->e.gpr[LODGE_RCX] = 0x77;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf0, 0x0f, 0xb1, 0x0b));
	KUNIT_EXPECT_TRUE(test, m->e.rflags & ZF);
	KUNIT_EXPECT_EQ(test, 0x77ull, mem(m, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf0, 0x0f, 0xb1, 0x0b));
	KUNIT_EXPECT_FALSE(test, m->e.rflags & ZF);
	KUNIT_EXPECT_EQ(test, 0x77ull, m->e.gpr[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 2, m->writes);
}

static void bit_strings(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	memset(m->mem, 0, 256);
	m->e.gpr[LODGE_RAX] = 32 * 5 + 3;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xab, 0x03));	/* BTS */
	KUNIT_EXPECT_EQ(test, 8ull, mem(m, 20, 4));
	KUNIT_EXPECT_FALSE(test, m->e.rflags & CF);
	m->e.gpr[LODGE_RBX] = BASE + 24;
	m->e.gpr[LODGE_RAX] = (u32)-29;		/* bit 3 of the word before */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xb3, 0x03));	/* BTR */
	KUNIT_EXPECT_TRUE(test, m->e.rflags & CF);
	KUNIT_EXPECT_EQ(test, 0ull, mem(m, 20, 4));
	/* An immediate wraps: bit 33 is bit 1. */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xba, 0x3b, 33));	/* BTC */
	KUNIT_EXPECT_EQ(test, 2ull, mem(m, 24, 4));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x0f, 0xba, 0x23, 1));	/* BT */
	KUNIT_EXPECT_TRUE(test, m->e.rflags & CF);
	KUNIT_EXPECT_EQ(test, 3, m->writes);
}

static void push_pop(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xff, 0x33));
	KUNIT_EXPECT_EQ(test, BASE + 0x78ull, m->e.gpr[LODGE_RSP]);
	KUNIT_EXPECT_EQ(test, 0x0706050403020100ull, mem(m, 0x78, 8));
	/* pop [rsp+8]: the address is computed after RSP has moved. */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8f, 0x44, 0x24, 0x08));
	KUNIT_EXPECT_EQ(test, BASE + 0x80ull, m->e.gpr[LODGE_RSP]);
	KUNIT_EXPECT_EQ(test, 0x0706050403020100ull, mem(m, 0x88, 8));
}

static void push_on_16_bit_stack(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.code = LODGE_CODE32;
	m->e.gpr[LODGE_RSP] = 0xabcd1080;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xff, 0x33));
	KUNIT_EXPECT_EQ(test, 0xabcd107cull, m->e.gpr[LODGE_RSP]);
	KUNIT_EXPECT_EQ(test, 0x107cull, m->last_offset);
	KUNIT_EXPECT_EQ(test, 0x03020100ull, mem(m, 0x7c, 4));
}

static void call_and_jump(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xff, 0x13));
	KUNIT_EXPECT_EQ(test, 0x0706050403020100ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 0x102ull, mem(m, 0x78, 8));
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xff, 0x63, 0x08));
	KUNIT_EXPECT_EQ(test, 0x0f0e0d0c0b0a0908ull, m->e.rip);
}

static void addresses_wrap(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	/* 32-bit address in 64-bit code: 0xfffffff0 + 0x1010 */
	m->e.gpr[LODGE_RBX] = 0x5fffffff0ull;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x67, 0x8b, 0x83, 0x10, 0x10, 0, 0));
	KUNIT_EXPECT_EQ(test, 0x1000ull, m->last_offset);
	/* [bp+si] in 16-bit code: 0xf800 + 0x1800 */
	m->e.code = LODGE_CODE16;
	m->e.gpr[LODGE_RBP] = 0xf800;
	m->e.gpr[LODGE_RSI] = 0x1800;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8b, 0x02));
	KUNIT_EXPECT_EQ(test, 0x1000ull, m->last_offset);
	KUNIT_EXPECT_EQ(test, (int)LODGE_SS, m->last_seg);
}

/* RIP is that of the next instruction, immediate included. */
static void rip_relative_store(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.rip = 0xff0;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xc6, 0x05, 0x19, 0, 0, 0, 0xee));
	KUNIT_EXPECT_EQ(test, 0xeeull, mem(m, 0x10, 1));
}

static void rip_wraps_in_32_bit_code(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.code = LODGE_CODE32;
	m->e.rip = 0xffffffff;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x8b, 0x03));
	KUNIT_EXPECT_EQ(test, 1ull, m->e.rip);
}

static void movs_one_element_at_a_time(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RSI] = BASE;
	m->e.gpr[LODGE_RDI] = BASE + 0x40;
	m->e.gpr[LODGE_RCX] = 2;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf3, 0xa5));
	KUNIT_EXPECT_EQ(test, 0x100ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 1ull, m->e.gpr[LODGE_RCX]);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf3, 0xa5));
	KUNIT_EXPECT_EQ(test, 0x102ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 0x0706050403020100ull, mem(m, 0x40, 8));
	KUNIT_EXPECT_EQ(test, BASE + 8ull, m->e.gpr[LODGE_RSI]);
	KUNIT_EXPECT_EQ(test, BASE + 0x48ull, m->e.gpr[LODGE_RDI]);
	/* Nothing left: nothing done. */
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf3, 0xa5));
	KUNIT_EXPECT_EQ(test, 0x104ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 2, m->reads);
}

static void strings_go_backwards(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.rflags |= DF;
	m->e.gpr[LODGE_RDI] = BASE + 8;
	m->e.gpr[LODGE_RAX] = 0x5555;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0xab));
	KUNIT_EXPECT_EQ(test, BASE + 6ull, m->e.gpr[LODGE_RDI]);
	KUNIT_EXPECT_EQ(test, 0x0a5555ull, mem(m, 8, 3));
	KUNIT_EXPECT_EQ(test, (int)LODGE_ES, m->last_seg);
}

static void string_registers_keep_their_upper_half(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.code = LODGE_CODE16;
	m->e.gpr[LODGE_RSI] = 0xabcd1000;
	m->e.gpr[LODGE_RCX] = 0x70001;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf3, 0x64, 0xac));
	KUNIT_EXPECT_EQ(test, 0xabcd1001ull, m->e.gpr[LODGE_RSI]);
	KUNIT_EXPECT_EQ(test, 0x70000ull, m->e.gpr[LODGE_RCX]);
	KUNIT_EXPECT_EQ(test, (int)LODGE_FS, m->last_seg);
	KUNIT_EXPECT_EQ(test, 0x103ull, m->e.rip);
}

static void repe_repne_stop(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	/* REPNE SCASB for 1, from 0 */
	m->e.gpr[LODGE_RAX] = 1;
	m->e.gpr[LODGE_RDI] = BASE;
	m->e.gpr[LODGE_RCX] = 100;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf2, 0xae));
	KUNIT_EXPECT_EQ(test, 0x100ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf2, 0xae));
	KUNIT_EXPECT_EQ(test, 0x102ull, m->e.rip);
	KUNIT_EXPECT_EQ(test, 98ull, m->e.gpr[LODGE_RCX]);
	/* REPE CMPSB of 0x10 with 0x20 */
	m->e.gpr[LODGE_RSI] = BASE + 0x10;
	m->e.gpr[LODGE_RDI] = BASE + 0x20;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0xf3, 0xa6));
	KUNIT_EXPECT_EQ(test, 0x104ull, m->e.rip);
	KUNIT_EXPECT_TRUE(test, m->e.rflags & CF);
}

static void ins_outs(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RDX] = 0x5501f0;
	m->e.gpr[LODGE_RDI] = BASE + 0x10;
	m->e.gpr[LODGE_RSI] = BASE + 0x20;
	m->port_value = 0xbeef;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x66, 0x6d));
	KUNIT_EXPECT_EQ(test, 0x12beefull, mem(m, 0x10, 3));
	KUNIT_EXPECT_EQ(test, 0x01f0, (int)m->port);
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x6f));
	KUNIT_EXPECT_EQ(test, 0x23222120ull, m->port_value);
	KUNIT_EXPECT_EQ(test, BASE + 0x24ull, m->e.gpr[LODGE_RSI]);
}

/* A port must not be read when its value cannot be stored. */
static void ins_faults_before_the_port(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->e.gpr[LODGE_RDI] = 0;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x6c));
	KUNIT_EXPECT_EQ(test, 0, m->ports);
	KUNIT_EXPECT_EQ(test, 14, (int)m->e.fault.vector);
	KUNIT_EXPECT_EQ(test, 0ull, m->e.fault.cr2);
}

/* Nor a device register when the instruction would then fault. */
static void write_fault_comes_before_the_read(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);

	m->readonly = BASE;
	KUNIT_EXPECT_EQ(test, -EFAULT, RUN(test, m, 0x87, 0x03));
	KUNIT_EXPECT_EQ(test, 0, m->reads);
	KUNIT_EXPECT_EQ(test, 3u, m->e.fault.error);
	KUNIT_EXPECT_EQ(test, (u64)BASE, m->e.fault.cr2);
}

static void waiting_and_starting_again(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);
	struct lodge_emul saved = m->e;

	m->pending_read = 1;
	KUNIT_EXPECT_EQ(test, -EINPROGRESS, RUN(test, m, 0x83, 0x03, 0x01));
	KUNIT_EXPECT_EQ(test, 0, m->writes);
	m->e = saved;
	KUNIT_EXPECT_EQ(test, 0, RUN(test, m, 0x83, 0x03, 0x01));
	KUNIT_EXPECT_EQ(test, 0x03020101ull, mem(m, 0, 4));
	KUNIT_EXPECT_EQ(test, 0x103ull, m->e.rip);
}

static void what_is_not_in_the_table(struct kunit *test)
{
	struct machine *m = lodge_new_machine(test);
	struct lodge_insn insn = { .op = 0xff, .length = 1 };

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, RUN(test, m, 0x0f, 0xa2));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, RUN(test, m, 0x0f, 0x58, 0x03));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, lodge_emulate(&m->e, &insn));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(alu_add),
	KUNIT_CASE(alu_sub_and_cmp),
	KUNIT_CASE(alu_carry_chain),
	KUNIT_CASE(alu_logic),
	KUNIT_CASE(alu_unary),
	KUNIT_CASE(shifts),
	KUNIT_CASE(rotates),
	KUNIT_CASE(conditions),
	KUNIT_CASE(mov_sizes),
	KUNIT_CASE(mov_load_extends),
	KUNIT_CASE(high_byte_registers),
	KUNIT_CASE(mov_immediate_and_moffs),
	KUNIT_CASE(movzx_movsx_movsxd),
	KUNIT_CASE(movbe_swaps),
	KUNIT_CASE(cmov_reads_and_clears),
	KUNIT_CASE(read_modify_write),
	KUNIT_CASE(compare_does_not_write),
	KUNIT_CASE(xchg_xadd),
	KUNIT_CASE(cmpxchg_both_ways),
	KUNIT_CASE(bit_strings),
	KUNIT_CASE(push_pop),
	KUNIT_CASE(push_on_16_bit_stack),
	KUNIT_CASE(call_and_jump),
	KUNIT_CASE(addresses_wrap),
	KUNIT_CASE(rip_relative_store),
	KUNIT_CASE(rip_wraps_in_32_bit_code),
	KUNIT_CASE(movs_one_element_at_a_time),
	KUNIT_CASE(strings_go_backwards),
	KUNIT_CASE(string_registers_keep_their_upper_half),
	KUNIT_CASE(repe_repne_stop),
	KUNIT_CASE(ins_outs),
	KUNIT_CASE(ins_faults_before_the_port),
	KUNIT_CASE(write_fault_comes_before_the_read),
	KUNIT_CASE(waiting_and_starting_again),
	KUNIT_CASE(what_is_not_in_the_table),
	{ }
};

static struct kunit_suite lodge_emulate_suite = {
	.name = "lodge_emulate",
	.test_cases = cases,
};

kunit_test_suite(lodge_emulate_suite);
