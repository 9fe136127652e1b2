// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keyboard controller without a keyboard or mouse: it is there to reset the
 * machine, for the A20 line, and to answer those who look for it.
 */
#include "devices.h"

#define STATUS_OUTPUT	0x01
#define STATUS_SYSTEM	0x04
#define STATUS_COMMAND	0x08	/* what came last was a command */
#define STATUS_UNLOCKED	0x10
#define STATUS_TIMEOUT	0x40

#define CMD_READ_CONFIG		0x20	/* and the RAM behind it, to 0x3f */
#define CMD_WRITE_CONFIG	0x60
#define CMD_DISABLE_AUX		0xa7
#define CMD_ENABLE_AUX		0xa8
#define CMD_TEST_AUX		0xa9
#define CMD_SELF_TEST		0xaa
#define CMD_TEST_KEYBOARD	0xab
#define CMD_DISABLE_KEYBOARD	0xad
#define CMD_ENABLE_KEYBOARD	0xae
#define CMD_READ_INPUT		0xc0
#define CMD_READ_OUTPUT		0xd0
#define CMD_WRITE_OUTPUT	0xd1
#define CMD_LOOP_KEYBOARD	0xd2	/* data comes back as if typed */
#define CMD_LOOP_AUX		0xd3
#define CMD_WRITE_AUX		0xd4
#define CMD_PULSE		0xf0	/* low bits: lines that stay high */

#define CONFIG_IRQ		0x01
#define CONFIG_SYSTEM		0x04
#define CONFIG_KEYBOARD_OFF	0x10
#define CONFIG_AUX_OFF		0x20
#define CONFIG_TRANSLATE	0x40
#define CONFIG_WRITABLE		0x77

#define OUTPUT_NO_RESET		0x01
#define OUTPUT_A20		0x02

#define SELF_TEST_PASSED	0x55
#define CLOCK_STUCK_LOW		0x01	/* aux: there is no such port */
#define RESEND			0xfe

void i8042_reset(struct i8042 *k)
{
	k->command = 0;
	k->config = CONFIG_SYSTEM | CONFIG_KEYBOARD_OFF | CONFIG_AUX_OFF | CONFIG_TRANSLATE;
	k->port = OUTPUT_NO_RESET | OUTPUT_A20;
	k->status = STATUS_SYSTEM | STATUS_UNLOCKED;
	k->output = 0;
	if (k->line)
		k->irq(k->machine, 0);
	k->line = 0;
}

void i8042_init(struct i8042 *k, struct machine *m, void (*irq)(void *arg, int level))
{
	memset(k, 0, sizeof(*k));
	k->machine = m;
	k->irq = irq;
	i8042_reset(k);
}

static void update(struct i8042 *k)
{
	int line = (k->status & STATUS_OUTPUT) && (k->config & CONFIG_IRQ);

	if (line == k->line)
		return;
	k->line = line;
	k->irq(k->machine, line);
}

static void answer(struct i8042 *k, __u8 byte)
{
	k->output = byte;
	k->status = (k->status & ~STATUS_TIMEOUT) | STATUS_OUTPUT;
	update(k);
}

/* Lines of the output port: a falling one resets. A20 is open for ever. */
static void set_port(struct i8042 *k, __u8 value)
{
	k->port = value | OUTPUT_A20;
	if (!(value & OUTPUT_NO_RESET))
		machine_event(k->machine, EVENT_RESET, 0);
}

static void set_config(struct i8042 *k, __u8 value)
{
	k->config = value & CONFIG_WRITABLE;
	update(k);
}

static void i8042_command(struct i8042 *k, __u8 command)
{
	k->command = 0;
	k->status |= STATUS_COMMAND;
	switch (command) {
	case CMD_READ_CONFIG:
		answer(k, k->config);
		break;
	case CMD_WRITE_CONFIG:
	case CMD_WRITE_OUTPUT:
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_AUX:
	case CMD_WRITE_AUX:
		k->command = command;
		break;
	case CMD_DISABLE_AUX:
	case CMD_ENABLE_AUX:
		set_config(k, (k->config & ~CONFIG_AUX_OFF) |
			   (command == CMD_DISABLE_AUX ? CONFIG_AUX_OFF : 0));
		break;
	case CMD_DISABLE_KEYBOARD:
	case CMD_ENABLE_KEYBOARD:
		set_config(k, (k->config & ~CONFIG_KEYBOARD_OFF) |
			   (command == CMD_DISABLE_KEYBOARD ? CONFIG_KEYBOARD_OFF : 0));
		break;
	case CMD_SELF_TEST:
		k->config |= CONFIG_SYSTEM;
		answer(k, SELF_TEST_PASSED);
		break;
	case CMD_TEST_KEYBOARD:
		answer(k, 0);
		break;
	case CMD_TEST_AUX:
		answer(k, CLOCK_STUCK_LOW);
		break;
	case CMD_READ_INPUT:
		answer(k, 0x80);	/* not locked */
		break;
	case CMD_READ_OUTPUT:
		answer(k, k->port);
		break;
	default:
		if ((command & CMD_PULSE) == CMD_PULSE && !(command & OUTPUT_NO_RESET))
			machine_event(k->machine, EVENT_RESET, 0);
	}
}

static void i8042_data(struct i8042 *k, __u8 value)
{
	__u8 command = k->command;

	k->command = 0;
	k->status &= ~STATUS_COMMAND;
	switch (command) {
	case CMD_WRITE_CONFIG:
		set_config(k, value);
		break;
	case CMD_WRITE_OUTPUT:
		set_port(k, value);
		break;
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_AUX:
		answer(k, value);
		break;
	default:
		/* For a keyboard or mouse that is not there. */
		answer(k, RESEND);
		k->status |= STATUS_TIMEOUT;
	}
}

static __u64 i8042_read_data(void *dev, __u64 offset, unsigned int bytes)
{
	struct i8042 *k = dev;

	(void)offset;
	(void)bytes;
	k->status &= ~(STATUS_OUTPUT | STATUS_TIMEOUT);
	update(k);
	return k->output;
}

static void i8042_write_data(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)offset;
	(void)bytes;
	i8042_data(dev, value);
}

static __u64 i8042_read_status(void *dev, __u64 offset, unsigned int bytes)
{
	struct i8042 *k = dev;

	(void)offset;
	(void)bytes;
	return k->status;
}

static void i8042_write_command(void *dev, __u64 offset, unsigned int bytes, __u64 value)
{
	(void)offset;
	(void)bytes;
	i8042_command(dev, value);
}

const struct bus_ops i8042_data_ops = {
	.read = i8042_read_data,
	.write = i8042_write_data,
	.width = 1,
};

const struct bus_ops i8042_command_ops = {
	.read = i8042_read_status,
	.write = i8042_write_command,
	.width = 1,
};
