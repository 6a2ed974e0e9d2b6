// SPDX-License-Identifier: GPL-2.0-only
/*
 * pagetable_harness FILE START END         the entries of a dump
 * pagetable_harness FILE START END PROT    what is wrong with their attributes,
 *                                          if PROT is mmap's protection, and
 *                                          the measurements
 */
#include <stdlib.h>

#include "test_stub.h"
#include "lib/attributes.c"
#include "lib/pagetable.c"

static void judge(const struct entries *entries, int prot)
{
	struct outcome outcome = { 0 };
	struct test test = { .outcome = &outcome };

	attributes_measure(&test, entries, prot);
}

int main(int argc, char **argv)
{
	struct entries entries;
	FILE *dump = argc >= 4 ? fopen(argv[1], "r") : NULL;
	int ret;

	if (!dump)
		return 2;
	ret = __entries_parse(dump, strtoull(argv[2], NULL, 16),
			      strtoull(argv[3], NULL, 16), &entries);
	fclose(dump);
	if (argc > 4) {
		judge(&entries, atoi(argv[4]));
		return ret;
	}
	printf("%d %llu %llu %llu %llu %llu\n", ret, entries.pte, entries.pmd,
	       entries.pud, entries.mapped, entries.contiguous);
	return 0;
}
