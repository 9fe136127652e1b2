// SPDX-License-Identifier: GPL-2.0-only
/* Options of "lodge run" that concern virtio devices. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <lodge/liblodge.h>

#include "layout.h"
#include "virtio_options.h"

/* ISA lines that no device of the PC uses; edge-triggered, so not shared. */
static const unsigned int mmio_lines[] = { 5, 6, 7, 12, 13, 14, 15, 3 };

static int bad(struct fault *f, const char *what, const char *why)
{
	return fault_set(f, what, why, "lodge run --help", EINVAL);
}

/* The next word of "A,B=C,...": false at the end. Words are at most @room - 1 long. */
static bool next_word(const char **text, char *word, size_t room)
{
	size_t length = strcspn(*text, ",");

	if (!**text)
		return false;
	if (length >= room)
		length = room - 1;
	memcpy(word, *text, length);
	word[length] = 0;
	*text += strcspn(*text, ",");
	if (**text == ',')
		++*text;
	return true;
}

/* "1000:20M": bytes have no unit, or K, M, G. */
static bool parse_rate(const char *text, struct rate_option *rate)
{
	static const char units[] = "KMG";
	const char *unit;
	char number[24];
	size_t length;

	length = strcspn(text, ":");
	if (text[length] != ':' || length >= sizeof(number))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)length, text);
	if (!parse_number(number, 0, ~0ull, &rate->ops))
		return false;
	text += length + 1;
	length = strlen(text);
	unit = length ? strchr(units, text[length - 1]) : NULL;
	snprintf(number, sizeof(number), "%.*s", (int)(length - !!unit), text);
	if (length >= sizeof(number) || !parse_number(number, 0, 1ull << 32, &rate->bytes))
		return false;
	rate->bytes <<= unit ? (unit - units + 1) * 10 : 0;
	return true;
}

static int disk_word(struct disk_option *d, const char *word)
{
	__u64 queues;

	if (!strcmp(word, "ro")) {
		d->readonly = true;
	} else if (!strcmp(word, "direct")) {
		d->direct = true;
	} else if (!strcmp(word, "root")) {
		d->root = true;
	} else if (!strncmp(word, "serial=", 7) && strlen(word + 7) < sizeof(d->serial)) {
		strcpy(d->serial, word + 7);
	} else if (!strncmp(word, "queues=", 7) &&
		   parse_number(word + 7, 1, LODGE_MAX_RINGS, &queues)) {
		d->queues = queues;
	} else if (!strncmp(word, "format=", 7) && word[7] && strlen(word + 7) < 16) {
		strcpy(d->format, strcmp(word + 7, "raw") ? word + 7 : "");
	} else if (!strncmp(word, "rate=", 5) && parse_rate(word + 5, &d->rate)) {
		return 0;
	} else {
		return -1;
	}
	return 0;
}

int virtio_add_disk(struct virtio_options *o, const char *text, struct fault *f)
{
	struct disk_option *d = &o->disk[o->disks];
	char word[64];

	if (o->disks == VIRTIO_MAX_DISKS)
		return bad(f, "-d", "more than 16 disks");
	*d = (struct disk_option){ .text = text, .queues = 1 };
	if (!next_word(&text, d->path, sizeof(d->path)) || !*d->path)
		return bad(f, "-d", "no file");
	while (next_word(&text, word, sizeof(word)))
		if (disk_word(d, word))
			return bad(f, d->text, "not one of -d's words");
	if (*d->format && (d->queues > 1 || d->rate.ops || d->rate.bytes))
		return bad(f, d->text, "with format= there is one queue and no rate=");
	o->disks++;
	return 0;
}

static bool parse_mac(const char *text, __u8 mac[6])
{
	unsigned int byte[6], i;
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
		   &byte[4], &byte[5], &end) != 6 || text[end])
		return false;
	for (i = 0; i < 6; i++)
		mac[i] = byte[i];
	/* The first bit is for groups of stations. */
	return !(mac[0] & 1);
}

static int net_kind(struct net_option *n, const char *word)
{
	const char *name = strchr(word, '=');
	__u64 fd;

	name = name ? name + 1 : NULL;
	if (!strncmp(word, "link=", 5) && name && *name && strlen(name) < sizeof(n->link)) {
		n->kind = NET_LINK;
		strcpy(n->link, name);
		return 0;
	}
	if (name && (!*name || strlen(name) >= sizeof(n->interface)))
		return -1;
	if (name)
		strcpy(n->interface, name);
	if (!strcmp(word, "tap") || !strncmp(word, "tap=", 4)) {
		n->kind = NET_TAP;
	} else if (!strncmp(word, "bridge=", 7)) {
		n->kind = NET_BRIDGE;
	} else if (!strcmp(word, "user")) {
		n->kind = NET_USER;
	} else if (!strncmp(word, "fd=", 3) && parse_number(name, 0, 1 << 20, &fd)) {
		n->kind = NET_FD;
		n->fd = fd;
	} else {
		return -1;
	}
	return 0;
}

