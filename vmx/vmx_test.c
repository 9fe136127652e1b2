// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: what of VMX is pure logic: control negotiation, exit reasons, events,
 * qualifications, the MSR bitmap, segments and control registers.
 */
#include <kunit/test.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "vmx.h"

/* A capability MSR: bits that must be one and bits that may be. */
static u64 cap(u32 must, u32 may)
{
	return must | (u64)may << 32;
}

/* Everything is possible and nothing is compulsory. */
static const struct vmx_cap_msrs generous = {
	.pin = 0xffffffff00000000,
	.primary = 0xffffffff00000000,
	.secondary = 0xffffffff00000000,
	.exit = 0xffffffff00000000,
	.entry = 0xffffffff00000000,
};

static void negotiate_takes_required_and_optional(struct kunit *test)
{
	u32 value;

	KUNIT_EXPECT_EQ(test, 0, vmx_negotiate_one(cap(0, 0xff), 0x3, 0xc, &value));
	KUNIT_EXPECT_EQ(test, 0xfu, value);
}

static void negotiate_leaves_out_what_is_not_possible(struct kunit *test)
{
	u32 value;

	KUNIT_EXPECT_EQ(test, 0, vmx_negotiate_one(cap(0, 0x7), 0x3, 0xc, &value));
	KUNIT_EXPECT_EQ(test, 0x7u, value);
}

static void negotiate_keeps_compulsory_bits(struct kunit *test)
{
	u32 value;

	KUNIT_EXPECT_EQ(test, 0,
			vmx_negotiate_one(cap(0x16, 0x1f), 0x1, 0, &value));
	KUNIT_EXPECT_EQ(test, 0x17u, value);
}

static void negotiate_refuses_without_a_required_bit(struct kunit *test)
{
	u32 value = 0xdead;

	KUNIT_EXPECT_EQ(test, -ENODEV,
			vmx_negotiate_one(cap(0, 0xfe), 0x3, 0, &value));
	KUNIT_EXPECT_EQ(test, 0xdeadu, value);
	KUNIT_EXPECT_EQ(test, -ENODEV, vmx_negotiate_one(0, 0x1, 0, &value));
}

static void controls_start_without_windows_and_long_mode(struct kunit *test)
{
	struct vmx_controls c;

	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&generous, &c));
	KUNIT_EXPECT_EQ(test, 0ul, c.primary & (CPU_BASED_INTR_WINDOW_EXITING |
						CPU_BASED_NMI_WINDOW_EXITING));
	KUNIT_EXPECT_EQ(test, 0u, c.entry & VM_ENTRY_IA32E_MODE);
	KUNIT_EXPECT_TRUE(test, c.exit & VM_EXIT_HOST_ADDR_SPACE_SIZE);
	KUNIT_EXPECT_FALSE(test, c.exit & VM_EXIT_ACK_INTR_ON_EXIT);
}

/* A guest may neither reach the host's ports nor halt or stall its CPU. */
static void controls_intercept_what_touches_the_host(struct kunit *test)
{
	unsigned long wanted = CPU_BASED_UNCOND_IO_EXITING |
		CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |
		CPU_BASED_MONITOR_EXITING | CPU_BASED_MOV_DR_EXITING |
		CPU_BASED_RDPMC_EXITING | CPU_BASED_USE_MSR_BITMAPS;
	struct vmx_controls c;

	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&generous, &c));
	KUNIT_EXPECT_EQ(test, wanted, c.primary & wanted);
	KUNIT_EXPECT_TRUE(test, c.pin & PIN_BASED_EXT_INTR_MASK);
	KUNIT_EXPECT_TRUE(test, c.pin & PIN_BASED_NMI_EXITING);
}

