/* SPDX-License-Identifier: GPL-2.0-only */
/* As much as the struct definitions of ept/ept.h need. */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#define spinlock_t	int

#endif /* SHIM_LINUX_SPINLOCK_H */
