/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who else is in the page of a BAR that is smaller than a page: whoever maps
 * the page has their registers, too.  Two witnesses: the resources of every
 * PCI device, and the kernel's tree of all physical addresses.
 */
#ifndef ALIGNMENT_NEIGHBOURS_H
#define ALIGNMENT_NEIGHBOURS_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/types.h>

#define NEIGHBOUR_LENGTH	80

/* Physical addresses; both ends are in it. */
struct span {
	__u64 first, last;
};

/* The page, or the pages, that a span lies in. */
struct span pages_of(const struct span *span);

/*
 * Look for a BAR or a ROM, of any device, in the pages of this BAR.  The name
 * is empty where there is none.  0 or -errno.
 */
int __find_pci_neighbour(const char *device, int bar, const struct span *span,
			 char name[NEIGHBOUR_LENGTH]);

/*
 * The same in the lines of /proc/iomem.  `reserved` is whether VFIO holds the
 * rest of the page, from the BAR's end to the page's, so that no device that is
 * plugged in later gets in.  -ENOENT where the BAR itself is not found.
 */
int __parse_iomem(FILE *iomem, const struct span *span,
		  char name[NEIGHBOUR_LENGTH], bool *reserved);
int __find_iomem_neighbour(const struct span *span,
			   char name[NEIGHBOUR_LENGTH], bool *reserved);

#endif /* ALIGNMENT_NEIGHBOURS_H */
