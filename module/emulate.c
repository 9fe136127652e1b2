// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction emulator: operands, memory, stack and the string loop around the
 * arithmetic of execute.c. For instructions that reached memory no hardware can
 * serve: MMIO, read-only memory, string I/O.
 *
 * It works on the caller's copy of the registers and may be stopped by any
 * callback, so nothing here is kept between two attempts. All memory of an
 * operand is probed first (lodge_emul.probe), for writing if it will be written:
 * a fault must come before a device register has been read.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../uapi/lodge.h"
#include "insn.h"

/* What POPF may change at all; IF and IOPL depend on the privilege level. */
#define POPF_FLAGS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |	\
			 X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_OF |	\
			 X86_EFLAGS_NT | X86_EFLAGS_AC | X86_EFLAGS_ID)

/* A resolved operand. */
struct place {
	bool memory;
	u8 reg;
	u32 bytes;
	u64 linear;
};

/* The operands of an instruction: @d is loaded and stored as its table row says. */
struct operands {
	struct place dst;
	u64 d;
	u64 s;
};

static u64 read_gpr(const struct lodge_emul *e, const struct lodge_insn *insn, u8 reg, u32 bytes)
{
	/* Without REX, 4 to 7 are AH, CH, DH, BH (SDM volume 1, 3.4.1.1). */
	if (bytes == 1 && !insn->rex && reg >= 4)
		return e->gpr[(reg - 4) & 15] >> 8 & 0xff;
	return e->gpr[reg & 15] & lodge_mask(bytes);
}

static void write_gpr(struct lodge_emul *e, const struct lodge_insn *insn, u8 reg, u64 value,
		      u32 bytes)
{
	u32 shift = bytes == 1 && !insn->rex && reg >= 4 ? 8 : 0;
	u64 *gpr = &e->gpr[(shift ? reg - 4 : reg) & 15];
	u64 mask = lodge_mask(bytes);

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

static u64 effective_address(const struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 addr = insn->disp;
	u64 bit;

	/* RIP is that of the next instruction already. */
	if (insn->rip_relative)
		addr += e->rip;
	if (insn->base != LODGE_NO_REG)
		addr += e->gpr[insn->base & 15];
	if (insn->index != LODGE_NO_REG)
		addr += e->gpr[insn->index & 15] << insn->scale;
	/* A register may number a bit far from the operand: a bit string. */
	if (insn->op >= LODGE_OP_BT && insn->op <= LODGE_OP_BTC && insn->form == LODGE_FORM_RM_R) {
		bit = lodge_sign_extend(read_gpr(e, insn, insn->reg, insn->opsize), insn->opsize);
		addr += (s64)(bit & ~(u64)(insn->opsize * 8 - 1)) / 8;
	}
	return addr & lodge_mask(insn->addrsize);
}

/* A segment's offset to linear, with all checks of an access to @bytes there. */
static int linear(struct lodge_emul *e, int seg, u64 offset, u32 bytes, bool write, u64 *out)
{
	int rc = e->linear(e, seg, offset, bytes, write, out);

	if (rc)
		return rc;
	if (e->cpl == 3 && e->cr0 & X86_CR0_AM && e->rflags & X86_EFLAGS_AC && bytes <= 8 &&
	    !(bytes & (bytes - 1)) && *out & (bytes - 1))
		return lodge_raise(&e->fault, X86_TRAP_AC, 0);
	rc = e->probe(e, *out, bytes, write);
	if (!rc && e->dr7 & 0xff)
		e->dr6 |= lodge_breakpoints(e->dr, e->dr7, *out, bytes,
					    write ? LODGE_BP_WRITE : LODGE_BP_ACCESS);
	return rc;
}

/* The memory operand; @align: what its address must be a multiple of, or 1 */
static int memory(struct lodge_emul *e, const struct lodge_insn *insn, u32 bytes, u32 align,
		  bool write, u64 *out)
{
	u64 offset = effective_address(e, insn);
	int rc;

	/* #GP for alignment comes before what the pages say. */
	if (align > 1) {
		rc = e->linear(e, insn->segment, offset, bytes, write, out);
		if (!rc && *out & (align - 1))
			rc = lodge_raise(&e->fault, X86_TRAP_GP, 0);
		if (rc)
			return rc;
	}
	return linear(e, insn->segment, offset, bytes, write, out);
}

static int locate(struct lodge_emul *e, const struct lodge_insn *insn, u32 bytes, bool write,
		  struct place *p)
{
	p->bytes = bytes;
	p->memory = !insn->has_modrm || insn->modrm < 0xc0;
	p->reg = insn->rm;
	return p->memory ? memory(e, insn, bytes, 1, write, &p->linear) : 0;
}

static int load(struct lodge_emul *e, const struct lodge_insn *insn, const struct place *p,
		u64 *value)
{
	*value = 0;
	if (p->memory)
		return e->read(e, p->linear, value, p->bytes);
	*value = read_gpr(e, insn, p->reg, p->bytes);
	return 0;
}

static int store(struct lodge_emul *e, const struct lodge_insn *insn, const struct place *p,
		 u64 value)
{
	if (p->memory)
		return e->write(e, p->linear, value & lodge_mask(p->bytes), p->bytes);
	write_gpr(e, insn, p->reg, value, p->bytes);
	return 0;
}

static int raise_gp(struct lodge_emul *e)
{
	return lodge_raise(&e->fault, X86_TRAP_GP, 0);
}

static u32 stack_bytes(const struct lodge_emul *e)
{
	return e->code == LODGE_CODE64 ? 8 : e->stack32 ? 4 : 2;
}

/* RSP or RBP moved by @delta, as wide as the stack; the rest stays. */
static u64 moved(const struct lodge_emul *e, u64 pointer, s64 delta)
{
	u64 mask = lodge_mask(stack_bytes(e));

	return (pointer & ~mask) | ((pointer + delta) & mask);
}

static int stack_read(struct lodge_emul *e, u64 pointer, u64 *value, u32 bytes)
{
	u64 addr;
	int rc;

	*value = 0;
	rc = linear(e, LODGE_SS, pointer & lodge_mask(stack_bytes(e)), bytes, false, &addr);
	return rc ? rc : e->read(e, addr, value, bytes);
}

static int pop(struct lodge_emul *e, u64 *value, u32 bytes)
{
	int rc = stack_read(e, e->gpr[LODGE_RSP], value, bytes);

	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], bytes);
	return rc;
}

