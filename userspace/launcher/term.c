// SPDX-License-Identifier: GPL-2.0-only
/* The terminal. */
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "term.h"

#define CTRL_A	0x01

const char term_help[] =
	"\r\nCtrl-a x       end the guest\r\n"
	"Ctrl-a h       this help\r\n"
	"Ctrl-a Ctrl-a  send Ctrl-a to the guest (Ctrl-a a too)\r\n";

static struct termios saved;
static sig_atomic_t is_raw;

void term_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	is_raw = 0;
}

/* For signals that end the program without passing through its main loop. */
static void on_fatal(int sig)
{
	term_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

bool term_raw(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
	struct sigaction action = { .sa_handler = on_fatal, .sa_flags = SA_RESETHAND };
	struct termios raw;
	unsigned int i;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return false;
	raw = saved;
	cfmakeraw(&raw);
	/* Our own messages end their lines with a bare newline. */
	raw.c_oflag |= OPOST;
	atexit(term_restore);
	for (i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &action, NULL);
	/* In the background this would stop us; a terminal not ours stays as it is. */
	signal(SIGTTOU, SIG_IGN);
	if (tcgetpgrp(STDIN_FILENO) != getpgrp())
		return false;
	is_raw = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	return true;
}

enum term_action term_key(struct term *t, __u8 *byte)
{
	if (!t->escaped) {
		t->escaped = *byte == CTRL_A;
		return t->escaped ? TERM_NOTHING : TERM_SEND;
	}
	t->escaped = false;
	switch (*byte) {
	case 'x':
	case 'X':
		return TERM_QUIT;
	case 'h':
	case 'H':
	case '?':
		return TERM_HELP;
	case 'a':
	case CTRL_A:
		*byte = CTRL_A;
		return TERM_SEND;
	default:
		return TERM_NOTHING;
	}
}
