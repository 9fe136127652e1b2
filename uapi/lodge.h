/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Lodge: the contract between /dev/lodge and its users. See uapi/README.md
 * for the reference: states, errors and examples.
 *
 * Every struct that an ioctl takes begins with @size and @flags. @size is
 * sizeof the struct as the caller was built; shorter structs are zero-filled,
 * longer ones accepted when what the kernel does not know is zero (E2BIG
 * otherwise). Unknown flags are EINVAL. Layouts are the same for 32- and
 * 64-bit callers; user pointers travel as __u64.
 */
#ifndef _UAPI_LODGE_H
#define _UAPI_LODGE_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include "lodge_virtio.h"

#define LODGE_API_VERSION	1

#define LODGE_MAX_VCPUS		64
#define LODGE_MAX_SLOTS		1024
#define LODGE_MAX_REGIONS	256
#define LODGE_MAX_DOMAINS	16

/* /dev/lodge */
#define LODGE_GET_INFO		_IO('L', 0x01)	/* struct lodge_info */
#define LODGE_GET_SUPPORTED_CPUID _IO('L', 0x02) /* struct lodge_cpuid */
#define LODGE_GET_MSR_LIST	_IO('L', 0x03)	/* struct lodge_msr_list */
#define LODGE_CREATE_VM		_IO('L', 0x04)	/* struct lodge_create_vm -> fd */

/* VM fd */
#define LODGE_CREATE_VCPU	_IO('L', 0x20)	/* struct lodge_create_vcpu -> fd */
#define LODGE_SET_SLOT		_IO('L', 0x21)	/* struct lodge_slot */
#define LODGE_IRQ_LINE		_IO('L', 0x22)	/* struct lodge_irq_line */
#define LODGE_SIGNAL_MSI	_IO('L', 0x23)	/* struct lodge_msi */
#define LODGE_SET_IRQFD		_IO('L', 0x24)	/* struct lodge_irqfd */
#define LODGE_SET_DOMAIN	_IO('L', 0x25)	/* struct lodge_domain */
#define LODGE_SET_REGION	_IO('L', 0x26)	/* struct lodge_region */
#define LODGE_GET_CHIP		_IO('L', 0x27)	/* struct lodge_chip */
#define LODGE_SET_CHIP		_IO('L', 0x28)	/* struct lodge_chip */
#define LODGE_VM_STATS		_IO('L', 0x29)	/* struct lodge_open_stats -> fd */
#define LODGE_RESET_VM		_IO('L', 0x2a)	/* struct lodge_reset */
#define LODGE_GET_DIRTY		_IO('L', 0x2b)	/* struct lodge_dirty */
#define LODGE_PREFAULT		_IO('L', 0x2c)	/* struct lodge_prefault */
#define LODGE_WATCH		_IO('L', 0x2d)	/* struct lodge_watch_pages */

#define LODGE_CREATE_VIRTIO	_IO('L', 0x38)	/* struct lodge_create_virtio -> fd */

/* vCPU fd */
#define LODGE_RUN		_IO('L', 0x40)	/* no struct */
#define LODGE_GET_REGS		_IO('L', 0x41)	/* struct lodge_get_regs */
#define LODGE_SET_REGS		_IO('L', 0x42)
#define LODGE_GET_SREGS		_IO('L', 0x43)	/* struct lodge_get_sregs */
#define LODGE_SET_SREGS		_IO('L', 0x44)
#define LODGE_GET_XSAVE		_IO('L', 0x45)	/* struct lodge_xsave */
#define LODGE_SET_XSAVE		_IO('L', 0x46)
#define LODGE_GET_MSRS		_IO('L', 0x47)	/* struct lodge_msrs */
#define LODGE_SET_MSRS		_IO('L', 0x48)
#define LODGE_GET_CPUID		_IO('L', 0x49)	/* struct lodge_cpuid */
#define LODGE_SET_CPUID		_IO('L', 0x4a)
#define LODGE_GET_EVENTS	_IO('L', 0x4b)	/* struct lodge_events */
#define LODGE_SET_EVENTS	_IO('L', 0x4c)
#define LODGE_GET_LAPIC		_IO('L', 0x4d)	/* struct lodge_lapic_state */
#define LODGE_SET_LAPIC		_IO('L', 0x4e)
#define LODGE_GET_MP_STATE	_IO('L', 0x4f)	/* struct lodge_mp_state */
#define LODGE_SET_MP_STATE	_IO('L', 0x50)
#define LODGE_GET_DEBUGREGS	_IO('L', 0x51)	/* struct lodge_debugregs */
#define LODGE_SET_DEBUGREGS	_IO('L', 0x52)
#define LODGE_TRANSLATE		_IO('L', 0x53)	/* struct lodge_translate */
#define LODGE_NMI		_IO('L', 0x54)	/* struct lodge_nmi */
#define LODGE_VCPU_STATS	_IO('L', 0x55)	/* struct lodge_open_stats -> fd */
#define LODGE_RESET_VCPU	_IO('L', 0x56)	/* struct lodge_reset */
#define LODGE_TRACE		_IO('L', 0x57)	/* struct lodge_open_trace -> fd */

