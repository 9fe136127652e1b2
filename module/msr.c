// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: one sorted table says which exist for a guest and
 * what reading and writing them does. Whatever is not in it gives #GP.
 *
 * Nothing a guest writes reaches a host MSR from here but two commands, each
 * reduced to its one defined bit; state that lives in hardware is the
 * vendor's, after the checks made here. Memory is write-back whatever PAT and
 * MTRRs say: they are storage with the checks that SDM 12.11 and 12.12 give.
 */
#include <linux/bsearch.h>

#include "ops.h"

#define ANY			(~0ull)
#define MC_BANKS		4
#define MISC_ENABLE_RESET	0x1801ull	/* fast strings; no BTS, no PEBS */
#define MISC_ENABLE_READ_ONLY	0x1880ull
#define MISC_ENABLE_BITS	0x400c51889ull	/* SDM table 2-2 */
#define PAT_RESET		0x0007040600070406ull
#define MTRR_CAP		0x508ull	/* 8 variable, fixed, write-combining */
#define MTRR_DEF_BITS		(0xffull | BIT(10) | BIT(11))
#define DEBUGCTL_IGNORED	0x3ull		/* LBR, BTF */
#define PRED_IBPB		BIT(0)
#define FLUSH_L1		BIT(0)

/*
 * Bits of IA32_ARCH_CAPABILITIES that tell of immunities: RDCL_NO to
 * PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO to PSDP_NO, FB_CLEAR, RRSBA, BHI_NO,
 * PBRSB_NO, GDS_NO, RFDS_NO, RFDS_CLEAR, ITS_NO.
 */
#define ARCH_CAPS_SHOWN		(GENMASK_ULL(6, 0) | BIT_ULL(8) |		\
				 GENMASK_ULL(15, 13) | BIT_ULL(17) |		\
				 GENMASK_ULL(20, 19) | BIT_ULL(24) |		\
				 GENMASK_ULL(28, 26) | BIT_ULL(62))

/* How a register is read and written, if not by functions of its own. */
enum msr_kind {
	CONST,			/* reads as @arg or by @get, refuses writes */
	IGNORED,		/* reads as @arg, ignores writes */
	STORED,			/* at offset @arg of struct lodge_vcpu */
	TOLD,			/* the same, and the vendor hears of it */
	PV,			/* the same, and pvclock.c hears of it */
	HARDWARE,		/* the vendor's */
	ADDRESS,		/* the vendor's, and has to be canonical */
	WRITE_ONLY,		/* reads give #GP */
	COMMAND,		/* the same; for the CPU when it has feature @arg */
};

/*
 * @first, @more: the register, and how many follow that are treated alike
 * @saved: part of a vCPU's state: listed by LODGE_GET_MSR_LIST
 * @feature, @or: guests that have neither get #GP; 0: all have it
 * @mask: bits that may be set
 * @kept: bits of storage that a guest's writes leave alone
 * @valid: what else is asked of a value
 * @get, @set: instead of what @kind says
 */
struct msr_row {
	u32 first;
	u8 more;
	u8 kind;
	bool saved;
	u16 feature;
	u16 or;
	u64 arg;
	u64 mask;
	u64 kept;
	bool (*valid)(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host);
	u64 (*get)(struct lodge_vcpu *vcpu);
	int (*set)(struct lodge_vcpu *vcpu, u64 value, bool host);
};

/* UC 0, WC 1, WT 4, WP 5, WB 6 */
static bool memory_type_valid(u8 type)
{
	return type < 8 && (BIT(type) & 0x73);
}

static bool mtrr_def_valid(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return memory_type_valid(value);
}

/* Eight memory types; PAT has UC- (7), too. */
static bool types_valid(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	int i;

	for (i = 0; i < 64; i += 8)
		if (!memory_type_valid(value >> i) &&
		    !(index == MSR_IA32_CR_PAT && (u8)(value >> i) == 7))
			return false;
	return true;
}

/* Even ones have base and type, odd ones a mask and its valid bit. */
static bool mtrr_variable_valid(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (value >> vcpu->maxphyaddr)
		return false;
	if (index & 1)
		return !(value & GENMASK(10, 0));
	return memory_type_valid(value) && !(value & 0xf00);
}

