/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How VFIO is asked, by those parts of this program that talk to it.
 */
#ifndef ALIGNMENT_VFIO_ASK_H
#define ALIGNMENT_VFIO_ASK_H

#include <linux/types.h>

/* What ioctl() returns, or -errno. */
int __vfio_ask(int fd, unsigned long request, void *argument);

/*
 * Ask for an info that begins with its size and the flags, and ask again with
 * room for the capabilities that follow it.  The caller frees what comes back.
 */
int __vfio_ask_info(int fd, unsigned long request, const void *question,
		    __u32 size, void **answer);

/* The capability with this id; first is its offset, 0 for none at all. */
const void *vfio_capability(const void *info, __u32 first, __u16 id);

#endif /* ALIGNMENT_VFIO_ASK_H */
