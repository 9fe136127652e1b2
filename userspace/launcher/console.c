// SPDX-License-Identifier: GPL-2.0-only
/* The guest's serial output, and panics seen in it. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "console.h"

#define WAIT_MS		100
#define CHUNK		256	/* a terminal that is ready takes this much */

static const char panic_begin[] = "Kernel panic - not syncing";
static const char panic_end[] = "end Kernel panic - not syncing";

void console_init(struct console *c, int fd)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
}

enum console_panic console_panic(const struct console *c)
{
	return __atomic_load_n(&c->panic, __ATOMIC_ACQUIRE);
}

static void console_scan(struct console *c, __u8 byte)
{
	enum console_panic seen = PANIC_NONE;

	if (byte != '\n' && byte != '\r') {
		/* NUL bytes would hide the rest of the line. */
		if (byte && c->line_len < CONSOLE_LINE - 1)
			c->line[c->line_len++] = byte;
		return;
	}
	c->line[c->line_len] = '\0';
	c->line_len = 0;
	if (strstr(c->line, panic_end))
		seen = PANIC_TOLD;
	else if (strstr(c->line, panic_begin))
		seen = PANIC_SEEN;
	if (seen <= c->panic)
		return;
	__atomic_store_n(&c->panic, seen, __ATOMIC_RELEASE);
	if (c->on_panic)
		c->on_panic(c->arg);
}

void console_output(void *console, __u8 byte)
{
	struct console *c = console;

	console_scan(c, byte);
	if (c->fd < 0)
		return;
	c->buffer[c->buffered++] = byte;
	if (c->buffered == CONSOLE_BUFFER)
		console_flush(c);
}

/*
 * Never blocks for long in write(), which nothing but a signal would end: what
 * a reader has room for is written, and in between it is asked whether to wait
 * on for one that does not read.
 */
void console_flush(void *console)
{
	struct console *c = console;
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	unsigned int done = 0;

	while (done < c->buffered) {
		unsigned int rest = c->buffered - done;
		ssize_t n = 0;

		if (poll(&p, 1, WAIT_MS) > 0)
			n = write(c->fd, c->buffer + done, rest < CHUNK ? rest : CHUNK);
		if (n < 0 && errno != EINTR && errno != EAGAIN) {
			c->fd = -1;	/* the reader is gone: the guest goes on */
			break;
		}
		if (n > 0)
			done += n;
		else if (c->give_up && c->give_up(c->arg))
			break;
	}
	c->buffered = 0;
}
