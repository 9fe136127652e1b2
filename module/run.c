// SPDX-License-Identifier: GPL-2.0-only
/*
 * The run loop: ring 2 around ring 1, requests, kicks, and sleep in HLT.
 *
 * A request is set first and the vCPU kicked after. The vCPU publishes
 * LODGE_IN_GUEST first and looks for requests after, interrupts off. Whichever
 * comes first, either the vCPU sees the request or the kicker sees the mode.
 *
 * The mode is published once for all entries of a stay in ring 1. A request that
 * the vCPU did not see before an entry was set by someone who sees LODGE_IN_GUEST
 * and sends an interrupt, or LODGE_EXITING, which says that one was sent since the
 * mode was published. Interrupts stay off until the stay is over: the entry ends
 * as soon as it begins, and the stay with it. Only the vCPU's own thread says
 * LODGE_EXITING and sends none; see serve_ring1().
 */
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/sched/stat.h>
#include <linux/vtime.h>

#include "lodge.h"
#include "ops.h"

#define POLL_FIRST_NS	10000u

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "how long a halted vCPU may stay awake for its next event (0: never)");

/* A request, a signal, or another task that wants this CPU. */
static __always_inline bool must_look(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || __xfer_to_guest_mode_work_pending();
}

/*
 * What keeps the vCPU from entering at once; false: ring 2 has to see to it. When
 * the request is this thread's own no interrupt was sent, and with the mode as it
 * is nobody else would send one: it is published anew. What the thread asks of
 * itself after that ends the entry as it would have been by another's request.
 */
static noinline bool serve_ring1(struct lodge_vcpu *vcpu)
{
	/* Mode before requests: pairs with lodge_request(). */
	smp_store_mb(vcpu->mode, LODGE_IN_GUEST);
	if ((READ_ONCE(vcpu->requests) & ~LODGE_RING1_REQUESTS) ||
	    __xfer_to_guest_mode_work_pending()) {
		vcpu->exit.kind = LODGE_K_NONE;
		return false;
	}
	if (test_and_clear_bit(LODGE_REQ_TLB, &vcpu->requests)) {
		lodge_count(vcpu, LODGE_STAT_TLB_FLUSH);
		lodge_op(flush_tlb)(vcpu);
	}
	if (test_and_clear_bit(LODGE_REQ_EVENT, &vcpu->requests))
		lodge_prepare_events(vcpu);
	if (unlikely(READ_ONCE(vcpu->requests)))
		arch_smp_send_reschedule(smp_processor_id());
	return true;
}

static __always_inline enum lodge_next enter_until(struct lodge_vcpu *vcpu)
{
	enum lodge_next next;

	lodge_op(stay)(vcpu);
	/* Mode before requests: pairs with lodge_request(). */
	smp_store_mb(vcpu->mode, LODGE_IN_GUEST);
	do {
		if (unlikely(must_look(vcpu)) && !serve_ring1(vcpu)) {
			next = LODGE_HANDLE;
			break;
		}
		if (static_branch_unlikely(&lodge_watched))
			lodge_watch_entry(vcpu);
		next = lodge_op(run)(vcpu);
		if (unlikely(vcpu->pv.eoi_offered))
			lodge_pv_eoi_sync(vcpu, true, false);
	} while (next == LODGE_REENTER);
	if (unlikely(vcpu->vm->mmu.listing))
		lodge_op(drain_log)(vcpu);
	/* After the last guest instruction: lodge_request_all_sync() reads it. */
	smp_store_release(&vcpu->mode, LODGE_OUTSIDE);
	return next;
}

/* A guest that never leaves ring 1 for long holds up no grace period. */
static void note_quiescent(struct lodge_vcpu *vcpu)
{
	unsigned long now = jiffies;

	if (vcpu->quiescent == now)
		return;
	vcpu->quiescent = now;
	rcu_note_context_switch(false);
}

/*
 * One stay in ring 1. The host interrupt that ended it is taken before guest
 * time ends, so that a tick is accounted to the guest it interrupted.
 */
static enum lodge_next ring1(struct lodge_vcpu *vcpu)
{
	enum lodge_next next;

	local_irq_disable();
	vtime_account_guest_enter();
	note_quiescent(vcpu);
	lodge_fpu_enter(vcpu);
	next = enter_until(vcpu);
	lodge_fpu_leave(vcpu);
	lodge_ibpb_before_userspace();
	if (next == LODGE_IRQ) {
		local_irq_enable();
		/* STI holds interrupts off for one more instruction. */
		nop();
		local_irq_disable();
		next = LODGE_REENTER;
	}
	vtime_account_guest_exit();
	local_irq_enable();
	return next;
}

