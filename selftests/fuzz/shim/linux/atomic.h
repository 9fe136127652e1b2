/* SPDX-License-Identifier: GPL-2.0-only */
/* As much as the struct definitions of ept/ept.h need. */
#ifndef SHIM_LINUX_ATOMIC_H
#define SHIM_LINUX_ATOMIC_H

#define atomic_t	int
#define atomic_long_t	long

#endif /* SHIM_LINUX_ATOMIC_H */
