/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of liblodge share. */
#ifndef _LIBLODGE_INTERNAL_H
#define _LIBLODGE_INTERNAL_H

#include <errno.h>
#include <sys/ioctl.h>

#include <lodge/liblodge.h>

/* ioctl() with errors as return values. */
static inline int call(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static inline __u64 user_ptr(const void *p)
{
	return (unsigned long)p;
}

#endif /* _LIBLODGE_INTERNAL_H */
