// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BAR as a dma-buf: VFIO exports it (drivers/vfio/pci/vfio_pci_dmabuf.c),
 * iommufd maps it for DMA (drivers/iommu/iommufd/pages.c), and VFIO revokes it
 * before the BAR stops responding.  After that the IOMMU must not map it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/cost.h"
#include "lib/dma_check.h"
#include "lib/iommufd.h"
#include "lib/iommufd_uapi.h"
#include "lib/levels.h"
#include "lib/sysfs.h"
#include "lib/vfio.h"
#include "lib/vfio_ask.h"
#include "tests.h"

#define SECONDS(ns)	((ns) / 1e9)

struct buffer {
	struct test *test;
	int fd;
	struct dma dma;
};

/* The feature, and in its data the dma-buf with one range. */
#define EXPORT_SIZE	(sizeof(struct vfio_device_feature) +		\
			 sizeof(struct vfio_device_feature_dma_buf) +	\
			 sizeof(struct vfio_region_dma_range))

/* Returns the file of the dma-buf, or -errno. */
static int __export(const struct test *test, int bar, __u64 offset,
		    __u64 length)
{
	__u8 buffer[EXPORT_SIZE] __attribute__((__aligned__(8))) = { 0 };
	struct vfio_device_feature *feature = (void *)buffer;
	struct vfio_device_feature_dma_buf *dma_buf = (void *)feature->data;

	feature->argsz = sizeof(buffer);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	dma_buf->region_index = VFIO_PCI_BAR0_REGION_INDEX + bar;
	dma_buf->open_flags = O_RDWR | O_CLOEXEC;
	dma_buf->nr_ranges = 1;
	dma_buf->dma_ranges[0].offset = offset;
	dma_buf->dma_ranges[0].length = length;
	return __vfio_ask(test->vfio->device, VFIO_DEVICE_FEATURE, buffer);
}

/* Export the whole range; false if that failed, and the test is over. */
static bool make_buffer(struct test *test, struct buffer *buffer)
{
	const struct range *range = &test->bar->range;

	if (test->bar->size < PTE_SIZE) {
		test_skip(test, "a dma-buf is made of whole pages, the BAR has less than one");
		return false;
	}
	buffer->test = test;
	buffer->fd = __export(test, test->bar->index, range->offset,
			      range->length);
	if (buffer->fd == -ENOTTY)
		test_skip(test, "this kernel exports no BAR as a dma-buf (CONFIG_VFIO_PCI_DMABUF, which needs CONFIG_PCI_P2PDMA)");
	else if (buffer->fd == -EOPNOTSUPP)
		test_skip(test, "the device's driver exports no BAR as a dma-buf");
	else if (buffer->fd < 0)
		test_failed(test, "export the BAR as a dma-buf (VFIO_DEVICE_FEATURE_DMA_BUF)",
			    buffer->fd);
	if (buffer->fd < 0)
		return false;
	buffer->dma.length = range->length;
	buffer->dma.physical = test->bar->address + range->offset;
	buffer->dma.prot = range->prot;
	return true;
}

static void refuse_export(struct test *test, int bar, __u64 offset,
			  __u64 length, const char *what)
{
	int fd = __export(test, bar, offset, length);

	if (fd < 0) {
		test_say(test, "%s: refused: %s (errno %d)", what,
			 strerror(-fd), -fd);
		return;
	}
	close(fd);
	test_not_ok(test, "%s was exported as a dma-buf: 0x%llx bytes at offset 0x%llx of region %d",
		    what, length, offset, bar);
}

void run_dma_buf_export(struct test *test)
{
	__u64 end = test->bar->size;
	int bar = test->bar->index;
	struct buffer buffer;
	off_t size;

	if (!make_buffer(test, &buffer))
		return;
	size = lseek(buffer.fd, 0, SEEK_END);
	if (size != (off_t)buffer.dma.length)
		test_not_ok(test, "exported were 0x%zx bytes, but the dma-buf has 0x%llx",
			    buffer.dma.length, (unsigned long long)size);
	close(buffer.fd);
	refuse_export(test, bar, end, PTE_SIZE, "a page past the BAR's end");
	refuse_export(test, bar, 0, end + PTE_SIZE, "more than the BAR");
	refuse_export(test, bar, 0, 0, "nothing");
	refuse_export(test, bar, 0, PTE_SIZE / 2, "half a page");
	refuse_export(test, VFIO_PCI_CONFIG_REGION_INDEX, 0, PTE_SIZE,
		      "config space");
}

static int __map(const struct buffer *buffer, __u64 start, size_t length)
{
	return __iommufd_map_file(buffer->test->vfio, buffer->fd, start,
				  length, buffer->dma.iova, buffer->dma.prot);
}

static void report_cost(const struct buffer *buffer, const struct cost *cost)
{
	const struct test *test = buffer->test;

	test_say(test, "faults to map it for DMA at 0x%llx: %llu, in %.6f s",
		 buffer->dma.iova, cost->faults, SECONDS(cost->ns));
	test_exact(test, "map_faults", cost->faults, "faults");
	test_varies(test, "dma_time", cost->ns, "ns");
}

