/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measurements, one JSON object on each line of a file.
 */
#ifndef ALIGNMENT_MEASUREMENTS_H
#define ALIGNMENT_MEASUREMENTS_H

#include <stdbool.h>
#include <linux/types.h>

/* What a measurement is of. */
struct subject {
	const char *device;
	int bar;
	const char *test;
};

/*
 * path may be NULL: then nothing is written.  Otherwise each line is written
 * out at once, so that a guest that dies loses nothing.  0 or -errno.
 */
int __measurements_open(const char *path);

/* exact: equal on every run and every accelerator. */
void measured(const struct subject *subject, const char *name, __u64 value,
	      const char *unit, bool exact);

/* Whether all lines could be written so far.  0 or -EIO. */
int __measurements_written(void);

#endif /* ALIGNMENT_MEASUREMENTS_H */
