// SPDX-License-Identifier: GPL-2.0-only
/* Virtio devices: what they may be made of, a disk's requests, and bad drivers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"
#include "virtio.h"

#define FEATURES	(V1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_BLK_F_FLUSH)
#define SECTORS		64

FIXTURE(virtio)
{
	struct guest g;
	int file;
	int dev;
	__u16 avail;
	pthread_t thread;
	bool serving;
	volatile bool stop;
	volatile int result;	/* of LODGE_RING_SERVE, if not EINTR */
};

static void on_signal(int sig)
{
}

static const struct lodge_create_virtio disk = {
	.device = LODGE_VIRTIO_BLK, .rings = 1, .gsi = LODGE_VIRTIO_NO_GSI,
	.sectors = SECTORS, .serial = "kselftest",
};

FIXTURE_SETUP(virtio)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int i;
	__u32 word;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, guest_create(&self->g));
	self->file = memfd_create("disk", 0);
	ASSERT_LE(0, self->file);
	for (i = 0; i < SECTORS * 512 / 4; i++) {
		word = i * 2654435761u;
		ASSERT_EQ(4, pwrite(self->file, &word, 4, i * 4));
	}
	self->dev = create(self->g.vm, self->file, disk);
	ASSERT_LE(0, self->dev);
}

static void *server(void *arg)
{
	FIXTURE_DATA(virtio) *self = arg;
	int ret;

	while (!self->stop) {
		ret = serve(self->dev, 1);
		if (ret != -EINTR)
			self->result = ret;
		if (ret != -EINTR && ret != -EPROTO)
			break;
	}
	return NULL;
}

static void start(FIXTURE_DATA(virtio) *self)
{
	self->stop = false;
	self->serving = !pthread_create(&self->thread, NULL, server, self);
}

static void stop(FIXTURE_DATA(virtio) *self)
{
	self->stop = true;
	if (self->serving)
		join_server(self->thread);
	self->serving = false;
}

FIXTURE_TEARDOWN(virtio)
{
	stop(self);
	close(self->dev);
	close(self->file);
	guest_destroy(&self->g);
}

/* Descriptors 0 to 2 become a request of @bytes; the device gets to see it. */
static void request(FIXTURE_DATA(virtio) *self, __u32 type, __u64 sector, __u32 bytes)
{
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct guest *g = &self->g;

	memcpy(g->mem + HEADER, &header, sizeof(header));
	g->mem[STATUS] = 0xee;
	set_desc(g, 0, HEADER, sizeof(header), VRING_DESC_F_NEXT, bytes ? 1 : 2);
	set_desc(g, 1, DATA, bytes, VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0), 2);
	set_desc(g, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
}

/* Descriptor 0 is available: its index is what @self->avail says. */
static void publish(FIXTURE_DATA(virtio) *self, __u16 head)
{
	struct vring_avail *avail = (void *)(self->g.mem + AVAIL);

	avail->ring[self->avail++ % ENTRIES] = head;
	__atomic_store_n(&avail->idx, self->avail, __ATOMIC_SEQ_CST);
}

GUEST64(bell, "mov $0x5000, %dx\n xor %eax, %eax\n out %ax, %dx\n" END);

static int ring_bell(FIXTURE_DATA(virtio) *self)
{
	int ret = guest_load64(&self->g, bell);

	return ret ? ret : guest_run_to_end(&self->g) < 0;
}

static int add_bell(FIXTURE_DATA(virtio) *self, int vm, int dev)
{
	struct lodge_region region = {
		.size = sizeof(region), .space = LODGE_SPACE_PIO, .addr = BELL, .bytes = 2,
		.write = LODGE_WRITE_DOORBELL, .eventfd = dev,
	};

	return call(vm, LODGE_SET_REGION, &region);
}

/* Ten seconds for the used index to be @want. */
static bool used(FIXTURE_DATA(virtio) *self, __u16 want)
{
	volatile struct vring_used *used = (void *)(self->g.mem + USED);
	int tries;

	for (tries = 0; tries < 10000 && used->idx != want; tries++)
		usleep(1000);
	return used->idx == want;
}

static bool broken(FIXTURE_DATA(virtio) *self)
{
	int tries;

	for (tries = 0; tries < 10000 && !self->result; tries++)
		usleep(1000);
	return self->result == -EPROTO && ring_flags(self->dev) & LODGE_RING_BROKEN;
}

/* A working disk with its thread and its doorbell. */
static int set_up_with(FIXTURE_DATA(virtio) *self, __u64 features)
{
	int ret = set_features(self->dev, features);

	ret = ret ? ret : add_bell(self, self->g.vm, self->dev);
	ret = ret ? ret : set_ring(self->dev, good_ring());
	start(self);
	return ret;
}

