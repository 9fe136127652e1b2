// SPDX-License-Identifier: GPL-2.0-only
/* Who outlives whom: descriptors, threads, processes, memory, the module. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

FIXTURE(life)
{
	struct guest g;
};

FIXTURE_SETUP(life)
{
	ASSERT_EQ(0, guest_create(&self->g));
}

FIXTURE_TEARDOWN(life)
{
	guest_destroy(&self->g);
}

/* References to the module: each open descriptor holds one. */
static int module_users(void)
{
	char text[16] = {};
	int fd = open("/sys/module/lodge/refcnt", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 ? atoi(text) : -1;
}

GUEST64(touch_all,
	"sti\n 1: mov $0x40000, %eax\n 2: incl (%rax)\n add $4096, %eax\n"
	"cmp $0x200000, %eax\n jne 2b\n jmp 1b\n");
GUEST64(forever, "sti\n jmp .\n");
GUEST64(ender, END "sti\n jmp .\n");

static void *run_thread(void *arg)
{
	struct guest *g = arg;

	return (void *)(long)guest_run(g);
}

/* Memory that is gone now may be back the next time. */
static void *rerun_thread(void *arg)
{
	struct guest *g = arg;
	int ret;

	do {
		ret = guest_run(g);
	} while (!ret && g->run->exit_reason == LODGE_EXIT_MEMORY);
	return (void *)(long)ret;
}

/* Start the guest in a thread and give it time to get there. */
static pthread_t start_by(struct guest *g, void *(*body)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, g);
	usleep(50000);
	return thread;
}

static pthread_t start(struct guest *g)
{
	return start_by(g, run_thread);
}

/* It comes back of itself. */
static long finish(pthread_t thread)
{
	void *result;

	pthread_join(thread, &result);
	return (long)result;
}

static long stop(struct guest *g, pthread_t thread)
{
	long result;

	alarm_ms(1 << 20);		/* installs the handler, no more */
	g->run->immediate_exit = 1;
	pthread_kill(thread, SIGALRM);
	result = finish(thread);
	g->run->immediate_exit = 0;
	return result;
}

TEST_F(life, vm_closed_while_its_vcpu_runs)
{
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(&self->g, forever));
	thread = start(&self->g);
	close(self->g.vm);
	close(self->g.dev);
	usleep(50000);
	EXPECT_EQ(-EINTR, stop(&self->g, thread));
	/* The vCPU keeps its VM alive. */
	ASSERT_EQ(0, guest_load64(&self->g, ender));
	EXPECT_LE(0, guest_run_to_end(&self->g));
}

TEST_F(life, vcpu_closed_while_it_runs)
{
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(&self->g, forever));
	thread = start(&self->g);
	close(self->g.vcpu);
	usleep(20000);
	EXPECT_EQ(-EINTR, stop(&self->g, thread));
}

TEST_F(life, run_area_outlives_its_vcpu)
{
	close(self->g.vcpu);
	close(self->g.vm);
	self->g.run->immediate_exit = 1;
	memset(self->g.run, 0x55, sizeof(*self->g.run));
}

static void *churn(void *arg)
{
	struct guest *g = arg;
	struct lodge_create_vm args = { .size = sizeof(args) };
	int i, fd;

	for (i = 0; i < 50; i++) {
		fd = dup(i & 1 ? g->vm : g->vcpu);
		close(fd);
		fd = call(g->dev, LODGE_CREATE_VM, &args);
		close(fd);
	}
	return NULL;
}

TEST_F(life, dup_and_close_races)
{
	pthread_t thread[4];
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, touch_all));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, churn, &self->g));
	alarm_ms(100);
	guest_run(&self->g);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	ASSERT_EQ(0, guest_load64(&self->g, ender));
	EXPECT_LE(0, guest_run_to_end(&self->g));
}

/* Other threads' ioctls while one is in LODGE_RUN: lockless ones answer. */
TEST_F(life, ioctls_while_running)
{
	struct lodge_irq_line line = { .size = sizeof(line), .gsi = 3 };
	struct lodge_nmi nmi = { .size = sizeof(nmi) };
	pthread_t thread;
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, forever));
	thread = start(&self->g);
	for (i = 0; i < 1000; i++) {
		line.level = i & 1;
		EXPECT_EQ(0, call(self->g.vm, LODGE_IRQ_LINE, &line));
	}
	guest_gate(&self->g, 2);
	EXPECT_LT(0, guest_stat(&self->g, "exits") + 1);
	EXPECT_EQ(0, guest_slot(&self->g, 7, 0x80000000, 4096, self->g.mem));
	EXPECT_EQ(0, guest_slot(&self->g, 7, 0, 0, NULL));
	EXPECT_EQ(-EINTR, stop(&self->g, thread));
	EXPECT_EQ(0, call(self->g.vcpu, LODGE_NMI, &nmi));
}

