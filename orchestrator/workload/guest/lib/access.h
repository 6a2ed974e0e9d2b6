/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read and write one word of a BAR, in both ways: with pread() and pwrite() on
 * the region's file, and through a mapping.
 */
#ifndef ALIGNMENT_ACCESS_H
#define ALIGNMENT_ACCESS_H

#include <stddef.h>
#include <linux/types.h>

#include "lib/placement.h"

/* -EFAULT if the access raised a signal.  Needs __fault_probe_prepare(). */
int __mapped_read32(__u64 address, __u32 *word);
int __mapped_read64(__u64 address, __u64 *word);
int __mapped_write64(__u64 address, __u64 word);

/* The offset is in the BAR.  -EIO if less than the word was transferred. */
int __file_read(const struct range *range, __u64 offset, void *word,
		size_t size);
int __file_write(const struct range *range, __u64 offset, const void *word,
		 size_t size);

#endif /* ALIGNMENT_ACCESS_H */
