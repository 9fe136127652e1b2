// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator on a vCPU: where its memory and ports are, and how an
 * instruction survives a trip to userspace.
 *
 * Every access an instruction has completed is kept in vcpu->replay until the
 * instruction is through. When one needs userspace, the instruction is
 * abandoned and later emulated again from its start; the accesses before are
 * then answered from the log and nothing happens twice. Registers change only
 * when it is through.
 */
#include "ops.h"

/* Elements of a REP instruction per call. */
#define MAX_ELEMENTS	1024

#define NR_CACHED	4

/* One page translated for this instruction, as a TLB would keep it. */
struct cached_page {
	bool valid;
	u64 page;
	u64 gpa;
	u32 access;		/* that was checked */
};

/* What one call of lodge_emulate_current() works on. */
struct emulation {
	struct lodge_emul e;
	struct lodge_vcpu *vcpu;
	struct lodge_insn insn;
	struct lodge_fetch fetch;
	u8 victim;
	struct cached_page cache[NR_CACHED];
};

static struct emulation *emulation(struct lodge_emul *e)
{
	return container_of(e, struct emulation, e);
}

void lodge_replay_clear(struct lodge_replay *log)
{
	log->count = 0;
	log->next = 0;
	log->waiting = false;
}

/*
 * The next access of the log, if it is this one. Anything else means that the
 * registers or the tables were changed meanwhile: the rest is void.
 */
bool lodge_replay_take(struct lodge_replay *log,
		       const struct lodge_replay_access *access, u64 *value)
{
	const struct lodge_replay_access *old = &log->access[log->next];

	if (log->next >= log->count)
		return false;
	if (old->addr != access->addr || old->bytes != access->bytes ||
	    old->space != access->space || old->write != access->write) {
		log->count = log->next;
		return false;
	}
	log->next++;
	if (!access->write)
		*value = old->value;
	return true;
}

void lodge_replay_add(struct lodge_replay *log, const struct lodge_replay_access *access, u64 value)
{
	log->access[log->count] = *access;
	log->access[log->count++].value = value;
	log->next = log->count;
}

/* 1: done; 0: nothing in the kernel answers here; or -ENODATA */
static int serve(struct lodge_vcpu *vcpu, const struct lodge_replay_access *a, u64 *value)
{
	int rc = -ENXIO;

	if (a->space == LODGE_SPACE_MMIO)
		rc = lodge_copy_guest(vcpu->vm, a->addr, value, a->bytes, a->write, false);
	if (!rc)
		return 1;
	if (rc == -ENXIO) {
		rcu_read_lock();
		rc = lodge_device_access(vcpu, a->space, a->addr, a->bytes, a->write, value);
		rcu_read_unlock();
		return rc;
	}
	vcpu->exit.fault.gpa = a->addr;
	vcpu->exit.fault.access = a->write ? LODGE_ACCESS_WRITE : LODGE_ACCESS_READ;
	return -ENODATA;
}

/* One access within one page, in this order: log, kernel, userspace. */
static int access(struct lodge_vcpu *vcpu, const struct lodge_replay_access *a, u64 *value)
{
	struct lodge_replay *log = &vcpu->replay;
	int rc;

	if (lodge_replay_take(log, a, value))
		return 0;
	if (log->count == LODGE_REPLAY_MAX)
		return -EOPNOTSUPP;
	rc = serve(vcpu, a, value);
	if (rc < 0)
		return rc;
	lodge_replay_add(log, a, *value);
	if (rc)
		return 0;
	log->waiting = true;
	lodge_user_access(vcpu, a->space, a->addr, a->bytes, a->write, *value);
	return -EINPROGRESS;
}

