/* SPDX-License-Identifier: GPL-2.0-only */
/* Options of "lodge run". */
#ifndef _LAUNCHER_OPTIONS_H
#define _LAUNCHER_OPTIONS_H

#include <lodge/liblodge.h>

#include "boot.h"
#include "memory.h"
#include "virtio_options.h"

#define DEFAULT_MEMORY	MIB(256)

enum serial_kind {
	SERIAL_STDIO,
	SERIAL_FILE,
	SERIAL_NULL,
};

/**
 * struct run_options - what the user asked for
 * @kernel: kernel file, or NULL for the running host's
 * @firmware: runs instead of a kernel, or NULL
 * @module: initrds or Multiboot modules, @modules of them
 * @cmdline: NULL for what suits the kernel
 * @pin: host CPU for each vCPU, meaningful if there is a @pin_list
 * @cpu_features: changes such as "+x,-y", or NULL
 * @tsc_khz: of the guest's TSC, or 0
 * @serial_path: with SERIAL_FILE
 * @timeout: seconds, or 0
 * @exit_port: port of the exit device, or -1
 * @timeline_svg: file for the picture, or NULL
 */
struct run_options {
	const char *kernel;
	const char *firmware;
	const char **module;
	unsigned int modules;
	const char *cmdline;
	struct memory_options memory;
	unsigned int cpus;
	int pin[LODGE_MAX_VCPUS];
	const char *pin_list;
	const char *cpu_features;
	unsigned int tsc_khz;
	enum serial_kind serial;
	const char *serial_path;
	unsigned int timeout;
	int exit_port;
	bool test_dev;
	const char *name;
	struct virtio_options virtio;
	bool no_reboot;
	bool triple_fault_reset;
	bool panic_ignore;
	bool no_regions;
	bool log_unknown;
	bool no_sandbox;
	bool timeline;
	const char *timeline_svg;
	bool help;
};

int options_parse(struct run_options *o, int argc, char **argv, struct fault *f);
/* The command that repeats this run, on stderr. */
void options_print(const struct run_options *o);
void options_usage(void *stream);

#endif /* _LAUNCHER_OPTIONS_H */
