// SPDX-License-Identifier: GPL-2.0-only
/* Every ioctl with every wrong struct: a table of all, and what each must say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

enum target { DEVICE, VM, VCPU };

/**
 * struct row - one ioctl
 * @target: what it is called on
 * @answers: writes its struct back
 * @bytes: size of its struct as this program was built
 */
struct row {
	const char *name;
	unsigned int number;
	enum target target;
	bool answers;
	size_t bytes;
};

#define ROW(ioctl, on, out, type) \
	{ #ioctl, LODGE_##ioctl, on, out, sizeof(struct type) }

static const struct row rows[] = {
	ROW(GET_INFO, DEVICE, true, lodge_info),
	ROW(GET_SUPPORTED_CPUID, DEVICE, true, lodge_cpuid),
	ROW(GET_MSR_LIST, DEVICE, true, lodge_msr_list),
	ROW(CREATE_VM, DEVICE, false, lodge_create_vm),
	ROW(CREATE_VCPU, VM, false, lodge_create_vcpu),
	ROW(SET_SLOT, VM, false, lodge_slot),
	ROW(IRQ_LINE, VM, false, lodge_irq_line),
	ROW(SIGNAL_MSI, VM, false, lodge_msi),
	ROW(SET_IRQFD, VM, false, lodge_irqfd),
	ROW(SET_DOMAIN, VM, false, lodge_domain),
	ROW(SET_REGION, VM, false, lodge_region),
	ROW(GET_CHIP, VM, true, lodge_chip),
	ROW(SET_CHIP, VM, false, lodge_chip),
	ROW(VM_STATS, VM, false, lodge_open_stats),
	ROW(RESET_VM, VM, false, lodge_reset),
	ROW(GET_REGS, VCPU, true, lodge_get_regs),
	ROW(SET_REGS, VCPU, false, lodge_get_regs),
	ROW(GET_SREGS, VCPU, true, lodge_get_sregs),
	ROW(SET_SREGS, VCPU, false, lodge_get_sregs),
	ROW(GET_XSAVE, VCPU, true, lodge_xsave),
	ROW(SET_XSAVE, VCPU, false, lodge_xsave),
	ROW(GET_MSRS, VCPU, true, lodge_msrs),
	ROW(SET_MSRS, VCPU, true, lodge_msrs),
	ROW(GET_CPUID, VCPU, true, lodge_cpuid),
	ROW(SET_CPUID, VCPU, false, lodge_cpuid),
	ROW(GET_EVENTS, VCPU, true, lodge_events),
	ROW(SET_EVENTS, VCPU, false, lodge_events),
	ROW(GET_LAPIC, VCPU, true, lodge_lapic_state),
	ROW(SET_LAPIC, VCPU, false, lodge_lapic_state),
	ROW(GET_MP_STATE, VCPU, true, lodge_mp_state),
	ROW(SET_MP_STATE, VCPU, false, lodge_mp_state),
	ROW(GET_DEBUGREGS, VCPU, true, lodge_debugregs),
	ROW(SET_DEBUGREGS, VCPU, false, lodge_debugregs),
	ROW(TRANSLATE, VCPU, true, lodge_translate),
	ROW(NMI, VCPU, false, lodge_nmi),
	ROW(VCPU_STATS, VCPU, false, lodge_open_stats),
	ROW(TRACE, VCPU, false, lodge_open_trace),
};

struct header {
	__u32 size;
	__u32 flags;
};

/* Pages that end where nothing is mapped: what is read too far, faults. */
#define ARENA	KIB(16)

FIXTURE(hostile)
{
	struct guest g;
	__u8 *arena;
};

FIXTURE_SETUP(hostile)
{
	ASSERT_EQ(0, guest_create(&self->g));
	self->arena = mmap(NULL, ARENA + 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->arena);
	ASSERT_EQ(0, mprotect(self->arena + ARENA, 4096, PROT_NONE));
}

FIXTURE_TEARDOWN(hostile)
{
	guest_destroy(&self->g);
}

static int attempt(const struct guest *g, const struct row *row, const void *args)
{
	int fd = row->target == DEVICE ? g->dev : row->target == VM ? g->vm : g->vcpu;
	int ret = call(fd, row->number, args);

	if (ret > 2 && row->number != LODGE_SIGNAL_MSI)
		close(ret);		/* a new VM or vCPU */
	return ret;
}

/* A zeroed struct of @bytes that says it is @size long, at the arena's end. */
static struct header *place(__u8 *arena, size_t bytes, __u32 size)
{
	struct header *args = (void *)(arena + ARENA - bytes);

	memset(arena, 0, ARENA);
	memcpy(&args->size, &size, sizeof(size));
	return args;
}

#define for_each_row(row) \
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)

