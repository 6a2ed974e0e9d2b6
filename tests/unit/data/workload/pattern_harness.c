// SPDX-License-Identifier: GPL-2.0-only
/*
 * pattern_harness SEED PAGES [PAGE SHOWN]
 *
 * The passes over a file of that many pages instead of a BAR; the mapping shows
 * page SHOWN in the place of PAGE.  Prints for each pass its number, how many
 * pages are wrong, the first of them and what it shows, and continues; then
 * whether the file is as it was.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/access.c"
#include "lib/fault_probe.c"
#include "lib/kvm_stats.c"
#include "lib/random_range.c"
#include "lib/pattern.c"
#include "lib/sample_pages.c"
#include "lib/vcpu_x86.c"
#include "lib/vm.c"

#define PAGE	4096UL

static const struct {
	enum way from, to;
} ways[NR_PASSES] = {
	{ BY_FILE, BY_MAPPING }, { BY_FILE, BY_MAPPING },
	{ BY_MAPPING, BY_FILE }, { BY_FILE, BY_MAPPING },
	{ BY_FILE, BY_MAPPING }, { BY_MAPPING, BY_FILE },
};

static int run_pass(struct pattern *pattern, enum pass pass)
{
	char origin[ORIGIN_LENGTH];
	struct wrong wrong;
	int ret;

	ret = __pattern_write(pattern, ways[pass].from, pass);
	if (!ret)
		ret = __pattern_check(pattern, ways[pass].to, pass, &wrong);
	if (ret)
		return ret;
	printf("%d %llu", pass, wrong.count);
	if (wrong.count)
		printf(" %llu %s", wrong.offset / PAGE,
		       pattern_origin(pattern, pass, &wrong, origin));
	printf("\n");
	return 0;
}

static void *make(struct range *range, int pages)
{
	unsigned long *words;
	size_t i;

	range->fd = memfd_create("bar", 0);
	range->length = pages * PAGE;
	if (ftruncate(range->fd, range->length))
		exit(2);
	words = mmap(NULL, range->length, PROT_READ | PROT_WRITE, MAP_SHARED,
		     range->fd, 0);
	for (i = 0; i < range->length / sizeof(*words); i++)
		words[i] = i + 1;
	return words;
}

static int restored(const unsigned long *words, size_t length)
{
	size_t i;

	for (i = 0; i < length / sizeof(*words); i++)
		if (words[i] != i + 1)
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	struct range range = { 0 };
	struct pattern pattern = { .range = &range };
	unsigned long *words;
	char *mapping;
	int pass, ret;

	pattern.seed = strtoull(argv[1], NULL, 0);
	words = make(&range, atoi(argv[2]));
	mapping = mmap(NULL, range.length, PROT_READ | PROT_WRITE, MAP_SHARED,
		       range.fd, 0);
	if (argc > 4)
		mmap(mapping + atoi(argv[3]) * PAGE, PAGE,
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, range.fd,
		     atoi(argv[4]) * PAGE);
	pattern.address = (__u64)mapping;
	ret = __fault_probe_prepare();
	if (!ret)
		ret = __sample_pages_choose(&range, pattern.address, pattern.seed,
				     &pattern.sample);
	if (!ret)
		ret = __pattern_save(&pattern);
	for (pass = 0; !ret && pass < NR_PASSES; pass++)
		ret = run_pass(&pattern, pass);
	if (ret)
		printf("%d %d %llu\n", ret, pattern.way, pattern.offset / PAGE);
	ret = __pattern_restore(&pattern);
	puts(!ret && restored(words, range.length) ? "restored" : "spoilt");
	free(pattern.before);
	sample_pages_free(&pattern.sample);
	return 0;
}
