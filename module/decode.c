// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction decoder: bytes to struct lodge_insn (SDM volume 2, chapter 2 and
 * appendix A). One table row per opcode says what follows it and, for what
 * the emulator knows, which operation it is. Of everything else only the
 * length is wanted: to step over an intercepted instruction on CPUs that do
 * not report it.
 */
#include "insn.h"

enum {
	M	= BIT(0),	/* ModRM byte */
	BYTE	= BIT(1),	/* byte operands */
	I8	= BIT(2),	/* 8-bit immediate */
	IZ	= BIT(3),	/* immediate of operand size, at most 32 bits */
	I16	= BIT(4),	/* 16-bit immediate */
	IV	= BIT(5),	/* immediate of full operand size */
	I32	= BIT(6),	/* 32-bit immediate */
	MOFFS	= BIT(7),	/* address-sized displacement */
	D64	= BIT(8),	/* operand size is 64 bits in 64-bit code */
	NEAR	= BIT(9),	/* same, and 0x66 is ignored there */
	X64	= BIT(10),	/* not in 64-bit code */
	REGS	= BIT(11),	/* ModRM names registers whatever mod says */
	BAD	= BIT(12),	/* not an instruction */
	MEM	= BIT(13),	/* the register form is something else */
	SEQ	= BIT(14),	/* ModRM.reg counts on from the operation */
	GRP	= BIT(15),	/* ModRM.reg selects from groups[op] */
	SEL	= BIT(16),	/* the memory operand has 16 bits */
};

struct opcode {
	u32 attr;
	u8 op;
	u8 form;
};

#define ROW(attr, op, form)	{ attr, LODGE_OP_##op, LODGE_FORM_##form }
/* Two opcodes: for bytes, and for the operand size. */
#define PAIR(code, attr, op, form)	\
	[code] = ROW((attr) | BYTE, op, form), [(code) + 1] = ROW(attr, op, form)

enum { GROUP1A, GROUP3, GROUP4, GROUP5, GROUP6, GROUP7, GROUP8, GROUP9, GROUP11, GROUP15 };

static const struct opcode groups[][8] = {
	[GROUP1A] = { ROW(D64, POP, RM) },
	[GROUP3] = { ROW(IZ, TEST, RM_IMM), ROW(IZ, TEST, RM_IMM), ROW(0, NOT, RM),
		     ROW(0, NEG, RM), ROW(0, MUL, RM), ROW(0, IMUL1, RM),
		     ROW(0, DIV, RM), ROW(0, IDIV, RM) },
	[GROUP4] = { ROW(0, INC, RM), ROW(0, DEC, RM) },
	[GROUP5] = { ROW(0, INC, RM), ROW(0, DEC, RM), ROW(NEAR, CALL, RM), ROW(MEM, CALLF, NONE),
		     ROW(NEAR, JMP, RM), ROW(MEM, JMPF, NONE), ROW(D64, PUSH, RM) },
	[GROUP6] = { ROW(SEL, SLDT, RM), ROW(SEL, STR, RM), ROW(SEL, LLDT, RM), ROW(SEL, LTR, RM) },
	[GROUP7] = { ROW(MEM, SGDT, NONE), ROW(MEM, SIDT, NONE), ROW(MEM, LGDT, NONE),
		     ROW(MEM, LIDT, NONE), ROW(SEL, SMSW, RM), { }, ROW(SEL, LMSW, RM) },
	[GROUP8] = { [4] = ROW(0, BT, RM_IMM), ROW(0, BTS, RM_IMM), ROW(0, BTR, RM_IMM),
		     ROW(0, BTC, RM_IMM) },
	[GROUP9] = { [1] = ROW(MEM, CMPXCHG2, NONE) },
	[GROUP11] = { ROW(0, MOV, RM_IMM) },
	[GROUP15] = { [6] = ROW(MEM, NOP, NONE), ROW(MEM, NOP, NONE) },
};

