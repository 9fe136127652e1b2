// SPDX-License-Identifier: GPL-2.0-only
/* The machine: a VM with its memory, vCPUs and devices. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "acpi.h"
#include "bios.h"
#include "firmware.h"
#include "machine.h"
#include "mptable.h"
#include "smbios.h"

#define JOIN_SECONDS	5

static const char open_hint[] = "run \"lodge check\" to see what is missing";

/* Devices */

static void uart_irq(void *arg, int level)
{
	struct machine *m = arg;

	lodge_irq_line(m->vm, UART_GSI, level);
}

static void uart_output(void *arg, __u8 byte)
{
	struct machine *m = arg;

	m->config.output(m->config.output_arg, byte);
}

static void uart_changed(void *arg, const struct uart *uart)
{
	regions_update_uart(arg, uart);
}

static void uart_input_room(void *arg)
{
	machine_wake(arg);
}

/* For every device that knows which of several lines to use. */
static void set_irq(void *arg, unsigned int gsi, int level)
{
	struct machine *m = arg;

	lodge_irq_line(m->vm, gsi, level);
}

/*
 * In legacy replacement the lines of PIT and RTC are the HPET's (HPET 1.0a,
 * 2.3.5). A PIT without a count does not interrupt.
 */
static void hpet_takes_over(void *arg, bool on)
{
	struct lodge_chip chip = { .chip = LODGE_CHIP_PIT };
	struct lodge_pit_state pit = { 0 };
	struct machine *m = arg;
	__u32 *count = &pit.channel[0].count;

	if (lodge_get_chip(m->vm, &chip) < 0)
		return;
	memcpy(&pit, chip.data, sizeof(pit));
	if (on)
		m->pit_count = *count;
	if (on || !*count)
		*count = on ? 0 : m->pit_count;
	memcpy(chip.data, &pit, sizeof(pit));
	lodge_set_chip(m->vm, &chip);
}

static void rtc_irq(void *arg, int level)
{
	struct machine *m = arg;

	if (level)
		acpi_pm_alarm(&m->acpi_pm);
	if (!level || !hpet_legacy(&m->hpet))
		set_irq(m, RTC_GSI, level);
}

static void keyboard_irq(void *arg, int level)
{
	set_irq(arg, I8042_GSI, level);
}

static void sci_irq(void *arg, int level)
{
	set_irq(arg, ACPI_SCI_GSI, level);
}

static void pci_msi(void *arg, __u64 addr, __u32 data)
{
	struct machine *m = arg;

	lodge_signal_msi(m->vm, addr, data);
}

static void devices_reset(struct machine *m)
{
	uart_reset(&m->uart);
	cmos_reset(&m->cmos);
	hpet_reset(&m->hpet);
	i8042_reset(&m->i8042);
	reset_init(&m->reset, m);
	acpi_pm_reset(&m->acpi_pm);
}

static int devices_init(struct machine *m)
{
	struct uart_host host = { m, uart_irq, uart_output, uart_changed, uart_input_room };
	struct pci_host pci = {
		.arg = m,
		.pio = &m->pio,
		.mmio = &m->mmio,
		.ram = m->config.memory,
		.phys_bits = m->info.phys_bits,
		.irq = set_irq,
		.msi = pci_msi,
	};
	int ret = 0;

	timers_init(&m->timers, m->timer_fd, timer_clock);
	uart_init(&m->uart, &host);
	cmos_init(&m->cmos, &m->timers, rtc_irq, m);
	hpet_init(&m->hpet, &m->timers, set_irq, hpet_takes_over, m);
	i8042_init(&m->i8042, m, keyboard_irq);
	acpi_pm_init(&m->acpi_pm, m, sci_irq);
	ret |= pci_init(&m->pci, &pci);
	m->pci.cf9 = &cf9_ops;
	m->pci.cf9_dev = &m->reset;
	devices_reset(m);
	ret |= bus_add(&m->pio, UART_PORT, UART_REGS, &uart_ops, &m->uart);
	ret |= bus_add(&m->pio, CMOS_PORT, 2, &cmos_ops, &m->cmos);
	ret |= bus_add(&m->pio, I8042_DATA, 1, &i8042_data_ops, &m->i8042);
	ret |= bus_add(&m->pio, I8042_COMMAND, 1, &i8042_command_ops, &m->i8042);
	ret |= bus_add(&m->pio, RESET_PORT92, 1, &port92_ops, &m->reset);
	ret |= bus_add(&m->pio, ACPI_PM1_EVENT, ACPI_PM_BYTES, &acpi_pm_ops, &m->acpi_pm);
	ret |= bus_add(&m->pio, PVPANIC_PORT, 1, &pvpanic_ops, m);
	fw_cfg_init(&m->fw_cfg, &m->mem, m->config.cpus);
	ret |= bus_add(&m->pio, FW_CFG_PORT, FW_CFG_BYTES, &fw_cfg_ops, &m->fw_cfg);
	ret |= bus_add(&m->pio, SILENT_POST, 1, &silent_ops, NULL);
	ret |= bus_add(&m->pio, DEBUG_PORT, 1,
		       m->config.debug_port ? &debug_port_ops : &silent_ops, NULL);
	ret |= bus_add(&m->mmio, HPET_BASE, HPET_BYTES, &hpet_ops, &m->hpet);
	return ret;
}

