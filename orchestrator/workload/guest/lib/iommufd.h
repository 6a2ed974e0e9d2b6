/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device opened through its own character device and bound to an
 * iommufd, with one address space for its DMA.
 */
#ifndef ALIGNMENT_IOMMUFD_H
#define ALIGNMENT_IOMMUFD_H

#include <stddef.h>
#include <linux/types.h>

#include "lib/vfio_device.h"

/* Steps that fail if the kernel, or the device, has no iommufd. */
#define STEP_IOMMUFD	"open /dev/iommu (is CONFIG_IOMMUFD there?)"
#define STEP_FIND_CDEV	"find the device in sysfs under vfio-dev"
#define STEP_OPEN_CDEV	"open the device under /dev/vfio/devices (is CONFIG_VFIO_DEVICE_CDEV there?)"

/*
 * Open /dev/iommu, to bind a device to it or to use it as a container.  Returns
 * the file or -errno.
 */
int __iommufd_open(const char **step);

/*
 * Fill in all of `vfio` except the mode.  0 or -errno; *step is then the step
 * that failed.
 */
int __iommufd_open_device(struct vfio *vfio, const char *address,
			  const char **step);

/* See vfio_dma.h for the next three. */
int __iommufd_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova);
int __iommufd_map(const struct vfio *vfio, __u64 address, size_t length,
		  __u64 iova, int prot);

/* -ENOENT if nothing is mapped, or if the range is only a part of a mapping. */
int __iommufd_unmap(const struct vfio *vfio, size_t length, __u64 iova,
		    __u64 *unmapped);

/* Map a file for DMA, from the offset `start` on. */
int __iommufd_map_file(const struct vfio *vfio, int fd, __u64 start,
		       size_t length, __u64 iova, int prot);

#endif /* ALIGNMENT_IOMMUFD_H */