static bool parse_fwd(const char *text)
{
	unsigned int host, guest;
	char kind[4];
	int end = 0;

	return sscanf(text, "%3[a-z]:%5u:%5u%n", kind, &host, &guest, &end) == 3 && !text[end] &&
	       (!strcmp(kind, "tcp") || !strcmp(kind, "udp")) && host - 1 < 65535 &&
	       guest - 1 < 65535;
}

static int net_word(struct net_option *n, const char *word)
{
	__u64 queues;

	if (!strncmp(word, "mac=", 4) && parse_mac(word + 4, n->mac)) {
		n->has_mac = true;
	} else if (!strncmp(word, "rate=", 5) && parse_rate(word + 5, &n->rate)) {
		return 0;
	} else if (!strncmp(word, "queues=", 7) && (n->kind == NET_TAP || n->kind == NET_BRIDGE) &&
		   parse_number(word + 7, 1, NET_MAX_QUEUES, &queues)) {
		n->queues = queues;
	} else if (!strncmp(word, "fwd=", 4) && n->kind == NET_USER && n->fwds < NET_FORWARDS &&
		   parse_fwd(word + 4)) {
		snprintf(n->fwd[n->fwds++], sizeof(n->fwd[0]), "%.19s", word + 4);
	} else {
		return -1;
	}
	return 0;
}

int virtio_add_net(struct virtio_options *o, const char *text, struct fault *f)
{
	struct net_option *n = &o->net[o->nets];
	char word[112];
	bool none;

	if (o->nets == VIRTIO_MAX_NETS)
		return bad(f, "-n", "more than 4 interfaces");
	*n = (struct net_option){ .text = text, .queues = 1 };
	if (!next_word(&text, word, sizeof(word)))
		return bad(f, "-n", "no kind of network");
	none = !strcmp(word, "none");
	if (!none && net_kind(n, word))
		return bad(f, n->text, "none of user, tap[=NAME], bridge=NAME, link=PATH, fd=N");
	while (next_word(&text, word, sizeof(word)))
		if (net_word(n, word))
			return bad(f, n->text, "not one of -n's words: mac=, rate=, queues=, fwd=");
	o->nets += !none;
	return 0;
}

static int console_word(struct console_option *c, const char *word)
{
	bool path = !strncmp(word, "path=", 5);

	if (!strncmp(word, "port=", 5) && word[5] && strlen(word + 5) < sizeof(c->name)) {
		strcpy(c->name, word + 5);
		return 0;
	}
	c->socket = !strncmp(word, "socket=", 7);
	word += path ? 5 : 7;
	if (*c->path || !(path || c->socket) || !*word || strlen(word) >= sizeof(c->path))
		return -1;
	strcpy(c->path, word);
	return 0;
}

int virtio_add_console(struct virtio_options *o, const char *text, struct fault *f)
{
	struct console_option *c = &o->console[o->consoles];
	char word[112];

	if (o->consoles == VIRTIO_MAX_PORTS)
		return bad(f, "--console", "more than 15 ports");
	*c = (struct console_option){ .text = text };
	while (text && next_word(&text, word, sizeof(word)))
		if (console_word(c, word))
			return bad(f, c->text, "not port=NAME, and one of path= and socket=");
	o->consoles++;
	return 0;
}

int virtio_set_balloon(struct virtio_options *o, const char *text, struct fault *f)
{
	o->balloon = true;
	o->balloon_bytes = 0;
	return !text || parse_size(text, &o->balloon_bytes) ? 0 :
	       bad(f, "--balloon", "not a size");
}

int virtio_add_share(struct virtio_options *o, const char *text, struct fault *f)
{
	struct share_option *s = &o->share[o->shares];
	char word[64], *colon;

	if (o->shares == VIRTIO_MAX_SHARES)
		return bad(f, "--share", "more than 4 folders");
	*s = (struct share_option){ .text = text, .tag = "share" };
	next_word(&text, s->path, sizeof(s->path));
	colon = strrchr(s->path, ':');
	if (colon && (!colon[1] || strlen(colon + 1) >= sizeof(s->tag)))
		return bad(f, s->text, "the tag has 1 to 31 characters");
	if (colon)
		strcpy(s->tag, colon + 1);
	if (colon)
		*colon = 0;
	if (!*s->path)
		return bad(f, "--share", "no folder");
	while (next_word(&text, word, sizeof(word))) {
		s->readonly = !strcmp(word, "ro");
		if (!s->readonly)
			return bad(f, s->text, "after the folder, only ro can come");
	}
	o->shares++;
	return 0;
}

