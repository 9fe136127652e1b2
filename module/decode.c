// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction decoder: bytes to struct lodge_insn (SDM volume 2, chapter 2 and
 * appendix A). One table row per opcode says what follows it and, for what
 * the emulator knows, which operation it is. Of everything else only the
 * length is wanted: to step over an intercepted instruction on CPUs that do
 * not report it.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "../uapi/lodge.h"
#include "insn.h"

enum {
	M	= BIT(0),	/* ModRM byte */
	BYTE	= BIT(1),	/* byte operands */
	I8	= BIT(2),	/* 8-bit immediate */
	IZ	= BIT(3),	/* 16- or 32-bit immediate, by operand size */
	I16	= BIT(4),	/* 16-bit immediate */
	IV	= BIT(5),	/* immediate of full operand size */
	MOFFS	= BIT(6),	/* address-sized displacement */
	D64	= BIT(7),	/* operand size is 64 bits in 64-bit code */
	NEAR	= BIT(8),	/* same, and 0x66 is ignored there */
	X64	= BIT(9),	/* not in 64-bit code */
	REGS	= BIT(10),	/* ModRM names registers whatever mod says */
	BAD	= BIT(11),	/* not an instruction */
	I32	= BIT(12),	/* 32-bit immediate */
};

/* Rows whose operation is selected by ModRM.reg. */
enum {
	GROUP1A = LODGE_OP_COUNT, GROUP3, GROUP4, GROUP5, GROUP8, GROUP11,
	GROUP1, GROUP2,
	MOVSXD,
};

static const u8 groups[][8] = {
	[GROUP1A - GROUP1A] = { LODGE_OP_POP },
	[GROUP3 - GROUP1A] = { LODGE_OP_TEST, LODGE_OP_TEST, LODGE_OP_NOT,
			       LODGE_OP_NEG },
	[GROUP4 - GROUP1A] = { LODGE_OP_INC, LODGE_OP_DEC },
	[GROUP5 - GROUP1A] = { LODGE_OP_INC, LODGE_OP_DEC, LODGE_OP_CALL, 0,
			       LODGE_OP_JMP, 0, LODGE_OP_PUSH },
	[GROUP8 - GROUP1A] = { 0, 0, 0, 0, LODGE_OP_BT, LODGE_OP_BTS,
			       LODGE_OP_BTR, LODGE_OP_BTC },
	[GROUP11 - GROUP1A] = { LODGE_OP_MOV },
};

struct opcode {
	u16 attr;
	u8 op;
	u8 form;
};

/* ADD to CMP: opcodes 0x00 to 0x3f, eight for each, these six alike. */
static const struct opcode alu[6] = {
	{ M | BYTE, LODGE_OP_ADD, LODGE_FORM_RM_R },
	{ M, LODGE_OP_ADD, LODGE_FORM_RM_R },
	{ M | BYTE, LODGE_OP_ADD, LODGE_FORM_R_RM },
	{ M, LODGE_OP_ADD, LODGE_FORM_R_RM },
	{ BYTE | I8, LODGE_OP_ADD, LODGE_FORM_A_IMM },
	{ IZ, LODGE_OP_ADD, LODGE_FORM_A_IMM },
};

