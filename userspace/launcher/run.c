// SPDX-License-Identifier: GPL-2.0-only
/*
 * "lodge run": the front end of a machine. The main thread waits here for the
 * terminal, signals, the time-out and what the machine reports, and decides
 * what becomes of the guest. The vCPUs run in threads of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commands.h"
#include "console.h"
#include "control.h"
#include "firmware.h"
#include "machine.h"
#include "options.h"
#include "sandbox.h"
#include "term.h"
#include "timeline.h"

/* How long a panicking kernel may go on talking before it is ended. */
#define PANIC_GRACE_MS	3000
/* How long a guest may take to shut down once its power button was pressed. */
#define POWER_GRACE_MS	30000

enum {
	POLL_SIGNAL,
	POLL_TIMEOUT,
	POLL_EVENT,
	POLL_DRAIN,
	POLL_TIMERS,
	POLL_GRACE,
	POLL_POWER,
	POLL_INPUT,
	POLL_COUNT
};

/**
 * struct front - the front end's state
 * @ended: @status and @why are final
 * @grace: the guest has panicked and its last words are awaited
 * @button: its power button has been pressed
 */
struct front {
	struct run_options options;
	struct machine machine;
	struct control control;
	struct timeline timeline;
	struct console console;
	struct term term;
	struct pollfd poll[POLL_COUNT];
	bool started;
	bool ended;
	bool grace;
	bool button;
	int status;
	const char *why;
	__u64 value;
	char kernel[128];
	FILE *svg;
};

static void end(struct front *fr, int status, const char *why)
{
	if (fr->ended)
		return;
	fr->ended = true;
	fr->status = status;
	fr->why = why;
}

static int timer_create_ms(__u64 ms)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 },
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &when, NULL);
	return fd;
}

/* Whether the guest has panicked and that is to end it. */
static bool panicked(struct front *fr)
{
	return !fr->options.panic_ignore && console_panic(&fr->console) != PANIC_NONE;
}

static void check_panic(struct front *fr)
{
	if (!panicked(fr))
		return;
	if (console_panic(&fr->console) == PANIC_TOLD) {
		end(fr, STATUS_PANIC, "panic");
	} else if (!fr->grace) {
		fr->grace = true;
		fr->poll[POLL_GRACE].fd = timer_create_ms(PANIC_GRACE_MS);
	}
}

static void restart(struct front *fr)
{
	struct fault f;

	if (!machine_reset(&fr->machine, &f))
		return;
	fault_print(&f);
	end(fr, STATUS_ERROR, "error");
}

static void on_reset(struct front *fr)
{
	if (fr->options.no_reboot)
		end(fr, STATUS_OK, "reset");
	else
		restart(fr);
}

static void on_triple_fault(struct front *fr)
{
	if (!fr->options.triple_fault_reset)
		end(fr, STATUS_DIED, "triple-fault");
	else
		on_reset(fr);
}

static void on_machine_event(struct front *fr)
{
	enum machine_event event = machine_take_event(&fr->machine, &fr->value);

	/* What was posted before may be a panic's message. */
	machine_drain(&fr->machine);
	if (event == EVENT_NONE)
		return;
	if (event != EVENT_EXIT_DEV && panicked(fr)) {
		end(fr, STATUS_PANIC, "panic");
		return;
	}
	switch (event) {
	case EVENT_POWEROFF:
		end(fr, STATUS_OK, "poweroff");
		break;
	case EVENT_RESET:
		on_reset(fr);
		break;
	case EVENT_SLEEP:
		machine_sleep(&fr->machine);
		break;
	case EVENT_WAKE:
		restart(fr);
		break;
	case EVENT_TRIPLE_FAULT:
		on_triple_fault(fr);
		break;
	case EVENT_PANIC:
		if (fr->options.panic_ignore)
			machine_resume(&fr->machine);
		else
			end(fr, STATUS_PANIC, "panic");
		break;
	case EVENT_EXIT_DEV:
		end(fr, ((fr->value << 1) | 1) & 255, "exit-dev");
		break;
	case EVENT_KILLED:
		end(fr, STATUS_DIED, "killed");
		break;
	default:
		end(fr, STATUS_ERROR, "error");
	}
}

