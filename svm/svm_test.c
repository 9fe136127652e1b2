// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: what of SVM is pure logic: exit codes, events, intercept information,
 * the MSR permission map, segments and the VMCB's bookkeeping.
 */
#include <kunit/test.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "svm.h"

/* A vCPU with a VMCB and without hardware. */
static struct lodge_vcpu *fake_vcpu(struct kunit *test)
{
	struct svm_vcpu *svm = kunit_kzalloc(test, sizeof(*svm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, svm);
	svm->vmcb = kunit_kzalloc(test, sizeof(*svm->vmcb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, svm->vmcb);
	svm->vcpu.regs_valid = BIT(LODGE_NR_REGS) - 1;
	svm->vmcb->control.clean = SVM_C_ALL;
	return &svm->vcpu;
}

static bool expected_code(u32 code)
{
	static const u32 codes[] = {
		SVM_EXIT_READ_CR0, SVM_EXIT_READ_CR8, SVM_EXIT_WRITE_CR0,
		SVM_EXIT_WRITE_CR4, SVM_EXIT_WRITE_CR8, SVM_EXIT_INTR,
		SVM_EXIT_NMI, SVM_EXIT_SMI, SVM_EXIT_INIT, SVM_EXIT_VINTR,
		SVM_EXIT_CR0_SEL_WRITE, SVM_EXIT_RDPMC, SVM_EXIT_CPUID,
		SVM_EXIT_RSM, SVM_EXIT_IRET, SVM_EXIT_INVD, SVM_EXIT_PAUSE,
		SVM_EXIT_HLT, SVM_EXIT_INVLPGA, SVM_EXIT_IOIO, SVM_EXIT_MSR,
		SVM_EXIT_TASK_SWITCH, SVM_EXIT_SHUTDOWN, SVM_EXIT_VMRUN,
		SVM_EXIT_VMMCALL, SVM_EXIT_VMLOAD, SVM_EXIT_VMSAVE,
		SVM_EXIT_STGI, SVM_EXIT_CLGI, SVM_EXIT_SKINIT, SVM_EXIT_RDTSCP,
		SVM_EXIT_WBINVD, SVM_EXIT_MONITOR, SVM_EXIT_MWAIT,
		SVM_EXIT_MWAIT_COND, SVM_EXIT_XSETBV, SVM_EXIT_RDPRU,
		SVM_EXIT_INVPCID, SVM_EXIT_NPF,
		SVM_EXIT_EXCP_BASE + X86_TRAP_DB, SVM_EXIT_EXCP_BASE + X86_TRAP_UD,
		SVM_EXIT_EXCP_BASE + X86_TRAP_AC,
		SVM_EXIT_EXCP_BASE + X86_TRAP_MC,
	};
	int i;

	if (code >= SVM_EXIT_READ_DR0 && code <= SVM_EXIT_READ_DR7)
		return true;
	if (code >= SVM_EXIT_WRITE_DR0 && code <= SVM_EXIT_WRITE_DR7)
		return true;
	for (i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static void every_exit_code_has_a_handler(struct kunit *test)
{
	u32 code;

	for (code = 0; code < 0x10000; code++) {
		lodge_handler handler = svm_exit_handler(code);

		KUNIT_ASSERT_TRUE_MSG(test, handler, "code %#x", code);
		KUNIT_EXPECT_EQ_MSG(test, expected_code(code),
				    handler != svm_on_unexpected, "code %#x", code);
	}
}

static void high_exit_codes_are_bounded(struct kunit *test)
{
	static const u32 wild[] = {
		0x10000, 0x7fffffff, 0x80000000, 0xf0000000, 0xfffffffd,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(wild); i++)
		KUNIT_EXPECT_PTR_EQ(test, svm_exit_handler(wild[i]),
				    (lodge_handler)svm_on_unexpected);
	KUNIT_EXPECT_TRUE(test, svm_exit_handler(SVM_EXIT_INVALID) !=
				svm_on_unexpected);
	KUNIT_EXPECT_TRUE(test, svm_exit_handler(SVM_EXIT_BUSY) !=
				svm_on_unexpected);
}

static void svm_instructions_do_not_exist(struct kunit *test)
{
	static const u32 codes[] = {
		SVM_EXIT_VMRUN, SVM_EXIT_VMLOAD, SVM_EXIT_VMSAVE, SVM_EXIT_STGI,
		SVM_EXIT_CLGI, SVM_EXIT_SKINIT, SVM_EXIT_INVLPGA, SVM_EXIT_RDPRU,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(codes); i++)
		KUNIT_EXPECT_PTR_EQ(test, svm_exit_handler(codes[i]),
				    (lodge_handler)lodge_on_undefined);
}

static void events_are_encoded(struct kunit *test)
{
	struct lodge_event event = { .valid = true, .vector = 0x31 };

	KUNIT_EXPECT_EQ(test, 0x80000031u, svm_encode_event(&event));
	event.type = LODGE_EV_NMI;
	event.vector = 2;
	KUNIT_EXPECT_EQ(test, 0x80000202u, svm_encode_event(&event));
	event.type = LODGE_EV_EXCEPTION;
	event.vector = X86_TRAP_GP;
	event.has_error = true;
	KUNIT_EXPECT_EQ(test, 0x80000b0du, svm_encode_event(&event));
	event.type = LODGE_EV_SOFT_INTERRUPT;
	event.vector = 0x80;
	event.has_error = false;
	KUNIT_EXPECT_EQ(test, 0x80000480u, svm_encode_event(&event));
}

/* EVENTINJ has no types 5 and 6: VMRUN would refuse them (APM 15.20). */
static void soft_exceptions_become_exceptions(struct kunit *test)
{
	struct lodge_event event = {
		.valid = true, .type = LODGE_EV_SOFT_EXCEPTION,
		.vector = X86_TRAP_BP,
	};

	KUNIT_EXPECT_EQ(test, 0x80000303u, svm_encode_event(&event));
	event.type = LODGE_EV_PRIV_SOFT_EXCEPTION;
	event.vector = X86_TRAP_DB;
	KUNIT_EXPECT_EQ(test, 0x80000301u, svm_encode_event(&event));
}

static void events_survive_a_round_trip(struct kunit *test)
{
	static const u8 types[] = {
		LODGE_EV_INTERRUPT, LODGE_EV_NMI, LODGE_EV_EXCEPTION,
		LODGE_EV_SOFT_INTERRUPT,
	};
	struct lodge_event in, out;
	int i, vector;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (vector = 0; vector < 256; vector++) {
			in = (struct lodge_event) {
				.valid = true, .type = types[i], .vector = vector,
				.has_error = vector & 1, .error = vector & 1,
			};
			lodge_decode_event(svm_encode_event(&in), 1, &out);
			KUNIT_EXPECT_EQ(test, 0, memcmp(&in, &out, sizeof(in)));
		}
	}
}

static void no_event_is_not_valid(struct kunit *test)
{
	struct lodge_event event;

	lodge_decode_event(0x00000b0d, 5, &event);
	KUNIT_EXPECT_FALSE(test, event.valid);
	lodge_decode_event(0x8000030e, 5, &event);
	KUNIT_EXPECT_TRUE(test, event.valid);
	KUNIT_EXPECT_FALSE(test, event.has_error);
	KUNIT_EXPECT_EQ(test, 0u, event.error);
}

static bool nmi_open(struct lodge_vcpu *vcpu)
{
	return !svm_get_shadow(vcpu);
}

static void software_events_are_known(struct kunit *test)
{
	struct lodge_event event = { .valid = true };
	int vector;

	for (vector = 0; vector < 32; vector++) {
		event.vector = vector;
		event.type = LODGE_EV_EXCEPTION;
		KUNIT_EXPECT_EQ(test, svm_event_is_soft(&event),
				vector == X86_TRAP_BP || vector == X86_TRAP_OF);
		event.type = LODGE_EV_INTERRUPT;
		KUNIT_EXPECT_FALSE(test, svm_event_is_soft(&event));
		event.type = LODGE_EV_SOFT_INTERRUPT;
		KUNIT_EXPECT_TRUE(test, svm_event_is_soft(&event));
	}
}

static void interrupted_delivery_is_repeated(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	svm_control(vcpu)->exit_int_info = 0x80000041;
	svm_complete_events(vcpu);
	KUNIT_EXPECT_TRUE(test, vcpu->inflight.valid);
	KUNIT_EXPECT_EQ(test, 0x41, (int)vcpu->inflight.vector);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_EVENT, &vcpu->requests));
}

static void software_event_is_executed_again(struct kunit *test)
{
	struct lodge_event event = {
		.valid = true, .type = LODGE_EV_SOFT_INTERRUPT, .vector = 0x80,
		.insn_len = 2,
	};
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->regs[LODGE_RIP] = 0x1000;
	svm_inject(vcpu, &event);
	KUNIT_EXPECT_EQ(test, 0x1002ull, vcpu->regs[LODGE_RIP]);
	KUNIT_EXPECT_EQ(test, 0x80000480u, svm_control(vcpu)->event_inj);
	svm_control(vcpu)->exit_int_info = 0x80000480;
	svm_complete_events(vcpu);
	KUNIT_EXPECT_FALSE(test, vcpu->inflight.valid);
	KUNIT_EXPECT_EQ(test, 0x1000ull, vcpu->regs[LODGE_RIP]);
}

static bool iret_intercepted(struct lodge_vcpu *vcpu)
{
	return svm_control(vcpu)->intercepts[INTERCEPT_IRET / 32] &
	       BIT(INTERCEPT_IRET % 32);
}

static void nmi_is_masked_until_iret_is_done(struct kunit *test)
{
	struct lodge_event nmi = { .valid = true, .type = LODGE_EV_NMI, .vector = 2 };
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	KUNIT_EXPECT_TRUE(test, nmi_open(vcpu));
	svm_inject(vcpu, &nmi);
	svm_complete_events(vcpu);
	KUNIT_EXPECT_FALSE(test, nmi_open(vcpu));
	KUNIT_EXPECT_TRUE(test, iret_intercepted(vcpu));

	vcpu->regs[LODGE_RIP] = 0x2000;
	svm_iret_reached(vcpu);
	svm_complete_events(vcpu);
	KUNIT_EXPECT_FALSE(test, nmi_open(vcpu));
	KUNIT_EXPECT_FALSE(test, iret_intercepted(vcpu));

	vcpu->regs[LODGE_RIP] = 0x3000;
	svm_complete_events(vcpu);
	KUNIT_EXPECT_TRUE(test, nmi_open(vcpu));
}

static void undelivered_nmi_does_not_mask(struct kunit *test)
{
	struct lodge_event nmi = { .valid = true, .type = LODGE_EV_NMI, .vector = 2 };
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	svm_inject(vcpu, &nmi);
	svm_control(vcpu)->exit_int_info = 0x80000202;
	svm_complete_events(vcpu);
	KUNIT_EXPECT_TRUE(test, vcpu->inflight.valid);
	KUNIT_EXPECT_FALSE(test, svm_get_shadow(vcpu) & LODGE_SHADOW_NMI);
	KUNIT_EXPECT_FALSE(test, iret_intercepted(vcpu));
}

static void our_step_is_not_the_guests(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 dr6 = DR6_RESERVED | DR_STEP;

	svm_set_shadow(vcpu, LODGE_SHADOW_STI);
	svm_open_nmi_window(vcpu);
	KUNIT_EXPECT_TRUE(test, vcpu->regs[LODGE_RFLAGS] & X86_EFLAGS_TF);
	vcpu->regs[LODGE_RIP]++;
	svm_control(vcpu)->exit_code = SVM_EXIT_EXCP_BASE + X86_TRAP_DB;
	svm_complete_events(vcpu);
	KUNIT_EXPECT_TRUE(test, svm_step_done(vcpu, &dr6));
	KUNIT_EXPECT_FALSE(test, vcpu->regs[LODGE_RFLAGS] & X86_EFLAGS_TF);

	dr6 = DR6_RESERVED | DR_STEP;
	KUNIT_EXPECT_FALSE(test, svm_step_done(vcpu, &dr6));
	KUNIT_EXPECT_EQ(test, (u64)(DR6_RESERVED | DR_STEP), dr6);
}

static void step_ends_with_any_exit(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	svm_set_shadow(vcpu, LODGE_SHADOW_STI);
	svm_open_nmi_window(vcpu);
	svm_control(vcpu)->exit_code = SVM_EXIT_NPF;
	svm_complete_events(vcpu);
	KUNIT_EXPECT_FALSE(test, vcpu->regs[LODGE_RFLAGS] & X86_EFLAGS_TF);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_EVENT, &vcpu->requests));
}

