// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dump (drivers/iommu/intel/debugfs.c) has a section for each device, with
 * a line for each entry that maps something, for example
 *
 *   Device 0000:00:10.0 @0x2a5f000
 *   IOVA_PFN          PML5E               PML4E               PDPE ...
 *   0x0000000100000 | 0x0000000000000000  0x0000000000000000  0x00000040000000e3
 *
 * The first number is the page number of the DMA address.  The entries of the
 * page walk follow; the last one is the entry that maps, and its column shows
 * how much it maps.  Linux 6.1 prints zeroes for the levels below it, and has
 * one file for all devices, which shows the first device of each group.  From
 * 6.12 on, at the latest, each device has its own file.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/iommu_dump.h"
#include "lib/levels.h"

#define DUMP_DIR	"/sys/kernel/debug/iommu/intel"
#define DUMP_NAME	"domain_translation_struct"

/* Bits of an entry, the same in both formats of VT-d. */
#define ENTRY_WRITE	(1ULL << 1)
#define ENTRY_ADDRESS	((1ULL << 52) - PTE_SIZE)

#define NR_COLUMNS	5	/* from PML5E to PTE */

struct leaf {
	__u64 iova;
	__u64 size;
	__u64 physical;
	bool writable;
};

/* By column: how much an entry maps; 0 for levels that never map. */
static const __u64 sizes[NR_COLUMNS] = { 0, 0, PUD_SIZE, PMD_SIZE, PTE_SIZE };

/* False for lines that are not an entry, such as headers. */
static bool parse_leaf(const char *line, struct leaf *leaf)
{
	__u64 entry = 0, value;
	int column, last = 0;
	char *end;

	if (strncmp(line, "0x", 2))
		return false;
	leaf->iova = strtoull(line, &end, 16) * PTE_SIZE;
	end = strchr(end, '|');
	if (!end)
		return false;
	line = end + 1;
	for (column = 0; column < NR_COLUMNS; column++, line = end) {
		value = strtoull(line, &end, 16);
		if (end == line)
			break;
		if (value) {
			entry = value;
			last = column;
		}
	}
	leaf->size = sizes[last];
	leaf->physical = entry & ENTRY_ADDRESS & -leaf->size;
	leaf->writable = entry & ENTRY_WRITE;
	return leaf->size;
}

static void check_target(struct iommu_entries *entries,
			 const struct iommu_range *range, __u64 iova,
			 __u64 physical, __u64 length)
{
	if (range->physical == ANY_ADDRESS ||
	    physical - range->physical == iova - range->iova)
		return;
	if (!entries->wrong) {
		entries->wrong_iova = iova;
		entries->wrong_physical = physical;
	}
	entries->wrong += length;
}

static void count_leaf(struct iommu_entries *entries,
		       const struct iommu_range *range,
		       const struct leaf *leaf)
{
	__u64 end = range->iova + range->length;
	__u64 first = leaf->iova > range->iova ? leaf->iova : range->iova;
	__u64 last = leaf->iova + leaf->size;

	if (last > end)
		last = end;
	if (first >= last)
		return;
	entries->nr_4k += leaf->size == PTE_SIZE;
	entries->nr_2m += leaf->size == PMD_SIZE;
	entries->nr_1g += leaf->size == PUD_SIZE;
	entries->mapped += last - first;
	if (leaf->writable)
		entries->writable += last - first;
	check_target(entries, range, first,
		     leaf->physical + (first - leaf->iova), last - first);
}

/* Whether the line begins a section; *ours is then whether of this device. */
static bool begins_section(const char *line, const char *device, bool *ours)
{
	char name[32];

	if (sscanf(line, "Device %31s", name) != 1)
		return false;
	*ours = !strcmp(name, device);
	return true;
}

int __iommu_dump_parse(FILE *dump, const struct iommu_range *range,
		       struct iommu_entries *entries)
{
	static char line[256];
	bool ours = false, found = false;
	struct leaf leaf;

	memset(entries, 0, sizeof(*entries));
	while (fgets(line, sizeof(line), dump)) {
		if (begins_section(line, range->device, &ours))
			found |= ours;
		else if (ours && parse_leaf(line, &leaf))
			count_leaf(entries, range, &leaf);
	}
	if (ferror(dump))
		return -EIO;
	return found ? 0 : -ENODATA;
}

int __iommu_dump_read(const struct iommu_range *range,
		      struct iommu_entries *entries)
{
	bool shared = false;
	char path[128];
	FILE *dump;
	int ret;

	snprintf(path, sizeof(path), DUMP_DIR "/%s/" DUMP_NAME, range->device);
	dump = fopen(path, "re");
	if (!dump && errno == ENOENT) {
		shared = true;
		dump = fopen(DUMP_DIR "/" DUMP_NAME, "re");
	}
	if (!dump)
		return -errno;
	ret = __iommu_dump_parse(dump, range, entries);
	fclose(dump);
	return shared && ret == -ENODATA ? -ENOENT : ret;
}
