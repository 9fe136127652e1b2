// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four vCPUs that hand rounds on by IPI, sleep in HLT, arm timers and do I/O that
 * the kernel serves, all at once. A wake-up that got lost stops the ring for good;
 * a write that was lost or overtaken by another shows in its number.
 * LODGE_STRESS_ROUNDS: how many; in one, each vCPU exits eight times or more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"

#define VCPUS		4
#define ROUNDS		6000
#define BOX_BYTES	64
#define DONE		(GUEST_DATA + VCPUS * BOX_BYTES)
#define VECTOR_IPI	0x50
#define VECTOR_TIMER	0x60
#define PORT_POST	0x90
#define PORT_SHADOW	0x94
#define DOORBELL	0xd0001000ull
#define TIMER_EVERY	8
#define TICK_US		10000
#define STILL_TICKS	3000

/* A vCPU's box: round it is in, timers armed, timers that fired. */
struct box {
	__u32 round;
	__u32 armed;
	__u32 fired;
	__u32 bad;
	__u32 pad[12];
};

/*
 * R15 is the own box, R14 that of the vCPU before, R13 the APIC id of the next.
 * IN reads 0x5a from the shadow. The VMRUN of QEMU's TCG forgets the interrupt
 * shadow, so that an interrupt may come between STI and HLT: the handler then
 * leaves the HLT behind.
 */
GUEST64(stress,
	"mov $0x1b, %ecx\n rdmsr\n or $0xc00, %eax\n wrmsr\n"
	"mov $0x80f, %ecx\n mov $0x1ff, %eax\n xor %edx, %edx\n wrmsr\n"
	"mov $0x832, %ecx\n mov $0x60, %eax\n wrmsr\n"
	"mov $0x83e, %ecx\n mov $0xb, %eax\n wrmsr\n"
	"mov $0xd0001000, %ebp\n"
	"1: incl (%r15)\n mov (%r15), %eax\n out %eax, $0x90\n"
	"in $0x94, %al\n cmp $0x5a, %al\n je 2f\n incl 12(%r15)\n"
	"2: mov %edi, (%rbp)\n xor %eax, %eax\n cpuid\n"
	"mov $0x830, %ecx\n mov $0x4050, %eax\n mov %r13d, %edx\n wrmsr\n"
	/* until the one before is in this round, too */
	"3: cli\n mov (%r14), %eax\n cmp (%r15), %eax\n jge 4f\n sti\n hlt\n jmp 3b\n"
	"4: testl $7, (%r15)\n jnz 6f\n"
	"incl 4(%r15)\n mov $0x838, %ecx\n mov $3000, %eax\n xor %edx, %edx\n wrmsr\n"
	"5: cli\n mov 4(%r15), %eax\n cmp 8(%r15), %eax\n je 6f\n sti\n hlt\n jmp 5b\n"
	"6: sti\n dec %edi\n jnz 1b\n"
	/* who is through goes on taking interrupts until all are */
	"lock incl 0x20100\n"
	"7: pause\n cmpl $4, 0x20100\n jne 7b\n cli\n" END
	HANDLER(stress)
	"push %rax\n push %rcx\n push %rdx\n"
	"mov 24(%rsp), %rax\n cmpb $0xf4, (%rax)\n jne 9f\n incq 24(%rsp)\n"
	"9: mov $0x813, %ecx\n rdmsr\n test $1, %al\n jz 8f\n incl 8(%r15)\n"
	"8: mov $0x80b, %ecx\n xor %eax, %eax\n xor %edx, %edx\n wrmsr\n"
	"pop %rdx\n pop %rcx\n pop %rax\n iretq\n");

struct vcpu {
	struct guest g;
	int id;
	pthread_t thread;
};

FIXTURE(stress)
{
	struct vcpu v[VCPUS];
	struct box *box;
	pthread_t drainer;
	pthread_t watcher;
	int doorbell;
};

/* What the threads share. */
static struct lodge_post_ring *ring;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __u32 last[VCPUS];
static int posted = -1, disorder, ended;
static bool stop;