/** lodge_runnable() - may this vCPU execute instructions now? vCPU loaded, ring 2 */
bool lodge_runnable(struct lodge_vcpu *vcpu)
{
	if (vcpu->mp_state == LODGE_MP_RUNNABLE)
		return true;
	if (vcpu->mp_state != LODGE_MP_HALTED)
		return false;
	if (READ_ONCE(vcpu->pv.kicked))
		return true;
	if (atomic_read(&vcpu->nmi_pending) && !(lodge_op(get_shadow)(vcpu) & LODGE_SHADOW_NMI))
		return true;
	return (lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_IF) && lodge_has_interrupt(vcpu);
}

static bool must_wake(struct lodge_vcpu *vcpu)
{
	return lodge_runnable(vcpu) || signal_pending(current) ||
	       (READ_ONCE(vcpu->requests) & ~LODGE_RING1_REQUESTS) ||
	       READ_ONCE(vcpu->run->immediate_exit);
}

/* A short wait costs less awake, as long as no other task wants this CPU. */
static bool poll_runnable(struct lodge_vcpu *vcpu, u64 start)
{
	while (!must_wake(vcpu)) {
		if (ktime_get_ns() - start >= vcpu->poll_ns || need_resched() ||
		    !single_task_running())
			return false;
		cpu_relax();
	}
	return true;
}

/* Polling that was too short by a little gets longer; in vain, it ends. */
static void adapt_polling(struct lodge_vcpu *vcpu, u64 waited)
{
	u32 most = READ_ONCE(halt_poll_ns);

	if (waited >= most)
		vcpu->poll_ns = 0;
	else
		vcpu->poll_ns = clamp(2 * vcpu->poll_ns, min(POLL_FIRST_NS, most), most);
}

/* HLT, or waiting for SIPI: sleep until there is something to do. */
static void wait_runnable(struct lodge_vcpu *vcpu)
{
	bool may_poll = READ_ONCE(halt_poll_ns) && vcpu->mp_state == LODGE_MP_HALTED;
	u64 start = may_poll ? ktime_get_ns() : 0;

	lodge_phase(vcpu, LODGE_PHASE_HALT);
	if (!may_poll || !poll_runnable(vcpu, start)) {
		prepare_to_rcuwait(&vcpu->wait);
		for (;;) {
			set_current_state(TASK_INTERRUPTIBLE);
			if (must_wake(vcpu))
				break;
			schedule();
		}
		finish_rcuwait(&vcpu->wait);
		if (may_poll)
			adapt_polling(vcpu, ktime_get_ns() - start);
	}
	lodge_phase(vcpu, LODGE_PHASE_KERNEL);
	if (vcpu->mp_state == LODGE_MP_HALTED && lodge_runnable(vcpu)) {
		vcpu->mp_state = LODGE_MP_RUNNABLE;
		WRITE_ONCE(vcpu->pv.kicked, false);
		set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	}
}

static enum lodge_next serve_requests(struct lodge_vcpu *vcpu)
{
	if (likely(!(READ_ONCE(vcpu->requests) & ~LODGE_RING1_REQUESTS)))
		return LODGE_REENTER;
	if (test_and_clear_bit(LODGE_REQ_POST, &vcpu->requests))
		lodge_regions_signal(vcpu->vm);
	if (test_and_clear_bit(LODGE_REQ_MP, &vcpu->requests))
		lodge_lapic_accept_events(vcpu);
	if (test_and_clear_bit(LODGE_REQ_PV, &vcpu->requests))
		lodge_pv_update(vcpu);
	if (test_and_clear_bit(LODGE_REQ_RING, &vcpu->requests))
		lodge_virtio_serve(vcpu, true);
	if (test_and_clear_bit(LODGE_REQ_TRIPLE, &vcpu->requests)) {
		vcpu->run->exit_reason = LODGE_EXIT_SHUTDOWN;
		return LODGE_USER;
	}
	return LODGE_REENTER;
}

/* Ring 2's duties before each entry: 0, or the error LODGE_RUN returns. */
static int pending_work(struct lodge_vcpu *vcpu)
{
	int ret = 0;

	if (READ_ONCE(vcpu->vm->dead) || READ_ONCE(lodge_rebooting))
		return -EIO;
	if (READ_ONCE(vcpu->run->immediate_exit))
		ret = -EINTR;
	else if (__xfer_to_guest_mode_work_pending())
		ret = lodge_guest_work();
	if (ret)
		vcpu->run->exit_reason = LODGE_EXIT_INTR;
	return ret;
}