void lodge_replay_complete(struct lodge_vcpu *vcpu)
{
	struct lodge_replay *log = &vcpu->replay;
	struct lodge_replay_access *last;
	u64 value;

	BUILD_BUG_ON(offsetof(struct lodge_run, data) % sizeof(u64));
	if (!log->waiting || !log->count)
		return;
	last = &log->access[log->count - 1];
	/* The page is shared: read it once. */
	value = READ_ONCE(*(u64 *)vcpu->run->data);
	if (!last->write)
		last->value = value & lodge_mask(last->bytes);
	log->waiting = false;
	log->next = 0;
}

static int page_gpa(struct emulation *m, u64 linear, u32 want, u64 *gpa)
{
	u64 page = linear & PAGE_MASK;
	struct cached_page *c;
	struct lodge_walk walk;
	int i, rc;

	for (i = 0; i < NR_CACHED; i++) {
		c = &m->cache[i];
		if (c->valid && c->page == page && !(want & ~c->access))
			goto found;
	}
	rc = lodge_gva_to_gpa(m->vcpu, linear, want, &walk);
	if (rc == -EFAULT) {
		m->e.fault.cr2 = linear;
		return lodge_raise(&m->e.fault, X86_TRAP_PF, walk.error);
	}
	if (rc)
		return rc;
	c = &m->cache[m->victim++ % NR_CACHED];
	/* What may be written may be read. */
	*c = (struct cached_page){ true, page, walk.gpa & PAGE_MASK, want | LODGE_ACCESS_READ };
found:
	*gpa = c->gpa | offset_in_page(linear);
	return 0;
}

static u64 wrap(const struct lodge_emul *e, u64 linear)
{
	return e->code == LODGE_CODE64 ? linear : (u32)linear;
}

static int on_probe(struct lodge_emul *e, u64 linear, u32 bytes, bool write)
{
	u32 want = write ? LODGE_ACCESS_WRITE : LODGE_ACCESS_READ;
	u64 last = wrap(e, linear + bytes - 1), gpa;
	int rc = page_gpa(emulation(e), linear, want, &gpa);

	if (!rc && (linear ^ last) & PAGE_MASK)
		rc = page_gpa(emulation(e), last & PAGE_MASK, want, &gpa);
	return rc;
}

static int one_page(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes, bool write)
{
	struct lodge_replay_access a = {
		.space = LODGE_SPACE_MMIO, .bytes = bytes, .write = write,
	};
	int rc = page_gpa(emulation(e), linear, write ? LODGE_ACCESS_WRITE : LODGE_ACCESS_READ,
			  &a.addr);

	return rc ? rc : access(emulation(e)->vcpu, &a, value);
}

/* The emulator has probed both pages. */
static int on_access(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes, bool write)
{
	u32 first = min_t(u32, bytes, PAGE_SIZE - offset_in_page(linear));
	u64 all = write ? *value & lodge_mask(bytes) : 0, low = all & lodge_mask(first), high;
	int rc = one_page(e, linear, &low, first, write);

	if (!rc && first < bytes) {
		high = all >> first * 8;
		rc = one_page(e, wrap(e, linear + first), &high, bytes - first, write);
		low |= high << first * 8;
	}
	if (!write)
		*value = low;
	return rc;
}

static int on_pio(struct lodge_emul *e, u16 port, u64 *value, u32 bytes, bool write)
{
	const struct lodge_replay_access a = {
		.space = LODGE_SPACE_PIO, .addr = port, .bytes = bytes, .write = write,
	};

	return access(emulation(e)->vcpu, &a, value);
}

static int on_linear(struct lodge_emul *e, int seg, u64 offset, u32 bytes, bool write, u64 *out)
{
	const struct lodge_segmode mode = {
		.code = e->code,
		.protected = e->cr0 & X86_CR0_PE && !(e->rflags & X86_EFLAGS_VM),
		.la57 = e->cr4 & X86_CR4_LA57,
	};
	struct lodge_segment s = { };
	int vector;

	if (e->code != LODGE_CODE64 || seg >= LODGE_FS)
		lodge_op(get_segment)(emulation(e)->vcpu, seg, &s);
	vector = lodge_segment_linear(&mode, &s, seg, offset, bytes, write, out);
	return vector ? lodge_raise(&e->fault, vector, 0) : 0;
}

