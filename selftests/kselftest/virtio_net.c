// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device with several pairs of rings and one that its owner serves, and a
 * console that has two of those; what is behind their rings, and what may come from there.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "virtio.h"

#define PAIRS		2
#define RINGS		(2 * PAIRS + 1)
#define CONTROL		(RINGS - 1)
#define F_CTRL_VQ	(1ull << 17)
#define F_MQ		(1ull << 22)
#define HEADER_BYTES	12
#define PACKET		(HEADER_BYTES + 60)

/* Parts of a ring, far from those of the next */
#define AT(ring)	(DESC + (ring) * 0x8000ul)
#define BUFFER(ring)	(AT(ring) + 0x3000)

FIXTURE(net)
{
	struct guest g;
	int ours[PAIRS];
	int theirs[PAIRS];
	int event;
	int dev;
	pthread_t thread;
	bool serving;
	__u64 rings;		/* that the thread serves */
	volatile bool stop;
	__u64 features;
};

static int create_net(FIXTURE_DATA(net) *self, __u32 flags, __u32 rings, __s32 event, void *fds)
{
	struct lodge_create_virtio with = {
		.size = sizeof(with), .device = LODGE_VIRTIO_NET, .gsi = LODGE_VIRTIO_NO_GSI,
		.flags = flags, .rings = rings, .fd = self->theirs[0], .event = event,
		.fds = (unsigned long)fds,
	};
	int ret = call(self->g.vm, LODGE_CREATE_VIRTIO, &with);

	self->features = with.features;
	return ret;
}

static void on_signal(int sig)
{
}

FIXTURE_SETUP(net)
{
	struct sigaction action = { .sa_handler = on_signal };
	int i, pair[2];

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, guest_create(&self->g));
	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
		self->ours[i] = pair[0];
		self->theirs[i] = pair[1];
	}
	self->event = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, self->event);
	self->dev = create_net(self, LODGE_VIRTIO_EVENT, RINGS, self->event, &self->theirs[1]);
	ASSERT_LE(0, self->dev);
	self->rings = (1ull << CONTROL) - 1;
}

static void *server(void *arg)
{
	FIXTURE_DATA(net) *self = arg;

	while (!self->stop && serve(self->dev, self->rings) == -EINTR)
		;
	return NULL;
}

FIXTURE_TEARDOWN(net)
{
	self->stop = true;
	if (self->serving)
		join_server(self->thread);
	close(self->dev);
	guest_destroy(&self->g);
}

static int enable(int dev, __u32 ring, __u32 flags)
{
	return set_ring(dev, (struct lodge_ring) {
		.size = sizeof(struct lodge_ring), .ring = ring,
		.flags = LODGE_RING_ENABLED | flags, .entries = ENTRIES, .desc = AT(ring),
		.driver = AT(ring) + 0x1000, .device = AT(ring) + 0x2000,
	});
}

/* One buffer of @bytes is there for the device. */
static void publish(struct guest *g, __u32 ring, __u32 bytes, __u16 flags)
{
	struct vring_desc desc = { BUFFER(ring), bytes, flags, 0 };
	struct vring_avail *avail = (void *)(g->mem + AT(ring) + 0x1000);

	memcpy(g->mem + AT(ring), &desc, sizeof(desc));
	avail->ring[avail->idx % ENTRIES] = 0;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_SEQ_CST);
}

/* Ten seconds for it to come back. */
static bool back(struct guest *g, __u32 ring)
{
	volatile struct vring_avail *avail = (void *)(g->mem + AT(ring) + 0x1000);
	volatile struct vring_used *used = (void *)(g->mem + AT(ring) + 0x2000);
	int tries;

	for (tries = 0; tries < 10000 && used->idx != avail->idx; tries++)
		usleep(1000);
	return used->idx == avail->idx;
}

static int take(int dev, __u32 ring, struct lodge_iov *iovs, __u32 *id)
{
	struct lodge_ring_chain chain = {
		.size = sizeof(chain), .ring = ring, .iovs = (unsigned long)iovs,
	};
	int ret = call(dev, LODGE_RING_TAKE, &chain);

	*id = chain.id;
	return ret;
}