/* virtio device fd */
#define LODGE_RING_SERVE	_IO('L', 0x60)	/* struct lodge_ring_serve */
#define LODGE_SET_FEATURES	_IO('L', 0x61)	/* struct lodge_virtio_features */
#define LODGE_VIRTIO_RESET	_IO('L', 0x62)	/* struct lodge_reset */
#define LODGE_SET_RING		_IO('L', 0x63)	/* struct lodge_ring */
#define LODGE_GET_RING		_IO('L', 0x64)
#define LODGE_SET_RING_IRQ	_IO('L', 0x65)	/* struct lodge_ring_irq */
#define LODGE_CHANGE_ISR	_IO('L', 0x66)	/* struct lodge_virtio_isr */
#define LODGE_RING_STATS	_IO('L', 0x67)	/* struct lodge_ring_stats */
#define LODGE_RING_KICK		_IO('L', 0x68)	/* struct lodge_ring_kick */
#define LODGE_RING_TAKE		_IO('L', 0x69)	/* struct lodge_ring_chain */
#define LODGE_RING_GIVE		_IO('L', 0x6a)
#define LODGE_SET_BACKEND	_IO('L', 0x6b)	/* struct lodge_ring_backend */

/**
 * struct lodge_info - what this module and this CPU offer (LODGE_GET_INFO)
 * @api_version: LODGE_API_VERSION of the module
 * @backend: LODGE_BACKEND_*
 * @caps: LODGE_CAP_* bits
 * @xcr0: XCR0 bits a guest may enable
 * @run_size: bytes to mmap() on a vCPU fd
 * @domain_size: bytes to mmap() on a VM fd for each I/O domain; domain N is
 *	at offset N * @domain_size
 * @max_vcpus: vCPUs per VM
 * @max_slots: memory slots per VM
 * @phys_bits: guest physical address width
 * @tsc_khz: TSC frequency of the host, and of guests for which no other is asked
 * @version: module version, NUL-terminated
 */
struct lodge_info {
	__u32 size;
	__u32 flags;
	__u32 api_version;
	__u32 backend;
	__u64 caps;
	__u64 xcr0;
	__u32 run_size;
	__u32 domain_size;
	__u32 max_vcpus;
	__u32 max_slots;
	__u32 phys_bits;
	__u32 tsc_khz;
	char version[32];
};

#define LODGE_BACKEND_VMX	1
#define LODGE_BACKEND_SVM	2

#define LODGE_CAP_2M_PAGES	0x1ull
#define LODGE_CAP_1G_PAGES	0x2ull
#define LODGE_CAP_STABLE_TSC	0x4ull
#define LODGE_CAP_UNTRUSTED	0x8ull	/* all host mitigations are applied */
#define LODGE_CAP_TSC_SCALING	0x10ull	/* lodge_create_vm.tsc_khz may be any */

/**
 * struct lodge_cpuid_entry - one CPUID leaf
 * @leaf: EAX in
 * @subleaf: ECX in, when @flags has LODGE_CPUID_SUBLEAF
 */
struct lodge_cpuid_entry {
	__u32 leaf;
	__u32 subleaf;
	__u32 flags;
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
	__u32 pad;
};

#define LODGE_CPUID_SUBLEAF	0x1u
#define LODGE_MAX_CPUID		128

/**
 * struct lodge_cpuid - a table of CPUID leaves
 * @count: in: room at @entries (GET) or entries there (SET); out: entries
 *	that exist. ENOSPC when there is not room for all (@count says how many)
 * @entries: user address of struct lodge_cpuid_entry[]
 */
