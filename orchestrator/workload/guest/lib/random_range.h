/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random parts of a BAR.  The same seed gives the same parts, with every C
 * library.
 */
#ifndef ALIGNMENT_RANDOM_RANGE_H
#define ALIGNMENT_RANDOM_RANGE_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/placement.h"

/* The state is initially the seed. */
struct random_source {
	__u64 state;
};

/* A number from 0 to count - 1. */
__u64 random_number(struct random_source *source, __u64 count);

/*
 * A part of the range, of whole pages.  Every magnitude of the length is
 * equally likely.  One third of the lengths and of the offsets stay as they
 * are, one third are rounded down to 2 MiB, and one third to 1 GiB, if there is
 * room.
 */
void random_range(struct random_source *source, const struct range *range,
		  struct range *part);

/*
 * Whether the range has room for a block of that size which begins at a
 * multiple of that size in the BAR: only then can such an entry map a part of
 * the range.
 */
bool has_block(const struct range *range, __u64 size);

#endif /* ALIGNMENT_RANDOM_RANGE_H */
