/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every test that there is, in the order in which they run.  The names are
 * known to orchestrator/workload/alignment/tests.py, too.
 */
#ifndef ALIGNMENT_TESTS_H
#define ALIGNMENT_TESTS_H

#include "test.h"

struct test_list {
	const struct test_kind *kinds;
	int nr_kinds;
};

extern const struct test_list map_tests;
extern const struct test_list repeat_tests;
extern const struct test_list random_tests;
extern const struct test_list ranges_tests;
extern const struct test_list dma_tests;
extern const struct test_list content_tests;
extern const struct test_list sub_page_tests;
extern const struct test_list life_tests;
extern const struct test_list split_tests;

/* By enum test_group, see options.h. */
extern const struct test_list * const test_lists[NR_GROUPS];

/*
 * The next kind of the groups and placements that were chosen; NULL after the
 * last.  The position begins with { 0 }.
 */
struct test_position {
	int group, kind;
};

const struct test_kind *next_test(const struct options *options,
				  struct test_position *position);

#endif /* ALIGNMENT_TESTS_H */
