// SPDX-License-Identifier: GPL-2.0-only
/* I/O APIC, PIC and PIT. The test device drives the lines. */
#include "bare.h"

#define APIC		0xfee00000ul
#define IOAPIC		0xfec00000ul
#define LINE		11
#define OTHER_LINE	5
#define VECTOR		0x59
#define PIC_VECTOR	0x30
#define MASKED		0x10000
#define LEVEL		0x8000
#define REMOTE_IRR	0x4000
#define PENDING		0x1000
#define LOW		0x2000

static volatile u32 hits[256];
static volatile bool lower_line, no_eoi;

static u32 ioapic_read(u8 reg)
{
	mmio_write(IOAPIC, reg);
	return mmio_read(IOAPIC + 0x10);
}

static void ioapic_write(u8 reg, u32 v)
{
	mmio_write(IOAPIC, reg);
	mmio_write(IOAPIC + 0x10, v);
}

static void route(unsigned int line, u32 low, u32 high)
{
	ioapic_write(0x10 + line * 2, MASKED);
	ioapic_write(0x11 + line * 2, high);
	ioapic_write(0x10 + line * 2, low);
}

static u32 entry(unsigned int line)
{
	return ioapic_read(0x10 + line * 2);
}

static void set_line(unsigned int line, bool level)
{
	outb(LINE_PORT + line, level);
}

static void on_irq(struct frame *f)
{
	hits[f->vector]++;
	if (lower_line)
		set_line(LINE, false);
	if (!no_eoi)
		mmio_write(APIC + 0xb0, 0);
}

static void on_pic(struct frame *f)
{
	hits[f->vector]++;
	if (no_eoi)
		return;
	if (f->vector >= PIC_VECTOR + 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void settle(void)
{
	irq_on();
	for (volatile int i = 0; i < 2000; i++)
		;
	irq_off();
}

static void test_ioapic_registers(void)
{
	u32 version = ioapic_read(1);

	check((version >> 16 & 0xff) == 23, "24 redirection entries");
	check((version & 0xff) >= 0x11 && (version & 0xff) <= 0x20, "I/O APIC version");
	check(entry(LINE) & MASKED, "entries are masked after reset");
	ioapic_write(0, 5 << 24);
	check(ioapic_read(0) == 5 << 24, "I/O APIC ID is kept");
	ioapic_write(0, 0);
	route(LINE, MASKED | VECTOR, 3 << 24);
	check(entry(LINE) == (MASKED | VECTOR) && ioapic_read(0x11 + LINE * 2) == 3 << 24,
	      "an entry is kept");
	ioapic_write(0x10 + LINE * 2, MASKED | REMOTE_IRR | PENDING | VECTOR);
	check(!(entry(LINE) & (REMOTE_IRR | PENDING)), "remote IRR and status are read-only");
	ioapic_write(1, 0);
	check(ioapic_read(1) == version, "the version is read-only");
	mmio_write(IOAPIC, 0xff);
	check(mmio_read(IOAPIC) == 0xff, "the index is kept");
}

static void test_edge(void)
{
	memset((void *)hits, 0, sizeof(hits));
	route(LINE, VECTOR, 0);
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 1, "edge: a rising line interrupts once");
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 1, "edge: a line that stays high does not");
	set_line(LINE, false);
	settle();
	check(hits[VECTOR] == 1, "edge: nor one that falls");
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 2, "edge: the next rise does");
	set_line(LINE, false);
	route(LINE, MASKED | VECTOR, 0);
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 2, "edge: masked, a rise is silent");
	set_line(LINE, false);
	route(LINE, VECTOR, 0);
	settle();
	check(hits[VECTOR] == 2, "edge: and forgotten");
	check(!(entry(LINE) & REMOTE_IRR), "edge: no remote IRR");
}

