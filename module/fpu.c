// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's x87, SSE, AVX and AVX-512 state, XCR0 and PKRU (SDM 13).
 *
 * The guest has an XSAVE area of its own in standard format, loaded once per
 * stay in ring 1. XCR0 and PKRU are not covered by the kernel's FPU section
 * and are switched by hand while interrupts are off.
 */
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>

#include "lodge.h"

#define FCW_DEFAULT		0x37f
#define XCR0_WANTED		(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | \
				 XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)

u64 lodge_xcr0;
static u64 host_xcr0;
static u64 swap_mask;		/* what XSAVE and XRSTOR move: all but PKRU */
static u32 area_size = offsetof(struct xregs_state, extended_state_area);
u32 lodge_zmmh_offset;
static u32 pkru_offset;
static u32 mxcsr_mask;

#define XSTATE(insn, area)							\
	asm volatile(insn " (%0)" : : "r" (area), "a" ((u32)swap_mask),		\
		     "d" ((u32)(swap_mask >> 32)) : "memory")

static u32 read_mxcsr_mask(void)
{
	struct fxregs_state fx __aligned(16) = {};

	kernel_fpu_begin();
	asm volatile("fxsave %0" : "+m" (fx));
	kernel_fpu_end();
	return fx.mxcsr_mask ?: 0xffbf;	/* SDM 11.6.6 */
}

/* Module load: learn the XSAVE layout of this CPU: 0, or -ENODEV without XSAVE. */
int lodge_fpu_init(void)
{
	u32 size, offset, ecx, edx, i;
	unsigned long extended;

	if (!boot_cpu_has(X86_FEATURE_OSXSAVE)) {
		pr_err("lodge: this CPU has no XSAVE, or the kernel runs with noxsave: boot without it\n");
		return -ENODEV;
	}
	host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	lodge_xcr0 = host_xcr0 & XCR0_WANTED;
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		lodge_xcr0 &= ~XFEATURE_MASK_PKRU;
	swap_mask = lodge_xcr0 & ~XFEATURE_MASK_PKRU;
	extended = lodge_xcr0 & ~XFEATURE_MASK_FPSSE;
	for_each_set_bit(i, &extended, 63) {
		cpuid_count(0xd, i, &size, &offset, &ecx, &edx);
		area_size = max(area_size, offset + size);
		if (BIT_ULL(i) == XFEATURE_MASK_PKRU)
			pkru_offset = offset;
		if (i == XFEATURE_ZMM_Hi256)
			lodge_zmmh_offset = offset;
	}
	mxcsr_mask = read_mxcsr_mask();
	return 0;
}

int lodge_fpu_create(struct lodge_vcpu *vcpu)
{
	vcpu->fpu.area = alloc_pages_exact(area_size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->fpu.area)
		return -ENOMEM;
	lodge_fpu_reset(vcpu);
	return 0;
}

/* The reverse of lodge_fpu_create(); nothing to do when it was not called. */
void lodge_fpu_destroy(struct lodge_vcpu *vcpu)
{
	if (vcpu->fpu.area)
		free_pages_exact(vcpu->fpu.area, area_size);
	vcpu->fpu.area = NULL;
}

/* Power-on state (SDM table 10-1); ring 2 */
void lodge_fpu_reset(struct lodge_vcpu *vcpu)
{
	memset(vcpu->fpu.area, 0, area_size);
	vcpu->fpu.area->i387.cwd = FCW_DEFAULT;
	vcpu->fpu.area->i387.mxcsr = MXCSR_DEFAULT;
	vcpu->fpu.area->header.xfeatures = XFEATURE_MASK_FPSSE;
	vcpu->fpu.xcr0 = XFEATURE_MASK_FP;
	vcpu->fpu.pkru = 0;
}

/* Host state out, guest state in. Interrupts are off and stay off. */
void lodge_fpu_enter(struct lodge_vcpu *vcpu)
{
	struct lodge_fpu *fpu = &vcpu->fpu;

	kernel_fpu_begin();
	XSTATE("xrstor64", fpu->area);
	if (fpu->xcr0 != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu->xcr0);
	if (lodge_xcr0 & XFEATURE_MASK_PKRU) {
		fpu->host_pkru = rdpkru();
		if (fpu->pkru != fpu->host_pkru)
			wrpkru(fpu->pkru);
	}
	fpu->loaded = true;
}

/*
 * Guest state out, the host's XCR0 and PKRU in. Its vector registers come back
 * with the return to userspace.
 */
