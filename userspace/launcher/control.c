// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket of a running guest. A thread of its own serves one caller
 * at a time; who says nothing for a while is sent away.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "control_path.h"
#include "json.h"
#include "machine.h"
#include "usage.h"

#define PATIENCE_SECONDS	2

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void refuse(FILE *out, const char *why)
{
	fputs("{\"ok\":false,\"error\":", out);
	json_string(out, why);
	putc('}', out);
}

/* Descriptors go with the answer and are closed here then. */
static bool add_fd(struct control_answer *a, int fd, FILE *out)
{
	if (fd < 0)
		refuse(out, strerror(-fd));
	else
		a->fd[a->fds++] = fd;
	return fd >= 0;
}

static void verb_info(struct control *c, const char *request, FILE *out, struct control_answer *a)
{
	const struct machine_config *config = &c->machine->config;

	(void)request;
	(void)a;
	fputs("{\"ok\":true,\"name\":", out);
	json_string(out, config->name);
	fprintf(out, ",\"pid\":%d,\"cpus\":%u,\"memory\":%llu,\"uptime_ms\":%llu}", getpid(),
		config->cpus, config->memory, now_ms() - c->began_ms);
}

/* What was accessed counts from the last time that this was asked. */
static void verb_memory(struct control *c, const char *request, FILE *out, struct control_answer *a)
{
	__u64 since = c->asked_ms ? c->asked_ms : c->began_ms;
	struct memory_usage u;
	int ret = usage_get(&u, &c->machine->mem, c->machine->vm);

	(void)request;
	(void)a;
	if (ret < 0) {
		refuse(out, strerror(-ret));
		return;
	}
	c->asked_ms = now_ms();
	fprintf(out, "{\"ok\":true,\"resident\":%llu,\"swapped\":%llu,\"merged\":%llu",
		u.resident, u.swapped, u.merged);
	fprintf(out, ",\"huge\":%llu,\"tables\":%llu,\"accessed\":%llu,\"accessed_ms\":%llu}",
		u.huge, u.tables, u.accessed, c->asked_ms - since);
}

/* The VM's statistics descriptor, then those of the vCPUs. "timing":1 */
static void verb_stats(struct control *c, const char *request, FILE *out, struct control_answer *a)
{
	struct machine *m = c->machine;
	__u64 timing = 0;
	unsigned int i;

	json_get_number(request, "timing", &timing);
	timing = timing ? LODGE_STATS_TIMING : 0;
	if (!add_fd(a, lodge_vm_stats(m->vm, timing), out))
		return;
	for (i = 0; i < m->config.cpus; i++)
		if (!add_fd(a, lodge_vcpu_stats(m->vcpu[i].fd, timing), out))
			return;
	fprintf(out, "{\"ok\":true,\"fds\":%u}", a->fds);
}

/* A trace descriptor for each vCPU. "records":N, "state":1 */
static void verb_trace(struct control *c, const char *request, FILE *out, struct control_answer *a)
{
	__u64 records = 16384, state = 0;
	struct machine *m = c->machine;
	unsigned int i;

	json_get_number(request, "records", &records);
	json_get_number(request, "state", &state);
	for (i = 0; i < m->config.cpus; i++)
		if (!add_fd(a, lodge_trace(m->vcpu[i].fd, state ? LODGE_TRACE_STATE : 0, records),
			    out))
			return;
	fprintf(out, "{\"ok\":true,\"fds\":%u}", a->fds);
}

/* What the guest has, after "bytes":N says what it shall have. */
static void verb_balloon(struct control *c, const char *request, FILE *out,
			 struct control_answer *a)
{
	struct balloon_state state = { 0 };
	struct machine *m = c->machine;
	int ret = 0;
	__u64 bytes;

