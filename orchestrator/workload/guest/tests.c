// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "tests.h"

const struct test_list * const test_lists[NR_GROUPS] = {
	[GROUP_MAP] = &map_tests,
	[GROUP_REPEAT] = &repeat_tests,
	[GROUP_RANDOM] = &random_tests,
	[GROUP_RANGES] = &ranges_tests,
	[GROUP_SUB_PAGE] = &sub_page_tests,
	[GROUP_CONTENT] = &content_tests,
	[GROUP_DMA] = &dma_tests,
	[GROUP_LIFE] = &life_tests,
	[GROUP_SPLIT] = &split_tests,
	[GROUP_STAGE2] = &stage2_tests,
	[GROUP_VMM] = &vmm_tests,
};

static bool chosen(const struct options *options,
		   const struct test_kind *kind)
{
	return kind->placement == NO_PLACEMENT ||
	       options->placements[kind->placement];
}

const struct test_kind *next_test(const struct options *options,
				  struct test_position *position)
{
	const struct test_list *list;
	const struct test_kind *kind;

	for (; position->group < NR_GROUPS; position->group++) {
		list = test_lists[position->group];
		if (!list || !options->groups[position->group])
			continue;
		while (position->kind < list->nr_kinds) {
			kind = &list->kinds[position->kind++];
			if (chosen(options, kind))
				return kind;
		}
		position->kind = 0;
	}
	return NULL;
}