struct lodge_cpuid {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 pad;
	__u64 entries;
};

/* @indexes: user address of __u32[@count]; counts as in struct lodge_cpuid */
struct lodge_msr_list {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 pad;
	__u64 indexes;
};

/*
 * @name: shown in logs and statistics; NUL-terminated, may be empty
 * @tsc_khz: the guest's TSC frequency; 0: the host's. Any other takes LODGE_CAP_TSC_SCALING
 */
struct lodge_create_vm {
	__u32 size;
	__u32 flags;
	char name[32];
	__u32 tsc_khz;
	__u32 pad;
};

/* @id: vCPU number and initial local APIC id, below LODGE_MAX_VCPUS */
struct lodge_create_vcpu {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 pad;
};

/**
 * struct lodge_slot - guest memory (LODGE_SET_SLOT)
 * @flags: LODGE_SLOT_*
 * @slot: number, below LODGE_MAX_SLOTS; an existing one is replaced
 * @gpa: guest physical address, page aligned
 * @bytes: length, page aligned; 0 deletes the slot
 * @user_addr: the caller's own memory, page aligned
 */
struct lodge_slot {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__u32 pad;
	__u64 gpa;
	__u64 bytes;
	__u64 user_addr;
};

#define LODGE_SLOT_READONLY	0x1u	/* guest writes become MMIO exits */
#define LODGE_SLOT_LOG_DIRTY	0x2u	/* for LODGE_GET_DIRTY */

/**
 * struct lodge_dirty - which pages were written to (LODGE_GET_DIRTY)
 * @slot: number, of a slot with LODGE_SLOT_LOG_DIRTY
 * @first: first page of the slot to report, a multiple of 64
 * @pages: how many; the bits up to the next multiple of 64 are reported, too
 * @bitmap: user address of __u64[]: bit N % 64 of element N / 64 is page @first + N
 *
 * The bits that are set are cleared in the log.
 */
struct lodge_dirty {
	__u32 size;
	__u32 flags;
	__u32 slot;
	__u32 pad;
	__u64 first;
	__u64 pages;
	__u64 bitmap;
};

/**
 * struct lodge_prefault - get and map memory before the guest asks (LODGE_PREFAULT)
 * @gpa: guest physical address, page aligned
 * @bytes: page aligned
 * @done: out, whatever the result: bytes from @gpa on that are mapped
 */
struct lodge_prefault {
	__u32 size;
	__u32 flags;
	__u64 gpa;
	__u64 bytes;
	__u64 done;
};

/**
 * struct lodge_watch_pages - tell of the guest's next access to pages (LODGE_WATCH)
 * @flags: LODGE_WATCH_*
 * @access: LODGE_ACCESS_* to be told of from now on; READ: any access; 0: none
 * @gpa: page aligned
 * @bytes: page aligned, within one slot
 * @bitmap: user address of __u64[], or 0: bit N % 64 of element N / 64: page N was hit before
 */
struct lodge_watch_pages {
	__u32 size;
	__u32 flags;
	__u32 access;
	__u32 pad;
	__u64 gpa;
	__u64 bytes;
	__u64 bitmap;
};

#define LODGE_WATCH_COUNT	0x1u	/* note it, without an exit */
#define LODGE_WATCH_ACCESSED	0x2u	/* watch nothing; tell what was accessed since last time */

/* GSIs 0-15 reach the PIC pair and the I/O APIC, 16-23 the I/O APIC alone */
struct lodge_irq_line {
	__u32 size;
	__u32 flags;
	__u32 gsi;
	__u32 level;
};

struct lodge_msi {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u32 data;
	__u32 pad;
};

/**
 * struct lodge_irqfd - raise an interrupt when an eventfd is signalled
 * @flags: LODGE_IRQFD_*
 * @fd: eventfd
 * @gsi: line to pulse, without LODGE_IRQFD_MSI
 * @data: MSI data, with LODGE_IRQFD_MSI
 * @addr: MSI address, with LODGE_IRQFD_MSI
 */
struct lodge_irqfd {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 gsi;
	__u64 addr;
	__u32 data;
	__u32 pad;
};

#define LODGE_IRQFD_DEASSIGN	0x1u
#define LODGE_IRQFD_MSI		0x2u

