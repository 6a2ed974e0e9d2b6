// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings for DMA through a container: VFIO's own, or an iommufd that is used
 * as one.  For a device that is bound to an iommufd, iommufd.c maps.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <linux/vfio.h>

#include "lib/iommufd.h"
#include "lib/iova.h"
#include "lib/vfio_ask.h"
#include "lib/vfio_dma.h"

static int __first_iova(const struct vfio_iommu_type1_info_cap_iova_range *cap,
			size_t length, __u64 *iova)
{
	__u32 i;

	for (i = 0; i < cap->nr_iovas; i++)
		if (iova_fits(cap->iova_ranges[i].start,
			      cap->iova_ranges[i].end, length, iova))
			return 0;
	return -ENOSPC;
}

/* A kernel that does not report its ranges knows of no limit. */
static int __container_iova(const struct vfio *vfio, size_t length,
			    __u64 *iova)
{
	struct vfio_iommu_type1_info question = { .argsz = sizeof(question) };
	const struct vfio_iommu_type1_info_cap_iova_range *cap = NULL;
	struct vfio_iommu_type1_info *info;
	int ret;

	ret = __vfio_ask_info(vfio->container, VFIO_IOMMU_GET_INFO, &question,
			      sizeof(question), (void **)&info);
	if (ret)
		return ret;
	*iova = LOWEST_IOVA;
	if (info->flags & VFIO_IOMMU_INFO_CAPS)
		cap = vfio_capability(info, info->cap_offset,
				      VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	if (cap)
		ret = __first_iova(cap, length, iova);
	free(info);
	return ret;
}

int __vfio_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova)
{
	if (vfio->mode == MODE_IOMMUFD)
		return __iommufd_choose_iova(vfio, length, iova);
	return __container_iova(vfio, length, iova);
}

int __vfio_dma_map(const struct vfio *vfio, __u64 address, size_t length,
		   __u64 iova, int prot)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.vaddr = address,
		.iova = iova,
		.size = length,
	};

	if (vfio->mode == MODE_IOMMUFD)
		return __iommufd_map(vfio, address, length, iova, prot);
	if (prot & PROT_READ)
		map.flags |= VFIO_DMA_MAP_FLAG_READ;
	if (prot & PROT_WRITE)
		map.flags |= VFIO_DMA_MAP_FLAG_WRITE;
	return __vfio_ask(vfio->container, VFIO_IOMMU_MAP_DMA, &map);
}

int __vfio_dma_unmap_some(const struct vfio *vfio, size_t length, __u64 iova,
			  __u64 *unmapped)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = length,
	};
	int ret;

	if (vfio->mode == MODE_IOMMUFD)
		return __iommufd_unmap(vfio, length, iova, unmapped);
	ret = __vfio_ask(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	*unmapped = ret ? 0 : unmap.size;
	return ret;
}

int __vfio_dma_unmap(const struct vfio *vfio, size_t length, __u64 iova)
{
	__u64 unmapped;
	int ret = __vfio_dma_unmap_some(vfio, length, iova, &unmapped);

	if (ret)
		return ret;
	return unmapped == length ? 0 : -EIO;
}
