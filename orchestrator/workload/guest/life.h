/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a huge mapping: what the tests of this group begin with, and
 * what they look at after everything that they do to it.
 */
#ifndef ALIGNMENT_LIFE_H
#define ALIGNMENT_LIFE_H

#include "pagetable.h"
#include "tags.h"
#include "test.h"

/* Which mapping, and how large the part of it that tests do something to. */
enum life_part {
	LIFE_PUD,	/* the best address; an entry of the next level */
	LIFE_PMD,	/* good for PMD entries alone; a page */
	LIFE_PTE,	/* good for PTEs alone; a page */
	LIFE_SPLIT,	/* a page in the midst of a PUD entry, or none */
};

/*
 * A mapping.  Tests work on its block: one entry of the highest level, or some
 * PTEs where there is no huge one; many of them on a part in its middle.
 */
struct life {
	struct test *test;
	struct range range;
	__u64 address;
	__u64 block, block_size;	/* an address, and bytes */
	__u64 level;			/* bytes that an entry there maps */
	__u64 part, part_size;		/* an address, and bytes */
	struct entries entries;		/* when all of it was touched first */
	struct tags tags;
	int klog;
};

/*
 * Map it, touch all of it and measure the entries, with tags in its pages.
 * False where that failed, and the test is over.
 */
bool life_begin(struct life *life, struct test *test);

/* Tags and log; and unmap what there may be left. */
void life_end(struct life *life);

/*
 * A read, or a write, of this address must be answered so: with a signal, or
 * with 0 for none.  `when` completes the sentence of what is wrong.
 */
void life_read(struct life *life, __u64 address, int signal,
	       const char *when);
void life_write(struct life *life, __u64 address, int signal,
		const char *when);

/*
 * The part [from, from + length) of the mapping, which is shown at address,
 * must have the right content.  Offsets from the mapping's begin.
 */
void life_content(struct life *life, __u64 address, __u64 from, __u64 length,
		  const char *when);
void life_content_all(struct life *life, const char *when);

/*
 * Measure the entries of the whole mapping as PREFIX_pte, _pmd and _pud.
 * False where they cannot be read.
 */
bool life_entries(struct life *life, const char *prefix,
		  struct entries *entries);

/* Read every page of a part; false where a signal answered. */
bool life_touch(struct life *life, __u64 address, __u64 length,
		const char *when);

/*
 * These entries must map so many bytes, and be no more than those at first
 * and so many more.
 */
void life_judge(struct life *life, const struct entries *entries,
		__u64 mapped, __s64 more, const char *when);

/* All is touched, then the entries are to be as many as at first. */
void life_as_before(struct life *life, const char *prefix, const char *when);

/* Its entries must be as this protection, and as vfio-pci, asks for. */
void life_attributes(struct life *life, __u64 address, __u64 length, int prot,
		     const char *when);

/* How many more entries it costs that the part is an area of its own. */
__s64 life_more(const struct life *life);

/*
 * An SR-IOV virtual function has none: its memory is always on (drivers/vfio/
 * pci/vfio_pci_config.c: no_command_memory).
 */
#define NO_MEMORY_BIT	"a virtual function has no PCI_COMMAND_MEMORY"
bool life_has_memory_bit(const struct life *life);

/* Whether it has a reset of its own; opening and closing it resets it, too. */
bool life_can_reset(const struct life *life);

/* Memory-enable off or on; false where that failed. */
bool life_memory(struct life *life, bool on);

/* While memory is off, no entry may be left anywhere. */
void life_gone(struct life *life, __u64 address, __u64 length,
	       const char *when);

void run_life_flags(struct test *test);
void run_life_munmap(struct test *test);
void run_life_mprotect(struct test *test);
void run_life_madvise(struct test *test);
void run_life_mremap(struct test *test);
void run_life_mremap_part(struct test *test);
void run_life_fork(struct test *test);
void run_life_dontfork(struct test *test);
void run_life_threads(struct test *test);
void run_life_disable(struct test *test);
void run_life_race(struct test *test);
void run_life_reset(struct test *test);
void run_life_close(struct test *test);
void run_life_dma(struct test *test);

#endif /* ALIGNMENT_LIFE_H */
