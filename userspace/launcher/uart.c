// SPDX-License-Identifier: GPL-2.0-only
/*
 * 16550A serial port.
 *
 * Input stays on the wire (in @queue) until the guest listens, that is until
 * it enables the receive interrupt, or as long as it has not set up the FIFO
 * at all (a program that only polls). So nothing typed or piped in early is
 * lost when a driver clears the FIFO while it starts.
 */
#include "uart.h"

#define REG_DATA	0
#define REG_IER		1
#define REG_IIR		2	/* FCR when written */
#define REG_LCR		3
#define REG_MCR		4
#define REG_LSR		5
#define REG_MSR		6
#define REG_SCRATCH	7

#define IER_RX		0x01
#define IER_THR		0x02
#define IER_MASK	0x0f
#define IIR_NONE	0x01
#define IIR_THR		0x02
#define IIR_RX		0x04
#define IIR_FIFO	0xc0
#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02
#define FCR_TRIGGER	0xc0
#define LCR_DLAB	0x80
#define MCR_DTR		0x01
#define MCR_RTS		0x02
#define MCR_OUT1	0x04
#define MCR_OUT2	0x08
#define MCR_LOOP	0x10
#define LSR_DATA	0x01
#define LSR_IDLE	0x60	/* THR and transmitter empty */
#define MSR_CTS		0x10
#define MSR_DSR		0x20
#define MSR_RI		0x40
#define MSR_DCD		0x80

__u8 uart_lsr(const struct uart *u)
{
	return LSR_IDLE | (u->rx_count ? LSR_DATA : 0);
}

__u8 uart_msr(const struct uart *u)
{
	__u8 msr = 0;

	if (!(u->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (u->mcr & MCR_RTS)
		msr |= MSR_CTS;
	if (u->mcr & MCR_DTR)
		msr |= MSR_DSR;
	if (u->mcr & MCR_OUT1)
		msr |= MSR_RI;
	if (u->mcr & MCR_OUT2)
		msr |= MSR_DCD;
	return msr;
}

bool uart_shows_ier(const struct uart *u)
{
	return !(u->lcr & LCR_DLAB);
}

bool uart_output_is_plain(const struct uart *u)
{
	return !(u->lcr & LCR_DLAB) && !(u->mcr & MCR_LOOP) && !(u->ier & IER_THR);
}

static __u8 uart_cause(const struct uart *u)
{
	if ((u->ier & IER_RX) && u->rx_count)
		return IIR_RX;
	if ((u->ier & IER_THR) && u->thr_pending)
		return IIR_THR;
	return IIR_NONE;
}

static void uart_update(struct uart *u)
{
	int level = uart_cause(u) != IIR_NONE;

	if (level != u->line) {
		u->line = level;
		u->host.irq(u->host.arg, level);
	}
	u->host.changed(u->host.arg, u);
}

static void uart_feed(struct uart *u)
{
	unsigned int size = (u->fcr & FCR_ENABLE) ? UART_FIFO : 1;
	bool had = u->queue_count;

	if ((u->fcr_seen && !(u->ier & IER_RX)) || (u->mcr & MCR_LOOP))
		return;
	while (u->queue_count && u->rx_count < size) {
		u->rx[u->rx_count++] = u->queue[u->queue_head];
		u->queue_head = (u->queue_head + 1) % UART_QUEUE;
		u->queue_count--;
	}
	if (had && !u->queue_count)
		u->host.room(u->host.arg);
}

/* Bytes that the guest throws away unread go back onto the wire. */
static void uart_unfeed(struct uart *u)
{
	while (u->rx_count && u->queue_count < UART_QUEUE) {
		u->queue_head = (u->queue_head + UART_QUEUE - 1) % UART_QUEUE;
		u->queue[u->queue_head] = u->rx[--u->rx_count];
		u->queue_count++;
	}
	u->rx_count = 0;
}

static __u8 uart_read_data(struct uart *u)
{
	__u8 byte;

	if (!u->rx_count)
		return 0;
	byte = u->rx[0];
	u->rx_count--;
	memmove(u->rx, u->rx + 1, u->rx_count);
	uart_feed(u);
	uart_update(u);
	return byte;
}

static __u8 uart_read_iir(struct uart *u)
{
	__u8 cause = uart_cause(u);

	/* Reading this cause is what clears it (the data sheet's table 4). */
	if (cause == IIR_THR) {
		u->thr_pending = false;
		uart_update(u);
	}
	return cause | ((u->fcr & FCR_ENABLE) ? IIR_FIFO : 0);
}

__u8 uart_read(struct uart *u, unsigned int reg)
{
	bool dlab = u->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return dlab ? u->dll : uart_read_data(u);
	case REG_IER:
		return dlab ? u->dlm : u->ier;
	case REG_IIR:
		return uart_read_iir(u);
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return u->mcr;
	case REG_LSR:
		return uart_lsr(u);
	case REG_MSR:
		return uart_msr(u);
	default:
		return u->scratch;
	}
}

static void uart_write_data(struct uart *u, __u8 value)
{
	if (!(u->mcr & MCR_LOOP))
		u->host.output(u->host.arg, value);
	else if (u->rx_count < UART_FIFO)
		u->rx[u->rx_count++] = value;
	u->thr_pending = true;
	uart_update(u);
}

static void uart_write_ier(struct uart *u, __u8 value)
{
	/* The transmitter is always empty: enabling the interrupt raises it. */
	if ((value & IER_THR) && !(u->ier & IER_THR))
		u->thr_pending = true;
	u->ier = value & IER_MASK;
	uart_feed(u);
	uart_update(u);
}

static void uart_write_fcr(struct uart *u, __u8 value)
{
	if ((value & FCR_CLEAR_RX) || ((value ^ u->fcr) & FCR_ENABLE))
		uart_unfeed(u);
	u->fcr_seen = true;
	u->fcr = value & (FCR_ENABLE | FCR_TRIGGER);
	uart_feed(u);
	uart_update(u);
}

static void uart_write_mcr(struct uart *u, __u8 value)
{
	/* What was looped back is no input: it goes with the loop. */
	if ((u->mcr & MCR_LOOP) && !(value & MCR_LOOP))
		u->rx_count = 0;
	else if (!(u->mcr & MCR_LOOP) && (value & MCR_LOOP))
		uart_unfeed(u);
	u->mcr = value & 0x1f;
	uart_feed(u);
	uart_update(u);
}

void uart_write(struct uart *u, unsigned int reg, __u8 value)
{
	bool dlab = u->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			u->dll = value;
		else
			uart_write_data(u, value);
		break;
	case REG_IER:
		if (dlab)
			u->dlm = value;
		else
			uart_write_ier(u, value);
		break;
	case REG_IIR:
		uart_write_fcr(u, value);
		break;
	case REG_LCR:
		u->lcr = value;
		uart_update(u);
		break;
	case REG_MCR:
		uart_write_mcr(u, value);
		break;
	case REG_SCRATCH:
		u->scratch = value;
		break;
	}
}

