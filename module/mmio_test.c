// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: which MOVs ring 1 does by itself, and what they load and store. */
#include "cpu_test.h"
#include "insn.h"

static const u8 opcodes[][2] = {
	{ 0x88 }, { 0x89 }, { 0x8a }, { 0x8b }, { 0xc6 }, { 0xc7 }, { 0x8c }, { 0x87 }, { 0xa1 },
	{ 0x0f, 0xb6 }, { 0x0f, 0xb7 }, { 0x0f, 0xbe }, { 0x0f, 0xbf }, { 0x0f, 0xb8 },
};

static u64 address(struct lodge_vcpu *vcpu, const struct lodge_insn *insn)
{
	u64 linear = insn->disp;

	if (insn->base != LODGE_NO_REG)
		linear += vcpu->regs[insn->base];
	if (insn->index != LODGE_NO_REG)
		linear += vcpu->regs[insn->index] << insn->scale;
	return linear;
}

static bool is_move(const struct lodge_insn *insn)
{
	return insn->op == LODGE_OP_MOV || insn->op == LODGE_OP_MOVZX || insn->op == LODGE_OP_MOVSX;
}

/* A register of 8 bits that is the high half of another is left to the long one. */
static bool wanted(const struct lodge_insn *insn)
{
	bool high = insn->opsize == 1 && !insn->rex && insn->form != LODGE_FORM_RM_IMM &&
		    insn->reg >= 4;

	return is_move(insn) && insn->modrm < 0xc0 && !insn->rip_relative && !high &&
	       (insn->form == LODGE_FORM_RM_R || insn->form == LODGE_FORM_R_RM ||
		insn->form == LODGE_FORM_RM_IMM);
}

static void compare(struct kunit *test, struct lodge_vcpu *vcpu, const u8 *bytes)
{
	struct lodge_insn insn, m;
	int rc = lodge_decode(&insn, bytes, LODGE_INSN_MAX, LODGE_CODE64);
	bool found = lodge_decode_move((const u64 *)bytes, &m);
	u64 linear, value;

	KUNIT_ASSERT_EQ_MSG(test, !rc && wanted(&insn), found, "%16ph", bytes);
	if (!found)
		return;
	lodge_move_operands(vcpu, &m, &linear, &value);
	KUNIT_ASSERT_EQ_MSG(test, insn.length, m.length, "%16ph", bytes);
	KUNIT_ASSERT_EQ_MSG(test, address(vcpu, &insn), linear, "%16ph", bytes);
	if (insn.form != LODGE_FORM_R_RM)
		KUNIT_ASSERT_EQ_MSG(test, (insn.form == LODGE_FORM_RM_R ? vcpu->regs[insn.reg] :
					   insn.imm) & lodge_mask(insn.opsize),
				    value & lodge_mask(m.srcsize), "%16ph", bytes);
}

/* All prefixes that it knows and some that it does not, all operands. */
static void agrees_with_the_decoder(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u8 bytes[16] __aligned(8);
	u32 prefix, i, modrm, at;

	for (i = 0; i < 16; i++)
		vcpu->regs[i] = 0x1122334455667788ull * (i + 1);
	for (prefix = 0; prefix < 2 * 17; prefix++)
		for (i = 0; i < ARRAY_SIZE(opcodes); i++)
			for (modrm = 0; modrm < 256; modrm++) {
				memset(bytes, 0x90 + prefix, sizeof(bytes));
				at = 0;
				if (prefix & 1)
					bytes[at++] = 0x66;
				if (prefix >> 1)
					bytes[at++] = 0x40 + (prefix >> 1) - 1;
				bytes[at++] = opcodes[i][0];
				if (opcodes[i][1])
					bytes[at++] = opcodes[i][1];
				bytes[at++] = modrm;
				bytes[at] = modrm * 37 + prefix * 91 + i;
				compare(test, vcpu, bytes);
			}
}

static void others_are_refused(struct kunit *test)
{
	static const u8 first[] = { 0x64, 0x65, 0x67, 0xf0, 0xf2, 0xf3, 0xc4, 0xa4, 0x00 };
	struct lodge_insn m;
	u64 code[2] = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(first); i++) {
		code[0] = first[i] | 0x008900;
		KUNIT_EXPECT_FALSE(test, lodge_decode_move(code, &m));
	}
}

