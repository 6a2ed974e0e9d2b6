// SPDX-License-Identifier: GPL-2.0-only

#include <stdlib.h>
#include <string.h>
#include <linux/vfio.h>

#include "lib/vfio_ask.h"
#include "lib/vfio_region.h"

static void widen_area(struct region *region, __u64 first, __u64 last)
{
	if (last <= first || last - first <= region->area_size)
		return;
	region->area_offset = first;
	region->area_size = last - first;
}

static __u64 max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static __u64 min(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static void find_area(const struct vfio_region_info *info, __u64 start,
		      __u64 end, struct region *region)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = NULL;
	const struct vfio_region_sparse_mmap_area *area;
	__u32 i;

	if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
		sparse = vfio_capability(info, info->cap_offset,
					 VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	if (!sparse) {
		widen_area(region, start, end);
		return;
	}
	for (i = 0; i < sparse->nr_areas; i++) {
		area = &sparse->areas[i];
		widen_area(region, max(start, area->offset),
			   min(end, area->offset + area->size));
	}
}

int __vfio_region(const struct vfio *vfio, int bar, __u64 start, __u64 end,
		  struct region *region)
{
	struct vfio_region_info question = {
		.argsz = sizeof(question),
		.index = VFIO_PCI_BAR0_REGION_INDEX + bar,
	};
	struct vfio_region_info *info;
	int ret;

	memset(region, 0, sizeof(*region));
	ret = __vfio_ask_info(vfio->device, VFIO_DEVICE_GET_REGION_INFO,
			      &question, sizeof(question), (void **)&info);
	if (ret)
		return ret;
	region->fd_offset = info->offset;
	region->size = info->size;
	region->flags = info->flags;
	find_area(info, start, end, region);
	region->msix_mappable =
		info->flags & VFIO_REGION_INFO_FLAG_CAPS &&
		vfio_capability(info, info->cap_offset,
				VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	free(info);
	return 0;
}
