/* SPDX-License-Identifier: GPL-2.0-only */
/* 16550A serial port. */
#ifndef _LAUNCHER_UART_H
#define _LAUNCHER_UART_H

#include "bus.h"

#define UART_PORT	0x3f8
#define UART_GSI	4
#define UART_REGS	8
#define UART_FIFO	16
#define UART_QUEUE	4096

struct uart;

/**
 * struct uart_host - what a UART needs from its surroundings
 * @arg: first argument of all of them
 * @irq: the interrupt line changed to @level
 * @output: the guest sent a byte
 * @changed: the shadow bytes, or which accesses need the device, changed
 * @room: the input queue has become empty
 */
struct uart_host {
	void *arg;
	void (*irq)(void *arg, int level);
	void (*output)(void *arg, __u8 byte);
	void (*changed)(void *arg, const struct uart *uart);
	void (*room)(void *arg);
};

/**
 * struct uart - a 16550A whose transmitter takes no time
 * @host: its surroundings
 * @rx: receive FIFO, oldest first
 * @rx_count: bytes in @rx
 * @queue: bytes that wait on the wire for room in the FIFO, from @queue_head
 * @queue_head: next byte to receive
 * @queue_count: bytes that wait
 * @thr_pending: "transmitter empty" interrupt not yet seen by the guest
 * @fcr_seen: the guest has set up the FIFO
 * @line: level of the interrupt line
 */
struct uart {
	struct uart_host host;
	__u8 rx[UART_FIFO];
	unsigned int rx_count;
	__u8 queue[UART_QUEUE];
	unsigned int queue_head;
	unsigned int queue_count;
	__u8 ier;
	__u8 fcr;
	__u8 lcr;
	__u8 mcr;
	__u8 scratch;
	__u8 dll;
	__u8 dlm;
	bool thr_pending;
	bool fcr_seen;
	int line;
};

extern const struct bus_ops uart_ops;

void uart_init(struct uart *u, const struct uart_host *host);
/* Power-on state; input that the guest has not read yet stays queued. */
void uart_reset(struct uart *u);
__u8 uart_read(struct uart *u, unsigned int reg);
void uart_write(struct uart *u, unsigned int reg, __u8 value);
/* Queues input; returns how many bytes it took. */
unsigned int uart_input(struct uart *u, const __u8 *data, unsigned int bytes);
unsigned int uart_room(const struct uart *u);
/* Values for the shadow page; reading these registers has no side effect here. */
__u8 uart_lsr(const struct uart *u);
__u8 uart_msr(const struct uart *u);
/* Whether register 1 is the interrupt enables: only a write of another value does something. */
bool uart_shows_ier(const struct uart *u);
/* Whether writes of register 0 are plain output that nobody waits for. */
bool uart_output_is_plain(const struct uart *u);

#endif /* _LAUNCHER_UART_H */
