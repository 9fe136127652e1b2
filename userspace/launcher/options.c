// SPDX-License-Identifier: GPL-2.0-only
/* Options of "lodge run". */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "options.h"

enum {
	OPT_SERIAL = 256,
	OPT_TIMEOUT,
	OPT_EXIT_DEV,
	OPT_TEST_DEV,
	OPT_FIRMWARE,
	OPT_NAME,
	OPT_TRANSPORT,
	OPT_CPU_FEATURES,
	OPT_TSC_KHZ,
	OPT_RNG,
	OPT_BALLOON,
	OPT_VSOCK,
	OPT_SHARE,
	OPT_CONSOLE,
	OPT_PACKED,
	OPT_NO_REBOOT,
	OPT_TRIPLE_FAULT,
	OPT_PANIC,
	OPT_NO_REGIONS,
	OPT_LOG_UNKNOWN,
	OPT_SANDBOX,
	OPT_TIMELINE,
};

static const struct option long_options[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "cmdline", required_argument, NULL, 'p' },
	{ "mem", required_argument, NULL, 'm' },
	{ "cpus", required_argument, NULL, 'c' },
	{ "serial", required_argument, NULL, OPT_SERIAL },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "exit-dev", required_argument, NULL, OPT_EXIT_DEV },
	{ "test-dev", no_argument, NULL, OPT_TEST_DEV },
	{ "firmware", required_argument, NULL, OPT_FIRMWARE },
	{ "disk", required_argument, NULL, 'd' },
	{ "net", required_argument, NULL, 'n' },
	{ "console", optional_argument, NULL, OPT_CONSOLE },
	{ "rng", no_argument, NULL, OPT_RNG },
	{ "balloon", optional_argument, NULL, OPT_BALLOON },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "vsock", required_argument, NULL, OPT_VSOCK },
	{ "packed", no_argument, NULL, OPT_PACKED },
	{ "transport", required_argument, NULL, OPT_TRANSPORT },
	{ "cpu-features", required_argument, NULL, OPT_CPU_FEATURES },
	{ "tsc-khz", required_argument, NULL, OPT_TSC_KHZ },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "no-reboot", no_argument, NULL, OPT_NO_REBOOT },
	{ "triple-fault", required_argument, NULL, OPT_TRIPLE_FAULT },
	{ "panic", required_argument, NULL, OPT_PANIC },
	{ "no-regions", no_argument, NULL, OPT_NO_REGIONS },
	{ "log-unknown", no_argument, NULL, OPT_LOG_UNKNOWN },
	{ "sandbox", required_argument, NULL, OPT_SANDBOX },
	{ "timeline", optional_argument, NULL, OPT_TIMELINE },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
