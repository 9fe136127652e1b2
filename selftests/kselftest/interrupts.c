// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts from outside: MSI, lines, irqfds, NMI, the timer. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define VECTOR	0x40

/* HLT until the handler has run; EOI by MMIO. */
GUEST64(sleeper,
	"1: sti\n hlt\n cli\n mov 0x20000, %al\n test %al, %al\n je 1b\n" END
	HANDLER(sleeper) "incl 0x20000\n mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq\n");

/* Never exits on its own. */
GUEST64(busy,
	"sti\n 1: mov 0x20000, %al\n test %al, %al\n je 1b\n" END
	HANDLER(busy) "incl 0x20000\n mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq\n");

/* Handlers of NMIs and exceptions have nothing to acknowledge. */
GUEST64(nmi_halt,
	"1: hlt\n mov 0x20000, %al\n test %al, %al\n je 1b\n" END
	HANDLER(nmi_halt) "incl 0x20000\n iretq\n");

/* Two, or one after a while. */
GUEST64(nmi_count,
	"mov $1000000, %ecx\n 1: mov 0x20000, %al\n cmp $2, %al\n je 2f\n"
	"dec %ecx\n jnz 1b\n 2:" END
	HANDLER(nmi_count) "incl 0x20000\n iretq\n");

FIXTURE(interrupt)
{
	struct guest g;
};

FIXTURE_SETUP(interrupt)
{
	ASSERT_EQ(0, guest_create(&self->g));
	ASSERT_EQ(0, guest_enable_lapic(&self->g));
	guest_gate(&self->g, VECTOR);
	guest_gate(&self->g, 2);
	/* A guest that is never woken fails in time. */
	alarm_ms(8000);
}

FIXTURE_TEARDOWN(interrupt)
{
	guest_destroy(&self->g);
}

static int send_msi(struct guest *g)
{
	struct lodge_msi args = {
		.size = sizeof(args), .addr = 0xfee00000, .data = VECTOR,
	};

	return call(g->vm, LODGE_SIGNAL_MSI, &args);
}

