// SPDX-License-Identifier: GPL-2.0-only
/* iomem_harness FILE FIRST LAST: what else is in the page of this BAR. */
#include <stdlib.h>

#include "lib/page_sharers.c"

int main(int argc, char **argv)
{
	FILE *iomem = argc == 4 ? fopen(argv[1], "r") : NULL;
	char name[SHARER_LENGTH];
	struct span span;
	bool reserved;
	int ret;

	if (!iomem)
		return 2;
	span.first = strtoull(argv[2], NULL, 16);
	span.last = strtoull(argv[3], NULL, 16);
	ret = __parse_iomem(iomem, &span, name, &reserved);
	fclose(iomem);
	printf("%d %d %s\n", ret, reserved, name);
	return 0;
}