/*
 * CTL is all ones or zero (SDM 16.3.2.1), less the bits that Linux leaves out
 * on some CPUs; a guest may only clear STATUS (SDM 16.3.2.2).
 */
static bool bank_valid(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	switch (index & 3) {
	case 0:
		return !value || (value | BIT(10) | BIT(0)) == ANY;
	case 1:
		return !value || host;
	}
	return true;
}

static bool has_any(struct lodge_vcpu *vcpu, u16 a, u16 b)
{
	return lodge_guest_has(vcpu, a) || (b && lodge_guest_has(vcpu, b));
}

/* One control, two ways to learn of it: 7.EDX and 80000008H.EBX. */
#define EXT_IBPB	(CPUID_8000_0008_EBX * 32 + 12)
#define EXT_IBRS	(CPUID_8000_0008_EBX * 32 + 14)
#define EXT_STIBP	(CPUID_8000_0008_EBX * 32 + 15)
#define EXT_SSBD	(CPUID_8000_0008_EBX * 32 + 24)
#define EXT_PSFD	(CPUID_8000_0008_EBX * 32 + 28)
#define LEAF7_STIBP	(CPUID_7_EDX * 32 + 27)
/* In the place of a feature: any that brings a bit of SPEC_CTRL. */
#define LODGE_SPEC_CTRL_ANY	U16_MAX

static u64 spec_ctrl_bits(struct lodge_vcpu *vcpu)
{
	u64 bits = 0;

	if (has_any(vcpu, X86_FEATURE_SPEC_CTRL, EXT_IBRS))
		bits |= BIT(0);
	if (has_any(vcpu, LEAF7_STIBP, EXT_STIBP))
		bits |= BIT(1);
	if (has_any(vcpu, X86_FEATURE_SPEC_CTRL_SSBD, EXT_SSBD))
		bits |= BIT(2);
	if (lodge_guest_has(vcpu, EXT_PSFD))
		bits |= BIT(7);
	return bits;
}

static bool spec_ctrl_valid(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	return !(value & ~spec_ctrl_bits(vcpu));
}

static u64 get_arch_caps(struct lodge_vcpu *vcpu)
{
	u64 value;

	return rdmsrq_safe(MSR_IA32_ARCH_CAPABILITIES, &value) ? 0 : value & ARCH_CAPS_SHOWN;
}

static void move_tsc(struct lodge_vcpu *vcpu, u64 delta)
{
	vcpu->tsc_offset += delta;
	lodge_op(set_tsc_offset)(vcpu, vcpu->tsc_offset);
	lodge_lapic_tsc_changed(vcpu);
	lodge_pv_tsc_moved(vcpu, delta);
}

/*
 * An operating system that gives its CPUs one time writes the TSC of each, one
 * after the other. What is within a second of what another vCPU was given is
 * meant to be the same: it gets the same offset.
 */
static u64 wanted_offset(struct lodge_vcpu *vcpu, u64 value)
{
	struct lodge_tsc_sync *sync = &vcpu->vm->tsc_sync;
	u64 second = (u64)vcpu->vm->tsc_khz * 1000;
	u64 offset = value - lodge_scale_tsc(vcpu->vm, rdtsc());

	guard(raw_spinlock_irqsave)(&sync->lock);
	if (sync->writer && sync->writer != vcpu && offset - sync->offset + second <= 2 * second)
		offset = sync->offset;
	sync->offset = offset;
	sync->writer = vcpu;
	return offset;
}

/* A guest that moves its TSC moves TSC_ADJUST as far (SDM 18.17.3). */
static int set_tsc(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	u64 delta = wanted_offset(vcpu, value) - vcpu->tsc_offset;

	if (!host)
		vcpu->msr.tsc_adjust += delta;
	move_tsc(vcpu, delta);
	return 0;
}

static int set_tsc_adjust(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	if (!host)
		move_tsc(vcpu, value - vcpu->msr.tsc_adjust);
	vcpu->msr.tsc_adjust = value;
	return 0;
}

static int set_deadline(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	lodge_lapic_set_deadline(vcpu, value);
	return 0;
}

static int set_efer(struct lodge_vcpu *vcpu, u64 value, bool host)
{
	return lodge_set_efer(vcpu, value);
}

