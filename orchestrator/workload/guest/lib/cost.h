/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cost of using a mapping: faults, time, and memory for page tables.
 */
#ifndef ALIGNMENT_COST_H
#define ALIGNMENT_COST_H

#include <stddef.h>
#include <linux/types.h>

struct cost {
	__u64 faults;		/* minor faults of this process */
	__u64 ns;
};

/* Measure the cost of everything between the two calls. */
void cost_begin(struct cost *cost);
void cost_end(struct cost *cost);

/* Locked memory that the kernel charges to this process, in KiB. */
__u64 locked_memory(void);

struct touch {
	struct cost first;	/* of reading each page of a fresh mapping */
	struct cost again;	/* of reading each page again: no faults */
	__u64 vmpte;		/* bytes of page tables that the first added */
};

/*
 * Make sure that this process causes no faults of its own: its memory is
 * present and locked, and the vDSO has been used.  Later mappings are not
 * affected: their faults are still to come.  0 or -errno.
 */
int __cost_prepare(void);

/*
 * Read one word of every 4 KiB page, twice.  -EFAULT if a read raised SIGBUS
 * or SIGSEGV; *bad is then the offset of the page.
 */
int __touch(const void *start, size_t length, struct touch *touch,
	    size_t *bad);

#endif /* ALIGNMENT_COST_H */
