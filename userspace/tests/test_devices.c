// SPDX-License-Identifier: GPL-2.0-only
/* Devices, buses, options, the terminal's keys and the console's eye. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <stdlib.h>

#include <lodge/liblodge.h>

#include "acpi.h"
#include "bus.h"
#include "console.h"
#include "cpu_features.h"
#include "events.h"
#include "ktap.h"
#include "machine.h"
#include "options.h"
#include "term.h"
#include "uart.h"

static struct uart uart;
static int line;
static unsigned int sent, rooms;
static __u8 last_sent;

static void on_irq(void *arg, int level)
{
	(void)arg;
	line = level;
}

static void on_output(void *arg, __u8 byte)
{
	(void)arg;
	sent++;
	last_sent = byte;
}

static void on_changed(void *arg, const struct uart *u)
{
	(void)arg;
	(void)u;
}

static void on_room(void *arg)
{
	(void)arg;
	rooms++;
}

static void no_irq(void *arg, int level)
{
	(void)arg;
	(void)level;
}

static void setup_uart(void)
{
	struct uart_host host = { NULL, on_irq, on_output, on_changed, on_room };

	line = 0;
	sent = 0;
	rooms = 0;
	uart_init(&uart, &host);
}

static void uart_sends(void)
{
	setup_uart();
	CHECK(uart_output_is_plain(&uart));
	uart_write(&uart, 0, 'x');
	CHECK(sent == 1 && last_sent == 'x' && line == 0);
	CHECK(uart_read(&uart, 5) == 0x60);
}

static void uart_transmit_interrupt(void)
{
	setup_uart();
	uart_write(&uart, 1, 2);
	CHECK(line == 1 && !uart_output_is_plain(&uart));
	CHECK((uart_read(&uart, 2) & 0xf) == 2);
	CHECK(line == 0 && (uart_read(&uart, 2) & 0xf) == 1);
	uart_write(&uart, 0, 'x');
	CHECK(line == 1);
	uart_write(&uart, 1, 0);
	CHECK(line == 0);
	/* Enabling it again raises it again: Linux tests for that. */
	uart_write(&uart, 1, 2);
	CHECK(line == 1);
}

static void uart_receives(void)
{
	setup_uart();
	uart_write(&uart, 2, 1);
	uart_write(&uart, 1, 1);
	CHECK(uart_input(&uart, (const __u8 *)"ab", 2) == 2);
	CHECK(line == 1 && (uart_read(&uart, 2) & 0xf) == 4);
	CHECK(uart_read(&uart, 5) & 1);
	CHECK(uart_read(&uart, 0) == 'a');
	CHECK(line == 1 && uart_read(&uart, 0) == 'b' && line == 0);
	CHECK(!(uart_read(&uart, 5) & 1) && rooms);
}

static void uart_waits_for_the_guest(void)
{
	static const __u8 text[40] = "0123456789abcdefghijklmnopqrstuvwxyz";
	unsigned int i;

	setup_uart();
	uart_input(&uart, text, sizeof(text));
	/* What a driver throws away while it starts is not lost. */
	uart_write(&uart, 2, 7);
	uart_write(&uart, 2, 0);
	CHECK(!(uart_read(&uart, 5) & 1));
	uart_write(&uart, 2, 1);
	uart_write(&uart, 1, 1);
	for (i = 0; i < sizeof(text); i++)
		CHECK(uart_read(&uart, 0) == text[i]);
	CHECK(line == 0);
}

static void uart_queue_has_an_end(void)
{
	__u8 block[512] = { 0 };
	unsigned int total = 0, i;

	setup_uart();
	for (i = 0; i < 64; i++)
		total += uart_input(&uart, block, sizeof(block));
	CHECK(total <= UART_QUEUE && uart_room(&uart) == 0);
	uart_write(&uart, 2, 7);
	CHECK(uart.queue_count <= UART_QUEUE);
}

static void uart_polled_guest(void)
{
	setup_uart();
	uart_input(&uart, (const __u8 *)"hi", 2);
	CHECK(uart_read(&uart, 5) & 1);
	CHECK(uart_read(&uart, 0) == 'h' && uart_read(&uart, 0) == 'i');
}

