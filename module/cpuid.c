// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what a guest may be offered (an allow-list over the host's own
 * leaves), what each vCPU was told, and the bits that are computed when asked.
 */
#include <linux/bsearch.h>
#include <linux/sort.h>

#include "cpuid.h"
#include "ops.h"

#define F(feature)		BIT(X86_FEATURE_##feature & 31)
#define ALL			(~0u)

#define LAST_BASIC		0xdu
#define LAST_EXTENDED		0x80000021u
#define LODGE_SIGNATURE		0x40000100u
#define BASE_EXTENDED		0x80000000u
#define XSAVE_LEGACY		(512 + 64)
#define LINEAR_BITS		48
#define LINEAR_BITS_LA57	57
#define MAX_PHYS_BITS		48	/* four levels of second-level tables */
#define SIGNATURE_GENU		0x756e6547u	/* leaf 0 EBX, see repeat_last */
#define APIC_ENABLED		BIT(11)

#define LEAF1_ECX	(F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) |	\
			 F(XMM4_1) | F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) |	\
			 F(AVX) | F(F16C) | F(RDRAND))
#define LEAF1_EDX	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) |	\
			 F(CX8) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) |	\
			 F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2))
#define LEAF7_EBX	(F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) |	\
			 F(BMI2) | F(ERMS) | F(INVPCID) | F(ZERO_FCS_FDS) | F(AVX512F) |	\
			 F(AVX512DQ) | F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) |		\
			 F(CLFLUSHOPT) | F(CLWB) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |	\
			 F(SHA_NI) | F(AVX512BW) | F(AVX512VL))
#define LEAF7_ECX	(F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) |		\
			 F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) |		\
			 F(AVX512_VPOPCNTDQ) | F(LA57) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) |	\
			 F(MOVDIR64B))
/* Bit 27 is STIBP, 26 IBRS and IBPB, 28 L1D_FLUSH, 29 ARCH_CAPABILITIES. */
#define LEAF7_EDX	(F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) |			\
			 F(AVX512_VP2INTERSECT) | F(MD_CLEAR) | F(SERIALIZE) | F(AVX512_FP16) |	\
			 F(SPEC_CTRL) | BIT(27) | F(FLUSH_L1D) | F(ARCH_CAPABILITIES) |		\
			 F(SPEC_CTRL_SSBD))
/* AVX_VNNI, AVX512_BF16, FZRM, FSRS, FSRC, AVX_IFMA */
#define LEAF71_EAX	(BIT(4) | BIT(5) | BIT(10) | BIT(11) | BIT(12) | BIT(23))
#define EXT1_ECX	(F(LAHF_LM) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) |	\
			 F(OSVW) | F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT))
/* The low half repeats leaf 1 on some CPUs; bit 9 is the APIC there too. */
#define EXT1_EDX	((LEAF1_EDX & 0x0183f1ff) | BIT(9) | F(SYSCALL) | F(NX) | F(MMXEXT) |	\
			 F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) | F(3DNOWEXT) |		\
			 F(3DNOW))
/*
 * CLZERO, XSAVEERPTR, WBNOINVD, IBPB, IBRS, STIBP, STIBP_ALWAYS_ON, SSBD,
 * SSB_NO, PSFD, BTC_NO
 */
#define EXT8_EBX	(BIT(0) | BIT(2) | BIT(9) | BIT(12) | BIT(14) | BIT(15) | BIT(17) |	\
			 BIT(24) | BIT(26) | BIT(28) | BIT(29))
/* LFENCE is serialising; null selectors clear bases and limits */
#define EXT21_EAX	(BIT(2) | BIT(6))
#define AVX512_EBX	(F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512PF) | F(AVX512ER) |	\
			 F(AVX512CD) | F(AVX512BW) | F(AVX512VL))
#define AVX512_ECX	(F(AVX512VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) |	\
			 F(AVX512_VPOPCNTDQ))
#define AVX512_EDX	(F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(AVX512_VP2INTERSECT) |		\
			 F(AVX512_FP16))

