// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/lodge and how their arguments are made up. */
#include <string.h>
#include <unistd.h>

#include "ioctl_fuzz.h"

#define F(type, name, how, what) {						\
	offsetof(struct type, name), sizeof(((struct type *)0)->name), how, what }
#define BLOB_OF(type, name) { offsetof(struct type, name), 255, BLOB,		\
	sizeof(((struct type *)0)->name) }
#define NONE	KINDS

#define ROW(what, type, target, made, ...) {					\
	.name = #what, .cmd = LODGE_##what, .bytes = sizeof(struct type),		\
	.on = target, .makes = made,						\
	.fields = sizeof((struct field[]){ __VA_ARGS__ }) / sizeof(struct field),\
	.field = { __VA_ARGS__ } }
#define SET(what, type, target, ...) {					\
	.name = "SET_" #what, .cmd = LODGE_SET_##what, .get = LODGE_GET_##what,	\
	.bytes = sizeof(struct type), .on = target, .makes = NONE,		\
	.fields = sizeof((struct field[]){ __VA_ARGS__ }) / sizeof(struct field),\
	.field = { __VA_ARGS__ } }

#define ONLY_FLAGS(type, mask)	F(type, flags, FLAGS, mask)

const struct call table[] = {
	ROW(GET_INFO, lodge_info, DEV, NONE, ONLY_FLAGS(lodge_info, 0)),
	ROW(GET_SUPPORTED_CPUID, lodge_cpuid, DEV, NONE, F(lodge_cpuid, count, COUNT, 128),
	    F(lodge_cpuid, entries, USER, 0)),
	ROW(GET_MSR_LIST, lodge_msr_list, DEV, NONE, F(lodge_msr_list, count, COUNT, 256),
	    F(lodge_msr_list, indexes, USER, 0)),
	ROW(CREATE_VM, lodge_create_vm, DEV, VM, F(lodge_create_vm, tsc_khz, ZERO, 0)),
	ROW(CREATE_VCPU, lodge_create_vcpu, VM, VCPU, F(lodge_create_vcpu, id, BELOW, 6)),
	ROW(SET_SLOT, lodge_slot, VM, NONE, ONLY_FLAGS(lodge_slot, 3),
	    F(lodge_slot, slot, BELOW, 4), F(lodge_slot, gpa, GPA, 0),
	    F(lodge_slot, bytes, BYTES, 0), F(lodge_slot, user_addr, USER, 1)),
	ROW(IRQ_LINE, lodge_irq_line, VM, NONE, F(lodge_irq_line, gsi, BELOW, 24),
	    F(lodge_irq_line, level, BELOW, 2)),
	ROW(SIGNAL_MSI, lodge_msi, VM, NONE, F(lodge_msi, addr, VECTOR, 0xfee00000),
	    F(lodge_msi, data, VECTOR, 0)),
	ROW(SET_IRQFD, lodge_irqfd, VM, NONE, ONLY_FLAGS(lodge_irqfd, 3),
	    F(lodge_irqfd, fd, FD, EVENT), F(lodge_irqfd, gsi, BELOW, 24),
	    F(lodge_irqfd, addr, VECTOR, 0xfee00000), F(lodge_irqfd, data, VECTOR, 0)),
	ROW(SET_DOMAIN, lodge_domain, VM, NONE, F(lodge_domain, domain, BELOW, 3),
	    F(lodge_domain, eventfd, FD, EVENT)),
	ROW(SET_REGION, lodge_region, VM, NONE, ONLY_FLAGS(lodge_region, 7),
	    F(lodge_region, space, BELOW, 2), F(lodge_region, domain, BELOW, 3),
	    F(lodge_region, addr, GPA, 1), F(lodge_region, bytes, BELOW, 64),
	    F(lodge_region, read, BELOW, 4), F(lodge_region, write, BELOW, 6),
	    F(lodge_region, shadow, BELOW, 4096), F(lodge_region, eventfd, FD, EVENT),
	    F(lodge_region, mask, ANY, 0), F(lodge_region, match, BELOW, 4)),
	ROW(SET_REGION, lodge_region, VM, NONE, ONLY_FLAGS(lodge_region, 7),
	    F(lodge_region, space, BELOW, 2), F(lodge_region, domain, BELOW, 3),
	    F(lodge_region, addr, GPA, 1), F(lodge_region, bytes, BELOW, 5),
	    F(lodge_region, read, BELOW, 4), F(lodge_region, write, BELOW, 6),
	    F(lodge_region, shadow, BELOW, 4096), F(lodge_region, eventfd, FD, VIRTIO),
	    F(lodge_region, mask, ANY, 0), F(lodge_region, match, BELOW, 4)),
	ROW(GET_CHIP, lodge_chip, VM, NONE, F(lodge_chip, chip, BELOW, 3)),
	SET(CHIP, lodge_chip, VM, BLOB_OF(lodge_chip, data)),
	ROW(VM_STATS, lodge_open_stats, VM, STATS, ONLY_FLAGS(lodge_open_stats, 1)),
	ROW(RESET_VM, lodge_reset, VM, NONE, ONLY_FLAGS(lodge_reset, 0)),
	ROW(GET_DIRTY, lodge_dirty, VM, NONE, F(lodge_dirty, slot, BELOW, 4),
	    F(lodge_dirty, first, ZERO, 0), F(lodge_dirty, pages, COUNT, 512),
	    F(lodge_dirty, bitmap, USER, 0)),
	ROW(PREFAULT, lodge_prefault, VM, NONE, F(lodge_prefault, gpa, GPA, 0),
	    F(lodge_prefault, bytes, BYTES, 0)),
	ROW(WATCH, lodge_watch_pages, VM, NONE, ONLY_FLAGS(lodge_watch_pages, 1),
	    F(lodge_watch_pages, access, BELOW, 8), F(lodge_watch_pages, gpa, GPA, 0),
	    F(lodge_watch_pages, bytes, BYTES, 0), F(lodge_watch_pages, bitmap, USER, 0)),
	ROW(CREATE_VIRTIO, lodge_create_virtio, VM, VIRTIO, ONLY_FLAGS(lodge_create_virtio, 1),
	    F(lodge_create_virtio, device, BELOW, 5), F(lodge_create_virtio, rings, BELOW, 4),
	    F(lodge_create_virtio, fd, FD, BACKEND), F(lodge_create_virtio, gsi, BELOW, 24),
	    F(lodge_create_virtio, sectors, BELOW, 4096),
	    F(lodge_create_virtio, rate_ops, ZERO, 0)),
	ROW(CREATE_VIRTIO, lodge_create_virtio, VM, VIRTIO, ONLY_FLAGS(lodge_create_virtio, 2),
	    F(lodge_create_virtio, device, BELOW, 20), F(lodge_create_virtio, rings, BELOW, 4),
	    F(lodge_create_virtio, fd, FD, EVENT), F(lodge_create_virtio, gsi, BELOW, 24),
	    F(lodge_create_virtio, rate_ops, BELOW, 64)),
	{ .name = "RUN", .cmd = LODGE_RUN, .on = VCPU, .makes = NONE },
	ROW(GET_REGS, lodge_get_regs, VCPU, NONE, ONLY_FLAGS(lodge_get_regs, 0)),
	SET(REGS, lodge_get_regs, VCPU, BLOB_OF(lodge_get_regs, regs)),
	ROW(GET_SREGS, lodge_get_sregs, VCPU, NONE, ONLY_FLAGS(lodge_get_sregs, 0)),
	SET(SREGS, lodge_get_sregs, VCPU, BLOB_OF(lodge_get_sregs, sregs)),
	ROW(GET_XSAVE, lodge_xsave, VCPU, NONE, F(lodge_xsave, bytes, COUNT, 4096),
	    F(lodge_xsave, addr, USER, 0)),
	SET(XSAVE, lodge_xsave, VCPU, F(lodge_xsave, bytes, COUNT, 4096),
	    F(lodge_xsave, addr, USER, 0)),
	ROW(GET_MSRS, lodge_msrs, VCPU, NONE, F(lodge_msrs, count, COUNT, 32),
	    F(lodge_msrs, entries, USER, 2)),
	SET(MSRS, lodge_msrs, VCPU, F(lodge_msrs, count, COUNT, 4),
	    F(lodge_msrs, entries, USER, 2)),
	ROW(GET_CPUID, lodge_cpuid, VCPU, NONE, F(lodge_cpuid, count, COUNT, 128),
	    F(lodge_cpuid, entries, USER, 0)),
	SET(CPUID, lodge_cpuid, VCPU, F(lodge_cpuid, count, COUNT, 128),
	    F(lodge_cpuid, entries, USER, 0)),
	ROW(GET_EVENTS, lodge_events, VCPU, NONE, ONLY_FLAGS(lodge_events, 0)),
	ROW(SET_EVENTS, lodge_events, VCPU, NONE, ONLY_FLAGS(lodge_events, 0x1ff),
	    F(lodge_events, exception, BELOW, 32), F(lodge_events, interrupt, ANY, 0)),
	ROW(GET_LAPIC, lodge_lapic_state, VCPU, NONE, ONLY_FLAGS(lodge_lapic_state, 0)),
	SET(LAPIC, lodge_lapic_state, VCPU, BLOB_OF(lodge_lapic_state, regs)),
	ROW(GET_MP_STATE, lodge_mp_state, VCPU, NONE, ONLY_FLAGS(lodge_mp_state, 0)),
	ROW(SET_MP_STATE, lodge_mp_state, VCPU, NONE, F(lodge_mp_state, state, BELOW, 3),
	    F(lodge_mp_state, sipi_vector, BELOW, 256)),
	ROW(GET_DEBUGREGS, lodge_debugregs, VCPU, NONE, ONLY_FLAGS(lodge_debugregs, 0)),
	SET(DEBUGREGS, lodge_debugregs, VCPU, F(lodge_debugregs, db, ANY, 0),
	    F(lodge_debugregs, dr7, ANY, 0)),
	ROW(TRANSLATE, lodge_translate, VCPU, NONE, F(lodge_translate, gva, GPA, 0)),
	ROW(NMI, lodge_nmi, VCPU, NONE, ONLY_FLAGS(lodge_nmi, 0)),
	ROW(VCPU_STATS, lodge_open_stats, VCPU, STATS, ONLY_FLAGS(lodge_open_stats, 1)),
	ROW(RESET_VCPU, lodge_reset, VCPU, NONE, ONLY_FLAGS(lodge_reset, 0)),
	ROW(TRACE, lodge_open_trace, VCPU, TRACE, ONLY_FLAGS(lodge_open_trace, 1),
	    F(lodge_open_trace, records, COUNT, 128)),
	ROW(RING_SERVE, lodge_ring_serve, VIRTIO, NONE, F(lodge_ring_serve, rings, BELOW, 8)),
	ROW(SET_FEATURES, lodge_virtio_features, VIRTIO, NONE,
	    F(lodge_virtio_features, features, FEATURES, 0)),
	ROW(VIRTIO_RESET, lodge_reset, VIRTIO, NONE, ONLY_FLAGS(lodge_reset, 0)),
	ROW(SET_RING, lodge_ring, VIRTIO, NONE, ONLY_FLAGS(lodge_ring, 1),
	    F(lodge_ring, ring, BELOW, 3), F(lodge_ring, entries, COUNT, 16),
	    F(lodge_ring, desc, GPA, 2), F(lodge_ring, driver, GPA, 2),
	    F(lodge_ring, device, GPA, 2), F(lodge_ring, next, ZERO, 0),
	    F(lodge_ring, used, ZERO, 0)),
	ROW(GET_RING, lodge_ring, VIRTIO, NONE, F(lodge_ring, ring, BELOW, 3)),
	ROW(SET_RING_IRQ, lodge_ring_irq, VIRTIO, NONE, ONLY_FLAGS(lodge_ring_irq, 3),
	    F(lodge_ring_irq, ring, BELOW, 3), F(lodge_ring_irq, data, VECTOR, 0),
	    F(lodge_ring_irq, addr, VECTOR, 0xfee00000)),
	ROW(CHANGE_ISR, lodge_virtio_isr, VIRTIO, NONE, F(lodge_virtio_isr, set, BELOW, 4),
	    F(lodge_virtio_isr, clear, BELOW, 4)),
	ROW(RING_STATS, lodge_ring_stats, VIRTIO, NONE, F(lodge_ring_stats, ring, BELOW, 3),
	    F(lodge_ring_stats, count, COUNT, 8), F(lodge_ring_stats, values, USER, 0)),
	ROW(RING_KICK, lodge_ring_kick, VIRTIO, NONE, F(lodge_ring_kick, ring, BELOW, 3)),
	ROW(SET_BACKEND, lodge_ring_backend, VIRTIO, NONE, F(lodge_ring_backend, ring, BELOW, 3),
	    F(lodge_ring_backend, fd, FD, BACKEND)),
	ROW(RING_TAKE, lodge_ring_chain, VIRTIO, NONE, F(lodge_ring_chain, ring, BELOW, 3),
	    F(lodge_ring_chain, iovs, USER, 0)),
	ROW(RING_GIVE, lodge_ring_chain, VIRTIO, NONE, ONLY_FLAGS(lodge_ring_chain, 1),
	    F(lodge_ring_chain, ring, BELOW, 3), F(lodge_ring_chain, id, BELOW, 16),
	    F(lodge_ring_chain, written, BELOW, 256)),
};

