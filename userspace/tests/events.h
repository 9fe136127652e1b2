/* SPDX-License-Identifier: GPL-2.0-only */
/* What the devices under test last told the machine. */
#ifndef _TESTS_EVENTS_H
#define _TESTS_EVENTS_H

#include "devices.h"

extern enum machine_event last_event;
extern __u64 last_value;

#endif /* _TESTS_EVENTS_H */
