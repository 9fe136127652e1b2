/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers and the timer chip in the kernel: local APIC
 * (SDM 11), I/O APIC, PIC pair, PIT, and the routing between them.
 *
 * Setting an interrupt takes no lock on the local APIC side: IRR bits are set
 * atomically, then the vCPU is asked to look (LODGE_REQ_EVENT). The chips
 * behind it have raw spinlocks held for a few instructions, so that all of
 * this runs in ring 1 and in hard interrupt context.
 */
#ifndef LODGE_IRQCHIP_H
#define LODGE_IRQCHIP_H

#include <linux/hrtimer.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "../uapi/lodge.h"

struct lodge_vm;
struct lodge_vcpu;
struct lodge_lapic;		/* lapic.h */
struct lodge_ioapic;		/* ioapic.c */
struct lodge_pic;		/* pic.c */
struct lodge_pit;		/* pit.c */

/*
 * Locks: pit -> pic, pit -> ioapic. Nothing of ours is taken under pic or
 * ioapic: delivery into a local APIC is lock-free, and an EOI that delivers
 * again does so under the ioapic lock it already has.
 */
struct lodge_chips {
	struct lodge_ioapic *ioapic;
	struct lodge_pic *pic;
	struct lodge_pit *pit;
};

#define LODGE_APIC_BASE		0xfee00000ull
#define LODGE_IOAPIC_BASE	0xfec00000ull
#define LODGE_NR_GSIS		24

/* An interrupt on its way to local APICs (SDM 11.6, 11.11). */
struct lodge_irq {
	u32 dest;
	u8 vector;
	u8 delivery;		/* ICR delivery mode, bits 10:8 */
	bool logical;
	bool level;
	bool assert;
	u8 shorthand;		/* 0 none, 1 self, 2 all, 3 all but self */
};

/* ICR, LVT, redirection entry and MSI: delivery modes (SDM 11.6.1) */
#define LODGE_DM_FIXED		0
#define LODGE_DM_LOWEST		1
#define LODGE_DM_SMI		2
#define LODGE_DM_NMI		4
#define LODGE_DM_INIT		5
#define LODGE_DM_SIPI		6
#define LODGE_DM_EXTINT		7

#define LODGE_SH_SELF		1
#define LODGE_SH_ALL		2
#define LODGE_SH_OTHERS		3

/* Faster periodic timers are slowed to this: no interrupt storms. */
#define LODGE_MIN_PERIOD_NS	200000u

/* irq.c */

int lodge_chips_create(struct lodge_vm *vm);
/* Before the vCPUs are freed: the PIT's timer interrupts them until here. */
void lodge_chips_destroy(struct lodge_vm *vm);
void lodge_chips_reset(struct lodge_vm *vm);
int lodge_chip_get(struct lodge_vm *vm, struct lodge_chip *chip);
int lodge_chip_set(struct lodge_vm *vm, const struct lodge_chip *chip);
/* Any context. @source is NULL but for IPIs. Returns how many accepted it. */
unsigned int lodge_irq_deliver(struct lodge_vm *vm, struct lodge_vcpu *source,
			       const struct lodge_irq *irq);
int lodge_irq_line(struct lodge_vm *vm, u32 gsi, bool level);	/* -EINVAL */
int lodge_irq_msi(struct lodge_vm *vm, u64 addr, u32 data);	/* -EINVAL */
/* Rings 1 and 2: false when no chip has this port or address. */
bool lodge_chip_pio_read(struct lodge_vcpu *vcpu, u16 port, u8 bytes, u32 *value);
bool lodge_chip_pio_write(struct lodge_vcpu *vcpu, u16 port, u8 bytes, u32 value);
bool lodge_chip_mmio_read(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 *value);
bool lodge_chip_mmio_write(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 value);

/* ioapic.c, pic.c, pit.c: any context */

