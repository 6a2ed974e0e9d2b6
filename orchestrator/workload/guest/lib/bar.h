/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BARs to measure, and the range of each.
 */
#ifndef ALIGNMENT_BAR_H
#define ALIGNMENT_BAR_H

#include "lib/placement.h"
#include "lib/sysfs.h"
#include "lib/vfio_device.h"
#include "options.h"

struct bar {
	int index;
	__u64 address;		/* physical */
	__u64 size;
	const char *skip;	/* why it cannot be measured; NULL if it can */
	struct range range;	/* what is measured */
};

/*
 * Find the BARs that the options name, or all BARs of the device if they name
 * none.  Returns their number or -errno.
 */
int __bars_find(const struct options *options, const struct vfio *vfio,
		struct bar bars[NR_BARS]);

#endif /* ALIGNMENT_BAR_H */