/* Prefixes, REX, the 0x0f escape and alu[] never reach this table. */
static const struct opcode one_byte[256] = {
	[0x06 ... 0x07] = { X64 }, [0x0e] = { X64 },
	[0x16 ... 0x17] = { X64 }, [0x1e ... 0x1f] = { X64 },
	[0x27] = { X64 }, [0x2f] = { X64 }, [0x37] = { X64 }, [0x3f] = { X64 },
	[0x60 ... 0x61] = { X64 },
	[0x62] = { M | X64 },
	[0x63] = { M, MOVSXD, LODGE_FORM_R_RM },
	[0x68] = { IZ | D64 },
	[0x69] = { M | IZ },
	[0x6a] = { I8 | D64 },
	[0x6b] = { M | I8 },
	[0x6c] = { BYTE, LODGE_OP_INS }, [0x6d] = { 0, LODGE_OP_INS },
	[0x6e] = { BYTE, LODGE_OP_OUTS }, [0x6f] = { 0, LODGE_OP_OUTS },
	[0x70 ... 0x7f] = { I8 },
	[0x80] = { M | BYTE | I8, GROUP1, LODGE_FORM_RM_IMM },
	[0x81] = { M | IZ, GROUP1, LODGE_FORM_RM_IMM },
	[0x82] = { M | BYTE | I8 | X64, GROUP1, LODGE_FORM_RM_IMM },
	[0x83] = { M | I8, GROUP1, LODGE_FORM_RM_IMM },
	[0x84] = { M | BYTE, LODGE_OP_TEST, LODGE_FORM_RM_R },
	[0x85] = { M, LODGE_OP_TEST, LODGE_FORM_RM_R },
	[0x86] = { M | BYTE, LODGE_OP_XCHG, LODGE_FORM_RM_R },
	[0x87] = { M, LODGE_OP_XCHG, LODGE_FORM_RM_R },
	[0x88] = { M | BYTE, LODGE_OP_MOV, LODGE_FORM_RM_R },
	[0x89] = { M, LODGE_OP_MOV, LODGE_FORM_RM_R },
	[0x8a] = { M | BYTE, LODGE_OP_MOV, LODGE_FORM_R_RM },
	[0x8b] = { M, LODGE_OP_MOV, LODGE_FORM_R_RM },
	[0x8c ... 0x8e] = { M },
	[0x8f] = { M | D64, GROUP1A, LODGE_FORM_RM },
	[0x9a] = { IZ | I16 | X64 },
	[0xa0] = { BYTE | MOFFS, LODGE_OP_MOV, LODGE_FORM_A_MEM },
	[0xa1] = { MOFFS, LODGE_OP_MOV, LODGE_FORM_A_MEM },
	[0xa2] = { BYTE | MOFFS, LODGE_OP_MOV, LODGE_FORM_MEM_A },
	[0xa3] = { MOFFS, LODGE_OP_MOV, LODGE_FORM_MEM_A },
	[0xa4] = { BYTE, LODGE_OP_MOVS }, [0xa5] = { 0, LODGE_OP_MOVS },
	[0xa6] = { BYTE, LODGE_OP_CMPS }, [0xa7] = { 0, LODGE_OP_CMPS },
	[0xa8] = { BYTE | I8, LODGE_OP_TEST, LODGE_FORM_A_IMM },
	[0xa9] = { IZ, LODGE_OP_TEST, LODGE_FORM_A_IMM },
	[0xaa] = { BYTE, LODGE_OP_STOS }, [0xab] = { 0, LODGE_OP_STOS },
	[0xac] = { BYTE, LODGE_OP_LODS }, [0xad] = { 0, LODGE_OP_LODS },
	[0xae] = { BYTE, LODGE_OP_SCAS }, [0xaf] = { 0, LODGE_OP_SCAS },
	[0xb0 ... 0xb7] = { BYTE | I8 },
	[0xb8 ... 0xbf] = { IV },
	[0xc0] = { M | BYTE | I8, GROUP2, LODGE_FORM_RM_IMM },
	[0xc1] = { M | I8, GROUP2, LODGE_FORM_RM_IMM },
	[0xc2] = { I16 },
	[0xc4 ... 0xc5] = { M | X64 },
	[0xc6] = { M | BYTE | I8, GROUP11, LODGE_FORM_RM_IMM },
	[0xc7] = { M | IZ, GROUP11, LODGE_FORM_RM_IMM },
	[0xc8] = { I16 | I8 },
	[0xca] = { I16 },
	[0xcd] = { I8 },
	[0xce] = { X64 },
	[0xd0] = { M | BYTE, GROUP2, LODGE_FORM_RM_1 },
	[0xd1] = { M, GROUP2, LODGE_FORM_RM_1 },
	[0xd2] = { M | BYTE, GROUP2, LODGE_FORM_RM_CL },
	[0xd3] = { M, GROUP2, LODGE_FORM_RM_CL },
	[0xd4 ... 0xd5] = { I8 | X64 },
	[0xd6] = { X64 },
	[0xd8 ... 0xdf] = { M },
	[0xe0 ... 0xe7] = { I8 },
	[0xe8 ... 0xe9] = { IZ | NEAR },
	[0xea] = { IZ | I16 | X64 },
	[0xeb] = { I8 },
	[0xf6] = { M | BYTE, GROUP3, LODGE_FORM_RM },
	[0xf7] = { M, GROUP3, LODGE_FORM_RM },
	[0xfe] = { M | BYTE, GROUP4, LODGE_FORM_RM },
	[0xff] = { M, GROUP5, LODGE_FORM_RM },
};