static void unknown_access(struct machine *m, const char *what, __u64 addr, unsigned int bytes,
			   bool is_write, __u64 value)
{
	m->unknown++;
	if (!m->config.log_unknown)
		return;
	if (is_write)
		fprintf(stderr, "lodge: unknown %s %#llx: write %u bytes: %#llx\n", what, addr,
			bytes, value);
	else
		fprintf(stderr, "lodge: unknown %s %#llx: read %u bytes\n", what, addr, bytes);
}

static void io_one(struct machine *m, __u16 port, unsigned int bytes, bool is_write, __u8 *data)
{
	__u64 value = 0;
	bool known;

	if (is_write) {
		memcpy(&value, data, bytes);
		known = bus_write(&m->pio, port, bytes, value);
	} else {
		known = bus_read(&m->pio, port, bytes, &value);
		memcpy(data, &value, bytes);
	}
	if (!known)
		unknown_access(m, "port", port, bytes, is_write, value);
}

/* A posted write is like any other, only later. */
static void posted(void *arg, const struct lodge_post *post)
{
	struct machine *m = arg;
	__u64 value = post->value;

	if (post->space == LODGE_SPACE_PIO && post->bytes && post->bytes <= 4)
		io_one(m, post->addr, post->bytes, true, (__u8 *)&value);
}

static void drain_locked(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < MACHINE_DOMAINS; i++)
		lodge_drain(&m->domain[i], posted, m);
}

void machine_drain(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	drain_locked(m);
	m->config.flush(m->config.output_arg);
	pthread_mutex_unlock(&m->lock);
}

void machine_timers(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	timers_run(&m->timers);
	pthread_mutex_unlock(&m->lock);
}

bool machine_power_button(struct machine *m)
{
	bool heard;

	pthread_mutex_lock(&m->lock);
	heard = acpi_pm_power_button(&m->acpi_pm);
	pthread_mutex_unlock(&m->lock);
	return heard;
}

void machine_io(struct machine *m, struct lodge_run *run)
{
	unsigned int bytes = run->io.bytes, i;

	pthread_mutex_lock(&m->lock);
	drain_locked(m);
	for (i = 0; i < run->io.count && (i + 1) * bytes <= sizeof(run->data); i++)
		io_one(m, run->io.port, bytes, run->io.is_write, run->data + i * bytes);
	m->config.flush(m->config.output_arg);
	pthread_mutex_unlock(&m->lock);
}

void machine_mmio(struct machine *m, struct lodge_run *run)
{
	unsigned int bytes = run->mmio.bytes <= 8 ? run->mmio.bytes : 8;
	__u64 value = 0;
	bool known;

	pthread_mutex_lock(&m->lock);
	drain_locked(m);
	if (run->mmio.is_write) {
		memcpy(&value, run->data, bytes);
		known = bus_write(&m->mmio, run->mmio.gpa, bytes, value);
	} else {
		known = bus_read(&m->mmio, run->mmio.gpa, bytes, &value);
		memcpy(run->data, &value, bytes);
	}
	if (!known)
		unknown_access(m, "address", run->mmio.gpa, bytes, run->mmio.is_write, value);
	pthread_mutex_unlock(&m->lock);
}

/* Stopping, resuming, resetting */

void machine_wake(struct machine *m)
{
	__u64 one = 1;

	if (write(m->event_fd, &one, sizeof(one)) < 0)
		return;		/* full: the front end is awake already */
}

bool machine_stopping(struct machine *m)
{
	return __atomic_load_n(&m->stop, __ATOMIC_RELAXED);
}

void machine_event(struct machine *m, enum machine_event event, __u64 value)
{
	pthread_mutex_lock(&m->run_lock);
	if (m->event == EVENT_NONE) {
		m->event = event;
		m->event_value = value;
	}
	m->pause = true;
	pthread_mutex_unlock(&m->run_lock);
	machine_wake(m);
}

enum machine_event machine_take_event(struct machine *m, __u64 *value)
{
	enum machine_event event;

	pthread_mutex_lock(&m->run_lock);
	event = m->event;
	*value = m->event_value;
	m->event = EVENT_NONE;
	pthread_mutex_unlock(&m->run_lock);
	return event;
}