static void uart_divisor(void)
{
	setup_uart();
	uart_write(&uart, 3, 0x83);
	CHECK(!uart_output_is_plain(&uart));
	uart_write(&uart, 0, 1);
	uart_write(&uart, 1, 2);
	CHECK(uart_read(&uart, 0) == 1 && uart_read(&uart, 1) == 2);
	uart_write(&uart, 3, 0x03);
	CHECK(uart_read(&uart, 1) == 0 && !sent && uart_output_is_plain(&uart));
}

static void uart_loopback(void)
{
	setup_uart();
	uart_write(&uart, 4, 0x1a);
	CHECK((uart_read(&uart, 6) & 0xf0) == 0x90);
	uart_write(&uart, 0, 'q');
	CHECK(!sent && uart_read(&uart, 0) == 'q');
	uart_write(&uart, 4, 0x0b);
	CHECK((uart_read(&uart, 6) & 0xf0) == 0xb0);
}

static void uart_is_a_16550a(void)
{
	setup_uart();
	uart_write(&uart, 1, 0xff);
	CHECK(uart_read(&uart, 1) == 0x0f);
	uart_write(&uart, 1, 0);
	uart_write(&uart, 2, 1);
	CHECK((uart_read(&uart, 2) & 0xc0) == 0xc0);
	uart_write(&uart, 7, 0x5a);
	CHECK(uart_read(&uart, 7) == 0x5a);
}

static void sizes(void)
{
	__u64 v;

	CHECK(parse_size("256M", &v) && v == MIB(256));
	CHECK(parse_size("1g", &v) && v == GIB(1));
	CHECK(parse_size("4096K", &v) && v == MIB(4));
	CHECK(parse_size("64", &v) && v == MIB(64));
	CHECK(parse_size("2T", &v) && v == GIB(2048));
}

static void bad_sizes(void)
{
	static const char *const bad[] = {
		"", "M", "-1", "+1", " 1", "1.5G", "1GG", "1Q", "0x10", "8796093022208M",
		"18446744073709551616", "99999999999999999999G",
	};
	unsigned int i;
	__u64 v;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!parse_size(bad[i], &v) || !v);
}

static void bus_order_and_overlap(void)
{
	static struct bus bus;
	static struct i8042 k;

	memset(&bus, 0, sizeof(bus));
	i8042_init(&k, NULL, no_irq);
	CHECK(bus_add(&bus, 0x64, 1, &i8042_command_ops, &k) == 0);
	CHECK(bus_add(&bus, 0x60, 1, &i8042_data_ops, &k) == 0);
	CHECK(bus_add(&bus, 0x5f, 2, &i8042_data_ops, &k) == -EEXIST);
	CHECK(bus_add(&bus, 0x70, 0, &i8042_data_ops, &k) == -EINVAL);
	CHECK(bus_find(&bus, 0x60, 1) == &bus.range[0]);
	CHECK(bus_find(&bus, 0x64, 1) == &bus.range[1]);
	CHECK(!bus_find(&bus, 0x60, 2) && !bus_find(&bus, 0x61, 1) && !bus_find(&bus, 0x70, 1));
}

static void bus_unknown_is_ones(void)
{
	static struct bus bus;
	__u64 v;

	memset(&bus, 0, sizeof(bus));
	CHECK(!bus_read(&bus, 0xcf8, 4, &v) && v == 0xffffffff);
	CHECK(!bus_read(&bus, 0xcf8, 8, &v) && v == ~0ull);
	CHECK(!bus_read(&bus, 0xcf8, 1, &v) && v == 0xff);
	CHECK(!bus_write(&bus, 0xcf8, 4, 0x80000000));
}

