// SPDX-License-Identifier: GPL-2.0-only
/* Several vCPUs: start-up, interrupts between them, kicks, reset, creation. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define MAX	LODGE_MAX_VCPUS
#define AP_CODE	0x40000ul		/* SIPI vector 0x40 */

/* INIT and SIPI to APIC 1; wait for what it stores. */
GUEST64(starter,
	"mov $0xfee00300, %ebx\n movl $0x01000000, 0x10(%rbx)\n movl $0x4500, (%rbx)\n"
	"movl $0x4640, (%rbx)\n 1: pause\n mov 0x20000, %al\n test %al, %al\n je 1b\n" END);

/* The same to all but self; how many came is at 0x20000. */
GUEST64(start_all,
	"mov $0xfee00300, %ebx\n movl $0xc4500, (%rbx)\n movl $0xc4640, (%rbx)\n"
	"1: pause\n mov 0x20000, %al\n cmp 0x20004, %al\n jne 1b\n" END);

GUEST16(ap_counts, "mov $0x2000, %ax\n mov %ax, %ds\n lock incw 0\n 1: cli\n hlt\n jmp 1b\n");

/* The same with another program; how many are through it is at 0x20010. */
GUEST64(start_barrier,
	"mov $0xfee00300, %ebx\n movl $0xc4500, (%rbx)\n movl $0xc4641, (%rbx)\n"
	"1: pause\n mov 0x20010, %al\n cmp 0x20008, %al\n jne 1b\n" END);

/* 200 times, none goes on before all are there. */
GUEST16(ap_barrier,
	"mov $0x2000, %ax\n mov %ax, %ds\n xor %dx, %dx\n mov $200, %cx\n"
	"1: add 8, %dx\n lock incw 0\n"
	"2: pause\n mov 0, %ax\n sub %dx, %ax\n js 2b\n loop 1b\n"
	"lock incw 16\n 3: cli\n hlt\n jmp 3b\n");

GUEST64(forever, "1: incq 0x20000\n jmp 1b\n");
GUEST64(asks, "mov $0x1234, %ebx\n in $0x60, %al\n 1: jmp 1b\n");
GUEST64(halt, "1: sti\n hlt\n jmp 1b\n");

FIXTURE(smp)
{
	struct guest g;
	struct guest ap[MAX];
	pthread_t thread[MAX];
	int count;
};

static volatile bool stop;

static void wake(int sig)
{
}

FIXTURE_SETUP(smp)
{
	struct sigaction action = { .sa_handler = wake };

	stop = false;
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, guest_create(&self->g));
	ASSERT_EQ(0, guest_enable_lapic(&self->g));
	memcpy(self->g.mem + AP_CODE, ap_counts, ap_counts_end - ap_counts);
	alarm_ms(20000);
}

static void *run_thread(void *arg)
{
	struct guest *g = arg;
	int ret;

	do {
		ret = call(g->vcpu, LODGE_RUN, NULL);
	} while (!stop && (ret == -EINTR || ret == 0));
	return NULL;
}

static int add_ap(FIXTURE_DATA(smp) *self, int id)
{
	struct guest *ap = &self->ap[self->count];
	int ret = guest_join(ap, &self->g, id);

	if (ret)
		return ret;
	return -pthread_create(&self->thread[self->count++], NULL, run_thread, ap);
}

static void stop_aps(FIXTURE_DATA(smp) *self)
{
	int i;

	stop = true;
	for (i = 0; i < self->count; i++) {
		self->ap[i].run->immediate_exit = 1;
		pthread_kill(self->thread[i], SIGUSR1);
	}
	for (i = 0; i < self->count; i++) {
		pthread_join(self->thread[i], NULL);
		guest_leave(&self->ap[i]);
	}
	self->count = 0;
}

FIXTURE_TEARDOWN(smp)
{
	stop_aps(self);
	guest_destroy(&self->g);
}

static int mp_state(int vcpu)
{
	struct lodge_mp_state args = { .size = sizeof(args) };
	int ret = call(vcpu, LODGE_GET_MP_STATE, &args);

	return ret ? ret : (int)args.state;
}

TEST_F(smp, init_and_sipi)
{
	int ap = guest_add_vcpu(&self->g, 1);

	ASSERT_LE(0, ap);
	EXPECT_EQ(LODGE_MP_RUNNABLE, mp_state(self->g.vcpu));
	EXPECT_EQ(LODGE_MP_WAIT_SIPI, mp_state(ap));
	close(ap);
	/* A vCPU that is not 1 does not start. */
	ASSERT_EQ(0, add_ap(self, 2));
	ASSERT_EQ(0, guest_load64(&self->g, starter));
	alarm_ms(200);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	EXPECT_EQ(0, self->g.mem[GUEST_DATA]);
}

TEST_F(smp, one_starts_another)
{
	ASSERT_EQ(0, add_ap(self, 1));
	ASSERT_EQ(0, guest_load64(&self->g, starter));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
	usleep(20000);
	stop_aps(self);
}

/* As many as there may be, made in an order of no use, some while others run. */
TEST_F_TIMEOUT(smp, all_start, 120)
{
	int i;

	for (i = MAX - 1; i > 0; i--)
		ASSERT_EQ(0, add_ap(self, i & 1 ? i : MAX - i));
	self->g.mem[GUEST_DATA + 4] = MAX - 1;
	alarm_ms(100000);
	ASSERT_EQ(0, guest_load64(&self->g, start_all));
	EXPECT_EQ(MAX - 1, guest_run_to_end(&self->g));
}

