// SPDX-License-Identifier: GPL-2.0-only
/*
 * ranges_harness PART SIZE OFFSET LENGTH HOLE TABLE PENDING [START END]...
 *
 * Which range the group ranges maps of a BAR 0 of that size: PART is 0 for
 * before and 1 for after; the next three are the options --offset, --length
 * and --hole; TABLE and PENDING are the offsets of the MSI-X table of 256
 * entries and of its pending bits, -1 for none.  The areas that VFIO maps
 * follow, if not all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/map_range.h"
#include "lib/msix.h"
#include "lib/vfio_region.h"
#include "test_stub.h"

static __u64 areas[8];
static int nr_areas;
static long long table, pending;

static void widen(struct region *region, __u64 start, __u64 end)
{
	if (start >= end || end - start <= region->area_size)
		return;
	region->area_offset = start;
	region->area_size = end - start;
}

int __vfio_region(const struct vfio *vfio, int bar, __u64 start, __u64 end,
		  struct region *region)
{
	int i;

	(void)vfio;
	(void)bar;
	memset(region, 0, sizeof(*region));
	region->msix_mappable = !getenv("NO_MSIX_CAP");
	for (i = 0; i < nr_areas; i += 2)
		widen(region, areas[i] > start ? areas[i] : start,
		      areas[i + 1] < end ? areas[i + 1] : end);
	return 0;
}

int __msix_read(const struct vfio *vfio, struct msix *msix)
{
	(void)vfio;
	msix->table = (struct msix_part) { table < 0, table, 256 * 16 };
	msix->pending = (struct msix_part) { pending < 0, pending, 32 };
	return table < 0 && pending < 0 ? -ENOENT : 0;
}

void map_range(struct test *test, const struct range *range,
	       enum placement placement)
{
	(void)test;
	(void)placement;
	printf("map %llu %zu\n", range->offset, range->length);
}

#include "tests/ranges.c"

static __u64 number(const char *text)
{
	return strtoll(text, NULL, 0);
}

/* As bar.c finds the range. */
static void find_range(const struct options *options, struct bar *bar)
{
	struct region region;
	__u64 end = bar->size;

	if (options->length && options->offset + options->length < end)
		end = options->offset + options->length;
	__vfio_region(NULL, 0, options->offset, end, &region);
	bar->range.offset = region.area_offset;
	bar->range.length = region.area_size;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct outcome outcome = { 0 };
	struct bar bar = { 0 };
	struct test test = {
		.options = &options,
		.bar = &bar,
		.outcome = &outcome,
	};

	if (argc < 8)
		return 2;
	test.kind = &ranges_tests.kinds[ranges_tests.nr_kinds / 2 *
					number(argv[1])];
	bar.size = number(argv[2]);
	options.offset = number(argv[3]);
	options.length = number(argv[4]);
	options.has_hole = *argv[5] != '-';
	options.hole = number(argv[5]);
	table = number(argv[6]);
	pending = number(argv[7]);
	for (; nr_areas < argc - 8; nr_areas++)
		areas[nr_areas] = number(argv[8 + nr_areas]);
	if (!nr_areas) {
		areas[1] = bar.size;
		nr_areas = 2;
	}
	find_range(&options, &bar);
	test.kind->run(&test);
	return 0;
}
