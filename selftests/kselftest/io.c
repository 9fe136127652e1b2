// SPDX-License-Identifier: GPL-2.0-only
/* Ports, MMIO and I/O regions: what exits, what is answered in the kernel. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define PORT	0x3f8

FIXTURE(io)
{
	struct guest g;
};

FIXTURE_SETUP(io)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(io)
{
	guest_destroy(&self->g);
}

GUEST64(ports,
	"mov $0x3f8, %dx\n mov $0x44332211, %eax\n"
	"out %al, %dx\n out %ax, %dx\n out %eax, %dx\n"
	"mov $-1, %rax\n in %dx, %al\n mov %rax, %r8\n"
	"mov $-1, %rax\n in %dx, %ax\n mov %rax, %r9\n"
	"mov $-1, %rax\n in %dx, %eax\n mov %rax, %r10\n" END);

TEST_F(io, ports)
{
	struct lodge_run *run = self->g.run;
	__u32 value, bytes;

	ASSERT_EQ(0, guest_load64(&self->g, ports));
	for (bytes = 1; bytes <= 4; bytes *= 2) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_IO, run->exit_reason);
		EXPECT_EQ(PORT, run->io.port);
		EXPECT_EQ(bytes, run->io.bytes);
		EXPECT_EQ(1, run->io.is_write);
		EXPECT_EQ(1, run->io.count);
		value = 0x44332211;
		EXPECT_EQ(0, memcmp(&value, run->data, bytes));
	}
	for (bytes = 1; bytes <= 4; bytes *= 2) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_IO, run->exit_reason);
		EXPECT_EQ(0, run->io.is_write);
		value = 0x88776655;
		memcpy(run->data, &value, 4);
	}
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0xffffffffffffff55ull, guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(0xffffffffffff6655ull, guest_gpr(&self->g, LODGE_R9));
	EXPECT_EQ(0x88776655, guest_gpr(&self->g, LODGE_R10));
}

GUEST64(out_string,
	"mov $0x20000, %esi\n mov $100, %ecx\n mov $0x3f8, %dx\n"
	"cld\n rep outsb\n" END);

TEST_F(io, string_out)
{
	struct lodge_run *run = self->g.run;
	__u32 done = 0, i;

	for (i = 0; i < 100; i++)
		self->g.mem[GUEST_DATA + i] = i;
	ASSERT_EQ(0, guest_load64(&self->g, out_string));
	while (done < 100) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_IO, run->exit_reason);
		ASSERT_EQ(PORT, run->io.port);
		ASSERT_LE(1, run->io.count);
		for (i = 0; i < run->io.count; i++)
			ASSERT_EQ(done++, run->data[i]);
	}
	EXPECT_EQ(100, done);
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_RCX));
	EXPECT_EQ(GUEST_DATA + 100, guest_gpr(&self->g, LODGE_RSI));
}

GUEST64(in_string,
	"mov $0x20000, %edi\n mov $40, %ecx\n mov $0x3f8, %dx\n"
	"cld\n rep insw\n" END);

TEST_F(io, string_in)
{
	struct lodge_run *run = self->g.run;
	__u16 next = 0x100;
	__u32 i;

	ASSERT_EQ(0, guest_load64(&self->g, in_string));
	while (next < 0x100 + 40) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_IO, run->exit_reason);
		ASSERT_EQ(2, run->io.bytes);
		for (i = 0; i < run->io.count; i++, next++)
			memcpy(run->data + 2 * i, &next, 2);
	}
	ASSERT_LE(0, guest_run_to_end(&self->g));
	for (i = 0; i < 40; i++)
		EXPECT_EQ(0x100 + i, ((__u16 *)(self->g.mem + GUEST_DATA))[i]);
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_RCX));
}

GUEST64(mmio,
	"mov $0xd0000000, %ebx\n mov $0x1122334455667788, %rax\n"
	"mov %al, (%rbx)\n mov %ax, 2(%rbx)\n mov %eax, 4(%rbx)\n mov %rax, 8(%rbx)\n"
	"movzbl 1(%rbx), %r8d\n movswq 2(%rbx), %r9\n mov 8(%rbx), %r10\n" END);

TEST_F(io, mmio)
{
	struct lodge_run *run = self->g.run;
	__u64 value = 0x1122334455667788ull;
	__u32 bytes;

	ASSERT_EQ(0, guest_load64(&self->g, mmio));
	for (bytes = 1; bytes <= 8; bytes *= 2) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
		EXPECT_EQ(GUEST_NOTHING + (bytes == 1 ? 0 : bytes), run->mmio.gpa);
		EXPECT_EQ(bytes, run->mmio.bytes);
		EXPECT_EQ(1, run->mmio.is_write);
		EXPECT_EQ(0, memcmp(&value, run->data, bytes));
	}
	for (bytes = 0; bytes < 3; bytes++) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
		EXPECT_EQ(0, run->mmio.is_write);
		value = 0xa1b2c3d4e5f6f7f8ull;
		memcpy(run->data, &value, 8);
	}
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0xf8, guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(0xfffffffffffff7f8ull, guest_gpr(&self->g, LODGE_R9));
	EXPECT_EQ(0xa1b2c3d4e5f6f7f8ull, guest_gpr(&self->g, LODGE_R10));
}

/* An instruction that reads and then writes: neither is done twice. */
GUEST64(mmio_modify, "mov $0xd0000000, %ebx\n incl (%rbx)\n" END);

