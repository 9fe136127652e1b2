/* SPDX-License-Identifier: GPL-2.0-only */
/* Options of "lodge run" that concern virtio devices. */
#ifndef _LAUNCHER_VIRTIO_OPTIONS_H
#define _LAUNCHER_VIRTIO_OPTIONS_H

#include "util.h"

#define VIRTIO_MAX_DISKS	16
#define VIRTIO_MAX_NETS		4
/* rate=OPS:BYTES, each per second; 0: no limit */
struct rate_option {
	__u64 ops;
	__u64 bytes;
};

#define VIRTIO_MAX_PORTS	15
#define VIRTIO_MAX_SHARES	4
#define VIRTIO_MAX \
	(VIRTIO_MAX_DISKS + VIRTIO_MAX_NETS + VIRTIO_MAX_SHARES + 4)

/* -d PATH[,ro][,direct][,queues=N][,serial=S][,root][,rate=OPS:BYTES][,format=F] */
struct disk_option {
	const char *text;
	char path[4096];
	char serial[21];
	char format[16];	/* for qemu-nbd; empty: raw, in the kernel */
	unsigned int queues;
	struct rate_option rate;
	bool readonly;
	bool direct;
	bool root;
};

enum net_kind {
	NET_TAP,
	NET_BRIDGE,
	NET_USER,
	NET_FD,
	NET_LINK,
};

#define NET_FORWARDS	8
#define NET_MAX_QUEUES	16

/**
 * struct net_option - -n KIND[,mac=XX:XX:XX:XX:XX:XX][,fwd=tcp:2222:22][,rate=OPS:BYTES]
 *	[,queues=N]
 * @interface: the tap's name, or empty: the kernel names it; the bridge's
 * @fd: of NET_FD
 * @link: path of NET_LINK's socket
 * @queues: pairs of rings, with as many queues of the tap
 * @fwd: ports of the host that lead to the guest, of NET_USER
 */
struct net_option {
	const char *text;
	enum net_kind kind;
	char interface[16];
	int fd;
	char link[100];
	unsigned int queues;
	char fwd[NET_FORWARDS][20];
	unsigned int fwds;
	struct rate_option rate;
	__u8 mac[6];
	bool has_mac;
};

/**
 * struct console_option - --console[=[port=NAME][,path=FILE|,socket=PATH]]
 * @name: of a port; empty: a console
 * @path: of a terminal or the like, or, with @socket, where to listen; empty: a new
 *	pseudo-terminal
 */
struct console_option {
	const char *text;
	char name[32];
	char path[100];
	bool socket;
};

/* --vsock CID[,socket=PATH] */
struct vsock_option {
	unsigned int cid;
	char path[100];
};

/* --share DIR[:TAG][,ro] */
struct share_option {
	const char *text;
	char path[4096];
	char tag[32];
	bool readonly;
};

/* @balloon_bytes: what the guest has at first; 0: all */
struct virtio_options {
	struct disk_option disk[VIRTIO_MAX_DISKS];
	unsigned int disks;
	struct net_option net[VIRTIO_MAX_NETS];
	unsigned int nets;
	bool rng;
	struct console_option console[VIRTIO_MAX_PORTS];
	unsigned int consoles;
	bool balloon;
	__u64 balloon_bytes;
	struct vsock_option vsock;
	struct share_option share[VIRTIO_MAX_SHARES];
	unsigned int shares;
	bool mmio;
	bool packed;
};

int virtio_add_disk(struct virtio_options *o, const char *text, struct fault *f);
int virtio_add_net(struct virtio_options *o, const char *text, struct fault *f);
int virtio_add_console(struct virtio_options *o, const char *text, struct fault *f);
int virtio_set_balloon(struct virtio_options *o, const char *text, struct fault *f);
int virtio_add_share(struct virtio_options *o, const char *text, struct fault *f);
int virtio_set_vsock(struct virtio_options *o, const char *text, struct fault *f);
int virtio_set_transport(struct virtio_options *o, const char *text, struct fault *f);
/* As options, on stderr. */
void virtio_options_print(const struct virtio_options *o);

/* @cmdline and what the kernel must be told about the devices; from malloc(). */
char *virtio_cmdline(const struct virtio_options *o, const char *cmdline);
/* Address and line of virtio-mmio device @number; false when there are too many. */
bool virtio_mmio_place(unsigned int number, __u64 *base, unsigned int *gsi);

#define VIRTIO_USAGE \
"  -d, --disk PATH[,OPT]  a disk: a file or block device; may be given again.\n" \
"                         ro, direct (no host page cache), queues=N, serial=S,\n" \
"                         root (the kernel mounts it), rate=OPS:BYTES (per\n" \
"                         second; 0: no limit; such as 500:20M), format=qcow2\n" \
"                         (or another that qemu-nbd knows)\n" \
"  -n, --net NET[,OPT]    a network interface; may be given again:\n" \
"                         user (needs no privilege; the guest is 10.0.2.15, this\n" \
"                         host 10.0.2.2), tap[=NAME], bridge=NAME (a new tap in\n" \
"                         that bridge), link=PATH (a cable to the guest with the\n" \
"                         same PATH: first come, first linked, and whoever is left\n" \
"                         waits for the next), fd=N (a tap or a socket), none (no\n" \
"                         effect);\n" \
"                         mac=XX:XX:XX:XX:XX:XX, rate=OPS:BYTES; with tap and\n" \
"                         bridge: queues=N; with user: fwd=tcp|udp:HOST:GUEST, a\n" \
"                         port here that leads to one of the guest's\n" \
"      --console[=WORDS]  a second console, hvc0, on a new pseudo-terminal, or on\n" \
"                         path=FILE, a terminal, or on socket=PATH, a Unix socket\n" \
"                         for one client after the other; port=NAME: no console but\n" \
"                         a port, /dev/vportNpM, of that name (in its \"name\" below\n" \
"                         /sys/class/virtio-ports); may be given again\n" \
"      --rng              a source of entropy\n" \
"      --balloon[=SIZE]   memory that the guest gives back: it starts with SIZE of\n" \
"                         -m, and what it does not use is the host's\n" \
"      --share DIR[:TAG][,ro]  a folder of this host's, by 9P (needs diod):\n" \
"                         mount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt\n" \
"                         (TAG: share; may be given again)\n" \
"      --vsock CID[,socket=P]  stream sockets between guest and host: the guest's\n" \
"                         connections to port N go to Unix socket P_N; who connects\n" \
"                         to P and sends \"CONNECT N\\n\" is answered \"OK M\\n\" and\n" \
"                         reaches the guest's port N (P: lodge-vsock-CID)\n" \
"      --transport T      how virtio devices are found: pci (default) or mmio\n" \
"      --packed           offer packed virtqueues\n"

#endif /* _LAUNCHER_VIRTIO_OPTIONS_H */