#define PV(feature)	BIT(KVM_FEATURE_##feature)
#define PV_OFFERED	(PV(CLOCKSOURCE) | PV(NOP_IO_DELAY) | PV(CLOCKSOURCE2) | PV(STEAL_TIME) | \
			 PV(PV_EOI) | PV(PV_UNHALT) | PV(PV_SEND_IPI) | PV(CLOCKSOURCE_STABLE_BIT))
/* Components of XCR0 that may be offered, as subleaves of leaf 0xd */
#define XSTATES		(BIT(2) | GENMASK(7, 5) | BIT(9))

/*
 * What is offered: @keep of the host's leaf and @add. A leaf that is not here
 * reads as zero. @subs: its subleaves, 0 for a leaf that has none
 */
static const struct row {
	u32 leaf;
	u32 subs;
	u32 keep[4];
	u32 add[4];
} rows[] = {
	{ 0x0, .keep = { ALL, ALL, ALL, ALL } },
	/* One vCPU is one package: its APIC id is all the topology there is. */
	{ 0x1, 0, { ALL, 0xff00, LEAF1_ECX, LEAF1_EDX },
	  { 0, 1 << 16, F(HYPERVISOR) | F(TSC_DEADLINE_TIMER) | F(X2APIC), F(APIC) } },
	{ 0x2, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x4, GENMASK(4, 0), { 0x3fff, ALL, ALL, ALL } },
	{ 0x6, .add = { BIT(2) } },		/* ARAT: the APIC timer never stops */
	{ 0x7, BIT(0), { ALL, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX }, { 0, F(TSC_ADJUST) } },
	{ 0x7, BIT(1), { LEAF71_EAX } },
	/* Thread level, then core level, both with one member (SDM 9.9.3). */
	{ 0xb, BIT(0), .add = { 0, 1, 1 << 8 } },
	{ 0xb, BIT(1), .add = { 0, 1, 2 << 8 | 1 } },
	{ 0xd, BIT(0) },			/* sizes are computed when asked */
	{ 0xd, BIT(1), { 0x7 } },		/* no XSAVES */
	{ 0xd, XSTATES, { ALL, ALL, 0x2 } },
	/* The paravirtual ABI that Linux knows: "KVMKVMKVM" and its features. */
	{ KVM_CPUID_SIGNATURE, .add = { KVM_CPUID_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d } },
	{ KVM_CPUID_FEATURES, .add = { PV_OFFERED } },
	{ LODGE_SIGNATURE, .add = { LODGE_SIGNATURE, 0x67646f4c, 0x646f4c65, 0x6f4c6567 } },
	{ 0x80000000, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x80000001, .keep = { ALL, 0, EXT1_ECX, EXT1_EDX } },
	{ 0x80000002, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x80000003, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x80000004, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x80000005, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x80000006, .keep = { ALL, ALL, ALL, ALL } },
	{ 0x80000007, .keep = { 0, 0, 0, BIT(8) } },
	{ 0x80000008, .keep = { 0, EXT8_EBX, 0, 0 } },
	{ 0x80000019, .keep = { ALL, ALL, 0, 0 } },
	{ 0x8000001a, .keep = { ALL, 0, 0, 0 } },
	{ 0x8000001d, GENMASK(4, 0), { 0x3fff, ALL, ALL, ALL } },
	{ 0x8000001e },
	{ 0x80000021, .keep = { EXT21_EAX } },
};

/* In the place of XCR0 bits: a TSC that guests may rely on. */
#define STABLE_TSC	BIT_ULL(63)

