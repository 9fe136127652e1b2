// SPDX-License-Identifier: GPL-2.0-only
/* The paravirtual ABI: clock, wall clock, steal time, EOI, hypercalls. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define VECTOR		0x40
#define NS		1000000000ll

struct clock_page {
	__u32 version;
	__u32 pad;
	__u64 tsc;
	__u64 ns;
	__u32 mul;
	__s8 shift;
	__u8 flags;
	__u8 pad2[2];
};

struct wall_page {
	__u32 version;
	__u32 sec;
	__u32 nsec;
};

struct steal_page {
	__u64 steal;
	__u32 version;
	__u32 flags;
	__u8 preempted;
};

#define WRMSR(msr, value)						\
	"mov $" msr ", %ecx\n mov $" value ", %eax\n xor %edx, %edx\n wrmsr\n"
#define RDTSC(reg)		"rdtsc\n shl $32, %rdx\n or %rdx, %rax\n mov %rax, %" reg "\n"

GUEST64(clock_program,
	WRMSR("0x4b564d00", "0x20100") WRMSR("0x4b564d01", "0x20001")
	RDTSC("r8") END RDTSC("r9") END
	"mov $0x10, %ecx\n xor %eax, %eax\n mov $0x1000, %edx\n wrmsr\n" RDTSC("r10") END
	WRMSR("0x12", "0x20201") RDTSC("r11") END);

GUEST64(steal_program,
	WRMSR("0x4b564d03", "0x20001") "movzbl 0x20010, %r8d\n" END
	"movzbl 0x20010, %r8d\n" END);

/* The first interrupt ends by the bit, if it was offered; the second needs no more. */
GUEST64(eoi_program,
	WRMSR("0x4b564d04", "0x20001")
	"1: sti\n hlt\n cli\n" END "jmp 1b\n"
	HANDLER(eoi_program)
	"incl %r9d\n lock btrl $0, 0x20000\n jnc 1f\n incl %r8d\n iretq\n"
	"1: mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq\n");

/* Memory that is not there, or half: the guest gets no clock, the host no harm. */
GUEST64(bad_pages,
	WRMSR("0x4b564d00", "0xd0000000") WRMSR("0x4b564d01", "0xd0000001")
	WRMSR("0x4b564d03", "0xd0000001") WRMSR("0x4b564d04", "0xd0000001")
	WRMSR("0x4b564d00", "0x1ffffc") WRMSR("0x4b564d01", "0x1ffff9")
	WRMSR("0x4b564d03", "0xffffffc1") WRMSR("0x4b564d04", "0xfffffffd")
	"sti\n nop\n cli\n" END HANDLER(bad_pages)
	"mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq\n");

#define CALLS(insn)							\
	"mov $11, %eax\n" insn "mov %rax, %r8\n"			\
	"mov $0x4c000000, %eax\n" insn "mov %rax, %r9\n"		\
	"mov $-1, %rax\n" insn "mov %rax, %r10\n"			\
	"mov $5, %eax\n mov $77, %ecx\n" insn "mov %rax, %r11\n"	\
	"mov $10, %eax\n mov $3, %ebx\n xor %ecx, %ecx\n xor %edx, %edx\n" \
	"mov $0x40, %esi\n" insn "mov %rax, %r12\n" END

GUEST64(vmcalls, CALLS("vmcall\n"));
GUEST64(vmmcalls, CALLS("vmmcall\n"));

/* TSC deadline: R8 armed, R9 when it came. 0x6e0 exists where CPUID says so. */
GUEST64(deadline_program,
	"mov $0xfee00320, %ebx\n movl $0x40040, (%rbx)\n mfence\n"
	RDTSC("r8") "mov $0x6e0, %ecx\n mov %r8, %rax\n add $20000000, %rax\n"
	"mov %rax, %rdx\n shr $32, %rdx\n wrmsr\n"
	"sti\n hlt\n cli\n" END
	HANDLER(deadline_program)
	RDTSC("r9") "mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq\n");

