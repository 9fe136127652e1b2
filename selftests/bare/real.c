// SPDX-License-Identifier: GPL-2.0-only
/* Real mode, on the second CPU: see real_code.S. */
#include "bare.h"

#define RESULT(n)	(((volatile u16 *)REAL_RESULTS)[n])

static const struct {
	const char *name;
	u16 value;
} row[] = {
	[0] = { "ADD", 0x8000 },
	[2] = { "INT n", 0x6060 },
	[3] = { "INT n pushes the next IP", 0 },
	[4] = { "#DE points to DIV", 0 },
	[5] = { "far call and return", AP_REAL >> 4 },
	[6] = { "segment arithmetic", 0x1234 },
	[7] = { "REP MOVSW", 0x77cc },
	[8] = { "OUT and IN", 0x5a },
	[9] = { "OUTSW", 0x4321 },
	[10] = { "big real mode", 0xcafe },
	[11] = { "a device in big real mode", 0x1234 },
	[12] = { "32-bit operands", 0x1ff },
	[13] = { "beyond the limit: #GP, pointing to the instruction", 0x1300 },
	[15] = { "PUSHA, POPA, ENTER, LEAVE", 0 },
	[16] = { "LOOP", 5 },
	[17] = { "CR0.PE is clear", 0 },
	[18] = { "LMSW sets PE", 1 },
	[19] = { "POPF sets DF", 0x400 },
	[20] = { "a word across the end of a segment: #GP", 0x20 },
	[21] = { "an interrupt table moved by LIDT", 0x2121 },
};

void tests(void)
{
	unsigned int i;

	memcpy((void *)AP_START, ap_start, ap_end - ap_start);
	memcpy((void *)AP_REAL, real_code, real_code_end - real_code);
	*(volatile u16 *)AP_MODE = 1;
	memset((void *)REAL_RESULTS, 0xee, 64);
	*(volatile u16 *)REAL_DONE = 0;
	mmio_write(0xfee000f0, 0x1ff);
	mmio_write(0xfee00310, 1 << 24);
	mmio_write(0xfee00300, 0x4500);
	mmio_write(0xfee00310, 1 << 24);
	mmio_write(0xfee00300, 0x4600 | AP_START >> 12);
	wait_for(*(volatile u16 *)REAL_DONE);
	check(*(volatile u16 *)REAL_DONE == 1, "real mode: all ran");
	check((RESULT(1) & 0x8d5) == 0x894, "real mode: flags of ADD");
	check(RESULT(14) == (cpuid_ebx(0) & 0xffff), "real mode: CPUID");
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		if (!row[i].name)
			continue;
		if (RESULT(i) != row[i].value && lax_cpu && (i == 13 || i == 20))
			skip("not checked by this CPU", "real mode: %s", row[i].name);
		else if (!check(RESULT(i) == row[i].value, "real mode: %s", row[i].name))
			print("# %x, not %x\n", RESULT(i), row[i].value);
	}
}