/* Export and map all; false if that failed, and the test is over. */
static bool make_mapped(struct test *test, struct buffer *buffer)
{
	struct cost cost;
	int ret;

	if (!make_buffer(test, buffer))
		return false;
	ret = __dma_choose_iova(test, &buffer->dma);
	if (ret) {
		test_failed(test, "find room for DMA above 4 GiB", ret);
		return false;
	}
	cost_begin(&cost);
	ret = __map(buffer, 0, buffer->dma.length);
	cost_end(&cost);
	if (ret == -ENOTTY || ret == -EOPNOTSUPP)
		test_skip(test, "this kernel's iommufd maps no dma-buf (IOMMU_IOAS_MAP_FILE): %s",
			  strerror(-ret));
	else if (ret)
		test_failed(test, "map the dma-buf for DMA (IOMMU_IOAS_MAP_FILE)",
			    ret);
	else
		report_cost(buffer, &cost);
	return !ret;
}

/* Map a page from the middle: the start of the dma-buf must not matter. */
static void map_page(struct buffer *buffer)
{
	__u64 start = buffer->dma.length / 2 & -PTE_SIZE;
	struct buffer page = *buffer;
	int ret;

	page.dma.length = PTE_SIZE;
	page.dma.physical += start;
	ret = __map(&page, start, PTE_SIZE);
	if (ret) {
		test_failed(page.test, "map a page of the dma-buf for DMA, after all of it was mapped",
			    ret);
		return;
	}
	dma_check_mapped(page.test, &page.dma);
	dma_unmap(page.test, &page.dma);
}

static void refuse_past_end(struct buffer *buffer)
{
	struct buffer page = *buffer;
	int ret;

	page.dma.length = PTE_SIZE;
	ret = __map(&page, buffer->dma.length, PTE_SIZE);
	if (ret)
		return;
	test_not_ok(page.test, "IOMMU_IOAS_MAP_FILE accepted a page past the end of the dma-buf, which has 0x%zx bytes",
		    buffer->dma.length);
	dma_unmap(page.test, &page.dma);
}

void run_dma_buf_map(struct test *test)
{
	struct buffer buffer;

	if (!make_mapped(test, &buffer))
		return;
	test_exact(test, "length", buffer.dma.length, "bytes");
	test_exact(test, "offset", test->bar->range.offset, "bytes");
	test_varies(test, "bar_address", test->bar->address, "bytes");
	dma_measure_entries(test, &buffer.dma);
	test_varies(test, "unmap_time", dma_unmap(test, &buffer.dma), "ns");
	map_page(&buffer);
	refuse_past_end(&buffer);
	close(buffer.fd);
}

/* Mapping a revoked dma-buf must be refused, and must leave no entry. */
static void refuse_revoked(struct buffer *buffer, const char *when)
{
	struct buffer other = *buffer;
	int ret;

	other.dma.length = PTE_SIZE;
	ret = __map(&other, 0, PTE_SIZE);
	if (!ret) {
		test_not_ok(other.test, "IOMMU_IOAS_MAP_FILE accepted a dma-buf of the BAR at 0x%llx, %s",
			    other.dma.physical, when);
		dma_unmap(other.test, &other.dma);
		return;
	}
	test_say(other.test, "a mapping %s: refused: %s (errno %d)", when,
		 strerror(-ret), -ret);
	dma_check_empty(other.test, &other.dma, "a refused mapping");
}

/* Enable memory again; then the same dma-buf can be mapped again. */
static void enable_again(struct buffer *buffer)
{
	int ret = __vfio_set_memory(buffer->test->vfio, true);

	if (ret) {
		test_failed(buffer->test, "enable the device's memory", ret);
		return;
	}
	ret = __map(buffer, 0, buffer->dma.length);
	if (ret) {
		test_failed(buffer->test, "map the dma-buf for DMA after the device's memory was enabled again",
			    ret);
		return;
	}
	dma_check_mapped(buffer->test, &buffer->dma);
	dma_unmap(buffer->test, &buffer->dma);
}

void run_dma_buf_disable(struct test *test)
{
	struct buffer buffer;
	int ret;

	if (is_virtual_function(test->options->device)) {
		test_skip(test, "a virtual function: its command register has no memory-enable");
		return;
	}
	if (!make_mapped(test, &buffer))
		return;
	dma_check_mapped(test, &buffer.dma);
	ret = __vfio_set_memory(test->vfio, false);
	if (ret) {
		test_failed(test, "disable the device's memory", ret);
		return;
	}
	dma_check_empty(test, &buffer.dma, "clearing memory-enable");
	dma_unmap(test, &buffer.dma);
	refuse_revoked(&buffer, "while the device's memory is disabled");
	enable_again(&buffer);
	close(buffer.fd);
}

/* The dma-buf and the address space remain after the device is closed. */
void run_dma_buf_close(struct test *test)
{
	struct buffer buffer;

	if (!make_mapped(test, &buffer))
		return;
	dma_check_mapped(test, &buffer.dma);
	close(test->vfio->device);
	dma_check_empty(test, &buffer.dma, "closing the device");
	dma_unmap(test, &buffer.dma);
	refuse_revoked(&buffer, "after the device was closed");
	close(buffer.fd);
}
