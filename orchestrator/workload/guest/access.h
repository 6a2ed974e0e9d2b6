/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One word of a BAR, by either of the two ways to it: through the region's
 * file, with pread() and pwrite(), and through a mapping.
 */
#ifndef ALIGNMENT_ACCESS_H
#define ALIGNMENT_ACCESS_H

#include <stddef.h>
#include <linux/types.h>

#include "placement.h"

/* A signal in answer is -EFAULT; call __probe_prepare() before. */
int __mapped_read32(__u64 address, __u32 *word);
int __mapped_read64(__u64 address, __u64 *word);
int __mapped_write64(__u64 address, __u64 word);

/* The offset is in the BAR; -EIO where less than the word was moved. */
int __file_read(const struct range *range, __u64 offset, void *word,
		size_t size);
int __file_write(const struct range *range, __u64 offset, const void *word,
		 size_t size);

#endif /* ALIGNMENT_ACCESS_H */
