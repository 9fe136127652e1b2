// SPDX-License-Identifier: GPL-2.0-only
/* liblodge: ioctls and the run area of a vCPU's descriptor. */
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

int lodge_map_run(int vcpu, const struct lodge_info *info, struct lodge_run **run)
{
	void *map;

	if (info->run_size < sizeof(**run))
		return -EPROTO;
	map = mmap(NULL, info->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (map == MAP_FAILED)
		return -errno;
	*run = map;
	return 0;
}

int lodge_run(int vcpu)
{
	return call(vcpu, LODGE_RUN, NULL);
}

int lodge_get_regs(int vcpu, struct lodge_regs *regs)
{
	struct lodge_get_regs arg = { .size = sizeof(arg) };
	int ret = call(vcpu, LODGE_GET_REGS, &arg);

	*regs = arg.regs;
	return ret;
}

int lodge_set_regs(int vcpu, const struct lodge_regs *regs)
{
	struct lodge_get_regs arg = { .size = sizeof(arg), .regs = *regs };

	return call(vcpu, LODGE_SET_REGS, &arg);
}

int lodge_get_sregs(int vcpu, struct lodge_sregs *sregs)
{
	struct lodge_get_sregs arg = { .size = sizeof(arg) };
	int ret = call(vcpu, LODGE_GET_SREGS, &arg);

	*sregs = arg.sregs;
	return ret;
}

int lodge_set_sregs(int vcpu, const struct lodge_sregs *sregs)
{
	struct lodge_get_sregs arg = { .size = sizeof(arg), .sregs = *sregs };

	return call(vcpu, LODGE_SET_SREGS, &arg);
}

int lodge_get_xsave(int vcpu, void *area, __u32 bytes)
{
	struct lodge_xsave arg = {
		.size = sizeof(arg),
		.bytes = bytes,
		.addr = user_ptr(area),
	};

	return call(vcpu, LODGE_GET_XSAVE, &arg);
}

int lodge_set_xsave(int vcpu, const void *area, __u32 bytes)
{
	struct lodge_xsave arg = {
		.size = sizeof(arg),
		.bytes = bytes,
		.addr = user_ptr(area),
	};

	return call(vcpu, LODGE_SET_XSAVE, &arg);
}

static int msrs(int vcpu, unsigned long request, const struct lodge_msr_entry *entries,
		__u32 count, __u32 *done)
{
	struct lodge_msrs arg = {
		.size = sizeof(arg),
		.count = count,
		.entries = user_ptr(entries),
	};
	int ret = call(vcpu, request, &arg);

	if (done)
		*done = arg.done;
	return ret;
}

int lodge_get_msrs(int vcpu, struct lodge_msr_entry *entries, __u32 count, __u32 *done)
{
	return msrs(vcpu, LODGE_GET_MSRS, entries, count, done);
}

int lodge_set_msrs(int vcpu, const struct lodge_msr_entry *entries, __u32 count, __u32 *done)
{
	return msrs(vcpu, LODGE_SET_MSRS, entries, count, done);
}

int lodge_get_cpuid(int vcpu, struct lodge_cpuid_entry *entries, __u32 *count)
{
	struct lodge_cpuid arg = {
		.size = sizeof(arg),
		.count = *count,
		.entries = user_ptr(entries),
	};
	int ret = call(vcpu, LODGE_GET_CPUID, &arg);

	*count = arg.count;
	return ret;
}

int lodge_set_cpuid(int vcpu, const struct lodge_cpuid_entry *entries, __u32 count)
{
	struct lodge_cpuid arg = {
		.size = sizeof(arg),
		.count = count,
		.entries = user_ptr(entries),
	};

	return call(vcpu, LODGE_SET_CPUID, &arg);
}

int lodge_get_events(int vcpu, struct lodge_events *events)
{
	memset(events, 0, sizeof(*events));
	events->size = sizeof(*events);
	return call(vcpu, LODGE_GET_EVENTS, events);
}

int lodge_set_events(int vcpu, const struct lodge_events *events)
{
	struct lodge_events arg = *events;

	arg.size = sizeof(arg);
	return call(vcpu, LODGE_SET_EVENTS, &arg);
}

int lodge_get_lapic(int vcpu, struct lodge_lapic_state *lapic)
{
	memset(lapic, 0, sizeof(*lapic));
	lapic->size = sizeof(*lapic);
	return call(vcpu, LODGE_GET_LAPIC, lapic);
}

int lodge_set_lapic(int vcpu, const struct lodge_lapic_state *lapic)
{
	struct lodge_lapic_state arg = *lapic;

	arg.size = sizeof(arg);
	return call(vcpu, LODGE_SET_LAPIC, &arg);
}

int lodge_get_mp_state(int vcpu, struct lodge_mp_state *mp)
{
	memset(mp, 0, sizeof(*mp));
	mp->size = sizeof(*mp);
	return call(vcpu, LODGE_GET_MP_STATE, mp);
}

int lodge_set_mp_state(int vcpu, const struct lodge_mp_state *mp)
{
	struct lodge_mp_state arg = *mp;

	arg.size = sizeof(arg);
	return call(vcpu, LODGE_SET_MP_STATE, &arg);
}

int lodge_get_debugregs(int vcpu, struct lodge_debugregs *debugregs)
{
	memset(debugregs, 0, sizeof(*debugregs));
	debugregs->size = sizeof(*debugregs);
	return call(vcpu, LODGE_GET_DEBUGREGS, debugregs);
}

int lodge_set_debugregs(int vcpu, const struct lodge_debugregs *debugregs)
{
	struct lodge_debugregs arg = *debugregs;

	arg.size = sizeof(arg);
	return call(vcpu, LODGE_SET_DEBUGREGS, &arg);
}

int lodge_translate(int vcpu, __u64 gva, struct lodge_translate *out)
{
	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	out->gva = gva;
	return call(vcpu, LODGE_TRANSLATE, out);
}

int lodge_nmi(int vcpu)
{
	struct lodge_nmi arg = { .size = sizeof(arg) };

	return call(vcpu, LODGE_NMI, &arg);
}

int lodge_reset_vcpu(int vcpu)
{
	struct lodge_reset arg = { .size = sizeof(arg) };

	return call(vcpu, LODGE_RESET_VCPU, &arg);
}

int lodge_vcpu_stats(int vcpu, __u32 flags)
{
	struct lodge_open_stats arg = { .size = sizeof(arg), .flags = flags };

	return call(vcpu, LODGE_VCPU_STATS, &arg);
}

int lodge_trace(int vcpu, __u32 flags, __u32 records)
{
	struct lodge_open_trace arg = { .size = sizeof(arg), .flags = flags, .records = records };

	return call(vcpu, LODGE_TRACE, &arg);
}
