/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages of a mapping that are worth a look when not all of them can be
 * looked at: those where one entry of the page tables ends and the next one
 * begins, and some at random.
 */
#ifndef ALIGNMENT_SPOTS_H
#define ALIGNMENT_SPOTS_H

#include <stddef.h>
#include <linux/types.h>

#include "placement.h"

struct spots {
	__u64 *offsets;		/* in the BAR, of pages, in a random order */
	size_t count;		/* depends on the length alone */
	/*
	 * How many boundaries of each size lie in the mapping, with the pages
	 * on both sides of each among the spots: those of virtual addresses
	 * and those of BAR offsets.  Where address and offset are congruent
	 * they are the same ones.
	 */
	__u64 pmd_boundaries, pud_boundaries;
};

/* For a mapping of the range at this address.  0 or -errno. */
int __spots_choose(const struct range *range, __u64 address, __u64 seed,
		   struct spots *spots);
void spots_free(struct spots *spots);

#endif /* ALIGNMENT_SPOTS_H */