#define C(index, value)		{ (index), .kind = CONST, .arg = (value) }
#define I(index, value)		{ (index), .kind = IGNORED, .arg = (value), .mask = ANY }
#define AT(how, index, n, member, bits)					\
	.first = (index), .more = (n), .kind = (how), .mask = (bits),	\
	.arg = offsetof(struct lodge_vcpu, member)
#define S(index, n, member, bits)	AT(STORED, index, n, msr.member, bits), .saved = true
#define T(index, member, bits)		AT(TOLD, index, 0, msr.member, bits), .saved = true
#define P(index, member, bits)		AT(PV, index, 0, pv.member, bits)
#define A(index, n)		{ (index), (n), ADDRESS, .saved = true, .mask = ANY }
#define H(index, bits)		{ (index), .kind = HARDWARE, .saved = true, .mask = (bits) }
/* What functions of its own read and write. */
#define X(index, reader, writer)					\
	.first = (index), .saved = true, .mask = ANY, .get = (reader), .set = (writer)

/*
 * Sorted by number. The names of the rest are in the comments: they belong to
 * one vendor each, and a guest on the other never asks.
 */
static const struct msr_row msrs[] = {
	{ 0x0, 1, IGNORED, .mask = ANY },	/* P5_MC_ADDR, P5_MC_TYPE */
	{ X(MSR_IA32_TSC, lodge_guest_tsc, set_tsc) },
	{ P(MSR_KVM_WALL_CLOCK, wall, ANY), .feature = LODGE_PV(CLOCKSOURCE) },
	{ P(MSR_KVM_SYSTEM_TIME, clock, ANY), .feature = LODGE_PV(CLOCKSOURCE) },
	C(MSR_IA32_PLATFORM_ID, 0),
	{ X(MSR_IA32_APICBASE, lodge_lapic_get_base, lodge_lapic_set_base) },
	I(0x2a, 0),				/* EBL_CR_POWERON */
	C(0x34, 0),				/* SMI_COUNT */
	C(MSR_IA32_FEAT_CTL, 1),		/* locked, nothing enabled */
	{ S(MSR_IA32_TSC_ADJUST, 0, tsc_adjust, ANY), .set = set_tsc_adjust,
	  .feature = X86_FEATURE_TSC_ADJUST },
	{ T(MSR_IA32_SPEC_CTRL, spec_ctrl, ANY),
	  .feature = LODGE_SPEC_CTRL_ANY, .valid = spec_ctrl_valid },
	{ MSR_IA32_PRED_CMD, .kind = COMMAND, .mask = PRED_IBPB, .arg = X86_FEATURE_IBPB,
	  .feature = X86_FEATURE_SPEC_CTRL, .or = EXT_IBPB },
	{ MSR_IA32_UCODE_WRITE, .kind = WRITE_ONLY, .mask = ANY },
	{ S(MSR_IA32_UCODE_REV, 0, bios_sign, ANY), .kept = ANY }, /* userspace loads microcode */
	C(MSR_PLATFORM_INFO, 0),
	C(0xfe, MTRR_CAP),
	{ MSR_IA32_ARCH_CAPABILITIES, .kind = CONST, .get = get_arch_caps,
	  .feature = X86_FEATURE_ARCH_CAPABILITIES },
	{ MSR_IA32_FLUSH_CMD, .kind = COMMAND, .mask = FLUSH_L1, .arg = X86_FEATURE_FLUSH_L1D,
	  .feature = X86_FEATURE_FLUSH_L1D },
	C(MSR_MISC_FEATURES_ENABLES, 0),
	H(MSR_IA32_SYSENTER_CS, U32_MAX),
	A(MSR_IA32_SYSENTER_ESP, 1),		/* and EIP */
	C(MSR_IA32_MCG_CAP, MC_BANKS),
	{ S(MSR_IA32_MCG_STATUS, 0, mcg_status, 0x7) },
	I(MSR_IA32_PERF_STATUS, 0),
	I(MSR_IA32_PERF_CTL, 0),
	{ S(MSR_IA32_MISC_ENABLE, 0, misc_enable, MISC_ENABLE_BITS),
	  .kept = MISC_ENABLE_READ_ONLY },
	{ MSR_IA32_DEBUGCTLMSR, .kind = IGNORED, .mask = DEBUGCTL_IGNORED },
	I(MSR_IA32_POWER_CTL, 0),
	{ S(0x200, 15, mtrr_var, ANY), .valid = mtrr_variable_valid },
	{ S(0x250, 0, mtrr_fixed[0], ANY), .valid = types_valid },
	{ S(0x258, 1, mtrr_fixed[1], ANY), .valid = types_valid },
	{ S(0x268, 7, mtrr_fixed[3], ANY), .valid = types_valid },
	{ T(MSR_IA32_CR_PAT, pat, ANY), .valid = types_valid },
	{ S(0x2ff, 0, mtrr_def, MTRR_DEF_BITS), .valid = mtrr_def_valid },
	{ S(MSR_IA32_MC0_CTL, MC_BANKS * 4 - 1, mc_banks, ANY), .valid = bank_valid },
	{ X(MSR_IA32_TSC_DEADLINE, lodge_lapic_get_deadline, set_deadline),
	  .feature = X86_FEATURE_TSC_DEADLINE_TIMER },
	{ P(MSR_KVM_WALL_CLOCK_NEW, wall, ANY), .feature = LODGE_PV(CLOCKSOURCE2), .saved = true },
	{ P(MSR_KVM_SYSTEM_TIME_NEW, clock, ANY),
	  .feature = LODGE_PV(CLOCKSOURCE2), .saved = true },
	{ P(MSR_KVM_STEAL_TIME, steal, ~0x3eull), .feature = LODGE_PV(STEAL_TIME), .saved = true },
	{ P(MSR_KVM_PV_EOI_EN, eoi, ~2ull), .feature = LODGE_PV(PV_EOI), .saved = true },
	{ AT(STORED, MSR_EFER, 0, efer, ANY), .saved = true, .set = set_efer },
	H(MSR_STAR, ANY),
	A(MSR_LSTAR, 1),			/* and CSTAR */
	H(MSR_SYSCALL_MASK, U32_MAX),
	A(MSR_FS_BASE, 2),			/* GS_BASE, KERNEL_GS_BASE */
	{ T(MSR_TSC_AUX, tsc_aux, U32_MAX),
	  .feature = X86_FEATURE_RDTSCP, .or = X86_FEATURE_RDPID },
	{ 0xc0010000, 7, IGNORED, .mask = ANY },	/* K7 counters */
	I(0xc0010010, 0),			/* SYSCFG */
	I(0xc0010015, BIT(24)),			/* HWCR: the TSC runs at P0's rate */
	C(0xc001001a, 0),			/* TOP_MEM */
	C(0xc001001d, 0),			/* TOP_MEM2 */
	I(0xc001001f, 0),			/* NB_CFG */
	{ 0xc0010020, .kind = WRITE_ONLY, .mask = ANY }, /* microcode loader */
	I(0xc0010055, 0),			/* interrupt pending */
	I(0xc0010058, 0),			/* MMIO configuration base */
	C(0xc0010114, BIT(4)),			/* VM_CR: SVM is disabled */
	{ 0xc0010140, 1, CONST },		/* OSVW: no errata are known */
	{ 0xc0011020, 3, IGNORED, .mask = ANY },	/* LS, IC, DC and BU_CFG */
	I(0xc0011029, BIT(1)),			/* DE_CFG: LFENCE serialises */
	I(0xc001102a, 0),			/* BU_CFG2 */
};

