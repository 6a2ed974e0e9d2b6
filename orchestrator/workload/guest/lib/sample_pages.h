/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages of a mapping to check if there are too many to check all: those
 * where one page-table entry ends and the next one begins, and random ones.
 */
#ifndef ALIGNMENT_SAMPLE_PAGES_H
#define ALIGNMENT_SAMPLE_PAGES_H

#include <stddef.h>
#include <linux/types.h>

#include "lib/placement.h"

struct sample_pages {
	__u64 *offsets;		/* in the BAR, of pages, in a random order */
	size_t count;		/* depends only on the length */
	/*
	 * How many boundaries of each size are in the mapping; the pages on
	 * both sides of each are in the sample.  Boundaries of virtual
	 * addresses and boundaries of BAR offsets both count.  They are the
	 * same if address and offset are congruent.
	 */
	__u64 pmd_boundaries, pud_boundaries;
};

/* For a mapping of the range at this address.  0 or -errno. */
int __sample_pages_choose(const struct range *range, __u64 address, __u64 seed,
			  struct sample_pages *sample);
void sample_pages_free(struct sample_pages *sample);

#endif /* ALIGNMENT_SAMPLE_PAGES_H */
