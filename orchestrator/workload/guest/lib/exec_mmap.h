/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An mmap in a process that has just called exec, so that everything random in
 * a process is chosen again.  Only this shows the effect of address space
 * layout randomisation (ASLR) on a placement.
 */
#ifndef ALIGNMENT_EXEC_MMAP_H
#define ALIGNMENT_EXEC_MMAP_H

#include <stdbool.h>
#include <linux/types.h>

#include "lib/placement.h"

/* The program's first argument in such a process. */
#define EXEC_MMAP	"--exec-mmap"

/* How to start the processes, and how they report. */
struct exec_mmap {
	int program;		/* a copy of this program, in memory */
	int pipe[2];
};

/* What the kernel did in one process. */
struct exec_mmap_result {
	int error;		/* -errno, or 0 */
	__u64 address;
	bool down;		/* addresses are assigned from the top down */
};

/*
 * From this call on, a process that this one execs has random addresses,
 * assigned from the top down, or, if `down` is false, from the bottom up as in
 * the legacy layout.  0 or -errno.
 */
int __exec_mmap_open(struct exec_mmap *exec, bool down);

/* Map the range without a hint, in a process of its own.  0 or -errno. */
int __exec_mmap(const struct exec_mmap *exec, const struct range *range,
		struct exec_mmap_result *result);

/* The main function of such a process; returns its exit status. */
int exec_mmap_main(int argc, char **argv);

#endif /* ALIGNMENT_EXEC_MMAP_H */