static int set_up(FIXTURE_DATA(virtio) *self)
{
	return set_up_with(self, FEATURES);
}

static int do_request(FIXTURE_DATA(virtio) *self, __u32 type, __u64 sector, __u32 bytes)
{
	request(self, type, sector, bytes);
	publish(self, 0);
	if (ring_bell(self) || !used(self, self->avail))
		return -1;
	return self->g.mem[STATUS];
}

TEST_F(virtio, create)
{
	struct lodge_create_virtio with = disk;
	int vm = self->g.vm, fd, pipes[2];

	EXPECT_EQ(-EBADF, create(vm, -1, disk));
	EXPECT_EQ(-EBADF, create(vm, 1000, disk));
	with.device = 0;
	EXPECT_EQ(-EINVAL, create(vm, self->file, with));
	with = disk;
	with.rings = 0;
	EXPECT_EQ(-EINVAL, create(vm, self->file, with));
	with.rings = LODGE_MAX_RINGS + 1;
	EXPECT_EQ(-EINVAL, create(vm, self->file, with));
	with = disk;
	with.gsi = 24;
	EXPECT_EQ(-EINVAL, create(vm, self->file, with));
	with = disk;
	with.sectors = ~0ull;
	EXPECT_EQ(-EINVAL, create(vm, self->file, with));
	with = disk;
	with.flags = 0x80;
	EXPECT_EQ(-EINVAL, create(vm, self->file, with));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, create(vm, pipes[0], disk));
	with.device = LODGE_VIRTIO_NET;
	with.flags = 0;
	with.rings = 2;
	EXPECT_EQ(-EBADF, create(vm, pipes[0], with));
	EXPECT_EQ(-EBADF, create(vm, self->file, with));
	/* Of sockets those between processes */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT_EQ(-EBADF, create(vm, fd, with));
	close(fd);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pipes));
	EXPECT_LE(0, create(vm, pipes[0], with));
	EXPECT_LE(0, create(vm, -1, with));
	EXPECT_EQ(-EINVAL, set_backend(self->dev, 0, pipes[0]));
	with.device = LODGE_VIRTIO_CONSOLE;
	EXPECT_EQ(-EBADF, create(vm, -1, with));
	EXPECT_EQ(-EBADF, create(vm, self->file, with));
	fd = open("/dev/zero", O_RDWR);
	EXPECT_LE(0, create(vm, fd, with));
	with.rings = 1;
	EXPECT_EQ(-EINVAL, create(vm, fd, with));
	fd = open("/proc/self/exe", O_RDONLY);
	EXPECT_EQ(-EBADF, create(vm, fd, disk));
	with = disk;
	with.flags = LODGE_VIRTIO_READONLY;
	EXPECT_LE(0, create(vm, fd, with));
}

TEST_F(virtio, features_and_rings)
{
	struct lodge_ring ring = good_ring();

	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	EXPECT_EQ(-EINVAL, set_features(self->dev, 0));
	EXPECT_EQ(-EINVAL, set_features(self->dev, V1 | 1ull << 63));
	ASSERT_EQ(0, set_features(self->dev, FEATURES));
	ring.entries = 3;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	ring.entries = 0;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	ring.entries = 65536;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	ring = good_ring();
	ring.desc++;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	ring = good_ring();
	ring.ring = 1;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	ring = good_ring();
	ring.next = ENTRIES + 1;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, ring));
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	EXPECT_EQ(-EBUSY, set_ring(self->dev, good_ring()));
	EXPECT_EQ(-EBUSY, set_features(self->dev, V1));
	EXPECT_EQ(LODGE_RING_ENABLED, ring_flags(self->dev));
	EXPECT_EQ(0, ring_off(self->dev));
	EXPECT_EQ(0, ring_flags(self->dev));
	EXPECT_EQ(0, set_features(self->dev, V1));
}

TEST_F(virtio, serving)
{
	EXPECT_EQ(-EINVAL, serve(self->dev, 0));
	EXPECT_EQ(-EINVAL, serve(self->dev, 2));
	EXPECT_EQ(-EINVAL, serve(self->dev, ~0ull));
	ASSERT_EQ(0, set_up(self));
	usleep(100000);
	EXPECT_EQ(-EBUSY, serve(self->dev, 1));
	stop(self);
	alarm_ms(100);
	EXPECT_EQ(-EINTR, serve(self->dev, 1));
}

