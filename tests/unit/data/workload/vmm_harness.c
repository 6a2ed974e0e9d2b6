// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm_harness initrd FILE
 * vmm_harness ram PTE PMD PUD SIZE
 *
 * Writes the root of an inner guest; or prints the entries that are left of
 * those, if the BAR has SIZE bytes.
 */
#include "tests/vmm.c"

#include <stdlib.h>

#include "lib/initrd.h"

static __u64 number(const char *text)
{
	return strtoull(text, NULL, 0);
}

int main(int argc, char **argv)
{
	struct stage2 stage2;

	if (argc == 3 && !strcmp(argv[1], "initrd"))
		return -__initrd_write(argv[2]);
	if (argc != 6)
		return 2;
	stage2.pte = number(argv[2]);
	stage2.pmd = number(argv[3]);
	stage2.pud = number(argv[4]);
	remove_ram(&stage2, number(argv[5]));
	printf("%llu %llu %llu\n", stage2.pte, stage2.pmd, stage2.pud);
	return 0;
}
