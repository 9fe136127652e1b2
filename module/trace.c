// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracing: the tracepoints, and a ring of records per vCPU for whoever has its
 * trace fd. The vCPU's thread alone writes, and never waits; a reader that is
 * too slow is told how much it missed.
 */
#include <linux/module.h>

#include "ops.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define RECORDS_MIN	64
#define RECORDS_MAX	65536

/**
 * struct lodge_trace_ring - an open trace fd
 * @vcpu: whose exits; referenced by way of its VM
 * @since: a TSC value
 * @mask: number of records less one
 * @head: records ever written; the slot of the next may be half written
 * @tail: records read or missed; under @lock
 * @lock: readers
 * @records: the ring
 */
struct lodge_trace_ring {
	struct lodge_vcpu *vcpu;
	u64 since;
	u32 mask;
	u64 head;
	u64 tail;
	struct mutex lock;	/* readers */
	struct lodge_trace_record records[];
};

/* @vcpu's thread, preemption off. What happened before the ring was there is not in it. */
static __always_inline void append(const struct lodge_watch *w, u64 tsc, u64 info, u32 ticks,
				   u8 reason)
{
	struct lodge_trace_ring *ring = rcu_dereference_sched(w->ring);
	struct lodge_trace_record *rec;

	if (!ring || tsc < ring->since)
		return;
	rec = &ring->records[ring->head & ring->mask];
	/* The old head is seen before its slot changes: pairs with take(). */
	smp_wmb();
	rec->tsc = tsc;
	rec->rip = w->rip;
	rec->info = info;
	rec->ticks = ticks;
	rec->reason = reason;
	rec->state = w->state;
	/* The record first: pairs with take(). */
	smp_store_release(&ring->head, ring->head + 1);
}

static void record(const struct lodge_watch *w, u64 tsc, u64 info, u32 ticks, u8 reason)
{
	guard(preempt_notrace)();
	append(w, tsc, info, ticks, reason);
}

/** lodge_watch_entry() - phase LODGE_PHASE_GUEST, for traces alone by the shortest way; ring 1 */
void lodge_watch_entry(struct lodge_vcpu *vcpu)
{
	struct lodge_watch *w = &vcpu->watch;
	u64 now, ticks;

	if (static_branch_unlikely(&lodge_timed) || unlikely(!w->open)) {
		lodge_watch_phase(vcpu, LODGE_PHASE_GUEST);
		return;
	}
	now = rdtsc();
	ticks = now - w->since;
	if (unlikely(ticks > U32_MAX))	/* or negative, on another CPU */
		ticks = (s64)ticks < 0 ? 0 : U32_MAX;
	append(w, w->since, w->info, ticks, w->reason);
	w->phase = LODGE_PHASE_GUEST;
	w->open = false;
	w->since = now;
}

/** lodge_trace_state() - an exit: what handling it may change is noted; ring 1 */
void lodge_trace_state(struct lodge_vcpu *vcpu)
{
	vcpu->watch.state = lodge_op(cpl)(vcpu) |
		(lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PE ? LODGE_STATE_PROTECTED : 0) |
		(lodge_long_mode(vcpu) ? LODGE_STATE_LONG : 0);
}

/** lodge_trace_record() - the exit has been handled; vCPU's thread, any ring */
void lodge_trace_record(struct lodge_vcpu *vcpu, u64 ticks)
{
	const struct lodge_watch *w = &vcpu->watch;

	record(w, w->since, w->info, min_t(u64, ticks, U32_MAX), w->reason);
}

void lodge_trace_info(struct lodge_vcpu *vcpu)
{
	u64 what = vcpu->watch.info & ~LODGE_INFO_WRITE;
	bool write = vcpu->watch.info & LODGE_INFO_WRITE;

	switch (vcpu->watch.reason) {
	case LODGE_REASON_PIO:
		trace_lodge_io(vcpu, what, write);
		break;
	case LODGE_REASON_RDMSR:
	case LODGE_REASON_WRMSR:
		trace_lodge_msr(vcpu, what, vcpu->watch.reason == LODGE_REASON_WRMSR);
		break;
	case LODGE_REASON_HYPERCALL:
		trace_lodge_hypercall(vcpu, what, false);
		break;
	case LODGE_REASON_FAULT:
	case LODGE_REASON_MMIO:
		trace_lodge_fault(vcpu, what, vcpu->exit.fault.access & LODGE_ACCESS_WRITE);
		break;
	}
}

