// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the vendors' back ends do alike: events and segments in the form both
 * hold them, the host's debug registers, isolation, machine checks, dumps.
 */
#include <asm/mce.h>

#include "backend.h"

#define EVENT_TYPE_SHIFT	8
#define EVENT_TYPE		7
#define EVENT_HAS_ERROR		BIT(11)
#define EVENT_VALID		BIT(31)

enum { RIGHTS_S = 4, RIGHTS_DPL = 5, RIGHTS_P = 7, RIGHTS_AVL = 12, RIGHTS_L, RIGHTS_DB, RIGHTS_G };

u32 lodge_encode_event(const struct lodge_event *event)
{
	return event->vector | (event->type & EVENT_TYPE) << EVENT_TYPE_SHIFT | EVENT_VALID |
	       (event->has_error ? EVENT_HAS_ERROR : 0);
}

void lodge_decode_event(u32 info, u32 error, struct lodge_event *event)
{
	*event = (struct lodge_event) {
		.valid = info & EVENT_VALID,
		.type = info >> EVENT_TYPE_SHIFT & EVENT_TYPE,
		.vector = info,
		.has_error = info & EVENT_HAS_ERROR,
		.error = info & EVENT_HAS_ERROR ? error : 0,
	};
}

u16 lodge_pack_rights(const struct lodge_segment *seg)
{
	return (seg->type & 0xf) | !!seg->s << RIGHTS_S | (seg->dpl & 3) << RIGHTS_DPL |
	       !!seg->present << RIGHTS_P | !!seg->avl << RIGHTS_AVL | !!seg->l << RIGHTS_L |
	       !!seg->db << RIGHTS_DB | !!seg->g << RIGHTS_G;
}

void lodge_unpack_rights(u16 rights, struct lodge_segment *seg)
{
	seg->type = rights & 0xf;
	seg->s = rights >> RIGHTS_S & 1;
	seg->dpl = rights >> RIGHTS_DPL & 3;
	seg->present = rights >> RIGHTS_P & 1;
	seg->avl = rights >> RIGHTS_AVL & 1;
	seg->l = rights >> RIGHTS_L & 1;
	seg->db = rights >> RIGHTS_DB & 1;
	seg->g = rights >> RIGHTS_G & 1;
}

void lodge_isolate(struct lodge_vcpu *vcpu)
{
	static DEFINE_PER_CPU(u64, last);	/* serial: never reused, unlike the address */
	static atomic64_t serials;

	if (!vcpu->serial)
		vcpu->serial = atomic64_inc_return(&serials);
	if (this_cpu_read(last) == vcpu->serial)
		return;
	this_cpu_write(last, vcpu->serial);
	if (boot_cpu_has(X86_FEATURE_IBPB) && lodge_mitigate())
		wrmsrq(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

/* DR6 and DR7 are in the control structure; DR0 to DR3 matter while DR7 enables one. */
void lodge_load_debug(struct lodge_vcpu *vcpu)
{
	int i;

	if (this_cpu_read(cpu_dr7)) {
		native_set_debugreg(7, 0);
		for (i = 0; i < 4; i++)
			vcpu->host_dr[i] = native_get_debugreg(i);
	}
	for (i = 0; i < 4; i++)
		native_set_debugreg(i, vcpu->dr[i]);
}

/* What the guest had in DR0 to DR3 may stay where the host uses none. */
void lodge_restore_debug(struct lodge_vcpu *vcpu)
{
	int i;

	for (i = 0; i < 4 && (vcpu->dr7 & LODGE_DR7_ENABLES); i++)
		native_set_debugreg(i, vcpu->host_dr[i]);
	native_set_debugreg(7, this_cpu_read(cpu_dr7));
}

/* The kernel's handler is told that userspace was running. */
void lodge_machine_check(void)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
}

enum lodge_next lodge_on_machine_check(struct lodge_vcpu *vcpu)
{
	lodge_machine_check();
	vcpu->exit.kind = LODGE_K_NONE;
	return LODGE_HANDLE;
}

enum lodge_next lodge_on_host_interrupt(struct lodge_vcpu *vcpu)
{
	lodge_reason(vcpu, LODGE_REASON_HOST_IRQ, 0);
	return LODGE_IRQ;
}

enum lodge_next lodge_on_taken(struct lodge_vcpu *vcpu)
{
	return LODGE_REENTER;
}

static void dump_segments(struct lodge_vcpu *vcpu)
{
	static const char names[][5] = {
		"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr", "gdtr", "idtr"
	};
	struct lodge_segment seg;
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		lodge_op(get_segment)(vcpu, i, &seg);
		pr_err("lodge: %-4s %04x rights %04x limit %08x base %016llx\n", names[i],
		       seg.selector, lodge_pack_rights(&seg), seg.limit, seg.base);
	}
}

void lodge_dump(struct lodge_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, 2);

	if (!__ratelimit(&limit))
		return;
	pr_err("lodge: VM '%s' vCPU %u: rip %016llx rsp %016llx rflags %08llx rax %016llx\n",
	       vcpu->vm->name, vcpu->id, lodge_reg_read(vcpu, LODGE_RIP),
	       lodge_reg_read(vcpu, LODGE_RSP), lodge_reg_read(vcpu, LODGE_RFLAGS),
	       vcpu->regs[LODGE_RAX]);
	pr_err("lodge: cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %llx dr6 %llx dr7 %llx\n",
	       lodge_reg_read(vcpu, LODGE_CR0), vcpu->cr2, lodge_reg_read(vcpu, LODGE_CR3),
	       lodge_reg_read(vcpu, LODGE_CR4), vcpu->efer, vcpu->dr6, vcpu->dr7);
	dump_segments(vcpu);
	lodge_op(dump)(vcpu);
}