static void send_key(struct front *fr, __u8 byte)
{
	pthread_mutex_lock(&fr->machine.lock);
	uart_input(&fr->machine.uart, &byte, 1);
	pthread_mutex_unlock(&fr->machine.lock);
}

static void on_key(struct front *fr, __u8 byte, bool tty)
{
	enum term_action action = tty ? term_key(&fr->term, &byte) : TERM_SEND;

	if (action == TERM_SEND)
		send_key(fr, byte);
	else if (action == TERM_QUIT)
		end(fr, STATUS_OK, "poweroff");
	else if (action == TERM_HELP)
		fputs(term_help, stderr);
}

static unsigned int input_room(struct front *fr)
{
	unsigned int room;

	pthread_mutex_lock(&fr->machine.lock);
	room = uart_room(&fr->machine.uart);
	pthread_mutex_unlock(&fr->machine.lock);
	return room;
}

static void on_input(struct front *fr)
{
	unsigned int room = input_room(fr);
	bool tty = isatty(STDIN_FILENO);
	__u8 buffer[256];
	ssize_t n, i;

	if (!room)
		return;
	n = read(STDIN_FILENO, buffer, room < sizeof(buffer) ? room : sizeof(buffer));
	if (n <= 0 && (n == 0 || (errno != EINTR && errno != EAGAIN)))
		fr->poll[POLL_INPUT].fd = -1;	/* end of input; the guest goes on */
	for (i = 0; i < n && !fr->ended; i++)
		on_key(fr, buffer[i], tty);
}

static void swallow(int fd)
{
	__u64 count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;		/* another wake-up took it */
}

/* SIGTERM asks the guest first; everything else, or asking twice, ends it. */
static void on_signal(struct front *fr)
{
	struct signalfd_siginfo info;

	if (read(fr->poll[POLL_SIGNAL].fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGTERM || fr->button || !machine_power_button(&fr->machine)) {
		end(fr, STATUS_DIED, "killed");
		return;
	}
	fr->button = true;
	fr->poll[POLL_POWER].fd = timer_create_ms(POWER_GRACE_MS);
}

static void on_ready(struct front *fr, int which)
{
	switch (which) {
	case POLL_SIGNAL:
		on_signal(fr);
		break;
	case POLL_POWER:
		end(fr, STATUS_DIED, "killed");
		break;
	case POLL_TIMEOUT:
		end(fr, STATUS_TIMEOUT, "timeout");
		break;
	case POLL_EVENT:
		swallow(fr->poll[which].fd);
		on_machine_event(fr);
		break;
	case POLL_DRAIN:
		swallow(fr->poll[which].fd);
		machine_drain(&fr->machine);
		break;
	case POLL_TIMERS:
		swallow(fr->poll[which].fd);
		machine_timers(&fr->machine);
		break;
	case POLL_GRACE:
		end(fr, STATUS_PANIC, "panic");
		break;
	case POLL_INPUT:
		on_input(fr);
		break;
	}
}

static void main_loop(struct front *fr)
{
	while (!fr->ended) {
		int i;

		/* No room for input: uart_host.room will wake us. */
		fr->poll[POLL_INPUT].events = input_room(fr) ? POLLIN : 0;
		if (poll(fr->poll, POLL_COUNT, -1) < 0 && errno != EINTR)
			break;
		for (i = 0; i < POLL_COUNT && !fr->ended; i++)
			if (fr->poll[i].fd >= 0 && fr->poll[i].revents)
				on_ready(fr, i);
		if (!fr->ended)
			check_panic(fr);
	}
}

/* Signals that end the guest arrive as file descriptor events. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_serial(struct front *fr, struct fault *f)
{
	const struct run_options *o = &fr->options;
	int fd = -1;

	if (o->serial == SERIAL_STDIO)
		fd = STDOUT_FILENO;
	if (o->serial == SERIAL_FILE) {
		fd = open(o->serial_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0)
			return fault_set(f, o->serial_path, "cannot write the serial log",
					 "check the path given with --serial file=", errno);
	}
	console_init(&fr->console, fd);
	return 0;
}

static int open_timeline(struct front *fr, struct fault *f)
{
	const char *path = fr->options.timeline_svg;

	fr->svg = path ? fopen(path, "we") : NULL;
	return path && !fr->svg ? fault_set(f, path, "cannot write the timeline",
					    "check the path given with --timeline=", errno) : 0;
}

static int load_files(struct front *fr, struct fault *f)
{
	const struct run_options *o = &fr->options;
	struct boot_images *images = &fr->machine.images;
	unsigned int i;

	images->cmdline = o->cmdline;
	images->cmdline_more = virtio_cmdline(&o->virtio, "");
	if (!images->cmdline_more)
		return fault_set(f, "-p", "no memory", NULL, ENOMEM);
	images->kernel_path = o->kernel;
	if (o->firmware)
		return firmware_read(&images->firmware, o->firmware, f);
	if (blob_read(&images->kernel, o->kernel, f))
		return -1;
	for (i = 0; i < o->modules; i++)
		if (boot_add_module(images, o->module[i], f))
			return -1;
	return 0;
}

/*
 * Whether something has come up that is more important than output nobody
 * reads. Whoever waits to write has the machine's lock, or is the main thread.
 */
static bool give_up(void *front)
{
	static const int urgent[] = { POLL_SIGNAL, POLL_TIMEOUT, POLL_GRACE, POLL_POWER };
	struct pollfd fds[ARRAY_SIZE(urgent)];
	struct front *fr = front;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(urgent); i++)
		fds[i] = (struct pollfd){ .fd = fr->poll[urgent[i]].fd, .events = POLLIN };
	return machine_stopping(&fr->machine) || poll(fds, ARRAY_SIZE(urgent), 0) > 0;
}

