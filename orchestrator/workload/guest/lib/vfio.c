// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "lib/iommufd.h"
#include "lib/vfio.h"
#include "lib/vfio_ask.h"

/* drivers/vfio/group.c: vfio_create_group() has both names. */
#define GROUP_PATH	"/dev/vfio/%d"
#define NOIOMMU_PATH	"/dev/vfio/noiommu-%d"
#define GROUP_PATH_LENGTH	32

static bool is_compat(enum iommu_mode mode)
{
	return mode == MODE_COMPAT_TYPE1 || mode == MODE_COMPAT_TYPE1V2;
}

static unsigned long iommu_type(enum iommu_mode mode)
{
	switch (mode) {
	case MODE_TYPE1:
	case MODE_COMPAT_TYPE1:
		return VFIO_TYPE1_IOMMU;
	case MODE_NOIOMMU:
		return VFIO_NOIOMMU_IOMMU;
	default:
		return VFIO_TYPE1v2_IOMMU;
	}
}

static void group_path(enum iommu_mode mode, int group,
		       char path[GROUP_PATH_LENGTH])
{
	snprintf(path, GROUP_PATH_LENGTH,
		 mode == MODE_NOIOMMU ? NOIOMMU_PATH : GROUP_PATH, group);
}

/* A group has one node, and its name shows which kind of group it is. */
static enum iommu_mode choose_mode(enum iommu_mode mode, int group)
{
	char path[GROUP_PATH_LENGTH];

	group_path(MODE_NOIOMMU, group, path);
	return access(path, F_OK) ? mode : MODE_NOIOMMU;
}

/* The group is added to the container before the IOMMU type is set. */
static int __open_group(struct vfio *vfio, int group, const char **step)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[GROUP_PATH_LENGTH];
	int ret;

	*step = "open the IOMMU group under /dev/vfio";
	group_path(vfio->mode, group, path);
	vfio->group = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->group < 0)
		return -errno;
	*step = "VFIO_GROUP_GET_STATUS";
	ret = __vfio_ask(vfio->group, VFIO_GROUP_GET_STATUS, &status);
	if (ret)
		return ret;
	*step = "use the IOMMU group (bind all its devices to vfio-pci)";
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EBUSY;
	*step = "VFIO_GROUP_SET_CONTAINER";
	return __vfio_ask(vfio->group, VFIO_GROUP_SET_CONTAINER,
			  &vfio->container);
}

/* VFIO's own container, or an iommufd that is used as one. */
static int __open_container(struct vfio *vfio, const char **step)
{
	if (is_compat(vfio->mode)) {
		vfio->container = __iommufd_open(step);
		if (vfio->container < 0)
			return vfio->container;
	} else {
		*step = "open /dev/vfio/vfio (is CONFIG_VFIO_CONTAINER there?)";
		vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
		if (vfio->container < 0)
			return -errno;
	}
	*step = "use the VFIO container: its API version is different";
	if (ioctl(vfio->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return -EPROTO;
	*step = STEP_EXTENSION;
	if (ioctl(vfio->container, VFIO_CHECK_EXTENSION,
		  iommu_type(vfio->mode)) <= 0)
		return -EOPNOTSUPP;
	return 0;
}

static int __set_iommu(struct vfio *vfio, const char **step)
{
	*step = "VFIO_SET_IOMMU (does the IOMMU remap interrupts?)";
	return __vfio_ask(vfio->container, VFIO_SET_IOMMU,
			  (void *)iommu_type(vfio->mode));
}

static int __open_device(struct vfio *vfio, const char *address,
			 const char **step)
{
	*step = "VFIO_GROUP_GET_DEVICE_FD";
	vfio->device = __vfio_ask(vfio->group, VFIO_GROUP_GET_DEVICE_FD,
				  (void *)address);
	return vfio->device < 0 ? vfio->device : 0;
}

static int __open_by_group(struct vfio *vfio, const char *address, int group,
			   const char **step)
{
	int ret;

	ret = __open_container(vfio, step);
	if (!ret)
		ret = __open_group(vfio, group, step);
	if (!ret)
		ret = __set_iommu(vfio, step);
	return ret ? ret : __open_device(vfio, address, step);
}

int __vfio_set_memory(const struct vfio *vfio, bool on)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u16 command;
	off_t where;
	int ret;

	ret = __vfio_ask(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &info);
	if (ret)
		return ret;
	where = info.offset + PCI_COMMAND;
	if (pread(vfio->device, &command, sizeof(command), where) < 0)
		return -errno;
	command &= ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	if (pwrite(vfio->device, &command, sizeof(command), where) < 0)
		return -errno;
	return 0;
}

int __vfio_open(struct vfio *vfio, const char *address, int group,
		enum iommu_mode mode, const char **step)
{
	int ret;

	memset(vfio, 0, sizeof(*vfio));
	vfio->mode = choose_mode(mode, group);
	vfio->container = vfio->group = vfio->device = -1;
	if (vfio->mode == MODE_IOMMUFD)
		ret = __iommufd_open_device(vfio, address, step);
	else
		ret = __open_by_group(vfio, address, group, step);
	if (ret)
		return ret;
	*step = "enable memory in the device's command register";
	return __vfio_set_memory(vfio, true);
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vfio_close(const struct vfio *vfio)
{
	close_if_open(vfio->device);
	close_if_open(vfio->group);
	close_if_open(vfio->container);
}
