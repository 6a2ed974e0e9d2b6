// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "draw.h"
#include "levels.h"
#include "spots.h"

#define NR_RANDOM	4096

/* Pages of the range, by number: which of them are spots. */
struct marks {
	unsigned char *bytes;	/* a bit for each page */
	__u64 pages;
	__u64 count;
};

static void mark(struct marks *marks, __u64 page)
{
	unsigned char bit = 1 << page % 8;

	if (marks->bytes[page / 8] & bit)
		return;
	marks->bytes[page / 8] |= bit;
	marks->count++;
}

/*
 * The range begins at `start`, an address or an offset; mark both sides of
 * every multiple of `size` that lies inside.  Returns their number.
 */
static __u64 mark_boundaries(struct marks *marks, __u64 start, __u64 size)
{
	__u64 count = 0;
	__u64 page;

	for (page = (size - start % size) / PTE_SIZE; page < marks->pages;
	     page += size / PTE_SIZE) {
		mark(marks, page - 1);
		mark(marks, page);
		count++;
	}
	return count;
}

static __u64 mark_both(struct marks *marks, const struct range *range,
		       __u64 address, __u64 size)
{
	__u64 count = mark_boundaries(marks, range->offset, size);

	if ((address - range->offset) % size)
		count += mark_boundaries(marks, address, size);
	return count;
}

/*
 * As many as make the total one that depends on the range's length alone, and
 * not on where the boundaries happen to fall.
 */
static void mark_random(struct marks *marks, struct draw *draw)
{
	__u64 blocks = marks->pages / (PMD_SIZE / PTE_SIZE) + 1;
	__u64 enough = 4 * blocks + NR_RANDOM;
	__u64 page;

	if (marks->pages > 2 * enough) {
		while (marks->count < enough)
			mark(marks, draw_number(draw, marks->pages));
		return;
	}
	for (page = 0; page < marks->pages; page++)
		mark(marks, page);
}

static void collect(const struct marks *marks, const struct range *range,
		    struct spots *spots)
{
	__u64 page;

	for (page = 0; page < marks->pages; page++)
		if (marks->bytes[page / 8] & 1 << page % 8)
			spots->offsets[spots->count++] =
				range->offset + page * PTE_SIZE;
}

static void shuffle(struct spots *spots, struct draw *draw)
{
	__u64 *offsets = spots->offsets;
	__u64 offset;
	size_t i, j;

	for (i = spots->count; i > 1; i--) {
		j = draw_number(draw, i);
		offset = offsets[i - 1];
		offsets[i - 1] = offsets[j];
		offsets[j] = offset;
	}
}

int __spots_choose(const struct range *range, __u64 address, __u64 seed,
		   struct spots *spots)
{
	struct marks marks = { .pages = range->length / PTE_SIZE };
	struct draw draw = { seed };

	*spots = (struct spots) { 0 };
	marks.bytes = calloc(marks.pages / 8 + 1, 1);
	if (!marks.bytes)
		return -ENOMEM;
	mark(&marks, 0);
	mark(&marks, marks.pages - 1);
	spots->pmd_boundaries = mark_both(&marks, range, address, PMD_SIZE);
	spots->pud_boundaries = mark_both(&marks, range, address, PUD_SIZE);
	mark_random(&marks, &draw);
	spots->offsets = calloc(marks.count, sizeof(*spots->offsets));
	if (spots->offsets) {
		collect(&marks, range, spots);
		shuffle(spots, &draw);
	}
	free(marks.bytes);
	return spots->offsets ? 0 : -ENOMEM;
}

void spots_free(struct spots *spots)
{
	free(spots->offsets);
}