/* Features that would mislead a guest without some state, or a stable TSC. */
static const struct {
	u32 leaf;
	u8 sub;
	u8 reg;
	u32 bits;
	u64 needs;
} dependent[] = {
	{ 0x1, 0, LODGE_ECX, F(XSAVE), XFEATURE_MASK_FP },
	{ 0x1, 0, LODGE_ECX, F(AVX) | F(FMA) | F(F16C), XFEATURE_MASK_YMM },
	{ 0x1, 0, LODGE_ECX, F(TSC_DEADLINE_TIMER), STABLE_TSC },
	{ 0x7, 0, LODGE_EBX, F(AVX2), XFEATURE_MASK_YMM },
	{ 0x7, 0, LODGE_ECX, F(VAES) | F(VPCLMULQDQ), XFEATURE_MASK_YMM },
	{ 0x7, 0, LODGE_EBX, AVX512_EBX, XFEATURE_MASK_AVX512 },
	{ 0x7, 0, LODGE_ECX, AVX512_ECX, XFEATURE_MASK_AVX512 },
	{ 0x7, 0, LODGE_EDX, AVX512_EDX, XFEATURE_MASK_AVX512 },
	{ 0x7, 0, LODGE_ECX, F(PKU), XFEATURE_MASK_PKRU },
	{ 0x7, 1, LODGE_EAX, BIT(4) | BIT(23), XFEATURE_MASK_YMM },
	{ 0x7, 1, LODGE_EAX, BIT(5), XFEATURE_MASK_AVX512 },
	{ KVM_CPUID_FEATURES, 0, LODGE_EAX, PV(CLOCKSOURCE_STABLE_BIT), STABLE_TSC },
	{ 0x80000001, 0, LODGE_ECX, F(XOP) | F(FMA4), XFEATURE_MASK_YMM },
	{ 0x80000007, 0, LODGE_EDX, BIT(8), STABLE_TSC },
};

static u32 *regs_of(const struct lodge_cpuid_entry *e)
{
	BUILD_BUG_ON(offsetof(struct lodge_cpuid_entry, edx) !=
		     offsetof(struct lodge_cpuid_entry, eax) + LODGE_EDX * sizeof(u32));
	return (u32 *)((char *)e + offsetof(struct lodge_cpuid_entry, eax));
}

static void fit_to_host(const struct lodge_cpuid_host *host, struct lodge_cpuid_entry *e)
{
	u64 has = host->xcr0 | (host->stable_tsc ? STABLE_TSC : 0);
	u32 *regs = regs_of(e), leaf7[4];
	int i;

	for (i = 0; i < ARRAY_SIZE(dependent); i++)
		if (dependent[i].leaf == e->leaf && dependent[i].sub == e->subleaf &&
		    !(has & dependent[i].needs))
			regs[dependent[i].reg] &= ~dependent[i].bits;
	switch (e->leaf) {
	case 0x0:
		e->eax = min(e->eax, LAST_BASIC);
		break;
	case 0x7:
		if (!e->subleaf)
			e->eax = min(e->eax, 1u);
		break;
	case 0xd:
		if (!e->subleaf) {
			e->eax = host->xcr0;
			e->edx = host->xcr0 >> 32;
		} else if (e->subleaf > 1 && !(host->xcr0 & BIT_ULL(e->subleaf))) {
			memset(regs, 0, 4 * sizeof(*regs));
		}
		break;
	case BASE_EXTENDED:
		e->eax = min(e->eax, LAST_EXTENDED);
		break;
	case 0x80000008:
		host->read(7, 0, leaf7);
		e->eax = host->phys_bits | (leaf7[LODGE_ECX] & F(LA57) ? LINEAR_BITS_LA57 :
								      LINEAR_BITS) << 8;
		break;
	}
}

static u32 range_base(u32 leaf)
{
	if (leaf >= BASE_EXTENDED && leaf < 0xc0000000)
		return BASE_EXTENDED;
	return leaf >= KVM_CPUID_SIGNATURE && leaf < BASE_EXTENDED ? KVM_CPUID_SIGNATURE : 0;
}

/* Does the host have this leaf, or do we make it up? */
static bool leaf_exists(const struct lodge_cpuid_host *host, u32 leaf)
{
	u32 base = range_base(leaf), regs[4];

	if (base == KVM_CPUID_SIGNATURE)
		return true;
	host->read(base, 0, regs);
	return leaf == base || leaf <= regs[LODGE_EAX];
}

