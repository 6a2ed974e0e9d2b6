/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which page-table entries map a range of this process: read from the page
 * tables themselves, by way of the dump that CONFIG_PTDUMP_DEBUGFS offers.
 * Never inferred from faults or from the alignment.
 */
#ifndef ALIGNMENT_PAGETABLE_H
#define ALIGNMENT_PAGETABLE_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/types.h>

enum entry_level {
	ENTRY_PTE,
	ENTRY_PMD,
	ENTRY_PUD,
	NR_ENTRY_LEVELS,
};

/* How many entries of a level have these attributes. */
struct attributes {
	__u64 cached;		/* any memory type but the uncached one */
	__u64 writable;
	__u64 executable;
	__u64 global;		/* in the TLB of every process */
	__u64 kernel;		/* not for user space */
};

struct entries {
	__u64 pte, pmd, pud;	/* entries of each level */
	struct attributes attributes[NR_ENTRY_LEVELS];
	/* Memory type of the first one that counts as cached; empty for none. */
	char memory_type[20];
	/*
	 * Writable are only those that were written to (arm64, where the
	 * hardware makes a clean entry writable: PTE_DBM).
	 */
	bool written_only;
	__u64 contiguous;	/* of them, those with arm64's contiguous bit */
	__u64 mapped;		/* bytes that they map */
};

/* Count the entries in the dump that map [start, end).  0 or -errno. */
int __entries_parse(FILE *dump, __u64 start, __u64 end,
		    struct entries *entries);

/*
 * The same for the page tables of this process as they are now.  -ENOENT
 * where the kernel has no dump, -errno where it cannot be read.
 */
int __entries_read(__u64 start, __u64 end, struct entries *entries);

#endif /* ALIGNMENT_PAGETABLE_H */
