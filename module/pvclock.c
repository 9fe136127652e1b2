// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paravirtual ABI of leaf 0x40000001: clock, wall clock, steal time, EOI
 * and hypercalls, as Linux guests know it.
 *
 * The pages are the guest's memory and written through its owner's addresses.
 * What cannot be written is given up silently: the guest named a bad address.
 */
#include <uapi/linux/kvm_para.h>

#include "lapic.h"
#include "ops.h"

#define ENABLED			BIT_ULL(0)
#define STEAL_ADDRESS		GENMASK_ULL(63, 6)
#define EOI_ADDRESS		GENMASK_ULL(63, 2)

/**
 * lodge_pv_scale() - ns = (ticks << shift) * mul >> 32
 * @khz: rate of the ticks
 * @mul: result, its top bit set
 * @shift: result; negative to the right
 */
void lodge_pv_scale(u32 khz, u32 *mul, s8 *shift)
{
	u64 wide = (u64)NSEC_PER_MSEC << 32, m = div_u64(wide, khz);
	s8 s = 0;

	for (; m >> 32; s++)
		m >>= 1;
	for (; !(m & BIT(31)); s--)
		m = div_u64(wide << (1 - s), khz);
	*mul = m;
	*shift = s;
}

/* Guest clock as the page has it, on the CPU whose TSC it was made from. */
static u64 page_ns(struct lodge_vcpu *vcpu)
{
	return __pvclock_read_cycles(&vcpu->pv.time, lodge_guest_tsc(vcpu));
}

/*
 * With a stable TSC all vCPUs count from the same moment and no page is ever
 * wrong. Otherwise TSC and host clock are related anew on each CPU, and never
 * behind what the guest may have read already.
 */
static void compute_clock(struct lodge_vcpu *vcpu)
{
	struct pvclock_vcpu_time_info *time = &vcpu->pv.time;
	struct lodge_vm *vm = vcpu->vm;
	u64 floor = vcpu->pv.floor;

	guard(preempt)();
	if (vcpu->pv.clock_cpu == smp_processor_id())
		floor = max(floor, page_ns(vcpu));
	lodge_pv_scale(vm->tsc_khz, &time->tsc_to_system_mul, &time->tsc_shift);
	vcpu->pv.clock_cpu = smp_processor_id();
	if (lodge_stable_tsc() && lodge_guest_has(vcpu, LODGE_PV(CLOCKSOURCE_STABLE_BIT))) {
		if (!(time->flags & PVCLOCK_TSC_STABLE_BIT)) {
			time->tsc_timestamp = vm->tsc_base + vcpu->tsc_offset;
			time->system_time = 0;
		}
		time->flags = PVCLOCK_TSC_STABLE_BIT;
	} else {
		time->flags = 0;
		time->tsc_timestamp = lodge_guest_tsc(vcpu);
		time->system_time = max(ktime_get_ns() - vm->created_ns, floor);
	}
}

/* An odd version tells readers to come again. @version: in the page */
static void publish(struct lodge_vcpu *vcpu, u64 gpa, void *page, u32 bytes, u32 *version)
{
	u64 at = gpa + ((void *)version - page);

	*version |= 1;
	if (lodge_write_guest(vcpu->vm, at, version, sizeof(*version)))
		return;
	smp_wmb();	/* odd version, content, even version */
	lodge_write_guest(vcpu->vm, gpa, page, bytes);
	smp_wmb();	/* the same */
	++*version;
	lodge_write_guest(vcpu->vm, at, version, sizeof(*version));
}

/* The host's time of day when the guest's clock was zero. */
static void write_wall(struct lodge_vcpu *vcpu)
{
	struct pvclock_wall_clock wall = {};
	u32 rest;

	vcpu->pv.wall_due = false;
	wall.sec = div_u64_rem(ktime_get_real_ns() - page_ns(vcpu), NSEC_PER_SEC, &rest);
	wall.nsec = rest;
	publish(vcpu, vcpu->pv.wall, &wall, sizeof(wall), &wall.version);
}

