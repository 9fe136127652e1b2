/* SPDX-License-Identifier: GPL-2.0-only */
/* A very small test harness that prints KTAP. */
#ifndef _TESTS_KTAP_H
#define _TESTS_KTAP_H

#include "util.h"

struct test {
	const char *name;
	void (*run)(void);
};

/* Runs all tests; the program's exit status. */
int ktap_run(const struct test *tests, unsigned int count);
void ktap_fail(const char *file, int line, const char *what);

/* Puts extreme and random values into @count places of @bytes; the same in every run. */
void ktap_damage(__u8 *data, unsigned int bytes, unsigned int count);

#define CHECK(cond)							\
	do {								\
		if (!(cond))						\
			ktap_fail(__FILE__, __LINE__, #cond);		\
	} while (0)

#endif /* _TESTS_KTAP_H */
