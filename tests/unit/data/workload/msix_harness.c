// SPDX-License-Identifier: GPL-2.0-only
/*
 * msix_harness: config space on stdin; prints BAR, offset and length of the
 * table and then of the pending bits, or nothing if there is no MSI-X.
 */
#include <stdio.h>

#include "lib/msix.c"

static void print_part(const struct msix_part *part)
{
	printf("%d %llu %llu\n", part->bar, part->offset, part->length);
}

int main(void)
{
	__u8 config[CONFIG_SIZE];
	struct msix msix;

	if (fread(config, sizeof(config), 1, stdin) != 1)
		return 2;
	if (!msix_parse(config, &msix))
		return 0;
	print_part(&msix.table);
	print_part(&msix.pending);
	return 0;
}
