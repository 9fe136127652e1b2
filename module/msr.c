// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: one sorted table says which exist for a guest and
 * what reading and writing them does. Whatever is not in it gives #GP.
 *
 * Nothing a guest writes reaches a host MSR from here but two commands, each
 * reduced to its one defined bit; state that lives in hardware is the
 * vendor's, after the checks made here.
 */
#include <asm/msr.h>
#include <asm/tsc.h>

#include "lodge.h"
#include "ops.h"
#include "translate.h"

#define MC_BANKS		4
#define MISC_ENABLE_RESET	0x1801ull	/* fast strings; no BTS, no PEBS */
#define PAT_RESET		0x0007040600070406ull
#define MTRR_CAP		0x508ull	/* 8 variable, fixed, write-combining */
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

struct msr_row;
typedef int (*msr_get)(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		       u64 *value);
typedef int (*msr_set)(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		       u64 value, bool host);

/*
 * @first, @more: the register, and how many follow that are treated alike
 * @feature: guests without it get #GP; 0: all have it
 * @offered: the same, where more than one feature brings the MSR
 * @saved: part of a vCPU's state: listed by LODGE_GET_MSR_LIST
 * @arg: what @get and @set make of it: a constant, or an offset in struct
 *	lodge_vcpu
 * @mask: bits that may be set
 */
struct msr_row {
	u32 first;
	u32 more;
	msr_get get;
	msr_set set;
	bool (*offered)(struct lodge_vcpu *vcpu);
	u64 arg;
	u64 mask;
	u16 feature;
	bool saved;
};

/* A constant; writes by the guest are refused or ignored. */
static int get_const(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		     u64 *value)
{
	*value = msr->arg;
	return 0;
}

static int set_never(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		     u64 value, bool host)
{
	return host && value == msr->arg ? 0 : -EINVAL;
}

static int set_ignore(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		      u64 value, bool host)
{
	return 0;
}

/* Bits of @mask are ignored, others are refused. */
static int set_ignore_masked(struct lodge_vcpu *vcpu, const struct msr_row *msr,
			     u32 index, u64 value, bool host)
{
	return value & ~msr->mask ? -EINVAL : 0;
}

/* Storage in the vCPU. */
static u64 *storage(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index)
{
	return (u64 *)((u8 *)vcpu + msr->arg) + (index - msr->first);
}

static int get_plain(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		     u64 *value)
{
	*value = *storage(vcpu, msr, index);
	return 0;
}

static int set_plain(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		     u64 value, bool host)
{
	if (value & ~msr->mask)
		return -EINVAL;
	*storage(vcpu, msr, index) = value;
	return 0;
}

/* Storage that only userspace fills; the guest's writes have no effect. */
static int set_host_plain(struct lodge_vcpu *vcpu, const struct msr_row *msr,
			  u32 index, u64 value, bool host)
{
	return host ? set_plain(vcpu, msr, index, value, host) : 0;
}

/* Storage that the vendor also has to hear of: it may not care (-EINVAL). */
static int set_told(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		    u64 value, bool host)
{
	int ret = set_plain(vcpu, msr, index, value, host);

	if (!ret)
		lodge_op(set_msr)(vcpu, index, value);
	return ret;
}

/* State that lives in hardware. */
static int get_hardware(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			u64 *value)
{
	return lodge_op(get_msr)(vcpu, index, value);
}

static int set_hardware(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			u64 value, bool host)
{
	if (value & ~msr->mask)
		return -EINVAL;
	return lodge_op(set_msr)(vcpu, index, value);
}

static int set_address(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		       u64 value, bool host)
{
	if (!lodge_canonical(value, false))
		return -EINVAL;
	return lodge_op(set_msr)(vcpu, index, value);
}

static int get_tsc(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		   u64 *value)
{
	*value = rdtsc() + vcpu->tsc_offset;
	return 0;
}

static void move_tsc(struct lodge_vcpu *vcpu, u64 delta)
{
	vcpu->tsc_offset += delta;
	lodge_op(set_tsc_offset)(vcpu, vcpu->tsc_offset);
	lodge_lapic_tsc_changed(vcpu);
}

/* A guest that moves its TSC moves TSC_ADJUST as far (SDM 18.17.3). */
static int set_tsc(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		   u64 value, bool host)
{
	u64 delta = value - (rdtsc() + vcpu->tsc_offset);

	if (!host)
		vcpu->msr.tsc_adjust += delta;
	move_tsc(vcpu, delta);
	return 0;
}

