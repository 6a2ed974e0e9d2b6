// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map the parts before and after a hole in the BAR, each on its own.  A VMM
 * does not map the pages of the MSI-X table, since the guest must not write
 * there, and emulates them.  The range after the hole begins at an offset that
 * is aligned to little more than a page.  There an address that is aligned to
 * much more, as QEMU chooses it, gives no huge entries.
 *
 * The hole is the MSI-X table, and not the pending bits: QEMU leaves out the
 * table.  The pending bits are the hole if the table is in another BAR, as with
 * VMMs that leave out both.
 *
 * If VFIO maps only areas of the BAR (VFIO_REGION_INFO_CAP_SPARSE_MMAP), each
 * part is the largest area, or piece of one, on its side of the hole.  If there
 * is no other hole, it is the space between the largest area and the largest of
 * the others.
 */
#include <errno.h>
#include <string.h>

#include "lib/levels.h"
#include "lib/map_range.h"
#include "lib/msix.h"
#include "lib/vfio_region.h"
#include "tests.h"

enum part {
	BEFORE,
	AFTER,
};

/* From `start` to `end` in the BAR, in bytes. */
struct span {
	__u64 start, end;
};

static __u64 page_down(__u64 offset)
{
	return offset & ~(PTE_SIZE - 1);
}

static __u64 page_up(__u64 offset)
{
	return page_down(offset + PTE_SIZE - 1);
}

/* The part of the BAR that --offset and --length choose. */
static struct span chosen(const struct test *test)
{
	const struct options *options = test->options;
	struct span span = { options->offset, page_up(test->bar->size) };

	if (options->length && options->length < span.end - span.start)
		span.end = span.start + options->length;
	return span;
}

static struct span pages_of(const struct msix_part *part)
{
	return (struct span) {
		page_down(part->offset),
		page_up(part->offset + part->length),
	};
}

/* 0, or -ENOENT if this BAR has neither the table nor the pending bits. */
static int __msix_hole(const struct test *test, struct span *hole)
{
	int bar = test->bar->index;
	struct msix msix;
	int ret;

	ret = __msix_read(test->vfio, &msix);
	if (ret)
		return ret;
	test_say(test, "MSI-X: table of %llu bytes at 0x%llx of BAR%d, pending bits at 0x%llx of BAR%d",
		 msix.table.length, msix.table.offset, msix.table.bar,
		 msix.pending.offset, msix.pending.bar);
	if (msix.table.bar == bar)
		*hole = pages_of(&msix.table);
	else if (msix.pending.bar == bar)
		*hole = pages_of(&msix.pending);
	else
		return -ENOENT;
	return 0;
}

/* The largest piece of the span that VFIO maps; empty if there is none. */
static int __mappable(const struct test *test, struct span span,
		      struct span *piece)
{
	struct region region = { 0 };
	int ret = 0;

	if (span.start < span.end)
		ret = __vfio_region(test->vfio, test->bar->index, span.start,
				    span.end, &region);
	piece->start = region.area_offset;
	piece->end = region.area_offset + region.area_size;
	return ret;
}

/* The largest area is test->bar's range. */
static int __sparse_hole(const struct test *test, struct span *hole)
{
	const struct range *range = &test->bar->range;
	struct span largest = { range->offset, range->offset + range->length };
	struct span whole = chosen(test);
	struct span other;
	int ret;

	ret = __mappable(test, (struct span) { whole.start, largest.start },
			 &other);
	if (!ret && other.start < other.end) {
		*hole = (struct span) { other.end, largest.start };
		return 0;
	}
	if (!ret)
		ret = __mappable(test,
				 (struct span) { largest.end, whole.end },
				 &other);
	if (ret)
		return ret;
	*hole = (struct span) { largest.end, other.start };
	return other.start < other.end ? 0 : -ENOENT;
}

static int __find_hole(const struct test *test, struct span *hole)
{
	int ret;

	if (test->options->has_hole) {
		hole->start = test->options->hole;
		hole->end = hole->start + PTE_SIZE;
		return 0;
	}
	ret = __msix_hole(test, hole);
	return ret == -ENOENT ? __sparse_hole(test, hole) : ret;
}

/* Choose the part of the BAR; skip the test with a reason if there is none. */
static struct span choose(struct test *test, const struct span *hole,
			  enum part part)
{
	struct span span = chosen(test);

