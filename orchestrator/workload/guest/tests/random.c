// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map random parts of the BAR without a hint, into address space whose holes
 * change all the time.  Count the parts that are long enough for an entry of
 * 2 MiB or 1 GiB, and how many of them are congruent to their offset.  orch
 * decides what a kernel should achieve.  On a kernel that does not align it is
 * chance: one in 512, or one in 262,144.
 *
 * Nothing is read: Linux before 6.12 would map all of every range, page by
 * page, at its first fault.
 */
#include <string.h>

#include "lib/levels.h"
#include "lib/random_range.h"
#include "tests.h"

/* Earlier mappings that stay for a while, so that holes change. */
#define NR_LIVE		8

/* How many ranges that are not congruent are printed, for each level. */
#define NR_EXAMPLES	3

struct live {
	struct range range;	/* of length 0 if there is none */
	__u64 address;
};

/* The results for ranges with room for an entry of this size. */
struct tally {
	const char *long_name, *congruent_name;
	__u64 size;
	__u64 nr_long, nr_congruent;
	/* By whether the length, and the offset, are aligned to the size. */
	__u64 long_by[2][2], congruent_by[2][2];
};

struct random {
	struct test *test;
	struct random_source source;
	struct live live[NR_LIVE];
	__u64 ranges;
	struct tally tallies[2];
};

static void say_example(const struct random *random, const struct live *new,
			__u64 size)
{
	char level[32], modulo[32];

	test_say(random->test, "not congruent modulo %s: range %llu, 0x%zx bytes at offset 0x%llx went to 0x%llx, congruent modulo %s",
		 human(size, level), random->ranges, new->range.length,
		 new->range.offset, new->address,
		 human(alignment_of(new->address, new->range.offset), modulo));
}

static void count(const struct random *random, struct tally *tally,
		  const struct live *new)
{
	bool whole = !(new->range.length % tally->size);
	bool even = !(new->range.offset % tally->size);

	if (!has_block(&new->range, tally->size))
		return;
	tally->nr_long++;
	tally->long_by[whole][even]++;
	if (alignment_of(new->address, new->range.offset) >= tally->size) {
		tally->nr_congruent++;
		tally->congruent_by[whole][even]++;
	} else if (tally->nr_long - tally->nr_congruent <= NR_EXAMPLES) {
		say_example(random, new, tally->size);
	}
}

static bool overlap(const struct live *a, const struct live *b)
{
	return a->address < b->address + b->range.length &&
	       b->address < a->address + a->range.length;
}

static void check(struct random *random, const struct live *new)
{
	const struct live *old;

	if (new->address % PTE_SIZE)
		test_not_ok(random->test, "range %llu, 0x%zx bytes at offset 0x%llx, went to 0x%llx, where no page begins",
			    random->ranges, new->range.length,
			    new->range.offset, new->address);
	for (old = random->live; old < random->live + NR_LIVE; old++)
		if (old->range.length && overlap(old, new))
			test_not_ok(random->test, "range %llu, 0x%zx bytes at offset 0x%llx, went to 0x%llx, into the mapping of 0x%zx bytes at 0x%llx",
				    random->ranges, new->range.length,
				    new->range.offset, new->address,
				    old->range.length, old->address);
}

static void forget(struct live *live)
{
	if (live->range.length)
		range_unmap(&live->range, live->address);
	live->range.length = 0;
}

/* Map another random part; false if that failed. */
static bool map_next(struct random *random)
{
	__u64 slot = random_number(&random->source, NR_LIVE);
	struct live *old = &random->live[slot];
	struct live new;
	int ret, i;

	forget(old);
	random_range(&random->source, &random->test->bar->range, &new.range);
	ret = __range_mmap(&new.range, 0, &new.address);
	if (ret) {
		test_say(random->test, "range %llu: 0x%zx bytes at offset 0x%llx",
			 random->ranges, new.range.length, new.range.offset);
		test_failed(random->test, "map a random range", ret);
		return false;
	}
	check(random, &new);
	for (i = 0; i < 2; i++)
		count(random, &random->tallies[i], &new);
	*old = new;
	random->ranges++;
	return true;
}

static void say_by(const struct random *random, const struct tally *tally,
		   bool whole, bool even)
{
	char size[32];

	if (tally->long_by[whole][even])
		test_say(random->test, "congruent modulo %s: %llu of %llu with length %saligned, offset %saligned",
			 human(tally->size, size),
			 tally->congruent_by[whole][even],
			 tally->long_by[whole][even],
			 whole ? "" : "un", even ? "" : "un");
}

static void report_tally(const struct random *random,
			 const struct tally *tally)
{
	int i;

	for (i = 3; i >= 0; i--)
		say_by(random, tally, i & 2, i & 1);
	test_exact(random->test, tally->long_name, tally->nr_long, "ranges");
	test_varies(random->test, tally->congruent_name, tally->nr_congruent,
		    "ranges");
}

static void report(const struct random *random)
{
	const struct range *range = &random->test->bar->range;
	char length[32], offset[32];

	test_say(random->test, "%llu random ranges of %s at offset %s, seed %llu",
		 random->ranges, human(range->length, length),
		 human(range->offset, offset), random->test->options->seed);
	test_exact(random->test, "ranges", random->ranges, "ranges");
	report_tally(random, &random->tallies[0]);
	report_tally(random, &random->tallies[1]);
	test_exact(random->test, "seed", random->test->options->seed, "seed");
}

static void run_random(struct test *test)
{
	struct random random = {
		.test = test,
		.source = { .state = test->options->seed },
		.tallies = {
			{ "long_pmd", "congruent_pmd", PMD_SIZE },
			{ "long_pud", "congruent_pud", PUD_SIZE },
		},
	};

	if (!test->options->ranges) {
		test_skip(test, "no ranges were asked for (--ranges 0)");
		return;
	}
	while (random.ranges < test->options->ranges && map_next(&random))
		;
	report(&random);
}

static const struct test_kind kinds[] = {
	{ .name = "random", .placement = NO_PLACEMENT, .run = run_random },
};

const struct test_list random_tests = { kinds, ARRAY_SIZE(kinds) };
