// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU object: its life, its file descriptor, its ioctls and what reset
 * and INIT do to it.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "lodge.h"
#include "ioctl.h"
#include "ops.h"

#define RESET_RIP	0xfff0
#define RESET_CS_BASE	0xffff0000u
#define RESET_CS	0xf000
#define CR0_RESET	(X86_CR0_CD | X86_CR0_NW | X86_CR0_ET)
#define DR6_RESET	0xffff0ff0
#define DR7_RESET	0x400

static void reset_segment(struct lodge_vcpu *vcpu, int seg, u16 selector,
			  u64 base, u8 type, u8 s)
{
	struct lodge_segment segment = {
		.base = base, .limit = 0xffff, .selector = selector,
		.type = type, .s = s, .present = 1,
	};

	lodge_op(set_segment)(vcpu, seg, &segment);
}

static void reset_segments(struct lodge_vcpu *vcpu)
{
	struct lodge_dtable table = { .limit = 0xffff };
	int seg;

	for (seg = LODGE_ES; seg <= LODGE_GS; seg++)
		reset_segment(vcpu, seg, 0, 0, 3, 1);
	reset_segment(vcpu, LODGE_CS, RESET_CS, RESET_CS_BASE, 11, 1);
	reset_segment(vcpu, LODGE_LDTR, 0, 0, 2, 0);
	reset_segment(vcpu, LODGE_TR, 0, 0, 11, 0);
	lodge_op(set_dtable)(vcpu, false, &table);
	lodge_op(set_dtable)(vcpu, true, &table);
}

/* INIT keeps CD and NW, whatever they are (SDM 10.1.1). */
static void reset_control(struct lodge_vcpu *vcpu, bool init)
{
	u64 cr0 = CR0_RESET;

	if (init)
		cr0 = (lodge_reg_read(vcpu, LODGE_CR0) &
		       (X86_CR0_CD | X86_CR0_NW)) | X86_CR0_ET;
	lodge_op(set_cr0)(vcpu, cr0);
	lodge_op(set_efer)(vcpu, 0);
	lodge_op(set_cr4)(vcpu, 0);
	lodge_op(set_cr3)(vcpu, 0);
	vcpu->cr2 = 0;
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	vcpu->dr6 = DR6_RESET;
	vcpu->dr7 = DR7_RESET;
	lodge_op(sync_dr7)(vcpu);
	set_bit(LODGE_REQ_TLB, &vcpu->requests);
}

/* RDX is the processor's signature (SDM 10.1.1, APM 14.1.3). */
static void reset_registers(struct lodge_vcpu *vcpu)
{
	const struct lodge_cpuid_entry *entry = lodge_cpuid_find(vcpu, 1, 0);
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
	vcpu->nmi_pending = 0;
	vcpu->pio_waiting = 0;
	memset(&vcpu->replay, 0, sizeof(vcpu->replay));
	lodge_op(set_shadow)(vcpu, 0);
	lodge_op(set_nmi_masked)(vcpu, false);
}

/* All vCPUs of a VM count from the moment it was made. */
static void reset_tsc(struct lodge_vcpu *vcpu)
{
	vcpu->tsc_offset = -vcpu->vm->tsc_base;
	lodge_op(set_tsc_offset)(vcpu, vcpu->tsc_offset);
}

/**
 * lodge_vcpu_reset() - power-on reset, or INIT (SDM table 10-1, APM 14.1.3)
 * @vcpu: loaded vCPU; ring 2
 * @init: INIT: MSRs, FPU and the TSC keep their values
 *
 * vCPU 0 is the bootstrap processor and runs; the others wait for SIPI.
 */
