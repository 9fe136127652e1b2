// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment descriptors, and the hardware task switch that is made of loading
 * them all (SDM volume 3, 7.3; APM volume 2, 12.3).
 */
#include <asm/desc_defs.h>

#include "ops.h"

#define TYPE_ACCESSED	1
#define TYPE_BUSY	2
#define TYPE_TSS	1	/* 16-bit, available */
#define TYPE_LDT	2
#define TYPE_32BIT	8
#define TYPE_BYTE	5	/* of a descriptor */
/* RFLAGS that a TSS can load */
#define TASK_FLAGS	(0x3f7fd7ull & ~(u64)X86_EFLAGS_RF)
#define DR7_LOCAL	0x155u	/* L0 to L3, LE: a task's own */

/* What a segment is loaded for: how its faults are reported. */
struct loading {
	struct lodge_vcpu *vcpu;
	struct lodge_exception *fault;
	u8 cpl;
	bool task;
	u32 ext;		/* error code: an event is the cause */
};

/*
 * Where a task-state segment keeps what (SDM 7.2.1, 7.6), in slots of @width
 * bytes: (E)IP, the flags, eight registers, @segs segment registers, LDTR. And
 * the smallest limit of its segment.
 */
struct tss_layout {
	u8 width, ip, segs, limit;
};

static const struct tss_layout tss16 = { 2, 7, 4, 43 }, tss32 = { 4, 8, 6, 103 };

static bool is_virtual8086(struct lodge_vcpu *vcpu)
{
	return lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_VM;
}

static int bad_selector(const struct loading *l, u8 vector, u16 selector)
{
	return lodge_raise(l->fault, vector, (selector & ~3u) | l->ext);
}

/* A descriptor's linear address and its @bytes. @vector: when it is outside its table */
static int read_descriptor(const struct loading *l, u16 selector, u8 vector, u64 *addr,
			   void *raw, u32 bytes)
{
	struct lodge_segment table;
	u32 offset = selector & ~7u;

	lodge_op(get_segment)(l->vcpu, selector & 4 ? LODGE_LDTR : LODGE_GDTR, &table);
	if (table.unusable || offset + bytes - 1 > table.limit)
		return bad_selector(l, vector, selector);
	*addr = table.base + offset;
	return lodge_system_memory(l->vcpu, *addr, raw, bytes, false, l->fault);
}

static void unpack(const struct desc_struct *d, u16 selector, struct lodge_segment *s)
{
	u32 limit = d->limit0 | d->limit1 << 16;

	*s = (struct lodge_segment) {
		.base = d->base0 | d->base1 << 16 | (u32)d->base2 << 24,
		.limit = d->g ? limit << 12 | 0xfff : limit,
		.selector = selector, .type = d->type, .s = d->s, .dpl = d->dpl,
		.present = d->p, .avl = d->avl, .l = d->l, .db = d->d, .g = d->g,
	};
}

u8 lodge_segment_fault(const struct lodge_segment *s, int seg, u8 cpl, bool task)
{
	bool code = s->type & 8, conforming = s->type & 4, rw = s->type & 2, fits;
	u8 rpl = s->selector & 3;

	switch (seg) {
	case LODGE_CS:
		/* A task brings its privilege level with it. */
		if (task)
			cpl = rpl;
		fits = s->s && code && (conforming ? s->dpl <= cpl : rpl <= cpl && s->dpl == cpl) &&
		       !(s->l && s->db);
		break;
	case LODGE_SS:
		fits = s->s && !code && rw && rpl == cpl && s->dpl == cpl;
		break;
	case LODGE_LDTR:
		fits = !s->s && s->type == TYPE_LDT;
		break;
	case LODGE_TR:
		fits = !s->s && (s->type & ~TYPE_32BIT) == TYPE_TSS;
		break;
	default:
		fits = s->s && (!code || rw) &&
		       ((code && conforming) || (rpl <= s->dpl && cpl <= s->dpl));
	}
	if (!fits)
		return X86_TRAP_GP;
	return s->present ? 0 : seg == LODGE_SS ? X86_TRAP_SS : X86_TRAP_NP;
}

