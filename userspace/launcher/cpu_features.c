// SPDX-License-Identifier: GPL-2.0-only
/* CPU features by the names that /proc/cpuinfo uses. */
#include <errno.h>
#include <stdio.h>

#include "cpu_features.h"

enum { EAX, EBX, ECX, EDX };

/*
 * Names of a register's bits, from bit @first on; a "-" for those that have
 * none, follow the guest's state or are not for guests.
 */
static const struct word {
	__u32 leaf;
	__u32 subleaf;
	unsigned int reg;
	unsigned int first;
	const char *names;
} words[] = {
	{ 0x1, 0, EDX, 0, "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat" },
	{ 0x1, 0, EDX, 17, "pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe" },
	{ 0x1, 0, ECX, 0, "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg" },
	{ 0x1, 0, ECX, 12, "fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt" },
	{ 0x1, 0, ECX, 24, "tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor" },
	{ 0x6, 0, EAX, 0, "dtherm ida arat" },
	{ 0x7, 0, EBX, 0, "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm" },
	{ 0x7, 0, EBX, 12, "cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma" },
	{ 0x7, 0, EBX, 23, "clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni" },
	{ 0x7, 0, EBX, 30, "avx512bw avx512vl" },
	{ 0x7, 0, ECX, 1, "avx512vbmi umip pku - waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq" },
	{ 0x7, 0, ECX, 11, "avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57" },
	{ 0x7, 0, ECX, 22, "rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc" },
	{ 0x7, 0, EDX, 2, "avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect" },
	{ 0x7, 0, EDX, 10, "md_clear - - - serialize - tsxldtrk - pconfig arch_lbr ibt" },
	{ 0x7, 0, EDX, 22, "amx_bf16 avx512_fp16 amx_tile amx_int8 spec_ctrl intel_stibp" },
	{ 0x7, 0, EDX, 28, "flush_l1d arch_capabilities - spec_ctrl_ssbd" },
	{ 0x7, 1, EAX, 4, "avx_vnni avx512_bf16" },
	{ 0xd, 1, EAX, 0, "xsaveopt xsavec xgetbv1 xsaves" },
	{ 0x40000001, 0, EAX, 0, "kvmclock nopiodelay" },
	{ 0x40000001, 0, EAX, 3, "kvmclock asyncpf steal_time pv_eoi pv_unhalt" },
	{ 0x80000001, 0, EDX, 11, "syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb" },
	{ 0x80000001, 0, EDX, 27, "rdtscp - lm 3dnowext 3dnow" },
	{ 0x80000001, 0, ECX, 0, "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a" },
	{ 0x80000001, 0, ECX, 7, "misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4" },
	{ 0x80000001, 0, ECX, 17, "tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb" },
	{ 0x80000001, 0, ECX, 26, "bpext ptsc perfctr_llc mwaitx" },
	{ 0x80000007, 0, EDX, 8, "nonstop_tsc" },
	{ 0x80000008, 0, EBX, 0, "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - ibpb" },
	{ 0x80000008, 0, EBX, 14, "ibrs stibp - - - - - - - - ssbd virt_ssbd" },
};

/* Length of the word at @text, which ends at @end or with the text. */
static size_t length(const char *text, const char *end)
{
	return strcspn(text, end);
}

/* The bit that has this name, or -1. */
static int bit_named(const struct word *w, const char *name, size_t len)
{
	const char *names = w->names;
	int bit;

	for (bit = w->first; *names; bit++) {
		size_t n = length(names, " ");

		if (n == len && !strncmp(names, name, len) && *name != '-')
			return bit;
		names += n + (names[n] == ' ');
	}
	return -1;
}

static __u32 *reg_of(struct lodge_cpuid_entry *entries, unsigned int count, const struct word *w)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct lodge_cpuid_entry *e = &entries[i];

		if (e->leaf != w->leaf ||
		    ((e->flags & LODGE_CPUID_SUBLEAF) && e->subleaf != w->subleaf))
			continue;
		return w->reg == EAX ? &e->eax : w->reg == EBX ? &e->ebx :
		       w->reg == ECX ? &e->ecx : &e->edx;
	}
	return NULL;
}

/* @word: "+name" or "-name", @len bytes long; NULL when it is well. */
static const char *apply(const char *word, size_t len, struct lodge_cpuid_entry *entries,
			 unsigned int count)
{
	bool known = false, there = false;
	unsigned int i;

	if (len < 2 || (*word != '+' && *word != '-'))
		return "neither +NAME nor -NAME";
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		int bit = bit_named(&words[i], word + 1, len - 1);
		__u32 *reg = reg_of(entries, count, &words[i]);

		known |= bit >= 0;
		if (bit < 0 || !reg)
			continue;
		there |= !!(*reg & BIT(bit));
		if (*word == '-')
			*reg &= ~BIT(bit);
	}
	if (!known)
		return "no such CPU feature";
	return *word == '+' && !there ? "this host cannot give it to a guest" : NULL;
}

int cpu_features_apply(const char *text, struct lodge_cpuid_entry *entries, unsigned int count,
		       struct fault *f)
{
	static char what[64];

	while (text && *text) {
		size_t len = length(text, ",");
		const char *why = apply(text, len, entries, count);

		if (why) {
			snprintf(what, sizeof(what), "--cpu-features %.*s", (int)len, text);
			return fault_set(f, what, why, "names are those of /proc/cpuinfo's flags",
					 EINVAL);
		}
		text += len + (text[len] == ',');
	}
	return 0;
}
