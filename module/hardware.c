// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns VMX or SVM: enabled on every CPU with the first VM, disabled with
 * the last, and put away whenever a CPU or the machine goes down.
 *
 * A hotplug state does the enabling, so that CPUs which come and go follow
 * without more code. What another hypervisor enabled is never touched.
 */
#include <linux/cpu.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/sched/smt.h>

#include "ops.h"

bool lodge_rebooting;

static DEFINE_MUTEX(hardware_lock);
static int vms;				/* under hardware_lock */
static enum cpuhp_state hotplug_state;
static DEFINE_PER_CPU(bool, enabled);

static int enable_here(void)
{
	int ret = this_cpu_read(enabled) ? 0 : lodge_op(cpu_enable)();

	if (!ret)
		this_cpu_write(enabled, true);
	return ret;
}

static void disable_here(void *unused)
{
	if (!this_cpu_read(enabled))
		return;
	this_cpu_write(enabled, false);
	lodge_op(cpu_disable)();
}

static int online_here(unsigned int cpu)
{
	guard(irqsave)();
	return enable_here();
}

static int offline_here(unsigned int cpu)
{
	guard(irqsave)();
	disable_here(NULL);
	return 0;
}

/* Crash: other CPUs are stopped or spin in NMI; no lock may be taken. */
static void emergency_disable(void)
{
	lodge_rebooting = true;
	if (this_cpu_read(enabled))
		lodge_op(emergency)();
}

/*
 * The kernel's crash callback has one owner and complains of a second. KVM's
 * vendor module takes it when it loads, so it is ours only while that module
 * is absent.
 */
static bool own_emergency;		/* under hardware_lock, or its notifier */

static bool rival_loaded(void)
{
	struct kset *modules = THIS_MODULE->mkobj.kobj.kset;
	struct kobject *kobj = kset_find_obj(modules, lodge_ops->rival);

	kobject_put(kobj);
	return kobj;
}

static void take_emergency(void)
{
	if (own_emergency || rival_loaded())
		return;
	own_emergency = true;
	lodge_emergency_register(emergency_disable);
}

static void release_emergency(void)
{
	if (!own_emergency)
		return;
	own_emergency = false;
	lodge_emergency_unregister(emergency_disable);
}

