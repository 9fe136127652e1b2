// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers: what the guest may write (SDM 2.5, APM 3.1).
 *
 * Every setter refuses with -EINVAL, having changed nothing, where the manuals
 * give #GP. The vCPU is loaded.
 */
#include "ops.h"

#define CR0_DEFINED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET |	\
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD |	\
			 X86_CR0_PG)
#define CR4_TLB		(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE |		\
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_LA57 | X86_CR4_PKE)
/* A change of one of these loads the PDPTEs. */
#define CR0_PDPTES	(X86_CR0_PG | X86_CR0_CD | X86_CR0_NW)
#define CR4_PDPTES	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP)
#define PDPTE_RESERVED	0x1e6ull	/* SDM table 4-8 */

/* Combinations that MOV to CR0 accepts at all. */
bool lodge_cr0_valid(u64 cr0)
{
	return !(cr0 >> 32) && (!(cr0 & X86_CR0_NW) || (cr0 & X86_CR0_CD)) &&
	       (!(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE));
}

/*
 * lodge_read_pdptes() - the four entries that CR3 points to under PAE paging: 0; -EAGAIN: ring 2
 * has to do what vcpu->exit says first; -errno: they are in no memory
 */
int lodge_read_pdptes(struct lodge_vcpu *vcpu, u64 cr3, u64 pdpte[4])
{
	u64 gpa = cr3 & 0xffffffe0;
	int ret = lodge_read_guest_atomic(vcpu->vm, gpa, pdpte, 4 * sizeof(*pdpte));

	if (ret == -EAGAIN) {
		vcpu->exit.kind = LODGE_K_FAULT;
		vcpu->exit.fault.gpa = gpa;
		vcpu->exit.fault.access = LODGE_ACCESS_READ;
	}
	return ret;
}

/*
 * PAE paging loads four entries when it is switched on or changed (SDM 4.4.1,
 * APM 5.2.3): none may have a reserved bit set.
 */
static int check_pdptes(struct lodge_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4)
{
	u64 pdpte[4], reserved = PDPTE_RESERVED | ~GENMASK_ULL(vcpu->maxphyaddr - 1, 0);
	int i, ret;

	if (!(cr0 & X86_CR0_PG) || !(cr4 & X86_CR4_PAE) || (vcpu->efer & EFER_LME))
		return 0;
	ret = lodge_read_pdptes(vcpu, cr3, pdpte);
	if (ret == -EAGAIN)
		return ret;
	for (i = 0; i < 4 && !ret; i++)
		if ((pdpte[i] & _PAGE_PRESENT) && (pdpte[i] & reserved))
			return -EINVAL;
	return 0;
}

/* Paging is being switched: EFER.LMA follows (SDM 9.8.5). */
static int switch_paging(struct lodge_vcpu *vcpu, bool on)
{
	u64 cr4 = lodge_reg_read(vcpu, LODGE_CR4);
	struct lodge_segment cs;

	set_bit(LODGE_REQ_TLB, &vcpu->requests);
	if (!(vcpu->efer & (on ? EFER_LME : EFER_LMA)))
		return 0;
	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	if (cs.l || (on ? !(cr4 & X86_CR4_PAE) : cr4 & X86_CR4_PCIDE))
		return -EINVAL;
	lodge_op(set_efer)(vcpu, on ? vcpu->efer | EFER_LMA : vcpu->efer & ~EFER_LMA);
	return 0;
}

int lodge_set_cr0(struct lodge_vcpu *vcpu, u64 value)
{
	u64 old = lodge_reg_read(vcpu, LODGE_CR0);
	int ret = 0;

	if (!lodge_cr0_valid(value))
		return -EINVAL;
	value = (value & CR0_DEFINED) | X86_CR0_ET;
	if ((old ^ value) & CR0_PDPTES)
		ret = check_pdptes(vcpu, value, lodge_reg_read(vcpu, LODGE_CR3),
				   lodge_reg_read(vcpu, LODGE_CR4));
	if (!ret && (old ^ value) & X86_CR0_PG)
		ret = switch_paging(vcpu, value & X86_CR0_PG);
	if (ret)
		return ret;
	if ((old ^ value) & X86_CR0_WP)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	lodge_op(set_cr0)(vcpu, value);
	return 0;
}

