// SPDX-License-Identifier: GPL-2.0-only
/* What is printed when a guest is killed. */
#include <stdio.h>

#include "machine.h"

static const char *const gpr_name[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};

static const char *const seg_name[LODGE_NR_SEGS] = {
	"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr",
};

static const char *internal_name(__u32 code)
{
	switch (code) {
	case LODGE_INTERNAL_EMULATION:
		return "an instruction that is not emulated";
	case LODGE_INTERNAL_EXIT:
		return "an exit that was not expected";
	case LODGE_INTERNAL_TASK_SWITCH:
		return "a hardware task switch";
	case LODGE_INTERNAL_VM_BUG:
		return "an impossible state of the hypervisor (see the host's log)";
	default:
		return "an unknown cause";
	}
}

static void report_internal(const struct lodge_run *run)
{
	__u32 i, n = run->internal.insn_bytes;

	fprintf(stderr, "  %s: info %#llx %#llx %#llx\n", internal_name(run->internal.code),
		run->internal.info[0], run->internal.info[1], run->internal.info[2]);
	if (!n)
		return;
	fprintf(stderr, "  instruction:");
	for (i = 0; i < n && i < sizeof(run->internal.insn); i++)
		fprintf(stderr, " %02x", run->internal.insn[i]);
	fprintf(stderr, "\n");
}

static void report_exit(const struct lodge_run *run)
{
	switch (run->exit_reason) {
	case LODGE_EXIT_INTERNAL:
		report_internal(run);
		break;
	case LODGE_EXIT_FAIL_ENTRY:
		fprintf(stderr, "  the CPU refused the guest state: reason %#llx info %#llx\n",
			run->fail.reason, run->fail.info);
		break;
	case LODGE_EXIT_MEMORY:
		fprintf(stderr, "  no host memory for guest address %#llx, access %#x, error %d\n",
			run->memory.gpa, run->memory.access, run->memory.error);
		break;
	default:
		fprintf(stderr, "  exit reason %u\n", run->exit_reason);
	}
}

static void report_segments(const struct lodge_sregs *s)
{
	unsigned int i;

	for (i = 0; i < LODGE_NR_SEGS; i++) {
		const struct lodge_segment *seg = &s->seg[i];

		fprintf(stderr, "  %-4s %04x base %016llx limit %08x type %x s %u dpl %u p %u",
			seg_name[i], seg->selector, seg->base, seg->limit, seg->type, seg->s,
			seg->dpl, seg->present);
		fprintf(stderr, " l %u db %u%s\n", seg->l, seg->db,
			seg->unusable ? " unusable" : "");
	}
	fprintf(stderr, "  gdt  base %016llx limit %04x\n", s->gdt.base, s->gdt.limit);
	fprintf(stderr, "  idt  base %016llx limit %04x\n", s->idt.base, s->idt.limit);
	fprintf(stderr, "  cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx apic %llx\n", s->cr0,
		s->cr2, s->cr3, s->cr4, s->efer, s->apic_base);
}

void report_killed(struct vcpu *v, const char *why)
{
	struct lodge_regs regs;
	struct lodge_sregs sregs;
	unsigned int i;

	fprintf(stderr, "\nlodge: vcpu%u: %s\n", v->id, why);
	report_exit(v->run);
	if (lodge_get_regs(v->fd, &regs) >= 0) {
		for (i = 0; i < 16; i++)
			fprintf(stderr, "  %-3s %016llx%s", gpr_name[i], regs.gpr[i],
				i % 4 == 3 ? "\n" : "");
		fprintf(stderr, "  rip %016llx  rflags %08llx\n", regs.rip, regs.rflags);
	}
	if (lodge_get_sregs(v->fd, &sregs) >= 0)
		report_segments(&sregs);
}
