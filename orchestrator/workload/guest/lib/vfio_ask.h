/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioctl() calls of VFIO and iommufd.
 */
#ifndef ALIGNMENT_VFIO_ASK_H
#define ALIGNMENT_VFIO_ASK_H

#include <linux/types.h>

/* What ioctl() returns, or -errno. */
int __vfio_ask(int fd, unsigned long request, void *argument);

/*
 * Request a structure that begins with its size and the flags, and repeat the
 * request with room for the capabilities that follow it.  The caller frees
 * *answer.
 */
int __vfio_ask_info(int fd, unsigned long request, const void *question,
		    __u32 size, void **answer);

/*
 * The capability with this id, or NULL.  `first` is the offset of the first
 * capability in `info`, 0 if it has none.
 */
const void *vfio_capability(const void *info, __u32 first, __u16 id);

#endif /* ALIGNMENT_VFIO_ASK_H */
