/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Some words of a BAR that differ from page to page, written through the
 * region's file: whoever reads them through a mapping knows which page it
 * shows.  Only a BAR with memory behind it keeps them.
 */
#ifndef ALIGNMENT_TAGS_H
#define ALIGNMENT_TAGS_H

#include <stdbool.h>
#include <linux/types.h>

#include "placement.h"

#define MAX_TAGS	16

struct tag {
	__u64 offset;		/* in the BAR, of a page */
	__u32 word;
	__u32 before;
};

struct tags {
	struct range range;
	bool kept;		/* the BAR reads as what was written */
	int written;		/* so many hold what was there before */
	int count;
	struct tag tags[MAX_TAGS];
};

/* A page inside the range is to get a tag; twice the same one is once. */
void tags_add(struct tags *tags, __u64 offset);

/*
 * Write them.  Where the BAR does not keep every one of them, or that failed,
 * all is put back at once and kept is false; it is false, too, where the
 * range must not be written.  0 or -errno.
 */
int __tags_write(struct tags *tags);

/*
 * Put back what was there before, whether it was kept or not, the last one
 * first, since pages may share memory.  All are tried.  0 or -errno.
 */
int __tags_restore(struct tags *tags);

/* One tag again, as after somebody wrote to its page.  0 or -errno. */
int __tag_write(const struct tags *tags, const struct tag *tag);

#endif /* ALIGNMENT_TAGS_H */
