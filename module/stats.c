// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics: where a vCPU's time goes, and the fd that tells.
 *
 * A vCPU is in one phase at a time. When the next begins is noted while lodge_watched
 * is on, for traces and statistics; what a phase took is counted while lodge_timed is, for
 * statistics and tracepoints.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>

#include "trace.h"

DEFINE_STATIC_KEY_FALSE(lodge_watched);
DEFINE_STATIC_KEY_FALSE(lodge_timed);
static DEFINE_MUTEX(timed_lock);
static u64 timed_since;		/* a TSC value; written under timed_lock */

/** lodge_watch_get() - take time from now on, until lodge_watch_put(). Sleeps; 0 */
int lodge_watch_get(void)
{
	guard(mutex)(&timed_lock);
	if (!static_key_enabled(&lodge_timed))
		WRITE_ONCE(timed_since, rdtsc());
	static_branch_inc(&lodge_timed);
	static_branch_inc(&lodge_watched);
	return 0;
}

/** lodge_watch_put() - the reverse of lodge_watch_get(). Sleeps */
void lodge_watch_put(void)
{
	guard(mutex)(&timed_lock);
	static_branch_dec(&lodge_watched);
	static_branch_dec(&lodge_timed);
}

static void hist_add(struct lodge_vcpu *vcpu, enum lodge_hist_id id, u64 value)
{
	vcpu->stats.hist[id][min(fls64(value), LODGE_HIST_BUCKETS - 1)]++;
}

static void count_ticks(struct lodge_vcpu *vcpu, enum lodge_stat_id stat, enum lodge_hist_id hist,
			u64 ticks)
{
	vcpu->stats.count[stat] += ticks;
	hist_add(vcpu, hist, ticks);
}

/* The work for an exit goes on after a sleep or a trip to userspace: one exit, more time. */
static void leave_kernel(struct lodge_vcpu *vcpu, u64 now, u64 ticks)
{
	struct lodge_watch *w = &vcpu->watch;

	vcpu->stats.ticks[w->reason] += ticks;
	if (w->open) {
		hist_add(vcpu, LODGE_HIST_EXIT, ticks);
		trace_lodge_exit(vcpu, ticks);
	}
	if (w->ring2)
		count_ticks(vcpu, LODGE_STAT_RING2_TICKS, LODGE_HIST_RING2,
			    max_t(s64, now - w->ring2, 0));
}

/* A phase ends. One that began before time was taken is not counted. */
static noinline void count_phase(struct lodge_vcpu *vcpu, u64 now, u64 ticks)
{
	struct lodge_watch *w = &vcpu->watch;

	if (unlikely(w->since < READ_ONCE(timed_since)))
		ticks = 0;
	else if (w->phase == LODGE_PHASE_GUEST)
		vcpu->stats.count[LODGE_STAT_GUEST_TICKS] += ticks;
	else if (w->phase == LODGE_PHASE_KERNEL)
		leave_kernel(vcpu, now, ticks);
	else if (w->phase == LODGE_PHASE_HALT)
		count_ticks(vcpu, LODGE_STAT_HALT_TICKS, LODGE_HIST_HALT, ticks);
	else if (w->phase == LODGE_PHASE_USER)
		count_ticks(vcpu, LODGE_STAT_USER_TICKS, LODGE_HIST_USER, ticks);
	w->ring2 = 0;
}

/** lodge_watch_phase() - another phase begins; by the vCPU's thread, any ring */
void lodge_watch_phase(struct lodge_vcpu *vcpu, enum lodge_phase phase)
{
	struct lodge_watch *w = &vcpu->watch;
	u64 now, ticks;

	if (w->phase == phase)
		return;
	now = rdtsc();
	/* Another CPU's TSC may be behind. */
	ticks = max_t(s64, now - w->since, 0);
	if (static_branch_unlikely(&lodge_timed))
		count_phase(vcpu, now, ticks);
	if (w->open)
		lodge_trace_record(vcpu, ticks);
	w->open = false;
	w->phase = phase;
	w->since = now;
	if (static_branch_unlikely(&lodge_timed) && phase == LODGE_PHASE_GUEST)
		trace_lodge_entry(vcpu);
}

