/* SPDX-License-Identifier: GPL-2.0-only */
/* As much JSON as the control socket speaks: one object, on one line, without others in it. */
#ifndef _LAUNCHER_JSON_H
#define _LAUNCHER_JSON_H

#include <stdio.h>

#include "util.h"

/*
 * The value of @key in the object @text: a string's text, or a number, true,
 * false or null as they are written. False: none, or not such an object.
 */
bool json_get(const char *text, const char *key, char *value, size_t room);
bool json_get_number(const char *text, const char *key, __u64 *value);
/* @text as a string, quotes and all. */
void json_string(FILE *to, const char *text);

#endif /* _LAUNCHER_JSON_H */
