/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Run the chosen tests on the chosen BARs.
 */
#ifndef ALIGNMENT_RUN_H
#define ALIGNMENT_RUN_H

#include "lib/bar.h"
#include "options.h"

/* What run_bars() returns if no BAR can be mapped. */
#define NOTHING_TO_MEASURE	4

/*
 * Run every test on every BAR, and report each.  `group` is the number of the
 * device's IOMMU group.  Returns an exit status, see lib/ktap.h, or
 * NOTHING_TO_MEASURE.
 */
int run_bars(const struct options *options, int group,
	     const struct bar *bars, int nr_bars);

#endif /* ALIGNMENT_RUN_H */