TEST_F(virtio, disk)
{
	__u8 *data, sector[512];

	ASSERT_EQ(0, set_up(self));
	data = self->g.mem + DATA;
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 5, 1024));
	ASSERT_EQ(512, pread(self->file, sector, 512, 6 * 512));
	EXPECT_EQ(0, memcmp(sector, data + 512, 512));
	memset(data, 0xa5, 512);
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_OUT, SECTORS - 1, 512));
	ASSERT_EQ(512, pread(self->file, sector, 512, (SECTORS - 1) * 512));
	EXPECT_EQ(0, memcmp(sector, data, 512));
	EXPECT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_FLUSH, 0, 0));
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_GET_ID, 0, 20));
	EXPECT_EQ(0, strcmp("kselftest", (char *)data));
	EXPECT_EQ(4, stat_of(self->dev, LODGE_RING_CHAINS));
	EXPECT_EQ(0, stat_of(self->dev, LODGE_RING_ERRORS));
}

TEST_F(virtio, requests_that_fail)
{
	ASSERT_EQ(0, set_up(self));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_IN, SECTORS, 512));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_IN, SECTORS - 1, 1024));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_OUT, ~0ull, 512));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_OUT, 0, 511));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, do_request(self, 99, 0, 512));
	/* Not negotiated */
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, do_request(self, VIRTIO_BLK_T_DISCARD, 0, 16));
	/* The file got shorter behind the device's back. */
	ASSERT_EQ(0, ftruncate(self->file, 512));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_IN, 4, 512));
	EXPECT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(0, stat_of(self->dev, LODGE_RING_ERRORS));
}

TEST_F(virtio, trim)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = 2, .num_sectors = 3 };
	__u64 features = FEATURES | 1ull << VIRTIO_BLK_F_DISCARD |
			 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	__u8 sector[512], zero[512] = {};

	ASSERT_EQ(0, set_features(self->dev, features));
	ASSERT_EQ(0, add_bell(self, self->g.vm, self->dev));
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	start(self);
	memcpy(self->g.mem + DATA, &range, sizeof(range));
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof(range)));
	ASSERT_EQ(512, pread(self->file, sector, 512, 4 * 512));
	EXPECT_EQ(0, memcmp(sector, zero, 512));
	ASSERT_EQ(512, pread(self->file, sector, 512, 5 * 512));
	EXPECT_NE(0, memcmp(sector, zero, 512));
	range.sector = SECTORS - 2;
	memcpy(self->g.mem + DATA, &range, sizeof(range));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_DISCARD, 0, sizeof(range)));
	range.sector = 0;
	range.flags = 1;
	memcpy(self->g.mem + DATA, &range, sizeof(range));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, do_request(self, VIRTIO_BLK_T_DISCARD, 0, sizeof(range)));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, do_request(self, VIRTIO_BLK_T_DISCARD, 0, 15));
}

/* What a driver may not do: the ring stops, and nothing else happens. */
TEST_F(virtio, bad_chains)
{
	static const struct vring_desc bad[] = {
		{ HEADER, 16, VRING_DESC_F_NEXT, 0 },			/* a loop */
		{ HEADER, 16, VRING_DESC_F_NEXT, ENTRIES },		/* no such one */
		{ GUEST_NOTHING, 16, VRING_DESC_F_NEXT, 2 },		/* no memory */
		{ GUEST_BYTES - 8, 16, VRING_DESC_F_NEXT, 2 },		/* half of it */
		{ ~0ull - 7, 16, VRING_DESC_F_NEXT, 2 },		/* wraps */
		{ HEADER, ~0u, VRING_DESC_F_NEXT, 2 },			/* 4 GiB - 1 */
		{ HEADER, 0, 0, 0 },					/* nothing */
		{ HEADER, 16, 0, 0 },					/* no status */
		{ HEADER, 16, VRING_DESC_F_WRITE, 0 },			/* no header */
		{ TABLE, 16, VRING_DESC_F_INDIRECT, 0 },		/* table in a table */
		{ TABLE, 17, VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, 0, VRING_DESC_F_INDIRECT, 0 },
		{ TABLE, ~0u - 15, VRING_DESC_F_INDIRECT, 0 },
	};
	struct vring_desc in_table = { TABLE, 16, VRING_DESC_F_INDIRECT, 0 };
	unsigned int i;

	ASSERT_EQ(0, set_up(self));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->result = 0;
		request(self, VIRTIO_BLK_T_IN, 0, 512);
		memcpy(self->g.mem + DESC, &bad[i], sizeof(bad[i]));
		memcpy(self->g.mem + TABLE, &in_table, sizeof(in_table));
		publish(self, 0);
		ASSERT_EQ(0, ring_bell(self));
		ASSERT_TRUE(broken(self)) {
			TH_LOG("chain %u", i);
		}
		EXPECT_EQ(i + 1, stat_of(self->dev, LODGE_RING_ERRORS));
		/* A new start, as after a reset. */
		ASSERT_EQ(0, ring_off(self->dev));
		memset(self->g.mem + AVAIL, 0, 4096);
		memset(self->g.mem + USED, 0, 4096);
		self->avail = 0;
		ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
}