/**
 * struct lodge_domain - an I/O ordering domain: usually one device
 * @domain: number, below LODGE_MAX_DOMAINS
 * @eventfd: signalled when the first write is posted into an empty ring;
 *	-1 for none
 *
 * A domain owns one shadow page and one post ring, mapped by mmap() on the
 * VM fd at @domain * lodge_info.domain_size: first struct lodge_post_ring,
 * and in the last page the shadow bytes.
 */
struct lodge_domain {
	__u32 size;
	__u32 flags;
	__u32 domain;
	__s32 eventfd;
};

/* One write that was posted and not waited for. */
struct lodge_post {
	__u64 addr;
	__u64 value;
	__u32 bytes;
	__u16 space;
	__u16 vcpu;
};

#define LODGE_POST_ENTRIES	256

/**
 * struct lodge_post_ring - kernel produces at @tail, user consumes at @head
 *
 * Both only grow, and wrap at 32 bits; the entry is at index %
 * LODGE_POST_ENTRIES. When
 * @tail - @head reaches LODGE_POST_ENTRIES the access becomes an exit.
 */
struct lodge_post_ring {
	__u32 head;
	__u32 tail;
	__u32 reserved[14];
	struct lodge_post entries[LODGE_POST_ENTRIES];
};

#define LODGE_DOMAIN_SHADOW	0x3000	/* offset of the shadow page */

/**
 * struct lodge_region - how accesses to a port or MMIO range are answered
 * @flags: LODGE_REGION_*
 * @space: LODGE_SPACE_*
 * @addr: first port or guest physical address
 * @bytes: length; ranges of one space may not overlap
 * @read: LODGE_READ_*
 * @write: LODGE_WRITE_*
 * @domain: ordering domain, for shadow, post and latch
 * @shadow: offset of the range's first byte in the domain's shadow page
 * @mask: bits compared by LODGE_WRITE_LATCH_SAME
 * @eventfd: for LODGE_WRITE_DOORBELL, an eventfd or a virtio device, whose ring
 *	is the low 16 bits of the value; for the ISR modes, the virtio device
 * @match: with LODGE_REGION_MATCH, the value that rings the doorbell; other
 *	values become exits
 *
 * Setting a region that exists (same space, address and length) replaces it
 * from the next guest instruction on; LODGE_REGION_DELETE removes it.
 */
struct lodge_region {
	__u32 size;
	__u32 flags;
	__u32 space;
	__u32 domain;
	__u64 addr;
	__u64 bytes;
	__u32 read;
	__u32 write;
	__u32 shadow;
	__s32 eventfd;
	__u64 mask;
	__u64 match;
};

#define LODGE_REGION_DELETE	0x1u
#define LODGE_REGION_MATCH	0x2u
#define LODGE_REGION_EXACT	0x4u	/* accesses to a part of it are exits */

#define LODGE_SPACE_PIO		0
#define LODGE_SPACE_MMIO	1

#define LODGE_READ_EXIT		0
#define LODGE_READ_SHADOW	1
#define LODGE_READ_PM_TIMER	2	/* 3.579545 MHz, 24 bits */
#define LODGE_READ_ISR		3	/* interrupt status of a virtio device */

#define LODGE_WRITE_EXIT	0
#define LODGE_WRITE_POST	1
#define LODGE_WRITE_LATCH	2
#define LODGE_WRITE_LATCH_SAME	3
#define LODGE_WRITE_DOORBELL	4
#define LODGE_WRITE_ISR_ACK	5	/* clears what is written from the status */

/* @chip: LODGE_CHIP_*; @data: struct lodge_*_state of that chip */
struct lodge_chip {
	__u32 size;
	__u32 flags;
	__u32 chip;
	__u32 pad;
	__u8 data[512];
};

#define LODGE_CHIP_PIC		0	/* struct lodge_pic_state[2], master first */
#define LODGE_CHIP_IOAPIC	1
#define LODGE_CHIP_PIT		2

struct lodge_pic_state {
	__u8 irr;
	__u8 imr;
	__u8 isr;
	__u8 lines;
	__u8 base;
	__u8 elcr;
	__u8 init_step;
	__u8 icw4_needed;
	__u8 auto_eoi;
	__u8 rotate_auto_eoi;
	__u8 special_mask;
	__u8 special_fully_nested;
	__u8 read_isr;
	__u8 poll;
	__u8 priority;
	__u8 pad;
};