	if (hole->start >= span.end || hole->end <= span.start)
		test_skip(test, "the hole, at 0x%llx, is not in the range of BAR%d from 0x%llx to 0x%llx",
			  hole->start, test->bar->index, span.start, span.end);
	else if (part == BEFORE && hole->start <= span.start)
		test_skip(test, "nothing before the hole: it begins at 0x%llx, the range at 0x%llx",
			  hole->start, span.start);
	else if (part == AFTER && hole->end >= span.end)
		test_skip(test, "nothing after the hole: it ends at 0x%llx, the range at 0x%llx",
			  hole->end, span.end);
	if (part == BEFORE)
		span.end = hole->start;
	else
		span.start = hole->end;
	return span;
}

static void map_part(struct test *test, const struct span *hole)
{
	struct span span = choose(test, hole, test->kind->variant);
	struct range range = test->bar->range;
	int ret;

	if (*test->outcome->why)
		return;
	ret = __mappable(test, span, &span);
	if (ret) {
		test_failed(test, "ask VFIO which part of the BAR can be mapped",
			    ret);
		return;
	}
	if (span.start == span.end) {
		test_skip(test, "VFIO maps nothing on this side of the hole");
		return;
	}
	range.offset = span.start;
	range.length = span.end - span.start;
	test_exact(test, "hole_offset", hole->start, "bytes");
	test_exact(test, "hole_length", hole->end - hole->start, "bytes");
	map_range(test, &range, test->kind->placement);
}

/*
 * A VMM that finds no VFIO_REGION_INFO_CAP_MSIX_MAPPABLE does not map the pages
 * of the table: earlier, VFIO refused to map them.  So if VFIO offers them in
 * an area, it must report the capability (drivers/vfio/pci/vfio_pci_core.c:
 * msix_mmappable_cap()).
 */
static void judge_msix(struct test *test)
{
	struct region region;
	struct span table;
	struct msix msix;

	if (__msix_read(test->vfio, &msix) ||
	    msix.table.bar != test->bar->index)
		return;
	table = pages_of(&msix.table);
	if (__vfio_region(test->vfio, test->bar->index, table.start, table.end,
			  &region))
		return;
	if (region.area_size && !region.msix_mappable)
		test_not_ok(test, "VFIO offers the pages of the MSI-X table, at 0x%llx, for mmap, and does not report that they can be mapped (VFIO_REGION_INFO_CAP_MSIX_MAPPABLE)",
			    table.start);
}

static void run_part(struct test *test)
{
	struct span hole;
	int ret;

	ret = __find_hole(test, &hole);
	if (ret == -ENOENT) {
		test_skip(test, "no MSI-X table in this BAR, and no --hole");
		return;
	}
	if (ret) {
		test_failed(test, "find the hole", ret);
		return;
	}
	test_say(test, "hole from 0x%llx to 0x%llx", hole.start, hole.end);
	judge_msix(test);
	map_part(test, &hole);
}

#define PART(part_name, part, rule_name, rule) {	\
	.name = part_name "." rule_name,		\
	.placement = rule,				\
	.variant = part,				\
	.run = run_part,				\
}

static const struct test_kind kinds[] = {
	PART("before", BEFORE, "kernel", PLACE_KERNEL),
	PART("before", BEFORE, "qemu", PLACE_QEMU),
	PART("before", BEFORE, "qemu-v4", PLACE_QEMU_V4),
	PART("before", BEFORE, "cloud-hypervisor", PLACE_CLOUD_HYPERVISOR),
	PART("before", BEFORE, "offset", PLACE_OFFSET),
	PART("before", BEFORE, "pmd", PLACE_PMD),
	PART("after", AFTER, "kernel", PLACE_KERNEL),
	PART("after", AFTER, "qemu", PLACE_QEMU),
	PART("after", AFTER, "qemu-v4", PLACE_QEMU_V4),
	PART("after", AFTER, "cloud-hypervisor", PLACE_CLOUD_HYPERVISOR),
	PART("after", AFTER, "offset", PLACE_OFFSET),
	PART("after", AFTER, "pmd", PLACE_PMD),
};

const struct test_list ranges_tests = { kinds, ARRAY_SIZE(kinds) };