/* Rings that are not in memory, or leave it while they are used. */
TEST_F(virtio, bad_rings)
{
	struct lodge_ring ring = good_ring();

	ASSERT_EQ(0, set_features(self->dev, FEATURES));
	start(self);
	ring.device = GUEST_NOTHING;
	ASSERT_EQ(0, set_ring(self->dev, ring));
	EXPECT_TRUE(broken(self));
	ASSERT_EQ(0, ring_off(self->dev));
	self->result = 0;
	ring = good_ring();
	ring.driver = GUEST_BYTES - 4;
	ASSERT_EQ(0, set_ring(self->dev, ring));
	EXPECT_TRUE(broken(self));
	ASSERT_EQ(0, ring_off(self->dev));
	self->result = 0;
	/* An index that jumps */
	self->avail = ENTRIES;
	publish(self, 0);
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	EXPECT_TRUE(broken(self));
}

TEST_F(virtio, memory_goes_away)
{
	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
	/* The host page under the used ring: nothing is lost that the owner did not give up. */
	ASSERT_EQ(0, madvise(self->g.mem + DATA, 65536, MADV_DONTNEED));
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
	request(self, VIRTIO_BLK_T_IN, 0, 512);
	ASSERT_EQ(0, guest_slot(&self->g, 0, 0, 0, NULL));
	publish(self, 0);
	/* Without its slot the ring is nowhere; the device finds out when it looks. */
	ASSERT_EQ(0, ring_off(self->dev));
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	EXPECT_TRUE(broken(self));
}

TEST_F(virtio, reset)
{
	struct lodge_reset reset = { .size = sizeof(reset) };
	unsigned int i;

	ASSERT_EQ(0, set_up(self));
	for (i = 0; i < 100; i++) {
		request(self, VIRTIO_BLK_T_IN, 0, 512);
		publish(self, 0);
		ASSERT_EQ(0, call(self->dev, LODGE_VIRTIO_RESET, &reset));
		EXPECT_EQ(0, ring_flags(self->dev));
		memset(self->g.mem + AVAIL, 0, 4096);
		memset(self->g.mem + USED, 0, 4096);
		self->avail = 0;
		ASSERT_EQ(0, set_features(self->dev, FEATURES));
		ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
}

GUEST64(storm, "mov $0x5000, %dx\n mov $2000, %ecx\n"
	"1: mov %ecx, %eax\n out %ax, %dx\n loop 1b\n" END);

/* Of rings that exist and of those that do not. */
TEST_F(virtio, doorbell_storm)
{
	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, guest_load64(&self->g, storm));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_LE(2000, guest_stat(&self->g, "doorbells"));
	EXPECT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
	/* The owner may ring, too. */
	request(self, VIRTIO_BLK_T_IN, 0, 512);
	publish(self, 0);
	EXPECT_EQ(0, kick(self->dev, 0));
	EXPECT_TRUE(used(self, self->avail));
	EXPECT_EQ(-EINVAL, kick(self->dev, 1));
	/* The device goes first, its doorbell stays. */
	stop(self);
	close(self->dev);
	EXPECT_EQ(0, ring_bell(self));
	self->dev = -1;
}

TEST_F(virtio, regions)
{
	struct lodge_region isr = {
		.size = sizeof(isr), .space = LODGE_SPACE_PIO, .addr = BELL + 8, .bytes = 1,
		.read = LODGE_READ_ISR, .write = LODGE_WRITE_ISR_ACK, .eventfd = self->dev,
	};
	struct guest other;
	int event = eventfd(0, 0);

	ASSERT_EQ(0, guest_create(&other));
	EXPECT_EQ(-EINVAL, add_bell(self, other.vm, self->dev));
	EXPECT_EQ(-EINVAL, add_bell(self, self->g.vm, self->file));
	EXPECT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &isr));
	isr.eventfd = event;
	EXPECT_EQ(-EINVAL, call(self->g.vm, LODGE_SET_REGION, &isr));
	isr.eventfd = -1;
	EXPECT_EQ(-EBADF, call(self->g.vm, LODGE_SET_REGION, &isr));
	guest_destroy(&other);
	close(event);
}

