// SPDX-License-Identifier: GPL-2.0-only
/* liblodge: ioctls of /dev/lodge itself. */
#include <fcntl.h>
#include <string.h>

#include "internal.h"

int lodge_open(const char *path)
{
	int fd = open(path ? path : "/dev/lodge", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int lodge_get_info(int fd, struct lodge_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return call(fd, LODGE_GET_INFO, info);
}

int lodge_get_supported_cpuid(int fd, struct lodge_cpuid_entry *entries, __u32 *count)
{
	struct lodge_cpuid arg = {
		.size = sizeof(arg),
		.count = *count,
		.entries = user_ptr(entries),
	};
	int ret = call(fd, LODGE_GET_SUPPORTED_CPUID, &arg);

	*count = arg.count;
	return ret;
}

int lodge_get_msr_list(int fd, __u32 *indexes, __u32 *count)
{
	struct lodge_msr_list arg = {
		.size = sizeof(arg),
		.count = *count,
		.indexes = user_ptr(indexes),
	};
	int ret = call(fd, LODGE_GET_MSR_LIST, &arg);

	*count = arg.count;
	return ret;
}

int lodge_create_vm(int fd, const char *name, __u32 tsc_khz)
{
	struct lodge_create_vm arg = { .size = sizeof(arg), .tsc_khz = tsc_khz };
	size_t len = name ? strlen(name) : 0;

	if (len >= sizeof(arg.name))
		return -ENAMETOOLONG;
	if (len)
		memcpy(arg.name, name, len);
	return call(fd, LODGE_CREATE_VM, &arg);
}
