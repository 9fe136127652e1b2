/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_ASM_MSR_INDEX_H
#define SHIM_ASM_MSR_INDEX_H

#define EFER_LMA	(1 << 10)
#define EFER_NX		(1 << 11)

#endif /* SHIM_ASM_MSR_INDEX_H */
