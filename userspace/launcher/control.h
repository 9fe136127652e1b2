/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket: how other processes of the same user, and root, reach a
 * running guest. A line holds one JSON object: {"verb":"info"} is asked, and
 * {"ok":true,...} or {"ok":false,"error":"..."} answered; file descriptors come
 * with the answer (SCM_RIGHTS).
 */
#ifndef _LAUNCHER_CONTROL_H
#define _LAUNCHER_CONTROL_H

#include <pthread.h>
#include <sys/un.h>

#include <lodge/liblodge.h>

#include "util.h"

#define CONTROL_LINE	4096
#define CONTROL_FDS	(LODGE_MAX_VCPUS + 1)

/* By enum lodge_ring_stat: the counters, then the histograms */
#define CONTROL_RING_NAMES \
	{ "chains", "bytes", "runs", "interrupts", "errors", "here", "throttled" }
#define CONTROL_RING_TIMES	{ "wait", "service", "report" }
#define CONTROL_RING_TIME_COUNT	3

struct machine;

struct control {
	struct machine *machine;
	struct sockaddr_un addr;
	int fd;			/* listens; -1: there is no socket */
	bool started;
	bool stopping;		/* atomic */
	pthread_t thread;
	__u64 began_ms;
	__u64 asked_ms;		/* "memory", last; 0: never */
};

/* @machine's name must not be another's. Fails when it is; goes on without a socket otherwise. */
int control_listen(struct control *c, struct machine *machine, struct fault *f);
/* The folder of its socket, or NULL, in @dir of that size. */
const char *control_folder(const struct control *c, char *dir, size_t bytes);
/* That folder is the working folder from now on. */
void control_moved(struct control *c);
/* Begins to answer. */
void control_start(struct control *c);
void control_stop(struct control *c);

/* An answer: @fds of them came with it and belong to whoever asked. */
struct control_answer {
	char line[CONTROL_LINE];
	int fd[CONTROL_FDS];
	unsigned int fds;
};

/* A running guest, as "info" tells. */
struct guest_info {
	char name[32];
	__u64 pid;
	__u64 cpus;
	__u64 memory;
	__u64 uptime_ms;
};

/* Calls @fn for each running guest until it returns true; that socket stays open, or -1. */
int control_find(bool (*fn)(void *arg, const struct guest_info *info), void *arg);
/* The guest that the user calls @text: its name or pid. */
int control_open(const char *text, struct guest_info *info, struct fault *f);
int control_ask(int fd, const char *request, struct control_answer *answer);

#endif /* _LAUNCHER_CONTROL_H */