/* The module's parameter: how much of the local APIC the CPU does */
static int by_cpu(void)
{
	FILE *file = fopen("/sys/module/lodge/parameters/apicv", "r");
	int value = -1;

	if (file && fscanf(file, "%d", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

TEST_F(interrupt, msi_wakes_hlt)
{
	ASSERT_EQ(0, guest_load64(&self->g, sleeper));
	ASSERT_LE(0, send_msi(&self->g));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
	EXPECT_LE(by_cpu() < 2, guest_stat(&self->g, "injected"));
}

/* What the CPU does of the local APIC costs no exits; R8: rounds left, R9: interrupts. */
#define ROUNDS		1000

static void check_rounds(struct __test_metadata *_metadata, struct guest *g, const __u8 *code,
			 size_t bytes, int mode, __u64 taken)
{
	__u64 exits = guest_stat(g, "exits");

	ASSERT_LE(0, by_cpu());
	ASSERT_EQ(0, guest_load(g, code, bytes, true));
	ASSERT_LE(0, guest_run_to_end(g));
	EXPECT_EQ(0, guest_gpr(g, LODGE_R8));
	EXPECT_EQ(taken, guest_gpr(g, LODGE_R9));
	exits = guest_stat(g, "exits") - exits;
	/* Some may be the host's own; every round exits, or none. */
	EXPECT_EQ(by_cpu() < mode, exits >= ROUNDS / 2) {
		TH_LOG("%llu exits", (unsigned long long)exits);
	}
}

GUEST64(cr8_rounds,
	"mov $1000, %r8d\n 1: mov %r8, %rax\n and $15, %eax\n mov %rax, %cr8\n"
	"mov %cr8, %rdx\n cmp %rax, %rdx\n jne 2f\n dec %r8d\n jnz 1b\n"
	"2: xor %eax, %eax\n mov %rax, %cr8\n" END);

TEST_F(interrupt, cr8_without_exits)
{
	check_rounds(_metadata, &self->g, cr8_rounds, cr8_rounds_end - cr8_rounds, 1, 0);
}

GUEST64(self_ipi_rounds,
	"mov $0x1b, %ecx\n rdmsr\n or $0x400, %eax\n wrmsr\n"
	"mov $1000, %r8d\n sti\n 1: mov $0x83f, %ecx\n mov $0x40, %eax\n xor %edx, %edx\n wrmsr\n"
	"nop\n mov $0x802, %ecx\n rdmsr\n dec %r8d\n jnz 1b\n cli\n" END
	HANDLER(self_ipi_rounds) "incl %r9d\n xor %eax, %eax\n xor %edx, %edx\n mov $0x80b, %ecx\n"
	"wrmsr\n iretq\n");

TEST_F(interrupt, self_ipi_without_exits)
{
	check_rounds(_metadata, &self->g, self_ipi_rounds,
		     self_ipi_rounds_end - self_ipi_rounds, 2, ROUNDS);
}

/* A state that is saved while interrupts wait and one is in service goes on as it was. */
GUEST64(held,
	"mov $0xfee00000, %ebx\n sti\n nop\n nop\n cli\n" END
	HANDLER(held)
	"incl %r9d\n" END "movl $0, 0xb0(%rbx)\n iretq\n");

TEST_F(interrupt, state_keeps_what_is_in_service)
{
	struct lodge_lapic_state state = { .size = sizeof(state) };
	struct guest other;
	struct lodge_sregs sregs;
	struct lodge_regs regs;

	ASSERT_EQ(0, guest_load64(&self->g, held));
	ASSERT_LE(0, send_msi(&self->g));
	ASSERT_LE(0, guest_run_to_end(&self->g));
	EXPECT_EQ(1, guest_gpr(&self->g, LODGE_R9));
	ASSERT_LE(0, send_msi(&self->g));
	self->g.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	self->g.run->immediate_exit = 0;
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_LAPIC, &state));
	EXPECT_EQ(1, state.regs[0x120]);
	EXPECT_EQ(1, state.regs[0x220]);
	EXPECT_EQ(0x40, state.regs[0xa0]);
	ASSERT_EQ(0, guest_get_regs(&self->g, &regs));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	/* in another VM */
	ASSERT_EQ(0, guest_create(&other));
	memcpy(other.mem, self->g.mem, GUEST_BYTES);
	ASSERT_EQ(0, guest_set_sregs(&other, &sregs));
	ASSERT_EQ(0, guest_set_regs(&other, &regs));
	ASSERT_EQ(0, call(other.vcpu, LODGE_SET_LAPIC, &state));
	ASSERT_LE(0, guest_run_to_end(&other));
	EXPECT_EQ(2, guest_gpr(&other, LODGE_R9));
	ASSERT_LE(0, guest_run_to_end(&other));
	EXPECT_EQ(2, guest_gpr(&other, LODGE_R9));
	ASSERT_EQ(0, call(other.vcpu, LODGE_GET_LAPIC, &state));
	EXPECT_EQ(0, state.regs[0x120]);
	EXPECT_EQ(0, state.regs[0x220]);
	guest_destroy(&other);
}

/* Each signals after a while, from another process: a vCPU must be kicked. */
static pid_t later(void (*signal_it)(void *arg), void *arg)
{
	pid_t child = fork();

	if (child)
		return child;
	usleep(100000);
	signal_it(arg);
	_exit(0);
}

static void write_eventfd(void *arg)
{
	eventfd_write(*(int *)arg, 1);
}

static int irqfd(struct guest *g, int efd, __u32 flags)
{
	struct lodge_irqfd args = {
		.size = sizeof(args), .flags = flags, .fd = efd, .gsi = 5,
		.addr = flags & LODGE_IRQFD_MSI ? 0xfee00000 : 0,
		.data = flags & LODGE_IRQFD_MSI ? VECTOR : 0,
	};

	return call(g->vm, LODGE_SET_IRQFD, &args);
}

TEST_F(interrupt, irqfd_msi_wakes_hlt)
{
	int efd = eventfd(0, 0);

	ASSERT_EQ(0, guest_load64(&self->g, sleeper));
	ASSERT_EQ(0, irqfd(&self->g, efd, LODGE_IRQFD_MSI));
	later(write_eventfd, &efd);
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

TEST_F(interrupt, irqfd_kicks_a_busy_guest)
{
	int efd = eventfd(0, 0);

	ASSERT_EQ(0, guest_load64(&self->g, busy));
	ASSERT_EQ(0, irqfd(&self->g, efd, LODGE_IRQFD_MSI));
	later(write_eventfd, &efd);
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

static int route_pin(struct guest *g, int pin, __u64 entry)
{
	struct lodge_chip chip = { .size = sizeof(chip), .chip = LODGE_CHIP_IOAPIC };
	struct lodge_ioapic_state *ioapic = (void *)chip.data;
	int ret = call(g->vm, LODGE_GET_CHIP, &chip);

	if (ret)
		return ret;
	ioapic->redir[pin] = entry;
	return call(g->vm, LODGE_SET_CHIP, &chip);
}

TEST_F(interrupt, irqfd_by_the_ioapic)
{
	int efd = eventfd(0, 0);

	ASSERT_EQ(0, guest_load64(&self->g, sleeper));
	ASSERT_EQ(0, route_pin(&self->g, 5, VECTOR));
	ASSERT_EQ(0, irqfd(&self->g, efd, 0));
	later(write_eventfd, &efd);
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

static int set_line(struct guest *g, __u32 level)
{
	struct lodge_irq_line args = { .size = sizeof(args), .gsi = 5, .level = level };

	return call(g->vm, LODGE_IRQ_LINE, &args);
}

TEST_F(interrupt, edge_line)
{
	ASSERT_EQ(0, guest_load64(&self->g, sleeper));
	ASSERT_EQ(0, route_pin(&self->g, 5, VECTOR));
	ASSERT_EQ(0, set_line(&self->g, 1));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

/* A masked pin says nothing until it is unmasked. */
TEST_F(interrupt, masked_line)
{
	ASSERT_EQ(0, guest_load64(&self->g, sleeper));
	ASSERT_EQ(0, route_pin(&self->g, 5, VECTOR | 1 << 16));
	ASSERT_EQ(0, set_line(&self->g, 1));
	alarm_ms(100);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	EXPECT_EQ(0, self->g.mem[GUEST_DATA]);
}

/* A level comes again after EOI for as long as the line is high. */
GUEST64(level_program,
	"sti\n jmp .\n"
	HANDLER(level_program) "incl 0x20000\n mov 0x20000, %eax\n cmp $3, %eax\n"
	"je 1f\n mov $0xfee000b0, %ebx\n movl $0, (%rbx)\n iretq\n1: " END);

TEST_F(interrupt, level_line)
{
	ASSERT_EQ(0, guest_load64(&self->g, level_program));
	ASSERT_EQ(0, route_pin(&self->g, 5, VECTOR | 1 << 15));
	ASSERT_EQ(0, set_line(&self->g, 1));
	EXPECT_EQ(3, guest_run_to_end(&self->g));
}

TEST_F(interrupt, nmi)
{
	struct lodge_nmi args = { .size = sizeof(args) };

	ASSERT_EQ(0, guest_load64(&self->g, nmi_count));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_NMI, &args));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

/* A second NMI waits for the first one's IRET; the third and on are merged. */
TEST_F(interrupt, two_nmis)
{
	struct lodge_nmi args = { .size = sizeof(args) };
	int i;

	ASSERT_EQ(0, guest_load64(&self->g, nmi_count));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, call(self->g.vcpu, LODGE_NMI, &args));
	EXPECT_EQ(2, guest_run_to_end(&self->g));
}

static void *nmi_thread(void *arg)
{
	struct lodge_nmi args = { .size = sizeof(args) };
	struct guest *g = arg;

	usleep(100000);
	return (void *)(long)call(g->vcpu, LODGE_NMI, &args);
}

TEST_F(interrupt, nmi_wakes_hlt)
{
	pthread_t thread;

	ASSERT_EQ(0, guest_load64(&self->g, nmi_halt));
	ASSERT_EQ(0, pthread_create(&thread, NULL, nmi_thread, &self->g));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
	pthread_join(thread, NULL);
}

TEST_F(interrupt, exception_from_userspace)
{
	struct lodge_events args = {
		.size = sizeof(args), .exception = 6, .flags = LODGE_EVENT_EXCEPTION,
	};

	guest_gate(&self->g, 6);
	ASSERT_EQ(0, guest_load64(&self->g, nmi_halt));
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_SET_EVENTS, &args));
	/* Then it halts with interrupts off. */
	alarm_ms(100);
	EXPECT_EQ(-EINTR, guest_run(&self->g));
	EXPECT_EQ(1, self->g.mem[GUEST_DATA]);
}

/* The local APIC's timer, one shot, divided by 16. */
GUEST64(timer_program,
	"mov $0xfee00000, %ebx\n movl $3, 0x3e0(%rbx)\n movl $0x40, 0x320(%rbx)\n"
	"movl $100000, 0x380(%rbx)\n"
	"1: sti\n hlt\n mov 0x20000, %al\n test %al, %al\n je 1b\n" END
	HANDLER(timer_program) "incl 0x20000\n movl $0, 0xb0(%rbx)\n iretq\n");

TEST_F(interrupt, lapic_timer)
{
	ASSERT_EQ(0, guest_load64(&self->g, timer_program));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

/* An IPI to oneself, by the ICR. */
GUEST64(self_ipi,
	"mov $0xfee00000, %ebx\n sti\n movl $0x40040, 0x300(%rbx)\n"
	"nop\n cli\n mov 0x20000, %al\n" END
	HANDLER(self_ipi) "incl 0x20000\n movl $0, 0xb0(%rbx)\n iretq\n");

TEST_F(interrupt, self_ipi)
{
	ASSERT_EQ(0, guest_load64(&self->g, self_ipi));
	EXPECT_EQ(1, guest_run_to_end(&self->g));
}

/* Interrupts below the task priority wait (SDM 11.8.3.1). */
GUEST64(priority,
	"mov $5, %eax\n mov %rax, %cr8\n mov $0xfee00000, %ebx\n sti\n"
	"movl $0x40040, 0x300(%rbx)\n nop\n mov 0x20000, %cl\n"
	"xor %eax, %eax\n mov %rax, %cr8\n nop\n cli\n"
	"mov 0x20000, %al\n shl $4, %al\n or %cl, %al\n" END
	HANDLER(priority) "incl 0x20000\n movl $0, 0xb0(%rbx)\n iretq\n");

TEST_F(interrupt, task_priority)
{
	ASSERT_EQ(0, guest_load64(&self->g, priority));
	EXPECT_EQ(0x10, guest_run_to_end(&self->g));
}

/* STI lets one more instruction pass: interrupts do not fall into STI; HLT. */
TEST_F(interrupt, sti_shadow)
{
	int i;

	for (i = 0; i < 50; i++) {
		memset(self->g.mem + GUEST_DATA, 0, 8);
		ASSERT_EQ(0, guest_load64(&self->g, sleeper));
		ASSERT_LE(0, send_msi(&self->g));
		ASSERT_EQ(1, guest_run_to_end(&self->g));
	}
}

/* x2APIC mode: the local APIC is enabled already, as guest_enable_lapic() left it. */
#define ENTER_X2APIC	"mov $0x1b, %ecx\n rdmsr\n or $0x400, %eax\n wrmsr\n"
#define WRITE_MSR(msr, low, high) \
	"mov $" #msr ", %ecx\n mov $" #low ", %eax\n mov $" #high ", %edx\n wrmsr\n"

GUEST64(x2apic_ipis,
	ENTER_X2APIC "sti\n" WRITE_MSR(0x83f, 0x40, 0) "nop\n"
	WRITE_MSR(0x830, 0x4040, 0) "nop\n" WRITE_MSR(0x830, 0x4040, 0xffffffff) "nop\n"
	"cli\n mov 0x20000, %al\n" END
	HANDLER(x2apic_ipis) "incl 0x20000\n" WRITE_MSR(0x80b, 0, 0) "iretq\n");

TEST_F(interrupt, x2apic_ipis)
{
	ASSERT_EQ(0, guest_load64(&self->g, x2apic_ipis));
	EXPECT_EQ(3, guest_run_to_end(&self->g));
}

/* Each of these is #GP; RDMSR and WRMSR have two bytes. */
GUEST64(x2apic_faults,
	ENTER_X2APIC WRITE_MSR(0x802, 0, 0) WRITE_MSR(0x80b, 1, 0) WRITE_MSR(0x808, 0x100, 0)
	WRITE_MSR(0x830, 0x1000, 0) "mov $0x80e, %ecx\n rdmsr\n mov $0x83f, %ecx\n rdmsr\n"
	WRITE_MSR(0x1b, 0xfee00900, 0) "mov 0x20000, %al\n" END
	HANDLER(x2apic_faults) "incl 0x20000\n add $8, %rsp\n addq $2, (%rsp)\n iretq\n");

TEST_F(interrupt, x2apic_faults)
{
	guest_gate(&self->g, 13);
	ASSERT_EQ(0, guest_load64(&self->g, x2apic_faults));
	EXPECT_EQ(7, guest_run_to_end(&self->g));
}

/* The xAPIC's page is there in xAPIC mode alone, and where it was put. */
GUEST64(apic_page,
	WRITE_MSR(0x1b, 0xd0000900, 0) "mov $0xd0000030, %ebx\n mov (%rbx), %eax\n" END
	ENTER_X2APIC "mov (%rbx), %eax\n" END);

TEST_F(interrupt, apic_page_moves_and_goes)
{
	struct lodge_run *run = self->g.run;

	ASSERT_EQ(0, guest_load64(&self->g, apic_page));
	EXPECT_EQ(0x14, guest_run_to_end(&self->g));
	ASSERT_EQ(0, guest_run(&self->g));
	ASSERT_EQ(LODGE_EXIT_MMIO, run->exit_reason);
	EXPECT_EQ(0xd0000030ull, run->mmio.gpa);
}

/* Save in x2APIC mode, restore into another VM: the mode first, then the rest. */
TEST_F(interrupt, x2apic_state)
{
	struct lodge_lapic_state lapic = { .size = sizeof(lapic) };
	struct lodge_sregs sregs, fresh;
	struct guest other;

	ASSERT_EQ(0, guest_load64(&self->g, x2apic_ipis));
	EXPECT_EQ(3, guest_run_to_end(&self->g));
	ASSERT_EQ(0, guest_get_sregs(&self->g, &sregs));
	EXPECT_EQ(0xfee00d00ull, sregs.apic_base);
	ASSERT_EQ(0, call(self->g.vcpu, LODGE_GET_LAPIC, &lapic));
	EXPECT_EQ(0, memcmp(&lapic.regs[0x310], "\xff\xff\xff\xff", 4));

	ASSERT_EQ(0, guest_create(&other));
	EXPECT_EQ(-EINVAL, call(other.vcpu, LODGE_SET_LAPIC, &lapic));
	ASSERT_EQ(0, guest_get_sregs(&other, &fresh));
	fresh.apic_base = sregs.apic_base;
	ASSERT_EQ(0, guest_set_sregs(&other, &fresh));
	EXPECT_EQ(0, call(other.vcpu, LODGE_SET_LAPIC, &lapic));
	guest_destroy(&other);
}

/* TSC deadline: 0x7f when CPUID does not offer it, else 1 for "not early". */
GUEST64(deadline,
	"mov $1, %eax\n cpuid\n mov $0x7f, %al\n bt $24, %ecx\n jnc 2f\n"
	"mov $0xfee00000, %ebx\n movl $0x40040, 0x320(%rbx)\n mfence\n"
	"rdtsc\n shl $32, %rdx\n lea 0x100000(%rax,%rdx), %rsi\n"
	"mov $0x6e0, %ecx\n mov %rsi, %rdx\n shr $32, %rdx\n mov %esi, %eax\n wrmsr\n"
	"1: sti\n hlt\n cli\n mov 0x20000, %al\n test %al, %al\n je 1b\n"
	"rdtsc\n shl $32, %rdx\n or %rdx, %rax\n cmp %rsi, %rax\n setae %bl\n"
	"mov $0x6e0, %ecx\n rdmsr\n or %edx, %eax\n setz %al\n and %bl, %al\n 2:" END
	HANDLER(deadline) "incl 0x20000\n movl $0, 0xb0(%rbx)\n iretq\n");

TEST_F(interrupt, tsc_deadline)
{
	int ret;

	ASSERT_EQ(0, guest_load64(&self->g, deadline));
	ret = guest_run_to_end(&self->g);
	if (ret == 0x7f)
		SKIP(return, "the host's TSC is not stable");
	EXPECT_EQ(1, ret);
}

/*
 * INIT, SIPI 0x30 to APIC id 1, then wait for what it writes in real mode: with
 * interrupts on, or Bochs never gives the host its one CPU back.
 */
GUEST64(start_another,
	"sti\n mov $0xfee00000, %ebx\n movl $0x01000000, 0x310(%rbx)\n movl $0x4500, 0x300(%rbx)\n"
	"movl $0x8500, 0x300(%rbx)\n movl $0x4630, 0x300(%rbx)\n movl $0x4630, 0x300(%rbx)\n"
	"1: pause\n mov 0x20000, %al\n test %al, %al\n je 1b\n" END);
GUEST16(started, "mov $0x2000, %ax\n mov %ax, %ds\n mov %cs, %ax\n mov %ah, 0\n" END);

static void *run_other(void *arg)
{
	int ret;

	do {
		ret = call(*(int *)arg, LODGE_RUN, NULL);
	} while (ret == -EINTR);
	return (void *)(long)ret;
}

TEST_F(interrupt, init_and_sipi)
{
	int other = guest_add_vcpu(&self->g, 1);
	struct lodge_run *run;
	pthread_t thread;
	void *ret;

	ASSERT_LE(0, other);
	run = mmap(NULL, self->g.info.run_size, PROT_READ, MAP_SHARED, other, 0);
	ASSERT_NE(MAP_FAILED, run);
	ASSERT_EQ(0, guest_load64(&self->g, start_another));
	memcpy(self->g.mem + 0x30000, started, started_end - started);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_other, &other));
	EXPECT_EQ(0x30, guest_run_to_end(&self->g));
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(LODGE_EXIT_IO, run->exit_reason);
	munmap(run, self->g.info.run_size);
	close(other);
}

TEST_HARNESS_MAIN
