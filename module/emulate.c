// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction emulator: operands, memory and the string loop around the
 * operations of execute.c. For instructions that reached memory no hardware
 * can serve: MMIO, read-only memory, string I/O.
 *
 * It works on the caller's copy of the registers and may be stopped by any
 * callback, so nothing here is kept between two attempts. An instruction
 * that writes what it read checks first that it may write (lodge_emul.probe):
 * a fault must come before a device register has been read.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/types.h>

#include "../uapi/lodge.h"
#include "insn.h"

#define RFLAGS_ZF	BIT(6)
#define RFLAGS_DF	BIT(10)

#define VECTOR_GP	13

/* A resolved operand. */
struct place {
	bool memory;
	u8 reg;
	u32 bytes;
	u64 linear;
};

static u64 read_gpr(const struct lodge_emul *e, const struct lodge_insn *insn,
		    u8 reg, u32 bytes)
{
	/* Without REX, 4 to 7 are AH, CH, DH, BH (SDM volume 1, 3.4.1.1). */
	if (bytes == 1 && !insn->rex && reg >= 4)
		return e->gpr[(reg - 4) & 15] >> 8 & 0xff;
	return e->gpr[reg & 15] & lodge_mask(bytes);
}

static void write_gpr(struct lodge_emul *e, const struct lodge_insn *insn,
		      u8 reg, u64 value, u32 bytes)
{
	u64 mask = lodge_mask(bytes);
	u32 shift = 0;
	u64 *gpr;

	if (bytes == 1 && !insn->rex && reg >= 4) {
		reg -= 4;
		shift = 8;
	}
	gpr = &e->gpr[reg & 15];
	/* A 32-bit result clears the upper half. */
	if (bytes >= 4)
		*gpr = value & mask;
	else
		*gpr = (*gpr & ~(mask << shift)) | (value & mask) << shift;
}

static u64 acc(const struct lodge_emul *e, u32 bytes)
{
	return e->gpr[LODGE_RAX] & lodge_mask(bytes);
}

static u64 effective_address(const struct lodge_emul *e,
			     const struct lodge_insn *insn)
{
	u64 addr = insn->disp;

	/* RIP is that of the next instruction already. */
	if (insn->rip_relative)
		addr += e->rip;
	if (insn->base != LODGE_NO_REG)
		addr += e->gpr[insn->base & 15];
	if (insn->index != LODGE_NO_REG)
		addr += e->gpr[insn->index & 15] << insn->scale;
	return addr & lodge_mask(insn->addrsize);
}

static int linear(struct lodge_emul *e, int seg, u64 offset, u32 bytes,
		  bool write, u64 *out)
{
	int rc = e->linear(e, seg, offset, bytes, write, out);

	if (!rc && write)
		rc = e->probe(e, *out, bytes);
	return rc;
}

static int locate(struct lodge_emul *e, const struct lodge_insn *insn,
		  u32 bytes, bool write, struct place *p)
{
	p->bytes = bytes;
	p->memory = !insn->has_modrm || insn->modrm < 0xc0;
	p->reg = insn->rm;
	if (!p->memory)
		return 0;
	return linear(e, insn->segment, effective_address(e, insn), bytes,
		      write, &p->linear);
}

static int load(struct lodge_emul *e, const struct lodge_insn *insn,
		const struct place *p, u64 *value)
{
	*value = 0;
	if (p->memory)
		return e->read(e, p->linear, value, p->bytes);
	*value = read_gpr(e, insn, p->reg, p->bytes);
	return 0;
}

static int store(struct lodge_emul *e, const struct lodge_insn *insn,
		 const struct place *p, u64 value)
{
	if (p->memory)
		return e->write(e, p->linear, value & lodge_mask(p->bytes),
				p->bytes);
	write_gpr(e, insn, p->reg, value, p->bytes);
	return 0;
}

static int load_source(struct lodge_emul *e, const struct lodge_insn *insn,
		       u64 *src)
{
	struct place p;
	int rc = locate(e, insn, insn->srcsize, false, &p);

	return rc ? rc : load(e, insn, &p, src);
}

