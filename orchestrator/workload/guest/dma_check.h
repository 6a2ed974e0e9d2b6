/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold of a mapping for DMA while it is there, and after it.
 */
#ifndef ALIGNMENT_DMA_CHECK_H
#define ALIGNMENT_DMA_CHECK_H

#include "iommu_dump.h"
#include "test.h"

/* What is, or was, mapped for DMA. */
struct dma {
	__u64 iova;
	size_t length;
	__u64 physical;		/* or ANY_ADDRESS */
	int prot;		/* as for mmap */
};

/*
 * A free address for DMA of this length, that is good for the IOMMU's largest
 * pages: congruent to the physical one, if that is known, and never equal to
 * it, so that a translation that does nothing shows.  0 or -errno.
 */
int __dma_choose_iova(const struct test *test, struct dma *dma);

/*
 * Where the kernel does not show the IOMMU's page tables, all that is below
 * can hold nothing against them; it says so once.
 *
 * Every byte leads to the right physical address, and is writable only if it
 * was asked for.  Measures the IOMMU's page sizes; once in a test.
 */
void dma_measure_entries(struct test *test, const struct dma *dma);

/* The same without measurements. */
void dma_check_mapped(struct test *test, const struct dma *dma);

/* How many bytes have entries; false where the kernel does not show that. */
bool dma_count_mapped(struct test *test, const struct dma *dma, __u64 *bytes);

/* No byte is mapped any more, or ever was; when completes the sentence. */
void dma_check_empty(struct test *test, const struct dma *dma,
		     const char *when);

/*
 * Unmap all of it: nothing stays in the IOMMU, nor in the kernel's books.
 * Returns the time that it took, in ns.
 */
__u64 dma_unmap(struct test *test, const struct dma *dma);

/* Nothing is known of the range that could be unmapped. */
void dma_check_unknown(struct test *test, const struct dma *dma,
		       const char *when);

#endif /* ALIGNMENT_DMA_CHECK_H */
