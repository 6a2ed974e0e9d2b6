/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses for DMA that this program uses: at 4 GiB or above, multiples of
 * 1 GiB.
 */
#ifndef ALIGNMENT_IOVA_H
#define ALIGNMENT_IOVA_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define LOWEST_IOVA	(4ULL << 30)

/*
 * Whether such an address with room for `length` bytes is in the range from
 * `start` to `last`, both inclusive.  *iova is then the lowest one.
 */
bool iova_fits(__u64 start, __u64 last, size_t length, __u64 *iova);

#endif /* ALIGNMENT_IOVA_H */
