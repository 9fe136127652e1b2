/* SPDX-License-Identifier: GPL-2.0-only */
/* The terminal: raw mode, and the escapes that begin with Ctrl-a. */
#ifndef _LAUNCHER_TERM_H
#define _LAUNCHER_TERM_H

#include "util.h"

enum term_action {
	TERM_NOTHING,		/* the byte was swallowed */
	TERM_SEND,		/* give the byte to the guest */
	TERM_QUIT,
	TERM_HELP,
};

/**
 * struct term - state of the escapes
 * @escaped: Ctrl-a came last
 */
struct term {
	bool escaped;
};

/* Raw mode, undone at exit however the program ends; false: not a terminal. */
bool term_raw(void);
void term_restore(void);
/* What to do about an input byte, which it may replace. */
enum term_action term_key(struct term *t, __u8 *byte);

extern const char term_help[];

#endif /* _LAUNCHER_TERM_H */
