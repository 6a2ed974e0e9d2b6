/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a mapping is worth: where it is placed, which entries map it, and what
 * it costs to touch it and to map it for DMA.
 */
#ifndef ALIGNMENT_MAP_H
#define ALIGNMENT_MAP_H

#include "test.h"

/* Place the range and measure all there is to measure of it. */
void map_range(struct test *test, const struct range *range,
	       enum placement placement);

#endif /* ALIGNMENT_MAP_H */