const u32 lodge_msr_passthrough[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	0
};

static __always_inline int compare(const void *key, const void *row)
{
	const struct msr_row *msr = row;
	u32 index = *(const u32 *)key;

	return index < msr->first ? -1 : index > msr->first + msr->more;
}

/* These have a short way: EOI, IPIs and the timer are the hottest there are. */
static bool is_x2apic(struct lodge_vcpu *vcpu, u32 index, bool host)
{
	return index - APIC_BASE_MSR < 0x100 && !host && lodge_guest_has(vcpu, X86_FEATURE_X2APIC);
}

/* Userspace may save and restore what this guest's CPUID does not offer. */
static const struct msr_row *find_for(struct lodge_vcpu *vcpu, u32 index, bool host)
{
	const struct msr_row *msr = vcpu->msr.recent;

	if (!msr || compare(&index, msr)) {
		msr = __inline_bsearch(&index, msrs, ARRAY_SIZE(msrs), sizeof(msrs[0]), compare);
		if (!msr)
			return NULL;
		vcpu->msr.recent = msr;
	}
	if (host || !msr->feature)
		return msr;
	if (msr->feature == LODGE_SPEC_CTRL_ANY)
		return spec_ctrl_bits(vcpu) ? msr : NULL;
	return has_any(vcpu, msr->feature, msr->or) ? msr : NULL;
}

