/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a device keeps its MSI-X table and its pending bits: parts of BARs
 * that a VMM emulates and leaves out of what it maps.
 */
#ifndef ALIGNMENT_MSIX_H
#define ALIGNMENT_MSIX_H

#include <stdbool.h>
#include <linux/types.h>

#include "vfio.h"

#define CONFIG_SIZE	256	/* bytes; of what all PCI devices have */

/* A part of a BAR, in bytes. */
struct msix_part {
	int bar;
	__u64 offset;
	__u64 length;
};

struct msix {
	struct msix_part table;
	struct msix_part pending;
};

/* Find the capability in config space; false where the device has none. */
bool msix_parse(const __u8 config[CONFIG_SIZE], struct msix *msix);

/* The same for a device; -ENOENT where it has none, or -errno. */
int __msix_read(const struct vfio *vfio, struct msix *msix);

#endif /* ALIGNMENT_MSIX_H */