static __always_inline void open_exit(struct lodge_vcpu *vcpu, u64 now, u64 rip)
{
	struct lodge_watch *w = &vcpu->watch;

	w->phase = LODGE_PHASE_KERNEL;
	w->open = true;
	w->reason = LODGE_REASON_OTHER;
	w->state = 0;
	w->since = now;
	w->rip = rip;
	w->info = 0;
	if (unlikely(w->wants_state))
		lodge_trace_state(vcpu);
}

static noinline void count_exit(struct lodge_vcpu *vcpu, u64 rip)
{
	u64 now = rdtsc();

	count_phase(vcpu, now, max_t(s64, now - vcpu->watch.since, 0));
	open_exit(vcpu, now, rip);
}

/* Ring 1, in phase LODGE_PHASE_GUEST: what follows is done for this exit. */
void lodge_watch_exit(struct lodge_vcpu *vcpu, u64 rip)
{
	if (static_branch_unlikely(&lodge_timed))
		count_exit(vcpu, rip);
	else
		open_exit(vcpu, rdtsc(), rip);
}

void lodge_watch_reason(struct lodge_vcpu *vcpu, enum lodge_reason reason, u64 info)
{
	vcpu->watch.reason = reason;
	vcpu->watch.info = info;
	if (static_branch_unlikely(&lodge_timed))
		lodge_trace_info(vcpu);
}

void lodge_watch_ring2(struct lodge_vcpu *vcpu)
{
	if (static_branch_unlikely(&lodge_timed))
		vcpu->watch.ring2 = rdtsc();
}

/** lodge_count_ready() - how long the thread waited for a CPU since it was last asked */
void lodge_count_ready(struct lodge_vcpu *vcpu)
{
	struct lodge_watch *w = &vcpu->watch;
	u64 delay = lodge_run_delay();
	s64 grown = delay - w->delay;

	if (w->delay_of == current && grown > 0)
		count_ticks(vcpu, LODGE_STAT_READY_NS, LODGE_HIST_READY, grown);
	w->delay = delay;
	w->delay_of = current;
}

/* Values as they are stored: those of a vCPU, then what only a VM has. */
struct values {
	struct lodge_stats stats;
	u64 table_pages;
	u64 mapped[3];		/* leaves by size */
};

/* Rows of descs[] */
#define DESC(member, kind_of, unit_of, text) {					\
	.kind = LODGE_STAT_##kind_of, .unit = LODGE_UNIT_##unit_of,			\
	.offset = offsetof(struct values, member),				\
	.count = sizeof_field(struct values, member) / sizeof(u64), .name = (text),	\
}