static int on_system(struct lodge_emul *e, int what, u64 value[2], bool write)
{
	struct lodge_segment s = { .limit = value[0], .base = value[1] };
	struct lodge_vcpu *vcpu = emulation(e)->vcpu;
	int rc = 0;

	if (what == LODGE_SYS_CR0 && write)
		return lodge_set_cr0(vcpu, value[0]) ? lodge_raise(&e->fault, X86_TRAP_GP, 0) : 0;
	if (what == LODGE_SYS_CR0) {
		value[0] = e->cr0;
	} else if (!write) {
		lodge_op(get_segment)(vcpu, what, &s);
		value[0] = what >= LODGE_GDTR ? s.limit : s.selector;
		value[1] = s.base;
	} else if (what < LODGE_GDTR) {
		rc = lodge_load_segment(vcpu, what, value[0], &e->fault);
		e->code = lodge_code_size(vcpu);
	} else if (e->code == LODGE_CODE64 && !lodge_canonical(s.base, e->cr4 & X86_CR4_LA57)) {
		rc = lodge_raise(&e->fault, X86_TRAP_GP, 0);
	} else {
		lodge_op(set_segment)(vcpu, what, &s);
	}
	return rc;
}

/* What stays the same for all elements of a REP instruction. */
static void load_mode(struct lodge_emul *e, struct lodge_vcpu *vcpu)
{
	struct lodge_segment ss;

	lodge_op(get_segment)(vcpu, LODGE_SS, &ss);
	e->stack32 = ss.db;
	e->code = lodge_code_size(vcpu);
	e->cpl = lodge_op(cpl)(vcpu);
	e->cr0 = lodge_reg_read(vcpu, LODGE_CR0);
	e->cr4 = lodge_reg_read(vcpu, LODGE_CR4);
	e->xcr0 = lodge_get_xcr0(vcpu);
	e->dr7 = vcpu->dr7;
	memcpy(e->dr, vcpu->dr, sizeof(e->dr));
	e->xsave = (u8 *)vcpu->fpu.area;
	if (e->xcr0 & XFEATURE_MASK_ZMM_Hi256)
		e->zmmh_offset = lodge_zmmh_offset;
}

static void load_registers(struct lodge_emul *e, struct lodge_vcpu *vcpu)
{
	int i;

	for (i = 0; i < 16; i++)
		e->gpr[i] = lodge_reg_read(vcpu, i);
	e->rip = lodge_reg_read(vcpu, LODGE_RIP);
	e->rflags = lodge_reg_read(vcpu, LODGE_RFLAGS);
	e->shadow = false;
	e->dr6 = 0;
}

/*
 * A completed instruction ends RF (SDM 17.3.1.1). The single-step trap looks at
 * the TF that was set before it, and comes after each element of a REP
 * instruction; a load of SS holds it off, as it does interrupts (SDM 6.8.3).
 */
static void commit(struct emulation *m, bool more)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	struct lodge_emul *e = &m->e;
	int i;

	for (i = 0; i < 16; i++)
		if (e->gpr[i] != vcpu->regs[i])
			lodge_reg_write(vcpu, i, e->gpr[i]);
	lodge_replay_clear(&vcpu->replay);
	lodge_count(vcpu, LODGE_STAT_EMULATED);
	if (!more || lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_TF) {
		lodge_reg_write(vcpu, LODGE_RIP, e->rip);
		if (e->shadow)
			lodge_op(set_shadow)(vcpu, LODGE_SHADOW_MOVSS);
		else
			lodge_advance(vcpu, 0);
	}
	if (!more)
		e->rflags &= ~(u64)X86_EFLAGS_RF;
	if (e->rflags != vcpu->regs[LODGE_RFLAGS])
		lodge_reg_write(vcpu, LODGE_RFLAGS, e->rflags);
	if (e->dr6)
		lodge_queue_debug(vcpu, e->dr6);
}