TEST_F(net, create)
{
	int pipes[2], *fd = &self->theirs[1];

	EXPECT_EQ(F_CTRL_VQ | F_MQ, self->features & (F_CTRL_VQ | F_MQ));
	ASSERT_LE(0, create_net(self, 0, 2, 0, NULL));
	EXPECT_EQ(0, self->features & (F_CTRL_VQ | F_MQ));
	ASSERT_LE(0, create_net(self, LODGE_VIRTIO_EVENT, 3, self->event, NULL));
	/* Pairs, and a ring for control where there is somebody to serve it */
	EXPECT_EQ(-EINVAL, create_net(self, 0, RINGS, 0, fd));
	EXPECT_EQ(-EINVAL, create_net(self, 0, RINGS - 1, 0, fd));
	EXPECT_EQ(-EINVAL, create_net(self, LODGE_VIRTIO_EVENT, RINGS - 1, self->event, fd));
	EXPECT_EQ(-EINVAL, create_net(self, LODGE_VIRTIO_EVENT, 1, self->event, fd));
	EXPECT_EQ(-EINVAL, create_net(self, 0, 2, self->event, NULL));
	EXPECT_EQ(-EBADF, create_net(self, LODGE_VIRTIO_EVENT, RINGS, 1000, fd));
	EXPECT_EQ(-EINVAL, create_net(self, LODGE_VIRTIO_EVENT, RINGS, self->ours[0], fd));
	EXPECT_EQ(-EINVAL, create_net(self, LODGE_VIRTIO_EVENT | LODGE_VIRTIO_USER, RINGS,
				      self->event, fd));
	/* What is behind the second pair */
	EXPECT_EQ(-EBADF, create_net(self, LODGE_VIRTIO_EVENT, RINGS, self->event, NULL));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EBADF, create_net(self, LODGE_VIRTIO_EVENT, RINGS, self->event, pipes));
	pipes[0] = -1;
	EXPECT_EQ(-EBADF, create_net(self, LODGE_VIRTIO_EVENT, RINGS, self->event, pipes));
}

TEST_F(net, each_pair_has_its_own_back_end)
{
	char packet[PACKET] = "";
	int i;

	ASSERT_EQ(0, set_features(self->dev, V1 | F_CTRL_VQ | F_MQ));
	for (i = 0; i < CONTROL; i++)
		ASSERT_EQ(0, enable(self->dev, i, 0));
	self->serving = !pthread_create(&self->thread, NULL, server, self);
	strcpy(packet + HEADER_BYTES, "behind the header");
	memcpy(self->g.mem + BUFFER(3), packet, PACKET);
	publish(&self->g, 3, PACKET, 0);
	ASSERT_EQ(0, kick(self->dev, 3));
	ASSERT_TRUE(back(&self->g, 3));
	EXPECT_EQ(-1, recv(self->ours[0], packet, PACKET, 0));
	EXPECT_EQ(PACKET, recv(self->ours[1], packet, PACKET, 0));
	publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
	publish(&self->g, 2, 4096, VRING_DESC_F_WRITE);
	ASSERT_EQ(0, kick(self->dev, 0));
	ASSERT_EQ(0, kick(self->dev, 2));
	ASSERT_EQ(PACKET, send(self->ours[1], packet, PACKET, 0));
	ASSERT_TRUE(back(&self->g, 2));
	EXPECT_EQ(0, memcmp(self->g.mem + BUFFER(2) + HEADER_BYTES, packet + HEADER_BYTES,
			    PACKET - HEADER_BYTES));
	EXPECT_EQ(0, ((struct vring_used *)(self->g.mem + AT(0) + 0x2000))->idx);
}

