// SPDX-License-Identifier: GPL-2.0-only
/* What a guest may not do to the thread that runs it. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define CR4_PKE		(1ull << 22)
#define CR4_OSXSAVE	(1ull << 18)

FIXTURE(host)
{
	struct guest g;
};

FIXTURE_SETUP(host)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(host)
{
	guest_destroy(&self->g);
}

static bool os_has(unsigned int leaf, bool in_edx, unsigned int bit)
{
	unsigned int a, b, c = 0, d = 0;

	__cpuid_count(leaf, 0, a, b, c, d);
	return (in_edx ? d : c) >> bit & 1;
}

static __u64 get_xcr0(void)
{
	__u32 a, d;

	asm volatile("xgetbv" : "=a" (a), "=d" (d) : "c" (0));
	return a | (__u64)d << 32;
}

static __u32 get_pkru(void)
{
	__u32 a, d;

	asm volatile(".byte 0x0f, 0x01, 0xee" : "=a" (a), "=d" (d) : "c" (0));
	return a;
}

static void set_pkru(__u32 value)
{
	asm volatile(".byte 0x0f, 0x01, 0xef" : : "a" (value), "c" (0), "d" (0));
}

static int set_cr4(struct guest *g, __u64 bits)
{
	struct lodge_sregs sregs;
	int ret = guest_get_sregs(g, &sregs);

	sregs.cr4 |= bits;
	return ret ? ret : guest_set_sregs(g, &sregs);
}

GUEST64(small_xcr0,
	"xor %ecx, %ecx\n xor %edx, %edx\n mov $1, %eax\n xsetbv\n" END
	"sti\n jmp .\n");

TEST_F(host, xcr0_is_untouched)
{
	__u64 before;

	if (!os_has(1, false, 27))
		SKIP(return, "no XSAVE");
	before = get_xcr0();
	ASSERT_EQ(0, guest_load64(&self->g, small_xcr0));
	ASSERT_EQ(0, set_cr4(&self->g, CR4_OSXSAVE));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(before, get_xcr0());
	alarm_ms(50);
	ASSERT_EQ(-EINTR, guest_run(&self->g));
	EXPECT_EQ(before, get_xcr0());
}

GUEST64(full_pkru,
	"xor %ecx, %ecx\n xor %edx, %edx\n mov $-1, %eax\n"
	".byte 0x0f, 0x01, 0xef\n" END "sti\n jmp .\n");

TEST_F(host, pkru_is_untouched)
{
	if (!os_has(7, false, 4))
		SKIP(return, "no protection keys");
	set_pkru(0x55555550);
	ASSERT_EQ(0, guest_load64(&self->g, full_pkru));
	ASSERT_EQ(0, set_cr4(&self->g, CR4_PKE));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0x55555550, get_pkru());
	alarm_ms(50);
	ASSERT_EQ(-EINTR, guest_run(&self->g));
	EXPECT_EQ(0x55555550, get_pkru());
}

/* Vector registers of this thread, whatever the guest puts there. */
GUEST64(clobber,
	"mov $-1, %rax\n movq %rax, %xmm0\n movq %rax, %xmm7\n movq %rax, %xmm15\n"
	"movq %rax, %mm3\n" END);

TEST_F(host, vector_registers_are_untouched)
{
	register long ret asm("rax") = SYS_ioctl;
	register long fd asm("rdi") = self->g.vcpu;
	register long request asm("rsi") = LODGE_RUN;
	__u64 in = 0x123456789abcdef0ull, out = 0;

	ASSERT_EQ(0, guest_load64(&self->g, clobber));
	ret = SYS_ioctl;
	fd = self->g.vcpu;
	request = LODGE_RUN;
	asm volatile("movq %4, %%xmm7\n syscall\n movq %%xmm7, %1\n"
		     : "+a" (ret), "=m" (out) : "r" (fd), "r" (request), "m" (in)
		     : "rcx", "r11", "xmm7", "memory");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(in, out);
	EXPECT_EQ(LODGE_EXIT_IO, self->g.run->exit_reason);
}

/* Debug registers, SYSCALL MSRs and segment bases are the kernel's again. */
GUEST64(msrs_and_segments,
	"mov $0xc0000082, %ecx\n mov $0x1234, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov $0xc0000081, %ecx\n wrmsr\n mov $0xc0000084, %ecx\n wrmsr\n"
	"mov $0xc0000100, %ecx\n wrmsr\n mov $0xc0000101, %ecx\n wrmsr\n"
	"mov $0xc0000102, %ecx\n wrmsr\n"
	"mov $0x10000, %eax\n mov %rax, %dr0\n mov $0x402, %eax\n mov %rax, %dr7\n"
	END);

static __thread int here = 42;

TEST_F(host, system_calls_and_segments_work)
{
	pid_t pid = getpid();

	ASSERT_EQ(0, guest_load64(&self->g, msrs_and_segments));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(pid, syscall(SYS_getpid));
	EXPECT_EQ(42, here);
	EXPECT_EQ(-1, syscall(-1));
}

/* What the CPUs did: @guest, and @busy with it among all that is not idleness. */
static void read_ticks(unsigned long *guest, unsigned long *busy)
{
	unsigned long value[10] = {};
	FILE *file = fopen("/proc/stat", "r");
	int n;

	n = fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu", &value[0],
		   &value[1], &value[2], &value[3], &value[4], &value[5],
		   &value[6], &value[7], &value[8], &value[9]);
	fclose(file);
	*guest = n >= 9 ? value[8] : 0;
	*busy = value[0] + value[1] + value[2] + value[5] + value[6];
}

GUEST64(forever, "sti\n jmp .\n");

/*
 * A guest that never exits shows as guest time, nine tenths at least of what is
 * not idle, and stalls no RCU: the host's log would say so after 21 s. An emulated
 * host on a busy machine loses ticks, of all kinds.
 */
TEST_F_TIMEOUT(host, spinning_guest_is_guest_time, 200)
{
	const char *wanted = getenv("LODGE_SPIN_SECONDS");
	unsigned int seconds = wanted ? atoi(wanted) : 5;
	unsigned long guest[2], busy[2];

	ASSERT_EQ(0, guest_load64(&self->g, forever));
	read_ticks(&guest[0], &busy[0]);
	alarm_ms(seconds * 1000);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	read_ticks(&guest[1], &busy[1]);
	EXPECT_LE((busy[1] - busy[0]) * 9 / 10, guest[1] - guest[0]);
	EXPECT_LE(seconds * sysconf(_SC_CLK_TCK) / 2, guest[1] - guest[0]);
}

/* rcu_barrier() and its like go on while a guest spins. */
TEST_F(host, other_work_goes_on)
{
	struct timespec begin, end;
	pid_t child;

	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		SKIP(return, "one CPU: Bochs takes minutes for this second");
	ASSERT_EQ(0, guest_load64(&self->g, forever));
	child = fork();
	if (!child) {
		/* Each membarrier waits for a grace period. */
		for (;;)
			syscall(SYS_membarrier, 1, 0, 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	alarm_ms(1000);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	clock_gettime(CLOCK_MONOTONIC, &end);
	EXPECT_GE(5, end.tv_sec - begin.tv_sec);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST_HARNESS_MAIN