	(void)a;
	pthread_mutex_lock(&m->lock);
	if (json_get_number(request, "bytes", &bytes))
		ret = virtio_balloon_set(m, bytes);
	ret = ret ? ret : virtio_balloon_get(m, &state);
	pthread_mutex_unlock(&m->lock);
	if (ret) {
		refuse(out, ret == -ENODEV ? "it was started without --balloon" :
		       "more than the guest was started with");
		return;
	}
	fprintf(out, "{\"ok\":true,\"wanted\":%llu,\"bytes\":%llu", state.wanted, state.bytes);
	fprintf(out, ",\"free\":%llu,\"available\":%llu}", state.free, state.available);
}

/* A string of its buckets, as far as there is something in them. */
static void put_histogram(FILE *out, const char *name, const __u64 *bucket)
{
	unsigned int count = LODGE_RING_BUCKETS, i;

	while (count && !bucket[count - 1])
		count--;
	fprintf(out, ",\"%s\":\"", name);
	for (i = 0; i < count; i++)
		fprintf(out, "%s%llu", i ? " " : "", bucket[i]);
	putc('"', out);
}

/* A virtqueue's counters and times; "number":N counts those of all devices. */
static void verb_ring(struct control *c, const char *request, FILE *out, struct control_answer *a)
{
	static const char *const names[LODGE_RING_COUNTERS] = CONTROL_RING_NAMES;
	static const char *const times[CONTROL_RING_TIME_COUNT] = CONTROL_RING_TIMES;
	struct ring_state state = { 0 };
	__u64 number = 0;
	unsigned int i;

	(void)a;
	json_get_number(request, "number", &number);
	if (number > VIRTIO_MAX * LODGE_MAX_RINGS ||
	    virtio_ring_state(c->machine, number, &state)) {
		refuse(out, "no such ring");
		return;
	}
	fprintf(out, "{\"ok\":true,\"device\":\"%s\",\"ring\":%u", state.device, state.ring);
	for (i = 0; i < LODGE_RING_COUNTERS; i++)
		fprintf(out, ",\"%s\":%llu", names[i], state.values[i]);
	for (i = 0; i < CONTROL_RING_TIME_COUNT; i++)
		put_histogram(out, times[i],
			      &state.values[LODGE_RING_COUNTERS + i * LODGE_RING_BUCKETS]);
	putc('}', out);
}

/* What can be asked. Each writes one object and may add descriptors. */
static const struct verb {
	const char *name;
	void (*run)(struct control *c, const char *request, FILE *out, struct control_answer *a);
} verbs[] = {
	{ "info", verb_info },
	{ "memory", verb_memory },
	{ "stats", verb_stats },
	{ "trace", verb_trace },
	{ "balloon", verb_balloon },
	{ "ring", verb_ring },
};

static void answer(struct control *c, const char *request, FILE *out, struct control_answer *a)
{
	char verb[32];
	unsigned int i;

	if (!json_get(request, "verb", verb, sizeof(verb))) {
		refuse(out, "not a JSON object with a verb");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, verb)) {
			verbs[i].run(c, request, out, a);
			return;
		}
	refuse(out, "no such verb");
}

