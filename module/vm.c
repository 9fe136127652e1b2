// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM object, its file descriptor and its ioctls.
 *
 * Who holds a reference: the VM fd and every vCPU fd. Whatever order they are
 * closed in, the last one takes the VM apart. vCPUs live until then, so that
 * interrupts may be sent to them without a lock.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "ops.h"
#include "ioctl.h"
#include "../virtio/virtio.h"

#define TSC_RATIO_MAX	255

int lodge_max_leaf = 3;
bool lodge_dirty_marks = true;
module_param_named(dirty_marks, lodge_dirty_marks, bool, 0444);
MODULE_PARM_DESC(dirty_marks, "Log writes by the CPU's dirty marks where it has them (default: on)");
bool lodge_dirty_lists;
u8 lodge_tsc_fraction;

/* Names go into logs: NUL-terminated, printable ASCII. */
static bool name_valid(const char *name, size_t room)
{
	size_t length = strnlen(name, room), i;

	for (i = 0; i < length; i++)
		if (!isascii(name[i]) || !isprint(name[i]))
			return false;
	return length < room;
}

/*
 * What may kick vCPUs goes first: the MMU notifier and sources of interrupts.
 * Then those who are kicked, then the memory that all of them may look at.
 */
static void destroy(struct kref *ref)
{
	struct lodge_vm *vm = container_of(ref, struct lodge_vm, ref);
	struct lodge_vcpu *vcpu;
	int i;

	lodge_mmu_stop(vm);
	lodge_irqfds_destroy(vm);
	lodge_regions_destroy(vm);
	lodge_pit_destroy(vm);
	for_each_lodge_vcpu(i, vcpu, vm)
		lodge_vcpu_destroy(vcpu);
	lodge_mmu_destroy(vm);
	mmdrop(vm->mm);
	lodge_owner_put(vm->owner);
	kfree(vm);
	lodge_hardware_put();
}

/** lodge_vm_put() - drop a reference; the last one takes the VM apart. Sleeps */
void lodge_vm_put(struct lodge_vm *vm)
{
	kref_put(&vm->ref, destroy);
}

/* lodge_set_tsc_khz() - of a new VM; 0: the host's. -EOPNOTSUPP: the CPU cannot; -EINVAL */
int lodge_set_tsc_khz(struct lodge_vm *vm, u32 khz)
{
	vm->tsc_khz = khz ?: tsc_khz;
	if (vm->tsc_khz == tsc_khz)
		return 0;
	if (!lodge_tsc_fraction)
		return -EOPNOTSUPP;
	if (max_t(u32, khz, tsc_khz) / min_t(u32, khz, tsc_khz) > TSC_RATIO_MAX)
		return -EINVAL;
	vm->tsc_ratio = mul_u64_u32_div(1ull << lodge_tsc_fraction, khz, tsc_khz);
	return 0;
}

static int create_parts(struct lodge_vm *vm)
{
	int ret = lodge_mmu_create(vm, lodge_ops->pt_format, lodge_max_leaf);

	if (ret)
		return ret;
	vm->mmu.dirty_marks = lodge_dirty_marks;
	vm->mmu.dirty_lists = lodge_dirty_lists;
	lodge_irqfds_create(vm);
	lodge_chips_create(vm);
	ret = lodge_regions_create(vm);
	if (ret)
		lodge_mmu_destroy(vm);
	return ret;
}

static struct lodge_vm *create(const struct lodge_create_vm *args)
{
	struct lodge_vm *vm;
	int ret;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm->owner = lodge_owner_get();
	ret = PTR_ERR_OR_ZERO(vm->owner);
	if (ret)
		goto free;
	ret = lodge_set_tsc_khz(vm, args->tsc_khz) ?: lodge_hardware_get();
	if (ret)
		goto owner;
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	raw_spin_lock_init(&vm->tsc_sync.lock);
	strscpy(vm->name, args->name, sizeof(vm->name));
	vm->tsc_base = lodge_scale_tsc(vm, rdtsc());
	vm->created_ns = ktime_get_ns();
	vm->mm = current->mm;
	mmgrab(vm->mm);
	ret = create_parts(vm);
	if (!ret)
		return vm;
	mmdrop(vm->mm);
	lodge_hardware_put();
owner:
	lodge_owner_put(vm->owner);
free:
	kfree(vm);
	return ERR_PTR(ret);
}

static int irq_line(struct lodge_vm *vm, void *args)
{
	struct lodge_irq_line *line = args;

	return line->level > 1 ? -EINVAL : lodge_irq_line(vm, line->gsi, line->level);
}

