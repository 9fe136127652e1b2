/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMX: capabilities, the VMCS and who may touch it, one vCPU.
 *
 * A VMCS is current on at most one CPU and stays there until the vCPU moves or
 * dies. Guest state is read from it when it is needed and not before; the
 * controls are kept here too, so that one that does not change is not written.
 */
#ifndef LODGE_VMX_H
#define LODGE_VMX_H

#include <linux/user-return-notifier.h>
#include <asm/extable_fixup_types.h>
#include <asm/vmx.h>

#include "backend.h"
#include "entry.h"

/* Taken together or not at all; the mode is that of a guest's APIC. */
#define VMX_APICV	(SECONDARY_EXEC_APIC_REGISTER_VIRT | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY | \
			 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE)

/* VMCS controls this module programs; IA-32e guest and the windows come later. */
struct vmx_controls {
	u32 pin;
	u32 primary;
	u32 secondary;
	u32 exit;
	u32 entry;
};

/**
 * struct vmx_caps - what probe found out
 * @revision: VMCS revision identifier
 * @controls: what every VMCS starts with
 * @cr0_fixed0, @cr0_fixed1, @cr4_fixed0, @cr4_fixed1: SDM A.7, A.8; an
 *	unrestricted guest is excused from PE and PG
 * @eptp: all of EPTP but the address and the levels
 * @perf_global: PERF_GLOBAL_CTRL is switched by the controls
 * @enter_flags: VMX_ENTER_VERW, VMX_ENTER_CLEAR_BHB as masks
 * @flush_l1d: L1TF: IA32_FLUSH_CMD before an entry from ring 2
 * @rdtscp: host has TSC_AUX
 */
struct vmx_caps {
	u32 revision;
	struct vmx_controls controls;
	u64 cr0_fixed0;
	u64 cr0_fixed1;
	u64 cr4_fixed0;
	u64 cr4_fixed1;
	u64 eptp;
	u64 enter_flags;
	bool perf_global;
	bool flush_l1d;
	bool rdtscp;
};

extern struct vmx_caps vmx_caps;

/* The capability MSRs of SDM appendix A. */
struct vmx_cap_msrs {
	u64 basic;
	u64 pin;
	u64 primary;
	u64 secondary;
	u64 exit;
	u64 entry;
	u64 ept_vpid;
};

/* MSRs the guest's value of which may stay until the CPU returns to user. */
enum vmx_user_msr {
	VMX_STAR, VMX_LSTAR, VMX_CSTAR, VMX_SFMASK, VMX_TSC_AUX,
	VMX_NR_USER_MSRS
};

#define VMX_LOG_ENTRIES	512

