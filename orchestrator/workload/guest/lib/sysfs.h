/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device in sysfs: its BARs, its IOMMU group, and its driver.
 */
#ifndef ALIGNMENT_SYSFS_H
#define ALIGNMENT_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define NR_BARS		6
#define NAME_LENGTH	64

struct resource {
	__u64 address;		/* physical; all fields 0 if there is no BAR */
	__u64 size;
	bool io_ports;
	bool prefetchable;	/* no side effects */
};

struct binding {
	const char *device;
	bool changed;
	char driver[NAME_LENGTH];	/* before; empty for none */
	char override[NAME_LENGTH];	/* before; empty for none */
	char step[160];			/* the last step that was tried */
};

/*
 * Bind the device to vfio-pci, and remember its driver.  0 or -errno; `step` is
 * then the step that failed, and vfio_unbind() undoes the steps before it.
 */
int __vfio_bind(const char *device, struct binding *binding);

/* Restore driver and override; the device must be closed. */
int __vfio_unbind(struct binding *binding);

/* The physical BARs as Linux assigned them. */
int __read_resources(const char *device, struct resource bars[NR_BARS]);

/* Whether the device is an SR-IOV virtual function. */
bool is_virtual_function(const char *device);

/* The number of the IOMMU group. */
int __read_group(const char *device, int *group);

#endif /* ALIGNMENT_SYSFS_H */
