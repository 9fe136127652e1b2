// SPDX-License-Identifier: GPL-2.0-only
/* Firmware images, and the test device. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "firmware.h"
#include "ktap.h"
#include "machine.h"

static struct machine machine;
static struct fault fault;

/* From a file whose bytes are the numbers of their pages. */
static int read_image(struct blob *b, unsigned int bytes)
{
	char path[] = "/tmp/lodge-firmware-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	unsigned int i;
	int ret;

	for (i = 0; f && i < bytes; i++)
		fputc(i >> 12, f);
	CHECK(f && !fclose(f));
	ret = firmware_read(b, path, &fault);
	unlink(path);
	return ret;
}

static void image_sizes(void)
{
	static const unsigned int bad[] = { 0, 1, 4095, 4097, 0x800000 + 4096 };
	static const unsigned int good[] = { 4096, 0x20000, 0x800000 };
	unsigned int i;
	struct blob b;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(read_image(&b, bad[i]) == -1);
		blob_free(&b);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK(read_image(&b, good[i]) == 0 && b.bytes == good[i]);
		CHECK(!((unsigned long)b.data & 4095));
		blob_free(&b);
	}
	CHECK(firmware_read(&b, "/nonexistent", &fault) == -1);
}

/* The last 128 KiB at the end of the first MiB, or all of a smaller image. */
static void image_shadow(void)
{
	struct memory m;
	struct blob b;

	CHECK(memory_init(&m, MIB(2)) == 0);
	CHECK(read_image(&b, 0x40000) == 0);
	m.host[0xdffff] = 0xaa;
	firmware_place(&m, &b);
	CHECK(m.host[0xdffff] == 0xaa && m.host[0xe0000] == 0x20 && m.host[0xfffff] == 0x3f);
	blob_free(&b);
	CHECK(read_image(&b, 0x2000) == 0);
	firmware_place(&m, &b);
	CHECK(m.host[0xfdfff] == 0 && m.host[0xfe000] == 0 && m.host[0xff000] == 1);
	blob_free(&b);
	memory_destroy(&m);
}

static void setup_test_dev(void)
{
	memset(&machine, 0, sizeof(machine));
	machine.vm = -1;
	CHECK(memory_init(&machine.mem, MIB(2)) == 0);
	CHECK(test_dev_init(&machine.test_dev, &machine) == 0);
}

static __u64 in(__u64 port, unsigned int bytes)
{
	__u64 v;

	CHECK(bus_read(&machine.pio, port, bytes, &v));
	return v;
}

static void test_dev_latch(void)
{
	setup_test_dev();
	CHECK(bus_write(&machine.pio, 0xe0, 4, 0x12345678));
	CHECK(in(0xe0, 4) == 0x12345678 && in(0xe1, 1) == 0x56 && in(0xe2, 2) == 0x1234);
	CHECK(bus_write(&machine.pio, 0xe3, 1, 0xff));
	CHECK(in(0xe0, 4) == 0xff345678 && in(0xe8, 4) == 0xff345678 && in(0xeb, 1) == 0xff);
	CHECK(!bus_write(&machine.pio, 0xe2, 4, 0));	/* beyond its end */
	memory_destroy(&machine.mem);
}

static void test_dev_memory(void)
{
	__u64 v;

	setup_test_dev();
	CHECK(bus_write(&machine.mmio, 0xff00fff8, 8, 0x1122334455667788));
	CHECK(bus_read(&machine.mmio, 0xff00fffc, 4, &v) && v == 0x11223344);
	CHECK(!bus_read(&machine.mmio, 0xff00fffc, 8, &v) && v == ~0ull);
	CHECK(!bus_read(&machine.mmio, 0xff010000, 1, &v));
	memory_destroy(&machine.mem);
}

/* A flushed page keeps its contents; no other address does harm. */
static void test_dev_flush(void)
{
	static const __u32 elsewhere[] = { 0x200000, 0xfffff000, 0x1ff001 };
	unsigned int i;

	setup_test_dev();
	machine.mem.host[0x5000] = 0x5a;
	CHECK(bus_write(&machine.pio, 0xe4, 4, 0x5123));
	CHECK(machine.mem.host[0x5000] == 0x5a);
	machine.mem.host[0x5000] = 0xa5;
	for (i = 0; i < ARRAY_SIZE(elsewhere); i++)
		CHECK(bus_write(&machine.pio, 0xe4, 4, elsewhere[i]));
	memory_destroy(&machine.mem);
}

static void test_dev_lines(void)
{
	setup_test_dev();
	CHECK(bus_write(&machine.pio, 0x2000, 1, 1) && bus_write(&machine.pio, 0x2017, 1, 0));
	CHECK(!bus_write(&machine.pio, 0x2018, 1, 1));
	memory_destroy(&machine.mem);
}

static const struct test tests[] = {
	{ "firmware: sizes", image_sizes },
	{ "firmware: its copy below 1 MiB", image_shadow },
	{ "test device: latch", test_dev_latch },
	{ "test device: memory", test_dev_memory },
	{ "test device: page flush", test_dev_flush },
	{ "test device: interrupt lines", test_dev_lines },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
