// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "lib/attributes.h"
#include "lib/cost.h"
#include "lib/map_range.h"
#include "lib/pagetable.h"
#include "lib/vfio_dma.h"

#define SECONDS(ns)	((ns) / 1e9)

/* The range that is being measured. */
struct mapping {
	struct test *test;
	const struct range *range;
	struct placed placed;
};

static void report_probes(const struct mapping *mapping)
{
	const struct placed *placed = &mapping->placed;
	char name[32];
	int i;

	for (i = 0; i < placed->nr_probes; i++) {
		snprintf(name, sizeof(name), "probe%d_address", i);
		test_varies(mapping->test, name, placed->probes[i], "bytes");
		test_say(mapping->test, "mmap %d of %d went to 0x%llx", i + 1,
		    placed->nr_probes, placed->probes[i]);
	}
}

void report_place(const struct test *test, const struct range *range,
		  const struct placed *placed)
{
	char length[32], offset[32], alignment[32];

	test_say(test, "%s at offset %s of BAR%d (physical 0x%llx)",
		 human(range->length, length), human(range->offset, offset),
		 test->bar->index, test->bar->address);
	test_say(test, "at 0x%llx, congruent to the offset modulo %s",
		 placed->address, human(placed->alignment, alignment));
	test_varies(test, "address", placed->address, "bytes");
	test_varies(test, "bar_address", test->bar->address, "bytes");
	test_exact(test, "length", range->length, "bytes");
	test_exact(test, "offset", range->offset, "bytes");
	test_exact(test, "alignment", placed->alignment, "bytes");
}

static void report_touch(struct mapping *mapping, const struct touch *touch)
{
	char grown[32];

	test_say(mapping->test, "faults to read every page: %llu, in %.6f s",
	    touch->first.faults, SECONDS(touch->first.ns));
	test_say(mapping->test, "faults to read them again: %llu, in %.6f s",
	    touch->again.faults, SECONDS(touch->again.ns));
	test_say(mapping->test, "page tables grew by %s", human(touch->vmpte, grown));
	test_exact(mapping->test, "faults", touch->first.faults, "faults");
	test_exact(mapping->test, "own_faults", touch->again.faults, "faults");
	test_varies(mapping->test, "touch_time", touch->first.ns, "ns");
	test_varies(mapping->test, "vmpte", touch->vmpte, "bytes");
	if (touch->again.faults)
		test_not_ok(mapping->test, "reading the pages again took %llu faults: entries were removed, or the program itself caused faults",
		       touch->again.faults);
}

void report_mapped(struct test *test, const struct range *range,
		   const struct entries *entries)
{
	char mapped[32];

	test_say(test, "entries: %llu PTE, %llu PMD, %llu PUD", entries->pte,
		 entries->pmd, entries->pud);
	test_exact(test, "entries_pte", entries->pte, "entries");
	test_exact(test, "entries_pmd", entries->pmd, "entries");
	test_exact(test, "entries_pud", entries->pud, "entries");
	attributes_measure(test, entries, range->prot);
#ifdef __aarch64__
	test_say(test, "of them with the contiguous bit (CONTPTE): %llu",
		 entries->contiguous);
	test_exact(test, "entries_contiguous", entries->contiguous, "entries");
#endif
	if (entries->mapped != range->length)
		test_not_ok(test, "every page was read, but the page tables map only %s",
			    human(entries->mapped, mapped));
}

static void measure_entries(struct mapping *mapping)
{
	__u64 start = mapping->placed.address;
	struct entries entries;
	int ret;

	if (mapping->test->options->no_dump)
		return;
	ret = __entries_read(start, start + mapping->range->length, &entries);
	if (!ret)
		report_mapped(mapping->test, mapping->range, &entries);
	else if (ret == -ENOENT)
		test_not_ok(mapping->test, "cannot read the page tables: this needs CONFIG_PTDUMP_DEBUGFS, debugfs on /sys/kernel/debug, and on arm64 the patch arm64-ptdump");
	else
		test_failed(mapping->test, "read the page tables", ret);
}

static void measure_touch(struct mapping *mapping)
{
	__u64 address = mapping->placed.address;
	struct touch touch;
	char step[64];
	size_t bad;
	int ret;

	ret = __range_map(mapping->range, address);
	if (ret) {
		test_failed(mapping->test, "map the BAR", ret);
		return;
	}
	ret = __touch((void *)address, mapping->range->length, &touch, &bad);
	if (ret) {
		snprintf(step, sizeof(step),
			 "read 0x%zx bytes into the mapping", bad);
		test_failed(mapping->test, step, ret);
	} else {
		report_touch(mapping, &touch);
		measure_entries(mapping);
	}
	range_unmap(mapping->range, address);
}

/* The mapping is a fresh one: the DMA map causes every fault. */
static void measure_dma_at(struct mapping *mapping, __u64 iova)
{
	const struct range *range = mapping->range;
	struct cost cost;
	int ret;

	cost_begin(&cost);
	ret = __vfio_dma_map(mapping->test->vfio, mapping->placed.address,
			     range->length, iova, range->prot);
	cost_end(&cost);
	if (ret) {
		test_failed(mapping->test, "map it for DMA (VFIO_IOMMU_MAP_DMA)", ret);
		return;
	}
	test_say(mapping->test, "faults to map it for DMA at 0x%llx: %llu, in %.6f s",
	    iova, cost.faults, SECONDS(cost.ns));
	test_exact(mapping->test, "dma_faults", cost.faults, "faults");
	test_varies(mapping->test, "dma_time", cost.ns, "ns");
	ret = __vfio_dma_unmap(mapping->test->vfio, range->length, iova);
	if (ret)
		test_failed(mapping->test, "unmap all of it for DMA (VFIO_IOMMU_UNMAP_DMA)",
		       ret);
}

static void measure_dma(struct mapping *mapping)
{
	const struct range *range = mapping->range;
	__u64 address = mapping->placed.address;
	__u64 iova;
	int ret;

	if (mapping->test->vfio->mode == MODE_NOIOMMU) {
		test_say(mapping->test, "not mapped for DMA: " NO_IOMMU);
		return;
	}
	ret = __vfio_choose_iova(mapping->test->vfio, range->length, &iova);
	if (ret) {
		test_failed(mapping->test, "find room for DMA above 4 GiB", ret);
		return;
	}
	ret = __range_map(range, address);
	if (ret) {
		test_failed(mapping->test, "map the BAR again", ret);
		return;
	}
	measure_dma_at(mapping, iova);
	range_unmap(range, address);
}

void map_range(struct test *test, const struct range *range,
	       enum placement placement)
{
	struct mapping mapping = { .test = test, .range = range };
	int ret;

	ret = __place(placement, range, &mapping.placed);
	if (ret) {
		test_failed(test, "find an address for the mmap", ret);
		return;
	}
	report_probes(&mapping);
	report_place(test, range, &mapping.placed);
	measure_touch(&mapping);
	measure_dma(&mapping);
}
