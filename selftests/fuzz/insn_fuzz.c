// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction decoder, emulator and page walk in userspace.
 *
 *	insn_fuzz [ROUNDS [SEED]]	random bytes, registers and page tables;
 *					arithmetic against this very CPU
 *	insn_fuzz --lengths [16|32|64]	lines "LENGTH HEX..." on stdin
 *
 * To be built with -fsanitize=address,undefined together with decode.c,
 * emulate.c, execute.c, simd.c and translate.c of module/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../module/insn.h"
#include "../../module/translate.h"

static u64 state = 88172645463325252ull;

/* xorshift64 */
static u64 rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fail(const char *what, const u8 *bytes, unsigned int count)
{
	unsigned int i;

	fprintf(stderr, "insn_fuzz: %s:", what);
	for (i = 0; i < count; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, "\n");
	exit(1);
}

/* One in 32 goes wrong. */
static int chance(struct lodge_emul *e)
{
	u64 r = rnd() & 63;

	if (r == 0)
		return -EINPROGRESS;
	if (r > 1)
		return 0;
	return lodge_raise(&e->fault, 14, 0);
}

static int on_linear(struct lodge_emul *e, int seg, u64 offset, u32 bytes,
		     bool write, u64 *out)
{
	if (seg < 0 || seg > LODGE_GS || !bytes || bytes > LODGE_DATA_MAX)
		abort();
	*out = offset + write;
	return chance(e);
}

static int on_probe(struct lodge_emul *e, u64 linear, u32 bytes, bool write)
{
	(void)linear;
	(void)write;
	if (!bytes || bytes > LODGE_DATA_MAX)
		abort();
	return chance(e);
}

static int on_access(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes, bool write)
{
	(void)linear;
	if (!bytes || bytes > 8)
		abort();
	if (!write)
		*value = rnd() & lodge_mask(bytes);
	return chance(e);
}

static int on_pio(struct lodge_emul *e, u16 port, u64 *value, u32 bytes,
		  bool write)
{
	(void)port;
	if (bytes > 4)
		abort();
	if (!write)
		*value = rnd() & lodge_mask(bytes);
	return chance(e);
}

static int on_system(struct lodge_emul *e, int what, u64 value[2], bool write)
{
	if (what < 0 || what > LODGE_SYS_CR0)
		abort();
	value[0] = rnd();
	value[1] = rnd();
	if (write && what == LODGE_CS)
		e->code = rnd() % 3;
	return chance(e);
}

static void emulate(const struct lodge_insn *insn, enum lodge_code code)
{
	static u64 xsave[(576 + 256 + 512) / 8];
	struct lodge_emul e = {
		.rip = rnd(), .rflags = rnd(), .code = code, .cpl = rnd() & 3,
		.stack32 = rnd() & 1, .cr0 = rnd(), .cr4 = rnd(), .xcr0 = rnd() | 7,
		.dr = { rnd(), rnd(), rnd(), rnd() }, .dr7 = rnd(),
		.xsave = (u8 *)xsave, .zmmh_offset = rnd() & 1 ? 576 + 256 : 0,
		.linear = on_linear, .probe = on_probe, .access = on_access,
		.pio = on_pio, .system = on_system,
	};
	int i, rc;

	for (i = 0; i < 16; i++)
		e.gpr[i] = rnd();
	for (i = 0; i < 4; i++)
		xsave[rnd() % (sizeof(xsave) / 8)] = rnd();
	rc = lodge_emulate(&e, insn);
	if (rc == -EFAULT && (e.fault.vector > 17 || e.fault.error))
		abort();
	if (rc && rc != -EFAULT && rc != -EINPROGRESS && rc != -EOPNOTSUPP)
		abort();
}

