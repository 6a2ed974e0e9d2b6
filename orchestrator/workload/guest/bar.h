/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BARs that are to be measured, and the part of each.
 */
#ifndef ALIGNMENT_BAR_H
#define ALIGNMENT_BAR_H

#include "options.h"
#include "placement.h"
#include "sysfs.h"
#include "vfio.h"

struct bar {
	int index;
	__u64 address;		/* physical */
	__u64 size;
	const char *skip;	/* why it cannot be measured; NULL if it can */
	struct range range;	/* what is measured */
};

/*
 * Find the BARs that were asked for, or, where none was, all that the device
 * has.  Returns their number or -errno.
 */
int __bars_find(const struct options *options, const struct vfio *vfio,
		struct bar bars[NR_BARS]);

#endif /* ALIGNMENT_BAR_H */
