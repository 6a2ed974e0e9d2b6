/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VMM as a child process: its console, and what the kernel knows of it.
 */
#ifndef ALIGNMENT_VMM_H
#define ALIGNMENT_VMM_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/types.h>

#include "lib/placement.h"
#include "lib/vcpu.h"

/* Where the VMM finds the kernel's directory and the archive for its guest. */
#define VMM_FILES	"/tmp"
#define VMM_KERNEL	VMM_FILES "/kernel"
#define VMM_INITRD	VMM_FILES "/initrd"

struct vmm {
	pid_t pid;
	int input;		/* pipe to its standard input */
	FILE *output;		/* from its standard output and error */
	__u64 started;		/* CLOCK_MONOTONIC, in ns */
};

/* A mapping of a part of a BAR in the VMM. */
struct vmm_mapping {
	__u64 start, end;	/* virtual addresses */
	__u64 offset;		/* in the BAR */
	bool writable;
};

/* Numbers of the process, as in /proc. */
struct vmm_cost {
	__u64 faults;		/* minor ones, of all threads */
	__u64 tables;		/* bytes of page tables (VmPTE) */
};

/* Nanoseconds since the VMM was started. */
__u64 vmm_age(const struct vmm *vmm);

/*
 * Prepare the files below VMM_FILES: `kernel` is the directory that becomes
 * VMM_KERNEL.  If root is not NULL, it is the directory that becomes the VMM's
 * root, with this guest's /dev, /proc, /sys and VMM_FILES in it.  On an error,
 * *step is what failed.  0 or -errno.
 */
int __vmm_prepare(const char *root, const char *kernel, const char **step);

/* Start the command; root as above.  0 or -errno. */
int __vmm_start(struct vmm *vmm, const char *root, char **command);

/* Let the inner guest go on. */
void vmm_continue(const struct vmm *vmm);

/* Wait for the end of the VMM, after killing it if `kill`.  Its wait status. */
int vmm_end(struct vmm *vmm, bool kill);

/*
 * The largest mapping of the BAR that begins at `fd_offset` in the file of the
 * device, and has `size` bytes.  Returns the number of such mappings or -errno.
 */
int __vmm_find_mapping(const struct vmm *vmm, __u64 fd_offset, __u64 size,
		       struct vmm_mapping *largest);

/* 0 or -errno. */
int __vmm_cost(const struct vmm *vmm, struct vmm_cost *cost);

/* The entries of all stage 2 of the VM, from debugfs.  0 or -errno. */
int __vmm_stage2(const struct vmm *vmm, struct stage2 *stage2);

#endif /* ALIGNMENT_VMM_H */
