/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VFIO reports about a device's regions.
 */
#ifndef ALIGNMENT_VFIO_REGION_H
#define ALIGNMENT_VFIO_REGION_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/vfio_device.h"

/* A BAR, as far as VFIO lets it be mapped. */
struct region {
	__u64 fd_offset;	/* where it begins in the device file */
	__u64 size;
	__u32 flags;		/* VFIO_REGION_INFO_FLAG_* */
	/* The largest area that can be mapped; see __vfio_region(). */
	__u64 area_offset;
	__u64 area_size;
	/* VFIO_REGION_INFO_CAP_MSIX_MAPPABLE: the MSI-X table can be mapped. */
	bool msix_mappable;
};

/*
 * Ask VFIO for a BAR.  The area is the largest part of the BAR between `start`
 * and `end` that can be mapped in one piece; its size is 0 if there is none.
 */
int __vfio_region(const struct vfio *vfio, int bar, __u64 start, __u64 end,
		  struct region *region);

#endif /* ALIGNMENT_VFIO_REGION_H */