/* @bytes is exactly @count long, so that the sanitizer sees any overrun. */
static void decode(const u8 *bytes, unsigned int count)
{
	struct lodge_insn insn, again;
	int code, rc;

	for (code = LODGE_CODE16; code <= LODGE_CODE64; code++) {
		rc = lodge_decode(&insn, bytes, count, code);
		if (rc == -EAGAIN && count >= LODGE_INSN_MAX)
			fail("15 bytes not enough", bytes, count);
		if (rc)
			continue;
		if (!insn.length || insn.length > count ||
		    insn.length > LODGE_INSN_MAX)
			fail("length", bytes, count);
		if (lodge_decode(&again, bytes, insn.length, code) ||
		    memcmp(&insn, &again, sizeof(insn)))
			fail("looked too far", bytes, count);
		if (lodge_decode(&again, bytes, insn.length - 1, code) != -EAGAIN)
			fail("did not look far enough", bytes, count);
		emulate(&insn, code);
	}
}

static void fuzz_bytes(void)
{
	static const u8 prefix[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2,
		0xf3, 0x48, 0x41, 0x0f,
	};
	unsigned int count = rnd() % 18;
	unsigned int prefixes = rnd() % 4;
	u8 *bytes = malloc(count ? count : 1);
	unsigned int i;

	if (!bytes)
		abort();
	for (i = 0; i < count; i++)
		bytes[i] = i < prefixes ? prefix[rnd() % sizeof(prefix)] : rnd();
	decode(bytes, count);
	free(bytes);
}

static int on_table(void *ctx, u64 gpa, u64 *entry, u32 bytes)
{
	(void)ctx;
	(void)gpa;
	*entry = rnd();
	/* Most entries are present and have no bits above the address. */
	if (rnd() & 7)
		*entry = (*entry & 0x800000ffffffffffull & rnd()) | 1;
	*entry &= lodge_mask(bytes);
	return rnd() % 64 ? 0 : -EIO;
}

static int on_mark(void *ctx, u64 gpa, u64 old, u64 bits, u32 bytes)
{
	(void)ctx;
	(void)gpa;
	(void)bytes;
	if (!(bits & ~old))
		abort();
	return rnd() % 8 ? 0 : -EAGAIN;
}

static void fuzz_walk(void)
{
	struct lodge_paging paging = {
		.cr0 = rnd() | 1ull << 31, .cr3 = rnd(), .cr4 = rnd(),
		.efer = rnd(), .pkru = rnd(), .maxphyaddr = 32 + rnd() % 21,
		.ac = rnd() & 1, .read = on_table,
		.mark = rnd() & 1 ? on_mark : NULL,
	};
	struct lodge_walk walk;
	u64 gva = (s64)(rnd() << 16) >> 16;
	int rc;

	rc = lodge_walk_tables(&paging, gva, rnd() & 15, &walk);
	if (!rc && (walk.gpa >> paging.maxphyaddr || (walk.gpa ^ gva) & 0xfff))
		abort();
	if (rc == -EFAULT && walk.error & ~0x3f)
		abort();
}

#define NATIVE_SIZE(insn, type)						\
do {									\
	type d = (type)dst;						\
	type s = (type)src;						\
									\
	/* Below the red zone */					\
	asm volatile("lea -128(%%rsp), %%rsp; push %[f]; popfq; "	\
		     insn						\
		     "; pushfq; pop %[f]; lea 128(%%rsp), %%rsp"	\
		     : [d] "+q" (d), [f] "+r" (*flags)			\
		     : [s] "c" (s) : "cc");				\
	dst = d;							\
} while (0)

/* Result and flags of one instruction as this CPU computes them. */
#define NATIVE(name, insn)						\
static u64 native_##name(u32 bytes, u64 dst, u64 src, u64 *flags)	\
{									\
	if (bytes == 1)							\
		NATIVE_SIZE(insn, u8);					\
	else if (bytes == 2)						\
		NATIVE_SIZE(insn, u16);					\
	else if (bytes == 4)						\
		NATIVE_SIZE(insn, u32);					\
	else								\
		NATIVE_SIZE(insn, u64);					\
	return dst;							\
}

