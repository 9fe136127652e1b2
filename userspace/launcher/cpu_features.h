/* SPDX-License-Identifier: GPL-2.0-only */
/* CPU features by the names that /proc/cpuinfo uses. */
#ifndef _LAUNCHER_CPU_FEATURES_H
#define _LAUNCHER_CPU_FEATURES_H

#include <lodge/liblodge.h>

#include "util.h"

/**
 * cpu_features_apply() - change a CPUID table as --cpu-features says
 * @text: "+name,-name,..."; NULL: no changes
 * @entries: what the hypervisor offers; a feature that is not there cannot be
 *	added
 * @count: of them
 * @f: which word is wrong, and why
 *
 * Return: 0, or -1 with @f filled
 */
int cpu_features_apply(const char *text, struct lodge_cpuid_entry *entries, unsigned int count,
		       struct fault *f);

#endif /* _LAUNCHER_CPU_FEATURES_H */
