// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the operations of the fuzzer do, and the world they do it in. Nothing here
 * fails: what does not work is part of the game. Memory that may be gone is
 * written through the kernel, which answers EFAULT instead of a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioctl_fuzz.h"

#define RUN_BYTES	(2 * PAGE)
#define DOMAIN_BYTES	(LODGE_DOMAIN_SHADOW + PAGE)
#define CODE_AT		0x10000

struct world world;
struct tally *tally;

void put(void *to, const void *from, size_t bytes)
{
	struct iovec local = { (void *)from, bytes }, remote = { to, bytes };

	if (to)
		process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
}

static void put_draws(struct rng *r, void *to, size_t bytes)
{
	__u64 words[32];
	unsigned int i;

	bytes = bytes < sizeof(words) ? bytes : sizeof(words);
	for (i = 0; i < 32; i++)
		words[i] = draw(r);
	put(to, words, bytes);
}

static long count_ioctl(int fd, unsigned int cmd, void *args, int row)
{
	long ret = ioctl(fd, cmd, args);

	__atomic_fetch_add(&tally->ioctls, 1, __ATOMIC_RELAXED);
	if (ret >= 0 && row >= 0)
		__atomic_fetch_add(&tally->succeeded[row], 1, __ATOMIC_RELAXED);
	return ret;
}

/*
 * Guest code, in real mode: what exits, what faults, and bytes that mean nothing.
 */
#define S(text)	{ sizeof(text) - 1, text }

static const struct { __u8 bytes; char text[11]; } snippets[] = {
	S("\x0f\xa2"), S("\xf4"), S("\xe6\x80"), S("\xe5\x70"), S("\xee"), S("\xed"),
	S("\x0f\x32"), S("\x0f\x30"), S("\xcd\x10"), S("\xcc"), S("\xf3\x6c"), S("\xf3\x6e"),
	S("\x6f"), S("\x6d"), S("\x0f\x01\xd9"), S("\x0f\x01\xc1"), S("\x0f\x22\xc0"),
	S("\x0f\x20\xe0"), S("\x0f\x22\xe0"), S("\x0f\x23\xc8"), S("\x0f\x21\xf9"), S("\xf3\x90"),
	S("\xeb\xfe"), S("\xfb"), S("\xfa"), S("\x0f\x09"), S("\x0f\x01\x38"), S("\x0f\x01\x10"),
	S("\x0f\x01\xf0"), S("\x0f\x06"), S("\xcf"), S("\x9c"), S("\x9d"), S("\x0f\x31"),
	S("\x0f\x01\xf9"), S("\x0f\x05"), S("\x0f\xae\x38"), S("\x67\x8b\x05\x00\x00\x00\xd0"),
	S("\x67\xc7\x05\x00\x00\x00\xd0\x01\x00"), S("\x0f\x01\xd8"),
	S("\x67\x66\xa3\x00\x00\xe0\xfe"), S("\x67\x66\xa1\x30\x00\xe0\xfe"), S("\xb8\x00\x01"),
	S("\xba\x00\x01"), S("\x66\xb9\x1b\x00\x00\x00"), S("\x66\xb9\x80\x00\x00\xc0"),
	S("\x66\xb9\x01\x4d\x56\x4b"), S("\x0f\x0b"), S("\x0f\x01\xc8"), S("\x0f\x01\xc9"),
	S("\x66\x0f\xc7\x30"), S("\x0f\x78\xc0"), S("\x66\xb9\x77\x02\x00\x00"), S("\x89\x07"),
	S("\x8b\x07"), S("\xa5"), S("\xf3\xa5"), S("\x0f\xc7\x0f"), S("\xf0\x0f\xb1\x07"),
	S("\x0f\x01\xdf"),
};