const unsigned int table_size = ARRAY_SIZE(table);

static const __u64 edges[] = {
	0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 4096, 4097, 0x7fff, 0x8000,
	0xffff, 0x10000, 0x1fffff, 0x200000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
	0xfee00000, 0xfec00000, 0xffffff000, 0x7fffffffffff, 0x7ffffffff000, 0x800000000000,
	0xffff800000000000, 0xffffffffff600000, 0xffffffffffffe000, 0xfffffffffffff000,
	0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, 0xffffffffffffffff,
};

__u64 interesting(struct rng *r)
{
	__u64 value = edges[below(r, ARRAY_SIZE(edges))];

	switch (below(r, 4)) {
	case 0:
		return draw(r);
	case 1:
		return value + below(r, 9) - 4;
	case 2:
		return 1ull << below(r, 64);
	default:
		return value;
	}
}

static const __u32 msrs[] = {
	0x10, 0x11, 0x12, 0x1b, 0x3a, 0x3b, 0x48, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x17a,
	0x1a0, 0x1d9, 0x200, 0x20f, 0x250, 0x26f, 0x277, 0x2ff, 0x400, 0x40f, 0x6e0, 0x800, 0x830,
	0xda0, 0x40000000, 0x4b564d00, 0x4b564d01, 0x4b564d03, 0x4b564d04, 0xc0000080, 0xc0000081,
	0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015,
	0xc0010114, 0xc0010117,
};

