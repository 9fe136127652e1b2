// SPDX-License-Identifier: GPL-2.0-only
/* MSRs and control registers: what is accepted, what is kept, what faults. */
#include "bare.h"

#define NONCANONICAL	0x0001000000000000ull
#define HIGH_HALF	0xffff800000001000ull

enum expect {
	KEEPS,		/* written and read back */
	ACCEPTS,	/* written; what is read back is not checked */
	FAULTS,		/* #GP(0), and the old value stays */
};

struct msr_row {
	const char *name;
	u32 msr;
	u64 value;
	enum expect expect;
};

static const struct msr_row common[] = {
	{ "STAR", 0xc0000081, 0x0123456789abcdefull, KEEPS },
	{ "LSTAR", 0xc0000082, HIGH_HALF, KEEPS },
	{ "LSTAR non-canonical", 0xc0000082, NONCANONICAL, FAULTS },
	{ "CSTAR", 0xc0000083, HIGH_HALF, KEEPS },
	{ "CSTAR non-canonical", 0xc0000083, NONCANONICAL, FAULTS },
	{ "SFMASK", 0xc0000084, 0x47700, KEEPS },
	{ "FS_BASE", 0xc0000100, HIGH_HALF, KEEPS },
	{ "FS_BASE non-canonical", 0xc0000100, NONCANONICAL, FAULTS },
	{ "GS_BASE", 0xc0000101, HIGH_HALF, KEEPS },
	{ "GS_BASE non-canonical", 0xc0000101, NONCANONICAL, FAULTS },
	{ "KERNEL_GS_BASE", 0xc0000102, HIGH_HALF, KEEPS },
	{ "KERNEL_GS_BASE non-canonical", 0xc0000102, NONCANONICAL, FAULTS },
	{ "SYSENTER_CS", 0x174, 0x10, KEEPS },
	{ "SYSENTER_ESP", 0x175, 0x12345000, KEEPS },
	{ "SYSENTER_EIP", 0x176, 0x12345678, KEEPS },
	{ "PAT", 0x277, 0x0007040600070406ull, KEEPS },
	{ "PAT with type 2", 0x277, 0x0007040600070402ull, FAULTS },
	{ "PAT with type 3", 0x277, 0x0007040603070406ull, FAULTS },
	{ "PAT with type 8", 0x277, 0x0807040600070406ull, FAULTS },
	{ "PAT with every type", 0x277, 0x0001040506070001ull, KEEPS },
	{ "MTRR default type", 0x2ff, 0xc06, KEEPS },
	{ "MTRR default type 2", 0x2ff, 0xc02, FAULTS },
	{ "MTRR default, reserved bit 12", 0x2ff, 0x1c06, FAULTS },
	{ "MTRR default, reserved bit 8", 0x2ff, 0xd06, FAULTS },
	{ "MTRR fixed 64K", 0x250, 0x0606060606060606ull, KEEPS },
	{ "MTRR fixed 64K with type 2", 0x250, 0x0606060606060602ull, FAULTS },
	{ "MTRR fixed 4K", 0x26f, 0x0505050505050505ull, KEEPS },
	{ "MTRR fixed 4K with type 7", 0x26f, 0x0705050505050505ull, FAULTS },
	{ "MTRR base 0", 0x200, 0x80000006, KEEPS },
	{ "MTRR base 0 with type 2", 0x200, 0x80000002, FAULTS },
	{ "MTRR base 0, reserved bit 8", 0x200, 0x80000106, FAULTS },
	{ "MTRR base 0 beyond MAXPHYADDR", 0x200, 1ull << 60, FAULTS },
	{ "MTRR mask 0", 0x201, 0xff80000800ull, KEEPS },
	{ "MTRR mask 0, reserved bit 4", 0x201, 0xff80000810ull, FAULTS },
	{ "MTRR mask 0 beyond MAXPHYADDR", 0x201, 1ull << 60, FAULTS },
	{ "MTRR_CAP is read-only", 0xfe, 0x508, FAULTS },
	{ "EFER, reserved bit 1", 0xc0000080, 0x503, FAULTS },
	{ "EFER, reserved bit 9", 0xc0000080, 0x701, FAULTS },
	{ "EFER, reserved bit 16", 0xc0000080, 0x10501, FAULTS },
	{ "EFER, reserved bit 63", 0xc0000080, 1ull << 63 | 0x501, FAULTS },
	{ "EFER.LME cleared under paging", 0xc0000080, 0x401, FAULTS },
	{ "EFER.SCE cleared", 0xc0000080, 0x500, KEEPS },
	{ "EFER.NXE", 0xc0000080, 0xd01, KEEPS },
	{ "EFER as it was", 0xc0000080, 0x501, KEEPS },
	{ "APIC_BASE, reserved bit 0", 0x1b, 0xfee00901, FAULTS },
	{ "APIC_BASE, reserved bit 9", 0x1b, 0xfee00b00, FAULTS },
	{ "APIC_BASE beyond MAXPHYADDR", 0x1b, 1ull << 60 | 0xfee00900, FAULTS },
	{ "APIC_BASE, x2APIC without the APIC", 0x1b, 0xfee00500, FAULTS },
	{ "an MSR that no CPU has", 0x12345, 0, FAULTS },
	{ "another MSR that no CPU has", 0xc0010fff, 0, FAULTS },
	{ "the last MSR", 0xffffffff, 0, FAULTS },
	{ "TSC", 0x10, 0x100000000ull, ACCEPTS },
	{ "MCG_CAP is read-only", 0x179, 0, FAULTS },
	{ "MCG_STATUS", 0x17a, 0, KEEPS },
	{ "MC0_STATUS cleared", 0x401, 0, KEEPS },
};