static void loads_fill_their_register(struct kunit *test)
{
	static const struct {
		struct lodge_load load;
		u64 result;
	} cases[] = {
		{ { 1, 1, LODGE_RAX }, 0xffffffffffffff81 },
		{ { 2, 2, LODGE_RAX }, 0xffffffffffff8281 },
		{ { 4, 4, LODGE_RAX }, 0x84838281 },
		{ { 8, 8, LODGE_RAX }, 0x8887868584838281 },
		{ { 1, 4, LODGE_RAX }, 0x81 },
		{ { 1, 4, LODGE_RAX, true }, 0xffffff81 },
		{ { 1, 2, LODGE_RAX, true }, 0xffffffffffffff81 },
		{ { 2, 8, LODGE_RAX, true }, 0xffffffffffff8281 },
	};
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu->regs[LODGE_RAX] = ~0ull;
		lodge_finish_load(vcpu, cases[i].load, 0x8887868584838281);
		KUNIT_EXPECT_EQ(test, cases[i].result, vcpu->regs[LODGE_RAX]);
	}
}

static void short_lengths(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 2u, lodge_short_length(0xa20f));
	KUNIT_EXPECT_EQ(test, 2u, lodge_short_length(0x320f));
	KUNIT_EXPECT_EQ(test, 2u, lodge_short_length(0x90300f));
	KUNIT_EXPECT_EQ(test, 2u, lodge_short_length(0x90f3));
	KUNIT_EXPECT_EQ(test, 3u, lodge_short_length(0xd9010f));
	KUNIT_EXPECT_EQ(test, 1u, lodge_short_length(0x90f4));
	KUNIT_EXPECT_EQ(test, 0u, lodge_short_length(0x15010f));	/* LGDT */
	KUNIT_EXPECT_EQ(test, 0u, lodge_short_length(0xa20f66));
	KUNIT_EXPECT_EQ(test, 0u, lodge_short_length(0x90));
}

/* What a second look might not see the same way is left to ring 2. */
static void refuses_in_ring1(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->inflight.valid = true;
	KUNIT_EXPECT_EQ(test, LODGE_HANDLE, lodge_on_mmio(vcpu, 0xd0000000, true));
	vcpu->inflight.valid = false;
	vcpu->replay.count = 1;
	KUNIT_EXPECT_EQ(test, LODGE_HANDLE, lodge_on_mmio(vcpu, 0xd0000000, true));
	vcpu->replay.count = 0;
	/* Not in long mode */
	KUNIT_EXPECT_EQ(test, LODGE_HANDLE, lodge_on_mmio(vcpu, 0xd0000000, true));
}

static void unknown_length_is_for_ring2(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->regs[LODGE_RIP] = 0x1000;
	vcpu->regs[LODGE_RAX] = 77;
	KUNIT_EXPECT_EQ(test, LODGE_HANDLE, lodge_on_cpuid(vcpu));
	KUNIT_EXPECT_EQ(test, LODGE_K_FETCH, (int)vcpu->exit.kind);
	KUNIT_EXPECT_EQ(test, LODGE_HANDLE,
			lodge_on_pio(vcpu, 0x80, 1, false, false));
	KUNIT_EXPECT_EQ(test, LODGE_K_FETCH, (int)vcpu->exit.kind);
	KUNIT_EXPECT_EQ(test, 77ull, vcpu->regs[LODGE_RAX]);
	KUNIT_EXPECT_EQ(test, 0x1000ull, vcpu->regs[LODGE_RIP]);
}

static struct kunit_case mmio_cases[] = {
	KUNIT_CASE(agrees_with_the_decoder),
	KUNIT_CASE(others_are_refused),
	KUNIT_CASE(loads_fill_their_register),
	KUNIT_CASE(short_lengths),
	KUNIT_CASE(refuses_in_ring1),
	KUNIT_CASE(unknown_length_is_for_ring2),
	{}
};

static struct kunit_suite mmio_suite = { .name = "lodge_mmio", .test_cases = mmio_cases };

kunit_test_suite(mmio_suite);
