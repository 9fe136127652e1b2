/* SPDX-License-Identifier: GPL-2.0-only */
/* User memory is what the harness says it is: an access may fail. */
#ifndef SHIM_LINUX_UACCESS_H
#define SHIM_LINUX_UACCESS_H

#include <linux/types.h>

#define __user
#define __force

/* Bytes that could not be copied; the harness checks every address. */
unsigned long copy_from_user(void *to, const void *from, unsigned long bytes);
unsigned long copy_to_user(void *to, const void *from, unsigned long bytes);

#define get_user(value, at)	(copy_from_user(&(value), at, sizeof(*(at))) ? -14 : 0)
#define put_user(value, at)						\
({									\
	__typeof__(*(at)) __value = (value);				\
									\
	copy_to_user(at, &__value, sizeof(__value)) ? -14 : 0;		\
})

/* One thread is both sides here. */
#define barrier()	__asm__ __volatile__("" : : : "memory")
#define smp_mb	barrier
#define smp_rmb	barrier
#define smp_wmb	barrier

#endif /* SHIM_LINUX_UACCESS_H */