static void write_code(struct rng *r)
{
	__u8 code[256];
	unsigned int i = 0, n;

	while (i < sizeof(code) - 16) {
		if (chance(r, 10)) {
			code[i++] = draw(r);
			continue;
		}
		n = below(r, ARRAY_SIZE(snippets));
		memcpy(code + i, snippets[n].text, snippets[n].bytes);
		i += snippets[n].bytes;
	}
	put(world.ram + CODE_AT + (chance(r, 70) ? 0 : below(r, 4096)), code, i);
}

/* Descriptors that mostly stay in memory, and a few available entries. */
static void write_rings(struct rng *r)
{
	struct { __u64 addr; __u32 len; __u16 flags, next; } desc[16];
	__u16 avail[20];
	int i;

	for (i = 0; i < 16; i++) {
		desc[i].addr = chance(r, 85) ? below(r, RAM_BYTES) : interesting(r);
		desc[i].len = chance(r, 85) ? below(r, 600) : interesting(r);
		desc[i].flags = below(r, chance(r, 90) ? 4 : 65536);
		desc[i].next = chance(r, 95) ? below(r, 16) : draw(r);
	}
	for (i = 0; i < 20; i++)
		avail[i] = below(r, 16);
	avail[0] = 0;
	put(world.ram + RINGS_AT + below(r, 4) * 0x400, desc, sizeof(desc));
	put(world.ram + RINGS_AT + below(r, 4) * 0x400, avail, sizeof(avail));
}