#define LODGE_IOAPIC_PINS	24

struct lodge_ioapic_state {
	__u32 id;
	__u32 select;
	__u32 irr;
	__u32 lines;
	__u64 redir[LODGE_IOAPIC_PINS];
};

struct lodge_pit_channel {
	__u32 count;
	__u16 latched;
	__u8 count_latched;
	__u8 status_latched;
	__u8 status;
	__u8 read_state;
	__u8 write_state;
	__u8 write_latch;
	__u8 rw_mode;
	__u8 mode;
	__u8 bcd;
	__u8 gate;
	__u64 elapsed;		/* PIT ticks since the count was loaded */
};

struct lodge_pit_state {
	struct lodge_pit_channel channel[3];
	__u32 speaker;
	__u32 pad;
};

/**
 * struct lodge_open_stats - a statistics fd (LODGE_VM_STATS, LODGE_VCPU_STATS)
 * @flags: LODGE_STATS_TIMING: while the fd is open, time is taken as well
 */
struct lodge_open_stats {
	__u32 size;
	__u32 flags;
};

#define LODGE_STATS_TIMING	0x1u

/**
 * struct lodge_stats_header - what a statistics fd begins with
 * @bytes: of everything
 * @descs: number of descriptors
 * @desc_offset: where they begin
 * @desc_bytes: length of each; more than struct lodge_stats_desc in later versions
 * @value_offset: where the values begin
 * @tsc_khz: ticks in a millisecond
 * @vcpu: number of the vCPU, -1 for the sums of a VM
 * @name: of the VM
 */
struct lodge_stats_header {
	__u32 bytes;
	__u32 descs;
	__u32 desc_offset;
	__u32 desc_bytes;
	__u32 value_offset;
	__u32 tsc_khz;
	__s32 vcpu;
	__u32 pad;
	char name[32];
};

/**
 * struct lodge_stats_desc - one statistic
 * @kind: LODGE_STAT_*
 * @unit: LODGE_UNIT_*
 * @offset: of its first __u64 from @value_offset on
 * @count: how many there are: 1, or the buckets of a histogram
 * @name: NUL-terminated
 */
struct lodge_stats_desc {
	__u32 kind;
	__u32 unit;
	__u32 offset;
	__u32 count;
	char name[32];
};

#define LODGE_STAT_COUNTER	0	/* since creation */
#define LODGE_STAT_GAUGE	1	/* now */
/* Bucket N counts values from 2^(N-1) to 2^N - 1, the first 0, the last the rest. */
#define LODGE_STAT_LOG2		2

#define LODGE_UNIT_NONE		0
#define LODGE_UNIT_TICKS	1	/* of the TSC */
#define LODGE_UNIT_NS		2

/* Why a vCPU left the guest, whichever the vendor. */
enum lodge_reason {
	/* FAULT: second-level, in memory; MMIO: outside all slots */
	LODGE_REASON_OTHER, LODGE_REASON_HOST_IRQ, LODGE_REASON_PIO, LODGE_REASON_FAULT,
	LODGE_REASON_MMIO, LODGE_REASON_CPUID, LODGE_REASON_RDMSR, LODGE_REASON_WRMSR,
	LODGE_REASON_HLT, LODGE_REASON_PAUSE, LODGE_REASON_HYPERCALL, LODGE_REASON_CR,
	LODGE_REASON_DR, LODGE_REASON_EXCEPTION, LODGE_REASON_TASK, LODGE_REASON_COUNT
};

/**
 * struct lodge_open_trace - a vCPU's trace fd (LODGE_TRACE)
 * @flags: LODGE_TRACE_STATE: records say the state that the guest was in
 * @records: length of the ring, a power of two from 64 to 65536
 */
struct lodge_open_trace {
	__u32 size;
	__u32 flags;
	__u32 records;
	__u32 pad;
};

#define LODGE_TRACE_STATE	0x1u

/**
 * struct lodge_trace_record - what read() on a trace fd gives, oldest first
 * @tsc: host TSC when it happened
 * @rip: the guest's, at the exit
 * @info: PIO: port; fault, MMIO: address; MSR: number; CPUID: leaf; hypercall: number; CR, DR:
 *	number; exception, injection: vector; LODGE_TRACE_LOST: how many; bit 63: a write
 * @ticks: from the exit until its handling ended or was put off; at most 2^32 - 1
 * @reason: enum lodge_reason, or LODGE_TRACE_*
 * @state: with LODGE_TRACE_STATE: LODGE_STATE_*
 */