static int run_loop(struct lodge_vcpu *vcpu)
{
	enum lodge_next next = lodge_complete_user(vcpu);
	int ret;

	while (next != LODGE_USER) {
		ret = pending_work(vcpu);
		if (ret)
			return ret;
		if (unlikely(vcpu->mp_state != LODGE_MP_RUNNABLE))
			wait_runnable(vcpu);
		next = serve_requests(vcpu);
		if (next == LODGE_USER || vcpu->mp_state != LODGE_MP_RUNNABLE)
			continue;
		next = ring1(vcpu);
		if (next == LODGE_HANDLE) {
			lodge_count(vcpu, LODGE_STAT_RING2);
			if (static_branch_unlikely(&lodge_watched))
				lodge_watch_ring2(vcpu);
			next = lodge_handle_exit(vcpu);
		}
	}
	lodge_count(vcpu, LODGE_STAT_USER);
	return 0;
}

/* lodge_set_runner() - under vcpu->lock, or with the vCPU's end. Threads seldom change. */
void lodge_set_runner(struct lodge_vcpu *vcpu, struct pid *pid)
{
	pid = rcu_replace_pointer(vcpu->runner, pid, true);
	if (pid)
		synchronize_rcu();
	put_pid(pid);
}

static bool yield_to_vcpu(struct lodge_vcpu *vcpu)
{
	struct task_struct *task;
	bool done;

	scoped_guard(rcu)
		task = get_pid_task(rcu_dereference(vcpu->runner), PIDTYPE_PID);
	if (!task)
		return false;
	done = yield_to(task, true) > 0;
	put_task_struct(task);
	return done;
}

/*
 * lodge_yield() - a spinning vCPU gives its time to one that was interrupted in
 * the middle of something, each in turn; ring 2
 */
void lodge_yield(struct lodge_vcpu *vcpu)
{
	struct lodge_vm *vm = vcpu->vm;
	u32 i, id, last = READ_ONCE(vm->last_yield);
	struct lodge_vcpu *other;

	for (i = 1; i <= LODGE_MAX_VCPUS; i++) {
		id = (last + i) % LODGE_MAX_VCPUS;
		other = READ_ONCE(vm->vcpus[id]);
		if (other && READ_ONCE(other->preempted) && yield_to_vcpu(other)) {
			WRITE_ONCE(vm->last_yield, id);
			return;
		}
	}
}

/*
 * lodge_vcpu_run() - LODGE_RUN: run the guest until userspace has to act. vcpu->lock held, in its
 * owner's mm. 0 with run->exit_reason set, -EINTR, -EIO when the VM is dead, or the error of
 * registers that could not be loaded
 */
int lodge_vcpu_run(struct lodge_vcpu *vcpu)
{
	int ret;

	if (unlikely(rcu_access_pointer(vcpu->runner) != task_pid(current)))
		lodge_set_runner(vcpu, get_task_pid(current, PIDTYPE_PID));
	lodge_vcpu_load(vcpu);
	lodge_count_ready(vcpu);
	lodge_phase(vcpu, LODGE_PHASE_KERNEL);
	vcpu->run->exit_reason = LODGE_EXIT_NONE;
	ret = lodge_run_sync_in(vcpu);
	if (!ret) {
		ret = run_loop(vcpu);
		lodge_regions_signal(vcpu->vm);
		if (unlikely(vcpu->rung))
			lodge_virtio_serve(vcpu, false);
		if (vcpu->pv.eoi_offered)
			lodge_pv_eoi_sync(vcpu, false, true);
		lodge_run_sync_out(vcpu);
	}
	lodge_phase(vcpu, LODGE_PHASE_USER);
	lodge_vcpu_put(vcpu);
	return ret;
}

static void sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct lodge_vcpu *vcpu = container_of(notifier, struct lodge_vcpu, preempt);

	vcpu->cpu = cpu;
	WRITE_ONCE(vcpu->preempted, false);
	lodge_op(vcpu_load)(vcpu, cpu);
	lodge_pv_load(vcpu);
	lodge_count_ready(vcpu);
}

static void sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct lodge_vcpu *vcpu = container_of(notifier, struct lodge_vcpu, preempt);

	WRITE_ONCE(vcpu->preempted, current->on_rq);
	lodge_pv_put(vcpu);
	lodge_op(vcpu_put)(vcpu);
}

