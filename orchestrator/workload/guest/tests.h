/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All tests, in the order in which they run.
 * orchestrator/workload/alignment/tests.py has the same names.
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
extern const struct test_list stage2_tests;
extern const struct test_list vmm_tests;

/* By enum test_group, see options.h. */
extern const struct test_list * const test_lists[NR_GROUPS];

/*
 * The next kind of the chosen groups and placements; NULL after the last.
 * Initialise the position with { 0 }.
 */
struct test_position {
	int group, kind;
};

const struct test_kind *next_test(const struct options *options,
				  struct test_position *position);

/* The functions of the group dma; tests/dma_tests.c has the list. */

/* How much of the BAR is mapped for DMA, and at which address it is mapped. */
enum dma_part {
	PART_FULL,		/* all, at the best address */
	PART_PAGE,		/* the first page */
	PART_PMD,		/* all, good for PMD entries only */
	PART_MISALIGNED,	/* all, a page past the best address */
};

/* Map a BAR by its virtual address; kind->variant is an enum dma_part. */
void run_dma_map(struct test *test);

/* A read-only mmap must not be mapped for DMA that writes. */
void run_dma_read_only(struct test *test);

/* Unmap a part of what was mapped. */
void run_dma_slice(struct test *test);

/* Export a BAR as a dma-buf, and map the dma-buf for DMA. */
void run_dma_buf_export(struct test *test);
void run_dma_buf_map(struct test *test);
void run_dma_buf_disable(struct test *test);
void run_dma_buf_close(struct test *test);

/*
 * The functions of the groups life and split; tests/life_tests.c has the lists.
 * kind->variant is an enum life_part, see lib/life.h.
 */
void run_life_flags(struct test *test);
void run_life_munmap(struct test *test);
void run_life_mprotect(struct test *test);
void run_life_madvise(struct test *test);
void run_life_mremap(struct test *test);
void run_life_mremap_part(struct test *test);
void run_life_fork(struct test *test);
void run_life_dontfork(struct test *test);
void run_life_threads(struct test *test);
void run_life_disable(struct test *test);
void run_life_race(struct test *test);
void run_life_reset(struct test *test);
void run_life_close(struct test *test);
void run_life_dma(struct test *test);

/* The group stage2; kind->variant is an enum placement. */
void run_stage2_content(struct test *test);
void run_stage2_race(struct test *test);

#endif /* ALIGNMENT_TESTS_H */
