// SPDX-License-Identifier: GPL-2.0-only
/* A trace as trace-cmd's file: formats of the events, then pages of each CPU's ring. */
#include <stdlib.h>

#include "timeline.h"
#include "trace_dat.h"

#define PAGE		4096
#define PAGE_HEADER	16
#define DELTA_BITS	27
#define TIME_EXTEND	30
#define ID_EXIT		1
#define ID_INJECT	2
#define ID_LOST		3

/* An event's header, and what is in it: the common fields, then ours. */
struct event {
	__u32 header;		/* length in words, ns since the one before */
	__u16 type;
	__u8 flags;
	__u8 preempt_count;
	__s32 pid;
	__u32 ticks;
	__u8 reason;
	__u8 state;
	__u16 pad;
	__u64 rip;
	__u64 info;
} __attribute__((packed));

#define EVENT_WORDS	((sizeof(struct event) - sizeof(__u32)) / 4)

/* Pages of one CPU. */
struct ring {
	__u8 *data;
	size_t pages;
	size_t used;		/* bytes in the last page */
	__u64 last_ns;
};

struct trace_dat {
	unsigned int pid;
	__u32 khz;
	unsigned int cpus;
	struct ring ring[LODGE_MAX_VCPUS];
};

static const char page_format[] =
"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
"\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
"\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
"\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

static const char event_format[] =
"# compressed entry header\n"
"\ttype_len    :    5 bits\n"
"\ttime_delta  :   27 bits\n"
"\tarray       :   32 bits\n"
"\n"
"\tpadding     : type == 29\n"
"\ttime_extend : type == 30\n"
"\ttime_stamp : type == 31\n"
"\tdata max type_len  == 28\n";

static const char field_format[] =
"name: %s\nID: %u\nformat:\n"
"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
"\n"
"\tfield:u32 ticks;\toffset:8;\tsize:4;\tsigned:0;\n"
"\tfield:u8 reason;\toffset:12;\tsize:1;\tsigned:0;\n"
"\tfield:u8 state;\toffset:13;\tsize:1;\tsigned:0;\n"
"\tfield:u64 rip;\toffset:16;\tsize:8;\tsigned:0;\n"
"\tfield:u64 info;\toffset:24;\tsize:8;\tsigned:0;\n"
"\nprint fmt: %s\n";

struct trace_dat *trace_dat_new(unsigned int vcpus, unsigned int pid, __u32 khz)
{
	struct trace_dat *dat = calloc(1, sizeof(*dat));

	if (dat) {
		dat->cpus = vcpus;
		dat->pid = pid;
		dat->khz = khz;
	}
	return dat;
}

static bool new_page(struct ring *ring, __u64 ns)
{
	__u8 *grown = ring->data;

	/* Doubled when full: pages are a power of two then. */
	if (!(ring->pages & (ring->pages - 1)))
		grown = realloc(ring->data, (ring->pages ? 2 * ring->pages : 1) * PAGE);
	if (!grown)
		return false;
	ring->data = grown;
	memset(grown + ring->pages * PAGE, 0, PAGE);
	put_le64(grown + ring->pages * PAGE, ns);
	ring->pages++;
	ring->used = 0;
	ring->last_ns = ns;
	return true;
}

static void append(struct ring *ring, const void *data, size_t bytes)
{
	__u8 *page = ring->data + (ring->pages - 1) * PAGE;

	memcpy(page + PAGE_HEADER + ring->used, data, bytes);
	ring->used += bytes;
	put_le64(page + 8, ring->used);
}

