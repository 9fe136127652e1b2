// SPDX-License-Identifier: GPL-2.0-only
/* The control socket, from outside: finding guests and asking them. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "control_path.h"
#include "json.h"

#define TIMEOUT_SECONDS	5

bool control_dir(unsigned int n, char *path, size_t room)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (n == 0 && runtime && *runtime == '/')
		return snprintf(path, room, "%s/lodge", runtime) < (int)room;
	if (n > (runtime && *runtime == '/' ? 1 : 0))
		return false;
	return snprintf(path, room, "/run/lodge") < (int)room;
}

/* A socket that nobody listens to any more is removed. */
static int open_socket(const char *dir, const char *name)
{
	struct timeval limit = { .tv_sec = TIMEOUT_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", dir, name) >=
	    (int)sizeof(addr.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	if (errno == ECONNREFUSED)
		unlink(addr.sun_path);
	close(fd);
	return -1;
}

static void take_fds(struct msghdr *msg, struct control_answer *answer)
{
	struct cmsghdr *c;
	size_t n;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > CONTROL_FDS - answer->fds)
			n = CONTROL_FDS - answer->fds;
		memcpy(&answer->fd[answer->fds], CMSG_DATA(c), n * sizeof(int));
		answer->fds += n;
	}
}

int control_ask(int fd, const char *request, struct control_answer *answer)
{
	char control[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	size_t have = 0;
	ssize_t got;

	answer->fds = 0;
	if (dprintf(fd, "%s\n", request) < 0)
		return -errno;
	do {
		struct iovec iov = { answer->line + have, sizeof(answer->line) - 1 - have };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};

		got = iov.iov_len ? recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) : 0;
		if (got <= 0)
			return got < 0 ? -errno : -EPROTO;
		take_fds(&msg, answer);
		have += got;
		answer->line[have] = '\0';
	} while (!strchr(answer->line, '\n'));
	return 0;
}

static bool get_info(int fd, struct guest_info *info)
{
	struct control_answer answer;

	return !control_ask(fd, "{\"verb\":\"info\"}", &answer) &&
	       json_get(answer.line, "name", info->name, sizeof(info->name)) &&
	       json_get_number(answer.line, "pid", &info->pid) &&
	       json_get_number(answer.line, "cpus", &info->cpus) &&
	       json_get_number(answer.line, "memory", &info->memory) &&
	       json_get_number(answer.line, "uptime_ms", &info->uptime_ms);
}

static int find_in(const char *dir, bool (*fn)(void *arg, const struct guest_info *info), void *arg)
{
	struct guest_info info;
	struct dirent *entry;
	DIR *d = opendir(dir);
	int fd = -1;

	while (d && fd < 0 && (entry = readdir(d))) {
		if (*entry->d_name == '.')
			continue;
		fd = open_socket(dir, entry->d_name);
		if (fd >= 0 && (!get_info(fd, &info) || !fn(arg, &info))) {
			close(fd);
			fd = -1;
		}
	}
	if (d)
		closedir(d);
	return fd;
}

int control_find(bool (*fn)(void *arg, const struct guest_info *info), void *arg)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	unsigned int n;
	int fd = -1;

	for (n = 0; fd < 0 && control_dir(n, dir, sizeof(dir)); n++)
		fd = find_in(dir, fn, arg);
	return fd;
}

struct wanted {
	const char *text;
	struct guest_info *info;
};

static bool is_wanted(void *arg, const struct guest_info *info)
{
	struct wanted *w = arg;
	char pid[24];

	snprintf(pid, sizeof(pid), "%llu", info->pid);
	*w->info = *info;
	return !strcmp(w->text, pid) || (*info->name && !strcmp(w->text, info->name));
}

int control_open(const char *text, struct guest_info *info, struct fault *f)
{
	struct wanted w = { text, info };
	int fd = control_find(is_wanted, &w);

	if (fd < 0)
		fault_set(f, text, "no running guest has this name or pid", "lodge list", ESRCH);
	return fd;
}