static void window_opens_and_closes(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	struct vmcb_control_area *control = svm_control(vcpu);
	u32 bit = BIT(INTERCEPT_VINTR % 32);

	svm_open_interrupt_window(vcpu);
	KUNIT_EXPECT_TRUE(test, control->int_ctl & V_IRQ_MASK);
	KUNIT_EXPECT_TRUE(test, control->intercepts[INTERCEPT_VINTR / 32] & bit);
	KUNIT_EXPECT_FALSE(test, control->clean &
				 (SVM_C_INT_CTL | SVM_C_INTERCEPTS));
	svm_close_windows(vcpu);
	KUNIT_EXPECT_FALSE(test, control->int_ctl & V_IRQ_MASK);
	KUNIT_EXPECT_FALSE(test, control->intercepts[INTERCEPT_VINTR / 32] & bit);
}

/* The guest may be open to interrupts by then, and its CPU has not noticed. */
static void a_host_interrupt_has_the_window_looked_at(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->requests = 0;
	svm_exit_handler(SVM_EXIT_INTR)(vcpu);
	KUNIT_EXPECT_FALSE(test, test_bit(LODGE_REQ_EVENT, &vcpu->requests));
	svm_open_interrupt_window(vcpu);
	svm_exit_handler(SVM_EXIT_INTR)(vcpu);
	KUNIT_EXPECT_FALSE(test, svm_control(vcpu)->int_ctl & V_IRQ_MASK);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_REQ_EVENT, &vcpu->requests));
}

