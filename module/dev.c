// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lodge: what this host offers, and the way to a VM.
 */
#include <linux/compat.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "ops.h"
#include "ioctl.h"

static int get_info(void *args)
{
	struct lodge_info *info = args;

	info->api_version = LODGE_API_VERSION;
	info->backend = lodge_ops->backend;
	info->caps = (lodge_max_leaf >= 2 ? LODGE_CAP_2M_PAGES : 0) |
		     (lodge_max_leaf >= 3 ? LODGE_CAP_1G_PAGES : 0) |
		     (lodge_stable_tsc() ? LODGE_CAP_STABLE_TSC : 0) |
		     (lodge_mitigated() ? LODGE_CAP_UNTRUSTED : 0) |
		     (lodge_tsc_fraction ? LODGE_CAP_TSC_SCALING : 0);
	info->xcr0 = lodge_xcr0;
	info->run_size = PAGE_ALIGN(sizeof(struct lodge_run));
	info->domain_size = LODGE_DOMAIN_SHADOW + PAGE_SIZE;
	info->max_vcpus = LODGE_MAX_VCPUS;
	info->max_slots = LODGE_MAX_SLOTS;
	info->phys_bits = lodge_phys_bits();
	info->tsc_khz = tsc_khz;
	strscpy(info->version, LODGE_VERSION, sizeof(info->version));
	return 0;
}

static int get_cpuid(void *args)
{
	struct lodge_cpuid_table *table = lodge_cpuid_supported();
	struct lodge_cpuid *cpuid = args;
	int ret;

	if (!table)
		return -ENOMEM;
	ret = lodge_array_out(cpuid->entries, &cpuid->count, table->entries, table->count,
			      sizeof(table->entries[0]));
	kvfree(table);
	return ret;
}

static int get_msr_list(void *args)
{
	struct lodge_msr_list *list = args;
	u32 *indexes = kcalloc(LODGE_MAX_MSRS, sizeof(*indexes), GFP_KERNEL);
	int ret;

	if (!indexes)
		return -ENOMEM;
	ret = lodge_msr_list(indexes, LODGE_MAX_MSRS);
	ret = lodge_array_out(list->indexes, &list->count, indexes, ret, sizeof(*indexes));
	kfree(indexes);
	return ret;
}

const struct lodge_ioctl lodge_dev_ioctls[] = {
	LODGE_IOCTL(dev, GET_INFO, lodge_info, flags, 0, NONE, INOUT, get_info),
	LODGE_IOCTL(dev, GET_SUPPORTED_CPUID, lodge_cpuid, entries, 0, NONE, ALWAYS, get_cpuid),
	LODGE_IOCTL(dev, GET_MSR_LIST, lodge_msr_list, indexes, 0, NONE, ALWAYS, get_msr_list),
	LODGE_IOCTL(dev, CREATE_VM, lodge_create_vm, flags, 0, NONE, IN, lodge_vm_create_fd),
};

const unsigned int lodge_dev_ioctl_count = ARRAY_SIZE(lodge_dev_ioctls);

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_target target = {};

	return lodge_ioctl(lodge_dev_ioctls, lodge_dev_ioctl_count, &target, cmd, arg);
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* Registered last and removed first. */
struct miscdevice lodge_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lodge",
	.fops = &dev_fops,
	.mode = 0600,
};