static void bus_splits_and_fills(void)
{
	static struct bus bus;
	unsigned int i;
	__u64 v;

	setup_uart();
	memset(&bus, 0, sizeof(bus));
	CHECK(bus_add(&bus, 0x3f8, 8, &uart_ops, &uart) == 0);
	CHECK(bus_write(&bus, 0x3fe, 2, 0x5a00));
	CHECK(bus_read(&bus, 0x3fe, 2, &v) && v == 0x5ab0);
	for (i = 1; i < BUS_MAX_RANGES; i++)
		CHECK(bus_add(&bus, 0x1000 + i, 1, &uart_ops, &uart) == 0);
	CHECK(bus_add(&bus, 0x2000, 1, &uart_ops, &uart) == -ENOSPC);
}

static void power_off(void)
{
	static struct acpi_pm pm;

	acpi_pm_init(&pm, NULL, no_irq);
	acpi_pm_ops.write(&pm, 4, 2, 0x1c01);
	CHECK(last_event == EVENT_NONE);
	acpi_pm_ops.write(&pm, 4, 2, 0x2c01);
	CHECK(last_event == EVENT_NONE);
	acpi_pm_ops.write(&pm, 4, 2, 0x3401);
	CHECK(last_event == EVENT_POWEROFF);
	CHECK(acpi_pm_ops.read(&pm, 4, 2) & 1);
	CHECK(acpi_pm_ops.read(&pm, 8, 4) <= 0xffffff);
}

static void resets(void)
{
	static struct reset_ports r;
	static struct i8042 k;

	reset_init(&r, NULL);
	i8042_init(&k, NULL, no_irq);
	cf9_ops.write(&r, 0, 1, 0x02);
	CHECK(last_event == EVENT_NONE);
	cf9_ops.write(&r, 0, 1, 0x06);
	CHECK(last_event == EVENT_RESET);
	last_event = EVENT_NONE;
	port92_ops.write(&r, 0, 1, 2);
	CHECK(last_event == EVENT_NONE && port92_ops.read(&r, 0, 1) == 2);
	port92_ops.write(&r, 0, 1, 1);
	CHECK(last_event == EVENT_RESET);
	last_event = EVENT_NONE;
	i8042_command_ops.write(&k, 0, 1, 0xfe);
	CHECK(last_event == EVENT_RESET);
	last_event = EVENT_NONE;
	i8042_command_ops.write(&k, 0, 1, 0xd1);
	i8042_data_ops.write(&k, 0, 1, 0x03);
	CHECK(last_event == EVENT_NONE);
}

static int keyboard_line;

static void on_keyboard(void *arg, int level)
{
	(void)arg;
	keyboard_line = level;
}

static __u8 keyboard(struct i8042 *k, __u8 command, int data)
{
	i8042_command_ops.write(k, 0, 1, command);
	if (data >= 0)
		i8042_data_ops.write(k, 0, 1, data);
	return i8042_command_ops.read(k, 0, 1);
}

static void keyboard_interrupts_and_loops(void)
{
	static struct i8042 k;

	i8042_init(&k, NULL, on_keyboard);
	CHECK(!(keyboard(&k, 0x60, 0x45) & 1));
	CHECK(keyboard(&k, 0x20, -1) & 1 && keyboard_line == 1);
	CHECK(i8042_data_ops.read(&k, 0, 1) == 0x45 && keyboard_line == 0);
	CHECK(keyboard(&k, 0xd2, 0x77) & 1 && i8042_data_ops.read(&k, 0, 1) == 0x77);
	keyboard(&k, 0xad, -1);
	keyboard(&k, 0xa7, -1);
	keyboard(&k, 0x20, -1);
	CHECK(i8042_data_ops.read(&k, 0, 1) == 0x75);
	/* There is no mouse and no keyboard. */
	keyboard(&k, 0xa9, -1);
	CHECK(i8042_data_ops.read(&k, 0, 1) == 1);
	i8042_data_ops.write(&k, 0, 1, 0xf2);
	CHECK(i8042_command_ops.read(&k, 0, 1) & 0x40 && i8042_data_ops.read(&k, 0, 1) == 0xfe);
	CHECK(keyboard(&k, 0xd4, 0xf2) & 0x40);
	/* A20 stays open, whatever is asked for. */
	keyboard(&k, 0xd1, 0x01);
	keyboard(&k, 0xd0, -1);
	CHECK(i8042_data_ops.read(&k, 0, 1) == 3 && last_event == EVENT_NONE);
	keyboard(&k, 0xd1, 0x02);
	CHECK(last_event == EVENT_RESET);
	keyboard(&k, 0xd0, -1);
	i8042_reset(&k);
	CHECK(keyboard_line == 0);
}