static void take(__u32 vcpu, __u32 value)
{
	if (vcpu >= VCPUS || value != ++last[vcpu])
		disorder++;
}

static void drain(void)
{
	__u32 head = ring->head, tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	for (; head != tail; head++) {
		struct lodge_post *post = &ring->entries[head % LODGE_POST_ENTRIES];

		take(post->vcpu, post->value);
	}
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
}

/* Each time that the kernel says something was posted to an empty ring */
static void *drain_thread(void *arg)
{
	__u64 count;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) &&
	       read(posted, &count, sizeof(count)) == sizeof(count)) {
		pthread_mutex_lock(&lock);
		drain();
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* A full ring makes the access an exit, which comes after what is in the ring. */
static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	__u32 value;
	int ret;

	while ((ret = guest_run(&v->g)) == 0 && v->g.run->exit_reason == LODGE_EXIT_IO &&
	       v->g.run->io.port == PORT_POST) {
		memcpy(&value, v->g.run->data, sizeof(value));
		pthread_mutex_lock(&lock);
		drain();
		take(v->id, value);
		pthread_mutex_unlock(&lock);
	}
	if (ret || v->g.run->exit_reason != LODGE_EXIT_IO || v->g.run->io.port != GUEST_END) {
		guest_say_where(&v->g);
		fprintf(stderr, "# vCPU %d: %d, exit %u, if internal %u: %#llx %#llx\n", v->id, ret,
			v->g.run->exit_reason, v->g.run->internal.code,
			v->g.run->internal.info[0], v->g.run->internal.info[1]);
		abort();
	}
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int set_region(struct guest *g, __u32 space, __u64 addr, __u32 bytes, __u32 read,
		      __u32 write, int eventfd)
{
	struct lodge_region region = {
		.size = sizeof(region), .space = space, .addr = addr, .bytes = bytes,
		.read = read, .write = write, .eventfd = eventfd,
	};

	return call(g->vm, LODGE_SET_REGION, &region);
}

static int make_regions(FIXTURE_DATA(stress) *self)
{
	struct lodge_domain domain = { .size = sizeof(domain) };
	struct guest *g = &self->v[0].g;
	__u8 *map;
	int ret;

	posted = eventfd(0, EFD_CLOEXEC);
	self->doorbell = eventfd(0, EFD_CLOEXEC);
	domain.eventfd = posted;
	ret = call(g->vm, LODGE_SET_DOMAIN, &domain);
	if (!ret)
		ret = set_region(g, LODGE_SPACE_PIO, PORT_POST, 4, LODGE_READ_EXIT,
				 LODGE_WRITE_POST, -1);
	if (!ret)
		ret = set_region(g, LODGE_SPACE_PIO, PORT_SHADOW, 1, LODGE_READ_SHADOW,
				 LODGE_WRITE_EXIT, -1);
	if (!ret)
		ret = set_region(g, LODGE_SPACE_MMIO, DOORBELL, 4, LODGE_READ_EXIT,
				 LODGE_WRITE_DOORBELL, self->doorbell);
	if (ret)
		return ret;
	map = mmap(NULL, g->info.domain_size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vm, 0);
	if (map == MAP_FAILED)
		return -errno;
	ring = (void *)map;
	map[LODGE_DOMAIN_SHADOW] = 0x5a;
	return 0;
}

static int make_vcpu(FIXTURE_DATA(stress) *self, int id, __u32 rounds)
{
	struct lodge_mp_state mp = { .size = sizeof(mp), .state = LODGE_MP_RUNNABLE };
	struct vcpu *v = &self->v[id];
	struct lodge_regs regs;

	v->id = id;
	if (id && guest_join(&v->g, &self->v[0].g, id))
		return -1;
	if (guest_load64(&v->g, stress) || guest_get_regs(&v->g, &regs))
		return -1;
	regs.gpr[LODGE_RSP] = GUEST_STACK - id * 512;
	regs.gpr[LODGE_RDI] = rounds;
	regs.gpr[LODGE_R15] = GUEST_DATA + id * BOX_BYTES;
	regs.gpr[LODGE_R14] = GUEST_DATA + (id + VCPUS - 1) % VCPUS * BOX_BYTES;
	regs.gpr[LODGE_R13] = (id + 1) % VCPUS;
	return guest_set_regs(&v->g, &regs) || call(v->g.vcpu, LODGE_SET_MP_STATE, &mp);
}

FIXTURE_SETUP(stress)
{
	ASSERT_EQ(0, guest_create(&self->v[0].g));
	ASSERT_EQ(0, make_regions(self));
	self->box = (void *)(self->v[0].g.mem + GUEST_DATA);
	guest_gate(&self->v[0].g, VECTOR_IPI);
	guest_gate(&self->v[0].g, VECTOR_TIMER);
}

FIXTURE_TEARDOWN(stress)
{
	guest_destroy(&self->v[0].g);
}

/* What grows as long as nothing is lost. */
static __u32 progress(const struct box *box)
{
	__u32 sum = __atomic_load_n(&ended, __ATOMIC_ACQUIRE);
	int i;

	for (i = 0; i < VCPUS; i++)
		sum += __atomic_load_n(&box[i].round, __ATOMIC_RELAXED) +
		       __atomic_load_n(&box[i].fired, __ATOMIC_RELAXED);
	return sum;
}

/*
 * A ring that stands still ends the test, not one that is slow: time is counted in
 * this thread's own turns on the CPU, of which the vCPUs' threads have as many.
 */
static void *watch_thread(void *arg)
{
	FIXTURE_DATA(stress) *self = arg;
	__u32 seen = 0, now, still = 0;
	int i;

	for (; still < STILL_TICKS && !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); still++) {
		usleep(TICK_US);
		now = progress(self->box);
		if (now != seen)
			still = 0;
		seen = now;
	}
	if (still < STILL_TICKS)
		return NULL;
	for (i = 0; i < VCPUS; i++)
		fprintf(stderr, "# vCPU %d: round %u, timers %u of %u, posted %u\n", i,
			self->box[i].round, self->box[i].fired, self->box[i].armed, last[i]);
	fprintf(stderr, "# nothing moves: an event was lost\n");
	abort();
}

