// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory type range registers (SDM 12.11). Guest memory is write-back whatever
 * they say, so they are storage with the checks that the manual gives.
 */
#include "lodge.h"

#define DEF_TYPE	0x2ffu
#define FIRST_VARIABLE	0x200u
#define LAST_VARIABLE	0x20fu
#define DEF_TYPE_BITS	(0xffull | BIT(10) | BIT(11))
#define MASK_VALID	BIT(11)

/* Fixed ranges in the order of struct lodge_msr_state. */
static const u32 fixed[] = {
	0x250, 0x258, 0x259,
	0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
};

/**
 * lodge_mtrr_type_valid() - is this a memory type an MTRR may hold?
 * @type: UC 0, WC 1, WT 4, WP 5, WB 6
 */
bool lodge_mtrr_type_valid(u8 type)
{
	return type < 8 && (BIT(type) & 0x73);
}

static u64 *slot(struct lodge_vcpu *vcpu, u32 index)
{
	int i;

	if (index == DEF_TYPE)
		return &vcpu->msr.mtrr_def;
	if (index >= FIRST_VARIABLE && index <= LAST_VARIABLE)
		return &vcpu->msr.mtrr_var[index - FIRST_VARIABLE];
	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (fixed[i] == index)
			return &vcpu->msr.mtrr_fixed[i];
	return NULL;
}

static bool fixed_valid(u64 value)
{
	int i;

	for (i = 0; i < 64; i += 8)
		if (!lodge_mtrr_type_valid(value >> i))
			return false;
	return true;
}

static bool variable_valid(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (value >> vcpu->maxphyaddr)
		return false;
	if (index & 1)
		return !(value & (MASK_VALID - 1));
	return lodge_mtrr_type_valid(value) && !(value & 0xf00);
}

static bool valid(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	if (index == DEF_TYPE)
		return !(value & ~DEF_TYPE_BITS) && lodge_mtrr_type_valid(value);
	if (index <= LAST_VARIABLE)
		return variable_valid(vcpu, index, value);
	return fixed_valid(value);
}

/**
 * lodge_mtrr_get() - read an MTRR; any ring
 * @vcpu: vCPU
 * @index: MSR
 * @value: out
 *
 * Return: 0, or -EINVAL when it is not an MTRR.
 */
int lodge_mtrr_get(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	u64 *stored = slot(vcpu, index);

	if (!stored)
		return -EINVAL;
	*value = *stored;
	return 0;
}

/**
 * lodge_mtrr_set() - write an MTRR; any ring
 * @vcpu: vCPU
 * @index: MSR
 * @value: new value
 *
 * Return: 0, or -EINVAL for #GP.
 */
int lodge_mtrr_set(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	u64 *stored = slot(vcpu, index);

	if (!stored || !valid(vcpu, index, value))
		return -EINVAL;
	*stored = value;
	return 0;
}