static void keyboard_self_test(void)
{
	static struct i8042 k;

	i8042_init(&k, NULL, no_irq);
	i8042_command_ops.write(&k, 0, 1, 0xaa);
	CHECK(i8042_command_ops.read(&k, 0, 1) & 1);
	CHECK(i8042_data_ops.read(&k, 0, 1) == 0x55);
	CHECK(!(i8042_command_ops.read(&k, 0, 1) & 1));
}

static void panic_and_exit_devices(void)
{
	pvpanic_ops.write(NULL, 0, 1, 2);
	CHECK(last_event == EVENT_NONE);
	pvpanic_ops.write(NULL, 0, 1, 1);
	CHECK(last_event == EVENT_PANIC);
	exit_dev_ops.write(NULL, 0, 4, 0x12);
	CHECK(last_event == EVENT_EXIT_DEV && last_value == 0x12);
}

static void feed(struct console *c, const char *text)
{
	while (*text)
		console_output(c, *text++);
}

static void console_sees_panic(void)
{
	static struct console c;

	console_init(&c, -1);
	feed(&c, "all is well\r\n[  1.0] Kernel panic - not ");
	CHECK(console_panic(&c) == PANIC_NONE);
	feed(&c, "syncing: no init\n");
	CHECK(console_panic(&c) == PANIC_SEEN);
	feed(&c, "---[ end Kernel panic - not syncing: no init ]---\n");
	CHECK(console_panic(&c) == PANIC_TOLD);
}

static void console_long_lines(void)
{
	static struct console c;
	unsigned int i;

	console_init(&c, -1);
	for (i = 0; i < 100000; i++)
		console_output(&c, 'x');
	console_output(&c, '\n');
	feed(&c, "Kernel panic");
	console_output(&c, 0);
	feed(&c, " - not syncing\n");
	CHECK(console_panic(&c) == PANIC_SEEN);
}

static unsigned int patience;

static bool give_up(void *arg)
{
	(void)arg;
	if (patience)
		patience--;
	return !patience;
}

static void console_slow_and_gone_readers(void)
{
	static struct console c;
	char back[64];
	int fd[2], i;

	CHECK(pipe(fd) == 0);
	console_init(&c, fd[1]);
	c.give_up = give_up;
	feed(&c, "hello");
	console_flush(&c);
	CHECK(read(fd[0], back, sizeof(back)) == 5 && !memcmp(back, "hello", 5));
	/* Nobody reads: what does not fit is lost once that is allowed. */
	patience = 3;
	for (i = 0; i < 65536 + 2 * CONSOLE_BUFFER && patience; i++)
		console_output(&c, 'x');
	console_flush(&c);
	CHECK(i > 32768 && !patience && c.buffered == 0 && c.fd == fd[1]);
	/* A reader that has gone away is no reason to stop. */
	close(fd[0]);
	feed(&c, "bye");
	console_flush(&c);
	CHECK(c.fd == -1 && c.buffered == 0);
	close(fd[1]);
}

static enum term_action key(struct term *t, __u8 byte, __u8 *out)
{
	*out = byte;
	return term_key(t, out);
}

static void escapes(void)
{
	struct term t = { 0 };
	__u8 out;

	CHECK(key(&t, 'x', &out) == TERM_SEND && out == 'x');
	CHECK(key(&t, 1, &out) == TERM_NOTHING && key(&t, 'x', &out) == TERM_QUIT);
	CHECK(key(&t, 1, &out) == TERM_NOTHING && key(&t, 'h', &out) == TERM_HELP);
	CHECK(key(&t, 1, &out) == TERM_NOTHING && key(&t, 1, &out) == TERM_SEND && out == 1);
	CHECK(key(&t, 1, &out) == TERM_NOTHING && key(&t, 'a', &out) == TERM_SEND && out == 1);
	CHECK(key(&t, 1, &out) == TERM_NOTHING && key(&t, 'z', &out) == TERM_NOTHING);
	CHECK(key(&t, 'x', &out) == TERM_SEND);
}

