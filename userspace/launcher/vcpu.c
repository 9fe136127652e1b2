// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU: creation, power-on state, entry state and its thread. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bios.h"
#include "cpu_features.h"
#include "machine.h"

#define XSAVE_BYTES	16384

#define CR0_PE		BIT_ULL(0)
#define CR0_ET		BIT_ULL(4)
#define CR0_NE		BIT_ULL(5)
#define CR0_PG		BIT_ULL(31)
#define CR4_PAE		BIT_ULL(5)
#define EFER_LME	BIT_ULL(8)
#define EFER_LMA	BIT_ULL(10)
#define RFLAGS_FIXED	2

struct power_on {
	struct lodge_regs regs;
	struct lodge_sregs sregs;
	struct lodge_events events;
	struct lodge_lapic_state lapic;
	struct lodge_debugregs debugregs;
	struct lodge_msr_entry msr[LODGE_MAX_MSRS];
	__u32 msrs;
	bool has_xsave;
	__u8 xsave[XSAVE_BYTES];
};

/* The run area of the vCPU whose thread this is, for the signal handler. */
static __thread struct lodge_run *my_run;

static void on_kick(int sig)
{
	(void)sig;
	if (my_run)
		__atomic_store_n(&my_run->immediate_exit, 1, __ATOMIC_RELAXED);
}

void vcpu_kick(struct vcpu *v)
{
	if (v->started)
		pthread_kill(v->thread, SIGUSR1);
}

static int set_cpuid(struct vcpu *v, struct fault *f)
{
	const struct machine_config *config = &v->machine->config;
	struct lodge_cpuid_entry entries[LODGE_MAX_CPUID];
	__u32 count = LODGE_MAX_CPUID;
	int ret = lodge_get_supported_cpuid(v->machine->dev, entries, &count);

	if (ret >= 0 && cpu_features_apply(config->features, entries, count, f))
		return -1;
	if (ret >= 0) {
		cpuid_set_topology(entries, count, v->id, config->cpus);
		ret = lodge_set_cpuid(v->fd, entries, count);
	}
	return ret < 0 ? fault_set(f, "vcpu", "cannot set its CPUID table", NULL, ret) : 0;
}

static int save_msrs(struct vcpu *v)
{
	struct power_on *p = v->power_on;
	__u32 index[LODGE_MAX_MSRS], count = LODGE_MAX_MSRS, i;
	int ret = lodge_get_msr_list(v->machine->dev, index, &count);

	if (ret < 0)
		return ret;
	for (i = 0; i < count; i++) {
		struct lodge_msr_entry *e = &p->msr[p->msrs];

		e->index = index[i];
		if (lodge_get_msrs(v->fd, e, 1, NULL) >= 0)
			p->msrs++;
	}
	return 0;
}

static int save_power_on(struct vcpu *v)
{
	struct power_on *p = v->power_on;
	int ret;

	ret = lodge_get_regs(v->fd, &p->regs);
	if (ret >= 0)
		ret = lodge_get_sregs(v->fd, &p->sregs);
	if (ret >= 0)
		ret = lodge_get_events(v->fd, &p->events);
	if (ret >= 0)
		ret = lodge_get_lapic(v->fd, &p->lapic);
	if (ret >= 0)
		ret = lodge_get_debugregs(v->fd, &p->debugregs);
	if (ret >= 0)
		ret = save_msrs(v);
	p->has_xsave = ret >= 0 && lodge_get_xsave(v->fd, p->xsave, XSAVE_BYTES) >= 0;
	return ret;
}

static int load_power_on(struct vcpu *v)
{
	const struct power_on *p = v->power_on;
	__u32 i;
	int ret;

	ret = lodge_set_sregs(v->fd, &p->sregs);
	if (ret >= 0)
		ret = lodge_set_regs(v->fd, &p->regs);
	if (ret >= 0)
		ret = lodge_set_events(v->fd, &p->events);
	if (ret >= 0)
		ret = lodge_set_lapic(v->fd, &p->lapic);
	if (ret >= 0)
		ret = lodge_set_debugregs(v->fd, &p->debugregs);
	if (ret >= 0 && p->has_xsave)
		ret = lodge_set_xsave(v->fd, p->xsave, XSAVE_BYTES);
	/* One by one: some of them are read-only, which is no obstacle. */
	for (i = 0; i < p->msrs; i++)
		lodge_set_msrs(v->fd, &p->msr[i], 1, NULL);
	return ret;
}