/* ADD to CMP: opcodes 0x00 to 0x3f, eight for each, these six alike. */
static const struct opcode alu[6] = {
	PAIR(0, M, ADD, RM_R), PAIR(2, M, ADD, R_RM), PAIR(4, IZ, ADD, A_IMM),
};

/* Prefixes, REX, the 0x0f escape and alu[] never reach this table. */
static const struct opcode one_byte[256] = {
	[0x06] = ROW(X64, PUSH, S), [0x07] = ROW(X64, POP, S),
	[0x0e] = ROW(X64, PUSH, S),
	[0x16] = ROW(X64, PUSH, S), [0x17] = ROW(X64, POP, S),
	[0x1e] = ROW(X64, PUSH, S), [0x1f] = ROW(X64, POP, S),
	[0x27] = { X64 }, [0x2f] = { X64 }, [0x37] = { X64 }, [0x3f] = { X64 },
	[0x50 ... 0x57] = ROW(D64, PUSH, O), [0x58 ... 0x5f] = ROW(D64, POP, O),
	[0x60] = ROW(X64, PUSHA, NONE), [0x61] = ROW(X64, POPA, NONE),
	[0x62] = { M | X64 },
	[0x63] = ROW(M, MOVSX, R_RM),	/* MOVSXD; ARPL outside 64-bit code */
	[0x68] = ROW(IZ | D64, PUSH, IMM), [0x6a] = ROW(I8 | D64, PUSH, IMM),
	[0x69] = ROW(M | IZ, IMUL, R_RM), [0x6b] = ROW(M | I8, IMUL, R_RM),
	PAIR(0x6c, 0, INS, NONE), PAIR(0x6e, 0, OUTS, NONE),
	[0x70 ... 0x7f] = { I8 },
	PAIR(0x80, M | IZ | SEQ, ADD, RM_IMM),
	[0x82] = ROW(M | BYTE | I8 | X64 | SEQ, ADD, RM_IMM),
	[0x83] = ROW(M | I8 | SEQ, ADD, RM_IMM),
	PAIR(0x84, M, TEST, RM_R), PAIR(0x86, M, XCHG, RM_R),
	PAIR(0x88, M, MOV, RM_R), PAIR(0x8a, M, MOV, R_RM),
	[0x8c] = ROW(M | SEL, MOV, RM_S), [0x8d] = { M }, [0x8e] = ROW(M | SEL, MOVSEG, S_RM),
	[0x8f] = { M | GRP, GROUP1A },
	[0x9a] = { IZ | I16 | X64 },
	[0x9c] = ROW(D64, PUSHF, NONE), [0x9d] = ROW(D64, POPF, NONE),
	PAIR(0xa0, MOFFS, MOV, A_MEM), PAIR(0xa2, MOFFS, MOV, MEM_A),
	PAIR(0xa4, 0, MOVS, NONE), PAIR(0xa6, 0, CMPS, NONE),
	PAIR(0xa8, IZ, TEST, A_IMM),
	PAIR(0xaa, 0, STOS, NONE), PAIR(0xac, 0, LODS, NONE), PAIR(0xae, 0, SCAS, NONE),
	[0xb0 ... 0xb7] = { BYTE | I8 },
	[0xb8 ... 0xbf] = { IV },
	PAIR(0xc0, M | I8 | SEQ, ROL, RM_IMM),
	[0xc2] = ROW(I16 | NEAR, RET, NONE), [0xc3] = ROW(NEAR, RET, NONE),
	[0xc4 ... 0xc5] = ROW(M | X64 | MEM, LOADFAR, NONE),
	[0xc6] = { M | BYTE | IZ | GRP, GROUP11 }, [0xc7] = { M | IZ | GRP, GROUP11 },
	[0xc8] = ROW(I16 | I8 | D64, ENTER, NONE), [0xc9] = ROW(D64, LEAVE, NONE),
	[0xca] = ROW(I16, RETF, NONE), [0xcb] = ROW(0, RETF, NONE),
	[0xcd] = { I8 },
	[0xce] = { X64 },
	[0xcf] = ROW(0, IRET, NONE),
	PAIR(0xd0, M | SEQ, ROL, RM_1), PAIR(0xd2, M | SEQ, ROL, RM_CL),
	[0xd4 ... 0xd5] = { I8 | X64 },
	[0xd6] = { X64 },
	[0xd7] = ROW(BYTE, XLAT, A_MEM),
	[0xd8 ... 0xdf] = { M },
	[0xe0 ... 0xe7] = { I8 },
	[0xe8] = ROW(IZ | NEAR, CALL, IMM), [0xe9] = { IZ | NEAR },
	[0xea] = { IZ | I16 | X64 },
	[0xeb] = { I8 },
	[0xf6] = { M | BYTE | GRP, GROUP3 }, [0xf7] = { M | GRP, GROUP3 },
	[0xfe] = { M | BYTE | GRP, GROUP4 }, [0xff] = { M | GRP, GROUP5 },
};