FIXTURE(pv)
{
	struct guest g;
};

FIXTURE_SETUP(pv)
{
	ASSERT_EQ(0, guest_create(&self->g));
	ASSERT_EQ(0, guest_enable_lapic(&self->g));
	guest_gate(&self->g, VECTOR);
	alarm_ms(8000);
}

FIXTURE_TEARDOWN(pv)
{
	guest_destroy(&self->g);
}

static __s64 now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static __u64 read_clock(const struct clock_page *p, __u64 tsc)
{
	__u64 delta = tsc - p->tsc;

	delta = p->shift < 0 ? delta >> -p->shift : delta << p->shift;
	return p->ns + (delta >> 32) * p->mul + ((delta & 0xffffffff) * p->mul >> 32);
}

TEST_F(pv, clock)
{
	struct clock_page *page = (void *)self->g.mem + GUEST_DATA;
	struct wall_page *wall = (void *)self->g.mem + GUEST_DATA + 0x100;
	__s64 begin, took, real, first, second;

	ASSERT_EQ(0, guest_load64(&self->g, clock_program));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	begin = now(CLOCK_MONOTONIC);
	EXPECT_NE(0, page->version);
	EXPECT_EQ(0, page->version & 1);
	EXPECT_NE(0, page->mul);
	first = read_clock(page, guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(0, wall->version & 1);
	real = now(CLOCK_REALTIME) - (wall->sec * NS + wall->nsec) - first;
	EXPECT_GT(NS, real);
	EXPECT_LT(-NS, real);
	usleep(100000);
	ASSERT_LE(0, guest_run_to_end(&self->g));
	second = read_clock(page, guest_gpr(&self->g, LODGE_R9));
	took = now(CLOCK_MONOTONIC) - begin;
	/* Rates are measured ones; emulated hosts do it badly. */
	EXPECT_LT(80000000, second - first);
	EXPECT_LT(second - first, took + took / 4);
	/* The guest moves its TSC: its clock goes on. */
	ASSERT_LE(0, guest_run_to_end(&self->g));
	first = second;
	second = read_clock(page, guest_gpr(&self->g, LODGE_R10));
	EXPECT_LE(first, second);
	EXPECT_GT(first + 4 * NS, second);
	/* The old registers, the same clock at another address. */
	ASSERT_LE(0, guest_run_to_end(&self->g));
	first = read_clock(page + 0x200 / sizeof(*page), guest_gpr(&self->g, LODGE_R11));
	EXPECT_LE(second, first);
	EXPECT_GT(second + 4 * NS, first);
}

TEST_F(pv, steal_time)
{
	struct steal_page *page = (void *)self->g.mem + GUEST_DATA;

	ASSERT_EQ(0, guest_load64(&self->g, steal_program));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_R8));
	EXPECT_NE(0, page->version);
	EXPECT_EQ(0, page->version & 1);
	EXPECT_EQ(1, page->preempted);
	page->steal = 12345;
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_R8));
	EXPECT_LE(12345, page->steal);
	EXPECT_GT(60 * NS, page->steal);
}

static int send_msi(struct guest *g)
{
	struct lodge_msi args = { .size = sizeof(args), .addr = 0xfee00000, .data = VECTOR };

	return call(g->vm, LODGE_SIGNAL_MSI, &args);
}

TEST_F(pv, eoi_without_an_exit)
{
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, eoi_program));
	/* A page that the host has not yet is not waited for. */
	self->g.mem[GUEST_DATA] = 0;
	for (i = 1; i <= 5; i++) {
		ASSERT_LE(0, send_msi(&self->g));
		ASSERT_LE(0, guest_run_to_end(&self->g));
		EXPECT_EQ(i, guest_gpr(&self->g, LODGE_R9));
	}
	EXPECT_EQ(5, guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(0, self->g.mem[GUEST_DATA] & 1);
}

static __u64 host_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

