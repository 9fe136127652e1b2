/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzzer of /dev/lodge consists of: programs, made of a few numbers
 * (ioctl_fuzz.c), what their operations do (ioctl_ops.c), and how arguments are
 * made (ioctl_args.c).
 */
#ifndef _FUZZ_IOCTL_FUZZ_H
#define _FUZZ_IOCTL_FUZZ_H

#include <stdbool.h>
#include <stddef.h>

#include "../../uapi/lodge.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define MAX_OPS		256
#define MAX_CHAIN	6		/* seeds that make one program */
#define MAX_THREADS	3
#define PAGE		4096ul
#define RAM_BYTES	(2ul << 20)
#define RINGS_AT	0x40000ul	/* in guest memory */
#define COVER_BITS	(1u << 18)

/* Descriptors: what an operation may work on. A slot holds one of its kind. */
enum kind { DEV, VM, VCPU, VIRTIO, STATS, TRACE, EVENT, BACKEND, KINDS };

#define EACH		4		/* of each kind */

enum action {
	IOCTL, CLOSE, DUP, MEMORY, RUN_AREA, DOMAIN_AREA, RING_MEMORY, CODE, SIGNAL_EVENT, READ,
	MAP, FORK, POLL, ANY_IOCTL, ACTIONS
};

/* One step; everything else is drawn from @seed. */
struct op {
	__u8 action;
	__u8 ioctl;		/* index into table[] */
	__u8 slot;		/* of EACH */
	__u8 field;		/* drawn from @again instead, 0: none */
	__u64 seed;
	__u64 again;
};

struct program {
	__u32 count;
	__u32 threads;
	bool bare;		/* begins with nothing but /dev/lodge */
	struct op op[MAX_OPS];
};

/* A source of numbers. */
struct rng {
	__u64 state;
};

static inline __u64 draw(struct rng *r)
{
	__u64 z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline __u32 below(struct rng *r, __u32 n)
{
	return draw(r) % n;
}

static inline bool chance(struct rng *r, __u32 percent)
{
	return below(r, 100) < percent;
}

/* How a member is filled when it is to make sense. */
enum member {
	ZERO, FLAGS, BELOW, GPA, BYTES, USER, FD, COUNT, ANY, BLOB, VECTOR, FEATURES
};

struct field {
	__u16 offset;
	__u8 bytes;
	__u8 member;		/* enum member */
	__u64 arg;		/* mask, limit, or enum kind */
};

struct call {
	const char *name;
	unsigned int cmd;
	unsigned int get;	/* fills the struct with something that makes sense, or 0 */
	__u16 bytes;
	__u8 on;		/* enum kind */
	__u8 makes;		/* enum kind of the descriptor returned, or KINDS */
	__u8 fields;
	struct field field[15];
};

extern const struct call table[];
extern const unsigned int table_size;

/* The world that a program acts in. */
struct world {
	int fd[KINDS][EACH];
	void *run[EACH];	/* run areas, by the vCPU's slot */
	void *domain;
	__u8 *ram;
	__u8 *buffers;	/* where arguments point to */
	__u8 *shared;	/* arguments that another thread writes to */
	__u8 *readonly;
	__u8 *edge;		/* the last page before a hole */
};

/* Shared by all processes. */
struct tally {
	__u64 ioctls;
	__u64 succeeded[128];	/* by index in table[] */
	__u8 cover[COVER_BITS / 8];
	__u32 places;
};

extern struct world world;
extern struct tally *tally;

int fill(const struct call *c, struct rng *r, const struct op *op, __u8 *args);
__u64 interesting(struct rng *r);
void put(void *to, const void *from, size_t bytes);
void make_world(bool bare);
void do_op(const struct op *op);
void disturb(struct rng *r);

#endif