TEST_F(life, child_may_not_use_the_vm)
{
	struct lodge_create_vcpu args = { .size = sizeof(args), .id = 1 };
	struct lodge_regs regs;
	pid_t child = fork();
	int status;

	if (!child) {
		if (call(self->g.vm, LODGE_CREATE_VCPU, &args) != -EIO)
			_exit(1);
		if (guest_run(&self->g) != -EIO)
			_exit(2);
		if (guest_get_regs(&self->g, &regs) != -EIO)
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, guest_get_regs(&self->g, &regs));
}

/* The VM's owner goes, a child keeps the descriptors: nothing answers any more. */
TEST_F(life, descriptors_outlive_their_process)
{
	int ready[2], fds[2];
	char byte;
	pid_t owner;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(fds));
	owner = fork();
	if (!owner) {
		struct guest g;
		pid_t child;

		if (guest_create(&g) || guest_load64(&g, ender) ||
		    guest_run_to_end(&g) < 0)
			_exit(1);
		child = fork();
		if (child)
			_exit(0);
		/* The owner's memory is gone when its end of the pipe is. */
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			_exit(1);
		byte = call(g.vm, LODGE_RESET_VM, NULL) == -EIO &&
		       guest_run(&g) == -EIO;
		if (write(fds[1], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(owner, waitpid(owner, NULL, 0));
	ASSERT_EQ(1, write(ready[1], "x", 1));
	ASSERT_EQ(1, read(fds[0], &byte, 1));
	EXPECT_EQ(1, byte);
}

TEST_F(life, memory_unmapped_under_a_running_guest)
{
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(&self->g, touch_all));
	thread = start(&self->g);
	/* Not the page with the code. */
	ASSERT_EQ(0, munmap(self->g.mem + 0x100000, 0x1000));
	EXPECT_EQ(0, finish(thread));
	EXPECT_EQ(LODGE_EXIT_MEMORY, self->g.run->exit_reason);
	EXPECT_EQ(0x100000, self->g.run->memory.gpa & ~0xfffull);
}

GUEST64(add_device, "mov $0xd0000000, %ebx\n mov $1, %eax\n add (%rbx), %eax\n" END);

/* Gone while userspace serves the instruction: said so, and repeated when it is back. */
TEST_F(life, code_unmapped_under_an_instruction)
{
	static const __u32 value = 41;
	struct guest *g = &self->g;
	__u8 *code = g->mem + GUEST_CODE;
	static __u8 copy[4096];

	ASSERT_EQ(0, guest_load64(g, add_device));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_MMIO, g->run->exit_reason);
	memcpy(g->run->data, &value, sizeof(value));
	memcpy(copy, code, sizeof(copy));
	ASSERT_EQ(0, munmap(code, sizeof(copy)));
	ASSERT_EQ(0, guest_run(g));
	EXPECT_EQ(LODGE_EXIT_MEMORY, g->run->exit_reason);
	EXPECT_EQ(GUEST_CODE, g->run->memory.gpa & ~0xfffull);
	EXPECT_EQ(LODGE_ACCESS_EXEC, g->run->memory.access);
	EXPECT_EQ(-EFAULT, g->run->memory.error);
	ASSERT_EQ(code, mmap(code, sizeof(copy), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memcpy(code, copy, sizeof(copy));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_MMIO, g->run->exit_reason);
	memcpy(g->run->data, &value, sizeof(value));
	EXPECT_EQ(42, guest_run_to_end(g));
}

/* The same of its page tables. */
TEST_F(life, tables_unmapped_under_an_instruction)
{
	struct guest *g = &self->g;

	ASSERT_EQ(0, guest_load64(g, add_device));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_MMIO, g->run->exit_reason);
	ASSERT_EQ(0, munmap(g->mem + GUEST_TABLES, 4096));
	ASSERT_EQ(0, guest_run(g));
	EXPECT_EQ(LODGE_EXIT_MEMORY, g->run->exit_reason);
	EXPECT_EQ(GUEST_TABLES, g->run->memory.gpa & ~0xfffull);
}

