/* SPDX-License-Identifier: GPL-2.0-only */
/* As much as the struct definitions of ept/ept.h need. */
#ifndef SHIM_LINUX_MMU_NOTIFIER_H
#define SHIM_LINUX_MMU_NOTIFIER_H

struct mmu_notifier {
	int unused;
};

#endif /* SHIM_LINUX_MMU_NOTIFIER_H */
