// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bare-metal guest with a hostile virtio driver. Started by
 *
 *	lodge run --exit-dev 0xf4 -m 64M -c 2 --transport mmio --packed DEVICE... \
 *		-p N -k guest_virtio
 *
 * it breaks every Nth rule of virtqueues on every ring of every device, others on
 * each, and wants to be told each time (NEEDS_RESET); then a second CPU rewrites the ring while
 * doorbells storm. After all of it each device has to work. Prints KTAP on the
 * serial port, "broken N" with the number of rings that the device gave up, waits
 * for a byte there, and writes the number of failures to port 0xf4.
 */
#include "bare.h"

#define MMIO		0xfea00000u
#define DEVICES		8
#define RAM_END		0x4000000ull
#define LAPIC		0xfee00000u
#define RING		0x1000000u	/* the one that is attacked */
#define RING2		0x1010000u	/* a good one */
#define DATA		0x1100000u
#define ENTRIES		256u
#define PATIENCE	300000u	/* reads of a register */
#define STORM		200u		/* rings, and doorbells of each */
#define MESSAGES	64u

/* Where a ring's parts are, from its beginning on. */
#define AVAIL		0x1000
#define USED		0x2000
#define TABLE		0x4000
#define RING_BYTES	0x6000

/* virtio 1.2, 4.2.2 and 2.1 */
#define DEVICE_ID	0x008
#define FEATURES	0x020
#define FEATURES_SEL	0x024
#define QUEUE_SEL	0x030
#define QUEUE_MAX	0x034
#define QUEUE_NUM	0x038
#define QUEUE_READY	0x044
#define NOTIFY		0x050
#define STATUS		0x070
#define DESC_LOW	0x080
#define DRIVER_LOW	0x090
#define DEVICE_LOW	0x0a0
#define ACCEPTED	11		/* acknowledged, a driver, its features */
#define DRIVER_OK	15
#define NEEDS_RESET	64
#define VERSION_1	1		/* in the upper half */
#define PACKED_RING	4
#define INDIRECT	(1u << 28)

enum kind { NET = 1, BLK, CONSOLE, RNG, BALLOON, NINEP = 9, VSOCK = 19 };

/* Flags of descriptors (2.7.5, 2.8.1) */
#define N	1			/* next */
#define W	2			/* the device writes */
#define I	4			/* indirect */
#define OURS	0x80			/* available, the first time round (packed) */
#define THEIRS	0x8000

struct desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

struct device {
	u32 base;
	u32 id;
	u32 rings;
};

#define SPLIT	1
#define PACKED	2
#define BOTH	3

/**
 * struct attack - a rule that is broken
 * @formats: of the ring, in which this can be
 * @refused: already when the ring is set up
 * @plain: indirect descriptors are not negotiated
 * @raw: @chain as it is; otherwise linked to a chain
 * @count: descriptors that repeat @chain, 0: 1
 * @entries, @tables: of the ring, and of the indirect table that repeats @table
 * @head, @index: of the available ring
 * @desc, @driver, @device: the ring's parts; 0: where they belong
 */
struct attack {
	const char *name;
	u8 formats;
	u8 refused;
	u8 plain;
	u8 raw;
	u32 count;
	struct desc chain[2];
	u32 tables;
	struct desc table;
	u32 entries;
	u16 head;
	u16 index;
	u64 desc;
	u64 driver;
	u64 device;
};

#define ONE(...)	.chain = { { __VA_ARGS__ } }

