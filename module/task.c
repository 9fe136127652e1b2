// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment descriptors, and the hardware task switch that is made of loading
 * them all (SDM volume 3, 7.3; APM volume 2, 12.3).
 */
#include <linux/string.h>
#include <asm/desc_defs.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "insn.h"
#include "lodge.h"
#include "ops.h"

#define TYPE_ACCESSED	1
#define TYPE_BUSY	2
#define TYPE_TSS	1	/* 16-bit, available */
#define TYPE_LDT	2
#define TYPE_32BIT	8
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

/* Linear address of a descriptor's @bytes, or -EFAULT: it is outside its table. */
static int descriptor_address(const struct loading *l, u16 selector, u32 bytes, u8 vector,
			      u64 *addr)
{
	struct lodge_dtable gdt;
	struct lodge_segment ldt;
	u32 offset = selector & ~7u;

	lodge_op(get_dtable)(l->vcpu, false, &gdt);
	lodge_op(get_segment)(l->vcpu, LODGE_LDTR, &ldt);
	if (selector & 4 && ldt.unusable)
		return bad_selector(l, vector, selector);
	if (offset + bytes - 1 > (selector & 4 ? ldt.limit : gdt.limit))
		return bad_selector(l, vector, selector);
	*addr = (selector & 4 ? ldt.base : gdt.base) + offset;
	return 0;
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
	bool code = s->type & 8, conforming = s->type & 4, rw = s->type & 2;
	u8 rpl = s->selector & 3;
	bool fits;

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
	if (!s->present)
		return seg == LODGE_SS ? X86_TRAP_SS : X86_TRAP_NP;
	return 0;
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
static int load_descriptor(const struct loading *l, int seg, u16 selector)
{
	u8 vector = l->task ? X86_TRAP_TS : X86_TRAP_GP, want;
	bool wide = lodge_long_mode(l->vcpu) && seg >= LODGE_LDTR;
	struct { struct desc_struct d; u32 base3, zero; } raw = { };
	struct lodge_segment s;
	u64 addr;
	int rc;

	if (seg >= LODGE_LDTR && selector & 4)
		return bad_selector(l, vector, selector);
	rc = descriptor_address(l, selector, wide ? 16 : 8, vector, &addr);
	if (!rc)
		rc = lodge_system_memory(l->vcpu, addr, &raw, wide ? 16 : 8, false, l->fault);
	if (rc)
		return rc;
	unpack(&raw.d, selector, &s);
	s.base |= (u64)raw.base3 << 32;
	/* A far branch to a gate or a task goes elsewhere. */
	if (seg == LODGE_CS && !l->task && !s.s)
		return -EOPNOTSUPP;
	want = lodge_segment_fault(&s, seg, l->cpl, l->task);
	if (wide && seg == LODGE_TR && !(s.type & TYPE_32BIT))
		want = X86_TRAP_GP;
	if (want)
		return bad_selector(l, want == X86_TRAP_GP ? vector : want, selector);
	want = seg == LODGE_TR ? TYPE_BUSY : s.s ? TYPE_ACCESSED : 0;
	if (want & ~s.type) {
		raw.d.type = s.type |= want;
		rc = lodge_system_memory(l->vcpu, addr + 5, (u8 *)&raw + 5, 1, true, l->fault);
		if (rc)
			return rc;
	}
	if (seg == LODGE_CS && !l->task)
		s.selector = (selector & ~3) | l->cpl;
	lodge_op(set_segment)(l->vcpu, seg, &s);
	return 0;
}

/* Real mode keeps limit and rights, virtual-8086 mode has its own (SDM 20.1.2). */
static void load_real(struct lodge_vcpu *vcpu, int seg, u16 selector)
{
	struct lodge_segment s;

	lodge_op(get_segment)(vcpu, seg, &s);
	s.selector = selector;
	s.base = selector << 4;
	if (is_virtual8086(vcpu))
		s = (struct lodge_segment) {
			.base = s.base, .limit = 0xffff, .selector = selector, .type = 3,
			.s = 1, .dpl = 3, .present = 1,
		};
	lodge_op(set_segment)(vcpu, seg, &s);
}

static int load_segment(const struct loading *l, int seg, u16 selector)
{
	bool protected = lodge_reg_read(l->vcpu, LODGE_CR0) & X86_CR0_PE;

	if (seg < LODGE_LDTR && (!protected || is_virtual8086(l->vcpu))) {
		load_real(l->vcpu, seg, selector);
		return 0;
	}
	if (!protected || is_virtual8086(l->vcpu))
		return lodge_raise(l->fault, X86_TRAP_UD, 0);
	if (!(selector & ~3))
		return load_null(l, seg, selector, l->task ? X86_TRAP_TS : X86_TRAP_GP);
	return load_descriptor(l, seg, selector);
}

int lodge_load_segment(struct lodge_vcpu *vcpu, int seg, u16 selector,
		       struct lodge_exception *fault)
{
	const struct loading l = {
		.vcpu = vcpu, .fault = fault, .cpl = lodge_op(cpl)(vcpu),
	};

	return load_segment(&l, seg, selector);
}

static u32 slot(const u8 *tss, const struct tss_layout *t, u32 i)
{
	u32 value = 0;

	memcpy(&value, tss + i * t->width, t->width);
	return value;
}

static void set_slot(u8 *tss, const struct tss_layout *t, u32 i, u32 value)
{
	memcpy(tss + i * t->width, &value, t->width);
}

/* One task switch: what is known about it before anything is changed. */
struct task_switch {
	struct loading l;
	enum lodge_task_source source;
	u16 selector;
	u64 descriptor;			/* linear address of the new TSS's */
	u64 old_descriptor;
	struct desc_struct raw;
	struct lodge_segment tr;	/* the new one */
	struct lodge_segment old_tr;
	const struct tss_layout *layout;
	const struct tss_layout *old_layout;
	u8 tss[104];
};

/* Where the old task goes on: RIP of the next instruction unless an event interrupted it. */
static int next_rip(struct lodge_vcpu *vcpu, enum lodge_task_source source, u64 *rip)
{
	const struct lodge_event *event = &vcpu->inflight;
	u8 bytes[LODGE_INSN_MAX];
	struct lodge_insn insn;
	int count;

	*rip = lodge_reg_read(vcpu, LODGE_RIP);
	if (source == LODGE_TASK_GATE && event->valid && event->type < LODGE_EV_SOFT_INTERRUPT)
		return 0;
	count = lodge_fetch_insn(vcpu, bytes, false);
	if (count <= 0 || lodge_decode(&insn, bytes, count, lodge_code_size(vcpu)))
		return count == -EAGAIN ? count : -EIO;
	*rip = (u32)(*rip + insn.length);
	return 0;
}

/* The new task's descriptor and state; what the CPU may have left to us of the checks. */
static int read_task(struct task_switch *t)
{
	const struct loading *l = &t->l;
	bool busy, iret = t->source == LODGE_TASK_IRET;
	u8 vector = iret ? X86_TRAP_TS : X86_TRAP_GP;
	int rc;

	if (t->selector & 4 || !(t->selector & ~3))
		return bad_selector(l, vector, t->selector);
	rc = descriptor_address(l, t->selector, 8, vector, &t->descriptor);
	if (!rc)
		rc = lodge_system_memory(l->vcpu, t->descriptor, &t->raw, 8, false, l->fault);
	if (rc)
		return rc;
	unpack(&t->raw, t->selector, &t->tr);
	busy = t->tr.type & TYPE_BUSY;
	if (t->tr.s || (t->tr.type & 5) != TYPE_TSS || busy != iret)
		return bad_selector(l, vector, t->selector);
	if (!t->tr.present)
		return bad_selector(l, X86_TRAP_NP, t->selector);
	t->layout = t->tr.type & TYPE_32BIT ? &tss32 : &tss16;
	if (t->tr.limit < t->layout->limit)
		return bad_selector(l, X86_TRAP_TS, t->selector);
	return lodge_system_memory(l->vcpu, t->tr.base, t->tss, t->layout->limit + 1, false,
				   l->fault);
}

/* (E)IP, flags, registers and segments of the old task into its TSS. */
static int save_task(struct task_switch *t, u64 rip)
{
	struct lodge_vcpu *vcpu = t->l.vcpu;
	const struct tss_layout *layout = t->old_layout;
	u64 flags = lodge_reg_read(vcpu, LODGE_RFLAGS);
	struct lodge_segment s;
	u8 tss[104] = { };
	u32 i, ip = layout->ip, end = ip + 10 + layout->segs;

	if (t->source == LODGE_TASK_IRET)
		flags &= ~(u64)X86_EFLAGS_NT;
	set_slot(tss, layout, ip, rip);
	set_slot(tss, layout, ip + 1, flags);
	for (i = 0; i < 8; i++)
		set_slot(tss, layout, ip + 2 + i, lodge_reg_read(vcpu, i));
	for (i = 0; i < layout->segs; i++) {
		lodge_op(get_segment)(vcpu, i, &s);
		set_slot(tss, layout, ip + 10 + i, s.selector);
	}
	return lodge_system_memory(vcpu, t->old_tr.base + ip * layout->width,
				   tss + ip * layout->width, (end - ip) * layout->width, true,
				   t->l.fault);
}

/* The type byte of a TSS's descriptor, with or without the busy bit. */
static int set_busy(const struct loading *l, u64 descriptor, bool busy)
{
	u8 byte;
	int rc = lodge_system_memory(l->vcpu, descriptor + 5, &byte, 1, false, l->fault);

	byte = busy ? byte | TYPE_BUSY : byte & ~TYPE_BUSY;
	return rc ?: lodge_system_memory(l->vcpu, descriptor + 5, &byte, 1, true, l->fault);
}

/* Registers of the new task. From here on faults are the new task's. */
static int load_registers(struct task_switch *t)
{
	struct lodge_vcpu *vcpu = t->l.vcpu;
	const struct tss_layout *layout = t->layout;
	u64 flags = slot(t->tss, layout, layout->ip + 1) | X86_EFLAGS_FIXED;
	int i;

	lodge_op(set_segment)(vcpu, LODGE_TR, &t->tr);
	lodge_set_cr0(vcpu, lodge_reg_read(vcpu, LODGE_CR0) | X86_CR0_TS);
	if (layout == &tss32 && lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PG &&
	    lodge_set_cr3(vcpu, slot(t->tss, layout, 7)))
		return bad_selector(&t->l, X86_TRAP_TS, t->selector);
	if (t->source == LODGE_TASK_CALL || t->source == LODGE_TASK_GATE)
		flags |= X86_EFLAGS_NT;
	if (layout == &tss16)
		flags &= 0xffff;
	lodge_reg_write(vcpu, LODGE_RIP, slot(t->tss, layout, layout->ip));
	lodge_reg_write(vcpu, LODGE_RFLAGS, flags & TASK_FLAGS);
	for (i = 0; i < 8; i++)
		lodge_reg_write(vcpu, i, slot(t->tss, layout, layout->ip + 2 + i));
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
	const struct tss_layout *layout = t->layout;
	u32 first = layout->ip + 10;
	u16 selectors[LODGE_LDTR] = { }, ldt = slot(t->tss, layout, first + layout->segs);
	struct lodge_segment s;
	int i, rc = 0;

	for (i = 0; i < layout->segs; i++)
		selectors[i] = slot(t->tss, layout, first + i);
	t->l.cpl = is_virtual8086(vcpu) ? 3 : selectors[LODGE_CS] & 3;
	for (i = 0; i < LODGE_LDTR; i++) {
		lodge_op(get_segment)(vcpu, i, &s);
		s.selector = selectors[i];
		if (i == LODGE_CS || i == LODGE_SS)
			s.dpl = t->l.cpl;
		lodge_op(set_segment)(vcpu, i, &s);
		if (is_virtual8086(vcpu))
			load_real(vcpu, i, selectors[i]);
	}
	s = (struct lodge_segment) { .selector = ldt, .unusable = 1 };
	lodge_op(set_segment)(vcpu, LODGE_LDTR, &s);
	if (ldt & ~3)
		rc = load_descriptor(&t->l, LODGE_LDTR, ldt);
	for (i = 0; i < ARRAY_SIZE(order) && !rc; i++)
		rc = load_segment(&t->l, order[i], selectors[order[i]]);
	return rc;
}

static int push_error(struct task_switch *t, u32 error)
{
	const struct lodge_segmode mode = { .code = LODGE_CODE32, .protected = true };
	struct lodge_vcpu *vcpu = t->l.vcpu;
	u64 rsp = lodge_reg_read(vcpu, LODGE_RSP), addr;
	struct lodge_segment ss;
	u32 mask;

	lodge_op(get_segment)(vcpu, LODGE_SS, &ss);
	mask = ss.db ? ~0u : 0xffff;
	rsp = (rsp & ~(u64)mask) | ((rsp - t->layout->width) & mask);
	if (lodge_segment_linear(&mode, &ss, LODGE_SS, rsp & mask, t->layout->width, true, &addr))
		return lodge_raise(t->l.fault, X86_TRAP_SS, t->l.ext);
	lodge_reg_write(vcpu, LODGE_RSP, rsp);
	return lodge_system_memory(vcpu, addr, &error, t->layout->width, true, t->l.fault);
}

/* The old task is left: memory is written in the order of SDM 7.3, steps 5 to 11. */
static int leave_task(struct task_switch *t)
{
	struct lodge_vcpu *vcpu = t->l.vcpu;
	u64 rip;
	int rc = next_rip(vcpu, t->source, &rip);

	lodge_op(get_segment)(vcpu, LODGE_TR, &t->old_tr);
	t->old_layout = t->old_tr.type & TYPE_32BIT ? &tss32 : &tss16;
	if (!rc)
		rc = descriptor_address(&t->l, t->old_tr.selector, 8, X86_TRAP_TS,
					&t->old_descriptor);
	if (!rc)
		rc = save_task(t, rip);
	if (!rc && (t->source == LODGE_TASK_JMP || t->source == LODGE_TASK_IRET))
		rc = set_busy(&t->l, t->old_descriptor, false);
	if (!rc && (t->source == LODGE_TASK_CALL || t->source == LODGE_TASK_GATE))
		rc = lodge_system_memory(vcpu, t->tr.base, &t->old_tr.selector, 2, true,
					 t->l.fault);
	if (!rc && t->source != LODGE_TASK_IRET)
		rc = set_busy(&t->l, t->descriptor, true);
	t->tr.type |= TYPE_BUSY;
	return rc;
}

static int switch_task(struct lodge_vcpu *vcpu, struct lodge_exception *fault)
{
	const struct lodge_event *event = &vcpu->inflight;
	struct task_switch t = {
		.l = { .vcpu = vcpu, .fault = fault, .cpl = lodge_op(cpl)(vcpu), .task = true },
		.source = vcpu->exit.task.source, .selector = vcpu->exit.task.selector,
	};
	int rc;

	if (t.source == LODGE_TASK_GATE && event->valid && event->type < LODGE_EV_SOFT_INTERRUPT)
		t.l.ext = 1;
	rc = read_task(&t);
	if (!rc)
		rc = leave_task(&t);
	if (!rc)
		rc = load_registers(&t);
	if (!rc)
		rc = load_segments(&t);
	if (!rc && vcpu->exit.task.has_error)
		rc = push_error(&t, vcpu->exit.task.error);
	/* The debug trap flag */
	if (!rc && t.layout == &tss32 && slot(t.tss, &tss32, 25) & 1)
		lodge_queue_debug(vcpu, LODGE_DR6_BT);
	return rc;
}

/**
 * lodge_task_switch() - do the task switch that vcpu->exit describes
 * @vcpu: loaded vCPU; ring 2
 *
 * The event that caused it is delivered with it; IRET ends the blocking of NMIs.
 */
enum lodge_next lodge_task_switch(struct lodge_vcpu *vcpu)
{
	struct lodge_event event = vcpu->inflight;
	struct lodge_exception fault = { };
	int rc = switch_task(vcpu, &fault);

	if (rc == -EAGAIN)
		return LODGE_REENTER;
	if (rc && rc != -EFAULT)
		return lodge_user_internal(vcpu, LODGE_INTERNAL_TASK_SWITCH,
					   lodge_reg_read(vcpu, LODGE_RIP), -rc);
	if (rc)
		lodge_queue_fault(vcpu, &fault);
	vcpu->inflight.valid = false;
	if (vcpu->exit.task.source == LODGE_TASK_IRET)
		lodge_op(set_nmi_masked)(vcpu, false);
	else if (event.valid && event.type == LODGE_EV_NMI)
		lodge_op(set_nmi_masked)(vcpu, true);
	return LODGE_REENTER;
}
