// SPDX-License-Identifier: GPL-2.0-only
/* The boot of a guest told step by step, as text and as a picture. */
#include <errno.h>
#include <unistd.h>

#include "timeline.h"

#define RECORDS		32768
#define READ_EVERY_US	5000
#define FIRST_VECTOR	32		/* below are exceptions and NMI */

/* The picture, in its own units. */
#define WIDTH		1000
#define HEIGHT		300
#define MARGIN		60
#define ROW		18

static const char *const step_name[STEP_COUNT] = {
	[STEP_VM] = "VM and vCPUs created",
	[STEP_LOADED] = "kernel loaded",
	[STEP_STARTED] = "vCPUs started",
	[STEP_EXIT] = "first exit",
	[STEP_PRIVILEGED] = "first privileged operation",
	[STEP_PROTECTED] = "protected mode",
	[STEP_LONG] = "long mode",
	[STEP_INTERRUPT] = "first interrupt delivered",
	[STEP_USER] = "first user-mode code",
	[STEP_SECOND_CPU] = "second CPU runs",
};

const char *reason_name(unsigned int reason)
{
	static const char *const names[LODGE_REASON_COUNT] = {
		"other", "host-irq", "pio", "fault", "mmio", "cpuid", "rdmsr", "wrmsr", "hlt",
		"pause", "hypercall", "cr", "dr", "exception", "task-switch",
	};

	if (reason < ARRAY_SIZE(names))
		return names[reason];
	return reason == LODGE_TRACE_INJECT ? "inject" :
	       reason == LODGE_TRACE_LOST ? "lost" : "unknown";
}

void timeline_note(struct timeline *t, enum timeline_step step, __u64 tsc)
{
	if (!t->step[step])
		t->step[step] = tsc > t->start ? tsc - t->start : 1;
}

static void note_record(struct timeline *t, enum timeline_step step,
			const struct lodge_trace_record *r)
{
	if (t->step[step])
		return;
	timeline_note(t, step, r->tsc);
	t->record[step] = *r;
}

static bool privileged(const struct lodge_trace_record *r)
{
	return r->reason == LODGE_REASON_WRMSR ||
	       (r->reason == LODGE_REASON_CR && (r->info & LODGE_INFO_WRITE));
}

static void note_state(struct timeline *t, const struct lodge_trace_record *r)
{
	if (r->state & LODGE_STATE_PROTECTED)
		note_record(t, STEP_PROTECTED, r);
	if (r->state & LODGE_STATE_LONG)
		note_record(t, STEP_LONG, r);
	if ((r->state & LODGE_STATE_PROTECTED) && (r->state & LODGE_STATE_CPL) == 3)
		note_record(t, STEP_USER, r);
}

void timeline_add(struct timeline *t, unsigned int vcpu, const struct lodge_trace_record *r)
{
	__u64 ms = r->tsc > t->start && t->khz ? (r->tsc - t->start) / t->khz : 0;
	unsigned int bin = ms / TIMELINE_BIN_MS < TIMELINE_BINS ? ms / TIMELINE_BIN_MS :
			   TIMELINE_BINS - 1;

	if (r->reason == LODGE_TRACE_LOST) {
		t->lost += r->info;
		return;
	}
	if (r->reason == LODGE_TRACE_INJECT) {
		if (r->info >= FIRST_VECTOR)
			note_record(t, STEP_INTERRUPT, r);
		return;
	}
	t->exits++;
	t->bin[bin]++;
	if (bin >= t->bins)
		t->bins = bin + 1;
	note_record(t, STEP_EXIT, r);
	if (vcpu)
		note_record(t, STEP_SECOND_CPU, r);
	if (privileged(r))
		note_record(t, STEP_PRIVILEGED, r);
	note_state(t, r);
}

static double step_ms(const struct timeline *t, enum timeline_step step)
{
	return t->khz ? (double)t->step[step] / t->khz : 0;
}

/* Steps that were seen, in the order they were. */
static unsigned int order(const struct timeline *t, enum timeline_step *out)
{
	unsigned int n = 0, i, j;

	for (i = 0; i < STEP_COUNT; i++) {
		if (!t->step[i])
			continue;
		for (j = n++; j && t->step[out[j - 1]] > t->step[i]; j--)
			out[j] = out[j - 1];
		out[j] = i;
	}
	return n;
}

static void describe(const struct timeline *t, enum timeline_step step, char *text, size_t room)
{
	const struct lodge_trace_record *r = &t->record[step];
	unsigned long long what = r->info & ~LODGE_INFO_WRITE;

	*text = '\0';
	if (!r->tsc)
		return;
	if (step == STEP_INTERRUPT)
		snprintf(text, room, "vector %llu", what);
	else if (r->reason == LODGE_REASON_CR)
		snprintf(text, room, "CR%llu at %#llx", what, r->rip);
	else
		snprintf(text, room, "%s %#llx at %#llx", reason_name(r->reason), what, r->rip);
}

/* Exits in the @bins from @from on, as a rate. */
static unsigned long long rate(const struct timeline *t, unsigned int from, unsigned int bins)
{
	unsigned long long sum = 0;
	unsigned int i;

	for (i = from; i < from + bins && i < t->bins; i++)
		sum += t->bin[i];
	return sum * 1000 / ((unsigned long long)bins * TIMELINE_BIN_MS);
}

