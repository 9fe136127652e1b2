// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits on requests and bytes per second. A bucket is kept as the time at which
 * it will be full again: what was used moves that on, and who is further ahead
 * than a full bucket lasts has to wait.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>

#include "../module/lodge.h"
#include "virtio.h"

#define BUCKET_NS	(100 * NSEC_PER_MSEC)

/** lodge_bucket_wait() - nanoseconds from @now until something may be used */
u64 lodge_bucket_wait(const struct lodge_bucket *bucket, u64 now)
{
	u64 full_at = READ_ONCE(bucket->full_at);

	return full_at > now + BUCKET_NS ? full_at - now - BUCKET_NS : 0;
}

/** lodge_bucket_use() - @amount was used at @now. Any context; the rate's lock */
void lodge_bucket_use(struct lodge_bucket *bucket, u64 now, u64 amount)
{
	if (bucket->per_second)
		WRITE_ONCE(bucket->full_at, max(bucket->full_at, now) +
			   mul_u64_u64_div_u64(amount, NSEC_PER_SEC, bucket->per_second));
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	lodge_queue_ring(container_of(timer, struct lodge_queue, rate_timer));
	return HRTIMER_NORESTART;
}

void lodge_rate_init(struct lodge_queue *queue)
{
	hrtimer_setup(&queue->rate_timer, on_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
}

/* May a chain be taken? If not, the queue is rung when it may. */
bool lodge_rate_allows(struct lodge_queue *queue)
{
	const struct lodge_rate *rate = &queue->dev->rate;
	u64 now, wait;

	if (!rate->ops.per_second && !rate->bytes.per_second)
		return true;
	now = ktime_get_ns();
	wait = max(lodge_bucket_wait(&rate->ops, now), lodge_bucket_wait(&rate->bytes, now));
	if (!wait)
		return true;
	queue->stats[LODGE_RING_THROTTLED]++;
	hrtimer_start(&queue->rate_timer, ns_to_ktime(wait), HRTIMER_MODE_REL);
	return false;
}

void lodge_rate_use(struct lodge_queue *queue, u64 bytes)
{
	struct lodge_rate *rate = &queue->dev->rate;
	u64 now;

	if (!rate->ops.per_second && !rate->bytes.per_second)
		return;
	now = ktime_get_ns();
	spin_lock(&rate->lock);
	lodge_bucket_use(&rate->ops, now, 1);
	lodge_bucket_use(&rate->bytes, now, bytes);
	spin_unlock(&rate->lock);
}
