/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An mmap in a process that was just exec'ed, so that all which is random in
 * a process is drawn anew: the only way to see what address space layout
 * randomisation does to a placement.
 */
#ifndef ALIGNMENT_FRESH_H
#define ALIGNMENT_FRESH_H

#include <stdbool.h>
#include <linux/types.h>

#include "placement.h"

/* The program's first argument where it is such a process. */
#define FRESH_MMAP	"--fresh-mmap"

/* Where the processes come from, and how they report. */
struct fresh {
	int program;		/* a copy of this program, in memory */
	int pipe[2];
};

/* What the kernel did in one of them. */
struct fresh_mmap {
	int error;		/* -errno, or 0 */
	__u64 address;
	bool down;		/* addresses are given out from the top down */
};

/*
 * From here on, what this process execs has random addresses, given out from
 * the top down, or from the bottom up as in the legacy layout.  0 or -errno.
 */
int __fresh_open(struct fresh *fresh, bool down);

/* Map the range with no hint, in a process of its own.  0 or -errno. */
int __fresh_mmap(const struct fresh *fresh, const struct range *range,
		 struct fresh_mmap *result);

/* What such a process does instead of all else; returns its exit status. */
int fresh_main(int argc, char **argv);

#endif /* ALIGNMENT_FRESH_H */
