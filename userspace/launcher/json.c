// SPDX-License-Identifier: GPL-2.0-only
/* Flat JSON objects (RFC 8259). */
#include <ctype.h>

#include "json.h"

static const char *space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* One character of a string, escaped or not; above ASCII there are none here. */
static const char *character(const char *p, char *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	unsigned int code;
	const char *name;

	*out = *p++;
	if ((unsigned char)*out < ' ')
		return NULL;
	if (*out != '\\')
		return p;
	name = *p ? strchr(names, *p) : NULL;
	if (name) {
		*out = values[name - names];
		return p + 1;
	}
	if (strspn(p, "u") != 1 || strspn(p + 1, "0123456789abcdefABCDEF") < 4 ||
	    sscanf(p + 1, "%4x", &code) != 1 || !code || code > 127)
		return NULL;
	*out = code;
	return p + 5;
}

/* Behind the string or word at @p, whose text goes to @out; NULL: neither, or no room. */
static const char *scalar(const char *p, char *out, size_t room)
{
	size_t n = 0;

	if (*p != '"') {
		while (isalnum((unsigned char)*p) || (*p && strchr("+-.", *p))) {
			if (n + 1 >= room)
				return NULL;
			out[n++] = *p++;
		}
		out[n] = '\0';
		return n ? p : NULL;
	}
	for (p++; *p != '"'; n++) {
		if (n + 1 >= room)
			return NULL;
		p = character(p, &out[n]);
		if (!p)
			return NULL;
	}
	out[n] = '\0';
	return p + 1;
}

bool json_get(const char *text, const char *key, char *value, size_t room)
{
	char name[32], other[1024] = "";
	const char *p = space(text);
	bool found = false, mine;

	if (*p++ != '{')
		return false;
	do {
		p = space(p);
		p = *p == '"' ? scalar(p, name, sizeof(name)) : NULL;
		p = p ? space(p) : NULL;
		if (!p || *p++ != ':')
			return false;
		mine = !found && !strcmp(name, key);
		p = scalar(space(p), mine ? value : other, mine ? room : sizeof(other));
		if (!p)
			return false;
		found |= mine;
		p = space(p);
	} while (*p++ == ',');
	return found && p[-1] == '}' && !*space(p);
}

bool json_get_number(const char *text, const char *key, __u64 *value)
{
	char number[32];

	return json_get(text, key, number, sizeof(number)) &&
	       parse_number(number, 0, ~0ull, value);
}

void json_string(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			fprintf(to, "\\u%04x", (unsigned char)*text);
		else
			putc(*text, to);
	}
	putc('"', to);
}
