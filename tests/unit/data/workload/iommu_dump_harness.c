// SPDX-License-Identifier: GPL-2.0-only
/* iommu_dump_harness FILE DEVICE IOVA LENGTH PHYSICAL: for the tests. */
#include "lib/iommu_dump.c"

static __u64 number(const char *text)
{
	return strcmp(text, "any") ? strtoull(text, NULL, 16) : ANY_ADDRESS;
}

int main(int argc, char **argv)
{
	FILE *dump = argc == 6 ? fopen(argv[1], "r") : NULL;
	struct iommu_entries entries;
	struct iommu_range range;
	int ret;

	if (!dump)
		return 2;
	range.device = argv[2];
	range.iova = number(argv[3]);
	range.length = number(argv[4]);
	range.physical = number(argv[5]);
	ret = __iommu_dump_parse(dump, &range, &entries);
	fclose(dump);
	printf("%d %llu %llu %llu %llu %llu %llu %llu %llu\n", ret,
	       entries.nr_4k, entries.nr_2m, entries.nr_1g, entries.mapped,
	       entries.writable, entries.wrong, entries.wrong_iova,
	       entries.wrong_physical);
	return 0;
}
