/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All knowledge of kernel versions. Nothing outside this file asks which
 * kernel it is built for.
 */
#ifndef LODGE_COMPAT_H
#define LODGE_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 4, 0)
#error Lodge is not yet known to work with this kernel: it is made for 6.1 to 7.3
#endif

#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <asm/msr.h>

/* Sparse knows no destructors: to it a guard is nothing. */
#ifdef __CHECKER__
#undef guard
#define guard(name)			LODGE_NO_GUARD
#define LODGE_NO_GUARD(...)		do { } while (0)
#endif

/* cpuid_count() and its like; <asm/processor.h> has them before. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#include <asm/cpuid/api.h>
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define rdmsrq(msr, val)		rdmsrl(msr, val)
#define wrmsrq(msr, val)		wrmsrl(msr, val)
#define rdmsrq_safe(msr, p)		rdmsrl_safe(msr, p)
#define wrmsrq_safe(msr, val)		wrmsrl_safe(msr, val)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define hrtimer_setup(timer, fn, clock, mode) do {			\
	hrtimer_init(timer, clock, mode);				\
	(timer)->function = fn;						\
} while (0)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define lodge_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#else
#define lodge_eventfd_signal(ctx)	eventfd_signal(ctx)
#endif

/*
 * An asynchronous write holds off freezing until kiocb_end_write() in its
 * completion; vfs_iocb_iter_write() does the first half from 6.8 on.
 */
static inline ssize_t lodge_start_write(struct file *file, struct kiocb *kiocb,
					struct iov_iter *iter)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	ssize_t ret;

	kiocb_start_write(kiocb);
	ret = vfs_iocb_iter_write(file, kiocb, iter);
	if (ret != -EIOCBQUEUED)
		kiocb_end_write(kiocb);
	return ret;
#else
	return vfs_iocb_iter_write(file, kiocb, iter);
#endif
}

/* Without the tracepoint that later kernels put around it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define arch_smp_send_reschedule(cpu)	smp_send_reschedule(cpu)
#endif

/* Ring 2: rescheduling, signals, task work. 0 or -EINTR */
int lodge_guest_work(void);

#include <linux/sched.h>

/* How long this thread has waited for a CPU, in ns. */
static inline u64 lodge_run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

#include <linux/stringify.h>
#include <asm/asm.h>

/* For entries of the exception table that the kernel's macros cannot make. */
#ifdef EXTABLE_SIZE
#define LODGE_EXTABLE_SECTION							\
	".pushsection __ex_table, \"aM\", @progbits, " __stringify(EXTABLE_SIZE) "\n"
#else
#define LODGE_EXTABLE_SECTION		".pushsection __ex_table, \"a\"\n"
#endif

#include <asm/nospec-branch.h>

/* VMSCAPE: predictions that a guest trained do not reach userspace. */
static inline void lodge_ibpb_before_userspace(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

#include <linux/syscore_ops.h>

/* What later kernels give their callbacks, and register them by */
#ifdef LODGE_HAVE_SYSCORE
#define LODGE_SYSCORE_ARG		void *unused
#else
#define LODGE_SYSCORE_ARG		void
#define register_syscore(s)		register_syscore_ops((s)->ops)
#define unregister_syscore(s)		unregister_syscore_ops((s)->ops)

struct syscore {
	struct syscore_ops *ops;
};
#endif

#include <asm/reboot.h>

/* From 6.19 on the kernel's core disables by the state of the CPU itself. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0) && \
	(IS_ENABLED(CONFIG_KVM_INTEL) || IS_ENABLED(CONFIG_KVM_AMD))
#define lodge_emergency_register(fn)	cpu_emergency_register_virt_callback(fn)
#define lodge_emergency_unregister(fn)	cpu_emergency_unregister_virt_callback(fn)
#else
#define lodge_emergency_register(fn)	((void)(fn))
#define lodge_emergency_unregister(fn)	((void)(fn))
#endif

#include <asm/cpufeature.h>
#include <asm/tlbflush.h>

/* The software sequence against branch history injection, after an exit. */
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#define X86_FEATURE_CLEAR_BHB_VMEXIT	X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#endif

/* CR4.VMXE on this CPU; interrupts off. The kernel keeps a copy of CR4. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define LODGE_CR4_IS_OURS		true
static inline void lodge_cr4_set_vmxe(bool on)
{
	cr4_update_irqsoff(on ? X86_CR4_VMXE : 0, on ? 0 : X86_CR4_VMXE);
}
#else
#define LODGE_CR4_IS_OURS		false
static inline void lodge_cr4_set_vmxe(bool on)
{
}
#endif

#endif /* LODGE_COMPAT_H */
