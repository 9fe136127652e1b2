/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction decoder and emulator: pure logic, one table (module/decode.c),
 * also built in userspace for tests and fuzzing.
 */
#ifndef LODGE_INSN_H
#define LODGE_INSN_H

#include <linux/types.h>

/* Default operand and address size of the code segment. */
enum lodge_code { LODGE_CODE16, LODGE_CODE32, LODGE_CODE64 };

#define LODGE_INSN_MAX	15

/*
 * What can be emulated. ADD to CMP and ROL to SAR are in the order of the
 * ModRM.reg field that selects them (SDM appendix A.4, groups 1 and 2).
 */
enum lodge_insn_op {
	LODGE_OP_NONE,		/* only the length is known */
	LODGE_OP_ADD, LODGE_OP_OR, LODGE_OP_ADC, LODGE_OP_SBB,
	LODGE_OP_AND, LODGE_OP_SUB, LODGE_OP_XOR, LODGE_OP_CMP,
	LODGE_OP_TEST,
	LODGE_OP_ROL, LODGE_OP_ROR, LODGE_OP_RCL, LODGE_OP_RCR,
	LODGE_OP_SHL, LODGE_OP_SHR, LODGE_OP_SAL, LODGE_OP_SAR,
	LODGE_OP_NOT, LODGE_OP_NEG, LODGE_OP_INC, LODGE_OP_DEC,
	LODGE_OP_MOV, LODGE_OP_MOVZX, LODGE_OP_MOVSX, LODGE_OP_MOVBE,
	LODGE_OP_CMOV, LODGE_OP_SETCC,
	LODGE_OP_XCHG, LODGE_OP_CMPXCHG, LODGE_OP_XADD,
	LODGE_OP_BT, LODGE_OP_BTS, LODGE_OP_BTR, LODGE_OP_BTC,
	LODGE_OP_PUSH, LODGE_OP_POP, LODGE_OP_CALL, LODGE_OP_JMP,
	LODGE_OP_INS, LODGE_OP_OUTS, LODGE_OP_MOVS, LODGE_OP_CMPS,
	LODGE_OP_STOS, LODGE_OP_LODS, LODGE_OP_SCAS,
	LODGE_OP_COUNT
};

/* Destination, then source. */
enum lodge_insn_form {
	LODGE_FORM_NONE,
	LODGE_FORM_RM,		/* ModRM.rm alone */
	LODGE_FORM_RM_R,
	LODGE_FORM_R_RM,
	LODGE_FORM_RM_IMM,
	LODGE_FORM_A_IMM,	/* accumulator */
	LODGE_FORM_A_MEM,	/* moffs */
	LODGE_FORM_MEM_A,
	LODGE_FORM_RM_1,	/* shifts */
	LODGE_FORM_RM_CL,
};

#define LODGE_NO_REG	0xff

/**
 * struct lodge_insn - a decoded instruction
 * @length: bytes
 * @op: enum lodge_insn_op, 0 when only the length is known
 * @form: enum lodge_insn_form
 * @imm: sign-extended
 */
struct lodge_insn {
	u8 length;
	u8 op;
	u8 form;
	u8 opsize;		/* 1, 2, 4, 8 */
	u8 addrsize;		/* 2, 4, 8 */
	u8 srcsize;		/* MOVZX, MOVSX source */
	u8 rex;
	u8 segment;		/* enum lodge_seg that applies to the memory operand */
	u8 modrm;
	u8 reg;			/* extended by REX.R */
	u8 rm;			/* extended by REX.B */
	u8 base;		/* or LODGE_NO_REG */
	u8 index;		/* or LODGE_NO_REG */
	u8 scale;
	bool rip_relative;
	bool has_modrm;
	bool rep;
	bool repne;
	bool lock;
	s64 disp;
	u64 imm;
	u8 opcode[3];
};

/*
 * 0; -EAGAIN: @count bytes are too few; -EINVAL: longer than 15 bytes or not an
 * instruction. A length is found for all but a few opcodes; what can be
 * emulated has ->op.
 */
int lodge_decode(struct lodge_insn *insn, const u8 *bytes, unsigned int count,
		 enum lodge_code code);

/**
 * struct lodge_emul - one instruction's environment
 * @gpr, @rip, @rflags: working copy; the caller commits it on success
 * @linear: effective address in a segment to linear: 0, or -EFAULT with an
 *	exception set
 * @stack32: stack addresses are 32 bits wide (SS.B), outside 64-bit code
 * @probe: may this linear memory be written? Called before the first access of
 *	an instruction that reads and then writes; results as @read
 * @read, @write: linear memory, 1 to 8 bytes; 0, -EFAULT with an exception
 *	set, or -EINPROGRESS: userspace has to serve it first
 * @pio: port access by INS, OUTS; results as @read
 */
struct lodge_emul {
	u64 gpr[16];
	u64 rip;
	u64 rflags;
	enum lodge_code code;
	bool stack32;
	bool fault;
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
	void *ctx;
	int (*linear)(struct lodge_emul *e, int seg, u64 offset, u32 bytes,
		      bool write, u64 *out);
	int (*probe)(struct lodge_emul *e, u64 linear, u32 bytes);
	int (*read)(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes);
	int (*write)(struct lodge_emul *e, u64 linear, u64 value, u32 bytes);
	int (*pio)(struct lodge_emul *e, u16 port, u64 *value, u32 bytes,
		   bool write);
};

/*
 * Execute @insn in @e. 0: done, registers and RIP of @e are the new ones (a REP
 * form does one element and leaves RIP when more are to come); -EFAULT: raise
 * @e's exception; -EINPROGRESS: start again when userspace has answered;
 * -EOPNOTSUPP: not in the table.
 */
int lodge_emulate(struct lodge_emul *e, const struct lodge_insn *insn);

/* execute.c: arithmetic on operands of 1, 2, 4 or 8 bytes */

/* ADD to CMP, TEST, NOT to DEC (@src ignored): the result, flags in @rflags */
u64 lodge_alu(enum lodge_insn_op op, u32 bytes, u64 dst, u64 src, u64 *rflags);
/* ROL to SAR */
u64 lodge_shift(enum lodge_insn_op op, u32 bytes, u64 value, u8 count,
		u64 *rflags);
/* BT to BTC; @bit is below the operand's width */
u64 lodge_bit_op(enum lodge_insn_op op, u64 value, u32 bit, u64 *rflags);
/* Does condition @cc, the low four bits of a Jcc opcode, hold? */
bool lodge_condition(u8 cc, u64 rflags);

static inline u64 lodge_mask(u32 bytes)
{
	return bytes >= 8 ? ~0ull : (1ull << bytes * 8) - 1;
}

static inline u64 lodge_sign_extend(u64 value, u32 bytes)
{
	u32 shift = 64 - bytes * 8;

	return (u64)((s64)(value << shift) >> shift);
}

#endif /* LODGE_INSN_H */
