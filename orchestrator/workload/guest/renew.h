/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of a mapping taken away, so that faults make them anew: what a
 * second fault enters need not be what the first one did.
 */
#ifndef ALIGNMENT_RENEW_H
#define ALIGNMENT_RENEW_H

#include <stdbool.h>
#include <linux/types.h>

#include "placement.h"
#include "test.h"

/*
 * By PCI_COMMAND_MEMORY, cleared and set, where the device has it: the kernel
 * zaps all mappings of it.  -EOPNOTSUPP where it has not.  0 or -errno.
 */
int __renew_by_memory(const struct test *test);

/* By munmap and mmap at the same address.  0 or -errno. */
int __renew_by_mmap(const struct range *range, __u64 address);

/*
 * Read a page of each block of 2 MiB of addresses: the first one, in ascending
 * order, or, downwards, the last one in descending order.  -EFAULT where a
 * signal answered; *bad is then the address.
 */
int __touch_blocks(const struct range *range, __u64 address, bool down,
		   __u64 *bad);

#endif /* ALIGNMENT_RENEW_H */
