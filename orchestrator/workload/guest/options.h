/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program's command line.
 */
#ifndef ALIGNMENT_OPTIONS_H
#define ALIGNMENT_OPTIONS_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/placement.h"
#include "lib/sysfs.h"

/* Groups of tests, in the order in which they run. */
enum test_group {
	GROUP_MAP,
	GROUP_REPEAT,
	GROUP_RANDOM,
	GROUP_RANGES,
	GROUP_SUB_PAGE,
	GROUP_CONTENT,
	GROUP_DMA,
	GROUP_LIFE,
	GROUP_SPLIT,
	GROUP_STAGE2,
	GROUP_VMM,
	NR_GROUPS,
};

extern const char * const group_names[NR_GROUPS];

struct options {
	const char *device;		/* PCI address */
	bool any_bar;			/* no BAR was named: use all */
	bool bars[NR_BARS];
	bool placements[NR_PLACEMENTS];
	bool groups[NR_GROUPS];
	bool list;			/* only print the names of the tests */
	bool no_dump;			/* the kernel cannot show page tables */
	__u64 repeats;			/* mmaps of each test of GROUP_REPEAT */
	__u64 ranges;			/* of GROUP_RANDOM */
	__u64 seed;			/* of all that is random */
	bool has_hole;
	__u64 hole;			/* bytes; offset in the BAR of a page */
	__u64 offset;			/* bytes */
	__u64 length;			/* bytes; 0 for up to the BAR's end */
	const char *kernel;		/* directory with that of GROUP_VMM */
	const char *vmm_root;		/* NULL for the root of this guest */
	const char *vmm_log;		/* what the VMM writes goes there */
	char **vmm;			/* its command line */
	const char *measurements;	/* paths, NULL for none */
	const char *ktap;
};

/* If the command line is wrong, prints why and exits with USAGE_ERROR. */
void options_parse(int argc, char **argv, struct options *options);

#endif /* ALIGNMENT_OPTIONS_H */