struct lodge_ioapic *lodge_ioapic_create(struct lodge_vm *vm);
void lodge_ioapic_destroy(struct lodge_ioapic *ioapic);
void lodge_ioapic_reset(struct lodge_ioapic *ioapic);
void lodge_ioapic_set_line(struct lodge_ioapic *ioapic, u32 pin, bool level);
void lodge_ioapic_eoi(struct lodge_ioapic *ioapic, u8 vector);
u32 lodge_ioapic_read(struct lodge_ioapic *ioapic, u32 offset);
void lodge_ioapic_write(struct lodge_ioapic *ioapic, u32 offset, u32 value);
void lodge_ioapic_get(struct lodge_ioapic *ioapic,
		      struct lodge_ioapic_state *state);
int lodge_ioapic_set(struct lodge_ioapic *ioapic,
		     const struct lodge_ioapic_state *state);

struct lodge_pic *lodge_pic_create(struct lodge_vm *vm);
void lodge_pic_destroy(struct lodge_pic *pic);
void lodge_pic_reset(struct lodge_pic *pic);
void lodge_pic_set_line(struct lodge_pic *pic, u32 irq, bool level);
u8 lodge_pic_read(struct lodge_pic *pic, u16 port);
void lodge_pic_write(struct lodge_pic *pic, u16 port, u8 value);
bool lodge_pic_output(struct lodge_pic *pic);	/* the INTR line; no lock */
int lodge_pic_ack(struct lodge_pic *pic);	/* vector; -1: INTR is low */
void lodge_pic_get(struct lodge_pic *pic, struct lodge_pic_state state[2]);
int lodge_pic_set(struct lodge_pic *pic, const struct lodge_pic_state state[2]);

struct lodge_pit *lodge_pit_create(struct lodge_vm *vm);
void lodge_pit_destroy(struct lodge_pit *pit);
void lodge_pit_reset(struct lodge_pit *pit);
u8 lodge_pit_read(struct lodge_pit *pit, u16 port);	/* 0x40-0x43, 0x61 */
void lodge_pit_write(struct lodge_pit *pit, u16 port, u8 value);
void lodge_pit_get(struct lodge_pit *pit, struct lodge_pit_state *state);
int lodge_pit_set(struct lodge_pit *pit, const struct lodge_pit_state *state);
/* What a channel shows @elapsed ticks after its count was loaded. */
u16 lodge_pit_count(const struct lodge_pit_channel *channel, u64 elapsed);
bool lodge_pit_out(const struct lodge_pit_channel *channel, u64 elapsed);

/* lapic.c */

int lodge_lapic_create(struct lodge_vcpu *vcpu);
void lodge_lapic_destroy(struct lodge_vcpu *vcpu);
void lodge_lapic_reset(struct lodge_vcpu *vcpu, bool init);
u64 lodge_lapic_get_base(struct lodge_vcpu *vcpu);
int lodge_lapic_set_base(struct lodge_vcpu *vcpu, u64 value);	/* -EINVAL */
u8 lodge_lapic_get_cr8(struct lodge_vcpu *vcpu);
void lodge_lapic_set_cr8(struct lodge_vcpu *vcpu, u8 cr8);
u64 lodge_lapic_get_deadline(struct lodge_vcpu *vcpu);
void lodge_lapic_set_deadline(struct lodge_vcpu *vcpu, u64 tsc);
void lodge_lapic_get_state(struct lodge_vcpu *vcpu, u8 *regs);
int lodge_lapic_set_state(struct lodge_vcpu *vcpu, const u8 *regs);
/*
 * Ring 2, vCPU loaded, when LODGE_REQ_MP was set: become what the INIT and SIPI
 * that arrived ask for. Sets vcpu->mp_state.
 */
void lodge_lapic_accept_events(struct lodge_vcpu *vcpu);
/* The guest's TSC offset changed: a TSC deadline moves with it. Ring 1 or 2 */
void lodge_lapic_tsc_changed(struct lodge_vcpu *vcpu);
/* Would lodge_ack_interrupt() find one? Any ring */
bool lodge_has_interrupt(struct lodge_vcpu *vcpu);
/* Acknowledge the highest deliverable one: vector, or -1. Ring 1 */
int lodge_ack_interrupt(struct lodge_vcpu *vcpu);

#endif /* LODGE_IRQCHIP_H */