static void wake(void *front)
{
	machine_wake(&((struct front *)front)->machine);
}

static int prepare(struct front *fr, struct fault *f)
{
	const struct run_options *o = &fr->options;
	struct machine_config config = {
		.name = o->name,
		.memory = o->memory.bytes,
		.ram = &o->memory,
		.cpus = o->cpus,
		.pin = o->pin_list ? o->pin : NULL,
		.features = o->cpu_features,
		.tsc_khz = o->tsc_khz,
		.exit_port = o->exit_port,
		.test_dev = o->test_dev,
		.debug_port = o->firmware,
		.no_regions = o->no_regions,
		.log_unknown = o->log_unknown,
		.virtio = &o->virtio,
		.output = console_output,
		.flush = console_flush,
		.output_arg = &fr->console,
	};

	if (open_serial(fr, f) || open_timeline(fr, f))
		return -1;
	fr->timeline.start = timeline_now();
	if (machine_init(&fr->machine, &config, f))
		return -1;
	timeline_note(&fr->timeline, STEP_VM, timeline_now());
	if (load_files(fr, f) || machine_load(&fr->machine, f))
		return -1;
	timeline_note(&fr->timeline, STEP_LOADED, timeline_now());
	fr->console.give_up = give_up;
	fr->console.on_panic = wake;
	fr->console.arg = fr;
	return 0;
}

/* What follows the creation of VM and vCPUs is seen in their traces. */
static int begin_timeline(struct front *fr, struct fault *f)
{
	struct machine *m = &fr->machine;
	int fd[LODGE_MAX_VCPUS], ret;
	unsigned int i;

	if (!fr->options.timeline)
		return 0;
	for (i = 0; i < m->config.cpus; i++)
		fd[i] = m->vcpu[i].fd;
	ret = timeline_start(&fr->timeline, fd, m->config.cpus, m->info.tsc_khz);
	timeline_note(&fr->timeline, STEP_STARTED, timeline_now());
	return ret < 0 ? fault_set(f, "--timeline", "cannot trace the guest", NULL, ret) : 0;
}

static void end_timeline(struct front *fr)
{
	if (!fr->options.timeline)
		return;
	timeline_print(&fr->timeline, stderr);
	if (!fr->svg)
		return;
	timeline_svg(&fr->timeline, fr->svg);
	if (fclose(fr->svg))
		fprintf(stderr, "lodge: %s: cannot write the timeline\n",
			fr->options.timeline_svg);
}

