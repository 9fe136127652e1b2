// SPDX-License-Identifier: GPL-2.0-only
/* Control socket, JSON, statistics, timeline, traces: what looks at a guest from outside. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "json.h"
#include "ktap.h"
#include "machine.h"
#include "timeline.h"
#include "trace_dat.h"
#include "usage.h"

static char value[64];

static bool get(const char *text, const char *key)
{
	return json_get(text, key, value, sizeof(value));
}

static void json_good(void)
{
	__u64 n = 0;

	CHECK(get("{\"verb\":\"info\"}", "verb") && !strcmp(value, "info"));
	CHECK(get(" { \"a\" : 1 , \"b\" : \"x y\" }\r\n", "b") && !strcmp(value, "x y"));
	CHECK(get("{\"a\":true,\"b\":null}", "a") && !strcmp(value, "true"));
	CHECK(get("{\"a\":\"q\\\"\\\\\\n\\u0041\"}", "a") && !strcmp(value, "q\"\\\nA"));
	CHECK(get("{\"a\":\"first\",\"a\":\"second\"}", "a") && !strcmp(value, "first"));
	CHECK(json_get_number("{\"n\":18446744073709551615}", "n", &n) && n == ~0ull);
	CHECK(!json_get_number("{\"n\":-1}", "n", &n) && !json_get_number("{\"n\":\"\"}", "n", &n));
}

static void json_bad(void)
{
	static const char *const bad[] = {
		"", "{", "}", "{}", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{a:1}",
		"{\"a\":1}x", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\t\"}", "{\"a\":{\"b\":1}}", "{\"a\":[1]}",
		"{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
	};
	char text[64];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!get(bad[i], "a"));
	/* Whatever is sent, nothing but the answer is written. */
	for (i = 0; i < 20000; i++) {
		memset(text, 0, sizeof(text));
		snprintf(text, sizeof(text), "{\"verb\":\"info\",\"a\":\"\\u0041\\n\",\"b\":12}");
		for (j = 0; j < 1 + i % 4; j++)
			text[rand() % 48] = "{}\":,\\u0a\"\n\t"[rand() % 12];
		get(text, "b");
	}
}

static void json_written(void)
{
	char line[64] = "", text[] = "a\"\\\x01\x7f\xff z";
	FILE *to = fmemopen(line, sizeof(line), "w");

	json_string(to, text);
	fclose(to);
	CHECK(!strcmp(line, "\"a\\\"\\\\\\u0001\\u007f\\u00ff z\""));
}

/* Statistics from a descriptor that lies. */
static void stats_that_lie(void)
{
	struct {
		struct lodge_stats_header header;
		struct lodge_stats_desc desc[2];
		__u64 value[3];
	} good = {
		.header = {
			.bytes = sizeof(good), .descs = 2, .desc_bytes = sizeof(good.desc[0]),
			.desc_offset = sizeof(good.header),
			.value_offset = sizeof(good.header) + sizeof(good.desc),
		},
		.desc = {
			{ .count = 1, .name = "one" },
			{ .count = 2, .offset = 8, .kind = LODGE_STAT_LOG2, .name = "two" },
		},
		.value = { 5, 6, 7 },
	}, bad, read_back;
	FILE *f = tmpfile();
	unsigned int i, kept = 0;

	CHECK(pwrite(fileno(f), &good, sizeof(good), 0) == sizeof(good));
	CHECK(lodge_stats_read(fileno(f), &read_back, sizeof(read_back)) == sizeof(good));
	CHECK(lodge_stats_get(&read_back, "one") == 5 && lodge_stats_get(&read_back, "two") == 6);
	CHECK(lodge_stats_get(&read_back, "three") == 0 && !lodge_stats_desc(&read_back, 2));
	CHECK(lodge_stats_read(fileno(f), &read_back, sizeof(good) - 1) == -EPROTO);
	for (i = 0; i < 20000; i++) {
		bad = good;
		ktap_damage((__u8 *)&bad, sizeof(bad.header) + sizeof(bad.desc), 1 + i % 3);
		CHECK(pwrite(fileno(f), &bad, sizeof(bad), 0) == sizeof(bad));
		if (lodge_stats_read(fileno(f), &read_back, sizeof(read_back)) < 0)
			continue;
		kept++;
		lodge_stats_get(&read_back, "none of these");
	}
	CHECK(kept > 0 && kept < 20000);
	fclose(f);
	CHECK(lodge_stats_read(-1, &read_back, sizeof(read_back)) == -EBADF);
}

