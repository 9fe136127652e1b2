/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * liblodge: a thin library over the ioctls of uapi/lodge.h.
 *
 * Functions that can fail return a negative errno; what they return else is
 * said beside them. None of them prints, exits or keeps hidden state.
 */
#ifndef _LODGE_LIBLODGE_H
#define _LODGE_LIBLODGE_H

#include <stddef.h>

#include "../../../uapi/lodge.h"

/**
 * struct lodge_io_domain - an I/O ordering domain mapped by lodge_map_domain()
 * @ring: writes that the kernel posted
 * @shadow: LODGE_READ_SHADOW bytes
 * @bytes: length of the mapping
 */
struct lodge_io_domain {
	struct lodge_post_ring *ring;
	__u8 *shadow;
	size_t bytes;
};

/* The device */
int lodge_open(const char *path);	/* NULL: /dev/lodge; the descriptor */
int lodge_get_info(int fd, struct lodge_info *info);
int lodge_get_supported_cpuid(int fd, struct lodge_cpuid_entry *entries, __u32 *count);
int lodge_get_msr_list(int fd, __u32 *indexes, __u32 *count);
/* The VM's descriptor. @tsc_khz: 0 for the host's */
int lodge_create_vm(int fd, const char *name, __u32 tsc_khz);

/* A VM */
int lodge_create_vcpu(int vm, __u32 id);		/* the vCPU's descriptor */
int lodge_set_slot(int vm, const struct lodge_slot *slot);
int lodge_get_dirty(int vm, __u32 slot, __u64 first, __u64 pages, __u64 *bitmap);
int lodge_prefault(int vm, __u64 gpa, __u64 bytes, __u64 *done);
/* Bits of the pages that the guest accessed since this was asked last. */
int lodge_accessed(int vm, __u64 gpa, __u64 bytes, __u64 *bitmap);
int lodge_irq_line(int vm, __u32 gsi, __u32 level);
int lodge_signal_msi(int vm, __u64 addr, __u32 data);
int lodge_set_irqfd(int vm, const struct lodge_irqfd *irqfd);
int lodge_set_domain(int vm, __u32 domain, int eventfd);
int lodge_set_region(int vm, const struct lodge_region *region);
int lodge_get_chip(int vm, struct lodge_chip *chip);
int lodge_set_chip(int vm, const struct lodge_chip *chip);
int lodge_reset_vm(int vm);
int lodge_vm_stats(int vm, __u32 flags);		/* a statistics descriptor */

int lodge_create_virtio(int vm, struct lodge_create_virtio *create);	/* the descriptor */

int lodge_map_domain(int vm, const struct lodge_info *info, __u32 domain,
		     struct lodge_io_domain *out);
void lodge_unmap_domain(struct lodge_io_domain *domain);
/* Hands every posted write to @fn, oldest first; returns how many there were. */
unsigned int lodge_drain(struct lodge_io_domain *domain,
			 void (*fn)(void *arg, const struct lodge_post *post),
			 void *arg);

/* A vCPU */
int lodge_map_run(int vcpu, const struct lodge_info *info, struct lodge_run **run);
int lodge_run(int vcpu);
int lodge_get_regs(int vcpu, struct lodge_regs *regs);
int lodge_set_regs(int vcpu, const struct lodge_regs *regs);
int lodge_get_sregs(int vcpu, struct lodge_sregs *sregs);
int lodge_set_sregs(int vcpu, const struct lodge_sregs *sregs);
int lodge_get_xsave(int vcpu, void *area, __u32 bytes);
int lodge_set_xsave(int vcpu, const void *area, __u32 bytes);
int lodge_get_msrs(int vcpu, struct lodge_msr_entry *entries, __u32 count, __u32 *done);
int lodge_set_msrs(int vcpu, const struct lodge_msr_entry *entries, __u32 count, __u32 *done);
int lodge_get_cpuid(int vcpu, struct lodge_cpuid_entry *entries, __u32 *count);
int lodge_set_cpuid(int vcpu, const struct lodge_cpuid_entry *entries, __u32 count);
int lodge_get_events(int vcpu, struct lodge_events *events);
int lodge_set_events(int vcpu, const struct lodge_events *events);
int lodge_get_lapic(int vcpu, struct lodge_lapic_state *lapic);
int lodge_set_lapic(int vcpu, const struct lodge_lapic_state *lapic);
int lodge_get_mp_state(int vcpu, struct lodge_mp_state *mp);
int lodge_set_mp_state(int vcpu, const struct lodge_mp_state *mp);
int lodge_get_debugregs(int vcpu, struct lodge_debugregs *debugregs);
int lodge_set_debugregs(int vcpu, const struct lodge_debugregs *debugregs);
int lodge_translate(int vcpu, __u64 gva, struct lodge_translate *out);
int lodge_nmi(int vcpu);
int lodge_reset_vcpu(int vcpu);
int lodge_vcpu_stats(int vcpu, __u32 flags);		/* a statistics descriptor */

int lodge_trace(int vcpu, __u32 flags, __u32 records);	/* a trace descriptor */

/* A statistics descriptor */
#define LODGE_STATS_ROOM	16384
/* Fills @blob, 8-byte aligned; -EPROTO: not statistics. The others are for what it filled. */
int lodge_stats_read(int fd, void *blob, size_t room);
const struct lodge_stats_desc *lodge_stats_desc(const void *blob, __u32 n);	/* or NULL */
const __u64 *lodge_stats_values(const void *blob, const struct lodge_stats_desc *desc);
__u64 lodge_stats_get(const void *blob, const char *name);	/* 0 when there is none */

/* A virtio device */
int lodge_ring_serve(int dev, __u64 rings);	/* -EINTR; -EPROTO: the driver erred */
int lodge_set_features(int dev, __u64 features);
int lodge_virtio_reset(int dev);
int lodge_set_ring(int dev, const struct lodge_ring *ring);
int lodge_get_ring(int dev, struct lodge_ring *ring);
int lodge_set_ring_irq(int dev, const struct lodge_ring_irq *irq);
int lodge_change_isr(int dev, __u32 set, __u32 clear);	/* what it was */
int lodge_ring_kick(int dev, __u32 ring);
int lodge_set_backend(int dev, __u32 ring, int fd);	/* -1: none */
int lodge_ring_take(int dev, struct lodge_ring_chain *chain);	/* -EAGAIN: none */
int lodge_ring_give(int dev, const struct lodge_ring_chain *chain);
int lodge_ring_stats(int dev, __u32 ring, __u64 *values, __u32 count);

#endif /* _LODGE_LIBLODGE_H */