TEST_F(hostile, null)
{
	const struct row *row;

	for_each_row(row)
		EXPECT_EQ(-EFAULT, attempt(&self->g, row, NULL)) {
			TH_LOG("%s", row->name);
		}
}

TEST_F(hostile, bad_pointers)
{
	const void *bad[] = {
		self->arena + ARENA, (void *)0xffff888000000000ul,
		(void *)0x8000000000000000ul, (void *)-1ul, (void *)-8ul,
	};
	const struct row *row;
	unsigned int i;

	for_each_row(row)
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			EXPECT_EQ(-EFAULT, attempt(&self->g, row, bad[i])) {
				TH_LOG("%s, %p", row->name, bad[i]);
			}
}

TEST_F(hostile, struct_ends_in_a_hole)
{
	const struct row *row;
	struct header *args;

	for_each_row(row) {
		/* One of eight bytes ends there, and may. */
		if (row->bytes == 8)
			continue;
		args = place(self->arena, 8, row->bytes);
		EXPECT_EQ(-EFAULT, attempt(&self->g, row, args)) {
			TH_LOG("%s", row->name);
		}
	}
}

TEST_F(hostile, too_short)
{
	const struct row *row;
	__u32 size;

	for_each_row(row)
		for (size = 0; size < 8; size++)
			EXPECT_EQ(-EINVAL, attempt(&self->g, row,
						   place(self->arena, 8, size))) {
				TH_LOG("%s, size %u", row->name, size);
			}
}

/* Shorter than ours is an older caller: refused as a whole, or zero-filled. */
TEST_F(hostile, shorter_by_one)
{
	const struct row *row;
	struct header *args;
	int ret;

	for_each_row(row) {
		args = place(self->arena, row->bytes, row->bytes - 1);
		ret = attempt(&self->g, row, args);
		EXPECT_TRUE(ret != -E2BIG && ret != -ENOTTY) {
			TH_LOG("%s: %d", row->name, ret);
		}
		EXPECT_EQ(0, self->arena[ARENA - 1]);
	}
}

/* Longer than ours with zeroes there is a newer caller who asks nothing new. */
TEST_F(hostile, longer_with_zeroes)
{
	const struct row *row;
	int exact, ret;

	for_each_row(row) {
		exact = attempt(&self->g, row, place(self->arena, row->bytes, row->bytes));
		/* Not what works only once: a vCPU is made, a slot deleted. */
		if (row->number == LODGE_CREATE_VCPU ||
		    row->number == LODGE_SET_SLOT || exact > 0)
			continue;
		ret = attempt(&self->g, row, place(self->arena, row->bytes + 1,
						   row->bytes + 1));
		EXPECT_EQ(exact, ret) {
			TH_LOG("%s", row->name);
		}
		ret = attempt(&self->g, row, place(self->arena, 4096, 4096));
		EXPECT_EQ(exact, ret) {
			TH_LOG("%s, a page", row->name);
		}
	}
}

TEST_F(hostile, longer_with_something)
{
	const struct row *row;
	struct header *args;

	for_each_row(row) {
		args = place(self->arena, row->bytes + 1, row->bytes + 1);
		self->arena[ARENA - 1] = 1;
		EXPECT_EQ(-E2BIG, attempt(&self->g, row, args)) {
			TH_LOG("%s", row->name);
		}
	}
}

TEST_F(hostile, enormous)
{
	static const __u32 sizes[] = { 4097, 1u << 31, 0x7fffffff, ~0u };
	const struct row *row;
	unsigned int i;

	for_each_row(row)
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			EXPECT_EQ(-E2BIG, attempt(&self->g, row,
						  place(self->arena, 4096, sizes[i]))) {
				TH_LOG("%s, size %u", row->name, sizes[i]);
			}
}

TEST_F(hostile, unknown_flags)
{
	const struct row *row;
	struct header *args;
	int bit;

	for_each_row(row)
		for (bit = 9; bit < 32; bit++) {
			args = place(self->arena, row->bytes, row->bytes);
			args->flags = 1u << bit;
			EXPECT_EQ(-EINVAL, attempt(&self->g, row, args)) {
				TH_LOG("%s, bit %d", row->name, bit);
			}
		}
}

TEST_F(hostile, unaligned)
{
	const struct row *row;
	__u8 *args;
	int ret;

	for_each_row(row) {
		args = self->arena + 1;
		memset(self->arena, 0, ARENA);
		memcpy(args, &(__u32){ row->bytes }, 4);
		ret = attempt(&self->g, row, args);
		EXPECT_NE(-EFAULT, ret) {
			TH_LOG("%s", row->name);
		}
	}
}

