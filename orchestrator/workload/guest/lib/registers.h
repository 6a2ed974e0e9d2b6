/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compare the registers of a BAR as they are read through the region's file
 * and through a mapping.
 *
 * Reading a register may change it: an interrupt status may clear itself, a
 * FIFO may return its next byte.  A test cannot know which do.  So each word is
 * read in the order file, mapping, mapping, file.  A word is taken to be steady
 * only if both reads of each way agree, and only then must the mapping show the
 * same as the file.  A counter, or a register that the first read cleared, is
 * not steady.  A register that changes at just the wrong moment is read again
 * before it is reported as different.
 *
 * Every register is read, and none is written.  Effects on the device end when
 * it is closed: VFIO resets it.
 */
#ifndef ALIGNMENT_REGISTERS_H
#define ALIGNMENT_REGISTERS_H

#include <linux/types.h>

#include "lib/placement.h"

struct registers {
	__u64 count;		/* words of 32 bits */
	__u64 steady;
	/* The steady ones that are neither 0 nor all ones. */
	__u64 telling;
	__u64 different;
	/* Of the first one that is different, or of the access that failed. */
	__u64 offset;
	__u32 by_file, by_mapping;
};

/*
 * Compare all registers of a BAR of this size, mapped at `address`.  0 or
 * -errno.
 */
int __registers_compare(const struct range *range, __u64 address, __u64 size,
			struct registers *registers);

#endif /* ALIGNMENT_REGISTERS_H */
