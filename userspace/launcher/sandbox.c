// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox of "lodge run". By the time that it closes, every file is open,
 * every helper and every thread started: there is no call left to open, start or
 * become anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"
#include "term.h"

#define STATUS_DIED	126
#define LODGE_IOCTLS	('L' << 8)

/* Rights */

static void drop_capabilities(bool other_users_files)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (other_users_files && !geteuid())
		data[0].permitted = BIT(CAP_DAC_OVERRIDE);
	data[0].effective = data[0].permitted;
	syscall(SYS_capset, &header, data);
}

bool sandbox_drop(const struct sandbox_rights *r)
{
	static const int spaces[] = { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS };
	bool moved = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spaces) && !geteuid(); i++)
		/* What is unmounted outside must not stay busy because of us. */
		if (!unshare(spaces[i]) && spaces[i] == CLONE_NEWNS)
			mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	/* Without the capability there is no way out. */
	if (r->root && !geteuid() && !chdir(r->root))
		moved = !chroot(".");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	drop_capabilities(r->other_users_files);
	return moved;
}

/* System calls */

/* One of several arguments has to have one of several values: one row for each. */
struct rule {
	int call;
	struct scmp_arg_cmp arg;
};

#define ARG_IS(n, value)		SCMP_CMP(n, SCMP_CMP_EQ, value)
#define ARG_MASKED(n, mask, value)	SCMP_CMP(n, SCMP_CMP_MASKED_EQ, mask, value)

static int allow(scmp_filter_ctx ctx)
{
	const struct rule rules[] = {
		/* Lodge's own, the terminal's, a tap's; first, as vCPUs live on it. */
		{ SCMP_SYS(ioctl), ARG_MASKED(1, 0xffffff00, LODGE_IOCTLS) },
		{ SCMP_SYS(ioctl), ARG_IS(1, TCGETS) },
		{ SCMP_SYS(ioctl), ARG_IS(1, TCSETS) },
		{ SCMP_SYS(ioctl), ARG_IS(1, TUNSETOFFLOAD) },	/* by the guest's features */
		{ SCMP_SYS(ioctl), ARG_IS(1, TUNSETQUEUE) },	/* by how many it uses */
		/* Waiting, locks, time, signals among our threads */
		{ .call = SCMP_SYS(futex) },
		{ .call = SCMP_SYS(poll) },
		{ .call = SCMP_SYS(epoll_wait) },
		{ .call = SCMP_SYS(epoll_ctl) },
		{ .call = SCMP_SYS(clock_gettime) },
		{ .call = SCMP_SYS(clock_nanosleep) },
		{ .call = SCMP_SYS(restart_syscall) },
		{ .call = SCMP_SYS(timerfd_create) },
		{ .call = SCMP_SYS(timerfd_settime) },
		{ .call = SCMP_SYS(rt_sigaction) },
		{ .call = SCMP_SYS(rt_sigprocmask) },
		{ .call = SCMP_SYS(rt_sigreturn) },
		{ SCMP_SYS(tgkill), ARG_IS(0, getpid()) },
		{ .call = SCMP_SYS(getpid) },
		{ .call = SCMP_SYS(gettid) },
		{ .call = SCMP_SYS(geteuid) },
		{ .call = SCMP_SYS(sched_getaffinity) },	/* malloc() counts CPUs */
		{ .call = SCMP_SYS(set_robust_list) },		/* threads begin with these two */
		{ .call = SCMP_SYS(rseq) },
		{ .call = SCMP_SYS(exit) },
		{ .call = SCMP_SYS(exit_group) },
		/* What is open */
		{ .call = SCMP_SYS(read) },
		{ .call = SCMP_SYS(write) },
		{ .call = SCMP_SYS(writev) },
		{ .call = SCMP_SYS(lseek) },
		{ .call = SCMP_SYS(fstat) },
		{ .call = SCMP_SYS(pread64) },
		{ .call = SCMP_SYS(dup) },
		{ SCMP_SYS(fcntl), ARG_IS(1, F_GETFL) },
		{ .call = SCMP_SYS(close) },
		/* Streams of the control socket, vsock and helpers; a helper's end */
		{ SCMP_SYS(socket), ARG_IS(0, AF_UNIX) },
		{ .call = SCMP_SYS(connect) },
		{ .call = SCMP_SYS(accept4) },
		{ .call = SCMP_SYS(getsockopt) },
		{ .call = SCMP_SYS(setsockopt) },
		{ .call = SCMP_SYS(sendto) },
		{ .call = SCMP_SYS(sendmsg) },
		{ .call = SCMP_SYS(recvfrom) },
		{ .call = SCMP_SYS(recvmsg) },
		{ .call = SCMP_SYS(shutdown) },
		{ .call = SCMP_SYS(unlink) },
		{ .call = SCMP_SYS(pidfd_send_signal) },
		/* Memory, none of it for code */
		{ .call = SCMP_SYS(brk) },
		{ SCMP_SYS(mmap), ARG_MASKED(2, PROT_EXEC, 0) },
		{ SCMP_SYS(mprotect), ARG_MASKED(2, PROT_EXEC, 0) },
		{ .call = SCMP_SYS(mremap) },
		{ .call = SCMP_SYS(munmap) },
		{ .call = SCMP_SYS(madvise) },
	};
	unsigned int i, args;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(rules) && !ret; i++) {
		args = rules[i].arg.op != _SCMP_CMP_MIN;
		ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rules[i].call, args,
					     &rules[i].arg);
	}
	return ret;
}

/* The C library tries these and lives with a refusal: malloc(), and a stream's buffer. */
static int refuse(scmp_filter_ctx ctx)
{
	static const int calls[] = { SCMP_SYS(openat), SCMP_SYS(newfstatat) };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(calls) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), calls[i], 0);
	return ret;
}

/* The call was not made. Who got here may be the guest: nothing is left to be saved. */
static void on_violation(int sig, siginfo_t *info, void *context)
{
	char text[128];
	int bytes;

	(void)sig;
	(void)context;
	term_restore();
	bytes = snprintf(text, sizeof(text), "lodge: sandbox: system call %d is not allowed\n"
			 "lodge: end: sandbox\n", info->si_syscall);
	if (write(STDERR_FILENO, text, bytes) != bytes)
		_exit(STATUS_DIED);
	_exit(STATUS_DIED);
}

int sandbox_filter(struct fault *f)
{
	struct sigaction action = { .sa_sigaction = on_violation, .sa_flags = SA_SIGINFO };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int ret = -ENOMEM;

	if (ctx) {
		sigaction(SIGSYS, &action, NULL);
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
		ret = ret ? ret : seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
						   SCMP_ACT_KILL_PROCESS);
		ret = ret ? ret : seccomp_syscall_priority(ctx, SCMP_SYS(ioctl), 255);
		ret = ret ? ret : allow(ctx);
		ret = ret ? ret : refuse(ctx);
		ret = ret ? ret : seccomp_load(ctx);
		seccomp_release(ctx);
	}
	return ret ? fault_set(f, "--sandbox", "this kernel cannot filter system calls",
			       "it needs CONFIG_SECCOMP_FILTER; or --sandbox off", ret) : 0;
}