/* Of the parameter and the CPU, whichever is less */
static void apic_is_virtualised_as_far_as_possible(struct kunit *test)
{
	u32 cr8 = CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING;
	struct vmx_cap_msrs msrs = generous;
	int was = lodge_apicv;
	struct vmx_controls c;

	lodge_apicv = 77;
	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_EQ(test, (int)LODGE_APICV_DELIVERY, lodge_apicv);
	KUNIT_EXPECT_TRUE(test, c.secondary & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY);
	KUNIT_EXPECT_FALSE(test, c.secondary & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE);
	KUNIT_EXPECT_EQ(test, (u32)CPU_BASED_TPR_SHADOW,
			c.primary & (CPU_BASED_TPR_SHADOW | cr8));
	lodge_apicv = -1;
	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_EQ(test, (int)LODGE_APICV_TPR, lodge_apicv);
	KUNIT_EXPECT_FALSE(test, c.secondary & VMX_APICV);
	lodge_apicv = LODGE_APICV_DELIVERY;
	msrs.secondary = cap(0, ~(u32)SECONDARY_EXEC_APIC_REGISTER_VIRT);
	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_EQ(test, (int)LODGE_APICV_TPR, lodge_apicv);
	KUNIT_EXPECT_FALSE(test, c.secondary & VMX_APICV);
	lodge_apicv = LODGE_APICV_DELIVERY;
	msrs = generous;
	msrs.primary = cap(0, ~(u32)CPU_BASED_TPR_SHADOW);
	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_EQ(test, (int)LODGE_APICV_NONE, lodge_apicv);
	KUNIT_EXPECT_EQ(test, cr8, c.primary & (CPU_BASED_TPR_SHADOW | cr8));
	KUNIT_EXPECT_FALSE(test, c.secondary & VMX_APICV);
	lodge_apicv = was;
}

/* Registers that are made when they are read stay closed, and all other writes. */
static void x2apic_bitmap_opens_what_the_page_has(struct kunit *test)
{
	static const u16 reads[] = { 0x802, 0x808, 0x80d, 0x810, 0x827, 0x828, 0x832, 0x83e };
	static const u16 closed[] = { 0x7ff, 0x800, 0x809, 0x80b, 0x80e, 0x830, 0x839, 0x840 };
	static const u16 writes[] = { 0x808, 0x80b, 0x83f };
	unsigned long *map = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	u32 i, open = 0;

	KUNIT_ASSERT_NOT_NULL(test, map);
	memset(map, 0xff, PAGE_SIZE);
	vmx_x2apic_bitmap_build((u8 *)map);
	for (i = 0; i < ARRAY_SIZE(reads); i++)
		KUNIT_EXPECT_FALSE(test, test_bit(vmx_msr_bit(reads[i], false), map));
	for (i = 0; i < ARRAY_SIZE(closed); i++)
		KUNIT_EXPECT_TRUE(test, test_bit(vmx_msr_bit(closed[i], false), map));
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		KUNIT_EXPECT_FALSE(test, test_bit(vmx_msr_bit(writes[i], true), map));
	for (i = 0; i < 0x2000; i++)
		open += !test_bit(vmx_msr_bit(i, true), map);
	KUNIT_EXPECT_EQ(test, (u32)ARRAY_SIZE(writes), open);
}

static void controls_need_ept_and_unrestricted_guest(struct kunit *test)
{
	struct vmx_cap_msrs msrs = generous;
	struct vmx_controls c;

	msrs.secondary = cap(0, ~(u32)SECONDARY_EXEC_UNRESTRICTED_GUEST);
	KUNIT_EXPECT_EQ(test, -ENODEV, vmx_negotiate(&msrs, &c));
	msrs.secondary = cap(0, ~(u32)SECONDARY_EXEC_ENABLE_EPT);
	KUNIT_EXPECT_EQ(test, -ENODEV, vmx_negotiate(&msrs, &c));
	msrs.secondary = cap(0, ~(u32)SECONDARY_EXEC_ENABLE_VPID);
	KUNIT_EXPECT_EQ(test, -ENODEV, vmx_negotiate(&msrs, &c));
	msrs.secondary = 0;
	KUNIT_EXPECT_EQ(test, -ENODEV, vmx_negotiate(&msrs, &c));
}

static void controls_need_virtual_nmis(struct kunit *test)
{
	struct vmx_cap_msrs msrs = generous;
	struct vmx_controls c;

	msrs.pin = cap(0, ~(u32)PIN_BASED_VIRTUAL_NMIS);
	KUNIT_EXPECT_EQ(test, -ENODEV, vmx_negotiate(&msrs, &c));
}

