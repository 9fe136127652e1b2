// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMCB holds, and the permission map that says which of them the
 * guest reaches without an exit (APM 15.11). One map serves all vCPUs: what is
 * open in it is switched by VMRUN, VMLOAD and VMSAVE, whoever the guest is.
 */
#include "svm.h"

#define RANGE_MSRS	0x2000
#define RANGE_BYTES	0x800

/**
 * svm_msr_bit() - place of an MSR in the permission map
 * @index: MSR
 *
 * Return: number of its read bit, its write bit follows; -EINVAL when the map
 * does not cover it, which always exits.
 */
int svm_msr_bit(u32 index)
{
	static const u32 ranges[] = { 0, 0xc0000000, 0xc0010000 };
	int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (index - ranges[i] < RANGE_MSRS)
			return i * RANGE_BYTES * 8 + (index - ranges[i]) * 2;
	return -EINVAL;
}

/* Where the VMCB has what VMLOAD, VMSAVE and VMRUN switch: offset, or -EINVAL */
static int field(u32 index)
{
#define FIELD(msr, member) { (msr), offsetof(struct vmcb_save_area, member) }
	static const struct {
		u32 index;
		int offset;
	} fields[] = {
		FIELD(MSR_FS_BASE, fs.base), FIELD(MSR_GS_BASE, gs.base),
		FIELD(MSR_KERNEL_GS_BASE, kernel_gs_base), FIELD(MSR_STAR, star),
		FIELD(MSR_LSTAR, lstar), FIELD(MSR_CSTAR, cstar), FIELD(MSR_SYSCALL_MASK, sfmask),
		FIELD(MSR_IA32_SYSENTER_CS, sysenter_cs), FIELD(MSR_IA32_CR_PAT, g_pat),
		FIELD(MSR_IA32_SYSENTER_ESP, sysenter_esp),
		FIELD(MSR_IA32_SYSENTER_EIP, sysenter_eip),
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].index == index)
			return fields[i].offset;
	return -EINVAL;
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
		int bit = svm_msr_bit(*passthrough);

		if (bit >= 0 && *passthrough != MSR_IA32_CR_PAT && field(*passthrough) >= 0)
			map[bit / 8] &= ~(3 << bit % 8);
	}
}

int svm_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value)
{
	int offset = field(index);

	if (offset < 0)
		return offset;
	*value = *(u64 *)((void *)svm_save(vcpu) + offset);
	return 0;
}

int svm_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value)
{
	int offset = field(index);

	if (offset < 0)
		return offset;
	*(u64 *)((void *)svm_save(vcpu) + offset) = value;
	if (index == MSR_IA32_CR_PAT)
		svm_dirty(vcpu, SVM_C_NESTED);
	return 0;
}
