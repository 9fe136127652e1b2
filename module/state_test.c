// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: vCPU state that userspace may and may not set. */
#include <kunit/test.h>
#include <linux/module.h>
#include <asm/trapnr.h>

#include "lodge.h"
#include "ioctl.h"

#define LONG_CR0	(X86_CR0_PE | X86_CR0_PG | X86_CR0_ET)
#define LONG_EFER	(EFER_LME | EFER_LMA)

static const struct lodge_sregs_rules rules = {
	.cr4_rsvd = ~(u64)(X86_CR4_PAE | X86_CR4_PCIDE | X86_CR4_OSXSAVE),
	.efer = EFER_LME | EFER_LMA | EFER_SCE,
	.xcr0 = XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512,
	.maxphyaddr = 40,
};

/* 64-bit mode, as a launcher would set it up. */
static struct lodge_sregs *make(struct kunit *test)
{
	struct lodge_sregs *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->cr0 = LONG_CR0;
	s->cr3 = 0x1000;
	s->cr4 = X86_CR4_PAE;
	s->efer = LONG_EFER;
	s->xcr0 = XFEATURE_MASK_FP;
	s->seg[LODGE_CS].l = 1;
	return s;
}

#define REFUSED(s)	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_sregs_check(s, &rules))
#define ACCEPTED(s)	KUNIT_EXPECT_EQ(test, 0, lodge_sregs_check(s, &rules))

static void long_mode(struct kunit *test)
{
	ACCEPTED(make(test));
}

static void real_mode(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->cr0 = 0x60000010;
	s->cr3 = 0;
	s->cr4 = 0;
	s->efer = 0;
	ACCEPTED(s);
	s->efer = EFER_LME;	/* not active without paging */
	ACCEPTED(s);
}

static void lma_must_agree(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->efer = EFER_LME;
	REFUSED(s);
	s->efer = EFER_LMA;
	REFUSED(s);
	s->efer = LONG_EFER;
	s->cr0 = X86_CR0_PE;
	REFUSED(s);
}

static void long_mode_needs_pae(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->cr4 = 0;
	REFUSED(s);
}

static void pcid_needs_long_mode(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->cr4 |= X86_CR4_PCIDE;
	ACCEPTED(s);
	s->efer = 0;
	REFUSED(s);
}

static void bad_cr0(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->cr0 = LONG_CR0 | BIT_ULL(32);
	REFUSED(s);
	s->cr0 = LONG_CR0 | X86_CR0_NW;
	REFUSED(s);
	s->cr0 = X86_CR0_PG;
	REFUSED(s);
}

static void reserved_bits(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->cr4 |= BIT_ULL(13);
	REFUSED(s);
	s = make(test);
	s->efer |= EFER_NX;
	REFUSED(s);
	s = make(test);
	s->efer |= BIT_ULL(63);
	REFUSED(s);
	s = make(test);
	s->cr3 = BIT_ULL(40);
	REFUSED(s);
	s->cr3 = BIT_ULL(63);
	REFUSED(s);
	s = make(test);
	s->cr8 = 16;
	REFUSED(s);
}

static void xcr0_combinations(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->xcr0 = 0;
	REFUSED(s);
	s->xcr0 = XFEATURE_MASK_FP | XFEATURE_MASK_YMM;
	REFUSED(s);
	s->xcr0 = XFEATURE_MASK_FPSSE | XFEATURE_MASK_AVX512;
	REFUSED(s);
	s->xcr0 = XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | BIT_ULL(5);
	REFUSED(s);
	s->xcr0 = XFEATURE_MASK_FPSSE | XFEATURE_MASK_PKRU;
	REFUSED(s);
	s->xcr0 = rules.xcr0;
	ACCEPTED(s);
}

static void bases(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->seg[LODGE_FS].base = 0xffff800000000000;
	ACCEPTED(s);
	s->seg[LODGE_FS].base = 0x0000800000000000;
	REFUSED(s);
	s = make(test);
	s->seg[LODGE_DS].base = BIT_ULL(32);
	REFUSED(s);
	s->seg[LODGE_DS].unusable = 1;
	ACCEPTED(s);
	s = make(test);
	s->gdt.base = BIT_ULL(63);
	REFUSED(s);
	s = make(test);
	s->idt.base = BIT_ULL(47);
	REFUSED(s);
	s = make(test);
	s->seg[LODGE_TR].base = BIT_ULL(62);
	REFUSED(s);
}

static void segment_fields(struct kunit *test)
{
	struct lodge_sregs *s = make(test);

	s->seg[LODGE_CS].db = 1;	/* with L in long mode */
	REFUSED(s);
	s = make(test);
	s->seg[LODGE_SS].type = 16;
	REFUSED(s);
	s = make(test);
	s->seg[LODGE_SS].dpl = 4;
	REFUSED(s);
	s = make(test);
	s->seg[LODGE_TR].present = 2;
	REFUSED(s);
	s = make(test);
	s->seg[LODGE_ES].unusable = 0xff;
	REFUSED(s);
}

