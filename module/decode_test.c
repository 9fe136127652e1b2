// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: instruction decoder. */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "../uapi/lodge.h"
#include "insn.h"

/* @code: 16, 32 or 64 */
#define DECODE(insn, code, ...)						\
({									\
	static const u8 bytes__[] = { __VA_ARGS__ };			\
									\
	lodge_decode(insn, bytes__, sizeof(bytes__), (code) / 32);	\
})

static void expect_length(struct kunit *test, int code, const u8 *bytes,
			  unsigned int length)
{
	struct lodge_insn insn;

	KUNIT_EXPECT_EQ(test, 0, lodge_decode(&insn, bytes, length + 1, code / 32));
	KUNIT_EXPECT_EQ(test, length, (unsigned int)insn.length);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			lodge_decode(&insn, bytes, length - 1, code / 32));
}

/* One more byte follows, which does not belong to the instruction. */
#define EXPECT_LENGTH(test, code, ...)					\
do {									\
	static const u8 all__[] = { __VA_ARGS__, 0xcc };		\
									\
	expect_length(test, code, all__, sizeof(all__) - 1);		\
} while (0)

static void system_lengths(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x0f, 0xa2);			/* CPUID */
	EXPECT_LENGTH(test, 64, 0x0f, 0x32);			/* RDMSR */
	EXPECT_LENGTH(test, 64, 0x0f, 0x30);			/* WRMSR */
	EXPECT_LENGTH(test, 64, 0xf4);				/* HLT */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xc1);		/* VMCALL */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xd9);		/* VMMCALL */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xd1);		/* XSETBV */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xc8);		/* MONITOR */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xc9);		/* MWAIT */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xf9);		/* RDTSCP */
	EXPECT_LENGTH(test, 64, 0x0f, 0x31);			/* RDTSC */
	EXPECT_LENGTH(test, 64, 0x0f, 0x33);			/* RDPMC */
	EXPECT_LENGTH(test, 64, 0x0f, 0x06);			/* CLTS */
	EXPECT_LENGTH(test, 64, 0x0f, 0x08);			/* INVD */
	EXPECT_LENGTH(test, 64, 0x0f, 0x09);			/* WBINVD */
	EXPECT_LENGTH(test, 64, 0xf3, 0x90);			/* PAUSE */
}

static void system_memory_lengths(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0x38);		/* INVLPG [rax] */
	EXPECT_LENGTH(test, 64, 0x41, 0x0f, 0x01, 0x3f);	/* INVLPG [r15] */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0x7c, 0x24, 0x08);	/* [rsp+8] */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0xf0);		/* LMSW AX */
	EXPECT_LENGTH(test, 16, 0x0f, 0x01, 0x36, 0x34, 0x12);	/* LMSW [1234] */
	EXPECT_LENGTH(test, 64, 0x0f, 0x01, 0x15, 1, 2, 3, 4);	/* LGDT [rip] */
}

static void port_lengths(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0xe4, 0x60);			/* IN AL, 60 */
	EXPECT_LENGTH(test, 64, 0x66, 0xe5, 0x60);
	EXPECT_LENGTH(test, 64, 0xee);				/* OUT DX, AL */
	EXPECT_LENGTH(test, 64, 0x66, 0xef);
	EXPECT_LENGTH(test, 64, 0xf3, 0x6c);			/* REP INSB */
	EXPECT_LENGTH(test, 16, 0x67, 0xf3, 0x66, 0x6f);
}

/* ModRM names registers even with mod 0: no SIB, no displacement follows. */
static void control_register_lengths(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x0f, 0x20, 0xc0);
	EXPECT_LENGTH(test, 64, 0x0f, 0x22, 0x04);
	EXPECT_LENGTH(test, 64, 0x0f, 0x22, 0x05);
	EXPECT_LENGTH(test, 64, 0x0f, 0x23, 0x84);
	EXPECT_LENGTH(test, 64, 0x44, 0x0f, 0x20, 0xc0);	/* CR8 */
	/* LOCK MOV CR0 is CR8 outside 64-bit code (APM volume 3) */
	EXPECT_LENGTH(test, 32, 0xf0, 0x0f, 0x20, 0xc0);
}