/* What MSR 0x10 reads by ioctl is what RDTSC gives. */
static __u64 msr_tsc(struct guest *g)
{
	struct lodge_msr_entry msr = { .index = 0x10 };
	struct lodge_msrs args = {
		.size = sizeof(args), .count = 1, .entries = (unsigned long)&msr,
	};

	return call(g->vcpu, LODGE_GET_MSRS, &args) ? 0 : msr.value;
}

/* A guest whose TSC is half as fast, or half as fast again, as the host's: all clocks follow. */
static void scaled(struct __test_metadata *_metadata, unsigned int half)
{
	struct clock_page *page;
	__u64 begin, end, guest, clock;
	struct guest g;

	ASSERT_EQ(0, guest_create_tsc(&g, half));
	ASSERT_EQ(0, guest_enable_lapic(&g));
	guest_gate(&g, VECTOR);
	page = (void *)g.mem + GUEST_DATA;
	ASSERT_EQ(0, guest_load64(&g, clock_program));
	ASSERT_LE(0, guest_run_to_end(&g));
	begin = host_tsc();
	guest = guest_gpr(&g, LODGE_R8);
	clock = read_clock(page, guest);
	EXPECT_LE(guest, msr_tsc(&g));
	usleep(20000);
	end = host_tsc();
	EXPECT_LE(guest + (end - begin) * half / 2, msr_tsc(&g) + 2);
	ASSERT_LE(0, guest_run_to_end(&g));
	EXPECT_LE(guest + (end - begin) * half / 2, guest_gpr(&g, LODGE_R9) + 2);
	EXPECT_GE(msr_tsc(&g), guest_gpr(&g, LODGE_R9));
	/* The page's rate is that of this TSC. Where it is measured, it is so badly. */
	guest = guest_gpr(&g, LODGE_R9) - guest;
	clock = read_clock(page, guest_gpr(&g, LODGE_R9)) - clock;
	EXPECT_LE(guest * 1000000 / (g.info.tsc_khz / 2 * half), clock + clock / 4);
	EXPECT_GE(guest * 1000000 / (g.info.tsc_khz / 2 * half), clock - clock / 4);
	ASSERT_EQ(0, guest_load64(&g, deadline_program));
	ASSERT_LE(0, guest_run_to_end(&g));
	EXPECT_LE(guest_gpr(&g, LODGE_R8) + 20000000, guest_gpr(&g, LODGE_R9));
	guest_destroy(&g);
}

TEST_F(pv, tsc_of_its_own)
{
	struct guest g;

	if (self->g.info.caps & LODGE_CAP_TSC_SCALING) {
		scaled(_metadata, 1);
		scaled(_metadata, 3);
		EXPECT_EQ(-EINVAL, guest_create_tsc(&g, 1000));
		close(g.dev);
		return;
	}
	EXPECT_EQ(-EOPNOTSUPP, guest_create_tsc(&g, 1));
	close(g.dev);
}

TEST_F(pv, pages_that_do_not_exist)
{
	ASSERT_EQ(0, guest_load64(&self->g, bad_pages));
	ASSERT_LE(0, send_msi(&self->g));
	EXPECT_LE(0, guest_run_to_end(&self->g));
}

TEST_F(pv, hypercalls)
{
	bool vmx = self->g.info.backend == LODGE_BACKEND_VMX;

	ASSERT_EQ(0, vmx ? guest_load64(&self->g, vmcalls) : guest_load64(&self->g, vmmcalls));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(-1000, (__s64)guest_gpr(&self->g, LODGE_R8));
	EXPECT_EQ(-1000, (__s64)guest_gpr(&self->g, LODGE_R9));
	EXPECT_EQ(-1000, (__s64)guest_gpr(&self->g, LODGE_R10));
	/* A kick for nobody; an IPI for two of whom one exists. */
	EXPECT_EQ(0, guest_gpr(&self->g, LODGE_R11));
	EXPECT_EQ(1, guest_gpr(&self->g, LODGE_R12));
}

TEST_HARNESS_MAIN
