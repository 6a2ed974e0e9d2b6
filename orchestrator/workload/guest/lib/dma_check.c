// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/cost.h"
#include "lib/dma_check.h"
#include "lib/levels.h"
#include "lib/vfio_dma.h"

bool dma_takes_bars(enum iommu_mode mode)
{
	return mode == MODE_TYPE1 || mode == MODE_TYPE1V2;
}

int __dma_choose_iova(const struct test *test, struct dma *dma)
{
	__u64 phase = 0;
	int ret;

	if (dma->physical != ANY_ADDRESS)
		phase = dma->physical & (PUD_SIZE - 1);
	ret = __vfio_choose_iova(test->vfio, PUD_SIZE + phase + dma->length,
				 &dma->iova);
	dma->iova += phase;
	if (dma->iova == dma->physical)
		dma->iova += PUD_SIZE;
	return ret;
}

static int __read_entries(const struct test *test, const struct dma *dma,
			  struct iommu_entries *entries)
{
	const struct iommu_range range = {
		.device = test->options->device,
		.iova = dma->iova,
		.length = dma->length,
		.physical = dma->physical,
	};

	return __iommu_dump_read(&range, entries);
}

static __u64 nr_entries(const struct iommu_entries *entries)
{
	return entries->nr_4k + entries->nr_2m + entries->nr_1g;
}

static void check_entries(struct test *test, const struct dma *dma,
			  const struct iommu_entries *entries)
{
	__u64 writable = dma->prot & PROT_WRITE ? dma->length : 0;
	char expected[32], found[32];

	if (entries->wrong)
		test_not_ok(test, "the IOMMU maps the wrong page: IOVA 0x%llx leads to physical 0x%llx, not to 0x%llx (and so do %s in all)",
			    entries->wrong_iova, entries->wrong_physical,
			    dma->physical + (entries->wrong_iova - dma->iova),
			    human(entries->wrong, found));
	if (entries->mapped != dma->length)
		test_not_ok(test, "mapped for DMA were %s at IOVA 0x%llx, but the IOMMU has entries for %s",
			    human(dma->length, expected), dma->iova,
			    human(entries->mapped, found));
	else if (entries->writable != writable)
		test_not_ok(test, "the device may write %s at IOVA 0x%llx, expected %s",
			    human(entries->writable, found), dma->iova,
			    human(writable, expected));
}

/* Once in a test, which is a process of its own. */
static void say_unseen(const struct test *test)
{
	static bool printed;

	if (!printed)
		test_say(test, "what the IOMMU maps was not checked: this kernel does not show the IOMMU's page tables (CONFIG_INTEL_IOMMU_DEBUGFS)");
	printed = true;
}

void dma_measure_entries(struct test *test, const struct dma *dma)
{
	struct iommu_entries entries;
	int ret = __read_entries(test, dma, &entries);

	if (ret == -ENOENT) {
		say_unseen(test);
		return;
	}
	if (ret) {
		test_failed(test, "read the IOMMU's page tables", ret);
		return;
	}
	test_say(test, "IOMMU entries: %llu of 4 KiB, %llu of 2 MiB, %llu of 1 GiB",
		 entries.nr_4k, entries.nr_2m, entries.nr_1g);
	test_exact(test, "iommu_4k", entries.nr_4k, "entries");
	test_exact(test, "iommu_2m", entries.nr_2m, "entries");
	test_exact(test, "iommu_1g", entries.nr_1g, "entries");
	check_entries(test, dma, &entries);
}

void dma_check_mapped(struct test *test, const struct dma *dma)
{
	struct iommu_entries entries;
	int ret = __read_entries(test, dma, &entries);

	if (!ret)
		check_entries(test, dma, &entries);
	else if (ret == -ENOENT)
		say_unseen(test);
	else
		test_failed(test, "read the IOMMU's page tables", ret);
}

bool dma_count_mapped(struct test *test, const struct dma *dma, __u64 *bytes)
{
	struct iommu_entries entries;
	int ret = __read_entries(test, dma, &entries);

	if (ret == -ENOENT)
		say_unseen(test);
	else if (ret)
		test_failed(test, "read the IOMMU's page tables", ret);
	*bytes = entries.mapped;
	return !ret;
}

/* A device that is not in the tables at all cannot reach anything either. */
void dma_check_empty(struct test *test, const struct dma *dma,
		     const char *when)
{
	struct iommu_entries entries;
	int ret = __read_entries(test, dma, &entries);

	if (ret == -ENODATA)
		return;
	if (ret == -ENOENT)
		say_unseen(test);
	else if (ret)
		test_failed(test, "read the IOMMU's page tables", ret);
	else if (entries.mapped)
		test_not_ok(test, "%s left %llu IOMMU entries at IOVA 0x%llx and on",
			    when, nr_entries(&entries), dma->iova);
}

/* Native iommufd returns -ENOENT; containers return success, with 0 bytes. */
void dma_check_unknown(struct test *test, const struct dma *dma,
		       const char *when)
{
	__u64 unmapped;
	int ret;

	ret = __vfio_dma_unmap_some(test->vfio, dma->length, dma->iova,
				    &unmapped);
	if (ret && !(test->vfio->mode == MODE_IOMMUFD && ret == -ENOENT))
		test_failed(test, "unmap for DMA what is not mapped", ret);
	else if (unmapped)
		test_not_ok(test, "%s left 0x%llx bytes at IOVA 0x%llx, which a second unmap found",
			    when, unmapped, dma->iova);
}

__u64 dma_unmap(struct test *test, const struct dma *dma)
{
	struct cost cost;
	__u64 unmapped;
	int ret;

	cost_begin(&cost);
	ret = __vfio_dma_unmap_some(test->vfio, dma->length, dma->iova,
				    &unmapped);
	cost_end(&cost);
	if (ret)
		test_failed(test, "unmap it for DMA", ret);
	else if (unmapped != dma->length)
		test_not_ok(test, "mapped for DMA were 0x%zx bytes at IOVA 0x%llx, unmapped were 0x%llx",
			    dma->length, dma->iova, unmapped);
	dma_check_empty(test, dma, "unmap");
	dma_check_unknown(test, dma, "unmap");
	return cost.ns;
}
