// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/mman.h>

#include "lib/access.h"
#include "lib/levels.h"
#include "lib/page_tags.h"

/* Odd: the words of different page numbers are different, modulo 2^32. */
#define MIXER		0x9e3779b1U

static __u32 word_for(__u64 offset)
{
	return ((__u32)(offset / PTE_SIZE) + 1) * MIXER;
}

void page_tags_add(struct page_tags *tags, __u64 offset)
{
	const struct range *range = &tags->range;
	int i;

	if (offset < range->offset ||
	    offset >= range->offset + range->length ||
	    tags->count == MAX_PAGE_TAGS)
		return;
	for (i = 0; i < tags->count; i++)
		if (tags->tags[i].offset == offset)
			return;
	tags->tags[tags->count++] = (struct page_tag) {
		.offset = offset,
		.word = word_for(offset),
	};
}

int __page_tag_write(const struct page_tags *tags, const struct page_tag *tag)
{
	return __file_write(&tags->range, tag->offset, &tag->word,
			    sizeof(tag->word));
}

/* The tag counts as written before the write, even if the write fails. */
static int __swap_in(struct page_tags *tags)
{
	struct page_tag *tag = &tags->tags[tags->written];
	int ret;

	ret = __file_read(&tags->range, tag->offset, &tag->before,
			  sizeof(tag->before));
	if (ret)
		return ret;
	tags->written++;
	return __page_tag_write(tags, tag);
}

/*
 * Whether the tags from this one on can be read back.  With all tags written,
 * this shows whether every page has memory of its own.
 */
static int __read_back(struct page_tags *tags, int from)
{
	__u32 word;
	int i, ret;

	for (i = from; i < tags->written; i++) {
		ret = __file_read(&tags->range, tags->tags[i].offset, &word,
				  sizeof(word));
		if (ret)
			return ret;
		tags->kept &= word == tags->tags[i].word;
	}
	return 0;
}

int __page_tags_write(struct page_tags *tags)
{
	int ret = 0, restored = 0;

	tags->kept = tags->range.prot & PROT_WRITE;
	while (!ret && tags->kept && tags->written < tags->count) {
		ret = __swap_in(tags);
		if (!ret)
			ret = __read_back(tags, tags->written - 1);
	}
	if (!ret && tags->kept)
		ret = __read_back(tags, 0);
	if (ret)
		tags->kept = false;
	if (!tags->kept)
		restored = __page_tags_restore(tags);
	return ret ? ret : restored;
}

int __page_tags_restore(struct page_tags *tags)
{
	struct page_tag *tag;
	int error, ret = 0;

	while (tags->written) {
		tag = &tags->tags[--tags->written];
		error = __file_write(&tags->range, tag->offset, &tag->before,
				     sizeof(tag->before));
		if (!ret)
			ret = error;
	}
	return ret;
}
