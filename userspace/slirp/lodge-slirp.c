// SPDX-License-Identifier: GPL-2.0-only
/*
 * lodge-slirp FD [FORWARD]...: a guest's network without privilege. FD is one end
 * of a socket pair of packets, each a virtio-net header and an Ethernet frame;
 * the other end is the device in the kernel. libslirp makes sockets of them.
 *
 * A process of its own: what parses a guest's packets cannot reach the guest's
 * memory, nor /dev/lodge, and the launcher needs no shared library.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES	12
#define FRAME_BYTES	65550
#define MAX_FDS		1024
#define MAX_TIMERS	8
#define BATCH		64		/* packets before others have their turn */

struct timer {
	slirp_timer_fn cb;
	void *opaque;
	long due;		/* ms; 0: not set */
	int used;
};

static int guest_fd;
static struct timer timers[MAX_TIMERS];
static struct pollfd fds[MAX_FDS];
static unsigned int fd_count;

static long now_ns(void *unused)
{
	struct timespec ts;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* A guest that does not keep up loses packets, as on any network. */
static ssize_t to_guest(const void *frame, size_t bytes, void *unused)
{
	unsigned char packet[HEADER_BYTES + FRAME_BYTES] = { 0 };

	(void)unused;
	if (bytes > FRAME_BYTES)
		return bytes;
	memcpy(packet + HEADER_BYTES, frame, bytes);
	send(guest_fd, packet, HEADER_BYTES + bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	return bytes;
}

static void guest_error(const char *text, void *unused)
{
	(void)text;
	(void)unused;
}

static void *timer_new(slirp_timer_fn cb, void *cb_opaque, void *unused)
{
	int i;

	(void)unused;
	for (i = 0; i < MAX_TIMERS; i++)
		if (!timers[i].used) {
			timers[i] = (struct timer){ .cb = cb, .opaque = cb_opaque, .used = 1 };
			return &timers[i];
		}
	abort();
}

static void timer_free(void *timer, void *unused)
{
	(void)unused;
	memset(timer, 0, sizeof(struct timer));
}

static void timer_mod(void *timer, long ms, void *unused)
{
	(void)unused;
	((struct timer *)timer)->due = ms;
}

static void no_fd(int fd, void *unused)
{
	(void)fd;
	(void)unused;
}

static void no_notify(void *unused)
{
	(void)unused;
}

static const slirp_callbacks callbacks = {
	.send_packet = to_guest,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = no_fd,
	.unregister_poll_fd = no_fd,
	.notify = no_notify,
};

static int add_poll(int fd, int events, void *unused)
{
	short want = 0;

	(void)unused;
	if (fd_count == MAX_FDS)
		return -1;
	if (events & SLIRP_POLL_IN)
		want |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		want |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		want |= POLLPRI;
	fds[fd_count] = (struct pollfd){ .fd = fd, .events = want };
	return fd_count++;
}

static int get_revents(int i, void *unused)
{
	short got;

	(void)unused;
	if (i < 0)
		return 0;
	got = fds[i].revents;
	return (got & POLLIN ? SLIRP_POLL_IN : 0) | (got & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (got & POLLPRI ? SLIRP_POLL_PRI : 0) | (got & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (got & POLLHUP ? SLIRP_POLL_HUP : 0);
}

/* Returns 0 when the device is gone. */
static int from_guest(slirp_stack *slirp)
{
	static unsigned char packet[HEADER_BYTES + FRAME_BYTES];
	ssize_t bytes;
	int i;

	for (i = 0; i < BATCH; i++) {
		bytes = recv(guest_fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (bytes < 0)
			return errno == EAGAIN || errno == EINTR;
		if (!bytes)
			return 0;
		if (bytes > HEADER_BYTES)
			slirp_input(slirp, packet + HEADER_BYTES, bytes - HEADER_BYTES);
	}
	return 1;
}

/* Calls what is due; milliseconds until the next is, at most @timeout. */
static int run_timers(unsigned int timeout)
{
	long now = now_ns(NULL) / 1000000, left = timeout > 60000 ? 60000 : timeout;
	int i;

	for (i = 0; i < MAX_TIMERS; i++) {
		struct timer *t = &timers[i];

		if (t->used && t->due && t->due <= now) {
			t->due = 0;
			t->cb(t->opaque);
		}
		if (t->used && t->due && t->due - now < left)
			left = t->due > now ? t->due - now : 0;
	}
	return left;
}

/* tcp|udp:HOSTPORT:GUESTPORT; only this host's own programs may connect. */
static int forward(slirp_stack *slirp, const char *text)
{
	struct in_addr host = { htonl(INADDR_LOOPBACK) }, guest = { inet_addr("10.0.2.15") };
	unsigned int from, to;
	char kind[4];
	int end = 0;

	if (sscanf(text, "%3[a-z]:%5u:%5u%n", kind, &from, &to, &end) != 3 || text[end])
		return -1;
	return slirp_add_hostfwd(slirp, !strcmp(kind, "udp"), host, from, guest, to);
}

static slirp_stack *start(void)
{
	slirp_config config = {
		.version = 1,
		.in_enabled = true,
		.vnetwork = { inet_addr("10.0.2.0") },
		.vnetmask = { inet_addr("255.255.255.0") },
		.vhost = { inet_addr("10.0.2.2") },
		.vhostname = "lodge",
		.vdhcp_start = { inet_addr("10.0.2.15") },
		.vnameserver = { inet_addr("10.0.2.3") },
		.in6_enabled = true,
		.vprefix_len = 64,
	};

	inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &config.vhost6);
	inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
	return slirp_new(&config, &callbacks, NULL);
}

static void serve(slirp_stack *slirp)
{
	unsigned int timeout;
	int ret;

	do {
		timeout = UINT_MAX;
		fd_count = 0;
		add_poll(guest_fd, SLIRP_POLL_IN, NULL);
		slirp_pollfds_fill(slirp, &timeout, add_poll, NULL);
		ret = poll(fds, fd_count, run_timers(timeout));
		slirp_pollfds_poll(slirp, ret < 0, get_revents, NULL);
	} while (from_guest(slirp));
}

int main(int argc, char **argv)
{
	slirp_stack *slirp;
	int i;

	if (argc < 2) {
		fputs("usage: lodge-slirp FD [tcp|udp:HOSTPORT:GUESTPORT]...\n", stderr);
		return 2;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Ctrl-C is for the launcher; we end when our socket does. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	guest_fd = atoi(argv[1]);
	slirp = start();
	for (i = 2; slirp && i < argc; i++)
		if (forward(slirp, argv[i])) {
			fprintf(stderr, "lodge-slirp: cannot forward %s: %s\n", argv[i],
				strerror(errno));
			return 1;
		}
	/* One byte: the forwarded ports are open. */
	if (!slirp || send(guest_fd, "", 1, MSG_NOSIGNAL) != 1)
		return 1;
	serve(slirp);
	return 0;
}