/* A host CPU. */
struct vmx_cpu {
	void *vmxon;
	struct vmx_vcpu *current_vcpu;	/* whose VMCS is current */
	struct list_head vcpus;		/* VMCS active here; interrupts off */
	struct user_return_notifier user_return;
	bool user_return_armed;
	u64 host_msr[VMX_NR_USER_MSRS];
	u64 msr[VMX_NR_USER_MSRS];	/* what the CPU has now */
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

/* Rare work before an entry: bits of vmx_vcpu.todo */
#define VMX_TODO_HOST		BIT(0)	/* host state is not saved */
#define VMX_TODO_USER_MSRS	BIT(1)
#define VMX_TODO_PDPTRS		BIT(2)
#define VMX_TODO_STAY		BIT(3)	/* first entry of a stay in ring 1 */
#define VMX_TODO_APIC		BIT(4)	/* before each: the CPU delivers interrupts */

/* Host state of the thread that loaded the vCPU. */
struct vmx_host {
	u16 ldt;
	u16 fs;
	u16 gs;
	u16 ds;
	u16 es;
	u64 fs_base;
	u64 kernel_gs_base;
	u64 debugctl;
};

struct vmx_vcpu {
	struct lodge_vcpu vcpu;
	void *vmcs;
	u64 *log;			/* page-modification log (SDM 29.3.6) */
	bool vectoring;			/* the exit interrupted a delivery */
	bool shadow_read;		/* @interruptibility is that of the VMCS */
	bool tidy;			/* an exit leaves something to be put right */
	u32 exit_reason;
	u32 intr_info;
	u32 interruptibility;
	u32 todo;
	u64 enter_flags;		/* as vmx_enter() takes them */
	u64 host_rsp;
	u64 host_cr3;
	u64 host_cr4;
	u64 host_perf;
	u64 host_spec;			/* SPEC_CTRL of both, in this stay in ring 1 */
	u64 guest_spec;
	u64 eptp;
	struct vmx_controls controls;
	u32 tpr_threshold;
	u16 apic_status;		/* RVI and SVI in the VMCS */
	u64 eoi_exits[4];
	struct lodge_event injected;
	u64 user_msr[VMX_NR_USER_MSRS];
	u64 kernel_gs_base;
	bool host_saved;
	struct vmx_host host;
	int active_cpu;			/* where the VMCS is active, or -1 */
	struct list_head link;		/* vmx_cpu.vcpus */
	int vpid;
};

static_assert(!offsetof(struct vmx_vcpu, vcpu));

static inline struct vmx_vcpu *to_vmx(struct lodge_vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/*
 * _ASM_EXTABLE(1b, ...) for the C label "failed": the layout is that of struct
 * exception_table_entry, which vmx_setup() checks.
 */
#define VMX_EXTABLE							\
	LODGE_EXTABLE_SECTION						\
	".balign 4\n"							\
	".long 1b - .\n"						\
	".long %l[failed] - .\n"					\
	".long " __stringify(EX_TYPE_DEFAULT) "\n"			\
	".popsection\n"

/* enable.c: log once, kill the VM whose VMCS is current. */
void vmx_access_failed(unsigned long field, bool write);

static __always_inline unsigned long vmcs_read(unsigned long field)
{
	unsigned long value;

	asm volatile goto("1: vmread %[field], %[value]\n"
			  "jbe %l[failed]\n"
			  VMX_EXTABLE
			  : [value] "=r" (value)
			  : [field] "r" (field)
			  : "cc" : failed);
	return value;
failed:
	vmx_access_failed(field, false);
	return 0;
}

static __always_inline void vmcs_write(unsigned long field, unsigned long value)
{
	asm goto("1: vmwrite %[value], %[field]\n"
		 "jbe %l[failed]\n"
		 VMX_EXTABLE
		 : : [value] "r" (value), [field] "r" (field)
		 : "cc" : failed);
	return;
failed:
	vmx_access_failed(field, true);
}

/* Write a field unless its copy here says that it has this value. */
#define vmx_update(field, copy, value) do {				\
	typeof(copy) wanted = (value);					\
	if (unlikely((copy) != wanted)) {				\
		(copy) = wanted;					\
		vmcs_write(field, wanted);				\
	}								\
} while (0)

/* Every operation is a function vmx_NAME(). */
#define LODGE_OP(ret, op, args) ret vmx_##op args;
LODGE_OPS
#undef LODGE_OP

/* probe.c */
int vmx_negotiate_one(u64 msr, u32 required, u32 optional, u32 *value);
int vmx_negotiate(const struct vmx_cap_msrs *msrs, struct vmx_controls *controls);
bool vmx_ept_sufficient(u64 ept_vpid);

/* enable.c: 0 or -EIO */
int vmx_vmclear(void *vmcs);
int vmx_vmptrld(void *vmcs);
int vmx_invept(u64 eptp);

/* vcpu.c */
void vmx_save_host(struct vmx_vcpu *vmx);
void vmx_vacate(struct vmx_cpu *c, struct vmx_vcpu *vmx);

/* run.c and entry.S */
int vmx_enter(u64 *regs, u64 flags, u64 guest_spec_ctrl, u64 host_spec_ctrl, u64 *host_rsp);
extern const char vmx_exited[];
void vmx_guest_spec(struct vmx_vcpu *vmx);
void vmx_sanitize_pdptrs(u64 *pdptr, u8 maxphyaddr);

/* exit.c */
lodge_handler vmx_exit_handler(u32 reason);
enum lodge_next vmx_handle_exit(struct lodge_vcpu *vcpu);
enum lodge_next vmx_on_unexpected(struct lodge_vcpu *vcpu);

/* Can this exit have interrupted the delivery of an event (SDM 28.2.4)? */
static inline bool vmx_may_vector(u32 reason)
{
	static const u64 reasons = BIT_ULL(EXIT_REASON_EXCEPTION_NMI) |
		BIT_ULL(EXIT_REASON_TASK_SWITCH) | BIT_ULL(EXIT_REASON_APIC_ACCESS) |
		BIT_ULL(EXIT_REASON_EPT_VIOLATION) | BIT_ULL(EXIT_REASON_EPT_MISCONFIG) |
		BIT_ULL(EXIT_REASON_PML_FULL);

	return (u16)reason < 64 && reasons >> (u16)reason & 1;
}

/* Qualification of an I/O exit (SDM table 28-5) */
static inline struct lodge_pio vmx_decode_io(u64 qualification)
{
	return (struct lodge_pio) {
		.port = qualification >> 16, .bytes = (qualification & 7) + 1,
		.in = qualification & BIT(3), .string = qualification & BIT(4),
	};
}

u32 vmx_ept_access(u64 qualification);

/* state.c */
u32 vmx_access_rights(const struct lodge_segment *seg, int which);
void vmx_unpack_rights(u32 ar, struct lodge_segment *seg);
void vmx_update_masks(struct lodge_vcpu *vcpu);

/* msr.c */
extern const u32 vmx_user_msr_index[VMX_NR_USER_MSRS];
extern u8 *vmx_msr_bitmap;
extern u8 *vmx_x2apic_bitmap;	/* for whom the CPU answers in x2APIC mode */

int vmx_msr_bit(u32 index, bool write);
void vmx_msr_bitmap_build(u8 *bitmap, const u32 *passthrough);
void vmx_x2apic_bitmap_build(u8 *bitmap);
void vmx_load_user_msrs(struct vmx_vcpu *vmx, struct vmx_cpu *c);
void vmx_restore_user_msrs(struct vmx_cpu *c);

/* event.c */
u32 vmx_interruptibility(struct vmx_vcpu *vmx);
void vmx_close_windows(struct lodge_vcpu *vcpu);
void vmx_cancel_injection(struct lodge_vcpu *vcpu);
void vmx_requeue(struct vmx_vcpu *vmx, u32 info);
void vmx_iret_unblocked(struct vmx_vcpu *vmx);
void vmx_apic_enter(struct vmx_vcpu *vmx);
void vmx_apic_exit(struct vmx_vcpu *vmx);

/* After an exit that may have interrupted a delivery: did it? */
static __always_inline void vmx_complete_events(struct vmx_vcpu *vmx)
{
	u32 info = vmcs_read(IDT_VECTORING_INFO_FIELD);

	vmx->vectoring = info & VECTORING_INFO_VALID_MASK;
	if (unlikely(vmx->vectoring))
		vmx_requeue(vmx, info);
}

#endif /* LODGE_VMX_H */
