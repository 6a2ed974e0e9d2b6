// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map for DMA with more rights than the mmap has; unmap only a part.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/dma_check.h"
#include "lib/levels.h"
#include "lib/vfio_dma.h"
#include "tests.h"

/* Enough for a slice, and little, since it takes the guest's memory. */
#define MEMORY_LENGTH	(16 * PTE_SIZE)

static int __map_memory(int prot, __u64 *address)
{
	void *p = mmap(NULL, MEMORY_LENGTH, prot, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	*address = (__u64)p;
	return p == MAP_FAILED ? -errno : 0;
}

static int __map_bar(const struct range *range, __u64 *address)
{
	struct placed placed;
	int ret;

	ret = __place(PLACE_OFFSET, range, &placed);
	*address = placed.address;
	return ret ? ret : __range_map(range, *address);
}

/*
 * Map what this mode maps for DMA, the BAR's range or memory, with `prot` at
 * *address, and choose dma->iova for it.  False if that failed.
 */
static bool make_source(struct test *test, int prot, struct dma *dma,
			__u64 *address)
{
	struct range range = test->bar->range;
	int ret;

	dma->prot = range.prot = prot;
	if (dma_takes_bars(test->kind->mode)) {
		dma->length = range.length;
		dma->physical = test->bar->address + range.offset;
		ret = __map_bar(&range, address);
	} else {
		dma->length = MEMORY_LENGTH;
		dma->physical = ANY_ADDRESS;
		ret = __map_memory(prot, address);
	}
	if (ret) {
		test_failed(test, "map what is to be mapped for DMA", ret);
		return false;
	}
	ret = __dma_choose_iova(test, dma);
	if (ret)
		test_failed(test, "find room for DMA above 4 GiB", ret);
	return !ret;
}

/* Map it so that the device may write; returns the error of that. */
static int refuse_writable(struct test *test, const struct dma *dma,
			   __u64 address, const char *when)
{
	struct dma writable = *dma;
	int ret;

	writable.prot |= PROT_WRITE;
	ret = __vfio_dma_map(test->vfio, address, writable.length,
			     writable.iova, writable.prot);
	if (!ret) {
		test_not_ok(test, "a writable DMA mapping of the read-only mmap at 0x%llx was accepted, %s",
			    address, when);
		dma_unmap(test, &writable);
		return 0;
	}
	test_say(test, "writable, %s: refused: %s (errno %d)", when,
		 strerror(-ret), -ret);
	if (ret != -EFAULT && ret != -EPERM && ret != -EACCES)
		test_not_ok(test, "a writable DMA mapping of a read-only mmap was refused for another reason: %s (errno %d)",
			    strerror(-ret), -ret);
	dma_check_empty(test, &writable, "a refused mapping");
	dma_check_unknown(test, &writable, "a refused mapping");
	return ret;
}

/*
 * Show that only writable mappings are refused: if this mapping is refused as
 * well, the refusals prove nothing.  It also faults in all pages.
 */
static int map_readable(struct test *test, const struct dma *dma,
			__u64 address)
{
	int ret = __vfio_dma_map(test->vfio, address, dma->length, dma->iova,
				 dma->prot);

	if (ret) {
		test_failed(test, "map it read-only for DMA", ret);
		return ret;
	}
	test_say(test, "read-only: accepted");
	dma_check_mapped(test, dma);
	dma_unmap(test, dma);
	return 0;
}

/*
 * The kernel checks the right to write in two ways: by the area if it has to
 * fault a page in, and by the page tables if the page is present
 * (follow_fault_pfn() in drivers/vfio/vfio_iommu_type1.c).  iommufd maps no
 * BARs by address; for it the test maps memory.
 */
void run_dma_read_only(struct test *test)
{
	struct dma dma;
	__u64 address;
	int ret;

	if (!make_source(test, PROT_READ, &dma, &address))
		return;
	ret = refuse_writable(test, &dma, address, "pages not present");
	test_exact(test, "write_error", -ret, "errno");
	ret = map_readable(test, &dma, address);
	test_exact(test, "read_error", -ret, "errno");
	if (ret)
		return;
	refuse_writable(test, &dma, address, "pages present");
}

/* What type1 does has historical reasons: see vfio_dma_do_unmap(). */
static void record_slice(struct test *test, const struct dma *dma,
			 __u64 offset, const char *name)
{
	__u64 unmapped, left;
	char text[32], more[32];
	int ret;

	ret = __vfio_dma_unmap_some(test->vfio, PTE_SIZE, dma->iova + offset,
				    &unmapped);
	test_say(test, "unmap of the %s page: %s, %s unmapped", name,
		 ret ? strerror(-ret) : "success", human(unmapped, text));
	snprintf(text, sizeof(text), "%s_unmapped", name);
	test_exact(test, text, unmapped, "bytes");
	if (!dma_count_mapped(test, dma, &left))
		return;
	test_say(test, "the IOMMU still maps %s", human(left, more));
	snprintf(text, sizeof(text), "%s_left", name);
	test_exact(test, text, left, "bytes");
}

static void unmap_rest(struct test *test, const struct dma *dma)
{
	__u64 unmapped;
	int ret;

	ret = __vfio_dma_unmap_some(test->vfio, dma->length, dma->iova,
				    &unmapped);
	if (ret)
		test_failed(test, "unmap the rest for DMA", ret);
	dma_check_empty(test, dma, "unmap of the rest");
	dma_check_unknown(test, dma, "unmap of the rest");
}

/* Except with type1, a request for a part of a mapping must do nothing. */
static void refuse_slice(struct test *test, const struct dma *dma,
			 __u64 offset, const char *name)
{
	__u64 unmapped;
	int ret;

	ret = __vfio_dma_unmap_some(test->vfio, PTE_SIZE, dma->iova + offset,
				    &unmapped);
	test_say(test, "unmap of the %s page: %s", name,
		 ret ? strerror(-ret) : "success");
	if (!ret)
		test_not_ok(test, "unmap of the %s page alone, IOVA 0x%llx in a mapping of 0x%zx bytes, was accepted and unmapped 0x%llx",
			    name, dma->iova + offset, dma->length, unmapped);
	dma_check_mapped(test, dma);
}

void run_dma_slice(struct test *test)
{
	enum iommu_mode mode = test->kind->mode;
	struct dma dma;
	__u64 address;
	int ret;

	if (!make_source(test, test->bar->range.prot, &dma, &address))
		return;
	if (dma.length < 3 * PTE_SIZE) {
		test_skip(test, "too short to have a slice: three pages are needed");
		return;
	}
	ret = __vfio_dma_map(test->vfio, address, dma.length, dma.iova,
			     dma.prot);
	if (ret) {
		test_failed(test, "map it for DMA", ret);
		return;
	}
	if (mode == MODE_TYPE1 || mode == MODE_COMPAT_TYPE1) {
		record_slice(test, &dma, PTE_SIZE, "second");
		record_slice(test, &dma, 0, "first");
		unmap_rest(test, &dma);
		return;
	}
	refuse_slice(test, &dma, PTE_SIZE, "second");
	refuse_slice(test, &dma, 0, "first");
	dma_unmap(test, &dma);
}