/* Of guest memory, in as many mappings as it has, and of nothing else. */
static void smaps_parsed(void)
{
	static char text[] =
		"7f0000000000-7f0000200000 rw-p 00000000 00:00 0\n"
		"Size:  2048 kB\nRss:  9999 kB\nSwap:  9999 kB\nKSM:  9999 kB\n"
		"7f0000200000-7f0000400000 rw-p 00000000 00:00 0\n"
		"Rss:  2000 kB\nSwapPss:  7 kB\nSwap:  48 kB\nAnonHugePages:  512 kB\n"
		"VmFlags: rd wr mr mw me dd hg mg\n"
		"7f0000400000-7f0000800000 rw-s 00000000 00:01 7   /memfd:lodge-memory (deleted)\n"
		"Rss:  8 kB\nShmemPmdMapped:  4 kB\nPrivate_Hugetlb:  2048 kB\n"
		"7f0000800000-7f0000801000 rw-p 00000000 00:00 0\nRss:  4 kB\n",
		merged[] = "7f0000200000-7f0000400000 rw-p 0 0:0 0\nRss: 8 kB\nKSM:  4 kB\n";
	struct memory_usage u = {};
	FILE *f = fmemopen(text, strlen(text), "r");

	CHECK(!usage_parse(&u, f, 0x7f0000200000, 0x7f0000800000));
	CHECK(u.resident == (2000 + 8 + 2048) << 10 && u.swapped == 48 << 10);
	CHECK(u.huge == (512 + 4 + 2048) << 10 && u.merged == 0);
	fclose(f);
	f = fmemopen(merged, strlen(merged), "r");
	CHECK(usage_parse(&u, f, 0x7f0000200000, 0x7f0000400000) && u.merged == 4096);
	fclose(f);
}

static struct machine machine;
static struct control control;
static struct balloon_state balloon = { MIB(64), MIB(64), MIB(50), MIB(40) };
static bool has_balloon;

int virtio_balloon_set(struct machine *m, __u64 bytes)
{
	if (!has_balloon || bytes > m->config.memory)
		return has_balloon ? -EINVAL : -ENODEV;
	balloon.wanted = bytes;
	return 0;
}

int virtio_balloon_get(struct machine *m, struct balloon_state *state)
{
	(void)m;
	*state = balloon;
	return has_balloon ? 0 : -ENODEV;
}

int virtio_ring_state(struct machine *m, unsigned int number, struct ring_state *state)
{
	unsigned int i;

	(void)m;
	*state = (struct ring_state){ .device = "disk0", .ring = number };
	for (i = 0; i < LODGE_RING_STAT_COUNT; i++)
		state->values[i] = ~0ull - i;
	return number < 2 ? 0 : -ENOENT;
}

static int start(struct control *c, struct fault *f)
{
	char dir[] = "/tmp/lodge-test-XXXXXX";
	static bool made;

	if (!made)
		made = mkdtemp(dir) && !setenv("XDG_RUNTIME_DIR", dir, 1);
	machine.config.name = "a/guest";
	machine.config.cpus = 2;
	machine.config.memory = MIB(64);
	machine.vm = -1;
	if (control_listen(c, &machine, f))
		return -1;
	control_start(c);
	return 0;
}

static void socket_answers(void)
{
	struct control_answer a;
	struct guest_info info;
	struct fault f;
	int fd;

	CHECK(!start(&control, &f) && control.fd >= 0);
	fd = control_open("a/guest", &info, &f);
	CHECK(fd >= 0 && info.cpus == 2 && info.memory == MIB(64) && info.pid == (__u64)getpid());
	CHECK(!control_ask(fd, "{\"verb\":\"nonsense\"}", &a) && strstr(a.line, "no such verb"));
	CHECK(!control_ask(fd, "garbage", &a) && strstr(a.line, "\"ok\":false"));
	CHECK(!control_ask(fd, "{\"verb\":\"memory\"}", &a) && strstr(a.line, "\"ok\":false"));
	CHECK(!control_ask(fd, "{\"verb\":\"stats\"}", &a) && strstr(a.line, "\"ok\":false"));
	CHECK(!a.fds);
	CHECK(!control_ask(fd, "{\"verb\":\"trace\",\"records\":7}", &a) &&
	      strstr(a.line, "\"ok\":false"));
	CHECK(!control_ask(fd, "{\"verb\":\"balloon\"}", &a) &&
	      strstr(a.line, "without --balloon"));
	has_balloon = true;
	CHECK(!control_ask(fd, "{\"verb\":\"balloon\",\"bytes\":99999999}", &a) &&
	      strstr(a.line, "\"ok\":false"));
	CHECK(!control_ask(fd, "{\"verb\":\"balloon\",\"bytes\":1048576}", &a) &&
	      strstr(a.line, "\"wanted\":1048576,\"bytes\":67108864,\"free\":52428800"));
	CHECK(!control_ask(fd, "{\"verb\":\"ring\",\"number\":1}", &a) &&
	      strstr(a.line, "disk0\",\"ring\":1,\"chains\":18446744073709551615,\"bytes\"") &&
	      strstr(a.line, "\"throttled\":18446744073709551609,\"wait\":\"184") &&
	      strstr(a.line, "18446744073709551513\"}"));
	CHECK(!control_ask(fd, "{\"verb\":\"ring\",\"number\":2}", &a) &&
	      strstr(a.line, "no such ring"));
	CHECK(!control_ask(fd, "{\"verb\":\"ring\",\"number\":4294967296}", &a) &&
	      strstr(a.line, "no such ring"));
	/* The first of two lines at once, then the other. */
	CHECK(!control_ask(fd, "{\"verb\":\"x\"}\n{\"verb\":\"info\"}", &a));
	close(fd);
	control_stop(&control);
	CHECK(control_open("a/guest", &info, &f) < 0 && f.error == ESRCH);
}