/* Where the result goes, and the second operand's value. */
static int operands(struct lodge_emul *e, const struct lodge_insn *insn,
		    bool write, struct place *dst, u64 *src)
{
	*dst = (struct place){ .reg = LODGE_RAX, .bytes = insn->opsize };
	*src = insn->imm;
	switch (insn->form) {
	case LODGE_FORM_A_IMM:
		return 0;
	case LODGE_FORM_R_RM:
		dst->reg = insn->reg;
		return load_source(e, insn, src);
	case LODGE_FORM_A_MEM:
		return load_source(e, insn, src);
	case LODGE_FORM_RM_R:
		*src = read_gpr(e, insn, insn->reg, insn->opsize);
		break;
	case LODGE_FORM_MEM_A:
		*src = acc(e, insn->opsize);
		break;
	case LODGE_FORM_RM_1:
		*src = 1;
		break;
	case LODGE_FORM_RM_CL:
		*src = e->gpr[LODGE_RCX] & 0xff;
		break;
	}
	return locate(e, insn, insn->opsize, write, dst);
}

static int do_alu(struct lodge_emul *e, const struct lodge_insn *insn)
{
	bool write = insn->op != LODGE_OP_CMP && insn->op != LODGE_OP_TEST;
	struct place dst;
	u64 value, src;
	int rc;

	rc = operands(e, insn, write, &dst, &src);
	if (!rc)
		rc = load(e, insn, &dst, &value);
	if (rc)
		return rc;
	value = lodge_alu(insn->op, insn->opsize, value, src, &e->rflags);
	return write ? store(e, insn, &dst, value) : 0;
}

static int do_shift(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 value, src;
	int rc;

	rc = operands(e, insn, true, &dst, &src);
	if (!rc)
		rc = load(e, insn, &dst, &value);
	if (rc)
		return rc;
	value = lodge_shift(insn->op, insn->opsize, value, (u8)src, &e->rflags);
	return store(e, insn, &dst, value);
}

static int do_mov(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 src;
	int rc;

	rc = operands(e, insn, true, &dst, &src);
	if (rc)
		return rc;
	if (insn->op == LODGE_OP_MOVSX)
		src = lodge_sign_extend(src, insn->srcsize);
	return store(e, insn, &dst, src);
}

static int do_movbe(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 src;
	int rc;

	rc = operands(e, insn, true, &dst, &src);
	if (rc)
		return rc;
	src = __builtin_bswap64(src) >> (64 - insn->opsize * 8);
	return store(e, insn, &dst, src);
}

/* The source is read, and 32-bit destinations are cleared, in any case. */
static int do_cmov(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 src;
	int rc;

	rc = operands(e, insn, false, &dst, &src);
	if (rc)
		return rc;
	if (!lodge_condition(insn->opcode[1], e->rflags))
		src = read_gpr(e, insn, dst.reg, dst.bytes);
	return store(e, insn, &dst, src);
}

static int do_setcc(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	int rc = locate(e, insn, 1, true, &dst);

	if (rc)
		return rc;
	return store(e, insn, &dst, lodge_condition(insn->opcode[1], e->rflags));
}

/* XCHG and XADD: the register gets what memory held. */
static int do_exchange(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 value, src, result;
	int rc;

	rc = operands(e, insn, true, &dst, &src);
	if (!rc)
		rc = load(e, insn, &dst, &value);
	if (rc)
		return rc;
	result = src;
	if (insn->op == LODGE_OP_XADD)
		result = lodge_alu(LODGE_OP_ADD, insn->opsize, value, src,
				   &e->rflags);
	/* The register first: XADD of one with itself keeps the sum. */
	write_gpr(e, insn, insn->reg, value, insn->opsize);
	return store(e, insn, &dst, result);
}

static int do_cmpxchg(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 value, src;
	int rc;

	rc = operands(e, insn, true, &dst, &src);
	if (!rc)
		rc = load(e, insn, &dst, &value);
	if (rc)
		return rc;
	lodge_alu(LODGE_OP_CMP, insn->opsize, acc(e, insn->opsize), value,
		  &e->rflags);
	if (e->rflags & RFLAGS_ZF)
		return store(e, insn, &dst, src);
	/* Memory is written in either case (SDM volume 2, CMPXCHG). */
	if (dst.memory)
		rc = store(e, insn, &dst, value);
	write_gpr(e, insn, LODGE_RAX, value, insn->opsize);
	return rc;
}