struct lodge_trace_record {
	__u64 tsc;
	__u64 rip;
	__u64 info;
	__u32 ticks;
	__u8 reason;
	__u8 state;
	__u16 pad;
};

#define LODGE_TRACE_INJECT	0x80	/* an event is given to the guest */
#define LODGE_TRACE_LOST	0x81	/* the reader was too slow */
#define LODGE_INFO_WRITE	(1ull << 63)

#define LODGE_STATE_CPL		0x3
#define LODGE_STATE_PROTECTED	0x4	/* CR0.PE */
#define LODGE_STATE_LONG	0x8	/* EFER.LMA */

/* Every in-kernel chip of the VM, or one vCPU, goes back to its power-on state. */
struct lodge_reset {
	__u32 size;
	__u32 flags;
};

enum lodge_gpr {
	LODGE_RAX, LODGE_RCX, LODGE_RDX, LODGE_RBX,
	LODGE_RSP, LODGE_RBP, LODGE_RSI, LODGE_RDI,
	LODGE_R8, LODGE_R9, LODGE_R10, LODGE_R11,
	LODGE_R12, LODGE_R13, LODGE_R14, LODGE_R15,
};

struct lodge_regs {
	__u64 gpr[16];		/* enum lodge_gpr */
	__u64 rip;
	__u64 rflags;
};

/* @type: as in a descriptor's access byte, with S; @unusable: VMX sense */
struct lodge_segment {
	__u64 base;
	__u32 limit;		/* in bytes, granularity already applied */
	__u16 selector;
	__u8 type;
	__u8 s;
	__u8 dpl;
	__u8 present;
	__u8 avl;
	__u8 l;
	__u8 db;
	__u8 g;
	__u8 unusable;
	__u8 pad[9];
};

struct lodge_dtable {
	__u64 base;
	__u16 limit;
	__u16 pad[3];
};

enum lodge_seg {
	LODGE_ES, LODGE_CS, LODGE_SS, LODGE_DS, LODGE_FS, LODGE_GS,
	LODGE_LDTR, LODGE_TR, LODGE_NR_SEGS
};

struct lodge_sregs {
	struct lodge_segment seg[LODGE_NR_SEGS];
	struct lodge_dtable gdt;
	struct lodge_dtable idt;
	__u64 cr0;
	__u64 cr2;
	__u64 cr3;
	__u64 cr4;
	__u64 cr8;
	__u64 efer;
	__u64 apic_base;
	__u64 xcr0;
};

struct lodge_get_regs {
	__u32 size;
	__u32 flags;
	struct lodge_regs regs;
};

struct lodge_get_sregs {
	__u32 size;
	__u32 flags;
	struct lodge_sregs sregs;
};

/* @addr: user address of an XSAVE area in standard format, @bytes long */
struct lodge_xsave {
	__u32 size;
	__u32 flags;
	__u32 bytes;
	__u32 pad;
	__u64 addr;
};

struct lodge_msr_entry {
	__u32 index;
	__u32 pad;
	__u64 value;
};

/* @done: entries handled before the first that failed (then EINVAL) */
struct lodge_msrs {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 done;
	__u64 entries;
};

#define LODGE_MAX_MSRS		256

/**
 * struct lodge_events - what is on its way into the guest
 * @exception: vector of a pending exception, when @flags has
 *	LODGE_EVENT_EXCEPTION
 * @interrupt: vector of an interrupt taken from the controller and not yet
 *	delivered, when @flags has LODGE_EVENT_INTERRUPT
 */
struct lodge_events {
	__u32 size;
	__u32 flags;
	__u8 exception;
	__u8 interrupt;
	__u8 pad[2];
	__u32 error_code;
};

#define LODGE_EVENT_EXCEPTION	0x1u
#define LODGE_EVENT_ERROR_CODE	0x2u
#define LODGE_EVENT_INTERRUPT	0x4u
#define LODGE_EVENT_SOFT	0x8u	/* INT n, INT3, INTO */
#define LODGE_EVENT_NMI_PENDING	0x10u
#define LODGE_EVENT_NMI_INJECTED 0x20u
#define LODGE_EVENT_NMI_MASKED	0x40u
#define LODGE_EVENT_STI_SHADOW	0x80u
#define LODGE_EVENT_MOVSS_SHADOW 0x100u

