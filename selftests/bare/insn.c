// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction emulation: each form runs on RAM, where the CPU executes it, and
 * on memory that always exits. Value, flags and registers have to agree.
 */
#include "bare.h"

#define FLAGS		0x8d5		/* OF SF ZF AF PF CF */

struct state {
	u64 rax, rbx, rcx, rdx, rsi, rdi;
	u64 flags;
	u64 memory[8];
	u64 xmm[4];
};

static u8 ram[256] __aligned(64);

/* Named by assembly, these two. */
u64 xmm_out[4] __aligned(64), xmm_in[4] __aligned(64) = {
	0x1122334455667788ull, 0x99aabbccddeeff00ull,
	0x0123456789abcdefull, 0xfedcba9876543210ull,
};

/* Eight quadwords at @p, whichever memory it is. */
static void fill(volatile u64 *p)
{
	static const u64 pattern[8] = {
		0x8001fffe7f00ff01ull, 0x0000000000000001ull, 0xffffffffffffffffull,
		0x123456789abcdef0ull, 0x00000000ffffffffull, 0x8000000000000000ull,
		0x7fffffffffffffffull, 0x0f1e2d3c4b5a6978ull,
	};
	int i;

	for (i = 0; i < 8; i++)
		p[i] = pattern[i];
}

static void save(struct state *s, volatile u64 *p)
{
	int i;

	for (i = 0; i < 8; i++)
		s->memory[i] = p[i];
	for (i = 0; i < 4; i++)
		s->xmm[i] = xmm_out[i];
}

/* The text of an asm statement as one line of assembly. */
static const char *one_line(const char *text)
{
	static char line[256];
	unsigned int n = 0;

	for (; *text && n < sizeof(line) - 2; text++) {
		if (*text == '\n') {
			line[n++] = ';';
			line[n++] = ' ';
		} else if (*text != '\t' && !(text[0] == '%' && text[1] == '%')) {
			line[n++] = *text;
		}
	}
	line[n] = 0;
	return line;
}

/*
 * Flags that the manuals leave undefined for an instruction are in @mask's
 * complement.
 */
static void compare(const char *name, const struct state *a, const struct state *b,
		    u64 ram_base, u64 mmio_base, u64 mask)
{
	bool same = a->rax == b->rax && a->rbx == b->rbx && a->rcx == b->rcx &&
		    a->rdx == b->rdx &&
		    (a->flags & mask) == (b->flags & mask) &&
		    !memcmp(a->memory, b->memory, sizeof(a->memory)) &&
		    !memcmp(a->xmm, b->xmm, sizeof(a->xmm));
	/* String instructions move both, each in its own memory. */
	bool moved = a->rdi - ram_base == b->rdi - mmio_base || a->rdi == b->rdi;

	if (check(same && moved, "%s", one_line(name)))
		return;
	print("# rax %lx %lx rbx %lx %lx rcx %lx %lx rdx %lx %lx flags %lx %lx\n", a->rax, b->rax,
	      a->rbx, b->rbx, a->rcx, b->rcx, a->rdx, b->rdx, a->flags & mask, b->flags & mask);
	print("# rdi +%lx +%lx memory %lx %lx\n", a->rdi - ram_base, b->rdi - mmio_base,
	      a->memory[0], b->memory[0]);
}

/* RDI: the memory. RSI: RAM that is the same in both runs. */
#define RUN(text, s, at)						\
do {									\
	u64 a = 0x1122334455667788ull, b = 0x8877665544332211ull;	\
	u64 c = 5, d = 0x0102030405060708ull;				\
	u64 si = (u64)&ram[128], di = (at), fl;				\
	asm volatile("pushq $0x3\n\tpopfq\n\t" text "\n\tpushfq\n\tpop %6"\
		     : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di), "=r"(fl) \
		     :: "memory", "cc", "r8", "r9");			\
	(s)->rax = a; (s)->rbx = b; (s)->rcx = c; (s)->rdx = d;		\
	(s)->rsi = si; (s)->rdi = di; (s)->flags = fl & FLAGS;		\
} while (0)

#define INSN_FLAGS(text, mask)						\
do {									\
	static struct state on_ram, on_mmio;				\
	fill((volatile u64 *)ram);					\
	fill((volatile u64 *)&ram[128]);				\
	memset(xmm_out, 0, sizeof(xmm_out));				\
	RUN(text, &on_ram, (u64)ram);					\
	save(&on_ram, (volatile u64 *)ram);				\
	fill((volatile u64 *)EXIT_MEMORY);				\
	fill((volatile u64 *)&ram[128]);				\
	memset(xmm_out, 0, sizeof(xmm_out));				\
	RUN(text, &on_mmio, EXIT_MEMORY);				\
	save(&on_mmio, (volatile u64 *)EXIT_MEMORY);			\
	compare(text, &on_ram, &on_mmio, (u64)ram, EXIT_MEMORY, mask);	\
} while (0)

