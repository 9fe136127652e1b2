// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel finds of a BIOS, though none has run: real-mode interrupt
 * vectors, the BIOS data areas, interrupt controllers and timer set up.
 */
#include <lodge/liblodge.h>

#include "bios.h"
#include "uart.h"

#define BIOS_SEGMENT		0xf000u
#define BIOS_OFFSET		(GUEST_BIOS - (BIOS_SEGMENT << 4))

#define BDA			0x400
#define BDA_COM1		0x400
#define BDA_EBDA_SEGMENT	0x40e
#define BDA_EQUIPMENT		0x410
#define BDA_MEMORY_KIB		0x413
#define EQUIPMENT_FPU		0x0002
#define EQUIPMENT_ONE_SERIAL	0x0200

#define PIC_MASTER_BASE		0x08
#define PIC_SLAVE_BASE		0x70
/* Open: timer, keyboard, cascade; clock, FPU */
#define PIC_MASTER_MASK		0xf8
#define PIC_SLAVE_MASK		0xde
#define PIC_SLAVE_ELCR		0x0e	/* SCI and PCI: 9, 10, 11 */

#define PIT_FULL_COUNT		0x10000
#define PIT_RATE		2	/* mode: rate generator */

#define MSR_MTRR_BASE0		0x200
#define MSR_MTRR_MASK0		0x201
#define MSR_MTRR_FIX64K		0x250
#define MSR_MTRR_FIX16K		0x258	/* and the next: 0x80000 and 0xa0000 */
#define MSR_MTRR_FIX4K		0x268	/* and 7 more: 32 KiB each, from 0xc0000 */
#define MSR_MTRR_DEF		0x2ff
#define MTRR_DEF_WB		0xc06	/* enabled, fixed ranges too; the rest is write-back */
#define MTRR_MASK_VALID		BIT_ULL(11)
#define MTRR_EIGHT_WB		0x0606060606060606ull
#define MTRR_EIGHT_WP		0x0505050505050505ull

#define LAPIC_SVR		0x0f0
#define LAPIC_LINT0		0x350
#define LAPIC_LINT1		0x360
#define LAPIC_SVR_ENABLED	0x1ff
#define LAPIC_EXTINT		0x700
#define LAPIC_NMI		0x400

static const struct {
	__u8 first;
	__u8 last;
	const __u8 *handler;
} vectors[] = {
	{ 0x00, 0xff, bios_iret },
	{ 0x08, 0x08, bios_tick },
	{ 0x09, 0x09, bios_key },
	{ 0x0a, 0x0f, bios_eoi_master },
	{ 0x11, 0x11, bios_equipment },
	{ 0x12, 0x12, bios_memory },
	{ 0x13, 0x17, bios_unsupported },
	{ 0x18, 0x19, bios_reset },
	{ 0x1a, 0x1a, bios_unsupported },
	{ 0x70, 0x77, bios_eoi_slave },
};

static void place_vectors(const struct memory *m)
{
	unsigned int i, v;

	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		for (v = vectors[i].first; v <= vectors[i].last; v++)
			put_le32(m->host + v * 4, BIOS_SEGMENT << 16 |
				 (BIOS_OFFSET + (vectors[i].handler - bios_code)));
}

void bios_place(const struct memory *m)
{
	memcpy(m->host + GUEST_BIOS, bios_code,
	       (unsigned long)bios_code_end - (unsigned long)bios_code);
	place_vectors(m);
	memset(m->host + BDA, 0, 0x100);
	put_le16(m->host + BDA_COM1, UART_PORT);
	put_le16(m->host + BDA_EBDA_SEGMENT, GUEST_EBDA >> 4);
	put_le16(m->host + BDA_EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_ONE_SERIAL);
	put_le16(m->host + BDA_MEMORY_KIB, GUEST_EBDA >> 10);
	memset(m->host + GUEST_EBDA, 0, 0xa0000 - GUEST_EBDA);
	m->host[GUEST_EBDA] = (0xa0000 - GUEST_EBDA) >> 10;
}

static __u64 at_most(__u64 value, __u64 max)
{
	return value < max ? value : max;
}