static int check_events(u32 flags, u8 exception, u8 interrupt)
{
	struct lodge_events events = {
		.flags = flags, .exception = exception, .interrupt = interrupt,
	};

	return lodge_events_check(&events);
}

static void good_events(struct kunit *test)
{
	u32 e = LODGE_EVENT_EXCEPTION, i = LODGE_EVENT_INTERRUPT;

	KUNIT_EXPECT_EQ(test, 0, check_events(0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, check_events(e | LODGE_EVENT_ERROR_CODE, 14, 0));
	KUNIT_EXPECT_EQ(test, 0, check_events(e | LODGE_EVENT_SOFT, 3, 0));
	KUNIT_EXPECT_EQ(test, 0, check_events(i, 0, 255));
	KUNIT_EXPECT_EQ(test, 0, check_events(i | LODGE_EVENT_SOFT, 0, 3));
	KUNIT_EXPECT_EQ(test, 0, check_events(LODGE_EVENT_NMI_INJECTED |
					      LODGE_EVENT_NMI_MASKED, 0, 0));
}

static void bad_events(struct kunit *test)
{
	u32 e = LODGE_EVENT_EXCEPTION, i = LODGE_EVENT_INTERRUPT;

	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(e, 2, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(e, 32, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(LODGE_EVENT_ERROR_CODE, 0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(LODGE_EVENT_SOFT, 0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(e | LODGE_EVENT_SOFT, 13, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(e | i | LODGE_EVENT_SOFT, 3, 32));
	KUNIT_EXPECT_EQ(test, -EINVAL, check_events(i, 0, 15));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			check_events(i | LODGE_EVENT_NMI_INJECTED, 0, 32));
}

static void debug_registers(struct kunit *test)
{
	struct lodge_debugregs regs = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };

	KUNIT_EXPECT_EQ(test, 0, lodge_debugregs_check(&regs));
	regs.dr6 = BIT_ULL(32);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_debugregs_check(&regs));
	regs.dr6 = 0;
	regs.dr7 = BIT_ULL(63);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_debugregs_check(&regs));
	regs.dr7 = BIT(12);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_debugregs_check(&regs));
}

static void flags_register(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 2ull, lodge_rflags_fix(0));
	KUNIT_EXPECT_EQ(test, 0x202ull, lodge_rflags_fix(0x200));
	KUNIT_EXPECT_EQ(test, 0x3f7fd7ull, lodge_rflags_fix(~0ull));
}

static void run_page_unknown_groups(struct kunit *test)
{
	struct lodge_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	struct lodge_run *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	KUNIT_ASSERT_NOT_NULL(test, run);
	vcpu->run = run;
	KUNIT_EXPECT_EQ(test, 0, lodge_run_sync_in(vcpu));
	run->dirty = BIT(2);
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_run_sync_in(vcpu));
	run->dirty = U32_MAX;
	KUNIT_EXPECT_EQ(test, -EINVAL, lodge_run_sync_in(vcpu));
	run->dirty = LODGE_SYNC_REGS;
	run->regs.gpr[LODGE_R15] = 77;
	run->regs.rflags = ~0ull;
	KUNIT_EXPECT_EQ(test, 0, lodge_run_sync_in(vcpu));
	KUNIT_EXPECT_EQ(test, 77ull, vcpu->regs[LODGE_R15]);
	KUNIT_EXPECT_EQ(test, 0x3f7fd7ull, vcpu->regs[LODGE_RFLAGS]);
	KUNIT_EXPECT_EQ(test, 0u, run->dirty);
}

static void run_page_wanted(struct kunit *test)
{
	struct lodge_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	struct lodge_run *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	KUNIT_ASSERT_NOT_NULL(test, run);
	vcpu->run = run;
	vcpu->regs_valid = ~0ul;
	vcpu->regs[LODGE_RIP] = 0x1234;
	run->wanted = BIT(31) | LODGE_SYNC_REGS;
	lodge_run_sync_out(vcpu);
	KUNIT_EXPECT_EQ(test, LODGE_SYNC_REGS, run->valid);
	KUNIT_EXPECT_EQ(test, 0x1234ull, run->regs.rip);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(long_mode),
	KUNIT_CASE(real_mode),
	KUNIT_CASE(lma_must_agree),
	KUNIT_CASE(long_mode_needs_pae),
	KUNIT_CASE(pcid_needs_long_mode),
	KUNIT_CASE(bad_cr0),
	KUNIT_CASE(reserved_bits),
	KUNIT_CASE(xcr0_combinations),
	KUNIT_CASE(bases),
	KUNIT_CASE(segment_fields),
	KUNIT_CASE(good_events),
	KUNIT_CASE(bad_events),
	KUNIT_CASE(debug_registers),
	KUNIT_CASE(flags_register),
	KUNIT_CASE(run_page_unknown_groups),
	KUNIT_CASE(run_page_wanted),
	{}
};

static struct kunit_suite suite = { .name = "lodge_state", .test_cases = cases };

kunit_test_suite(suite);
