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

/* Without REX, byte registers 4 to 7 are AH, CH, DH, BH (SDM volume 1, 3.4.1.1). */
static bool high_byte(const struct lodge_emul *e, u8 reg, u32 bytes)
{
	return bytes == 1 && !e->insn->rex && reg >= 4;
}

static u64 read_gpr(const struct lodge_emul *e, u8 reg, u32 bytes)
{
	if (high_byte(e, reg, bytes))
		return e->gpr[(reg - 4) & 15] >> 8 & 0xff;
	return e->gpr[reg & 15] & lodge_mask(bytes);
}

/* A 32-bit result clears the upper half. */
static void write_gpr(struct lodge_emul *e, u8 reg, u64 value, u32 bytes)
{
	bool high = high_byte(e, reg, bytes);
	u64 *gpr = &e->gpr[(high ? reg - 4 : reg) & 15];
	u64 mask = lodge_mask(bytes) << (high ? 8 : 0);

	*gpr = (bytes >= 4 ? 0 : *gpr & ~mask) | (value << (high ? 8 : 0) & mask);
}

static u64 effective_address(const struct lodge_emul *e)
{
	const struct lodge_insn *insn = e->insn;
	u64 addr = insn->disp;
	u64 bit;

	/* RIP is that of the next instruction already. */
	if (insn->rip_relative)
		addr += e->rip;
	if (insn->base != LODGE_NO_REG)
		addr += e->gpr[insn->base & 15];
	if (insn->index != LODGE_NO_REG)
		addr += e->gpr[insn->index & 15] << insn->scale;
	if (insn->op == LODGE_OP_XLAT)
		addr += e->gpr[LODGE_RBX] + read_gpr(e, LODGE_RAX, 1);
	/* A register may number a bit far from the operand: a bit string. */
	if (insn->op >= LODGE_OP_BT && insn->op <= LODGE_OP_BTC && insn->form == LODGE_FORM_RM_R) {
		bit = lodge_sign_extend(read_gpr(e, insn->reg, insn->opsize), insn->opsize);
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
	/* Alignment comes before what the pages say. */
	if (e->insn->simd & LODGE_SIMD_ALIGNED && *out & (bytes - 1))
		return lodge_raise(&e->fault, X86_TRAP_GP, 0);
	if (e->cpl == 3 && e->cr0 & X86_CR0_AM && e->rflags & X86_EFLAGS_AC && bytes <= 8 &&
	    !(bytes & (bytes - 1)) && *out & (bytes - 1))
		return lodge_raise(&e->fault, X86_TRAP_AC, 0);
	rc = e->probe(e, *out, bytes, write);
	if (!rc && e->dr7 & 0xff)
		e->dr6 |= lodge_breakpoints(e->dr, e->dr7, *out, bytes,
					    write ? LODGE_BP_WRITE : LODGE_BP_ACCESS);
	return rc;
}

static int memory(struct lodge_emul *e, u32 bytes, bool write, u64 *out)
{
	return linear(e, e->insn->segment, effective_address(e), bytes, write, out);
}

/* Two values next to each other in memory: far pointers, descriptor tables, register pairs. */
static int load_pair(struct lodge_emul *e, u32 first, u32 second, bool write, u64 *addr,
		     u64 value[2])
{
	return memory(e, first + second, write, addr) ?:
	       e->access(e, *addr, &value[0], first, false) ?:
	       e->access(e, *addr + first, &value[1], second, false);
}

static int store_pair(struct lodge_emul *e, u32 first, u32 second, u64 addr, u64 value[2])
{
	return e->access(e, addr, &value[0], first, true) ?:
	       e->access(e, addr + first, &value[1], second, true);
}

static int locate(struct lodge_emul *e, u32 bytes, bool write, struct place *p)
{
	p->bytes = bytes;
	p->memory = !e->insn->has_modrm || e->insn->modrm < 0xc0;
	p->reg = e->insn->rm;
	return p->memory ? memory(e, bytes, write, &p->linear) : 0;
}

static int load(struct lodge_emul *e, const struct place *p, u64 *value)
{
	if (p->memory)
		return e->access(e, p->linear, value, p->bytes, false);
	*value = read_gpr(e, p->reg, p->bytes);
	return 0;
}

static int store(struct lodge_emul *e, const struct place *p, u64 value)
{
	if (p->memory)
		return e->access(e, p->linear, &value, p->bytes, true);
	write_gpr(e, p->reg, value, p->bytes);
	return 0;
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

	return linear(e, LODGE_SS, pointer & lodge_mask(stack_bytes(e)), bytes, false, &addr) ?:
	       e->access(e, addr, value, bytes, false);
}

static int pop(struct lodge_emul *e, u64 *value)
{
	int rc = stack_read(e, e->gpr[LODGE_RSP], value, e->insn->opsize);

	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], e->insn->opsize);
	return rc;
}

