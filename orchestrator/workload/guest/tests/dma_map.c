// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map a BAR for DMA by the address of its mmap.  VFIO's own containers do that.
 * iommufd refuses: it pins pages (drivers/iommu/iommufd/pages.c), and a BAR has
 * none (check_vma_flags() in mm/gup.c: -EFAULT in 7.3, but the error is not
 * specified).  It maps BARs as dma-bufs, which can be revoked.  As a container
 * it is "known to lack peer-to-peer DMA mapping" (drivers/iommu/iommufd/
 * Kconfig).  A later kernel may add that: the refusal is not guaranteed.
 */
#include <errno.h>
#include <string.h>

#include "lib/cost.h"
#include "lib/dma_check.h"
#include "lib/levels.h"
#include "lib/map_range.h"
#include "lib/vfio_dma.h"
#include "tests.h"

#define SECONDS(ns)	((ns) / 1e9)

struct attempt {
	struct test *test;
	struct range range;
	struct placed placed;
	struct dma dma;
};

static int __map(const struct attempt *attempt, struct cost *cost)
{
	const struct dma *dma = &attempt->dma;
	int ret;

	cost_begin(cost);
	ret = __vfio_dma_map(attempt->test->vfio, attempt->placed.address,
			     dma->length, dma->iova, dma->prot);
	cost_end(cost);
	return ret;
}

/* An entry that was left behind would prevent a mapping at the same IOVA. */
static void map_again(struct attempt *attempt)
{
	struct cost cost;
	int ret = __map(attempt, &cost);

	if (ret) {
		test_failed(attempt->test, "map it for DMA again, at the same IOVA",
			    ret);
		return;
	}
	dma_check_mapped(attempt->test, &attempt->dma);
	dma_unmap(attempt->test, &attempt->dma);
}

/*
 * A BAR is not memory that can be locked (drivers/vfio/vfio_iommu_type1.c:
 * vfio_pin_pages_remote() does not count reserved pages).
 */
static void judge_locked(struct test *test, __u64 before)
{
	__u64 locked = locked_memory();

	if (locked > before)
		test_not_ok(test, "the DMA map of a BAR is charged as %llu KiB of locked memory, expected none",
			    locked - before);
}

static void judge_mapped(struct attempt *attempt, const struct cost *cost)
{
	struct test *test = attempt->test;

	test_say(test, "faults to map it for DMA at 0x%llx: %llu, in %.6f s",
		 attempt->dma.iova, cost->faults, SECONDS(cost->ns));
	test_exact(test, "dma_faults", cost->faults, "faults");
	test_varies(test, "dma_time", cost->ns, "ns");
	dma_measure_entries(test, &attempt->dma);
	test_varies(test, "unmap_time", dma_unmap(test, &attempt->dma), "ns");
	map_again(attempt);
}

static void judge_refused(struct attempt *attempt, int error,
			  const char *when)
{
	struct test *test = attempt->test;

	test_say(test, "%s: refused: %s (errno %d)", when,
		 strerror(-error), -error);
	dma_check_empty(test, &attempt->dma, "a refused mapping");
	dma_check_unknown(test, &attempt->dma, "a refused mapping");
}

static void say_accepted(const struct attempt *attempt)
{
	struct test *test = attempt->test;

	if (test->kind->mode == MODE_IOMMUFD)
		test_not_ok(test, "IOMMU_IOAS_MAP accepted the address 0x%llx of a BAR: nothing revokes such a mapping",
			    attempt->placed.address);
	else
		test_say(test, "this kernel's iommufd maps a BAR by address in place of a VFIO container");
}

/* The result must not depend on whether the process has touched the BAR. */
static void refuse_present(struct attempt *attempt)
{
	struct test *test = attempt->test;
	struct touch touch;
	struct cost cost;
	size_t bad;
	int ret;

	ret = __touch((void *)attempt->placed.address, PTE_SIZE, &touch, &bad);
	if (ret) {
		test_failed(test, "read the first page of the mapping", ret);
		return;
	}
	ret = __map(attempt, &cost);
	if (ret) {
		judge_refused(attempt, ret, "page present");
		return;
	}
	say_accepted(attempt);
	dma_unmap(test, &attempt->dma);
}

static void judge_iommufd(struct attempt *attempt, int error,
			  const struct cost *cost)
{
	test_exact(attempt->test, "map_error", -error, "errno");
	if (error) {
		judge_refused(attempt, error, "page not present");
		refuse_present(attempt);
	} else {
		say_accepted(attempt);
		judge_mapped(attempt, cost);
	}
}

static void try_dma(struct attempt *attempt)
{
	struct test *test = attempt->test;
	struct cost cost;
	__u64 locked;
	int ret;

	ret = __range_map(&attempt->range, attempt->placed.address);
	if (ret) {
		test_failed(test, "map the BAR", ret);
		return;
	}
	locked = locked_memory();
	ret = __map(attempt, &cost);
	if (!dma_takes_bars(test->kind->mode)) {
		judge_iommufd(attempt, ret, &cost);
	} else if (ret) {
		test_failed(test, "map it for DMA (VFIO_IOMMU_MAP_DMA)", ret);
	} else {
		judge_locked(test, locked);
		judge_mapped(attempt, &cost);
	}
	range_unmap(&attempt->range, attempt->placed.address);
}

static int __prepare(struct attempt *attempt, const char **step)
{
	const struct test *test = attempt->test;
	enum placement placement = PLACE_OFFSET;
	int ret;

	attempt->range = test->bar->range;
	if (test->kind->variant == PART_PAGE)
		attempt->range.length = PTE_SIZE;
	if (test->kind->variant == PART_PMD)
		placement = PLACE_PMD;
	if (test->kind->variant == PART_MISALIGNED)
		placement = PLACE_MISALIGNED;
	*step = "find an address for the mmap";
	ret = __place(placement, &attempt->range, &attempt->placed);
	if (ret)
		return ret;
	attempt->dma.length = attempt->range.length;
	attempt->dma.physical = test->bar->address + attempt->range.offset;
	attempt->dma.prot = attempt->range.prot;
	*step = "find room for DMA above 4 GiB";
	return __dma_choose_iova(test, &attempt->dma);
}

void run_dma_map(struct test *test)
{
	struct attempt attempt = { .test = test };
	const char *step;
	int ret = __prepare(&attempt, &step);

	if (ret) {
		test_failed(test, step, ret);
		return;
	}
	report_place(test, &attempt.range, &attempt.placed);
	try_dma(&attempt);
}