/* @regs: the xAPIC register page's first KiB, a register every 16 bytes */
struct lodge_lapic_state {
	__u32 size;
	__u32 flags;
	__u8 regs[1024];
};

struct lodge_mp_state {
	__u32 size;
	__u32 flags;
	__u32 state;
	__u32 sipi_vector;
};

#define LODGE_MP_RUNNABLE	0
#define LODGE_MP_HALTED		1
#define LODGE_MP_WAIT_SIPI	2	/* after INIT */

struct lodge_debugregs {
	__u32 size;
	__u32 flags;
	__u64 db[4];
	__u64 dr6;
	__u64 dr7;
};

/* @gva in; @gpa and @access (LODGE_ACCESS_*) out; EFAULT when not mapped */
struct lodge_translate {
	__u32 size;
	__u32 flags;
	__u64 gva;
	__u64 gpa;
	__u32 access;
	__u32 pad;
};

#define LODGE_ACCESS_READ	0x1u
#define LODGE_ACCESS_WRITE	0x2u
#define LODGE_ACCESS_EXEC	0x4u
#define LODGE_ACCESS_USER	0x8u

struct lodge_nmi {
	__u32 size;
	__u32 flags;
};

/* lodge_run.exit_reason */
#define LODGE_EXIT_NONE		0
#define LODGE_EXIT_INTR		1	/* LODGE_RUN failed with EINTR */
#define LODGE_EXIT_IO		2
#define LODGE_EXIT_MMIO		3
#define LODGE_EXIT_SHUTDOWN	4	/* triple fault */
#define LODGE_EXIT_FAIL_ENTRY	5	/* the CPU refused the guest state */
#define LODGE_EXIT_INTERNAL	6	/* the guest did what Lodge cannot do */
#define LODGE_EXIT_MEMORY	7	/* host memory behind a slot is gone */
#define LODGE_EXIT_WATCH	8	/* a watched page is about to be accessed */

#define LODGE_SYNC_REGS		0x1u
#define LODGE_SYNC_SREGS	0x2u

/* lodge_run.internal.code */
#define LODGE_INTERNAL_EMULATION 1	/* instruction not in the table */
#define LODGE_INTERNAL_EXIT	2	/* exit reason not expected */
#define LODGE_INTERNAL_TASK_SWITCH 3
#define LODGE_INTERNAL_VM_BUG	4	/* impossible state: the VM was killed */

/**
 * struct lodge_run - the area shared by a vCPU and its thread
 * @immediate_exit: non-zero makes LODGE_RUN return EINTR before the guest
 *	runs; set it from a signal handler to close the race between a kick and
 *	LODGE_RUN
 * @exit_reason: LODGE_EXIT_*
 * @wanted: LODGE_SYNC_* groups to be stored here at each exit
 * @valid: groups that were stored at this exit
 * @dirty: groups to be loaded from here at the next LODGE_RUN
 *
 * Register groups are meaningful only between LODGE_RUN calls. The next
 * LODGE_RUN finishes the access of an IO or MMIO exit, taking the data of
 * reads from @data; call it with @immediate_exit set to finish it and not run
 * the guest.
 */
struct lodge_run {
	__u8 immediate_exit;
	__u8 pad0[3];
	__u32 exit_reason;
	__u32 wanted;
	__u32 valid;
	__u32 dirty;
	__u32 pad1;
	union {
		struct {
			__u16 port;
			__u8 bytes;	/* 1, 2 or 4 */
			__u8 is_write;
			__u32 count;	/* elements at data */
		} io;
		struct {
			__u64 gpa;
			__u32 bytes;	/* 1 to 8 */
			__u32 is_write;
		} mmio;
		struct {
			__u64 reason;	/* hardware exit reason or code */
			__u64 info;
		} fail;
		struct {
			__u32 code;
			__u32 insn_bytes;
			__u64 info[3];
			__u8 insn[16];
		} internal;
		struct {
			__u64 gpa;
			__u32 access;
			__s32 error;
		} memory;
		__u8 pad2[64];
	};
	struct lodge_regs regs;
	struct lodge_sregs sregs;
	__u8 reserved[1024];
	__u8 data[2048];
};

#endif /* _UAPI_LODGE_H */
