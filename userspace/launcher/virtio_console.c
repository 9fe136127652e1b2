// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-console (virtio 1.2, 5.3): consoles and named ports, on terminals or on
 * Unix sockets that one client after the other connects to. Data is the kernel's;
 * here is who is at the other end of each port, and what its driver is told of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

#include "virtio_user.h"

#define CONTROL_RX	2
#define CONTROL_TX	3
#define CONTROL_RINGS	(1ull << CONTROL_RX | 1ull << CONTROL_TX)

/**
 * struct port - one of them
 * @fd: the terminal or the client, or -1
 * @listener: where clients come from, or -1
 * @known: the driver has it; @open: and somebody in the guest has opened it
 * @owed: BIT(VIRTIO_CONSOLE_*) that the driver has yet to be told
 */
struct port {
	const struct console_option *option;
	int fd;
	int listener;
	bool known;
	bool open;
	unsigned int owed;
};

struct console {
	unsigned int ports;
	struct port port[VIRTIO_MAX_PORTS];
};

/* The guest's own terminal driver echoes and edits lines. */
static void make_raw(int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &raw))
		return;
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
}

static int open_pty(const struct console_option *o, struct fault *f)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), other;
	char name[64];

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, sizeof(name)))
		return fault_set(f, "--console", "cannot make a pseudo-terminal",
				 "is /dev/pts mounted?", errno);
	other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other >= 0) {
		make_raw(other);
		close(other);
	}
	fprintf(stderr, "lodge: %s: %s\n", *o->name ? o->name : "console", name);
	return fd;
}

