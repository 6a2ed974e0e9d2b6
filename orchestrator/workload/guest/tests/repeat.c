// SPDX-License-Identifier: GPL-2.0-only
/*
 * Repeat the NULL-hint mmap, each time in a process with its own random
 * addresses: one good address proves nothing, two hundred do.  An address that
 * was not aligned is a multiple of more than 4 KiB every other time.  So the
 * smallest alignment of all is the one that the kernel ensures.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/exec_mmap.h"
#include "lib/levels.h"
#include "tests.h"

/* With fewer mmaps the smallest alignment depends too much on chance. */
#define ENOUGH_MMAPS	32

/* Enough for every power of two from 4 KiB to 1 GiB. */
#define NR_ALIGNMENTS	19

enum layout {
	TOP_DOWN,
	BOTTOM_UP,
};

static const char * const layout_names[] = {
	[TOP_DOWN] = "top-down",
	[BOTTOM_UP] = "bottom-up",
};

struct repeat {
	struct test *test;
	enum layout layout;
	struct exec_mmap exec;
	__u64 *addresses;
	__u64 mmaps;
	__u64 alignment;	/* the smallest */
	__u64 worst;		/* an address that has it */
	__u64 counts[NR_ALIGNMENTS];
};

static void count(struct repeat *repeat, __u64 address)
{
	__u64 offset = repeat->test->bar->range.offset;
	__u64 alignment = alignment_of(address, offset);

	repeat->addresses[repeat->mmaps++] = address;
	repeat->counts[__builtin_ctzll(alignment / PTE_SIZE)]++;
	if (repeat->alignment && repeat->alignment <= alignment)
		return;
	repeat->alignment = alignment;
	repeat->worst = address;
}

/* False if it makes no sense to continue. */
static bool check(struct repeat *repeat, const struct exec_mmap_result *mmap)
{
	enum layout layout = mmap->down ? TOP_DOWN : BOTTOM_UP;

	if (mmap->error) {
		test_failed(repeat->test, "map the BAR in a fresh process",
			    mmap->error);
		return false;
	}
	if (layout != repeat->layout) {
		test_not_ok(repeat->test, "asked for the %s layout, but mmap %llu, at 0x%llx, was in a process with the %s one (is vm.legacy_va_layout set?)",
			    layout_names[repeat->layout], repeat->mmaps + 1,
			    mmap->address, layout_names[layout]);
		return false;
	}
	count(repeat, mmap->address);
	return true;
}

static void map_all(struct repeat *repeat)
{
	const struct range *range = &repeat->test->bar->range;
	struct exec_mmap_result mmap;
	int ret;

	while (repeat->mmaps < repeat->test->options->repeats) {
		ret = __exec_mmap(&repeat->exec, range, &mmap);
		if (ret) {
			test_failed(repeat->test,
				    "run this program as a fresh process", ret);
			return;
		}
		if (!check(repeat, &mmap))
			return;
	}
}

static int compare(const void *a, const void *b)
{
	__u64 first = *(const __u64 *)a, second = *(const __u64 *)b;

	return (first > second) - (first < second);
}

static __u64 count_distinct(const struct repeat *repeat)
{
	__u64 distinct = 1;
	__u64 i;

	qsort(repeat->addresses, repeat->mmaps, sizeof(*repeat->addresses),
	      compare);
	for (i = 1; i < repeat->mmaps; i++)
		distinct += repeat->addresses[i] != repeat->addresses[i - 1];
	return distinct;
}

/* Print how often each alignment occurred, on one line. */
static void say_counts(const struct repeat *repeat)
{
	char line[WHY_LENGTH] = "";
	size_t used = 0;
	char size[32];
	int i;

	for (i = 0; i < NR_ALIGNMENTS; i++)
		if (repeat->counts[i] && used < sizeof(line))
			used += snprintf(line + used, sizeof(line) - used,
					 ", %llu of %s", repeat->counts[i],
					 human(PTE_SIZE << i, size));
	test_say(repeat->test, "alignments%s", line);
}

static void report_alignment(const struct repeat *repeat)
{
	const struct range *range = &repeat->test->bar->range;
	char length[32], alignment[32];

	test_say(repeat->test, "%s mapped %llu times, %s: congruent to the offset modulo %s at least, at 0x%llx",
		 human(range->length, length), repeat->mmaps,
		 layout_names[repeat->layout],
		 human(repeat->alignment, alignment), repeat->worst);
	say_counts(repeat);
	if (repeat->mmaps < ENOUGH_MMAPS)
		test_varies(repeat->test, "alignment", repeat->alignment,
			    "bytes");
	else
		test_exact(repeat->test, "alignment", repeat->alignment,
			   "bytes");
}

static void report(const struct repeat *repeat)
{
	const struct range *range = &repeat->test->bar->range;
	__u64 distinct = count_distinct(repeat);

	report_alignment(repeat);
	test_say(repeat->test, "%llu distinct addresses, from 0x%llx to 0x%llx",
		 distinct, repeat->addresses[0],
		 repeat->addresses[repeat->mmaps - 1]);
	test_exact(repeat->test, "mmaps", repeat->mmaps, "mmaps");
	test_varies(repeat->test, "distinct", distinct, "addresses");
	test_exact(repeat->test, "length", range->length, "bytes");
	test_exact(repeat->test, "offset", range->offset, "bytes");
	if (distinct == 1 && repeat->mmaps > 1)
		test_not_ok(repeat->test, "all %llu mmaps went to 0x%llx: addresses are not random (is kernel.randomize_va_space 0?), which proves no more than one mmap",
			    repeat->mmaps, repeat->addresses[0]);
}

static void run_repeat(struct test *test)
{
	struct repeat repeat = {
		.test = test,
		.layout = test->kind->variant,
	};
	int ret;

	if (!test->options->repeats) {
		test_skip(test, "no mmaps were asked for (--repeats 0)");
		return;
	}
	ret = __exec_mmap_open(&repeat.exec, repeat.layout == TOP_DOWN);
	if (ret) {
		test_failed(test, "prepare fresh processes", ret);
		return;
	}
	repeat.addresses = calloc(test->options->repeats, sizeof(__u64));
	if (!repeat.addresses) {
		test_failed(test, "allocate memory for the addresses", -ENOMEM);
		return;
	}
	map_all(&repeat);
	if (repeat.mmaps)
		report(&repeat);
	free(repeat.addresses);
}

static const struct test_kind kinds[] = {
	{
		.name = "repeat.topdown",
		.placement = NO_PLACEMENT,
		.variant = TOP_DOWN,
		.run = run_repeat,
	},
	{
		.name = "repeat.bottomup",
		.placement = NO_PLACEMENT,
		.variant = BOTTOM_UP,
		.run = run_repeat,
	},
};

const struct test_list repeat_tests = { kinds, ARRAY_SIZE(kinds) };
