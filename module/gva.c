// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest virtual addresses of a vCPU: page walks, segments and instruction
 * bytes. The rules are in translate.c; here is where the state comes from.
 */
#include "ops.h"

/* Whose tables are walked, and where */
struct reader {
	struct lodge_vcpu *vcpu;
	bool atomic;		/* ring 1: nothing that may fault */
};

/* 0; -EAGAIN: not in ring 1; -ENODATA: lodge_user_memory() tells userspace; -EIO */
static int access_guest(const struct reader *r, u64 gpa, u32 access, void *data, u32 bytes)
{
	int rc = lodge_copy_guest(r->vcpu->vm, gpa, data, bytes, access & LODGE_ACCESS_WRITE,
				  r->atomic);

	if (rc != -EFAULT)
		return rc && rc != -EAGAIN ? -EIO : rc;
	r->vcpu->exit.fault.gpa = gpa;
	r->vcpu->exit.fault.access = access;
	return -ENODATA;
}

static int read_table(void *ctx, u64 gpa, u64 *entry, u32 bytes)
{
	return access_guest(ctx, gpa, LODGE_ACCESS_READ, entry, bytes);
}

/* 0, -EAGAIN when the entry is another by now, -EFAULT */
static int cmpxchg_user(void __user *entry, u64 old, u64 new, u32 bytes)
{
	u32 old32 = (u32)old;
	bool same;

	if (!user_access_begin(entry, bytes))
		return -EFAULT;
	if (bytes == 8)
		same = unsafe_try_cmpxchg_user((u64 __user *)entry, &old, new, fault);
	else
		same = unsafe_try_cmpxchg_user((u32 __user *)entry, &old32, (u32)new, fault);
	user_access_end();
	return same ? 0 : -EAGAIN;
fault:
	user_access_end();
	return -EFAULT;
}

/* Tables in memory that cannot be written stay as they are. */
static int mark_table(void *ctx, u64 gpa, u64 old, u64 bits, u32 bytes)
{
	struct lodge_vcpu *vcpu = ((struct reader *)ctx)->vcpu;
	void __user *entry;
	u64 contiguous;
	int rc = 0;

	guard(srcu)(&vcpu->vm->mmu.srcu);
	entry = lodge_gpa_to_user(vcpu->vm, gpa, true, &contiguous);
	if (entry && contiguous >= bytes)
		rc = cmpxchg_user(entry, old, old | bits, bytes);
	if (entry && !rc)
		lodge_mark_dirty(vcpu->vm, gpa, bytes);
	return rc == -EAGAIN ? rc : 0;
}

static int walk(const struct reader *r, u64 gva, u32 access, struct lodge_walk *out)
{
	struct lodge_vcpu *vcpu = r->vcpu;
	bool implicit = access & LODGE_ACCESS_IMPLICIT;
	struct lodge_paging paging = {
		.cr0 = lodge_reg_read(vcpu, LODGE_CR0),
		.cr3 = lodge_reg_read(vcpu, LODGE_CR3),
		.cr4 = lodge_reg_read(vcpu, LODGE_CR4),
		.efer = vcpu->efer,
		.pkru = vcpu->fpu.pkru,
		.maxphyaddr = clamp_t(u8, vcpu->maxphyaddr, 32, 52),
		.ac = !implicit && lodge_reg_read(vcpu, LODGE_RFLAGS) & X86_EFLAGS_AC,
		.read = read_table,
		.mark = r->atomic ? NULL : mark_table,
		.ctx = (void *)r,
	};

	if (access && !implicit && lodge_op(cpl)(vcpu) == 3)
		access |= LODGE_ACCESS_USER;
	return lodge_walk_tables(&paging, gva, access & ~LODGE_ACCESS_IMPLICIT, out);
}

int lodge_gva_to_gpa(struct lodge_vcpu *vcpu, u64 gva, u32 access, struct lodge_walk *out)
{
	return walk(&(struct reader){ .vcpu = vcpu }, gva, access, out);
}

