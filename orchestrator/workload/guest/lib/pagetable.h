/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which page-table entries map a range of this process.  Read from the page
 * tables themselves, with the dump that CONFIG_PTDUMP_DEBUGFS provides; never
 * inferred from faults or from the alignment.
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
	/* Memory type of the first entry that counts as cached; or empty. */
	char memory_type[20];
	/*
	 * Only entries that were written to are shown as writable (arm64, where
	 * the hardware makes a clean entry writable: PTE_DBM).
	 */
	bool written_only;
	__u64 contiguous;	/* those with arm64's contiguous bit */
	__u64 mapped;		/* bytes that they map */
};

/* The files with the dump of the process that reads them, the best first. */
#define NR_ENTRIES_DUMPS	3
extern const char * const entries_dumps[NR_ENTRIES_DUMPS];

/* Count the entries in the dump that map [start, end).  0 or -errno. */
int __entries_parse(FILE *dump, __u64 start, __u64 end,
		    struct entries *entries);

/*
 * The same for the current page tables of this process.  -ENOENT if the kernel
 * has no dump, -errno if it cannot be read.
 */
int __entries_read(__u64 start, __u64 end, struct entries *entries);

#endif /* ALIGNMENT_PAGETABLE_H */
