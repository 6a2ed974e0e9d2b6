/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the virtual address of an mmap is chosen, and its alignment.
 */
#ifndef ALIGNMENT_PLACEMENT_H
#define ALIGNMENT_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

enum placement {
	PLACE_KERNEL,
	PLACE_QEMU,
	PLACE_QEMU_V4,
	PLACE_CLOUD_HYPERVISOR,
	PLACE_OFFSET,
	PLACE_PMD,
	PLACE_MISALIGNED,
	NR_PLACEMENTS,
};

extern const char * const placement_names[NR_PLACEMENTS];

/* A part of a BAR, ready to be mapped; offset and length in bytes. */
struct range {
	int fd;
	int prot;
	__u64 fd_offset;	/* where the BAR begins in the file */
	__u64 bar_size;		/* bytes of the whole BAR */
	__u64 offset;		/* where the range begins in the BAR */
	size_t length;
};

#define NR_PROBES	3

struct placed {
	__u64 address;
	__u64 alignment;
	int nr_probes;		/* 0 unless the kernel chose the address */
	__u64 probes[NR_PROBES];
};

/*
 * The largest power of two, in bytes, that divides the difference of the
 * virtual address and the offset in the BAR.  A BAR is aligned to its size, so
 * this bounds the level at which it can be mapped.  The result is at most
 * 1 GiB, the largest level that maps anything.
 */
__u64 alignment_of(__u64 address, __u64 offset);

/*
 * Choose an address for the range; nothing stays mapped.  The alignment is the
 * worst that this placement can give, and the same every time.
 */
int __place(enum placement placement, const struct range *range,
	    struct placed *placed);

/* Choose an address that is `phase` modulo `align`, and not better aligned. */
int __place_modulo(const struct range *range, __u64 align, __u64 phase,
		   struct placed *placed);

/* Whether the kernel assigns addresses in this process from the top down. */
int __searches_down(bool *down);

/* Map the range; if address is 0, the kernel chooses.  *at is the result. */
int __range_mmap(const struct range *range, __u64 address, __u64 *at);

/* Map the range exactly at this address, without replacing anything. */
int __range_map(const struct range *range, __u64 address);
void range_unmap(const struct range *range, __u64 address);

#endif /* ALIGNMENT_PLACEMENT_H */