static void socket_survives(void)
{
	char junk[3 * CONTROL_LINE];
	struct guest_info info;
	struct fault f;
	int fd, i;

	CHECK(!start(&control, &f));
	memset(junk, 'x', sizeof(junk));
	for (i = 0; i < 20; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK(!connect(fd, (struct sockaddr *)&control.addr, sizeof(control.addr)));
		/* Lines without end, halves, none at all. */
		CHECK(send(fd, junk, i % 3 * (CONTROL_LINE + 76), MSG_NOSIGNAL) >= 0);
		close(fd);
	}
	fd = control_open("a/guest", &info, &f);
	CHECK(fd >= 0);
	close(fd);
	control_stop(&control);
}

static void names_are_unique(void)
{
	static struct control second;
	struct sockaddr_un stale;
	struct guest_info info;
	struct stat st;
	struct fault f;
	int fd;

	CHECK(!start(&control, &f));
	CHECK(!stat(control.addr.sun_path, &st) && (st.st_mode & 0777) == 0600);
	CHECK(start(&second, &f) == -1 && f.error == EEXIST && second.fd < 0);
	control_stop(&control);
	CHECK(stat(control.addr.sun_path, &st) && errno == ENOENT);
	/* What a killed guest leaves is swept up by whoever looks. */
	stale = control.addr;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(!bind(fd, (struct sockaddr *)&stale, sizeof(stale)));
	close(fd);
	CHECK(!stat(stale.sun_path, &st));
	CHECK(control_open("a/guest", &info, &f) < 0);
	CHECK(stat(stale.sun_path, &st) && errno == ENOENT);
	CHECK(!start(&control, &f));
	control_stop(&control);
	*strrchr(stale.sun_path, '/') = '\0';
	CHECK(!rmdir(stale.sun_path));
	*strrchr(stale.sun_path, '/') = '\0';
	CHECK(!rmdir(stale.sun_path));
}

#define KHZ	1000u		/* a tick is a microsecond */

static struct lodge_trace_record rec(__u64 tsc, __u8 reason, __u64 info, __u8 state)
{
	return (struct lodge_trace_record){
		.tsc = tsc, .reason = reason, .info = info, .state = state, .rip = 0x1234,
		.ticks = 3,
	};
}

static void tell(struct timeline *t)
{
	const __u8 prot = LODGE_STATE_PROTECTED, longm = prot | LODGE_STATE_LONG;
	const struct lodge_trace_record r[] = {
		rec(2000000, LODGE_REASON_CPUID, 0, 3),		/* real mode has no CPL */
		rec(2001000, LODGE_REASON_CR, 0, 0),		/* a read */
		rec(2002000, LODGE_REASON_CR, 0 | LODGE_INFO_WRITE, prot),
		rec(2003000, LODGE_TRACE_INJECT, 14, prot),	/* #PF is no interrupt */
		rec(2004000, LODGE_TRACE_INJECT, 48, longm),
		rec(2005000, LODGE_REASON_HLT, 0, longm),
		rec(2006000, LODGE_TRACE_LOST, 10, 0),
		rec(3000000, LODGE_REASON_FAULT, 0x1000, longm | 3),
	};
	unsigned int i;

	memset(t, 0, sizeof(*t));
	t->khz = KHZ;
	t->start = 1000000;
	timeline_note(t, STEP_VM, 1500000);
	timeline_note(t, STEP_VM, 1600000);	/* the first counts */
	for (i = 0; i < ARRAY_SIZE(r); i++)
		timeline_add(t, i == 7, &r[i]);
}