TEST_F(io, mmio_read_modify_write)
{
	struct lodge_run *run = self->g.run;
	__u32 value = 41;

	ASSERT_EQ(0, guest_load64(&self->g, mmio_modify));
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(0, run->mmio.is_write);
	memcpy(run->data, &value, 4);
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(1, run->mmio.is_write);
	EXPECT_EQ(4, run->mmio.bytes);
	EXPECT_EQ(42, *(__u32 *)run->data);
	ASSERT_LE(0, guest_run_to_end(&self->g));
}

/* Finish the access and do not run the guest. */
TEST_F(io, finish_without_running)
{
	struct lodge_run *run = self->g.run;
	struct lodge_regs regs;

	ASSERT_EQ(0, guest_load64(&self->g, mmio_modify));
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
	run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, guest_run(&self->g));
	ASSERT_EQ(0, guest_get_regs(&self->g, &regs));
	EXPECT_EQ(GUEST_CODE + 7, regs.rip);
}

GUEST64(mmio_copy,
	"mov $0xd0000000, %esi\n mov $0x20000, %edi\n mov $4, %ecx\n"
	"cld\n rep movsl\n" END);

TEST_F(io, mmio_string)
{
	struct lodge_run *run = self->g.run;
	__u32 i;

	ASSERT_EQ(0, guest_load64(&self->g, mmio_copy));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
		ASSERT_EQ(GUEST_NOTHING + 4 * i, run->mmio.gpa);
		memcpy(run->data, &i, 4);
	}
	ASSERT_LE(0, guest_run_to_end(&self->g));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(i, ((__u32 *)(self->g.mem + GUEST_DATA))[i]);
}

GUEST64(read_only, "movl $1, 0x40000000\n mov 0x40000000, %al\n" END);

TEST_F(io, read_only_slot)
{
	struct lodge_slot slot = {
		.size = sizeof(slot), .slot = 1, .flags = LODGE_SLOT_READONLY,
		.gpa = 0x40000000, .bytes = 4096,
	};
	__u8 *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mem[0] = 77;
	slot.user_addr = (unsigned long)mem;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_SLOT, &slot));
	ASSERT_EQ(0, guest_load64(&self->g, read_only));
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_MMIO, self->g.run->exit_reason);
	EXPECT_EQ(1, self->g.run->mmio.is_write);
	EXPECT_EQ(0x40000000, self->g.run->mmio.gpa);
	EXPECT_EQ(77, guest_run_to_end(&self->g));
	EXPECT_EQ(77, mem[0]);
}

/* A domain with its mapping, and a region on PORT that uses it. */
static __u8 *make_region(struct guest *g, struct lodge_region *region, int efd)
{
	struct lodge_domain domain = { .size = sizeof(domain), .eventfd = efd };

	region->size = sizeof(*region);
	region->addr = PORT;
	if (!region->bytes)
		region->bytes = 1;
	if (call(g->vm, LODGE_SET_DOMAIN, &domain) ||
	    call(g->vm, LODGE_SET_REGION, region))
		return NULL;
	return mmap(NULL, g->info.domain_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    g->vm, 0);
}

