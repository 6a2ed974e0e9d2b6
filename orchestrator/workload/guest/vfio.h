/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device opened through VFIO, with a way to map memory for its DMA.
 * Every kernel since long before 6.1 has the group interface with the type1
 * IOMMU; iommufd came later.
 */
#ifndef ALIGNMENT_VFIO_H
#define ALIGNMENT_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* How DMA is mapped, and so how the device is opened. */
enum iommu_mode {
	MODE_TYPE1V2,		/* a group in a VFIO container */
	MODE_TYPE1,
	MODE_COMPAT_TYPE1,	/* a group with an iommufd as its container */
	MODE_COMPAT_TYPE1V2,
	MODE_IOMMUFD,		/* no group: the device's own file */
	MODE_NOIOMMU,		/* what becomes of each without an IOMMU */
};

struct vfio {
	enum iommu_mode mode;
	int container;		/* or the iommufd */
	int group;		/* -1 for none */
	int device;
	__u32 ioas;		/* of MODE_IOMMUFD: the address space */
};

/* A BAR, as far as VFIO lets it be mapped. */
struct region {
	__u64 fd_offset;	/* where it begins in the device file */
	__u64 size;
	__u32 flags;		/* VFIO_REGION_INFO_FLAG_* */
	/* Where only areas can be mapped, the largest one that was asked for. */
	__u64 area_offset;
	__u64 area_size;
	/* VFIO_REGION_INFO_CAP_MSIX_MAPPABLE: so may the MSI-X table be. */
	bool msix_mappable;
};

/* The steps of __vfio_open() that show whether the kernel has a mode. */
#define STEP_IOMMUFD	"open /dev/iommu (is CONFIG_IOMMUFD there?)"
#define STEP_EXTENSION	"VFIO_CHECK_EXTENSION: not the IOMMU that was asked for"
#define STEP_FIND_CDEV	"find the device in sysfs under vfio-dev"
#define STEP_OPEN_CDEV	"open the device under /dev/vfio/devices (is CONFIG_VFIO_DEVICE_CDEV there?)"

/*
 * Where there is no IOMMU, and the kernel is in VFIO's no-IOMMU mode, the
 * device is opened in MODE_NOIOMMU whatever was asked for: nothing is mapped
 * for DMA then.  0 or -errno, and then *step says what failed.
 */
int __vfio_open(struct vfio *vfio, const char *address, int group,
		enum iommu_mode mode, const char **step);
void vfio_close(const struct vfio *vfio);

/*
 * Memory-enable in the device's command register; __vfio_open() sets it.
 * Reads of a BAR are answered with SIGBUS as long as it is off.
 */
int __vfio_set_memory(const struct vfio *vfio, bool on);

/*
 * What VFIO says of a BAR.  The area is the largest part of the BAR between
 * start and end that can be mapped in one piece; empty where there is none.
 */
int __vfio_region(const struct vfio *vfio, int bar, __u64 start, __u64 end,
		  struct region *region);

/* An address for DMA: at 4 GiB or above, a multiple of 1 GiB. */
int __vfio_choose_iova(const struct vfio *vfio, size_t length, __u64 *iova);

/* Whether there is one from start to last, and then it is in *iova. */
bool iova_fits(__u64 start, __u64 last, size_t length, __u64 *iova);

/* prot is as for mmap. */
int __vfio_dma_map(const struct vfio *vfio, __u64 address, size_t length,
		   __u64 iova, int prot);

/* -EIO where another length than that was mapped. */
int __vfio_dma_unmap(const struct vfio *vfio, size_t length, __u64 iova);

/* The same, with how much it was; 0 where it failed. */
int __vfio_dma_unmap_some(const struct vfio *vfio, size_t length, __u64 iova,
			  __u64 *unmapped);

#endif /* ALIGNMENT_VFIO_H */
