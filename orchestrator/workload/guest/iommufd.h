/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device opened through its own character device and bound to an
 * iommufd, with one address space for its DMA.
 */
#ifndef ALIGNMENT_IOMMUFD_H
#define ALIGNMENT_IOMMUFD_H

#include <stddef.h>
#include <linux/types.h>

#include "vfio.h"

/* -errno or the file; for the device as for the containers' stand-in. */
int __iommufd_open(const char **step);

/* Fill in all of vfio but the mode.  0 or -errno with what failed. */
int __iommufd_open_device(struct vfio *vfio, const char *address,
			  const char **step);

/* See vfio.h for what these are for. */
int __iommufd_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova);
int __iommufd_map(const struct vfio *vfio, __u64 address, size_t length,
		  __u64 iova, int prot);

/* -ENOENT where nothing is mapped, or only a part of a mapping is asked for. */
int __iommufd_unmap(const struct vfio *vfio, size_t length, __u64 iova,
		    __u64 *unmapped);

/* Map a file for DMA, from this offset on. */
int __iommufd_map_file(const struct vfio *vfio, int fd, __u64 start,
		       size_t length, __u64 iova, int prot);

#endif /* ALIGNMENT_IOMMUFD_H */
