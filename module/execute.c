// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic of the emulator: results and flags (SDM volume 1, appendix A).
 * Flags that the manual calls undefined come out as 0 or unchanged.
 */
#include "insn.h"

#define CF	X86_EFLAGS_CF
#define PF	X86_EFLAGS_PF
#define AF	X86_EFLAGS_AF
#define ZF	X86_EFLAGS_ZF
#define SF	X86_EFLAGS_SF
#define OF	X86_EFLAGS_OF
#define ARITHMETIC	(CF | PF | AF | ZF | SF | OF)

static u64 sign_bit(u32 bytes)
{
	return 1ull << (bytes * 8 - 1);
}

/* PF looks at the low byte alone. */
static u64 result_flags(u64 value, u32 bytes)
{
	return (hweight8((u8)value) & 1 ? 0 : PF) | (value ? 0 : ZF) |
	       (value & sign_bit(bytes) ? SF : 0);
}

static void set_flags(u64 *rflags, u64 mask, u64 value)
{
	*rflags = (*rflags & ~mask) | (value & mask);
}

static u64 add(u32 bytes, u64 dst, u64 src, bool carry, u64 *flags)
{
	u64 result = (dst + src + carry) & lodge_mask(bytes);

	*flags = result_flags(result, bytes) | ((dst ^ src ^ result) & AF);
	if (result < dst || (carry && result == dst))
		*flags |= CF;
	if ((dst ^ result) & (src ^ result) & sign_bit(bytes))
		*flags |= OF;
	return result;
}

/* The complement added; the carries are borrows then. */
static u64 sub(u32 bytes, u64 dst, u64 src, bool borrow, u64 *flags)
{
	u64 result = add(bytes, dst, ~src & lodge_mask(bytes), !borrow, flags);

	*flags ^= CF | AF;
	return result;
}

u64 lodge_alu(enum lodge_insn_op op, u32 bytes, u64 dst, u64 src, u64 *rflags)
{
	bool carry = *rflags & CF;
	u64 mask = ARITHMETIC;
	u64 flags = 0;
	u64 result;

	dst &= lodge_mask(bytes);
	src &= lodge_mask(bytes);
	if (op == LODGE_OP_INC || op == LODGE_OP_DEC) {
		src = 1;
		mask &= ~CF;
	}
	switch (op) {
	case LODGE_OP_ADD:
	case LODGE_OP_ADC:
	case LODGE_OP_INC:
		result = add(bytes, dst, src, op == LODGE_OP_ADC && carry, &flags);
		break;
	case LODGE_OP_SUB:
	case LODGE_OP_CMP:
	case LODGE_OP_SBB:
	case LODGE_OP_DEC:
		result = sub(bytes, dst, src, op == LODGE_OP_SBB && carry, &flags);
		break;
	case LODGE_OP_NEG:
		result = sub(bytes, 0, dst, false, &flags);
		break;
	case LODGE_OP_NOT:
		return ~dst & lodge_mask(bytes);
	default:
		result = op == LODGE_OP_OR ? dst | src : op == LODGE_OP_XOR ? dst ^ src : dst & src;
		flags = result_flags(result, bytes);
		break;
	}
	set_flags(rflags, mask, flags);
	return result;
}

/*
 * By one bit: to the right those at odd distances from ROL. @in: the bit of the
 * second register that SHLD or SHRD shifts in. OF: the sign has changed
 */
static u64 shift_one(enum lodge_insn_op op, u32 bytes, u64 value, bool in, u64 *flags)
{
	bool right = (op - LODGE_OP_ROL) & 1, top = value & sign_bit(bytes);
	bool out = right ? value & 1 : top;
	u64 result;

	if (op <= LODGE_OP_ROR)
		in = out;
	else if (op <= LODGE_OP_RCR)
		in = *flags & CF;
	else if (op == LODGE_OP_SAR)
		in = top;
	result = right ? value >> 1 | (in ? sign_bit(bytes) : 0) :
			 (value << 1 | in) & lodge_mask(bytes);
	*flags = (out ? CF : 0) | ((value ^ result) & sign_bit(bytes) ? OF : 0);
	return result;
}

u64 lodge_shift(enum lodge_insn_op op, u32 bytes, u64 value, u64 src, u8 count, u64 *rflags)
{
	u64 mask = CF | OF;
	u64 flags = *rflags;
	u32 i, bit;

	value &= lodge_mask(bytes);
	count &= bytes == 8 ? 63 : 31;
	if (!count)
		return value;
	for (i = 0; i < count; i++) {
		bit = op == LODGE_OP_SHRD ? i : bytes * 8 - 1 - i;
		value = shift_one(op, bytes, value, op >= LODGE_OP_SHLD && src >> (bit & 63) & 1,
				  &flags);
	}
	if (op >= LODGE_OP_SHL) {
		mask |= PF | ZF | SF;
		flags = (flags & (CF | OF)) | result_flags(value, bytes);
	}
	set_flags(rflags, mask, flags);
	return value;
}