"usage: lodge run [OPTION]... [KERNEL]\n"
"\n"
"Runs a guest until it powers off. KERNEL is a Linux bzImage (vmlinuz), an ELF\n"
"file with a PVH entry point (vmlinux) or a Multiboot kernel; without one, the\n"
"running host's /boot/vmlinuz-* is taken.\n"
"\n"
"  -k, --kernel FILE      the kernel, same as KERNEL\n"
"  -i, --initrd FILE      initial RAM disk or Multiboot module; may be given\n"
"                         several times; \"FILE ARG...\" for module arguments\n"
"  -p, --cmdline TEXT     kernel command line (default for Linux:\n"
"                         " BOOT_CMDLINE "); Multiboot puts KERNEL before it\n"
"  -m, --mem SIZE[,W]...  memory, such as 512M or 2G; a bare number is MiB\n"
"                         (default: 256M). The words W: huge=2M|1G: from the\n"
"                         host's reserved huge pages; thp=on|off: transparent\n"
"                         ones (default: on); shared: a memfd; file=PATH: that\n"
"                         file; merge: the host may merge equal pages (KSM);\n"
"                         prefault: all of it at once; node=N: rather from this\n"
"                         NUMA node; bind=LIST: only from these, the last word\n"
"  -c, --cpus N[,pin=L]   virtual CPUs, 1 to 64 (default: 1); with pin, the first\n"
"                         runs on the first host CPU of the list L, such as\n"
"                         0-3,8, and so on, from its start again at its end\n"
"      --cpu-features F   take CPU features away or insist on them: -avx2,+aes;\n"
"                         the names are those of /proc/cpuinfo\n"
"      --tsc-khz N        the guest's TSC counts so fast, whatever the host's;\n"
"                         lodge check says whether the CPU can do that\n"
VIRTIO_USAGE
"      --serial WHERE     serial port: stdio (default), file=PATH or null\n"
"      --timeout SEC      end the guest after SEC seconds, with status 124\n"
"      --exit-dev PORT    a guest's write of V to PORT ends it with status\n"
"                         ((V << 1) | 1) & 255\n"
"      --test-dev         QEMU's ISA test device, for test kernels: a latch at\n"
"                         0xe0, page flush at 0xe4, interrupt lines at 0x2000,\n"
"                         memory that always exits at 0xff000000\n"
"      --firmware FILE    instead of a kernel, run FILE from the reset vector:\n"
"                         it ends at 4 GiB, its last 128 KiB at 1 MiB as well;\n"
"                         what it writes to port 0x402 goes to stderr\n"
"      --name NAME        for lodge list and stat, and the host's logs: up to 31\n"
"                         characters, no other running guest's\n"
"      --no-reboot        a reset ends the guest with status 0\n"
"      --triple-fault A   end (default): status 126; reset: start again\n"
"      --panic A          end (default): status 255; ignore: go on\n"
"      --no-regions       every device access returns to this program\n"
"      --log-unknown      print accesses that no device answers\n"
"      --sandbox on|off   on (default): while the guest runs, this program keeps\n"
"                         none of its rights but to what is open then\n"
"      --timeline[=FILE]  tell the boot step by step at the end: first entry,\n"
"                         modes, first interrupt, exits per second; FILE gets a\n"
"                         picture of it (SVG)\n"
"  -h, --help             this text\n"
"\n"
"SIGTERM presses the power button; the guest has 30 seconds, or until the next\n"
"SIGTERM. One that does not listen to it ends at once, as by SIGINT.\n"
"\n"
"Ctrl-a h lists the keys that the terminal keeps for itself; Ctrl-a x quits.\n"
"\n"
"Exit status: 0 powered off, 124 time-out, 125 usage or launch error, 126 the\n"
"guest died, 255 the guest's kernel panicked. The last line on stderr says why:\n"
"lodge: end: poweroff|reset|timeout|triple-fault|killed|panic|exit-dev V|sandbox|\n"
"error. With sandbox and status 126, this program wanted what it has no right to.\n";

void options_usage(void *stream)
{
	fputs(usage, stream);
}

static int bad(struct fault *f, const char *what, const char *why)
{
	return fault_set(f, what, why, "lodge run --help", EINVAL);
}

static int set_number(const char *text, __u64 min, __u64 max, unsigned int *out)
{
	__u64 v;

	if (!parse_number(text, min, max, &v))
		return -1;
	*out = v;
	return 0;
}

/* "0-3,8": numbers and ranges; false when it is not such a list. */
static bool parse_list(const char *text, int *out, unsigned int room, unsigned int *count)
{
	char *copy = strdup(text), *save = NULL, *word;
	__u64 first, last;
	bool ok = copy;

	*count = 0;
	for (word = ok ? strtok_r(copy, ",", &save) : NULL; word && ok;
	     word = strtok_r(NULL, ",", &save)) {
		char *dash = strchr(word, '-');

		if (dash)
			*dash++ = '\0';
		ok = parse_number(word, 0, CPU_SETSIZE - 1, &first) &&
		     parse_number(dash ? dash : word, first, CPU_SETSIZE - 1, &last);
		for (; ok && first <= last && *count < room; first++)
			out[(*count)++] = first;
	}
	free(copy);
	return ok && *count;
}

static int set_cpus(struct run_options *o, const char *text, struct fault *f)
{
	const char *comma = strchr(text, ',');
	char number[16];
	unsigned int i, n;

	snprintf(number, sizeof(number), "%.*s", (int)strcspn(text, ","), text);
	if (set_number(number, 1, LODGE_MAX_VCPUS, &o->cpus))
		return bad(f, "-c", "not a number of CPUs from 1 to 64");
	o->pin_list = NULL;
	if (!comma)
		return 0;
	if (strncmp(comma, ",pin=", 5) || !parse_list(comma + 5, o->pin, LODGE_MAX_VCPUS, &n))
		return bad(f, "-c", "after the number, only pin= and a list of CPUs can come");
	for (i = n; i < LODGE_MAX_VCPUS; i++)
		o->pin[i] = o->pin[i - n];
	o->pin_list = comma + 5;
	return 0;
}

