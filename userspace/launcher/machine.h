/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine: a VM with its memory, vCPUs and devices. It knows no terminal,
 * no command line and no exit status: those are the front end's (run.c).
 *
 * Locks: @lock guards the devices and the buses; @run_lock guards what comes
 * after it in the struct. @run_lock may be taken inside @lock, not the other
 * way round.
 */
#ifndef _LAUNCHER_MACHINE_H
#define _LAUNCHER_MACHINE_H

#include <pthread.h>

#include <lodge/liblodge.h>

#include "boot.h"
#include "devices.h"
#include "fw_cfg.h"
#include "hpet.h"
#include "pci.h"
#include "uart.h"
#include "virtio.h"

#define DOMAIN_UART	0
#define DOMAIN_DELAY	1
#define DOMAIN_PCI	2
#define MACHINE_DOMAINS	3

/**
 * struct machine_config - what a machine is made of
 * @name: shown in the host's logs and thread lists; may be empty
 * @memory: bytes of RAM
 * @ram: where it comes from
 * @cpus: number of vCPUs
 * @pin: host CPU for each of them, or -1
 * @features: changes to the CPU's features (cpu_features.c), or NULL
 * @exit_port: port of the exit device, or -1
 * @test_dev: QEMU's ISA test device
 * @debug_port: for firmware
 * @no_regions: let every access to a device exit to this program
 * @log_unknown: print accesses that no device answers
 * @virtio: disks and other virtio devices
 * @output: called with each byte the guest sends through its serial port
 * @flush: called after some calls of @output
 * @output_arg: first argument of @output and @flush
 */
struct machine_config {
	const char *name;
	__u64 memory;
	const struct memory_options *ram;
	unsigned int cpus;
	const int *pin;
	const char *features;
	__u32 tsc_khz;
	int exit_port;
	bool test_dev;
	bool debug_port;
	bool no_regions;
	bool log_unknown;
	const struct virtio_options *virtio;
	void (*output)(void *arg, __u8 byte);
	void (*flush)(void *arg);
	void *output_arg;
};

/* The state a vCPU is created in, to come back to at a reset. */
struct power_on;

struct vcpu {
	struct machine *machine;
	unsigned int id;
	int fd;
	bool started;
	unsigned int generation;
	struct lodge_run *run;
	struct power_on *power_on;
	pthread_t thread;
};

struct machine {
	struct machine_config config;
	struct lodge_info info;
	int dev;
	int vm;
	struct memory mem;
	struct boot_images images;
	struct boot_entry entry;

	pthread_mutex_t lock;
	struct bus pio;
	struct bus mmio;
	struct lodge_io_domain domain[MACHINE_DOMAINS];
	bool uart_regions;
	bool uart_plain;
	bool uart_ier;
	struct timers timers;
	struct uart uart;
	struct cmos cmos;
	struct hpet hpet;
	__u32 pit_count;	/* of channel 0, while the HPET replaces it */
	struct i8042 i8042;
	struct reset_ports reset;
	struct acpi_pm acpi_pm;
	struct fw_cfg fw_cfg;
	struct test_dev test_dev;
	struct pci pci;
	struct virtio *virtio[VIRTIO_MAX];
	unsigned int virtios;
	__u64 unknown;

	int event_fd;		/* wakes the front end: events, room for input */
	int drain_fd;		/* wakes the front end: writes were posted */
	int timer_fd;		/* wakes the front end: a device's timer is due */

	pthread_mutex_t run_lock;
	pthread_cond_t parked_cond;
	pthread_cond_t resume_cond;
	bool pause;
	bool stop;
	unsigned int parked;
	unsigned int ready;	/* vCPUs that are in the state to start in */
	unsigned int generation;
	enum machine_event event;
	__u64 event_value;
	struct vcpu vcpu[LODGE_MAX_VCPUS];
};

/* Everything but the guest's memory contents; @f says why it failed. */
int machine_init(struct machine *m, const struct machine_config *config, struct fault *f);
/* Loads @m->images. */
int machine_load(struct machine *m, struct fault *f);
/* Starts all threads; no guest instruction runs before machine_resume(). */
int machine_start(struct machine *m, struct fault *f);
/* What stopped the machine, or EVENT_NONE. */
enum machine_event machine_take_event(struct machine *m, __u64 *value);
void machine_resume(struct machine *m);
/* These two want a machine that an event has stopped. It sleeps until EVENT_WAKE. */
void machine_sleep(struct machine *m);
/* Starts the guest anew, or, if it slept, where it wants to wake up. */
int machine_reset(struct machine *m, struct fault *f);
/*
 * Ends all vCPU threads and handles what the guest posted last; false when a
 * thread does not end.
 */
bool machine_stop(struct machine *m);
void machine_destroy(struct machine *m);
/* Handles posted writes. */
void machine_drain(struct machine *m);
/* Lets the devices whose time has come do their work. */
void machine_timers(struct machine *m);
/* False when the guest does not listen to its power button. */
bool machine_power_button(struct machine *m);
void machine_wake(struct machine *m);
bool machine_stopping(struct machine *m);

/* For the vCPU threads. */
void machine_io(struct machine *m, struct lodge_run *run);
void machine_mmio(struct machine *m, struct lodge_run *run);
/* Blocks while the machine is paused; false when the thread shall end. */
bool machine_park(struct machine *m, unsigned int *generation);
/* Blocks until every vCPU has got here: one that ran could start the others. */
void machine_ready(struct machine *m);

/* vcpu.c */
int vcpu_init(struct vcpu *v, struct machine *m, unsigned int id, struct fault *f);
int vcpu_start(struct vcpu *v, struct fault *f);
void vcpu_kick(struct vcpu *v);
void vcpu_destroy(struct vcpu *v);
/* cpuid.c: gives vCPU @id its place among @cpus. */
void cpuid_set_topology(struct lodge_cpuid_entry *entries, unsigned int count, unsigned int id,
			unsigned int cpus);
/* regions.c: declares to the hypervisor which accesses need no device. */
int regions_init(struct machine *m);
void regions_update_uart(struct machine *m, const struct uart *uart);
/* report.c: why the guest was killed. */
void report_killed(struct vcpu *v, const char *why);

#endif /* _LAUNCHER_MACHINE_H */
