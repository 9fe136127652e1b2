// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bare-metal guest: hardware task switches (SDM volume 3, chapter 7), in
 * every way there is to cause one. Started by
 *
 *	lodge run --exit-dev 0xf4 -m 64M -k guest_task
 *
 * prints KTAP on the serial port and writes the number of failed checks to
 * port 0xf4.
 */
#include "bare.h"
#include "task.h"

#define CODE		0x08
#define DATA		0x10
#define MAIN		0x18
#define TASK		0x20
#define GATE		0x28
#define USER_CODE	0x33
#define USER_DATA	0x3b
#define TASK16		0x40
#define ABSENT		0x48
#define CONFORMING	0x50
#define SHORT		0x58

#define BUSY		2
#define NT		0x4000u
#define TS		8u

struct tss {
	u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	u32 regs[8];		/* EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI */
	u32 segs[6];		/* ES, CS, SS, DS, FS, GS */
	u32 ldt;
	u16 trap, iomap;
};

struct tss16 {
	u16 link, stacks[6], ip, flags, regs[8], segs[4], ldt;
};

static u64 gdt[12], idt[256];
static struct tss main_tss, task_tss;
static struct tss16 task16;
static u8 stack[4096], user_stack[4096];
/* 16-bit offsets: below 64 KiB. */
static u8 *const low = (u8 *)0x7000;

static volatile u32 count, seen, got_vector, got_error, got_tr, got_eip;

static void descriptor(u32 selector, u32 base, u32 limit, u32 access, u32 flags)
{
	gdt[selector / 8] = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
			    (u64)(limit >> 16 & 15) << 48 | (u64)flags << 52 |
			    (u64)(base >> 24) << 56;
}

static u32 type_of(u32 selector)
{
	return *((volatile u8 *)&gdt[selector / 8] + 5);
}

static void interrupt_gate(u32 vector, u32 entry)
{
	idt[vector] = (entry & 0xffff) | CODE << 16 | 0x8e0000000000ull | (u64)(entry >> 16) << 48;
}

static void task_gate(u32 vector, u32 selector)
{
	idt[vector] = selector << 16 | 0x850000000000ull;
}

static u16 task_register(void)
{
	u16 tr;

	asm volatile("str %0" : "=r"(tr));
	return tr;
}