static void superfluous_prefixes(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x66, 0x67, 0x2e, 0xf2, 0x0f, 0xa2);
	EXPECT_LENGTH(test, 64, 0x48, 0x0f, 0x32);
	EXPECT_LENGTH(test, 64, 0x48, 0x66, 0x0f, 0x30);
	EXPECT_LENGTH(test, 64, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		      0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2);
}

static void immediate_sizes(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8);
	EXPECT_LENGTH(test, 64, 0xb8, 1, 2, 3, 4);
	EXPECT_LENGTH(test, 64, 0x66, 0xb8, 1, 2);
	EXPECT_LENGTH(test, 16, 0xb8, 1, 2);
	EXPECT_LENGTH(test, 64, 0xc8, 0x10, 0x00, 0x01);	/* ENTER */
	EXPECT_LENGTH(test, 32, 0x9a, 1, 2, 3, 4, 5, 6);	/* CALL far */
	EXPECT_LENGTH(test, 16, 0xea, 1, 2, 3, 4);		/* JMP far */
	EXPECT_LENGTH(test, 64, 0xa0, 1, 2, 3, 4, 5, 6, 7, 8);	/* moffs */
	EXPECT_LENGTH(test, 64, 0x67, 0xa0, 1, 2, 3, 4);
	EXPECT_LENGTH(test, 16, 0xa1, 1, 2);
	EXPECT_LENGTH(test, 64, 0x69, 0xc0, 1, 2, 3, 4);	/* IMUL */
	EXPECT_LENGTH(test, 64, 0xc2, 1, 2);			/* RET */
}

static void group3_immediate(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0xf6, 0xc0, 0x01);		/* TEST AL, 1 */
	EXPECT_LENGTH(test, 64, 0xf7, 0xc0, 1, 2, 3, 4);
	EXPECT_LENGTH(test, 64, 0x66, 0xf7, 0x08, 1, 2);
	EXPECT_LENGTH(test, 64, 0xf7, 0xd0);			/* NOT EAX */
	EXPECT_LENGTH(test, 64, 0xf6, 0x20);			/* MUL [rax] */
}

static void vex_lengths(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0xc5, 0xf8, 0x77);		/* VZEROUPPER */
	EXPECT_LENGTH(test, 64, 0xc5, 0xf8, 0x28, 0x40, 0x10);	/* VMOVAPS */
	EXPECT_LENGTH(test, 64, 0xc4, 0xe3, 0x7d, 0x39, 0xc1, 0x01);
	EXPECT_LENGTH(test, 64, 0xc4, 0xe2, 0x79, 0x18, 0x05, 1, 2, 3, 4);
	EXPECT_LENGTH(test, 64, 0xc5, 0xf9, 0x70, 0xc0, 0x1b);	/* VPSHUFD */
	EXPECT_LENGTH(test, 32, 0xc5, 0xf8, 0x77);
	EXPECT_LENGTH(test, 32, 0xc5, 0x00);			/* LDS */
	EXPECT_LENGTH(test, 32, 0xc4, 0x40, 0x08);		/* LES */
}

static void evex_xop_lengths(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x62, 0xf1, 0x7c, 0x48, 0x28, 0x40, 0x01);
	EXPECT_LENGTH(test, 64, 0x62, 0xf3, 0x7d, 0x48, 0x25, 0xc0, 0xff);
	EXPECT_LENGTH(test, 32, 0x62, 0x08);			/* BOUND */
	EXPECT_LENGTH(test, 64, 0x8f, 0xe9, 0x78, 0x01, 0xc8);	/* XOP 9 */
	EXPECT_LENGTH(test, 64, 0x8f, 0xe8, 0x78, 0xc0, 0xc0, 0x01); /* XOP 8 */
	EXPECT_LENGTH(test, 64, 0x8f, 0x00);			/* POP [rax] */
}

