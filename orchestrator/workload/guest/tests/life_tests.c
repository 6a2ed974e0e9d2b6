// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lists of the groups life and split.
 */
#include "lib/life.h"
#include "tests.h"

#define KIND(name_, run_, variant_, ...)	\
	{					\
		.name = name_,			\
		.placement = NO_PLACEMENT,	\
		.run = run_,			\
		.variant = variant_,		\
		__VA_ARGS__			\
	}
#define AT(name, run, part)	KIND("life." name, run, part)
/* With entries of the largest level that fits, with PMD entries, with PTEs. */
#define LIFE(name, run)				\
	AT(name, run, LIFE_PUD),		\
	AT(name "-pmd", run, LIFE_PMD),		\
	AT(name "-pte", run, LIFE_PTE)
#define NEEDS_IOMMU(name, run, part)		\
	KIND("life." name, run, part, .needs_iommu = true)
#define SPLIT(name, run)	KIND("split." name, run, LIFE_SPLIT)

static const struct test_kind life_kinds[] = {
	LIFE("flags", run_life_flags),
	LIFE("munmap", run_life_munmap),
	LIFE("mprotect", run_life_mprotect),
	LIFE("madvise", run_life_madvise),
	LIFE("mremap", run_life_mremap),
	LIFE("mremap-part", run_life_mremap_part),
	LIFE("fork", run_life_fork),
	LIFE("threads", run_life_threads),
	LIFE("memory-disable", run_life_disable),
	LIFE("memory-race", run_life_race),
	LIFE("reset", run_life_reset),
	LIFE("close", run_life_close),
	NEEDS_IOMMU("dma", run_life_dma, LIFE_PUD),
	NEEDS_IOMMU("dma-pmd", run_life_dma, LIFE_PMD),
	NEEDS_IOMMU("dma-pte", run_life_dma, LIFE_PTE),
};

const struct test_list life_tests = { life_kinds, ARRAY_SIZE(life_kinds) };

/*
 * A page in the middle of a PUD entry becomes an area of its own.  These tests
 * are a separate group, since kernels from 6.12 to 7.3 oops in them:
 * mm/rmap.c: mm_find_pmd() takes the device's memory, which the PUD entry maps,
 * for a page table, and split_huge_pmd_address() reads an entry from it.
 */
static const struct test_kind split_kinds[] = {
	SPLIT("munmap", run_life_munmap),
	SPLIT("mprotect", run_life_mprotect),
	SPLIT("mremap", run_life_mremap_part),
	SPLIT("fork", run_life_dontfork),
};

const struct test_list split_tests = { split_kinds, ARRAY_SIZE(split_kinds) };
