/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What else is in the page of a BAR that is smaller than a page: a process that
 * maps the page can also access those registers.  Two sources: the resources
 * of every PCI device, and the kernel's tree of all physical addresses.
 */
#ifndef ALIGNMENT_PAGE_SHARERS_H
#define ALIGNMENT_PAGE_SHARERS_H

#include <stdbool.h>
#include <stdio.h>
#include <linux/types.h>

#define SHARER_LENGTH	80

/* Physical addresses; both ends are inclusive. */
struct span {
	__u64 first, last;
};

/* The page, or the pages, that contain the span. */
struct span pages_of(const struct span *span);

/*
 * Look for a BAR or a ROM, of any device, in the pages of this BAR.  The name
 * is empty if there is none.  0 or -errno.
 */
int __find_pci_sharer(const char *device, int bar, const struct span *span,
		      char name[SHARER_LENGTH]);

/*
 * The same in the lines of /proc/iomem.  `reserved` is whether VFIO reserves
 * the rest of the page, from the BAR's end to the page's, so that no device
 * that is hotplugged later gets it.  -ENOENT if the BAR itself is not found.
 */
int __parse_iomem(FILE *iomem, const struct span *span,
		  char name[SHARER_LENGTH], bool *reserved);
int __find_iomem_sharer(const struct span *span, char name[SHARER_LENGTH],
			bool *reserved);

#endif /* ALIGNMENT_PAGE_SHARERS_H */
