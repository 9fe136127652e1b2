/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers and the timer chip in the kernel: local APIC
 * (SDM 11), I/O APIC, PIC pair, PIT, and the routing between them.
 *
 * Setting an interrupt takes no lock on the local APIC side: IRR bits are set
 * atomically, then the vCPU is asked to look (LODGE_REQ_EVENT). The chips
 * behind it share one raw spinlock held for a few instructions, so that all of
 * this runs in ring 1 and in hard interrupt context.
 */
#ifndef LODGE_IRQCHIP_H
#define LODGE_IRQCHIP_H

#include <asm/apicdef.h>

#include "../uapi/lodge.h"

struct lodge_vm;
struct lodge_vcpu;
struct lodge_lapic;		/* lapic.h */

/**
 * struct lodge_pit - the timer chip
 * @timer: next interrupt of channel 0
 * @armed: @timer is wanted
 * @period: of channel 0 in ns; 0: it fires once
 * @start: when each channel's count was loaded, CLOCK_MONOTONIC ns
 * @state: registers; elapsed counts only while the gate stops the channel
 */
struct lodge_pit {
	struct hrtimer timer;
	bool armed;
	u64 period;
	u64 start[3];
	struct lodge_pit_state state;
};

/**
 * struct lodge_chips - the chips of a VM
 * @lock: the rest, but for what says otherwise. Nothing of ours is taken under
 *	it: delivery into a local APIC is lock-free
 * @pic: master, slave; their priority is the input served first
 * @pic_output: the master's INTR; read without the lock
 * @ioapic: lines are the inputs; irr is made when userspace asks for it
 * @turn: APIC id that won the last lowest-priority arbitration; no lock
 */
struct lodge_chips {
	raw_spinlock_t lock;
	struct lodge_pic_state pic[2];
	bool pic_output;
	struct lodge_ioapic_state ioapic;
	struct lodge_pit pit;
	u32 turn;
};

struct lodge_irqfds {
	spinlock_t lock;	/* both lists, and irqfd->dying */
	struct list_head used;
	struct list_head dying;
	struct work_struct reap;
};

#define LODGE_IOAPIC_BASE	0xfec00000ull
#define LODGE_NR_GSIS		24

/* All local APICs, in whatever mode: what 0xff means to an 8-bit sender */
#define LODGE_BROADCAST		U32_MAX

/* Faster periodic timers are slowed to this: no interrupt storms. */
#define LODGE_MIN_PERIOD_NS	200000u

/* irq.c */

void lodge_chips_create(struct lodge_vm *vm);
void lodge_chips_reset(struct lodge_vm *vm);
int lodge_chip_get(struct lodge_vm *vm, void *args);
int lodge_chip_set(struct lodge_vm *vm, void *args);
unsigned int lodge_irq_deliver(struct lodge_vm *vm, struct lodge_vcpu *source, u32 dest, u32 icr);
int lodge_irq_line(struct lodge_vm *vm, u32 gsi, bool level);
/* The same for a line that exists, chips locked */
void lodge_irq_set_line(struct lodge_vm *vm, u32 gsi, bool level);
int lodge_irq_msi(struct lodge_vm *vm, u64 addr, u32 data);
/* Any context: the EOI that local APICs broadcast for level-triggered vectors */
void lodge_irq_eoi(struct lodge_vm *vm, u8 vector);
/* Any context: the processor acknowledges the PIC. -1: INTR is low */
int lodge_irq_ack_pic(struct lodge_vm *vm);

static inline u32 lodge_irq_dest8(u8 dest)
{
	return dest == 0xff ? LODGE_BROADCAST : dest;
}

/*
 * ioapic.c, pic.c, pit.c: any context, under chips->lock. *_get() and *_set()
 * take the chip's lodge_*_state. What is set comes from userspace: -EINVAL when
 * the chip cannot be in that state.
 */

