// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions, interrupts and what holds them back. */
#include "bare.h"

#define APIC		0xfee00000ul
#define VECTOR		0x55
#define SELF_NMI	(0x40000 | 0x4000 | 0x400)
#define SELF_FIXED	(0x40000 | 0x4000)

static volatile u64 hits, hit_rip, hit_flags, hit_error, hit_dr6;
static volatile u32 nmis, nmi_depth, nmi_nested;
static volatile u64 page_table[512] __aligned(4096);
static u8 page[8192] __aligned(4096);

static void send(u32 command)
{
	mmio_write(APIC + 0x310, 0);
	mmio_write(APIC + 0x300, command);
}

static void on_hit(struct frame *f)
{
	hits++;
	hit_rip = f->rip;
	hit_flags = f->rflags;
	hit_error = f->error;
}

static void on_irq(struct frame *f)
{
	on_hit(f);
	mmio_write(APIC + 0xb0, 0);
}

static u64 get_dr6(void)
{
	u64 v;

	asm volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

static void set_dr6(u64 v)
{
	asm volatile("mov %0, %%dr6" :: "r"(v));
}

static void set_dr7(u64 v)
{
	asm volatile("mov %0, %%dr7" :: "r"(v));
}

/* Stops single-stepping at a HLT, whose address it never executes. */
static void on_debug(struct frame *f)
{
	hits++;
	hit_rip = f->rip;
	hit_dr6 = get_dr6();
	set_dr6(0xffff0ff0);
	f->rflags |= 0x10000;		/* RF: do not meet the same breakpoint again */
}

static void test_exceptions(void)
{
	u64 selector = SEL_ABSENT;
	u32 zero = 0;

	check(TRY("divl %0", , "r"(zero) : "rax", "rdx") == VEC_DE, "#DE");
	check(TRY("ud2", , ) == VEC_UD, "#UD");
	check(TRY("int3", , ) == VEC_BP, "#BP by INT3");
	check(TRY("int $0x70", , ) == 0x70, "INT n");
	check(TRY("mov %w0, %%ds", , "r"((u32)selector)) == VEC_NP && caught.error == SEL_ABSENT,
	      "#NP with the selector as error code");
	check(TRY("mov %w0, %%ds", , "r"(0x1000)) == VEC_GP && caught.error == 0x1000,
	      "#GP with the selector as error code");
	check(TRY("mov %w0, %%ss", , "r"(SEL_ABSENT)) == VEC_SS && caught.error == SEL_ABSENT,
	      "#SS with the selector as error code");
	check(TRY("mov (%0), %%al", , "r"(0x8000000000000000ul) : "rax") == VEC_GP &&
	      !caught.error, "non-canonical address: #GP(0)");
	check_cpu(TRY("mov (%%rbp, %0), %%al", , "r"(0x8000000000000000ul) : "rax") == VEC_SS &&
		  !caught.error, "non-canonical stack address: #SS(0)");
	check(TRY("int $0x71", , ) == 0x71 && caught.rip != 0, "INT n leaves RIP behind it");
	check(TRY("movaps (%0), %%xmm0", , "r"(page + 1)) == VEC_GP, "misaligned MOVAPS: #GP");
	check(TRY("ltr %w0", , "r"(SEL_TSS)) == VEC_GP && caught.error == SEL_TSS,
	      "LTR of a busy TSS: #GP");
	check_cpu(TRY("lock; mov %%eax, %0", "=m"(zero), ) == VEC_UD, "LOCK MOV: #UD");
}

static u64 user_write(u64 addr)
{
	return TRY("movb $1, (%0)", , "r"(addr) : "memory") | (u64)caught.error << 32;
}

static u64 user_align(u64 addr)
{
	return TRY("pushf; orl $0x40000, (%%rsp); popf; movl $0, 1(%0); pushf; "
		   "andl $~0x40000, (%%rsp); popf", , "r"(addr) : "memory", "cc");
}

/* The code at @addr comes back by JMP *RCX. */
static int try_call(u64 addr)
{
	return TRY("lea 772f(%%rip), %%rcx; jmp *%0; 772:", , "r"(addr) : "rcx");
}

static void test_page_faults(void)
{
	u64 addr = (u64)page, old = page_l2[addr >> 21], i, base = addr & ~0x1ffffful;

	for (i = 0; i < 512; i++)
		page_table[i] = base + i * 4096 + 7;
	page_l2[addr >> 21] = (u64)page_table | 7;
	WRITE_CR(3, READ_CR(3));
	i = (addr >> 12) & 511;
	page_table[i] = 0;
	asm volatile("invlpg (%0)" :: "r"(addr) : "memory");
	check(TRY("movb (%0), %%al", , "r"(addr) : "rax") == VEC_PF && caught.error == 0 &&
	      caught.cr2 == addr, "#PF: read, not present");
	check(TRY("movb %%al, 5(%0)", , "r"(addr) : "memory") == VEC_PF && caught.error == 2 &&
	      caught.cr2 == addr + 5, "#PF: write, not present");
	check((in_user_mode(user_write, addr)) == (VEC_PF | 6ull << 32), "#PF: write by CPL 3");
	page_table[i] = addr | 3;
	asm volatile("invlpg (%0)" :: "r"(addr) : "memory");
	check((in_user_mode(user_write, addr)) == (VEC_PF | 7ull << 32),
	      "#PF: write by CPL 3 to the supervisor's page");
	page_table[i] = addr | 1;
	asm volatile("invlpg (%0)" :: "r"(addr) : "memory");
	WRITE_CR(0, READ_CR(0) | 1 << 16);
	check(TRY("movb $1, (%0)", , "r"(addr) : "memory") == VEC_PF && caught.error == 3,
	      "#PF: write to a read-only page with CR0.WP");
	WRITE_CR(0, READ_CR(0) & ~(1ul << 16));
	check(TRY("movb $1, (%0)", , "r"(addr) : "memory") == NO_TRAP,
	      "no fault without CR0.WP");
	page_table[i] = addr | 7 | 1ul << (cpuid_eax(0x80000008) & 0xff);
	asm volatile("invlpg (%0)" :: "r"(addr) : "memory");
	check_cpu(TRY("movb (%0), %%al", , "r"(addr) : "rax") == VEC_PF &&
		  (caught.error & ~8u) == 1, "#PF: reserved bit");
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x800);
	page_table[i] = addr | 7 | 1ul << 63;
	asm volatile("invlpg (%0)" :: "r"(addr) : "memory");
	page[0] = 0xff;			/* jmp *%rcx */
	page[1] = 0xe1;
	check(try_call(addr) == VEC_PF && caught.error == 0x11,
	      "#PF: fetch from a page with NX");
	page_table[i] = addr | 7;
	asm volatile("invlpg (%0)" :: "r"(addr) : "memory");
	check(try_call(addr) == NO_TRAP, "no fault without NX");
	check(page_table[i] & 0x20, "the accessed bit is set");
	*(volatile u8 *)page = 1;
	check(page_table[i] & 0x40, "the dirty bit is set");
	page_table[i + 1] = 0;
	asm volatile("invlpg (%0)" :: "r"(addr + 4096) : "memory");
	check(TRY("movl %%eax, -2(%0)", , "r"(addr + 4096) : "memory") == VEC_PF &&
	      caught.cr2 == addr + 4096, "#PF in the second page of an access");
	WRITE_CR(0, READ_CR(0) | 1 << 18);
	check_cpu((int)in_user_mode(user_align, addr) == VEC_AC, "#AC at CPL 3");
	WRITE_CR(0, READ_CR(0) & ~(1ul << 18));
	page_l2[addr >> 21] = old;
	WRITE_CR(3, READ_CR(3));
}