unsigned int uart_room(const struct uart *u)
{
	/* Leave what uart_unfeed() may need. */
	unsigned int limit = UART_QUEUE - UART_FIFO;

	return u->queue_count < limit ? limit - u->queue_count : 0;
}

unsigned int uart_input(struct uart *u, const __u8 *data, unsigned int bytes)
{
	unsigned int i, room = uart_room(u);

	if (bytes > room)
		bytes = room;
	for (i = 0; i < bytes; i++)
		u->queue[(u->queue_head + u->queue_count++) % UART_QUEUE] = data[i];
	uart_feed(u);
	uart_update(u);
	return bytes;
}

void uart_reset(struct uart *u)
{
	uart_unfeed(u);
	u->ier = 0;
	u->fcr = 0;
	u->lcr = 0;
	u->mcr = 0;
	u->scratch = 0;
	u->dll = 12;		/* 9600 baud */
	u->dlm = 0;
	u->thr_pending = false;
	u->fcr_seen = false;
	uart_feed(u);
	uart_update(u);
}

void uart_init(struct uart *u, const struct uart_host *host)
{
	memset(u, 0, sizeof(*u));
	u->host = *host;
	uart_reset(u);
}

static __u64 uart_bus_read(void *dev, __u64 offset, unsigned int bytes)
{
	(void)bytes;
	return uart_read(dev, offset);
}

static void uart_bus_write(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)bytes;
	uart_write(dev, offset, value);
}

const struct bus_ops uart_ops = {
	.read = uart_bus_read,
	.write = uart_bus_write,
	.width = 1,
};