static int set_tsc_adjust(struct lodge_vcpu *vcpu, const struct msr_row *msr,
			  u32 index, u64 value, bool host)
{
	if (!host)
		move_tsc(vcpu, value - vcpu->msr.tsc_adjust);
	vcpu->msr.tsc_adjust = value;
	return 0;
}

static int get_deadline(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			u64 *value)
{
	*value = lodge_lapic_get_deadline(vcpu);
	return 0;
}

static int set_deadline(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			u64 value, bool host)
{
	lodge_lapic_set_deadline(vcpu, value);
	return 0;
}

static int get_apic_base(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			 u64 *value)
{
	*value = lodge_lapic_get_base(vcpu);
	return 0;
}

static int set_apic_base(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			 u64 value, bool host)
{
	return lodge_lapic_set_base(vcpu, value);
}

static int get_efer(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		    u64 *value)
{
	*value = vcpu->efer;
	return 0;
}

static int set_efer(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		    u64 value, bool host)
{
	return lodge_set_efer(vcpu, value);
}

static int get_mtrr(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		    u64 *value)
{
	return lodge_mtrr_get(vcpu, index, value);
}

static int set_mtrr(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		    u64 value, bool host)
{
	return lodge_mtrr_set(vcpu, index, value);
}

/* Eight memory types, with UC- (7) and without the reserved 2 and 3. */
static int set_pat(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		   u64 value, bool host)
{
	int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = value >> i;

		if (type != 7 && !lodge_mtrr_type_valid(type))
			return -EINVAL;
	}
	return set_told(vcpu, msr, index, value, host);
}

/* A guest may only clear a bank's status (SDM 16.3.2.2). */
static int set_mc_bank(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		       u64 value, bool host)
{
	bool status = ((index - msr->first) & 3) == 1;

	if (status && value && !host)
		return -EINVAL;
	return set_plain(vcpu, msr, index, value, host);
}

static bool has_any(struct lodge_vcpu *vcpu, u16 a, u16 b)
{
	return lodge_guest_has(vcpu, a) || lodge_guest_has(vcpu, b);
}

/* One control, two ways to learn of it: 7.EDX and 80000008H.EBX. */
#define EXT_IBPB	(CPUID_8000_0008_EBX * 32 + 12)
#define EXT_IBRS	(CPUID_8000_0008_EBX * 32 + 14)
#define EXT_STIBP	(CPUID_8000_0008_EBX * 32 + 15)
#define EXT_SSBD	(CPUID_8000_0008_EBX * 32 + 24)
#define EXT_PSFD	(CPUID_8000_0008_EBX * 32 + 28)
#define LEAF7_STIBP	(CPUID_7_EDX * 32 + 27)

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

static bool spec_ctrl_offered(struct lodge_vcpu *vcpu)
{
	return spec_ctrl_bits(vcpu);
}

static int set_spec_ctrl(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			 u64 value, bool host)
{
	if (value & ~spec_ctrl_bits(vcpu))
		return -EINVAL;
	return set_told(vcpu, msr, index, value, host);
}

static int get_never(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
		     u64 *value)
{
	return -EINVAL;
}

static bool ibpb_offered(struct lodge_vcpu *vcpu)
{
	return has_any(vcpu, X86_FEATURE_SPEC_CTRL, EXT_IBPB);
}

static int set_pred_cmd(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			u64 value, bool host)
{
	if (value & ~PRED_IBPB)
		return -EINVAL;
	if (value && boot_cpu_has(X86_FEATURE_IBPB))
		wrmsrq_safe(MSR_IA32_PRED_CMD, PRED_IBPB);
	return 0;
}

