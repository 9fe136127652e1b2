/* SPDX-License-Identifier: GPL-2.0-only */
/* What the KUnit suites of the interrupt chips share. */
#ifndef LODGE_IRQCHIP_TEST_H
#define LODGE_IRQCHIP_TEST_H

#include <kunit/test.h>

#include "lapic.h"

#define TEST_VCPUS	4

/*
 * A VM of chips and TEST_VCPUS vCPUs that never run: requests stay set. It is
 * test->priv; every local APIC is enabled by software.
 */
int lodge_test_machine_init(struct kunit *test);
void lodge_test_machine_exit(struct kunit *test);

static inline struct lodge_vm *test_vm(struct kunit *test)
{
	return test->priv;
}

static inline struct lodge_lapic *test_lapic(struct kunit *test, u32 id)
{
	return test_vm(test)->vcpus[id]->lapic;
}

/* Program a pin of the I/O APIC as a guest does. */
void lodge_test_redir(struct lodge_vm *vm, u32 pin, u64 entry);
u64 lodge_test_redir_read(struct lodge_vm *vm, u32 pin);

#define REDIR_LEVEL	BIT_ULL(15)
#define REDIR_MASKED	BIT_ULL(16)
#define REDIR_REMOTE	BIT_ULL(14)

/* Take the interrupt vCPU @id has, -1 if none; with the request consumed. */
static inline int test_take(struct kunit *test, u32 id)
{
	struct lodge_vcpu *vcpu = test_vm(test)->vcpus[id];

	clear_bit(LODGE_REQ_EVENT, &vcpu->requests);
	return lodge_has_interrupt(vcpu) ? lodge_ack_interrupt(vcpu) : -1;
}

static inline bool test_asked(struct kunit *test, u32 id, int request)
{
	return test_and_clear_bit(request, &test_vm(test)->vcpus[id]->requests);
}

/* Consume what LODGE_REQ_MP announced: did an INIT, which SIPI (or -1) arrive? */
static inline bool test_init(struct kunit *test, u32 id)
{
	return test_and_clear_bit(LAPIC_PENDING_INIT, &test_lapic(test, id)->pending);
}

static inline int test_sipi(struct kunit *test, u32 id)
{
	struct lodge_lapic *lapic = test_lapic(test, id);

	return test_and_clear_bit(LAPIC_PENDING_SIPI, &lapic->pending) ? lapic->sipi_vector : -1;
}

static inline void test_eoi(struct kunit *test, u32 id)
{
	lodge_lapic_write(test_lapic(test, id), APIC_EOI, 0);
}

static inline bool test_in(struct lodge_vcpu *vcpu, u16 port, u32 bytes, u64 *value)
{
	return lodge_device_access(vcpu, LODGE_SPACE_PIO, port, bytes, false, value);
}

static inline bool test_out(struct lodge_vcpu *vcpu, u16 port, u32 bytes, u64 value)
{
	return lodge_device_access(vcpu, LODGE_SPACE_PIO, port, bytes, true, &value);
}

static inline bool test_load(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 *value)
{
	return lodge_device_access(vcpu, LODGE_SPACE_MMIO, gpa, bytes, false, value);
}

static inline bool test_store(struct lodge_vcpu *vcpu, u64 gpa, u32 bytes, u64 value)
{
	return lodge_device_access(vcpu, LODGE_SPACE_MMIO, gpa, bytes, true, &value);
}

#endif /* LODGE_IRQCHIP_TEST_H */