static struct preempt_ops lodge_preempt_ops = { .sched_in = sched_in, .sched_out = sched_out };

/** lodge_run_init() - prepare a new vCPU for being loaded and run */
void lodge_run_init(struct lodge_vcpu *vcpu)
{
	vcpu->cpu = -1;
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->preempt, &lodge_preempt_ops);
}

/*
 * lodge_vcpu_load() - make the vCPU's hardware state current on this CPU, vcpu->lock held. It
 * follows the calling task to other CPUs until lodge_vcpu_put().
 */
void lodge_vcpu_load(struct lodge_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->preempt);
	vcpu->cpu = cpu;
	lodge_op(vcpu_load)(vcpu, cpu);
	lodge_pv_load(vcpu);
	put_cpu();
}

/** lodge_vcpu_put() - the reverse of lodge_vcpu_load() */
void lodge_vcpu_put(struct lodge_vcpu *vcpu)
{
	guard(preempt)();
	lodge_pv_put(vcpu);
	lodge_op(vcpu_put)(vcpu);
	preempt_notifier_unregister(&vcpu->preempt);
}

/*
 * lodge_kick() - make a vCPU look at its requests. Wakes it when it sleeps, makes it exit when it
 * is in the guest. Any context.
 */
void lodge_kick(struct lodge_vcpu *vcpu)
{
	int cpu;

	/* Whoever leaves ring 1 looks for requests again before it sleeps. */
	if (READ_ONCE(vcpu->mode) == LODGE_OUTSIDE) {
		rcuwait_wake_up(&vcpu->wait);
		return;
	}
	/* Others rely on the interrupt as soon as they see the mode. */
	preempt_disable();
	if (cmpxchg(&vcpu->mode, LODGE_IN_GUEST, LODGE_EXITING) == LODGE_IN_GUEST) {
		/* After the mode: that of this stay in ring 1, or of no interest. */
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != smp_processor_id())
			arch_smp_send_reschedule(cpu);
	}
	preempt_enable();
}

/** lodge_request() - set a request and kick */
void lodge_request(struct lodge_vcpu *vcpu, enum lodge_request req)
{
	set_bit(req, &vcpu->requests);
	/* Request before mode: pairs with enter_until(). */
	smp_mb__after_atomic();
	lodge_kick(vcpu);
}

static void acknowledge(void *unused)
{
}

/*
 * lodge_request_all_sync() - set a request on every vCPU and wait for exits. On return no vCPU
 * executes guest code it entered before the request was set. Interrupts must be on; callers hold
 * no lock that ring 1 takes. What ring 1 serves wakes nobody who sleeps in HLT.
 */
void lodge_request_all_sync(struct lodge_vm *vm, enum lodge_request req)
{
	struct lodge_vcpu *vcpu;
	cpumask_var_t cpus;
	bool have_mask;
	int i;

	have_mask = zalloc_cpumask_var(&cpus, GFP_ATOMIC);
	preempt_disable();
	for_each_lodge_vcpu(i, vcpu, vm) {
		set_bit(req, &vcpu->requests);
		/* Request before mode: pairs with enter_until(). */
		smp_mb__after_atomic();
		if (req >= LODGE_REQ_RING2)
			rcuwait_wake_up(&vcpu->wait);
		if (READ_ONCE(vcpu->mode) != LODGE_OUTSIDE && have_mask)
			cpumask_set_cpu(READ_ONCE(vcpu->cpu), cpus);
	}
	smp_call_function_many(have_mask ? cpus : cpu_online_mask, acknowledge, NULL, true);
	preempt_enable();
	if (have_mask)
		free_cpumask_var(cpus);
}

/** lodge_vm_bug() - a state that cannot be: end this VM, not the host */
void lodge_vm_bug(struct lodge_vm *vm, const char *why)
{
	struct lodge_vcpu *vcpu;
	int i;

	if (xchg(&vm->dead, true))
		return;
	pr_err("lodge: VM '%s' killed: %s\n", vm->name, why);
	for_each_lodge_vcpu(i, vcpu, vm)
		lodge_request(vcpu, LODGE_REQ_STOP);
}

/* Slow path of lodge_reg_read(). */
void lodge_fetch_reg(struct lodge_vcpu *vcpu, enum lodge_reg reg)
{
	lodge_op(fetch_reg)(vcpu, reg);
	vcpu->regs_valid |= BIT(reg);
}
