/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_KERNEL_H
#define SHIM_LINUX_KERNEL_H

#include <assert.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define U32_MAX		(~0u)
#define min_t(type, a, b)						\
({									\
	type __a = (a), __b = (b);					\
									\
	__a < __b ? __a : __b;						\
})
#define fallthrough	__attribute__((__fallthrough__))
#define max_t(type, a, b)	((type)(a) > (type)(b) ? (type)(a) : (type)(b))

#endif /* SHIM_LINUX_KERNEL_H */
