// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ring 1's short way to the instruction at RIP, and to device memory: 64-bit
 * code under four-level paging, and the MOVs that drivers are made of. Whatever
 * is another case, or looks doubtful, is left to gva.c and the emulator.
 */
#include "insn.h"
#include "lodge.h"
#include "ops.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_USER	BIT_ULL(2)
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_LARGE	BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDRESS	GENMASK_ULL(51, 12)
#define PML4_SHIFT	39
#define PDPT_SHIFT	30
#define PD_SHIFT	21

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
	u64 mask = BIT_ULL(PDPT_SHIFT) - 1, at;
	const u64 __user *user;

	pagefault_disable();
	if (!user_access_begin((void __user *)slot->user_addr, CODE_BYTES))
		goto failed;
	if (!read_entry(slot, linear, PML4_SHIFT, &entry, walk) ||
	    !read_entry(slot, linear, PDPT_SHIFT, &entry, walk))
		goto fault;
	if (!(entry & PTE_LARGE)) {
		mask = BIT_ULL(PD_SHIFT) - 1;
		if (!read_entry(slot, linear, PD_SHIFT, &entry, walk))
			goto fault;
	}
	if (!(entry & PTE_LARGE)) {
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
	u64 rip, cr3, cr4 = vcpu->regs[LODGE_CR4], want = PTE_PRESENT | PTE_ACCESSED;
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
		want |= PTE_USER;
	else if (walk.all & PTE_USER && cr4 & X86_CR4_SMEP)
		return false;
	return (walk.all & want) == want && !(walk.any & PTE_NX);
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

/* Opcode of @m, from @at: what follows it, or NULL */
static const u8 *move_opcode(struct lodge_move *m, const u8 *at)
{
	m->load.sign = false;
	m->store = false;
	switch (*at++) {
	case 0x88:
	case 0xc6:
		m->store = true;
		fallthrough;
	case 0x8a:
		m->load.to = 1;
		fallthrough;
	case 0x8b:
		m->load.bytes = m->load.to;
		return at;
	case 0x89:
	case 0xc7:
		m->store = true;
		m->load.bytes = m->load.to;
		return at;
	case 0x0f:
		if ((*at & 0xf6) != 0xb6)	/* MOVZX, MOVSX */
			return NULL;
		m->load.sign = *at & 8;
		m->load.bytes = 1 + (*at & 1);
		return at + 1;
	}
	return NULL;
}

/* Its memory operand: what follows that, or NULL */
static const u8 *move_operand(struct lodge_move *m, const u8 *at, u8 rex)
{
	u8 modrm = *at++, mode = modrm >> 6, base = modrm & 7, sib, index;

	if (mode == 3 || (!mode && base == 5))	/* a register; relative to RIP */
		return NULL;
	m->index = LODGE_NO_REG;
	m->base = LODGE_NO_REG;
	m->disp = 0;
	if (base == 4) {
		sib = *at++;
		base = sib & 7;
		index = (sib >> 3 & 7) | (rex & 2) << 2;
		m->scale = sib >> 6;
		if (index != 4)
			m->index = index;
	}
	if (mode || base != 5)
		m->base = base | (rex & 1) << 3;
	else
		mode = 2;
	if (mode == 1)
		m->disp = (s8)*at++;
	if (mode != 2)
		return at;
	memcpy(&m->disp, at, sizeof(m->disp));
	return at + sizeof(m->disp);
}

/*
 * lodge_decode_move() - a MOV, MOVZX or MOVSX between memory and a general register, or of an
 * immediate to memory, in 64-bit mode, without a segment's base: false for anything else.
 * @code: as lodge_peek_code() gives it
 */
bool lodge_decode_move(const u64 code[2], struct lodge_move *m)
{
	const u8 *at = (const u8 *)code, *opcode;
	u8 rex = 0, modrm;
	u32 bytes;

	m->load.to = 4;
	if (*at == 0x66) {
		m->load.to = 2;
		at++;
	}
	if ((*at & 0xf0) == 0x40)
		rex = *at++;
	if (rex & 8)
		m->load.to = 8;
	opcode = at;
	at = move_opcode(m, at);
	if (!at)
		return false;
	modrm = *at;
	m->load.reg = (modrm >> 3 & 7) | (rex & 4) << 1;
	/* AH to BH; groups that have but one member */
	if ((m->load.to == 1 && !rex && m->load.reg >= 4) || (*opcode >= 0xc6 && modrm & 0x38))
		return false;
	at = move_operand(m, at, rex);
	if (!at)
		return false;
	m->immediate = *opcode >= 0xc6;
	if (m->immediate) {
		bytes = min_t(u32, m->load.to, 4);
		memcpy(&m->imm, at, sizeof(m->imm));
		m->imm = lodge_sign_extend(m->imm, bytes);
		at += bytes;
	}
	m->length = at - (const u8 *)code;
	return true;
}

/* The linear address of its memory operand */
static __always_inline u64 address_of(struct lodge_vcpu *vcpu, const struct lodge_move *m)
{
	u64 linear = (s64)m->disp;

	if (m->base != LODGE_NO_REG)
		linear += lodge_reg_read(vcpu, m->base);
	if (m->index != LODGE_NO_REG)
		linear += lodge_reg_read(vcpu, m->index) << m->scale;
	return linear;
}

/* What a store writes, in its low bytes */
static __always_inline u64 value_of(struct lodge_vcpu *vcpu, const struct lodge_move *m)
{
	return m->immediate ? (u64)(s64)m->imm : lodge_reg_read(vcpu, m->load.reg);
}

/** lodge_move_operands() - both, for the tests */
void lodge_move_operands(struct lodge_vcpu *vcpu, const struct lodge_move *m, u64 *linear,
			 u64 *value)
{
	*linear = address_of(vcpu, m);
	*value = value_of(vcpu, m) & lodge_mask(m->load.bytes);
}

/* Others' MOVs are decoded, and remembered by their bytes; vcpu->move.length: 0 for none */
static noinline void decode_anew(struct lodge_vcpu *vcpu)
{
	memcpy(vcpu->move_code, vcpu->exit.code, sizeof(vcpu->move_code));
	if (!lodge_decode_move(vcpu->move_code, &vcpu->move))
		vcpu->move.length = 0;
}

/*
 * Is this what accessed @gpa, without anything that the emulator looks at? It may
 * have been changed since: then the address differs, or the guest gets what it
 * might have got by executing it now.
 */
static __always_inline bool plain(struct lodge_vcpu *vcpu, u64 gpa, bool write)
{
	const struct lodge_move *m = &vcpu->move;

	return m->length && m->store == write &&
	       !((address_of(vcpu, m) ^ gpa) & ~PAGE_MASK) &&
	       !(gpa & (m->load.bytes - 1)) && !(vcpu->dr7 & 0xff);
}

/* VMX saves RF as for a fault (SDM 28.3.3); the instruction is through. */
static void step_over(struct lodge_vcpu *vcpu)
{
	u64 flags = lodge_reg_read(vcpu, LODGE_RFLAGS);

	lodge_advance_fetched(vcpu, vcpu->move.length);
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
	const struct lodge_load *load = &vcpu->move.load;
	bool done;

	if (vcpu->inflight.valid || vcpu->replay.count || !lodge_peek_code(vcpu))
		return LODGE_HANDLE;
	if (vcpu->exit.code[0] != vcpu->move_code[0] || vcpu->exit.code[1] != vcpu->move_code[1])
		decode_anew(vcpu);
	if (!plain(vcpu, gpa, write))
		return LODGE_HANDLE;
	lodge_reason(vcpu, LODGE_REASON_MMIO, gpa);
	vcpu->exit.value = write ? value_of(vcpu, &vcpu->move) : 0;
	done = lodge_mmio_access(vcpu, gpa, load->bytes, write, &vcpu->exit.value);
	step_over(vcpu);
	if (done && !write)
		lodge_finish_load(vcpu, *load, vcpu->exit.value);
	if (done)
		return LODGE_REENTER;
	if (!write)
		vcpu->load = *load;
	return lodge_user_access(vcpu, LODGE_SPACE_MMIO, gpa, load->bytes, write,
				 vcpu->exit.value & lodge_mask(load->bytes));
}
