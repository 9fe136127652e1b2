// SPDX-License-Identifier: GPL-2.0-only
/* The VMCB in the log: for states that cannot be, and entries that fail. */
#include <linux/printk.h>
#include <linux/ratelimit.h>

#include "ops.h"
#include "svm.h"

static void dump_segment(const char *name, const struct svm_seg *seg)
{
	pr_err("lodge: %-4s %04x attributes %03x limit %08x base %016llx\n",
	       name, seg->selector, seg->attrib, seg->limit, seg->base);
}

static void dump_segments(const struct svm_save *save)
{
	dump_segment("es", &save->es);
	dump_segment("cs", &save->cs);
	dump_segment("ss", &save->ss);
	dump_segment("ds", &save->ds);
	dump_segment("fs", &save->fs);
	dump_segment("gs", &save->gs);
	dump_segment("gdtr", &save->gdtr);
	dump_segment("ldtr", &save->ldtr);
	dump_segment("idtr", &save->idtr);
	dump_segment("tr", &save->tr);
}

static void dump_control(const struct svm_control *c)
{
	pr_err("lodge: exit %08x info %016llx %016llx in flight %08x %08x\n",
	       c->exit_code, c->exit_info_1, c->exit_info_2, c->exit_int_info,
	       c->exit_int_info_err);
	pr_err("lodge: inject %08x %08x int_ctl %08x int_state %llx asid %u\n",
	       c->event_inj, c->event_inj_err, c->int_ctl, c->int_state, c->asid);
	pr_err("lodge: intercepts %08x %08x %08x %08x %08x %08x\n",
	       c->intercepts[0], c->intercepts[1], c->intercepts[2],
	       c->intercepts[3], c->intercepts[4], c->intercepts[5]);
	pr_err("lodge: nested_ctl %llx tsc_offset %016llx next_rip %016llx\n",
	       c->nested_ctl, c->tsc_offset, c->next_rip);
}

static void dump_save(const struct svm_save *s)
{
	pr_err("lodge: rip %016llx rsp %016llx rflags %08llx rax %016llx cpl %u\n",
	       s->rip, s->rsp, s->rflags, s->rax, s->cpl);
	pr_err("lodge: cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx efer %llx\n",
	       s->cr0, s->cr2, s->cr3, s->cr4, s->efer);
	pr_err("lodge: dr6 %08llx dr7 %08llx pat %016llx\n", s->dr6, s->dr7,
	       s->g_pat);
}

/* Users can make this happen: not more often than the log bears. */
void svm_dump(struct lodge_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, 2);

	if (!__ratelimit(&limit))
		return;
	pr_err("lodge: VM '%s' vCPU %u: VMCB\n", vcpu->vm->name, vcpu->id);
	dump_control(svm_control(vcpu));
	dump_save(svm_save(vcpu));
	dump_segments(svm_save(vcpu));
}
