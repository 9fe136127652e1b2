// SPDX-License-Identifier: GPL-2.0-only
/* KUnit: which segment descriptors may be loaded, and what the others raise. */
#include <kunit/test.h>

#include "lodge.h"

#define GP	13
#define NP	11
#define SS	12

/* Types of SDM table 3-1 and 3-2 */
#define DATA_RO	0
#define DATA_RW	2
#define CODE	8
#define CODE_R	10
#define CONF	12
#define LDT	2
#define TSS16	1
#define TSS32	9
#define BUSY32	11

struct row {
	u8 seg, type, s, dpl, rpl, cpl, want;
	bool task;
};

static const struct row rows[] = {
	/* Data: privilege is the larger of RPL and CPL, except for conforming code. */
	{ LODGE_DS, DATA_RO, 1, 3, 3, 3, 0 },
	{ LODGE_ES, DATA_RW, 1, 0, 0, 0, 0 },
	{ LODGE_FS, DATA_RW, 1, 0, 3, 0, GP },
	{ LODGE_GS, DATA_RW, 1, 0, 0, 3, GP },
	{ LODGE_DS, CODE, 1, 3, 3, 3, GP },
	{ LODGE_DS, CODE_R, 1, 3, 3, 3, 0 },
	{ LODGE_DS, CONF, 1, 0, 3, 3, GP },
	{ LODGE_DS, CONF | 2, 1, 0, 3, 3, 0 },
	{ LODGE_DS, LDT, 0, 3, 3, 3, GP },
	/* Stack: writable, and everything equal. */
	{ LODGE_SS, DATA_RW, 1, 0, 0, 0, 0 },
	{ LODGE_SS, DATA_RO, 1, 0, 0, 0, GP },
	{ LODGE_SS, DATA_RW, 1, 3, 3, 0, GP },
	{ LODGE_SS, DATA_RW, 1, 0, 3, 0, GP },
	{ LODGE_SS, CODE_R, 1, 0, 0, 0, GP },
	/* Code: a jump keeps the privilege level, a task brings its own. */
	{ LODGE_CS, CODE, 1, 0, 0, 0, 0 },
	{ LODGE_CS, CODE, 1, 3, 3, 0, GP },
	{ LODGE_CS, CODE, 1, 3, 3, 0, 0, true },
	{ LODGE_CS, CODE, 1, 0, 3, 0, GP, true },
	{ LODGE_CS, CONF, 1, 0, 3, 3, 0 },
	{ LODGE_CS, CONF, 1, 3, 0, 0, GP },
	{ LODGE_CS, CONF, 1, 0, 3, 0, 0, true },
	{ LODGE_CS, DATA_RW, 1, 0, 0, 0, GP },
	/* System segments */
	{ LODGE_LDTR, LDT, 0, 0, 0, 0, 0 },
	{ LODGE_LDTR, DATA_RW, 1, 0, 0, 0, GP },
	{ LODGE_TR, TSS16, 0, 0, 0, 0, 0 },
	{ LODGE_TR, TSS32, 0, 0, 0, 0, 0 },
	{ LODGE_TR, BUSY32, 0, 0, 0, 0, GP },
};

static void descriptors(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		const struct lodge_segment s = {
			.selector = 0x10 | r->rpl, .type = r->type, .s = r->s, .dpl = r->dpl,
			.present = 1,
		};

		KUNIT_EXPECT_EQ_MSG(test, r->want, lodge_segment_fault(&s, r->seg, r->cpl, r->task),
				    "row %d", i);
	}
}

/* What is wrong comes before what is not there. */
static void absent(struct kunit *test)
{
	struct lodge_segment s = { .selector = 0x10, .type = DATA_RW, .s = 1 };

	KUNIT_EXPECT_EQ(test, NP, lodge_segment_fault(&s, LODGE_DS, 0, false));
	KUNIT_EXPECT_EQ(test, SS, lodge_segment_fault(&s, LODGE_SS, 0, false));
	KUNIT_EXPECT_EQ(test, GP, lodge_segment_fault(&s, LODGE_CS, 0, false));
	s.type = CODE;
	KUNIT_EXPECT_EQ(test, NP, lodge_segment_fault(&s, LODGE_CS, 0, false));
	s.l = 1;
	s.db = 1;
	KUNIT_EXPECT_EQ(test, GP, lodge_segment_fault(&s, LODGE_CS, 0, false));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(descriptors),
	KUNIT_CASE(absent),
	{ }
};

static struct kunit_suite lodge_task_suite = {
	.name = "lodge_task",
	.test_cases = cases,
};

kunit_test_suite(lodge_task_suite);
