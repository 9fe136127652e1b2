// SPDX-License-Identifier: GPL-2.0-only
/* virtio-net: what is behind it, and its configuration (virtio 1.2, 5.1.4). */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio_user.h"

#define HEADER_BYTES	12
#define SLIRP		"lodge-slirp"
#define SLIRP_FD	3

/* Checksums and segments of which only a tap can make whole packets */
#define OFFLOADS (BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) |	\
		  BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) |	\
		  BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4) |	\
		  BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_ECN))

/* What is more than one queue of the tap has; @extra: all but the first */
struct net {
	unsigned int queues;
	unsigned int attached;
	__s32 extra[NET_MAX_QUEUES - 1];
};

/* A locally administered address, new for each guest. */
static void make_mac(__u8 mac[6])
{
	if (getrandom(mac, 6, 0) != 6)
		memset(mac, 0x5c, 6);
	mac[0] = (mac[0] & 0xfc) | 0x02;
}

static int set_header(struct virtio *v, const struct net_option *o, struct fault *f)
{
	int header = HEADER_BYTES;

	if (ioctl(v->backend, TUNSETVNETHDRSZ, &header))
		return fault_set(f, o->text, "the tap has no virtio-net headers", NULL, errno);
	return 0;
}

/* A queue of @ifr's tap, which gets its name by the first. */
static int open_queue(int *fd, const struct net_option *o, struct ifreq *ifr, struct fault *f)
{
	ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
			 (o->queues > 1 ? IFF_MULTI_QUEUE : 0);
	*fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0)
		return fault_set(f, "/dev/net/tun", "cannot open it",
				 "load the tun module, and see who may open it", errno);
	if (ioctl(*fd, TUNSETIFF, ifr))
		return fault_set(f, o->text, "cannot make or take the tap interface",
				 "ip tuntap add NAME mode tap user YOU (queues=: multi_queue)",
				 errno);
	return 0;
}

static int open_tap(struct virtio *v, const struct net_option *o, struct ifreq *ifr,
		    struct fault *f)
{
	struct net *net = v->priv;
	unsigned int i;

	*ifr = (struct ifreq){ 0 };
	if (o->kind == NET_TAP)
		memcpy(ifr->ifr_name, o->interface, sizeof(o->interface));
	if (open_queue(&v->backend, o, ifr, f))
		return -1;
	for (i = 1; i < o->queues; i++)
		if (open_queue(&net->extra[net->queues++ - 1], o, ifr, f))
			return -1;
	return set_header(v, o, f);
}

/* A tap of our own, up and in the bridge. */
static int open_bridge(struct virtio *v, const struct net_option *o, struct fault *f)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = -1;
	struct ifreq tap, bridge = { 0 };

	if (open_tap(v, o, &tap, f))
		goto out;
	memcpy(bridge.ifr_name, o->interface, sizeof(o->interface));
	tap.ifr_flags = IFF_UP;
	ret = ioctl(sock, SIOCGIFINDEX, &tap);
	bridge.ifr_ifindex = tap.ifr_ifindex;
	ret = ret ? ret : ioctl(sock, SIOCBRADDIF, &bridge);
	tap.ifr_flags = IFF_UP;
	ret = ret ? ret : ioctl(sock, SIOCSIFFLAGS, &tap);
	if (ret)
		fault_set(f, o->text, "cannot put a tap into the bridge",
			  "make it: ip link add NAME type bridge; this needs CAP_NET_ADMIN", errno);
out:
	close(sock);
	return ret;
}

/* The program beside this one, or, where that is installed, in libexec. */
static int spawn_slirp(const struct net_option *o, int sock)
{
	char *argv[NET_FORWARDS + 3] = { SLIRP, "3" };
	char self[4096] = "", path[4200];
	posix_spawn_file_actions_t actions;
	unsigned int i;
	pid_t pid;
	int ret;

	for (i = 0; i < o->fwds; i++)
		argv[i + 2] = (char *)o->fwd[i];
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		dirname(self);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, sock, SLIRP_FD);
	snprintf(path, sizeof(path), "%s/" SLIRP, self);
	if (access(path, X_OK))
		snprintf(path, sizeof(path), "%s/../libexec/" SLIRP, self);
	ret = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return ret;
}

static int open_user(struct virtio *v, const struct net_option *o, struct fault *f)
{
	int pair[2], ret;
	char ready;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fault_set(f, o->text, "cannot make sockets", NULL, errno);
	v->backend = pair[0];
	/* The descriptor must not be the number it is to have there. */
	if (pair[1] == SLIRP_FD)
		pair[1] = fcntl(SLIRP_FD, F_DUPFD_CLOEXEC, SLIRP_FD + 1);
	ret = spawn_slirp(o, pair[1]);
	close(pair[1]);
	if (ret)
		return fault_set(f, o->text, "cannot start " SLIRP,
				 "it is built where there is libslirp-dev; keep it beside lodge",
				 ret);
	if (read(v->backend, &ready, 1) != 1)
		return fault_set(f, o->text, "the user-mode network did not start",
				 "are the forwarded ports free?", 0);
	return 0;
}

static bool is_socket(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISSOCK(st.st_mode);
}

