// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O regions: accesses that the hypervisor answers without coming here.
 *
 * A write that may change an interrupt line must reach the device at once.
 * So output is posted only while the transmitter interrupt is off, and never
 * while register 0 is the divisor latch or loops back.
 */
#include "acpi.h"
#include "machine.h"

#define DELAY_PORT	0x80
#define UART_REG_IER	1
#define UART_REG_LSR	5
#define UART_REG_MSR	6

/* Offsets in the shadow page of DOMAIN_UART are the register numbers. */
static int set_uart_data(struct machine *m, bool plain)
{
	struct lodge_region region = {
		.space = LODGE_SPACE_PIO,
		.domain = DOMAIN_UART,
		.addr = UART_PORT,
		.bytes = 1,
		.read = LODGE_READ_EXIT,
		.write = plain ? LODGE_WRITE_POST : LODGE_WRITE_EXIT,
		.eventfd = -1,
	};

	return lodge_set_region(m->vm, &region);
}

/*
 * Linux turns all interrupts off around each line it prints, which they are
 * already while nobody has opened the terminal.
 */
static int set_uart_ier(struct machine *m, bool shown)
{
	struct lodge_region region = {
		.space = LODGE_SPACE_PIO,
		.domain = DOMAIN_UART,
		.addr = UART_PORT + UART_REG_IER,
		.bytes = 1,
		.read = shown ? LODGE_READ_SHADOW : LODGE_READ_EXIT,
		.write = shown ? LODGE_WRITE_LATCH_SAME : LODGE_WRITE_EXIT,
		.mask = 0xff,
		.shadow = UART_REG_IER,
		.eventfd = -1,
	};

	return lodge_set_region(m->vm, &region);
}

static int set_uart_status(struct machine *m, unsigned int reg)
{
	struct lodge_region region = {
		.space = LODGE_SPACE_PIO,
		.domain = DOMAIN_UART,
		.addr = UART_PORT + reg,
		.bytes = 1,
		.read = LODGE_READ_SHADOW,
		.write = LODGE_WRITE_EXIT,
		.shadow = reg,
		.eventfd = -1,
	};

	return lodge_set_region(m->vm, &region);
}

static int set_pm_timer(struct machine *m)
{
	struct lodge_region region = {
		.space = LODGE_SPACE_PIO,
		.addr = ACPI_PM_TIMER,
		.bytes = 4,
		.read = LODGE_READ_PM_TIMER,
		.write = LODGE_WRITE_EXIT,
		.eventfd = -1,
	};

	return lodge_set_region(m->vm, &region);
}

/* Linux writes to port 0x80 to pass the time. */
static int set_delay_port(struct machine *m)
{
	struct lodge_region region = {
		.space = LODGE_SPACE_PIO,
		.domain = DOMAIN_DELAY,
		.addr = DELAY_PORT,
		.bytes = 1,
		.read = LODGE_READ_SHADOW,
		.write = LODGE_WRITE_LATCH,
		.eventfd = -1,
	};
	int ret = lodge_set_domain(m->vm, DOMAIN_DELAY, -1);

	return ret < 0 ? ret : lodge_set_region(m->vm, &region);
}

/*
 * Writing the address of a PCI register costs no exit; reading or writing the
 * register does.
 */
static int set_pci_latch(struct machine *m)
{
	struct lodge_region region = {
		.flags = LODGE_REGION_EXACT,
		.space = LODGE_SPACE_PIO,
		.domain = DOMAIN_PCI,
		.addr = PCI_CONFIG_PORT,
		.bytes = 4,
		.read = LODGE_READ_SHADOW,
		.write = LODGE_WRITE_LATCH,
		.eventfd = -1,
	};
	int ret = lodge_set_domain(m->vm, DOMAIN_PCI, -1);

	if (ret >= 0)
		ret = lodge_map_domain(m->vm, &m->info, DOMAIN_PCI, &m->domain[DOMAIN_PCI]);
	if (ret >= 0)
		ret = lodge_set_region(m->vm, &region);
	if (ret >= 0)
		m->pci.address = (__u32 *)m->domain[DOMAIN_PCI].shadow;
	return ret;
}

void regions_update_uart(struct machine *m, const struct uart *uart)
{
	bool plain = uart_output_is_plain(uart), ier = uart_shows_ier(uart);

	if (!m->uart_regions)
		return;
	__atomic_store_n(&m->domain[DOMAIN_UART].shadow[UART_REG_IER], uart->ier,
			 __ATOMIC_RELEASE);
	if (ier != m->uart_ier && set_uart_ier(m, ier) >= 0)
		m->uart_ier = ier;
	__atomic_store_n(&m->domain[DOMAIN_UART].shadow[UART_REG_LSR], uart_lsr(uart),
			 __ATOMIC_RELEASE);
	__atomic_store_n(&m->domain[DOMAIN_UART].shadow[UART_REG_MSR], uart_msr(uart),
			 __ATOMIC_RELEASE);
	if (plain == m->uart_plain)
		return;
	if (set_uart_data(m, plain) >= 0)
		m->uart_plain = plain;
}

static int init_uart(struct machine *m)
{
	int ret = lodge_set_domain(m->vm, DOMAIN_UART, m->drain_fd);

	if (ret < 0)
		return ret;
	ret = lodge_map_domain(m->vm, &m->info, DOMAIN_UART, &m->domain[DOMAIN_UART]);
	if (ret < 0)
		return ret;
	m->domain[DOMAIN_UART].shadow[UART_REG_LSR] = uart_lsr(&m->uart);
	m->domain[DOMAIN_UART].shadow[UART_REG_MSR] = uart_msr(&m->uart);
	ret = set_uart_status(m, UART_REG_LSR);
	if (ret >= 0)
		ret = set_uart_status(m, UART_REG_MSR);
	if (ret < 0)
		return ret;
	m->uart_regions = true;
	m->uart_plain = false;
	m->uart_ier = false;
	regions_update_uart(m, &m->uart);
	return 0;
}

/* Everything works without regions, so one that is refused is not an error. */
int regions_init(struct machine *m)
{
	int ret = init_uart(m);

	if (set_pm_timer(m) < 0 || set_delay_port(m) < 0 || set_pci_latch(m) < 0)
		ret = ret < 0 ? ret : -1;
	return ret;
}
