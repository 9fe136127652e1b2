// SPDX-License-Identifier: GPL-2.0-only
/* What "-m" takes: SIZE and words that say where it comes from. */
#include <errno.h>
#include <stdio.h>

#include "memory.h"

static int bad(struct fault *f, const char *why)
{
	return fault_set(f, "-m", why, "lodge run --help", EINVAL);
}

/* "0-1,3": a bit for each node; false when it is not such a list. */
static bool parse_nodes(const char *text, __u64 *nodes)
{
	__u64 first, last;
	char word[16];
	char *dash;

	for (*nodes = 0; *text; text += *text == ',') {
		if (snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, ","), text) >=
		    (int)sizeof(word))
			return false;
		text += strlen(word);
		dash = strchr(word, '-');
		if (dash)
			*dash++ = 0;
		if (!parse_number(word, 0, 63, &first) ||
		    !parse_number(dash ? dash : word, first, 63, &last))
			return false;
		*nodes |= (~0ull >> (63 - last)) & (~0ull << first);
	}
	return *nodes;
}

static bool parse_on_off(const char *text, enum memory_thp *thp)
{
	*thp = strcmp(text, "on") ? THP_OFF : THP_ON;
	return *thp == THP_ON || !strcmp(text, "off");
}

static const char unknown[] =
	"not one of huge=2M|1G, thp=on|off, shared, file=PATH, merge, prefault, node=N, bind=LIST";

static int one_word(struct memory_options *o, char *word, struct fault *f)
{
	if (!strcmp(word, "shared"))
		o->shared = true;
	else if (!strcmp(word, "merge"))
		o->merge = true;
	else if (!strcmp(word, "prefault"))
		o->prefault = true;
	else if (!strcmp(word, "huge=2M"))
		o->huge = MIB(2);
	else if (!strcmp(word, "huge=1G"))
		o->huge = GIB(1);
	else if (!strncmp(word, "thp=", 4) && parse_on_off(word + 4, &o->thp))
		;
	else if (!strncmp(word, "file=", 5) && word[5] && strlen(word + 5) < sizeof(o->file))
		strcpy(o->file, word + 5);
	else if (!strncmp(word, "node=", 5) && !strchr(word, '-') &&
		 parse_nodes(word + 5, &o->nodes))
		o->prefer = true;
	else
		return bad(f, unknown);
	return 0;
}

static int check(const struct memory_options *o, struct fault *f)
{
	if (o->huge && o->bytes % o->huge)
		return bad(f, "the size is not a multiple of the huge pages'");
	if (o->huge && o->thp != THP_DEFAULT)
		return bad(f, "huge= takes the host's reserved huge pages, thp= the others");
	if (o->merge && (o->huge || o->shared || *o->file))
		return bad(f, "only private memory of small pages can be merged");
	if (*o->file && (o->huge || o->shared))
		return bad(f, "file= is shared, and its file system says how large its pages are");
	return 0;
}

int memory_parse(struct memory_options *o, const char *text, struct fault *f)
{
	char word[sizeof(o->file) + 8];
	size_t length;

	memset(o, 0, sizeof(*o));
	o->text = text;
	length = strcspn(text, ",");
	snprintf(word, sizeof(word), "%.*s", (int)length, text);
	if (!parse_size(word, &o->bytes) || o->bytes < MEMORY_MIN || o->bytes > MEMORY_MAX)
		return bad(f, "not a size from 2M to 4096G");
	o->bytes &= ~0xfffull;
	for (text += length; *text == ','; text += length) {
		text++;
		/* Its list has commas, too. */
		if (!strncmp(text, "bind=", 5)) {
			if (o->nodes || !parse_nodes(text + 5, &o->nodes))
				return bad(f, "bind= takes the rest: a list of NUMA nodes");
			break;
		}
		length = strcspn(text, ",");
		if (length >= sizeof(word))
			return bad(f, "a word is too long");
		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		if (one_word(o, word, f))
			return -1;
	}
	return check(o, f);
}