/* Time that the guest wanted to run and the host ran others. */
static void write_steal(struct lodge_vcpu *vcpu)
{
	u64 gpa = vcpu->pv.steal & STEAL_ADDRESS, delay = lodge_run_delay(), steal, contiguous;
	struct kvm_steal_time __user *st;
	u32 version;

	if (vcpu->pv.delay_of != current)
		vcpu->pv.delay = delay;
	vcpu->pv.delay_of = current;
	guard(srcu)(&vcpu->vm->mmu.srcu);
	st = lodge_gpa_to_user(vcpu->vm, gpa, true, &contiguous);
	/* At each wake-up: all at once. It is in one page, and so in one slot. */
	if (!st || !user_access_begin(st, sizeof(*st)))
		return;
	unsafe_get_user(version, &st->version, fault);
	unsafe_get_user(steal, &st->steal, fault);
	unsafe_put_user(version | 1, &st->version, fault);
	smp_wmb();	/* as in publish() */
	unsafe_put_user(steal + delay - vcpu->pv.delay, &st->steal, fault);
	unsafe_put_user(0, &st->preempted, fault);
	smp_wmb();	/* the same */
	unsafe_put_user((version | 1) + 1, &st->version, fault);
	vcpu->pv.delay = delay;
fault:
	user_access_end();
	lodge_mark_dirty(vcpu->vm, gpa, sizeof(*st));
}

/* Ring 2, LODGE_REQ_PV: bring the guest's pages up to date. */
void lodge_pv_update(struct lodge_vcpu *vcpu)
{
	struct pvclock_vcpu_time_info *time = &vcpu->pv.time;

	if ((vcpu->pv.clock & ENABLED) || vcpu->pv.wall_due)
		compute_clock(vcpu);
	if (vcpu->pv.clock & ENABLED)
		publish(vcpu, vcpu->pv.clock & ~ENABLED, time, sizeof(*time), &time->version);
	if (vcpu->pv.wall_due)
		write_wall(vcpu);
	if (vcpu->pv.steal & ENABLED)
		write_steal(vcpu);
	if (vcpu->pv.eoi_offered)
		lodge_pv_eoi_sync(vcpu, false, false);
}

/*
 * The vCPU's thread got a CPU; preemption off. Where this one's TSC is behind
 * the last one's, or was reset in suspend, the guest's goes on from where it was.
 */
void lodge_pv_load(struct lodge_vcpu *vcpu)
{
	u64 tsc = lodge_guest_tsc(vcpu);
	bool clock = (vcpu->pv.clock & ENABLED) &&
		     !((vcpu->pv.time.flags & PVCLOCK_TSC_STABLE_BIT) && lodge_stable_tsc());

	if (unlikely((s64)(vcpu->pv.last_tsc - tsc) > 0)) {
		vcpu->tsc_offset += vcpu->pv.last_tsc - tsc;
		lodge_op(set_tsc_offset)(vcpu, vcpu->tsc_offset);
	}
	if (clock || (vcpu->pv.steal & ENABLED))
		set_bit(LODGE_REQ_PV, &vcpu->requests);
}

static noinline void tell_preempted(struct lodge_vcpu *vcpu)
{
	u64 gpa = (vcpu->pv.steal & STEAL_ADDRESS) + offsetof(struct kvm_steal_time, preempted);
	u8 preempted = 1;

	lodge_write_guest_atomic(vcpu->vm, gpa, &preempted, sizeof(preempted));
}

/* It loses the CPU; preemption off, perhaps under the scheduler's lock. */
void lodge_pv_put(struct lodge_vcpu *vcpu)
{
	vcpu->pv.last_tsc = lodge_guest_tsc(vcpu);
	if ((vcpu->pv.clock & ENABLED) && vcpu->pv.clock_cpu == smp_processor_id())
		vcpu->pv.floor = page_ns(vcpu);
	if (vcpu->pv.steal & ENABLED)
		tell_preempted(vcpu);
}

/* The guest's TSC jumped. Its clock does not. */
void lodge_pv_tsc_moved(struct lodge_vcpu *vcpu, u64 delta)
{
	vcpu->pv.time.tsc_timestamp += delta;
	vcpu->pv.last_tsc += delta;
	if (vcpu->pv.clock & ENABLED)
		set_bit(LODGE_REQ_PV, &vcpu->requests);
}

/* Reset and INIT end it all (what had been promised is the guest's no more). */
void lodge_pv_reset(struct lodge_vcpu *vcpu)
{
	u32 version = vcpu->pv.time.version;

	vcpu->pv = (struct lodge_pv) { .time.version = version, .clock_cpu = -1 };
}

/* WRMSR to one of the ABI's registers; ring 1 or 2. */
void lodge_pv_changed(struct lodge_vcpu *vcpu, u32 index)
{
	if (index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW)
		vcpu->pv.wall_due = true;
	else if (index == MSR_KVM_STEAL_TIME)
		vcpu->pv.delay_of = NULL;
	else if (index == MSR_KVM_PV_EOI_EN)
		vcpu->pv.eoi_offered = false;
	set_bit(LODGE_REQ_PV, &vcpu->requests);
}

/*
 * The interrupt just taken may end without an exit when nothing else waits and
 * no other chip has to hear of its end: the guest clears the bit instead.
 */
