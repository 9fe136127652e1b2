/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

#define hweight8(value)		((unsigned int)__builtin_popcount(value))
#define hweight64(value)	((unsigned int)__builtin_popcountll(value))
#define __ffs64(value)		((unsigned int)__builtin_ctzll(value))
#define fls64(value)		(64 - __builtin_clzll(value))

#endif /* SHIM_LINUX_BITOPS_H */
