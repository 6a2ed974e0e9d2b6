/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device opened through VFIO's group interface and the type1 IOMMU:
 * the one that every kernel since long before 6.1 has.
 */
#ifndef ALIGNMENT_VFIO_H
#define ALIGNMENT_VFIO_H

#include <stddef.h>
#include <linux/types.h>

struct vfio {
	int container;
	int group;
	int device;
};

/* A BAR, as far as VFIO lets it be mapped. */
struct region {
	__u64 fd_offset;	/* where it begins in the device file */
	__u64 size;
	__u32 flags;		/* VFIO_REGION_INFO_FLAG_* */
	/* Where only areas can be mapped, the largest one that was asked for. */
	__u64 area_offset;
	__u64 area_size;
};

/* 0 or -errno, and then *step says what failed. */
int __vfio_open(struct vfio *vfio, const char *address, int group,
		const char **step);

/*
 * What VFIO says of a BAR.  The area is the largest part of the BAR between
 * start and end that can be mapped in one piece; empty where there is none.
 */
int __vfio_region(const struct vfio *vfio, int bar, __u64 start, __u64 end,
		  struct region *region);

/* An address for DMA: at 4 GiB or above, a multiple of 1 GiB. */
int __vfio_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova);

/* prot is as for mmap. */
int __vfio_dma_map(const struct vfio *vfio, __u64 address, size_t length,
		   __u64 iova, int prot);

/* -EIO where less than the whole length was mapped. */
int __vfio_dma_unmap(const struct vfio *vfio, size_t length, __u64 iova);

#endif /* ALIGNMENT_VFIO_H */
