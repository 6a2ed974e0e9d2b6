// SPDX-License-Identifier: GPL-2.0-only
/*
 * sample_pages_harness OFFSET LENGTH ADDRESS SEED: prints the boundaries of
 * 2 MiB and of 1 GiB, and then the sample pages in their order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/random_range.c"
#include "lib/sample_pages.c"

int main(int argc, char **argv)
{
	struct range range = { 0 };
	struct sample_pages sample;
	size_t i;

	if (argc != 5)
		return 2;
	range.offset = strtoull(argv[1], NULL, 0);
	range.length = strtoull(argv[2], NULL, 0);
	if (__sample_pages_choose(&range, strtoull(argv[3], NULL, 0),
			   strtoull(argv[4], NULL, 0), &sample))
		return 1;
	printf("%llu %llu\n", sample.pmd_boundaries, sample.pud_boundaries);
	for (i = 0; i < sample.count; i++)
		printf("%llu\n", sample.offsets[i]);
	sample_pages_free(&sample);
	return 0;
}
