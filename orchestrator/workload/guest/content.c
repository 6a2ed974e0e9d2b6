// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does a mapping show the pages of the BAR that it should?  A fast mapping of
 * the wrong page is the worst bug there is, and neither faults nor entries
 * would tell.
 *
 * Six passes, each with a pattern of its own:
 *
 *   fresh   The file is written, then a mapping read that nobody has touched:
 *           the check's own faults map what it sees.  Spots come in random
 *           order, so that the first touch of a huge page is not that of its
 *           first byte: the fault handler has to find the block's beginning.
 *   mapped  Every page is touched, then the file written, and the mapping read
 *           again: what is seen is what was mapped before, not a later fault.
 *   back    The mapping is written, the file read.
 *   zapped  The file is written, and the device's memory switched off and on,
 *           which takes every entry away.  The faults that make them anew come
 *           at the first page of each block, from the first block to the last.
 *   remapped  The same after munmap and mmap; now the faults come at the last
 *           page of each block, from the last block to the first.
 *   written  Once more unmapped and mapped, and the mapping is written: the
 *           faults are those of writes.  Then the file is read.
 *
 * A block is 2 MiB of addresses: a PMD entry, or a part of a larger one.  Both
 * its ends are among the spots, so that every PMD entry is looked at, and of a
 * PUD entry 1,024 pages; of PTEs, those on both sides of 2 MiB, and some
 * thousands at random.  A range of up to 32 MiB is looked at in all its pages.
 *
 * Only the spots of spots.h are written, but for the second pass every page is
 * touched.  On a kernel that maps PTEs one by one these are 524,288 faults for
 * 2 GiB, some seconds under TCG and most of the test's time.  They buy entries
 * that are those of the whole range, comparable with any other mapping of it:
 * the content is known to be right with just these entries.
 *
 * Who names this group of tests asks for writes to the device.  Even so only
 * RAM is written, see ram.h, and every word of it is put back, by the file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "access.h"
#include "attributes.h"
#include "levels.h"
#include "map.h"
#include "pagetable.h"
#include "pattern.h"
#include "probe.h"
#include "ram.h"
#include "renew.h"
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

static const char * const way_names[] = {
	[BY_FILE] = "the region's file descriptor",
	[BY_MAPPING] = "the mapping",
};

static void access_failed(struct test *test, const struct pattern *pattern,
			  const char *what, int error)
{
	char step[96];

	snprintf(step, sizeof(step), "%s BAR offset 0x%llx through %s", what,
		 pattern->offset, way_names[pattern->way]);
	test_failed(test, step, error);
}

static void report_spots(struct test *test, const struct pattern *pattern)
{
	const struct spots *spots = &pattern->spots;

	test_say(test, "%zu pages are checked, with seed %llu: both sides of %llu boundaries of 2 MiB and of %llu of 1 GiB, the others at random",
		 spots->count, pattern->seed, spots->pmd_boundaries,
		 spots->pud_boundaries);
	test_varies(test, "seed", pattern->seed, "seed");
	test_varies(test, "pmd_boundaries", spots->pmd_boundaries,
		    "boundaries");
	test_varies(test, "pud_boundaries", spots->pud_boundaries,
		    "boundaries");
}

