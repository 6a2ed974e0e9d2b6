// SPDX-License-Identifier: GPL-2.0-only
/*
 * draw_harness SEED OFFSET LENGTH COUNT
 *
 * Draws parts of the range.  Prints offset, length, and whether the part has
 * room for a block of 2 MiB and of 1 GiB, on a line for each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "draw.c"

int main(int argc, char **argv)
{
	struct range whole = { 0 }, part;
	struct draw draw;
	int i;

	if (argc != 5)
		return 2;
	draw.state = strtoull(argv[1], NULL, 0);
	whole.offset = strtoull(argv[2], NULL, 0);
	whole.length = strtoull(argv[3], NULL, 0);
	for (i = 0; i < atoi(argv[4]); i++) {
		draw_part(&draw, &whole, &part);
		printf("%llu %zu %d %d\n", part.offset, part.length,
		       has_block(&part, PMD_SIZE), has_block(&part, PUD_SIZE));
	}
	return 0;
}
