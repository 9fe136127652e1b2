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

#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/stringify.h>
#include <linux/types.h>
#include <linux/user-return-notifier.h>
#include <asm/asm.h>
#include <asm/extable.h>
#include <asm/extable_fixup_types.h>
#include <asm/vmx.h>

#include "../module/lodge.h"
#include "entry.h"

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
 * @ibpb: IBPB when another vCPU ran here last
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
	bool ibpb;
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

/* A host CPU. */
struct vmx_cpu {
	void *vmxon;
	bool on;			/* we did the VMXON */
	struct vmx_vcpu *current_vcpu;	/* whose VMCS is current */
	struct list_head vcpus;		/* VMCS active here; interrupts off */
	u64 last_vcpu;			/* serial of the one that ran last */
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
#define VMX_TODO_L1D		BIT(3)

/* What of the last exit was read: bits of vmx_vcpu.read */
#define VMX_READ_SHADOW		BIT(0)

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
	unsigned long dr[4];
};

struct vmx_vcpu {
	struct lodge_vcpu vcpu;
	void *vmcs;
	bool launched;
	u32 exit_reason;
	u32 read;
	bool vectoring;			/* the exit interrupted a delivery */
	u32 intr_info;
	u32 interruptibility;
	u32 todo;
	u64 host_rsp;
	u64 host_cr3;
	u64 host_cr4;
	u64 host_perf;
	u64 eptp;
	struct vmx_controls controls;
	struct lodge_event injected;
	u64 user_msr[VMX_NR_USER_MSRS];
	u64 kernel_gs_base;
	bool host_saved;
	struct vmx_host host;
	u64 serial;
	int active_cpu;			/* where the VMCS is active, or -1 */
	struct list_head link;		/* vmx_cpu.vcpus */
	u16 vpid;
};