static int push(struct lodge_emul *e, u64 value)
{
	u32 bytes = e->insn->opsize;
	u64 rsp = moved(e, e->gpr[LODGE_RSP], -(s64)bytes);
	u64 addr;
	int rc = linear(e, LODGE_SS, rsp & lodge_mask(stack_bytes(e)), bytes, true, &addr) ?:
		 e->access(e, addr, &value, bytes, true);

	e->gpr[LODGE_RSP] = rsp;
	return rc;
}

static int selector(struct lodge_emul *e, int seg, u64 *value, bool write)
{
	u64 both[2] = { *value & 0xffff };
	int rc = seg > LODGE_GS ? lodge_raise(&e->fault, X86_TRAP_UD, 0) :
				  e->system(e, seg, both, write);

	*value = both[0];
	return rc;
}

/* Offset outside 64-bit code: its limit is checked by the next fetch. */
static int jump(struct lodge_emul *e, u64 target)
{
	u64 unused;

	e->rip = target & lodge_mask(e->insn->opsize);
	if (e->code == LODGE_CODE64 && e->linear(e, LODGE_CS, e->rip, 1, false, &unused))
		return lodge_raise(&e->fault, X86_TRAP_GP, 0);
	return 0;
}

static int op_shift(struct lodge_emul *e)
{
	u8 count = e->s;

	if (e->insn->op >= LODGE_OP_SHLD)
		count = e->insn->opcode[1] & 1 ? e->gpr[LODGE_RCX] : e->insn->imm;
	e->d = lodge_shift(e->insn->op, e->insn->opsize, e->d, e->s, count, &e->rflags);
	return 0;
}

/* Three operands: source and immediate; two: register and source. */
static int op_imul(struct lodge_emul *e)
{
	u64 high;

	e->d = lodge_multiply(LODGE_OP_IMUL1, e->insn->opsize, e->s,
			      e->insn->opcode[0] == 0x0f ? e->d : e->insn->imm, &high, &e->rflags);
	return 0;
}

/* MUL to IDIV: the operand with AX, or with the pair of RDX and RAX */
static int op_wide(struct lodge_emul *e)
{
	enum lodge_insn_op op = e->insn->op;
	u32 bytes = e->insn->opsize;
	u64 low = read_gpr(e, LODGE_RAX, bytes);
	u64 high = bytes == 1 ? e->gpr[LODGE_RAX] >> 8 & 0xff : read_gpr(e, LODGE_RDX, bytes);

	if (op == LODGE_OP_MUL || op == LODGE_OP_IMUL1)
		low = lodge_multiply(op, bytes, e->d, low, &high, &e->rflags);
	else if (!lodge_divide(op, bytes, &low, &high, e->d))
		return lodge_raise(&e->fault, X86_TRAP_DE, 0);
	if (bytes == 1) {
		write_gpr(e, LODGE_RAX, high << 8 | (low & 0xff), 2);
		return 0;
	}
	write_gpr(e, LODGE_RAX, low, bytes);
	write_gpr(e, LODGE_RDX, high, bytes);
	return 0;
}

static int op_mov(struct lodge_emul *e)
{
	e->d = e->s;
	if (e->insn->op == LODGE_OP_MOVSX)
		e->d = lodge_sign_extend(e->s, e->insn->srcsize);
	else if (e->insn->op == LODGE_OP_MOVBE)
		e->d = __builtin_bswap64(e->s) >> (64 - e->insn->opsize * 8);
	return 0;
}

