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
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "insn.h"
#include "lodge.h"
#include "ops.h"

#define RFLAGS_TF	BIT(8)
#define RFLAGS_RF	BIT(16)

#define VECTOR_UD	6
#define VECTOR_GP	13
#define VECTOR_PF	14

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

static int raise(struct lodge_emul *e, u8 vector, bool has_error, u32 error)
{
	e->fault = true;
	e->vector = vector;
	e->has_error = has_error;
	e->error = error;
	return -EFAULT;
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

void lodge_replay_add(struct lodge_replay *log,
		      const struct lodge_replay_access *access, u64 value)
{
	log->access[log->count] = *access;
	log->access[log->count++].value = value;
	log->next = log->count;
}

/* 1: done; 0: nothing in the kernel answers here; or -ECANCELED */
static int access_memory(struct lodge_vcpu *vcpu,
			 const struct lodge_replay_access *a, u64 *value)
{
	int rc;

	if (a->write)
		rc = lodge_write_guest(vcpu->vm, a->addr, value, a->bytes);
	else
		rc = lodge_read_guest(vcpu->vm, a->addr, value, a->bytes);
	if (!rc)
		return 1;
	if (rc != -ENXIO) {
		lodge_user_memory(vcpu, a->addr, a->write ?
				  LODGE_ACCESS_WRITE : LODGE_ACCESS_READ, rc);
		return -ECANCELED;
	}
	if (a->write)
		return lodge_chip_mmio_write(vcpu, a->addr, a->bytes, *value) ||
		       lodge_region_write(vcpu, LODGE_SPACE_MMIO, a->addr,
					  a->bytes, *value);
	return lodge_chip_mmio_read(vcpu, a->addr, a->bytes, value) ||
	       lodge_region_read(vcpu, LODGE_SPACE_MMIO, a->addr, a->bytes,
				 value);
}

static int access_port(struct lodge_vcpu *vcpu,
		       const struct lodge_replay_access *a, u64 *value)
{
	u32 value32 = (u32)*value;

	if (a->write)
		return lodge_chip_pio_write(vcpu, a->addr, a->bytes, value32) ||
		       lodge_region_write(vcpu, LODGE_SPACE_PIO, a->addr,
					  a->bytes, value32);
	if (lodge_chip_pio_read(vcpu, a->addr, a->bytes, &value32)) {
		*value = value32;
		return 1;
	}
	return lodge_region_read(vcpu, LODGE_SPACE_PIO, a->addr, a->bytes,
				 value);
}

static void ask_user(struct lodge_vcpu *vcpu,
		     const struct lodge_replay_access *a, u64 value)
{
	struct lodge_run *run = vcpu->run;

	if (a->space == LODGE_SPACE_MMIO) {
		run->exit_reason = LODGE_EXIT_MMIO;
		run->mmio.gpa = a->addr;
		run->mmio.bytes = a->bytes;
		run->mmio.is_write = a->write;
	} else {
		run->exit_reason = LODGE_EXIT_IO;
		run->io.port = a->addr;
		run->io.bytes = a->bytes;
		run->io.is_write = a->write;
		run->io.count = 1;
	}
	memcpy(run->data, &value, sizeof(value));
}

/* One access within one page, in this order: log, kernel, userspace. */
static int access(struct lodge_vcpu *vcpu, const struct lodge_replay_access *a,
		  u64 *value)
{
	struct lodge_replay *log = &vcpu->replay;
	int rc;

	if (lodge_replay_take(log, a, value))
		return 0;
	if (log->count == LODGE_REPLAY_MAX)
		return -EOPNOTSUPP;
	if (a->space == LODGE_SPACE_MMIO)
		rc = access_memory(vcpu, a, value);
	else
		rc = access_port(vcpu, a, value);
	if (rc < 0)
		return rc;
	lodge_replay_add(log, a, *value);
	if (rc)
		return 0;
	log->waiting = true;
	ask_user(vcpu, a, a->write ? *value : 0);
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
		m->e.cr2 = linear;
		return raise(&m->e, VECTOR_PF, true, walk.error);
	}
	if (rc)
		return rc;
	c = &m->cache[m->victim++ % NR_CACHED];
	*c = (struct cached_page){ true, page, walk.gpa & PAGE_MASK, want };
found:
	*gpa = c->gpa | offset_in_page(linear);
	return 0;
}