GUEST64(status, "mov $0x5008, %dx\n in %dx, %al\n mov %eax, %r8d\n"
	"mov $1, %al\n out %al, %dx\n in %dx, %al\n mov %eax, %r9d\n" END);

/* A used buffer sets the status and the line, the driver's write clears it. */
TEST_F(virtio, interrupt_status)
{
	struct lodge_region isr = {
		.size = sizeof(isr), .space = LODGE_SPACE_PIO, .addr = BELL + 8, .bytes = 1,
		.read = LODGE_READ_ISR, .write = LODGE_WRITE_ISR_ACK,
	};
	struct lodge_create_virtio with = disk;

	with.gsi = 5;
	close(self->dev);
	self->dev = create(self->g.vm, self->file, with);
	ASSERT_LE(0, self->dev);
	isr.eventfd = self->dev;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_REGION, &isr));
	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_request(self, VIRTIO_BLK_T_IN, 0, 512));
	usleep(10000);
	ASSERT_EQ(0, guest_load64(&self->g, status));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(1, guest_gpr(&self->g, LODGE_R8) & 0xff);
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_R9) & 0xff);
	EXPECT_EQ(1, stat_of(self->dev, LODGE_RING_INTERRUPTS));
}

/* The vCPU that rings serves the ring itself, once a thread has claimed it. */
TEST_F(virtio, served_by_the_vcpu)
{
	struct lodge_create_virtio with = { .device = LODGE_VIRTIO_RNG, .rings = 1,
					    .gsi = LODGE_VIRTIO_NO_GSI };
	int tries;

	close(self->dev);
	self->dev = create(self->g.vm, -1, with);
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, set_up_with(self, V1));
	for (tries = 0; tries < 10000 && !stat_of(self->dev, LODGE_RING_HERE); tries++) {
		set_desc(&self->g, 0, DATA, 64, VRING_DESC_F_WRITE, 0);
		publish(self, 0);
		ASSERT_EQ(0, ring_bell(self));
		ASSERT_TRUE(used(self, self->avail));
	}
	EXPECT_LT(0, stat_of(self->dev, LODGE_RING_HERE));
	/* Its owner's thread hears of a driver that breaks the rules. */
	set_desc(&self->g, 0, GUEST_NOTHING, 64, VRING_DESC_F_WRITE, 0);
	publish(self, 0);
	ASSERT_EQ(0, ring_bell(self));
	EXPECT_TRUE(broken(self));
	EXPECT_EQ(1, stat_of(self->dev, LODGE_RING_ERRORS));
}

static __u32 rnd(void)
{
	static __u64 state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 16;
}

/* What a driver might have meant, or nearly. */
static void scribble(struct guest *g, bool packed)
{
	static const __u16 flags[] = { 0, 1, 2, 2, 3, 4, 5, 6, 0x80, 0x82, 0x8080, 0xffff };
	static const __u32 lengths[] = { 0, 1, 16, 512, 4096, 65536, ~0u };
	struct vring_desc desc = {
		.addr = rnd() % 8 ? HEADER + rnd() % 65536 : (__u64)rnd() << rnd() % 33,
		.len = rnd() % 2 ? 16 : lengths[rnd() % ARRAY_SIZE(lengths)],
		.flags = flags[rnd() % ARRAY_SIZE(flags)],
		.next = rnd() % 8 ? rnd() % ENTRIES : flags[rnd() % ARRAY_SIZE(flags)],
	};
	struct virtio_blk_outhdr header = { .type = rnd() % 16, .sector = rnd() % (SECTORS + 1) };
	volatile struct vring_avail *avail = (void *)(g->mem + AVAIL);

	/* There the flags are last. */
	if (packed)
		desc.next = desc.flags | (rnd() % 2 ? 0x80 : 0x8000);
	memcpy(g->mem + (rnd() % 4 ? DESC : TABLE) + rnd() % ENTRIES * sizeof(desc), &desc,
	       sizeof(desc));
	memcpy(g->mem + HEADER + rnd() % 64 * 16, &header, sizeof(header));
	avail->ring[rnd() % ENTRIES] = rnd() % 32 ? rnd() % ENTRIES : rnd();
	avail->idx += rnd() % 64 ? rnd() % 3 : rnd();
}

