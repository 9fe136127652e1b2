// SPDX-License-Identifier: GPL-2.0-only
/* virtio-net: the tap behind it, and its configuration (virtio 1.2, 5.1.4). */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "virtio.h"

#define HEADER_BYTES	12

/* A locally administered address, new for each guest. */
static void make_mac(__u8 mac[6])
{
	if (getrandom(mac, 6, 0) != 6)
		memset(mac, 0x5c, 6);
	mac[0] = (mac[0] & 0xfc) | 0x02;
}

static int open_tap(struct virtio *v, const struct net_option *o, struct fault *f)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = HEADER_BYTES;

	v->backend = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (v->backend < 0)
		return fault_set(f, "/dev/net/tun", "cannot open it",
				 "load the tun module, and see who may open it", errno);
	memcpy(ifr.ifr_name, o->interface, sizeof(o->interface));
	if (ioctl(v->backend, TUNSETIFF, &ifr))
		return fault_set(f, o->text, "cannot make or take the tap interface",
				 "make one of yours: ip tuntap add NAME mode tap user YOU", errno);
	if (ioctl(v->backend, TUNSETVNETHDRSZ, &header))
		return fault_set(f, o->text, "the tap has no virtio-net headers", NULL, errno);
	return 0;
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

int virtio_net_init(struct virtio *v, const struct net_option *o, struct fault *f)
{
	struct virtio_net_config *c = (struct virtio_net_config *)v->config;

	if (open_tap(v, o, f))
		return -1;
	v->id = LODGE_VIRTIO_NET;
	v->rings = 2;
	v->features_picked = net_features;
	v->config_bytes = sizeof(*c);
	c->status = VIRTIO_NET_S_LINK_UP;
	c->max_virtqueue_pairs = 1;
	c->mtu = 1500;
	if (o->has_mac)
		memcpy(c->mac, o->mac, sizeof(c->mac));
	else
		make_mac(c->mac);
	return 0;
}
