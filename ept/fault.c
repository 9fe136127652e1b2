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

#define CHUNK	64	/* pages asked for and mapped at a time */

/* One fault on its way. */
struct fault {
	struct lodge_vm *vm;
	struct lodge_fault_cache *cache;
	struct lodge_memslot slot;
	struct lodge_mapping map;
	u64 end;		/* of what is mapped */
	u32 denied;		/* LODGE_ACCESS_* that are watched */
	bool write;
	bool exec;
	bool again;		/* what was in the way is gone */
};

/* What is around @gpa, which is in no slot, up to the next ones. */
static struct lodge_memslot hole(const struct lodge_memslots *slots, u64 gpa)
{
	u64 from = 0, to = GENMASK_ULL(51, 0);
	u32 i;

	for (i = 0; i < slots->count && slots->slot[i].gpa < gpa; i++)
		from = slots->slot[i].gpa + slots->slot[i].bytes;
	if (i < slots->count)
		to = slots->slot[i].gpa;
	return (struct lodge_memslot){ .gpa = from, .bytes = to - from };
}

static bool holds(const struct lodge_slot_cache *cache, const struct lodge_mmu *mmu, u64 gpa)
{
	return cache->generation == READ_ONCE(mmu->generation) &&
	       gpa - cache->slot.gpa < cache->slot.bytes;
}

/*
 * A copy of the slot, so that nothing is held while the host is asked. Two are
 * remembered for the next fault, of memory and of a hole, until a slot changes.
 * A stale copy does no harm: the change raised the notifier's sequence.
 */
static const struct lodge_slot_cache *find_slot(struct lodge_mmu *mmu,
						struct lodge_fault_cache *caches, u64 gpa)
{
	const struct lodge_memslots *slots;
	const struct lodge_memslot *slot;
	struct lodge_slot_cache *cache;

	for (cache = caches->slots; cache < caches->slots + ARRAY_SIZE(caches->slots); cache++)
		if (holds(cache, mmu, gpa))
			return cache;
	guard(srcu)(&mmu->srcu);
	slots = srcu_dereference(mmu->slots, &mmu->srcu);
	slot = lodge_slot_find(slots, gpa);
	cache = &caches->slots[!slot];
	cache->generation = slots->generation;
	cache->slot = slot ? *slot : hole(slots, gpa);
	return cache;
}

/*
 * A dozen instructions where a hole is remembered: no more than an entry that says so by itself,
 * a misconfiguration or reserved bits, would take to be told from others.
 */
bool lodge_gpa_is_device(struct lodge_vcpu *vcpu, u64 gpa)
{
	const struct lodge_slot_cache *caches = vcpu->fault_cache.slots;
	struct lodge_mmu *mmu = &vcpu->vm->mmu;

	if (holds(&caches[1], mmu, gpa))
		return true;
	return !holds(&caches[0], mmu, gpa) && find_slot(mmu, &vcpu->fault_cache, gpa) != caches;
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
	bool small = (mmu->nx_large && f->exec) || f->slot.dirty || f->slot.watch;
	int level = small ? 1 : mmu->max_leaf;
	unsigned long irqs;

	level = lodge_slot_max_level(&f->slot, f->map.gpa, level);
	if (level > 1) {
		local_irq_save(irqs);
		level = min(level, host_level_irqs_off(f->vm->mm, f->map.hva));
		local_irq_restore(irqs);
	}
	return level;
}

/* Pages under the fault's level 1 table, from its own on, that are worth a try. */
static int window(struct fault *f)
{
	u64 end = min(f->slot.gpa + f->slot.bytes, ALIGN(f->map.gpa + 1, PMD_SIZE));

	if (f->slot.watch)
		return 1;
	return min_t(u64, (end - f->map.gpa) >> PAGE_SHIFT, f->cache->around + 1);
}

/* A logged page is not writable to the guest before the log knows, or the CPU marks it. */
static u32 write_access(const struct fault *f)
{
	if (!f->slot.dirty)
		return LODGE_ACCESS_WRITE;
	return f->vm->mmu.dirty_marks ? LODGE_ACCESS_WRITE | LODGE_ACCESS_LOGGED :
					LODGE_ACCESS_MAY_WRITE;
}

/* The pages as the host maps them now, writable if they are that already: how many. */
static int pages_fast(struct fault *f, int want)
{
	struct lodge_mapping *m = &f->map;
	int got = 0;

	want = min(want, CHUNK);
	m->access = LODGE_ACCESS_READ | LODGE_ACCESS_EXEC;
	if (!(f->slot.flags & LODGE_SLOT_READONLY))
		got = get_user_pages_fast_only(m->hva, want, FOLL_WRITE, m->pages);
	if (got > 0)
		m->access |= write_access(f);
	else if (!f->write)
		got = get_user_pages_fast_only(m->hva, want, 0, m->pages);
	m->count = max(got, 0);
	return m->count;
}

