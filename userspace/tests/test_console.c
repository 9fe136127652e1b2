// SPDX-License-Identifier: GPL-2.0-only
/* virtio-console's control rings, between a driver that is played here and real sockets. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ktap.h"
#include "virtio_user.h"

#define MESSAGES	64
#define PATH		"build/test-console"

struct message {
	struct virtio_console_control c;
	char name[32];
};

static struct virtio device;
static struct message sent, got[MESSAGES];
static unsigned int sent_bytes, room, filled, seen;
static __u32 got_bytes[MESSAGES];
static int backend[2 * VIRTIO_MAX_PORTS + 2];

/* What the kernel would do */

int lodge_ring_take(int dev, struct lodge_ring_chain *chain)
{
	struct lodge_iov *iov = (void *)(unsigned long)chain->iovs;

	(void)dev;
	if (chain->ring == 3 && sent_bytes) {
		chain->outs = 1;
		iov[0] = (struct lodge_iov){ (unsigned long)&sent, sent_bytes };
		sent_bytes = 0;
		return 0;
	}
	if (chain->ring != 2 || !room)
		return -EAGAIN;
	room--;
	chain->id = filled++ % MESSAGES;
	chain->ins = 1;
	iov[0] = (struct lodge_iov){ (unsigned long)&got[chain->id], sizeof(got[0]) };
	return 0;
}

int lodge_ring_give(int dev, const struct lodge_ring_chain *chain)
{
	(void)dev;
	if (chain->ring == 2)
		got_bytes[chain->id] = chain->written;
	return 0;
}

int lodge_set_backend(int dev, __u32 ring, int fd)
{
	(void)dev;
	backend[ring] = fd;
	return 0;
}

int lodge_virtio_reset(int dev)
{
	(void)dev;
	return 0;
}

void virtio_broke(struct virtio *v)
{
	(void)v;
}

void virtio_config_changed(struct virtio *v)
{
	(void)v;
}

static void turn(void)
{
	struct epoll_event event[16];
	int n, i;

	device.user->serve(&device);
	while ((n = epoll_wait(device.epoll, event, 16, 0)) > 0)
		for (i = 0; i < n; i++)
			if (event[i].data.ptr)
				device.user->ready(&device, event[i].data.ptr, event[i].events);
}

static void say(__u32 id, __u16 event, __u16 value)
{
	sent.c = (struct virtio_console_control){ id, event, value };
	sent_bytes = sizeof(sent.c);
	turn();
}

/* The next thing that the driver is told. */
static bool hears(__u32 id, __u16 event, __u16 value)
{
	struct virtio_console_control *c = &got[seen % MESSAGES].c;

	return seen < filled && got_bytes[seen++ % MESSAGES] >= sizeof(*c) && c->id == id &&
	       c->event == event && c->value == value;
}

static int client(void)
{
	struct sockaddr_un addr;
	int fd = virtio_unix_socket(PATH, SOCK_STREAM, &addr);

	CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	turn();
	return fd;
}

static const struct console_option options[] = {
	{ .name = "" }, { .name = "agent", .path = PATH, .socket = true },
};

/* A driver that has found both. */
static void begin(void)
{
	struct fault f;

	memset(&device, 0, sizeof(device));
	memset(backend, -1, sizeof(backend));
	device.fd = -1;
	room = MESSAGES;
	filled = 0;
	seen = 0;
	unlink(PATH);
	CHECK(!virtio_console_init(&device, options, 2, &f));
	CHECK(device.rings == 6 && device.served == 4 && device.together == 0x33);
	device.user->reset(&device);
	device.picked = BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT);
	device.features_picked(&device);
	say(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	CHECK(hears(0, VIRTIO_CONSOLE_PORT_ADD, 1) && hears(1, VIRTIO_CONSOLE_PORT_ADD, 1));
}

static void end(void)
{
	CHECK(seen == filled);
	virtio_user_destroy(&device);
}