#define INSN(text) INSN_FLAGS(text, FLAGS)
/* Without AF; without OF and AF; ZF alone; CF alone. */
#define LOGIC(text) INSN_FLAGS(text, 0x8c5)
#define SHIFT(text) INSN_FLAGS(text, 0x0c5)
#define ZERO(text) INSN_FLAGS(text, 0x40)
#define CARRY(text) INSN_FLAGS(text, 1)

static void test_moves(void)
{
	INSN("movb (%%rdi), %%al");
	INSN("movw (%%rdi), %%ax");
	INSN("movl (%%rdi), %%eax");
	INSN("movq (%%rdi), %%rax");
	INSN("movb %%bh, (%%rdi)");
	INSN("movb %%sil, 3(%%rdi)");
	INSN("movw %%bx, 2(%%rdi)");
	INSN("movl %%ebx, 4(%%rdi)");
	INSN("movq %%rbx, 8(%%rdi)");
	INSN("movb $0x5a, 1(%%rdi)");
	INSN("movw $0x5aa5, 2(%%rdi)");
	INSN("movl $0x12345678, 4(%%rdi)");
	INSN("movq $-2, 8(%%rdi)");
	INSN("mov (%%rdi,%%rcx,8), %%rax");
	INSN("mov -8(%%rdi,%%rcx,2), %%eax");
	INSN("mov %%r8, 16(%%rdi)\n\tmov 16(%%rdi), %%r9\n\tmov %%r9, %%rbx");
	INSN("movzbl (%%rdi), %%eax");
	INSN("movzbw 1(%%rdi), %%ax");
	INSN("movzwl 6(%%rdi), %%eax");
	INSN("movzwq 6(%%rdi), %%rax");
	INSN("movsbl (%%rdi), %%eax");
	INSN("movsbq 3(%%rdi), %%rax");
	INSN("movswq 6(%%rdi), %%rax");
	INSN("movslq 4(%%rdi), %%rax");
	INSN("movbe (%%rdi), %%rax");
	INSN("movbe %%ebx, (%%rdi)");
	INSN("movnti %%rbx, (%%rdi)");
	INSN("cmovc (%%rdi), %%rax");
	INSN("cmovnc (%%rdi), %%eax");
	INSN("sete (%%rdi)");
	INSN("setc (%%rdi)");
	INSN("xchg %%eax, (%%rdi)");
	INSN("xchg %%bl, 5(%%rdi)");
	INSN("xchg %%rbx, 8(%%rdi)");
	INSN("pushq 8(%%rdi)\n\tpop %%rax");
	INSN("pushq $0x1234\n\tpopq 8(%%rdi)");
	INSN("pushw 2(%%rdi)\n\tpop %%ax");
}

