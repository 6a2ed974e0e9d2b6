// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/levels.h"
#include "lib/random_range.h"
#include "lib/sample_pages.h"

#define NR_RANDOM	4096

/* Which pages of the range are in the sample, by page number. */
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
 * Mark both sides of every multiple of `size` inside the range, which begins
 * at `start`, an address or an offset.  Returns the number of multiples.
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
 * Mark random pages until the total is a number that depends only on the
 * range's length, and not on where the boundaries are.
 */
static void mark_random(struct marks *marks, struct random_source *source)
{
	__u64 blocks = marks->pages / (PMD_SIZE / PTE_SIZE) + 1;
	__u64 enough = 4 * blocks + NR_RANDOM;
	__u64 page;

	if (marks->pages > 2 * enough) {
		while (marks->count < enough)
			mark(marks, random_number(source, marks->pages));
		return;
	}
	for (page = 0; page < marks->pages; page++)
		mark(marks, page);
}

static void collect(const struct marks *marks, const struct range *range,
		    struct sample_pages *sample)
{
	__u64 page;

	for (page = 0; page < marks->pages; page++)
		if (marks->bytes[page / 8] & 1 << page % 8)
			sample->offsets[sample->count++] =
				range->offset + page * PTE_SIZE;
}

static void shuffle(struct sample_pages *sample, struct random_source *source)
{
	__u64 *offsets = sample->offsets;
	__u64 offset;
	size_t i, j;

	for (i = sample->count; i > 1; i--) {
		j = random_number(source, i);
		offset = offsets[i - 1];
		offsets[i - 1] = offsets[j];
		offsets[j] = offset;
	}
}

int __sample_pages_choose(const struct range *range, __u64 address, __u64 seed,
			  struct sample_pages *sample)
{
	struct marks marks = { .pages = range->length / PTE_SIZE };
	struct random_source source = { .state = seed };

	*sample = (struct sample_pages) { 0 };
	marks.bytes = calloc(marks.pages / 8 + 1, 1);
	if (!marks.bytes)
		return -ENOMEM;
	mark(&marks, 0);
	mark(&marks, marks.pages - 1);
	sample->pmd_boundaries = mark_both(&marks, range, address, PMD_SIZE);
	sample->pud_boundaries = mark_both(&marks, range, address, PUD_SIZE);
	mark_random(&marks, &source);
	sample->offsets = calloc(marks.count, sizeof(*sample->offsets));
	if (sample->offsets) {
		collect(&marks, range, sample);
		shuffle(sample, &source);
	}
	free(marks.bytes);
	return sample->offsets ? 0 : -ENOMEM;
}

void sample_pages_free(struct sample_pages *sample)
{
	free(sample->offsets);
}