static const struct msr_row intel[] = {
	{ "SYSENTER_ESP non-canonical", 0x175, NONCANONICAL, FAULTS },
	{ "SYSENTER_EIP non-canonical", 0x176, NONCANONICAL, FAULTS },
	{ "MC0_STATUS set", 0x401, 1, FAULTS },
	{ "MC0_CTL of all ones", 0x400, ~0ull, KEEPS },
	{ "MC0_CTL of zeros", 0x400, 0, KEEPS },
};

static void check_msr(const struct msr_row *r)
{
	u64 old, now = 0;
	bool absent = try_rdmsr(r->msr, &old) != NO_TRAP;
	int vector = try_wrmsr(r->msr, r->value);

	if (r->expect == FAULTS && vector == NO_TRAP && lax_cpu && r->value == NONCANONICAL) {
		skip("not checked by this CPU", "WRMSR #GP: %s", r->name);
		skip("not checked by this CPU", "unchanged after: %s", r->name);
		try_wrmsr(r->msr, old);
		return;
	}
	if (r->expect == FAULTS) {
		check(vector == VEC_GP && !caught.error, "WRMSR #GP: %s", r->name);
		check(absent || (try_rdmsr(r->msr, &now) == NO_TRAP && now == old) ||
		      r->msr == 0x10, "unchanged after: %s", r->name);
		return;
	}
	check(vector == NO_TRAP, "WRMSR: %s", r->name);
	if (r->expect == KEEPS) {
		vector = try_rdmsr(r->msr, &now);
		check(vector == NO_TRAP && now == r->value, "RDMSR: %s", r->name);
	}
	if (!absent && r->msr != 0x10)
		try_wrmsr(r->msr, old);
}

static void test_msrs(void)
{
	u64 v;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(common); i++)
		check_msr(&common[i]);
	for (i = 0; is_intel && i < ARRAY_SIZE(intel); i++)
		check_msr(&intel[i]);
	check(try_rdmsr(0x12345, &v) == VEC_GP, "RDMSR #GP: an MSR that no CPU has");
	check(try_rdmsr(0x49, &v) == VEC_GP, "RDMSR #GP: PRED_CMD is write-only");
	if (cpuid_edx(7) & (1 << 26) || (cpuid_ebx(0x80000008) & (1 << 12)))
		check(try_wrmsr(0x49, 1) == NO_TRAP, "WRMSR: PRED_CMD.IBPB");
	else
		check(try_wrmsr(0x49, 1) == VEC_GP, "WRMSR #GP: PRED_CMD without IBPB");
	check(try_wrmsr(0x49, 1ull << 32) == VEC_GP, "WRMSR #GP: PRED_CMD, reserved bits");
}

