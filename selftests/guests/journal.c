// SPDX-License-Identifier: GPL-2.0-only
/*
 * journal write DISK, in a guest: several writers, each of which writes records, has
 * them flushed, and then says of each `ack NUMBER.', in a line of its own.
 *
 * journal check DISK <NUMBERS: is each of them there, as it was written?
 */
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WRITERS		4
#define SLOT		8192u		/* where record N is: N * SLOT */
#define SECTOR		512u
#define MAX_BATCH	3		/* records to a flush */
#define WORDS		(SLOT / sizeof(unsigned int))

/* @sum: of all that follows it */
struct record {
	unsigned int sum;
	unsigned int number;
	unsigned int words[WORDS - 2];
} __attribute__((aligned(SLOT)));

static int disk;
static unsigned long slots;

static unsigned int next(unsigned int x)
{
	return x * 1664525 + 1013904223;
}

/* Whole sectors, as many as the number says */
static unsigned int bytes_of(unsigned int number)
{
	return (1 + (next(number) >> 16) % (SLOT / SECTOR)) * SECTOR;
}

/* FNV-1a, by words */
static unsigned int sum_of(const struct record *r, unsigned int bytes)
{
	const unsigned int *word = &r->number, *end = &r->sum + bytes / sizeof(*word);
	unsigned int sum = 2166136261u;

	while (word < end)
		sum = (sum ^ *word++) * 16777619u;
	return sum;
}

static void write_record(struct record *r, unsigned int number)
{
	unsigned int bytes = bytes_of(number), x = number, i;

	r->number = number;
	for (i = 0; i < WORDS - 2; i++) {
		x = next(x);
		r->words[i] = x;
	}
	r->sum = sum_of(r, bytes);
	if (pwrite(disk, r, bytes, (off_t)number * SLOT) != bytes)
		err(1, "record %u", number);
}

static void acknowledge(unsigned int number)
{
	char line[32];
	int bytes = snprintf(line, sizeof(line), "ack %u.\n", number);

	if (write(STDOUT_FILENO, line, bytes) != bytes)
		err(1, "ack");
}

static void *writer(void *first)
{
	unsigned int number = (unsigned long)first, batch, i;
	struct record *r = aligned_alloc(SLOT, sizeof(*r));

	while (number + MAX_BATCH * WRITERS < slots) {
		batch = 1 + (next(number) >> 20) % MAX_BATCH;
		for (i = 0; i < batch; i++)
			write_record(r, number + i * WRITERS);
		if (fdatasync(disk))
			err(1, "flush");
		for (i = 0; i < batch; i++, number += WRITERS)
			acknowledge(number);
	}
	puts("full");
	return NULL;
}

static void write_all(void)
{
	pthread_t thread[WRITERS];
	unsigned long i;

	for (i = 0; i < WRITERS; i++)
		if (pthread_create(&thread[i], NULL, writer, (void *)i))
			errx(1, "pthread_create");
	for (i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
}

static bool is_there(unsigned int number)
{
	static struct record r;
	unsigned int bytes = bytes_of(number);

	if (pread(disk, &r, bytes, (off_t)number * SLOT) != bytes)
		err(1, "record %u", number);
	return r.number == number && r.sum == sum_of(&r, bytes);
}

static bool check_all(void)
{
	unsigned int number, acks = 0, lost = 0, there = 0, last = 0;

	while (scanf("%u", &number) == 1) {
		acks++;
		if (number > last)
			last = number;
		if (!is_there(number) && !lost++)
			printf("# record %u is lost\n", number);
	}
	for (number = 0; number <= last; number++)
		there += is_there(number);
	printf("# %u acknowledged, %u of them lost; of %u before the last %u are there\n", acks,
	       lost, last + 1, there);
	return acks && !lost;
}

int main(int argc, char **argv)
{
	unsigned long long bytes;
	bool writing = argc == 3 && !strcmp(argv[1], "write");

	if (argc != 3)
		errx(1, "usage: journal write|check DISK");
	disk = open(argv[2], (writing ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes))
		err(1, "%s", argv[2]);
	slots = bytes / SLOT;
	if (!writing)
		return !check_all();
	write_all();
	return 0;
}