static void bad_vex_map(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			DECODE(&insn, 64, 0xc4, 0xff, 0x78, 0x10, 0xc0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			DECODE(&insn, 64, 0xc4, 0xe0, 0x78, 0x10, 0xc0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			DECODE(&insn, 64, 0x62, 0xf4, 0x78, 0x48, 0x10, 0xc0));
}

static void extended_maps(struct kunit *test)
{
	EXPECT_LENGTH(test, 64, 0x66, 0x0f, 0x38, 0x80, 0x08);	/* INVEPT */
	EXPECT_LENGTH(test, 64, 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x08);
	EXPECT_LENGTH(test, 64, 0xf2, 0x0f, 0x38, 0xf0, 0xc1);	/* CRC32 */
	EXPECT_LENGTH(test, 64, 0x0f, 0x0f, 0xc1, 0x9e);	/* 3DNow! */
	EXPECT_LENGTH(test, 64, 0x66, 0x0f, 0x78, 0xc0, 1, 2);	/* EXTRQ */
	EXPECT_LENGTH(test, 64, 0x0f, 0x78, 0xc0);		/* VMREAD */
}

static void mov_store(struct kunit *test)
{
	struct lodge_insn insn;

	/* mov [rax+rcx*4+0x10], r9 */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x4c, 0x89, 0x4c, 0x88, 0x10));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_MOV);
	KUNIT_EXPECT_EQ(test, insn.form, (u8)LODGE_FORM_RM_R);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)8);
	KUNIT_EXPECT_EQ(test, insn.addrsize, (u8)8);
	KUNIT_EXPECT_EQ(test, insn.reg, (u8)9);
	KUNIT_EXPECT_EQ(test, insn.base, (u8)LODGE_RAX);
	KUNIT_EXPECT_EQ(test, insn.index, (u8)LODGE_RCX);
	KUNIT_EXPECT_EQ(test, insn.scale, (u8)2);
	KUNIT_EXPECT_EQ(test, insn.disp, 0x10LL);
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_DS);
}

static void rip_relative(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff));
	KUNIT_EXPECT_TRUE(test, insn.rip_relative);
	KUNIT_EXPECT_EQ(test, insn.base, (u8)LODGE_NO_REG);
	KUNIT_EXPECT_EQ(test, insn.disp, -4LL);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 32, 0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff));
	KUNIT_EXPECT_FALSE(test, insn.rip_relative);
}

/* R12 as base needs SIB, R13 a displacement; R12 can be an index, RSP cannot. */
static void rex_corner_registers(struct kunit *test)
{
	struct lodge_insn insn;

	EXPECT_LENGTH(test, 64, 0x41, 0x8b, 0x04, 0x24);
	EXPECT_LENGTH(test, 64, 0x41, 0x8b, 0x45, 0x00);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x42, 0x8b, 0x04, 0x20));
	KUNIT_EXPECT_EQ(test, insn.index, (u8)LODGE_R12);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x8b, 0x04, 0x20));
	KUNIT_EXPECT_EQ(test, insn.index, (u8)LODGE_NO_REG);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x41, 0x8b, 0x04, 0x24));
	KUNIT_EXPECT_EQ(test, insn.base, (u8)LODGE_R12);
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_DS);
}

static void sib_without_base(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x8b, 0x04, 0x25, 0, 0, 0xe0, 0xfe));
	KUNIT_EXPECT_EQ(test, insn.length, (u8)7);
	KUNIT_EXPECT_EQ(test, insn.base, (u8)LODGE_NO_REG);
	KUNIT_EXPECT_EQ(test, insn.index, (u8)LODGE_NO_REG);
	KUNIT_EXPECT_EQ(test, insn.disp, (s64)(s32)0xfee00000);
}

static void addressing_16(struct kunit *test)
{
	struct lodge_insn insn;

	/* mov ax, [bp+di-2] */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 16, 0x8b, 0x43, 0xfe));
	KUNIT_EXPECT_EQ(test, insn.base, (u8)LODGE_RBP);
	KUNIT_EXPECT_EQ(test, insn.index, (u8)LODGE_RDI);
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_SS);
	KUNIT_EXPECT_EQ(test, insn.disp, -2LL);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)2);
	/* mov ax, [0x1234] */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 16, 0x8b, 0x06, 0x34, 0x12));
	KUNIT_EXPECT_EQ(test, insn.base, (u8)LODGE_NO_REG);
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_DS);
	KUNIT_EXPECT_EQ(test, insn.disp, 0x1234LL);
}

