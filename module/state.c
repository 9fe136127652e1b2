// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a vCPU, and its state in the run page. Whatever comes in is
 * copied first and checked as a whole, so that a refusal changes nothing.
 */
#include "ops.h"
#include "ioctl.h"

#define DR7_RESERVED	0xd000ull	/* bits 15, 14 and 12: always zero */
#define SYNC_GROUPS	(LODGE_SYNC_REGS | LODGE_SYNC_SREGS)

/** lodge_rflags_fix() - reserved bits as the CPU wants them (SDM 3.4.3) */
u64 lodge_rflags_fix(u64 rflags)
{
	return (rflags & LODGE_RFLAGS_DEFINED) | X86_EFLAGS_FIXED;
}

/** lodge_get_regs() - general registers, RIP and RFLAGS; vCPU loaded, ring 2 */
void lodge_get_regs(struct lodge_vcpu *vcpu, struct lodge_regs *regs)
{
	int i;

	for (i = LODGE_RAX; i <= LODGE_R15; i++)
		regs->gpr[i] = lodge_reg_read(vcpu, i);
	regs->rip = lodge_reg_read(vcpu, LODGE_RIP);
	regs->rflags = lodge_reg_read(vcpu, LODGE_RFLAGS);
}

/** lodge_set_regs() - the same, from any values */
void lodge_set_regs(struct lodge_vcpu *vcpu, const struct lodge_regs *regs)
{
	int i;

	for (i = LODGE_RAX; i <= LODGE_R15; i++)
		lodge_reg_write(vcpu, i, regs->gpr[i]);
	lodge_reg_write(vcpu, LODGE_RIP, regs->rip);
	lodge_reg_write(vcpu, LODGE_RFLAGS, lodge_rflags_fix(regs->rflags));
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);	/* IF may have changed */
}

static void get_table(struct lodge_vcpu *vcpu, int table, struct lodge_dtable *out)
{
	struct lodge_segment s;

	lodge_op(get_segment)(vcpu, table, &s);
	out->base = s.base;
	out->limit = s.limit;
}

static void set_table(struct lodge_vcpu *vcpu, int table, const struct lodge_dtable *in)
{
	const struct lodge_segment s = { .base = in->base, .limit = in->limit };

	lodge_op(set_segment)(vcpu, table, &s);
}

/** lodge_get_sregs() - segments, control registers and their like, into zeroed memory */
void lodge_get_sregs(struct lodge_vcpu *vcpu, struct lodge_sregs *sregs)
{
	int seg;

	for (seg = 0; seg < LODGE_NR_SEGS; seg++)
		lodge_op(get_segment)(vcpu, seg, &sregs->seg[seg]);
	get_table(vcpu, LODGE_GDTR, &sregs->gdt);
	get_table(vcpu, LODGE_IDTR, &sregs->idt);
	sregs->cr0 = lodge_reg_read(vcpu, LODGE_CR0);
	sregs->cr2 = vcpu->cr2;
	sregs->cr3 = lodge_reg_read(vcpu, LODGE_CR3);
	sregs->cr4 = lodge_reg_read(vcpu, LODGE_CR4);
	sregs->cr8 = lodge_lapic_get_cr8(vcpu);
	sregs->efer = vcpu->efer;
	sregs->apic_base = lodge_lapic_get_base(vcpu);
	sregs->xcr0 = vcpu->fpu.xcr0;
}

static bool segment_valid(const struct lodge_segment *s)
{
	return s->type <= 15 && s->dpl <= 3 &&
	       (s->s | s->present | s->avl | s->l | s->db | s->g | s->unusable) <= 1;
}

/* ES, CS, SS and DS have bases of 32 bits (SDM 27.3.1.2). */
static bool bases_valid(const struct lodge_sregs *s, bool la57)
{
	static const u8 wide[] = { LODGE_FS, LODGE_GS, LODGE_LDTR, LODGE_TR };
	int i;

	for (i = LODGE_ES; i <= LODGE_DS; i++)
		if (!s->seg[i].unusable && s->seg[i].base >> 32)
			return false;
	for (i = 0; i < ARRAY_SIZE(wide); i++)
		if (!lodge_canonical(s->seg[wide[i]].base, la57))
			return false;
	return lodge_canonical(s->gdt.base, la57) && lodge_canonical(s->idt.base, la57);
}