static void test_tsc(void)
{
	u64 a, b;

	a = rdtsc();
	b = rdtsc();
	check(b >= a, "TSC goes forward");
	wrmsr(0x10, 0x200000000000ull);
	b = rdtsc();
	check(b >= 0x200000000000ull && b < 0x200200000000ull, "a written TSC goes on from there");
	if (cpuid_ebx(7) & 2) {
		u64 before = rdmsr(0x3b);

		wrmsr(0x3b, before + 0x100000000000ull);
		b = rdtsc();
		check(b >= 0x300000000000ull && b < 0x300200000000ull, "TSC_ADJUST moves the TSC");
		check(rdmsr(0x3b) == before + 0x100000000000ull, "TSC_ADJUST is kept");
		wrmsr(0x3b, before);
	} else {
		skip("no TSC_ADJUST", "TSC_ADJUST moves the TSC");
		skip("no TSC_ADJUST", "TSC_ADJUST is kept");
	}
	if (cpuid_edx(0x80000001) & (1 << 27)) {
		u32 low, high, aux;

		wrmsr(0xc0000103, 0x1234567);
		asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
		check(aux == 0x1234567, "RDTSCP returns TSC_AUX");
	} else {
		skip("no RDTSCP", "RDTSCP returns TSC_AUX");
	}
	WRITE_CR(4, READ_CR(4) | 4);
	check(TRY("rdtsc", , : "rax", "rdx") == NO_TRAP, "RDTSC at CPL 0 with CR4.TSD");
	WRITE_CR(4, READ_CR(4) & ~4ul);
}

static u64 user_rdtsc(u64 arg)
{
	return TRY("rdtsc", , : "rax", "rdx");
}

static u64 user_cli(u64 arg)
{
	return TRY("cli", , );
}

static u64 user_hlt(u64 arg)
{
	return TRY("hlt", , );
}

static u64 user_in(u64 arg)
{
	return TRY("inb $0x80, %%al", , : "rax");
}

static u64 user_cr0(u64 arg)
{
	return TRY("mov %%cr0, %%rax", , : "rax");
}

static u64 user_rdmsr(u64 arg)
{
	return TRY("rdmsr", , "c"(0x1b) : "rax", "rdx");
}

static u64 user_invlpg(u64 arg)
{
	return TRY("invlpg (%%rsp)", , );
}

static u64 user_clts(u64 arg)
{
	return TRY("clts", , );
}

static u64 user_wbinvd(u64 arg)
{
	return TRY("wbinvd", , );
}

static u64 user_xsetbv(u64 arg)
{
	return TRY("xsetbv", , "a"(1), "d"(0), "c"(0));
}

static u64 user_sgdt(u64 arg)
{
	u8 space[16];

	return TRY("sgdt %0", "=m"(space), );
}

static u64 user_cpuid(u64 arg)
{
	return TRY("cpuid", , "a"(0) : "rbx", "rcx", "rdx");
}

static u64 hypercall(u64 number)
{
	if (is_intel)
		asm volatile("vmcall" : "+a"(number) :: "memory");
	else
		asm volatile("vmmcall" : "+a"(number) :: "memory");
	return number;
}

static void test_user(void)
{
	static const struct {
		const char *name;
		u64 (*f)(u64 arg);
		int vector;
	} row[] = {
		{ "RDTSC", user_rdtsc, NO_TRAP }, { "CLI", user_cli, VEC_GP },
		{ "HLT", user_hlt, VEC_GP }, { "IN", user_in, VEC_GP },
		{ "MOV from CR0", user_cr0, VEC_GP }, { "RDMSR", user_rdmsr, VEC_GP },
		{ "INVLPG", user_invlpg, VEC_GP }, { "CLTS", user_clts, VEC_GP },
		{ "WBINVD", user_wbinvd, VEC_GP }, { "XSETBV", user_xsetbv, VEC_GP },
		{ "SGDT", user_sgdt, NO_TRAP }, { "CPUID", user_cpuid, NO_TRAP },
	};
	unsigned int i;

	WRITE_CR(4, READ_CR(4) | 1 << 18);
	for (i = 0; i < ARRAY_SIZE(row); i++)
		check((int)in_user_mode(row[i].f, 0) == row[i].vector, "%s at CPL 3: %s",
		      row[i].name, row[i].vector == NO_TRAP ? "allowed" : "#GP");
	check(hypercall(0x4cffffff) == (u64)-1000, "an unknown hypercall: -1000");
	check(in_user_mode(hypercall, 5) == (u64)-1, "a hypercall at CPL 3: -EPERM");
	WRITE_CR(4, READ_CR(4) | 4);
	check((int)in_user_mode(user_rdtsc, 0) == VEC_GP, "RDTSC at CPL 3 with CR4.TSD: #GP");
	WRITE_CR(4, READ_CR(4) & ~4ul);
	if (cpuid_ecx(7) & 4) {
		WRITE_CR(4, READ_CR(4) | 1 << 11);
		check((int)in_user_mode(user_sgdt, 0) == VEC_GP,
		      "SGDT at CPL 3 with CR4.UMIP: #GP");
		WRITE_CR(4, READ_CR(4) & ~(1ul << 11));
	} else {
		check(TRY_CR(4, READ_CR(4) | 1 << 11) == VEC_GP, "CR4.UMIP without UMIP: #GP");
	}
}

