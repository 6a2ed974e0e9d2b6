/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measurements, one JSON object on each line of a file.
 */
#ifndef ALIGNMENT_MEASUREMENTS_H
#define ALIGNMENT_MEASUREMENTS_H

#include <stdbool.h>
#include <linux/types.h>

/* What was measured. */
struct subject {
	const char *device;
	int bar;
	const char *test;
};

/*
 * path may be NULL: then nothing is written.  Otherwise each line is written at
 * once, so that nothing is lost if the guest crashes.  0 or -errno.
 */
int __measurements_open(const char *path);

/* exact: the same in every run and with every accelerator. */
void measured(const struct subject *subject, const char *name, __u64 value,
	      const char *unit, bool exact);

/* Whether all lines could be written so far.  0 or -EIO. */
int __measurements_written(void);

#endif /* ALIGNMENT_MEASUREMENTS_H */
