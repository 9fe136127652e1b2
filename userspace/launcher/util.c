// SPDX-License-Identifier: GPL-2.0-only
/* Messages, sizes and shell words. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util.h"

void fault_print(const struct fault *f)
{
	const char *name = f->error ? strerrorname_np(f->error) : NULL;

	if (name)
		fprintf(stderr, "lodge: %s: %s (%s)\n", f->what, f->why, name);
	else
		fprintf(stderr, "lodge: %s: %s\n", f->what, f->why);
	if (f->hint)
		fprintf(stderr, "hint: %s\n", f->hint);
}

bool parse_number(const char *text, __u64 min, __u64 max, __u64 *out)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno || *end || v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool parse_size(const char *text, __u64 *out)
{
	unsigned int shift = 20;
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return false;
	switch (toupper((unsigned char)*end)) {
	case 'K':
		shift = 10;
		end++;
		break;
	case 'M':
		end++;
		break;
	case 'G':
		shift = 30;
		end++;
		break;
	case 'T':
		shift = 40;
		end++;
		break;
	}
	if (*end || v > (~0ull >> 1) >> shift)
		return false;
	*out = v << shift;
	return true;
}

static bool needs_quotes(const char *word)
{
	static const char safe[] = "-_./=,:+@%";

	if (!*word)
		return true;
	for (; *word; word++)
		if (!isalnum((unsigned char)*word) && !strchr(safe, *word))
			return true;
	return false;
}

void print_quoted(void *stream, const char *word)
{
	if (!needs_quotes(word)) {
		fputs(word, stream);
		return;
	}
	fputc('\'', stream);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stream);
		else
			fputc(*word, stream);
	}
	fputc('\'', stream);
}