static void build_entry(const struct lodge_cpuid_host *host, const struct row *row,
			u32 subleaf, struct lodge_cpuid_entry *e)
{
	u32 regs[4];
	int i;

	*e = (struct lodge_cpuid_entry) {
		.leaf = row->leaf,
		.subleaf = subleaf,
		.flags = row->subs ? LODGE_CPUID_SUBLEAF : 0,
	};
	host->read(row->leaf, subleaf, regs);
	for (i = 0; i < 4; i++)
		regs_of(e)[i] = (regs[i] & row->keep[i]) | row->add[i];
	fit_to_host(host, e);
}

/* The table of what a guest may be offered: the number of entries, or -ENOSPC. */
int lodge_cpuid_build(const struct lodge_cpuid_host *host,
		      struct lodge_cpuid_entry *entries, u32 room)
{
	u32 i, sub, count = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned long subs = rows[i].subs ?: BIT(0);

		if (!leaf_exists(host, rows[i].leaf))
			continue;
		for_each_set_bit(sub, &subs, 32) {
			if (count == room)
				return -ENOSPC;
			build_entry(host, &rows[i], sub, &entries[count++]);
		}
	}
	return count;
}

/* Which register of which leaf is which word of X86_FEATURE_*. */
static const struct {
	u8 word;
	u8 reg;
	u8 subleaf;
	u32 leaf;
} words[] = {
	{ CPUID_1_EDX, LODGE_EDX, 0, 0x1 }, { CPUID_1_ECX, LODGE_ECX, 0, 0x1 },
	{ CPUID_7_0_EBX, LODGE_EBX, 0, 0x7 }, { CPUID_7_ECX, LODGE_ECX, 0, 0x7 },
	{ CPUID_7_EDX, LODGE_EDX, 0, 0x7 }, { CPUID_7_1_EAX, LODGE_EAX, 1, 0x7 },
	{ CPUID_D_1_EAX, LODGE_EAX, 1, 0xd }, { CPUID_8000_0001_EDX, LODGE_EDX, 0, 0x80000001 },
	{ CPUID_8000_0001_ECX, LODGE_ECX, 0, 0x80000001 },
	{ CPUID_8000_0008_EBX, LODGE_EBX, 0, 0x80000008 },
	{ CPUID_8000_0021_EAX, LODGE_EAX, 0, 0x80000021 },
	{ LODGE_PV_WORD, LODGE_EAX, 0, KVM_CPUID_FEATURES },
};

/* The CPU's answer, less what the host kernel turned off (clearcpuid=, bugs). */
static void read_host(u32 leaf, u32 subleaf, u32 regs[4])
{
	int i;

	cpuid_count(leaf, subleaf, &regs[LODGE_EAX], &regs[LODGE_EBX],
		    &regs[LODGE_ECX], &regs[LODGE_EDX]);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].leaf == leaf && words[i].subleaf == subleaf &&
		    words[i].word < NCAPINTS)
			regs[words[i].reg] &= boot_cpu_data.x86_capability[words[i].word];
}

/* May guests rely on the rate of the host's TSC? */
bool lodge_stable_tsc(void)
{
	return boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !check_tsc_unstable();
}

u8 lodge_phys_bits(void)
{
	return min_t(u8, boot_cpu_data.x86_phys_bits, MAX_PHYS_BITS);
}

/* A leaf without subleaves answers to all of them. */
static __always_inline int compare(const void *a, const void *b)
{
	const struct lodge_cpuid_entry *x = a, *y = b;

	if (x->leaf != y->leaf)
		return x->leaf < y->leaf ? -1 : 1;
	if (x->subleaf == y->subleaf || !(y->flags & LODGE_CPUID_SUBLEAF))
		return 0;
	return x->subleaf < y->subleaf ? -1 : 1;
}