/* CIDs 0 to 2 are the hypervisor's and the host's (virtio 1.2, 5.10.4). */
int virtio_set_vsock(struct virtio_options *o, const char *text, struct fault *f)
{
	struct vsock_option *v = &o->vsock;
	char word[112];
	__u64 cid;

	if (!next_word(&text, word, sizeof(word)) || !parse_number(word, 3, 0xfffffffe, &cid))
		return bad(f, "--vsock", "no context number from 3 on");
	v->cid = cid;
	snprintf(v->path, sizeof(v->path), "lodge-vsock-%u", v->cid);
	while (next_word(&text, word, sizeof(word))) {
		if (strncmp(word, "socket=", 7) || !word[7] || strlen(word + 7) >= 90)
			return bad(f, "--vsock", "not socket=PATH of less than 90 bytes");
		strcpy(v->path, word + 7);
	}
	return 0;
}

int virtio_set_transport(struct virtio_options *o, const char *text, struct fault *f)
{
	if (strcmp(text, "pci") && strcmp(text, "mmio"))
		return bad(f, "--transport", "neither pci nor mmio");
	o->mmio = !strcmp(text, "mmio");
	return 0;
}

void virtio_options_print(const struct virtio_options *o)
{
	unsigned int i;

	for (i = 0; i < o->disks; i++) {
		fputs(" -d ", stderr);
		print_quoted(stderr, o->disk[i].text);
	}
	for (i = 0; i < o->nets; i++) {
		fputs(" -n ", stderr);
		print_quoted(stderr, o->net[i].text);
	}
	for (i = 0; i < o->shares; i++) {
		fputs(" --share ", stderr);
		print_quoted(stderr, o->share[i].text);
	}
	if (o->rng)
		fputs(" --rng", stderr);
	for (i = 0; i < o->consoles; i++) {
		fputs(" --console", stderr);
		if (!o->console[i].text)
			continue;
		fputc('=', stderr);
		print_quoted(stderr, o->console[i].text);
	}
	if (o->balloon_bytes)
		fprintf(stderr, " --balloon=%lluM", o->balloon_bytes >> 20);
	else if (o->balloon)
		fputs(" --balloon", stderr);
	if (o->vsock.cid) {
		fprintf(stderr, " --vsock %u,socket=", o->vsock.cid);
		print_quoted(stderr, o->vsock.path);
	}
	if (o->mmio)
		fputs(" --transport mmio", stderr);
	if (o->packed)
		fputs(" --packed", stderr);
}

static unsigned int count(const struct virtio_options *o)
{
	return o->disks + o->nets + o->rng + !!o->consoles + o->balloon + o->shares +
	       !!o->vsock.cid;
}

bool virtio_mmio_place(unsigned int number, __u64 *base, unsigned int *gsi)
{
	if (number >= ARRAY_SIZE(mmio_lines))
		return false;
	*base = VIRTIO_MMIO_BASE + number * 0x1000;
	*gsi = mmio_lines[number];
	return true;
}

static void announce(char *to, size_t room, unsigned int devices)
{
	unsigned int i, gsi;
	__u64 base;
	size_t used;

	for (i = 0; i < devices && virtio_mmio_place(i, &base, &gsi); i++) {
		used = strlen(to);
		snprintf(to + used, room - used, " virtio_mmio.device=%#x@%#llx:%u",
			 VIRTIO_MMIO_BYTES, base, gsi);
	}
}

char *virtio_cmdline(const struct virtio_options *o, const char *cmdline)
{
	size_t room = strlen(cmdline) + 64 * (count(o) + 1);
	char *to = malloc(room);
	unsigned int i;
	size_t used;

	if (!to)
		return NULL;
	strcpy(to, cmdline);
	if (o->mmio)
		announce(to, room, count(o));
	for (i = 0; i < o->disks; i++) {
		used = strlen(to);
		if (o->disk[i].root)
			snprintf(to + used, room - used, " root=/dev/vd%c %s", 'a' + i,
				 o->disk[i].readonly ? "ro" : "rw");
	}
	return to;
}
