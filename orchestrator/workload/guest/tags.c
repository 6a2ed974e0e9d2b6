// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/mman.h>

#include "access.h"
#include "levels.h"
#include "tags.h"

/* Odd: numbers of pages that differ stay different, modulo 2^32. */
#define MIXER		0x9e3779b1U

static __u32 word_for(__u64 offset)
{
	return ((__u32)(offset / PTE_SIZE) + 1) * MIXER;
}

void tags_add(struct tags *tags, __u64 offset)
{
	const struct range *range = &tags->range;
	int i;

	if (offset < range->offset ||
	    offset >= range->offset + range->length ||
	    tags->count == MAX_TAGS)
		return;
	for (i = 0; i < tags->count; i++)
		if (tags->tags[i].offset == offset)
			return;
	tags->tags[tags->count++] = (struct tag) {
		.offset = offset,
		.word = word_for(offset),
	};
}

int __tag_write(const struct tags *tags, const struct tag *tag)
{
	return __file_write(&tags->range, tag->offset, &tag->word,
			    sizeof(tag->word));
}

static int __swap_in(const struct tags *tags, struct tag *tag, bool *kept)
{
	__u32 word = 0;
	int ret;

	ret = __file_read(&tags->range, tag->offset, &tag->before,
			  sizeof(tag->before));
	if (!ret)
		ret = __tag_write(tags, tag);
	if (!ret)
		ret = __file_read(&tags->range, tag->offset, &word,
				  sizeof(word));
	*kept = word == tag->word;
	if (!ret && !*kept)
		ret = __file_write(&tags->range, tag->offset, &tag->before,
				   sizeof(tag->before));
	return ret;
}

/* Each once more at the end: does every page have memory of its own? */
static int __read_back(struct tags *tags)
{
	__u32 word;
	int i, ret;

	for (i = 0; i < tags->count; i++) {
		ret = __file_read(&tags->range, tags->tags[i].offset, &word,
				  sizeof(word));
		if (ret)
			return ret;
		tags->kept &= word == tags->tags[i].word;
	}
	return 0;
}

int __tags_write(struct tags *tags)
{
	int i, ret;

	tags->kept = tags->range.prot & PROT_WRITE;
	for (i = 0; tags->kept && i < tags->count; i++) {
		ret = __swap_in(tags, &tags->tags[i], &tags->kept);
		if (ret)
			return ret;
	}
	return tags->kept ? __read_back(tags) : 0;
}

int __tags_restore(const struct tags *tags)
{
	int i, ret;

	for (i = 0; tags->kept && i < tags->count; i++) {
		ret = __file_write(&tags->range, tags->tags[i].offset,
				   &tags->tags[i].before,
				   sizeof(tags->tags[i].before));
		if (ret)
			return ret;
	}
	return 0;
}