/* A null selector: data segments and LDTR take it, SS in 64-bit code only. */
static int load_null(const struct loading *l, int seg, u16 selector, u8 vector)
{
	struct lodge_segment s = { .selector = selector, .unusable = 1 };

	if (seg == LODGE_CS || seg == LODGE_TR ||
	    (seg == LODGE_SS && (l->task || l->cpl == 3 || (selector & 3) != l->cpl ||
				 lodge_code_size(l->vcpu) != LODGE_CODE64)))
		return bad_selector(l, vector, 0);
	if (seg == LODGE_SS)
		s.dpl = l->cpl;
	lodge_op(set_segment)(l->vcpu, seg, &s);
	return 0;
}

/* Marks the descriptor accessed, or the TSS busy, and loads the register. */
static int load_protected(const struct loading *l, int seg, u16 selector)
{
	bool wide = lodge_long_mode(l->vcpu) && seg >= LODGE_LDTR;
	u8 vector = l->task ? X86_TRAP_TS : X86_TRAP_GP, fault, mark;
	struct { struct desc_struct d; u32 base3, zero; } raw = { };
	struct lodge_segment s;
	u64 addr;
	int rc;

	if (!(selector & ~3))
		return load_null(l, seg, selector, vector);
	if (seg >= LODGE_LDTR && selector & 4)
		return bad_selector(l, vector, selector);
	rc = read_descriptor(l, selector, vector, &addr, &raw, wide ? 16 : 8);
	if (rc)
		return rc;
	unpack(&raw.d, selector, &s);
	s.base |= (u64)raw.base3 << 32;
	/* A far branch to a gate or a task goes elsewhere. */
	if (seg == LODGE_CS && !l->task && !s.s)
		return -EOPNOTSUPP;
	fault = lodge_segment_fault(&s, seg, l->cpl, l->task);
	if (wide && seg == LODGE_TR && !(s.type & TYPE_32BIT))
		fault = X86_TRAP_GP;
	if (fault)
		return bad_selector(l, fault == X86_TRAP_GP ? vector : fault, selector);
	mark = seg == LODGE_TR ? TYPE_BUSY : s.s ? TYPE_ACCESSED : 0;
	if (mark & ~s.type) {
		s.type |= mark;
		raw.d.type = s.type;
		rc = lodge_system_memory(l->vcpu, addr + TYPE_BYTE, (u8 *)&raw + TYPE_BYTE, 1, true,
					 l->fault);
	}
	if (rc)
		return rc;
	if (seg == LODGE_CS && !l->task)
		s.selector = (selector & ~3) | l->cpl;
	lodge_op(set_segment)(l->vcpu, seg, &s);
	return 0;
}

/* Real mode keeps limit and rights, virtual-8086 mode has its own (SDM 20.1.2). */
static void load_real(struct lodge_vcpu *vcpu, int seg, u16 selector)
{
	struct lodge_segment s = {
		.limit = 0xffff, .type = 3, .s = 1, .dpl = 3, .present = 1,
	};

	if (!is_virtual8086(vcpu))
		lodge_op(get_segment)(vcpu, seg, &s);
	s.selector = selector;
	s.base = selector << 4;
	lodge_op(set_segment)(vcpu, seg, &s);
}

int lodge_load_segment(struct lodge_vcpu *vcpu, int seg, u16 selector,
		       struct lodge_exception *fault)
{
	const struct loading l = {
		.vcpu = vcpu, .fault = fault, .cpl = lodge_op(cpl)(vcpu),
	};

	if (lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PE && !is_virtual8086(vcpu))
		return load_protected(&l, seg, selector);
	if (seg >= LODGE_LDTR)
		return lodge_raise(fault, X86_TRAP_UD, 0);
	load_real(vcpu, seg, selector);
	return 0;
}

