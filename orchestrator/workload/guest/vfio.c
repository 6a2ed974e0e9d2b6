// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "levels.h"
#include "vfio.h"

#define LOWEST_IOVA	(4ULL << 30)

static int __ioctl(int fd, unsigned long request, void *argument)
{
	int ret = ioctl(fd, request, argument);

	return ret < 0 ? -errno : ret;
}

/* The group's number is added to the container's; the IOMMU comes after. */
static int __open_group(struct vfio *vfio, int group, const char **step)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[32];
	int ret;

	*step = "open the IOMMU group under /dev/vfio";
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	vfio->group = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->group < 0)
		return -errno;
	*step = "VFIO_GROUP_GET_STATUS";
	ret = __ioctl(vfio->group, VFIO_GROUP_GET_STATUS, &status);
	if (ret)
		return ret;
	*step = "use the IOMMU group (bind all its devices to vfio-pci)";
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EBUSY;
	*step = "VFIO_GROUP_SET_CONTAINER";
	return __ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER,
		       &vfio->container);
}

static int __open_container(struct vfio *vfio, const char **step)
{
	*step = "open /dev/vfio/vfio (is CONFIG_VFIO_CONTAINER there?)";
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container < 0)
		return -errno;
	*step = "use the VFIO container: its API version is another";
	if (ioctl(vfio->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return -EPROTO;
	*step = "VFIO_CHECK_EXTENSION: no type1v2 IOMMU";
	if (!ioctl(vfio->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU))
		return -EOPNOTSUPP;
	return 0;
}

static int __set_iommu(struct vfio *vfio, const char **step)
{
	*step = "VFIO_SET_IOMMU (does the IOMMU remap interrupts?)";
	return __ioctl(vfio->container, VFIO_SET_IOMMU,
		       (void *)VFIO_TYPE1v2_IOMMU);
}

static int __open_device(struct vfio *vfio, const char *address,
			 const char **step)
{
	*step = "VFIO_GROUP_GET_DEVICE_FD";
	vfio->device = __ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD,
			       (void *)address);
	return vfio->device < 0 ? vfio->device : 0;
}

/* Reads of a BAR are answered with SIGBUS as long as this is off. */
static int __enable_memory(const struct vfio *vfio, const char **step)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u16 command;
	off_t where;
	int ret;

	*step = "enable memory in the device's command register";
	ret = __ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &info);
	if (ret)
		return ret;
	where = info.offset + PCI_COMMAND;
	if (pread(vfio->device, &command, sizeof(command), where) < 0)
		return -errno;
	command |= PCI_COMMAND_MEMORY;
	if (pwrite(vfio->device, &command, sizeof(command), where) < 0)
		return -errno;
	return 0;
}

int __vfio_open(struct vfio *vfio, const char *address, int group,
		const char **step)
{
	int ret;

	ret = __open_container(vfio, step);
	if (!ret)
		ret = __open_group(vfio, group, step);
	if (!ret)
		ret = __set_iommu(vfio, step);
	if (!ret)
		ret = __open_device(vfio, address, step);
	return ret ? ret : __enable_memory(vfio, step);
}

/*
 * Both infos begin with their size: ask, and ask again with room for the
 * capabilities that follow.  The caller frees what comes back.
 */
static int __get_info(int fd, unsigned long request, const void *question,
		      __u32 size, void **answer)
{
	__u32 argsz = size;
	void *info = NULL;
	int ret;

	do {
		size = argsz;
		free(info);
		info = calloc(1, size);
		if (!info)
			return -ENOMEM;
		memcpy(info, question, *(const __u32 *)question);
		*(__u32 *)info = size;
		ret = __ioctl(fd, request, info);
		argsz = *(__u32 *)info;
	} while (!ret && argsz > size);
	if (ret)
		free(info);
	else
		*answer = info;
	return ret;
}

/* The capability with this id; first is its offset, 0 for none at all. */
static const void *capability(const void *info, __u32 first, __u16 id)
{
	const struct vfio_info_cap_header *header;

	for (; first; first = header->next) {
		header = info + first;
		if (header->id == id)
			return header;
	}
	return NULL;
}

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
		sparse = capability(info, info->cap_offset,
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
	ret = __get_info(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &question,
			 sizeof(question), (void **)&info);
	if (ret)
		return ret;
	region->fd_offset = info->offset;
	region->size = info->size;
	region->flags = info->flags;
	find_area(info, start, end, region);
	free(info);
	return 0;
}

static int __first_iova(const struct vfio_iommu_type1_info_cap_iova_range *cap,
			size_t length, __u64 *iova)
{
	__u32 i;

	for (i = 0; i < cap->nr_iovas; i++) {
		*iova = max(cap->iova_ranges[i].start, LOWEST_IOVA);
		*iova = (*iova + PUD_SIZE - 1) & ~(PUD_SIZE - 1);
		if (*iova <= cap->iova_ranges[i].end &&
		    cap->iova_ranges[i].end - *iova >= length - 1)
			return 0;
	}
	return -ENOSPC;
}

/* A kernel that does not tell its ranges has no limit that it knows of. */
int __vfio_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova)
{
	struct vfio_iommu_type1_info question = { .argsz = sizeof(question) };
	const struct vfio_iommu_type1_info_cap_iova_range *cap = NULL;
	struct vfio_iommu_type1_info *info;
	int ret;

	ret = __get_info(vfio->container, VFIO_IOMMU_GET_INFO, &question,
			 sizeof(question), (void **)&info);
	if (ret)
		return ret;
	*iova = LOWEST_IOVA;
	if (info->flags & VFIO_IOMMU_INFO_CAPS)
		cap = capability(info, info->cap_offset,
				 VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	if (cap)
		ret = __first_iova(cap, length, iova);
	free(info);
	return ret;
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

	if (prot & PROT_READ)
		map.flags |= VFIO_DMA_MAP_FLAG_READ;
	if (prot & PROT_WRITE)
		map.flags |= VFIO_DMA_MAP_FLAG_WRITE;
	return __ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map);
}

int __vfio_dma_unmap(const struct vfio *vfio, size_t length, __u64 iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = length,
	};
	int ret = __ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap);

	if (ret)
		return ret;
	return unmap.size == length ? 0 : -EIO;
}
