/* SPDX-License-Identifier: GPL-2.0-only */
/* Layout of struct svm_entry, shared by entry.S and the compiler (svm.h). */
#ifndef LODGE_SVM_ENTRY_H
#define LODGE_SVM_ENTRY_H

#define SVM_ENTRY_VMCB		0
#define SVM_ENTRY_HOST		8
#define SVM_ENTRY_REGS		16
#define SVM_ENTRY_GUEST_SPEC	24
#define SVM_ENTRY_HOST_SPEC	32
#define SVM_ENTRY_SWITCH_SPEC	40

#endif /* LODGE_SVM_ENTRY_H */
