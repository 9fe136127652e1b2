/* SPDX-License-Identifier: GPL-2.0-only */
/* As much as the struct definitions of ept/ept.h need. */
#ifndef SHIM_LINUX_SRCU_H
#define SHIM_LINUX_SRCU_H

#define __rcu

struct srcu_struct {
	int unused;
};

#endif /* SHIM_LINUX_SRCU_H */
