// SPDX-License-Identifier: GPL-2.0-only
/* Options of virtio devices, and what they make of the kernel's command line. */
#include <stdlib.h>

#include "ktap.h"
#include "layout.h"
#include "virtio_options.h"

static struct virtio_options o;
static struct fault f;

static bool disk(const char *text)
{
	memset(&o, 0, sizeof(o));
	return !virtio_add_disk(&o, text, &f);
}

static bool net(const char *text)
{
	memset(&o, 0, sizeof(o));
	return !virtio_add_net(&o, text, &f);
}

static void disks(void)
{
	CHECK(disk("/a/b") && o.disks == 1 && !strcmp(o.disk[0].path, "/a/b"));
	CHECK(o.disk[0].queues == 1 && !o.disk[0].readonly && !o.disk[0].direct);
	CHECK(disk("x,ro,direct,queues=4,serial=S1,root") && o.disk[0].readonly);
	CHECK(o.disk[0].direct && o.disk[0].queues == 4 && o.disk[0].root);
	CHECK(!strcmp(o.disk[0].serial, "S1") && !strcmp(o.disk[0].path, "x"));
	CHECK(disk("x,rate=500:20M") && o.disk[0].rate.ops == 500);
	CHECK(o.disk[0].rate.bytes == 20 << 20 && disk("x,rate=0:7") && o.disk[0].rate.bytes == 7);
	CHECK(!disk("x,rate=500") && !disk("x,rate=5:M") && !disk("x,rate=:5"));
	CHECK(!disk("x,rate=5:5T") && !disk("x,rate=5:5:5") && !disk("x,rate=-1:5"));
	CHECK(net("tap,rate=9:1K") && o.net[0].rate.ops == 9 && o.net[0].rate.bytes == 1024);
	CHECK(disk("x,format=qcow2") && !strcmp(o.disk[0].format, "qcow2"));
	CHECK(disk("x,format=raw,queues=2") && !*o.disk[0].format && !disk("x,format="));
	CHECK(!disk("x,format=qcow2,queues=2") && !disk("x,format=vdi,rate=1:1"));
	CHECK(disk("x,serial=12345678901234567890"));
	CHECK(!disk("x,serial=123456789012345678901"));
	CHECK(!disk("") && !disk(",ro") && !disk("x,rw") && !disk("x,,ro"));
	CHECK(!disk("x,queues=0") && !disk("x,queues=65") && !disk("x,queues=") && !o.disks);
}

static void too_many_disks(void)
{
	unsigned int i;

	memset(&o, 0, sizeof(o));
	for (i = 0; i < VIRTIO_MAX_DISKS; i++)
		CHECK(!virtio_add_disk(&o, "x", &f));
	CHECK(virtio_add_disk(&o, "x", &f) && o.disks == VIRTIO_MAX_DISKS);
}

static void nets(void)
{
	static const __u8 mac[] = { 0x52, 0x54, 0, 0x12, 0x34, 0xff };

	CHECK(net("tap") && o.nets == 1 && !*o.net[0].interface && !o.net[0].has_mac);
	CHECK(net("tap=tap7,mac=52:54:00:12:34:ff") && !strcmp(o.net[0].interface, "tap7"));
	CHECK(o.net[0].has_mac && !memcmp(o.net[0].mac, mac, 6));
	CHECK(net("none") && !o.nets);
	CHECK(!net("") && !net("tap=") && !net("bridge") && !net("tap=sixteen-or-more-"));
	CHECK(!net("tap,mac=53:54:00:12:34:ff") && !net("tap,mac=52:54:00:12:34") && !o.nets);
	CHECK(!net("tap,mac=52:54:00:12:34:ff:") && !net("user,queues=2"));
	CHECK(net("tap,queues=16") && o.net[0].queues == 16 && !net("tap,queues=17"));
	CHECK(!net("tap,queues=0") && !net("fd=7,queues=2"));
	CHECK(net("bridge=br0") && o.net[0].kind == NET_BRIDGE);
	CHECK(!strcmp(o.net[0].interface, "br0") && !net("bridge=") && !net("user="));
	CHECK(net("fd=7") && o.net[0].kind == NET_FD && o.net[0].fd == 7 && !net("fd=x"));
	CHECK(net("link=/a/b") && o.net[0].kind == NET_LINK && !strcmp(o.net[0].link, "/a/b"));
	CHECK(!net("link=") && !net("link") && !net("link=/a,queues=2"));
	CHECK(net("user") && o.net[0].kind == NET_USER && !o.net[0].fwds);
	CHECK(net("user,fwd=tcp:2222:22,fwd=udp:65535:53") && o.net[0].fwds == 2);
	CHECK(!strcmp(o.net[0].fwd[0], "tcp:2222:22") && !net("tap,fwd=tcp:2222:22"));
	CHECK(!net("user,fwd=tcp:0:22") && !net("user,fwd=tcp:1:65536") && !net("user,fwd=tcp:1"));
	CHECK(!net("user,fwd=icmp:1:1") && !net("user,fwd=tcp:1:2x"));
}