static void a_shadow_holds_events_off(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	KUNIT_EXPECT_TRUE(test, nmi_open(vcpu));
	svm_set_shadow(vcpu, LODGE_SHADOW_MOVSS);
	KUNIT_EXPECT_NE(test, 0u, svm_get_shadow(vcpu));
	KUNIT_EXPECT_FALSE(test, nmi_open(vcpu));
	svm_set_shadow(vcpu, 0);
	KUNIT_EXPECT_EQ(test, 0u, svm_get_shadow(vcpu));
	KUNIT_EXPECT_TRUE(test, nmi_open(vcpu));
}

static void ioio_is_decoded(struct kunit *test)
{
	struct lodge_pio io;

	io = svm_decode_io(0x03f80210);	/* OUT 0x3f8, AL */
	KUNIT_EXPECT_EQ(test, 0x3f8, (int)io.port);
	KUNIT_EXPECT_EQ(test, 1, (int)io.bytes);
	KUNIT_EXPECT_FALSE(test, io.in);
	KUNIT_EXPECT_FALSE(test, io.string);
	io = svm_decode_io(0xffff024d);	/* REP INSD from 0xffff */
	KUNIT_EXPECT_EQ(test, 0xffff, (int)io.port);
	KUNIT_EXPECT_EQ(test, 4, (int)io.bytes);
	KUNIT_EXPECT_TRUE(test, io.in);
	KUNIT_EXPECT_TRUE(test, io.string);
}