static int push(struct lodge_emul *e, u64 value, u32 bytes)
{
	u64 rsp = moved(e, e->gpr[LODGE_RSP], -(s64)bytes);
	u64 addr;
	int rc;

	rc = linear(e, LODGE_SS, rsp & lodge_mask(stack_bytes(e)), bytes, true, &addr);
	if (!rc)
		rc = e->write(e, addr, value & lodge_mask(bytes), bytes);
	e->gpr[LODGE_RSP] = rsp;
	return rc;
}

static int read_selector(struct lodge_emul *e, int seg, u64 *selector)
{
	u64 value[2] = { };
	int rc;

	if (seg > LODGE_GS)
		return lodge_raise(&e->fault, X86_TRAP_UD, 0);
	rc = e->system(e, seg, value, false);
	*selector = value[0];
	return rc;
}

static int load_selector(struct lodge_emul *e, int seg, u64 selector)
{
	u64 value[2] = { selector };

	if (seg > LODGE_GS)
		return lodge_raise(&e->fault, X86_TRAP_UD, 0);
	e->shadow = seg == LODGE_SS;
	return e->system(e, seg, value, true);
}

/* Offset outside 64-bit code: its limit is checked by the next fetch. */
static int jump(struct lodge_emul *e, u64 target, u32 bytes)
{
	u64 unused;

	e->rip = target & lodge_mask(bytes);
	if (e->code == LODGE_CODE64 && e->linear(e, LODGE_CS, e->rip, 1, false, &unused))
		return raise_gp(e);
	return 0;
}

typedef int (*op_fn)(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o);

static int op_alu(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	o->d = lodge_alu(insn->op, insn->opsize, o->d, o->s, &e->rflags);
	return 0;
}