/* EFER.LMA is what LME and paging make it; long mode needs PAE (SDM 9.8.5). */
static bool mode_valid(const struct lodge_sregs *s)
{
	bool lma = (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG);
	const struct lodge_segment *cs = &s->seg[LODGE_CS];

	if (lma != !!(s->efer & EFER_LMA))
		return false;
	if (lma && !(s->cr4 & X86_CR4_PAE))
		return false;
	if (!lma && (s->cr4 & X86_CR4_PCIDE))
		return false;
	return !lma || !cs->l || !cs->db;
}

/** lodge_sregs_check() - could a CPU be in this state? 0 or -EINVAL */
int lodge_sregs_check(const struct lodge_sregs *s, const struct lodge_sregs_rules *rules)
{
	int seg;

	for (seg = 0; seg < LODGE_NR_SEGS; seg++)
		if (!segment_valid(&s->seg[seg]))
			return -EINVAL;
	if (!bases_valid(s, !(rules->cr4_rsvd & X86_CR4_LA57)) ||
	    !lodge_cr0_valid(s->cr0) || s->cr8 > 15)
		return -EINVAL;
	if ((s->cr4 & rules->cr4_rsvd) || (s->efer & ~rules->efer) ||
	    (s->xcr0 & ~rules->xcr0) || s->cr3 >> rules->maxphyaddr)
		return -EINVAL;
	return mode_valid(s) && lodge_xcr0_valid(s->xcr0) ? 0 : -EINVAL;
}

/* Checked values: nothing can fail from here on. */
static void apply_sregs(struct lodge_vcpu *vcpu, const struct lodge_sregs *s)
{
	int seg;

	for (seg = 0; seg < LODGE_NR_SEGS; seg++)
		lodge_op(set_segment)(vcpu, seg, &s->seg[seg]);
	set_table(vcpu, LODGE_GDTR, &s->gdt);
	set_table(vcpu, LODGE_IDTR, &s->idt);
	lodge_op(set_efer)(vcpu, s->efer);
	lodge_op(set_cr4)(vcpu, s->cr4);
	lodge_op(set_cr0)(vcpu, s->cr0 | X86_CR0_ET);
	lodge_op(set_cr3)(vcpu, s->cr3);
	vcpu->cr2 = s->cr2;
	lodge_lapic_set_cr8(vcpu, s->cr8);
	vcpu->fpu.xcr0 = s->xcr0;
	set_bit(LODGE_REQ_TLB, &vcpu->requests);
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
}

/** lodge_set_sregs() - from a private copy: 0, or -EINVAL, having changed nothing */
int lodge_set_sregs(struct lodge_vcpu *vcpu, const struct lodge_sregs *sregs)
{
	struct lodge_sregs_rules rules = {
		.cr4_rsvd = vcpu->cr4_guest_rsvd,
		.efer = lodge_efer_offered(vcpu),
		.xcr0 = vcpu->xcr0_mask,
		.maxphyaddr = vcpu->maxphyaddr,
	};
	/* The one setter that may still refuse comes first. */
	int ret = lodge_sregs_check(sregs, &rules) ?:
		  lodge_lapic_set_base(vcpu, sregs->apic_base, true);

	if (!ret)
		apply_sregs(vcpu, sregs);
	return ret;
}

static noinline int load_groups(struct lodge_vcpu *vcpu, u32 dirty)
{
	struct lodge_run *run = vcpu->run;
	struct lodge_sregs sregs = run->sregs;
	struct lodge_regs regs = run->regs;
	int ret = 0;

	barrier();	/* the copies are not to be read again from the page */
	if (dirty & LODGE_SYNC_SREGS)
		ret = lodge_set_sregs(vcpu, &sregs);
	if (ret)
		return ret;
	if (dirty & LODGE_SYNC_REGS)
		lodge_set_regs(vcpu, &regs);
	WRITE_ONCE(run->dirty, 0);
	return 0;
}

