// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMCB holds, and the permission map that says which of them the
 * guest reaches without an exit (APM 15.11). One map serves all vCPUs: what is
 * open in it is switched by VMRUN, VMLOAD and VMSAVE, whoever the guest is.
 */
#include <linux/bitops.h>
#include <asm/msr-index.h>

#include "svm.h"

#define RANGE_MSRS	0x2000
#define RANGE_BYTES	0x800

/**
 * svm_msrpm_bit() - place of an MSR in the permission map
 * @index: MSR
 *
 * Return: number of its read bit, its write bit follows; -EINVAL when the map
 * does not cover it, which always exits.
 */
int svm_msrpm_bit(u32 index)
{
	static const u32 ranges[] = { 0, 0xc0000000, 0xc0010000 };
	int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (index - ranges[i] < RANGE_MSRS)
			return i * RANGE_BYTES * 8 + (index - ranges[i]) * 2;
	return -EINVAL;
}

/* The MSRs that VMLOAD, VMSAVE and VMRUN switch: where they are, or -EINVAL. */
static int field(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
		return offsetof(struct svm_save, fs.base);
	case MSR_GS_BASE:
		return offsetof(struct svm_save, gs.base);
	case MSR_KERNEL_GS_BASE:
		return offsetof(struct svm_save, kernel_gs_base);
	case MSR_STAR:
		return offsetof(struct svm_save, star);
	case MSR_LSTAR:
		return offsetof(struct svm_save, lstar);
	case MSR_CSTAR:
		return offsetof(struct svm_save, cstar);
	case MSR_SYSCALL_MASK:
		return offsetof(struct svm_save, sfmask);
	case MSR_IA32_SYSENTER_CS:
		return offsetof(struct svm_save, sysenter_cs);
	case MSR_IA32_SYSENTER_ESP:
		return offsetof(struct svm_save, sysenter_esp);
	case MSR_IA32_SYSENTER_EIP:
		return offsetof(struct svm_save, sysenter_eip);
	case MSR_IA32_CR_PAT:
		return offsetof(struct svm_save, g_pat);
	}
	return -EINVAL;
}

static bool holds_address(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return true;
	}
	return false;
}

/* Whether LA57 is on or not is the guest's affair: take the wider meaning. */
static bool canonical(u64 value)
{
	return sign_extend64(value, 56) == value;
}

/**
 * svm_msrpm_build() - open the permission map
 * @map: two pages of ones
 * @passthrough: MSRs that may be open, ends with 0
 *
 * PAT stays closed: its fields have reserved values that WRMSR must refuse and
 * VMRUN does not.
 */
void svm_msrpm_build(u8 *map, const u32 *passthrough)
{
	for (; *passthrough; passthrough++) {
		int bit = svm_msrpm_bit(*passthrough);

		if (bit < 0 || *passthrough == MSR_IA32_CR_PAT ||
		    field(*passthrough) < 0)
			continue;
		map[bit / 8] &= ~(3 << (bit % 8));
	}
}

int svm_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	int offset = field(index);

	if (offset < 0)
		return -EINVAL;
	*value = *(u64 *)((void *)svm_save(vcpu) + offset);
	return 0;
}

int svm_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	int offset = field(index);

	if (offset < 0 || (holds_address(index) && !canonical(value)))
		return -EINVAL;
	*(u64 *)((void *)svm_save(vcpu) + offset) = value;
	if (index == MSR_IA32_CR_PAT)
		svm_dirty(vcpu, SVM_C_NESTED);
	return 0;
}