/* After 0x0f. */
static const struct opcode two_byte[256] = {
	[0x00] = { M | GRP, GROUP6 }, [0x01] = { M | GRP, GROUP7 },
	[0x02 ... 0x03] = { M },
	[0x04] = { BAD }, [0x0a] = { BAD }, [0x0c] = { BAD },
	[0x0d] = { M },
	[0x0f] = { M | I8 },		/* 3DNow!: the suffix is the opcode */
	[0x10 ... 0x1f] = { M },
	[0x20 ... 0x23] = { M | REGS },
	[0x24 ... 0x27] = { BAD },
	[0x28 ... 0x2f] = { M },
	[0x36] = { BAD }, [0x39] = { BAD }, [0x3b ... 0x3f] = { BAD },
	[0x40 ... 0x4f] = ROW(M, CMOV, R_RM),
	[0x50 ... 0x6f] = { M },
	[0x70 ... 0x73] = { M | I8 },
	[0x74 ... 0x76] = { M },
	[0x78 ... 0x7f] = { M },
	[0x80 ... 0x8f] = { IZ | NEAR },
	[0x90 ... 0x9f] = ROW(M | BYTE, SETCC, RM),
	[0xa0] = ROW(D64, PUSH, S), [0xa1] = ROW(D64, POP, S),
	[0xa3] = ROW(M, BT, RM_R),
	[0xa4] = ROW(M | I8, SHLD, RM_R), [0xa5] = ROW(M, SHLD, RM_R),
	[0xa6 ... 0xa7] = { M },
	[0xa8] = ROW(D64, PUSH, S), [0xa9] = ROW(D64, POP, S),
	[0xab] = ROW(M, BTS, RM_R),
	[0xac] = ROW(M | I8, SHRD, RM_R), [0xad] = ROW(M, SHRD, RM_R),
	[0xae] = { M | GRP, GROUP15 },
	[0xaf] = ROW(M, IMUL, R_RM),
	PAIR(0xb0, M, CMPXCHG, RM_R),
	[0xb2] = ROW(M | MEM, LOADFAR, NONE),
	[0xb3] = ROW(M, BTR, RM_R),
	[0xb4 ... 0xb5] = ROW(M | MEM, LOADFAR, NONE),
	[0xb6 ... 0xb7] = ROW(M, MOVZX, R_RM),
	[0xb8] = ROW(M, POPCNT, R_RM), [0xb9] = { M },
	[0xba] = { M | I8 | GRP, GROUP8 },
	[0xbb] = ROW(M, BTC, RM_R),
	[0xbc] = ROW(M, BSF, R_RM), [0xbd] = ROW(M, BSR, R_RM),
	[0xbe ... 0xbf] = ROW(M, MOVSX, R_RM),
	PAIR(0xc0, M, XADD, RM_R),
	[0xc2] = { M | I8 },
	[0xc3] = ROW(M | MEM, MOV, RM_R),	/* MOVNTI */
	[0xc4 ... 0xc6] = { M | I8 },
	[0xc7] = { M | GRP, GROUP9 },
	[0xd0 ... 0xff] = { M },
};