static bool port(const char *text)
{
	memset(&o, 0, sizeof(o));
	return !virtio_add_console(&o, text, &f);
}

static void consoles(void)
{
	unsigned int i;

	CHECK(port(NULL) && o.consoles == 1 && !*o.console[0].name && !*o.console[0].path);
	CHECK(port("port=org.a.0") && !strcmp(o.console[0].name, "org.a.0"));
	CHECK(port("port=a,socket=/x/y") && o.console[0].socket);
	CHECK(!strcmp(o.console[0].path, "/x/y"));
	CHECK(port("path=/dev/tty9") && !o.console[0].socket && !*o.console[0].name);
	CHECK(!port("port=") && !port("path=") && !port("socket=") && !port("x") && !port("pathx"));
	CHECK(!port("path=a,socket=b") && !port("socket=b,path=a"));
	CHECK(!port("port=12345678901234567890123456789012") && !o.consoles);
	for (i = 0; i < VIRTIO_MAX_PORTS; i++)
		CHECK(!virtio_add_console(&o, NULL, &f));
	CHECK(virtio_add_console(&o, NULL, &f) && o.consoles == VIRTIO_MAX_PORTS);
}

static void others(void)
{
	memset(&o, 0, sizeof(o));
	CHECK(!virtio_add_share(&o, "/a/b", &f) && !strcmp(o.share[0].tag, "share"));
	CHECK(!strcmp(o.share[0].path, "/a/b") && !o.share[0].readonly);
	CHECK(!virtio_add_share(&o, "/a:b:c,ro", &f) && !strcmp(o.share[1].path, "/a:b"));
	CHECK(!strcmp(o.share[1].tag, "c") && o.share[1].readonly && o.shares == 2);
	CHECK(virtio_add_share(&o, "", &f) && virtio_add_share(&o, "/a:", &f));
	CHECK(virtio_add_share(&o, "/a,rw", &f) && virtio_add_share(&o, ":t", &f));
	CHECK(!virtio_set_vsock(&o, "3", &f) && o.vsock.cid == 3);
	CHECK(!strcmp(o.vsock.path, "lodge-vsock-3"));
	CHECK(!virtio_set_vsock(&o, "77,socket=/x/y", &f) && !strcmp(o.vsock.path, "/x/y"));
	CHECK(virtio_set_vsock(&o, "2", &f) && virtio_set_vsock(&o, "", &f));
	CHECK(virtio_set_vsock(&o, "3,socket=", &f) && virtio_set_vsock(&o, "3,port=1", &f));
	CHECK(!virtio_set_balloon(&o, NULL, &f) && o.balloon && !o.balloon_bytes);
	CHECK(!virtio_set_balloon(&o, "64M", &f) && o.balloon_bytes == MIB(64));
	CHECK(virtio_set_balloon(&o, "much", &f));
}

static bool cmdline_is(const char *want)
{
	char *line = virtio_cmdline(&o, "quiet");
	bool same = line && !strcmp(line, want);

	free(line);
	return same;
}

#define MMIO(place)	" virtio_mmio.device=0x200@" place

static void cmdlines(void)
{
	CHECK(disk("x") && cmdline_is("quiet"));
	CHECK(disk("x") && !virtio_add_disk(&o, "y,root", &f) &&
	      cmdline_is("quiet root=/dev/vdb rw"));
	CHECK(disk("x,ro,root") && cmdline_is("quiet root=/dev/vda ro"));
	CHECK(disk("x") && !virtio_set_transport(&o, "mmio", &f) && !virtio_add_net(&o, "tap", &f));
	CHECK(cmdline_is("quiet" MMIO("0xfea00000:5") MMIO("0xfea01000:6")));
	CHECK(!virtio_set_transport(&o, "pci", &f) && cmdline_is("quiet"));
	CHECK(virtio_set_transport(&o, "ccw", &f));
}

/* As many as there are lines, and no line is another device's. */
static void places(void)
{
	unsigned int i, gsi, used = 0;
	__u64 base;

	for (i = 0; virtio_mmio_place(i, &base, &gsi); i++) {
		CHECK(base == VIRTIO_MMIO_BASE + i * 0x1000);
		CHECK(gsi < 16 && !(used & BIT(gsi)));
		used |= BIT(gsi);
	}
	CHECK(i >= 4 && !(used & (BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(RTC_GSI) | BIT(9))));
}

static const struct test tests[] = {
	{ "disks", disks },
	{ "too many disks", too_many_disks },
	{ "network interfaces", nets },
	{ "consoles and ports", consoles },
	{ "shares, sockets, balloon", others },
	{ "command lines", cmdlines },
	{ "virtio-mmio places", places },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
