/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the guest's serial output goes, and the eye kept on it. */
#ifndef _LAUNCHER_CONSOLE_H
#define _LAUNCHER_CONSOLE_H

#include "util.h"

#define CONSOLE_LINE	512
#define CONSOLE_BUFFER	1024

enum console_panic {
	PANIC_NONE,
	PANIC_SEEN,		/* the guest's kernel has begun to say so */
	PANIC_TOLD,		/* ... and has finished */
};

/**
 * struct console - serial output
 * @fd: where it goes, or -1
 * @give_up: says whether to stop waiting for a reader that does not read
 * @on_panic: called when a panic has been seen
 * @arg: first argument of both
 * @line: what has come of the current line
 */
struct console {
	int fd;
	bool (*give_up)(void *arg);
	void (*on_panic)(void *arg);
	void *arg;
	char line[CONSOLE_LINE];
	unsigned int line_len;
	__u8 buffer[CONSOLE_BUFFER];
	unsigned int buffered;
	enum console_panic panic;
};

void console_init(struct console *c, int fd);
void console_output(void *console, __u8 byte);
void console_flush(void *console);
enum console_panic console_panic(const struct console *c);

#endif /* _LAUNCHER_CONSOLE_H */