static int op_shift(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u8 count = o->s;

	if (insn->op >= LODGE_OP_SHLD)
		count = insn->opcode[1] & 1 ? e->gpr[LODGE_RCX] : insn->imm;
	o->d = lodge_shift(insn->op, insn->opsize, o->d, o->s, count, &e->rflags);
	return 0;
}

static int op_multiply(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u64 high;

	/* Three operands: source and immediate; two: register and source. */
	if (insn->op == LODGE_OP_IMUL) {
		o->d = lodge_multiply(LODGE_OP_IMUL1, insn->opsize, o->s,
				      insn->opcode[0] == 0x0f ? o->d : insn->imm, &high,
				      &e->rflags);
		return 0;
	}
	o->d = lodge_multiply(insn->op, insn->opsize, o->d, acc(e, insn->opsize), &high,
			      &e->rflags);
	if (insn->opsize == 1) {
		write_gpr(e, insn, LODGE_RAX, high << 8 | o->d, 2);
		return 0;
	}
	write_gpr(e, insn, LODGE_RAX, o->d, insn->opsize);
	write_gpr(e, insn, LODGE_RDX, high, insn->opsize);
	return 0;
}

static int op_divide(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u64 low = acc(e, insn->opsize);
	u64 high = insn->opsize == 1 ? acc(e, 2) >> 8 :
				       read_gpr(e, insn, LODGE_RDX, insn->opsize);

	if (!lodge_divide(insn->op, insn->opsize, &low, &high, o->d))
		return lodge_raise(&e->fault, X86_TRAP_DE, 0);
	if (insn->opsize == 1) {
		write_gpr(e, insn, LODGE_RAX, (high & 0xff) << 8 | (low & 0xff), 2);
		return 0;
	}
	write_gpr(e, insn, LODGE_RAX, low, insn->opsize);
	write_gpr(e, insn, LODGE_RDX, high, insn->opsize);
	return 0;
}

static int op_scan(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	o->d = lodge_scan(insn->op, insn->opsize, o->d, o->s, &e->rflags);
	return 0;
}

static int op_mov(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	o->d = o->s;
	if (insn->op == LODGE_OP_MOVSX)
		o->d = lodge_sign_extend(o->s, insn->srcsize);
	else if (insn->op == LODGE_OP_MOVBE)
		o->d = __builtin_bswap64(o->s) >> (64 - insn->opsize * 8);
	if (insn->form == LODGE_FORM_S_RM && insn->reg == LODGE_CS)
		return lodge_raise(&e->fault, X86_TRAP_UD, 0);
	return insn->form == LODGE_FORM_S_RM ? load_selector(e, insn->reg, o->s) : 0;
}

/* The source is read, and 32-bit destinations are cleared, in any case. */
static int op_cmov(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	if (lodge_condition(insn->opcode[1], e->rflags))
		o->d = o->s;
	return 0;
}

static int op_setcc(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	o->d = lodge_condition(insn->opcode[1], e->rflags);
	return 0;
}

static int op_xlat(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u64 offset = (e->gpr[LODGE_RBX] + acc(e, 1)) & lodge_mask(insn->addrsize);
	u64 addr;
	int rc = linear(e, insn->segment, offset, 1, false, &addr);

	if (!rc)
		rc = e->read(e, addr, &o->d, 1);
	if (!rc)
		write_gpr(e, insn, LODGE_RAX, o->d, 1);
	return rc;
}

/* XCHG and XADD: the register gets what memory held. */
static int op_exchange(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u64 old = o->d;

	o->d = o->s;
	if (insn->op == LODGE_OP_XADD)
		o->d = lodge_alu(LODGE_OP_ADD, insn->opsize, old, o->s, &e->rflags);
	/* The register first: XADD of one with itself keeps the sum. */
	write_gpr(e, insn, insn->reg, old, insn->opsize);
	return 0;
}

/* The destination is written in either case (SDM volume 2, CMPXCHG). */
static int op_cmpxchg(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	lodge_alu(LODGE_OP_CMP, insn->opsize, acc(e, insn->opsize), o->d, &e->rflags);
	if (e->rflags & X86_EFLAGS_ZF)
		o->d = o->s;
	else
		write_gpr(e, insn, LODGE_RAX, o->d, insn->opsize);
	return 0;
}