static void test_cr0(void)
{
	u64 cr0 = READ_CR(0);

	check(TRY_CR(0, (cr0 & ~(1ul << 30)) | 1 << 29) == VEC_GP, "CR0.NW without CD: #GP");
	check(TRY_CR(0, cr0 & ~1ul) == VEC_GP, "CR0.PE cleared under paging: #GP");
	check(TRY_CR(0, cr0 & ~(1ul << 31)) == VEC_GP, "CR0.PG cleared in 64-bit code: #GP");
	if (lax_cpu) {
		skip("not checked by this CPU", "CR0, bit 32: #GP");
		skip("not checked by this CPU", "CR0, bit 63: #GP");
	} else {
		check(TRY_CR(0, cr0 | 1ul << 32) == VEC_GP, "CR0, bit 32: #GP");
		check(TRY_CR(0, cr0 | 1ul << 63) == VEC_GP, "CR0, bit 63: #GP");
	}
	check(READ_CR(0) == cr0, "CR0 is as before");
	check(TRY_CR(0, cr0 | 1 << 16) == NO_TRAP && READ_CR(0) & 1 << 16, "CR0.WP set");
	check(TRY_CR(0, cr0 & ~(1ul << 16)) == NO_TRAP && !(READ_CR(0) & 1 << 16),
	      "CR0.WP cleared");
	check(TRY_CR(0, cr0 | 8) == NO_TRAP && READ_CR(0) & 8, "CR0.TS set");
	check(TRY("fninit", , ) == 7, "x87 with CR0.TS: #NM");
	asm volatile("clts");
	check(!(READ_CR(0) & 8), "CLTS clears CR0.TS");
	check(TRY("fninit", , ) == NO_TRAP, "x87 without CR0.TS");
	check(TRY_CR(0, cr0 | 1 << 30) == NO_TRAP && READ_CR(0) & 1 << 30, "CR0.CD set");
	check(TRY("wbinvd", , ) == NO_TRAP, "WBINVD");
	WRITE_CR(0, cr0);
	check(TRY("lmsw %w0", , "r"((u32)(cr0 | 8))) == NO_TRAP && READ_CR(0) & 8, "LMSW sets TS");
	check(TRY("lmsw %w0", , "r"(0)) == NO_TRAP && READ_CR(0) & 1, "LMSW does not clear PE");
	WRITE_CR(0, cr0);
	if (!check(READ_CR(0) == cr0, "CR0 restored"))
		print("# %lx, not %lx\n", READ_CR(0), cr0);
}