static int set_flush_cmd(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			 u64 value, bool host)
{
	if (value & ~FLUSH_L1)
		return -EINVAL;
	if (value && boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		wrmsrq_safe(MSR_IA32_FLUSH_CMD, FLUSH_L1);
	return 0;
}

static int get_arch_caps(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			 u64 *value)
{
	if (rdmsrq_safe(MSR_IA32_ARCH_CAPABILITIES, value))
		*value = 0;
	*value &= ARCH_CAPS_SHOWN;
	return 0;
}

static int set_arch_caps(struct lodge_vcpu *vcpu, const struct msr_row *msr, u32 index,
			 u64 value, bool host)
{
	u64 now;

	get_arch_caps(vcpu, msr, index, &now);
	return host && value == now ? 0 : -EINVAL;
}

static bool tsc_aux_offered(struct lodge_vcpu *vcpu)
{
	return has_any(vcpu, X86_FEATURE_RDTSCP, X86_FEATURE_RDPID);
}

#define STATE(member)		.arg = offsetof(struct lodge_vcpu, msr.member)
#define CONST(index, value)	{ (index), 0, get_const, set_never, .arg = (value) }
#define IGNORED(index, value)	{ (index), 0, get_const, set_ignore, .arg = (value) }
#define ADDRESS(index)							\
	{ (index), 0, get_hardware, set_address, .saved = true }
#define HARDWARE(index, bits)						\
	{ (index), 0, get_hardware, set_hardware, .mask = (bits), .saved = true }

/*
 * Sorted by number. The names of the rest are in the comments: they belong to
 * one vendor each, and a guest on the other never asks.
 */
static const struct msr_row msrs[] = {
	IGNORED(0x0, 0),			/* P5_MC_ADDR */
	IGNORED(0x1, 0),			/* P5_MC_TYPE */
	{ MSR_IA32_TSC, 0, get_tsc, set_tsc, .saved = true },
	CONST(MSR_IA32_PLATFORM_ID, 0),
	{ MSR_IA32_APICBASE, 0, get_apic_base, set_apic_base, .saved = true },
	IGNORED(0x2a, 0),			/* EBL_CR_POWERON */
	CONST(0x34, 0),				/* SMI_COUNT */
	CONST(MSR_IA32_FEAT_CTL, 1),		/* locked, nothing enabled */
	{ MSR_IA32_TSC_ADJUST, 0, get_plain, set_tsc_adjust, STATE(tsc_adjust),
	  .feature = X86_FEATURE_TSC_ADJUST, .saved = true },
	{ MSR_IA32_SPEC_CTRL, 0, get_plain, set_spec_ctrl,
	  spec_ctrl_offered, STATE(spec_ctrl), .mask = ~0ull, .saved = true },
	{ MSR_IA32_PRED_CMD, 0, get_never, set_pred_cmd, ibpb_offered },
	{ MSR_IA32_UCODE_WRITE, 0, get_never, set_ignore },
	{ MSR_IA32_UCODE_REV, 0, get_plain, set_host_plain, STATE(bios_sign),
	  .mask = ~0ull, .saved = true },
	CONST(MSR_PLATFORM_INFO, 0),
	CONST(0xfe, MTRR_CAP),
	{ MSR_IA32_ARCH_CAPABILITIES, 0, get_arch_caps, set_arch_caps,
	  .feature = X86_FEATURE_ARCH_CAPABILITIES },
	{ MSR_IA32_FLUSH_CMD, 0, get_never, set_flush_cmd,
	  .feature = X86_FEATURE_FLUSH_L1D },
	CONST(MSR_MISC_FEATURES_ENABLES, 0),
	HARDWARE(MSR_IA32_SYSENTER_CS, U32_MAX),
	ADDRESS(MSR_IA32_SYSENTER_ESP),
	ADDRESS(MSR_IA32_SYSENTER_EIP),
	CONST(MSR_IA32_MCG_CAP, MC_BANKS),
	{ MSR_IA32_MCG_STATUS, 0, get_plain, set_plain, STATE(mcg_status),
	  .mask = 0x7, .saved = true },
	IGNORED(MSR_IA32_PERF_STATUS, 0),
	IGNORED(MSR_IA32_PERF_CTL, 0),
	{ MSR_IA32_MISC_ENABLE, 0, get_plain, set_plain, STATE(misc_enable),
	  .mask = ~0ull, .saved = true },
	{ MSR_IA32_DEBUGCTLMSR, 0, get_const, set_ignore_masked,
	  .mask = DEBUGCTL_IGNORED },
	IGNORED(MSR_IA32_POWER_CTL, 0),
	{ 0x200, 15, get_mtrr, set_mtrr, .saved = true },
	{ 0x250, 0, get_mtrr, set_mtrr, .saved = true },
	{ 0x258, 1, get_mtrr, set_mtrr, .saved = true },
	{ 0x268, 7, get_mtrr, set_mtrr, .saved = true },
	{ MSR_IA32_CR_PAT, 0, get_plain, set_pat, STATE(pat), .mask = ~0ull,
	  .saved = true },
	{ 0x2ff, 0, get_mtrr, set_mtrr, .saved = true },
	{ MSR_IA32_MC0_CTL, MC_BANKS * 4 - 1, get_plain,
	  set_mc_bank, STATE(mc_banks), .mask = ~0ull, .saved = true },
	{ MSR_IA32_TSC_DEADLINE, 0, get_deadline, set_deadline,
	  .feature = X86_FEATURE_TSC_DEADLINE_TIMER, .saved = true },
	{ MSR_EFER, 0, get_efer, set_efer, .saved = true },
	HARDWARE(MSR_STAR, ~0ull),
	ADDRESS(MSR_LSTAR),
	ADDRESS(MSR_CSTAR),
	HARDWARE(MSR_SYSCALL_MASK, U32_MAX),
	ADDRESS(MSR_FS_BASE),
	ADDRESS(MSR_GS_BASE),
	ADDRESS(MSR_KERNEL_GS_BASE),
	{ MSR_TSC_AUX, 0, get_plain, set_told, tsc_aux_offered,
	  STATE(tsc_aux), .mask = U32_MAX, .saved = true },
	{ 0xc0010000, 7, get_const, set_ignore }, /* K7 counters */
	IGNORED(0xc0010010, 0),			/* SYSCFG */
	IGNORED(0xc0010015, BIT(24)),		/* HWCR: the TSC runs at P0's rate */
	CONST(0xc001001a, 0),			/* TOP_MEM */
	CONST(0xc001001d, 0),			/* TOP_MEM2 */
	IGNORED(0xc001001f, 0),			/* NB_CFG */
	{ 0xc0010020, 0, get_never, set_ignore }, /* microcode loader */
	IGNORED(0xc0010055, 0),			/* interrupt pending */
	IGNORED(0xc0010058, 0),			/* MMIO configuration base */
	CONST(0xc0010114, 0),			/* VM_CR */
	CONST(0xc0010140, 0),			/* OSVW: no errata are known, */
	CONST(0xc0010141, 0),			/* and none is worked around */
	IGNORED(0xc0011020, 0),			/* LS_CFG */
	IGNORED(0xc0011022, 0),			/* DC_CFG */
	IGNORED(0xc0011029, BIT(1)),		/* DE_CFG: LFENCE serialises */
	IGNORED(0xc001102a, 0),			/* BU_CFG2 */
};

const u32 lodge_msr_passthrough[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	0
};

static const struct msr_row *find(u32 index)
{
	u32 low = 0, high = ARRAY_SIZE(msrs);

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (index < msrs[middle].first)
			high = middle;
		else if (index > msrs[middle].first + msrs[middle].more)
			low = middle + 1;
		else
			return &msrs[middle];
	}
	return NULL;
}