/* Answers go where the caller may write, and nowhere else. */
TEST_F(hostile, read_only_page)
{
	const struct row *row;
	struct header *args;
	int ret;

	for_each_row(row) {
		ASSERT_EQ(0, mprotect(self->arena, ARENA, PROT_READ | PROT_WRITE));
		args = place(self->arena, row->bytes, row->bytes);
		ASSERT_EQ(0, mprotect(self->arena, ARENA, PROT_READ));
		ret = attempt(&self->g, row, args);
		/* What is refused has no answer. */
		EXPECT_TRUE(row->answers ? ret < 0 : ret != -EFAULT) {
			TH_LOG("%s: %d", row->name, ret);
		}
	}
	ASSERT_EQ(0, mprotect(self->arena, ARENA, PROT_READ | PROT_WRITE));
}

/* An ioctl of one kind of descriptor is none of another's. */
TEST_F(hostile, wrong_descriptor)
{
	const int fds[] = { self->g.dev, self->g.vm, self->g.vcpu };
	const struct row *row;
	unsigned int i;

	for_each_row(row)
		for (i = 0; i < 3; i++)
			if (i != row->target)
				EXPECT_EQ(-ENOTTY, call(fds[i], row->number,
							self->arena)) {
					TH_LOG("%s on %u", row->name, i);
				}
}

/* Structs of random words: whatever the answer, kernel and VM live on. */
TEST_F(hostile, random_structs)
{
	const struct row *row;
	struct header *args;
	unsigned int i, j;

	srand(1);
	for (i = 0; i < 200; i++) {
		for_each_row(row) {
			/* It would ask for random memory of this very process. */
			if (row->number == LODGE_CREATE_VM)
				continue;
			args = place(self->arena, row->bytes, row->bytes);
			for (j = 8; j + 4 <= row->bytes; j += 4)
				if (rand() & 1)
					((__u32 *)args)[j / 4] = rand() << (rand() & 31);
			args->flags = rand() & 7;
			EXPECT_NE(-ENOTTY, attempt(&self->g, row, args));
		}
	}
	place(self->arena, sizeof(struct lodge_info), sizeof(struct lodge_info));
	EXPECT_EQ(0, attempt(&self->g, &rows[0],
			     self->arena + ARENA - sizeof(struct lodge_info)));
}

/* Random vCPU state, run: the worst is a guest that dies. */
TEST_F(hostile, random_state_runs)
{
	struct lodge_sregs good, sregs;
	struct lodge_regs regs;
	const char *cpu = getenv("LAB_CPU");
	unsigned int i, j, ran = 0;

	srand(2);
	ASSERT_EQ(0, guest_get_sregs(&self->g, &good));
	for (i = 0; i < 300; i++) {
		sregs = good;
		for (j = 0; j < 4; j++)
			((__u8 *)&sregs)[rand() % sizeof(sregs)] = rand();
		for (j = 0; j < sizeof(regs) / 4; j++)
			((__u32 *)&regs)[j] = rand();
		regs.rip &= 0xffff;
		/* Bochs never leaves a VMX guest with interrupts off. */
		regs.rflags |= 0x200;
		/* Its SVM kills the host when a guest steps over an exit: see run.single_step. */
		if (cpu && !strcmp(cpu, "amd-nrips"))
			regs.rflags &= ~0x100ull;
		guest_set_regs(&self->g, &regs);
		if (guest_set_sregs(&self->g, &sregs))
			continue;
		alarm_ms(5);
		ran += guest_run(&self->g) != -EIO;
	}
	EXPECT_LT(0, ran);
	ASSERT_EQ(0, guest_set_sregs(&self->g, &good));
}

/* The same layout from a 32-bit system call, where the kernel has them. */
TEST_F(hostile, compat_call)
{
	struct lodge_info *info;
	pid_t child;
	int status;
	long ret;

	info = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, info);
	info->size = sizeof(*info);
	child = fork();
	if (!child) {
		asm volatile("int $0x80" : "=a" (ret)
			     : "a" (54), "b" (self->g.dev), "c" (LODGE_GET_INFO),
			       "d" (info) : "memory", "r8", "r9", "r10", "r11");
		_exit(ret ? 1 : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	if (WIFSIGNALED(status))
		SKIP(return, "no 32-bit system calls in this kernel");
	EXPECT_EQ(0, status);
	EXPECT_EQ(LODGE_API_VERSION, info->api_version);
}

TEST_HARNESS_MAIN