/* What follows the opcode in the maps that only VEX, EVEX and XOP reach. */
static const u16 vex_maps[] = {
	[1] = M, [2] = M, [3] = M | I8, [5] = M, [6] = M, [7] = M | I32,
	[8] = M | I8, [9] = M, [10] = M | I32,
};

/* Mandatory prefixes, and what the size of a vector move depends on. */
enum { NP = BIT(0), P66 = BIT(1), PF3 = BIT(2), PF2 = BIT(3) };
enum { FULL, BY_W, STORE = BIT(6), MAP38 = BIT(7) };
#define ALIGNED	LODGE_SIMD_ALIGNED
#define MERGE	LODGE_SIMD_MERGE
#define HIGH	LODGE_SIMD_HIGH
#define MMX	LODGE_SIMD_MMX

/* Moves between memory and vector registers, legacy and VEX. */
static const struct {
	u8 opcode;
	u8 prefixes;
	u8 bytes;		/* FULL: of the register, BY_W: of a general register */
	u8 flags;
} moves[] = {
	{ 0x10, NP | P66, FULL }, { 0x11, NP | P66, FULL, STORE },	/* MOVUPS, MOVUPD */
	{ 0x10, PF3, 4 }, { 0x11, PF3, 4, STORE },			/* MOVSS */
	{ 0x10, PF2, 8 }, { 0x11, PF2, 8, STORE },			/* MOVSD */
	{ 0x12, NP | P66, 8, MERGE }, { 0x13, NP | P66, 8, STORE },	/* MOVLPS, MOVLPD */
	{ 0x16, NP | P66, 8, MERGE | HIGH }, { 0x17, NP | P66, 8, STORE | HIGH },
	{ 0x28, NP | P66, FULL, ALIGNED }, { 0x29, NP | P66, FULL, STORE | ALIGNED },
	{ 0x2b, NP | P66, FULL, STORE | ALIGNED },			/* MOVNTPS, MOVNTPD */
	{ 0x6e, P66, BY_W }, { 0x7e, P66, BY_W, STORE },		/* MOVD, MOVQ */
	{ 0x6e, NP, BY_W, MMX }, { 0x7e, NP, BY_W, STORE | MMX },
	{ 0x6f, NP, 8, MMX }, { 0x7f, NP, 8, STORE | MMX },
	{ 0x6f, P66, FULL, ALIGNED }, { 0x7f, P66, FULL, STORE | ALIGNED }, /* MOVDQA */
	{ 0x6f, PF3, FULL }, { 0x7f, PF3, FULL, STORE },		/* MOVDQU */
	{ 0x7e, PF3, 8 }, { 0xd6, P66, 8, STORE },			/* MOVQ */
	{ 0xe7, NP, 8, STORE | MMX }, { 0xe7, P66, FULL, STORE | ALIGNED }, /* MOVNTQ, DQ */
	{ 0xf0, PF2, FULL },						/* LDDQU */
	{ 0x2a, P66, FULL, MAP38 | ALIGNED },				/* MOVNTDQA */
};

struct decoder {
	struct lodge_insn *insn;
	const u8 *bytes;
	unsigned int count;
	unsigned int pos;
	enum lodge_code code;
	int err;		/* the first; then only zeroes are read */
	bool opsize66;
	bool addr67;
	u8 override;		/* segment, or LODGE_NO_REG */
};

static u8 peek(const struct decoder *d)
{
	return d->pos < d->count ? d->bytes[d->pos] : 0;
}