/* Check a table from userspace and sort it: 0; -EINVAL: flags, a leaf twice. */
int lodge_cpuid_prepare(struct lodge_cpuid_table *table)
{
	struct lodge_cpuid_entry *e = table->entries;
	const struct lodge_cpuid_entry *first;
	u32 i;

	for (i = 0; i < table->count; i++) {
		if (e[i].flags & ~LODGE_CPUID_SUBLEAF)
			return -EINVAL;
		if (!e[i].flags)
			e[i].subleaf = 0;
	}
	sort(e, table->count, sizeof(*e), compare, NULL);
	for (i = 1; i < table->count; i++)
		if (!compare(&e[i - 1], &e[i]) || !compare(&e[i], &e[i - 1]))
			return -EINVAL;
	/* SDM's CPUID repeats the last basic leaf, APM's answers with zeros. */
	first = lodge_cpuid_lookup(table, 0, 0);
	table->repeat_last = first && first->ebx == SIGNATURE_GENU;
	return 0;
}

/* Entry of a leaf, or NULL; any ring. */
const struct lodge_cpuid_entry *
lodge_cpuid_lookup(const struct lodge_cpuid_table *table, u32 leaf, u32 subleaf)
{
	struct lodge_cpuid_entry key = { .leaf = leaf, .subleaf = subleaf };

	return __inline_bsearch(&key, table->entries, table->count, sizeof(key), compare);
}

/* Entry that answers a leaf, also outside the ranges; NULL for zeros. */
const struct lodge_cpuid_entry *
lodge_cpuid_resolve(const struct lodge_cpuid_table *table, u32 leaf, u32 subleaf)
{
	const struct lodge_cpuid_entry *e = lodge_cpuid_lookup(table, leaf, subleaf);
	u32 from = leaf >= LODGE_SIGNATURE && leaf < BASE_EXTENDED ? LODGE_SIGNATURE :
								     range_base(leaf);
	const struct lodge_cpuid_entry *base;

	if (e || !table->repeat_last)
		return e;
	base = lodge_cpuid_lookup(table, from, 0);
	if (base && leaf <= base->eax)
		return NULL;
	base = lodge_cpuid_lookup(table, 0, 0);
	return base ? lodge_cpuid_lookup(table, base->eax, subleaf) : NULL;
}

/* Bytes of an XSAVE area (SDM 13.4); @compact: the format of XSAVEC. */
u32 lodge_xsave_size(const struct lodge_cpuid_table *table, u64 xcr0, bool compact)
{
	u32 size = XSAVE_LEGACY;
	unsigned long extended = xcr0 & ~XFEATURE_MASK_FPSSE;
	unsigned int i;

	for_each_set_bit(i, &extended, 63) {
		const struct lodge_cpuid_entry *e = lodge_cpuid_lookup(table, 0xd, i);

		if (!e)
			continue;
		if (compact)
			size = (e->ecx & BIT(1) ? ALIGN(size, 64) : size) + e->eax;
		else
			size = max(size, e->ebx + e->eax);
	}
	return size;
}

/* Leaves that patch() knows, and a few others, by their last five bits */
#define LIVE	(BIT(0x1) | BIT(0x7) | BIT(0xb) | BIT(0xd) | BIT(0x1e))

/* The bits that depend on what the guest did since. */
static noinline void patch(struct lodge_vcpu *vcpu, u32 leaf, u32 subleaf)
{
	u64 *regs = vcpu->regs;

	switch (leaf) {
	case 0x1:
		regs[LODGE_RBX] = (regs[LODGE_RBX] & 0xffffff) | vcpu->id << 24;
		if (lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_OSXSAVE)
			regs[LODGE_RCX] |= F(OSXSAVE);
		fallthrough;
	case 0x80000001:
		if (!(lodge_lapic_get_base(vcpu) & APIC_ENABLED))
			regs[LODGE_RDX] &= ~(u64)F(APIC);
		break;
	case 0x7:
		if (!subleaf && (lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_PKE))
			regs[LODGE_RCX] |= F(OSPKE);
		break;
	case 0xb:
		regs[LODGE_RCX] = (regs[LODGE_RCX] & ~0xffull) | (subleaf & 0xff);
		regs[LODGE_RDX] = vcpu->id;
		break;
	case 0xd:
		if (subleaf > 1 || (subleaf && !(regs[LODGE_RAX] & BIT(1))))
			break;
		regs[LODGE_RBX] = lodge_xsave_size(vcpu->cpuid, lodge_get_xcr0(vcpu), subleaf);
		if (!subleaf)
			regs[LODGE_RCX] = lodge_xsave_size(vcpu->cpuid, vcpu->xcr0_mask, false);
		break;
	case 0x8000001e:
		regs[LODGE_RAX] = vcpu->id;
		break;
	}
}