static void segment_overrides(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x65, 0x8b, 0x00));
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_GS);
	/* In 64-bit code DS does not undo FS, in 32-bit code it does. */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x64, 0x3e, 0x8b, 0x00));
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_FS);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 32, 0x64, 0x3e, 0x8b, 0x00));
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_DS);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x8b, 0x45, 0x00));
	KUNIT_EXPECT_EQ(test, insn.segment, (u8)LODGE_SS);
}

static void rex_before_legacy_prefix(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x48, 0x66, 0x89, 0x00));
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)2);
	KUNIT_EXPECT_EQ(test, insn.rex, (u8)0);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x66, 0x48, 0x89, 0x00));
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)8);
}

static void sign_extended_immediate(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x48, 0xc7, 0x00, 0, 0, 0, 0x80));
	KUNIT_EXPECT_EQ(test, insn.imm, 0xffffffff80000000ull);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x83, 0x08, 0xff));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_OR);
	KUNIT_EXPECT_EQ(test, insn.imm, ~0ull);
}

static void extensions(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x0f, 0xb6, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_MOVZX);
	KUNIT_EXPECT_EQ(test, insn.srcsize, (u8)1);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)4);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x48, 0x63, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_MOVSX);
	KUNIT_EXPECT_EQ(test, insn.srcsize, (u8)4);
	/* ARPL */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 32, 0x63, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_NONE);
}

static void stack_and_branch_sizes(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0xff, 0x30));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_PUSH);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)8);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x66, 0xff, 0x30));
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)2);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0xff, 0x20));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_JMP);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)8);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0xff, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_INC);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)4);
}

static void string_prefixes(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0xf3, 0x48, 0xab));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_STOS);
	KUNIT_EXPECT_TRUE(test, insn.rep);
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)8);
	/* The last of the two counts. */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0xf3, 0xf2, 0xae));
	KUNIT_EXPECT_TRUE(test, insn.repne);
	KUNIT_EXPECT_FALSE(test, insn.rep);
	/* No 64-bit ports. */
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x48, 0x6d));
	KUNIT_EXPECT_EQ(test, insn.opsize, (u8)4);
}

static void lock_rules(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_EXPECT_EQ(test, 0, DECODE(&insn, 64, 0xf0, 0x01, 0x00));
	KUNIT_EXPECT_EQ(test, 0, DECODE(&insn, 64, 0xf0, 0x0f, 0xc1, 0x00));
	KUNIT_EXPECT_EQ(test, 0, DECODE(&insn, 64, 0xf0, 0x0f, 0xba, 0x28, 1));
	/* Register form, load form, CMP, MOV, BT, moffs */
	KUNIT_EXPECT_EQ(test, -EINVAL, DECODE(&insn, 64, 0xf0, 0x01, 0xc0));
	KUNIT_EXPECT_EQ(test, -EINVAL, DECODE(&insn, 64, 0xf0, 0x03, 0x00));
	KUNIT_EXPECT_EQ(test, -EINVAL, DECODE(&insn, 64, 0xf0, 0x39, 0x00));
	KUNIT_EXPECT_EQ(test, -EINVAL, DECODE(&insn, 64, 0xf0, 0x89, 0x00));
	KUNIT_EXPECT_EQ(test, -EINVAL, DECODE(&insn, 64, 0xf0, 0x0f, 0xba, 0x20, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, DECODE(&insn, 32, 0xf0, 0xa1, 1, 2, 3, 4));
}

static void movnti_and_movbe_forms(struct kunit *test)
{
	struct lodge_insn insn;

	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x0f, 0xc3, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_MOV);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x0f, 0xc3, 0xc0));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_NONE);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0x0f, 0x38, 0xf1, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_MOVBE);
	KUNIT_ASSERT_EQ(test, 0, DECODE(&insn, 64, 0xf2, 0x0f, 0x38, 0xf1, 0x00));
	KUNIT_EXPECT_EQ(test, insn.op, (u8)LODGE_OP_NONE);
}