static void fault_access_is_decoded(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, (u32)LODGE_ACCESS_READ, svm_npf_access(0x100000004));
	KUNIT_EXPECT_EQ(test, (u32)LODGE_ACCESS_WRITE, svm_npf_access(0x100000007));
	KUNIT_EXPECT_EQ(test, (u32)LODGE_ACCESS_EXEC, svm_npf_access(0x100000014));
	KUNIT_EXPECT_EQ(test, (u32)LODGE_ACCESS_WRITE, svm_npf_access(0x200000006));
}

static void msr_bits_are_in_the_map(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, svm_msr_bit(0));
	KUNIT_EXPECT_EQ(test, 0x3ffe, svm_msr_bit(0x1fff));
	KUNIT_EXPECT_EQ(test, 0x4000 + 0x80 * 2, svm_msr_bit(MSR_EFER));
	KUNIT_EXPECT_EQ(test, 0x8000 + 0x114 * 2, svm_msr_bit(MSR_VM_CR));
	KUNIT_EXPECT_EQ(test, 0xbffe, svm_msr_bit(0xc0011fff));
}

static void msrs_beyond_the_map_exit(struct kunit *test)
{
	static const u32 outside[] = {
		0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xc000ffff,
		0xc0012000, 0xffffffff,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(outside); i++)
		KUNIT_EXPECT_EQ(test, -EINVAL, svm_msr_bit(outside[i]));
}

