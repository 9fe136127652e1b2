// SPDX-License-Identifier: GPL-2.0-only
/* "lodge balloon": the memory that a running guest has. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "control.h"
#include "json.h"

static const char usage[] =
"usage: lodge balloon NAME|PID [SIZE]\n"
"\n"
"Shows how much memory a guest has that was started with --balloon. With SIZE\n"
"(1536M, 2G) it shall have that much, which its driver sees to in its own time;\n"
"what it gives up is the host's at once.\n";

static int ask(const char *guest, const char *size, struct control_answer *a, struct fault *f)
{
	char request[64] = "{\"verb\":\"balloon\"}", why[64];
	struct guest_info info = { 0 };
	__u64 bytes;
	int fd, ret;

	if (size && !parse_size(size, &bytes))
		return fault_set(f, size, "not a size", "lodge balloon --help", EINVAL);
	if (size)
		snprintf(request, sizeof(request), "{\"verb\":\"balloon\",\"bytes\":%llu}", bytes);
	fd = control_open(guest, &info, f);
	if (fd < 0)
		return -1;
	ret = control_ask(fd, request, a);
	close(fd);
	if (ret)
		return fault_set(f, guest, "does not answer", NULL, ret);
	if (!json_get(a->line, "error", why, sizeof(why)))
		return 0;
	fprintf(stderr, "lodge: %s: %s\n", guest, why);
	return 1;
}

static __u64 mib(const struct control_answer *a, const char *key)
{
	__u64 bytes = 0;

	json_get_number(a->line, key, &bytes);
	return bytes >> 20;
}

int command_balloon(int argc, char **argv)
{
	struct control_answer a;
	bool help = argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"));
	struct fault f;
	int ret;

	if (help || argc < 2 || argc > 3) {
		fputs(usage, help ? stdout : stderr);
		return help ? STATUS_OK : STATUS_ERROR;
	}
	ret = ask(argv[1], argv[2], &a, &f);
	if (ret) {
		if (ret < 0)
			fault_print(&f);
		return STATUS_ERROR;
	}
	printf("wanted %lluM, has %lluM, free %lluM, available %lluM\n", mib(&a, "wanted"),
	       mib(&a, "bytes"), mib(&a, "free"), mib(&a, "available"));
	return STATUS_OK;
}