void lodge_vcpu_reset(struct lodge_vcpu *vcpu, bool init)
{
	if (!init) {
		lodge_op(reset)(vcpu);
		lodge_fpu_reset(vcpu);
		reset_tsc(vcpu);
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

static int create_parts(struct lodge_vcpu *vcpu)
{
	int ret = lodge_fpu_create(vcpu);

	if (ret)
		return ret;
	ret = lodge_lapic_create(vcpu);
	if (ret)
		goto fpu;
	ret = lodge_op(vcpu_init)(vcpu);
	if (ret)
		goto lapic;
	lodge_vcpu_load(vcpu);
	ret = lodge_cpuid_set_default(vcpu);
	if (!ret)
		lodge_vcpu_reset(vcpu, false);
	lodge_vcpu_put(vcpu);
	if (!ret)
		return 0;
lapic:
	lodge_lapic_destroy(vcpu);
fpu:
	lodge_fpu_destroy(vcpu);
	return ret;
}

static struct lodge_vcpu *create(struct lodge_vm *vm, u32 id)
{
	struct lodge_vcpu *vcpu = lodge_op(vcpu_alloc)();
	int ret = -ENOMEM;

	if (IS_ERR(vcpu))
		return vcpu;
	vcpu->vm = vm;
	vcpu->id = id;
	mutex_init(&vcpu->lock);
	lodge_run_init(vcpu);
	vcpu->run = vmalloc_user(PAGE_ALIGN(sizeof(*vcpu->run)));
	if (vcpu->run)
		ret = create_parts(vcpu);
	if (!ret)
		return vcpu;
	vfree(vcpu->run);
	lodge_op(vcpu_free)(vcpu);
	return ERR_PTR(ret);
}

/**
 * lodge_vcpu_destroy() - take a vCPU apart, with its VM
 * @vcpu: vCPU that nobody can reach any more
 */
void lodge_vcpu_destroy(struct lodge_vcpu *vcpu)
{
	lodge_lapic_destroy(vcpu);
	lodge_fpu_destroy(vcpu);
	vfree(vcpu->run);
	kvfree(vcpu->cpuid);
	lodge_op(vcpu_free)(vcpu);
}

static int run(struct lodge_target *target, void *args)
{
	return lodge_vcpu_run(target->vcpu);
}

static int get_xsave(struct lodge_target *target, void *args)
{
	struct lodge_xsave *xsave = args;
	u32 room = xsave->bytes;

	xsave->bytes = lodge_fpu_size();
	return lodge_fpu_get(target->vcpu, u64_to_user_ptr(xsave->addr), room);
}

static int set_xsave(struct lodge_target *target, void *args)
{
	struct lodge_xsave *xsave = args;

	return lodge_fpu_set(target->vcpu, u64_to_user_ptr(xsave->addr),
			     xsave->bytes);
}

static int get_cpuid(struct lodge_target *target, void *args)
{
	struct lodge_cpuid_table *table = target->vcpu->cpuid;
	struct lodge_cpuid *cpuid = args;

	return lodge_array_out(cpuid->entries, &cpuid->count, table->entries,
			       table->count, sizeof(table->entries[0]));
}

static int set_cpuid(struct lodge_target *target, void *args)
{
	struct lodge_cpuid *cpuid = args;
	struct lodge_cpuid_table *table;
	int ret = -EFAULT;

	if (cpuid->count > LODGE_MAX_CPUID)
		return -E2BIG;
	table = kvzalloc(struct_size(table, entries, cpuid->count),
			 GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	table->count = cpuid->count;
	if (!copy_from_user(table->entries, u64_to_user_ptr(cpuid->entries),
			    cpuid->count * sizeof(table->entries[0])))
		ret = lodge_cpuid_set(target->vcpu, table);
	if (ret)
		kvfree(table);
	return ret;
}

static int get_lapic(struct lodge_target *target, void *args)
{
	struct lodge_lapic_state *state = args;

	lodge_lapic_get_state(target->vcpu, state->regs);
	return 0;
}

static int set_lapic(struct lodge_target *target, void *args)
{
	struct lodge_lapic_state *state = args;

	return lodge_lapic_set_state(target->vcpu, state->regs);
}

static int translate(struct lodge_target *target, void *args)
{
	struct lodge_translate *translate = args;
	struct lodge_walk walk = {};
	int ret;

	ret = lodge_gva_to_gpa(target->vcpu, translate->gva, 0, &walk);
	if (ret)
		return ret;
	translate->gpa = walk.gpa;
	translate->access = walk.access;
	return 0;
}

static int nmi(struct lodge_target *target, void *args)
{
	lodge_queue_nmi(target->vcpu);
	return 0;
}

static int vcpu_stats(struct lodge_target *target, void *args)
{
	u64 values[LODGE_STAT_COUNT];
	int stat;

	for (stat = 0; stat < LODGE_STAT_COUNT; stat++)
		values[stat] = READ_ONCE(target->vcpu->stats[stat]);
	return lodge_stats_out(args, values);
}

const struct lodge_ioctl lodge_vcpu_ioctls[] = {
	{ .cmd = LODGE_RUN, .handler = run, .lock = LODGE_LOCK_VCPU },
	LODGE_IOCTL(LODGE_GET_REGS, lodge_get_regs, flags, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_INOUT, lodge_do_get_regs),
	LODGE_IOCTL(LODGE_SET_REGS, lodge_get_regs, regs, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_IN, lodge_do_set_regs),
	LODGE_IOCTL(LODGE_GET_SREGS, lodge_get_sregs, flags, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_INOUT, lodge_do_get_sregs),
	LODGE_IOCTL(LODGE_SET_SREGS, lodge_get_sregs, sregs, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_IN, lodge_do_set_sregs),
	LODGE_IOCTL(LODGE_GET_XSAVE, lodge_xsave, addr, 0,
		    LODGE_LOCK_VCPU, LODGE_COPY_ALWAYS, get_xsave),
	LODGE_IOCTL(LODGE_SET_XSAVE, lodge_xsave, addr, 0,
		    LODGE_LOCK_VCPU, LODGE_COPY_IN, set_xsave),
	LODGE_IOCTL(LODGE_GET_MSRS, lodge_msrs, entries, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_ALWAYS, lodge_do_get_msrs),
	LODGE_IOCTL(LODGE_SET_MSRS, lodge_msrs, entries, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_ALWAYS, lodge_do_set_msrs),
	LODGE_IOCTL(LODGE_GET_CPUID, lodge_cpuid, entries, 0,
		    LODGE_LOCK_VCPU, LODGE_COPY_ALWAYS, get_cpuid),
	LODGE_IOCTL(LODGE_SET_CPUID, lodge_cpuid, entries, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_IN, set_cpuid),
	LODGE_IOCTL(LODGE_GET_EVENTS, lodge_events, flags, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_INOUT, lodge_do_get_events),
	LODGE_IOCTL(LODGE_SET_EVENTS, lodge_events, error_code, GENMASK(8, 0),
		    LODGE_LOCK_LOADED, LODGE_COPY_IN, lodge_do_set_events),
	LODGE_IOCTL(LODGE_GET_LAPIC, lodge_lapic_state, flags, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_INOUT, get_lapic),
	LODGE_IOCTL(LODGE_SET_LAPIC, lodge_lapic_state, regs, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_IN, set_lapic),
	LODGE_IOCTL(LODGE_GET_MP_STATE, lodge_mp_state, flags, 0,
		    LODGE_LOCK_VCPU, LODGE_COPY_INOUT, lodge_do_get_mp_state),
	LODGE_IOCTL(LODGE_SET_MP_STATE, lodge_mp_state, state, 0,
		    LODGE_LOCK_VCPU, LODGE_COPY_IN, lodge_do_set_mp_state),
	LODGE_IOCTL(LODGE_GET_DEBUGREGS, lodge_debugregs, flags, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_INOUT, lodge_do_get_debugregs),
	LODGE_IOCTL(LODGE_SET_DEBUGREGS, lodge_debugregs, dr7, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_IN, lodge_do_set_debugregs),
	LODGE_IOCTL(LODGE_TRANSLATE, lodge_translate, gva, 0,
		    LODGE_LOCK_LOADED, LODGE_COPY_INOUT, translate),
	LODGE_IOCTL(LODGE_NMI, lodge_nmi, flags, 0,
		    LODGE_LOCK_NONE, LODGE_COPY_IN, nmi),
	LODGE_IOCTL(LODGE_VCPU_STATS, lodge_stats, values, 0,
		    LODGE_LOCK_NONE, LODGE_COPY_INOUT, vcpu_stats),
};

const unsigned int lodge_vcpu_ioctl_count = ARRAY_SIZE(lodge_vcpu_ioctls);

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_vcpu *vcpu = file->private_data;
	struct lodge_target target = { .vm = vcpu->vm, .vcpu = vcpu };

	return lodge_ioctl(lodge_vcpu_ioctls, lodge_vcpu_ioctl_count, &target, cmd,
			   arg);
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

/* The vCPU is complete before interrupts or the caller can reach it. */
static int publish(struct lodge_vcpu *vcpu, int fd)
{
	struct lodge_vm *vm = vcpu->vm;
	struct file *file;

	file = anon_inode_getfile("[lodge-vcpu]", &vcpu_fops, vcpu,
				  O_RDWR | O_CLOEXEC);
	if (IS_ERR(file))
		return PTR_ERR(file);
	lodge_vm_get(vm);	/* for the file */
	smp_store_release(&vm->vcpus[vcpu->id], vcpu);
	vm->vcpu_count++;
	fd_install(fd, file);
	return fd;
}

/**
 * lodge_vcpu_create_fd() - make a vCPU (LODGE_CREATE_VCPU)
 * @vm: VM, its lock held
 * @id: number and initial APIC id
 *
 * Return: its file descriptor; -EINVAL (id), -EEXIST, -EMFILE, -ENOMEM.
 */
int lodge_vcpu_create_fd(struct lodge_vm *vm, u32 id)
{
	struct lodge_vcpu *vcpu;
	int fd, ret;

	if (id >= LODGE_MAX_VCPUS)
		return -EINVAL;
	id = array_index_nospec(id, LODGE_MAX_VCPUS);
	if (vm->vcpus[id])
		return -EEXIST;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vcpu = create(vm, id);
	if (IS_ERR(vcpu)) {
		put_unused_fd(fd);
		return PTR_ERR(vcpu);
	}
	ret = publish(vcpu, fd);
	if (ret < 0) {
		lodge_vcpu_destroy(vcpu);
		put_unused_fd(fd);
	}
	return ret;
}
