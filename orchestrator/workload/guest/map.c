// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "case.h"
#include "cost.h"
#include "ktap.h"
#include "levels.h"
#include "measurements.h"
#include "pagetable.h"

#define SECONDS(ns)	((ns) / 1e9)

struct test {
	const struct vfio *vfio;
	const struct range *range;
	struct subject subject;
	struct placed placed;
	char *why;		/* what went wrong first; empty for nothing */
};

__printf(2, 3)
static void say(const struct test *test, const char *format, ...)
{
	va_list args;
	char text[WHY_LENGTH];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ktap_diag(CASE_DEPTH, "%s: %s", test->subject.placement, text);
}

__printf(2, 3)
static void not_ok(const struct test *test, const char *format, ...)
{
	va_list args;
	char text[WHY_LENGTH];

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say(test, "%s", text);
	if (!*test->why)
		memcpy(test->why, text, sizeof(text));
}

static void failed(const struct test *test, const char *step, int error)
{
	not_ok(test, "cannot %s: %s (errno %d)", step, strerror(-error),
	       -error);
}

static void exact(const struct test *test, const char *name, __u64 value,
		  const char *unit)
{
	measured(&test->subject, name, value, unit, true);
}

static void varies(const struct test *test, const char *name, __u64 value,
		   const char *unit)
{
	measured(&test->subject, name, value, unit, false);
}

/* A size in the largest unit that leaves it whole. */
static const char *human(__u64 bytes, char text[32])
{
	static const char * const units[] = { "bytes", "KiB", "MiB", "GiB" };
	int i = 0;

	while (bytes && !(bytes % 1024) && i < 3) {
		bytes /= 1024;
		i++;
	}
	snprintf(text, 32, "%llu %s", bytes, units[i]);
	return text;
}

static void report_probes(const struct test *test)
{
	const struct placed *placed = &test->placed;
	char name[32];
	int i;

	for (i = 0; i < placed->nr_probes; i++) {
		snprintf(name, sizeof(name), "probe%d_address", i);
		varies(test, name, placed->probes[i], "bytes");
		say(test, "mmap %d of %d went to 0x%llx", i + 1,
		    placed->nr_probes, placed->probes[i]);
	}
}

static void report_place(const struct test *test, const struct bar *bar)
{
	const struct placed *placed = &test->placed;
	char length[32], offset[32], alignment[32];

	report_probes(test);
	say(test, "%s at offset %s of BAR%d (physical 0x%llx)",
	    human(test->range->length, length),
	    human(test->range->offset, offset), bar->index, bar->address);
	say(test, "at 0x%llx, congruent to the offset modulo %s",
	    placed->address, human(placed->alignment, alignment));
	varies(test, "address", placed->address, "bytes");
	varies(test, "bar_address", bar->address, "bytes");
	exact(test, "length", test->range->length, "bytes");
	exact(test, "offset", test->range->offset, "bytes");
	exact(test, "alignment", placed->alignment, "bytes");
}

static void report_touch(struct test *test, const struct touch *touch)
{
	char grown[32];

	say(test, "faults to read every page: %llu, in %.6f s",
	    touch->first.faults, SECONDS(touch->first.ns));
	say(test, "faults to read them again: %llu, in %.6f s",
	    touch->again.faults, SECONDS(touch->again.ns));
	say(test, "page tables grew by %s", human(touch->vmpte, grown));
	exact(test, "faults", touch->first.faults, "faults");
	exact(test, "own_faults", touch->again.faults, "faults");
	varies(test, "touch_time", touch->first.ns, "ns");
	varies(test, "vmpte", touch->vmpte, "bytes");
	if (touch->again.faults)
		not_ok(test, "reading the pages again took %llu faults: entries went away, or the program had faults of its own",
		       touch->again.faults);
}

static void report_entries(struct test *test, const struct entries *entries)
{
	char mapped[32];

	say(test, "entries: %llu PTE, %llu PMD, %llu PUD",
	    entries->pte, entries->pmd, entries->pud);
	exact(test, "entries_pte", entries->pte, "entries");
	exact(test, "entries_pmd", entries->pmd, "entries");
	exact(test, "entries_pud", entries->pud, "entries");
	if (entries->mapped != test->range->length)
		not_ok(test, "every page was read, but the page tables map only %s",
		       human(entries->mapped, mapped));
}

static void measure_entries(struct test *test)
{
	__u64 start = test->placed.address;
	struct entries entries;
	int ret;

	ret = __entries_read(start, start + test->range->length, &entries);
	if (!ret)
		report_entries(test, &entries);
	else if (ret == -ENOENT)
		not_ok(test, "cannot read the page tables: this needs CONFIG_PTDUMP_DEBUGFS, and debugfs on /sys/kernel/debug");
	else
		failed(test, "read the page tables", ret);
}

static void measure_touch(struct test *test)
{
	__u64 address = test->placed.address;
	struct touch touch;
	char step[64];
	size_t bad;
	int ret;

	ret = __range_map(test->range, address);
	if (ret) {
		failed(test, "map the BAR", ret);
		return;
	}
	ret = __touch((void *)address, test->range->length, &touch, &bad);
	if (ret) {
		snprintf(step, sizeof(step),
			 "read 0x%zx bytes into the mapping", bad);
		failed(test, step, ret);
	} else {
		report_touch(test, &touch);
		measure_entries(test);
	}
	range_unmap(test->range, address);
}

/* The mapping is a fresh one: every fault is the DMA map's. */
static void measure_dma_at(struct test *test, __u64 iova)
{
	const struct range *range = test->range;
	struct cost cost;
	int ret;

	cost_begin(&cost);
	ret = __vfio_dma_map(test->vfio, test->placed.address, range->length,
			     iova, range->prot);
	cost_end(&cost);
	if (ret) {
		failed(test, "map it for DMA (VFIO_IOMMU_MAP_DMA)", ret);
		return;
	}
	say(test, "faults to map it for DMA at 0x%llx: %llu, in %.6f s",
	    iova, cost.faults, SECONDS(cost.ns));
	exact(test, "dma_faults", cost.faults, "faults");
	varies(test, "dma_time", cost.ns, "ns");
	ret = __vfio_dma_unmap(test->vfio, range->length, iova);
	if (ret)
		failed(test, "unmap all of it for DMA (VFIO_IOMMU_UNMAP_DMA)",
		       ret);
}

static void measure_dma(struct test *test)
{
	const struct range *range = test->range;
	__u64 address = test->placed.address;
	__u64 iova;
	int ret;

	ret = __vfio_choose_iova(test->vfio, range->length, &iova);
	if (ret) {
		failed(test, "find room for DMA above 4 GiB", ret);
		return;
	}
	ret = __range_map(range, address);
	if (ret) {
		failed(test, "map the BAR again", ret);
		return;
	}
	measure_dma_at(test, iova);
	range_unmap(range, address);
}

bool case_run(const char *device, const struct vfio *vfio,
	      const struct bar *bar, enum placement placement,
	      char why[WHY_LENGTH])
{
	struct test test = {
		.vfio = vfio,
		.range = &bar->range,
		.subject = {
			.device = device,
			.bar = bar->index,
			.placement = placement_names[placement],
		},
		.why = why,
	};
	int ret;

	*why = '\0';
	ret = __place(placement, &bar->range, &test.placed);
	if (ret) {
		failed(&test, "find an address for the mmap", ret);
	} else {
		report_place(&test, bar);
		measure_touch(&test);
		measure_dma(&test);
	}
	ret = __measurements_written();
	if (ret)
		failed(&test, "write the measurements", ret);
	return !*why;
}
