// SPDX-License-Identifier: GPL-2.0-only
/* How a device's interrupts reach the guest: by its line or by messages. */
#include "../module/lodge.h"
#include "virtio.h"

#define ISR_QUEUE	1	/* virtio 1.2, 4.1.4.5 */

u32 lodge_virtio_isr(struct lodge_virtio *dev, u32 set, u32 clear)
{
	unsigned long flags;
	u32 old;

	/* One at a time, or the line might end up at the other's level. */
	raw_spin_lock_irqsave(&dev->isr_lock, flags);
	old = dev->isr;
	dev->isr = (old & ~clear) | set;
	if (!old != !dev->isr && dev->gsi != LODGE_VIRTIO_NO_GSI)
		lodge_irq_line(dev->vm, dev->gsi, dev->isr);
	raw_spin_unlock_irqrestore(&dev->isr_lock, flags);
	return old;
}

/* Under queue->irq_lock. */
static void raise(struct lodge_queue *queue)
{
	if (queue->irq.flags & LODGE_RING_IRQ_HOLD) {
		queue->irq_held = true;
		return;
	}
	queue->irq_held = false;
	if (queue->irq.flags & LODGE_RING_IRQ_MSI)
		lodge_irq_msi(queue->dev->vm, queue->irq.addr, queue->irq.data);
	else
		lodge_virtio_isr(queue->dev, ISR_QUEUE, 0);
}

void lodge_queue_interrupt(struct lodge_queue *queue)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&queue->irq_lock, flags);
	raise(queue);
	raw_spin_unlock_irqrestore(&queue->irq_lock, flags);
}

int lodge_queue_set_irq(struct lodge_queue *queue, const struct lodge_ring_irq *irq)
{
	unsigned long flags;

	if (irq->pad)
		return -EINVAL;
	raw_spin_lock_irqsave(&queue->irq_lock, flags);
	queue->irq = *irq;
	if (queue->irq_held)
		raise(queue);
	raw_spin_unlock_irqrestore(&queue->irq_lock, flags);
	return 0;
}