static void controls_do_without_optional_ones(struct kunit *test)
{
	struct vmx_cap_msrs msrs = generous;
	struct vmx_controls c;

	msrs.secondary = cap(0, SECONDARY_EXEC_ENABLE_EPT |
			     SECONDARY_EXEC_ENABLE_VPID |
			     SECONDARY_EXEC_UNRESTRICTED_GUEST);
	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_FALSE(test, c.secondary & SECONDARY_EXEC_ENABLE_RDTSCP);
	KUNIT_EXPECT_FALSE(test, c.secondary & SECONDARY_EXEC_ENABLE_INVPCID);
}

static void perf_global_is_switched_both_ways_or_not_at_all(struct kunit *test)
{
	struct vmx_cap_msrs msrs = generous;
	struct vmx_controls c;

	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_TRUE(test, c.entry & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL);
	KUNIT_EXPECT_TRUE(test, c.exit & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL);
	msrs.exit = cap(0, ~(u32)VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL);
	KUNIT_ASSERT_EQ(test, 0, vmx_negotiate(&msrs, &c));
	KUNIT_EXPECT_FALSE(test, c.entry & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL);
}

static void ept_must_be_able_to_forget(struct kunit *test)
{
	u64 all = VMX_EPT_PAGE_WALK_4_BIT | VMX_EPTP_WB_BIT | VMX_EPT_INVEPT_BIT |
		  VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT;

	KUNIT_EXPECT_TRUE(test, vmx_ept_sufficient(all));
	KUNIT_EXPECT_TRUE(test, vmx_ept_sufficient(~0ull));
	KUNIT_EXPECT_FALSE(test, vmx_ept_sufficient(all & ~VMX_EPT_INVEPT_BIT));
	KUNIT_EXPECT_FALSE(test, vmx_ept_sufficient(all & ~VMX_EPTP_WB_BIT));
	KUNIT_EXPECT_FALSE(test, vmx_ept_sufficient(0));
}

static struct kunit_case probe_cases[] = {
	KUNIT_CASE(negotiate_takes_required_and_optional),
	KUNIT_CASE(negotiate_leaves_out_what_is_not_possible),
	KUNIT_CASE(negotiate_keeps_compulsory_bits),
	KUNIT_CASE(negotiate_refuses_without_a_required_bit),
	KUNIT_CASE(controls_start_without_windows_and_long_mode),
	KUNIT_CASE(controls_intercept_what_touches_the_host),
	KUNIT_CASE(apic_is_virtualised_as_far_as_possible),
	KUNIT_CASE(x2apic_bitmap_opens_what_the_page_has),
	KUNIT_CASE(controls_need_ept_and_unrestricted_guest),
	KUNIT_CASE(controls_need_virtual_nmis),
	KUNIT_CASE(controls_do_without_optional_ones),
	KUNIT_CASE(perf_global_is_switched_both_ways_or_not_at_all),
	KUNIT_CASE(ept_must_be_able_to_forget),
	{}
};

static bool expected_reason(u32 reason)
{
	static const u8 reasons[] = {
		EXIT_REASON_EXCEPTION_NMI, EXIT_REASON_EXTERNAL_INTERRUPT,
		EXIT_REASON_TRIPLE_FAULT, EXIT_REASON_INTERRUPT_WINDOW,
		EXIT_REASON_NMI_WINDOW, EXIT_REASON_TASK_SWITCH,
		EXIT_REASON_CPUID, 11 /* GETSEC */, EXIT_REASON_HLT,
		EXIT_REASON_INVD, EXIT_REASON_RDPMC, EXIT_REASON_VMCALL,
		EXIT_REASON_CR_ACCESS, EXIT_REASON_DR_ACCESS,
		EXIT_REASON_IO_INSTRUCTION, EXIT_REASON_MSR_READ,
		EXIT_REASON_MSR_WRITE, EXIT_REASON_MWAIT_INSTRUCTION,
		EXIT_REASON_MONITOR_INSTRUCTION, EXIT_REASON_PAUSE_INSTRUCTION,
		EXIT_REASON_TPR_BELOW_THRESHOLD, EXIT_REASON_EOI_INDUCED,
		EXIT_REASON_APIC_WRITE,
		EXIT_REASON_EPT_VIOLATION, EXIT_REASON_INVEPT,
		EXIT_REASON_INVVPID, EXIT_REASON_WBINVD, EXIT_REASON_XSETBV,
		EXIT_REASON_VMFUNC, EXIT_REASON_ENCLS, EXIT_REASON_XSAVES,
		EXIT_REASON_XRSTORS, 65 /* PCONFIG */, EXIT_REASON_UMWAIT,
		EXIT_REASON_TPAUSE, EXIT_REASON_PML_FULL,
	};
	int i;

	if (reason >= EXIT_REASON_VMCLEAR && reason <= EXIT_REASON_VMON)
		return true;
	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i] == reason)
			return true;
	return false;
}