static void test_arithmetic(void)
{
	INSN("addb %%bl, (%%rdi)");
	INSN("addw %%bx, (%%rdi)");
	INSN("addl %%ebx, (%%rdi)");
	INSN("addq %%rbx, (%%rdi)");
	INSN("addq (%%rdi), %%rax");
	INSN("addl $1, 16(%%rdi)");
	INSN("addq $-1, 8(%%rdi)");
	INSN("addw $0x1234, (%%rdi)");
	INSN("adcl %%ebx, (%%rdi)");
	INSN("adcb $0xff, (%%rdi)");
	INSN("sbbq %%rbx, (%%rdi)");
	INSN("sbbb (%%rdi), %%al");
	INSN("subl %%ebx, (%%rdi)");
	INSN("subq (%%rdi), %%rax");
	INSN("subb $1, 40(%%rdi)");
	INSN("cmpb $1, (%%rdi)");
	INSN("cmpl %%ebx, (%%rdi)");
	INSN("cmpq (%%rdi), %%rax");
	INSN("cmpw $-1, 16(%%rdi)");
	LOGIC("andl %%ebx, (%%rdi)");
	LOGIC("andb $0xf0, (%%rdi)");
	LOGIC("andq (%%rdi), %%rax");
	LOGIC("orq %%rbx, (%%rdi)");
	LOGIC("orl $0x80, (%%rdi)");
	LOGIC("xorw %%bx, (%%rdi)");
	LOGIC("xorq (%%rdi), %%rax");
	LOGIC("testb $1, (%%rdi)");
	LOGIC("testl %%ebx, (%%rdi)");
	LOGIC("testq $-1, 8(%%rdi)");
	INSN("incb 16(%%rdi)");
	INSN("incl (%%rdi)");
	INSN("decq 40(%%rdi)");
	INSN("decw (%%rdi)");
	INSN("negl (%%rdi)");
	INSN("notq (%%rdi)");
	INSN("lock addl %%ebx, (%%rdi)");
	INSN("lock incq (%%rdi)");
	INSN("lock xaddl %%eax, (%%rdi)");
	INSN("xaddb %%bl, (%%rdi)");
	INSN("lock cmpxchgl %%ebx, (%%rdi)");
	INSN("movl (%%rdi), %%eax\n\tlock cmpxchgl %%ebx, (%%rdi)");
	INSN("cmpxchgb %%bl, (%%rdi)");
	INSN("movq (%%rdi), %%rax\n\tcmpxchgq %%rbx, (%%rdi)");
	ZERO("lock cmpxchg8b (%%rdi)");
	ZERO("movl (%%rdi), %%eax\n\tmovl 4(%%rdi), %%edx\n\tlock cmpxchg8b (%%rdi)");
	CARRY("mulb 1(%%rdi)");
	INSN_FLAGS("mull (%%rdi)", 0x801);
	INSN_FLAGS("mulq (%%rdi)", 0x801);
	INSN_FLAGS("imull (%%rdi)", 0x801);
	INSN_FLAGS("imulq (%%rdi), %%rax", 0x801);
	INSN_FLAGS("imull $3, (%%rdi), %%eax", 0x801);
	INSN_FLAGS("imulw $0x123, (%%rdi), %%ax", 0x801);
	INSN_FLAGS("xor %%edx, %%edx\n\tdivl (%%rdi)", 0);
	INSN_FLAGS("cltd\n\tidivl (%%rdi)", 0);
	INSN_FLAGS("xor %%edx, %%edx\n\tdivq 24(%%rdi)", 0);
	INSN_FLAGS("mov $7, %%eax\n\tdivb (%%rdi)", 0);
}

static void test_bits(void)
{
	CARRY("btl $3, (%%rdi)");
	CARRY("btsl $30, (%%rdi)");
	CARRY("btrq $63, (%%rdi)");
	CARRY("btcw $2, (%%rdi)");
	CARRY("btq %%rcx, (%%rdi)");
	CARRY("mov $200, %%ecx\n\tbtsq %%rcx, (%%rdi)");
	CARRY("mov $70, %%ecx\n\tlock btrl %%ecx, (%%rdi)");
	CARRY("mov $-3, %%rcx\n\tadd $32, %%rdi\n\tbtcq %%rcx, (%%rdi)\n\tsub $32, %%rdi");
	ZERO("bsfl (%%rdi), %%eax");
	ZERO("bsrq (%%rdi), %%rax");
	SHIFT("shlb $3, (%%rdi)");
	SHIFT("shrl %%cl, (%%rdi)");
	SHIFT("sarq %%cl, (%%rdi)");
	LOGIC("shlq $1, (%%rdi)");
	LOGIC("sarl $1, (%%rdi)");
	CARRY("roll $7, (%%rdi)");
	CARRY("rorw %%cl, (%%rdi)");
	CARRY("rclb $2, (%%rdi)");
	CARRY("rcrq %%cl, (%%rdi)");
	SHIFT("shldl $4, %%ebx, (%%rdi)");
	SHIFT("shrdq %%cl, %%rbx, (%%rdi)");
	SHIFT("shldw $3, %%bx, (%%rdi)");
}