void timeline_print(const struct timeline *t, FILE *to)
{
	unsigned int per_line = 1000 / TIMELINE_BIN_MS, n, i;
	enum timeline_step steps[STEP_COUNT];
	unsigned long long top = 1, r;
	char text[64];

	fprintf(to, "timeline, ms:\n");
	n = order(t, steps);
	for (i = 0; i < n; i++) {
		describe(t, steps[i], text, sizeof(text));
		fprintf(to, "%10.2f  %-30s %s\n", step_ms(t, steps[i]), step_name[steps[i]], text);
	}
	while (t->bins / per_line > 40)
		per_line *= 2;
	for (i = 0; i < t->bins; i += per_line)
		if (rate(t, i, per_line) > top)
			top = rate(t, i, per_line);
	fprintf(to, "exits per second:\n");
	for (i = 0; i < t->bins; i += per_line) {
		r = rate(t, i, per_line);
		fprintf(to, "%8.1f s %9llu %.*s\n", i * TIMELINE_BIN_MS / 1000.0, r,
			(int)(r * 40 / top), "########################################");
	}
	fprintf(to, "%llu exits", t->exits);
	if (t->lost)
		fprintf(to, ", and %llu that went by too fast", t->lost);
	fputc('\n', to);
}

static void svg_bars(const struct timeline *t, double scale, FILE *to)
{
	unsigned int i;
	double x, h;
	__u32 top = 1;

	for (i = 0; i < t->bins; i++)
		if (t->bin[i] > top)
			top = t->bin[i];
	for (i = 0; i < t->bins; i++) {
		if (!t->bin[i])
			continue;
		x = MARGIN + i * TIMELINE_BIN_MS * scale;
		h = (double)t->bin[i] * HEIGHT / top;
		fprintf(to, "<rect fill=\"#7aa6d8\" x=\"%.2f\" y=\"%.2f\" ", x,
			MARGIN + HEIGHT - h);
		fprintf(to, "width=\"%.2f\" height=\"%.2f\"/>\n", TIMELINE_BIN_MS * scale, h);
	}
	fprintf(to, "<text x=\"4\" y=\"%d\">%llu exits/s</text>\n", MARGIN - 10,
		(unsigned long long)top * 1000 / TIMELINE_BIN_MS);
}

static void svg_steps(const struct timeline *t, double scale, FILE *to)
{
	enum timeline_step steps[STEP_COUNT];
	unsigned int n = order(t, steps), i;
	double x;
	int y;

	for (i = 0; i < n; i++) {
		x = MARGIN + step_ms(t, steps[i]) * scale;
		y = MARGIN + HEIGHT + ROW * (i + 2);
		fprintf(to, "<path d=\"M%.2f %d V%d\" stroke=\"#b04040\"/>\n", x, MARGIN, y);
		fprintf(to, "<text x=\"%.2f\" y=\"%d\"%s>%s %.2f ms</text>\n",
			x * 3 > WIDTH * 2 ? x - 4 : x + 4, y,
			x * 3 > WIDTH * 2 ? " text-anchor=\"end\"" : "", step_name[steps[i]],
			step_ms(t, steps[i]));
	}
}

void timeline_svg(const struct timeline *t, FILE *to)
{
	double ms = (t->bins ? t->bins : 1) * TIMELINE_BIN_MS, scale = (WIDTH - MARGIN) / ms;
	int height = MARGIN + HEIGHT + ROW * (STEP_COUNT + 4);

	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" ",
		WIDTH + MARGIN, height);
	fprintf(to, "font-family=\"sans-serif\" font-size=\"12\">\n");
	fprintf(to, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH + MARGIN, height);
	svg_bars(t, scale, to);
	svg_steps(t, scale, to);
	fprintf(to, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"black\"/>\n", MARGIN,
		MARGIN + HEIGHT, WIDTH, MARGIN + HEIGHT);
	fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.1f s</text>\n</svg>\n", WIDTH,
		MARGIN + HEIGHT - 4, ms / 1000);
}

static bool read_some(struct timeline *t)
{
	static struct lodge_trace_record batch[1024];
	bool any = false;
	unsigned int i;
	ssize_t got, j;

	for (i = 0; i < t->fds; i++) {
		got = read(t->fd[i], batch, sizeof(batch));
		for (j = 0; j < got / (ssize_t)sizeof(*batch); j++)
			timeline_add(t, i, &batch[j]);
		any |= got == sizeof(batch);
	}
	return any;
}

static void *reader(void *arg)
{
	struct timeline *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
		if (!read_some(t))
			usleep(READ_EVERY_US);
	while (read_some(t))
		;
	return NULL;
}

int timeline_start(struct timeline *t, const int *vcpu, unsigned int vcpus, __u32 khz)
{
	int ret;

	t->khz = khz;
	for (t->fds = 0; t->fds < vcpus; t->fds++) {
		ret = lodge_trace(vcpu[t->fds], LODGE_TRACE_STATE, RECORDS);
		if (ret < 0)
			return ret;
		t->fd[t->fds] = ret;
	}
	ret = pthread_create(&t->thread, NULL, reader, t);
	t->started = !ret;
	if (t->started)
		pthread_setname_np(t->thread, "lodge-timeline");
	return -ret;
}

void timeline_stop(struct timeline *t)
{
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	if (t->started)
		pthread_join(t->thread, NULL);
	while (t->fds)
		close(t->fd[--t->fds]);
}