static const struct attack attacks[] = {
	{ "follows itself", SPLIT, .raw = 1, ONE(DATA, 16, N, 0) },
	{ "follows itself, empty", SPLIT, .raw = 1, ONE(DATA, 0, N, 0) },
	{ "two that follow each other", SPLIT, .raw = 1, .count = 2,
	  .chain = { { DATA, 16, N | W, 1 }, { DATA, 16, N | W, 0 } } },
	{ "overlong", BOTH, .count = ENTRIES, .chain = { { DATA, 16 }, { DATA, 16 } } },
	{ "overlong, written", BOTH, .count = ENTRIES,
	  .chain = { { DATA, 16, W }, { DATA, 16, W } } },
	{ "without end", PACKED, .raw = 1, .count = ENTRIES,
	  .chain = { { DATA, 0, N }, { DATA, 0, N } } },
	{ "next behind the table", SPLIT, .raw = 1, ONE(DATA, 16, N, ENTRIES) },
	{ "next far behind the table", SPLIT, .raw = 1, ONE(DATA, 16, N, 0xffff) },
	{ "head behind the table", SPLIT, ONE(DATA, 16), .head = ENTRIES },
	{ "head far behind the table", SPLIT, ONE(DATA, 16), .head = 0xffff },
	{ "index jumps", SPLIT, ONE(DATA, 16), .index = ENTRIES + 1 },
	{ "index jumps far", SPLIT, ONE(DATA, 16), .index = 0x8000 },
	{ "index goes back", SPLIT, ONE(DATA, 16), .index = 0xffff },
	{ "address wraps", BOTH, ONE(~0xfffull, 0x2000) },
	{ "address wraps, written", BOTH, ONE(~0xfffull, 0x2000, W) },
	{ "4 GiB - 1", BOTH, ONE(DATA, 0xffffffff) },
	{ "4 GiB - 1, written", BOTH, ONE(DATA, 0xffffffff, W) },
	{ "sum over 4 GiB", BOTH, .count = 100,
	  .chain = { { DATA, RAM_END - DATA }, { DATA, RAM_END - DATA } } },
	{ "sum over 4 GiB, written", BOTH, .count = 100,
	  .chain = { { DATA, RAM_END - DATA, W }, { DATA, RAM_END - DATA, W } } },
	{ "a device's registers", BOTH, ONE(MMIO, 16) },
	{ "a device's registers, written", BOTH, ONE(MMIO, 16, W) },
	{ "the local APIC, written", BOTH, ONE(LAPIC, 16, W) },
	{ "behind memory", BOTH, ONE(RAM_END, 16) },
	{ "across its end, written", BOTH, ONE(RAM_END - 8, 16, W) },
	{ "an address that no CPU has", BOTH, ONE(1ull << 60, 16) },
	{ "written before read", BOTH, .count = 2, .chain = { { DATA, 16, W }, { DATA, 16 } } },
	{ "indirect without the feature", BOTH, .plain = 1, ONE(RING + TABLE, 16, I),
	  .tables = 1, .table = { DATA, 16 } },
	{ "indirect in indirect", SPLIT, ONE(RING + TABLE, 16, I),
	  .tables = 1, .table = { RING + TABLE, 16, I } },
	{ "indirect and next", BOTH, .count = 2,
	  .chain = { { RING + TABLE, 16, I }, { DATA, 16 } }, .tables = 1, .table = { DATA, 16 } },
	{ "empty table", BOTH, ONE(RING + TABLE, 0, I) },
	{ "table of 15 bytes", BOTH, ONE(RING + TABLE, 15, I) },
	{ "table of 17 bytes", BOTH, ONE(RING + TABLE, 17, I), .tables = 1,
	  .table = { DATA, 16 } },
	{ "table of 131", BOTH, ONE(RING + TABLE, 131 * 16, I), .tables = 131,
	  .table = { DATA, 16 } },
	{ "table of 4 GiB - 16", BOTH, ONE(RING + TABLE, 0xfffffff0, I) },
	{ "table in a device", BOTH, ONE(MMIO, 16, I) },
	{ "table behind memory", BOTH, ONE(RAM_END, 16, I) },
	{ "table that wraps", BOTH, ONE(~0xfull, 32, I) },
	{ "next behind the indirect table", SPLIT, ONE(RING + TABLE, 16, I), .tables = 1,
	  .table = { DATA, 16, N, 1 } },
	{ "loop in the indirect table", SPLIT, ONE(RING + TABLE, 16, I), .tables = 1,
	  .table = { DATA, 16, N, 0 } },
	{ "bad address in the indirect table", BOTH, ONE(RING + TABLE, 16, I), .tables = 1,
	  .table = { RAM_END, 16 } },
	{ "descriptors in a device", BOTH, .desc = MMIO },
	{ "descriptors behind memory", BOTH, .desc = RAM_END },
	{ "descriptors across its end", BOTH, .desc = RAM_END - 16 },
	{ "descriptors that wrap", BOTH, .desc = ~0xfull },
	{ "driver's part in a device", BOTH, .driver = MMIO },
	{ "driver's part behind memory", BOTH, .driver = 1ull << 52 },
	{ "device's part in a device", BOTH, .device = MMIO },
	{ "device's part in the local APIC", BOTH, .device = LAPIC },
	{ "device's part behind memory", BOTH, .device = RAM_END },
	{ "no entries", BOTH, .refused = 1, .entries = 0x10000 },
	{ "3 entries", SPLIT, .refused = 1, .entries = 3 },
	{ "65535 entries", BOTH, .refused = 1, .entries = 0xffff },
	{ "32768 entries at memory's end", BOTH, .entries = 0x8000, .desc = RAM_END - 0x40000 },
	{ "descriptors at an odd place", BOTH, .refused = 1, .desc = RING + 8 },
	{ "device's part at an odd place", BOTH, .refused = 1, .device = RING + USED + 1 },
};

