// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control and debug registers: what the guest may write (SDM 2.5, APM 3.1).
 *
 * Every setter refuses with -EINVAL, having changed nothing, where the manuals
 * give #GP. The vCPU is loaded.
 */
#include <linux/sched.h>
#include <asm/debugreg.h>

#include "lodge.h"
#include "ops.h"

#define CR0_DEFINED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | \
			 X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | \
			 X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
#define CR4_TLB		(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | \
			 X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP | \
			 X86_CR4_LA57 | X86_CR4_PKE)
#define EFER_DEFINED	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)

/**
 * lodge_cr0_valid() - combinations that MOV to CR0 accepts at all
 * @cr0: value
 */
bool lodge_cr0_valid(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

static int enter_long_mode(struct lodge_vcpu *vcpu)
{
	struct lodge_segment cs;

	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	if (!(lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_PAE) || cs.l)
		return -EINVAL;
	lodge_op(set_efer)(vcpu, vcpu->efer | EFER_LMA);
	return 0;
}

static int leave_long_mode(struct lodge_vcpu *vcpu)
{
	struct lodge_segment cs;

	lodge_op(get_segment)(vcpu, LODGE_CS, &cs);
	if ((lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_PCIDE) || cs.l)
		return -EINVAL;
	lodge_op(set_efer)(vcpu, vcpu->efer & ~EFER_LMA);
	return 0;
}

/* Paging is being switched: EFER.LMA follows (SDM 9.8.5). */
static int switch_paging(struct lodge_vcpu *vcpu, bool on)
{
	set_bit(LODGE_REQ_TLB, &vcpu->requests);
	if (on && (vcpu->efer & EFER_LME))
		return enter_long_mode(vcpu);
	if (!on && (vcpu->efer & EFER_LMA))
		return leave_long_mode(vcpu);
	return 0;
}

int lodge_set_cr0(struct lodge_vcpu *vcpu, u64 value)
{
	u64 old = lodge_reg_read(vcpu, LODGE_CR0);
	int ret;

	if (!lodge_cr0_valid(value))
		return -EINVAL;
	value = (value & CR0_DEFINED) | X86_CR0_ET;
	if ((old ^ value) & X86_CR0_PG) {
		ret = switch_paging(vcpu, value & X86_CR0_PG);
		if (ret)
			return ret;
	}
	if ((old ^ value) & X86_CR0_WP)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	lodge_op(set_cr0)(vcpu, value);
	return 0;
}

int lodge_set_cr3(struct lodge_vcpu *vcpu, u64 value)
{
	bool keep = false;

	if (lodge_long_mode(vcpu)) {
		if (lodge_reg_read(vcpu, LODGE_CR4) & X86_CR4_PCIDE) {
			keep = value & X86_CR3_PCID_NOFLUSH;
			value &= ~X86_CR3_PCID_NOFLUSH;
		}
		if (value >> vcpu->maxphyaddr)
			return -EINVAL;
	}
	lodge_op(set_cr3)(vcpu, value);
	if (!keep)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	return 0;
}

static bool cr4_valid(struct lodge_vcpu *vcpu, u64 old, u64 value)
{
	if (value & vcpu->cr4_guest_rsvd)
		return false;
	if (lodge_long_mode(vcpu) && !(value & X86_CR4_PAE))
		return false;
	if (lodge_long_mode(vcpu) && ((old ^ value) & X86_CR4_LA57))
		return false;
	if (!(old & X86_CR4_PCIDE) && (value & X86_CR4_PCIDE))
		return lodge_long_mode(vcpu) &&
		       !(lodge_reg_read(vcpu, LODGE_CR3) & X86_CR3_PCID_MASK);
	return true;
}

int lodge_set_cr4(struct lodge_vcpu *vcpu, u64 value)
{
	u64 old = lodge_reg_read(vcpu, LODGE_CR4);

	if (!cr4_valid(vcpu, old, value))
		return -EINVAL;
	lodge_op(set_cr4)(vcpu, value);
	if ((old ^ value) & CR4_TLB)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	return 0;
}

int lodge_set_cr8(struct lodge_vcpu *vcpu, u64 value)
{
	if (value & ~0xfull)
		return -EINVAL;
	lodge_lapic_set_cr8(vcpu, value);
	return 0;
}

int lodge_set_efer(struct lodge_vcpu *vcpu, u64 value)
{
	bool paging = lodge_reg_read(vcpu, LODGE_CR0) & X86_CR0_PG;
	u64 allowed = EFER_LMA;

	if (lodge_guest_has(vcpu, X86_FEATURE_SYSCALL))
		allowed |= EFER_SCE;
	if (lodge_guest_has(vcpu, X86_FEATURE_LM))
		allowed |= EFER_LME;
	if (lodge_guest_has(vcpu, X86_FEATURE_NX))
		allowed |= EFER_NX;
	if (value & ~(allowed & EFER_DEFINED))
		return -EINVAL;
	if (paging && ((value ^ vcpu->efer) & EFER_LME))
		return -EINVAL;
	value = (value & ~EFER_LMA) | (vcpu->efer & EFER_LMA);
	if ((value ^ vcpu->efer) & EFER_NX)
		set_bit(LODGE_REQ_TLB, &vcpu->requests);
	lodge_op(set_efer)(vcpu, value);
	return 0;
}

#define DR6_FIXED	0xffff0ff0ull
#define DR6_VOLATILE	(DR_TRAP_BITS | LODGE_DR6_BD | DR_STEP | LODGE_DR6_BT)
#define DR7_FIXED	0x400ull
#define DR7_VOLATILE	0xffff2bffull

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
		vcpu->dr6 = (value & DR6_VOLATILE) | DR6_FIXED;
	else
		vcpu->dr7 = (value & DR7_VOLATILE) | DR7_FIXED;
	lodge_op(sync_dr7)(vcpu);
	return 0;
}
