// SPDX-License-Identifier: GPL-2.0-only
/* The control half of the VMCB in the log: the rest is neutral. */
#include "svm.h"

void svm_dump(struct lodge_vcpu *vcpu)
{
	const struct vmcb_control_area *c = svm_control(vcpu);

	pr_err("lodge: VMCB: exit %08x info %016llx %016llx in flight %08x %08x next_rip %016llx\n",
	       svm_exit_code(vcpu), c->exit_info_1, c->exit_info_2, c->exit_int_info,
	       c->exit_int_info_err, c->next_rip);
	pr_err("lodge: inject %08x %08x int_ctl %08x int_state %x asid %u cpl %u\n", c->event_inj,
	       c->event_inj_err, c->int_ctl, c->int_state, c->asid, svm_save(vcpu)->cpl);
	pr_err("lodge: intercepts %08x %08x %08x %08x %08x %08x\n", c->intercepts[0],
	       c->intercepts[1], c->intercepts[2], c->intercepts[3], c->intercepts[4],
	       c->intercepts[5]);
}