/* CMPXCHG8B, CMPXCHG16B */
static int op_cmpxchg2(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u32 bytes = insn->opsize;
	u64 addr, low = 0, high = 0;
	int rc = memory(e, insn, bytes * 2, bytes == 8 ? 16 : 1, true, &addr);

	if (!rc)
		rc = e->read(e, addr, &low, bytes);
	if (!rc)
		rc = e->read(e, addr + bytes, &high, bytes);
	if (rc)
		return rc;
	e->rflags &= ~X86_EFLAGS_ZF;
	if (low == acc(e, bytes) && high == read_gpr(e, insn, LODGE_RDX, bytes)) {
		e->rflags |= X86_EFLAGS_ZF;
		low = read_gpr(e, insn, LODGE_RBX, bytes);
		high = read_gpr(e, insn, LODGE_RCX, bytes);
	} else {
		write_gpr(e, insn, LODGE_RAX, low, bytes);
		write_gpr(e, insn, LODGE_RDX, high, bytes);
	}
	rc = e->write(e, addr, low, bytes);
	return rc ? rc : e->write(e, addr + bytes, high, bytes);
}

static int op_bit(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	o->d = lodge_bit_op(insn->op, o->d, o->s & (insn->opsize * 8 - 1), &e->rflags);
	return 0;
}

static int op_push(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	return push(e, o->d, insn->opsize);
}

/* operands() has moved RSP: the destination's address is computed with the new one. */
static int op_pop(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	int rc = stack_read(e, moved(e, e->gpr[LODGE_RSP], -(s64)insn->opsize), &o->d,
			    insn->opsize);

	if (rc || insn->form != LODGE_FORM_S)
		return rc;
	return load_selector(e, insn->opcode[insn->opcode[0] == 0x0f] >> 3 & 7, (u16)o->d);
}

/* Virtual-8086 code without IOPL 3 has no PUSHF and POPF (SDM 20.2.7). */
static bool flags_sensitive(const struct lodge_emul *e)
{
	return e->rflags & X86_EFLAGS_VM && (e->rflags & X86_EFLAGS_IOPL) != X86_EFLAGS_IOPL;
}

static int op_pushf(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	if (flags_sensitive(e))
		return raise_gp(e);
	return push(e, e->rflags & ~(X86_EFLAGS_VM | X86_EFLAGS_RF), insn->opsize);
}

static void set_flags(struct lodge_emul *e, u64 value, u32 bytes)
{
	u64 mask = POPF_FLAGS;

	if (e->cpl <= (e->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT)
		mask |= X86_EFLAGS_IF;
	if (!e->cpl)
		mask |= X86_EFLAGS_IOPL;
	mask &= lodge_mask(bytes);
	e->rflags = (e->rflags & ~mask) | (value & mask);
}

static int op_popf(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	int rc = flags_sensitive(e) ? raise_gp(e) : pop(e, &o->d, insn->opsize);

	if (!rc)
		set_flags(e, o->d, insn->opsize);
	return rc;
}

/* PUSHA stores the RSP from before; POPA skips it. */
static int op_push_all(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u64 rsp = e->gpr[LODGE_RSP];
	int i, rc = 0;

	for (i = LODGE_RAX; i <= LODGE_RDI && !rc; i++)
		rc = push(e, i == LODGE_RSP ? rsp : e->gpr[i], insn->opsize);
	return rc;
}

static int op_pop_all(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	int i, rc = 0;

	for (i = LODGE_RDI; i >= LODGE_RAX && !rc; i--) {
		rc = pop(e, &o->d, insn->opsize);
		if (i != LODGE_RSP)
			write_gpr(e, insn, i, o->d, insn->opsize);
	}
	return rc;
}

static int op_enter(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u32 bytes = insn->opsize, level = insn->imm >> 16 & 31;
	u64 rbp = e->gpr[LODGE_RBP];
	u64 frame;
	int rc = push(e, rbp, bytes);

	frame = e->gpr[LODGE_RSP];
	for (; level > 1 && !rc; level--) {
		rbp = moved(e, rbp, -(s64)bytes);
		rc = stack_read(e, rbp, &o->d, bytes);
		if (!rc)
			rc = push(e, o->d, bytes);
	}
	if (level && !rc)
		rc = push(e, frame, bytes);
	write_gpr(e, insn, LODGE_RBP, frame, bytes);
	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], -(s64)(u16)insn->imm);
	return rc;
}

