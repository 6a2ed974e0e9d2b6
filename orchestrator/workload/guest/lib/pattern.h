/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pattern in the RAM behind a BAR: a tag in the first word of each sample
 * page, written in one way and read in the other.  A tag is computed from the
 * seed, the pass and the offset in the BAR.  So a tag that is found in a wrong
 * place shows where it was written.
 */
#ifndef ALIGNMENT_PATTERN_H
#define ALIGNMENT_PATTERN_H

#include <stddef.h>
#include <linux/types.h>

#include "lib/placement.h"
#include "lib/sample_pages.h"
#include "lib/vm.h"

enum way {
	BY_FILE,		/* pread() and pwrite() */
	BY_MAPPING,
	BY_VM,			/* the vCPU of a virtual machine */
};

/* Each has tags of its own. */
enum pass {
	PASS_FRESH,		/* write the file, read a fresh mapping */
	PASS_MAPPED,		/* the same, with every page already mapped */
	PASS_BACK,		/* write the mapping, read the file */
	PASS_ZAPPED,		/* write the file, read through new entries */
	PASS_REMAPPED,		/* the same, after munmap and mmap */
	PASS_WRITTEN,		/* write the mapping, by write faults */
	NR_PASSES,
};

struct pattern {
	const struct range *range;
	__u64 address;		/* of the mapping */
	struct vm *vm;		/* whose window is the range; NULL for none */
	__u64 seed;
	struct sample_pages sample;
	__u64 *before;		/* the original word of each sample page */
	/* The way and the offset of the last access, for error messages. */
	enum way way;
	__u64 offset;
};

/* The wrong pages of one pass, and the first of them in the BAR. */
struct wrong {
	__u64 count;
	__u64 offset;
	__u64 expected, found;
};

/* Save what is there before anything is written, by the file.  0 or -errno. */
int __pattern_save(struct pattern *pattern);

/* Restore it, by the file.  All pages are tried, even if one fails. */
int __pattern_restore(struct pattern *pattern);

/* Write the tag of every sample page. */
int __pattern_write(struct pattern *pattern, enum way way, enum pass pass);

/* Compare every sample page with the tag that this pass wrote to it. */
int __pattern_check(struct pattern *pattern, enum way way, enum pass pass,
		    struct wrong *wrong);

#define ORIGIN_LENGTH	80

/* Describe what was found instead of a tag of this pass. */
const char *pattern_origin(const struct pattern *pattern, enum pass pass,
			   const struct wrong *wrong,
			   char text[ORIGIN_LENGTH]);

#endif /* ALIGNMENT_PATTERN_H */