bool machine_park(struct machine *m, unsigned int *generation)
{
	bool go;

	pthread_mutex_lock(&m->run_lock);
	if (m->pause && !m->stop) {
		m->parked++;
		pthread_cond_signal(&m->parked_cond);
		while (m->pause && !m->stop)
			pthread_cond_wait(&m->resume_cond, &m->run_lock);
		m->parked--;
	}
	*generation = m->generation;
	go = !m->stop;
	pthread_mutex_unlock(&m->run_lock);
	return go;
}

void machine_ready(struct machine *m)
{
	pthread_mutex_lock(&m->run_lock);
	m->ready++;
	pthread_cond_broadcast(&m->resume_cond);
	while (m->ready < m->config.cpus && !m->stop)
		pthread_cond_wait(&m->resume_cond, &m->run_lock);
	pthread_mutex_unlock(&m->run_lock);
}

void machine_resume(struct machine *m)
{
	pthread_mutex_lock(&m->run_lock);
	if (m->event == EVENT_NONE)
		m->pause = false;
	pthread_cond_broadcast(&m->resume_cond);
	pthread_mutex_unlock(&m->run_lock);
}

static void kick_all(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->config.cpus; i++)
		vcpu_kick(&m->vcpu[i]);
}

static void deadline(struct timespec *ts, long ms)
{
	clock_gettime(CLOCK_REALTIME, ts);
	ts->tv_nsec += ms % 1000 * 1000000;
	ts->tv_sec += ms / 1000 + ts->tv_nsec / 1000000000;
	ts->tv_nsec %= 1000000000;
}

/* Waits until every vCPU thread is in machine_park(). */
static void wait_parked(struct machine *m)
{
	struct timespec ts;

	pthread_mutex_lock(&m->run_lock);
	m->pause = true;
	while (m->parked < m->config.cpus) {
		kick_all(m);
		deadline(&ts, 100);
		pthread_cond_timedwait(&m->parked_cond, &m->run_lock, &ts);
	}
	pthread_mutex_unlock(&m->run_lock);
}

/* What a BIOS would have done, where none is to run. */
static int load_bios(struct machine *m, struct fault *f)
{
	int ret = bios_init_chips(m->vm);

	if (ret < 0)
		return fault_set(f, "interrupt controllers", "the hypervisor refused their state",
				 NULL, ret);
	m->images.rsdp = acpi_build(&m->mem, m->config.cpus, m->info.phys_bits);
	if (!m->images.rsdp)
		return fault_set(f, "memory", "too small for the ACPI tables",
				 "give the guest more memory with -m", ENOSPC);
	smbios_build(&m->mem, m->config.cpus);
	mptable_build(&m->mem, m->config.cpus);
	return 0;
}

static int load_firmware(struct machine *m, struct fault *f)
{
	int ret = firmware_map(m->vm, &m->images.firmware);

	pci_reset(&m->pci, true);
	return ret < 0 ? fault_set(f, "--firmware", "the hypervisor refused it", NULL, ret) : 0;
}

int machine_load(struct machine *m, struct fault *f)
{
	pci_reset(&m->pci, m->images.firmware.bytes);
	bios_fill_cmos(m->cmos.ram, &m->mem, m->config.cpus);
	if (m->images.firmware.bytes ? load_firmware(m, f) : load_bios(m, f))
		return -1;
	return boot_load(&m->mem, &m->images, &m->entry, f);
}

void machine_sleep(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	acpi_pm_sleep(&m->acpi_pm);
	pthread_mutex_unlock(&m->lock);
}

/* Memory is as the guest left it; firmware would do no more than this. */
static int wake_up(struct machine *m)
{
	__u32 vector = acpi_waking_vector(&m->mem);

	pci_reset(&m->pci, false);
	m->entry = (struct boot_entry){
		.mode = BOOT_REAL, .cs = vector >> 4, .rip = vector & 15,
	};
	return 0;
}

int machine_reset(struct machine *m, struct fault *f)
{
	bool asleep = m->acpi_pm.asleep;
	int ret;

	wait_parked(m);
	pthread_mutex_lock(&m->lock);
	drain_locked(m);
	ret = lodge_reset_vm(m->vm);
	if (ret >= 0) {
		devices_reset(m);
		virtio_reset_all(m);
	}
	pthread_mutex_unlock(&m->lock);
	if (ret < 0)
		return fault_set(f, "reset", "the hypervisor refused it", NULL, ret);
	if (asleep ? wake_up(m) : machine_load(m, f))
		return -1;
	pthread_mutex_lock(&m->run_lock);
	m->generation++;
	m->ready = 0;
	m->event = EVENT_NONE;
	pthread_mutex_unlock(&m->run_lock);
	machine_resume(m);
	return 0;
}