static int op_load_segment(struct lodge_emul *e)
{
	if (e->insn->reg == LODGE_CS)
		return lodge_raise(&e->fault, X86_TRAP_UD, 0);
	e->shadow = e->insn->reg == LODGE_SS;
	return selector(e, e->insn->reg, &e->s, true);
}

/* The source is read, and 32-bit destinations are cleared, in any case. */
static int op_cmov(struct lodge_emul *e)
{
	if (lodge_condition(e->insn->opcode[1], e->rflags))
		e->d = e->s;
	return 0;
}

static int op_setcc(struct lodge_emul *e)
{
	e->d = lodge_condition(e->insn->opcode[1], e->rflags);
	return 0;
}

/* XCHG and XADD. The register first: XADD of one with itself keeps the sum. */
static int op_exchange(struct lodge_emul *e)
{
	write_gpr(e, e->insn->reg, e->d, e->insn->opsize);
	e->d = e->insn->op == LODGE_OP_XCHG ? e->s :
	       lodge_alu(LODGE_OP_ADD, e->insn->opsize, e->d, e->s, &e->rflags);
	return 0;
}

/* The destination is written in either case (SDM volume 2, CMPXCHG). */
static int op_cmpxchg(struct lodge_emul *e)
{
	u32 bytes = e->insn->opsize;

	lodge_alu(LODGE_OP_CMP, bytes, e->gpr[LODGE_RAX], e->d, &e->rflags);
	if (e->rflags & X86_EFLAGS_ZF)
		e->d = e->s;
	else
		write_gpr(e, LODGE_RAX, e->d, bytes);
	return 0;
}

/* CMPXCHG8B, CMPXCHG16B */
static int op_cmpxchg2(struct lodge_emul *e)
{
	u32 bytes = e->insn->opsize;
	u64 addr, old[2];
	int rc = load_pair(e, bytes, bytes, true, &addr, old);

	if (rc)
		return rc;
	e->rflags &= ~(u64)X86_EFLAGS_ZF;
	if (old[0] == read_gpr(e, LODGE_RAX, bytes) && old[1] == read_gpr(e, LODGE_RDX, bytes)) {
		e->rflags |= X86_EFLAGS_ZF;
		old[0] = read_gpr(e, LODGE_RBX, bytes);
		old[1] = read_gpr(e, LODGE_RCX, bytes);
	} else {
		write_gpr(e, LODGE_RAX, old[0], bytes);
		write_gpr(e, LODGE_RDX, old[1], bytes);
	}
	return store_pair(e, bytes, bytes, addr, old);
}

static int op_push(struct lodge_emul *e)
{
	return push(e, e->d);
}

/* The segment register that an opcode names */
static int opcode_segment(const struct lodge_insn *insn)
{
	return insn->opcode[insn->opcode[0] == 0x0f] >> 3 & 7;
}

/* operands() has moved RSP: the destination's address is computed with the new one. */
static int op_pop(struct lodge_emul *e)
{
	int rc = stack_read(e, moved(e, e->gpr[LODGE_RSP], -(s64)e->insn->opsize), &e->d,
			    e->insn->opsize);

	if (rc || e->insn->form != LODGE_FORM_S)
		return rc;
	e->shadow = opcode_segment(e->insn) == LODGE_SS;
	return selector(e, opcode_segment(e->insn), &e->d, true);
}

static void set_flags(struct lodge_emul *e, u64 value)
{
	u64 mask = POPF_FLAGS;

	if (e->cpl <= (e->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT)
		mask |= X86_EFLAGS_IF;
	if (!e->cpl)
		mask |= X86_EFLAGS_IOPL;
	mask &= lodge_mask(e->insn->opsize);
	e->rflags = (e->rflags & ~mask) | (value & mask);
}

/* PUSHF, POPF; virtual-8086 code needs IOPL 3 for them (SDM 20.2.7). */
static int op_flags(struct lodge_emul *e)
{
	int rc;

	if (e->rflags & X86_EFLAGS_VM && (e->rflags & X86_EFLAGS_IOPL) != X86_EFLAGS_IOPL)
		return lodge_raise(&e->fault, X86_TRAP_GP, 0);
	if (e->insn->op == LODGE_OP_PUSHF)
		return push(e, e->rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF));
	rc = pop(e, &e->d);
	if (!rc)
		set_flags(e, e->d);
	return rc;
}