u64 lodge_bit_op(enum lodge_insn_op op, u32 bytes, u64 value, u64 bit, u64 *rflags)
{
	u64 mask = 1ull << (bit & (bytes * 8 - 1));

	set_flags(rflags, CF, value & mask ? CF : 0);
	if (op == LODGE_OP_BTS)
		return value | mask;
	if (op == LODGE_OP_BTR)
		return value & ~mask;
	return op == LODGE_OP_BTC ? value ^ mask : value;
}

u64 lodge_scan(enum lodge_insn_op op, u32 bytes, u64 old, u64 value, u64 *rflags)
{
	u64 result = bytes * 8;

	if (op == LODGE_OP_POPCNT) {
		set_flags(rflags, ARITHMETIC, value ? 0 : ZF);
		return hweight64(value);
	}
	if (value)
		result = op == LODGE_OP_BSF || op == LODGE_OP_TZCNT ? __ffs64(value) :
								       fls64(value) - 1;
	if (op == LODGE_OP_LZCNT && value)
		result = bytes * 8 - 1 - result;
	if (op == LODGE_OP_TZCNT || op == LODGE_OP_LZCNT) {
		set_flags(rflags, CF | ZF, (value ? 0 : CF) | (result ? 0 : ZF));
		return result;
	}
	set_flags(rflags, ZF, value ? 0 : ZF);
	return value ? result : old;
}

/* CF and OF: the high half is more than the low half's extension. */
u64 lodge_multiply(enum lodge_insn_op op, u32 bytes, u64 a, u64 b, u64 *high, u64 *rflags)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	u64 low, fill = 0;

	if (op == LODGE_OP_IMUL1) {
		product = (__int128)(s64)lodge_sign_extend(a, bytes) *
			  (s64)lodge_sign_extend(b, bytes);
		fill = product >> (bytes * 8 - 1) & 1 ? lodge_mask(bytes) : 0;
	}
	low = (u64)product & lodge_mask(bytes);
	*high = (u64)(product >> bytes * 8) & lodge_mask(bytes);
	set_flags(rflags, CF | OF, *high != fill ? CF | OF : 0);
	return low;
}

bool lodge_divide(enum lodge_insn_op op, u32 bytes, u64 *low, u64 *high, u64 by)
{
	unsigned __int128 dividend = (unsigned __int128)*high << bytes * 8 | *low;
	bool negative = op == LODGE_OP_IDIV && *high & sign_bit(bytes);
	bool opposite = negative;
	u64 quotient, rest;

	if (negative)
		dividend = (unsigned __int128)(~*high & lodge_mask(bytes)) << bytes * 8 |
			   (~*low & lodge_mask(bytes));
	dividend += negative;
	if (op == LODGE_OP_IDIV && by & sign_bit(bytes)) {
		by = -by & lodge_mask(bytes);
		opposite = !opposite;
	}
	if ((u64)(dividend >> 64) >= by)
		return false;
	/* The kernel has no 128-bit division. */
	asm("divq %4" : "=a" (quotient), "=d" (rest)
	    : "0" ((u64)dividend), "1" ((u64)(dividend >> 64)), "r" (by) : "cc");
	if (quotient > (op == LODGE_OP_DIV ? lodge_mask(bytes) : sign_bit(bytes) - !opposite))
		return false;
	*low = opposite ? -quotient : quotient;
	*high = negative ? -rest : rest;
	return true;
}

bool lodge_condition(u8 cc, u64 rflags)
{
	bool less = !!(rflags & SF) != !!(rflags & OF);
	const bool holds[8] = {
		rflags & OF, rflags & CF, rflags & ZF, rflags & (CF | ZF),
		rflags & SF, rflags & PF, less, less || rflags & ZF,
	};

	return holds[cc >> 1 & 7] != (cc & 1);
}

/* Lengths are coded 1, 2, 8, 4, and the address is aligned to its own (SDM 17.2.5). */
u64 lodge_breakpoints(const u64 dr[4], u64 dr7, u64 addr, u32 bytes, u32 type)
{
	static const u8 lengths[] = { 1, 2, 8, 4 };
	u64 hits = 0, start;
	u32 i, rw, length;

	for (i = 0; i < 4; i++) {
		rw = dr7 >> (16 + i * 4) & 3;
		length = lengths[dr7 >> (18 + i * 4) & 3];
		start = dr[i] & ~(u64)(length - 1);
		if (!(dr7 >> i * 2 & 3) || !(rw == type || (rw == LODGE_BP_ACCESS &&
							    type == LODGE_BP_WRITE)))
			continue;
		if (addr - start < length || start - addr < bytes)
			hits |= 1u << i;
	}
	return hits;
}