static void invalid_in_64_bit(struct kunit *test)
{
	static const u8 opcodes[] = {
		0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
		0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea,
	};
	u8 bytes[LODGE_INSN_MAX] = { };
	struct lodge_insn insn;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bytes[0] = opcodes[i];
		KUNIT_EXPECT_EQ(test, -EINVAL, lodge_decode(&insn, bytes, 15, LODGE_CODE64));
		KUNIT_EXPECT_EQ(test, 0, lodge_decode(&insn, bytes, 15, LODGE_CODE32));
	}
}

static void nothing_at_all(struct kunit *test)
{
	struct lodge_insn insn;
	u8 byte = 0x90;

	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_decode(&insn, &byte, 0, LODGE_CODE64));
}

/* 15 bytes are the limit, whatever the buffer holds. */
static void too_long(struct kunit *test)
{
	struct lodge_insn insn;
	u8 bytes[32];

	memset(bytes, 0x66, sizeof(bytes));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_decode(&insn, bytes, 32, LODGE_CODE64));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_decode(&insn, bytes, 15, LODGE_CODE16));
	KUNIT_EXPECT_EQ(test, -EAGAIN, lodge_decode(&insn, bytes, 14, LODGE_CODE64));
	bytes[14] = 0x90;
	KUNIT_EXPECT_EQ(test, 0, lodge_decode(&insn, bytes, 15, LODGE_CODE64));
	KUNIT_EXPECT_EQ(test, insn.length, (u8)15);
	bytes[14] = 0x0f;
	bytes[15] = 0xa2;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_decode(&insn, bytes, 16, LODGE_CODE64));
	memset(bytes, 0x40, sizeof(bytes));
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_decode(&insn, bytes, 32, LODGE_CODE64));
}

/* Every first and second byte, every mode, cut anywhere. */
static void every_opcode(struct kunit *test)
{
	u8 bytes[LODGE_INSN_MAX + 1];
	struct lodge_insn insn;
	unsigned int i, count;
	int code, rc, bad = 0;

	for (i = 0; i < 0x600; i++) {
		memset(bytes, (i & 0xff) * 7 + 1, sizeof(bytes));
		bytes[0] = i & 0x300 ? 0x0f : i;
		bytes[1] = i & 0x300 ? i : bytes[1];
		bytes[2] = i & 0x400 ? 0x24 : bytes[2];
		for (count = 0; count <= sizeof(bytes); count++) {
			for (code = LODGE_CODE16; code <= LODGE_CODE64; code++) {
				rc = lodge_decode(&insn, bytes, count, code);
				if (!rc && insn.length > min(count, 15u))
					bad++;
				if (rc && rc != -EINVAL && rc != -EAGAIN)
					bad++;
				if (rc == -EAGAIN && count >= 15)
					bad++;
			}
		}
	}
	KUNIT_EXPECT_EQ(test, 0, bad);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(system_lengths),
	KUNIT_CASE(system_memory_lengths),
	KUNIT_CASE(port_lengths),
	KUNIT_CASE(control_register_lengths),
	KUNIT_CASE(superfluous_prefixes),
	KUNIT_CASE(immediate_sizes),
	KUNIT_CASE(group3_immediate),
	KUNIT_CASE(vex_lengths),
	KUNIT_CASE(evex_xop_lengths),
	KUNIT_CASE(bad_vex_map),
	KUNIT_CASE(extended_maps),
	KUNIT_CASE(mov_store),
	KUNIT_CASE(rip_relative),
	KUNIT_CASE(rex_corner_registers),
	KUNIT_CASE(sib_without_base),
	KUNIT_CASE(addressing_16),
	KUNIT_CASE(segment_overrides),
	KUNIT_CASE(rex_before_legacy_prefix),
	KUNIT_CASE(sign_extended_immediate),
	KUNIT_CASE(extensions),
	KUNIT_CASE(stack_and_branch_sizes),
	KUNIT_CASE(string_prefixes),
	KUNIT_CASE(lock_rules),
	KUNIT_CASE(movnti_and_movbe_forms),
	KUNIT_CASE(invalid_in_64_bit),
	KUNIT_CASE(nothing_at_all),
	KUNIT_CASE(too_long),
	KUNIT_CASE(every_opcode),
	{ }
};

static struct kunit_suite lodge_decode_suite = {
	.name = "lodge_decode",
	.test_cases = cases,
};

kunit_test_suite(lodge_decode_suite);
