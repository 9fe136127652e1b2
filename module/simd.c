// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vector registers of the emulator: MMX, XMM and YMM in the guest's XSAVE area
 * (SDM volume 1, 13.4), and when they may be used (SDM volume 2, 2.4 and 2.5).
 */
#include "insn.h"

/* Standard format. AVX state is the first behind the header on every CPU. */
#define FSW_OFFSET	2
#define FTW_OFFSET	4
#define MXCSR_OFFSET	24
#define ST_OFFSET	32
#define XMM_OFFSET	160
#define BV_OFFSET	512
#define YMMH_OFFSET	576
#define X87		1u
#define SSE		2u
#define AVX		4u
#define ZMM_HIGH	0x40u
#define FCW_INITIAL	0x37f
#define FSW_ES		0x80
#define FSW_TOP		0x3800

static u64 *xstate_bv(const struct lodge_emul *e)
{
	return (u64 *)(e->xsave + BV_OFFSET);
}

/* A component in its initial state has no data: give it some. */
static u8 *component(const struct lodge_emul *e, u64 bit, u32 offset, u32 bytes)
{
	if (!(*xstate_bv(e) & bit)) {
		memset(e->xsave + offset, 0, bytes);
		*xstate_bv(e) |= bit;
	}
	return e->xsave + offset;
}

static u8 *xmm(const struct lodge_emul *e, u8 reg)
{
	return component(e, SSE, XMM_OFFSET, 256) + (reg & 15) * 16;
}

static u8 *ymm_high(const struct lodge_emul *e, u8 reg)
{
	return component(e, AVX, YMMH_OFFSET, 256) + (reg & 15) * 16;
}

/*
 * What every MMX instruction does first: the top of the stack becomes register
 * 0, and all are valid. The area holds them in stack order (SDM 10.5.1).
 */
static u8 *mmx(const struct lodge_emul *e, u8 reg)
{
	bool initial = !(*xstate_bv(e) & X87);
	u8 *area = component(e, X87, 0, MXCSR_OFFSET), *st = area + ST_OFFSET;
	u16 *fsw = (u16 *)(area + FSW_OFFSET);
	u32 i, top = (*fsw & FSW_TOP) >> 11;
	u8 old[8 * 16];

	if (initial) {
		memset(st, 0, sizeof(old));
		*(u16 *)area = FCW_INITIAL;
	}
	memcpy(old, st, sizeof(old));
	for (i = 0; i < 8; i++)
		memcpy(st + ((i + top) & 7) * 16, old + i * 16, 16);
	*fsw &= ~FSW_TOP;
	area[FTW_OFFSET] = 0xff;
	return st + (reg & 7) * 16;
}

int lodge_simd_check(struct lodge_emul *e)
{
	const struct lodge_insn *insn = e->insn;
	bool exists = !(e->cr0 & X86_CR0_EM) &&
		      (insn->simd & LODGE_SIMD_MMX || e->cr4 & X86_CR4_OSFXSR);

	if (insn->vex)
		exists = e->cr4 & X86_CR4_OSXSAVE && (e->xcr0 & (SSE | AVX)) == (SSE | AVX) &&
			 e->cr0 & X86_CR0_PE && !(e->rflags & X86_EFLAGS_VM);
	if (!exists)
		return lodge_raise(&e->fault, X86_TRAP_UD, 0);
	if (e->cr0 & X86_CR0_TS)
		return lodge_raise(&e->fault, X86_TRAP_NM, 0);
	if (insn->simd & LODGE_SIMD_MMX && *xstate_bv(e) & X87 && e->xsave[FSW_OFFSET] & FSW_ES)
		return lodge_raise(&e->fault, X86_TRAP_MF, 0);
	return 0;
}

void lodge_simd_get(struct lodge_emul *e, void *data)
{
	const struct lodge_insn *insn = e->insn;
	u8 half = insn->simd & LODGE_SIMD_HIGH ? 8 : 0;

	if (insn->simd & LODGE_SIMD_MMX)
		memcpy(data, mmx(e, insn->reg), insn->opsize);
	else
		memcpy(data, xmm(e, insn->reg) + half, min_t(u32, insn->opsize, 16));
	if (insn->opsize == 32)
		memcpy(data + 16, ymm_high(e, insn->reg), 16);
}

/* VEX forms clear the register up to its end, the others keep what is above 128 bits. */
void lodge_simd_set(struct lodge_emul *e, const void *data)
{
	const struct lodge_insn *insn = e->insn;
	u8 half = insn->simd & LODGE_SIMD_HIGH ? 8 : 0;
	u8 *reg;

	if (insn->simd & LODGE_SIMD_MMX) {
		reg = mmx(e, insn->reg);
		memset(reg, 0, 8);
		memcpy(reg, data, insn->opsize);
		memset(reg + 8, 0xff, 2);
		return;
	}
	reg = xmm(e, insn->reg);
	if (insn->simd & LODGE_SIMD_MERGE) {
		if (insn->vex)
			memmove(reg, xmm(e, insn->vvvv), 16);
	} else {
		memset(reg, 0, 16);
	}
	memcpy(reg + half, data, min_t(u32, insn->opsize, 16));
	if (!insn->vex)
		return;
	reg = ymm_high(e, insn->reg);
	memset(reg, 0, 16);
	if (insn->opsize == 32)
		memcpy(reg, data + 16, 16);
	if (e->zmmh_offset && *xstate_bv(e) & ZMM_HIGH)
		memset(e->xsave + e->zmmh_offset + (insn->reg & 15) * 32, 0, 32);
}