static __always_inline void answer(struct lodge_vcpu *vcpu, const struct lodge_cpuid_entry *e)
{
	vcpu->regs[LODGE_RAX] = e->eax;
	vcpu->regs[LODGE_RBX] = e->ebx;
	vcpu->regs[LODGE_RCX] = e->ecx;
	vcpu->regs[LODGE_RDX] = e->edx;
}

/* A leaf that was not asked for last time. */
static noinline void find_and_answer(struct lodge_vcpu *vcpu, u32 leaf, u32 subleaf, u16 *hint)
{
	const struct lodge_cpuid_entry *e = lodge_cpuid_resolve(vcpu->cpuid, leaf, subleaf);
	static const struct lodge_cpuid_entry nothing;

	answer(vcpu, e ?: &nothing);
	if (e)
		*hint = e - vcpu->cpuid->entries;
	if (e || leaf == 0xb)	/* SDM: also past the last level */
		patch(vcpu, e ? e->leaf : leaf, subleaf);
}

/* Ring 1: the guest executes CPUID. Where a leaf was found is remembered. */
void lodge_cpuid_execute(struct lodge_vcpu *vcpu)
{
	u32 leaf = vcpu->regs[LODGE_RAX], subleaf = vcpu->regs[LODGE_RCX];
	struct lodge_cpuid_table *table = vcpu->cpuid;
	u16 *hint = &table->hint[(leaf ^ leaf >> 28 ^ subleaf) % ARRAY_SIZE(table->hint)];
	const struct lodge_cpuid_entry *e = &table->entries[*hint];

	if (unlikely(*hint >= table->count || e->leaf != leaf ||
		     (e->flags && e->subleaf != subleaf))) {
		find_and_answer(vcpu, leaf, subleaf, hint);
		return;
	}
	answer(vcpu, e);
	if (LIVE >> leaf % 32 & 1)
		patch(vcpu, leaf, subleaf);
}

/* A guest has what it was told of and what we can do for it. */
static void set_features(struct lodge_vcpu *vcpu, const struct lodge_cpuid_table *supported)
{
	const struct lodge_cpuid_entry *told, *can;
	int i;

	memset(vcpu->features, 0, sizeof(vcpu->features));
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		told = lodge_cpuid_lookup(vcpu->cpuid, words[i].leaf, words[i].subleaf);
		can = lodge_cpuid_lookup(supported, words[i].leaf, words[i].subleaf);
		if (told && can)
			vcpu->features[words[i].word] = regs_of(told)[words[i].reg] &
							regs_of(can)[words[i].reg];
	}
}

static const struct {
	u64 cr4;
	u16 feature;
} cr4_features[] = {
	{ X86_CR4_VME | X86_CR4_PVI, X86_FEATURE_VME }, { X86_CR4_TSD, X86_FEATURE_TSC },
	{ X86_CR4_DE, X86_FEATURE_DE }, { X86_CR4_PSE, X86_FEATURE_PSE },
	{ X86_CR4_PAE, X86_FEATURE_PAE }, { X86_CR4_MCE, X86_FEATURE_MCE },
	{ X86_CR4_PGE, X86_FEATURE_PGE }, { X86_CR4_OSFXSR, X86_FEATURE_FXSR },
	{ X86_CR4_OSXMMEXCPT, X86_FEATURE_XMM }, { X86_CR4_UMIP, X86_FEATURE_UMIP },
	{ X86_CR4_FSGSBASE, X86_FEATURE_FSGSBASE }, { X86_CR4_PCIDE, X86_FEATURE_PCID },
	{ X86_CR4_OSXSAVE, X86_FEATURE_XSAVE }, { X86_CR4_SMEP, X86_FEATURE_SMEP },
	{ X86_CR4_SMAP, X86_FEATURE_SMAP }, { X86_CR4_PKE, X86_FEATURE_PKU },
	{ X86_CR4_LA57, X86_FEATURE_LA57 },
};