/* What is in memory changes under the device's eyes. How often the ring broke */
static int storm_of_noise(FIXTURE_DATA(virtio) *self, __u64 features)
{
	bool packed = features & 1ull << VIRTIO_F_RING_PACKED;
	struct lodge_ring ring = good_ring();
	int rounds, ret, set_anew = 0;

	ret = set_features(self->dev, features);
	if (packed) {
		ring.next = LODGE_RING_WRAP;
		ring.used = LODGE_RING_WRAP;
	}
	ret = ret ? ret : set_ring(self->dev, ring);
	start(self);
	for (rounds = 0; rounds < 50000 && !ret; rounds++) {
		scribble(&self->g, packed);
		ret = kick(self->dev, 0);
		if (rounds % 16 || !(ring_flags(self->dev) & LODGE_RING_BROKEN))
			continue;
		set_anew++;
		ret = ret ? ret : ring_off(self->dev);
		memset(self->g.mem + AVAIL, 0, 4096);
		ret = ret ? ret : set_ring(self->dev, ring);
	}
	stop(self);
	return ret ? ret : set_anew;
}

TEST_F(virtio, noise_to_a_disk)
{
	EXPECT_LT(0, storm_of_noise(self, FEATURES));
	EXPECT_LT(0, stat_of(self->dev, LODGE_RING_CHAINS));
}

TEST_F(virtio, noise_to_a_packed_disk)
{
	EXPECT_LT(0, storm_of_noise(self, FEATURES | 1ull << VIRTIO_F_RING_PACKED));
}

/* A console that reads zeroes without end, and an entropy device */
TEST_F(virtio, noise_to_other_devices)
{
	struct lodge_create_virtio with = disk;
	int fd = open("/dev/zero", O_RDWR);

	close(self->dev);
	with.device = LODGE_VIRTIO_CONSOLE;
	with.rings = 2;
	self->dev = create(self->g.vm, fd, with);
	ASSERT_LE(0, self->dev);
	EXPECT_LT(0, storm_of_noise(self, V1 | 1ull << VIRTIO_RING_F_EVENT_IDX));
	close(self->dev);
	with.device = LODGE_VIRTIO_RNG;
	with.rings = 1;
	self->dev = create(self->g.vm, -1, with);
	ASSERT_LE(0, self->dev);
	EXPECT_LT(0, storm_of_noise(self, V1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC));
	close(fd);
}

static int take(int dev, struct lodge_iov *iovs, struct lodge_ring_chain *chain)
{
	*chain = (struct lodge_ring_chain) { .size = sizeof(*chain), .iovs = (unsigned long)iovs };
	return call(dev, LODGE_RING_TAKE, chain);
}

static int give(int dev, __u32 id, __u32 written)
{
	struct lodge_ring_chain chain = { .size = sizeof(chain), .id = id, .written = written };

	return call(dev, LODGE_RING_GIVE, &chain);
}

static int create_user(FIXTURE_DATA(virtio) *self, int event)
{
	struct lodge_create_virtio with = {
		.device = 9, .rings = 1, .gsi = LODGE_VIRTIO_NO_GSI,
		.flags = LODGE_VIRTIO_USER, .features = 1,
	};

	close(self->dev);
	self->dev = create(self->g.vm, event, with);
	return self->dev;
}