static void test_double_fault(void)
{
	/* A #GP whose gate is not present makes #NP in delivery: a double fault. */
	idt[VEC_GP].type &= ~0x80;
	check(TRY("mov %w0, %%ds", , "r"(0x1000)) == VEC_DF && !caught.error,
	      "#NP while #GP is delivered: #DF(0)");
	idt[VEC_GP].type |= 0x80;
	/* A benign exception is followed by the second alone. */
	idt[VEC_UD].type &= ~0x80;
	check_cpu(TRY("ud2", , ) == VEC_NP && caught.error == (VEC_UD << 3 | 3),
		  "#NP while #UD is delivered: #NP with IDT in the error code");
	idt[VEC_UD].type |= 0x80;
	idt[0x71].type &= ~0x80;
	check_cpu(TRY("int $0x71", , ) == VEC_NP && caught.error == (0x71 << 3 | 2),
		  "INT n with an absent gate: #NP");
	idt[0x71].type |= 0x80;
}

static void test_blocking(void)
{
	u32 zero = 0;
	u64 after;

	handlers[VECTOR] = on_irq;
	hits = 0;
	send(SELF_FIXED | VECTOR);
	asm volatile("nop; nop");
	check(!hits, "IF=0 holds back an interrupt");
	asm volatile("sti; nop; 1: cli; lea 1b(%%rip), %0" : "=r"(after) :: "memory");
	check(hits == 1, "STI lets it in");
	check(hit_rip == after, "one instruction after STI");
	hits = 0;
	send(SELF_FIXED | VECTOR);
	asm volatile("sti; cli" ::: "memory");
	check(!hits, "STI, CLI lets none in");
	asm volatile("sti; mov %%ss, %%eax; mov %%eax, %%ss; 1: nop; 2: cli; lea 2b(%%rip), %0"
		     : "=r"(after) :: "rax", "memory");
	check(hits == 1, "it came in the end");
	hits = 0;
	send(SELF_FIXED | VECTOR);
	asm volatile("sti; hlt; 1: cli; lea 1b(%%rip), %0" : "=r"(after) :: "memory");
	check(hits == 1 && hit_rip == after, "STI, HLT: the handler returns behind HLT");
	hits = 0;
	asm volatile("sti" ::: "memory");
	send(SELF_FIXED | VECTOR);
	wait_for(hits);
	check(hits == 1, "with IF=1 an IPI to self comes soon");
	irq_off();
	check(hit_flags & 0x200, "the saved RFLAGS have IF");
	hits = 0;
	send(SELF_FIXED | 0x41);
	handlers[0x41] = on_irq;
	send(SELF_FIXED | VECTOR);
	irq_on();
	wait_for(hits == 2);
	irq_off();
	check(hits == 2, "two interrupts, one after the other");
	hits = 0;
	send(SELF_FIXED | VECTOR);
	asm volatile("pushfq; orq $0x200, (%%rsp); popfq; nop; cli" ::: "memory", "cc");
	check(hits == 1, "POPF lets an interrupt in");
	hits = 0;
	send(SELF_FIXED | VECTOR);
	asm volatile("sti; cpuid; cli" : "+a"(zero) : : "rbx", "rcx", "rdx", "memory");
	check(hits == 1, "an interrupt after STI and an instruction that exits");
}

