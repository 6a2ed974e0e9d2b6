/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lifetime of a huge mapping: the mapping that the tests of the groups life
 * and split work on, and the checks after each operation on it.
 */
#ifndef ALIGNMENT_LIFE_H
#define ALIGNMENT_LIFE_H

#include "lib/page_tags.h"
#include "lib/pagetable.h"
#include "test.h"

/* How the mapping is placed, and the size of the part that tests change. */
enum life_part {
	LIFE_PUD,	/* best address; an entry of the next lower level */
	LIFE_PMD,	/* good for PMD entries only; a page */
	LIFE_PTE,	/* good for PTEs only; a page */
	LIFE_SPLIT,	/* best address, with a PUD entry; a page inside it */
};

/*
 * A mapping.  Tests work on its block: one entry of the highest level, or some
 * PTEs if there is no huge entry.  Many work on the part in the block's middle.
 */
struct life {
	struct test *test;
	struct range range;
	__u64 address;
	__u64 block, block_size;	/* an address, and bytes */
	__u64 level;			/* bytes that an entry there maps */
	__u64 part, part_size;		/* an address, and bytes */
	struct entries entries;		/* after the first touch of all pages */
	struct page_tags tags;
	int klog;
};

/*
 * A read, or a write, of this address must raise this signal, or none if it is
 * 0.  `when` completes the message.
 */
void life_read(struct life *life, __u64 address, int signal,
	       const char *when);
void life_write(struct life *life, __u64 address, int signal,
		const char *when);

/*
 * The part [from, from + length) of the mapping, which is mapped at `address`,
 * must have the right content.  `from` is an offset in the mapping.
 */
void life_content(struct life *life, __u64 address, __u64 from, __u64 length,
		  const char *when);
void life_content_all(struct life *life, const char *when);

/*
 * Measure the entries of the whole mapping as PREFIX_pte, _pmd and _pud.
 * False if they cannot be read.
 */
bool life_entries(struct life *life, const char *prefix,
		  struct entries *entries);

/* Read every page of a part; false if a read raised a signal. */
bool life_touch(struct life *life, __u64 address, __u64 length,
		const char *when);

/*
 * The entries must map `mapped` bytes.  There may be at most as many as at
 * first, plus `more`.
 */
void life_judge(struct life *life, const struct entries *entries,
		__u64 mapped, __s64 more, const char *when);

/* Touch all pages; then there must be as many entries as at first. */
void life_as_before(struct life *life, const char *prefix, const char *when);

/* The entries must match this protection, and what vfio-pci sets up. */
void life_attributes(struct life *life, __u64 address, __u64 length, int prot,
		     const char *when);

/* How many more entries are needed if the part is an area of its own. */
__s64 life_more(const struct life *life);

/*
 * An SR-IOV virtual function does not have it: its memory is always enabled
 * (drivers/vfio/pci/vfio_pci_config.c: no_command_memory).
 */
bool life_has_memory_bit(const struct life *life);

/*
 * Whether the device has a function reset of its own.  VFIO then also resets
 * it when it is opened and closed.
 */
bool life_can_reset(const struct life *life);

/* Set or clear PCI_COMMAND_MEMORY; false if that failed. */
bool life_memory(struct life *life, bool on);

/* While memory is disabled, no entry may be left, and reads raise SIGBUS. */
void life_zapped(struct life *life, __u64 address, __u64 length,
		 const char *when);

#endif /* ALIGNMENT_LIFE_H */