static void ports(void)
{
	begin();
	CHECK(device.user->owns(&device, 2) && !device.user->owns(&device, 4));
	say(0, VIRTIO_CONSOLE_PORT_READY, 1);
	CHECK(hears(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1) && hears(0, VIRTIO_CONSOLE_PORT_OPEN, 1));
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_NAME, 1) && seen == filled);
	CHECK(got_bytes[seen - 1] == sizeof(sent.c) + 5 &&
	      !memcmp(&got[seen - 1].c + 1, "agent", 5));
	CHECK(backend[0] == -1 && backend[1] >= 0);
	say(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	CHECK(backend[0] == backend[1]);
	say(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	CHECK(backend[0] == -1 && backend[1] >= 0);
	end();
}

/* One after the other, each from its beginning to its end. */
static void clients(void)
{
	char text[8] = "";
	int first, second;

	begin();
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_NAME, 1) && backend[5] == -1);
	first = client();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1) && backend[5] >= 0 && backend[4] == -1);
	second = client();
	CHECK(seen == filled);
	CHECK(write(second, "later", 5) == 5 && write(first, "sooner", 6) == 6);
	close(first);
	/* What it has sent is still to be had. */
	turn();
	CHECK(seen == filled);
	say(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	CHECK(seen == filled && backend[4] >= 0 && backend[4] == backend[5]);
	CHECK(read(backend[4], text, sizeof(text)) == 6 && !strcmp(text, "sooner"));
	CHECK(!read(backend[4], text, sizeof(text)));
	/* The kernel says that it saw the end. */
	turn();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0) && hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1));
	CHECK(read(backend[4], text, sizeof(text)) == 5 && !memcmp(text, "later", 5));
	say(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	CHECK(backend[4] == -1 && backend[5] >= 0);
	close(second);
	turn();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0) && backend[5] == -1);
	end();
}

/* Nothing is told twice or lost when there is no room, and a client waits for it. */
static void no_room(void)
{
	int fd;

	begin();
	room = 0;
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	fd = client();
	CHECK(seen == filled && backend[5] >= 0);
	close(fd);
	turn();
	fd = client();
	CHECK(backend[5] == -1);
	room = 1;
	turn();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_NAME, 1) && seen == filled);
	room = MESSAGES;
	turn();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0) && hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1));
	close(fd);
	turn();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0));
	end();
}

static void nonsense(void)
{
	static const __u32 ids[] = { 0, 1, 2, 31, 0x7fffffff, 0x80000000, ~0u };
	unsigned int i, event;

	begin();
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		for (event = 4; event < 0x10000; event = event * 2 + 1)
			say(ids[i], event, event);
	say(2, VIRTIO_CONSOLE_PORT_READY, 1);
	say(1, VIRTIO_CONSOLE_PORT_READY, 0);
	say(0, VIRTIO_CONSOLE_DEVICE_READY, 0);
	CHECK(seen == filled);
	for (i = 1; i < sizeof(sent.c); i++) {
		sent.c = (struct virtio_console_control){ 0, VIRTIO_CONSOLE_PORT_READY, 1 };
		sent_bytes = i;
		turn();
	}
	CHECK(seen == filled);
	/* More than a message is one. */
	sent.c = (struct virtio_console_control){ 1, VIRTIO_CONSOLE_PORT_READY, 1 };
	sent_bytes = sizeof(sent);
	turn();
	CHECK(hears(1, VIRTIO_CONSOLE_PORT_NAME, 1));
	end();
}

static void one_port(void)
{
	struct fault f;
	int fd;

	memset(&device, 0, sizeof(device));
	device.backend = -1;
	CHECK(!virtio_console_init(&device, options, 1, &f));
	CHECK(!device.user && device.rings == 2 && device.backend >= 0);
	close(device.backend);
	memset(&device, 0, sizeof(device));
	memset(backend, -1, sizeof(backend));
	unlink(PATH);
	CHECK(!virtio_console_init(&device, options + 1, 1, &f) && device.rings == 4);
	device.user->reset(&device);
	/* A driver that knows of no ports */
	device.features_picked(&device);
	CHECK(!device.user->owns(&device, 2));
	fd = client();
	CHECK(backend[0] >= 0 && backend[0] == backend[1]);
	close(fd);
	turn();
	CHECK(backend[0] == -1 && backend[1] == -1);
	virtio_user_destroy(&device);
}

static const struct test tests[] = {
	{ "ports", ports },
	{ "clients", clients },
	{ "no room for messages", no_room },
	{ "messages that mean nothing", nonsense },
	{ "one port", one_port },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