static u8 get8(struct decoder *d)
{
	if (!d->err && d->pos >= LODGE_INSN_MAX)
		d->err = -EINVAL;
	if (!d->err && d->pos >= d->count)
		d->err = -EAGAIN;
	return d->err ? 0 : d->bytes[d->pos++];
}

static void invalid(struct decoder *d)
{
	if (!d->err)
		d->err = -EINVAL;
}

/* Little endian, sign-extended. */
static u64 get_signed(struct decoder *d, unsigned int bytes)
{
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < bytes; i++)
		value |= (u64)get8(d) << i * 8;
	return lodge_sign_extend(value, bytes);
}

static bool legacy_prefix(struct decoder *d, u8 byte)
{
	if ((byte & 0xe7) == 0x26) {
		/* 64-bit code knows only FS and GS; the others change nothing. */
		if (d->code != LODGE_CODE64)
			d->override = LODGE_ES + (byte >> 3 & 3);
	} else if ((byte & 0xfe) == 0x64) {
		d->override = LODGE_FS + (byte & 1);
	} else if (byte == 0x66) {
		d->opsize66 = true;
	} else if (byte == 0x67) {
		d->addr67 = true;
	} else if (byte == 0xf0) {
		d->insn->lock = true;
	} else if ((byte & 0xfe) == 0xf2) {
		d->insn->rep = byte & 1;
		d->insn->repne = !(byte & 1);
	} else {
		return false;
	}
	return true;
}

/* Eats the prefixes; returns the first byte of the opcode. */
static u8 prefixes(struct decoder *d)
{
	u8 byte;

	for (;;) {
		byte = get8(d);
		if (d->code == LODGE_CODE64 && (byte & 0xf0) == 0x40) {
			d->insn->rex = byte;
			continue;
		}
		if (!legacy_prefix(d, byte))
			return byte;
		/* REX counts only right before the opcode (SDM 2.2.1). */
		d->insn->rex = 0;
	}
}

static u8 address_size(const struct decoder *d)
{
	if (d->code == LODGE_CODE64)
		return d->addr67 ? 4 : 8;
	return (d->code == LODGE_CODE32) != d->addr67 ? 4 : 2;
}

static u8 operand_size(const struct decoder *d, u32 attr)
{
	if (attr & BYTE)
		return 1;
	if (d->code == LODGE_CODE64) {
		if (d->insn->rex & 8 || attr & NEAR)
			return 8;
		return d->opsize66 ? 2 : attr & D64 ? 8 : 4;
	}
	return (d->code == LODGE_CODE32) != d->opsize66 ? 4 : 2;
}

/* SDM table 2-1. */
static void modrm16(struct decoder *d, u8 mod, u8 rm)
{
	static const u8 bases[8] = {
		LODGE_RBX, LODGE_RBX, LODGE_RBP, LODGE_RBP,
		LODGE_RSI, LODGE_RDI, LODGE_RBP, LODGE_RBX,
	};
	struct lodge_insn *insn = d->insn;

	if (mod == 0 && rm == 6) {
		insn->disp = get_signed(d, 2);
		return;
	}
	insn->base = bases[rm];
	if (rm < 4)
		insn->index = rm & 1 ? LODGE_RDI : LODGE_RSI;
	if (mod)
		insn->disp = get_signed(d, mod);
}

/* SDM table 2-3. Returns the base field, which 5 makes special. */
static u8 sib(struct decoder *d)
{
	struct lodge_insn *insn = d->insn;
	u8 byte = get8(d);
	u8 index = (byte >> 3 & 7) | (insn->rex & 2) << 2;

	insn->scale = byte >> 6;
	if (index != LODGE_RSP)
		insn->index = index;
	insn->base = (byte & 7) | (insn->rex & 1) << 3;
	return byte & 7;
}