static struct device devices[DEVICES];
static u32 count, tests, failed, broken, stride;

static void fill(u32 to, u8 value, u32 bytes)
{
	u32 left = bytes, d = to;

	asm volatile("rep stosb" : "+D"(d), "+c"(left) : "a"(value) : "memory");
}

static u32 get(const struct device *d, u32 reg)
{
	return *(volatile u32 *)at(d->base + reg);
}

static void set(const struct device *d, u32 reg, u32 value)
{
	*(volatile u32 *)at(d->base + reg) = value;
}

static void set64(const struct device *d, u32 reg, u64 value)
{
	set(d, reg, value);
	set(d, reg + 4, value >> 32);
}

/* A packed descriptor has its flags where a split one has the next. */
static void put(u32 to, u32 i, struct desc desc, u16 mark, int packed)
{
	volatile struct desc *d = at(to + i * sizeof(desc));

	d->addr = desc.addr;
	d->len = desc.len;
	d->flags = packed ? i : desc.flags;
	d->next = packed ? desc.flags | mark : desc.next;
}

static void publish(u32 ring, u16 head, u16 index)
{
	*(volatile u16 *)at(ring + AVAIL + 4) = head;
	*(volatile u16 *)at(ring + AVAIL + 2) = index;
}

static void begin(const struct device *d, int packed, int plain)
{
	/* All of its rings */
	u32 own = d->id == BALLOON ? 1 << 1 | 1 << 5 : d->id == CONSOLE ? 1 << 1 : 0;

	set(d, STATUS, 0);
	set(d, STATUS, 3);
	set(d, FEATURES_SEL, 0);
	set(d, FEATURES, own | (plain ? 0 : INDIRECT));
	set(d, FEATURES_SEL, 1);
	set(d, FEATURES, VERSION_1 | (packed ? PACKED_RING : 0));
	set(d, STATUS, ACCEPTED);
}

static void place(const struct device *d, u32 ring, u32 entries, u64 desc, u64 driver, u64 device)
{
	set(d, QUEUE_SEL, ring);
	set(d, QUEUE_NUM, entries);
	set64(d, DESC_LOW, desc);
	set64(d, DRIVER_LOW, driver);
	set64(d, DEVICE_LOW, device);
	set(d, QUEUE_READY, 1);
}

/* A chain of @n in a ring of its own. */
static void good(const struct device *d, u32 ring, const struct desc *chain, u32 n, int packed)
{
	u32 i;

	fill(RING2, 0, RING_BYTES);
	for (i = n; i--;)
		put(RING2, i, chain[i], OURS, packed);
	publish(RING2, 0, 1);
	place(d, ring, ENTRIES, RING2, RING2 + AVAIL, RING2 + USED);
}

/* It gives the chain back. */
static int is_used(int packed)
{
	volatile struct desc *first = at(RING2);

	return packed ? (first->next & THEIRS) != 0 : *(volatile u16 *)at(RING2 + USED + 2) == 1;
}