static int parse(struct run_options *o, int argc, const char *const *argv)
{
	char *copy[16] = { NULL };
	struct fault f;
	int i;

	for (i = 0; i < argc; i++)
		copy[i] = (char *)argv[i];
	return options_parse(o, argc, copy, &f);
}

static void options_good(void)
{
	static const char *const argv[] = {
		"run", "-i", "a", "-i", "b", "-m", "1G", "-c", "64", "--exit-dev", "0xf4",
		"--serial", "file=x", "--no-reboot", "vmlinuz",
	};
	struct run_options o;

	CHECK(parse(&o, ARRAY_SIZE(argv), argv) == 0);
	CHECK(o.modules == 2 && !o.cmdline && o.memory.bytes == GIB(1));
	CHECK(o.cpus == 64 && o.exit_port == 0xf4);
	CHECK(o.serial == SERIAL_FILE && o.no_reboot && !strcmp(o.kernel, "vmlinuz"));
	free(o.module);
}

static void options_bad(void)
{
	static const char *const bad[][3] = {
		{ "run", "-m", "1K" }, { "run", "-c", "0" }, { "run", "-c", "65" },
		{ "run", "--serial", "tty" }, { "run", "--serial", "file=" },
		{ "run", "--timeout", "0" }, { "run", "--timeout", "-1" },
		{ "run", "--exit-dev", "0x10000" }, { "run", "--panic", "maybe" },
		{ "run", "--triple-fault", "" }, { "run", "a", "b" },
		{ "run", "--name", "a name that is longer than what fits" },
		{ "run", "--nonsense", "1" }, { "run", "a", "-k" },
		{ "run", "--firmware=a", "b" },
	};
	struct run_options o;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(parse(&o, 3, bad[i]) == -1);
		free(o.module);
	}
}

