/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vmx/entry.S and C agree on. Also read by the assembler.
 */
#ifndef LODGE_VMX_ENTRY_H
#define LODGE_VMX_ENTRY_H

/* Flags of vmx_enter(): bit numbers */
#define VMX_ENTER_RESUME	0	/* VMRESUME, else VMLAUNCH */
#define VMX_ENTER_VERW		1	/* clear CPU buffers before the entry */
#define VMX_ENTER_CLEAR_BHB	2	/* clear the branch history after the exit */

/* What vmx_enter() returns */
#define VMX_EXITED		0
#define VMX_FAILED		1	/* VMfail: see the VM-instruction error */
#define VMX_FAULTED		2	/* not in VMX operation any more */

/* VMCS field encoding of HOST_RSP; C checks it against asm/vmx.h. */
#define VMX_FIELD_HOST_RSP	0x6c14

#endif /* LODGE_VMX_ENTRY_H */
