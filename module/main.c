// SPDX-License-Identifier: GPL-2.0-only
/*
 * lodge.ko: which vendor this CPU is, and what has to stand before /dev/lodge
 * appears.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "ops.h"

const struct lodge_ops *lodge_ops;

#define LODGE_OP(ret, op, args)									\
	DEFINE_STATIC_CALL_NULL(lodge_##op, *(((struct lodge_ops *)0)->op));
LODGE_OPS
#undef LODGE_OP

static void bind_ops(const struct lodge_ops *ops)
{
	lodge_ops = ops;
#define LODGE_OP(ret, op, args) static_call_update(lodge_##op, ops->op);
	LODGE_OPS
#undef LODGE_OP
}

static const struct lodge_ops *pick_ops(void)
{
	if (cpuid_ecx(1) & BIT(X86_FEATURE_VMX & 31))
		return &vmx_ops;
	if (cpuid_eax(0x80000000) >= 0x80000001 &&
	    (cpuid_ecx(0x80000001) & BIT(X86_FEATURE_SVM & 31)))
		return &svm_ops;
	return NULL;
}

static int __init lodge_init(void)
{
	const struct lodge_ops *ops = pick_ops();
	int ret;

	if (!ops) {
		pr_err("lodge: this CPU offers neither VT-x nor AMD-V: enable virtualization in the firmware setup, or nested virtualization in the hypervisor that runs this machine\n");
		return -ENODEV;
	}
	bind_ops(ops);
	ret = ops->probe() ?: lodge_fpu_init() ?: ops->setup();
	if (ret)
		return ret;
	ret = lodge_hardware_init();
	if (ret)
		goto teardown;
	ret = misc_register(&lodge_device);
	if (ret)
		goto hardware;
	pr_info("lodge: %s, version %s\n", ops->name, LODGE_VERSION);
	return 0;
hardware:
	lodge_hardware_exit();
teardown:
	ops->teardown();
	return ret;
}

static void __exit lodge_exit(void)
{
	misc_deregister(&lodge_device);
	lodge_hardware_exit();
	lodge_ops->teardown();
}

module_init(lodge_init);
module_exit(lodge_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Lodge hypervisor");
MODULE_VERSION(LODGE_VERSION);
