/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction decoder and emulator: pure logic, one table (module/decode.c),
 * also built in userspace for tests and fuzzing.
 */
#ifndef LODGE_INSN_H
#define LODGE_INSN_H

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../uapi/lodge.h"

/* Default operand and address size of the code segment. */
enum lodge_code { LODGE_CODE16, LODGE_CODE32, LODGE_CODE64 };

#define LODGE_INSN_MAX	15
/* Most data one instruction moves: a YMM register. */
#define LODGE_DATA_MAX	32

/*
 * What can be emulated. ADD to CMP, ROL to SAR and MUL to IDIV are in the order
 * of the ModRM.reg field that selects them (SDM appendix A.4).
 */
enum lodge_insn_op {
	LODGE_OP_NONE,		/* only the length is known */
	LODGE_OP_ADD, LODGE_OP_OR, LODGE_OP_ADC, LODGE_OP_SBB,
	LODGE_OP_AND, LODGE_OP_SUB, LODGE_OP_XOR, LODGE_OP_CMP,
	LODGE_OP_TEST,
	LODGE_OP_ROL, LODGE_OP_ROR, LODGE_OP_RCL, LODGE_OP_RCR,
	LODGE_OP_SHL, LODGE_OP_SHR, LODGE_OP_SAL, LODGE_OP_SAR,
	LODGE_OP_SHLD, LODGE_OP_SHRD,
	LODGE_OP_NOT, LODGE_OP_NEG, LODGE_OP_INC, LODGE_OP_DEC,
	LODGE_OP_MUL, LODGE_OP_IMUL1, LODGE_OP_DIV, LODGE_OP_IDIV, LODGE_OP_IMUL,
	LODGE_OP_BSF, LODGE_OP_BSR, LODGE_OP_TZCNT, LODGE_OP_LZCNT, LODGE_OP_POPCNT,
	LODGE_OP_MOV, LODGE_OP_MOVZX, LODGE_OP_MOVSX, LODGE_OP_MOVBE, LODGE_OP_XLAT,
	LODGE_OP_MOVSEG, LODGE_OP_CMOV, LODGE_OP_SETCC,
	LODGE_OP_XCHG, LODGE_OP_CMPXCHG, LODGE_OP_XADD, LODGE_OP_CMPXCHG2,
	LODGE_OP_BT, LODGE_OP_BTS, LODGE_OP_BTR, LODGE_OP_BTC,
	LODGE_OP_PUSH, LODGE_OP_POP, LODGE_OP_PUSHF, LODGE_OP_POPF,
	LODGE_OP_PUSHA, LODGE_OP_POPA, LODGE_OP_ENTER, LODGE_OP_LEAVE,
	LODGE_OP_CALL, LODGE_OP_JMP, LODGE_OP_CALLF, LODGE_OP_JMPF, LODGE_OP_LOADFAR,
	LODGE_OP_RET, LODGE_OP_RETF, LODGE_OP_IRET,
	LODGE_OP_SLDT, LODGE_OP_STR, LODGE_OP_SGDT, LODGE_OP_SIDT, LODGE_OP_SMSW,
	LODGE_OP_LLDT, LODGE_OP_LTR, LODGE_OP_LGDT, LODGE_OP_LIDT, LODGE_OP_LMSW,
	LODGE_OP_INS, LODGE_OP_OUTS, LODGE_OP_MOVS, LODGE_OP_CMPS,
	LODGE_OP_STOS, LODGE_OP_LODS, LODGE_OP_SCAS,
	LODGE_OP_SIMD,		/* moves of MMX, XMM and YMM registers */
	LODGE_OP_NOP,		/* CLFLUSH and the like */
	LODGE_OP_COUNT
};

/* Destination, then source. */
enum lodge_insn_form {
	LODGE_FORM_NONE,	/* the operation knows */
	LODGE_FORM_RM,		/* ModRM.rm alone */
	LODGE_FORM_RM_R,
	LODGE_FORM_R_RM,
	LODGE_FORM_RM_IMM,
	LODGE_FORM_RM_S,	/* segment register */
	LODGE_FORM_S_RM,
	LODGE_FORM_S,
	LODGE_FORM_O,		/* register in the opcode's low bits */
	LODGE_FORM_IMM,
	LODGE_FORM_A_IMM,	/* accumulator */
	LODGE_FORM_A_MEM,	/* moffs */
	LODGE_FORM_MEM_A,
	LODGE_FORM_RM_1,	/* shifts */
	LODGE_FORM_RM_CL,
	LODGE_FORM_SIMD_LOAD,
	LODGE_FORM_SIMD_STORE,
};

/* lodge_insn.simd */
enum {
	LODGE_SIMD_ALIGNED = 1,	/* the operand must be (CMPXCHG16B's, too) */
	LODGE_SIMD_MERGE = 2,	/* the other half of the register stays */
	LODGE_SIMD_HIGH = 4,	/* the register's high half */
	LODGE_SIMD_MMX = 8,
};

#define LODGE_NO_REG	0xff

/**
 * struct lodge_insn - a decoded instruction
 * @length: bytes
 * @op: enum lodge_insn_op, 0 when only the length is known
 * @form: enum lodge_insn_form
 * @imm: sign-extended; ENTER's level is in bits 23:16
 */