GUEST64(in_once, "mov $0x3f8, %dx\n in %dx, %al\n" END);

TEST_F(io, shadow)
{
	struct lodge_region region = {
		.read = LODGE_READ_SHADOW, .shadow = 5, .eventfd = -1,
	};
	__u8 *map = make_region(&self->g, &region, -1);

	ASSERT_NE(NULL, map);
	map[LODGE_DOMAIN_SHADOW + 5] = 0x61;
	ASSERT_EQ(0, guest_load64(&self->g, in_once));
	EXPECT_EQ(0x61, guest_run_to_end(&self->g));
}

GUEST64(out_many,
	"mov $0x3f8, %dx\n xor %eax, %eax\n"
	"1: out %al, %dx\n inc %eax\n cmp $501, %eax\n jne 1b\n" END);

TEST_F(io, post)
{
	struct lodge_region region = { .write = LODGE_WRITE_POST, .eventfd = -1 };
	int efd = eventfd(0, EFD_NONBLOCK);
	struct lodge_post_ring *ring;
	eventfd_t count = 0;
	int i;

	ring = (void *)make_region(&self->g, &region, efd);
	ASSERT_NE(NULL, ring);
	ASSERT_EQ(0, guest_load64(&self->g, out_many));
	/* The write that finds the ring full exits. */
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_IO, self->g.run->exit_reason);
	EXPECT_EQ(PORT, self->g.run->io.port);
	EXPECT_EQ(LODGE_POST_ENTRIES & 0xff, self->g.run->data[0]);
	EXPECT_EQ(LODGE_POST_ENTRIES, ring->tail - ring->head);
	for (i = 0; i < LODGE_POST_ENTRIES; i++) {
		EXPECT_EQ(PORT, ring->entries[i].addr);
		EXPECT_EQ(i & 0xff, ring->entries[i].value);
		EXPECT_EQ(1, ring->entries[i].bytes);
	}
	EXPECT_EQ(0, eventfd_read(efd, &count));
	EXPECT_LE(1, count);
	ring->head = ring->tail;
	EXPECT_LE(0, guest_run_to_end(&self->g));
	/* 501 writes, of which one exited. */
	EXPECT_EQ(500, guest_stat(&self->g, "posted"));
}

/* Whatever userspace writes into the ring's indexes, the kernel is unharmed. */
TEST_F(io, post_hostile_indexes)
{
	struct lodge_region region = { .write = LODGE_WRITE_POST, .eventfd = -1 };
	struct lodge_post_ring *ring = (void *)make_region(&self->g, &region, -1);
	int i;

	ASSERT_NE(NULL, ring);
	ASSERT_EQ(0, guest_load64(&self->g, out_many));
	memset(ring, 0xff, 64);
	ring->head = 12345;
	for (i = 0; i < 1000; i++) {
		ring->tail ^= 0xdeadbeef * i;
		ASSERT_EQ(0, guest_run(&self->g));
		ASSERT_EQ(LODGE_EXIT_IO, self->g.run->exit_reason);
		if (self->g.run->io.port == GUEST_END)
			break;
	}
}

GUEST64(latch,
	"mov $0x3f8, %dx\n mov $0x5a, %al\n out %al, %dx\n"
	"mov $0x52, %al\n out %al, %dx\n xor %eax, %eax\n in %dx, %al\n" END);

TEST_F(io, latch)
{
	struct lodge_region region = {
		.read = LODGE_READ_SHADOW, .write = LODGE_WRITE_LATCH, .eventfd = -1,
	};
	__u8 *map = make_region(&self->g, &region, -1);

	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, guest_load64(&self->g, latch));
	EXPECT_EQ(0x52, guest_run_to_end(&self->g));
	EXPECT_EQ(0x52, map[LODGE_DOMAIN_SHADOW]);
}