/* The third one without VIRTIO_NET_F_MQ: which ring is the owner's may change. */
TEST_F(net, rings_of_the_owner)
{
	struct lodge_iov iovs[LODGE_RING_IOVS];
	struct lodge_ring_chain give = { .size = sizeof(give), .ring = 2 };
	struct lodge_ring off = { .size = sizeof(off), .ring = 2 };
	__u64 rung;
	__u32 id;

	ASSERT_EQ(0, set_features(self->dev, V1 | F_CTRL_VQ));
	EXPECT_EQ(-EAGAIN, take(self->dev, 2, iovs, &id));
	off.flags = LODGE_RING_USER;
	EXPECT_EQ(-EINVAL, set_ring(self->dev, off));
	off.flags = 0;
	ASSERT_EQ(0, enable(self->dev, 2, LODGE_RING_USER));
	ASSERT_EQ(0, enable(self->dev, 0, 0));
	ASSERT_EQ(8, read(self->event, &rung, 8));
	publish(&self->g, 2, 64, 0);
	publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
	ASSERT_EQ(0, kick(self->dev, 0));
	EXPECT_EQ(-1, read(self->event, &rung, 8));
	ASSERT_EQ(0, kick(self->dev, 2));
	ASSERT_EQ(8, read(self->event, &rung, 8));
	ASSERT_EQ(0, take(self->dev, 2, iovs, &give.id));
	EXPECT_EQ((unsigned long)self->g.mem + BUFFER(2), iovs[0].addr);
	/* Those that the kernel serves are not to be taken from. */
	EXPECT_EQ(-EAGAIN, take(self->dev, 0, iovs, &id));
	ASSERT_EQ(0, call(self->dev, LODGE_RING_GIVE, &give));
	EXPECT_TRUE(back(&self->g, 2));
	ASSERT_EQ(0, set_ring(self->dev, off));
	ASSERT_EQ(0, enable(self->dev, 2, 0));
	publish(&self->g, 2, 4096, VRING_DESC_F_WRITE);
	EXPECT_EQ(-EAGAIN, take(self->dev, 2, iovs, &id));
}

static __u64 sum_of(int dev, int histogram)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < LODGE_RING_BUCKETS; i++)
		sum += stat_of(dev, histogram + i);
	return sum;
}

/* Of ring 0, which receives */
TEST_F(net, times)
{
	char packet[PACKET] = "";
	int i;

	ASSERT_EQ(0, set_features(self->dev, V1));
	ASSERT_EQ(0, enable(self->dev, 0, 0));
	self->serving = !pthread_create(&self->thread, NULL, server, self);
	for (i = 0; i < 20; i++) {
		publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
		ASSERT_EQ(0, kick(self->dev, 0));
		ASSERT_EQ(PACKET, send(self->ours[0], packet, PACKET, 0));
		ASSERT_TRUE(back(&self->g, 0));
	}
	EXPECT_EQ(20, sum_of(self->dev, LODGE_RING_SERVICE));
	EXPECT_EQ(0, stat_of(self->dev, LODGE_RING_SERVICE));
	EXPECT_LT(0, sum_of(self->dev, LODGE_RING_WAIT));
	for (i = 0; i < 1000 && stat_of(self->dev, LODGE_RING_INTERRUPTS) < 20; i++)
		usleep(1000);
	EXPECT_EQ(20, sum_of(self->dev, LODGE_RING_REPORT));
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* While the ring is served: what is sent then goes there, and without one it is lost. */
TEST_F(net, another_back_end)
{
	char packet[PACKET] = "";
	int pipes[2];

	EXPECT_EQ(-EINVAL, set_backend(self->dev, RINGS, -1));
	EXPECT_EQ(-EBADF, set_backend(self->dev, 1, 1000));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EBADF, set_backend(self->dev, 1, pipes[0]));
	ASSERT_EQ(0, set_features(self->dev, V1));
	ASSERT_EQ(0, enable(self->dev, 0, 0));
	ASSERT_EQ(0, enable(self->dev, 1, 0));
	ASSERT_EQ(0, set_backend(self->dev, 1, self->theirs[1]));
	self->serving = !pthread_create(&self->thread, NULL, server, self);
	publish(&self->g, 1, PACKET, 0);
	ASSERT_EQ(0, kick(self->dev, 1));
	ASSERT_TRUE(readable(self->ours[1], 10000));
	EXPECT_EQ(PACKET, recv(self->ours[1], packet, PACKET, 0));
	ASSERT_EQ(0, set_backend(self->dev, 1, -1));
	publish(&self->g, 1, PACKET, 0);
	ASSERT_EQ(0, kick(self->dev, 1));
	EXPECT_TRUE(back(&self->g, 1));
	EXPECT_EQ(-1, recv(self->ours[1], packet, PACKET, 0));
	EXPECT_EQ(-1, recv(self->ours[0], packet, PACKET, 0));
	/* What waits at the new one's is taken, and nothing of the old one's any more. */
	ASSERT_EQ(PACKET, send(self->ours[1], packet, PACKET, 0));
	ASSERT_EQ(0, set_backend(self->dev, 0, self->theirs[1]));
	publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
	ASSERT_EQ(0, kick(self->dev, 0));
	ASSERT_TRUE(back(&self->g, 0));
	publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
	ASSERT_EQ(0, kick(self->dev, 0));
	ASSERT_EQ(PACKET, send(self->ours[0], packet, PACKET, 0));
	ASSERT_EQ(PACKET, send(self->ours[1], packet, PACKET, 0));
	EXPECT_TRUE(back(&self->g, 0));
	EXPECT_TRUE(readable(self->theirs[0], 0));
}