struct lodge_insn {
	u8 length;
	u8 op;
	u8 form;
	u8 opsize;		/* 1, 2, 4, 8; 16 and 32 for SIMD */
	u8 addrsize;		/* 2, 4, 8 */
	u8 srcsize;		/* MOVZX, MOVSX source */
	u8 rex;			/* or the same bits of a VEX prefix */
	u8 segment;		/* enum lodge_seg that applies to the memory operand */
	u8 modrm;
	u8 reg;			/* extended by REX.R */
	u8 rm;			/* extended by REX.B */
	u8 base;		/* or LODGE_NO_REG */
	u8 index;		/* or LODGE_NO_REG */
	u8 scale;
	u8 simd;		/* LODGE_SIMD_* */
	u8 vvvv;
	bool vex;
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

/* An exception that an access or an instruction raises. */
struct lodge_exception {
	u8 vector;
	u32 error;		/* where the vector has one */
	u64 cr2;
};

static inline int lodge_raise(struct lodge_exception *fault, u8 vector, u32 error)
{
	fault->vector = vector;
	fault->error = error;
	return -EFAULT;
}

/* Beyond enum lodge_seg: tables, of which only base and limit count, and a register. */
enum lodge_system { LODGE_GDTR = 8, LODGE_IDTR, LODGE_SYS_CR0 };

/**
 * struct lodge_emul - one instruction's environment
 * @gpr, @rip, @rflags: working copy; the caller commits it on success
 * @insn, @d, @s: lodge_emulate()'s own: destination and source
 * @stack32: stack addresses are 32 bits wide (SS.B), outside 64-bit code
 * @dr, @dr7: breakpoints; @dr6 collects those that were hit
 * @shadow: SS was loaded: no event before the next instruction is through
 * @xsave: XSAVE area in standard format: vector registers live here; @zmmh_offset:
 *	bits 511:256 of them, 0 without AVX-512
 * @fault: set where a function returns -EFAULT
 * @linear: effective address in a segment to linear: 0 or -EFAULT
 * @probe: may this linear memory be accessed? Called for all bytes of an operand
 *	before the first is; results as @access
 * @access: read or write linear memory, the low @bytes, 1 to 8, of *@value; 0,
 *	-EFAULT, or -EINPROGRESS: userspace has to serve it first
 * @pio: port access by INS, OUTS; results as @access
 * @system: read or load a segment register (value[0] is the selector), GDTR,
 *	IDTR (limit, base) or CR0; -EOPNOTSUPP for a gate
 */
struct lodge_emul {
	u64 gpr[16];
	u64 rip;
	u64 rflags;
	const struct lodge_insn *insn;
	u64 d;
	u64 s;
	enum lodge_code code;
	u8 cpl;
	bool stack32;
	bool shadow;
	u64 cr0;
	u64 cr4;
	u64 xcr0;
	u64 dr[4];
	u64 dr6;
	u64 dr7;
	u8 *xsave;
	u32 zmmh_offset;
	struct lodge_exception fault;
	int (*linear)(struct lodge_emul *e, int seg, u64 offset, u32 bytes, bool write, u64 *out);
	int (*probe)(struct lodge_emul *e, u64 linear, u32 bytes, bool write);
	int (*access)(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes, bool write);
	int (*pio)(struct lodge_emul *e, u16 port, u64 *value, u32 bytes, bool write);
	int (*system)(struct lodge_emul *e, int what, u64 value[2], bool write);
};

/*
 * Execute @insn in @e. 0: done, registers and RIP of @e are the new ones (a REP
 * form does one element and leaves RIP when more are to come); -EFAULT: raise
 * @e's exception; -EINPROGRESS: start again when userspace has answered;
 * -EOPNOTSUPP: not in the table.
 */
int lodge_emulate(struct lodge_emul *e, const struct lodge_insn *insn);

/* simd.c, for e->insn. May it be used: 0 or -EFAULT. @data: insn->opsize bytes */

int lodge_simd_check(struct lodge_emul *e);
void lodge_simd_get(struct lodge_emul *e, void *data);
void lodge_simd_set(struct lodge_emul *e, const void *data);

/* execute.c: arithmetic on operands of 1, 2, 4 or 8 bytes */

/* ADD to CMP, TEST, NOT to DEC (@src ignored): the result, flags in @rflags */
u64 lodge_alu(enum lodge_insn_op op, u32 bytes, u64 dst, u64 src, u64 *rflags);
/* ROL to SHRD; @src: what SHLD and SHRD shift in */
u64 lodge_shift(enum lodge_insn_op op, u32 bytes, u64 value, u64 src, u8 count, u64 *rflags);
/* BT to BTC; @bit counts modulo the operand's width */
u64 lodge_bit_op(enum lodge_insn_op op, u32 bytes, u64 value, u64 bit, u64 *rflags);
/* BSF to POPCNT; @old: what BSF and BSR leave when there is no bit */
u64 lodge_scan(enum lodge_insn_op op, u32 bytes, u64 old, u64 value, u64 *rflags);
/* MUL, IMUL1: the low half */
u64 lodge_multiply(enum lodge_insn_op op, u32 bytes, u64 a, u64 b, u64 *high, u64 *rflags);
/* DIV, IDIV of @high:@low, which become remainder and quotient; false: #DE */
bool lodge_divide(enum lodge_insn_op op, u32 bytes, u64 *low, u64 *high, u64 by);
/* Does condition @cc, the low four bits of a Jcc opcode, hold? */
bool lodge_condition(u8 cc, u64 rflags);

/* R/W fields of DR7 (SDM 17.2.4): which accesses may hit */
enum { LODGE_BP_WRITE = 1, LODGE_BP_IO = 2, LODGE_BP_ACCESS = 3 };
/* DR6 bits of the enabled breakpoints of type @type that @bytes at @addr touch */
u64 lodge_breakpoints(const u64 dr[4], u64 dr7, u64 addr, u32 bytes, u32 type);

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
