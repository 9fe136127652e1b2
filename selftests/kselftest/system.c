// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of /dev/lodge itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

FIXTURE(device)
{
	int fd;
};

FIXTURE_SETUP(device)
{
	self->fd = open("/dev/lodge", O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
}

TEST_F(device, info)
{
	struct lodge_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, call(self->fd, LODGE_GET_INFO, &info));
	EXPECT_EQ(LODGE_API_VERSION, info.api_version);
	EXPECT_TRUE(info.backend == LODGE_BACKEND_VMX ||
		    info.backend == LODGE_BACKEND_SVM);
	EXPECT_EQ(1, info.xcr0 & 1);
	EXPECT_LE(sizeof(struct lodge_run), info.run_size);
	EXPECT_EQ(LODGE_DOMAIN_SHADOW + 4096, info.domain_size);
	EXPECT_EQ(LODGE_MAX_VCPUS, info.max_vcpus);
	EXPECT_EQ(LODGE_MAX_SLOTS, info.max_slots);
	EXPECT_LE(36, info.phys_bits);
	EXPECT_NE(0, info.tsc_khz);
	EXPECT_NE('\0', info.version[0]);
	EXPECT_EQ('\0', info.version[sizeof(info.version) - 1]);
}

TEST_F(device, info_of_an_older_caller)
{
	struct lodge_info info = { .size = 16 };

	ASSERT_EQ(0, call(self->fd, LODGE_GET_INFO, &info));
	EXPECT_EQ(LODGE_API_VERSION, info.api_version);
	EXPECT_EQ(0, info.caps);
	EXPECT_EQ(0, info.run_size);
}

TEST_F(device, info_of_a_newer_caller)
{
	struct {
		struct lodge_info info;
		__u64 more[4];
	} args = { .info.size = sizeof(args) };

	ASSERT_EQ(0, call(self->fd, LODGE_GET_INFO, &args));
	EXPECT_EQ(LODGE_API_VERSION, args.info.api_version);
	EXPECT_EQ(0, args.more[0] | args.more[3]);
}

TEST_F(device, supported_cpuid)
{
	struct lodge_cpuid_entry entries[LODGE_MAX_CPUID] = {};
	struct lodge_cpuid args = {
		.size = sizeof(args), .count = LODGE_MAX_CPUID,
		.entries = (unsigned long)entries,
	};
	bool found = false;
	unsigned int i;

	ASSERT_EQ(0, call(self->fd, LODGE_GET_SUPPORTED_CPUID, &args));
	ASSERT_LT(2, args.count);
	ASSERT_GE(LODGE_MAX_CPUID, args.count);
	for (i = 0; i < args.count; i++) {
		if (entries[i].leaf != 1)
			continue;
		found = true;
		/* Long mode's companions; never VMX (bit 5). */
		EXPECT_EQ(1u << 31, entries[i].ecx & (1u << 31));
		EXPECT_EQ(0, entries[i].ecx & (1u << 5));
		EXPECT_EQ(1u << 26, entries[i].edx & (1u << 26));
	}
	EXPECT_TRUE(found);
}

TEST_F(device, supported_cpuid_without_room)
{
	struct lodge_cpuid args = { .size = sizeof(args) };

	EXPECT_EQ(-ENOSPC, call(self->fd, LODGE_GET_SUPPORTED_CPUID, &args));
	EXPECT_LT(2, args.count);
	args.entries = 8;
	EXPECT_EQ(-EFAULT, call(self->fd, LODGE_GET_SUPPORTED_CPUID, &args));
}

TEST_F(device, msr_list)
{
	struct lodge_msr_list args = { .size = sizeof(args) };
	__u32 indexes[LODGE_MAX_MSRS] = {};
	unsigned int i, found = 0;

	EXPECT_EQ(-ENOSPC, call(self->fd, LODGE_GET_MSR_LIST, &args));
	ASSERT_GE(LODGE_MAX_MSRS, args.count);
	args.indexes = (unsigned long)indexes;
	ASSERT_EQ(0, call(self->fd, LODGE_GET_MSR_LIST, &args));
	for (i = 0; i < args.count; i++)
		found += indexes[i] == 0xc0000081 || indexes[i] == 0x277;
	EXPECT_EQ(2, found) {
		TH_LOG("STAR and PAT are not listed");
	}
}

