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

#define CODE_BYTES	(2 * sizeof(u64))

/* What all entries of a walk have, and what any of them has. */
struct entries {
	u64 all;
	u64 any;
};

/*
 * Everything has to be in the memory slot that faulted last, whose user addresses
 * were checked when it was made. Under vm->mmu.srcu
 */
static bool read_code(struct lodge_vcpu *vcpu, u64 linear, u64 cr3, struct entries *walk,
		      u64 code[2])
{
	const struct lodge_memslot *slot = &vcpu->fault_cache.slots[0].slot;
	u64 entry = cr3, all = ~0ull, any = 0, mask, at;
	unsigned int shift = PML4_SHIFT;
	const u64 __user *user;

	pagefault_disable();
	if (!user_access_begin((void __user *)slot->user_addr, CODE_BYTES))
		goto failed;
	for (;; shift -= 9) {
		at = (entry & PTE_ADDRESS) + (linear >> shift & 0x1ff) * sizeof(u64) - slot->gpa;
		if (at >= slot->bytes)
			goto fault;
		unsafe_get_user(entry, (const u64 __user *)(slot->user_addr + at), fault);
		all &= entry;
		any |= entry;
		if (shift == PAGE_SHIFT || (entry & PTE_LARGE && shift <= PDPT_SHIFT))
			break;
	}
	mask = BIT_ULL(shift) - 1;
	at = (entry & PTE_ADDRESS & ~mask) + (linear & mask) - slot->gpa;
	if (at >= slot->bytes)
		goto fault;
	user = (const u64 __user *)(slot->user_addr + at);
	unsafe_get_user(code[0], user, fault);
	unsafe_get_user(code[1], user + 1, fault);
	user_access_end();
	pagefault_enable();
	walk->all = all;
	walk->any = any;
	return true;
fault:
	user_access_end();
failed:
	pagefault_enable();
	return false;
}

/*
 * lodge_peek_code() - 16 bytes at RIP, which the CPU could execute; any ring. What entries hold
 * beyond their defined bits is not looked at: the CPU has fetched this instruction
 */
bool lodge_peek_code(struct lodge_vcpu *vcpu, u64 code[2])
{
	u64 rip = lodge_reg_read(vcpu, LODGE_RIP), cr4, want = PTE_PRESENT | PTE_ACCESSED;
	struct lodge_mmu *mmu = &vcpu->vm->mmu;
	struct entries walk;
	bool done;
	int idx;

	if (!lodge_long_mode(vcpu) || !lodge_op(code64)(vcpu) ||
	    offset_in_page(rip) > PAGE_SIZE - CODE_BYTES)
		return false;
	cr4 = lodge_reg_read(vcpu, LODGE_CR4);
	if (cr4 & X86_CR4_LA57)
		return false;
	idx = srcu_read_lock(&mmu->srcu);
	done = vcpu->fault_cache.slots[0].generation == READ_ONCE(mmu->generation) &&
	       read_code(vcpu, rip, lodge_reg_read(vcpu, LODGE_CR3), &walk, code);
	srcu_read_unlock(&mmu->srcu, idx);
	if (!done)
		return false;
	if (lodge_op(cpl)(vcpu) == 3)
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
static const u8 *move_operand(struct lodge_vcpu *vcpu, struct lodge_move *m, const u8 *at, u8 rex)
{
	u8 modrm = *at++, mode = modrm >> 6, base = modrm & 7, sib, index;
	s32 disp;

	if (mode == 3 || (!mode && base == 5))	/* a register; relative to RIP */
		return NULL;
	m->linear = 0;
	if (base == 4) {
		sib = *at++;
		base = sib & 7;
		index = (sib >> 3 & 7) | (rex & 2) << 2;
		if (index != 4)
			m->linear = lodge_reg_read(vcpu, index) << (sib >> 6);
	}
	if (mode || base != 5)
		m->linear += lodge_reg_read(vcpu, base | (rex & 1) << 3);
	else
		mode = 2;
	if (mode == 1)
		m->linear += (s8)*at++;
	if (mode != 2)
		return at;
	memcpy(&disp, at, sizeof(disp));
	m->linear += (s64)disp;
	return at + sizeof(disp);
}

/*
 * lodge_decode_move() - a MOV, MOVZX or MOVSX between memory and a general register, or of an
 * immediate to memory, in 64-bit mode, without a segment's base: false for anything else.
 * @code: as lodge_peek_code() gives it
 */
bool lodge_decode_move(struct lodge_vcpu *vcpu, const u64 code[2], struct lodge_move *m)
{
	const u8 *at = (const u8 *)code, *opcode;
	u8 rex = 0, modrm;
	u32 bytes, imm;

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
	at = move_operand(vcpu, m, at, rex);
	if (!at)
		return false;
	if (*opcode >= 0xc6) {
		bytes = min_t(u32, m->load.to, 4);
		memcpy(&imm, at, sizeof(imm));
		m->value = sign_extend64(imm, bytes * 8 - 1);
		at += bytes;
	} else if (m->store) {
		m->value = lodge_reg_read(vcpu, m->load.reg);
	}
	m->length = at - (const u8 *)code;
	return true;
}

/*
 * Is this what accessed @gpa, without anything that the emulator looks at? It may
 * have been changed since: then the address differs, or the guest gets what it
 * might have got by executing it now.
 */
static bool plain(struct lodge_vcpu *vcpu, u64 gpa, bool write, const struct lodge_move *m)
{
	return m->store == write && !((m->linear ^ gpa) & ~PAGE_MASK) &&
	       !(gpa & (m->load.bytes - 1)) && !(vcpu->dr7 & 0xff);
}

/*
 * lodge_on_mmio() - an access to an address without memory, in ring 1; LODGE_HANDLE: ring 2 has to
 * emulate it. @gpa: as the CPU translated the instruction's operand
 */
enum lodge_next lodge_on_mmio(struct lodge_vcpu *vcpu, u64 gpa, bool write)
{
	struct lodge_move m;
	u64 code[2], value = 0;
	bool done;

	if (vcpu->inflight.valid || vcpu->replay.count || !lodge_peek_code(vcpu, code) ||
	    !lodge_decode_move(vcpu, code, &m) || !plain(vcpu, gpa, write, &m))
		return LODGE_HANDLE;
	lodge_reason(vcpu, LODGE_REASON_MMIO, gpa);
	if (m.store)
		value = m.value & lodge_mask(m.load.bytes);
	done = lodge_device_access(vcpu, LODGE_SPACE_MMIO, gpa, m.load.bytes, m.store, &value);
	/* As for ports: the exit is a point between instructions. */
	lodge_advance(vcpu, m.length);
	/* VMX saves it as for a fault (SDM 28.3.3); the instruction is through. */
	if (vcpu->regs[LODGE_RFLAGS] & X86_EFLAGS_RF)
		lodge_reg_write(vcpu, LODGE_RFLAGS,
				vcpu->regs[LODGE_RFLAGS] & ~(u64)X86_EFLAGS_RF);
	if (done && !m.store)
		lodge_finish_load(vcpu, m.load, value);
	if (done)
		return LODGE_REENTER;
	if (!m.store)
		vcpu->load = m.load;
	return lodge_user_access(vcpu, LODGE_SPACE_MMIO, gpa, m.load.bytes, m.store, value);
}
