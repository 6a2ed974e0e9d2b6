// SPDX-License-Identifier: GPL-2.0-only
#include "draw.h"
#include "levels.h"

/*
 * A Weyl sequence, each number of it mixed by MurmurHash3's finaliser with
 * David Stafford's constants: "splitmix64".
 */
static __u64 next(struct draw *draw)
{
	__u64 mixed = draw->state += 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
	return mixed ^ (mixed >> 31);
}

/* The modulo's bias is below 2^-32 for all that is drawn here. */
__u64 draw_number(struct draw *draw, __u64 count)
{
	return next(draw) % count;
}

static __u64 draw_level(struct draw *draw)
{
	static const __u64 levels[] = { PTE_SIZE, PMD_SIZE, PUD_SIZE };

	return levels[draw_number(draw, 3)];
}

/* In pages, 1 to `pages`. */
static __u64 draw_magnitude(struct draw *draw, __u64 pages)
{
	int magnitudes = 64 - __builtin_clzll(pages);
	__u64 least = 1ULL << draw_number(draw, magnitudes);
	__u64 drawn = least + draw_number(draw, least);

	return drawn < pages ? drawn : pages;
}

static __u64 round_down(__u64 value, __u64 size)
{
	return value & ~(size - 1);
}

void draw_part(struct draw *draw, const struct range *range,
	       struct range *part)
{
	__u64 pages = range->length / PTE_SIZE;
	__u64 length = draw_magnitude(draw, pages) * PTE_SIZE;
	__u64 rounded = round_down(length, draw_level(draw));
	__u64 offset;

	if (rounded)
		length = rounded;
	pages -= length / PTE_SIZE;
	offset = range->offset + draw_number(draw, pages + 1) * PTE_SIZE;
	rounded = round_down(offset, draw_level(draw));
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
