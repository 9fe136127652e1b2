/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages, sizes and little-endian fields. */
#ifndef _LAUNCHER_UTIL_H
#define _LAUNCHER_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <linux/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1u << (n))
#define BIT_ULL(n)	(1ull << (n))
#define KIB(n)		((__u64)(n) << 10)
#define MIB(n)		((__u64)(n) << 20)
#define GIB(n)		((__u64)(n) << 30)

/**
 * struct fault - why something could not be done
 * @what: the thing concerned, such as a file name
 * @why: the reason
 * @hint: what the user can do about it, or NULL
 * @error: errno, or 0 when none applies
 */
struct fault {
	const char *what;
	const char *why;
	const char *hint;
	int error;
};

/* Fills @f and returns -1, so that a function can end with it. */
static inline int fault_set(struct fault *f, const char *what, const char *why,
			    const char *hint, int error)
{
	*f = (struct fault){ what, why, hint, error < 0 ? -error : error };
	return -1;
}

/* Prints "lodge: what: why (ERRNO)" and the hint. */
void fault_print(const struct fault *f);

/**
 * parse_size() - read "256M", "1G", "65536K" or a number of MiB
 * @text: what the user wrote
 * @out: the size in bytes
 *
 * Return: false when it is not a size or does not fit 63 bits.
 */
bool parse_size(const char *text, __u64 *out);
/* Reads a whole decimal, 0x or octal number from @min to @max. */
bool parse_number(const char *text, __u64 min, __u64 max, __u64 *out);
/* Prints @word so that a shell reads it back as one word. */
void print_quoted(void *stream, const char *word);

static inline __u16 get_le16(const void *p)
{
	__u16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline __u32 get_le32(const void *p)
{
	__u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline __u64 get_le64(const void *p)
{
	__u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put_le16(void *p, __u16 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put_le32(void *p, __u32 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(void *p, __u64 v)
{
	memcpy(p, &v, sizeof(v));
}

/* @align is a power of two. */
static inline __u64 align_up(__u64 v, __u64 align)
{
	return (v + align - 1) & ~(align - 1);
}

#endif /* _LAUNCHER_UTIL_H */