static void options_cpus(void)
{
	static const char *const good[] = { "run", "-c", "6,pin=0-1,3" };
	static const char *const wide[] = { "run", "-c", "2,pin=0-1023", "--cpu-features", "-avx" };
	static const char *const bad[] = {
		"4,", "4,pin=", "4,pin=x", "4,pin=3-1", "4,pin=0-", "4,pin=-1", "4,pin=1024",
		"4,pin=0,,x", "4,pin=99999999999999999999", ",pin=0", "4pin=0", "4,pin",
		"0,pin=0", "65,pin=0", "00000000000000000000000000000000004",
	};
	struct run_options o;
	unsigned int i;

	CHECK(parse(&o, 3, good) == 0 && o.cpus == 6 && o.pin_list);
	CHECK(o.pin[0] == 0 && o.pin[1] == 1 && o.pin[2] == 3 && o.pin[3] == 0 && o.pin[5] == 3);
	CHECK(parse(&o, 5, wide) == 0 && o.pin[63] == 63 && !strcmp(o.cpu_features, "-avx"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *const argv[] = { "run", "-c", bad[i] };

		CHECK(parse(&o, 3, argv) == -1);
	}
}

static void options_memory(void)
{
	static const char *const bad[] = {
		"", ",", "1K", "x", "4097G", "512M,", "512M,huge", "512M,huge=4K", "512M,huge=1G",
		"3M,huge=2M", "512M,thp=maybe", "1G,huge=2M,thp=on", "512M,file=",
		"512M,file=a,shared", "512M,file=a,huge=2M", "512M,merge,shared",
		"512M,merge,huge=2M", "512M,merge,file=a", "512M,node=", "512M,node=64",
		"512M,node=0-1", "512M,node=x", "512M,bind=", "512M,bind=x", "512M,bind=1-0",
		"512M,bind=0,merge", "512M,node=0,bind=1", "512M,bind=0-64", "512M;merge",
		"512Mmerge", "512M,bind=00000000000000000000000",
	};
	struct memory_options o;
	struct fault f;
	unsigned int i;

	CHECK(memory_parse(&o, "512", &f) == 0 && o.bytes == MIB(512) && !o.shared && !o.nodes);
	CHECK(memory_parse(&o, "2G,huge=1G,shared,prefault", &f) == 0 && o.huge == GIB(1));
	CHECK(o.shared && o.prefault && !o.merge && !*o.file);
	CHECK(memory_parse(&o, "4M,thp=off,merge,node=3", &f) == 0 && o.thp == THP_OFF);
	CHECK(o.merge && o.prefer && o.nodes == BIT(3));
	CHECK(memory_parse(&o, "4M,thp=on,bind=0-1,63", &f) == 0 && o.thp == THP_ON);
	CHECK(!o.prefer && o.nodes == (BIT_ULL(63) | 3));
	CHECK(memory_parse(&o, "4M,file=/a b", &f) == 0 && !strcmp(o.file, "/a b"));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(memory_parse(&o, bad[i], &f) == -1 && f.what && f.why);
}

/* Memory of each kind that every machine has: what is written is there. */
static void memory_kinds(void)
{
	static const char *const kind[] = {
		"4M", "4M,thp=off", "4M,shared", "4M,file=/tmp/lodge-test-memory",
		"4M,file=/tmp/lodge-test-memory",
	};
	struct memory_options o;
	struct memory m;
	struct fault f;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		CHECK(memory_parse(&o, kind[i], &f) == 0 && memory_create(&m, &o, &f) == 0);
		CHECK(m.low == MIB(4) && !((unsigned long)m.host % MIB(2)));
		/* A file keeps it for the next. */
		CHECK(m.host[MIB(4) - 1] == (i == 4 ? 5 : 0));
		m.host[MIB(4) - 1] = 5;
		m.host[4096] = 6;
		memory_discard(&m, m.host + 4096, 4096);
		CHECK(!m.host[4096] && m.host[MIB(4) - 1] == 5);
		memory_destroy(&m);
	}
	unlink("/tmp/lodge-test-memory");
	CHECK(memory_parse(&o, "4M,file=/nonexistent/x", &f) == 0);
	CHECK(memory_create(&m, &o, &f) == -1 && f.error == ENOENT);
	memory_destroy(&m);
}

