/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table engine of the ioctls: one row says what an ioctl is, and with
 * which locks its handler is called.
 */
#ifndef LODGE_IOCTL_H
#define LODGE_IOCTL_H

struct lodge_vm;
struct lodge_vcpu;
struct lodge_virtio;

/* What a file descriptor stands for. All are NULL for /dev/lodge. */
struct lodge_target {
	struct lodge_vm *vm;
	struct lodge_vcpu *vcpu;
	struct lodge_virtio *virtio;
};

enum lodge_ioctl_lock {
	LODGE_LOCK_NONE,
	LODGE_LOCK_VM,		/* vm->lock */
	LODGE_LOCK_VCPU,	/* vcpu->lock: not in LODGE_RUN */
	LODGE_LOCK_LOADED,	/* vcpu->lock, and loaded on this CPU */
};

enum lodge_ioctl_copy {
	LODGE_COPY_IN,
	LODGE_COPY_INOUT,	/* back when the handler succeeds */
	LODGE_COPY_ALWAYS,	/* back also when it fails */
};

/**
 * struct lodge_ioctl - one row
 * @cmd: number
 * @dev, @vm, @vcpu, @virtio: the handler, by what it is called on: gets the struct
 *	in kernel memory; its result is the ioctl's
 * @bytes: size of the struct
 * @min_bytes: the least a caller may pass
 * @flags: bits allowed in the struct's flags
 * @lock: held around the handler
 * @copy: direction
 */
struct lodge_ioctl {
	unsigned int cmd;
	union {
		int (*dev)(void *args);
		int (*vm)(struct lodge_vm *vm, void *args);
		int (*vcpu)(struct lodge_vcpu *vcpu, void *args);
		int (*virtio)(struct lodge_virtio *dev, void *args);
	};
	u16 bytes;
	u16 min_bytes;
	u32 flags;
	enum lodge_ioctl_lock lock;
	enum lodge_ioctl_copy copy;
};

/* @need: the last member that a caller cannot do without */
#define LODGE_IOCTL(on, name, type, need, flag_mask, lock_kind, copy_kind, fn) {		\
	.cmd = LODGE_##name, .on = (fn), .bytes = sizeof(struct type),			\
	.min_bytes = offsetofend(struct type, need), .flags = (flag_mask),			\
	.lock = LODGE_LOCK_##lock_kind, .copy = LODGE_COPY_##copy_kind,				\
}

const struct lodge_ioctl *lodge_ioctl_find(const struct lodge_ioctl *rows, unsigned int count,
					   unsigned int cmd);
int lodge_ioctl_check_size(const struct lodge_ioctl *row, u32 size);
int lodge_ioctl_check_flags(const struct lodge_ioctl *row, u32 flags);
long lodge_ioctl(const struct lodge_ioctl *rows, unsigned int count, struct lodge_target *target,
		 unsigned int cmd, unsigned long arg);
int lodge_array_out(u64 to, u32 *room, const void *from, u32 count, size_t each);

/* The tables, for lodge_ioctl() and for tests. */
extern const struct lodge_ioctl lodge_dev_ioctls[], lodge_vm_ioctls[], lodge_vcpu_ioctls[],
				lodge_virtio_ioctls[];
extern const unsigned int lodge_dev_ioctl_count, lodge_vm_ioctl_count, lodge_vcpu_ioctl_count,
			  lodge_virtio_ioctl_count;

/* What a vCPU's control state is checked against; pure, for tests. */
struct lodge_sregs_rules {
	u64 cr4_rsvd;
	u64 efer;		/* bits that may be set */
	u64 xcr0;		/* bits that may be set */
	u8 maxphyaddr;
};

int lodge_sregs_check(const struct lodge_sregs *sregs, const struct lodge_sregs_rules *rules);
int lodge_events_check(const struct lodge_events *events);
int lodge_debugregs_check(const struct lodge_debugregs *regs);
u64 lodge_rflags_fix(u64 rflags);

#endif /* LODGE_IOCTL_H */
