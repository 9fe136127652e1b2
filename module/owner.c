// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many VMs and vCPUs each user has, and how many they may: what a VM takes is
 * charged to its owner, but nothing else keeps one user from all of a CPU's VPIDs
 * or ASIDs, and the host from a list of a million VMs.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/module.h>

#include "lodge.h"

struct lodge_owner {
	struct list_head link;
	kuid_t uid;
	unsigned int vms;
	unsigned int vcpus;
};

static unsigned int user_vms = 256;
module_param(user_vms, uint, 0644);
MODULE_PARM_DESC(user_vms, "VMs that a user without CAP_SYS_RESOURCE may have (default: 256)");
static unsigned int user_vcpus = 1024;
module_param(user_vcpus, uint, 0644);
MODULE_PARM_DESC(user_vcpus, "The same of vCPUs (default: 1024)");

static DEFINE_MUTEX(owners_lock);
static LIST_HEAD(owners);		/* who has a VM; they and theirs under owners_lock */

static struct lodge_owner *find_or_add(kuid_t uid)
{
	struct lodge_owner *o;

	list_for_each_entry(o, &owners, link)
		if (uid_eq(o->uid, uid))
			return o;
	o = kzalloc(sizeof(*o), GFP_KERNEL_ACCOUNT);
	if (!o)
		return NULL;
	o->uid = uid;
	list_add(&o->link, &owners);
	return o;
}

static void forget_if_idle(struct lodge_owner *o)
{
	if (o->vms)
		return;
	list_del(&o->link);
	kfree(o);
}

static int count(unsigned int *have, unsigned int limit)
{
	if (*have >= limit && !capable(CAP_SYS_RESOURCE))
		return -EDQUOT;
	++*have;
	return 0;
}

/** lodge_owner_get() - the calling user, with one VM more; -EDQUOT, -ENOMEM */
struct lodge_owner *lodge_owner_get(void)
{
	struct lodge_owner *o;
	int ret;

	guard(mutex)(&owners_lock);
	o = find_or_add(current_uid());
	if (!o)
		return ERR_PTR(-ENOMEM);
	ret = count(&o->vms, READ_ONCE(user_vms));
	if (!ret)
		return o;
	forget_if_idle(o);
	return ERR_PTR(ret);
}

/** lodge_owner_put() - one VM less; its vCPUs went before */
void lodge_owner_put(struct lodge_owner *o)
{
	guard(mutex)(&owners_lock);
	o->vms--;
	forget_if_idle(o);
}

/** lodge_owner_get_vcpu() - one vCPU more in a VM of theirs, whoever asks; -EDQUOT */
int lodge_owner_get_vcpu(struct lodge_owner *o)
{
	guard(mutex)(&owners_lock);
	return count(&o->vcpus, READ_ONCE(user_vcpus));
}

/** lodge_owner_put_vcpu() - one less */
void lodge_owner_put_vcpu(struct lodge_owner *o)
{
	guard(mutex)(&owners_lock);
	o->vcpus--;
}