/* SDM table 2-2 and 2.2.1.6. */
static void modrm32(struct decoder *d, u8 mod, u8 rm)
{
	struct lodge_insn *insn = d->insn;
	u8 base = rm;

	insn->base = insn->rm;
	if (rm == 4)
		base = sib(d);
	if (mod == 0 && base == 5) {
		insn->base = LODGE_NO_REG;
		insn->rip_relative = rm == 5 && d->code == LODGE_CODE64;
		insn->disp = get_signed(d, 4);
	} else if (mod) {
		insn->disp = get_signed(d, mod == 1 ? 1 : 4);
	}
}

static void modrm(struct decoder *d, u32 attr)
{
	struct lodge_insn *insn = d->insn;
	u8 byte = get8(d);
	u8 mod = byte >> 6;

	insn->has_modrm = true;
	insn->modrm = byte;
	insn->reg = (byte >> 3 & 7) | (insn->rex & 4) << 1;
	insn->rm = (byte & 7) | (insn->rex & 1) << 3;
	if (mod == 3 || attr & REGS)
		return;
	if (insn->addrsize == 2)
		modrm16(d, mod, byte & 7);
	else
		modrm32(d, mod, byte & 7);
}

static void immediates(struct decoder *d, u32 attr)
{
	struct lodge_insn *insn = d->insn;

	if (attr & MOFFS)
		insn->disp = get_signed(d, insn->addrsize);
	if (attr & IV)
		insn->imm = get_signed(d, insn->opsize);
	if (attr & IZ)
		insn->imm = get_signed(d, min_t(u8, insn->opsize, 4));
	if (attr & I32)
		insn->imm = get_signed(d, 4);
	if (attr & I16)
		insn->imm = (u16)get_signed(d, 2);
	if (attr & I8)
		insn->imm = attr & I16 ? insn->imm | (u64)get8(d) << 16 : get_signed(d, 1);
}

/* Vector moves: the mandatory prefix says which, and whether there is one. */
static void vector_move(struct decoder *d, u8 opcode, bool map38, bool wide)
{
	struct lodge_insn *insn = d->insn;
	u8 prefix = insn->repne ? PF2 : insn->rep ? PF3 : d->opsize66 ? P66 : NP;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].opcode == opcode && moves[i].prefixes & prefix &&
		    !!(moves[i].flags & MAP38) == map38)
			break;
	if (i == ARRAY_SIZE(moves) || insn->modrm >= 0xc0)
		return;
	insn->simd = moves[i].flags & (ALIGNED | MERGE | HIGH | MMX);
	insn->opsize = moves[i].bytes;
	if (moves[i].bytes == FULL)
		insn->opsize = wide ? 32 : 16;
	else if (moves[i].bytes == BY_W)
		insn->opsize = insn->rex & 8 ? 8 : 4;
	/* A third register is for VMOVLPS and the like; none of them is for MMX. */
	if (insn->vex && (insn->simd & MMX || (insn->vvvv && !(insn->simd & MERGE))))
		return;
	insn->op = LODGE_OP_SIMD;
	insn->form = moves[i].flags & STORE ? LODGE_FORM_SIMD_STORE : LODGE_FORM_SIMD_LOAD;
}

/* Is @byte the start of a VEX, EVEX or XOP prefix? Payload bytes, or 0. */
static unsigned int vex_payload(const struct decoder *d, u8 byte)
{
	u8 next = peek(d);

	/* XOP where POP r/m would have ModRM.reg other than 0 (APM 3.1.4) */
	if (byte == 0x8f)
		return (next & 0x1f) >= 8 ? 2 : 0;
	if (byte != 0x62 && byte != 0xc4 && byte != 0xc5)
		return 0;
	/* BOUND, LES and LDS have only memory forms (SDM 2.3.1). */
	if (d->code != LODGE_CODE64 && next < 0xc0)
		return 0;
	return byte == 0x62 ? 3 : byte == 0xc4 ? 2 : 1;
}