static void test_level(void)
{
	memset((void *)hits, 0, sizeof(hits));
	route(LINE, LEVEL | VECTOR, 0);
	lower_line = true;
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 1, "level: a high line interrupts");
	check(!(entry(LINE) & REMOTE_IRR), "level: EOI clears remote IRR");
	lower_line = false;
	no_eoi = true;
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 2, "level: again");
	check(entry(LINE) & REMOTE_IRR, "level: remote IRR before EOI");
	settle();
	check(hits[VECTOR] == 2, "level: not twice before EOI");
	no_eoi = false;
	lower_line = true;
	mmio_write(APIC + 0xb0, 0);
	settle();
	check(hits[VECTOR] == 3, "level: after EOI, while the line is high, once more");
	check(!(entry(LINE) & REMOTE_IRR), "level: quiet at last");
	lower_line = false;
	route(LINE, MASKED | LEVEL | VECTOR, 0);
	set_line(LINE, true);
	settle();
	check(hits[VECTOR] == 3, "level: masked, silent");
	lower_line = true;
	ioapic_write(0x10 + LINE * 2, LEVEL | VECTOR);
	settle();
	check(hits[VECTOR] == 4, "level: unmasked with the line high, it comes");
	lower_line = false;
	route(LINE, MASKED, 0);
}

static void test_modes(void)
{
	memset((void *)hits, 0, sizeof(hits));
	route(LINE, 0x100 | VECTOR, 0);
	set_line(LINE, true);
	set_line(LINE, false);
	settle();
	check(hits[VECTOR] == 1, "lowest priority to the only CPU");
	mmio_write(APIC + 0xe0, 0xffffffff);
	mmio_write(APIC + 0xd0, 1 << 24);
	route(LINE, 0x800 | VECTOR, 1 << 24);
	set_line(LINE, true);
	set_line(LINE, false);
	settle();
	check(hits[VECTOR] == 2, "logical destination");
	route(LINE, 0x800 | VECTOR, 2 << 24);
	set_line(LINE, true);
	set_line(LINE, false);
	settle();
	check(hits[VECTOR] == 2, "a logical destination that is not this CPU");
	route(LINE, 0x400, 0);
	set_line(LINE, true);
	set_line(LINE, false);
	settle();
	check(hits[VEC_NMI] == 1, "an entry that delivers NMI");
	route(LINE, VECTOR, 200u << 24);
	set_line(LINE, true);
	set_line(LINE, false);
	settle();
	check(hits[VECTOR] == 2, "a destination that is not there");
	route(LINE, MASKED, 0);
	route(OTHER_LINE, 0x61, 0);
	route(LINE, 0x41, 0);
	set_line(LINE, true);
	set_line(OTHER_LINE, true);
	check(mmio_read(APIC + 0x220) & 2 && mmio_read(APIC + 0x230) & 2, "two lines wait in IRR");
	settle();
	check(hits[0x41] == 1 && hits[0x61] == 1, "and both arrive");
	set_line(LINE, false);
	set_line(OTHER_LINE, false);
	route(LINE, MASKED, 0);
	route(OTHER_LINE, MASKED, 0);
}

static void pic_init(u8 icw4)
{
	outb(0x20, 0x11);
	outb(0x21, PIC_VECTOR);
	outb(0x21, 4);
	outb(0x21, icw4);
	outb(0xa0, 0x11);
	outb(0xa1, PIC_VECTOR + 8);
	outb(0xa1, 2);
	outb(0xa1, icw4);
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	outb(0x4d0, 0);			/* edges; firmware may have left levels */
	outb(0x4d1, 0);
}