/* CR4 bits that a guest with these words of X86_FEATURE_* may not set. */
u64 lodge_cr4_reserved(const u32 *features)
{
	u64 allowed = X86_CR4_PCE;
	int i;

	for (i = 0; i < ARRAY_SIZE(cr4_features); i++) {
		u16 feature = cr4_features[i].feature;

		if (features[feature / 32] & BIT(feature % 32))
			allowed |= cr4_features[i].cr4;
	}
	return ~allowed;
}

/* Physical address width that a table promises, or 0 if we cannot keep it. */
static u8 table_phys_bits(const struct lodge_cpuid_table *table)
{
	const struct lodge_cpuid_entry *e = lodge_cpuid_lookup(table, 0x80000008, 0);
	u8 bits = e ? e->eax & 0xff : 36;

	return bits >= 32 && bits <= lodge_phys_bits() ? bits : 0;
}

static u64 table_xcr0(const struct lodge_cpuid_table *table)
{
	const struct lodge_cpuid_entry *e = lodge_cpuid_lookup(table, 0xd, 0);

	if (!e)
		return XFEATURE_MASK_FP;
	return ((e->eax | (u64)e->edx << 32) & lodge_xcr0) | XFEATURE_MASK_FP;
}

/* All that this host can offer a guest, for kvfree(); NULL without memory. */
struct lodge_cpuid_table *lodge_cpuid_supported(void)
{
	const struct lodge_cpuid_host host = {
		.read = read_host,
		.xcr0 = lodge_xcr0,
		.phys_bits = lodge_phys_bits(),
		.stable_tsc = lodge_stable_tsc(),
	};
	struct lodge_cpuid_table *table;

	table = kvzalloc(struct_size(table, entries, LODGE_MAX_CPUID), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	table->count = max(lodge_cpuid_build(&host, table->entries, LODGE_MAX_CPUID), 0);
	lodge_cpuid_prepare(table);
	return table;
}

/**
 * lodge_cpuid_set() - give a vCPU its CPUID
 * @vcpu: loaded vCPU; ring 2
 * @table: from userspace; the vCPU's when 0 is returned
 *
 * Return: 0; -EINVAL for an inconsistent table; -ENOMEM.
 */
int lodge_cpuid_set(struct lodge_vcpu *vcpu, struct lodge_cpuid_table *table)
{
	struct lodge_cpuid_table *supported;
	int ret = lodge_cpuid_prepare(table);
	u8 bits = table_phys_bits(table);

	if (ret || !bits)
		return -EINVAL;
	supported = lodge_cpuid_supported();
	if (!supported)
		return -ENOMEM;
	kvfree(vcpu->cpuid);
	vcpu->cpuid = table;
	vcpu->maxphyaddr = bits;
	vcpu->xcr0_mask = table_xcr0(table);
	set_features(vcpu, supported);
	vcpu->cr4_guest_rsvd = lodge_cr4_reserved(vcpu->features);
	lodge_op(cpuid_changed)(vcpu);
	kvfree(supported);
	return 0;
}

/* A new vCPU has all that is supported: 0 or -ENOMEM. */
int lodge_cpuid_set_default(struct lodge_vcpu *vcpu)
{
	struct lodge_cpuid_table *table = lodge_cpuid_supported();
	int ret;

	if (!table)
		return -ENOMEM;
	ret = lodge_cpuid_set(vcpu, table);
	if (ret)
		kvfree(table);
	return ret;
}
