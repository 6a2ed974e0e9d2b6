/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device in sysfs: its BARs, its IOMMU group, and which driver has it.
 */
#ifndef ALIGNMENT_SYSFS_H
#define ALIGNMENT_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define NR_BARS		6
#define NAME_LENGTH	64

struct resource {
	__u64 address;		/* physical; all 0 where there is no BAR */
	__u64 size;
	bool io_ports;
	bool prefetchable;	/* no side effects */
};

struct binding {
	const char *device;
	bool changed;
	char driver[NAME_LENGTH];	/* before; empty for none */
	char override[NAME_LENGTH];	/* before; empty for none */
	char step[160];			/* what was tried last */
};

/*
 * Give the device to vfio-pci, and remember who had it.  0 or -errno, and
 * then step says what failed; vfio_unbind() undoes what was done until then.
 */
int __vfio_bind(const char *device, struct binding *binding);

/* Put everything back as it was; the device must be closed by then. */
int __vfio_unbind(struct binding *binding);

/* The physical BARs as Linux assigned them. */
int __read_resources(const char *device, struct resource bars[NR_BARS]);

/* Whether it is one of SR-IOV. */
bool is_virtual_function(const char *device);

/* The number of the IOMMU group. */
int __read_group(const char *device, int *group);

#endif /* ALIGNMENT_SYSFS_H */
