/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ALIGNMENT_OPTIONS_H
#define ALIGNMENT_OPTIONS_H

#include <stdbool.h>
#include <linux/types.h>

#include "placement.h"
#include "sysfs.h"

struct options {
	const char *device;		/* PCI address */
	bool any_bar;			/* none was named: take all */
	bool bars[NR_BARS];
	bool placements[NR_PLACEMENTS];
	__u64 offset;			/* bytes */
	__u64 length;			/* bytes; 0 for up to the BAR's end */
	const char *measurements;	/* paths, NULL for none */
	const char *ktap;
};

/* Exits with a sentence and USAGE_ERROR where the command line is wrong. */
void options_parse(int argc, char **argv, struct options *options);

#endif /* ALIGNMENT_OPTIONS_H */
