// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests that do what no operating system does. The worst is a guest that
 * ends: the thread that runs it can always be taken away from it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "guest.h"

#define TSS		0xd000ul
#define TSS_IST1	0x24
#define IST_TOP		0xc000ul
#define AC_VECTOR	17

FIXTURE(unruly)
{
	struct guest g;
};

FIXTURE_SETUP(unruly)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(unruly)
{
	guest_destroy(&self->g);
}

/* The same bytes in both modes: the two vCPUs share them. */
GUEST64(deaf, "cli\n hlt\n" HANDLER(deaf) END);
GUEST16(deaf16, "cli\n hlt\n");

/* Nothing can wake either of them but an NMI, and that does. */
TEST_F(unruly, all_halt_with_interrupts_off)
{
	struct lodge_mp_state mp = { .size = sizeof(mp), .state = LODGE_MP_RUNNABLE };
	struct lodge_nmi nmi = { .size = sizeof(nmi) };
	struct guest other;
	int i;

	ASSERT_EQ(0, guest_join(&other, &self->g, 1));
	ASSERT_EQ(0, call(other.vcpu, LODGE_SET_MP_STATE, &mp));
	ASSERT_EQ(0, guest_load64(&self->g, deaf));
	ASSERT_EQ(0, guest_load16(&other, deaf16));
	for (i = 0; i < 2; i++) {
		struct guest *g = i ? &other : &self->g;

		alarm_ms(20);
		EXPECT_EQ(-EINTR, guest_run(g));
		ASSERT_EQ(0, call(g->vcpu, LODGE_GET_MP_STATE, &mp));
		EXPECT_EQ(LODGE_MP_HALTED, mp.state);
	}
	guest_gate(&self->g, 2);
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_NMI, &nmi));
	EXPECT_LE(0, guest_run_to_end(&self->g));
	guest_leave(&other);
}

/*
 * A breakpoint on the stack that #DB is delivered on, with a stack of its own:
 * a CPU that is not told to exit delivers #DB for ever (CVE-2015-8104).
 */
GUEST64(debug_loop,
	"sti\n movl $0xbff8, %eax\n mov %rax, %dr0\n"
	"movl $0x90401, %eax\n mov %rax, %dr7\n"	/* L0, writes, 8 bytes */
	"movl $1, 0xbff8\n 1: jmp 1b\n"
	HANDLER(debug_loop) "sti\n 1: jmp 1b\n");

TEST_F(unruly, debug_exceptions_without_end)
{
	const char *cpu = getenv("LAB_CPU");
	struct lodge_sregs sregs;

	/* Its host may take the guest's #DB: see run.single_step. */
	if (cpu && !strcmp(cpu, "amd-nrips"))
		SKIP(return, "Bochs's SVM");
	ASSERT_EQ(0, guest_load64(&self->g, debug_loop));
	guest_gate(&self->g, 1);
	self->g.mem[GUEST_IDT + 16 + 4] = 1;
	*(__u64 *)(self->g.mem + TSS + TSS_IST1) = IST_TOP;
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	sregs.seg[LODGE_TR].base = TSS;
	sregs.seg[LODGE_TR].limit = 0x67;
	ASSERT_EQ(0, guest_set_sregs(&self->g, &sregs));
	alarm_ms(20);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	TH_LOG("%llu injected", (unsigned long long)guest_stat(&self->g, "injected"));
}

/*
 * #AC at CPL 3 whose handler, at CPL 3 as well, gets a misaligned stack
 * (CVE-2015-5307). Interrupts stay on: Bochs never leaves a guest without.
 */
GUEST_PROGRAM(alignment_loop, ".code32",
	      "push %eax\n 1: jmp 1b\n"
	      HANDLER(alignment_loop) "1: jmp 1b\n");

static void user_segment(struct lodge_segment *s, __u16 selector, bool code)
{
	*s = (struct lodge_segment) {
		.limit = 0xffffffff, .selector = selector, .type = code ? 11 : 3,
		.s = 1, .dpl = 3, .present = 1, .db = 1, .g = 1,
	};
}

TEST_F(unruly, alignment_checks_without_end)
{
	struct lodge_regs regs = { .rip = GUEST_CODE, .rflags = 0x43202 };
	__u64 *gdt = (__u64 *)(self->g.mem + GUEST_GDT);
	struct lodge_sregs sregs;
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, alignment_loop));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	gdt[3] = 0x00cffb000000ffffull;
	gdt[4] = 0x00cff3000000ffffull;
	for (i = LODGE_ES; i <= LODGE_GS; i++)
		user_segment(&sregs.seg[i], 0x23, false);
	user_segment(&sregs.seg[LODGE_CS], 0x1b, true);
	sregs.gdt.limit = 0x27;
	sregs.cr0 = 0x40011;	/* AM, ET, PE */
	sregs.cr3 = 0;
	sregs.cr4 = 0;
	sregs.efer = 0;
	*(__u64 *)(self->g.mem + GUEST_IDT + AC_VECTOR * 8) =
		(GUEST_HANDLER & 0xffff) | 0x1b << 16 | 0xef00ull << 32 |
		(GUEST_HANDLER >> 16) << 48;
	regs.gpr[LODGE_RSP] = GUEST_STACK + 1;
	ASSERT_EQ(0, guest_set_sregs(&self->g, &sregs));
	ASSERT_EQ(0, guest_set_regs(&self->g, &regs));
	alarm_ms(20);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	TH_LOG("%llu injected", (unsigned long long)guest_stat(&self->g, "injected"));
}

/* There is nothing to fetch: the guest ends, with its address in the report. */
GUEST64(jump, "movl $0xd0000000, %eax\n jmp *%rax\n");

TEST_F(unruly, jump_to_a_device)
{
	ASSERT_EQ(0, guest_load64(&self->g, jump));
	ASSERT_EQ(0, guest_run(&self->g));
	EXPECT_EQ(LODGE_EXIT_INTERNAL, self->g.run->exit_reason);
	EXPECT_EQ(LODGE_INTERNAL_EMULATION, self->g.run->internal.code);
	EXPECT_EQ(GUEST_NOTHING, self->g.run->internal.info[0]);
}

/* The same for a walk through tables that no memory holds, at any level. */
GUEST64(far_tables, "mov %ebx, %eax\n mov %rax, %cr3\n 1: jmp 1b\n");

TEST_F(unruly, page_tables_in_a_device)
{
	struct lodge_regs regs;
	int level;

	for (level = 0; level < 4; level++) {
		ASSERT_EQ(0, guest_load64(&self->g, far_tables));
		ASSERT_EQ(0, guest_get_regs(&self->g, &regs));
		regs.gpr[LODGE_RBX] = GUEST_TABLES;
		if (!level)
			regs.gpr[LODGE_RBX] = GUEST_NOTHING;
		else
			*(__u64 *)(self->g.mem + GUEST_TABLES + (level - 1) * 4096) =
				GUEST_NOTHING | 7;
		ASSERT_EQ(0, guest_set_regs(&self->g, &regs));
		ASSERT_EQ(0, guest_run(&self->g));
		EXPECT_EQ(LODGE_EXIT_INTERNAL, self->g.run->exit_reason);
	}
}

GUEST64(flushes, "movl $1, 0x20000\n invd\n wbinvd\n movl 0x20000, %eax\n" END);

/* Memory is coherent: what INVD would throw away is there, too. */
TEST_F(unruly, caches_are_invalidated)
{
	ASSERT_EQ(0, guest_load64(&self->g, flushes));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

TEST_HARNESS_MAIN
