// SPDX-License-Identifier: GPL-2.0-only
/*
 * random_harness KERNEL RANGES LENGTH
 *
 * The group random on an imagined kernel, which places every mmap `congruent`
 * modulo 1 GiB, at any `page`, always at the `same` address, at an `odd` one,
 * or `fails`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kernel;
static unsigned long long cursor = 1ULL << 44;

#define __range_mmap	real_range_mmap
#include "lib/placement.c"
#undef __range_mmap
#include "lib/random_range.c"
#include "test_stub.h"

int __range_mmap(const struct range *range, __u64 address, __u64 *at)
{
	(void)address;
	*at = cursor;
	cursor += (range->length | (PUD_SIZE - 1)) + 1 + 2 * PUD_SIZE;
	if (!strcmp(kernel, "congruent"))
		*at += range->offset % PUD_SIZE;
	else if (!strcmp(kernel, "page"))
		*at += range->offset % PUD_SIZE + PTE_SIZE;
	else if (!strcmp(kernel, "odd"))
		*at += 1;
	else if (!strcmp(kernel, "same"))
		*at = 1ULL << 45;
	else
		return -ENOMEM;
	return 0;
}

#define range_unmap(range, address)	((void)(range))
#include "tests/random.c"

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct outcome outcome = { 0 };
	struct bar bar = { .index = 2 };
	struct test test = {
		.options = &options,
		.kind = &random_tests.kinds[0],
		.bar = &bar,
		.outcome = &outcome,
	};

	if (argc != 4)
		return 2;
	kernel = argv[1];
	options.ranges = strtoull(argv[2], NULL, 0);
	bar.range.length = strtoull(argv[3], NULL, 0);
	test.kind->run(&test);
	return 0;
}
