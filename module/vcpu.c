// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU object: its life, its file descriptor, its ioctls and what reset
 * and INIT do to it.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "ops.h"
#include "cpuid.h"
#include "ioctl.h"

#define RESET_RIP	0xfff0
#define RESET_CS_BASE	0xffff0000u
#define RESET_CS	0xf000
#define CR0_RESET	(X86_CR0_CD | X86_CR0_NW | X86_CR0_ET)
#define DR7_RESET	0x400

#define SEGMENT(rights, code_or_data)							\
	.limit = 0xffff, .type = (rights), .s = (code_or_data), .present = 1

static void reset_segments(struct lodge_vcpu *vcpu)
{
	static const struct lodge_segment segments[] = {
		[LODGE_ES] = { SEGMENT(3, 1) },
		[LODGE_CS] = { SEGMENT(11, 1), .selector = RESET_CS, .base = RESET_CS_BASE },
		[LODGE_SS ... LODGE_GS] = { SEGMENT(3, 1) },
		[LODGE_LDTR] = { SEGMENT(2, 0) }, [LODGE_TR] = { SEGMENT(11, 0) },
		[LODGE_GDTR ... LODGE_IDTR] = { SEGMENT(0, 0) },
	};
	int seg;

	for (seg = 0; seg < ARRAY_SIZE(segments); seg++)
		lodge_op(set_segment)(vcpu, seg, &segments[seg]);
}

/* INIT keeps CD and NW, whatever they are (SDM 10.1.1). */
static void reset_control(struct lodge_vcpu *vcpu, bool init)
{
	u64 cr0 = CR0_RESET;

	if (init)
		cr0 = (lodge_reg_read(vcpu, LODGE_CR0) & (X86_CR0_CD | X86_CR0_NW)) | X86_CR0_ET;
	lodge_op(set_cr0)(vcpu, cr0);
	lodge_op(set_efer)(vcpu, 0);
	lodge_op(set_cr4)(vcpu, 0);
	lodge_op(set_cr3)(vcpu, 0);
	vcpu->cr2 = 0;
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	vcpu->dr6 = DR6_RESERVED;
	vcpu->dr7 = DR7_RESET;
	lodge_op(sync_dr7)(vcpu);
	set_bit(LODGE_REQ_TLB, &vcpu->requests);
}

/* RDX is the processor's signature (SDM 10.1.1, APM 14.1.3). */
static void reset_registers(struct lodge_vcpu *vcpu)
{
	const struct lodge_cpuid_entry *entry = lodge_cpuid_lookup(vcpu->cpuid, 1, 0);
	int reg;

	for (reg = LODGE_RAX; reg <= LODGE_R15; reg++)
		lodge_reg_write(vcpu, reg, 0);
	lodge_reg_write(vcpu, LODGE_RDX, entry ? entry->eax : 0x600);
	lodge_reg_write(vcpu, LODGE_RIP, RESET_RIP);
	lodge_reg_write(vcpu, LODGE_RFLAGS, X86_EFLAGS_FIXED);
}

static void reset_events(struct lodge_vcpu *vcpu)
{
	vcpu->exception.valid = false;
	vcpu->inflight.valid = false;
	atomic_set(&vcpu->nmi_pending, 0);
	vcpu->load.bytes = 0;
	clear_bit(LODGE_REQ_TRIPLE, &vcpu->requests);
	memset(&vcpu->replay, 0, sizeof(vcpu->replay));
	lodge_op(set_shadow)(vcpu, 0);
	lodge_op(set_nmi_masked)(vcpu, false);
}

/*
 * lodge_vcpu_reset() - power-on reset, or @init: then MSRs, FPU and the TSC keep their values (SDM
 * table 10-1, APM 14.1.3). vCPU loaded; ring 2. vCPU 0 is the bootstrap processor and runs; the
 * others wait for SIPI.
 */
void lodge_vcpu_reset(struct lodge_vcpu *vcpu, bool init)
{
	if (!init) {
		lodge_op(reset)(vcpu);
		lodge_fpu_reset(vcpu);
		/* All vCPUs of a VM count from the moment it was made. */
		vcpu->tsc_offset = -vcpu->vm->tsc_base;
		lodge_op(set_tsc_offset)(vcpu, vcpu->tsc_offset);
	}
	reset_segments(vcpu);
	reset_control(vcpu, init);
	reset_registers(vcpu);
	reset_events(vcpu);
	lodge_pv_reset(vcpu);
	if (!init)
		lodge_msr_reset(vcpu);
	lodge_lapic_reset(vcpu, init);
	vcpu->mp_state = vcpu->id ? LODGE_MP_WAIT_SIPI : LODGE_MP_RUNNABLE;
}