static int op_leave(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	int rc;

	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], e->gpr[LODGE_RBP] - e->gpr[LODGE_RSP]);
	rc = pop(e, &o->d, insn->opsize);
	write_gpr(e, insn, LODGE_RBP, o->d, insn->opsize);
	return rc;
}

static int op_branch(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u64 next = e->rip;
	int rc = jump(e, insn->form == LODGE_FORM_IMM ? next + insn->imm : o->d, insn->opsize);

	return rc || insn->op == LODGE_OP_JMP ? rc : push(e, next, insn->opsize);
}

/* CS:offset, through memory */
static int op_far(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u32 bytes = insn->opsize;
	u64 addr, cs, next = e->rip;
	int rc = memory(e, insn, bytes + 2, 1, false, &addr);

	if (!rc)
		rc = e->read(e, addr, &o->d, bytes);
	if (!rc)
		rc = e->read(e, addr + bytes, &o->s, 2);
	if (!rc && insn->op == LODGE_OP_CALLF) {
		rc = read_selector(e, LODGE_CS, &cs);
		if (!rc)
			rc = push(e, cs, bytes);
		if (!rc)
			rc = push(e, next, bytes);
	}
	if (!rc)
		rc = load_selector(e, LODGE_CS, o->s);
	return rc ? rc : jump(e, o->d, bytes);
}

/* RET, RETF, IRET. The latter two where no privilege level can change. */
static int op_return(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u32 bytes = insn->opsize;
	u64 flags = 0;
	int rc;

	if (insn->op != LODGE_OP_RET && e->cr0 & X86_CR0_PE)
		return -EOPNOTSUPP;
	rc = pop(e, &o->d, bytes);
	if (!rc && insn->op != LODGE_OP_RET)
		rc = pop(e, &o->s, bytes);
	if (!rc && insn->op == LODGE_OP_IRET)
		rc = pop(e, &flags, bytes);
	if (!rc && insn->op != LODGE_OP_RET)
		rc = load_selector(e, LODGE_CS, (u16)o->s);
	if (rc)
		return rc;
	if (insn->op == LODGE_OP_IRET)
		set_flags(e, flags, bytes);
	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], (u16)insn->imm);
	return jump(e, o->d, bytes);
}

/* LES, LDS, LSS, LFS, LGS */
static int op_load_far(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u8 op = insn->opcode[0] == 0x0f ? insn->opcode[1] : insn->opcode[0];
	int seg = op == 0xc4 ? LODGE_ES : op == 0xc5 ? LODGE_DS : op & 7;
	u64 addr;
	int rc = memory(e, insn, insn->opsize + 2, 1, false, &addr);

	if (!rc)
		rc = e->read(e, addr, &o->d, insn->opsize);
	if (!rc)
		rc = e->read(e, addr + insn->opsize, &o->s, 2);
	if (!rc)
		rc = load_selector(e, seg, o->s);
	/* Only MOV and POP hold events off. */
	e->shadow = false;
	if (!rc)
		write_gpr(e, insn, insn->reg, o->d, insn->opsize);
	return rc;
}

static int privileged(struct lodge_emul *e, bool umip)
{
	return e->cpl && (!umip || e->cr4 & X86_CR4_UMIP) ? raise_gp(e) : 0;
}

/* What a system instruction names: enum lodge_seg or lodge_system */
static int system_register(u8 op)
{
	switch (op) {
	case LODGE_OP_SMSW:
	case LODGE_OP_LMSW:
		return LODGE_SYS_CR0;
	case LODGE_OP_SGDT:
	case LODGE_OP_LGDT:
		return LODGE_SYS_GDTR;
	case LODGE_OP_SIDT:
	case LODGE_OP_LIDT:
		return LODGE_SYS_IDTR;
	default:
		return op == LODGE_OP_STR || op == LODGE_OP_LTR ? LODGE_TR : LODGE_LDTR;
	}
}