static u64 *storage(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index)
{
	return (u64 *)((u8 *)vcpu + msr->arg) + (index - msr->first);
}

/* RDMSR; rings 1 and 2, loaded: 0, or -EINVAL for #GP. @host: for an ioctl */
int lodge_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value, bool host)
{
	const struct msr_row *msr;

	if (is_x2apic(vcpu, index, host))
		return lodge_x2apic_read(vcpu, index, value);
	msr = find_for(vcpu, index, host);
	if (!msr || msr->kind >= WRITE_ONLY)
		return -EINVAL;
	if (msr->get)
		*value = msr->get(vcpu);
	else if (msr->kind == HARDWARE || msr->kind == ADDRESS)
		return lodge_op(get_msr)(vcpu, index, value);
	else if (msr->kind == STORED || msr->kind == TOLD || msr->kind == PV)
		*value = *storage(vcpu, msr, index);
	else
		*value = msr->arg;
	return 0;
}

/* WRMSR, alike. @host: may also write what a guest only reads, or clears */
int lodge_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	const struct msr_row *msr;
	u64 *stored;

	if (is_x2apic(vcpu, index, host))
		return lodge_x2apic_write(vcpu, index, value);
	msr = find_for(vcpu, index, host);
	if (!msr)
		return -EINVAL;
	if (msr->kind == CONST && !msr->set)
		return host && value == (msr->get ? msr->get(vcpu) : msr->arg) ? 0 : -EINVAL;
	if ((value & ~msr->mask) || (msr->valid && !msr->valid(vcpu, index, value, host)) ||
	    (msr->kind == ADDRESS &&
	     !lodge_canonical(value, lodge_guest_has(vcpu, X86_FEATURE_LA57))))
		return -EINVAL;
	if (msr->set)
		return msr->set(vcpu, value, host);
	if (msr->kind == HARDWARE || msr->kind == ADDRESS)
		return lodge_op(set_msr)(vcpu, index, value);
	if (msr->kind == STORED || msr->kind == TOLD || msr->kind == PV) {
		stored = storage(vcpu, msr, index);
		*stored = host ? value : (value & ~msr->kept) | (*stored & msr->kept);
	}
	if (msr->kind == COMMAND && value && boot_cpu_has(msr->arg))
		wrmsrq_safe(index, value);
	if (msr->kind == TOLD)
		lodge_op(set_msr)(vcpu, index, value);
	else if (msr->kind == PV)
		lodge_pv_changed(vcpu, index);
	return 0;
}

/* MSRs that are a vCPU's state: how many; only @room of them are stored. */
int lodge_msr_list(u32 *indexes, u32 room)
{
	u32 i, index, count = 0;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		if (!msrs[i].saved)
			continue;
		for (index = 0; index <= msrs[i].more; index++, count++)
			if (count < room)
				indexes[count] = msrs[i].first + index;
	}
	return count;
}

/* Power-on values (SDM table 10-1). @vcpu: loaded; ring 2 */
void lodge_msr_reset(struct lodge_vcpu *vcpu)
{
	memset(&vcpu->msr, 0, sizeof(vcpu->msr));
	vcpu->msr.misc_enable = MISC_ENABLE_RESET;
	vcpu->msr.pat = PAT_RESET;
	lodge_op(set_msr)(vcpu, MSR_IA32_CR_PAT, PAT_RESET);
	lodge_op(set_msr)(vcpu, MSR_TSC_AUX, 0);
	lodge_op(set_msr)(vcpu, MSR_IA32_SPEC_CTRL, 0);
}
