/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which entries of the IOMMU's page tables map a range for a device's DMA, and
 * where they lead.  Read from the tables themselves, with the dump that
 * CONFIG_INTEL_IOMMU_DEBUGFS provides.
 */
#ifndef ALIGNMENT_IOMMU_DUMP_H
#define ALIGNMENT_IOMMU_DUMP_H

#include <stdio.h>
#include <linux/types.h>

#define ANY_ADDRESS	(~0ULL)

/* What the device at this PCI address is expected to reach. */
struct iommu_range {
	const char *device;
	__u64 iova;
	__u64 length;
	__u64 physical;		/* ANY_ADDRESS if it is not known */
};

struct iommu_entries {
	__u64 nr_4k, nr_2m, nr_1g;
	__u64 mapped;		/* bytes of the range that have an entry */
	__u64 writable;		/* bytes that the device may also write */
	__u64 wrong;		/* bytes that lead elsewhere, and the first: */
	__u64 wrong_iova, wrong_physical;
};

/*
 * Count the entries in the dump that map the range; an entry counts as a whole
 * even if only a part of it is in the range.  -ENODATA if the device is not in
 * the dump: its DMA is blocked, or not translated.  0 or -errno.
 */
int __iommu_dump_parse(FILE *dump, const struct iommu_range *range,
		       struct iommu_entries *entries);

/* The same for the current tables; -ENOENT if the kernel has no dump. */
int __iommu_dump_read(const struct iommu_range *range,
		      struct iommu_entries *entries);

#endif /* ALIGNMENT_IOMMU_DUMP_H */
