// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ring 1's short way to the instruction at RIP, and to device memory: 64-bit
 * code under four-level paging, and the MOVs that drivers are made of. Whatever
 * is another case, or looks doubtful, is left to gva.c and the emulator.
 */
#include "ops.h"

#define PTE_ADDRESS	GENMASK_ULL(51, 12)
#define PML4_SHIFT	39

#define CODE_BYTES	(2 * sizeof(u64))

/* What all entries of a walk have, and what any of them has. */
struct entries {
	u64 all;
	u64 any;
};

/* One step of read_code(): from a table to the entry that decides on bit @shift */
static __always_inline bool read_entry(const struct lodge_memslot *slot, u64 linear, int shift,
				       u64 *entry, struct entries *walk)
{
	u64 at = (*entry & PTE_ADDRESS) + (linear >> shift & 0x1ff) * sizeof(u64) - slot->gpa;

	if (at >= slot->bytes)
		return false;
	unsafe_get_user(*entry, (const u64 __user *)(slot->user_addr + at), fault);
	walk->all &= *entry;
	walk->any |= *entry;
	return true;
fault:
	return false;
}

/*
 * Everything has to be in the memory slot that faulted last, whose user addresses
 * were checked when it was made. Under vm->mmu.srcu
 */
static __always_inline bool read_code(struct lodge_vcpu *vcpu, u64 linear, u64 entry,
				      struct entries *walk)
{
	const struct lodge_memslot *slot = &vcpu->fault_cache.slots[0].slot;
	u64 mask = BIT_ULL(PUD_SHIFT) - 1, at;
	const u64 __user *user;

	pagefault_disable();
	if (!user_access_begin((void __user *)slot->user_addr, CODE_BYTES))
		goto failed;
	if (!read_entry(slot, linear, PML4_SHIFT, &entry, walk) ||
	    !read_entry(slot, linear, PUD_SHIFT, &entry, walk))
		goto fault;
	if (!(entry & _PAGE_PSE)) {
		mask = BIT_ULL(PMD_SHIFT) - 1;
		if (!read_entry(slot, linear, PMD_SHIFT, &entry, walk))
			goto fault;
	}
	if (!(entry & _PAGE_PSE)) {
		mask = ~PAGE_MASK;
		if (!read_entry(slot, linear, PAGE_SHIFT, &entry, walk))
			goto fault;
	}
	at = (entry & PTE_ADDRESS & ~mask) + (linear & mask) - slot->gpa;
	if (at >= slot->bytes)
		goto fault;
	user = (const u64 __user *)(slot->user_addr + at);
	unsafe_get_user(vcpu->exit.code[0], user, fault);
	unsafe_get_user(vcpu->exit.code[1], user + 1, fault);
	user_access_end();
	pagefault_enable();
	return true;
fault:
	user_access_end();
failed:
	pagefault_enable();
	return false;
}

/*
 * lodge_peek_code() - vcpu->exit.code: 16 bytes at RIP, which the CPU could execute; any ring. What
 * entries hold beyond their defined bits is not looked at: the CPU has fetched this instruction
 */
bool lodge_peek_code(struct lodge_vcpu *vcpu)
{
	/* Bits that change by an exit only are right even when the register is not valid. */
	u64 rip, cr3, cr4 = vcpu->regs[LODGE_CR4], want = _PAGE_PRESENT | _PAGE_ACCESSED;
	struct lodge_mmu *mmu = &vcpu->vm->mmu;
	struct entries walk = { .all = ~0ull };
	bool done;
	u32 mode;
	int idx;

	if (!lodge_long_mode(vcpu) || cr4 & X86_CR4_LA57)
		return false;
	mode = lodge_op(fetch_insn)(vcpu);
	rip = lodge_reg_read(vcpu, LODGE_RIP);
	cr3 = lodge_reg_read(vcpu, LODGE_CR3);
	if (!(mode & LODGE_INSN_CODE64) || offset_in_page(rip) > PAGE_SIZE - CODE_BYTES)
		return false;
	idx = srcu_read_lock(&mmu->srcu);
	done = vcpu->fault_cache.slots[0].generation == READ_ONCE(mmu->generation) &&
	       read_code(vcpu, rip, cr3, &walk);
	srcu_read_unlock(&mmu->srcu, idx);
	if (!done)
		return false;
	if ((mode & 3) == 3)
		want |= _PAGE_USER;
	else if (walk.all & _PAGE_USER && cr4 & X86_CR4_SMEP)
		return false;
	return (walk.all & want) == want && !(walk.any & _PAGE_NX);
}

/* Length of what exits most, if it has no prefixes; 0: something else */
unsigned int lodge_short_length(u64 code)
{
	switch ((u16)code) {
	case 0xa20f:		/* CPUID */
	case 0x320f:		/* RDMSR */
	case 0x300f:		/* WRMSR */
	case 0x90f3:		/* PAUSE */
		return 2;
	case 0x010f:		/* VMMCALL, XSETBV: no memory operand */
		return (u8)(code >> 16) >= 0xc0 ? 3 : 0;
	}
	return (u8)code == 0xf4;	/* HLT */
}

/*
 * lodge_decode_move() - a MOV, MOVZX or MOVSX between memory and a general register, or of an
 * immediate to memory, in 64-bit mode, without a segment's base: false for anything else.
 * @code: as lodge_peek_code() gives it
 */