/** lodge_vcpu_destroy() - take a vCPU apart, with its VM: nobody can reach it any more */
void lodge_vcpu_destroy(struct lodge_vcpu *vcpu)
{
	lodge_set_runner(vcpu, NULL);
	lodge_lapic_destroy(vcpu);
	lodge_fpu_destroy(vcpu);
	vfree(vcpu->run);
	kvfree(vcpu->cpuid);
	lodge_op(vcpu_free)(vcpu);
	lodge_owner_put_vcpu(vcpu->vm->owner);
	kfree(vcpu);
}

static struct lodge_vcpu *create(struct lodge_vm *vm, u32 id)
{
	struct lodge_vcpu *vcpu = kzalloc(lodge_ops->vcpu_bytes, GFP_KERNEL_ACCOUNT);
	int ret = vcpu ? lodge_owner_get_vcpu(vm->owner) : -ENOMEM;

	if (ret) {
		kfree(vcpu);
		return ERR_PTR(ret);
	}
	ret = -ENOMEM;
	vcpu->vm = vm;
	vcpu->id = id;
	mutex_init(&vcpu->lock);
	lodge_run_init(vcpu);
	vcpu->run = vmalloc_user(PAGE_ALIGN(sizeof(*vcpu->run)));
	if (vcpu->run)
		ret = lodge_fpu_create(vcpu) ?: lodge_lapic_create(vcpu) ?:
		      lodge_op(vcpu_init)(vcpu);
	if (!ret) {
		lodge_vcpu_load(vcpu);
		ret = lodge_cpuid_set_default(vcpu);
		if (!ret)
			lodge_vcpu_reset(vcpu, false);
		lodge_vcpu_put(vcpu);
	}
	if (!ret)
		return vcpu;
	lodge_vcpu_destroy(vcpu);
	return ERR_PTR(ret);
}

static noinline long by_table(struct lodge_vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	struct lodge_target target = { .vm = vcpu->vm, .vcpu = vcpu };

	return lodge_ioctl(lodge_vcpu_ioctls, lodge_vcpu_ioctl_count, &target, cmd, arg);
}

/* LODGE_RUN, which has no struct, is too frequent for the table. */
static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_vcpu *vcpu = file->private_data;
	long ret = -EINTR;

	if (cmd != LODGE_RUN)
		return by_table(vcpu, cmd, arg);
	if (vcpu->vm->mm != current->mm || READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (mutex_lock_killable(&vcpu->lock))
		return ret;
	ret = lodge_vcpu_run(vcpu);
	mutex_unlock(&vcpu->lock);
	return ret;
}

/* The run area. Its pages outlive the vCPU for as long as they are mapped. */
static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lodge_vcpu *vcpu = file->private_data;

	if (vcpu->vm->mm != current->mm || READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (vma->vm_pgoff || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	return remap_vmalloc_range(vma, vcpu->run, 0);
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct lodge_vcpu *vcpu = file->private_data;

	lodge_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

/*
 * lodge_vcpu_create_fd() - LODGE_CREATE_VCPU, vm->lock held: the file descriptor; -EINVAL (id),
 * -EEXIST, -EDQUOT, -EMFILE, -ENOMEM
 */
int lodge_vcpu_create_fd(struct lodge_vm *vm, void *args)
{
	u32 id = ((struct lodge_create_vcpu *)args)->id;
	struct lodge_vcpu *vcpu;
	struct file *file;
	int fd;

	if (id >= LODGE_MAX_VCPUS)
		return -EINVAL;
	id = array_index_nospec(id, LODGE_MAX_VCPUS);
	if (vm->vcpus[id])
		return -EEXIST;
	vcpu = create(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto destroy;
	file = anon_inode_getfile("[lodge-vcpu]", &vcpu_fops, vcpu, O_RDWR | O_CLOEXEC);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto destroy;
	}
	kref_get(&vm->ref);	/* for the file */
	/* Complete before interrupts or the caller can reach it. */
	smp_store_release(&vm->vcpus[id], vcpu);
	fd_install(fd, file);
	return fd;
destroy:
	lodge_vcpu_destroy(vcpu);
	return fd;
}
