/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remove the entries of a mapping, so that faults create them again: a second
 * fault may enter something else than the first one did.
 */
#ifndef ALIGNMENT_RENEW_H
#define ALIGNMENT_RENEW_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/placement.h"
#include "test.h"

/*
 * Clear and set PCI_COMMAND_MEMORY, if the device has it: the kernel zaps all
 * mappings of the device.  -EOPNOTSUPP if the device does not have it.  0 or
 * -errno.
 */
int __renew_by_memory(const struct test *test);

/* By munmap and mmap at the same address.  0 or -errno. */
int __renew_by_mmap(const struct range *range, __u64 address);

/*
 * Read one page of each block of 2 MiB of addresses: the first page of each, in
 * ascending order, or, if `down`, the last page of each in descending order.
 * -EFAULT if a read raised a signal; *bad is then the address.
 */
int __touch_blocks(const struct range *range, __u64 address, bool down,
		   __u64 *bad);

#endif /* ALIGNMENT_RENEW_H */