/* Only what VMRUN and VMLOAD switch may be open, whatever is asked for. */
static void map_opens_nothing_of_the_host(struct kunit *test)
{
	static const u32 wish[] = {
		MSR_LSTAR, MSR_EFER, MSR_VM_HSAVE_PA, MSR_IA32_APICBASE,
		MSR_IA32_CR_PAT, MSR_TSC_AUX, 0xffffffff, MSR_FS_BASE, 0,
	};
	u8 *map = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	int i, open = 0;

	KUNIT_ASSERT_NOT_NULL(test, map);
	memset(map, 0xff, 2 * PAGE_SIZE);
	svm_msrpm_build(map, wish);
	for (i = 0; i < 2 * PAGE_SIZE * 8; i++)
		open += !(map[i / 8] & BIT(i % 8));
	KUNIT_EXPECT_EQ(test, 4, open);
	i = svm_msr_bit(MSR_LSTAR);
	KUNIT_EXPECT_EQ(test, 0, map[i / 8] >> (i % 8) & 3);
	i = svm_msr_bit(MSR_FS_BASE);
	KUNIT_EXPECT_EQ(test, 0, map[i / 8] >> (i % 8) & 3);
}

static void msrs_of_the_vmcb(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u64 value;

	KUNIT_EXPECT_EQ(test, 0, svm_set_msr(vcpu, MSR_STAR, 0x23001000000000));
	KUNIT_EXPECT_EQ(test, 0, svm_get_msr(vcpu, MSR_STAR, &value));
	KUNIT_EXPECT_EQ(test, 0x23001000000000ull, value);
	KUNIT_EXPECT_EQ(test, 0, svm_set_msr(vcpu, MSR_LSTAR, 0xffffffff81000000));
	KUNIT_EXPECT_EQ(test, 0xffffffff81000000ull, svm_save(vcpu)->lstar);
	KUNIT_EXPECT_EQ(test, -EINVAL, svm_set_msr(vcpu, MSR_VM_HSAVE_PA, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, svm_get_msr(vcpu, MSR_VM_CR, &value));
}

static void segments_survive_a_round_trip(struct kunit *test)
{
	struct lodge_segment code = {
		.base = 0x1000, .limit = 0xffffffff, .selector = 0x10, .type = 11,
		.s = 1, .dpl = 3, .present = 1, .avl = 1, .l = 1, .g = 1,
	};
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	struct lodge_segment out;

	svm_set_segment(vcpu, LODGE_CS, &code);
	KUNIT_EXPECT_EQ(test, 0xbfb, (int)svm_save(vcpu)->cs.attrib);
	KUNIT_EXPECT_FALSE(test, svm_control(vcpu)->clean & SVM_C_SEG);
	svm_get_segment(vcpu, LODGE_CS, &out);
	KUNIT_EXPECT_EQ(test, 0, memcmp(&code, &out, sizeof(out)));
}

static void unusable_segments_are_absent(struct kunit *test)
{
	struct lodge_segment seg = {
		.type = 3, .s = 1, .present = 1, .unusable = 1,
	};
	struct vmcb_seg raw = {};

	KUNIT_EXPECT_EQ(test, 0, (int)svm_attrib(&seg));
	svm_unpack_segment(&raw, &seg);
	KUNIT_EXPECT_TRUE(test, seg.unusable);
	KUNIT_EXPECT_FALSE(test, seg.present);
}

/* Values from userspace must not reach bits that are not theirs. */
static void wild_attributes_stay_in_their_bits(struct kunit *test)
{
	struct lodge_segment seg = {
		.type = 0xff, .s = 0xff, .dpl = 0xff, .present = 0xff,
		.avl = 0xff, .l = 0xff, .db = 0xff, .g = 0xff,
	};

	KUNIT_EXPECT_EQ(test, 0xfff, (int)svm_attrib(&seg));
}

static void privilege_level_is_that_of_ss(struct kunit *test)
{
	struct lodge_segment ss = { .type = 3, .s = 1, .dpl = 3, .present = 1 };
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	svm_set_segment(vcpu, LODGE_SS, &ss);
	KUNIT_EXPECT_EQ(test, 3, svm_cpl(vcpu));
	svm_save(vcpu)->cpl = 0;
	svm_get_segment(vcpu, LODGE_SS, &ss);
	KUNIT_EXPECT_EQ(test, 0, (int)ss.dpl);
}

static void cache_disable_is_the_guests_alone(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);
	u32 *word = &svm_control(vcpu)->intercepts[0];

	svm_set_cr0(vcpu, X86_CR0_PE | X86_CR0_CD);
	KUNIT_EXPECT_EQ(test, (u64)X86_CR0_PE, svm_save(vcpu)->cr0);
	KUNIT_EXPECT_TRUE(test, *word & BIT(INTERCEPT_CR0_READ));
	KUNIT_EXPECT_TRUE(test, *word & BIT(INTERCEPT_CR0_WRITE));
	svm_save(vcpu)->cr0 |= X86_CR0_TS;
	svm_fetch_reg(vcpu, LODGE_CR0);
	KUNIT_EXPECT_EQ(test, (u64)(X86_CR0_PE | X86_CR0_CD | X86_CR0_TS),
			vcpu->regs[LODGE_CR0]);
	svm_set_cr0(vcpu, X86_CR0_PE);
	KUNIT_EXPECT_FALSE(test, *word & BIT(INTERCEPT_CR0_READ));
	KUNIT_EXPECT_FALSE(test, *word & BIT(INTERCEPT_CR0_WRITE));
}