NATIVE(add, "add %[s], %[d]")
NATIVE(or, "or %[s], %[d]")
NATIVE(adc, "adc %[s], %[d]")
NATIVE(sbb, "sbb %[s], %[d]")
NATIVE(and, "and %[s], %[d]")
NATIVE(sub, "sub %[s], %[d]")
NATIVE(xor, "xor %[s], %[d]")
NATIVE(cmp, "cmp %[s], %[d]")
NATIVE(test, "test %[s], %[d]")
NATIVE(rol, "rol %%cl, %[d]")
NATIVE(ror, "ror %%cl, %[d]")
NATIVE(rcl, "rcl %%cl, %[d]")
NATIVE(rcr, "rcr %%cl, %[d]")
NATIVE(shl, "shl %%cl, %[d]")
NATIVE(shr, "shr %%cl, %[d]")
NATIVE(sar, "sar %%cl, %[d]")
NATIVE(neg, "neg %[d]")
NATIVE(inc, "inc %[d]")
NATIVE(dec, "dec %[d]")

typedef u64 (*native_fn)(u32 bytes, u64 dst, u64 src, u64 *flags);

static const native_fn natives[LODGE_OP_COUNT] = {
	[LODGE_OP_ADD] = native_add,
	[LODGE_OP_OR] = native_or,
	[LODGE_OP_ADC] = native_adc,
	[LODGE_OP_SBB] = native_sbb,
	[LODGE_OP_AND] = native_and,
	[LODGE_OP_SUB] = native_sub,
	[LODGE_OP_XOR] = native_xor,
	[LODGE_OP_CMP] = native_cmp,
	[LODGE_OP_TEST] = native_test,
	[LODGE_OP_ROL] = native_rol,
	[LODGE_OP_ROR] = native_ror,
	[LODGE_OP_RCL] = native_rcl,
	[LODGE_OP_RCR] = native_rcr,
	[LODGE_OP_SHL] = native_shl,
	[LODGE_OP_SHR] = native_shr,
	[LODGE_OP_SAR] = native_sar,
	[LODGE_OP_NEG] = native_neg,
	[LODGE_OP_INC] = native_inc,
	[LODGE_OP_DEC] = native_dec,
	[LODGE_OP_SAL] = native_shl,
};

/* Bits both leave alone or define: OF of long shifts, AF of logic are free. */
static u64 defined_flags(int op, u32 count)
{
	u64 flags = 0x8d5;	/* OF, SF, ZF, AF, PF, CF */

	if (op == LODGE_OP_AND || op == LODGE_OP_OR || op == LODGE_OP_XOR ||
	    op == LODGE_OP_TEST || op >= LODGE_OP_SHL)
		flags &= ~0x10ull;
	if (op >= LODGE_OP_NOT || op <= LODGE_OP_TEST)
		return flags | 0x10 * (op >= LODGE_OP_NOT);
	return count == 1 ? flags : flags & ~0x800ull;
}

static void fuzz_arithmetic(void)
{
	int op = LODGE_OP_ADD + rnd() % (LODGE_OP_DEC - LODGE_OP_ADD + 1);
	u32 bytes = 1 << (rnd() & 3);
	bool shift = op >= LODGE_OP_ROL && op <= LODGE_OP_SAR;
	u64 dst = rnd() >> rnd() % 64, src = rnd() >> rnd() % 64;
	u64 flags = 0x202 | (rnd() & 0x8d5), native = flags;
	u64 result, wanted;
	u32 count;

	if (!natives[op])
		return;
	if (shift)
		src &= rnd() & 1 ? 1 : 0xff;
	count = src & (bytes == 8 ? 63 : 31);
	/* CF of a SHL or SHR by more than the width is anyone's. */
	if (shift && op >= LODGE_OP_SHL && count >= bytes * 8)
		return;
	wanted = natives[op](bytes, dst, src, &native);
	if (shift)
		result = lodge_shift(op, bytes, dst, 0, (u8)src, &flags);
	else
		result = lodge_alu(op, bytes, dst, src, &flags);
	if (op == LODGE_OP_CMP || op == LODGE_OP_TEST)
		result = wanted;
	if (result == wanted && !((flags ^ native) & defined_flags(op, count)))
		return;
	fprintf(stderr, "insn_fuzz: op %d, %u bytes, %#llx, %#llx: ", op, bytes,
		dst, src);
	fprintf(stderr, "%#llx, CPU %#llx; flags %#llx, CPU %#llx\n", result,
		wanted, flags, native);
	exit(1);
}

