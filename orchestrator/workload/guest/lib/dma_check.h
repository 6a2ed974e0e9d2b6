/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold for a mapping for DMA while it exists, and after it.
 *
 * Without the kernel's dump of the IOMMU's page tables none of these checks
 * can fail because of an entry; a diagnostic reports that once in a test.
 */
#ifndef ALIGNMENT_DMA_CHECK_H
#define ALIGNMENT_DMA_CHECK_H

#include "lib/iommu_dump.h"
#include "test.h"

/* What is, or was, mapped for DMA. */
struct dma {
	__u64 iova;
	size_t length;
	__u64 physical;		/* or ANY_ADDRESS */
	int prot;		/* as for mmap */
};

/*
 * Whether this mode maps BARs by their virtual address; iommufd maps only
 * memory that way.
 */
bool dma_takes_bars(enum iommu_mode mode);

/*
 * Choose a free IOVA for this length that allows the IOMMU's largest pages: it
 * is congruent to the physical address, if that is known, and never equal to
 * it, so that a missing translation is detected.  0 or -errno.
 */
int __dma_choose_iova(const struct test *test, struct dma *dma);

/*
 * Check that every byte leads to the right physical address, and is writable
 * only if `prot` says so.  Measure the IOMMU's page sizes; at most once in a
 * test.
 */
void dma_measure_entries(struct test *test, const struct dma *dma);

/* The same without measurements. */
void dma_check_mapped(struct test *test, const struct dma *dma);

/* Count the bytes that have entries; false if the kernel does not show them. */
bool dma_count_mapped(struct test *test, const struct dma *dma, __u64 *bytes);

/*
 * Check that no byte is mapped.  `when` is the subject of the message: what
 * left the entries.
 */
void dma_check_empty(struct test *test, const struct dma *dma,
		     const char *when);

/*
 * Unmap all of it, and check that nothing is left, neither in the IOMMU nor in
 * the kernel's list of mappings.  Returns the duration in ns.
 */
__u64 dma_unmap(struct test *test, const struct dma *dma);

/* Check that the kernel has no mapping in the range that it could unmap. */
void dma_check_unknown(struct test *test, const struct dma *dma,
		       const char *when);

#endif /* ALIGNMENT_DMA_CHECK_H */