void bios_fill_cmos(__u8 cmos[128], const struct memory *m, unsigned int cpus)
{
	__u64 above_1m = at_most((m->low - MIB(1)) >> 10, 0xffff);
	__u64 above_16m = m->low > MIB(16) ? at_most((m->low - MIB(16)) >> 16, 0xffff) : 0;
	__u64 above_4g = (m->bytes - m->low) >> 16;

	put_le16(cmos + 0x15, 640);
	put_le16(cmos + 0x17, above_1m);
	put_le16(cmos + 0x30, above_1m);
	put_le16(cmos + 0x34, above_16m);
	/* 24 bits; the byte behind them belongs to another field. */
	put_le16(cmos + 0x5b, above_4g);
	cmos[0x5d] = above_4g >> 16;
	cmos[0x5f] = cpus - 1;
}

static int init_pic(int vm)
{
	struct lodge_chip chip = { .chip = LODGE_CHIP_PIC };
	int ret = lodge_get_chip(vm, &chip);
	struct lodge_pic_state pic[2];

	if (ret < 0)
		return ret;
	memcpy(pic, chip.data, sizeof(pic));
	pic[0].base = PIC_MASTER_BASE;
	pic[0].imr = PIC_MASTER_MASK;
	pic[1].base = PIC_SLAVE_BASE;
	pic[1].imr = PIC_SLAVE_MASK;
	pic[1].elcr = PIC_SLAVE_ELCR;
	memcpy(chip.data, pic, sizeof(pic));
	return lodge_set_chip(vm, &chip);
}

/* Channel 0 ticks 18.2 times a second. */
static int init_pit(int vm)
{
	struct lodge_chip chip = { .chip = LODGE_CHIP_PIT };
	int ret = lodge_get_chip(vm, &chip);
	struct lodge_pit_state pit;

	if (ret < 0)
		return ret;
	memcpy(&pit, chip.data, sizeof(pit));
	pit.channel[0].mode = PIT_RATE;
	pit.channel[0].count = PIT_FULL_COUNT;
	pit.channel[0].elapsed = 0;
	memcpy(chip.data, &pit, sizeof(pit));
	return lodge_set_chip(vm, &chip);
}

int bios_init_chips(int vm)
{
	int ret = init_pic(vm);

	return ret < 0 ? ret : init_pit(vm);
}

/*
 * All is write-back but what is not RAM: 0xa0000, ROMs, and from 3 GiB to 4 GiB.
 * One by one: a vCPU without MTRRs refuses them, and needs none.
 */
static void init_mtrrs(int vcpu, unsigned int phys_bits)
{
	__u64 mask = (1ull << phys_bits) - (MEMORY_HIGH - MEMORY_LOW_MAX);
	struct lodge_msr_entry msr[] = {
		{ .index = MSR_MTRR_FIX64K, .value = MTRR_EIGHT_WB },
		{ .index = MSR_MTRR_FIX16K, .value = MTRR_EIGHT_WB },
		{ .index = MSR_MTRR_FIX16K + 1, .value = 0 },
		{ .index = MSR_MTRR_BASE0, .value = MEMORY_LOW_MAX },
		{ .index = MSR_MTRR_MASK0, .value = mask | MTRR_MASK_VALID },
		{ .index = MSR_MTRR_DEF, .value = MTRR_DEF_WB },
	};
	struct lodge_msr_entry rom = { .value = MTRR_EIGHT_WP };
	unsigned int i;

	for (rom.index = MSR_MTRR_FIX4K; rom.index < MSR_MTRR_FIX4K + 8; rom.index++)
		lodge_set_msrs(vcpu, &rom, 1, NULL);
	for (i = 0; i < ARRAY_SIZE(msr); i++)
		lodge_set_msrs(vcpu, &msr[i], 1, NULL);
}

static int init_lapic(int vcpu)
{
	struct lodge_lapic_state lapic;
	int ret = lodge_get_lapic(vcpu, &lapic);

	if (ret < 0)
		return ret;
	put_le32(lapic.regs + LAPIC_SVR, LAPIC_SVR_ENABLED);
	put_le32(lapic.regs + LAPIC_LINT0, LAPIC_EXTINT);
	put_le32(lapic.regs + LAPIC_LINT1, LAPIC_NMI);
	return lodge_set_lapic(vcpu, &lapic);
}

int bios_init_vcpu(int vcpu, unsigned int id, unsigned int phys_bits)
{
	init_mtrrs(vcpu, phys_bits);
	return id ? 0 : init_lapic(vcpu);
}
