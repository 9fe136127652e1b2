// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-level faults: from a guest physical address to a host page, and the
 * life of struct lodge_mmu.
 *
 * Lock order, outermost first:
 *
 *	vm->lock		slot changes
 *	mmap_lock, page locks, i_mmap_rwsem, anon_vma, host page-table locks
 *				taken by the host around its notifier calls
 *	mmu->srcu (read)	slots; never around a wait for vm->lock
 *	RCU (read)		walks of our tables
 *	table->lock		leaves of one table, one table at a time
 *	mmu->notifier_lock	what invalidations are under way
 *
 * Nothing allocates, sleeps or asks the host for pages under the last three. A
 * fault holds none of them while it asks: slots are copied, and a slot that
 * changes raises the notifier's sequence, so the install at the end refuses.
 *
 * A page is referenced only until its leaf is installed. After that the
 * notifier tells us before the host takes it back.
 */
#include <linux/cpu.h>
#include <linux/swap.h>

#include "lodge.h"
#include "table.h"

#define AROUND_MAX	64	/* pages that one fault maps beyond its own */

/* One fault on its way. */
struct fault {
	struct lodge_vcpu *vcpu;
	struct lodge_vm *vm;
	struct lodge_memslot slot;
	struct lodge_mapping map;
	bool write;
	bool exec;
};

/*
 * A copy of the slot, so that nothing is held while the host is asked. Two are
 * remembered for the next fault, of memory and of a page without, until a slot
 * changes. A stale copy does no harm: the change raised the notifier's sequence.
 */
static bool copy_slot(struct lodge_vcpu *vcpu, u64 gpa, struct lodge_memslot *to)
{
	struct lodge_mmu *mmu = &vcpu->vm->mmu;
	const struct lodge_memslots *slots;
	const struct lodge_memslot *slot;
	struct lodge_slot_cache *cache;
	int idx;

	for (cache = vcpu->slots; cache < vcpu->slots + ARRAY_SIZE(vcpu->slots); cache++)
		if (cache->generation == READ_ONCE(mmu->generation) &&
		    gpa - cache->slot.gpa < cache->slot.bytes)
			goto found;
	idx = srcu_read_lock(&mmu->srcu);
	slots = srcu_dereference(mmu->slots, &mmu->srcu);
	slot = lodge_slot_find(slots, gpa);
	cache = &vcpu->slots[!slot];
	cache->generation = slots->generation;
	cache->slot = slot ? *slot : (struct lodge_memslot) {
		.gpa = gpa & PAGE_MASK, .bytes = PAGE_SIZE,
	};
	srcu_read_unlock(&mmu->srcu, idx);
found:
	*to = cache->slot;
	return cache == vcpu->slots;
}

/* Only memory with struct pages, and only what the owner may do itself. */
static bool vma_permits(struct vm_area_struct *vma, unsigned long hva, bool write)
{
	if (!vma || vma->vm_start > hva)
		return false;
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return false;
	return vma->vm_flags & (write ? VM_WRITE : VM_READ);
}

/*
 * Let the host fault the page in. A wait in it, even for userfaultfd, ends when
 * a signal comes.
 */
static enum lodge_fault host_fault(struct mm_struct *mm, unsigned long hva, bool write)
{
	unsigned int flags = FAULT_FLAG_DEFAULT | (write ? FAULT_FLAG_WRITE : 0);
	struct vm_area_struct *vma;
	vm_fault_t ret;

	for (;;) {
		if (mmap_read_lock_killable(mm))
			return LODGE_FAULT_RETRY;
		vma = find_vma(mm, hva);
		if (!vma_permits(vma, hva, write)) {
			mmap_read_unlock(mm);
			return LODGE_FAULT_ERROR;
		}
		ret = handle_mm_fault(vma, hva, flags, NULL);
		if (ret & VM_FAULT_COMPLETED)	/* mmap_lock was dropped */
			return LODGE_FAULT_DONE;
		if (!(ret & VM_FAULT_RETRY))
			break;
		/* Dropped here, too. */
		if (signal_pending(current))
			return LODGE_FAULT_RETRY;
		flags |= FAULT_FLAG_TRIED;
	}
	mmap_read_unlock(mm);
	if (!(ret & VM_FAULT_ERROR))
		return LODGE_FAULT_DONE;
	return signal_pending(current) ? LODGE_FAULT_RETRY : LODGE_FAULT_ERROR;
}