static void features(void)
{
	static const char *const bad[] = {
		"+nonsense", "avx", "+", "-", "+ae", "+aess", "--", "-aes,,", "+-", "+svm",
		"-aes -avx", "+osxsave",
		"-a_name_longer_than_anything_that_was_ever_called_a_feature_of_a_cpu",
	};
	struct lodge_cpuid_entry leaf[] = {
		{ .leaf = 1, .ecx = BIT(25) | BIT(28), .edx = ~0u },
		{ .leaf = 7, .flags = LODGE_CPUID_SUBLEAF, .ebx = BIT(5) },
		{ .leaf = 7, .subleaf = 1, .flags = LODGE_CPUID_SUBLEAF, .eax = BIT(5),
		  .ebx = BIT(5) },
		{ .leaf = 0x40000001, .eax = 9 },
	};
	struct fault f;
	unsigned int i;

	CHECK(cpu_features_apply(NULL, leaf, 4, &f) == 0);
	CHECK(cpu_features_apply("+aes,-avx2,+avx,-kvmclock", leaf, 4, &f) == 0);
	CHECK(leaf[0].ecx == (BIT(25) | BIT(28)) && leaf[1].ebx == 0 && leaf[3].eax == 0);
	CHECK(leaf[2].eax == BIT(5) && leaf[2].ebx == BIT(5) && leaf[0].edx == ~0u);
	/* What the host has not got, or what was taken away before. */
	CHECK(cpu_features_apply("+avx2", leaf, 4, &f) == -1);
	CHECK(cpu_features_apply("-avx512_bf16", leaf, 4, &f) == 0 && leaf[2].eax == 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(cpu_features_apply(bad[i], leaf, 4, &f) == -1 && f.what && f.why);
}

static void topology(void)
{
	struct lodge_cpuid_entry leaf[] = {
		{ .leaf = 0, .ebx = 0x68747541 },
		{ .leaf = 1, .ebx = 0xff0800 },
		{ .leaf = 4, .flags = LODGE_CPUID_SUBLEAF, .eax = 0xffffc121 },
		{ .leaf = 4, .subleaf = 3, .flags = LODGE_CPUID_SUBLEAF, .eax = 0x00000163 },
		{ .leaf = 4, .subleaf = 4, .flags = LODGE_CPUID_SUBLEAF },
		{ .leaf = 0xb, .subleaf = 1, .flags = LODGE_CPUID_SUBLEAF },
		{ .leaf = 0x80000001 },
		{ .leaf = 0x80000008, .ecx = 0xf0ff },
	};

	cpuid_set_topology(leaf, ARRAY_SIZE(leaf), 3, 6);
	CHECK(leaf[1].ebx == 0x03080800 && leaf[1].edx == BIT(28));
	CHECK(leaf[2].eax == (7u << 26 | 0x0121) && leaf[3].eax == (7u << 26 | 7u << 14 | 0x163));
	CHECK(leaf[4].eax == 0 && leaf[5].eax == 3 && leaf[5].ebx == 6 && leaf[5].edx == 3);
	CHECK(leaf[6].ecx == 2 && leaf[7].ecx == 0x3005);
}

static unsigned int drained;

static void on_post(void *arg, const struct lodge_post *post)
{
	(void)arg;
	CHECK(post->value == drained);
	drained++;
}

static void ring_drains_in_order(void)
{
	static struct lodge_post_ring ring;
	struct lodge_io_domain d = { .ring = &ring };
	__u32 i;

	drained = 0;
	ring.head = 0xfffffff0;
	ring.tail = 0xfffffff0;
	CHECK(lodge_drain(&d, on_post, NULL) == 0);
	for (i = 0; i < 10; i++, ring.tail++)
		ring.entries[ring.tail % LODGE_POST_ENTRIES].value = i;
	CHECK(lodge_drain(&d, on_post, NULL) == 10);
	CHECK(ring.head == ring.tail && drained == 10);
}

static const struct test tests[] = {
	{ "uart: sends", uart_sends },
	{ "uart: transmit interrupt", uart_transmit_interrupt },
	{ "uart: receives", uart_receives },
	{ "uart: input waits for the guest", uart_waits_for_the_guest },
	{ "uart: the queue has an end", uart_queue_has_an_end },
	{ "uart: polled guest", uart_polled_guest },
	{ "uart: divisor latch", uart_divisor },
	{ "uart: loopback", uart_loopback },
	{ "uart: recognised as 16550A", uart_is_a_16550a },
	{ "sizes", sizes },
	{ "bad sizes", bad_sizes },
	{ "bus: order and overlap", bus_order_and_overlap },
	{ "bus: nobody answers", bus_unknown_is_ones },
	{ "bus: wide accesses and a full table", bus_splits_and_fills },
	{ "acpi_pm: power-off", power_off },
	{ "reset: all ways", resets },
	{ "i8042: self-test", keyboard_self_test },
	{ "i8042: interrupts, loops and absent devices", keyboard_interrupts_and_loops },
	{ "pvpanic and exit device", panic_and_exit_devices },
	{ "console: panic", console_sees_panic },
	{ "console: long lines and NUL", console_long_lines },
	{ "console: readers that are slow or gone", console_slow_and_gone_readers },
	{ "term: escapes", escapes },
	{ "options: good", options_good },
	{ "options: bad", options_bad },
	{ "options: CPUs and where they run", options_cpus },
	{ "options: memory and where it comes from", options_memory },
	{ "memory of each kind", memory_kinds },
	{ "cpuid: features by name", features },
	{ "cpuid: topology", topology },
	{ "liblodge: ring drains in order", ring_drains_in_order },
};

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