/* One task switch: what is known about it before anything is changed. */
struct task_switch {
	struct loading l;
	enum lodge_task_source source;
	u16 selector;
	u64 descriptor;			/* linear address of the new TSS's */
	struct lodge_segment tr;	/* the new one */
	const struct tss_layout *layout;
	u8 tss[104];
};

static const struct tss_layout *layout_of(const struct lodge_segment *tr)
{
	return tr->type & TYPE_32BIT ? &tss32 : &tss16;
}

static u32 slot(const struct task_switch *t, u32 i)
{
	u32 value = 0;

	memcpy(&value, t->tss + i * t->layout->width, t->layout->width);
	return value;
}

static bool from_hardware(const struct task_switch *t)
{
	const struct lodge_event *event = &t->l.vcpu->inflight;

	return t->source == LODGE_TASK_GATE && event->valid &&
	       event->type < LODGE_EV_SOFT_INTERRUPT;
}

/* Where the old task goes on: behind the instruction, unless an event came in between. */
static int next_rip(const struct task_switch *t, u64 *rip)
{
	struct lodge_vcpu *vcpu = t->l.vcpu;
	struct lodge_fetch fetch;
	struct lodge_insn insn;

	*rip = lodge_reg_read(vcpu, LODGE_RIP);
	if (from_hardware(t))
		return 0;
	lodge_fetch_code(vcpu, &fetch, false);
	if (lodge_decode(&insn, fetch.bytes, fetch.count, lodge_code_size(vcpu)))
		return fetch.status == -EAGAIN || fetch.status == -ENODATA ? fetch.status : -EIO;
	*rip = (u32)(*rip + insn.length);
	return 0;
}

/* The new task's descriptor and state; what the CPU may have left to us of the checks. */
static int read_task(struct task_switch *t)
{
	const struct loading *l = &t->l;
	bool iret = t->source == LODGE_TASK_IRET;
	u8 vector = iret ? X86_TRAP_TS : X86_TRAP_GP;
	struct desc_struct raw;
	int rc;

	if (t->selector & 4 || !(t->selector & ~3))
		return bad_selector(l, vector, t->selector);
	rc = read_descriptor(l, t->selector, vector, &t->descriptor, &raw, sizeof(raw));
	if (rc)
		return rc;
	unpack(&raw, t->selector, &t->tr);
	if (t->tr.s || (t->tr.type & ~TYPE_32BIT) != (iret ? TYPE_TSS | TYPE_BUSY : TYPE_TSS))
		return bad_selector(l, vector, t->selector);
	if (!t->tr.present)
		return bad_selector(l, X86_TRAP_NP, t->selector);
	t->layout = layout_of(&t->tr);
	if (t->tr.limit < t->layout->limit)
		return bad_selector(l, X86_TRAP_TS, t->selector);
	t->tr.type |= TYPE_BUSY;
	return lodge_system_memory(l->vcpu, t->tr.base, t->tss, t->layout->limit + 1, false,
				   l->fault);
}

/* (E)IP, flags, registers and segments of the old task into its TSS. */
static int save_task(struct task_switch *t, const struct lodge_segment *tr, u64 rip)
{
	struct lodge_vcpu *vcpu = t->l.vcpu;
	const struct tss_layout *layout = layout_of(tr);
	u32 i, count = 10 + layout->segs, values[16] = { rip };
	struct lodge_segment s;
	u8 tss[16 * 4];

	values[1] = lodge_reg_read(vcpu, LODGE_RFLAGS);
	if (t->source == LODGE_TASK_IRET)
		values[1] &= ~X86_EFLAGS_NT;
	for (i = 0; i < 8; i++)
		values[2 + i] = lodge_reg_read(vcpu, i);
	for (i = 0; i < layout->segs; i++) {
		lodge_op(get_segment)(vcpu, i, &s);
		values[10 + i] = s.selector;
	}
	for (i = 0; i < count; i++)
		memcpy(tss + i * layout->width, &values[i], layout->width);
	return lodge_system_memory(vcpu, tr->base + layout->ip * layout->width, tss,
				   count * layout->width, true, t->l.fault);
}

