// SPDX-License-Identifier: GPL-2.0-only
/* liblodge: ioctls of a virtio device's descriptor. */
#include "internal.h"

int lodge_create_virtio(int vm, struct lodge_create_virtio *create)
{
	create->size = sizeof(*create);
	return call(vm, LODGE_CREATE_VIRTIO, create);
}

int lodge_ring_serve(int dev, __u64 rings)
{
	struct lodge_ring_serve arg = { .size = sizeof(arg), .rings = rings };

	return call(dev, LODGE_RING_SERVE, &arg);
}

int lodge_set_features(int dev, __u64 features)
{
	struct lodge_virtio_features arg = { .size = sizeof(arg), .features = features };

	return call(dev, LODGE_SET_FEATURES, &arg);
}

int lodge_virtio_reset(int dev)
{
	struct lodge_reset arg = { .size = sizeof(arg) };

	return call(dev, LODGE_VIRTIO_RESET, &arg);
}

int lodge_set_ring(int dev, const struct lodge_ring *ring)
{
	struct lodge_ring arg = *ring;

	arg.size = sizeof(arg);
	return call(dev, LODGE_SET_RING, &arg);
}

int lodge_get_ring(int dev, struct lodge_ring *ring)
{
	ring->size = sizeof(*ring);
	ring->flags = 0;
	return call(dev, LODGE_GET_RING, ring);
}

int lodge_set_ring_irq(int dev, const struct lodge_ring_irq *irq)
{
	struct lodge_ring_irq arg = *irq;

	arg.size = sizeof(arg);
	return call(dev, LODGE_SET_RING_IRQ, &arg);
}

int lodge_change_isr(int dev, __u32 set, __u32 clear)
{
	struct lodge_virtio_isr arg = { .size = sizeof(arg), .set = set, .clear = clear };
	int ret = call(dev, LODGE_CHANGE_ISR, &arg);

	return ret < 0 ? ret : (int)arg.old;
}

int lodge_ring_kick(int dev, __u32 ring)
{
	struct lodge_ring_kick arg = { .size = sizeof(arg), .ring = ring };

	return call(dev, LODGE_RING_KICK, &arg);
}

int lodge_set_backend(int dev, __u32 ring, int fd)
{
	struct lodge_ring_backend arg = { .size = sizeof(arg), .ring = ring, .fd = fd };

	return call(dev, LODGE_SET_BACKEND, &arg);
}

int lodge_ring_stats(int dev, __u32 ring, __u64 *values, __u32 count)
{
	struct lodge_ring_stats arg = {
		.size = sizeof(arg),
		.ring = ring,
		.count = count,
		.values = user_ptr(values),
	};

	return call(dev, LODGE_RING_STATS, &arg);
}

int lodge_ring_take(int dev, struct lodge_ring_chain *chain)
{
	chain->size = sizeof(*chain);
	chain->flags = 0;
	return call(dev, LODGE_RING_TAKE, chain);
}

int lodge_ring_give(int dev, const struct lodge_ring_chain *chain)
{
	struct lodge_ring_chain arg = *chain;

	arg.size = sizeof(arg);
	return call(dev, LODGE_RING_GIVE, &arg);
}
