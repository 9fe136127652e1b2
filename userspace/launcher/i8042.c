// SPDX-License-Identifier: GPL-2.0-only
/* Keyboard controller without a keyboard: it is there to reset the machine. */
#include "devices.h"

#define STATUS_OUTPUT	0x01
#define STATUS_SYSTEM	0x04
#define STATUS_UNLOCKED	0x10

#define CMD_READ_CONFIG		0x20
#define CMD_WRITE_CONFIG	0x60
#define CMD_DISABLE_AUX		0xa7
#define CMD_TEST_AUX		0xa9
#define CMD_SELF_TEST		0xaa
#define CMD_TEST_KEYBOARD	0xab
#define CMD_READ_OUTPUT		0xd0
#define CMD_WRITE_OUTPUT	0xd1
#define CMD_PULSE		0xf0	/* low bits: lines that stay high */

#define OUTPUT_NO_RESET		0x01
#define OUTPUT_A20		0x02

void i8042_init(struct i8042 *k, struct machine *m)
{
	memset(k, 0, sizeof(*k));
	k->machine = m;
}

static void answer(struct i8042 *k, __u8 byte)
{
	k->output = byte;
	k->output_full = true;
}

static void i8042_command(struct i8042 *k, __u8 command)
{
	k->command = 0;
	switch (command) {
	case CMD_READ_CONFIG:
		answer(k, k->config);
		break;
	case CMD_WRITE_CONFIG:
	case CMD_WRITE_OUTPUT:
		k->command = command;
		break;
	case CMD_SELF_TEST:
		answer(k, 0x55);
		break;
	case CMD_TEST_KEYBOARD:
		answer(k, 0);
		break;
	case CMD_TEST_AUX:
		answer(k, 0xff);	/* no such port */
		break;
	case CMD_READ_OUTPUT:
		answer(k, OUTPUT_NO_RESET | OUTPUT_A20);
		break;
	default:
		if ((command & CMD_PULSE) == CMD_PULSE && !(command & OUTPUT_NO_RESET))
			machine_event(k->machine, EVENT_RESET, 0);
	}
}

static void i8042_data(struct i8042 *k, __u8 value)
{
	if (k->command == CMD_WRITE_CONFIG)
		k->config = value;
	else if (k->command == CMD_WRITE_OUTPUT && !(value & OUTPUT_NO_RESET))
		machine_event(k->machine, EVENT_RESET, 0);
	k->command = 0;
}

static __u64 i8042_read_data(void *dev, __u64 offset, unsigned int bytes)
{
	struct i8042 *k = dev;

	(void)offset;
	(void)bytes;
	k->output_full = false;
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
	return STATUS_SYSTEM | STATUS_UNLOCKED | (k->output_full ? STATUS_OUTPUT : 0);
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