/* Userspace may save and restore what this guest's CPUID does not offer. */
static const struct msr_row *find_for(struct lodge_vcpu *vcpu, u32 index, bool host)
{
	const struct msr_row *msr = find(index);

	if (!msr || host)
		return msr;
	if (msr->feature && !lodge_guest_has(vcpu, msr->feature))
		return NULL;
	return msr->offered && !msr->offered(vcpu) ? NULL : msr;
}

/**
 * lodge_get_msr() - RDMSR; rings 1 and 2
 * @vcpu: loaded vCPU
 * @index: MSR
 * @value: out
 * @host: for an ioctl
 *
 * Return: 0, or -EINVAL for #GP.
 */
int lodge_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value, bool host)
{
	const struct msr_row *msr = find_for(vcpu, index, host);

	return msr ? msr->get(vcpu, msr, index, value) : -EINVAL;
}

/**
 * lodge_set_msr() - WRMSR; rings 1 and 2
 * @vcpu: loaded vCPU
 * @index: MSR
 * @value: new value
 * @host: for an ioctl: may fill what a guest only reads
 *
 * Return: 0, or -EINVAL for #GP.
 */
int lodge_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value, bool host)
{
	const struct msr_row *msr = find_for(vcpu, index, host);

	return msr ? msr->set(vcpu, msr, index, value, host) : -EINVAL;
}

/**
 * lodge_msr_list() - MSRs that are part of a vCPU's state
 * @indexes: where to
 * @room: entries there
 *
 * Return: how many there are; only @room of them are stored.
 */
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

/**
 * lodge_msr_reset() - power-on values (SDM table 10-1)
 * @vcpu: loaded vCPU; ring 2
 */
void lodge_msr_reset(struct lodge_vcpu *vcpu)
{
	memset(&vcpu->msr, 0, sizeof(vcpu->msr));
	vcpu->msr.misc_enable = MISC_ENABLE_RESET;
	vcpu->msr.pat = PAT_RESET;
	lodge_op(set_msr)(vcpu, MSR_IA32_CR_PAT, PAT_RESET);
	lodge_op(set_msr)(vcpu, MSR_TSC_AUX, 0);
	lodge_op(set_msr)(vcpu, MSR_IA32_SPEC_CTRL, 0);
}