static void on_nmi(struct frame *f)
{
	nmis++;
	nmi_depth++;
	if (nmi_depth > 1)
		nmi_nested++;
	if (nmis == 1) {
		for (int i = 0; i < 3; i++)
			send(SELF_NMI);
		asm volatile("nop; nop; nop; nop");
		for (volatile int i = 0; i < 1000; i++)
			;
	}
	nmi_depth--;
}

static void test_nmi(void)
{
	handlers[VEC_NMI] = on_nmi;
	send(SELF_NMI);
	wait_for(nmis == 2);
	for (volatile int i = 0; i < 1000; i++)
		;
	check(nmis == 2, "three NMIs within an NMI: one comes after IRET");
	check(!nmi_nested, "and not before");
	send(SELF_NMI);
	asm volatile("nop; nop");
	wait_for(nmis == 3);
	check(nmis == 3, "NMI with IF=0");
	hits = 0;
	nmis = 5;
	send(SELF_NMI);
	wait_for(nmis == 6);
	check(nmis == 6, "NMI again");
	asm volatile("int $2");
	check(nmis == 7, "INT 2 is not an NMI");
	send(SELF_NMI);
	wait_for(nmis == 8);
	check(nmis == 8, "an NMI after INT 2");
}

static u64 user_int3(u64 arg)
{
	u64 before = hits;

	asm volatile("int3");
	return hits - before;
}