/* Nothing is taken from this ring unless there is something to be told. */
static int has_to_ask(const struct device *d, u32 ring)
{
	return (d->id == VSOCK && ring == 0) || (d->id == CONSOLE && ring == 2);
}

/*
 * From port 1 to port 1 of the host, where nobody listens; or what ports a console has.
 * The ring that was asked on.
 */
static u32 ask_for_answer(const struct device *d, int packed)
{
	static const struct desc packet = { DATA + 0x8000, 44 }, message = { DATA + 0x8000, 8 };
	volatile u32 *h = at(DATA + 0x8000);

	fill(DATA + 0x8000, 0, 44);
	if (d->id == CONSOLE) {
		h[1] = 1 << 16;		/* the device is ready */
		good(d, 3, &message, 1, packed);
		return 3;
	}
	h[0] = 3;
	h[2] = 2;
	h[4] = 1;
	h[5] = 1;
	h[7] = 1 | 1 << 16;		/* a stream, a request */
	good(d, 1, &packet, 1, packed);
	return 1;
}

static void install(const struct attack *a, int packed)
{
	u32 n = a->count ? a->count : 1, i;
	struct desc desc;

	fill(RING, 0, RING_BYTES);
	for (i = 0; i < a->tables; i++)
		put(RING + TABLE, i, a->table, 0, packed);
	for (i = n; i--;) {
		desc = a->chain[i & 1];
		if (!a->raw && i < n - 1) {
			desc.flags |= N;
			desc.next = i + 1;
		}
		put(RING, i, desc, OURS, packed);
	}
	publish(RING, a->head, a->index ? a->index : 1);
}

/* True when the device asked for a reset. */
static int attack(const struct device *d, u32 ring, const struct attack *a, int packed)
{
	u32 tries = PATIENCE, asked = ring;

	begin(d, packed, a->plain);
	install(a, packed);
	place(d, ring, a->entries ? a->entries & 0xffff : ENTRIES, a->desc ? a->desc : RING,
	      a->driver ? a->driver : RING + AVAIL, a->device ? a->device : RING + USED);
	if (has_to_ask(d, ring))
		asked = ask_for_answer(d, packed);
	set(d, STATUS, DRIVER_OK);
	set(d, NOTIFY, ring);
	if (asked != ring)
		set(d, NOTIFY, asked);
	while (!(get(d, STATUS) & NEEDS_RESET))
		if (!--tries)
			return 0;
	broken += !a->refused;
	return 1;
}

/* What each kind of device does at once: the ring, and the chain in it. */
static u32 request(const struct device *d, const struct desc **chain, u32 *n)
{
	static const struct desc read[] = {
		{ DATA, 16, N, 1 }, { DATA + 0x1000, 512, N | W, 2 }, { DATA + 0x2000, 1, W },
	};
	static const struct desc ask[] = { { DATA, 21, N, 1 }, { DATA + 0x1000, 64, W } };
	static const struct desc say = { DATA, 72 }, random = { DATA, 16, W };
	static const u8 version[] = {
		21, 0, 0, 0, 100, 255, 255, 0, 32, 0, 0, 8, 0,
		'9', 'P', '2', '0', '0', '0', '.', 'L',
	};
	u32 i;

	fill(DATA, 0, 0x3000);
	*(volatile u8 *)at(DATA + 0x2000) = 0xee;
	for (i = 0; d->id == NINEP && i < sizeof(version); i++)
		*(volatile u8 *)at(DATA + i) = version[i];
	*n = d->id == BLK ? 3 : d->id == NINEP ? 2 : 1;
	*chain = d->id == BLK ? read : d->id == NINEP ? ask : d->id == RNG ? &random : &say;
	return d->id == NET || d->id == CONSOLE || d->id == BALLOON || d->id == VSOCK;
}