/* The page as the host maps it now, writable if it is that already. */
static bool page_fast(struct fault *f)
{
	/* A logged page is not writable before it is written to. */
	bool readonly = (f->slot.flags & LODGE_SLOT_READONLY) || (f->slot.dirty && !f->write);

	f->map.access = LODGE_ACCESS_READ | LODGE_ACCESS_EXEC;
	if (!readonly && get_user_page_fast_only(f->map.hva, FOLL_WRITE, &f->map.page)) {
		f->map.access |= LODGE_ACCESS_WRITE;
		return true;
	}
	return !f->write && get_user_page_fast_only(f->map.hva, 0, &f->map.page);
}

/*
 * Pages that the fast way does not give although they are there, as the shared
 * zero page. Does not wait: who might have to is told to come back.
 */
static enum lodge_fault page_slow(struct fault *f)
{
	unsigned int flags = FOLL_NOWAIT | (f->write ? FOLL_WRITE : 0);
	long got = get_user_pages_unlocked(f->map.hva, 1, &f->map.page, flags);

	if (got == 1) {
		if (f->write)
			f->map.access |= LODGE_ACCESS_WRITE;
		return LODGE_FAULT_DONE;
	}
	if (!got || got == -EAGAIN || got == -EINTR || got == -ERESTARTSYS)
		return LODGE_FAULT_RETRY;
	return LODGE_FAULT_ERROR;
}

/*
 * Where the fault is. The snapshot comes before anything that the notifier or a
 * slot change may change.
 */
static enum lodge_fault look(struct fault *f, u64 gpa)
{
	struct lodge_mmu *mmu = &f->vm->mmu;

	f->map.seq = lodge_notifier_snapshot(mmu);
	if (!copy_slot(f->vcpu, gpa, &f->slot) ||
	    (f->write && (f->slot.flags & LODGE_SLOT_READONLY)))
		return LODGE_FAULT_MMIO;
	f->map.gpa = gpa & PAGE_MASK;
	f->map.hva = f->slot.user_addr + (f->map.gpa - f->slot.gpa);
	f->map.dirty = f->slot.dirty;
	f->map.dirty_bit = (f->map.gpa - f->slot.gpa) >> PAGE_SHIFT;
	return LODGE_FAULT_DONE;
}

/*
 * Get a reference to the page. The host's own work on our behalf, as breaking
 * COW, goes through the notifier: so look again after it.
 */
static enum lodge_fault host_page(struct fault *f)
{
	enum lodge_fault ret;

	if (page_fast(f))
		return LODGE_FAULT_DONE;
	ret = host_fault(f->vm->mm, f->map.hva, f->write);
	if (ret == LODGE_FAULT_DONE)
		ret = look(f, f->map.gpa);
	if (ret != LODGE_FAULT_DONE || page_fast(f))
		return ret;
	return page_slow(f);
}

/*
 * Level of the host's own mapping; interrupts off keep its tables from being
 * freed. It may change right after: then the notifier's sequence does, too.
 */
static int host_level_irqs_off(struct mm_struct *mm, unsigned long hva)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return 1;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 1;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		return 1;
	if (pud_leaf(pud))
		return 3;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	return pmd_present(pmd) && pmd_leaf(pmd) ? 2 : 1;
}

/* The largest leaf that host, slot and CPU agree on. */
static int leaf_level(struct fault *f)
{
	struct lodge_mmu *mmu = &f->vm->mmu;
	int level = (mmu->nx_large && f->exec) || f->slot.dirty ? 1 : mmu->max_leaf;
	unsigned long irqs;

	level = lodge_slot_max_level(&f->slot, f->map.gpa, level);
	if (level > 1) {
		local_irq_save(irqs);
		level = min(level, host_level_irqs_off(f->vm->mm, f->map.hva));
		local_irq_restore(irqs);
	}
	return level;
}

/* Another size, or another page, is mapped there: not any more. */
static void make_way(struct lodge_mmu *mmu, struct lodge_mapping *m)
{
	struct lodge_table *detached;

	lodge_zap_begin(mmu);
	detached = lodge_table_make_way(mmu, m->gpa, m->level);
	lodge_zap_end(mmu, true);
	lodge_table_free_deferred(mmu, detached);
}

static enum lodge_fault install(struct fault *f)
{
	struct lodge_mmu *mmu = &f->vm->mmu;

