// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/compiler.h"
#include "lib/iommufd.h"
#include "lib/iommufd_uapi.h"
#include "lib/iova.h"
#include "lib/vfio_ask.h"

int __iommufd_open(const char **step)
{
	int fd;

	*step = STEP_IOMMUFD;
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The only entry of the directory whose name is vfio and a number. */
static int __find_name(const char *address, char *name, size_t size)
{
	const struct dirent *entry;
	char path[PATH_MAX];
	int ret = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev",
		 address);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (ret && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			ret = snprintf(name, size, "/dev/vfio/devices/%s",
				       entry->d_name) < (int)size ? 0 :
				      -ENAMETOOLONG;
	closedir(dir);
	return ret;
}

static int __open_cdev(struct vfio *vfio, const char *address,
		       const char **step)
{
	char name[64];
	int ret;

	*step = STEP_FIND_CDEV;
	ret = __find_name(address, name, sizeof(name));
	if (ret)
		return ret;
	*step = STEP_OPEN_CDEV;
	vfio->device = open(name, O_RDWR | O_CLOEXEC);
	return vfio->device < 0 ? -errno : 0;
}

static int __bind(const struct vfio *vfio)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = vfio->container,
	};

	return __vfio_ask(vfio->device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static int __attach(struct vfio *vfio)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	int ret;

	ret = __vfio_ask(vfio->container, IOMMU_IOAS_ALLOC, &alloc);
	if (ret)
		return ret;
	vfio->ioas = attach.pt_id = alloc.out_ioas_id;
	return __vfio_ask(vfio->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

int __iommufd_open_device(struct vfio *vfio, const char *address,
			  const char **step)
{
	int ret;

	vfio->container = __iommufd_open(step);
	if (vfio->container < 0)
		return vfio->container;
	ret = __open_cdev(vfio, address, step);
	if (ret)
		return ret;
	*step = "VFIO_DEVICE_BIND_IOMMUFD";
	ret = __bind(vfio);
	if (ret)
		return ret;
	*step = "attach the device to an IOAS of the iommufd";
	return __attach(vfio);
}

int __iommufd_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova)
{
	struct iommu_iova_range ranges[64];
	struct iommu_ioas_iova_ranges query = {
		.size = sizeof(query),
		.ioas_id = vfio->ioas,
		.num_iovas = ARRAY_SIZE(ranges),
		.allowed_iovas = (__u64)ranges,
	};
	__u32 i;
	int ret;

	ret = __vfio_ask(vfio->container, IOMMU_IOAS_IOVA_RANGES, &query);
	if (ret)
		return ret;
	for (i = 0; i < query.num_iovas; i++)
		if (iova_fits(ranges[i].start, ranges[i].last, length, iova))
			return 0;
	return -ENOSPC;
}

static __u32 map_flags(int prot)
{
	__u32 flags = IOMMU_IOAS_MAP_FIXED_IOVA;

	if (prot & PROT_READ)
		flags |= IOMMU_IOAS_MAP_READABLE;
	if (prot & PROT_WRITE)
		flags |= IOMMU_IOAS_MAP_WRITEABLE;
	return flags;
}

int __iommufd_map(const struct vfio *vfio, __u64 address, size_t length,
		  __u64 iova, int prot)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = map_flags(prot),
		.ioas_id = vfio->ioas,
		.user_va = address,
		.length = length,
		.iova = iova,
	};

	return __vfio_ask(vfio->container, IOMMU_IOAS_MAP, &map);
}

int __iommufd_map_file(const struct vfio *vfio, int fd, __u64 start,
		       size_t length, __u64 iova, int prot)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = map_flags(prot),
		.ioas_id = vfio->ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = iova,
	};

	return __vfio_ask(vfio->container, IOMMU_IOAS_MAP_FILE, &map);
}

int __iommufd_unmap(const struct vfio *vfio, size_t length, __u64 iova,
		    __u64 *unmapped)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = vfio->ioas,
		.iova = iova,
		.length = length,
	};
	int ret = __vfio_ask(vfio->container, IOMMU_IOAS_UNMAP, &unmap);

	*unmapped = ret ? 0 : unmap.length;
	return ret;
}
