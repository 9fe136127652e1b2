// SPDX-License-Identifier: GPL-2.0-only
/* The cable between two guests' network devices: who is linked with whom, and when. */
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ktap.h"
#include "virtio_user.h"

#define PATH		"build/test-link"
#define ENDS		4

static struct virtio end[ENDS];
static int backend[ENDS][2];

/* What the kernel would do */

int lodge_set_backend(int dev, __u32 ring, int fd)
{
	backend[dev][ring] = fd;
	return 0;
}

int lodge_ring_take(int dev, struct lodge_ring_chain *chain)
{
	(void)dev;
	(void)chain;
	return -1;
}

int lodge_ring_give(int dev, const struct lodge_ring_chain *chain)
{
	(void)dev;
	(void)chain;
	return -1;
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
	int n, i, e, idle = 0;

	for (e = 0; idle < ENDS; e = (e + 1) % ENDS) {
		n = end[e].user ? epoll_wait(end[e].epoll, event, 16, 0) : 0;
		for (i = 0; i < n; i++)
			end[e].user->ready(&end[e], event[i].data.ptr, event[i].events);
		idle = n ? 0 : idle + 1;
	}
}

static void come(int e)
{
	struct fault f;

	memset(&end[e], 0, sizeof(end[e]));
	backend[e][0] = -1;
	backend[e][1] = -1;
	end[e].fd = e;
	CHECK(!virtio_link_init(&end[e], PATH, &f) && end[e].served == 2);
	turn();
}

static void go(int e)
{
	virtio_user_destroy(&end[e]);
	end[e].user = NULL;
	turn();
}

static bool up(int e)
{
	return ((struct virtio_net_config *)end[e].config)->status == VIRTIO_NET_S_LINK_UP;
}

/* What one of them writes the other reads, and nothing else. */
static bool linked(int a, int b)
{
	int from = backend[a][1], to = backend[b][0];
	char text[8] = "";

	return up(a) && up(b) && backend[a][0] == from && backend[b][1] == to &&
	       write(from, "packet", 6) == 6 && read(to, text, 8) == 6 &&
	       !strcmp(text, "packet") && write(to, "other", 5) == 5 && read(from, text, 8) == 5;
}

static bool down(int e)
{
	return !up(e) && backend[e][0] == -1 && backend[e][1] == -1;
}

static void come_and_go(void)
{
	unlink(PATH);
	come(0);
	CHECK(down(0) && !end[0].user_changed);
	come(1);
	CHECK(linked(0, 1) && linked(1, 0) && end[0].user_changed && end[1].user_changed);
	/* The second goes, and another comes. */
	go(1);
	CHECK(down(0));
	come(1);
	CHECK(linked(0, 1));
	/* The first goes: the second has what it takes to be the first. */
	go(0);
	CHECK(down(1));
	come(2);
	CHECK(linked(1, 2));
	go(1);
	CHECK(down(2));
	go(2);
	/* Nobody is left but the name. */
	come(0);
	come(1);
	CHECK(linked(0, 1));
	go(0);
	go(1);
}

static void three(void)
{
	unlink(PATH);
	come(0);
	come(1);
	come(2);
	CHECK(linked(0, 1) && down(2));
	go(0);
	CHECK(linked(1, 2));
	come(0);
	come(3);
	CHECK(linked(1, 2) && down(0) && down(3));
	go(2);
	CHECK(linked(1, 0) && down(3));
	go(1);
	CHECK(linked(0, 3));
	go(0);
	go(3);
}

/* Who does not do what a peer does is none. */
static void strangers(void)
{
	struct sockaddr_un addr;
	int fd, peer;

	unlink(PATH);
	peer = virtio_listen(PATH, SOCK_SEQPACKET);
	come(0);
	CHECK(down(0));
	fd = accept(peer, NULL, NULL);
	CHECK(write(fd, "no descriptor", 13) == 13);
	turn();
	CHECK(down(0));
	go(0);
	close(peer);
	close(fd);
	come(0);
	fd = virtio_unix_socket(PATH, SOCK_SEQPACKET, &addr);
	CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) && write(fd, "early", 5) == 5);
	turn();
	CHECK(up(0));
	close(fd);
	turn();
	CHECK(down(0));
	go(0);
}

static const struct test tests[] = {
	{ "come and go", come_and_go },
	{ "three of them", three },
	{ "strangers", strangers },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
