/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Report what is wrong with a pattern.
 */
#ifndef ALIGNMENT_PATTERN_REPORT_H
#define ALIGNMENT_PATTERN_REPORT_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/pattern.h"
#include "test.h"

/* Report an access that failed; what: "read" or another verb. */
void pattern_failed(struct test *test, const struct pattern *pattern,
		    const char *what, int error);

/*
 * Whether every sample page has its tag when it is read in this way; if not,
 * that is reported.  *right is the number of pages that have it.
 */
bool pattern_judge(struct test *test, struct pattern *pattern,
		   const char *name, enum pass pass, enum way way,
		   __u64 *right);

#endif /* ALIGNMENT_PATTERN_REPORT_H */