/** lodge_watch_inject() - an event goes to the guest with the next entry; ring 1 */
void lodge_watch_inject(struct lodge_vcpu *vcpu, const struct lodge_event *event)
{
	trace_lodge_inject(vcpu, event);
	record(&vcpu->watch, rdtsc(), event->vector, 0, LODGE_TRACE_INJECT);
}

/* The next record for the reader: false when there is none. */
static bool take(struct lodge_trace_ring *ring, struct lodge_trace_record *out)
{
	u64 head, missed;

	/* Before the record: pairs with record(). */
	head = smp_load_acquire(&ring->head);
	if (ring->tail == head)
		return false;
	*out = ring->records[ring->tail & ring->mask];
	/* What was read is whole only if its slot was not the next to be written. */
	smp_rmb();
	head = READ_ONCE(ring->head);
	if (head - ring->tail <= ring->mask) {
		ring->tail++;
		return true;
	}
	missed = head - ring->tail - ring->mask / 2;
	*out = (struct lodge_trace_record) {
		.tsc = rdtsc(), .info = missed, .reason = LODGE_TRACE_LOST,
	};
	ring->tail += missed;
	return true;
}

static ssize_t trace_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct lodge_trace_ring *ring = file->private_data;
	struct lodge_trace_record rec;
	size_t done = 0;
	ssize_t ret = -EAGAIN;

	if (count < sizeof(rec))
		return -EINVAL;
	if (mutex_lock_interruptible(&ring->lock))
		return -EINTR;
	for (; done + sizeof(rec) <= count && take(ring, &rec); done += sizeof(rec))
		if (copy_to_user(to + done, &rec, sizeof(rec))) {
			ret = -EFAULT;
			break;
		}
	mutex_unlock(&ring->lock);
	return done ?: ret;
}

static void ring_free(struct lodge_trace_ring *ring)
{
	struct lodge_vm *vm = ring->vcpu->vm;

	WRITE_ONCE(ring->vcpu->watch.wants_state, false);
	RCU_INIT_POINTER(ring->vcpu->watch.ring, NULL);
	synchronize_rcu();
	static_branch_dec(&lodge_watched);
	kvfree(ring);
	lodge_vm_put(vm);
}

static int trace_release(struct inode *inode, struct file *file)
{
	ring_free(file->private_data);
	return 0;
}

static const struct file_operations trace_fops = {
	.owner = THIS_MODULE,
	.read = trace_read,
	.release = trace_release,
	.llseek = noop_llseek,
};

/* lodge_trace_fd() - LODGE_TRACE: the file descriptor; -EINVAL, -EBUSY, -EMFILE, -ENOMEM */
int lodge_trace_fd(struct lodge_vcpu *vcpu, void *from)
{
	const struct lodge_open_trace *args = from;
	struct lodge_trace_ring *ring;
	int fd;

	if (!is_power_of_2(args->records) || args->records < RECORDS_MIN ||
	    args->records > RECORDS_MAX)
		return -EINVAL;
	ring = kvzalloc(struct_size(ring, records, args->records), GFP_KERNEL_ACCOUNT);
	if (!ring)
		return -ENOMEM;
	mutex_init(&ring->lock);
	ring->vcpu = vcpu;
	ring->mask = args->records - 1;
	ring->since = rdtsc();
	static_branch_inc(&lodge_watched);
	if (cmpxchg((struct lodge_trace_ring __force **)&vcpu->watch.ring, NULL, ring)) {
		static_branch_dec(&lodge_watched);
		kvfree(ring);
		return -EBUSY;
	}
	if (args->flags & LODGE_TRACE_STATE)
		WRITE_ONCE(vcpu->watch.wants_state, true);
	kref_get(&vcpu->vm->ref);
	fd = lodge_anon_fd("[lodge-trace]", &trace_fops, ring);
	if (fd < 0)
		ring_free(ring);
	return fd;
}
