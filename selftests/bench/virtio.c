// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_virtio echo, on the host: sends back what comes to PORT.
 *
 * bench_virtio, in a Linux guest with a disk and a network: what a random read of
 * 4 KiB without a page cache and a round trip of 64 bytes take, in TSC ticks:
 *
 *	OPERATION MEDIAN LEAST MOST
 *
 * of samples of some in a row. Then it says `steady' and goes on with both until
 * the disk begins with STOP.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "idle.h"

#define DISK		"/dev/vda"
#define STOP		'x'
#define BLOCK		4096
#define PORT		7777
#define HOST		0x0a000001	/* 10.0.0.1 */
#define BYTES		64
#define TRIES		30		/* of a second */
#define SAMPLES		31
#define IN_A_ROW	4
#define ROUNDS		4		/* between looks for STOP */

static char block[BLOCK] __attribute__((aligned(BLOCK)));
static unsigned int blocks;
static int disk, sock;

static void echo(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) }, from;
	socklen_t length = sizeof(from);
	ssize_t bytes;

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(sock, (struct sockaddr *)&any, sizeof(any)))
		err(1, "bind");
	for (;;) {
		bytes = recvfrom(sock, block, sizeof(block), 0, (struct sockaddr *)&from, &length);
		if (bytes < 0 || sendto(sock, block, bytes, 0, (struct sockaddr *)&from,
					length) != bytes)
			err(1, "echo");
	}
}

static void open_disk(void)
{
	unsigned long long bytes;

	disk = open(DISK, O_RDONLY | O_DIRECT);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes))
		err(1, DISK);
	blocks = bytes / BLOCK;
}

/* False: no answer within a second */
static bool round_trip(void)
{
	static unsigned int number;
	unsigned int message[BYTES / sizeof(unsigned int)] = { ++number };

	if (send(sock, message, sizeof(message), 0) != sizeof(message))
		return false;
	return recv(sock, message, sizeof(message), 0) == sizeof(message) && message[0] == number;
}

/* There is an address, and the host knows it. */
static void open_network(void)
{
	struct sockaddr_in host = { .sin_family = AF_INET, .sin_port = htons(PORT),
				    .sin_addr.s_addr = htonl(HOST) };
	struct timeval second = { .tv_sec = 1 };
	int tries = TRIES;

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) ||
	    connect(sock, (struct sockaddr *)&host, sizeof(host)))
		err(1, "socket");
	while (!round_trip())
		if (!--tries)
			errx(1, "the host does not answer");
}

static void udp_round_trip(void)
{
	if (!round_trip())
		errx(1, "a packet was lost");
}

static void disk_read(void)
{
	static unsigned int seed = 1;

	seed = seed * 1103515245 + 12345;
	if (pread(disk, block, BLOCK, (off_t)((seed >> 8) % blocks) * BLOCK) != BLOCK)
		err(1, DISK);
}

static int compare(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(const char *name, void (*operation)(void))
{
	unsigned int result[SAMPLES], i, j;
	unsigned long begin;

	for (i = 0; i < SAMPLES; i++)
		operation();
	for (i = 0; i < SAMPLES; i++) {
		begin = tsc();
		for (j = 0; j < IN_A_ROW; j++)
			operation();
		result[i] = (tsc() - begin) / IN_A_ROW;
	}
	qsort(result, SAMPLES, sizeof(*result), compare);
	printf("%s %u %u %u\n", name, result[SAMPLES / 2], result[0], result[SAMPLES - 1]);
}

static bool told_to_stop(void)
{
	if (pread(disk, block, BLOCK, 0) != BLOCK)
		err(1, DISK);
	return block[0] == STOP;
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc > 1 && !strcmp(argv[1], "echo"))
		echo();
	open_disk();
	open_network();
	measure("disk_read", disk_read);
	measure("udp_round_trip", udp_round_trip);
	puts("steady");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	while (!told_to_stop())
		for (i = 0; i < ROUNDS; i++) {
			disk_read();
			udp_round_trip();
		}
	return 0;
}