static int set_busy(const struct loading *l, u64 descriptor, bool busy)
{
	u8 byte = 0;
	int rc = lodge_system_memory(l->vcpu, descriptor + TYPE_BYTE, &byte, 1, false, l->fault);

	byte = busy ? byte | TYPE_BUSY : byte & ~TYPE_BUSY;
	return rc ?: lodge_system_memory(l->vcpu, descriptor + TYPE_BYTE, &byte, 1, true, l->fault);
}

/* Memory is written in the order of SDM 7.3, steps 5 to 11. */
static int leave_task(struct task_switch *t)
{
	bool nested = t->source == LODGE_TASK_CALL || t->source == LODGE_TASK_GATE;
	struct lodge_vcpu *vcpu = t->l.vcpu;
	struct lodge_segment tr;
	struct desc_struct raw;
	u64 rip, old;
	int rc = next_rip(t, &rip);

	lodge_op(get_segment)(vcpu, LODGE_TR, &tr);
	rc = rc ?: read_descriptor(&t->l, tr.selector, X86_TRAP_TS, &old, &raw, sizeof(raw)) ?:
	     save_task(t, &tr, rip);
	if (rc)
		return rc;
	rc = nested ? lodge_system_memory(vcpu, t->tr.base, &tr.selector, 2, true, t->l.fault) :
		      set_busy(&t->l, old, false);
	return rc || t->source == LODGE_TASK_IRET ? rc : set_busy(&t->l, t->descriptor, true);
}

/* Registers of the new task. From here on faults are the new task's. */
static int load_registers(struct task_switch *t)
{
	struct lodge_vcpu *vcpu = t->l.vcpu;
	u32 ip = t->layout->ip, i;
	u64 flags = slot(t, ip + 1) | X86_EFLAGS_FIXED;

	lodge_op(set_segment)(vcpu, LODGE_TR, &t->tr);
	lodge_set_cr0(vcpu, lodge_reg_read(vcpu, LODGE_CR0) | X86_CR0_TS);
	if (t->layout == &tss32 && lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PG &&
	    lodge_set_cr3(vcpu, slot(t, 7)))
		return bad_selector(&t->l, X86_TRAP_TS, t->selector);
	if (t->source == LODGE_TASK_CALL || t->source == LODGE_TASK_GATE)
		flags |= X86_EFLAGS_NT;
	lodge_reg_write(vcpu, LODGE_RIP, slot(t, ip));
	lodge_reg_write(vcpu, LODGE_RFLAGS, flags & TASK_FLAGS);
	for (i = 0; i < 8; i++)
		lodge_reg_write(vcpu, i, slot(t, ip + 2 + i));
	lodge_op(set_shadow)(vcpu, 0);
	vcpu->dr7 &= ~(u64)DR7_LOCAL;
	lodge_op(sync_dr7)(vcpu);
	return 0;
}

/* All selectors are there before the first descriptor is looked at (SDM 7.3). */
static int load_segments(struct task_switch *t)
{
	static const u8 order[] = { LODGE_CS, LODGE_SS, LODGE_ES, LODGE_DS, LODGE_FS, LODGE_GS };
	struct lodge_vcpu *vcpu = t->l.vcpu;
	u32 first = t->layout->ip + 10, i;
	u16 selectors[LODGE_LDTR] = { }, ldt = slot(t, first + t->layout->segs);
	bool real = is_virtual8086(vcpu);
	struct lodge_segment s;
	int rc;

	for (i = 0; i < t->layout->segs; i++)
		selectors[i] = slot(t, first + i);
	t->l.cpl = real ? 3 : selectors[LODGE_CS] & 3;
	for (i = 0; i < LODGE_LDTR; i++) {
		lodge_op(get_segment)(vcpu, i, &s);
		s.selector = selectors[i];
		if (i == LODGE_CS || i == LODGE_SS)
			s.dpl = t->l.cpl;
		lodge_op(set_segment)(vcpu, i, &s);
		if (real)
			load_real(vcpu, i, selectors[i]);
	}
	s = (struct lodge_segment) { .selector = ldt, .unusable = 1 };
	lodge_op(set_segment)(vcpu, LODGE_LDTR, &s);
	rc = load_protected(&t->l, LODGE_LDTR, ldt);
	for (i = 0; i < ARRAY_SIZE(order) && !rc && !real; i++)
		rc = load_protected(&t->l, order[i], selectors[order[i]]);
	return rc;
}