static void test_pic(void)
{
	unsigned int i;

	memset((void *)hits, 0, sizeof(hits));
	for (i = 0; i < 16; i++)
		handlers[PIC_VECTOR + i] = on_pic;
	mmio_write(APIC + 0x350, 0x700);	/* LINT0: ExtINT */
	pic_init(1);
	check(inb(0x21) == 0xff && inb(0xa1) == 0xff, "PIC masks are kept");
	outb(0x21, 0xdf);
	set_line(OTHER_LINE, true);
	outb(0x20, 0x0a);
	check(inb(0x20) & 1 << OTHER_LINE, "PIC: IRR shows the line");
	settle();
	check(hits[PIC_VECTOR + OTHER_LINE] == 1, "PIC: a line of the master");
	set_line(OTHER_LINE, false);
	outb(0x21, 0xfb);
	outb(0xa1, 0xf7);
	set_line(LINE, true);
	settle();
	check(hits[PIC_VECTOR + LINE] == 1, "PIC: a line of the slave");
	set_line(LINE, false);
	outb(0x21, 0xff);
	set_line(OTHER_LINE, true);
	settle();
	check(hits[PIC_VECTOR + OTHER_LINE] == 1, "PIC: masked, silent");
	set_line(OTHER_LINE, false);
	no_eoi = true;
	outb(0x21, 0xdf);
	set_line(OTHER_LINE, true);
	settle();
	outb(0x20, 0x0b);
	check(inb(0x20) == 1 << OTHER_LINE, "PIC: ISR before EOI");
	set_line(OTHER_LINE, false);
	set_line(OTHER_LINE, true);
	settle();
	check(hits[PIC_VECTOR + OTHER_LINE] == 2, "PIC: not again before EOI");
	no_eoi = false;
	outb(0x20, 0x60 | OTHER_LINE);
	settle();
	check(hits[PIC_VECTOR + OTHER_LINE] == 3, "PIC: specific EOI lets it in");
	set_line(OTHER_LINE, false);
	pic_init(3);
	outb(0x21, 0xdf);
	no_eoi = true;
	set_line(OTHER_LINE, true);
	settle();
	outb(0x20, 0x0b);
	check(hits[PIC_VECTOR + OTHER_LINE] == 4 && !inb(0x20), "PIC: automatic EOI");
	set_line(OTHER_LINE, false);
	no_eoi = false;
	pic_init(1);
	outb(0x21, 0xdf);
	mmio_write(APIC + 0x350, 0x10700);
	set_line(OTHER_LINE, true);
	settle();
	check(hits[PIC_VECTOR + OTHER_LINE] == 4, "LINT0 masked: no ExtINT");
	set_line(OTHER_LINE, false);
	outb(0x4d0, 0x20);
	check(inb(0x4d0) == 0x20, "ELCR is kept");
	outb(0x4d0, 0);
	outb(0x4d0, 0xff);
	check(inb(0x4d0) == 0xf8, "ELCR: lines 0 to 2 stay edge");
	outb(0x4d0, 0);
	outb(0x21, 0xff);
}

static u16 pit_count(u8 channel)
{
	u16 v;

	outb(0x43, channel << 6);
	v = inb(0x40 + channel);
	return v | inb(0x40 + channel) << 8;
}

static void test_pit(void)
{
	u16 a, b;
	u8 status;

	memset((void *)hits, 0, sizeof(hits));
	route(2, VECTOR, 0);
	outb(0x43, 0x34);		/* channel 0, both bytes, mode 2 */
	outb(0x40, 0x00);
	outb(0x40, 0x20);
	irq_on();
	wait_for(hits[VECTOR] >= 3);
	irq_off();
	check(hits[VECTOR] >= 3, "PIT: mode 2 interrupts again and again");
	a = pit_count(0);
	check(a <= 0x2000 && a, "PIT: the count stays below its start");
	outb(0x43, 0x30);		/* mode 0 */
	outb(0x40, 0xff);
	outb(0x40, 0xff);
	a = pit_count(0);
	for (volatile int i = 0; i < 20000; i++)
		;
	b = pit_count(0);
	check(b < a, "PIT: mode 0 counts down");
	outb(0x43, 0xe2);		/* read back the status of channel 0 */
	status = inb(0x40);
	check((status & 0x3f) == 0x30, "PIT: read-back gives mode and access");
	outb(0x43, 0x30);		/* stops it until a count is there */
	irq_on();			/* the first count may have ended already */
	irq_off();
	memset((void *)hits, 0, sizeof(hits));
	outb(0x40, 0x00);
	outb(0x40, 0x10);
	irq_on();
	wait_for(hits[VECTOR]);
	for (volatile int i = 0; i < 100000; i++)
		;
	irq_off();
	check(hits[VECTOR] == 1, "PIT: mode 0 interrupts once");
	route(2, MASKED, 0);
	outb(0x61, (inb(0x61) & ~2) | 1);	/* gate of channel 2, no sound */
	outb(0x43, 0xb0);
	outb(0x42, 0x00);
	outb(0x42, 0x10);
	check(!(inb(0x61) & 0x20), "PIT: channel 2's output is low at first");
	wait_for(inb(0x61) & 0x20);
	check(inb(0x61) & 0x20, "PIT: and high at the end");
	outb(0x61, inb(0x61) & ~1);
	check(!(inb(0x61) & 1), "port 0x61 keeps the gate");
}

void tests(void)
{
	handlers[VECTOR] = on_irq;
	handlers[0x41] = on_irq;
	handlers[0x61] = on_irq;
	handlers[VEC_NMI] = on_irq;
	mmio_write(APIC + 0xf0, 0x1ff);
	test_ioapic_registers();
	test_edge();
	test_level();
	test_modes();
	test_pic();
	test_pit();
}
