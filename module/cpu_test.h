/* SPDX-License-Identifier: GPL-2.0-only */
/* KUnit: a vCPU of registers alone, without hardware behind it. */
#ifndef LODGE_CPU_TEST_H
#define LODGE_CPU_TEST_H

#include <kunit/test.h>
#include <linux/sched.h>
#include <asm/tsc.h>

#include "lapic.h"
#include "lodge.h"

/* In protected mode, CPUID offers nothing, memory has no slots. */
static inline struct lodge_vcpu *fake_vcpu(struct kunit *test)
{
	struct lodge_vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vm = kunit_kzalloc(test, sizeof(*vcpu->vm), GFP_KERNEL);
	vcpu->lapic = kunit_kzalloc(test, sizeof(*vcpu->lapic), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vcpu->vm);
	KUNIT_ASSERT_NOT_NULL(test, vcpu->lapic);
	raw_spin_lock_init(&vcpu->vm->tsc_sync.lock);
	vcpu->vm->tsc_khz = tsc_khz;
	vcpu->vm->vcpus[0] = vcpu;
	vcpu->lapic->vcpu = vcpu;
	vcpu->lapic->tpr = &vcpu->lapic->regs[APIC_TASKPRI >> 4];
	lodge_run_init(vcpu);
	vcpu->regs_valid = BIT(LODGE_NR_REGS) - 1;
	vcpu->regs[LODGE_CR0] = X86_CR0_PE;
	vcpu->maxphyaddr = 40;
	vcpu->dr7 = 0x400;
	return vcpu;
}

static inline void give(struct lodge_vcpu *vcpu, unsigned int feature)
{
	vcpu->features[feature / 32] |= BIT(feature % 32);
}

#endif /* LODGE_CPU_TEST_H */
