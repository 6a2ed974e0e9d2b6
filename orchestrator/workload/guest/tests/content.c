// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a mapping show the right pages of the BAR?  A fast mapping of the wrong
 * page is the worst possible bug, and neither faults nor entries show it.
 *
 * Six passes, each with a pattern of its own:
 *
 *   fresh   Write the file, then read a mapping that has not been touched: the
 *           reads of the check cause the faults.  The sample pages are in
 *           random order, so that the first access to a huge page is not to
 *           its first byte: the fault handler has to find the block's start.
 *   mapped  Touch every page, write the file, and read the mapping again: this
 *           checks the existing entries, not those of later faults.
 *   back    Write the mapping, read the file.
 *   zapped  Write the file, and disable and enable the device's memory, which
 *           removes every entry.  The faults that create them again are at the
 *           first page of each block, from the first block to the last.
 *   remapped  The same after munmap and mmap; now the faults are at the last
 *           page of each block, from the last block to the first.
 *   written  Unmap and map once more, and write the mapping: the faults are
 *           write faults.  Then read the file.
 *
 * A block is 2 MiB of addresses: a PMD entry, or a part of a larger one.  Both
 * its ends are in the sample.  So every PMD entry is checked, and 1,024 pages
 * of a PUD entry; of PTEs, those on both sides of each multiple of 2 MiB, and
 * some thousands at random.  In a range of up to 32 MiB all pages are checked.
 *
 * Only the pages of lib/sample_pages.h are written, but the second pass touches
 * every page.  On a kernel that maps PTEs one by one these are 524,288 faults
 * for 2 GiB, some seconds under TCG and most of the test's time.  In return the
 * entries are those of the whole range, and can be compared with any other
 * mapping of it: the content was correct with exactly these entries.
 *
 * A user who chooses this group of tests agrees to writes to the device.  Even
 * so only RAM is written, see lib/ram.h, and every word of it is restored, by
 * the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/access.h"
#include "lib/attributes.h"
#include "lib/fault_probe.h"
#include "lib/levels.h"
#include "lib/map_range.h"
#include "lib/pagetable.h"
#include "lib/pattern.h"
#include "lib/pattern_report.h"
#include "lib/ram.h"
#include "lib/renew.h"
#include "tests.h"

static const struct {
	const char *name;
	const char *measurement;	/* how many pages were right */
	enum way from, to;
} passes[NR_PASSES] = {
	[PASS_FRESH] = { "fresh", "pages_fresh", BY_FILE, BY_MAPPING },
	[PASS_MAPPED] = { "mapped", "pages_mapped", BY_FILE, BY_MAPPING },
	[PASS_BACK] = { "back", "pages_back", BY_MAPPING, BY_FILE },
	[PASS_ZAPPED] = { "zapped", "pages_zapped", BY_FILE, BY_MAPPING },
	[PASS_REMAPPED] = {
		"remapped", "pages_remapped", BY_FILE, BY_MAPPING,
	},
	[PASS_WRITTEN] = {
		"written", "pages_written", BY_MAPPING, BY_FILE,
	},
};

static void report_sample(struct test *test, const struct pattern *pattern)
{
	const struct sample_pages *sample = &pattern->sample;

	test_say(test, "%zu pages are checked, with seed %llu: both sides of %llu boundaries of 2 MiB and of %llu of 1 GiB, the others at random",
		 sample->count, pattern->seed, sample->pmd_boundaries,
		 sample->pud_boundaries);
	test_varies(test, "seed", pattern->seed, "seed");
	test_varies(test, "pmd_boundaries", sample->pmd_boundaries,
		    "boundaries");
	test_varies(test, "pud_boundaries", sample->pud_boundaries,
		    "boundaries");
}

/* Without a page-table dump the entries are unknown. */
static void report_entries(struct test *test, __u64 address)
{
	size_t length = test->bar->range.length;
	struct entries entries;
	char mapped[32];
	int ret;

	if (test->options->no_dump)
		return;
	ret = __entries_read(address, address + length, &entries);
	if (ret) {
		test_failed(test, "read the page tables (CONFIG_PTDUMP_DEBUGFS, debugfs)",
			    ret);
		return;
	}
	test_say(test, "checked with these entries: %llu PTE, %llu PMD, %llu PUD",
		 entries.pte, entries.pmd, entries.pud);
	test_exact(test, "entries_pte", entries.pte, "entries");
	test_exact(test, "entries_pmd", entries.pmd, "entries");
	test_exact(test, "entries_pud", entries.pud, "entries");
	attributes_measure(test, &entries, test->bar->range.prot);
	if (entries.mapped != length)
		test_not_ok(test, "every page was read, but the page tables map only %s",
			    human(entries.mapped, mapped));
}

