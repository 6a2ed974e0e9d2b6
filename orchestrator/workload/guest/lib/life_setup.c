// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/attributes.h"
#include "lib/fault_probe.h"
#include "lib/klog.h"
#include "lib/levels.h"
#include "lib/life_setup.h"
#include "lib/ram.h"

/* Enough for two of the largest entries. */
#define LONGEST		(2 * PUD_SIZE)
/* Enough without PUD entries, since more would take many faults. */
#define LONG_ENOUGH	(32 * PMD_SIZE)
/* Enough for a mapping of PTEs only. */
#define LONG_PTES	(2 * PMD_SIZE)
#define FEWEST_PAGES	3

static __u64 min(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* The first address in the range that is a multiple of size, if it fits. */
static __u64 find_block(const struct life *life, __u64 size)
{
	__u64 end = life->address + life->range.length;
	__u64 block = (life->address + size - 1) & ~(size - 1);

	return block < end && end - block >= size ? block : 0;
}

static void choose_block(struct life *life, __u64 size)
{
	life->level = size;
	life->block_size = size;
	life->block = find_block(life, size);
	if (size != PTE_SIZE)
		return;
	life->block = life->address;
	life->block_size = min(life->range.length, PMD_SIZE);
}

/*
 * The part is as large as a PMD entry if the block is a PUD entry, except for
 * LIFE_SPLIT; otherwise it is a page.
 */
static void choose_part(struct life *life)
{
	__u64 size = PTE_SIZE;

	if (life->level == PUD_SIZE &&
	    life->test->kind->variant != LIFE_SPLIT)
		size = PMD_SIZE;
	life->part_size = size;
	life->part = life->block + (life->block_size / 2 & ~(size - 1));
}

/* The size that an entry of the highest level present maps. */
static __u64 level_of(const struct entries *entries)
{
	if (entries->pud)
		return PUD_SIZE;
	return entries->pmd ? PMD_SIZE : PTE_SIZE;
}

/*
 * An offset of half a PMD forces PTEs.  A kernel that checks too few bits of
 * the address enters a PMD there, and is detected.
 */
static int __place_life(const struct life *life, struct placed *placed)
{
	const struct range *range = &life->range;

	*placed = (struct placed) { 0 };
	switch (life->test->kind->variant) {
	case LIFE_PTE:
		return __place_modulo(range, PMD_SIZE,
				      range->offset + PMD_SIZE / 2, placed);
	case LIFE_PMD:
		return __place(PLACE_PMD, range, placed);
	}
	return __place(PLACE_OFFSET, range, placed);
}

static int __map(struct life *life)
{
	struct placed placed;
	int ret;

	ret = __place_life(life, &placed);
	if (ret)
		return ret;
	life->address = placed.address;
	return __range_map(&life->range, life->address);
}

/*
 * One fault shows which entries this kernel creates.  If it is no PUD entry, a
 * part of the range is enough: it has the same kinds of entries.
 */
static int __shorten(struct life *life)
{
	struct entries entries;
	__u64 size = PUD_SIZE;
	__u32 word;
	int ret;

	while (size > PTE_SIZE && !find_block(life, size))
		size = size == PUD_SIZE ? PMD_SIZE : PTE_SIZE;
	choose_block(life, size);
	if (try_read(life->block, &word))
		return -EFAULT;
	ret = __entries_read(life->address, life->address +
			     life->range.length, &entries);
	if (ret || entries.pud || life->range.length <= LONG_ENOUGH)
		return ret;
	range_unmap(&life->range, life->address);
	life->range.length = LONG_ENOUGH;
	return __map(life);
}

/* At the ends of the block, of its part, of its first PMD, and of the range. */
static int __write_tags(struct life *life, bool ram)
{
	__u64 block = life->block - life->address + life->range.offset;
	__u64 size = life->block_size;
	__u64 part = life->part - life->block;
	const __u64 at[] = {
		0, PTE_SIZE, PMD_SIZE - PTE_SIZE, PMD_SIZE, part - PTE_SIZE,
		part, part + PTE_SIZE, part + PMD_SIZE, size - PTE_SIZE,
		size, size + PMD_SIZE,
	};
	size_t i;

	life->tags.range = life->range;
	if (!ram)
		life->tags.range.prot &= ~PROT_WRITE;
	page_tags_add(&life->tags, life->range.offset);
	page_tags_add(&life->tags,
		 life->range.offset + life->range.length - PTE_SIZE);
	for (i = 0; i < ARRAY_SIZE(at); i++)
		page_tags_add(&life->tags, block + at[i]);
	return __page_tags_write(&life->tags);
}

static bool prepare(struct life *life)
{
	int ret;

	if (life->test->options->no_dump) {
		test_skip(life->test, "the kernel cannot show its page tables (CONFIG_PTDUMP_DEBUGFS)");
		return false;
	}
	ret = __fault_probe_prepare();
	if (ret) {
		test_failed(life->test, "catch signals", ret);
		return false;
	}
	life->klog = __klog_open();
	if (life->klog < 0) {
		test_failed(life->test, "open the kernel's log, /dev/kmsg",
			    life->klog);
		return false;
	}
	ret = __map(life);
	if (!ret)
		ret = __shorten(life);
	if (ret)
		test_failed(life->test, "map the BAR and read from it", ret);
	return !ret;
}

/* A BAR that must not be written gets no tags, and no test writes to it. */
static bool begin_tagged(struct life *life)
{
	const char *why;
	int ret = __ram_check(life->test, &why);

	if (!ret)
		ret = __write_tags(life, !why);
	if (!ret && !why && !life->tags.kept)
		why = "the BAR does not keep all that is written to it";
	if (ret)
		test_failed(life->test, "write through the region's file",
			    ret);
	else if (why)
		test_say(life->test, "%s: nothing is written, signals and entries are checked, content is not",
			 why);
	test_exact(life->test, "tags", life->tags.kept ? life->tags.count : 0,
		   "words");
	if (!ret)
		life_content_all(life, "at first");
	return !ret;
}

static bool begin_mapped(struct life *life)
{
	char length[32], size[32];

	if (!life_touch(life, life->address, life->range.length, "at first") ||
	    !life_entries(life, "before", &life->entries))
		return false;
	attributes_judge(life->test, &life->entries, life->range.prot,
			 "at first");
	if (life->test->kind->variant == LIFE_SPLIT && !life->entries.pud) {
		test_skip(life->test, "no PUD entry that could be split");
		return false;
	}
	choose_block(life, level_of(&life->entries));
	choose_part(life);
	test_say(life->test, "%s at 0x%llx, the entry at 0x%llx maps %s",
		 human(life->range.length, length), life->address, life->block,
		 human(life->level, size));
	test_exact(life->test, "mapped_length", life->range.length, "bytes");
	return begin_tagged(life);
}

bool life_begin(struct life *life, struct test *test)
{
	static const __u64 longest[] = {
		[LIFE_PUD] = LONGEST,
		[LIFE_PMD] = LONG_ENOUGH,
		[LIFE_PTE] = LONG_PTES,
		[LIFE_SPLIT] = LONGEST,
	};
	char length[32];

	memset(life, 0, sizeof(*life));
	life->test = test;
	life->range = test->bar->range;
	life->range.length = min(life->range.length,
				 longest[test->kind->variant]);
	if (life->range.length < FEWEST_PAGES * PTE_SIZE) {
		test_skip(test, "the range has only %s: the test needs %d pages",
			  human(life->range.length, length), FEWEST_PAGES);
		return false;
	}
	return prepare(life) && begin_mapped(life);
}

void life_end(struct life *life)
{
	int ret;

	munmap((void *)life->address, life->range.length);
	ret = __page_tags_restore(&life->tags);
	if (ret)
		test_failed(life->test, "restore the BAR's content", ret);
	klog_check(life->test, life->klog);
}
