// SPDX-License-Identifier: GPL-2.0-only
/* The sandbox: what goes on working in it, and what ends the program. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ktap.h"
#include "sandbox.h"

static char said[512];

/* In a child, within the sandbox: its wait status; what it said on stderr is in @said. */
static int in_sandbox(void (*act)(void))
{
	struct fault f;
	ssize_t got, all = 0;
	int out[2], status = -1;
	pid_t pid;

	if (pipe(out))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(out[1], STDERR_FILENO);
		if (sandbox_filter(&f))
			_exit(99);
		act();
		_exit(0);
	}
	close(out[1]);
	while ((got = read(out[0], said + all, sizeof(said) - 1 - all)) > 0)
		all += got;
	said[all] = '\0';
	close(out[0]);
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static bool forbidden(void (*act)(void))
{
	int status = in_sandbox(act);

	return WIFEXITED(status) && WEXITSTATUS(status) == 126 &&
	       strstr(said, "system call") && strstr(said, "\nlodge: end: sandbox\n");
}

static void use_all(void)
{
	static char *block[64];
	struct timespec ts;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(block); i++) {
		block[i] = malloc(i << 14);
		memset(block[i], 1, i << 14);
	}
	for (i = 0; i < ARRAY_SIZE(block); i++)
		free(block[i]);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	raise(SIGWINCH);
	usleep(1);
	/* These are refused without further ado. */
	if (fd < 0 || open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		_exit(1);
	fprintf(stderr, "at work\n");
}

static void what_is_needed_works(void)
{
	int status = in_sandbox(use_all);

	CHECK(WIFEXITED(status) && !WEXITSTATUS(status) && !strcmp(said, "at work\n"));
}

static void run_shell(void)
{
	execl("/bin/sh", "sh", "-c", "exit 0", NULL);
}

static void go_to_the_network(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void new_process(void)
{
	fork();
}

static void type_into_terminal(void)
{
	ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static void kill_parent(void)
{
	kill(getppid(), 0);
}

static void kill_parents_thread(void)
{
	syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void make_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void trace_parent(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void own_signals(void)
{
	fcntl(STDIN_FILENO, F_SETOWN, getppid());
}

static void leave_root(void)
{
	if (chroot("/"))
		_exit(1);
}

static void the_rest_ends_it(void)
{
	CHECK(forbidden(run_shell));
	CHECK(forbidden(go_to_the_network));
	CHECK(forbidden(new_process));
	CHECK(forbidden(type_into_terminal));
	CHECK(forbidden(kill_parent));
	CHECK(forbidden(kill_parents_thread));
	CHECK(forbidden(make_code));
	CHECK(forbidden(trace_parent));
	CHECK(forbidden(own_signals));
	CHECK(forbidden(leave_root));
}

/* The numbers of the x32 system calls are not even looked at. */
static void other_abi(void)
{
	syscall(0x40000000 | SYS_getpid);
}

static void other_abis_are_closed(void)
{
	int status = in_sandbox(other_abi);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int go[2];

static void *wait_and_connect(void *arg)
{
	char byte;

	if (read(go[0], &byte, 1) == 1)
		go_to_the_network();
	return arg;
}

/* A thread that was there before is in it, too. */
static void all_threads(void)
{
	struct fault f;
	pthread_t thread;
	int status;
	pid_t pid;

	CHECK(!pipe(go));
	pid = fork();
	if (!pid) {
		close(STDERR_FILENO);
		if (pthread_create(&thread, NULL, wait_and_connect, NULL) || sandbox_filter(&f) ||
		    write(go[1], "x", 1) != 1)
			_exit(99);
		pthread_join(thread, NULL);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 126);
}

/* What /proc/self/status says of @key, as a hexadecimal number. */
static unsigned long long told(const char *key)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long long value = ~0ull;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, 16);
	if (file)
		fclose(file);
	return value;
}

/* In a child: 0 when @rights leave what they say. As root there are folders to look at. */
static int drop(const struct sandbox_rights *rights, unsigned long long capabilities)
{
	bool moved = sandbox_drop(rights), root = !geteuid();

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	if (!moved)
		return told("CapEff:") != capabilities || told("CapPrm:") != capabilities ? 2 :
		       rights->root && root ? 3 : 0;
	return access("/proc/self/status", F_OK) ? 0 : 4;
}

static int dropped(const struct sandbox_rights *rights, unsigned long long capabilities)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(drop(rights, capabilities));
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void rights_go(void)
{
	const struct sandbox_rights nothing = { 0 }, files = { .other_users_files = true };
	char dir[] = "/tmp/lodge-root-XXXXXX";
	const struct sandbox_rights folder = { .root = dir };

	CHECK(mkdtemp(dir));
	CHECK(dropped(&nothing, 0) == 0);
	CHECK(dropped(&files, geteuid() ? 0 : 2) == 0);
	CHECK(dropped(&folder, 0) == 0);
	CHECK(!rmdir(dir));
}

int main(void)
{
	static const struct test tests[] = {
		{ "what_is_needed_works", what_is_needed_works },
		{ "the_rest_ends_it", the_rest_ends_it },
		{ "other_abis_are_closed", other_abis_are_closed },
		{ "all_threads", all_threads },
		{ "rights_go", rights_go },
	};

	return ktap_run(tests, ARRAY_SIZE(tests));
}
