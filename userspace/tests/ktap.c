// SPDX-License-Identifier: GPL-2.0-only
/* A very small test harness that prints KTAP. */
#include <stdio.h>

#include "devices.h"
#include "events.h"
#include "ktap.h"

static bool failed;

enum machine_event last_event;
__u64 last_value;

/* What devices call; here it only remembers. */
void machine_event(struct machine *m, enum machine_event event, __u64 value)
{
	(void)m;
	last_event = event;
	last_value = value;
}

void ktap_fail(const char *file, int line, const char *what)
{
	failed = true;
	printf("# %s:%d: not true: %s\n", file, line, what);
}

int ktap_run(const struct test *tests, unsigned int count)
{
	unsigned int i, bad = 0;

	printf("KTAP version 1\n1..%u\n", count);
	for (i = 0; i < count; i++) {
		failed = false;
		last_event = EVENT_NONE;
		last_value = 0;
		tests[i].run();
		bad += failed;
		printf("%sok %u %s\n", failed ? "not " : "", i + 1, tests[i].name);
	}
	return bad != 0;
}

static __u32 next_random(void)
{
	static __u32 x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

void ktap_damage(__u8 *data, unsigned int bytes, unsigned int count)
{
	static const __u32 extreme[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };

	while (count--) {
		__u8 *p = data + next_random() % (bytes - 3);

		if (next_random() & 1)
			put_le32(p, extreme[next_random() % ARRAY_SIZE(extreme)]);
		else
			*p = next_random();
	}
}
