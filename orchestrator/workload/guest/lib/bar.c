// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/mman.h>
#include <linux/vfio.h>

#include "lib/bar.h"
#include "lib/levels.h"
#include "lib/vfio_region.h"

/* A BAR smaller than a page is mapped as a page, if VFIO maps it at all. */
static __u64 round_up_to_page(__u64 size)
{
	return (size + PTE_SIZE - 1) & ~(PTE_SIZE - 1);
}

/* The end of the range, as an offset in the BAR. */
static __u64 end_of(const struct options *options, __u64 size)
{
	if (!options->length || options->length > size - options->offset)
		return size;
	return options->offset + options->length;
}

static const char *why_skip(const struct resource *resource,
			    const struct region *region, __u64 offset)
{
	if (!resource->size)
		return "not mappable: the device has no such BAR";
	if (resource->io_ports)
		return "not mappable: I/O ports";
	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP) &&
	    region->size < PTE_SIZE)
		return "not mappable: less than a page, not alone in it";
	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return "not mappable: VFIO does not offer mmap";
	if (!(region->flags & VFIO_REGION_INFO_FLAG_READ))
		return "not mappable: VFIO does not let it be read";
	if (offset >= region->size)
		return "not mappable: the BAR ends before the offset";
	if (!region->area_size)
		return "not mappable: VFIO maps only other parts of the BAR";
	return NULL;
}

static int __bar_find(const struct options *options, const struct vfio *vfio,
		      const struct resource *resource, struct bar *bar)
{
	__u64 size = round_up_to_page(resource->size);
	__u64 end = 0;
	struct region region;
	int ret;

	if (options->offset < size)
		end = end_of(options, size);
	ret = __vfio_region(vfio, bar->index, options->offset, end, &region);
	if (ret)
		return ret;
	bar->address = resource->address;
	bar->size = resource->size;
	bar->skip = why_skip(resource, &region, options->offset);
	bar->range = (struct range) {
		.fd = vfio->device,
		.prot = PROT_READ,
		.fd_offset = region.fd_offset,
		.bar_size = size,
		.offset = region.area_offset,
		.length = region.area_size,
	};
	if (region.flags & VFIO_REGION_INFO_FLAG_WRITE)
		bar->range.prot |= PROT_WRITE;
	return 0;
}

int __bars_find(const struct options *options, const struct vfio *vfio,
		struct bar bars[NR_BARS])
{
	struct resource resources[NR_BARS];
	int found = 0;
	int i, ret;

	ret = __read_resources(options->device, resources);
	for (i = 0; !ret && i < NR_BARS; i++) {
		if (!options->bars[i])
			continue;
		if (options->any_bar && !resources[i].size)
			continue;
		bars[found].index = i;
		ret = __bar_find(options, vfio, &resources[i], &bars[found++]);
	}
	return ret ? ret : found;
}
