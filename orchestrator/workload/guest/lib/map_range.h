/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Map a range of a BAR and measure the mapping: where it is placed, which
 * entries map it, and what it costs to touch it and to map it for DMA.
 */
#ifndef ALIGNMENT_MAP_RANGE_H
#define ALIGNMENT_MAP_RANGE_H

#include "test.h"

/* Print and measure which range of the BAR it is, and where it is placed. */
void report_place(const struct test *test, const struct range *range,
		  const struct placed *placed);

struct entries;

/* Print and measure the entries that map the range; all of it was read. */
void report_mapped(struct test *test, const struct range *range,
		   const struct entries *entries);

/* Place the range, and take all measurements. */
void map_range(struct test *test, const struct range *range,
	       enum placement placement);

#endif /* ALIGNMENT_MAP_RANGE_H */