static int open_file(const struct console_option *o, struct fault *f)
{
	int fd = open(o->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return fault_set(f, o->path, "cannot open it for --console", NULL, errno);
	make_raw(fd);
	return fd;
}

/*
 * What comes from the host waits until somebody in the guest wants it; what
 * goes there is lost while there is nobody.
 */
static void wire(struct virtio *v, const struct port *p)
{
	const struct console *c = v->priv;
	unsigned int number = p - c->port, rx = number ? 2 * number + 2 : 0;

	lodge_set_backend(v->fd, rx, p->open ? p->fd : -1);
	lodge_set_backend(v->fd, rx + 1, p->fd);
}

static void set_client(struct virtio *v, struct port *p, int fd)
{
	int old = p->fd;

	p->fd = fd;
	wire(v, p);
	if (old >= 0)
		close(old);
	if (fd >= 0)
		virtio_user_watch(v, fd, EPOLLRDHUP | EPOLLET, p);
	p->owed |= p->known ? BIT(VIRTIO_CONSOLE_PORT_OPEN) : 0;
}

/* A client has gone when all that it sent was taken. The next comes when that is told. */
static void look(struct virtio *v, struct port *p)
{
	ssize_t got;
	char byte;
	int fd;

	if (p->listener < 0)
		return;
	if (p->fd >= 0) {
		got = recv(p->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (!got || (got < 0 && errno != EAGAIN))
			set_client(v, p, -1);
	}
	if (p->fd < 0 && !(p->owed & BIT(VIRTIO_CONSOLE_PORT_OPEN))) {
		fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			set_client(v, p, fd);
	}
}

/* False: there is no room. */
static bool tell(struct virtio *v, struct port *p, __u16 event)
{
	struct console *c = v->priv;
	struct virtio_console_control message = {
		.id = p - c->port,
		.event = event,
		.value = event == VIRTIO_CONSOLE_PORT_OPEN ? p->fd >= 0 : 1,
	};
	struct virtio_chain chain;
	size_t bytes;

	if (!virtio_take(v, CONTROL_RX, &chain))
		return false;
	bytes = virtio_chain_write(&chain, 0, &message, sizeof(message));
	if (event == VIRTIO_CONSOLE_PORT_NAME)
		bytes += virtio_chain_write(&chain, bytes, p->option->name,
					    strlen(p->option->name));
	virtio_give(v, &chain, bytes, false);
	p->owed &= ~BIT(event);
	return true;
}

static void tell_all(struct virtio *v, struct port *p)
{
	static const __u16 order[] = {
		VIRTIO_CONSOLE_PORT_ADD, VIRTIO_CONSOLE_CONSOLE_PORT, VIRTIO_CONSOLE_PORT_NAME,
		VIRTIO_CONSOLE_PORT_OPEN,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		if (p->owed & BIT(order[i]) && !tell(v, p, order[i]))
			return;
}

/* 5.3.6.2: what the driver tells about a port that there is. */
static void told(struct virtio *v, struct port *p, const struct virtio_console_control *m)
{
	if (m->event == VIRTIO_CONSOLE_PORT_READY && m->value) {
		p->known = true;
		p->owed |= *p->option->name ? BIT(VIRTIO_CONSOLE_PORT_NAME) :
			   BIT(VIRTIO_CONSOLE_CONSOLE_PORT);
		p->owed |= p->fd >= 0 ? BIT(VIRTIO_CONSOLE_PORT_OPEN) : 0;
	} else if (m->event == VIRTIO_CONSOLE_PORT_OPEN) {
		p->open = m->value;
		wire(v, p);
	}
}

static void control(struct virtio *v, const struct virtio_chain *chain)
{
	struct virtio_console_control m;
	struct console *c = v->priv;
	unsigned int i;

	if (virtio_chain_read(chain, 0, &m, sizeof(m)) != sizeof(m))
		return;
	if (m.event != VIRTIO_CONSOLE_DEVICE_READY) {
		if (m.id < c->ports)
			told(v, &c->port[m.id], &m);
		return;
	}
	for (i = 0; i < c->ports && m.value; i++)
		c->port[i].owed |= BIT(VIRTIO_CONSOLE_PORT_ADD);
}

static void serve(struct virtio *v)
{
	struct console *c = v->priv;
	struct virtio_chain chain;
	unsigned int i;

	while (virtio_take(v, CONTROL_TX, &chain)) {
		control(v, &chain);
		virtio_give(v, &chain, 0, false);
	}
	/* The second time for the client that comes after the one that has gone. */
	for (i = 0; i < 2 * c->ports; i++) {
		look(v, &c->port[i % c->ports]);
		tell_all(v, &c->port[i % c->ports]);
	}
}

static void ready(struct virtio *v, void *cookie, unsigned int events)
{
	(void)cookie;
	(void)events;
	serve(v);
}

static bool owns(const struct virtio *v, unsigned int ring)
{
	return v->picked & BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT) &&
	       CONTROL_RINGS & BIT_ULL(ring);
}

/* Also the beginning: now the kernel has the device. */
static void reset(struct virtio *v)
{
	struct console *c = v->priv;
	struct port *p;

	for (p = c->port; p < c->port + c->ports; p++) {
		p->known = false;
		p->open = false;
		p->owed = 0;
		wire(v, p);
	}
}

/* A driver of one port has that open. */
static void picked(struct virtio *v)
{
	struct console *c = v->priv;

	pthread_mutex_lock(&v->user_lock);
	c->port[0].open = !(v->picked & BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT));
	wire(v, &c->port[0]);
	pthread_mutex_unlock(&v->user_lock);
}

static void destroy(struct virtio *v)
{
	struct console *c = v->priv;
	struct port *p;

	for (p = c->port; p < c->port + c->ports; p++) {
		if (p->fd >= 0)
			close(p->fd);
		if (p->listener >= 0)
			close(p->listener);
	}
	free(c);
}

static const struct virtio_user console = {
	.owns = owns,
	.serve = serve,
	.ready = ready,
	.reset = reset,
	.destroy = destroy,
};

static int add_port(struct virtio *v, const struct console_option *o, struct fault *f)
{
	struct console *c = v->priv;
	struct port *p = &c->port[c->ports++];

	*p = (struct port){ .option = o, .fd = -1, .listener = -1 };
	if (!o->socket) {
		p->fd = *o->path ? open_file(o, f) : open_pty(o, f);
		return p->fd < 0 ? -1 : 0;
	}
	p->listener = virtio_listen(o->path, SOCK_STREAM);
	if (p->listener < 0 || virtio_user_watch(v, p->listener, EPOLLIN | EPOLLET, p))
		return fault_set(f, o->path, "cannot listen there", NULL, errno);
	return 0;
}

static int init_ports(struct virtio *v, const struct console_option *o, unsigned int ports,
		      struct fault *f)
{
	unsigned int i;

	if (virtio_user_init(v, &console, f))
		return -1;
	v->priv = calloc(1, sizeof(struct console));
	if (!v->priv)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	for (i = 0; i < ports; i++)
		if (add_port(v, &o[i], f))
			return -1;
	v->features_picked = picked;
	v->served = 2 * ports;
	v->rings = v->served + 2;
	v->together = (1ull << v->rings) - 1 - CONTROL_RINGS;
	return 0;
}

int virtio_console_init(struct virtio *v, const struct console_option *o, unsigned int ports,
			struct fault *f)
{
	struct virtio_console_config *config = (struct virtio_console_config *)v->config;

	v->id = LODGE_VIRTIO_CONSOLE;
	v->rings = 2;
	v->config_bytes = sizeof(*config);
	config->max_nr_ports = ports;
	/* A single terminal needs nobody to tell anything. */
	if (ports > 1 || o->socket || *o->name)
		return init_ports(v, o, ports, f);
	v->backend = *o->path ? open_file(o, f) : open_pty(o, f);
	return v->backend < 0 ? -1 : 0;
}