/* MSRs to be asked for, where arguments point to. */
static void fill_msrs(struct rng *r, __u8 *at)
{
	struct lodge_msr_entry msr[32];
	int i;

	for (i = 0; i < 32; i++)
		msr[i] = (struct lodge_msr_entry) {
			.index = msrs[below(r, ARRAY_SIZE(msrs))],
			.value = interesting(r),
		};
	put(at, msr, sizeof(msr));
}

/* A user address: a buffer that is there, or guest memory for slots. */
static __u64 user_address(struct rng *r, __u64 kind)
{
	__u8 *at = world.buffers + below(r, 4) * 4 * PAGE;

	if (kind == 1)
		return (unsigned long)world.ram + below(r, RAM_BYTES / PAGE / 4) * PAGE *
		       (chance(r, 50) ? 0 : 1);
	if (kind == 2)
		fill_msrs(r, at);
	switch (below(r, 12)) {
	case 0:
		return (unsigned long)world.edge + PAGE - below(r, 256);
	case 1:
		return (unsigned long)world.readonly;
	case 2:
		return (unsigned long)world.shared;
	default:
		return (unsigned long)at;
	}
}

static __u64 address(struct rng *r, __u64 kind)
{
	static const __u64 places[] = { 0, 0, 0, 0x10000, 0x20000, 0x100000, 0x1ff000, 0xd0000000 };

	if (kind == 2)
		return RINGS_AT + below(r, 4) * 0x400;
	if (kind == 1)
		return chance(r, 50) ? 0x100 + below(r, 8) * 4 : 0xd0000000 + below(r, 8) * 8;
	return places[below(r, ARRAY_SIZE(places))];
}