static int works(const struct device *d, int packed)
{
	u32 tries = PATIENCE, ring, n;
	const struct desc *chain;

	begin(d, packed, 0);
	ring = request(d, &chain, &n);
	good(d, ring, chain, n, packed);
	set(d, STATUS, DRIVER_OK);
	set(d, NOTIFY, ring);
	while (!is_used(packed) && !(get(d, STATUS) & NEEDS_RESET))
		if (!--tries)
			return 0;
	if (d->id == BLK && *(volatile u8 *)at(DATA + 0x2000))
		return 0;
	if (d->id == NINEP && *(volatile u8 *)at(DATA + 0x1004) != 101)
		return 0;
	return get(d, STATUS) == DRIVER_OK;
}

static const char *name_of(const struct device *d)
{
	return d->id == NET ? "net" : d->id == BLK ? "disk" : d->id == CONSOLE ? "console" :
	       d->id == RNG ? "rng" : d->id == BALLOON ? "balloon" : d->id == NINEP ? "share" :
	       d->id == VSOCK ? "vsock" : "unknown";
}

static void say(const struct device *d, const char *what, u32 ring)
{
	print(name_of(d));
	print(" ");
	print_number(d - devices);
	print(what);
	print_number(ring);
}

static void result(const struct device *d, const char *what, u32 ring, int ok)
{
	failed += !ok;
	print(ok ? "ok " : "not ok ");
	print_number(++tests);
	print(" ");
	say(d, what, ring);
	print("\n");
}

static void attack_ring(const struct device *d, u32 ring)
{
	int packed, ok = 1;
	u32 i;

	for (i = tests % stride; i < ARRAY_SIZE(attacks); i += stride)
		for (packed = 0; packed < 2; packed++) {
			if (!(attacks[i].formats & (packed ? PACKED : SPLIT)) ||
			    attack(d, ring, &attacks[i], packed))
				continue;
			ok = 0;
			print("# ");
			say(d, packed ? ", packed ring " : ", split ring ", ring);
			print(": it does not mind: ");
			print(attacks[i].name);
			print("\n");
		}
	result(d, ": rules of ring ", ring, ok && works(d, 0) && works(d, 1));
}

/* The other CPU */

static volatile u32 scribbling;

static u32 rnd(u32 below)
{
	static u32 x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % below;
}

__attribute__((used)) static void scribble(void)
{
	static const u64 addrs[] = {
		DATA, DATA + 4096, RING + TABLE, RAM_END - 8, RAM_END, MMIO, LAPIC, ~0xfull,
		1ull << 63,
	};
	static const u32 lens[] = { 0, 1, 16, 44, 512, 4096, 0x100000, 0xffffffff };
	struct desc desc;

	asm volatile("sti");
	while (scribbling) {
		desc.addr = addrs[rnd(ARRAY_SIZE(addrs))];
		desc.len = lens[rnd(ARRAY_SIZE(lens))];
		desc.flags = rnd(8);
		desc.next = rnd(20);
		put(RING + (rnd(4) ? 0 : TABLE), rnd(16), desc, rnd(2) ? OURS : THEIRS, rnd(2));
		*(volatile u16 *)at(RING + AVAIL + 4 + 2 * rnd(16)) = rnd(20);
		*(volatile u16 *)at(RING + AVAIL + 2) += rnd(3);
	}
	for (;;)
		asm volatile("cli; hlt");
}

extern u8 ap_start[], ap_end[];

asm(".pushsection .rodata\n"
".code16\n"
"ap_start:\n"
"	cli\n"
"	mov	%cs, %ax\n"
"	mov	%ax, %ds\n"
"	lgdtl	ap_gdt_descr - ap_start\n"
"	mov	%cr0, %eax\n"
"	or	$1, %al\n"
"	mov	%eax, %cr0\n"
"	ljmpl	$8, $ap_entry\n"
"ap_gdt:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
"ap_gdt_descr:	.word	. - ap_gdt - 1\n"
"	.long	0x7000 + ap_gdt - ap_start\n"
"ap_end:\n"
".code32\n"
".popsection\n"
"ap_entry:	mov	$0x10, %ax\n"
"	mov	%ax, %ds\n"
"	mov	%ax, %es\n"
"	mov	%ax, %ss\n"
"	mov	$ap_stack_end, %esp\n"
"	call	scribble\n"
".bss\n"
"	.balign	16\n"
"	.skip	4096\n"
"ap_stack_end:\n"
".text\n");

