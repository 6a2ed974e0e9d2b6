// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "lib/msix.h"

/* More capabilities than this do not fit: the list would be a loop. */
#define MAX_CAPABILITIES	48

#define PENDING_WORD		64	/* bits, one for each vector */

/* Config space is little-endian. */
static __u32 word(const __u8 *config, int where)
{
	return config[where] | config[where + 1] << 8;
}

static __u32 dword(const __u8 *config, int where)
{
	return word(config, where) | word(config, where + 2) << 16;
}

/* The offset of the capability; 0 if the device does not have it. */
static int find_capability(const __u8 *config, __u8 id)
{
	int where = config[PCI_CAPABILITY_LIST] & ~3;
	int i;

	if (!(word(config, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (i = 0; where && i < MAX_CAPABILITIES; i++) {
		if (config[where + PCI_CAP_LIST_ID] == id)
			return where;
		where = config[where + PCI_CAP_LIST_NEXT] & ~3;
	}
	return 0;
}

static struct msix_part part(__u32 where, __u64 length)
{
	return (struct msix_part) {
		.bar = where & PCI_MSIX_TABLE_BIR,
		.offset = where & PCI_MSIX_TABLE_OFFSET,
		.length = length,
	};
}

bool msix_parse(const __u8 config[CONFIG_SIZE], struct msix *msix)
{
	int where = find_capability(config, PCI_CAP_ID_MSIX);
	__u64 vectors, words;

	if (!where || where > CONFIG_SIZE - PCI_CAP_MSIX_SIZEOF)
		return false;
	vectors = (word(config, where + PCI_MSIX_FLAGS) &
		   PCI_MSIX_FLAGS_QSIZE) + 1;
	words = (vectors + PENDING_WORD - 1) / PENDING_WORD;
	msix->table = part(dword(config, where + PCI_MSIX_TABLE),
			   vectors * PCI_MSIX_ENTRY_SIZE);
	msix->pending = part(dword(config, where + PCI_MSIX_PBA),
			     words * PENDING_WORD / 8);
	return true;
}

int __msix_read(const struct vfio *vfio, struct msix *msix)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u8 config[CONFIG_SIZE];
	ssize_t size;

	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	size = pread(vfio->device, config, sizeof(config), info.offset);
	if (size != sizeof(config))
		return size < 0 ? -errno : -EIO;
	return msix_parse(config, msix) ? 0 : -ENOENT;
}