/* PUSHA stores the RSP from before; POPA skips it. */
static int op_all(struct lodge_emul *e)
{
	bool pushes = e->insn->op == LODGE_OP_PUSHA;
	u64 rsp = e->gpr[LODGE_RSP];
	int i, reg, rc = 0;

	for (i = 0; i < 8 && !rc; i++) {
		reg = pushes ? i : 7 - i;
		rc = pushes ? push(e, reg == LODGE_RSP ? rsp : e->gpr[reg]) : pop(e, &e->d);
		if (!pushes && reg != LODGE_RSP)
			write_gpr(e, reg, e->d, e->insn->opsize);
	}
	return rc;
}

static int op_enter(struct lodge_emul *e)
{
	u32 bytes = e->insn->opsize, level = e->insn->imm >> 16 & 31;
	u64 rbp = e->gpr[LODGE_RBP], frame;
	int rc = push(e, rbp);

	frame = e->gpr[LODGE_RSP];
	for (; level > 1 && !rc; level--) {
		rbp = moved(e, rbp, -(s64)bytes);
		rc = stack_read(e, rbp, &e->d, bytes) ?: push(e, e->d);
	}
	if (level && !rc)
		rc = push(e, frame);
	write_gpr(e, LODGE_RBP, frame, bytes);
	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], -(s64)(u16)e->insn->imm);
	return rc;
}

static int op_leave(struct lodge_emul *e)
{
	int rc;

	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], e->gpr[LODGE_RBP] - e->gpr[LODGE_RSP]);
	rc = pop(e, &e->d);
	write_gpr(e, LODGE_RBP, e->d, e->insn->opsize);
	return rc;
}

static int op_branch(struct lodge_emul *e)
{
	u64 next = e->rip;
	int rc = jump(e, e->insn->form == LODGE_FORM_IMM ? next + e->insn->imm : e->d);

	return rc || e->insn->op == LODGE_OP_JMP ? rc : push(e, next);
}

/* CALL and JMP to CS:offset in memory; LES to LGS, which hold no event off */
static int op_far(struct lodge_emul *e)
{
	u8 op = e->insn->opcode[0] == 0x0f ? e->insn->opcode[1] : e->insn->opcode[0];
	u64 cs = 0, addr, pointer[2];
	int rc = load_pair(e, e->insn->opsize, 2, false, &addr, pointer);

	if (!rc && e->insn->op == LODGE_OP_CALLF)
		rc = selector(e, LODGE_CS, &cs, false) ?: push(e, cs) ?: push(e, e->rip);
	if (!rc)
		rc = selector(e, op == 0xff ? LODGE_CS : op == 0xc4 ? LODGE_ES :
				 op == 0xc5 ? LODGE_DS : op & 7, &pointer[1], true);
	if (!rc && op == 0xff)
		return jump(e, pointer[0]);
	if (!rc)
		write_gpr(e, e->insn->reg, pointer[0], e->insn->opsize);
	return rc;
}

/* RET, RETF, IRET. The latter two where no privilege level can change. */
static int op_return(struct lodge_emul *e)
{
	bool far = e->insn->op != LODGE_OP_RET, iret = e->insn->op == LODGE_OP_IRET;
	u64 flags;
	int rc;

	if (far && e->cr0 & X86_CR0_PE)
		return -EOPNOTSUPP;
	rc = pop(e, &e->d);
	if (!rc && far)
		rc = pop(e, &e->s) ?: (iret ? pop(e, &flags) : 0) ?:
		     selector(e, LODGE_CS, &e->s, true);
	if (rc)
		return rc;
	if (iret)
		set_flags(e, flags);
	e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], (u16)e->insn->imm);
	return jump(e, e->d);
}