int lodge_system_memory(struct lodge_vcpu *vcpu, u64 linear, void *data, u32 bytes, bool write,
			struct lodge_exception *fault)
{
	u32 access = write ? LODGE_ACCESS_WRITE : LODGE_ACCESS_READ;
	const struct reader r = { .vcpu = vcpu };
	struct lodge_walk out;
	u32 now;
	int rc;

	for (; bytes; bytes -= now, data += now, linear += now) {
		now = min_t(u32, bytes, PAGE_SIZE - offset_in_page(linear));
		rc = walk(&r, linear, access | LODGE_ACCESS_IMPLICIT, &out);
		if (rc == -EFAULT) {
			fault->cr2 = linear;
			return lodge_raise(fault, X86_TRAP_PF, out.error);
		}
		rc = rc ?: access_guest(&r, out.gpa, access, data, now);
		if (rc)
			return rc;
	}
	return 0;
}

static enum lodge_code code_size(struct lodge_vcpu *vcpu, const struct lodge_segment *cs)
{
	if (lodge_long_mode(vcpu) && cs->l)
		return LODGE_CODE64;
	return cs->db ? LODGE_CODE32 : LODGE_CODE16;
}

enum lodge_code lodge_code_size(struct lodge_vcpu *vcpu)
{
	struct lodge_segment cs;

	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	return code_size(vcpu, &cs);
}

/*
 * Linear address of RIP, and how many bytes of code the segment holds there:
 * at most 15.
 */
static u32 code_window(struct lodge_vcpu *vcpu, u64 *linear)
{
	u64 rip = lodge_reg_read(vcpu, LODGE_RIP);
	struct lodge_segment cs;

	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	if (code_size(vcpu, &cs) == LODGE_CODE64) {
		*linear = rip;
		return LODGE_INSN_MAX;
	}
	*linear = (u32)(cs.base + rip);
	if (rip > cs.limit)
		return 0;
	return min_t(u64, LODGE_INSN_MAX, cs.limit - rip + 1);
}

/**
 * lodge_fetch_code() - bytes at CS:RIP
 * @vcpu: loaded vCPU
 * @fetch: result
 * @atomic: ring 1: nothing that may fault
 */
void lodge_fetch_code(struct lodge_vcpu *vcpu, struct lodge_fetch *fetch, bool atomic)
{
	const struct reader r = { .vcpu = vcpu, .atomic = atomic };
	struct lodge_walk out = { };
	u32 room, now;
	u64 linear;

	BUILD_BUG_ON(LODGE_INSN_MAX > sizeof(vcpu->exit.code));
	fetch->count = 0;
	fetch->status = 0;
	if (lodge_peek_code(vcpu)) {
		fetch->count = LODGE_INSN_MAX;
		memcpy(fetch->bytes, vcpu->exit.code, LODGE_INSN_MAX);
		return;
	}
	room = code_window(vcpu, &linear);
	while (fetch->count < room && !fetch->status) {
		now = min_t(u32, room - fetch->count, PAGE_SIZE - offset_in_page(linear));
		fetch->status = walk(&r, linear, LODGE_ACCESS_EXEC, &out) ?:
				access_guest(&r, out.gpa, LODGE_ACCESS_EXEC,
					     fetch->bytes + fetch->count, now);
		fetch->gva = linear;
		fetch->error = out.error;
		if (!fetch->status)
			fetch->count += now;
		linear += now;
		if (!lodge_long_mode(vcpu))
			linear = (u32)linear;
	}
}

unsigned int lodge_insn_len_atomic(struct lodge_vcpu *vcpu)
{
	struct lodge_fetch fetch;
	struct lodge_insn insn;
	unsigned int length;

	if (lodge_peek_code(vcpu)) {
		length = lodge_short_length(vcpu->exit.code[0]);
		if (length)
			return length;
	}
	lodge_fetch_code(vcpu, &fetch, true);
	return lodge_decode(&insn, fetch.bytes, fetch.count, lodge_code_size(vcpu)) ? 0 :
	       insn.length;
}
