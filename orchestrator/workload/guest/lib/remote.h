/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page tables of a child process.  The kernel's dump is of the process that
 * reads it, so the child is made to read it: it is stopped, and runs a few
 * system calls that it did not ask for.  Nothing of them is left.
 */
#ifndef ALIGNMENT_REMOTE_H
#define ALIGNMENT_REMOTE_H

#include <sys/types.h>
#include <linux/types.h>

#include "lib/pagetable.h"

/*
 * Count the entries that map [start, end) of the child.  -ENOSYS on an
 * architecture that is not supported, -ENOENT if the kernel has no dump where
 * the child can open it, or -errno.
 */
int __remote_entries(pid_t pid, __u64 start, __u64 end,
		     struct entries *entries);

#endif /* ALIGNMENT_REMOTE_H */