/*
 * SLDT to LMSW: a system register from or to memory. LMSW loads PE, MP, EM and
 * TS and cannot clear PE; SGDT to LIDT have a limit and a base.
 */
static int op_system(struct lodge_emul *e)
{
	static const u8 registers[] = {
		LODGE_LDTR, LODGE_TR, LODGE_GDTR, LODGE_IDTR, LODGE_SYS_CR0,
		LODGE_LDTR, LODGE_TR, LODGE_GDTR, LODGE_IDTR, LODGE_SYS_CR0,
	};
	int what = registers[e->insn->op - LODGE_OP_SLDT];
	bool table = what == LODGE_GDTR || what == LODGE_IDTR;
	bool write = e->insn->op >= LODGE_OP_LLDT;
	u32 bytes = e->code == LODGE_CODE64 ? 8 : 4;
	u64 addr, value[2] = { e->d };
	int rc = 0;

	if (e->cpl && (write || e->cr4 & X86_CR4_UMIP))
		return lodge_raise(&e->fault, X86_TRAP_GP, 0);
	if (write) {
		if (table)
			rc = load_pair(e, 2, bytes, false, &addr, value);
		if (table && e->insn->opsize == 2)
			value[1] &= 0xffffff;
		if (what == LODGE_SYS_CR0)
			value[0] = (e->cr0 & ~0xeull) | (e->d & 0xf);
		return rc ? rc : e->system(e, what, value, true);
	}
	if (table)
		rc = memory(e, bytes + 2, true, &addr);
	if (!rc)
		rc = e->system(e, what, value, false);
	e->d = value[0];
	return !table || rc ? rc : store_pair(e, 2, bytes, addr, value);
}

static int op_simd(struct lodge_emul *e)
{
	u32 i, bytes = e->insn->opsize;
	bool write = e->insn->form == LODGE_FORM_SIMD_STORE;
	u64 addr, data[LODGE_DATA_MAX / 8] = { };
	int rc = lodge_simd_check(e) ?: memory(e, bytes, write, &addr);

	if (!rc && write)
		lodge_simd_get(e, data);
	for (i = 0; i < bytes && !rc; i += 8)
		rc = e->access(e, addr + i, &data[i / 8], min_t(u32, bytes, 8), write);
	if (!rc && !write)
		lodge_simd_set(e, data);
	return rc;
}

static int op_nop(struct lodge_emul *e)
{
	return 0;
}

/* A string pointer: one element on, by DF, as wide as the address. */
static void step(struct lodge_emul *e, u8 reg)
{
	u64 delta = e->rflags & X86_EFLAGS_DF ? -(u64)e->insn->opsize : e->insn->opsize;

	write_gpr(e, reg, e->gpr[reg] + delta, e->insn->addrsize);
}

/* At RSI, or at RDI, whose segment cannot be overridden. */
static int string_at(struct lodge_emul *e, u8 reg, bool write, u64 *addr)
{
	return linear(e, reg == LODGE_RSI ? e->insn->segment : LODGE_ES,
		      e->gpr[reg] & lodge_mask(e->insn->addrsize), e->insn->opsize, write, addr);
}

static int string_load(struct lodge_emul *e, u8 reg, u64 *value)
{
	u64 addr;
	int rc = string_at(e, reg, false, &addr) ?:
		 e->access(e, addr, value, e->insn->opsize, false);

	if (!rc)
		step(e, reg);
	return rc;
}

static int port(struct lodge_emul *e, u64 *value, bool write)
{
	u16 number = e->gpr[LODGE_RDX];

	if (e->cr4 & X86_CR4_DE)
		e->dr6 |= lodge_breakpoints(e->dr, e->dr7, number, e->insn->opsize, LODGE_BP_IO);
	return e->pio(e, number, value, e->insn->opsize, write);
}

