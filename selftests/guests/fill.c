// SPDX-License-Identifier: GPL-2.0-only
/*
 * fill MIB ROUNDS, in a Linux guest: fill so much memory, each round with other
 * words, and look before whether the last round's are there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Fresh memory is 0. */
static unsigned long word(unsigned long round, unsigned long i)
{
	return round ? i * 0x9e3779b97f4a7c15ul + round * 0x100000001ul : 0;
}

int main(int argc, char **argv)
{
	unsigned long mib = argc > 2 ? atol(argv[1]) : 0, rounds = mib ? atol(argv[2]) : 0;
	unsigned long words = mib << 17, wrong = 0, round, i;
	unsigned long *mem = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!rounds || mem == MAP_FAILED)
		return 2;
	for (round = 0; round < rounds; round++)
		for (i = 0; i < words; i++) {
			wrong += mem[i] != word(round, i);
			mem[i] = word(round + 1, i);
		}
	for (i = 0; i < words; i++)
		wrong += mem[i] != word(rounds, i);
	printf("fill: %lu MiB, %lu rounds, %lu words wrong\n", mib, rounds, wrong);
	return wrong > 0;
}
