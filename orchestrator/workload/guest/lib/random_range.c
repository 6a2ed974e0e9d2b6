// SPDX-License-Identifier: GPL-2.0-only
#include "lib/levels.h"
#include "lib/random_range.h"

/*
 * "splitmix64": a Weyl sequence; MurmurHash3's finaliser, with David Stafford's
 * constants, mixes each number.
 */
static __u64 next(struct random_source *source)
{
	__u64 mixed = source->state += 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
	return mixed ^ (mixed >> 31);
}

/* The bias of the modulo is below 2^-32 for all counts that are used. */
__u64 random_number(struct random_source *source, __u64 count)
{
	return next(source) % count;
}

static __u64 random_level(struct random_source *source)
{
	static const __u64 levels[] = { PTE_SIZE, PMD_SIZE, PUD_SIZE };

	return levels[random_number(source, 3)];
}

/* A length in pages, from 1 to `pages`. */
static __u64 random_pages(struct random_source *source, __u64 pages)
{
	int magnitudes = 64 - __builtin_clzll(pages);
	__u64 least = 1ULL << random_number(source, magnitudes);
	__u64 length = least + random_number(source, least);

	return length < pages ? length : pages;
}

static __u64 round_down(__u64 value, __u64 size)
{
	return value & ~(size - 1);
}

void random_range(struct random_source *source, const struct range *range,
	       struct range *part)
{
	__u64 pages = range->length / PTE_SIZE;
	__u64 length = random_pages(source, pages) * PTE_SIZE;
	__u64 rounded = round_down(length, random_level(source));
	__u64 offset;

	if (rounded)
		length = rounded;
	pages -= length / PTE_SIZE;
	offset = range->offset + random_number(source, pages + 1) * PTE_SIZE;
	rounded = round_down(offset, random_level(source));
	if (rounded >= range->offset)
		offset = rounded;
	*part = *range;
	part->offset = offset;
	part->length = length;
}

bool has_block(const struct range *range, __u64 size)
{
	__u64 first = round_down(range->offset + size - 1, size);

	return first + size <= range->offset + range->length;
}