#define NATIVE_LONG(insn)						\
	asm volatile(insn "; setc %b[c]"				\
		     : "+a" (low), "+d" (high), [c] "=&q" (carry)	\
		     : [s] "r" (by) : "cc")

/* The 64-bit forms, which have no wider type to be checked with. */
static void fuzz_long(void)
{
	u64 a = rnd() >> rnd() % 64, by = (rnd() >> rnd() % 64) | 1, flags = 0;
	u64 low = a, high = 0, mine_high, mine;
	bool signedness = rnd() & 1;
	u8 carry;

	by = rnd() & 1 ? -by : by;
	if (signedness)
		NATIVE_LONG("imul %[s]");
	else
		NATIVE_LONG("mul %[s]");
	mine = lodge_multiply(signedness ? LODGE_OP_IMUL1 : LODGE_OP_MUL, 8, a, by, &mine_high,
			      &flags);
	if (mine != low || mine_high != high || (flags & 1) != carry)
		fail("multiply", (u8 *)&a, 8);
	/* A product and a rest divide without overflow, if nothing carries. */
	a = low;
	mine = a;
	mine_high = high;
	if (!lodge_divide(signedness ? LODGE_OP_IDIV : LODGE_OP_DIV, 8, &mine, &mine_high, by))
		return;
	if (signedness)
		NATIVE_LONG("idiv %[s]");
	else
		NATIVE_LONG("div %[s]");
	if (mine != low || mine_high != high)
		fail("divide", (u8 *)&a, 8);
}

/* DIV and IDIV of @bytes against C's, with a dividend of twice as many. */
static void fuzz_divide(void)
{
	u32 bytes = 1 << rnd() % 3;
	u64 low = rnd() & lodge_mask(bytes), high = rnd() >> rnd() % 64 & lodge_mask(bytes);
	u64 by = rnd() >> rnd() % 64 & lodge_mask(bytes), mine = low, rest = high;
	u64 both = high << bytes * 8 | low;
	s64 dividend = lodge_sign_extend(both, bytes * 2), div = lodge_sign_extend(by, bytes);
	bool done = lodge_divide(LODGE_OP_DIV, bytes, &mine, &rest, by);

	if (done != (by && both / by <= lodge_mask(bytes)) ||
	    (done && (mine != both / by || rest != both % by)))
		fail("div", (u8 *)&both, 8);
	mine = low;
	rest = high;
	done = lodge_divide(LODGE_OP_IDIV, bytes, &mine, &rest, by);
	if (div == -1 && dividend == (s64)(1ull << 63))
		return;
	if (done != (div && lodge_sign_extend(dividend / div, bytes) == (u64)(dividend / div)) ||
	    (done && ((s64)mine != dividend / div || (s64)rest != dividend % div)))
		fail("idiv", (u8 *)&both, 8);
}

static int check_lengths(enum lodge_code code)
{
	unsigned long lines = 0, wrong = 0;
	unsigned int want, count, byte;
	struct lodge_insn insn;
	char line[256], *at;
	u8 bytes[15];
	int used;

	while (fgets(line, sizeof(line), stdin)) {
		at = line;
		if (sscanf(at, "%u%n", &want, &used) != 1)
			continue;
		at += used;
		for (count = 0; count < 15 &&
		     sscanf(at, "%2x%n", &byte, &used) == 1; count++) {
			bytes[count] = byte;
			at += used;
		}
		lines++;
		if (!lodge_decode(&insn, bytes, count, code) &&
		    insn.length == want)
			continue;
		wrong++;
		printf("want %u, have %u: %s", want, insn.length, line);
	}
	printf("%lu instructions, %lu wrong\n", lines, wrong);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	unsigned long rounds = 1000000;
	unsigned long i;

	if (argc > 1 && !strcmp(argv[1], "--lengths"))
		return check_lengths(argc < 3 ? LODGE_CODE64 :
				     atoi(argv[2]) / 32);
	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		state = strtoull(argv[2], NULL, 0) * 2 + 1;
	for (i = 0; i < rounds; i++) {
		fuzz_bytes();
		fuzz_walk();
		fuzz_arithmetic();
		fuzz_long();
		fuzz_divide();
	}
	printf("insn_fuzz: %lu rounds\n", rounds);
	return 0;
}
