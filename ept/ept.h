/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: slots, the second-level page tables, faults, MMU notifier.
 *
 * Guest memory is the owner's user memory. A leaf is installed under the
 * spinlock of its table page with the notifier's count and sequence checked
 * under that lock, so no page stays reachable after the host took it back.
 */
#ifndef LODGE_EPT_H
#define LODGE_EPT_H

#include <linux/atomic.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>

#include "../uapi/lodge.h"

struct lodge_vm;
struct lodge_vcpu;
struct lodge_table;

/**
 * struct lodge_pt_format - how one vendor writes second-level entries; all masks
 * @present: an entry with any of these allows some access
 * @leaf: what every leaf has: readable write-back memory, not executable
 * @table: what every entry that points to a table has
 * @write: allows writes
 * @exec: allows instruction fetches when it differs from @leaf
 * @accessed: hardware's mark on a leaf; leaves are born with it
 * @dirty: the same for writes; writable leaves are born with it
 * @as_host: as many levels as the host's own tables (APM 15.25.3), else four
 */
struct lodge_pt_format {
	u64 present;
	u64 leaf;
	u64 table;
	u64 write;
	u64 exec;
	u64 accessed;
	u64 dirty;
	bool as_host;
};

extern const struct lodge_pt_format lodge_ept_format;	/* SDM 29.3 */
extern const struct lodge_pt_format lodge_npt_format;	/* APM 15.25 */

struct lodge_memslot {
	u64 gpa;
	u64 bytes;
	unsigned long user_addr;
	u32 id;
	u32 flags;		/* LODGE_SLOT_* */
	unsigned long *dirty;	/* bit per page written, with LODGE_SLOT_LOG_DIRTY */
	u8 *watch;		/* byte per page, see watch.c; NULL: not watched */
};

/* A slot that a vCPU used last, good while nothing changed. */
struct lodge_slot_cache {
	u64 generation;
	struct lodge_memslot slot;
};

/**
 * struct lodge_fault_cache - what one fault leaves for the next; of one thread
 * @slots: used last: with memory, and a page without
 * @around: pages to try beyond the next fault's own
 */
struct lodge_fault_cache {
	struct lodge_slot_cache slots[2];
	u16 around;
};

/* Sorted by gpa; replaced as a whole, read under vm->mmu.srcu. */
struct lodge_memslots {
	u64 generation;
	u32 count;
	struct lodge_memslot slot[];
};

struct lodge_user_range {
	unsigned long start;
	unsigned long end;
};

#define LODGE_NOTIFIER_MEMORY	64	/* who looked longer ago looks again */

/**
 * struct lodge_mmu - guest memory of one VM
 * @format: how entries are written
 * @root_hpa: what EPTP or nCR3 point to; never changes
 * @root: the top table
 * @levels: of tables, 4 or 5
 * @max_leaf: largest leaf level: 1, 2 or 3
 * @nx_large: large leaves are not executable (X86_BUG_ITLB_MULTIHIT)
 * @dirty_marks: logs learn of writes from the CPU's marks, else by protecting pages
 * @dirty_lists: the CPU lists what it marks
 * @listing: there has been a log: lists are drained at the end of each stay in ring 1
 * @slots: replaced as a whole, read under @srcu
 * @generation: that of @slots, for who remembers a slot
 * @srcu: for @slots and for user addresses taken from it
 * @notifier: on the owner's mm
 * @watching: a slot has been watched
 * @registered: @notifier is live and may kick vCPUs
 * @deferred: tables were given to RCU, see lodge_table_free_deferred()
 * @notifier_lock: the five fields that follow
 * @notifier_seq: invalidations and slot changes that ended
 * @notifier_ended: what user addresses the last of them were about; a ring
 * @notifier_count: those under way
 * @notifier_start: lowest user address of those under way
 * @notifier_end: end of the highest
 * @zappers: those who removed leaves and have not flushed yet
 * @table_pages: table pages in use
 * @mapped: leaves by level
 */
struct lodge_mmu {
	const struct lodge_pt_format *format;
	u64 root_hpa;
	struct lodge_table *root;
	int levels;
	int max_leaf;
	bool nx_large;
	bool dirty_marks;
	bool dirty_lists;
	bool listing;
	struct lodge_memslots __rcu *slots;
	u64 generation;
	struct srcu_struct srcu;
	struct mmu_notifier notifier;
	bool watching;
	bool registered;
	bool deferred;
	spinlock_t notifier_lock;	/* the next five */
	unsigned long notifier_seq;
	struct lodge_user_range notifier_ended[LODGE_NOTIFIER_MEMORY];
	long notifier_count;
	unsigned long notifier_start;
	unsigned long notifier_end;
	atomic_t zappers;
	atomic_long_t table_pages;
	atomic_long_t mapped[4];
};

int lodge_mmu_create(struct lodge_vm *vm, const struct lodge_pt_format *format, int max_leaf);
void lodge_mmu_stop(struct lodge_vm *vm);
void lodge_mmu_destroy(struct lodge_vm *vm);
/* Guest physical address bits that @format and this CPU can map. */
u32 lodge_mmu_phys_bits(const struct lodge_pt_format *format);
int lodge_dirty_get(struct lodge_vm *vm, void *args);
int lodge_slot_set(struct lodge_vm *vm, void *args);
int lodge_watch_set(struct lodge_vm *vm, void *data);

enum lodge_fault {
	LODGE_FAULT_DONE,	/* mapped: enter again */
	LODGE_FAULT_MMIO,	/* no slot, or a write to a read-only one */
	LODGE_FAULT_RETRY,	/* a signal or a race: go round the loop */
	LODGE_FAULT_ERROR,	/* host memory is gone: tell userspace */
	LODGE_FAULT_WATCHED,	/* userspace wants to know; enter again after it does */
};

/* Ring 2. @access: LODGE_ACCESS_* of the guest's access */
enum lodge_fault lodge_mmu_fault(struct lodge_vcpu *vcpu, u64 gpa, u32 access);
bool lodge_mmu_fix_write(struct lodge_vm *vm, u64 gpa);
int lodge_prefault(struct lodge_vm *vm, void *data);

/* Ring 1 or 2: no slot has @gpa. */
bool lodge_gpa_is_device(struct lodge_vcpu *vcpu, u64 gpa);

/* guest.c: guest memory by the owner's user addresses */

void __user *lodge_gpa_to_user(struct lodge_vm *vm, u64 gpa, bool write, u64 *contiguous);
void lodge_mark_dirty(struct lodge_vm *vm, u64 gpa, u32 bytes);
void lodge_mark_list(struct lodge_vm *vm, const u64 *gpas, u32 count);
int lodge_copy_guest(struct lodge_vm *vm, u64 gpa, void *kernel, u32 bytes, bool write,
		     bool atomic);

#define lodge_read_guest(vm, gpa, to, bytes)					\
	lodge_copy_guest(vm, gpa, to, bytes, false, false)
#define lodge_write_guest(vm, gpa, from, bytes)					\
	lodge_copy_guest(vm, gpa, from, bytes, true, false)
#define lodge_read_guest_atomic(vm, gpa, to, bytes)				\
	lodge_copy_guest(vm, gpa, to, bytes, false, true)
#define lodge_write_guest_atomic(vm, gpa, from, bytes)				\
	lodge_copy_guest(vm, gpa, from, bytes, true, true)

#endif /* LODGE_EPT_H */
