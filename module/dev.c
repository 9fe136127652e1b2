// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lodge: what this host offers, and the way to a VM.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <asm/tsc.h>

#include "lodge.h"
#include "ioctl.h"
#include "ops.h"

static u64 host_caps(void)
{
	u64 caps = 0;

	if (lodge_max_leaf >= 2)
		caps |= LODGE_CAP_2M_PAGES;
	if (lodge_max_leaf >= 3)
		caps |= LODGE_CAP_1G_PAGES;
	if (lodge_stable_tsc())
		caps |= LODGE_CAP_STABLE_TSC;
	return caps;
}

static int get_info(struct lodge_target *target, void *args)
{
	struct lodge_info *info = args;

	info->api_version = LODGE_API_VERSION;
	info->backend = lodge_ops->backend;
	info->caps = host_caps();
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

static int get_supported_cpuid(struct lodge_target *target, void *args)
{
	struct lodge_cpuid *cpuid = args;
	struct lodge_cpuid_entry *entries;
	int ret;

	entries = kcalloc(LODGE_MAX_CPUID, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	ret = lodge_cpuid_supported(entries, LODGE_MAX_CPUID);
	if (ret >= 0)
		ret = lodge_array_out(cpuid->entries, &cpuid->count, entries, ret,
				      sizeof(*entries));
	kfree(entries);
	return ret;
}

static int get_msr_list(struct lodge_target *target, void *args)
{
	struct lodge_msr_list *list = args;
	u32 *indexes;
	int ret;

	indexes = kcalloc(LODGE_MAX_MSRS, sizeof(*indexes), GFP_KERNEL);
	if (!indexes)
		return -ENOMEM;
	ret = lodge_msr_list(indexes, LODGE_MAX_MSRS);
	ret = lodge_array_out(list->indexes, &list->count, indexes, ret,
			      sizeof(*indexes));
	kfree(indexes);
	return ret;
}

static int create_vm(struct lodge_target *target, void *args)
{
	return lodge_vm_create_fd(args);
}

const struct lodge_ioctl lodge_dev_ioctls[] = {
	LODGE_IOCTL(LODGE_GET_INFO, lodge_info, flags, 0,
		    LODGE_LOCK_NONE, LODGE_COPY_INOUT, get_info),
	LODGE_IOCTL(LODGE_GET_SUPPORTED_CPUID, lodge_cpuid, entries, 0,
		    LODGE_LOCK_NONE, LODGE_COPY_ALWAYS, get_supported_cpuid),
	LODGE_IOCTL(LODGE_GET_MSR_LIST, lodge_msr_list, indexes, 0,
		    LODGE_LOCK_NONE, LODGE_COPY_ALWAYS, get_msr_list),
	LODGE_IOCTL(LODGE_CREATE_VM, lodge_create_vm, flags, 0,
		    LODGE_LOCK_NONE, LODGE_COPY_IN, create_vm),
};

const unsigned int lodge_dev_ioctl_count = ARRAY_SIZE(lodge_dev_ioctls);

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_target target = {};

	return lodge_ioctl(lodge_dev_ioctls, lodge_dev_ioctl_count, &target, cmd,
			   arg);
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lodge",
	.fops = &dev_fops,
	.mode = 0600,
};

/**
 * lodge_dev_register() - make /dev/lodge appear; last step of loading
 *
 * Return: 0 or -errno.
 */
int lodge_dev_register(void)
{
	return misc_register(&device);
}

/**
 * lodge_dev_unregister() - the reverse; first step of unloading
 */
void lodge_dev_unregister(void)
{
	misc_deregister(&device);
}