static void decode_vex(struct decoder *d, u8 prefix, unsigned int payload)
{
	struct lodge_insn *insn = d->insn;
	bool late = insn->rex || insn->lock || insn->rep || insn->repne || d->opsize66;
	u8 first = get8(d), second = payload > 1 ? get8(d) : first;
	u8 map = prefix == 0xc5 ? 1 : first & (prefix == 0x62 ? 7 : 0x1f);
	u32 attr = map < ARRAY_SIZE(vex_maps) ? vex_maps[map] : 0;
	u8 op;

	if (payload > 2)
		get8(d);
	op = get8(d);
	/* None of the older prefixes may come before (SDM 2.3.2). */
	if (!attr || late)
		invalid(d);
	if (map == 1)
		attr |= two_byte[op].attr & I8;
	/* VZEROALL and VZEROUPPER are the only ones without ModRM. */
	if (map == 1 && op == 0x77 && prefix != 0x62)
		attr = 0;
	if (d->code == LODGE_CODE64)
		insn->rex = 0x40 | (~first >> 5 & (payload > 1 ? 7 : 4)) |
			    (payload > 1 ? second >> 4 & 8 : 0);
	if (attr & M)
		modrm(d, attr);
	immediates(d, attr);
	insn->vex = prefix == 0xc4 || prefix == 0xc5;
	if (!insn->vex || map > 2)
		return;
	insn->vvvv = ~second >> 3 & (d->code == LODGE_CODE64 ? 15 : 7);
	d->opsize66 = (second & 3) == 1;
	insn->rep = (second & 3) == 2;
	insn->repne = (second & 3) == 3;
	vector_move(d, op, map == 2, second & 4);
}

static struct opcode opcode_one_byte(u8 op)
{
	struct opcode row;

	if (op >= 0x40 || (op & 7) >= ARRAY_SIZE(alu))
		return one_byte[op];
	row = alu[op & 7];
	row.op += op >> 3;
	return row;
}

static struct opcode opcode_0f(struct decoder *d)
{
	struct lodge_insn *insn = d->insn;
	u8 op = get8(d);
	struct opcode row = two_byte[op];

	insn->opcode[1] = op;
	if (op == 0x38 || op == 0x3a) {
		row.attr = op == 0x38 ? M : M | I8;
		op = get8(d);
		insn->opcode[2] = op;
		/* With 0xf2 the same opcodes are CRC32. */
		if (row.attr == M && (op & 0xfe) == 0xf0 && !insn->repne)
			row = (struct opcode){ M | MEM, LODGE_OP_MOVBE,
					       op & 1 ? LODGE_FORM_RM_R : LODGE_FORM_R_RM };
	}
	/* EXTRQ and INSERTQ with two immediate bytes (APM volume 4) */
	if (op == 0x78 && insn->opcode[1] == op && (d->opsize66 || insn->repne))
		row.attr |= I16;
	return row;
}

/* What depends on more than the row. */
static void special_cases(struct decoder *d)
{
	struct lodge_insn *insn = d->insn;
	bool prefixed = d->opsize66 || insn->rep || insn->repne;
	u8 reg = insn->modrm >> 3 & 7;

	switch (insn->op) {
	case LODGE_OP_MOVSX:
	case LODGE_OP_MOVZX:
		insn->srcsize = insn->opcode[0] == 0x63 ? min_t(u8, insn->opsize, 4) :
							  1 + (insn->opcode[1] & 1);
		if (insn->opcode[0] == 0x63 && d->code != LODGE_CODE64)
			insn->op = LODGE_OP_NONE;	/* ARPL */
		break;
	case LODGE_OP_BSF:
	case LODGE_OP_BSR:
		if (insn->rep)
			insn->op += LODGE_OP_TZCNT - LODGE_OP_BSF;
		break;
	case LODGE_OP_INS:
	case LODGE_OP_OUTS:
		insn->opsize = min_t(u8, insn->opsize, 4);
		break;
	case LODGE_OP_CMPXCHG2:
		insn->opsize = max_t(u8, insn->opsize, 4);
		insn->simd = insn->opsize == 8 ? ALIGNED : 0;
		break;
	}
	/* MOVNTI has no prefixes; XSAVEOPT is CLWB without one, JMPE POPCNT. */
	if ((insn->op == LODGE_OP_MOV && insn->opcode[0] == 0x0f && prefixed) ||
	    (insn->op == LODGE_OP_NOP && reg == 6 && !d->opsize66) ||
	    (insn->op == LODGE_OP_POPCNT && !insn->rep))
		insn->op = LODGE_OP_NONE;
}