static void every_exit_reason_has_a_handler(struct kunit *test)
{
	u32 reason;

	for (reason = 0; reason < 0x10000; reason++) {
		lodge_handler handler = vmx_exit_handler(reason);

		KUNIT_ASSERT_TRUE_MSG(test, handler, "reason %u", reason);
		KUNIT_EXPECT_EQ_MSG(test, expected_reason(reason),
				    handler != vmx_on_unexpected, "reason %u",
				    reason);
	}
}

static void entry_failures_are_never_exits(struct kunit *test)
{
	lodge_handler failure = vmx_exit_handler(0x80000021);
	u32 reason;

	KUNIT_EXPECT_TRUE(test, failure != vmx_on_unexpected);
	for (reason = 0; reason < 256; reason++)
		KUNIT_EXPECT_TRUE(test, failure ==
				  vmx_exit_handler(reason | 0x80000000));
}

static void flags_of_a_reason_do_not_count(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, vmx_exit_handler(EXIT_REASON_CPUID) ==
			  vmx_exit_handler(EXIT_REASON_CPUID | BIT(27)));
	KUNIT_EXPECT_TRUE(test, vmx_exit_handler(0x7fffffff) == vmx_on_unexpected);
}

static void vmx_instructions_are_undefined(struct kunit *test)
{
	u32 reason;

	for (reason = EXIT_REASON_VMCLEAR; reason <= EXIT_REASON_VMON; reason++)
		KUNIT_EXPECT_TRUE(test, vmx_exit_handler(reason) ==
				  lodge_on_undefined);
	KUNIT_EXPECT_TRUE(test, vmx_exit_handler(EXIT_REASON_INVEPT) ==
			  lodge_on_undefined);
	KUNIT_EXPECT_TRUE(test, vmx_exit_handler(EXIT_REASON_INVVPID) ==
			  lodge_on_undefined);
}

static void only_deliveries_are_interrupted(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, vmx_may_vector(EXIT_REASON_EXCEPTION_NMI));
	KUNIT_EXPECT_TRUE(test, vmx_may_vector(EXIT_REASON_EPT_VIOLATION));
	KUNIT_EXPECT_TRUE(test, vmx_may_vector(EXIT_REASON_EPT_MISCONFIG));
	KUNIT_EXPECT_TRUE(test, vmx_may_vector(EXIT_REASON_TASK_SWITCH));
	KUNIT_EXPECT_FALSE(test, vmx_may_vector(EXIT_REASON_CPUID));
	KUNIT_EXPECT_FALSE(test, vmx_may_vector(EXIT_REASON_EXTERNAL_INTERRUPT));
	KUNIT_EXPECT_FALSE(test, vmx_may_vector(0xffff));
}

static void io_is_decoded(struct kunit *test)
{
	struct lodge_pio io;

	io = vmx_decode_io(0x3f80000);			/* out %al, $0x3f8 */
	KUNIT_EXPECT_EQ(test, 0x3f8, io.port);
	KUNIT_EXPECT_EQ(test, 1, io.bytes);
	KUNIT_EXPECT_FALSE(test, io.in);
	KUNIT_EXPECT_FALSE(test, io.string);
	io = vmx_decode_io(0xcfc0000 | BIT(3) | 3);	/* in $0xcfc, %eax */
	KUNIT_EXPECT_EQ(test, 0xcfc, io.port);
	KUNIT_EXPECT_EQ(test, 4, io.bytes);
	KUNIT_EXPECT_TRUE(test, io.in);
	io = vmx_decode_io(0xffff0000 | BIT(4) | BIT(5) | 1);	/* rep outsw */
	KUNIT_EXPECT_EQ(test, 0xffff, io.port);
	KUNIT_EXPECT_EQ(test, 2, io.bytes);
	KUNIT_EXPECT_TRUE(test, io.string);
}

