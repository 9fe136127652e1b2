/* SPDX-License-Identifier: GPL-2.0-only */
/* trace.dat, version 6: what trace-cmd and KernelShark read (trace-cmd.dat.v6(5)). */
#ifndef _LAUNCHER_TRACE_DAT_H
#define _LAUNCHER_TRACE_DAT_H

#include <stdio.h>

#include <lodge/liblodge.h>

#include "util.h"

struct trace_dat;

/* NULL without memory. @vcpus become CPUs of a host whose one process is @pid. */
struct trace_dat *trace_dat_new(unsigned int vcpus, unsigned int pid, __u32 khz);
/* In the order of time for each vCPU. */
void trace_dat_add(struct trace_dat *dat, unsigned int vcpu, const struct lodge_trace_record *r);
/* Writes all of it and frees @dat. */
void trace_dat_write(struct trace_dat *dat, FILE *to);

static inline __u64 trace_ns(__u64 tsc, __u32 khz)
{
	return tsc / khz * 1000000 + tsc % khz * 1000000 / khz;
}

#endif /* _LAUNCHER_TRACE_DAT_H */
