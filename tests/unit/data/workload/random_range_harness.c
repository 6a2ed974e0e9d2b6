// SPDX-License-Identifier: GPL-2.0-only
/*
 * random_range_harness SEED OFFSET LENGTH COUNT
 *
 * Chooses random parts of the range.  Prints offset, length, and whether the
 * part has room for a block of 2 MiB and of 1 GiB, on a line for each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/random_range.c"

int main(int argc, char **argv)
{
	struct range whole = { 0 }, part;
	struct random_source source;
	int i;

	if (argc != 5)
		return 2;
	source.state = strtoull(argv[1], NULL, 0);
	whole.offset = strtoull(argv[2], NULL, 0);
	whole.length = strtoull(argv[3], NULL, 0);
	for (i = 0; i < atoi(argv[4]); i++) {
		random_range(&source, &whole, &part);
		printf("%llu %zu %d %d\n", part.offset, part.length,
		       has_block(&part, PMD_SIZE), has_block(&part, PUD_SIZE));
	}
	return 0;
}