static void test_cr3(void)
{
	u64 cr3 = READ_CR(3);

	if (lax_cpu) {
		skip("not checked by this CPU", "CR3, bit 52: #GP");
		skip("not checked by this CPU", "CR3, bit 62: #GP");
		skip("not checked by this CPU", "CR3, bit 63 without PCID: #GP");
	} else {
		check(TRY_CR(3, cr3 | 1ul << 52) == VEC_GP, "CR3, bit 52: #GP");
		check(TRY_CR(3, cr3 | 1ul << 62) == VEC_GP, "CR3, bit 62: #GP");
		check(TRY_CR(3, cr3 | 1ul << 63) == VEC_GP, "CR3, bit 63 without PCID: #GP");
	}
	check(TRY_CR(3, cr3 | 0x18) == NO_TRAP, "CR3 with PCD and PWT");
	check(READ_CR(3) == (cr3 | 0x18), "CR3 keeps PCD and PWT");
	WRITE_CR(3, cr3);
	if (cpuid_ecx(1) & 1 << 17) {
		u64 cr4 = READ_CR(4);

		WRITE_CR(3, cr3 | 0x18);
		check(TRY_CR(4, cr4 | 1 << 17) == VEC_GP, "CR4.PCIDE with CR3[11:0] set: #GP");
		WRITE_CR(3, cr3);
		check(TRY_CR(4, cr4 | 1 << 17) == NO_TRAP, "CR4.PCIDE set");
		check(TRY_CR(3, cr3 | 0x123) == NO_TRAP && READ_CR(3) == (cr3 | 0x123),
		      "CR3 with a PCID");
		check(TRY_CR(3, cr3 | 0x124 | 1ul << 63) == NO_TRAP &&
		      READ_CR(3) == (cr3 | 0x124), "CR3 bit 63 is not kept");
		WRITE_CR(3, cr3);
		check(TRY_CR(4, cr4) == NO_TRAP, "CR4.PCIDE cleared");
	} else {
		check(TRY_CR(4, READ_CR(4) | 1 << 17) == VEC_GP, "CR4.PCIDE without PCID: #GP");
	}
}

static void test_cr4(void)
{
	static const struct { const char *name; u8 bit, leaf7; u8 reg, feature; } row[] = {
		{ "FSGSBASE", 16, 1, 'b', 0 }, { "SMEP", 20, 1, 'b', 7 },
		{ "SMAP", 21, 1, 'b', 20 }, { "PKE", 22, 1, 'c', 3 },
		{ "OSXSAVE", 18, 0, 'c', 26 }, { "VMXE", 13, 0, 'c', 5 },
		{ "SMXE", 14, 0, 'c', 6 },
	};
	u64 cr4 = READ_CR(4);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		u32 leaf = row[i].leaf7 ? 7 : 1;
		u32 word = row[i].reg == 'b' ? cpuid_ebx(leaf) : cpuid_ecx(leaf);
		bool has = word >> row[i].feature & 1;
		u64 value = cr4 ^ 1ul << row[i].bit;
		int vector;

		/* Setting SMEP or SMAP here would fault at once: all pages are the user's. */
		if (has && row[i].leaf7 && (row[i].feature == 7 || row[i].feature == 20)) {
			skip("it would fault here", "CR4.%s", row[i].name);
			continue;
		}
		vector = TRY_CR(4, value);
		check(vector == (has ? NO_TRAP : VEC_GP), "CR4.%s follows CPUID", row[i].name);
		WRITE_CR(4, cr4);
	}
	check(TRY_CR(4, cr4 & ~0x20ul) == VEC_GP, "CR4.PAE cleared in long mode: #GP");
	check(TRY_CR(4, cr4 ^ 1 << 12) == VEC_GP, "CR4.LA57 changed in long mode: #GP");
	check(TRY_CR(4, cr4 | 1 << 15) == VEC_GP, "CR4, bit 15: #GP");
	check(TRY_CR(4, cr4 | 1ul << 31) == VEC_GP, "CR4, bit 31: #GP");
	check(TRY_CR(4, cr4 | 1ul << 32) == VEC_GP, "CR4, bit 32: #GP");
	check(TRY_CR(4, cr4 ^ 0x80) == NO_TRAP && READ_CR(4) == (cr4 ^ 0x80), "CR4.PGE");
	check(TRY_CR(4, cr4 | 8) == NO_TRAP && READ_CR(4) & 8, "CR4.DE");
	check(TRY("mov %%dr4, %%rax", , : "rax") == VEC_UD, "DR4 with CR4.DE: #UD");
	WRITE_CR(4, cr4);
	check(TRY("mov %%dr4, %%rax", , : "rax") == NO_TRAP, "DR4 without CR4.DE");
	check(READ_CR(4) == cr4, "CR4 restored");
}