/* After 0x0f. */
static const struct opcode two_byte[256] = {
	[0x00 ... 0x03] = { M },
	[0x04] = { BAD }, [0x0a] = { BAD }, [0x0c] = { BAD },
	[0x0d] = { M },
	[0x0f] = { M | I8 },		/* 3DNow!: the suffix is the opcode */
	[0x10 ... 0x1f] = { M },
	[0x20 ... 0x23] = { M | REGS },
	[0x24 ... 0x27] = { BAD },
	[0x28 ... 0x2f] = { M },
	[0x36] = { BAD }, [0x39] = { BAD }, [0x3b ... 0x3f] = { BAD },
	[0x40 ... 0x4f] = { M, LODGE_OP_CMOV, LODGE_FORM_R_RM },
	[0x50 ... 0x6f] = { M },
	[0x70 ... 0x73] = { M | I8 },
	[0x74 ... 0x76] = { M },
	[0x78 ... 0x7f] = { M },
	[0x80 ... 0x8f] = { IZ | NEAR },
	[0x90 ... 0x9f] = { M | BYTE, LODGE_OP_SETCC, LODGE_FORM_RM },
	[0xa3] = { M, LODGE_OP_BT, LODGE_FORM_RM_R },
	[0xa4] = { M | I8 },
	[0xa5 ... 0xa7] = { M },
	[0xab] = { M, LODGE_OP_BTS, LODGE_FORM_RM_R },
	[0xac] = { M | I8 },
	[0xad ... 0xaf] = { M },
	[0xb0] = { M | BYTE, LODGE_OP_CMPXCHG, LODGE_FORM_RM_R },
	[0xb1] = { M, LODGE_OP_CMPXCHG, LODGE_FORM_RM_R },
	[0xb2] = { M },
	[0xb3] = { M, LODGE_OP_BTR, LODGE_FORM_RM_R },
	[0xb4 ... 0xb5] = { M },
	[0xb6 ... 0xb7] = { M, LODGE_OP_MOVZX, LODGE_FORM_R_RM },
	[0xb8 ... 0xb9] = { M },
	[0xba] = { M | I8, GROUP8, LODGE_FORM_RM_IMM },
	[0xbb] = { M, LODGE_OP_BTC, LODGE_FORM_RM_R },
	[0xbc ... 0xbd] = { M },
	[0xbe ... 0xbf] = { M, LODGE_OP_MOVSX, LODGE_FORM_R_RM },
	[0xc0] = { M | BYTE, LODGE_OP_XADD, LODGE_FORM_RM_R },
	[0xc1] = { M, LODGE_OP_XADD, LODGE_FORM_RM_R },
	[0xc2] = { M | I8 },
	[0xc3] = { M, LODGE_OP_MOV, LODGE_FORM_RM_R },	/* MOVNTI */
	[0xc4 ... 0xc6] = { M | I8 },
	[0xc7] = { M },
	[0xd0 ... 0xff] = { M },
};