static void start_other_cpu(void)
{
	volatile u8 *to = at(0x7000);
	u32 i;

	for (i = 0; i < (u32)(ap_end - ap_start); i++)
		to[i] = ap_start[i];
	scribbling = 1;
	*(volatile u32 *)at(LAPIC + 0x300) = 0xc4500;	/* INIT to all others */
	*(volatile u32 *)at(LAPIC + 0x300) = 0xc4607;	/* and start at 0x7000 */
}

/* Messages about ports, of any length and meaning: all are taken, and none minded. */
static void nonsense(const struct device *d)
{
	static const u32 lens[] = { 8, 0, 1, 7, 8, 9, 8, 4096 };
	struct desc message = { DATA };
	u32 i, tries, ok = 1;

	for (i = 0; i < MESSAGES && ok; i++) {
		begin(d, i & 1, 0);
		/* Mostly of a port that there is, and an event */
		*(volatile u32 *)at(DATA) = rnd(4) ? rnd(3) : ~rnd(0x7fffffff);
		*(volatile u32 *)at(DATA + 4) = rnd(8) | rnd(3) << 16;
		message.len = lens[i % ARRAY_SIZE(lens)];
		good(d, 3, &message, 1, i & 1);
		set(d, STATUS, DRIVER_OK);
		set(d, NOTIFY, 3);
		for (tries = PATIENCE; tries && !is_used(i & 1); tries--)
			get(d, STATUS);
		ok = tries && get(d, STATUS) == DRIVER_OK;
	}
	result(d, ": messages ", MESSAGES, ok && works(d, 0) && works(d, 1));
}

static void storm(const struct device *d)
{
	u32 i, ring, n;

	for (i = 0; i < STORM / 20; i++) {
		begin(d, i & 1, 0);
		fill(RING, 0, RING_BYTES);
		/* No number that the balloon takes for a page of ours */
		fill(DATA, 0xff, 0x100000);
		for (ring = 0; ring < d->rings; ring++)
			place(d, ring, 16, RING, RING + AVAIL, RING + USED);
		set(d, STATUS, DRIVER_OK);
		for (n = 0; n < STORM; n++)
			set(d, NOTIFY, n % 7 ? n % d->rings : n);
	}
	result(d, ": doorbells, of each ring ", STORM, works(d, 0) && works(d, 1));
}

static void find_devices(void)
{
	struct device *d;
	u32 i;

	for (i = 0; i < DEVICES; i++) {
		d = &devices[count];
		d->base = MMIO + i * 0x1000;
		d->id = get(d, 0) == 0x74726976 ? get(d, DEVICE_ID) : 0;
		if (!d->id)
			continue;
		count++;
		do {
			set(d, QUEUE_SEL, ++d->rings);
		} while (get(d, QUEUE_MAX));
	}
}

/* The last word of the command line is a digit. */
__attribute__((used)) static void start(const u32 *info)
{
	const char *digit = (const char *)info[4];
	u32 i, ring;

	while (digit[1])
		digit++;
	stride = *digit - '0';
	/* No interrupt comes; but Bochs leaves a guest for its host's with IF=1 alone. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	asm volatile("sti");
	print("KTAP version 1\n");
	find_devices();
	for (i = 0; i < count; i++)
		/* Nothing is ever taken from the last ring of vsock: its events. */
		for (ring = 0; ring < devices[i].rings - (devices[i].id == VSOCK); ring++)
			attack_ring(&devices[i], ring);
	print("broken ");
	print_number(broken);
	print("\n");
	while (!(in8(0x3fd) & 1))
		;
	in8(0x3f8);
	for (i = 0; i < count; i++)
		if (devices[i].id == CONSOLE)
			nonsense(&devices[i]);
	start_other_cpu();
	for (i = 0; i < count; i++)
		storm(&devices[i]);
	scribbling = 0;
	print("1..");
	print_number(tests);
	print("\n");
	for (;;)
		out32(0xf4, tests ? failed : 99);
}
