/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction decoder and emulator: pure logic, one table (module/decode.c),
 * also built in userspace for tests and fuzzing.
 */
#ifndef LODGE_INSN_H
#define LODGE_INSN_H

#include <linux/types.h>

/* Default operand and address size of the code segment. */
enum lodge_code { LODGE_CODE16, LODGE_CODE32, LODGE_CODE64 };

#define LODGE_INSN_MAX	15

/**
 * struct lodge_insn - a decoded instruction
 * @length: bytes
 * @op: enum lodge_insn_op, 0 when only the length is known
 */
struct lodge_insn {
	u8 length;
	u8 op;
	u8 opsize;		/* 1, 2, 4, 8 */
	u8 addrsize;		/* 2, 4, 8 */
	u8 srcsize;		/* MOVZX, MOVSX source */
	u8 rex;
	u8 segment;		/* enum lodge_seg that applies to the memory operand */
	u8 modrm;
	u8 reg;			/* extended by REX.R */
	u8 rm;			/* extended by REX.B */
	u8 base;		/* 0xff: none */
	u8 index;		/* 0xff: none */
	u8 scale;
	bool rip_relative;
	bool has_modrm;
	bool rep;
	bool repne;
	bool lock;
	s64 disp;
	u64 imm;
	u8 opcode[3];
};

/*
 * 0; -EAGAIN: @count bytes are too few; -EINVAL: longer than 15 bytes or not an
 * instruction. A length is found for all but a few opcodes; what can be
 * emulated has ->op.
 */
int lodge_decode(struct lodge_insn *insn, const u8 *bytes, unsigned int count,
		 enum lodge_code code);

/**
 * struct lodge_emul - one instruction's environment
 * @gpr, @rip, @rflags: working copy; the caller commits it on success
 * @linear: effective address in a segment to linear: 0, or -EFAULT with an
 *	exception set
 * @read, @write: linear memory, 1 to 8 bytes; 0, -EFAULT with an exception
 *	set, or -EINPROGRESS: userspace has to serve it first
 * @pio: port access by INS, OUTS; results as @read
 */
struct lodge_emul {
	u64 gpr[16];
	u64 rip;
	u64 rflags;
	enum lodge_code code;
	bool fault;
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
	void *ctx;
	int (*linear)(struct lodge_emul *e, int seg, u64 offset, u32 bytes,
		      bool write, u64 *out);
	int (*read)(struct lodge_emul *e, u64 linear, u64 *value, u32 bytes);
	int (*write)(struct lodge_emul *e, u64 linear, u64 value, u32 bytes);
	int (*pio)(struct lodge_emul *e, u16 port, u64 *value, u32 bytes,
		   bool write);
};

/*
 * Execute @insn in @e. 0: done, registers and RIP of @e are the new ones (a REP
 * form does one element and leaves RIP when more are to come); -EFAULT: raise
 * @e's exception; -EINPROGRESS: start again when userspace has answered;
 * -EOPNOTSUPP: not in the table.
 */
int lodge_emulate(struct lodge_emul *e, const struct lodge_insn *insn);

#endif /* LODGE_INSN_H */