TEST_F(device, create_vm)
{
	struct lodge_create_vm args = { .size = sizeof(args), .name = "a name" };
	int vm = call(self->fd, LODGE_CREATE_VM, &args);

	ASSERT_LE(0, vm);
	EXPECT_EQ(FD_CLOEXEC, fcntl(vm, F_GETFD));
	close(vm);
}

TEST_F(device, create_vm_names)
{
	struct lodge_create_vm args = { .size = sizeof(args) };
	int vm = call(self->fd, LODGE_CREATE_VM, &args);

	EXPECT_LE(0, vm);
	close(vm);
	memset(args.name, 'x', sizeof(args.name));
	EXPECT_EQ(-EINVAL, call(self->fd, LODGE_CREATE_VM, &args));
	strcpy(args.name, "two\nlines");
	EXPECT_EQ(-EINVAL, call(self->fd, LODGE_CREATE_VM, &args));
}

TEST_F(device, many_vms)
{
	struct lodge_create_vm args = { .size = sizeof(args) };
	int i, vm;

	for (i = 0; i < 100; i++) {
		vm = call(self->fd, LODGE_CREATE_VM, &args);
		ASSERT_LE(0, vm);
		close(vm);
	}
}

TEST_F(device, unknown_ioctls)
{
	int nr;

	for (nr = 0; nr < 256; nr++) {
		if (nr >= 1 && nr <= 4)
			continue;
		EXPECT_EQ(-ENOTTY, call(self->fd, _IO('L', nr), NULL)) {
			TH_LOG("ioctl %#x", nr);
		}
	}
}

TEST_F(device, neither_read_nor_mapped)
{
	char byte;

	EXPECT_EQ(-1, read(self->fd, &byte, 1));
	EXPECT_EQ(-1, write(self->fd, &byte, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0));
}

#define PARAMETERS	"/sys/module/lodge/parameters/"

/* The old value, or -1. */
static int set_parameter(const char *path, int value)
{
	FILE *file = fopen(path, "r+");
	int old = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &old) != 1)
		old = -1;
	rewind(file);
	fprintf(file, "%d", value);
	return fclose(file) ? -1 : old;
}

static int create_vm(int dev)
{
	struct lodge_create_vm args = { .size = sizeof(args) };

	return call(dev, LODGE_CREATE_VM, &args);
}

static int create_vcpu(int vm, __u32 id)
{
	struct lodge_create_vcpu args = { .size = sizeof(args), .id = id };

	return call(vm, LODGE_CREATE_VCPU, &args);
}

/* As a user like others, of whom two VMs and three vCPUs are wanted: 0, or where it went wrong. */
static int within_limits(int dev)
{
	int vm[2], vcpu, i;

	if (setuid(1000))
		return 1;
	for (i = 0; i < 2; i++) {
		vm[i] = create_vm(dev);
		if (vm[i] < 0 || create_vcpu(vm[i], 0) < 0)
			return 2;
	}
	if (create_vm(dev) != -EDQUOT)
		return 3;
	vcpu = create_vcpu(vm[0], 1);
	if (vcpu < 0 || create_vcpu(vm[0], 2) != -EDQUOT || create_vcpu(vm[1], 1) != -EDQUOT)
		return 4;
	/* A vCPU lives as long as its VM. */
	close(vcpu);
	if (create_vcpu(vm[1], 1) != -EDQUOT)
		return 5;
	return 0;
}

TEST_F(device, limits_for_each_user)
{
	int vms = set_parameter(PARAMETERS "user_vms", 2);
	int vcpus = set_parameter(PARAMETERS "user_vcpus", 3), status, i;
	pid_t pid;

	ASSERT_LT(0, vms);
	ASSERT_LT(0, vcpus);
	/* What the first one had is given back. */
	for (i = 0; i < 2; i++) {
		pid = fork();
		if (!pid)
			_exit(within_limits(self->fd));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
	/* Root has no limit. */
	for (i = 0; i < 3; i++)
		EXPECT_LE(0, create_vm(self->fd));
	EXPECT_EQ(2, set_parameter(PARAMETERS "user_vms", vms));
	EXPECT_EQ(3, set_parameter(PARAMETERS "user_vcpus", vcpus));
}

TEST_HARNESS_MAIN