static int push_error(struct task_switch *t, u32 error)
{
	const struct lodge_segmode mode = { .code = LODGE_CODE32, .protected = true };
	struct lodge_vcpu *vcpu = t->l.vcpu;
	u64 rsp = lodge_reg_read(vcpu, LODGE_RSP), addr;
	u32 bytes = t->layout->width, mask;
	struct lodge_segment ss;

	lodge_op(get_segment)(vcpu, LODGE_SS, &ss);
	mask = ss.db ? ~0u : 0xffff;
	rsp = (rsp & ~(u64)mask) | ((rsp - bytes) & mask);
	if (lodge_segment_linear(&mode, &ss, LODGE_SS, rsp & mask, bytes, true, &addr))
		return lodge_raise(t->l.fault, X86_TRAP_SS, t->l.ext);
	lodge_reg_write(vcpu, LODGE_RSP, rsp);
	return lodge_system_memory(vcpu, addr, &error, bytes, true, t->l.fault);
}

static int switch_task(struct lodge_vcpu *vcpu, struct lodge_exception *fault)
{
	struct task_switch t = {
		.l = { .vcpu = vcpu, .fault = fault, .cpl = lodge_op(cpl)(vcpu), .task = true },
		.source = vcpu->exit.task.source, .selector = vcpu->exit.task.selector,
	};
	int rc;

	t.l.ext = from_hardware(&t);
	rc = read_task(&t) ?: leave_task(&t);
	if (rc)
		return rc;
	rc = load_registers(&t) ?: load_segments(&t);
	if (!rc && vcpu->exit.task.has_error)
		rc = push_error(&t, vcpu->exit.task.error);
	/* The debug trap flag */
	if (!rc && t.layout == &tss32 && slot(&t, 25) & 1)
		lodge_queue_debug(vcpu, LODGE_DR6_BT);
	/* Half done it cannot be tried again. */
	return rc == -EAGAIN || rc == -ENODATA ? -EIO : rc;
}

/**
 * lodge_task_switch() - do the task switch that vcpu->exit describes
 * @vcpu: loaded vCPU; ring 2
 *
 * The event that caused it is delivered with it; IRET ends the blocking of NMIs.
 */
enum lodge_next lodge_task_switch(struct lodge_vcpu *vcpu)
{
	bool nmi = vcpu->inflight.valid && vcpu->inflight.type == LODGE_EV_NMI;
	struct lodge_exception fault = { };
	int rc = switch_task(vcpu, &fault);

	if (rc == -EAGAIN)
		return LODGE_REENTER;
	if (rc == -ENODATA)
		return lodge_user_memory(vcpu, LODGE_EXIT_MEMORY);
	if (rc && rc != -EFAULT)
		return lodge_user_internal(vcpu, LODGE_INTERNAL_TASK_SWITCH,
					   lodge_reg_read(vcpu, LODGE_RIP), -rc);
	if (rc)
		lodge_queue_fault(vcpu, &fault);
	vcpu->inflight.valid = false;
	if (nmi || vcpu->exit.task.source == LODGE_TASK_IRET)
		lodge_op(set_nmi_masked)(vcpu, nmi);
	return LODGE_REENTER;
}