/* What follows the opcode in the maps that only VEX, EVEX and XOP reach. */
static const u16 vex_maps[] = {
	[1] = M, [2] = M, [3] = M | I8, [5] = M, [6] = M, [7] = M | I32,
	[8] = M | I8, [9] = M, [10] = M | I32,
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
	if (d->err)
		return 0;
	if (d->pos >= LODGE_INSN_MAX) {
		d->err = -EINVAL;
		return 0;
	}
	if (d->pos >= d->count) {
		d->err = -EAGAIN;
		return 0;
	}
	return d->bytes[d->pos++];
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

static void set_override(struct decoder *d, u8 seg)
{
	/* 64-bit code knows only FS and GS; the others change nothing. */
	if (d->code != LODGE_CODE64 || seg >= LODGE_FS)
		d->override = seg;
}

static bool legacy_prefix(struct decoder *d, u8 byte)
{
	struct lodge_insn *insn = d->insn;

	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		set_override(d, LODGE_ES + ((byte >> 3) & 3));
		return true;
	case 0x64:
	case 0x65:
		set_override(d, LODGE_FS + (byte & 1));
		return true;
	case 0x66:
		d->opsize66 = true;
		return true;
	case 0x67:
		d->addr67 = true;
		return true;
	case 0xf0:
		insn->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		insn->rep = byte == 0xf3;
		insn->repne = byte == 0xf2;
		return true;
	}
	return false;
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

static u8 operand_size(const struct decoder *d, u16 attr)
{
	if (attr & BYTE)
		return 1;
	if (d->code == LODGE_CODE64) {
		if (d->insn->rex & 8 || attr & NEAR)
			return 8;
		if (d->opsize66)
			return 2;
		return attr & D64 ? 8 : 4;
	}
	return (d->code == LODGE_CODE32) != d->opsize66 ? 4 : 2;
}

static void displacement(struct decoder *d, unsigned int bytes)
{
	d->insn->disp = (s64)get_signed(d, bytes);
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
		displacement(d, 2);
		return;
	}
	insn->base = bases[rm];
	if (rm < 4)
		insn->index = rm & 1 ? LODGE_RDI : LODGE_RSI;
	if (mod)
		displacement(d, mod);
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
		displacement(d, 4);
	} else if (mod) {
		displacement(d, mod == 1 ? 1 : 4);
	}
}

static void modrm(struct decoder *d, u16 attr)
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

