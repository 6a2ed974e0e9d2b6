/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What user space may ask of iommufd and of a VFIO device bound to it: numbers
 * and layouts from include/uapi/linux/iommufd.h and include/uapi/linux/vfio.h
 * of Linux 7.3, which the C library's headers may be too old to have.  Names
 * are this program's own, so that newer headers do no harm.
 */
#ifndef ALIGNMENT_IOMMUFD_UAPI_H
#define ALIGNMENT_IOMMUFD_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/vfio.h>

#define IOMMUFD_ASK(number)	_IO(';', 0x80 + (number))

#define ASK_IOAS_ALLOC		IOMMUFD_ASK(0x01)
#define ASK_IOVA_RANGES		IOMMUFD_ASK(0x04)
#define ASK_IOAS_MAP		IOMMUFD_ASK(0x05)
#define ASK_IOAS_UNMAP		IOMMUFD_ASK(0x06)
#define ASK_IOAS_MAP_FILE	IOMMUFD_ASK(0x0f)

#define IOAS_FIXED_IOVA		(1 << 0)
#define IOAS_WRITABLE		(1 << 1)
#define IOAS_READABLE		(1 << 2)

struct ask_ioas_alloc {
	__u32 size;
	__u32 flags;
	__u32 ioas;		/* out */
};

struct iova_range {
	__u64 start;
	__u64 last;
};

struct ask_iova_ranges {
	__u32 size;
	__u32 ioas;
	__u32 nr_ranges;	/* in: room, out: those that there are */
	__u32 reserved;
	__u64 ranges;		/* address of struct iova_range[] */
	__u64 alignment;	/* out */
};

struct ask_ioas_map {
	__u32 size;
	__u32 flags;
	__u32 ioas;
	__u32 reserved;
	__u64 address;
	__u64 length;
	__u64 iova;
};

struct ask_ioas_unmap {
	__u32 size;
	__u32 ioas;
	__u64 iova;
	__u64 length;		/* out: what was unmapped */
};

struct ask_ioas_map_file {
	__u32 size;
	__u32 flags;
	__u32 ioas;
	__s32 fd;
	__u64 start;
	__u64 length;
	__u64 iova;
};

#define ASK_DEVICE_BIND		_IO(VFIO_TYPE, VFIO_BASE + 18)
#define ASK_DEVICE_ATTACH	_IO(VFIO_TYPE, VFIO_BASE + 19)

/* As long as in Linux 6.6; what was added later is for flags. */
struct ask_device_bind {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 id;		/* out */
};

struct ask_device_attach {
	__u32 argsz;
	__u32 flags;
	__u32 ioas;
};

#define DMA_BUF_FEATURE		11

struct ask_dma_buf {
	__u32 argsz;		/* these two: struct vfio_device_feature */
	__u32 flags;
	__u32 region;
	__u32 open_flags;
	__u32 no_flags;
	__u32 nr_ranges;
	__u64 offset;		/* of the one range */
	__u64 length;
};

#endif /* ALIGNMENT_IOMMUFD_UAPI_H */