/* SDM 9.1.2.2: which instructions take LOCK, with a memory destination only */
static bool lockable(const struct lodge_insn *insn)
{
	if (!insn->has_modrm || insn->modrm >= 0xc0 || insn->form == LODGE_FORM_R_RM)
		return false;
	switch (insn->op) {
	case LODGE_OP_ADD ... LODGE_OP_XOR:
	case LODGE_OP_NOT ... LODGE_OP_DEC:
	case LODGE_OP_XCHG ... LODGE_OP_CMPXCHG2:
	case LODGE_OP_BTS ... LODGE_OP_BTC:
		return true;
	}
	return false;
}

static u8 memory_segment(const struct decoder *d)
{
	u8 base = d->insn->base;

	if (d->override != LODGE_NO_REG)
		return d->override;
	return base == LODGE_RSP || base == LODGE_RBP ? LODGE_SS : LODGE_DS;
}

static void decode_row(struct decoder *d, struct opcode row)
{
	struct lodge_insn *insn = d->insn;
	u32 attr = row.attr;
	u8 reg;

	if (row.attr & BAD || (row.attr & X64 && d->code == LODGE_CODE64)) {
		invalid(d);
		return;
	}
	if (row.attr & M)
		modrm(d, row.attr);
	reg = insn->modrm >> 3 & 7;
	if (row.attr & SEQ)
		row.op += reg;
	if (row.attr & GRP) {
		row = groups[row.op][reg];
		row.attr |= attr;
	}
	if (row.attr & MEM && insn->modrm >= 0xc0)
		row.op = LODGE_OP_NONE;
	insn->opsize = operand_size(d, row.attr);
	if (row.attr & SEL && insn->modrm < 0xc0)
		insn->opsize = 2;
	insn->srcsize = insn->opsize;
	immediates(d, row.attr);
	insn->op = row.op;
	insn->form = row.form;
	special_cases(d);
	if (insn->opcode[0] == 0x0f)
		vector_move(d, insn->opcode[1] == 0x38 ? insn->opcode[2] : insn->opcode[1],
			    insn->opcode[1] == 0x38, false);
}

int lodge_decode(struct lodge_insn *insn, const u8 *bytes, unsigned int count, enum lodge_code code)
{
	struct decoder d = {
		.insn = insn, .bytes = bytes, .count = count, .code = code,
		.override = LODGE_NO_REG,
	};
	unsigned int payload;
	u8 byte;

	memset(insn, 0, sizeof(*insn));
	insn->base = LODGE_NO_REG;
	insn->index = LODGE_NO_REG;
	byte = prefixes(&d);
	insn->addrsize = address_size(&d);
	insn->opcode[0] = byte;
	payload = vex_payload(&d, byte);
	if (payload)
		decode_vex(&d, byte, payload);
	else
		decode_row(&d, byte == 0x0f ? opcode_0f(&d) : opcode_one_byte(byte));
	insn->segment = memory_segment(&d);
	/* Without an operation: LOCK MOV CR0 is CR8 on some CPUs (APM 3). */
	if (insn->lock && insn->op && !lockable(insn))
		invalid(&d);
	insn->length = d.pos;
	return d.err;
}