/* The bytes of @linear that lie in its page, out of @bytes. */
static u32 piece(u64 linear, u32 bytes)
{
	return min_t(u32, bytes, PAGE_SIZE - offset_in_page(linear));
}

static u64 next_page(const struct lodge_emul *e, u64 linear, u32 bytes)
{
	linear += bytes;
	return e->code == LODGE_CODE64 ? linear : (u32)linear;
}

static int on_probe(struct lodge_emul *e, u64 linear, u32 bytes)
{
	struct emulation *m = emulation(e);
	u32 first = piece(linear, bytes);
	u64 gpa;
	int rc;

	rc = page_gpa(m, linear, LODGE_ACCESS_WRITE, &gpa);
	if (!rc && first < bytes)
		rc = page_gpa(m, next_page(e, linear, first),
			      LODGE_ACCESS_WRITE, &gpa);
	return rc;
}

static int one_page(struct emulation *m, u64 linear, u64 *value, u32 bytes,
		    bool write)
{
	struct lodge_replay_access a = {
		.space = LODGE_SPACE_MMIO, .bytes = bytes, .write = write,
	};
	int rc;

	rc = page_gpa(m, linear, write ? LODGE_ACCESS_WRITE : LODGE_ACCESS_READ,
		      &a.addr);
	return rc ? rc : access(m->vcpu, &a, value);
}

static int on_read(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes)
{
	struct emulation *m = emulation(e);
	u32 first = piece(linear, bytes);
	u64 low = 0, high = 0;
	u64 unused;
	int rc = 0;

	/* A fault on the second page comes before an access to the first. */
	if (first < bytes)
		rc = page_gpa(m, next_page(e, linear, first), LODGE_ACCESS_READ,
			      &unused);
	if (!rc)
		rc = one_page(m, linear, &low, first, false);
	if (!rc && first < bytes)
		rc = one_page(m, next_page(e, linear, first), &high,
			      bytes - first, false);
	*value = low;
	if (first < bytes)
		*value |= high << first * 8;
	return rc;
}

/* The emulator has probed both pages. */
static int on_write(struct lodge_emul *e, u64 linear, u64 value, u32 bytes)
{
	struct emulation *m = emulation(e);
	u32 first = piece(linear, bytes);
	u64 low = value & lodge_mask(first);
	u64 high;
	int rc;

	rc = one_page(m, linear, &low, first, true);
	if (rc || first == bytes)
		return rc;
	high = value >> first * 8;
	return one_page(m, next_page(e, linear, first), &high, bytes - first,
			true);
}

static int on_pio(struct lodge_emul *e, u16 port, u64 *value, u32 bytes,
		  bool write)
{
	const struct lodge_replay_access a = {
		.space = LODGE_SPACE_PIO, .addr = port, .bytes = bytes,
		.write = write,
	};

	return access(emulation(e)->vcpu, &a, value);
}

static int on_linear(struct lodge_emul *e, int seg, u64 offset, u32 bytes,
		     bool write, u64 *out)
{
	int vector = lodge_linear(emulation(e)->vcpu, seg, offset, bytes,
				  write, out);

	return vector ? raise(e, vector, true, 0) : 0;
}

static void load_registers(struct emulation *m)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	struct lodge_segment ss;
	int i;

	for (i = 0; i < 16; i++)
		m->e.gpr[i] = lodge_reg_read(vcpu, i);
	m->e.rip = lodge_reg_read(vcpu, LODGE_RIP);
	m->e.rflags = lodge_reg_read(vcpu, LODGE_RFLAGS);
	lodge_op(get_segment)(vcpu, LODGE_SS, &ss);
	m->e.stack32 = ss.db;
}