static int op_store_system(struct lodge_emul *e, const struct lodge_insn *insn,
			   struct operands *o)
{
	u64 value[2] = { };
	int rc = privileged(e, true);

	if (!rc)
		rc = e->system(e, system_register(insn->op), value, false);
	o->d = value[0];
	return rc;
}

/* LMSW loads PE, MP, EM and TS and cannot clear PE. */
static int op_load_system(struct lodge_emul *e, const struct lodge_insn *insn,
			  struct operands *o)
{
	u64 value[2] = { o->d };
	int rc = privileged(e, false);

	if (insn->op == LODGE_OP_LMSW)
		value[0] = (e->cr0 & ~0xeull) | (o->d & 0xf);
	return rc ? rc : e->system(e, system_register(insn->op), value, true);
}

/* SGDT, SIDT, LGDT, LIDT: limit and base */
static int op_table(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	bool write = insn->op <= LODGE_OP_SIDT;
	u32 bytes = e->code == LODGE_CODE64 ? 8 : 4;
	int what = system_register(insn->op);
	u64 addr, value[2] = { };
	int rc = privileged(e, write);

	if (!rc)
		rc = memory(e, insn, bytes + 2, 1, write, &addr);
	if (!rc && write) {
		rc = e->system(e, what, value, false);
		if (!rc)
			rc = e->write(e, addr, value[0] & 0xffff, 2);
		return rc ? rc : e->write(e, addr + 2, value[1] & lodge_mask(bytes), bytes);
	}
	if (!rc)
		rc = e->read(e, addr, &value[0], 2);
	if (!rc)
		rc = e->read(e, addr + 2, &value[1], bytes);
	if (insn->opsize == 2)
		value[1] &= 0xffffff;
	return rc ? rc : e->system(e, what, value, true);
}

static int op_simd(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	u32 i, piece = min_t(u32, insn->opsize, 8);
	bool write = insn->form == LODGE_FORM_RM_R;
	u64 addr, data[LODGE_DATA_MAX / 8] = { };
	int rc = lodge_simd_check(e, insn);

	if (!rc)
		rc = memory(e, insn, insn->opsize,
			    insn->simd & LODGE_SIMD_ALIGNED ? insn->opsize : 1, write, &addr);
	if (!rc && write)
		lodge_simd_get(e, insn, data);
	for (i = 0; i < insn->opsize && !rc; i += 8)
		rc = write ? e->write(e, addr + i, data[i / 8], piece) :
			     e->read(e, addr + i, &data[i / 8], piece);
	if (!rc && !write)
		lodge_simd_set(e, insn, data);
	return rc;
}

