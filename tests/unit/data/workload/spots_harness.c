// SPDX-License-Identifier: GPL-2.0-only
/*
 * spots_harness OFFSET LENGTH ADDRESS SEED: prints the boundaries of 2 MiB and
 * of 1 GiB, and then the spots in their order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "draw.c"
#include "spots.c"

int main(int argc, char **argv)
{
	struct range range = { 0 };
	struct spots spots;
	size_t i;

	if (argc != 5)
		return 2;
	range.offset = strtoull(argv[1], NULL, 0);
	range.length = strtoull(argv[2], NULL, 0);
	if (__spots_choose(&range, strtoull(argv[3], NULL, 0),
			   strtoull(argv[4], NULL, 0), &spots))
		return 1;
	printf("%llu %llu\n", spots.pmd_boundaries, spots.pud_boundaries);
	for (i = 0; i < spots.count; i++)
		printf("%llu\n", spots.offsets[i]);
	spots_free(&spots);
	return 0;
}
