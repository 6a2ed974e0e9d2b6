// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attributes.h"
#include "klog.h"
#include "levels.h"
#include "life.h"
#include "probe.h"
#include "ram.h"
#include "sysfs.h"

/* Enough for two of the largest entries. */
#define LONGEST		(2 * PUD_SIZE)
/* Without these, there are many entries, and many faults. */
#define LONG_ENOUGH	(32 * PMD_SIZE)
/* Of PTEs alone. */
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

/* Pages are the next level of all but PUDs. */
static void choose_part(struct life *life)
{
	__u64 size = PTE_SIZE;

	if (life->level == PUD_SIZE &&
	    life->test->kind->variant != LIFE_SPLIT)
		size = PMD_SIZE;
	life->part_size = size;
	life->part = life->block + (life->block_size / 2 & ~(size - 1));
}

/* The highest level of the entries that there are. */
static __u64 level_of(const struct entries *entries)
{
	if (entries->pud)
		return PUD_SIZE;
	return entries->pmd ? PMD_SIZE : PTE_SIZE;
}

/*
 * PTEs are forced by half a PMD, so that a kernel which looks at too few bits
 * of the address enters a PMD, and is found out.
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
 * One fault shows what this kernel does.  Where that is no PUD, a part of the
 * range will do: it has the same kinds of entries.
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

/* Around the block's ends, its part, its first PMD, and the range's ends. */
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
	tags_add(&life->tags, life->range.offset);
	tags_add(&life->tags,
		 life->range.offset + life->range.length - PTE_SIZE);
	for (i = 0; i < ARRAY_SIZE(at); i++)
		tags_add(&life->tags, block + at[i]);
	return __tags_write(&life->tags);
}

static bool prepare(struct life *life)
{
	int ret;

	if (life->test->options->no_dump) {
		test_skip(life->test, "the kernel cannot show its page tables (CONFIG_PTDUMP_DEBUGFS)");
		return false;
	}
	ret = __probe_prepare();
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

/* What must not be written gets no tags, and is not written by any test. */
static bool begin_tagged(struct life *life)
{
	const char *why;
	int ret = __ram_ask(life->test, &why);

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
		test_skip(test, "%s are too little: the test needs %d pages",
			  human(life->range.length, length), FEWEST_PAGES);
		return false;
	}
	return prepare(life) && begin_mapped(life);
}

void life_end(struct life *life)
{
	int ret;

	munmap((void *)life->address, life->range.length);
	ret = __tags_restore(&life->tags);
	if (ret)
		test_failed(life->test, "restore the BAR's content", ret);
	klog_check(life->test, life->klog);
}

bool life_has_memory_bit(const struct life *life)
{
	return !is_virtual_function(life->test->options->device);
}

bool life_memory(struct life *life, bool on)
{
	struct vfio vfio = *life->test->vfio;
	int ret;

	vfio.device = life->range.fd;
	ret = __vfio_set_memory(&vfio, on);
	if (ret)
		test_failed(life->test, on ? "set PCI_COMMAND_MEMORY" :
					     "clear PCI_COMMAND_MEMORY", ret);
	return !ret;
}