static bool touch_all(struct test *test, __u64 address)
{
	size_t length = test->bar->range.length;
	__u64 word;
	size_t at;
	int ret;

	for (at = 0; at < length; at += PTE_SIZE) {
		ret = __mapped_read64(address + at, &word);
		if (!ret)
			continue;
		test_not_ok(test, "cannot read the mapping at 0x%llx, BAR offset 0x%llx: a signal",
			    address + at, test->bar->range.offset + at);
		return false;
	}
	return true;
}

/*
 * What is written by the file is first read by the file: an error there is not
 * an error of the mapping.
 */
static bool run_pass(struct test *test, struct pattern *pattern,
		     enum pass pass)
{
	__u64 right = 0;
	bool ok;
	int ret = __pattern_write(pattern, passes[pass].from, pass);

	if (ret) {
		pattern_failed(test, pattern, "write", ret);
		return false;
	}
	if (passes[pass].from == BY_FILE &&
	    !pattern_judge(test, pattern, passes[pass].name, pass, BY_FILE,
			   &right))
		return false;
	ok = pattern_judge(test, pattern, passes[pass].name, pass,
			   passes[pass].to, &right);
	test_exact(test, passes[pass].measurement, right, "pages");
	return ok;
}

static void touch_blocks(struct test *test, const struct pattern *pattern,
			 bool down)
{
	__u64 bad;

	if (__touch_blocks(pattern->range, pattern->address, down, &bad))
		test_not_ok(test, "cannot read the mapping at 0x%llx again: a signal",
			    bad);
}

/* Remove all entries before a pass; false if that failed. */
static bool renew(struct test *test, struct pattern *pattern, enum pass pass)
{
	int ret = -EOPNOTSUPP;

	if (pass == PASS_ZAPPED)
		ret = __renew_by_memory(test);
	if (ret == -EOPNOTSUPP)
		ret = __renew_by_mmap(pattern->range, pattern->address);
	if (ret) {
		test_failed(test, "remove the entries of the mapping", ret);
		return false;
	}
	if (pass != PASS_WRITTEN)
		touch_blocks(test, pattern, pass == PASS_REMAPPED);
	return true;
}

static void check_again(struct test *test, struct pattern *pattern)
{
	int pass = PASS_ZAPPED;

	while (pass < NR_PASSES && renew(test, pattern, pass) &&
	       run_pass(test, pattern, pass))
		pass++;
}

/* After an error in the first pass nothing is written through the mapping. */
static void run_passes(struct test *test, struct pattern *pattern)
{
	bool ok = run_pass(test, pattern, PASS_FRESH);

	if (!touch_all(test, pattern->address))
		return;
	report_entries(test, pattern->address);
	if (ok && run_pass(test, pattern, PASS_MAPPED) &&
	    run_pass(test, pattern, PASS_BACK))
		check_again(test, pattern);
}

static void map_and_check(struct test *test, struct pattern *pattern)
{
	const struct range *range = pattern->range;
	int ret = __range_map(range, pattern->address);

	if (ret) {
		test_failed(test, "map the BAR", ret);
		return;
	}
	ret = __pattern_save(pattern);
	if (ret) {
		pattern_failed(test, pattern, "read", ret);
	} else {
		run_passes(test, pattern);
		ret = __pattern_restore(pattern);
		if (ret)
			pattern_failed(test, pattern, "restore", ret);
	}
	free(pattern->before);
	range_unmap(range, pattern->address);
}

static void run_content(struct test *test)
{
	struct pattern pattern = {
		.range = &test->bar->range,
		.seed = test->options->seed,
	};
	struct placed placed;
	int ret;

	ret = __fault_probe_prepare();
	if (ret || !is_ram(test)) {
		if (ret)
			test_failed(test, "catch signals", ret);
		return;
	}
	ret = __place(test->kind->placement, pattern.range, &placed);
	if (!ret)
		ret = __sample_pages_choose(pattern.range, placed.address,
					    pattern.seed, &pattern.sample);
	if (ret) {
		test_failed(test, "choose an address and pages", ret);
		return;
	}
	pattern.address = placed.address;
	report_place(test, pattern.range, &placed);
	report_sample(test, &pattern);
	map_and_check(test, &pattern);
	sample_pages_free(&pattern.sample);
}

#define CONTENT(name_, placement_) {	\
	.name = "content." name_,	\
	.placement = placement_,	\
	.run = run_content,		\
}

static const struct test_kind kinds[] = {
	CONTENT("kernel", PLACE_KERNEL),
	CONTENT("qemu", PLACE_QEMU),
	CONTENT("qemu-v4", PLACE_QEMU_V4),
	CONTENT("cloud-hypervisor", PLACE_CLOUD_HYPERVISOR),
	CONTENT("offset", PLACE_OFFSET),
	CONTENT("pmd", PLACE_PMD),
	CONTENT("misaligned", PLACE_MISALIGNED),
};

const struct test_list content_tests = { kinds, ARRAY_SIZE(kinds) };