/*
 * lodge_run_sync_in() - load the register groups that userspace marked dirty: 0 or -EINVAL. Other
 * threads may write to the page meanwhile: copy, then check the copy.
 */
int lodge_run_sync_in(struct lodge_vcpu *vcpu)
{
	u32 dirty = READ_ONCE(vcpu->run->dirty);

	if (likely(!dirty))
		return 0;
	return dirty & ~SYNC_GROUPS ? -EINVAL : load_groups(vcpu, dirty);
}

/** lodge_run_sync_out() - store the register groups that userspace wants */
void lodge_run_sync_out(struct lodge_vcpu *vcpu)
{
	struct lodge_run *run = vcpu->run;
	u32 wanted = READ_ONCE(run->wanted) & SYNC_GROUPS;

	WRITE_ONCE(run->valid, wanted);
	if (likely(!wanted))
		return;
	if (wanted & LODGE_SYNC_REGS)
		lodge_get_regs(vcpu, &run->regs);
	if (wanted & LODGE_SYNC_SREGS)
		lodge_get_sregs(vcpu, &run->sregs);
}

static int get_regs(struct lodge_vcpu *vcpu, void *args)
{
	lodge_get_regs(vcpu, &((struct lodge_get_regs *)args)->regs);
	return 0;
}

static int set_regs(struct lodge_vcpu *vcpu, void *args)
{
	lodge_set_regs(vcpu, &((struct lodge_get_regs *)args)->regs);
	return 0;
}

static int get_sregs(struct lodge_vcpu *vcpu, void *args)
{
	struct lodge_get_sregs *get = args;

	memset(&get->sregs, 0, sizeof(get->sregs));
	lodge_get_sregs(vcpu, &get->sregs);
	return 0;
}

static int set_sregs(struct lodge_vcpu *vcpu, void *args)
{
	return lodge_set_sregs(vcpu, &((struct lodge_get_sregs *)args)->sregs);
}

static int do_msrs(struct lodge_vcpu *vcpu, struct lodge_msrs *msrs, bool set)
{
	size_t bytes = msrs->count * sizeof(struct lodge_msr_entry);
	struct lodge_msr_entry *entry;
	int ret = 0;
	u32 i;

	if (msrs->count > LODGE_MAX_MSRS)
		return -E2BIG;
	if (!msrs->count)
		return 0;
	entry = memdup_user(u64_to_user_ptr(msrs->entries), bytes);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	for (i = 0; i < msrs->count && !ret; i++)
		ret = set ? lodge_set_msr(vcpu, entry[i].index, entry[i].value, true) :
			    lodge_get_msr(vcpu, entry[i].index, &entry[i].value, true);
	msrs->done = ret ? i - 1 : i;
	if (!set && copy_to_user(u64_to_user_ptr(msrs->entries), entry,
				 msrs->done * sizeof(*entry)))
		ret = -EFAULT;
	kfree(entry);
	return ret;
}

static int get_msrs(struct lodge_vcpu *vcpu, void *args)
{
	return do_msrs(vcpu, args, false);
}

static int set_msrs(struct lodge_vcpu *vcpu, void *args)
{
	return do_msrs(vcpu, args, true);
}

static void get_event(const struct lodge_event *event, struct lodge_events *out)
{
	if (!event->valid)
		return;
	out->flags |= event->type >= LODGE_EV_SOFT_INTERRUPT ? LODGE_EVENT_SOFT : 0;
	if (event->type == LODGE_EV_NMI) {
		out->flags |= LODGE_EVENT_NMI_INJECTED;
	} else if (event->type == LODGE_EV_INTERRUPT || event->type == LODGE_EV_SOFT_INTERRUPT) {
		out->flags |= LODGE_EVENT_INTERRUPT;
		out->interrupt = event->vector;
	} else {
		out->flags |= LODGE_EVENT_EXCEPTION;
		out->flags |= event->has_error ? LODGE_EVENT_ERROR_CODE : 0;
		out->exception = event->vector;
		out->error_code = event->has_error ? event->error : 0;
	}
}