static int module_event(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct module *mod = data;

	guard(mutex)(&hardware_lock);
	if (state == MODULE_STATE_COMING && !strcmp(mod->name, lodge_ops->rival))
		release_emergency();
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = { .notifier_call = module_event };

/*
 * What a CPU's bugs take that a guest could use, and who takes it away: the
 * host's kernel did, or entry and exit do because of the same feature.
 */
static const struct {
	u16 bug;
	bool siblings;		/* not while another guest runs on the other thread */
	u16 remedies[4];	/* any of them */
} bugs[] = {
	{ X86_BUG_SPECTRE_V2, false, { X86_FEATURE_IBPB } },
	{ X86_BUG_L1TF, true, { X86_FEATURE_FLUSH_L1D } },
	{ X86_BUG_MDS, true, { X86_FEATURE_MD_CLEAR } },
	{ X86_BUG_TAA, true, { X86_FEATURE_MD_CLEAR } },
	{ X86_BUG_MMIO_STALE_DATA, true, { X86_FEATURE_MD_CLEAR, X86_FEATURE_FLUSH_L1D } },
	{ X86_BUG_RFDS, false, { X86_FEATURE_CLEAR_CPU_BUF } },
	{ X86_BUG_RETBLEED, false, { X86_FEATURE_UNRET, X86_FEATURE_ENTRY_IBPB,
				     X86_FEATURE_KERNEL_IBRS, X86_FEATURE_IBRS_ENHANCED } },
	{ X86_BUG_SRSO, false, { X86_FEATURE_SRSO, X86_FEATURE_SRSO_ALIAS,
				 X86_FEATURE_IBPB_ON_VMEXIT, X86_FEATURE_ENTRY_IBPB } },
	{ X86_BUG_BHI, false, { X86_FEATURE_BHI_CTRL, X86_FEATURE_CLEAR_BHB_LOOP } },
};

static bool mitigations = true;
module_param(mitigations, bool, 0444);
MODULE_PARM_DESC(mitigations, "on: as the kernel does; off: trust all guests");

/** lodge_mitigate() - unless the kernel or the module was told not to */
bool lodge_mitigate(void)
{
	return mitigations && !cpu_mitigations_off();
}

/** lodge_mitigated() - may a guest be one that nobody trusts? */
bool lodge_mitigated(void)
{
	bool done = lodge_mitigate();
	int i, j;

	for (i = 0; i < ARRAY_SIZE(bugs) && done; i++) {
		if (!boot_cpu_has_bug(bugs[i].bug))
			continue;
		done = !(bugs[i].siblings && sched_smt_active());
		for (j = 0; j < ARRAY_SIZE(bugs[i].remedies) && bugs[i].remedies[j]; j++)
			if (boot_cpu_has(bugs[i].remedies[j]))
				break;
		done &= j < ARRAY_SIZE(bugs[i].remedies) && bugs[i].remedies[j];
	}
	return done;
}

/** lodge_hardware_get() - enable with the first VM. -EBUSY when another hypervisor owns a CPU */
int lodge_hardware_get(void)
{
	int ret = 0;

	guard(mutex)(&hardware_lock);
	if (!vms)
		ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "lodge:online", online_here,
					offline_here);
	if (ret > 0) {
		hotplug_state = ret;
		take_emergency();
	}
	if (ret >= 0)
		vms++;
	if (ret == -EBUSY)
		pr_err_ratelimited("lodge: another hypervisor is using this CPU: end its VMs, then try again\n");
	return min(ret, 0);
}

/** lodge_hardware_put() - one VM less: disable with the last */
void lodge_hardware_put(void)
{
	guard(mutex)(&hardware_lock);
	if (--vms)
		return;
	release_emergency();
	cpuhp_remove_state(hotplug_state);
}

/* The CPU that suspends last is not hot-unplugged for it. */
static int suspend(LODGE_SYSCORE_ARG)
{
	return offline_here(0);
}

static void restart(LODGE_SYSCORE_ARG)
{
	int ret = vms ? enable_here() : 0;

	if (ret)
		pr_err("lodge: this CPU cannot be enabled after suspend (%d)\n", ret);
}

/* VMX blocks INIT: firmware could not restart the other CPUs. */
static int reboot_event(struct notifier_block *nb, unsigned long action, void *data)
{
	lodge_rebooting = true;
	on_each_cpu(disable_here, NULL, 1);
	return NOTIFY_DONE;
}

static void shut_down(LODGE_SYSCORE_ARG)
{
	reboot_event(NULL, 0, NULL);
}

static struct notifier_block reboot_notifier = { .notifier_call = reboot_event };

static struct syscore_ops syscore_ops = {
	.suspend = suspend, .resume = restart, .shutdown = shut_down,
};

static struct syscore syscore = { .ops = &syscore_ops };

/** lodge_hardware_init() - hook into the life of the machine; module load */
int lodge_hardware_init(void)
{
	int ret = register_reboot_notifier(&reboot_notifier);

	if (ret)
		return ret;
	ret = register_module_notifier(&module_notifier);
	if (ret) {
		unregister_reboot_notifier(&reboot_notifier);
		return ret;
	}
	register_syscore(&syscore);
	/* Patches the scheduler's code: too dear to do for each VM. */
	preempt_notifier_inc();
	return 0;
}

/** lodge_hardware_exit() - the reverse; no VM is left */
void lodge_hardware_exit(void)
{
	preempt_notifier_dec();
	unregister_syscore(&syscore);
	unregister_module_notifier(&module_notifier);
	unregister_reboot_notifier(&reboot_notifier);
}
