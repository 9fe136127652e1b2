/* SPDX-License-Identifier: GPL-2.0-only */
/* What task.c and its assembly know of each other. */
#ifndef _GUESTS_TASK_H
#define _GUESTS_TASK_H

#include "bare.h"

extern u8 bodies[], iret_body[], jmp_body[], error_body[], fault_entry[], user_body[];
extern u8 body16[], body16_end[], fault_table[], vm86_body[], resume_point[];
void fault(u32 vector, u32 error, u32 *frame);

#endif /* _GUESTS_TASK_H */