static int get_events(struct lodge_vcpu *vcpu, void *args)
{
	u32 shadow = lodge_op(get_shadow)(vcpu);
	struct lodge_events *events = args;

	get_event(&vcpu->inflight, events);
	get_event(&vcpu->exception, events);
	events->flags |= (atomic_read(&vcpu->nmi_pending) ? LODGE_EVENT_NMI_PENDING : 0) |
			 (shadow & LODGE_SHADOW_NMI ? LODGE_EVENT_NMI_MASKED : 0) |
			 (shadow & LODGE_SHADOW_STI ? LODGE_EVENT_STI_SHADOW : 0) |
			 (shadow & LODGE_SHADOW_MOVSS ? LODGE_EVENT_MOVSS_SHADOW : 0);
	return 0;
}

/** lodge_events_check() - may these events be on their way together? 0 or -EINVAL */
int lodge_events_check(const struct lodge_events *events)
{
	u32 flags = events->flags;
	bool soft = flags & LODGE_EVENT_SOFT;
	bool exception = flags & LODGE_EVENT_EXCEPTION;
	bool interrupt = flags & LODGE_EVENT_INTERRUPT;

	if (exception && (events->exception > 31 || events->exception == X86_TRAP_NMI))
		return -EINVAL;
	if ((flags & LODGE_EVENT_ERROR_CODE) && (!exception || soft))
		return -EINVAL;
	if (soft && exception == interrupt)
		return -EINVAL;
	if (soft && exception && events->exception != X86_TRAP_BP &&
	    events->exception != X86_TRAP_OF)
		return -EINVAL;
	if (interrupt && events->interrupt < 16 && !soft)
		return -EINVAL;
	return interrupt && (flags & LODGE_EVENT_NMI_INJECTED) ? -EINVAL : 0;
}

/* An instruction whose delivery was cut short is delivered again from RIP. */
static struct lodge_event make_inflight(const struct lodge_events *events)
{
	bool soft = events->flags & LODGE_EVENT_SOFT;

	if (events->flags & LODGE_EVENT_INTERRUPT)
		return (struct lodge_event) {
			.valid = true,
			.type = soft ? LODGE_EV_SOFT_INTERRUPT : LODGE_EV_INTERRUPT,
			.vector = events->interrupt,
			.insn_len = soft ? 2 : 0,
		};
	return (struct lodge_event) {
		.valid = events->flags & LODGE_EVENT_NMI_INJECTED,
		.type = LODGE_EV_NMI,
		.vector = X86_TRAP_NMI,
	};
}

static struct lodge_event make_exception(const struct lodge_events *events)
{
	bool valid = events->flags & LODGE_EVENT_EXCEPTION;
	bool soft = valid && (events->flags & LODGE_EVENT_SOFT);

	return (struct lodge_event) {
		.valid = valid,
		.type = soft ? LODGE_EV_SOFT_EXCEPTION : LODGE_EV_EXCEPTION,
		.vector = events->exception,
		.has_error = events->flags & LODGE_EVENT_ERROR_CODE,
		.error = events->error_code,
		.insn_len = soft,
	};
}

static int set_events(struct lodge_vcpu *vcpu, void *args)
{
	const struct lodge_events *events = args;
	int ret = lodge_events_check(events);

	if (ret)
		return ret;
	vcpu->inflight = make_inflight(events);
	vcpu->exception = make_exception(events);
	atomic_set(&vcpu->nmi_pending, !!(events->flags & LODGE_EVENT_NMI_PENDING));
	lodge_op(set_nmi_masked)(vcpu, events->flags & LODGE_EVENT_NMI_MASKED);
	lodge_op(set_shadow)(vcpu,
			     (events->flags & LODGE_EVENT_STI_SHADOW ? LODGE_SHADOW_STI : 0) |
			     (events->flags & LODGE_EVENT_MOVSS_SHADOW ? LODGE_SHADOW_MOVSS : 0));
	set_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return 0;
}

