// SPDX-License-Identifier: GPL-2.0-only
/* "lodge check": can this machine run guests, and if not, what to do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lodge/liblodge.h>

#include "commands.h"
#include "util.h"

#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_LOCKED		BIT(0)
#define FEATURE_VMX		BIT(2)
#define MSR_VM_CR		0xc0010114
#define VM_CR_SVMDIS		BIT(4)

#define DEVICE			"/dev/lodge"

static const char check_usage[] =
"usage: lodge check\n"
"\n"
"Says whether this machine can run guests, one line per thing looked at:\n"
"ok, warn (guests run, but) or FAIL (they do not), with a hint what to do.\n"
"\n"
"Exit status: 0 guests can run, 1 they cannot, 125 usage error.\n";

/* CPU flags of /proc/cpuinfo, with a space at each end. */
static char flags[8192] = " ";

static void line(const char *verdict, const char *what, const char *why, const char *hint)
{
	printf("%s: %s: %s\n", verdict, what, why);
	if (hint)
		printf("hint: %s\n", hint);
}

static void read_flags(void)
{
	FILE *in = fopen("/proc/cpuinfo", "re");
	char *row = NULL;
	size_t room = 0;

	if (!in)
		return;
	while (getline(&row, &room, in) > 0) {
		char *colon = strchr(row, ':');

		if (strncmp(row, "flags", 5) || !colon)
			continue;
		row[strcspn(row, "\n")] = '\0';
		snprintf(flags, sizeof(flags), "%s ", colon + 1);
		break;
	}
	free(row);
	fclose(in);
}

static bool has_flag(const char *flag)
{
	char word[32];

	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(flags, word);
}

static void check_cpu(void)
{
	bool svm = has_flag("svm"), vmx = has_flag("vmx");

	if (!svm && !vmx) {
		/* No verdict: the module knows better, and /proc may be masked. */
		line("warn", "cpu", "no VT-x (vmx) or AMD-V (svm) in /proc/cpuinfo",
		     "enable virtualization in the firmware setup; in a VM, enable nesting");
		return;
	}
	line("ok", "cpu", vmx ? "VT-x" : "AMD-V", NULL);
	if (svm && !has_flag("npt"))
		line("warn", "cpu", "no nested paging (npt)", "a newer CPU is needed");
	else if (vmx && !has_flag("ept"))
		line("warn", "cpu", "extended page tables (ept) are not listed",
		     "a newer CPU is needed, unless this kernel was built without KVM");
	else
		line("ok", "cpu", "second-level page tables", NULL);
}

static bool read_msr(__u32 index, __u64 *value)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, value, sizeof(*value), index) == sizeof(*value);
	close(fd);
	return ok;
}

static void check_firmware(void)
{
	bool vmx = has_flag("vmx");
	bool locked = false;
	__u64 v;

	if (!vmx && !has_flag("svm"))
		return;
	if (!read_msr(vmx ? MSR_FEATURE_CONTROL : MSR_VM_CR, &v)) {
		line("ok", "firmware", "not looked at (no access to /dev/cpu/0/msr)", NULL);
		return;
	}
	if (vmx)
		locked = (v & FEATURE_LOCKED) && !(v & FEATURE_VMX);
	else
		locked = v & VM_CR_SVMDIS;
	if (locked)
		line("FAIL", "firmware", "has locked virtualization off",
		     "enable virtualization in the firmware setup and power-cycle");
	else
		line("ok", "firmware", "does not forbid virtualization", NULL);
}

static bool module_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static void check_kvm(void)
{
	if (module_loaded("kvm_intel") || module_loaded("kvm_amd"))
		line("ok", "kvm", "is loaded; KVM and Lodge guests cannot run at the same time",
		     NULL);
	else
		line("ok", "kvm", "is not loaded", NULL);
}

static void open_failed(int error)
{
	if (error == -EACCES || error == -EPERM)
		line("FAIL", DEVICE, "no permission to open it",
		     "run as root, or join the group that owns " DEVICE);
	else if (error == -EBUSY)
		line("FAIL", DEVICE, "another hypervisor owns the CPU", "end its guests");
	else
		line("FAIL", DEVICE, strerror(-error), "look for lodge in the host's log (dmesg)");
}

/* The device itself has the last word: true when it creates a VM. */
static bool check_vm(int fd)
{
	struct lodge_info info;
	char text[96];
	int vm;

	if (lodge_get_info(fd, &info) < 0 || info.api_version != LODGE_API_VERSION) {
		line("FAIL", "api", "the module speaks another API version",
		     "install module and launcher of the same release");
		return false;
	}
	snprintf(text, sizeof(text), "version %.31s, %s, up to %u vCPUs", info.version,
		 info.backend == LODGE_BACKEND_VMX ? "VT-x" : "AMD-V", info.max_vcpus);
	line("ok", "module", text, NULL);
	vm = lodge_create_vm(fd, "check", 0);
	if (vm < 0) {
		line("FAIL", "vm", strerror(-vm), vm == -EBUSY ?
		     "another hypervisor owns the CPU: end its guests" :
		     "look for lodge in the host's log (dmesg)");
		return false;
	}
	close(vm);
	line("ok", "vm", "can be created", NULL);
	line("ok", "tsc", info.caps & LODGE_CAP_TSC_SCALING ? "can be scaled" :
	     "cannot be scaled: no --tsc-khz", NULL);
	if (!(info.caps & LODGE_CAP_UNTRUSTED))
		line("warn", "untrusted", "not all of the host's mitigations are applied",
		     "run only guests that you trust");
	return true;
}

static bool check_device(void)
{
	int fd;
	bool ok;

	if (!module_loaded("lodge") && access(DEVICE, F_OK)) {
		line("FAIL", "module", "lodge is not loaded", "modprobe lodge, or insmod lodge.ko");
		return false;
	}
	if (access(DEVICE, F_OK)) {
		line("FAIL", DEVICE, "does not exist", "mount devtmpfs on /dev, or start udev");
		return false;
	}
	fd = lodge_open(NULL);
	if (fd < 0) {
		open_failed(fd);
		return false;
	}
	ok = check_vm(fd);
	close(fd);
	return ok;
}

static void check_mitigation(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (!strncmp(text, "Vulnerable", 10))
		line("warn", name, text, "update microcode and kernel, or trust your guests");
}

static bool module_mitigations_off(void)
{
	int fd = open("/sys/module/lodge/parameters/mitigations", O_RDONLY | O_CLOEXEC);
	char value = 'Y';

	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		value = 'Y';
	close(fd);
	return value == 'N';
}

static void check_mitigations(void)
{
	static const char path[] = "/sys/devices/system/cpu/vulnerabilities";
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d) {
		line("warn", "mitigations", "the kernel does not say", NULL);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			check_mitigation(dirfd(d), e->d_name);
	closedir(d);
	line("ok", "mitigations", "looked at; what is open is listed above", NULL);
	if (module_mitigations_off())
		line("warn", "mitigations", "the module was loaded with mitigations=off",
		     "load it without, or trust your guests");
}

int command_check(int argc, char **argv)
{
	bool ok;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(check_usage, stdout);
		return STATUS_OK;
	}
	if (argc > 1) {
		struct fault f = { argv[1], "check takes no arguments", "lodge check --help",
				   EINVAL };

		fault_print(&f);
		return STATUS_ERROR;
	}
	read_flags();
	check_cpu();
	check_firmware();
	check_kvm();
	check_mitigations();
	ok = check_device();
	printf("%s\n", ok ? "This machine can run guests." :
	       "This machine cannot run guests yet.");
	return ok ? STATUS_OK : 1;
}
