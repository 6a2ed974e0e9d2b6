/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers of a BAR, as they are seen through the region's file and
 * through a mapping.
 *
 * Reading a register may change it: an interrupt status may clear itself, a
 * FIFO give its next byte.  No test can know which, so each word is read in
 * the order file, mapping, mapping, file.  Only where both reads of each way
 * agree is the word taken to be steady, and only then must the mapping show
 * what the file does.  A counter, or a register that was cleared by the first
 * read, is not steady; one that changes at just the wrong moment is read again
 * before it is called a difference.
 *
 * Every register is read, and none is written.  What that does to the device
 * is over when it is closed: VFIO resets it.
 */
#ifndef ALIGNMENT_REGISTERS_H
#define ALIGNMENT_REGISTERS_H

#include <linux/types.h>

#include "placement.h"

struct registers {
	__u64 count;		/* words of 32 bits */
	__u64 steady;
	/* Of the steady ones, those that are neither 0 nor all ones. */
	__u64 telling;
	__u64 different;
	/* Of the first one that is different; of the access that failed. */
	__u64 offset;
	__u32 by_file, by_mapping;
};

/* All registers of a BAR of that size, mapped at address.  0 or -errno. */
int __registers_compare(const struct range *range, __u64 address, __u64 size,
			struct registers *registers);

#endif /* ALIGNMENT_REGISTERS_H */