static void timeline_steps(void)
{
	static struct timeline t;

	tell(&t);
	CHECK(t.step[STEP_VM] == 500000 && t.step[STEP_EXIT] == 1000000);
	CHECK(t.step[STEP_PRIVILEGED] == 1002000 && t.step[STEP_PROTECTED] == 1002000);
	CHECK(t.step[STEP_LONG] == 1005000 && t.step[STEP_INTERRUPT] == 1004000);
	CHECK(t.step[STEP_USER] == 2000000 && t.step[STEP_SECOND_CPU] == 2000000);
	CHECK(!t.step[STEP_LOADED] && t.exits == 5 && t.lost == 10);
	CHECK(t.bin[1000 / TIMELINE_BIN_MS] == 4 && t.bins == 2000 / TIMELINE_BIN_MS + 1);
	/* Before the beginning, and after the end of what is kept. */
	timeline_add(&t, 0, &(struct lodge_trace_record){ .tsc = 5 });
	timeline_add(&t, 0, &(struct lodge_trace_record){ .tsc = ~0ull >> 1 });
	CHECK(t.bin[0] == 1 && t.bin[TIMELINE_BINS - 1] == 1 && t.bins == TIMELINE_BINS);
}

static void timeline_output(void)
{
	static struct timeline t;
	static char text[65536];
	FILE *to = fmemopen(text, sizeof(text), "w");
	char *svg;

	tell(&t);
	timeline_print(&t, to);
	fclose(to);
	CHECK(strstr(text, "1002.00  first privileged operation     CR0 at 0x1234"));
	CHECK(strstr(text, "first interrupt delivered      vector 48"));
	CHECK(strstr(text, "5 exits, and 10 that went by too fast"));
	CHECK(strstr(text, "first interrupt") < strstr(text, "long mode"));
	to = fmemopen(text, sizeof(text), "w");
	timeline_svg(&t, to);
	fclose(to);
	CHECK(!strncmp(text, "<svg ", 5));
	svg = strstr(text, "</svg>");
	CHECK(svg && !strcmp(svg, "</svg>\n") && strstr(text, "first user-mode code 2000.00 ms"));
}

/* Header, two CPUs' pages; a pause longer than an event's header can say. */
static void trace_file(void)
{
	struct trace_dat *dat = trace_dat_new(2, 77, 1000000);
	struct lodge_trace_record r = rec(5000, LODGE_REASON_PIO, 0x3f8, 0);
	static __u8 file[65536];
	__u64 offset[2] = {}, size[2] = {};
	FILE *to = tmpfile();
	const __u8 *p;
	size_t bytes;
	int i;

	for (i = 0; i < 200; i++, r.tsc += i == 100 ? 1ull << 30 : 1000)
		trace_dat_add(dat, 0, &r);
	r.reason = LODGE_TRACE_INJECT;
	trace_dat_add(dat, 1, &r);
	trace_dat_write(dat, to);
	rewind(to);
	bytes = fread(file, 1, sizeof(file), to);
	fclose(to);
	CHECK(!memcmp(file, "\x17\x08\104tracing6", 12) && file[12] == 0 && file[13] == 8);
	p = memmem(file, bytes, "flyrecord", 10);
	CHECK(p);
	for (i = 0; p && i < 2; i++) {
		offset[i] = get_le64(p + 10 + i * 16);
		size[i] = get_le64(p + 18 + i * 16);
	}
	CHECK(offset[0] % 4096 == 0 && size[0] == 2 * 4096);
	CHECK(offset[1] == offset[0] + size[0] && offset[1] + size[1] == bytes);
	CHECK(get_le64(file + offset[0]) == 5000 && get_le32(file + offset[0] + 16) == 8);
	CHECK(get_le64(file + offset[1] + 8) == 36);
	/* 200 events of 36 bytes and one time that is 8 longer; nothing is lost at a page's end. */
	CHECK(get_le64(file + offset[0] + 8) + get_le64(file + offset[0] + 4096 + 8) ==
	      200 * 36 + 8);
}

static const struct test tests[] = {
	{ "json_good", json_good },
	{ "json_bad", json_bad },
	{ "json_written", json_written },
	{ "stats_that_lie", stats_that_lie },
	{ "smaps_parsed", smaps_parsed },
	{ "socket_answers", socket_answers },
	{ "socket_survives", socket_survives },
	{ "names_are_unique", names_are_unique },
	{ "timeline_steps", timeline_steps },
	{ "timeline_output", timeline_output },
	{ "trace_file", trace_file },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
