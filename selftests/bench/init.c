// SPDX-License-Identifier: GPL-2.0-only
/* The init of a guest whose boot is measured: its first act is to end it. */
#include <sys/reboot.h>
#include <unistd.h>

/* reboot=t makes a triple fault of it, which ends either VMM. */
int main(void)
{
	reboot(RB_AUTOBOOT);
	pause();
	return 0;
}
