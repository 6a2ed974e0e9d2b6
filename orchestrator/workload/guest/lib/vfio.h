/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open and close a PCI device through VFIO.  Every kernel since long before 6.1
 * has the group interface with the type1 IOMMU; iommufd was added later.
 */
#ifndef ALIGNMENT_VFIO_H
#define ALIGNMENT_VFIO_H

#include <stdbool.h>

#include "lib/vfio_device.h"

/* The step of __vfio_open() that fails if the kernel has no such IOMMU type. */
#define STEP_EXTENSION	"VFIO_CHECK_EXTENSION: not the IOMMU that was asked for"

/*
 * If there is no IOMMU, and the kernel is in VFIO's no-IOMMU mode, the device
 * is opened in MODE_NOIOMMU instead of `mode`: nothing is mapped for DMA then.
 * 0 or -errno; *step is then the step that failed.
 */
int __vfio_open(struct vfio *vfio, const char *address, int group,
		enum iommu_mode mode, const char **step);
void vfio_close(const struct vfio *vfio);

/*
 * Set or clear memory-enable in the device's command register; __vfio_open()
 * sets it.  While it is cleared, reads of a BAR raise SIGBUS.
 */
int __vfio_set_memory(const struct vfio *vfio, bool on);

/* Why memory-enable of a device cannot be switched. */
#define NO_MEMORY_BIT	"a virtual function has no PCI_COMMAND_MEMORY"

#endif /* ALIGNMENT_VFIO_H */