static __u32 rounds_wanted(void)
{
	const char *text = getenv("LODGE_STRESS_ROUNDS");

	return text ? strtoul(text, NULL, 0) : ROUNDS;
}

static void run_all(FIXTURE_DATA(stress) *self)
{
	eventfd_t one = 1;
	int i;

	pthread_create(&self->drainer, NULL, drain_thread, NULL);
	pthread_create(&self->watcher, NULL, watch_thread, self);
	for (i = 0; i < VCPUS; i++)
		pthread_create(&self->v[i].thread, NULL, vcpu_thread, &self->v[i]);
	for (i = 0; i < VCPUS; i++)
		pthread_join(self->v[i].thread, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	eventfd_write(posted, one);
	pthread_join(self->drainer, NULL);
	pthread_join(self->watcher, NULL);
	drain();
}

TEST_F_TIMEOUT(stress, nothing_is_lost, 100000)
{
	__u32 rounds = rounds_wanted();
	eventfd_t rung = 0;
	int i;

	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, make_vcpu(self, i, rounds));
	run_all(self);
	EXPECT_EQ(VCPUS, ended);
	EXPECT_EQ(0, disorder);
	EXPECT_EQ(0, eventfd_read(self->doorbell, &rung));
	EXPECT_EQ(VCPUS * (eventfd_t)rounds, rung);
	for (i = 0; i < VCPUS; i++) {
		EXPECT_EQ(rounds, self->box[i].round);
		EXPECT_EQ(rounds, last[i]);
		EXPECT_EQ(rounds / TIMER_EVERY, self->box[i].armed);
		EXPECT_EQ(self->box[i].armed, self->box[i].fired);
		EXPECT_EQ(0, self->box[i].bad);
	}
}

TEST_HARNESS_MAIN
