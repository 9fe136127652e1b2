// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cable between the network devices of two guests: a Unix socket of packets,
 * each of whose ends the kernel reads and writes as it does a tap. Who comes first
 * listens. Who comes second is given that listening socket, too, so that whichever
 * of them is left takes the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <unistd.h>

#include "virtio_user.h"

/**
 * struct cable - our end of it
 * @listener: where the next one comes, or -1: the peer has not handed it over yet
 * @fd: to the peer, or -1
 * @up: packets may pass
 */
struct cable {
	int listener;
	int fd;
	bool up;
};

union fd_message {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

/* One byte, with which there comes a descriptor. */
static struct msghdr message(struct iovec *iov, union fd_message *control)
{
	static char byte;

	*iov = (struct iovec){ &byte, 1 };
	return (struct msghdr){
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(*control),
	};
}

static bool hand_over(int to, int fd)
{
	union fd_message control = {
		.header = {
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(fd)),
		},
	};
	struct iovec iov;
	struct msghdr m = message(&iov, &control);

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* 1; 0: it is still to come; -1: it will not */
static int take_over(int from, int *fd)
{
	union fd_message control = { 0 };
	struct iovec iov;
	struct msghdr m = message(&iov, &control);

	if (recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return errno == EAGAIN ? 0 : -1;
	if (!CMSG_FIRSTHDR(&m) || control.header.cmsg_type != SCM_RIGHTS ||
	    control.header.cmsg_len != CMSG_LEN(sizeof(*fd)))
		return -1;
	memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	return 1;
}

static void plug(struct virtio *v, int fd)
{
	struct virtio_net_config *config = (struct virtio_net_config *)v->config;
	struct cable *c = v->priv;

	lodge_set_backend(v->fd, 0, fd);
	lodge_set_backend(v->fd, 1, fd);
	if (c->fd >= 0 && c->fd != fd)
		close(c->fd);
	c->fd = fd;
	c->up = fd >= 0;
	config->status = c->up ? VIRTIO_NET_S_LINK_UP : 0;
	v->user_changed = true;
	/* Packets are the kernel's to hear of. */
	if (c->up)
		virtio_user_watch(v, fd, EPOLLRDHUP | EPOLLET, c);
}

static void wait_for_listener(struct virtio *v)
{
	struct cable *c = v->priv;
	int ret = take_over(c->fd, &c->listener);

	if (!ret)
		return;
	epoll_ctl(v->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	if (ret > 0)
		virtio_user_watch(v, c->listener, EPOLLIN | EPOLLET, c);
	plug(v, ret > 0 ? c->fd : -1);
}

static bool peer_is_gone(const struct cable *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

static void look(struct virtio *v)
{
	struct cable *c = v->priv;
	int fd;

	if (c->fd >= 0 && !c->up)
		wait_for_listener(v);
	if (c->fd >= 0 && c->up && peer_is_gone(c))
		plug(v, -1);
	while (c->fd < 0) {
		fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			break;
		if (hand_over(fd, c->listener))
			plug(v, fd);
		else
			close(fd);
	}
}

static void ready(struct virtio *v, void *cookie, unsigned int events)
{
	(void)cookie;
	(void)events;
	look(v);
}

/* Both rings are the kernel's. */
static bool owns(const struct virtio *v, unsigned int ring)
{
	(void)v;
	(void)ring;
	return false;
}

static void destroy(struct virtio *v)
{
	struct cable *c = v->priv;

	if (c->fd >= 0)
		close(c->fd);
	if (c->listener >= 0)
		close(c->listener);
	free(c);
}

static const struct virtio_user cable = {
	.owns = owns,
	.serve = look,
	.ready = ready,
	.destroy = destroy,
};

/* Of two that come at the same time one is the first: the folder is their lock. */
static int open_ends(struct cable *c, const char *path)
{
	struct sockaddr_un addr;
	char folder[sizeof(addr.sun_path)];
	int fd = virtio_unix_socket(path, SOCK_SEQPACKET, &addr), lock;

	strcpy(folder, addr.sun_path);
	lock = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock >= 0)
		flock(lock, LOCK_EX);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		c->fd = fd;
	} else {
		close(fd);
		c->listener = virtio_listen(path, SOCK_SEQPACKET);
	}
	if (lock >= 0)
		close(lock);
	return c->fd >= 0 || c->listener >= 0 ? 0 : -1;
}

int virtio_link_init(struct virtio *v, const char *path, struct fault *f)
{
	struct cable *c;

	if (virtio_user_init(v, &cable, f))
		return -1;
	c = calloc(1, sizeof(*c));
	if (!c)
		return fault_set(f, v->name, "no memory", NULL, ENOMEM);
	*c = (struct cable){ .listener = -1, .fd = -1 };
	v->priv = c;
	v->served = 2;
	if (open_ends(c, path) ||
	    virtio_user_watch(v, c->fd >= 0 ? c->fd : c->listener, EPOLLIN | EPOLLET, c))
		return fault_set(f, path, "cannot listen there, and nobody does",
				 "choose another: -n link=PATH", errno);
	return 0;
}
