// SPDX-License-Identifier: GPL-2.0-only
/* The guest's serial output, and panics seen in it. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "console.h"

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

void console_flush(void *console)
{
	struct console *c = console;
	unsigned int done = 0;

	while (done < c->buffered) {
		ssize_t n = write(c->fd, c->buffer + done, c->buffered - done);
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };

		if (n > 0) {
			done += n;
			continue;
		}
		if (n < 0 && errno != EINTR && errno != EAGAIN) {
			c->fd = -1;	/* the reader is gone: the guest goes on */
			break;
		}
		if (c->give_up && c->give_up(c->arg))
			break;
		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, 100);
	}
	c->buffered = 0;
}