bool lodge_decode_move(const u64 code[2], struct lodge_insn *insn)
{
	bool high;

	if (lodge_decode(insn, (const u8 *)code, LODGE_INSN_MAX, LODGE_CODE64) ||
	    (insn->op != LODGE_OP_MOV && insn->op != LODGE_OP_MOVZX &&
	     insn->op != LODGE_OP_MOVSX) ||
	    (insn->form != LODGE_FORM_RM_R && insn->form != LODGE_FORM_R_RM &&
	     insn->form != LODGE_FORM_RM_IMM))
		return false;
	/* AH to BH */
	high = insn->opsize == 1 && insn->form != LODGE_FORM_RM_IMM && !insn->rex &&
	       insn->reg >= 4;
	return insn->modrm < 0xc0 && !high && !insn->rip_relative && insn->addrsize == 8 &&
	       insn->segment < LODGE_FS && !insn->rep && !insn->repne;
}

/* The linear address of its memory operand */
static __always_inline u64 address_of(struct lodge_vcpu *vcpu, const struct lodge_insn *insn)
{
	u64 linear = insn->disp;

	if (insn->base != LODGE_NO_REG)
		linear += lodge_reg_read(vcpu, insn->base);
	if (insn->index != LODGE_NO_REG)
		linear += lodge_reg_read(vcpu, insn->index) << insn->scale;
	return linear;
}

/* What a store writes, in its low bytes */
static __always_inline u64 value_of(struct lodge_vcpu *vcpu, const struct lodge_insn *insn)
{
	return insn->form == LODGE_FORM_RM_IMM ? insn->imm : lodge_reg_read(vcpu, insn->reg);
}

/** lodge_move_operands() - both, for the tests */
void lodge_move_operands(struct lodge_vcpu *vcpu, const struct lodge_insn *insn, u64 *linear,
			 u64 *value)
{
	*linear = address_of(vcpu, insn);
	*value = value_of(vcpu, insn);
}

/* A MOV is decoded once, and remembered by its bytes; @load.bytes: 0 for another instruction */
static noinline void decode_anew(struct lodge_vcpu *vcpu, struct lodge_move *m)
{
	const struct lodge_insn *insn = &m->insn;
	bool known;

	memcpy(m->code, vcpu->exit.code, sizeof(m->code));
	known = lodge_decode_move(m->code, &m->insn);
	m->load = (struct lodge_load) {
		known ? insn->srcsize : 0, insn->opsize, insn->reg, insn->op == LODGE_OP_MOVSX
	};
}

/*
 * Is this what accessed @gpa, without anything that the emulator looks at? It may
 * have been changed since: then the address differs, or the guest gets what it
 * might have got by executing it now.
 */
static __always_inline bool plain(struct lodge_vcpu *vcpu, const struct lodge_move *m, u64 gpa,
				  bool write)
{
	bool load = m->insn.form == LODGE_FORM_R_RM;

	return m->load.bytes && load != write &&
	       !((address_of(vcpu, &m->insn) ^ gpa) & ~PAGE_MASK) &&
	       !(gpa & (m->load.bytes - 1)) && !(vcpu->dr7 & 0xff);
}

/* VMX saves RF as for a fault (SDM 28.3.3); the instruction is through. */
static void step_over(struct lodge_vcpu *vcpu, unsigned int len)
{
	u64 flags = lodge_reg_read(vcpu, LODGE_RFLAGS);

	lodge_advance_fetched(vcpu, len);
	if (flags & X86_EFLAGS_RF)
		lodge_reg_write(vcpu, LODGE_RFLAGS, flags & ~(u64)X86_EFLAGS_RF);
}

/*
 * lodge_on_mmio() - an access to an address without memory, in ring 1; LODGE_HANDLE: ring 2 has to
 * emulate it. @gpa: as the CPU translated the instruction's operand. As for ports, the exit is a
 * point between instructions
 */
enum lodge_next lodge_on_mmio(struct lodge_vcpu *vcpu, u64 gpa, bool write)
{
	struct lodge_move *m;
	bool done;

	if (vcpu->inflight.valid || vcpu->replay.count || !lodge_peek_code(vcpu))
		return LODGE_HANDLE;
	m = &vcpu->moves[vcpu->regs[LODGE_RIP] % ARRAY_SIZE(vcpu->moves)];
	/* An address, or the index would be scaled for each member. */
	OPTIMIZER_HIDE_VAR(m);
	if (vcpu->exit.code[0] != m->code[0] || vcpu->exit.code[1] != m->code[1])
		decode_anew(vcpu, m);
	if (!plain(vcpu, m, gpa, write))
		return LODGE_HANDLE;
	lodge_reason(vcpu, LODGE_REASON_MMIO, gpa);
	vcpu->exit.value = write ? value_of(vcpu, &m->insn) : 0;
	done = lodge_mmio_access(vcpu, gpa, m->load.bytes, write, &vcpu->exit.value);
	step_over(vcpu, m->insn.length);
	if (done && !write)
		lodge_finish_load(vcpu, m->load, vcpu->exit.value);
	if (done)
		return LODGE_REENTER;
	if (!write)
		vcpu->load = m->load;
	return lodge_user_access(vcpu, LODGE_SPACE_MMIO, gpa, m->load.bytes, write,
				 vcpu->exit.value & lodge_mask(m->load.bytes));
}