/* A register may number a bit far from the operand: a bit string. */
static int do_bit(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct lodge_insn moved = *insn;
	u32 bits = insn->opsize * 8;
	struct place dst;
	u64 value, src;
	s64 bit = (s64)insn->imm & (bits - 1);
	int rc;

	if (insn->form == LODGE_FORM_RM_R) {
		src = read_gpr(e, insn, insn->reg, insn->opsize);
		bit = (s64)lodge_sign_extend(src, insn->opsize);
		moved.disp += (bit & ~(s64)(bits - 1)) / 8;
	}
	rc = operands(e, &moved, insn->op != LODGE_OP_BT, &dst, &src);
	if (!rc)
		rc = load(e, insn, &dst, &value);
	if (rc)
		return rc;
	value = lodge_bit_op(insn->op, value, bit & (bits - 1), &e->rflags);
	return insn->op == LODGE_OP_BT ? 0 : store(e, insn, &dst, value);
}

static u32 stack_bytes(const struct lodge_emul *e)
{
	if (e->code == LODGE_CODE64)
		return 8;
	return e->stack32 ? 4 : 2;
}

/* RSP moved by @delta, as wide as the stack; the rest stays. */
static u64 moved_sp(const struct lodge_emul *e, s64 delta)
{
	u64 mask = lodge_mask(stack_bytes(e));
	u64 rsp = e->gpr[LODGE_RSP];

	return (rsp & ~mask) | ((rsp + delta) & mask);
}

static int push(struct lodge_emul *e, u64 value, u32 bytes)
{
	u64 rsp = moved_sp(e, -(s64)bytes);
	u64 addr;
	int rc;

	rc = linear(e, LODGE_SS, rsp & lodge_mask(stack_bytes(e)), bytes, true,
		    &addr);
	if (!rc)
		rc = e->write(e, addr, value & lodge_mask(bytes), bytes);
	e->gpr[LODGE_RSP] = rsp;
	return rc;
}

static int do_push(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 value;
	int rc = load_source(e, insn, &value);

	return rc ? rc : push(e, value, insn->opsize);
}

static int do_pop(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u64 addr, value = 0;
	int rc;

	rc = linear(e, LODGE_SS,
		    e->gpr[LODGE_RSP] & lodge_mask(stack_bytes(e)),
		    insn->opsize, false, &addr);
	if (rc)
		return rc;
	/* The destination's address is computed with the new RSP. */
	e->gpr[LODGE_RSP] = moved_sp(e, insn->opsize);
	rc = locate(e, insn, insn->opsize, true, &dst);
	if (!rc)
		rc = e->read(e, addr, &value, insn->opsize);
	return rc ? rc : store(e, insn, &dst, value);
}

static int raise_gp(struct lodge_emul *e)
{
	e->fault = true;
	e->vector = VECTOR_GP;
	e->has_error = true;
	e->error = 0;
	return -EFAULT;
}

static int do_branch(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 target, unused;
	int rc = load_source(e, insn, &target);

	/* Outside 64-bit code the limit is checked by the next fetch. */
	if (!rc && e->code == LODGE_CODE64 &&
	    e->linear(e, LODGE_CS, target, 1, false, &unused))
		rc = raise_gp(e);
	if (!rc && insn->op == LODGE_OP_CALL)
		rc = push(e, e->rip, insn->opsize);
	e->rip = target;
	return rc;
}

/* A string pointer: one element on, by DF, as wide as the address. */
static void step(struct lodge_emul *e, const struct lodge_insn *insn, u8 reg)
{
	u64 delta = insn->opsize;

	if (e->rflags & RFLAGS_DF)
		delta = -delta;
	write_gpr(e, insn, reg, e->gpr[reg] + delta, insn->addrsize);
}

static int at_si(struct lodge_emul *e, const struct lodge_insn *insn, u64 *addr)
{
	u64 si = e->gpr[LODGE_RSI] & lodge_mask(insn->addrsize);

	return linear(e, insn->segment, si, insn->opsize, false, addr);
}

/* The destination's segment cannot be overridden. */
static int at_di(struct lodge_emul *e, const struct lodge_insn *insn,
		 bool write, u64 *addr)
{
	u64 di = e->gpr[LODGE_RDI] & lodge_mask(insn->addrsize);

	return linear(e, LODGE_ES, di, insn->opsize, write, addr);
}

static int string_load(struct lodge_emul *e, const struct lodge_insn *insn,
		       u64 *value)
{
	u64 addr;
	int rc = at_si(e, insn, &addr);

	if (!rc)
		rc = e->read(e, addr, value, insn->opsize);
	if (!rc)
		step(e, insn, LODGE_RSI);
	return rc;
}