static u32 read_cr0(void)
{
	u32 v;

	asm volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

/* Bodies of tasks: each counts, and returns the way its name says. */
asm(".text\n"
"iret_body:	incl	count\n"
"	mov	$0x11111111, %ebx\n"
"	iret\n"
"	jmp	iret_body\n"
"jmp_body:	incl	count\n"
"	ljmp	$0x18, $0\n"
"	jmp	jmp_body\n"
"error_body:	popl	seen\n"
"	incl	count\n"
"	addl	$2, main_tss + 32\n"
"	iret\n"
"	jmp	error_body\n"
"user_body:	mov	%cs, seen\n"
"	incl	count\n"
"	iret\n"
"	jmp	user_body\n"
".code16\n"
"body16:	incw	%ax\n"
"	iret\n"
"	jmp	body16\n"
"body16_end:\n"
"vm86_body:	ud2\n"
".code32\n"
/* Exceptions: vector and error code, 8 bytes apart, then the common part. */
"	.balign 8\n"
"fault_table:\n"
".set i, 0\n"
".rept 32\n"
"	.balign 8\n"
"	push	$i\n"
"	jmp	fault_entry\n"
".set i, i + 1\n"
".endr\n"
"fault_entry:	pusha\n"
"	mov	32(%esp), %eax\n"
"	mov	36(%esp), %edx\n"
"	lea	36(%esp), %ecx\n"
"	push	%ecx\n"
"	push	%edx\n"
"	push	%eax\n"
"	call	fault\n"
"	add	$12, %esp\n"
"	popa\n"
"	add	$4, %esp\n"
"	cmpl	$0, has_error\n"
"	je	1f\n"
"	add	$4, %esp\n"
"1:	iret\n");

u32 has_error;

/* An exception of the main task goes on at resume_point, others end their task. */
__attribute__((used)) void fault(u32 vector, u32 error, u32 *frame)
{
	has_error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
	got_vector = vector;
	got_error = has_error ? error : 0;
	got_tr = task_register();
	got_eip = frame[has_error];
	/* The way back is open even to a task that waits for IRET. */
	((u8 *)&gdt[MAIN / 8])[5] &= got_tr == MAIN ? 0xff : ~BUSY;
	if (got_tr != MAIN)
		asm volatile("ljmp $0x18, $0");
	if (vector != 1)
		frame[has_error] = (u32)resume_point;
}

static void new_task(const u8 *body)
{
	u32 i;

	for (i = 0; i < sizeof(task_tss) / 4; i++)
		((u32 *)&task_tss)[i] = 0;
	task_tss.eip = (u32)body;
	task_tss.eflags = 2;
	task_tss.regs[4] = (u32)stack + sizeof(stack);
	for (i = 0; i < 6; i++)
		task_tss.segs[i] = i == 1 ? CODE : DATA;
	task_tss.iomap = sizeof(task_tss);
	descriptor(TASK, (u32)&task_tss, sizeof(task_tss) - 1, 0x89, 0);
	descriptor(MAIN, (u32)&main_tss, sizeof(main_tss) - 1, 0x89 | BUSY, 0);
	count = 0;
	seen = 0;
	got_vector = 99;
	got_error = 0;
	got_tr = 0;
	asm volatile("clts");
}

/* The instruction, with registers whose values have to survive. */
#define SWITCH(insn)							\
({									\
	u32 b = 0xb0b0b0b0, s = 0x51515151, d = 0xd1d1d1d1;		\
									\
	asm volatile(insn : "+b"(b), "+S"(s), "+D"(d) : : "eax", "ecx", "edx", "memory", "cc"); \
	b == 0xb0b0b0b0 && s == 0x51515151 && d == 0xd1d1d1d1;		\
})

/* One that faults: EIP has to be its own, and control comes back behind it. */
#define FAULTS(selector)						\
({									\
	asm volatile("mov %0, far_pointer + 4; call do_far" : : "r"((u16)(selector))	\
		     : "eax", "ecx", "edx", "memory", "cc");		\
	got_eip == (u32)far_insn;					\
})

extern u8 far_insn[];
asm("do_far:	pusha\n"
"	mov	%esp, saved_esp\n"
"far_insn:	ljmp	*far_pointer\n"
"resume_point:	mov	saved_esp, %esp\n"
"	popa\n"
"	ret\n"
".data\n"
"far_pointer:	.long	0xf4f4f4f4\n"
"	.word	0\n"
"	.balign 4\n"
"saved_esp:	.long	0\n"
".text\n");

static int call_and_iret(void)
{
	int kept;

	new_task(iret_body);
	kept = SWITCH("lcall $0x20, $0xf4f4f4f4");
	return kept && count == 1 && task_tss.link == MAIN && type_of(TASK) == 0x89 &&
	       type_of(MAIN) == 0x8b && task_register() == MAIN;
}

/* The task goes on where it left: behind its IRET. */
static int call_again(void)
{
	int kept = SWITCH("lcall $0x20, $0xf4f4f4f4");

	return kept && count == 2 && task_tss.regs[3] == 0x11111111;
}

static int nested_flag(void)
{
	new_task(iret_body);
	task_tss.eflags = 0x202;
	return SWITCH("lcall $0x20, $0") && !(task_tss.eflags & NT) && task_tss.eflags & 0x200;
}

static int task_switched(void)
{
	new_task(iret_body);
	return SWITCH("lcall $0x20, $0") && read_cr0() & TS;
}

static int jump_and_jump(void)
{
	int kept;

	new_task(jmp_body);
	kept = SWITCH("ljmp $0x20, $0xf4f4f4f4");
	return kept && count == 1 && task_tss.link == 0 && type_of(TASK) == 0x89 &&
	       type_of(MAIN) == 0x8b;
}

static int through_gate(void)
{
	new_task(iret_body);
	gdt[GATE / 8] = TASK << 16 | 0x850000000000ull;
	return SWITCH("lcall $0x28, $0xf4f4f4f4") && count == 1;
}

static int interrupt(void)
{
	new_task(iret_body);
	task_gate(0x40, TASK);
	return SWITCH("int $0x40") && count == 1;
}

static int breakpoint(void)
{
	new_task(iret_body);
	task_gate(3, TASK);
	return SWITCH("int3") && count == 1;
}

/* #GP for a selector: its error code is on the task's stack. The task moves EIP on. */
static int error_code(void)
{
	int kept;

	new_task(error_body);
	task_gate(13, TASK);
	kept = SWITCH("mov $0x234, %%eax\n\tmov %%eax, %%es");
	interrupt_gate(13, (u32)fault_table + 13 * 8);
	return kept && seen == 0x234 && count == 1;
}

static int bad_segment(u32 seg, u32 selector, u32 vector)
{
	new_task(jmp_body);
	task_tss.segs[seg] = selector;
	SWITCH("ljmp $0x20, $0");
	return got_vector == vector && got_error == (selector & ~3u) && got_tr == TASK && !count;
}

static int bad_data(void)
{
	return bad_segment(0, 0x230, 10);
}

static int absent_data(void)
{
	return bad_segment(3, ABSENT, 11);
}

/* Nothing else of the task was loaded: only a task can handle this (SDM 6.15, #TS). */
static int bad_ldt(void)
{
	int kept;

	new_task(jmp_body);
	task_tss.ldt = DATA;
	task_gate(10, MAIN);
	kept = SWITCH("push $0\n\tmov %%esp, %%edx\n\tljmp $0x20, $0\n\tmov (%%esp), %%eax\n\t"
		      "mov %%eax, seen\n\tmov %%edx, %%esp\n\tpop %%eax\n\t"
		      "pushf\n\tandl $~0x4000, (%%esp)\n\tpopf");
	interrupt_gate(10, (u32)fault_table + 10 * 8);
	return kept && seen == DATA && main_tss.link == TASK && !count;
}

static int busy_task(void)
{
	int own;

	new_task(jmp_body);
	descriptor(TASK, (u32)&task_tss, sizeof(task_tss) - 1, 0x8b, 0);
	own = FAULTS(TASK);
	return own && got_vector == 13 && got_error == TASK && got_tr == MAIN;
}

static int absent_task(void)
{
	int own;

	new_task(jmp_body);
	descriptor(TASK, (u32)&task_tss, sizeof(task_tss) - 1, 0x09, 0);
	own = FAULTS(TASK);
	return own && got_vector == 11 && got_error == TASK;
}

static int short_task(void)
{
	int own;

	new_task(jmp_body);
	descriptor(TASK, (u32)&task_tss, 102, 0x89, 0);
	own = FAULTS(TASK);
	return own && got_vector == 10 && got_error == TASK;
}

static int outside_table(void)
{
	int own;

	new_task(jmp_body);
	own = FAULTS(0x600);
	return own && got_vector == 13 && got_error == 0x600;
}

static int task_of_16_bits(void)
{
	u32 i;

	new_task(iret_body);
	for (i = 0; i < (u32)(body16_end - body16); i++)
		low[i] = body16[i];
	for (i = 0; i < sizeof(task16) / 2; i++)
		((u16 *)&task16)[i] = 0;
	task16.ip = (u32)low;
	task16.flags = 2;
	task16.regs[0] = 41;
	task16.regs[4] = 0x6ff0;
	task16.segs[0] = DATA;
	task16.segs[1] = CODE;
	task16.segs[2] = DATA;
	task16.segs[3] = DATA;
	/* 32-bit code segment: INC AX and IRET with prefixes would do, too. */
	descriptor(SHORT, 0, 0xffff, 0x9b, 0);
	task16.segs[1] = SHORT;
	descriptor(TASK16, (u32)&task16, sizeof(task16) - 1, 0x81, 0);
	return SWITCH("lcall $0x40, $0") && task16.regs[0] == 42 && task16.link == MAIN &&
	       type_of(TASK16) == 0x81;
}

static int user_task_in(u32 code)
{
	u32 i;

	new_task(user_body);
	for (i = 0; i < 6; i++)
		task_tss.segs[i] = i == 1 ? code : USER_DATA;
	task_tss.regs[4] = (u32)user_stack + sizeof(user_stack);
	return SWITCH("lcall $0x20, $0") && count == 1 && seen == code;
}

static int user_task(void)
{
	return user_task_in(USER_CODE);
}

static int conforming_task(void)
{
	return user_task_in(CONFORMING | 3);
}

/* The T bit: #DB with DR6.BT, before the task's first instruction. */
static int debug_trap(void)
{
	u32 dr6;

	new_task(jmp_body);
	task_tss.trap = 1;
	asm volatile("mov %0, %%db6" : : "r"(0));
	SWITCH("ljmp $0x20, $0");
	asm volatile("mov %%db6, %0" : "=r"(dr6));
	return got_vector == 1 && got_tr == TASK && got_eip == (u32)jmp_body && dr6 & 0x8000 &&
	       !count;
}

/* IRET with NT to a virtual-8086 task, whose #UD comes back by a task gate. */
static int virtual_8086(void)
{
	u8 *code = (u8 *)0x42000;
	int kept;

	new_task(iret_body);
	code[0] = 0x0f;
	code[1] = 0x0b;
	task_tss.eflags = 0x20002;
	task_tss.eip = 0;
	task_tss.segs[1] = 0x4200;
	task_tss.segs[3] = 0x1234;
	task_tss.segs[0] = 0x2345;
	descriptor(TASK, (u32)&task_tss, sizeof(task_tss) - 1, 0x8b, 0);
	main_tss.link = TASK;
	task_gate(6, MAIN);
	kept = SWITCH("pushf\n\torw $0x4000, (%%esp)\n\tpopf\n\tiret");
	interrupt_gate(6, (u32)fault_table + 6 * 8);
	asm volatile("pushf; andl $~0x4000, (%esp); popf");
	return kept && task_tss.eflags & 0x20000 && task_tss.segs[3] == 0x1234 &&
	       task_tss.segs[0] == 0x2345 && task_tss.eip == 0;
}

static const struct {
	const char *name;
	int (*check)(void);
} checks[] = {
	{ "CALL and IRET", call_and_iret },
	{ "CALL again", call_again },
	{ "nested task flag", nested_flag },
	{ "CR0.TS", task_switched },
	{ "JMP and JMP", jump_and_jump },
	{ "task gate", through_gate },
	{ "INT through a task gate", interrupt },
	{ "INT3 through a task gate", breakpoint },
	{ "error code on the new stack", error_code },
	{ "#TS for a data segment", bad_data },
	{ "#NP for a data segment", absent_data },
	{ "#TS for the LDT", bad_ldt },
	{ "#GP for a busy task", busy_task },
	{ "#NP for an absent task", absent_task },
	{ "#TS for a short TSS", short_task },
	{ "#GP outside the table", outside_table },
	{ "16-bit TSS", task_of_16_bits },
	{ "task at privilege level 3", user_task },
	{ "conforming code", conforming_task },
	{ "debug trap", debug_trap },
	{ "virtual-8086 task", virtual_8086 },
};

static void set_up(void)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) gdtr = { sizeof(gdt) - 1, (u32)gdt },
				  idtr = { sizeof(idt) - 1, (u32)idt };
	u32 i;

	descriptor(CODE, 0, 0xfffff, 0x9b, 0xc);
	descriptor(DATA, 0, 0xfffff, 0x93, 0xc);
	descriptor(USER_CODE, 0, 0xfffff, 0xfb, 0xc);
	descriptor(USER_DATA, 0, 0xfffff, 0xf3, 0xc);
	descriptor(ABSENT, 0, 0xfffff, 0x13, 0xc);
	descriptor(CONFORMING, 0, 0xfffff, 0x9f, 0xc);
	for (i = 0; i < 32; i++)
		interrupt_gate(i, (u32)fault_table + i * 8);
	descriptor(MAIN, (u32)&main_tss, sizeof(main_tss) - 1, 0x89, 0);
	asm volatile("lgdt %0\n\tlidt %1\n\tljmp $8, $1f\n\t1: mov %2, %%ds\n\tmov %2, %%es\n\t"
		     "mov %2, %%ss\n\tmov %2, %%fs\n\tmov %2, %%gs\n\tltr %w3"
		     : : "m"(gdtr), "m"(idtr), "r"(DATA), "r"(MAIN) : "memory");
}

__attribute__((used)) static void start(void)
{
	u32 i, failed = 0;

	set_up();
	print("KTAP version 1\n1..");
	print_number(ARRAY_SIZE(checks));
	print("\n");
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!checks[i].check()) {
			failed++;
			print("# vector ");
			print_number(got_vector);
			print(" error ");
			print_number(got_error);
			print(" tr ");
			print_number(got_tr);
			print(" count ");
			print_number(count);
			print("\nnot ");
		}
		print("ok ");
		print_number(i + 1);
		print(" ");
		print(checks[i].name);
		print("\n");
	}
	for (;;)
		out32(0xf4, failed);
}
