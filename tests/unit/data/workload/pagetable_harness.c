// SPDX-License-Identifier: GPL-2.0-only
/* pagetable_harness FILE START END: the entries of a dump, for the tests. */
#include "pagetable.c"
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct entries entries;
	FILE *dump = argc == 4 ? fopen(argv[1], "r") : NULL;
	int ret;

	if (!dump)
		return 2;
	ret = __entries_parse(dump, strtoull(argv[2], NULL, 16),
			      strtoull(argv[3], NULL, 16), &entries);
	fclose(dump);
	printf("%d %llu %llu %llu %llu %llu\n", ret, entries.pte, entries.pmd,
	       entries.pud, entries.mapped, entries.contiguous);
	return 0;
}