static int string_compare(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 value = acc(e, insn->opsize);
	u64 other = 0;
	u64 addr;
	int rc = 0;

	if (insn->op == LODGE_OP_CMPS)
		rc = string_load(e, insn, &value);
	if (!rc)
		rc = at_di(e, insn, false, &addr);
	if (!rc)
		rc = e->read(e, addr, &other, insn->opsize);
	if (rc)
		return rc;
	lodge_alu(LODGE_OP_CMP, insn->opsize, value, other, &e->rflags);
	step(e, insn, LODGE_RDI);
	return 0;
}

static int string_fill(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 value = acc(e, insn->opsize);
	u64 addr;
	int rc = at_di(e, insn, true, &addr);

	if (!rc && insn->op == LODGE_OP_MOVS)
		rc = string_load(e, insn, &value);
	if (!rc && insn->op == LODGE_OP_INS)
		rc = e->pio(e, (u16)e->gpr[LODGE_RDX], &value, insn->opsize,
			    false);
	if (!rc)
		rc = e->write(e, addr, value & lodge_mask(insn->opsize),
			      insn->opsize);
	if (!rc)
		step(e, insn, LODGE_RDI);
	return rc;
}

static int string_element(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 value = 0;
	int rc;

	if (insn->op == LODGE_OP_CMPS || insn->op == LODGE_OP_SCAS)
		return string_compare(e, insn);
	if (insn->op != LODGE_OP_LODS && insn->op != LODGE_OP_OUTS)
		return string_fill(e, insn);
	rc = string_load(e, insn, &value);
	if (!rc && insn->op == LODGE_OP_OUTS)
		rc = e->pio(e, (u16)e->gpr[LODGE_RDX], &value, insn->opsize,
			    true);
	else if (!rc)
		write_gpr(e, insn, LODGE_RAX, value, insn->opsize);
	return rc;
}

/* After an element: REPE and REPNE of the comparing ones look at ZF. */
static bool string_goes_on(const struct lodge_emul *e,
			   const struct lodge_insn *insn, u64 count)
{
	if (!count)
		return false;
	if (insn->op == LODGE_OP_CMPS || insn->op == LODGE_OP_SCAS)
		return !!(e->rflags & RFLAGS_ZF) == insn->rep;
	return true;
}

static int do_string(struct lodge_emul *e, const struct lodge_insn *insn)
{
	bool rep = insn->rep || insn->repne;
	u64 count = e->gpr[LODGE_RCX] & lodge_mask(insn->addrsize);
	int rc;

	if (rep && !count)
		return 0;
	rc = string_element(e, insn);
	if (rc || !rep)
		return rc;
	write_gpr(e, insn, LODGE_RCX, --count, insn->addrsize);
	if (string_goes_on(e, insn, count))
		e->rip -= insn->length;
	return 0;
}

typedef int (*handler_fn)(struct lodge_emul *e, const struct lodge_insn *insn);

static const handler_fn handlers[LODGE_OP_COUNT] = {
	[LODGE_OP_ADD ... LODGE_OP_TEST] = do_alu,
	[LODGE_OP_ROL ... LODGE_OP_SAR] = do_shift,
	[LODGE_OP_NOT ... LODGE_OP_DEC] = do_alu,
	[LODGE_OP_MOV ... LODGE_OP_MOVSX] = do_mov,
	[LODGE_OP_MOVBE] = do_movbe,
	[LODGE_OP_CMOV] = do_cmov,
	[LODGE_OP_SETCC] = do_setcc,
	[LODGE_OP_XCHG] = do_exchange,
	[LODGE_OP_CMPXCHG] = do_cmpxchg,
	[LODGE_OP_XADD] = do_exchange,
	[LODGE_OP_BT ... LODGE_OP_BTC] = do_bit,
	[LODGE_OP_PUSH] = do_push,
	[LODGE_OP_POP] = do_pop,
	[LODGE_OP_CALL ... LODGE_OP_JMP] = do_branch,
	[LODGE_OP_INS ... LODGE_OP_SCAS] = do_string,
};

int lodge_emulate(struct lodge_emul *e, const struct lodge_insn *insn)
{
	int rc;

	if (insn->op >= LODGE_OP_COUNT || !handlers[insn->op])
		return -EOPNOTSUPP;
	e->rip += insn->length;
	rc = handlers[insn->op](e, insn);
	if (e->code != LODGE_CODE64)
		e->rip = (u32)e->rip;
	return rc;
}