void lodge_pv_eoi_offer(struct lodge_vcpu *vcpu, u8 vector)
{
	struct lodge_lapic *lapic = vcpu->lapic;
	u8 bit = 1;

	if (likely(!(vcpu->pv.eoi & ENABLED)) || !test_bit(vector, lapic->isr) ||
	    test_bit(vector, lapic->tmr) || !bitmap_empty(lapic->irr, 256))
		return;
	vcpu->pv.eoi_offered = !lodge_write_guest_atomic(vcpu->vm, vcpu->pv.eoi & EOI_ADDRESS,
							 &bit, sizeof(bit));
}

/*
 * After an exit: has the guest made use of it? If not, it is taken back as soon
 * as an interrupt waits for the real one, or at the @end. @atomic: ring 1
 */
void lodge_pv_eoi_sync(struct lodge_vcpu *vcpu, bool atomic, bool end)
{
	u64 gpa = vcpu->pv.eoi & EOI_ADDRESS;
	struct lodge_vm *vm = vcpu->vm;
	u8 bits = 0;
	int ret = lodge_copy_guest(vm, gpa, &bits, sizeof(bits), false, atomic);

	if (ret == -EAGAIN) {
		set_bit(LODGE_REQ_PV, &vcpu->requests);
	} else if (!(bits & 1)) {
		vcpu->pv.eoi_offered = false;
		lodge_lapic_eoi(vcpu->lapic);
	} else if (end || !bitmap_empty(vcpu->lapic->irr, 256)) {
		bits = 0;
		ret = lodge_copy_guest(vm, gpa, &bits, sizeof(bits), true, atomic);
		vcpu->pv.eoi_offered = ret == -EAGAIN;
		if (ret == -EAGAIN)
			set_bit(LODGE_REQ_PV, &vcpu->requests);
	}
}

static struct lodge_vcpu *by_apic_id(struct lodge_vm *vm, u64 id)
{
	return id < LODGE_MAX_VCPUS ? READ_ONCE(vm->vcpus[array_index_nospec(id, LODGE_MAX_VCPUS)])
				    : NULL;
}

/* Wake a CPU from HLT, whatever its RFLAGS.IF. */
static u64 kick_cpu(struct lodge_vm *vm, u64 id)
{
	struct lodge_vcpu *target = by_apic_id(vm, id);

	if (target) {
		WRITE_ONCE(target->pv.kicked, true);
		lodge_request(target, LODGE_REQ_EVENT);
	}
	return 0;
}

/* How many CPUs took it. @icr: vector and delivery mode as in the ICR */
static u64 send_ipi(struct lodge_vcpu *vcpu, unsigned long set, u64 min, u32 icr)
{
	u32 mode = icr & APIC_MODE_MASK;
	u64 count = 0;
	int i;

	if (mode != APIC_DM_FIXED && mode != APIC_DM_NMI)
		return -EINVAL;
	for_each_set_bit(i, &set, BITS_PER_LONG)
		if (by_apic_id(vcpu->vm, min + i))
			count += lodge_irq_deliver(vcpu->vm, vcpu, min + i, mode | (u8)icr);
	return count;
}

static noinline u64 send_ipis(struct lodge_vcpu *vcpu, u64 mask)
{
	u64 first = vcpu->regs[LODGE_RDX] & mask;
	u32 icr = vcpu->regs[LODGE_RSI];
	u64 ret = send_ipi(vcpu, vcpu->regs[LODGE_RBX] & mask, first, icr);

	if ((s64)ret >= 0 && first < LODGE_MAX_VCPUS)
		ret += send_ipi(vcpu, vcpu->regs[LODGE_RCX] & mask,
				first + (mask == U32_MAX ? 32 : 64), icr);
	return ret;
}

/**
 * lodge_pv_hypercall() - VMCALL or VMMCALL at privilege level 0; ring 1
 * @vcpu: vCPU: number in RAX, arguments in RBX, RCX, RDX, RSI
 * @mask: as wide as its registers are
 *
 * Return: what RAX gets; -1000 for a hypercall that does not exist or that this
 * guest was not told of. Lodge's own begin at 0x4c000000; there is none yet.
 */
u64 lodge_pv_hypercall(struct lodge_vcpu *vcpu, u64 mask)
{
	u64 number = vcpu->regs[LODGE_RAX] & mask;

	if (number == KVM_HC_KICK_CPU && lodge_guest_has(vcpu, LODGE_PV(PV_UNHALT)))
		return kick_cpu(vcpu->vm, vcpu->regs[LODGE_RCX] & mask);
	if (number == KVM_HC_SEND_IPI && lodge_guest_has(vcpu, LODGE_PV(PV_SEND_IPI)))
		return send_ipis(vcpu, mask);
	return -KVM_ENOSYS;
}