#define CSUM	(1ull << VIRTIO_NET_F_GUEST_CSUM)
#define TSO4	(1ull << VIRTIO_NET_F_GUEST_TSO4)

/* What a peer may not send; the first that passes is told by its last byte. */
static const struct {
	__u64 features;
	struct virtio_net_hdr header;
	bool passes;
} headers[] = {
	{ 0, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM } },
	{ 0, { .flags = VIRTIO_NET_HDR_F_DATA_VALID } },
	{ CSUM, { .flags = 0x80 } },
	{ CSUM, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 57, .csum_offset = 2 } },
	{ CSUM, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff,
		  .csum_offset = 0xffff } },
	{ CSUM, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		  .gso_size = 8 } },
	{ CSUM | TSO4, { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 8 } },
	{ CSUM | TSO4, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 } },
	{ CSUM | TSO4, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 8, .hdr_len = 61,
			 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 } },
	{ CSUM | TSO4, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 8,
			 .gso_type = VIRTIO_NET_HDR_GSO_TCPV6 } },
	{ CSUM | TSO4, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 8,
			 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN } },
	{ CSUM | TSO4, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 8, .gso_type = 77 } },
	{ 0, { }, true },
	{ CSUM, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 56, .csum_offset = 2 },
	  true },
	{ CSUM, { .flags = VIRTIO_NET_HDR_F_DATA_VALID }, true },
	{ CSUM | TSO4, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 8, .hdr_len = 60,
			 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 }, true },
};

/* Each is followed by a plain packet. */
TEST_F(net, headers_of_others)
{
	struct lodge_ring off = { .size = sizeof(off) };
	char packet[PACKET] = "", plain[PACKET] = "";
	unsigned int i;

	plain[PACKET - 1] = 1;
	self->serving = !pthread_create(&self->thread, NULL, server, self);
	for (i = 0; i < ARRAY_SIZE(headers); i++) {
		struct lodge_reset reset = { .size = sizeof(reset) };

		ASSERT_EQ(0, call(self->dev, LODGE_VIRTIO_RESET, &reset));
		memset(self->g.mem + AT(0), 0, 0x4000);
		ASSERT_EQ(0, set_features(self->dev, V1 | headers[i].features));
		ASSERT_EQ(0, enable(self->dev, 0, 0));
		memcpy(packet, &headers[i].header, sizeof(headers[i].header));
		/* Too short to be anything */
		ASSERT_EQ(5, send(self->ours[0], packet, 5, 0));
		ASSERT_EQ(PACKET, send(self->ours[0], packet, PACKET, 0));
		ASSERT_EQ(PACKET, send(self->ours[0], plain, PACKET, 0));
		publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
		ASSERT_EQ(0, kick(self->dev, 0));
		ASSERT_TRUE(back(&self->g, 0));
		EXPECT_EQ(!headers[i].passes, self->g.mem[BUFFER(0) + PACKET - 1])
			TH_LOG("header %u", i);
		if (!headers[i].passes)
			continue;
		publish(&self->g, 0, 4096, VRING_DESC_F_WRITE);
		ASSERT_EQ(0, kick(self->dev, 0));
		ASSERT_TRUE(back(&self->g, 0));
	}
	ASSERT_EQ(0, set_ring(self->dev, off));
}

static int create_console(FIXTURE_DATA(net) *self, __u32 rings, __u32 flags, int fd)
{
	struct lodge_create_virtio with = {
		.device = LODGE_VIRTIO_CONSOLE, .gsi = LODGE_VIRTIO_NO_GSI, .rings = rings,
		.flags = flags, .event = flags ? self->event : 0, .size = sizeof(with), .fd = fd,
	};
	int ret = call(self->g.vm, LODGE_CREATE_VIRTIO, &with);

	self->features = with.features;
	return ret;
}