/* The host takes guest memory and argument buffers away, and gives them back. */
static void change_memory(struct rng *r)
{
	__u8 *base = chance(r, 80) ? world.ram : world.buffers;
	size_t room = (base == world.ram ? RAM_BYTES : 16 * PAGE) / PAGE;
	size_t first = below(r, room), pages = 1 + below(r, room - first);
	__u8 *at = base + first * PAGE;

	switch (below(r, 7)) {
	case 0:
		madvise(at, pages * PAGE, MADV_DONTNEED);
		break;
	case 1:
		mprotect(at, pages * PAGE, PROT_READ);
		break;
	case 2:
		mprotect(at, pages * PAGE, PROT_NONE);
		break;
	case 3:
		madvise(at, pages * PAGE, MADV_HUGEPAGE);
		break;
	case 4:
		munmap(at, pages * PAGE);
		break;
	case 5:
		madvise(at, pages * PAGE, MADV_PAGEOUT);
		break;
	default:
		mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

static void *mapping(int fd, size_t bytes, off_t offset)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

static void store_fd(int kind, int slot, int fd)
{
	int old = __atomic_exchange_n(&world.fd[kind][slot], fd, __ATOMIC_RELAXED);

	if (old >= 0)
		close(old);
	if (kind == VCPU)
		world.run[slot] = mapping(fd, RUN_BYTES, 0);
}

/* Kernel memory, user memory of all kinds, and none. */
static void *place(struct rng *r, __u8 *args, __u32 bytes)
{
	__u8 *to;

	switch (below(r, 24)) {
	case 0:
		return NULL;
	case 1:
		return (void *)interesting(r);
	case 2:
		return world.readonly;
	case 3:
		to = world.edge + PAGE - (bytes + below(r, 16)) % PAGE;
		break;
	case 4:
	case 5:
		to = world.shared;
		break;
	default:
		return args;
	}
	put(to, args, bytes < PAGE ? bytes : PAGE);
	return to;
}

static bool points(const struct call *c)
{
	int i;

	for (i = 0; i < c->fields; i++)
		if (c->field[i].member == USER)
			return true;
	return false;
}

static void fill_name(struct rng *r, __u8 *args)
{
	snprintf((char *)args + 8, 32, "fuzz%u", below(r, 1000));
	if (chance(r, 4))
		args[8 + below(r, 32)] = draw(r);
}

static void call_ioctl(const struct op *op, struct rng *r)
{
	const struct call *c = &table[op->ioctl];
	int fd = world.fd[chance(r, 98) ? c->on : below(r, KINDS)][op->slot];
	__u64 args[2 * PAGE / 8] = { 0 };
	struct { __u32 size, flags; } *header = (void *)args;
	__u32 bytes;
	long ret;

	if (c->get && !points(c)) {
		header->size = c->bytes;
		if (c->cmd == LODGE_SET_CHIP)
			((struct lodge_chip *)args)->chip = below(r, 3);
		ioctl(fd, c->get, args);
	}
	bytes = fill(c, r, op, (void *)args);
	if (c->cmd == LODGE_CREATE_VM)
		fill_name(r, (void *)args);
	if (c->get && points(c) && chance(r, 90)) {
		header->size = c->bytes;
		ioctl(fd, c->get, args);
		header->size = bytes;
	}
	ret = count_ioctl(fd, c->cmd, c->fields ? place(r, (void *)args, bytes) : NULL, op->ioctl);
	if (ret >= 0 && c->makes != KINDS)
		store_fd(c->makes, below(r, EACH), ret);
}

static void close_one(const struct op *op, struct rng *r)
{
	int kind = 1 + below(r, KINDS - 1);
	int fd = __atomic_exchange_n(&world.fd[kind][op->slot], -1, __ATOMIC_RELAXED);

	if (fd >= 0)
		close(fd);
}

static void dup_one(const struct op *op, struct rng *r)
{
	int kind = below(r, KINDS), fd = dup(world.fd[kind][op->slot]);

	if (fd >= 0)
		store_fd(kind, below(r, EACH), fd);
}

static void write_run(const struct op *op, struct rng *r)
{
	__u8 *run = world.run[op->slot];
	__u32 value = chance(r, 70) ? below(r, 4) : draw(r);
	size_t at;

	switch (below(r, 4)) {
	case 0:
		at = offsetof(struct lodge_run, wanted);
		break;
	case 1:
		at = offsetof(struct lodge_run, dirty);
		break;
	case 2:
		at = below(r, sizeof(struct lodge_run)) & ~3ul;
		break;
	default:
		at = offsetof(struct lodge_run, immediate_exit);
		break;
	}
	if (run)
		put(run + at, &value, at ? 4 : 1);
}

static void write_domain(struct rng *r)
{
	__u32 head = chance(r, 50) ? below(r, 512) : draw(r);

	if (world.domain)
		put(world.domain + (chance(r, 80) ? below(r, 2) * 4 : below(r, DOMAIN_BYTES - 4)),
		    &head, 4);
}

static void read_one(const struct op *op, struct rng *r)
{
	int fd = world.fd[chance(r, 50) ? STATS : TRACE][op->slot];
	__u8 *to = chance(r, 80) ? world.buffers : world.edge;

	if (chance(r, 50))
		pread(fd, to, below(r, 4 * PAGE), chance(r, 50) ? 0 : interesting(r));
	else
		read(fd, to, below(r, 4 * PAGE));
}

static void map_one(const struct op *op, struct rng *r)
{
	int fd = world.fd[chance(r, 50) ? VM : VCPU][op->slot];
	off_t at = chance(r, 60) ? below(r, 3) * DOMAIN_BYTES : interesting(r) & -PAGE;
	size_t bytes = chance(r, 60) ? DOMAIN_BYTES : (1 + below(r, 8)) * PAGE;
	void *map = mmap(NULL, bytes, PROT_READ | (chance(r, 80) ? PROT_WRITE : 0),
			 chance(r, 80) ? MAP_SHARED : MAP_PRIVATE, fd, at);

	if (map != MAP_FAILED && chance(r, 50))
		munmap(map, bytes);
	else if (map != MAP_FAILED)
		world.domain = map;
}

/* Another process may do nothing with what it inherits but close it. */
static void fork_one(const struct op *op, struct rng *r)
{
	__u32 kind = 1 + below(r, 3);
	__u64 args[PAGE / 8] = { 0 };
	pid_t pid = fork();
	unsigned int i;

	if (pid == 0) {
		for (i = 0; i < table_size; i++) {
			if (table[i].on != kind || table[i].cmd == LODGE_RING_SERVE)
				continue;
			*(__u32 *)args = table[i].bytes;
			ioctl(world.fd[kind][op->slot], table[i].cmd, args);
		}
		_exit(0);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
}

static void poll_one(const struct op *op, struct rng *r)
{
	struct pollfd p = { world.fd[below(r, KINDS)][op->slot], POLLIN | POLLOUT, 0 };

	poll(&p, 1, 0);
}

static void any_ioctl(const struct op *op, struct rng *r)
{
	__u64 args[PAGE / 8];
	unsigned int i;
	__u32 cmd;

	for (i = 0; i < PAGE / 8; i++)
		args[i] = chance(r, 50) ? 0 : draw(r);
	*(__u32 *)args = below(r, 256);
	cmd = chance(r, 80) ? (__u32)'L' << 8 | below(r, 256) : draw(r);
	count_ioctl(world.fd[below(r, 4)][op->slot], cmd, args, -1);
}

void do_op(const struct op *op)
{
	struct rng r = { op->seed };
	__u64 one = 1;

	switch (op->action) {
	case IOCTL:
		call_ioctl(op, &r);
		break;
	case CLOSE:
		close_one(op, &r);
		break;
	case DUP:
		dup_one(op, &r);
		break;
	case MEMORY:
		change_memory(&r);
		break;
	case RUN_AREA:
		write_run(op, &r);
		break;
	case DOMAIN_AREA:
		write_domain(&r);
		break;
	case RING_MEMORY:
		write_rings(&r);
		break;
	case CODE:
		write_code(&r);
		break;
	case SIGNAL_EVENT:
		if (write(world.fd[EVENT][op->slot], &one, 8) < 0)
			break;
		break;
	case READ:
		read_one(op, &r);
		break;
	case MAP:
		map_one(op, &r);
		break;
	case FORK:
		fork_one(op, &r);
		break;
	case POLL:
		poll_one(op, &r);
		break;
	default:
		any_ioctl(op, &r);
		break;
	}
}

/* What another thread does all the time: write where the kernel reads. */
void disturb(struct rng *r)
{
	switch (below(r, 4)) {
	case 0:
		put_draws(r, world.shared + (below(r, 128) & ~3u), 4);
		break;
	case 1:
		put_draws(r, world.ram + CODE_AT + below(r, 256), 1 + below(r, 4));
		break;
	case 2:
		put_draws(r, world.ram + RINGS_AT + below(r, 0x1000), 1 + below(r, 16));
		break;
	default:
		if (world.run[0])
			put_draws(r, world.run[0] + 4 + (below(r, 512) & ~3u), 4);
	}
}

static __u8 *anonymous(size_t bytes, int prot)
{
	return mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_backends(void)
{
	int pair[2], i;

	for (i = 0; i < EACH; i++)
		world.fd[EVENT][i] = eventfd(0, EFD_NONBLOCK);
	world.fd[BACKEND][0] = memfd_create("disk", 0);
	ftruncate(world.fd[BACKEND][0], 1 << 20);
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair);
	world.fd[BACKEND][1] = pair[0];
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	world.fd[BACKEND][2] = pair[0];
	world.fd[BACKEND][3] = -1;
}

/* Devices of three kinds, each with a ring that is served or may be. */
static void make_devices(void)
{
	struct lodge_create_virtio rng = { .size = sizeof(rng), .device = LODGE_VIRTIO_RNG,
					   .rings = 1, .fd = -1, .gsi = 5 };
	struct lodge_create_virtio disk = { .size = sizeof(disk), .device = LODGE_VIRTIO_BLK,
					    .rings = 1, .fd = world.fd[BACKEND][0], .gsi = 6,
					    .sectors = 64 };
	struct lodge_create_virtio own = { .size = sizeof(own), .flags = LODGE_VIRTIO_USER,
					   .device = LODGE_VIRTIO_9P, .rings = 2,
					   .fd = world.fd[EVENT][3], .gsi = 7 };
	struct lodge_virtio_features features = { .size = sizeof(features),
						  .features = 1ull << 32 };
	struct lodge_ring ring = { .size = sizeof(ring), .flags = LODGE_RING_ENABLED,
				   .entries = 16, .desc = RINGS_AT, .driver = RINGS_AT + 0x400,
				   .device = RINGS_AT + 0x800 };
	int i;

	world.fd[VIRTIO][0] = ioctl(world.fd[VM][0], LODGE_CREATE_VIRTIO, &own);
	world.fd[VIRTIO][1] = ioctl(world.fd[VM][0], LODGE_CREATE_VIRTIO, &rng);
	world.fd[VIRTIO][2] = ioctl(world.fd[VM][0], LODGE_CREATE_VIRTIO, &disk);
	for (i = 0; i < 3; i++) {
		ioctl(world.fd[VIRTIO][i], LODGE_SET_FEATURES, &features);
		ioctl(world.fd[VIRTIO][i], LODGE_SET_RING, &ring);
	}
}

/* A VM with memory at 0, logged at 16 MiB, and a vCPU that is about to execute it. */
static void make_vm(void)
{
	struct lodge_domain domain = { .size = sizeof(domain), .eventfd = world.fd[EVENT][0] };
	struct lodge_create_vm vm = { .size = sizeof(vm), .name = "fuzz" };
	struct lodge_slot slot = { .size = sizeof(slot), .bytes = RAM_BYTES,
				   .user_addr = (unsigned long)world.ram };
	struct lodge_create_vcpu vcpu = { .size = sizeof(vcpu) };
	struct lodge_get_sregs sregs = { .size = sizeof(sregs) };
	struct lodge_get_regs regs = { .size = sizeof(regs), .regs.rflags = 2 };

	world.fd[VM][0] = ioctl(world.fd[DEV][0], LODGE_CREATE_VM, &vm);
	ioctl(world.fd[VM][0], LODGE_SET_SLOT, &slot);
	slot.slot = 1;
	slot.gpa = 16 << 20;
	slot.flags = LODGE_SLOT_LOG_DIRTY;
	ioctl(world.fd[VM][0], LODGE_SET_SLOT, &slot);
	ioctl(world.fd[VM][0], LODGE_SET_DOMAIN, &domain);
	store_fd(VCPU, 0, ioctl(world.fd[VM][0], LODGE_CREATE_VCPU, &vcpu));
	ioctl(world.fd[VCPU][0], LODGE_GET_SREGS, &sregs);
	sregs.sregs.seg[LODGE_CS].base = CODE_AT;
	sregs.sregs.seg[LODGE_CS].selector = CODE_AT >> 4;
	ioctl(world.fd[VCPU][0], LODGE_SET_SREGS, &sregs);
	ioctl(world.fd[VCPU][0], LODGE_SET_REGS, &regs);
}

void make_world(bool bare)
{
	int i;

	memset(world.fd, 0xff, sizeof(world.fd));
	world.ram = anonymous(RAM_BYTES, PROT_READ | PROT_WRITE);
	world.buffers = anonymous(16 * PAGE, PROT_READ | PROT_WRITE);
	world.shared = anonymous(PAGE, PROT_READ | PROT_WRITE);
	world.readonly = anonymous(PAGE, PROT_READ);
	world.edge = anonymous(2 * PAGE, PROT_READ | PROT_WRITE);
	munmap(world.edge + PAGE, PAGE);
	make_backends();
	for (i = 0; i < EACH; i++)
		world.fd[DEV][i] = open("/dev/lodge", O_RDWR | O_CLOEXEC);
	if (bare)
		return;
	make_vm();
	make_devices();
}
