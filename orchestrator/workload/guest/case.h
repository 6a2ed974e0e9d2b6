/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One test case: one placement of one BAR.
 */
#ifndef ALIGNMENT_CASE_H
#define ALIGNMENT_CASE_H

#include <stdbool.h>

#include "bar.h"
#include "placement.h"
#include "vfio.h"

/* How deep the lines of a case are nested. */
#define CASE_DEPTH	2

#define WHY_LENGTH	256

/*
 * Measure all there is to measure, and write it out.  False where some of it
 * could not be done: why says what failed first, diagnostics say all that
 * did, and the rest counts.
 */
bool case_run(const char *device, const struct vfio *vfio,
	      const struct bar *bar, enum placement placement,
	      char why[WHY_LENGTH]);

#endif /* ALIGNMENT_CASE_H */