static inline struct vmx_vcpu *to_vmx(struct lodge_vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/* VMCS access: the width is in bits 14:13 of the encoding (SDM 25.11.2). */

#define VMCS_WIDTH_16		0x0000
#define VMCS_WIDTH_64		0x2000
#define VMCS_WIDTH_32		0x4000
#define VMCS_WIDTH_NATURAL	0x6000
#define VMCS_WIDTH_MASK		0x6001	/* bit 0: the high half of 64 */

#define VMCS_CHECK(field, width)					\
	BUILD_BUG_ON_MSG(__builtin_constant_p(field) &&			\
			 ((field) & VMCS_WIDTH_MASK) != (width),	\
			 "VMCS field " #field " is not of this width")

/*
 * _ASM_EXTABLE(1b, ...) for the C label "failed": the layout is that of struct
 * exception_table_entry, which vmx_setup() checks.
 */
#define VMX_EXTABLE							\
	".pushsection __ex_table, \"a\"\n"				\
	".balign 4\n"							\
	".long 1b - .\n"						\
	".long %l[failed] - .\n"					\
	".long " __stringify(EX_TYPE_DEFAULT) "\n"			\
	".popsection\n"

/* enable.c: log once, kill the VM whose VMCS is current. */
void vmx_access_failed(unsigned long field, bool write);

static __always_inline unsigned long vmcs_read_any(unsigned long field)
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

static __always_inline void vmcs_write_any(unsigned long field,
					   unsigned long value)
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

static __always_inline u16 vmcs_read16(unsigned long field)
{
	VMCS_CHECK(field, VMCS_WIDTH_16);
	return vmcs_read_any(field);
}

static __always_inline u32 vmcs_read32(unsigned long field)
{
	VMCS_CHECK(field, VMCS_WIDTH_32);
	return vmcs_read_any(field);
}

static __always_inline u64 vmcs_read64(unsigned long field)
{
	VMCS_CHECK(field, VMCS_WIDTH_64);
	return vmcs_read_any(field);
}

static __always_inline unsigned long vmcs_readl(unsigned long field)
{
	VMCS_CHECK(field, VMCS_WIDTH_NATURAL);
	return vmcs_read_any(field);
}

static __always_inline void vmcs_write16(unsigned long field, u16 value)
{
	VMCS_CHECK(field, VMCS_WIDTH_16);
	vmcs_write_any(field, value);
}

static __always_inline void vmcs_write32(unsigned long field, u32 value)
{
	VMCS_CHECK(field, VMCS_WIDTH_32);
	vmcs_write_any(field, value);
}

static __always_inline void vmcs_write64(unsigned long field, u64 value)
{
	VMCS_CHECK(field, VMCS_WIDTH_64);
	vmcs_write_any(field, value);
}

static __always_inline void vmcs_writel(unsigned long field, unsigned long value)
{
	VMCS_CHECK(field, VMCS_WIDTH_NATURAL);
	vmcs_write_any(field, value);
}

/* A 32-bit control and its copy here. */
static __always_inline void vmx_control(unsigned long field, u32 *copy, u32 value)
{
	if (*copy == value)
		return;
	*copy = value;
	vmcs_write32(field, value);
}

/* probe.c */

int vmx_probe(void);
int vmx_setup(void);
void vmx_teardown(void);
int vmx_negotiate_one(u64 msr, u32 required, u32 optional, u32 *value);
int vmx_negotiate(const struct vmx_cap_msrs *msrs, struct vmx_controls *controls);
bool vmx_ept_sufficient(u64 ept_vpid);

/* enable.c */

int vmx_cpu_enable(void);
void vmx_cpu_disable(void);
void vmx_emergency(void);
int vmx_vmclear(void *vmcs);
int vmx_vmptrld(void *vmcs);
int vmx_invept(u64 eptp);

/* vcpu.c */

void vmx_flush_tlb(struct lodge_vcpu *vcpu);
void vmx_save_host(struct vmx_vcpu *vmx);
void vmx_vacate(struct vmx_cpu *c, struct vmx_vcpu *vmx);

/* run.c and entry.S */

enum lodge_next vmx_run(struct lodge_vcpu *vcpu);
int vmx_enter(u64 *regs, u64 flags, u64 guest_spec_ctrl, u64 host_spec_ctrl,
	      u64 *host_rsp);
extern const char vmx_exited[];
void vmx_sanitize_pdptrs(u64 *pdptr, u8 maxphyaddr);

/* exit.c */

typedef enum lodge_next (*vmx_handler)(struct lodge_vcpu *vcpu);

vmx_handler vmx_exit_handler(u32 reason);
enum lodge_next vmx_on_unexpected(struct lodge_vcpu *vcpu);
unsigned int vmx_insn_len(struct lodge_vcpu *vcpu);
bool vmx_may_vector(u32 reason);
u32 vmx_ept_access(u64 qualification);

/* An I/O exit's qualification (SDM table 28-5). */
struct vmx_io {
	u16 port;
	u8 bytes;
	bool in;
	bool string;
};

void vmx_decode_io(u64 qualification, struct vmx_io *io);

/* state.c */

void vmx_fetch_reg(struct lodge_vcpu *vcpu, int reg);
u32 vmx_access_rights(const struct lodge_segment *seg, int which);
void vmx_unpack_rights(u32 ar, struct lodge_segment *seg);
void vmx_get_segment(struct lodge_vcpu *vcpu, int seg, struct lodge_segment *out);
void vmx_set_segment(struct lodge_vcpu *vcpu, int seg,
		     const struct lodge_segment *in);
void vmx_get_dtable(struct lodge_vcpu *vcpu, bool idt, struct lodge_dtable *out);
void vmx_set_dtable(struct lodge_vcpu *vcpu, bool idt,
		    const struct lodge_dtable *in);
u64 vmx_hw_cr0(u64 value);
u64 vmx_hw_cr4(u64 value, u64 host_cr4);
void vmx_set_cr0(struct lodge_vcpu *vcpu, u64 value);
void vmx_set_cr3(struct lodge_vcpu *vcpu, u64 value);
void vmx_set_cr4(struct lodge_vcpu *vcpu, u64 value);
void vmx_update_masks(struct lodge_vcpu *vcpu);
void vmx_set_efer(struct lodge_vcpu *vcpu, u64 value);
void vmx_set_tsc_offset(struct lodge_vcpu *vcpu, u64 offset);
void vmx_sync_dr7(struct lodge_vcpu *vcpu);
int vmx_cpl(struct lodge_vcpu *vcpu);

/* msr.c */

extern const u32 vmx_user_msr_index[VMX_NR_USER_MSRS];
extern u8 *vmx_msr_bitmap;

int vmx_msr_bit(u32 index, bool write);
void vmx_msr_bitmap_build(u8 *bitmap, const u32 *passthrough);
int vmx_get_msr(struct lodge_vcpu *vcpu, u32 index, u64 *value);
int vmx_set_msr(struct lodge_vcpu *vcpu, u32 index, u64 value);
void vmx_load_user_msrs(struct vmx_vcpu *vmx, struct vmx_cpu *c);
void vmx_restore_user_msrs(struct vmx_cpu *c);

/* event.c */

u32 vmx_encode_event(const struct lodge_event *event);
void vmx_decode_event(u32 info, struct lodge_event *event);
u32 vmx_interruptibility(struct vmx_vcpu *vmx);
u32 vmx_get_shadow(struct lodge_vcpu *vcpu);
void vmx_set_shadow(struct lodge_vcpu *vcpu, u32 shadow);
bool vmx_nmi_masked(struct lodge_vcpu *vcpu);
void vmx_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked);
bool vmx_interrupt_allowed(struct lodge_vcpu *vcpu);
bool vmx_nmi_allowed(struct lodge_vcpu *vcpu);
void vmx_open_interrupt_window(struct lodge_vcpu *vcpu);
void vmx_open_nmi_window(struct lodge_vcpu *vcpu);
void vmx_close_windows(struct lodge_vcpu *vcpu);
void vmx_inject(struct lodge_vcpu *vcpu, const struct lodge_event *event);
void vmx_cancel_injection(struct lodge_vcpu *vcpu);
void vmx_complete_events(struct vmx_vcpu *vmx);
void vmx_iret_unblocked(struct vmx_vcpu *vmx);

/* dump.c */

void vmx_dump(struct lodge_vcpu *vcpu);

#endif /* LODGE_VMX_H */
