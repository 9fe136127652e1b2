/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_UIO_H
#define SHIM_LINUX_UIO_H

#include <linux/types.h>
#include <sys/uio.h>

#endif /* SHIM_LINUX_UIO_H */
