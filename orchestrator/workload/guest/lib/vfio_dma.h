/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Map memory and BARs for a device's DMA, in every mode.
 */
#ifndef ALIGNMENT_VFIO_DMA_H
#define ALIGNMENT_VFIO_DMA_H

#include <stddef.h>
#include <linux/types.h>

#include "lib/vfio_device.h"

/* Choose an address for DMA: at 4 GiB or above, a multiple of 1 GiB. */
int __vfio_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova);

/* prot is as for mmap. */
int __vfio_dma_map(const struct vfio *vfio, __u64 address, size_t length,
		   __u64 iova, int prot);

/* -EIO if another length than this was unmapped. */
int __vfio_dma_unmap(const struct vfio *vfio, size_t length, __u64 iova);

/* The same; *unmapped is the length that was unmapped, 0 if that failed. */
int __vfio_dma_unmap_some(const struct vfio *vfio, size_t length, __u64 iova,
			  __u64 *unmapped);

#endif /* ALIGNMENT_VFIO_DMA_H */
