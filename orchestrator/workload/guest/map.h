/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a mapping is worth: where it is placed, which entries map it, and what
 * it costs to touch it and to map it for DMA.
 */
#ifndef ALIGNMENT_MAP_H
#define ALIGNMENT_MAP_H

#include "test.h"

/* Say and measure which range of the BAR it is, and where it is placed. */
void report_place(const struct test *test, const struct range *range,
		  const struct placed *placed);

/* Place the range and measure all there is to measure of it. */
void map_range(struct test *test, const struct range *range,
	       enum placement placement);

#endif /* ALIGNMENT_MAP_H */
