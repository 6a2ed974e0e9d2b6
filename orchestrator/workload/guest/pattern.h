/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pattern in RAM behind a BAR: a tag in the first word of each spot, written
 * by one way to the BAR and read by the other.  A tag is made of the seed, the
 * pass and the offset in the BAR, so that one that is found where it does not
 * belong tells where it comes from.
 */
#ifndef ALIGNMENT_PATTERN_H
#define ALIGNMENT_PATTERN_H

#include <stddef.h>
#include <linux/types.h>

#include "placement.h"
#include "spots.h"

enum way {
	BY_FILE,		/* pread() and pwrite() */
	BY_MAPPING,
};

/* Each has tags of its own. */
enum pass {
	PASS_FRESH,		/* to the file, and from a fresh mapping */
	PASS_MAPPED,		/* once more, every page mapped before */
	PASS_BACK,		/* to the mapping, and from the file */
	PASS_ZAPPED,		/* to the file, and from entries made anew */
	PASS_REMAPPED,		/* the same, after munmap and mmap */
	PASS_WRITTEN,		/* to the mapping, by faults that write */
	NR_PASSES,
};

struct pattern {
	const struct range *range;
	__u64 address;		/* where it is mapped */
	__u64 seed;
	struct spots spots;
	__u64 *before;		/* what was there, for each spot */
	/* The way and the offset of the last access, for when it failed. */
	enum way way;
	__u64 offset;
};

/* The wrong pages of one pass, and the first of them in the BAR. */
struct wrong {
	__u64 count;
	__u64 offset;
	__u64 expected, found;
};

/* Read what is there before anything is written, by the file.  0 or -errno. */
int __pattern_save(struct pattern *pattern);

/* Put it back, by the file; what cannot be put back does not stop the rest. */
int __pattern_restore(struct pattern *pattern);

/* Tag every spot. */
int __pattern_write(struct pattern *pattern, enum way way, enum pass pass);

/* Hold every spot against the tag that it got in this pass. */
int __pattern_check(struct pattern *pattern, enum way way, enum pass pass,
		    struct wrong *wrong);

#define ORIGIN_LENGTH	80

/* What it is that was found in the place of a tag of this pass. */
const char *pattern_origin(const struct pattern *pattern, enum pass pass,
			   const struct wrong *wrong,
			   char text[ORIGIN_LENGTH]);

#endif /* ALIGNMENT_PATTERN_H */