void trace_dat_add(struct trace_dat *dat, unsigned int vcpu, const struct lodge_trace_record *r)
{
	struct ring *ring = &dat->ring[vcpu];
	__u64 ns = trace_ns(r->tsc, dat->khz), delta;
	struct event e = {
		.type = r->reason == LODGE_TRACE_INJECT ? ID_INJECT :
			r->reason == LODGE_TRACE_LOST ? ID_LOST : ID_EXIT,
		.pid = dat->pid, .ticks = r->ticks, .reason = r->reason, .state = r->state,
		.rip = r->rip, .info = r->info,
	};

	if (ns < ring->last_ns)
		ns = ring->last_ns;
	if ((!ring->pages || ring->used + sizeof(e) + 8 > PAGE - PAGE_HEADER) &&
	    !new_page(ring, ns))
		return;
	delta = ns - ring->last_ns;
	if (delta >> DELTA_BITS) {
		__u32 extend[2] = {
			TIME_EXTEND | (delta & ((1u << DELTA_BITS) - 1)) << 5, delta >> DELTA_BITS,
		};

		append(ring, extend, sizeof(extend));
		delta = 0;
	}
	e.header = EVENT_WORDS | delta << 5;
	append(ring, &e, sizeof(e));
	ring->last_ns = ns;
}

static void write_number(FILE *to, __u64 value, size_t bytes)
{
	fwrite(&value, 1, bytes, to);
}

static void write_sized(FILE *to, const char *text)
{
	write_number(to, strlen(text), 8);
	fputs(text, to);
}

static void write_event(FILE *to, const char *name, unsigned int id, const char *print)
{
	char text[2048];

	snprintf(text, sizeof(text), field_format, name, id, print);
	write_sized(to, text);
}

static void write_formats(FILE *to)
{
	char print[1024];
	size_t n;
	unsigned int i;

	n = snprintf(print, sizeof(print),
		     "\"%%s rip 0x%%llx info 0x%%llx ticks %%u state %%x\", __print_symbolic(REC->reason");
	for (i = 0; i < LODGE_REASON_COUNT; i++)
		n += snprintf(print + n, sizeof(print) - n, ", { %u, \"%s\" }", i, reason_name(i));
	snprintf(print + n, sizeof(print) - n, "), REC->rip, REC->info, REC->ticks, REC->state");
	write_number(to, 0, 4);		/* ftrace's own events */
	write_number(to, 1, 4);		/* systems */
	fwrite("lodge", 1, 6, to);
	write_number(to, 3, 4);		/* events */
	write_event(to, "lodge_exit", ID_EXIT, print);
	write_event(to, "lodge_inject", ID_INJECT, "\"vector %llu\", REC->info");
	write_event(to, "lodge_lost", ID_LOST, "\"%llu records\", REC->info");
}

static void write_rings(const struct trace_dat *dat, FILE *to)
{
	size_t at = ftell(to) + dat->cpus * 16, offset = align_up(at, PAGE);
	static const __u8 zeroes[PAGE];
	unsigned int i;

	for (i = 0; i < dat->cpus; i++) {
		write_number(to, offset, 8);
		write_number(to, dat->ring[i].pages * PAGE, 8);
		offset += dat->ring[i].pages * PAGE;
	}
	fwrite(zeroes, 1, align_up(at, PAGE) - at, to);
	for (i = 0; i < dat->cpus; i++)
		fwrite(dat->ring[i].data, PAGE, dat->ring[i].pages, to);
}

void trace_dat_write(struct trace_dat *dat, FILE *to)
{
	static const char magic[] = "\x17\x08\104tracing6";
	char comm[32];
	unsigned int i;

	fwrite(magic, 1, sizeof(magic), to);
	write_number(to, 0, 1);		/* little-endian */
	write_number(to, 8, 1);		/* bytes of a long */
	write_number(to, PAGE, 4);
	fwrite("header_page", 1, 12, to);
	write_sized(to, page_format);
	fwrite("header_event", 1, 13, to);
	write_sized(to, event_format);
	write_formats(to);
	write_number(to, 0, 4);		/* kallsyms */
	write_number(to, 0, 4);		/* printk formats */
	snprintf(comm, sizeof(comm), "%u lodge\n", dat->pid);
	write_sized(to, comm);
	write_number(to, dat->cpus, 4);
	fwrite("options  ", 1, 10, to);
	write_number(to, 0, 2);
	fwrite("flyrecord", 1, 10, to);
	write_rings(dat, to);
	for (i = 0; i < dat->cpus; i++)
		free(dat->ring[i].data);
	free(dat);
}