static __u64 sensible(struct rng *r, const struct field *f)
{
	switch (f->member) {
	case FLAGS:
		return chance(r, 60) ? 0 : draw(r) & f->arg;
	case BELOW:
		return below(r, f->arg);
	case FEATURES:
		return 1ull << 32 | (chance(r, 50) ? 0 : 1ull << (28 + below(r, 13)));
	case GPA:
		return address(r, f->arg);
	case BYTES:
		return PAGE << below(r, 10);
	case USER:
		return user_address(r, f->arg);
	case FD:
		return world.fd[f->arg][below(r, EACH)];
	case COUNT:
		return chance(r, 80) ? f->arg : below(r, f->arg + 2);
	case ANY:
		return interesting(r);
	case VECTOR:
		return f->arg | below(r, 256) << (f->arg ? 4 : 0);
	default:
		return 0;
	}
}

/* State that makes sense but for a few of its bytes or bits. */
static void spoil(struct rng *r, __u8 *at, __u64 bytes)
{
	int n = below(r, 6);

	while (n--) {
		if (chance(r, 40))
			at[below(r, bytes)] ^= 1u << below(r, 8);
		else if (chance(r, 50))
			at[below(r, bytes)] = draw(r);
		else
			*(__u64 *)(at + below(r, bytes / 8) * 8) = interesting(r);
	}
}

static void fill_field(const struct field *f, struct rng *r, __u8 *args, bool wild)
{
	__u64 value;

	if (f->member == BLOB) {
		spoil(r, args + f->offset, f->arg);
		return;
	}
	value = wild ? interesting(r) : sensible(r, f);
	memcpy(args + f->offset, &value, f->bytes < 8 ? f->bytes : 8);
}

/* Mostly what is right, shorter or longer otherwise. */
static __u32 size_of(const struct call *c, struct rng *r)
{
	if (chance(r, 94))
		return c->bytes;
	return chance(r, 50) ? below(r, c->bytes + 24) : interesting(r);
}

/* The arguments of @op in @args, a page that is zeroed; the size that they have. */
int fill(const struct call *c, struct rng *r, const struct op *op, __u8 *args)
{
	int wild = chance(r, 40) ? below(r, c->fields + 1u) : -1;
	bool all = chance(r, 3);
	struct rng again = { op->again };
	int i;

	for (i = 0; i < c->fields; i++)
		fill_field(&c->field[i], i + 1 == op->field ? &again : r, args,
			   all || i == wild || (i + 1 == op->field && chance(&again, 60)));
	*(__u32 *)args = size_of(c, r);
	return *(__u32 *)args;
}