static void test_software(void)
{
	u64 after;

	handlers[VEC_BP] = on_hit;
	hits = 0;
	asm volatile("int3; 1: lea 1b(%%rip), %0" : "=r"(after));
	check(hits == 1 && hit_rip == after, "INT3 leaves RIP behind it");
	check(in_user_mode(user_int3, 0) == 1, "INT3 at CPL 3");
	handlers[0x72] = on_hit;
	hits = 0;
	asm volatile("int $0x72; 1: lea 1b(%%rip), %0" : "=r"(after));
	check(hits == 1 && hit_rip == after && !hit_error, "INT n with a handler");
	handlers[VEC_BP] = NULL;
}

static void test_debug(void)
{
	u32 data __aligned(8) = 0;
	u32 zero = 0;
	u64 a, b;

	handlers[VEC_DB] = on_debug;
	set_dr6(0xffff0ff0);
	hits = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "nop\n\t"
		     "1: pushfq; andq $~0x100, (%%rsp); popfq\n\t"
		     "2: lea 1b(%%rip), %0; lea 2b(%%rip), %1"
		     : "=r"(a), "=r"(b) :: "memory", "cc");
	check(hits == 4, "single step: one #DB an instruction");
	check(hit_rip == b && hit_dr6 & 1 << 14, "DR6.BS, RIP behind the last");
	hits = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "1: cpuid\n\t"
		     "2: pushfq; andq $~0x100, (%%rsp); popfq\n\t"
		     : "+a"(zero) : : "rbx", "rcx", "rdx", "memory", "cc");
	check(hits == 4, "single step over CPUID, which exits");
	hits = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "inb $0xe0, %%al\n\t"
		     "pushfq; andq $~0x100, (%%rsp); popfq\n\t"
		     : : : "rax", "memory", "cc");
	check(hits == 4, "single step over IN, which exits to userspace");
	hits = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "movl (%0), %%eax\n\t"
		     "pushfq; andq $~0x100, (%%rsp); popfq\n\t"
		     : : "r"(EXIT_MEMORY) : "rax", "memory", "cc");
	check(hits == 4, "single step over emulated MMIO");
	hits = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "mov %%ss, %%eax\n\t"
		     "mov %%eax, %%ss\n\t"
		     "nop\n\t"
		     "pushfq; andq $~0x100, (%%rsp); popfq\n\t"
		     : : : "rax", "memory", "cc");
	check(hits == 5, "single step: MOV SS holds back one #DB");
	hits = 0;
	asm volatile("lea 1f(%%rip), %0; mov %0, %%dr0; mov %1, %%dr7; nop; 1: nop; "
		     "mov %2, %%dr7" : "=&r"(a) : "r"(0x402ul), "r"(0x400ul));
	/* TCG arms no breakpoint at VMRUN. */
	check_cpu(hits == 1 && hit_rip == a && hit_dr6 & 1, "a breakpoint on an instruction");
	hits = 0;
	asm volatile("mov %0, %%dr1; mov %1, %%dr7" :: "r"(&data), "r"(0x400ul | 0xd << 20 | 8));
	*(volatile u32 *)&data = 1;
	asm volatile("nop" ::: "memory");
	set_dr7(0x400);
	check_cpu(hits == 1 && hit_dr6 & 2, "a breakpoint on a write");
	hits = 0;
	asm volatile("mov %0, %%dr1; mov %1, %%dr7" :: "r"(&data), "r"(0x400ul | 0xd << 20 | 8));
	(void)*(volatile u32 *)&data;
	set_dr7(0x400);
	check(!hits, "a read does not meet it");
	handlers[VEC_DB] = NULL;
	if (lax_cpu)
		skip("this CPU delivers it wrongly", "INT1: #DB");
	else
		check(TRY(".byte 0xf1", , ) == VEC_DB, "INT1: #DB");
}

