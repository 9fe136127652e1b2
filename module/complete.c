// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits to userspace: what is written to the run page, and how the next
 * LODGE_RUN finishes what userspace was asked for.
 */
#include "ops.h"

/** lodge_user_access() - let userspace serve an access to a port or to memory; any ring */
enum lodge_next lodge_user_access(struct lodge_vcpu *vcpu, u32 space, u64 addr, u32 bytes,
				  bool write, u64 value)
{
	struct lodge_run *run = vcpu->run;

	if (space == LODGE_SPACE_MMIO) {
		run->exit_reason = LODGE_EXIT_MMIO;
		run->mmio.gpa = addr;
		run->mmio.bytes = bytes;
		run->mmio.is_write = write;
	} else {
		run->exit_reason = LODGE_EXIT_IO;
		run->io.port = addr;
		run->io.bytes = bytes;
		run->io.is_write = write;
		run->io.count = 1;
	}
	if (write)
		memcpy(run->data, &value, sizeof(value));
	return LODGE_USER;
}

/** lodge_user_internal() - the guest did what Lodge cannot do; any ring */
enum lodge_next lodge_user_internal(struct lodge_vcpu *vcpu, u32 code, u64 info0, u64 info1)
{
	struct lodge_run *run = vcpu->run;

	run->exit_reason = LODGE_EXIT_INTERNAL;
	memset(&run->internal, 0, sizeof(run->internal));
	run->internal.code = code;
	run->internal.info[0] = info0;
	run->internal.info[1] = info1;
	return LODGE_USER;
}

/*
 * lodge_user_memory() - what is at vcpu->exit.fault is userspace's business: @reason says why.
 * Ring 2
 */
enum lodge_next lodge_user_memory(struct lodge_vcpu *vcpu, u32 reason)
{
	struct lodge_run *run = vcpu->run;

	run->exit_reason = reason;
	run->memory.gpa = vcpu->exit.fault.gpa;
	run->memory.access = vcpu->exit.fault.access;
	run->memory.error = reason == LODGE_EXIT_MEMORY ? -EFAULT : 0;
	return LODGE_USER;
}

/*
 * lodge_complete_user() - finish the access userspace served; vCPU loaded, ring 2, first
 * thing in LODGE_RUN. The run page is the user's to scribble on: it is read once.
 */
enum lodge_next lodge_complete_user(struct lodge_vcpu *vcpu)
{
	struct lodge_load load = vcpu->load;

	if (load.bytes) {
		vcpu->load.bytes = 0;
		lodge_finish_load(vcpu, load, READ_ONCE(*(u64 *)vcpu->run->data));
	}
	if (!vcpu->replay.waiting)
		return LODGE_REENTER;
	lodge_replay_complete(vcpu);
	return lodge_emulate_current(vcpu);
}
