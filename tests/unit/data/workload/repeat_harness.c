// SPDX-License-Identifier: GPL-2.0-only
/*
 * repeat_harness KERNEL REPEATS
 *
 * The test repeat.topdown on an imagined kernel: it places mmaps at different
 * `pages`, at multiples of `2M`, always at the `same` address, in the other
 * layout (`up`), or they `fail`; or the process `dies`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/placement.c"
#include "lib/exec_mmap.h"
#include "test_stub.h"

static const char *kernel;
static __u64 nr;

int __exec_mmap_open(struct exec_mmap *exec, bool down)
{
	(void)exec;
	return down ? 0 : -EINVAL;
}

int __exec_mmap(const struct exec_mmap *exec, const struct range *range,
		 struct exec_mmap_result *result)
{
	(void)exec;
	result->address = range->offset + (1ULL << 46);
	result->down = strcmp(kernel, "up");
	result->error = strcmp(kernel, "fail") ? 0 : -ENOMEM;
	if (!strcmp(kernel, "pages"))
		result->address += nr++ * PTE_SIZE;
	if (!strcmp(kernel, "2M"))
		result->address += nr++ * PMD_SIZE;
	return strcmp(kernel, "dies") ? 0 : -ECHILD;
}

#include "tests/repeat.c"

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