static int signal_msi(struct lodge_vm *vm, void *args)
{
	struct lodge_msi *msi = args;

	return lodge_irq_msi(vm, msi->addr, msi->data);
}

static int vm_stats(struct lodge_vm *vm, void *args)
{
	return lodge_stats_fd(vm, NULL, ((struct lodge_open_stats *)args)->flags);
}

static int reset_vm(struct lodge_vm *vm, void *args)
{
	lodge_chips_reset(vm);
	return 0;
}

#define SLOT_FLAGS	(LODGE_SLOT_READONLY | LODGE_SLOT_LOG_DIRTY)
#define IRQFD_FLAGS	(LODGE_IRQFD_DEASSIGN | LODGE_IRQFD_MSI)
#define REGION_FLAGS	(LODGE_REGION_DELETE | LODGE_REGION_MATCH | LODGE_REGION_EXACT)

const struct lodge_ioctl lodge_vm_ioctls[] = {
	LODGE_IOCTL(vm, IRQ_LINE, lodge_irq_line, level, 0, NONE, IN, irq_line),
	LODGE_IOCTL(vm, SIGNAL_MSI, lodge_msi, data, 0, NONE, IN, signal_msi),
	LODGE_IOCTL(vm, CREATE_VCPU, lodge_create_vcpu, id, 0, VM, IN, lodge_vcpu_create_fd),
	LODGE_IOCTL(vm, CREATE_VIRTIO, lodge_create_virtio, gsi,
		    LODGE_VIRTIO_READONLY | LODGE_VIRTIO_USER | LODGE_VIRTIO_EVENT, NONE, INOUT,
		    lodge_virtio_create_fd),
	LODGE_IOCTL(vm, SET_SLOT, lodge_slot, user_addr, SLOT_FLAGS, VM, IN, lodge_slot_set),
	LODGE_IOCTL(vm, GET_DIRTY, lodge_dirty, bitmap, 0, VM, IN, lodge_dirty_get),
	LODGE_IOCTL(vm, WATCH, lodge_watch_pages, bitmap, LODGE_WATCH_COUNT | LODGE_WATCH_ACCESSED,
		    VM, IN, lodge_watch_set),
	LODGE_IOCTL(vm, PREFAULT, lodge_prefault, bytes, 0, NONE, ALWAYS, lodge_prefault),
	LODGE_IOCTL(vm, SET_IRQFD, lodge_irqfd, gsi, IRQFD_FLAGS, VM, IN, lodge_irqfd_set),
	LODGE_IOCTL(vm, SET_DOMAIN, lodge_domain, eventfd, 0, VM, IN, lodge_domain_set),
	LODGE_IOCTL(vm, SET_REGION, lodge_region, eventfd, REGION_FLAGS, VM, IN, lodge_region_set),
	LODGE_IOCTL(vm, GET_CHIP, lodge_chip, chip, 0, VM, INOUT, lodge_chip_get),
	LODGE_IOCTL(vm, SET_CHIP, lodge_chip, data, 0, VM, IN, lodge_chip_set),
	LODGE_IOCTL(vm, VM_STATS, lodge_open_stats, flags, LODGE_STATS_TIMING, NONE, IN, vm_stats),
	LODGE_IOCTL(vm, RESET_VM, lodge_reset, flags, 0, VM, IN, reset_vm),
};

const unsigned int lodge_vm_ioctl_count = ARRAY_SIZE(lodge_vm_ioctls);

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_target target = { .vm = file->private_data };

	return lodge_ioctl(lodge_vm_ioctls, lodge_vm_ioctl_count, &target, cmd, arg);
}

static int map_domain(struct file *file, struct vm_area_struct *vma)
{
	struct lodge_vm *vm = file->private_data;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	return lodge_region_mmap(vm, vma);
}

static int vm_release(struct inode *inode, struct file *file)
{
	lodge_vm_put(file->private_data);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = map_domain,
	.release = vm_release,
	.llseek = noop_llseek,
};

/*
 * lodge_vm_create_fd() - LODGE_CREATE_VM: the file descriptor; -EINVAL for a bad name, -EBUSY when
 * another hypervisor owns the hardware, -EDQUOT, -EMFILE, -ENOMEM
 */
int lodge_vm_create_fd(void *args)
{
	const struct lodge_create_vm *wanted = args;
	struct lodge_vm *vm;
	int fd;

	if (!name_valid(wanted->name, sizeof(wanted->name)))
		return -EINVAL;
	vm = create(wanted);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("[lodge-vm]", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		lodge_vm_put(vm);
	return fd;
}