/* More of them than CPUs: who waits for one without a CPU lets it have one. */
TEST_F_TIMEOUT(smp, spinning_together, 120)
{
	int i;

	memcpy(self->g.mem + AP_CODE + 0x1000, ap_barrier, ap_barrier_end - ap_barrier);
	for (i = 1; i <= 4; i++)
		ASSERT_EQ(0, add_ap(self, i));
	self->g.mem[GUEST_DATA + 8] = 4;
	alarm_ms(100000);
	ASSERT_EQ(0, guest_load64(&self->g, start_barrier));
	EXPECT_EQ(4, guest_run_to_end(&self->g));
}

static unsigned long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

struct kick {
	struct guest *g;
	pthread_t thread;
	volatile int sent;
	volatile int seen;
};

static void *kicker(void *arg)
{
	struct kick *kick = arg;
	int i;

	for (i = 1; i <= 2000; i++) {
		while (kick->seen < kick->sent && !stop)
			sched_yield();
		kick->sent = i;
		/* First the flag, then the signal. */
		__atomic_store_n(&kick->g->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(kick->thread, SIGUSR1);
	}
	return NULL;
}

static void kicks(struct __test_metadata *_metadata, struct guest *g)
{
	struct kick kick = { .g = g, .thread = pthread_self() };
	unsigned long long begin = now_ms();
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, kicker, &kick));
	while (kick.seen < 2000 && now_ms() - begin < 60000) {
		if (call(g->vcpu, LODGE_RUN, NULL) != -EINTR)
			break;
		__atomic_store_n(&g->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		kick.seen = kick.sent;
	}
	stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(2000, kick.seen);
}

/* A kick that got lost leaves the guest running for ever. */
TEST_F_TIMEOUT(smp, no_kick_is_lost_running, 90)
{
	alarm_ms(80000);
	ASSERT_EQ(0, guest_load64(&self->g, forever));
	kicks(_metadata, &self->g);
}

TEST_F_TIMEOUT(smp, no_kick_is_lost_halted, 90)
{
	alarm_ms(80000);
	ASSERT_EQ(0, guest_load64(&self->g, halt));
	kicks(_metadata, &self->g);
}

/* Chips go back to power-on while vCPUs run and wait. */
TEST_F(smp, reset_while_they_run)
{
	struct lodge_reset args = { .size = sizeof(args) };
	struct lodge_irq_line line = { .size = sizeof(line), .gsi = 4 };
	int i;

	for (i = 1; i < 4; i++)
		ASSERT_EQ(0, add_ap(self, i));
	self->g.mem[GUEST_DATA + 4] = 3;
	ASSERT_EQ(0, guest_load64(&self->g, start_all));
	EXPECT_EQ(3, guest_run_to_end(&self->g));
	for (i = 0; i < 500; i++) {
		line.level = i & 1;
		EXPECT_EQ(0, call(self->g.vm, LODGE_RESET_VM, &args));
		EXPECT_EQ(0, call(self->g.vm, LODGE_IRQ_LINE, &line));
	}
}

/* The guest waits for the answer to an IN, and then never asked. */
TEST_F(smp, vcpu_reset)
{
	struct lodge_reset args = { .size = sizeof(args) };
	struct lodge_nmi nmi = { .size = sizeof(nmi) };
	struct lodge_events events = { .size = sizeof(events) };
	struct guest *g = &self->g;
	struct lodge_sregs sregs;
	struct lodge_regs regs;

	ASSERT_EQ(0, guest_load64(g, asks));
	ASSERT_EQ(0, guest_run(g));
	ASSERT_EQ(LODGE_EXIT_IO, g->run->exit_reason);
	ASSERT_EQ(0, call(g->vcpu, LODGE_NMI, &nmi));
	args.flags = 1;
	EXPECT_EQ(-EINVAL, call(g->vcpu, LODGE_RESET_VCPU, &args));
	args.flags = 0;
	ASSERT_EQ(0, call(g->vcpu, LODGE_RESET_VCPU, &args));
	ASSERT_EQ(0, guest_get_regs(g, &regs));
	ASSERT_EQ(0, guest_get_sregs(g, &sregs));
	ASSERT_EQ(0, call(g->vcpu, LODGE_GET_EVENTS, &events));
	EXPECT_EQ(0xfff0, regs.rip);
	EXPECT_EQ(0, regs.gpr[LODGE_RBX]);
	EXPECT_EQ(0xffff0000, sregs.seg[LODGE_CS].base);
	EXPECT_EQ(0x60000010, sregs.cr0);
	EXPECT_EQ(0, sregs.efer);
	EXPECT_EQ(0, events.flags);
	EXPECT_EQ(LODGE_MP_RUNNABLE, mp_state(g->vcpu));
	/* What was to be the IN's answer goes nowhere. */
	g->run->data[0] = 0x77;
	g->run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, call(g->vcpu, LODGE_RUN, NULL));
	EXPECT_EQ(0, guest_gpr(g, LODGE_RAX));
}

/* The VM is gone for all of them at once. */
TEST_F(smp, vm_closed_while_they_run)
{
	int i;

	for (i = 1; i < 8; i++)
		ASSERT_EQ(0, add_ap(self, i));
	self->g.mem[GUEST_DATA + 4] = 7;
	ASSERT_EQ(0, guest_load64(&self->g, start_all));
	EXPECT_EQ(7, guest_run_to_end(&self->g));
	close(self->g.vm);
	self->g.vm = -1;
	usleep(10000);
	stop_aps(self);
}

TEST_HARNESS_MAIN