int lodge_set_cr3(struct lodge_vcpu *vcpu, u64 value)
{
	u64 cr4 = lodge_reg_read(vcpu, LODGE_CR4);
	bool keep = (cr4 & X86_CR4_PCIDE) && (value & X86_CR3_PCID_NOFLUSH);
	int ret;

	if (keep)
		value &= ~X86_CR3_PCID_NOFLUSH;
	if (lodge_long_mode(vcpu) && value >> vcpu->maxphyaddr)
		return -EINVAL;
	ret = check_pdptes(vcpu, lodge_reg_read(vcpu, LODGE_CR0), value, cr4);
	if (ret)
		return ret;
	lodge_op(set_cr3)(vcpu, value);
	if (!keep)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	return 0;
}

static bool cr4_valid(struct lodge_vcpu *vcpu, u64 old, u64 value)
{
	bool fixed = !(value & X86_CR4_PAE) || ((old ^ value) & X86_CR4_LA57);

	if ((value & vcpu->cr4_guest_rsvd) || (lodge_long_mode(vcpu) && fixed))
		return false;
	if (!(old & X86_CR4_PCIDE) && (value & X86_CR4_PCIDE))
		return lodge_long_mode(vcpu) &&
		       !(lodge_reg_read(vcpu, LODGE_CR3) & X86_CR3_PCID_MASK);
	return true;
}

int lodge_set_cr4(struct lodge_vcpu *vcpu, u64 value)
{
	u64 old = lodge_reg_read(vcpu, LODGE_CR4);
	int ret = 0;

	if (!cr4_valid(vcpu, old, value))
		return -EINVAL;
	if ((old ^ value) & CR4_PDPTES)
		ret = check_pdptes(vcpu, lodge_reg_read(vcpu, LODGE_CR0),
				   lodge_reg_read(vcpu, LODGE_CR3), value);
	if (ret)
		return ret;
	lodge_op(set_cr4)(vcpu, value);
	if ((old ^ value) & CR4_TLB)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	return 0;
}

/* Bits of EFER that this guest's CPUID offers, and LMA. */
u64 lodge_efer_offered(struct lodge_vcpu *vcpu)
{
	return EFER_LMA | (lodge_guest_has(vcpu, X86_FEATURE_SYSCALL) ? EFER_SCE : 0) |
	       (lodge_guest_has(vcpu, X86_FEATURE_LM) ? EFER_LME : 0) |
	       (lodge_guest_has(vcpu, X86_FEATURE_NX) ? EFER_NX : 0) |
	       (lodge_guest_has(vcpu, X86_FEATURE_FXSR_OPT) ? EFER_FFXSR : 0);
}

/* LMA is the CPU's own: writes leave it as it is. */
int lodge_set_efer(struct lodge_vcpu *vcpu, u64 value)
{
	u64 old = vcpu->efer;

	if ((value & ~lodge_efer_offered(vcpu)) ||
	    (((value ^ old) & EFER_LME) && (lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PG)))
		return -EINVAL;
	if ((value ^ old) & EFER_NX)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	lodge_op(set_efer)(vcpu, (value & ~EFER_LMA) | (old & EFER_LMA));
	return 0;
}

#define DR6_VOLATILE	(DR_TRAP_BITS | LODGE_DR6_BD | DR_STEP | LODGE_DR6_BT)
#define DR7_FIXED	0x400ull
#define DR7_VOLATILE	0xffff23ffull

u64 lodge_get_dr(struct lodge_vcpu *vcpu, int dr)
{
	if (dr < 4)
		return vcpu->dr[dr];
	return dr == 4 || dr == 6 ? vcpu->dr6 : vcpu->dr7;
}

int lodge_set_dr(struct lodge_vcpu *vcpu, int dr, u64 value)
{
	if (dr >= 4 && value >> 32)
		return -EINVAL;
	if (dr < 4)
		vcpu->dr[dr] = value;
	else if (dr == 4 || dr == 6)
		vcpu->dr6 = (value & DR6_VOLATILE) | DR6_RESERVED;
	else
		vcpu->dr7 = (value & DR7_VOLATILE) | DR7_FIXED;
	lodge_op(sync_dr7)(vcpu);
	return 0;
}
