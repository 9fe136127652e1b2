// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm_hold [SECONDS]: a KVM VM with a vCPU that runs HLT, held for a while.
 * Prints "running" once it is there. Exit status: 0, or 16 when KVM says EBUSY,
 * or 1 for any other failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int die(const char *what)
{
	int error = errno;

	fprintf(stderr, "kvm_hold: %s: %s\n", what, strerror(error));
	return error == EBUSY ? 16 : 1;
}

static int add_memory(int vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = 4096 };
	unsigned char *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -1;
	mem[0] = 0xf4;		/* hlt */
	region.userspace_addr = (unsigned long)mem;
	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int run_hlt(int kvm, int vcpu)
{
	int bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				   vcpu, 0);

	if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu, KVM_RUN, 0))
		return -1;
	return run->exit_reason == KVM_EXIT_HLT ? 0 : -1;
}

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR), vm, vcpu;

	if (kvm < 0)
		return die("/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return die("KVM_CREATE_VM");
	if (add_memory(vm))
		return die("memory");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return die("KVM_CREATE_VCPU");
	if (run_hlt(kvm, vcpu))
		return die("KVM_RUN");
	puts("running");
	fflush(stdout);
	sleep(argc > 1 ? atoi(argv[1]) : 0);
	return 0;
}