void lodge_fpu_leave(struct lodge_vcpu *vcpu)
{
	struct lodge_fpu *fpu = &vcpu->fpu;

	fpu->loaded = false;
	if (lodge_xcr0 & XFEATURE_MASK_PKRU) {
		fpu->pkru = rdpkru();
		if (fpu->pkru != fpu->host_pkru)
			wrpkru(fpu->host_pkru);
	}
	fpu->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (fpu->xcr0 != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	XSTATE("xsave64", fpu->area);
	kernel_fpu_end();
}

/*
 * Read back from the CPU while it is there: QEMU's TCG executes the guest's
 * XSETBV without the exit that APM 15.9 asks for.
 */
u64 lodge_get_xcr0(struct lodge_vcpu *vcpu)
{
	return vcpu->fpu.loaded ? xgetbv(XCR_XFEATURE_ENABLED_MASK) : vcpu->fpu.xcr0;
}

/* SDM 13.3: x87 is always on, AVX needs SSE, AVX-512's three AVX and each other. */
bool lodge_xcr0_valid(u64 xcr0)
{
	u64 avx512 = xcr0 & XFEATURE_MASK_AVX512;

	if (!(xcr0 & XFEATURE_MASK_FP) ||
	    ((xcr0 & XFEATURE_MASK_YMM) && !(xcr0 & XFEATURE_MASK_SSE)))
		return false;
	return !avx512 || (avx512 == XFEATURE_MASK_AVX512 && (xcr0 & XFEATURE_MASK_YMM));
}

/* What XSETBV does, in or out of ring 1: 0, or -EINVAL for #GP. */
int lodge_set_xcr0(struct lodge_vcpu *vcpu, u64 value)
{
	if ((value & ~(lodge_xcr0 & vcpu->xcr0_mask)) || !lodge_xcr0_valid(value))
		return -EINVAL;
	vcpu->fpu.xcr0 = value;
	if (vcpu->fpu.loaded)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, value);
	return 0;
}

/* LODGE_GET_XSAVE: copy the guest's area out: 0, -EINVAL when too short, -EFAULT. */
int lodge_fpu_get(struct lodge_vcpu *vcpu, void *args)
{
	struct xregs_state *area = vcpu->fpu.area;
	struct lodge_xsave *xsave = args;
	void __user *to = u64_to_user_ptr(xsave->addr);
	u32 bytes = xsave->bytes;

	xsave->bytes = area_size;
	if (bytes < area_size)
		return -EINVAL;
	area->i387.mxcsr_mask = mxcsr_mask;
	if (pkru_offset) {
		area->header.xfeatures |= XFEATURE_MASK_PKRU;
		*(u32 *)((void *)area + pkru_offset) = vcpu->fpu.pkru;
	}
	if (copy_to_user(to, area, area_size))
		return -EFAULT;
	return clear_user(to + area_size, bytes - area_size) ? -EFAULT : 0;
}

/* What XRSTOR would take with a #GP in the host is refused here. */
static bool area_valid(const struct xregs_state *area)
{
	const u64 *header = &area->header.xfeatures;

	return !(area->i387.mxcsr & ~mxcsr_mask) && !(header[0] & ~lodge_xcr0) &&
	       !memchr_inv(header + 1, 0, sizeof(area->header) - sizeof(*header));
}

/*
 * LODGE_SET_XSAVE: replace the guest's area, standard format: 0, or unchanged and
 * -EINVAL (short, reserved bits), -EFAULT, -ENOMEM.
 */
int lodge_fpu_set(struct lodge_vcpu *vcpu, void *args)
{
	const struct lodge_xsave *xsave = args;
	struct xregs_state *area;
	int ret = 0;

	if (xsave->bytes < area_size)
		return -EINVAL;
	area = alloc_pages_exact(area_size, GFP_KERNEL_ACCOUNT);
	if (!area)
		return -ENOMEM;
	if (copy_from_user(area, u64_to_user_ptr(xsave->addr), area_size)) {
		ret = -EFAULT;
	} else if (!area_valid(area)) {
		ret = -EINVAL;
	} else {
		if (pkru_offset && (area->header.xfeatures & XFEATURE_MASK_PKRU))
			vcpu->fpu.pkru = *(u32 *)((void *)area + pkru_offset);
		swap(area, vcpu->fpu.area);
	}
	free_pages_exact(area, area_size);
	return ret;
}