static int set_serial(struct run_options *o, const char *text, struct fault *f)
{
	if (!strcmp(text, "stdio")) {
		o->serial = SERIAL_STDIO;
	} else if (!strcmp(text, "null")) {
		o->serial = SERIAL_NULL;
	} else if (!strncmp(text, "file=", 5) && text[5]) {
		o->serial = SERIAL_FILE;
		o->serial_path = text + 5;
	} else {
		return bad(f, "--serial", "neither stdio, file=PATH nor null");
	}
	return 0;
}

/* One of two words. */
static int set_choice(const char *text, const char *off, const char *on, bool *out)
{
	*out = !strcmp(text, on);
	return *out || !strcmp(text, off) ? 0 : -1;
}

static int add_module(struct run_options *o, const char *path, struct fault *f)
{
	const char **grown = realloc(o->module, (o->modules + 1) * sizeof(*grown));

	if (!grown)
		return fault_set(f, "-i", "no memory", NULL, ENOMEM);
	o->module = grown;
	grown[o->modules++] = path;
	return 0;
}

static int set_name(struct run_options *o, const char *name, struct fault *f)
{
	if (strlen(name) >= sizeof(((struct lodge_create_vm *)0)->name))
		return bad(f, "--name", "longer than 31 characters");
	o->name = name;
	return 0;
}

static int set_exit_dev(struct run_options *o, const char *text, struct fault *f)
{
	unsigned int port;

	if (set_number(text, 0, 0xfffc, &port))
		return bad(f, "--exit-dev", "not a port from 0 to 0xfffc");
	o->exit_port = port;
	return 0;
}

static int long_option(struct run_options *o, int opt, struct fault *f)
{
	switch (opt) {
	case OPT_SERIAL:
		return set_serial(o, optarg, f);
	case OPT_TIMEOUT:
		return set_number(optarg, 1, 1000000000, &o->timeout) ?
		       bad(f, "--timeout", "not a number of seconds") : 0;
	case OPT_EXIT_DEV:
		return set_exit_dev(o, optarg, f);
	case OPT_TEST_DEV:
		o->test_dev = true;
		return 0;
	case OPT_FIRMWARE:
		o->firmware = optarg;
		return 0;
	case OPT_PACKED:
		o->virtio.packed = true;
		return 0;
	case OPT_CONSOLE:
		return virtio_add_console(&o->virtio, optarg, f);
	case OPT_RNG:
		o->virtio.rng = true;
		return 0;
	case OPT_BALLOON:
		return virtio_set_balloon(&o->virtio, optarg, f);
	case OPT_SHARE:
		return virtio_add_share(&o->virtio, optarg, f);
	case OPT_VSOCK:
		return virtio_set_vsock(&o->virtio, optarg, f);
	case OPT_TRANSPORT:
		return virtio_set_transport(&o->virtio, optarg, f);
	case OPT_CPU_FEATURES:
		o->cpu_features = optarg;
		return 0;
	case OPT_TSC_KHZ:
		return set_number(optarg, 1, ~0u, &o->tsc_khz) ?
		       bad(f, "--tsc-khz", "not a frequency") : 0;
	case OPT_NAME:
		return set_name(o, optarg, f);
	case OPT_NO_REBOOT:
		o->no_reboot = true;
		return 0;
	case OPT_TRIPLE_FAULT:
		return set_choice(optarg, "end", "reset", &o->triple_fault_reset) ?
		       bad(f, "--triple-fault", "neither end nor reset") : 0;
	case OPT_PANIC:
		return set_choice(optarg, "end", "ignore", &o->panic_ignore) ?
		       bad(f, "--panic", "neither end nor ignore") : 0;
	case OPT_NO_REGIONS:
		o->no_regions = true;
		return 0;
	case OPT_LOG_UNKNOWN:
		o->log_unknown = true;
		return 0;
	case OPT_SANDBOX:
		return set_choice(optarg, "on", "off", &o->no_sandbox) ?
		       bad(f, "--sandbox", "neither on nor off") : 0;
	case OPT_TIMELINE:
		o->timeline = true;
		o->timeline_svg = optarg;
		return 0;
	default:
		return bad(f, "run", "an option without code");
	}
}

