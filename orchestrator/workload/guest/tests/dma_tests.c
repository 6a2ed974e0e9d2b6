// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of the group dma.
 */
#include "tests.h"

#define DMA_TEST(_name, _mode, _run, _variant) {	\
	.name = "dma." _name,				\
	.placement = NO_PLACEMENT,			\
	.mode = _mode,					\
	.needs_iommu = true,				\
	.run = _run,					\
	.variant = _variant,				\
}

#define DMA_TESTS(_name, _mode)						\
	DMA_TEST(_name ".full", _mode, run_dma_map, PART_FULL),		\
	DMA_TEST(_name ".page", _mode, run_dma_map, PART_PAGE),		\
	DMA_TEST(_name ".pmd", _mode, run_dma_map, PART_PMD),		\
	DMA_TEST(_name ".misaligned", _mode, run_dma_map,		\
		 PART_MISALIGNED),					\
	DMA_TEST(_name ".read-only", _mode, run_dma_read_only, 0),	\
	DMA_TEST(_name ".slice", _mode, run_dma_slice, 0)

static const struct test_kind kinds[] = {
	DMA_TESTS("type1", MODE_TYPE1),
	DMA_TESTS("type1v2", MODE_TYPE1V2),
	DMA_TESTS("compat-type1", MODE_COMPAT_TYPE1),
	DMA_TESTS("compat-type1v2", MODE_COMPAT_TYPE1V2),
	DMA_TESTS("iommufd", MODE_IOMMUFD),
	DMA_TEST("dma-buf.export", MODE_TYPE1V2, run_dma_buf_export, 0),
	DMA_TEST("dma-buf.map", MODE_IOMMUFD, run_dma_buf_map, 0),
	DMA_TEST("dma-buf.disable", MODE_IOMMUFD, run_dma_buf_disable, 0),
	DMA_TEST("dma-buf.close", MODE_IOMMUFD, run_dma_buf_close, 0),
};

const struct test_list dma_tests = { kinds, ARRAY_SIZE(kinds) };
