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
struct lodge_pic;
struct lodge_pit;

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

/* irq.c */

int lodge_chips_create(struct lodge_vm *vm);
void lodge_chips_destroy(struct lodge_vm *vm);
void lodge_chips_reset(struct lodge_vm *vm);
int lodge_chip_get(struct lodge_vm *vm, struct lodge_chip *chip);
int lodge_chip_set(struct lodge_vm *vm, const struct lodge_chip *chip);
/* Any context. @source is NULL but for IPIs. */
void lodge_irq_deliver(struct lodge_vm *vm, struct lodge_vcpu *source,
		       const struct lodge_irq *irq);
int lodge_irq_line(struct lodge_vm *vm, u32 gsi, bool level);	/* -EINVAL */
int lodge_irq_msi(struct lodge_vm *vm, u64 addr, u32 data);	/* -EINVAL */
/* Rings 1 and 2: false when no chip has this port or address. */
bool lodge_chip_pio_read(struct lodge_vcpu *vcpu, u16 port, u8 bytes, u32 *value);
bool lodge_chip_pio_write(struct lodge_vcpu *vcpu, u16 port, u8 bytes, u32 value);
bool lodge_chip_mmio_read(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 *value);
bool lodge_chip_mmio_write(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 value);

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
/* A timer that fired is moved into IRR here; ring 1, before entry */
bool lodge_has_interrupt(struct lodge_vcpu *vcpu);
/* Acknowledge the highest deliverable one: vector, or -1. Ring 1 */
int lodge_ack_interrupt(struct lodge_vcpu *vcpu);

#endif /* LODGE_IRQCHIP_H */