static void immediates(struct decoder *d, u16 attr)
{
	struct lodge_insn *insn = d->insn;

	if (attr & MOFFS)
		displacement(d, insn->addrsize);
	if (attr & IV)
		insn->imm = get_signed(d, insn->opsize);
	if (attr & IZ)
		insn->imm = get_signed(d, insn->opsize == 2 ? 2 : 4);
	if (attr & I32)
		insn->imm = get_signed(d, 4);
	if (attr & I16)
		insn->imm = get_signed(d, 2);
	if (attr & I8)
		insn->imm = get_signed(d, 1);
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
	u8 map = 1;
	u8 first = get8(d);
	u16 attr = 0;
	u8 op;

	if (prefix == 0x62)
		map = first & 7;
	else if (payload == 2)
		map = first & 0x1f;
	for (; payload > 1; payload--)
		get8(d);
	op = get8(d);
	if (map < ARRAY_SIZE(vex_maps))
		attr = vex_maps[map];
	if (!attr && !d->err)
		d->err = -EINVAL;
	if (map == 1)
		attr |= two_byte[op].attr & I8;
	/* VZEROALL and VZEROUPPER are the only ones without ModRM. */
	if (map == 1 && op == 0x77 && prefix != 0x62)
		attr = 0;
	d->insn->rex = 0;
	if (attr & M)
		modrm(d, attr);
	immediates(d, attr);
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

static struct opcode opcode_0f38(struct decoder *d)
{
	struct opcode row = { M };
	u8 op = get8(d);

	d->insn->opcode[2] = op;
	/* With 0xf2 the same opcodes are CRC32. */
	if ((op & 0xfe) == 0xf0 && !d->insn->repne) {
		row.op = LODGE_OP_MOVBE;
		row.form = op & 1 ? LODGE_FORM_RM_R : LODGE_FORM_R_RM;
	}
	return row;
}

static struct opcode opcode_0f(struct decoder *d)
{
	struct opcode row;
	u8 op = get8(d);

	d->insn->opcode[1] = op;
	if (op == 0x38)
		return opcode_0f38(d);
	if (op == 0x3a) {
		d->insn->opcode[2] = get8(d);
		return (struct opcode){ M | I8 };
	}
	row = two_byte[op];
	/* EXTRQ and INSERTQ with two immediate bytes (APM volume 4) */
	if (op == 0x78 && (d->opsize66 || d->insn->repne))
		row.attr |= I16;
	return row;
}

static void resolve_group(struct lodge_insn *insn, struct opcode *row)
{
	u8 reg = insn->modrm >> 3 & 7;

	switch (row->op) {
	case GROUP1:
		row->op = LODGE_OP_ADD + reg;
		break;
	case GROUP2:
		row->op = LODGE_OP_ROL + reg;
		break;
	case GROUP3:
		if (reg < 2) {
			row->attr |= row->attr & BYTE ? I8 : IZ;
			row->form = LODGE_FORM_RM_IMM;
		}
		fallthrough;
	case GROUP1A:
	case GROUP4:
	case GROUP8:
	case GROUP11:
		row->op = groups[row->op - GROUP1A][reg];
		break;
	case GROUP5:
		row->op = groups[GROUP5 - GROUP1A][reg];
		if (row->op == LODGE_OP_PUSH)
			row->attr |= D64;
		else if (row->op == LODGE_OP_CALL || row->op == LODGE_OP_JMP)
			row->attr |= NEAR;
		break;
	}
}

/* Source width where it differs from the destination's; the odd ones out. */
static void special_cases(struct decoder *d, struct opcode *row)
{
	struct lodge_insn *insn = d->insn;
	bool memory = insn->modrm < 0xc0;

	insn->srcsize = insn->opsize;
	switch (row->op) {
	case MOVSXD:
		/* ARPL outside 64-bit code */
		row->op = d->code == LODGE_CODE64 ? LODGE_OP_MOVSX : 0;
		insn->srcsize = insn->opsize == 2 ? 2 : 4;
		break;
	case LODGE_OP_MOVZX:
	case LODGE_OP_MOVSX:
		insn->srcsize = 1 + (insn->opcode[1] & 1);
		break;
	case LODGE_OP_MOVBE:
		if (!memory)
			row->op = 0;
		break;
	case LODGE_OP_MOV:
		/* MOVNTI has neither a register form nor prefixes. */
		if (insn->opcode[0] == 0x0f &&
		    (!memory || d->opsize66 || insn->rep || insn->repne))
			row->op = 0;
		break;
	case LODGE_OP_INS:
	case LODGE_OP_OUTS:
		if (insn->opsize == 8)
			insn->opsize = 4;
		break;
	}
}

/* SDM 9.1.2.2: which instructions take LOCK, with a memory destination only */
static bool lockable(const struct lodge_insn *insn)
{
	if (insn->modrm >= 0xc0 || insn->form == LODGE_FORM_R_RM)
		return false;
	switch (insn->op) {
	case LODGE_OP_ADD ... LODGE_OP_XOR:
	case LODGE_OP_NOT ... LODGE_OP_DEC:
	case LODGE_OP_XCHG ... LODGE_OP_XADD:
	case LODGE_OP_BTS ... LODGE_OP_BTC:
		return insn->has_modrm;
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

	if (row.attr & BAD || (row.attr & X64 && d->code == LODGE_CODE64)) {
		if (!d->err)
			d->err = -EINVAL;
		return;
	}
	if (row.attr & M)
		modrm(d, row.attr);
	resolve_group(insn, &row);
	insn->opsize = operand_size(d, row.attr);
	immediates(d, row.attr);
	special_cases(d, &row);
	insn->op = row.op;
	insn->form = row.form;
	insn->segment = memory_segment(d);
	/* Without an operation: LOCK MOV CR0 is CR8 on some CPUs (APM 3). */
	if (insn->lock && insn->op && !lockable(insn) && !d->err)
		d->err = -EINVAL;
}

int lodge_decode(struct lodge_insn *insn, const u8 *bytes, unsigned int count,
		 enum lodge_code code)
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
		decode_row(&d, byte == 0x0f ? opcode_0f(&d) :
					      opcode_one_byte(byte));
	insn->length = d.pos;
	return d.err;
}
