// SPDX-License-Identifier: GPL-2.0-only
/*
 * What differs between kernels and needs headers that nothing else should see.
 */
#include "compat.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)

#include <linux/kvm_host.h>

/**
 * lodge_guest_work() - do what a task does on its way to userspace
 *
 * Rescheduling, task work, restartable sequences. These kernels note a signal
 * in KVM's vCPU, so there is one that nobody reads.
 *
 * Return: 0, or -EINTR when a signal waits.
 */
int lodge_guest_work(void)
{
	static struct {
		struct kvm_vcpu vcpu;
		struct kvm_run run;
	} note;

	note.vcpu.run = &note.run;
	return xfer_to_guest_mode_handle_work(&note.vcpu);
}

#else

int lodge_guest_work(void)
{
	return xfer_to_guest_mode_handle_work();
}

#endif