/*
 * Pages that the fast way does not give although they are there, as the shared
 * zero page. Does not wait: who might have to is told to come back.
 */
static enum lodge_fault page_slow(struct fault *f)
{
	unsigned int flags = FOLL_NOWAIT | (f->write ? FOLL_WRITE : 0);
	long got = get_user_pages_unlocked(f->map.hva, 1, f->map.pages, flags);

	if (got == 1) {
		f->map.count = 1;
		if (f->write)
			f->map.access |= write_access(f);
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
	const struct lodge_slot_cache *found;

	f->map.seq = lodge_notifier_snapshot(mmu);
	found = find_slot(mmu, f->cache, gpa);
	f->slot = found->slot;
	if (found != f->cache->slots ||
	    (f->write && (f->slot.flags & LODGE_SLOT_READONLY)))
		return LODGE_FAULT_MMIO;
	f->denied = f->slot.watch ? lodge_watch_denied(f->vm, gpa) : 0;
	if (f->denied & LODGE_ACCESS_WRITE)
		f->denied |= LODGE_ACCESS_MAY_WRITE;
	f->map.gpa = gpa & PAGE_MASK;
	f->map.hva = f->slot.user_addr + (f->map.gpa - f->slot.gpa);
	return LODGE_FAULT_DONE;
}

/* References to the fault's page and its neighbours; one is enough of a large page. */
static bool host_pages_now(struct fault *f)
{
	f->map.level = leaf_level(f);
	return pages_fast(f, f->map.level > 1 ? 1 : window(f));
}

/*
 * The host's own work on our behalf, as breaking COW, goes through the notifier:
 * so look again after it.
 */
static enum lodge_fault host_pages(struct fault *f)
{
	enum lodge_fault ret;

	if (host_pages_now(f))
		return LODGE_FAULT_DONE;
	ret = host_fault(f->vm->mm, f->map.hva, f->write);
	if (ret == LODGE_FAULT_DONE)
		ret = look(f, f->map.gpa);
	if (ret != LODGE_FAULT_DONE || host_pages_now(f))
		return ret;
	return page_slow(f);
}

/* Another size, or another page, is mapped there: not any more. */
static void make_way(struct lodge_mmu *mmu, struct lodge_mapping *m)
{
	struct lodge_table *detached;

	guard(srcu)(&mmu->srcu);
	lodge_zap_begin(mmu);
	detached = lodge_table_make_way(mmu, m->gpa, m->level);
	lodge_zap_end(mmu, true);
	lodge_table_free_deferred(mmu, detached);
}

static enum lodge_fault install(struct fault *f)
{
	struct lodge_mmu *mmu = &f->vm->mmu;
	int i, ret;
	u64 bytes;

	f->map.pfn = page_to_pfn(f->map.pages[0]);
	f->map.access &= ~f->denied;
	ret = lodge_table_map(mmu, &f->map);
	if (!ret) {
		bytes = lodge_level_bytes(f->map.level);
		f->end = ALIGN_DOWN(f->map.gpa, bytes) + f->map.mapped * bytes;
		folio_mark_accessed(page_folio(f->map.pages[0]));
	}
	for (i = 0; i < f->map.count; i++)
		put_page(f->map.pages[i]);
	switch (ret) {
	case 0:
		return LODGE_FAULT_DONE;
	case -EBUSY:
		make_way(mmu, &f->map);
		f->again = true;
		return LODGE_FAULT_RETRY;
	case -EAGAIN:
		/* Of its neighbours, perhaps; they can wait. */
		f->cache->around = 0;
		return LODGE_FAULT_RETRY;
	default:
		return LODGE_FAULT_ERROR;
	}
}

/*
 * Map the pages that follow, as far as the host has them: one fault instead of
 * many. The stretch grows while all of it is there and shrinks when it is not.
 */
static void map_around(struct fault *f)
{
	int want = window(f), got = f->map.count, now = got;

	for (; now == CHUNK && got < want; got += now) {
		f->map.gpa += now * PAGE_SIZE;
		f->map.hva += now * PAGE_SIZE;
		now = pages_fast(f, want - got);
		if (!now || install(f) != LODGE_FAULT_DONE)
			break;
	}
	f->cache->around = got >= want ? min_t(int, 2 * want, PTRS_PER_PTE) - 1 : got - 1;
}

static enum lodge_fault map_pages(struct fault *f)
{
	enum lodge_fault ret = host_pages(f);