static void fill_poll(struct front *fr)
{
	const struct run_options *o = &fr->options;
	int i;

	for (i = 0; i < POLL_COUNT; i++)
		fr->poll[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	fr->poll[POLL_SIGNAL].fd = open_signals();
	if (o->timeout)
		fr->poll[POLL_TIMEOUT].fd = timer_create_ms(o->timeout * 1000ull);
	fr->poll[POLL_EVENT].fd = fr->machine.event_fd;
	fr->poll[POLL_DRAIN].fd = fr->machine.drain_fd;
	fr->poll[POLL_TIMERS].fd = fr->machine.timer_fd;
	if (o->serial == SERIAL_STDIO) {
		fr->poll[POLL_INPUT].fd = STDIN_FILENO;
		term_raw();
	}
}

static void default_kernel(struct front *fr)
{
	struct utsname host;

	if (fr->options.kernel || fr->options.firmware)
		return;
	uname(&host);
	snprintf(fr->kernel, sizeof(fr->kernel), "/boot/vmlinuz-%s", host.release);
	fr->options.kernel = fr->kernel;
}

/* Its streams go to sockets by path, anybody's. */
static void drop_rights(struct front *fr)
{
	bool vsock = fr->options.virtio.vsock.cid;
	char dir[sizeof(fr->control.addr.sun_path)];
	struct sandbox_rights rights = {
		.root = vsock ? NULL : control_folder(&fr->control, dir, sizeof(dir)),
		.other_users_files = vsock,
	};

	if (!fr->options.no_sandbox && sandbox_drop(&rights))
		control_moved(&fr->control);
}

/* Threads inherit rights, so these go first; system calls when every thread has started. */
static int start(struct front *fr, struct fault *f)
{
	fill_poll(fr);
	if (control_listen(&fr->control, &fr->machine, f))
		return -1;
	drop_rights(fr);
	control_start(&fr->control);
	if (begin_timeline(fr, f) || machine_start(&fr->machine, f))
		return -1;
	if (!fr->options.no_sandbox && sandbox_filter(f))
		return -1;
	machine_resume(&fr->machine);
	return 0;
}

static void run_guest(struct front *fr)
{
	struct fault f;

	if (prepare(fr, &f)) {
		fault_print(&f);
		end(fr, STATUS_ERROR, "error");
		return;
	}
	if (start(fr, &f)) {
		fault_print(&f);
		end(fr, STATUS_ERROR, "error");
	} else {
		main_loop(fr);
	}
	control_stop(&fr->control);
	timeline_stop(&fr->timeline);
	if (machine_stop(&fr->machine))
		machine_destroy(&fr->machine);
	/* What was posted just before the end may have been a panic's message. */
	if (fr->status != STATUS_ERROR && strcmp(fr->why, "exit-dev") && panicked(fr)) {
		fr->status = STATUS_PANIC;
		fr->why = "panic";
	}
}

static int finish(struct front *fr)
{
	term_restore();
	fflush(stdout);
	end_timeline(fr);
	if (fr->machine.unknown && fr->options.log_unknown)
		fprintf(stderr, "lodge: %llu accesses that no device answers\n",
			fr->machine.unknown);
	if (!strcmp(fr->why, "exit-dev"))
		fprintf(stderr, "lodge: end: exit-dev %llu\n", fr->value);
	else
		fprintf(stderr, "lodge: end: %s\n", fr->why);
	return fr->status;
}

int command_run(int argc, char **argv)
{
	/* Static: the machine is large, and vCPU threads may outlive a failed stop. */
	static struct front front;
	struct fault f;

	if (options_parse(&front.options, argc, argv, &f)) {
		fault_print(&f);
		end(&front, STATUS_ERROR, "error");
		return finish(&front);
	}
	if (front.options.help) {
		options_usage(stdout);
		return STATUS_OK;
	}
	default_kernel(&front);
	options_print(&front.options);
	front.why = "error";
	front.status = STATUS_ERROR;
	run_guest(&front);
	return finish(&front);
}