#define F_MULTIPORT	2

/* A second port: its back end comes and goes, and the owner hears of its end. */
TEST_F(net, ports)
{
	struct lodge_ring_chain give = { .size = sizeof(give), .ring = 2 };
	struct lodge_iov iovs[LODGE_RING_IOVS];
	char text[8] = "";
	__u64 rung;
	__u32 id;

	EXPECT_EQ(-EINVAL, create_console(self, 5, LODGE_VIRTIO_EVENT, -1));
	EXPECT_EQ(-EINVAL, create_console(self, 2, LODGE_VIRTIO_EVENT, -1));
	EXPECT_EQ(-EINVAL, create_console(self, 6, LODGE_VIRTIO_EVENT, self->theirs[0]));
	EXPECT_EQ(-EINVAL, create_console(self, 6, 0, self->theirs[0]));
	close(self->dev);
	self->dev = create_console(self, 6, LODGE_VIRTIO_EVENT, -1);
	ASSERT_LE(0, self->dev);
	EXPECT_TRUE(self->features & F_MULTIPORT);
	ASSERT_EQ(0, set_features(self->dev, V1 | F_MULTIPORT));
	ASSERT_EQ(0, enable(self->dev, 2, LODGE_RING_USER));
	ASSERT_EQ(0, enable(self->dev, 4, 0));
	ASSERT_EQ(0, enable(self->dev, 5, 0));
	self->rings = 0x33;
	self->serving = !pthread_create(&self->thread, NULL, server, self);
	/* Said to nobody */
	memcpy(self->g.mem + BUFFER(5), "hello", 5);
	publish(&self->g, 5, 5, 0);
	ASSERT_EQ(0, kick(self->dev, 5));
	ASSERT_TRUE(back(&self->g, 5));
	ASSERT_EQ(0, set_backend(self->dev, 5, self->theirs[0]));
	EXPECT_FALSE(readable(self->ours[0], 0));
	publish(&self->g, 5, 5, 0);
	ASSERT_EQ(0, kick(self->dev, 5));
	ASSERT_TRUE(readable(self->ours[0], 10000));
	EXPECT_EQ(5, recv(self->ours[0], text, sizeof(text), 0));
	EXPECT_STREQ("hello", text);
	/* Nobody asked for it yet */
	publish(&self->g, 4, 64, VRING_DESC_F_WRITE);
	ASSERT_EQ(3, send(self->ours[0], "you", 3, 0));
	ASSERT_EQ(0, kick(self->dev, 4));
	EXPECT_EQ(0, ((struct vring_used *)(self->g.mem + AT(4) + 0x2000))->idx);
	ASSERT_EQ(0, set_backend(self->dev, 4, self->theirs[0]));
	ASSERT_TRUE(back(&self->g, 4));
	EXPECT_EQ(0, memcmp(self->g.mem + BUFFER(4), "you", 3));
	/* A ring for control holds one chain at a time. */
	read(self->event, &rung, 8);
	publish(&self->g, 2, 64, VRING_DESC_F_WRITE);
	publish(&self->g, 2, 64, VRING_DESC_F_WRITE);
	ASSERT_EQ(0, take(self->dev, 2, iovs, &give.id));
	EXPECT_EQ(-EAGAIN, take(self->dev, 2, iovs, &id));
	give.id += 1;
	EXPECT_EQ(-ENOENT, call(self->dev, LODGE_RING_GIVE, &give));
	give.id += 62;
	EXPECT_EQ(-ENOENT, call(self->dev, LODGE_RING_GIVE, &give));
	give.id -= 63;
	ASSERT_EQ(0, call(self->dev, LODGE_RING_GIVE, &give));
	EXPECT_EQ(8, read(self->event, &rung, 8));
	EXPECT_EQ(0, take(self->dev, 2, iovs, &id));
	publish(&self->g, 4, 64, VRING_DESC_F_WRITE);
	close(self->ours[0]);
	ASSERT_EQ(0, kick(self->dev, 4));
	EXPECT_TRUE(readable(self->event, 10000));
}

TEST_HARNESS_MAIN