static int one_option(struct run_options *o, int opt, const char *arg, struct fault *f)
{
	switch (opt) {
	case '?':
		return bad(f, arg, "no such option, or its argument is missing");
	case 'k':
		o->kernel = optarg;
		return 0;
	case 'i':
		return add_module(o, optarg, f);
	case 'p':
		o->cmdline = optarg;
		return 0;
	case 'm':
		return memory_parse(&o->memory, optarg, f);
	case 'c':
		return set_cpus(o, optarg, f);
	case 'd':
		return virtio_add_disk(&o->virtio, optarg, f);
	case 'n':
		return virtio_add_net(&o->virtio, optarg, f);
	case 'h':
		o->help = true;
		return 0;
	default:
		return long_option(o, opt, f);
	}
}

int options_parse(struct run_options *o, int argc, char **argv, struct fault *f)
{
	int opt;

	*o = (struct run_options){
		.memory.bytes = DEFAULT_MEMORY,
		.cpus = 1,
		.exit_port = -1,
		.name = "",
	};
	optind = 0;	/* start anew: glibc's way */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "k:i:p:m:c:d:n:h", long_options, NULL)) != -1)
		if (one_option(o, opt, argv[optind - 1], f))
			return -1;
	if (optind < argc && (o->kernel || optind + 1 < argc))
		return bad(f, argv[argc - 1], "more than one kernel");
	if (optind < argc)
		o->kernel = argv[optind];
	if (o->firmware && (o->kernel || o->modules || o->cmdline))
		return bad(f, "--firmware", "runs without -k, -i and -p");
	return 0;
}

static void print_option(const char *option, const char *value)
{
	fprintf(stderr, " %s ", option);
	print_quoted(stderr, value);
}

static void print_serial(const struct run_options *o)
{
	static const char *const word[] = { "stdio", "file", "null" };

	if (o->serial == SERIAL_FILE) {
		fputs(" --serial file=", stderr);
		print_quoted(stderr, o->serial_path);
	} else {
		print_option("--serial", word[o->serial]);
	}
}

void options_print(const struct run_options *o)
{
	unsigned int i;

	fputs("lodge run", stderr);
	if (o->firmware)
		print_option("--firmware", o->firmware);
	else
		print_option("-k", o->kernel);
	for (i = 0; i < o->modules; i++)
		print_option("-i", o->module[i]);
	if (o->cmdline)
		print_option("-p", o->cmdline);
	if (o->memory.text)
		print_option("-m", o->memory.text);
	else
		fprintf(stderr, " -m %lluM", o->memory.bytes >> 20);
	fprintf(stderr, " -c %u", o->cpus);
	if (o->pin_list)
		fprintf(stderr, ",pin=%s", o->pin_list);
	virtio_options_print(&o->virtio);
	if (o->cpu_features)
		print_option("--cpu-features", o->cpu_features);
	if (o->tsc_khz)
		fprintf(stderr, " --tsc-khz %u", o->tsc_khz);
	print_serial(o);
	if (o->timeout)
		fprintf(stderr, " --timeout %u", o->timeout);
	if (o->exit_port >= 0)
		fprintf(stderr, " --exit-dev %#x", o->exit_port);
	if (o->test_dev)
		fputs(" --test-dev", stderr);
	if (*o->name)
		print_option("--name", o->name);
	if (o->timeline)
		fputs(" --timeline", stderr);
	if (o->timeline_svg) {
		putc('=', stderr);
		print_quoted(stderr, o->timeline_svg);
	}
	fprintf(stderr, "%s%s%s%s%s%s\n", o->no_reboot ? " --no-reboot" : "",
		o->triple_fault_reset ? " --triple-fault reset" : "",
		o->panic_ignore ? " --panic ignore" : "", o->no_regions ? " --no-regions" : "",
		o->log_unknown ? " --log-unknown" : "", o->no_sandbox ? " --sandbox off" : "");
}
