// SPDX-License-Identifier: GPL-2.0-only
/*
 * repeat_harness KERNEL REPEATS
 *
 * The test repeat.topdown on an imagined kernel: its mmaps go to `pages` all
 * over the place, to multiples of `2M`, always to the `same` address, are in
 * the other layout (`up`), or `fail`; or the process `dies`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "placement.c"
#include "fresh.h"
#include "test_stub.h"

static const char *kernel;
static __u64 nr;

int __fresh_open(struct fresh *fresh, bool down)
{
	(void)fresh;
	return down ? 0 : -EINVAL;
}

int __fresh_mmap(const struct fresh *fresh, const struct range *range,
		 struct fresh_mmap *result)
{
	(void)fresh;
	result->address = range->offset + (1ULL << 46);
	result->down = strcmp(kernel, "up");
	result->error = strcmp(kernel, "fail") ? 0 : -ENOMEM;
	if (!strcmp(kernel, "pages"))
		result->address += nr++ * PTE_SIZE;
	if (!strcmp(kernel, "2M"))
		result->address += nr++ * PMD_SIZE;
	return strcmp(kernel, "dies") ? 0 : -ECHILD;
}

#include "repeat.c"

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct outcome outcome = { 0 };
	struct bar bar = { .range = { .offset = 12288, .length = 4096 } };
	struct test test = {
		.options = &options,
		.kind = &repeat_tests.kinds[0],
		.bar = &bar,
		.outcome = &outcome,
	};

	if (argc != 3)
		return 2;
	kernel = argv[1];
	options.repeats = strtoull(argv[2], NULL, 0);
	test.kind->run(&test);
	return 0;
}