/* Without a page-table dump nobody knows which entries it was. */
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
	test_say(test, "proven of these entries: %llu PTE, %llu PMD, %llu PUD",
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

static void report_wrong(struct test *test, const struct pattern *pattern,
			 enum pass pass, enum way way,
			 const struct wrong *wrong)
{
	char origin[ORIGIN_LENGTH];

	test_not_ok(test, "pass %s: through %s the page at BAR offset 0x%llx, mapped at 0x%llx, shows %s: 0x%016llx, expected 0x%016llx; wrong are %llu of %zu",
		    passes[pass].name, way_names[way], wrong->offset,
		    pattern->address + wrong->offset - pattern->range->offset,
		    pattern_origin(pattern, pass, wrong, origin),
		    wrong->found, wrong->expected, wrong->count,
		    pattern->spots.count);
}

/* Whether every spot shows its tag this way. */
static bool check(struct test *test, struct pattern *pattern, enum pass pass,
		  enum way way, __u64 *right)
{
	struct wrong wrong;
	int ret = __pattern_check(pattern, way, pass, &wrong);

	if (ret) {
		access_failed(test, pattern, "read", ret);
		return false;
	}
	if (wrong.count)
		report_wrong(test, pattern, pass, way, &wrong);
	*right = pattern->spots.count - wrong.count;
	return !wrong.count;
}

/*
 * What is written by the file is read by the file first: what is wrong there
 * is not the mapping's fault.
 */
static bool run_pass(struct test *test, struct pattern *pattern,
		     enum pass pass)
{
	__u64 right = 0;
	bool ok;
	int ret = __pattern_write(pattern, passes[pass].from, pass);

	if (ret) {
		access_failed(test, pattern, "write", ret);
		return false;
	}
	if (passes[pass].from == BY_FILE &&
	    !check(test, pattern, pass, BY_FILE, &right))
		return false;
	ok = check(test, pattern, pass, passes[pass].to, &right);
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

/* Each pass begins with no entry at all; false where that failed. */
static bool renew(struct test *test, struct pattern *pattern, enum pass pass)
{
	int ret = -EOPNOTSUPP;

	if (pass == PASS_ZAPPED)
		ret = __renew_by_memory(test);
	if (ret == -EOPNOTSUPP)
		ret = __renew_by_mmap(pattern->range, pattern->address);
	if (ret) {
		test_failed(test, "take the entries of the mapping away",
			    ret);
		return false;
	}
	if (pass != PASS_WRITTEN)
		touch_blocks(test, pattern, pass == PASS_REMAPPED);
	return true;
}

static void check_anew(struct test *test, struct pattern *pattern)
{
	int pass = PASS_ZAPPED;

	while (pass < NR_PASSES && renew(test, pattern, pass) &&
	       run_pass(test, pattern, pass))
		pass++;
}

/* Through a mapping that was wrong once nothing is written. */
static void run_passes(struct test *test, struct pattern *pattern)
{
	bool ok = run_pass(test, pattern, PASS_FRESH);

	if (!touch_all(test, pattern->address))
		return;
	report_entries(test, pattern->address);
	if (ok && run_pass(test, pattern, PASS_MAPPED) &&
	    run_pass(test, pattern, PASS_BACK))
		check_anew(test, pattern);
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
		access_failed(test, pattern, "read", ret);
	} else {
		run_passes(test, pattern);
		ret = __pattern_restore(pattern);
		if (ret)
			access_failed(test, pattern, "restore", ret);
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

	ret = __probe_prepare();
	if (ret || !is_ram(test)) {
		if (ret)
			test_failed(test, "catch signals", ret);
		return;
	}
	ret = __place(test->kind->placement, pattern.range, &placed);
	if (!ret)
		ret = __spots_choose(pattern.range, placed.address,
				     pattern.seed, &pattern.spots);
	if (ret) {
		test_failed(test, "choose an address and pages", ret);
		return;
	}
	pattern.address = placed.address;
	report_place(test, pattern.range, &placed);
	report_spots(test, &pattern);
	map_and_check(test, &pattern);
	spots_free(&pattern.spots);
}

#define CONTENT(name_, placement_) {	\
	.name = "content." name_,	\
	.placement = placement_,	\
	.run = run_content,		\
}

static const struct test_kind kinds[] = {
	CONTENT("kernel", PLACE_KERNEL),
	CONTENT("qemu", PLACE_QEMU),
	CONTENT("offset", PLACE_OFFSET),
	CONTENT("pmd", PLACE_PMD),
	CONTENT("misaligned", PLACE_MISALIGNED),
};

const struct test_list content_tests = { kinds, ARRAY_SIZE(kinds) };
