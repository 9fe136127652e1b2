/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints. Whoever turns one on has vCPUs watched: all of them are behind
 * the branch on lodge_watched, and off they are not there.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lodge

#if !defined(LODGE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LODGE_TRACE_H

#include <linux/tracepoint.h>

#include "lodge.h"

#define LODGE_REASON_NAME(id, text)	{ LODGE_REASON_##id, text },
#define LODGE_REASON_NAMES		LODGE_REASONS(LODGE_REASON_NAME) { LODGE_REASON_COUNT, "" }

TRACE_EVENT_FN(lodge_entry,
	       TP_PROTO(struct lodge_vcpu *vcpu),
	       TP_ARGS(vcpu),
	       TP_STRUCT__entry(__field(u32, vcpu)),
	       TP_fast_assign(__entry->vcpu = vcpu->id;),
	       TP_printk("vcpu %u", __entry->vcpu),
	       lodge_watch_get, lodge_watch_put);

/* When the exit has been handled, so that it can say how long that took. */
TRACE_EVENT_FN(lodge_exit,
	       TP_PROTO(struct lodge_vcpu *vcpu, u64 ticks),
	       TP_ARGS(vcpu, ticks),
	       TP_STRUCT__entry(__field(u32, vcpu) __field(u32, reason) __field(u64, rip)
				__field(u64, info) __field(u64, ticks)),
	       TP_fast_assign(__entry->vcpu = vcpu->id;
			      __entry->reason = vcpu->watch.reason;
			      __entry->rip = vcpu->watch.rip;
			      __entry->info = vcpu->watch.info;
			      __entry->ticks = ticks;),
	       TP_printk("vcpu %u reason %s rip %#llx info %#llx ticks %llu", __entry->vcpu,
			 __print_symbolic(__entry->reason, LODGE_REASON_NAMES), __entry->rip,
			 __entry->info, __entry->ticks),
	       lodge_watch_get, lodge_watch_put);

TRACE_EVENT_FN(lodge_inject,
	       TP_PROTO(struct lodge_vcpu *vcpu, const struct lodge_event *event),
	       TP_ARGS(vcpu, event),
	       TP_STRUCT__entry(__field(u32, vcpu) __field(u8, type) __field(u8, vector)
				__field(u32, error)),
	       TP_fast_assign(__entry->vcpu = vcpu->id;
			      __entry->type = event->type;
			      __entry->vector = event->vector;
			      __entry->error = event->has_error ? event->error : 0;),
	       TP_printk("vcpu %u type %u vector %u error %#x", __entry->vcpu, __entry->type,
			 __entry->vector, __entry->error),
	       lodge_watch_get, lodge_watch_put);

/* @what: port, MSR, number of the hypercall, address */
DECLARE_EVENT_CLASS(lodge_access,
		    TP_PROTO(struct lodge_vcpu *vcpu, u64 what, bool write),
		    TP_ARGS(vcpu, what, write),
		    TP_STRUCT__entry(__field(u32, vcpu) __field(u64, what) __field(bool, write)),
		    TP_fast_assign(__entry->vcpu = vcpu->id;
				   __entry->what = what;
				   __entry->write = write;),
		    TP_printk("vcpu %u %#llx%s", __entry->vcpu, __entry->what,
			      __entry->write ? " write" : ""));

#define LODGE_ACCESS_EVENT(name)							\
DEFINE_EVENT_FN(lodge_access, name,							\
		TP_PROTO(struct lodge_vcpu *vcpu, u64 what, bool write),		\
		TP_ARGS(vcpu, what, write), lodge_watch_get, lodge_watch_put)

LODGE_ACCESS_EVENT(lodge_io);
LODGE_ACCESS_EVENT(lodge_msr);
LODGE_ACCESS_EVENT(lodge_hypercall);
LODGE_ACCESS_EVENT(lodge_fault);

#endif /* LODGE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