static void ept_access_is_one_of_three(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, LODGE_ACCESS_READ, vmx_ept_access(0x181));
	KUNIT_EXPECT_EQ(test, LODGE_ACCESS_WRITE, vmx_ept_access(0x182));
	KUNIT_EXPECT_EQ(test, LODGE_ACCESS_WRITE, vmx_ept_access(0x183));
	KUNIT_EXPECT_EQ(test, LODGE_ACCESS_EXEC, vmx_ept_access(0x184));
}

static struct kunit_case exit_cases[] = {
	KUNIT_CASE(every_exit_reason_has_a_handler),
	KUNIT_CASE(entry_failures_are_never_exits),
	KUNIT_CASE(flags_of_a_reason_do_not_count),
	KUNIT_CASE(vmx_instructions_are_undefined),
	KUNIT_CASE(only_deliveries_are_interrupted),
	KUNIT_CASE(io_is_decoded),
	KUNIT_CASE(ept_access_is_one_of_three),
	{}
};

static void events_are_encoded(struct kunit *test)
{
	struct lodge_event irq = { .valid = true, .vector = 0xec };
	struct lodge_event nmi = {
		.valid = true, .type = LODGE_EV_NMI, .vector = 2,
	};
	struct lodge_event gp = {
		.valid = true, .type = LODGE_EV_EXCEPTION, .vector = 13,
		.has_error = true, .error = 8,
	};

	KUNIT_EXPECT_EQ(test, 0x800000ecu, lodge_encode_event(&irq));
	KUNIT_EXPECT_EQ(test, 0x80000202u, lodge_encode_event(&nmi));
	KUNIT_EXPECT_EQ(test, 0x80000b0du, lodge_encode_event(&gp));
}

static void events_survive_the_round_trip(struct kunit *test)
{
	struct lodge_event in = { .valid = true, .vector = 0x80 }, out;
	int type;

	for (type = 0; type < 8; type++) {
		in.type = type;
		in.has_error = type & 1;
		lodge_decode_event(lodge_encode_event(&in), 0, &out);
		KUNIT_EXPECT_TRUE(test, out.valid);
		KUNIT_EXPECT_EQ(test, in.type, out.type);
		KUNIT_EXPECT_EQ(test, in.vector, out.vector);
		KUNIT_EXPECT_EQ(test, in.has_error, out.has_error);
	}
}

static void no_event_is_no_event(struct kunit *test)
{
	struct lodge_event event;

	lodge_decode_event(0, 0, &event);
	KUNIT_EXPECT_FALSE(test, event.valid);
	lodge_decode_event(0x7fffffff, 0, &event);
	KUNIT_EXPECT_FALSE(test, event.valid);
}

/* Bits 30:12 of the field are undefined in what the CPU stores. */
static void encoding_has_no_reserved_bits(struct kunit *test)
{
	struct lodge_event event = {
		.valid = true, .type = 0xff, .vector = 0xff, .has_error = true,
	};

	KUNIT_EXPECT_EQ(test, 0x80000fffu, lodge_encode_event(&event));
}

static struct kunit_case event_cases[] = {
	KUNIT_CASE(events_are_encoded),
	KUNIT_CASE(events_survive_the_round_trip),
	KUNIT_CASE(no_event_is_no_event),
	KUNIT_CASE(encoding_has_no_reserved_bits),
	{}
};

static void rights_of_flat_code(struct kunit *test)
{
	struct lodge_segment code = {
		.limit = 0xffffffff, .type = 0xb, .s = 1, .present = 1, .l = 1,
		.g = 1,
	};

	KUNIT_EXPECT_EQ(test, 0xa09bu, vmx_access_rights(&code, LODGE_CS));
}

static void rights_of_reset(struct kunit *test)
{
	struct lodge_segment data = {
		.limit = 0xffff, .type = 3, .s = 1, .present = 1,
	};

	KUNIT_EXPECT_EQ(test, 0x93u, vmx_access_rights(&data, LODGE_DS));
}