	f->map.pfn = page_to_pfn(f->map.page);
	f->map.level = leaf_level(f);
	switch (lodge_table_map(mmu, &f->map)) {
	case 0:
		lodge_count(f->vcpu, LODGE_STAT_FAULT_4K + f->map.level - 1);
		folio_mark_accessed(page_folio(f->map.page));
		return LODGE_FAULT_DONE;
	case -EBUSY:
		make_way(mmu, &f->map);
		return LODGE_FAULT_RETRY;
	case -EAGAIN:
		return LODGE_FAULT_RETRY;
	default:
		return LODGE_FAULT_ERROR;
	}
}

/*
 * Map the pages that follow, as far as the host has them: one fault instead of
 * many. The stretch grows while all of it is there and shrinks when nothing is.
 */
static void map_around(struct fault *f)
{
	bool write = (f->map.access & LODGE_ACCESS_WRITE) && !f->slot.dirty;
	u64 gpa = f->map.gpa + PAGE_SIZE, end = f->slot.gpa + f->slot.bytes;
	struct lodge_mapping m = f->map;
	struct page *pages[AROUND_MAX];
	int i, got, want;

	end = min(end, ALIGN(gpa, PMD_SIZE));
	want = min_t(u64, (end - gpa) >> PAGE_SHIFT, f->vcpu->around + 1);
	if (want <= 0)
		return;
	got = get_user_pages_fast_only(m.hva + PAGE_SIZE, want, write ? FOLL_WRITE : 0, pages);
	f->vcpu->around = got == want ? min(2 * want, AROUND_MAX - 1) : max(got, 0);
	if (!write)
		m.access &= ~LODGE_ACCESS_WRITE;
	for (i = 0; i < got; i++) {
		m.gpa += PAGE_SIZE;
		m.hva += PAGE_SIZE;
		m.dirty_bit++;
		m.page = pages[i];
		m.pfn = page_to_pfn(m.page);
		m.level = 1;
		if (lodge_table_map(&f->vm->mmu, &m))
			break;
	}
	for (i = 0; i < got; i++)
		put_page(pages[i]);
}

/*
 * lodge_mmu_fault() - give the guest the page it asks for; ring 2, in the owner's mm. Faults of
 * several vCPUs run in parallel and meet only at a table's lock.
 */
enum lodge_fault lodge_mmu_fault(struct lodge_vcpu *vcpu, u64 gpa, u32 access)
{
	struct fault f = {
		.vcpu = vcpu,
		.vm = vcpu->vm,
		.write = access & LODGE_ACCESS_WRITE,
		.exec = access & LODGE_ACCESS_EXEC,
	};
	enum lodge_fault ret = look(&f, gpa);

	/* Another vCPU was faster, or a TLB remembered less. */
	if (ret != LODGE_FAULT_DONE || lodge_table_allows(&f.vm->mmu, gpa, access))
		return ret;
	ret = host_page(&f);
	if (ret != LODGE_FAULT_DONE)
		return ret;
	ret = install(&f);
	put_page(f.map.page);
	if (ret == LODGE_FAULT_DONE && f.map.level == 1)
		map_around(&f);
	return ret;
}

/** lodge_mmu_create() - no slots, no leaves, and the notifier at work; in vm->mm. Sleeps */
int lodge_mmu_create(struct lodge_vm *vm, const struct lodge_pt_format *format, int max_leaf)
{
	struct lodge_memslots *slots = kvzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	struct lodge_mmu *mmu = &vm->mmu;
	int ret = -ENOMEM;

	memset(mmu, 0, sizeof(*mmu));
	mmu->format = format;
	mmu->levels = lodge_pt_levels(format);
	mmu->max_leaf = max_leaf;
	/* Both sizes of one executable page in a TLB can stop such a CPU. */
	mmu->nx_large = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	spin_lock_init(&mmu->notifier_lock);
	RCU_INIT_POINTER(mmu->slots, slots);
	if (!slots || init_srcu_struct(&mmu->srcu)) {
		kvfree(slots);
		return ret;
	}
	ret = lodge_tables_create(mmu) ?: lodge_notifier_register(vm);
	if (ret)
		lodge_mmu_destroy(vm);
	return ret;
}

/** lodge_mmu_destroy() - the reverse; stops, too, if that was not done. Sleeps */
void lodge_mmu_destroy(struct lodge_vm *vm)
{
	struct lodge_mmu *mmu = &vm->mmu;

	lodge_mmu_stop(vm);
	lodge_tables_destroy(mmu);
	cleanup_srcu_struct(&mmu->srcu);
	lodge_slots_free(rcu_dereference_protected(mmu->slots, true));
	RCU_INIT_POINTER(mmu->slots, NULL);
}