static bool send_answer(int fd, struct control_answer *a)
{
	char control[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	struct iovec iov = { a->line, strlen(a->line) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	bool sent;

	if (a->fds) {
		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(a->fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(a->fds * sizeof(int));
		memcpy(CMSG_DATA(c), a->fd, a->fds * sizeof(int));
	}
	sent = sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
	while (a->fds)
		close(a->fd[--a->fds]);
	return sent;
}

static bool serve_line(struct control *c, int fd, const char *request, bool friend)
{
	struct control_answer a = { .fds = 0 };
	FILE *out = fmemopen(a.line, sizeof(a.line) - 2, "w");

	if (!out)
		return false;
	if (friend)
		answer(c, request, out, &a);
	else
		refuse(out, "the guest is another user's");
	fclose(out);
	strcat(a.line, "\n");
	return send_answer(fd, &a) && friend;
}

/* Lines may come in pieces, or several at once. */
static void serve(struct control *c, int fd)
{
	struct timeval limit = { .tv_sec = PATIENCE_SECONDS };
	char line[CONTROL_LINE], *end;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	size_t have = 0;
	ssize_t got;
	bool friend;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	friend = !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) &&
		 (peer.uid == 0 || peer.uid == geteuid());
	while (have < sizeof(line) && !__atomic_load_n(&c->stopping, __ATOMIC_RELAXED)) {
		got = read(fd, line + have, sizeof(line) - have);
		if (got <= 0)
			return;
		have += got;
		while ((end = memchr(line, '\n', have))) {
			*end++ = '\0';
			if (!serve_line(c, fd, line, friend))
				return;
			have -= end - line;
			memmove(line, end, have);
		}
	}
}

static void *control_thread(void *arg)
{
	struct control *c = arg;
	int fd;

	for (;;) {
		fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return NULL;	/* shut down */
		if (fd < 0)
			continue;
		serve(c, fd);
		close(fd);
	}
}

static bool same_name(void *arg, const struct guest_info *info)
{
	return !strcmp(arg, info->name);
}

/* A path with the guest's name and pid, in the first folder that can be had. */
static int make_address(struct control *c)
{
	const char *name = c->machine->config.name;
	size_t room = sizeof(c->addr.sun_path);
	char dir[sizeof(c->addr.sun_path)], *p;
	unsigned int n;
	int used;

	for (n = 0; control_dir(n, dir, sizeof(dir)); n++) {
		if (mkdir(dir, 0700) && errno != EEXIST)
			continue;
		if (access(dir, W_OK))
			continue;
		used = snprintf(c->addr.sun_path, room, "%s/", dir);
		p = c->addr.sun_path + used;
		if (snprintf(p, room - used, "%s%s%d", name, *name ? "." : "", getpid()) >=
		    (int)room - used)
			continue;
		for (; *p; p++)
			if (*p == '/' || (*p == '.' && p == c->addr.sun_path + used))
				*p = '_';
		return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

/* Under the folder's lock, so that two of one name do not miss each other. */
static int listen_unless_taken(struct control *c, struct fault *f)
{
	char *name = (char *)c->machine->config.name;
	int taken = *name ? control_find(same_name, name) : -1;

	if (taken >= 0) {
		close(taken);
		return fault_set(f, name, "a guest of this name is running",
				 "choose another with --name; \"lodge list\" shows the names in use",
				 EEXIST);
	}
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(c->addr.sun_path);	/* of a process that had our pid before */
	if (c->fd >= 0 && (bind(c->fd, (struct sockaddr *)&c->addr, sizeof(c->addr)) ||
			   chmod(c->addr.sun_path, 0600) || listen(c->fd, 8))) {
		close(c->fd);
		c->fd = -1;
	}
	return 0;
}

int control_listen(struct control *c, struct machine *machine, struct fault *f)
{
	int lock, ret;

	*c = (struct control){ .machine = machine, .fd = -1, .addr.sun_family = AF_UNIX };
	c->began_ms = now_ms();
	lock = make_address(c);
	if (lock < 0)
		return 0;
	flock(lock, LOCK_EX);
	ret = listen_unless_taken(c, f);
	close(lock);
	usage_open();
	return ret;
}

const char *control_folder(const struct control *c, char *dir, size_t bytes)
{
	const char *end = strrchr(c->addr.sun_path, '/');

	if (c->fd < 0 || !end)
		return NULL;
	snprintf(dir, bytes, "%.*s", (int)(end - c->addr.sun_path), c->addr.sun_path);
	return dir;
}

void control_moved(struct control *c)
{
	char *name = strrchr(c->addr.sun_path, '/') + 1;

	memmove(c->addr.sun_path, name, strlen(name) + 1);
}

void control_start(struct control *c)
{
	c->started = c->fd >= 0 && !pthread_create(&c->thread, NULL, control_thread, c);
	if (c->started)
		pthread_setname_np(c->thread, "lodge-control");
}

void control_stop(struct control *c)
{
	if (c->fd < 0 || !c->machine)
		return;
	unlink(c->addr.sun_path);
	__atomic_store_n(&c->stopping, true, __ATOMIC_RELAXED);
	shutdown(c->fd, SHUT_RDWR);
	if (c->started)
		pthread_join(c->thread, NULL);
	close(c->fd);
	c->fd = -1;
}