static int op_nop(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
{
	return 0;
}

/* A string pointer: one element on, by DF, as wide as the address. */
static void step(struct lodge_emul *e, const struct lodge_insn *insn, u8 reg)
{
	u64 delta = e->rflags & X86_EFLAGS_DF ? -(u64)insn->opsize : insn->opsize;

	write_gpr(e, insn, reg, e->gpr[reg] + delta, insn->addrsize);
}

static int string_load(struct lodge_emul *e, const struct lodge_insn *insn, u64 *value)
{
	u64 addr;
	int rc = linear(e, insn->segment, e->gpr[LODGE_RSI] & lodge_mask(insn->addrsize),
			insn->opsize, false, &addr);

	if (!rc)
		rc = e->read(e, addr, value, insn->opsize);
	if (!rc)
		step(e, insn, LODGE_RSI);
	return rc;
}

/* The destination's segment cannot be overridden. */
static int at_di(struct lodge_emul *e, const struct lodge_insn *insn, bool write, u64 *addr)
{
	return linear(e, LODGE_ES, e->gpr[LODGE_RDI] & lodge_mask(insn->addrsize), insn->opsize,
		      write, addr);
}

static int string_compare(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 value = acc(e, insn->opsize), other = 0, addr;
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

static int port(struct lodge_emul *e, const struct lodge_insn *insn, u64 *value, bool write)
{
	u16 number = e->gpr[LODGE_RDX];

	if (e->cr4 & X86_CR4_DE)
		e->dr6 |= lodge_breakpoints(e->dr, e->dr7, number, insn->opsize, LODGE_BP_IO);
	return e->pio(e, number, value, insn->opsize, write);
}

static int string_fill(struct lodge_emul *e, const struct lodge_insn *insn)
{
	u64 value = acc(e, insn->opsize), addr;
	int rc = at_di(e, insn, true, &addr);

	if (!rc && insn->op == LODGE_OP_MOVS)
		rc = string_load(e, insn, &value);
	if (!rc && insn->op == LODGE_OP_INS)
		rc = port(e, insn, &value, false);
	if (!rc)
		rc = e->write(e, addr, value & lodge_mask(insn->opsize), insn->opsize);
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
		rc = port(e, insn, &value, true);
	else if (!rc)
		write_gpr(e, insn, LODGE_RAX, value, insn->opsize);
	return rc;
}

/* After an element: REPE and REPNE of the comparing ones look at ZF. */
static bool string_goes_on(const struct lodge_emul *e, const struct lodge_insn *insn, u64 count)
{
	if (count && (insn->op == LODGE_OP_CMPS || insn->op == LODGE_OP_SCAS))
		return !!(e->rflags & X86_EFLAGS_ZF) == insn->rep;
	return count;
}

static int op_string(struct lodge_emul *e, const struct lodge_insn *insn, struct operands *o)
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

/* What happens to the destination around the operation. */
enum { LOAD = BIT(0), STORE = BIT(1) };

static const struct {
	op_fn fn;
	u8 access;
} operations[LODGE_OP_COUNT] = {
	[LODGE_OP_ADD ... LODGE_OP_XOR] = { op_alu, LOAD | STORE },
	[LODGE_OP_CMP ... LODGE_OP_TEST] = { op_alu, LOAD },
	[LODGE_OP_ROL ... LODGE_OP_SHRD] = { op_shift, LOAD | STORE },
	[LODGE_OP_NOT ... LODGE_OP_DEC] = { op_alu, LOAD | STORE },
	[LODGE_OP_MUL ... LODGE_OP_IMUL1] = { op_multiply, LOAD },
	[LODGE_OP_DIV ... LODGE_OP_IDIV] = { op_divide, LOAD },
	[LODGE_OP_IMUL] = { op_multiply, LOAD | STORE },
	[LODGE_OP_BSF ... LODGE_OP_POPCNT] = { op_scan, LOAD | STORE },
	[LODGE_OP_MOV ... LODGE_OP_MOVBE] = { op_mov, STORE },
	[LODGE_OP_CMOV] = { op_cmov, LOAD | STORE },
	[LODGE_OP_SETCC] = { op_setcc, STORE },
	[LODGE_OP_XLAT] = { op_xlat },
	[LODGE_OP_XCHG] = { op_exchange, LOAD | STORE },
	[LODGE_OP_CMPXCHG] = { op_cmpxchg, LOAD | STORE },
	[LODGE_OP_XADD] = { op_exchange, LOAD | STORE },
	[LODGE_OP_CMPXCHG2] = { op_cmpxchg2 },
	[LODGE_OP_BT] = { op_bit, LOAD },
	[LODGE_OP_BTS ... LODGE_OP_BTC] = { op_bit, LOAD | STORE },
	[LODGE_OP_PUSH] = { op_push, LOAD },
	[LODGE_OP_POP] = { op_pop, STORE },
	[LODGE_OP_PUSHF] = { op_pushf },
	[LODGE_OP_POPF] = { op_popf },
	[LODGE_OP_PUSHA] = { op_push_all },
	[LODGE_OP_POPA] = { op_pop_all },
	[LODGE_OP_ENTER] = { op_enter },
	[LODGE_OP_LEAVE] = { op_leave },
	[LODGE_OP_CALL ... LODGE_OP_JMP] = { op_branch, LOAD },
	[LODGE_OP_RET] = { op_return },
	[LODGE_OP_CALLF ... LODGE_OP_JMPF] = { op_far },
	[LODGE_OP_RETF ... LODGE_OP_IRET] = { op_return },
	[LODGE_OP_SLDT ... LODGE_OP_STR] = { op_store_system, STORE },
	[LODGE_OP_LLDT ... LODGE_OP_LTR] = { op_load_system, LOAD },
	[LODGE_OP_SGDT ... LODGE_OP_LIDT] = { op_table },
	[LODGE_OP_SMSW] = { op_store_system, STORE },
	[LODGE_OP_LMSW] = { op_load_system, LOAD },
	[LODGE_OP_LOADSEG] = { op_load_far },
	[LODGE_OP_INS ... LODGE_OP_SCAS] = { op_string },
	[LODGE_OP_SIMD] = { op_simd },
	[LODGE_OP_NOP] = { op_nop },
};

static int load_source(struct lodge_emul *e, const struct lodge_insn *insn, u64 *src)
{
	struct place p;
	int rc = locate(e, insn, insn->srcsize, false, &p);

	return rc ? rc : load(e, insn, &p, src);
}

/* The second operand's value, and where the result goes. */
static int operands(struct lodge_emul *e, const struct lodge_insn *insn, bool write,
		    struct operands *o)
{
	*o = (struct operands) {
		.dst = { .reg = LODGE_RAX, .bytes = insn->opsize },
		.s = insn->imm, .d = insn->imm,
	};
	if (insn->op == LODGE_OP_POP)
		e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], insn->opsize);
	switch (insn->form) {
	case LODGE_FORM_O:
		o->dst.reg = (insn->opcode[0] & 7) | (insn->rex & 1) << 3;
		return 0;
	case LODGE_FORM_R_RM:
		o->dst.reg = insn->reg;
		return load_source(e, insn, &o->s);
	case LODGE_FORM_A_MEM:
	case LODGE_FORM_S_RM:
		return load_source(e, insn, &o->s);
	case LODGE_FORM_S:
		return insn->op == LODGE_OP_POP ? 0 :
		       read_selector(e, insn->opcode[insn->opcode[0] == 0x0f] >> 3 & 7, &o->d);
	case LODGE_FORM_RM_S:
		if (read_selector(e, insn->reg, &o->s))
			return -EFAULT;
		break;
	case LODGE_FORM_RM_R:
		o->s = read_gpr(e, insn, insn->reg, insn->opsize);
		break;
	case LODGE_FORM_MEM_A:
		o->s = acc(e, insn->opsize);
		break;
	case LODGE_FORM_RM_1:
		o->s = 1;
		break;
	case LODGE_FORM_RM_CL:
		o->s = e->gpr[LODGE_RCX] & 0xff;
		break;
	case LODGE_FORM_RM:
	case LODGE_FORM_RM_IMM:
		break;
	default:
		return 0;
	}
	return locate(e, insn, insn->opsize, write, &o->dst);
}

/* Forms whose destination is a place; with the others the operation knows. */
static bool has_place(u8 form)
{
	return form != LODGE_FORM_NONE && form != LODGE_FORM_IMM && form != LODGE_FORM_S &&
	       form != LODGE_FORM_S_RM;
}

int lodge_emulate(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct operands o = { };
	u8 access;
	int rc = 0;

	if (insn->op >= LODGE_OP_COUNT || !operations[insn->op].fn)
		return -EOPNOTSUPP;
	access = operations[insn->op].access;
	e->rip += insn->length;
	if (insn->op != LODGE_OP_SIMD)
		rc = operands(e, insn, access & STORE, &o);
	if (!rc && access & LOAD && has_place(insn->form))
		rc = load(e, insn, &o.dst, &o.d);
	if (!rc)
		rc = operations[insn->op].fn(e, insn, &o);
	if (!rc && access & STORE && has_place(insn->form))
		rc = store(e, insn, &o.dst, o.d);
	if (e->code != LODGE_CODE64)
		e->rip = (u32)e->rip;
	return rc;
}