static void test_cr8_dr(void)
{
	check(TRY_CR(8, 16) == VEC_GP, "CR8, bit 4: #GP");
	check(TRY_CR(8, 1ul << 32) == VEC_GP, "CR8, bit 32: #GP");
	check(TRY_CR(8, 15) == NO_TRAP && READ_CR(8) == 15, "CR8 of 15");
	check(mmio_read(0xfee00080) == 0xf0, "CR8 is the APIC's TPR");
	mmio_write(0xfee00080, 0x35);
	check(READ_CR(8) == 3, "the APIC's TPR is CR8");
	WRITE_CR(8, 0);
	check(TRY("mov %0, %%dr7", , "r"(1ul << 32)) == VEC_GP, "DR7, bit 32: #GP");
	check(TRY("mov %0, %%dr6", , "r"(1ul << 32)) == VEC_GP, "DR6, bit 32: #GP");
	check(TRY("mov %0, %%dr0", , "r"(0x123456789abcdef0ul)) == NO_TRAP, "DR0 takes any value");
	check(TRY("mov %0, %%dr7", , "r"(1ul << 13 | 0x400)) == NO_TRAP, "DR7.GD set");
	check(TRY("mov %%dr0, %%rax", , : "rax") == VEC_DB, "DR access with DR7.GD: #DB");
	check(caught.dr6 & 1 << 13, "DR6.BD after it");
	asm volatile("mov %0, %%dr7; mov %0, %%dr0" :: "r"(0x400ul));
}

static void test_xcr(void)
{
	u64 cr4 = READ_CR(4);

	if (!(cpuid_ecx(1) & 1 << 26)) {
		skip("no XSAVE", "XCR0");
		return;
	}
	WRITE_CR(4, cr4 & ~(1ul << 18));
	check(!(cpuid_ecx(1) & 1 << 27), "CPUID.OSXSAVE is clear without CR4.OSXSAVE");
	check(TRY("xgetbv", , "c"(0) : "rax", "rdx") == VEC_UD, "XGETBV without CR4.OSXSAVE: #UD");
	WRITE_CR(4, cr4 | 1 << 18);
	check(cpuid_ecx(1) & 1 << 27, "CPUID.OSXSAVE is set with CR4.OSXSAVE");
	check(TRY("xsetbv", , "c"(0), "a"(0), "d"(0)) == VEC_GP, "XCR0 without x87: #GP");
	check(TRY("xsetbv", , "c"(0), "a"(5), "d"(0)) == VEC_GP, "XCR0, AVX without SSE: #GP");
	check(TRY("xsetbv", , "c"(0), "a"(1), "d"(1 << 30)) == VEC_GP, "XCR0, bit 62: #GP");
	check(TRY("xsetbv", , "c"(1), "a"(1), "d"(0)) == VEC_GP, "XCR1: #GP");
	check(TRY("xsetbv", , "c"(0), "a"(3), "d"(0)) == NO_TRAP, "XCR0 of x87 and SSE");
	check(TRY("xgetbv", , "c"(7) : "rax", "rdx") == VEC_GP, "XGETBV of XCR7: #GP");
	check(TRY("xsetbv", , "c"(0), "a"(1), "d"(0)) == NO_TRAP, "XCR0 of x87 alone");
	WRITE_CR(4, cr4);
}

static void test_cpuid(void)
{
	u32 a, b, c, d, max = cpuid_eax(0);
	u64 base = rdmsr(0x1b);

	check(max >= 0xd && max < 0x100, "the highest basic leaf is sane");
	check(cpuid_edx(1) & 1 << 9, "CPUID.APIC with the APIC on");
	wrmsr(0x1b, base & ~0x800ull);
	check(!(cpuid_edx(1) & 1 << 9), "CPUID.APIC is clear with the APIC off");
	wrmsr(0x1b, base);
	check(cpuid_ecx(1) & 1u << 31, "CPUID tells of a hypervisor");
	cpuid(0x40000000, 0, &a, &b, &c, &d);
	check(b == 0x4b4d564b && c == 0x564b4d56 && d == 0x4d, "the paravirtual signature");
	check(cpuid_eax(0x80000000) >= 0x80000008, "the highest extended leaf");
	cpuid(1, 0, &a, &b, &c, &d);
	check(b >> 24 == 0, "the first CPU's APIC ID is 0");
	cpuid(0xd, 0, &a, &b, &c, &d);
	check((a & 3) == 3 && c >= 576, "the XSAVE area holds x87 and SSE");
}

void tests(void)
{
	test_msrs();
	test_cr0();
	test_cr3();
	test_cr4();
	test_cr8_dr();
	test_xcr();
	test_cpuid();
	test_user();
	test_tsc();
}