static u64 user_syscall(u64 arg)
{
	u64 ret = 1;

	asm volatile("syscall" : "+a"(ret) :: "rcx", "r11", "memory");
	return ret;
}

static void test_syscall(void)
{
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
	wrmsr(0xc0000081, (u64)(SEL_USER32 & ~3) << 48 | (u64)3 << 48 | (u64)SEL_CODE64 << 32);
	wrmsr(0xc0000082, (u64)syscall_target);
	wrmsr(0xc0000084, 0x200);
	check(in_user_mode(user_syscall, 0) == 42, "SYSCALL and SYSRET");
	wrmsr(0xc0000080, rdmsr(0xc0000080) & ~1ul);
	check(TRY("syscall", , : "rcx", "r11") == VEC_UD, "SYSCALL without EFER.SCE: #UD");
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
}

static void test_instructions(void)
{
	u32 a = 0, d = 0;

	check(TRY("wbinvd", , ) == NO_TRAP, "WBINVD");
	check(TRY("invd", , ) == NO_TRAP, "INVD is harmless");
	check(TRY("invlpg (%0)", , "r"(page)) == NO_TRAP, "INVLPG");
	check(TRY("pause", , ) == NO_TRAP, "PAUSE");
	check(TRY(".byte 0x0f, 0x01, 0xc4", , ) == VEC_UD, "VMXOFF: #UD");
	check(TRY(".byte 0x0f, 0x01, 0xd8", , "a"(0)) == VEC_UD, "VMRUN: #UD");
	check(TRY(".byte 0x0f, 0x01, 0xdd", , ) == VEC_UD, "CLGI: #UD");
	check(TRY("vmread %%rax, %%rbx", , : "rax", "rbx") == VEC_UD, "VMREAD: #UD");
	check(TRY(".byte 0x0f, 0x37", , ) == VEC_UD || TRY("nop", , ), "GETSEC: #UD");
	if (!(cpuid_ecx(1) & 8))
		check(TRY("monitor", , "a"(page), "c"(0), "d"(0)) == VEC_UD,
		      "MONITOR without CPUID.MONITOR: #UD");
	else
		skip("CPUID.MONITOR is set", "MONITOR without CPUID.MONITOR: #UD");
	check(TRY("rsm", , ) == VEC_UD, "RSM outside SMM: #UD");
	check(TRY("rdpmc", OUT("=a"(a), "=d"(d)), "c"(0x3fffff)) == VEC_GP,
	      "RDPMC of a counter that is not there: #GP");
}

/* The CPU has one of them; a hypervisor makes a hypercall of the other, too. */
static void test_hypercalls(void)
{
	u64 a = 0x7777, b = 0x7777;

	check(TRY(".byte 0x0f, 0x01, 0xc1", OUT("+a"(a)),) == NO_TRAP && a == -1000ul,
	      "VMCALL of what does not exist: -1000");
	check(TRY(".byte 0x0f, 0x01, 0xd9", OUT("+a"(b)),) == NO_TRAP && b == -1000ul,
	      "VMMCALL of what does not exist: -1000");
	check(TRY(".byte 0x0f, 0x01, 0xc2", , ) == VEC_UD, "its neighbour VMLAUNCH: #UD");
	check(TRY("ud2", , ) == VEC_UD && caught.rflags & 1 << 16, "UD2: #UD, RF is saved");
}

void tests(void)
{
	mmio_write(APIC + 0xf0, 0x1ff);
	test_exceptions();
	test_page_faults();
	test_double_fault();
	test_blocking();
	test_nmi();
	test_software();
	test_syscall();
	test_instructions();
	test_hypercalls();
	test_debug();
}
