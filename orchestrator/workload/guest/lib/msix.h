/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a device has its MSI-X table and its pending bits: parts of BARs that
 * a VMM emulates and does not map.
 */
#ifndef ALIGNMENT_MSIX_H
#define ALIGNMENT_MSIX_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/vfio_device.h"

#define CONFIG_SIZE	256	/* bytes that every PCI device has */

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

/* Find the capability in config space; false if the device has none. */
bool msix_parse(const __u8 config[CONFIG_SIZE], struct msix *msix);

/* The same for a device; -ENOENT if it has none, or -errno. */
int __msix_read(const struct vfio *vfio, struct msix *msix);

#endif /* ALIGNMENT_MSIX_H */