/* Somebody else opened it: a tap, or a socket of packets with headers. */
static int open_fd(struct virtio *v, const struct net_option *o, struct fault *f)
{
	struct ifreq ifr;

	v->backend = fcntl(o->fd, F_DUPFD_CLOEXEC, 0);
	if (v->backend < 0 || fcntl(v->backend, F_SETFL, O_RDWR | O_NONBLOCK))
		return fault_set(f, o->text, "no such descriptor", NULL, errno);
	if (is_socket(v->backend))
		return 0;
	if (ioctl(v->backend, TUNGETIFF, &ifr) || !(ifr.ifr_flags & IFF_VNET_HDR))
		return fault_set(f, o->text, "neither a tap with headers nor a socket", NULL,
				 EINVAL);
	return set_header(v, o, f);
}

static int open_backend(struct virtio *v, const struct net_option *o, struct fault *f)
{
	struct ifreq ifr;

	switch (o->kind) {
	case NET_BRIDGE:
		return open_bridge(v, o, f);
	case NET_USER:
		return open_user(v, o, f);
	case NET_FD:
		return open_fd(v, o, f);
	default:
		return open_tap(v, o, &ifr, f);
	}
}

/* What the driver can receive decides what the tap may hand over. */
static void net_features(struct virtio *v)
{
	unsigned long offload = 0;

	if (v->picked & BIT_ULL(VIRTIO_NET_F_GUEST_CSUM))
		offload |= TUN_F_CSUM;
	if (v->picked & BIT_ULL(VIRTIO_NET_F_GUEST_TSO4))
		offload |= TUN_F_TSO4;
	if (v->picked & BIT_ULL(VIRTIO_NET_F_GUEST_TSO6))
		offload |= TUN_F_TSO6;
	if (v->picked & BIT_ULL(VIRTIO_NET_F_GUEST_ECN))
		offload |= TUN_F_TSO_ECN;
	ioctl(v->backend, TUNSETOFFLOAD, offload);
}

/* Without VIRTIO_NET_F_MQ the control ring is the third (5.1.2). */
static unsigned int control_ring(const struct virtio *v)
{
	return v->picked & BIT_ULL(VIRTIO_NET_F_MQ) ? v->rings - 1 : 2;
}

static bool net_owns(const struct virtio *v, unsigned int ring)
{
	return ring == control_ring(v);
}

/* The tap spreads packets over the queues that are attached. */
static void attach_queues(struct net *net, unsigned int count)
{
	struct ifreq ifr = { 0 };

	while (net->attached != count) {
		bool more = net->attached < count;
		unsigned int i = more ? net->attached++ : --net->attached;

		ifr.ifr_flags = more ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
		ioctl(net->extra[i - 1], TUNSETQUEUE, &ifr);
	}
}

/* 5.1.6.5.6: how many pairs the driver uses */
static __u8 control(struct net *net, const struct virtio_chain *chain)
{
	struct virtio_net_ctrl_hdr header;
	struct virtio_net_ctrl_mq mq;

	if (virtio_chain_read(chain, 0, &header, sizeof(header)) != sizeof(header) ||
	    header.class != VIRTIO_NET_CTRL_MQ || header.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    virtio_chain_read(chain, sizeof(header), &mq, sizeof(mq)) != sizeof(mq) ||
	    mq.virtqueue_pairs < 1 || mq.virtqueue_pairs > net->queues)
		return VIRTIO_NET_ERR;
	attach_queues(net, mq.virtqueue_pairs);
	return VIRTIO_NET_OK;
}

static void net_serve(struct virtio *v)
{
	struct virtio_chain chain;
	__u8 ack;

	while (virtio_take(v, control_ring(v), &chain)) {
		ack = control(v->priv, &chain);
		virtio_give(v, &chain, virtio_chain_write(&chain, 0, &ack, 1), false);
	}
}

static void net_reset(struct virtio *v)
{
	attach_queues(v->priv, 1);
}

static void net_destroy(struct virtio *v)
{
	struct net *net = v->priv;

	while (--net->queues)
		close(net->extra[net->queues - 1]);
	free(net);
}

static const struct virtio_user net_control = {
	.owns = net_owns,
	.serve = net_serve,
	.reset = net_reset,
	.destroy = net_destroy,
};

static int add_control(struct virtio *v, unsigned int queues, struct fault *f)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	net->queues = 1;
	net->attached = queues;
	v->priv = net;
	v->served = 2 * queues;
	return virtio_user_init(v, &net_control, f);
}

int virtio_net_init(struct virtio *v, const struct net_option *o,
		    struct lodge_create_virtio *create, struct fault *f)
{
	struct virtio_net_config *c = (struct virtio_net_config *)v->config;

	if (o->queues > 1 && add_control(v, o->queues, f))
		return -1;
	if (o->kind == NET_LINK ? virtio_link_init(v, o->link, f) : open_backend(v, o, f))
		return -1;
	v->id = LODGE_VIRTIO_NET;
	v->rings = 2 * o->queues + (o->queues > 1);
	if (o->queues > 1)
		create->fds = (unsigned long)((struct net *)v->priv)->extra;
	create->rate_ops = o->rate.ops;
	create->rate_bytes = o->rate.bytes;
	if (is_socket(v->backend))
		v->withheld = OFFLOADS;
	else if (o->kind != NET_LINK)
		v->features_picked = net_features;
	v->config_bytes = sizeof(*c);
	c->status = o->kind == NET_LINK ? 0 : VIRTIO_NET_S_LINK_UP;
	c->max_virtqueue_pairs = o->queues;
	c->mtu = 1500;
	if (o->has_mac)
		memcpy(c->mac, o->mac, sizeof(c->mac));
	else
		make_mac(c->mac);
	return 0;
}