static void svme_is_set_and_not_seen(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	svm_set_efer(vcpu, EFER_LME);
	KUNIT_EXPECT_EQ(test, (u64)(EFER_LME | EFER_SVME), svm_save(vcpu)->efer);
	KUNIT_EXPECT_EQ(test, (u64)EFER_LME, vcpu->efer);
	KUNIT_EXPECT_FALSE(test, svm_control(vcpu)->clean & SVM_C_CR);
}

/* Bochs's VMRUN dies of virtual-8086 mode in long mode, and VMX fails the entry. */
static void flags_that_no_mode_has_are_dropped(struct kunit *test)
{
	struct lodge_vcpu *vcpu = fake_vcpu(test);

	vcpu->regs[LODGE_CR0] = X86_CR0_PE;
	vcpu->regs[LODGE_RFLAGS] = ~0ull;
	KUNIT_EXPECT_EQ(test, 0x3f7fd7ull, lodge_hw_rflags(vcpu));
	vcpu->efer = EFER_LMA;
	KUNIT_EXPECT_EQ(test, 0x3d7fd7ull, lodge_hw_rflags(vcpu));
	vcpu->efer = 0;
	vcpu->regs[LODGE_CR0] = 0;
	KUNIT_EXPECT_EQ(test, 0x3d7fd7ull, lodge_hw_rflags(vcpu));
	vcpu->regs[LODGE_RFLAGS] = 0;
	KUNIT_EXPECT_EQ(test, 2ull, lodge_hw_rflags(vcpu));
}

static struct kunit_case svm_cases[] = {
	KUNIT_CASE(every_exit_code_has_a_handler),
	KUNIT_CASE(high_exit_codes_are_bounded),
	KUNIT_CASE(svm_instructions_do_not_exist),
	KUNIT_CASE(events_are_encoded),
	KUNIT_CASE(soft_exceptions_become_exceptions),
	KUNIT_CASE(events_survive_a_round_trip),
	KUNIT_CASE(no_event_is_not_valid),
	KUNIT_CASE(software_events_are_known),
	KUNIT_CASE(interrupted_delivery_is_repeated),
	KUNIT_CASE(software_event_is_executed_again),
	KUNIT_CASE(nmi_is_masked_until_iret_is_done),
	KUNIT_CASE(undelivered_nmi_does_not_mask),
	KUNIT_CASE(our_step_is_not_the_guests),
	KUNIT_CASE(step_ends_with_any_exit),
	KUNIT_CASE(window_opens_and_closes),
	KUNIT_CASE(a_host_interrupt_has_the_window_looked_at),
	KUNIT_CASE(a_shadow_holds_events_off),
	KUNIT_CASE(ioio_is_decoded),
	KUNIT_CASE(fault_access_is_decoded),
	KUNIT_CASE(msr_bits_are_in_the_map),
	KUNIT_CASE(msrs_beyond_the_map_exit),
	KUNIT_CASE(map_opens_nothing_of_the_host),
	KUNIT_CASE(msrs_of_the_vmcb),
	KUNIT_CASE(segments_survive_a_round_trip),
	KUNIT_CASE(unusable_segments_are_absent),
	KUNIT_CASE(wild_attributes_stay_in_their_bits),
	KUNIT_CASE(privilege_level_is_that_of_ss),
	KUNIT_CASE(cache_disable_is_the_guests_alone),
	KUNIT_CASE(svme_is_set_and_not_seen),
	KUNIT_CASE(flags_that_no_mode_has_are_dropped),
	{}
};

static struct kunit_suite svm_suite = {
	.name = "lodge_svm",
	.test_cases = svm_cases,
};

kunit_test_suite(svm_suite);