/* Kicks until the thread ends: a kick just before LODGE_RUN may be consumed. */
static bool join(struct vcpu *v)
{
	struct timespec ts;
	int tries;

	for (tries = 0; v->started && tries < JOIN_SECONDS * 10; tries++) {
		vcpu_kick(v);
		deadline(&ts, 100);
		if (!pthread_timedjoin_np(v->thread, NULL, &ts))
			v->started = false;
	}
	return !v->started;
}

bool machine_stop(struct machine *m)
{
	bool ok = true;
	unsigned int i;

	pthread_mutex_lock(&m->run_lock);
	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&m->resume_cond);
	pthread_mutex_unlock(&m->run_lock);
	for (i = 0; i < m->config.cpus; i++)
		ok &= join(&m->vcpu[i]);
	ok &= virtio_stop(m);
	if (ok)
		machine_drain(m);
	return ok;
}

/* Creation */

static int open_vm(struct machine *m, struct fault *f)
{
	int ret;

	m->dev = lodge_open(NULL);
	if (m->dev < 0)
		return fault_set(f, "/dev/lodge", "cannot open it", open_hint, m->dev);
	ret = lodge_get_info(m->dev, &m->info);
	if (ret < 0)
		return fault_set(f, "/dev/lodge", "does not answer", open_hint, ret);
	if (m->info.api_version != LODGE_API_VERSION)
		return fault_set(f, "/dev/lodge", "the module speaks another API version",
				 "install module and launcher of the same release", EPROTO);
	m->vm = lodge_create_vm(m->dev, m->config.name, m->config.tsc_khz);
	if (m->vm == -EOPNOTSUPP)
		return fault_set(f, "--tsc-khz", "this CPU cannot scale a guest's TSC",
				 "leave it out", m->vm);
	if (m->vm < 0)
		return fault_set(f, "/dev/lodge", "cannot create a VM", open_hint, m->vm);
	return 0;
}

static int create_memory(struct machine *m, struct fault *f)
{
	__u64 limit = 1ull << m->info.phys_bits;
	int ret;

	if (m->config.memory > limit - (MEMORY_HIGH - MEMORY_LOW_MAX))
		return fault_set(f, "memory", "more than this CPU's guests can address",
				 "ask for less with -m", E2BIG);
	if (memory_create(&m->mem, m->config.ram, f))
		return -1;
	ret = memory_register(&m->mem, m->vm);
	if (ret < 0)
		return fault_set(f, "memory", "the hypervisor refused it", "ask for less with -m",
				 ret);
	ret = m->config.ram->prefault ? memory_prefault(&m->mem, m->vm) : 0;
	if (ret < 0)
		return fault_set(f, "-m prefault", "the host has not that much memory",
				 "ask for less with -m", ret);
	return 0;
}

static int create_devices(struct machine *m, struct fault *f)
{
	if (devices_init(m))
		return fault_set(f, "devices", "ports overlap", NULL, EEXIST);
	if (m->config.exit_port >= 0 &&
	    bus_add(&m->pio, m->config.exit_port, EXIT_DEV_BYTES, &exit_dev_ops, m))
		return fault_set(f, "--exit-dev", "the port belongs to another device",
				 "0xf4 is free", EEXIST);
	if (m->config.test_dev && test_dev_init(&m->test_dev, m))
		return fault_set(f, "--test-dev", "its ports belong to other devices",
				 "give --exit-dev another port: 0xf4 is free", EEXIST);
	if (!m->config.no_regions)
		regions_init(m);
	return virtio_init(m, m->config.virtio, f);
}

int machine_init(struct machine *m, const struct machine_config *config, struct fault *f)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->config = *config;
	m->dev = -1;
	m->vm = -1;
	m->generation = 1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->run_lock, NULL);
	pthread_cond_init(&m->parked_cond, NULL);
	pthread_cond_init(&m->resume_cond, NULL);
	m->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->drain_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->event_fd < 0 || m->drain_fd < 0 || m->timer_fd < 0)
		return fault_set(f, "eventfd", "cannot create one", NULL, errno);
	if (open_vm(m, f) || create_memory(m, f) || create_devices(m, f))
		return -1;
	for (i = 0; i < config->cpus; i++)
		if (vcpu_init(&m->vcpu[i], m, i, f))
			return -1;
	return 0;
}

int machine_start(struct machine *m, struct fault *f)
{
	unsigned int i;

	m->pause = true;
	for (i = 0; i < m->config.cpus; i++)
		if (vcpu_start(&m->vcpu[i], f))
			return -1;
	return virtio_start(m, f);
}

void machine_destroy(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->config.cpus; i++)
		vcpu_destroy(&m->vcpu[i]);
	for (i = 0; i < MACHINE_DOMAINS; i++)
		lodge_unmap_domain(&m->domain[i]);
	virtio_destroy(m);
	if (m->vm >= 0)
		close(m->vm);
	if (m->dev >= 0)
		close(m->dev);
	memory_destroy(&m->mem);
}
