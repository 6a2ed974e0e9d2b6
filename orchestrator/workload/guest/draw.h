/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random parts of a BAR, the same for the same seed whatever the C library.
 */
#ifndef ALIGNMENT_DRAW_H
#define ALIGNMENT_DRAW_H

#include <stdbool.h>
#include <linux/types.h>

#include "placement.h"

/* Begins as the seed. */
struct draw {
	__u64 state;
};

/* Any of 0 to count - 1. */
__u64 draw_number(struct draw *draw, __u64 count);

/*
 * A part of the range, of whole pages.  Every magnitude of length is as
 * likely as every other; of lengths and of offsets a third each is left as it
 * comes, rounded down to 2 MiB, and rounded down to 1 GiB, where there is room.
 */
void draw_part(struct draw *draw, const struct range *range,
	       struct range *part);

/*
 * Whether it has room for a block of that size that begins at a multiple of
 * that size in the BAR: only then can such an entry map a part of it.
 */
bool has_block(const struct range *range, __u64 size);

#endif /* ALIGNMENT_DRAW_H */