/* A destination in memory is asked for before the source is read. */
static int string_element(struct lodge_emul *e)
{
	u8 op = e->insn->op;
	u32 bytes = e->insn->opsize;
	bool fills = op == LODGE_OP_MOVS || op == LODGE_OP_STOS || op == LODGE_OP_INS;
	bool compares = op == LODGE_OP_CMPS || op == LODGE_OP_SCAS;
	u64 value = read_gpr(e, LODGE_RAX, bytes), other = 0, addr;
	int rc = fills ? string_at(e, LODGE_RDI, true, &addr) : 0;

	if (!rc && op != LODGE_OP_STOS && op != LODGE_OP_SCAS && op != LODGE_OP_INS)
		rc = string_load(e, LODGE_RSI, &value);
	if (!rc && compares)
		rc = string_load(e, LODGE_RDI, &other);
	if (!rc && (op == LODGE_OP_INS || op == LODGE_OP_OUTS))
		rc = port(e, &value, op == LODGE_OP_OUTS);
	if (!rc && fills)
		rc = e->access(e, addr, &value, bytes, true);
	if (rc)
		return rc;
	if (fills)
		step(e, LODGE_RDI);
	if (compares)
		lodge_alu(LODGE_OP_CMP, bytes, value, other, &e->rflags);
	if (op == LODGE_OP_LODS)
		write_gpr(e, LODGE_RAX, value, bytes);
	return 0;
}

/* One element. RIP stays while more are to come: REPE and REPNE look at ZF. */
static int op_string(struct lodge_emul *e)
{
	const struct lodge_insn *insn = e->insn;
	bool compares = insn->op == LODGE_OP_CMPS || insn->op == LODGE_OP_SCAS;
	bool rep = insn->rep || insn->repne;
	u64 count = e->gpr[LODGE_RCX] & lodge_mask(insn->addrsize);
	int rc;

	if (rep && !count)
		return 0;
	rc = string_element(e);
	if (rc || !rep)
		return rc;
	write_gpr(e, LODGE_RCX, --count, insn->addrsize);
	if (count && (!compares || !!(e->rflags & X86_EFLAGS_ZF) == insn->rep))
		e->rip -= insn->length;
	return 0;
}

/* What happens to the destination around the operation. */
enum { LOAD = BIT(0), STORE = BIT(1) };

/* @alu: makes the destination from both operands; else @fn does it all */
static const struct {
	int (*fn)(struct lodge_emul *e);
	u8 access;
	u64 (*alu)(enum lodge_insn_op op, u32 bytes, u64 dst, u64 src, u64 *rflags);
} operations[LODGE_OP_COUNT] = {
	[LODGE_OP_ADD ... LODGE_OP_XOR] = { NULL, LOAD | STORE, lodge_alu },
	[LODGE_OP_CMP ... LODGE_OP_TEST] = { NULL, LOAD, lodge_alu },
	[LODGE_OP_ROL ... LODGE_OP_SHRD] = { op_shift, LOAD | STORE },
	[LODGE_OP_NOT ... LODGE_OP_DEC] = { NULL, LOAD | STORE, lodge_alu },
	[LODGE_OP_MUL ... LODGE_OP_IDIV] = { op_wide, LOAD },
	[LODGE_OP_IMUL] = { op_imul, LOAD | STORE },
	[LODGE_OP_BSF ... LODGE_OP_POPCNT] = { NULL, LOAD | STORE, lodge_scan },
	[LODGE_OP_MOV ... LODGE_OP_XLAT] = { op_mov, STORE },
	[LODGE_OP_MOVSEG] = { op_load_segment },
	[LODGE_OP_CMOV] = { op_cmov, LOAD | STORE },
	[LODGE_OP_SETCC] = { op_setcc, STORE },
	[LODGE_OP_XCHG] = { op_exchange, LOAD | STORE },
	[LODGE_OP_CMPXCHG] = { op_cmpxchg, LOAD | STORE },
	[LODGE_OP_XADD] = { op_exchange, LOAD | STORE },
	[LODGE_OP_CMPXCHG2] = { op_cmpxchg2 },
	[LODGE_OP_BT] = { NULL, LOAD, lodge_bit_op },
	[LODGE_OP_BTS ... LODGE_OP_BTC] = { NULL, LOAD | STORE, lodge_bit_op },
	[LODGE_OP_PUSH] = { op_push, LOAD },
	[LODGE_OP_POP] = { op_pop, STORE },
	[LODGE_OP_PUSHF ... LODGE_OP_POPF] = { op_flags },
	[LODGE_OP_PUSHA ... LODGE_OP_POPA] = { op_all },
	[LODGE_OP_ENTER] = { op_enter },
	[LODGE_OP_LEAVE] = { op_leave },
	[LODGE_OP_CALL ... LODGE_OP_JMP] = { op_branch, LOAD },
	[LODGE_OP_CALLF ... LODGE_OP_LOADFAR] = { op_far },
	[LODGE_OP_RET ... LODGE_OP_IRET] = { op_return },
	[LODGE_OP_SLDT ... LODGE_OP_SMSW] = { op_system, STORE },
	[LODGE_OP_LLDT ... LODGE_OP_LMSW] = { op_system, LOAD },
	[LODGE_OP_INS ... LODGE_OP_SCAS] = { op_string },
	[LODGE_OP_SIMD] = { op_simd },
	[LODGE_OP_NOP] = { op_nop },
};