void lodge_ioapic_reset(struct lodge_vm *vm);
void lodge_ioapic_set_line(struct lodge_vm *vm, u32 pin, bool level);
void lodge_ioapic_eoi(struct lodge_vm *vm, u8 vector);
u32 lodge_ioapic_read(struct lodge_vm *vm, u32 offset);
void lodge_ioapic_write(struct lodge_vm *vm, u32 offset, u32 value);
void lodge_ioapic_get(struct lodge_vm *vm, void *to);
int lodge_ioapic_set(struct lodge_vm *vm, const void *from);

void lodge_pic_reset(struct lodge_vm *vm);
void lodge_pic_set_line(struct lodge_vm *vm, u32 irq, bool level);
u8 lodge_pic_read(struct lodge_vm *vm, u16 port);
void lodge_pic_write(struct lodge_vm *vm, u16 port, u8 value);
int lodge_pic_ack(struct lodge_vm *vm);
void lodge_pic_get(struct lodge_vm *vm, void *state);
int lodge_pic_set(struct lodge_vm *vm, const void *state);

void lodge_pit_create(struct lodge_vm *vm);	/* no lock, as the next one */
/* Before the vCPUs are freed: its timer interrupts them until here. */
void lodge_pit_destroy(struct lodge_vm *vm);
void lodge_pit_reset(struct lodge_vm *vm);
u8 lodge_pit_read(struct lodge_vm *vm, u16 port);
void lodge_pit_write(struct lodge_vm *vm, u16 port, u8 value);
void lodge_pit_get(struct lodge_vm *vm, void *to);
int lodge_pit_set(struct lodge_vm *vm, const void *from);
/* What a channel shows @elapsed ticks after its count was loaded. */
u16 lodge_pit_count(const struct lodge_pit_channel *channel, u64 elapsed);
bool lodge_pit_out(const struct lodge_pit_channel *channel, u64 elapsed);

/* lapic.c and lapic_timer.c: own thread in ring 1 or 2, or the vCPU stopped */

/* How much of the local APIC the CPU does: a parameter; after probe what it can do. */
enum { LODGE_APICV_NONE, LODGE_APICV_TPR, LODGE_APICV_DELIVERY };
extern int lodge_apicv;

int lodge_lapic_create(struct lodge_vcpu *vcpu);
void lodge_lapic_destroy(struct lodge_vcpu *vcpu);
void lodge_lapic_reset(struct lodge_vcpu *vcpu, bool init);
u64 lodge_lapic_get_base(struct lodge_vcpu *vcpu);
int lodge_lapic_set_base(struct lodge_vcpu *vcpu, u64 value, bool host);
u8 lodge_lapic_get_cr8(struct lodge_vcpu *vcpu);
int lodge_lapic_set_cr8(struct lodge_vcpu *vcpu, u64 cr8);	/* 0, or -EINVAL for #GP */
/* MSRs 0x800 to 0x83f: 0, or -EINVAL for #GP */
int lodge_x2apic_read(struct lodge_vcpu *vcpu, u32 msr, u64 *value);
int lodge_x2apic_write(struct lodge_vcpu *vcpu, u32 msr, u64 value);
u64 lodge_lapic_get_deadline(struct lodge_vcpu *vcpu);
void lodge_lapic_set_deadline(struct lodge_vcpu *vcpu, u64 tsc);
/* The guest's TSC offset changed: a TSC deadline moves with it. */
void lodge_lapic_tsc_changed(struct lodge_vcpu *vcpu);
void lodge_lapic_get_state(struct lodge_vcpu *vcpu, u8 *regs);
int lodge_lapic_set_state(struct lodge_vcpu *vcpu, const u8 *regs);
void lodge_lapic_accept_events(struct lodge_vcpu *vcpu);
bool lodge_has_interrupt(struct lodge_vcpu *vcpu);
bool lodge_must_inject(struct lodge_vcpu *vcpu);
u8 lodge_lapic_threshold(struct lodge_vcpu *vcpu);
int lodge_ack_interrupt(struct lodge_vcpu *vcpu);

#endif /* LODGE_IRQCHIP_H */
