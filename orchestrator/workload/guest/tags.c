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

/* From the first write on it counts as written, whatever becomes of it. */
static int __swap_in(struct tags *tags)
{
	struct tag *tag = &tags->tags[tags->written];
	int ret;

	ret = __file_read(&tags->range, tag->offset, &tag->before,
			  sizeof(tag->before));
	if (ret)
		return ret;
	tags->written++;
	return __tag_write(tags, tag);
}

/* Whether these are there.  At the end: has every page memory of its own? */
static int __read_back(struct tags *tags, int from)
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

int __tags_write(struct tags *tags)
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
		restored = __tags_restore(tags);
	return ret ? ret : restored;
}

int __tags_restore(struct tags *tags)
{
	struct tag *tag;
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