static int load_source(struct lodge_emul *e)
{
	struct place p;

	return locate(e, e->insn->srcsize, false, &p) ?: load(e, &p, &e->s);
}

/* The second operand's value, and where the result goes: 0 bytes if nowhere. */
static int operands(struct lodge_emul *e, bool write, struct place *dst)
{
	const struct lodge_insn *insn = e->insn;

	*dst = (struct place){ .reg = LODGE_RAX, .bytes = insn->opsize };
	e->s = insn->imm;
	e->d = insn->imm;
	if (insn->op == LODGE_OP_POP)
		e->gpr[LODGE_RSP] = moved(e, e->gpr[LODGE_RSP], insn->opsize);
	switch (insn->form) {
	case LODGE_FORM_A_IMM:
		return 0;
	case LODGE_FORM_O:
		dst->reg = (insn->opcode[0] & 7) | (insn->rex & 1) << 3;
		return 0;
	case LODGE_FORM_R_RM:
	case LODGE_FORM_A_MEM:	/* without ModRM ->reg is RAX */
		dst->reg = insn->reg;
		return load_source(e);
	case LODGE_FORM_RM_R:
	case LODGE_FORM_MEM_A:
		e->s = read_gpr(e, insn->reg, insn->opsize);
		break;
	case LODGE_FORM_RM_1:
		e->s = 1;
		break;
	case LODGE_FORM_RM_CL:
		e->s = e->gpr[LODGE_RCX] & 0xff;
		break;
	case LODGE_FORM_RM_S:
		if (selector(e, insn->reg, &e->s, false))
			return -EFAULT;
		break;
	case LODGE_FORM_RM:
	case LODGE_FORM_RM_IMM:
		break;
	default:
		dst->bytes = 0;
		if (insn->form == LODGE_FORM_S && insn->op == LODGE_OP_PUSH)
			return selector(e, opcode_segment(insn), &e->d, false);
		return insn->form == LODGE_FORM_S_RM ? load_source(e) : 0;
	}
	return locate(e, insn->opsize, write, dst);
}

int lodge_emulate(struct lodge_emul *e, const struct lodge_insn *insn)
{
	struct place dst;
	u8 access;
	int rc;

	if (insn->op == LODGE_OP_NONE || insn->op >= LODGE_OP_COUNT)
		return -EOPNOTSUPP;
	access = operations[insn->op].access;
	e->insn = insn;
	e->rip += insn->length;
	rc = operands(e, access & STORE, &dst);
	if (!rc && access & LOAD && dst.bytes)
		rc = load(e, &dst, &e->d);
	if (!rc && operations[insn->op].alu)
		e->d = operations[insn->op].alu(insn->op, insn->opsize, e->d, e->s, &e->rflags);
	else if (!rc)
		rc = operations[insn->op].fn(e);
	if (!rc && access & STORE && dst.bytes)
		rc = store(e, &dst, e->d);
	if (e->code != LODGE_CODE64)
		e->rip = (u32)e->rip;
	return rc;
}