static void rights_of_unusable(struct kunit *test)
{
	struct lodge_segment seg = { .type = 3, .s = 1, .dpl = 3, .unusable = 1 };

	KUNIT_EXPECT_EQ(test, 0x10000u, vmx_access_rights(&seg, LODGE_FS));
}

static void rights_are_made_acceptable(struct kunit *test)
{
	struct lodge_segment tss = { .limit = 0x67, .type = 9, .present = 1 };
	struct lodge_segment data = {
		.limit = 0xfff, .type = 2, .s = 1, .present = 1,
	};

	KUNIT_EXPECT_EQ(test, 0x8bu, vmx_access_rights(&tss, LODGE_TR));
	KUNIT_EXPECT_EQ(test, 0x93u, vmx_access_rights(&data, LODGE_DS));
}

static void granularity_follows_the_limit(struct kunit *test)
{
	struct lodge_segment seg = { .type = 3, .s = 1, .present = 1, .g = 1 };

	seg.limit = 0xfffe;
	KUNIT_EXPECT_FALSE(test, vmx_access_rights(&seg, LODGE_DS) & VMX_AR_G_MASK);
	seg.limit = 0xffffffff;
	seg.g = 0;
	KUNIT_EXPECT_TRUE(test, vmx_access_rights(&seg, LODGE_DS) & VMX_AR_G_MASK);
	seg.limit = 0xfffff;
	KUNIT_EXPECT_FALSE(test, vmx_access_rights(&seg, LODGE_DS) & VMX_AR_G_MASK);
	seg.g = 1;
	KUNIT_EXPECT_TRUE(test, vmx_access_rights(&seg, LODGE_DS) & VMX_AR_G_MASK);
}

static void rights_survive_the_round_trip(struct kunit *test)
{
	struct lodge_segment seg = {};
	u32 ar;

	for (ar = 0; ar < 0x10000; ar++) {
		if (ar & 0xf00 || ((ar & 0x10) && !(ar & 1)))
			continue;
		vmx_unpack_rights(ar, &seg);
		seg.limit = ar & VMX_AR_G_MASK ? 0xffffffff : 0xffff;
		KUNIT_ASSERT_EQ(test, ar, vmx_access_rights(&seg, LODGE_DS));
	}
}

static void unusable_is_not_present(struct kunit *test)
{
	struct lodge_segment seg = {};

	vmx_unpack_rights(0x1c093, &seg);
	KUNIT_EXPECT_TRUE(test, seg.unusable);
	KUNIT_EXPECT_FALSE(test, seg.present);
}

static void pdptrs_that_entry_refuses_are_dropped(struct kunit *test)
{
	u64 pdptr[4] = { 0x1001, 0x1003, BIT_ULL(40) | 1, 0x1e6 };

	vmx_sanitize_pdptrs(pdptr, 40);
	KUNIT_EXPECT_EQ(test, 0x1001ull, pdptr[0]);
	KUNIT_EXPECT_EQ(test, 0ull, pdptr[1]);
	KUNIT_EXPECT_EQ(test, 0ull, pdptr[2]);
	KUNIT_EXPECT_EQ(test, 0x1e6ull, pdptr[3]);	/* not present: any bits */
}

static struct kunit_case state_cases[] = {
	KUNIT_CASE(rights_of_flat_code),
	KUNIT_CASE(rights_of_reset),
	KUNIT_CASE(rights_of_unusable),
	KUNIT_CASE(rights_are_made_acceptable),
	KUNIT_CASE(granularity_follows_the_limit),
	KUNIT_CASE(rights_survive_the_round_trip),
	KUNIT_CASE(unusable_is_not_present),
	KUNIT_CASE(pdptrs_that_entry_refuses_are_dropped),
	{}
};

static void msr_bits_are_where_the_manual_says(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0, vmx_msr_bit(0, false));
	KUNIT_EXPECT_EQ(test, 0x1fff, vmx_msr_bit(0x1fff, false));
	KUNIT_EXPECT_EQ(test, 0x400 * 8, vmx_msr_bit(0xc0000000, false));
	KUNIT_EXPECT_EQ(test, 0x800 * 8, vmx_msr_bit(0, true));
	KUNIT_EXPECT_EQ(test, 0xc00 * 8 + 0x82, vmx_msr_bit(MSR_LSTAR, true));
}