/* One instruction; elements of a REP instruction until there is something to give way to. */
static int execute(struct emulation *m)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	const struct lodge_insn *insn = &m->insn;
	int left = MAX_ELEMENTS;
	bool more;
	u64 start;
	int rc;

	/* Its bytes were others when the CPU checked the permission: let it look again. */
	if ((insn->op == LODGE_OP_INS || insn->op == LODGE_OP_OUTS) &&
	    vcpu->exit.kind != LODGE_K_STRING_IO)
		return -EAGAIN;
	do {
		load_registers(&m->e, vcpu);
		start = m->e.rip;
		rc = lodge_emulate(&m->e, insn);
		if (rc)
			return rc;
		more = (insn->rep || insn->repne) && m->e.rip == start;
		commit(m, more);
	} while (more && --left && !READ_ONCE(vcpu->requests) && !signal_pending(current) &&
		 !need_resched());
	return 0;
}

static enum lodge_next give_up(struct emulation *m)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	struct lodge_run *run = vcpu->run;

	lodge_user_internal(vcpu, LODGE_INTERNAL_EMULATION, lodge_reg_read(vcpu, LODGE_RIP), 0);
	run->internal.insn_bytes = m->fetch.count;
	memcpy(run->internal.insn, m->fetch.bytes, m->fetch.count);
	return LODGE_USER;
}

/* Bytes and meaning of the instruction at RIP; results as lodge_emulate(). */
static int fetch_and_decode(struct emulation *m)
{
	struct lodge_fetch *fetch = &m->fetch;
	struct lodge_exception *fault = &m->e.fault;
	int rc;

	lodge_fetch_code(m->vcpu, fetch, false);
	rc = lodge_decode(&m->insn, fetch->bytes, fetch->count, m->e.code);
	if (rc == -EINVAL)
		return lodge_raise(fault, X86_TRAP_UD, 0);
	if (rc != -EAGAIN)
		return rc;
	/* The rest is on a page that is not there, or beyond the limit. */
	fault->cr2 = fetch->gva;
	if (fetch->status == -EFAULT)
		return lodge_raise(fault, X86_TRAP_PF, fetch->error);
	return fetch->status ?: lodge_raise(fault, X86_TRAP_GP, 0);
}

/**
 * lodge_emulate_current() - emulate the instruction at RIP
 * @vcpu: loaded vCPU; ring 2
 *
 * Return: LODGE_REENTER, with an exception queued if there was one, or
 * LODGE_USER: an access for userspace, or something that cannot be emulated.
 */
enum lodge_next lodge_emulate_current(struct lodge_vcpu *vcpu)
{
	struct emulation m = {
		.e = {
			.linear = on_linear, .probe = on_probe, .access = on_access,
			.pio = on_pio, .system = on_system,
		},
		.vcpu = vcpu,
	};
	int rc;

	/* Left over from an instruction that was never taken up again. */
	if (vcpu->replay.waiting || vcpu->replay.next)
		lodge_replay_clear(&vcpu->replay);
	/* Not this instruction: the stack an event is pushed to is no memory. */
	if (vcpu->inflight.valid)
		return give_up(&m);
	load_mode(&m.e, vcpu);
	rc = fetch_and_decode(&m);
	if (!rc)
		rc = execute(&m);
	if (rc == -EINPROGRESS)
		return LODGE_USER;
	lodge_replay_clear(&vcpu->replay);
	if (rc == -EFAULT)
		lodge_queue_fault(vcpu, &m.e.fault);
	if (!rc || rc == -EFAULT || rc == -EAGAIN)
		return LODGE_REENTER;
	return rc == -ENODATA ? lodge_user_memory(vcpu, LODGE_EXIT_MEMORY) : give_up(&m);
}