static int get_debugregs(struct lodge_vcpu *vcpu, void *args)
{
	struct lodge_debugregs *regs = args;
	int i;

	for (i = 0; i < 4; i++)
		regs->db[i] = lodge_get_dr(vcpu, i);
	regs->dr6 = lodge_get_dr(vcpu, 6);
	regs->dr7 = lodge_get_dr(vcpu, 7);
	return 0;
}

/** lodge_debugregs_check() - could the registers hold this (SDM 17.2)? 0 or -EINVAL */
int lodge_debugregs_check(const struct lodge_debugregs *regs)
{
	return (regs->dr6 | regs->dr7) >> 32 || (regs->dr7 & DR7_RESERVED) ? -EINVAL : 0;
}

static int set_debugregs(struct lodge_vcpu *vcpu, void *args)
{
	const struct lodge_debugregs *regs = args;
	int ret = lodge_debugregs_check(regs);
	int i;

	if (ret)
		return ret;
	for (i = 0; i < 4; i++)
		lodge_set_dr(vcpu, i, regs->db[i]);
	lodge_set_dr(vcpu, 6, regs->dr6);
	lodge_set_dr(vcpu, 7, regs->dr7);
	return 0;
}

static int get_mp_state(struct lodge_vcpu *vcpu, void *args)
{
	struct lodge_mp_state *state = args;

	state->state = vcpu->mp_state;
	state->sipi_vector = vcpu->sipi_vector;
	return 0;
}

static int set_mp_state(struct lodge_vcpu *vcpu, void *args)
{
	const struct lodge_mp_state *state = args;

	if (state->state > LODGE_MP_WAIT_SIPI || state->sipi_vector > 0xff)
		return -EINVAL;
	vcpu->sipi_vector = state->sipi_vector;
	vcpu->mp_state = state->state;
	return 0;
}

static int get_cpuid(struct lodge_vcpu *vcpu, void *args)
{
	struct lodge_cpuid_table *table = vcpu->cpuid;
	struct lodge_cpuid *cpuid = args;

	return lodge_array_out(cpuid->entries, &cpuid->count, table->entries, table->count,
			       sizeof(table->entries[0]));
}