static void other_msrs_always_exit(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -EINVAL, vmx_msr_bit(0x2000, false));
	KUNIT_EXPECT_EQ(test, -EINVAL, vmx_msr_bit(0xbfffffff, true));
	KUNIT_EXPECT_EQ(test, -EINVAL, vmx_msr_bit(0xc0002000, true));
	KUNIT_EXPECT_EQ(test, -EINVAL, vmx_msr_bit(0xffffffff, false));
}

static bool is_open(const u8 *bitmap, u32 index, bool write)
{
	int bit = vmx_msr_bit(index, write);

	return bit >= 0 && !(bitmap[bit / 8] & BIT(bit % 8));
}

static void only_switched_msrs_are_open(struct kunit *test)
{
	static const u32 wanted[] = {
		MSR_FS_BASE, MSR_LSTAR, MSR_EFER, MSR_IA32_SPEC_CTRL, 0xffffffff,
		MSR_KERNEL_GS_BASE, 0,
	};
	u8 *bitmap = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	int i, open = 0;

	KUNIT_ASSERT_NOT_NULL(test, bitmap);
	memset(bitmap, 0xff, PAGE_SIZE);
	vmx_msr_bitmap_build(bitmap, wanted);
	KUNIT_EXPECT_TRUE(test, is_open(bitmap, MSR_FS_BASE, false));
	KUNIT_EXPECT_TRUE(test, is_open(bitmap, MSR_FS_BASE, true));
	KUNIT_EXPECT_TRUE(test, is_open(bitmap, MSR_KERNEL_GS_BASE, true));
	KUNIT_EXPECT_FALSE(test, is_open(bitmap, MSR_LSTAR, true));
	KUNIT_EXPECT_FALSE(test, is_open(bitmap, MSR_EFER, true));
	KUNIT_EXPECT_FALSE(test, is_open(bitmap, MSR_IA32_SPEC_CTRL, true));
	for (i = 0; i < PAGE_SIZE; i++)
		open += hweight8(~bitmap[i]);
	KUNIT_EXPECT_EQ(test, 4, open);
}

static void the_real_list_opens_no_system_msr(struct kunit *test)
{
	static const u32 closed[] = {
		MSR_EFER, MSR_IA32_APICBASE, MSR_IA32_SPEC_CTRL, MSR_IA32_CR_PAT,
		MSR_IA32_DEBUGCTLMSR, MSR_IA32_TSC, MSR_TSC_AUX, MSR_STAR,
		MSR_IA32_FEAT_CTL, MSR_IA32_VMX_BASIC, MSR_IA32_MISC_ENABLE,
	};
	u8 *bitmap = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, bitmap);
	memset(bitmap, 0xff, PAGE_SIZE);
	vmx_msr_bitmap_build(bitmap, lodge_msr_passthrough);
	for (i = 0; i < ARRAY_SIZE(closed); i++) {
		KUNIT_EXPECT_FALSE(test, is_open(bitmap, closed[i], false));
		KUNIT_EXPECT_FALSE(test, is_open(bitmap, closed[i], true));
	}
}

static struct kunit_case msr_cases[] = {
	KUNIT_CASE(msr_bits_are_where_the_manual_says),
	KUNIT_CASE(other_msrs_always_exit),
	KUNIT_CASE(only_switched_msrs_are_open),
	KUNIT_CASE(the_real_list_opens_no_system_msr),
	{}
};

static struct kunit_suite probe_suite = {
	.name = "lodge_vmx_probe", .test_cases = probe_cases,
};

static struct kunit_suite exit_suite = {
	.name = "lodge_vmx_exit", .test_cases = exit_cases,
};

static struct kunit_suite event_suite = {
	.name = "lodge_vmx_event", .test_cases = event_cases,
};

static struct kunit_suite state_suite = {
	.name = "lodge_vmx_state", .test_cases = state_cases,
};

static struct kunit_suite msr_suite = {
	.name = "lodge_vmx_msr", .test_cases = msr_cases,
};

kunit_test_suites(&probe_suite, &exit_suite, &event_suite, &state_suite, &msr_suite);