#define REASON(id, text)								\
	DESC(stats.exits[LODGE_REASON_##id], COUNTER, NONE, "exits." text),		\
	DESC(stats.ticks[LODGE_REASON_##id], COUNTER, TICKS, "ticks." text),
#define COUNT(id, unit, text)	DESC(stats.count[LODGE_STAT_##id], COUNTER, unit, text)
#define HIST(id, unit, text)	DESC(stats.hist[LODGE_HIST_##id], LOG2, unit, text)

static const struct lodge_stats_desc descs[] = {
	COUNT(EXITS, NONE, "exits"),
	LODGE_REASONS(REASON)
	COUNT(RING2, NONE, "ring2"), COUNT(USER, NONE, "user"), COUNT(INJECT, NONE, "injected"),
	COUNT(EMULATED, NONE, "emulated"), COUNT(POSTED, NONE, "posted"),
	COUNT(DOORBELL, NONE, "doorbells"), COUNT(TLB_FLUSH, NONE, "tlb-flushes"),
	COUNT(FAULT_4K, NONE, "faults.4k"), COUNT(FAULT_2M, NONE, "faults.2m"),
	COUNT(FAULT_1G, NONE, "faults.1g"),
	COUNT(GUEST_TICKS, TICKS, "time.guest"), COUNT(RING2_TICKS, TICKS, "time.ring2"),
	COUNT(USER_TICKS, TICKS, "time.user"), COUNT(HALT_TICKS, TICKS, "time.halt"),
	COUNT(READY_NS, NS, "time.ready"),
	HIST(EXIT, TICKS, "hist.exit"), HIST(RING2, TICKS, "hist.ring2"),
	HIST(USER, TICKS, "hist.user"), HIST(HALT, TICKS, "hist.halt"),
	HIST(READY, NS, "hist.ready"),
	/* From here on of a VM alone. */
	DESC(table_pages, GAUGE, NONE, "tables.pages"), DESC(mapped[0], GAUGE, NONE, "mapped.4k"),
	DESC(mapped[1], GAUGE, NONE, "mapped.2m"), DESC(mapped[2], GAUGE, NONE, "mapped.1g"),
};

#define VM_DESCS	4

/* An open statistics fd: it keeps the VM's objects, not the guest's memory. */
struct reader {
	struct lodge_vm *vm;
	struct lodge_vcpu *vcpu;	/* NULL: all */
	bool timing;
};

/* What read() gives. */
struct blob {
	struct lodge_stats_header header;
	struct lodge_stats_desc descs[ARRAY_SIZE(descs)];
	struct values values;
};

static void add_vcpu(struct lodge_stats *sum, const struct lodge_vcpu *vcpu)
{
	const u64 *from = (const u64 *)&vcpu->stats;
	u64 *to = (u64 *)sum;
	size_t i;

	for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
		to[i] += READ_ONCE(from[i]);
}

/* What no handler claimed. A running vCPU may be between its two counters. */
static void count_other(struct lodge_stats *stats)
{
	u64 left = stats->count[LODGE_STAT_EXITS];
	int i;

	for (i = LODGE_REASON_OTHER + 1; i < LODGE_REASON_COUNT; i++)
		left -= min(left, stats->exits[i]);
	stats->exits[LODGE_REASON_OTHER] = left;
}

static void collect(const struct reader *r, struct values *values)
{
	struct lodge_mmu *mmu = &r->vm->mmu;
	struct lodge_vcpu *vcpu;
	int i;

	for_each_lodge_vcpu(i, vcpu, r->vm)
		if (!r->vcpu || r->vcpu == vcpu)
			add_vcpu(&values->stats, vcpu);
	count_other(&values->stats);
	values->table_pages = atomic_long_read(&mmu->table_pages);
	for (i = 0; i < 3; i++)
		values->mapped[i] = atomic_long_read(&mmu->mapped[i + 1]);
}

static ssize_t stats_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	const struct reader *r = file->private_data;
	struct blob *blob = kvzalloc(sizeof(*blob), GFP_KERNEL_ACCOUNT);
	ssize_t ret;

	if (!blob)
		return -ENOMEM;
	blob->header = (struct lodge_stats_header) {
		.bytes = r->vcpu ? offsetof(struct blob, values.table_pages) : sizeof(*blob),
		.descs = ARRAY_SIZE(descs) - (r->vcpu ? VM_DESCS : 0),
		.desc_offset = offsetof(struct blob, descs),
		.desc_bytes = sizeof(descs[0]),
		.value_offset = offsetof(struct blob, values),
		.tsc_khz = tsc_khz,
		.vcpu = r->vcpu ? r->vcpu->id : -1,
	};
	strscpy(blob->header.name, r->vm->name, sizeof(blob->header.name));
	memcpy(blob->descs, descs, blob->header.descs * sizeof(descs[0]));
	collect(r, &blob->values);
	ret = simple_read_from_buffer(to, count, pos, blob, blob->header.bytes);
	kvfree(blob);
	return ret;
}

static void reader_free(struct reader *r)
{
	if (r->timing)
		lodge_watch_put();
	lodge_vm_put(r->vm);
	kfree(r);
}

static int stats_release(struct inode *inode, struct file *file)
{
	reader_free(file->private_data);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = default_llseek,
};

/** lodge_anon_fd() - a file descriptor for @private, to be read; -EMFILE, -ENFILE, -ENOMEM */
int lodge_anon_fd(const char *name, const struct file_operations *fops, void *private)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, private, O_RDONLY | O_CLOEXEC);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}

/*
 * lodge_stats_fd() - LODGE_VM_STATS, LODGE_VCPU_STATS (@vcpu not NULL): the file
 * descriptor; -EMFILE, -ENOMEM
 */
int lodge_stats_fd(struct lodge_vm *vm, struct lodge_vcpu *vcpu, u32 flags)
{
	struct reader *r = kmalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	int fd;

	if (!r)
		return -ENOMEM;
	*r = (struct reader) { .vm = vm, .vcpu = vcpu, .timing = flags & LODGE_STATS_TIMING };
	kref_get(&vm->ref);
	if (r->timing)
		lodge_watch_get();
	fd = lodge_anon_fd("[lodge-stats]", &stats_fops, r);
	if (fd < 0)
		reader_free(r);
	return fd;
}