/* The owner serves the ring: doorbells by eventfd, chains in his own memory. */
TEST_F(virtio, rings_of_the_owner)
{
	int event = eventfd(0, EFD_NONBLOCK), i;
	struct lodge_iov iovs[LODGE_RING_IOVS];
	struct lodge_ring_chain chain;
	__u64 rung;

	EXPECT_EQ(-EINVAL, create_user(self, self->file));
	EXPECT_EQ(-EBADF, create_user(self, -1));
	ASSERT_LE(0, create_user(self, event));
	EXPECT_EQ(-EAGAIN, take(self->dev, iovs, &chain));
	ASSERT_EQ(0, set_features(self->dev, V1 | 1));
	ASSERT_EQ(0, add_bell(self, self->g.vm, self->dev));
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	EXPECT_EQ(-EINVAL, serve(self->dev, 1));
	EXPECT_EQ(-EAGAIN, take(self->dev, iovs, &chain));
	read(event, &rung, sizeof(rung));
	request(self, VIRTIO_BLK_T_IN, 0, 512);
	publish(self, 0);
	ASSERT_EQ(0, ring_bell(self));
	EXPECT_EQ(sizeof(rung), read(event, &rung, sizeof(rung)));
	EXPECT_EQ(-EFAULT, take(self->dev, (void *)1, &chain));
	ASSERT_EQ(0, take(self->dev, iovs, &chain));
	ASSERT_EQ(1, chain.outs);
	ASSERT_EQ(2, chain.ins);
	EXPECT_EQ((unsigned long)self->g.mem + HEADER, iovs[0].addr);
	EXPECT_EQ((unsigned long)self->g.mem + DATA, iovs[1].addr);
	EXPECT_EQ(512, iovs[1].bytes);
	EXPECT_EQ(-EINVAL, give(self->dev, chain.id, 514));
	EXPECT_EQ(-ENOENT, give(self->dev, chain.id + 1, 0));
	EXPECT_EQ(0, give(self->dev, chain.id, 513));
	EXPECT_TRUE(used(self, 1));
	EXPECT_EQ(-ENOENT, give(self->dev, chain.id, 513));
	/* What was taken before a reset is of another time. */
	publish(self, 0);
	ASSERT_EQ(0, take(self->dev, iovs, &chain));
	ASSERT_EQ(0, ring_off(self->dev));
	EXPECT_EQ(-ENOENT, give(self->dev, chain.id, 0));
	self->avail = 0;
	memset(self->g.mem + AVAIL, 0, 4096);
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	EXPECT_EQ(-ENOENT, give(self->dev, chain.id, 0));
	/* So many at once, and no more */
	for (i = 0; i < ENTRIES; i++) {
		publish(self, 0);
		EXPECT_EQ(0, take(self->dev, iovs, &chain));
	}
	EXPECT_EQ(-EAGAIN, take(self->dev, iovs, &chain));
	set_desc(&self->g, 0, GUEST_NOTHING, 16, 0, 0);
	publish(self, 0);
	EXPECT_EQ(-EPROTO, take(self->dev, iovs, &chain));
	EXPECT_EQ(LODGE_RING_ENABLED | LODGE_RING_BROKEN, ring_flags(self->dev));
	EXPECT_EQ(-EAGAIN, take(self->dev, iovs, &chain));
	close(event);
}

/* The log of a slot that came meanwhile, and is shorter, gets no bits behind its end. */
TEST_F(virtio, chain_outlives_its_slot)
{
	struct lodge_slot slot = {
		.size = sizeof(slot), .flags = LODGE_SLOT_LOG_DIRTY, .bytes = DATA + 4096,
		.user_addr = (unsigned long)self->g.mem,
	};
	struct lodge_dirty dirty = { .size = sizeof(dirty), .pages = slot.bytes / 4096 };
	int event = eventfd(0, EFD_NONBLOCK);
	struct lodge_iov iovs[LODGE_RING_IOVS];
	struct lodge_ring_chain chain;
	__u64 bits[2] = {};

	ASSERT_LE(0, create_user(self, event));
	ASSERT_EQ(0, set_features(self->dev, V1));
	ASSERT_EQ(0, set_ring(self->dev, good_ring()));
	set_desc(&self->g, 0, DATA, MIB(1), VRING_DESC_F_WRITE, 0);
	publish(self, 0);
	ASSERT_EQ(0, take(self->dev, iovs, &chain));
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_SLOT, &slot));
	EXPECT_EQ(0, give(self->dev, chain.id, MIB(1)));
	dirty.bitmap = (unsigned long)bits;
	EXPECT_EQ(0, call(self->g.vm, LODGE_GET_DIRTY, &dirty));
	EXPECT_EQ(1, bits[1]);
	close(event);
}

/* Whatever a driver writes, chains are the owner's memory or there are none. */
TEST_F(virtio, noise_to_the_owner)
{
	unsigned long low = (unsigned long)self->g.mem, high = low + GUEST_BYTES;
	struct lodge_iov iovs[LODGE_RING_IOVS];
	struct lodge_ring_chain chain;
	unsigned int i, n, packed, got = 0;

	for (packed = 0; packed < 2; packed++) {
		struct lodge_ring ring = good_ring();

		ring.next = packed ? LODGE_RING_WRAP : 0;
		ring.used = ring.next;
		ASSERT_LE(0, create_user(self, eventfd(0, 0)));
		ASSERT_EQ(0, set_features(self->dev, V1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
					  (__u64)packed << VIRTIO_F_RING_PACKED));
		ASSERT_EQ(0, set_ring(self->dev, ring));
		for (i = 0; i < 50000; i++) {
			scribble(&self->g, packed);
			switch (take(self->dev, iovs, &chain)) {
			case 0:
				got++;
				for (n = 0; n < chain.outs + chain.ins; n++)
					ASSERT_TRUE(iovs[n].addr >= low &&
						    iovs[n].bytes <= high - iovs[n].addr);
				if (give(self->dev, chain.id, rnd() % 2 ? rnd() : 0))
					give(self->dev, chain.id, 0);
				break;
			case -EPROTO:
				ASSERT_EQ(0, ring_off(self->dev));
				memset(self->g.mem + AVAIL, 0, 4096);
				ASSERT_EQ(0, set_ring(self->dev, ring));
			}
		}
	}
	EXPECT_LT(100, got);
}