TEST_F(io, latch_same)
{
	struct lodge_region region = {
		.read = LODGE_READ_SHADOW, .write = LODGE_WRITE_LATCH_SAME,
		.mask = 0x0f, .eventfd = -1,
	};
	__u8 *map = make_region(&self->g, &region, -1);

	ASSERT_NE(NULL, map);
	map[LODGE_DOMAIN_SHADOW] = 0x0a;
	ASSERT_EQ(0, guest_load64(&self->g, latch));
	/* 0x5a has the shadow's low bits; 0x52 has not. */
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_IO, self->g.run->exit_reason);
	EXPECT_EQ(PORT, self->g.run->io.port);
	EXPECT_EQ(0x52, self->g.run->data[0]);
}

GUEST64(bell, "mov $0x3f8, %dx\n mov $1, %al\n out %al, %dx\n"
	"mov $2, %al\n out %al, %dx\n" END);

TEST_F(io, doorbell)
{
	struct lodge_region region = {
		.write = LODGE_WRITE_DOORBELL, .eventfd = eventfd(0, EFD_NONBLOCK),
	};
	eventfd_t count = 0;

	ASSERT_NE(NULL, make_region(&self->g, &region, -1));
	ASSERT_EQ(0, guest_load64(&self->g, bell));
	ASSERT_EQ(2, guest_run_to_end(&self->g));
	EXPECT_EQ(0, eventfd_read(region.eventfd, &count));
	EXPECT_EQ(2, count);
	EXPECT_EQ(2, guest_stat(&self->g, "doorbells"));
}

TEST_F(io, doorbell_that_matches)
{
	struct lodge_region region = {
		.write = LODGE_WRITE_DOORBELL, .eventfd = eventfd(0, EFD_NONBLOCK),
		.flags = LODGE_REGION_MATCH, .match = 1,
	};
	eventfd_t count = 0;

	ASSERT_NE(NULL, make_region(&self->g, &region, -1));
	ASSERT_EQ(0, guest_load64(&self->g, bell));
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(PORT, self->g.run->io.port);
	EXPECT_EQ(2, self->g.run->data[0]);
	EXPECT_EQ(0, eventfd_read(region.eventfd, &count));
	EXPECT_EQ(1, count);
}

GUEST64(mmio_bell, "movl $7, 0x40000000\n" END);

TEST_F(io, mmio_doorbell)
{
	struct lodge_region region = {
		.size = sizeof(region), .space = LODGE_SPACE_MMIO,
		.addr = 0x40000000, .bytes = 4, .write = LODGE_WRITE_DOORBELL,
		.eventfd = eventfd(0, EFD_NONBLOCK),
	};
	eventfd_t count = 0;

	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
	ASSERT_EQ(0, guest_load64(&self->g, mmio_bell));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0, eventfd_read(region.eventfd, &count));
	EXPECT_EQ(1, count);
}

/* A region holds from the next guest instruction on, and so does its end. */
GUEST64(in_twice, "mov $0x3f8, %dx\n in %dx, %al\n in %dx, %al\n" END);

TEST_F(io, region_replaced)
{
	struct lodge_region region = { .read = LODGE_READ_EXIT, .eventfd = -1 };
	__u8 *map = make_region(&self->g, &region, -1);

	ASSERT_NE(NULL, map);
	map[LODGE_DOMAIN_SHADOW] = 3;
	ASSERT_EQ(0, guest_load64(&self->g, in_twice));
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(PORT, self->g.run->io.port);
	region.read = LODGE_READ_SHADOW;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &region));
	EXPECT_EQ(3, guest_run_to_end(&self->g));
}

GUEST64(timer,
	"mov $0x3f8, %dx\n in %dx, %eax\n mov %eax, %ebx\n"
	"1: in %dx, %eax\n cmp %eax, %ebx\n je 1b\n" END);

TEST_F(io, pm_timer)
{
	struct lodge_region region = {
		.read = LODGE_READ_PM_TIMER, .bytes = 4, .eventfd = -1,
	};

	ASSERT_NE(NULL, make_region(&self->g, &region, -1));
	ASSERT_EQ(0, guest_load64(&self->g, timer));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_RAX) >> 24);
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_RBX) >> 24);
}

TEST_HARNESS_MAIN
