/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Words that differ from page to page of a BAR, written through the region's
 * file: a read through a mapping then shows which page is mapped.  Only a BAR
 * that is backed by memory keeps them.
 */
#ifndef ALIGNMENT_PAGE_TAGS_H
#define ALIGNMENT_PAGE_TAGS_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/placement.h"

#define MAX_PAGE_TAGS	16

struct page_tag {
	__u64 offset;		/* in the BAR, of a page */
	__u32 word;
	__u32 before;
};

struct page_tags {
	struct range range;
	bool kept;		/* the BAR reads as what was written */
	int written;		/* how many tags have a valid `before` */
	int count;
	struct page_tag tags[MAX_PAGE_TAGS];
};

/*
 * Choose a page for a tag.  Does nothing if the page is outside the range or
 * already chosen.
 */
void page_tags_add(struct page_tags *tags, __u64 offset);

/*
 * Write all tags.  If the BAR does not keep each of them, or a write failed,
 * everything is restored at once and `kept` is false.  `kept` is also false if
 * the range must not be written.  0 or -errno.
 */
int __page_tags_write(struct page_tags *tags);

/*
 * Restore what was there before, whether it was kept or not.  The last tag is
 * restored first, since pages may share memory.  All are tried.  0 or -errno.
 */
int __page_tags_restore(struct page_tags *tags);

/* Write one tag again, after its page was overwritten.  0 or -errno. */
int __page_tag_write(const struct page_tags *tags,
		     const struct page_tag *tag);

#endif /* ALIGNMENT_PAGE_TAGS_H */