/* A packed ring's first request, header last. */
static void publish_packed(struct guest *g)
{
	static const __u16 available = 1 << VRING_PACKED_DESC_F_AVAIL;
	struct vring_packed_desc *desc = (void *)(g->mem + DESC);
	struct vring_desc split[3];
	int i;

	memcpy(split, desc, sizeof(split));
	for (i = 2; i >= 0; i--) {
		desc[i] = (struct vring_packed_desc) { split[i].addr, split[i].len, 7, 0 };
		__atomic_store_n(&desc[i].flags, split[i].flags | available, __ATOMIC_RELEASE);
	}
}

static bool packed_used(struct guest *g)
{
	volatile struct vring_packed_desc *desc = (void *)(g->mem + DESC);
	int tries;

	for (tries = 0; tries < 10000 && !(desc->flags & 1 << VRING_PACKED_DESC_F_USED); tries++)
		usleep(1000);
	return desc->flags & 1 << VRING_PACKED_DESC_F_USED && desc->id == 7;
}

/* With each set of features that a driver may pick, a disk reads. */
TEST_F(virtio, features_by_subset)
{
	static const unsigned int bits[] = {
		VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX, VIRTIO_F_RING_PACKED,
		VIRTIO_BLK_F_FLUSH, 38 /* notification data */, 40 /* ring reset */,
	};
	struct lodge_reset reset = { .size = sizeof(reset) };
	unsigned int set, i;

	start(self);
	for (set = 0; set < 1u << ARRAY_SIZE(bits); set++) {
		struct lodge_ring ring = good_ring();
		__u64 features = 0;
		bool packed;

		for (i = 0; i < ARRAY_SIZE(bits); i++)
			features |= set & 1u << i ? 1ull << bits[i] : 0;
		ASSERT_EQ(-EINVAL, set_features(self->dev, features));
		ASSERT_EQ(0, set_features(self->dev, features | V1));
		packed = features & 1ull << VIRTIO_F_RING_PACKED;
		ring.next = packed ? LODGE_RING_WRAP : 0;
		ring.used = ring.next;
		self->avail = 0;
		memset(self->g.mem + DESC, 0, 3 * 4096);
		memset(self->g.mem + DATA, 0, 512);
		request(self, VIRTIO_BLK_T_IN, 1, 512);
		if (packed)
			publish_packed(&self->g);
		else
			publish(self, 0);
		ASSERT_EQ(0, set_ring(self->dev, ring));
		ASSERT_TRUE(packed ? packed_used(&self->g) : used(self, 1)) {
			TH_LOG("features %#llx", features);
		}
		EXPECT_EQ(VIRTIO_BLK_S_OK, self->g.mem[STATUS]);
		EXPECT_EQ(128 * 2654435761u, *(volatile __u32 *)(self->g.mem + DATA));
		ASSERT_EQ(0, call(self->dev, LODGE_VIRTIO_RESET, &reset));
	}
}

/* A device whose struct cannot be written back leaves no descriptor behind. */
TEST_F(virtio, create_without_an_answer)
{
	struct lodge_create_virtio *with = mmap(NULL, sizeof(*with), PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int next = dup(self->file);

	ASSERT_NE(MAP_FAILED, with);
	ASSERT_EQ(0, close(next));
	*with = disk;
	with->size = sizeof(*with);
	with->fd = self->file;
	ASSERT_EQ(0, mprotect(with, sizeof(*with), PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->g.vm, LODGE_CREATE_VIRTIO, with));
	EXPECT_EQ(next, dup(self->file));
	close(next);
	munmap(with, sizeof(*with));
}

/* A process that is killed leaves nothing behind that would keep it. */
TEST_F(virtio, killed_while_serving)
{
	int status, dev;
	struct guest g;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (guest_create(&g))
			_exit(1);
		dev = create(g.vm, self->file, disk);
		if (dev < 0 || set_features(dev, FEATURES) || set_ring(dev, good_ring()))
			_exit(2);
		serve(dev, 1);
		_exit(3);
	}
	usleep(300000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

/* Whoever has the descriptor but not the memory gets nowhere. */
TEST_F(virtio, other_process)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(serve(self->dev, 1) == -EIO && set_features(self->dev, V1) == -EIO ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
