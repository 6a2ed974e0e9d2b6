/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device that is opened through VFIO, in one of several modes.
 */
#ifndef ALIGNMENT_VFIO_DEVICE_H
#define ALIGNMENT_VFIO_DEVICE_H

#include <linux/types.h>

/* How DMA is mapped, and therefore how the device is opened. */
enum iommu_mode {
	MODE_TYPE1V2,		/* a group in a VFIO container */
	MODE_TYPE1,
	MODE_COMPAT_TYPE1,	/* a group with an iommufd as its container */
	MODE_COMPAT_TYPE1V2,
	MODE_IOMMUFD,		/* no group: the device's own file */
	MODE_NOIOMMU,		/* instead of any other mode without an IOMMU */
};

struct vfio {
	enum iommu_mode mode;
	int container;		/* or the iommufd */
	int group;		/* -1 for none */
	int device;
	__u32 ioas;		/* of MODE_IOMMUFD: the address space */
};

#endif /* ALIGNMENT_VFIO_DEVICE_H */