/* All sorts of things happen to memory; a guest that counts in it goes on. */
TEST_F(life, memory_changed_under_a_running_guest)
{
	__u8 *mem = self->g.mem;
	pthread_t thread;
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, touch_all));
	thread = start_by(&self->g, rerun_thread);
	for (i = 0; i < 50; i++) {
		madvise(mem + 0x40000, 0x1c0000, MADV_DONTNEED);
		madvise(mem, GUEST_BYTES, i & 1 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		mprotect(mem + 0x80000, 0x10000, PROT_READ);
		mprotect(mem + 0x80000, 0x10000, PROT_READ | PROT_WRITE);
		if (fork() == 0)
			_exit(0);
		wait(NULL);
	}
	EXPECT_EQ(-EINTR, stop(&self->g, thread));
	/* It still writes to the pages that are mapped now. */
	madvise(mem + 0x40000, 4096, MADV_DONTNEED);
	for (i = 0; i < 100 && !*(volatile __u32 *)(mem + 0x40000); i++) {
		alarm_ms(100);
		ASSERT_EQ(-EINTR, guest_run(&self->g));
	}
	EXPECT_NE(0, *(__u32 *)(mem + 0x40000));
}

/* Write protection holds against the guest, too. */
TEST_F(life, read_only_memory)
{
	ASSERT_EQ(0, guest_load64(&self->g, touch_all));
	self->g.mem[0x40000] = 1;
	ASSERT_EQ(0, mprotect(self->g.mem + 0x40000, 4096, PROT_READ));
	alarm_ms(2000);
	ASSERT_EQ(0, guest_run(&self->g));
	EXPECT_EQ(LODGE_EXIT_MEMORY, self->g.run->exit_reason);
	EXPECT_EQ(1, self->g.mem[0x40000]);
}

TEST_F(life, slot_deleted_under_a_running_guest)
{
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(&self->g, touch_all));
	thread = start(&self->g);
	ASSERT_EQ(0, guest_slot(&self->g, 0, 0, 0, NULL));
	EXPECT_EQ(0, finish(thread));
	EXPECT_TRUE(self->g.run->exit_reason == LODGE_EXIT_MMIO ||
		    self->g.run->exit_reason == LODGE_EXIT_INTERNAL ||
		    self->g.run->exit_reason == LODGE_EXIT_SHUTDOWN);
}

/* An irqfd outlives its eventfd's descriptor, and the other way round. */
TEST_F(life, irqfd_and_its_eventfd)
{
	struct lodge_irqfd args = { .size = sizeof(args), .gsi = 5 };
	int efd = eventfd(0, 0), copy = dup(efd);

	args.fd = efd;
	ASSERT_EQ(0, call(self->g.vm, LODGE_SET_IRQFD, &args));
	close(efd);
	EXPECT_EQ(0, eventfd_write(copy, 1));
	guest_destroy(&self->g);
	EXPECT_EQ(0, eventfd_write(copy, 1));
	close(copy);
	ASSERT_EQ(0, guest_create(&self->g));
}

/* SIGKILL at any moment leaves nothing behind. */
TEST_F(life, killed_at_random)
{
	int before, i, users = -1;
	pid_t child;

	guest_destroy(&self->g);
	before = module_users();
	ASSERT_LE(0, before);
	srand(3);
	for (i = 0; i < 30; i++) {
		child = fork();
		if (!child) {
			for (;;) {
				if (guest_create(&self->g) ||
				    guest_load64(&self->g, touch_all))
					_exit(1);
				alarm_ms(5);
				guest_run(&self->g);
				guest_destroy(&self->g);
			}
		}
		usleep(rand() % 20000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	/* Descriptors are closed a little after their process was reaped. */
	for (i = 0; i < 100 && users != before; i++) {
		usleep(10000);
		users = module_users();
	}
	EXPECT_EQ(before, users);
	ASSERT_EQ(0, guest_create(&self->g));
}

TEST_F(life, module_is_busy)
{
	EXPECT_EQ(-1, syscall(SYS_delete_module, "lodge", O_NONBLOCK));
	EXPECT_TRUE(errno == EWOULDBLOCK || errno == EBUSY);
	EXPECT_LE(3, module_users());
}

/* A vCPU follows its thread from CPU to CPU. */
TEST_F(life, migration)
{
	cpu_set_t all, one;
	int i, cpu;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	if (CPU_COUNT(&all) < 2)
		SKIP(return, "one CPU");
	ASSERT_EQ(0, guest_load64(&self->g, touch_all));
	for (i = 0; i < 50; i++) {
		CPU_ZERO(&one);
		for (cpu = i % CPU_COUNT(&all); !CPU_ISSET(cpu, &all); cpu++)
			;
		CPU_SET(cpu, &one);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
		alarm_ms(5);
		ASSERT_EQ(-EINTR, guest_run(&self->g));
	}
	ASSERT_EQ(0, guest_load64(&self->g, ender));
	EXPECT_LE(0, guest_run_to_end(&self->g));
}

TEST_HARNESS_MAIN