static void set_flat(struct lodge_segment *seg, __u16 selector, __u8 type, bool long_mode)
{
	*seg = (struct lodge_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.s = 1,
		.present = 1,
		.l = long_mode,
		.db = !long_mode,
		.g = 1,
	};
}

static void set_real_mode(struct lodge_sregs *s, __u16 cs)
{
	s->seg[LODGE_CS].selector = cs;
	s->seg[LODGE_CS].base = (__u64)cs << 4;
}

static void set_segments(struct lodge_sregs *s, const struct boot_entry *entry)
{
	bool long_mode = entry->mode == BOOT_LONG;
	unsigned int i;

	set_flat(&s->seg[LODGE_CS], entry->cs, 0xb, long_mode);
	for (i = 0; i < LODGE_LDTR; i++)
		if (i != LODGE_CS)
			set_flat(&s->seg[i], entry->cs + 8, 0x3, false);
	s->seg[LODGE_LDTR] = (struct lodge_segment){ .type = 2, .unusable = 1 };
	s->seg[LODGE_TR] = (struct lodge_segment){
		.limit = 0x67,
		.selector = entry->cs + 16,
		.type = 0xb,
		.present = 1,
	};
	s->gdt = (struct lodge_dtable){ .base = entry->gdt, .limit = GUEST_GDT_BYTES - 1 };
	/* The real-mode vectors, for who goes back there. */
	s->idt = (struct lodge_dtable){ .limit = long_mode ? 0 : 0x3ff };
}

/* vCPU 0 starts as the boot protocol says, the others as after power-on. */
static int set_entry(struct vcpu *v)
{
	const struct boot_entry *entry = &v->machine->entry;
	bool long_mode = entry->mode == BOOT_LONG;
	struct lodge_sregs sregs = v->power_on->sregs;
	struct lodge_regs regs = { .rip = entry->rip, .rflags = RFLAGS_FIXED };
	int ret;

	if (entry->mode == BOOT_RESET)
		return 0;
	if (entry->mode == BOOT_REAL) {
		set_real_mode(&sregs, entry->cs);
	} else {
		set_segments(&sregs, entry);
		sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
		sregs.cr4 = 0;
		sregs.efer = 0;
	}
	if (long_mode) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = GUEST_PAGE_TABLES;
		sregs.cr4 |= CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
	}
	regs.gpr[LODGE_RAX] = entry->rax;
	regs.gpr[LODGE_RBX] = entry->rbx;
	regs.gpr[LODGE_RSI] = entry->rsi;
	ret = lodge_set_sregs(v->fd, &sregs);
	return ret < 0 ? ret : lodge_set_regs(v->fd, &regs);
}

/* Runs in the vCPU's own thread, at its start and after a machine reset. */
static int vcpu_reset(struct vcpu *v, bool first)
{
	struct lodge_mp_state mp = {
		.state = v->id ? LODGE_MP_WAIT_SIPI : LODGE_MP_RUNNABLE,
	};
	int ret = 0;

	if (!first) {
		/* Finish the access that asked for the reset, or was cut short. */
		v->run->immediate_exit = 1;
		lodge_run(v->fd);
		v->run->immediate_exit = 0;
		ret = load_power_on(v);
	}
	if (ret >= 0 && v->machine->entry.mode != BOOT_RESET)
		ret = bios_init_vcpu(v->fd, v->id, v->machine->info.phys_bits);
	if (ret >= 0 && v->id == 0)
		ret = set_entry(v);
	return ret < 0 ? ret : lodge_set_mp_state(v->fd, &mp);
}

