// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map the range of the BAR with each placement.
 */
#include "lib/map_range.h"
#include "tests.h"

static void run_map(struct test *test)
{
	map_range(test, &test->bar->range, test->kind->placement);
}

static const struct test_kind kinds[] = {
	{ .name = "kernel", .placement = PLACE_KERNEL, .run = run_map },
	{ .name = "qemu", .placement = PLACE_QEMU, .run = run_map },
	{ .name = "qemu-v4", .placement = PLACE_QEMU_V4, .run = run_map },
	{
		.name = "cloud-hypervisor",
		.placement = PLACE_CLOUD_HYPERVISOR,
		.run = run_map,
	},
	{ .name = "offset", .placement = PLACE_OFFSET, .run = run_map },
	{ .name = "pmd", .placement = PLACE_PMD, .run = run_map },
	{ .name = "misaligned", .placement = PLACE_MISALIGNED, .run = run_map },
};

const struct test_list map_tests = { kinds, ARRAY_SIZE(kinds) };
