// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic of the emulator: results and flags (SDM volume 1, appendix A).
 * Flags that the manual calls undefined come out as 0 or unchanged.
 */
#include <linux/bits.h>
#include <linux/types.h>

#include "insn.h"

enum {
	CF = BIT(0),
	PF = BIT(2),
	AF = BIT(4),
	ZF = BIT(6),
	SF = BIT(7),
	OF = BIT(11),
	ARITHMETIC = CF | PF | AF | ZF | SF | OF,
};

static u64 sign_bit(u32 bytes)
{
	return 1ull << (bytes * 8 - 1);
}

/* PF looks at the low byte alone. */
static u64 result_flags(u64 value, u32 bytes)
{
	u8 parity = (u8)value;
	u64 flags = 0;

	parity ^= parity >> 4;
	parity ^= parity >> 2;
	parity ^= parity >> 1;
	if (!(parity & 1))
		flags |= PF;
	if (!value)
		flags |= ZF;
	if (value & sign_bit(bytes))
		flags |= SF;
	return flags;
}

static void set_flags(u64 *rflags, u64 mask, u64 value)
{
	*rflags = (*rflags & ~mask) | (value & mask);
}

static u64 add(u32 bytes, u64 dst, u64 src, bool carry, u64 *flags)
{
	u64 result = (dst + src + carry) & lodge_mask(bytes);

	*flags = result_flags(result, bytes);
	if (result < dst || (carry && result == dst))
		*flags |= CF;
	if ((dst ^ result) & (src ^ result) & sign_bit(bytes))
		*flags |= OF;
	*flags |= (dst ^ src ^ result) & AF;
	return result;
}

static u64 sub(u32 bytes, u64 dst, u64 src, bool borrow, u64 *flags)
{
	u64 result = (dst - src - borrow) & lodge_mask(bytes);

	*flags = result_flags(result, bytes);
	if (dst < src || (borrow && dst == src))
		*flags |= CF;
	if ((dst ^ src) & (dst ^ result) & sign_bit(bytes))
		*flags |= OF;
	*flags |= (dst ^ src ^ result) & AF;
	return result;
}

static u64 logic(enum lodge_insn_op op, u64 dst, u64 src)
{
	switch (op) {
	case LODGE_OP_OR:
		return dst | src;
	case LODGE_OP_XOR:
		return dst ^ src;
	default:
		return dst & src;
	}
}

u64 lodge_alu(enum lodge_insn_op op, u32 bytes, u64 dst, u64 src, u64 *rflags)
{
	u64 mask = ARITHMETIC;
	u64 flags = 0;
	u64 result;

	dst &= lodge_mask(bytes);
	src &= lodge_mask(bytes);
	switch (op) {
	case LODGE_OP_ADD:
	case LODGE_OP_ADC:
		result = add(bytes, dst, src,
			     op == LODGE_OP_ADC && *rflags & CF, &flags);
		break;
	case LODGE_OP_SUB:
	case LODGE_OP_CMP:
	case LODGE_OP_SBB:
		result = sub(bytes, dst, src,
			     op == LODGE_OP_SBB && *rflags & CF, &flags);
		break;
	case LODGE_OP_INC:
		result = add(bytes, dst, 1, false, &flags);
		mask &= ~CF;
		break;
	case LODGE_OP_DEC:
		result = sub(bytes, dst, 1, false, &flags);
		mask &= ~CF;
		break;
	case LODGE_OP_NEG:
		result = sub(bytes, 0, dst, false, &flags);
		break;
	case LODGE_OP_NOT:
		return ~dst & lodge_mask(bytes);
	default:
		result = logic(op, dst, src);
		flags = result_flags(result, bytes);
		break;
	}
	set_flags(rflags, mask, flags);
	return result;
}

/* One bit to the left; @in comes in at the bottom. */
static u64 shift_left(u32 bytes, u64 value, bool in, u64 *flags)
{
	bool out = value & sign_bit(bytes);

	value = (value << 1 | in) & lodge_mask(bytes);
	*flags = out ? CF : 0;
	if (!!(value & sign_bit(bytes)) != out)
		*flags |= OF;
	return value;
}

/* One bit to the right; @in comes in at the top. */
static u64 shift_right(u32 bytes, u64 value, bool in, u64 *flags)
{
	bool out = value & 1;
	bool top = value & sign_bit(bytes);

	value >>= 1;
	if (in)
		value |= sign_bit(bytes);
	*flags = out ? CF : 0;
	if (top != in)
		*flags |= OF;
	return value;
}

static u64 shift_one(enum lodge_insn_op op, u32 bytes, u64 value, u64 *flags)
{
	bool top = value & sign_bit(bytes);

	switch (op) {
	case LODGE_OP_ROL:
		return shift_left(bytes, value, top, flags);
	case LODGE_OP_ROR:
		return shift_right(bytes, value, value & 1, flags);
	case LODGE_OP_RCL:
		return shift_left(bytes, value, *flags & CF, flags);
	case LODGE_OP_RCR:
		return shift_right(bytes, value, *flags & CF, flags);
	case LODGE_OP_SHR:
		return shift_right(bytes, value, false, flags);
	case LODGE_OP_SAR:
		return shift_right(bytes, value, top, flags);
	default:
		return shift_left(bytes, value, false, flags);
	}
}

u64 lodge_shift(enum lodge_insn_op op, u32 bytes, u64 value, u8 count,
		u64 *rflags)
{
	u64 mask = CF | OF;
	u64 flags = *rflags;

	value &= lodge_mask(bytes);
	count &= bytes == 8 ? 63 : 31;
	if (!count)
		return value;
	while (count--)
		value = shift_one(op, bytes, value, &flags);
	if (op >= LODGE_OP_SHL) {
		mask |= PF | ZF | SF;
		flags = (flags & (CF | OF)) | result_flags(value, bytes);
	}
	set_flags(rflags, mask, flags);
	return value;
}

u64 lodge_bit_op(enum lodge_insn_op op, u64 value, u32 bit, u64 *rflags)
{
	set_flags(rflags, CF, value >> bit & 1 ? CF : 0);
	switch (op) {
	case LODGE_OP_BTS:
		return value | 1ull << bit;
	case LODGE_OP_BTR:
		return value & ~(1ull << bit);
	case LODGE_OP_BTC:
		return value ^ 1ull << bit;
	default:
		return value;
	}
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