	if (ret == LODGE_FAULT_DONE)
		ret = install(f);
	if (ret == LODGE_FAULT_DONE && f->map.level == 1)
		map_around(f);
	return ret;
}

/*
 * lodge_mmu_fault() - give the guest the page it asks for; ring 2, in the owner's mm. Faults of
 * several vCPUs run in parallel and meet only at a table's lock.
 */
enum lodge_fault lodge_mmu_fault(struct lodge_vcpu *vcpu, u64 gpa, u32 access)
{
	struct page *pages[CHUNK];
	struct fault f = {
		.vm = vcpu->vm,
		.cache = &vcpu->fault_cache,
		.map.pages = pages,
		.write = access & LODGE_ACCESS_WRITE,
		.exec = access & LODGE_ACCESS_EXEC,
	};
	enum lodge_fault ret;

	if (unlikely(READ_ONCE(f.vm->mmu.watching)) && lodge_watch_hit(f.vm, gpa, access))
		return LODGE_FAULT_WATCHED;
	/*
	 * The page table that leads to an instruction may be in the same large page:
	 * entered in between, the guest would have that mapped again, for ever.
	 */
	do {
		f.again = false;
		ret = look(&f, gpa);
		/* Armed again since. */
		if (ret == LODGE_FAULT_DONE && f.denied & (access | LODGE_ACCESS_READ))
			return LODGE_FAULT_RETRY;
		/* Another vCPU was faster, or a TLB remembered less. */
		if (ret != LODGE_FAULT_DONE || lodge_table_allows(&f.vm->mmu, gpa, access))
			return ret;
		ret = map_pages(&f);
	} while (f.again && !signal_pending(current));
	if (ret != LODGE_FAULT_DONE)
		return ret;
	lodge_count(vcpu, LODGE_STAT_FAULT_4K + f.map.level - 1);
	return f.write && f.slot.dirty && !lodge_mmu_fix_write(f.vm, gpa) ? LODGE_FAULT_RETRY : ret;
}

/* One step of a prefault, from @gpa on to @f->end. A log learns of nothing. */
static enum lodge_fault prefault(struct fault *f, u64 gpa)
{
	u32 access = LODGE_ACCESS_READ;
	enum lodge_fault ret;
	u64 bytes, entry;
	int level;

	f->write = false;
	ret = look(f, gpa);
	if (ret != LODGE_FAULT_DONE)
		return ret;
	f->write = !(f->slot.flags & LODGE_SLOT_READONLY);
	if (f->write)
		access |= write_access(f);
	f->end = (gpa & PAGE_MASK) + PAGE_SIZE;
	/* What is watched waits for the guest. */
	if (f->denied)
		return LODGE_FAULT_DONE;
	entry = lodge_table_lookup(&f->vm->mmu, gpa, &level);
	if (!lodge_pt_allows(f->vm->mmu.format, entry, access))
		return map_pages(f);
	bytes = lodge_level_bytes(level);
	f->end = ALIGN_DOWN(gpa, bytes) + bytes;
	return LODGE_FAULT_DONE;
}

/*
 * lodge_prefault() - LODGE_PREFAULT, in the owner's mm: -EINVAL, -ENXIO (no slot), -EFAULT (no
 * memory), -EINTR. Holds nothing that a fault does not
 */
int lodge_prefault(struct lodge_vm *vm, void *data)
{
	struct lodge_prefault *args = data;
	struct lodge_fault_cache cache = { .around = PTRS_PER_PTE - 1 };
	struct page *pages[CHUNK];
	struct fault f = { .vm = vm, .cache = &cache, .map.pages = pages };
	u64 end;

	if (!PAGE_ALIGNED(args->gpa | args->bytes) ||
	    check_add_overflow(args->gpa, args->bytes, &end))
		return -EINVAL;
	for (args->done = 0; args->done < args->bytes; cond_resched()) {
		if (signal_pending(current))
			return -EINTR;
		switch (prefault(&f, args->gpa + args->done)) {
		case LODGE_FAULT_DONE:
			args->done = min(f.end, end) - args->gpa;
			cache.around = PTRS_PER_PTE - 1;
			break;
		case LODGE_FAULT_RETRY:
			break;
		case LODGE_FAULT_MMIO:
			return -ENXIO;
		default:
			return -EFAULT;
		}
	}
	return 0;
}

/*
 * lodge_mmu_fix_write() - a write to a page that is protected for the log only: allow it, then log
 * it. Ring 1 or 2; false: it takes lodge_mmu_fault()
 */
bool lodge_mmu_fix_write(struct lodge_vm *vm, u64 gpa)
{
	guard(srcu)(&vm->mmu.srcu);
	if (!lodge_table_allow_write(&vm->mmu, gpa))
		return false;
	lodge_mark_dirty(vm, gpa, 1);
	return true;
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