static int set_cpuid(struct lodge_vcpu *vcpu, void *args)
{
	struct lodge_cpuid *cpuid = args;
	struct lodge_cpuid_table *table;
	int ret = -EFAULT;

	if (cpuid->count > LODGE_MAX_CPUID)
		return -E2BIG;
	table = kvzalloc(struct_size(table, entries, cpuid->count), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	table->count = cpuid->count;
	if (!copy_from_user(table->entries, u64_to_user_ptr(cpuid->entries),
			    cpuid->count * sizeof(table->entries[0])))
		ret = lodge_cpuid_set(vcpu, table);
	if (ret)
		kvfree(table);
	return ret;
}

static int get_lapic(struct lodge_vcpu *vcpu, void *args)
{
	lodge_lapic_get_state(vcpu, ((struct lodge_lapic_state *)args)->regs);
	return 0;
}

static int set_lapic(struct lodge_vcpu *vcpu, void *args)
{
	return lodge_lapic_set_state(vcpu, ((struct lodge_lapic_state *)args)->regs);
}

static int translate(struct lodge_vcpu *vcpu, void *args)
{
	struct lodge_translate *translate = args;
	struct lodge_walk walk = {};
	int ret = lodge_gva_to_gpa(vcpu, translate->gva, 0, &walk);

	if (ret)
		return ret == -ENODATA ? -EIO : ret;
	translate->gpa = walk.gpa;
	translate->access = walk.access;
	return 0;
}

static int nmi(struct lodge_vcpu *vcpu, void *args)
{
	lodge_queue_nmi(vcpu);
	return 0;
}

static int reset_vcpu(struct lodge_vcpu *vcpu, void *args)
{
	lodge_vcpu_reset(vcpu, false);
	return 0;
}

static int vcpu_stats(struct lodge_vcpu *vcpu, void *args)
{
	return lodge_stats_fd(vcpu->vm, vcpu, ((struct lodge_open_stats *)args)->flags);
}

const struct lodge_ioctl lodge_vcpu_ioctls[] = {
	LODGE_IOCTL(vcpu, GET_REGS, lodge_get_regs, flags, 0, LOADED, INOUT, get_regs),
	LODGE_IOCTL(vcpu, SET_REGS, lodge_get_regs, regs, 0, LOADED, IN, set_regs),
	LODGE_IOCTL(vcpu, GET_SREGS, lodge_get_sregs, flags, 0, LOADED, INOUT, get_sregs),
	LODGE_IOCTL(vcpu, SET_SREGS, lodge_get_sregs, sregs, 0, LOADED, IN, set_sregs),
	LODGE_IOCTL(vcpu, GET_XSAVE, lodge_xsave, addr, 0, VCPU, ALWAYS, lodge_fpu_get),
	LODGE_IOCTL(vcpu, SET_XSAVE, lodge_xsave, addr, 0, VCPU, IN, lodge_fpu_set),
	LODGE_IOCTL(vcpu, GET_MSRS, lodge_msrs, entries, 0, LOADED, ALWAYS, get_msrs),
	LODGE_IOCTL(vcpu, SET_MSRS, lodge_msrs, entries, 0, LOADED, ALWAYS, set_msrs),
	LODGE_IOCTL(vcpu, GET_CPUID, lodge_cpuid, entries, 0, VCPU, ALWAYS, get_cpuid),
	LODGE_IOCTL(vcpu, SET_CPUID, lodge_cpuid, entries, 0, LOADED, IN, set_cpuid),
	LODGE_IOCTL(vcpu, GET_EVENTS, lodge_events, flags, 0, LOADED, INOUT, get_events),
	LODGE_IOCTL(vcpu, SET_EVENTS, lodge_events, error_code, GENMASK(8, 0), LOADED, IN,
		    set_events),
	LODGE_IOCTL(vcpu, GET_LAPIC, lodge_lapic_state, flags, 0, LOADED, INOUT, get_lapic),
	LODGE_IOCTL(vcpu, SET_LAPIC, lodge_lapic_state, regs, 0, LOADED, IN, set_lapic),
	LODGE_IOCTL(vcpu, GET_MP_STATE, lodge_mp_state, flags, 0, VCPU, INOUT, get_mp_state),
	LODGE_IOCTL(vcpu, SET_MP_STATE, lodge_mp_state, state, 0, VCPU, IN, set_mp_state),
	LODGE_IOCTL(vcpu, GET_DEBUGREGS, lodge_debugregs, flags, 0, LOADED, INOUT, get_debugregs),
	LODGE_IOCTL(vcpu, SET_DEBUGREGS, lodge_debugregs, dr7, 0, LOADED, IN, set_debugregs),
	LODGE_IOCTL(vcpu, TRANSLATE, lodge_translate, gva, 0, LOADED, INOUT, translate),
	LODGE_IOCTL(vcpu, NMI, lodge_nmi, flags, 0, NONE, IN, nmi),
	LODGE_IOCTL(vcpu, RESET_VCPU, lodge_reset, flags, 0, LOADED, IN, reset_vcpu),
	LODGE_IOCTL(vcpu, VCPU_STATS, lodge_open_stats, flags, LODGE_STATS_TIMING, NONE, IN,
		    vcpu_stats),
	LODGE_IOCTL(vcpu, TRACE, lodge_open_trace, records, LODGE_TRACE_STATE, NONE, IN,
		    lodge_trace_fd),
};

const unsigned int lodge_vcpu_ioctl_count = ARRAY_SIZE(lodge_vcpu_ioctls);