static void commit(struct emulation *m, u64 start)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	int i;

	for (i = 0; i < 16; i++)
		if (m->e.gpr[i] != vcpu->regs[i])
			lodge_reg_write(vcpu, i, m->e.gpr[i]);
	/* A completed instruction ends RF (SDM 17.3.1.1). */
	if (m->e.rip != start)
		m->e.rflags &= ~(u64)RFLAGS_RF;
	if (m->e.rflags != vcpu->regs[LODGE_RFLAGS])
		lodge_reg_write(vcpu, LODGE_RFLAGS, m->e.rflags);
	lodge_replay_clear(&vcpu->replay);
	lodge_count(vcpu, LODGE_STAT_EMULATED);
	/* Each element of a REP instruction is a step. */
	if (m->e.rip != start || m->e.rflags & RFLAGS_TF) {
		lodge_reg_write(vcpu, LODGE_RIP, m->e.rip);
		lodge_advance(vcpu, 0);
	}
}

/* Is there something that a long REP instruction has to give way to? */
static bool interrupted(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || signal_pending(current) ||
	       need_resched();
}

/* Elements of a REP instruction, or one instruction. */
static int execute(struct emulation *m)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	int left = MAX_ELEMENTS;
	u64 start;
	int rc;

	do {
		load_registers(m);
		start = m->e.rip;
		rc = lodge_emulate(&m->e, &m->insn);
		if (rc)
			return rc;
		commit(m, start);
	} while (m->e.rip == start && --left && !interrupted(vcpu));
	return 0;
}

static void inject(struct emulation *m)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	const struct lodge_emul *e = &m->e;

	if (e->vector == VECTOR_PF)
		lodge_queue_page_fault(vcpu, e->cr2, e->error);
	else if (e->has_error)
		lodge_queue_exception_e(vcpu, e->vector, e->error);
	else
		lodge_queue_exception(vcpu, e->vector);
}

static enum lodge_next give_up(struct emulation *m)
{
	struct lodge_vcpu *vcpu = m->vcpu;
	struct lodge_run *run = vcpu->run;

	lodge_user_internal(vcpu, LODGE_INTERNAL_EMULATION,
			    lodge_reg_read(vcpu, LODGE_RIP), 0);
	run->internal.insn_bytes = m->fetch.count;
	memcpy(run->internal.insn, m->fetch.bytes, m->fetch.count);
	return LODGE_USER;
}

/* Bytes and meaning of the instruction at RIP; results as lodge_emulate(). */
static int fetch_and_decode(struct emulation *m)
{
	struct lodge_fetch *fetch = &m->fetch;
	int rc;

	lodge_fetch_code(m->vcpu, fetch, false);
	rc = lodge_decode(&m->insn, fetch->bytes, fetch->count, m->e.code);
	if (rc == -EINVAL)
		return raise(&m->e, VECTOR_UD, false, 0);
	if (rc != -EAGAIN)
		return rc;
	/* The rest is on a page that is not there, or beyond the limit. */
	if (fetch->status == -EFAULT) {
		m->e.cr2 = fetch->gva;
		return raise(&m->e, VECTOR_PF, true, fetch->error);
	}
	return fetch->status ? : raise(&m->e, VECTOR_GP, true, 0);
}

static enum lodge_next finish(struct emulation *m, int rc)
{
	struct lodge_vcpu *vcpu = m->vcpu;

	if (rc == -EINPROGRESS)
		return LODGE_USER;
	lodge_replay_clear(&vcpu->replay);
	switch (rc) {
	case -EFAULT:
		inject(m);
		return LODGE_REENTER;
	case -EAGAIN:
	case 0:
		return LODGE_REENTER;
	case -ECANCELED:
		return LODGE_USER;
	default:
		return give_up(m);
	}
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
			.code = lodge_code_size(vcpu),
			.linear = on_linear, .probe = on_probe,
			.read = on_read, .write = on_write, .pio = on_pio,
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
	rc = fetch_and_decode(&m);
	if (!rc)
		rc = execute(&m);
	return finish(&m, rc);
}