static void test_strings(void)
{
	INSN("movsb");
	INSN("movsq");
	INSN("xchg %%rsi, %%rdi\n\tlodsl\n\txchg %%rsi, %%rdi");
	INSN("rep movsb");
	INSN("rep movsw");
	INSN("rep movsq");
	INSN("xchg %%rsi, %%rdi\n\trep movsl\n\txchg %%rsi, %%rdi");
	INSN("stosb");
	INSN("stosq");
	INSN("rep stosb");
	INSN("rep stosl");
	INSN("rep stosq");
	INSN("std\n\tadd $56, %%rdi\n\trep stosb\n\tcld");
	INSN("std\n\tadd $56, %%rdi\n\tadd $56, %%rsi\n\trep movsq\n\tcld");
	INSN("scasb");
	INSN("repne scasb");
	INSN("mov $0xff, %%al\n\trepne scasb");
	INSN("mov $0x01, %%al\n\trepe scasb");
	INSN("cmpsb");
	INSN("repe cmpsb");
	INSN("repe cmpsq");
	INSN("repne cmpsw");
	INSN("xor %%ecx, %%ecx\n\trep movsb");
	INSN("lodsb\n\tstosb");
	INSN("addr32 stosb");
	INSN("mov $0xe0, %%edx\n\tmov $0x5a, %%al\n\toutb %%al, %%dx\n\tinsb\n\tmov $0, %%edx");
	INSN("mov $0xe0, %%edx\n\tmov $0x1234, %%eax\n\toutl %%eax, %%dx\n\trep insl\n\t"
	     "mov $0, %%edx");
	INSN("mov $0xe0, %%edx\n\txchg %%rsi, %%rdi\n\toutsl\n\txchg %%rsi, %%rdi\n\t"
	     "inl %%dx, %%eax\n\tmov $0, %%edx");
	INSN("mov $0xe0, %%edx\n\txchg %%rsi, %%rdi\n\trep outsw\n\txchg %%rsi, %%rdi\n\t"
	     "inw %%dx, %%ax\n\tmov $0, %%edx");
}

#define LOAD_XMM "movups xmm_in, %%xmm0\n\t"
#define SAVE_XMM "\n\tmovups %%xmm0, xmm_out"

static void test_sse(void)
{
	INSN("movups (%%rdi), %%xmm0" SAVE_XMM);
	INSN("movaps 16(%%rdi), %%xmm0" SAVE_XMM);
	INSN("movdqu 8(%%rdi), %%xmm0" SAVE_XMM);
	INSN("movdqa (%%rdi), %%xmm0" SAVE_XMM);
	INSN("movupd (%%rdi), %%xmm0" SAVE_XMM);
	INSN("movapd (%%rdi), %%xmm0" SAVE_XMM);
	INSN(LOAD_XMM "movups %%xmm0, (%%rdi)");
	INSN(LOAD_XMM "movaps %%xmm0, 16(%%rdi)");
	INSN(LOAD_XMM "movdqu %%xmm0, 4(%%rdi)");
	INSN(LOAD_XMM "movdqa %%xmm0, (%%rdi)");
	INSN(LOAD_XMM "movupd %%xmm0, (%%rdi)");
	INSN(LOAD_XMM "movapd %%xmm0, (%%rdi)");
	check(TRY("movaps (%0), %%xmm0", , "r"(EXIT_MEMORY + 1)) == VEC_GP,
	      "MOVAPS from a misaligned device address: #GP");
	check(TRY("movdqa %%xmm0, (%0)", , "r"(EXIT_MEMORY + 8)) == VEC_GP,
	      "MOVDQA to a misaligned device address: #GP");
}

static void test_faults(void)
{
	*(volatile u32 *)EXIT_MEMORY = 0;
	check(TRY("divl (%%rdi)", , "D"(EXIT_MEMORY), "a"(1), "d"(0)) == VEC_DE,
	      "DIV by a device's zero: #DE");
	check(TRY("movl (%0), %%eax", , "r"(EXIT_MEMORY + 0xfffe) : "rax") == NO_TRAP,
	      "an access that leaves the device's page");
}

/* What other hypervisors end the guest at comes last. */
static void test_beyond(void)
{
	INSN("movd (%%rdi), %%xmm0" SAVE_XMM);
	INSN("movq (%%rdi), %%xmm0" SAVE_XMM);
	INSN(LOAD_XMM "movntps %%xmm0, (%%rdi)");
	INSN(LOAD_XMM "movntdq %%xmm0, (%%rdi)");
	INSN(LOAD_XMM "movd %%xmm0, (%%rdi)");
	INSN(LOAD_XMM "movq %%xmm0, (%%rdi)");
	ZERO("lock cmpxchg16b (%%rdi)");
	ZERO("movq (%%rdi), %%rax\n\tmovq 8(%%rdi), %%rdx\n\tlock cmpxchg16b (%%rdi)");
	check(TRY("lock cmpxchg16b (%%rdi)", , "D"(EXIT_MEMORY + 8) : "rax", "rdx", "memory")
	      == VEC_GP, "misaligned CMPXCHG16B: #GP");
}

void tests(void)
{
	test_moves();
	test_arithmetic();
	test_bits();
	test_strings();
	test_sse();
	test_faults();
	test_beyond();
}