static void killed(struct vcpu *v, const char *why)
{
	report_killed(v, why);
	machine_event(v->machine, EVENT_KILLED, 0);
}

static void handle_exit(struct vcpu *v)
{
	switch (v->run->exit_reason) {
	case LODGE_EXIT_NONE:
	case LODGE_EXIT_INTR:
		break;
	case LODGE_EXIT_IO:
		machine_io(v->machine, v->run);
		break;
	case LODGE_EXIT_MMIO:
		machine_mmio(v->machine, v->run);
		break;
	case LODGE_EXIT_SHUTDOWN:
		machine_event(v->machine, EVENT_TRIPLE_FAULT, 0);
		break;
	default:
		killed(v, "the guest cannot go on");
	}
}

static void failed(struct vcpu *v, const char *why, int error)
{
	struct fault f = { "vcpu", why, "look for lodge in the host's log (dmesg)", -error };

	fault_print(&f);
	/* A VM that its hypervisor has given up answers EIO. */
	machine_event(v->machine, error == -EIO ? EVENT_KILLED : EVENT_ERROR, 0);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	bool first = true;
	int ret;

	my_run = v->run;
	for (;;) {
		unsigned int generation = v->generation;

		/* Cleared before looking at what a kick may be about. */
		__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (!machine_park(v->machine, &generation))
			break;
		if (generation != v->generation) {
			v->generation = generation;
			ret = vcpu_reset(v, first);
			first = false;
			machine_ready(v->machine);
			if (ret < 0) {
				failed(v, "cannot set its registers", ret);
				continue;
			}
		}
		ret = lodge_run(v->fd);
		if (ret >= 0)
			handle_exit(v);
		else if (ret != -EINTR && ret != -EAGAIN)
			failed(v, "cannot run", ret);
	}
	return NULL;
}

int vcpu_init(struct vcpu *v, struct machine *m, unsigned int id, struct fault *f)
{
	int ret;

	v->machine = m;
	v->id = id;
	v->fd = lodge_create_vcpu(m->vm, id);
	if (v->fd < 0)
		return fault_set(f, "vcpu", "cannot create it", "try fewer vCPUs with -c", v->fd);
	ret = lodge_map_run(v->fd, &m->info, &v->run);
	if (ret < 0)
		return fault_set(f, "vcpu", "cannot map its run area", NULL, ret);
	v->power_on = calloc(1, sizeof(*v->power_on));
	if (!v->power_on)
		return fault_set(f, "vcpu", "no memory", NULL, ENOMEM);
	if (set_cpuid(v, f))
		return -1;
	ret = save_power_on(v);
	if (ret < 0)
		return fault_set(f, "vcpu", "cannot read its power-on state", NULL, ret);
	return 0;
}

static int pin_thread(struct vcpu *v, int cpu, struct fault *f)
{
	cpu_set_t set;
	int ret;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ret = pthread_setaffinity_np(v->thread, sizeof(set), &set);
	return ret ? fault_set(f, "-c", "a vCPU cannot be pinned to a CPU of that list",
			       "see which CPUs are online and allowed: nproc, taskset -p $$",
			       ret) : 0;
}

int vcpu_start(struct vcpu *v, struct fault *f)
{
	/* Without SA_RESTART, so that a kick interrupts LODGE_RUN. */
	struct sigaction kick = { .sa_handler = on_kick };
	int cpu = v->machine->config.pin ? v->machine->config.pin[v->id] : -1;
	char name[16];
	int ret;

	sigaction(SIGUSR1, &kick, NULL);
	ret = pthread_create(&v->thread, NULL, vcpu_thread, v);
	if (ret)
		return fault_set(f, "vcpu", "cannot start its thread", NULL, ret);
	v->started = true;
	snprintf(name, sizeof(name), "lodge-vcpu%u", v->id);
	pthread_setname_np(v->thread, name);
	return cpu < 0 ? 0 : pin_thread(v, cpu, f);
}

void vcpu_destroy(struct vcpu *v)
{
	if (v->fd > 0)
		close(v->fd);
	free(v->power_on);
}
