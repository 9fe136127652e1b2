/* SPDX-License-Identifier: GPL-2.0-only */
/* Of irq.S */
#ifndef BENCH_IRQ_H
#define BENCH_IRQ_H

extern unsigned char first_entry[], back_entry[];

#endif /* BENCH_IRQ_H */
