/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests of the group `dma`; dma.c has the list of them.
 */
#ifndef ALIGNMENT_DMA_H
#define ALIGNMENT_DMA_H

#include "dma_check.h"
#include "test.h"

/* How much of the BAR is mapped for DMA, and at which address it is. */
enum dma_part {
	PART_FULL,		/* all, at the best address there is */
	PART_PAGE,		/* the first page */
	PART_PMD,		/* all, good for PMD entries alone */
	PART_MISALIGNED,	/* all, a page past the best address */
};

/* Map a BAR by its address; kind->variant is an enum dma_part. */
void run_dma_map(struct test *test);

/* What may not be written must not be mapped for DMA that writes. */
void run_dma_read_only(struct test *test);

/* Unmap a part of what was mapped. */
void run_dma_slice(struct test *test);

/* A BAR as a dma-buf, and that mapped for DMA. */
void run_dma_buf_export(struct test *test);
void run_dma_buf_map(struct test *test);
void run_dma_buf_disable(struct test *test);
void run_dma_buf_close(struct test *test);

/* Whether this mode maps BARs by address; iommufd takes only memory. */
bool dma_takes_bars(enum iommu_mode mode);

/*
 * What the mode takes: the BAR's range, or memory.  It is mapped with prot at
 * *address, and would have a place at dma->iova.  False where that failed.
 */
bool dma_make_source(struct test *test, int prot, struct dma *dma,
		     __u64 *address);

#endif /* ALIGNMENT_DMA_H */
